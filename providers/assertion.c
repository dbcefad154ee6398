/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <sodium.h>

#include "assertion.h"
#include "form.h"
#include "json.h"

/* The server's clock may be a little behind ours (wire J4); a minute is enough to get there (J1).
 */
#define BACK_S 5
#define LIFE_S 60

static void set_id(struct json *claims, const struct assertion *a)
{
	unsigned char id[crypto_generichash_BYTES_MIN];
	BUFFER_AUTO text = BUFFER_INIT(64);

	crypto_generichash(id, sizeof id, a->random, ASSERTION_RANDOM,
			   (const unsigned char *)a->use, strlen(a->use));
	form_base64url(&text, id, sizeof id);
	json_set_string(claims, "jti", buffer_string(&text));
}

static struct json *new_claims(const struct assertion *a)
{
	struct json *claims = json_new_object();

	json_set_string(claims, "iss", a->issuer);
	json_set_string(claims, "sub", a->subject);
	json_set_string(claims, "aud", a->audience);
	json_set_integer(claims, "iat", a->now_ms / 1000 - BACK_S);
	json_set_integer(claims, "exp", a->now_ms / 1000 + LIFE_S);
	set_id(claims, a);
	return claims;
}

static struct json *new_header(const struct assertion *a, const struct key *k)
{
	struct json *header = json_new_object();

	json_set_string(header, "alg", key_algorithm(k));
	json_set_string(header, "typ", a->type);
	if (a->key_id)
		json_set_string(header, "kid", a->key_id);
	return header;
}

static int append_part(struct buffer *out, const struct json *part)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_REQUEST);

	json_print(part, false, &text);
	form_base64url(out, buffer_string(&text), text.len);
	return buffer_error(&text);
}

int assertion_write(const struct assertion *a, const struct key *k, struct buffer *out)
{
	BUFFER_AUTO signature = BUFFER_INIT(LIMIT_REQUEST);
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_REQUEST);
	JSON_AUTO *header = new_header(a, k), *claims = new_claims(a);
	int r = append_part(&text, header);

	buffer_text(&text, ".");
	if (r == 0)
		r = append_part(&text, claims);
	if (r == 0)
		r = buffer_error(&text);
	if (r == 0)
		r = key_sign(k, buffer_string(&text), text.len, &signature);
	buffer_text(&text, ".");
	form_base64url(&text, buffer_string(&signature), signature.len);
	if (r == 0)
		r = buffer_error(&signature) ? buffer_error(&signature) : buffer_error(&text);
	if (r == 0)
		buffer_append(out, buffer_string(&text), text.len);
	return r ? r : buffer_error(out);
}
