/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "buffer.h"

#define FIRST_SIZE 256u

static void wipe_and_free(struct buffer *b)
{
	if (b->bytes)
		sodium_memzero(b->bytes, b->size);
	free(b->bytes);
}

/* A fresh block each time: realloc() would leave an unwiped copy behind. */
static bool grow(struct buffer *b, size_t size)
{
	char *bytes = malloc(size);

	if (!bytes) {
		b->error = -ENOMEM;
		return false;
	}
	if (b->len)
		memcpy(bytes, b->bytes, b->len);
	bytes[b->len] = '\0';
	wipe_and_free(b);
	b->bytes = bytes;
	b->size = size;
	return true;
}

/* Room for `more` bytes and the NUL. */
static bool make_room(struct buffer *b, size_t more)
{
	size_t size = b->size ? b->size : FIRST_SIZE;

	if (b->error)
		return false;
	if (more > b->max - b->len) {
		b->error = -EFBIG;
		return false;
	}
	while (size <= b->len + more)
		size *= 2;
	return size == b->size || grow(b, size);
}

void buffer_append(struct buffer *b, const void *bytes, size_t len)
{
	if (!make_room(b, len))
		return;
	if (len)
		memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
	b->bytes[b->len] = '\0';
}

void buffer_text(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}

void buffer_format(struct buffer *b, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 && !b->error)
		b->error = -ENOMEM;
	if (len < 0 || !make_room(b, (size_t)len))
		return;
	va_start(args, format);
	vsnprintf(b->bytes + b->len, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
}

int buffer_error(const struct buffer *b)
{
	return b->error;
}

const char *buffer_string(const struct buffer *b)
{
	return b->bytes ? b->bytes : "";
}

void buffer_clear(struct buffer *b)
{
	if (b->bytes)
		sodium_memzero(b->bytes, b->size);
	b->len = 0;
	b->error = 0;
}

void buffer_finish(struct buffer *b)
{
	wipe_and_free(b);
	*b = BUFFER_INIT(b->max);
}
