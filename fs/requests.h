/* SPDX-License-Identifier: Apache-2.0 */
/*
 * requests: the FUSE requests that are read and not answered yet, in memory that a worker shares with
 * its successor (kernel.md section 4). A worker that is killed loses none: the next one replays
 * FUSE_INIT, whose answer is not sent again, and then what was left.
 *
 * The memory may hold written documents: it is locked and not dumped in the worker, wiped when the
 * request is answered, and never mapped by the supervisor, which only holds the descriptor. Its layout
 * is an interface between versions.
 */
#ifndef TOKENFS_REQUESTS_H
#define TOKENFS_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct redirects;
struct requests;

/* The descriptor of a new, empty memory; the caller's. -errno. */
int requests_create(int *ret_fd);

/* Maps it, and looks for what a predecessor left. -ENOMEM, -EPROTO: of another layout. */
int requests_map(int memory_fd, struct requests **ret);
struct requests *requests_unmap(struct requests *r);

/* The marks of threads that were sent back (redirect.h): inherited too. */
struct redirects *requests_redirects(struct requests *r);

/* Whether a worker of this mount was here before. */
bool requests_inherited(const struct requests *r);

/* Whether something is to be replayed before the next request comes from the kernel. */
bool requests_left(const struct requests *r);

/*
 * Like read(2) on the FUSE descriptor: the bytes of one request, the left ones first. -1 and errno:
 * EAGAIN when there is none (or no room to keep one more: when one is answered there is).
 */
ssize_t requests_read(struct requests *r, int fuse_fd, void *buf, size_t len);

/* Whether what was read last is a replay: a predecessor may have done it already. */
bool requests_is_replay(const struct requests *r);

/*
 * No room for one more: nothing is read until something is answered. It does not come to that through
 * those that may wait long (OPEN, WRITE, CREATE; and removing.h): the last places are kept from them, and
 * they are answered EAGAIN.
 */
bool requests_full(const struct requests *r);

/* The last places are left: who may wait long is not to take one. */
bool requests_crowded(const struct requests *r);

/* Like writev(2) on it: one answer; its request is over. */
ssize_t requests_writev(struct requests *r, int fuse_fd, struct iovec *parts, int n);

#endif
