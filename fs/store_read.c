/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "store_read.h"
#include "store_schema.h"

static void statement_finalize(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}
#define STATEMENT_AUTO __attribute__((cleanup(statement_finalize))) sqlite3_stmt

/* One loading: where the rows come from and who sees them. */
struct loading {
	sqlite3 *db;
	const struct seal *seal;
	const struct store_visitor *visitor;
	void *ctx;
	struct sentence *why;
};

static const char *column_text(sqlite3_stmt *s, int column)
{
	return (const char *)sqlite3_column_text(s, column);
}

static uint32_t column_id(sqlite3_stmt *s, int column)
{
	return (uint32_t)sqlite3_column_int64(s, column);
}

static int open_box(const struct loading *l, sqlite3_stmt *s, int column,
		    const struct seal_row *row, struct seal_bytes *ret)
{
	const void *box = sqlite3_column_blob(s, column);
	int r = seal_open(l->seal, row, box, (size_t)sqlite3_column_bytes(s, column), ret);

	if (r != -EBADMSG)
		return r;
	sentence_set(l->why,
		     "the %s %u in the store does not open: the store was tampered with or is "
		     "damaged; bring it back from a backup, or move it away to begin anew",
		     row->table, row->id);
	return -EUCLEAN;
}

static int load_directory(const struct loading *l, sqlite3_stmt *s)
{
	const struct stored_directory d = {
		.id = column_id(s, 0),
		.name = column_text(s, 1),
		.identity = column_text(s, 2),
	};

	return l->visitor->directory ? l->visitor->directory(l->ctx, &d) : 0;
}

static int load_grant(const struct loading *l, sqlite3_stmt *s)
{
	SEAL_BYTES_AUTO plain = { 0 };
	SECRET_AUTO *secret = NULL;
	struct stored_grant g = { .id = column_id(s, 0),
				  .directory = column_id(s, 1),
				  .own = sqlite3_column_int(s, 3) != 0,
				  .locked = sqlite3_column_int(s, 4),
				  .signature = (uint64_t)sqlite3_column_int64(s, 5),
				  .locked_wall_ms = sqlite3_column_int64(s, 6),
				  .why = column_text(s, 7) };
	int r = 0;

	if (sqlite3_column_type(s, 2) != SQLITE_NULL)
		r = open_box(l, s, 2, &(struct seal_row){ "grant", g.id, 0 }, &plain);
	if (r == 0 && plain.bytes)
		r = secret_new(plain.bytes, plain.len, &secret);
	if (r < 0)
		return r;
	g.secret = secret;
	return l->visitor->grant ? l->visitor->grant(l->ctx, &g) : 0;
}

static int load_slot(const struct loading *l, sqlite3_stmt *s)
{
	const struct stored_slot slot = {
		.id = column_id(s, 0),
		.directory = column_id(s, 1),
		.name = column_text(s, 2),
		.created = sqlite3_column_int(s, 3) != 0,
		.uid = (uid_t)sqlite3_column_int64(s, 4),
		.gid = (gid_t)sqlite3_column_int64(s, 5),
		.mode = (mode_t)sqlite3_column_int64(s, 6),
		.generation = column_id(s, 7),
		.size = column_id(s, 8),
		.grant = column_id(s, 9),
		.wish = column_text(s, 10),
		.written = sqlite3_column_int(s, 11) != 0,
		.imported = sqlite3_column_int(s, 12) != 0,
		.basis = (uint64_t)sqlite3_column_int64(s, 13),
		.listed = sqlite3_column_int(s, 14) != 0,
		.details = column_text(s, 15),
		.stamp = column_text(s, 16),
	};

	return l->visitor->slot ? l->visitor->slot(l->ctx, &slot) : 0;
}

static int make_token(const struct loading *l, sqlite3_stmt *s, const struct seal_row *row,
		      struct token **ret)
{
	SEAL_BYTES_AUTO plain = { 0 };
	const struct token_facts facts = {
		.lifetime_ms = sqlite3_column_int64(s, 3),
		.token_type = column_text(s, 4),
		.scope = column_text(s, 5),
		.audience = column_text(s, 6),
		.id = column_text(s, 7),
		.details = column_text(s, 8),
	};
	int r = open_box(l, s, 2, row, &plain);

	if (r < 0)
		return r;
	r = token_new((const char *)plain.bytes, plain.len, &facts, l->why, ret);
	return r == -EBADMSG ? -EUCLEAN : r;
}

