/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "form.h"
#include "password.h"
#include "moment.h"

/* The most that an answer to a login may have (siemens-controlm-cisco.md section 4, point 7). */
#define ANSWER_MAX (64u << 10)

/* ---- where to ---- */

void password_join(struct buffer *url, const char *base, const char *path)
{
	size_t len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		len--;
	buffer_append(url, base, len);
	buffer_text(url, "/");
	buffer_text(url, path + strspn(path, "/"));
}

/* `{KEY}` at `at` as the key's value, percent-encoded; what is behind it. */
static const char *expand_key(const struct settings *s, const char *at, struct buffer *out)
{
	BUFFER_AUTO key = BUFFER_INIT(64);
	size_t len = strcspn(at, "}");
	const char *value;

	buffer_append(&key, at + 1, len - 1);
	value = settings_text(s, buffer_string(&key));
	if (value)
		form_encode_segment(out, value, strlen(value));
	return at + len + 1;
}

static void expand(const struct settings *s, const char *path, struct buffer *out)
{
	while (*path) {
		size_t len = strcspn(path, "{");

		buffer_append(out, path, len);
		path += len;
		if (*path)
			path = expand_key(s, path, out);
	}
}

static int write_url(const struct password_login *l, const struct settings *s, struct buffer *url)
{
	BUFFER_AUTO path = BUFFER_INIT(LIMIT_REQUEST);

	if (l->path_key)
		buffer_text(&path, settings_text(s, l->path_key));
	else
		expand(s, l->path, &path);
	if (buffer_error(&path))
		return buffer_error(&path);
	password_join(url, settings_text(s, l->base), buffer_string(&path));
	return buffer_error(url);
}

/* ---- checking ---- */

static int missing(const struct settings *s, const char *key, struct sentence *why)
{
	const struct field *f = field_find(settings_fields(s), key);

	if (f->kind == FIELD_SECRET)
		sentence_set(why, "%s is missing: give %s-file, %s-command or %s-credential", key,
			     key, key, key);
	else
		sentence_set(why, "%s is missing: %s", key, f->help);
	return -EINVAL;
}

static int check_url(const struct password_login *l, const struct settings *s, struct sentence *why)
{
	BUFFER_AUTO url = BUFFER_INIT(LIMIT_REQUEST);
	struct sentence detail = { "" };
	int r;

	if (strchr(settings_text(s, l->base), '?')) {
		sentence_set(why, "%s may not have a ?query", l->base);
		return -EINVAL;
	}
	r = write_url(l, s, &url);
	if (r < 0 || url_check(buffer_string(&url), &detail) == 0)
		return r;
	sentence_set(why, "%s with its path %s", l->base, detail.text);
	return -EINVAL;
}

int password_check(const struct password_login *l, const struct settings *s, struct sentence *why)
{
	for (const struct password_member *m = l->members; m < l->members + PASSWORD_MEMBERS_MAX;
	     m++)
		if (m->key && !settings_has(s, m->key) && !settings_text(s, m->key))
			return missing(s, m->key, why);
	if (!settings_text(s, l->base))
		return missing(s, l->base, why);
	return check_url(l, s, why);
}

/* ---- asking ---- */

/* The bytes of a member of the body. EXCHANGE_ASK, or EXCHANGE_MISSING. */
static int member_value(struct exchange *x, const struct password_member *m, const char **ret,
			size_t *ret_len)
{
	const struct secret *secret = m->key ? settings_secret(x->settings, m->key) : NULL;
	const char *text = m->key ? settings_text(x->settings, m->key) : m->text;

	if (!secret && !text)
		return exchange_fail(x, EXCHANGE_MISSING, "the %s of %s is not there", m->key,
				     x->provider);
	*ret = secret ? secret_bytes(secret) : text;
	*ret_len = secret ? secret_len(secret) : strlen(text);
	return EXCHANGE_ASK;
}

static int write_form(struct exchange *x, const struct password_login *l)
{
	const char *value;
	size_t len;
	int r = EXCHANGE_ASK;

	for (size_t i = 0; i < PASSWORD_MEMBERS_MAX && l->members[i].name; i++) {
		r = member_value(x, &l->members[i], &value, &len);
		if (r != EXCHANGE_ASK)
			break;
		form_add_bytes(&x->request.body, l->members[i].name, value, len);
	}
	x->request.content_type = "application/x-www-form-urlencoded";
	return r;
}

