/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer: bytes that grow up to a maximum that is fixed at birth, and are wiped when they go.
 *
 * Errors are sticky: after the first failure every append does nothing, and buffer_error() tells
 * the reason once, at the end. So a body is written as a column of appends:
 *
 *	struct buffer body = BUFFER_INIT(LIMIT_REQUEST);
 *
 *	buffer_text(&body, "grant_type=");
 *	buffer_text(&body, grant);
 *	r = buffer_error(&body);
 *
 * The owner of the struct owns the bytes and calls buffer_finish(), or declares it BUFFER_AUTO.
 * The bytes are always followed by a NUL that does not count.
 */
#ifndef TOKENFS_BUFFER_H
#define TOKENFS_BUFFER_H

#include <stddef.h>

/* Every maximum of the project, in bytes. */
#define LIMIT_TOKEN (64u << 10)     /* one token */
#define LIMIT_SECRET (64u << 10)    /* one password, client secret, key */
#define LIMIT_DOCUMENT (128u << 10) /* one written document: what one write(2) can carry */
#define LIMIT_REQUEST (256u << 10)  /* one request's body, or its URL */
#define LIMIT_RESPONSE (1u << 20)   /* one response's body */
#define LIMIT_LISTING (32u << 20)   /* one response that lists tokens */
#define LIMIT_RENDER (1u << 20)     /* one rendered file */
#define LIMIT_SENTENCE 320u         /* one sentence for a person */
#define LIMIT_WORD (2u << 10)       /* one word of a list, with its NUL */

struct buffer {
	char *bytes;
	size_t len, size, max;
	int error;
};

#define BUFFER_INIT(maximum) ((struct buffer){ .max = (maximum) })
#define BUFFER_AUTO __attribute__((cleanup(buffer_finish))) struct buffer

void buffer_append(struct buffer *b, const void *bytes, size_t len);
void buffer_text(struct buffer *b, const char *text);
void buffer_format(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 0, -EFBIG (more than the maximum), or -ENOMEM. */
int buffer_error(const struct buffer *b);

/* The text so far; never NULL. */
const char *buffer_string(const struct buffer *b);

/* Wipes the bytes and forgets the error; the buffer can be used again. */
void buffer_clear(struct buffer *b);

/* Wipes and frees. A finished buffer may be finished again. */
void buffer_finish(struct buffer *b);

#endif
