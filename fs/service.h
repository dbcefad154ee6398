/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service: what a service manager (systemd) does for us: it is told when the mount answers, and keeps
 * the handover's descriptors, so that the mount outlives even a supervisor that is killed. The only
 * includer of libsystemd; without it, or without a service manager, all of this does nothing.
 *
 *	supervisor -- FDSTORE=1, six descriptors --> systemd
 *	     X killed; readers wait, the mount stays
 *	supervisor' <-- LISTEN_FDS, LISTEN_FDNAMES -- systemd
 */
#ifndef TOKENFS_SERVICE_H
#define TOKENFS_SERVICE_H

#include "handover.h"

/*
 * The handover of a supervisor that is gone. -ENOENT: nothing was kept; -EPROTO: of a version with
 * another layout, which was closed: its mount is over.
 */
int service_take(struct handover *ret);

void service_keep(const struct handover *h);

/* The mount is over. */
void service_forget(void);

/* The mount answers. */
void service_ready(void);

#endif
