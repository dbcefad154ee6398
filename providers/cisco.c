/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "password.h"
#include "registry.h"

/*
 * cisco: IoT Operations Dashboard and the Edge Intelligence agent (siemens-controlm-cisco.md 3).
 *
 * Each call of the Dashboard names a tenant beside the token. Where the configuration does not, the
 * Dashboard is asked for the user's: once, then the memo knows. The token has it in its details.
 *
 *	LOGIN -> DONE				the tenant is known
 *	LOGIN -> TENANT -> DONE			/iam/users/me tells it
 */

#define TENANT_MAX	128u /* bytes of an id */
#define TENANT_NAME_MAX 32   /* bytes of a name, where tenants are told */
#define TENANTS_MAX	64u
#define TENANTS_TOLD	4u
#define MEMO_MS		INT64_C(3600000)

enum iotod_step { IOTOD_LOGIN, IOTOD_TENANT };

struct iotod_notes {
	int64_t password_ms; /* when the login was sent */
	int64_t since_ms; /* how much later than that the tenant was asked for */
};

static const struct field iotod_fields[] = {
	/* clang-format off */
	{ "url", FIELD_URL, FIELD_IDENTITY, "https://us.ciscoiot.com", NULL,
	  "the Dashboard, such as https://eu.ciscoiot.com" },
	{ "user", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, "the user" },
	{ "password", FIELD_SECRET, 0, NULL, NULL, "the user's password" },
	{ "client-id", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL,
	  "an API key in place of a user: organisation->key in lower case, or its id for api = nbapi" },
	{ "client-secret", FIELD_SECRET, 0, NULL, NULL, "the secret of the API key" },
	{ "api", FIELD_CHOICE, 0, "iam", "iam nbapi", "which login call takes the API key" },
	{ "tenant-id", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL,
	  "the tenant, needed with an API key; else the server is asked for the user's" },
	{ 0 },
	/* clang-format on */
};

static const struct field ei_fields[] = {
	/* clang-format off */
	{ "url", FIELD_URL, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "the agent, such as https://192.0.2.1:8008/api/v2/edge-intelligence" },
	{ "user", FIELD_TEXT, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL, "the user of the agent" },
	{ "password", FIELD_SECRET, FIELD_REQUIRED, NULL, NULL, "the user's password" },
	{ 0 },
	/* clang-format on */
};

static const struct password_login iotod_user = {
	.base = "url",
	.path = "/iam/auth/token",
	.members = { { .name = "username", .key = "user" },
		     { .name = "password", .key = "password" } },
	.token = { NULL, "access_token" },
	.expiries = { { NULL, "expires_in" } },
	.credential = "user and password",
	.refusals = { 400, 401 },
};

static const struct password_login iotod_key = {
	.base = "url",
	.path = "/iam/auth/token",
	.members = { { .name = "grant_type", .text = "client_credentials" },
		     { .name = "client_id", .key = "client-id" },
		     { .name = "client_secret", .key = "client-secret" } },
	.token = { NULL, "access_token" },
	.expiries = { { NULL, "expires_in" } },
	.credential = "client-id and client-secret",
	.refusals = { 400, 401 },
};

static const struct password_login iotod_nbapi = {
	.base = "url",
	.path = "/nbapi/iam/v1/auth/token",
	.members = { { .name = "grant_type", .text = "client_credentials" },
		     { .name = "client_id", .key = "client-id" },
		     { .name = "client_secret", .key = "client-secret" } },
	.token = { NULL, "access_token" },
	.expiries = { { NULL, "expires_in" } },
	.credential = "client-id and client-secret",
	.refusals = { 400, 401 },
};

/* Its clock drifts: the life in seconds is believed first (siemens-controlm-cisco.md 3.2). */
static const struct password_login ei_login = {
	.base = "url",
	.path = "/token",
	.members = { { .name = "username", .key = "user" },
		     { .name = "password", .key = "password" } },
	.token = { "data", "token" },
	.expiries = { { "data", "expirySeconds" }, { "data", "expiresAt" } },
	.credential = "user and password",
	.refusals = { 400, 401 },
	.no_token = "log in to the device once, change the password if it wants that, and give the "
		    "new one here",
};

