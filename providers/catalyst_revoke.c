/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "catalyst.h"
#include "form.h"

/*
 * The form body is an assumption, for the vendor shows the parameter in the URL alone, where no
 * secret of ours goes (1.3). A server that does not look at the body would answer 400, as it does
 * for a token that is dead already (1.7): so a 400 about a CLI token is not believed before its
 * renewal fails.
 */

struct value {
	const char *bytes;
	size_t len;
};

static struct value value_of_grant(const struct exchange *x)
{
	return (struct value){ secret_bytes(x->grant), secret_len(x->grant) };
}

static bool is_of_token(const struct exchange *x, struct value v)
{
	return x->token && token_len(x->token) == v.len &&
	       memcmp(token_value(x->token), v.bytes, v.len) == 0;
}

/* The grant of a slot that was logged in is its CLI token; it may not be the token that stands
 * there. */
static bool is_grant_next(const struct exchange *x)
{
	return x->grant && x->grant_is_own && !x->drop_grant && !catalyst_is_access(x) &&
	       !is_of_token(x, value_of_grant(x));
}

static struct value next(const struct exchange *x)
{
	if (is_grant_next(x))
		return value_of_grant(x);
	return (struct value){ token_value(x->token), token_len(x->token) };
}

static int ask_revoke(struct exchange *x, struct value v)
{
	size_t prefix = catalyst_is_cli(v.bytes, v.len) ? 2 : 0;

	form_add_bytes(&x->request.body, "token", v.bytes + prefix, v.len - prefix);
	return catalyst_post(x, catalyst_centre_of(x, x->token), "/oauth/v2/token/revoke");
}

int catalyst_revoke_ask(struct exchange *x)
{
	struct value v;

	if (!x->token && !is_grant_next(x))
		return EXCHANGE_DONE;
	v = next(x);
	if (x->step == CATALYST_DOUBT)
		return catalyst_ask_renewal(x, v.bytes, v.len, catalyst_centre_of(x, x->token));
	x->step = CATALYST_REVOKE;
	return ask_revoke(x, v);
}

static int gone(struct exchange *x)
{
	if (!is_grant_next(x))
		return EXCHANGE_DONE;
	x->drop_grant = true;
	x->step = CATALYST_REVOKE;
	return x->token ? EXCHANGE_ASK : EXCHANGE_DONE;
}

/* Nobody can be asked about an access token, and it ends within the hour. */
static bool can_ask(const struct exchange *x)
{
	struct value v = next(x);

	return catalyst_is_cli(v.bytes, v.len) && settings_text(x->settings, "client-id") &&
	       settings_secret(x->settings, "client-secret");
}

static int hear_revoked(struct exchange *x, const struct response *r, const struct json *answer)
{
	const char *error = catalyst_string(answer, "error");

	if (r->status == 200 && !error)
		return gone(x);
	if (catalyst_is_error(answer, "Access Denied") ||
	    (r->status != 400 && !catalyst_is_error(answer, "invalid_code")))
		return catalyst_refuse(x, r, answer);
	if (!can_ask(x))
		return gone(x);
	x->step = CATALYST_DOUBT;
	return EXCHANGE_ASK;
}

/* Its renewal tells: a dead CLI token is an invalid_code. */
static int hear_doubt(struct exchange *x, const struct response *r, const struct json *answer)
{
	if (catalyst_string(answer, "access_token"))
		return exchange_fail(x, EXCHANGE_UNSUPPORTED,
				     "the server did not revoke the token, which still works: "
				     "revoke it in the Zoho account, under connected apps");
	if (catalyst_is_error(answer, "invalid_code"))
		return gone(x);
	if (catalyst_refuse(x, r, answer) == EXCHANGE_BUSY)
		return EXCHANGE_BUSY;
	sentence_set(&x->why, "the server does not know the token (400); whether it still works "
			      "could not be found out");
	return gone(x);
}

int catalyst_revoke_hear(struct exchange *x, const struct response *r)
{
	JSON_AUTO *answer = NULL;
	int e = catalyst_parse(r, &answer);

	if (e < 0)
		return e;
	return x->step == CATALYST_DOUBT ? hear_doubt(x, r, answer) : hear_revoked(x, r, answer);
}
