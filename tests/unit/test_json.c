/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static int parse(const char *text, struct json **ret)
{
	return json_parse(text, strlen(text), NULL, ret);
}

static void what_is_not_one_json_value_is_refused(void **state)
{
	static const char *const bad[] = {
		"",	    " ",	  "{",	      "[1,",	"{\"a\":1}x", "{\"a\":1} {}",
		"{'a':1}",  "{\"a\":1,}", "tru",      "\"open", "{\"a\" 1}",  "<html>",
		"\"\xff\"", "// c\n1",	  "[1] // c", "{a:1}",	"NaN",	      "-Infinity",
		"[1 2]",    "\"a\nb\"",	  "TRUE",     "01",	"+1",	      "\"\\x\""};
	struct json *j = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (parse(bad[i], &j) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	assert_null(j);
	assert_int_equal(json_parse("1\0", 2, NULL, &j), -EBADMSG);
}

static void one_value_with_space_around_it_is_taken(void **state)
{
	static const char *const good[] = {
		" {\"a\": [1, -2.5, null, true]} \n", "12", "\"x\"", "null", "[]", "false"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		JSON_AUTO *j = NULL;

		if (parse(good[i], &j) != 0)
			fail_msg("refused: %s", good[i]);
		assert_non_null(j);
	}
}

static void nesting_ends_at_32_levels(void **state)
{
	JSON_AUTO *j = NULL;
	struct json *deep = NULL;
	char text[129];

	(void)state;
	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	text[128] = '\0';
	assert_int_equal(parse(text, &deep), -EBADMSG);
	assert_int_equal(json_parse(text + 40, 48, NULL, &j), 0);
}

static void a_refusal_names_the_byte_and_not_the_text(void **state)
{
	struct sentence why = {""};
	struct json *j = NULL;

	(void)state;
	assert_int_equal(json_parse("{\"a\": hunter2}", 14, &why, &j), -EBADMSG);
	assert_string_equal(why.text, "is not JSON: byte 7 cannot stand there");
}

static void getters_answer_for_their_own_kind_only(void **state)
{
	JSON_AUTO *j = NULL;
	int64_t n = 7;
	bool b = true;

	(void)state;
	assert_int_equal(
		parse("{\"s\":\"x\",\"n\":5,\"d\":2.9,\"t\":\"42\",\"u\":\"4x\",\"b\":false,"
		      "\"z\":null,\"o\":{},\"nul\":\"a\\u0000b\",\"e\":\"\"}",
		      &j),
		0);
	assert_string_equal(json_string(j, "s"), "x");
	assert_null(json_string(j, "n"));
	assert_null(json_string(j, "absent"));
	assert_null(json_string(j, "z"));
	assert_null(json_string(j, "nul"));
	assert_false(json_integer(j, "s", &n));
	assert_false(json_integer(j, "u", &n));
	assert_false(json_integer(j, "e", &n));
	assert_false(json_integer(j, "b", &n));
	assert_int_equal(n, 7);
	assert_true(json_integer(j, "n", &n));
	assert_int_equal(n, 5);
	assert_true(json_integer(j, "t", &n));
	assert_int_equal(n, 42);
	assert_true(json_integer(j, "d", &n));
	assert_int_equal(n, 2);
	assert_false(json_boolean(j, "n", &b));
	assert_true(json_boolean(j, "b", &b));
	assert_false(b);
	assert_null(json_get(json_get(j, "s"), "x"));
	assert_int_equal(json_length(j), 10);
	assert_string_equal(json_key_at(j, 1, NULL), "n");
	assert_null(json_key_at(j, 10, NULL));
}

static void what_is_built_is_printed_and_read_back(void **state)
{
	JSON_AUTO *j = json_new_object();
	JSON_AUTO *back = NULL;
	BUFFER_AUTO out = BUFFER_INIT(1024);
	struct json *list = json_new_array();

	(void)state;
	json_set_string(j, "text", "a\"b\\c\n\x01 \xc3\xa4/");
	json_set_integer(j, "n", INT64_MIN);
	json_set_string(j, "nothing", NULL);
	json_set(j, "yes", json_new_boolean(true));
	json_add(list, json_new_integer(1));
	json_add(list, json_new_object());
	json_set(j, "list", list);
	json_print(j, false, &out);
	assert_int_equal(buffer_error(&out), 0);
	assert_string_equal(
		buffer_string(&out),
		"{\"text\":\"a\\\"b\\\\c\\u000a\\u0001 \xc3\xa4/\",\"n\":-9223372036854775808,"
		"\"nothing\":null,\"yes\":true,\"list\":[1,{}]}");
	assert_int_equal(json_parse(buffer_string(&out), out.len, NULL, &back), 0);
	assert_string_equal(json_string(back, "text"), "a\"b\\c\n\x01 \xc3\xa4/");
}

static void pretty_printing_indents_and_ends_the_line(void **state)
{
	JSON_AUTO *j = NULL;
	BUFFER_AUTO out = BUFFER_INIT(1024);

	(void)state;
	assert_int_equal(parse("{\"a\":[1,2.50,0.1,1.,1e400],\"b\":{}}", &j), 0);
	json_print(j, true, &out);
	assert_string_equal(buffer_string(&out), "{\n  \"a\": [\n    1,\n    2.5,\n    0.1,\n    "
						 "1,\n    null\n  ],\n  \"b\": {}\n}\n");
}

static void a_lost_member_shows_when_it_is_printed(void **state)
{
	JSON_AUTO *j = json_new_object();
	BUFFER_AUTO out = BUFFER_INIT(1024), none = BUFFER_INIT(1024);
	struct json *inner = json_new_object();

	(void)state;
	json_set(inner, "lost", NULL);
	json_set(j, "inner", inner);
	json_print(j, false, &out);
	assert_int_equal(buffer_error(&out), -ENOMEM);
	json_print(NULL, false, &none);
	assert_int_equal(buffer_error(&none), -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_one_json_value_is_refused),
		cmocka_unit_test(one_value_with_space_around_it_is_taken),
		cmocka_unit_test(nesting_ends_at_32_levels),
		cmocka_unit_test(a_refusal_names_the_byte_and_not_the_text),
		cmocka_unit_test(getters_answer_for_their_own_kind_only),
		cmocka_unit_test(what_is_built_is_printed_and_read_back),
		cmocka_unit_test(pretty_printing_indents_and_ends_the_line),
		cmocka_unit_test(a_lost_member_shows_when_it_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
