/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch: runs one exchange on a grant, from its place in the queue to an outcome or a deadline.
 *
 *	queue -> secrets -> ask -> http -> hear -> … -> done -> fetch_end -> the grant's next one
 *
 * What an outcome means for the grant (back-off, lock-out) is settled here, before `done` is called.
 * What came (a token, a new refresh token) is in result->exchange: whoever started the fetch stores
 * it, and then calls fetch_end(), which lets the grant go on. A fetch is never cancelled once
 * something was sent: a rotated refresh token may be on its way.
 */
#ifndef TOKENFS_FETCH_H
#define TOKENFS_FETCH_H

#include "grant.h"
#include "provider.h"

struct fetch;

/* What is to be fetched. The name is copied, the wish referenced. */
struct fetch_order {
	enum purpose purpose;
	struct settings *wish;       /* NULL: nothing special */
	const char *name;            /* of the slot */
	const char *details;         /* exchange.details; copied; may be NULL */
	struct secret *intent;       /* exchange.intent; referenced; may be NULL */
	/* The token as it is when the turn comes (wire V7); may be NULL, may answer NULL. */
	struct token *(*token)(void *ctx);
	/* Whether it is worth nothing by then, for what it is for is gone: -ENOENT. May be NULL. */
	bool (*is_void)(void *ctx);
	/* EXCHANGE_KEEP: puts ret_intent and its like on the disk, then calls fetch_kept(). */
	void (*keep)(void *ctx, struct fetch *f, struct exchange *x);
	/* EXCHANGE_WAIT begins: a person acts. May be NULL. */
	void (*pause)(void *ctx, struct exchange *x);
	int64_t deadline;            /* CLOCK_BOOTTIME, ms; 0: the account's timeout from its start on */
};

struct fetch_result {
	int error;                 /* 0, or the errno for who waits */
	struct exchange *exchange; /* what came; valid until fetch_end() */
	const struct sentence *why;
	int64_t sent_boot_ms, sent_wall_ms; /* when the last request went out (wire C6) */
	bool sent;      /* something did: the server was asked, or a program ran */
	bool slot_only; /* a failure of this wish, not of the grant: FORBIDDEN, INVALID, … */
	bool elsewhere; /* a failure of the slot whose token was needed: that one is held back, not this */
	bool settled;   /* what became of it is known: an intent is over */
	uint64_t signature; /* of the secret files, as they were read */
};

typedef void fetch_done(void *ctx, struct fetch *f, const struct fetch_result *result);

/* Puts it into the grant's queue; `done` is called from the loop, never from inside. -ENOMEM. */
int fetch_start(struct grant *grant, const struct fetch_order *order, fetch_done *done, void *ctx,
		struct fetch **ret);

/* What was to be kept is on the disk (0), or is not: the conversation goes on, or ends so. */
void fetch_kept(struct fetch *f, int error);

/* The other slot that it waits for (EXCHANGE_NEED), or NULL. */
struct need *fetch_need(const struct fetch *f);

/* The grant that was asked. */
struct grant *fetch_grant(const struct fetch *f);

/*
 * After `done`: frees the fetch and lets the grant's next one run. Takes NULL. One that is under way ends
 * too, without a call of `done`: whoever does that knows that its answer is worth nothing.
 */
void fetch_end(struct fetch *f);

/* Whether its request is on the wire, or its program runs. */
bool fetch_is_asking(const struct fetch *f);

/* The worker ends: `done` is called with -EINTR, whatever was sent. */
void fetch_abort(struct fetch *f);

/* Ends one that has sent nothing yet, without a call of `done`: true. Else false, and it goes on. */
bool fetch_withdraw(struct fetch *f);

#endif
