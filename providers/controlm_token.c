/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "controlm.h"
#include "form.h"
#include "moment.h"

/* ---- what a token is ---- */

int64_t controlm_life(const char *date, int64_t now_ms)
{
	int64_t at;

	if (!date || moment_of_text(date, &at) < 0)
		return TOKEN_NEVER_EXPIRES;
	return at > now_ms ? at - now_ms : 1;
}

static bool is_value_of(const struct token *t, const char *value, size_t len)
{
	return t && token_len(t) == len && memcmp(token_value(t), value, len) == 0;
}

/* The value, if it is shown: what no token can be (stars, a word in brackets) only stands for it.
 */
static const char *shown_value(const struct json *answer)
{
	const char *value = json_string(answer, "tokenValue");
	const struct token_facts none = { 0 };
	TOKEN_AUTO *token = NULL;

	if (!value || token_new(value, strlen(value), &none, NULL, &token) < 0)
		return NULL;
	return value;
}

/* Where the server's clock is known, its dates are measured by its own clock. */
static int64_t server_now(const struct exchange *x, const struct response *r)
{
	return r ? response_now(r, x->now_ms) : x->now_ms;
}

static int issue(struct exchange *x, const char *value, const char *date, int64_t now_ms,
		 const char *details)
{
	const struct token_facts facts = { .lifetime_ms = controlm_life(date, now_ms),
					   .token_type = CONTROLM_API_KEY,
					   .id = x->name,
					   .details = details };
	int outcome = exchange_issue(x, value, strlen(value), &facts);

	if (outcome == EXCHANGE_DONE && date && facts.lifetime_ms == TOKEN_NEVER_EXPIRES) {
		sentence_set(&x->why, "the token's expirationDate is not understood, so its end is "
				      "not known");
		exchange_quote(x, date);
	}
	return outcome;
}

/* ---- fetch: there is nobody to ask ---- */

int controlm_fetch(struct exchange *x)
{
	JSON_AUTO *listed = NULL;
	const char *date;
	int64_t at;

	if (!x->token)
		return controlm_of_slot(
			x, exchange_fail(
				   x, EXCHANGE_MISSING,
				   "Control-M shows a value only when it makes the token, and that "
				   "of %s was not seen here: import it with {\"access_token\": "
				   "\"…\"}, or rm the file and write it anew",
				   x->name));
	if (x->details && json_parse(x->details, strlen(x->details), NULL, &listed) == -ENOMEM)
		return -ENOMEM;
	date = json_string(listed, "expirationDate");
	/* what the server lists is good, but for a day that has passed: somebody may have moved it */
	if (listed && (!date || moment_of_text(date, &at) < 0 || at > x->now_ms))
		return issue(x, token_value(x->token), date, x->now_ms, x->details);
	return controlm_of_slot(
		x,
		exchange_fail(x, EXCHANGE_EXPIRED,
			      "the expirationDate of %s has passed: write a new one to it, such as "
			      "{\"expirationDate\": \"2030-01-31\"}",
			      x->name));
}

/* ---- create, update ---- */

static bool has_intent(const struct exchange *x, bool *ret_absent)
{
	JSON_AUTO *intent = NULL;

	*ret_absent = false;
	if (!x->intent)
		return false;
	if (json_parse(secret_bytes(x->intent), secret_len(x->intent), NULL, &intent) == 0)
		json_boolean(intent, "absent", ret_absent);
	return true;
}

int controlm_save_plan(struct exchange *x)
{
	JSON_AUTO *wanted = NULL;
	bool absent;
	int r = controlm_wanted(x, &wanted);

	if (r == 0)
		r = controlm_check_wanted(x, wanted);
	if (r != EXCHANGE_ASK)
		return r < 0 ? r : controlm_of_slot(x, r);
	/* with an intent, what is there may be ours */
	x->step = x->purpose == PURPOSE_UPDATE && !has_intent(x, &absent) ? CONTROLM_CHANGE
									  : CONTROLM_LOOK;
	return EXCHANGE_ASK;
}

/* MAKE comes next; that it may have been made must be known to whoever comes after a crash. */
static int announce(struct exchange *x, bool absent)
{
	JSON_AUTO *intent = NULL;
	bool known;
	int r;

	x->step = CONTROLM_MAKE;
	if (has_intent(x, &known) && (known || !absent))
		return EXCHANGE_ASK;
	intent = json_new_object();
	json_set(intent, "absent", json_new_boolean(absent));
	r = exchange_intend(x, intent);
	return r < 0 ? r : EXCHANGE_KEEP;
}

