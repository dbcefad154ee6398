/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "oauth2.h"

#define OPENID_PATH   "/.well-known/openid-configuration"
#define METADATA_PATH "/.well-known/oauth-authorization-server"

#define MEMO_MIN_MS	(INT64_C(5) * 60 * 1000)
#define MEMO_MAX_MS	(INT64_C(24) * 3600 * 1000)
#define MEMO_DEFAULT_MS (INT64_C(3600) * 1000)

/* Which member of the issuer's document answers for a key. */
static const struct {
	const char *key, *member;
} endpoints[] = {
	{"token-url", "token_endpoint"},
	{"revocation-url", "revocation_endpoint"},
	{"device-authorization-url", "device_authorization_endpoint"},
	{"registration-url", "registration_endpoint"},
};
#define ENDPOINTS (sizeof endpoints / sizeof endpoints[0])

/* What is known of this issuer, and of no other (wire M2). */
static const struct json *metadata(const struct exchange *x)
{
	const struct json *memo = x->ret_memo ? x->ret_memo : x->memo;
	const char *issuer = settings_text(x->settings, "issuer");
	const char *known = json_string(memo, "issuer");

	return issuer && known && strcmp(issuer, known) == 0 ? memo : NULL;
}

bool oauth2_must_discover(const struct exchange *x, const char *key)
{
	return !settings_text(x->settings, key) && settings_text(x->settings, "issuer") &&
	       !metadata(x);
}

const char *oauth2_endpoint(const struct exchange *x, const char *key)
{
	const char *url = settings_text(x->settings, key);

	for (size_t i = 0; !url && i < ENDPOINTS; i++)
		if (strcmp(endpoints[i].key, key) == 0)
			url = json_string(metadata(x), endpoints[i].member);
	return url;
}

bool oauth2_endpoint_is_old(const struct exchange *x, const char *key)
{
	return !settings_text(x->settings, key) && !x->ret_memo && metadata(x);
}

/* Where the path of the issuer begins, and how long it is without one `/` at its end. */
static const char *issuer_path(const char *issuer, size_t *ret_len)
{
	const char *path = strstr(issuer, "://");

	path = path ? path + 3 : issuer;
	path += strcspn(path, "/");
	*ret_len = strlen(path);
	if (*ret_len && path[*ret_len - 1] == '/')
		--*ret_len;
	return path;
}

int oauth2_discovery_ask(struct exchange *x)
{
	const char *issuer = settings_text(x->settings, "issuer");
	size_t len;
	const char *path = issuer_path(issuer, &len);
	struct buffer *url = &x->request.url;

	/* OpenID appends to the issuer, RFC 8414 inserts before its path (wire M1) */
	buffer_append(url, issuer, (size_t)(path - issuer));
	if (x->step == OAUTH2_METADATA)
		buffer_text(url, METADATA_PATH);
	buffer_append(url, path, len);
	if (x->step == OAUTH2_OPENID)
		buffer_text(url, OPENID_PATH);
	x->request.method = "GET";
	request_header(&x->request, "Accept", "application/json");
	return request_error(&x->request) ? request_error(&x->request) : EXCHANGE_ASK;
}

static int64_t memo_life(const struct response *r)
{
	if (r->max_age_ms < 0)
		return MEMO_DEFAULT_MS;
	if (r->max_age_ms < MEMO_MIN_MS)
		return MEMO_MIN_MS;
	return r->max_age_ms < MEMO_MAX_MS ? r->max_age_ms : MEMO_MAX_MS;
}

static int refuse_endpoint(struct exchange *x, const char *member, const struct sentence *detail)
{
	return exchange_fail(x, EXCHANGE_GARBLED, "the %s that the issuer names %s", member,
			     detail->text);
}

/* Keeps what we use of it. */
static int learn(struct exchange *x, const struct json *document, int64_t life_ms)
{
	JSON_AUTO *memo = json_new_object();

	if (!memo)
		return -ENOMEM;
	json_set_string(memo, "issuer", settings_text(x->settings, "issuer"));
	for (size_t i = 0; i < ENDPOINTS; i++) {
		const char *url = json_string(document, endpoints[i].member);
		struct sentence detail = {""};

		if (!url)
			continue;
		if (url_check(url, &detail) < 0)
			return refuse_endpoint(x, endpoints[i].member, &detail);
		json_set_string(memo, endpoints[i].member, url);
	}
	json_free(x->ret_memo);
	x->ret_memo = memo;
	memo = NULL;
	x->memo_ms = life_ms;
	x->step = OAUTH2_START;
	return EXCHANGE_ASK;
}

static size_t without_slash(const char *url)
{
	size_t len = strlen(url);

	return len && url[len - 1] == '/' ? len - 1 : len;
}

/* Exactly the same (wire M2), but where one `/` at the end is known to come and go. */
static bool same_issuer(const struct exchange *x, const char *a, const char *b)
{
	size_t len = without_slash(a);

	if (!x->type->dialect->forgives_slash)
		return strcmp(a, b) == 0;
	return len == without_slash(b) && memcmp(a, b, len) == 0;
}

static int hear_document(struct exchange *x, const struct json *document, int64_t life_ms)
{
	const char *wanted = settings_text(x->settings, "issuer");
	const char *issuer = json_string(document, "issuer");

	if (!issuer)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "what %s says of itself does not name its issuer", wanted);
	if (!same_issuer(x, issuer, wanted)) {
		exchange_fail(x, EXCHANGE_GARBLED,
			      "the server calls itself by another name than issuer = %s: write it "
			      "exactly as the server does",
			      wanted);
		exchange_quote(x, issuer);
		return EXCHANGE_GARBLED;
	}
	return learn(x, document, life_ms);
}

int oauth2_discovery_hear(struct exchange *x, const struct response *r)
{
	JSON_AUTO *document = NULL;
	int outcome = exchange_hear_status(x, r);

	if (outcome)
		return outcome;
	/* some servers answer every path with a page of HTML and 200 */
	if (r->status == 200 && json_parse(r->body, r->len, NULL, &document) == -ENOMEM)
		return -ENOMEM;
	if (json_is_object(document))
		return hear_document(x, document, memo_life(r));
	if (x->step == OAUTH2_OPENID) {
		x->step = OAUTH2_METADATA;
		return EXCHANGE_ASK;
	}
	return exchange_fail(x, EXCHANGE_GARBLED,
			     "%s has neither " OPENID_PATH " nor " METADATA_PATH " (%d): correct "
			     "the issuer, or give token-url",
			     settings_text(x->settings, "issuer"), r->status);
}
