/* JSON text and proofs when memory runs out: every allocation outside jansson, whose own are failed in test_json.c,
 * fails in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_calls.h"
#include "rotortree_json.h"

#ifdef ROTOR_CANARY_REFUSAL_IGNORED
/* In place of the function: a proof that there is no memory for, and that is handed out empty, must be caught. */
rotor_status __real_rotor_inclusion_decode(rotor_inclusion_proof *proof, const uint8_t *encoded, size_t bytes);
rotor_status __wrap_rotor_inclusion_decode(rotor_inclusion_proof *proof, const uint8_t *encoded, size_t bytes);
rotor_status __wrap_rotor_inclusion_decode(rotor_inclusion_proof *proof, const uint8_t *encoded, size_t bytes) {
    rotor_status status = __real_rotor_inclusion_decode(proof, encoded, bytes);
    return status == ROTOR_OUT_OF_MEMORY ? ROTOR_OK : status;
}
#endif

#define ZEROS "00000000000000000000000000000000000000000000000000000000000000"
#define LEAF_0 "00" ZEROS
#define LEAF_1 "01" ZEROS

static const char inclusion_text[] =
    "{\"type\":\"rotortree-inclusion-proof\",\"version\":1,\"hash\":\"blake3\",\"arity\":4,\"size\":2,\"index\":1,"
    "\"leaf\":\"" LEAF_1 "\",\"root\":\"" LEAF_0 "\",\"siblings\":[\"" LEAF_0 "\"]}";
static const char consistency_text[] =
    "{\"type\":\"rotortree-consistency-proof\",\"version\":1,\"hash\":\"blake3\",\"arity\":4,\"old_size\":1,"
    "\"new_size\":2,\"old_root\":\"" LEAF_0 "\",\"new_root\":\"" LEAF_1 "\",\"hashes\":[\"" LEAF_0 "\",\"" LEAF_1
    "\"]}";

static void inclusion(void **state) {
    (void)state;
    size_t refusals = 0;
    rotor_status decoded = ROTOR_OUT_OF_MEMORY;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    for (uint64_t most = 1; decoded != ROTOR_OK; most++) {
        rotor_error error = {0};
        prepare(EVERYTHING, most, false, ENOMEM);
        atomic_store(&fault.armed, true);
        decoded = rotor_json_decode_inclusion(&proof, inclusion_text, strlen(inclusion_text), &error);
        atomic_store(&fault.armed, false);
        if (decoded != ROTOR_OK) {
            refusals++;
            assert_int_equal(decoded, ROTOR_OUT_OF_MEMORY);
            assert_int_equal(error.status, ROTOR_OUT_OF_MEMORY);
            assert_null(proof.siblings);
            assert_int_equal(proof.head.size, 0);
        }
    }
    assert_int_equal(refusals, 3);
    char *text = NULL;
    prepare(EVERYTHING, 1, false, ENOMEM);
    atomic_store(&fault.armed, true);
    rotor_status encoded = rotor_json_encode_inclusion(&proof, &text);
    atomic_store(&fault.armed, false);
    assert_int_equal(encoded, ROTOR_OUT_OF_MEMORY);
    assert_null(text);
    rotor_inclusion_proof_free(&proof);
}

static void consistency(void **state) {
    (void)state;
    size_t refusals = 0;
    rotor_status decoded = ROTOR_OUT_OF_MEMORY;
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    for (uint64_t most = 1; decoded != ROTOR_OK; most++) {
        rotor_error error = {0};
        prepare(EVERYTHING, most, false, ENOMEM);
        atomic_store(&fault.armed, true);
        decoded = rotor_json_decode_consistency(&proof, consistency_text, strlen(consistency_text), &error);
        atomic_store(&fault.armed, false);
        if (decoded != ROTOR_OK) {
            refusals++;
            assert_int_equal(decoded, ROTOR_OUT_OF_MEMORY);
            assert_int_equal(error.status, ROTOR_OUT_OF_MEMORY);
            assert_null(proof.hashes);
            assert_int_equal(proof.new_head.size, 0);
        }
    }
    assert_int_equal(refusals, 3);
    char *text = NULL;
    prepare(EVERYTHING, 1, false, ENOMEM);
    atomic_store(&fault.armed, true);
    rotor_status encoded = rotor_json_encode_consistency(&proof, &text);
    atomic_store(&fault.armed, false);
    assert_int_equal(encoded, ROTOR_OUT_OF_MEMORY);
    assert_null(text);
    rotor_consistency_proof_free(&proof);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(inclusion), cmocka_unit_test(consistency)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
