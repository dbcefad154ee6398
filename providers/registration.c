/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "moment.h"
#include "oauth2.h"
#include "registration.h"

/* IAM takes no other (wire 2.9). */
#define NAME_MIN 4u
#define NAME_MAX 256u

/* Beside the server's words: what was asked for, so that what is missing is known (wire G1). */
#define ASKED_SCOPE "tokenfs_asked_scope"

/* As the metadata of a client says them (RFC 7591 section 2). */
static const struct {
	const char *way, *method;
} ways[] = {
	{ "basic", "client_secret_basic" },
	{ "post", "client_secret_post" },
	{ "none", "none" },
	{ "basic-raw", "client_secret_basic" },
};
#define WAYS (sizeof ways / sizeof ways[0])

/* Grants that a client can be registered for, and whether a refresh token comes with them. */
static const struct registrable {
	const char *grant, *type;
	bool refreshes;
} registrables[] = {
	{ "device_code", "urn:ietf:params:oauth:grant-type:device_code", true },
	{ "password", "password", true },
	{ "client_credentials", "client_credentials", false },
	{ "token_exchange", "urn:ietf:params:oauth:grant-type:token-exchange", false },
};

/* NULL: not for this one. */
static const struct registrable *registrable_of(const struct settings *s)
{
	const char *grant = settings_text(s, "grant");

	for (size_t i = 0; i < sizeof registrables / sizeof registrables[0]; i++)
		if (strcmp(registrables[i].grant, grant) == 0)
			return &registrables[i];
	return NULL;
}

static bool registers(const struct settings *s)
{
	return settings_yes(s, "register");
}

/* ---- what is kept ---- */

/* *ret is NULL when there is none that names a client. */
static int read_registration(const struct exchange *x, struct json **ret)
{
	const struct secret *kept = x->ret_registration ? x->ret_registration : x->registration;
	struct json *answer = NULL;
	const char *id;

	*ret = NULL;
	if (!kept || !registers(x->settings))
		return 0;
	if (json_parse(secret_bytes(kept), secret_len(kept), NULL, &answer) == -ENOMEM)
		return -ENOMEM;
	id = json_string(answer, "client_id");
	if (id && id[0])
		*ret = answer;
	else
		json_free(answer);
	return 0;
}

/* 0 and nonsense: never; seconds, or milliseconds as some servers count (wire G2). */
static bool is_over(const struct json *answer, int64_t now_ms)
{
	int64_t number, end_ms;

	if (!json_integer(answer, "client_secret_expires_at", &number) || number <= 0)
		return false;
	return moment_of_number(number, 0, &end_ms) == 0 && end_ms <= now_ms;
}

bool registration_wanted(const struct exchange *x)
{
	JSON_AUTO *answer = NULL;

	if (!registers(x->settings) || read_registration(x, &answer) < 0)
		return false; /* memory: client_init() says so at its turn */
	return !answer || is_over(answer, x->now_ms);
}

bool registration_kept(const struct exchange *x)
{
	JSON_AUTO *answer = NULL;

	return read_registration(x, &answer) == 0 && answer;
}

/* ---- who we are ---- */

/* NULL: a way that we do not know. What the server calls basic may be basic-raw to us. */
static const char *way_of(const struct exchange *x, const struct json *answer)
{
	const char *asked = settings_text(x->settings, "client-auth");
	const char *method = json_string(answer, "token_endpoint_auth_method");

	if (!method)
		return asked;
	if (strcmp(method, "client_secret_basic") == 0 && strncmp(asked, "basic", 5) == 0)
		return asked;
	for (size_t i = 0; i < WAYS; i++)
		if (strcmp(ways[i].method, method) == 0)
			return ways[i].way;
	return NULL;
}

static int adopt(const struct exchange *x, struct client *c)
{
	const char *secret = json_string(c->registration, "client_secret");
	const char *way = way_of(x, c->registration);
	int r = 0;

	c->id = json_string(c->registration, "client_id");
	c->way = way ? way : c->way;
	if (secret && secret[0])
		r = secret_new(secret, strlen(secret), &c->registered);
	c->secret = c->registered;
	return r == -EFBIG ? 0 : r; /* none that long was ever kept */
}

int client_init(const struct exchange *x, struct client *ret)
{
	int r;

	*ret = (struct client){ .way = settings_text(x->settings, "client-auth") };
	if (!registers(x->settings)) {
		ret->id = settings_text(x->settings, "client-id");
		ret->secret = settings_secret(x->settings, "client-secret");
		return 0;
	}
	r = read_registration(x, &ret->registration);
	return r < 0 || !ret->registration ? r : adopt(x, ret);
}

void client_finish(struct client *c)
{
	json_free(c->registration);
	secret_unref(c->registered);
	*c = (struct client){ 0 };
}

static bool was_refused(const struct client *c, const char *word, size_t len)
{
	const char *asked = json_string(c->registration, ASKED_SCOPE);
	const char *given = json_string(c->registration, "scope");

	return asked && given && given[0] && oauth2_has_word(asked, word, len) &&
	       !oauth2_has_word(given, word, len);
}

