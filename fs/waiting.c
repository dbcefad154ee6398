/* SPDX-License-Identifier: Apache-2.0 */
#include "waiting.h"

#include <errno.h>
#include <stdlib.h>

#include "mount.h"

static void on_interrupt(fuse_req_t req, void *data)
{
	struct waiting *w = data;

	(void)req;
	if (w->withdraw(w))
		fuse_reply_err(waiting_end(w), EINTR);
}

void waiting_begin(struct waiting *w, struct mount *m, fuse_req_t req,
		   bool (*withdraw)(struct waiting *w))
{
	w->mount = m;
	w->req = req;
	w->withdraw = withdraw;
	w->next = m->waiting;
	m->waiting = w;
	fuse_req_interrupt_func(req, on_interrupt, w);
}

fuse_req_t waiting_end(struct waiting *w)
{
	struct waiting **at = &w->mount->waiting;
	fuse_req_t req = w->req;

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
	/* The reply disarms the interrupt; here libfuse may hold the request's lock. */
	free(w);
	return req;
}
