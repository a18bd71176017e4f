/* Leaves that nobody has asked a root of yet: where single ones go, how many may wait for their parents, and that these
 * are hashed in full vectors all the same. */
#include "support.h"

#include "tree/tree.h"

static rotor_tree *new_tree(uint32_t arity) {
    rotor_options options;
    rotor_tree *tree = NULL;
    rotor_options_init(&options, arity, 32);
    options.threads = 1;
    expect_ok(rotor_open(&tree, NULL, &options, NULL), "arity %u", arity);
    return tree;
}

/* The n-th leaf of every tree here. */
static rotor_hash leaf_at(uint64_t n) {
    return test_random_leaf(71, n);
}

static void expect_leaves(rotor_tree *tree, uint64_t size, const char *what) {
    assert_int_equal(rotor_size(tree), size);
    for (uint64_t i = 0; i < size; i++) {
        rotor_hash stored;
        rotor_hash wanted = leaf_at(i);
        expect_ok(rotor_node(tree, &stored, 0, i), "%s", what);
        expect(test_same_hash(&stored, &wanted), "%s: leaf %" PRIu64 " of %" PRIu64, what, i, size);
    }
}

static void insert_next(rotor_tree *tree, rotor_hash *root) {
    rotor_hash leaf = leaf_at(rotor_size(tree));
    expect_ok(rotor_insert(tree, root, NULL, &leaf), "insert");
}

static void little_waits_for_its_parents(void **state) {
    (void)state;
    for (uint32_t arity = 2; arity <= 40; arity++) {
        rotor_tree *tree = new_tree(arity);
        test_random random = {arity};
        uint64_t most = test_scaled(6000);
        for (uint64_t i = 0; i < most; i++) {
            insert_next(tree, NULL);
            expect(tree->size - tree->folded < tree->block.nodes, "arity %u: %" PRIu64 " leaves wait at %" PRIu64,
                   arity, tree->size - tree->folded, tree->size);
            rotor_hash root;
            switch (test_below(&random, 600)) {
            case 0:
                expect_ok(rotor_root(tree, &root), "root");
                break;
            case 1:
                insert_next(tree, &root);
                break;
            case 2:
                expect_ok(rotor_truncate(tree, NULL, tree->size - tree->size / 7), "truncate");
                break;
            case 3:
                expect_ok(rotor_reserve(tree, tree->size + 3000), "reserve");
                break;
            default:
                break;
            }
        }
        expect_leaves(tree, rotor_size(tree), "at last");
        expect_ok(rotor_close(tree, NULL), "close");
    }
}

/* As recovery does with frames of a log, some of which have no place. */
static void leaves_that_were_placed_stay(void **state) {
    (void)state;
    for (uint64_t placed = 1; placed <= 5; placed++) {
        rotor_tree *tree = new_tree(4);
        insert_next(tree, NULL);
        insert_next(tree, NULL);
        uint8_t *place = rotor_tree_place(tree, 2, placed);
        assert_non_null(place);
        for (uint64_t i = 0; i < placed; i++) {
            rotor_hash leaf = leaf_at(2 + i);
            memcpy(place + sizeof leaf * i, &leaf, sizeof leaf);
        }
        rotor_tree_take(tree, placed);
        insert_next(tree, NULL);
        insert_next(tree, NULL);
        expect_leaves(tree, placed + 4, "placed");
        expect_ok(rotor_close(tree, NULL), "close");
    }
}

/* ---------------------------------------------------------------- vectors */

/* Kernels have no context. */
static const rotor_hasher *real;
static uint64_t groups_hashed;
static uint64_t lanes_used;

static void count(size_t groups) {
    groups_hashed += groups;
    lanes_used += (groups + real->lanes - 1) / real->lanes * real->lanes;
}

static void counted_groups(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    count(groups);
    real->hash_groups(out, children, groups, width);
}

static void counted_with_copy(uint8_t *out, uint8_t *copy, const uint8_t *children, size_t groups, unsigned width) {
    count(groups);
    real->hash_and_copy(out, copy, children, groups, width);
}

/* Leaves in equal batches without a root; how many lanes were taken for one group. */
static double lanes_per_group(uint32_t arity, uint64_t batch, const rotor_hash *leaves, uint64_t size) {
    rotor_tree *tree = new_tree(arity);
    real = tree->hasher;
    rotor_hasher counted = *real;
    counted.hash_groups = counted_groups;
    counted.hash_and_copy = real->hash_and_copy != NULL ? counted_with_copy : NULL;
    tree->hasher = &counted;
    groups_hashed = 0;
    lanes_used = 0;
    for (uint64_t at = 0; at + batch <= size; at += batch) {
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + at, (size_t)batch), "batch");
    }
    tree->hasher = real;
    expect_ok(rotor_close(tree, NULL), "close");
    return (double)lanes_used / (double)groups_hashed;
}

static void batches_of_any_size_fill_vectors(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 8, 16, 24, 33, 48, 64, 100, 128, 200, 255};
    static const uint64_t batches[] = {1, 7, 100, 511, 512, 600, 1000, 1023, 3000, 10000};
    uint64_t size = 120000;
    rotor_hash *leaves = test_random_leaves(3, size);
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        /* The best that can be had: all at once. Upper levels of wide trees have few groups. */
        double best = lanes_per_group(arities[a], size, leaves, size);
        for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++) {
            double lanes = lanes_per_group(arities[a], batches[b], leaves, size);
            expect(lanes < 2.5 * best, "arity %u, batches of %" PRIu64 ": %.2f lanes a group, %.2f in one batch",
                   arities[a], batches[b], lanes, best);
        }
    }
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_waits_for_its_parents),
        cmocka_unit_test(leaves_that_were_placed_stay),
        cmocka_unit_test(batches_of_any_size_fill_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
