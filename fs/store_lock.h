/* SPDX-License-Identifier: Apache-2.0 */
/* store_lock: the store's directory, and the lock that keeps a second tokenfs out of it. */
#ifndef TOKENFS_STORE_LOCK_H
#define TOKENFS_STORE_LOCK_H

#include "sentence.h"

/* Makes `dir` and its parents, 0700, where they are missing; refuses one that others can write. */
int store_directory_make(const char *dir, struct sentence *why);

/*
 * Takes the lock, waiting at most two seconds for an owner that is just dying: -EBUSY. The kernel
 * lets go of it when the descriptor is closed, however its process ends.
 */
int store_lock(const char *dir, struct sentence *why, int *ret_fd);

#endif
