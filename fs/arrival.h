/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arrival: how a token gets into a slot, and out of it. The one place where slots, grants and store
 * meet: what came is on disk, all of it or nothing, before it is shown (contract 6, wire R2).
 */
#ifndef TOKENFS_ARRIVAL_H
#define TOKENFS_ARRIVAL_H

#include "slot.h"

struct arrival {
	struct token *token;    /* NULL: only the grant's secret changes */
	struct token *id_token; /* what came beside it, or NULL */
	int64_t sent_boot_ms, sent_wall_ms;
	bool imported;          /* written, not fetched */

	struct grant *grant;   /* which was asked */
	struct secret *secret; /* its new one, or NULL */
	bool drop_secret;      /* its old one is dead */

	bool document;         /* somebody wrote it: `wish` and `grant` are the slot's from now on */
	struct settings *wish; /* taken over on success; NULL: nothing special */

	bool login;            /* a person logged in: `grant` is the slot's from now on */
	const char *details;   /* what the server says of it (exchange.ret_details), or NULL */
	bool made;             /* the server has it under this name: it is listed from now on */
};

/* `error`: 0, the slot shows the new generation; or the disk's errno, and nothing changed. */
typedef void arrival_done(void *ctx, int error);

/* Takes references of its own to the tokens and the secret. */
void arrival_store(struct slot *s, const struct arrival *a, arrival_done *done, void *ctx);

/*
 * What a conversation must have on the disk before it goes on (EXCHANGE_KEEP): the intent, for which
 * the slot gets a row even if nobody sees it yet; the registration; the secret of the grant. Ends
 * with fetch_kept().
 */
void arrival_keep(struct slot *s, struct grant *grant, struct exchange *x, struct fetch *f);

/* The intent is over. What cannot be written stays until the next one. */
void arrival_settle(struct slot *s);

/* The server says that the newest token is over, earlier than it had said. On the disk too. */
void arrival_expire(struct slot *s);

/*
 * Forgets token, document and own grant. A declared slot is as configured again, and cold; a created
 * one is dead. `error` as above; but what the server has `revoked` is shown to nobody then.
 */
void arrival_forget(struct slot *s, bool revoked, arrival_done *done, void *ctx);

#endif
