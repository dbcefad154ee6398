/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "command.h"
#include "credential.h"
#include "http.h"
#include "log.h"
#include "loop.h"

/* A conversation of more steps than this goes in circles. */
#define STEPS_MAX 16

/* An answer needs this long, or a twentieth of a short `timeout`. */
#define LEAST_MS 500

struct fetch {
	struct grant *grant;
	struct fetch *next; /* in the queue */
	struct exchange exchange;
	char *name;
	struct edition *edition;              /* which config stands in */
	const struct config_provider *config; /* in force when it began */
	struct memo *memo;                    /* which exchange.memo stands in */
	struct settings *wish;                /* the slot's may be replaced meanwhile */
	struct secret *asked;                 /* the grant's, as this conversation knows it */
	uint64_t signature; /* of the secret files, as they were read */
	bool running, sent, over, keeping, elsewhere;
	bool soft; /* a final error that is tried again all the same */
	bool held; /* by the grant's back-off: nothing was asked, nothing is noted */
	int steps;
	int64_t deadline;
	int64_t sent_boot_ms, sent_wall_ms;
	struct timer timer; /* the start, a WAIT */
	struct gathering *gathering;
	struct transfer *transfer;
	struct need *need;
	char *details;
	void (*keep)(void *ctx, struct fetch *f, struct exchange *x);
	void (*pause)(void *ctx, struct exchange *x);
	need_done *given; /* goes on with the token */
	http_done *heard; /* goes on with the response */
	struct command *command;
	command_done *printed; /* goes on with the output */
	struct token *(*token)(void *ctx);
	bool (*is_void)(void *ctx);
	fetch_done *done;
	void *ctx;
};

static struct loop *loop_of(const struct fetch *f)
{
	return f->grant->account->engine->loop;
}

/* design.md section 3: which errno an outcome is. */
static int outcome_errno(enum exchange_outcome outcome)
{
	switch (outcome) {
	case EXCHANGE_DONE:
		return 0;
	case EXCHANGE_DENIED:
		return -EKEYREJECTED;
	case EXCHANGE_FORBIDDEN:
		return -EACCES;
	case EXCHANGE_EXPIRED:
		return -EKEYEXPIRED;
	case EXCHANGE_REVOKED:
		return -EKEYREVOKED;
	case EXCHANGE_MISSING:
		return -ENOKEY;
	case EXCHANGE_BUSY:
		return -EAGAIN;
	case EXCHANGE_GARBLED:
		return -EPROTO;
	case EXCHANGE_INVALID:
		return -EINVAL;
	case EXCHANGE_UNSUPPORTED:
		return -ENOTSUP;
	case EXCHANGE_EXISTS:
		return -EEXIST;
	case EXCHANGE_IN_USE:
		return -EBUSY;
	case EXCHANGE_ASK:
	case EXCHANGE_WAIT:
	case EXCHANGE_KEEP:
	case EXCHANGE_RUN:
	case EXCHANGE_NEED:
		break;
	}
	return -EPROTO;
}

static bool is_final(int error)
{
	return error == -EKEYREJECTED || error == -EKEYEXPIRED || error == -EKEYREVOKED ||
	       error == -ENOKEY;
}

/* Says nothing about the grant. */
static bool is_of_slot(const struct exchange *x, int error)
{
	return x->slot_only || error == -EACCES || error == -EINVAL || error == -ENOTSUP ||
	       error == -EEXIST || error == -EBUSY;
}

/*
 * Whether the server said what became of it; else an intent stays (provider.h, INTENTS). A refused
 * credential says nothing of what it was sent for before; but it ends a login.
 */
static bool is_settled(enum purpose purpose, int error)
{
	if (is_final(error))
		return purpose == PURPOSE_LOGIN;
	return !error || error == -EACCES || error == -EINVAL ||
	       error == -ENOTSUP || error == -EEXIST || error == -EBUSY;
}

/* A list that is no list, or too much for the server: tokens may be had and made all the same. */
static bool is_of_listing(const struct exchange *x, int error)
{
	return x->purpose == PURPOSE_LIST && (error == -EPROTO || error == -EAGAIN);
}

/*
 * Somebody logged in meanwhile: what becomes of the secret before says nothing of the one that the
 * grant holds now, and must not take its place.
 */
static bool is_superseded(const struct fetch *f)
{
	return f->running && f->asked != f->grant->secret;
}

