/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant: one credential or refresh token, and everything that its requests share: the queue (one
 * after the other), the back-off, the lock-out. Slots live on a grant: most on their provider's, one
 * with an imported refresh token on its own.
 *
 *	open     requests go out
 *	backoff  a transient failure (network, 429, 5xx, garbled): until failure.retry_at none goes out,
 *	         and every open gets the failure's errno
 *	locked   the credential was refused, is over or missing: none goes out until something changes
 *	         (a secret file rewritten, a document written, a reload)
 */
#ifndef TOKENFS_GRANT_H
#define TOKENFS_GRANT_H

#include <stdbool.h>

#include "account.h"
#include "secret.h"
#include "sentence.h"

struct fetch;

/* What went wrong last; error 0: nothing. Kept after the back-off is over, until a success. */
struct failure {
	int error; /* the errno that an open gets */
	bool locked;
	unsigned int count;
	int64_t retry_at; /* CLOCK_BOOTTIME, ms; POLICY_NEVER when locked */
	int64_t at_wall_ms;
	struct sentence why;
};

struct stored_grant;

/* No type's budget is larger. */
#define GRANT_BUDGET_MAX 16

struct grant {
	uint32_t id; /* in the store; 0: nothing of it is stored */
	bool own;    /* a slot's own: allocated by grant_new() */
	bool retired;
	bool unsaved; /* the secret could not be stored: with the next change */
	bool lock_stored; /* the store has it that this one is locked */
	struct account *account;
	struct secret *secret; /* refresh token or key; NULL: none (yet) */
	struct failure failure;
	uint64_t signature;    /* of the secret files that were refused */
	struct fetch *first;   /* the queue; the first one runs */
	int64_t spent[GRANT_BUDGET_MAX]; /* when fetches went out (type->budget), a ring */
	unsigned int spent_at;
};

void grant_init(struct grant *g, struct account *account);
void grant_finish(struct grant *g); /* the queue must be empty */

/* One of a slot's own, with a secret of which it takes a reference. -ENOMEM. */
int grant_new(struct account *account, struct secret *secret, struct grant **ret);

/* Nobody lives on this one of grant_new() any more: it is freed when its queue is empty. */
void grant_retire(struct grant *g);

/*
 * Its row, with the lock if there is one: a successor of this worker must not try what was refused
 * (contract 9). grant_keep_lock() writes it when that changed; a grant that is in no row yet and holds
 * nothing stays in none.
 */
void grant_row(const struct grant *g, struct stored_grant *ret);
void grant_keep_lock(struct grant *g);
void grant_restore(struct grant *g, const struct stored_grant *row);

/* Replaces the secret; takes a reference, NULL: none. */
void grant_hold(struct grant *g, struct secret *secret);

/* 0: a request may go out; else the errno of the failure that still holds, and why. */
int grant_admits(struct grant *g, struct sentence *why);

/*
 * The type's rate budget: -EAGAIN and why, when as many fetches went out as may in that time; nothing is
 * sent then. grant_spend() counts one.
 */
int grant_affords(const struct grant *g, struct sentence *why);
void grant_spend(struct grant *g);

void grant_succeeded(struct grant *g);

/* Transient: backs off; `asked_ms` from Retry-After, -1 none. */
void grant_backs_off(struct grant *g, int error, int64_t asked_ms, const struct sentence *why);

/* Final: locks. `signature`: of the secret files that were refused. */
void grant_locks(struct grant *g, int error, const struct sentence *why, uint64_t signature);

/* Something changed: whatever failed may be tried again at once. */
void grant_reopens(struct grant *g);

#endif
