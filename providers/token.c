/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "buffer.h"
#include "json.h"
#include "token.h"

#define LIFETIME_MAX_S (INT64_C(10) * 366 * 24 * 3600)

/* One block: the struct, the value, and the strings of the facts behind it. */
struct token {
	unsigned int refs;
	size_t size; /* of the block */
	size_t len;
	struct token_facts facts;
	char bytes[];
};

static bool is_b64token(const char *value, size_t len)
{
	size_t i = 0;

	while (i < len &&
	       ((value[i] >= 'a' && value[i] <= 'z') || (value[i] >= 'A' && value[i] <= 'Z') ||
		(value[i] >= '0' && value[i] <= '9') || (value[i] && strchr("-._~+/", value[i]))))
		i++;
	if (i == 0)
		return false;
	while (i < len && value[i] == '=')
		i++;
	return i == len;
}

static size_t string_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

/* Copies one string behind the others and moves on. */
static const char *keep(char **at, const char *s)
{
	char *copy = *at;
	size_t size = string_size(s);

	if (!s)
		return NULL;
	memcpy(copy, s, size);
	*at += size;
	return copy;
}

static const char *type_of(const struct token_facts *facts)
{
	return facts->token_type ? facts->token_type : "Bearer";
}

static void keep_facts(struct token *t, const struct token_facts *facts)
{
	char *at = t->bytes + t->len + 1;

	t->facts.lifetime_ms = facts->lifetime_ms;
	t->facts.token_type = keep(&at, type_of(facts));
	t->facts.scope = keep(&at, facts->scope);
	t->facts.audience = keep(&at, facts->audience);
	t->facts.id = keep(&at, facts->id);
	t->facts.details = keep(&at, facts->details);
}

int token_new(const char *value, size_t len, const struct token_facts *facts, struct sentence *why,
	      struct token **ret)
{
	struct token *t;
	size_t size;

	if (len > LIMIT_TOKEN) {
		sentence_set(why, "the token is longer than %u bytes", LIMIT_TOKEN);
		return -EBADMSG;
	}
	if (!is_b64token(value, len)) {
		sentence_set(why,
			     "the token holds bytes that no token may hold (RFC 6750 b64token)");
		return -EBADMSG;
	}
	size = sizeof *t + len + 1 + string_size(type_of(facts)) + string_size(facts->scope) +
	       string_size(facts->audience) + string_size(facts->id) + string_size(facts->details);
	t = malloc(size);
	if (!t)
		return -ENOMEM;
	t->refs = 1;
	t->size = size;
	t->len = len;
	memcpy(t->bytes, value, len);
	t->bytes[len] = '\0';
	keep_facts(t, facts);
	*ret = t;
	return 0;
}

struct token *token_ref(struct token *t)
{
	t->refs++;
	return t;
}

struct token *token_unref(struct token *t)
{
	if (t && --t->refs == 0) {
		sodium_memzero(t, t->size);
		free(t);
	}
	return NULL;
}

const char *token_value(const struct token *t)
{
	return t->bytes;
}

size_t token_len(const struct token *t)
{
	return t->len;
}

const struct token_facts *token_facts(const struct token *t)
{
	return &t->facts;
}

/* One part of a JWT: base64url of a JSON object. */
static struct json *decode_part(const char *part, size_t len)
{
	struct json *object = NULL;
	unsigned char *bytes = malloc(len + 1);
	size_t decoded;

	if (!bytes)
		return NULL;
	if (sodium_base642bin(bytes, len + 1, part, len, NULL, &decoded, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0)
		json_parse((char *)bytes, decoded, NULL, &object);
	sodium_memzero(bytes, len + 1);
	free(bytes);
	if (object && !json_is_object(object)) {
		json_free(object);
		return NULL;
	}
	return object;
}

struct json *token_jwt_claims(const char *value, size_t len)
{
	const char *first = len ? memchr(value, '.', len) : NULL;
	const char *claims = first ? first + 1 : NULL;
	const char *second = first ? memchr(claims, '.', len - (size_t)(claims - value)) : NULL;
	JSON_AUTO *header = NULL;

	/* five parts are an encrypted token: nothing to read there */
	if (!second || memchr(second + 1, '.', len - (size_t)(second + 1 - value)))
		return NULL;
	header = decode_part(value, (size_t)(first - value));
	return header ? decode_part(claims, (size_t)(second - claims)) : NULL;
}

int64_t token_jwt_expiry(const char *value, size_t len)
{
	JSON_AUTO *claims = token_jwt_claims(value, len);
	int64_t expiry;

	if (!json_integer(claims, "exp", &expiry) || expiry < 0)
		return -1;
	return expiry;
}

static int64_t bounded_ms(int64_t seconds)
{
	if (seconds < 0)
		return 0;
	return (seconds < LIFETIME_MAX_S ? seconds : LIFETIME_MAX_S) * 1000;
}

int64_t token_lifetime(const char *value, size_t len, int64_t expires_in_s, int64_t now_ms)
{
	int64_t expiry;

	if (expires_in_s != TOKEN_LIFETIME_UNSAID)
		return bounded_ms(expires_in_s);
	expiry = token_jwt_expiry(value, len);
	if (expiry < 0)
		return TOKEN_DEFAULT_LIFETIME_MS;
	if (expiry - now_ms / 1000 >= LIFETIME_MAX_S)
		return bounded_ms(LIFETIME_MAX_S);
	return expiry * 1000 - now_ms;
}
