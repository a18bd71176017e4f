/* Taking a snapshot of trees of several sizes, and turning to a past size. */
#include "bench.h"

#include <stdio.h>

#define TAKES 4096u

static double take_ns(rotor_tree *tree, rotor_snapshot *snapshot) {
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < TAKES; i++) {
        rotor_bench_expect_ok(rotor_snapshot_take(tree, snapshot), "snapshot_take");
    }
    return (double)(rotor_bench_now_ns() - begin) / TAKES;
}

static double past_ns(const rotor_snapshot *snapshot, uint64_t *random) {
    rotor_snapshot past;
    uint64_t begin = rotor_bench_now_ns();
    const unsigned takes = TAKES / 16;
    for (unsigned i = 0; i < takes; i++) {
        uint64_t size = 1 + rotor_bench_random(random) % snapshot->size;
        rotor_bench_expect_ok(rotor_snapshot_at(snapshot, &past, size), "snapshot_at");
    }
    return (double)(rotor_bench_now_ns() - begin) / takes;
}

static void measure(rotor_bench *bench, unsigned n, uint64_t leaves) {
    rotor_tree *tree = rotor_bench_tree(n, 0);
    rotor_hash root;
    rotor_bench_load(tree, &root, bench->leaves, (size_t)leaves);
    rotor_snapshot snapshot;
    take_ns(tree, &snapshot);
    rotor_bench_expect_equal(&snapshot.edge[snapshot.depth], &root, "root of a snapshot");
    rotor_bench_samples take = {.count = 0};
    rotor_bench_samples past = {.count = 0};
    uint64_t random = 11;
    for (size_t round = 0; round < rotor_bench_rounds(bench, 15, 45); round++) {
        rotor_bench_add(&take, take_ns(tree, &snapshot));
        rotor_bench_add(&past, past_ns(&snapshot, &random));
    }
    rotor_close(tree, NULL);
    rotor_bench_row row = rotor_bench_row_of("snapshot_take", n, leaves, 1);
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &take);
    row = rotor_bench_row_of("snapshot_at", n, leaves, 1);
    rotor_bench_text(&row, "size", "random");
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &past);
    char what[96];
    snprintf(what, sizeof what, "snapshot, N=%u, %llu leaves", n, (unsigned long long)leaves);
    rotor_bench_bound(bench->output, what, rotor_bench_median(&take), false, 150, "ns");
}

void rotor_bench_snapshot(rotor_bench *bench) {
    static const uint64_t sizes[] = {1000, 1000000, ROTOR_BENCH_LEAVES_MAX};
    static const unsigned arities[] = {2, 4};
    rotor_bench_section(bench->output, "snapshots");
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            measure(bench, arities[a], sizes[s]);
        }
    }
}
