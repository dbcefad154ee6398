/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: runs a program that prints a secret (KEY-command, EXCHANGE_RUN) and hands over what it
 * printed.
 *
 * No shell, unless it is asked for: the line is split into words at spaces, with '…' and "…" for words
 * that hold some. The program gets PATH, HOME, LANG and nothing else of the environment, no terminal,
 * its own process group, and is killed with it at the time limit, and when the worker dies (program.h).
 *
 * Standard output has a maximum and is wiped. Standard error is read, and its first line is kept for
 * the sentence of a failure: printable characters only, and nothing of what is on standard output.
 */
#ifndef TOKENFS_COMMAND_H
#define TOKENFS_COMMAND_H

#include "loop.h"
#include "sentence.h"

struct command;

struct command_order {
	const char *line;  /* borrowed for the call */
	bool shell;        /* /bin/sh -c LINE */
	size_t output_max; /* in bytes */
	int64_t timeout_ms;
};

/* All of it is borrowed for the call of `done`, and wiped after it. */
struct command_result {
	int error;             /* 0, -ETIMEDOUT, -EFBIG, -ENOMEM, -ECHILD: status is not 0 */
	int status;            /* what it ended with; 128 + n: by signal n, as shells say it */
	const char *output;    /* what it printed, with error 0 and -ECHILD; followed by a NUL */
	size_t len;
	const char *complaint; /* the first line of standard error, for sentence_quote(); or "" */
	const struct sentence *why; /* without the complaint: who knows more secrets judges it */
};

typedef void command_done(void *ctx, const struct command_result *result);

/*
 * `done` is called from the loop, never from inside. 0; -EINVAL (quotes that do not close, no words),
 * -ENOENT or what fork and exec say, and why.
 */
int command_start(struct loop *loop, const struct command_order *order, command_done *done,
		  void *ctx, struct sentence *why, struct command **ret);
void command_cancel(struct command *c); /* kills it, no call of `done`; takes NULL */

#endif
