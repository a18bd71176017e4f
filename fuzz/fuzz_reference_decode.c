/* The Rust crate's bytes of both kinds of proof: what is accepted is canonical and can be checked. The first three
 * bytes choose kind, arity and maximum depth, which those encodings do not carry. */
#include "demand.h"

#include "rotortree.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_inclusion(const uint8_t *data, size_t size, uint32_t arity, uint32_t max_depth) {
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    if (rotor_inclusion_decode_reference(&proof, data, size, arity, max_depth) != ROTOR_OK) {
        demand(proof.siblings == NULL && proof.sibling_count == 0);
        return;
    }
    uint8_t *again = malloc(size);
    size_t bytes = 0;
    demand(again != NULL);
    demand(rotor_inclusion_encode_reference(&proof, again, size, &bytes, max_depth) == ROTOR_OK);
    demand(bytes == size && memcmp(again, data, size) == 0);
    free(again);
    rotor_tree_head head = proof.head;
    demand(rotor_inclusion_verify(&proof, &head, NULL) == rotor_inclusion_verify_self(&proof));
    rotor_inclusion_proof_free(&proof);
}

static void try_consistency(const uint8_t *data, size_t size, uint32_t arity, uint32_t max_depth) {
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    if (rotor_consistency_decode_reference(&proof, data, size, arity, max_depth) != ROTOR_OK) {
        demand(proof.hashes == NULL && proof.hash_count == 0);
        return;
    }
    uint8_t *again = malloc(size);
    size_t bytes = 0;
    demand(again != NULL);
    demand(rotor_consistency_encode_reference(&proof, again, size, &bytes, max_depth) == ROTOR_OK);
    demand(bytes == size && memcmp(again, data, size) == 0);
    free(again);
    demand(rotor_consistency_verify_self(&proof) != ROTOR_MISUSE);
    rotor_consistency_proof_free(&proof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        try_inclusion(data + 3, size - 3, data[1], data[2]);
    } else {
        try_consistency(data + 3, size - 3, data[1], data[2]);
    }
    return 0;
}
