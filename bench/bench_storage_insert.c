/* Leaves inserted one by one into a durable tree without waiting for the disk, in turn with a tree in memory of the
 * same size: what the background thread that flushes, and being durable at all, cost the caller. */
#include "bench.h"
#include "limits.h"
#include "reference.h"
#include "stored.h"

#include <string.h>

#define BASE_LEAVES 1000000u
#define BASE_BATCH 10000u
#define WITH_ROOT 20000u
#define WITHOUT_ROOT 400000u /* some flush intervals */
#define SPACE ((uint64_t)2 << 30)

/* ns an insert. Without a root each, one is asked for at the end, and its time counts. */
static double insert_ns(const rotor_bench *bench, rotor_tree *tree, rotor_hash *root, bool with_root, unsigned count) {
    const rotor_hash *leaves = bench->leaves + rotor_size(tree);
    rotor_hash *each = with_root ? root : NULL;
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < count; i++) {
        rotor_bench_stored_expect_ok(tree, rotor_insert(tree, each, NULL, leaves + i), "insert");
    }
    rotor_bench_stored_expect_ok(tree, rotor_root(tree, root), "root");
    return (double)(rotor_bench_now_ns() - begin) / count;
}

/* of_limit: of the tree in memory, of what it needs to hash; of the durable one, of the one in memory. */
static void report(const rotor_bench *bench, bool with_root, const rotor_bench_samples ns_of[2],
                   const rotor_bench_samples of_limit[2], const rotor_bench_samples *above) {
    const rotor_bench_samples *memory = &ns_of[0];
    const rotor_bench_samples *stored = &ns_of[1];
    const char *root = with_root ? "each" : "last";
    const char *kinds[] = {"memory", "durable", "durable less memory"};
    const rotor_bench_samples *ns[] = {memory, stored, above};
    for (unsigned i = 0; i < 3; i++) {
        rotor_bench_row row = rotor_bench_row_of("stored_insert", ROTOR_BENCH_STORED_ARITY, BASE_LEAVES, 1);
        rotor_bench_text(&row, "tree", kinds[i]);
        rotor_bench_text(&row, "root", root);
        if (i < 2) {
            const char *limit = with_root ? ROTOR_BENCH_CHAIN : ROTOR_BENCH_KERNEL;
            rotor_bench_limit(&row, i == 0 ? limit : "insert in memory", rotor_bench_median(&of_limit[i]));
        }
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, ns[i]);
    }
    if (with_root) {
        rotor_bench_bound(bench->output, "durable tree, insert with root, above memory, N=4, 1M leaves",
                          rotor_bench_median(above), false, 200, "ns");
        rotor_bench_against(bench->output, "stored insert that does not wait", rotor_bench_median(stored));
    } else {
        rotor_bench_bound(bench->output, "durable tree, insert without root, N=4, 1M leaves",
                          rotor_bench_median(stored), false, 300, "ns");
    }
}

/* ns of hashing that one insert cannot do without. */
static double least_ns(const rotor_bench *bench, uint64_t from, bool with_root, unsigned count) {
    unsigned n = ROTOR_BENCH_STORED_ARITY;
    if (!with_root) {
        return rotor_bench_peak_ns(bench->hasher, n, 1) * rotor_bench_blocks_per_leaf(n);
    }
    double needed = 0;
    for (uint64_t size = from; size < from + count; size++) {
        needed += (double)rotor_bench_chain(n, size, size + 1, true) / count;
    }
    return needed * rotor_bench_lone_ns(bench->hasher);
}

static void measure(const rotor_bench *bench, bool with_root) {
    unsigned count = with_root ? WITH_ROOT : WITHOUT_ROOT;
    rotor_options options = rotor_bench_stored_options(false);
    options.threads = 1;
    rotor_tree *trees[2] = {rotor_bench_tree(ROTOR_BENCH_STORED_ARITY, 1), rotor_bench_stored_open("tree", &options)};
    rotor_hash roots[2];
    for (unsigned i = 0; i < 2; i++) {
        rotor_bench_stored_grow(bench, trees[i], BASE_LEAVES, BASE_BATCH, &roots[i]);
    }
    rotor_bench_samples ns[2];
    rotor_bench_samples of_limit[2];
    rotor_bench_samples above = {.count = 0};
    memset(ns, 0, sizeof ns);
    memset(of_limit, 0, sizeof of_limit);
    for (size_t round = 0; round < rotor_bench_rounds(bench, 9, 21); round++) {
        double now[2];
        double least = least_ns(bench, rotor_size(trees[0]), with_root, count);
        for (unsigned i = 0; i < 2; i++) {
            now[i] = insert_ns(bench, trees[i], &roots[i], with_root, count);
            /* Else the background thread would work on while the other tree is measured. */
            rotor_bench_stored_expect_ok(trees[i], rotor_flush(trees[i]), "flush");
            rotor_bench_add(&ns[i], now[i]);
        }
        rotor_bench_add(&of_limit[0], least / now[0]);
        rotor_bench_add(&of_limit[1], now[0] / now[1]);
        rotor_bench_add(&above, now[1] - now[0]);
        rotor_bench_expect_equal(&roots[0], &roots[1], "root of a durable tree after single inserts");
    }
    rotor_bench_stored_close(trees[0]);
    rotor_bench_stored_close(trees[1]);
    rotor_bench_folder_clear("tree");
    report(bench, with_root, ns, of_limit, &above);
}

void rotor_bench_storage_insert(rotor_bench *bench) {
    if (!rotor_bench_folder_make(bench, "storage-insert", SPACE)) {
        return;
    }
    rotor_bench_section(bench->output, "single inserts that wait for no disk, from a million leaves on; flushed in the "
                                       "background");
    measure(bench, true);
    measure(bench, false);
    rotor_bench_folder_remove();
}
