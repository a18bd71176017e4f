/* The bytes of the Rust crate `rotortree` 0.15: docs/proofs.md. Must not know trees in memory, nor whether a proof is
 * true.
 *
 * A proof is a head and max_depth levels of fixed length; hashes and levels that are not used are zero:
 *      0  hash root   | old root
 *     32  hash leaf   | new root
 *     64  u64  index  | old size
 *     72  u64  size   | new size
 *     80  u64  levels in use
 *     88  max_depth times: u8 position | shared count, u8 siblings | new count, arity hashes
 */
#include "proof/proof.h"

#include "proof/wire.h"

enum {
    AT_FIRST_HASH = 0,
    AT_SECOND_HASH = 32,
    AT_FIRST_NUMBER = 64,
    AT_SECOND_NUMBER = 72,
    AT_LEVEL_COUNT = 80,
    AT_LEVELS = 88,
    AT_LEVEL_HASHES = 2, /* in a level */
};

static size_t level_bytes(uint32_t arity) {
    return AT_LEVEL_HASHES + (size_t)arity * ROTOR_HASH_BYTES;
}

static size_t total_bytes(uint32_t arity, uint32_t max_depth) {
    return AT_LEVELS + max_depth * level_bytes(arity);
}

static bool depth_valid(uint32_t max_depth) {
    return max_depth >= ROTOR_MIN_DEPTH && max_depth <= ROTOR_MAX_DEPTH;
}

/* The numbers and widths of one level's bytes. */
typedef struct layout {
    uint8_t first;
    uint8_t second;
    uint32_t hashes;
} layout;

/* Walks the levels of either kind of proof; the numbers follow from sizes and index alone. */
typedef struct walk {
    rotor_radix radix;
    bool consistency;
    uint32_t level;
    uint64_t length; /* of the level; of the new tree */
    uint64_t other;  /* index of the path's node, or the old tree's length */
} walk;

static walk walk_inclusion(uint32_t arity, uint64_t size, uint64_t index) {
    walk w = {rotor_radix_of(arity), false, 0, size, index};
    return w;
}

/* No levels when the sizes are equal. */
static walk walk_consistency(uint32_t arity, uint64_t old_size, uint64_t new_size) {
    walk w = {rotor_radix_of(arity), true, 0, old_size != new_size ? new_size : 1, old_size};
    return w;
}

static bool walk_next(walk *w, layout *at) {
    if (w->length <= 1) {
        return false;
    }
    if (w->consistency) {
        rotor_boundary boundary = rotor_boundary_at(w->radix, w->other, w->length);
        at->first = (uint8_t)(boundary.position + (w->level == 0 ? 1 : 0));
        at->second = (uint8_t)boundary.fresh;
        at->hashes = (uint32_t)at->first + at->second;
        w->other = rotor_radix_ceil(w->radix, w->other);
    } else {
        rotor_group group = rotor_shape_group(w->radix, w->length, w->other);
        at->first = (uint8_t)group.position;
        at->second = (uint8_t)(group.width - 1);
        at->hashes = at->second;
        w->other = rotor_radix_div(w->radix, w->other);
    }
    w->length = rotor_radix_ceil(w->radix, w->length);
    w->level++;
    return true;
}

/* `out` is zero throughout. */
static void put_levels(uint8_t *out, walk w, const rotor_hash *hashes) {
    size_t stride = level_bytes(w.radix.n);
    uint8_t *next = out + AT_LEVELS;
    size_t used = 0;
    layout at;
    while (walk_next(&w, &at)) {
        next[0] = at.first;
        next[1] = at.second;
        if (at.hashes != 0) {
            rotor_wire_put_hashes(next + AT_LEVEL_HASHES, hashes + used, at.hashes);
        }
        used += at.hashes;
        next += stride;
    }
    rotor_put_u64(out + AT_LEVEL_COUNT, w.level);
}

