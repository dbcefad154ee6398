/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "settings.h"

static const struct field fields[] = {
	{"url", FIELD_URL, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL, "where it is"},
	{"user", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, "who"},
	{"password", FIELD_SECRET, FIELD_REQUIRED, NULL, NULL, "the password"},
	{"scope", FIELD_WORDS, 0, NULL, NULL, "what"},
	{"resource", FIELD_URLS, 0, NULL, NULL, "what for"},
	{"mode", FIELD_CHOICE, 0, "basic", "basic post", "how"},
	{"quiet", FIELD_YES_NO, 0, "no", NULL, "whether"},
	{"life", FIELD_DURATION, 0, "5m", NULL, "how long"},
	{"count", FIELD_NUMBER, 0, NULL, NULL, "how many"},
	{"ca-file", FIELD_PATH, 0, NULL, NULL, "which"},
	{"claims", FIELD_JSON, 0, NULL, NULL, "more"},
	{"badge", FIELD_TEXT, 0, NULL, NULL, "which one"},
	{"badge", FIELD_SECRET, 0, NULL, NULL, "the thing itself"},
	{0},
};

static int make(void **state)
{
	struct settings *s;
	int r = settings_new(fields, &s);

	*state = s;
	return r;
}

static int drop(void **state)
{
	settings_free(*state);
	return 0;
}

static void refused(struct settings *s, const char *key, const char *value, const char *sentence)
{
	struct sentence why = {""};

	assert_true(settings_set(s, key, value, &why) < 0);
	assert_string_equal(why.text, sentence);
	assert_false(settings_has(s, key));
}

static int read_text(struct settings *s, const char *text, struct sentence *why)
{
	JSON_AUTO *document = NULL;

	assert_int_equal(json_parse(text, strlen(text), NULL, &document), 0);
	return settings_read_json(s, document, why);
}

static void a_mistyped_key_is_answered_with_the_nearest_one(void **state)
{
	struct sentence why = {""};

	assert_int_equal(settings_set(*state, "usr", "x", &why), -ENOENT);
	assert_string_equal(why.text, "is not a known key: did you mean user?");
	assert_int_equal(settings_set(*state, "pasword-file", "x", &why), -ENOENT);
	assert_string_equal(why.text, "is not a known key: did you mean password-file?");
}

static void an_unknown_key_is_answered_with_all_there_are(void **state)
{
	struct sentence why = {""};

	assert_int_equal(settings_set(*state, "something-else", "x", &why), -ENOENT);
	assert_string_equal(
		why.text,
		"is not a known key; there are url, user, password-file, scope, resource, "
		"mode, quiet, life, count, ca-file, claims, badge, badge-file");
}

static void a_plain_secret_is_refused_with_the_ways_to_give_it(void **state)
{
	refused(*state, "password", "hunter2",
		"password is a secret: give password-file, password-command or "
		"password-credential");
}

static void a_value_of_the_wrong_kind_is_refused(void **state)
{
	struct settings *s = *state;

	refused(s, "url", "http://a.example/",
		"url is http: only https is safe, but for servers on this host");
	refused(s, "mode", "basic post", "mode is one of: basic post");
	refused(s, "mode", "bas", "mode is one of: basic post");
	refused(s, "quiet", "true", "quiet is yes or no");
	refused(s, "life", "30", "life is a time such as 500ms, 30s, 5m, 12h or 7d");
	refused(s, "life", "-1s", "life is a time such as 500ms, 30s, 5m, 12h or 7d");
	refused(s, "life", "999999999999d", "life is a time such as 500ms, 30s, 5m, 12h or 7d");
	refused(s, "count", "1.5", "count is a whole number");
	refused(s, "ca-file", "ca.pem", "ca-file is a path that begins with /");
	refused(s, "scope", "a b a", "scope: the same word stands there twice");
	refused(s, "resource", "https://a/ b",
		"resource: a word is not an absolute URI such as "
		"https://api.example.org/");
	refused(s, "user", "a\tb", "user holds control characters, or is not UTF-8");
	refused(s, "user", "a\xff", "user holds control characters, or is not UTF-8");
	refused(s, "user", "a\xc2\x85", "user holds control characters, or is not UTF-8");
	refused(s, "user", "", "user has no value: leave the key out");
	refused(s, "scope", "  ", "scope has no value: leave the key out");
	refused(s, "claims", "{", "claims is JSON that ends too early");
}

