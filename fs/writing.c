/* SPDX-License-Identifier: Apache-2.0 */
#include "writing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "log.h"
#include "name.h"
#include "node.h"
#include "transaction.h"
#include "unregister.h"
#include "waiting.h"

/* A write under way. */
struct change {
	struct waiting waiting;
	struct transaction *transaction;
	struct mount *mount;
	size_t len;     /* of the document */
	uint32_t draft; /* of a new name that it was written to; 0: none */
	bool over;
	int error;
};

/* --- transactions ------------------------------------------------------------------------------ */

static void reply(fuse_req_t req, int error, size_t len)
{
	if (error)
		fuse_reply_err(req, -error);
	else
		fuse_reply_write(req, len);
}

static struct stored_draft draft_row(const struct draft *d)
{
	return (struct stored_draft){ .id = d->id,
				      .directory = d->directory->id,
				      .name = d->name,
				      .exclusive = d->exclusive,
				      .uid = d->access.uid,
				      .gid = d->access.gid,
				      .mode = d->access.mode };
}

/* O_EXCL has had its effect: what else is written through the descriptor is an update. */
static void draft_has_become(struct mount *m, uint32_t id)
{
	struct draft *d = tree_draft(m->tree, id);
	struct stored_draft row;
	struct store_change *c;

	if (!d || !d->exclusive)
		return;
	d->exclusive = false;
	row = draft_row(d);
	c = store_begin_unsynced(m->engine->store);
	store_put_draft(c, &row);
	store_commit(c, NULL, NULL);
}

static void on_done(void *ctx, int error)
{
	struct change *c = ctx;
	size_t len = c->len;

	c->over = true;
	c->error = error;
	if (!error && c->draft)
		draft_has_become(c->mount, c->draft);
	if (c->waiting.mount)
		reply(waiting_end(&c->waiting), error, len);
}

static bool withdraw(struct waiting *w)
{
	struct change *c = (struct change *)(void *)w;

	return c->transaction && transaction_withdraw(c->transaction);
}

/* After the transaction was begun: it is over already, or is waited for. */
static void await(struct mount *m, fuse_req_t req, struct change *c)
{
	if (c->over) {
		reply(req, c->error, c->len);
		free(c);
		return;
	}
	waiting_begin(&c->waiting, m, req, withdraw);
}

static struct change *change_new(struct mount *m, fuse_req_t req, size_t len)
{
	struct change *c = calloc(1, sizeof *c);

	if (!c) {
		fuse_reply_err(req, ENOMEM);
		return NULL;
	}
	c->mount = m;
	c->len = len;
	return c;
}

/* --- opening for writing ----------------------------------------------------------------------- */

static bool takes_documents(const struct directory *d)
{
	const struct provider_type *type = d->account.config->type;

	return type->slot_fields || type->imports || type->imports_refresh;
}

static void reply_draft(fuse_req_t req, struct fuse_file_info *fi)
{
	fi->direct_io = 1;
	fi->noflush = 1;
	fi->nonseekable = 1;
	fuse_reply_open(req, fi);
}

