/* SPDX-License-Identifier: Apache-2.0 */
/* main: finds the subcommand. mount(8) calls without one: `tokenfs FILE MOUNTPOINT -o …`. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "supervisor.h"
#include "worker.h"

static int cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("tokenfs " TOKENFS_VERSION);
	return 0;
}

/* clang-format off */
static const struct cmd commands[] = {
	{ "mount",     "[-f] [-c FILE] [-o OPTIONS] [MOUNTPOINT]", "serve tokens as files",                cmd_mount },
	{ "unmount",   "[MOUNTPOINT]",                             "end it",                               cmd_unmount },
	{ "check",     "[-c FILE]",                                "find every mistake in the configuration", cmd_check },
	{ "status",    "[-m MOUNTPOINT] [--json]",                 "show providers, tokens and errors",    cmd_status },
	{ "login",     "[-m MOUNTPOINT] PROVIDER",                 "log in with a browser, on any device", cmd_login },
	{ "reload",    "[-m MOUNTPOINT]",                          "read the configuration anew",          cmd_reload },
	{ "upgrade",   "[-m MOUNTPOINT]",                         "go on with the program that is on disk now", cmd_upgrade },
	{ "unregister", "[-m MOUNTPOINT] PROVIDER",                "remove the client that tokenfs registered at a server", cmd_unregister },
	{ "help",      "[COMMAND|TYPE]",                           "explain a command or a provider type", cmd_help },
	{ "--version", "",                                         "print the version",                    cmd_version },
	{ 0 },
};
/* clang-format on */

const struct cmd *cmd_table(void)
{
	return commands;
}

static int usage(char **argv)
{
	cmd_help(1, argv);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(argv);
	/* A running mount replaces its processes by this program's (supervisor.h). */
	if (!strcmp(argv[1], "--worker"))
		return worker_main(argc, argv);
	if (!strcmp(argv[1], "--supervisor"))
		return supervisor_main(argc, argv);
	for (const struct cmd *c = commands; c->name; c++)
		if (!strcmp(argv[1], c->name))
			return c->run(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return cmd_help(1, argv);
	if (argc >= 3 && argv[1][0] != '-' && argv[2][0] == '/')
		return cmd_mount_fstab(argc, argv);
	fprintf(stderr, "tokenfs: there is no command \"%s\"; `tokenfs help` lists them\n", argv[1]);
	return 2;
}
