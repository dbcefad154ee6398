/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ecdsa.h>
#include <openssl/encoder.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include "assertion.h"
#include "json.h"
#include "provider.h"

static const unsigned char random_1[ASSERTION_RANDOM] = "one", random_2[ASSERTION_RANDOM] = "two";

static const struct assertion sample = {
	.type = "JWT",
	.key_id = "2024-1",
	.issuer = "app",
	.subject = "app",
	.audience = "https://id.example.org/token",
	.use = "use",
	.random = random_1,
	.now_ms = INT64_C(1700000000000),
};

/* ---- keys made for a test ---- */

#define PKEY_AUTO __attribute__((cleanup(pkey_cleanup))) EVP_PKEY

static void pkey_cleanup(EVP_PKEY **pkey)
{
	EVP_PKEY_free(*pkey);
}

/* As a file would hold it; `form` is an output structure of OpenSSL. */
static struct secret *pem_of(EVP_PKEY *pkey, const char *form, const char *password)
{
	OSSL_ENCODER_CTX *encoder =
		OSSL_ENCODER_CTX_new_for_pkey(pkey, EVP_PKEY_KEYPAIR, "PEM", form, NULL);
	unsigned char *text = NULL;
	struct secret *secret;
	size_t len = 0;

	if (password) {
		assert_true(OSSL_ENCODER_CTX_set_cipher(encoder, "AES-256-CBC", NULL));
		assert_true(OSSL_ENCODER_CTX_set_passphrase(
			encoder, (const unsigned char *)password, strlen(password)));
	}
	assert_true(OSSL_ENCODER_to_data(encoder, &text, &len));
	assert_int_equal(secret_new(text, len, &secret), 0);
	OSSL_ENCODER_CTX_free(encoder);
	OPENSSL_free(text);
	return secret;
}

static struct key *open_pem(EVP_PKEY *pkey, const char *form)
{
	SECRET_AUTO *pem = pem_of(pkey, form, NULL);
	struct sentence why = { "" };
	struct key *key = NULL;

	assert_int_equal(key_open(pem, &why, &key), 0);
	return key;
}

static void refuses(const struct secret *pem, const char *part)
{
	struct sentence why = { "" };
	struct key *key = NULL;

	assert_int_equal(key_open(pem, &why, &key), -EINVAL);
	assert_null(key);
	assert_non_null(strstr(why.text, part));
	assert_null(strstr(why.text, secret_bytes(pem)));
}

static void refuses_kind(EVP_PKEY *pkey, const char *part)
{
	SECRET_AUTO *pem = pem_of(pkey, "PrivateKeyInfo", NULL);

	refuses(pem, part);
	EVP_PKEY_free(pkey);
}

static void refuses_text(const char *text, const char *part)
{
	SECRET_AUTO *secret = NULL;

	assert_int_equal(secret_new(text, strlen(text), &secret), 0);
	refuses(secret, part);
}

/* ---- taking a JWT apart ---- */

static size_t decode(const char *text, size_t len, unsigned char *ret, size_t size)
{
	size_t n;

	assert_int_equal(sodium_base642bin(ret, size, text, len, NULL, &n, NULL,
					   sodium_base64_VARIANT_URLSAFE_NO_PADDING),
			 0);
	return n;
}

static void assert_part(const char *text, size_t len, const char *expected)
{
	char part[4096] = "";

	decode(text, len, (unsigned char *)part, sizeof part - 1);
	assert_string_equal(part, expected);
}

static bool verifies(EVP_PKEY *pkey, const char *text, size_t len, const unsigned char *signature,
		     size_t n)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit(sum, NULL, EVP_sha256(), NULL, pkey) == 1 &&
		    EVP_DigestVerify(sum, signature, n, (const unsigned char *)text, len) == 1;

	EVP_MD_CTX_free(sum);
	return good;
}

static size_t der_of_halves(const unsigned char *halves, unsigned char *ret)
{
	ECDSA_SIG *numbers = ECDSA_SIG_new();
	int len;

	ECDSA_SIG_set0(numbers, BN_bin2bn(halves, 32, NULL), BN_bin2bn(halves + 32, 32, NULL));
	len = i2d_ECDSA_SIG(numbers, &ret);
	ECDSA_SIG_free(numbers);
	assert_true(len > 0);
	return (size_t)len;
}

static void write_sample(const struct assertion *a, const struct key *k, struct buffer *out)
{
	buffer_clear(out);
	assert_int_equal(assertion_write(a, k, out), 0);
}

/* ---- the tests ---- */

