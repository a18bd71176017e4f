/* Trees of up to millions of leaves: every node against levels that the portable kernel hashes one after the other, for
 * every kernel, several numbers of threads and awkward sizes of tasks; and memory of the caller at its most unfriendly,
 * misaligned or with forbidden pages on both sides. */
#include "support.h"

#include <sys/mman.h>
#include <unistd.h>

#define MAX_DEPTH 32

/* All nodes, a piece at a time, so that a large tree is compared without a second copy of it. */
static void expect_all_nodes(rotor_tree *tree, const test_levels *levels, const char *what) {
    enum { PIECE = 5000 };
    rotor_hash *nodes = test_alloc(PIECE, sizeof *nodes);
    rotor_snapshot snapshot;
    expect_ok(rotor_snapshot_take(tree, &snapshot), "%s", what);
    expect(snapshot.size == levels->length[0] && snapshot.depth == levels->depth, "%s: size %" PRIu64, what,
           snapshot.size);
    for (uint32_t l = 0; l <= levels->depth; l++) {
        for (uint64_t first = 0; first < levels->length[l]; first += PIECE) {
            uint64_t rest = levels->length[l] - first;
            size_t count = rest < PIECE ? (size_t)rest : PIECE;
            expect_ok(rotor_snapshot_nodes(&snapshot, nodes, count, l, first), "%s", what);
            if (memcmp(nodes, levels->node[l] + first, count * sizeof *nodes) != 0) {
                for (size_t i = 0; i < count; i++) {
                    expect(test_same_hash(&nodes[i], &levels->node[l][first + i]),
                           "%s: arity %u size %" PRIu64 ": node (%u, %" PRIu64 ")", what, levels->arity,
                           levels->length[0], l, first + i);
                }
            }
        }
    }
    free(nodes);
}

static void insert_in_random_batches(rotor_tree *tree, const rotor_hash *leaves, uint64_t size, uint64_t most,
                                     test_random *random) {
    for (uint64_t done = rotor_size(tree); done < size;) {
        rotor_hash root;
        uint64_t count = 1 + test_below(random, test_below(random, 2) == 0 ? most : 100);
        count = count < size - done ? count : size - done;
        expect_ok(rotor_insert_many(tree, test_below(random, 2) == 0 ? &root : NULL, NULL, leaves + done, count),
                  "%" PRIu64 " leaves at %" PRIu64, count, done);
        done += count;
    }
}

static void any_number_of_threads_makes_the_same_tree(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 8, 16, 33, 255};
    static const uint32_t threads[] = {1, 2, 3, 8};
    static const uint64_t thresholds[] = {1, 3, 0};
    static const uint64_t tasks[] = {1, 7, 333, 0};
    uint64_t size = test_scaled(600011);
    uint64_t seed = test_seed(31);
    test_random random = {seed};
    rotor_hash *leaves = test_random_leaves(seed, size);
    char what[100];
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        test_levels levels;
        test_levels_build(&levels, arities[a], leaves, size, test_portable());
        for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
            rotor_options options;
            rotor_options_init(&options, arities[a], MAX_DEPTH);
            options.threads = threads[t];
            options.parallel_threshold = thresholds[(a + t) % 3];
            options.task_nodes = tasks[(a + 2 * t) % 4];
            rotor_tree *tree = test_create_with(&options);
            insert_in_random_batches(tree, leaves, size, t % 2 == 0 ? size / 3 : size / 50 + 1, &random);
            (void)snprintf(what, sizeof what, "seed %" PRIu64 ", %u threads, threshold %" PRIu64 ", tasks %" PRIu64,
                           seed, options.threads, options.parallel_threshold, options.task_nodes);
            expect_all_nodes(tree, &levels, what);
            rotor_close(tree, NULL);
        }
        test_levels_free(&levels);
    }
    free(leaves);
}

static void millions_of_leaves(void **state) {
    (void)state;
    static const uint32_t arities[] = {3, 16};
    uint64_t size = test_scaled(3000077);
    rotor_hash *leaves = test_random_leaves(32, size);
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        test_levels levels;
        test_levels_build(&levels, arities[a], leaves, size, test_portable());
        rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
        rotor_hash root;
        expect_ok(rotor_insert_many(tree, &root, NULL, leaves, size), "arity %u", arities[a]);
        expect(test_same_hash(&root, test_levels_root(&levels)), "arity %u", arities[a]);
        expect_all_nodes(tree, &levels, "one batch");
        /* Cut within the batch and appended again, from memory that has been used before. */
        expect_ok(rotor_truncate(tree, NULL, size / 3), "arity %u", arities[a]);
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + size / 3, size - size / 3), "arity %u", arities[a]);
        expect_all_nodes(tree, &levels, "cut and appended again");
        rotor_close(tree, NULL);
        test_levels_free(&levels);
    }
    free(leaves);
}

