/* SPDX-License-Identifier: Apache-2.0 */
/*
 * need: the token of another slot, for an exchange that cannot go on without it (EXCHANGE_NEED). A fetch
 * knows only this interface, which the tree implements: slots stand above fetches.
 *
 *	fetch -- begin("ctm/ci") --> tree -> slot_settle -> … -> done(ctx, 0, token)
 *
 * Slots that need each other in a circle are refused at once, with a sentence.
 */
#ifndef TOKENFS_NEED_H
#define TOKENFS_NEED_H

#include <stdint.h>

#include "sentence.h"
#include "token.h"

struct fetch;
struct need;

/* `error`: 0 and a token, borrowed for the call; or the errno that an open would get, and why. */
typedef void need_done(void *ctx, int error, struct token *token, const struct sentence *why);

struct needs {
	/*
	 * `done` is called from the loop, never from inside. `path` is PROVIDER/NAME; `who` asks. -ENOENT:
	 * no such slot, -ENOKEY: none yet, a person is to log in for it, -ELOOP: a circle; and why;
	 * -ENOMEM.
	 */
	int (*begin)(void *tree, const char *path, const struct fetch *who, need_done *done,
		     void *ctx, struct sentence *why, struct need **ret);
	void (*cancel)(struct need *n); /* no call of `done`; takes NULL */
	/* The token that the slot has now, borrowed; NULL: none that is alive. Nobody is asked. */
	struct token *(*look)(void *tree, const char *path);
	void *tree;
};

#endif
