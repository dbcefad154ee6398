/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redirect: which threads were sent back for another inode (kernel.md section 2, rules 3 and 4).
 *
 * An OPEN is answered with ESTALE to make the VFS walk the path once more. What that thread asks next
 * is then understood: its LOOKUP gets the draft that it may write to, or its second OPEN of the same
 * old number means that there is no name to walk (a single-file bind mount). A mark lives for a
 * second: the VFS comes back at once. A thread that cannot be seen (0) shares its marks with its like.
 */
#ifndef TOKENFS_REDIRECT_H
#define TOKENFS_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum redirect_kind { REDIRECT_READ, REDIRECT_WRITE };

struct redirect {
	pid_t tid;
	uint32_t slot;
	enum redirect_kind kind;
	uint32_t draft; /* REDIRECT_WRITE: the draft's number */
	int64_t until;
};

struct redirects {
	struct redirect *at;
	size_t n, room;
	uint32_t drafts; /* so far */
};

void redirects_init(struct redirects *r, uint32_t first_draft);
void redirects_finish(struct redirects *r);

/* Marks the thread; -ENOMEM. */
int redirect_note(struct redirects *r, pid_t tid, uint32_t slot, enum redirect_kind kind,
		  int64_t now);

/* The mark of this thread for this slot, or NULL. Valid until the next call. */
const struct redirect *redirect_find(struct redirects *r, pid_t tid, uint32_t slot,
				     enum redirect_kind kind, int64_t now);

/* Removes it (a thread that cannot be seen keeps its: another may be on its way). */
void redirect_clear(struct redirects *r, pid_t tid, uint32_t slot, enum redirect_kind kind);

#endif
