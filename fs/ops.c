/* SPDX-License-Identifier: Apache-2.0 */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include <sodium.h>

#include "entry.h"
#include "json.h"
#include "mount.h"
#include "node.h"
#include "opening.h"
#include "removing.h"
#include "render.h"
#include "waiting.h"
#include "writing.h"

static struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static bool by_announcer(fuse_req_t req)
{
	return announce_is_by(mount_of(req)->handover, fuse_req_ctx(req)->pid);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mount *m = userdata;

	/* O_TRUNC must not cut an inode that readers share (kernel.md section 2, rule 4). */
	conn->want &= ~(unsigned int)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_SPLICE_READ |
				      FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
				      FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS |
				      FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_WRITEBACK_CACHE);
	conn->max_write = LIMIT_DOCUMENT;
	m->hooks.answers(m->hooks.ctx);
}

static void op_destroy(void *userdata)
{
	struct mount *m = userdata;

	m->hooks.ended(m->hooks.ctx);
}

/* --- names and attributes ---------------------------------------------------------------------- */

/*
 * The announcer alone sees the new generation under a hidden name, and the old one under the real name:
 * the kernel may ask for either twice (a revalidation and a lookup), and must find two inodes.
 */
static uint64_t announced_name(struct mount *m, fuse_ino_t parent, const char *name)
{
	struct inode dir = inode_of(parent);
	const struct directory *d;
	const struct slot *s;
	uint64_t old_ino, new_ino;

	if (dir.facet != FACET_DIRECTORY || dir.generation != DIRECTORY_SELF)
		return 0;
	if (announce_parse(name, &old_ino, &new_ino)) {
		m->handover->page->announced = old_ino;
		return new_ino;
	}
	d = m->handover->page->announced ? tree_directory_by_id(m->tree, dir.id) : NULL;
	s = d ? directory_slot(d, name) : NULL;
	return s && s->id == inode_of(m->handover->page->announced).id ? m->handover->page->announced : 0;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req);
	struct node n = { 0 };
	uint64_t number;
	int r = 0;

	if (removing_waits(m, req, parent, name))
		return;
	if (by_announcer(req))
		number = announced_name(m, parent, name);
	else
		number = writing_redirected(m, fuse_req_ctx(req)->pid, parent, name);
	if (number) {
		r = node_of(m->tree, number, &n);
		n.entry_ms = 0;
	} else if (!removing_finds(m, fuse_req_ctx(req)->pid, parent, name, &n)) {
		r = node_lookup(m->tree, parent, name, &n);
	}
	entry_reply(req, r, &n);
}

/* Names are not counted: numbers are computed, nothing is kept for one. */
static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	(void)ino;
	(void)nlookup;
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, fuse_ino_t ino)
{
	struct node n;
	int r = node_of(mount_of(req)->tree, ino, &n);

	if (r)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &n.attr, entry_seconds(n.attr_ms));
}

/*
 * A number that follows: the kernel asks for its attributes before each open, and so learns the size of
 * the generation that this thread is about to get, and gets (reply_nameless() in opening.c).
 */
static uint64_t followed_number(struct mount *m, pid_t tid, const struct node *n)
{
	struct slot *s = node_slot(m->tree, n->inode);
	int64_t now = loop_now(m->engine->loop);
	struct generation *g;
	uint32_t pin;

	if (n->attr_ms || !facet_is_of_token(n->inode.facet) || !s)
		return n->attr.st_ino;
	/* A pin from before the number moved on may be that of another thread's open. */
	pin = redirect_pinned(m->redirects, tid, s->id, s->live ? s->live->following_since : 0, now);
	g = pin ? slot_generation(s, pin) : slot_follow(s);
	if (g && !pin)
		redirect_pin(m->redirects, tid, s->id, g->number, now);
	return g ? inode_number(n->inode.facet, s->id, g->number) : n->attr.st_ino;
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct node n, followed;
	uint64_t number;
	int r = node_of(m->tree, ino, &n);

	(void)fi;
	if (r) {
		fuse_reply_err(req, -r);
		return;
	}
	number = followed_number(m, fuse_req_ctx(req)->pid, &n);
	if (number != ino && !node_of(m->tree, number, &followed)) {
		followed.attr.st_ino = ino;
		fuse_reply_attr(req, &followed.attr, 0);
	} else {
		fuse_reply_attr(req, &n.attr, entry_seconds(n.attr_ms));
	}
}

