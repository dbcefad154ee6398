/* SPDX-License-Identifier: Apache-2.0 */
#include "removing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "transaction.h"
#include "waiting.h"

/* How long it waits for its thread, which comes back at once: as long as the mark. */
#define KEEP_MS 15000

/* One revocation, from when its thread was sent back until it was told. */
struct removal {
	struct mount *mount;
	pid_t tid;
	uint32_t slot;
	uint32_t directory; /* and its name there, which may be another slot's when the thread is back */
	struct transaction *transaction;
	struct claim *claims;
	bool begun, over;
	int error;
	int64_t since; /* it was sent back; later: it was over */
	struct removal *next;
	char name[];
};

/* A request that waits for it: the walk, or the UNLINK itself. */
struct claim {
	struct waiting waiting;
	struct removal *removal;
	uint64_t walked; /* the number of the directory that was looked up; 0: UNLINK */
	struct claim *next;
};

static int64_t now_of(const struct mount *m)
{
	return loop_now(m->engine->loop);
}

/* --- removals ---------------------------------------------------------------------------------- */

static struct removal *find(const struct mount *m, pid_t tid, uint32_t slot)
{
	struct removal *r = m->removals;

	while (r && (r->tid != tid || r->slot != slot))
		r = r->next;
	return r;
}

static void drop(struct removal *removal)
{
	struct removal **at = &removal->mount->removals;

	while (*at && *at != removal)
		at = &(*at)->next;
	if (*at)
		*at = removal->next;
	free(removal);
}

/* Whose threads did not come: they were killed on the way. */
static void drop_stale(struct mount *m)
{
	for (struct removal *r = m->removals, *next; r; r = next) {
		next = r->next;
		if ((r->over || !r->begun) && now_of(m) - r->since > KEEP_MS)
			drop(r);
	}
}

/* Its thread has been told. */
static void end(struct removal *r)
{
	redirect_end_removal(r->mount->redirects, r->tid);
	drop(r);
}

static void reply_walk(const struct mount *m, fuse_req_t req, uint64_t directory)
{
	struct node n;
	int r = node_of(m->tree, directory, &n);

	entry_reply(req, r, &n);
}

/*
 * false: nobody waits for this answer. It was the replay of a first half that was answered already, and
 * its thread is on its way.
 */
static bool tell(const struct mount *m, fuse_req_t req, pid_t tid, int error)
{
	struct redirect before;

	redirect_tell(m->redirects, tid, error, &before);
	if (!fuse_reply_err(req, error))
		return true;
	redirect_untell(m->redirects, &before);
	return false;
}

static void on_done(void *ctx, int error)
{
	struct removal *r = ctx;
	struct mount *m = r->mount;
	bool told = false;

	r->over = true;
	r->error = error;
	r->since = now_of(m);
	if (!error)
		redirect_removed(m->redirects, r->tid, r->slot, r->since);
	while (r->claims) {
		struct claim *claim = r->claims;
		uint64_t walked = claim->walked;

		r->claims = claim->next;
		if (walked)
			reply_walk(m, waiting_end(&claim->waiting), walked);
		else if (tell(m, waiting_end(&claim->waiting), r->tid, -error))
			told = true;
	}
	if (told)
		end(r);
}

static bool withdraw(struct waiting *w)
{
	struct claim *claim = (struct claim *)(void *)w;
	struct removal *r = claim->removal;

	if (claim->next || r->claims != claim || !r->transaction ||
	    !transaction_withdraw(r->transaction))
		return false;
	end(r);
	return true;
}

static struct removal *add(struct mount *m, const struct slot *s, pid_t tid)
{
	size_t len = strlen(s->name);
	struct removal *r = calloc(1, sizeof *r + len + 1);

	if (!r)
		return NULL;
	drop_stale(m);
	*r = (struct removal){ .mount = m,
			       .tid = tid,
			       .slot = s->id,
			       .directory = s->directory->id,
			       .since = now_of(m),
			       .next = m->removals };
	memcpy(r->name, s->name, len + 1);
	m->removals = r;
	return r;
}

