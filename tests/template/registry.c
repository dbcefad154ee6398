/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of the programs that show the example of providers/TEMPLATE.md: it knows the type of that
 * page alone, which is in no other program.
 */
#include <string.h>

#include "provider.h"

extern const struct provider_type acme_type;

const struct provider_type *const *provider_types(void)
{
	static const struct provider_type *const types[] = { &acme_type, NULL };

	return types;
}

const struct provider_type *provider_type_find(const char *name)
{
	return strcmp(name, acme_type.name) == 0 ? &acme_type : NULL;
}
