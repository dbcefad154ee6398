/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "qr.h"

#define URI "https://iam.example.org/device?user_code=WDJBMJ"
#define MODULES 29 /* version 3, for the 47 bytes of URI at level L */
#define SIDE (MODULES + 8)

/* The drawing back as modules: 1 is dark. Nothing but half blocks may stand in a line. */
static void read_lines(const char *text, unsigned char ret[SIDE + 1][SIDE])
{
	static const char *const cells[] = { "█", "▀", "▄", " " }; /* plain: ink is light */

	for (int y = 0; y < SIDE; y += 2) {
		for (int x = 0; x < SIDE; x++) {
			int cell = 0;

			while (strncmp(text, cells[cell], strlen(cells[cell])) != 0)
				assert_true(++cell < 4);
			ret[y][x] = (cell & 2) != 0;
			ret[y + 1][x] = (cell & 1) != 0;
			text += strlen(cells[cell]);
		}
		assert_int_equal(*text++, '\n');
	}
	assert_int_equal(*text, 0);
}

/* ISO/IEC 18004: three of them tell a camera where the code is. */
static void assert_finder(unsigned char m[SIDE + 1][SIDE], int left, int top)
{
	for (int y = 0; y < 7; y++)
		for (int x = 0; x < 7; x++) {
			int ring = y < 1 || y > 5 || x < 1 || x > 5;
			int core = y > 1 && y < 5 && x > 1 && x < 5;

			assert_int_equal(m[top + y][left + x], ring || core);
		}
}

static void test_finders_and_quiet_zone(void **state)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);
	unsigned char m[SIDE + 1][SIDE];

	(void)state;
	assert_int_equal(qr_draw(URI, QR_PLAIN, SIDE, &out), 0);
	read_lines(buffer_string(&out), m);
	assert_finder(m, 4, 4);
	assert_finder(m, SIDE - 4 - 7, 4);
	assert_finder(m, 4, SIDE - 4 - 7);
	for (int i = 0; i < SIDE; i++)
		for (int edge = 0; edge < 4; edge++) {
			assert_false(m[edge][i]);
			assert_false(m[SIDE - 1 - edge][i]);
			assert_false(m[i][edge]);
			assert_false(m[i][SIDE - 1 - edge]);
		}
}

/* The same picture with the inks exchanged, between escape sequences. */
static void test_coloured_is_the_reverse(void **state)
{
	BUFFER_AUTO plain = BUFFER_INIT(LIMIT_RENDER);
	BUFFER_AUTO coloured = BUFFER_INIT(LIMIT_RENDER);
	const char *a, *b;

	(void)state;
	assert_int_equal(qr_draw(URI, QR_PLAIN, 80, &plain), 0);
	assert_int_equal(qr_draw(URI, QR_COLOURED, 80, &coloured), 0);
	a = buffer_string(&plain);
	b = buffer_string(&coloured);
	assert_null(strchr(a, '\033'));
	for (int y = 0; y < SIDE; y += 2) {
		assert_memory_equal(b, "\033[30;47m ", 9); /* then the quiet zone, not inked */
		assert_memory_equal(a, "█", 3);
		b = strstr(b, "\033[0m\n") + 5;
		a = strchr(a, '\n') + 1;
	}
	assert_string_equal(b, "");
	assert_string_equal(a, "");
}

static void test_too_wide_appends_nothing(void **state)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);

	(void)state;
	buffer_text(&out, "before");
	assert_int_equal(qr_draw(URI, QR_PLAIN, SIDE - 1, &out), -EMSGSIZE);
	assert_string_equal(buffer_string(&out), "before");
}

static void test_more_than_a_code_holds(void **state)
{
	BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);
	char *text = malloc(4000);

	(void)state;
	memset(text, 'x', 3999);
	text[3999] = 0;
	assert_int_equal(qr_draw(text, QR_PLAIN, 10000, &out), -EMSGSIZE);
	assert_int_equal(qr_draw("", QR_PLAIN, 10000, &out), -EINVAL);
	assert_int_equal(out.len, 0);
	free(text);
}

static void test_buffer_that_is_full(void **state)
{
	BUFFER_AUTO out = BUFFER_INIT(100);

	(void)state;
	assert_int_equal(qr_draw(URI, QR_PLAIN, 80, &out), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finders_and_quiet_zone),
		cmocka_unit_test(test_coloured_is_the_reverse),
		cmocka_unit_test(test_too_wide_appends_nothing),
		cmocka_unit_test(test_more_than_a_code_holds),
		cmocka_unit_test(test_buffer_that_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
