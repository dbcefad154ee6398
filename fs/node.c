/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "policy.h"
#include "render.h"

/* The bytes behind a generation's number never change; permissions do, at a reload only. */
#define ATTR_LONG_MS 3600000

/* A document arrives whole in one write(2) of this size, and stdio does not split it before. */
#define BLOCK_SIZE LIMIT_DOCUMENT

static void stat_file(struct node *n, mode_t mode, const struct access *access, size_t size)
{
	n->attr.st_mode = S_IFREG | mode;
	n->attr.st_nlink = 1;
	n->attr.st_uid = access->uid;
	n->attr.st_gid = access->gid;
	n->attr.st_size = (off_t)size;
	n->attr.st_blocks = (blkcnt_t)((size + 511) / 512);
	n->attr.st_blksize = BLOCK_SIZE;
}

static void stat_directory(struct node *n, mode_t mode, const struct access *access)
{
	stat_file(n, 0, access, 0);
	n->attr.st_mode = S_IFDIR | mode;
	n->attr.st_nlink = 2;
	n->attr_ms = ATTR_LONG_MS;
}

static void stat_times(struct node *n, int64_t wall_ms)
{
	n->attr.st_mtim.tv_sec = wall_ms / 1000;
	n->attr.st_mtim.tv_nsec = wall_ms % 1000 * 1000000;
	n->attr.st_atim = n->attr.st_ctim = n->attr.st_mtim;
}

/* Who mounted: the root and what belongs to no provider is his. */
static struct access mounter(void)
{
	return (struct access){ .uid = geteuid(), .gid = getegid(), .mode = 0600 };
}

static int root_node(const struct tree *t, struct node *n)
{
	struct access access = mounter();

	switch ((enum root_file)n->inode.generation) {
	case ROOT_DIRECTORY:
		stat_directory(n, 0755, &access);
		break;
	case ROOT_STATUS:
	case ROOT_METRICS:
		stat_file(n, 0444, &access, 0);
		break;
	case ROOT_CONTROL:
		stat_file(n, 0600, &access, 0);
		break;
	default: /* a number, not a value of ours */
		return -ESTALE;
	}
	stat_times(n, t->changed_wall_ms);
	n->entry_ms = ATTR_LONG_MS;
	return 0;
}

/* r bits bring their x bits: 0600 is 0700, 0440 is 0550. */
static mode_t directory_mode(mode_t mode)
{
	return mode | (mode & 0444) >> 2;
}

static int directory_node(const struct tree *t, struct node *n)
{
	const struct directory *d = tree_directory_by_id(t, n->inode.id);
	const struct access *access;

	if (!d)
		return -ESTALE;
	access = &d->account.config->access;
	switch ((enum directory_file)n->inode.generation) {
	case DIRECTORY_SELF:
		stat_directory(n, directory_mode(access->mode), access);
		break;
	case DIRECTORY_META:
	case DIRECTORY_HEADERS:
	case DIRECTORY_ENV:
		stat_directory(n, directory_mode(access->mode) & (mode_t)~0222, access);
		break;
	case DIRECTORY_STATUS:
		stat_file(n, 0444, access, 0);
		break;
	case DIRECTORY_DOCUMENT:
		if (!d->account.config->type->document)
			return -ESTALE;
		stat_file(n, 0444, access, 0);
		break;
	case DIRECTORY_LOGIN:
		if (!directory_needs_person(d))
			return -ESTALE;
		stat_file(n, access->mode, access, 0); /* as a token: a login is begun with it */
		break;
	default:
		return -ESTALE;
	}
	stat_times(n, d->changed_wall_ms);
	n->entry_ms = ATTR_LONG_MS;
	return 0;
}

struct slot *node_slot(const struct tree *t, struct inode inode)
{
	struct slot *s;

	if (!facet_is_of_token(inode.facet) && inode.facet != FACET_META &&
	    inode.facet != FACET_DRAFT)
		return NULL;
	s = tree_slot_by_id(t, inode.id);
	return s && !s->directory->hidden ? s : NULL;
}

static int token_size(const struct slot *s, const struct generation *g, enum facet facet,
		      size_t *ret)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_RENDER);
	int r;

	if (facet == FACET_VALUE) {
		*ret = token_len(g->token) +
		       settings_yes(s->directory->account.config->common, "newline");
		return 0;
	}
	r = render_token(s, g, facet, &text);
	*ret = text.len;
	return r;
}

/* Its own generation, or (cold, or long over) the one that the number shows instead. */
static int token_node(const struct tree *t, struct node *n)
{
	const struct slot *s = node_slot(t, n->inode);
	const struct generation *g = s ? slot_generation(s, n->inode.generation) : NULL;
	size_t size = 0;
	int r = 0;

	if (!s)
		return -ESTALE;
	n->attr_ms = g && !g->followed ? ATTR_LONG_MS : 0;
	if (!n->attr_ms && slot_followed(s))
		g = slot_followed(s);
	if (g)
		r = token_size(s, g, n->inode.facet, &size);
	else if (n->inode.facet == FACET_VALUE)
		size = s->size; /* a hint for `ls -l` and `test -s`; no reader gets to use it */
	stat_file(n, s->access.mode, &s->access, size);
	stat_times(n, g ? g->changed_wall_ms : s->directory->changed_wall_ms);
	return r;
}

