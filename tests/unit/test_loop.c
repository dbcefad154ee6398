/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop.h"

#define N_TIMERS 500

struct bench {
	struct loop *loop;
	int pipe[2];
};

static void set_up(struct bench *b)
{
	assert_int_equal(loop_create(&b->loop), 0);
	assert_int_equal(pipe(b->pipe), 0);
}

static void tear_down(struct bench *b)
{
	close(b->pipe[0]);
	close(b->pipe[1]);
	assert_null(loop_destroy(b->loop));
}

static void make_ready(struct bench *b)
{
	assert_int_equal(write(b->pipe[1], "x", 1), 1);
}

static void stop_due(struct timer *t)
{
	loop_stop(t->ctx);
}

static void run_for(struct loop *loop, int64_t ms)
{
	struct timer end = { .due = stop_due, .ctx = loop };

	assert_int_equal(timer_start(loop, &end, loop_now(loop) + ms), 0);
	assert_int_equal(loop_run(loop), 0);
	timer_stop(loop, &end);
}

/* timers */

struct seen {
	struct loop *loop;
	int64_t last_ms;
	size_t count;
	bool early, disordered;
};

static void note_due(struct timer *t)
{
	struct seen *seen = t->ctx;

	seen->early |= loop_now(seen->loop) < t->at_ms;
	seen->disordered |= t->at_ms < seen->last_ms;
	seen->last_ms = t->at_ms;
	seen->count++;
}

static void timers_are_called_once_each_in_order_and_never_early(void **state)
{
	static struct timer timers[N_TIMERS];
	struct bench b;
	struct seen seen = { 0 };
	size_t i, stopped = 0;
	unsigned int random = 1;

	(void)state;
	set_up(&b);
	seen.loop = b.loop;
	memset(timers, 0, sizeof timers);
	for (i = 0; i < N_TIMERS * 3; i++) {
		struct timer *t = &timers[i % N_TIMERS];

		random = random * 1103515245u + 12345u;
		t->due = note_due;
		t->ctx = &seen;
		assert_int_equal(timer_start(b.loop, t, loop_now(b.loop) + (random >> 16) % 40), 0);
	}
	for (i = 0; i < N_TIMERS; i += 7, stopped++)
		timer_stop(b.loop, &timers[i]);
	run_for(b.loop, 60);
	assert_int_equal(seen.count, N_TIMERS - stopped);
	assert_false(seen.early);
	assert_false(seen.disordered);
	for (i = 0; i < N_TIMERS; i++)
		assert_int_equal(timers[i].place, 0);
	tear_down(&b);
}

static void a_timer_that_was_moved_is_called_at_its_new_time_only(void **state)
{
	struct bench b;
	struct seen seen = { 0 };
	struct timer t = { .due = note_due, .ctx = &seen };

	(void)state;
	set_up(&b);
	seen.loop = b.loop;
	timer_start(b.loop, &t, loop_now(b.loop) + 5);
	timer_start(b.loop, &t, loop_now(b.loop) + 3600000);
	run_for(b.loop, 15);
	assert_int_equal(seen.count, 0);
	timer_start(b.loop, &t, loop_now(b.loop) + 5);
	run_for(b.loop, 15);
	assert_int_equal(seen.count, 1);
	assert_false(seen.early);
	tear_down(&b);
}

struct again {
	struct loop *loop;
	size_t count;
	struct watch watch;
};

static void start_again(struct timer *t)
{
	struct again *a = t->ctx;

	a->count++;
	timer_start(a->loop, t, loop_now(a->loop));
}

static void stop_ready(struct watch *w, short revents)
{
	assert_true(revents & POLLIN);
	loop_stop(w->ctx);
}

