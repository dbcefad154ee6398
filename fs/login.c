/* SPDX-License-Identifier: Apache-2.0 */
#include "login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrival.h"
#include "log.h"
#include "tree.h"

static struct loop *loop_of(const struct login *l)
{
	return l->directory->account.engine->loop;
}

const char *login_state_name(enum login_state s)
{
	switch (s) {
	case LOGIN_IDLE:
		return "idle";
	case LOGIN_STARTING:
		return "starting";
	case LOGIN_WAITING:
		return "waiting";
	case LOGIN_DONE:
		return "done";
	case LOGIN_DENIED:
		return "denied";
	case LOGIN_EXPIRED:
		return "expired";
	case LOGIN_FAILED:
		return "failed";
	case LOGIN_CANCELLED:
		return "cancelled";
	}
	return "";
}

bool login_is_active(const struct login *l)
{
	return l->state == LOGIN_STARTING || l->state == LOGIN_WAITING;
}

bool login_is_for(const struct slot *s)
{
	const struct login *l = &s->directory->login;

	return login_is_active(l) && l->slot == s;
}

/* --- who waits --------------------------------------------------------------------------------- */

static void wake(struct login *l, int error)
{
	struct login_wait *w = l->waiting, *next;

	l->waiting = NULL;
	for (; w; w = next) {
		next = w->next;
		timer_stop(loop_of(l), &w->limit);
		w->login = NULL;
		w->done(w, error);
	}
}

void login_abandon(struct login_wait *w)
{
	struct login_wait **at;

	if (!w->login)
		return;
	for (at = &w->login->waiting; *at && *at != w; at = &(*at)->next)
		;
	if (*at)
		*at = w->next;
	timer_stop(loop_of(w->login), &w->limit);
	w->login = NULL;
}

static void on_limit(struct timer *t)
{
	struct login_wait *w = t->ctx;

	login_abandon(w);
	w->done(w, -ETIMEDOUT);
}

static int wait_for(struct login *l, struct login_wait *w)
{
	int r;

	if (l->state == LOGIN_WAITING)
		return LOGIN_READY;
	w->limit = (struct timer){ .due = on_limit, .ctx = w };
	r = timer_start(loop_of(l), &w->limit,
			loop_now(loop_of(l)) + account_timeout(&l->directory->account));
	if (r)
		return r;
	w->login = l;
	w->next = l->waiting;
	l->waiting = w;
	return LOGIN_WAITS;
}

/* --- the prompt -------------------------------------------------------------------------------- */

