/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "moment.h"
#include "registry.h"

/*
 * exec: a token that a command prints: alone, as an OAuth 2.0 token response (RFC 6749 section 5.1), or
 * as a Kubernetes ExecCredential (client.authentication.k8s.io).
 */

#define LIFETIME_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
#define K8S_GROUP	"client.authentication.k8s.io/"

/* An exit status above it is 128 + the signal by which it ended. */
#define STATUS_SIGNAL 128

static const struct field fields[] = {
	/* clang-format off */
	{ "command", FIELD_TEXT, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "what to run; it prints the token" },
	{ "shell", FIELD_YES_NO, 0, "no", NULL,
	  "whether /bin/sh reads the command; no: words parted by spaces, and quotes" },
	{ "format", FIELD_CHOICE, 0, "auto", "auto token oauth exec-credential",
	  "what it prints: the token alone, OAuth 2.0 JSON, or a Kubernetes ExecCredential" },
	{ "lifetime", FIELD_DURATION, 0, NULL, NULL,
	  "how long a token lives when nothing says it: 5m if not given" },
	{ 0 },
	/* clang-format on */
};

static bool has_format(const struct exchange *x, const char *format)
{
	return strcmp(settings_text(x->settings, "format"), format) == 0;
}

static int garbled(struct exchange *x, const char *reason)
{
	return exchange_fail(x, EXCHANGE_GARBLED, "the command printed %s", reason);
}

/* What the output says, else what the token says, else what the configuration says. */
static int64_t lifetime_of(const struct exchange *x, const char *value, size_t len, int64_t said_s)
{
	int64_t configured = settings_ms(x->settings, "lifetime");

	if (said_s == TOKEN_LIFETIME_UNSAID && configured >= 0 && token_jwt_expiry(value, len) < 0)
		return configured;
	return token_lifetime(value, len, said_s, x->now_ms);
}

static int issue(struct exchange *x, const char *value, size_t len, const struct token_facts *facts)
{
	if (facts->lifetime_ms <= 0)
		return garbled(x, "a token that has expired already");
	return exchange_issue(x, value, len, facts);
}

/* A token alone. */

static int hear_plain(struct exchange *x, const struct response *r)
{
	size_t len = secret_line(r->body, r->len);
	struct token_facts facts = {0};

	if (len == 0)
		return garbled(x, "nothing");
	if (memchr(r->body, '\n', len))
		return garbled(x, "several lines, which are no token: print the token alone");
	facts.lifetime_ms = lifetime_of(x, r->body, len, TOKEN_LIFETIME_UNSAID);
	return issue(x, r->body, len, &facts);
}

/* OAuth 2.0; a refresh token beside it is the command's own affair. */

static int hear_expires_in(struct exchange *x, const struct json *answer, int64_t *ret)
{
	int64_t seconds;

	if (!json_get(answer, "expires_in"))
		return EXCHANGE_DONE;
	if (!json_integer(answer, "expires_in", &seconds) || seconds < 0)
		return garbled(x, "an expires_in that is no number of seconds");
	*ret = seconds;
	return EXCHANGE_DONE;
}

static int check_oauth(struct exchange *x, const struct json *answer)
{
	const char *value = json_string(answer, "access_token");
	const char *type = json_string(answer, "token_type");

	if (!value || !value[0])
		return garbled(x, "JSON without an access_token");
	if (type && strcasecmp(type, "bearer") != 0)
		return garbled(x, "a token of another token_type than Bearer, so reading it is not "
				  "enough to use it");
	return EXCHANGE_DONE;
}

/* Which bytes a scope may have, RFC 6749 section 3.3; what has others is not told on. */
static const char *scope_of(const struct json *answer)
{
	const char *scope = json_string(answer, "scope");

	for (const char *at = scope; at && *at; at++)
		if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
			return NULL;
	return scope;
}

static int hear_oauth(struct exchange *x, const struct json *answer)
{
	const char *value = json_string(answer, "access_token");
	struct token_facts facts = {.token_type = json_string(answer, "token_type"),
				    .scope = scope_of(answer)};
	int64_t said_s = TOKEN_LIFETIME_UNSAID;
	int outcome = check_oauth(x, answer);

	if (outcome == EXCHANGE_DONE)
		outcome = hear_expires_in(x, answer, &said_s);
	if (outcome != EXCHANGE_DONE)
		return outcome;
	facts.lifetime_ms = lifetime_of(x, value, strlen(value), said_s);
	return issue(x, value, strlen(value), &facts);
}

/* Kubernetes: kind, apiVersion, and a status with the token and when it ends. */

static bool is_exec_credential(const struct json *answer)
{
	const char *kind = json_string(answer, "kind");

	return kind && strcmp(kind, "ExecCredential") == 0;
}

static int check_credential(struct exchange *x, const struct json *answer)
{
	const char *version = json_string(answer, "apiVersion");
	const struct json *status = json_get(answer, "status");
	const char *value = json_string(status, "token");

	if (!is_exec_credential(answer) || !version ||
	    strncmp(version, K8S_GROUP, strlen(K8S_GROUP)) != 0)
		return garbled(x, "JSON that is no ExecCredential of " K8S_GROUP);
	if (value && value[0])
		return EXCHANGE_DONE;
	if (json_get(status, "clientCertificateData"))
		return exchange_fail(x, EXCHANGE_UNSUPPORTED,
				     "the command's ExecCredential is a client certificate, which "
				     "is no token");
	return garbled(x, "an ExecCredential without status.token");
}