static void leave_grant(struct exchange *x)
{
	x->ret_grant = secret_unref(x->ret_grant);
	x->drop_grant = false;
}

static void note_grant(struct fetch *f, int error)
{
	struct exchange *x = &f->exchange;

	if (is_superseded(f) || f->edition != f->grant->account->edition)
		return; /* of settings that are not in force any more */
	if (!error)
		grant_succeeded(f->grant);
	else if (is_of_slot(x, error) || is_of_listing(x, error))
		return;
	else if (is_final(error) && !f->soft)
		grant_locks(f->grant, error, &x->why, f->signature);
	else
		grant_backs_off(f->grant, error, error == -EAGAIN ? x->wait_ms : -1, &x->why);
}

static void note_memo(struct fetch *f)
{
	struct account *a = f->grant->account;
	struct exchange *x = &f->exchange;

	/* What was learnt under an edition that is over is not told to the next. */
	if (!x->ret_memo || a->edition != f->edition)
		return;
	account_learn(a, x->ret_memo, x->memo_ms);
	x->ret_memo = NULL;
}

static void note_log(const struct fetch *f, int error)
{
	struct log *log = f->grant->account->engine->log;
	const char *provider = f->grant->account->config->name;
	static const char *const words[] = {
		[PURPOSE_FETCH] = "fetch",     [PURPOSE_REVOKE] = "revocation",
		[PURPOSE_CREATE] = "creation", [PURPOSE_UPDATE] = "update",
		[PURPOSE_LIST] = "listing",    [PURPOSE_LOGIN] = "login",
		[PURPOSE_UNREGISTER] = "removal of the client",
	};
	const char *what = words[f->exchange.purpose];

	/* A listing is asked for again and again: only what goes wrong is worth a line. */
	if (f->exchange.purpose == PURPOSE_LIST && !error && !f->exchange.why.text[0])
		return;
	if (error)
		log_line(log, is_final(error) ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
			 "%s/%s: %s failed: %s (%s)", provider, f->name, what, f->exchange.why.text,
			 strerror(-error));
	else
		log_line(log, LOG_LEVEL_INFO, "%s/%s: %s done%s%s", provider, f->name, what,
			 f->exchange.why.text[0] ? ": " : "", f->exchange.why.text);
}

static void release(struct fetch *f)
{
	timer_stop(loop_of(f), &f->timer);
	credential_cancel(f->gathering);
	http_cancel(f->transfer);
	command_cancel(f->command);
	if (f->need)
		f->grant->account->needs->cancel(f->need);
	token_unref(f->exchange.token);
	token_unref(f->exchange.given);
	secret_unref(f->exchange.grant);
	secret_unref(f->asked);
	secret_unref(f->exchange.intent);
	secret_unref(f->exchange.registration);
	exchange_finish(&f->exchange);
	free(f->details);
	memo_unref(f->memo);
	edition_unref(f->edition);
	settings_free(f->wish);
	free(f->name);
	free(f);
}

/* To remove a client takes its registration: what is wrong with the grant says nothing of that. */
static bool is_of_grant(const struct fetch *f)
{
	return f->exchange.purpose != PURPOSE_UNREGISTER;
}

/* The end of the conversation. A failure of ours (memory) is told as what it is. */
static void conclude(struct fetch *f, int error)
{
	struct fetch_result result = { .error = error,
				       .exchange = &f->exchange,
				       .why = &f->exchange.why,
				       .sent = f->sent,
				       .sent_boot_ms = f->sent_boot_ms,
				       .sent_wall_ms = f->sent_wall_ms,
				       .slot_only = is_of_slot(&f->exchange, error),
				       .elsewhere = f->elsewhere,
				       .signature = f->signature,
				       .settled = is_settled(f->exchange.purpose, error) &&
					   !f->soft && !f->held };

	if (error && !f->exchange.why.text[0])
		sentence_set(&f->exchange.why, "%s", strerror(-error));
	/* Circles, and requests that grew too large: the server led us there. */
	if (error == -ELOOP || error == -EFBIG || error == -EIO)
		result.error = error = -EPROTO;
	f->over = true;
	timer_stop(loop_of(f), &f->timer);
	if (is_superseded(f))
		leave_grant(&f->exchange);
	note_memo(f);
	if (!f->held) {
		*(error ? &f->grant->account->failed : &f->grant->account->fetched) += 1;
		if (is_of_grant(f) && (f->exchange.purpose != PURPOSE_REVOKE || is_final(error)))
			note_grant(f, error);
		grant_keep_lock(f->grant);
		note_log(f, error);
	}
	f->done(f->ctx, f, &result);
}

