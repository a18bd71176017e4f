/* Checking a tree: every damaged node is named and nothing else is, damaged leaves are narrowed down to their group,
 * the recomputed root is right at every size, and proofs made of damaged nodes are held back when that was asked for.
 * Trees in memory, into whose levels wrong bytes are written. */
#include "support.h"

#include "store/check.h"
#include "tree/tree.h"

#include <pthread.h>

static const uint32_t arities[] = {2, 3, 4, 8, 16};
#define ARITIES (sizeof arities / sizeof arities[0])

static rotor_tree *grown_tree(uint64_t seed, uint32_t arity, uint64_t size, uint32_t threads, bool verify_proofs) {
    rotor_options options;
    rotor_options_init(&options, arity, ROTOR_MAX_DEPTH);
    options.threads = threads;
    options.verify_proofs = verify_proofs;
    rotor_tree *tree = test_create_with(&options);
    if (size > 0) {
        rotor_hash *leaves = test_random_leaves(seed, (size_t)size);
        /* With a root, so that the edge is from before anything is damaged. */
        rotor_hash root;
        expect_ok(rotor_insert_many(tree, &root, NULL, leaves, (size_t)size), "arity %u", arity);
        free(leaves);
    }
    return tree;
}

/* Changes one bit of a stored node; twice restores it. */
static void flip(const rotor_tree *tree, uint32_t level, uint64_t index, uint64_t choice) {
    rotor_level_at(tree->levels[level], index)[choice % ROTOR_HASH_BYTES] ^= (uint8_t)(1u << (choice / 32 % 8));
}

static uint64_t power(uint64_t base, uint32_t exponent) {
    uint64_t product = 1;
    while (exponent-- > 0) {
        product *= base;
    }
    return product;
}

/* The sizes at which shapes of trees change, and some others. */
static size_t telling_sizes(uint64_t sizes[32], uint32_t arity) {
    uint64_t n = arity;
    const uint64_t some[] = {1,     2,         n - 1,         n,         n + 1,         2 * n,         n * n - 1,
                             n * n, n * n + 1, n * n + n + 1, 2 * n * n, n * n * n - 1, n * n * n + 1, 100};
    size_t count = 0;
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        if (some[i] > 0 && some[i] <= test_scaled(300) + 60) {
            sizes[count++] = some[i];
        }
    }
    return count;
}

static void empty_and_tiny_trees(void **state) {
    (void)state;
    rotor_check_report report;
    for (uint64_t size = 0; size <= 2; size++) {
        rotor_tree *tree = grown_tree(1, 4, size, 1, false);
        memset(&report, 0xff, sizeof report);
        expect_ok(rotor_check(tree, &report, NULL, NULL), "size %" PRIu64, size);
        assert_int_equal(report.size, size);
        assert_int_equal(report.checkpointed, 0);
        assert_int_equal(report.depth, size == 2);
        assert_int_equal(report.root_matches, 1);
        assert_int_equal(report.bad_nodes, 0);
        assert_int_equal(report.bad_leaves, 0);
        assert_int_equal(report.bad_ranges, 0);
        assert_int_equal(report.repaired, 0);
        assert_int_equal(report.levels[0].nodes, size);
        assert_int_equal(report.levels[1].nodes, 0);
        expect_status(rotor_check(NULL, &report, NULL, NULL), ROTOR_MISUSE, "no tree");
        expect_status(rotor_check(tree, NULL, NULL, NULL), ROTOR_MISUSE, "no report");
        rotor_close(tree, NULL);
    }
}

/* ---------------------------------------------------------------- inner nodes */

typedef struct noted {
    const test_levels *levels;
    uint64_t nodes;
    uint64_t calls;
} noted;

static rotor_status note_bad_nodes(void *context, uint32_t level, uint64_t first, uint64_t count,
                                   const rotor_hash *nodes) {
    noted *these = context;
    these->calls++;
    these->nodes += count;
    for (uint64_t i = 0; i < count; i++) {
        expect(test_same_hash(&nodes[i], &these->levels->node[level][first + i]), "node (%u, %" PRIu64 ")", level,
               first + i);
    }
    return ROTOR_OK;
}

