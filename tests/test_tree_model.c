/* Every node of small and middling trees against the oracle of support.h, for arities with every kind of remainder, and
 * the law that the same leaves give the same tree however they came in. */
#include "support.h"

static const uint32_t arities[] = {2, 3, 4, 5, 7, 8, 16, 31, 32, 33, 255};
#define ARITIES (sizeof arities / sizeof arities[0])
#define MAX_DEPTH 24

static void every_size_with_a_root_each_time(void **state) {
    (void)state;
    uint64_t sizes = 20 + test_scaled(580);
    rotor_hash *leaves = test_random_leaves(1, sizes);
    for (size_t a = 0; a < ARITIES; a++) {
        rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
        test_expect_leaves(tree, leaves, 0, "empty");
        for (uint64_t size = 1; size <= sizes; size++) {
            rotor_hash root;
            expect_ok(rotor_insert(tree, &root, NULL, &leaves[size - 1]), "arity %u size %" PRIu64, arities[a], size);
            rotor_hash expected = test_root_of(arities[a], leaves, size, NULL);
            expect(test_same_hash(&root, &expected), "arity %u: returned root of size %" PRIu64, arities[a], size);
            test_expect_leaves(tree, leaves, size, "one by one");
        }
        rotor_close(tree, NULL);
    }
    free(leaves);
}

static void every_size_in_one_batch(void **state) {
    (void)state;
    uint64_t sizes = 20 + test_scaled(580);
    rotor_hash *leaves = test_random_leaves(2, sizes);
    for (size_t a = 0; a < ARITIES; a++) {
        for (uint64_t size = 1; size <= sizes; size++) {
            rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
            rotor_hash root;
            expect_ok(rotor_insert_many(tree, size % 2 != 0 ? &root : NULL, NULL, leaves, size), "size %" PRIu64, size);
            if (size % 2 != 0) {
                rotor_hash expected = test_root_of(arities[a], leaves, size, NULL);
                expect(test_same_hash(&root, &expected), "arity %u: returned root of size %" PRIu64, arities[a], size);
            }
            test_expect_leaves(tree, leaves, size, "one batch");
            rotor_close(tree, NULL);
        }
    }
    free(leaves);
}

/* Every pair (leaves there before, leaves in the batch) round the ends of groups and of vectors of groups. */
static void every_split_in_two(void **state) {
    (void)state;
    static const uint32_t some[] = {2, 3, 4, 5, 8};
    uint64_t most = 10 + test_scaled(90);
    rotor_hash *leaves = test_random_leaves(3, 2 * most);
    for (size_t a = 0; a < sizeof some / sizeof some[0]; a++) {
        rotor_hash *roots = test_alloc(2 * most + 1, sizeof *roots);
        for (uint64_t size = 1; size <= 2 * most; size++) {
            roots[size] = test_root_of(some[a], leaves, size, NULL);
        }
        rotor_tree *tree = test_create(some[a], MAX_DEPTH);
        for (uint64_t first = 1; first <= most; first++) {
            for (uint64_t second = 1; second <= most; second++) {
                rotor_hash root;
                expect_ok(rotor_truncate(tree, NULL, 0), "emptying");
                expect_ok(rotor_insert_many(tree, (first + second) % 3 != 0 ? &root : NULL, NULL, leaves, first),
                          "first");
                expect_ok(rotor_insert_many(tree, &root, NULL, leaves + first, second), "second");
                expect(test_same_hash(&root, &roots[first + second]), "arity %u: %" PRIu64 " then %" PRIu64, some[a],
                       first, second);
            }
        }
        rotor_close(tree, NULL);
        free(roots);
    }
    free(leaves);
}

/* ---------------------------------------------------------------- random histories */

typedef struct history {
    test_random random;
    uint64_t seed;
    rotor_tree *tree;
    uint32_t arity;
    rotor_hash *leaves; /* what the tree must hold */
    uint64_t size;
    uint64_t limit;
    uint64_t fresh; /* number of the next leaf: none is ever used twice */
} history;

