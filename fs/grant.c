/* SPDX-License-Identifier: Apache-2.0 */
#include "grant.h"

#include <errno.h>
#include <stdlib.h>

#include <sodium.h>

#include "credential.h"
#include "policy.h"

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

void grant_locks(struct grant *g, int error, const struct sentence *why)
{
	fail(g, error, why);
	g->failure.locked = true;
	g->failure.retry_at = POLICY_NEVER;
	g->signature = credential_signature(g->account->config);
	credential_forget(g->account->config);
}

void grant_reopens(struct grant *g)
{
	g->failure = (struct failure){ 0 };
}
