/* SPDX-License-Identifier: Apache-2.0 */
/* tree_configure: what a configuration makes of a tree, and of what the store had for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "credential.h"
#include "log.h"
#include "tree.h"
#include "wish.h"

struct settings *directory_declared_wish(const struct directory *d, const char *name)
{
	for (const struct config_slot *c = d->account.config->slots; c; c = c->next)
		if (!strcmp(c->name, name))
			return c->wish ? settings_ref(c->wish) : NULL;
	return NULL;
}

static void put_declared(struct store_change *c, const struct slot *s)
{
	store_put_slot(c, &(struct stored_slot){ .id = s->id,
						 .directory = s->directory->id,
						 .name = s->name,
						 .uid = s->access.uid,
						 .gid = s->access.gid,
						 .mode = s->access.mode });
}

/* Attributes and pages that the kernel holds of it are not what they were. */
static void tell_change(struct slot *s)
{
	struct tree *t = s->directory->tree;

	for (struct generation *g = s->live ? s->live->newest : NULL; g; g = g->older)
		t->events.changed(t->events.ctx, s, g->number);
}

/* Contract 14: the kernel enforces what it last heard, so it must hear of a change. */
static void set_access(struct slot *s, const struct access *access)
{
	if (s->access.uid == access->uid && s->access.gid == access->gid &&
	    s->access.mode == access->mode)
		return;
	s->access = *access;
	tell_change(s);
}

static int declare(struct directory *d, const char *name, const struct access *access,
		   struct settings *wish, struct store_change *c)
{
	struct slot *s = directory_named(d, name);
	int r;

	if (!s) {
		r = directory_add(d, name, &s);
		if (r)
			return r;
		s->access = *access;
		put_declared(c, s);
	}
	s->kind = SLOT_DECLARED;
	set_access(s, access);
	if (s->written)
		return 0;
	settings_free(s->wish);
	s->wish = wish ? settings_ref(wish) : NULL; /* nobody changes a wish: it is replaced whole */
	return 0;
}

/* What the store kept of a document, now that the type is known. */
static void understand(struct slot *s)
{
	const struct field *fields = s->directory->account.config->type->slot_fields;
	struct sentence why = { "" };
	char *text = s->live ? s->live->document : NULL;

	if (!text)
		return;
	if (wish_read(fields, text, &why, &s->wish))
		log_line(s->directory->account.engine->log, LOG_LEVEL_WARNING,
			 "%s/%s: what was written to it is not understood any more: %s",
			 s->directory->name, s->name, why.text);
	free(text);
	s->live->document = NULL;
}

/* A token that was fetched for other settings is not the one that is asked for now. */
static void check_basis(struct slot *s, struct store_change *c)
{
	if (!s->live)
		return;
	s->live->failure = (struct failure){ 0 };
	/* Basis 0: it was written, and is for no settings. */
	if (!s->live->newest || !s->basis || s->kind == SLOT_COMPANION ||
	    s->basis == slot_basis(s, s->wish))
		return;
	s->live->epoch++;
	slot_chill(s);
	s->live->revoked = false;
	store_drop_tokens(c, s->id, UINT32_MAX);
}

/* Whose a name is that nobody declared, and nobody made here; NULL: his who made it. */
static const struct access *access_of(const struct slot *s, const struct slot *first)
{
	if (s->kind == SLOT_COMPANION)
		return first ? &first->access : NULL;
	if (s->kind == SLOT_LISTED || s->kind == SLOT_ABSENT)
		return &s->directory->account.config->access;
	return NULL;
}

static void settle_kinds(struct directory *d, struct store_change *c)
{
	const char *name = directory_first(d);
	const struct slot *first = name ? directory_slot(d, name) : NULL;

	for (size_t i = 0; i < d->slots.n; i++) {
		struct slot *s = d->slots.at[i];
		const struct access *access;

		understand(s);
		if (s->kind == SLOT_ABSENT && slot_alive(s) && !strcmp(s->name, "id_token") &&
		    !slot_is_precious(s))
			s->kind = SLOT_COMPANION;
		access = access_of(s, first);
		if (access)
			set_access(s, access);
		check_basis(s, c);
	}
}

/* Whether a token's file, headers and environment have the same bytes as before. */
static bool shows_alike(const struct config_provider *a, const struct config_provider *b)
{
	const char *x = settings_text(a->common, "env"), *y = settings_text(b->common, "env");

	return settings_yes(a->common, "newline") == settings_yes(b->common, "newline") &&
	       (x && y ? !strcmp(x, y) : x == y);
}

