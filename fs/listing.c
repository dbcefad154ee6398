/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

#include <errno.h>
#include <string.h>

#include "log.h"
#include "name.h"
#include "policy.h"
#include "tree.h"

/* Somebody who makes many tokens makes them within this, and one listing has them all. */
#define HURRY_MS 1000

static struct loop *loop_of(const struct listing_state *l)
{
	return l->directory->account.engine->loop;
}

static bool is_wanted(const struct listing_state *l)
{
	const struct directory *d = l->directory;

	return !d->hidden && d->account.config && d->account.config->type->lists;
}

/* --- what a listing says ----------------------------------------------------------------------- */

/* What one listing changed. */
struct round {
	struct listing_state *state;
	struct store_change *change;
	unsigned int come, gone, unnamed;
	int error;
};

static void put(struct store_change *c, const struct slot *s)
{
	BUFFER_AUTO wish = BUFFER_INIT(LIMIT_DOCUMENT);
	struct stored_slot row;

	if (!slot_row(s, &wish, &row))
		store_put_slot(c, &row);
}

/* Of a name without a token the kernel keeps nothing. */
static void tell(struct slot *s, uint32_t old)
{
	struct tree *t = s->directory->tree;

	if (s->live && s->live->newest)
		t->events.rotated(t->events.ctx, s, old);
}

/* It was made anew elsewhere: what we have is the value of one that is gone. */
static void forget_value(struct round *r, struct slot *s)
{
	uint32_t old = s->generation;

	if (!s->live || !slot_newest_token(s))
		return;
	s->live->epoch++;
	slot_chill(s);
	store_drop_tokens(r->change, s->id, UINT32_MAX);
	tell(s, old);
}

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* A slot that is there by now; true: something of it is new. */
static bool renew_note(struct round *r, struct slot *s, const struct listed *item)
{
	const struct note *n = s->note;
	bool is_another = n && n->stamp && item->stamp && strcmp(n->stamp, item->stamp);
	bool changes = !n || !n->listed || !is_same(n->details, item->details) ||
		       !is_same(n->stamp, item->stamp);

	if (is_another)
		forget_value(r, s);
	if (slot_note(s, item->details, item->stamp)) {
		r->error = -ENOMEM;
		return false;
	}
	s->note->listed = true;
	s->note->round = r->state->round;
	return changes;
}

static struct slot *slot_for(struct round *r, const char *name)
{
	struct directory *d = r->state->directory;
	struct slot *s = directory_named(d, name);

	if (s)
		return s;
	r->error = directory_add(d, name, &s);
	if (r->error)
		return NULL;
	s->kind = SLOT_ABSENT;
	s->access = d->account.config->access;
	return s;
}

static void take(struct round *r, const struct listed *item)
{
	struct slot *s;
	bool changes;

	if (name_check(item->name, strlen(item->name), NULL) ||
	    is_same(item->name, directory_first(r->state->directory))) {
		r->unnamed++;
		return;
	}
	s = slot_for(r, item->name);
	if (!s || (s->note && s->note->listed && s->note->round == r->state->round))
		return; /* a name that is there twice: with two stamps it would be new each time */
	changes = renew_note(r, s, item);
	if (s->kind == SLOT_ABSENT) {
		/* One that somebody is about to write stays his, as does what was declared. */
		s->kind = SLOT_LISTED;
		r->come++;
		tell(s, 0);
		changes = true;
	}
	if (!changes)
		return;
	put(r->change, s);
	slot_renew(s);
}

static void take_away(struct round *r, struct slot *s)
{
	if (!s->note || !s->note->listed || s->note->round == r->state->round ||
	    s->kind == SLOT_DRAFT || s->kind == SLOT_DECLARED || s->kind == SLOT_DEAD)
		return;
	s->note->listed = false;
	s->kind = SLOT_ABSENT;
	r->gone++;
	put(r->change, s);
	tell(s, s->generation);
}

static void take_all(struct round *r, const struct listing *listing)
{
	struct directory *d = r->state->directory;

	r->state->round++;
	for (size_t i = 0; i < listing->n && !r->error; i++)
		take(r, &listing->at[i]);
	for (size_t i = 0; i < d->slots.n && !r->error; i++)
		take_away(r, d->slots.at[i]);
}

/* What a full disk did not take of earlier listings. */
static void put_unsaved(struct round *r)
{
	const struct directory *d = r->state->directory;

	for (size_t i = 0; i < d->slots.n; i++) {
		const struct slot *s = d->slots.at[i];

		if (!s->note)
			continue;
		put(r->change, s);
		if (!slot_newest_token(s))
			store_drop_tokens(r->change, s->id, UINT32_MAX);
	}
}

