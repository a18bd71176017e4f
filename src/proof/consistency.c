/* Consistency proofs: make one from a snapshot, check one. Must not know of encodings.
 *
 * Old and new tree differ only behind the boundary, the old tree's last node of each level. A level's hashes are the
 * nodes before the boundary in its group, which both trees share, and those behind it, which only the new tree has; at
 * level 0 the boundary itself, a leaf of both, is the last of the shared. From these the boundary's parent follows in
 * both trees. Levels end at the new root; above the old root its group is the root alone, lifted. */
#include "proof/proof.h"

#include "tree/tree.h"
#include "tree/view.h"

void rotor_consistency_proof_free(rotor_consistency_proof *proof) {
    if (proof != NULL) {
        rotor_proof_release(proof->hashes, proof->hash_capacity);
        *proof = (rotor_consistency_proof)ROTOR_CONSISTENCY_PROOF_INIT;
    }
}

rotor_status rotor_consistency_hash_count(size_t *count, uint32_t arity, uint64_t old_size, uint64_t new_size) {
    if (count == NULL || !rotor_proof_arity_valid(arity)) {
        return ROTOR_MISUSE;
    }
    if (old_size < 1 || old_size > new_size || new_size > ROTOR_SHAPE_MAX_SIZE) {
        return ROTOR_OUT_OF_RANGE;
    }
    if (old_size == new_size) {
        *count = 0;
        return ROTOR_OK;
    }
    rotor_radix radix = rotor_radix_of(arity);
    size_t sum = 1; /* the boundary's leaf */
    while (new_size > 1) {
        rotor_boundary boundary = rotor_boundary_at(radix, old_size, new_size);
        sum += (size_t)boundary.position + boundary.fresh;
        old_size = rotor_radix_ceil(radix, old_size);
        new_size = rotor_radix_ceil(radix, new_size);
    }
    *count = sum;
    return ROTOR_OK;
}

bool rotor_consistency_shape_valid(const rotor_consistency_proof *proof) {
    const rotor_tree_head *old_head = &proof->old_head;
    const rotor_tree_head *new_head = &proof->new_head;
    size_t count;
    return rotor_proof_head_valid(old_head) && rotor_proof_head_valid(new_head) && old_head->arity == new_head->arity &&
           old_head->hash_profile == new_head->hash_profile &&
           rotor_consistency_hash_count(&count, new_head->arity, old_head->size, new_head->size) == ROTOR_OK &&
           count == proof->hash_count && (count == 0 || proof->hashes != NULL);
}

uint32_t rotor_consistency_fold(const rotor_hasher *hasher, const rotor_consistency_proof *proof, rotor_hash *old_root,
                                rotor_hash *new_nodes) {
    rotor_hash group[ROTOR_MAX_ARITY];
    rotor_radix radix = rotor_radix_of(proof->new_head.arity);
    uint64_t old_length = proof->old_head.size;
    uint64_t new_length = proof->new_head.size;
    const rotor_hash *next = proof->hashes;
    uint32_t level = 0;
    rotor_hash old_node = {{0}};
    rotor_hash new_node = {{0}};
    while (new_length > 1) {
        rotor_boundary at = rotor_boundary_at(radix, old_length, new_length);
        uint32_t width = at.position + 1 + at.fresh;
        memcpy(group, next, at.position * sizeof *group);
        next += at.position;
        if (level == 0) {
            old_node = new_node = *next++;
        }
        if (new_nodes != NULL) {
            new_nodes[level] = new_node;
        }
        memcpy(group + at.position + 1, next, at.fresh * sizeof *group);
        next += at.fresh;
        /* Below the first level with a node of the new tree alone, the boundary is one node of both. */
        bool parted = at.fresh != 0 || !rotor_proof_hashes_equal(&old_node, &new_node);
        if (at.position != 0) {
            group[at.position] = old_node;
            hasher->hash_node(old_node.bytes, group[0].bytes, at.position + 1);
        }
        if (!parted) {
            new_node = old_node;
        } else if (new_nodes != NULL && width > 1) {
            group[at.position] = new_node;
            hasher->hash_node(new_node.bytes, group[0].bytes, width);
        }
        old_length = rotor_radix_ceil(radix, old_length);
        new_length = rotor_radix_ceil(radix, new_length);
        level++;
    }
    *old_root = old_node;
    if (new_nodes != NULL) {
        new_nodes[level] = new_node;
    }
    return level;
}

