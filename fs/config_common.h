/* SPDX-License-Identifier: Apache-2.0 */
/* config_common: what the keys of [tokenfs] and of every provider must be, beyond their kind. */
#ifndef TOKENFS_CONFIG_COMMON_H
#define TOKENFS_CONFIG_COMMON_H

#include "config.h"
#include "config_file.h"

/* Looks at every such key that the section sets, in either table. */
void config_common_check(const struct config_section *section, const struct settings *s,
			 struct config_report *report);

#endif
