/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "document.h"

static bool has_field(const struct field *fields, const char *key)
{
	return field_find(fields, key) != NULL;
}

/* A misspelt key may be named; what does not look like one might be a secret in the wrong place. */
static bool looks_like_key(const char *key)
{
	size_t len = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-");

	return len > 0 && len <= 24 && !key[len];
}

static int no_such_member(const struct provider_type *type, const char *key, struct sentence *why)
{
	BUFFER_AUTO known = BUFFER_INIT(LIMIT_SENTENCE);

	for (const struct field *f = type->slot_fields; f && f->key; f++)
		buffer_format(&known, "%s%s", known.len ? ", " : "", f->key);
	if (type->imports)
		buffer_format(&known, "%saccess_token, expires_in", known.len ? ", " : "");
	if (type->imports_refresh)
		buffer_format(&known, "%srefresh_token", known.len ? ", " : "");
	if (looks_like_key(key))
		sentence_set(why, "the document has a member %s that is not known; there are %s",
			     key, buffer_string(&known));
	else
		sentence_set(why, "the document has a member that is not known; there are %s",
			     buffer_string(&known));
	return -EINVAL;
}

static int check_members(const struct provider_type *type, const struct json *object,
			 struct sentence *why)
{
	for (size_t i = 0; i < json_length(object); i++) {
		const char *key = json_key_at(object, i, NULL);
		bool import = type->imports &&
			      (strcmp(key, "access_token") == 0 || strcmp(key, "expires_in") == 0);
		bool refresh = type->imports_refresh && strcmp(key, "refresh_token") == 0;

		if (!import && !refresh && !has_field(type->slot_fields, key))
			return no_such_member(type, key, why);
	}
	return 0;
}

static bool has_member(const struct json *object, const char *key)
{
	for (size_t i = 0; i < json_length(object); i++)
		if (strcmp(json_key_at(object, i, NULL), key) == 0)
			return true;
	return false;
}

static int read_wish(const struct document_slot *slot, const struct json *object,
		     struct sentence *why, struct document *d)
{
	const struct provider_type *type = slot->type;
	struct sentence detail = {""};
	int r;

	if (!type->slot_fields)
		return 0;
	r = settings_new(type->slot_fields, &d->wish);
	for (size_t i = 0; r == 0 && i < json_length(object); i++) {
		const char *key = json_key_at(object, i, NULL);

		if (has_field(type->slot_fields, key))
			r = settings_read_member(d->wish, object, key, &detail);
	}
	/* nothing is asked of a server for a token that is there already */
	if (r == 0 && !(type->imports && has_member(object, "access_token")))
		r = settings_check(d->wish, &detail);
	if (r == 0 && type->check_wish)
		r = type->check_wish(slot->settings, d->wish, &detail);
	if (r < 0 && r != -ENOMEM) {
		sentence_set(why, "the document: %s", detail.text);
		return -EINVAL;
	}
	return r;
}

static int invalid(struct sentence *why, const char *reason)
{
	sentence_set(why, "the document: %s", reason);
	return -EINVAL;
}

static int read_expires_in(const struct json *object, struct sentence *why, int64_t *ret)
{
	int64_t seconds;

	if (!json_integer(object, "expires_in", &seconds) || seconds <= 0)
		return invalid(why, "expires_in is a number of seconds, more than 0");
	*ret = seconds;
	return 0;
}

/* Where neither the document nor the type says how long it lives, the token itself may. */
static int complete_facts(const struct document_slot *slot, const struct document *d,
			  const char *value, int64_t now_ms, struct sentence *why,
			  struct token_facts *facts)
{
	struct sentence detail = {""};
	int r = 0;

	if (slot->type->import)
		r = slot->type->import(slot->settings, d->wish, slot->name, slot->details, now_ms,
				       facts, &detail);
	if (r < 0)
		return r == -EINVAL ? invalid(why, detail.text) : r;
	if (facts->lifetime_ms == TOKEN_LIFETIME_UNSAID)
		facts->lifetime_ms =
			token_lifetime(value, strlen(value), TOKEN_LIFETIME_UNSAID, now_ms);
	if (facts->lifetime_ms <= 0)
		return invalid(why, "the access_token has expired already");
	return 0;
}

static int read_token(const struct document_slot *slot, const struct json *object, int64_t now_ms,
		      struct sentence *why, struct document *d)
{
	const char *value = json_string(object, "access_token");
	struct token_facts facts = {.lifetime_ms = TOKEN_LIFETIME_UNSAID,
				    .scope = json_string(object, "scope"),
				    .audience = json_string(object, "audience")};
	struct sentence detail = {""};
	int64_t seconds;
	int r = 0;

	if (!has_member(object, "access_token"))
		return has_member(object, "expires_in")
			       ? invalid(why, "expires_in says nothing without access_token")
			       : 0;
	if (!value || !value[0])
		return invalid(why, "access_token is a string");
	if (has_member(object, "expires_in")) {
		r = read_expires_in(object, why, &seconds);
		if (r == 0)
			facts.lifetime_ms = token_lifetime(value, strlen(value), seconds, now_ms);
	}
	if (r == 0)
		r = complete_facts(slot, d, value, now_ms, why, &facts);
	if (r < 0)
		return r;
	r = token_new(value, strlen(value), &facts, &detail, &d->token);
	return r == -EBADMSG ? invalid(why, detail.text) : r;
}

static int read_refresh_token(const struct json *object, struct sentence *why, struct document *d)
{
	const char *value = json_string(object, "refresh_token");
	int r;

	if (!has_member(object, "refresh_token"))
		return 0;
	if (!value || !value[0])
		return invalid(why, "refresh_token is a string");
	r = secret_new(value, strlen(value), &d->refresh_token);
	return r == -EFBIG ? invalid(why, "refresh_token is too long") : r;
}

static int read_object(const struct document_slot *slot, const struct json *object, int64_t now_ms,
		       struct sentence *why, struct document *d)
{
	int r = check_members(slot->type, object, why);

	if (r == 0)
		r = read_wish(slot, object, why, d);
	if (r == 0 && slot->type->imports)
		r = read_token(slot, object, now_ms, why, d);
	if (r == 0 && slot->type->imports_refresh)
		r = read_refresh_token(object, why, d);
	return r;
}

int document_read(const struct document_slot *slot, const char *bytes, size_t len, int64_t now_ms,
		  struct sentence *why, struct document *ret)
{
	const struct provider_type *type = slot->type;
	struct document d = {0};
	struct sentence detail = {""};
	JSON_AUTO *object = NULL;
	int r;

	if (!type->slot_fields && !type->imports && !type->imports_refresh) {
		sentence_set(why, "a token of type %s cannot be written", type->name);
		return -ENOTSUP;
	}
	r = json_parse(bytes, len, &detail, &object);
	if (r == -EBADMSG) {
		sentence_set(why, "the document %s", detail.text);
		return -EINVAL;
	}
	if (r < 0)
		return r;
	if (!json_is_object(object)) {
		sentence_set(why, "the document is not a JSON object");
		return -EINVAL;
	}
	r = read_object(slot, object, now_ms, why, &d);
	if (r < 0) {
		document_finish(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void document_finish(struct document *d)
{
	settings_free(d->wish);
	token_unref(d->token);
	secret_unref(d->refresh_token);
	*d = (struct document){0};
}
