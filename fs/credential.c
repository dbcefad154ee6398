/* SPDX-License-Identifier: Apache-2.0 */
#include "credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "command.h"
#include "config_default.h"
#include "wish.h"

struct gathering {
	struct loop *loop;
	const struct config_provider *provider;
	const struct secret_source *source; /* whose command runs */
	struct command *command;
	int64_t timeout_ms;
	command_done *printed; /* goes on with the next source */
	gather_done *done;
	void *ctx;
};

static int set_secret(const struct config_provider *p, const struct secret_source *source,
		      const char *bytes, size_t len, struct sentence *why)
{
	SECRET_AUTO *secret = NULL;
	int r = secret_new(bytes, secret_line(bytes, len), &secret);

	if (r == -EINVAL) {
		sentence_set(why, "%s of [%s] is empty: %s", source->key, p->name, source->where);
		return -ENOKEY;
	}
	return r ? r : settings_set_secret(p->settings, source->key, secret);
}

static int open_source(const struct secret_source *source)
{
	const char *dir;
	int fd, at;

	/* Not to wait for whoever writes into a FIFO: read_source() refuses what is no plain file. */
	if (source->place == SECRET_FILE)
		return open(source->where, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	dir = config_credentials_directory();
	if (!dir) {
		errno = ENOENT;
		return -1;
	}
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -1;
	fd = openat(at, source->where, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	close(at);
	return fd;
}

static bool is_plain(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode);
}

static int read_source(const struct config_provider *p, const struct secret_source *source,
		       struct sentence *why)
{
	BUFFER_AUTO content = BUFFER_INIT(LIMIT_SECRET);
	char chunk[4096];
	ssize_t n;
	int fd = open_source(source);

	if (fd < 0) {
		sentence_set(why, "%s of [%s] cannot be read from %s: %s", source->key, p->name,
			     source->where, strerror(errno));
		return -ENOKEY;
	}
	if (!is_plain(fd)) {
		close(fd);
		sentence_set(why, "%s of [%s] cannot be read from %s: it is not a plain file; "
				  "use %s-command for what a program hands out",
			     source->key, p->name, source->where, source->key);
		return -ENOKEY;
	}
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buffer_append(&content, chunk, (size_t)n);
	sodium_memzero(chunk, sizeof chunk);
	close(fd);
	if (n < 0 || buffer_error(&content)) {
		sentence_set(why, "%s of [%s] cannot be read from %s: %s", source->key, p->name,
			     source->where, n < 0 ? strerror(errno) : "it is too long");
		return -ENOKEY;
	}
	return set_secret(p, source, buffer_string(&content), content.len, why);
}

static int run_source(struct gathering *g, const struct secret_source *source, struct sentence *why)
{
	const struct command_order order = { .line = source->where,
					     .output_max = LIMIT_SECRET,
					     .timeout_ms = g->timeout_ms };
	int r;

	g->source = source;
	r = command_start(g->loop, &order, g->printed, g, why, &g->command);
	if (r)
		return r == -ENOMEM ? r : -ENOKEY;
	return GATHER_WAITS;
}

/* The sources from `s` on: files at once, up to a command that must run. */
static int gather_from(struct gathering *g, const struct secret_source *s, struct sentence *why)
{
	int r = 0;

	for (; s && !r; s = s->next) {
		if (s->place != SECRET_COMMAND) {
			r = read_source(g->provider, s, why);
		} else if (!settings_secret(g->provider->settings, s->key)) {
			return run_source(g, s, why);
		}
	}
	return r;
}

static void on_output(void *ctx, const struct command_result *result)
{
	struct gathering *g = ctx;
	struct sentence said = *result->why;
	int r;

	g->command = NULL;
	if (result->error) {
		r = -ENOKEY;
		sentence_set(&said, "%s-command of [%s] failed: %s", g->source->key,
			     g->provider->name, result->why->text);
		sentence_quote(&said, result->complaint);
	} else {
		r = set_secret(g->provider, g->source, result->output, result->len, &said);
		if (!r)
			r = gather_from(g, g->source->next, &said);
	}
	if (r == GATHER_WAITS)
		return;
	g->done(g->ctx, r, &said);
	free(g);
}

int credential_gather(struct loop *loop, const struct config_provider *provider, int64_t timeout_ms,
		      gather_done *done, void *ctx, struct sentence *why, struct gathering **ret)
{
	struct gathering *g = calloc(1, sizeof *g);
	int r;

	if (!g)
		return -ENOMEM;
	*g = (struct gathering){ .loop = loop,
				 .provider = provider,
				 .timeout_ms = timeout_ms,
				 .printed = on_output,
				 .done = done,
				 .ctx = ctx };
	r = gather_from(g, provider->secrets, why);
	if (r == GATHER_WAITS)
		*ret = g;
	else
		free(g);
	return r;
}

void credential_cancel(struct gathering *g)
{
	if (!g)
		return;
	command_cancel(g->command);
	free(g);
}

void credential_forget(const struct config_provider *provider)
{
	for (const struct secret_source *s = provider->secrets; s; s = s->next)
		if (s->place == SECRET_COMMAND)
			settings_set_secret(provider->settings, s->key, NULL);
}

bool credential_may_change_unseen(const struct config_provider *provider)
{
	for (const struct secret_source *s = provider->secrets; s; s = s->next)
		if (s->place != SECRET_FILE)
			return true;
	return !provider->secrets;
}

/* What else of the section may make a credential good: another user, another way to show it. */
static uint64_t settings_hash(const struct config_provider *provider)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_RENDER);
	uint64_t hash = 0;

	if (!wish_write(provider->settings, &text))
		crypto_generichash((unsigned char *)&hash, sizeof hash,
				   (const unsigned char *)buffer_string(&text), text.len, NULL, 0);
	return hash;
}

uint64_t credential_signature(const struct config_provider *provider)
{
	uint64_t sum = settings_hash(provider);
	struct stat st;

	for (const struct secret_source *s = provider->secrets; s; s = s->next) {
		if (s->place != SECRET_FILE)
			continue;
		sum = sum * 1000003;
		if (stat(s->where, &st))
			continue;
		/* ctime: a chmod that lets us read it counts too */
		sum += (uint64_t)st.st_ino * 31 + (uint64_t)st.st_size * 7 +
		       (uint64_t)st.st_ctim.tv_sec * 1000000007u + (uint64_t)st.st_ctim.tv_nsec;
	}
	return sum;
}
