/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "form.h"
#include "token.h"

static const struct token_facts minute = {.lifetime_ms = 60000};

static void c14_a_token_holds_b64token_bytes_only(void **state)
{
	static const char *const bad[] = {"",	 "=",	     "a=b", "a b", "a\nb",
					  "a\r", "\xc3\xa4", "a,b", "a\""};
	struct token *t = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct sentence why = {""};

		if (token_new(bad[i], strlen(bad[i]), &minute, &why, &t) != -EBADMSG ||
		    !why.text[0])
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(token_new("a\0b", 3, &minute, NULL, &t), -EBADMSG);
	assert_null(t);
}

static void c8_a_token_is_kept_whole_with_its_facts(void **state)
{
	const struct token_facts facts = {
		.lifetime_ms = 5, .scope = "a b", .id = "", .details = "{}"};
	TOKEN_AUTO *t = NULL;
	struct token *second;

	(void)state;
	assert_int_equal(token_new("aZ9-._~+/==", 11, &facts, NULL, &t), 0);
	second = token_ref(t);
	assert_null(token_unref(second));
	assert_string_equal(token_value(t), "aZ9-._~+/==");
	assert_int_equal(token_len(t), 11);
	assert_int_equal(token_facts(t)->lifetime_ms, 5);
	assert_string_equal(token_facts(t)->scope, "a b");
	assert_string_equal(token_facts(t)->id, "");
	assert_string_equal(token_facts(t)->details, "{}");
	assert_null(token_facts(t)->audience);
	assert_string_equal(token_facts(t)->token_type, "Bearer");
}

static void a_token_has_at_most_64_kib(void **state)
{
	static char value[LIMIT_TOKEN + 1];
	TOKEN_AUTO *t = NULL;
	struct token *large = NULL;

	(void)state;
	memset(value, 'a', sizeof value);
	assert_int_equal(token_new(value, LIMIT_TOKEN, &minute, NULL, &t), 0);
	assert_int_equal(token_new(value, LIMIT_TOKEN + 1, &minute, NULL, &large), -EBADMSG);
	assert_null(large);
}

static int64_t expiry_of(const char *header, const char *claims, const char *rest)
{
	BUFFER_AUTO jwt = BUFFER_INIT(1024);

	form_base64url(&jwt, header, strlen(header));
	buffer_text(&jwt, ".");
	form_base64url(&jwt, claims, strlen(claims));
	buffer_text(&jwt, rest);
	return token_jwt_expiry(buffer_string(&jwt), jwt.len);
}

static void c5_the_exp_of_a_jwt_is_read(void **state)
{
	(void)state;
	assert_int_equal(expiry_of("{\"alg\":\"none\"}", "{\"exp\":1700000000}", ".c2ln"),
			 1700000000);
	assert_int_equal(expiry_of("{}", "{\"exp\":1700000000.9}", "."), 1700000000);
}

static void c5_what_is_no_jwt_has_no_exp(void **state)
{
	(void)state;
	assert_int_equal(token_jwt_expiry("", 0), -1);
	assert_int_equal(token_jwt_expiry("opaque", 6), -1);
	assert_int_equal(token_jwt_expiry("a.b.c", 5), -1);
	assert_int_equal(token_jwt_expiry("..", 2), -1);
	assert_int_equal(expiry_of("{}", "{\"exp\":1700000000}", ""), -1);
	assert_int_equal(expiry_of("{}", "{\"exp\":1700000000}", ".a.b.c"), -1);
	assert_int_equal(expiry_of("[]", "{\"exp\":1700000000}", ".a"), -1);
	assert_int_equal(expiry_of("{}", "[1700000000]", ".a"), -1);
	assert_int_equal(expiry_of("{}", "{\"sub\":\"x\"}", ".a"), -1);
	assert_int_equal(expiry_of("{}", "{\"exp\":-5}", ".a"), -1);
	assert_int_equal(expiry_of("{}", "{\"exp\":true}", ".a"), -1);
}

static void c5_lifetimes_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(token_lifetime("x", 1, 60, 0), 60000);
	assert_int_equal(token_lifetime("x", 1, INT64_MAX, 0), INT64_C(316224000000));
	assert_int_equal(token_lifetime("x", 1, -1, 0), 0);
	assert_int_equal(token_lifetime("x", 1, TOKEN_LIFETIME_UNSAID, 0), 300000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c14_a_token_holds_b64token_bytes_only),
		cmocka_unit_test(c8_a_token_is_kept_whole_with_its_facts),
		cmocka_unit_test(a_token_has_at_most_64_kib),
		cmocka_unit_test(c5_the_exp_of_a_jwt_is_read),
		cmocka_unit_test(c5_what_is_no_jwt_has_no_exp),
		cmocka_unit_test(c5_lifetimes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
