/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>

#include "cmd.h"
#include "config.h"
#include "mountpoint.h"

int cmd_unmount(int argc, char **argv)
{
	BUFFER_AUTO place = BUFFER_INIT(PATH_MAX);
	struct sentence why;

	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fputs("usage: tokenfs unmount [MOUNTPOINT]\n", stderr);
		return 2;
	}
	if (argc == 2)
		buffer_text(&place, argv[1]);
	else
		config_default_mountpoint(&place);
	if (!mountpoint_unmount(buffer_string(&place), false, &why))
		return 0;
	fprintf(stderr, "tokenfs: %s\n", why.text);
	return 1;
}
