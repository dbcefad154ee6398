/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "password.h"
#include "registry.h"

/*
 * siemens: Industrial Edge: its management (IEM), its devices (IED) and its hub, each with one
 * login call (siemens-controlm-cisco.md chapter 1). IEM and IED want the token without a scheme.
 */

static const struct field iem_fields[] = {
	/* clang-format off */
	{ "url", FIELD_URL, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "the IEM, such as https://iem.example.org, or https://192.0.2.1:9443" },
	{ "login", FIELD_CHOICE, FIELD_IDENTITY, "direct", "direct keycloak",
	  "direct: user and password; keycloak: client-id and client-secret" },
	{ "user", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, "the user, for login = direct" },
	{ "password", FIELD_SECRET, 0, NULL, NULL, "the user's password, for login = direct" },
	{ "path", FIELD_PATH, 0, "/portal/api/v1/login/direct", NULL,
	  "the path of the login call, for login = direct" },
	{ "realm", FIELD_TEXT, FIELD_IDENTITY, "customer", NULL, "the realm, for login = keycloak" },
	{ "client-id", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, "the client, for login = keycloak" },
	{ "client-secret", FIELD_SECRET, 0, NULL, NULL,
	  "the client's secret, for login = keycloak" },
	{ 0 },
	/* clang-format on */
};

static const struct field ied_fields[] = {
	/* clang-format off */
	{ "url", FIELD_URL, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "the device, such as https://192.0.2.1" },
	{ "api", FIELD_CHOICE, 0, "v2", "v2 v1", "the version of its login call" },
	{ "user", FIELD_TEXT, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "the user of the device" },
	{ "password", FIELD_SECRET, FIELD_REQUIRED, NULL, NULL, "the user's password" },
	{ 0 },
	/* clang-format on */
};

static const struct field iehub_fields[] = {
	/* clang-format off */
	{ "login-url", FIELD_URL, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "the login server of the hub, such as https://siemens-00035.eu.auth0.com" },
	{ "audience", FIELD_TEXT, FIELD_IDENTITY, "industrialedge", NULL, "whom the token is for" },
	{ "client-id", FIELD_TEXT, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "the client that iectl logs in as" },
	{ "realm", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL,
	  "the connection that has the user, where the login server has no default" },
	{ "user", FIELD_TEXT, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "the e-mail address of the user" },
	{ "password", FIELD_SECRET, FIELD_REQUIRED, NULL, NULL,
	  "the password for API access, which the hub shows once" },
	{ 0 },
	/* clang-format on */
};

static const struct password_verdict keycloak_verdicts[] = {
	/* clang-format off */
	{ "invalid_client", EXCHANGE_DENIED, "the server refused client-id and client-secret" },
	{ "invalid_grant", EXCHANGE_DENIED, "the server refused client-id and client-secret" },
	/* newer Keycloaks say this of a wrong secret too: never try again on our own */
	{ "unauthorized_client", EXCHANGE_DENIED,
	  "the server refused client-id and client-secret, or the client has no service account" },
	{ "access_denied", EXCHANGE_FORBIDDEN, "the server does not allow this client to log in" },
	{ "invalid_scope", EXCHANGE_FORBIDDEN, "the server does not give this scope" },
	{ "unsupported_grant_type", EXCHANGE_UNSUPPORTED, "the server does not know this login" },
	{ "invalid_request", EXCHANGE_INVALID, "the server does not understand what it was asked" },
	{ "temporarily_unavailable", EXCHANGE_BUSY, "the server is not available now" },
	{ 0 },
	/* clang-format on */
};

/* Auth0 says wrong passwords with 403 (siemens-controlm-cisco.md 1.4). */
static const struct password_verdict auth0_verdicts[] = {
	/* clang-format off */
	{ "invalid_grant", EXCHANGE_DENIED,
	  "the server refused user and password: the password is the one for API access" },
	{ "invalid_user_password", EXCHANGE_DENIED,
	  "the server refused user and password: the password is the one for API access" },
	{ "invalid_client", EXCHANGE_DENIED, "the server refused the client-id" },
	{ "requires_validation", EXCHANGE_DENIED,
	  "the server wants a person to confirm this login: log in to the hub once" },
	{ "unauthorized_client", EXCHANGE_FORBIDDEN,
	  "the server does not let this client-id log in with a password" },
	{ "access_denied", EXCHANGE_FORBIDDEN,
	  "the server does not give this user a token for this audience" },
	{ "mfa_required", EXCHANGE_FORBIDDEN,
	  "the server wants a second factor, which only a person has" },
	{ "invalid_scope", EXCHANGE_FORBIDDEN, "the server does not give this scope" },
	{ "unsupported_grant_type", EXCHANGE_UNSUPPORTED, "the server does not know this login" },
	{ "invalid_request", EXCHANGE_INVALID, "the server does not understand what it was asked" },
	{ "too_many_attempts", EXCHANGE_BUSY, "the server has blocked this user for a while" },
	{ "too_many_requests", EXCHANGE_BUSY, "the server wants fewer requests" },
	{ "temporarily_unavailable", EXCHANGE_BUSY, "the server is not available now" },
	{ 0 },
	/* clang-format on */
};

/* `expires_in` is milliseconds since the epoch, in spite of its name (the same, 1.1 and 1.3). */
static const struct password_login iem_direct = {
	.base = "url",
	.path_key = "path",
	.members = { { .name = "username", .key = "user" },
		     { .name = "password", .key = "password" } },
	.token = { "data", "access_token" },
	.expiries = { { "data", "expires_in" } },
	.credential = "user and password",
	.refusals = { 401, 403 },
};

