/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transaction: a change that somebody asked for, all or nothing: a document that was written, or a
 * revocation. It ends with one errno, which is the result of write(2) or unlink(2) (contract 11).
 * A transaction frees itself when it has ended or was withdrawn.
 */
#ifndef TOKENFS_TRANSACTION_H
#define TOKENFS_TRANSACTION_H

#include "slot.h"

struct transaction;

typedef void transaction_done(void *ctx, int error);

/*
 * Understands the document and does what it says to the slot: imports, or fetches with the new wish.
 * A slot that is SLOT_DRAFT or SLOT_ABSENT becomes SLOT_CREATED, belonging to `owner`, on success and
 * stays what it was on failure. `done` may be called from inside; then *ret is NULL. Errors: -EINVAL
 * (document), or what a fetch may say. The sentence goes into the directory's .status.
 */
void transaction_write(struct slot *s, const char *bytes, size_t len, const struct access *owner,
		       transaction_done *done, void *ctx, struct transaction **ret);

/* Revokes at the server, then forgets. If the server says no or does not answer, nothing changed. */
void transaction_revoke(struct slot *s, transaction_done *done, void *ctx,
			struct transaction **ret);

/* Ends it without a call of `done` if nothing was sent yet: true. Else it goes on: false. */
bool transaction_withdraw(struct transaction *t);

#endif
