/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "config_access.h"
#include "config_common.h"
#include "config_file.h"
#include "config_secret.h"
#include "name.h"

#define MOUNT_SECTION "tokenfs"
#define FIRST_SLOT "access_token"
#define HASH_SIZE 32

static struct config_slot *slot_free(struct config_slot *s)
{
	if (s) {
		free(s->name);
		settings_free(s->wish);
	}
	free(s);
	return NULL;
}

static void slot_cleanup(struct config_slot **s)
{
	slot_free(*s);
}
#define SLOT_AUTO __attribute__((cleanup(slot_cleanup))) struct config_slot

static void source_free(struct secret_source *s)
{
	if (s)
		free(s->where);
	free(s);
}

static struct config_provider *provider_free(struct config_provider *p)
{
	if (!p)
		return NULL;
	for (struct secret_source *s = p->secrets, *next; s; s = next) {
		next = s->next;
		source_free(s);
	}
	for (struct config_slot *s = p->slots, *next; s; s = next) {
		next = s->next;
		slot_free(s);
	}
	settings_free(p->settings);
	settings_free(p->common);
	free(p->name);
	free(p);
	return NULL;
}

struct config *config_free(struct config *c)
{
	if (!c)
		return NULL;
	for (struct config_provider *p = c->providers, *next; p; p = next) {
		next = p->next;
		provider_free(p);
	}
	settings_free(c->mount);
	config_file_free(c->files);
	free(c);
	return NULL;
}

static void config_cleanup(struct config **c)
{
	config_free(*c);
}
#define CONFIG_AUTO __attribute__((cleanup(config_cleanup))) struct config
#define CONFIG_TEXT_AUTO __attribute__((cleanup(config_text_finish))) struct config_text

static size_t count_fields(const struct field *fields)
{
	size_t n = 0;

	while (fields && fields[n].key)
		n++;
	return n;
}

/* A sentence about a key that neither table knows, with the nearest of both. */
static void report_unknown(const struct config_section *section, const struct config_entry *e,
			   const struct field *first, const struct field *second,
			   struct config_report *report)
{
	size_t a = count_fields(first), b = count_fields(second);
	struct field *both = calloc(a + b + 1, sizeof(*both));
	SETTINGS_AUTO *known = NULL;
	struct sentence why = { "is not a known key" };

	if (both && first)
		memcpy(both, first, a * sizeof(*both));
	if (both && second)
		memcpy(both + a, second, b * sizeof(*both));
	if (!both || settings_new(both, &known) < 0)
		report->error = -ENOMEM;
	else
		settings_set(known, e->key, e->value, &why);
	config_mistake(report, section->file, e->line, "%.64s %s", e->key, why.text);
	known = settings_free(known);
	free(both);
}

static void set_value(const struct config_section *section, const struct config_entry *e,
		      struct settings *s, struct config_report *report)
{
	struct sentence why = { "" };
	int r = settings_set(s, e->key, e->value, &why);

	if (r == -ENOMEM)
		report->error = r;
	else if (r < 0)
		config_mistake(report, section->file, e->line, "%s", why.text);
}

static void read_mount(const struct config_section *section, struct config *c,
		       struct config_report *report)
{
	for (const struct config_entry *e = section->entries; e; e = e->next) {
		if (field_find(config_mount_fields, e->key))
			set_value(section, e, c->mount, report);
		else
			report_unknown(section, e, config_mount_fields, NULL, report);
	}
	config_common_check(section, c->mount, report);
}

static void list_types(struct buffer *out)
{
	for (const struct provider_type *const *t = provider_types(); *t; t++)
		buffer_format(out, "%s%s", out->len ? ", " : "", (*t)->name);
}

static const struct provider_type *read_type(const struct config_section *section,
					     struct config_report *report)
{
	const struct provider_type *type = NULL;
	const struct config_entry *e = section->entries;
	BUFFER_AUTO types = BUFFER_INIT(LIMIT_SENTENCE);

	while (e && strcmp(e->key, "type") != 0)
		e = e->next;
	if (e)
		type = provider_type_find(e->value);
	list_types(&types);
	if (!e)
		config_mistake(report, section->file, section->line,
			       "[%.64s] has no type; the types are %s", section->name,
			       buffer_string(&types));
	else if (!type)
		config_mistake(report, section->file, e->line,
			       "there is no type %.64s; the types are %s", e->value,
			       buffer_string(&types));
	return type;
}

