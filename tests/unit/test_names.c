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
#include <sodium.h>

#include "names.h"
#include "slot.h"

#define MANY 3000

static struct slot *make_slot(unsigned int number)
{
	struct slot *s = calloc(1, sizeof *s + 32);

	assert_non_null(s);
	snprintf(s->name, 32, "token-%u", number);
	return s;
}

static void every_name_is_found_whatever_comes_and_goes(void **state)
{
	static struct slot *slots[MANY];
	static bool in[MANY];
	struct names t;
	size_t n = 0;

	(void)state;
	assert_true(sodium_init() >= 0);
	names_init(&t);
	for (unsigned int i = 0; i < MANY; i++)
		slots[i] = make_slot(i);
	for (unsigned int step = 0; step < 20 * MANY; step++) {
		unsigned int i = randombytes_uniform(MANY);

		if (in[i])
			names_remove(&t, slots[i]);
		else
			assert_int_equal(names_add(&t, slots[i]), 0);
		in[i] = !in[i];
		n = in[i] ? n + 1 : n - 1;
		assert_int_equal(t.n, n);
	}
	for (unsigned int i = 0; i < MANY; i++)
		assert_ptr_equal(names_find(&t, slots[i]->name), in[i] ? slots[i] : NULL);
	names_finish(&t);
	for (unsigned int i = 0; i < MANY; i++)
		free(slots[i]);
}

static void a_name_is_there_once(void **state)
{
	struct slot *a = make_slot(1), *b = make_slot(1);
	struct names t;

	(void)state;
	names_init(&t);
	assert_null(names_find(&t, "token-1"));
	assert_int_equal(names_add(&t, a), 0);
	assert_int_equal(names_add(&t, b), -EEXIST);
	names_remove(&t, b); /* it is not in it: the other one stays */
	assert_ptr_equal(names_find(&t, "token-1"), a);
	names_remove(&t, a);
	assert_null(names_find(&t, "token-1"));
	names_finish(&t);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_found_whatever_comes_and_goes),
		cmocka_unit_test(a_name_is_there_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