static void add_leaves(history *h, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        h->leaves[h->size + i] = test_random_leaf(h->seed, h->fresh++);
    }
}

static void expect_returned_root(history *h, const rotor_hash *root) {
    rotor_hash expected = test_root_of(h->arity, h->leaves, h->size, NULL);
    expect(test_same_hash(root, &expected), "seed %" PRIu64 " arity %u: returned root of size %" PRIu64, h->seed,
           h->arity, h->size);
}

static void step_insert(history *h, bool with_root) {
    if (h->size < h->limit) {
        rotor_hash root;
        add_leaves(h, 1);
        expect_ok(rotor_insert(h->tree, with_root ? &root : NULL, NULL, &h->leaves[h->size]), "seed %" PRIu64, h->seed);
        h->size++;
        if (with_root) {
            expect_returned_root(h, &root);
        }
    }
}

static void step_insert_many(history *h, bool with_root) {
    uint64_t room = h->limit - h->size;
    if (room > 0) {
        rotor_hash root;
        uint64_t most = test_below(&h->random, 4) == 0 ? room : room < 40 ? room : 40;
        uint64_t count = 1 + test_below(&h->random, most);
        add_leaves(h, count);
        expect_ok(rotor_insert_many(h->tree, with_root ? &root : NULL, NULL, h->leaves + h->size, count),
                  "seed %" PRIu64, h->seed);
        h->size += count;
        if (with_root) {
            expect_returned_root(h, &root);
        }
    }
}

static void step_truncate(history *h) {
    uint64_t size;
    switch (test_below(&h->random, 4)) {
    case 0:
        size = h->size; /* cuts nothing */
        break;
    case 1:
        size = h->size > 5 ? h->size - test_below(&h->random, 5) : h->size;
        break;
    default:
        size = test_below(&h->random, h->size + 1);
    }
    expect_ok(rotor_truncate(h->tree, NULL, size), "seed %" PRIu64 ": %" PRIu64 " to %" PRIu64, h->seed, h->size, size);
    h->size = size;
}

static void step_look(history *h) {
    switch (test_below(&h->random, 4)) {
    case 0:
        test_expect_leaves(h->tree, h->leaves, h->size, "in the middle of a history");
        break;
    case 1:
        expect_ok(rotor_reserve(h->tree, test_below(&h->random, h->limit + 1)), "seed %" PRIu64, h->seed);
        break;
    case 2: {
        rotor_snapshot snapshot;
        expect_ok(rotor_snapshot_take(h->tree, &snapshot), "seed %" PRIu64, h->seed);
        expect(snapshot.size == h->size, "seed %" PRIu64, h->seed);
        break;
    }
    default: {
        rotor_hash root;
        rotor_status status = rotor_root(h->tree, &root);
        expect_status(status, h->size == 0 ? ROTOR_EMPTY_TREE : ROTOR_OK, "seed %" PRIu64, h->seed);
        if (h->size != 0) {
            expect_returned_root(h, &root);
        }
    }
    }
    expect(rotor_size(h->tree) == h->size, "seed %" PRIu64 ": size %" PRIu64 ", not %" PRIu64, h->seed,
           rotor_size(h->tree), h->size);
}

static void run_history(uint32_t arity, uint64_t seed, uint64_t limit, unsigned steps) {
    history h = {.random = {seed}, .seed = seed, .arity = arity, .limit = limit};
    h.tree = test_create(arity, MAX_DEPTH);
    h.leaves = test_alloc(limit, sizeof *h.leaves);
    if (seed % 2 != 0) {
        expect_ok(rotor_set_parallel(h.tree, 1, 1 + seed % 50), "seed %" PRIu64, seed);
    }
    for (unsigned step = 0; step < steps; step++) {
        switch (test_below(&h.random, 8)) {
        case 0:
        case 1:
            step_insert(&h, false);
            break;
        case 2:
            step_insert(&h, true);
            break;
        case 3:
        case 4:
            step_insert_many(&h, false);
            break;
        case 5:
            step_insert_many(&h, true);
            break;
        case 6:
            step_truncate(&h);
            break;
        default:
            step_look(&h);
        }
    }
    test_expect_leaves(h.tree, h.leaves, h.size, "at the end of a history");
    rotor_close(h.tree, NULL);
    free(h.leaves);
}

