/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store_lock.h"

#define LOCK_TRIES 250
#define LOCK_PAUSE_NS 20000000L /* 5 s in all: a predecessor may wait for a server's last answer */

/* Like `mkdir -p`; a parent that is there is left as it is. */
static int make_path(const char *dir)
{
	char path[PATH_MAX];
	size_t len = strlen(dir);

	if (len == 0 || len >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, dir, len + 1);
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int store_directory_make(const char *dir, struct sentence *why)
{
	struct stat st;
	int r = make_path(dir);

	if (r == 0 && stat(dir, &st) < 0)
		r = -errno;
	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r < 0) {
		sentence_set(why, "cannot make the directory %s of the store: %s", dir,
			     strerror(-r));
		return r;
	}
	if (st.st_mode & 022) {
		sentence_set(why, "others can write to %s: chmod 0700 it to keep a store there",
			     dir);
		return -EACCES;
	}
	return 0;
}

static int try_lock(int fd)
{
	const struct timespec pause = { 0, LOCK_PAUSE_NS };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

int store_lock(const char *dir, struct sentence *why, int *ret_fd)
{
	char path[PATH_MAX];
	int fd, r;

	if (snprintf(path, sizeof(path), "%s/lock", dir) >= PATH_MAX) {
		sentence_set(why, "the path of the store's directory is too long");
		return -ENAMETOOLONG;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = fd < 0 ? -errno : try_lock(fd);
	if (r == 0) {
		*ret_fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	if (r == -EBUSY)
		sentence_set(
			why,
			"another tokenfs keeps its state in %s: unmount that one first, or give "
			"this mount a state-dir of its own",
			dir);
	else
		sentence_set(why, "cannot lock %s: %s", path, strerror(-r));
	return r;
}
