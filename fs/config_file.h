/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_file: the configuration files as sections of `key = value`, with where each stands; what
 * they mean is config's business. The only includer of inih.
 *
 * A line is a section, `key = value`, empty, or a comment. Comments begin with `#` or `;` at a
 * line's start or after a space. Lines are UTF-8 of at most CONFIG_LINE_MAX bytes; a byte-order
 * mark is skipped. A section stands once in all files.
 *
 * Whoever has the text owns it (config_text_finish, which wipes: somebody may have written a
 * password where none belongs).
 */
#ifndef TOKENFS_CONFIG_FILE_H
#define TOKENFS_CONFIG_FILE_H

#include <stdbool.h>

#include "buffer.h"

#define CONFIG_LINE_MAX 8192 /* bytes, the sentence about it says so too */
#define CONFIG_FILE_MAX (32u << 20)

/* What is wrong; `error` is our own trouble (-ENOMEM), and sticky. */
struct config_report {
	struct buffer *lines; /* or NULL */
	const char *mountpoint; /* or NULL */
	unsigned int mistakes;
	int error;
};

/* A mistake when `path` is at or below the mountpoint: nobody may even look there. true: it is not. */
bool config_check_outside(struct config_report *r, const char *file, int line, const char *key,
			  const char *path);

/* Add `file:line: …`; line 0 is the file as a whole. */
void config_mistake(struct config_report *r, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void config_warning(struct config_report *r, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

struct config_entry {
	char *key, *value;
	int line;
	struct config_entry *next;
};

struct config_section {
	char *name;
	const char *file; /* borrowed from the list of files */
	int line;
	struct config_entry *entries;
	struct config_section *next;
};

struct config_file {
	char *name;
	struct config_file *next;
};

struct config_text {
	struct config_file *files;
	struct config_section *sections, *last; /* in the files' order */
	void *names;                            /* the same, a search tree by name */
};

/*
 * Reads `path` and then `path`.d/(any).conf in order, as far as they are there. What is wrong with
 * them is in the report. `ret` is always to be finished; no files in it: there are none.
 */
void config_text_read(const char *path, struct config_report *report, struct config_text *ret);
void config_text_finish(struct config_text *t);

/* Adds a file's name to the list; NULL, and the report's error, without memory. */
struct config_file *config_file_add(struct config_file **files, const char *name,
				    struct config_report *report);
struct config_file *config_file_free(struct config_file *files);

/* The line of a key, or the section's own when it does not stand there. */
int config_section_line(const struct config_section *s, const char *key);

#endif
