/* Every way in which a call on a tree can be refused: the status, and that nothing has changed. */
#include "support.h"

/* What is pointed to where the call must fail before it looks there. */
static const rotor_hash *const nowhere = (const rotor_hash *)(uintptr_t)32;

/* A tree whose every visible part is remembered, to be compared after a call that failed. */
typedef struct frozen {
    rotor_tree *tree;
    const rotor_hash *leaves;
    uint64_t size;
    rotor_snapshot snapshot;
} frozen;

static frozen freeze(rotor_tree *tree, const rotor_hash *leaves) {
    frozen f = {.tree = tree, .leaves = leaves, .size = rotor_size(tree)};
    expect_ok(rotor_snapshot_take(tree, &f.snapshot), "freezing");
    return f;
}

static void expect_frozen(const frozen *f, const char *what) {
    test_levels levels;
    test_levels_build(&levels, rotor_arity(f->tree), f->leaves, f->size, NULL);
    test_expect_snapshot(&f->snapshot, &levels, what);
    test_expect_tree(f->tree, &levels, what);
    test_levels_free(&levels);
}

static uint64_t power(uint32_t base, uint32_t exponent) {
    uint64_t result = 1;
    while (exponent-- > 0) {
        result *= base;
    }
    return result;
}

/* ---------------------------------------------------------------- maximum depth and capacity */

static const struct {
    uint32_t arity;
    uint32_t depth;
} full_trees[] = {{2, 1}, {2, 2}, {2, 3}, {2, 4}, {2, 5}, {3, 1}, {3, 2}, {3, 4}, {4, 3}, {5, 2}, {16, 2}, {255, 1}};

static void inserts_that_are_refused(rotor_tree *tree, const rotor_hash *leaves, rotor_status refusal, uint64_t room) {
    frozen before = freeze(tree, leaves);
    rotor_hash root;
    memset(&root, 0xee, sizeof root);
    rotor_hash untouched = root;
    uint64_t too_many[] = {room + 1, room + 2, room + 100, UINT64_C(1) << 20};
    for (size_t i = 0; i < sizeof too_many / sizeof too_many[0]; i++) {
        expect_status(rotor_insert_many(tree, NULL, NULL, nowhere, too_many[i]), refusal, "%" PRIu64 " leaves",
                      too_many[i]);
        expect_status(rotor_insert_many(tree, &root, NULL, nowhere, too_many[i]), refusal, "%" PRIu64 " leaves",
                      too_many[i]);
    }
    if (room == 0) {
        expect_status(rotor_insert(tree, NULL, NULL, leaves), refusal, "one leaf");
        expect_status(rotor_insert(tree, &root, NULL, leaves), refusal, "one leaf");
    }
    expect_status(rotor_reserve(tree, before.size + room + 1), refusal, "reserve");
    expect_ok(rotor_reserve(tree, before.size + room), "reserve what fits");
    assert_memory_equal(&root, &untouched, sizeof root);
    expect_frozen(&before, "after inserts that were refused");
}

static void a_tree_is_full_at_arity_to_the_depth(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof full_trees / sizeof full_trees[0]; i++) {
        uint64_t fits = power(full_trees[i].arity, full_trees[i].depth);
        rotor_hash *leaves = test_random_leaves(50 + i, fits + 1);
        for (uint64_t first = 0; first <= fits; first += 1 + fits / 20) {
            rotor_tree *tree = test_create(full_trees[i].arity, full_trees[i].depth);
            /* One by one to `first`, then a batch of one too many, then the batch that fits. */
            for (uint64_t k = 0; k < first; k++) {
                rotor_hash root;
                expect_ok(rotor_insert(tree, (k & 1) != 0 ? &root : NULL, NULL, &leaves[k]), "leaf %" PRIu64, k);
            }
            inserts_that_are_refused(tree, leaves, ROTOR_MAX_DEPTH_EXCEEDED, fits - first);
            if (first < fits) {
                expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + first, fits - first), "the rest");
            }
            expect(rotor_depth(tree) == full_trees[i].depth, "arity %u depth %u", full_trees[i].arity,
                   rotor_depth(tree));
            inserts_that_are_refused(tree, leaves, ROTOR_MAX_DEPTH_EXCEEDED, 0);
            expect_ok(rotor_truncate(tree, NULL, fits - 1), "make room for one");
            expect_ok(rotor_insert(tree, NULL, NULL, &leaves[fits - 1]), "into the room");
            test_expect_leaves(tree, leaves, fits, "full");
            rotor_close(tree, NULL);
        }
        free(leaves);
    }
}

