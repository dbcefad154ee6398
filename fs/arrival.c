/* SPDX-License-Identifier: Apache-2.0 */
#include "arrival.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store.h"
#include "tree.h"
#include "wish.h"

/* What is on its way to the disk. */
struct storing {
	struct slot *slot, *companion;
	struct generation *shown, *beside; /* for slot and companion; NULL: none */
	struct grant *grant;
	struct secret *secret; /* the grant's, from now on */
	bool drop_secret, rotated;
	bool document;
	struct settings *wish;
	bool imported;
	uint64_t basis;
	arrival_done *done;
	void *ctx;
};

static void storing_free(struct storing *w)
{
	if (!w)
		return;
	generation_free(w->shown);
	generation_free(w->beside);
	secret_unref(w->secret);
	free(w);
}

static const struct engine *engine_of(const struct slot *s)
{
	return s->directory->account.engine;
}

/* The oldest generation that somebody may still read, or the one before `newest`. */
static uint32_t oldest_kept(const struct slot *s, uint32_t newest)
{
	uint32_t oldest = newest;

	for (const struct generation *g = s->live ? s->live->newest : NULL; g; g = g->older)
		oldest = g->number;
	return oldest;
}

struct slot_row {
	const struct settings *wish;
	bool created, written, imported;
	uint32_t generation, size, grant;
	uint64_t basis;
};

static void put_slot(struct store_change *c, const struct slot *s, const struct slot_row *row)
{
	BUFFER_AUTO wish = BUFFER_INIT(LIMIT_DOCUMENT);
	if (row->written && row->wish)
		wish_write(row->wish, &wish);
	store_put_slot(c, &(struct stored_slot){ .id = s->id,
						 .directory = s->directory->id,
						 .name = s->name,
						 .created = row->created,
						 .uid = s->access.uid,
						 .gid = s->access.gid,
						 .mode = s->access.mode,
						 .generation = row->generation,
						 .size = row->size,
						 .grant = row->grant,
						 .imported = row->imported,
						 .written = row->written,
						 .basis = row->basis,
						 .wish = wish.len ? buffer_string(&wish) : NULL });
}

static void put_generation(struct store_change *c, const struct slot *s, const struct generation *g)
{
	store_put_token(c, &(struct stored_token){ .slot = s->id,
						   .generation = g->number,
						   .token = g->token,
						   .issued_wall_ms = g->issued_wall_ms,
						   .expires_wall_ms = g->expires_wall_ms,
						   .issued_boot_ms = g->issued_at,
						   .expires_boot_ms = g->expires_at,
						   .boot_id = s->directory->tree->boot_id });
	store_drop_tokens(c, s->id, oldest_kept(s, g->number));
}

static void put_grant(struct store_change *c, struct storing *w)
{
	struct grant *g = w->grant;
	struct secret *secret = w->secret ? w->secret : g->secret;

	/* Nobody lives on it any more: its row is gone, and stays so. */
	if (g->retired || (g->own && w->slot->kind == SLOT_DEAD))
		return;
	if (!g->id && (secret || g->own))
		g->id = store_new_id(engine_of(w->slot)->store, STORE_GRANT);
	if (g->id && (w->rotated || g->unsaved || w->document)) {
		struct stored_grant row;

		grant_row(g, &row);
		row.secret = w->drop_secret && !w->secret ? NULL : secret;
		store_put_grant(c, &row);
	}
}

/* A rotated secret is the only one that still works: it is used even if the disk refused it. */
static void apply_grant(struct storing *w, int error)
{
	if (!w->rotated)
		return;
	grant_hold(w->grant, w->secret);
	w->grant->unsaved = error != 0;
	if (error) {
		struct sentence why;

		/* Not one more exchange after the other while nothing of it can be kept. */
		sentence_set(&why, "what the server gave could not be stored: %s", strerror(-error));
		grant_backs_off(w->grant, error, -1, &why);
	}
}

static void apply_document(struct storing *w)
{
	struct slot *s = w->slot;
	struct grant *old = s->grant;

	settings_free(s->wish);
	s->wish = w->wish;
	s->written = true;
	s->imported = w->imported;
	s->grant = w->grant;
	s->live->epoch++;
	s->live->failure = (struct failure){ 0 };
	if (s->kind != SLOT_DECLARED)
		s->kind = SLOT_CREATED;
	if (old->own && old != w->grant)
		grant_retire(old);
}

static void show(struct slot *s, struct generation **g)
{
	struct tree *t = s->directory->tree;
	uint32_t old = s->live->newest ? s->generation : 0;

	slot_show(s, *g);
	*g = NULL;
	t->events.rotated(t->events.ctx, s, old);
}

static void on_commit(void *ctx, int error)
{
	struct storing *w = ctx;
	struct slot *s = w->slot;
	arrival_done *done = w->done;
	void *done_ctx = w->ctx;

	apply_grant(w, error);
	if (error)
		log_line(engine_of(s)->log, LOG_LEVEL_ERROR,
			 "%s/%s: what the server gave could not be stored: %s",
			 s->directory->name, s->name, strerror(-error));
	if (!error && w->document)
		apply_document(w);
	/* Nothing is lost with a token that can be had again: it is shown all the same. */
	if (!w->rotated && !w->document)
		error = 0;
	if (!error && w->shown) {
		s->basis = w->basis;
		show(s, &w->shown);
	}
	if (!error && w->beside)
		show(w->companion, &w->beside);
	storing_free(w);
	done(done_ctx, error);
}

