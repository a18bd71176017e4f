/* Checking many proofs at once: each result is what checking that proof alone gives, whatever else is in the batch. */
#include "support.h"

#define SEED 13

typedef struct batch {
    rotor_tree *tree;
    rotor_tree_head head;
    rotor_snapshot snapshot;
    rotor_inclusion_proof *proofs;
    rotor_status *results;
    size_t count;
} batch;

/* A tree of `size` leaves and `count` proofs: of all its leaves in turn, or of random ones. */
static void set_up(batch *b, uint32_t arity, uint64_t size, size_t count, bool random) {
    rotor_hash *leaves = test_random_leaves(SEED, (size_t)size);
    test_random choice = {SEED + size};
    b->tree = test_create(arity, ROTOR_MAX_DEPTH);
    expect_ok(rotor_insert_many(b->tree, NULL, NULL, leaves, (size_t)size), "arity %u", arity);
    expect_ok(rotor_snapshot_take(b->tree, &b->snapshot), "arity %u", arity);
    expect_ok(rotor_snapshot_head(&b->snapshot, &b->head), "arity %u", arity);
    b->proofs = test_alloc(count, sizeof *b->proofs);
    b->results = test_alloc(count, sizeof *b->results);
    b->count = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t index = random ? test_below(&choice, size) : i % size;
        expect_ok(rotor_inclusion_prove(&b->snapshot, &b->proofs[i], index), "index %" PRIu64, index);
        b->results[i] = ROTOR_MALFORMED;
    }
    free(leaves);
}

static void tear_down(batch *b) {
    for (size_t i = 0; i < b->count; i++) {
        rotor_inclusion_proof_free(&b->proofs[i]);
    }
    free(b->proofs);
    free(b->results);
    rotor_close(b->tree, NULL);
}

static void expect_same_as_one_by_one(batch *b, const char *what) {
    bool all = true;
    rotor_status status = rotor_inclusion_verify_many(b->results, b->proofs, b->count, &b->head);
    for (size_t i = 0; i < b->count; i++) {
        rotor_status alone = rotor_inclusion_verify(&b->proofs[i], &b->head, NULL);
        expect_status(b->results[i], alone, "%s: proof %zu of %zu, arity %u size %" PRIu64, what, i, b->count,
                      b->head.arity, b->head.size);
        all = all && alone == ROTOR_OK;
    }
    expect_status(status, all ? ROTOR_OK : ROTOR_INVALID_PROOF, "%s", what);
}

static void every_leaf_of_every_size(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 5, 8, 16};
    for (size_t a = 0; a < sizeof arities / sizeof *arities; a++) {
        for (uint64_t size = 1; size <= 90; size++) {
            batch b;
            set_up(&b, arities[a], size, (size_t)size, false);
            expect_same_as_one_by_one(&b, "honest");
            expect(b.results[0] == ROTOR_OK, "honest");
            tear_down(&b);
        }
    }
}

static void every_count(void **state) {
    (void)state;
    for (size_t count = 1; count <= 70; count++) {
        batch b;
        set_up(&b, 4, 1000 + count, count, true);
        expect_same_as_one_by_one(&b, "honest");
        tear_down(&b);
    }
}

static void larger_trees_and_several_batches(void **state) {
    (void)state;
    static const struct {
        uint32_t arity;
        uint64_t size;
    } trees[] = {{2, 3000},   {3, 6561},   {3, 6562},  {4, 16385}, {7, 20000},   {16, 65537},
                 {31, 30000}, {64, 70000}, {64, 4097}, {100, 777}, {254, 65000}, {255, 65025 + 256}};
    for (size_t t = 0; t < sizeof trees / sizeof *trees; t++) {
        batch b;
        set_up(&b, trees[t].arity, trees[t].size, 600, true);
        expect_same_as_one_by_one(&b, "honest");
        expect(b.results[599] == ROTOR_OK, "honest");
        tear_down(&b);
    }
}