static void a_timer_that_is_always_due_starves_no_descriptor(void **state)
{
	struct bench b;
	struct again a = { 0 };
	struct timer t = { .due = start_again, .ctx = &a };

	(void)state;
	set_up(&b);
	a.loop = b.loop;
	a.watch = (struct watch){ .fd = b.pipe[0], .events = POLLIN, .ready = stop_ready,
				  .ctx = b.loop };
	loop_watch(b.loop, &a.watch);
	make_ready(&b);
	timer_start(b.loop, &t, loop_now(b.loop) - 1000);
	assert_int_equal(loop_run(b.loop), 0);
	assert_int_equal(a.count, 1);
	timer_stop(b.loop, &t);
	tear_down(&b);
}

struct pair {
	struct loop *loop;
	struct timer *first, *second;
	size_t calls;
};

static void free_the_other_timer(struct timer *t)
{
	struct pair *p = t->ctx;
	struct timer **other = t == p->first ? &p->second : &p->first;

	p->calls++;
	timer_stop(p->loop, *other);
	free(*other);
	*other = NULL;
}

static void a_due_timer_may_be_freed_by_another_one(void **state)
{
	struct bench b;
	struct pair p = { 0 };

	(void)state;
	set_up(&b);
	p.loop = b.loop;
	p.first = calloc(1, sizeof *p.first);
	p.second = calloc(1, sizeof *p.second);
	assert_non_null(p.first);
	assert_non_null(p.second);
	*p.first = *p.second = (struct timer){ .due = free_the_other_timer, .ctx = &p };
	timer_start(b.loop, p.first, loop_now(b.loop) - 1);
	timer_start(b.loop, p.second, loop_now(b.loop) - 1);
	run_for(b.loop, 1);
	assert_int_equal(p.calls, 1);
	free(p.first);
	free(p.second);
	tear_down(&b);
}

static void put_off_the_other(struct timer *t)
{
	struct pair *p = t->ctx;
	struct timer *other = t == p->first ? p->second : p->first;

	if (++p->calls == 1)
		timer_start(p->loop, other, loop_now(p->loop) + 3600000);
}

static void a_due_timer_may_be_put_off_by_another_one(void **state)
{
	struct bench b;
	struct pair p = { 0 };
	struct timer first = { .due = put_off_the_other, .ctx = &p }, second = first;

	(void)state;
	set_up(&b);
	p = (struct pair){ b.loop, &first, &second, 0 };
	timer_start(b.loop, &first, loop_now(b.loop) - 1);
	timer_start(b.loop, &second, loop_now(b.loop) - 1);
	run_for(b.loop, 5);
	assert_int_equal(p.calls, 1);
	timer_start(b.loop, first.place ? &first : &second, loop_now(b.loop) + 1);
	run_for(b.loop, 5);
	assert_int_equal(p.calls, 2);
	tear_down(&b);
}

/* watches */

struct watchers {
	struct loop *loop;
	struct watch *watches[3];
	size_t calls;
};

static void free_all_watches(struct watch *w, short revents)
{
	struct watchers *all = w->ctx;
	size_t i;

	(void)revents;
	all->calls++;
	for (i = 0; i < 3; i++) {
		loop_unwatch(all->loop, all->watches[i]);
		free(all->watches[i]);
	}
}

static void ready_watches_may_be_freed_by_any_one_of_them(void **state)
{
	struct bench b;
	struct watchers all = { 0 };
	size_t i;

	(void)state;
	set_up(&b);
	all.loop = b.loop;
	make_ready(&b);
	for (i = 0; i < 3; i++) {
		all.watches[i] = calloc(1, sizeof *all.watches[i]);
		assert_non_null(all.watches[i]);
		*all.watches[i] = (struct watch){ .fd = b.pipe[0], .events = POLLIN,
						  .ready = free_all_watches, .ctx = &all };
		loop_watch(b.loop, all.watches[i]);
	}
	run_for(b.loop, 5);
	assert_int_equal(all.calls, 1);
	tear_down(&b);
}

static void want_nothing(struct watch *w, short revents)
{
	struct watchers *all = w->ctx;
	size_t i;

	(void)revents;
	all->calls++;
	for (i = 0; i < 3; i++)
		all->watches[i]->events = 0;
}

