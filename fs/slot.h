/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot: one name in a provider's directory: what to ask for, the token that came, who waits for it.
 *
 *	         open                fetch done              margin begins
 *	cold ----------> fetching ---------------> hot ----------------------> stale
 *	  ^                  | failed: errno to who waits      | renewal ahead     |
 *	  '------------------+                                 '--- fetching <-----'
 *
 * A token is swapped whole: it is a new generation, the old one stays readable for who has it open.
 * How a token gets in is arrival.h; this file is about getting it out.
 *
 * A slot is owned by its directory. One that nobody asked for yet costs a struct and its name; `live`
 * is made at the first use. What waits (struct settle) is embedded in whoever waits.
 */
#ifndef TOKENFS_SLOT_H
#define TOKENFS_SLOT_H

#include <sys/types.h>

#include "config.h"
#include "fetch.h"
#include "generation.h"
#include "loop.h"

struct directory;
struct slot;

/* Who waits for a token. */
struct settle {
	void (*done)(struct settle *s, int error); /* 0, or the errno */
	struct slot *slot;                         /* NULL: does not wait */
	struct settle *next;
	struct timer limit;
};

/* What was refused for this slot alone, the token of somebody: another one in its place may be good. */
struct refusal {
	struct token *given; /* of the slot `of`; NULL: it stood in a file */
	char *of;            /* PROVIDER/NAME */
	uint64_t signature;  /* of the secret files; 0: nothing was refused */
};

/* What a slot has once somebody asked for it. */
struct live {
	struct generation *newest; /* and older ones behind it */
	struct fetch *fetch;       /* the one under way */
	uint32_t fetch_epoch;      /* when it began */
	uint64_t fetch_basis;      /* what it asks with */
	int fetch_error;           /* how it ended, while what came is stored */
	struct settle *waiting;
	struct failure failure; /* of this slot's wish alone (scope, role) */
	struct refusal refusal; /* while `failure` is one */
	struct timer renew, forget;
	uint32_t following;                    /* the generation that old numbers show */
	int64_t following_since, following_at; /* … and when one of them was opened last */
	uint32_t epoch;         /* grows with each write and revocation: older answers are void */
	unsigned int writes;    /* under way: the kernel keeps no name meanwhile */
	unsigned int removals;  /* of these: what comes meanwhile is to be revoked, and is shown to nobody */
	bool revoked;
	struct secret *intent; /* what a conversation was about to do (provider.h, INTENTS); or NULL */
	enum purpose intent_for;
	int (*start)(struct slot *s); /* a fetch; slot.c's own */
	char *document; /* the stored wish, until the configuration says what type this is */
};

enum slot_kind {
	SLOT_DECLARED,  /* by the configuration */
	SLOT_CREATED,   /* by somebody who wrote it */
	SLOT_LISTED,    /* the server has it */
	SLOT_COMPANION, /* comes with access_token: id_token */
	SLOT_ABSENT,    /* was declared or listed once: id and tokens are kept, nobody sees it */
	SLOT_DRAFT,     /* being written for the first time: nobody sees it */
	SLOT_DEAD,      /* revoked and gone; freed when the last open is over */
};

/* What the server says of a token that it lists; a slot has one once it was listed. */
struct note {
	bool listed;    /* the last time, too */
	uint32_t round; /* of which listing it is (listing.c) */
	char *details;  /* JSON, for .meta */
	char *stamp;    /* another one is another token of this name; or NULL */
};

struct slot {
	uint32_t id;
	uint32_t generation; /* of the newest token that ever was; 0: never one */
	uint32_t size;       /* of that token */
	enum slot_kind kind;
	struct directory *directory;
	struct grant *grant;   /* its own, or the directory's */
	struct settings *wish; /* as declared or written; NULL: nothing special */
	bool written;          /* the wish is a document's, not the configuration's */
	bool imported;         /* there is nothing but the token that was written: none to fetch */
	uint64_t basis;        /* hash of the settings and wish that the newest token or a login is for */
	struct access access;
	struct live *live;
	struct note *note; /* NULL: never listed */
	char name[];
};

