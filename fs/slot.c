/* SPDX-License-Identifier: Apache-2.0 */
#include "slot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "arrival.h"
#include "credential.h"
#include "log.h"
#include "policy.h"
#include "tree.h"
#include "wish.h"

/* A renewal that failed for no reason that holds is not tried again at once. */
#define RETRY_PAUSE_MS 1000

static struct loop *loop_of(const struct slot *s)
{
	return s->directory->account.engine->loop;
}

int slot_new(struct directory *d, uint32_t id, const char *name, struct slot **ret)
{
	size_t len = strlen(name);
	struct slot *s = calloc(1, sizeof *s + len + 1);

	if (!s)
		return -ENOMEM;
	s->id = id;
	s->directory = d;
	s->grant = &d->grant;
	memcpy(s->name, name, len + 1);
	*ret = s;
	return 0;
}

static void drop_generations(struct live *l)
{
	while (l->newest) {
		struct generation *g = l->newest;

		l->newest = g->older;
		generation_free(g);
	}
}

static void note_free(struct note *n)
{
	if (!n)
		return;
	free(n->details);
	free(n->stamp);
	free(n);
}

static void refusal_end(struct refusal *r)
{
	token_unref(r->given);
	free(r->of);
	*r = (struct refusal){ 0 };
}

static void release_live(struct slot *s)
{
	struct live *l = s->live;

	if (!l)
		return;
	timer_stop(loop_of(s), &l->renew);
	timer_stop(loop_of(s), &l->forget);
	drop_generations(l);
	refusal_end(&l->refusal);
	secret_unref(l->intent);
	free(l->document);
	free(l);
	s->live = NULL;
}

struct slot *slot_free(struct slot *s)
{
	if (!s)
		return NULL;
	release_live(s);
	if (s->grant->own)
		grant_retire(s->grant);
	settings_free(s->wish);
	note_free(s->note);
	free(s);
	return NULL;
}

int slot_row(const struct slot *s, struct buffer *wish, struct stored_slot *ret)
{
	int r = s->written && s->wish ? wish_write(s->wish, wish) : 0;

	*ret = (struct stored_slot){ .id = s->id,
				     .directory = s->directory->id,
				     .name = s->name,
				     .created = s->kind == SLOT_CREATED,
				     .uid = s->access.uid,
				     .gid = s->access.gid,
				     .mode = s->access.mode,
				     .generation = s->generation,
				     .size = s->size,
				     .grant = s->grant->own ? s->grant->id : 0,
				     .wish = wish->len ? buffer_string(wish) : NULL,
				     .written = s->written,
				     .imported = s->imported,
				     .basis = s->basis };
	if (s->note) {
		ret->listed = s->note->listed;
		ret->details = s->note->details;
		ret->stamp = s->note->stamp;
	}
	return r;
}

static int replace_text(char **at, const char *text)
{
	char *copy;

	if (!text || (*at && !strcmp(*at, text)))
		return 0;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

int slot_note(struct slot *s, const char *details, const char *stamp)
{
	if (!s->note)
		s->note = calloc(1, sizeof *s->note);
	if (!s->note || replace_text(&s->note->details, details) ||
	    replace_text(&s->note->stamp, stamp))
		return -ENOMEM;
	return 0;
}

void slot_unstamp(struct slot *s)
{
	free(s->note->stamp);
	s->note->stamp = NULL;
}

bool slot_is_first(const struct slot *s)
{
	const char *first = directory_first(s->directory);

	return first && !strcmp(first, s->name);
}

bool slot_is_precious(const struct slot *s)
{
	return s->directory->account.config->type->undeclared && !slot_is_first(s);
}

void slot_intend(struct slot *s, struct secret *intent, enum purpose purpose)
{
	struct secret *old = s->live->intent;

	s->live->intent = intent ? secret_ref(intent) : NULL;
	s->live->intent_for = purpose;
	secret_unref(old);
}

uint64_t slot_basis(const struct slot *s, const struct settings *wish)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_RENDER);
	uint64_t hash = 0;

	if (wish_write(s->directory->account.config->settings, &text) ||
	    (wish && wish_write(wish, &text)))
		return 0;
	crypto_generichash((unsigned char *)&hash, sizeof hash,
			   (const unsigned char *)buffer_string(&text), text.len, NULL, 0);
	return hash;
}

