/* SPDX-License-Identifier: Apache-2.0 */
/* policy, with a clock that is an argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

static void the_margin_is_what_is_configured_or_a_tenth_of_the_life(void **state)
{
	(void)state;
	assert_int_equal(policy_margin(30000, HOUR), 30000);
	assert_int_equal(policy_margin(30000, 8000), 800);
	assert_int_equal(policy_margin(30000, 300000), 30000);
	assert_int_equal(policy_margin(30000, 0), 0);
	assert_int_equal(policy_margin(0, HOUR), 0);
}

static void a_token_is_fresh_until_its_margin_and_alive_until_its_end(void **state)
{
	(void)state;
	assert_true(policy_fresh(69999, 100000, 30000));
	assert_false(policy_fresh(70000, 100000, 30000));
	assert_true(policy_alive(99999, 100000));
	assert_false(policy_alive(100000, 100000));
	assert_true(policy_fresh(INT64_C(1) << 60, POLICY_NEVER, 30000));
	assert_true(policy_alive(INT64_C(1) << 60, POLICY_NEVER));
}

/* Whatever the random number is: after the issue, before the margin, and not all at once. */
static void a_token_is_renewed_before_its_margin_at_moments_that_differ(void **state)
{
	static const int64_t lives[] = { 200, 1000, 8000, 300000, HOUR, 24 * HOUR, 365 * 24 * HOUR };

	(void)state;
	for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
		int64_t margin = policy_margin(30000, lives[i]);
		int64_t first = policy_renew_at(1000, 1000 + lives[i], margin, 0);
		int64_t last = policy_renew_at(1000, 1000 + lives[i], margin, UINT32_MAX);

		assert_true(first > 1000 + lives[i] / 2);
		assert_true(last > first);
		assert_true(last < 1000 + lives[i] - margin);
		assert_true(first >= 1000 + lives[i] - margin - 300000);
	}
	assert_int_equal(policy_renew_at(0, POLICY_NEVER, 0, 7), POLICY_NEVER);
}

static void the_wait_after_failures_doubles_up_to_half_a_minute(void **state)
{
	static const int64_t longest[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };

	(void)state;
	for (unsigned int n = 1; n <= 8; n++) {
		int64_t most = policy_retry_at(5000, n, -1, 0) - 5000;
		int64_t least = policy_retry_at(5000, n, -1, UINT32_MAX) - 5000;

		assert_int_equal(most, longest[n - 1]);
		assert_true(least >= longest[n - 1] * 3 / 4);
		assert_true(least < most);
	}
	assert_int_equal(policy_retry_at(0, UINT32_MAX, -1, 0), POLICY_BACKOFF_MAX_MS);
}

static void what_a_server_asks_for_is_waited_in_full_up_to_an_hour(void **state)
{
	(void)state;
	assert_int_equal(policy_retry_at(0, 1, 7 * MINUTE, UINT32_MAX), 7 * MINUTE);
	assert_int_equal(policy_retry_at(0, 1, 48 * HOUR, 0), HOUR);
	assert_int_equal(policy_retry_at(0, 3, 0, 0), 4000);
}

static void a_name_is_kept_until_its_generation_must_not_be_handed_out(void **state)
{
	(void)state;
	assert_int_equal(policy_name_ms(10000, 100000, 30000), 60000);
	assert_int_equal(policy_name_ms(70000, 100000, 30000), 0);
	assert_int_equal(policy_name_ms(200000, 100000, 30000), 0);
	assert_true(policy_name_ms(0, POLICY_NEVER, 0) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_margin_is_what_is_configured_or_a_tenth_of_the_life),
		cmocka_unit_test(a_token_is_fresh_until_its_margin_and_alive_until_its_end),
		cmocka_unit_test(a_token_is_renewed_before_its_margin_at_moments_that_differ),
		cmocka_unit_test(the_wait_after_failures_doubles_up_to_half_a_minute),
		cmocka_unit_test(what_a_server_asks_for_is_waited_in_full_up_to_an_hour),
		cmocka_unit_test(a_name_is_kept_until_its_generation_must_not_be_handed_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
