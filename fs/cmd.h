/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd: the subcommands. One file each, cmd_NAME.c with one function; main.c has the table.
 *
 * `run` gets the arguments from its own name on, and returns the exit status: 0, 1 for what went
 * wrong (said on standard error), 2 for wrong usage.
 */
#ifndef TOKENFS_CMD_H
#define TOKENFS_CMD_H

struct cmd {
	const char *name;
	const char *usage;   /* what follows `tokenfs NAME` */
	const char *summary; /* half a line */
	int (*run)(int argc, char **argv);
};

/* All of them, in the order of the manual; ends with a row whose name is NULL. */
const struct cmd *cmd_table(void);

int cmd_mount(int argc, char **argv);
int cmd_mount_fstab(int argc, char **argv); /* as mount(8) calls it, with argv[0] */
int cmd_unmount(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_login(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_upgrade(int argc, char **argv);
int cmd_unregister(int argc, char **argv);
int cmd_help(int argc, char **argv);

#endif
