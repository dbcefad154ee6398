/* SPDX-License-Identifier: Apache-2.0 */
#include "generation.h"

#include <errno.h>
#include <stdlib.h>

#include "policy.h"

/* Adds a lifetime to a moment; never beyond "never". */
static int64_t after(int64_t moment, int64_t life_ms)
{
	if (life_ms == TOKEN_NEVER_EXPIRES || life_ms > POLICY_NEVER - moment)
		return POLICY_NEVER;
	return moment + life_ms;
}

int generation_new(uint32_t number, struct token *token, int64_t sent_boot_ms, int64_t sent_wall_ms,
		   struct generation **ret)
{
	struct generation *g = malloc(sizeof *g);
	int64_t life = token_facts(token)->lifetime_ms;

	if (!g)
		return -ENOMEM;
	*g = (struct generation){ .number = number,
				  .token = token_ref(token),
				  .issued_at = sent_boot_ms,
				  .expires_at = after(sent_boot_ms, life),
				  .issued_wall_ms = sent_wall_ms,
				  .changed_wall_ms = sent_wall_ms,
				  .expires_wall_ms = after(sent_wall_ms, life) };
	*ret = g;
	return 0;
}

struct generation *generation_free(struct generation *g)
{
	if (g) {
		token_unref(g->token);
		free(g);
	}
	return NULL;
}
