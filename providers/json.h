/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: reading and writing JSON; the only includer of json-c.
 *
 * A `struct json` is one value of any kind. json_parse() and the json_new_*() functions give the
 * caller a tree that it owns and ends with json_free(), which wipes every string in it. Getters
 * borrow from the tree. json_set() and json_add() take over the value they are given.
 *
 *	JSON_AUTO *answer = NULL;
 *
 *	r = json_parse(body, len, why, &answer);
 *	token = json_string(answer, "access_token");
 */
#ifndef TOKENFS_JSON_H
#define TOKENFS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "sentence.h"

struct json;

/*
 * One value and nothing behind it but white space; UTF-8, at most 32 levels deep, no key twice in an
 * object where the parser can tell. -EBADMSG with a sentence that names the byte (never the text),
 * -ENOMEM.
 */
int json_parse(const char *bytes, size_t len, struct sentence *why, struct json **ret);
void json_free(struct json *j);

bool json_is_object(const struct json *j);
bool json_is_array(const struct json *j);
bool json_is_string(const struct json *j);

/* Members of an object; NULL (or false, ret untouched) when absent or of another kind. */
struct json *json_get(const struct json *object, const char *key);
const char *json_string(const struct json *object, const char *key);
bool json_integer(const struct json *object, const char *key, int64_t *ret); /* or a decimal string */
bool json_boolean(const struct json *object, const char *key, bool *ret);

/* Elements of an array, members of an object. */
size_t json_length(const struct json *j);
struct json *json_at(const struct json *array, size_t i);
const char *json_key_at(const struct json *object, size_t i, struct json **ret_value);
const char *json_text(const struct json *value); /* of a string, else NULL */

/* Building. A NULL result or a failed json_set() makes json_print() fail with -ENOMEM, not before. */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *text); /* NULL text: JSON null */
struct json *json_new_integer(int64_t n);
struct json *json_new_boolean(bool b);
void json_set(struct json *object, const char *key, struct json *value);
void json_set_string(struct json *object, const char *key, const char *text);
void json_set_integer(struct json *object, const char *key, int64_t n);
void json_add(struct json *array, struct json *value);

/* Appends the text; pretty: indented and with a newline at its end. Sticky errors in `out`. */
void json_print(const struct json *j, bool pretty, struct buffer *out);

static inline void json_cleanup(struct json **j)
{
	json_free(*j);
}
#define JSON_AUTO __attribute__((cleanup(json_cleanup))) struct json

#endif
