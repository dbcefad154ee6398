/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlm.h"
#include "moment.h"
#include "registry.h"

static const struct field fields[] = {
	/* clang-format off */
	{ "url", FIELD_URL, FIELD_REQUIRED | FIELD_IDENTITY, NULL, NULL,
	  "the Automation API, which ends in /automation-api" },
	{ "api-key", FIELD_SECRET, 0, NULL, NULL,
	  "the value of an API token, which everything is done with" },
	{ "api-key-name", FIELD_TEXT, 0, NULL, NULL,
	  "the name of that token at the server: rm of it is refused" },
	{ "user", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL,
	  "or a user, who logs in for sessions of 30 minutes" },
	{ "password", FIELD_SECRET, 0, NULL, NULL, "the user's password" },
	{ "annotation-subject", FIELD_TEXT, 0, NULL, NULL,
	  "why tokens are changed, where the server wants to know" },
	{ "annotation-description", FIELD_TEXT, 0, NULL, NULL, "the same in more words" },
	{ 0 },
	/* clang-format on */
};

static const struct field slot_fields[] = {
	/* clang-format off */
	{ "roles", FIELD_JSON, 0, NULL, NULL,
	  "a list of strings: the roles of the token; needed to make one" },
	{ "expirationDate", FIELD_TEXT, 0, NULL, NULL,
	  "YYYY-MM-DD: the token ends when this day begins (UTC); never if not given" },
	{ "tokenType", FIELD_TEXT, 0, NULL, NULL, "as the server calls it; left to the server" },
	{ "annotation", FIELD_JSON, 0, NULL, NULL,
	  "an object of subject and description, in place of the section's" },
	{ "tokenName", FIELD_TEXT, 0, NULL, NULL, "nothing but the name of the file" },
	{ 0 },
	/* clang-format on */
};

bool controlm_is_session(const struct settings *s, const char *name)
{
	return controlm_lives_on_sessions(s) && strcmp(name, CONTROLM_SESSION) == 0;
}

static const char *controlm_first(const struct settings *s)
{
	return controlm_lives_on_sessions(s) ? CONTROLM_SESSION : NULL;
}

/* ---- checking ---- */

