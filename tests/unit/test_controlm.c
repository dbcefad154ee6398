/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "document.h"

#define NOW_MS INT64_C(1700000000000) /* 2023-11-14 */
#define MANY   10000

static const struct provider_type *type(void)
{
	return provider_type_find("controlm");
}

static struct settings *new_settings(bool user)
{
	SECRET_AUTO *secret = NULL;
	struct settings *s;

	assert_int_equal(settings_new(type()->fields, &s), 0);
	assert_int_equal(settings_set(s, "url", "https://ctm.example.org/automation-api", NULL), 0);
	assert_int_equal(secret_new("secret-value-1", strlen("secret-value-1"), &secret), 0);
	if (user)
		assert_int_equal(settings_set(s, "user", "emuser", NULL), 0);
	assert_int_equal(settings_set_secret(s, user ? "password" : "api-key", secret), 0);
	assert_int_equal(type()->check(s, NULL), 0);
	return s;
}

/* ---- tokens from elsewhere ---- */

struct import {
	struct settings *settings;
	struct document d;
	struct sentence why;
};

static int import(struct import *i, bool user, const char *name, const char *details,
		  const char *text)
{
	struct document_slot slot = { .type = type(), .name = name, .details = details };

	i->settings = new_settings(user);
	slot.settings = i->settings;
	return document_read(&slot, text, strlen(text), NOW_MS, &i->why, &i->d);
}

static void import_finish(struct import *i)
{
	document_finish(&i->d);
	settings_free(i->settings);
}
#define IMPORT_AUTO __attribute__((cleanup(import_finish))) struct import

static void assert_headers(const struct import *i, const char *expected)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);

	assert_int_equal(type()->headers(i->settings, i->d.token, &out), 0);
	assert_string_equal(buffer_string(&out), expected);
}

static void an_imported_token_is_an_api_token_that_never_ends(void **state)
{
	IMPORT_AUTO i = { 0 };

	(void)state;
	assert_int_equal(import(&i, false, "ci", NULL, "{\"access_token\":\"abc\"}"), 0);
	assert_string_equal(token_facts(i.d.token)->token_type, "x-api-key");
	assert_string_equal(token_facts(i.d.token)->id, "ci");
	assert_true(token_facts(i.d.token)->lifetime_ms == TOKEN_NEVER_EXPIRES);
	assert_headers(&i, "x-api-key: abc\n");
}

static void it_ends_on_the_day_that_the_document_says(void **state)
{
	IMPORT_AUTO i = { 0 };

	(void)state;
	assert_int_equal(import(&i, false, "ci", "{\"expirationDate\":\"2030-01-31\"}",
				"{\"access_token\":\"abc\",\"expirationDate\":\"2023-11-16\"}"),
			 0);
	assert_int_equal(token_facts(i.d.token)->lifetime_ms, 92800000);
}

static void or_else_on_the_day_that_was_listed(void **state)
{
	IMPORT_AUTO i = { 0 };

	(void)state;
	assert_int_equal(import(&i, false, "ci", "{\"expirationDate\":\"2023-11-16\"}",
				"{\"access_token\":\"abc\"}"),
			 0);
	assert_int_equal(token_facts(i.d.token)->lifetime_ms, 92800000);
}

static void expires_in_is_taken_at_its_word(void **state)
{
	IMPORT_AUTO i = { 0 };

	(void)state;
	assert_int_equal(import(&i, false, "ci", "{\"expirationDate\":\"2023-11-16\"}",
				"{\"access_token\":\"abc\",\"expires_in\":60}"),
			 0);
	assert_int_equal(token_facts(i.d.token)->lifetime_ms, 60000);
}

static void a_day_that_has_passed_is_refused(void **state)
{
	IMPORT_AUTO i = { 0 };

	(void)state;
	assert_int_equal(import(&i, false, "ci", NULL,
				"{\"access_token\":\"abc\",\"expirationDate\":\"2023-11-14\"}"),
			 -EINVAL);
	assert_non_null(strstr(i.why.text, "expired already"));
}

static void another_token_name_is_refused(void **state)
{
	IMPORT_AUTO i = { 0 };

	(void)state;
	assert_int_equal(
		import(&i, false, "ci", NULL, "{\"access_token\":\"abc\",\"tokenName\":\"cd\"}"),
		-EINVAL);
	assert_non_null(strstr(i.why.text, "tokenName is not the name of the file"));
}