/* Copies the hashes and returns how many. */
static size_t collect(const rotor_snapshot *snapshot, rotor_radix radix, rotor_hash *hashes, uint64_t old_size) {
    uint64_t old_length = old_size;
    uint64_t new_length = snapshot->size;
    size_t count = 0;
    rotor_view_ask_for_path(snapshot, new_length, old_size - 1);
    for (uint32_t level = 0; new_length > 1; level++) {
        rotor_boundary at = rotor_boundary_at(radix, old_length, new_length);
        uint32_t shared = level == 0 ? at.position + 1 : at.position;
        if (shared != 0) {
            rotor_view_copy(snapshot, hashes + count, shared, level, at.start);
            count += shared;
        }
        if (at.fresh != 0) {
            rotor_view_copy(snapshot, hashes + count, at.fresh, level, old_length);
            count += at.fresh;
        }
        old_length = rotor_radix_ceil(radix, old_length);
        new_length = rotor_radix_ceil(radix, new_length);
    }
    return count;
}

/* What was copied is no proof of anything; nobody shall mistake it for one. */
static void empty(rotor_consistency_proof *proof) {
    proof->old_head.size = 0;
    proof->new_head.size = 0;
    proof->hash_count = 0;
}

/* Fills in everything but the old root. */
static rotor_status collect_proof(const rotor_snapshot *snapshot, rotor_consistency_proof *proof, uint64_t old_size) {
    rotor_radix radix = rotor_view_radix(snapshot);
    size_t most = (size_t)snapshot->depth * radix.n;
    if (!rotor_proof_reserve(&proof->hashes, &proof->hash_capacity, most, NULL, 0)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    size_t count = old_size != snapshot->size ? collect(snapshot, radix, proof->hashes, old_size) : 0;
    rotor_status status = rotor_snapshot_check(snapshot);
    if (status != ROTOR_OK) {
        empty(proof);
        return status;
    }
    proof->hash_count = count;
    proof->new_head.root = snapshot->edge[snapshot->depth];
    proof->new_head.size = snapshot->size;
    proof->new_head.arity = radix.n;
    proof->new_head.hash_profile = rotor_view_hasher(snapshot)->profile;
    proof->old_head = proof->new_head;
    proof->old_head.size = old_size;
    return ROTOR_OK;
}

/* The old root, from a proof of two sizes. Every hash of the proof is an input of the new root, so those that lead to
 * the snapshot's are right, and so is the old root that they lead to. */
static rotor_status find_old_root(const rotor_snapshot *snapshot, rotor_hash *old_root,
                                  const rotor_consistency_proof *proof) {
    const rotor_hasher *hasher = rotor_view_hasher(snapshot);
    if (!snapshot->tree->verify_proofs) {
        (void)rotor_consistency_fold(hasher, proof, old_root, NULL);
        return ROTOR_OK;
    }
    rotor_hash new_nodes[ROTOR_PROOF_MAX_LEVELS + 1];
    uint32_t depth = rotor_consistency_fold(hasher, proof, old_root, new_nodes);
    return rotor_proof_hashes_equal(&new_nodes[depth], &proof->new_head.root) ? ROTOR_OK : ROTOR_DAMAGED;
}

rotor_status rotor_consistency_prove(const rotor_snapshot *snapshot, rotor_consistency_proof *proof,
                                     uint64_t old_size) {
    if (snapshot == NULL || snapshot->tree == NULL || proof == NULL) {
        return ROTOR_MISUSE;
    }
    if (old_size == 0 || old_size > snapshot->size) {
        return ROTOR_OUT_OF_RANGE;
    }
    rotor_status status = collect_proof(snapshot, proof, old_size);
    if (status == ROTOR_OK && old_size != snapshot->size) {
        status = find_old_root(snapshot, &proof->old_head.root, proof);
        if (status != ROTOR_OK) {
            empty(proof);
        }
    }
    return status;
}

rotor_status rotor_consistency_prove_from(const rotor_snapshot *snapshot, rotor_consistency_proof *proof,
                                          const rotor_tree_head *old_head) {
    if (snapshot == NULL || snapshot->tree == NULL || proof == NULL || old_head == NULL) {
        return ROTOR_MISUSE;
    }
    if (old_head->arity != rotor_view_radix(snapshot).n ||
        old_head->hash_profile != rotor_view_hasher(snapshot)->profile) {
        return ROTOR_MISMATCH;
    }
    if (old_head->size == 0 || old_head->size > snapshot->size) {
        return ROTOR_OUT_OF_RANGE;
    }
    const rotor_hash old_root = old_head->root; /* old_head may be the proof's */
    rotor_status status = collect_proof(snapshot, proof, old_head->size);
    if (status != ROTOR_OK) {
        return status;
    }
    rotor_hash found = old_root;
    if (proof->old_head.size == snapshot->size) {
        found = proof->new_head.root;
    } else if (snapshot->tree->verify_proofs) {
        status = find_old_root(snapshot, &found, proof);
    }
    if (status == ROTOR_OK && !rotor_proof_hashes_equal(&found, &old_root)) {
        status = ROTOR_INVALID_PROOF;
    }
    proof->old_head.root = old_root;
    if (status != ROTOR_OK) {
        empty(proof);
    }
    return status;
}

rotor_status rotor_consistency_check(const rotor_consistency_proof *proof, rotor_hash *new_nodes) {
    if (!rotor_consistency_shape_valid(proof)) {
        return ROTOR_INVALID_PROOF;
    }
    const rotor_hasher *hasher;
    rotor_status status = rotor_hasher_find(&hasher, proof->new_head.hash_profile, NULL);
    if (status != ROTOR_OK) {
        return status;
    }
    if (proof->old_head.size == proof->new_head.size) {
        return rotor_proof_heads_equal(&proof->old_head, &proof->new_head) ? ROTOR_OK : ROTOR_INVALID_PROOF;
    }
    rotor_hash old_root;
    uint32_t depth = rotor_consistency_fold(hasher, proof, &old_root, new_nodes);
    return rotor_proof_hashes_equal(&old_root, &proof->old_head.root) &&
                   rotor_proof_hashes_equal(&new_nodes[depth], &proof->new_head.root)
               ? ROTOR_OK
               : ROTOR_INVALID_PROOF;
}

rotor_status rotor_consistency_verify_self(const rotor_consistency_proof *proof) {
    if (proof == NULL) {
        return ROTOR_MISUSE;
    }
    rotor_hash new_nodes[ROTOR_PROOF_MAX_LEVELS + 1];
    return rotor_consistency_check(proof, new_nodes);
}

rotor_status rotor_consistency_verify(const rotor_consistency_proof *proof, const rotor_tree_head *old_trusted,
                                      const rotor_tree_head *new_head) {
    if (proof == NULL || old_trusted == NULL || new_head == NULL) {
        return ROTOR_MISUSE;
    }
    if (!rotor_proof_heads_equal(&proof->old_head, old_trusted) ||
        !rotor_proof_heads_equal(&proof->new_head, new_head)) {
        return ROTOR_INVALID_PROOF;
    }
    return rotor_consistency_verify_self(proof);
}
