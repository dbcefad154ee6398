/* SPDX-License-Identifier: Apache-2.0 */
#include "announce.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "buffer.h"

void announce(const struct handover *h, const struct announcement *a)
{
	ssize_t n = send(h->to_announcer, a, sizeof *a, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)n; /* dropped when it does not fit: the next open is right without it */
}

bool announce_is_by(const struct handover *h, pid_t tid)
{
	return tid && h->page->announcer == tid;
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
	case ANNOUNCE_CHANGED:
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
int announcer_run(const struct handover *h, const char *mountpoint)
{
	struct announcement a;

	h->page->announcer = getpid();
	while (recv(h->from_worker, &a, sizeof a, 0) == sizeof a)
		carry_out(mountpoint, h->fuse_fd, &a);
	return -errno;
}
