/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "slot.h"

_Static_assert(sizeof((struct names *)NULL)->key == crypto_shorthash_KEYBYTES, "SipHash");

#define ROOM_MIN 8u

/* A keyed hash: a server that lists tokens chooses their names. */
static size_t place_of(const struct names *t, const char *name)
{
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)name, strlen(name), t->key);
	return (size_t)hash & (t->room - 1);
}

void names_init(struct names *t)
{
	*t = (struct names){ 0 };
	randombytes_buf(t->key, sizeof t->key);
}

void names_finish(struct names *t)
{
	free(t->at);
	*t = (struct names){ 0 };
}

/* Where it is, or where it would go. */
static size_t find(const struct names *t, const char *name)
{
	size_t i = place_of(t, name);

	while (t->at[i] && strcmp(t->at[i]->name, name))
		i = (i + 1) & (t->room - 1);
	return i;
}

struct slot *names_find(const struct names *t, const char *name)
{
	return t->n ? t->at[find(t, name)] : NULL;
}

static int grow(struct names *t)
{
	struct names more = *t;

	more.room = t->room ? t->room * 2 : ROOM_MIN;
	more.at = calloc(more.room, sizeof(struct slot *));
	if (!more.at)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->at[i])
			more.at[find(&more, t->at[i]->name)] = t->at[i];
	free(t->at);
	*t = more;
	return 0;
}

int names_add(struct names *t, struct slot *s)
{
	size_t i;
	int r = (t->n + 1) * 4 > t->room * 3 ? grow(t) : 0;

	if (r)
		return r;
	i = find(t, s->name);
	if (t->at[i])
		return -EEXIST;
	t->at[i] = s;
	t->n++;
	return 0;
}

/* Those behind it move up, so that no search ends too early. */
void names_remove(struct names *t, const struct slot *s)
{
	size_t mask = t->room - 1, hole, i;

	if (!t->n)
		return;
	hole = find(t, s->name);
	if (t->at[hole] != s)
		return;
	for (i = (hole + 1) & mask; t->at[i]; i = (i + 1) & mask) {
		size_t home = place_of(t, t->at[i]->name);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		t->at[hole] = t->at[i];
		hole = i;
	}
	t->at[hole] = NULL;
	t->n--;
}
