/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <sodium.h>

#include "key.h"

#define RSA_BITS_MIN  2048
#define RSA_BITS_MAX  8192 /* one signature of a longer one keeps everybody waiting */
#define SHARED_MIN    32u
#define P256_HALF     32
#define SIGNATURE_MAX (RSA_BITS_MAX / 8)

struct key {
	OSSL_LIB_CTX *library;
	OSSL_PROVIDER *algorithms;
	EVP_PKEY *pkey;
	const char *algorithm;
};

struct key *key_close(struct key *k)
{
	if (!k)
		return NULL;
	EVP_PKEY_free(k->pkey);
	if (k->algorithms)
		OSSL_PROVIDER_unload(k->algorithms);
	OSSL_LIB_CTX_free(k->library);
	free(k);
	return NULL;
}

const char *key_algorithm(const struct key *k)
{
	return k->algorithm;
}

static int refuse(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

/* ---- reading PEM ---- */

/* The text of one block, without the lines around it. */
struct block {
	const char *label, *text;
	size_t label_len, len;
};

static const char begin_mark[] = "-----BEGIN ", end_mark[] = "-----END ", dashes[] = "-----";

/* The next block from `at` on. */
static bool find_block(const char *at, struct block *ret)
{
	const char *label = strstr(at, begin_mark);
	const char *text, *end;

	if (!label)
		return false;
	label += strlen(begin_mark);
	text = strstr(label, dashes);
	if (!text)
		return false;
	*ret = (struct block){ .label = label, .label_len = (size_t)(text - label) };
	ret->text = text + strlen(dashes);
	end = strstr(ret->text, end_mark);
	ret->len = end ? (size_t)(end - ret->text) : 0;
	return end;
}

static bool ends_with(const struct block *b, const char *ending)
{
	size_t len = strlen(ending);

	return b->label_len >= len && memcmp(b->label + b->label_len - len, ending, len) == 0;
}

/* The parameters of a curve, or a certificate, may stand before the key. */
static bool find_private(const struct secret *pem, struct block *ret)
{
	const char *at = secret_bytes(pem);

	while (find_block(at, ret)) {
		if (ends_with(ret, "PRIVATE KEY"))
			return true;
		at = ret->text + ret->len;
	}
	return false;
}

/* PKCS#8 says so in the label, the older forms in a line of the block. */
static bool is_locked(const struct block *b)
{
	static const char line[] = "Proc-Type:";

	return ends_with(b, "ENCRYPTED PRIVATE KEY") || memmem(b->text, b->len, line, strlen(line));
}

static EVP_PKEY *decode_der(OSSL_LIB_CTX *library, const unsigned char *der, size_t len)
{
	EVP_PKEY *pkey = NULL;
	OSSL_DECODER_CTX *decoder = OSSL_DECODER_CTX_new_for_pkey(&pkey, "DER", NULL, NULL,
								  EVP_PKEY_KEYPAIR, library, NULL);

	if (decoder && !OSSL_DECODER_from_data(decoder, &der, &len)) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	OSSL_DECODER_CTX_free(decoder);
	return pkey;
}

static int decode_block(struct key *k, const struct block *b)
{
	unsigned char *der = malloc(b->len + 1);
	size_t len;

	if (!der)
		return -ENOMEM;
	if (sodium_base642bin(der, b->len + 1, b->text, b->len, " \t\r\n", &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) == 0)
		k->pkey = decode_der(k->library, der, len);
	sodium_memzero(der, b->len + 1);
	free(der);
	return k->pkey ? 0 : -EINVAL;
}

/* ---- opening ---- */

static int check_rsa(struct key *k, struct sentence *why)
{
	int bits = EVP_PKEY_get_bits(k->pkey);

	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
		sentence_set(why, "is an RSA key of %d bits: %d to %d are taken", bits,
			     RSA_BITS_MIN, RSA_BITS_MAX);
		return -EINVAL;
	}
	k->algorithm = "RS256";
	return 0;
}

static int check_kind(struct key *k, struct sentence *why)
{
	char curve[32] = "";

	if (EVP_PKEY_is_a(k->pkey, "RSA"))
		return check_rsa(k, why);
	if (EVP_PKEY_is_a(k->pkey, "EC") &&
	    EVP_PKEY_get_group_name(k->pkey, curve, sizeof curve, NULL) &&
	    strcmp(curve, "prime256v1") == 0) {
		k->algorithm = "ES256";
		return 0;
	}
	return refuse(why, "is of a kind that is not taken: give an RSA key (RS256) or one on the "
			   "curve P-256 (ES256)");
}

