/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transcript: plays conversations with a server that stand in files, one file an exchange.
 *
 *	# R1 R6: the first line cites the points of the wire documents that the file shows
 *	type oauth2			the type, then what the exchange is given
 *	set token-url https://id.example.org/token
 *	secret client-secret s3cret
 *	wish scope read			also: provider, name, purpose, grant, own-grant, given-token, memo, now
 *	grant OLD
 *	ask POST https://id.example.org/token
 *	> Accept: application/json	every header line, in order
 *	body grant_type=refresh_token&…	the whole body
 *	answer 200 application/json
 *	< {"access_token": "abc"}	also: date, retry-after, max-age
 *	end done			the outcome, then all that it brought:
 *	token abc			token, lifetime, scope, audience, token-type, id, details, id-token,
 *	lifetime 300000			new-grant, drop-grant, new-memo, memo-life, wait, why
 *
 *	ask GET https://…		a further step; also, each with its answer or what is given:
 *	keep				what is kept (new-intent, …) stands in the results
 *	wait 5000			mid-way: the next line is an ask
 *	now 1700000005000		between two steps, or under an answer: the clock went on
 *	run LINE | run-shell LINE	with `answer 0` and what was printed: `< TEXT`, or
 *					`line TEXT` with its newline; and `stderr LINE`
 *	need ctm/ci			with `given TOKEN`
 *	answer silence			no answer came at all
 *
 * Also given: details (JSON), registration, intent, given-token; a token is `TOKEN [DETAILS]` (JSON
 * again) here and in `given`. Also brought: new-registration, new-intent, new-details, slot-only,
 * prompt (URI CODE EXPIRES [COMPLETE]), and `listed NAME [STAMP [DETAILS]]`, a line each in order,
 * `-` for none.
 *
 * `refused PATTERN` in place of `ask` and `end`: the settings or the wish are refused with this
 * sentence. A value that begins with `~ ` is a pattern of fnmatch(3). What the file does not
 * mention must not be there. In every exchange no secret may stand in a URL or a sentence (C15).
 *
 * Each file gives a line `ok N FILE` or `not ok N FILE`; with no file at all the run fails.
 */
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

#define MAX_FILE    (256u << 10)
#define MAX_SECRETS 8u

/* What came, or should have come, by the word that the file has for it. */
enum result {
	RESULT_TOKEN,
	RESULT_LIFETIME,
	RESULT_SCOPE,
	RESULT_AUDIENCE,
	RESULT_TOKEN_TYPE,
	RESULT_ID,
	RESULT_DETAILS,
	RESULT_ID_TOKEN,
	RESULT_NEW_GRANT,
	RESULT_DROP_GRANT,
	RESULT_NEW_MEMO,
	RESULT_MEMO_LIFE,
	RESULT_WAIT,
	RESULT_WHY,
	RESULT_NEW_REGISTRATION,
	RESULT_NEW_INTENT,
	RESULT_NEW_DETAILS,
	RESULT_SLOT_ONLY,
	RESULT_PROMPT,
	RESULTS,
};

static const char *const result_words[RESULTS] = {
	[RESULT_TOKEN] = "token",
	[RESULT_LIFETIME] = "lifetime",
	[RESULT_SCOPE] = "scope",
	[RESULT_AUDIENCE] = "audience",
	[RESULT_TOKEN_TYPE] = "token-type",
	[RESULT_ID] = "id",
	[RESULT_DETAILS] = "details",
	[RESULT_ID_TOKEN] = "id-token",
	[RESULT_NEW_GRANT] = "new-grant",
	[RESULT_DROP_GRANT] = "drop-grant",
	[RESULT_NEW_MEMO] = "new-memo",
	[RESULT_MEMO_LIFE] = "memo-life",
	[RESULT_WAIT] = "wait",
	[RESULT_WHY] = "why",
	[RESULT_NEW_REGISTRATION] = "new-registration",
	[RESULT_NEW_INTENT] = "new-intent",
	[RESULT_NEW_DETAILS] = "new-details",
	[RESULT_SLOT_ONLY] = "slot-only",
	[RESULT_PROMPT] = "prompt",
};

