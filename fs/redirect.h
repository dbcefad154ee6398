/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redirect: which threads were sent back for another inode (kernel.md section 2, rules 3 and 4).
 *
 * An OPEN is answered with ESTALE to make the VFS walk the path once more. What that thread asks next
 * is then understood: its LOOKUP gets the draft that it may write to, or its second OPEN of the same
 * old number means that there is no name to walk (a single-file bind mount). A mark lives for three
 * seconds: the VFS comes back at once, but a worker may die meanwhile. A thread that cannot be seen (0)
 * shares its marks with its like.
 *
 * A pin is kept for a part of that: the generation whose size a thread was told for a number that
 * follows, so that its open gets that very generation, and its fstat(2) the same size.
 *
 * A thread that removes a token was sent back to wait on its way (removing.h); it removes one at a time.
 * Its mark lives longer than a revocation may take, and from then on, as removed, like the others.
 *
 * The marks are in memory that a worker's successor inherits (requests.h): one that dies between the
 * two halves of a redirect leaves nobody with ESTALE.
 */
#ifndef TOKENFS_REDIRECT_H
#define TOKENFS_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum redirect_kind {
	REDIRECT_READ,
	REDIRECT_WRITE,
	REDIRECT_PIN,
	REDIRECT_REMOVE,
	REDIRECT_REMOVED,
	REDIRECT_TOLD,
};

struct redirect {
	pid_t tid;
	uint32_t slot;
	enum redirect_kind kind;
	uint32_t draft; /* the draft's number, of REDIRECT_TOLD the errno; else the generation's */
	int64_t until;
};

/* More than can be under way at once; the oldest goes when there are more. Zeroed memory is empty. */
#define REDIRECTS_MAX 4096

struct redirects {
	uint32_t n, drafts; /* in use; drafts so far */
	struct redirect at[REDIRECTS_MAX];
};

/* Marks the thread; in the place of a mark of the same kind for the same slot. */
void redirect_note(struct redirects *r, pid_t tid, uint32_t slot, enum redirect_kind kind,
		   int64_t now);

/* The generation that is pinned for the thread since a moment after `since`; 0: none. */
uint32_t redirect_pinned(struct redirects *r, pid_t tid, uint32_t slot, int64_t since, int64_t now);

/* Pins a generation for the thread. */
void redirect_pin(struct redirects *r, pid_t tid, uint32_t slot, uint32_t generation, int64_t now);

/* The thread removes the slot, whose name has this generation's number. Not for threads that are 0. */
void redirect_remove(struct redirects *r, pid_t tid, uint32_t slot, uint32_t generation, int64_t now);

/* What it removes: REDIRECT_REMOVE, _REMOVED or _TOLD; or NULL. Valid until the next call. */
const struct redirect *redirect_removal(struct redirects *r, pid_t tid, int64_t now);

/* It is removed, and the thread was not told yet; then, that it was told. */
void redirect_removed(struct redirects *r, pid_t tid, uint32_t slot, int64_t now);
void redirect_end_removal(struct redirects *r, pid_t tid);

/*
 * Before it is told: a worker may die between the answer and redirect_end_removal(), and its successor
 * must not take the thread for one that is on its way. *ret_before is for redirect_untell(), when
 * nobody waited for the answer.
 */
void redirect_tell(struct redirects *r, pid_t tid, int error, struct redirect *ret_before);
void redirect_untell(struct redirects *r, const struct redirect *before);

/* The mark of this thread for this slot, or NULL. Valid until the next call. */
const struct redirect *redirect_find(struct redirects *r, pid_t tid, uint32_t slot,
				     enum redirect_kind kind, int64_t now);

/* Removes it (a thread that cannot be seen keeps its: another may be on its way). */
void redirect_clear(struct redirects *r, pid_t tid, uint32_t slot, enum redirect_kind kind);

#endif
