/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "catalyst.h"
#include "form.h"

/* A lock-out lasts for the rest of ten minutes, and asking on makes it longer (1.5, 1.6). */
#define THROTTLED_MS (INT64_C(10) * 60 * 1000)

/* 1.2 */
static const struct centre {
	const char *key, *stored, *accounts;
} centres[] = {
	/* clang-format off */
	{ "us",  "com", "https://accounts.zoho.com" },
	{ "eu",  "eu",  "https://accounts.zoho.eu" },
	{ "in",  "in",  "https://accounts.zoho.in" },
	{ "au",  "au",  "https://accounts.zoho.com.au" },
	{ "ca",  "ca",  "https://accounts.zohocloud.ca" },
	{ "sa",  "sa",  "https://accounts.zoho.sa" },
	{ "jp",  "jp",  "https://accounts.zoho.jp" },
	{ "uae", "ae",  "https://accounts.zoho.ae" },
	/* clang-format on */
};

static const struct centre *find_centre(const char *word)
{
	for (size_t i = 0; word && i < sizeof centres / sizeof centres[0]; i++)
		if (strcmp(centres[i].key, word) == 0 || strcmp(centres[i].stored, word) == 0)
			return &centres[i];
	return NULL;
}

const char *catalyst_centre(const char *word)
{
	const struct centre *c = find_centre(word);

	return c ? c->key : NULL;
}

const char *catalyst_centre_of(const struct exchange *x, const struct token *t)
{
	const char *details = t ? token_facts(t)->details : NULL;
	const char *centre = NULL;
	JSON_AUTO *known = NULL;

	if (details && json_parse(details, strlen(details), NULL, &known) == 0)
		centre = catalyst_centre(json_string(known, "dc"));
	return centre ? centre : settings_text(x->settings, "dc");
}

/* accounts-url stands for every data centre. */
static void add_origin(const struct exchange *x, const char *centre, struct buffer *out)
{
	const char *given = settings_text(x->settings, "accounts-url");
	size_t len;

	if (!given) {
		buffer_text(out, find_centre(centre)->accounts);
		return;
	}
	len = strlen(given);
	buffer_append(out, given, given[len - 1] == '/' ? len - 1 : len);
}

int catalyst_post(struct exchange *x, const char *centre, const char *path)
{
	x->request.method = "POST";
	x->request.content_type = "application/x-www-form-urlencoded";
	add_origin(x, centre, &x->request.url);
	buffer_text(&x->request.url, path);
	request_header(&x->request, "Accept", "application/json");
	return request_error(&x->request) ? request_error(&x->request) : EXCHANGE_ASK;
}

int catalyst_add_client(struct exchange *x)
{
	const char *id = settings_text(x->settings, "client-id");
	const struct secret *secret = settings_secret(x->settings, "client-secret");

	if (!id || !secret)
		return exchange_fail(x, EXCHANGE_MISSING, "the %s of %s is not there",
				     id ? "client-secret" : "client-id", x->provider);
	form_add(&x->request.body, "client_id", id);
	form_add_bytes(&x->request.body, "client_secret", secret_bytes(secret), secret_len(secret));
	return EXCHANGE_ASK;
}

/* ---- what came back ---- */

int catalyst_parse(const struct response *r, struct json **ret)
{
	int e = r->len ? json_parse(r->body, r->len, NULL, ret) : 0;

	return e == -ENOMEM ? e : 0;
}

const char *catalyst_string(const struct json *answer, const char *key)
{
	const char *text = json_string(answer, key);

	return text && text[0] ? text : NULL;
}

bool catalyst_is_error(const struct json *answer, const char *error)
{
	const char *said = json_string(answer, "error");

	return said && strcmp(said, error) == 0;
}

/* What an `error` means in every step; it comes with 200 as a rule (1.4, 1.5). */
static const struct verdict {
	const char *error;
	enum exchange_outcome outcome;
	const char *sentence;
} verdicts[] = {
	/* clang-format off */
	{ "invalid_client", EXCHANGE_DENIED,
	  "the server refused the client-id: is it a client of this data centre?" },
	{ "invalid_client_secret", EXCHANGE_DENIED, "the server refused the client-secret" },
	{ "invalid_scope", EXCHANGE_FORBIDDEN, "the server does not give this scope" },
	{ "access_denied", EXCHANGE_FORBIDDEN, "the server does not allow this" },
	{ "slow_down", EXCHANGE_BUSY, "the server wants fewer requests" },
	/* clang-format on */
};

