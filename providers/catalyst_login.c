/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalyst.h"
#include "form.h"

/* The documented pace, and what slow_down leads back to at least (1.4); five seconds more is D4. */
#define PACE_MS	     INT64_C(30000)
#define PACE_MAX_MS  (INT64_C(10) * 60 * 1000)
#define SLOW_DOWN_MS INT64_C(5000)

/* How long a code lasts that does not say so, and at most (1.6). */
#define LIFE_MS	    (INT64_C(5) * 60 * 1000)
#define LIFE_MAX_MS (INT64_C(3600) * 1000)

/* A login that has begun; the texts stand behind it. The device code is a secret (D9). */
struct login {
	int64_t interval_ms, expires_ms;
	const char *centre;
	const char *code, *user_code, *uri, *uri_complete; /* the last may be NULL */
	char text[];
};

static size_t size_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *keep_text(char **at, const char *text)
{
	char *copy = *at;

	if (!text)
		return NULL;
	memcpy(copy, text, size_of(text));
	*at += size_of(text);
	return copy;
}

/* Copies what `from` borrows; the exchange owns it. */
static int note(struct exchange *x, const struct login *from)
{
	struct login *l = malloc(sizeof *l + size_of(from->code) + size_of(from->user_code) +
				 size_of(from->uri) + size_of(from->uri_complete));
	char *at;

	if (!l)
		return -ENOMEM;
	*l = *from;
	at = l->text;
	l->code = keep_text(&at, from->code);
	l->user_code = keep_text(&at, from->user_code);
	l->uri = keep_text(&at, from->uri);
	l->uri_complete = keep_text(&at, from->uri_complete);
	free(x->notes);
	x->notes = l;
	return 0;
}

/* For whoever comes after a crash: the same code, at the same place and pace. */
static int remember(struct exchange *x)
{
	const struct login *l = x->notes;
	JSON_AUTO *intent = json_new_object();
	int r;

	json_set_string(intent, "device_code", l->code);
	json_set_string(intent, "user_code", l->user_code);
	json_set_string(intent, "verification_uri", l->uri);
	if (l->uri_complete)
		json_set_string(intent, "verification_uri_complete", l->uri_complete);
	json_set_integer(intent, "interval_ms", l->interval_ms);
	json_set_integer(intent, "expires_ms", l->expires_ms);
	json_set_string(intent, "dc", l->centre);
	r = exchange_intend(x, intent);
	x->step = CATALYST_PAUSE;
	return r < 0 ? r : EXCHANGE_KEEP;
}

/* Counted from the answer before, and before the first poll too (D3). */
static int pause_now(struct exchange *x)
{
	const struct login *l = x->notes;
	int64_t left = l->expires_ms - x->now_ms;

	x->wait_ms = l->interval_ms < left ? l->interval_ms : left;
	if (x->wait_ms < 0)
		x->wait_ms = 0;
	x->step = CATALYST_POLL;
	return EXCHANGE_WAIT;
}

static int fail_login(struct exchange *x, enum exchange_outcome outcome, const char *what)
{
	x->slot_only = true;
	return exchange_fail(x, outcome, "%s: write {} to %s/%s to begin again", what, x->provider,
			     x->name);
}

/* ---- asking ---- */

static const char *scope_of(const struct exchange *x)
{
	const char *wish = x->wish ? settings_text(x->wish, "scope") : NULL;

	return wish ? wish : settings_text(x->settings, "scope");
}

static int refuse_access(struct exchange *x)
{
	const char *name = settings_text(x->settings, "cli-token");

	x->slot_only = true;
	return exchange_fail(x, EXCHANGE_INVALID,
			     "nobody logs in to %s/%s, which is made of a CLI token: write {} to "
			     "%s/%s",
			     x->provider, x->name, x->provider, name ? name : "another name");
}

/* Parameters in the body: in a URL they would stand in the logs of proxies (1.3, C15). */
static int ask_code(struct exchange *x)
{
	struct buffer *body = &x->request.body;
	const char *id = settings_text(x->settings, "client-id");
	const char *scope = scope_of(x);

	if (!id)
		return exchange_fail(x, EXCHANGE_MISSING, "the client-id of %s is not there",
				     x->provider);
	if (!scope) {
		x->slot_only = true;
		return exchange_fail(x, EXCHANGE_INVALID,
				     "no scope says what the token may do: give scope in the "
				     "section, or in the document");
	}
	form_add(body, "client_id", id);
	form_add(body, "scope", scope);
	form_add(body, "grant_type", "device_request");
	form_add(body, "access_type", "offline");
	form_add(body, "prompt", "consent");
	return catalyst_post(x, settings_text(x->settings, "dc"), "/oauth/v3/device/code");
}

static int ask_poll(struct exchange *x)
{
	const struct login *l = x->notes;
	int r;

	if (x->now_ms >= l->expires_ms)
		return fail_login(x, EXCHANGE_EXPIRED, "nobody logged in before the code expired");
	r = catalyst_add_client(x);
	if (r != EXCHANGE_ASK)
		return r;
	form_add(&x->request.body, "grant_type", "device_token");
	form_add(&x->request.body, "code", l->code);
	x->hears_silence = true;
	return catalyst_post(x, l->centre, "/oauth/v3/device/token");
}