/* Once; NULL: no memory. */
static struct removal *begin(struct mount *m, struct slot *s, pid_t tid)
{
	struct removal *r = tid ? find(m, tid, s->id) : NULL;

	if (!r)
		r = add(m, s, tid);
	if (!r || r->begun || r->over)
		return r;
	r->begun = true;
	transaction_revoke(s, on_done, r, &r->transaction);
	return r;
}

/* false: no memory, and nothing was answered. */
static bool await(struct mount *m, fuse_req_t req, struct removal *r, uint64_t walked)
{
	struct claim *claim = calloc(1, sizeof *claim);

	if (!claim)
		return false;
	claim->removal = r;
	claim->walked = walked;
	claim->next = r->claims;
	r->claims = claim;
	waiting_begin(&claim->waiting, m, req, withdraw);
	return true;
}

/* --- the two halves ---------------------------------------------------------------------------- */

/* The directory of tokens that a number is of, or NULL. */
static struct directory *directory_of(const struct mount *m, fuse_ino_t ino)
{
	struct inode in = inode_of(ino);

	return in.facet == FACET_DIRECTORY && in.generation == DIRECTORY_SELF
		       ? tree_directory_by_id(m->tree, in.id)
		       : NULL;
}

/* Of a thread that is on its way; NULL: it is not. */
static const struct redirect *mark_of(struct mount *m, pid_t tid)
{
	const struct redirect *mark =
		tid && m->redirects->n ? redirect_removal(m->redirects, tid, now_of(m)) : NULL;

	return mark && mark->kind != REDIRECT_TOLD ? mark : NULL;
}

/* This is the name that the thread was sent back with; a predecessor's thread has no other. */
static bool is_named(const struct removal *r, const struct directory *d, const char *name)
{
	return !r || (r->directory == d->id && !strcmp(r->name, name));
}

/*
 * What the mark is for is gone, by this worker or by a predecessor that came no further. `s`: what has
 * the name now, if anything; another one may be there already.
 */
static bool is_removed(const struct mount *m, const struct removal *r, const struct redirect *mark,
		       const struct slot *s)
{
	if (s && s->id == mark->slot)
		return false;
	if (r)
		return r->over && !r->error;
	return mark->kind == REDIRECT_REMOVED || (!s && !tree_slot_by_id(m->tree, mark->slot));
}

/* What was left when a predecessor died is waited for in any case. */
static bool is_crowded(const struct mount *m)
{
	return requests_crowded(m->requests) && !requests_is_replay(m->requests);
}

/* Nothing comes of it, and the thread does not come back. */
static void refuse(struct mount *m, fuse_req_t req, pid_t tid, int error)
{
	if (tell(m, req, tid, error))
		redirect_end_removal(m->redirects, tid);
}

/* The first half. What the kernel has under this name stays what the thread finds. */
static void send_back(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name,
		      const struct slot *s)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	struct removal *before = find(m, tid, s->id);
	struct node n;
	int r = node_lookup(m->tree, parent, name, &n);

	if (before && before->over) {
		drop(before);
		before = NULL;
	}
	if (!r && is_crowded(m))
		r = -EAGAIN;
	if (!r && !before && !add(m, s, tid))
		r = -ENOMEM;
	if (!r)
		redirect_remove(m->redirects, tid, s->id, n.inode.generation, now_of(m));
	fuse_reply_err(req, r ? -r : ESTALE);
}

/* The second half, when it is done, by whomever. */
static void finish_removed(struct mount *m, fuse_req_t req, struct removal *r, pid_t tid)
{
	if (!tell(m, req, tid, 0))
		return;
	redirect_end_removal(m->redirects, tid);
	if (r)
		drop(r);
}

/* The second half. */
static void finish(struct mount *m, fuse_req_t req, struct slot *s, pid_t tid)
{
	struct removal *r = tid ? find(m, tid, s->id) : NULL;

	if (!(r && r->over) && is_crowded(m)) {
		refuse(m, req, tid, EAGAIN);
		return;
	}
	r = begin(m, s, tid);
	if (r && r->over) {
		if (tell(m, req, tid, -r->error))
			end(r);
	} else if (!r || !await(m, req, r, 0)) {
		refuse(m, req, tid, ENOMEM);
	}
}