static void a_key_given_twice_is_refused_and_the_first_value_stays(void **state)
{
	struct sentence why = {""};

	assert_int_equal(settings_set(*state, "user", "a", NULL), 0);
	assert_int_equal(settings_set(*state, "user", "b", &why), -EEXIST);
	assert_string_equal(why.text, "user is given twice");
	assert_string_equal(settings_text(*state, "user"), "a");
}

static void getters_answer_values_and_fallbacks(void **state)
{
	struct settings *s = *state;

	assert_string_equal(settings_text(s, "mode"), "basic");
	assert_false(settings_has(s, "mode"));
	assert_int_equal(settings_ms(s, "life"), 300000);
	assert_int_equal(settings_number(s, "count"), -1);
	assert_null(settings_text(s, "user"));
	assert_false(settings_yes(s, "quiet"));
	assert_int_equal(settings_set(s, "life", "12h", NULL), 0);
	assert_int_equal(settings_set(s, "quiet", "yes", NULL), 0);
	assert_int_equal(settings_set(s, "count", "007", NULL), 0);
	assert_int_equal(settings_set(s, "user", "J\xc3\xb6rg", NULL), 0);
	assert_int_equal(settings_ms(s, "life"), 43200000);
	assert_true(settings_yes(s, "quiet"));
	assert_int_equal(settings_number(s, "count"), 7);
	assert_true(settings_has(s, "user"));
}

static void words_come_one_a_call(void **state)
{
	const char *at = NULL;
	char word[8];

	assert_int_equal(settings_set(*state, "scope", " a   bb  c ", NULL), 0);
	assert_string_equal(settings_text(*state, "scope"), "a bb c");
	assert_true(settings_next_word(*state, "scope", &at, word, sizeof word));
	assert_string_equal(word, "a");
	assert_true(settings_next_word(*state, "scope", &at, word, sizeof word));
	assert_string_equal(word, "bb");
	assert_true(settings_next_word(*state, "scope", &at, word, sizeof word));
	assert_string_equal(word, "c");
	assert_false(settings_next_word(*state, "scope", &at, word, sizeof word));
	at = NULL;
	assert_false(settings_next_word(*state, "resource", &at, word, sizeof word));
}

static void what_is_required_is_missed(void **state)
{
	struct sentence why = {""};

	assert_int_equal(settings_check(*state, &why), -EINVAL);
	assert_string_equal(why.text, "url is missing: where it is");
	assert_int_equal(settings_set(*state, "url", "https://a/", NULL), 0);
	assert_int_equal(settings_check(*state, &why), -EINVAL);
	assert_string_equal(why.text,
			    "password is missing: give password-file, password-command or "
			    "password-credential");
	settings_expect_secret(*state, "password");
	assert_int_equal(settings_check(*state, &why), 0);
	assert_null(settings_secret(*state, "password"));
}

static void a_secret_can_be_replaced_and_removed(void **state)
{
	SECRET_AUTO *one = NULL, *two = NULL;

	assert_int_equal(secret_new("one", 3, &one), 0);
	assert_int_equal(secret_new("two", 3, &two), 0);
	assert_int_equal(settings_set_secret(*state, "password", one), 0);
	assert_int_equal(settings_set_secret(*state, "password", two), 0);
	assert_true(secret_equal(settings_secret(*state, "password"), two));
	assert_int_equal(settings_set_secret(*state, "password", NULL), 0);
	assert_null(settings_secret(*state, "password"));
	assert_int_equal(settings_set_secret(*state, "user", one), -EINVAL);
}

