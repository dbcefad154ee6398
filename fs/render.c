/* SPDX-License-Identifier: Apache-2.0 */
#include "render.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "policy.h"

const char *render_errno(int error)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
#define ROW(e) { e, #e }
		ROW(ENOKEY),	   ROW(EKEYEXPIRED), ROW(EKEYREVOKED),	ROW(EKEYREJECTED),
		ROW(EACCES),	   ROW(EAGAIN),	     ROW(ETIMEDOUT),	ROW(EHOSTUNREACH),
		ROW(ECONNREFUSED), ROW(EPROTO),	     ROW(EINVAL),	ROW(EEXIST),
		ROW(ENOENT),	   ROW(EFBIG),	     ROW(ENAMETOOLONG), ROW(EBUSY),
		ROW(ENOTSUP),	   ROW(ENOSPC),	     ROW(ESTALE),	ROW(ENOMEM),
		ROW(EROFS),
#undef ROW
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].number == -error)
			return names[i].name;
	return "EIO";
}

const char *render_time(int64_t wall_ms, char text[static 32])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!wall_ms || wall_ms == POLICY_NEVER || !gmtime_r(&seconds, &tm) ||
	    !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return NULL;
	return text;
}

static void render_headers(const struct slot *s, const struct token *t, struct buffer *out)
{
	const struct config_provider *config = s->directory->account.config;

	if (config->type->headers) {
		config->type->headers(config->settings, t, out);
		return;
	}
	buffer_text(out, "Authorization: Bearer ");
	buffer_append(out, token_value(t), token_len(t));
	buffer_text(out, "\n");
}

static void render_env(const struct slot *s, const struct token *t, struct buffer *out)
{
	const struct config_provider *config = s->directory->account.config;
	const char *name = settings_text(config->common, "env");

	buffer_text(out, name ? name : config->type->env);
	buffer_text(out, "=");
	buffer_append(out, token_value(t), token_len(t));
	buffer_text(out, "\n");
}

int render_token(const struct slot *s, const struct generation *g, enum facet facet,
		 struct buffer *out)
{
	if (facet == FACET_HEADERS) {
		render_headers(s, g->token, out);
	} else if (facet == FACET_ENV) {
		render_env(s, g->token, out);
	} else {
		buffer_append(out, token_value(g->token), token_len(g->token));
		if (settings_yes(s->directory->account.config->common, "newline"))
			buffer_text(out, "\n");
	}
	return buffer_error(out);
}

const char *render_state(const struct slot *s)
{
	const struct failure *f = slot_failure(s);

	if (slot_alive(s))
		return "hot";
	if (f && f->error == -ENOKEY)
		return "login_required";
	if (f && f->error == -EKEYEXPIRED)
		return "expired";
	if (f && f->error == -EKEYREVOKED)
		return "revoked";
	if (f)
		return "failed";
	if (s->live && s->live->revoked)
		return "revoked";
	return s->live && s->live->newest ? "expired" : "cold";
}

static struct json *failure_json(const struct failure *f)
{
	char text[32];
	struct json *j;

	if (!f || !f->error)
		return json_new_string(NULL);
	j = json_new_object();
	json_set_string(j, "code", render_errno(f->error));
	json_set_string(j, "message", f->why.text);
	json_set_string(j, "at", render_time(f->at_wall_ms, text));
	return j;
}

/* When the next renewal is planned, as wall time; 0: none is. */
static int64_t renewal_wall(const struct slot *s)
{
	struct loop *loop = s->directory->account.engine->loop;

	if (!s->live || !s->live->renew.place)
		return 0;
	return loop_wall(loop) + s->live->renew.at_ms - loop_now(loop);
}

static struct json *details_json(const char *text)
{
	struct json *j = NULL;

	if (text && !json_parse(text, strlen(text), NULL, &j))
		return j;
	return json_new_object();
}

static void set_token(struct json *j, const struct generation *g)
{
	static const struct token_facts none;
	const struct token_facts *facts = g ? token_facts(g->token) : &none;
	char text[32];

	json_set_string(j, "issued_at", g ? render_time(g->issued_wall_ms, text) : NULL);
	json_set_string(j, "expires_at", g ? render_time(g->expires_wall_ms, text) : NULL);
	json_set_string(j, "token_type", facts->token_type);
	json_set_string(j, "scope", facts->scope);
	json_set_string(j, "audience", facts->audience);
	json_set_string(j, "id", facts->id);
	json_set(j, "details", details_json(facts->details));
}

struct json *render_meta_json(const struct slot *s)
{
	struct generation *g = s->live ? s->live->newest : NULL;
	struct json *j = json_new_object();
	char text[32];

	json_set_string(j, "provider", s->directory->name);
	json_set_string(j, "name", s->name);
	json_set_string(j, "type", s->directory->account.config->type->name);
	json_set_string(j, "state", render_state(s));
	json_set_integer(j, "generation", s->generation);
	set_token(j, g && !g->revoked ? g : NULL);
	json_set_string(j, "renew_at", render_time(renewal_wall(s), text));
	json_set(j, "last_error", failure_json(slot_failure(s)));
	return j;
}

