/* Decoding proofs from hostile JSON text: must never crash, and whatever is accepted must survive a trip through the
 * encoder unchanged. */
#include "demand.h"

#include "rotortree_json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(rotor_status status, const rotor_error *error) {
    demand(status == ROTOR_MALFORMED || status == ROTOR_UNSUPPORTED || status == ROTOR_OUT_OF_MEMORY);
    demand(error->status == status && memchr(error->message, '\0', sizeof error->message) != NULL);
    demand(error->message[0] != '\0');
    for (const char *c = error->message; *c != '\0'; c++) {
        demand(*c >= ' ' && *c <= '~');
    }
}

static void try_inclusion(const char *text, size_t bytes) {
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_error error;
    rotor_status status = rotor_json_decode_inclusion(&proof, text, bytes, &error);
    if (status != ROTOR_OK) {
        check_error(status, &error);
        demand(proof.siblings == NULL);
        return;
    }
    char *again = NULL;
    rotor_inclusion_proof copy = ROTOR_INCLUSION_PROOF_INIT;
    demand(rotor_json_encode_inclusion(&proof, &again) == ROTOR_OK);
    demand(rotor_json_decode_inclusion(&copy, again, strlen(again), &error) == ROTOR_OK);
    demand(copy.index == proof.index && copy.head.size == proof.head.size && copy.head.arity == proof.head.arity);
    demand(memcmp(&copy.leaf, &proof.leaf, sizeof copy.leaf) == 0);
    demand(memcmp(&copy.head.root, &proof.head.root, sizeof copy.head.root) == 0);
    demand(copy.sibling_count == proof.sibling_count);
    demand(copy.sibling_count == 0 ||
           memcmp(copy.siblings, proof.siblings, copy.sibling_count * sizeof *copy.siblings) == 0);
    status = rotor_inclusion_verify_self(&proof);
    demand(status == ROTOR_OK || status == ROTOR_INVALID_PROOF);
    rotor_json_free(again);
    rotor_inclusion_proof_free(&copy);
    rotor_inclusion_proof_free(&proof);
}

static void try_consistency(const char *text, size_t bytes) {
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_error error;
    rotor_status status = rotor_json_decode_consistency(&proof, text, bytes, &error);
    if (status != ROTOR_OK) {
        check_error(status, &error);
        demand(proof.hashes == NULL);
        return;
    }
    char *again = NULL;
    rotor_consistency_proof copy = ROTOR_CONSISTENCY_PROOF_INIT;
    demand(rotor_json_encode_consistency(&proof, &again) == ROTOR_OK);
    demand(rotor_json_decode_consistency(&copy, again, strlen(again), &error) == ROTOR_OK);
    demand(copy.old_head.size == proof.old_head.size && copy.new_head.size == proof.new_head.size);
    demand(copy.old_head.arity == proof.old_head.arity && copy.new_head.arity == proof.new_head.arity);
    demand(memcmp(&copy.old_head.root, &proof.old_head.root, sizeof copy.old_head.root) == 0);
    demand(memcmp(&copy.new_head.root, &proof.new_head.root, sizeof copy.new_head.root) == 0);
    demand(copy.hash_count == proof.hash_count);
    demand(copy.hash_count == 0 || memcmp(copy.hashes, proof.hashes, copy.hash_count * sizeof *copy.hashes) == 0);
    status = rotor_consistency_verify_self(&proof);
    demand(status == ROTOR_OK || status == ROTOR_INVALID_PROOF);
    rotor_json_free(again);
    rotor_consistency_proof_free(&copy);
    rotor_consistency_proof_free(&proof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* A block of exactly this size, so that the sanitizer sees a read of one byte too many. */
    char *text = malloc(size > 0 ? size : 1);
    demand(text != NULL);
    memcpy(text, data, size);
    rotor_json_kind kind;
    rotor_error error;
    rotor_status status = rotor_json_kind_of(&kind, text, size, &error);
    if (status != ROTOR_OK) {
        check_error(status, &error);
    } else {
        demand(kind == ROTOR_JSON_INCLUSION_PROOF || kind == ROTOR_JSON_CONSISTENCY_PROOF);
    }
    try_inclusion(text, size);
    try_consistency(text, size);
    free(text);
    return 0;
}
