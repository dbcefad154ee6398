/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot: the text of the configuration in force, kept in memory that outlives a worker. Its
 * successor reads that, not the files: they may be edited, and half so, and a worker's death is no
 * reload. There is no secret in a configuration.
 */
#ifndef TOKENFS_SNAPSHOT_H
#define TOKENFS_SNAPSHOT_H

#include "config.h"

/* The files of a configuration that was just read, one after the other. 0, or -errno. */
int snapshot_write(int fd, const struct config *config);

/* As a path for config_load(); false: nothing was written yet. */
bool snapshot_path(int fd, char path[static 32]);

#endif
