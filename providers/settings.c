/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"

/* What is set of one field: a text, or a secret, or the promise that one will come. */
struct value {
	char *text;
	struct secret *secret;
	bool expected;
};

struct settings {
	const struct field *fields;
	unsigned int refs;
	unsigned int n;
	struct value values[];
};

int settings_new(const struct field *fields, struct settings **ret)
{
	struct settings *s;
	unsigned int n = 0;

	while (fields && fields[n].key)
		n++;
	s = calloc(1, sizeof *s + n * sizeof s->values[0]);
	if (!s)
		return -ENOMEM;
	s->fields = fields;
	s->refs = 1;
	s->n = n;
	*ret = s;
	return 0;
}

struct settings *settings_free(struct settings *s)
{
	if (!s || --s->refs)
		return NULL;
	for (size_t i = 0; i < s->n; i++) {
		free(s->values[i].text);
		secret_unref(s->values[i].secret);
	}
	free(s);
	return NULL;
}

struct settings *settings_ref(struct settings *s)
{
	s->refs++;
	return s;
}

const struct field *settings_fields(const struct settings *s)
{
	return s->fields;
}

static const struct value *value_of(const struct settings *s, const struct field *f)
{
	return &s->values[f - s->fields];
}

/* A key may name something in one row, and hold it as a secret in another. */
static const struct field *find_secret(const struct field *fields, const char *key)
{
	for (; fields && fields->key; fields++)
		if (fields->kind == FIELD_SECRET && strcmp(fields->key, key) == 0)
			return fields;
	return NULL;
}

/* ---- setting ---- */

static int set_text(struct settings *s, const struct field *f, const char *value,
		    struct sentence *why)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_DOCUMENT);
	struct value *v = &s->values[f - s->fields];
	int r;

	if (v->text || v->secret) {
		sentence_set(why, "%s is given twice", f->key);
		return -EEXIST;
	}
	if (f->kind != FIELD_JSON && !field_is_line(value)) {
		sentence_set(why, "%s holds control characters, or is not UTF-8", f->key);
		return -EINVAL;
	}
	r = field_take(f, value, &text, why);
	if (r == 0)
		r = buffer_error(&text);
	if (r == -EFBIG) {
		sentence_set(why, "%s is too long", f->key);
		return -EINVAL;
	}
	if (r < 0)
		return r;
	if (text.len == 0) {
		sentence_set(why, "%s has no value: leave the key out", f->key);
		return -EINVAL;
	}
	v->text = strdup(buffer_string(&text));
	return v->text ? 0 : -ENOMEM;
}

int settings_set(struct settings *s, const char *key, const char *value, struct sentence *why)
{
	const struct field *f = field_find(s->fields, key);

	if (!f)
		return field_unknown(s->fields, key, why);
	if (f->kind == FIELD_SECRET && !(f->flags & FIELD_OR_SLOT))
		return field_refuse_secret(f, why);
	return set_text(s, f, value, why);
}

int settings_set_secret(struct settings *s, const char *key, struct secret *value)
{
	const struct field *f = find_secret(s->fields, key);
	struct value *v;

	if (!f)
		return -EINVAL;
	v = &s->values[f - s->fields];
	if (value)
		secret_ref(value);
	secret_unref(v->secret);
	v->secret = value;
	return 0;
}

void settings_expect_secret(struct settings *s, const char *key)
{
	const struct field *f = find_secret(s->fields, key);

	if (f)
		s->values[f - s->fields].expected = true;
}

static int wrong_kind(const struct field *f, struct sentence *why)
{
	static const char *const kinds[] = {
		[FIELD_TEXT] = "a string",
		[FIELD_WORDS] = "a string, or a list of strings",
		[FIELD_URL] = "a string",
		[FIELD_URLS] = "a string, or a list of strings",
		[FIELD_CHOICE] = "a string",
		[FIELD_YES_NO] = "true or false",
		[FIELD_DURATION] = "a number of seconds, or a string such as \"5m\"",
		[FIELD_NUMBER] = "a whole number",
		[FIELD_PATH] = "a string",
		[FIELD_SECRET] = "a string",
		[FIELD_JSON] = "a JSON value",
	};

	sentence_set(why, "%s is %s", f->key, kinds[f->kind]);
	return -EINVAL;
}

