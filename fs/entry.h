/* SPDX-License-Identifier: Apache-2.0 */
/* entry: the answer to a request for a name. */
#ifndef TOKENFS_ENTRY_H
#define TOKENFS_ENTRY_H

#include "node.h"
#include "ops.h"

/* How long the kernel may keep something, as libfuse wants it. */
double entry_seconds(int64_t ms);

/* `error`: 0, or -errno, and `n` is not looked at. */
void entry_reply(fuse_req_t req, int error, const struct node *n);

#endif