static bool levels_valid(const uint8_t *encoded, walk w, uint32_t max_depth) {
    size_t stride = level_bytes(w.radix.n);
    const uint8_t *end = encoded + total_bytes(w.radix.n, max_depth);
    const uint8_t *next = encoded + AT_LEVELS;
    layout at;
    while (walk_next(&w, &at)) {
        size_t used = AT_LEVEL_HASHES + (size_t)at.hashes * ROTOR_HASH_BYTES;
        if (w.level > max_depth || next[0] != at.first || next[1] != at.second ||
            !rotor_wire_all_zero(next + used, stride - used)) {
            return false;
        }
        next += stride;
    }
    return rotor_get_u64(encoded + AT_LEVEL_COUNT) == w.level && rotor_wire_all_zero(next, (size_t)(end - next));
}

static void get_levels(const uint8_t *encoded, walk w, rotor_hash *hashes) {
    size_t stride = level_bytes(w.radix.n);
    const uint8_t *next = encoded + AT_LEVELS;
    size_t count = 0;
    layout at;
    while (walk_next(&w, &at)) {
        if (at.hashes != 0) {
            rotor_wire_get_hashes(hashes + count, next + AT_LEVEL_HASHES, at.hashes);
        }
        count += at.hashes;
        next += stride;
    }
}

/* What both encoders refuse: another hash than the crate's, and a tree that its type could not hold. */
static rotor_status encodable(const rotor_tree_head *head, uint32_t max_depth) {
    if (head->hash_profile != ROTOR_HASH_BLAKE3) {
        return ROTOR_UNSUPPORTED;
    }
    return rotor_shape_depth(rotor_radix_of(head->arity), head->size) <= max_depth ? ROTOR_OK
                                                                                   : ROTOR_MAX_DEPTH_EXCEEDED;
}

rotor_status rotor_inclusion_encode_reference(const rotor_inclusion_proof *proof, uint8_t *out, size_t capacity,
                                              size_t *bytes, uint32_t max_depth) {
    if (proof == NULL || bytes == NULL || !depth_valid(max_depth)) {
        return ROTOR_MISUSE;
    }
    if (!rotor_inclusion_shape_valid(proof)) {
        return ROTOR_INVALID_PROOF;
    }
    rotor_status status = encodable(&proof->head, max_depth);
    if (status != ROTOR_OK) {
        return status;
    }
    uint32_t arity = proof->head.arity;
    size_t needed = total_bytes(arity, max_depth);
    status = rotor_wire_room(out, capacity, bytes, needed);
    if (status != ROTOR_OK) {
        return status;
    }
    memset(out, 0, needed);
    rotor_wire_put_hashes(out + AT_FIRST_HASH, &proof->head.root, 1);
    rotor_wire_put_hashes(out + AT_SECOND_HASH, &proof->leaf, 1);
    rotor_put_u64(out + AT_FIRST_NUMBER, proof->index);
    rotor_put_u64(out + AT_SECOND_NUMBER, proof->head.size);
    put_levels(out, walk_inclusion(arity, proof->head.size, proof->index), proof->siblings);
    return ROTOR_OK;
}

