/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "config_default.h"
#include "config_secret.h"
#include "name.h"

static const struct {
	const char *ending;
	enum secret_place place;
} places[] = {
	{ "-file", SECRET_FILE },
	{ "-command", SECRET_COMMAND },
	{ "-credential", SECRET_CREDENTIAL },
};

static const struct field *find_secret(const struct field *fields, const char *key, size_t len)
{
	for (; fields && fields->key; fields++)
		if (fields->kind == FIELD_SECRET && strlen(fields->key) == len &&
		    memcmp(fields->key, key, len) == 0)
			return fields;
	return NULL;
}

bool config_secret_key(const struct field *fields, const char *key, const struct field **ret_field,
		       enum secret_place *ret_place)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t ending = strlen(places[i].ending);
		const struct field *f;

		if (len <= ending || strcmp(key + len - ending, places[i].ending) != 0)
			continue;
		f = find_secret(fields, key, len - ending);
		if (!f)
			continue;
		*ret_field = f;
		*ret_place = places[i].place;
		return true;
	}
	return false;
}

/* What can be seen of a file without reading it; a sentence when there cannot be a secret in it. */
static int check_file(const char *path, bool *ret_open, struct sentence *why)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		sentence_set(why, "%.200s: %s", path, strerror(errno));
		return -EINVAL;
	}
	if (S_ISDIR(st.st_mode)) {
		sentence_set(why, "%.200s is a directory", path);
		return -EINVAL;
	}
	if (st.st_size > LIMIT_SECRET) {
		sentence_set(why, "%.200s is too large: a secret has %u bytes at most", path,
			     LIMIT_SECRET);
		return -EINVAL;
	}
	*ret_open = (st.st_mode & 077) != 0;
	return 0;
}

static void check_secret_file(const struct config_section *section, const struct config_entry *e,
			      struct config_report *report)
{
	struct sentence why;
	bool open = false;

	if (e->value[0] != '/')
		config_mistake(report, section->file, e->line,
			       "%s is an absolute path: it begins with /", e->key);
	else if (!config_check_outside(report, section->file, e->line, e->key, e->value))
		return;
	else if (check_file(e->value, &open, &why) < 0)
		config_mistake(report, section->file, e->line, "%s: %s", e->key, why.text);
	else if (open)
		config_warning(report, section->file, e->line,
			       "others can read the secret in %.200s: chmod 0600 it", e->value);
}

/* As command.h splits it. */
static void check_command(const struct config_section *section, const struct config_entry *e,
			  struct config_report *report)
{
	char quote = '\0';

	for (const char *at = e->value; *at; at++) {
		if (quote && *at == quote)
			quote = '\0';
		else if (!quote && (*at == '\'' || *at == '"'))
			quote = *at;
	}
	if (quote)
		config_mistake(
			report, section->file, e->line,
			"the quotes of %s do not close (what follows a space and # or ; is a "
			"comment)",
			e->key);
}

/* Only systemd sets the directory: `tokenfs check` in a shell cannot see it. */
static void check_credential(const struct config_section *section, const struct config_entry *e,
			     struct config_report *report)
{
	const char *dir = config_credentials_directory();
	BUFFER_AUTO path = BUFFER_INIT(8192);
	struct sentence why;
	bool open;

	if (strchr(e->value, '/') || name_check(e->value, strlen(e->value), NULL) < 0) {
		config_mistake(report, section->file, e->line,
			       "%s is the name of a systemd credential, not a path", e->key);
		return;
	}
	if (!dir) {
		config_warning(report, section->file, e->line,
			       "the credential %.64s is there in a systemd service only, with "
			       "LoadCredential=",
			       e->value);
		return;
	}
	buffer_format(&path, "%s/%s", dir, e->value);
	if (check_file(buffer_string(&path), &open, &why) < 0)
		config_mistake(report, section->file, e->line, "%s: %s", e->key, why.text);
}

void config_secret_check(const struct config_section *section, const struct config_entry *entry,
			 enum secret_place place, struct config_report *report)
{
	switch (place) {
	case SECRET_FILE:
		check_secret_file(section, entry, report);
		return;
	case SECRET_COMMAND:
		check_command(section, entry, report);
		return;
	case SECRET_CREDENTIAL:
		check_credential(section, entry, report);
		return;
	}
}
