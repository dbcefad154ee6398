/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "field.h"
#include "message.h"

/* of one name in a directory */
#define NAME_MAX_BYTES 255

#define DURATION_MAX_MS (INT64_C(100) * 366 * 24 * 3600 * 1000)

const struct field *field_find(const struct field *fields, const char *key)
{
	for (; fields && fields->key; fields++)
		if (strcmp(fields->key, key) == 0)
			return fields;
	return NULL;
}

/* ---- what a key may be called ---- */

/* Levenshtein, up to a limit: keys are short, and only near ones matter. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[64];
	size_t len = strlen(b);

	if (len >= 64 || strlen(a) >= 64)
		return 64;
	for (unsigned int j = 0; j <= len; j++)
		row[j] = j;
	for (unsigned int i = 0; a[i]; i++) {
		unsigned int diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= len; j++) {
			unsigned int best = diagonal + (a[i] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[len];
}

struct nearest {
	unsigned int distance;
	char key[64];
};

static void consider(struct nearest *n, const char *wanted, const char *key, const char *ending)
{
	char name[sizeof n->key];
	unsigned int d;

	if ((size_t)snprintf(name, sizeof name, "%s%s", key, ending) >= sizeof name)
		return;
	d = distance(wanted, name);
	if (d >= n->distance)
		return;
	n->distance = d;
	memcpy(n->key, name, sizeof name);
}

static void consider_all(struct nearest *n, const struct field *fields, const char *wanted)
{
	static const char *const endings[] = {"-file", "-command", "-credential"};

	for (const struct field *f = fields; f && f->key; f++) {
		consider(n, wanted, f->key, "");
		for (size_t i = 0; f->kind == FIELD_SECRET && i < 3; i++)
			consider(n, wanted, f->key, endings[i]);
	}
}

static void list_keys(const struct field *fields, struct buffer *out)
{
	for (const struct field *f = fields; f && f->key; f++)
		buffer_format(out, "%s%s%s", out->len ? ", " : "", f->key,
			      f->kind == FIELD_SECRET ? "-file" : "");
}

/* The unknown key itself is not repeated: it may be a secret in the wrong place. */
int field_unknown(const struct field *fields, const char *key, struct sentence *why)
{
	struct nearest nearest = {.distance = 3};
	BUFFER_AUTO keys = BUFFER_INIT(LIMIT_REQUEST);

	consider_all(&nearest, fields, key);
	list_keys(fields, &keys);
	if (nearest.key[0])
		sentence_set(why, "is not a known key: did you mean %s?", nearest.key);
	else if (keys.len)
		sentence_set(why, "is not a known key; there are %s", buffer_string(&keys));
	else
		sentence_set(why, "is not a known key: there is none here");
	return -ENOENT;
}

/* ---- what a value may be ---- */

static size_t utf8_len(const unsigned char *at)
{
	size_t len = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

	if (at[0] >= 0x80 && (at[0] < 0xc2 || at[0] > 0xf4))
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return len;
}

bool field_is_line(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t len = utf8_len(at);

		if (len == 0 || *at < ' ' || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0))
			return false;
		at += len;
	}
	return true;
}

/* The next word from `*at` on, which moves behind it. */
size_t field_next_word(const char **at, const char **ret_word)
{
	size_t len;

	*at += strspn(*at, " \t");
	len = strcspn(*at, " \t");
	*ret_word = *at;
	*at += len;
	return len;
}

static bool has_word(const char *list, const char *word, size_t len)
{
	const char *found;
	size_t n;

	while ((n = field_next_word(&list, &found)))
		if (n == len && memcmp(found, word, len) == 0)
			return true;
	return false;
}

static int check_word(const struct field *f, const char *so_far, const char *word, size_t len,
		      struct sentence *why)
{
	char uri[LIMIT_WORD];
	struct sentence detail = {""};

	if (len >= LIMIT_WORD) {
		sentence_set(why, "%s: a word is longer than %u bytes", f->key, LIMIT_WORD - 1);
		return -EINVAL;
	}
	if (has_word(so_far, word, len)) {
		sentence_set(why, "%s: the same word stands there twice", f->key);
		return -EINVAL;
	}
	memcpy(uri, word, len);
	uri[len] = '\0';
	if (f->kind == FIELD_URLS && uri_check(uri, &detail) < 0) {
		sentence_set(why, "%s: a word %s", f->key, detail.text);
		return -EINVAL;
	}
	return 0;
}

/* Kept with one space between the words, so that equal lists are equal texts. */
static int take_words(const struct field *f, const char *value, struct buffer *out,
		      struct sentence *why)
{
	const char *word;
	size_t len;
	int r;

	while ((len = field_next_word(&value, &word))) {
		r = check_word(f, buffer_string(out), word, len, why);
		if (r < 0)
			return r;
		if (out->len)
			buffer_text(out, " ");
		buffer_append(out, word, len);
	}
	return 0;
}

