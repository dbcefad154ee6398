/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "secret.h"
#include "sentence.h"

static void a_buffer_grows_and_ends_with_a_nul(void **state)
{
	BUFFER_AUTO b = BUFFER_INIT(4096);

	(void)state;
	assert_string_equal(buffer_string(&b), "");
	for (int i = 0; i < 1000; i++)
		buffer_format(&b, "%d,", i % 10);
	assert_int_equal(buffer_error(&b), 0);
	assert_int_equal(b.len, 2000);
	assert_memory_equal(b.bytes, "0,1,2,3,", 8);
	assert_int_equal(b.bytes[b.len], 0);
}

static void a_buffer_takes_its_maximum_and_not_one_byte_more(void **state)
{
	BUFFER_AUTO b = BUFFER_INIT(8);

	(void)state;
	buffer_text(&b, "12345678");
	assert_int_equal(buffer_error(&b), 0);
	buffer_text(&b, "9");
	assert_int_equal(buffer_error(&b), -EFBIG);
	assert_string_equal(buffer_string(&b), "12345678");
}

static void an_error_stays_until_the_buffer_is_cleared(void **state)
{
	BUFFER_AUTO b = BUFFER_INIT(4);

	(void)state;
	buffer_text(&b, "too long");
	buffer_text(&b, "ok");
	buffer_format(&b, "%d", 1);
	assert_int_equal(buffer_error(&b), -EFBIG);
	assert_int_equal(b.len, 0);
	buffer_clear(&b);
	buffer_text(&b, "ok");
	assert_int_equal(buffer_error(&b), 0);
	assert_string_equal(buffer_string(&b), "ok");
}

static void a_cleared_buffer_holds_no_byte_of_before(void **state)
{
	BUFFER_AUTO b = BUFFER_INIT(64);

	(void)state;
	buffer_text(&b, "secret");
	buffer_clear(&b);
	for (size_t i = 0; i < b.size && i < 7; i++)
		assert_int_equal(b.bytes[i], 0);
}

static void a_secret_has_a_length_from_one_to_the_limit(void **state)
{
	static const char large[LIMIT_SECRET + 1];
	struct secret *s = NULL;

	(void)state;
	assert_int_equal(secret_new("", 0, &s), -EINVAL);
	assert_int_equal(secret_new(large, sizeof large, &s), -EFBIG);
	assert_null(s);
	assert_int_equal(secret_new("a\0b", 3, &s), 0);
	assert_int_equal(secret_len(s), 3);
	assert_memory_equal(secret_bytes(s), "a\0b", 4);
	assert_null(secret_unref(s));
}

static void secrets_are_equal_by_their_bytes(void **state)
{
	SECRET_AUTO *a = NULL, *b = NULL, *c = NULL;

	(void)state;
	assert_int_equal(secret_new("same", 4, &a), 0);
	assert_int_equal(secret_new("same", 4, &b), 0);
	assert_int_equal(secret_new("diff", 4, &c), 0);
	assert_true(secret_equal(a, b));
	assert_false(secret_equal(a, c));
	assert_false(secret_equal(a, NULL));
	assert_true(secret_equal(NULL, NULL));
}

static void a_quote_keeps_printable_characters_only(void **state)
{
	struct sentence s = {""};

	(void)state;
	sentence_set(&s, "refused");
	sentence_quote(&s, "a\033[2J\n\t\"b\"\xc3\xa4\xe2\x80\xae z\n");
	assert_string_equal(s.text, "refused, \"a [2J 'b'?? z\"");
}

static void a_quote_is_bounded_and_always_closes(void **state)
{
	char foreign[1000];
	struct sentence s = {""};

	(void)state;
	memset(foreign, 'x', sizeof foreign - 1);
	foreign[sizeof foreign - 1] = '\0';
	sentence_quote(&s, foreign);
	assert_int_equal(strlen(s.text), 4 + 160);
	sentence_quote(&s, foreign);
	assert_int_equal(strlen(s.text), LIMIT_SENTENCE - 1);
	assert_int_equal(s.text[strlen(s.text) - 1], '"');
	sentence_quote(&s, foreign);
	assert_int_equal(strlen(s.text), LIMIT_SENTENCE - 1);
}

static void a_long_sentence_is_cut_between_characters(void **state)
{
	char text[2 * LIMIT_SENTENCE];
	struct sentence s = {""};

	(void)state;
	for (size_t i = 0; i + 1 < sizeof text; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[sizeof text - 2] = '\0';
	sentence_set(&s, "%s", text);
	assert_int_equal(strlen(s.text), 318);
	sentence_set(NULL, "nobody wants to know");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_grows_and_ends_with_a_nul),
		cmocka_unit_test(a_buffer_takes_its_maximum_and_not_one_byte_more),
		cmocka_unit_test(an_error_stays_until_the_buffer_is_cleared),
		cmocka_unit_test(a_cleared_buffer_holds_no_byte_of_before),
		cmocka_unit_test(a_secret_has_a_length_from_one_to_the_limit),
		cmocka_unit_test(secrets_are_equal_by_their_bytes),
		cmocka_unit_test(a_quote_keeps_printable_characters_only),
		cmocka_unit_test(a_quote_is_bounded_and_always_closes),
		cmocka_unit_test(a_long_sentence_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
