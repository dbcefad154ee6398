/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login: a person logs in (RFC 8628), as a state of a provider's directory. The worker polls; no read
 * call does.
 *
 *	idle --- .login is read, or a document asks for it ---> starting --- prompt ---> waiting
 *	  ^                                                        |                        |
 *	  '--- done, denied, expired, failed, cancelled <----------'------------------------'
 *
 * There is never more than one in a directory, and never one that nobody asked for. What was agreed
 * with the server is an intent in the store (provider.h): a successor of a dead worker goes on.
 *
 * The conversation has a grant of its own, so that neither its failures nor its long wait are the
 * provider's; its end is a secret for the grant of the slot. Owned by its directory.
 */
#ifndef TOKENFS_LOGIN_H
#define TOKENFS_LOGIN_H

#include "fetch.h"

struct directory;
struct slot;

enum login_state {
	LOGIN_IDLE,
	LOGIN_STARTING,
	LOGIN_WAITING,
	LOGIN_DONE,
	LOGIN_DENIED,
	LOGIN_EXPIRED,
	LOGIN_FAILED,
	LOGIN_CANCELLED,
};

/* Who waits for the prompt. */
struct login_wait {
	void (*done)(struct login_wait *w, int error); /* 0: login->prompt is there */
	struct login *login; /* NULL: does not wait */
	struct login_wait *next;
	struct timer limit;
};

struct login {
	struct directory *directory;
	enum login_state state;
	struct slot *slot;   /* under way: which one it is for */
	char name[256];      /* … and its name, after the end too */
	bool created;        /* a new name: without a token it goes again */
	uint64_t basis;      /* of what it was begun with */
	struct grant grant;  /* of the conversation */
	struct fetch *fetch;
	struct timer again;  /* the server is away: the next attempt, with no fetch until then */
	struct prompt prompt;
	struct sentence why; /* how it ended */
	int64_t ended_wall_ms;
	struct login_wait *waiting;
};

void login_init(struct login *l, struct directory *d);

/* The worker ends. What was agreed with the server stays in the store. */
void login_finish(struct login *l);

/*
 * Another configuration is in force: ends what is for another one, and goes on with what an earlier
 * worker began.
 */
void login_configure(struct login *l);

enum login_outcome { LOGIN_READY = 0, LOGIN_WAITS = 1 };

/*
 * Starts a login, or joins the one under way. LOGIN_READY: `prompt` is there. LOGIN_WAITS: `w` is
 * queued; its done comes from the loop, at the latest after the account's timeout. -ENOTSUP: nobody has
 * to log in here; -ENOKEY: there is no slot to log in for (it is to be written first); -EBUSY: it is
 * being written or revoked; -EAGAIN: backing off; -ENOMEM. `why` says so.
 */
int login_join(struct login *l, struct login_wait *w, struct sentence *why);

/*
 * The same for one slot, which somebody wrote. -EBUSY: another one is under way, or another
 * document. `created`: the slot goes if no token comes.
 */
int login_begin(struct login *l, struct slot *s, bool created, struct login_wait *w,
		struct sentence *why);

void login_abandon(struct login_wait *w); /* no call of done; not waiting: nothing */

/* Ends the one under way. -ENOENT: none is. */
int login_cancel(struct login *l);

/* The registered client is gone: so is what was begun with it, and what it was refused. */
void login_forget(struct login *l);

/* Under way. */
bool login_is_active(const struct login *l);

/* … and for this slot. */
bool login_is_for(const struct slot *s);

/* The slot that a login would be for now; NULL: none. */
struct slot *login_candidate(const struct login *l);

/* A visible slot that a login would help: it has no token, and none can be fetched. */
bool login_is_needed(const struct slot *s);

const char *login_state_name(enum login_state s);

#endif
