/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unregister: removes the client that a provider registered by itself (RFC 7592), when somebody says so.
 * The server forgets it with all that it gave; so do we: its refresh tokens and its tokens go.
 */
#ifndef TOKENFS_UNREGISTER_H
#define TOKENFS_UNREGISTER_H

#include "tree.h"

/* `error`: 0; -ENOENT, nothing was registered; or what the server or the disk says, and why. */
typedef void unregister_done(void *ctx, int error, const struct sentence *why);

/* `done` may be called from inside. It cannot be taken back. */
void unregister_begin(struct directory *d, unregister_done *done, void *ctx);

#endif
