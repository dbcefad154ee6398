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
	bool document, login, made;
	bool another; /* made anew: what a listing said last was of one that is gone */
	char *details;
	struct settings *wish;
	bool imported;
	bool settles; /* the slot's intent is over with it */
	bool revoked; /* at the server, whatever the disk says */
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
	free(w->details);
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

static void put_slot(struct store_change *c, const struct slot *s)
{
	BUFFER_AUTO wish = BUFFER_INIT(LIMIT_DOCUMENT);
	struct stored_slot row;

	slot_row(s, &wish, &row);
	store_put_slot(c, &row);
}

/* What is written to what was declared or listed does not make it another kind of slot. */
static bool is_his_who_writes(const struct slot *s)
{
	return s->kind != SLOT_DECLARED && s->kind != SLOT_LISTED;
}

/* The slot as it will be when all this is on the disk. */
static void put_slot_anew(struct store_change *c, const struct storing *w)
{
	const struct slot *s = w->slot;
	BUFFER_AUTO wish = BUFFER_INIT(LIMIT_DOCUMENT);
	struct stored_slot row;

	slot_row(s, &wish, &row);
	if (w->shown) {
		row.generation = w->shown->number;
		row.size = (uint32_t)token_len(w->shown->token);
		row.basis = w->basis;
	}
	if (w->document) {
		buffer_clear(&wish);
		if (w->wish)
			wish_write(w->wish, &wish);
		row.wish = wish.len ? buffer_string(&wish) : NULL;
		row.created = is_his_who_writes(s);
		row.written = true;
		row.imported = w->imported;
	}
	if (w->document || w->login)
		row.grant = w->grant->own ? w->grant->id : 0;
	if (w->details)
		row.details = w->details;
	row.listed = row.listed || w->made;
	if (w->another)
		row.stamp = NULL;
	store_put_slot(c, &row);
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
	if (g->id && (w->rotated || g->unsaved || w->document || w->login)) {
		struct stored_grant row;

		grant_row(g, &row);
		row.secret = w->drop_secret && !w->secret ? NULL : secret;
		if (w->login)
			row.locked = 0; /* what was refused was the secret before */
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
	if (is_his_who_writes(s))
		s->kind = SLOT_CREATED;
	if (old->own && old != w->grant)
		grant_retire(old);
}

static void apply_login(struct storing *w)
{
	struct slot *s = w->slot;
	struct grant *old = s->grant;

	s->grant = w->grant;
	s->grant->lock_stored = false;
	s->live->epoch++;
	s->live->failure = (struct failure){ 0 };
	if (old->own && old != w->grant)
		grant_retire(old);
}

/* What the server said it made. */
static void apply_note(struct storing *w)
{
	if (!w->made)
		return;
	slot_note(w->slot, w->details, NULL);
	if (!w->slot->note)
		return;
	w->slot->note->listed = true;
	if (w->another)
		slot_unstamp(w->slot);
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
	bool applies;

	apply_grant(w, error);
	if (error)
		log_line(engine_of(s)->log, LOG_LEVEL_ERROR,
			 "%s/%s: what the server gave could not be stored: %s",
			 s->directory->name, s->name, strerror(-error));
	/* What the server shows only once is kept in memory at least; the intent stays on the disk. */
	applies = !error || (w->made && w->shown);
	if (applies && w->document)
		apply_document(w);
	if (applies && w->login)
		apply_login(w);
	else if (w->login && w->grant->own && w->grant != s->grant)
		grant_retire(w->grant); /* made for this one; nobody lives on it */
	if (applies)
		apply_note(w);
	if (!error && w->settles)
		slot_intend(s, NULL, PURPOSE_FETCH);
	/* Nothing is lost with a token that can be had again: it is shown all the same. */
	if (!w->rotated && !w->document && !w->login)
		error = 0;
	if ((!error || applies) && w->shown) {
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

	if (!slot_is_first(s))
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

static bool is_value_of(const struct token *a, const struct token *b)
{
	return a && b && token_len(a) == token_len(b) &&
	       !memcmp(token_value(a), token_value(b), token_len(a));
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
	w->another = w->shown && a->made && !is_value_of(a->token, slot_newest_token(s));
	w->companion = a->id_token ? companion_of(s) : NULL;
	if (w->companion)
		r = generation_new(w->companion->generation + 1, a->id_token, a->sent_boot_ms,
				   a->sent_wall_ms, &w->beside);
	return r;
}

static void put_companion(struct store_change *c, const struct storing *w)
{
	BUFFER_AUTO wish = BUFFER_INIT(LIMIT_DOCUMENT);
	struct stored_slot row;

	slot_row(w->companion, &wish, &row);
	row.generation = w->beside->number;
	row.size = (uint32_t)token_len(w->beside->token);
	store_put_slot(c, &row);
	put_generation(c, w->companion, w->beside);
}

static void put_all(struct store_change *c, struct storing *w)
{
	struct slot *s = w->slot;

	put_grant(c, w);
	if ((w->document || w->login) && s->grant->own && s->grant != w->grant)
		store_drop_grant(c, s->grant->id);
	/* What was written, or cannot be had again, is for no settings: a change of them does not end it. */
	if (w->shown)
		w->basis = w->shown->imported || slot_is_precious(s)
				   ? 0
				   : slot_basis(s, w->document ? w->wish : s->wish);
	if (w->shown || w->document || w->login)
		put_slot_anew(c, w);
	if (w->shown)
		put_generation(c, s, w->shown);
	if (w->settles)
		store_drop_intent(c, s->id);
	if (w->beside)
		put_companion(c, w);
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
				       .login = a->login,
				       .made = a->made,
				       .details = a->details ? strdup(a->details) : NULL,
				       .settles = (a->document || a->login) && s->live &&
						  s->live->intent,
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
	bool over = !error || w->revoked;

	free(w);
	if (over) {
		s->live->epoch++;
		slot_chill(s);
	}
	if (!error) {
		slot_intend(s, NULL, PURPOSE_FETCH);
		if (s->kind == SLOT_CREATED || s->kind == SLOT_LISTED)
			directory_remove(s);
		else
			as_configured(s);
		if (s->kind == SLOT_COMPANION)
			s->kind = SLOT_ABSENT; /* until one comes again */
	}
	if (over)
		t->events.rotated(t->events.ctx, s, old);
	done(done_ctx, error);
}

void arrival_expire(struct slot *s)
{
	const struct engine *engine = engine_of(s);
	struct tree *t = s->directory->tree;
	struct generation *g = slot_alive(s);
	struct store_change *c;

	if (!g)
		return;
	g->expires_at = loop_now(engine->loop);
	g->expires_wall_ms = loop_wall(engine->loop);
	c = store_begin(engine->store);
	put_generation(c, s, g);
	store_commit(c, NULL, NULL);
	t->events.rotated(t->events.ctx, s, g->number);
}

/* As configured: only its id and its count of generations stay. */
static void put_forgotten(struct store_change *c, const struct slot *s)
{
	store_put_slot(c, &(struct stored_slot){ .id = s->id,
						 .directory = s->directory->id,
						 .name = s->name,
						 .uid = s->access.uid,
						 .gid = s->access.gid,
						 .mode = s->access.mode,
						 .generation = s->generation,
						 .size = s->size });
	store_drop_tokens(c, s->id, UINT32_MAX);
	store_drop_intent(c, s->id);
}

void arrival_forget(struct slot *s, bool revoked, arrival_done *done, void *ctx)
{
	struct storing *w = calloc(1, sizeof *w);
	struct store_change *c;

	if (!w || slot_enliven(s)) {
		free(w);
		done(ctx, -ENOMEM);
		return;
	}
	*w = (struct storing){ .slot = s, .revoked = revoked, .done = done, .ctx = ctx };
	c = store_begin(engine_of(s)->store);
	if (s->kind == SLOT_CREATED || s->kind == SLOT_LISTED)
		store_drop_slot(c, s->id);
	else
		put_forgotten(c, s);
	if (s->grant->own && s->grant->id)
		store_drop_grant(c, s->grant->id);
	store_commit(c, on_forgotten, w);
}

/* --- what is kept on the way -------------------------------------------------------------------- */

struct keeping {
	struct slot *slot;
	struct grant *grant;
	struct secret *intent, *registration, *secret;
	struct fetch *fetch;
	enum purpose purpose;
};

static void keeping_free(struct keeping *k)
{
	secret_unref(k->intent);
	secret_unref(k->registration);
	secret_unref(k->secret);
	free(k);
}

static void on_kept(void *ctx, int error)
{
	struct keeping *k = ctx;
	struct fetch *f = k->fetch;

	if (!error && k->intent)
		slot_intend(k->slot, k->intent, k->purpose);
	if (!error && k->registration)
		account_register(k->grant->account, k->registration);
	if (k->secret) {
		grant_hold(k->grant, k->secret); /* the only one that still works */
		k->grant->unsaved = error != 0;
	}
	keeping_free(k);
	fetch_kept(f, error);
}

static void put_kept_grant(struct store_change *c, const struct keeping *k)
{
	struct grant *g = k->grant;
	struct stored_grant row;

	if (!g->id)
		g->id = store_new_id(engine_of(k->slot)->store, STORE_GRANT);
	grant_row(g, &row);
	row.secret = k->secret;
	store_put_grant(c, &row);
}

void arrival_keep(struct slot *s, struct grant *grant, struct exchange *x, struct fetch *f)
{
	struct keeping *k = calloc(1, sizeof *k);
	struct store_change *c;

	if (!k || slot_enliven(s)) {
		free(k);
		fetch_kept(f, -ENOMEM);
		return;
	}
	*k = (struct keeping){ .slot = s, .grant = grant, .fetch = f, .purpose = x->purpose };
	k->intent = x->ret_intent ? secret_ref(x->ret_intent) : NULL;
	k->registration = x->ret_registration ? secret_ref(x->ret_registration) : NULL;
	/* A grant of a login that is not over yet holds nothing. */
	k->secret = x->ret_grant && x->purpose != PURPOSE_LOGIN ? secret_ref(x->ret_grant) : NULL;
	c = store_begin(engine_of(s)->store);
	if (k->intent) {
		put_slot(c, s);
		store_put_intent(c, &(struct stored_intent){ s->id, (int)k->purpose, k->intent });
	}
	if (k->registration)
		store_put_registration(c, &(struct stored_registration){ s->directory->id,
									 k->registration });
	if (k->secret)
		put_kept_grant(c, k);
	store_commit(c, on_kept, k);
}

void arrival_settle(struct slot *s)
{
	struct store_change *c;

	if (!s->live || !s->live->intent)
		return;
	slot_intend(s, NULL, PURPOSE_FETCH);
	c = store_begin(engine_of(s)->store);
	if (s->kind == SLOT_DRAFT && !s->generation && !s->note)
		store_drop_slot(c, s->id); /* it had a row for its intent's sake alone */
	else
		store_drop_intent(c, s->id);
	store_commit(c, NULL, NULL);
}