static void each_bad_inner_node(uint32_t arity, uint64_t size) {
    rotor_tree *tree = grown_tree(arity, arity, size, 1, false);
    rotor_hash *leaves = test_random_leaves(arity, (size_t)size);
    test_levels levels;
    test_levels_build(&levels, arity, leaves, size, NULL);
    rotor_check_report report;
    rotor_snapshot snapshot;
    expect_ok(rotor_snapshot_take(tree, &snapshot), "arity %u", arity);
    expect_ok(rotor_check(tree, &report, NULL, NULL), "arity %u size %" PRIu64, arity, size);
    uint64_t nodes = size / arity;
    for (uint32_t level = 1; nodes > 0; level++, nodes /= arity) {
        assert_int_equal(report.levels[level].nodes, nodes);
        for (uint64_t i = 0; i < nodes; i++) {
            flip(tree, level, i, size * 7 + i);
            expect_status(rotor_check(tree, &report, NULL, NULL), ROTOR_DAMAGED,
                          "arity %u size %" PRIu64 " node (%u, %" PRIu64 ")", arity, size, level, i);
            assert_int_equal(report.bad_nodes, 1);
            assert_int_equal(report.root_matches, 1);
            assert_int_equal(report.bad_leaves, 0);
            for (uint32_t l = 0; l <= report.depth; l++) {
                assert_int_equal(report.levels[l].bad, l == level);
            }
            assert_int_equal(report.levels[level].first_bad, i);
            noted these = {.levels = &levels};
            rotor_hash root;
            expect_ok(rotor_check_nodes(&snapshot, size, &report, &root, note_bad_nodes, &these, NULL, NULL), "nodes");
            assert_int_equal(these.nodes, 1);
            expect(test_same_hash(&root, test_levels_root(&levels)), "arity %u size %" PRIu64, arity, size);
            flip(tree, level, i, size * 7 + i);
        }
    }
    expect_ok(rotor_check(tree, &report, NULL, NULL), "arity %u size %" PRIu64, arity, size);
    test_levels_free(&levels);
    free(leaves);
    rotor_close(tree, NULL);
}

static void every_bad_inner_node_is_named(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        uint64_t sizes[32];
        size_t count = telling_sizes(sizes, arities[a]);
        for (size_t i = 0; i < count; i++) {
            each_bad_inner_node(arities[a], sizes[i]);
        }
    }
}

typedef struct damage {
    uint64_t bad[ROTOR_MAX_DEPTH + 1];
    uint64_t first[ROTOR_MAX_DEPTH + 1];
    uint64_t all;
} damage;

/* Damages inner nodes here and there, runs of them, and the last of each level. Which are bad is found by comparing
 * with the oracle. */
static damage damage_many(const rotor_tree *tree, const test_levels *levels, test_random *random, uint64_t hits) {
    uint64_t size = levels->length[0];
    uint64_t nodes = size / levels->arity;
    damage done = {.all = 0};
    for (uint32_t level = 1; nodes > 0; level++, nodes /= levels->arity) {
        for (uint64_t hit = 0; hit <= hits; hit++) {
            uint64_t first = hit == 0 ? nodes - 1 : test_below(random, nodes);
            uint64_t run = hit % 4 == 1 ? 1 + test_below(random, 300) : 1;
            for (uint64_t i = first; i < nodes && i < first + run; i++) {
                flip(tree, level, i, test_next(random));
            }
        }
        for (uint64_t i = 0; i < nodes; i++) {
            if (memcmp(rotor_level_at(tree->levels[level], i), &levels->node[level][i], ROTOR_HASH_BYTES) != 0) {
                done.first[level] = done.bad[level] == 0 ? i : done.first[level];
                done.bad[level]++;
                done.all++;
            }
        }
    }
    return done;
}

