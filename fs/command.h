/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: runs a program that prints a secret (KEY-command) and hands over what it printed.
 *
 * No shell: the line is split into words at spaces, with '…' and "…" for words that hold some. The
 * program gets PATH, HOME, LANG and nothing else of the environment, no terminal, its own process
 * group, and is killed with it at the time limit. Standard output is at most LIMIT_SECRET and is
 * wiped; standard error is read and its first line goes into the sentence of a failure, printable
 * characters only.
 */
#ifndef TOKENFS_COMMAND_H
#define TOKENFS_COMMAND_H

#include "loop.h"
#include "sentence.h"

struct command;

/*
 * `error` 0: `output` is what it printed (borrowed, wiped after the call). Else -ETIMEDOUT, -EFBIG,
 * -ECHILD (exit status not 0, or a signal), and why.
 */
typedef void command_done(void *ctx, int error, const char *output, size_t len,
			  const struct sentence *why);

/* 0; -EINVAL (quotes that do not close, no words), -ENOENT or what fork and exec say, and why. */
int command_start(struct loop *loop, const char *line, int64_t timeout_ms, command_done *done,
		  void *ctx, struct sentence *why, struct command **ret);
void command_cancel(struct command *c); /* kills it, no call of `done`; takes NULL */

#endif
