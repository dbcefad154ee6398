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
		ROW(EROFS),	     ROW(EINTR),
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

static int render_headers(const struct slot *s, const struct token *t, struct buffer *out)
{
	const struct config_provider *config = s->directory->account.config;

	if (config->type->headers)
		return config->type->headers(config->settings, t, out);
	buffer_text(out, "Authorization: Bearer ");
	buffer_append(out, token_value(t), token_len(t));
	buffer_text(out, "\n");
	return 0;
}

static void render_env(const struct slot *s, const struct token *t, struct buffer *out)
{
	const struct config_provider *config = s->directory->account.config;
	const char *name = settings_text(config->common, "env");

	if (!name)
		name = config->type->env;
	buffer_text(out, name);
	buffer_text(out, "=");
	buffer_append(out, token_value(t), token_len(t));
	buffer_text(out, "\n");
	if (config->type->environment)
		config->type->environment(config->settings, t, name, out);
}

int render_token(const struct slot *s, const struct generation *g, enum facet facet,
		 struct buffer *out)
{
	int r = 0;

	if (facet == FACET_HEADERS) {
		r = render_headers(s, g->token, out);
	} else if (facet == FACET_ENV) {
		render_env(s, g->token, out);
	} else {
		buffer_append(out, token_value(g->token), token_len(g->token));
		if (settings_yes(s->directory->account.config->common, "newline"))
			buffer_text(out, "\n");
	}
	return r ? r : buffer_error(out);
}

/* A login is under way, or would help. */
static bool awaits_login(const struct slot *s)
{
	return login_is_for(s) || (directory_needs_person(s->directory) && login_is_needed(s));
}

const char *render_state(const struct slot *s)
{
	const struct failure *f = slot_failure(s);

	if (slot_alive(s))
		return "hot";
	if ((f && f->error == -ENOKEY && !slot_is_precious(s)) || awaits_login(s))
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

/* What the server says of a token wins over what was known when it came. */
static struct json *token_details(const struct slot *s, const struct token_facts *facts)
{
	return details_json(s->note && s->note->details ? s->note->details : facts->details);
}

static void set_token(struct json *j, const struct slot *s, const struct generation *g)
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
	json_set(j, "details", token_details(s, facts));
}

/* The server lists it, but gave us no value: why, before anybody tried to read it. */
static struct json *last_error_json(const struct slot *s)
{
	struct failure unseen = { .error = -ENOKEY };

	if (slot_failure(s) || slot_newest_token(s) || s->kind != SLOT_LISTED)
		return failure_json(slot_failure(s));
	sentence_set(&unseen.why, "its value was never given here: a server shows it only when the "
				  "token is made");
	unseen.at_wall_ms = s->directory->listing.at_wall_ms;
	return failure_json(&unseen);
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
	set_token(j, s, g && !g->revoked ? g : NULL);
	json_set_string(j, "renew_at", render_time(renewal_wall(s), text));
	json_set(j, "last_error", last_error_json(s));
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

static const struct failure *later(const struct failure *a, const struct failure *b)
{
	if (!a || !a->error)
		return b && b->error ? b : NULL;
	return b && b->error && b->at_wall_ms > a->at_wall_ms ? b : a;
}

/* What went wrong last, be it a fetch, a document or a listing. */
static const struct failure *last_of(const struct directory *d, const struct census *c)
{
	return later(later(&d->refused, c->failure), &d->listing.failure);
}

/* --- logins ------------------------------------------------------------------------------------ */

static void say_what_to_do(const struct login *l, struct sentence *ret)
{
	const struct prompt *p = &l->prompt;

	if (l->state == LOGIN_WAITING)
		sentence_set(ret, "open %s and enter the code %s", p->uri, p->code);
	else if (l->state == LOGIN_STARTING)
		sentence_set(ret, "the server is being asked for a code");
	else if (l->state == LOGIN_DONE)
		sentence_set(ret, "logged in");
	else
		sentence_set(ret, "%s", l->why.text);
}

static struct json *login_json(const struct login *l)
{
	struct sentence message = { "" };
	struct json *j;
	char text[32];

	if (l->state == LOGIN_IDLE)
		return json_new_string(NULL);
	j = json_new_object();
	/* Who may read this may not read .login, perhaps: whoever has the code can log in as himself. */
	if (l->state == LOGIN_WAITING)
		sentence_set(&message, "read %s/.login for a page and a code", l->directory->name);
	else
		say_what_to_do(l, &message);
	json_set_string(j, "name", l->name);
	json_set_string(j, "state", login_state_name(l->state));
	json_set_string(j, "message", message.text);
	json_set_string(j, "expires_at", render_time(l->prompt.expires_ms, text));
	json_set_string(j, "ended_at", login_is_active(l) ? NULL
							  : render_time(l->ended_wall_ms, text));
	return j;
}

static struct json *login_needed_json(const struct directory *d)
{
	struct json *j = json_new_array();
	const struct slot *s;

	if (!directory_needs_person(d))
		return j;
	for (uint32_t id = 0; (s = directory_slot_from(d, id)); id = s->id + 1)
		if (login_is_needed(s))
			json_add(j, json_new_string(s->name));
	return j;
}

void render_login(const struct directory *d, struct buffer *out)
{
	const struct login *l = &d->login;
	const struct prompt *p = &l->prompt;
	struct sentence message = { "" };
	JSON_AUTO *j = json_new_object();
	char text[32];

	say_what_to_do(l, &message);
	json_set_string(j, "message", message.text);
	json_set_string(j, "provider", d->name);
	json_set_string(j, "name", l->name);
	json_set_string(j, "state", login_state_name(l->state));
	json_set_string(j, "verification_uri", p->uri);
	json_set_string(j, "verification_uri_complete", p->uri_complete);
	json_set_string(j, "user_code", p->code);
	json_set_string(j, "expires_at", render_time(p->expires_ms, text));
	json_print(j, true, out);
}

/* --- status ------------------------------------------------------------------------------------ */

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
	if (d->account.config->type->lists)
		json_set_string(j, "listed_at", render_time(d->listing.at_wall_ms, text));
	if (directory_needs_person(d)) {
		json_set(j, "login", login_json(&d->login));
		json_set(j, "login_needed", login_needed_json(d));
	}
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