bool slot_is_visible(const struct slot *s)
{
	switch (s->kind) {
	case SLOT_DECLARED:
	case SLOT_CREATED:
	case SLOT_LISTED:
	case SLOT_COMPANION:
		return true;
	case SLOT_ABSENT:
	case SLOT_DRAFT:
	case SLOT_DEAD:
		break;
	}
	return false;
}

static int64_t margin_of(const struct slot *s, const struct generation *g)
{
	return policy_margin(account_margin(&s->directory->account), g->expires_at - g->issued_at);
}

static struct generation *newest_of(const struct slot *s)
{
	struct generation *g = s->live ? s->live->newest : NULL;

	return g && !g->revoked ? g : NULL;
}

struct token *slot_newest_token(const struct slot *s)
{
	struct generation *g = newest_of(s);

	return g ? g->token : NULL;
}

bool generation_is_fresh(const struct slot *s, const struct generation *g)
{
	if (g->revoked || g->expires_at == POLICY_NEVER)
		return !g->revoked;
	return policy_fresh(loop_now(loop_of(s)), g->expires_at, margin_of(s, g));
}

struct generation *slot_fresh(const struct slot *s)
{
	struct generation *g = newest_of(s);

	return g && generation_is_fresh(s, g) ? g : NULL;
}

struct generation *slot_alive(const struct slot *s)
{
	struct generation *g = newest_of(s);

	return g && policy_alive(loop_now(loop_of(s)), g->expires_at) ? g : NULL;
}

struct generation *slot_generation(const struct slot *s, uint32_t number)
{
	struct generation *g = s->live ? s->live->newest : NULL;

	while (g && g->number != number)
		g = g->older;
	return g;
}

int64_t slot_name_ms(const struct slot *s)
{
	struct generation *g = slot_fresh(s);

	if (!g || s->live->writes)
		return 0;
	return policy_name_ms(loop_now(loop_of(s)), g->expires_at, margin_of(s, g));
}

const struct failure *slot_failure(const struct slot *s)
{
	if (s->live && s->live->failure.error)
		return &s->live->failure;
	return s->grant->failure.error ? &s->grant->failure : NULL;
}

/*
 * Still the one that the last open was given, if that was a moment ago, or somebody has it open: he may
 * not have asked for its size yet.
 */
static struct generation *follows_still(const struct slot *s)
{
	const struct live *l = s->live;
	struct generation *g = l && l->following ? slot_generation(s, l->following) : NULL;
	int64_t now = loop_now(loop_of(s));

	if (!g || g->revoked || !policy_alive(now, g->expires_at) ||
	    (now - l->following_at > POLICY_FOLLOW_PAUSE_MS && !g->opens))
		return NULL;
	return g;
}

/* Readers that never pause are moved on between two of them. */
static bool must_move_on(const struct slot *s, const struct generation *g)
{
	int64_t followed = loop_now(loop_of(s)) - s->live->following_since;

	return (followed > POLICY_FOLLOW_MAX_MS && !g->opens) || followed > 5 * POLICY_FOLLOW_MAX_MS;
}

struct generation *slot_followed(const struct slot *s)
{
	struct generation *g = follows_still(s);

	return g ? g : slot_alive(s);
}

struct generation *slot_follow(struct slot *s)
{
	struct generation *g = follows_still(s);
	int64_t now = loop_now(loop_of(s));

	if (!g || must_move_on(s, g)) {
		g = slot_alive(s);
		if (!g)
			return NULL;
		s->live->following = g->number;
		s->live->following_since = now;
	}
	s->live->following_at = now;
	return g;
}

/* Companions have no request of their own: they wait for the token that they come with. */
static struct slot *origin_of(struct slot *s)
{
	struct slot *origin;

	if (s->kind != SLOT_COMPANION)
		return s;
	origin = directory_slot(s->directory, directory_first(s->directory));
	return origin ? origin : s;
}

/* What was refused is not what would be sent now. */
static bool is_mended(const struct slot *s)
{
	const struct account *a = &s->directory->account;
	const struct refusal *r = &s->live->refusal;

	if (!r->signature)
		return false;
	if (r->given && r->of)
		return a->needs->look(a->needs->tree, r->of) != r->given;
	return credential_signature(a->config) != r->signature;
}

static int admits(struct slot *s)
{
	struct failure *f = &s->live->failure;

	if (f->error && loop_now(loop_of(s)) < f->retry_at && !is_mended(s))
		return f->error;
	return grant_admits(s->grant, NULL);
}