static void add_source(const struct config_section *section, const struct config_entry *e,
		       const struct field *field, enum secret_place place,
		       struct config_provider *p, struct config_report *report)
{
	struct secret_source **last = &p->secrets;
	struct secret_source *s;

	for (; *last; last = &(*last)->next) {
		if ((*last)->key != field->key)
			continue;
		config_mistake(report, section->file, e->line, "%s is given twice: keep one source",
			       field->key);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (s)
		s->where = strdup(e->value);
	if (!s || !s->where) {
		source_free(s);
		report->error = -ENOMEM;
		return;
	}
	s->key = field->key;
	s->place = place;
	*last = s;
	settings_expect_secret(p->settings, field->key);
	config_secret_check(section, e, place, report);
}

/* A key of the table by that very name comes before KEY-file and the like of a secret. */
static void read_provider_entry(const struct config_section *section, const struct config_entry *e,
				struct config_provider *p, struct config_report *report)
{
	const struct field *field = field_find(p->type->fields, e->key);
	enum secret_place place;

	if (field) {
		set_value(section, e, p->settings, report);
		/* refused; that it is missing is no second mistake */
		if (field->kind == FIELD_SECRET && !settings_has(p->settings, field->key))
			settings_expect_secret(p->settings, field->key);
	} else if (config_secret_key(p->type->fields, e->key, &field, &place)) {
		add_source(section, e, field, place, p, report);
	} else if (field_find(config_common_fields, e->key)) {
		set_value(section, e, p->common, report);
	} else {
		report_unknown(section, e, p->type->fields, config_common_fields, report);
	}
}

static bool mentions(const struct config_section *section, const char *key)
{
	for (const struct config_entry *e = section->entries; e; e = e->next)
		if (strcmp(e->key, key) == 0)
			return true;
	return false;
}

/* Every key that is missing, not only the first; one whose value was refused is not missing. */
static void check_required(const struct config_section *section, const struct settings *s,
			   struct config_report *report)
{
	for (const struct field *f = settings_fields(s); f && f->key; f++) {
		if (!(f->flags & FIELD_REQUIRED) || f->fallback || settings_has(s, f->key) ||
		    mentions(section, f->key))
			continue;
		if (f->kind == FIELD_SECRET)
			config_mistake(
				report, section->file, section->line,
				"[%.64s] has no %s: give %s-file, %s-command or %s-credential",
				section->name, f->key, f->key, f->key, f->key);
		else
			config_mistake(report, section->file, section->line,
				       "[%.64s] has no %s: %s", section->name, f->key, f->help);
	}
}

static void read_access(const struct config_section *section, const struct settings *s,
			struct access *access, struct config_report *report)
{
	struct sentence why;

	for (const struct field *f = config_access_fields; f->key; f++)
		if (config_access_read(s, f->key, access, &why) < 0)
			config_mistake(report, section->file, config_section_line(section, f->key),
				       "%s", why.text);
}

/* The host's name is an input of providers, which cannot ask for it. */
static void resolve_hostname(struct settings *s, struct config_report *report)
{
	char host[256] = "localhost";

	if (gethostname(host, sizeof(host) - 1) < 0 || !*host)
		strncpy(host, "localhost", sizeof(host) - 1);
	for (const struct field *f = settings_fields(s); f && f->key; f++)
		if (f->fallback && strcmp(f->fallback, "$HOSTNAME") == 0 &&
		    !settings_has(s, f->key) && settings_set(s, f->key, host, NULL) < 0)
			report->error = -ENOMEM;
}

/* Whose account it is; also the mark of a provider without mistakes. */
static void set_identity(struct config_provider *p, struct config_report *report)
{
	BUFFER_AUTO account = BUFFER_INIT(LIMIT_REQUEST);
	unsigned char hash[HASH_SIZE];

	buffer_format(&account, "type=%s\n", p->type->name);
	settings_identity(p->settings, &account);
	if (buffer_error(&account) < 0 || sodium_init() < 0) {
		report->error = -ENOMEM;
		return;
	}
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)buffer_string(&account),
			   account.len, NULL, 0);
	sodium_bin2hex(p->identity, sizeof(p->identity), hash, sizeof(hash));
}

/* What one key alone cannot show; asked only when each alone is right. */
static void check_whole(const struct config_section *section, struct config_provider *p,
			struct config_report *report)
{
	struct sentence why = { "" };
	int r = settings_check(p->settings, &why);

