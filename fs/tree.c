/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <errno.h>
#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "name.h"
#include "policy.h"
#include "wish.h"

/* --- lists by id ------------------------------------------------------------------------------- */

/* Where the first slot with at least this id is. */
static size_t list_place(const struct slot_list *l, uint32_t id)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->at[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int list_add(struct slot_list *l, struct slot *s)
{
	size_t at;

	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 4;
		struct slot **more = reallocarray(l->at, room, sizeof(struct slot *));

		if (!more)
			return -ENOMEM;
		l->at = more;
		l->room = room;
	}
	at = list_place(l, s->id);
	memmove(l->at + at + 1, l->at + at, (l->n - at) * sizeof(struct slot *));
	l->at[at] = s;
	l->n++;
	return 0;
}

static void list_remove(struct slot_list *l, const struct slot *s)
{
	size_t at = list_place(l, s->id);

	if (at == l->n || l->at[at] != s)
		return;
	l->n--;
	memmove(l->at + at, l->at + at + 1, (l->n - at) * sizeof(struct slot *));
}

/* --- names ------------------------------------------------------------------------------------- */

/* The search trees hold pointers to the names inside the slots. */
static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct slot *slot_of_name(char *const *node)
{
	return node ? (struct slot *)(void *)(*node - offsetof(struct slot, name)) : NULL;
}

struct slot *directory_named(const struct directory *d, const char *name)
{
	return slot_of_name(tfind(name, &d->names, by_name));
}

struct slot *directory_slot(const struct directory *d, const char *name)
{
	struct slot *s = directory_named(d, name);

	return s && slot_is_visible(s) ? s : NULL;
}

struct slot *directory_slot_from(const struct directory *d, uint32_t id)
{
	for (size_t i = list_place(&d->slots, id); i < d->slots.n; i++)
		if (slot_is_visible(d->slots.at[i]))
			return d->slots.at[i];
	return NULL;
}

struct directory *tree_directory(const struct tree *t, const char *name)
{
	for (struct directory *d = t->directories; d; d = d->next)
		if (!d->hidden && !strcmp(d->name, name))
			return d;
	return NULL;
}

struct directory *tree_directory_by_id(const struct tree *t, uint32_t id)
{
	for (struct directory *d = t->directories; d; d = d->next)
		if (d->id == id)
			return d->hidden ? NULL : d;
	return NULL;
}

struct slot *tree_slot_by_id(const struct tree *t, uint32_t id)
{
	size_t at = list_place(&t->slots, id);

	return at < t->slots.n && t->slots.at[at]->id == id ? t->slots.at[at] : NULL;
}

/* --- slots ------------------------------------------------------------------------------------- */

static void touch(struct directory *d)
{
	d->changed_wall_ms = loop_wall(d->account.engine->loop);
}

static int attach(struct directory *d, struct slot *s)
{
	if (list_add(&d->tree->slots, s))
		return -ENOMEM;
	if (list_add(&d->slots, s) || !tsearch(s->name, &d->names, by_name)) {
		list_remove(&d->tree->slots, s);
		list_remove(&d->slots, s);
		return -ENOMEM;
	}
	touch(d);
	return 0;
}

static int add_with_id(struct directory *d, uint32_t id, const char *name, struct slot **ret)
{
	struct slot *s;
	int r = slot_new(d, id, name, &s);

	if (r)
		return r;
	r = attach(d, s);
	if (r)
		slot_free(s);
	else
		*ret = s;
	return r;
}

int directory_add(struct directory *d, const char *name, struct slot **ret)
{
	struct slot *s;
	int r = add_with_id(d, store_new_id(d->account.engine->store, STORE_SLOT), name, &s);

	if (r)
		return r;
	s->kind = SLOT_DRAFT;
	*ret = s;
	return 0;
}

void directory_remove(struct slot *s)
{
	struct directory *d = s->directory;

	tdelete(s->name, &d->names, by_name);
	list_remove(&d->slots, s);
	s->kind = SLOT_DEAD;
	touch(d);
	/* Not from here: whoever removes it still looks at it. */
	if (!s->live || timer_start(d->account.engine->loop, &s->live->forget, 0))
		tree_sweep(s);
}

void tree_sweep(struct slot *s)
{
	if (s->kind != SLOT_DEAD || (s->live && (s->live->fetch || s->live->waiting ||
						  s->live->writes || s->live->newest)))
		return;
	list_remove(&s->directory->tree->slots, s);
	slot_free(s);
}

/* --- drafts ------------------------------------------------------------------------------------ */

int tree_add_draft(struct tree *t, uint32_t id, struct directory *d, const char *name,
		   struct draft **ret)
{
	size_t len = strlen(name);
	struct draft *draft = calloc(1, sizeof *draft + len + 1);

	if (!draft)
		return -ENOMEM;
	draft->id = id;
	draft->directory = d;
	memcpy(draft->name, name, len + 1);
	draft->next = t->drafts;
	t->drafts = draft;
	*ret = draft;
	return 0;
}

struct draft *tree_draft(const struct tree *t, uint32_t id)
{
	struct draft *d = t->drafts;

	while (d && d->id != id)
		d = d->next;
	return d;
}

void tree_drop_draft(struct tree *t, struct draft *draft)
{
	struct draft **at = &t->drafts;

	while (*at && *at != draft)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = draft->next;
	free(draft);
}

