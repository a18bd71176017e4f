/* Hashing the parents of new nodes, in blocks, on one thread or several. Internal to src/tree. */
#ifndef ROTOR_TREE_BUILD_H
#define ROTOR_TREE_BUILD_H

#include "tree/tree.h"

/* The block that suits an arity and the width of the vector unit. */
rotor_block_shape rotor_block_shape_for(rotor_radix radix, uint32_t lanes);

/* Stores every node above level 0 that becomes complete as the tree grows from `from` to `to` leaves; those that were
 * complete at `from` are stored already. With `leaves`, the leaves from..to-1 are stored on the way; with NULL they are
 * stored already. There must be room. The writer only. */
void rotor_build(rotor_tree *tree, uint64_t from, uint64_t to, const rotor_hash *leaves);

/* Copies nodes into level memory. */
void rotor_build_store(rotor_tree *tree, uint32_t level, uint64_t first, const rotor_hash *nodes, uint64_t count);

#endif
