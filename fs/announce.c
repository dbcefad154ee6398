/* SPDX-License-Identifier: Apache-2.0 */
#include "announce.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "buffer.h"

int announcer_link_create(struct announcer_link *ret)
{
	int ends[2];
	void *page;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	page = mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		close(ends[0]);
		close(ends[1]);
		return -ENOMEM;
	}
	*ret = (struct announcer_link){ .to_announcer = ends[0],
					.from_worker = ends[1],
					.pid = page };
	return 0;
}

void announcer_link_close(struct announcer_link *link)
{
	munmap((void *)(uintptr_t)link->pid, sizeof(pid_t));
	close(link->to_announcer);
	close(link->from_worker);
}

void announce(const struct announcer_link *link, const struct announcement *a)
{
	ssize_t n = send(link->to_announcer, a, sizeof *a, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)n; /* dropped when it does not fit: the next open is right without it */
}

bool announce_is_by(const struct announcer_link *link, pid_t tid)
{
	return tid && *link->pid == tid;
}

#define HIDDEN ".next-"

void announce_hidden_name(const struct announcement *a, char name[static 64])
{
	snprintf(name, 64, HIDDEN "%016" PRIx64 "-%016" PRIx64, a->old_ino, a->new_ino);
}

bool announce_parse(const char *name, uint64_t *ret_old_ino, uint64_t *ret_new_ino)
{
	return !strncmp(name, HIDDEN, sizeof HIDDEN - 1) &&
	       sscanf(name + sizeof HIDDEN - 1, "%16" SCNx64 "-%16" SCNx64, ret_old_ino,
		      ret_new_ino) == 2;
}

static void notify(int fuse_fd, int code, const void *body, size_t len, const char *name)
{
	struct fuse_out_header head = { .error = code };
	struct iovec parts[3] = { { &head, sizeof head },
				  { (void *)(uintptr_t)body, len },
				  { (void *)(uintptr_t)name, name ? strlen(name) + 1 : 0 } };
	ssize_t n;

	head.len = (uint32_t)(sizeof head + len + parts[2].iov_len);
	n = writev(fuse_fd, parts, name ? 3 : 2);
	(void)n; /* ENOENT: the kernel does not know it, which is what was wanted */
}

static void forget_name(int fuse_fd, uint64_t parent, const char *name)
{
	struct fuse_notify_inval_entry_out out = { .parent = parent,
						   .namelen = (uint32_t)strlen(name) };

	notify(fuse_fd, FUSE_NOTIFY_INVAL_ENTRY, &out, sizeof out, name);
}

/* off 0: attributes and pages; off -1: attributes only. */
static void forget_inode(int fuse_fd, uint64_t ino, int64_t off)
{
	struct fuse_notify_inval_inode_out out = { .ino = ino, .off = off, .len = off < 0 ? 0 : -1 };

	notify(fuse_fd, FUSE_NOTIFY_INVAL_INODE, &out, sizeof out, NULL);
}

/* As an atomic replace on disk would look to who watches the directory or the file. */
static void replace(const char *mountpoint, const struct announcement *a)
{
	BUFFER_AUTO from = BUFFER_INIT(LIMIT_REQUEST), to = BUFFER_INIT(LIMIT_REQUEST);
	char hidden[64];

	announce_hidden_name(a, hidden);
	buffer_format(&from, "%s/%s/%s", mountpoint, a->directory, hidden);
	buffer_format(&to, "%s/%s/%s", mountpoint, a->directory, a->name);
	rename(buffer_string(&from), buffer_string(&to));
}

static void carry_out(const char *mountpoint, int fuse_fd, const struct announcement *a)
{
	switch (a->kind) {
	case ANNOUNCE_ROTATED:
		replace(mountpoint, a);
		break;
	case ANNOUNCE_REVOKED:
		forget_name(fuse_fd, a->parent_ino, a->name);
		forget_inode(fuse_fd, a->old_ino, 0);
		break;
	case ANNOUNCE_FOLLOWS:
		forget_inode(fuse_fd, a->old_ino, -1);
		break;
	case ANNOUNCE_RESHAPED:
		forget_name(fuse_fd, a->parent_ino, a->directory);
		break;
	}
}

/* Nothing of the mount is kept open: it would be busy for who wants to unmount it. */
int announcer_run(struct announcer_link *link, const char *mountpoint, int fuse_fd)
{
	struct announcement a;

	*link->pid = getpid();
	while (recv(link->from_worker, &a, sizeof a, 0) == sizeof a)
		carry_out(mountpoint, fuse_fd, &a);
	return -errno;
}
