/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sentence.h"

#define QUOTE_MAX 160u

/* A cut may not leave half of a UTF-8 character. */
static void drop_broken_end(char *text, size_t len)
{
	size_t at = len;

	while (at > 0 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
		at--;
	if (at > 0 && (unsigned char)text[at - 1] >= 0xc0)
		text[at - 1] = '\0';
}

void sentence_set(struct sentence *s, const char *format, ...)
{
	char text[sizeof s->text];
	va_list args;
	int len;

	if (!s)
		return;
	/* by way of a copy, so that a sentence can be made of its old self */
	va_start(args, format);
	len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (len < 0)
		text[0] = '\0';
	else if ((size_t)len >= sizeof text)
		drop_broken_end(text, sizeof text - 1);
	memcpy(s->text, text, sizeof text);
}

/* ASCII only: elsewhere there are control and direction characters that fool a reader. */
static size_t printable_part(const char *foreign, char out[QUOTE_MAX + 1])
{
	size_t len = 0;

	for (; *foreign && len < QUOTE_MAX; foreign++) {
		unsigned char c = (unsigned char)*foreign;

		if ((c & 0xc0) == 0x80)
			continue;
		if (c >= 0xc0)
			out[len++] = '?';
		else if (c == '"')
			out[len++] = '\'';
		else if (c > ' ' && c < 0x7f)
			out[len++] = *foreign;
		else if (len > 0 && out[len - 1] != ' ')
			out[len++] = ' ';
	}
	while (len > 0 && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
	return len;
}

void sentence_quote(struct sentence *s, const char *foreign)
{
	char quote[QUOTE_MAX + 1];
	size_t len, left;

	if (!s || !foreign || !printable_part(foreign, quote))
		return;
	len = strlen(s->text);
	left = sizeof s->text - len;
	/* a quote always closes, however little of it there is room for */
	if (left > sizeof ", \"\"")
		snprintf(s->text + len, left, ", \"%.*s\"", (int)(left - sizeof ", \"\""), quote);
}

bool sentence_tells(const char *text, const char *bytes, size_t len, size_t piece)
{
	size_t text_len = strlen(text);

	if (len == 0)
		return false;
	if (len < piece)
		return memmem(text, text_len, bytes, len) != NULL;
	for (size_t i = 0; i + piece <= text_len; i++)
		if (memmem(bytes, len, text + i, piece))
			return true;
	return false;
}