void client_scope(const struct client *c, const char *scope, struct buffer *out)
{
	while (*scope) {
		size_t len = strcspn(scope, " ");

		if (!was_refused(c, scope, len)) {
			buffer_text(out, out->len ? " " : "");
			buffer_append(out, scope, len);
		}
		scope += len + strspn(scope + len, " ");
	}
	if (!out->len && json_string(c->registration, "scope"))
		buffer_text(out, json_string(c->registration, "scope"));
}

/* ---- registering ---- */

static const char *method_of(const char *way)
{
	for (size_t i = 0; i < WAYS; i++)
		if (strcmp(ways[i].way, way) == 0)
			return ways[i].method;
	return NULL;
}

/* Said in so many words, for the fallback is the grant of browsers (wire G3). */
static struct json *grant_types(const struct settings *s)
{
	const struct registrable *r = registrable_of(s);
	struct json *list = json_new_array();

	json_add(list, json_new_string(r ? r->type : settings_text(s, "grant")));
	if (r && r->refreshes)
		json_add(list, json_new_string("refresh_token"));
	return list;
}

static void add_name(const struct exchange *x, struct json *metadata)
{
	BUFFER_AUTO name = BUFFER_INIT(NAME_MAX);
	const char *given = settings_text(x->settings, "client-name");

	buffer_format(&name, "tokenfs %s", x->provider);
	if (buffer_error(&name))
		given = given ? given : "tokenfs";
	json_set_string(metadata, "client_name", given ? given : buffer_string(&name));
}

/* A header with a token that may do this, and nothing else may go with it (wire C3). */
static int send_json(struct exchange *x, const char *token, size_t token_len)
{
	BUFFER_AUTO value = BUFFER_INIT(LIMIT_REQUEST);

	request_header(&x->request, "Accept", "application/json");
	if (token) {
		buffer_text(&value, "Bearer ");
		buffer_append(&value, token, token_len);
		request_header(&x->request, "Authorization", buffer_string(&value));
	}
	if (buffer_error(&value))
		return buffer_error(&value);
	return request_error(&x->request) == -EINVAL
		       ? exchange_fail(x, EXCHANGE_INVALID,
				       "the registration-token has bytes that no token may have")
	       : request_error(&x->request) ? request_error(&x->request)
					    : EXCHANGE_ASK;
}

int registration_ask(struct exchange *x)
{
	const struct secret *token = settings_secret(x->settings, "registration-token");
	const char *scope = settings_text(x->settings, "scope");
	JSON_AUTO *metadata = json_new_object();

	add_name(x, metadata);
	json_set(metadata, "grant_types", grant_types(x->settings));
	json_set_string(metadata, "token_endpoint_auth_method",
			method_of(settings_text(x->settings, "client-auth")));
	if (scope)
		json_set_string(metadata, "scope", scope);
	json_print(metadata, false, &x->request.body);
	x->request.method = "POST";
	x->request.content_type = "application/json";
	buffer_text(&x->request.url, oauth2_endpoint(x, "registration-url"));
	return send_json(x, token ? secret_bytes(token) : NULL, token ? secret_len(token) : 0);
}

/* Not GARBLED, which is asked again: each time would leave one more client at the server. */
static int refuse(struct exchange *x, const char *what)
{
	return exchange_fail(x, EXCHANGE_DENIED,
			     "the server registered a client and %s: register one by hand, and "
			     "give client-id in place of register",
			     what);
}

static int check_answer(struct exchange *x, const struct json *answer)
{
	const char *id = json_string(answer, "client_id");
	const char *secret = json_string(answer, "client_secret");
	const char *way = way_of(x, answer);

	if (!id || !id[0])
		return refuse(x, "did not say its client_id");
	if (strlen(id) >= LIMIT_WORD)
		return refuse(x, "gave it a client_id without measure");
	if (!way)
		return refuse(x, "wants it to say who it is in a way that is not known here");
	if (strcmp(way, "none") != 0 && (!secret || !secret[0]))
		return refuse(x, "did not give it a client_secret");
	if (secret && strlen(secret) > LIMIT_SECRET / 2)
		return refuse(x, "gave it a client_secret without measure");
	if (is_over(answer, x->now_ms))
		return refuse(x, "gave it a client_secret that is over already");
	return 0;
}

/* The whole of it, whatever it may be good for (wire G6). */
static int keep(struct exchange *x, struct json *answer)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_SECRET);
	const char *scope = settings_text(x->settings, "scope");
	struct secret *kept = NULL;
	int r;

	if (scope)
		json_set_string(answer, ASKED_SCOPE, scope);
	json_print(answer, false, &text);
	r = buffer_error(&text);
	if (r == -EFBIG)
		return refuse(x, "answered without measure");
	if (r == 0)
		r = secret_new(buffer_string(&text), text.len, &kept);
	if (r < 0)
		return r;
	secret_unref(x->ret_registration);
	x->ret_registration = kept;
	x->step = OAUTH2_START;
	return EXCHANGE_KEEP;
}

