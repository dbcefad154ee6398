/* SPDX-License-Identifier: Apache-2.0 */
#include "opening.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "node.h"
#include "policy.h"
#include "render.h"
#include "waiting.h"

/* A file that was rendered at open. */
struct rendering {
	uint64_t number; /* the descriptor's */
	struct buffer text;
	struct rendering *next;
};

/* An open that waits for a token. */
struct opening {
	struct waiting waiting;
	struct settle settle;
	struct slot *slot;
	struct inode inode; /* what was opened */
	struct fuse_file_info fi;
};

/* --- what is rendered -------------------------------------------------------------------------- */

static void render_of_directory(const struct directory *d, uint32_t file, struct buffer *out)
{
	const struct config_provider *config = d->account.config;

	if (file == DIRECTORY_STATUS)
		render_directory_status(d, out);
	else if (file == DIRECTORY_LOGIN)
		render_login(d, out);
	else if (config->type->render_document(config->settings, d->grant.secret, out))
		out->error = -ENOKEY;
}

static int render(const struct mount *m, struct inode in, struct buffer *out)
{
	const struct tree *t = m->tree;
	const struct directory *d;
	const struct slot *s;

	if (in.facet == FACET_META) {
		s = node_slot(t, in);
		if (!s)
			return -ESTALE;
		render_meta(s, out);
	} else if (in.facet == FACET_DIRECTORY) {
		d = tree_directory_by_id(t, in.id);
		if (!d)
			return -ESTALE;
		render_of_directory(d, in.generation, out);
	} else if (in.facet == FACET_ROOT && in.generation == ROOT_STATUS) {
		render_status(t, m->handover->page, out);
	} else if (in.facet == FACET_ROOT && in.generation == ROOT_METRICS) {
		render_metrics(t, out);
	}
	return buffer_error(out);
}

/* The descriptor's number holds the length, so that a worker that did not make it knows its end. */
#define LENGTH_BITS 24
#define LENGTH_OF(number) ((size_t)((number) & ((1u << LENGTH_BITS) - 1)))

static int add_rendering(struct mount *m, struct inode in, struct rendering **ret)
{
	struct rendering *r = calloc(1, sizeof *r);
	int error;

	if (!r)
		return -ENOMEM;
	r->text = BUFFER_INIT(LIMIT_RENDER);
	error = render(m, in, &r->text);
	if (error) {
		buffer_finish(&r->text);
		free(r);
		return error;
	}
	r->number = ++m->rendered << LENGTH_BITS | r->text.len;
	r->next = m->renderings;
	m->renderings = r;
	*ret = r;
	return 0;
}

static void open_rendered(struct mount *m, fuse_req_t req, struct inode in,
			  struct fuse_file_info *fi)
{
	struct rendering *r;
	int error = add_rendering(m, in, &r);

	if (error) {
		fuse_reply_err(req, -error);
		return;
	}
	fi->fh = r->number;
	fi->direct_io = 1;
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

static struct rendering *find_rendering(const struct mount *m, uint64_t number)
{
	struct rendering *r = m->renderings;

	while (r && r->number != number)
		r = r->next;
	return r;
}

static void drop_rendering(struct mount *m, uint64_t number)
{
	struct rendering **at = &m->renderings, *r;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	r = *at;
	if (!r)
		return;
	*at = r->next;
	buffer_finish(&r->text);
	free(r);
}

void opening_finish(struct mount *m)
{
	while (m->renderings)
		drop_rendering(m, m->renderings->number);
}

/* --- tokens ------------------------------------------------------------------------------------ */

/* A draft that is opened for reading is a name that still leads a writer there: the slot's token. */
static struct inode readable(fuse_ino_t ino)
{
	struct inode in = inode_of(ino);

	return in.facet == FACET_DRAFT ? (struct inode){ FACET_VALUE, in.id, 0 } : in;
}

static void audit(const struct mount *m, const struct fuse_ctx *who, const struct slot *s,
		  const struct generation *g)
{
	char path[32], executable[256] = "";
	ssize_t n = -1;

	if (!m->audit)
		return;
	if (who->pid) {
		snprintf(path, sizeof path, "/proc/%d/exe", (int)who->pid);
		n = readlink(path, executable, sizeof executable - 1);
	}
	log_line(m->engine->log, LOG_LEVEL_AUDIT,
		 "open %s/%s generation %u by uid %u gid %u pid %d %.*s", s->directory->name,
		 s->name, g->number, who->uid, who->gid, (int)who->pid, n > 0 ? (int)n : 1,
		 n > 0 ? executable : "?");
}

static void reply_token(struct mount *m, fuse_req_t req, struct slot *s, struct generation *g,
			struct fuse_file_info *fi)
{
	audit(m, fuse_req_ctx(req), s, g);
	fi->fh = g->number;
	fi->noflush = 1;
	if (fuse_reply_open(req, fi))
		return; /* the caller is gone: there will be no release */
	g->opens++;
	s->directory->account.opens++;
	slot_opened(s, g);
}

/*
 * No name leads there: a single-file bind mount. The generation that is given must be the one whose size
 * the kernel has. It was told just now, to this thread, when the number follows (a pin); else it has the
 * number's own, which is given as long as it is fresh.
 */
static void reply_nameless(struct mount *m, fuse_req_t req, struct slot *s, struct inode in,
			   struct fuse_file_info *fi)
{
	int64_t now = loop_now(m->engine->loop);
	uint32_t pin = redirect_pinned(m->redirects, fuse_req_ctx(req)->pid, s->id,
				       s->live->following_since, now);
	struct generation *own = slot_generation(s, in.generation);
	struct generation *g = pin ? slot_generation(s, pin) : NULL;