/*
 * Only what opening for writing brings along is let through, and changes nothing: O_TRUNC and times of
 * a draft, O_TRUNC of .control, and the announcer's touch that watchers of a cold file hear.
 */
static bool may_set(fuse_req_t req, struct inode in, int what)
{
	const int times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |
			  FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME;

	if (in.facet == FACET_DRAFT || in.facet == FACET_NEW ||
	    (in.facet == FACET_ROOT && in.generation == ROOT_CONTROL))
		return !(what & ~(times | FUSE_SET_ATTR_SIZE));
	return by_announcer(req) && !(what & ~times);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int what,
		       struct fuse_file_info *fi)
{
	(void)attr;
	(void)fi;
	if (may_set(req, inode_of(ino), what))
		reply_attr(req, ino);
	else
		fuse_reply_err(req, EPERM);
}

/* --- files ------------------------------------------------------------------------------------- */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if ((fi->flags & O_ACCMODE) == O_RDONLY)
		opening_begin(mount_of(req), req, ino, fi);
	else
		writing_begin(mount_of(req), req, ino, fi);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	(void)mode;
	writing_create(mount_of(req), req, parent, name, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	opening_read(mount_of(req), req, ino, size, off, fi);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	(void)fi;
	writing_write(mount_of(req), req, ino, buf, size, off);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);

	if ((fi->flags & O_ACCMODE) == O_RDONLY)
		opening_release(m, ino, fi);
	else
		writing_release(m, ino);
	fuse_reply_err(req, 0);
}

/* Everything is on disk when write(2) returns. */
static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	fuse_reply_err(req, 0);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	removing_unlink(mount_of(req), req, parent, name);
}

/* --- directories ------------------------------------------------------------------------------- */

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node n;
	int r = node_of(mount_of(req)->tree, ino, &n);

	if (r)
		fuse_reply_err(req, -r);
	else
		fuse_reply_open(req, fi);
}

/* "." and ".." come first, then the node's own listing. */
static bool list(struct mount *m, fuse_ino_t ino, uint64_t from, struct node_entry *ret)
{
	static const char *const dots[] = { ".", ".." };

	if (from < 2) {
		*ret = (struct node_entry){ .name = dots[from],
					    .number = from ? ROOT_DIRECTORY : ino,
					    .type = S_IFDIR,
					    .at = from + 1 };
		return true;
	}
	if (!node_list(m->tree, ino, from - 2, ret))
		return false;
	ret->at += 2;
	return true;
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	char *bytes = malloc(size);
	struct node_entry e;
	size_t len = 0;

	(void)fi;
	if (!bytes) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (uint64_t at = (uint64_t)off; list(mount_of(req), ino, at, &e); at = e.at) {
		struct stat st = { .st_ino = e.number, .st_mode = e.type };
		size_t n = fuse_add_direntry(req, bytes + len, size - len, e.name, &st,
					     (off_t)e.at);

		if (n > size - len)
			break;
		len += n;
	}
	fuse_reply_buf(req, bytes, len);
	free(bytes);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = { .f_bsize = LIMIT_DOCUMENT, .f_frsize = 4096, .f_namemax = 255 };

	(void)ino;
	fuse_reply_statfs(req, &st);
}

/* --- extended attributes: what .meta says, for scripts ----------------------------------------- */

#define XATTR_PREFIX "user.token."

