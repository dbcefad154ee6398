/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth2: the pieces of which the OAuth 2.0 types are made. An exchange walks through steps:
 *
 *	START -> OPENID -> METADATA -> START		where are the endpoints? (RFC 8414)
 *	START -> REGISTER -> START			who are we? (registration.h)
 *	START -> REFRESH -> DONE			a refresh token is there
 *	START -> CREDENTIAL -> DONE			client_credentials, password, token_exchange,
 *							jwt_bearer
 *	REFRESH -> CREDENTIAL				the refresh token is dead, a password is not
 *	START -> DEVICE -> PAUSE -> POLL -> … -> DONE	a person logs in (device.h)
 *	START -> REVOKE -> DONE				RFC 7009
 *	START -> UNREGISTER -> DONE			RFC 7592
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
	OAUTH2_REGISTER,
	OAUTH2_REFRESH,
	OAUTH2_CREDENTIAL, /* the grant's own credential: client, or user and password */
	OAUTH2_DEVICE,     /* codes for a person and for us */
	OAUTH2_PAUSE,      /* before each poll (wire D3) */
	OAUTH2_POLL,
	OAUTH2_REVOKE,
	OAUTH2_UNREGISTER,
};

/* What an `error` means for whoever waits for a token (wire C9, C10). A table ends with NULL. */
struct oauth2_verdict {
	const char *error;
	enum exchange_outcome outcome;
	const char *sentence;
};

/* What a server does differently than the standards say. All of it off: as they say. */
struct oauth2_dialect {
	const struct oauth2_verdict *verdicts; /* go before the standard's; or NULL */
	bool forgives_slash;     /* issuer and its document may differ in one `/` at the end */
	bool joins_resource;     /* takes one `resource`, of words, and not one for each */
	bool keeps_grant;        /* invalid_grant says nothing of a refresh token, or of a subject */
	bool scope_in_token;     /* the answer may leave out the scope that the JWT tells */
	bool empty_404_is_client; /* at the device endpoint: the client is not known */
	bool revokes_by_secret;  /* a client that shows a JWT may not revoke */
	bool deprecates_password;
};

/* oauth2.c: for the types that are made of it */

int oauth2_check(const struct settings *s, struct sentence *why);
int oauth2_check_wish(const struct settings *s, const struct settings *wish, struct sentence *why);
bool oauth2_needs_person(const struct settings *s);
int oauth2_ask(struct exchange *x);
int oauth2_hear(struct exchange *x, const struct response *r);

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

/* The scope that is asked for; of the provider's, what a registered client may have (wire G1). */
int oauth2_asked_scope(const struct exchange *x, struct buffer *out);
int oauth2_add_scope(struct exchange *x);

/* Adds resource and audience in the configured style (wire N1-N3). */
void oauth2_add_target(struct exchange *x);

/* What is wanted: the slot's wish, or the provider's word; "" and NULL: nothing. */
const char *oauth2_scope(const struct exchange *x);
void oauth2_target(const struct exchange *x, struct buffer *out); /* words parted by spaces */

/* The refresh token that a REFRESH step sends; NULL: none. */
const struct secret *oauth2_refresh_token(const struct exchange *x);

/* oauth2_assertion.c: JWTs that the client signs (RFC 7523) */

int oauth2_check_assertion(const struct settings *s, struct sentence *why);

/* Whether the client shows who it is by an assertion, and the grant is one that it signs. */
bool oauth2_asserts(const struct exchange *x);
bool oauth2_signs_grant(const struct exchange *x);

/* Whether the issuer must be asked for the token endpoint, whom assertions are for anywhere. */
bool oauth2_seeks_audience(const struct exchange *x);

/*
 * Adds them to the body: EXCHANGE_ASK, or what is wrong with the key. `url`: where the request goes;
 * `id`: the client; it signs with `secret`, or NULL: with its client-key.
 */
int oauth2_add_assertion(struct exchange *x, const char *url, const char *id,
			 const struct secret *secret);
int oauth2_add_bearer_grant(struct exchange *x);

/* Says in `why` how far our clock is off, where the answer shows that (wire J4). */
void oauth2_tell_skew(struct exchange *x, const struct response *r);

/* oauth2_subject.c: the token of somebody, exchanged for another (RFC 8693) */

int oauth2_check_subject(const struct settings *s, struct sentence *why);

/* Whether the step under way sends somebody's token, and whether it exchanges it. */
bool oauth2_sends_subject(const struct exchange *x);
bool oauth2_exchanges(const struct exchange *x);

/* Adds it as a parameter: EXCHANGE_ASK, EXCHANGE_NEED, or why there is none. */
int oauth2_add_subject(struct exchange *x, const char *name);
int oauth2_add_exchange_grant(struct exchange *x);

/* What an exchange gave: EXCHANGE_DONE and the token's type (borrowed; NULL: not said), or why not. */
int oauth2_hear_issued(struct exchange *x, const struct json *answer, const char **ret_type);

/* For struct provider_type: -ENOTSUP for what is no access token (wire X2). */
int oauth2_headers(const struct settings *s, const struct token *t, struct buffer *out);

/* oauth2_answer.c */

/* A token of a type that reading alone does not make usable. */
int oauth2_fail_type(struct exchange *x, const char *type);

/* What the token endpoint said: token, new refresh token, or why not. */
int oauth2_token_hear(struct exchange *x, const struct response *r);
int oauth2_revoke_hear(struct exchange *x, const struct response *r);

/* The body, or NULL when it is not JSON. -ENOMEM. */
int oauth2_parse(const struct response *r, struct json **ret);

/* An `error` counts at any status: some servers say it with 200 (wire C9). */
bool oauth2_is_error(const struct response *r, const struct json *answer);

/* The outcome of an error, its sentence, and what the server says about it. */
int oauth2_error_hear(struct exchange *x, const struct response *r, const struct json *answer);

/* The endpoint may have moved since the issuer was asked; it is asked once more, and once only. */
bool oauth2_has_moved(const struct exchange *x, const struct response *r, const char *key);

/* Whether a list of words parted by spaces has this one. */
bool oauth2_has_word(const char *list, const char *word, size_t len);

#endif
