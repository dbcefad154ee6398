/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "cmd.h"
#include "json.h"

/* The errno is the answer; the root's .status has its sentence. */
static int tell_why(const struct client *c, int error)
{
	JSON_AUTO *status = NULL;
	const char *message = NULL;

	if (!client_read_json(c, ".status", &status))
		message = json_string(json_get(status, "last_error"), "message");
	fprintf(stderr, "tokenfs: not reloaded, the old configuration stays in force: %s\n",
		message ? message : strerror(error));
	return 1;
}

int cmd_reload(int argc, char **argv)
{
	static const char command[] = "{\"do\":\"reload\"}\n";
	struct client c;
	int fd, error = client_open("reload [-m MOUNTPOINT]", argc, argv, NULL, &c);

	if (error)
		return error;
	fd = openat(c.root, ".control", O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "tokenfs: %s/.control: %s\n", c.mountpoint, strerror(errno));
		client_close(&c);
		return 1;
	}
	if (write(fd, command, sizeof command - 1) < 0)
		error = errno;
	close(fd);
	error = error ? tell_why(&c, error) : 0;
	client_close(&c);
	return error;
}
