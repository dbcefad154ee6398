/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "oauth2.h"

static const struct oauth2_verdict verdicts[] = {
	/* clang-format off */
	{ "invalid_client", EXCHANGE_DENIED, "the server refused client-id and client-secret" },
	{ "invalid_client_secret", EXCHANGE_DENIED, "the server refused the client-secret" },
	{ "invalid_grant", EXCHANGE_DENIED, "the server refused the credential" },
	{ "invalid_token", EXCHANGE_DENIED, "the server refused the credential" },
	{ "unauthorized", EXCHANGE_DENIED, "the server refused this user or client" },
	{ "expired_token", EXCHANGE_EXPIRED, "the grant has expired" },
	{ "access_denied", EXCHANGE_FORBIDDEN, "the server does not allow this" },
	{ "invalid_scope", EXCHANGE_FORBIDDEN, "the server does not give this scope" },
	{ "scope_invalid", EXCHANGE_FORBIDDEN, "the server does not give this scope" },
	{ "invalid_target", EXCHANGE_FORBIDDEN,
	  "the server does not give tokens for this resource" },
	{ "unauthorized_client", EXCHANGE_FORBIDDEN,
	  "the server does not allow this client the grant" },
	{ "unsupported_grant_type", EXCHANGE_UNSUPPORTED, "the server does not know this grant" },
	{ "unsupported_token_type", EXCHANGE_UNSUPPORTED,
	  "the server does not revoke such a token" },
	{ "invalid_request", EXCHANGE_INVALID, "the server does not understand what it was asked" },
	{ "temporarily_unavailable", EXCHANGE_BUSY, "the server is not available now" },
	{ "server_error", EXCHANGE_BUSY, "the server has trouble of its own" },
	{ "slow_down", EXCHANGE_BUSY, "the server wants fewer requests" },
	{ "Access Denied", EXCHANGE_BUSY, "the server wants fewer requests" },
	{ 0 },
	/* clang-format on */
};

static const struct oauth2_verdict *find(const struct oauth2_verdict *table, const char *error)
{
	for (; error && table && table->error; table++)
		if (strcmp(table->error, error) == 0)
			return table;
	return NULL;
}

static const struct oauth2_verdict *verdict_of(const struct exchange *x, const char *error)
{
	const struct oauth2_verdict *own = find(x->type->dialect->verdicts, error);

	return own ? own : find(verdicts, error);
}

/* An error that is not in the book, or a body that is none: the status has to do. */
static int hear_unknown(struct exchange *x, const struct response *r)
{
	if (r->status == 401 || (r->status == 403 && r->len == 0))
		return exchange_fail(x, EXCHANGE_DENIED, "the server refused the credential (%d)",
				     r->status);
	if (r->status == 403)
		return exchange_fail(x, EXCHANGE_FORBIDDEN, "the server does not allow this (403)");
	if (r->status == 404 || r->status == 405 || r->status == 410)
		return exchange_fail(
			x, EXCHANGE_GARBLED,
			"there is no such endpoint at the server (%d): correct the URL", r->status);
	if (r->status >= 200 && r->status < 300)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server's answer is not what OAuth 2.0 says (%d)",
				     r->status);
	return exchange_fail(x, EXCHANGE_GARBLED,
			     "the server refused for a reason unknown here (%d)", r->status);
}

static bool sent_password(const struct exchange *x)
{
	return x->step == OAUTH2_CREDENTIAL &&
	       strcmp(settings_text(x->settings, "grant"), "password") == 0;
}

static bool is_one_of(const char *error, const char *a, const char *b, const char *c)
{
	return strcmp(error, a) == 0 || strcmp(error, b) == 0 || strcmp(error, c) == 0;
}

/* What an error refuses where neither client-secret nor password was sent; NULL: see the book. */
static const char *refused_part(const struct exchange *x, const char *error)
{
	if (strcmp(error, "invalid_client") == 0)
		return oauth2_asserts(x) ? "the server refused the client's assertion" : NULL;
	if (strcmp(error, "invalid_grant") == 0 && oauth2_signs_grant(x))
		return "the server refused the assertion for the user";
	/* said of a subject whose user has something to sign, it stands in the dialect's book */
	if (strcmp(error, "invalid_grant") == 0 && x->type->dialect->keeps_grant)
		return NULL;
	if (is_one_of(error, "invalid_grant", "invalid_token", "expired_token") &&
	    oauth2_sends_subject(x))
		return "the server refused the subject-token";
	/* RFC 8693 has no other word for it (wire X3) */
	if (strcmp(error, "invalid_request") == 0 && oauth2_exchanges(x))
		return "the server refused the subject-token, or what was asked with it";
	return NULL;
}

