/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_file.h"

static int append(int fd, const char *bytes, size_t len)
{
	return write(fd, bytes, len) == (ssize_t)len ? 0 : -errno;
}

/* A byte-order mark is one at the start of a file only. */
static size_t mark_of(const char *bytes, ssize_t n)
{
	return n >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
}

static int append_file(int fd, const char *name)
{
	char bytes[4096];
	ssize_t n;
	size_t skip;
	bool first = true;
	int from = open(name, O_RDONLY | O_CLOEXEC), r = 0;

	if (from < 0)
		return -errno;
	while (!r && (n = read(from, bytes, sizeof bytes)) > 0) {
		skip = first ? mark_of(bytes, n) : 0;
		first = false;
		r = append(fd, bytes + skip, (size_t)n - skip);
	}
	close(from);
	return r ? r : append(fd, "\n", 1);
}

int snapshot_write(int fd, const struct config *config)
{
	static const char local[] = "[local]\ntype = local\n";
	int r = 0;

	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		return -errno;
	for (const struct config_file *f = config->files; f && !r; f = f->next) {
		r = append_file(fd, f->name);
		if (r == -ENOENT) /* what serves when nothing is configured */
			r = append(fd, local, sizeof local - 1);
	}
	/* Half of one is none: the successor then reads the files. */
	if (r && ftruncate(fd, 0))
		return -errno;
	return r;
}

bool snapshot_path(int fd, char path[static 32])
{
	struct stat st;

	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return !fstat(fd, &st) && st.st_size > 0;
}
