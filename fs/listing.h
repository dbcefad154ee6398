/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing: keeps a directory's names what the server says they are, for types that list their tokens.
 * The worker asks by itself: at the mount, at a reload, and then every `list-every`; looking (ls, stat)
 * asks nobody (contract 3). So what `ls` shows is at most that old.
 *
 *	names that are new       SLOT_LISTED: seen, cold; their value was never here
 *	names that are gone      SLOT_ABSENT: not seen; their value stays in the store, in case they
 *	                         come back
 *	another stamp            another token of that name: the value that we have is not its value
 *
 * Owned by its directory.
 */
#ifndef TOKENFS_LISTING_H
#define TOKENFS_LISTING_H

#include "fetch.h"

struct directory;
struct slot;

struct listing_state {
	struct directory *directory;
	struct fetch *fetch; /* the one under way */
	struct timer timer;
	bool again;          /* … is of the past: another configuration is in force, or a reload came */
	bool unsaved;        /* the disk does not have what the last one said */
	uint32_t round;      /* how many listings there were */
	int64_t at_wall_ms;  /* when the last one came; 0: none did yet */
	struct failure failure; /* of the last one; error 0: it came */
};

void listing_init(struct listing_state *l, struct directory *d);
void listing_finish(struct listing_state *l); /* before the grant's queue is aborted */

/* The server has made one for us: what it says of it is wanted soon, the next one told from it. */
void listing_hurry(struct listing_state *l);

/* What was to become of a name failed, and the server has listed that name meanwhile: it stays. */
void listing_retain(struct slot *s);

/* Another configuration is in force, or somebody reloads: asks soon, if the type lists. */
void listing_configure(struct listing_state *l);

#endif