static void refresh_inputs(struct fetch *f)
{
	f->exchange.now_ms = loop_wall(loop_of(f));
	randombytes_buf(f->exchange.random, sizeof f->exchange.random);
}

static int send_request(struct fetch *f)
{
	const struct settings *common = f->config->common;
	int64_t now = loop_now(loop_of(f));
	struct http_options options = {
		.ca_file = settings_text(common, "ca-file"),
		.insecure_tls = settings_yes(common, "insecure-tls"),
		.proxy = settings_text(common, "proxy"),
		.timeout_ms = f->deadline > now ? f->deadline - now : 1,
	};
	int r;

	if (!f->sent && f->exchange.purpose == PURPOSE_FETCH)
		grant_spend(f->grant);
	f->sent_boot_ms = now;
	f->sent_wall_ms = loop_wall(loop_of(f));
	r = http_send(f->grant->account->engine->http, &f->exchange.request, &options, f->heard, f,
		      &f->transfer);
	f->sent = f->sent || !r;
	return r;
}

/* As send_request(). No such program, no process to be had: that may be better in a while. */
static int run_errand(struct fetch *f)
{
	struct exchange *x = &f->exchange;
	int64_t now = loop_now(loop_of(f));
	const struct command_order order = {
		.line = x->errand.line,
		.shell = x->errand.shell,
		.output_max = x->request.answer_max,
		.timeout_ms = f->deadline > now ? f->deadline - now : 1,
	};
	int r;

	if (!f->sent && x->purpose == PURPOSE_FETCH)
		grant_spend(f->grant);
	f->sent_boot_ms = now;
	f->sent_wall_ms = loop_wall(loop_of(f));
	r = command_start(loop_of(f), &order, f->printed, f, &x->why, &f->command);
	f->sent = f->sent || !r;
	return r < 0 && r != -EINVAL && r != -ENOMEM ? EXCHANGE_BUSY : r;
}

/* The grant's secret as it is now: after what was kept it may be another. */
static void know_secret(struct fetch *f)
{
	struct secret *before = f->asked;

	f->asked = f->grant->secret ? secret_ref(f->grant->secret) : NULL;
	secret_unref(before);
}

static void set_deadline(struct fetch *f)
{
	int64_t limit = account_timeout(f->grant->account);

	/* Whoever waits has the same limit; a little less, so that he hears the reason. */
	limit -= limit / 20;
	if (!f->deadline || f->deadline > loop_now(loop_of(f)) + limit)
		f->deadline = loop_now(loop_of(f)) + limit;
}

static int begin_need(struct fetch *f)
{
	const struct needs *needs = f->grant->account->needs;
	struct exchange *x = &f->exchange;
	int r = needs->begin(needs->tree, x->need, f, f->given, f, &x->why, &f->need);

	/* The other one fails, not this grant: once it works, this does. */
	x->slot_only = f->elsewhere = r < 0;
	return r == -ENOENT || r == -ELOOP ? -EINVAL : r;
}

/* Between two steps something is waited for: true. Or it could not be: `r` is the errno of ours. */
static bool goes_on(struct fetch *f, int *r)
{
	struct exchange *x = &f->exchange;

	if (*r == EXCHANGE_WAIT) {
		f->steps = 0;
		if (f->pause)
			f->pause(f->ctx, x);
		*r = timer_start(loop_of(f), &f->timer, loop_now(loop_of(f)) + x->wait_ms);
	} else if (*r == EXCHANGE_NEED) {
		*r = begin_need(f);
	} else if (*r == EXCHANGE_KEEP && f->keep) {
		f->keeping = true;
		f->keep(f->ctx, f, x); /* may have gone on, and even ended, when it is back */
		return true;
	} else {
		return false;
	}
	return *r == 0;
}

/* One step: asks the provider, and does what it says. */
static void advance(struct fetch *f)
{
	struct exchange *x = &f->exchange;
	int r = -ELOOP;

	if (++f->steps <= STEPS_MAX) {
		request_finish(&x->request);
		refresh_inputs(f);
		r = x->type->ask(x);
	}
	if (r == EXCHANGE_ASK) {
		r = send_request(f);
		if (!r)
			return;
		if (r == -EINVAL)
			sentence_set(&x->why, "no request goes to %s: it is neither https nor loopback",
				     buffer_string(&x->request.url));
	} else if (r == EXCHANGE_RUN) {
		r = run_errand(f);
		if (!r)
			return;
	} else if (goes_on(f, &r)) {
		return;
	}
	conclude(f, r < 0 ? r : outcome_errno((enum exchange_outcome)r));
}

