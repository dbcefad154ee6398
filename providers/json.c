/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <json-c/json_object_iterator.h>
#include <json-c/printbuf.h>
#include <sodium.h>

#include "json.h"

#define MAX_DEPTH 32
#define INDENT	  2u
#define BAD_BYTE  "is not JSON: byte %zu cannot stand there"

/*
 * json-c's null is no object at all, which would make "null" and "out of memory" one. So a null
 * that stands alone, and an object that lost a member, are values with one of these marks.
 */
static const char null_mark[] = "null";
static const char broken_mark[] = "broken";

static struct json_object *inside(const struct json *j)
{
	return (struct json_object *)(uintptr_t)j;
}

static struct json *outside(struct json_object *o)
{
	return (struct json *)o;
}

static void set_mark(struct json_object *o, const char *mark)
{
	json_object_set_userdata(o, (void *)(uintptr_t)mark, NULL);
}

static bool has_mark(struct json_object *o, const char *mark)
{
	return json_object_get_userdata(o) == (const void *)mark;
}

static bool is_kind(struct json_object *o, enum json_type kind)
{
	return json_object_is_type(o, kind) && !(o && has_mark(o, null_mark));
}

static void wipe_string(struct json_object *o)
{
	char *text = (char *)(uintptr_t)json_object_get_string(o);

	if (text)
		sodium_memzero(text, (size_t)json_object_get_string_len(o));
}

/* As deep as the parser let it be, or as we built it ourselves. */
static void wipe(struct json_object *o)
{
	if (json_object_is_type(o, json_type_string)) {
		wipe_string(o);
	} else if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++)
			wipe(json_object_array_get_idx(o, i));
	} else if (json_object_is_type(o, json_type_object)) {
		struct json_object_iterator at = json_object_iter_begin(o);
		struct json_object_iterator end = json_object_iter_end(o);

		for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
			wipe(json_object_iter_peek_value(&at));
	}
}

void json_free(struct json *j)
{
	if (!j)
		return;
	wipe(inside(j));
	json_object_put(inside(j));
}

static void free_tokener(struct json_tokener *t)
{
	/* the last string read is still in there, and it may have been a token */
	if (t->pb && t->pb->buf)
		sodium_memzero(t->pb->buf, (size_t)t->pb->size);
	json_tokener_free(t);
}

static int parse_error(struct json_tokener *t, enum json_tokener_error error, struct sentence *why)
{
	if (error == json_tokener_error_depth)
		sentence_set(why, "is nested too deeply for JSON that is meant here");
	else if (error == json_tokener_continue)
		sentence_set(why, "is JSON that ends too early");
	else
		sentence_set(why, BAD_BYTE, json_tokener_get_parse_end(t) + 1);
	return -EBADMSG;
}

static int parse_with(struct json_tokener *t, const char *bytes, size_t len, struct sentence *why,
		      struct json_object **ret)
{
	struct json_object *o = json_tokener_parse_ex(t, bytes, (int)len);
	enum json_tokener_error error = json_tokener_get_error(t);

	/* only the end tells that a bare number is over */
	if (error == json_tokener_continue) {
		o = json_tokener_parse_ex(t, "", 1);
		if (json_tokener_get_error(t) != json_tokener_success)
			return parse_error(t, json_tokener_continue, why);
		error = json_tokener_success;
	}
	if (error != json_tokener_success)
		return parse_error(t, error, why);
	*ret = o;
	return 0;
}

static int new_null(struct json_object **ret)
{
	struct json_object *o = json_object_new_boolean(0);

	if (!o)
		return -ENOMEM;
	set_mark(o, null_mark);
	*ret = o;
	return 0;
}

/*
 * The first byte that JSON has no place for, where json-c is generous even when strict: 'strings',
 * comments, NaN, line breaks in strings. `len` when there is none.
 */
static size_t stray_byte(const char *bytes, size_t len)
{
	bool string = false;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == 0 || (string && c < ' '))
			return i;
		if (c == '"')
			string = !string;
		else if (string && c == '\\')
			i++;
		else if (!string && !strchr(" \t\r\n{}[]:,-+.0123456789eEtrufalsn", c))
			return i;
	}
	return len;
}