static void one_by_one_until_full(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof full_trees / sizeof full_trees[0]; i++) {
        uint64_t fits = power(full_trees[i].arity, full_trees[i].depth);
        rotor_hash *leaves = test_random_leaves(70 + i, fits + 1);
        for (int with_root = 0; with_root < 2; with_root++) {
            rotor_tree *tree = test_create(full_trees[i].arity, full_trees[i].depth);
            rotor_hash root;
            uint64_t count = 0;
            rotor_status status;
            while ((status = rotor_insert(tree, with_root ? &root : NULL, NULL, &leaves[count])) == ROTOR_OK &&
                   count < fits) {
                count++;
            }
            expect_status(status, ROTOR_MAX_DEPTH_EXCEEDED, "arity %u", full_trees[i].arity);
            expect(count == fits, "arity %u depth %u: %" PRIu64 " leaves", full_trees[i].arity, full_trees[i].depth,
                   count);
            test_expect_leaves(tree, leaves, fits, "full one by one");
            rotor_close(tree, NULL);
        }
        free(leaves);
    }
}

static void a_tree_holds_at_most_max_leaves(void **state) {
    (void)state;
    static const uint64_t limits[] = {1, 2, 3, 4, 5, 16, 17, 100, 1000};
    rotor_hash *leaves = test_random_leaves(90, 1001);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (uint32_t arity = 2; arity <= 5; arity++) {
            rotor_options options;
            rotor_options_init(&options, arity, 30);
            options.max_leaves = limits[i];
            rotor_tree *tree = test_create_with(&options);
            inserts_that_are_refused(tree, leaves, ROTOR_CAPACITY_EXCEEDED, limits[i]);
            expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, limits[i]), "all that fit");
            inserts_that_are_refused(tree, leaves, ROTOR_CAPACITY_EXCEEDED, 0);
            expect_ok(rotor_truncate(tree, NULL, limits[i] / 2), "make room");
            inserts_that_are_refused(tree, leaves, ROTOR_CAPACITY_EXCEEDED, limits[i] - limits[i] / 2);
            for (uint64_t k = limits[i] / 2; k < limits[i]; k++) {
                expect_ok(rotor_insert(tree, NULL, NULL, &leaves[k]), "leaf %" PRIu64, k);
            }
            inserts_that_are_refused(tree, leaves, ROTOR_CAPACITY_EXCEEDED, 0);
            rotor_close(tree, NULL);
        }
    }
    free(leaves);
}

/* Counts whose sum with the size, or whose bytes, do not fit in 64 bits. */
static void counts_that_overflow(void **state) {
    (void)state;
    static const uint64_t counts[] = {UINT64_MAX,          UINT64_MAX - 1,          UINT64_MAX - 2,
                                      UINT64_MAX - 6,      UINT64_MAX - 7,          UINT64_MAX - 8,
                                      UINT64_MAX - 255,    UINT64_MAX / 2,          UINT64_MAX / 2 + 1,
                                      UINT64_MAX / 32,     UINT64_MAX / 32 + 1,     UINT64_MAX / 32 + 2,
                                      (UINT64_C(1) << 58), (UINT64_C(1) << 58) + 1, (UINT64_C(1) << 58) - 7};
    static const uint32_t arities[] = {2, 3, 4, 7, 255};
    rotor_hash *leaves = test_random_leaves(91, 8);
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        for (uint64_t size = 0; size <= 8; size += 7) {
            rotor_tree *tree = test_create(arities[a], ROTOR_MAX_DEPTH);
            if (size != 0) {
                expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, size), "size %" PRIu64, size);
            }
            frozen before = freeze(tree, leaves);
            for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
                if (counts[i] > SIZE_MAX) {
                    continue;
                }
                rotor_hash root;
                rotor_status status =
                    rotor_insert_many(tree, i % 2 != 0 ? &root : NULL, NULL, nowhere, (size_t)counts[i]);
                expect(status == ROTOR_CAPACITY_EXCEEDED ||
                           (status == ROTOR_OUT_OF_MEMORY && counts[i] <= UINT64_C(1) << 58),
                       "arity %u: %" PRIu64 " leaves at %" PRIu64 ": %s", arities[a], counts[i], size,
                       rotor_status_name(status));
                status = rotor_reserve(tree, counts[i]);
                expect(status == ROTOR_CAPACITY_EXCEEDED ||
                           (status == ROTOR_OUT_OF_MEMORY && counts[i] <= UINT64_C(1) << 58),
                       "arity %u: reserving %" PRIu64 ": %s", arities[a], counts[i], rotor_status_name(status));
                expect_status(rotor_truncate(tree, NULL, counts[i]), ROTOR_OUT_OF_RANGE, "truncating to %" PRIu64,
                              counts[i]);
            }
            expect_frozen(&before, "after counts that overflow");
            rotor_close(tree, NULL);
        }
    }
    free(leaves);
}

