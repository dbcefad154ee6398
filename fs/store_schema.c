/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store_schema.h"

#define APPLICATION_ID 0x746b6673 /* "tkfs" */
#define VERSION 2
#define HEADER_SIZE 100u /* of an SQLite file */

/* What proves the key, in the table `proof`. */
static const char proof[] = "tokenfs store";
static const struct seal_row proof_row = { "proof", 1, 0 };

/* `box` and `secret` are sealed; all else is in the clear. */
static const char schema[] =
	"CREATE TABLE proof (id INTEGER PRIMARY KEY, box BLOB NOT NULL);"
	"CREATE TABLE sequence (kind INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
	"CREATE TABLE directory (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
	" identity TEXT NOT NULL);"
	"CREATE TABLE grant (id INTEGER PRIMARY KEY, directory INTEGER NOT NULL, secret BLOB,"
	" own INTEGER NOT NULL, locked INTEGER NOT NULL, signature INTEGER NOT NULL,"
	" locked_wall_ms INTEGER NOT NULL, why TEXT);"
	"CREATE TABLE slot (id INTEGER PRIMARY KEY, directory INTEGER NOT NULL,"
	" name TEXT NOT NULL, created INTEGER NOT NULL, uid INTEGER NOT NULL,"
	" gid INTEGER NOT NULL, mode INTEGER NOT NULL, generation INTEGER NOT NULL,"
	" size INTEGER NOT NULL, grant_id INTEGER NOT NULL, wish TEXT,"
	" written INTEGER NOT NULL, imported INTEGER NOT NULL, basis INTEGER NOT NULL,"
	" listed INTEGER NOT NULL DEFAULT 0, details TEXT, stamp TEXT);"
	"CREATE TABLE token (slot INTEGER NOT NULL, generation INTEGER NOT NULL,"
	" secret BLOB NOT NULL, lifetime_ms INTEGER NOT NULL, token_type TEXT, scope TEXT,"
	" audience TEXT, token_id TEXT, details TEXT, issued_wall_ms INTEGER NOT NULL,"
	" expires_wall_ms INTEGER NOT NULL, issued_boot_ms INTEGER NOT NULL,"
	" expires_boot_ms INTEGER NOT NULL, boot_id TEXT NOT NULL,"
	" PRIMARY KEY (slot, generation)) WITHOUT ROWID;"
	"CREATE TABLE draft (id INTEGER PRIMARY KEY, directory INTEGER NOT NULL,"
	" name TEXT NOT NULL, exclusive INTEGER NOT NULL, uid INTEGER NOT NULL,"
	" gid INTEGER NOT NULL, mode INTEGER NOT NULL);"
	"CREATE TABLE intent (slot INTEGER PRIMARY KEY, purpose INTEGER NOT NULL,"
	" secret BLOB NOT NULL);"
	"CREATE TABLE registration (directory INTEGER PRIMARY KEY, secret BLOB NOT NULL);";

/* What made a store of each version one of the next. */
static const char *const upgrades[VERSION] = {
	[1] = "ALTER TABLE slot ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE slot ADD COLUMN details TEXT;"
	      "ALTER TABLE slot ADD COLUMN stamp TEXT;"
	      "CREATE TABLE intent (slot INTEGER PRIMARY KEY, purpose INTEGER NOT NULL,"
	      " secret BLOB NOT NULL);"
	      "CREATE TABLE registration (directory INTEGER PRIMARY KEY, secret BLOB NOT NULL);"
	      "PRAGMA user_version = 2;",
};

/* Wiped when deleted, on disk when committed, and small in memory. */
static const char habits[] = "PRAGMA cache_size = -256;"
			     "PRAGMA secure_delete = ON;"
			     "PRAGMA synchronous = FULL;"
			     "PRAGMA temp_store = MEMORY;"
			     "PRAGMA trusted_schema = OFF;";

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define FD_AUTO __attribute__((cleanup(fd_close))) int

static void database_close(sqlite3 **db)
{
	sqlite3_close(*db);
}
#define DATABASE_AUTO __attribute__((cleanup(database_close))) sqlite3

static void statement_finalize(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}
#define STATEMENT_AUTO __attribute__((cleanup(statement_finalize))) sqlite3_stmt

static void seal_cleanup(struct seal **s)
{
	seal_free(*s);
}
#define SEAL_AUTO __attribute__((cleanup(seal_cleanup))) struct seal

/* A full disk and a full quota can both come as an I/O error. */
static int io_errno(sqlite3 *db, int code)
{
	int error = db ? sqlite3_system_errno(db) : 0;

	if (code == SQLITE_IOERR_NOMEM)
		return -ENOMEM;
	return error == ENOSPC || error == EDQUOT ? -ENOSPC : -EIO;
}