static bool read_intent(const struct json *intent, struct login *ret)
{
	ret->code = catalyst_string(intent, "device_code");
	ret->user_code = catalyst_string(intent, "user_code");
	ret->uri = catalyst_string(intent, "verification_uri");
	ret->uri_complete = catalyst_string(intent, "verification_uri_complete");
	ret->centre = catalyst_centre(json_string(intent, "dc"));
	return ret->code && ret->user_code && ret->uri && ret->centre &&
	       json_integer(intent, "interval_ms", &ret->interval_ms) &&
	       json_integer(intent, "expires_ms", &ret->expires_ms) && ret->interval_ms > 0;
}

static int resume(struct exchange *x)
{
	JSON_AUTO *intent = NULL;
	struct login l = { 0 };
	int r = json_parse(secret_bytes(x->intent), secret_len(x->intent), NULL, &intent);

	if (r == -ENOMEM)
		return r;
	if (!read_intent(intent, &l))
		return fail_login(x, EXCHANGE_INVALID, "the login that had begun cannot be read");
	r = exchange_prompt(x, l.uri, l.uri_complete, l.user_code, l.expires_ms);
	if (r)
		return r;
	r = note(x, &l);
	return r < 0 ? r : pause_now(x);
}

int catalyst_login_ask(struct exchange *x)
{
	x->hears_silence = false;
	if (x->step == CATALYST_START) {
		if (catalyst_is_access(x))
			return refuse_access(x);
		if (x->intent)
			return resume(x);
		x->step = CATALYST_CODE;
	}
	if (x->step == CATALYST_CODE)
		return ask_code(x);
	return x->step == CATALYST_PAUSE ? pause_now(x) : ask_poll(x);
}

/* ---- the code ---- */

/* Milliseconds in this answer, by the older documents; a small number can only be seconds (1.4). */
static int64_t pace_of(const struct json *answer)
{
	int64_t n;

	if (!json_integer(answer, "interval", &n) || n <= 0)
		return PACE_MS;
	if (n < 1000)
		return n * 1000 < PACE_MAX_MS ? n * 1000 : PACE_MAX_MS;
	return n < PACE_MAX_MS ? n : PACE_MAX_MS;
}

static int64_t life_of(const struct json *answer)
{
	int64_t n;

	if (!json_integer(answer, "expires_in", &n) || n <= 0)
		return LIFE_MS;
	if (n <= 3600)
		return n * 1000;
	return n < LIFE_MAX_MS ? n : LIFE_MAX_MS;
}

static int hear_code(struct exchange *x, const struct response *r)
{
	JSON_AUTO *answer = NULL;
	struct login l = { 0 };
	int e = catalyst_parse(r, &answer);

	if (e < 0)
		return e;
	l.code = catalyst_string(answer, "device_code");
	if (!l.code || strlen(l.code) >= LIMIT_WORD)
		return catalyst_refuse(x, r, answer);
	l.user_code = catalyst_string(answer, "user_code");
	l.uri = catalyst_string(answer, "verification_url");
	if (!l.uri)
		l.uri = catalyst_string(answer, "verification_uri");
	l.uri_complete = catalyst_string(answer, "verification_uri_complete");
	l.interval_ms = pace_of(answer);
	l.expires_ms = x->now_ms + life_of(answer);
	l.centre = settings_text(x->settings, "dc");
	e = exchange_prompt(x, l.uri, l.uri_complete, l.user_code, l.expires_ms);
	if (e)
		return e;
	e = note(x, &l);
	return e < 0 ? e : remember(x);
}

/* ---- the polls ---- */

/* No answer, or one of trouble: half as often (D6). It is no reason to stop. */
static int wait_longer(struct exchange *x, int64_t retry_after_ms)
{
	struct login *l = x->notes;
	int r;

	l->interval_ms = l->interval_ms * 2 < PACE_MAX_MS ? l->interval_ms * 2 : PACE_MAX_MS;
	r = pause_now(x);
	if (retry_after_ms > x->wait_ms && x->now_ms + retry_after_ms < l->expires_ms)
		x->wait_ms = retry_after_ms;
	return r;
}

static int hear_slow_down(struct exchange *x, const struct json *answer)
{
	struct login *l = x->notes;
	int64_t n;

	l->interval_ms += SLOW_DOWN_MS;
	if (l->interval_ms < PACE_MS)
		l->interval_ms = PACE_MS;
	if (json_integer(answer, "interval", &n) && pace_of(answer) > l->interval_ms)
		l->interval_ms = pace_of(answer);
	if (l->interval_ms > PACE_MAX_MS)
		l->interval_ms = PACE_MAX_MS;
	return remember(x);
}

