/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password: the conversation of servers with one login call: a POST of user and password (or of client
 * id and secret) is answered with a token and its end. There is no refresh, and nothing to revoke with.
 * A type says in a `struct password_login`, which is all data, where its server has what:
 *
 *	static const struct password_login acme = {
 *		.base = "url",
 *		.path = "/api/login",
 *		.members = { { .name = "username", .key = "user" },
 *			     { .name = "password", .key = "password" } },
 *		.token = { "data", "token" },
 *		.expiries = { { "data", "expires" } },
 *		.credential = "user and password",
 *		.refusals = { 401 },
 *	};
 *
 * and calls password_ask() and password_hear() with it. The tables are constant and outlive everything.
 */
#ifndef TOKENFS_PASSWORD_H
#define TOKENFS_PASSWORD_H

#include "provider.h"

#define PASSWORD_MEMBERS_MAX  6
#define PASSWORD_EXPIRIES_MAX 2
#define PASSWORD_REFUSALS_MAX 3

/* One member of the body: the value of a key of the settings, or else a text. */
struct password_member {
	const char *name;
	const char *key;
	const char *text;
};

/* A member of the answer, in an object of it or (NULL) at its top. */
struct password_place {
	const char *object;
	const char *member;
};

/* What the `error` of an answer means. A list ends with a row whose error is NULL. */
struct password_verdict {
	const char *error;
	enum exchange_outcome outcome;
	const char *sentence;
};

struct password_login {
	const char *base;     /* the key that holds the server's URL */
	const char *path;     /* what follows; {KEY} stands for a key's value, percent-encoded */
	const char *path_key; /* or the key that holds what follows */
	bool form;	      /* the body is form-encoded; else JSON */
	struct password_member members[PASSWORD_MEMBERS_MAX];

	struct password_place token;
	/*
	 * When the token ends; the first that is there counts. A number tells by its size what it
	 * is: seconds from now, or seconds or milliseconds since the epoch (moment.h); a text is
	 * RFC 3339.
	 */
	struct password_place expiries[PASSWORD_EXPIRIES_MAX];

	const char *credential;		     /* "user and password": what a refusal refuses */
	const char *advice;		     /* what to do then, besides correcting it; or NULL */
	int refusals[PASSWORD_REFUSALS_MAX]; /* the statuses that say so */
	const struct password_verdict *verdicts; /* words that say more than a status; or NULL */
	const char *no_token; /* what to do where 2xx has a message in place of a token; or NULL */
};

/*
 * What the field table does not say: that every key of the body has a value, and that the URL is
 * one. 0, or -EINVAL and why.
 */
int password_check(const struct password_login *l, const struct settings *s, struct sentence *why);

/* What `ask` and `hear` of a type do. An end of `hear` with EXCHANGE_DONE has set ret_token. */
int password_ask(const struct password_login *l, struct exchange *x);
int password_hear(const struct password_login *l, struct exchange *x, const struct response *r);

/* Appends base and path with one slash between them. */
void password_join(struct buffer *url, const char *base, const char *path);

/* Appends to `why` what the server said in an answer that is JSON; `answer` may be NULL. */
void password_quote(struct exchange *x, const struct json *answer);

/* The answer as JSON, or NULL where it is none. 0, -ENOMEM. */
int password_parse(const struct response *r, struct json **ret);

#endif