/* Options of work sharing that change between batches must not change the tree. */
static void parallel_options_may_change_at_any_time(void **state) {
    (void)state;
    uint64_t size = test_scaled(200003);
    test_random random = {test_seed(33)};
    rotor_hash *leaves = test_random_leaves(33, size);
    test_levels levels;
    test_levels_build(&levels, 5, leaves, size, test_portable());
    rotor_options options;
    rotor_options_init(&options, 5, MAX_DEPTH);
    options.threads = 3;
    rotor_tree *tree = test_create_with(&options);
    for (unsigned i = 1; i <= 20; i++) {
        expect_ok(rotor_set_parallel(tree, test_below(&random, 2000), test_below(&random, 5000)), "change %u", i);
        insert_in_random_batches(tree, leaves, size * i / 20, size / 30 + 1, &random);
    }
    expect_all_nodes(tree, &levels, "changing options");
    rotor_close(tree, NULL);
    test_levels_free(&levels);
    free(leaves);
}

static void every_kernel_makes_the_same_tree(void **state) {
    (void)state;
    uint64_t size = test_scaled(25000) + 1234;
    rotor_hash *leaves = test_random_leaves(34, size);
    test_random random = {test_seed(34)};
    static const uint32_t arities[] = {2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 64, 255};
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        test_levels levels;
        test_levels_build(&levels, arities[a], leaves, size, NULL);
        const rotor_hasher *hasher;
        for (size_t k = 0; (hasher = rotor_hasher_nth(ROTOR_HASH_BLAKE3, k)) != NULL; k++) {
            rotor_options options;
            rotor_options_init(&options, arities[a], MAX_DEPTH);
            options.kernel = hasher->kernel;
            rotor_tree *tree = test_create_with(&options);
            assert_string_equal(rotor_kernel(tree), hasher->kernel);
            insert_in_random_batches(tree, leaves, size, size / 4 + 1, &random);
            expect_all_nodes(tree, &levels, hasher->kernel);
            rotor_close(tree, NULL);
        }
        test_levels_free(&levels);
    }
    free(leaves);
}

/* ---------------------------------------------------------------- the caller's memory */

static void leaves_at_every_alignment(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 7, 8, 16, 32, 255};
    size_t size = 1000 + (size_t)test_scaled(1000);
    rotor_hash *leaves = test_random_leaves(35, size);
    uint8_t *memory = test_alloc(size * ROTOR_HASH_BYTES + 128, 1);
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        rotor_hash expected = test_root_of(arities[a], leaves, size, NULL);
        rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
        expect_ok(rotor_set_parallel(tree, 1, 1), "every batch by several threads");
        for (size_t offset = 0; offset < 64; offset += test_under_tsan || test_under_valgrind() ? 9 : 1) {
            uint8_t *bytes = memory + (64 - (uintptr_t)memory % 64) + offset;
            memcpy(bytes, leaves, size * ROTOR_HASH_BYTES);
            rotor_hash root;
            expect_ok(rotor_truncate(tree, NULL, 0), "offset %zu", offset);
            expect_ok(rotor_insert_many(tree, &root, NULL, (const rotor_hash *)(const void *)bytes, size), "offset %zu",
                      offset);
            expect(test_same_hash(&root, &expected), "arity %u offset %zu", arities[a], offset);
        }
        rotor_close(tree, NULL);
    }
    free(memory);
    free(leaves);
}

typedef struct guarded {
    uint8_t *mapped;
    size_t mapped_bytes;
    uint8_t *start; /* of the accessible pages */
    uint8_t *end;
} guarded;