int store_errno(sqlite3 *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_IOERR:
		return io_errno(db, db ? sqlite3_extended_errcode(db) : code);
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return -EUCLEAN;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_TOOBIG:
		return -EFBIG;
	}
	return -EIO; /* not an enum of ours: SQLite may grow codes */
}

static uint32_t header_number(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/*
 * Looks at the file before SQLite does, which might change what is not ours. 0; -ENOENT: none;
 * -EUCLEAN. The database is born under its name complete, so its header always tells.
 */
static int check_header(const char *path, struct sentence *why)
{
	unsigned char header[HEADER_SIZE];
	FD_AUTO fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : TEMP_FAILURE_RETRY(pread(fd, header, sizeof(header), 0));
	int r = -errno;

	if (n < 0) {
		sentence_set(why, "cannot read the store %s: %s", path, strerror(-r));
		return r;
	}
	if ((size_t)n < sizeof(header) || memcmp(header, "SQLite format 3", 16) != 0 ||
	    header_number(header + 68) != APPLICATION_ID) {
		sentence_set(why,
			     "%s is not a store of tokenfs, or it is damaged: bring it back from a "
			     "backup, or move it away to begin anew",
			     path);
		return -EUCLEAN;
	}
	return 0;
}

static int open_file(const char *path, sqlite3 **ret)
{
	int r = sqlite3_open_v2(path, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	r = store_errno(*ret, r);
	if (r == 0) {
		sqlite3_extended_result_codes(*ret, 1);
		sqlite3_busy_timeout(*ret, 500);
		r = store_errno(*ret, sqlite3_exec(*ret, habits, NULL, NULL, NULL));
	}
	return r;
}

static int put_proof(sqlite3 *db, const struct seal *seal)
{
	STATEMENT_AUTO *statement = NULL;
	SEAL_BYTES_AUTO box = { 0 };
	int r = seal_close(seal, &proof_row, proof, sizeof(proof), &box);

	if (r < 0)
		return r;
	r = sqlite3_prepare_v2(db, "INSERT INTO proof VALUES (1, ?)", -1, &statement, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_bind_blob(statement, 1, box.bytes, (int)box.len, SQLITE_STATIC);
	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	return store_errno(db, r);
}

static int fill_database(sqlite3 *db, const struct seal *seal)
{
	char mark[128];
	int r;

	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
		 APPLICATION_ID, VERSION);
	r = store_errno(db, sqlite3_exec(db, "BEGIN", NULL, NULL, NULL));
	if (r == 0)
		r = store_errno(db, sqlite3_exec(db, schema, NULL, NULL, NULL));
	if (r == 0)
		r = store_errno(db, sqlite3_exec(db, mark, NULL, NULL, NULL));
	if (r == 0)
		r = put_proof(db, seal);
	if (r == 0)
		r = store_errno(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
	return r;
}

static int write_database(const char *path, const struct seal *seal)
{
	DATABASE_AUTO *db = NULL;
	FD_AUTO fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : open_file(path, &db);

	if (r == 0)
		r = fill_database(db, seal);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

static int rename_durably(const char *dir, const char *from, const char *to)
{
	FD_AUTO dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0 || renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) < 0 ||
	    fsync(dir_fd) < 0)
		return -errno;
	return 0;
}

/* Complete under another name, then renamed: there is never half a store. */
static int make_database(const char *dir, const struct seal *seal, struct sentence *why)
{
	char path[PATH_MAX], journal[PATH_MAX + 16];
	int r;

	snprintf(path, sizeof(path), "%s/tokenfs.db.new", dir);
	snprintf(journal, sizeof(journal), "%s-journal", path);
	unlink(journal);
	r = unlink(path) < 0 && errno != ENOENT ? -errno : write_database(path, seal);
	if (r == 0)
		r = rename_durably(dir, "tokenfs.db.new", "tokenfs.db");
	if (r < 0) {
		unlink(path);
		sentence_set(why, "cannot make the store in %s: %s", dir, strerror(-r));
	}
	return r;
}

/* SQLite would play a left log into the new database. */
static int check_no_log(const char *path, struct sentence *why)
{
	char log[PATH_MAX + 8];

	snprintf(log, sizeof(log), "%s-wal", path);
	if (access(log, F_OK) < 0)
		return 0;
	sentence_set(why,
		     "%s is gone, but its log %s is there: bring it back, or remove the log too",
		     path, log);
	return -EUCLEAN;
}

static int number_of(sqlite3 *db, const char *sql, int *ret)
{
	STATEMENT_AUTO *statement = NULL;
	int r = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -EUCLEAN : store_errno(db, r);
	*ret = sqlite3_column_int(statement, 0);
	return 0;
}

static int check_whole(sqlite3 *db)
{
	STATEMENT_AUTO *statement = NULL;
	const unsigned char *answer;
	int r = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -EUCLEAN : store_errno(db, r);
	answer = sqlite3_column_text(statement, 0);
	return answer && strcmp((const char *)answer, "ok") == 0 ? 0 : -EUCLEAN;
}

static int check_proof(sqlite3 *db, const struct seal *seal)
{
	STATEMENT_AUTO *statement = NULL;
	SEAL_BYTES_AUTO plain = { 0 };
	const void *box;
	int r = sqlite3_prepare_v2(db, "SELECT box FROM proof WHERE id = 1", -1, &statement, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -EUCLEAN : store_errno(db, r);
	box = sqlite3_column_blob(statement, 0);
	r = seal_open(seal, &proof_row, box, (size_t)sqlite3_column_bytes(statement, 0), &plain);
	return r == -EBADMSG ? -EKEYREJECTED : r;
}

static int check_database(sqlite3 *db, const struct seal *seal)
{
	int version = 0;
	int r = number_of(db, "PRAGMA user_version", &version);

	if (r == 0 && version > VERSION)
		return -ENOTSUP;
	if (r == 0 && version < 1)
		return -EUCLEAN;
	if (r == 0)
		r = check_whole(db);
	if (r == 0)
		r = check_proof(db, seal);
	return r;
}

/* In a transaction that stays open: closing the database undoes it. */
static int bring_up_to_date(sqlite3 *db)
{
	int version = 0;
	int r = number_of(db, "PRAGMA user_version", &version);

	if (r == 0 && version < VERSION)
		r = store_errno(db, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
	for (; r == 0 && version < VERSION; version++)
		r = store_errno(db, sqlite3_exec(db, upgrades[version], NULL, NULL, NULL));
	return r;
}

static void explain(const char *path, const struct seal *seal, int error, struct sentence *why)
{
	if (error == -EKEYREJECTED)
		sentence_set(
			why,
			"the key %s does not open the store %s: bring back the key that it was "
			"made with, or move the store away to begin anew",
			seal_place(seal), path);
	else if (error == -ENOTSUP)
		sentence_set(why,
			     "the store %s was made by a newer tokenfs: run that one, or move the "
			     "store away to begin anew",
			     path);
	else if (error == -EUCLEAN)
		sentence_set(
			why,
			"the store %s is damaged: bring it back from a backup, or move it away "
			"with its -wal to begin anew",
			path);
	else
		sentence_set(why, "cannot open the store %s: %s", path, strerror(-error));
}

/*
 * Proves that the database is ours before it may change. Until then closing must not fold the log
 * into the file, so that somebody who repairs it finds it as it was.
 */
static int open_database(const char *path, const struct seal *seal, struct sentence *why,
			 sqlite3 **ret)
{
	DATABASE_AUTO *db = NULL;
	int r = open_file(path, &db);

	if (r == 0) {
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		r = check_database(db, seal);
	}
	if (r == 0)
		r = store_errno(db, sqlite3_exec(db,
						 "PRAGMA journal_mode = WAL;"
						 "PRAGMA wal_autocheckpoint = 256;"
						 "PRAGMA journal_size_limit = 1048576;",
						 NULL, NULL, NULL));
	if (r == 0)
		r = bring_up_to_date(db);
	if (r < 0) {
		explain(path, seal, r, why);
		return r;
	}
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	*ret = db;
	db = NULL;
	return 0;
}

int store_database_open(const char *dir, struct sentence *why, struct seal **ret_seal,
			sqlite3 **ret)
{
	SEAL_AUTO *seal = NULL;
	char path[PATH_MAX];
	int r, there;

	snprintf(path, sizeof(path), "%s/tokenfs.db", dir);
	there = check_header(path, why);
	if (there < 0 && there != -ENOENT)
		return there;
	r = there == -ENOENT ? check_no_log(path, why) : 0;
	if (r == 0)
		r = seal_load(dir, there == -ENOENT, why, &seal);
	if (r == 0 && there == -ENOENT)
		r = make_database(dir, seal, why);
	if (r == 0)
		r = open_database(path, seal, why, ret);
	if (r < 0)
		return r;
	*ret_seal = seal;
	seal = NULL;
	return 0;
}
