/* SPDX-License-Identifier: Apache-2.0 */
/* What transcripts of the login types cannot show: renderings, imports, secrets that are odd. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "document.h"
#include "password.h"

#define NOW    INT64_C(1700000000000)
#define TENANT "11111111-2222-3333-4444-555555555555"

static const char *const types[] = { "siemens-iem", "siemens-ied", "siemens-iehub", "cisco-iotod",
				     "cisco-ei" };

static struct settings *new_settings(const char *type)
{
	struct settings *s = NULL;

	assert_int_equal(settings_new(provider_type_find(type)->fields, &s), 0);
	return s;
}

static void set(struct settings *s, const char *key, const char *value)
{
	assert_int_equal(settings_set(s, key, value, NULL), 0);
}

static void set_secret(struct settings *s, const char *key, const void *bytes, size_t len)
{
	SECRET_AUTO *secret = NULL;

	assert_int_equal(secret_new(bytes, len, &secret), 0);
	assert_int_equal(settings_set_secret(s, key, secret), 0);
}

static struct token *new_token(const char *details)
{
	const struct token_facts facts = { .lifetime_ms = 1000, .details = details };
	struct token *t = NULL;

	assert_int_equal(token_new("abc", 3, &facts, NULL, &t), 0);
	return t;
}

/* ---- URLs ---- */

static void test_one_slash_joins(void **state)
{
	static const char *const cases[][3] = {
		{ "https://a.example", "/b", "https://a.example/b" },
		{ "https://a.example/", "/b", "https://a.example/b" },
		{ "https://a.example/x//", "/b/c", "https://a.example/x/b/c" },
		{ "https://a.example/x", "b", "https://a.example/x/b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		BUFFER_AUTO url = BUFFER_INIT(100);

		password_join(&url, cases[i][0], cases[i][1]);
		assert_string_equal(buffer_string(&url), cases[i][2]);
	}
}

/* ---- renderings ---- */

static void assert_headers(const char *type, const struct settings *s, const char *details,
			   const char *expected)
{
	const struct provider_type *t = provider_type_find(type);
	TOKEN_AUTO *token = new_token(details);
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);

	assert_int_equal(t->headers(s, token, &out), 0);
	assert_string_equal(buffer_string(&out), expected);
}

/* siemens-controlm-cisco.md 1.1, 1.3: without a scheme; the others as everybody */
static void test_headers_of_edge_are_bare(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		SETTINGS_AUTO *s = new_settings(types[i]);

		assert_headers(types[i], s, NULL, "Authorization: abc\n");
	}
	assert_null(provider_type_find("siemens-iehub")->headers);
	assert_null(provider_type_find("cisco-ei")->headers);
}

/* siemens-controlm-cisco.md 3.1: a second header names the tenant */
static void test_headers_name_the_tenant(void **state)
{
	SETTINGS_AUTO *s = new_settings("cisco-iotod");

	(void)state;
	assert_headers("cisco-iotod", s, NULL, "Authorization: Bearer abc\n");
	assert_headers("cisco-iotod", s, "{\"tenant_id\":\"" TENANT "\"}",
		       "Authorization: Bearer abc\nx-tenant-id: " TENANT "\n");
	set(s, "tenant-id", "other");
	assert_headers("cisco-iotod", s, "{\"tenant_id\":\"" TENANT "\"}",
		       "Authorization: Bearer abc\nx-tenant-id: other\n");
}

static void test_details_cannot_break_out_of_a_line(void **state)
{
	static const char *const details[] = {
		"{\"tenant_id\":\"a\\nEvil: 1\"}",
		"{\"tenant_id\":\"a b\"}",
		"{\"tenant_id\":\"\"}",
		"{\"tenant_id\":7}",
		"{\"tenant_id\":\"a'\"}",
		"[]",
		"not JSON",
	};
	SETTINGS_AUTO *s = new_settings("cisco-iotod");

	(void)state;
	for (size_t i = 0; i < sizeof details / sizeof details[0]; i++)
		assert_headers("cisco-iotod", s, details[i], "Authorization: Bearer abc\n");
}