/* ---- cisco-iotod: the tenant ---- */

/* What may stand in a header and in a line KEY=value without a quote: a UUID, in practice. */
static bool is_tenant(const char *id)
{
	size_t len =
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:");

	return len > 0 && len <= TENANT_MAX && !id[len];
}

static const char *known_tenant(const struct json *j)
{
	const char *id = json_string(j, "tenant_id");

	return id && is_tenant(id) ? id : NULL;
}

/* What was learnt is true of the account it was learnt of only. */
static int write_account(const struct settings *s, struct buffer *out)
{
	settings_identity(s, out);
	return buffer_error(out);
}

/* The tenant that needs no asking; NULL: none is known. Borrowed from settings or memo. */
static const char *given_tenant(const struct exchange *x)
{
	BUFFER_AUTO account = BUFFER_INIT(LIMIT_DOCUMENT);
	const char *configured = settings_text(x->settings, "tenant-id");
	const char *of = json_string(x->memo, "account");

	if (configured)
		return configured;
	if (!of || write_account(x->settings, &account) < 0 ||
	    strcmp(of, buffer_string(&account)) != 0)
		return NULL;
	return known_tenant(x->memo);
}

static int learn_tenant(struct exchange *x, const char *id)
{
	BUFFER_AUTO account = BUFFER_INIT(LIMIT_DOCUMENT);
	struct json *memo;
	int r = write_account(x->settings, &account);

	if (r < 0)
		return r;
	memo = json_new_object();
	if (!memo)
		return -ENOMEM;
	json_set_string(memo, "account", buffer_string(&account));
	json_set_string(memo, "tenant_id", id);
	json_free(x->ret_memo);
	x->ret_memo = memo;
	x->memo_ms = MEMO_MS;
	return 0;
}

/* The token again, with its tenant beside it; its life counts from the last request. */
static int issue_for(struct exchange *x, const char *tenant, int64_t since_ms)
{
	struct token_facts facts = *token_facts(x->ret_token);
	BUFFER_AUTO details = BUFFER_INIT(LIMIT_WORD);
	JSON_AUTO *object = json_new_object();

	json_set_string(object, "tenant_id", tenant);
	json_print(object, false, &details);
	if (buffer_error(&details))
		return buffer_error(&details);
	facts.details = buffer_string(&details);
	facts.lifetime_ms -= since_ms;
	if (facts.lifetime_ms <= 0)
		return exchange_fail(x, EXCHANGE_BUSY,
				     "the token was over before the server told its tenant: give "
				     "tenant-id");
	return exchange_issue(x, token_value(x->ret_token), token_len(x->ret_token), &facts);
}

/* ---- cisco-iotod: whose tenants ---- */

struct tenants {
	const char *ids[TENANTS_MAX], *names[TENANTS_MAX]; /* borrowed from the answer */
	size_t n;
};

static bool has_tenant(const struct tenants *t, const char *id)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->ids[i], id) == 0)
			return true;
	return false;
}

/* One row for each role: the same tenant stands there as often as the user has roles in it. */
static int collect_tenants(struct exchange *x, const struct json *roles, struct tenants *t)
{
	for (size_t i = 0; i < json_length(roles) && t->n < TENANTS_MAX; i++) {
		const struct json *role = json_at(roles, i);
		const char *id = json_string(role, "tenant_id");

		if (!id || !id[0] || has_tenant(t, id))
			continue;
		if (!is_tenant(id))
			return exchange_fail(x, EXCHANGE_GARBLED,
					     "the server names a tenant that cannot stand in a "
					     "header: give tenant-id");
		t->ids[t->n] = id;
		t->names[t->n++] = json_string(role, "tenant_name");
	}
	return EXCHANGE_DONE;
}

static int fail_several(struct exchange *x, const struct tenants *t)
{
	char text[TENANT_MAX + TENANT_NAME_MAX + 2];

	exchange_fail(x, EXCHANGE_INVALID,
		      "the user has roles in %zu tenants: give one of them as tenant-id", t->n);
	for (size_t i = 0; i < t->n && i < TENANTS_TOLD; i++) {
		snprintf(text, sizeof text, "%s %.*s", t->ids[i], TENANT_NAME_MAX,
			 t->names[i] ? t->names[i] : "");
		/* a half of an id would be worse than none */
		if (strlen(x->why.text) + strlen(t->ids[i]) + sizeof ", \"\"" < sizeof x->why.text)
			exchange_quote(x, text);
	}
	return EXCHANGE_INVALID;
}

