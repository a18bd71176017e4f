/* Inclusion proofs: make one from a snapshot, check one. Must not know of encodings. */
#include "proof/proof.h"

#include "tree/tree.h"
#include "tree/view.h"

void rotor_inclusion_proof_free(rotor_inclusion_proof *proof) {
    if (proof != NULL) {
        rotor_proof_release(proof->siblings, proof->sibling_capacity);
        *proof = (rotor_inclusion_proof)ROTOR_INCLUSION_PROOF_INIT;
    }
}

rotor_status rotor_inclusion_sibling_count(size_t *count, uint32_t arity, uint64_t size, uint64_t index) {
    if (count == NULL || !rotor_proof_arity_valid(arity)) {
        return ROTOR_MISUSE;
    }
    if (size > ROTOR_SHAPE_MAX_SIZE || index >= size) {
        return ROTOR_OUT_OF_RANGE;
    }
    rotor_radix radix = rotor_radix_of(arity);
    size_t sum = 0;
    while (size > 1) {
        sum += rotor_shape_group(radix, size, index).width - 1;
        size = rotor_radix_ceil(radix, size);
        index = rotor_radix_div(radix, index);
    }
    *count = sum;
    return ROTOR_OK;
}

bool rotor_inclusion_shape_valid(const rotor_inclusion_proof *proof) {
    size_t count;
    return rotor_proof_head_valid(&proof->head) &&
           rotor_inclusion_sibling_count(&count, proof->head.arity, proof->head.size, proof->index) == ROTOR_OK &&
           count == proof->sibling_count && (count == 0 || proof->siblings != NULL);
}

/* One level of a path: the group, and where its members and its siblings in the proof are. */
typedef struct path_step {
    const uint8_t *source;
    uint64_t length;
    rotor_group group;
    size_t first_sibling;
} path_step;

/* The addresses of all groups follow from the index alone, so the memory of all levels is waited for at once, not one
 * level after the other. Returns the number of siblings. */
static size_t locate(const rotor_snapshot *snapshot, path_step *steps, rotor_radix radix, uint64_t index) {
    uint64_t length = snapshot->size;
    size_t count = 0;
    for (uint32_t level = 0; level < snapshot->depth; level++) {
        path_step *step = &steps[level];
        step->group = rotor_shape_group(radix, length, index);
        step->length = length;
        step->first_sibling = count;
        /* A group of one is the snapshot's own node. */
        step->source = step->group.width > 1 ? rotor_view_locate(snapshot, level, &step->group) : NULL;
        count += step->group.width - 1;
        length = rotor_radix_ceil(radix, length);
        index = rotor_radix_div(radix, index);
    }
    return count;
}

/* Two groups in turn: a node is hashed straight into its place in the group above, so that nothing but the compressions
 * themselves lies on the chain from leaf to root. */
static bool leads_to_root(const rotor_hasher *hasher, const rotor_inclusion_proof *proof) {
    uint8_t groups[2][ROTOR_MAX_ARITY * ROTOR_HASH_BYTES];
    rotor_radix radix = rotor_radix_of(proof->head.arity);
    uint64_t length = proof->head.size;
    uint64_t index = proof->index;
    size_t used = 0;
    uint8_t *group = groups[0];
    uint8_t *above = groups[1];

    rotor_group at = rotor_shape_group(radix, length, index);
    memcpy(group + ROTOR_HASH_BYTES * at.position, proof->leaf.bytes, ROTOR_HASH_BYTES);
    while (length > 1) {
        uint32_t others = at.width - 1;
        if (others > proof->sibling_count - used) {
            return false;
        }
        rotor_proof_spread(group, proof->siblings + used, others, at.position);
        used += others;
        length = rotor_radix_ceil(radix, length);
        index = rotor_radix_div(radix, index);
        rotor_group next = rotor_shape_group(radix, length, index);
        uint8_t *node = above + ROTOR_HASH_BYTES * next.position;
        if (at.width == 1) {
            memcpy(node, group, ROTOR_HASH_BYTES);
        } else {
            hasher->hash_node(node, group, at.width);
        }
        uint8_t *done = group;
        group = above;
        above = done;
        at = next;
    }
    return used == proof->sibling_count && memcmp(group, proof->head.root.bytes, ROTOR_HASH_BYTES) == 0;
}

/* What was copied is no proof of anything; nobody shall mistake it for one. */
static void empty(rotor_inclusion_proof *proof) {
    proof->head.size = 0;
    proof->sibling_count = 0;
}

rotor_status rotor_inclusion_prove(const rotor_snapshot *snapshot, rotor_inclusion_proof *proof, uint64_t index) {
    if (snapshot == NULL || snapshot->tree == NULL || proof == NULL) {
        return ROTOR_MISUSE;
    }
    if (index >= snapshot->size) {
        return ROTOR_OUT_OF_RANGE;
    }
    rotor_radix radix = rotor_view_radix(snapshot);
    size_t most = (size_t)snapshot->depth * (radix.n - 1);
    if (!rotor_proof_reserve(&proof->siblings, &proof->sibling_capacity, most, NULL, 0)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    path_step steps[ROTOR_MAX_DEPTH];
    size_t count = locate(snapshot, steps, radix, index);
    /* From the top down: the upper levels are in the caches, and are copied while the lower ones are on their way. */
    for (uint32_t level = snapshot->depth; level-- > 0;) {
        const path_step *step = &steps[level];
        rotor_view_siblings(snapshot, proof->siblings + step->first_sibling, step->source, level, step->length,
                            &step->group);
    }
    rotor_view_copy(snapshot, &proof->leaf, 1, 0, index);
    rotor_status status = rotor_snapshot_check(snapshot);
    if (status != ROTOR_OK) {
        empty(proof);
        return status;
    }
    proof->head.root = snapshot->edge[snapshot->depth];
    proof->head.size = snapshot->size;
    proof->head.arity = radix.n;
    proof->head.hash_profile = rotor_view_hasher(snapshot)->profile;
    proof->index = index;
    proof->sibling_count = count;
    if (snapshot->tree->verify_proofs && !leads_to_root(rotor_view_hasher(snapshot), proof)) {
        empty(proof);
        return ROTOR_DAMAGED;
    }
    return ROTOR_OK;
}

rotor_status rotor_inclusion_verify_self(const rotor_inclusion_proof *proof) {
    if (proof == NULL) {
        return ROTOR_MISUSE;
    }
    if (!rotor_proof_head_valid(&proof->head) || proof->index >= proof->head.size ||
        (proof->siblings == NULL && proof->sibling_count != 0)) {
        return ROTOR_INVALID_PROOF;
    }
    const rotor_hasher *hasher;
    rotor_status status = rotor_hasher_find(&hasher, proof->head.hash_profile, NULL);
    if (status != ROTOR_OK) {
        return status;
    }
    return leads_to_root(hasher, proof) ? ROTOR_OK : ROTOR_INVALID_PROOF;
}

rotor_status rotor_inclusion_verify(const rotor_inclusion_proof *proof, const rotor_tree_head *trusted,
                                    const rotor_hash *leaf) {
    if (proof == NULL || trusted == NULL) {
        return ROTOR_MISUSE;
    }
    if (!rotor_proof_heads_equal(&proof->head, trusted) ||
        (leaf != NULL && !rotor_proof_hashes_equal(&proof->leaf, leaf))) {
        return ROTOR_INVALID_PROOF;
    }
    return rotor_inclusion_verify_self(proof);
}