static guarded guard(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inner = (bytes + page - 1) / page * page;
    guarded area = {.mapped_bytes = inner + 2 * page};
    area.mapped = mmap(NULL, area.mapped_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(area.mapped != MAP_FAILED);
    area.start = area.mapped + page;
    area.end = area.start + inner;
    assert_int_equal(mprotect(area.start, inner, PROT_READ | PROT_WRITE), 0);
    return area;
}

static void unguard(guarded *area) {
    assert_int_equal(munmap(area->mapped, area->mapped_bytes), 0);
}

/* Reading one byte before the first or behind the last leaf, or writing one round an output, ends the process. */
static void nothing_is_touched_outside_the_callers_arrays(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 8, 16, 31, 33};
    size_t most = 600 + (size_t)test_scaled(20000);
    rotor_hash *leaves = test_random_leaves(36, most);
    guarded area = guard(most * ROTOR_HASH_BYTES);
    guarded output = guard(sizeof(rotor_hash));
    rotor_hash *root = (rotor_hash *)(void *)output.start;
    rotor_hash *last_root = (rotor_hash *)(void *)(output.end - sizeof(rotor_hash));
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        const rotor_hasher *hasher;
        for (size_t k = 0; (hasher = rotor_hasher_nth(ROTOR_HASH_BLAKE3, k)) != NULL; k++) {
            rotor_options options;
            rotor_options_init(&options, arities[a], MAX_DEPTH);
            options.kernel = hasher->kernel;
            options.threads = 2;
            options.parallel_threshold = 1;
            options.task_nodes = 1;
            rotor_tree *tree = test_create_with(&options);
            size_t dense = test_under_tsan || test_under_valgrind() ? 20 : 300;
            for (size_t count = 1; count <= most; count = count < dense ? count + 1 + count / 40 : count * 14 + 3) {
                rotor_hash expected = test_root_of(arities[a], leaves, count, test_portable());
                size_t bytes = count * ROTOR_HASH_BYTES;
                memcpy(area.start, leaves, bytes);
                expect_ok(rotor_truncate(tree, NULL, 0), "count %zu", count);
                expect_ok(rotor_insert_many(tree, root, NULL, (const rotor_hash *)(const void *)area.start, count),
                          "%zu", count);
                expect(test_same_hash(root, &expected), "arity %u, %zu leaves at the start", arities[a], count);
                memcpy(area.end - bytes, leaves, bytes);
                expect_ok(rotor_truncate(tree, NULL, 0), "count %zu", count);
                expect_ok(rotor_insert_many(tree, last_root, NULL, (const rotor_hash *)(const void *)(area.end - bytes),
                                            count),
                          "%zu", count);
                expect(test_same_hash(last_root, &expected), "arity %u, %zu leaves at the end", arities[a], count);
                rotor_snapshot snapshot;
                expect_ok(rotor_snapshot_take(tree, &snapshot), "count %zu", count);
                expect_ok(rotor_snapshot_nodes(&snapshot, (rotor_hash *)(void *)(area.end - bytes), count, 0, 0),
                          "end");
                expect_ok(rotor_snapshot_nodes(&snapshot, (rotor_hash *)(void *)area.start, count, 0, 0), "start");
                expect_ok(rotor_node(tree, last_root, 0, count - 1), "count %zu", count);
                expect(test_same_hash(last_root, &leaves[count - 1]), "arity %u, leaf %zu", arities[a], count - 1);
            }
            memcpy(area.start, leaves, ROTOR_HASH_BYTES);
            memcpy(area.end - ROTOR_HASH_BYTES, leaves, ROTOR_HASH_BYTES);
            for (size_t i = 0; i < 70; i++) {
                expect_ok(
                    rotor_insert(tree, i % 3 != 0 ? root : NULL, NULL, (const rotor_hash *)(const void *)area.start),
                    "one");
                expect_ok(rotor_insert(tree, i % 2 != 0 ? last_root : NULL, NULL,
                                       (const rotor_hash *)(const void *)(area.end - ROTOR_HASH_BYTES)),
                          "one");
            }
            rotor_close(tree, NULL);
        }
    }
    unguard(&output);
    unguard(&area);
    free(leaves);
}

/* Memory is 32 bytes a node and little more, whatever the tree reserves as address space. */
static void memory_stays_close_to_the_nodes(void **state) {
    (void)state;
    uint64_t size = test_scaled(2000000);
    rotor_hash *leaves = test_random_leaves(37, size);
    for (uint32_t arity = 2; arity <= 16; arity *= 2) {
        rotor_tree *tree = test_create(arity, MAX_DEPTH);
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, size), "arity %u", arity);
        uint64_t nodes = 0;
        rotor_snapshot snapshot;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "arity %u", arity);
        for (uint32_t l = 0; l <= snapshot.depth; l++) {
            uint64_t length = 0;
            expect_ok(rotor_snapshot_level_length(&snapshot, &length, l), "level %u", l);
            nodes += length;
        }
        uint64_t bytes = rotor_memory_bytes(tree);
        expect(bytes >= 32 * (nodes - snapshot.depth - 1), "arity %u: %" PRIu64 " bytes hold %" PRIu64 " nodes", arity,
               bytes, nodes);
        /* Small trees are mostly the rounding of each level to whole pages. */
        if (size >= 1000000) {
            expect(bytes <= 32 * nodes + 32 * nodes / 20, "arity %u: %" PRIu64 " bytes for %" PRIu64 " nodes", arity,
                   bytes, nodes);
        }
        rotor_close(tree, NULL);
    }
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_makes_the_same_tree),
        cmocka_unit_test(millions_of_leaves),
        cmocka_unit_test(parallel_options_may_change_at_any_time),
        cmocka_unit_test(every_kernel_makes_the_same_tree),
        cmocka_unit_test(leaves_at_every_alignment),
        cmocka_unit_test(nothing_is_touched_outside_the_callers_arrays),
        cmocka_unit_test(memory_stays_close_to_the_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
