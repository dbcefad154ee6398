/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountpoint: where a mount goes, and whether one is there. Used by the commands; the worker never
 * looks at its own mountpoint.
 */
#ifndef TOKENFS_MOUNTPOINT_H
#define TOKENFS_MOUNTPOINT_H

#include <limits.h>
#include <stdbool.h>

#include "sentence.h"

/*
 * Makes it ready: absolute, a directory, (where `make`) made with 0755, and a dead mount of ours (its
 * daemon was killed) taken away. -EBUSY: a tokenfs is mounted there; -ENOTDIR, -EACCES, …; and why.
 */
int mountpoint_prepare(const char *path, bool make, char ret[static PATH_MAX], struct sentence *why);

/* The same path without a look at what is there: a mount that nobody serves would keep us waiting. */
int mountpoint_resolve(const char *path, char ret[static PATH_MAX]);

/* Whether a mount of type fuse.tokenfs is at this path, dead or alive. */
bool mountpoint_is_ours(const char *path);

/* Unmounts: umount2 as root, fusermount3 otherwise. -EBUSY: in use; -EINVAL: not ours; and why. */
int mountpoint_unmount(const char *path, bool lazy, struct sentence *why);

#endif