/* JSON carries no other bytes than UTF-8. */
static int check_text(struct exchange *x, const struct password_member *m, const char *value,
		      size_t len)
{
	JSON_AUTO *parsed = NULL;
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_REQUEST * 2);
	JSON_AUTO *string = json_new_string(value);
	int r;

	json_print(string, false, &text);
	if (buffer_error(&text))
		return buffer_error(&text);
	r = json_parse(buffer_string(&text), text.len, NULL, &parsed);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || strlen(value) != len)
		return exchange_fail(x, EXCHANGE_INVALID,
				     "the %s of %s is not UTF-8 text, as it must be here: look at "
				     "where it comes from",
				     m->key, x->provider);
	return EXCHANGE_ASK;
}

static int write_json(struct exchange *x, const struct password_login *l)
{
	JSON_AUTO *object = json_new_object();
	const char *value;
	size_t len;

	for (size_t i = 0; i < PASSWORD_MEMBERS_MAX && l->members[i].name; i++) {
		int r = member_value(x, &l->members[i], &value, &len);

		if (r == EXCHANGE_ASK)
			r = check_text(x, &l->members[i], value, len);
		if (r != EXCHANGE_ASK)
			return r;
		json_set_string(object, l->members[i].name, value);
	}
	json_print(object, false, &x->request.body);
	x->request.content_type = "application/json";
	return EXCHANGE_ASK;
}

/* No server of this kind has a call that ends a token: ours is forgotten. */
static int forget(struct exchange *x)
{
	if (!x->token)
		return EXCHANGE_DONE;
	return exchange_fail(x, EXCHANGE_DONE,
			     "the server cannot revoke: the token is forgotten here, and stays "
			     "valid until it expires");
}

int password_ask(const struct password_login *l, struct exchange *x)
{
	int r;

	if (x->purpose == PURPOSE_REVOKE)
		return forget(x);
	r = write_url(l, x->settings, &x->request.url);
	if (r < 0)
		return r;
	x->request.method = "POST";
	x->request.answer_max = ANSWER_MAX;
	request_header(&x->request, "Accept", "application/json");
	r = l->form ? write_form(x, l) : write_json(x, l);
	if (r == EXCHANGE_ASK && request_error(&x->request))
		return request_error(&x->request);
	return r;
}

/* ---- what went wrong ---- */

int password_parse(const struct response *r, struct json **ret)
{
	int parsed = json_parse(r->body, r->len, NULL, ret);

	return parsed == -EBADMSG ? 0 : parsed;
}

/* Whichever of the usual members is there; none of them is promised by anybody. */
void password_quote(struct exchange *x, const struct json *answer)
{
	static const char *const members[] = { "message", "error_description", "error" };
	const char *said = json_string(json_at(json_get(answer, "errors"), 0), "message");

	for (size_t i = 0; !said && i < sizeof members / sizeof members[0]; i++)
		said = json_string(answer, members[i]);
	exchange_quote(x, said);
}

static const struct password_verdict *verdict_of(const struct password_login *l,
						 const struct json *answer)
{
	const char *error = json_string(answer, "error");

	for (const struct password_verdict *v = l->verdicts; error && v && v->error; v++)
		if (strcmp(v->error, error) == 0)
			return v;
	return NULL;
}

static bool is_refusal(const struct password_login *l, int status)
{
	for (size_t i = 0; i < PASSWORD_REFUSALS_MAX; i++)
		if (status && l->refusals[i] == status)
			return true;
	return false;
}

static bool is_success(const struct response *r)
{
	return r->status >= 200 && r->status < 300;
}

static int hear_verdict(const struct password_verdict *v, struct exchange *x,
			const struct response *r)
{
	if (v->outcome == EXCHANGE_BUSY)
		x->wait_ms = r->retry_after_ms;
	return exchange_fail(x, v->outcome, "%s (%s)", v->sentence, v->error);
}

/* Success without a token, but with a word for a person: something is to be done first. */
static bool has_message(const struct json *answer)
{
	const char *message = json_string(answer, "message");
	bool success;

	return (message && message[0]) || json_boolean(answer, "success", &success);
}