static int refuse_throttled(struct exchange *x, const struct response *r)
{
	x->wait_ms = r->retry_after_ms > THROTTLED_MS ? r->retry_after_ms : THROTTLED_MS;
	return exchange_fail(x, EXCHANGE_BUSY,
			     "the server had too many requests for this token or client, and is "
			     "asked again in ten minutes (Access Denied)");
}

static int refuse_unknown(struct exchange *x, const struct response *r, const char *error)
{
	if (r->status == 404 || r->status == 405 || r->status == 410)
		return exchange_fail(
			x, EXCHANGE_GARBLED,
			"there is no such endpoint at the server (%d): correct dc or accounts-url",
			r->status);
	if (error)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server refused for a reason unknown here (%d)",
				     r->status);
	return exchange_fail(x, EXCHANGE_GARBLED, "the server's answer is not one of Zoho's (%d)",
			     r->status);
}

int catalyst_refuse(struct exchange *x, const struct response *r, const struct json *answer)
{
	const char *error = catalyst_string(answer, "error");
	int outcome;

	/* transient, whatever the status: never taken for a token that was revoked (1.5) */
	if (catalyst_is_error(answer, "Access Denied"))
		return refuse_throttled(x, r);
	outcome = exchange_hear_status(x, r);
	if (outcome)
		return outcome;
	for (size_t i = 0; error && i < sizeof verdicts / sizeof verdicts[0]; i++) {
		if (strcmp(verdicts[i].error, error) != 0)
			continue;
		outcome = exchange_fail(x, verdicts[i].outcome, "%s (%s)", verdicts[i].sentence,
					error);
		x->wait_ms = outcome == EXCHANGE_BUSY ? r->retry_after_ms : -1;
		return outcome;
	}
	outcome = refuse_unknown(x, r, error);
	exchange_quote(x, error);
	exchange_quote(x, json_string(answer, "error_description"));
	return outcome;
}

/* ---- what it gave ---- */

void catalyst_describe(const struct json *answer, const char *centre, int64_t created_ms,
		       struct buffer *out)
{
	const char *domain = catalyst_string(answer, "api_domain");
	JSON_AUTO *details = json_new_object();

	json_set_string(details, "dc", centre);
	if (domain && strlen(domain) < LIMIT_WORD && url_check(domain, NULL) == 0)
		json_set_string(details, "api_domain", domain);
	if (created_ms)
		json_set_integer(details, "created_time", created_ms);
	json_print(details, false, out);
}

/* Seconds here, unlike in the answer that begins a login (1.4). */
static int hear_lifetime(struct exchange *x, const struct json *answer, const char *value,
			 int64_t *ret_ms)
{
	int64_t seconds = TOKEN_LIFETIME_UNSAID;

	if (json_integer(answer, "expires_in", &seconds) && seconds <= 0)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the token had expired already when it came");
	*ret_ms = token_lifetime(value, strlen(value), seconds, x->now_ms);
	if (*ret_ms <= 0)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the token had expired already when it came");
	return EXCHANGE_DONE;
}

int catalyst_issue_access(struct exchange *x, const struct json *answer, const char *centre,
			  const char *scope)
{
	const char *value = json_string(answer, "access_token");
	const char *granted = catalyst_string(answer, "scope");
	BUFFER_AUTO details = BUFFER_INIT(LIMIT_DOCUMENT);
	struct token_facts facts = { .token_type = "Bearer", .scope = granted ? granted : scope };
	int r = exchange_hear_bearer(x, json_string(answer, "token_type"));

	if (r == EXCHANGE_DONE)
		r = hear_lifetime(x, answer, value, &facts.lifetime_ms);
	if (r != EXCHANGE_DONE)
		return r;
	catalyst_describe(answer, centre, 0, &details);
	if (buffer_error(&details))
		return buffer_error(&details);
	facts.details = buffer_string(&details);
	return exchange_issue(x, value, strlen(value), &facts);
}
