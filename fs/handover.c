/* SPDX-License-Identifier: Apache-2.0 */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "requests.h"

static int map_page(struct handover *h)
{
	struct stat st;
	void *page;

	if (fstat(h->page_fd, &st))
		return -errno;
	if (st.st_size < (off_t)sizeof *h->page)
		return -EPROTO;
	page = mmap(NULL, sizeof *h->page, PROT_READ | PROT_WRITE, MAP_SHARED, h->page_fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	h->page = page;
	return 0;
}

static int make_page(struct handover *h)
{
	int r;

	h->page_fd = memfd_create("tokenfs-page", MFD_CLOEXEC);
	if (h->page_fd < 0 || ftruncate(h->page_fd, sizeof *h->page))
		return -errno;
	r = map_page(h);
	if (!r)
		h->page->layout = HANDOVER_LAYOUT;
	return r;
}

int handover_create(struct handover *ret)
{
	struct handover h = { -1, -1, -1, -1, -1, -1, NULL };
	int ends[2], r;

	r = requests_create(&h.memory_fd);
	if (!r)
		r = make_page(&h);
	if (!r) {
		h.config_fd = memfd_create("tokenfs-config", MFD_CLOEXEC);
		r = h.config_fd < 0 ? -errno : 0;
	}
	if (!r && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		r = -errno;
	if (r) {
		handover_close(&h);
		return r;
	}
	h.to_announcer = ends[0];
	h.from_worker = ends[1];
	*ret = h;
	return 0;
}

void handover_list(const struct handover *h, int fds[static HANDOVER_DESCRIPTORS])
{
	fds[0] = h->fuse_fd;
	fds[1] = h->memory_fd;
	fds[2] = h->to_announcer;
	fds[3] = h->from_worker;
	fds[4] = h->page_fd;
	fds[5] = h->config_fd;
}

void handover_close(struct handover *h)
{
	int fds[HANDOVER_DESCRIPTORS];

	handover_list(h, fds);
	if (h->page)
		munmap(h->page, sizeof *h->page);
	h->page = NULL;
	for (int i = 0; i < HANDOVER_DESCRIPTORS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void handover_write(const struct handover *h, char text[static 64])
{
	snprintf(text, 64, "%d,%d,%d,%d,%d,%d", h->fuse_fd, h->memory_fd, h->to_announcer,
		 h->from_worker, h->page_fd, h->config_fd);
}

void handover_keep(const struct handover *h, bool over_exec)
{
	int fds[HANDOVER_DESCRIPTORS];

	handover_list(h, fds);
	for (int i = 0; i < HANDOVER_DESCRIPTORS; i++)
		fcntl(fds[i], F_SETFD, over_exec ? 0 : FD_CLOEXEC);
}

int handover_take(const int fds[static HANDOVER_DESCRIPTORS], struct handover *ret)
{
	struct handover h = { fds[0], fds[1], fds[2], fds[3], fds[4], fds[5], NULL };
	int r;

	handover_keep(&h, false);
	r = map_page(&h);
	if (r)
		return r;
	if (h.page->layout != HANDOVER_LAYOUT) {
		munmap(h.page, sizeof *h.page);
		return -EPROTO;
	}
	*ret = h;
	return 0;
}

int handover_read(const char *text, struct handover *ret)
{
	int fds[HANDOVER_DESCRIPTORS];

	if (sscanf(text, "%d,%d,%d,%d,%d,%d", &fds[0], &fds[1], &fds[2], &fds[3], &fds[4],
		   &fds[5]) != HANDOVER_DESCRIPTORS)
		return -EINVAL;
	return handover_take(fds, ret);
}
