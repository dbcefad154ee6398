/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

#define NOT_ARMED INT64_MAX

/* A timer's place is its index in the heap, or this plus its index among the due ones. */
#define PLACE_DUE (SIZE_MAX / 2 + 1)

struct loop {
	struct loop_waiter waiter;
	struct watch *watches;

	/* What is polled in this turn: the timerfd, then the watches; NULL once it is unwatched. */
	struct pollfd *fds;
	struct watch **polled;
	size_t n_polled, polled_size;

	/* A binary heap, the earliest first, in heap[1] to heap[n_heap]. */
	struct timer **heap;
	size_t n_heap;
	/* The timers whose moment has come, while they are being called; NULL once stopped. */
	struct timer **due;
	size_t n_due;
	size_t timer_size; /* of heap and due */

	int timer_fd;
	int64_t armed_ms; /* when timer_fd wakes us */

	int64_t now_ms, now_us, wall_ms;
	int64_t spin_us, spin_until_us;
	bool stopped;
};

static int64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void read_clocks(struct loop *loop)
{
	loop->now_us = clock_us(CLOCK_BOOTTIME);
	loop->now_ms = loop->now_us / 1000;
	loop->wall_ms = clock_us(CLOCK_REALTIME) / 1000;
}

static void heap_set(struct loop *loop, size_t place, struct timer *t)
{
	loop->heap[place] = t;
	t->place = place;
}

static void heap_up(struct loop *loop, struct timer *t)
{
	size_t place = t->place;

	while (place > 1 && loop->heap[place / 2]->at_ms > t->at_ms) {
		heap_set(loop, place, loop->heap[place / 2]);
		place /= 2;
	}
	heap_set(loop, place, t);
}

static void heap_down(struct loop *loop, struct timer *t)
{
	size_t place = t->place, child;

	while ((child = place * 2) <= loop->n_heap) {
		if (child < loop->n_heap && loop->heap[child + 1]->at_ms < loop->heap[child]->at_ms)
			child++;
		if (loop->heap[child]->at_ms >= t->at_ms)
			break;
		heap_set(loop, place, loop->heap[child]);
		place = child;
	}
	heap_set(loop, place, t);
}

static void heap_remove(struct loop *loop, struct timer *t)
{
	struct timer *last = loop->heap[loop->n_heap--];

	if (last != t) {
		heap_set(loop, t->place, last);
		heap_up(loop, last);
		heap_down(loop, last);
	}
	t->place = 0;
}

/* Both arrays grow together, so that making timers due never needs memory. */
static int timers_grow(struct loop *loop)
{
	size_t size = loop->timer_size ? loop->timer_size * 2 : 16;
	struct timer **heap, **due;

	heap = reallocarray(loop->heap, size, sizeof(struct timer *));
	if (!heap)
		return -ENOMEM;
	loop->heap = heap;
	due = reallocarray(loop->due, size, sizeof(struct timer *));
	if (!due)
		return -ENOMEM;
	loop->due = due;
	loop->timer_size = size;
	return 0;
}

/*
 * The timerfd may wake us too early (a timer that was moved or stopped leaves it as it was), never
 * too late: so timers that come and go with every request cost no system call.
 */
static int arm(struct loop *loop)
{
	struct itimerspec when = { 0 };
	int64_t at_ms;

	if (!loop->n_heap)
		return 0;
	at_ms = loop->heap[1]->at_ms;
	if (at_ms >= loop->armed_ms || at_ms <= loop->now_ms)
		return 0;

	when.it_value.tv_sec = at_ms / 1000;
	when.it_value.tv_nsec = at_ms % 1000 * 1000000;
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		return -errno;
	loop->armed_ms = at_ms;
	return 0;
}

static void hear_timer_fd(struct loop *loop)
{
	uint64_t times;

	if (!loop->fds[0].revents)
		return;
	if (read(loop->timer_fd, &times, sizeof times) == sizeof times)
		loop->armed_ms = NOT_ARMED;
}

static int polled_grow(struct loop *loop)
{
	size_t size = loop->polled_size ? loop->polled_size * 2 : 16;
	struct watch **polled;
	struct pollfd *fds;

	fds = reallocarray(loop->fds, size, sizeof *fds);
	if (!fds)
		return -ENOMEM;
	loop->fds = fds;
	polled = reallocarray(loop->polled, size, sizeof(struct watch *));
	if (!polled)
		return -ENOMEM;
	loop->polled = polled;
	loop->polled_size = size;
	return 0;
}

/* Anew each turn: `events` of a watch may have been changed by anybody. */
static int gather(struct loop *loop)
{
	struct watch *w;
	size_t n = 1;
	int r;

	for (w = loop->watches; w; w = w->next, n++) {
		if (n == loop->polled_size) {
			r = polled_grow(loop);
			if (r < 0)
				return r;
		}
		loop->fds[n] = (struct pollfd){ .fd = w->fd, .events = w->events };
		loop->polled[n] = w;
	}
	loop->fds[0] = (struct pollfd){ .fd = loop->timer_fd, .events = POLLIN };
	loop->polled[0] = NULL;
	loop->n_polled = n;
	return 0;
}

static bool timer_is_due(const struct loop *loop)
{
	return loop->n_heap && loop->heap[1]->at_ms <= loop->now_ms;
}

static bool is_spinning(const struct loop *loop)
{
	return loop->now_us < loop->spin_until_us;
}

static bool anything_ready(const struct loop *loop)
{
	for (size_t i = 0; i < loop->n_polled; i++)
		if (loop->fds[i].revents)
			return true;
	return false;
}

