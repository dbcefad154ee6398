/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wish: what a slot asks for (settings in its type's slot_fields), as text. A wish never changes: it is
 * shared (settings_ref) and replaced whole. NULL is a wish for nothing special.
 */
#ifndef TOKENFS_WISH_H
#define TOKENFS_WISH_H

#include "settings.h"

/* As the store keeps it: JSON. */
int wish_write(const struct settings *wish, struct buffer *out);

/* -EINVAL: the type no longer knows what is in it, and why. */
int wish_read(const struct field *fields, const char *text, struct sentence *why,
	      struct settings **ret);

#endif