static int hear_expiration(struct exchange *x, const struct json *status, int64_t *ret_ms)
{
	const char *value = json_string(status, "token");
	int64_t at_ms;

	if (!json_get(status, "expirationTimestamp")) {
		*ret_ms = lifetime_of(x, value, strlen(value), TOKEN_LIFETIME_UNSAID);
		return EXCHANGE_DONE;
	}
	if (!json_string(status, "expirationTimestamp") ||
	    moment_of_text(json_string(status, "expirationTimestamp"), &at_ms) < 0)
		return garbled(x, "an expirationTimestamp that is no time (RFC 3339)");
	*ret_ms = token_lifetime(value, strlen(value), (at_ms - x->now_ms) / 1000, x->now_ms);
	return EXCHANGE_DONE;
}

static int hear_credential(struct exchange *x, const struct json *answer)
{
	const struct json *status = json_get(answer, "status");
	struct token_facts facts = {0};
	int outcome = check_credential(x, answer);

	if (outcome == EXCHANGE_DONE)
		outcome = hear_expiration(x, status, &facts.lifetime_ms);
	if (outcome != EXCHANGE_DONE)
		return outcome;
	return issue(x, json_string(status, "token"), strlen(json_string(status, "token")), &facts);
}

static int hear_json(struct exchange *x, const struct response *r)
{
	JSON_AUTO *answer = NULL;
	int e = json_parse(r->body, r->len, NULL, &answer);

	if (e == -ENOMEM)
		return e;
	if (!json_is_object(answer))
		return garbled(x, "something that is no JSON object");
	if (has_format(x, "exec-credential"))
		return hear_credential(x, answer);
	if (has_format(x, "oauth"))
		return hear_oauth(x, answer);
	if (is_exec_credential(answer))
		return hear_credential(x, answer);
	if (json_get(answer, "access_token"))
		return hear_oauth(x, answer);
	return garbled(x, "JSON with neither an access_token nor the kind ExecCredential");
}

/* A token never begins like an object. */
static bool begins_object(const struct response *r)
{
	size_t at = 0;

	while (at < r->len && strchr(" \t\r\n", r->body[at]) && r->body[at])
		at++;
	return at < r->len && r->body[at] == '{';
}

/* Whatever is not known as final is tried again. */
static const struct verdict {
	int status;
	enum exchange_outcome outcome;
	const char *sentence;
} verdicts[] = {
	/* clang-format off */
	{ 77, EXCHANGE_DENIED, /* EX_NOPERM of sysexits.h */
	  "the command says that its credential is refused (status 77): correct it, then reload" },
	{ 78, EXCHANGE_MISSING, /* EX_CONFIG */
	  "the command says that a person must log in or configure it (status 78): do so, then reload" },
	{ 126, EXCHANGE_BUSY, /* of shells, as the next */
	  "the command, or what it runs, is not executable (status 126)" },
	{ 127, EXCHANGE_BUSY,
	  "the command, or what it runs, is not found (status 127): give its whole path" },
	/* clang-format on */
};

static int hear_failure(struct exchange *x, const struct response *r)
{
	enum exchange_outcome outcome = EXCHANGE_BUSY;

	if (r->status > STATUS_SIGNAL)
		sentence_set(&x->why, "the command ended with status %d, as by signal %d", r->status,
			     r->status - STATUS_SIGNAL);
	else
		sentence_set(&x->why, "the command ended with status %d", r->status);
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
		if (verdicts[i].status != r->status)
			continue;
		outcome = verdicts[i].outcome;
		sentence_set(&x->why, "%s", verdicts[i].sentence);
	}
	exchange_quote(x, r->complaint);
	return (int)outcome;
}

static int exec_ask(struct exchange *x)
{
	if (x->purpose == PURPOSE_REVOKE) {
		sentence_set(&x->why, "a token of a command is only forgotten here: it is valid to "
				      "its end");
		return EXCHANGE_DONE;
	}
	x->errand.line = settings_text(x->settings, "command");
	x->errand.shell = settings_yes(x->settings, "shell");
	x->request.answer_max = LIMIT_DOCUMENT; /* a token, and certificates beside it */
	return EXCHANGE_RUN;
}

static int exec_hear(struct exchange *x, const struct response *r)
{
	if (r->status)
		return hear_failure(x, r);
	if (has_format(x, "token") || (has_format(x, "auto") && !begins_object(r)))
		return hear_plain(x, r);
	return hear_json(x, r);
}

/* As fs/command will split it. */
static bool quotes_close(const char *line)
{
	char quote = '\0';

	for (; *line; line++)
		if (quote ? *line == quote : *line == '\'' || *line == '"')
			quote = quote ? '\0' : *line;
	return !quote;
}

static int exec_check(const struct settings *s, struct sentence *why)
{
	const char *line = settings_text(s, "command");
	int64_t ms = settings_ms(s, "lifetime");

	if (!line[strspn(line, " ")])
		sentence_set(why, "command has no words");
	else if (!settings_yes(s, "shell") && !quotes_close(line))
		sentence_set(why, "a quote of command does not close");
	else if (ms != -1 && (ms < 1000 || ms > LIFETIME_MAX_MS))
		sentence_set(why, "lifetime is from 1s to 366d");
	else
		return 0;
	return -EINVAL;
}

const struct provider_type exec_type = {
	.name = "exec",
	.summary = "a token that a command prints",
	.env = "ACCESS_TOKEN",
	.fields = fields,
	.imports = true,
	.check = exec_check,
	.ask = exec_ask,
	.hear = exec_hear,
};
