/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: the one poll of the worker, and the owner of "now".
 *
 * Everything that happens comes from here: a descriptor that is ready (watch), a moment that has come
 * (timer), or what the waiter itself brings (the HTTP transfers). Nothing blocks but the poll. Time is
 * CLOCK_BOOTTIME in ms, read once a turn, so that suspend counts and clock jumps do not.
 *
 * Watches and timers are embedded in their owner's struct; the loop borrows them until
 * loop_unwatch() / timer_stop(). Callbacks may start and stop any watch and timer, their own too.
 */
#ifndef TOKENFS_LOOP_H
#define TOKENFS_LOOP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/*
 * `wait` waits like poll(2), for `fds` and for what is its own: 0 or -errno. `work` (may be NULL)
 * then does its own work, once "now" is read and the descriptors are served, before the due timers.
 */
struct loop_waiter {
	int (*wait)(void *ctx, struct pollfd *fds, unsigned int n, int timeout_ms);
	void (*work)(void *ctx);
	void *ctx;
};

struct watch {
	int fd;
	short events; /* POLLIN, POLLOUT; may be changed at any time */
	void (*ready)(struct watch *w, short revents);
	void *ctx;
	struct watch *next; /* the loop's */
};

struct timer {
	int64_t at_ms;
	void (*due)(struct timer *t);
	void *ctx;
	size_t place; /* the loop's; 0: not running */
};

int loop_create(struct loop **ret); /* -ENOMEM, or what timerfd_create says */
struct loop *loop_destroy(struct loop *loop);

/* Replaces poll(2) as the way to wait; NULL goes back to it. */
void loop_set_waiter(struct loop *loop, const struct loop_waiter *waiter);

void loop_watch(struct loop *loop, struct watch *w);
void loop_unwatch(struct loop *loop, struct watch *w); /* not watched: nothing */

/* Starts or moves a timer; a moment that is over is due in the next turn. -ENOMEM. */
int timer_start(struct loop *loop, struct timer *t, int64_t at_ms);
void timer_stop(struct loop *loop, struct timer *t); /* not running: nothing */

int64_t loop_now(const struct loop *loop);  /* CLOCK_BOOTTIME, ms, of this turn */
int64_t loop_wall(const struct loop *loop); /* CLOCK_REALTIME, ms since the epoch, of this turn */

/* How long to spin for a ready descriptor before sleeping, in us; 0: never (the default). */
void loop_set_spin(struct loop *loop, unsigned int us);

/* Runs until loop_stop(). 0, or -errno of a poll that failed. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