static void wake(struct slot *s, int error)
{
	struct settle *w = s->live->waiting, *next;

	if (!error && s->live->removals)
		return; /* until slot_resume() */
	s->live->waiting = NULL;
	for (; w; w = next) {
		next = w->next;
		timer_stop(loop_of(s), &w->limit);
		w->slot = NULL;
		if (slot_alive(s))
			w->done(w, 0);
		else
			w->done(w, error ? error : -EPROTO);
	}
}

/* A server that sends no id_token with this answer is not asked again for each reader of it. */
static void note_nothing_came(struct slot *companion)
{
	struct failure *f = &companion->live->failure;

	*f = (struct failure){ .error = -EPROTO,
			       .at_wall_ms = loop_wall(loop_of(companion)),
			       .retry_at = loop_now(loop_of(companion)) + POLICY_FORBIDDEN_MS };
	sentence_set(&f->why, "the server sent no id_token with its answer");
}

/* NULL: none, or nobody asked for it yet. */
static struct slot *companion_of(const struct slot *s)
{
	struct slot *c = slot_is_first(s) ? directory_named(s->directory, "id_token") : NULL;

	return c && c->kind == SLOT_COMPANION && c->live ? c : NULL;
}

void slot_wake(struct slot *s, int error)
{
	struct slot *c = companion_of(s);

	wake(s, error);
	if (!c || !slot_alive(c))
		return;
	c->live->failure = (struct failure){ 0 };
	wake(c, 0);
}

static void wake_with_companion(struct slot *s, int error)
{
	struct slot *c = companion_of(s);

	if (c && !slot_alive(c)) {
		if (!error)
			note_nothing_came(c);
		wake(c, error);
	}
	slot_wake(s, error);
}

/* A renewal failed while the token is still good: once more when nothing holds it back. */
static void plan_retry(struct slot *s)
{
	const struct failure *own = &s->live->failure, *grants = &s->grant->failure;
	struct generation *g = slot_alive(s);
	int64_t at = loop_now(loop_of(s)) + RETRY_PAUSE_MS;

	/* a token of somebody is looked for all the time: no server is asked for that */
	if (own->error && own->retry_at > at && !s->live->refusal.given)
		at = own->retry_at;
	if (grants->error && grants->retry_at > at)
		at = grants->retry_at;
	if (g && g->opened && at < g->expires_at)
		timer_start(loop_of(s), &s->live->renew, at);
}

static void note_refusal(struct slot *s, const struct fetch_result *result)
{
	const struct exchange *x = result->exchange;
	struct refusal *r = &s->live->refusal;

	if (result->elsewhere ||
	    (result->error != -EKEYREJECTED && result->error != -EKEYEXPIRED))
		return;
	r->signature = result->signature;
	if (x->given) {
		r->given = token_ref(x->given);
		r->of = strdup(x->need);
	}
}

static void note_failure(struct slot *s, const struct fetch_result *result)
{
	struct failure *f = &s->live->failure;

	*f = (struct failure){ 0 };
	refusal_end(&s->live->refusal);
	if (!result->slot_only)
		return;
	f->error = result->error;
	f->at_wall_ms = loop_wall(loop_of(s));
	f->retry_at = loop_now(loop_of(s)) + (result->elsewhere ? 0 : POLICY_FORBIDDEN_MS);
	f->why = *result->why;
	note_refusal(s, result);
}

/* It was rewritten, revoked or configured anew since the fetch began: the answer is for the past. */
static bool is_over(const struct slot *s)
{
	return s->live->epoch != s->live->fetch_epoch ||
	       s->live->fetch_basis != slot_basis(s, s->wish);
}

/* Ends the fetch and the wait for it. `error`: how it ended for who waits. */
static void settle_all(struct slot *s, int error)
{
	struct live *l = s->live;
	struct fetch *f = l->fetch;
	bool is_void = is_over(s);

	l->fetch = NULL;
	fetch_end(f);
	if (is_void && l->waiting && !slot_fresh(s) && slot_is_visible(s)) {
		/* It was rewritten or revoked meanwhile: who waits wants what holds now. */
		error = l->start(s);
		if (!error)
			return;
	}
	if (error)
		plan_retry(s);
	wake_with_companion(s, error);
	if (s->kind == SLOT_DEAD)
		timer_start(loop_of(s), &l->forget, loop_now(loop_of(s)));
}

