/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "arrival.h"
#include "document.h"
#include "log.h"
#include "tree.h"

/* Where UNLINK itself has to wait it holds the directory's lock in the kernel (removing.h). */
#define REVOKE_LIMIT_MS 10000

struct transaction {
	struct slot *slot;
	struct document document;
	struct grant *grant; /* that is asked; an own one is ours until it is the slot's */
	struct access access_before;
	enum slot_kind kind_before;
	struct fetch *fetch;
	struct timer limit; /* for the wait in the grant's queue */
	uint64_t basis; /* of what the document was sent with */
	enum purpose purpose;
	struct login_wait login; /* for the page and the code of a login that the document starts */
	bool joins;              /* … or that was under way for the same document */
	struct settings *wish_before;
	bool written_before;
	bool revoked; /* at the server */
	transaction_done *done;
	void *ctx;
};

static struct loop *loop_of(const struct transaction *t)
{
	return t->slot->directory->account.engine->loop;
}

static void note_refusal(const struct transaction *t, int error, const struct sentence *why)
{
	struct directory *d = t->slot->directory;

	d->refused = (struct failure){ .error = error, .at_wall_ms = loop_wall(loop_of(t)) };
	sentence_set(&d->refused.why, "%s: %s", t->slot->name,
		     why && why->text[0] ? why->text : strerror(-error));
	log_line(d->account.engine->log, LOG_LEVEL_NOTICE, "%s/%s: %s refused: %s", d->name,
		 t->slot->name, t->purpose == PURPOSE_REVOKE ? "revocation" : "document",
		 d->refused.why.text);
}

static void release(struct transaction *t)
{
	struct slot *s = t->slot;

	timer_stop(loop_of(t), &t->limit);
	s->live->writes--;
	s->live->removals -= t->purpose == PURPOSE_REVOKE;
	if (s->kind == SLOT_DEAD)
		timer_start(loop_of(t), &s->live->forget, loop_now(loop_of(t)));
	if (t->grant && t->grant->own && t->grant != s->grant)
		grant_retire(t->grant);
	document_finish(&t->document);
	free(t);
	slot_resume(s);
}

/* A name that was not there and did not come to be: as if nothing had been written. */
static void undo_draft(struct transaction *t)
{
	struct slot *s = t->slot;

	if (t->purpose == PURPOSE_REVOKE || s->kind != SLOT_DRAFT)
		return;
	s->kind = t->kind_before;
	if (s->note && s->note->listed) {
		s->access = s->kind == SLOT_DRAFT ? s->directory->account.config->access
						  : t->access_before;
		listing_retain(s);
		return;
	}
	if (s->live->intent) {
		/* Nobody knows what became of it: whoever writes it again finds out. */
		s->kind = SLOT_ABSENT;
		return;
	}
	s->access = t->access_before;
	if (s->kind == SLOT_DRAFT)
		directory_remove(s);
}

static void end(struct transaction *t, int error, const struct sentence *why)
{
	transaction_done *done = t->done;
	void *ctx = t->ctx;

	if (error) {
		if (!t->login.done) /* else the login has told it */
			note_refusal(t, error, why);
		undo_draft(t);
	}
	release(t);
	done(ctx, error);
}

static void on_stored(void *ctx, int error)
{
	struct transaction *t = ctx;
	struct slot *s = t->slot;

	if (t->purpose == PURPOSE_REVOKE)
		t->grant = NULL; /* forgotten with its slot: the end of the fetch may free it */
	fetch_end(t->fetch);
	t->fetch = NULL;
	if (t->document.wish && s->wish == t->document.wish)
		t->document.wish = NULL; /* the slot's now */
	if (!error && t->purpose == PURPOSE_CREATE)
		listing_hurry(&s->directory->listing);
	if (!error && t->purpose != PURPOSE_REVOKE && slot_alive(s))
		slot_wake(s, 0);
	end(t, error, NULL);
}

static void store_document(struct transaction *t, const struct fetch_result *result)
{
	struct exchange *x = result ? result->exchange : NULL;
	struct loop *loop = loop_of(t);
	struct arrival a = {
		.token = x ? x->ret_token : t->document.token,
		.id_token = x ? x->ret_id_token : NULL,
		.sent_boot_ms = result ? result->sent_boot_ms : loop_now(loop),
		.sent_wall_ms = result ? result->sent_wall_ms : loop_wall(loop),
		.imported = !x,
		.grant = t->grant,
		.secret = x ? x->ret_grant : NULL,
		.document = true,
		.wish = t->document.wish,
		.details = x ? x->ret_details : NULL,
		.made = t->purpose == PURPOSE_CREATE || t->purpose == PURPOSE_UPDATE,
	};

	arrival_store(t->slot, &a, on_stored, t);
}

