/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "seal.h"
#include "store.h"
#include "store_lock.h"
#include "store_read.h"
#include "store_schema.h"

#define KINDS (STORE_DRAFT + 1)

/* An inode number has room for this (inode.h). */
#define ID_MAX ((1u << 28) - 1)

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	BEGIN_INNER,
	COMMIT_INNER,
	ROLLBACK_INNER,
	PUT_SEQUENCE,
	PUT_DIRECTORY,
	PUT_SLOT,
	PUT_TOKEN,
	PUT_GRANT,
	PUT_DRAFT,
	PUT_INTENT,
	PUT_REGISTRATION,
	DROP_SLOT,
	DROP_SLOT_TOKENS,
	DROP_TOKENS,
	DROP_GRANT,
	DROP_DRAFT,
	DROP_INTENT,
	DROP_REGISTRATION,
	STATEMENTS,
};

static const char *const statement_texts[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[BEGIN_INNER] = "SAVEPOINT change",
	[COMMIT_INNER] = "RELEASE change",
	[ROLLBACK_INNER] = "ROLLBACK TO change",
	[PUT_SEQUENCE] = "INSERT OR REPLACE INTO sequence VALUES (?, ?)",
	[PUT_DIRECTORY] = "INSERT OR REPLACE INTO directory VALUES (?, ?, ?)",
	[PUT_SLOT] = ("INSERT OR REPLACE INTO slot VALUES"
		      " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
	[PUT_TOKEN] =
		"INSERT OR REPLACE INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[PUT_GRANT] = "INSERT OR REPLACE INTO grant VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	[PUT_DRAFT] = "INSERT OR REPLACE INTO draft VALUES (?, ?, ?, ?, ?, ?, ?)",
	[PUT_INTENT] = "INSERT OR REPLACE INTO intent VALUES (?, ?, ?)",
	[PUT_REGISTRATION] = "INSERT OR REPLACE INTO registration VALUES (?, ?)",
	[DROP_SLOT] = "DELETE FROM slot WHERE id = ?",
	[DROP_SLOT_TOKENS] = "DELETE FROM token WHERE slot = ?",
	[DROP_TOKENS] = "DELETE FROM token WHERE slot = ? AND generation < ?",
	[DROP_GRANT] = "DELETE FROM grant WHERE id = ?",
	[DROP_DRAFT] = "DELETE FROM draft WHERE id = ?",
	[DROP_INTENT] = "DELETE FROM intent WHERE slot = ?",
	[DROP_REGISTRATION] = "DELETE FROM registration WHERE directory = ?",
};

struct store_change {
	struct store *store;
	bool open;
	int error;
};

struct store {
	int lock; /* the descriptor that holds it */
	bool unsynced; /* commits do not wait for the disk at present */
	bool outdated; /* what brings it up to date is not committed yet: changes are part of it */
	sqlite3 *db;
	struct seal *seal;
	sqlite3_stmt *statements[STATEMENTS];
	uint32_t last_id[KINDS];
	bool id_taken[KINDS]; /* since the last commit */
	struct store_change change;
};

/* The values of a row, one after the other; `error` is SQLite's and sticky. */
struct row {
	sqlite3_stmt *statement;
	int column, error;
};

static void statement_finalize(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}
#define STATEMENT_AUTO __attribute__((cleanup(statement_finalize))) sqlite3_stmt

static int get_statement(struct store *store, enum statement which, sqlite3_stmt **ret)
{
	int r = SQLITE_OK;

	if (!store->statements[which])
		r = sqlite3_prepare_v3(store->db, statement_texts[which], -1,
				       SQLITE_PREPARE_PERSISTENT, &store->statements[which], NULL);
	*ret = store->statements[which];
	return store_errno(store->db, r);
}

/* Begins a row of a change; a change that has failed already takes none. */
static bool row_begin(struct store_change *c, enum statement which, struct row *ret)
{
	assert(c->open);
	*ret = (struct row){ 0 };
	if (c->error == 0)
		c->error = get_statement(c->store, which, &ret->statement);
	return c->error == 0;
}

static void row_integer(struct row *row, int64_t value)
{
	if (row->error == SQLITE_OK)
		row->error = sqlite3_bind_int64(row->statement, ++row->column, value);
}

/* Bound without a copy: what is bound outlives row_end(). */
static void row_text(struct row *row, const char *text)
{
	if (row->error == SQLITE_OK)
		row->error =
			sqlite3_bind_text(row->statement, ++row->column, text, -1, SQLITE_STATIC);
}

static void row_box(struct row *row, const struct seal_bytes *box)
{
	if (row->error == SQLITE_OK)
		row->error = sqlite3_bind_blob(row->statement, ++row->column, box->bytes,
					       (int)box->len, SQLITE_STATIC);
}

static void row_end(struct store_change *c, struct row *row)
{
	if (row->error == SQLITE_OK)
		row->error = sqlite3_step(row->statement);
	c->error = store_errno(c->store->db, row->error);
	sqlite3_reset(row->statement);
	sqlite3_clear_bindings(row->statement);
}

/* One statement with at most two numbers. */
static void run(struct store_change *c, enum statement which, const uint32_t *numbers, size_t n)
{
	struct row row;

	if (!row_begin(c, which, &row))
		return;
	for (size_t i = 0; i < n; i++)
		row_integer(&row, numbers[i]);
	row_end(c, &row);
}

/* An id of 0 is none: the ids have run out, or the caller never took one. */
static bool check_id(struct store_change *c, uint32_t id)
{
	if (c->error == 0 && id == 0)
		c->error = -EOVERFLOW;
	return c->error == 0;
}

static int load_sequence(struct store *store)
{
	STATEMENT_AUTO *s = NULL;
	int r = sqlite3_prepare_v2(store->db, "SELECT kind, last FROM sequence", -1, &s, NULL);

	while (r == SQLITE_OK || r == SQLITE_ROW) {
		r = sqlite3_step(s);
		if (r != SQLITE_ROW)
			break;
		if (sqlite3_column_int64(s, 0) < 0 || sqlite3_column_int64(s, 0) >= KINDS)
			return -EUCLEAN;
		store->last_id[sqlite3_column_int(s, 0)] = (uint32_t)sqlite3_column_int64(s, 1);
	}
	return store_errno(store->db, r);
}

static int open_store(struct store *store, const char *dir, struct sentence *why)
{
	int r = store_directory_make(dir, why);

	if (r == 0)
		r = store_lock(dir, why, &store->lock);
	if (r == 0)
		r = store_database_open(dir, why, &store->seal, &store->db);
	if (r < 0)
		return r;
	store->outdated = !sqlite3_get_autocommit(store->db);
	r = load_sequence(store);
	if (r < 0)
		sentence_set(why, "cannot read the store in %s: %s", dir, strerror(-r));
	return r;
}

int store_open(const char *dir, struct sentence *why, struct store **ret)
{
	struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store) {
		sentence_set(why, "there is no memory for the store");
		return -ENOMEM;
	}
	store->lock = -1;
	r = open_store(store, dir, why);
	if (r < 0) {
		store_close(store);
		return r;
	}
	*ret = store;
	return 0;
}

