/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalyst: the pieces of the type for Zoho Catalyst. A CLI token is a refresh token of Zoho behind a
 * letter for the client that got it and `_`. An exchange walks through steps:
 *
 *	START -> CODE -> PAUSE -> POLL -> … -> DONE	a login, Zoho's own dialect of a device flow
 *	START -> NEED -> REFRESH -> DONE		an access token, made of a CLI token
 *	START -> REVOKE [-> DOUBT] -> DONE		the token ends; did it?
 *
 * Functions that answer an int answer what `ask` and `hear` do (enum exchange_outcome, or -errno).
 * The points cited are of the wire document, chapter 1.
 */
#ifndef TOKENFS_CATALYST_H
#define TOKENFS_CATALYST_H

#include "provider.h"

enum catalyst_step {
	CATALYST_START,
	CATALYST_CODE,    /* a login begins */
	CATALYST_PAUSE,   /* the next poll is not due yet */
	CATALYST_POLL,
	CATALYST_NEED,    /* the CLI token is another slot's */
	CATALYST_REFRESH,
	CATALYST_REVOKE,
	CATALYST_DOUBT,   /* the server refused to revoke: does the token still work? */
};

/* Whether this is the slot of the access token; the others are CLI tokens. */
bool catalyst_is_access(const struct exchange *x);

/* Whether the value is LETTER_REST (1.1, 1.8). */
bool catalyst_is_cli(const char *value, size_t len);

/* catalyst_server.c */

/* The key of a data centre by its key or its stored value ("com", "ae"); NULL: not known. */
const char *catalyst_centre(const char *word);

/* Where this token is from: what its details say, else the section; `t` may be NULL. */
const char *catalyst_centre_of(const struct exchange *x, const struct token *t);

/* A POST of the body so far to a path at the accounts origin of a data centre. */
int catalyst_post(struct exchange *x, const char *centre, const char *path);

/* Adds client_id and client_secret: EXCHANGE_ASK, or EXCHANGE_MISSING. */
int catalyst_add_client(struct exchange *x);

/* A body that is not JSON gives NULL. -ENOMEM. */
int catalyst_parse(const struct response *r, struct json **ret);

/* A member that is a string and not empty, or NULL. */
const char *catalyst_string(const struct json *answer, const char *key);

bool catalyst_is_error(const struct json *answer, const char *error);

/* An answer that is not what was wanted. */
int catalyst_refuse(struct exchange *x, const struct response *r, const struct json *answer);

/* What is told of a token besides: data centre, API domain, when it was made (0: not told). */
void catalyst_describe(const struct json *answer, const char *centre, int64_t created_ms,
		       struct buffer *out);

/* The answer's access token; `scope` is what was asked for. */
int catalyst_issue_access(struct exchange *x, const struct json *answer, const char *centre,
			  const char *scope);

/* catalyst_login.c */
int catalyst_login_ask(struct exchange *x);
int catalyst_login_hear(struct exchange *x, const struct response *r);

/* catalyst_refresh.c */
int catalyst_refresh_ask(struct exchange *x);
int catalyst_refresh_hear(struct exchange *x, const struct response *r);

/* Adds the refresh token in a CLI token, and what else its renewal takes. */
int catalyst_ask_renewal(struct exchange *x, const char *cli, size_t len, const char *centre);

/* catalyst_revoke.c */
int catalyst_revoke_ask(struct exchange *x);
int catalyst_revoke_hear(struct exchange *x, const struct response *r);

#endif