static void many_bad_nodes_are_counted(void **state) {
    (void)state;
    uint64_t seed = test_seed(11);
    test_random random = {seed};
    for (size_t a = 0; a < ARITIES; a++) {
        for (uint32_t threads = 1; threads <= 3; threads++) {
            uint64_t size = test_scaled(200000) + test_below(&random, 50000);
            rotor_tree *tree = grown_tree(seed, arities[a], size, threads, false);
            rotor_hash *leaves = test_random_leaves(seed, (size_t)size);
            test_levels levels;
            test_levels_build(&levels, arities[a], leaves, size, test_portable());
            damage done = damage_many(tree, &levels, &random, 20);
            rotor_check_report report;
            rotor_snapshot snapshot;
            rotor_hash root;
            noted these = {.levels = &levels};
            expect_ok(rotor_snapshot_take(tree, &snapshot), "seed %" PRIu64, seed);
            expect_ok(rotor_check_nodes(&snapshot, size, &report, &root, note_bad_nodes, &these, NULL, NULL),
                      "seed %" PRIu64, seed);
            expect(test_same_hash(&root, test_levels_root(&levels)), "arity %u size %" PRIu64, arities[a], size);
            assert_int_equal(these.nodes, done.all);
            assert_true(these.calls <= done.all);
            assert_int_equal(report.bad_nodes, done.all);
            for (uint32_t level = 1; level <= report.depth; level++) {
                expect(report.levels[level].bad == done.bad[level], "arity %u size %" PRIu64 " level %u seed %" PRIu64,
                       arities[a], size, level, seed);
                assert_true(done.bad[level] == 0 || report.levels[level].first_bad == done.first[level]);
            }
            expect_status(rotor_check(tree, &report, NULL, NULL), ROTOR_DAMAGED, "arity %u", arities[a]);
            assert_int_equal(report.bad_nodes, done.all);
            assert_int_equal(report.root_matches, 1);
            assert_int_equal(report.bad_leaves, 0);
            test_levels_free(&levels);
            free(leaves);
            rotor_close(tree, NULL);
        }
    }
}

static rotor_status refuse(void *context, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes) {
    (void)level;
    (void)first;
    (void)count;
    (void)nodes;
    (*(int *)context)++;
    return ROTOR_IO;
}

static void what_is_done_about_bad_nodes_can_fail(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 2; threads++) {
        uint64_t size = test_scaled(400000);
        rotor_tree *tree = grown_tree(3, 4, size, threads, false);
        flip(tree, 1, 5, 5);
        flip(tree, 1, size / 4 - 1, 5);
        flip(tree, 3, 7, 5);
        rotor_snapshot snapshot;
        rotor_check_report report;
        rotor_hash root;
        int calls = 0;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "threads %u", threads);
        expect_status(rotor_check_nodes(&snapshot, size, &report, &root, refuse, &calls, NULL, NULL), ROTOR_IO,
                      "threads %u", threads);
        assert_int_equal(calls, 1);
        rotor_close(tree, NULL);
    }
}

/* ---------------------------------------------------------------- roots */

/* Around the ends of blocks, whose sizes are powers of the arity times a small number, and at any size. */
static void roots_are_right_at_every_size(void **state) {
    (void)state;
    uint64_t seed = test_seed(5);
    test_random random = {seed};
    static const uint32_t more[] = {2, 3, 4, 5, 8, 16, 37, 100, 255};
    for (size_t a = 0; a < sizeof more / sizeof more[0]; a++) {
        uint64_t most = test_scaled(270000) + 1;
        rotor_tree *tree = grown_tree(seed, more[a], most, 2, false);
        rotor_snapshot snapshot;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "arity %u", more[a]);
        for (uint64_t i = 0; i < 60; i++) {
            uint64_t size = test_below(&random, most + 1);
            if (i < 40) {
                uint64_t unit = power(more[a], 1 + (uint32_t)test_below(&random, 4));
                size = unit * (1 + test_below(&random, 20)) + i % 3 - 1;
                size = size < most ? size : most - i % 3;
            }
            rotor_check_report report;
            rotor_snapshot past;
            rotor_hash root;
            expect_ok(rotor_check_nodes(&snapshot, size, &report, &root, NULL, NULL, NULL, NULL),
                      "arity %u size %" PRIu64, more[a], size);
            expect_ok(rotor_snapshot_at(&snapshot, &past, size), "size %" PRIu64, size);
            assert_int_equal(report.bad_nodes, 0);
            expect(size == 0 || test_same_hash(&root, &past.edge[past.depth]),
                   "arity %u size %" PRIu64 " seed %" PRIu64, more[a], size, seed);
            assert_int_equal(report.depth, past.depth);
            assert_int_equal(report.size, size);
        }
        rotor_check_report report;
        rotor_hash root;
        expect_status(rotor_check_nodes(&snapshot, most + 1, &report, &root, NULL, NULL, NULL, NULL),
                      ROTOR_OUT_OF_RANGE, "more leaves than there are");
        rotor_close(tree, NULL);
    }
}