int store_accept(struct store *store, struct sentence *why)
{
	int r;

	if (!store->outdated)
		return 0;
	/* SQLite ends a transaction by itself after some errors: then it is as old as it was. */
	r = sqlite3_get_autocommit(store->db)
		    ? -EIO
		    : store_errno(store->db, sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL));
	if (r < 0)
		sentence_set(why, "cannot bring the store up to date: %s", strerror(-r));
	else
		store->outdated = false;
	return r;
}

/* The lock goes last: closing may still fold the log into the file. */
struct store *store_close(struct store *store)
{
	if (!store)
		return NULL;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	seal_free(store->seal);
	if (store->lock >= 0)
		close(store->lock);
	free(store);
	return NULL;
}

int store_load(struct store *store, const struct store_visitor *visitor, void *ctx,
	       struct sentence *why)
{
	return store_read(store->db, store->seal, visitor, ctx, why);
}

/* 0 when there is no id left, which no change takes. */
uint32_t store_new_id(struct store *store, enum store_id kind)
{
	if (store->last_id[kind] == ID_MAX)
		return 0;
	store->id_taken[kind] = true;
	return ++store->last_id[kind];
}

/* SQLite's level NORMAL leaves a commit in the log to the kernel; the next one of FULL syncs it too. */
static int choose_sync(struct store *store, bool unsynced)
{
	int r;

	if (store->unsynced == unsynced || store->outdated)
		return 0; /* within a transaction the level stays */
	r = store_errno(store->db, sqlite3_exec(store->db,
						unsynced ? "PRAGMA synchronous = NORMAL"
							 : "PRAGMA synchronous = FULL",
						NULL, NULL, NULL));
	if (r == 0)
		store->unsynced = unsynced;
	return r;
}

