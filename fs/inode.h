/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode: a number is computed, not stored:
 *
 *	63    60 59                    32 31                              0
 *	| facet |  id of slot, directory |  generation; 0: cold            |
 *
 * One inode for each generation of a token, so that the bytes behind a number never change. Ids come
 * from the store and are never used twice, so a number that a bind mount pins never comes to mean
 * another token. The layout is an interface between versions: a running mount is handed over.
 */
#ifndef TOKENFS_INODE_H
#define TOKENFS_INODE_H

#include <stdbool.h>
#include <stdint.h>

/* What a number shows. The value is its top four bits; do not renumber. */
enum facet {
	FACET_ROOT = 0,      /* id 0: `generation` is one of enum root_file */
	FACET_VALUE = 1,     /* the token */
	FACET_HEADERS = 2,   /* HTTP header lines */
	FACET_ENV = 3,       /* KEY=value lines */
	FACET_META = 4,      /* JSON about a slot */
	FACET_DRAFT = 5,     /* where a document for a slot is written; generation: which draft */
	FACET_NEW = 6,       /* where a document for a new name is written; id: the draft's */
	FACET_DIRECTORY = 8, /* a provider; `generation` is one of enum directory_file */
};

/* The number 1 is the root's by the protocol of FUSE. */
enum root_file { ROOT_DIRECTORY = 1, ROOT_STATUS = 2, ROOT_METRICS = 3, ROOT_CONTROL = 4 };

enum directory_file {
	DIRECTORY_SELF = 0,
	DIRECTORY_META = 1,
	DIRECTORY_HEADERS = 2,
	DIRECTORY_ENV = 3,
	DIRECTORY_STATUS = 4,
	DIRECTORY_DOCUMENT = 5, /* provider_type.document */
	DIRECTORY_LOGIN = 6,    /* where a person must log in */
};

#define INODE_ID_MAX ((1u << 28) - 1)

struct inode {
	enum facet facet;
	uint32_t id, generation;
};

static inline uint64_t inode_number(enum facet facet, uint32_t id, uint32_t generation)
{
	return (uint64_t)facet << 60 | (uint64_t)(id & INODE_ID_MAX) << 32 | generation;
}

static inline struct inode inode_of(uint64_t number)
{
	return (struct inode){ .facet = (enum facet)(number >> 60),
			       .id = (uint32_t)(number >> 32) & INODE_ID_MAX,
			       .generation = (uint32_t)number };
}

/* The facets of one token: they have its generation, and its size or one that follows from it. */
static inline bool facet_is_of_token(enum facet f)
{
	return f == FACET_VALUE || f == FACET_HEADERS || f == FACET_ENV;
}

#endif