static void on_given(void *ctx, int error, struct token *token, const struct sentence *why)
{
	struct fetch *f = ctx;

	f->need = NULL;
	if (error) {
		f->exchange.slot_only = f->elsewhere = true;
		sentence_set(&f->exchange.why, "%s: %s", f->exchange.need, why->text);
		conclude(f, error);
		return;
	}
	token_unref(f->exchange.given);
	f->exchange.given = token_ref(token);
	advance(f);
}

void fetch_kept(struct fetch *f, int error)
{
	f->keeping = false;
	if (f->exchange.ret_grant)
		know_secret(f);
	if (error) {
		sentence_set(&f->exchange.why, "what must be kept first could not be stored: %s",
			     strerror(-error));
		f->exchange.slot_only = true;
		conclude(f, error);
		return;
	}
	advance(f);
}

/* No answer came, and the provider wants to know that, too. */
static const struct response silence = { .type = "",
					 .body = "",
					 .date_ms = -1,
					 .retry_after_ms = -1,
					 .max_age_ms = -1 };

static void on_response(void *ctx, int error, bool sent, const struct response *response,
			const struct sentence *why)
{
	struct fetch *f = ctx;
	struct exchange *x = &f->exchange;
	int r;

	(void)sent;
	f->transfer = NULL;
	if (error && x->hears_silence) {
		x->why = *why;
		response = &silence;
	} else if (error) {
		x->why = *why;
		/* Broken off or too long: an answer that the protocol does not allow. */
		conclude(f, error == -EFBIG || error == -ECONNRESET ? -EPROTO : error);
		return;
	}
	refresh_inputs(f);
	r = x->type->hear(x, response);
	if (r == EXCHANGE_ASK)
		advance(f);
	else if (!goes_on(f, &r))
		conclude(f, r < 0 ? r : outcome_errno((enum exchange_outcome)r));
}

/* What a program printed is heard like a response; its exit status is the provider's to judge. */
static void on_printed(void *ctx, const struct command_result *result)
{
	struct fetch *f = ctx;
	const struct response response = { .status = result->status,
					   .type = "",
					   .body = result->output,
					   .len = result->len,
					   .complaint = result->complaint,
					   .date_ms = -1,
					   .retry_after_ms = -1,
					   .max_age_ms = -1 };

	f->command = NULL;
	if (!result->error || result->error == -ECHILD) {
		on_response(f, 0, true, &response, NULL);
		return;
	}
	f->exchange.why = *result->why;
	exchange_quote(&f->exchange, result->complaint);
	on_response(f, result->error, true, NULL, &f->exchange.why);
}

static void on_gathered(void *ctx, int error, const struct sentence *why)
{
	struct fetch *f = ctx;

	f->gathering = NULL;
	if (!error) {
		advance(f);
		return;
	}
	f->soft = true; /* a command that failed may work in a while */
	f->exchange.why = *why;
	conclude(f, error);
}

/* What would be given up as soon as it is sent is not sent: the server may do it all the same. */
static bool is_too_late(const struct fetch *f)
{
	int64_t least = account_timeout(f->grant->account) / 20;

	if (least > LEAST_MS)
		least = LEAST_MS;
	return f->deadline && f->deadline - loop_now(loop_of(f)) < least;
}

static int admit(struct fetch *f)
{
	struct exchange *x = &f->exchange;
	int r;

	if (f->is_void && f->is_void(f->ctx)) {
		sentence_set(&x->why, "%s was removed meanwhile", f->name);
		return -ENOENT;
	}
	if (is_too_late(f)) {
		sentence_set(&x->why, "earlier requests took too long");
		return -ETIMEDOUT;
	}
	r = is_of_grant(f) ? grant_admits(f->grant, &x->why) : 0;
	return !r && x->purpose == PURPOSE_FETCH ? grant_affords(f->grant, &x->why) : r;
}