/* ---------------------------------------------------------------- leaves */

typedef struct span {
    uint64_t first;
    uint64_t end;
} span;

/* The group of a leaf in a tree of `size` leaves. */
static span group_of(uint32_t arity, uint64_t size, uint64_t leaf) {
    uint64_t first = leaf / arity * arity;
    return (span){first, size - first < arity ? size : first + arity};
}

static void expect_one_range(const rotor_check_report *report, span group, const char *what, uint32_t arity,
                             uint64_t size) {
    expect(report->bad_ranges == 1 && report->ranges[0].first == group.first &&
               report->ranges[0].count == group.end - group.first && report->bad_leaves == group.end - group.first,
           "%s: arity %u size %" PRIu64 ": %u ranges, first %" PRIu64 "+%" PRIu64 ", not %" PRIu64 "..%" PRIu64, what,
           arity, size, report->bad_ranges, report->ranges[0].first, report->ranges[0].count, group.first, group.end);
}

static void each_bad_leaf(uint32_t arity, uint64_t size) {
    uint64_t behind = arity + 1; /* leaves that the root in question does not stand for */
    rotor_tree *tree = grown_tree(arity, arity, size, 1, false);
    rotor_tree *longer = grown_tree(arity, arity, size + behind, 1, false);
    rotor_snapshot snapshot;
    rotor_snapshot past;
    rotor_check_report report;
    expect_ok(rotor_snapshot_take(longer, &snapshot), "arity %u", arity);
    expect_ok(rotor_snapshot_at(&snapshot, &past, size), "arity %u", arity);
    for (uint64_t leaf = 0; leaf < size; leaf++) {
        span group = group_of(arity, size, leaf);
        flip(tree, 0, leaf, leaf);
        expect_status(rotor_check(tree, &report, NULL, NULL), ROTOR_DAMAGED, "arity %u size %" PRIu64, arity, size);
        assert_int_equal(report.root_matches, 0);
        expect_one_range(&report, group, "present", arity, size);
        uint64_t nodes = size / arity;
        uint64_t index = leaf / arity;
        uint64_t bad = 0;
        for (uint32_t level = 1; index < nodes; level++, index /= arity, nodes /= arity, bad++) {
            assert_int_equal(report.levels[level].bad, 1);
            assert_int_equal(report.levels[level].first_bad, index);
        }
        assert_int_equal(report.bad_nodes, bad);
        flip(tree, 0, leaf, leaf);

        flip(longer, 0, leaf, leaf);
        memset(&report, 0, sizeof report);
        expect_ok(rotor_check_find_bad_leaves(&snapshot, size, &past.edge[past.depth], 0, &report), "past");
        expect_one_range(&report, group, "past", arity, size);
        flip(longer, 0, leaf, leaf);
    }
    rotor_close(tree, NULL);
    rotor_close(longer, NULL);
}

static void every_bad_leaf_is_narrowed_down(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        uint64_t sizes[32];
        size_t count = telling_sizes(sizes, arities[a]);
        for (size_t i = 0; i < count; i++) {
            each_bad_leaf(arities[a], sizes[i]);
        }
    }
}

static bool is_above(uint32_t arity, uint32_t level, uint64_t index, uint64_t leaf) {
    return leaf / power(arity, level) == index;
}

static bool is_covered(const rotor_check_report *report, span group) {
    for (uint32_t i = 0; i < report->bad_ranges && i < ROTOR_REPORT_RANGES; i++) {
        if (report->ranges[i].first <= group.first && report->ranges[i].first + report->ranges[i].count >= group.end) {
            return true;
        }
    }
    return false;
}

