/* SPDX-License-Identifier: Apache-2.0 */
/* tree_load: what the store knows becomes a tree, before any configuration says what it means. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "need_tree.h"
#include "policy.h"
#include "tree.h"

/* Grants that no slot has claimed yet, while the store is loaded. */
struct loading {
	struct tree *tree;
	struct stored_grant *grants; /* secrets are referenced, sentences copied */
	size_t n, room;
};

static int load_directory(void *ctx, const struct stored_directory *row)
{
	struct loading *l = ctx;
	struct directory *d;

	int r = tree_add_directory(l->tree, row->id, row->name, row->identity, &d);

	if (!r)
		d->stored = true;
	return r;
}

static int load_grant(void *ctx, const struct stored_grant *row)
{
	struct loading *l = ctx;

	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		struct stored_grant *more = reallocarray(l->grants, room, sizeof *more);

		if (!more)
			return -ENOMEM;
		l->grants = more;
		l->room = room;
	}
	l->grants[l->n] = *row;
	l->grants[l->n].why = row->why ? strdup(row->why) : NULL;
	if (row->secret)
		secret_ref(row->secret);
	l->n++;
	return 0;
}

static int claim_grant(struct loading *l, struct slot *s, uint32_t id)
{
	struct stored_grant *row = l->grants;
	int r;

	while (row < l->grants + l->n && row->id != id)
		row++;
	if (row == l->grants + l->n)
		return 0;
	r = grant_new(&s->directory->account, row->secret, &s->grant);
	if (r)
		return r;
	grant_restore(s->grant, row);
	row->directory = 0; /* claimed */
	return 0;
}

static int load_slot(void *ctx, const struct stored_slot *row)
{
	struct loading *l = ctx;
	struct directory *d = tree_any_directory(l->tree, row->directory);
	struct slot *s;
	int r;

	if (!d)
		return 0;
	r = directory_add_stored(d, row->id, row->name, &s);
	if (r)
		return r == -EEXIST ? 0 : r;
	s->kind = row->created ? SLOT_CREATED : row->listed ? SLOT_LISTED : SLOT_ABSENT;
	if (row->listed || row->details) {
		if (slot_note(s, row->details, row->stamp))
			return -ENOMEM;
		s->note->listed = row->listed;
	}
	s->access = (struct access){ .uid = row->uid, .gid = row->gid, .mode = row->mode };
	s->generation = row->generation;
	s->size = row->size;
	s->imported = row->imported;
	s->written = row->written;
	s->basis = row->basis;
	if (row->wish) {
		/* Understood once the configuration has said what type this is. */
		r = slot_enliven(s);
		if (!r)
			s->live->document = strdup(row->wish);
		r = r || !s->live->document ? -ENOMEM : 0;
	}
	return r || !row->grant ? r : claim_grant(l, s, row->grant);
}

/* The moments of a token in the boot-time of now; what suspend and clock jumps cannot stretch. */
static void restore_moments(struct generation *g, const struct stored_token *row, const struct tree *t)
{
	int64_t now = loop_now(t->engine->loop), wall = loop_wall(t->engine->loop);
	int64_t life = g->expires_at - g->issued_at;

	if (!strcmp(row->boot_id, t->boot_id)) {
		g->issued_at = row->issued_boot_ms;
		g->expires_at = row->expires_boot_ms;
	} else if (g->expires_at != POLICY_NEVER) {
		int64_t left = row->expires_wall_ms - wall;

		g->expires_at = now + (left < life ? left : life);
		g->issued_at = g->expires_at - life;
	}
	g->issued_wall_ms = g->changed_wall_ms = row->issued_wall_ms;
	g->expires_wall_ms = row->expires_wall_ms;
}

static int restore_token(struct tree *t, struct slot *s, const struct stored_token *row)
{
	struct generation *g;
	int r = slot_enliven(s);

	if (!r)
		r = generation_new(row->generation, row->token, row->issued_boot_ms,
				   row->issued_wall_ms, &g);
	if (r)
		return r;
	restore_moments(g, row, t);
	slot_show(s, g);
	if (!g->older)
		return 0;
	/* The one before was over when this one was issued, not when we look. */
	g->older->over_at = g->issued_at;
	if (loop_now(t->engine->loop) - g->issued_at >= POLICY_KEEP_OLD_MS && !g->older->followed) {
		g->older->followed = true; /* as a predecessor has told the kernel; to be sure, again */
		t->events.followed(t->events.ctx, s, g->older->number);
	}
	return timer_start(t->engine->loop, &s->live->forget, g->issued_at + POLICY_KEEP_OLD_MS);
}

static int load_token(void *ctx, const struct stored_token *row)
{
	struct loading *l = ctx;
	struct slot *s = tree_slot_by_id(l->tree, row->slot);

	return s ? restore_token(l->tree, s, row) : 0;
}

static int load_draft(void *ctx, const struct stored_draft *row)
{
	struct loading *l = ctx;
	struct directory *d = tree_any_directory(l->tree, row->directory);
	struct draft *draft;
	int r;

	if (!d)
		return 0;
	r = tree_add_draft(l->tree, row->id, d, row->name, &draft);
	if (r)
		return r;
	draft->exclusive = row->exclusive;
	draft->access = (struct access){ .uid = row->uid, .gid = row->gid, .mode = row->mode };
	return 0;
}

static int load_intent(void *ctx, const struct stored_intent *row)
{
	struct loading *l = ctx;
	struct slot *s = tree_slot_by_id(l->tree, row->slot);

	if (!s || row->purpose < PURPOSE_FETCH || row->purpose > PURPOSE_LOGIN)
		return 0;
	if (slot_enliven(s))
		return -ENOMEM;
	slot_intend(s, row->secret, (enum purpose)row->purpose);
	return 0;
}

static int load_registration(void *ctx, const struct stored_registration *row)
{
	struct loading *l = ctx;
	struct directory *d = tree_any_directory(l->tree, row->directory);

	if (d)
		account_register(&d->account, row->secret);
	return 0;
}

/* What no slot has claimed is the directory's own. */
static void hand_out_grants(struct loading *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct stored_grant *row = &l->grants[i];
		struct directory *d = tree_any_directory(l->tree, row->directory);

		if (row->directory && d && !row->own) {
			grant_restore(&d->grant, row);
		}
		secret_unref(row->secret);
		free((void *)(uintptr_t)row->why);
	}
	free(l->grants);
}

int tree_create(const struct engine *engine, const struct tree_events *events, const char *boot_id,
		struct sentence *why, struct tree **ret)
{
	static const struct store_visitor visitor = { .directory = load_directory,
						      .grant = load_grant,
						      .slot = load_slot,
						      .token = load_token,
						      .draft = load_draft,
						      .intent = load_intent,
						      .registration = load_registration };
	struct tree *t = calloc(1, sizeof *t);
	struct loading l = { .tree = t };
	int r;

	if (!t)
		return -ENOMEM;
	t->engine = engine;
	t->events = *events;
	need_serve(t);
	t->changed_wall_ms = loop_wall(engine->loop);
	memcpy(t->boot_id, boot_id, strnlen(boot_id, sizeof t->boot_id - 1));
	r = store_load(engine->store, &visitor, &l, why);
	hand_out_grants(&l);
	if (r) {
		tree_destroy(t);
		return r;
	}
	*ret = t;
	return 0;
}