static void on_secret_stored(void *ctx, int error)
{
	struct transaction *t = ctx;
	struct sentence why = t->slot->directory->refused.why;

	(void)error; /* the document failed already */
	fetch_end(t->fetch);
	t->fetch = NULL;
	end(t, t->slot->directory->refused.error, &why);
}

static void on_fetched(void *ctx, struct fetch *f, const struct fetch_result *result)
{
	struct transaction *t = ctx;
	struct exchange *x = result->exchange;
	struct sentence why = *result->why;
	int error = result->error;

	t->fetch = f;
	if (!error && t->slot->kind == SLOT_DEAD) {
		/* An imported refresh token has a queue of its own: rm was faster. */
		sentence_set(&why, "%s was removed meanwhile", t->slot->name);
		error = -ENOENT;
	}
	/* What the server made is there, whatever the settings are now. */
	if (!error && (t->purpose != PURPOSE_FETCH ||
		       slot_basis(t->slot, t->document.wish) == t->basis)) {
		store_document(t, result);
		return;
	}
	if (result->settled)
		arrival_settle(t->slot);
	if (!error) {
		sentence_set(&why, "the configuration changed meanwhile: write it again");
		fetch_end(f);
		t->fetch = NULL;
		end(t, -EAGAIN, &why);
		return;
	}
	if (!t->grant->own && (x->ret_grant || x->drop_grant)) {
		/* The document failed, but the provider's grant moved on meanwhile. */
		struct arrival a = { .grant = t->grant,
				     .secret = x->ret_grant,
				     .drop_secret = x->drop_grant };

		note_refusal(t, error, &why);
		arrival_store(t->slot, &a, on_secret_stored, t);
		return;
	}
	fetch_end(f);
	t->fetch = NULL;
	end(t, error, &why);
}

/* The server has forgotten it; so do we. */
static void forget(void *ctx, int error)
{
	struct transaction *t = ctx;

	(void)error; /* of the grant's secret, which can be had again */
	arrival_forget(t->slot, t->revoked, on_stored, t);
}

static void on_revoked(void *ctx, struct fetch *f, const struct fetch_result *result)
{
	struct transaction *t = ctx;
	struct exchange *x = result->exchange;
	struct sentence why = *result->why;
	int error = result->error;

	if (!error) {
		struct arrival a = { .grant = t->grant,
				     .secret = x->ret_grant,
				     .drop_secret = x->drop_grant };

		t->fetch = f;
		t->revoked = result->sent;
		if (!t->grant->own && (x->ret_grant || x->drop_grant))
			arrival_store(t->slot, &a, forget, t);
		else
			forget(t, 0);
		return;
	}
	fetch_end(f);
	t->fetch = NULL;
	end(t, error, &why);
}

static void on_limit(struct timer *timer)
{
	struct transaction *t = timer->ctx;
	struct sentence why;

	/* What was sent has a deadline of its own, which comes before this. */
	if (!t->fetch || !fetch_withdraw(t->fetch))
		return;
	t->fetch = NULL;
	sentence_set(&why, "earlier requests of %s took too long", t->slot->directory->name);
	end(t, -ETIMEDOUT, &why);
}

static int begin(struct slot *s, transaction_done *done, void *ctx, struct transaction **ret)
{
	struct transaction *t = calloc(1, sizeof *t);

	if (!t || slot_enliven(s)) {
		free(t);
		return -ENOMEM;
	}
	t->slot = s;
	t->done = done;
	t->ctx = ctx;
	t->access_before = s->access;
	t->kind_before = s->kind;
	t->limit = (struct timer){ .due = on_limit, .ctx = t };
	s->live->writes++;
	*ret = t;
	return 0;
}

static int start(struct transaction *t, struct fetch_order *order, int64_t limit,
		 fetch_done *fetched)
{
	int64_t now = loop_now(loop_of(t));
	int r = timer_start(loop_of(t), &t->limit, now + limit);

	order->name = t->slot->name;
	order->deadline = now + limit - limit / 20;
	return r ? r : fetch_start(t->grant, order, fetched, t, &t->fetch);
}