static void on_stored(void *ctx, int error)
{
	struct listing_state *l = ctx;

	if (error && !l->unsaved)
		log_line(l->directory->account.engine->log, LOG_LEVEL_ERROR,
			 "%s: what the server lists could not be stored: %s", l->directory->name,
			 strerror(-error));
	l->unsaved = error != 0;
}

static void put_grant(struct store_change *c, struct grant *g)
{
	struct stored_grant row;

	if (!g->id)
		g->id = store_new_id(g->account->engine->store, STORE_GRANT);
	grant_row(g, &row);
	store_put_grant(c, &row);
}

static void tell_round(const struct round *r)
{
	struct directory *d = r->state->directory;
	struct tree *t = d->tree;

	if (r->come || r->gone) {
		d->changed_wall_ms = loop_wall(t->engine->loop);
		t->events.listed(t->events.ctx, d);
		log_line(d->account.engine->log, LOG_LEVEL_INFO,
			 "%s: the server lists %u tokens more and %u less than before", d->name,
			 r->come, r->gone);
	}
	if (r->unnamed && r->state->round == 1)
		log_line(d->account.engine->log, LOG_LEVEL_WARNING,
			 "%s: %u tokens of the server have names that no file can have here",
			 d->name, r->unnamed);
}

static void on_retained(void *ctx, int error)
{
	struct listing_state *l = ctx;

	l->unsaved = l->unsaved || error;
}

void listing_retain(struct slot *s)
{
	struct directory *d = s->directory;
	struct store_change *c = store_begin(d->account.engine->store);

	s->kind = SLOT_LISTED;
	put(c, s);
	store_commit(c, on_retained, &d->listing);
	d->changed_wall_ms = loop_wall(d->tree->engine->loop);
	d->tree->events.listed(d->tree->events.ctx, d);
}

/* --- asking ------------------------------------------------------------------------------------ */

static void plan(struct listing_state *l)
{
	const struct directory *d = l->directory;
	const struct failure *f = &d->grant.failure;
	int64_t now = loop_now(loop_of(l)), at, every;

	every = is_wanted(l) ? settings_ms(d->account.config->common, "list-every") : 0;
	if (!every)
		return;
	at = now + every;
	if (f->error && f->retry_at > at && f->retry_at != POLICY_NEVER)
		at = f->retry_at;
	timer_start(loop_of(l), &l->timer, at);
}

static void note_failure(struct listing_state *l, const struct fetch_result *result)
{
	l->failure = (struct failure){ .error = result->error };
	if (!result->error)
		return;
	l->failure.at_wall_ms = loop_wall(loop_of(l));
	l->failure.why = *result->why;
}

void listing_configure(struct listing_state *l)
{
	timer_stop(loop_of(l), &l->timer);
	l->again = l->fetch != NULL;
	if (!l->fetch && is_wanted(l))
		timer_start(loop_of(l), &l->timer, loop_now(loop_of(l)));
}

static void on_listed(void *ctx, struct fetch *f, const struct fetch_result *result)
{
	struct listing_state *l = ctx;
	struct exchange *x = result->exchange;
	struct round r = { .state = l };
	struct grant *g = fetch_grant(f);

	note_failure(l, result);
	r.change = store_begin(l->directory->account.engine->store);
	if (x->ret_grant || x->drop_grant) {
		grant_hold(g, x->ret_grant);
		put_grant(r.change, g);
	}
	if (!result->error && !l->directory->hidden && !l->again)
		take_all(&r, &x->ret_listing);
	if (l->unsaved)
		put_unsaved(&r);
	store_commit(r.change, on_stored, l);
	if (x->ret_grant || x->drop_grant)
		g->unsaved = l->unsaved;
	if (!result->error && !l->again) {
		l->at_wall_ms = loop_wall(loop_of(l));
		tell_round(&r);
	}
	l->fetch = NULL;
	fetch_end(f);
	if (l->again)
		listing_configure(l);
	else
		plan(l);
}

static void on_timer(struct timer *t)
{
	struct listing_state *l = t->ctx;
	struct directory *d = l->directory;
	struct fetch_order order = { .purpose = PURPOSE_LIST, .name = "" };

	if (l->fetch || !is_wanted(l))
		return;
	if (grant_admits(&d->grant, NULL) ||
	    fetch_start(&d->grant, &order, on_listed, l, &l->fetch))
		plan(l);
}

void listing_hurry(struct listing_state *l)
{
	int64_t at = loop_now(loop_of(l)) + HURRY_MS;

	if (is_wanted(l) && l->timer.place && l->timer.at_ms > at)
		timer_start(loop_of(l), &l->timer, at);
}

void listing_init(struct listing_state *l, struct directory *d)
{
	*l = (struct listing_state){ .directory = d };
	l->timer = (struct timer){ .due = on_timer, .ctx = l };
}

void listing_finish(struct listing_state *l)
{
	timer_stop(loop_of(l), &l->timer);
}
