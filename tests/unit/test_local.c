/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "provider.h"

/* RFC 8037 appendix A: the private key, its public half, and the thumbprint of that. */
#define SEED	   "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define PUBLIC	   "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define THUMBPRINT "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

static void decode(const char *text, size_t len, unsigned char *out, size_t size)
{
	size_t decoded = 0;

	assert_int_equal(sodium_base642bin(out, size, text, len, NULL, &decoded, NULL,
					   sodium_base64_VARIANT_URLSAFE_NO_PADDING),
			 0);
	assert_int_equal(decoded, size);
}

static int ask(struct exchange *x, struct settings *s, struct secret *grant)
{
	x->type = provider_type_find("local");
	x->settings = s;
	x->provider = "local";
	x->name = "access_token";
	x->grant = grant;
	x->now_ms = INT64_C(1700000000500);
	memset(x->random, 9, sizeof x->random);
	return x->type->ask(x);
}

static struct settings *new_settings(void)
{
	struct settings *s = NULL;

	assert_int_equal(settings_new(provider_type_find("local")->fields, &s), 0);
	return s;
}

static struct secret *new_grant(const void *bytes, size_t len)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(bytes, len, &s), 0);
	return s;
}

static void a_token_verifies_with_the_public_key(void **state)
{
	SETTINGS_AUTO *settings = new_settings();
	SECRET_AUTO *grant = new_grant(SEED, strlen(SEED));
	struct exchange x = EXCHANGE_INIT;
	unsigned char key[crypto_sign_PUBLICKEYBYTES], signature[crypto_sign_BYTES];
	const char *value, *dot;

	(void)state;
	assert_int_equal(ask(&x, settings, grant), EXCHANGE_DONE);
	assert_null(x.ret_grant);
	value = token_value(x.ret_token);
	dot = strrchr(value, '.');
	decode(PUBLIC, strlen(PUBLIC), key, sizeof key);
	decode(dot + 1, strlen(dot + 1), signature, sizeof signature);
	assert_int_equal(crypto_sign_verify_detached(signature, (const unsigned char *)value,
						     (size_t)(dot - value), key),
			 0);
	signature[0] ^= 1;
	assert_int_not_equal(crypto_sign_verify_detached(signature, (const unsigned char *)value,
							 (size_t)(dot - value), key),
			     0);
	exchange_finish(&x);
}

static void exp_is_iat_and_the_lifetime_and_we_hold_it_no_longer(void **state)
{
	SETTINGS_AUTO *settings = new_settings();
	SECRET_AUTO *grant = new_grant(SEED, strlen(SEED));
	struct exchange x = EXCHANGE_INIT;
	int64_t expiry;

	(void)state;
	assert_int_equal(ask(&x, settings, grant), EXCHANGE_DONE);
	expiry = token_jwt_expiry(token_value(x.ret_token), token_len(x.ret_token));
	assert_int_equal(expiry, 1700000300);
	assert_int_equal(token_facts(x.ret_token)->lifetime_ms, expiry * 1000 - x.now_ms);
	exchange_finish(&x);
}

static void a_new_key_is_handed_out_and_signs_the_next_token_too(void **state)
{
	SETTINGS_AUTO *settings = new_settings();
	SECRET_AUTO *kept = NULL;
	struct exchange x = EXCHANGE_INIT, y = EXCHANGE_INIT;

	(void)state;
	assert_int_equal(ask(&x, settings, NULL), EXCHANGE_DONE);
	assert_non_null(x.ret_grant);
	kept = secret_ref(x.ret_grant);
	assert_int_equal(ask(&y, settings, kept), EXCHANGE_DONE);
	assert_null(y.ret_grant);
	/* the same time and the same random bytes: the same token, if the key is the same */
	assert_string_equal(token_value(x.ret_token), token_value(y.ret_token));
	exchange_finish(&x);
	exchange_finish(&y);
}

static void jwks_shows_the_public_half_under_its_thumbprint(void **state)
{
	SETTINGS_AUTO *settings = new_settings();
	SECRET_AUTO *text = new_grant(SEED, strlen(SEED)), *raw = NULL;
	BUFFER_AUTO of_text = BUFFER_INIT(4096), of_raw = BUFFER_INIT(4096);
	unsigned char seed[crypto_sign_SEEDBYTES];
	const struct provider_type *type = provider_type_find("local");
	JSON_AUTO *set = NULL;
	struct json *key;

	(void)state;
	decode(SEED, strlen(SEED), seed, sizeof seed);
	raw = new_grant(seed, sizeof seed);
	assert_int_equal(type->render_document(settings, text, &of_text), 0);
	assert_int_equal(type->render_document(settings, raw, &of_raw), 0);
	assert_string_equal(buffer_string(&of_text), buffer_string(&of_raw));
	assert_int_equal(json_parse(buffer_string(&of_text), of_text.len, NULL, &set), 0);
	key = json_at(json_get(set, "keys"), 0);
	assert_string_equal(json_string(key, "kty"), "OKP");
	assert_string_equal(json_string(key, "crv"), "Ed25519");
	assert_string_equal(json_string(key, "x"), PUBLIC);
	assert_string_equal(json_string(key, "kid"), THUMBPRINT);
	assert_null(json_get(key, "d"));
}

static void jwks_without_a_key_is_not_there(void **state)
{
	SETTINGS_AUTO *settings = new_settings();
	BUFFER_AUTO out = BUFFER_INIT(4096);

	(void)state;
	assert_int_equal(provider_type_find("local")->render_document(settings, NULL, &out),
			 -ENOKEY);
	assert_int_equal(out.len, 0);
}

static void every_type_is_found_by_its_name(void **state)
{
	const struct provider_type *const *types = provider_types();
	size_t n = 0;

	(void)state;
	for (; types[n]; n++) {
		assert_ptr_equal(provider_type_find(types[n]->name), types[n]);
		assert_non_null(types[n]->ask);
		assert_non_null(types[n]->fields);
		assert_true(types[n]->summary && types[n]->env);
	}
	assert_true(n >= 3);
	assert_null(provider_type_find("no-such-type"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_verifies_with_the_public_key),
		cmocka_unit_test(exp_is_iat_and_the_lifetime_and_we_hold_it_no_longer),
		cmocka_unit_test(a_new_key_is_handed_out_and_signs_the_next_token_too),
		cmocka_unit_test(jwks_shows_the_public_half_under_its_thumbprint),
		cmocka_unit_test(jwks_without_a_key_is_not_there),
		cmocka_unit_test(every_type_is_found_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
