/* SPDX-License-Identifier: Apache-2.0 */
/*
 * form: application/x-www-form-urlencoded bodies, and the encodings that go with them.
 * Names and values are both encoded, a space as `+`; an empty or NULL value is left out (wire C1).
 */
#ifndef TOKENFS_FORM_H
#define TOKENFS_FORM_H

#include "buffer.h"

/* Appends `name=value`, with `&` before it unless the buffer is empty. */
void form_add(struct buffer *body, const char *name, const char *value);
void form_add_bytes(struct buffer *body, const char *name, const char *value, size_t len);

/* Appends one value, form-encoded: for client_secret_basic (wire C2). */
void form_encode(struct buffer *out, const char *bytes, size_t len);

/* Appends one value, percent-encoded as a path segment. */
void form_encode_segment(struct buffer *out, const char *bytes, size_t len);

/* Appends base64 with padding, or base64url without (JOSE). */
void form_base64(struct buffer *out, const void *bytes, size_t len);
void form_base64url(struct buffer *out, const void *bytes, size_t len);

#endif
