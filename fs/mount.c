/* SPDX-License-Identifier: Apache-2.0 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "opening.h"
#include "ops.h"
#include "removing.h"

/* So many requests are served before anything else gets its turn. */
#define BURST 64

/* --- libfuse's way to the descriptor goes through the requests --------------------------------- */

static ssize_t io_read(int fd, void *buf, size_t len, void *userdata)
{
	struct mount *m = userdata;

	return requests_read(m->requests, fd, buf, len);
}

static ssize_t io_writev(int fd, struct iovec *parts, int n, void *userdata)
{
	struct mount *m = userdata;
	ssize_t written = requests_writev(m->requests, fd, parts, n);

	m->watch.events = POLLIN; /* there may be room again */
	return written;
}

/* --- requests ---------------------------------------------------------------------------------- */

/* Written documents hold secrets; whatever else came is short. */
static void wipe(struct fuse_buf *buf)
{
	struct fuse_in_header head;

	if (buf->size < sizeof head)
		return;
	memcpy(&head, buf->mem, sizeof head);
	if (head.opcode == FUSE_WRITE)
		sodium_memzero(buf->mem, buf->size);
}

/* One request. false: there is none now, or never again. */
static bool serve_one(struct mount *m)
{
	int n = fuse_session_receive_buf(m->session, &m->buf);

	if (n <= 0)
		return false;
	fuse_session_process_buf(m->session, &m->buf);
	wipe(&m->buf);
	return !fuse_session_exited(m->session);
}

static void on_ready(struct watch *w, short revents)
{
	struct mount *m = w->ctx;
	int left = BURST;

	if (revents & POLLERR) { /* unmounted */
		loop_unwatch(m->engine->loop, w);
		m->hooks.ended(m->hooks.ctx);
		return;
	}
	while (left-- && serve_one(m))
		;
	if (fuse_session_exited(m->session)) {
		loop_unwatch(m->engine->loop, w);
		m->hooks.ended(m->hooks.ctx);
	} else if (requests_full(m->requests)) {
		w->events = 0;
	}
}

void mount_replay(struct mount *m)
{
	while (requests_left(m->requests) && serve_one(m))
		;
}

void mount_pause(struct mount *m)
{
	loop_unwatch(m->engine->loop, &m->watch);
}

static int open_session(struct mount *m, int fuse_fd)
{
	static const struct fuse_custom_io io = { .read = io_read, .writev = io_writev };
	char *argv[] = { (char[]){ "tokenfs" }, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	m->session = fuse_session_new(&args, ops_table(), sizeof *ops_table(), m);
	fuse_opt_free_args(&args);
	if (!m->session)
		return -ENOMEM;
	/* The session closes the descriptor that it is given. */
	m->watch.fd = fcntl(fuse_fd, F_DUPFD_CLOEXEC, 0);
	if (m->watch.fd < 0 || fcntl(m->watch.fd, F_SETFL, O_NONBLOCK))
		return -errno;
	return fuse_session_custom_io(m->session, &io, m->watch.fd);
}

int mount_create(const struct engine *engine, struct tree *tree, const struct handover *handover,
		 struct requests *requests, const struct mount_hooks *hooks, struct mount **ret)
{
	struct mount *m = calloc(1, sizeof *m);
	int r;

	if (!m)
		return -ENOMEM;
	m->engine = engine;
	m->tree = tree;
	m->handover = handover;
	m->requests = requests;
	m->hooks = *hooks;
	/* Numbers of a worker that is gone must not come again. */
	m->rendered = (uint64_t)loop_now(engine->loop) << 4;
	m->redirects = requests_redirects(requests);
	r = open_session(m, handover->fuse_fd);
	if (r) {
		mount_destroy(m);
		return r;
	}
	m->watch.events = POLLIN;
	m->watch.ready = on_ready;
	m->watch.ctx = m;
	loop_watch(engine->loop, &m->watch);
	*ret = m;
	return 0;
}

struct mount *mount_destroy(struct mount *m)
{
	if (!m)
		return NULL;
	loop_unwatch(m->engine->loop, &m->watch);
	opening_finish(m);
	removing_finish(m);
	if (m->session)
		fuse_session_destroy(m->session);
	free(m->buf.mem);
	free(m);
	return NULL;
}
