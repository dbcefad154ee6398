/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "form.h"
#include "registry.h"

/*
 * local: tokens that tokenfs signs itself (JWT, RFC 7519; EdDSA, RFC 8037), for services that take
 * their keys from the `.jwks` beside them. No server, no network.
 */

#define LIFETIME_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
#define CLAIMS_MAX	256u

static const struct field fields[] = {
	/* clang-format off */
	{ "issuer", FIELD_TEXT, FIELD_IDENTITY, "$HOSTNAME", NULL,
	  "who signs: the `iss` of each token" },
	{ "subject", FIELD_TEXT, 0, NULL, NULL,
	  "whom a token speaks for: PROVIDER/NAME if not given" },
	{ "audience", FIELD_WORDS, 0, NULL, NULL, "whom a token is meant for" },
	{ "lifetime", FIELD_DURATION, 0, "5m", NULL, "how long a token is valid" },
	{ 0 },
	/* clang-format on */
};

static const struct field slot_fields[] = {
	/* clang-format off */
	{ "subject", FIELD_TEXT, 0, NULL, NULL, "as in the section, for this token" },
	{ "audience", FIELD_WORDS, 0, NULL, NULL, "as in the section, for this token" },
	{ "lifetime", FIELD_DURATION, 0, NULL, NULL, "as in the section, for this token" },
	{ "claims", FIELD_JSON, 0, NULL, NULL, "an object: further claims of this token" },
	{ 0 },
	/* clang-format on */
};

/* A signing key, opened. */
struct signer {
	unsigned char public[crypto_sign_PUBLICKEYBYTES];
	unsigned char secret[crypto_sign_SECRETKEYBYTES];
	struct buffer x, kid; /* of its JWK */
};

static void signer_finish(struct signer *s)
{
	sodium_memzero(s->secret, sizeof s->secret);
	buffer_finish(&s->x);
	buffer_finish(&s->kid);
}
#define SIGNER_AUTO __attribute__((cleanup(signer_finish))) struct signer
#define SIGNER_INIT ((struct signer){.x = BUFFER_INIT(64), .kid = BUFFER_INIT(64)})

/* RFC 7638: the hash of the members that make the key, in the order of their names. */
static void name_key(struct signer *s)
{
	BUFFER_AUTO jwk = BUFFER_INIT(256);
	unsigned char hash[crypto_hash_sha256_BYTES];

	form_base64url(&s->x, s->public, sizeof s->public);
	buffer_format(&jwk, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}",
		      buffer_string(&s->x));
	crypto_hash_sha256(hash, (const unsigned char *)buffer_string(&jwk), jwk.len);
	form_base64url(&s->kid, hash, sizeof hash);
}

