/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "form.h"
#include "oauth2.h"
#include "registration.h"

const char *oauth2_scope(const struct exchange *x)
{
	const char *wish = x->wish ? settings_text(x->wish, "scope") : NULL;
	const char *grant = settings_text(x->settings, "grant");

	if (wish)
		return wish;
	/*
	 * A refresh without scope gives what was granted, all of it (wire R6). The provider's scope
	 * was said when its grant was made; a refresh token out of the configuration never heard
	 * it.
	 */
	if (x->step == OAUTH2_REFRESH && (x->grant_is_own || strcmp(grant, "refresh_token") != 0))
		return NULL;
	return settings_text(x->settings, "scope");
}

int oauth2_asked_scope(const struct exchange *x, struct buffer *out)
{
	const char *scope = oauth2_scope(x);
	CLIENT_AUTO client;
	int r = client_init(x, &client);

	if (r < 0)
		return r;
	/* what a slot wishes is not less for what was registered: the server has to say no itself */
	if (scope && scope == settings_text(x->settings, "scope"))
		client_scope(&client, scope, out);
	else if (scope)
		buffer_text(out, scope);
	return buffer_error(out);
}

int oauth2_add_scope(struct exchange *x)
{
	BUFFER_AUTO scope = BUFFER_INIT(LIMIT_REQUEST);
	int r = oauth2_asked_scope(x, &scope);

	if (r == 0)
		form_add(&x->request.body, "scope", buffer_string(&scope));
	return r;
}

const struct secret *oauth2_refresh_token(const struct exchange *x)
{
	bool configured = strcmp(settings_text(x->settings, "grant"), "refresh_token") == 0;

	if (x->grant || x->grant_is_own || !configured)
		return x->grant;
	return settings_secret(x->settings, "refresh-token");
}

/* A slot that says where its token is for says it whole: never the provider's target on top. */
static const struct settings *target_of(const struct exchange *x)
{
	if (x->wish && (settings_has(x->wish, "resource") || settings_has(x->wish, "audience")))
		return x->wish;
	return x->settings;
}

void oauth2_target(const struct exchange *x, struct buffer *out)
{
	const char *resource = settings_text(target_of(x), "resource");
	const char *audience = settings_text(target_of(x), "audience");

	buffer_text(out, resource ? resource : "");
	buffer_text(out, resource && audience ? " " : "");
	buffer_text(out, audience ? audience : "");
}

/* The words of resource, and of audience where it is said the same way, as one value. */
static void add_joined_resource(struct exchange *x, bool with_audience)
{
	BUFFER_AUTO words = BUFFER_INIT(LIMIT_REQUEST);

	if (with_audience)
		oauth2_target(x, &words);
	else if (settings_text(target_of(x), "resource"))
		buffer_text(&words, settings_text(target_of(x), "resource"));
	form_add(&x->request.body, "resource", buffer_string(&words));
}

static void add_each(struct exchange *x, const char *key, const char *parameter)
{
	char word[LIMIT_WORD];
	const char *at = NULL;

	while (settings_next_word(target_of(x), key, &at, word, sizeof word))
		form_add(&x->request.body, parameter, word);
}

void oauth2_add_target(struct exchange *x)
{
	const char *style = settings_text(x->settings, "audience-style");

	bool joins = x->type->dialect->joins_resource;
	bool same = strcmp(style, "resource") == 0;

	if (joins)
		add_joined_resource(x, same);
	else
		add_each(x, "resource", "resource");
	if (joins && same)
		return;
	if (strcmp(style, "audience-joined") == 0)
		form_add(&x->request.body, "audience", settings_text(target_of(x), "audience"));
	else
		add_each(x, "audience", style);
}

static void add_basic(struct exchange *x, const char *id, const struct secret *secret, bool raw)
{
	BUFFER_AUTO pair = BUFFER_INIT(LIMIT_REQUEST);
	BUFFER_AUTO value = BUFFER_INIT(LIMIT_REQUEST);

	if (raw) {
		buffer_text(&pair, id);
		buffer_text(&pair, ":");
		buffer_append(&pair, secret_bytes(secret), secret_len(secret));
	} else {
		form_encode(&pair, id, strlen(id));
		buffer_text(&pair, ":");
		form_encode(&pair, secret_bytes(secret), secret_len(secret));
	}
	buffer_text(&value, "Basic ");
	form_base64(&value, buffer_string(&pair), pair.len);
	if (buffer_error(&pair) || buffer_error(&value))
		x->request.header.error =
			buffer_error(&pair) ? buffer_error(&pair) : buffer_error(&value);
	request_header(&x->request, "Authorization", buffer_string(&value));
}

/* One way only (wire C3): a header, or parameters, or an assertion (J1). */
static int add_client(struct exchange *x, const char *url)
{
	struct buffer *body = &x->request.body;
	CLIENT_AUTO client;
	int r = client_init(x, &client);

	if (r < 0)
		return r;
	if (strcmp(client.way, "none") == 0) {
		form_add(body, "client_id", client.id);
		return EXCHANGE_ASK;
	}
	if (strcmp(client.way, "private_key_jwt") == 0)
		return oauth2_add_assertion(x, url, client.id, NULL);
	if (!client.secret)
		return exchange_fail(x, EXCHANGE_MISSING, "the client-secret of %s is not there",
				     x->provider);
	if (strcmp(client.way, "client_secret_jwt") == 0)
		return oauth2_add_assertion(x, url, client.id, client.secret);
	if (strcmp(client.way, "post") == 0) {
		form_add(body, "client_id", client.id);
		form_add_bytes(body, "client_secret", secret_bytes(client.secret),
			       secret_len(client.secret));
	} else {
		add_basic(x, client.id, client.secret, strcmp(client.way, "basic-raw") == 0);
	}
	return EXCHANGE_ASK;
}

int oauth2_post(struct exchange *x, const char *url)
{
	int r;

	x->request.method = "POST";
	x->request.content_type = "application/x-www-form-urlencoded";
	buffer_text(&x->request.url, url);
	request_header(&x->request, "Accept", "application/json");
	r = add_client(x, url);
	if (r == EXCHANGE_ASK && request_error(&x->request))
		return request_error(&x->request);
	return r;
}
