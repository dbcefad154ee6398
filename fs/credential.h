/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential: brings the secrets of a section from where they are into its settings, before they are
 * asked for. A file is read anew each time, so a rewritten password is used at once; a command runs
 * once and its output is kept until credential_forget().
 */
#ifndef TOKENFS_CREDENTIAL_H
#define TOKENFS_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "loop.h"

struct gathering;

enum gather_outcome { GATHER_READY = 0, GATHER_WAITS = 1 };

/* `error` is 0, or -ENOKEY and why. The gathering is over. */
typedef void gather_done(void *ctx, int error, const struct sentence *why);

/*
 * GATHER_READY: all secrets are in provider->settings. GATHER_WAITS: a command runs, `done` will be
 * called. -ENOKEY: one cannot be had (no file, empty, too long), and why; -ENOMEM.
 * `provider` must outlive the gathering.
 */
int credential_gather(struct loop *loop, const struct config_provider *provider, int64_t timeout_ms,
		      gather_done *done, void *ctx, struct sentence *why, struct gathering **ret);
void credential_cancel(struct gathering *g); /* takes NULL */

/* Forgets what commands printed: the server refused it. */
void credential_forget(const struct config_provider *provider);

/* Nothing of it is a file whose change could be seen: a program prints it, or a person gave it. */
bool credential_may_change_unseen(const struct config_provider *provider);

/*
 * A number that changes when one of the files is rewritten, or the section says something else: refused
 * credentials may be tried again.
 */
uint64_t credential_signature(const struct config_provider *provider);

#endif
