/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "client.h"
#include "cmd.h"

#define USAGE "unregister [-m MOUNTPOINT] PROVIDER"

int cmd_unregister(int argc, char **argv)
{
	const char *provider = client_take_provider(&argc, argv);
	struct client c;
	int status;

	if (!provider) {
		fputs("usage: tokenfs " USAGE "\n", stderr);
		return 2;
	}
	status = client_open(USAGE, argc, argv, NULL, &c);
	if (status)
		return status;
	status = 1;
	if (client_has_provider(&c, provider))
		status = client_command(&c, "unregister", provider, "not unregistered");
	client_close(&c);
	return status;
}
