/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wish: what a slot asks for (settings in its type's slot_fields), copied and kept as text.
 * NULL is a wish for nothing special, and stays NULL.
 */
#ifndef TOKENFS_WISH_H
#define TOKENFS_WISH_H

#include "settings.h"

int wish_copy(const struct settings *wish, struct settings **ret); /* -ENOMEM */

/* As the store keeps it: JSON. */
int wish_write(const struct settings *wish, struct buffer *out);

/* -EINVAL: the type no longer knows what is in it, and why. */
int wish_read(const struct field *fields, const char *text, struct sentence *why,
	      struct settings **ret);

#endif