static int hear_unauthorized(struct exchange *x)
{
	if (settings_has(x->settings, "registration-token"))
		return exchange_fail(x, EXCHANGE_DENIED,
				     "the server refused the registration-token (401): ask for a "
				     "new one");
	return exchange_fail(x, EXCHANGE_MISSING,
			     "the server registers nobody without an initial access token (401): "
			     "give registration-token-file");
}

/* Some servers put free text into `error` (wire 2.4), so it is quoted as well (wire G4). */
static int hear_refusal(struct exchange *x, const struct response *r, const struct json *answer)
{
	int outcome;

	if (r->status == 401)
		outcome = hear_unauthorized(x);
	else if (r->status == 403)
		outcome =
			exchange_fail(x, EXCHANGE_FORBIDDEN,
				      "the server does not let us register a client (403): ask "
				      "its administrator for a registration-token or a client-id");
	else if (r->status == 400)
		outcome = exchange_fail(x, EXCHANGE_INVALID,
					"the server does not register such a client (400): look at "
					"grant, scope and client-name");
	else
		outcome = exchange_fail(x, EXCHANGE_GARBLED,
					"there is no registration of clients at %s (%d)",
					oauth2_endpoint(x, "registration-url"), r->status);
	exchange_quote(x, json_string(answer, "error"));
	exchange_quote(x, json_string(answer, "error_description"));
	return outcome;
}

int registration_hear(struct exchange *x, const struct response *r)
{
	int outcome = exchange_hear_status(x, r);
	JSON_AUTO *answer = NULL;

	if (outcome)
		return outcome;
	if (oauth2_has_moved(x, r, "registration-url")) {
		x->step = OAUTH2_OPENID;
		return EXCHANGE_ASK;
	}
	outcome = oauth2_parse(r, &answer);
	if (outcome < 0)
		return outcome;
	if (r->status != 201 && r->status != 200)
		return hear_refusal(x, r, answer);
	outcome = check_answer(x, answer);
	return outcome ? outcome : keep(x, answer);
}

/* ---- removing ---- */

int registration_remove_ask(struct exchange *x)
{
	struct sentence detail = { "" };
	CLIENT_AUTO client;
	int r = client_init(x, &client);
	const char *uri = json_string(client.registration, "registration_client_uri");
	const char *token = json_string(client.registration, "registration_access_token");

	if (r < 0)
		return r;
	if (!client.registration)
		return exchange_fail(x, EXCHANGE_MISSING, "%s has registered no client",
				     x->provider);
	if (!uri || !token || !token[0])
		return exchange_fail(
			x, EXCHANGE_UNSUPPORTED,
			"the server gave no way to remove the client: remove it there");
	if (url_check(uri, &detail) < 0)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the registration_client_uri that the server named %s",
				     detail.text);
	x->request.method = "DELETE";
	buffer_text(&x->request.url, uri);
	return send_json(x, token, strlen(token));
}

int registration_remove_hear(struct exchange *x, const struct response *r)
{
	int outcome = exchange_hear_status(x, r);

	if (outcome)
		return outcome;
	if (r->status == 204 || r->status == 200)
		return EXCHANGE_DONE;
	if (r->status == 401 || r->status == 404)
		return exchange_fail(x, EXCHANGE_DONE,
				     "the server does not know the client any more (%d)",
				     r->status);
	if (r->status == 403)
		return exchange_fail(x, EXCHANGE_FORBIDDEN,
				     "the server does not let us remove the client (403)");
	if (r->status == 405)
		return exchange_fail(x, EXCHANGE_UNSUPPORTED,
				     "the server removes no clients (405): remove it there");
	return exchange_fail(x, EXCHANGE_GARBLED, "the server did not remove the client (%d)",
			     r->status);
}

/* ---- checking ---- */

static int refuse_settings(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

/* A client that shows JWTs would have to send its public key along. */
static bool can_register(const struct settings *s)
{
	return method_of(settings_text(s, "client-auth"));
}

static bool name_is_good(const struct settings *s)
{
	const char *name = settings_text(s, "client-name");

	return !name || (strlen(name) >= NAME_MIN && strlen(name) <= NAME_MAX);
}

int registration_check(const struct settings *s, struct sentence *why)
{
	if (!registers(s))
		return settings_text(s, "client-id")
			       ? 0
			       : refuse_settings(why, "client-id is missing: the client's name at "
						      "the server (or give register = yes)");
	if (settings_text(s, "client-id") || settings_has(s, "client-secret"))
		return refuse_settings(why, "register = yes makes a client of its own: take "
					    "client-id and client-secret away");
	if (!settings_text(s, "issuer") && !settings_text(s, "registration-url"))
		return refuse_settings(why, "register = yes needs issuer or registration-url");
	if (!registrable_of(s))
		return refuse_settings(why, "register = yes works with grant = device_code, "
					    "client_credentials, password or token_exchange: the "
					    "others need what a new client does not have");
	if (!can_register(s))
		return refuse_settings(why, "register = yes works with client-auth = basic, "
					    "basic-raw, post or none");
	if (!name_is_good(s))
		return refuse_settings(why, "client-name has 4 to 256 bytes");
	return 0;
}
