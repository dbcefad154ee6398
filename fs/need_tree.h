/* SPDX-License-Identifier: Apache-2.0 */
/*
 * need_tree: the tree's side of need.h: finds the slot, refuses circles, waits for its token.
 */
#ifndef TOKENFS_NEED_TREE_H
#define TOKENFS_NEED_TREE_H

#include "tree.h"

void need_serve(struct tree *t); /* fills t->needs */

#endif
