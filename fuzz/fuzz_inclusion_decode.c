/* Compact bytes of an inclusion proof: what is accepted is canonical and can be checked. */
#include "demand.h"

#include "rotortree.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    if (rotor_inclusion_decode(&proof, data, size) != ROTOR_OK) {
        demand(proof.siblings == NULL && proof.sibling_count == 0);
        return 0;
    }
    uint8_t *again = malloc(size);
    size_t bytes = 0;
    demand(again != NULL);
    demand(rotor_inclusion_encode(&proof, again, size, &bytes) == ROTOR_OK);
    demand(bytes == size && memcmp(again, data, size) == 0);
    free(again);

    rotor_tree_head head = proof.head;
    rotor_status alone = rotor_inclusion_verify(&proof, &head, NULL);
    rotor_status result;
    demand(alone == rotor_inclusion_verify_self(&proof));
    demand(rotor_inclusion_verify_many(&result, &proof, 1, &head) == alone && result == alone);
    rotor_inclusion_proof_free(&proof);
    return 0;
}