static void changed_events_count_at_once(void **state)
{
	struct watch watches[3];
	struct watchers all = { 0 };
	struct bench b;
	size_t i;

	(void)state;
	set_up(&b);
	make_ready(&b);
	for (i = 0; i < 3; i++) {
		watches[i] = (struct watch){ .fd = b.pipe[0], .events = POLLIN,
					     .ready = want_nothing, .ctx = &all };
		all.watches[i] = &watches[i];
		loop_watch(b.loop, &watches[i]);
		loop_watch(b.loop, &watches[i]);
	}
	run_for(b.loop, 5);
	assert_int_equal(all.calls, 1);
	watches[1].events = POLLIN;
	run_for(b.loop, 5);
	assert_int_equal(all.calls, 2);
	for (i = 0; i < 3; i++) {
		loop_unwatch(b.loop, &watches[i]);
		loop_unwatch(b.loop, &watches[i]);
	}
	watches[0].events = POLLIN;
	run_for(b.loop, 5);
	assert_int_equal(all.calls, 2);
	tear_down(&b);
}

static void note_hang_up(struct watch *w, short revents)
{
	struct watchers *all = w->ctx;

	assert_true(revents & POLLHUP);
	all->calls++;
	loop_unwatch(all->loop, w);
	loop_stop(all->loop);
}

static void a_hang_up_is_told_though_nobody_asked_for_it(void **state)
{
	struct bench b;
	struct watchers all = { 0 };
	struct watch w = { .ready = note_hang_up, .ctx = &all };

	(void)state;
	set_up(&b);
	all.loop = b.loop;
	w.fd = b.pipe[0];
	loop_watch(b.loop, &w);
	close(b.pipe[1]);
	b.pipe[1] = dup(b.pipe[0]);
	assert_int_equal(loop_run(b.loop), 0);
	assert_int_equal(all.calls, 1);
	tear_down(&b);
}

static void count_once(struct watch *w, short revents)
{
	size_t *count = w->ctx;

	(void)revents;
	w->events = 0;
	(*count)++;
}

static void more_watches_than_were_ever_seen_are_all_served(void **state)
{
	struct watch watches[100];
	struct bench b;
	size_t i, count = 0;

	(void)state;
	set_up(&b);
	make_ready(&b);
	for (i = 0; i < 100; i++) {
		watches[i] = (struct watch){ .fd = b.pipe[0], .events = POLLIN,
					     .ready = count_once, .ctx = &count };
		loop_watch(b.loop, &watches[i]);
		if (i % 9 == 0)
			run_for(b.loop, 1);
	}
	run_for(b.loop, 1);
	assert_int_equal(count, 100);
	tear_down(&b);
}

/* waiting */

struct waiting {
	struct loop *loop;
	int64_t now_in_wait, now_in_work;
	size_t sleeps, looks;
	int error;
};

static int wait_and_count(void *ctx, struct pollfd *fds, unsigned int n, int timeout_ms)
{
	struct waiting *w = ctx;

	w->now_in_wait = loop_now(w->loop);
	if (timeout_ms)
		w->sleeps++;
	else
		w->looks++;
	if (w->error)
		return w->error;
	return poll(fds, n, timeout_ms) < 0 ? -errno : 0;
}

static void note_now(void *ctx)
{
	struct waiting *w = ctx;

	w->now_in_work = loop_now(w->loop);
}

static void the_waiter_waits_and_then_works_with_a_new_now(void **state)
{
	struct bench b;
	struct waiting w = { 0 };
	int64_t before;

	(void)state;
	set_up(&b);
	w.loop = b.loop;
	loop_set_waiter(b.loop, &(struct loop_waiter){ wait_and_count, note_now, &w });
	before = loop_now(b.loop);
	run_for(b.loop, 20);
	assert_true(w.sleeps >= 1);
	assert_true(w.now_in_work >= before + 20);
	assert_true(w.now_in_wait < w.now_in_work);
	tear_down(&b);
}