	if (!pin && own && generation_is_fresh(s, own)) {
		fi->keep_cache = 1;
		reply_token(m, req, s, own, fi);
		return;
	}
	if (!g || g->revoked || !policy_alive(now, g->expires_at))
		g = slot_follow(s);
	/* Anew: an fstat follows. */
	redirect_pin(m->redirects, fuse_req_ctx(req)->pid, s->id, g->number, now);
	fi->direct_io = 1;
	reply_token(m, req, s, g, fi);
}

/* The slot has a token: rule 3. */
static void answer(struct mount *m, fuse_req_t req, struct slot *s, struct inode in,
		   struct fuse_file_info *fi)
{
	struct generation *g = slot_alive(s);
	pid_t tid = fuse_req_ctx(req)->pid;
	int64_t now = loop_now(m->engine->loop);
	bool came_back = redirect_find(m->redirects, tid, s->id, REDIRECT_READ, now);

	if (!g) {
		fuse_reply_err(req, EIO);
	} else if (g->number == in.generation) {
		redirect_clear(m->redirects, tid, s->id, REDIRECT_READ);
		fi->keep_cache = 1;
		reply_token(m, req, s, g, fi);
	} else if (came_back) {
		reply_nameless(m, req, s, in, fi);
		/*
		 * Not before: a successor that answers this again must know that the thread came back. And
		 * a replay may have been answered already: it needs its mark for the next time.
		 */
		if (!requests_is_replay(m->requests))
			redirect_clear(m->redirects, tid, s->id, REDIRECT_READ);
	} else {
		/* What comes back chooses anew. */
		redirect_clear(m->redirects, tid, s->id, REDIRECT_PIN);
		redirect_note(m->redirects, tid, s->id, REDIRECT_READ, now);
		fuse_reply_err(req, ESTALE);
	}
}

static void on_settled(struct settle *settle, int error)
{
	struct opening *o = (struct opening *)((char *)settle - offsetof(struct opening, settle));
	struct mount *m = o->waiting.mount;
	struct fuse_file_info fi = o->fi;
	struct slot *s = o->slot;
	struct inode in = o->inode;
	fuse_req_t req = waiting_end(&o->waiting);

	if (error)
		fuse_reply_err(req, -error);
	else if (facet_is_of_token(in.facet))
		answer(m, req, s, in, &fi);
	else
		open_rendered(m, req, in, &fi);
}

static bool withdraw(struct waiting *w)
{
	struct opening *o = (struct opening *)(void *)w;

	slot_abandon(&o->settle); /* the fetch goes on for the next reader */
	return true;
}

/* Settles the slot first; then `answer`, or what is rendered from its grant. */
static void settle(struct mount *m, fuse_req_t req, struct slot *s, struct inode in,
		   struct fuse_file_info *fi)
{
	struct opening *o = calloc(1, sizeof *o);
	int r = -ENOMEM;

	if (o) {
		*o = (struct opening){ .slot = s, .inode = in, .fi = *fi };
		o->settle.done = on_settled;
		r = slot_settle(s, &o->settle);
	}
	if (r == SETTLE_WAITS) {
		waiting_begin(&o->waiting, m, req, withdraw);
		return;
	}
	free(o);
	if (r)
		fuse_reply_err(req, -r);
	else if (facet_is_of_token(in.facet))
		answer(m, req, s, in, fi);
	else
		open_rendered(m, req, in, fi);
}

/* .jwks of a provider whose key is made with its first token. */
static void open_document(struct mount *m, fuse_req_t req, struct inode in,
			  struct fuse_file_info *fi)
{
	const struct directory *d = tree_directory_by_id(m->tree, in.id);
	const char *first = d ? directory_first(d) : NULL;
	struct slot *s = first ? directory_slot(d, first) : NULL;