	if (r == 0 && p->type->check)
		r = p->type->check(p->settings, &why);
	if (r == -ENOMEM)
		report->error = r;
	else if (r < 0)
		config_mistake(report, section->file, section->line, "[%.64s]: %s", section->name,
			       why.text);
	else
		set_identity(p, report);
}

static void read_provider_keys(const struct config_section *section, struct config_provider *p,
			       struct config_report *report)
{
	unsigned int before = report->mistakes;

	for (const struct config_entry *e = section->entries; e; e = e->next)
		read_provider_entry(section, e, p, report);
	p->access = config_access_default();
	read_access(section, p->common, &p->access, report);
	config_common_check(section, p->common, report);
	resolve_hostname(p->settings, report);
	check_required(section, p->settings, report);
	if (report->mistakes == before && report->error == 0)
		check_whole(section, p, report);
}

static struct config_provider *add_provider(struct config *c, const struct config_section *section)
{
	struct config_provider **last = &c->providers;
	struct config_provider *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->name = strdup(section->name);
	p->file = section->file;
	p->line = section->line;
	if (!p->name)
		return provider_free(p);
	while (*last)
		last = &(*last)->next;
	*last = p;
	return p;
}

/* One without a known type stays, so that its slots are not said to lack their provider. */
static void read_provider(const struct config_section *section, struct config *c,
			  struct config_report *report)
{
	struct config_provider *p;
	struct sentence why;

	if (name_check(section->name, strlen(section->name), &why) < 0)
		config_mistake(report, section->file, section->line, "%s", why.text);
	p = add_provider(c, section);
	if (!p || settings_new(config_common_fields, &p->common) < 0) {
		report->error = -ENOMEM;
		return;
	}
	p->type = read_type(section, report);
	if (!p->type)
		return;
	if (settings_new(p->type->fields, &p->settings) < 0)
		report->error = -ENOMEM;
	else
		read_provider_keys(section, p, report);
}

static void read_slot_entries(const struct config_section *section, struct config_provider *p,
			      struct config_slot *slot, struct config_report *report)
{
	SETTINGS_AUTO *access = NULL;

	if (settings_new(config_access_fields, &access) < 0) {
		report->error = -ENOMEM;
		return;
	}
	for (const struct config_entry *e = section->entries; e; e = e->next) {
		if (field_find(p->type->slot_fields, e->key))
			set_value(section, e, slot->wish, report);
		else if (field_find(config_access_fields, e->key))
			set_value(section, e, access, report);
		else
			report_unknown(section, e, p->type->slot_fields, config_access_fields,
				       report);
	}
	slot->access = p->access;
	read_access(section, access, &slot->access, report);
	check_required(section, slot->wish, report);
}

static void check_wish(const struct config_section *section, const struct config_provider *p,
		       const struct config_slot *slot, struct config_report *report)
{
	struct sentence why = { "" };
	int r = settings_check(slot->wish, &why);

	if (r == 0 && p->type->check_wish)
		r = p->type->check_wish(p->settings, slot->wish, &why);
	if (r == -ENOMEM)
		report->error = r;
	else if (r < 0)
		config_mistake(report, section->file, section->line, "[%.128s]: %s", section->name,
			       why.text);
}

static void add_slot(const struct config_section *section, const char *name,
		     struct config_provider *p, struct config_report *report)
{
	static const struct field none[] = { { 0 } };
	const struct field *fields = p->type->slot_fields ? p->type->slot_fields : none;
	unsigned int before = report->mistakes;
	SLOT_AUTO *slot = calloc(1, sizeof(*slot));

	if (slot)
		slot->name = strdup(name);
	if (!slot || !slot->name || settings_new(fields, &slot->wish) < 0) {
		report->error = -ENOMEM;
		return;
	}
	read_slot_entries(section, p, slot, report);
	if (report->mistakes == before && report->error == 0 && p->identity[0])
		check_wish(section, p, slot, report);
	*(p->last_slot ? &p->last_slot->next : &p->slots) = slot;
	p->last_slot = slot;
	slot = NULL;
}

static struct config_provider *find_provider(const struct config *c, const char *name, size_t len)
{
	for (struct config_provider *p = c->providers; p; p = p->next)
		if (strlen(p->name) == len && memcmp(p->name, name, len) == 0)
			return p;
	return NULL;
}

static void read_slot(const struct config_section *section, struct config *c,
		      struct config_report *report)
{
	size_t len = strcspn(section->name, "/");
	const char *name = section->name + len + 1;
	struct config_provider *p = find_provider(c, section->name, len);
	struct sentence why;

