/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "device.h"
#include "form.h"
#include "oauth2.h"
#include "oauth2_fields.h"
#include "registration.h"
#include "registry.h"

static const struct field fields[] = {
	OAUTH2_FIELDS("client_credentials", "resource", "resource audience audience-joined",
		      "how audience is said: as a `resource` each, an `audience` each, or one "
		      "`audience` for all"),
	{ 0 },
};

static const struct field slot_fields[] = { OAUTH2_SLOT_FIELDS, { 0 } };

static const struct oauth2_dialect dialect = { 0 };

static bool is_set_to(const struct settings *s, const char *key, const char *value)
{
	return strcmp(settings_text(s, key), value) == 0;
}

bool oauth2_needs_person(const struct settings *s)
{
	return is_set_to(s, "grant", "device_code");
}

/* ---- checking ---- */

static int refuse(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

/* With audience-style = resource each audience goes out as a resource, which is a URI (wire N1). */
int oauth2_check_wish(const struct settings *provider, const struct settings *s,
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
	bool key = is_set_to(s, "client-auth", "private_key_jwt");

	if (!none && !key && !settings_has(s, "client-secret") && !settings_yes(s, "register"))
		return refuse(why, "client-secret is missing: give client-secret-file, or "
				   "client-auth = none for a public client");
	if (none && is_set_to(s, "grant", "client_credentials"))
		return refuse(why, "grant = client_credentials needs a client-secret");
	return oauth2_check_assertion(s, why);
}

static int check_login(const struct settings *s, struct sentence *why)
{
	if (oauth2_needs_person(s) && !settings_text(s, "issuer") &&
	    !settings_text(s, "device-authorization-url"))
		return refuse(why, "grant = device_code needs issuer or device-authorization-url");
	return 0;
}

int oauth2_check(const struct settings *s, struct sentence *why)
{
	const char *issuer = settings_text(s, "issuer");
	int r = registration_check(s, why);

	if (r < 0)
		return r;

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
	r = check_login(s, why);
	if (r == 0)
		r = oauth2_check_subject(s, why);
	return r < 0 ? r : oauth2_check_wish(s, s, why);
}

/* ---- asking ---- */

/* What every request for a token ends with. */
static int ask_token(struct exchange *x)
{
	int r = oauth2_add_scope(x);

	if (r < 0)
		return r;
	oauth2_add_target(x);
	return oauth2_post(x, oauth2_endpoint(x, "token-url"));
}

static int ask_refresh(struct exchange *x)
{
	const struct secret *token = oauth2_refresh_token(x);
	struct buffer *body = &x->request.body;

	form_add(body, "grant_type", "refresh_token");
	form_add_bytes(body, "refresh_token", secret_bytes(token), secret_len(token));
	return ask_token(x);
}

static int add_password_grant(struct exchange *x)
{
	const struct secret *password = settings_secret(x->settings, "password");
	struct buffer *body = &x->request.body;

	if (!password)
		return exchange_fail(x, EXCHANGE_MISSING, "the password of %s is not there",
				     x->provider);
	form_add(body, "grant_type", "password");
	form_add(body, "username", settings_text(x->settings, "user"));
	form_add_bytes(body, "password", secret_bytes(password), secret_len(password));
	return EXCHANGE_ASK;
}

static int add_grant(struct exchange *x)
{
	const char *grant = settings_text(x->settings, "grant");

	if (strcmp(grant, "password") == 0)
		return add_password_grant(x);
	if (strcmp(grant, "token_exchange") == 0)
		return oauth2_add_exchange_grant(x);
	if (strcmp(grant, "jwt_bearer") == 0)
		return oauth2_add_bearer_grant(x);
	form_add(&x->request.body, "grant_type", grant);
	return EXCHANGE_ASK;
}

static int ask_credential(struct exchange *x)
{
	int r = add_grant(x);

	return r == EXCHANGE_ASK ? ask_token(x) : r;
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

static int forget_only(struct exchange *x, const char *reason)
{
	return exchange_fail(x, EXCHANGE_DONE,
			     "%s: the token is forgotten here, and stays valid until it expires",
			     reason);
}

/* A client that shows a JWT is known at the token endpoint only (wire 2.1). */
static bool may_not_revoke(const struct exchange *x)
{
	const char *way = settings_text(x->settings, "client-auth");

	return x->type->dialect->revokes_by_secret &&
	       (strcmp(way, "private_key_jwt") == 0 || strcmp(way, "client_secret_jwt") == 0);
}

static int plan_revoke(struct exchange *x)
{
	if (!revokes_grant(x) && !x->token)
		return EXCHANGE_DONE;
	if (may_not_revoke(x))
		return exchange_fail(x, EXCHANGE_UNSUPPORTED,
				     "this server takes revocations from clients with a secret "
				     "only, not with client-auth = %s",
				     settings_text(x->settings, "client-auth"));
	if (settings_yes(x->settings, "register") && !registration_kept(x))
		return forget_only(x, "there is no registered client that could revoke");
	if (oauth2_must_discover(x, "revocation-url") || oauth2_seeks_audience(x)) {
		x->step = OAUTH2_OPENID;
		return EXCHANGE_ASK;
	}
	if (!oauth2_endpoint(x, "revocation-url"))
		return forget_only(x, "the server has no revocation endpoint");
	x->step = OAUTH2_REVOKE;
	return EXCHANGE_ASK;
}

/* An old memo may be of a time when the endpoint was not there, or not looked for. */
static bool must_discover(const struct exchange *x, const char *key)
{
	return oauth2_must_discover(x, key) ||
	       (!oauth2_endpoint(x, key) && oauth2_endpoint_is_old(x, key));
}

static int fail_endpoint(struct exchange *x, const char *what, const char *key)
{
	const char *issuer = settings_text(x->settings, "issuer");

	return exchange_fail(x, EXCHANGE_GARBLED, "%s names no %s endpoint: give %s",
			     issuer ? issuer : x->provider, what, key);
}

/* The step, or what has to go before it: the endpoints, and a client. */
static int go_to(struct exchange *x, enum oauth2_step step)
{
	bool registers = registration_wanted(x);

	x->step = OAUTH2_OPENID;
	if (must_discover(x, "token-url") ||
	    (registers && must_discover(x, "registration-url")) ||
	    (step == OAUTH2_DEVICE && must_discover(x, "device-authorization-url")))
		return EXCHANGE_ASK;
	if (!oauth2_endpoint(x, "token-url"))
		return fail_endpoint(x, "token", "token-url");
	if (step == OAUTH2_DEVICE && !oauth2_endpoint(x, "device-authorization-url"))
		return fail_endpoint(x, "device authorization", "device-authorization-url");
	if (registers && !oauth2_endpoint(x, "registration-url"))
		return fail_endpoint(x, "registration", "registration-url, or a client-id");
	x->step = registers ? OAUTH2_REGISTER : step;
	return EXCHANGE_ASK;
}

static int fail_missing(struct exchange *x, bool had_one)
{
	if (had_one)
		return exchange_fail(x, EXCHANGE_EXPIRED,
				     "the registered client of %s is over, and its refresh token "
				     "with it: log in again, read %s/.login",
				     x->provider, x->provider);
	if (oauth2_needs_person(x->settings))
		return exchange_fail(x, EXCHANGE_MISSING,
				     "nobody has logged in yet: read %s/.login, or run tokenfs "
				     "login %s",
				     x->provider, x->provider);
	return exchange_fail(x, EXCHANGE_MISSING, "there is no refresh token for %s/%s: %s",
			     x->provider, x->name,
			     x->grant_is_own ? "write one to it" : "give refresh-token-file");
}

static int plan_fetch(struct exchange *x)
{
	bool only_refresh = x->grant_is_own || is_set_to(x->settings, "grant", "refresh_token") ||
			    oauth2_needs_person(x->settings);
	bool may_refresh = only_refresh || is_set_to(x->settings, "grant", "password");
	bool orphaned = may_refresh && x->grant && registration_wanted(x);

	/* never sent by another client than the one it was given to: servers delete it then */
	x->drop_grant = x->drop_grant || orphaned;
	if (may_refresh && oauth2_refresh_token(x) && !x->drop_grant)
		return go_to(x, OAUTH2_REFRESH);
	return only_refresh ? fail_missing(x, orphaned) : go_to(x, OAUTH2_CREDENTIAL);
}

static int plan_login(struct exchange *x)
{
	int r;

	if (!oauth2_needs_person(x->settings))
		return exchange_fail(x, EXCHANGE_UNSUPPORTED, "nobody logs in with grant = %s",
				     settings_text(x->settings, "grant"));
	if (!device_is_under_way(x))
		return go_to(x, OAUTH2_DEVICE);
	r = device_resume(x);
	return r ? r : go_to(x, OAUTH2_PAUSE);
}

static int plan(struct exchange *x)
{
	switch (x->purpose) {
	case PURPOSE_FETCH:
		return plan_fetch(x);
	case PURPOSE_REVOKE:
		return plan_revoke(x);
	case PURPOSE_LOGIN:
		return plan_login(x);
	case PURPOSE_UNREGISTER:
		x->step = OAUTH2_UNREGISTER;
		return EXCHANGE_ASK;
	case PURPOSE_CREATE:
	case PURPOSE_UPDATE:
	case PURPOSE_LIST:
		break;
	}
	return exchange_fail(x, EXCHANGE_UNSUPPORTED, "an OAuth 2.0 server has no tokens by name");
}

int oauth2_ask(struct exchange *x)
{
	int r = x->step == OAUTH2_START ? plan(x) : EXCHANGE_ASK;

	if (r != EXCHANGE_ASK)
		return r;
	/* between polls a server may be away: no reason to give up (wire D6) */
	x->hears_silence = x->step == OAUTH2_POLL;
	switch ((enum oauth2_step)x->step) {
	case OAUTH2_START:
		break;
	case OAUTH2_OPENID:
	case OAUTH2_METADATA:
		return oauth2_discovery_ask(x);
	case OAUTH2_REGISTER:
		return registration_ask(x);
	case OAUTH2_REFRESH:
		return ask_refresh(x);
	case OAUTH2_CREDENTIAL:
		return ask_credential(x);
	case OAUTH2_DEVICE:
		return device_ask(x);
	case OAUTH2_PAUSE:
		return device_pause(x);
	case OAUTH2_POLL:
		return device_poll_ask(x);
	case OAUTH2_REVOKE:
		return ask_revoke(x);
	case OAUTH2_UNREGISTER:
		return registration_remove_ask(x);
	}
	return -EINVAL;
}

int oauth2_hear(struct exchange *x, const struct response *r)
{
	switch ((enum oauth2_step)x->step) {
	case OAUTH2_START:
	case OAUTH2_PAUSE:
		break;
	case OAUTH2_OPENID:
	case OAUTH2_METADATA:
		return oauth2_discovery_hear(x, r);
	case OAUTH2_REGISTER:
		return registration_hear(x, r);
	case OAUTH2_REFRESH:
	case OAUTH2_CREDENTIAL:
		return oauth2_token_hear(x, r);
	case OAUTH2_DEVICE:
		return device_hear(x, r);
	case OAUTH2_POLL:
		return device_poll_hear(x, r);
	case OAUTH2_REVOKE:
		return oauth2_revoke_hear(x, r);
	case OAUTH2_UNREGISTER:
		return registration_remove_hear(x, r);
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
	.dialect = &dialect,
	.needs_person = oauth2_needs_person,
	.check = oauth2_check,
	.check_wish = oauth2_check_wish,
	.ask = oauth2_ask,
	.hear = oauth2_hear,
	.headers = oauth2_headers,
};
