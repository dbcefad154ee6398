/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node: what a number and a name of the mount are: attributes, and how long the kernel may keep them.
 * Nothing here asks a server, waits, or starts a login (contract 3).
 */
#ifndef TOKENFS_NODE_H
#define TOKENFS_NODE_H

#include <sys/stat.h>

#include "inode.h"
#include "tree.h"

struct node {
	struct inode inode;
	struct stat attr; /* st_ino is the number */
	int64_t attr_ms;  /* how long the kernel may keep the attributes */
	int64_t entry_ms; /* … and the name, after a lookup */
};

/* The number, as it is now. -ESTALE: nothing has it any more; -ENOMEM. */
int node_of(const struct tree *t, uint64_t number, struct node *ret);

/*
 * A name in a directory. A slot's name is its newest generation if that may be handed out, else the
 * cold number (kernel.md section 2, rule 1). -ENOENT, -ENOTDIR, -ESTALE, -ENOMEM.
 */
int node_lookup(const struct tree *t, uint64_t parent, const char *name, struct node *ret);

/* The number of a token that is removed, for the thread that removed it and was not told yet. */
void node_removed(const struct tree *t, uint64_t number, struct node *ret);

/* The slot whose token, headers or environment this number is; NULL: another kind of number, or gone. */
struct slot *node_slot(const struct tree *t, struct inode inode);

/* One entry of a listing; `at` is where to go on. false: no more. */
struct node_entry {
	const char *name;
	uint64_t number;
	mode_t type; /* S_IFDIR, S_IFREG */
	uint64_t at;
};
bool node_list(const struct tree *t, uint64_t directory, uint64_t from, struct node_entry *ret);

#endif