static int exists(struct exchange *x, const char *more)
{
	return controlm_of_slot(
		x, exchange_fail(x, EXCHANGE_EXISTS, "%s exists at the server%s", x->name, more));
}

static int look_found(struct exchange *x, const struct json *answer)
{
	const char *name = json_string(answer, "tokenName");
	JSON_AUTO *wanted = NULL;
	bool absent;
	int r;

	if (!name || strcasecmp(name, x->name) != 0)
		return exchange_fail(
			x, EXCHANGE_GARBLED,
			"the server was asked for a token and told of none, or of another");
	if (!has_intent(x, &absent))
		return exists(x, " already: it will be listed; then write to it "
				 "to update it");
	r = controlm_wanted(x, &wanted);
	if (r < 0)
		return r;
	if (absent && controlm_is_wanted(wanted, answer))
		x->step = CONTROLM_REMOVE; /* ours, and its value went by unseen */
	else if (x->purpose == PURPOSE_UPDATE)
		x->step = CONTROLM_CHANGE;
	else
		return exists(x,
			      ", and may or may not be what an earlier write "
			      "made that was cut off: when it is listed, write to it to update it, "
			      "or rm it and write it anew to have its value");
	return EXCHANGE_ASK;
}

static int look_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	bool absent;

	if (controlm_is_absent(r, answer))
		return announce(x, true);
	if (controlm_is_good(r))
		return look_found(x, answer);
	/* it may not be looked at, which does not say that it may not be made */
	if (r->status != 400 && r->status != 403 && r->status != 405 && r->status != 406)
		return controlm_refused(x, r, answer);
	if (x->purpose == PURPOSE_UPDATE && has_intent(x, &absent)) {
		x->step = CONTROLM_CHANGE;
		return EXCHANGE_ASK;
	}
	return announce(x, false);
}

/* The value that is to be published, or NULL. Both ends: what the server says, and what was sent.
 */
static int saved(struct exchange *x, const struct response *r, const struct json *answer,
		 const char *value)
{
	BUFFER_AUTO details = BUFFER_INIT(LIMIT_DOCUMENT);
	JSON_AUTO *wanted = NULL;
	const char *date = json_string(answer, "expirationDate");
	int outcome = controlm_wanted(x, &wanted);

	if (outcome < 0)
		return outcome;
	if (!date || !date[0])
		date = json_string(wanted, "expirationDate");
	controlm_describe(answer, wanted, &details);
	if (buffer_error(&details) == -EFBIG)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "what the server says of the token is too long");
	if (buffer_error(&details))
		return buffer_error(&details);
	if (value)
		outcome = issue(x, value, date, server_now(x, r), buffer_string(&details));
	if (outcome != EXCHANGE_DONE)
		return outcome;
	free(x->ret_details);
	x->ret_details = strdup(buffer_string(&details));
	return x->ret_details ? EXCHANGE_DONE : -ENOMEM;
}

static int make_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	const char *value = shown_value(answer);

	if (r->status == 409)
		return exists(x, " already: it will be listed; then write to it "
				 "to update it");
	if (!controlm_is_good(r))
		return controlm_refused(x, r, answer);
	if (!value)
		return exchange_fail(
			x, EXCHANGE_GARBLED,
			"the server took %s, but its answer does not show the value: write "
			"it once more to make it anew",
			x->name);
	return saved(x, r, answer, value);
}

static int change_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	const char *value = shown_value(answer);
	bool absent;

	if (controlm_is_absent(r, answer))
		return announce(x, true);
	if (!controlm_is_good(r))
		return controlm_refused(x, r, answer);
	if (!json_is_object(answer))
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server's answer to the update is not JSON about a token");
	/* a value from before an intent is that of a token that was gone */
	if (!value && x->token && !has_intent(x, &absent))
		value = token_value(x->token);
	return saved(x, r, answer, value);
}

/* ---- revoke ---- */

static int is_api_key(struct exchange *x)
{
	return controlm_of_slot(
		x, exchange_fail(x, EXCHANGE_IN_USE,
				 "%s is the api-key that %s itself uses: configure another one first",
				 x->name, x->provider));
}

