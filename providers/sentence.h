/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentence: what, where, and what to do, in one line for a person.
 *
 * Every function that can refuse what somebody wrote takes a `struct sentence *why` and says so in
 * it. A sentence is text of our own plus names; it never quotes a secret, and what a server said
 * gets in through sentence_quote() only, which keeps printable characters and a bounded length.
 */
#ifndef TOKENFS_SENTENCE_H
#define TOKENFS_SENTENCE_H

#include <stdbool.h>

#include "buffer.h"

struct sentence {
	char text[LIMIT_SENTENCE];
};

/* Replaces the sentence; cut at its end when too long. `s` may be NULL: nobody wants to know. */
void sentence_set(struct sentence *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends `, "…"` with the printable part of foreign text, at most 160 bytes of it. */
void sentence_quote(struct sentence *s, const char *foreign);

/*
 * Whether the text gives the bytes away: `piece` of them in a row, or the whole of fewer bytes, are
 * in it. What may not be told is found so before it is quoted.
 */
bool sentence_tells(const char *text, const char *bytes, size_t len, size_t piece);

#endif