static void reserve_of_what_is_there_does_nothing(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(92, 5000);
    rotor_tree *tree = test_create(4, 20);
    expect_ok(rotor_reserve(tree, 0), "nothing");
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 3000), "insert");
    expect_ok(rotor_reserve(tree, 0), "nothing");
    expect_ok(rotor_reserve(tree, 10), "less than the tree");
    expect_ok(rotor_reserve(tree, 3000), "the tree");
    uint64_t before = rotor_memory_bytes(tree);
    expect_ok(rotor_reserve(tree, 300000), "more than the tree");
    expect(rotor_memory_bytes(tree) >= 300000 * 32 && rotor_memory_bytes(tree) > before, "%" PRIu64 " bytes",
           rotor_memory_bytes(tree));
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + 3000, 2000), "insert");
    test_expect_leaves(tree, leaves, 5000, "after reserving");
    rotor_close(tree, NULL);
    free(leaves);
}

/* ---------------------------------------------------------------- the empty tree, empty batches, ranges */

static void the_empty_tree(void **state) {
    (void)state;
    rotor_hash leaf = test_random_leaf(93, 0);
    for (int emptied = 0; emptied < 3; emptied++) {
        rotor_tree *tree = test_create(4, 20);
        if (emptied > 0) {
            rotor_hash root;
            expect_ok(rotor_insert(tree, emptied == 1 ? &root : NULL, NULL, &leaf), "a leaf");
            expect_ok(rotor_truncate(tree, NULL, 0), "and away");
        }
        rotor_hash hash;
        rotor_tree_head head;
        uint64_t length;
        assert_int_equal(rotor_size(tree), 0);
        assert_int_equal(rotor_depth(tree), 0);
        expect_status(rotor_root(tree, &hash), ROTOR_EMPTY_TREE, "root");
        expect_status(rotor_head(tree, &head), ROTOR_EMPTY_TREE, "head");
        expect_status(rotor_node(tree, &hash, 0, 0), ROTOR_OUT_OF_RANGE, "node");
        expect_status(rotor_level_length(tree, &length, 0), ROTOR_OUT_OF_RANGE, "level length");
        expect_ok(rotor_truncate(tree, NULL, 0), "to nothing");
        expect_status(rotor_truncate(tree, NULL, 1), ROTOR_OUT_OF_RANGE, "to more");
        rotor_snapshot snapshot;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
        assert_int_equal(snapshot.size, 0);
        expect_status(rotor_snapshot_nodes(&snapshot, &hash, 1, 0, 0), ROTOR_OUT_OF_RANGE, "nodes");
        rotor_close(tree, NULL);
    }
}

static void an_empty_batch(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(94, 10);
    rotor_tree *tree = test_create(2, 5);
    rotor_hash root;
    expect_status(rotor_insert_many(tree, NULL, NULL, leaves, 0), ROTOR_EMPTY_BATCH, "into nothing");
    expect_status(rotor_insert_many(tree, &root, NULL, leaves, 0), ROTOR_EMPTY_BATCH, "into nothing");
    expect_ok(rotor_insert_many(tree, &root, NULL, leaves, 10), "insert");
    frozen before = freeze(tree, leaves);
    expect_status(rotor_insert_many(tree, NULL, NULL, leaves, 0), ROTOR_EMPTY_BATCH, "into something");
    expect_frozen(&before, "after an empty batch");
    rotor_close(tree, NULL);
    free(leaves);
}