/* Which grant the document is for: an imported refresh token is the slot's own from now on. */
static int choose_grant(struct transaction *t)
{
	struct slot *s = t->slot;

	if (t->document.refresh_token)
		return grant_new(&s->directory->account, t->document.refresh_token, &t->grant);
	t->grant = t->document.token ? &s->directory->grant : s->grant;
	return 0;
}

static struct token *newest_token(void *ctx)
{
	const struct transaction *t = ctx;
	struct generation *alive = slot_alive(t->slot);

	if (t->purpose != PURPOSE_REVOKE || slot_is_precious(t->slot))
		return slot_newest_token(t->slot);
	return alive ? alive->token : NULL;
}

/* It was removed while this one stood in the queue. */
static bool is_void(void *ctx)
{
	const struct transaction *t = ctx;

	return t->slot->kind == SLOT_DEAD;
}

static void keep(void *ctx, struct fetch *f, struct exchange *x)
{
	struct transaction *t = ctx;

	arrival_keep(t->slot, t->grant, x, f);
}

/* --- documents --------------------------------------------------------------------------------- */

/*
 * A new name of a type whose tokens begin with a person; or one whose token a login alone can replace,
 * which is refused while that is alive.
 */
static bool starts_login(const struct transaction *t)
{
	const struct slot *s = t->slot;

	return s->directory->account.config->type->login_per_slot &&
	       directory_needs_person(s->directory) && !t->document.token &&
	       !t->document.refresh_token &&
	       (slot_is_precious(s) || !(s->grant->own && s->grant->secret));
}

/* No login came of it: what was asked for before holds again. */
static void end_login(struct transaction *t)
{
	struct slot *s = t->slot;

	if (t->joins)
		return;
	settings_free(s->wish);
	s->wish = t->wish_before;
	s->written = t->written_before;
	t->wish_before = NULL;
	if (s->kind == SLOT_CREATED && t->kind_before != SLOT_CREATED &&
	    !login_is_for(s))
		s->kind = SLOT_DRAFT; /* the end of the transaction undoes it */
}

static void on_prompt(struct login_wait *w, int error)
{
	struct transaction *t = (struct transaction *)(void *)((char *)w -
							       offsetof(struct transaction, login));
	struct sentence why = t->slot->directory->login.why;

	if (!error)
		t->wish_before = settings_free(t->wish_before);
	else
		end_login(t);
	end(t, error, &why);
}

/* What the login is for from now on. */
static void take_wish(struct transaction *t)
{
	struct slot *s = t->slot;

	t->wish_before = s->wish;
	t->written_before = s->written;
	s->wish = t->document.wish;
	s->written = true;
	t->document.wish = NULL;
}

static int begin_login(struct transaction *t, const struct access *owner, struct sentence *why)
{
	struct slot *s = t->slot;
	bool is_new = s->kind == SLOT_DRAFT || s->kind == SLOT_ABSENT;
	int r;

	if (slot_alive(s)) {
		sentence_set(why, "it is there already: remove it first, or log in for another name");
		return -EEXIST;
	}
	if (is_new) {
		s->kind = SLOT_CREATED;
		s->access = *owner;
	}
	t->joins = login_is_for(s);
	if (!t->joins)
		take_wish(t);
	t->login.done = on_prompt;
	r = login_begin(&s->directory->login, s, is_new, &t->login, why);
	if (r < 0) {
		end_login(t);
		t->login.done = NULL;
	}
	return r;
}

/* Whoever agrees to a login agrees to what it was begun with. */
static int check_login(const struct transaction *t, struct sentence *why)
{
	const struct slot *s = t->slot;

	if (!login_is_for(s) || (starts_login(t) && settings_equal(t->document.wish, s->wish)))
		return 0;
	sentence_set(why, "a login for it is under way: end it, or remove .login to cancel it");
	return -EBUSY;
}

static int check_purpose(struct transaction *t, struct sentence *why)
{
	struct slot *s = t->slot;

	t->purpose = PURPOSE_FETCH;
	if (!s->directory->account.config->type->creates || t->document.token)
		return 0;
	if (slot_is_first(s)) {
		sentence_set(why, "%s is had by logging in, not by writing: write to another name",
			     s->name);
		return -EINVAL;
	}
	t->purpose = s->note && s->note->listed ? PURPOSE_UPDATE : PURPOSE_CREATE;
	if (s->live->intent && s->live->intent_for == PURPOSE_CREATE)
		t->purpose = PURPOSE_CREATE;
	return 0;
}

