/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "device.h"
#include "form.h"
#include "oauth2.h"
#include "registration.h"

/* More than this is no code. */
#define CODE_MAX (16u << 10)

#define GRANT_TYPE "urn:ietf:params:oauth:grant-type:device_code"

/* Wire D2 and D4; what a server says beyond the maxima is nonsense, or another unit. */
#define INTERVAL_DEFAULT_MS INT64_C(5000)
#define INTERVAL_MAX_MS	    (INT64_C(3600) * 1000)
#define SLOW_DOWN_MS	    INT64_C(5000)
#define LIFE_DEFAULT_MS	    (INT64_C(300) * 1000)
#define LIFE_MAX_MS	    (INT64_C(24) * 3600 * 1000)

/* A silent server is asked less and less (wire D6), but not so rarely that a code dies meanwhile.
 */
#define SILENCE_MAX_MS INT64_C(60000)

/* ---- what is kept ---- */

/* The intent as it was written last; *ret is NULL when it cannot be read. */
static int read_kept(const struct exchange *x, struct json **ret)
{
	const struct secret *intent = x->ret_intent ? x->ret_intent : x->intent;
	struct json *kept = NULL;
	const char *code;

	*ret = NULL;
	if (intent && json_parse(secret_bytes(intent), secret_len(intent), NULL, &kept) == -ENOMEM)
		return -ENOMEM;
	code = json_string(kept, "device_code");
	if (code && code[0])
		*ret = kept;
	else
		json_free(kept);
	return 0;
}

static int64_t kept_ms(const struct json *kept, const char *key, int64_t otherwise)
{
	int64_t ms;

	return json_integer(kept, key, &ms) && ms > 0 ? ms : otherwise;
}

static int64_t interval_of(const struct json *kept)
{
	return kept_ms(kept, "interval_ms", INTERVAL_DEFAULT_MS);
}

static int64_t pause_of(const struct json *kept)
{
	return kept_ms(kept, "pause_ms", interval_of(kept));
}

static int64_t end_of(const struct json *kept)
{
	return kept_ms(kept, "expires_ms", 0);
}

/* Goes to the pause before the next poll; what changed is kept first. */
static int rest(struct exchange *x, struct json *kept, int64_t interval_ms, int64_t pause_ms)
{
	bool same = interval_ms == interval_of(kept) && pause_ms == pause_of(kept);
	int r;

	x->step = OAUTH2_PAUSE;
	if (same)
		return EXCHANGE_ASK;
	json_set_integer(kept, "interval_ms", interval_ms);
	json_set_integer(kept, "pause_ms", pause_ms);
	r = exchange_intend(x, kept);
	return r < 0 ? r : EXCHANGE_KEEP;
}

/* The end of this login; the grant is as good or bad as it was. */
static int stop(struct exchange *x, enum exchange_outcome outcome, const char *what)
{
	x->slot_only = true;
	return exchange_fail(x, outcome, "%s: read %s/.login for another code", what, x->provider);
}

static int stop_expired(struct exchange *x)
{
	return stop(x, EXCHANGE_EXPIRED, "the code has expired before anybody logged in with it");
}

bool device_is_under_way(const struct exchange *x)
{
	return x->ret_intent || x->intent;
}

int device_resume(struct exchange *x)
{
	JSON_AUTO *kept = NULL;
	int r = read_kept(x, &kept);

	if (r < 0)
		return r;
	if (end_of(kept) <= x->now_ms)
		return stop_expired(x);
	return exchange_prompt(x, json_string(kept, "uri"), json_string(kept, "uri_complete"),
			       json_string(kept, "code"), end_of(kept));
}

/* ---- asking for the codes ---- */

/* The client says its name in any case (wire D1): some servers look nowhere else. */
static int add_id(struct exchange *x)
{
	CLIENT_AUTO client;
	int r = client_init(x, &client);

	if (r < 0)
		return r;
	/* in every other way it is in the body already, and may be there once (wire C1) */
	if (strcmp(client.way, "basic") == 0 || strcmp(client.way, "basic-raw") == 0)
		form_add(&x->request.body, "client_id", client.id);
	return 0;
}

