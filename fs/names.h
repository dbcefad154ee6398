/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names: the slots of a directory by name: a hash table with open addressing, so that a lookup among a
 * hundred thousand costs as much as one among ten, and a slot costs 16 bytes at most.
 *
 * It borrows the slots; a name does not change while its slot is in it.
 */
#ifndef TOKENFS_NAMES_H
#define TOKENFS_NAMES_H

#include <stddef.h>

struct slot;

struct names {
	struct slot **at; /* NULL: free */
	size_t n, room;   /* room is 0 or a power of two */
	unsigned char key[16];
};

void names_init(struct names *t);
void names_finish(struct names *t);

struct slot *names_find(const struct names *t, const char *name); /* NULL: none */

/* -EEXIST: there is one of this name; -ENOMEM. */
int names_add(struct names *t, struct slot *s);
void names_remove(struct names *t, const struct slot *s);

#endif
