/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "moment.h"

static int64_t of_text(const char *text)
{
	int64_t at = -1;

	assert_int_equal(moment_of_text(text, &at), 0);
	return at;
}

static void test_rfc3339(void **state)
{
	(void)state;
	assert_int_equal(of_text("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(of_text("2025-04-29T13:52:49Z"), INT64_C(1745934769000));
	assert_int_equal(of_text("2025-04-29T15:52:49+02:00"), INT64_C(1745934769000));
	assert_int_equal(of_text("2025-04-29T08:22:49-05:30"), INT64_C(1745934769000));
	assert_int_equal(of_text("2024-02-29t00:00:00z"), INT64_C(1709164800000));
}

/* siemens-controlm-cisco.md 3.2: Cisco sends nine digits */
static void test_nine_digit_fraction(void **state)
{
	(void)state;
	assert_int_equal(of_text("2025-04-29T13:52:49.927987303Z"), INT64_C(1745934769927));
	assert_int_equal(of_text("2025-04-29T13:52:49.9Z"), INT64_C(1745934769900));
}

static void test_date(void **state)
{
	(void)state;
	assert_int_equal(of_text("2027-01-31"), INT64_C(1801353600000));
	assert_int_equal(of_text("9999-12-31"), INT64_C(253402214400000));
}

static void test_no_moment(void **state)
{
	static const char *const texts[] = {
		"", "2025", "2025-4-29", "2025-02-29", "2100-02-29", "2025-13-01", "2025-00-01",
		"2025-01-00", "2025-01-32", "1969-12-31", "2025-04-29T", "2025-04-29T24:00:00Z",
		"2025-04-29T13:52:49", "2025-04-29T13:52:49.Z", "2025-04-29T13:52:49+0200",
		"2025-04-29T13:52:49Zx", "2025-04-29 13:52:49Z", "2027-01-31x",
	};
	int64_t at = 7;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_int_equal(moment_of_text(texts[i], &at), -EINVAL);
	assert_int_equal(at, 7);
}

static void test_numbers_by_their_size(void **state)
{
	int64_t at = 7, now = INT64_C(1700000000000);

	(void)state;
	assert_int_equal(moment_of_number(INT64_C(1642721553987), now, &at), 0);
	assert_int_equal(at, INT64_C(1642721553987));
	assert_int_equal(moment_of_number(1642721553, now, &at), 0);
	assert_int_equal(at, INT64_C(1642721553000));
	assert_int_equal(moment_of_number(300, now, &at), 0);
	assert_int_equal(at, now + 300000);
	assert_int_equal(moment_of_number(-1, now, &at), -EINVAL);
	assert_int_equal(moment_of_number(INT64_MAX, now, &at), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc3339),		cmocka_unit_test(test_nine_digit_fraction),
		cmocka_unit_test(test_date),		cmocka_unit_test(test_no_moment),
		cmocka_unit_test(test_numbers_by_their_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
