/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "oauth2.h"
#include "oauth2_fields.h"
#include "registry.h"

/*
 * indigo-iam: an INDIGO IAM, as of WLCG and many research infrastructures. It is OAuth 2.0 with the
 * habits of its server, which wire/catalyst-iam-oauth.md chapter 2 lists.
 */

static const struct field fields[] = {
	OAUTH2_FIELDS("device_code", "audience-joined", "audience-joined resource",
		      "how audience is said: as one `audience` for all, or as `resource`"),
	{ 0 },
};

static const struct field slot_fields[] = { OAUTH2_SLOT_FIELDS, { 0 } };

/* Where its errors mean something else than the standard's (wire 2.4). */
static const struct oauth2_verdict verdicts[] = {
	{ "invalid_client", EXCHANGE_DENIED,
	  "the server refused client-id and client-secret, suspended the client, or has not "
	  "enabled this grant for it" },
	{ "invalid_grant", EXCHANGE_FORBIDDEN,
	  "the server wants something of the user first, such as to sign its usage policy: visit "
	  "it with a browser, then read again" },
	{ "unauthorized", EXCHANGE_DENIED, "the server has suspended this user" },
	{ 0 },
};

static const struct oauth2_dialect dialect = {
	.verdicts = verdicts,
	.forgives_slash = true,
	.joins_resource = true,
	.keeps_grant = true,
	.scope_in_token = true,
	.empty_404_is_client = true,
	.revokes_by_secret = true,
	.deprecates_password = true,
};

/* It takes the first that is there, `resource` before `audience`, and never both (wire 2.8). */
static int check_target(const struct settings *s, struct sentence *why)
{
	if (!settings_has(s, "resource") || !settings_has(s, "audience"))
		return 0;
	sentence_set(why, "give resource or audience: INDIGO IAM ignores audience beside resource");
	return -EINVAL;
}

static int iam_check(const struct settings *s, struct sentence *why)
{
	int r = oauth2_check(s, why);

	return r < 0 ? r : check_target(s, why);
}

static int iam_check_wish(const struct settings *s, const struct settings *wish,
			  struct sentence *why)
{
	int r = oauth2_check_wish(s, wish, why);

	return r < 0 ? r : check_target(wish, why);
}

const struct provider_type indigo_iam_type = {
	.name = "indigo-iam",
	.summary = "an INDIGO IAM, with WLCG tokens",
	.env = "BEARER_TOKEN",
	.fields = fields,
	.slot_fields = slot_fields,
	.imports = true,
	.imports_refresh = true,
	.login_per_slot = true, /* a refresh ends what came of the same refresh token (wire 2.7) */
	.dialect = &dialect,
	.needs_person = oauth2_needs_person,
	.check = iam_check,
	.check_wish = iam_check_wish,
	.ask = oauth2_ask,
	.hear = oauth2_hear,
	.headers = oauth2_headers,
};