static const char *const outcome_words[] = {
	[EXCHANGE_DONE] = "done",	    [EXCHANGE_ASK] = "ask",
	[EXCHANGE_WAIT] = "wait",	    [EXCHANGE_DENIED] = "denied",
	[EXCHANGE_FORBIDDEN] = "forbidden", [EXCHANGE_EXPIRED] = "expired",
	[EXCHANGE_REVOKED] = "revoked",	    [EXCHANGE_MISSING] = "missing",
	[EXCHANGE_BUSY] = "busy",	    [EXCHANGE_GARBLED] = "garbled",
	[EXCHANGE_INVALID] = "invalid",	    [EXCHANGE_UNSUPPORTED] = "unsupported",
	[EXCHANGE_KEEP] = "keep",	    [EXCHANGE_RUN] = "run",
	[EXCHANGE_NEED] = "need",	    [EXCHANGE_EXISTS] = "exists",
	[EXCHANGE_IN_USE] = "in-use",
};

enum stage { STAGE_GIVEN, STAGE_ASKED, STAGE_ANSWERED, STAGE_PAUSED, STAGE_ENDED, STAGE_REFUSED };

struct play {
	const char *file;
	unsigned int line;
	unsigned int faults;
	enum stage stage;
	struct settings *settings, *wish;
	struct exchange x;
	struct json *memo;
	const char *secrets[MAX_SECRETS];
	size_t n_secrets;
	int outcome;
	struct buffer header; /* expected of the request under way */
	const char *body;
	bool posts; /* the step under way is a request, not a program */
	struct response response;
	struct buffer answer;
	const char *expected[RESULTS];
	size_t listed; /* lines of the listing that were seen */
};

