/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary answers to a controlm exchange. The first two bytes choose purpose and what is given;
 * then each answer is two bytes of status, and a body that ends at a NUL. An exchange ends after a
 * bounded number of answers, with an outcome and a sentence; a value that the server did not show
 * is never published, and no secret is told.
 */
#include <stdlib.h>
#include <string.h>

#include "provider.h"

#define ANSWERS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const secrets[] = { "api-key-value-1", "pass-word-1", "session-old-1",
				       "token-old-1" };

static struct secret *new_secret(const char *value)
{
	struct secret *s = NULL;

	return secret_new(value, strlen(value), &s) == 0 ? s : NULL;
}

static void set_secret(struct settings *s, const char *key, const char *value)
{
	SECRET_AUTO *secret = new_secret(value);

	settings_set_secret(s, key, secret);
}

static struct settings *new_settings(bool user)
{
	struct settings *s = NULL;

	if (settings_new(provider_type_find("controlm")->fields, &s) < 0)
		return NULL;
	settings_set(s, "url", "https://ctm.example.org/automation-api/", NULL);
	settings_set(s, "annotation-subject", "fuzz", NULL);
	if (user)
		settings_set(s, "user", "emuser", NULL);
	set_secret(s, user ? "password" : "api-key", secrets[user]);
	return s;
}

static struct settings *new_wish(bool dated)
{
	struct settings *s = NULL;

	if (settings_new(provider_type_find("controlm")->slot_fields, &s) < 0)
		return NULL;
	settings_set(s, "roles", "[\"Admin\",\"Ops team\"]", NULL);
	if (dated)
		settings_set(s, "expirationDate", "2030-12-02", NULL);
	return s;
}

/* The next answer; false when there is none left. */
static bool next_answer(const uint8_t **data, size_t *size, char *body, struct response *r)
{
	if (*size < 2)
		return false;
	*r = (struct response){ .status = 100 + (((*data)[0] << 8 | (*data)[1]) % 500),
				.type = "",
				.date_ms = -1,
				.retry_after_ms = -1,
				.max_age_ms = -1,
				.body = body };
	*data += 2;
	*size -= 2;
	r->len = strnlen((const char *)*data, *size);
	memcpy(body, *data, r->len);
	body[r->len] = '\0';
	*data += r->len < *size ? r->len + 1 : r->len;
	*size -= r->len < *size ? r->len + 1 : r->len;
	return true;
}

static bool tells(const struct exchange *x, const struct secret *secret)
{
	return secret && strstr(x->why.text, secret_bytes(secret));
}

static void check_end(const struct exchange *x, int r)
{
	if (r < 0 || r == EXCHANGE_ASK)
		return;
	if (r != EXCHANGE_DONE && !x->why.text[0])
		abort();
	if (r != EXCHANGE_DONE && x->ret_token)
		abort();
	if (r == EXCHANGE_DONE && x->purpose == PURPOSE_CREATE &&
	    (!x->ret_token || !x->ret_details))
		abort();
	if (x->purpose != PURPOSE_LIST && x->ret_listing.n)
		abort();
	if (x->ret_token && strchr(token_value(x->ret_token), '*'))
		abort();
	if (tells(x, settings_secret(x->settings, "api-key")) || tells(x, x->grant) ||
	    tells(x, settings_secret(x->settings, "password")))
		abort();
	if (x->token && strstr(x->why.text, token_value(x->token)))
		abort();
}

static void converse(struct exchange *x, const uint8_t *data, size_t size, char *body)
{
	struct response response;
	int answers = 0;
	int r;

	do {
		request_finish(&x->request);
		r = x->type->ask(x);
		while (r == EXCHANGE_KEEP) {
			if (!x->ret_intent)
				abort();
			r = x->type->ask(x);
		}
		if (r != EXCHANGE_ASK)
			break;
		if (request_error(&x->request))
			abort();
		if (!next_answer(&data, &size, body, &response))
			break;
		r = x->type->hear(x, &response);
		if (r == EXCHANGE_KEEP)
			r = EXCHANGE_ASK;
		if (++answers > ANSWERS_MAX)
			abort();
	} while (r == EXCHANGE_ASK);
	check_end(x, r);
}

static void give(struct exchange *x, unsigned int choice)
{
	static const enum purpose purposes[] = { PURPOSE_FETCH, PURPOSE_REVOKE, PURPOSE_CREATE,
						 PURPOSE_UPDATE, PURPOSE_LIST };
	const struct token_facts facts = { .lifetime_ms = 1000 };

	x->purpose = purposes[choice % 5];
	x->provider = "ctm";
	x->name = choice & 0x100 ? "session" : "ci";
	x->now_ms = INT64_C(1700000000000);
	x->grant = choice & 0x200 ? new_secret(secrets[2]) : NULL;
	x->intent = choice & 0x400 ? new_secret("{\"absent\":true}") : NULL;
	x->details =
		choice & 0x800 ? "{\"roles\":[\"Admin\"],\"expirationDate\":\"2029-01-01\"}" : NULL;
	if (choice & 0x1000)
		token_new(secrets[3], strlen(secrets[3]), &facts, NULL, &x->token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int choice = size > 1 ? (unsigned int)data[0] | (unsigned int)data[1] << 8 : 0;
	SETTINGS_AUTO *settings = new_settings(choice & 0x2000);
	SETTINGS_AUTO *wish = new_wish(choice & 0x4000);
	struct exchange x = EXCHANGE_INIT;
	char *body = malloc(size + 1);

	if (size > 1 && settings && wish && body) {
		x.type = provider_type_find("controlm");
		x.settings = settings;
		x.wish = choice & 0x8000 ? NULL : wish;
		give(&x, choice);
		converse(&x, data + 2, size - 2, body);
	}
	secret_unref(x.grant);
	secret_unref(x.intent);
	token_unref(x.token);
	exchange_finish(&x);
	free(body);
	return 0;
}