static void prompt_clear(struct prompt *p)
{
	free(p->uri);
	free(p->uri_complete);
	free(p->code);
	*p = (struct prompt){ 0 };
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* The server has given a code, and it is on the disk. */
static void show_prompt(struct login *l, const struct prompt *p)
{
	if (!p->uri || !p->code)
		return;
	prompt_clear(&l->prompt);
	l->prompt = (struct prompt){ .uri = copy(p->uri),
				     .uri_complete = copy(p->uri_complete),
				     .code = copy(p->code),
				     .expires_ms = p->expires_ms };
	if (!l->prompt.uri || !l->prompt.code)
		return; /* no memory: who waits hears of the time that is over */
	l->state = LOGIN_WAITING;
	wake(l, 0);
}

/* --- the end ----------------------------------------------------------------------------------- */

/* What .status shows as the last thing that went wrong. The log has it from the conversation. */
static void note_failure(struct login *l, int error, const struct sentence *why)
{
	struct directory *d = l->directory;

	d->refused = (struct failure){ .error = error, .at_wall_ms = loop_wall(loop_of(l)) };
	sentence_set(&d->refused.why, "%s: login: %s", l->name, why->text);
}

static void finish(struct login *l, enum login_state state, int error, const struct sentence *why)
{
	struct slot *s = l->slot;

	timer_stop(loop_of(l), &l->again);
	l->state = state;
	l->slot = NULL;
	l->ended_wall_ms = loop_wall(loop_of(l));
	sentence_set(&l->why, "%s", why ? why->text : "");
	prompt_clear(&l->prompt);
	s->live->writes--;
	if (state != LOGIN_DONE && state != LOGIN_CANCELLED)
		note_failure(l, error, &l->why);
	wake(l, error);
}

/* A new name for which no token came: as if nothing had been written. */
static void on_dropped(void *ctx, int error)
{
	(void)ctx;
	(void)error;
}

static void drop_slot(struct slot *s)
{
	if (s->kind == SLOT_CREATED && !slot_newest_token(s) && !s->live->fetch)
		arrival_forget(s, false, on_dropped, NULL);
}

static void fail(struct login *l, enum login_state state, int error, const struct sentence *why)
{
	struct slot *s = l->slot;
	bool created = l->created;

	arrival_settle(s);
	finish(l, state, error, why);
	if (created)
		drop_slot(s);
}

/* Whatever held the slot back is over. */
static void reopen(struct grant *g)
{
	grant_reopens(g);
	grant_keep_lock(g);
}

static void on_stored(void *ctx, int error)
{
	struct login *l = ctx;
	struct slot *s = l->slot;
	struct sentence why = l->grant.failure.why;

	fetch_end(l->fetch);
	l->fetch = NULL;
	if (error) {
		sentence_set(&why, "what the server gave could not be stored: %s", strerror(-error));
		fail(l, LOGIN_FAILED, error, &why);
		return;
	}
	reopen(s->grant);
	s->live->failure = (struct failure){ 0 };
	log_line(l->directory->account.engine->log, LOG_LEVEL_NOTICE, "%s/%s: logged in",
		 l->directory->name, s->name);
	finish(l, LOGIN_DONE, 0, NULL);
	slot_wake(s, 0);
}

static bool is_own(const struct login *l)
{
	return l->directory->account.config->type->login_per_slot;
}

/* The grant that gets what the login brought. */
static int choose_grant(struct login *l, struct secret *secret, struct grant **ret)
{
	struct slot *s = l->slot;

	*ret = s->grant;
	if (!is_own(l) || s->grant->own || !secret)
		return 0;
	return grant_new(&l->directory->account, secret, ret);
}

static void store_login(struct login *l, const struct fetch_result *result)
{
	struct exchange *x = result->exchange;
	struct arrival a = { .token = x->ret_token,
			     .id_token = x->ret_id_token,
			     .sent_boot_ms = result->sent_boot_ms,
			     .sent_wall_ms = result->sent_wall_ms,
			     .secret = x->ret_grant,
			     .drop_secret = !x->ret_grant,
			     .details = x->ret_details,
			     .login = true };

	if (choose_grant(l, x->ret_grant, &a.grant))
		on_stored(l, -ENOMEM);
	else
		arrival_store(l->slot, &a, on_stored, l);
}

static enum login_state state_of(const struct fetch_result *result)
{
	if (result->error == -EKEYREJECTED && result->slot_only)
		return LOGIN_DENIED;
	if (result->error == -EKEYEXPIRED)
		return LOGIN_EXPIRED;
	return LOGIN_FAILED;
}

/*
 * A successor finds the server away before it could ask about the code that its predecessor got: the
 * code is as good as it was.
 */
static bool may_go_on(const struct login *l, const struct fetch_result *result)
{
	bool is_away = result->error == -ECONNREFUSED || result->error == -EHOSTUNREACH ||
		       result->error == -ETIMEDOUT || result->error == -EAGAIN;

	return is_away && l->slot->live->intent && result->exchange->ret_prompt.code &&
	       result->exchange->ret_prompt.expires_ms > loop_wall(loop_of(l));
}

static bool goes_on(struct login *l, const struct fetch_result *result)
{
	if (!may_go_on(l, result) ||
	    timer_start(loop_of(l), &l->again, l->grant.failure.retry_at))
		return false;
	show_prompt(l, &result->exchange->ret_prompt);
	return true;
}

static void on_fetched(void *ctx, struct fetch *f, const struct fetch_result *result)
{
	struct login *l = ctx;
	struct sentence why = *result->why;
	int error = result->error;
	enum login_state state = state_of(result);

	if (!error) {
		store_login(l, result);
		return;
	}
	l->fetch = NULL;
	if (error == -EINTR) {
		/* The worker ends: the intent stays, and its successor goes on. */
		sentence_set(&why, "tokenfs ends");
		finish(l, LOGIN_CANCELLED, error, &why);
		fetch_end(f);
		return;
	}
	if (goes_on(l, result)) {
		fetch_end(f);
		return;
	}
	fetch_end(f);
	fail(l, state, error, &why);
}

/* --- under way --------------------------------------------------------------------------------- */

/* Each pause of the conversation is one at which a person acts. */
static void on_pause(void *ctx, struct exchange *x)
{
	show_prompt(ctx, &x->ret_prompt);
}

static void keep(void *ctx, struct fetch *f, struct exchange *x)
{
	struct login *l = ctx;

	arrival_keep(l->slot, &l->grant, x, f);
}

static int converse(struct login *l, struct slot *s)
{
	struct fetch_order order = { .purpose = PURPOSE_LOGIN,
				     .wish = s->wish,
				     .name = s->name,
				     .keep = keep,
				     .pause = on_pause };

	if (s->live->intent && s->live->intent_for == PURPOSE_LOGIN)
		order.intent = s->live->intent;
	return fetch_start(&l->grant, &order, on_fetched, l, &l->fetch);
}

static void on_again(struct timer *t)
{
	struct login *l = t->ctx;
	struct sentence why;
	int r = converse(l, l->slot);

	if (!r)
		return;
	sentence_set(&why, "%s", strerror(-r));
	fail(l, LOGIN_FAILED, r, &why);
}

static int start(struct login *l, struct slot *s, bool created)
{
	int r = slot_enliven(s);

	if (!r)
		r = converse(l, s);
	if (r)
		return r;
	l->state = LOGIN_STARTING;
	l->slot = s;
	l->created = created;
	l->basis = slot_basis(s, s->wish);
	if (!slot_newest_token(s))
		s->basis = l->basis; /* for a successor: kept with the intent */
	l->why.text[0] = '\0';
	snprintf(l->name, sizeof l->name, "%s", s->name);
	s->live->writes++; /* it stays as long as this goes on */
	return 0;
}

/* What is made of another token is had when that one is there. */
static bool takes_login(const struct slot *s)
{
	bool is_derived = s->directory->account.config->type->undeclared && slot_is_first(s);

	return slot_is_visible(s) && s->kind != SLOT_COMPANION && !is_derived;
}

static struct slot *first_of(const struct directory *d)
{
	const char *name = directory_first(d);

	return name ? directory_slot(d, name) : NULL;
}

bool login_is_needed(const struct slot *s)
{
	const struct directory *d = s->directory;
	const struct slot *first = first_of(d);

	if (!takes_login(s) || s->imported || s->grant->secret || slot_alive(s))
		return false;
	/* One login is for all: it was, and brought nothing that others could live on. */
	return d->account.config->type->login_per_slot || !first || !slot_alive(first);
}

static bool is_refused(const struct slot *s)
{
	return takes_login(s) && s->grant->failure.locked;
}

struct slot *login_candidate(const struct login *l)
{
	const struct directory *d = l->directory;
	struct slot *first = first_of(d);
	struct slot *s;

	if (!is_own(l) || (first && (login_is_needed(first) || is_refused(first))))
		return first;
	for (uint32_t id = 0; (s = directory_slot_from(d, id)); id = s->id + 1)
		if (login_is_needed(s) || is_refused(s))
			return s;
	return first && takes_login(first) ? first : NULL;
}

static int refuse(struct sentence *why, int error, const char *text)
{
	sentence_set(why, "%s", text);
	return error;
}

/* A document or a revocation of the slot is on its way: it may be another slot when that is over. */
static bool is_changing(const struct slot *s, unsigned int own)
{
	return s->live && s->live->writes > own;
}

static int refuse_changing(struct sentence *why)
{
	return refuse(why, -EBUSY, "a document or a revocation of the token is under way");
}

int login_join(struct login *l, struct login_wait *w, struct sentence *why)
{
	struct slot *s;
	int r = 0;

	if (!directory_needs_person(l->directory))
		return refuse(why, -ENOTSUP, "nobody has to log in here");
	if (!login_is_active(l)) {
		s = login_candidate(l);
		if (!s)
			return refuse(why, -ENOKEY,
				      "there is no token to log in for: write {} to a new name");
		if (is_changing(s, 0))
			return refuse_changing(why);
		r = grant_admits(&l->grant, why);
		if (!r)
			r = start(l, s, false);
	}
	return r ? r : wait_for(l, w);
}

int login_begin(struct login *l, struct slot *s, bool created, struct login_wait *w,
		struct sentence *why)
{
	int r;

	if (login_is_active(l) && l->slot != s)
		return refuse(why, -EBUSY,
			      "another login is under way: end it, or remove .login to cancel it");
	if (!login_is_active(l) && is_changing(s, 1))
		return refuse_changing(why);
	r = login_is_active(l) ? 0 : grant_admits(&l->grant, why);
	if (!r && !login_is_active(l))
		r = start(l, s, created);
	return r ? r : wait_for(l, w);
}

static void cancel(struct login *l, const char *reason)
{
	struct sentence why;
	struct fetch *f = l->fetch;

	l->fetch = NULL;
	sentence_set(&why, "%s", reason);
	log_line(l->directory->account.engine->log, LOG_LEVEL_NOTICE, "%s/%s: login cancelled: %s",
		 l->directory->name, l->name, reason);
	fetch_end(f);
	fail(l, LOGIN_CANCELLED, -EINTR, &why);
}

int login_cancel(struct login *l)
{
	if (!login_is_active(l))
		return -ENOENT;
	cancel(l, "it was cancelled");
	return 0;
}

void login_forget(struct login *l)
{
	if (login_is_active(l))
		cancel(l, "the client that it was begun with was removed");
	grant_reopens(&l->grant);
}

/* --- life -------------------------------------------------------------------------------------- */

void login_init(struct login *l, struct directory *d)
{
	*l = (struct login){ .directory = d };
	l->again = (struct timer){ .due = on_again, .ctx = l };
	grant_init(&l->grant, &d->account);
	l->grant.own = true; /* nothing of it is stored */
}

void login_finish(struct login *l)
{
	if (l->fetch)
		fetch_abort(l->fetch);
	timer_stop(loop_of(l), &l->again);
	prompt_clear(&l->prompt);
}

/* What was begun by a worker that is gone. */
static struct slot *begun(const struct directory *d)
{
	for (size_t i = 0; i < d->slots.n; i++) {
		struct slot *s = d->slots.at[i];

		if (s->live && s->live->intent && s->live->intent_for == PURPOSE_LOGIN &&
		    slot_is_visible(s))
			return s;
	}
	return NULL;
}

/* What a person agrees to is what it was begun with: it is for nothing any more. */
static bool is_void(const struct login *l)
{
	const struct directory *d = l->directory;

	return d->hidden || !directory_needs_person(d) || !slot_is_visible(l->slot) ||
	       slot_basis(l->slot, l->slot->wish) != l->basis;
}

/* The configuration is another one than that of the worker that began it. */
static bool is_outdated(const struct slot *s)
{
	return s->basis && s->basis != slot_basis(s, s->wish);
}

static void forget_begun(struct slot *s, bool created)
{
	log_line(s->directory->account.engine->log, LOG_LEVEL_NOTICE,
		 "%s/%s: the login that was begun is for another configuration",
		 s->directory->name, s->name);
	arrival_settle(s);
	if (created)
		drop_slot(s);
}

void login_configure(struct login *l)
{
	struct directory *d = l->directory;
	struct slot *s;
	bool created;

	if (login_is_active(l) && is_void(l))
		cancel(l, "the configuration changed meanwhile");
	if (d->hidden || !directory_needs_person(d) || login_is_active(l))
		return;
	s = begun(d);
	if (!s)
		return;
	created = s->kind == SLOT_CREATED && !s->generation;
	if (is_outdated(s))
		forget_begun(s, created);
	else if (start(l, s, created))
		log_line(d->account.engine->log, LOG_LEVEL_WARNING,
			 "%s/%s: the login that was begun cannot go on", d->name, s->name);
}
