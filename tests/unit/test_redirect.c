/* SPDX-License-Identifier: Apache-2.0 */
/* redirect, inode and the announcer's hidden names: how a number is found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "announce.h"
#include "inode.h"
#include "redirect.h"

static void a_number_says_what_it_was_made_of(void **state)
{
	struct inode in = inode_of(inode_number(FACET_ENV, INODE_ID_MAX, UINT32_MAX));

	(void)state;
	assert_int_equal(in.facet, FACET_ENV);
	assert_int_equal(in.id, INODE_ID_MAX);
	assert_int_equal(in.generation, UINT32_MAX);
	in = inode_of(1); /* the root's, by the protocol of FUSE */
	assert_int_equal(in.facet, FACET_ROOT);
	assert_int_equal(in.generation, ROOT_DIRECTORY);
}

static void generations_and_facets_have_numbers_of_their_own(void **state)
{
	(void)state;
	assert_int_not_equal(inode_number(FACET_VALUE, 7, 1), inode_number(FACET_VALUE, 7, 2));
	assert_int_not_equal(inode_number(FACET_VALUE, 7, 1), inode_number(FACET_HEADERS, 7, 1));
	assert_int_not_equal(inode_number(FACET_VALUE, 7, 1), inode_number(FACET_VALUE, 8, 1));
}

static void a_thread_is_known_again_for_its_slot_and_kind_only(void **state)
{
	static struct redirects r;

	(void)state;
	redirect_note(&r, 10, 1, REDIRECT_READ, 0);
	assert_non_null(redirect_find(&r, 10, 1, REDIRECT_READ, 500));
	assert_null(redirect_find(&r, 10, 2, REDIRECT_READ, 500));
	assert_null(redirect_find(&r, 10, 1, REDIRECT_WRITE, 500));
	assert_null(redirect_find(&r, 11, 1, REDIRECT_READ, 500));
	redirect_clear(&r, 10, 1, REDIRECT_READ);
	assert_null(redirect_find(&r, 10, 1, REDIRECT_READ, 500));
}

static void a_mark_has_its_time_and_its_place_is_used_again(void **state)
{
	static struct redirects r;

	(void)state;
	for (int i = 0; i < 3 * REDIRECTS_MAX; i++)
		redirect_note(&r, 100 + i, 1, REDIRECT_READ, i * 100);
	assert_null(redirect_find(&r, 100, 1, REDIRECT_READ, 3 * REDIRECTS_MAX * 100));
	/* 30 of them are not over; the others are in nobody's way for long. */
	assert_true(r.n <= 64);
}

static void when_there_are_too_many_marks_the_oldest_goes(void **state)
{
	static struct redirects r;

	(void)state;
	for (int i = 0; i < REDIRECTS_MAX; i++)
		redirect_note(&r, 100 + i, 1, REDIRECT_READ, i < 10 ? 0 : 1);
	redirect_note(&r, 7, 1, REDIRECT_WRITE, 2);
	for (int i = 0; i < 5; i++)
		redirect_note(&r, 100000 + i, 1, REDIRECT_READ, 2);
	assert_non_null(redirect_find(&r, 7, 1, REDIRECT_WRITE, 3));
	assert_non_null(redirect_find(&r, 100000, 1, REDIRECT_READ, 3));
	assert_int_equal(r.n, REDIRECTS_MAX);
}

static void threads_that_cannot_be_seen_share_their_marks(void **state)
{
	static struct redirects r;

	(void)state;
	redirect_note(&r, 0, 1, REDIRECT_READ, 0);
	redirect_clear(&r, 0, 1, REDIRECT_READ); /* one came back; another may be on its way */
	assert_non_null(redirect_find(&r, 0, 1, REDIRECT_READ, 100));
}

static void a_thread_is_told_what_its_last_open_got(void **state)
{
	static struct redirects r;

	(void)state;
	redirect_pin(&r, 7, 1, 40, 0);
	redirect_pin(&r, 8, 1, 41, 0);
	redirect_pin(&r, 7, 1, 42, 0);
	assert_int_equal(redirect_find(&r, 7, 1, REDIRECT_PIN, 10)->draft, 42);
	assert_int_equal(redirect_find(&r, 8, 1, REDIRECT_PIN, 10)->draft, 41);
	assert_int_equal(r.n, 2);
}

