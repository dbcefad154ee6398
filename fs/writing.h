/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writing: create, open, write and release for writers. A document never touches an inode
 * that a reader sees (kernel.md section 2, rule 4): opening a token for writing sends the thread back
 * (ESTALE), and the name then leads it, and nobody else, to a draft. One write(2) is one document and
 * one transaction; its errno is the result. A name that is not there yet gets a draft by CREATE.
 */
#ifndef TOKENFS_WRITING_H
#define TOKENFS_WRITING_H

#include "mount.h"
#include "ops.h"

/* Opens for writing. */
void writing_begin(struct mount *m, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

void writing_create(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name,
		    struct fuse_file_info *fi);

/* The draft that this thread was sent back for, as the name's number; 0: none. */
uint64_t writing_redirected(struct mount *m, pid_t tid, fuse_ino_t parent, const char *name);

void writing_write(struct mount *m, fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t len,
		   off_t off);
void writing_release(struct mount *m, fuse_ino_t ino);

#endif
