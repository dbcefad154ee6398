/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "name.h"

/* How many bytes a character has that begins with `lead`; 0: none does. */
static size_t utf8_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

/* Reads one character; its length in bytes, or 0 when there is none. */
static size_t utf8_read(const char *bytes, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *at = (const unsigned char *)bytes;
	size_t n = utf8_length(at[0]);
	uint32_t c;

	if (n == 0 || n > len)
		return 0;
	c = n == 1 ? at[0] : at[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (at[i] & 0x3fu);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

bool name_is_utf8(const char *bytes, size_t len)
{
	uint32_t c;

	for (size_t n; len > 0; bytes += n, len -= n) {
		n = utf8_read(bytes, len, &c);
		if (n == 0)
			return false;
	}
	return true;
}

static int check_characters(const char *name, size_t len, struct sentence *why)
{
	uint32_t c;

	for (size_t n; len > 0; name += n, len -= n) {
		n = utf8_read(name, len, &c);
		if (n == 0) {
			sentence_set(why, "a name must be valid UTF-8");
			return -EINVAL;
		}
		if (c == '/') {
			sentence_set(why, "a name cannot hold a slash");
			return -EINVAL;
		}
		if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			sentence_set(why, "a name cannot hold control characters");
			return -EINVAL;
		}
	}
	return 0;
}

int name_check(const char *name, size_t len, struct sentence *why)
{
	if (len == 0) {
		sentence_set(why, "a name cannot be empty");
		return -EINVAL;
	}
	if (len > NAME_LENGTH_MAX) {
		sentence_set(why, "a name has %d bytes at most", NAME_LENGTH_MAX);
		return -ENAMETOOLONG;
	}
	if (name[0] == '.') {
		sentence_set(why, "a name cannot begin with a dot");
		return -EINVAL;
	}
	return check_characters(name, len, why);
}
