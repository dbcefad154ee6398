/* SPDX-License-Identifier: Apache-2.0 */
/* caller: whose request it is. FUSE names the thread; what belongs together is of a process. */
#ifndef TOKENFS_CALLER_H
#define TOKENFS_CALLER_H

#include <sys/types.h>

/* The process of a thread; the thread itself where that cannot be told. 0: it cannot be seen. */
pid_t caller_process(pid_t tid);

#endif