static void a_key_may_be_a_name_or_a_secret(void **state)
{
	SECRET_AUTO *one = NULL;

	assert_false(settings_has(*state, "badge"));
	settings_expect_secret(*state, "badge");
	assert_true(settings_has(*state, "badge"));
	assert_true(settings_has_secret(*state, "badge"));
	assert_null(settings_text(*state, "badge"));
	assert_int_equal(secret_new("one", 3, &one), 0);
	assert_int_equal(settings_set_secret(*state, "badge", one), 0);
	assert_true(secret_equal(settings_secret(*state, "badge"), one));
	assert_int_equal(settings_set(*state, "badge", "blue", NULL), 0);
	assert_string_equal(settings_text(*state, "badge"), "blue");
	assert_false(settings_has_secret(*state, "user"));
}

static void a_document_may_use_the_kinds_of_json(void **state)
{
	struct settings *s = *state;
	struct sentence why = {""};

	assert_int_equal(
		read_text(s,
			  "{\"scope\":[\"a\",\"b\"],\"life\":90,\"quiet\":true,\"count\":3,"
			  "\"password\":\"p\",\"claims\":{\"x\":[1]},\"user\":\"u\"}",
			  &why),
		0);
	assert_string_equal(settings_text(s, "scope"), "a b");
	assert_int_equal(settings_ms(s, "life"), 90000);
	assert_true(settings_yes(s, "quiet"));
	assert_int_equal(settings_number(s, "count"), 3);
	assert_string_equal(secret_bytes(settings_secret(s, "password")), "p");
	assert_string_equal(settings_text(s, "claims"), "{\"x\":[1]}");
}

static void a_document_of_the_wrong_kind_is_refused(void **state)
{
	static const char *const bad[] = {
		"[]",
		"\"x\"",
		"null",
		"{\"user\":1}",
		"{\"user\":null}",
		"{\"user\":[\"a\"]}",
		"{\"scope\":[\"a b\"]}",
		"{\"scope\":[\"\"]}",
		"{\"scope\":[1]}",
		"{\"scope\":[]}",
		"{\"scope\":\"\"}",
		"{\"life\":1.5}",
		"{\"life\":-1}",
		"{\"life\":true}",
		"{\"count\":-1}",
		"{\"quiet\":1}",
		"{\"password\":\"\"}",
		"{\"claims\":null}",
		"{\"user\":\"a\\nb\"}",
		"{\"nothing\":1}",
		"{\"user\":{}}",
		"{\"life\":1e30}",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct sentence why = {""};

		if (read_text(*state, bad[i], &why) != -EINVAL || !why.text[0])
			fail_msg("taken: %s", bad[i]);
	}
}

static void a_refusal_does_not_repeat_what_was_written(void **state)
{
	struct sentence why = {""};

	assert_int_equal(read_text(*state, "{\"hunter2\":1}", &why), -EINVAL);
	assert_null(strstr(why.text, "hunter2"));
	assert_int_equal(read_text(*state, "{\"mode\":\"hunter2\"}", &why), -EINVAL);
	assert_string_equal(why.text, "mode is one of: basic post");
}

static void what_is_stored_is_read_back_without_secrets(void **state)
{
	SETTINGS_AUTO *back = NULL;
	JSON_AUTO *stored = NULL;
	BUFFER_AUTO text = BUFFER_INIT(1024);

	assert_int_equal(read_text(*state,
				   "{\"scope\":\"a b\",\"life\":\"1h\",\"quiet\":false,"
				   "\"password\":\"p\",\"claims\":{\"x\":1}}",
				   NULL),
			 0);
	stored = settings_write_json(*state);
	json_print(stored, false, &text);
	assert_string_equal(
		buffer_string(&text),
		"{\"scope\":\"a b\",\"quiet\":\"no\",\"life\":\"1h\",\"claims\":{\"x\":1}}");
	assert_int_equal(settings_new(fields, &back), 0);
	assert_int_equal(settings_read_json(back, stored, NULL), 0);
	assert_true(settings_equal(*state, back));
}

