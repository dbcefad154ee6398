/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting: a FUSE request that is answered later. Embedded as the first member of what an operation
 * leaves behind; the mount keeps them in a list. INTERRUPT (Ctrl-C) ends it with EINTR, where what was
 * begun for it can still be withdrawn.
 */
#ifndef TOKENFS_WAITING_H
#define TOKENFS_WAITING_H

#include <stdbool.h>

#include "ops.h"

struct mount;

struct waiting {
	struct mount *mount;
	fuse_req_t req;
	/* true: withdrawn, nothing of it goes on; the struct is then freed after the reply. */
	bool (*withdraw)(struct waiting *w);
	struct waiting *next;
};

/* From now on it may be interrupted. `w` must be on the heap. */
void waiting_begin(struct waiting *w, struct mount *m, fuse_req_t req,
		   bool (*withdraw)(struct waiting *w));

/* Out of the list and freed: its request is about to be answered. Returns the request. */
fuse_req_t waiting_end(struct waiting *w);

#endif
