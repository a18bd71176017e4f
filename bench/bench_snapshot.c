/* Taking a snapshot of trees of several sizes, and turning to a past size. */
#include "bench.h"
#include "limits.h"
#include "reference.h"

#include <stdio.h>

#define TAKES 4096u

static double take_ns(rotor_tree *tree, rotor_snapshot *snapshot) {
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < TAKES; i++) {
        rotor_bench_expect_ok(rotor_snapshot_take(tree, snapshot), "snapshot_take");
    }
    return (double)(rotor_bench_now_ns() - begin) / TAKES;
}

#define PASTS 256u

/* *needed: compressions for one. */
static double past_ns(const rotor_snapshot *snapshot, double *needed, uint64_t *random) {
    uint64_t sizes[PASTS];
    *needed = 0;
    for (unsigned i = 0; i < PASTS; i++) {
        sizes[i] = 1 + rotor_bench_random(random) % snapshot->size;
        *needed += (double)rotor_bench_past_compressions(rotor_arity(snapshot->tree), sizes[i]) / PASTS;
    }
    rotor_snapshot past;
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < PASTS; i++) {
        rotor_bench_expect_ok(rotor_snapshot_at(snapshot, &past, sizes[i]), "snapshot_at");
    }
    return (double)(rotor_bench_now_ns() - begin) / PASTS;
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
    rotor_bench_samples take_limit = {.count = 0};
    rotor_bench_samples past_limit = {.count = 0};
    size_t bytes = offsetof(rotor_snapshot, edge) + ((size_t)snapshot.depth + 1) * sizeof(rotor_hash);
    uint64_t random = 11;
    for (size_t round = 0; round < rotor_bench_rounds(bench, 15, 45); round++) {
        double needed;
        double ns = take_ns(tree, &snapshot);
        rotor_bench_add(&take, ns);
        rotor_bench_add(&take_limit, rotor_bench_cached_copy_ns(bytes) / ns);
        ns = past_ns(&snapshot, &needed, &random);
        rotor_bench_add(&past, ns);
        rotor_bench_add(&past_limit, needed * rotor_bench_lone_ns(bench->hasher) / ns);
    }
    rotor_close(tree, NULL);
    rotor_bench_row row = rotor_bench_row_of("snapshot_take", n, leaves, 1);
    rotor_bench_number(&row, "copied_bytes", (double)bytes);
    rotor_bench_limit(&row, ROTOR_BENCH_CACHED, rotor_bench_median(&take_limit));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &take);
    row = rotor_bench_row_of("snapshot_at", n, leaves, 1);
    rotor_bench_text(&row, "size", "random");
    rotor_bench_limit(&row, ROTOR_BENCH_CHAIN, rotor_bench_median(&past_limit));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &past);
    if (n == 4 && leaves == 1000000) {
        rotor_bench_against(bench->output, "snapshot", rotor_bench_median(&take));
    }
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