static __attribute__((format(printf, 2, 3))) void fault(struct play *p, const char *format, ...)
{
	va_list args;

	p->faults++;
	printf("# %s:%u: ", p->file, p->line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

static bool matches(const char *expected, const char *got)
{
	if (!expected || !got)
		return expected == got;
	if (strncmp(expected, "~ ", 2) == 0)
		return fnmatch(expected + 2, got, 0) == 0;
	return strcmp(expected, got) == 0;
}

static void expect(struct play *p, const char *what, const char *expected, const char *got)
{
	if (!matches(expected, got))
		fault(p, "%s\n#   expected: %s\n#   got:      %s", what,
		      expected ? expected : "(nothing)", got ? got : "(nothing)");
}

static const char *outcome_word(int outcome)
{
	if (outcome < 0)
		return strerror(-outcome);
	return outcome_words[outcome];
}

/* ---- what is given ---- */

static void remember_secret(struct play *p, const char *value)
{
	if (p->n_secrets == MAX_SECRETS)
		fault(p, "more than %u secrets", MAX_SECRETS);
	else
		p->secrets[p->n_secrets++] = value;
}

static void give_type(struct play *p, const char *name)
{
	p->x.type = provider_type_find(name);
	if (!p->x.type || p->settings) {
		fault(p, "no such type, or two of them: %s", name);
		return;
	}
	if (settings_new(p->x.type->fields, &p->settings) < 0 ||
	    (p->x.type->slot_fields && settings_new(p->x.type->slot_fields, &p->wish) < 0))
		fault(p, "out of memory");
	p->x.settings = p->settings;
}

/* Splits `KEY VALUE` in place. */
static char *split(char *text)
{
	char *space = strchr(text, ' ');

	if (!space)
		return text + strlen(text);
	*space = '\0';
	return space + 1;
}

static void give_setting(struct play *p, struct settings *s, char *text)
{
	struct sentence why = {""};
	const char *value = split(text);

	if (!s || settings_set(s, text, value, &why) < 0)
		fault(p, "%s: %s", text, why.text);
}

static void give_wish(struct play *p, char *text)
{
	give_setting(p, p->wish, text);
	p->x.wish = p->wish;
}

static struct secret *new_secret(struct play *p, const char *value)
{
	struct secret *s = NULL;

	if (secret_new(value, strlen(value), &s) < 0)
		fault(p, "not a secret");
	remember_secret(p, value);
	return s;
}

static void give_secret(struct play *p, char *text)
{
	SECRET_AUTO *secret = new_secret(p, split(text));

	if (!p->settings || !secret || settings_set_secret(p->settings, text, secret) < 0)
		fault(p, "no secret key: %s", text);
}

/* `TOKEN [DETAILS]` */
static void give_token(struct play *p, char *value)
{
	const char *details = split(value);
	const struct token_facts facts = {.lifetime_ms = 1000,
					  .details = details[0] ? details : NULL};

	remember_secret(p, value);
	if (p->x.token || token_new(value, strlen(value), &facts, NULL, &p->x.token) < 0)
		fault(p, "not a token, or a second one");
}

static void give_grant(struct play *p, const char *value, bool own)
{
	if (p->x.grant)
		fault(p, "a second grant");
	else
		p->x.grant = new_secret(p, value);
	p->x.grant_is_own = own;
}

static void give_memo(struct play *p, const char *text)
{
	if (p->memo || json_parse(text, strlen(text), NULL, &p->memo) < 0)
		fault(p, "not JSON, or a second memo");
	p->x.memo = p->memo;
}

static void give_purpose(struct play *p, const char *word)
{
	static const char *const words[] = {
		[PURPOSE_FETCH] = "fetch",   [PURPOSE_REVOKE] = "revoke",
		[PURPOSE_CREATE] = "create", [PURPOSE_UPDATE] = "update",
		[PURPOSE_LIST] = "list",     [PURPOSE_LOGIN] = "login",
		[PURPOSE_UNREGISTER] = "unregister",
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(word, words[i]) == 0) {
			p->x.purpose = (enum purpose)i;
			return;
		}
	}
	fault(p, "no purpose: %s", word);
}

static void give_kept(struct play *p, struct secret **where, const char *value)
{
	if (*where)
		fault(p, "given twice");
	else
		*where = new_secret(p, value);
}

static bool give(struct play *p, const char *word, char *rest)
{
	if (strcmp(word, "type") == 0)
		give_type(p, rest);
	else if (strcmp(word, "set") == 0)
		give_setting(p, p->settings, rest);
	else if (strcmp(word, "wish") == 0)
		give_wish(p, rest);
	else if (strcmp(word, "secret") == 0)
		give_secret(p, rest);
	else if (strcmp(word, "grant") == 0)
		give_grant(p, rest, false);
	else if (strcmp(word, "own-grant") == 0)
		give_grant(p, rest, true);
	else if (strcmp(word, "given-token") == 0)
		give_token(p, rest);
	else if (strcmp(word, "memo") == 0)
		give_memo(p, rest);
	else if (strcmp(word, "purpose") == 0)
		give_purpose(p, rest);
	else if (strcmp(word, "registration") == 0)
		give_kept(p, &p->x.registration, rest);
	else if (strcmp(word, "intent") == 0)
		give_kept(p, &p->x.intent, rest);
	else if (strcmp(word, "given-details") == 0)
		p->x.details = rest;
	else if (strcmp(word, "provider") == 0)
		p->x.provider = rest;
	else if (strcmp(word, "name") == 0)
		p->x.name = rest;
	else if (strcmp(word, "now") == 0)
		p->x.now_ms = strtoll(rest, NULL, 10);
	else
		return false;
	return true;
}

/* ---- the conversation ---- */

static int check_given(struct play *p, struct sentence *why)
{
	const struct provider_type *type = p->x.type;
	int r = settings_check(p->settings, why);

	if (r == 0 && type->check)
		r = type->check(p->settings, why);
	if (r == 0 && p->wish)
		r = settings_check(p->wish, why);
	if (r == 0 && p->x.wish && type->check_wish)
		r = type->check_wish(p->settings, p->wish, why);
	return r;
}

static void start(struct play *p)
{
	struct sentence why = {""};

	if (!p->settings)
		fault(p, "the file names no type");
	else if (check_given(p, &why) < 0)
		fault(p, "the settings are refused: %s", why.text);
}

static void check_secrets(struct play *p)
{
	for (size_t i = 0; i < p->n_secrets; i++) {
		if (strstr(buffer_string(&p->x.request.url), p->secrets[i]))
			fault(p, "a secret stands in the URL");
		if (strstr(p->x.why.text, p->secrets[i]))
			fault(p, "a secret stands in the sentence: %s", p->x.why.text);
	}
}

/* Hears what the file has answered so far. */
static void hear(struct play *p)
{
	p->response.body = buffer_string(&p->answer);
	p->response.len = p->answer.len;
	p->outcome = p->x.type->hear(&p->x, &p->response);
	check_secrets(p);
}

static void ask_now(struct play *p)
{
	request_finish(&p->x.request);
	p->outcome = p->x.type->ask(&p->x);
	check_secrets(p);
}

/* Goes on to the next step; what it comes to is in `outcome`. */
static void step(struct play *p)
{
	if (p->stage == STAGE_GIVEN) {
		start(p);
		if (!p->faults)
			ask_now(p);
	} else if (p->stage == STAGE_ANSWERED) {
		hear(p);
		if (p->outcome == EXCHANGE_ASK)
			ask_now(p);
	} else if (p->stage == STAGE_PAUSED) {
		ask_now(p);
	} else {
		fault(p, "a step after an ask without an answer, or after the end");
	}
}

/* Between two steps: what was asked of fs, and is done now. */
static void play_pause(struct play *p, const char *word, const char *rest)
{
	step(p);
	if (p->faults)
		return;
	expect(p, "what was done", word, outcome_word(p->outcome));
	if (p->outcome == EXCHANGE_WAIT && p->x.wait_ms != strtoll(rest, NULL, 10))
		fault(p, "waits %lld ms", (long long)p->x.wait_ms);
	if (p->outcome == EXCHANGE_NEED)
		expect(p, "need", rest, p->x.need);
	p->x.wait_ms = -1;
	p->stage = STAGE_PAUSED;
}

static void play_run(struct play *p, const char *line, bool shell)
{
	step(p);
	if (p->faults)
		return;
	expect(p, "what was done", "run", outcome_word(p->outcome));
	expect(p, "command", line, p->x.errand.line);
	if (p->x.errand.shell != shell)
		fault(p, "with and without a shell");
	buffer_clear(&p->header);
	p->body = "";
	p->posts = false;
	p->stage = STAGE_ASKED;
}

static void play_given(struct play *p, char *value)
{
	const char *details = split(value);
	const struct token_facts facts = {.lifetime_ms = 1000,
					  .details = details[0] ? details : NULL};

	if (p->stage != STAGE_PAUSED)
		fault(p, "given stands after need");
	p->x.given = token_unref(p->x.given);
	remember_secret(p, value);
	if (token_new(value, strlen(value), &facts, NULL, &p->x.given) < 0)
		fault(p, "not a token");
}

static void play_ask(struct play *p, char *rest)
{
	const char *url = split(rest);

	step(p);
	if (p->faults)
		return;
	p->posts = true;
	expect(p, "what was done", "ask", outcome_word(p->outcome));
	expect(p, "sentence", "~ *", p->x.why.text);
	expect(p, "method", rest, p->x.request.method);
	expect(p, "URL", url, buffer_string(&p->x.request.url));
	if (request_error(&p->x.request))
		fault(p, "the request is broken: %s", strerror(-request_error(&p->x.request)));
	buffer_clear(&p->header);
	p->body = "";
	p->stage = STAGE_ASKED;
}

static const char *content_type(const char *body)
{
	if (body[0] == '{')
		return "application/json";
	return body[0] ? "application/x-www-form-urlencoded" : NULL;
}

static void play_answer(struct play *p, char *rest)
{
	const char *type = split(rest);

	if (p->stage != STAGE_ASKED) {
		fault(p, "an answer to no ask");
		return;
	}
	if (p->posts) {
		expect(p, "header", buffer_string(&p->header), buffer_string(&p->x.request.header));
		expect(p, "body", p->body, buffer_string(&p->x.request.body));
		expect(p, "content type", content_type(p->body), p->x.request.content_type);
	}
	buffer_clear(&p->answer);
	p->response = (struct response){.status = (int)strtol(rest, NULL, 10),
					.type = type,
					.date_ms = -1,
					.retry_after_ms = -1,
					.max_age_ms = -1};
	if (strcmp(rest, "silence") == 0 && !p->x.hears_silence)
		fault(p, "silence is not heard in this step");
	p->stage = STAGE_ANSWERED;
}

static void play_end(struct play *p, const char *word)
{
	step(p);
	if (p->faults)
		return;
	p->stage = STAGE_ENDED;
	expect(p, "outcome", word, outcome_word(p->outcome));
}

static void play_refused(struct play *p, const char *pattern)
{
	struct sentence why = {""};

	if (p->stage != STAGE_GIVEN || !p->settings)
		fault(p, "refused stands after what is given");
	else if (check_given(p, &why) == 0)
		fault(p, "nothing was refused");
	else
		expect(p, "sentence", pattern, why.text);
	p->stage = STAGE_REFUSED;
}

static bool play_response(struct play *p, const char *word, const char *rest)
{
	if (p->stage != STAGE_ANSWERED)
		return false;
	if (strcmp(word, "<") == 0)
		buffer_text(&p->answer, rest);
	else if (strcmp(word, "date") == 0)
		p->response.date_ms = strtoll(rest, NULL, 10);
	else if (strcmp(word, "retry-after") == 0)
		p->response.retry_after_ms = strtoll(rest, NULL, 10);
	else if (strcmp(word, "line") == 0)
		buffer_format(&p->answer, "%s\n", rest);
	else if (strcmp(word, "stderr") == 0)
		p->response.complaint = rest;
	else if (strcmp(word, "max-age") == 0)
		p->response.max_age_ms = strtoll(rest, NULL, 10);
	else
		return false;
	return true;
}

static bool play_request(struct play *p, const char *word, const char *rest)
{
	if (p->stage != STAGE_ASKED)
		return false;
	if (strcmp(word, ">") == 0)
		buffer_format(&p->header, "%s\n", rest);
	else if (strcmp(word, "body") == 0)
		p->body = rest;
	else
		return false;
	return true;
}

static bool play_result(struct play *p, const char *word, const char *rest)
{
	for (size_t i = 0; p->stage == STAGE_ENDED && i < RESULTS; i++) {
		if (strcmp(result_words[i], word) != 0)
			continue;
		p->expected[i] = rest;
		return true;
	}
	return false;
}

static void expect_part(struct play *p, const char *what, const char *expected, const char *got)
{
	if (expected[0])
		expect(p, what, strcmp(expected, "-") == 0 ? NULL : expected, got);
}

static void play_listed(struct play *p, char *name)
{
	char *stamp = split(name), *details = split(stamp);
	const struct listed *l = p->x.ret_listing.at + p->listed;

	if (p->stage != STAGE_ENDED || p->listed >= p->x.ret_listing.n) {
		fault(p, "no more was listed");
		return;
	}
	p->listed++;
	expect(p, "listed", name, l->name);
	expect_part(p, "stamp", stamp, l->stamp);
	expect_part(p, "details", details, l->details);
}

static void play_line(struct play *p, char *line)
{
	char *rest = split(line);

	if (!line[0] || line[0] == '#')
		return;
	if (strcmp(line, "ask") == 0)
		play_ask(p, rest);
	else if (strcmp(line, "answer") == 0)
		play_answer(p, rest);
	else if (strcmp(line, "end") == 0)
		play_end(p, rest);
	else if (strcmp(line, "keep") == 0 || strcmp(line, "need") == 0 ||
		 (strcmp(line, "wait") == 0 && p->stage != STAGE_ENDED))
		play_pause(p, line, rest);
	else if (strcmp(line, "run") == 0 || strcmp(line, "run-shell") == 0)
		play_run(p, rest, line[3] != '\0');
	else if (strcmp(line, "given") == 0)
		play_given(p, rest);
	else if (strcmp(line, "listed") == 0)
		play_listed(p, rest);
	else if (strcmp(line, "now") == 0 &&
		 (p->stage == STAGE_PAUSED || p->stage == STAGE_ANSWERED))
		p->x.now_ms = strtoll(rest, NULL, 10);
	else if (strcmp(line, "refused") == 0)
		play_refused(p, rest);
	else if (!(p->stage == STAGE_GIVEN && give(p, line, rest)) &&
		 !play_request(p, line, rest) && !play_response(p, line, rest) &&
		 !play_result(p, line, rest))
		fault(p, "%s means nothing here", line);
}

/* ---- what it brought ---- */

static void expect_number(struct play *p, enum result what, int64_t got, int64_t nothing)
{
	BUFFER_AUTO text = BUFFER_INIT(32);

	buffer_format(&text, "%lld", (long long)got);
	if (got == TOKEN_NEVER_EXPIRES) {
		buffer_clear(&text);
		buffer_text(&text, "never");
	}
	expect(p, result_words[what], p->expected[what],
	       got == nothing ? NULL : buffer_string(&text));
}

static void expect_text(struct play *p, enum result what, const char *got)
{
	expect(p, result_words[what], p->expected[what], got && got[0] ? got : NULL);
}

static void expect_token(struct play *p)
{
	const struct token_facts none = {.lifetime_ms = -1};
	const struct token *t = p->x.ret_token;
	const struct token_facts *facts = t ? token_facts(t) : &none;

	expect_text(p, RESULT_TOKEN, t ? token_value(t) : NULL);
	expect_number(p, RESULT_LIFETIME, facts->lifetime_ms, -1);
	expect_text(p, RESULT_SCOPE, facts->scope);
	expect_text(p, RESULT_AUDIENCE, facts->audience);
	/* Bearer goes without saying */
	if (p->expected[RESULT_TOKEN_TYPE] || !t || strcmp(facts->token_type, "Bearer") != 0)
		expect_text(p, RESULT_TOKEN_TYPE, facts->token_type);
	expect_text(p, RESULT_ID, facts->id);
	expect_text(p, RESULT_DETAILS, facts->details);
}

static void expect_prompt(struct play *p)
{
	const struct prompt *prompt = &p->x.ret_prompt;
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_DOCUMENT);

	if (prompt->uri)
		buffer_format(&text, "%s %s %lld%s%s", prompt->uri, prompt->code,
			      (long long)prompt->expires_ms, prompt->uri_complete ? " " : "",
			      prompt->uri_complete ? prompt->uri_complete : "");
	expect_text(p, RESULT_PROMPT, buffer_string(&text));
}