/* A refused subject says nothing about the client: the next one may be good. */
static int hear_refusal(struct exchange *x, const struct response *r, const char *error)
{
	const char *part = error ? refused_part(x, error) : NULL;
	bool client = error && strcmp(error, "invalid_client") == 0;

	if (!part)
		return 0;
	exchange_fail(x, EXCHANGE_DENIED, "%s (%s)", part, error);
	if (client || oauth2_signs_grant(x))
		oauth2_tell_skew(x, r);
	else
		x->slot_only = true;
	return EXCHANGE_DENIED;
}

static int judge(struct exchange *x, const struct response *r, const char *error)
{
	const struct oauth2_verdict *v = verdict_of(x, error);
	int outcome = hear_refusal(x, r, error);

	if (outcome)
		return outcome;
	if (!v)
		return hear_unknown(x, r);
	if (strcmp(v->error, "invalid_grant") == 0 && sent_password(x))
		return exchange_fail(x, EXCHANGE_DENIED,
				     "the server refused user and password (invalid_grant)");
	return exchange_fail(x, v->outcome, "%s (%s)", v->sentence, v->error);
}

int oauth2_error_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	const char *error = json_string(answer, "error");
	int outcome = judge(x, r, error);

	if (outcome == EXCHANGE_BUSY)
		x->wait_ms = r->retry_after_ms;
	if (!verdict_of(x, error))
		exchange_quote(x, error);
	exchange_quote(x, json_string(answer, "error_description"));
	return outcome;
}

bool oauth2_is_error(const struct response *r, const struct json *answer)
{
	const char *error = json_string(answer, "error");

	return r->status < 200 || r->status >= 300 || !json_is_object(answer) ||
	       (error && error[0]);
}

/* The ways in which servers say that a refresh token is over; an empty 400 is one of them. */
static bool is_dead(const struct exchange *x, const struct response *r, const struct json *answer)
{
	const char *error = json_string(answer, "error");

	if (x->step != OAUTH2_REFRESH)
		return false;
	if (!error)
		return r->status == 400 && r->len == 0;
	if (strcmp(error, "invalid_grant") == 0)
		return !x->type->dialect->keeps_grant;
	return strcmp(error, "invalid_token") == 0 || strcmp(error, "expired_token") == 0;
}

static int fail_dead(struct exchange *x)
{
	const char *what = "the server does not take the refresh token any more";

	if (oauth2_needs_person(x->settings))
		return exchange_fail(x, EXCHANGE_EXPIRED, "%s: log in again, read %s/.login", what,
				     x->provider);
	return exchange_fail(x, EXCHANGE_EXPIRED, "%s: %s", what,
			     x->grant_is_own ? "write a new one to this name"
					     : "give a new refresh-token");
}

static int hear_dead(struct exchange *x, const struct json *answer)
{
	bool password = strcmp(settings_text(x->settings, "grant"), "password") == 0;

	x->drop_grant = x->grant != NULL;
	if (password && !x->grant_is_own) {
		x->step = OAUTH2_CREDENTIAL;
		return EXCHANGE_ASK;
	}
	fail_dead(x);
	exchange_quote(x, json_string(answer, "error_description"));
	return EXCHANGE_EXPIRED;
}

/* Which bytes a scope may have, RFC 6749 section 3.3. */
static bool is_scope(const char *scope)
{
	for (; *scope; scope++)
		if (*scope < ' ' || *scope > '~' || *scope == '"' || *scope == '\\')
			return false;
	return true;
}

/*
 * What was granted is what the answer says, or else what was asked (wire C7); where a server leaves
 * it to the token, what that says (wire 2.10). The claims are the caller's to free.
 */
static const char *granted_scope(const struct exchange *x, const struct json *answer,
				 const struct buffer *asked, struct json **ret_claims)
{
	const char *value = json_string(answer, "access_token");
	const char *scope = json_string(answer, "scope");

	if ((!scope || !scope[0]) && value && x->type->dialect->scope_in_token) {
		*ret_claims = token_jwt_claims(value, strlen(value));
		scope = json_string(*ret_claims, "scope");
	}
	if (!scope || !scope[0])
		return asked->len ? buffer_string(asked) : NULL;
	return is_scope(scope) ? scope : NULL;
}

bool oauth2_has_word(const char *list, const char *word, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, " ");

		if (n == len && memcmp(list, word, len) == 0)
			return true;
		list += n + strspn(list + n, " ");
	}
	return false;
}

