/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "assertion.h"
#include "form.h"
#include "oauth2.h"

#define CLIENT_ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define JWT_BEARER	      "urn:ietf:params:oauth:grant-type:jwt-bearer"

/* A clock that is so far off is worth a word (wire J4). */
#define SKEW_MS INT64_C(60000)

static bool is_set_to(const struct settings *s, const char *key, const char *value)
{
	const char *text = settings_text(s, key);

	return text && strcmp(text, value) == 0;
}

/* ---- checking ---- */

static int refuse(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

static bool client_asserts(const struct settings *s)
{
	return is_set_to(s, "client-auth", "private_key_jwt") ||
	       is_set_to(s, "client-auth", "client_secret_jwt");
}

/* The grant's assertion is one of ours, not one that somebody else has signed. */
static bool signs_grant(const struct settings *s)
{
	return is_set_to(s, "grant", "jwt_bearer") && !settings_has(s, "subject-token");
}

/* The rule against audience injection: the issuer, and no other name (wire J2). */
static int check_type(const struct settings *s, struct sentence *why)
{
	const char *issuer = settings_text(s, "issuer");
	const char *audience = settings_text(s, "assertion-audience");

	if (!is_set_to(s, "assertion-typ", "client-authentication+jwt"))
		return 0;
	if (!client_asserts(s))
		return refuse(why, "assertion-typ goes with client-auth = private_key_jwt or "
				   "client_secret_jwt");
	if (!audience || (issuer && strcmp(audience, issuer) != 0))
		return refuse(why, "assertion-typ = client-authentication+jwt wants the issuer as "
				   "assertion-audience");
	return 0;
}

static int check_key(const struct settings *s, struct sentence *why)
{
	bool client_key = is_set_to(s, "client-auth", "private_key_jwt");
	bool key = settings_has(s, "client-key");

	if (client_key && !key)
		return refuse(why, "client-auth = private_key_jwt needs client-key-file");
	if (client_key && settings_has(s, "client-secret"))
		return refuse(why, "client-auth = private_key_jwt shows no client-secret: leave "
				   "one of them out");
	if (signs_grant(s) &&
	    (!key || !settings_text(s, "user") || !settings_text(s, "client-id")))
		return refuse(why, "grant = jwt_bearer needs client-id, client-key-file and user, or "
				   "subject-token: an assertion that somebody else has signed");
	if (key && !client_key && !signs_grant(s))
		return refuse(why, "client-key signs nothing here: it goes with client-auth = "
				   "private_key_jwt or grant = jwt_bearer");
	if (settings_has(s, "client-key-id") && !key)
		return refuse(why, "client-key-id goes with client-key-file");
	return 0;
}

int oauth2_check_assertion(const struct settings *s, struct sentence *why)
{
	int r = check_key(s, why);

	if (r < 0)
		return r;
	if (settings_has(s, "assertion-audience") && !client_asserts(s) && !signs_grant(s))
		return refuse(why, "assertion-audience goes with client-auth = private_key_jwt or "
				   "client_secret_jwt, or grant = jwt_bearer");
	return check_type(s, why);
}

/* ---- asking ---- */

bool oauth2_asserts(const struct exchange *x)
{
	return client_asserts(x->settings);
}

bool oauth2_signs_grant(const struct exchange *x)
{
	return x->step == OAUTH2_CREDENTIAL && signs_grant(x->settings);
}

static size_t origin_len(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?") : 0;
}

static bool is_same_origin(const char *a, const char *b)
{
	size_t len = origin_len(a);

	return len && len == origin_len(b) && strncasecmp(a, b, len) == 0;
}

/*
 * For whom: what the configuration says, else the token endpoint. An issuer's document could name
 * that of somebody else, and take what is meant for him at an endpoint of its own: so only where it
 * is the same server that gets it (wire J2).
 */
static const char *audience_for(const struct exchange *x, const char *url)
{
	const char *said = settings_text(x->settings, "assertion-audience");
	const char *token_url = oauth2_endpoint(x, "token-url");

	if (said)
		return said;
	return token_url && is_same_origin(token_url, url) ? token_url : url;
}

bool oauth2_seeks_audience(const struct exchange *x)
{
	return client_asserts(x->settings) && !settings_has(x->settings, "assertion-audience") &&
	       oauth2_must_discover(x, "token-url");
}

static int fail_key(struct exchange *x, const char *name, const char *detail)
{
	return exchange_fail(x, EXCHANGE_INVALID, "the %s of %s %s", name, x->provider, detail);
}

static int open_private(struct exchange *x, struct key **ret)
{
	const struct secret *pem = settings_secret(x->settings, "client-key");
	struct sentence detail = { "" };
	int r;

	if (!pem)
		return exchange_fail(x, EXCHANGE_MISSING, "the client-key of %s is not there",
				     x->provider);
	r = key_open(pem, &detail, ret);
	return r == -EINVAL ? fail_key(x, "client-key", detail.text) : r ? r : EXCHANGE_ASK;
}

static int open_shared(struct exchange *x, const struct secret *secret, struct key **ret)
{
	struct sentence detail = { "" };
	int r = key_open_shared(secret, &detail, ret);

	return r == -EINVAL ? fail_key(x, "client-secret", detail.text) : r ? r : EXCHANGE_ASK;
}

/* Signs, and adds it to the body as the parameter `name`. */
static int add_signed(struct exchange *x, const struct key *key, struct assertion *a,
		      const char *name)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_REQUEST);
	int r;

	a->random = x->random;
	a->now_ms = x->now_ms;
	r = assertion_write(a, key, &text);
	if (r == -EINVAL)
		return fail_key(x, "client-key", "cannot sign");
	if (r < 0)
		return r;
	form_add_bytes(&x->request.body, name, buffer_string(&text), text.len);
	return EXCHANGE_ASK;
}

