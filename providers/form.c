/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include <sodium.h>

#include "form.h"

/* What stands for itself in both encodings; each adds one more character. */
static bool is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_';
}

static void append_percent(struct buffer *out, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char escape[3] = {'%', digits[c >> 4], digits[c & 15]};

	buffer_append(out, escape, sizeof escape);
}

void form_encode(struct buffer *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (is_plain(c) || c == '*')
			buffer_append(out, &c, 1);
		else if (c == ' ')
			buffer_text(out, "+");
		else
			append_percent(out, c);
	}
}

void form_encode_segment(struct buffer *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (is_plain(c) || c == '~')
			buffer_append(out, &c, 1);
		else
			append_percent(out, c);
	}
}

void form_add_bytes(struct buffer *body, const char *name, const char *value, size_t len)
{
	if (!value || len == 0)
		return;
	if (body->len)
		buffer_text(body, "&");
	form_encode(body, name, strlen(name));
	buffer_text(body, "=");
	form_encode(body, value, len);
}

void form_add(struct buffer *body, const char *name, const char *value)
{
	form_add_bytes(body, name, value, value ? strlen(value) : 0);
}

static void encode_base64(struct buffer *out, const void *bytes, size_t len, int variant)
{
	const unsigned char *at = bytes;
	char text[65]; /* of 48 bytes: whole groups of three, so that chunks join without padding */

	while (len > 0) {
		size_t chunk = len < 48 ? len : 48;

		sodium_bin2base64(text, sizeof text, at, chunk, variant);
		buffer_text(out, text);
		at += chunk;
		len -= chunk;
	}
	sodium_memzero(text, sizeof text);
}

void form_base64(struct buffer *out, const void *bytes, size_t len)
{
	encode_base64(out, bytes, len, sodium_base64_VARIANT_ORIGINAL);
}

void form_base64url(struct buffer *out, const void *bytes, size_t len)
{
	encode_base64(out, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