static void nodes_that_are_not_there(void **state) {
    (void)state;
    static const uint32_t depths[] = {10, ROTOR_MAX_DEPTH};
    rotor_hash *leaves = test_random_leaves(95, 1024);
    for (size_t d = 0; d < 2; d++) {
        rotor_tree *tree = test_create(2, depths[d]);
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 1000), "insert");
        rotor_hash node;
        uint64_t length;
        rotor_snapshot snapshot;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
        static const uint32_t levels[] = {11, 12, 63, 64, 65, 66, 128, UINT32_MAX - 1, UINT32_MAX};
        for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
            expect_status(rotor_node(tree, &node, levels[i], 0), ROTOR_OUT_OF_RANGE, "level %u", levels[i]);
            expect_status(rotor_level_length(tree, &length, levels[i]), ROTOR_OUT_OF_RANGE, "level %u", levels[i]);
            expect_status(rotor_snapshot_level_length(&snapshot, &length, levels[i]), ROTOR_OUT_OF_RANGE, "level %u",
                          levels[i]);
            expect_status(rotor_snapshot_nodes(&snapshot, &node, 1, levels[i], 0), ROTOR_OUT_OF_RANGE, "level %u",
                          levels[i]);
        }
        for (uint32_t l = 0; l <= 10; l++) {
            expect_ok(rotor_level_length(tree, &length, l), "level %u", l);
            uint64_t indexes[] = {length,          length + 1, UINT64_C(1) << 58, UINT64_C(1) << 59,
                                  UINT64_MAX / 32, UINT64_MAX};
            for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
                expect_status(rotor_node(tree, &node, l, indexes[i]), ROTOR_OUT_OF_RANGE, "(%u, %" PRIu64 ")", l,
                              indexes[i]);
                expect_status(rotor_snapshot_nodes(&snapshot, &node, 1, l, indexes[i]), ROTOR_OUT_OF_RANGE,
                              "(%u, %" PRIu64 ")", l, indexes[i]);
            }
            static const uint64_t firsts[] = {1, 2, 500, UINT64_MAX};
            for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
                size_t too_many = (size_t)(length - firsts[i] + 1);
                if (firsts[i] <= length || firsts[i] == UINT64_MAX) {
                    expect_status(rotor_snapshot_nodes(&snapshot, &node, too_many, l, firsts[i]), ROTOR_OUT_OF_RANGE,
                                  "%zu from %" PRIu64, too_many, firsts[i]);
                }
                expect_status(rotor_snapshot_nodes(&snapshot, &node, SIZE_MAX, l, firsts[i]), ROTOR_OUT_OF_RANGE,
                              "as many as there are numbers from %" PRIu64, firsts[i]);
                expect_status(rotor_snapshot_nodes(&snapshot, &node, SIZE_MAX / 32 + 2, l, firsts[i]),
                              ROTOR_OUT_OF_RANGE, "many from %" PRIu64, firsts[i]);
            }
        }
        expect_status(rotor_truncate(tree, NULL, 1001), ROTOR_OUT_OF_RANGE, "more than there are");
        expect_status(rotor_snapshot_at(&snapshot, &snapshot, 1001), ROTOR_OUT_OF_RANGE, "more than there are");
        expect_status(rotor_snapshot_at(&snapshot, &snapshot, UINT64_MAX), ROTOR_OUT_OF_RANGE, "more than there are");
        test_expect_leaves(tree, leaves, 1000, "after all that");
        rotor_close(tree, NULL);
    }
    free(leaves);
}

/* ---------------------------------------------------------------- misuse */

