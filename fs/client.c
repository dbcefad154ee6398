/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "mountpoint.h"

static int place_of(const char *given, struct client *c)
{
	BUFFER_AUTO place = BUFFER_INIT(PATH_MAX);

	if (given)
		buffer_text(&place, given);
	else
		config_default_mountpoint(&place);
	if (!realpath(buffer_string(&place), c->mountpoint)) {
		fprintf(stderr, "tokenfs: %s: %s\n", buffer_string(&place), strerror(errno));
		return -errno;
	}
	if (!mountpoint_is_ours(c->mountpoint)) {
		fprintf(stderr, "tokenfs: no tokenfs is mounted at %s\n", c->mountpoint);
		return -EINVAL;
	}
	return 0;
}

const char *client_take_provider(int *argc, char **argv)
{
	const char *found = NULL;

	for (int i = 1; i < *argc; i++) {
		if (!strcmp(argv[i], "-m")) {
			i++;
		} else if (argv[i][0] != '-' && !found) {
			found = argv[i];
			memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof *argv);
			(*argc)--;
			i--;
		}
	}
	return found;
}

int client_open(const char *usage, int argc, char **argv, bool *ret_json, struct client *ret)
{
	const char *given = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-m") && i + 1 < argc)
			given = argv[++i];
		else if (ret_json && !strcmp(argv[i], "--json"))
			*ret_json = true;
		else {
			fprintf(stderr, "usage: tokenfs %s\n", usage);
			return 2;
		}
	}
	if (place_of(given, ret))
		return 1;
	ret->root = open(ret->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->root < 0) {
		fprintf(stderr, "tokenfs: %s: %s\n", ret->mountpoint, strerror(errno));
		return 1;
	}
	return 0;
}

void client_close(struct client *c)
{
	close(c->root);
}

bool client_has_provider(const struct client *c, const char *provider)
{
	if (provider[0] && provider[0] != '.' && !strchr(provider, '/') &&
	    !faccessat(c->root, provider, F_OK, 0))
		return true;
	fprintf(stderr, "tokenfs: there is no provider \"%s\" in %s\n", provider, c->mountpoint);
	return false;
}

int client_read(const struct client *c, const char *path, struct buffer *out)
{
	char chunk[4096];
	ssize_t n;
	int fd = openat(c->root, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buffer_append(out, chunk, (size_t)n);
	n = n < 0 ? -errno : 0;
	close(fd);
	return n ? (int)n : buffer_error(out);
}

int client_read_json(const struct client *c, const char *path, struct json **ret)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_RENDER);
	int r = client_read(c, path, &text);

	return r ? r : json_parse(buffer_string(&text), text.len, NULL, ret);
}

/* The errno is the answer; the root's .status has its sentence. */
static void tell_why(const struct client *c, int error, const char *failed)
{
	JSON_AUTO *status = NULL;
	const char *message = NULL;

	if (!client_read_json(c, ".status", &status))
		message = json_string(json_get(status, "last_error"), "message");
	fprintf(stderr, "tokenfs: %s: %s\n", failed, message ? message : strerror(error));
}

int client_command(const struct client *c, const char *what, const char *provider,
		   const char *failed)
{
	BUFFER_AUTO command = BUFFER_INIT(LIMIT_RENDER);
	JSON_AUTO *document = json_new_object();
	int fd = openat(c->root, ".control", O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0) {
		fprintf(stderr, "tokenfs: %s/.control: %s\n", c->mountpoint, strerror(errno));
		return 1;
	}
	json_set_string(document, "do", what);
	if (provider)
		json_set_string(document, "provider", provider);
	json_print(document, false, &command);
	if (buffer_error(&command))
		error = -buffer_error(&command);
	else if (write(fd, buffer_string(&command), command.len) < 0)
		error = errno;
	close(fd);
	if (error)
		tell_why(c, error, failed);
	return error ? 1 : 0;
}