static void j5_es256_is_two_halves_that_the_public_key_takes(void **state)
{
	PKEY_AUTO *pkey = EVP_EC_gen("P-256");
	KEY_AUTO *key = open_pem(pkey, "PrivateKeyInfo");
	BUFFER_AUTO text = BUFFER_INIT(4096);

	(void)state;
	assert_string_equal(key_algorithm(key), "ES256");
	/* one in 128 has a half that begins with a zero byte, which may not be left out */
	for (int i = 0; i < 400; i++) {
		unsigned char halves[128], der[128];
		const char *end;

		write_sample(&sample, key, &text);
		end = strrchr(buffer_string(&text), '.');
		assert_int_equal(decode(end + 1, strlen(end + 1), halves, sizeof halves), 64);
		assert_true(verifies(pkey, buffer_string(&text),
				     (size_t)(end - buffer_string(&text)), der,
				     der_of_halves(halves, der)));
		halves[0] ^= 1;
		assert_false(verifies(pkey, buffer_string(&text),
				      (size_t)(end - buffer_string(&text)), der,
				      der_of_halves(halves, der)));
	}
}

static void rs256_is_what_the_public_key_takes(void **state)
{
	PKEY_AUTO *pkey = EVP_RSA_gen(2048);
	KEY_AUTO *key = open_pem(pkey, "PrivateKeyInfo");
	BUFFER_AUTO text = BUFFER_INIT(4096);
	unsigned char signature[512];
	const char *end;
	size_t n;

	(void)state;
	assert_string_equal(key_algorithm(key), "RS256");
	write_sample(&sample, key, &text);
	end = strrchr(buffer_string(&text), '.');
	n = decode(end + 1, strlen(end + 1), signature, sizeof signature);
	assert_int_equal(n, 256);
	assert_true(verifies(pkey, buffer_string(&text), (size_t)(end - buffer_string(&text)),
			     signature, n));
}