static int wait_for_something(struct loop *loop)
{
	int timeout_ms = timer_is_due(loop) || is_spinning(loop) ? 0 : -1;
	unsigned int n = (unsigned int)loop->n_polled;
	int r = 0;

	if (loop->waiter.wait)
		r = loop->waiter.wait(loop->waiter.ctx, loop->fds, n, timeout_ms);
	else if (poll(loop->fds, n, timeout_ms) < 0)
		r = -errno;
	if (r == -EINTR) {
		for (n = 0; n < loop->n_polled; n++)
			loop->fds[n].revents = 0;
		r = 0;
	}
	/* Spinning must not keep this core from who was just answered. */
	if (!r && is_spinning(loop) && !anything_ready(loop))
		sched_yield();
	return r;
}

/* True when something was called. */
static bool dispatch_watches(struct loop *loop)
{
	bool called = false;
	struct watch *w;
	short revents;
	size_t i;

	for (i = 1; i < loop->n_polled; i++) {
		w = loop->polled[i];
		if (!w)
			continue;
		/* a callback before this one may have changed what is wanted */
		revents = loop->fds[i].revents & (w->events | POLLERR | POLLHUP | POLLNVAL);
		if (!revents)
			continue;
		called = true;
		w->ready(w, revents);
	}
	loop->n_polled = 0;
	return called;
}

/* What is due is taken out first: a timer that starts itself again for now waits for its turn. */
static bool dispatch_timers(struct loop *loop)
{
	struct timer *t;
	size_t i;

	while (loop->n_heap && loop->heap[1]->at_ms <= loop->now_ms) {
		t = loop->heap[1];
		heap_remove(loop, t);
		t->place = PLACE_DUE + loop->n_due;
		loop->due[loop->n_due++] = t;
	}
	for (i = 0; i < loop->n_due; i++) {
		t = loop->due[i];
		if (!t)
			continue;
		t->place = 0;
		t->due(t);
	}
	loop->n_due = 0;
	return i > 0;
}

static int turn(struct loop *loop)
{
	bool called;
	int r;

	r = arm(loop);
	if (r < 0)
		return r;
	r = gather(loop);
	if (r < 0)
		return r;
	r = wait_for_something(loop);
	if (r < 0)
		return r;

	read_clocks(loop);
	hear_timer_fd(loop);
	called = dispatch_watches(loop);
	if (loop->waiter.work)
		loop->waiter.work(loop->waiter.ctx);
	if (dispatch_timers(loop))
		called = true;
	if (called && loop->spin_us)
		loop->spin_until_us = clock_us(CLOCK_BOOTTIME) + loop->spin_us;
	return 0;
}

int loop_create(struct loop **ret)
{
	struct loop *loop;
	int r;

	loop = calloc(1, sizeof *loop);
	if (!loop)
		return -ENOMEM;
	loop->armed_ms = NOT_ARMED;
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	r = loop->timer_fd < 0 ? -errno : polled_grow(loop);
	if (r < 0) {
		loop_destroy(loop);
		return r;
	}
	read_clocks(loop);
	*ret = loop;
	return 0;
}

struct loop *loop_destroy(struct loop *loop)
{
	if (!loop)
		return NULL;
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	free(loop->fds);
	free(loop->polled);
	free(loop->heap);
	free(loop->due);
	free(loop);
	return NULL;
}

void loop_set_waiter(struct loop *loop, const struct loop_waiter *waiter)
{
	loop->waiter = waiter ? *waiter : (struct loop_waiter){ 0 };
}

void loop_watch(struct loop *loop, struct watch *w)
{
	struct watch *other;

	for (other = loop->watches; other; other = other->next)
		if (other == w)
			return;
	w->next = loop->watches;
	loop->watches = w;
}

void loop_unwatch(struct loop *loop, struct watch *w)
{
	struct watch **link;
	size_t i;

	for (link = &loop->watches; *link && *link != w; link = &(*link)->next)
		;
	if (!*link)
		return;
	*link = w->next;
	w->next = NULL;
	for (i = 1; i < loop->n_polled; i++)
		if (loop->polled[i] == w)
			loop->polled[i] = NULL;
}

int timer_start(struct loop *loop, struct timer *t, int64_t at_ms)
{
	int r;

	if (!t->place || t->place >= PLACE_DUE) {
		if (loop->n_heap + 1 >= loop->timer_size) {
			r = timers_grow(loop);
			if (r < 0)
				return r;
		}
		timer_stop(loop, t);
		heap_set(loop, ++loop->n_heap, t);
	}
	t->at_ms = at_ms;
	heap_up(loop, t);
	heap_down(loop, t);
	return 0;
}

void timer_stop(struct loop *loop, struct timer *t)
{
	if (t->place >= PLACE_DUE) {
		loop->due[t->place - PLACE_DUE] = NULL;
		t->place = 0;
	} else if (t->place) {
		heap_remove(loop, t);
	}
}

int64_t loop_now(const struct loop *loop)
{
	return loop->now_ms;
}

int64_t loop_wall(const struct loop *loop)
{
	return loop->wall_ms;
}

void loop_set_spin(struct loop *loop, unsigned int us)
{
	loop->spin_us = us;
	loop->spin_until_us = 0;
}

int loop_run(struct loop *loop)
{
	int r = 0;

	read_clocks(loop);
	while (!loop->stopped && r >= 0)
		r = turn(loop);
	loop->stopped = false;
	return r;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
