/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree: the providers and slots by name and by id, and what the configuration makes of them.
 *
 * The tree owns its directories, a directory its account, its grant and its slots. A directory is a
 * name and an account: [iem] at another URL is another directory with another id, and what was stored
 * for the old one comes back with it. Directories that the configuration no longer has stay in memory,
 * hidden, since an exchange of theirs may be under way.
 */
#ifndef TOKENFS_TREE_H
#define TOKENFS_TREE_H

#include "account.h"
#include "grant.h"
#include "listing.h"
#include "login.h"
#include "names.h"
#include "slot.h"
#include "store.h"

/* Slots by ascending id: ids only grow, so a new one goes to the end. */
struct slot_list {
	struct slot **at;
	size_t n, room;
};

struct directory {
	uint32_t id;
	struct tree *tree;
	char *name;
	char identity[65];
	bool hidden; /* the configuration in force does not have it */
	bool stored; /* it has its row */
	struct account account;
	struct grant grant;
	struct slot_list slots; /* all but the dead */
	struct names names;     /* the same, by name */
	int64_t changed_wall_ms;
	struct failure refused; /* the last document or revocation that failed, for .status */
	struct listing_state listing;
	struct login login;
	struct directory *next;
};

/* What the tree tells the outside; the worker hands it down. */
struct tree_events {
	/* `s` shows another generation than `old` (0: none), or none any more. */
	void (*rotated)(void *ctx, struct slot *s, uint32_t old);
	/* The number of an old generation shows newer ones from now on. */
	void (*followed)(void *ctx, struct slot *s, uint32_t old);
	/* A generation's files have other permissions, or other bytes around the token. */
	void (*changed)(void *ctx, struct slot *s, uint32_t generation);
	/* Names of a directory came or went. */
	void (*listed)(void *ctx, struct directory *d);
	/* A directory came, went, or has other permissions. */
	void (*reshaped)(void *ctx, struct directory *d);
	void *ctx;
};

/* A name that was opened for creation and not written yet; the store has it too. */
struct draft {
	uint32_t id;
	struct directory *directory;
	bool exclusive; /* O_EXCL */
	struct access access;
	struct draft *next;
	char name[];
};

struct tree {
	const struct engine *engine;
	struct tree_events events;
	struct edition *edition;
	struct directory *directories;
	struct slot_list slots; /* of all directories, the dead too */
	struct draft *drafts;
	char boot_id[40];
	int64_t changed_wall_ms;
	struct failure refused; /* what .control was asked last and could not do, for .status */
	struct needs needs;     /* need.c's */
};

/*
 * Loads the store. `engine` outlives it; `boot_id` as in /proc/sys/kernel/random/boot_id. -ENOMEM, or
 * what the store says, and why.
 */
int tree_create(const struct engine *engine, const struct tree_events *events, const char *boot_id,
		struct sentence *why, struct tree **ret);
struct tree *tree_destroy(struct tree *t);

/* Whether an answer of a server is awaited. */
bool tree_is_asking(const struct tree *t);

/* The worker ends: whoever waits is told so (-EINTR), whatever runs is dropped. */
void tree_abort(struct tree *t);

/*
 * Puts a configuration in force: the first one, or another after a reload. Takes it over, also on
 * failure. What did not change keeps its tokens. 0; -ENOMEM; or the store's error: it is in force, but
 * a restart may not know its new names.
 */
int tree_configure(struct tree *t, struct config *config);

/* Somebody reloads: what was refused may be tried again. */
void tree_reopen(struct tree *t);

/*
 * Somebody mounted. What was refused stays so (contract 9): a service manager that starts us again and
 * again must not lock an account. But where no change could be seen, this is taken for one.
 */
void tree_mounted(struct tree *t);

/* Starts the fetches of `prefetch = yes`. */
void tree_prefetch(struct tree *t);

/* A directory without a configuration: hidden. -ENOMEM. */
int tree_add_directory(struct tree *t, uint32_t id, const char *name, const char *identity,
		       struct directory **ret);
struct directory *tree_any_directory(const struct tree *t, uint32_t id); /* hidden ones too */

struct directory *tree_directory(const struct tree *t, const char *name); /* visible ones */
struct directory *tree_directory_by_id(const struct tree *t, uint32_t id);
struct slot *tree_slot_by_id(const struct tree *t, uint32_t id); /* NULL: none */

struct slot *directory_slot(const struct directory *d, const char *name);  /* visible ones */
struct slot *directory_named(const struct directory *d, const char *name); /* all but the dead */

/* The first visible slot whose id is at least this, for listings; NULL: no more. */
struct slot *directory_slot_from(const struct directory *d, uint32_t id);

/* The name of the slot that is there from the start; NULL: none. */
const char *directory_first(const struct directory *d);

/* A person must log in before there is a token. */
bool directory_needs_person(const struct directory *d);

/* The wish that the configuration declares for a name, a reference for the caller; NULL: none. */
struct settings *directory_declared_wish(const struct directory *d, const char *name);

/*
 * A slot for a name that is written for the first time: a new id, SLOT_DRAFT, not visible until
 * arrival_store() has stored it. -EEXIST: the name is not free; -ENOMEM.
 */
int directory_add(struct directory *d, const char *name, struct slot **ret);

/* The same for a slot that the store has: with its id. */
int directory_add_stored(struct directory *d, uint32_t id, const char *name, struct slot **ret);

/* Takes a slot out of its directory: SLOT_DEAD, and freed when nobody has it open. */
void directory_remove(struct slot *s);

/* Frees it, if it is dead and nothing refers to it any more. */
void tree_sweep(struct slot *s);

/* Drafts of new names. The struct is the tree's. -ENOMEM. */
int tree_add_draft(struct tree *t, uint32_t id, struct directory *d, const char *name,
		   struct draft **ret);
struct draft *tree_draft(const struct tree *t, uint32_t id);
void tree_drop_draft(struct tree *t, struct draft *draft);

/* Forgets those that an earlier mount left: no descriptor can lead to them any more. */
void tree_drop_drafts(struct tree *t);

#endif
