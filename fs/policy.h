/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy: when a token may be handed out, when it is renewed, when to try again after a failure.
 * Pure functions of times, in ms; the clock is whoever calls. All moments are CLOCK_BOOTTIME.
 *
 *	issued                      renew_at        expires - margin    expires
 *	  |------------ fresh ----------|----- fresh, renewed -----|- alive -|  over
 *
 * Fresh: handed out as it is. Alive: handed out only while a new one cannot be had.
 */
#ifndef TOKENFS_POLICY_H
#define TOKENFS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#define POLICY_NEVER INT64_MAX

/* The longest wait after a failure of the network (contract 2). */
#define POLICY_BACKOFF_MAX_MS 30000

/* How long a refusal of what one slot asks for (scope, role) holds before it is asked again. */
#define POLICY_FORBIDDEN_MS 300000

/*
 * An old generation is kept for at least this long (contract 4). Then whoever still has its number, and
 * no name (a single-file bind mount), is shown the newest one: the number follows.
 */
#define POLICY_KEEP_OLD_MS 10000

/* … and where descriptors of it are open, which a change of its size would cut off, for this long. */
#define POLICY_KEEP_OPEN_MS 14000

/*
 * A number that follows moves on to the next generation when nobody opened it for a moment, or when it
 * has followed for a while and nobody has it open: an open and its fstat agree.
 */
#define POLICY_FOLLOW_PAUSE_MS 100
#define POLICY_FOLLOW_MAX_MS 2000

/* The margin that applies to a token of this life: what is configured, or a tenth of the life. */
int64_t policy_margin(int64_t configured_ms, int64_t life_ms);

bool policy_fresh(int64_t now, int64_t expires, int64_t margin_ms);
bool policy_alive(int64_t now, int64_t expires);

/*
 * When a token is renewed ahead: a fifth of its life, at most five minutes, before the margin begins,
 * spread by `random` over a quarter of that, so that tokens fetched together part. POLICY_NEVER for a
 * token that does not expire.
 */
int64_t policy_renew_at(int64_t issued, int64_t expires, int64_t margin_ms, uint32_t random);

/*
 * When to try again after the `failures`-th transient failure in a row (1: the first): 1 s, 2 s, 4 s,
 * … POLICY_BACKOFF_MAX_MS, each shortened by up to a quarter (wire C10). A server's Retry-After
 * (`asked_ms`, -1 none) is waited for in full, an hour at most.
 */
int64_t policy_retry_at(int64_t now, unsigned int failures, int64_t asked_ms, uint32_t random);

/* How long the kernel may keep a name: until its generation must no longer be handed out; in ms. */
int64_t policy_name_ms(int64_t now, int64_t expires, int64_t margin_ms);

#endif