/* The slot of the token that came beside: made at the first time. */
static struct slot *companion_of(struct slot *s)
{
	struct slot *c;

	if (strcmp(s->name, "access_token"))
		return NULL;
	c = directory_named(s->directory, "id_token");
	if (!c && directory_add(s->directory, "id_token", &c))
		return NULL;
	if (c->kind != SLOT_ABSENT && c->kind != SLOT_DRAFT && c->kind != SLOT_COMPANION)
		return NULL; /* somebody declared or wrote that name: it is his */
	if (slot_enliven(c))
		return NULL;
	c->kind = SLOT_COMPANION;
	c->access = s->access;
	return c;
}

static int prepare(struct slot *s, const struct arrival *a, struct storing *w)
{
	int r = slot_enliven(s);

	if (!r && a->token)
		r = generation_new(s->generation + 1, a->token, a->sent_boot_ms, a->sent_wall_ms,
				   &w->shown);
	if (r)
		return r;
	if (w->shown)
		w->shown->imported = a->imported;
	w->companion = a->id_token ? companion_of(s) : NULL;
	if (w->companion)
		r = generation_new(w->companion->generation + 1, a->id_token, a->sent_boot_ms,
				   a->sent_wall_ms, &w->beside);
	return r;
}

static void put_all(struct store_change *c, struct storing *w)
{
	struct slot *s = w->slot;
	struct grant *grant = w->document ? w->grant : s->grant;
	bool created = s->kind == SLOT_CREATED || (w->document && s->kind != SLOT_DECLARED);
	struct slot_row row = { .wish = w->document ? w->wish : s->wish,
				.created = created,
				.written = w->document || s->written,
				.imported = w->document ? w->imported : s->imported };

	put_grant(c, w);
	if (w->document && s->grant->own && s->grant != w->grant)
		store_drop_grant(c, s->grant->id);
	if (w->shown) {
		row.generation = w->shown->number;
		row.size = (uint32_t)token_len(w->shown->token);
		row.grant = grant->own ? grant->id : 0;
		/* What was written is for no settings: a change of them does not end it. */
		w->basis = row.basis = w->shown->imported ? 0 : slot_basis(s, row.wish);
		put_slot(c, s, &row);
		put_generation(c, s, w->shown);
	}
	if (w->beside) {
		put_slot(c, w->companion,
			 &(struct slot_row){ .generation = w->beside->number,
					     .size = (uint32_t)token_len(w->beside->token) });
		put_generation(c, w->companion, w->beside);
	}
}

void arrival_store(struct slot *s, const struct arrival *a, arrival_done *done, void *ctx)
{
	struct storing *w = calloc(1, sizeof *w);
	int r = w ? 0 : -ENOMEM;
	struct store_change *c;

	if (!r) {
		*w = (struct storing){ .slot = s,
				       .grant = a->grant,
				       .secret = a->secret ? secret_ref(a->secret) : NULL,
				       .drop_secret = a->drop_secret,
				       .rotated = a->secret || a->drop_secret,
				       .document = a->document,
				       .wish = a->wish,
				       .imported = a->imported && settings_equal(a->wish, NULL) &&
						   !a->grant->own && s->kind != SLOT_DECLARED,
				       .done = done,
				       .ctx = ctx };
		r = prepare(s, a, w);
	}
	if (r) {
		storing_free(w);
		done(ctx, r);
		return;
	}
	c = store_begin(engine_of(s)->store);
	put_all(c, w);
	store_commit(c, on_commit, w);
}

/* The declared wish is in force again. */
static void as_configured(struct slot *s)
{
	struct grant *old = s->grant;

	s->grant = &s->directory->grant;
	s->written = false;
	s->imported = false;
	if (old->own)
		grant_retire(old);
	settings_free(s->wish);
	s->wish = directory_declared_wish(s->directory, s->name);
}

static void on_forgotten(void *ctx, int error)
{
	struct storing *w = ctx;
	struct slot *s = w->slot;
	struct tree *t = s->directory->tree;
	uint32_t old = s->generation;
	arrival_done *done = w->done;
	void *done_ctx = w->ctx;

	free(w);
	if (!error) {
		s->live->epoch++;
		slot_chill(s);
		if (s->kind == SLOT_CREATED)
			directory_remove(s);
		else
			as_configured(s);
		if (s->kind == SLOT_COMPANION)
			s->kind = SLOT_ABSENT; /* until one comes again */
		t->events.rotated(t->events.ctx, s, old);
	}
	done(done_ctx, error);
}

void arrival_forget(struct slot *s, arrival_done *done, void *ctx)
{
	struct storing *w = calloc(1, sizeof *w);
	struct store_change *c;

	if (!w || slot_enliven(s)) {
		free(w);
		done(ctx, -ENOMEM);
		return;
	}
	*w = (struct storing){ .slot = s, .done = done, .ctx = ctx };
	c = store_begin(engine_of(s)->store);
	if (s->kind == SLOT_CREATED) {
		store_drop_slot(c, s->id);
	} else {
		put_slot(c, s, &(struct slot_row){ .generation = s->generation, .size = s->size });
		store_drop_tokens(c, s->id, UINT32_MAX);
	}
	if (s->grant->own && s->grant->id)
		store_drop_grant(c, s->grant->id);
	store_commit(c, on_forgotten, w);
}
