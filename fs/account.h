/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account: one configured account at one server, as its exchanges see it: the type, the settings of
 * the edition of the configuration that is in force, and what was learnt of the server before.
 * A directory of the mount owns its account; grants borrow it.
 */
#ifndef TOKENFS_ACCOUNT_H
#define TOKENFS_ACCOUNT_H

#include <stdint.h>

#include "config.h"
#include "engine.h"
#include "json.h"
#include "loop.h"
#include "need.h"

/* A configuration, as long as somebody reads in it: an exchange may outlive a reload. */
struct edition {
	unsigned int refs;
	struct config *config;
};

int edition_new(struct config *config, struct edition **ret); /* takes the config over */
struct edition *edition_ref(struct edition *e);
struct edition *edition_unref(struct edition *e); /* takes NULL, returns NULL */

/* What was learnt of the server (exchange.ret_memo), as long as somebody reads in it. */
struct memo {
	unsigned int refs;
	struct json *json;
};

struct memo *memo_ref(struct memo *m);   /* takes NULL */
struct memo *memo_unref(struct memo *m); /* takes NULL, returns NULL */

struct account {
	const struct engine *engine;
	uint32_t directory; /* its id in the store */
	struct edition *edition;
	const struct config_provider *config; /* in that edition */
	struct secret *registration;          /* of the client at the server, or NULL */
	const struct needs *needs;            /* gives an exchange the token of another slot */
	struct memo *memo;                    /* or NULL */
	int64_t memo_until;                   /* CLOCK_BOOTTIME, ms */
	uint64_t fetched, failed;             /* exchanges so far, for .metrics */
	uint64_t opens;                       /* of tokens */
};

void account_init(struct account *a, const struct engine *engine);
void account_finish(struct account *a);

/* Puts another edition in force; what was learnt under the old one is forgotten. */
void account_use(struct account *a, struct edition *e, const struct config_provider *config);

/* Keeps what was learnt for `ms`; takes the JSON over. -ENOMEM. */
int account_learn(struct account *a, struct json *memo, int64_t ms);

/* Replaces the registration; takes a reference, NULL: none. */
void account_register(struct account *a, struct secret *registration);

/* The keys that a section may set and the mount has too. */
int64_t account_margin(const struct account *a);
int64_t account_timeout(const struct account *a);

#endif