static int hear_roles(struct exchange *x, const struct json *answer)
{
	const struct iotod_notes *notes = x->notes;
	struct tenants tenants = { .n = 0 };
	int outcome = collect_tenants(x, json_get(answer, "roles"), &tenants);

	if (outcome != EXCHANGE_DONE)
		return outcome;
	if (!json_is_array(json_get(answer, "roles")))
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server does not tell the user's tenants as expected: "
				     "give tenant-id");
	if (tenants.n == 0)
		return exchange_fail(x, EXCHANGE_FORBIDDEN,
				     "the user has no role in any tenant: give tenant-id, or have "
				     "a role given");
	if (tenants.n > 1)
		return fail_several(x, &tenants);
	outcome = learn_tenant(x, tenants.ids[0]);
	return outcome < 0 ? outcome : issue_for(x, tenants.ids[0], notes->since_ms);
}

static int refuse_tenants(struct exchange *x, const struct response *r, const struct json *answer)
{
	bool forbidden = r->status == 401 || r->status == 403;
	int outcome = exchange_hear_status(x, r);

	if (outcome == 0)
		outcome = exchange_fail(x, forbidden ? EXCHANGE_FORBIDDEN : EXCHANGE_GARBLED,
					"the server took the login, but does not tell the user's "
					"tenants (%d): give tenant-id",
					r->status);
	password_quote(x, answer);
	return outcome;
}

static int hear_tenant(struct exchange *x, const struct response *r)
{
	JSON_AUTO *answer = NULL;
	int outcome = password_parse(r, &answer);

	if (outcome == 0 && r->status >= 200 && r->status < 300)
		outcome = hear_roles(x, answer);
	else if (outcome == 0)
		outcome = refuse_tenants(x, r, answer);
	if (outcome != EXCHANGE_DONE)
		x->ret_token = token_unref(x->ret_token);
	return outcome;
}

static int ask_tenant(struct exchange *x)
{
	BUFFER_AUTO value = BUFFER_INIT(LIMIT_TOKEN + 16);
	struct iotod_notes *notes = x->notes;

	/* wall clocks jump: backwards is no time at all */
	notes->since_ms = x->now_ms > notes->password_ms ? x->now_ms - notes->password_ms : 0;
	password_join(&x->request.url, settings_text(x->settings, "url"), "/iam/users/me");
	buffer_text(&value, "Bearer ");
	buffer_append(&value, token_value(x->ret_token), token_len(x->ret_token));
	request_header(&x->request, "Accept", "application/json");
	request_header(&x->request, "Authorization", buffer_string(&value));
	if (buffer_error(&value))
		return buffer_error(&value);
	return request_error(&x->request) ? request_error(&x->request) : EXCHANGE_ASK;
}

/* ---- cisco-iotod ---- */

static const struct password_login *iotod_login(const struct settings *s)
{
	if (!settings_has(s, "client-id"))
		return &iotod_user;
	return strcmp(settings_text(s, "api"), "nbapi") == 0 ? &iotod_nbapi : &iotod_key;
}