int json_parse(const char *bytes, size_t len, struct sentence *why, struct json **ret)
{
	struct json_object *o = NULL;
	struct json_tokener *t;
	int r;

	if (len == 0 || len > LIMIT_LISTING) {
		sentence_set(why, len ? "is too long" : "is empty, where JSON should be");
		return -EBADMSG;
	}
	if (stray_byte(bytes, len) < len) {
		sentence_set(why, BAD_BYTE, stray_byte(bytes, len) + 1);
		return -EBADMSG;
	}
	t = json_tokener_new_ex(MAX_DEPTH);
	if (!t)
		return -ENOMEM;
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	r = parse_with(t, bytes, len, why, &o);
	free_tokener(t);
	if (r == 0 && !o)
		r = new_null(&o);
	if (r == 0)
		*ret = outside(o);
	return r;
}

bool json_is_object(const struct json *j)
{
	return is_kind(inside(j), json_type_object);
}

bool json_is_array(const struct json *j)
{
	return is_kind(inside(j), json_type_array);
}

bool json_is_string(const struct json *j)
{
	return is_kind(inside(j), json_type_string);
}

struct json *json_get(const struct json *object, const char *key)
{
	struct json_object *value = NULL;

	if (!json_is_object(object) || !json_object_object_get_ex(inside(object), key, &value))
		return NULL;
	return outside(value);
}

const char *json_text(const struct json *value)
{
	const char *text;

	if (!json_is_string(value))
		return NULL;
	text = json_object_get_string(inside(value));
	/* a NUL in the middle would show a reader less than the server sent */
	if (strlen(text) != (size_t)json_object_get_string_len(inside(value)))
		return NULL;
	return text;
}

const char *json_string(const struct json *object, const char *key)
{
	return json_text(json_get(object, key));
}

static bool integer_of_text(const char *text, int64_t *ret)
{
	char *end;
	long long n;

	if (!text || !text[0] || strspn(text, "-0123456789") != strlen(text))
		return false;
	n = strtoll(text, &end, 10); /* too large: the largest */
	if (*end)
		return false;
	*ret = n;
	return true;
}

static bool integer_of_double(double d, int64_t *ret)
{
	if (!(d > -9.2e18 && d < 9.2e18))
		return false;
	*ret = (int64_t)d;
	return true;
}

bool json_integer(const struct json *object, const char *key, int64_t *ret)
{
	struct json *value = json_get(object, key);

	if (is_kind(inside(value), json_type_int)) {
		*ret = json_object_get_int64(inside(value));
		return true;
	}
	if (is_kind(inside(value), json_type_double))
		return integer_of_double(json_object_get_double(inside(value)), ret);
	return integer_of_text(json_text(value), ret);
}

bool json_boolean(const struct json *object, const char *key, bool *ret)
{
	struct json *value = json_get(object, key);

	if (!is_kind(inside(value), json_type_boolean))
		return false;
	*ret = json_object_get_boolean(inside(value));
	return true;
}

size_t json_length(const struct json *j)
{
	if (json_is_array(j))
		return json_object_array_length(inside(j));
	return json_is_object(j) ? (size_t)json_object_object_length(inside(j)) : 0;
}

struct json *json_at(const struct json *array, size_t i)
{
	if (!json_is_array(array) || i >= json_length(array))
		return NULL;
	return outside(json_object_array_get_idx(inside(array), i));
}

const char *json_key_at(const struct json *object, size_t i, struct json **ret_value)
{
	struct json_object_iterator at;

	if (!json_is_object(object) || i >= json_length(object))
		return NULL;
	at = json_object_iter_begin(inside(object));
	while (i-- > 0)
		json_object_iter_next(&at);
	if (ret_value)
		*ret_value = outside(json_object_iter_peek_value(&at));
	return json_object_iter_peek_name(&at);
}

struct json *json_new_object(void)
{
	return outside(json_object_new_object());
}

struct json *json_new_array(void)
{
	return outside(json_object_new_array());
}

struct json *json_new_string(const char *text)
{
	struct json_object *o = NULL;

	if (text)
		return outside(json_object_new_string(text));
	return new_null(&o) == 0 ? outside(o) : NULL;
}

struct json *json_new_integer(int64_t n)
{
	return outside(json_object_new_int64(n));
}

struct json *json_new_boolean(bool b)
{
	return outside(json_object_new_boolean(b));
}

void json_set(struct json *object, const char *key, struct json *value)
{
	if (object && value && json_object_object_add(inside(object), key, inside(value)) == 0)
		return;
	json_free(value);
	if (object)
		set_mark(inside(object), broken_mark);
}