static struct store_change *begin(struct store *store, bool unsynced)
{
	struct store_change *c = &store->change;

	assert(!c->open);
	*c = (struct store_change){ .store = store, .open = true };
	c->error = choose_sync(store, unsynced);
	run(c, store->outdated ? BEGIN_INNER : BEGIN, NULL, 0);
	return c;
}

struct store_change *store_begin(struct store *store)
{
	return begin(store, false);
}

struct store_change *store_begin_unsynced(struct store *store)
{
	return begin(store, true);
}

void store_put_directory(struct store_change *c, const struct stored_directory *d)
{
	struct row row;

	if (!check_id(c, d->id) || !row_begin(c, PUT_DIRECTORY, &row))
		return;
	row_integer(&row, d->id);
	row_text(&row, d->name);
	row_text(&row, d->identity);
	row_end(c, &row);
}

void store_put_slot(struct store_change *c, const struct stored_slot *s)
{
	struct row row;

	if (!check_id(c, s->id) || !row_begin(c, PUT_SLOT, &row))
		return;
	row_integer(&row, s->id);
	row_integer(&row, s->directory);
	row_text(&row, s->name);
	row_integer(&row, s->created);
	row_integer(&row, s->uid);
	row_integer(&row, s->gid);
	row_integer(&row, s->mode);
	row_integer(&row, s->generation);
	row_integer(&row, s->size);
	row_integer(&row, s->grant);
	row_text(&row, s->wish);
	row_integer(&row, s->written);
	row_integer(&row, s->imported);
	row_integer(&row, (int64_t)s->basis);
	row_integer(&row, s->listed);
	row_text(&row, s->details);
	row_text(&row, s->stamp);
	row_end(c, &row);
}

void store_put_token(struct store_change *c, const struct stored_token *t)
{
	const struct token_facts *facts = token_facts(t->token);
	const struct seal_row place = { "token", t->slot, t->generation };
	SEAL_BYTES_AUTO box = { 0 };
	struct row row;

	if (!check_id(c, t->slot))
		return;
	c->error = seal_close(c->store->seal, &place, token_value(t->token), token_len(t->token),
			      &box);
	if (!row_begin(c, PUT_TOKEN, &row))
		return;
	row_integer(&row, t->slot);
	row_integer(&row, t->generation);
	row_box(&row, &box);
	row_integer(&row, facts->lifetime_ms);
	row_text(&row, facts->token_type);
	row_text(&row, facts->scope);
	row_text(&row, facts->audience);
	row_text(&row, facts->id);
	row_text(&row, facts->details);
	row_integer(&row, t->issued_wall_ms);
	row_integer(&row, t->expires_wall_ms);
	row_integer(&row, t->issued_boot_ms);
	row_integer(&row, t->expires_boot_ms);
	row_text(&row, t->boot_id);
	row_end(c, &row);
}

void store_put_grant(struct store_change *c, const struct stored_grant *g)
{
	SEAL_BYTES_AUTO box = { 0 };
	struct row row;

	if (!check_id(c, g->id))
		return;
	if (g->secret)
		c->error = seal_close(c->store->seal, &(struct seal_row){ "grant", g->id, 0 },
				      secret_bytes(g->secret), secret_len(g->secret), &box);
	if (!row_begin(c, PUT_GRANT, &row))
		return;
	row_integer(&row, g->id);
	row_integer(&row, g->directory);
	row_box(&row, &box); /* no bytes: NULL */
	row_integer(&row, g->own);
	row_integer(&row, g->locked);
	row_integer(&row, (int64_t)g->signature);
	row_integer(&row, g->locked_wall_ms);
	row_text(&row, g->why);
	row_end(c, &row);
}