static void warn_of_narrow_scope(struct exchange *x, const char *granted)
{
	BUFFER_AUTO missing = BUFFER_INIT(LIMIT_REQUEST);
	const char *at = oauth2_scope(x);

	while (granted && at && *at) {
		size_t len = strcspn(at, " ");

		if (!oauth2_has_word(granted, at, len)) {
			buffer_text(&missing, " ");
			buffer_append(&missing, at, len);
		}
		at += len + strspn(at + len, " ");
	}
	if (missing.len)
		sentence_set(&x->why, "the server gave less scope than was asked, without%s",
			     buffer_string(&missing));
}

/* Said once: before a slot has had its first token (wire C11). */
static void warn(struct exchange *x, const char *granted)
{
	warn_of_narrow_scope(x, granted);
	if (!x->why.text[0] && !x->token && sent_password(x) &&
	    x->type->dialect->deprecates_password)
		sentence_set(&x->why, "the server calls grant = password deprecated: use "
				      "grant = device_code");
}

static int hear_lifetime(struct exchange *x, const struct response *r, const struct json *answer,
			 int64_t *ret_ms)
{
	const char *value = json_string(answer, "access_token");
	int64_t seconds = TOKEN_LIFETIME_UNSAID;

	if (json_integer(answer, "expires_in", &seconds) && seconds < 0)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the token's expires_in is negative, which means nothing");
	*ret_ms = token_lifetime(value, strlen(value), seconds, response_now(r, x->now_ms));
	if (*ret_ms <= 0)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the token had expired already when it came");
	return EXCHANGE_DONE;
}

/* What else is worth knowing: when the refresh token ends, where that is told (wire R8). */
static void describe(const struct json *answer, struct buffer *out)
{
	JSON_AUTO *details = NULL;
	int64_t seconds;

	if (!json_integer(answer, "refresh_expires_in", &seconds))
		return;
	details = json_new_object();
	json_set_integer(details, "refresh_expires_in", seconds);
	json_print(details, false, out);
}

static int hear_id_token(struct exchange *x, const struct response *r, const struct json *answer)
{
	const char *value = json_string(answer, "id_token");
	struct token_facts facts = {0};
	int made;

	if (!value || !value[0])
		return 0;
	facts.lifetime_ms =
		token_lifetime(value, strlen(value), TOKEN_LIFETIME_UNSAID, response_now(r, x->now_ms));
	if (facts.lifetime_ms <= 0)
		return 0;
	made = token_new(value, strlen(value), &facts, NULL, &x->ret_id_token);
	/* the access token is good without it */
	return made == -EBADMSG ? 0 : made;
}

/*
 * The answer's refresh token replaces ours (wire R1), whatever becomes of the access token beside
 * it: ours may be dead by now. One that comes with client_credentials is not kept (C12); nor is one
 * of a subject or an assertion, which stays with the scope and target of one slot (X4, J3).
 */
static int hear_refresh_token(struct exchange *x, const struct json *answer)
{
	const char *value = json_string(answer, "refresh_token");
	const char *grant = settings_text(x->settings, "grant");
	const struct secret *old = x->step == OAUTH2_REFRESH ? oauth2_refresh_token(x) : NULL;
	SECRET_AUTO *fresh = NULL;
	int r;

	if (!value || !value[0])
		return 0;
	if (x->step == OAUTH2_CREDENTIAL &&
	    is_one_of(grant, "client_credentials", "token_exchange", "jwt_bearer"))
		return 0;
	r = secret_new(value, strlen(value), &fresh);
	if (r == -EFBIG)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the refresh token is longer than %u bytes", LIMIT_SECRET);
	if (r < 0 || secret_equal(fresh, old))
		return r;
	x->ret_grant = secret_ref(fresh);
	x->drop_grant = false;
	return 0;
}

int oauth2_fail_type(struct exchange *x, const char *type)
{
	exchange_fail(x, EXCHANGE_GARBLED,
		      "the token's type is not Bearer, so reading it is not enough to use it");
	exchange_quote(x, type);
	return EXCHANGE_GARBLED;
}

static int check_token(struct exchange *x, const struct json *answer, const char **ret_type)
{
	const char *value = json_string(answer, "access_token");
	const char *type = json_string(answer, "token_type");

	if (!value || !value[0])
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server's answer has no access_token");
	if (oauth2_exchanges(x))
		return oauth2_hear_issued(x, answer, ret_type);
	if (type && strcasecmp(type, "bearer") != 0)
		return oauth2_fail_type(x, type);
	*ret_type = type;
	return EXCHANGE_DONE;
}