/* The first OPEN of a token's own number: the thread is to come back by the name. */
static void send_back(struct mount *m, fuse_req_t req, struct inode in)
{
	const struct slot *s = node_slot(m->tree, in);

	if (!s || !slot_is_visible(s)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	if (!takes_documents(s->directory)) {
		fuse_reply_err(req, ENOTSUP);
		return;
	}
	redirect_note(m->redirects, fuse_req_ctx(req)->pid, s->id, REDIRECT_WRITE,
		      loop_now(m->engine->loop));
	fuse_reply_err(req, ESTALE);
}

void writing_begin(struct mount *m, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode in = inode_of(ino);

	if ((fi->flags & O_ACCMODE) != O_WRONLY) {
		/* A token is read, or a document is written: never both through one descriptor. */
		fuse_reply_err(req, EINVAL);
	} else if (in.facet == FACET_VALUE) {
		send_back(m, req, in);
	} else if (in.facet == FACET_DRAFT) {
		redirect_clear(m->redirects, fuse_req_ctx(req)->pid, in.id, REDIRECT_WRITE);
		reply_draft(req, fi);
	} else if (in.facet == FACET_NEW ||
		   (in.facet == FACET_ROOT && in.generation == ROOT_CONTROL)) {
		reply_draft(req, fi);
	} else {
		fuse_reply_err(req, EACCES);
	}
}

uint64_t writing_redirected(struct mount *m, pid_t tid, fuse_ino_t parent, const char *name)
{
	struct inode in = inode_of(parent);
	const struct redirect *mark;
	const struct directory *d;
	const struct slot *s;

	if (!m->redirects->n || in.facet != FACET_DIRECTORY || in.generation != DIRECTORY_SELF)
		return 0;
	d = tree_directory_by_id(m->tree, in.id);
	s = d ? directory_slot(d, name) : NULL;
	if (!s)
		return 0;
	mark = redirect_find(m->redirects, tid, s->id, REDIRECT_WRITE, loop_now(m->engine->loop));
	return mark ? inode_number(FACET_DRAFT, s->id, mark->draft) : 0;
}

/* --- creating ---------------------------------------------------------------------------------- */

/* A CREATE whose draft is on its way to the disk. */
struct creation {
	struct mount *mount;
	fuse_req_t req;
	struct draft *draft;
	struct fuse_file_info fi;
};

static void on_draft_stored(void *ctx, int error)
{
	struct creation *c = ctx;
	struct fuse_entry_param entry = { .generation = 1 };
	struct node n;

	if (!error)
		error = node_of(c->mount->tree, inode_number(FACET_NEW, c->draft->id, 0), &n);
	if (error) {
		tree_drop_draft(c->mount->tree, c->draft);
		fuse_reply_err(c->req, -error);
	} else {
		entry.ino = n.attr.st_ino;
		entry.attr = n.attr;
		c->fi.direct_io = 1;
		c->fi.noflush = 1;
		c->fi.nonseekable = 1;
		fuse_reply_create(c->req, &entry, &c->fi);
	}
	free(c);
}

static int store_draft(struct creation *c)
{
	struct stored_draft row = draft_row(c->draft);
	struct store_change *change = store_begin_unsynced(c->mount->engine->store);

	store_put_draft(change, &row);
	store_commit(change, on_draft_stored, c);
	return 0;
}

static int add_draft(struct mount *m, fuse_req_t req, struct directory *d, const char *name,
		     const struct fuse_file_info *fi)
{
	const struct fuse_ctx *who = fuse_req_ctx(req);
	struct creation *c = calloc(1, sizeof *c);
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct creation){ .mount = m, .req = req, .fi = *fi };
	r = tree_add_draft(m->tree, store_new_id(m->engine->store, STORE_DRAFT), d, name, &c->draft);
	if (r) {
		free(c);
		return r;
	}
	c->draft->exclusive = (fi->flags & O_EXCL) != 0;
	/* What somebody creates belongs to him; the caller's umask does not open it to others. */
	c->draft->access = (struct access){ .uid = who->uid,
					    .gid = who->gid,
					    .mode = d->account.config->access.mode };
	return store_draft(c);
}

static int check_creation(const struct directory *d, const char *name, const struct fuse_file_info *fi)
{
	struct sentence why;
	int r = name_check(name, strlen(name), &why);

	if (r)
		return r;
	if (!takes_documents(d))
		return -ENOTSUP;
	if ((fi->flags & O_ACCMODE) != O_WRONLY)
		return -EINVAL;
	return directory_slot(d, name) ? -EEXIST : 0;
}

void writing_create(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name,
		    struct fuse_file_info *fi)
{
	struct inode in = inode_of(parent);
	struct directory *d = in.facet == FACET_DIRECTORY ? tree_directory_by_id(m->tree, in.id)
							   : NULL;
	int r = -EPERM;

	if (d && in.generation == DIRECTORY_SELF) {
		r = check_creation(d, name, fi);
		/* It came into being since the kernel looked: its own draft, by the name. */
		if (r == -EEXIST && !(fi->flags & O_EXCL))
			r = -ESTALE;
		if (!r)
			r = add_draft(m, req, d, name, fi);
	}
	if (r)
		fuse_reply_err(req, -r);
}

static void drop_draft(struct mount *m, struct draft *draft)
{
	struct store_change *c = store_begin_unsynced(m->engine->store);

	store_drop_draft(c, draft->id);
	store_commit(c, NULL, NULL);
	tree_drop_draft(m->tree, draft);
}

void writing_release(struct mount *m, fuse_ino_t ino)
{
	struct inode in = inode_of(ino);
	struct draft *draft = in.facet == FACET_NEW ? tree_draft(m->tree, in.id) : NULL;

	if (draft)
		drop_draft(m, draft);
}

