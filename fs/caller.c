/* SPDX-License-Identifier: Apache-2.0 */
#include "caller.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Cheap, and true of most callers: such a descriptor is had of a process by its first thread only. */
static bool is_process(pid_t tid)
{
	int fd = (int)syscall(SYS_pidfd_open, tid, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

pid_t caller_process(pid_t tid)
{
	char path[32], text[512];
	const char *at;
	ssize_t n;
	int fd;

	if (!tid || is_process(tid))
		return tid;
	snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return tid;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "\nTgid:");
	return at ? (pid_t)strtol(at + strlen("\nTgid:"), NULL, 10) : tid;
}
