/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "buffer.h"
#include "secret.h"

struct secret {
	unsigned int refs;
	size_t len;
	char bytes[];
};

int secret_new(const void *bytes, size_t len, struct secret **ret)
{
	struct secret *s;

	if (len == 0)
		return -EINVAL;
	if (len > LIMIT_SECRET)
		return -EFBIG;
	s = malloc(sizeof *s + len + 1);
	if (!s)
		return -ENOMEM;
	s->refs = 1;
	s->len = len;
	memcpy(s->bytes, bytes, len);
	s->bytes[len] = '\0';
	*ret = s;
	return 0;
}

size_t secret_line(const char *bytes, size_t len)
{
	if (len && bytes[len - 1] == '\n')
		len--;
	if (len && bytes[len - 1] == '\r')
		len--;
	return len;
}

struct secret *secret_ref(struct secret *s)
{
	s->refs++;
	return s;
}

struct secret *secret_unref(struct secret *s)
{
	if (s && --s->refs == 0) {
		sodium_memzero(s, sizeof *s + s->len + 1);
		free(s);
	}
	return NULL;
}

const char *secret_bytes(const struct secret *s)
{
	return s->bytes;
}

size_t secret_len(const struct secret *s)
{
	return s->len;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	if (!a || !b)
		return a == b;
	return a->len == b->len && sodium_memcmp(a->bytes, b->bytes, a->len) == 0;
}
