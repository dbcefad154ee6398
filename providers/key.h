/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key: what signs a JWT: a private key (RSA or P-256) or a secret that both sides know (HMAC); the
 * only includer of OpenSSL.
 *
 *	KEY_AUTO *key = NULL;
 *
 *	r = key_open(settings_secret(x->settings, "client-key"), &why, &key);
 *	r = key_sign(key, text, len, &signature);
 *
 * A key is opened from bytes for a signature and closed after it; whoever opened it owns it. OpenSSL
 * works in a library context of its own here: it reads no openssl.cnf, loads no module, and asks
 * nobody for a password. Its random numbers (the nonce of ES256, the blinding of RSA) are its own.
 */
#ifndef TOKENFS_KEY_H
#define TOKENFS_KEY_H

#include "buffer.h"
#include "secret.h"
#include "sentence.h"

struct key;

/*
 * A private key in PEM: PKCS#8, PKCS#1 or SEC 1, with or without line breaks; what else stands in
 * the text is skipped. RSA of 2048 to 8192 bits, or P-256. -EINVAL for anything else, and `why`
 * goes on after the key's name ("is protected by a password: …") and quotes none of it; -ENOMEM.
 */
int key_open(const struct secret *pem, struct sentence *why, struct key **ret);

/* The bytes themselves, for HMAC: at least 32 (RFC 7518 section 3.2). Errors as above. */
int key_open_shared(const struct secret *bytes, struct sentence *why, struct key **ret);

struct key *key_close(struct key *k); /* takes NULL, returns NULL; wipes */

const char *key_algorithm(const struct key *k); /* RS256, ES256 or HS256 */

/*
 * Appends the signature as RFC 7515 wants it; that of ES256 is r and s, 32 bytes each (wire J5).
 * -EINVAL when the key does not hold together; -ENOMEM. Errors of `out` stay there.
 */
int key_sign(const struct key *k, const void *bytes, size_t len, struct buffer *out);

static inline void key_cleanup(struct key **k)
{
	key_close(*k);
}
#define KEY_AUTO __attribute__((cleanup(key_cleanup))) struct key

#endif
