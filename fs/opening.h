/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opening: open, read and release for readers. open is where a token is fetched, and where an error is
 * told (kernel.md section 2, rule 3):
 *
 *	the number of the newest generation   keep_cache: read from the page cache from now on
 *	any other number of the slot          settle, then ESTALE: the VFS walks the path once more
 *	… once more by the same thread        no name leads there: the newest generation, direct_io
 *
 * What is rendered (.meta, .status, …) is made at open and read with direct_io.
 */
#ifndef TOKENFS_OPENING_H
#define TOKENFS_OPENING_H

#include "mount.h"
#include "ops.h"

void opening_begin(struct mount *m, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void opening_read(struct mount *m, fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		  struct fuse_file_info *fi);
void opening_release(struct mount *m, fuse_ino_t ino, struct fuse_file_info *fi);
void opening_finish(struct mount *m); /* drops what is rendered */

#endif
