/* SPDX-License-Identifier: Apache-2.0 */
#include "unregister.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct removal {
	struct directory *directory;
	struct fetch *fetch;
	unregister_done *done;
	void *ctx;
};

static void end(struct removal *r, int error, const struct sentence *why)
{
	unregister_done *done = r->done;
	void *ctx = r->ctx;

	free(r);
	done(ctx, error, why);
}

static void drop_grant(struct store_change *c, struct grant *g)
{
	grant_hold(g, NULL);
	grant_reopens(g);
	if (g->id)
		store_drop_grant(c, g->id);
	g->id = 0;
}

static void drop_slot(struct store_change *c, struct slot *s)
{
	struct tree *t = s->directory->tree;
	uint32_t old = s->generation;

	if (s->grant->own)
		drop_grant(c, s->grant);
	if (!s->live || !s->live->newest)
		return;
	s->live->epoch++;
	slot_chill(s);
	store_drop_tokens(c, s->id, UINT32_MAX);
	t->events.rotated(t->events.ctx, s, old);
}

static void on_forgotten(void *ctx, int error)
{
	struct removal *r = ctx;
	struct sentence why = { "" };

	fetch_end(r->fetch);
	if (error)
		sentence_set(&why, "the server has removed the client, but that could not be stored: %s",
			     strerror(-error));
	end(r, error, &why);
}

static void forget(struct removal *r)
{
	struct directory *d = r->directory;
	struct store_change *c;

	login_forget(&d->login);
	c = store_begin(d->account.engine->store);
	account_register(&d->account, NULL);
	store_drop_registration(c, d->id);
	drop_grant(c, &d->grant);
	for (size_t i = 0; i < d->slots.n; i++)
		drop_slot(c, d->slots.at[i]);
	store_commit(c, on_forgotten, r);
}

static void on_removed(void *ctx, struct fetch *f, const struct fetch_result *result)
{
	struct removal *r = ctx;
	struct sentence why = *result->why;

	r->fetch = f;
	if (!result->error) {
		forget(r);
		return;
	}
	fetch_end(f);
	end(r, result->error, &why);
}

void unregister_begin(struct directory *d, unregister_done *done, void *ctx)
{
	struct fetch_order order = { .purpose = PURPOSE_UNREGISTER, .name = "" };
	struct removal *r = calloc(1, sizeof *r);
	struct sentence why;
	int error = -ENOMEM;

	sentence_set(&why, "%s has registered no client at its server", d->name);
	if (r && !d->account.registration)
		error = -ENOENT;
	if (!r || !d->account.registration) {
		free(r);
		done(ctx, error, &why);
		return;
	}
	*r = (struct removal){ .directory = d, .done = done, .ctx = ctx };
	error = fetch_start(&d->grant, &order, on_removed, r, &r->fetch);
	if (error)
		end(r, error, &why);
}
