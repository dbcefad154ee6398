/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "cmd.h"

/* The columns of the table; a cell is "" when there is nothing to say. */
enum column { PROVIDER, NAME, STATE, EXPIRES, RENEWAL, ERROR, COLUMNS };

struct table {
	char *(*rows)[COLUMNS];
	size_t n, room;
};

static void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (int c = 0; c < COLUMNS; c++)
			free(t->rows[i][c]);
	free(t->rows);
}

static int table_add(struct table *t, const char *const cells[COLUMNS])
{
	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 16;
		void *more = reallocarray(t->rows, room, sizeof *t->rows);

		if (!more)
			return -ENOMEM;
		t->rows = more;
		t->room = room;
	}
	for (int c = 0; c < COLUMNS; c++) {
		t->rows[t->n][c] = strdup(cells[c] ? cells[c] : "");
		if (!t->rows[t->n][c])
			return -ENOMEM;
	}
	t->n++;
	return 0;
}

static void table_print(const struct table *t)
{
	size_t width[COLUMNS] = { 0 };

	for (size_t i = 0; i < t->n; i++)
		for (int c = 0; c < COLUMNS; c++)
			if (strlen(t->rows[i][c]) > width[c])
				width[c] = strlen(t->rows[i][c]);
	for (size_t i = 0; i < t->n; i++) {
		for (int c = 0; c < ERROR; c++)
			printf("%-*s  ", (int)width[c], t->rows[i][c]);
		printf("%s\n", t->rows[i][ERROR]);
	}
}

/* "in 4m 12s", "3d 2h ago"; "never" where a token does not expire. */
static const char *distance(const char *when, bool has_token, char text[static 64])
{
	struct tm tm = { 0 };
	static const char *const units[] = { "d", "h", "m", "s" };
	static const int seconds[] = { 86400, 3600, 60, 1 };
	int left, most, rest, u = 0;

	if (!when)
		return has_token ? "never" : "";
	if (!strptime(when, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return when;
	left = (int)(timegm(&tm) - time(NULL));
	most = abs(left);
	while (u < 3 && most < seconds[u])
		u++;
	rest = u < 3 ? most % seconds[u] / seconds[u + 1] : 0;
	if (rest)
		snprintf(text, 64, "%s%d%s %d%s%s", left < 0 ? "" : "in ", most / seconds[u],
			 units[u], rest, units[u + 1], left < 0 ? " ago" : "");
	else
		snprintf(text, 64, "%s%d%s%s", left < 0 ? "" : "in ", most / seconds[u], units[u],
			 left < 0 ? " ago" : "");
	return text;
}

static int add_slot(const struct client *c, const char *provider, const char *name,
		    struct table *table, struct json *all)
{
	BUFFER_AUTO path = BUFFER_INIT(PATH_MAX);
	char expires[64], renewal[64];
	struct json *meta = NULL;
	const char *state, *renew_at;
	int r;

	buffer_format(&path, "%s/.meta/%s", provider, name);
	r = client_read_json(c, buffer_string(&path), &meta);
	if (r)
		return r == -ENOENT ? 0 : r; /* revoked meanwhile */
	state = json_string(meta, "state");
	renew_at = json_string(meta, "renew_at");
	r = table_add(table, (const char *const[COLUMNS]){
				     [PROVIDER] = provider,
				     [NAME] = name,
				     [STATE] = state,
				     [EXPIRES] = distance(json_string(meta, "expires_at"),
							  state && !strcmp(state, "hot"), expires),
				     [RENEWAL] = renew_at ? distance(renew_at, false, renewal) : "",
				     [ERROR] = json_string(json_get(meta, "last_error"), "message"),
			     });
	json_add(all, meta);
	return r;
}

static int add_provider(const struct client *c, const char *provider, struct table *table,
			struct json *all)
{
	int fd = openat(c->root, provider, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return table_add(table, (const char *const[COLUMNS]){ [PROVIDER] = provider,
								      [ERROR] = strerror(errno) });
	while (!r && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = add_slot(c, provider, e->d_name, table, all);
	closedir(d);
	return r;
}

/* A provider as a whole: the last document that was refused is seen here only. */
static int fill(const struct client *c, struct json *status, struct table *table, struct json *all)
{
	struct json *providers = json_get(status, "providers");
	int r = table_add(table, (const char *const[COLUMNS]){ "PROVIDER", "NAME", "STATE", "EXPIRES",
							      "NEXT RENEWAL", "LAST ERROR" });

	for (size_t i = 0; !r && i < json_length(providers); i++)
		r = add_provider(c, json_string(json_at(providers, i), "provider"), table, all);
	return r;
}

int cmd_status(int argc, char **argv)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_RENDER * 16);
	struct table table = { 0 };
	struct client c;
	JSON_AUTO *status = NULL;
	struct json *all;
	bool json = false;
	int r = client_open("status [-m MOUNTPOINT] [--json]", argc, argv, &json, &c);

	if (r)
		return r;
	all = json_new_array();
	r = client_read_json(&c, ".status", &status);
	if (!r)
		r = fill(&c, status, &table, all);
	client_close(&c);
	if (r) {
		fprintf(stderr, "tokenfs: %s: %s\n", c.mountpoint, strerror(-r));
		json_free(all);
	} else if (json) {
		json_set(status, "tokens", all);
		json_print(status, true, &text);
		fputs(buffer_string(&text), stdout);
	} else {
		table_print(&table);
		json_free(all);
	}
	table_free(&table);
	return r ? 1 : 0;
}
