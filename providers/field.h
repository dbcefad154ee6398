/* SPDX-License-Identifier: Apache-2.0 */
/*
 * field: what one row of a field table says of a key and of its value; for settings.c alone. Pure
 * functions of text: nothing here keeps anything.
 */
#ifndef TOKENFS_FIELD_H
#define TOKENFS_FIELD_H

#include "settings.h"

/* -ENOENT; the sentence offers the nearest key, or all. It does not repeat the unknown one. */
int field_unknown(const struct field *fields, const char *key, struct sentence *why);

/* -EINVAL; the sentence says how a secret is given. */
int field_refuse_secret(const struct field *f, struct sentence *why);

/* Appends the value as it is to be kept. 0, -EINVAL and why, -ENOMEM. */
int field_take(const struct field *f, const char *value, struct buffer *out, struct sentence *why);

/* UTF-8 without control characters. */
bool field_is_line(const char *text);

/* The next word from `*at` on, which moves behind it: its length, 0 at the end. */
size_t field_next_word(const char **at, const char **ret_word);

bool field_parse_number(const char *text, size_t len, int64_t *ret);
bool field_parse_duration(const char *text, int64_t *ret_ms);

#endif