/* A bad leaf and one to three bad inner nodes anywhere: only the leaf's group is blamed, as long as something right
 * vouches for the rest. Nothing does when such a node is above the leaf, or when the leaf is in the last, unfinished
 * group of a past size, for which nothing is stored; then that group and those below the nodes may be blamed as well.
 */
static void a_bad_leaf_is_found_among_bad_nodes(void **state) {
    (void)state;
    uint64_t seed = test_seed(23);
    test_random random = {seed};
    for (uint64_t round = 0; round < test_scaled(6000); round++) {
        uint32_t arity = arities[test_below(&random, ARITIES)];
        uint64_t size = arity + test_below(&random, 400);
        uint64_t longer = size + test_below(&random, 2) * test_below(&random, 40);
        rotor_tree *tree = grown_tree(seed, arity, longer, 1, false);
        rotor_snapshot snapshot;
        rotor_snapshot past;
        rotor_check_report report;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "seed %" PRIu64, seed);
        expect_ok(rotor_snapshot_at(&snapshot, &past, size), "seed %" PRIu64, seed);
        uint64_t leaf = test_below(&random, size);
        span group = group_of(arity, size, leaf);
        bool has_witness = leaf < size / arity * arity || longer == size;
        uint64_t most = group.end - group.first + size % arity;
        flip(tree, 0, leaf, round);
        for (uint64_t hit = 0; hit <= round % 3; hit++) {
            uint32_t level = 1;
            uint64_t nodes = size / arity;
            while (nodes / arity > 0 && test_below(&random, 2) == 0) {
                nodes /= arity;
                level++;
            }
            uint64_t index = test_below(&random, nodes);
            flip(tree, level, index, round + 1 + hit);
            has_witness = has_witness && !is_above(arity, level, index, leaf);
            most += level == 1 ? arity : 0;
        }
        memset(&report, 0, sizeof report);
        expect_ok(rotor_check_find_bad_leaves(&snapshot, size, &past.edge[past.depth], 0, &report), "seed");
        if (has_witness) {
            expect_one_range(&report, group, "both", arity, size);
        } else {
            expect(is_covered(&report, group) && report.bad_leaves <= most,
                   "arity %u size %" PRIu64 " leaf %" PRIu64 ": %" PRIu64 " bad leaves from %" PRIu64 ", seed %" PRIu64,
                   arity, size, leaf, report.bad_leaves, report.ranges[0].first, seed);
        }
        rotor_close(tree, NULL);
    }
}

static void ranges_are_merged_and_counted(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        uint32_t arity = arities[a];
        uint64_t groups = 400;
        uint64_t size = groups * arity + 1;
        rotor_tree *tree = grown_tree(9, arity, size, 2, false);
        rotor_check_report report;
        uint64_t bad_groups = 0;
        uint32_t ranges = 0;
        bool before = false;
        span expected[ROTOR_REPORT_RANGES];
        /* Groups 3k and, for odd k, the next one. */
        for (uint64_t g = 0; g < groups; g++) {
            bool bad = g % 3 == 0 || (g % 3 == 1 && g / 3 % 2 == 1);
            if (bad) {
                flip(tree, 0, g * arity + g % arity, g);
                bad_groups++;
                if (!before && ranges++ < ROTOR_REPORT_RANGES) {
                    expected[ranges - 1].first = g * arity;
                }
                if (ranges <= ROTOR_REPORT_RANGES) {
                    expected[ranges - 1].end = (g + 1) * arity;
                }
            }
            before = bad;
        }
        expect_status(rotor_check(tree, &report, NULL, NULL), ROTOR_DAMAGED, "arity %u", arity);
        assert_int_equal(report.bad_leaves, bad_groups * arity);
        assert_int_equal(report.bad_ranges, ranges);
        assert_true(ranges > ROTOR_REPORT_RANGES);
        for (size_t i = 0; i < ROTOR_REPORT_RANGES; i++) {
            assert_int_equal(report.ranges[i].first, expected[i].first);
            assert_int_equal(report.ranges[i].first + report.ranges[i].count, expected[i].end);
        }
        rotor_close(tree, NULL);
    }
}