/* A list of words, as the text that a configuration would have for it. */
static int text_of_array(const struct field *f, const struct json *value, struct buffer *out,
			 struct sentence *why)
{
	for (size_t i = 0; i < json_length(value); i++) {
		const char *word = json_text(json_at(value, i));

		if (!word || !word[0] || strpbrk(word, " \t"))
			return wrong_kind(f, why);
		if (i > 0)
			buffer_text(out, " ");
		buffer_text(out, word);
	}
	return 0;
}

/* What a configuration would have said for a member, so that both are judged by one rule. */
static int text_of_member(const struct field *f, const struct json *document, struct buffer *out,
			  struct sentence *why)
{
	const struct json *value = json_get(document, f->key);
	bool is_list = f->kind == FIELD_WORDS || f->kind == FIELD_URLS;
	bool is_number = f->kind == FIELD_DURATION || f->kind == FIELD_NUMBER;
	int64_t number;
	bool yes;

	if (value && f->kind == FIELD_JSON) {
		json_print(value, false, out);
	} else if (json_text(value)) {
		buffer_text(out, json_text(value));
	} else if (json_is_array(value) && is_list) {
		return text_of_array(f, value, out, why);
	} else if (is_number && !json_is_string(value) && json_integer(document, f->key, &number)) {
		json_print(value, false, out);
		buffer_text(out, f->kind == FIELD_DURATION ? "s" : "");
	} else if (f->kind == FIELD_YES_NO && json_boolean(document, f->key, &yes)) {
		buffer_text(out, yes ? "yes" : "no");
	} else {
		return wrong_kind(f, why);
	}
	return 0;
}

static int set_secret_text(struct settings *s, const struct field *f, const char *text,
			   struct sentence *why)
{
	SECRET_AUTO *secret = NULL;
	int r = secret_new(text, strlen(text), &secret);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		sentence_set(why, "%s is empty or too long", f->key);
		return -EINVAL;
	}
	return settings_set_secret(s, f->key, secret);
}

int settings_read_member(struct settings *s, const struct json *document, const char *key,
			 struct sentence *why)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_DOCUMENT);
	const struct field *f = field_find(s->fields, key);
	int r;

	if (!f)
		return field_unknown(s->fields, key, why);
	r = text_of_member(f, document, &text, why);
	if (r < 0)
		return r;
	if (buffer_error(&text))
		return buffer_error(&text) == -ENOMEM ? -ENOMEM : wrong_kind(f, why);
	if (f->kind == FIELD_SECRET)
		return set_secret_text(s, f, buffer_string(&text), why);
	return set_text(s, f, buffer_string(&text), why);
}

int settings_read_json(struct settings *s, const struct json *document, struct sentence *why)
{
	if (!json_is_object(document)) {
		sentence_set(why, "is not a JSON object");
		return -EINVAL;
	}
	for (size_t i = 0; i < json_length(document); i++) {
		int r = settings_read_member(s, document, json_key_at(document, i, NULL), why);

		if (r < 0)
			return r == -ENOMEM ? r : -EINVAL;
	}
	return 0;
}

/* ---- reading ---- */

static struct json *member_of_value(const struct field *f, const char *text)
{
	struct json *value = NULL;

	if (f->kind == FIELD_JSON)
		return json_parse(text, strlen(text), NULL, &value) == 0 ? value : NULL;
	return json_new_string(text);
}

struct json *settings_write_json(const struct settings *s)
{
	struct json *object = json_new_object();

	for (size_t i = 0; object && i < s->n; i++)
		if (s->values[i].text)
			json_set(object, s->fields[i].key,
				 member_of_value(&s->fields[i], s->values[i].text));
	return object;
}

