/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

/*
 * static: a token that somebody got elsewhere and put into a file. It cannot be fetched anew; when
 * it is a JWT it says itself how long it lives.
 */

static const struct field fields[] = {
	/* clang-format off */
	{ "token", FIELD_SECRET, FIELD_REQUIRED, NULL, NULL, "the token itself" },
	{ 0 },
	/* clang-format on */
};

static int static_ask(struct exchange *x)
{
	const struct secret *secret = settings_secret(x->settings, "token");
	struct token_facts facts = {.lifetime_ms = TOKEN_NEVER_EXPIRES};
	int64_t expiry;
	int r;

	if (x->purpose == PURPOSE_REVOKE)
		return exchange_fail(x, EXCHANGE_UNSUPPORTED,
				     "a static token cannot be revoked from here: remove it from "
				     "the configuration");
	if (!secret)
		return exchange_fail(x, EXCHANGE_MISSING, "the token of %s is not there",
				     x->provider);
	expiry = token_jwt_expiry(secret_bytes(secret), secret_len(secret));
	if (expiry >= 0 && expiry <= x->now_ms / 1000)
		return exchange_fail(x, EXCHANGE_EXPIRED,
				     "the token of %s has expired: put a new one in its place",
				     x->provider);
	if (expiry >= 0)
		facts.lifetime_ms = token_lifetime(secret_bytes(secret), secret_len(secret),
						   TOKEN_LIFETIME_UNSAID, x->now_ms);
	r = exchange_issue(x, secret_bytes(secret), secret_len(secret), &facts);
	return r == EXCHANGE_GARBLED ? EXCHANGE_INVALID : r;
}

const struct provider_type static_type = {
	.name = "static",
	.summary = "a token that is in a file already",
	.env = "ACCESS_TOKEN",
	.fields = fields,
	.ask = static_ask,
};
