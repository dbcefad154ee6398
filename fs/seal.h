/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal: the store's key, and what is done with it: XChaCha20-Poly1305, a random nonce before each
 * box, bound to the row that it stands in, so that no box opens in another row's place.
 *
 * The key is the credential `tokenfs.key` ($CREDENTIALS_DIRECTORY; 32 bytes or 64 hex digits), or
 * the file `key` in the store's directory: 32 bytes, 0600. It lives in guarded, locked memory. The
 * caller owns the seal, and the bytes that it is given.
 */
#ifndef TOKENFS_SEAL_H
#define TOKENFS_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sentence.h"

struct seal;

/*
 * Loads the key for the store in `dir`; with `make`, and no key anywhere, makes one and syncs it to
 * disk. -EKEYREJECTED: no key, or one that is not of this form; -EACCES: others can read it, …;
 * `why` always says what to do.
 */
int seal_load(const char *dir, bool make, struct sentence *why, struct seal **ret);
struct seal *seal_free(struct seal *s);

/* Where the key came from: a path, for sentences. */
const char *seal_place(const struct seal *s);

/* The row of a box. */
struct seal_row {
	const char *table;
	uint32_t id, generation;
};

struct seal_bytes {
	unsigned char *bytes;
	size_t len;
};

void seal_bytes_finish(struct seal_bytes *b); /* wipes */
#define SEAL_BYTES_AUTO __attribute__((cleanup(seal_bytes_finish))) struct seal_bytes

int seal_close(const struct seal *s, const struct seal_row *row, const void *plain, size_t len,
	       struct seal_bytes *ret); /* -ENOMEM */

/* -EBADMSG: another key, another row, or damaged; -ENOMEM. A NUL follows the bytes. */
int seal_open(const struct seal *s, const struct seal_row *row, const void *box, size_t len,
	      struct seal_bytes *ret);

#endif