static int hear_no_token(const struct password_login *l, struct exchange *x,
			 const struct response *r, const struct json *answer)
{
	if (!answer)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server's answer (%d) is not JSON: is %s right, or does a "
				     "gateway answer in its place?",
				     r->status, l->base);
	if (l->no_token && has_message(answer))
		return exchange_fail(x, EXCHANGE_DENIED, "the server gave no token: %s",
				     l->no_token);
	return exchange_fail(x, EXCHANGE_GARBLED, "the server's answer (%d) has no %s", r->status,
			     l->token.member);
}

static int hear_failure(const struct password_login *l, struct exchange *x,
			const struct response *r, const struct json *answer)
{
	const struct password_verdict *v = verdict_of(l, answer);

	if (v)
		return hear_verdict(v, x, r);
	if (is_success(r))
		return hear_no_token(l, x, r, answer);
	if (is_refusal(l, r->status))
		return exchange_fail(x, EXCHANGE_DENIED, "the server refused %s (%d)%s%s",
				     l->credential, r->status, l->advice ? ": " : "",
				     l->advice ? l->advice : "");
	if (r->status == 403)
		return exchange_fail(x, EXCHANGE_FORBIDDEN, "the server does not allow this (403)");
	if (r->status == 404 || r->status == 405 || r->status == 410)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "there is no login at this address (%d): correct %s",
				     r->status, l->base);
	return exchange_fail(x, EXCHANGE_GARBLED,
			     "the server refused for a reason unknown here (%d)", r->status);
}

/* ---- the token ---- */

static const struct json *holder(const struct json *answer, const struct password_place *p)
{
	return p->object ? json_get(answer, p->object) : answer;
}

static const char *token_in(const struct password_login *l, const struct json *answer)
{
	const char *value = json_string(holder(answer, &l->token), l->token.member);

	return value && value[0] ? value : NULL;
}

/* 0 and a moment; -ENOENT where nothing that is a time was said; -EINVAL for one that cannot be. */
static int expiry_in(const struct json *answer, const struct password_place *p, int64_t now_ms,
		     int64_t *ret_ms)
{
	const struct json *object = holder(answer, p);
	const char *text = json_string(object, p->member);
	int64_t number;

	if (json_integer(object, p->member, &number))
		return moment_of_number(number, now_ms, ret_ms);
	return text && moment_of_text(text, ret_ms) == 0 ? 0 : -ENOENT;
}

/*
 * The life that the server meant. A moment is measured by the server's own clock where its Date
 * tells that: edge devices run ahead or behind, and the difference to our clock would be life that
 * the token does not have. What was not said is 5 minutes, or what a JWT says itself (wire C5).
 */
static int hear_life(const struct password_login *l, struct exchange *x, const struct response *r,
		     const struct json *answer, int64_t *ret_ms)
{
	int64_t now = response_now(r, x->now_ms);
	int64_t seconds = TOKEN_LIFETIME_UNSAID, at;
	const char *value = token_in(l, answer);
	int found = -ENOENT;

	for (size_t i = 0; found == -ENOENT && i < PASSWORD_EXPIRIES_MAX; i++)
		if (l->expiries[i].member)
			found = expiry_in(answer, &l->expiries[i], now, &at);
	if (found == -EINVAL)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "when the token ends is a number that cannot be a time");
	if (found == 0)
		seconds = (at - now) / 1000;
	*ret_ms = token_lifetime(value, strlen(value), seconds, now);
	if (*ret_ms <= 0)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the token had expired already when it came: look at the "
				     "clocks of this host and of the server");
	return EXCHANGE_DONE;
}

static int hear_token(const struct password_login *l, struct exchange *x, const struct response *r,
		      const struct json *answer)
{
	struct token_facts facts = { .token_type = json_string(answer, "token_type") };
	const char *value = token_in(l, answer);
	int outcome = exchange_hear_bearer(x, facts.token_type);

	if (outcome == EXCHANGE_DONE)
		outcome = hear_life(l, x, r, answer, &facts.lifetime_ms);
	if (outcome == EXCHANGE_DONE)
		outcome = exchange_issue(x, value, strlen(value), &facts);
	return outcome;
}

int password_hear(const struct password_login *l, struct exchange *x, const struct response *r)
{
	JSON_AUTO *answer = NULL;
	int outcome = password_parse(r, &answer);

	if (outcome < 0)
		return outcome;
	if (is_success(r) && token_in(l, answer))
		return hear_token(l, x, r, answer);
	outcome = exchange_hear_status(x, r);
	if (outcome == 0)
		outcome = hear_failure(l, x, r, answer);
	password_quote(x, answer);
	return outcome;
}
