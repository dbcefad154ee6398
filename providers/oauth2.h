/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth2: the pieces of which the OAuth 2.0 types are made. An exchange walks through steps:
 *
 *	START -> OPENID -> METADATA -> START		where are the endpoints? (RFC 8414)
 *	START -> REFRESH -> DONE			a refresh token is there
 *	START -> CREDENTIAL -> DONE			client_credentials, password
 *	REFRESH -> CREDENTIAL				the refresh token is dead, a password is not
 *	START -> REVOKE -> DONE				RFC 7009
 *
 * Functions that answer an int answer what `ask` and `hear` do (enum exchange_outcome, or -errno).
 */
#ifndef TOKENFS_OAUTH2_H
#define TOKENFS_OAUTH2_H

#include "provider.h"

enum oauth2_step {
	OAUTH2_START,
	OAUTH2_OPENID,     /* …/.well-known/openid-configuration */
	OAUTH2_METADATA,   /* /.well-known/oauth-authorization-server… */
	OAUTH2_REFRESH,
	OAUTH2_CREDENTIAL, /* the grant's own credential: client, or user and password */
	OAUTH2_REVOKE,
};

/* oauth2_discovery.c */

/* Whether nothing is known of the issuer yet, though there is one to ask. */
bool oauth2_must_discover(const struct exchange *x, const char *key);

/* The endpoint that the configuration names, or else the issuer; NULL: there is none. */
const char *oauth2_endpoint(const struct exchange *x, const char *key);

/* Whether an endpoint came from an old memo: asking the issuer again may mend it (wire M5). */
bool oauth2_endpoint_is_old(const struct exchange *x, const char *key);

int oauth2_discovery_ask(struct exchange *x);
int oauth2_discovery_hear(struct exchange *x, const struct response *r);

/* oauth2_request.c */

/* A POST to an endpoint, with `Accept`, and the client's word who it is (wire C2, C3). */
int oauth2_post(struct exchange *x, const char *url);

/* Adds resource and audience in the configured style (wire N1-N3). */
void oauth2_add_target(struct exchange *x);

/* What stands in the request: the slot's wish, or the provider's word; "" and NULL: nothing. */
const char *oauth2_scope(const struct exchange *x);
void oauth2_target(const struct exchange *x, struct buffer *out); /* words parted by spaces */

/* The refresh token that a REFRESH step sends; NULL: none. */
const struct secret *oauth2_refresh_token(const struct exchange *x);

/* oauth2_answer.c */

/* What the token endpoint said: token, new refresh token, or why not. */
int oauth2_token_hear(struct exchange *x, const struct response *r);
int oauth2_revoke_hear(struct exchange *x, const struct response *r);

#endif
