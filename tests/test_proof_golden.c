/* Proofs against those that the Rust crate wrote: its bytes are made, read and believed. */
#include "support.h"

#include <jansson.h>

#define MOST_LEAVES 100000

typedef struct golden_trees {
    rotor_tree *of_arity[ROTOR_MAX_ARITY + 1];
    rotor_hash *leaves;
} golden_trees;

static int set_up(void **state) {
    golden_trees *trees = test_alloc(1, sizeof *trees);
    trees->leaves = test_golden_leaves(MOST_LEAVES);
    *state = trees;
    return 0;
}

static int tear_down(void **state) {
    golden_trees *trees = *state;
    for (uint32_t arity = 0; arity <= ROTOR_MAX_ARITY; arity++) {
        rotor_close(trees->of_arity[arity], NULL);
    }
    free(trees->leaves);
    free(trees);
    return 0;
}

/* The tree of the first `size` golden leaves. */
static rotor_snapshot golden_at(golden_trees *trees, uint32_t arity, uint64_t size) {
    if (trees->of_arity[arity] == NULL) {
        trees->of_arity[arity] = test_create(arity, ROTOR_MAX_DEPTH);
        expect_ok(rotor_insert_many(trees->of_arity[arity], NULL, NULL, trees->leaves, MOST_LEAVES), "arity %u", arity);
    }
    rotor_snapshot snapshot;
    expect_ok(rotor_snapshot_take(trees->of_arity[arity], &snapshot), "arity %u", arity);
    expect_ok(rotor_snapshot_at(&snapshot, &snapshot, size), "size %" PRIu64, size);
    return snapshot;
}

static uint64_t number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    expect(json_is_integer(value), "no number \"%s\"", name);
    return (uint64_t)json_integer_value(value);
}

static uint8_t *golden_bytes(const json_t *object) {
    size_t bytes = (size_t)number(object, "bytes");
    uint8_t *golden = test_alloc(bytes, 1);
    expect(test_parse_hex(golden, bytes, json_string_value(json_object_get(object, "wincode"))), "bad hex");
    return golden;
}

static void inclusion(void **state) {
    json_t *proofs = test_load_json("golden_inclusion.json");
    expect(json_array_size(proofs) == 39, "%zu proofs", json_array_size(proofs));
    for (size_t i = 0; i < json_array_size(proofs); i++) {
        const json_t *golden = json_array_get(proofs, i);
        uint32_t arity = (uint32_t)number(golden, "n");
        uint32_t max_depth = (uint32_t)number(golden, "max_depth");
        size_t bytes = (size_t)number(golden, "bytes");
        uint8_t *wanted = golden_bytes(golden);
        uint8_t *made = test_alloc(bytes, 1);
        rotor_snapshot snapshot = golden_at(*state, arity, number(golden, "size"));
        rotor_tree_head head;
        expect_ok(rotor_snapshot_head(&snapshot, &head), "proof %zu", i);
        expect(snapshot.depth == number(golden, "level_count"), "proof %zu", i);

        rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
        size_t length = 0;
        expect_ok(rotor_inclusion_prove(&snapshot, &proof, number(golden, "index")), "proof %zu", i);
        expect_ok(rotor_inclusion_encode_reference(&proof, made, bytes, &length, max_depth), "proof %zu", i);
        expect(length == bytes && memcmp(made, wanted, bytes) == 0, "proof %zu has other bytes", i);

        rotor_inclusion_proof read = ROTOR_INCLUSION_PROOF_INIT;
        rotor_hash leaf = test_golden_leaf(number(golden, "index"));
        expect_ok(rotor_inclusion_decode_reference(&read, wanted, bytes, arity, max_depth), "proof %zu", i);
        expect_ok(rotor_inclusion_verify(&read, &head, &leaf), "proof %zu", i);
        expect(read.index == number(golden, "index"), "proof %zu", i);
        rotor_inclusion_proof_free(&read);
        rotor_inclusion_proof_free(&proof);
        free(made);
        free(wanted);
    }
    json_decref(proofs);
}

static void consistency(void **state) {
    json_t *proofs = test_load_json("golden_consistency.json");
    expect(json_array_size(proofs) == 33, "%zu proofs", json_array_size(proofs));
    for (size_t i = 0; i < json_array_size(proofs); i++) {
        const json_t *golden = json_array_get(proofs, i);
        uint32_t arity = (uint32_t)number(golden, "n");
        uint32_t max_depth = (uint32_t)number(golden, "max_depth");
        size_t bytes = (size_t)number(golden, "bytes");
        uint8_t *wanted = golden_bytes(golden);
        uint8_t *made = test_alloc(bytes, 1);
        rotor_snapshot old_snapshot = golden_at(*state, arity, number(golden, "old_size"));
        rotor_snapshot new_snapshot = golden_at(*state, arity, number(golden, "new_size"));
        rotor_tree_head old_head;
        rotor_tree_head new_head;
        expect_ok(rotor_snapshot_head(&old_snapshot, &old_head), "proof %zu", i);
        expect_ok(rotor_snapshot_head(&new_snapshot, &new_head), "proof %zu", i);

        rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
        size_t length = 0;
        expect_ok(rotor_consistency_prove(&new_snapshot, &proof, old_head.size), "proof %zu", i);
        expect_ok(rotor_consistency_encode_reference(&proof, made, bytes, &length, max_depth), "proof %zu", i);
        expect(length == bytes && memcmp(made, wanted, bytes) == 0, "proof %zu has other bytes", i);

        rotor_consistency_proof read = ROTOR_CONSISTENCY_PROOF_INIT;
        expect_ok(rotor_consistency_decode_reference(&read, wanted, bytes, arity, max_depth), "proof %zu", i);
        expect_ok(rotor_consistency_verify(&read, &old_head, &new_head), "proof %zu", i);
        rotor_consistency_proof_free(&read);
        rotor_consistency_proof_free(&proof);
        free(made);
        free(wanted);
    }
    json_decref(proofs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusion),
        cmocka_unit_test(consistency),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
