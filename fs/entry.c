/* SPDX-License-Identifier: Apache-2.0 */
#include "entry.h"

double entry_seconds(int64_t ms)
{
	return (double)ms / 1000.0;
}

void entry_reply(fuse_req_t req, int error, const struct node *n)
{
	struct fuse_entry_param entry = { .generation = 1 };

	if (error) {
		fuse_reply_err(req, -error);
		return;
	}
	entry.ino = n->attr.st_ino;
	entry.attr = n->attr;
	entry.attr_timeout = entry_seconds(n->attr_ms);
	entry.entry_timeout = entry_seconds(n->entry_ms);
	fuse_reply_entry(req, &entry);
}