/*
 * Whoever logged in has the account in another data centre: the same code goes there (1.4). Only to
 * an origin that we know: a secret goes with it. accounts-url stays what it is, for it stands for
 * all.
 */
static int hear_other_centre(struct exchange *x, const struct json *answer)
{
	struct login *l = x->notes;
	const char *location = catalyst_string(answer, "user_location");
	const char *centre = catalyst_centre(location);

	x->slot_only = true;
	if (!centre) {
		exchange_fail(x, EXCHANGE_FORBIDDEN,
			      "the account is in a data centre that is not known here: give its "
			      "accounts-url");
		exchange_quote(x, location);
		return EXCHANGE_FORBIDDEN;
	}
	if (strcmp(centre, l->centre) == 0)
		return exchange_fail(
			x, EXCHANGE_FORBIDDEN,
			"the account is in data centre %s, and the server asked is not "
			"there: set dc = %s, without accounts-url",
			centre, centre);
	x->slot_only = false;
	l->centre = centre;
	return remember(x);
}

/* Six digits, as the vendor's CLI names its tokens (1.8). */
static void name_token(const struct exchange *x, struct buffer *out)
{
	buffer_format(out, "%02x%02x%02x", x->random[0], x->random[1], x->random[2]);
}

static int issue_cli(struct exchange *x, const struct json *answer)
{
	const struct login *l = x->notes;
	const char *scope = catalyst_string(answer, "scope");
	BUFFER_AUTO value = BUFFER_INIT(LIMIT_TOKEN), id = BUFFER_INIT(16);
	BUFFER_AUTO details = BUFFER_INIT(LIMIT_DOCUMENT);
	struct token_facts facts = { .lifetime_ms = TOKEN_NEVER_EXPIRES,
				     .token_type = "N_A",
				     .scope = scope ? scope : scope_of(x) };
	int r;

	buffer_text(&value, "m_");
	buffer_text(&value, json_string(answer, "refresh_token"));
	name_token(x, &id);
	catalyst_describe(answer, l->centre, x->now_ms, &details);
	if (buffer_error(&value) || buffer_error(&id) || buffer_error(&details))
		return buffer_error(&value) ? buffer_error(&value) : -ENOMEM;
	facts.id = buffer_string(&id);
	facts.details = buffer_string(&details);
	r = exchange_issue(x, buffer_string(&value), value.len, &facts);
	if (r == EXCHANGE_DONE)
		r = secret_new(buffer_string(&value), value.len, &x->ret_grant);
	if (r == EXCHANGE_DONE)
		sentence_set(&x->why,
			     "a user has at most 20 tokens of one client: one more makes the "
			     "server forget the oldest, wherever that is in use");
	return r;
}

/* Usable once, so the documents of several data centres: an access token, which the CLI takes too.
 */
static int issue_once(struct exchange *x, const struct json *answer)
{
	const struct login *l = x->notes;
	int r = catalyst_issue_access(x, answer, l->centre, scope_of(x));

	if (r == EXCHANGE_DONE)
		sentence_set(&x->why,
			     "the server gave no refresh token, so this is an access token: "
			     "when it ends, somebody has to log in again");
	return r;
}

static int hear_end(struct exchange *x, const struct response *r, const struct json *answer)
{
	if (catalyst_is_error(answer, "access_denied"))
		return fail_login(x, EXCHANGE_DENIED, "the login was refused by the person");
	if (catalyst_is_error(answer, "expired") || catalyst_is_error(answer, "expired_token"))
		return fail_login(x, EXCHANGE_EXPIRED, "nobody logged in before the code expired");
	if (catalyst_is_error(answer, "invalid_code"))
		return fail_login(x, EXCHANGE_EXPIRED,
				  "the server does not know the login any more");
	return catalyst_refuse(x, r, answer);
}

/* Pending and refused both come with 200: only the body tells (1.4). */
static int hear_answer(struct exchange *x, const struct response *r, const struct json *answer)
{
	if (catalyst_string(answer, "refresh_token"))
		return issue_cli(x, answer);
	if (catalyst_string(answer, "access_token"))
		return issue_once(x, answer);
	if (catalyst_is_error(answer, "authorization_pending"))
		return pause_now(x);
	if (catalyst_is_error(answer, "slow_down"))
		return hear_slow_down(x, answer);
	if (catalyst_is_error(answer, "other_dc"))
		return hear_other_centre(x, answer);
	if (catalyst_is_error(answer, "Access Denied") || r->status == 429 || r->status >= 500)
		return wait_longer(x, r->retry_after_ms);
	return hear_end(x, r, answer);
}

static int hear_poll(struct exchange *x, const struct response *r)
{
	JSON_AUTO *answer = NULL;
	int e;

	if (r->status == 0)
		return wait_longer(x, -1);
	e = catalyst_parse(r, &answer);
	return e < 0 ? e : hear_answer(x, r, answer);
}

int catalyst_login_hear(struct exchange *x, const struct response *r)
{
	return x->step == CATALYST_CODE ? hear_code(x, r) : hear_poll(x, r);
}
