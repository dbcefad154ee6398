/* SPDX-License-Identifier: Apache-2.0 */
#include "removing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "transaction.h"
#include "waiting.h"

/* How long the result waits for its thread, which comes back at once. */
#define KEEP_MS 3000

/* One revocation, from when its thread came back until it was told. */
struct removal {
	struct mount *mount;
	pid_t tid;
	uint32_t slot;
	struct transaction *transaction;
	struct claim *claims;
	bool over;
	int error;
	int64_t over_at;
	struct removal *next;
};

/* A request that waits for it: the walk, or the UNLINK itself. */
struct claim {
	struct waiting waiting;
	struct removal *removal;
	uint64_t walked; /* the number of the directory that was looked up; 0: UNLINK */
	bool replay;     /* it may be the first half, answered already: the thread is on its way */
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

/* Results that nobody came for: their threads were killed on the way. */
static void drop_stale(struct mount *m)
{
	for (struct removal *r = m->removals, *next; r; r = next) {
		next = r->next;
		if (r->over && now_of(m) - r->over_at > KEEP_MS)
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

static void on_done(void *ctx, int error)
{
	struct removal *r = ctx;
	struct mount *m = r->mount;
	bool told = false;

	r->over = true;
	r->error = error;
	r->over_at = now_of(m);
	if (!error)
		redirect_removed(m->redirects, r->tid, r->slot, r->over_at);
	while (r->claims) {
		struct claim *claim = r->claims;
		uint64_t walked = claim->walked;

		r->claims = claim->next;
		told = told || (!walked && !claim->replay);
		if (walked)
			reply_walk(m, waiting_end(&claim->waiting), walked);
		else
			fuse_reply_err(waiting_end(&claim->waiting), -error);
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

static struct removal *begin(struct mount *m, struct slot *s, pid_t tid)
{
	struct removal *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	drop_stale(m);
	*r = (struct removal){ .mount = m, .tid = tid, .slot = s->id, .next = m->removals };
	m->removals = r;
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
	claim->replay = requests_is_replay(m->requests);
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

static const struct redirect *mark_of(struct mount *m, pid_t tid)
{
	return tid && m->redirects->n ? redirect_removal(m->redirects, tid, now_of(m)) : NULL;
}

/* By this worker, or by a predecessor that came no further. */
static bool is_removed(const struct mount *m, const struct redirect *mark)
{
	return mark->kind == REDIRECT_REMOVED || !tree_slot_by_id(m->tree, mark->slot);
}

/* The first half. What the kernel has under this name stays what the thread finds. */
static void send_back(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name,
		      const struct slot *s)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	struct removal *before = find(m, tid, s->id);
	struct node n;
	int r = node_lookup(m->tree, parent, name, &n);

	if (before && before->over)
		drop(before);
	if (!r)
		redirect_remove(m->redirects, tid, s->id, n.inode.generation, now_of(m));
	fuse_reply_err(req, r ? -r : ESTALE);
}

/* The second half; `s`: NULL when it is gone. */
static void finish(struct mount *m, fuse_req_t req, struct slot *s, pid_t tid, uint32_t id)
{
	struct removal *r = tid ? find(m, tid, id) : NULL;

	if (!r && s)
		r = begin(m, s, tid);
	if (!r && s) {
		fuse_reply_err(req, ENOMEM);
	} else if (!r) { /* a predecessor did it and could not say so */
		fuse_reply_err(req, 0);
		redirect_end_removal(m->redirects, tid);
	} else if (r->over) {
		fuse_reply_err(req, -r->error);
		if (!requests_is_replay(m->requests))
			end(r);
	} else if (!await(m, req, r, 0)) {
		fuse_reply_err(req, ENOMEM);
	}
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
	const struct redirect *mark = mark_of(m, tid);

	if (d && !strcmp(name, ".login") && directory_needs_person(d))
		cancel_login(m, req, d);
	else if (s && mark && mark->slot == s->id)
		finish(m, req, s, tid, s->id);
	else if (!s && d && mark && is_removed(m, mark))
		finish(m, req, NULL, tid, mark->slot);
	else if (s && tid)
		send_back(m, req, parent, name, s);
	else if (s)
		finish(m, req, s, 0, s->id);
	else if (d && requests_is_replay(m->requests))
		fuse_reply_err(req, 0); /* a predecessor did it and could not say so */
	else
		fuse_reply_err(req, d && name[0] != '.' ? ENOENT : EPERM);
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
	if (!s || !slot_is_visible(s) || strcmp(s->directory->name, name) ||
	    requests_crowded(m->requests))
		return false;
	r = find(m, tid, s->id);
	if (!r)
		r = begin(m, s, tid);
	return r && !r->over &&
	       await(m, req, r, inode_number(FACET_DIRECTORY, s->directory->id, DIRECTORY_SELF));
}

bool removing_finds(struct mount *m, pid_t tid, fuse_ino_t parent, const char *name,
		    struct node *ret)
{
	const struct redirect *mark = mark_of(m, tid);
	const struct directory *d = mark ? directory_of(m, parent) : NULL;
	const struct slot *s = d ? directory_slot(d, name) : NULL;

	if (!d || (s ? s->id != mark->slot : !is_removed(m, mark)))
		return false;
	node_removed(m->tree, inode_number(FACET_VALUE, mark->slot, mark->draft), ret);
	return true;
}