/* --- documents --------------------------------------------------------------------------------- */

static void note_control(struct mount *m, int error, const struct sentence *why)
{
	m->tree->refused = (struct failure){ .error = error,
					     .at_wall_ms = loop_wall(m->engine->loop),
					     .why = *why };
}

static void on_unregistered(void *ctx, int error, const struct sentence *why)
{
	struct change *c = ctx;

	note_control(c->mount, error, why);
	on_done(c, error);
}

/* {"do":"unregister","provider":…} */
static void unregister(struct mount *m, fuse_req_t req, const char *provider, size_t len)
{
	struct directory *d = provider ? tree_directory(m->tree, provider) : NULL;
	struct sentence why;
	struct change *c;

	if (!d) {
		sentence_set(&why, "there is no such provider: name it as `provider`");
		note_control(m, -ENOENT, &why);
		reply(req, -ENOENT, len);
		return;
	}
	if (requests_is_replay(m->requests) && !d->account.registration) {
		reply(req, 0, len); /* a predecessor did it and could not say so */
		return;
	}
	c = change_new(m, req, len);
	if (!c)
		return;
	unregister_begin(d, on_unregistered, c);
	await(m, req, c);
}

static void write_control(struct mount *m, fuse_req_t req, const char *bytes, size_t len)
{
	struct sentence why = { "" };
	JSON_AUTO *j = NULL;
	const char *what;
	int r = json_parse(bytes, len, &why, &j);

	what = r ? NULL : json_string(j, "do");
	if (what && !strcmp(what, "unregister")) {
		unregister(m, req, json_string(j, "provider"), len);
		return;
	}
	if (what && !strcmp(what, "reload")) {
		r = m->hooks.reload(m->hooks.ctx, &why);
	} else if (what && !strcmp(what, "upgrade")) {
		r = m->hooks.upgrade(m->hooks.ctx, &why);
	} else if (!r) {
		sentence_set(&why, "say {\"do\":\"reload\"}, {\"do\":\"upgrade\"} or "
				   "{\"do\":\"unregister\",\"provider\":\"…\"}");
		r = -EINVAL;
	}
	r = r == -EBADMSG ? -EINVAL : r;
	note_control(m, r, &why);
	reply(req, r, len);
}

/* The slot that a new name's draft is for: there by now, there once, or to be made. */
static int slot_of_draft(const struct mount *m, struct draft *draft, struct slot **ret)
{
	struct slot *s = directory_named(draft->directory, draft->name);

	if (!s)
		return directory_add(draft->directory, draft->name, ret);
	if (s->kind == SLOT_DRAFT)
		return -EBUSY;
	/* A predecessor may have stored this very document, and could not say so. */
	if (draft->exclusive && slot_is_visible(s) && !requests_is_replay(m->requests))
		return -EEXIST;
	*ret = s;
	return 0;
}

static int target_of(struct mount *m, struct inode in, struct slot **ret, struct access *ret_owner)
{
	struct draft *draft;
	struct slot *s;

	if (in.facet == FACET_DRAFT) {
		s = node_slot(m->tree, in);
		if (!s || !slot_is_visible(s))
			return -ENOENT;
		*ret = s;
		*ret_owner = s->access;
		return 0;
	}
	draft = in.facet == FACET_NEW ? tree_draft(m->tree, in.id) : NULL;
	if (!draft || draft->directory->hidden)
		return -ESTALE;
	*ret_owner = draft->access;
	return slot_of_draft(m, draft, ret);
}

void writing_write(struct mount *m, fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t len,
		   off_t off)
{
	struct inode in = inode_of(ino);
	struct access owner;
	struct slot *s;
	struct change *c;
	int r;

	(void)off; /* each write(2) is a document of its own */
	if (in.facet == FACET_ROOT) {
		write_control(m, req, bytes, len);
		return;
	}
	r = len ? target_of(m, in, &s, &owner) : -EINVAL;
	if (r) {
		fuse_reply_err(req, -r);
		return;
	}
	c = change_new(m, req, len);
	if (!c)
		return;
	c->draft = in.facet == FACET_NEW ? in.id : 0;
	transaction_write(s, bytes, len, &owner, on_done, c, &c->transaction);
	await(m, req, c);
}