static bool is_given(const struct value *v)
{
	return v->text || v->secret || v->expected;
}

int settings_check(const struct settings *s, struct sentence *why)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct field *f = &s->fields[i];
		const struct value *v = &s->values[i];

		if (v->text && (v->secret || v->expected)) {
			sentence_set(why,
				     "%s is given twice: as PROVIDER/NAME, and as %s-file or the "
				     "like",
				     f->key, f->key);
			return -EINVAL;
		}
		if (!(f->flags & FIELD_REQUIRED) || f->fallback || is_given(&s->values[i]))
			continue;
		if (f->kind == FIELD_SECRET)
			sentence_set(why,
				     "%s is missing: give %s-file, %s-command or %s-credential",
				     f->key, f->key, f->key, f->key);
		else
			sentence_set(why, "%s is missing: %s", f->key, f->help);
		return -EINVAL;
	}
	return 0;
}

const char *settings_text(const struct settings *s, const char *key)
{
	const struct field *f = field_find(s->fields, key);

	if (!f)
		return NULL;
	return value_of(s, f)->text ? value_of(s, f)->text : f->fallback;
}

bool settings_yes(const struct settings *s, const char *key)
{
	const char *text = settings_text(s, key);

	return text && strcmp(text, "yes") == 0;
}

int64_t settings_ms(const struct settings *s, const char *key)
{
	const char *text = settings_text(s, key);
	int64_t ms;

	return text && field_parse_duration(text, &ms) ? ms : -1;
}

int64_t settings_number(const struct settings *s, const char *key)
{
	const char *text = settings_text(s, key);
	int64_t n;

	return text && field_parse_number(text, strlen(text), &n) ? n : -1;
}

struct secret *settings_secret(const struct settings *s, const char *key)
{
	const struct field *f = find_secret(s->fields, key);

	return f ? value_of(s, f)->secret : NULL;
}

bool settings_has_secret(const struct settings *s, const char *key)
{
	const struct field *f = find_secret(s->fields, key);

	return f && is_given(value_of(s, f));
}

bool settings_has(const struct settings *s, const char *key)
{
	const struct field *f = field_find(s->fields, key);

	return (f && is_given(value_of(s, f))) || settings_has_secret(s, key);
}

bool settings_next_word(const struct settings *s, const char *key, const char **at, char *word,
			size_t size)
{
	const char *found;
	size_t len;

	if (!*at)
		*at = settings_text(s, key);
	if (!*at)
		return false;
	len = field_next_word(at, &found);
	if (len == 0 || len >= size)
		return false;
	memcpy(word, found, len);
	word[len] = '\0';
	return true;
}

static bool same_value(const struct field *f, const char *a, const char *b)
{
	int64_t a_ms, b_ms;

	if (!a || !b)
		return a == b;
	if (f->kind == FIELD_DURATION && field_parse_duration(a, &a_ms) &&
	    field_parse_duration(b, &b_ms))
		return a_ms == b_ms;
	return strcmp(a, b) == 0;
}

static const char *text_or_fallback(const struct settings *s, const struct field *f)
{
	return s ? settings_text(s, f->key) : f->fallback;
}

bool settings_equal(const struct settings *a, const struct settings *b)
{
	const struct field *f = a ? a->fields : b ? b->fields : NULL;

	if (a && b && a->fields != b->fields)
		return false;
	for (; f && f->key; f++)
		if (f->kind != FIELD_SECRET &&
		    !same_value(f, text_or_fallback(a, f), text_or_fallback(b, f)))
			return false;
	return true;
}

void settings_identity(const struct settings *s, struct buffer *out)
{
	for (size_t i = 0; i < s->n; i++) {
		const char *text = settings_text(s, s->fields[i].key);

		if ((s->fields[i].flags & FIELD_IDENTITY) && text)
			buffer_format(out, "%s=%s\n", s->fields[i].key, text);
	}
}
