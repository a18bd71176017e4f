/* Compact bytes of a consistency proof, and behind them those of an inclusion proof that it may move: what is accepted
 * is canonical, can be checked, and a moved proof holds. */
#include "demand.h"

#include "rotortree.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand_canonical(const rotor_consistency_proof *proof, const uint8_t *data, size_t size) {
    uint8_t *again = malloc(size);
    size_t bytes = 0;
    demand(again != NULL);
    demand(rotor_consistency_encode(proof, again, size, &bytes) == ROTOR_OK);
    demand(bytes == size && memcmp(again, data, size) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* The first two bytes say how long the consistency proof is. */
    if (size < 2) {
        return 0;
    }
    size_t first = data[0] | (size_t)data[1] << 8;
    data += 2;
    size -= 2;
    first = first < size ? first : size;
    rotor_consistency_proof growth = ROTOR_CONSISTENCY_PROOF_INIT;
    if (rotor_consistency_decode(&growth, data, first) != ROTOR_OK) {
        demand(growth.hashes == NULL && growth.hash_count == 0);
        return 0;
    }
    demand_canonical(&growth, data, first);
    rotor_tree_head old_head = growth.old_head;
    rotor_tree_head new_head = growth.new_head;
    rotor_status valid = rotor_consistency_verify_self(&growth);
    demand(valid == rotor_consistency_verify(&growth, &old_head, &new_head));

    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    if (rotor_inclusion_decode(&proof, data + first, size - first) == ROTOR_OK) {
        rotor_inclusion_proof moved = ROTOR_INCLUSION_PROOF_INIT;
        rotor_status status = rotor_inclusion_update(&moved, &proof, &growth);
        demand(status != ROTOR_OK || valid == ROTOR_OK);
        demand(status != ROTOR_OK || rotor_inclusion_verify(&moved, &new_head, &proof.leaf) == ROTOR_OK);
        rotor_inclusion_proof_free(&moved);
    }
    rotor_inclusion_proof_free(&proof);
    rotor_consistency_proof_free(&growth);
    return 0;
}
