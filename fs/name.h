/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name: which names a provider's directory and a token may have. One rule for the configuration,
 * the mount and what is written to it: valid UTF-8, 1 to 255 bytes, no `/`, no control character,
 * no leading dot.
 */
#ifndef TOKENFS_NAME_H
#define TOKENFS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "sentence.h"

#define NAME_LENGTH_MAX 255

/* 0, -ENAMETOOLONG or -EINVAL and why; the sentence never quotes the name. */
int name_check(const char *name, size_t len, struct sentence *why);

/* Whether bytes are valid UTF-8: no overlong form, no surrogate, nothing over U+10FFFF. */
bool name_is_utf8(const char *bytes, size_t len);

#endif
