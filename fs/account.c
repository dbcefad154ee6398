/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <errno.h>
#include <stdlib.h>

int edition_new(struct config *config, struct edition **ret)
{
	struct edition *e = malloc(sizeof *e);

	if (!e)
		return -ENOMEM;
	*e = (struct edition){ .refs = 1, .config = config };
	*ret = e;
	return 0;
}

struct edition *edition_ref(struct edition *e)
{
	e->refs++;
	return e;
}

struct edition *edition_unref(struct edition *e)
{
	if (e && --e->refs == 0) {
		config_free(e->config);
		free(e);
	}
	return NULL;
}

struct memo *memo_ref(struct memo *m)
{
	if (m)
		m->refs++;
	return m;
}

struct memo *memo_unref(struct memo *m)
{
	if (m && --m->refs == 0) {
		json_free(m->json);
		free(m);
	}
	return NULL;
}

void account_init(struct account *a, const struct engine *engine)
{
	*a = (struct account){ .engine = engine };
}

void account_finish(struct account *a)
{
	memo_unref(a->memo);
	secret_unref(a->registration);
	edition_unref(a->edition);
	*a = (struct account){ 0 };
}

void account_use(struct account *a, struct edition *e, const struct config_provider *config)
{
	struct edition *old = a->edition;

	a->edition = edition_ref(e);
	a->config = config;
	a->memo = memo_unref(a->memo);
	edition_unref(old);
}

int account_learn(struct account *a, struct json *memo, int64_t ms)
{
	struct memo *m = malloc(sizeof *m);

	if (!m) {
		json_free(memo);
		return -ENOMEM;
	}
	*m = (struct memo){ .refs = 1, .json = memo };
	memo_unref(a->memo);
	a->memo = m;
	a->memo_until = loop_now(a->engine->loop) + ms;
	return 0;
}

void account_register(struct account *a, struct secret *registration)
{
	struct secret *old = a->registration;

	a->registration = registration ? secret_ref(registration) : NULL;
	secret_unref(old);
}

static int64_t own_or_mount(const struct account *a, const char *key)
{
	int64_t own = settings_ms(a->config->common, key);

	return own >= 0 ? own : settings_ms(a->edition->config->mount, key);
}

int64_t account_margin(const struct account *a)
{
	return own_or_mount(a, "margin");
}

int64_t account_timeout(const struct account *a)
{
	int64_t own = own_or_mount(a, "timeout");
	int64_t mount = settings_ms(a->edition->config->mount, "timeout");

	return own < mount ? own : mount; /* contract 8: the mount's is the limit */
}
