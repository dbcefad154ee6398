/* SPDX-License-Identifier: Apache-2.0 */
#include "inside.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* More links than the kernel follows. */
#define LINKS_MAX 40

/* Takes the last name off; "/" stays. */
static void go_up(char *walked)
{
	char *slash = strrchr(walked, '/');

	if (slash)
		*slash = 0;
}

/* Puts what a link says before what is left of the path. false: it does not fit. */
static bool follow(const char *link, char walked[PATH_MAX], char rest[PATH_MAX])
{
	char left[PATH_MAX];
	int n = snprintf(left, sizeof left, "%s/%s", link, rest);

	if (n < 0 || n >= PATH_MAX)
		return false;
	memcpy(rest, left, (size_t)n + 1);
	if (link[0] == '/')
		walked[0] = 0;
	else
		go_up(walked);
	return true;
}

/* Moves one name from `rest` to `walked`. false: there is none, or it does not fit. */
static bool step(char walked[PATH_MAX], char rest[PATH_MAX])
{
	char *at = rest + strspn(rest, "/");
	size_t len = strcspn(at, "/"), have = strlen(walked);

	if (!len || have + len + 2 > PATH_MAX)
		return false;
	if (len == 2 && !strncmp(at, "..", 2)) {
		go_up(walked);
	} else if (len != 1 || at[0] != '.') {
		walked[have] = '/';
		memcpy(walked + have + 1, at, len);
		walked[have + 1 + len] = 0;
	}
	memmove(rest, at + len, strlen(at + len) + 1);
	return true;
}

bool path_leads_inside(const char *path, const char *directory)
{
	char walked[PATH_MAX] = "", rest[PATH_MAX], link[PATH_MAX];
	int links = 0;

	if (strlen(path) >= sizeof rest)
		return false;
	memcpy(rest, path, strlen(path) + 1);
	while (step(walked, rest)) {
		ssize_t n;

		if (!strcmp(walked, directory))
			return true;
		n = readlink(walked, link, sizeof link - 1);
		if (n < 0)
			continue; /* no link, or not there */
		link[n] = 0;
		if (++links > LINKS_MAX || !follow(link, walked, rest))
			return false;
	}
	return false;
}
