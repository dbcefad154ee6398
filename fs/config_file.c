/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"
#include "inside.h"
#include "name.h"
#include "sentence.h"

/* One file on its way through inih. */
struct reader {
	FILE *stream;
	const char *file;
	struct config_text *text;
	struct config_report *report;
	/* where entries go; NULL: nowhere, its heading was wrong */
	struct config_section *section;
	bool headed;	   /* a heading was seen */
	const char *value; /* of the line that inih has now, when it is too long for it */
	char line[CONFIG_LINE_MAX + 1];
	size_t len, total;
	bool too_long;
	int number, error;
};

static void file_close(FILE **stream)
{
	if (*stream)
		fclose(*stream);
}
#define FILE_AUTO __attribute__((cleanup(file_close))) FILE

static void report_line(struct config_report *r, const char *file, int line, const char *kind,
			const struct sentence *s)
{
	if (!r->lines)
		return;
	buffer_text(r->lines, file);
	if (line > 0)
		buffer_format(r->lines, ":%d", line);
	buffer_format(r->lines, ": %s%s\n", kind, s->text);
}

void config_mistake(struct config_report *r, const char *file, int line, const char *format, ...)
{
	struct sentence s;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(s.text, sizeof(s.text), format, arguments);
	va_end(arguments);
	r->mistakes++;
	report_line(r, file, line, "", &s);
}

void config_warning(struct config_report *r, const char *file, int line, const char *format, ...)
{
	struct sentence s;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(s.text, sizeof(s.text), format, arguments);
	va_end(arguments);
	report_line(r, file, line, "warning: ", &s);
}

static void wipe_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void entries_free(struct config_entry *e)
{
	for (struct config_entry *next; e; e = next) {
		next = e->next;
		wipe_free(e->key);
		wipe_free(e->value);
		free(e);
	}
}

struct config_file *config_file_free(struct config_file *files)
{
	for (struct config_file *next; files; files = next) {
		next = files->next;
		free(files->name);
		free(files);
	}
	return NULL;
}

static void keep_section(void *section)
{
	(void)section; /* the list's */
}

void config_text_finish(struct config_text *t)
{
	tdestroy(t->names, keep_section);
	for (struct config_section *s = t->sections, *next; s; s = next) {
		next = s->next;
		entries_free(s->entries);
		free(s->name);
		free(s);
	}
	config_file_free(t->files);
	*t = (struct config_text){ 0 };
}

int config_section_line(const struct config_section *s, const char *key)
{
	for (const struct config_entry *e = s->entries; e; e = e->next)
		if (strcmp(e->key, key) == 0)
			return e->line;
	return s->line;
}

struct config_file *config_file_add(struct config_file **files, const char *name,
				    struct config_report *report)
{
	struct config_file *f = calloc(1, sizeof(*f));