void render_meta(const struct slot *s, struct buffer *out)
{
	JSON_AUTO *j = render_meta_json(s);

	json_print(j, true, out);
}

struct census {
	unsigned int slots, hot;
	int64_t next_renewal;
	const struct failure *failure;
};

static struct census take_census(const struct directory *d)
{
	struct census c = { .failure = d->grant.failure.error ? &d->grant.failure : NULL };
	const struct slot *s;

	for (uint32_t id = 0; (s = directory_slot_from(d, id)); id = s->id + 1) {
		int64_t at = renewal_wall(s);
		const struct failure *f = slot_failure(s);

		c.slots++;
		c.hot += slot_alive(s) != NULL;
		if (at && (!c.next_renewal || at < c.next_renewal))
			c.next_renewal = at;
		if (f && (!c.failure || f->at_wall_ms > c.failure->at_wall_ms))
			c.failure = f;
	}
	return c;
}

static const char *directory_state(const struct directory *d, const struct census *c)
{
	const struct failure *f = d->grant.failure.error ? &d->grant.failure : c->failure;

	if (!f)
		return "ok";
	return f->error == -ENOKEY ? "login_required" : "failed";
}

/* What went wrong last, be it a fetch or a document. */
static const struct failure *last_of(const struct directory *d, const struct census *c)
{
	if (!d->refused.error || (c->failure && c->failure->at_wall_ms > d->refused.at_wall_ms))
		return c->failure;
	return &d->refused;
}

static struct json *directory_json(const struct directory *d)
{
	struct census c = take_census(d);
	struct json *j = json_new_object();
	const struct failure *f = &d->grant.failure;
	struct loop *loop = d->account.engine->loop;
	char text[32];
	bool waits = f->error && !f->locked && f->retry_at > loop_now(loop);

	json_set_string(j, "provider", d->name);
	json_set_string(j, "type", d->account.config->type->name);
	json_set_string(j, "state", directory_state(d, &c));
	json_set_integer(j, "slots", c.slots);
	json_set_integer(j, "hot", c.hot);
	json_set_string(j, "next_renewal", render_time(c.next_renewal, text));
	json_set_string(j, "retry_at",
			waits ? render_time(loop_wall(loop) + f->retry_at - loop_now(loop), text)
			      : NULL);
	json_set(j, "last_error", failure_json(last_of(d, &c)));
	return j;
}

void render_directory_status(const struct directory *d, struct buffer *out)
{
	JSON_AUTO *j = directory_json(d);

	json_print(j, true, out);
}

void render_status(const struct tree *t, const struct handover_page *page, struct buffer *out)
{
	JSON_AUTO *j = json_new_object();
	struct json *providers = json_new_array();
	bool healthy = true;

	for (const struct directory *d = t->directories; d; d = d->next) {
		struct json *one;

		if (d->hidden)
			continue;
		one = directory_json(d);
		healthy = healthy && !d->grant.failure.error;
		json_add(providers, one);
	}
	json_set_string(j, "version", TOKENFS_VERSION);
	json_set_string(j, "health", healthy ? "ok" : "degraded");
	json_set_integer(j, "worker", getpid());
	json_set_integer(j, "upgrades", page->upgrades);
	json_set_integer(j, "failed_upgrades", page->failed_upgrades);
	json_set(j, "last_error", failure_json(&t->refused));
	json_set(j, "providers", providers);
	json_print(j, true, out);
}

static void metric(struct buffer *out, const char *name, const char *provider, uint64_t value)
{
	buffer_format(out, "%s{provider=\"", name);
	for (const char *c = provider; *c; c++) {
		if (*c == '"' || *c == '\\')
			buffer_text(out, "\\");
		buffer_append(out, c, 1);
	}
	buffer_format(out, "\"} %" PRIu64 "\n", value);
}

static uint64_t value_of(const struct directory *d, unsigned int which)
{
	struct census c;

	switch (which) {
	case 0:
		c = take_census(d);
		return c.slots;
	case 1:
		c = take_census(d);
		return c.hot;
	case 2:
		return d->account.fetched;
	case 3:
		return d->account.failed;
	default:
		return d->account.opens;
	}
}

void render_metrics(const struct tree *t, struct buffer *out)
{
	static const char *const families[][3] = {
		{ "tokenfs_slots", "gauge", "tokenfs_slots" },
		{ "tokenfs_hot_slots", "gauge", "tokenfs_hot_slots" },
		{ "tokenfs_exchanges_done", "counter", "tokenfs_exchanges_done_total" },
		{ "tokenfs_exchanges_failed", "counter", "tokenfs_exchanges_failed_total" },
		{ "tokenfs_opens", "counter", "tokenfs_opens_total" },
	};

	for (unsigned int i = 0; i < sizeof families / sizeof *families; i++) {
		buffer_format(out, "# TYPE %s %s\n", families[i][0], families[i][1]);
		for (const struct directory *d = t->directories; d; d = d->next)
			if (!d->hidden)
				metric(out, families[i][2], d->name, value_of(d, i));
	}
	buffer_text(out, "# EOF\n");
}
