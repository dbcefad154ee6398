/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "controlm.h"

/* Not told by the server, but by its manual (wire 2.4). */
#define SESSION_LIFETIME_MS INT64_C(1800000)

bool controlm_lives_on_sessions(const struct settings *s)
{
	return settings_has(s, "user");
}

const struct secret *controlm_session(const struct exchange *x)
{
	if (x->ret_grant)
		return x->ret_grant;
	return x->drop_grant ? NULL : x->grant;
}

static struct controlm_notes *notes_of(const struct exchange *x)
{
	return x->notes;
}

/* ---- a call ---- */

static void begin(struct exchange *x, const char *method, const char *path)
{
	const char *url = settings_text(x->settings, "url");
	size_t len = strlen(url);

	while (len > 0 && url[len - 1] == '/')
		len--;
	x->request.method = method;
	buffer_append(&x->request.url, url, len);
	buffer_text(&x->request.url, path);
	request_header(&x->request, "Accept", "application/json");
}

static void add_bearer(struct exchange *x, const char *session)
{
	BUFFER_AUTO value = BUFFER_INIT(LIMIT_REQUEST);

	buffer_text(&value, "Bearer ");
	buffer_text(&value, session);
	if (buffer_error(&value) && !x->request.header.error)
		x->request.header.error = buffer_error(&value);
	request_header(&x->request, "Authorization", buffer_string(&value));
}

/* A secret that is a text: what follows a NUL would be lost without a word. */
static bool is_text(const struct secret *s)
{
	return strlen(secret_bytes(s)) == secret_len(s);
}

int controlm_call(struct exchange *x, const char *method, const char *path)
{
	const struct secret *key = settings_secret(x->settings, "api-key");

	begin(x, method, path);
	if (controlm_lives_on_sessions(x->settings)) {
		add_bearer(x, secret_bytes(controlm_session(x)));
		return EXCHANGE_ASK;
	}
	if (!key)
		return exchange_fail(x, EXCHANGE_MISSING, "the api-key of %s is not there",
				     x->provider);
	if (!is_text(key))
		return exchange_fail(x, EXCHANGE_INVALID, "the api-key of %s holds a NUL byte",
				     x->provider);
	request_header(&x->request, CONTROLM_API_KEY, secret_bytes(key));
	return EXCHANGE_ASK;
}

int controlm_called(struct exchange *x)
{
	int r = request_error(&x->request);

	if (r == -EINVAL)
		return exchange_fail(x, EXCHANGE_INVALID,
				     "the api-key of %s holds bytes that no header may hold",
				     x->provider);
	return r < 0 ? r : EXCHANGE_ASK;
}

/* ---- login ---- */

int controlm_login_ask(struct exchange *x)
{
	const struct secret *password = settings_secret(x->settings, "password");
	JSON_AUTO *body = NULL;

	if (!password)
		return exchange_fail(x, EXCHANGE_MISSING, "the password of %s is not there",
				     x->provider);
	if (!is_text(password))
		return exchange_fail(x, EXCHANGE_INVALID, "the password of %s holds a NUL byte",
				     x->provider);
	notes_of(x)->logged_in = true;
	begin(x, "POST", "/session/login");
	body = json_new_object();
	json_set_string(body, "username", settings_text(x->settings, "user"));
	json_set_string(body, "password", secret_bytes(password));
	json_print(body, false, &x->request.body);
	x->request.content_type = "application/json";
	return controlm_called(x);
}

/*
 * A refusal must not look like trouble of the server, or the account would be locked by retries.
 * The call takes nothing but user and password, so 400 means them; and older servers said 500 to
 * much that is none of theirs.
 */
static bool refuses_password(const struct response *r, const struct json *answer)
{
	return r->status == 401 || r->status == 400 ||
	       (r->status == 500 &&
		(controlm_says(answer, "password") || controlm_says(answer, "credential")));
}

static int login_refused(struct exchange *x, const struct response *r, const struct json *answer)
{
	int outcome;

	if (!refuses_password(r, answer)) {
		outcome = controlm_refused(x, r, answer);
		x->slot_only = false;
		return outcome;
	}
	exchange_fail(x, EXCHANGE_DENIED, "the server refused user and password (%d)", r->status);
	exchange_quote(x, json_string(json_at(json_get(answer, "errors"), 0), "message"));
	return EXCHANGE_DENIED;
}

static int keep_session(struct exchange *x, const char *value)
{
	SECRET_AUTO *session = NULL;
	int r = secret_new(value, strlen(value), &session);

	if (r < 0)
		return r;
	secret_unref(x->ret_grant);
	x->ret_grant = secret_ref(session);
	x->drop_grant = false;
	return EXCHANGE_DONE;
}

int controlm_login_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	const struct token_facts facts = { .lifetime_ms = SESSION_LIFETIME_MS };
	const char *value = json_string(answer, "token");
	TOKEN_AUTO *session = NULL;
	int outcome;

	if (!controlm_is_good(r))
		return login_refused(x, r, answer);
	if (!value || !value[0])
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server's answer to the login has no session token");
	outcome = token_new(value, strlen(value), &facts, &x->why, &session);
	if (outcome == -EBADMSG)
		return EXCHANGE_GARBLED;
	if (outcome == 0)
		outcome = keep_session(x, value);
	if (outcome)
		return outcome;
	if (notes_of(x)->then == CONTROLM_START) {
		x->ret_token = token_ref(session);
		return EXCHANGE_DONE;
	}
	x->step = (int)notes_of(x)->then;
	return EXCHANGE_ASK;
}

/* That an old session gets any 401 at all is enough: gateways say it in words of their own. */
bool controlm_session_is_over(const struct exchange *x, const struct response *r,
			      const struct json *answer)
{
	if (!controlm_lives_on_sessions(x->settings) || notes_of(x)->logged_in)
		return false;
	return r->status == 401 ||
	       (r->status == 500 && controlm_says(answer, "session token is invalid or expired"));
}

int controlm_login_again(struct exchange *x)
{
	x->drop_grant = x->grant != NULL;
	notes_of(x)->then = (enum controlm_step)x->step;
	x->step = CONTROLM_LOGIN;
	return EXCHANGE_ASK;
}

/* ---- logout ---- */

static bool has_another_grant(const struct exchange *x)
{
	return x->grant &&
	       (!x->token || secret_len(x->grant) != token_len(x->token) ||
		memcmp(secret_bytes(x->grant), token_value(x->token), token_len(x->token)) != 0);
}

int controlm_logout_plan(struct exchange *x)
{
	if (!x->token && !x->grant)
		return EXCHANGE_DONE;
	x->step = x->token ? CONTROLM_LOGOUT : CONTROLM_LOGOUT_GRANT;
	return EXCHANGE_ASK;
}

int controlm_logout_ask(struct exchange *x)
{
	begin(x, "POST", "/session/logout");
	add_bearer(x, x->step == CONTROLM_LOGOUT ? token_value(x->token) : secret_bytes(x->grant));
	return controlm_called(x);
}

int controlm_logout_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	bool over =
		r->status == 401 ||
		(r->status == 500 && controlm_says(answer, "session token is invalid or expired"));

	if (!controlm_is_good(r) && !over)
		return controlm_refused(x, r, answer);
	if (x->step == CONTROLM_LOGOUT && has_another_grant(x)) {
		x->step = CONTROLM_LOGOUT_GRANT;
		return EXCHANGE_ASK;
	}
	x->drop_grant = x->grant != NULL;
	return EXCHANGE_DONE;
}