static const char *text_of(const struct secret *s)
{
	return s ? secret_bytes(s) : NULL;
}

static void expect_results(struct play *p)
{
	BUFFER_AUTO memo = BUFFER_INIT(LIMIT_DOCUMENT);

	expect_token(p);
	expect_prompt(p);
	expect_text(p, RESULT_NEW_REGISTRATION, text_of(p->x.ret_registration));
	expect_text(p, RESULT_NEW_INTENT, text_of(p->x.ret_intent));
	expect_text(p, RESULT_NEW_DETAILS, p->x.ret_details);
	expect(p, "slot-only", p->expected[RESULT_SLOT_ONLY], p->x.slot_only ? "" : NULL);
	if (p->listed != p->x.ret_listing.n)
		fault(p, "%zu tokens were listed", p->x.ret_listing.n);
	expect_text(p, RESULT_ID_TOKEN, p->x.ret_id_token ? token_value(p->x.ret_id_token) : NULL);
	expect_text(p, RESULT_NEW_GRANT, text_of(p->x.ret_grant));
	expect(p, "drop-grant", p->expected[RESULT_DROP_GRANT], p->x.drop_grant ? "" : NULL);
	if (p->x.ret_memo)
		json_print(p->x.ret_memo, false, &memo);
	expect_text(p, RESULT_NEW_MEMO, buffer_string(&memo));
	expect_number(p, RESULT_MEMO_LIFE, p->x.memo_ms, -1);
	expect_number(p, RESULT_WAIT, p->x.wait_ms, -1);
	expect_text(p, RESULT_WHY, p->x.why.text);
}