static void wishes_are_equal_by_meaning(void **state)
{
	SETTINGS_AUTO *other = NULL;

	assert_int_equal(settings_new(fields, &other), 0);
	assert_true(settings_equal(NULL, NULL));
	assert_true(settings_equal(*state, NULL));
	assert_int_equal(settings_set(*state, "life", "300s", NULL), 0);
	assert_true(settings_equal(*state, other));
	assert_true(settings_equal(NULL, *state));
	assert_int_equal(settings_set(*state, "scope", "a", NULL), 0);
	assert_false(settings_equal(*state, other));
	assert_false(settings_equal(NULL, *state));
}

static void an_account_is_its_identity_fields(void **state)
{
	BUFFER_AUTO text = BUFFER_INIT(256);

	assert_int_equal(settings_set(*state, "user", "u", NULL), 0);
	assert_int_equal(settings_set(*state, "scope", "a", NULL), 0);
	assert_int_equal(settings_set(*state, "url", "https://a/", NULL), 0);
	settings_identity(*state, &text);
	assert_string_equal(buffer_string(&text), "url=https://a/\nuser=u\n");
}

static void a_secret_or_a_token_of_the_mount_is_given_in_one_way(void **state)
{
	static const struct field table[] = {
		{"subject", FIELD_SECRET, FIELD_OR_SLOT | FIELD_IDENTITY, NULL, NULL, "who"},
		{0},
	};
	static const char *const bad[] = {"eyJhbGciOi.J9.x", "/ci", "iam/", "iam/a/b", ".x/a",
					  "iam/.meta", "iam/\t"};
	BUFFER_AUTO identity = BUFFER_INIT(256);
	struct sentence why = {""};
	SETTINGS_AUTO *s = NULL;

	(void)state;
	assert_int_equal(settings_new(table, &s), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_true(settings_set(s, "subject", bad[i], &why) < 0);
		assert_null(strstr(why.text, bad[i]));
	}
	assert_false(settings_has(s, "subject"));
	assert_int_equal(settings_set(s, "subject", "iam/ci token", NULL), 0);
	assert_string_equal(settings_text(s, "subject"), "iam/ci token");
	assert_null(settings_secret(s, "subject"));
	assert_int_equal(settings_check(s, &why), 0);
	settings_identity(s, &identity);
	assert_string_equal(buffer_string(&identity), "subject=iam/ci token\n");
	settings_expect_secret(s, "subject");
	assert_int_equal(settings_check(s, &why), -EINVAL);
	assert_string_equal(why.text, "subject is given twice: as PROVIDER/NAME, and as "
				      "subject-file or the like");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_mistyped_key_is_answered_with_the_nearest_one),
		CASE(an_unknown_key_is_answered_with_all_there_are),
		CASE(a_plain_secret_is_refused_with_the_ways_to_give_it),
		CASE(a_value_of_the_wrong_kind_is_refused),
		CASE(a_key_given_twice_is_refused_and_the_first_value_stays),
		CASE(getters_answer_values_and_fallbacks),
		CASE(words_come_one_a_call),
		CASE(what_is_required_is_missed),
		CASE(a_secret_can_be_replaced_and_removed),
		CASE(a_key_may_be_a_name_or_a_secret),
		CASE(a_document_may_use_the_kinds_of_json),
		CASE(a_document_of_the_wrong_kind_is_refused),
		CASE(a_refusal_does_not_repeat_what_was_written),
		CASE(what_is_stored_is_read_back_without_secrets),
		CASE(wishes_are_equal_by_meaning),
		CASE(an_account_is_its_identity_fields),
		cmocka_unit_test(a_secret_or_a_token_of_the_mount_is_given_in_one_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
