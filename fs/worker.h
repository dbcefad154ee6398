/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker: the process that serves. It has the configuration, the secrets, the store and the network;
 * everything in it is made here and handed down. Forked by the supervisor, which gives it what
 * outlives it: the FUSE descriptor, the memory of unanswered requests, the link to the announcer.
 */
#ifndef TOKENFS_WORKER_H
#define TOKENFS_WORKER_H

#include <stdbool.h>

#include "announce.h"

/* How a worker ends: the supervisor starts another after anything else. */
#define WORKER_UNMOUNTED 0
#define WORKER_HOPELESS 78 /* EX_CONFIG: configuration or store; another would fail the same way */

struct worker_plan {
	const char *config_path; /* NULL: the default places */
	const char *mountpoint;
	bool foreground;
	int fuse_fd;
	int memory_fd; /* requests.h */
	struct announcer_link *announcer;
	int ready_fd; /* gets one byte when the mount answers; -1: nobody waits */
};

/* Returns the exit status. */
int worker_run(const struct worker_plan *plan);

#endif
