/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#define RENEW_LEAD_MAX_MS 300000
#define RETRY_AFTER_MAX_MS 3600000
#define NAME_MAX_MS 3600000

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* A share of `whole` that `random` picks, 0 ≤ share < whole. */
static int64_t share(int64_t whole, uint32_t random)
{
	return (int64_t)((double)whole * ((double)random / 4294967296.0));
}

int64_t policy_margin(int64_t configured_ms, int64_t life_ms)
{
	if (life_ms <= 0)
		return 0;
	return least(configured_ms, life_ms / 10);
}

bool policy_fresh(int64_t now, int64_t expires, int64_t margin_ms)
{
	return expires == POLICY_NEVER || now < expires - margin_ms;
}

bool policy_alive(int64_t now, int64_t expires)
{
	return now < expires;
}

int64_t policy_renew_at(int64_t issued, int64_t expires, int64_t margin_ms, uint32_t random)
{
	int64_t lead;

	if (expires == POLICY_NEVER)
		return POLICY_NEVER;
	lead = least((expires - issued) / 5, RENEW_LEAD_MAX_MS);
	return expires - margin_ms - lead + share(lead / 4, random);
}

int64_t policy_retry_at(int64_t now, unsigned int failures, int64_t asked_ms, uint32_t random)
{
	int64_t wait = POLICY_BACKOFF_MAX_MS;

	if (failures < 6)
		wait = least(1000 << (failures ? failures - 1 : 0), POLICY_BACKOFF_MAX_MS);
	wait -= share(wait / 4, random);
	if (asked_ms > wait)
		wait = least(asked_ms, RETRY_AFTER_MAX_MS);
	return now + wait;
}

int64_t policy_name_ms(int64_t now, int64_t expires, int64_t margin_ms)
{
	if (!policy_fresh(now, expires, margin_ms))
		return 0;
	return expires == POLICY_NEVER ? NAME_MAX_MS : least(expires - margin_ms - now, NAME_MAX_MS);
}