/* The head of the queue begins: the exchange gets what is in force now, not when it was queued. */
static void run(struct fetch *f)
{
	struct account *a = f->grant->account;
	struct exchange *x = &f->exchange;
	int r = admit(f);

	f->running = true;
	f->edition = edition_ref(a->edition);
	f->config = a->config;
	x->type = f->config->type;
	x->settings = f->config->settings;
	x->provider = f->config->name;
	know_secret(f);
	x->grant = f->asked ? secret_ref(f->asked) : NULL;
	x->grant_is_own = f->grant->own;
	if (a->memo && loop_now(loop_of(f)) < a->memo_until) {
		f->memo = memo_ref(a->memo);
		x->memo = f->memo->json;
	}
	x->token = f->token ? f->token(f->ctx) : NULL;
	if (x->token)
		token_ref(x->token);
	x->registration = a->registration ? secret_ref(a->registration) : NULL;
	set_deadline(f);
	f->sent_boot_ms = loop_now(loop_of(f));
	f->sent_wall_ms = loop_wall(loop_of(f));
	if (r) {
		f->held = true;
		conclude(f, r);
		return;
	}
	f->signature = credential_signature(f->config);
	r = credential_gather(loop_of(f), f->config, account_timeout(a), on_gathered, f, &x->why,
			      &f->gathering);
	if (r == GATHER_READY)
		advance(f);
	else if (r < 0)
		conclude(f, r);
}

static void on_timer(struct timer *t)
{
	struct fetch *f = t->ctx;

	if (!f->running) {
		run(f);
		return;
	}
	f->deadline = 0; /* a person took his time: the next request has all of ours */
	set_deadline(f);
	advance(f);
}

int fetch_start(struct grant *grant, const struct fetch_order *order, fetch_done *done, void *ctx,
		struct fetch **ret)
{
	struct fetch *f = calloc(1, sizeof *f), **last = &grant->first;

	if (!f)
		return -ENOMEM;
	*f = (struct fetch){ .grant = grant,
			     .exchange = EXCHANGE_INIT,
			     .name = strdup(order->name),
			     .deadline = order->deadline,
			     .heard = on_response,
			     .given = on_given,
			     .keep = order->keep,
			     .pause = order->pause,
			     .details = order->details ? strdup(order->details) : NULL,
			     .printed = on_printed,
			     .done = done,
			     .ctx = ctx };
	f->timer = (struct timer){ .due = on_timer, .ctx = f };
	f->exchange.purpose = order->purpose;
	f->exchange.name = f->name;
	f->exchange.details = f->details;
	f->exchange.intent = order->intent ? secret_ref(order->intent) : NULL;
	f->token = order->token;
	f->is_void = order->is_void;
	if (!f->name || (order->details && !f->details) || (!grant->first && timer_start(loop_of(f), &f->timer, 0))) {
		release(f);
		return -ENOMEM;
	}
	while (*last)
		last = &(*last)->next;
	f->wish = order->wish ? settings_ref(order->wish) : NULL;
	f->exchange.wish = f->wish;
	*last = f;
	*ret = f;
	return 0;
}

struct need *fetch_need(const struct fetch *f)
{
	return f->need;
}

struct grant *fetch_grant(const struct fetch *f)
{
	return f->grant;
}

static void leave_queue(struct fetch *f)
{
	struct grant *g = f->grant;
	struct fetch **at = &g->first;

	while (*at && *at != f)
		at = &(*at)->next;
	if (*at)
		*at = f->next;
	/* From the loop, not from here: whoever ends a fetch is not called back inside. */
	if (g->first && !g->first->running)
		timer_start(loop_of(f), &g->first->timer, 0);
}

void fetch_end(struct fetch *f)
{
	struct grant *g;

	if (!f)
		return;
	g = f->grant;
	leave_queue(f);
	release(f);
	if (g->retired)
		grant_retire(g);
}

bool fetch_is_asking(const struct fetch *f)
{
	return f->transfer || f->command;
}

void fetch_abort(struct fetch *f)
{
	f->held = true;
	credential_cancel(f->gathering);
	http_cancel(f->transfer);
	command_cancel(f->command);
	f->gathering = NULL;
	f->transfer = NULL;
	f->command = NULL;
	if (f->need)
		f->grant->account->needs->cancel(f->need);
	f->need = NULL;
	conclude(f, -EINTR);
}

bool fetch_withdraw(struct fetch *f)
{
	if (f->sent || f->over || f->keeping)
		return false;
	fetch_end(f);
	return true;
}