	if (f)
		f->name = strdup(name);
	if (!f || !f->name) {
		free(f);
		report->error = -ENOMEM;
		return NULL;
	}
	while (*files)
		files = &(*files)->next;
	*files = f;
	return f;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Reads a line without its end; false at the end of the file. */
static bool read_line(struct reader *r)
{
	int c = getc(r->stream);

	r->len = 0;
	r->too_long = false;
	if (c == EOF && ferror(r->stream))
		r->error = errno;
	if (c == EOF || r->total > CONFIG_FILE_MAX)
		return false;
	for (; c != EOF && c != '\n' && r->total <= CONFIG_FILE_MAX; c = getc(r->stream)) {
		r->total++;
		if (r->len < CONFIG_LINE_MAX)
			r->line[r->len++] = (char)c;
		else
			r->too_long = true;
	}
	if (r->len > 0 && r->line[r->len - 1] == '\r')
		r->len--;
	r->line[r->len] = '\0';
	r->total++;
	r->number++;
	return true;
}

/* What the bytes of a line cannot be; NULL when there is nothing to say. */
static const char *line_mistake(const struct reader *r)
{
	if (r->too_long)
		return "the line is too long: 8192 bytes are the most";
	if (memchr(r->line, '\0', r->len))
		return "the line holds a NUL byte: this is not a text file in UTF-8";
	if (!name_is_utf8(r->line, r->len))
		return "the line is not valid UTF-8";
	for (size_t i = 0; i < r->len; i++)
		if (((unsigned char)r->line[i] < 0x20 && r->line[i] != '\t') || r->line[i] == 0x7f)
			return "the line holds a control character";
	return NULL;
}

/* Cuts the line where a comment begins, and the spaces at both ends. */
static char *strip_line(struct reader *r)
{
	char *text = r->line, *end;

	if (r->number == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (is_space(*text))
		text++;
	for (end = text; *end; end++)
		if ((*end == '#' || *end == ';') && (end == text || is_space(end[-1])))
			break;
	while (end > text && is_space(end[-1]))
		end--;
	*end = '\0';
	return text;
}

/* Of sections: a search tree of them compares their names. */
static int by_heading(const void *a, const void *b)
{
	const struct config_section *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static const struct config_section *find_section(const struct reader *r, char *name)
{
	const struct config_section key = { .name = name };
	struct config_section *const *node = tfind(&key, &r->text->names, by_heading);

	return node ? *node : NULL;
}

static void add_section(struct reader *r, const char *name)
{
	struct config_text *t = r->text;
	struct config_section *s = calloc(1, sizeof(*s));

	if (s)
		s->name = strdup(name);
	if (!s || !s->name || !tsearch(s, &t->names, by_heading)) {
		if (s)
			free(s->name);
		free(s);
		r->report->error = -ENOMEM;
		return;
	}
	s->file = r->file;
	s->line = r->number;
	*(t->last ? &t->last->next : &t->sections) = s;
	t->last = s;
	r->section = s;
}

/* inih cuts section names off at 49 bytes and does not tell of empty sections: read here. */
static void read_heading(struct reader *r, char *text)
{
	size_t len = strlen(text);
	const struct config_section *other;

	r->section = NULL;
	r->headed = true;
	if (len < 2 || text[len - 1] != ']' || strcspn(text + 1, "[]") != len - 2) {
		config_mistake(r->report, r->file, r->number,
			       "a section's heading is [PROVIDER] or [PROVIDER/NAME]");
		return;
	}
	for (text[--len] = '\0'; len > 1 && is_space(text[len - 1]);)
		text[--len] = '\0';
	for (text++; is_space(*text);)
		text++;
	other = find_section(r, text);
	if (other)
		config_mistake(r->report, r->file, r->number,
			       "the section [%s] stands already at %s:%d", text, other->file,
			       other->line);
	else
		add_section(r, text);
}

/* Hands a `key = value` line to inih; of a line too long for it the key only. */
static void pass_entry(struct reader *r, char *text, char *line, size_t size)
{
	size_t key = strcspn(text, "=:"), len = strlen(text);

	if (key == 0 || text[key] == '\0') {
		config_mistake(r->report, r->file, r->number,
			       "a line is [SECTION], KEY = VALUE, or a comment that begins with #");
		return;
	}
	if (len + 2 > size) {
		r->value = text + key + 1 + strspn(text + key + 1, " \t");
		len = key + 1;
	}
	if (len + 2 > size) {
		config_mistake(r->report, r->file, r->number, "no key is that long");
		return;
	}
	memcpy(line, text, len);
	memcpy(line + len, "\n", 2);
}

/* inih's way to ask for a line: what it must not see, it gets as an empty one. */
static char *next_line(char *line, int size, void *stream)
{
	struct reader *r = stream;
	const char *mistake;
	char *text;

	if (!read_line(r))
		return NULL;
	r->value = NULL;
	memcpy(line, "\n", 2);
	mistake = line_mistake(r);
	if (mistake) {
		config_mistake(r->report, r->file, r->number, "%s", mistake);
		return line;
	}
	text = strip_line(r);
	if (*text == '[')
		read_heading(r, text);
	else if (*text)
		pass_entry(r, text, line, (size_t)size);
	return line;
}

static void add_entry(struct reader *r, const char *key, const char *value)
{
	struct config_entry **last = &r->section->entries;
	struct config_entry *e = calloc(1, sizeof(*e));

	if (e) {
		e->key = strdup(key);
		e->value = strdup(value);
		e->line = r->number;
	}
	if (!e || !e->key || !e->value) {
		entries_free(e);
		r->report->error = -ENOMEM;
		return;
	}
	while (*last)
		last = &(*last)->next;
	*last = e;
}

/* Mistakes are reported with their line here, so inih is always told that all is well. */
static int take_entry(void *ctx, const char *section, const char *key, const char *value)
{
	struct reader *r = ctx;

	(void)section;
	if (r->value)
		value = r->value;
	if (!r->headed)
		config_mistake(r->report, r->file, r->number,
			       "a key stands under a heading: [tokenfs] or [PROVIDER]");
	else if (r->section && !*value)
		config_mistake(r->report, r->file, r->number, "%.64s has no value", key);
	else if (r->section)
		add_entry(r, key, value);
	return 1;
}

static void parse(struct reader *r)
{
	int n = ini_parse_stream(next_line, r, take_entry, r);

	if (n == -2)
		r->report->error = -ENOMEM;
	else if (r->error)
		config_mistake(r->report, r->file, 0, "cannot read the file: %s",
			       strerror(r->error));
	else if (n > 0)
		config_mistake(r->report, r->file, n, "the line cannot be read");
	if (r->total > CONFIG_FILE_MAX)
		config_mistake(r->report, r->file, r->number,
			       "the file is too large: %u bytes are the most", CONFIG_FILE_MAX);
	explicit_bzero(r->line, sizeof(r->line));
}

static void read_file(const char *path, struct config_report *report, struct config_text *ret)
{
	char block[4096]; /* stdio's, so that it can be wiped */
	FILE_AUTO *stream = fopen(path, "re");
	struct config_file *f;

	if (!stream && errno == ENOENT)
		return;
	f = config_file_add(&ret->files, path, report);
	if (!f)
		return;
	if (!stream) {
		config_mistake(report, f->name, 0, "cannot open the file: %s", strerror(errno));
		return;
	}
	setvbuf(stream, block, _IOFBF, sizeof(block));
	parse(&(struct reader){ .stream = stream, .file = f->name, .text = ret, .report = report });
	explicit_bzero(block, sizeof(block));
}

static int is_part(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* the same order in every locale */
}

static void read_parts(const char *dir, struct config_report *report, struct config_text *ret)
{
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, is_part, by_name);

	if (n < 0 && errno != ENOENT && errno != ENOTDIR)
		config_mistake(report, dir, 0, "cannot read the directory: %s", strerror(errno));
	for (int i = 0; i < n; i++) {
		BUFFER_AUTO path = BUFFER_INIT(8192);

		buffer_format(&path, "%s/%s", dir, entries[i]->d_name);
		if (buffer_error(&path) < 0)
			report->error = buffer_error(&path);
		else
			read_file(buffer_string(&path), report, ret);
		free(entries[i]);
	}
	free(entries);
}

void config_text_read(const char *path, struct config_report *report, struct config_text *ret)
{
	BUFFER_AUTO parts = BUFFER_INIT(8192);

	*ret = (struct config_text){ 0 };
	buffer_format(&parts, "%s.d", path);
	read_file(path, report, ret);
	if (buffer_error(&parts) < 0)
		report->error = buffer_error(&parts);
	else
		read_parts(buffer_string(&parts), report, ret);
}

bool config_check_outside(struct config_report *r, const char *file, int line, const char *key,
			  const char *path)
{
	if (!r->mountpoint || path[0] != '/' || !path_leads_inside(path, r->mountpoint))
		return true;
	config_mistake(r, file, line,
		       "%s: %.200s is inside the mount, which would wait for itself: name a file "
		       "outside of it",
		       key, path);
	return false;
}