static void any_history_of_the_same_leaves_gives_the_same_tree(void **state) {
    (void)state;
    uint64_t rounds = test_scaled(25);
    uint64_t seed = test_seed(1000);
    for (size_t a = 0; a < ARITIES; a++) {
        for (uint64_t round = 0; round < rounds; round++) {
            test_random random = {seed};
            run_history(arities[a], seed++, 2 + test_below(&random, 1500), 80);
        }
    }
}

/* Trees with three levels of the widest nodes. */
static void histories_of_wide_nodes(void **state) {
    (void)state;
    static const uint32_t wide[] = {31, 32, 33, 100, 255};
    uint64_t seed = test_seed(2000);
    for (size_t a = 0; a < sizeof wide / sizeof wide[0]; a++) {
        run_history(wide[a], seed++, test_under_valgrind() ? 5000 : 70000, 12);
    }
}

static void equal_leaves_and_zero_leaves_are_leaves(void **state) {
    (void)state;
    rotor_hash leaves[70];
    memset(leaves, 0, sizeof leaves);
    for (size_t a = 0; a < ARITIES; a++) {
        for (int fill = 0; fill < 256; fill += 255) {
            memset(leaves, fill, sizeof leaves);
            rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
            for (uint64_t size = 1; size <= 70; size++) {
                expect_ok(rotor_insert(tree, NULL, NULL, &leaves[size - 1]), "size %" PRIu64, size);
                test_expect_leaves(tree, leaves, size, "equal leaves");
            }
            rotor_close(tree, NULL);
        }
    }
}

/* Leaves that lie in the tree's caller's memory may be overwritten as soon as the call returns. */
static void leaves_are_copied(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(4, 3000);
    rotor_hash *scratch = test_alloc(3000, sizeof *scratch);
    rotor_tree *tree = test_create(3, MAX_DEPTH);
    memcpy(scratch, leaves, 3000 * sizeof *scratch);
    expect_ok(rotor_insert_many(tree, NULL, NULL, scratch, 2999), "batch");
    expect_ok(rotor_insert(tree, NULL, NULL, &scratch[2999]), "single");
    memset(scratch, 0xa5, 3000 * sizeof *scratch);
    test_expect_leaves(tree, leaves, 3000, "copied");
    rotor_close(tree, NULL);
    free(scratch);
    free(leaves);
}

/* Trees do not share anything. */
static void two_trees_at_once(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(5, 900);
    rotor_tree *a = test_create(4, MAX_DEPTH);
    rotor_tree *b = test_create(7, MAX_DEPTH);
    for (uint64_t i = 0; i < 300; i++) {
        expect_ok(rotor_insert(a, NULL, NULL, &leaves[i]), "a");
        expect_ok(rotor_insert_many(b, NULL, NULL, &leaves[3 * i], 3), "b");
    }
    test_expect_leaves(a, leaves, 300, "a");
    rotor_close(a, NULL);
    test_expect_leaves(b, leaves, 900, "b");
    rotor_close(b, NULL);
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_with_a_root_each_time),
        cmocka_unit_test(every_size_in_one_batch),
        cmocka_unit_test(every_split_in_two),
        cmocka_unit_test(any_history_of_the_same_leaves_gives_the_same_tree),
        cmocka_unit_test(histories_of_wide_nodes),
        cmocka_unit_test(equal_leaves_and_zero_leaves_are_leaves),
        cmocka_unit_test(leaves_are_copied),
        cmocka_unit_test(two_trees_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
