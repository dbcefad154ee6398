/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program: what a command line means, and the processes that it becomes; for command.c alone.
 *
 *	worker --- keeper --- the program --- what that starts
 *	           |____________ one process group ____________|
 *
 * The keeper is there for the day on which the worker dies: it kills the group then, and otherwise ends
 * as the program does. The program gets PATH, HOME and LANG, no terminal, and three descriptors.
 */
#ifndef TOKENFS_PROGRAM_H
#define TOKENFS_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "sentence.h"

/* Words and environment, as execve takes them; all zero at first, ended by program_finish(). */
struct program {
	char *path;
	char *text; /* the words, each ended by NUL */
	char **words;
	const char *environment[4];
};

/* -EINVAL (quotes that do not close, no words), -ENOENT, -EACCES, -ENOMEM, and why. */
int program_prepare(struct program *p, const char *line, bool shell, struct sentence *why);
void program_finish(struct program *p);

/* The sentence for an errno with which it could not be run. */
void program_refuse(const struct program *p, int error, struct sentence *why);

/* The keeper, once the program runs; or what fork and exec say. */
int program_spawn(const struct program *p, int in, int out, int err, pid_t *ret);

#define PROGRAM_AUTO __attribute__((cleanup(program_finish))) struct program

#endif
