/* SPDX-License-Identifier: Apache-2.0 */
#include "grant.h"

#include <errno.h>
#include <stdlib.h>

#include <sodium.h>

#include "credential.h"
#include "policy.h"
#include "store.h"

void grant_init(struct grant *g, struct account *account)
{
	*g = (struct grant){ .account = account };
}

void grant_finish(struct grant *g)
{
	secret_unref(g->secret);
	*g = (struct grant){ 0 };
}

int grant_new(struct account *account, struct secret *secret, struct grant **ret)
{
	struct grant *g = malloc(sizeof *g);

	if (!g)
		return -ENOMEM;
	*g = (struct grant){ .account = account, .own = true };
	grant_hold(g, secret);
	*ret = g;
	return 0;
}

void grant_retire(struct grant *g)
{
	g->retired = true;
	if (g->first)
		return;
	grant_finish(g);
	free(g);
}

void grant_hold(struct grant *g, struct secret *secret)
{
	struct secret *old = g->secret;

	g->secret = secret ? secret_ref(secret) : NULL;
	secret_unref(old);
}

void grant_row(const struct grant *g, struct stored_grant *ret)
{
	*ret = (struct stored_grant){ .id = g->id,
				      .directory = g->account->directory,
				      .own = g->own,
				      .secret = g->secret };
	if (!g->failure.locked)
		return;
	ret->locked = g->failure.error;
	ret->locked_wall_ms = g->failure.at_wall_ms;
	ret->signature = g->signature;
	ret->why = g->failure.why.text;
}

void grant_keep_lock(struct grant *g)
{
	struct store *store = g->account->engine->store;
	struct stored_grant row;
	struct store_change *c;

	if (g->failure.locked == g->lock_stored || g->retired || (g->own && !g->id))
		return;
	if (!g->id)
		g->id = store_new_id(store, STORE_GRANT);
	grant_row(g, &row);
	c = store_begin(store);
	store_put_grant(c, &row);
	store_commit(c, NULL, NULL);
	g->lock_stored = g->failure.locked;
}

void grant_restore(struct grant *g, const struct stored_grant *row)
{
	g->id = row->id;
	grant_hold(g, row->secret);
	if (!row->locked)
		return;
	g->lock_stored = true;
	g->signature = row->signature;
	g->failure = (struct failure){ .error = row->locked,
				       .locked = true,
				       .count = 1,
				       .retry_at = POLICY_NEVER,
				       .at_wall_ms = row->locked_wall_ms };
	sentence_set(&g->failure.why, "%s", row->why);
}

int grant_admits(struct grant *g, struct sentence *why)
{
	struct failure *f = &g->failure;

	if (!f->error || loop_now(g->account->engine->loop) >= f->retry_at)
		return 0;
	if (f->locked && credential_signature(g->account->config) != g->signature) {
		grant_reopens(g);
		return 0;
	}
	if (why)
		*why = f->why;
	return f->error;
}

int grant_affords(const struct grant *g, struct sentence *why)
{
	const struct provider_type *type = g->account->config->type;
	int64_t oldest, wait;

	if (!type->budget || type->budget > GRANT_BUDGET_MAX)
		return 0;
	oldest = g->spent[(g->spent_at + GRANT_BUDGET_MAX - type->budget) % GRANT_BUDGET_MAX];
	wait = oldest + type->budget_ms - loop_now(g->account->engine->loop);
	if (!oldest || wait <= 0)
		return 0;
	sentence_set(why, "%s takes %u requests in %lld minutes, which were made: the next one is in %lld s",
		     g->account->config->name, type->budget, (long long)type->budget_ms / 60000,
		     (long long)wait / 1000 + 1);
	return -EAGAIN;
}

void grant_spend(struct grant *g)
{
	g->spent[g->spent_at] = loop_now(g->account->engine->loop);
	g->spent_at = (g->spent_at + 1) % GRANT_BUDGET_MAX;
}

void grant_succeeded(struct grant *g)
{
	g->failure = (struct failure){ 0 };
}

static void fail(struct grant *g, int error, const struct sentence *why)
{
	struct failure *f = &g->failure;

	f->error = error;
	f->count++;
	f->at_wall_ms = loop_wall(g->account->engine->loop);
	f->why = *why;
}

void grant_backs_off(struct grant *g, int error, int64_t asked_ms, const struct sentence *why)
{
	fail(g, error, why);
	g->failure.locked = false;
	g->failure.retry_at = policy_retry_at(loop_now(g->account->engine->loop), g->failure.count,
					      asked_ms, randombytes_random());
}

void grant_locks(struct grant *g, int error, const struct sentence *why, uint64_t signature)
{
	fail(g, error, why);
	g->failure.locked = true;
	g->failure.retry_at = POLICY_NEVER;
	g->signature = signature;
	credential_forget(g->account->config);
}

void grant_reopens(struct grant *g)
{
	g->failure = (struct failure){ 0 };
}