void tree_drop_drafts(struct tree *t)
{
	struct store_change *c;

	if (!t->drafts)
		return;
	c = store_begin(t->engine->store);
	for (const struct draft *d = t->drafts; d; d = d->next)
		store_drop_draft(c, d->id);
	store_commit(c, NULL, NULL);
	while (t->drafts)
		tree_drop_draft(t, t->drafts);
}

/* --- the store --------------------------------------------------------------------------------- */

static int add_directory(struct tree *t, uint32_t id, const char *name, const char *identity,
			 struct directory **ret)
{
	struct directory *d = calloc(1, sizeof *d), **last = &t->directories;

	if (!d)
		return -ENOMEM;
	d->name = strdup(name);
	if (!d->name) {
		free(d);
		return -ENOMEM;
	}
	d->id = id;
	d->tree = t;
	d->hidden = true;
	d->changed_wall_ms = loop_wall(t->engine->loop);
	memcpy(d->identity, identity, strnlen(identity, sizeof d->identity - 1));
	account_init(&d->account, t->engine);
	d->account.directory = id;
	grant_init(&d->grant, &d->account);
	while (*last)
		last = &(*last)->next;
	*last = d;
	*ret = d;
	return 0;
}

static struct directory *any_directory(const struct tree *t, uint32_t id)
{
	struct directory *d = t->directories;

	while (d && d->id != id)
		d = d->next;
	return d;
}

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

	return add_directory(l->tree, row->id, row->name, row->identity, &d);
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
	struct directory *d = any_directory(l->tree, row->directory);
	struct slot *s;
	int r;

	if (!d || directory_named(d, row->name))
		return 0;
	r = add_with_id(d, row->id, row->name, &s);
	if (r)
		return r;
	s->kind = row->created ? SLOT_CREATED : SLOT_ABSENT;
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
	struct directory *d = any_directory(l->tree, row->directory);
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

/* What no slot has claimed is the directory's own. */
static void hand_out_grants(struct loading *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct stored_grant *row = &l->grants[i];
		struct directory *d = any_directory(l->tree, row->directory);

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
						      .draft = load_draft };
	struct tree *t = calloc(1, sizeof *t);
	struct loading l = { .tree = t };
	int r;

	if (!t)
		return -ENOMEM;
	t->engine = engine;
	t->events = *events;
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

/* --- the configuration ------------------------------------------------------------------------- */

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

static void settle_kinds(struct directory *d, struct store_change *c)
{
	const struct slot *first = directory_slot(d, "access_token");

	for (size_t i = 0; i < d->slots.n; i++) {
		struct slot *s = d->slots.at[i];

		understand(s);
		if (s->kind == SLOT_ABSENT && slot_alive(s) && !strcmp(s->name, "id_token")) {
			s->kind = SLOT_COMPANION;
			s->access = first ? first->access : s->access;
		}
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
	r = declare(d, "access_token", &p->access, NULL, c);
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
		int r = add_directory(t, id, p->name, p->identity, &d);

		if (r)
			return r;
	}
	/* Each time: it may not have come to the disk before. */
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
	return r ? r : stored;
}

static void reopen(struct grant *g)
{
	grant_reopens(g);
	grant_keep_lock(g);
}

void tree_reopen(struct tree *t)
{
	for (struct directory *d = t->directories; d; d = d->next) {
		if (d->hidden)
			continue;
		reopen(&d->grant);
		for (size_t i = 0; i < d->slots.n; i++)
			if (d->slots.at[i]->grant->own)
				reopen(d->slots.at[i]->grant);
	}
}

/* The first slot of a grant first: a wrong password costs one attempt, the queue does the rest. */
void tree_prefetch(struct tree *t)
{
	for (struct directory *d = t->directories; d; d = d->next) {
		if (d->hidden || d->account.config->type->needs_person ||
		    !settings_yes(d->account.config->common, "prefetch"))
			continue;
		for (size_t i = 0; i < d->slots.n; i++)
			if (d->slots.at[i]->kind == SLOT_DECLARED)
				slot_prefetch(d->slots.at[i]);
	}
}

/* --- the end ----------------------------------------------------------------------------------- */

static void keep_node(void *node)
{
	(void)node; /* the slot's, which slot_free() ends */
}

static void abort_queue(struct grant *g)
{
	while (g->first)
		fetch_abort(g->first);
}

bool tree_is_asking(const struct tree *t)
{
	for (size_t i = 0; i < t->slots.n; i++) {
		const struct grant *g = t->slots.at[i]->grant;

		if (g->first && fetch_is_asking(g->first))
			return true;
	}
	return false;
}

void tree_abort(struct tree *t)
{
	for (size_t i = 0; i < t->slots.n; i++)
		if (t->slots.at[i]->grant->own)
			abort_queue(t->slots.at[i]->grant);
	for (struct directory *d = t->directories; d; d = d->next)
		abort_queue(&d->grant);
}

static void directory_destroy(struct directory *d)
{
	tdestroy(d->names, keep_node);
	free(d->slots.at);
	grant_finish(&d->grant);
	account_finish(&d->account);
	free(d->name);
	free(d);
}

struct tree *tree_destroy(struct tree *t)
{
	if (!t)
		return NULL;
	while (t->drafts)
		tree_drop_draft(t, t->drafts);
	tree_abort(t);
	for (size_t i = 0; i < t->slots.n; i++)
		slot_free(t->slots.at[i]);
	free(t->slots.at);
	while (t->directories) {
		struct directory *d = t->directories;

		t->directories = d->next;
		directory_destroy(d);
	}
	edition_unref(t->edition);
	free(t);
	return NULL;
}
