/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings: values that a field table describes. One table serves the configuration's section, a
 * declared slot and a written document: it validates, explains, redacts, and writes the manual.
 *
 *	static const struct field fields[] = {
 *		{ "token-url", FIELD_URL, FIELD_IDENTITY, NULL, NULL, "the token endpoint" },
 *		{ "client-secret", FIELD_SECRET, 0, NULL, NULL, "…" },
 *		{ "client-auth", FIELD_CHOICE, 0, "basic", "basic post none", "…" },
 *		{ 0 },
 *	};
 *
 * A settings object is owned by who made it; what the getters return is borrowed from it. Settings
 * are born with no value set; a getter then answers the field's fallback.
 */
#ifndef TOKENFS_SETTINGS_H
#define TOKENFS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "secret.h"
#include "sentence.h"

enum field_kind {
	FIELD_TEXT,     /* one line without control characters */
	FIELD_WORDS,    /* a list: words parted by spaces, or a JSON array of strings; no word twice */
	FIELD_URL,      /* https, or http to loopback; no user:password@, no fragment */
	FIELD_URLS,     /* a list of absolute URIs (wire N1) */
	FIELD_CHOICE,   /* one of `choices` */
	FIELD_YES_NO,   /* yes or no; in JSON a boolean too */
	FIELD_DURATION, /* 500ms, 30s, 5m, 12h, 7d; in JSON a number of seconds too */
	FIELD_NUMBER,   /* a whole number from 0 */
	FIELD_PATH,     /* an absolute path */
	FIELD_SECRET,   /* KEY-file, KEY-command, KEY-credential; in a document the value itself */
	FIELD_JSON,     /* any JSON value, kept as text (documents only) */
};

enum field_flags {
	FIELD_REQUIRED = 1, /* must be there */
	FIELD_IDENTITY = 2, /* says whose account it is: with another value, old tokens are not ours */
	FIELD_OR_SLOT = 4,  /* of a secret: KEY = PROVIDER/NAME, a token of this mount, may stand for it */
};

/*
 * One row; a table ends with a row whose key is NULL. A key may have two rows: KEY names something, and
 * behind it one of FIELD_SECRET, so that KEY-file can hold it.
 */
struct field {
	const char *key;
	enum field_kind kind;
	unsigned flags;
	const char *fallback; /* the value when none is given; "$HOSTNAME": this host's name */
	const char *choices;  /* FIELD_CHOICE: words parted by spaces */
	const char *help;     /* half a line, for `tokenfs help TYPE` and the manual */
};

struct settings;

/* The row of a key, or NULL. */
const struct field *field_find(const struct field *fields, const char *key);

int settings_new(const struct field *fields, struct settings **ret); /* `fields` outlives it; -ENOMEM */
struct settings *settings_free(struct settings *s);                   /* takes NULL, returns NULL */

/* The same object once more, for somebody who does not change it either; settings_free() ends it. */
struct settings *settings_ref(struct settings *s);
const struct field *settings_fields(const struct settings *s);

/*
 * Sets one key from text. -ENOENT for an unknown key (the sentence offers the nearest known one, or
 * for KEY of a secret says to use KEY-file, KEY-command or KEY-credential), -EINVAL for a value that
 * is not of the field's kind, -EEXIST for a key set twice, -ENOMEM. Changes nothing on failure.
 */
int settings_set(struct settings *s, const char *key, const char *value, struct sentence *why);

/* Sets, replaces or (NULL) removes a secret; the object takes a reference of its own. */
int settings_set_secret(struct settings *s, const char *key, struct secret *value);

/*
 * Sets what a written document says. -EINVAL for what is not an object, an unknown member, a value of
 * the wrong kind; the sentence names the member.
 */
int settings_read_json(struct settings *s, const struct json *document, struct sentence *why);

/* The same for one member of it; -ENOENT when the key is unknown. */
int settings_read_member(struct settings *s, const struct json *document, const char *key,
			 struct sentence *why);

/* All set values but secrets, as an object for the store; settings_read_json() takes it back. */
struct json *settings_write_json(const struct settings *s);

/*
 * -EINVAL when a required key is missing (a secret's: when no source or value was given), or one of
 * FIELD_OR_SLOT is given in both ways.
 */
int settings_check(const struct settings *s, struct sentence *why);

/* Says that a secret key has a source, though its value is not here yet (settings_check). */
void settings_expect_secret(struct settings *s, const char *key);

/* Values, or the fallback. The key must be in the table. */
const char *settings_text(const struct settings *s, const char *key); /* NULL: no value, no fallback */
bool settings_yes(const struct settings *s, const char *key);
int64_t settings_ms(const struct settings *s, const char *key);      /* -1: no value, no fallback */
int64_t settings_number(const struct settings *s, const char *key);  /* -1: no value, no fallback */
struct secret *settings_secret(const struct settings *s, const char *key);
bool settings_has(const struct settings *s, const char *key); /* set, fallback aside */

/* Whether the secret of a key that has two rows is given: settings_has() is of either. */
bool settings_has_secret(const struct settings *s, const char *key);

/*
 * Words of a list, one a call: `*at` starts as NULL. The word is copied into `word`.
 *	const char *at = NULL;
 *	while (settings_next_word(s, "resource", &at, word, sizeof word)) …
 */
bool settings_next_word(const struct settings *s, const char *key, const char **at, char *word,
			size_t size);

/* The same wishes: every key but secrets has the same value. NULL is settings with nothing set. */
bool settings_equal(const struct settings *a, const struct settings *b);

/* Appends `key=value` lines of the identity fields: the account these settings mean. */
void settings_identity(const struct settings *s, struct buffer *out);

static inline void settings_cleanup(struct settings **s)
{
	settings_free(*s);
}
#define SETTINGS_AUTO __attribute__((cleanup(settings_cleanup))) struct settings

#endif
