/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary answers to an exchange of the OAuth 2.0 types: fetching, revoking, logging in, registering.
 * The first two bytes choose the settings and what is given; then each answer is two bytes of status,
 * and a body that ends at a NUL. An exchange ends after a bounded number of answers, polls aside, with
 * an outcome, and a token exactly when it is done; no secret is in its sentence.
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

/* What the first two bytes say. */
enum choice {
	CHOICE_TOKEN_URL = 1,
	CHOICE_GRANT = 16,
	CHOICE_OWN = 32,
	CHOICE_IAM = 256,
	CHOICE_REGISTER = 512,
	CHOICE_REGISTRATION = 1024,
	CHOICE_INTENT = 2048,
};

static const char *const secrets[] = {
	"client-secret-1", "pass-word-1", "refresh-old-1", "initial-token-1",
	"device-code-1",   "reg-secret-1", "reg-token-1",  "subject-old-1",
};

#define REGISTRATION                                                                               \
	"{\"client_id\":\"app\",\"client_secret\":\"reg-secret-1\",\"scope\":\"read\","                   \
	"\"tokenfs_asked_scope\":\"read write\",\"registration_access_token\":\"reg-token-1\","         \
	"\"registration_client_uri\":\"https://id.example.org/register/app\"}"
#define INTENT                                                                                     \
	"{\"device_code\":\"device-code-1\",\"interval_ms\":5000,\"pause_ms\":5000,"                     \
	"\"expires_ms\":1700000600000,\"uri\":\"https://id.example.org/device\",\"code\":\"AB-CD\"}"

static const struct provider_type *type_of(unsigned int choice)
{
	return provider_type_find(choice & CHOICE_IAM ? "indigo-iam" : "oauth2");
}

static struct settings *new_settings(unsigned int choice)
{
	static const char *const grants[] = { "client_credentials", "password", "refresh_token",
					      "device_code", "token_exchange", "jwt_bearer" };
	struct settings *s = NULL;

	if (settings_new(type_of(choice)->fields, &s) < 0)
		return NULL;
	if (choice & CHOICE_TOKEN_URL)
		settings_set(s, "token-url", "https://id.example.org/token", NULL);
	else
		settings_set(s, "issuer", "https://id.example.org", NULL);
	if (choice & CHOICE_TOKEN_URL) {
		settings_set(s, "device-authorization-url", "https://id.example.org/device", NULL);
		settings_set(s, "registration-url", "https://id.example.org/register", NULL);
	}
	settings_set(s, "grant", grants[(choice >> 1) % 6], NULL);
	if (choice & CHOICE_REGISTER)
		settings_set(s, "register", "yes", NULL);
	else
		settings_set(s, "client-id", "app", NULL);
	settings_set(s, "user", "alice", NULL);
	settings_set(s, "scope", "read write", NULL);
	set_secret(s, "client-secret", "client-secret-1");
	set_secret(s, "password", "pass-word-1");
	set_secret(s, "registration-token", "initial-token-1");
	set_secret(s, "subject-token", "subject-old-1");
	return s;
}

/* The next answer; false when there is none left. */
static bool next_answer(const uint8_t **data, size_t *size, char *body, struct response *r)
{
	if (*size < 2)
		return false;
	*r = (struct response){.status = 99 + (((*data)[0] << 8 | (*data)[1]) % 501),
			       .type = "",
			       .date_ms = -1,
			       .retry_after_ms = -1,
			       .max_age_ms = -1,
			       .body = body};
	if (r->status == 99)
		r->status = 0; /* silence */
	*data += 2;
	*size -= 2;
	r->len = strnlen((const char *)*data, *size);
	memcpy(body, *data, r->len);
	body[r->len] = '\0';
	*data += r->len < *size ? r->len + 1 : r->len;
	*size -= r->len < *size ? r->len + 1 : r->len;
	return true;
}

static void check(const struct exchange *x, int r)
{
	bool gives = x->purpose == PURPOSE_FETCH || x->purpose == PURPOSE_LOGIN;

	if (gives && (r == EXCHANGE_DONE) != (x->ret_token != NULL))
		abort();
	if (r > EXCHANGE_KEEP && !x->why.text[0])
		abort();
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
		if (strstr(x->why.text, secrets[i]) ||
		    strstr(buffer_string(&x->request.url), secrets[i]))
			abort();
}

/* Asks until there is a request, or an end: what is kept and waited for takes few turns. */
static int ask(struct exchange *x)
{
	int r;

	for (int turns = 0; turns < 4; turns++) {
		request_finish(&x->request);
		r = x->type->ask(x);
		check(x, r);
		if (r == EXCHANGE_WAIT && x->wait_ms <= 0)
			abort();
		if (r == EXCHANGE_WAIT)
			x->now_ms += x->wait_ms;
		else if (r != EXCHANGE_KEEP)
			return r;
	}
	abort();
}

static void converse(struct exchange *x, const uint8_t *data, size_t size, char *body)
{
	struct response response;
	int answers = 0;
	int r;

	do {
		r = ask(x);
		if (r != EXCHANGE_ASK || !next_answer(&data, &size, body, &response) ||
		    (response.status == 0 && !x->hears_silence))
			break;
		answers = x->hears_silence ? 0 : answers + 1;
		r = x->type->hear(x, &response);
		check(x, r);
		if (answers > ANSWERS_MAX)
			abort();
	} while (r == EXCHANGE_ASK || r == EXCHANGE_KEEP);
}

static struct secret *give(bool given, const char *text)
{
	struct secret *s = NULL;

	return given && secret_new(text, strlen(text), &s) == 0 ? s : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum purpose purposes[] = { PURPOSE_FETCH, PURPOSE_REVOKE, PURPOSE_LOGIN,
						 PURPOSE_UNREGISTER };
	unsigned int choice = size > 1 ? data[0] | data[1] << 8 : 0;
	SETTINGS_AUTO *settings = new_settings(choice);
	SECRET_AUTO *grant = give(choice & CHOICE_GRANT, "refresh-old-1");
	SECRET_AUTO *registration = give(choice & CHOICE_REGISTRATION, REGISTRATION);
	SECRET_AUTO *intent = give(choice & CHOICE_INTENT, INTENT);
	struct exchange x = EXCHANGE_INIT;
	char *body = malloc(size + 1);

	if (size > 1 && settings && body) {
		x.type = type_of(choice);
		x.settings = settings;
		x.provider = "iam";
		x.name = "access_token";
		x.grant = grant;
		x.grant_is_own = choice & CHOICE_OWN;
		x.registration = registration;
		x.intent = intent;
		x.now_ms = INT64_C(1700000000000);
		x.purpose = purposes[(choice >> 6) % 4];
		converse(&x, data + 2, size - 2, body);
	}
	exchange_finish(&x);
	free(body);
	return 0;
}