static void null_pointers_in_calls_on_a_tree(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(96, 10);
    rotor_tree *tree = test_create(3, 10);
    rotor_hash hash;
    rotor_tree_head head;
    rotor_snapshot snapshot;
    uint64_t length;
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 10), "insert");
    frozen before = freeze(tree, leaves);

    expect_status(rotor_insert(NULL, &hash, NULL, leaves), ROTOR_MISUSE, "no tree");
    expect_status(rotor_insert(tree, &hash, NULL, NULL), ROTOR_MISUSE, "no leaf");
    expect_status(rotor_insert_many(NULL, &hash, NULL, leaves, 1), ROTOR_MISUSE, "no tree");
    expect_status(rotor_insert_many(tree, &hash, NULL, NULL, 1), ROTOR_MISUSE, "no leaves");
    expect_status(rotor_truncate(NULL, NULL, 0), ROTOR_MISUSE, "no tree");
    expect_status(rotor_reserve(NULL, 1), ROTOR_MISUSE, "no tree");
    expect_status(rotor_set_parallel(NULL, 1, 1), ROTOR_MISUSE, "no tree");
    expect_status(rotor_root(NULL, &hash), ROTOR_MISUSE, "no tree");
    expect_status(rotor_root(tree, NULL), ROTOR_MISUSE, "no output");
    expect_status(rotor_head(NULL, &head), ROTOR_MISUSE, "no tree");
    expect_status(rotor_head(tree, NULL), ROTOR_MISUSE, "no output");
    expect_status(rotor_node(NULL, &hash, 0, 0), ROTOR_MISUSE, "no tree");
    expect_status(rotor_node(tree, NULL, 0, 0), ROTOR_MISUSE, "no output");
    expect_status(rotor_level_length(NULL, &length, 0), ROTOR_MISUSE, "no tree");
    expect_status(rotor_level_length(tree, NULL, 0), ROTOR_MISUSE, "no output");
    expect_status(rotor_snapshot_take(NULL, &snapshot), ROTOR_MISUSE, "no tree");
    expect_status(rotor_snapshot_take(tree, NULL), ROTOR_MISUSE, "no output");
    expect_status(rotor_snapshot_take_latest(NULL, &snapshot), ROTOR_MISUSE, "no tree");
    expect_status(rotor_snapshot_take_latest(tree, NULL), ROTOR_MISUSE, "no output");
    expect_status(rotor_snapshot_at(NULL, &snapshot, 1), ROTOR_MISUSE, "no snapshot");
    expect_status(rotor_snapshot_at(&before.snapshot, NULL, 1), ROTOR_MISUSE, "no output");
    expect_status(rotor_snapshot_check(NULL), ROTOR_MISUSE, "no snapshot");
    expect_status(rotor_snapshot_head(NULL, &head), ROTOR_MISUSE, "no snapshot");
    expect_status(rotor_snapshot_head(&before.snapshot, NULL), ROTOR_MISUSE, "no output");
    expect_status(rotor_snapshot_level_length(NULL, &length, 0), ROTOR_MISUSE, "no snapshot");
    expect_status(rotor_snapshot_level_length(&before.snapshot, NULL, 0), ROTOR_MISUSE, "no output");
    expect_status(rotor_snapshot_nodes(NULL, &hash, 1, 0, 0), ROTOR_MISUSE, "no snapshot");
    expect_status(rotor_snapshot_nodes(&before.snapshot, NULL, 1, 0, 0), ROTOR_MISUSE, "no output");
    rotor_close(NULL, NULL);

    expect_frozen(&before, "after misuse");
    rotor_close(tree, NULL);
    free(leaves);
}

static void failures_leave_outputs_alone(void **state) {
    (void)state;
    rotor_tree *tree = test_create(3, 10);
    rotor_hash *leaves = test_random_leaves(97, 10);
    rotor_snapshot snapshot;
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 10), "insert");
    expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
    rotor_hash hash;
    uint64_t length = 77;
    rotor_snapshot past;
    rotor_tree_head head;
    memset(&hash, 0x5a, sizeof hash);
    memset(&past, 0x5a, sizeof past);
    memset(&head, 0x5a, sizeof head);
    rotor_hash hash_before = hash;
    rotor_snapshot past_before = past;
    rotor_tree_head head_before = head;
    expect_status(rotor_node(tree, &hash, 0, 10), ROTOR_OUT_OF_RANGE, "node");
    expect_status(rotor_level_length(tree, &length, 4), ROTOR_OUT_OF_RANGE, "length");
    expect_status(rotor_snapshot_level_length(&snapshot, &length, 4), ROTOR_OUT_OF_RANGE, "length");
    expect_status(rotor_snapshot_at(&snapshot, &past, 11), ROTOR_OUT_OF_RANGE, "past");
    expect_ok(rotor_truncate(tree, NULL, 5), "truncate");
    expect_status(rotor_snapshot_at(&snapshot, &past, 6), ROTOR_STALE, "past");
    expect_status(rotor_snapshot_head(&snapshot, &head), ROTOR_STALE, "head");
    expect_status(rotor_snapshot_level_length(&snapshot, &length, 0), ROTOR_STALE, "length");
    expect_ok(rotor_truncate(tree, NULL, 0), "truncate");
    expect_status(rotor_root(tree, &hash), ROTOR_EMPTY_TREE, "root");
    expect_status(rotor_head(tree, &head), ROTOR_EMPTY_TREE, "head");
    assert_memory_equal(&hash, &hash_before, sizeof hash);
    assert_memory_equal(&past, &past_before, sizeof past);
    assert_memory_equal(&head, &head_before, sizeof head);
    assert_int_equal(length, 77);
    rotor_close(tree, NULL);
    free(leaves);
}

