/* SPDX-License-Identifier: Apache-2.0 */
#include "mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool mountpoint_is_ours(const char *path)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	struct mntent *m;
	bool ours = false;

	/* The last mount of a path is the one that is seen. */
	while (f && (m = getmntent(f)))
		if (!strcmp(m->mnt_dir, path))
			ours = !strcmp(m->mnt_type, "fuse.tokenfs");
	if (f)
		endmntent(f);
	return ours;
}

/* The folder above it is resolved, and the last name kept. */
int mountpoint_resolve(const char *path, char ret[static PATH_MAX])
{
	char copy[PATH_MAX], *slash;
	size_t len = strlen(path);

	if (len >= sizeof copy)
		return -ENAMETOOLONG;
	memcpy(copy, path, len + 1);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = 0;
	slash = strrchr(copy, '/');
	if (!slash) {
		if (!realpath(".", ret))
			return -errno;
	} else {
		*slash = 0;
		if (!realpath(*copy ? copy : "/", ret))
			return -errno;
	}
	if (strlen(ret) + strlen(slash ? slash + 1 : copy) + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	if (strcmp(ret, "/"))
		strncat(ret, "/", 2);
	strncat(ret, slash ? slash + 1 : copy, PATH_MAX - strlen(ret) - 1);
	return 0;
}

/* realpath(3) fails on a dead mount. */
static int absolute(const char *path, char ret[static PATH_MAX])
{
	if (realpath(path, ret))
		return 0;
	return errno == ENOTCONN || errno == ENOENT ? mountpoint_resolve(path, ret) : -errno;
}

static int run_fusermount(const char *path, bool lazy)
{
	const char *const argv[] = { "fusermount3", lazy ? "-uzq" : "-uq", "--", path, NULL };
	char *copy[5] = { NULL };
	pid_t pid;
	int status = 0, r;

	for (int i = 0; argv[i]; i++)
		copy[i] = strdup(argv[i]);
	r = posix_spawnp(&pid, "fusermount3", NULL, NULL, copy, environ);
	for (int i = 0; copy[i]; i++)
		free(copy[i]);
	if (r)
		return -r;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EBUSY;
}

int mountpoint_unmount(const char *path, bool lazy, struct sentence *why)
{
	char place[PATH_MAX];
	int r = absolute(path, place);

	if (r || !mountpoint_is_ours(place)) {
		sentence_set(why, "no tokenfs is mounted at %s", path);
		return -EINVAL;
	}
	if (geteuid() == 0)
		r = umount2(place, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) ? -errno : 0;
	else
		r = run_fusermount(place, lazy);
	if (r == -EBUSY)
		sentence_set(why, "%s is in use: end what has files of it open, or stands in it", place);
	else if (r)
		sentence_set(why, "%s cannot be unmounted: %s", place, strerror(-r));
	return r;
}

static int make_directory(const char *path, struct sentence *why)
{
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return 0;
	if (errno == ENOENT && !mkdir(path, 0755))
		return 0;
	sentence_set(why, "%s cannot be made: %s", path, strerror(errno));
	return -EACCES;
}

int mountpoint_prepare(const char *path, bool make, char ret[static PATH_MAX], struct sentence *why)
{
	struct stat st;
	int r = absolute(path, ret);

	if (!r && mountpoint_is_ours(ret)) {
		if (!stat(ret, &st) || errno != ENOTCONN) {
			sentence_set(why, "a tokenfs is mounted at %s already", ret);
			return -EBUSY;
		}
		/* Its daemon was killed: what is left of it is in our way. */
		r = mountpoint_unmount(ret, true, why);
		if (r)
			return r;
	}
	if (!r && make)
		r = make_directory(ret, why);
	if (!r && stat(ret, &st)) {
		sentence_set(why, "the mountpoint %s cannot be used: %s", ret, strerror(errno));
		return -errno;
	}
	if (!r && !S_ISDIR(st.st_mode)) {
		sentence_set(why, "the mountpoint %s is not a directory", ret);
		return -ENOTDIR;
	}
	if (!r && access("/dev/fuse", R_OK | W_OK)) {
		r = -errno;
		sentence_set(why, "/dev/fuse cannot be used: %s (is the fuse module there, is it passed into this container?)",
			     strerror(-r));
	} else if (r) {
		sentence_set(why, "the mountpoint %s cannot be used: %s", path, strerror(-r));
	}
	return r;
}
