/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor: mounts, holds what must outlive a worker, and forks another when one dies. It holds no
 * secret and parses no input: it reads nothing but signals and exit statuses.
 *
 *	supervisor --+-- worker: serves (secrets, network, store)
 *	             '-- announcer: renames and invalidates (announce.h)
 *
 * SIGTERM and SIGINT unmount, SIGHUP is the worker's (reload). When the supervisor is killed its
 * children go with it, so that a service manager can start all of it anew.
 *
 * SIGUSR2 upgrades to the program that is on disk now: its worker takes over from the old one; if it
 * does not come to serve, an old one goes on as before; if it does, the supervisor replaces itself by
 * exec (same process, same children) and starts the new program's announcer.
 */
#ifndef TOKENFS_SUPERVISOR_H
#define TOKENFS_SUPERVISOR_H

#include <stdbool.h>

struct handover;

struct supervisor_plan {
	const char *config_path; /* NULL: the default places */
	const char *mountpoint;  /* absolute */
	const char *options;     /* for the kernel and libfuse: "allow_other,…" */
	bool foreground;
	int ready_fd; /* a pipe: the worker writes one byte when the mount answers; -1 */
	const struct handover *taken; /* of a supervisor that is gone (service.h); NULL: none */
};

/* Until it is unmounted. Returns the exit status; says on standard error why it could not start. */
int supervisor_run(const struct supervisor_plan *plan);

/* `tokenfs --supervisor …`: goes on where the supervisor that was this process stopped. */
int supervisor_main(int argc, char **argv);

#endif