/* What came is on disk and shown, or is not. */
static void on_stored(void *ctx, int error)
{
	struct slot *s = ctx;

	settle_all(s, error ? error : s->live->fetch_error);
}

static void on_fetched(void *ctx, struct fetch *f, const struct fetch_result *result)
{
	struct slot *s = ctx;
	struct exchange *x = result->exchange;
	bool is_void = is_over(s);
	struct arrival a = { .grant = fetch_grant(f),
			     .secret = x->ret_grant,
			     .drop_secret = x->drop_grant,
			     .sent_boot_ms = result->sent_boot_ms,
			     .sent_wall_ms = result->sent_wall_ms };

	if (!is_void)
		note_failure(s, result);
	if (!is_void && result->error == -EKEYEXPIRED && result->slot_only && slot_is_precious(s))
		arrival_expire(s);
	if (!result->error && !is_void) {
		a.token = x->ret_token;
		a.id_token = x->ret_id_token;
	}
	s->live->fetch_error = result->error;
	if (a.token || a.secret || a.drop_secret)
		arrival_store(s, &a, on_stored, s);
	else
		settle_all(s, result->error);
}

static struct token *newest_token(void *ctx)
{
	return slot_newest_token(ctx);
}

static void keep(void *ctx, struct fetch *f, struct exchange *x)
{
	arrival_keep(ctx, fetch_grant(f), x, f);
}

static int start_fetch(struct slot *s)
{
	struct fetch_order order = { .purpose = PURPOSE_FETCH,
				     .wish = s->wish,
				     .name = s->name,
				     .details = s->note ? s->note->details : NULL,
				     .token = newest_token,
				     .keep = keep };

	s->live->fetch_epoch = s->live->epoch;
	s->live->fetch_basis = slot_basis(s, s->wish);
	return fetch_start(s->grant, &order, on_fetched, s, &s->live->fetch);
}

/* Nobody is asked for another one. Where the server lists it, its type knows whether it goes on. */
static bool ends_with_import(const struct slot *s)
{
	return s->imported && !s->directory->account.config->type->lists;
}

/* A fetch is under way, or starts; 0, or the errno that holds it back. */
static int ensure_fetch(struct slot *s)
{
	int r;

	if (s->live->fetch)
		return 0;
	if (ends_with_import(s))
		return -EKEYEXPIRED;
	r = admits(s);
	return r ? r : start_fetch(s);
}

void slot_resume(struct slot *s)
{
	struct slot *origin = origin_of(s);
	int r = slot_is_visible(s) ? 0 : -ENOENT;

	if (s->live->removals || !s->live->waiting)
		return;
	if (!r && slot_enliven(origin))
		r = -ENOMEM;
	if (!r && !slot_fresh(s)) {
		if (origin->live->fetch)
			return; /* its end wakes them */
		r = slot_alive(s) ? 0 : ensure_fetch(origin);
		if (!r && !slot_alive(s))
			return;
	}
	wake(s, r);
}

static void on_renewal(struct timer *t)
{
	struct slot *s = t->ctx;
	struct generation *g = slot_alive(s);

	/* Not for what the configuration no longer has. */
	if (!slot_is_visible(s) || s->directory->hidden || s->kind == SLOT_COMPANION)
		return;
	if (g && g->opened && !ends_with_import(s) && ensure_fetch(s))
		plan_retry(s);
}

/* The kernel is told once, so that it asks for the attributes of what the number shows now. */
static void begin_to_follow(struct slot *s, struct generation *g)
{
	struct tree *t = s->directory->tree;

	if (g->followed)
		return;
	g->followed = true;
	t->events.followed(t->events.ctx, s, g->number);
}

/* Old generations go when they have been old for long enough and nobody has them open. */
static void on_forget(struct timer *t)
{
	struct slot *s = t->ctx;
	int64_t before = loop_now(loop_of(s)) - POLICY_KEEP_OLD_MS;
	int64_t before_open = loop_now(loop_of(s)) - POLICY_KEEP_OPEN_MS;
	struct generation **at = &s->live->newest;
	bool more = false;

	while (*at) {
		struct generation *g = *at;
		bool is_over = g->over_at && g->over_at <= before;
		bool is_told = g->followed; /* a turn ago: the kernel has heard of it */

		if (is_over && (!g->opens || g->over_at <= before_open))
			begin_to_follow(s, g);
		if (is_over && is_told && !g->opens) {
			*at = g->older;
			generation_free(g);
			continue;
		}
		more = more || g->over_at;
		at = &g->older;
	}
	if (more)
		timer_start(loop_of(s), t, loop_now(loop_of(s)) + POLICY_KEEP_OLD_MS / 10);
	tree_sweep(s);
}

