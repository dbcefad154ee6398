/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "document.h"

struct reader {
	struct settings *settings;
	struct document d;
	struct sentence why;
};

static int read_as(struct reader *r, const char *type_name, const char *text)
{
	const struct provider_type *type = provider_type_find(type_name);
	struct document_slot slot;

	assert_non_null(type);
	assert_int_equal(settings_new(type->fields, &r->settings), 0);
	slot = (struct document_slot){.type = type, .settings = r->settings, .name = "access_token"};
	return document_read(&slot, text, strlen(text), INT64_C(1700000000000), &r->why, &r->d);
}

static void reader_finish(struct reader *r)
{
	document_finish(&r->d);
	settings_free(r->settings);
}
#define READER_AUTO __attribute__((cleanup(reader_finish))) struct reader

static void an_empty_object_wishes_nothing_special(void **state)
{
	READER_AUTO r = {0};

	(void)state;
	assert_int_equal(read_as(&r, "oauth2", " {} "), 0);
	assert_true(settings_equal(r.d.wish, NULL));
	assert_null(r.d.token);
	assert_null(r.d.refresh_token);
}

static void a_wish_is_understood(void **state)
{
	READER_AUTO r = {0};

	(void)state;
	assert_int_equal(read_as(&r, "oauth2", "{\"scope\":\"a b\",\"audience\":[\"urn:x\"]}"), 0);
	assert_string_equal(settings_text(r.d.wish, "scope"), "a b");
	assert_string_equal(settings_text(r.d.wish, "audience"), "urn:x");
}

static void a_token_from_elsewhere_is_taken(void **state)
{
	READER_AUTO r = {0};

	(void)state;
	assert_int_equal(read_as(&r, "oauth2",
				 "{\"access_token\":\"abc\",\"expires_in\":60,"
				 "\"refresh_token\":\"r\",\"scope\":\"a\"}"),
			 0);
	assert_string_equal(token_value(r.d.token), "abc");
	assert_int_equal(token_facts(r.d.token)->lifetime_ms, 60000);
	assert_string_equal(token_facts(r.d.token)->scope, "a");
	assert_string_equal(secret_bytes(r.d.refresh_token), "r");
}

static void c5_a_token_without_expires_in_lives_300_s(void **state)
{
	READER_AUTO r = {0};

	(void)state;
	assert_int_equal(read_as(&r, "oauth2", "{\"access_token\":\"abc\"}"), 0);
	assert_int_equal(token_facts(r.d.token)->lifetime_ms, 300000);
}

static void a_bad_document_is_refused_whole_with_a_sentence(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"\"text\"",
		"null",
		"{\"scope\":5}",
		"{\"roles\":[]}",
		"{} {}",
		"{\"access_token\":\"a b\"}",
		"{\"access_token\":\"\"}",
		"{\"access_token\":5}",
		"{\"access_token\":null}",
		"{\"access_token\":\"abc\",\"expires_in\":0}",
		"{\"access_token\":\"abc\",\"expires_in\":-5}",
		"{\"access_token\":\"abc\",\"expires_in\":\"soon\"}",
		"{\"access_token\":\"abc\",\"expires_in\":null}",
		"{\"expires_in\":5}",
		"{\"refresh_token\":\"\"}",
		"{\"refresh_token\":[]}",
		"{\"access_token\":\"abc\",\"roles\":1}",
		"{\"audience\":\"not-a-uri\"}",
		"{\"access_token\":\"e30.eyJleHAiOjE2MDAwMDAwMDB9.x\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		READER_AUTO r = {0};

		if (read_as(&r, "oauth2", bad[i]) != -EINVAL || !r.why.text[0])
			fail_msg("taken: %s", bad[i]);
		assert_null(r.d.wish);
		assert_null(r.d.token);
		assert_null(r.d.refresh_token);
	}
}

static void an_unknown_member_is_answered_with_the_known_ones(void **state)
{
	READER_AUTO r = {0};

	(void)state;
	assert_int_equal(read_as(&r, "oauth2", "{\"hunter2\":1}"), -EINVAL);
	assert_string_equal(
		r.why.text,
		"the document has a member that is not known; there are scope, audience, "
		"resource, access_token, expires_in, refresh_token");
}

static void a_type_takes_only_the_imports_it_can_use(void **state)
{
	READER_AUTO local = {0}, fixed = {0};

	(void)state;
	assert_int_equal(read_as(&local, "local", "{\"refresh_token\":\"r\"}"), -EINVAL);
	assert_int_equal(read_as(&fixed, "static", "{\"access_token\":\"abc\"}"), -ENOTSUP);
	assert_string_equal(fixed.why.text, "a token of type static cannot be written");
}

static void a_refused_wish_says_what_the_type_says(void **state)
{
	READER_AUTO r = {0};

	(void)state;
	assert_int_equal(read_as(&r, "local", "{\"claims\":{\"sub\":\"root\"}}"), -EINVAL);
	assert_string_equal(r.why.text,
			    "the document: claims may not hold sub, which tokenfs sets");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_object_wishes_nothing_special),
		cmocka_unit_test(a_wish_is_understood),
		cmocka_unit_test(a_token_from_elsewhere_is_taken),
		cmocka_unit_test(c5_a_token_without_expires_in_lives_300_s),
		cmocka_unit_test(a_bad_document_is_refused_whole_with_a_sentence),
		cmocka_unit_test(an_unknown_member_is_answered_with_the_known_ones),
		cmocka_unit_test(a_type_takes_only_the_imports_it_can_use),
		cmocka_unit_test(a_refused_wish_says_what_the_type_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
