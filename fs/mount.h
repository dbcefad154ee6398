/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount: the FUSE session of one worker. It reads requests from the descriptor that the supervisor
 * holds, through the shared memory of requests.h, and gives them to the operations (ops.h).
 * The worker owns it; tree, announcer and requests are borrowed.
 */
#ifndef TOKENFS_MOUNT_H
#define TOKENFS_MOUNT_H

#include "announce.h"
#include "engine.h"
#include "ops.h"
#include "redirect.h"
#include "requests.h"
#include "tree.h"

struct removal;
struct rendering;
struct waiting;

/* What the mount asks of the worker; handed down. */
struct mount_hooks {
	/* The kernel has said hello: the mount answers from now on. */
	void (*answers)(void *ctx);
	/* The kernel has unmounted it. */
	void (*ended)(void *ctx);
	/* `.control`: 0, or -errno and why. */
	int (*reload)(void *ctx, struct sentence *why);
	int (*upgrade)(void *ctx, struct sentence *why); /* begins it */
	void *ctx;
};

struct mount {
	const struct engine *engine;
	struct tree *tree;
	const struct handover *handover;
	struct requests *requests;
	struct mount_hooks hooks;
	bool audit;

	struct fuse_session *session;
	struct fuse_buf buf; /* libfuse's; wiped after each document */
	struct watch watch;
	struct redirects *redirects;
	struct rendering *renderings; /* open ones */
	uint64_t rendered;            /* so far: their numbers */
	struct removal *removals;     /* whose threads were not told yet */
	struct waiting *waiting;      /* operations that are not answered yet */
};

/* -ENOMEM, or what libfuse says. Set `audit` afterwards. */
int mount_create(const struct engine *engine, struct tree *tree, const struct handover *handover,
		 struct requests *requests, const struct mount_hooks *hooks, struct mount **ret);

/* Nothing may wait any more (tree_abort). */
struct mount *mount_destroy(struct mount *m);

/* Answers what a dead worker left unanswered. */
void mount_replay(struct mount *m);

/* Reads no further requests: a successor is about to. */
void mount_pause(struct mount *m);

#endif