void store_put_draft(struct store_change *c, const struct stored_draft *d)
{
	struct row row;

	if (!check_id(c, d->id) || !row_begin(c, PUT_DRAFT, &row))
		return;
	row_integer(&row, d->id);
	row_integer(&row, d->directory);
	row_text(&row, d->name);
	row_integer(&row, d->exclusive);
	row_integer(&row, d->uid);
	row_integer(&row, d->gid);
	row_integer(&row, d->mode);
	row_end(c, &row);
}

void store_put_intent(struct store_change *c, const struct stored_intent *i)
{
	SEAL_BYTES_AUTO box = { 0 };
	struct row row;

	if (!check_id(c, i->slot))
		return;
	c->error = seal_close(c->store->seal, &(struct seal_row){ "intent", i->slot, 0 },
			      secret_bytes(i->secret), secret_len(i->secret), &box);
	if (!row_begin(c, PUT_INTENT, &row))
		return;
	row_integer(&row, i->slot);
	row_integer(&row, i->purpose);
	row_box(&row, &box);
	row_end(c, &row);
}

void store_put_registration(struct store_change *c, const struct stored_registration *r)
{
	SEAL_BYTES_AUTO box = { 0 };
	struct row row;

	if (!check_id(c, r->directory))
		return;
	c->error = seal_close(c->store->seal, &(struct seal_row){ "registration", r->directory, 0 },
			      secret_bytes(r->secret), secret_len(r->secret), &box);
	if (!row_begin(c, PUT_REGISTRATION, &row))
		return;
	row_integer(&row, r->directory);
	row_box(&row, &box);
	row_end(c, &row);
}

void store_drop_slot(struct store_change *c, uint32_t id)
{
	run(c, DROP_INTENT, &id, 1);
	run(c, DROP_SLOT_TOKENS, &id, 1);
	run(c, DROP_SLOT, &id, 1);
}

void store_drop_tokens(struct store_change *c, uint32_t slot, uint32_t below_generation)
{
	run(c, DROP_TOKENS, (const uint32_t[]){ slot, below_generation }, 2);
}

void store_drop_grant(struct store_change *c, uint32_t id)
{
	run(c, DROP_GRANT, &id, 1);
}

void store_drop_draft(struct store_change *c, uint32_t id)
{
	run(c, DROP_DRAFT, &id, 1);
}

void store_drop_intent(struct store_change *c, uint32_t slot)
{
	run(c, DROP_INTENT, &slot, 1);
}

void store_drop_registration(struct store_change *c, uint32_t directory)
{
	run(c, DROP_REGISTRATION, &directory, 1);
}

static void put_sequence(struct store_change *c)
{
	for (uint32_t kind = 0; kind < KINDS; kind++)
		if (c->store->id_taken[kind])
			run(c, PUT_SEQUENCE, (const uint32_t[]){ kind, c->store->last_id[kind] },
			    2);
}

/* SQLite ends a transaction by itself after some errors. */
static void roll_back(struct store_change *c)
{
	struct store_change rollback = { .store = c->store, .open = true };

	if (sqlite3_get_autocommit(c->store->db))
		return;
	run(&rollback, c->store->outdated ? ROLLBACK_INNER : ROLLBACK, NULL, 0);
	if (c->store->outdated)
		run(&rollback, COMMIT_INNER, NULL, 0);
}

void store_commit(struct store_change *c, store_done *done, void *ctx)
{
	struct store *store = c->store;
	int error;

	put_sequence(c);
	run(c, store->outdated ? COMMIT_INNER : COMMIT, NULL, 0);
	error = c->error;
	if (error < 0)
		roll_back(c);
	else
		memset(store->id_taken, 0, sizeof(store->id_taken));
	c->open = false; /* before `done`, which may begin the next one */
	if (done)
		done(ctx, error);
}
