/* Leaves inserted one by one: with the root of each, a chain of compressions; and without, a root read now and then. */
#include "baseline.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE_LEAVES 1000000u
#define WITH_ROOT 4096u  /* inserts in one sample: whole turns of the lower levels of every arity measured */
#define ROOT_EVERY 1000u /* inserts without a root, then one root */
#define WITHOUT_ROOT BASE_LEAVES

/* Compressions of one insert on average when nothing is hashed twice: a group hashes only the blocks from its last
 * child on, unless its parent is new or has grown, in which case it hashes all. */
static double expected_compressions(unsigned n) {
    uint64_t total = 0;
    for (uint64_t index = BASE_LEAVES; index < BASE_LEAVES + WITH_ROOT; index++) {
        uint64_t last = index;
        uint64_t before = index - 1; /* the last node of the level before this insert */
        while (last > 0) {
            unsigned width = (unsigned)(last % n) + 1;
            bool changed = last != before;
            if (width > 1) {
                total += changed ? rotor_bench_blocks(width) : 2 - (width & 1);
            }
            last /= n;
            before /= n;
        }
    }
    return (double)total / WITH_ROOT;
}

static void measure_with_root(rotor_bench *bench, unsigned n, double bound) {
    rotor_tree *tree = rotor_bench_tree(n, 1);
    rotor_bench_baseline baseline = rotor_bench_baseline_new(BASE_LEAVES + WITH_ROOT, n);
    rotor_hash expected;
    rotor_bench_baseline_node(&baseline, &expected, bench->leaves, BASE_LEAVES + WITH_ROOT, n, bench->hasher);
    rotor_bench_baseline_free(&baseline);
    rotor_hash root;
    rotor_bench_load(tree, &root, bench->leaves, BASE_LEAVES + WITH_ROOT);
    rotor_bench_samples ns = {.count = 0};
    rotor_bench_samples lone = {.count = 0};
    rotor_bench_samples ratio = {.count = 0};
    for (size_t round = 0; round < rotor_bench_rounds(bench, 21, 61); round++) {
        rotor_bench_expect_ok(rotor_truncate(tree, NULL, BASE_LEAVES), "truncate");
        double lone_ns = rotor_bench_lone_ns(bench->hasher);
        uint64_t begin = rotor_bench_now_ns();
        for (unsigned i = 0; i < WITH_ROOT; i++) {
            rotor_bench_expect_ok(rotor_insert(tree, &root, NULL, bench->leaves + BASE_LEAVES + i), "insert");
        }
        double insert_ns = (double)(rotor_bench_now_ns() - begin) / WITH_ROOT;
        lone_ns = (lone_ns + rotor_bench_lone_ns(bench->hasher)) / 2;
        rotor_bench_expect_equal(&root, &expected, "root after single inserts");
        rotor_bench_add(&ns, insert_ns);
        rotor_bench_add(&lone, lone_ns);
        rotor_bench_add(&ratio, insert_ns / lone_ns);
    }
    rotor_close(tree, NULL);
    rotor_bench_row row = rotor_bench_row_of("insert_with_root", n, BASE_LEAVES, 1);
    rotor_bench_number(&row, "lone_compressions", rotor_bench_median(&ratio));
    rotor_bench_number(&row, "at_best", rotor_bench_min(&ns) / rotor_bench_min(&lone));
    rotor_bench_number(&row, "needed_compressions", expected_compressions(n));
    rotor_bench_number(&row, "lone_ns", rotor_bench_median(&lone));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &ns);
    if (bound > 0) {
        char what[96];
        snprintf(what, sizeof what, "insert with root, N=%u, 1M leaves (%.4g and 10 %%)", n, bound);
        rotor_bench_bound(bench->output, what, rotor_bench_median(&ratio), false, bound * 1.1, "compressions");
    }
}

static double without_root_ns(const rotor_bench *bench, rotor_tree *tree, rotor_hash *root) {
    uint64_t begin = rotor_bench_now_ns();
    for (uint64_t i = 0; i < WITHOUT_ROOT;) {
        for (unsigned j = 0; j < ROOT_EVERY; j++, i++) {
            rotor_bench_expect_ok(rotor_insert(tree, NULL, NULL, bench->leaves + i), "insert");
        }
        rotor_bench_expect_ok(rotor_root(tree, root), "root");
    }
    return (double)(rotor_bench_now_ns() - begin) / WITHOUT_ROOT;
}

static void measure_without_root(rotor_bench *bench, unsigned n) {
    rotor_bench_baseline baseline = rotor_bench_baseline_new(WITHOUT_ROOT, n);
    rotor_hash expected;
    rotor_bench_baseline_node(&baseline, &expected, bench->leaves, WITHOUT_ROOT, n, bench->hasher);
    rotor_bench_baseline_free(&baseline);
    rotor_tree *touched = rotor_bench_tree(n, 1);
    rotor_hash root;
    rotor_bench_load(touched, &root, bench->leaves, WITHOUT_ROOT);
    rotor_bench_samples ns[2];
    memset(ns, 0, sizeof ns);
    for (size_t round = 0; round < rotor_bench_rounds(bench, 5, 21); round++) {
        rotor_bench_expect_ok(rotor_truncate(touched, NULL, 0), "truncate");
        rotor_bench_add(&ns[0], without_root_ns(bench, touched, &root));
        rotor_bench_expect_equal(&root, &expected, "root after inserts without root");
        rotor_tree *fresh = rotor_bench_tree(n, 1);
        rotor_bench_add(&ns[1], without_root_ns(bench, fresh, &root));
        rotor_bench_expect_equal(&root, &expected, "root after inserts without root");
        rotor_close(fresh, NULL);
    }
    rotor_close(touched, NULL);
    for (unsigned i = 0; i < 2; i++) {
        rotor_bench_row row = rotor_bench_row_of("insert_without_root", n, WITHOUT_ROOT, 1);
        rotor_bench_text(&row, "memory", i == 0 ? "touched" : "fresh");
        rotor_bench_number(&row, "root_every", ROOT_EVERY);
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &ns[i]);
        char what[96];
        snprintf(what, sizeof what, "insert without root, root each 1,000, N=%u, %s memory", n,
                 i == 0 ? "touched" : "fresh");
        rotor_bench_bound(bench->output, what, rotor_bench_median(&ns[i]), false, 60, "ns");
    }
}

void rotor_bench_insert(rotor_bench *bench) {
    static const double bounds[ROTOR_BENCH_ARITIES] = {0, 17, 12.5, 12.5};
    rotor_bench_section(bench->output,
                        "single inserts: with the root of each into a tree of a million leaves; without, "
                        "from an empty one");
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        measure_with_root(bench, rotor_bench_arities[a], bounds[a]);
    }
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        measure_without_root(bench, rotor_bench_arities[a]);
    }
}
