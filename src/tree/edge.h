/* The last node of each level, complete or not. Internal to src/tree. */
#ifndef ROTOR_TREE_EDGE_H
#define ROTOR_TREE_EDGE_H

#include "tree/tree.h"

/* Computes edge[0..depth] and depth for tree->size leaves (at least 1) and sets `rooted`. With `built`, all complete
 * nodes are stored; without, exactly one leaf has been added to a tree whose complete nodes were, and those that it
 * completes are stored here. The writer only. */
void rotor_edge_update(rotor_tree *tree, bool built);

/* Forgets what was kept about unfinished groups; needed when nodes are going to be replaced. */
void rotor_edge_forget(rotor_tree *tree);

#endif
