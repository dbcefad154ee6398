/* SPDX-License-Identifier: Apache-2.0 */
#include "redirect.h"

#define MARK_MS 3000

/* REDIRECTS_MAX is a multiple of it. */
#define EXPIRE_EVERY 64

/* A revocation and its wait for its turn: 10 s at most. */
#define REMOVE_MS 15000

/* From an open to its fstat, over the death of a worker between the two. */
#define PIN_MS 1000

static void expire(struct redirects *r, int64_t now)
{
	for (uint32_t i = 0; i < r->n;) {
		if (r->at[i].until < now)
			r->at[i] = r->at[--r->n];
		else
			i++;
	}
}

void redirect_clear(struct redirects *r, pid_t tid, uint32_t slot, enum redirect_kind kind)
{
	for (uint32_t i = 0; tid && i < r->n;) {
		const struct redirect *one = &r->at[i];

		if (one->tid == tid && one->slot == slot && one->kind == kind)
			r->at[i] = r->at[--r->n];
		else
			i++;
	}
}

static bool is_removal(const struct redirect *one, pid_t tid)
{
	return one->tid == tid &&
	       (one->kind == REDIRECT_REMOVE || one->kind == REDIRECT_REMOVED ||
		one->kind == REDIRECT_TOLD);
}

/* Who removes waits for a server, with nothing but his mark; the others come back at once. */
static uint32_t dispensable(const struct redirects *r)
{
	uint32_t oldest = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		bool waits = is_removal(&r->at[i], r->at[i].tid);
		bool waits_too = is_removal(&r->at[oldest], r->at[oldest].tid);

		if (waits < waits_too || (waits == waits_too && r->at[i].until < r->at[oldest].until))
			oldest = i;
	}
	return oldest;
}

/*
 * A free place, or that of a mark which has had its time. Those are looked for now and then: each open
 * goes through all there are.
 */
static struct redirect *place(struct redirects *r, int64_t now)
{
	if (r->n && r->n % EXPIRE_EVERY == 0)
		expire(r, now);
	if (r->n == REDIRECTS_MAX) {
		uint32_t i = dispensable(r);

		r->at[i] = r->at[--r->n];
	}
	return &r->at[r->n];
}

static void put(struct redirects *r, const struct redirect *mark, int64_t now)
{
	redirect_clear(r, mark->tid, mark->slot, mark->kind);
	*place(r, now) = *mark;
	r->n++;
}

void redirect_note(struct redirects *r, pid_t tid, uint32_t slot, enum redirect_kind kind, int64_t now)
{
	put(r,
	    &(struct redirect){ .tid = tid,
				.slot = slot,
				.kind = kind,
				.draft = ++r->drafts,
				.until = now + MARK_MS },
	    now);
}

void redirect_pin(struct redirects *r, pid_t tid, uint32_t slot, uint32_t generation, int64_t now)
{
	put(r,
	    &(struct redirect){ .tid = tid,
				.slot = slot,
				.kind = REDIRECT_PIN,
				.draft = generation,
				.until = now + PIN_MS },
	    now);
}

const struct redirect *redirect_find(struct redirects *r, pid_t tid, uint32_t slot,
				     enum redirect_kind kind, int64_t now)
{
	for (uint32_t i = 0; i < r->n; i++) {
		const struct redirect *one = &r->at[i];

		if (one->tid == tid && one->slot == slot && one->kind == kind && one->until >= now)
			return one;
	}
	return NULL;
}

uint32_t redirect_pinned(struct redirects *r, pid_t tid, uint32_t slot, int64_t since, int64_t now)
{
	const struct redirect *pin = redirect_find(r, tid, slot, REDIRECT_PIN, now);

	return pin && pin->until - PIN_MS >= since ? pin->draft : 0;
}

static struct redirect *removal(struct redirects *r, pid_t tid)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (is_removal(&r->at[i], tid))
			return &r->at[i];
	return NULL;
}

void redirect_end_removal(struct redirects *r, pid_t tid)
{
	struct redirect *one = removal(r, tid);

	if (one)
		*one = r->at[--r->n];
}

void redirect_remove(struct redirects *r, pid_t tid, uint32_t slot, uint32_t generation, int64_t now)
{
	redirect_end_removal(r, tid);
	put(r,
	    &(struct redirect){ .tid = tid,
				.slot = slot,
				.kind = REDIRECT_REMOVE,
				.draft = generation,
				.until = now + REMOVE_MS },
	    now);
}

const struct redirect *redirect_removal(struct redirects *r, pid_t tid, int64_t now)
{
	const struct redirect *one = removal(r, tid);

	return one && one->until >= now ? one : NULL;
}

void redirect_removed(struct redirects *r, pid_t tid, uint32_t slot, int64_t now)
{
	struct redirect *one = removal(r, tid);

	if (!one || one->slot != slot)
		return;
	one->kind = REDIRECT_REMOVED;
	one->until = now + MARK_MS;
}

void redirect_tell(struct redirects *r, pid_t tid, int error, struct redirect *ret_before)
{
	struct redirect *one = removal(r, tid);

	*ret_before = one ? *one : (struct redirect){ 0 };
	if (!one)
		return;
	one->draft = (uint32_t)error;
	__atomic_store_n(&one->kind, REDIRECT_TOLD, __ATOMIC_RELEASE);
}

void redirect_untell(struct redirects *r, const struct redirect *before)
{
	struct redirect *one = removal(r, before->tid);

	if (before->tid && one)
		*one = *before;
}
