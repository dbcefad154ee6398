/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker: the process that serves. It has the configuration, the secrets, the store and the network;
 * everything in it is made here and handed down. A child of the supervisor, which gives it what
 * outlives it (handover.h).
 *
 * SIGTERM ends it; SIGHUP is a reload; SIGUSR1 makes it stop reading requests, finish what is on the
 * wire, and leave the rest to its successor. It asks for an upgrade with SIGUSR2 to its parent.
 */
#ifndef TOKENFS_WORKER_H
#define TOKENFS_WORKER_H

#include <stdbool.h>

#include "handover.h"

/* How a worker ends: the supervisor starts another after anything else. */
#define WORKER_UNMOUNTED 0
#define WORKER_HANDED_OVER 3 /* after SIGUSR1: nothing is on the wire, the requests are left */
#define WORKER_HOPELESS 78 /* EX_CONFIG: configuration or store; another would fail the same way */

struct worker_plan {
	const char *config_path; /* NULL: the default places */
	const char *mountpoint;
	bool foreground;
	const struct handover *handover;
	int ready_fd; /* gets one byte when the mount answers; -1: nobody waits */
};

/* Returns the exit status. */
int worker_run(const struct worker_plan *plan);

/* The same in a program that was started for it: `tokenfs --worker …`, as worker_exec() does. */
int worker_main(int argc, char **argv);

/* Becomes the worker that the program on disk has. Returns only on failure: -errno. */
int worker_exec(const char *program, const struct worker_plan *plan);

#endif