static void play_lines(struct play *p, char *text)
{
	const char *colon = strchr(text, ':');

	if (strncmp(text, "# ", 2) != 0 || !colon || memchr(text, '\n', (size_t)(colon - text)))
		fault(p, "the first line cites what the file shows: `# C1 C2: …`");
	while (text && !p->faults) {
		char *end = strchr(text, '\n');

		if (end)
			*end++ = '\0';
		p->line++;
		play_line(p, text);
		text = end;
	}
	if (p->faults)
		return;
	if (p->stage == STAGE_ENDED)
		expect_results(p);
	else if (p->stage != STAGE_REFUSED)
		fault(p, "the file has no end");
}

static void play_finish(struct play *p)
{
	exchange_finish(&p->x);
	settings_free(p->settings);
	settings_free(p->wish);
	secret_unref(p->x.grant);
	secret_unref(p->x.registration);
	secret_unref(p->x.intent);
	token_unref(p->x.token);
	token_unref(p->x.given);
	json_free(p->memo);
	buffer_finish(&p->header);
	buffer_finish(&p->answer);
}

static bool play_file(const char *file, char *text, size_t size)
{
	struct play p = {.file = file,
			 .x = EXCHANGE_INIT,
			 .header = BUFFER_INIT(LIMIT_REQUEST),
			 .answer = BUFFER_INIT(LIMIT_RESPONSE),
			 .body = ""};
	FILE *f = fopen(file, "r");
	size_t len = f ? fread(text, 1, size - 1, f) : 0;

	if (f)
		fclose(f);
	text[len] = '\0';
	p.x.provider = "iam";
	p.x.name = "access_token";
	p.x.now_ms = INT64_C(1700000000000);
	for (size_t i = 0; i < sizeof p.x.random; i++)
		p.x.random[i] = (unsigned char)i;
	if (len == 0 || len == size - 1)
		fault(&p, "cannot be read, is empty, or is too long");
	else
		play_lines(&p, text);
	play_finish(&p);
	return p.faults == 0;
}

int main(int argc, char **argv)
{
	char *text = malloc(MAX_FILE);
	int failed = 0;

	if (argc < 2 || !text) {
		fprintf(stderr, "usage: transcript FILE.transcript …\n");
		free(text);
		return 2;
	}
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		bool ok = play_file(argv[i], text, MAX_FILE);

		printf("%s %d %s\n", ok ? "ok" : "not ok", i, argv[i]);
		failed += !ok;
	}
	free(text);
	return failed ? 1 : 0;
}
