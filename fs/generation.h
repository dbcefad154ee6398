/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation: one token of a slot and its moments. The slot owns its generations, newest first; an old
 * one is kept while descriptors read it, and for a while longer.
 */
#ifndef TOKENFS_GENERATION_H
#define TOKENFS_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "token.h"

struct generation {
	uint32_t number;
	unsigned int opens; /* descriptors that read it, as far as this worker knows */
	struct token *token;
	int64_t issued_at, expires_at; /* CLOCK_BOOTTIME, ms; POLICY_NEVER */
	int64_t issued_wall_ms, expires_wall_ms;
	int64_t changed_wall_ms; /* mtime: since when the file has these bytes */
	int64_t over_at;  /* when a newer one took its place; 0: it has not */
	bool revoked;     /* nobody gets it any more; who has it open reads on */
	bool imported;    /* written, not fetched */
	bool followed;    /* its number shows newer ones by now */
	bool opened;      /* somebody read it: worth renewing ahead */
	struct generation *older;
};

/*
 * Takes a reference to the token. Its moments follow from its lifetime and from when the request was
 * sent (wire C6). -ENOMEM.
 */
int generation_new(uint32_t number, struct token *token, int64_t sent_boot_ms, int64_t sent_wall_ms,
		   struct generation **ret);
struct generation *generation_free(struct generation *g); /* takes NULL, returns NULL */

#endif
