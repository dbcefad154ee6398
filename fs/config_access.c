/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_access.h"

const struct field config_access_fields[] = {
	{ "owner", FIELD_TEXT, 0, NULL, NULL, "who the files belong to: a user's name or number" },
	{ "group", FIELD_TEXT, 0, NULL, NULL, "their group: a name or number" },
	{ "mode", FIELD_TEXT, 0, "0600", NULL, "their mode in octal, e.g. 0440" },
	{ 0 },
};

struct access config_access_default(void)
{
	return (struct access){ .uid = geteuid(), .gid = getegid(), .mode = 0600 };
}

/* A whole number in a base, below `limit`. */
static bool read_number(const char *text, int base, unsigned long limit, unsigned long *ret)
{
	const char *digits = base == 8 ? "01234567" : "0123456789";
	unsigned long n;

	if (!*text || text[strspn(text, digits)] != '\0')
		return false;
	errno = 0;
	n = strtoul(text, NULL, base);
	if (errno != 0 || n >= limit)
		return false;
	*ret = n;
	return true;
}

static int read_owner(const char *value, uid_t *ret, struct sentence *why)
{
	const struct passwd *user = getpwnam(value);
	unsigned long n;

	if (user) {
		*ret = user->pw_uid;
		return 0;
	}
	if (!read_number(value, 10, UINT32_MAX, &n)) {
		sentence_set(why, "there is no such user on this host");
		sentence_quote(why, value);
		return -EINVAL;
	}
	*ret = (uid_t)n;
	return 0;
}

static int read_group(const char *value, gid_t *ret, struct sentence *why)
{
	const struct group *group = getgrnam(value);
	unsigned long n;

	if (group) {
		*ret = group->gr_gid;
		return 0;
	}
	if (!read_number(value, 10, UINT32_MAX, &n)) {
		sentence_set(why, "there is no such group on this host");
		sentence_quote(why, value);
		return -EINVAL;
	}
	*ret = (gid_t)n;
	return 0;
}

static int read_mode(const char *value, mode_t *ret, struct sentence *why)
{
	unsigned long n;

	if (!read_number(value, 8, 01000, &n)) {
		sentence_set(why, "a mode is an octal number from 0 to 0666, such as 0440");
		return -EINVAL;
	}
	if (n & 0111) {
		sentence_set(why,
			     "a token cannot be executed: mode has no x bits (a directory gets "
			     "those that go with r)");
		return -EINVAL;
	}
	if (n & 0002) {
		sentence_set(why,
			     "mode cannot let others write: whoever writes replaces the token");
		return -EINVAL;
	}
	*ret = (mode_t)n;
	return 0;
}

int config_access_read(const struct settings *s, const char *key, struct access *access,
		       struct sentence *why)
{
	const char *value;

	if (!settings_has(s, key))
		return 0;
	value = settings_text(s, key);
	if (strcmp(key, "owner") == 0)
		return read_owner(value, &access->uid, why);
	if (strcmp(key, "group") == 0)
		return read_group(value, &access->gid, why);
	return read_mode(value, &access->mode, why);
}