static int draft_node(const struct tree *t, struct node *n)
{
	const struct slot *s = node_slot(t, n->inode);
	const struct draft *draft;

	if (n->inode.facet == FACET_DRAFT && s) {
		stat_file(n, s->access.mode, &s->access, 0);
		return 0;
	}
	draft = n->inode.facet == FACET_NEW ? tree_draft(t, n->inode.id) : NULL;
	if (!draft)
		return -ESTALE;
	stat_file(n, draft->access.mode, &draft->access, 0);
	return 0;
}

int node_of(const struct tree *t, uint64_t number, struct node *ret)
{
	struct node n = { .inode = inode_of(number), .attr.st_ino = number };
	const struct slot *s;
	int r = -ESTALE;

	switch (n.inode.facet) {
	case FACET_ROOT:
		r = root_node(t, &n);
		break;
	case FACET_DIRECTORY:
		r = directory_node(t, &n);
		break;
	case FACET_VALUE:
	case FACET_HEADERS:
	case FACET_ENV:
		r = token_node(t, &n);
		break;
	case FACET_META:
		s = node_slot(t, n.inode);
		if (!s)
			break;
		stat_file(&n, 0444, &s->access, 0);
		stat_times(&n, s->directory->changed_wall_ms);
		r = 0;
		break;
	case FACET_DRAFT:
	case FACET_NEW:
		r = draft_node(t, &n);
		break;
	}
	if (!r)
		*ret = n;
	return r;
}

void node_removed(const struct tree *t, uint64_t number, struct node *ret)
{
	const struct access access = mounter();

	if (node_of(t, number, ret)) {
		/* Not the number that somebody may have open: its size would cut him off. */
		number = inode_number(FACET_VALUE, inode_of(number).id, 0);
		*ret = (struct node){ .inode = inode_of(number), .attr.st_ino = number };
		stat_file(ret, access.mode, &access, 0);
	}
	ret->attr_ms = ret->entry_ms = 0;
}

/* --- names ------------------------------------------------------------------------------------- */

static const char *const root_names[] = { [ROOT_STATUS] = ".status",
					  [ROOT_METRICS] = ".metrics",
					  [ROOT_CONTROL] = ".control" };

static const char *const directory_names[] = { [DIRECTORY_META] = ".meta",
					       [DIRECTORY_HEADERS] = ".headers",
					       [DIRECTORY_ENV] = ".env",
					       [DIRECTORY_STATUS] = ".status" };

#define LOGIN_NAME ".login"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static uint32_t name_index(const char *const *names, size_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (names[i] && !strcmp(names[i], name))
			return i;
	return 0;
}

static int lookup_root(const struct tree *t, const char *name, uint64_t *ret)
{
	const struct directory *d;
	uint32_t file = name_index(root_names, LENGTH(root_names), name);

	if (file) {
		*ret = inode_number(FACET_ROOT, 0, file);
		return 0;
	}
	d = tree_directory(t, name);
	if (!d)
		return -ENOENT;
	*ret = inode_number(FACET_DIRECTORY, d->id, DIRECTORY_SELF);
	return 0;
}

static int lookup_slot(const struct directory *d, enum facet facet, const char *name,
		       struct node *n, uint64_t *ret)
{
	const struct slot *s = directory_slot(d, name);

	if (!s)
		return -ENOENT;
	if (facet == FACET_META) {
		/* Not for long: after an rm the same name may be another slot. */
		*ret = inode_number(facet, s->id, 0);
		return 0;
	}
	n->entry_ms = slot_name_ms(s);
	*ret = inode_number(facet, s->id, slot_alive(s) ? s->generation : 0);
	return 0;
}

static int lookup_directory(const struct directory *d, const char *name, struct node *n,
			    uint64_t *ret)
{
	const char *document = d->account.config->type->document;
	uint32_t file = name_index(directory_names, LENGTH(directory_names), name);

	if (!file && document && !strcmp(name, document))
		file = DIRECTORY_DOCUMENT;
	if (!file && !strcmp(name, LOGIN_NAME) && directory_needs_person(d))
		file = DIRECTORY_LOGIN;
	if (!file)
		return lookup_slot(d, FACET_VALUE, name, n, ret);
	*ret = inode_number(FACET_DIRECTORY, d->id, file);
	return 0;
}