static int take_choice(const struct field *f, const char *value, struct buffer *out,
		       struct sentence *why)
{
	if (strpbrk(value, " \t") || !has_word(f->choices, value, strlen(value))) {
		sentence_set(why, "%s is one of: %s", f->key, f->choices);
		return -EINVAL;
	}
	buffer_text(out, value);
	return 0;
}

static int take_yes_no(const struct field *f, const char *value, struct buffer *out,
		       struct sentence *why)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
		sentence_set(why, "%s is yes or no", f->key);
		return -EINVAL;
	}
	buffer_text(out, value);
	return 0;
}

bool field_parse_number(const char *text, size_t len, int64_t *ret)
{
	int64_t n = 0;

	if (len == 0 || len > 15 || strspn(text, "0123456789") < len)
		return false;
	for (size_t i = 0; i < len; i++)
		n = n * 10 + (text[i] - '0');
	*ret = n;
	return true;
}

bool field_parse_duration(const char *text, int64_t *ret_ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	size_t digits = strspn(text, "0123456789");
	int64_t n;

	if (!field_parse_number(text, digits, &n))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(text + digits, units[i].unit) != 0)
			continue;
		if (n > DURATION_MAX_MS / units[i].ms)
			return false;
		*ret_ms = n * units[i].ms;
		return true;
	}
	return false;
}

static int take_duration(const struct field *f, const char *value, struct buffer *out,
			 struct sentence *why)
{
	int64_t ms;

	if (!field_parse_duration(value, &ms)) {
		sentence_set(why, "%s is a time such as 500ms, 30s, 5m, 12h or 7d", f->key);
		return -EINVAL;
	}
	buffer_text(out, value);
	return 0;
}

static int take_number(const struct field *f, const char *value, struct buffer *out,
		       struct sentence *why)
{
	int64_t n;

	if (!field_parse_number(value, strlen(value), &n)) {
		sentence_set(why, "%s is a whole number", f->key);
		return -EINVAL;
	}
	buffer_format(out, "%lld", (long long)n);
	return 0;
}

static int take_url(const struct field *f, const char *value, struct buffer *out,
		    struct sentence *why)
{
	struct sentence detail = {""};

	if (url_check(value, &detail) < 0) {
		sentence_set(why, "%s %s", f->key, detail.text);
		return -EINVAL;
	}
	buffer_text(out, value);
	return 0;
}

static int take_path(const struct field *f, const char *value, struct buffer *out,
		     struct sentence *why)
{
	if (value[0] != '/') {
		sentence_set(why, "%s is a path that begins with /", f->key);
		return -EINVAL;
	}
	buffer_text(out, value);
	return 0;
}

static int take_json(const struct field *f, const char *value, struct buffer *out,
		     struct sentence *why)
{
	struct sentence detail = {""};
	JSON_AUTO *parsed = NULL;
	int r = json_parse(value, strlen(value), &detail, &parsed);

	if (r == -EBADMSG) {
		sentence_set(why, "%s %s", f->key, detail.text);
		return -EINVAL;
	}
	if (r == 0)
		json_print(parsed, false, out);
	return r;
}

int field_refuse_secret(const struct field *f, struct sentence *why)
{
	if (f->flags & FIELD_OR_SLOT) {
		sentence_set(why, "%s is PROVIDER/NAME, a token of this mount: a value of its own is "
				  "given as %s-file, %s-command or %s-credential",
			     f->key, f->key, f->key, f->key);
		return -EINVAL;
	}
	sentence_set(why, "%s is a secret: give %s-file, %s-command or %s-credential", f->key,
		     f->key, f->key, f->key);
	return -EINVAL;
}

/* Two names as a directory of the mount has them. What is refused may be the secret itself. */
static int take_slot(const struct field *f, const char *value, struct buffer *out,
		     struct sentence *why)
{
	const char *slash = strchr(value, '/');

	if (!(f->flags & FIELD_OR_SLOT) || !slash || slash == value || !slash[1] ||
	    strchr(slash + 1, '/') || value[0] == '.' || slash[1] == '.' ||
	    slash - value > NAME_MAX_BYTES || strlen(slash + 1) > NAME_MAX_BYTES)
		return field_refuse_secret(f, why);
	buffer_text(out, value);
	return 0;
}

int field_take(const struct field *f, const char *value, struct buffer *out, struct sentence *why)
{
	switch (f->kind) {
	case FIELD_TEXT:
		buffer_text(out, value);
		return 0;
	case FIELD_WORDS:
	case FIELD_URLS:
		return take_words(f, value, out, why);
	case FIELD_URL:
		return take_url(f, value, out, why);
	case FIELD_CHOICE:
		return take_choice(f, value, out, why);
	case FIELD_YES_NO:
		return take_yes_no(f, value, out, why);
	case FIELD_DURATION:
		return take_duration(f, value, out, why);
	case FIELD_NUMBER:
		return take_number(f, value, out, why);
	case FIELD_PATH:
		return take_path(f, value, out, why);
	case FIELD_SECRET:
		return take_slot(f, value, out, why);
	case FIELD_JSON:
		return take_json(f, value, out, why);
	}
	return -EINVAL;
}