static int load_token(const struct loading *l, sqlite3_stmt *s)
{
	TOKEN_AUTO *token = NULL;
	struct stored_token t = {
		.slot = column_id(s, 0),
		.generation = column_id(s, 1),
		.issued_wall_ms = sqlite3_column_int64(s, 9),
		.expires_wall_ms = sqlite3_column_int64(s, 10),
		.issued_boot_ms = sqlite3_column_int64(s, 11),
		.expires_boot_ms = sqlite3_column_int64(s, 12),
		.boot_id = column_text(s, 13),
	};
	int r = make_token(l, s, &(struct seal_row){ "token", t.slot, t.generation }, &token);

	if (r < 0)
		return r;
	t.token = token;
	return l->visitor->token ? l->visitor->token(l->ctx, &t) : 0;
}

static int load_draft(const struct loading *l, sqlite3_stmt *s)
{
	const struct stored_draft d = {
		.id = column_id(s, 0),
		.directory = column_id(s, 1),
		.name = column_text(s, 2),
		.exclusive = sqlite3_column_int(s, 3) != 0,
		.uid = (uid_t)sqlite3_column_int64(s, 4),
		.gid = (gid_t)sqlite3_column_int64(s, 5),
		.mode = (mode_t)sqlite3_column_int64(s, 6),
	};

	return l->visitor->draft ? l->visitor->draft(l->ctx, &d) : 0;
}

/* A row that is a number and a sealed secret. */
static int open_secret(const struct loading *l, sqlite3_stmt *s, int column,
		       const struct seal_row *row, struct secret **ret)
{
	SEAL_BYTES_AUTO plain = { 0 };
	int r = open_box(l, s, column, row, &plain);

	return r < 0 ? r : secret_new(plain.bytes, plain.len, ret);
}

static int load_intent(const struct loading *l, sqlite3_stmt *s)
{
	SECRET_AUTO *secret = NULL;
	struct stored_intent i = { .slot = column_id(s, 0), .purpose = sqlite3_column_int(s, 1) };
	int r = open_secret(l, s, 2, &(struct seal_row){ "intent", i.slot, 0 }, &secret);

	if (r < 0)
		return r;
	i.secret = secret;
	return l->visitor->intent ? l->visitor->intent(l->ctx, &i) : 0;
}

static int load_registration(const struct loading *l, sqlite3_stmt *s)
{
	SECRET_AUTO *secret = NULL;
	struct stored_registration reg = { .directory = column_id(s, 0) };
	int r = open_secret(l, s, 1, &(struct seal_row){ "registration", reg.directory, 0 },
			    &secret);

	if (r < 0)
		return r;
	reg.secret = secret;
	return l->visitor->registration ? l->visitor->registration(l->ctx, &reg) : 0;
}

static const struct {
	const char *select;
	int (*load)(const struct loading *l, sqlite3_stmt *s);
} tables[] = {
	{ "SELECT * FROM directory ORDER BY id", load_directory },
	{ "SELECT * FROM grant ORDER BY id", load_grant },
	{ "SELECT * FROM slot ORDER BY id", load_slot },
	{ "SELECT * FROM token ORDER BY slot, generation", load_token },
	{ "SELECT * FROM draft ORDER BY id", load_draft },
	{ "SELECT * FROM intent ORDER BY slot", load_intent },
	{ "SELECT * FROM registration ORDER BY directory", load_registration },
};

static int load_table(const struct loading *l, size_t which)
{
	STATEMENT_AUTO *s = NULL;
	int r = sqlite3_prepare_v2(l->db, tables[which].select, -1, &s, NULL);

	while (r == SQLITE_OK || r == SQLITE_ROW) {
		int answer;

		r = sqlite3_step(s);
		if (r != SQLITE_ROW)
			break;
		answer = tables[which].load(l, s);
		if (answer != 0)
			return answer;
	}
	r = store_errno(l->db, r);
	if (r < 0)
		sentence_set(l->why, "cannot read the store: %s", strerror(-r));
	return r;
}

int store_read(sqlite3 *db, const struct seal *seal, const struct store_visitor *visitor, void *ctx,
	       struct sentence *why)
{
	const struct loading l = { db, seal, visitor, ctx, why };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(tables) / sizeof(tables[0]); i++)
		r = load_table(&l, i);
	return r;
}
