/* Every past of a tree: a snapshot turned back to k leaves is, in every node, a fresh tree of k leaves. */
#include "support.h"

static const uint32_t arities[] = {2, 3, 4, 5, 7, 8, 16, 31, 32, 33, 255};
#define ARITIES (sizeof arities / sizeof arities[0])
#define MAX_DEPTH 24

/* The oracle of each size 0..count. */
static test_levels *oracles(uint32_t arity, const rotor_hash *leaves, uint64_t count) {
    test_levels *all = test_alloc(count + 1, sizeof *all);
    for (uint64_t size = 0; size <= count; size++) {
        test_levels_build(&all[size], arity, leaves, size, NULL);
    }
    return all;
}

static void free_oracles(test_levels *all, uint64_t count) {
    for (uint64_t size = 0; size <= count; size++) {
        test_levels_free(&all[size]);
    }
    free(all);
}

static void every_past_of_every_small_size(void **state) {
    (void)state;
    uint64_t most = 15 + test_scaled(60);
    rotor_hash *leaves = test_random_leaves(200, most);
    for (size_t a = 0; a < ARITIES; a++) {
        test_levels *all = oracles(arities[a], leaves, most);
        for (uint32_t verify = 0; verify < 2; verify++) {
            rotor_options options;
            rotor_options_init(&options, arities[a], MAX_DEPTH);
            options.verify_proofs = verify;
            rotor_tree *tree = test_create_with(&options);
            for (uint64_t size = 0; size <= most; size++) {
                rotor_snapshot snapshot;
                expect_ok(rotor_snapshot_take(tree, &snapshot), "size %" PRIu64, size);
                for (uint64_t k = 0; k <= size; k++) {
                    rotor_snapshot past;
                    expect_ok(rotor_snapshot_at(&snapshot, &past, k), "%" PRIu64 " of %" PRIu64, k, size);
                    test_expect_snapshot(&past, &all[k], "past");
                }
                if (size < most) {
                    expect_ok(rotor_insert(tree, NULL, NULL, &leaves[size]), "size %" PRIu64, size);
                }
            }
            rotor_close(tree, NULL);
        }
        free_oracles(all, most);
    }
    free(leaves);
}

/* Steps back one by one, each from the one before, in place; and every k from the whole. */
static void every_past_of_a_larger_tree(void **state) {
    (void)state;
    uint64_t size = 30 + test_scaled(670);
    rotor_hash *leaves = test_random_leaves(201, size);
    for (size_t a = 0; a < ARITIES; a++) {
        test_levels *all = oracles(arities[a], leaves, size);
        rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
        rotor_snapshot whole;
        rotor_snapshot walker;
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, size), "insert");
        expect_ok(rotor_snapshot_take(tree, &whole), "take");
        walker = whole;
        for (uint64_t k = size + 1; k-- > 0;) {
            rotor_snapshot past;
            expect_ok(rotor_snapshot_at(&whole, &past, k), "size %" PRIu64, k);
            test_expect_snapshot(&past, &all[k], "from the whole");
            expect_ok(rotor_snapshot_at(&walker, &walker, k), "size %" PRIu64, k);
            test_expect_snapshot(&walker, &all[k], "step by step");
            expect_status(rotor_snapshot_at(&walker, &past, k + 1), ROTOR_OUT_OF_RANGE, "forward of %" PRIu64, k);
        }
        test_expect_snapshot(&whole, &all[size], "unchanged");
        rotor_close(tree, NULL);
        free_oracles(all, size);
    }
    free(leaves);
}

/* Truncation to k is the same as the past at k, for every k, in a tree that goes on living. */
static void truncation_makes_the_past_the_present(void **state) {
    (void)state;
    uint64_t size = 30 + test_scaled(270);
    rotor_hash *leaves = test_random_leaves(202, size);
    for (size_t a = 0; a < ARITIES; a++) {
        test_levels *all = oracles(arities[a], leaves, size);
        rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
        for (uint64_t k = 0; k <= size; k++) {
            uint64_t here = rotor_size(tree);
            if (here < size) {
                expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + here, size - here), "fill");
            }
            if (k % 3 == 0) {
                rotor_hash root;
                expect_ok(rotor_root(tree, &root), "root");
            }
            expect_ok(rotor_truncate(tree, NULL, k), "to %" PRIu64, k);
            test_expect_tree(tree, &all[k], "truncated");
            if (k < size) {
                rotor_hash root;
                expect_ok(rotor_insert(tree, k % 2 != 0 ? &root : NULL, NULL, &leaves[k]), "one more");
                test_expect_tree(tree, &all[k + 1], "truncated, and one more");
            }
        }
        rotor_close(tree, NULL);
        free_oracles(all, size);
    }
    free(leaves);
}

static void pasts_round_the_ends_of_groups_in_a_large_tree(void **state) {
    (void)state;
    uint64_t size = 1000 + test_scaled(200000);
    rotor_hash *leaves = test_random_leaves(203, size);
    for (size_t a = 0; a < ARITIES; a++) {
        rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
        rotor_snapshot whole;
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, size), "insert");
        expect_ok(rotor_snapshot_take(tree, &whole), "take");
        for (uint64_t power = arities[a]; power <= size; power *= arities[a]) {
            for (uint64_t times = 1; times < arities[a] && times <= 3; times++) {
                for (uint64_t k = power * times - 1; k <= power * times + 1 && k <= size; k++) {
                    rotor_snapshot past;
                    rotor_tree_head head;
                    rotor_hash root = test_root_of(arities[a], leaves, k, test_portable());
                    expect_ok(rotor_snapshot_at(&whole, &past, k), "size %" PRIu64, k);
                    expect_ok(rotor_snapshot_head(&past, &head), "size %" PRIu64, k);
                    expect(test_same_hash(&head.root, &root), "arity %u: past %" PRIu64, arities[a], k);
                    rotor_hash node;
                    for (uint32_t l = 0; l <= past.depth; l++) {
                        uint64_t length = 0;
                        expect_ok(rotor_snapshot_level_length(&past, &length, l), "level %u", l);
                        expect_ok(rotor_snapshot_nodes(&past, &node, 1, l, length - 1), "level %u", l);
                        expect(test_same_hash(&node, &past.edge[l]), "arity %u: past %" PRIu64 " level %u", arities[a],
                               k, l);
                    }
                }
            }
        }
        rotor_close(tree, NULL);
    }
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_past_of_every_small_size),
        cmocka_unit_test(every_past_of_a_larger_tree),
        cmocka_unit_test(truncation_makes_the_past_the_present),
        cmocka_unit_test(pasts_round_the_ends_of_groups_in_a_large_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
