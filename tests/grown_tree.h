/* A tree and its model, grown to the same leaves. */
#ifndef ROTOR_TESTS_GROWN_TREE_H
#define ROTOR_TESTS_GROWN_TREE_H

#include "support.h"

#include "model_tree.h"

typedef struct grown {
    rotor_tree *tree;
    model_tree model;
    rotor_snapshot snapshot; /* of all leaves */
} grown;

static inline void grow(grown *g, uint64_t seed, uint32_t arity, uint64_t size) {
    rotor_hash *leaves = test_random_leaves(seed, (size_t)size);
    g->tree = test_create(arity, ROTOR_MAX_DEPTH);
    model_tree_init(&g->model, arity);
    for (uint64_t i = 0; i < size; i++) {
        model_tree_append(&g->model, &leaves[i]);
    }
    expect_ok(rotor_insert_many(g->tree, NULL, NULL, leaves, (size_t)size), "arity %u", arity);
    expect_ok(rotor_snapshot_take(g->tree, &g->snapshot), "arity %u", arity);
    free(leaves);
}

static inline void drop(grown *g) {
    rotor_close(g->tree, NULL);
    model_tree_free(&g->model);
}

#endif