/* When everything is consistent but for the root, nothing can be vouched for. */
static void another_root_blames_all(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        for (uint64_t size = 1; size < 3 * (uint64_t)arities[a] * arities[a]; size += 5) {
            rotor_tree *tree = grown_tree(13, arities[a], size, 1, false);
            rotor_snapshot snapshot;
            rotor_check_report report;
            expect_ok(rotor_snapshot_take(tree, &snapshot), "size %" PRIu64, size);
            rotor_hash other = test_random_leaf(99, size);
            memset(&report, 0, sizeof report);
            expect_ok(rotor_check_find_bad_leaves(&snapshot, size, &other, 0, &report), "size %" PRIu64, size);
            assert_true(report.bad_ranges >= 1 && report.bad_leaves >= 1);
            assert_int_equal(report.ranges[report.bad_ranges - 1].first + report.ranges[report.bad_ranges - 1].count,
                             size);
            if (size > 1) {
                memset(&report, 0, sizeof report);
                expect_ok(rotor_check_find_bad_leaves(&snapshot, size, &other, size - 1, &report), "proven");
                assert_int_equal(report.bad_ranges, 1);
                assert_int_equal(report.ranges[0].first, size - 1);
                assert_int_equal(report.bad_leaves, 1);
            }
            rotor_close(tree, NULL);
        }
    }
}

/* ---------------------------------------------------------------- progress, and truncations meanwhile */

typedef struct watcher {
    pthread_t caller;
    uint64_t calls;
    uint64_t last;
    uint64_t total;
    uint64_t stop_at; /* call; 0: never */
    rotor_tree *truncate;
    bool elsewhere;
} watcher;

static int watch(void *context, uint64_t done, uint64_t total) {
    watcher *these = context;
    these->calls++;
    these->elsewhere = these->elsewhere || pthread_equal(these->caller, pthread_self()) == 0 || done <= these->last;
    these->last = done;
    these->total = total;
    if (these->truncate != NULL && these->calls == 1) {
        expect_ok(rotor_truncate(these->truncate, NULL, 10), "truncate");
    }
    return these->calls == these->stop_at;
}

static void progress_is_told_and_can_stop(void **state) {
    (void)state;
    uint64_t size = 700001;
    for (uint32_t threads = 1; threads <= 2; threads++) {
        rotor_tree *tree = grown_tree(17, 4, size, threads, false);
        rotor_check_report report;
        watcher these = {.caller = pthread_self()};
        expect_ok(rotor_check(tree, &report, watch, &these), "threads %u", threads);
        assert_true(these.calls > 1);
        assert_false(these.elsewhere);
        assert_int_equal(these.last, size);
        assert_int_equal(these.total, size);
        for (uint64_t stop = 1; stop <= these.calls; stop++) {
            watcher stopping = {.caller = pthread_self(), .stop_at = stop};
            memset(&report, 0xab, sizeof report);
            expect_status(rotor_check(tree, &report, watch, &stopping), ROTOR_TIMED_OUT, "stop %" PRIu64, stop);
            assert_int_equal(stopping.calls, stop);
            assert_int_equal(report.size, UINT64_C(0xabababababababab));
        }
        rotor_close(tree, NULL);
    }
}

static void a_truncation_makes_it_stale(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 2; threads++) {
        rotor_tree *tree = grown_tree(19, 4, 700001, threads, false);
        rotor_snapshot snapshot;
        rotor_check_report report;
        rotor_hash root;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "threads %u", threads);
        watcher these = {.caller = pthread_self(), .truncate = tree};
        memset(&report, 0xab, sizeof report);
        expect_status(rotor_check(tree, &report, watch, &these), ROTOR_STALE, "threads %u", threads);
        assert_int_equal(these.calls, 1);
        assert_int_equal(report.size, UINT64_C(0xabababababababab));
        flip(tree, 1, 0, 1);
        int calls = 0;
        expect_status(rotor_check_nodes(&snapshot, 700001, &report, &root, refuse, &calls, NULL, NULL), ROTOR_STALE,
                      "what is stale is not judged");
        assert_int_equal(calls, 0);
        expect_status(rotor_check_find_bad_leaves(&snapshot, 700001, &root, 0, &report), ROTOR_STALE, "stale");
        flip(tree, 1, 0, 1);
        expect_ok(rotor_check(tree, &report, NULL, NULL), "what is left");
        assert_int_equal(report.size, 10);
        rotor_close(tree, NULL);
    }
}