	if (!d)
		fuse_reply_err(req, ESTALE);
	else if (d->grant.secret || !s)
		open_rendered(m, req, in, fi);
	else
		settle(m, req, s, in, fi);
}

/* --- logins ------------------------------------------------------------------------------------ */

/* An open of .login that waits for the page and the code. */
struct login_opening {
	struct waiting waiting;
	struct login_wait wait;
	struct inode inode;
	struct fuse_file_info fi;
};

static void on_prompt(struct login_wait *w, int error)
{
	struct login_opening *o =
		(struct login_opening *)(void *)((char *)w - offsetof(struct login_opening, wait));
	struct mount *m = o->waiting.mount;
	struct fuse_file_info fi = o->fi;
	struct inode in = o->inode;
	fuse_req_t req = waiting_end(&o->waiting);

	if (error)
		fuse_reply_err(req, -error);
	else
		open_rendered(m, req, in, &fi);
}

static bool withdraw_login(struct waiting *w)
{
	login_abandon(&((struct login_opening *)(void *)w)->wait); /* the login goes on */
	return true;
}

static void note_refusal(struct directory *d, int error, const struct sentence *why)
{
	d->refused = (struct failure){ .error = error,
				       .at_wall_ms = loop_wall(d->account.engine->loop) };
	sentence_set(&d->refused.why, ".login: %s", why->text[0] ? why->text : strerror(-error));
}

/* Reading it starts a login, or joins the one under way. */
static void open_login(struct mount *m, fuse_req_t req, struct inode in, struct fuse_file_info *fi)
{
	struct directory *d = tree_directory_by_id(m->tree, in.id);
	struct login_opening *o = calloc(1, sizeof *o);
	struct sentence why = { "" };
	int r = !d ? -ESTALE : !o ? -ENOMEM : 0;

	if (!r) {
		*o = (struct login_opening){ .inode = in, .fi = *fi };
		o->wait.done = on_prompt;
		r = login_join(&d->login, &o->wait, &why);
	}
	if (r == LOGIN_WAITS) {
		waiting_begin(&o->waiting, m, req, withdraw_login);
		return;
	}
	free(o);
	if (!r) {
		open_rendered(m, req, in, fi);
		return;
	}
	if (d)
		note_refusal(d, r, &why);
	fuse_reply_err(req, -r);
}

void opening_begin(struct mount *m, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode in = readable(ino);
	struct slot *s;

	redirect_clear(m->redirects, fuse_req_ctx(req)->pid, in.id, REDIRECT_WRITE);
	if (in.facet == FACET_NEW) {
		fuse_reply_err(req, EINVAL);
		return;
	}

	if (in.facet == FACET_DIRECTORY && in.generation == DIRECTORY_DOCUMENT) {
		open_document(m, req, in, fi);
		return;
	}
	if (in.facet == FACET_DIRECTORY && in.generation == DIRECTORY_LOGIN) {
		open_login(m, req, in, fi);
		return;
	}
	if (!facet_is_of_token(in.facet)) {
		open_rendered(m, req, in, fi);
		return;
	}
	s = node_slot(m->tree, in);
	if (!s)
		fuse_reply_err(req, ESTALE);
	else if (!slot_is_visible(s))
		fuse_reply_err(req, ENOENT);
	else if (slot_fresh(s))
		answer(m, req, s, in, fi);
	else
		settle(m, req, s, in, fi);
}

/* --- read and release -------------------------------------------------------------------------- */

static void reply_part(fuse_req_t req, const char *bytes, size_t len, size_t size, off_t off)
{
	size_t at = off < 0 || (size_t)off > len ? len : (size_t)off;

	fuse_reply_buf(req, bytes + at, len - at < size ? len - at : size);
}

static void read_token(const struct tree *t, fuse_req_t req, struct inode in, uint32_t generation,
		       size_t size, off_t off)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_RENDER);
	const struct slot *s = tree_slot_by_id(t, in.id); /* a hidden one's too: it is open */
	const struct generation *g = s ? slot_generation(s, generation) : NULL;
	int r;

	if (!g) {
		fuse_reply_err(req, EIO);
		return;
	}
	r = render_token(s, g, in.facet, &text);
	if (r)
		fuse_reply_err(req, -r);
	else
		reply_part(req, buffer_string(&text), text.len, size, off);
}

void opening_read(struct mount *m, fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		  struct fuse_file_info *fi)
{
	struct inode in = readable(ino);
	struct rendering *r;
	int error = 0;

	if (facet_is_of_token(in.facet)) {
		read_token(m->tree, req, in, (uint32_t)fi->fh, size, off);
		return;
	}
	r = find_rendering(m, fi->fh);
	if (!r && (size_t)off < LENGTH_OF(fi->fh)) {
		/* Opened through a worker that is gone: whole from its start, or as long as it was. */
		error = add_rendering(m, in, &r);
		if (!error && off && r->text.len != LENGTH_OF(fi->fh)) {
			drop_rendering(m, r->number);
			error = -EIO;
		} else if (!error) {
			r->number = fi->fh;
		}
	}
	if (error)
		fuse_reply_err(req, -error);
	else if (r)
		reply_part(req, buffer_string(&r->text), r->text.len, size, off);
	else
		reply_part(req, "", 0, size, 0);
}

void opening_release(struct mount *m, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode in = readable(ino);
	struct slot *s;
	struct generation *g;

	if (!facet_is_of_token(in.facet)) {
		drop_rendering(m, fi->fh);
		return;
	}
	s = tree_slot_by_id(m->tree, in.id);
	g = s ? slot_generation(s, (uint32_t)fi->fh) : NULL;
	if (g && g->opens)
		g->opens--;
}
