/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assertion: a short-lived JWT by which somebody says who he is, or for whom he asks (RFC 7523). It
 * is good for one request: the next one has another `jti`, a retry too (wire J1).
 *
 *	{"alg":"RS256","typ":"JWT","kid":"2024-1"}
 *	{"iss":"app","sub":"app","aud":"https://id.example.org/token",
 *	 "iat":1699999995,"exp":1700000060,"jti":"…"}
 */
#ifndef TOKENFS_ASSERTION_H
#define TOKENFS_ASSERTION_H

#include <stdint.h>

#include "buffer.h"
#include "key.h"

#define ASSERTION_RANDOM 32u

/* What it says. All of it is borrowed. */
struct assertion {
	const char *type;   /* `typ` of the header */
	const char *key_id; /* `kid` of the header, or NULL */
	const char *issuer, *subject, *audience;
	const char *use; /* parts the `jti` of two that are made of the same random bytes */
	const unsigned char
		*random; /* ASSERTION_RANDOM fresh bytes; they cannot be told from the jti */
	int64_t now_ms;
};

/* Appends it, signed, in compact form. -EINVAL: the key cannot sign; -ENOMEM, -EFBIG. */
int assertion_write(const struct assertion *a, const struct key *k, struct buffer *out);

#endif
