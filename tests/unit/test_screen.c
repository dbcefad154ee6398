/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "screen.h"

static const struct screen file = { 0 };
static const struct screen terminal = {
	.terminal = true, .rewrites = true, .colours = true, .utf8 = true, .columns = 80
};
static const struct page page = {
	.slot = "iam/access_token",
	.uri = "https://iam.example.org/device",
	.uri_complete = "https://iam.example.org/device?user_code=WDJBMJ",
	.code = "WDJB-MJ",
};

static void assert_safe(const char *given, const char *shown)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_SENTENCE);

	screen_text(given, &out);
	assert_string_equal(buffer_string(&out), shown);
}

static void test_printable_text_is_itself(void **state)
{
	(void)state;
	assert_safe("open https://a.example/?x=1&y=%20 ~", "open https://a.example/?x=1&y=%20 ~");
	assert_safe("Grüße, 日本, 🔑", "Grüße, 日本, 🔑");
}

static void test_control_characters_are_not(void **state)
{
	(void)state;
	assert_safe("a\033[2Jb\r\n\t\x7f", "a?[2Jb????");
	assert_safe("\xc2\x9b" "31m", "?31m");   /* C1: CSI in one character */
	assert_safe("\xe2\x80\xae" "gro", "?gro"); /* right to left */
	assert_safe("\xe2\x80\xa8|\xe2\x81\xa6|\xef\xbb\xbf|\xf3\xa0\x81\x81", "?|?|?|?");
}

/* RFC 3629: too long forms hide an escape; the rest of a cut one must not be swallowed */
static void test_bytes_that_are_no_utf8(void **state)
{
	(void)state;
	assert_safe("\xc0\x9b", "??");
	assert_safe("\xe0\x80\x9b", "???");
	assert_safe("\x9b" "31m", "?31m");
	assert_safe("\xe2\x82", "??");
	assert_safe("\xe2\033", "??");
	assert_safe("\xed\xa0\x80", "???");
	assert_safe("\xf5\x80\x80\x80", "????");
}

static void test_a_file_gets_plain_text(void **state)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);

	(void)state;
	screen_page(&file, &page, &out);
	screen_countdown(&file, 1000, &out);
	screen_clear(&file, &out);
	assert_string_equal(buffer_string(&out),
			    "To log in iam/access_token, open this page in a browser, on any device:\n"
			    "\n    https://iam.example.org/device\n\n"
			    "and enter this code:\n"
			    "\n    WDJB-MJ\n\n"
			    "Or open this page, and compare the code:\n"
			    "\n    https://iam.example.org/device?user_code=WDJBMJ\n\n");
}

static void test_a_terminal_gets_a_drawing(void **state)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);
	struct screen narrow = terminal, ascii = terminal, dull = terminal;

	(void)state;
	screen_page(&terminal, &page, &out);
	assert_non_null(strstr(buffer_string(&out), "\033[1mWDJB-MJ\033[0m"));
	assert_non_null(strstr(buffer_string(&out), "▀"));
	narrow.columns = 30;
	ascii.utf8 = dull.colours = false;
	buffer_clear(&out);
	screen_page(&narrow, &page, &out);
	screen_page(&ascii, &page, &out);
	assert_null(strstr(buffer_string(&out), "▀"));
	buffer_clear(&out);
	screen_page(&dull, &page, &out);
	assert_non_null(strstr(buffer_string(&out), "▀"));
	assert_null(strchr(buffer_string(&out), '\033'));
}

static void test_what_a_server_says_is_shown_safely(void **state)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);
	struct page evil = { .slot = "a/\033", .uri = "http://\033", .uri_complete = "\033", .code = "\033" };

	(void)state;
	screen_page(&file, &evil, &out);
	screen_result("a/\033", PROGRESS_FAILED, "\033[2J", &out);
	assert_null(strchr(buffer_string(&out), '\033'));
}

static void assert_countdown(int64_t left_ms, const char *shown)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_SENTENCE);

	screen_countdown(&terminal, left_ms, &out);
	assert_string_equal(buffer_string(&out), shown);
}

static void test_countdown(void **state)
{
	(void)state;
	assert_countdown(598001, "\r\033[KWaiting for you; the code lives 9m 59s");
	assert_countdown(59000, "\r\033[KWaiting for you; the code lives 59s");
	assert_countdown(-5, "\r\033[KWaiting for you; the code lives 0s");
}

static void test_progress(void **state)
{
	(void)state;
	assert_int_equal(progress_of("denied"), PROGRESS_DENIED);
	assert_int_equal(progress_of("what a later version says"), PROGRESS_GONE);
	assert_int_equal(progress_of(NULL), PROGRESS_GONE);
	assert_false(progress_is_final(progress_of("starting")));
	assert_false(progress_is_final(progress_of("waiting")));
	assert_true(progress_is_final(progress_of("done")));
}

static void test_result(void **state)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_SENTENCE);

	(void)state;
	screen_result("iam/ci", PROGRESS_DENIED, NULL, &out);
	screen_result("iam/ci", PROGRESS_FAILED, "the server refused the client", &out);
	assert_string_equal(buffer_string(&out), "iam/ci: the login was denied\n"
						 "iam/ci: the server refused the client\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printable_text_is_itself),
		cmocka_unit_test(test_control_characters_are_not),
		cmocka_unit_test(test_bytes_that_are_no_utf8),
		cmocka_unit_test(test_a_file_gets_plain_text),
		cmocka_unit_test(test_a_terminal_gets_a_drawing),
		cmocka_unit_test(test_what_a_server_says_is_shown_safely),
		cmocka_unit_test(test_countdown),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
