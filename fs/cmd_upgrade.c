/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "cmd.h"

/* Longer than the supervisor gives the old worker to finish and the new one to begin. */
#define LIMIT_MS 30000
#define STEP_MS 20

struct progress {
	int64_t upgrades, failed;
};

static int look(const struct client *c, struct progress *ret)
{
	JSON_AUTO *status = NULL;
	int r = client_read_json(c, ".status", &status);

	if (!r && (!json_integer(status, "upgrades", &ret->upgrades) ||
		   !json_integer(status, "failed_upgrades", &ret->failed)))
		r = -EPROTO;
	return r;
}

/* The mount answers all the while; it tells by its counts how it ended. */
static int wait_for_end(const struct client *c, const struct progress *before)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	struct progress now;

	for (int waited = 0; waited < LIMIT_MS; waited += STEP_MS) {
		int r = look(c, &now);

		if (r) {
			fprintf(stderr, "tokenfs: %s/.status: %s\n", c->mountpoint, strerror(-r));
			return 1;
		}
		if (now.upgrades > before->upgrades)
			return 0;
		if (now.failed > before->failed) {
			fputs("tokenfs: the program on disk does not come to serve; the version that ran "
			      "goes on (the log says why)\n",
			      stderr);
			return 1;
		}
		nanosleep(&step, NULL);
	}
	fputs("tokenfs: the upgrade has not ended yet; `tokenfs status --json` tells\n", stderr);
	return 1;
}

int cmd_upgrade(int argc, char **argv)
{
	struct progress before;
	struct client c;
	int status = client_open("upgrade [-m MOUNTPOINT]", argc, argv, NULL, &c);

	if (status)
		return status;
	if (look(&c, &before)) {
		fprintf(stderr, "tokenfs: %s/.status tells nothing of upgrades\n", c.mountpoint);
		status = 1;
	}
	if (!status)
		status = client_command(&c, "upgrade", NULL, "not upgraded");
	if (!status)
		status = wait_for_end(&c, &before);
	client_close(&c);
	return status;
}