/* A predecessor was telling it when it died: the same once more, if it is still waited for. */
static bool is_told_again(const struct mount *m, fuse_req_t req, pid_t tid)
{
	const struct redirect *mark =
		tid && requests_is_replay(m->requests)
			? redirect_removal(m->redirects, tid, now_of(m))
			: NULL;

	if (!mark || mark->kind != REDIRECT_TOLD)
		return false;
	fuse_reply_err(req, (int)mark->draft);
	redirect_end_removal(m->redirects, tid);
	return true;
}

/* rm of .login ends the login that is under way; the file stays, for the next one. */
static void cancel_login(const struct mount *m, fuse_req_t req, struct directory *d)
{
	int r = login_cancel(&d->login);

	fuse_reply_err(req, r && !requests_is_replay(m->requests) ? -r : 0);
}

void removing_unlink(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct directory *d = directory_of(m, parent);
	struct slot *s = d ? directory_slot(d, name) : NULL;
	pid_t tid = fuse_req_ctx(req)->pid;
	const struct redirect *mark = d ? mark_of(m, tid) : NULL;
	struct removal *r = mark ? find(m, tid, mark->slot) : NULL;

	if (is_told_again(m, req, tid))
		return;
	if (mark && !is_named(r, d, name))
		mark = NULL; /* it did not come back: this is another one's first half */
	if (d && !strcmp(name, ".login") && directory_needs_person(d)) {
		cancel_login(m, req, d);
	} else if (mark && is_removed(m, r, mark, s)) {
		finish_removed(m, req, r, tid);
	} else if (s && tid && !mark) {
		send_back(m, req, parent, name, s);
	} else if (s) {
		/* It is sent back once: what has the name by now is removed without another walk. */
		if (mark && mark->slot != s->id)
			redirect_remove(m->redirects, tid, s->id, s->generation, now_of(m));
		finish(m, req, s, tid);
	} else if (d && requests_is_replay(m->requests)) {
		fuse_reply_err(req, 0); /* a predecessor did it and could not say so */
	} else {
		fuse_reply_err(req, d && name[0] != '.' ? ENOENT : EPERM);
	}
}

void removing_finish(struct mount *m)
{
	while (m->removals)
		drop(m->removals);
}

bool removing_waits(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct inode in = inode_of(parent);
	pid_t tid = fuse_req_ctx(req)->pid;
	const struct redirect *mark;
	struct removal *r;
	struct slot *s;

	if (in.facet != FACET_ROOT || in.generation != ROOT_DIRECTORY)
		return false;
	mark = mark_of(m, tid);
	s = mark && mark->kind == REDIRECT_REMOVE ? tree_slot_by_id(m->tree, mark->slot) : NULL;
	if (!s || !slot_is_visible(s) || s->directory->hidden || strcmp(s->directory->name, name))
		return false;
	r = find(m, tid, s->id);
	if (is_crowded(m)) {
		/* Nor is there when it comes back: it would wait with the lock. */
		if (r && !r->begun && !r->over) {
			r->over = true;
			r->error = -EAGAIN;
		}
		return false;
	}
	r = begin(m, s, tid);
	return r && !r->over &&
	       await(m, req, r, inode_number(FACET_DIRECTORY, s->directory->id, DIRECTORY_SELF));
}

bool removing_finds(struct mount *m, pid_t tid, fuse_ino_t parent, const char *name,
		    struct node *ret)
{
	const struct redirect *mark = mark_of(m, tid);
	const struct directory *d = mark ? directory_of(m, parent) : NULL;
	const struct removal *r = d ? find(m, tid, mark->slot) : NULL;
	const struct slot *s = d ? directory_slot(d, name) : NULL;

	if (!d || !is_named(r, d, name))
		return false;
	if (!(s && s->id == mark->slot) && !is_removed(m, r, mark, s))
		return false;
	node_removed(m->tree, inode_number(FACET_VALUE, mark->slot, mark->draft), ret);
	return true;
}
