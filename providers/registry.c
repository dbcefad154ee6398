/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "registry.h"

const struct provider_type *const *provider_types(void)
{
	static const struct provider_type *const types[] = {
		&oauth2_type,
		&indigo_iam_type,
		&siemens_iem_type,
		&siemens_ied_type,
		&siemens_iehub_type,
		&controlm_type,
		&catalyst_type,
		&cisco_iotod_type,
		&cisco_ei_type,
		&local_type,
		&exec_type,
		&static_type,
		NULL,
	};

	return types;
}

const struct provider_type *provider_type_find(const char *name)
{
	for (const struct provider_type *const *type = provider_types(); *type; type++)
		if (strcmp((*type)->name, name) == 0)
			return *type;
	return NULL;
}
