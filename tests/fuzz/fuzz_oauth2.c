/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary answers to an oauth2 exchange. The first byte chooses the settings; then each answer is
 * two bytes of status, and a body that ends at a NUL. An exchange ends after a bounded number of
 * answers, with an outcome, and a token exactly when it is done.
 */
#include <stdlib.h>
#include <string.h>

#include "provider.h"

#define ANSWERS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_secret(struct settings *s, const char *key, const char *value)
{
	SECRET_AUTO *secret = NULL;

	if (secret_new(value, strlen(value), &secret) == 0)
		settings_set_secret(s, key, secret);
}

static struct settings *new_settings(unsigned int choice)
{
	static const char *const grants[] = {"client_credentials", "password", "refresh_token"};
	struct settings *s = NULL;

	if (settings_new(provider_type_find("oauth2")->fields, &s) < 0)
		return NULL;
	if (choice & 1)
		settings_set(s, "token-url", "https://id.example.org/token", NULL);
	else
		settings_set(s, "issuer", "https://id.example.org", NULL);
	settings_set(s, "grant", grants[(choice >> 1) % 3], NULL);
	settings_set(s, "client-id", "app", NULL);
	settings_set(s, "user", "alice", NULL);
	settings_set(s, "scope", "read write", NULL);
	set_secret(s, "client-secret", "client-secret-1");
	set_secret(s, "password", "pass-word-1");
	return s;
}

/* The next answer; false when there is none left. */
static bool next_answer(const uint8_t **data, size_t *size, char *body, struct response *r)
{
	if (*size < 2)
		return false;
	*r = (struct response){.status = 100 + (((*data)[0] << 8 | (*data)[1]) % 500),
			       .type = "",
			       .date_ms = -1,
			       .retry_after_ms = -1,
			       .max_age_ms = -1,
			       .body = body};
	*data += 2;
	*size -= 2;
	r->len = strnlen((const char *)*data, *size);
	memcpy(body, *data, r->len);
	body[r->len] = '\0';
	*data += r->len < *size ? r->len + 1 : r->len;
	*size -= r->len < *size ? r->len + 1 : r->len;
	return true;
}

static void converse(struct exchange *x, const uint8_t *data, size_t size, char *body)
{
	struct response response;
	int answers = 0;
	int r;

	do {
		request_finish(&x->request);
		r = x->type->ask(x);
		if (r != EXCHANGE_ASK || !next_answer(&data, &size, body, &response))
			break;
		r = x->type->hear(x, &response);
		if (++answers > ANSWERS_MAX)
			abort();
	} while (r == EXCHANGE_ASK);
	if (x->purpose == PURPOSE_FETCH && (r == EXCHANGE_DONE) != (x->ret_token != NULL))
		abort();
	if (r > EXCHANGE_ASK && !x->why.text[0])
		abort();
	if (strstr(x->why.text, "client-secret-1") || strstr(x->why.text, "pass-word-1") ||
	    strstr(x->why.text, "refresh-old-1"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int choice = size ? data[0] : 0;
	SETTINGS_AUTO *settings = new_settings(choice);
	SECRET_AUTO *grant = NULL;
	struct exchange x = EXCHANGE_INIT;
	char *body = malloc(size + 1);

	if (size > 0 && settings && body && secret_new("refresh-old-1", 13, &grant) == 0) {
		x.type = provider_type_find("oauth2");
		x.settings = settings;
		x.provider = "iam";
		x.name = "access_token";
		x.grant = choice & 16 ? grant : NULL;
		x.grant_is_own = choice & 32;
		x.purpose = choice & 64 ? PURPOSE_REVOKE : PURPOSE_FETCH;
		converse(&x, data + 1, size - 1, body);
	}
	exchange_finish(&x);
	free(body);
	return 0;
}
