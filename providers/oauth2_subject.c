/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "form.h"
#include "oauth2.h"

/* The subject's token, and what it is exchanged for (RFC 8693). */

#define TOKEN_EXCHANGE "urn:ietf:params:oauth:grant-type:token-exchange"
#define TYPE_PREFIX    "urn:ietf:params:oauth:token-type:"

/* What the `token_type` is where the result is no access token, RFC 8693 section 2.2.1. */
#define NOT_APPLICABLE "N_A"

static bool is_set_to(const struct settings *s, const char *key, const char *value)
{
	const char *text = settings_text(s, key);

	return text && strcmp(text, value) == 0;
}

static bool takes_subject(const struct settings *s)
{
	return is_set_to(s, "grant", "token_exchange") || is_set_to(s, "grant", "jwt_bearer");
}

/* ---- checking ---- */

static int refuse(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

int oauth2_check_subject(const struct settings *s, struct sentence *why)
{
	bool exchange = is_set_to(s, "grant", "token_exchange");
	bool subject = settings_has(s, "subject-token");

	if (exchange && !subject)
		return refuse(why, "grant = token_exchange needs subject-token = PROVIDER/NAME, a "
				   "token of this mount, or subject-token-file");
	if (subject && !takes_subject(s))
		return refuse(why, "subject-token goes with grant = token_exchange or jwt_bearer");
	if (!exchange && settings_has(s, "subject-token-type"))
		return refuse(why, "subject-token-type goes with grant = token_exchange");
	if (!exchange && settings_has(s, "requested-token-type"))
		return refuse(why, "requested-token-type goes with grant = token_exchange");
	return 0;
}

/* ---- asking ---- */

bool oauth2_sends_subject(const struct exchange *x)
{
	return x->step == OAUTH2_CREDENTIAL && takes_subject(x->settings) &&
	       settings_has(x->settings, "subject-token");
}

bool oauth2_exchanges(const struct exchange *x)
{
	return x->step == OAUTH2_CREDENTIAL && is_set_to(x->settings, "grant", "token_exchange");
}

/* What is over is not sent; another one may stand there the next time. */
static int check_life(struct exchange *x, const struct secret *subject)
{
	int64_t expiry = token_jwt_expiry(secret_bytes(subject), secret_len(subject));

	if (expiry < 0 || expiry > x->now_ms / 1000)
		return EXCHANGE_ASK;
	x->slot_only = true;
	return exchange_fail(x, EXCHANGE_EXPIRED,
			     "the subject-token of %s has expired: put a new one in its place",
			     x->provider);
}

int oauth2_add_subject(struct exchange *x, const char *name)
{
	const struct secret *subject = settings_secret(x->settings, "subject-token");
	int r;

	x->need = settings_text(x->settings, "subject-token");
	if (x->need && !x->given)
		return EXCHANGE_NEED;
	if (x->need) {
		form_add_bytes(&x->request.body, name, token_value(x->given), token_len(x->given));
		return EXCHANGE_ASK;
	}
	if (!subject)
		return exchange_fail(x, EXCHANGE_MISSING, "the subject-token of %s is not there",
				     x->provider);
	r = check_life(x, subject);
	if (r == EXCHANGE_ASK)
		form_add_bytes(&x->request.body, name, secret_bytes(subject), secret_len(subject));
	return r;
}

/* The whole name of a type of token, from the word that a key has for it. */
static void add_type(struct exchange *x, const char *name, const char *word)
{
	BUFFER_AUTO urn = BUFFER_INIT(LIMIT_WORD);

	if (!word)
		return;
	buffer_text(&urn, TYPE_PREFIX);
	buffer_text(&urn, word);
	form_add(&x->request.body, name, buffer_string(&urn));
}

int oauth2_add_exchange_grant(struct exchange *x)
{
	int r;

	form_add(&x->request.body, "grant_type", TOKEN_EXCHANGE);
	r = oauth2_add_subject(x, "subject_token");
	if (r != EXCHANGE_ASK)
		return r;
	add_type(x, "subject_token_type", settings_text(x->settings, "subject-token-type"));
	add_type(x, "requested_token_type", settings_text(x->settings, "requested-token-type"));
	return EXCHANGE_ASK;
}

/* ---- hearing ---- */

/* The word behind the prefix, or "" for what is none of these types or not said. */
static const char *issued_word(const struct json *answer)
{
	const char *issued = json_string(answer, "issued_token_type");
	size_t len = strlen(TYPE_PREFIX);

	return issued && strncmp(issued, TYPE_PREFIX, len) == 0 ? issued + len : "";
}

static int fail_kind(struct exchange *x, const char *wanted, const struct json *answer)
{
	exchange_fail(x, EXCHANGE_UNSUPPORTED, "the server gave a token of another kind than %s",
		      wanted ? "requested-token-type says"
			     : "an access token: requested-token-type says which kind is wanted");
	exchange_quote(x, json_string(answer, "issued_token_type"));
	return EXCHANGE_UNSUPPORTED;
}

/* A Bearer that is, or may be, an access token; servers call one that is a JWT by that name too. */
static bool is_access_token(const char *type, const char *issued)
{
	return (!type || strcasecmp(type, "bearer") == 0) &&
	       (!issued[0] || strcmp(issued, "access_token") == 0 || strcmp(issued, "jwt") == 0);
}

/*
 * `issued_token_type` must be there (wire X2). Where it is not, a Bearer is an access token all the
 * same; what is none, or does not say that either, could be anything.
 */
int oauth2_hear_issued(struct exchange *x, const struct json *answer, const char **ret_type)
{
	const char *wanted = settings_text(x->settings, "requested-token-type");
	const char *type = json_string(answer, "token_type");
	const char *issued = issued_word(answer);
	bool identity = wanted && strcmp(wanted, "id_token") == 0;

	if (!json_string(answer, "issued_token_type") && (!type || identity))
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server's answer does not say what kind of token it gave "
				     "(issued_token_type)");
	if (type && strcasecmp(type, "bearer") != 0 && strcasecmp(type, NOT_APPLICABLE) != 0)
		return oauth2_fail_type(x, type);
	if (!identity && is_access_token(type, issued)) {
		*ret_type = type;
		return EXCHANGE_DONE;
	}
	if (!wanted || strcmp(wanted, issued) != 0 || strcmp(wanted, "access_token") == 0)
		return fail_kind(x, wanted, answer);
	*ret_type = NOT_APPLICABLE;
	return EXCHANGE_DONE;
}

int oauth2_headers(const struct settings *s, const struct token *t, struct buffer *out)
{
	const char *type = token_facts(t)->token_type;

	(void)s;
	if (type && strcasecmp(type, NOT_APPLICABLE) == 0)
		return -ENOTSUP;
	buffer_text(out, "Authorization: Bearer ");
	buffer_append(out, token_value(t), token_len(t));
	buffer_text(out, "\n");
	return 0;
}