/* RFC 7515, appendix A.1 */
static void hs256_is_that_of_the_rfc(void **state)
{
	static const char secret_text[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
					  "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
	static const char text[] =
		"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
		"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
	unsigned char bytes[64], expected[64];
	BUFFER_AUTO got = BUFFER_INIT(64);
	SECRET_AUTO *secret = NULL;
	KEY_AUTO *key = NULL;
	size_t n;

	(void)state;
	n = decode(secret_text, strlen(secret_text), bytes, sizeof bytes);
	assert_int_equal(secret_new(bytes, n, &secret), 0);
	assert_int_equal(key_open_shared(secret, NULL, &key), 0);
	assert_string_equal(key_algorithm(key), "HS256");
	assert_int_equal(key_sign(key, text, strlen(text), &got), 0);
	n = decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", 43, expected, sizeof expected);
	assert_int_equal(got.len, n);
	assert_memory_equal(got.bytes, expected, n);
}

static void hs256_wants_a_secret_that_cannot_be_guessed(void **state)
{
	struct sentence why = { "" };
	SECRET_AUTO *secret = NULL;
	struct key *key = NULL;

	(void)state;
	assert_int_equal(secret_new("thirty-one-bytes-are-too-few-12", 31, &secret), 0);
	assert_int_equal(key_open_shared(secret, &why, &key), -EINVAL);
	assert_string_equal(why.text, "is too short to sign with: HS256 needs 32 bytes");
}

static void j1_j2_j4_the_claims_are_these_and_no_others(void **state)
{
	PKEY_AUTO *pkey = EVP_EC_gen("P-256");
	KEY_AUTO *key = open_pem(pkey, "PrivateKeyInfo");
	BUFFER_AUTO text = BUFFER_INIT(4096);
	const char *claims, *end;

	(void)state;
	write_sample(&sample, key, &text);
	claims = strchr(buffer_string(&text), '.') + 1;
	end = strchr(claims, '.');
	assert_part(buffer_string(&text), (size_t)(claims - 1 - buffer_string(&text)),
		    "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"2024-1\"}");
	assert_part(claims, (size_t)(end - claims),
		    "{\"iss\":\"app\",\"sub\":\"app\",\"aud\":\"https://id.example.org/token\","
		    "\"iat\":1699999995,\"exp\":1700000060,\"jti\":\"wYai5F_TC1fUmEpzOqZMnQ\"}");
}

static void a_key_without_a_name_has_no_kid(void **state)
{
	PKEY_AUTO *pkey = EVP_EC_gen("P-256");
	KEY_AUTO *key = open_pem(pkey, "PrivateKeyInfo");
	BUFFER_AUTO text = BUFFER_INIT(4096);
	struct assertion a = sample;

	(void)state;
	a.key_id = NULL;
	a.type = "client-authentication+jwt";
	write_sample(&a, key, &text);
	assert_part(buffer_string(&text), strcspn(buffer_string(&text), "."),
		    "{\"alg\":\"ES256\",\"typ\":\"client-authentication+jwt\"}");
}

/* Copies the jti of an assertion. */
static void jti_of(const struct assertion *a, const struct key *key, char ret[64])
{
	BUFFER_AUTO text = BUFFER_INIT(4096);
	JSON_AUTO *claims = NULL;
	char part[4096] = "";
	const char *at;

	write_sample(a, key, &text);
	at = strchr(buffer_string(&text), '.') + 1;
	decode(at, strcspn(at, "."), (unsigned char *)part, sizeof part - 1);
	assert_int_equal(json_parse(part, strlen(part), NULL, &claims), 0);
	assert_non_null(json_string(claims, "jti"));
	strncpy(ret, json_string(claims, "jti"), 63);
}

static void j1_other_random_bytes_are_another_jti(void **state)
{
	PKEY_AUTO *pkey = EVP_EC_gen("P-256");
	KEY_AUTO *key = open_pem(pkey, "PrivateKeyInfo");
	char first[64] = "", second[64] = "", third[64] = "";
	struct assertion a = sample;

	(void)state;
	jti_of(&a, key, first);
	a.random = random_2;
	jti_of(&a, key, second);
	a.random = random_1;
	a.use = "another use";
	jti_of(&a, key, third);
	assert_string_not_equal(first, second);
	assert_string_not_equal(first, third);
}

/* One line of a configuration's program, or of a credential, may have lost its line breaks. */
static void a_key_is_read_in_each_of_its_forms(void **state)
{
	static const char *const forms[] = { "PrivateKeyInfo", "type-specific" };
	PKEY_AUTO *rsa = EVP_RSA_gen(2048);
	PKEY_AUTO *ec = EVP_EC_gen("P-256");
	EVP_PKEY *const pkeys[] = { rsa, ec };

	(void)state;
	for (int i = 0; i < 4; i++) {
		SECRET_AUTO *pem = pem_of(pkeys[i / 2], forms[i % 2], NULL);
		BUFFER_AUTO text = BUFFER_INIT(LIMIT_SECRET);
		SECRET_AUTO *line = NULL;
		KEY_AUTO *key = NULL;
		KEY_AUTO *again = NULL;

		assert_int_equal(key_open(pem, NULL, &key), 0);
		buffer_text(&text, "-----BEGIN EC PARAMETERS-----BggqhkjOPQMBBw==-----END EC "
				   "PARAMETERS-----");
		for (const char *at = secret_bytes(pem); *at; at++)
			if (*at != '\n')
				buffer_append(&text, at, 1);
		assert_int_equal(secret_new(text.bytes, text.len, &line), 0);
		assert_int_equal(key_open(line, NULL, &again), 0);
		assert_string_equal(key_algorithm(key), i / 2 ? "ES256" : "RS256");
		assert_string_equal(key_algorithm(again), key_algorithm(key));
	}
}

static void a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(void **state)
{
	PKEY_AUTO *rsa = EVP_RSA_gen(2048);
	SECRET_AUTO *new_form = pem_of(rsa, "PrivateKeyInfo", "open sesame");
	SECRET_AUTO *old_form = pem_of(rsa, "type-specific", "open sesame");

	(void)state;
	refuses(new_form, "is protected by a password");
	refuses(old_form, "is protected by a password");
}

static void a_key_of_another_kind_is_refused(void **state)
{
	(void)state;
	refuses_kind(EVP_EC_gen("P-384"), "is of a kind that is not taken");
	refuses_kind(EVP_EC_gen("secp256k1"), "is of a kind that is not taken");
	refuses_kind(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "is of a kind that is not taken");
	refuses_kind(EVP_RSA_gen(1024), "is an RSA key of 1024 bits");
}

static void what_is_no_key_is_refused(void **state)
{
	(void)state;
	refuses_text("s3cret", "is not a private key in PEM");
	refuses_text("-----BEGIN PRIVATE KEY-----", "is not a private key in PEM");
	refuses_text("-----BEGIN PRIVATE KEY-----\nAAAA\n", "is not a private key in PEM");
	refuses_text("-----BEGIN ", "is not a private key in PEM");
	refuses_text("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", "that can be read");
	refuses_text("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----",
		     "that can be read");
	refuses_text("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----",
		     "that can be read");
	refuses_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
		     "is not a private key in PEM");
}