static const struct password_login iem_keycloak = {
	.base = "url",
	.path = "/auth/realms/{realm}/protocol/openid-connect/token",
	.form = true,
	.members = { { .name = "grant_type", .text = "client_credentials" },
		     { .name = "client_id", .key = "client-id" },
		     { .name = "client_secret", .key = "client-secret" } },
	.token = { NULL, "access_token" },
	.expiries = { { NULL, "expires_in" } },
	.credential = "client-id and client-secret",
	.refusals = { 401, 403 },
	.verdicts = keycloak_verdicts,
};

static const struct password_login ied_v1 = {
	.base = "url",
	.path = "/device/edge/api/v1/login/direct",
	.members = { { .name = "username", .key = "user" },
		     { .name = "password", .key = "password" } },
	.token = { "data", "access_token" },
	.expiries = { { "data", "expires_in" } },
	.credential = "user and password",
	.advice = "five refusals in a row block the user for 15 minutes",
	.refusals = { 401, 403 },
};

static const struct password_login ied_v2 = {
	.base = "url",
	.path = "/device/edge/api/v2/login/direct",
	.members = { { .name = "username", .key = "user" },
		     { .name = "password", .key = "password" } },
	.token = { NULL, "accessToken" },
	.expiries = { { NULL, "expiresAt" } },
	.credential = "user and password",
	.advice = "five refusals in a row block the user for 15 minutes",
	.refusals = { 401, 403 },
};

static const struct password_login iehub_default = {
	.base = "login-url",
	.path = "/oauth/token",
	.members = { { .name = "grant_type", .text = "password" },
		     { .name = "username", .key = "user" },
		     { .name = "password", .key = "password" },
		     { .name = "audience", .key = "audience" },
		     { .name = "client_id", .key = "client-id" } },
	.token = { NULL, "access_token" },
	.expiries = { { NULL, "expires_in" } },
	.credential = "user and password",
	.refusals = { 401, 403 },
	.verdicts = auth0_verdicts,
};

static const struct password_login iehub_realm = {
	.base = "login-url",
	.path = "/oauth/token",
	.members = { { .name = "grant_type",
		       .text = "http://auth0.com/oauth/grant-type/password-realm" },
		     { .name = "realm", .key = "realm" },
		     { .name = "username", .key = "user" },
		     { .name = "password", .key = "password" },
		     { .name = "audience", .key = "audience" },
		     { .name = "client_id", .key = "client-id" } },
	.token = { NULL, "access_token" },
	.expiries = { { NULL, "expires_in" } },
	.credential = "user and password",
	.refusals = { 401, 403 },
	.verdicts = auth0_verdicts,
};

static int bare_header(const struct settings *s, const struct token *t, struct buffer *out)
{
	(void)s;
	buffer_text(out, "Authorization: ");
	buffer_append(out, token_value(t), token_len(t));
	buffer_text(out, "\n");
	return buffer_error(out);
}

/* ---- siemens-iem ---- */

static const struct password_login *iem_login(const struct settings *s)
{
	return strcmp(settings_text(s, "login"), "keycloak") == 0 ? &iem_keycloak : &iem_direct;
}

static int iem_check(const struct settings *s, struct sentence *why)
{
	return password_check(iem_login(s), s, why);
}

static int iem_ask(struct exchange *x)
{
	return password_ask(iem_login(x->settings), x);
}

static int iem_hear(struct exchange *x, const struct response *r)
{
	return password_hear(iem_login(x->settings), x, r);
}

const struct provider_type siemens_iem_type = {
	.name = "siemens-iem",
	.summary = "Siemens Industrial Edge Management",
	.env = "IEM_TOKEN",
	.fields = iem_fields,
	.imports = true,
	.check = iem_check,
	.ask = iem_ask,
	.hear = iem_hear,
	.headers = bare_header,
};

/* ---- siemens-ied ---- */

static const struct password_login *ied_login(const struct settings *s)
{
	return strcmp(settings_text(s, "api"), "v1") == 0 ? &ied_v1 : &ied_v2;
}

static int ied_check(const struct settings *s, struct sentence *why)
{
	return password_check(ied_login(s), s, why);
}

static int ied_ask(struct exchange *x)
{
	return password_ask(ied_login(x->settings), x);
}

static int ied_hear(struct exchange *x, const struct response *r)
{
	return password_hear(ied_login(x->settings), x, r);
}

const struct provider_type siemens_ied_type = {
	.name = "siemens-ied",
	.summary = "a Siemens Industrial Edge Device",
	.env = "IED_TOKEN",
	.fields = ied_fields,
	.imports = true,
	.check = ied_check,
	.ask = ied_ask,
	.hear = ied_hear,
	.headers = bare_header,
};

/* ---- siemens-iehub ---- */

static const struct password_login *iehub_login(const struct settings *s)
{
	return settings_has(s, "realm") ? &iehub_realm : &iehub_default;
}

static int iehub_check(const struct settings *s, struct sentence *why)
{
	return password_check(iehub_login(s), s, why);
}

static int iehub_ask(struct exchange *x)
{
	return password_ask(iehub_login(x->settings), x);
}

static int iehub_hear(struct exchange *x, const struct response *r)
{
	return password_hear(iehub_login(x->settings), x, r);
}

const struct provider_type siemens_iehub_type = {
	.name = "siemens-iehub",
	.summary = "the Siemens Industrial Edge Hub",
	.env = "IEHUB_TOKEN",
	.fields = iehub_fields,
	.imports = true,
	.check = iehub_check,
	.ask = iehub_ask,
	.hear = iehub_hear,
};