	if (len == strlen(MOUNT_SECTION) && memcmp(section->name, MOUNT_SECTION, len) == 0)
		config_mistake(report, section->file, section->line,
			       "[tokenfs] is the mount and has no tokens");
	else if (!p)
		config_mistake(report, section->file, section->line,
			       "[%.128s] is a token of a provider, but there is no [%.*s]",
			       section->name, (int)(len > 64 ? 64 : len), section->name);
	else if (name_check(name, strlen(name), &why) < 0)
		config_mistake(report, section->file, section->line, "%s", why.text);
	else if (p->type && p->type->undeclared)
		config_mistake(report, section->file, section->line,
			       "a token of type %s is not declared but written: put its keys as "
			       "JSON into the file %.128s of the mount",
			       p->type->name, section->name);
	else if (p->type && !p->type->slot_fields && strcmp(name, FIRST_SLOT) != 0)
		config_mistake(
			report, section->file, section->line,
			"a provider of type %s has one token, access_token: no further one can "
			"be declared",
			p->type->name);
	else if (p->type && p->settings)
		add_slot(section, name, p, report);
}

/* A key that names a token of this mount: who has it may stand anywhere, but must be there. */
static void check_references(const struct config_section *section, const struct config *c,
			     struct config_report *report)
{
	const struct config_provider *p = find_provider(c, section->name, strlen(section->name));

	if (!p || !p->settings)
		return;
	for (const struct field *f = p->type->fields; f && f->key; f++) {
		const char *path = f->flags & FIELD_OR_SLOT ? settings_text(p->settings, f->key) : NULL;
		size_t len = path ? strcspn(path, "/") : 0;

		if (path && !find_provider(c, path, len))
			config_mistake(report, section->file, config_section_line(section, f->key),
				       "%s = %.128s, but there is no [%.*s]", f->key, path,
				       (int)(len > 64 ? 64 : len), path);
	}
}

/* Slots after all providers: a part may declare one for a provider that stands in a later one. */
static void read_sections(const struct config_text *text, struct config *c,
			  struct config_report *report)
{
	for (const struct config_section *s = text->sections; s; s = s->next) {
		if (strcmp(s->name, MOUNT_SECTION) == 0)
			read_mount(s, c, report);
		else if (!strchr(s->name, '/'))
			read_provider(s, c, report);
	}
	for (const struct config_section *s = text->sections; s; s = s->next)
		if (strchr(s->name, '/'))
			read_slot(s, c, report);
		else
			check_references(s, c, report);
}

/* What serves when nothing is configured: a first try needs no server and no account. */
static void add_local(const char *path, struct config *c, struct config_report *report)
{
	struct config_file *file = config_file_add(&c->files, path, report);
	char key[] = "type", value[] = "local", name[] = "local";
	struct config_entry type = { .key = key, .value = value };
	struct config_section section = { .name = name, .entries = &type };

	if (!file)
		return;
	section.file = file->name;
	read_provider(&section, c, report);
}

static int load(const char *path, bool named, struct config *c, struct config_report *report)
{
	CONFIG_TEXT_AUTO text = { 0 };

	config_text_read(path, report, &text);
	if (named && (!text.files || strcmp(text.files->name, path) != 0)) {
		config_mistake(report, path, 0, "there is no such file");
		return -ENOENT;
	}
	if (text.files) {
		read_sections(&text, c, report);
		c->files = text.files; /* which providers go on borrowing from */
		text.files = NULL;
	} else {
		add_local(path, c, report);
	}
	if (report->error < 0)
		return report->error;
	return report->mistakes > 0 ? -EINVAL : 0;
}

int config_load(const char *path, const char *mountpoint, struct buffer *mistakes,
		struct config **ret)
{
	struct config_report report = { .lines = mistakes, .mountpoint = mountpoint };
	BUFFER_AUTO place = BUFFER_INIT(8192);
	CONFIG_AUTO *c = calloc(1, sizeof(*c));
	int r;

	if (!c || settings_new(config_mount_fields, &c->mount) < 0)
		return -ENOMEM;
	if (path)
		buffer_text(&place, path);
	else
		config_default_path(&place);
	r = buffer_error(&place);
	if (r == 0)
		r = load(buffer_string(&place), path != NULL, c, &report);
	if (r < 0)
		return r;
	*ret = c;
	c = NULL;
	return 0;
}
