/* SPDX-License-Identifier: Apache-2.0 */
/* config_access: owner, group and mode, of a provider's section or of a declared slot. */
#ifndef TOKENFS_CONFIG_ACCESS_H
#define TOKENFS_CONFIG_ACCESS_H

#include "config.h"

/* The three keys alone, as a declared slot has them. */
extern const struct field config_access_fields[];

/* Who mounts, and nobody else. */
struct access config_access_default(void);

/*
 * Reads one key, if it is set, over what was inherited. -EINVAL and why: no such user or group, a
 * mode that is not octal or gives more than reading to others.
 */
int config_access_read(const struct settings *s, const char *key, struct access *access,
		       struct sentence *why);

#endif