static void assert_environment(const struct settings *s, const char *details, const char *variable,
			       const char *expected)
{
	TOKEN_AUTO *token = new_token(details);
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);

	assert_int_equal(provider_type_find("cisco-iotod")->environment(s, token, variable, &out),
			 0);
	assert_string_equal(buffer_string(&out), expected);
}

static void test_environment_names_the_tenant(void **state)
{
	SETTINGS_AUTO *s = new_settings("cisco-iotod");
	const char *details = "{\"tenant_id\":\"" TENANT "\"}";

	(void)state;
	assert_string_equal(provider_type_find("cisco-iotod")->env, "CISCO_IOTOD_TOKEN");
	assert_environment(s, NULL, "CISCO_IOTOD_TOKEN", "");
	assert_environment(s, "{\"tenant_id\":\"a\\nb=c\"}", "CISCO_IOTOD_TOKEN", "");
	assert_environment(s, details, "CISCO_IOTOD_TOKEN", "CISCO_IOTOD_TENANT_ID=" TENANT "\n");
	assert_environment(s, details, "EUROPE_TOKEN", "EUROPE_TENANT_ID=" TENANT "\n");
	assert_environment(s, details, "MINE", "MINE_TENANT_ID=" TENANT "\n");
	set(s, "tenant-id", "other");
	assert_environment(s, details, "CISCO_IOTOD_TOKEN", "CISCO_IOTOD_TENANT_ID=other\n");
}

/* ---- imports ---- */

static void test_every_type_imports_a_token(void **state)
{
	static const char text[] = "{\"access_token\": \"abc\", \"expires_in\": 300}";

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		SETTINGS_AUTO *s = new_settings(types[i]);
		struct sentence why = { "" };
		struct document d;

		const struct document_slot slot = { .type = provider_type_find(types[i]),
						    .settings = s,
						    .name = "access_token" };

		assert_int_equal(document_read(&slot, text, strlen(text), NOW, &why, &d), 0);
		assert_string_equal(token_value(d.token), "abc");
		assert_int_equal(token_facts(d.token)->lifetime_ms, 300000);
		document_finish(&d);
	}
}

static void test_no_type_imports_a_refresh_token(void **state)
{
	static const char text[] = "{\"refresh_token\": \"abc\"}";

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		SETTINGS_AUTO *s = new_settings(types[i]);
		struct sentence why = { "" };
		struct document d;

		const struct document_slot slot = { .type = provider_type_find(types[i]),
						    .settings = s,
						    .name = "access_token" };

		assert_int_equal(document_read(&slot, text, strlen(text), NOW, &why, &d), -EINVAL);
		assert_non_null(strstr(why.text, "refresh_token"));
	}
}

/* ---- secrets ---- */

static int ask_edge(struct exchange *x, const struct settings *s)
{
	x->type = provider_type_find("siemens-ied");
	x->settings = s;
	x->provider = "edge";
	x->name = "access_token";
	x->now_ms = NOW;
	return x->type->ask(x);
}

static struct settings *new_edge(void)
{
	struct settings *s = new_settings("siemens-ied");

	set(s, "url", "https://192.0.2.1");
	set(s, "user", "edge");
	return s;
}

static void test_a_password_that_is_not_there(void **state)
{
	SETTINGS_AUTO *s = new_edge();
	struct exchange x = EXCHANGE_INIT;

	(void)state;
	settings_expect_secret(s, "password");
	assert_int_equal(settings_check(s, NULL), 0);
	assert_int_equal(ask_edge(&x, s), EXCHANGE_MISSING);
	assert_string_equal(x.why.text, "the password of edge is not there");
	exchange_finish(&x);
}

