/* What the files of this folder share: checks of heads, memory of proofs, the walk along an old tree's boundary.
 *
 * The folder builds and checks proofs and turns them into bytes. It reads trees through tree/view.h only and must not
 * know how a tree keeps its nodes; verifiers need no tree at all. Every count and position is derived from (arity,
 * size, index, level): a number that a proof brings along is compared, never used. */
#ifndef ROTOR_PROOF_PROOF_H
#define ROTOR_PROOF_PROOF_H

#include "hash/hash.h"
#include "rotortree.h"
#include "tree/shape.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Levels below the root of the largest tree: the depth of ROTOR_SHAPE_MAX_SIZE leaves at arity 2. */
#define ROTOR_PROOF_MAX_LEVELS 58

static inline bool rotor_proof_arity_valid(uint32_t arity) {
    return arity >= ROTOR_MIN_ARITY && arity <= ROTOR_MAX_ARITY;
}

static inline bool rotor_proof_hashes_equal(const rotor_hash *a, const rotor_hash *b) {
    return memcmp(a->bytes, b->bytes, ROTOR_HASH_BYTES) == 0;
}

/* Whether such a tree can be: arity in range, 1 <= size <= ROTOR_SHAPE_MAX_SIZE. Says nothing of the hash profile. */
static inline bool rotor_proof_head_valid(const rotor_tree_head *head) {
    return rotor_proof_arity_valid(head->arity) && head->size >= 1 && head->size <= ROTOR_SHAPE_MAX_SIZE;
}

static inline bool rotor_proof_heads_equal(const rotor_tree_head *a, const rotor_tree_head *b) {
    return a->size == b->size && a->arity == b->arity && a->hash_profile == b->hash_profile &&
           rotor_proof_hashes_equal(&a->root, &b->root);
}

/* Whether index and sibling count of the proof are those of a leaf of its head. */
bool rotor_inclusion_shape_valid(const rotor_inclusion_proof *proof);

/* Whether both heads are of one kind of tree, sizes in order, and the hash count follows from them. */
bool rotor_consistency_shape_valid(const rotor_consistency_proof *proof);

/* Lays the siblings of a group out around the place at `position`, which is left as it is. Without a branch on the
 * position, which no predictor can guess: that took a tenth of a verification. */
static inline void rotor_proof_spread(uint8_t *group, const rotor_hash *siblings, uint32_t count, uint32_t position) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = i + (i >= position ? 1 : 0);
        memcpy(group + (size_t)ROTOR_HASH_BYTES * place, siblings[i].bytes, ROTOR_HASH_BYTES);
    }
}

/* Makes room for `count` hashes, keeping the first `keep` of those at `kept` (which may be *hashes). On failure nothing
 * has changed. */
bool rotor_proof_reserve(rotor_hash **hashes, size_t *capacity, size_t count, const rotor_hash *kept, size_t keep);

/* Frees hashes that are the library's. */
void rotor_proof_release(rotor_hash *hashes, size_t capacity);

/* One level of a consistency proof. The boundary is the last node of the old tree at that level; its group is that of
 * the new tree. */
typedef struct rotor_boundary {
    uint64_t start;    /* index of the group's first node */
    uint32_t position; /* of the boundary in the group: as many nodes before it are shared by both trees */
    uint32_t fresh;    /* nodes of the new tree behind it */
} rotor_boundary;

static inline rotor_boundary rotor_boundary_at(rotor_radix radix, uint64_t old_length, uint64_t new_length) {
    rotor_group group = rotor_shape_group(radix, new_length, old_length - 1);
    rotor_boundary boundary = {group.start, group.position, group.width - group.position - 1};
    return boundary;
}

/* Recomputes the old root and, unless `new_nodes` is NULL, the new tree's node at the boundary of each level, the root
 * included, from a proof whose shape is valid and whose sizes differ. `new_nodes` has ROTOR_PROOF_MAX_LEVELS + 1
 * places; returns the level of the new root. */
uint32_t rotor_consistency_fold(const rotor_hasher *hasher, const rotor_consistency_proof *proof, rotor_hash *old_root,
                                rotor_hash *new_nodes);

/* rotor_consistency_verify_self(), which on success also leaves the new tree's boundary nodes in `new_nodes` when the
 * sizes differ. */
rotor_status rotor_consistency_check(const rotor_consistency_proof *proof, rotor_hash *new_nodes);

#endif