rotor_status rotor_inclusion_decode_reference(rotor_inclusion_proof *proof, const uint8_t *encoded, size_t bytes,
                                              uint32_t arity, uint32_t max_depth) {
    if (proof == NULL || (encoded == NULL && bytes != 0) || !rotor_proof_arity_valid(arity) ||
        !depth_valid(max_depth)) {
        return ROTOR_MISUSE;
    }
    if (encoded == NULL || bytes != total_bytes(arity, max_depth)) {
        return ROTOR_MALFORMED;
    }
    uint64_t index = rotor_get_u64(encoded + AT_FIRST_NUMBER);
    uint64_t size = rotor_get_u64(encoded + AT_SECOND_NUMBER);
    size_t count;
    if (rotor_inclusion_sibling_count(&count, arity, size, index) != ROTOR_OK ||
        !levels_valid(encoded, walk_inclusion(arity, size, index), max_depth)) {
        return ROTOR_MALFORMED;
    }
    if (!rotor_proof_reserve(&proof->siblings, &proof->sibling_capacity, count, NULL, 0)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    rotor_wire_get_hashes(&proof->head.root, encoded + AT_FIRST_HASH, 1);
    rotor_wire_get_hashes(&proof->leaf, encoded + AT_SECOND_HASH, 1);
    get_levels(encoded, walk_inclusion(arity, size, index), proof->siblings);
    proof->head.size = size;
    proof->head.arity = arity;
    proof->head.hash_profile = ROTOR_HASH_BLAKE3;
    proof->index = index;
    proof->sibling_count = count;
    return ROTOR_OK;
}

rotor_status rotor_consistency_encode_reference(const rotor_consistency_proof *proof, uint8_t *out, size_t capacity,
                                                size_t *bytes, uint32_t max_depth) {
    if (proof == NULL || bytes == NULL || !depth_valid(max_depth)) {
        return ROTOR_MISUSE;
    }
    if (!rotor_consistency_shape_valid(proof)) {
        return ROTOR_INVALID_PROOF;
    }
    rotor_status status = encodable(&proof->new_head, max_depth);
    if (status != ROTOR_OK) {
        return status;
    }
    uint32_t arity = proof->new_head.arity;
    size_t needed = total_bytes(arity, max_depth);
    status = rotor_wire_room(out, capacity, bytes, needed);
    if (status != ROTOR_OK) {
        return status;
    }
    memset(out, 0, needed);
    rotor_wire_put_hashes(out + AT_FIRST_HASH, &proof->old_head.root, 1);
    rotor_wire_put_hashes(out + AT_SECOND_HASH, &proof->new_head.root, 1);
    rotor_put_u64(out + AT_FIRST_NUMBER, proof->old_head.size);
    rotor_put_u64(out + AT_SECOND_NUMBER, proof->new_head.size);
    put_levels(out, walk_consistency(arity, proof->old_head.size, proof->new_head.size), proof->hashes);
    return ROTOR_OK;
}

rotor_status rotor_consistency_decode_reference(rotor_consistency_proof *proof, const uint8_t *encoded, size_t bytes,
                                                uint32_t arity, uint32_t max_depth) {
    if (proof == NULL || (encoded == NULL && bytes != 0) || !rotor_proof_arity_valid(arity) ||
        !depth_valid(max_depth)) {
        return ROTOR_MISUSE;
    }
    if (encoded == NULL || bytes != total_bytes(arity, max_depth)) {
        return ROTOR_MALFORMED;
    }
    uint64_t old_size = rotor_get_u64(encoded + AT_FIRST_NUMBER);
    uint64_t new_size = rotor_get_u64(encoded + AT_SECOND_NUMBER);
    size_t count;
    if (rotor_consistency_hash_count(&count, arity, old_size, new_size) != ROTOR_OK ||
        rotor_shape_depth(rotor_radix_of(arity), new_size) > max_depth ||
        !levels_valid(encoded, walk_consistency(arity, old_size, new_size), max_depth)) {
        return ROTOR_MALFORMED;
    }
    if (!rotor_proof_reserve(&proof->hashes, &proof->hash_capacity, count, NULL, 0)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    rotor_wire_get_hashes(&proof->old_head.root, encoded + AT_FIRST_HASH, 1);
    rotor_wire_get_hashes(&proof->new_head.root, encoded + AT_SECOND_HASH, 1);
    get_levels(encoded, walk_consistency(arity, old_size, new_size), proof->hashes);
    proof->old_head.size = old_size;
    proof->new_head.size = new_size;
    proof->old_head.arity = proof->new_head.arity = arity;
    proof->old_head.hash_profile = proof->new_head.hash_profile = ROTOR_HASH_BLAKE3;
    proof->hash_count = count;
    return ROTOR_OK;
}
