/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "message.h"

void request_finish(struct request *r)
{
	buffer_finish(&r->url);
	buffer_finish(&r->header);
	buffer_finish(&r->body);
	*r = REQUEST_INIT;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

void request_header(struct request *r, const char *name, const char *value)
{
	if (has_control(value)) {
		if (!r->header.error)
			r->header.error = -EINVAL;
		return;
	}
	buffer_text(&r->header, name);
	buffer_text(&r->header, ": ");
	buffer_text(&r->header, value);
	buffer_text(&r->header, "\n");
}

int request_error(const struct request *r)
{
	if (buffer_error(&r->url))
		return buffer_error(&r->url);
	if (buffer_error(&r->header))
		return buffer_error(&r->header);
	return buffer_error(&r->body);
}

/* Clocks that are not further apart show the same time: ours is the finer one. */
#define SAME_TIME_MS 2000

int64_t response_now(const struct response *r, int64_t now_ms)
{
	int64_t apart = r->date_ms < 0 ? 0 : r->date_ms - now_ms;

	return apart > SAME_TIME_MS || apart < -SAME_TIME_MS ? r->date_ms + 999 : now_ms;
}

/* The bytes that RFC 3986 lets stand in a URI. */
static bool has_uri_bytes(const char *uri)
{
	for (; *uri; uri++)
		if ((unsigned char)*uri <= ' ' || (unsigned char)*uri >= 0x7f ||
		    strchr("\"<>\\^`{|}", *uri))
			return false;
	return true;
}

static size_t scheme_len(const char *uri)
{
	size_t len =
		strspn(uri, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
	bool letter = (uri[0] >= 'a' && uri[0] <= 'z') || (uri[0] >= 'A' && uri[0] <= 'Z');

	return letter && uri[len] == ':' ? len : 0;
}

int uri_check(const char *uri, struct sentence *why)
{
	size_t len = scheme_len(uri);

	if (!len || !uri[len + 1] || !has_uri_bytes(uri)) {
		sentence_set(why, "is not an absolute URI such as https://api.example.org/");
		return -EINVAL;
	}
	if (strchr(uri, '#')) {
		sentence_set(why, "has a #fragment, which may not be there");
		return -EINVAL;
	}
	return 0;
}

/* 127.0.0.0/8 as four numbers; a mere beginning would let 127.example.org pass. */
static bool is_loopback_v4(const char *host, size_t len)
{
	unsigned int number = 0, dots = 0, digits = 0;

	if (len < 4 || strncmp(host, "127.", 4) != 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (host[i] == '.' && digits > 0) {
			dots++;
			digits = number = 0;
		} else if (host[i] >= '0' && host[i] <= '9' && digits < 3) {
			number = number * 10 + (unsigned int)(host[i] - '0');
			digits++;
		} else {
			return false;
		}
		if (number > 255)
			return false;
	}
	return dots == 3 && digits > 0;
}

static bool is_loopback(const char *host, size_t len)
{
	if (len == strlen("localhost") && strncasecmp(host, "localhost", len) == 0)
		return true;
	if (len == strlen("[::1]") && strncmp(host, "[::1]", len) == 0)
		return true;
	return is_loopback_v4(host, len);
}

static size_t host_len(const char *at)
{
	size_t len;

	if (*at != '[')
		return strspn(at,
			      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
	len = 1 + strspn(at + 1, "0123456789abcdefABCDEF:.");
	return at[len] == ']' && len > 1 ? len + 1 : 0;
}

/* What follows the host: nothing, or a port, and then the path or query. */
static bool is_url_rest(const char *at)
{
	unsigned int port = 0, digits = 0;

	if (*at == ':') {
		for (at++; *at >= '0' && *at <= '9' && digits < 5; at++, digits++)
			port = port * 10 + (unsigned int)(*at - '0');
		if (port == 0 || port > 65535)
			return false;
	}
	return *at == '\0' || *at == '/' || *at == '?';
}

int url_check(const char *url, struct sentence *why)
{
	bool https = strncasecmp(url, "https://", 8) == 0;
	const char *host = url + (https ? 8 : 7);
	size_t len;

	if (!https && strncasecmp(url, "http://", 7) != 0) {
		sentence_set(why, "is not a URL that begins with https://");
		return -EINVAL;
	}
	if (strchr(host, '#')) {
		sentence_set(why, "has a #fragment, which may not be there");
		return -EINVAL;
	}
	if (memchr(host, '@', strcspn(host, "/?"))) {
		sentence_set(why, "names a user before the host: give it in a key of its own");
		return -EINVAL;
	}
	len = host_len(host);
	if (!len || !is_url_rest(host + len) || !has_uri_bytes(url)) {
		sentence_set(why, "is not a URL such as https://host.example.org/path");
		return -EINVAL;
	}
	if (!https && !is_loopback(host, len)) {
		sentence_set(why, "is http: only https is safe, but for servers on this host");
		return -EINVAL;
	}
	return 0;
}