static int configure_directory(struct directory *d, struct edition *e,
			       const struct config_provider *p, struct store_change *c)
{
	bool shown_anew = d->account.config && !shows_alike(d->account.config, p);
	int r;

	account_use(&d->account, e, p);
	d->hidden = false;
	for (size_t i = 0; i < d->slots.n; i++)
		if (d->slots.at[i]->kind == SLOT_DECLARED)
			d->slots.at[i]->kind = SLOT_ABSENT;
	r = directory_first(d) ? declare(d, directory_first(d), &p->access, NULL, c) : 0;
	for (const struct config_slot *s = p->slots; s && !r; s = s->next)
		r = declare(d, s->name, &s->access, s->wish, c);
	if (!r)
		settle_kinds(d, c);
	for (size_t i = 0; shown_anew && i < d->slots.n; i++)
		tell_change(d->slots.at[i]);
	d->changed_wall_ms = loop_wall(d->account.engine->loop);
	return r;
}

static struct directory *same_account(const struct tree *t, const struct config_provider *p)
{
	struct directory *d = t->directories;

	while (d && (strcmp(d->name, p->name) || strcmp(d->identity, p->identity)))
		d = d->next;
	return d;
}

static int configure_provider(struct tree *t, struct edition *e, const struct config_provider *p,
			      struct store_change *c)
{
	struct directory *d = same_account(t, p);

	if (!d) {
		uint32_t id = store_new_id(t->engine->store, STORE_DIRECTORY);
		int r = tree_add_directory(t, id, p->name, p->identity, &d);

		if (r)
			return r;
	}
	if (!d->stored)
		store_put_directory(c, &(struct stored_directory){ .id = d->id,
								   .name = d->name,
								   .identity = d->identity });
	return configure_directory(d, e, p, c);
}

static void note_commit(void *ctx, int error)
{
	*(int *)ctx = error;
}

int tree_configure(struct tree *t, struct config *config)
{
	struct edition *e, *old = t->edition;
	struct store_change *c;
	int r, stored = 0;

	r = edition_new(config, &e);
	if (r) {
		config_free(config);
		return r;
	}
	for (struct directory *d = t->directories; d; d = d->next)
		d->hidden = true;
	c = store_begin(t->engine->store);
	for (const struct config_provider *p = config->providers; p && !r; p = p->next)
		r = configure_provider(t, e, p, c);
	store_commit(c, note_commit, &stored);
	t->edition = e;
	t->changed_wall_ms = loop_wall(t->engine->loop);
	edition_unref(old);
	for (struct directory *d = t->directories; d && old; d = d->next)
		t->events.reshaped(t->events.ctx, d);
	for (struct directory *d = t->directories; d; d = d->next) {
		if (!r && !stored && !d->hidden)
			d->stored = true;
		listing_configure(&d->listing);
		login_configure(&d->login);
	}
	return r ? r : stored;
}

static void reopen(struct grant *g)
{
	grant_reopens(g);
	grant_keep_lock(g);
}

static void reopen_directory(struct directory *d)
{
	reopen(&d->grant);
	grant_reopens(&d->login.grant);
	for (size_t i = 0; i < d->slots.n; i++)
		if (d->slots.at[i]->grant->own)
			reopen(d->slots.at[i]->grant);
}

void tree_reopen(struct tree *t)
{
	for (struct directory *d = t->directories; d; d = d->next)
		if (!d->hidden)
			reopen_directory(d);
}

void tree_mounted(struct tree *t)
{
	tree_drop_drafts(t);
	for (struct directory *d = t->directories; d; d = d->next)
		if (!d->hidden && credential_may_change_unseen(d->account.config))
			reopen_directory(d);
}

/* The first slot of a grant first: a wrong password costs one attempt, the queue does the rest. */
void tree_prefetch(struct tree *t)
{
	for (struct directory *d = t->directories; d; d = d->next) {
		if (d->hidden || directory_needs_person(d) ||
		    !settings_yes(d->account.config->common, "prefetch"))
			continue;
		for (size_t i = 0; i < d->slots.n; i++)
			if (d->slots.at[i]->kind == SLOT_DECLARED)
				slot_prefetch(d->slots.at[i]);
	}
}
