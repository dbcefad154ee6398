/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

struct slot *directory_named(const struct directory *d, const char *name)
{
	return names_find(&d->names, name);
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
	int r = names_add(&d->names, s);

	if (r)
		return r;
	if (list_add(&d->tree->slots, s) || list_add(&d->slots, s)) {
		list_remove(&d->tree->slots, s);
		names_remove(&d->names, s);
		return -ENOMEM;
	}
	touch(d);
	return 0;
}

int directory_add_stored(struct directory *d, uint32_t id, const char *name, struct slot **ret)
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
	int r = directory_add_stored(d, store_new_id(d->account.engine->store, STORE_SLOT), name, &s);

	if (r)
		return r;
	s->kind = SLOT_DRAFT;
	*ret = s;
	return 0;
}

void directory_remove(struct slot *s)
{
	struct directory *d = s->directory;

	names_remove(&d->names, s);
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
	c = store_begin_unsynced(t->engine->store);
	for (const struct draft *d = t->drafts; d; d = d->next)
		store_drop_draft(c, d->id);
	store_commit(c, NULL, NULL);
	while (t->drafts)
		tree_drop_draft(t, t->drafts);
}

/* --- directories ------------------------------------------------------------------------------ */

int tree_add_directory(struct tree *t, uint32_t id, const char *name, const char *identity,
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
	d->account.needs = &t->needs;
	grant_init(&d->grant, &d->account);
	names_init(&d->names);
	listing_init(&d->listing, d);
	login_init(&d->login, d);
	while (*last)
		last = &(*last)->next;
	*last = d;
	*ret = d;
	return 0;
}

const char *directory_first(const struct directory *d)
{
	const struct config_provider *p = d->account.config;

	return p->type->first ? p->type->first(p->settings) : "access_token";
}

bool directory_needs_person(const struct directory *d)
{
	const struct config_provider *p = d->account.config;

	return p->type->needs_person && p->type->needs_person(p->settings);
}

struct directory *tree_any_directory(const struct tree *t, uint32_t id)
{
	struct directory *d = t->directories;

	while (d && d->id != id)
		d = d->next;
	return d;
}

/* --- the end ----------------------------------------------------------------------------------- */

static void abort_queue(struct grant *g)
{
	while (g->first)
		fetch_abort(g->first);
}

bool tree_is_asking(const struct tree *t)
{
	for (const struct directory *d = t->directories; d; d = d->next)
		if (d->login.grant.first && fetch_is_asking(d->login.grant.first))
			return true;
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
	for (struct directory *d = t->directories; d; d = d->next) {
		login_finish(&d->login);
		listing_finish(&d->listing);
		abort_queue(&d->grant);
	}
}

static void directory_destroy(struct directory *d)
{
	names_finish(&d->names);
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