void json_set_string(struct json *object, const char *key, const char *text)
{
	json_set(object, key, json_new_string(text));
}

void json_set_integer(struct json *object, const char *key, int64_t n)
{
	json_set(object, key, json_new_integer(n));
}

void json_add(struct json *array, struct json *value)
{
	if (array && value && json_object_array_add(inside(array), inside(value)) == 0)
		return;
	json_free(value);
	if (array)
		set_mark(inside(array), broken_mark);
}

/* Printing is ours: json-c keeps a printed copy of the whole tree inside, unwiped. */
struct printer {
	struct buffer *out;
	bool pretty;
	size_t depth;
};

static void print_line(struct printer *p)
{
	if (!p->pretty)
		return;
	buffer_text(p->out, "\n");
	for (size_t i = 0; i < p->depth * INDENT; i++)
		buffer_text(p->out, " ");
}

/* How many bytes stand for themselves in a string. */
static size_t plain_len(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && (unsigned char)text[n] >= ' ' && text[n] != '"' && text[n] != '\\' &&
	       text[n] != 0x7f)
		n++;
	return n;
}

static void print_string(struct printer *p, const char *text, size_t len)
{
	buffer_text(p->out, "\"");
	for (size_t i = 0; i < len; i++) {
		size_t plain = plain_len(text + i, len - i);

		buffer_append(p->out, text + i, plain);
		i += plain;
		if (i == len)
			break;
		if (text[i] == '"' || text[i] == '\\')
			buffer_format(p->out, "\\%c", text[i]);
		else
			buffer_format(p->out, "\\u%04x", (unsigned char)text[i]);
	}
	buffer_text(p->out, "\"");
}

/* Our own spelling: json-c keeps the one it read, which may be none that JSON knows (`1.`). */
static void print_double(struct printer *p, double d)
{
	char text[32];

	if (!(d > -DBL_MAX && d < DBL_MAX)) {
		buffer_text(p->out, "null");
		return;
	}
	snprintf(text, sizeof text, "%.15g", d);
	if (strtod(text, NULL) < d || strtod(text, NULL) > d)
		snprintf(text, sizeof text, "%.17g", d);
	buffer_text(p->out, text);
}

static void print_scalar(struct printer *p, struct json_object *o)
{
	if (!o || has_mark(o, null_mark))
		buffer_text(p->out, "null");
	else if (json_object_is_type(o, json_type_boolean))
		buffer_text(p->out, json_object_get_boolean(o) ? "true" : "false");
	else if (json_object_is_type(o, json_type_int))
		buffer_format(p->out, "%lld", (long long)json_object_get_int64(o));
	else if (json_object_is_type(o, json_type_double))
		print_double(p, json_object_get_double(o));
	else
		print_string(p, json_object_get_string(o), (size_t)json_object_get_string_len(o));
}

static void print_key(struct printer *p, const char *key)
{
	print_string(p, key, strlen(key));
	buffer_text(p->out, p->pretty ? ": " : ":");
}

static void print_value(struct printer *p, struct json_object *o)
{
	bool object = json_object_is_type(o, json_type_object);
	struct json_object_iterator at = json_object_iter_init_default();
	size_t n = json_length(outside(o));

	if (!object && !json_object_is_type(o, json_type_array)) {
		print_scalar(p, o);
		return;
	}
	if (has_mark(o, broken_mark) && !p->out->error)
		p->out->error = -ENOMEM;
	if (object)
		at = json_object_iter_begin(o);
	buffer_text(p->out, object ? "{" : "[");
	p->depth++;
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buffer_text(p->out, ",");
		print_line(p);
		if (object) {
			print_key(p, json_object_iter_peek_name(&at));
			print_value(p, json_object_iter_peek_value(&at));
			json_object_iter_next(&at);
		} else {
			print_value(p, json_object_array_get_idx(o, i));
		}
	}
	p->depth--;
	if (n > 0)
		print_line(p);
	buffer_text(p->out, object ? "}" : "]");
}

void json_print(const struct json *j, bool pretty, struct buffer *out)
{
	struct printer p = {.out = out, .pretty = pretty};

	if (!j && !out->error)
		out->error = -ENOMEM;
	print_value(&p, inside(j));
	if (pretty)
		buffer_text(out, "\n");
}
