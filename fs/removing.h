/* SPDX-License-Identifier: Apache-2.0 */
/*
 * removing: unlink, which revokes at the server first. While an UNLINK waits, the kernel holds the lock
 * of the directory, and whoever lists it, or looks up a name of it for the first time, waits too. So the
 * thread is sent back (ESTALE, as in redirect.h) and waits on its way:
 *
 *	UNLINK iem/foo        ESTALE, and a mark for the thread
 *	LOOKUP iem            the VFS walks once more, with nothing locked: here it waits for the server
 *	LOOKUP foo            the thread, and nobody else, still finds it
 *	UNLINK iem/foo        is answered at once, with what the server said
 *
 * Where there is no way to walk (a relative path, a bind mount of the directory itself), and for threads
 * that cannot be seen, the second UNLINK waits with the lock. The mark outlives the worker: a successor
 * goes on where the thread is.
 */
#ifndef TOKENFS_REMOVING_H
#define TOKENFS_REMOVING_H

#include "mount.h"
#include "node.h"
#include "ops.h"

void removing_unlink(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name);

/* Forgets the results that nobody came for. */
void removing_finish(struct mount *m);

/* A LOOKUP of a directory's name: true when it is answered later. */
bool removing_waits(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name);

/* What this thread still finds under a name that it is removing. false: nothing special. */
bool removing_finds(struct mount *m, pid_t tid, fuse_ino_t parent, const char *name,
		    struct node *ret);

#endif