static void an_interrupted_wait_goes_on_and_a_failed_one_ends_the_run(void **state)
{
	struct bench b;
	struct waiting w = { .error = -EINTR };
	struct watch watch = { .events = POLLIN, .ready = stop_ready };
	struct timer end = { .due = stop_due };

	(void)state;
	set_up(&b);
	w.loop = b.loop;
	watch.fd = b.pipe[0];
	watch.ctx = end.ctx = b.loop;
	loop_watch(b.loop, &watch);
	loop_set_waiter(b.loop, &(struct loop_waiter){ .wait = wait_and_count, .ctx = &w });
	timer_start(b.loop, &end, loop_now(b.loop) + 1);
	assert_int_equal(loop_run(b.loop), 0);
	w.error = -EIO;
	assert_int_equal(loop_run(b.loop), -EIO);
	tear_down(&b);
}

static void without_spin_a_served_descriptor_is_followed_by_sleep(void **state)
{
	struct bench b;
	struct waiting w = { 0 };

	(void)state;
	set_up(&b);
	w.loop = b.loop;
	loop_set_waiter(b.loop, &(struct loop_waiter){ .wait = wait_and_count, .ctx = &w });
	run_for(b.loop, 50);
	assert_int_equal(w.looks, 0);
	tear_down(&b);
}

static void with_spin_it_looks_again_and_again_and_then_sleeps(void **state)
{
	struct bench b;
	struct waiting w = { 0 };
	struct seen seen = { 0 };
	struct timer soon = { .due = note_due, .ctx = &seen };

	(void)state;
	set_up(&b);
	seen.loop = w.loop = b.loop;
	loop_set_waiter(b.loop, &(struct loop_waiter){ .wait = wait_and_count, .ctx = &w });
	loop_set_spin(b.loop, 20000);
	timer_start(b.loop, &soon, loop_now(b.loop) - 1);
	run_for(b.loop, 100);
	assert_int_equal(seen.count, 1);
	assert_true(w.looks > 3);
	assert_true(w.sleeps >= 1);
	tear_down(&b);
}

static void a_stop_before_the_run_ends_it_at_once(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b);
	loop_stop(b.loop);
	assert_int_equal(loop_run(b.loop), 0);
	run_for(b.loop, 1);
	tear_down(&b);
	assert_null(loop_destroy(NULL));
}

static void wall_is_the_time_of_day_and_now_the_time_since_boot(void **state)
{
	struct timespec wall, boot;
	struct bench b;

	(void)state;
	set_up(&b);
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	assert_in_range(loop_wall(b.loop), (wall.tv_sec - 5) * 1000, (wall.tv_sec + 5) * 1000);
	assert_in_range(loop_now(b.loop), (boot.tv_sec - 5) * 1000, (boot.tv_sec + 5) * 1000);
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_are_called_once_each_in_order_and_never_early),
		cmocka_unit_test(a_timer_that_was_moved_is_called_at_its_new_time_only),
		cmocka_unit_test(a_timer_that_is_always_due_starves_no_descriptor),
		cmocka_unit_test(a_due_timer_may_be_freed_by_another_one),
		cmocka_unit_test(a_due_timer_may_be_put_off_by_another_one),
		cmocka_unit_test(ready_watches_may_be_freed_by_any_one_of_them),
		cmocka_unit_test(changed_events_count_at_once),
		cmocka_unit_test(a_hang_up_is_told_though_nobody_asked_for_it),
		cmocka_unit_test(more_watches_than_were_ever_seen_are_all_served),
		cmocka_unit_test(the_waiter_waits_and_then_works_with_a_new_now),
		cmocka_unit_test(an_interrupted_wait_goes_on_and_a_failed_one_ends_the_run),
		cmocka_unit_test(without_spin_a_served_descriptor_is_followed_by_sleep),
		cmocka_unit_test(with_spin_it_looks_again_and_again_and_then_sleeps),
		cmocka_unit_test(a_stop_before_the_run_ends_it_at_once),
		cmocka_unit_test(wall_is_the_time_of_day_and_now_the_time_since_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