typedef struct cutting {
    rotor_tree *tree;
    _Atomic bool ended;
} cutting;

static void *cut_and_grow(void *context) {
    cutting *these = context;
    for (uint64_t round = 0; !atomic_load(&these->ended); round++) {
        rotor_hash *leaves = test_random_leaves(round, 5000);
        rotor_status status = rotor_truncate(these->tree, NULL, 20000 + round % 7);
        if (status == ROTOR_OK) {
            status = rotor_insert_many(these->tree, NULL, NULL, leaves, 5000);
        }
        free(leaves);
        if (status != ROTOR_OK) {
            return these;
        }
    }
    return NULL;
}

/* Whatever is overwritten while it is read, a whole tree is never called damaged. */
static void a_growing_tree_is_not_called_damaged(void **state) {
    (void)state;
    rotor_tree *tree = grown_tree(29, 4, 25000, 2, false);
    cutting these = {.tree = tree, .ended = false};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cut_and_grow, &these), 0);
    uint64_t checked = 0;
    for (uint64_t round = 0; round < test_scaled(300); round++) {
        rotor_check_report report;
        rotor_status status = rotor_check(tree, &report, NULL, NULL);
        expect(status == ROTOR_OK || status == ROTOR_STALE, "round %" PRIu64 ": %s", round, rotor_status_name(status));
        checked += status == ROTOR_OK;
    }
    atomic_store(&these.ended, true);
    void *failed = NULL;
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    rotor_check_report report;
    expect_ok(rotor_check(tree, &report, NULL, NULL), "after %" PRIu64, checked);
    rotor_close(tree, NULL);
}

/* ---------------------------------------------------------------- proofs that are verified before they leave */

/* Compares the proofs of `tree`, which verifies them, with those of `plain`, which does not; both are damaged alike. */
static uint64_t compare_proofs(rotor_tree *tree, rotor_tree *plain, const test_levels *levels) {
    rotor_snapshot snapshot;
    rotor_snapshot plain_snapshot;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_inclusion_proof plain_proof = ROTOR_INCLUSION_PROOF_INIT;
    uint64_t refused = 0;
    expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
    expect_ok(rotor_snapshot_take(plain, &plain_snapshot), "snapshot");
    for (uint64_t i = 0; i < snapshot.size; i++) {
        expect_ok(rotor_inclusion_prove(&plain_snapshot, &plain_proof, i), "leaf %" PRIu64, i);
        rotor_status verdict = rotor_inclusion_verify_self(&plain_proof);
        rotor_status status = rotor_inclusion_prove(&snapshot, &proof, i);
        expect_status(status, verdict == ROTOR_OK ? ROTOR_OK : ROTOR_DAMAGED, "leaf %" PRIu64, i);
        if (status == ROTOR_OK) {
            expect_ok(rotor_inclusion_verify(&proof, &plain_proof.head, &levels->node[0][i]), "leaf %" PRIu64, i);
        } else {
            assert_int_equal(proof.head.size, 0);
            assert_int_equal(proof.sibling_count, 0);
            refused++;
        }
    }
    rotor_inclusion_proof_free(&proof);
    rotor_inclusion_proof_free(&plain_proof);
    return refused;
}

