/* A model of the tree and of its proofs, made from the definitions alone: the oracle for proofs. It keeps all leaves,
 * builds every level of any size anew, and hashes each node by the general one-shot BLAKE3. Knows nothing of how the
 * library walks a tree; slow on purpose. */
#ifndef ROTOR_TESTS_MODEL_TREE_H
#define ROTOR_TESTS_MODEL_TREE_H

#include "hash/blake3.h"
#include "rotortree.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_MAX_LEVELS 65
/* Sizes whose levels are kept, so that tests may go to and fro between an old and a new one. */
#define MODEL_VIEWS 64

typedef struct model_view {
    uint64_t size;
    uint32_t depth;
    uint64_t length[MODEL_MAX_LEVELS];
    rotor_hash *node[MODEL_MAX_LEVELS]; /* level 0 is the tree's */
} model_view;

typedef struct model_tree {
    uint32_t arity;
    uint64_t count;
    uint64_t capacity;
    rotor_hash *leaves;
    model_view views[MODEL_VIEWS];
} model_tree;

/* The model of a test that runs out of memory has nothing better to do than to end it. */
static inline void *model_alloc(size_t bytes) {
    void *memory = malloc(bytes != 0 ? bytes : 1);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static inline rotor_hash model_hash(const rotor_hash *children, uint64_t count) {
    uint8_t message[2 + 255 * 32];
    rotor_hash node;
    if (count == 1) {
        return children[0];
    }
    message[0] = 0x01;
    message[1] = (uint8_t)count;
    memcpy(message + 2, children, (size_t)count * 32);
    rotor_blake3_hash(node.bytes, message, 2 + (size_t)count * 32);
    return node;
}

static inline void model_view_free(model_view *view) {
    for (uint32_t level = 1; level <= view->depth; level++) {
        free(view->node[level]);
    }
    memset(view, 0, sizeof *view);
}

static inline void model_tree_init(model_tree *tree, uint32_t arity) {
    memset(tree, 0, sizeof *tree);
    tree->arity = arity;
}

static inline void model_tree_free(model_tree *tree) {
    for (size_t i = 0; i < MODEL_VIEWS; i++) {
        model_view_free(&tree->views[i]);
    }
    free(tree->leaves);
    memset(tree, 0, sizeof *tree);
}

/* Views name leaves by address, so all are dropped when the leaves move. */
static inline void model_tree_append(model_tree *tree, const rotor_hash *leaf) {
    if (tree->count == tree->capacity) {
        tree->capacity = tree->capacity != 0 ? 2 * tree->capacity : 64;
        rotor_hash *leaves = model_alloc((size_t)tree->capacity * sizeof *leaves);
        if (tree->count != 0) {
            memcpy(leaves, tree->leaves, (size_t)tree->count * sizeof *leaves);
        }
        free(tree->leaves);
        tree->leaves = leaves;
        for (size_t i = 0; i < MODEL_VIEWS; i++) {
            model_view_free(&tree->views[i]);
        }
    }
    tree->leaves[tree->count++] = *leaf;
}

/* All levels of the tree of the first `size` leaves, 1 <= size <= count; valid until MODEL_VIEWS others were asked for.
 */
static inline const model_view *model_tree_view(model_tree *tree, uint64_t size) {
    model_view *view = &tree->views[size % MODEL_VIEWS];
    if (view->size == size) {
        return view;
    }
    model_view_free(view);
    view->size = size;
    view->length[0] = size;
    view->node[0] = tree->leaves;
    while (view->length[view->depth] > 1) {
        uint64_t below = view->length[view->depth];
        uint64_t length = below / tree->arity + (below % tree->arity != 0);
        rotor_hash *nodes = model_alloc((size_t)length * sizeof *nodes);
        for (uint64_t i = 0; i < length; i++) {
            uint64_t first = i * tree->arity;
            uint64_t children = below - first < tree->arity ? below - first : tree->arity;
            nodes[i] = model_hash(view->node[view->depth] + first, children);
        }
        view->depth++;
        view->length[view->depth] = length;
        view->node[view->depth] = nodes;
    }
    return view;
}

static inline rotor_hash model_tree_node(model_tree *tree, uint32_t level, uint64_t index, uint64_t size) {
    return model_tree_view(tree, size)->node[level][index];
}

static inline rotor_hash model_tree_root(model_tree *tree, uint64_t size) {
    const model_view *view = model_tree_view(tree, size);
    return view->node[view->depth][0];
}

static inline rotor_tree_head model_tree_head(model_tree *tree, uint64_t size) {
    rotor_tree_head head = {model_tree_root(tree, size), size, tree->arity, ROTOR_HASH_BLAKE3};
    return head;
}

/* Fills `proof` with siblings in memory of its own, which model_inclusion_free() frees. */
static inline void model_inclusion(model_tree *tree, rotor_inclusion_proof *proof, uint64_t size, uint64_t index) {
    const model_view *view = model_tree_view(tree, size);
    rotor_hash *siblings = model_alloc((size_t)view->depth * tree->arity * sizeof *siblings);
    size_t count = 0;
    uint64_t own = index;
    for (uint32_t level = 0; level < view->depth; level++) {
        uint64_t start = own - own % tree->arity;
        for (uint64_t i = start; i < start + tree->arity && i < view->length[level]; i++) {
            if (i != own) {
                siblings[count++] = view->node[level][i];
            }
        }
        own /= tree->arity;
    }
    memset(proof, 0, sizeof *proof);
    proof->head = model_tree_head(tree, size);
    proof->index = index;
    proof->leaf = tree->leaves[index];
    proof->siblings = siblings;
    proof->sibling_count = count;
}

static inline void model_inclusion_free(rotor_inclusion_proof *proof) {
    free(proof->siblings);
    memset(proof, 0, sizeof *proof);
}

/* Likewise. */
static inline void model_consistency(model_tree *tree, rotor_consistency_proof *proof, uint64_t old_size,
                                     uint64_t new_size) {
    const model_view *view = model_tree_view(tree, new_size);
    rotor_hash *hashes = model_alloc(((size_t)view->depth + 1) * tree->arity * sizeof *hashes);
    size_t count = 0;
    uint64_t old_length = old_size;
    for (uint32_t level = 0; level < view->depth && old_size != new_size; level++) {
        uint64_t boundary = old_length - 1;
        uint64_t start = boundary - boundary % tree->arity;
        for (uint64_t i = start; i < start + tree->arity && i < view->length[level]; i++) {
            if (i != boundary || level == 0) {
                hashes[count++] = view->node[level][i];
            }
        }
        old_length = old_length / tree->arity + (old_length % tree->arity != 0);
    }
    memset(proof, 0, sizeof *proof);
    proof->old_head = model_tree_head(tree, old_size);
    proof->new_head = model_tree_head(tree, new_size);
    proof->hashes = hashes;
    proof->hash_count = count;
}

static inline void model_consistency_free(rotor_consistency_proof *proof) {
    free(proof->hashes);
    memset(proof, 0, sizeof *proof);
}

static inline bool model_heads_equal(const rotor_tree_head *a, const rotor_tree_head *b) {
    return memcmp(a->root.bytes, b->root.bytes, 32) == 0 && a->size == b->size && a->arity == b->arity &&
           a->hash_profile == b->hash_profile;
}

static inline bool model_inclusion_equal(const rotor_inclusion_proof *a, const rotor_inclusion_proof *b) {
    return model_heads_equal(&a->head, &b->head) && a->index == b->index &&
           memcmp(a->leaf.bytes, b->leaf.bytes, 32) == 0 && a->sibling_count == b->sibling_count &&
           (a->sibling_count == 0 || memcmp(a->siblings, b->siblings, a->sibling_count * 32) == 0);
}

static inline bool model_consistency_equal(const rotor_consistency_proof *a, const rotor_consistency_proof *b) {
    return model_heads_equal(&a->old_head, &b->old_head) && model_heads_equal(&a->new_head, &b->new_head) &&
           a->hash_count == b->hash_count &&
           (a->hash_count == 0 || memcmp(a->hashes, b->hashes, a->hash_count * 32) == 0);
}

#endif