int slot_new(struct directory *d, uint32_t id, const char *name, struct slot **ret); /* -ENOMEM */
struct slot *slot_free(struct slot *s); /* nobody may wait; takes NULL, returns NULL */

/* What a token of this wish would be for, as things are configured now (slot.basis). */
uint64_t slot_basis(const struct slot *s, const struct settings *wish);

/*
 * What is kept of it in the store. `wish` holds the text of the wish for as long as the row is used.
 */
struct stored_slot;
int slot_row(const struct slot *s, struct buffer *wish, struct stored_slot *ret);

/* Notes what the server says; copies, NULL leaves what was known. -ENOMEM. */
int slot_note(struct slot *s, const char *details, const char *stamp);

/* It is another token of the name by now: the next listing says its stamp. It must have a note. */
void slot_unstamp(struct slot *s);

/* The provider's own slot, which is there from the start: access_token, session. */
bool slot_is_first(const struct slot *s);

/* Its token was had once and for all: another one cannot be fetched, whatever the settings say. */
bool slot_is_precious(const struct slot *s);

/* Replaces the intent; takes a reference, NULL: none. slot_enliven() must have been called. */
void slot_intend(struct slot *s, struct secret *intent, enum purpose purpose);

/* The newest token that was not revoked, even if it has expired; NULL: none. */
struct token *slot_newest_token(const struct slot *s);

/* Lets `live` be there. -ENOMEM. */
int slot_enliven(struct slot *s);

/* Seen by ls and open. */
bool slot_is_visible(const struct slot *s);

/* The newest generation if it may be handed out without asking anybody, else NULL. */
struct generation *slot_fresh(const struct slot *s);

/* The newest generation if it has not expired, else NULL. */
struct generation *slot_alive(const struct slot *s);

/* A generation that is still kept, by number; NULL: gone. */
struct generation *slot_generation(const struct slot *s, uint32_t number);

/*
 * The generation that a number without a name shows (kernel.md section 2, single-file bind mounts);
 * NULL: none is alive. slot_follow() is for an open: it chooses; slot_followed() is for its fstat.
 */
bool generation_is_fresh(const struct slot *s, const struct generation *g); /* and not revoked */
struct generation *slot_follow(struct slot *s);
struct generation *slot_followed(const struct slot *s);

/* How long the kernel may keep the slot's name for its newest generation; in ms. */
int64_t slot_name_ms(const struct slot *s);

/* Somebody opened this generation: it is renewed ahead from now on. */
void slot_opened(struct slot *s, struct generation *g);

enum settle_outcome { SETTLE_NOW = 0, SETTLE_WAITS = 1 };

/*
 * Makes the slot have a token that may be handed out: slot_alive() then has it. SETTLE_NOW: it has.
 * SETTLE_WAITS: `settle` is queued, its done will be called from the loop, at the latest when the
 * account's `timeout` is over. Else the errno of design.md section 3, and nothing was asked.
 */
int slot_settle(struct slot *s, struct settle *settle);
void slot_abandon(struct settle *settle); /* no call of done; not waiting: nothing */

/* Fetches ahead of the first reader. What goes wrong is noted on the grant. */
void slot_prefetch(struct slot *s);

/* What the server says of it has changed: whether its token is still good is asked anew. */
void slot_renew(struct slot *s);

/* Puts a generation before the others, and takes it over; it is renewed ahead if the last one was. */
void slot_show(struct slot *s, struct generation *g);

/* Every generation is over (revoked); descriptors that are open read on. */
void slot_chill(struct slot *s);

/* Ends all waits, for what came beside too: with the token that is alive, or with the error. */
void slot_wake(struct slot *s, int error);

/*
 * A revocation is over: who waited meanwhile gets the token that was not revoked, or another one. Where
 * that is under way already, they wait on.
 */
void slot_resume(struct slot *s);

/* What an open would be told now, or what the last one was told; NULL: nothing went wrong. */
const struct failure *slot_failure(const struct slot *s);

#endif
