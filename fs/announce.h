/* SPDX-License-Identifier: Apache-2.0 */
/*
 * announce: a process of its own that tells the kernel and its watchers what changed. It renames the
 * new generation over the old through the mount, so that inotify hears of it as of an atomic replace
 * on disk (kernel.md section 3), and invalidates names and pages.
 *
 *	worker -- struct announcement over a socket --> announcer -- rename(2) --> kernel --> worker
 *
 * It may block in the kernel for as long as it likes: nobody ever waits for it, and an announcement
 * that does not fit into the socket is dropped; the next open is right without it (entry timeouts).
 */
#ifndef TOKENFS_ANNOUNCE_H
#define TOKENFS_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "handover.h"

#define ANNOUNCE_NAME_MAX 256

enum announcement_kind {
	ANNOUNCE_ROTATED, /* `name` in `directory` shows new_ino now, it was old_ino (or cold) */
	ANNOUNCE_REVOKED, /* old_ino is over: its pages and its name must go */
	ANNOUNCE_FOLLOWS, /* old_ino shows a newer generation: its attributes must be asked for */
	ANNOUNCE_CHANGED, /* old_ino has other attributes or bytes: both must be asked for */
	ANNOUNCE_RESHAPED, /* the directory `directory` came, went, or has other permissions */
};

struct announcement {
	enum announcement_kind kind;
	uint64_t parent_ino, old_ino, new_ino;
	char directory[ANNOUNCE_NAME_MAX], name[ANNOUNCE_NAME_MAX];
};

/* The worker's side; never blocks. */
void announce(const struct handover *h, const struct announcement *a);
bool announce_is_by(const struct handover *h, pid_t tid);

/*
 * The hidden name under which the announcer finds the new generation. Nobody else can use it.
 * announce_parse() is false for any other name.
 */
void announce_hidden_name(const struct announcement *a, char name[static 64]);
bool announce_parse(const char *name, uint64_t *ret_old_ino, uint64_t *ret_new_ino);

/* The announcer's life, in its own process. -errno when the link breaks. */
int announcer_run(const struct handover *h, const char *mountpoint);

#endif
