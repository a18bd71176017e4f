/* The edge: a chain of hashes from the last leaf to the root. Must not know how complete nodes came to be.
 *
 * Each node of the chain waits for the one below, so its cost is the latency of a lone compression times the blocks on
 * the way. What does not depend on the last child of a node is done when the node gets another one and kept until the
 * next (rotor_path_step): for arity 4 a quarter of the chain, for arities 8 and 16 half of it. */
#include "tree/edge.h"

#include "tree/build.h"
#include "tree/nodes.h"

#include <string.h>

/* Whether the step to node (level + 1, parent), which has `width` children, is not prepared yet; it is set up then. */
static bool renew_step(rotor_tree *tree, uint32_t level, uint64_t parent, uint32_t width) {
    rotor_path_step *step = &tree->edge_steps[level];
    if (tree->edge_step_nodes[level] == parent && step->width == width) {
        return false;
    }
    tree->edge_step_nodes[level] = parent;
    step->width = width;
    step->leading = width > 1 ? rotor_level_at(tree->levels[level], parent * tree->radix.n) : NULL;
    return true;
}

void rotor_edge_update(rotor_tree *tree, bool built) {
    uint64_t length = tree->size;
    uint32_t level = 0;
    uint32_t complete = 0; /* levels above the leaves whose last node is complete */
    rotor_path_step *renewed[ROTOR_MAX_DEPTH];
    size_t count = 0;
    while (length > 1) {
        uint64_t parent = rotor_radix_div(tree->radix, length - 1);
        uint32_t width = (uint32_t)(length - parent * tree->radix.n);
        if (width == tree->radix.n && complete == level) {
            complete++;
        }
        if ((!built || complete <= level) && renew_step(tree, level, parent, width)) {
            renewed[count++] = &tree->edge_steps[level];
        }
        length = parent + 1;
        level++;
    }
    tree->hasher->prepare_steps(renewed, count);
    tree->depth = level;
    uint32_t stored = built ? complete : 0;
    uint64_t last = tree->size - 1;
    for (uint32_t i = 0; i <= stored; i++) {
        memcpy(&tree->edge[i], rotor_level_at(tree->levels[i], last), sizeof tree->edge[i]);
        last = rotor_radix_div(tree->radix, last);
    }
    tree->hasher->hash_path(tree->edge + stored, tree->edge_steps + stored, level - stored);
    last = tree->size - 1;
    for (uint32_t i = 1; i <= complete && !built; i++) {
        last = rotor_radix_div(tree->radix, last);
        rotor_build_store(tree, i, last, &tree->edge[i], 1);
    }
    tree->rooted = tree->size;
}

void rotor_edge_forget(rotor_tree *tree) {
    for (uint32_t level = 0; level < ROTOR_MAX_DEPTH; level++) {
        tree->edge_steps[level].width = 0;
    }
}