static void words_for_every_status(void **state) {
    (void)state;
    static const struct {
        rotor_status status;
        const char *name;
    } names[] = {
        {ROTOR_OK, "ROTOR_OK"},
        {ROTOR_MISUSE, "ROTOR_MISUSE"},
        {ROTOR_OUT_OF_MEMORY, "ROTOR_OUT_OF_MEMORY"},
        {ROTOR_EMPTY_BATCH, "ROTOR_EMPTY_BATCH"},
        {ROTOR_EMPTY_TREE, "ROTOR_EMPTY_TREE"},
        {ROTOR_MAX_DEPTH_EXCEEDED, "ROTOR_MAX_DEPTH_EXCEEDED"},
        {ROTOR_CAPACITY_EXCEEDED, "ROTOR_CAPACITY_EXCEEDED"},
        {ROTOR_OUT_OF_RANGE, "ROTOR_OUT_OF_RANGE"},
        {ROTOR_STALE, "ROTOR_STALE"},
        {ROTOR_INVALID_PROOF, "ROTOR_INVALID_PROOF"},
        {ROTOR_MALFORMED, "ROTOR_MALFORMED"},
        {ROTOR_BUFFER_TOO_SMALL, "ROTOR_BUFFER_TOO_SMALL"},
        {ROTOR_UNSUPPORTED, "ROTOR_UNSUPPORTED"},
        {ROTOR_IO, "ROTOR_IO"},
        {ROTOR_DAMAGED, "ROTOR_DAMAGED"},
        {ROTOR_LOCKED, "ROTOR_LOCKED"},
        {ROTOR_MISMATCH, "ROTOR_MISMATCH"},
        {ROTOR_NOT_FOUND, "ROTOR_NOT_FOUND"},
        {ROTOR_EXISTS, "ROTOR_EXISTS"},
        {ROTOR_READ_ONLY, "ROTOR_READ_ONLY"},
        {ROTOR_FAILED, "ROTOR_FAILED"},
        {ROTOR_PENDING, "ROTOR_PENDING"},
        {ROTOR_TIMED_OUT, "ROTOR_TIMED_OUT"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal((size_t)names[i].status, i);
        assert_string_equal(rotor_status_name(names[i].status), names[i].name);
        const char *message = rotor_status_message(names[i].status);
        assert_true(strlen(message) > 3 && message[strlen(message) - 1] != '.');
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(message, rotor_status_message(names[k].status));
        }
    }
    assert_string_equal(rotor_status_name((rotor_status)23), "unknown status");
    assert_string_equal(rotor_status_name((rotor_status)-1), "unknown status");
    assert_string_equal(rotor_status_name((rotor_status)INT32_MAX), "unknown status");
    assert_non_null(rotor_status_message((rotor_status)23));
    assert_non_null(rotor_status_message((rotor_status)-1));
    char version[40];
    (void)snprintf(version, sizeof version, "%d.%d.%d", ROTOR_VERSION_MAJOR, ROTOR_VERSION_MINOR, ROTOR_VERSION_PATCH);
    assert_string_equal(rotor_version(), version);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_is_full_at_arity_to_the_depth),
        cmocka_unit_test(one_by_one_until_full),
        cmocka_unit_test(a_tree_holds_at_most_max_leaves),
        cmocka_unit_test(counts_that_overflow),
        cmocka_unit_test(reserve_of_what_is_there_does_nothing),
        cmocka_unit_test(the_empty_tree),
        cmocka_unit_test(an_empty_batch),
        cmocka_unit_test(nodes_that_are_not_there),
        cmocka_unit_test(null_pointers_in_calls_on_a_tree),
        cmocka_unit_test(failures_leave_outputs_alone),
        cmocka_unit_test(words_for_every_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