static uint64_t compare_consistency(rotor_tree *tree, rotor_tree *plain, const rotor_hash *true_roots) {
    rotor_snapshot snapshot;
    rotor_snapshot plain_snapshot;
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_consistency_proof plain_proof = ROTOR_CONSISTENCY_PROOF_INIT;
    uint64_t refused = 0;
    expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
    expect_ok(rotor_snapshot_take(plain, &plain_snapshot), "snapshot");
    for (uint64_t old_size = 1; old_size <= snapshot.size; old_size++) {
        expect_ok(rotor_consistency_prove(&plain_snapshot, &plain_proof, old_size), "size %" PRIu64, old_size);
        bool right = rotor_consistency_verify_self(&plain_proof) == ROTOR_OK &&
                     test_same_hash(&plain_proof.old_head.root, &true_roots[old_size]);
        rotor_status status = rotor_consistency_prove(&snapshot, &proof, old_size);
        expect_status(status, right ? ROTOR_OK : ROTOR_DAMAGED, "size %" PRIu64, old_size);
        rotor_tree_head head = plain_proof.old_head;
        head.root = true_roots[old_size];
        expect_status(rotor_consistency_prove_from(&snapshot, &proof, &head), right ? ROTOR_OK : ROTOR_DAMAGED,
                      "from a head of size %" PRIu64, old_size);
        if (status == ROTOR_OK) {
            expect_ok(rotor_consistency_verify_self(&proof), "size %" PRIu64, old_size);
            expect(test_same_hash(&proof.old_head.root, &true_roots[old_size]), "size %" PRIu64, old_size);
        } else {
            assert_int_equal(proof.old_head.size, 0);
            assert_int_equal(proof.new_head.size, 0);
            assert_int_equal(proof.hash_count, 0);
            refused++;
        }
    }
    rotor_consistency_proof_free(&proof);
    rotor_consistency_proof_free(&plain_proof);
    return refused;
}

static void damaged_proofs_are_held_back(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        uint32_t arity = arities[a];
        const uint64_t size = 83;
        rotor_tree *tree = grown_tree(31, arity, size, 1, true);
        rotor_tree *plain = grown_tree(31, arity, size, 1, false);
        rotor_hash *leaves = test_random_leaves(31, (size_t)size);
        rotor_hash *roots = test_alloc(size + 1, sizeof *roots);
        for (uint64_t s = 1; s <= size; s++) {
            roots[s] = test_root_of(arity, leaves, s, NULL);
        }
        test_levels levels;
        test_levels_build(&levels, arity, leaves, size, NULL);
        assert_int_equal(compare_proofs(tree, plain, &levels), 0);
        assert_int_equal(compare_consistency(tree, plain, roots), 0);
        uint64_t nodes = size;
        uint64_t refused_consistency = 0;
        for (uint32_t level = 0; nodes > 0; level++, nodes /= arity) {
            for (uint64_t i = 0; i < nodes; i++) {
                flip(tree, level, i, i);
                flip(plain, level, i, i);
                /* The last node of a level is the snapshot's own, and a complete root is no sibling. */
                bool read = i + 1 < levels.length[level];
                uint64_t refused = compare_proofs(tree, plain, &levels);
                expect((refused > 0) == read, "arity %u node (%u, %" PRIu64 ")", arity, level, i);
                refused_consistency += compare_consistency(tree, plain, roots);
                flip(tree, level, i, i);
                flip(plain, level, i, i);
            }
        }
        assert_true(refused_consistency > 0);
        test_levels_free(&levels);
        free(roots);
        free(leaves);
        rotor_close(tree, NULL);
        rotor_close(plain, NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_and_tiny_trees),
        cmocka_unit_test(every_bad_inner_node_is_named),
        cmocka_unit_test(many_bad_nodes_are_counted),
        cmocka_unit_test(what_is_done_about_bad_nodes_can_fail),
        cmocka_unit_test(roots_are_right_at_every_size),
        cmocka_unit_test(every_bad_leaf_is_narrowed_down),
        cmocka_unit_test(a_bad_leaf_is_found_among_bad_nodes),
        cmocka_unit_test(ranges_are_merged_and_counted),
        cmocka_unit_test(another_root_blames_all),
        cmocka_unit_test(progress_is_told_and_can_stop),
        cmocka_unit_test(a_truncation_makes_it_stale),
        cmocka_unit_test(a_growing_tree_is_not_called_damaged),
        cmocka_unit_test(damaged_proofs_are_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
