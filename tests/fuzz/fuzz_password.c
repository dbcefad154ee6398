/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary answers to the types with one login call. The first byte chooses the type and its
 * settings; then each answer is two bytes of status, one of the Date, and a body that ends at a
 * NUL. An exchange ends after a bounded number of answers, with an outcome, and a token exactly
 * when it is done; what is rendered of that has whole lines only.
 */
#include <stdlib.h>
#include <string.h>

#include "provider.h"

#define ANSWERS_MAX 3
#define NOW	    INT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *type;
	const char *keys[10]; /* each with its value */
} choices[] = {
	{ "siemens-iem", { "url", "https://iem.example.org/", "user", "alice" } },
	{ "siemens-iem",
	  { "url", "https://iem.example.org", "login", "keycloak", "client-id", "app" } },
	{ "siemens-ied", { "url", "https://192.0.2.1", "user", "alice" } },
	{ "siemens-ied", { "url", "https://192.0.2.1", "user", "alice", "api", "v1" } },
	{ "siemens-iehub",
	  { "login-url", "https://login.example.com", "user", "alice", "client-id", "app" } },
	{ "siemens-iehub",
	  { "login-url", "https://login.example.com", "user", "alice", "client-id", "app", "realm",
	    "Users" } },
	{ "cisco-iotod", { "user", "alice" } },
	{ "cisco-iotod", { "client-id", "a->b", "tenant-id", "t-1" } },
	{ "cisco-ei",
	  { "url", "https://192.0.2.1:8008/api/v2/edge-intelligence", "user", "alice" } },
};

static void set_secret(struct settings *s, const char *key, const char *value)
{
	SECRET_AUTO *secret = NULL;

	if (secret_new(value, strlen(value), &secret) == 0)
		settings_set_secret(s, key, secret);
}

static struct settings *new_settings(size_t choice)
{
	const struct field *fields = provider_type_find(choices[choice].type)->fields;
	struct settings *s = NULL;

	if (settings_new(fields, &s) < 0)
		return NULL;
	for (size_t i = 0; choices[choice].keys[i]; i += 2)
		settings_set(s, choices[choice].keys[i], choices[choice].keys[i + 1], NULL);
	if (field_find(fields, "user") && settings_has(s, "user"))
		set_secret(s, "password", "pass-word-1");
	if (field_find(fields, "client-secret") && settings_has(s, "client-id"))
		set_secret(s, "client-secret", "client-secret-1");
	return s;
}

/* The next answer; false when there is none left. */
static bool next_answer(const uint8_t **data, size_t *size, char *body, struct response *r)
{
	if (*size < 3)
		return false;
	*r = (struct response){ .status = 100 + (((*data)[0] << 8 | (*data)[1]) % 500),
				.type = "",
				.date_ms = (*data)[2] ? NOW + ((*data)[2] - 128) * 3600000 : -1,
				.retry_after_ms = -1,
				.max_age_ms = -1,
				.body = body };
	*data += 3;
	*size -= 3;
	r->len = strnlen((const char *)*data, *size);
	memcpy(body, *data, r->len);
	body[r->len] = '\0';
	*data += r->len < *size ? r->len + 1 : r->len;
	*size -= r->len < *size ? r->len + 1 : r->len;
	return true;
}

/* Lines that have a name and a value, and no byte that a reader could stumble over. */
static void check_lines(const struct buffer *b, size_t lines)
{
	for (size_t i = 0; i < b->len; i++) {
		unsigned char c = (unsigned char)b->bytes[i];

		if (c == '\n' && lines-- == 0)
			abort();
		if (c != '\n' && (c < ' ' || c > '~'))
			abort();
	}
	if (b->len && b->bytes[b->len - 1] != '\n')
		abort();
}

static void render(const struct exchange *x)
{
	BUFFER_AUTO headers = BUFFER_INIT(LIMIT_RENDER), lines = BUFFER_INIT(LIMIT_RENDER);
	const struct provider_type *t = x->type;

	if (token_facts(x->ret_token)->lifetime_ms <= 0)
		abort();
	if (t->headers && t->headers(x->settings, x->ret_token, &headers) != 0)
		abort();
	if (t->environment && t->environment(x->settings, x->ret_token, t->env, &lines) != 0)
		abort();
	check_lines(&headers, 2);
	check_lines(&lines, 1);
}

static bool tells(const struct exchange *x, const char *key)
{
	const struct secret *secret = settings_secret(x->settings, key);

	return secret && strstr(x->why.text, secret_bytes(secret));
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
	if (r < 0 || (r != EXCHANGE_ASK && (r == EXCHANGE_DONE) != (x->ret_token != NULL)))
		abort();
	if (r > EXCHANGE_ASK && !x->why.text[0])
		abort();
	if (tells(x, "client-secret") || tells(x, "password"))
		abort();
	if (x->ret_token && r == EXCHANGE_DONE)
		render(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t choice = size ? data[0] % (sizeof choices / sizeof choices[0]) : 0;
	SETTINGS_AUTO *settings = new_settings(choice);
	struct exchange x = EXCHANGE_INIT;
	struct sentence why = { "" };
	char *body = malloc(size + 1);

	x.type = provider_type_find(choices[choice].type);
	if (settings && body) {
		if (settings_check(settings, &why) < 0 || x.type->check(settings, &why) < 0)
			abort();
		x.settings = settings;
		x.provider = "edge";
		x.name = "access_token";
		x.now_ms = NOW;
		if (size > 0)
			converse(&x, data + 1, size - 1, body);
	}
	exchange_finish(&x);
	free(body);
	return 0;
}