static void every_cut_of_a_key_is_refused(void **state)
{
	PKEY_AUTO *ec = EVP_EC_gen("P-256");
	SECRET_AUTO *pem = pem_of(ec, "type-specific", NULL);
	const char *end = strstr(secret_bytes(pem), "-----END");

	(void)state;
	for (const char *at = secret_bytes(pem) + 40; at < end - 2; at++) {
		BUFFER_AUTO text = BUFFER_INIT(LIMIT_SECRET);
		SECRET_AUTO *cut = NULL;

		buffer_append(&text, secret_bytes(pem), (size_t)(at - secret_bytes(pem)));
		buffer_text(&text, end);
		assert_int_equal(secret_new(text.bytes, text.len, &cut), 0);
		refuses(cut, "that can be read");
	}
}

/* The body of what an oauth2 client asks with these random bytes. */
static void ask_with(const unsigned char *bytes, struct secret *pem, struct buffer *out)
{
	const struct provider_type *type = provider_type_find("oauth2");
	struct exchange x = EXCHANGE_INIT;
	SETTINGS_AUTO *s = NULL;

	assert_int_equal(settings_new(type->fields, &s), 0);
	assert_int_equal(settings_set(s, "token-url", "https://id.example.org/token", NULL), 0);
	assert_int_equal(settings_set(s, "client-id", "app", NULL), 0);
	assert_int_equal(settings_set(s, "client-auth", "private_key_jwt", NULL), 0);
	assert_int_equal(settings_set_secret(s, "client-key", pem), 0);
	x.type = type;
	x.settings = s;
	x.provider = "iam";
	x.name = "access_token";
	x.now_ms = sample.now_ms;
	memcpy(x.random, bytes, sizeof x.random);
	assert_int_equal(type->check(s, NULL), 0);
	assert_int_equal(type->ask(&x), EXCHANGE_ASK);
	buffer_clear(out);
	buffer_text(out, buffer_string(&x.request.body));
	exchange_finish(&x);
}

/* RS256 has no random part: only the jti tells two attempts apart. */
static void j1_a_retry_is_signed_anew(void **state)
{
	PKEY_AUTO *rsa = EVP_RSA_gen(2048);
	SECRET_AUTO *pem = pem_of(rsa, "PrivateKeyInfo", NULL);
	BUFFER_AUTO first = BUFFER_INIT(LIMIT_REQUEST), second = BUFFER_INIT(LIMIT_REQUEST);

	(void)state;
	ask_with(random_1, pem, &first);
	ask_with(random_1, pem, &second);
	assert_string_equal(buffer_string(&first), buffer_string(&second));
	ask_with(random_2, pem, &second);
	assert_string_not_equal(buffer_string(&first), buffer_string(&second));
}

static void x2_what_is_no_bearer_has_no_header(void **state)
{
	static const char *const types[] = { "N_A", "n_a", "Bearer", NULL };
	const struct provider_type *type = provider_type_find("oauth2");

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		const struct token_facts facts = { .lifetime_ms = 1000, .token_type = types[i] };
		BUFFER_AUTO out = BUFFER_INIT(LIMIT_RENDER);
		TOKEN_AUTO *token = NULL;

		assert_int_equal(token_new("abc", 3, &facts, NULL, &token), 0);
		assert_int_equal(type->headers(NULL, token, &out), i < 2 ? -ENOTSUP : 0);
		assert_string_equal(buffer_string(&out),
				    i < 2 ? "" : "Authorization: Bearer abc\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(j5_es256_is_two_halves_that_the_public_key_takes),
		cmocka_unit_test(rs256_is_what_the_public_key_takes),
		cmocka_unit_test(hs256_is_that_of_the_rfc),
		cmocka_unit_test(hs256_wants_a_secret_that_cannot_be_guessed),
		cmocka_unit_test(j1_j2_j4_the_claims_are_these_and_no_others),
		cmocka_unit_test(a_key_without_a_name_has_no_kid),
		cmocka_unit_test(j1_other_random_bytes_are_another_jti),
		cmocka_unit_test(j1_a_retry_is_signed_anew),
		cmocka_unit_test(x2_what_is_no_bearer_has_no_header),
		cmocka_unit_test(a_key_is_read_in_each_of_its_forms),
		cmocka_unit_test(a_key_with_a_password_is_refused_and_nobody_is_asked_for_it),
		cmocka_unit_test(a_key_of_another_kind_is_refused),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(every_cut_of_a_key_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
