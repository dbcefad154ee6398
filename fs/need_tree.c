/* SPDX-License-Identifier: Apache-2.0 */
#include "need_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Tokens that need tokens that need tokens: more in a row mean nothing but a circle. */
#define CHAIN_MAX 64

struct need {
	struct settle settle;
	struct slot *slot;
	struct timer soon; /* it is there already, but nobody is called from inside */
	need_done *done;
	void *ctx;
};

static struct loop *loop_of(const struct need *n)
{
	return n->slot->directory->account.engine->loop;
}

static int find(const struct tree *t, const char *path, struct sentence *why, struct slot **ret)
{
	const char *slash = strchr(path, '/');
	char provider[256] = "";
	const struct directory *d;

	if (slash && (size_t)(slash - path) < sizeof provider)
		memcpy(provider, path, (size_t)(slash - path));
	d = tree_directory(t, provider);
	*ret = d ? directory_slot(d, slash + 1) : NULL;
	if (*ret)
		return 0;
	if (d && d->account.config->type->undeclared && directory_needs_person(d)) {
		sentence_set(why, "%s is not there yet: log in for it by writing {} to it", path);
		return -ENOKEY;
	}
	sentence_set(why, "%s is no token of this mount: correct its name", path);
	return -ENOENT;
}

/*
 * Whether the slot's token could come only after `who` is done: its grant's queue, or one that the head
 * of it waits for, is the one that `who` is the head of.
 */
static bool waits_for(const struct slot *s, const struct fetch *who)
{
	const struct fetch *head;
	const struct need *n;

	for (int steps = 0; s; steps++) {
		if (steps == CHAIN_MAX)
			return true;
		if (slot_fresh(s))
			return false;
		if (s->grant == fetch_grant(who))
			return true;
		head = s->grant->first;
		n = head ? fetch_need(head) : NULL;
		s = n ? n->slot : NULL;
	}
	return false;
}

static void answer(struct need *n, int error)
{
	struct generation *g = slot_alive(n->slot);
	const struct failure *f = slot_failure(n->slot);
	struct sentence why = { "" };
	need_done *done = n->done;
	void *ctx = n->ctx;

	if (!error && !g)
		error = -EPROTO;
	sentence_set(&why, "%s", f && f->why.text[0] ? f->why.text : strerror(-error));
	free(n);
	done(ctx, error, error ? NULL : g->token, &why);
}

static void on_settled(struct settle *settle, int error)
{
	answer((struct need *)(void *)settle, error);
}

static void on_soon(struct timer *t)
{
	answer(t->ctx, 0);
}

static int start(struct need *n)
{
	int r = slot_settle(n->slot, &n->settle);

	if (r == SETTLE_NOW)
		r = timer_start(loop_of(n), &n->soon, 0);
	return r < 0 ? r : 0;
}

static int begin(void *tree, const char *path, const struct fetch *who, need_done *done, void *ctx,
		 struct sentence *why, struct need **ret)
{
	const struct failure *f;
	struct need *n;
	struct slot *s;
	int r = find(tree, path, why, &s);

	if (r)
		return r;
	if (waits_for(s, who)) {
		sentence_set(why, "%s cannot be had first: it waits for this very token", path);
		return -ELOOP;
	}
	n = calloc(1, sizeof *n);
	if (!n)
		return -ENOMEM;
	*n = (struct need){ .slot = s, .done = done, .ctx = ctx };
	n->settle.done = on_settled;
	n->soon = (struct timer){ .due = on_soon, .ctx = n };
	r = start(n);
	if (r) {
		f = slot_failure(s);
		sentence_set(why, "%s: %s", path, f ? f->why.text : strerror(-r));
		free(n);
		return r;
	}
	*ret = n;
	return 0;
}

static void cancel(struct need *n)
{
	slot_abandon(&n->settle);
	timer_stop(loop_of(n), &n->soon);
	free(n);
}

static struct token *look(void *tree, const char *path)
{
	struct sentence why;
	struct generation *g;
	struct slot *s;

	if (find(tree, path, &why, &s))
		return NULL;
	g = slot_alive(s);
	return g ? g->token : NULL;
}

void need_serve(struct tree *t)
{
	t->needs = (struct needs){ .begin = begin, .cancel = cancel, .look = look, .tree = t };
}
