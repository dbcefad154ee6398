/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"
#include "cmd.h"

int cmd_reload(int argc, char **argv)
{
	struct client c;
	int status = client_open("reload [-m MOUNTPOINT]", argc, argv, NULL, &c);

	if (status)
		return status;
	status = client_command(&c, "reload", NULL, "reload");
	client_close(&c);
	return status;
}
