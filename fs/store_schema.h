/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_schema: how a new database is made, and how one that is there is proved to be ours and
 * whole before anything is written to it.
 */
#ifndef TOKENFS_STORE_SCHEMA_H
#define TOKENFS_STORE_SCHEMA_H

#include <sqlite3.h>

#include "seal.h"
#include "sentence.h"

/*
 * Loads the key and opens the database; at first start it makes both. A database of an older version
 * is in a transaction that brings it up to date, else in none. Errors as store_open().
 */
int store_database_open(const char *dir, struct sentence *why, struct seal **ret_seal,
			sqlite3 **ret);

/* What SQLite said, as -errno; 0 for SQLITE_OK, SQLITE_ROW and SQLITE_DONE. */
int store_errno(sqlite3 *db, int code);

#endif
