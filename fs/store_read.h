/* SPDX-License-Identifier: Apache-2.0 */
/* store_read: every row of the store, opened and shown to a visitor; see store_load(). */
#ifndef TOKENFS_STORE_READ_H
#define TOKENFS_STORE_READ_H

#include <sqlite3.h>

#include "seal.h"
#include "store.h"

int store_read(sqlite3 *db, const struct seal *seal, const struct store_visitor *visitor, void *ctx,
	       struct sentence *why);

#endif
