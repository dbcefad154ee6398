/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token: what a server gave. Immutable, reference-counted, wiped; replaced whole, never edited.
 *
 * Times are relative: `lifetime_ms` counts from the moment the request was sent (wire C6), so that
 * neither our clock's jumps nor the server's skew matter. fs/ turns it into moments.
 */
#ifndef TOKENFS_TOKEN_H
#define TOKENFS_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "sentence.h"

#define TOKEN_NEVER_EXPIRES INT64_MAX

struct token; /* opaque; token_value() and token_facts() look into it */

/* What is known about a token besides its value; no secret among it. Strings may be NULL. */
struct token_facts {
	int64_t lifetime_ms;    /* from the sending of the request; TOKEN_NEVER_EXPIRES */
	const char *token_type; /* as the server spells it; "Bearer" when nothing said so */
	const char *scope;      /* what was granted (wire C7) */
	const char *audience;
	const char *id;         /* the server's name for the token, if it has one */
	const char *details;    /* more about it, a JSON object as text */
};

/*
 * Copies value and facts. The value must be RFC 6750 b64token: letters, digits, -._~+/ and then =
 * only (wire C14). -EBADMSG when it is not (`why` says so, without the value), -ENOMEM.
 */
int token_new(const char *value, size_t len, const struct token_facts *facts, struct sentence *why,
	      struct token **ret);
struct token *token_ref(struct token *t);
struct token *token_unref(struct token *t); /* takes NULL, returns NULL */

const char *token_value(const struct token *t); /* followed by a NUL */
size_t token_len(const struct token *t);
const struct token_facts *token_facts(const struct token *t);

/*
 * The claims of a value that parses as a JWT, or NULL; the caller's to free. The signature is not
 * checked: they are hints from our own server about its token, never a reason to trust somebody.
 */
struct json *token_jwt_claims(const char *value, size_t len);

/*
 * The `exp` claim of a value that parses as a JWT, in seconds since the epoch; -1 when there is
 * none (wire C5).
 */
int64_t token_jwt_expiry(const char *value, size_t len);

/*
 * How long a token lives from `now_ms` on (wire C5): what the server says, else the `exp` of a JWT,
 * else TOKEN_DEFAULT_LIFETIME_MS; bounded above. 0 or less: it has expired already.
 */
#define TOKEN_DEFAULT_LIFETIME_MS INT64_C(300000)
#define TOKEN_LIFETIME_UNSAID INT64_MIN
int64_t token_lifetime(const char *value, size_t len, int64_t expires_in_s, int64_t now_ms);

static inline void token_cleanup(struct token **t)
{
	token_unref(*t);
}
#define TOKEN_AUTO __attribute__((cleanup(token_cleanup))) struct token

#endif
