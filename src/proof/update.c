/* Moving an inclusion proof to a newer head by a consistency proof. Must not know trees or encodings.
 *
 * The leaf's path and the old boundary's path meet in one group, at the meeting level. Below it the leaf's groups lie
 * wholly before the boundary: complete in the old tree, hence the same in the new one. In the meeting group and above,
 * the consistency proof holds every other node of the new tree; only the boundary node itself has to be computed, which
 * checking the proof has done. */
#include "proof/proof.h"

/* The siblings of the moved proof from the meeting level on, appended at `out`, which overlaps no input; returns how
 * many. `index` is the leaf's, at level 0. */
static size_t siblings_from_meeting(rotor_hash *out, const rotor_consistency_proof *consistency,
                                    const rotor_hash *new_nodes, uint64_t index, uint32_t meeting) {
    rotor_radix radix = rotor_radix_of(consistency->new_head.arity);
    uint64_t old_length = consistency->old_head.size;
    uint64_t new_length = consistency->new_head.size;
    const rotor_hash *hashes = consistency->hashes;
    size_t count = 0;
    for (uint32_t level = 0; new_length > 1; level++) {
        rotor_boundary at = rotor_boundary_at(radix, old_length, new_length);
        const rotor_hash *fresh = hashes + at.position + (level == 0 ? 1 : 0);
        if (level >= meeting) {
            for (uint32_t i = 0; i < at.position; i++) {
                if (at.start + i != index) {
                    out[count++] = hashes[i];
                }
            }
            if (at.start + at.position != index) {
                out[count++] = new_nodes[level];
            }
            memcpy(out + count, fresh, at.fresh * sizeof *out);
            count += at.fresh;
        }
        hashes = fresh + at.fresh;
        index = rotor_radix_div(radix, index);
        old_length = rotor_radix_ceil(radix, old_length);
        new_length = rotor_radix_ceil(radix, new_length);
    }
    return count;
}

static uint32_t meeting_level(rotor_radix radix, uint64_t index, uint64_t boundary) {
    uint32_t level = 0;
    for (;;) {
        index = rotor_radix_div(radix, index);
        boundary = rotor_radix_div(radix, boundary);
        if (index == boundary) {
            return level;
        }
        level++;
    }
}

/* `moved` may be `proof`: the siblings below the meeting stay where they are. */
static rotor_status move(rotor_inclusion_proof *moved, const rotor_inclusion_proof *proof,
                         const rotor_consistency_proof *consistency, const rotor_hash *new_nodes) {
    uint32_t arity = consistency->new_head.arity;
    size_t count;
    rotor_status status = rotor_inclusion_sibling_count(&count, arity, consistency->new_head.size, proof->index);
    if (status != ROTOR_OK) {
        return status;
    }
    size_t kept = proof->sibling_count;
    uint32_t meeting = 0;
    bool grown = consistency->old_head.size != consistency->new_head.size;
    if (grown) {
        meeting = meeting_level(rotor_radix_of(arity), proof->index, consistency->old_head.size - 1);
        kept = (size_t)meeting * (arity - 1);
    }
    if (!rotor_proof_reserve(&moved->siblings, &moved->sibling_capacity, count, proof->siblings, kept)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    moved->head = consistency->new_head;
    moved->index = proof->index;
    moved->leaf = proof->leaf;
    moved->sibling_count = count;
    if (grown) {
        (void)siblings_from_meeting(moved->siblings + kept, consistency, new_nodes, proof->index, meeting);
    }
    return ROTOR_OK;
}

rotor_status rotor_inclusion_update(rotor_inclusion_proof *moved, const rotor_inclusion_proof *proof,
                                    const rotor_consistency_proof *consistency) {
    if (moved == NULL || proof == NULL || consistency == NULL) {
        return ROTOR_MISUSE;
    }
    if (!rotor_proof_heads_equal(&proof->head, &consistency->old_head)) {
        return ROTOR_INVALID_PROOF;
    }
    rotor_status status = rotor_inclusion_verify_self(proof);
    if (status != ROTOR_OK) {
        return status;
    }
    rotor_hash new_nodes[ROTOR_PROOF_MAX_LEVELS + 1];
    status = rotor_consistency_check(consistency, new_nodes);
    if (status != ROTOR_OK) {
        return status;
    }
    return move(moved, proof, consistency, new_nodes);
}
