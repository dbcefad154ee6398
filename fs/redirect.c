/* SPDX-License-Identifier: Apache-2.0 */
#include "redirect.h"

#include <errno.h>
#include <stdlib.h>

#define MARK_MS 1000

void redirects_init(struct redirects *r, uint32_t first_draft)
{
	*r = (struct redirects){ .drafts = first_draft };
}

void redirects_finish(struct redirects *r)
{
	free(r->at);
	*r = (struct redirects){ 0 };
}

static void expire(struct redirects *r, int64_t now)
{
	for (size_t i = 0; i < r->n;) {
		if (r->at[i].until < now)
			r->at[i] = r->at[--r->n];
		else
			i++;
	}
}

int redirect_note(struct redirects *r, pid_t tid, uint32_t slot, enum redirect_kind kind,
		  int64_t now)
{
	if (r->n == r->room) {
		size_t room;
		struct redirect *more;

		expire(r, now);
		room = r->n * 2 < 16 ? 16 : r->n * 2;
		more = reallocarray(r->at, room, sizeof *more);
		if (!more)
			return -ENOMEM;
		r->at = more;
		r->room = room;
	}
	r->at[r->n++] = (struct redirect){
		.tid = tid, .slot = slot, .kind = kind, .draft = ++r->drafts, .until = now + MARK_MS
	};
	return 0;
}

const struct redirect *redirect_find(struct redirects *r, pid_t tid, uint32_t slot,
				     enum redirect_kind kind, int64_t now)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct redirect *one = &r->at[i];

		if (one->tid == tid && one->slot == slot && one->kind == kind && one->until >= now)
			return one;
	}
	return NULL;
}

void redirect_clear(struct redirects *r, pid_t tid, uint32_t slot, enum redirect_kind kind)
{
	for (size_t i = 0; tid && i < r->n;) {
		const struct redirect *one = &r->at[i];

		if (one->tid == tid && one->slot == slot && one->kind == kind)
			r->at[i] = r->at[--r->n];
		else
			i++;
	}
}
