/* SPDX-License-Identifier: Apache-2.0 */
#include "catalyst.h"

#include <errno.h>
#include <string.h>

#include "registry.h"

#define ACCESS "access_token"

static const struct field fields[] = {
	/* clang-format off */
	{ "dc", FIELD_CHOICE, 0, "us", "us eu in au ca sa jp uae",
	  "the data centre of the accounts; a token goes back to the one that it came from" },
	{ "client-id", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL,
	  "the client's name at Zoho, to log in and to make access tokens" },
	{ "client-secret", FIELD_SECRET, 0, NULL, NULL, "the client's secret" },
	{ "scope", FIELD_WORDS, 0, NULL, NULL, "what a CLI token may do" },
	{ "accounts-url", FIELD_URL, FIELD_IDENTITY, NULL, NULL,
	  "the accounts server, in place of that of dc" },
	{ "cli-token", FIELD_TEXT, 0, NULL, NULL,
	  "the name of the CLI token here that access_token is made of" },
	{ "cli-token", FIELD_SECRET, 0, NULL, NULL,
	  "or such a CLI token itself" },
	{ 0 },
	/* clang-format on */
};

static const struct field slot_fields[] = {
	/* clang-format off */
	{ "scope", FIELD_WORDS, 0, NULL, NULL, "what this CLI token may do" },
	{ 0 },
	/* clang-format on */
};

bool catalyst_is_access(const struct exchange *x)
{
	return strcmp(x->name, ACCESS) == 0;
}

bool catalyst_is_cli(const char *value, size_t len)
{
	return len > 2 && value[1] == '_' &&
	       ((value[0] >= 'a' && value[0] <= 'z') || (value[0] >= 'A' && value[0] <= 'Z'));
}

/* ---- checking ---- */

static int refuse(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

static bool has_client(const struct settings *s)
{
	return settings_has(s, "client-id") && settings_has(s, "client-secret");
}

static int check_cli_token(const struct settings *s, struct sentence *why)
{
	const char *name = settings_text(s, "cli-token");

	if (name && settings_has_secret(s, "cli-token"))
		return refuse(why, "cli-token and cli-token-file: give one of them");
	/* LETTER_1004.… (1.1) */
	if (name && catalyst_is_cli(name, strlen(name)) && strchr(name, '.'))
		return refuse(why, "cli-token is a name, and this looks like a CLI token itself: "
				   "give it as cli-token-file");
	if (name && (strchr(name, '/') || name[0] == '.' || strlen(name) > 255))
		return refuse(why, "cli-token is the NAME of a CLI token of this provider");
	if (name && strcmp(name, ACCESS) == 0)
		return refuse(why, "cli-token cannot be " ACCESS ", which is made of it");
	if (!has_client(s))
		return refuse(why, "an access token is made with a client: give client-id and "
				   "client-secret-file");
	return 0;
}

static int catalyst_check(const struct settings *s, struct sentence *why)
{
	const char *url = settings_text(s, "accounts-url");

	if (settings_has(s, "client-id") != settings_has(s, "client-secret"))
		return refuse(why, "client-id and client-secret-file go together: without them "
				   "nobody can log in, and tokens can only be imported");
	if (url && strchr(url, '?'))
		return refuse(why, "accounts-url may not have a ?query");
	return settings_has(s, "cli-token") ? check_cli_token(s, why) : 0;
}

static const char *catalyst_first(const struct settings *s)
{
	return settings_has(s, "cli-token") ? ACCESS : NULL;
}

static bool catalyst_needs_person(const struct settings *s)
{
	return has_client(s);
}

/* ---- a CLI token that is here already ---- */

/* One out of a document was given the short life of what says nothing of its own: it has none
 * (1.1). */
static int issue_again(struct exchange *x)
{
	struct token_facts facts = *token_facts(x->token);

	facts.lifetime_ms = TOKEN_NEVER_EXPIRES;
	facts.token_type = "N_A";
	return exchange_issue(x, token_value(x->token), token_len(x->token), &facts);
}

static int issue_grant(struct exchange *x)
{
	const struct token_facts facts = { .lifetime_ms = TOKEN_NEVER_EXPIRES,
					   .token_type = "N_A" };
	int r = exchange_issue(x, secret_bytes(x->grant), secret_len(x->grant), &facts);

	return r == EXCHANGE_GARBLED ? EXCHANGE_INVALID : r;
}

static int fetch_cli(struct exchange *x)
{
	if (x->token && catalyst_is_cli(token_value(x->token), token_len(x->token)))
		return issue_again(x);
	if (x->grant && x->grant_is_own)
		return issue_grant(x);
	x->slot_only = true;
	return exchange_fail(x, EXCHANGE_MISSING,
			     "there is no CLI token in %s/%s: log in: write {} to it", x->provider,
			     x->name);
}

/* ---- the conversation ---- */

static int ask_fetch(struct exchange *x)
{
	return catalyst_is_access(x) ? catalyst_refresh_ask(x) : fetch_cli(x);
}

static int catalyst_ask(struct exchange *x)
{
	switch (x->purpose) {
	case PURPOSE_FETCH:
		return ask_fetch(x);
	case PURPOSE_REVOKE:
		return catalyst_revoke_ask(x);
	case PURPOSE_LOGIN:
		return catalyst_login_ask(x);
	case PURPOSE_CREATE:
	case PURPOSE_UPDATE:
	case PURPOSE_LIST:
	case PURPOSE_UNREGISTER:
		break;
	}
	return exchange_fail(x, EXCHANGE_UNSUPPORTED,
			     "Zoho has no list of CLI tokens, and makes one by a login only");
}

static int catalyst_hear(struct exchange *x, const struct response *r)
{
	if (x->purpose == PURPOSE_LOGIN)
		return catalyst_login_hear(x, r);
	if (x->purpose == PURPOSE_REVOKE)
		return catalyst_revoke_hear(x, r);
	return catalyst_refresh_hear(x, r);
}

/* No API takes a CLI token, and as a header it would give a lasting secret to whoever is called. */
static int catalyst_headers(const struct settings *s, const struct token *t, struct buffer *out)
{
	(void)s;
	if (catalyst_is_cli(token_value(t), token_len(t)))
		return 0;
	buffer_text(out, "Authorization: Bearer ");
	buffer_append(out, token_value(t), token_len(t));
	buffer_text(out, "\n");
	return buffer_error(out);
}

const struct provider_type catalyst_type = {
	.name = "catalyst",
	.summary = "Zoho Catalyst: CLI tokens by login, and access tokens made of one",
	.env = "CATALYST_TOKEN",
	.fields = fields,
	.slot_fields = slot_fields,
	.imports = true,
	.undeclared = true,
	.login_per_slot = true,
	.budget = 10,
	.budget_ms = INT64_C(600000),
	.first = catalyst_first,
	.needs_person = catalyst_needs_person,
	.check = catalyst_check,
	.ask = catalyst_ask,
	.hear = catalyst_hear,
	.headers = catalyst_headers,
};