/* The seed stands there as 32 bytes, or as base64url of them. -EINVAL: it is no seed. */
static int signer_open(struct signer *s, const struct secret *grant)
{
	unsigned char seed[crypto_sign_SEEDBYTES];
	size_t len = secret_len(grant);
	int r = 0;

	if (len == sizeof seed)
		memcpy(seed, secret_bytes(grant), sizeof seed);
	else if (sodium_base642bin(seed, sizeof seed, secret_bytes(grant), len, NULL, &len, NULL,
				   sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
		 len != sizeof seed)
		r = -EINVAL;
	if (r == 0) {
		crypto_sign_seed_keypair(s->public, s->secret, seed);
		name_key(s);
	}
	sodium_memzero(seed, sizeof seed);
	return r;
}

static int new_grant(const struct exchange *x, struct secret **ret)
{
	BUFFER_AUTO text = BUFFER_INIT(64);

	form_base64url(&text, x->random, sizeof x->random);
	if (buffer_error(&text))
		return buffer_error(&text);
	return secret_new(buffer_string(&text), text.len, ret);
}

/* The slot's word before the provider's. */
static const struct settings *speaker(const struct exchange *x, const char *key)
{
	return x->wish && settings_has(x->wish, key) ? x->wish : x->settings;
}

static void set_subject(const struct exchange *x, struct json *claims)
{
	const char *subject = settings_text(speaker(x, "subject"), "subject");
	BUFFER_AUTO path = BUFFER_INIT(LIMIT_REQUEST);

	if (!subject) {
		buffer_format(&path, "%s/%s", x->provider, x->name);
		subject = buffer_string(&path);
	}
	json_set_string(claims, "sub", subject);
}

/* RFC 7519 section 4.1.3: a string for one, an array for several. */
static void set_audience(const struct exchange *x, struct json *claims)
{
	const struct settings *s = speaker(x, "audience");
	const char *all = settings_text(s, "audience");
	const char *at = NULL;
	char word[LIMIT_WORD];
	struct json *list;

	if (!all)
		return;
	if (!strchr(all, ' ')) {
		json_set_string(claims, "aud", all);
		return;
	}
	list = json_new_array();
	while (settings_next_word(s, "audience", &at, word, sizeof word))
		json_add(list, json_new_string(word));
	json_set(claims, "aud", list);
}

/* A hash: the random bytes may have become the key, and then nothing may tell them. */
static void set_id(const struct exchange *x, struct json *claims)
{
	static const unsigned char purpose[] = "tokenfs local jti";
	unsigned char id[16];
	BUFFER_AUTO text = BUFFER_INIT(64);

	crypto_generichash(id, sizeof id, x->random, sizeof x->random, purpose, sizeof purpose);
	form_base64url(&text, id, sizeof id);
	json_set_string(claims, "jti", buffer_string(&text));
}

static int64_t lifetime_of(const struct exchange *x)
{
	return settings_ms(speaker(x, "lifetime"), "lifetime");
}

/* Whole seconds after iat, as who reads the claims expects. */
static int64_t expiry_of(const struct exchange *x)
{
	return x->now_ms / 1000 + (lifetime_of(x) + 999) / 1000;
}

/* A token is over for us no later than its claims say. */
static int64_t life_left(const struct exchange *x)
{
	int64_t left = expiry_of(x) * 1000 - x->now_ms, life = lifetime_of(x);

	return left < life ? left : life;
}

/* Claims of the document first, so that what we set can only replace them. */
static int make_claims(const struct exchange *x, struct json **ret)
{
	const char *extra = x->wish ? settings_text(x->wish, "claims") : NULL;
	int64_t now_s = x->now_ms / 1000;
	struct json *claims = NULL;
	int r = 0;

	if (extra)
		r = json_parse(extra, strlen(extra), NULL, &claims);
	else
		claims = json_new_object();
	if (r < 0)
		return r;
	json_set_string(claims, "iss", settings_text(x->settings, "issuer"));
	set_subject(x, claims);
	set_audience(x, claims);
	json_set_integer(claims, "iat", now_s);
	json_set_integer(claims, "nbf", now_s);
	json_set_integer(claims, "exp", expiry_of(x));
	set_id(x, claims);
	*ret = claims;
	return 0;
}

static void encode_part(struct buffer *out, const struct json *part)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_TOKEN);

	json_print(part, false, &text);
	if (buffer_error(&text) && !out->error)
		out->error = buffer_error(&text);
	form_base64url(out, buffer_string(&text), text.len);
}

/* JWS compact form, RFC 7515. */
static void sign(const struct signer *s, const struct json *claims, struct buffer *out)
{
	unsigned char signature[crypto_sign_BYTES];
	JSON_AUTO *header = json_new_object();

	json_set_string(header, "alg", "EdDSA");
	json_set_string(header, "typ", "JWT");
	json_set_string(header, "kid", buffer_string(&s->kid));
	encode_part(out, header);
	buffer_text(out, ".");
	encode_part(out, claims);
	crypto_sign_detached(signature, NULL, (const unsigned char *)buffer_string(out), out->len,
			     s->secret);
	buffer_text(out, ".");
	form_base64url(out, signature, sizeof signature);
}