static int read_private(struct key *k, const struct secret *pem, struct sentence *why)
{
	struct block block;
	int r;

	if (!find_private(pem, &block))
		return refuse(why, "is not a private key in PEM");
	if (is_locked(&block))
		return refuse(why, "is protected by a password: give it without one");
	r = decode_block(k, &block);
	if (r == -EINVAL)
		return refuse(why, "is not a private key in PEM that can be read: PKCS#8, PKCS#1 "
				   "and SEC 1 are");
	return r ? r : check_kind(k, why);
}

static int read_shared(struct key *k, const struct secret *bytes, struct sentence *why)
{
	if (secret_len(bytes) < SHARED_MIN) {
		sentence_set(why, "is too short to sign with: HS256 needs %u bytes", SHARED_MIN);
		return -EINVAL;
	}
	k->pkey = EVP_PKEY_new_raw_private_key_ex(k->library, "HMAC", NULL,
						  (const unsigned char *)secret_bytes(bytes),
						  secret_len(bytes));
	k->algorithm = "HS256";
	return k->pkey ? 0 : -ENOMEM;
}

typedef int key_reader(struct key *, const struct secret *, struct sentence *);

/* What OpenSSL notes of a failure is taken away again: the next one who looks is the TLS of others.
 */
static int open_with(key_reader *read, const struct secret *secret, struct sentence *why,
		     struct key **ret)
{
	struct key *k = calloc(1, sizeof *k);
	int r = -ENOMEM;

	if (!k)
		return -ENOMEM;
	ERR_set_mark();
	/*
	 * The names of algorithms belong to all contexts, and would have openssl.cnf read for them;
	 * where it was read already, for TLS, that stays.
	 */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	k->library = OSSL_LIB_CTX_new();
	k->algorithms = k->library ? OSSL_PROVIDER_load(k->library, "default") : NULL;
	if (k->algorithms)
		r = read(k, secret, why);
	ERR_pop_to_mark();
	if (r < 0) {
		key_close(k);
		return r;
	}
	*ret = k;
	return 0;
}

int key_open(const struct secret *pem, struct sentence *why, struct key **ret)
{
	return open_with(read_private, pem, why, ret);
}

int key_open_shared(const struct secret *bytes, struct sentence *why, struct key **ret)
{
	return open_with(read_shared, bytes, why, ret);
}

/* ---- signing ---- */

static int sign_whole(const struct key *k, const void *bytes, size_t len, unsigned char *ret,
		      size_t *ret_len)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	int good;

	if (!sum)
		return -ENOMEM;
	good = EVP_DigestSignInit_ex(sum, NULL, "SHA256", k->library, NULL, k->pkey, NULL) == 1 &&
	       EVP_DigestSign(sum, ret, ret_len, bytes, len) == 1;
	EVP_MD_CTX_free(sum);
	return good ? 0 : -EINVAL;
}

/* OpenSSL gives DER; JOSE wants the two numbers side by side (wire J5). */
static int append_halves(const unsigned char *der, size_t len, struct buffer *out)
{
	ECDSA_SIG *numbers = d2i_ECDSA_SIG(NULL, &der, (long)len);
	unsigned char halves[2 * P256_HALF];
	int r = -EINVAL;

	if (numbers && BN_bn2binpad(ECDSA_SIG_get0_r(numbers), halves, P256_HALF) == P256_HALF &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(numbers), halves + P256_HALF, P256_HALF) == P256_HALF) {
		buffer_append(out, halves, sizeof halves);
		r = 0;
	}
	ECDSA_SIG_free(numbers);
	return r;
}

int key_sign(const struct key *k, const void *bytes, size_t len, struct buffer *out)
{
	unsigned char signature[SIGNATURE_MAX];
	size_t n = sizeof signature;
	int r;

	ERR_set_mark();
	r = sign_whole(k, bytes, len, signature, &n);
	if (r == 0 && strcmp(k->algorithm, "ES256") == 0)
		r = append_halves(signature, n, out);
	else if (r == 0)
		buffer_append(out, signature, n);
	ERR_pop_to_mark();
	return r;
}
