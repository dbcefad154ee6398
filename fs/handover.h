/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover: what outlives a worker, an announcer, and a supervisor that is replaced by a newer one: the
 * FUSE descriptor, the memory of unanswered requests, the link to the announcer, and a page of facts.
 *
 * The supervisor makes it; children inherit it by fork, or through exec as text (handover_write). The
 * descriptors, the page's layout and that of requests.h are an interface between versions.
 */
#ifndef TOKENFS_HANDOVER_H
#define TOKENFS_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HANDOVER_LAYOUT 3

/* Shared by all processes of a mount; no secret in it. */
struct handover_page {
	uint32_t layout;
	volatile pid_t announcer;          /* 0: none */
	volatile uint64_t announced;       /* the old number that the announcer is shown now */
	volatile uint32_t answered;        /* how many workers have come to serve */
	volatile uint32_t upgrades;        /* that succeeded */
	volatile uint32_t failed_upgrades; /* … and that left the old one serving */
};

struct handover {
	int fuse_fd, memory_fd;
	int to_announcer, from_worker; /* the link's two ends */
	int page_fd;
	int config_fd; /* the configuration in force, as text: a worker's death changes nothing */
	struct handover_page *page;
};

/* All but the FUSE descriptor, which is -1. -errno. */
int handover_create(struct handover *ret);
void handover_close(struct handover *h);

/* Through exec: the descriptors as text, and whether they stay open over it. */
void handover_write(const struct handover *h, char text[static 64]);
void handover_keep(const struct handover *h, bool over_exec);

/* Its descriptors in the order of an interface between versions, and back (-EPROTO as below). */
#define HANDOVER_DESCRIPTORS 6
void handover_list(const struct handover *h, int fds[static HANDOVER_DESCRIPTORS]);
int handover_take(const int fds[static HANDOVER_DESCRIPTORS], struct handover *ret);

/* Takes it up again. -EINVAL: not such a text; -EPROTO: of another layout; -errno. */
int handover_read(const char *text, struct handover *ret);

#endif
