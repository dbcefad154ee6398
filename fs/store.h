/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: what must survive a restart, in one SQLite file (WAL, synchronous=FULL, secure_delete).
 *
 * Every column that holds a secret (tokens, refresh tokens, keys) is sealed with libsodium's
 * XChaCha20-Poly1305 and bound to its row (table, id) as additional data, so that rows cannot be swapped.
 * Names, scopes and times are in the clear. The key is the systemd credential `tokenfs.key`, or a
 * 0600 file of 32 bytes beside the database that is made at first start.
 *
 * Reading happens once, at the start (store_load). Writing is a change: begin, some puts, commit; all
 * of it or nothing, and on disk before `done` is called (or in the kernel's hands: unsynced). SQLite answers at once, so `done` is called
 * before store_commit() returns; callers must not rely on that, a shared store will answer later.
 *
 * Ids of directories, slots, grants and drafts come from here, and are never used twice.
 */
#ifndef TOKENFS_STORE_H
#define TOKENFS_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "secret.h"
#include "sentence.h"
#include "token.h"

struct store;

/* A provider's directory: a name, and whose account it is (config_provider.identity). */
struct stored_directory {
	uint32_t id;
	const char *name, *identity;
};

/* A name in it. */
struct stored_slot {
	uint32_t id, directory;
	const char *name;
	bool created;        /* by a person who wrote it; else the configuration declares it */
	uid_t uid;           /* created slots: whose it is */
	gid_t gid;
	mode_t mode;
	uint32_t generation; /* of the newest token that ever was; 0: never one */
	uint32_t size;       /* of that token */
	uint32_t grant;      /* its own; 0: the provider's */
	const char *wish;    /* JSON of what a document asked for; NULL: nothing special */
	bool written;        /* the wish is a document's, not the configuration's */
	bool imported;       /* there is nothing but the token that was written */
	uint64_t basis;      /* hash of what the newest token was asked with */
	bool listed;         /* the server had it when it was asked last */
	const char *details; /* as it was listed, JSON; or NULL */
	const char *stamp;   /* another one is another token of this name; or NULL */
};

/* One generation of a slot's token. */
struct stored_token {
	uint32_t slot, generation;
	struct token *token;                   /* with its facts */
	int64_t issued_wall_ms, expires_wall_ms; /* INT64_MAX: never */
	int64_t issued_boot_ms, expires_boot_ms; /* CLOCK_BOOTTIME of boot_id */
	const char *boot_id;
};

/* What a grant holds: a refresh token, a signing key. */
struct stored_grant {
	uint32_t id, directory;
	bool own;              /* a slot's; else the directory's */
	struct secret *secret; /* NULL: a grant that holds nothing now */
	int locked;            /* the errno of what was refused; 0: nothing was */
	uint64_t signature;    /* of the secret files that were refused */
	int64_t locked_wall_ms;
	const char *why;       /* NULL: nothing was refused */
};

/* A name that was opened for creation and not written yet. */
struct stored_draft {
	uint32_t id, directory;
	const char *name;
	bool exclusive; /* O_EXCL */
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* What a conversation for a slot was about to do when it was heard of last (provider.h, INTENTS). */
struct stored_intent {
	uint32_t slot;
	int purpose;
	struct secret *secret;
};

/* What a server knows this client as (RFC 7591), for a whole directory. */
struct stored_registration {
	uint32_t directory;
	struct secret *secret;
};

struct store_visitor {
	int (*directory)(void *ctx, const struct stored_directory *d);
	int (*grant)(void *ctx, const struct stored_grant *g);
	int (*slot)(void *ctx, const struct stored_slot *s);
	int (*token)(void *ctx, const struct stored_token *t); /* oldest generation of a slot first */
	int (*draft)(void *ctx, const struct stored_draft *d);
	int (*intent)(void *ctx, const struct stored_intent *i);
	int (*registration)(void *ctx, const struct stored_registration *r);
};

/*
 * Opens, or makes at first, the store in a directory (made with 0700 if missing). -EKEYREJECTED: the
 * key does not open it; -EUCLEAN: not a store, or damaged; -ENOTSUP: made by a newer version; -EBUSY:
 * another tokenfs has it; -ENOSPC, -EACCES, …; `why` always says what to do. Nothing is overwritten.
 */
int store_open(const char *dir, struct sentence *why, struct store **ret);

/*
 * A store of an older version is brought up to date by store_open(), but on the disk, with all that
 * was changed since, by this alone: who closes it before leaves it to the program that it is of. To be
 * called when nothing can fail to start any more. -ENOSPC, -EIO, …: it is as it was.
 */
int store_accept(struct store *store, struct sentence *why);
struct store *store_close(struct store *store);

/* Everything there is, table by table in the visitor's order. The first non-zero answer ends it. */
int store_load(struct store *store, const struct store_visitor *visitor, void *ctx,
	       struct sentence *why);

/* A new id: kind is one of the four, and ids grow. Part of the next change. */
enum store_id { STORE_DIRECTORY, STORE_SLOT, STORE_GRANT, STORE_DRAFT };
uint32_t store_new_id(struct store *store, enum store_id kind);

struct store_change;

/* One change at a time. Puts insert or replace by id; errors are sticky until the commit. */
struct store_change *store_begin(struct store *store);

/*
 * For what has to outlive this process and not the machine, such as the number of an open file: nobody
 * waits for the disk. When the machine loses power the change is there whole or not at all.
 */
struct store_change *store_begin_unsynced(struct store *store);
void store_put_directory(struct store_change *c, const struct stored_directory *d);
void store_put_slot(struct store_change *c, const struct stored_slot *s);
void store_put_token(struct store_change *c, const struct stored_token *t);
void store_put_grant(struct store_change *c, const struct stored_grant *g);
void store_put_draft(struct store_change *c, const struct stored_draft *d);
void store_put_intent(struct store_change *c, const struct stored_intent *i);
void store_put_registration(struct store_change *c, const struct stored_registration *r);
void store_drop_slot(struct store_change *c, uint32_t id);   /* its tokens and its intent too */
void store_drop_tokens(struct store_change *c, uint32_t slot, uint32_t below_generation);
void store_drop_grant(struct store_change *c, uint32_t id);
void store_drop_draft(struct store_change *c, uint32_t id);
void store_drop_intent(struct store_change *c, uint32_t slot);
void store_drop_registration(struct store_change *c, uint32_t directory);

/*
 * Ends the change. `error`: 0, it is on disk; -ENOSPC, -EIO, …: nothing of it happened. `done` may be
 * NULL for what need not be waited for.
 */
typedef void store_done(void *ctx, int error);
void store_commit(struct store_change *c, store_done *done, void *ctx);

#endif
