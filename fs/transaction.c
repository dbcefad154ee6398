/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arrival.h"
#include "document.h"
#include "log.h"
#include "tree.h"

/* UNLINK holds the directory's lock in the kernel while it waits. */
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
	bool revokes;
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
		 t->slot->name, t->revokes ? "revocation" : "document", d->refused.why.text);
}

static void release(struct transaction *t)
{
	timer_stop(loop_of(t), &t->limit);
	t->slot->live->writes--;
	if (t->grant && t->grant->own && t->grant != t->slot->grant)
		grant_retire(t->grant);
	document_finish(&t->document);
	free(t);
}

/* A name that was not there and did not come to be: as if nothing had been written. */
static void undo_draft(struct transaction *t)
{
	struct slot *s = t->slot;

	if (t->revokes || s->kind != SLOT_DRAFT)
		return;
	s->kind = t->kind_before;
	s->access = t->access_before;
	if (s->kind == SLOT_DRAFT)
		directory_remove(s);
}

static void end(struct transaction *t, int error, const struct sentence *why)
{
	transaction_done *done = t->done;
	void *ctx = t->ctx;

	if (error) {
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

	if (t->revokes)
		t->grant = NULL; /* forgotten with its slot: the end of the fetch may free it */
	fetch_end(t->fetch);
	t->fetch = NULL;
	if (!error && !t->revokes) {
		t->document.wish = NULL; /* the slot's now */
		slot_wake(s, 0);
	}
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

	t->fetch = f;
	if (!result->error && slot_basis(t->slot, t->document.wish) == t->basis) {
		store_document(t, result);
		return;
	}
	if (!result->error) {
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

		note_refusal(t, result->error, &why);
		arrival_store(t->slot, &a, on_secret_stored, t);
		return;
	}
	fetch_end(f);
	t->fetch = NULL;
	end(t, result->error, &why);
}

static void on_revoked(void *ctx, struct fetch *f, const struct fetch_result *result)
{
	struct transaction *t = ctx;
	struct sentence why = *result->why;
	int error = result->error;

	if (!error) {
		t->fetch = f;
		arrival_forget(t->slot, on_stored, t);
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

void transaction_write(struct slot *s, const char *bytes, size_t len, const struct access *owner,
		       transaction_done *done, void *ctx, struct transaction **ret)
{
	const struct config_provider *config = s->directory->account.config;
	struct fetch_order order = { .purpose = PURPOSE_FETCH };
	struct sentence why = { "" };
	struct transaction *t;
	int r = begin(s, done, ctx, &t);

	*ret = NULL;
	if (r) {
		done(ctx, r);
		return;
	}
	r = document_read(config->type, config->settings, bytes, len, loop_wall(loop_of(t)), &why,
			  &t->document);
	if (!r)
		r = choose_grant(t);
	if (!r && (s->kind == SLOT_DRAFT || s->kind == SLOT_ABSENT)) {
		s->kind = SLOT_DRAFT;
		s->access = *owner;
	}
	if (!r && t->document.token) {
		*ret = t;
		store_document(t, NULL);
		return;
	}
	order.wish = t->document.wish;
	t->basis = slot_basis(s, t->document.wish);
	if (!r)
		r = start(t, &order, account_timeout(&s->directory->account), on_fetched);
	if (r)
		end(t, r, &why);
	else
		*ret = t;
}

static struct token *newest_token(void *ctx)
{
	const struct transaction *t = ctx;
	struct generation *alive = slot_alive(t->slot);

	return alive ? alive->token : NULL;
}

void transaction_revoke(struct slot *s, transaction_done *done, void *ctx, struct transaction **ret)
{
	int64_t limit = account_timeout(&s->directory->account);
	struct fetch_order order = { .purpose = PURPOSE_REVOKE, .wish = s->wish };
	struct generation *alive = slot_alive(s);
	struct transaction *t;
	int r = begin(s, done, ctx, &t);

	*ret = NULL;
	if (r) {
		done(ctx, r);
		return;
	}
	t->revokes = true;
	t->grant = s->grant;
	if (!alive && !s->grant->own && !s->live->fetch) {
		*ret = t;
		arrival_forget(s, on_stored, t); /* the server has nothing of it */
		return;
	}
	order.token = newest_token;
	r = start(t, &order, limit < REVOKE_LIMIT_MS ? limit : REVOKE_LIMIT_MS, on_revoked);
	if (r)
		end(t, r, NULL);
	else
		*ret = t;
}

bool transaction_withdraw(struct transaction *t)
{
	if (!t->fetch || !fetch_withdraw(t->fetch))
		return false;
	t->fetch = NULL;
	undo_draft(t);
	release(t);
	return true;
}
