/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "message.h"

static void https_and_http_to_this_host_are_urls(void **state)
{
	static const char *const good[] = {
		"https://a.example.org",
		"https://a.example.org:8443/x?y=z",
		"HTTPS://A/",
		"http://127.0.0.1:4593/api",
		"http://127.9.8.7",
		"http://localhost/",
		"http://[::1]:80/",
		"https://[2001:db8::1]/",
		"https://a/x@y",
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (url_check(good[i], NULL) != 0)
			fail_msg("refused: %s", good[i]);
}

static void c13_everything_else_is_refused_with_a_reason(void **state)
{
	static const char *const bad[] = {
		"",
		"a.example.org",
		"ftp://a/",
		"file:///etc/passwd",
		"http://a.example.org/",
		"http://127.example.org/",
		"http://127.0.0.1.example.org/",
		"http://localhost.example/",
		"http://128.0.0.1/",
		"http://127.0.0.256/",
		"http://127.0.1/",
		"https://",
		"https:///x",
		"https://user@a/",
		"https://user:pw@a/",
		"https://a/#f",
		"https://a:0/",
		"https://a:65536/",
		"https://a:x/",
		"https://a b/",
		"https://a/b c",
		"https://a\n/",
		"https://a\\b/",
		"https://[::1/",
		"http://[::2]/",
		"https://a/\xc3\xa4",
		"http://127.0.0.1@evil.example/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct sentence why = {""};

		if (url_check(bad[i], &why) != -EINVAL || !why.text[0])
			fail_msg("taken: %s", bad[i]);
	}
}

static void n1_a_resource_is_an_absolute_uri_without_fragment(void **state)
{
	(void)state;
	assert_int_equal(uri_check("https://a.example/x?y", NULL), 0);
	assert_int_equal(uri_check("urn:example:a", NULL), 0);
	assert_int_equal(uri_check("storage", NULL), -EINVAL);
	assert_int_equal(uri_check("/path", NULL), -EINVAL);
	assert_int_equal(uri_check("urn:", NULL), -EINVAL);
	assert_int_equal(uri_check("1a:b", NULL), -EINVAL);
	assert_int_equal(uri_check("https://a/#b", NULL), -EINVAL);
	assert_int_equal(uri_check("urn:a b", NULL), -EINVAL);
}

static void a_header_value_cannot_begin_another_line(void **state)
{
	struct request r = REQUEST_INIT;

	(void)state;
	request_header(&r, "Accept", "application/json");
	assert_int_equal(request_error(&r), 0);
	request_header(&r, "X", "a\r\nEvil: 1");
	assert_int_equal(request_error(&r), -EINVAL);
	request_header(&r, "Y", "b");
	assert_string_equal(buffer_string(&r.header), "Accept: application/json\n");
	request_finish(&r);
	assert_int_equal(request_error(&r), 0);
	assert_string_equal(r.method, "GET");
}

static void test_the_server_s_clock_counts_where_it_is_another(void **state)
{
	struct response r = { .date_ms = -1 };

	(void)state;
	assert_int_equal(response_now(&r, 1000000), 1000000);
	r.date_ms = 999000; /* the same time, in whole seconds */
	assert_int_equal(response_now(&r, 1000000), 1000000);
	r.date_ms = 5000;
	assert_int_equal(response_now(&r, 1000000), 5999);
	r.date_ms = 9000000;
	assert_int_equal(response_now(&r, 1000000), 9000999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_server_s_clock_counts_where_it_is_another),
		cmocka_unit_test(https_and_http_to_this_host_are_urls),
		cmocka_unit_test(c13_everything_else_is_refused_with_a_reason),
		cmocka_unit_test(n1_a_resource_is_an_absolute_uri_without_fragment),
		cmocka_unit_test(a_header_value_cannot_begin_another_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
