/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "form.h"
#include "oauth2.h"
#include "registry.h"

static const struct field fields[] = {
	/* clang-format off */
	{ "issuer", FIELD_URL, FIELD_IDENTITY, NULL, NULL,
	  "the server, which tells its endpoints" },
	{ "token-url", FIELD_URL, FIELD_IDENTITY, NULL, NULL,
	  "the token endpoint, without an issuer" },
	{ "revocation-url", FIELD_URL, 0, NULL, NULL,
	  "the revocation endpoint, without an issuer" },
	{ "client-id", FIELD_TEXT, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "the client's name at the server" },
	{ "client-secret", FIELD_SECRET, 0, NULL, NULL, "the client's secret" },
	{ "client-auth", FIELD_CHOICE, 0, "basic", "basic basic-raw post none",
	  "how the client shows its secret; basic-raw: not encoded first, as some servers want it" },
	{ "grant", FIELD_CHOICE, FIELD_IDENTITY, "client_credentials",
	  "client_credentials password refresh_token", "what a token is given for" },
	{ "user", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, "the user, for grant = password" },
	{ "password", FIELD_SECRET, 0, NULL, NULL, "the user's password" },
	{ "refresh-token", FIELD_SECRET, 0, NULL, NULL,
	  "the first refresh token, for grant = refresh_token" },
	{ "scope", FIELD_WORDS, 0, NULL, NULL, "what the token may do" },
	{ "audience", FIELD_WORDS, 0, NULL, NULL, "whom the token is for" },
	{ "resource", FIELD_URLS, 0, NULL, NULL, "the services that the token is for (RFC 8707)" },
	{ "audience-style", FIELD_CHOICE, 0, "resource", "resource audience audience-joined",
	  "how audience is said: as a `resource` each, an `audience` each, or one `audience` for all" },
	{ 0 },
	/* clang-format on */
};

static const struct field slot_fields[] = {
	/* clang-format off */
	{ "scope", FIELD_WORDS, 0, NULL, NULL, "what this token may do" },
	{ "audience", FIELD_WORDS, 0, NULL, NULL, "whom this token is for" },
	{ "resource", FIELD_URLS, 0, NULL, NULL, "the services that this token is for" },
	{ 0 },
	/* clang-format on */
};

static bool is_set_to(const struct settings *s, const char *key, const char *value)
{
	return strcmp(settings_text(s, key), value) == 0;
}

/* ---- checking ---- */