int slot_enliven(struct slot *s)
{
	if (s->live)
		return 0;
	s->live = calloc(1, sizeof *s->live);
	if (!s->live)
		return -ENOMEM;
	s->live->renew = (struct timer){ .due = on_renewal, .ctx = s };
	s->live->forget = (struct timer){ .due = on_forget, .ctx = s };
	s->live->start = start_fetch;
	return 0;
}

void slot_opened(struct slot *s, struct generation *g)
{
	struct live *l = s->live;
	int64_t at;

	if (g->opened || g != l->newest)
		return;
	g->opened = true;
	at = policy_renew_at(g->issued_at, g->expires_at, margin_of(s, g), randombytes_random());
	if (at != POLICY_NEVER)
		timer_start(loop_of(s), &l->renew, at);
}

void slot_show(struct slot *s, struct generation *g)
{
	struct live *l = s->live;
	struct generation *old = l->newest;
	int64_t now = loop_now(loop_of(s));

	g->older = old;
	l->newest = g;
	l->revoked = false;
	s->generation = g->number;
	s->size = (uint32_t)token_len(g->token);
	if (old && !old->revoked && token_len(old->token) == token_len(g->token) &&
	    !memcmp(token_value(old->token), token_value(g->token), token_len(g->token)))
		g->changed_wall_ms = old->changed_wall_ms; /* the same bytes: the same mtime */
	if (!old || old->revoked)
		return;
	old->over_at = now;
	if (!l->forget.place)
		timer_start(loop_of(s), &l->forget, now + POLICY_KEEP_OLD_MS);
	/* Who read the last one reads this one too. */
	if (old->opened)
		slot_opened(s, g);
}

void slot_chill(struct slot *s)
{
	int64_t now = loop_now(loop_of(s));

	timer_stop(loop_of(s), &s->live->renew);
	for (struct generation *g = s->live->newest; g; g = g->older) {
		g->revoked = true;
		g->over_at = g->over_at ? g->over_at : now;
	}
	if (!s->live->forget.place)
		timer_start(loop_of(s), &s->live->forget, now + POLICY_KEEP_OLD_MS);
	s->live->revoked = true;
}

static void on_limit(struct timer *t)
{
	struct settle *w = t->ctx;
	struct slot *s = w->slot;

	slot_abandon(w);
	w->done(w, slot_alive(s) ? 0 : -ETIMEDOUT);
}

/* How long an open waits: while a token is alive, no longer than leaves some of it to hand out. */
static int64_t limit_of(const struct slot *s)
{
	int64_t now = loop_now(loop_of(s)), limit = account_timeout(&s->directory->account);
	const struct generation *g = slot_alive(s);

	if (g && (g->expires_at - now) / 2 < limit)
		limit = (g->expires_at - now) / 2;
	return now + limit;
}

int slot_settle(struct slot *s, struct settle *w)
{
	struct slot *origin = origin_of(s);
	int r;

	if (slot_fresh(s))
		return SETTLE_NOW;
	if (slot_enliven(s) || slot_enliven(origin))
		return -ENOMEM;
	r = origin == s ? 0 : admits(s);
	if (!r)
		r = ensure_fetch(origin);
	if (r)
		return slot_alive(s) ? SETTLE_NOW : r;
	w->slot = s;
	w->limit = (struct timer){ .due = on_limit, .ctx = w };
	r = timer_start(loop_of(s), &w->limit, limit_of(s));
	if (r)
		return r;
	w->next = s->live->waiting;
	s->live->waiting = w;
	return SETTLE_WAITS;
}

void slot_abandon(struct settle *w)
{
	struct settle **at;

	if (!w->slot)
		return;
	for (at = &w->slot->live->waiting; *at && *at != w; at = &(*at)->next)
		;
	if (*at)
		*at = w->next;
	timer_stop(loop_of(w->slot), &w->limit);
	w->slot = NULL;
}

void slot_prefetch(struct slot *s)
{
	if (s->kind == SLOT_COMPANION || slot_fresh(s) || slot_enliven(s))
		return;
	ensure_fetch(s);
}

void slot_renew(struct slot *s)
{
	if (slot_newest_token(s) && slot_is_precious(s))
		ensure_fetch(s);
}