/* Some servers take the target from here and some from the poll (wire 2.6): both hear it. */
int device_ask(struct exchange *x)
{
	int r = add_id(x);

	if (r == 0)
		r = oauth2_add_scope(x);
	if (r < 0)
		return r;
	oauth2_add_target(x);
	return oauth2_post(x, oauth2_endpoint(x, "device-authorization-url"));
}

static int64_t said_ms(const struct json *answer, const char *key, int64_t max_ms,
		       int64_t otherwise)
{
	int64_t seconds;

	if (!json_integer(answer, key, &seconds) || seconds <= 0)
		return otherwise;
	return seconds <= max_ms / 1000 ? seconds * 1000 : max_ms;
}

static int64_t said_interval(const struct json *answer, int64_t life_ms)
{
	int64_t ms = said_ms(answer, "interval", INTERVAL_MAX_MS, INTERVAL_DEFAULT_MS);

	/* one that outlives the code is no interval (wire D2) */
	return ms < life_ms ? ms : INTERVAL_DEFAULT_MS;
}

static const char *text_of(const struct json *answer, const char *key)
{
	const char *text = json_string(answer, key);

	return text && text[0] ? text : NULL;
}

static int keep(struct exchange *x, const struct json *answer, int64_t life_ms)
{
	JSON_AUTO *kept = json_new_object();
	int64_t interval_ms = said_interval(answer, life_ms);
	int r;

	json_set_string(kept, "device_code", json_string(answer, "device_code"));
	json_set_integer(kept, "interval_ms", interval_ms);
	json_set_integer(kept, "pause_ms", interval_ms);
	json_set_integer(kept, "expires_ms", x->ret_prompt.expires_ms);
	json_set_string(kept, "uri", x->ret_prompt.uri);
	if (x->ret_prompt.uri_complete)
		json_set_string(kept, "uri_complete", x->ret_prompt.uri_complete);
	json_set_string(kept, "code", x->ret_prompt.code);
	r = exchange_intend(x, kept);
	x->step = OAUTH2_PAUSE;
	return r < 0 ? r : EXCHANGE_KEEP;
}

static int begin(struct exchange *x, const struct json *answer)
{
	int64_t life_ms = said_ms(answer, "expires_in", LIFE_MAX_MS, LIFE_DEFAULT_MS);
	const char *code = text_of(answer, "device_code");
	const char *uri = text_of(answer, "verification_uri");
	int r;

	if (!code || strlen(code) > CODE_MAX)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server's answer has no device_code: is this the device "
				     "authorization endpoint?");
	/* as the drafts of the standard called it, and some servers still do */
	r = exchange_prompt(x, uri ? uri : text_of(answer, "verification_url"),
			    text_of(answer, "verification_uri_complete"),
			    text_of(answer, "user_code"), x->now_ms + life_ms);
	return r ? r : keep(x, answer, life_ms);
}

static bool is_unknown_client(const struct exchange *x, const struct response *r)
{
	return x->type->dialect->empty_404_is_client && r->status == 404 && r->len == 0;
}

int device_hear(struct exchange *x, const struct response *r)
{
	int outcome = exchange_hear_status(x, r);
	JSON_AUTO *answer = NULL;

	if (outcome)
		return outcome;
	if (is_unknown_client(x, r))
		return exchange_fail(x, EXCHANGE_DENIED,
				     "the server does not know this client: correct client-id, or "
				     "with register = yes give another client-name");
	if (oauth2_has_moved(x, r, "device-authorization-url")) {
		x->step = OAUTH2_OPENID;
		return EXCHANGE_ASK;
	}
	outcome = oauth2_parse(r, &answer);
	if (outcome < 0)
		return outcome;
	return oauth2_is_error(r, answer) ? oauth2_error_hear(x, r, answer) : begin(x, answer);
}

/* ---- polling ---- */

