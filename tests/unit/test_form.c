/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "form.h"

static void c1_names_and_values_are_encoded(void **state)
{
	BUFFER_AUTO b = BUFFER_INIT(256);

	(void)state;
	form_add(&b, "a b", "x&y=z%+ ~");
	form_add(&b, "n", "storage.read:/\xc3\xa4*-._");
	assert_string_equal(buffer_string(&b),
			    "a+b=x%26y%3Dz%25%2B+%7E&n=storage.read%3A%2F%C3%A4*-._");
}

static void c1_an_empty_value_is_left_out(void **state)
{
	BUFFER_AUTO b = BUFFER_INIT(256);

	(void)state;
	form_add(&b, "a", "");
	form_add(&b, "b", NULL);
	form_add_bytes(&b, "c", NULL, 0);
	form_add(&b, "d", "1");
	assert_string_equal(buffer_string(&b), "d=1");
}

static void a_path_segment_cannot_leave_its_place(void **state)
{
	BUFFER_AUTO b = BUFFER_INIT(256);

	(void)state;
	form_encode_segment(&b, "../a b?c#~", 10);
	assert_string_equal(buffer_string(&b), "..%2Fa%20b%3Fc%23~");
}

static void base64_is_that_of_rfc_4648(void **state)
{
	static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
	static const char *const padded[] = {"",	 "Zg==",     "Zm8=",	"Zm9v",
					     "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		BUFFER_AUTO b = BUFFER_INIT(64);

		form_base64(&b, plain[i], strlen(plain[i]));
		assert_string_equal(buffer_string(&b), padded[i]);
	}
}

static void base64url_has_no_padding_and_its_own_letters(void **state)
{
	BUFFER_AUTO b = BUFFER_INIT(64);

	(void)state;
	form_base64url(&b, "\xfb\xff\xfe", 3);
	form_base64url(&b, "\xff", 1);
	assert_string_equal(buffer_string(&b), "-__-_w");
}

static void long_base64_joins_without_a_seam(void **state)
{
	unsigned char bytes[100];
	BUFFER_AUTO whole = BUFFER_INIT(256), parts = BUFFER_INIT(256);

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 7);
	form_base64(&whole, bytes, sizeof bytes);
	form_base64(&parts, bytes, 33);
	form_base64(&parts, bytes + 33, 67);
	assert_int_equal(whole.len, 136);
	assert_string_equal(buffer_string(&whole), buffer_string(&parts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c1_names_and_values_are_encoded),
		cmocka_unit_test(c1_an_empty_value_is_left_out),
		cmocka_unit_test(a_path_segment_cannot_leave_its_place),
		cmocka_unit_test(base64_is_that_of_rfc_4648),
		cmocka_unit_test(base64url_has_no_padding_and_its_own_letters),
		cmocka_unit_test(long_base64_joins_without_a_seam),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