static int send_document(struct transaction *t)
{
	struct slot *s = t->slot;
	struct fetch_order order = { .purpose = t->purpose,
				     .wish = t->document.wish,
				     .details = s->note ? s->note->details : NULL,
				     .token = newest_token,
				     .is_void = is_void,
				     .keep = keep };

	if (s->live->intent && s->live->intent_for == t->purpose)
		order.intent = s->live->intent;
	t->basis = slot_basis(s, t->document.wish);
	return start(t, &order, account_timeout(&s->directory->account), on_fetched);
}

static int send(struct transaction *t, const struct access *owner, struct sentence *why)
{
	struct slot *s = t->slot;
	int r = check_login(t, why);

	if (!r && starts_login(t))
		return begin_login(t, owner, why);
	if (!r)
		r = check_purpose(t, why);
	if (!r)
		r = choose_grant(t);
	if (r)
		return r;
	if (s->kind == SLOT_DRAFT || s->kind == SLOT_ABSENT) {
		s->kind = SLOT_DRAFT;
		s->access = *owner;
	}
	return t->document.token ? 0 : send_document(t);
}

void transaction_write(struct slot *s, const char *bytes, size_t len, const struct access *owner,
		       transaction_done *done, void *ctx, struct transaction **ret)
{
	const struct config_provider *config = s->directory->account.config;
	const struct document_slot place = { .type = config->type,
					     .settings = config->settings,
					     .name = s->name,
					     .details = s->note ? s->note->details : NULL };
	struct sentence why = { "" };
	struct transaction *t;
	int r = begin(s, done, ctx, &t);

	*ret = NULL;
	if (r) {
		done(ctx, r);
		return;
	}
	r = document_read(&place, bytes, len, loop_wall(loop_of(t)), &why, &t->document);
	if (!r)
		r = send(t, owner, &why);
	if (r < 0) {
		end(t, r, &why);
	} else if (t->login.done && r == LOGIN_READY) {
		t->wish_before = settings_free(t->wish_before);
		end(t, 0, NULL);
	} else {
		*ret = t;
		if (t->document.token)
			store_document(t, NULL);
	}
}

/* --- revocation -------------------------------------------------------------------------------- */

/* The server has nothing of it. */
static bool is_only_here(const struct slot *s)
{
	return !slot_is_precious(s) && !slot_alive(s) && !s->grant->own && !s->live->fetch;
}

/* A login for it is under way: true, and it went with it. */
static bool went_with_login(struct slot *s)
{
	if (!login_is_for(s))
		return false;
	login_cancel(&s->directory->login);
	return s->kind == SLOT_DEAD;
}

void transaction_revoke(struct slot *s, transaction_done *done, void *ctx, struct transaction **ret)
{
	int64_t limit = account_timeout(&s->directory->account);
	struct fetch_order order = { .purpose = PURPOSE_REVOKE,
				     .wish = s->wish,
				     .details = s->note ? s->note->details : NULL,
				     .token = newest_token,
				     .is_void = is_void,
				     .keep = keep };
	struct transaction *t;
	int r;

	*ret = NULL;
	r = went_with_login(s) ? 1 : begin(s, done, ctx, &t);
	if (r) {
		done(ctx, r < 0 ? r : 0);
		return;
	}
	t->purpose = PURPOSE_REVOKE;
	t->grant = s->grant;
	s->live->removals++;
	if (is_only_here(s)) {
		*ret = t;
		arrival_forget(s, false, on_stored, t);
		return;
	}
	r = start(t, &order, limit < REVOKE_LIMIT_MS ? limit : REVOKE_LIMIT_MS, on_revoked);
	if (r)
		end(t, r, NULL);
	else
		*ret = t;
}

bool transaction_withdraw(struct transaction *t)
{
	if (t->login.login) {
		struct login *l = t->login.login;

		login_abandon(&t->login);
		end_login(t);
		if (!t->joins)
			login_cancel(l);
		release(t);
		return true;
	}
	if (!t->fetch || !fetch_withdraw(t->fetch))
		return false;
	t->fetch = NULL;
	undo_draft(t);
	release(t);
	return true;
}
