/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret: a password, refresh token or key. Immutable, reference-counted, wiped when the last
 * reference goes. It has no printable form: whatever takes a string cannot take a secret.
 *
 * Whoever keeps a secret holds a reference of its own; functions borrow their arguments unless
 * their comment says otherwise. Counts are not atomic: a secret stays in its thread.
 */
#ifndef TOKENFS_SECRET_H
#define TOKENFS_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct secret;

/* A copy of the bytes. -EINVAL for none, -EFBIG over LIMIT_SECRET, -ENOMEM. */
int secret_new(const void *bytes, size_t len, struct secret **ret);

/* How many of the bytes are the secret: what editors and `echo` leave at the end is not part of it. */
size_t secret_line(const char *bytes, size_t len);

struct secret *secret_ref(struct secret *s);
struct secret *secret_unref(struct secret *s); /* takes NULL, returns NULL */

/* The bytes, followed by a NUL; valid as long as the reference. */
const char *secret_bytes(const struct secret *s);
size_t secret_len(const struct secret *s);

/* Compared in constant time; two NULLs are equal. */
bool secret_equal(const struct secret *a, const struct secret *b);

static inline void secret_cleanup(struct secret **s)
{
	secret_unref(*s);
}
#define SECRET_AUTO __attribute__((cleanup(secret_cleanup))) struct secret

#endif