static int refuse(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

static int controlm_check(const struct settings *s, struct sentence *why)
{
	bool key = settings_has(s, "api-key"), user = settings_has(s, "user");
	bool password = settings_has(s, "password");

	if (strchr(settings_text(s, "url"), '?'))
		return refuse(why, "url may not have a ?query");
	if (key && (user || password))
		return refuse(why,
			      "api-key and user with password are two ways in: give one of them");
	if (!key && !user && !password)
		return refuse(why, "there is no way in: give api-key-file, or user and "
				   "password-file");
	if (!key && !user)
		return refuse(why, "user is missing: whose password is it?");
	if (!key && !password)
		return refuse(why, "password is missing: give password-file, password-command or "
				   "password-credential");
	return controlm_check_annotations(s, why);
}

/* ---- tokens from elsewhere ---- */

static int controlm_import(const struct settings *s, const struct settings *wish, const char *name,
			   const char *details, int64_t now_ms, struct token_facts *facts,
			   struct sentence *why)
{
	const char *date = settings_text(wish, "expirationDate");
	const char *said = settings_text(wish, "tokenName");
	JSON_AUTO *listed = NULL;
	int64_t at;

	if (said && strcmp(said, name) != 0)
		return refuse(why, "tokenName is not the name of the file: leave it out");
	if (controlm_is_session(s, name))
		return 0;
	facts->token_type = CONTROLM_API_KEY;
	facts->id = name;
	if (facts->lifetime_ms != TOKEN_LIFETIME_UNSAID)
		return 0;
	if (!date && details && json_parse(details, strlen(details), NULL, &listed) == -ENOMEM)
		return -ENOMEM;
	if (!date)
		date = json_string(listed, "expirationDate");
	facts->lifetime_ms = TOKEN_NEVER_EXPIRES;
	if (date && moment_of_text(date, &at) == 0)
		facts->lifetime_ms = at > now_ms ? at - now_ms : 0;
	return 0;
}

static int controlm_headers(const struct settings *s, const struct token *t, struct buffer *out)
{
	bool key = strcmp(token_facts(t)->token_type, CONTROLM_API_KEY) == 0;

	(void)s;
	buffer_text(out, key ? CONTROLM_API_KEY ": " : "Authorization: Bearer ");
	buffer_append(out, token_value(t), token_len(t));
	buffer_text(out, "\n");
	return buffer_error(out);
}

/* ---- the conversation ---- */

static int plan_session(struct exchange *x)
{
	if (x->purpose == PURPOSE_REVOKE)
		return controlm_logout_plan(x);
	x->step = CONTROLM_LOGIN;
	return EXCHANGE_ASK;
}

static int plan(struct exchange *x)
{
	bool session = controlm_is_session(x->settings, x->name);

	switch (x->purpose) {
	case PURPOSE_FETCH:
		return session ? plan_session(x) : controlm_fetch(x);
	case PURPOSE_REVOKE:
		return session ? plan_session(x) : controlm_revoke_plan(x);
	case PURPOSE_CREATE:
	case PURPOSE_UPDATE:
		return controlm_save_plan(x);
	case PURPOSE_LIST:
		x->step = CONTROLM_LIST;
		return EXCHANGE_ASK;
	case PURPOSE_LOGIN:
	case PURPOSE_UNREGISTER:
		break;
	}
	return exchange_fail(x, EXCHANGE_UNSUPPORTED,
			     "nobody logs in to Control-M by hand, and no client registers itself there");
}

/* LOGOUT brings its session with it. */
static bool needs_session(const struct exchange *x)
{
	return controlm_lives_on_sessions(x->settings) && x->step >= CONTROLM_LIST &&
	       !controlm_session(x);
}

static int start(struct exchange *x)
{
	x->notes = calloc(1, sizeof(struct controlm_notes));
	return x->notes ? plan(x) : -ENOMEM;
}

static int controlm_ask(struct exchange *x)
{
	int r = x->step == CONTROLM_START ? start(x) : EXCHANGE_ASK;

	if (r != EXCHANGE_ASK)
		return r;
	if (needs_session(x)) {
		((struct controlm_notes *)x->notes)->then = (enum controlm_step)x->step;
		x->step = CONTROLM_LOGIN;
	}
	switch ((enum controlm_step)x->step) {
	case CONTROLM_START:
		break;
	case CONTROLM_LOGIN:
		return controlm_login_ask(x);
	case CONTROLM_LOGOUT:
	case CONTROLM_LOGOUT_GRANT:
		return controlm_logout_ask(x);
	case CONTROLM_LIST:
		return controlm_list_ask(x);
	case CONTROLM_LOOK:
	case CONTROLM_MAKE:
	case CONTROLM_CHANGE:
	case CONTROLM_SELF:
	case CONTROLM_REMOVE:
		return controlm_token_ask(x);
	}
	return -EINVAL;
}

static int hear_step(struct exchange *x, const struct response *r, const struct json *answer)
{
	switch ((enum controlm_step)x->step) {
	case CONTROLM_START:
		break;
	case CONTROLM_LOGIN:
		return controlm_login_hear(x, r, answer);
	case CONTROLM_LOGOUT:
	case CONTROLM_LOGOUT_GRANT:
		return controlm_logout_hear(x, r, answer);
	case CONTROLM_LIST:
		return controlm_list_hear(x, r, answer);
	case CONTROLM_LOOK:
	case CONTROLM_MAKE:
	case CONTROLM_CHANGE:
	case CONTROLM_SELF:
	case CONTROLM_REMOVE:
		return controlm_token_hear(x, r, answer);
	}
	return -EINVAL;
}

static int controlm_hear(struct exchange *x, const struct response *r)
{
	JSON_AUTO *answer = NULL;

	if (r->len && json_parse(r->body, r->len, NULL, &answer) == -ENOMEM)
		return -ENOMEM;
	if (x->step >= CONTROLM_LIST && controlm_session_is_over(x, r, answer))
		return controlm_login_again(x);
	return hear_step(x, r, answer);
}

const struct provider_type controlm_type = {
	.name = "controlm",
	.summary = "API tokens and sessions of BMC Control-M and Helix Control-M",
	.env = "CONTROLM_TOKEN",
	.fields = fields,
	.slot_fields = slot_fields,
	.imports = true,
	.lists = true,
	.creates = true,
	.undeclared = true,
	.first = controlm_first,
	.check = controlm_check,
	.check_wish = controlm_check_wish,
	.import = controlm_import,
	.ask = controlm_ask,
	.hear = controlm_hear,
	.headers = controlm_headers,
};
