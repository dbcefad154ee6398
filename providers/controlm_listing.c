/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "controlm.h"

int controlm_list_ask(struct exchange *x)
{
	int r = controlm_call(x, "GET", "/authentication/tokens");

	x->request.answer_max = LIMIT_LISTING;
	return r == EXCHANGE_ASK ? controlm_called(x) : r;
}

/* ---- what may be told of a token ---- */

static bool is_role_list(const struct json *value)
{
	for (size_t i = 0; i < json_length(value); i++)
		if (!json_text(json_at(value, i)))
			return false;
	return json_is_array(value);
}

static bool is_told(const char *key, const struct json *value)
{
	const char *text = json_text(value);

	return strcmp(key, "roles") == 0 ? is_role_list(value) : text && text[0];
}

void controlm_describe(const struct json *token, const struct json *else_from, struct buffer *out)
{
	/* never tokenValue; the last four are of agents' tokens */
	/* clang-format off */
	static const char *const keys[] = {
		"tokenName", "tokenType", "user", "roles", "expirationDate", "createdDate",
		"lastUpdatedDate", "server", "serverHost", "serverId", "tag",
	};
	/* clang-format on */
	const char *before = "{\"";

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const struct json *value = json_get(token, keys[i]);

		if (!is_told(keys[i], value))
			value = json_get(else_from, keys[i]);
		if (!is_told(keys[i], value))
			continue;
		buffer_text(out, before);
		buffer_text(out, keys[i]);
		buffer_text(out, "\":");
		json_print(value, false, out);
		before = ",\"";
	}
	buffer_text(out, before[0] == '{' ? "{}" : "}");
}

/* ---- the list ---- */

static int garbled(struct exchange *x, const char *what)
{
	return exchange_fail(x, EXCHANGE_GARBLED, "the server's list of tokens %s", what);
}

static int list_one(struct exchange *x, const struct json *token, struct buffer *details)
{
	const char *name = json_string(token, "tokenName");
	const char *stamp = json_string(token, "createdDate");
	int r;

	if (!name || !name[0])
		return garbled(x, "has one without a tokenName");
	buffer_clear(details);
	controlm_describe(token, NULL, details);
	r = buffer_error(details);
	if (r == -EFBIG)
		return garbled(x, "has one that is too large");
	return r < 0 ? r
		     : exchange_list(x, name, buffer_string(details),
				     stamp && stamp[0] ? stamp : NULL);
}

/*
 * A list that was not understood is never an empty one: names would vanish from the directory.
 * Whoever lives on an api-key has a token, so for him "not found" is no list either; only for a
 * session, and in Control-M's own words, it is the server that has no token yet (wire 2.2: 404 is
 * documented).
 */
static bool has_none(const struct exchange *x, const struct response *r, const struct json *answer)
{
	return r->status == 404 && controlm_lives_on_sessions(x->settings) &&
	       json_is_array(json_get(answer, "errors"));
}

int controlm_list_hear(struct exchange *x, const struct response *r, const struct json *answer)
{
	BUFFER_AUTO details = BUFFER_INIT(LIMIT_DOCUMENT);
	const struct json *tokens = json_get(answer, "tokens");
	int outcome = EXCHANGE_DONE;

	if (has_none(x, r, answer))
		return EXCHANGE_DONE;
	if (!controlm_is_good(r))
		return controlm_refused(x, r, answer);
	if (!json_is_array(tokens))
		return garbled(x, "is none: there is no array tokens in the answer");
	for (size_t i = 0; outcome == EXCHANGE_DONE && i < json_length(tokens); i++)
		outcome = list_one(x, json_at(tokens, i), &details);
	return outcome == -EFBIG ? garbled(x, "is too long") : outcome;
}
