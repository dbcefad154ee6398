/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "controlm.h"

bool controlm_is_good(const struct response *r)
{
	return r->status >= 200 && r->status < 300;
}

bool controlm_is_absent(const struct response *r, const struct json *answer)
{
	return r->status == 404 && (r->len == 0 || json_is_object(answer));
}

static bool holds(const char *text, const char *words)
{
	for (; text && *text; text++)
		if (strncasecmp(text, words, strlen(words)) == 0)
			return true;
	return false;
}

bool controlm_says(const struct json *answer, const char *words)
{
	const struct json *errors = json_get(answer, "errors");

	for (size_t i = 0; json_is_array(errors) && i < json_length(errors); i++)
		if (holds(json_string(json_at(errors, i), "message"), words))
			return true;
	return false;
}

static const struct meaning {
	int status;
	enum exchange_outcome outcome;
	const char *sentence;
} meanings[] = {
	/* clang-format off */
	{ 400, EXCHANGE_INVALID, "the server does not take this" },
	{ 403, EXCHANGE_FORBIDDEN, "the server does not allow this" },
	{ 404, EXCHANGE_GARBLED, "the server has no such call: correct the url, which ends in "
				 "/automation-api" },
	{ 405, EXCHANGE_UNSUPPORTED, "the server does not have this call" },
	{ 406, EXCHANGE_INVALID, "the server does not accept this" },
	{ 409, EXCHANGE_INVALID, "this does not go with what the server has" },
	{ 0 },
	/* clang-format on */
};

static int refused_by_status(struct exchange *x, int status)
{
	const struct meaning *m = meanings;

	if (status == 401)
		return exchange_fail(x, EXCHANGE_DENIED,
				     controlm_lives_on_sessions(x->settings)
					     ? "the server refused its own session (401)"
					     : "the server refused the api-key (401)");
	while (m->status && m->status != status)
		m++;
	if (m->status)
		return exchange_fail(x, m->outcome, "%s (%d)", m->sentence, status);
	return exchange_fail(x, EXCHANGE_GARBLED,
			     "the server's answer is not what Control-M says (%d)", status);
}

int controlm_of_slot(struct exchange *x, int outcome)
{
	x->slot_only = outcome == EXCHANGE_INVALID || outcome == EXCHANGE_FORBIDDEN ||
		       outcome == EXCHANGE_EXISTS || outcome == EXCHANGE_IN_USE ||
		       outcome == EXCHANGE_UNSUPPORTED || outcome == EXCHANGE_MISSING ||
		       outcome == EXCHANGE_EXPIRED;
	return outcome;
}

int controlm_refused(struct exchange *x, const struct response *r, const struct json *answer)
{
	int outcome = exchange_hear_status(x, r);

	if (outcome == 0)
		outcome = refused_by_status(x, r->status);
	exchange_quote(x, json_string(json_at(json_get(answer, "errors"), 0), "message"));
	return x->purpose == PURPOSE_LIST ? outcome : controlm_of_slot(x, outcome);
}