static void a_thread_removes_one_token_at_a_time(void **state)
{
	static struct redirects r;

	(void)state;
	redirect_remove(&r, 7, 1, 40, 0);
	redirect_remove(&r, 8, 1, 40, 0);
	redirect_remove(&r, 7, 2, 41, 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(redirect_removal(&r, 7, 10)->slot, 2);
	assert_int_equal(redirect_removal(&r, 7, 10)->draft, 41);
	redirect_end_removal(&r, 7);
	assert_null(redirect_removal(&r, 7, 10));
	assert_non_null(redirect_removal(&r, 8, 10));
}

static void what_is_removed_is_found_for_a_moment_only(void **state)
{
	static struct redirects r;

	(void)state;
	redirect_remove(&r, 7, 1, 40, 0);
	assert_int_equal(redirect_removal(&r, 7, 14000)->kind, REDIRECT_REMOVE);
	redirect_removed(&r, 7, 2, 14000); /* another one's */
	assert_int_equal(redirect_removal(&r, 7, 14000)->kind, REDIRECT_REMOVE);
	redirect_removed(&r, 7, 1, 14000);
	assert_int_equal(redirect_removal(&r, 7, 16000)->kind, REDIRECT_REMOVED);
	assert_null(redirect_removal(&r, 7, 18000));
}

static void who_waits_long_keeps_his_mark(void **state)
{
	static struct redirects r;

	(void)state;
	redirect_remove(&r, 7, 1, 40, 0);
	for (pid_t tid = 100; tid < 100 + 2 * REDIRECTS_MAX; tid++)
		redirect_note(&r, tid, 1, REDIRECT_READ, 1);
	assert_int_equal(r.n, REDIRECTS_MAX);
	assert_non_null(redirect_removal(&r, 7, 1));
	for (pid_t tid = 100; tid < 100 + 2 * REDIRECTS_MAX; tid++)
		redirect_remove(&r, tid, 1, 40, 1);
	assert_int_equal(r.n, REDIRECTS_MAX);
}

static void what_was_told_is_not_on_its_way(void **state)
{
	static struct redirects r;
	struct redirect before;

	(void)state;
	redirect_remove(&r, 7, 1, 40, 0);
	redirect_removed(&r, 7, 1, 100);
	redirect_tell(&r, 7, 13, &before);
	assert_int_equal(redirect_removal(&r, 7, 100)->kind, REDIRECT_TOLD);
	assert_int_equal(redirect_removal(&r, 7, 100)->draft, 13);
	redirect_untell(&r, &before); /* nobody heard it */
	assert_int_equal(redirect_removal(&r, 7, 100)->kind, REDIRECT_REMOVED);
	assert_int_equal(redirect_removal(&r, 7, 100)->draft, 40);
	redirect_tell(&r, 7, 0, &before);
	redirect_remove(&r, 7, 2, 41, 200); /* the next one */
	assert_int_equal(r.n, 1);
	assert_int_equal(redirect_removal(&r, 7, 200)->kind, REDIRECT_REMOVE);
	redirect_tell(&r, 0, 0, &before); /* cannot be seen: has no mark */
	redirect_untell(&r, &before);
	assert_int_equal(r.n, 1);
}

static void each_writer_has_a_draft_of_its_own(void **state)
{
	static struct redirects r;
	uint32_t first;

	(void)state;
	r.drafts = 41;
	redirect_note(&r, 1, 5, REDIRECT_WRITE, 0);
	redirect_note(&r, 2, 5, REDIRECT_WRITE, 0);
	first = redirect_find(&r, 1, 5, REDIRECT_WRITE, 0)->draft;
	assert_int_equal(first, 42);
	assert_int_not_equal(first, redirect_find(&r, 2, 5, REDIRECT_WRITE, 0)->draft);
}

static void a_hidden_name_tells_old_and_new_and_nothing_else_does(void **state)
{
	struct announcement a = { .old_ino = inode_number(FACET_VALUE, 9, 3),
				  .new_ino = inode_number(FACET_VALUE, 9, 4) };
	uint64_t old_ino = 0, new_ino = 0;
	char name[64];

	(void)state;
	announce_hidden_name(&a, name);
	assert_true(announce_parse(name, &old_ino, &new_ino));
	assert_true(old_ino == a.old_ino && new_ino == a.new_ino);
	assert_false(announce_parse("access_token", &old_ino, &new_ino));
	assert_false(announce_parse(".next-", &old_ino, &new_ino));
	assert_false(announce_parse(".next-12", &old_ino, &new_ino));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_says_what_it_was_made_of),
		cmocka_unit_test(generations_and_facets_have_numbers_of_their_own),
		cmocka_unit_test(a_thread_is_known_again_for_its_slot_and_kind_only),
		cmocka_unit_test(a_mark_has_its_time_and_its_place_is_used_again),
		cmocka_unit_test(when_there_are_too_many_marks_the_oldest_goes),
		cmocka_unit_test(threads_that_cannot_be_seen_share_their_marks),
		cmocka_unit_test(a_thread_is_told_what_its_last_open_got),
		cmocka_unit_test(each_writer_has_a_draft_of_its_own),
		cmocka_unit_test(a_thread_removes_one_token_at_a_time),
		cmocka_unit_test(what_is_removed_is_found_for_a_moment_only),
		cmocka_unit_test(who_waits_long_keeps_his_mark),
		cmocka_unit_test(what_was_told_is_not_on_its_way),
		cmocka_unit_test(a_hidden_name_tells_old_and_new_and_nothing_else_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
