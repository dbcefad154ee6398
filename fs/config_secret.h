/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_secret: KEY-file, KEY-command and KEY-credential. Looks at where a secret is, never at
 * what it is, and runs nothing.
 */
#ifndef TOKENFS_CONFIG_SECRET_H
#define TOKENFS_CONFIG_SECRET_H

#include "config.h"
#include "config_file.h"

/* Whether a key names the place of a secret of the table. */
bool config_secret_key(const struct field *fields, const char *key, const struct field **ret_field,
		       enum secret_place *ret_place);

/* Whether there can be a secret in a place; mistakes and warnings go into the report. */
void config_secret_check(const struct config_section *section, const struct config_entry *entry,
			 enum secret_place place, struct config_report *report);

#endif