static int refuse(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

static int iotod_check(const struct settings *s, struct sentence *why)
{
	bool user = settings_has(s, "user") || settings_has(s, "password");
	bool key = settings_has(s, "client-id") || settings_has(s, "client-secret");
	const char *tenant = settings_text(s, "tenant-id");

	if (user == key)
		return refuse(why, user ? "user and client-id are both given: log in as one of them"
					: "user and password are missing, or client-id and "
					  "client-secret of an API key");
	if (key && !settings_has(s, "client-id"))
		return refuse(why, "client-id is missing: the API key that client-secret is of");
	if (user && strcmp(settings_text(s, "api"), "nbapi") == 0)
		return refuse(why, "api = nbapi takes API keys only: give client-id and "
				   "client-secret");
	if (key && !tenant)
		return refuse(why, "tenant-id is missing: the server does not tell it to an API "
				   "key");
	if (tenant && !is_tenant(tenant))
		return refuse(why, "tenant-id is not an id: letters, digits and -._: only");
	return password_check(iotod_login(s), s, why);
}

static int iotod_ask(struct exchange *x)
{
	struct iotod_notes *notes = x->notes;

	if (x->step == IOTOD_TENANT)
		return ask_tenant(x);
	if (!notes)
		notes = x->notes = calloc(1, sizeof *notes);
	if (!notes)
		return -ENOMEM;
	notes->password_ms = x->now_ms;
	return password_ask(iotod_login(x->settings), x);
}

static int iotod_hear(struct exchange *x, const struct response *r)
{
	const char *tenant = given_tenant(x);
	int outcome;

	if (x->step == IOTOD_TENANT)
		return hear_tenant(x, r);
	outcome = password_hear(iotod_login(x->settings), x, r);
	if (outcome != EXCHANGE_DONE)
		return outcome;
	if (tenant)
		return issue_for(x, tenant, 0);
	x->step = IOTOD_TENANT;
	return EXCHANGE_ASK;
}

/* Of a token: the configured one, or the one that came with it. -ENOENT: neither. */
static int write_tenant(const struct settings *s, const struct token *t, struct buffer *out)
{
	const char *configured = settings_text(s, "tenant-id"), *text = token_facts(t)->details;
	JSON_AUTO *details = NULL;

	if (!configured && text && json_parse(text, strlen(text), NULL, &details) == -ENOMEM)
		return -ENOMEM;
	if (!configured)
		configured = known_tenant(details);
	if (!configured)
		return -ENOENT;
	buffer_text(out, configured);
	return buffer_error(out);
}

static int iotod_headers(const struct settings *s, const struct token *t, struct buffer *out)
{
	BUFFER_AUTO tenant = BUFFER_INIT(LIMIT_WORD);
	int r = write_tenant(s, t, &tenant);

	buffer_text(out, "Authorization: Bearer ");
	buffer_append(out, token_value(t), token_len(t));
	buffer_text(out, "\n");
	if (r == 0)
		buffer_format(out, "x-tenant-id: %s\n", buffer_string(&tenant));
	return r < 0 && r != -ENOENT ? r : buffer_error(out);
}

/* CISCO_IOTOD_TOKEN has CISCO_IOTOD_TENANT_ID beside it; MINE_TOKEN has MINE_TENANT_ID. */
static int iotod_environment(const struct settings *s, const struct token *t, const char *variable,
			     struct buffer *out)
{
	BUFFER_AUTO tenant = BUFFER_INIT(LIMIT_WORD);
	size_t len = strlen(variable), end = strlen("_TOKEN");
	int r = write_tenant(s, t, &tenant);

	if (len > end && strcmp(variable + len - end, "_TOKEN") == 0)
		len -= end;
	if (r == 0) {
		buffer_append(out, variable, len);
		buffer_format(out, "_TENANT_ID=%s\n", buffer_string(&tenant));
	}
	return r < 0 && r != -ENOENT ? r : buffer_error(out);
}

const struct provider_type cisco_iotod_type = {
	.name = "cisco-iotod",
	.summary = "Cisco IoT Operations Dashboard",
	.env = "CISCO_IOTOD_TOKEN",
	.fields = iotod_fields,
	.imports = true,
	.check = iotod_check,
	.ask = iotod_ask,
	.hear = iotod_hear,
	.headers = iotod_headers,
	.environment = iotod_environment,
};

/* ---- cisco-ei ---- */

static int ei_check(const struct settings *s, struct sentence *why)
{
	return password_check(&ei_login, s, why);
}

static int ei_ask(struct exchange *x)
{
	return password_ask(&ei_login, x);
}

static int ei_hear(struct exchange *x, const struct response *r)
{
	return password_hear(&ei_login, x, r);
}

const struct provider_type cisco_ei_type = {
	.name = "cisco-ei",
	.summary = "a Cisco Edge Intelligence agent",
	.env = "CISCO_EI_TOKEN",
	.fields = ei_fields,
	.imports = true,
	.check = ei_check,
	.ask = ei_ask,
	.hear = ei_hear,
};
