/* The compact bytes of proofs: docs/proofs.md. Must not know trees in memory, nor whether a proof is true.
 *
 * Both kinds of proof have the same frame:
 *      0  u8   kind: 1 inclusion, 2 consistency
 *      1  u8   version, 1
 *      2  u8   hash profile
 *      3  u8   arity
 *      4  u32  reserved, 0
 *      8  u64  index       | old size
 *     16  u64  size        | new size
 *     24  hash root        | old root
 *     56  hash leaf        | new root
 *     88  hash siblings... | hashes...   as many as follow from the numbers above
 */
#include "proof/proof.h"

#include "proof/wire.h"

enum { KIND_INCLUSION = 1, KIND_CONSISTENCY = 2 };
enum { VERSION = 1 };
enum {
    AT_KIND = 0,
    AT_VERSION = 1,
    AT_PROFILE = 2,
    AT_ARITY = 3,
    AT_RESERVED = 4,
    AT_FIRST_NUMBER = 8,
    AT_SECOND_NUMBER = 16,
    AT_FIRST_HASH = 24,
    AT_SECOND_HASH = 56,
    AT_HASHES = 88,
};

_Static_assert(ROTOR_MAX_ARITY <= UINT8_MAX, "the arity takes one byte");

/* A profile that exists here; the numbers of all of them fit into a byte. */
static rotor_status known_profile(uint32_t profile) {
    const rotor_hasher *hasher;
    return profile <= UINT8_MAX ? rotor_hasher_find(&hasher, profile, NULL) : ROTOR_UNSUPPORTED;
}

static void put_start(uint8_t *out, uint8_t kind, const rotor_tree_head *head) {
    memset(out, 0, AT_FIRST_NUMBER);
    out[AT_KIND] = kind;
    out[AT_VERSION] = VERSION;
    out[AT_PROFILE] = (uint8_t)head->hash_profile;
    out[AT_ARITY] = (uint8_t)head->arity;
}

static rotor_status get_start(const uint8_t *encoded, size_t bytes, uint8_t kind, rotor_tree_head *head) {
    if (encoded == NULL || bytes < AT_HASHES || encoded[AT_KIND] != kind) {
        return ROTOR_MALFORMED;
    }
    if (encoded[AT_VERSION] != VERSION) {
        return ROTOR_UNSUPPORTED;
    }
    if (!rotor_wire_all_zero(encoded + AT_RESERVED, AT_FIRST_NUMBER - AT_RESERVED)) {
        return ROTOR_MALFORMED;
    }
    head->arity = encoded[AT_ARITY];
    head->hash_profile = encoded[AT_PROFILE];
    return known_profile(head->hash_profile);
}

rotor_status rotor_inclusion_encode(const rotor_inclusion_proof *proof, uint8_t *out, size_t capacity, size_t *bytes) {
    if (proof == NULL || bytes == NULL) {
        return ROTOR_MISUSE;
    }
    if (!rotor_inclusion_shape_valid(proof)) {
        return ROTOR_INVALID_PROOF;
    }
    rotor_status status = known_profile(proof->head.hash_profile);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_wire_room(out, capacity, bytes, AT_HASHES + proof->sibling_count * ROTOR_HASH_BYTES);
    if (status != ROTOR_OK) {
        return status;
    }
    put_start(out, KIND_INCLUSION, &proof->head);
    rotor_put_u64(out + AT_FIRST_NUMBER, proof->index);
    rotor_put_u64(out + AT_SECOND_NUMBER, proof->head.size);
    rotor_wire_put_hashes(out + AT_FIRST_HASH, &proof->head.root, 1);
    rotor_wire_put_hashes(out + AT_SECOND_HASH, &proof->leaf, 1);
    rotor_wire_put_hashes(out + AT_HASHES, proof->siblings, proof->sibling_count);
    return ROTOR_OK;
}