int oauth2_add_assertion(struct exchange *x, const char *url, const char *id,
			 const struct secret *secret)
{
	const char *type = settings_text(x->settings, "assertion-typ");
	struct assertion a = {
		.type = type && strcmp(type, "jwt") != 0 ? type : "JWT",
		.key_id = secret ? NULL : settings_text(x->settings, "client-key-id"),
		.issuer = id,
		.subject = id,
		.audience = audience_for(x, url),
		.use = "client assertion",
	};
	KEY_AUTO *key = NULL;
	int r = secret ? open_shared(x, secret, &key) : open_private(x, &key);

	if (r != EXCHANGE_ASK)
		return r;
	form_add(&x->request.body, "client_id", id);
	form_add(&x->request.body, "client_assertion_type", CLIENT_ASSERTION_TYPE);
	return add_signed(x, key, &a, "client_assertion");
}

int oauth2_add_bearer_grant(struct exchange *x)
{
	struct assertion a = {
		.type = "JWT",
		.key_id = settings_text(x->settings, "client-key-id"),
		.issuer = settings_text(x->settings, "client-id"),
		.subject = settings_text(x->settings, "user"),
		.audience = audience_for(x, oauth2_endpoint(x, "token-url")),
		.use = "grant assertion",
	};
	KEY_AUTO *key = NULL;
	int r;

	form_add(&x->request.body, "grant_type", JWT_BEARER);
	if (!signs_grant(x->settings))
		return oauth2_add_subject(x, "assertion");
	r = open_private(x, &key);
	return r == EXCHANGE_ASK ? add_signed(x, key, &a, "assertion") : r;
}

/* ---- hearing ---- */

void oauth2_tell_skew(struct exchange *x, const struct response *r)
{
	int64_t ahead = r->date_ms < 0 ? 0 : x->now_ms - r->date_ms;

	if (ahead >= -SKEW_MS && ahead <= SKEW_MS)
		return;
	sentence_set(&x->why, "%s; this host's clock is %lld s %s the server's: correct it",
		     x->why.text, (long long)((ahead < 0 ? -ahead : ahead) / 1000),
		     ahead < 0 ? "behind" : "ahead of");
}