int node_lookup(const struct tree *t, uint64_t parent, const char *name, struct node *ret)
{
	struct inode in = inode_of(parent);
	const struct directory *d;
	struct node n = { 0 }, found;
	uint64_t number = 0;
	int r = -ENOTDIR;

	if (in.facet == FACET_ROOT && in.generation == ROOT_DIRECTORY) {
		r = lookup_root(t, name, &number);
	} else if (in.facet == FACET_DIRECTORY) {
		d = tree_directory_by_id(t, in.id);
		if (!d)
			return -ESTALE;
		if (in.generation == DIRECTORY_SELF)
			r = lookup_directory(d, name, &n, &number);
		else if (in.generation == DIRECTORY_META)
			r = lookup_slot(d, FACET_META, name, &n, &number);
		else if (in.generation == DIRECTORY_HEADERS)
			r = lookup_slot(d, FACET_HEADERS, name, &n, &number);
		else if (in.generation == DIRECTORY_ENV)
			r = lookup_slot(d, FACET_ENV, name, &n, &number);
	}
	if (!r)
		r = node_of(t, number, &found);
	if (r)
		return r;
	if (n.entry_ms)
		found.entry_ms = n.entry_ms;
	*ret = found;
	return 0;
}

/* --- listings ---------------------------------------------------------------------------------- */

/*
 * Where a listing goes on is a number of its own, so that it survives a restart of the worker and
 * changes meanwhile: first the files of the directory, then the slots (or providers) by id.
 */
#define LIST_FILES 16u

static bool list_files(const char *const *names, size_t n, enum facet facet, uint32_t id,
		       uint64_t *from, struct node_entry *ret)
{
	for (; *from < n; ++*from) {
		uint32_t file = (uint32_t)*from;

		if (!names[file])
			continue;
		*ret = (struct node_entry){ .name = names[file],
					    .number = inode_number(facet, id, file),
					    .type = facet == FACET_DIRECTORY && file <= DIRECTORY_ENV
							    ? S_IFDIR
							    : S_IFREG,
					    .at = *from + 1 };
		return true;
	}
	return false;
}

static bool list_root(const struct tree *t, uint64_t from, struct node_entry *ret)
{
	const struct directory *next = NULL;

	if (list_files(root_names, LENGTH(root_names), FACET_ROOT, 0, &from, ret))
		return true;
	from = from < LIST_FILES ? LIST_FILES : from;
	for (const struct directory *d = t->directories; d; d = d->next)
		if (!d->hidden && d->id + LIST_FILES >= from && (!next || d->id < next->id))
			next = d;
	if (!next)
		return false;
	*ret = (struct node_entry){ .name = next->name,
				    .number = inode_number(FACET_DIRECTORY, next->id, 0),
				    .type = S_IFDIR,
				    .at = (uint64_t)next->id + LIST_FILES + 1 };
	return true;
}

static bool list_slots(const struct directory *d, enum facet facet, uint64_t from,
		       struct node_entry *ret)
{
	uint64_t id = from < LIST_FILES ? 0 : from - LIST_FILES;
	const struct slot *s = id > INODE_ID_MAX ? NULL : directory_slot_from(d, (uint32_t)id);

	if (!s)
		return false;
	*ret = (struct node_entry){ .name = s->name,
				    .number = inode_number(facet, s->id,
							   slot_alive(s) ? s->generation : 0),
				    .type = S_IFREG,
				    .at = (uint64_t)s->id + LIST_FILES + 1 };
	return true;
}

static bool list_directory(const struct directory *d, uint64_t from, struct node_entry *ret)
{
	const char *document = d->account.config->type->document;

	if (list_files(directory_names, LENGTH(directory_names), FACET_DIRECTORY, d->id, &from,
		       ret))
		return true;
	if (document && from <= DIRECTORY_DOCUMENT) {
		*ret = (struct node_entry){ .name = document,
					    .number = inode_number(FACET_DIRECTORY, d->id,
								   DIRECTORY_DOCUMENT),
					    .type = S_IFREG,
					    .at = DIRECTORY_DOCUMENT + 1 };
		return true;
	}
	if (from <= DIRECTORY_LOGIN && directory_needs_person(d)) {
		*ret = (struct node_entry){ .name = LOGIN_NAME,
					    .number = inode_number(FACET_DIRECTORY, d->id,
								   DIRECTORY_LOGIN),
					    .type = S_IFREG,
					    .at = DIRECTORY_LOGIN + 1 };
		return true;
	}
	return list_slots(d, FACET_VALUE, from, ret);
}

bool node_list(const struct tree *t, uint64_t directory, uint64_t from, struct node_entry *ret)
{
	struct inode in = inode_of(directory);
	const struct directory *d;

	if (in.facet == FACET_ROOT)
		return list_root(t, from, ret);
	d = in.facet == FACET_DIRECTORY ? tree_directory_by_id(t, in.id) : NULL;
	if (!d)
		return false;
	switch ((enum directory_file)in.generation) {
	case DIRECTORY_SELF:
		return list_directory(d, from, ret);
	case DIRECTORY_META:
		return list_slots(d, FACET_META, from, ret);
	case DIRECTORY_HEADERS:
		return list_slots(d, FACET_HEADERS, from, ret);
	case DIRECTORY_ENV:
		return list_slots(d, FACET_ENV, from, ret);
	case DIRECTORY_STATUS:
	case DIRECTORY_DOCUMENT:
	case DIRECTORY_LOGIN:
		break;
	}
	return false;
}
