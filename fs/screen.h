/* SPDX-License-Identifier: Apache-2.0 */
/*
 * screen: what a person sees while logging in, as text in a buffer. Nothing is read or written here.
 *
 * Whatever comes from elsewhere is shown without control characters, also those of direction: nothing
 * moves the cursor, and nothing is read backwards.
 */
#ifndef TOKENFS_SCREEN_H
#define TOKENFS_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

/* Where it is shown; all false is a file or a pipe. */
struct screen {
	bool terminal;        /* a person looks at it */
	bool rewrites;        /* a line can be written anew */
	bool colours;
	bool utf8;
	unsigned int columns; /* of a terminal */
};

/* What there is to do. The strings are borrowed. */
struct page {
	const char *slot; /* PROVIDER/NAME */
	const char *uri, *uri_complete; /* the second may be NULL */
	const char *code;
};

/* How it is going, from PROVIDER/.status; not known: PROGRESS_GONE. */
enum progress {
	PROGRESS_STARTING,
	PROGRESS_WAITING,
	PROGRESS_DONE,
	PROGRESS_DENIED,
	PROGRESS_EXPIRED,
	PROGRESS_FAILED,
	PROGRESS_CANCELLED,
	PROGRESS_GONE,
};

/* NULL, and words that a later version may know: PROGRESS_GONE. */
enum progress progress_of(const char *word);
bool progress_is_final(enum progress state);

/* Appends `text` as it may be shown: printable UTF-8, `?` for each byte of anything else. */
void screen_text(const char *text, struct buffer *out);

/* The page to open, the code, the QR code where there is room for it. */
void screen_page(const struct screen *s, const struct page *page, struct buffer *out);

/* How long the code lives still; rewrites its line, and is nothing where that is not possible. */
void screen_countdown(const struct screen *s, int64_t left_ms, struct buffer *out);

/* Takes the countdown away. */
void screen_clear(const struct screen *s, struct buffer *out);

/* One sentence about how it ended; `message` is the mount's own, or NULL. */
void screen_result(const char *slot, enum progress state, const char *message,
		   struct buffer *out);

#endif
