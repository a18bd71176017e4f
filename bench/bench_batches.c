/* Inserts in batches of many sizes, each batch with its root, into a tree of a million leaves in touched memory. */
#include "baseline.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#define BASE_LEAVES 1000000u

typedef struct batch_size {
    size_t leaves;
    size_t batches; /* in one sample */
} batch_size;

static double fill_ns(const rotor_bench *bench, rotor_tree *tree, unsigned threads, const batch_size *size,
                      rotor_hash *root) {
    rotor_bench_expect_ok(rotor_truncate(tree, NULL, BASE_LEAVES), "truncate");
    const rotor_hash *next = bench->leaves + BASE_LEAVES;
    rotor_bench_span start = rotor_bench_start();
    for (size_t i = 0; i < size->batches; i++) {
        rotor_bench_load(tree, root, next, size->leaves);
        next += size->leaves;
    }
    return rotor_bench_span_ns(rotor_bench_stop(start), threads);
}

static void measure(rotor_bench *bench, const rotor_bench_baseline *baseline, unsigned n, const batch_size *size) {
    uint64_t added = size->leaves * size->batches;
    rotor_hash expected;
    rotor_bench_baseline_node(baseline, &expected, bench->leaves, BASE_LEAVES + added, n, bench->hasher);
    unsigned counts[2] = {1, bench->cpus};
    for (unsigned c = 0; c < (bench->cpus > 1 ? 2u : 1u); c++) {
        rotor_tree *tree = rotor_bench_tree(n, counts[c]);
        rotor_hash root;
        rotor_bench_load(tree, &root, bench->leaves, BASE_LEAVES);
        fill_ns(bench, tree, counts[c], size, &root); /* touches the memory */
        rotor_bench_samples rate = {.count = 0};
        rotor_bench_samples fraction = {.count = 0};
        for (size_t round = 0; round < rotor_bench_rounds(bench, 7, 21); round++) {
            double peak_ns = rotor_bench_peak_ns(bench->hasher, n, counts[c]);
            double leaves_per_ns = (double)added / fill_ns(bench, tree, counts[c], size, &root);
            rotor_bench_expect_equal(&root, &expected, "root after batches");
            rotor_bench_add(&rate, leaves_per_ns * 1e9);
            rotor_bench_add(&fraction, leaves_per_ns * peak_ns * rotor_bench_blocks_per_leaf(n));
        }
        rotor_close(tree, NULL);
        rotor_bench_row row = rotor_bench_row_of("insert_many_batches", n, BASE_LEAVES, counts[c]);
        rotor_bench_number(&row, "batch", (double)size->leaves);
        rotor_bench_number(&row, "ns_per_batch", (double)size->leaves * 1e9 / rotor_bench_median(&rate));
        rotor_bench_number(&row, "peak_fraction", rotor_bench_median(&fraction));
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_LEAVES_PER_S, &rate);
    }
}

void rotor_bench_batches(rotor_bench *bench) {
    static const batch_size sizes[] = {{1, 5000}, {10, 2000}, {100, 1000}, {1000, 500}, {10000, 60}, {65536, 12}};
    static const unsigned arities[] = {4, 16};
    rotor_bench_section(bench->output, "batches with a root each, into a tree of a million leaves, touched memory");
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        rotor_bench_baseline baseline = rotor_bench_baseline_new(2 * BASE_LEAVES, arities[a]);
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            measure(bench, &baseline, arities[a], &sizes[s]);
        }
        rotor_bench_baseline_free(&baseline);
    }
}