static void into_session_goes_a_session(void **state)
{
	IMPORT_AUTO i = { 0 };

	(void)state;
	assert_int_equal(import(&i, true, "session", NULL, "{\"access_token\":\"abc\"}"), 0);
	assert_string_equal(token_facts(i.d.token)->token_type, "Bearer");
	assert_int_equal(token_facts(i.d.token)->lifetime_ms, 300000);
	assert_headers(&i, "Authorization: Bearer abc\n");
}

static void with_an_api_key_session_is_a_name_like_any_other(void **state)
{
	IMPORT_AUTO i = { 0 };

	(void)state;
	assert_int_equal(import(&i, false, "session", NULL, "{\"access_token\":\"abc\"}"), 0);
	assert_headers(&i, "x-api-key: abc\n");
}

static void the_first_slot_is_session_or_none(void **state)
{
	SETTINGS_AUTO *user = new_settings(true), *key = new_settings(false);

	(void)state;
	assert_string_equal(type()->first(user), "session");
	assert_null(type()->first(key));
}

/* ---- a long list ---- */

static char *many_tokens(size_t *ret_len)
{
	struct buffer b = BUFFER_INIT(LIMIT_LISTING);

	buffer_text(&b, "{\"tokens\":[");
	for (int i = 0; i < MANY; i++)
		buffer_format(&b,
			      "%s{\"tokenName\":\"token-%d\",\"tokenType\":\"User\","
			      "\"tokenValue\":\"********\",\"user\":\"emuser\","
			      "\"roles\":[\"Admin\",\"Ops team\",\"role %d\"],"
			      "\"expirationDate\":\"2030-12-02\",\"createdDate\":\"c%d\","
			      "\"lastUpdatedDate\":\"u%d\"}",
			      i ? "," : "", i, i, i, i);
	buffer_text(&b, "]}");
	assert_int_equal(buffer_error(&b), 0);
	*ret_len = b.len;
	return b.bytes;
}

static int64_t cpu_ms(void)
{
	return (int64_t)clock() * 1000 / CLOCKS_PER_SEC;
}

static void ten_thousand_tokens_are_listed_at_once(void **state)
{
	SETTINGS_AUTO *settings = new_settings(false);
	struct exchange x = EXCHANGE_INIT;
	struct response r = {
		.status = 200, .date_ms = -1, .retry_after_ms = -1, .max_age_ms = -1
	};
	char *body = many_tokens(&r.len);
	int64_t before;

	(void)state;
	x.type = type();
	x.purpose = PURPOSE_LIST;
	x.settings = settings;
	x.provider = "ctm";
	x.name = "";
	x.now_ms = NOW_MS;
	assert_int_equal(x.type->ask(&x), EXCHANGE_ASK);
	assert_int_equal(x.request.answer_max, LIMIT_LISTING);
	r.body = body;
	before = cpu_ms();
	assert_int_equal(x.type->hear(&x, &r), EXCHANGE_DONE);
	print_message("# %d tokens, %zu bytes: %lld ms\n", MANY, r.len,
		      (long long)(cpu_ms() - before));
	/* well under 100 ms in a release build; the sanitizers take ten times as long */
	assert_true(cpu_ms() - before < 3000);
	assert_int_equal(x.ret_listing.n, MANY);
	assert_string_equal(x.ret_listing.at[MANY - 1].name, "token-9999");
	assert_string_equal(x.ret_listing.at[MANY - 1].stamp, "c9999");
	assert_string_equal(x.ret_listing.at[MANY - 1].details,
			    "{\"tokenName\":\"token-9999\",\"tokenType\":\"User\","
			    "\"user\":\"emuser\",\"roles\":[\"Admin\",\"Ops team\",\"role 9999\"],"
			    "\"expirationDate\":\"2030-12-02\",\"createdDate\":\"c9999\","
			    "\"lastUpdatedDate\":\"u9999\"}");
	exchange_finish(&x);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_imported_token_is_an_api_token_that_never_ends),
		cmocka_unit_test(it_ends_on_the_day_that_the_document_says),
		cmocka_unit_test(or_else_on_the_day_that_was_listed),
		cmocka_unit_test(expires_in_is_taken_at_its_word),
		cmocka_unit_test(a_day_that_has_passed_is_refused),
		cmocka_unit_test(another_token_name_is_refused),
		cmocka_unit_test(into_session_goes_a_session),
		cmocka_unit_test(with_an_api_key_session_is_a_name_like_any_other),
		cmocka_unit_test(the_first_slot_is_session_or_none),
		cmocka_unit_test(ten_thousand_tokens_are_listed_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