/* Cut or mended it would be another password, and so many wrong ones lock the account. */
static void test_a_password_that_json_cannot_carry(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} passwords[] = { { "pass\0word", 9 }, { "pass\xffword", 9 }, { "pass\xc3", 5 } };

	(void)state;
	for (size_t i = 0; i < sizeof passwords / sizeof passwords[0]; i++) {
		SETTINGS_AUTO *s = new_edge();
		struct exchange x = EXCHANGE_INIT;

		set_secret(s, "password", passwords[i].bytes, passwords[i].len);
		assert_int_equal(ask_edge(&x, s), EXCHANGE_INVALID);
		assert_non_null(strstr(x.why.text, "the password of edge is not UTF-8"));
		assert_null(strstr(x.why.text, "pass\xff"));
		exchange_finish(&x);
	}
}

/* ---- a second request ---- */

static int hear(struct exchange *x, const char *body)
{
	const struct response r = { .status = 200,
				    .type = "application/json",
				    .body = body,
				    .len = strlen(body),
				    .date_ms = -1,
				    .retry_after_ms = -1,
				    .max_age_ms = -1 };

	return x->type->hear(x, &r);
}

/* A conversation that asks for the tenant `later_ms` after the login. */
static int ask_dashboard(struct exchange *x, const struct settings *s, int64_t later_ms)
{
	x->type = provider_type_find("cisco-iotod");
	x->settings = s;
	x->provider = "dashboard";
	x->name = "access_token";
	x->now_ms = NOW;
	assert_int_equal(x->type->ask(x), EXCHANGE_ASK);
	assert_int_equal(hear(x, "{\"access_token\":\"abc\",\"expires_in\":300}"), EXCHANGE_ASK);
	request_finish(&x->request);
	x->now_ms = NOW + later_ms;
	assert_int_equal(x->type->ask(x), EXCHANGE_ASK);
	return hear(x, "{\"roles\":[{\"tenant_id\":\"" TENANT "\"}]}");
}

/* Wire C6: a life counts from the last request, and the token came with the first. */
static void test_the_question_for_the_tenant_takes_of_the_life(void **state)
{
	static const int64_t cases[][2] = { { 0, 300000 }, { 2000, 298000 }, { -3600000, 300000 } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		SETTINGS_AUTO *s = new_settings("cisco-iotod");
		struct exchange x = EXCHANGE_INIT;

		set(s, "user", "bob");
		set_secret(s, "password", "pass-word-1", 11);
		assert_int_equal(ask_dashboard(&x, s, cases[i][0]), EXCHANGE_DONE);
		assert_int_equal(token_facts(x.ret_token)->lifetime_ms, cases[i][1]);
		exchange_finish(&x);
	}
}

static void test_a_token_that_is_over_before_its_tenant_is_known(void **state)
{
	SETTINGS_AUTO *s = new_settings("cisco-iotod");
	struct exchange x = EXCHANGE_INIT;

	(void)state;
	set(s, "user", "bob");
	set_secret(s, "password", "pass-word-1", 11);
	assert_int_equal(ask_dashboard(&x, s, 300000), EXCHANGE_BUSY);
	assert_null(x.ret_token);
	exchange_finish(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_slash_joins),
		cmocka_unit_test(test_headers_of_edge_are_bare),
		cmocka_unit_test(test_headers_name_the_tenant),
		cmocka_unit_test(test_details_cannot_break_out_of_a_line),
		cmocka_unit_test(test_environment_names_the_tenant),
		cmocka_unit_test(test_every_type_imports_a_token),
		cmocka_unit_test(test_no_type_imports_a_refresh_token),
		cmocka_unit_test(test_a_password_that_is_not_there),
		cmocka_unit_test(test_a_password_that_json_cannot_carry),
		cmocka_unit_test(test_the_question_for_the_tenant_takes_of_the_life),
		cmocka_unit_test(test_a_token_that_is_over_before_its_tenant_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