int device_pause(struct exchange *x)
{
	JSON_AUTO *kept = NULL;
	int r = read_kept(x, &kept);
	int64_t left_ms = end_of(kept) - x->now_ms;

	if (r < 0)
		return r;
	if (left_ms <= 0)
		return stop_expired(x);
	x->wait_ms = pause_of(kept) < left_ms ? pause_of(kept) : left_ms;
	x->step = OAUTH2_POLL;
	return EXCHANGE_WAIT;
}

int device_poll_ask(struct exchange *x)
{
	struct buffer *body = &x->request.body;
	JSON_AUTO *kept = NULL;
	int r = read_kept(x, &kept);

	if (r < 0)
		return r;
	if (end_of(kept) <= x->now_ms)
		return stop_expired(x); /* by our own clock (wire D7) */
	form_add(body, "grant_type", GRANT_TYPE);
	form_add(body, "device_code", json_string(kept, "device_code"));
	oauth2_add_target(x);
	return oauth2_post(x, oauth2_endpoint(x, "token-url"));
}

static int slow_down(struct exchange *x, struct json *kept, const struct json *answer)
{
	int64_t slower = interval_of(kept) + SLOW_DOWN_MS;
	int64_t said = said_ms(answer, "interval", INTERVAL_MAX_MS, 0);

	slower = said > slower ? said : slower;
	slower = slower < INTERVAL_MAX_MS ? slower : INTERVAL_MAX_MS;
	return rest(x, kept, slower, slower);
}

/* No answer, or trouble of the server's own: no reason to stop, but to ask less (wire D6). */
static int fall_silent(struct exchange *x, struct json *kept, const struct response *r)
{
	int64_t interval = interval_of(kept);
	int64_t longest = interval > SILENCE_MAX_MS ? interval : SILENCE_MAX_MS;
	int64_t pause = pause_of(kept) > longest / 2 ? longest : pause_of(kept) * 2;

	pause = r->retry_after_ms > pause ? r->retry_after_ms : pause;
	return rest(x, kept, interval, pause);
}

static bool is_trouble(const struct response *r, const char *error)
{
	if (r->status == 0 || r->status == 429 || r->status >= 500)
		return true;
	return error && (strcmp(error, "temporarily_unavailable") == 0 ||
			 strcmp(error, "server_error") == 0);
}

/* How a login ends without a token; the rest is as at every token request (wire D5). */
static const struct oauth2_verdict ends[] = {
	{ "access_denied", EXCHANGE_DENIED, "you, or somebody, said no to this login" },
	{ "expired_token", EXCHANGE_EXPIRED, "the code has expired" },
	{ "invalid_grant", EXCHANGE_EXPIRED, "the server does not know the code any more" },
	{ 0 },
};

/* A login that brought no refresh token leaves none: the old one is another login's. */
static int finish(struct exchange *x, const struct response *r)
{
	int outcome = oauth2_token_hear(x, r);

	if (outcome == EXCHANGE_DONE && x->grant && !x->ret_grant)
		x->drop_grant = true;
	return outcome;
}

static int hear_poll(struct exchange *x, const struct response *r, struct json *kept,
		     const struct json *answer)
{
	const char *error = json_string(answer, "error");

	if (is_trouble(r, error))
		return fall_silent(x, kept, r);
	if (error && strcmp(error, "authorization_pending") == 0)
		return rest(x, kept, interval_of(kept), interval_of(kept));
	if (error && strcmp(error, "slow_down") == 0)
		return slow_down(x, kept, answer);
	for (const struct oauth2_verdict *v = ends; error && v->error; v++)
		if (strcmp(v->error, error) == 0)
			return stop(x, v->outcome, v->sentence);
	return finish(x, r);
}

int device_poll_hear(struct exchange *x, const struct response *r)
{
	JSON_AUTO *kept = NULL;
	JSON_AUTO *answer = NULL;
	int e = read_kept(x, &kept);

	if (e == 0)
		e = oauth2_parse(r, &answer);
	return e < 0 ? e : hear_poll(x, r, kept, answer);
}
