/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops: the FUSE operations (low level), one function each. They translate: a request into a call of
 * node, slot or transaction, and its outcome into a reply. An operation that must wait leaves a
 * `struct waiting` behind and answers later; nothing here blocks. The rules are kernel.md section 2.
 */
#ifndef TOKENFS_OPS_H
#define TOKENFS_OPS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

/* The table; user data of the session is a struct mount. */
const struct fuse_lowlevel_ops *ops_table(void);


#endif