int controlm_revoke_plan(struct exchange *x)
{
	const struct secret *key = settings_secret(x->settings, "api-key");
	const char *name = settings_text(x->settings, "api-key-name");

	x->step = CONTROLM_REMOVE;
	if (controlm_lives_on_sessions(x->settings) || !key)
		return EXCHANGE_ASK;
	if (is_value_of(x->token, secret_bytes(key), secret_len(key)) ||
	    (name && strcmp(name, x->name) == 0))
		return is_api_key(x);
	if (!x->token && !name)
		x->step = CONTROLM_SELF;
	return EXCHANGE_ASK;
}

static int self_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	const char *name = json_string(answer, "tokenName");

	if (r->status == 401 || r->status == 429 || r->status >= 500)
		return controlm_refused(x, r, answer);
	if (!controlm_is_good(r)) {
		if (r->status < 400)
			return controlm_refused(x, r, answer);
		/* not every server has this call (wire 2.2): rather one rm too few than locked out */
		return controlm_of_slot(
			x, exchange_fail(x, EXCHANGE_IN_USE,
					 "this server does not tell whether %s is the api-key that %s "
					 "itself uses: name that one as api-key-name, then rm again",
					 x->name, x->provider));
	}
	if (!name || !name[0])
		return exchange_fail(
			x, EXCHANGE_GARBLED,
			"the server was asked which token the api-key is, and did not say");
	if (strcmp(name, x->name) == 0)
		return is_api_key(x);
	x->step = CONTROLM_REMOVE;
	return EXCHANGE_ASK;
}

static int remove_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	if (!controlm_is_good(r) && !controlm_is_absent(r, answer))
		return controlm_refused(x, r, answer);
	if (x->purpose == PURPOSE_REVOKE)
		return EXCHANGE_DONE;
	x->step = CONTROLM_MAKE;
	return EXCHANGE_ASK;
}

/* ---- the calls ---- */

static int call_named(struct exchange *x, const char *method)
{
	BUFFER_AUTO path = BUFFER_INIT(LIMIT_WORD);
	int r;

	buffer_text(&path, "/authentication/token/");
	form_encode_segment(&path, x->name, strlen(x->name));
	if (buffer_error(&path))
		return buffer_error(&path);
	r = controlm_call(x, method, buffer_string(&path));
	if (r == EXCHANGE_ASK && strcmp(method, "GET") != 0)
		controlm_annotate(x);
	return r;
}

static int call_save(struct exchange *x, const char *method)
{
	JSON_AUTO *wanted = NULL;
	int r = controlm_wanted(x, &wanted);

	if (r == 0)
		r = controlm_call(x, method, "/authentication/token");
	if (r != EXCHANGE_ASK)
		return r;
	controlm_annotate(x);
	json_print(wanted, false, &x->request.body);
	x->request.content_type = "application/json";
	return EXCHANGE_ASK;
}

static int call_self(struct exchange *x)
{
	const struct secret *key = settings_secret(x->settings, "api-key");
	JSON_AUTO *listed = NULL, *body = NULL;
	const char *type;
	int r = controlm_call(x, "POST", "/authentication/tokenbyvalue");

	if (r != EXCHANGE_ASK)
		return r;
	if (x->details && json_parse(x->details, strlen(x->details), NULL, &listed) == -ENOMEM)
		return -ENOMEM;
	type = json_string(listed, "tokenType");
	body = json_new_object();
	json_set_string(body, "tokenValue", secret_bytes(key));
	json_set_string(body, "tokenType", type && type[0] ? type : "User");
	json_print(body, false, &x->request.body);
	x->request.content_type = "application/json";
	return EXCHANGE_ASK;
}

int controlm_token_ask(struct exchange *x)
{
	int r = -EINVAL;

	if (x->step == CONTROLM_LOOK)
		r = call_named(x, "GET");
	else if (x->step == CONTROLM_MAKE)
		r = call_save(x, "POST");
	else if (x->step == CONTROLM_CHANGE)
		r = call_save(x, "PUT");
	else if (x->step == CONTROLM_SELF)
		r = call_self(x);
	else if (x->step == CONTROLM_REMOVE)
		r = call_named(x, "DELETE");
	return r == EXCHANGE_ASK ? controlm_called(x) : r;
}

int controlm_token_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	if (x->step == CONTROLM_LOOK)
		return look_hear(x, r, answer);
	if (x->step == CONTROLM_MAKE)
		return make_hear(x, r, answer);
	if (x->step == CONTROLM_CHANGE)
		return change_hear(x, r, answer);
	if (x->step == CONTROLM_SELF)
		return self_hear(x, r, answer);
	return x->step == CONTROLM_REMOVE ? remove_hear(x, r, answer) : -EINVAL;
}
