/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry: the provider types by name, for registry.c alone; everybody else asks
 * provider_type_find(). Each is defined in the file of its name.
 */
#ifndef TOKENFS_REGISTRY_H
#define TOKENFS_REGISTRY_H

#include "provider.h"

extern const struct provider_type oauth2_type;
extern const struct provider_type indigo_iam_type;
extern const struct provider_type siemens_iem_type;
extern const struct provider_type siemens_ied_type;
extern const struct provider_type siemens_iehub_type;
extern const struct provider_type controlm_type;
extern const struct provider_type catalyst_type;
extern const struct provider_type cisco_iotod_type;
extern const struct provider_type cisco_ei_type;
extern const struct provider_type local_type;
extern const struct provider_type exec_type;
extern const struct provider_type static_type;

#endif
