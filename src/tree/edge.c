/* The edge: a chain of hashes from the last leaf to the root. Must not know how complete nodes came to be.
 *
 * Each node of the chain waits for the one below, so its cost is the latency of a lone compression times the blocks on
 * the way. Blocks before the last child of a group do not change while the group has as many children: their chaining
 * value is kept (rotor_edge_cache), which for arity 4 saves a fifth of the chain, for arities 8 and 16 half of it. */
#include "tree/edge.h"

#include "tree/build.h"
#include "tree/nodes.h"

#include <string.h>

/* Hashes node (level + 1, parent) from its width-1 stored children and edge[level]. */
static void hash_unfinished(rotor_tree *tree, uint32_t level, uint64_t parent, uint32_t width) {
    rotor_edge_cache *cache = &tree->edge_cache[level + 1];
    if (tree->edge_cache_index[level + 1] != parent) {
        tree->edge_cache_index[level + 1] = parent;
        cache->width = 0;
    }
    const uint8_t *leading = rotor_level_at(tree->levels[level], parent * tree->radix.n);
    tree->hasher->hash_edge(tree->edge[level + 1].bytes, cache, leading, tree->edge[level].bytes, width);
}

void rotor_edge_update(rotor_tree *tree, bool built) {
    uint64_t length = tree->size;
    uint32_t level = 0;
    bool complete = true; /* the last node of this level */
    memcpy(&tree->edge[0], rotor_level_at(tree->levels[0], length - 1), sizeof tree->edge[0]);
    for (; length > 1; level++) {
        uint64_t parent = rotor_radix_div(tree->radix, length - 1);
        uint32_t width = (uint32_t)(length - parent * tree->radix.n);
        complete = complete && width == tree->radix.n;
        if (complete && built) {
            memcpy(&tree->edge[level + 1], rotor_level_at(tree->levels[level + 1], parent), sizeof tree->edge[0]);
        } else if (width == 1) {
            tree->edge[level + 1] = tree->edge[level];
        } else {
            hash_unfinished(tree, level, parent, width);
            if (complete) {
                rotor_build_store(tree, level + 1, parent, &tree->edge[level + 1], 1);
            }
        }
        length = parent + 1;
    }
    tree->depth = level;
    tree->rooted = tree->size;
}

void rotor_edge_forget(rotor_tree *tree) {
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level++) {
        tree->edge_cache[level].width = 0;
    }
}