static int hear_token(struct exchange *x, const struct response *r, const struct json *answer)
{
	const char *value = json_string(answer, "access_token");
	BUFFER_AUTO audience = BUFFER_INIT(LIMIT_DOCUMENT), details = BUFFER_INIT(LIMIT_DOCUMENT);
	BUFFER_AUTO asked = BUFFER_INIT(LIMIT_REQUEST);
	JSON_AUTO *claims = NULL;
	struct token_facts facts = { 0 };
	int outcome = oauth2_asked_scope(x, &asked);

	if (outcome < 0)
		return outcome;
	facts.scope = granted_scope(x, answer, &asked, &claims);
	outcome = check_token(x, answer, &facts.token_type);

	if (outcome == EXCHANGE_DONE)
		outcome = hear_lifetime(x, r, answer, &facts.lifetime_ms);
	if (outcome != EXCHANGE_DONE)
		return outcome;
	oauth2_target(x, &audience);
	describe(answer, &details);
	if (buffer_error(&audience) || buffer_error(&details))
		return buffer_error(&audience) ? buffer_error(&audience) : buffer_error(&details);
	facts.audience = audience.len ? buffer_string(&audience) : NULL;
	facts.details = details.len ? buffer_string(&details) : NULL;
	outcome = exchange_issue(x, value, strlen(value), &facts);
	if (outcome == EXCHANGE_DONE)
		outcome = hear_id_token(x, r, answer);
	if (outcome == EXCHANGE_DONE)
		warn(x, facts.scope);
	return outcome;
}

int oauth2_parse(const struct response *r, struct json **ret)
{
	int e = r->len ? json_parse(r->body, r->len, NULL, ret) : 0;

	return e == -ENOMEM ? e : 0;
}

bool oauth2_has_moved(const struct exchange *x, const struct response *r, const char *key)
{
	return (r->status == 404 || r->status == 405 || r->status == 410) &&
	       oauth2_endpoint_is_old(x, key);
}

int oauth2_token_hear(struct exchange *x, const struct response *r)
{
	int outcome = exchange_hear_status(x, r);
	JSON_AUTO *answer = NULL;

	if (outcome)
		return outcome;
	if (oauth2_has_moved(x, r, "token-url")) {
		x->step = OAUTH2_OPENID;
		return EXCHANGE_ASK;
	}
	outcome = oauth2_parse(r, &answer);
	if (outcome < 0)
		return outcome;
	if (oauth2_is_error(r, answer))
		return is_dead(x, r, answer) ? hear_dead(x, answer)
					     : oauth2_error_hear(x, r, answer);
	outcome = hear_refresh_token(x, answer);
	return outcome ? outcome : hear_token(x, r, answer);
}

/* Some servers take assertions at the token endpoint only, INDIGO IAM among them. */
static int hear_no_assertion(struct exchange *x, const struct json *answer)
{
	if (x->grant_is_own)
		exchange_fail(x, EXCHANGE_UNSUPPORTED,
			      "the server's revocation endpoint did not take the client's "
			      "assertion: revoke the refresh token at the server's own page");
	else
		exchange_fail(x, EXCHANGE_DONE,
			      "the server's revocation endpoint did not take the client's "
			      "assertion: this token stays valid until it expires");
	exchange_quote(x, json_string(answer, "error_description"));
	return x->grant_is_own ? EXCHANGE_UNSUPPORTED : EXCHANGE_DONE;
}

int oauth2_revoke_hear(struct exchange *x, const struct response *r)
{
	int outcome = exchange_hear_status(x, r);
	JSON_AUTO *answer = NULL;
	const char *error;

	if (outcome)
		return outcome;
	/* revoked, or never valid: the same to us, and the body does not matter (wire V2) */
	if (r->status == 200)
		return EXCHANGE_DONE;
	if (oauth2_has_moved(x, r, "revocation-url")) {
		x->step = OAUTH2_OPENID;
		return EXCHANGE_ASK;
	}
	outcome = oauth2_parse(r, &answer);
	if (outcome < 0)
		return outcome;
	error = json_string(answer, "error");
	if (oauth2_asserts(x) &&
	    (r->status == 401 || (error && strcmp(error, "invalid_client") == 0)))
		return hear_no_assertion(x, answer);
	/* the provider's grant is not this slot's to revoke: the token runs out by itself (wire V4)
	 */
	if (error && strcmp(error, "unsupported_token_type") == 0 && !x->grant_is_own)
		return exchange_fail(
			x, EXCHANGE_DONE,
			"the server does not revoke access tokens: this one stays valid "
			"until it expires");
	return oauth2_error_hear(x, r, answer);
}
