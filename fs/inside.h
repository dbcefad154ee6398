/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: whether a path leads into a directory, found without entering it. The worker must not ask the
 * kernel for a file of its own mount: the kernel would ask the worker.
 */
#ifndef TOKENFS_INSIDE_H
#define TOKENFS_INSIDE_H

#include <stdbool.h>

/* `directory` is absolute and resolved; `path` is absolute. Symbolic links are followed. */
bool path_leads_inside(const char *path, const char *directory);

#endif
