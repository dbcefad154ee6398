/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary answers to a catalyst exchange. The first byte chooses what it is for and what it is given;
 * then each answer is two bytes of status, and a body that ends at a NUL. An exchange ends after a
 * bounded number of answers, or waits; with an outcome, and a token exactly when it is done.
 */
#include <stdlib.h>
#include <string.h>

#include "provider.h"

#define STEPS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_secret(struct settings *s, const char *key, const char *value)
{
	SECRET_AUTO *secret = NULL;

	if (secret_new(value, strlen(value), &secret) == 0)
		settings_set_secret(s, key, secret);
}

static struct settings *new_settings(unsigned int choice)
{
	struct settings *s = NULL;

	if (settings_new(provider_type_find("catalyst")->fields, &s) < 0)
		return NULL;
	settings_set(s, "client-id", "1004.APP", NULL);
	settings_set(s, "scope", "read write", NULL);
	set_secret(s, "client-secret", "client-secret-1");
	if (choice & 4)
		settings_set(s, "accounts-url", "https://127.0.0.1:1/", NULL);
	if (choice & 8)
		settings_set(s, "cli-token", "ci", NULL);
	else
		set_secret(s, "cli-token", "m_1004.cli-token-1");
	return s;
}

/* The next answer; false when there is none left. A status of 0 is silence. */
static bool next_answer(const uint8_t **data, size_t *size, char *body, struct response *r)
{
	unsigned int status;

	if (*size < 2)
		return false;
	status = ((*data)[0] << 8 | (*data)[1]) % 600;
	*r = (struct response){.status = status < 100 ? 0 : (int)status,
			       .type = "",
			       .date_ms = -1,
			       .retry_after_ms = -1,
			       .max_age_ms = -1,
			       .body = body};
	*data += 2;
	*size -= 2;
	r->len = r->status ? strnlen((const char *)*data, *size) : 0;
	memcpy(body, *data, r->len);
	body[r->len] = '\0';
	*data += r->len < *size ? r->len + 1 : r->len;
	*size -= r->len < *size ? r->len + 1 : r->len;
	return true;
}

static bool goes_on(struct exchange *x, int r)
{
	if (r == EXCHANGE_WAIT && (x->wait_ms < 0 || !x->ret_prompt.uri))
		abort();
	if (r == EXCHANGE_KEEP && !x->ret_intent)
		abort();
	if (r == EXCHANGE_WAIT)
		x->now_ms += x->wait_ms;
	if (r == EXCHANGE_NEED && strcmp(x->need, "zoho/ci") != 0)
		abort();
	return r == EXCHANGE_WAIT || r == EXCHANGE_KEEP || r == EXCHANGE_NEED;
}

static void check_secrets(const struct exchange *x)
{
	static const char *const secrets[] = {"client-secret-1", "cli-token-1", "given-old-1",
					      "grant-old-1"};

	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
		if (strstr(x->why.text, secrets[i]) ||
		    strstr(buffer_string(&x->request.url), secrets[i]))
			abort();
}

static int converse(struct exchange *x, const uint8_t *data, size_t size, char *body)
{
	struct response response;
	int steps = 0;
	int r;

	do {
		request_finish(&x->request);
		r = x->type->ask(x);
		check_secrets(x);
		if (r == EXCHANGE_ASK) {
			if (!next_answer(&data, &size, body, &response))
				return r;
			if (response.status == 0 && !x->hears_silence)
				response.status = 500;
			r = x->type->hear(x, &response);
			check_secrets(x);
		}
		if (++steps > STEPS_MAX)
			abort();
	} while (r == EXCHANGE_ASK || goes_on(x, r));
	return r;
}

static void play(struct exchange *x, const uint8_t *data, size_t size, char *body)
{
	int r = converse(x, data, size, body);

	if (r == EXCHANGE_ASK)
		return;
	if (x->purpose != PURPOSE_REVOKE && (r == EXCHANGE_DONE) != (x->ret_token != NULL))
		abort();
	if (r > EXCHANGE_ASK && !x->why.text[0])
		abort();
}

static struct token *new_token(const char *value)
{
	const struct token_facts facts = {.lifetime_ms = 1000, .details = "{\"dc\":\"eu\"}"};
	struct token *t = NULL;

	token_new(value, strlen(value), &facts, NULL, &t);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int choice = size ? data[0] : 0;
	static const enum purpose purposes[] = {PURPOSE_FETCH, PURPOSE_REVOKE, PURPOSE_LOGIN,
						PURPOSE_LOGIN};
	SETTINGS_AUTO *settings = new_settings(choice);
	TOKEN_AUTO *token = new_token("m_1004.given-old-1");
	SECRET_AUTO *grant = NULL;
	struct exchange x = EXCHANGE_INIT;
	char *body = malloc(size + 1);

	if (size > 0 && settings && body && token &&
	    secret_new("m_1004.grant-old-1", 18, &grant) == 0) {
		x.type = provider_type_find("catalyst");
		x.settings = settings;
		x.provider = "zoho";
		x.name = choice & 64 ? "access_token" : "ci";
		x.now_ms = INT64_C(1700000000000);
		x.grant = choice & 16 ? grant : NULL;
		x.grant_is_own = choice & 32;
		x.token = choice & 128 ? token : NULL;
		x.given = token;
		x.purpose = purposes[choice & 3];
		play(&x, data + 1, size - 1, body);
	}
	exchange_finish(&x);
	free(body);
	return 0;
}
