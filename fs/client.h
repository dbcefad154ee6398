/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: what the commands that talk to a mount share. They use its files, nothing else.
 */
#ifndef TOKENFS_CLIENT_H
#define TOKENFS_CLIENT_H

#include <limits.h>
#include <stdbool.h>

#include "json.h"

struct client {
	char mountpoint[PATH_MAX];
	int root; /* descriptor of the mount's root */
};

/* Takes the first argument that is no option out of them: the provider's name. NULL: there is none. */
const char *client_take_provider(int *argc, char **argv);

/*
 * Reads `-m MOUNTPOINT` and (where ret_json is not NULL) `--json`, and opens the mount. Else the exit
 * status, and why has been said on standard error: 2 for wrong usage (`usage` is what follows
 * `tokenfs`), 1 when there is no mount.
 */
int client_open(const char *usage, int argc, char **argv, bool *ret_json,
		struct client *ret);
void client_close(struct client *c);

/* Where it is not, that has been said on standard error. */
bool client_has_provider(const struct client *c, const char *provider);

/* A file of the mount, whole. -errno of open or read, -EBADMSG. */
int client_read(const struct client *c, const char *path, struct buffer *out);
int client_read_json(const struct client *c, const char *path, struct json **ret);

/*
 * Writes {"do": what} to .control, with `provider` unless that is NULL. 0, or the exit status 1, and what
 * the mount says of it has been said on standard error after `failed`.
 */
int client_command(const struct client *c, const char *what, const char *provider,
		   const char *failed);

#endif