rotor_status rotor_inclusion_decode(rotor_inclusion_proof *proof, const uint8_t *encoded, size_t bytes) {
    if (proof == NULL || (encoded == NULL && bytes != 0)) {
        return ROTOR_MISUSE;
    }
    rotor_tree_head head;
    rotor_status status = get_start(encoded, bytes, KIND_INCLUSION, &head);
    if (status != ROTOR_OK) {
        return status;
    }
    uint64_t index = rotor_get_u64(encoded + AT_FIRST_NUMBER);
    head.size = rotor_get_u64(encoded + AT_SECOND_NUMBER);
    size_t count;
    if (rotor_inclusion_sibling_count(&count, head.arity, head.size, index) != ROTOR_OK ||
        bytes != AT_HASHES + count * ROTOR_HASH_BYTES) {
        return ROTOR_MALFORMED;
    }
    if (!rotor_proof_reserve(&proof->siblings, &proof->sibling_capacity, count, NULL, 0)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    rotor_wire_get_hashes(&head.root, encoded + AT_FIRST_HASH, 1);
    rotor_wire_get_hashes(&proof->leaf, encoded + AT_SECOND_HASH, 1);
    rotor_wire_get_hashes(proof->siblings, encoded + AT_HASHES, count);
    proof->head = head;
    proof->index = index;
    proof->sibling_count = count;
    return ROTOR_OK;
}

rotor_status rotor_consistency_encode(const rotor_consistency_proof *proof, uint8_t *out, size_t capacity,
                                      size_t *bytes) {
    if (proof == NULL || bytes == NULL) {
        return ROTOR_MISUSE;
    }
    if (!rotor_consistency_shape_valid(proof)) {
        return ROTOR_INVALID_PROOF;
    }
    rotor_status status = known_profile(proof->new_head.hash_profile);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_wire_room(out, capacity, bytes, AT_HASHES + proof->hash_count * ROTOR_HASH_BYTES);
    if (status != ROTOR_OK) {
        return status;
    }
    put_start(out, KIND_CONSISTENCY, &proof->new_head);
    rotor_put_u64(out + AT_FIRST_NUMBER, proof->old_head.size);
    rotor_put_u64(out + AT_SECOND_NUMBER, proof->new_head.size);
    rotor_wire_put_hashes(out + AT_FIRST_HASH, &proof->old_head.root, 1);
    rotor_wire_put_hashes(out + AT_SECOND_HASH, &proof->new_head.root, 1);
    rotor_wire_put_hashes(out + AT_HASHES, proof->hashes, proof->hash_count);
    return ROTOR_OK;
}

rotor_status rotor_consistency_decode(rotor_consistency_proof *proof, const uint8_t *encoded, size_t bytes) {
    if (proof == NULL || (encoded == NULL && bytes != 0)) {
        return ROTOR_MISUSE;
    }
    rotor_tree_head new_head;
    rotor_status status = get_start(encoded, bytes, KIND_CONSISTENCY, &new_head);
    if (status != ROTOR_OK) {
        return status;
    }
    uint64_t old_size = rotor_get_u64(encoded + AT_FIRST_NUMBER);
    new_head.size = rotor_get_u64(encoded + AT_SECOND_NUMBER);
    size_t count;
    if (rotor_consistency_hash_count(&count, new_head.arity, old_size, new_head.size) != ROTOR_OK ||
        bytes != AT_HASHES + count * ROTOR_HASH_BYTES) {
        return ROTOR_MALFORMED;
    }
    if (!rotor_proof_reserve(&proof->hashes, &proof->hash_capacity, count, NULL, 0)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    rotor_wire_get_hashes(&new_head.root, encoded + AT_SECOND_HASH, 1);
    rotor_wire_get_hashes(proof->hashes, encoded + AT_HASHES, count);
    proof->new_head = new_head;
    proof->old_head = new_head;
    proof->old_head.size = old_size;
    rotor_wire_get_hashes(&proof->old_head.root, encoded + AT_FIRST_HASH, 1);
    proof->hash_count = count;
    return ROTOR_OK;
}