/* One change to the proof, of a kind that follows from `kind`. */
static void spoil(rotor_inclusion_proof *proof, uint64_t kind, test_random *random) {
    uint8_t bit = (uint8_t)(1u << test_below(random, 8));
    size_t sibling = proof->sibling_count != 0 ? (size_t)test_below(random, proof->sibling_count) : 0;
    switch (kind) {
    case 0:
        proof->leaf.bytes[test_below(random, 32)] ^= bit;
        break;
    case 1:
        proof->head.root.bytes[test_below(random, 32)] ^= bit;
        break;
    case 2:
        proof->index ^= UINT64_C(1) << test_below(random, 64);
        break;
    case 3:
        proof->head.size += 1;
        break;
    case 4:
        proof->head.arity ^= 1;
        break;
    case 5:
        proof->head.hash_profile = 99;
        break;
    case 6:
        proof->sibling_count -= proof->sibling_count != 0 ? 1 : 0;
        break;
    case 7:
        proof->sibling_count += 1 + test_below(random, 3);
        break;
    default:
        if (proof->sibling_count != 0) {
            proof->siblings[sibling].bytes[test_below(random, 32)] ^= bit;
        }
    }
}

/* Neighbours of a bad proof are not harmed by it, and do not help it. */
static void bad_proofs_among_good_ones(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 16, 255};
    test_random random = {test_seed(SEED)};
    for (size_t a = 0; a < sizeof arities / sizeof *arities; a++) {
        for (unsigned round = 0; round < 10; round++) {
            batch b;
            set_up(&b, arities[a], 1 + test_below(&random, 3000), 300, true);
            for (size_t i = 0; i < b.count; i++) {
                if (test_below(&random, 4) == 0) {
                    spoil(&b.proofs[i], test_below(&random, 12), &random);
                }
            }
            expect_same_as_one_by_one(&b, "spoilt");
            tear_down(&b);
        }
    }
}

static void every_sibling_counts(void **state) {
    (void)state;
    batch b;
    set_up(&b, 4, 75, 75, false);
    for (size_t i = 0; i < b.count; i++) {
        for (size_t s = 0; s < b.proofs[i].sibling_count; s++) {
            b.proofs[i].siblings[s].bytes[s % 32] ^= 0x40;
            expect_status(rotor_inclusion_verify_many(b.results, b.proofs, b.count, &b.head), ROTOR_INVALID_PROOF,
                          "proof %zu sibling %zu", i, s);
            for (size_t k = 0; k < b.count; k++) {
                expect((b.results[k] == ROTOR_OK) == (k != i), "proof %zu sibling %zu, result %zu", i, s, k);
            }
            b.proofs[i].siblings[s].bytes[s % 32] ^= 0x40;
        }
    }
    tear_down(&b);
}

static void heads_that_no_proof_fits(void **state) {
    (void)state;
    batch b;
    set_up(&b, 4, 10, 10, false);
    const rotor_tree_head honest = b.head;
    const rotor_tree_head heads[] = {
        {honest.root, 0, 4, ROTOR_HASH_BLAKE3},    {honest.root, UINT64_MAX, 4, ROTOR_HASH_BLAKE3},
        {honest.root, 10, 0, ROTOR_HASH_BLAKE3},   {honest.root, 10, 1, ROTOR_HASH_BLAKE3},
        {honest.root, 10, 256, ROTOR_HASH_BLAKE3}, {honest.root, 10, 4, 99},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        b.head = heads[i];
        expect_same_as_one_by_one(&b, "proofs of another head");
        b.proofs[3].head = heads[i];
        expect_same_as_one_by_one(&b, "one proof with the impossible head");
        b.proofs[3].head = honest;
    }
    b.head = honest;
    rotor_hash *siblings = b.proofs[3].siblings;
    b.proofs[3].siblings = NULL;
    expect_same_as_one_by_one(&b, "no siblings");
    b.proofs[3].siblings = siblings;
    tear_down(&b);
}

static void wrong_arguments(void **state) {
    (void)state;
    batch b;
    set_up(&b, 4, 10, 10, false);
    expect_ok(rotor_inclusion_verify_many(NULL, NULL, 0, &b.head), "none");
    expect_status(rotor_inclusion_verify_many(b.results, b.proofs, 10, NULL), ROTOR_MISUSE, "no head");
    expect_status(rotor_inclusion_verify_many(NULL, b.proofs, 10, &b.head), ROTOR_MISUSE, "no results");
    expect_status(rotor_inclusion_verify_many(b.results, NULL, 10, &b.head), ROTOR_MISUSE, "no proofs");
    expect(b.results[0] == ROTOR_MALFORMED, "a failed call wrote results");
    tear_down(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_leaf_of_every_size),
        cmocka_unit_test(every_count),
        cmocka_unit_test(larger_trees_and_several_batches),
        cmocka_unit_test(bad_proofs_among_good_ones),
        cmocka_unit_test(every_sibling_counts),
        cmocka_unit_test(heads_that_no_proof_fits),
        cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