static int issue(struct exchange *x, const struct signer *s)
{
	BUFFER_AUTO value = BUFFER_INIT(LIMIT_TOKEN);
	JSON_AUTO *claims = NULL;
	struct token_facts facts = {.audience = settings_text(speaker(x, "audience"), "audience")};
	int r = make_claims(x, &claims);

	if (r < 0)
		return r;
	sign(s, claims, &value);
	if (buffer_error(&value) == -EFBIG)
		return exchange_fail(x, EXCHANGE_INVALID,
				     "the claims make a token longer than %u bytes", LIMIT_TOKEN);
	if (buffer_error(&value))
		return buffer_error(&value);
	facts.lifetime_ms = life_left(x);
	facts.id = json_string(claims, "jti");
	return exchange_issue(x, buffer_string(&value), value.len, &facts);
}

static int local_ask(struct exchange *x)
{
	SIGNER_AUTO signer = SIGNER_INIT;
	SECRET_AUTO *fresh = NULL;
	int r;

	/* nobody keeps a list of these tokens: they end by themselves */
	if (x->purpose == PURPOSE_REVOKE)
		return EXCHANGE_DONE;
	if (!x->grant) {
		r = new_grant(x, &fresh);
		if (r < 0)
			return r;
	}
	r = signer_open(&signer, x->grant ? x->grant : fresh);
	if (r == -EINVAL)
		return exchange_fail(x, EXCHANGE_INVALID,
				     "the signing key of %s in the store is not a key",
				     x->provider);
	r = issue(x, &signer);
	if (r == EXCHANGE_DONE && fresh)
		x->ret_grant = secret_ref(fresh);
	return r;
}

static int check_lifetime(const struct settings *s, struct sentence *why)
{
	int64_t ms = settings_ms(s, "lifetime");

	if (ms == -1 || (ms >= 1000 && ms <= LIFETIME_MAX_MS))
		return 0;
	sentence_set(why, "lifetime is from 1s to 366d");
	return -EINVAL;
}

static int check_claims(const char *text, struct sentence *why)
{
	static const char *const ours[] = {"iss", "sub", "aud", "exp", "nbf", "iat", "jti"};
	JSON_AUTO *claims = NULL;
	int r = json_parse(text, strlen(text), why, &claims);

	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	if (!json_is_object(claims) || json_length(claims) > CLAIMS_MAX) {
		sentence_set(why, "claims is an object of at most %u members", CLAIMS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < json_length(claims); i++) {
		const char *key = json_key_at(claims, i, NULL);

		for (size_t j = 0; j < sizeof ours / sizeof ours[0]; j++) {
			if (strcmp(key, ours[j]) != 0)
				continue;
			sentence_set(why, "claims may not hold %s, which tokenfs sets", ours[j]);
			return -EINVAL;
		}
	}
	return 0;
}

static int local_check_wish(const struct settings *s, const struct settings *wish,
			    struct sentence *why)
{
	const char *claims = settings_text(wish, "claims");
	int r = check_lifetime(wish, why);

	(void)s;
	if (r == 0 && claims)
		r = check_claims(claims, why);
	return r;
}

static int local_render_document(const struct settings *s, const struct secret *grant,
				 struct buffer *out)
{
	SIGNER_AUTO signer = SIGNER_INIT;
	JSON_AUTO *set = NULL;
	struct json *keys, *key;

	(void)s;
	if (!grant || signer_open(&signer, grant) < 0)
		return -ENOKEY;
	set = json_new_object();
	keys = json_new_array();
	key = json_new_object();
	json_set_string(key, "kty", "OKP");
	json_set_string(key, "crv", "Ed25519");
	json_set_string(key, "alg", "EdDSA");
	json_set_string(key, "use", "sig");
	json_set_string(key, "kid", buffer_string(&signer.kid));
	json_set_string(key, "x", buffer_string(&signer.x));
	json_add(keys, key);
	json_set(set, "keys", keys);
	json_print(set, true, out);
	return buffer_error(out);
}

const struct provider_type local_type = {
	.name = "local",
	.summary = "tokens that tokenfs signs itself, for a first try and for services of your own",
	.env = "ACCESS_TOKEN",
	.fields = fields,
	.slot_fields = slot_fields,
	.imports = true,
	.document = ".jwks",
	.check = check_lifetime,
	.check_wish = local_check_wish,
	.ask = local_ask,
	.render_document = local_render_document,
};
