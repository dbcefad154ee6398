/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: the configuration files, as structs. Reads no secret: it knows where each one is.
 *
 * /etc/tokenfs/tokenfs.conf and then tokenfs.conf.d/(any).conf in order (a user: the same under
 * $XDG_CONFIG_HOME or ~/.config); or the file that was named, and FILE.d/(any).conf. With no file at all there is
 * one provider, `local`. Every mistake is found, not only the first, each as `file:line: sentence`.
 *
 * The caller owns the configuration (config_free); its parts are borrowed from it.
 */
#ifndef TOKENFS_CONFIG_H
#define TOKENFS_CONFIG_H

#include <stdio.h>
#include <sys/types.h>

#include "provider.h"

/* Where the value of a secret key is. */
enum secret_place { SECRET_FILE, SECRET_COMMAND, SECRET_CREDENTIAL };

struct secret_source {
	const char *key; /* of the field table */
	enum secret_place place;
	char *where;     /* path, command line, or the credential's name */
	struct secret_source *next;
};

/* Who may do what with a file. */
struct access {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* permission bits of the token's file */
};

/* [provider/name] */
struct config_slot {
	char *name;
	struct access access;
	struct settings *wish; /* in type->slot_fields */
	struct config_slot *next;
};

/* [provider] */
struct config_provider {
	char *name;
	const char *file; /* where its section stands */
	int line;
	const struct provider_type *type;
	struct settings *settings; /* type->fields */
	struct settings *common;   /* config_common_fields */
	struct access access;
	struct secret_source *secrets;
	struct config_slot *slots; /* in the file's order; the implied access_token is not among them */
	struct config_slot *last_slot;
	char identity[65]; /* hash of type and identity fields, in hex: whose account this is */
	struct config_provider *next;
};

struct config {
	struct settings *mount; /* config_mount_fields: [tokenfs] */
	struct config_provider *providers; /* in the files' order */
	struct config_file *files; /* names, kept for config_provider.file */
};

/* The keys of [tokenfs], and those of every provider's section (owner, margin, ca-file, …). */
extern const struct field config_mount_fields[];
extern const struct field config_common_fields[];

/*
 * Reads everything. `path`: the file named by -c, or NULL for the default places. Mistakes are written
 * to `mistakes` as lines, and then nothing is returned: -EINVAL. A named file that is not there is
 * -ENOENT (and a line). Warnings (insecure-tls, a secret file that others can read) are lines that
 * begin with `warning: ` after the place, and do not fail. `mountpoint`: where the mount is, or NULL: a
 * file below it is a mistake, since the mount would wait for itself.
 */
int config_load(const char *path, const char *mountpoint, struct buffer *mistakes,
		struct config **ret);
struct config *config_free(struct config *c);

/* The file that would be read first, for messages; static inside the config when loaded by default. */
void config_default_path(struct buffer *ret);

/* Where a mount goes and keeps its state by default, for this user. */
void config_default_mountpoint(struct buffer *ret);
void config_state_dir(const struct config *c, struct buffer *ret);

#endif
