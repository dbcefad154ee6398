/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registration: who we are at a server. The configuration names a client, or (`register = yes`) we
 * register one (RFC 7591), keep the server's whole answer, and are what it says.
 *
 *	REGISTER -> EXCHANGE_KEEP -> START	kept before its first use (wire G6)
 *	UNREGISTER -> DONE			RFC 7592, with the token that came with the client
 */
#ifndef TOKENFS_REGISTRATION_H
#define TOKENFS_REGISTRATION_H

#include "provider.h"

/* Ended by client_finish(); strings are borrowed from it, or from the settings. */
struct client {
	const char *id;              /* NULL: there is none */
	const struct secret *secret; /* NULL: there is none */
	const char *way;             /* as client-auth says it */
	struct json *registration;   /* the server's answer, or NULL */
	struct secret *registered;   /* the secret that came with it */
};

/* The configured client, or the registered one. -ENOMEM. */
int client_init(const struct exchange *x, struct client *ret);
void client_finish(struct client *c);
#define CLIENT_AUTO __attribute__((cleanup(client_finish))) struct client

/*
 * Appends the words of `scope` but those that were asked for at the registration and not given:
 * the whole answer counts, not the request (wire G1). Nothing left: what was given.
 */
void client_scope(const struct client *c, const char *scope, struct buffer *out);

/* Whether a client has to be registered first: none is kept, or its secret is over (wire G2). */
bool registration_wanted(const struct exchange *x);

/* Whether a client is kept that can say who it is, even if its secret is over. */
bool registration_kept(const struct exchange *x);

int registration_ask(struct exchange *x);
int registration_hear(struct exchange *x, const struct response *r);

int registration_remove_ask(struct exchange *x);
int registration_remove_hear(struct exchange *x, const struct response *r);

/* What one field alone cannot know. 0, or -EINVAL and why. */
int registration_check(const struct settings *s, struct sentence *why);

#endif