static int refuse(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

/* With audience-style = resource each audience goes out as a resource, which is a URI (wire N1). */
static int check_audience(const struct settings *provider, const struct settings *s,
			  struct sentence *why)
{
	char word[LIMIT_WORD];
	const char *at = NULL;

	if (!is_set_to(provider, "audience-style", "resource"))
		return 0;
	while (settings_next_word(s, "audience", &at, word, sizeof word))
		if (uri_check(word, NULL) < 0)
			return refuse(why, "audience is not a URI: give audience-style = audience "
					   "or audience-joined for other words");
	return 0;
}

static int check_client(const struct settings *s, struct sentence *why)
{
	bool none = is_set_to(s, "client-auth", "none");

	if (!none && !settings_has(s, "client-secret"))
		return refuse(why, "client-secret is missing: give client-secret-file, or "
				   "client-auth = none for a public client");
	if (none && is_set_to(s, "grant", "client_credentials"))
		return refuse(why, "grant = client_credentials needs a client-secret");
	return 0;
}

static int oauth2_check(const struct settings *s, struct sentence *why)
{
	const char *issuer = settings_text(s, "issuer");
	int r;

	if (!issuer && !settings_text(s, "token-url"))
		return refuse(why, "issuer or token-url is missing: where are tokens given?");
	if (issuer && strchr(issuer, '?'))
		return refuse(why, "issuer may not have a ?query");
	r = check_client(s, why);
	if (r < 0)
		return r;
	if (is_set_to(s, "grant", "password") &&
	    (!settings_has(s, "user") || !settings_has(s, "password")))
		return refuse(why, "grant = password needs user and password-file");
	return check_audience(s, s, why);
}

/* ---- asking ---- */

static int ask_refresh(struct exchange *x)
{
	const struct secret *token = oauth2_refresh_token(x);
	struct buffer *body = &x->request.body;

	form_add(body, "grant_type", "refresh_token");
	form_add_bytes(body, "refresh_token", secret_bytes(token), secret_len(token));
	form_add(body, "scope", oauth2_scope(x));
	oauth2_add_target(x);
	return oauth2_post(x, oauth2_endpoint(x, "token-url"));
}

static int ask_credential(struct exchange *x)
{
	const struct secret *password = settings_secret(x->settings, "password");
	struct buffer *body = &x->request.body;

	form_add(body, "grant_type", settings_text(x->settings, "grant"));
	if (is_set_to(x->settings, "grant", "password")) {
		if (!password)
			return exchange_fail(x, EXCHANGE_MISSING, "the password of %s is not there",
					     x->provider);
		form_add(body, "username", settings_text(x->settings, "user"));
		form_add_bytes(body, "password", secret_bytes(password), secret_len(password));
	}
	form_add(body, "scope", oauth2_scope(x));
	oauth2_add_target(x);
	return oauth2_post(x, oauth2_endpoint(x, "token-url"));
}

static bool revokes_grant(const struct exchange *x)
{
	return x->grant_is_own && x->grant;
}

/* The refresh token first: an access token's end may leave it alive (wire V5). */
static int ask_revoke(struct exchange *x)
{
	struct buffer *body = &x->request.body;

	if (revokes_grant(x)) {
		form_add_bytes(body, "token", secret_bytes(x->grant), secret_len(x->grant));
		form_add(body, "token_type_hint", "refresh_token");
	} else {
		form_add_bytes(body, "token", token_value(x->token), token_len(x->token));
		form_add(body, "token_type_hint", "access_token");
	}
	return oauth2_post(x, oauth2_endpoint(x, "revocation-url"));
}

static int plan_revoke(struct exchange *x)
{
	if (!revokes_grant(x) && !x->token)
		return EXCHANGE_DONE;
	if (oauth2_must_discover(x, "revocation-url")) {
		x->step = OAUTH2_OPENID;
		return EXCHANGE_ASK;
	}
	if (!oauth2_endpoint(x, "revocation-url"))
		return exchange_fail(
			x, EXCHANGE_DONE,
			"the server has no revocation endpoint: the token is forgotten "
			"here, and stays valid until it expires");
	x->step = OAUTH2_REVOKE;
	return EXCHANGE_ASK;
}

static int plan_fetch(struct exchange *x)
{
	bool only_refresh = x->grant_is_own || is_set_to(x->settings, "grant", "refresh_token");
	bool may_refresh = only_refresh || is_set_to(x->settings, "grant", "password");
	enum oauth2_step step = OAUTH2_CREDENTIAL;

	if (may_refresh && oauth2_refresh_token(x) && !x->drop_grant)
		step = OAUTH2_REFRESH;
	else if (only_refresh)
		return exchange_fail(
			x, EXCHANGE_MISSING, "there is no refresh token for %s/%s: %s", x->provider,
			x->name, x->grant_is_own ? "write one to it" : "give refresh-token-file");
	if (oauth2_must_discover(x, "token-url"))
		step = OAUTH2_OPENID;
	else if (!oauth2_endpoint(x, "token-url"))
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "%s names no token endpoint: give token-url",
				     settings_text(x->settings, "issuer"));
	x->step = (int)step;
	return EXCHANGE_ASK;
}

static int oauth2_ask(struct exchange *x)
{
	int r = EXCHANGE_ASK;

	if (x->step == OAUTH2_START)
		r = x->purpose == PURPOSE_REVOKE ? plan_revoke(x) : plan_fetch(x);
	if (r != EXCHANGE_ASK)
		return r;
	switch ((enum oauth2_step)x->step) {
	case OAUTH2_START:
		break;
	case OAUTH2_OPENID:
	case OAUTH2_METADATA:
		return oauth2_discovery_ask(x);
	case OAUTH2_REFRESH:
		return ask_refresh(x);
	case OAUTH2_CREDENTIAL:
		return ask_credential(x);
	case OAUTH2_REVOKE:
		return ask_revoke(x);
	}
	return -EINVAL;
}

static int oauth2_hear(struct exchange *x, const struct response *r)
{
	switch ((enum oauth2_step)x->step) {
	case OAUTH2_START:
		break;
	case OAUTH2_OPENID:
	case OAUTH2_METADATA:
		return oauth2_discovery_hear(x, r);
	case OAUTH2_REFRESH:
	case OAUTH2_CREDENTIAL:
		return oauth2_token_hear(x, r);
	case OAUTH2_REVOKE:
		return oauth2_revoke_hear(x, r);
	}
	return -EINVAL;
}

const struct provider_type oauth2_type = {
	.name = "oauth2",
	.summary = "any OAuth 2.0 server",
	.env = "ACCESS_TOKEN",
	.fields = fields,
	.slot_fields = slot_fields,
	.imports = true,
	.imports_refresh = true,
	.check = oauth2_check,
	.check_wish = check_audience,
	.ask = oauth2_ask,
	.hear = oauth2_hear,
};