static void reply_xattr(fuse_req_t req, size_t size, const char *bytes, size_t len)
{
	if (!size)
		fuse_reply_xattr(req, len);
	else if (len > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, bytes, len);
}

/* The text of a member that has one: strings and numbers. */
static bool xattr_text(const struct json *meta, const char *key, struct buffer *out)
{
	const char *text = json_string(meta, key);
	int64_t n;

	if (text)
		buffer_text(out, text);
	else if (json_integer(meta, key, &n))
		buffer_format(out, "%lld", (long long)n);
	else
		return false;
	return true;
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	const struct slot *s = node_slot(mount_of(req)->tree, inode_of(ino));
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_RENDER);
	JSON_AUTO *meta = NULL;

	if (!s || strncmp(name, XATTR_PREFIX, sizeof XATTR_PREFIX - 1)) {
		fuse_reply_err(req, ENODATA);
		return;
	}
	meta = render_meta_json(s);
	if (xattr_text(meta, name + sizeof XATTR_PREFIX - 1, &text))
		reply_xattr(req, size, buffer_string(&text), text.len);
	else
		fuse_reply_err(req, ENODATA);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	const struct slot *s = node_slot(mount_of(req)->tree, inode_of(ino));
	BUFFER_AUTO names = BUFFER_INIT(LIMIT_RENDER), text = BUFFER_INIT(LIMIT_RENDER);
	JSON_AUTO *meta = s ? render_meta_json(s) : NULL;

	for (size_t i = 0; meta && i < json_length(meta); i++) {
		struct json *value;
		const char *key = json_key_at(meta, i, &value);

		if (!xattr_text(meta, key, &text))
			continue;
		buffer_text(&names, XATTR_PREFIX);
		buffer_append(&names, key, strlen(key) + 1);
	}
	reply_xattr(req, size, buffer_string(&names), names.len);
}

/* --- what a directory of tokens does not do ---------------------------------------------------- */

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)rdev;
	fuse_reply_err(req, EPERM);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	op_mknod(req, parent, name, mode, 0);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	op_mknod(req, parent, name, 0, 0);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target;
	op_mknod(req, parent, name, 0, 0);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)ino;
	op_mknod(req, parent, name, 0, 0);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
		      const char *newname, unsigned int flags)
{
	uint64_t old_ino, new_ino;

	(void)newname;
	(void)flags;
	if (!by_announcer(req) || parent != newparent ||
	    !announce_parse(name, &old_ino, &new_ino)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	mount_of(req)->handover->page->announced = 0;
	fuse_reply_err(req, 0);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	(void)ino;
	(void)name;
	(void)value;
	(void)size;
	(void)flags;
	fuse_reply_err(req, EPERM);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	op_setxattr(req, ino, name, NULL, 0, 0);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
			 struct fuse_file_info *fi)
{
	(void)ino;
	(void)mode;
	(void)offset;
	(void)length;
	(void)fi;
	fuse_reply_err(req, EPERM);
}

const struct fuse_lowlevel_ops *ops_table(void)
{
	static const struct fuse_lowlevel_ops table = {
		.init = op_init,
		.destroy = op_destroy,
		.lookup = op_lookup,
		.forget = op_forget,
		.forget_multi = op_forget_multi,
		.getattr = op_getattr,
		.setattr = op_setattr,
		.open = op_open,
		.create = op_create,
		.read = op_read,
		.write = op_write,
		.release = op_release,
		.fsync = op_fsync,
		.unlink = op_unlink,
		.opendir = op_opendir,
		.readdir = op_readdir,
		.statfs = op_statfs,
		.getxattr = op_getxattr,
		.listxattr = op_listxattr,
		.mknod = op_mknod,
		.mkdir = op_mkdir,
		.rmdir = op_rmdir,
		.symlink = op_symlink,
		.link = op_link,
		.rename = op_rename,
		.setxattr = op_setxattr,
		.removexattr = op_removexattr,
		.fallocate = op_fallocate,
	};

	return &table;
}
