/* Ten million leaves into a new durable tree, in batches with a root each, and one flush; then the checkpoint of all of
 * them. In turn with a plain file that takes the same leaves, with a tree in memory, and with both at once. */
#include "bench.h"
#include "ledger.h"
#include "limits.h"
#include "reference.h"
#include "stored.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LEAVES ROTOR_BENCH_LEAVES_MAX
#define SPACE ((uint64_t)2 << 30)

typedef struct bulk_way {
    size_t batch;
    bool manual;      /* else what a new tree does by itself: flushes each 10 ms, checkpoints when much is new */
    bool first_flush; /* before the time of the checkpoint begins */
    rotor_bench_samples rate;
    rotor_bench_samples of_raw;
    rotor_bench_samples of_memory;
    /* Of a tree in memory and a plain file of as many bytes, both at once: what somebody else could do. Manual: of one
     * after the other, as nothing is written before the flush. */
    rotor_bench_samples of_limit;
    /* Of the disk, or of the processors with the work of both as if neither made the other slower, whichever takes
     * longer. The two at once take more: they share caches, memory and the scheduler. */
    rotor_bench_samples of_parts;
    rotor_bench_samples cpu_ns; /* of all threads, a leaf */
    rotor_bench_samples checkpoint_ms;
    rotor_bench_samples checkpoint_of_raw; /* of plain writes of as many bytes */
    rotor_bench_samples over_nodes;        /* bytes written over 32 for each node */
    double written_bytes;
} bulk_way;

/* The same inserts into a new tree in memory. */
static rotor_bench_span grow_in_memory(const rotor_bench *bench, size_t batch) {
    rotor_tree *tree = rotor_bench_tree(ROTOR_BENCH_STORED_ARITY, 0);
    rotor_hash root;
    rotor_bench_span start = rotor_bench_start();
    rotor_bench_stored_grow(bench, tree, LEAVES, batch, &root);
    rotor_bench_span span = rotor_bench_stop(start);
    rotor_close(tree, NULL);
    return span;
}

/* `bytes` were written when all was durable: by the default policy also those of the checkpoint that came due. What
 * a tree must write in the end is not more than its nodes. */
static void compare(const rotor_bench *bench, bulk_way *way, double wall_ns, rotor_bench_span raw, double bytes,
                    uint64_t nodes) {
    bytes = fmax(fmin(bytes, (double)sizeof(rotor_hash) * (double)nodes), (double)sizeof(rotor_hash) * (double)LEAVES);
    double share = bytes / ((double)sizeof(rotor_hash) * (double)LEAVES);
    rotor_bench_span memory = grow_in_memory(bench, way->batch);
    double processors_ns = fmax(memory.wall_ns, (memory.cpu_ns + share * raw.cpu_ns) / bench->cpus);
    double least_ns =
        way->manual ? memory.wall_ns + raw.wall_ns : rotor_bench_raw_beside(bench, way->batch, (uint64_t)bytes).wall_ns;
    rotor_bench_add(&way->of_memory, memory.wall_ns / wall_ns);
    rotor_bench_add(&way->of_parts, fmax(processors_ns, share * raw.wall_ns) / wall_ns);
    rotor_bench_add(&way->of_limit, least_ns / wall_ns);
}

static void measure_round(const rotor_bench *bench, bulk_way *way, rotor_bench_span raw, const rotor_hash *expected) {
    rotor_options options = rotor_bench_stored_options(way->manual);
    rotor_tree *tree = rotor_bench_stored_open("tree", &options);
    rotor_hash root;
    rotor_bench_span start = rotor_bench_start();
    rotor_bench_stored_grow(bench, tree, LEAVES, way->batch, &root);
    if (way->first_flush) {
        rotor_bench_stored_expect_ok(tree, rotor_flush(tree), "flush");
    }
    rotor_bench_span span = rotor_bench_stop(start);
    double written_before = (double)rotor_bench_stored_statistics(tree).written_bytes;
    uint64_t begin = rotor_bench_wall_ns();
    rotor_bench_stored_expect_ok(tree, rotor_checkpoint(tree), "checkpoint");
    double checkpoint_ms = rotor_bench_ms_since(begin);
    rotor_bench_expect_equal(&root, expected, "root of a durable tree");
    rotor_bench_add(&way->rate, (double)LEAVES * 1e9 / span.wall_ns);
    rotor_bench_add(&way->of_raw, raw.wall_ns / span.wall_ns);
    rotor_bench_add(&way->cpu_ns, span.cpu_ns / (double)LEAVES);
    rotor_statistics statistics = rotor_bench_stored_statistics(tree);
    way->written_bytes = (double)statistics.written_bytes;
    double raw_byte_ms = raw.wall_ns / 1e6 / (32 * (double)LEAVES);
    rotor_bench_add(&way->checkpoint_ms, checkpoint_ms);
    rotor_bench_add(&way->checkpoint_of_raw, (way->written_bytes - written_before) * raw_byte_ms / checkpoint_ms);
    rotor_bench_add(&way->over_nodes, way->written_bytes / (32 * (double)rotor_bench_count_nodes(tree)));
    uint64_t nodes = rotor_bench_count_nodes(tree);
    rotor_bench_stored_close(tree);
    rotor_bench_folder_clear("tree");
    if (way->first_flush) {
        compare(bench, way, span.wall_ns, raw, written_before, nodes);
    }
}

static void report_inserts(const rotor_bench *bench, const bulk_way *way) {
    const char *policy = way->manual ? "manual" : "default";
    rotor_bench_row row = rotor_bench_row_of("stored_batches_and_flush", ROTOR_BENCH_STORED_ARITY, LEAVES, bench->cpus);
    rotor_bench_text(&row, "policy", policy);
    rotor_bench_number(&row, "batch", (double)way->batch);
    rotor_bench_number(&row, "of_plain", rotor_bench_median(&way->of_raw));
    rotor_bench_number(&row, "of_memory", rotor_bench_median(&way->of_memory));
    rotor_bench_number(&row, "cpu_ns_per_leaf", rotor_bench_median(&way->cpu_ns));
    rotor_bench_number(&row, "written_bytes_per_leaf", way->written_bytes / (double)LEAVES);
    rotor_bench_number(&row, "written_over_nodes", rotor_bench_median(&way->over_nodes));
    if (!way->manual) {
        rotor_bench_number(&row, "of_processors_or_disk", rotor_bench_median(&way->of_parts));
    }
    rotor_bench_limit(&row, way->manual ? "inserts in memory, then the disk" : "inserts in memory, plain writes beside",
                      rotor_bench_median(&way->of_limit));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_LEAVES_PER_S, &way->rate);
    if (way->batch == 10000) {
        char what[96];
        snprintf(what, sizeof what, "durable tree, batches of 10,000 and a flush, N=4, 10M, %s policy", policy);
        char ledger[ROTOR_BENCH_LEDGER_NAME];
        rotor_bench_bulk_ledger(ledger, policy);
        rotor_bench_bound(bench->output, what, rotor_bench_median(&way->rate) / 1e6, true, 15, "M leaves/s");
        rotor_bench_explain(bench->output, ledger);
        snprintf(what, sizeof what, "the same of %s, %s policy",
                 way->manual ? "memory and then plain writes" : "memory and plain writes at once", policy);
        rotor_bench_bound(bench->output, what, rotor_bench_median(&way->of_limit), true, 0.85, "of limit");
        rotor_bench_explain(bench->output, ledger);
        if (!way->manual) {
            rotor_bench_bound(bench->output, "the same of processors or disk, default policy",
                              rotor_bench_median(&way->of_parts), true, 0.85, "of limit");
            rotor_bench_explain(bench->output, ledger);
        }
        rotor_bench_against(bench->output, "durable batches of 10,000", rotor_bench_median(&way->rate) / 1e6);
        snprintf(what, sizeof what, "written over 32 bytes a node, N=4, 10M leaves, %s policy", policy);
        rotor_bench_bound(bench->output, what, rotor_bench_median(&way->over_nodes), false, 1.4, "x");
    }
}

static void report_checkpoint(const rotor_bench *bench, const bulk_way *way) {
    rotor_bench_row row = rotor_bench_row_of("checkpoint_of_all", ROTOR_BENCH_STORED_ARITY, LEAVES, 1);
    rotor_bench_text(&row, "flushed_before", way->first_flush ? "yes" : "no");
    rotor_bench_limit(&row, ROTOR_BENCH_DISK, rotor_bench_median(&way->checkpoint_of_raw));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_MS, &way->checkpoint_ms);
    if (!way->first_flush) {
        rotor_bench_against(bench->output, "checkpoint of 10M leaves", rotor_bench_median(&way->checkpoint_ms));
    }
}

static void report(const rotor_bench *bench, const bulk_way *ways, unsigned count, const rotor_bench_samples *raw) {
    rotor_bench_row row = rotor_bench_row_of("plain_write_and_sync", 0, LEAVES, 1);
    rotor_bench_number(&row, "bytes_per_leaf", ROTOR_HASH_BYTES);
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_LEAVES_PER_S, raw);
    for (unsigned i = 0; i < count; i++) {
        if (ways[i].first_flush) {
            report_inserts(bench, &ways[i]);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (ways[i].manual && ways[i].batch == 10000) {
            report_checkpoint(bench, &ways[i]);
        }
    }
}

void rotor_bench_storage_bulk(rotor_bench *bench) {
    /* The first few are for the quick mode. */
    enum { ways = 7, quick_ways = 3 };
    static const struct {
        size_t batch;
        bool manual;
        bool first_flush;
    } kinds[ways] = {
        {10000, false, true}, {10000, true, true},  {10000, true, false},  {1000, false, true},
        {1000, true, true},   {100000, true, true}, {1000000, true, true},
    };
    if (!rotor_bench_folder_make(bench, "storage-bulk", SPACE)) {
        return;
    }
    rotor_bench_section(bench->output, "ten million leaves into a new durable tree, in batches with a root each; then "
                                       "its first checkpoint");
    static bulk_way all[ways];
    memset(all, 0, sizeof all);
    unsigned count = bench->full ? ways : quick_ways;
    rotor_bench_samples raw = {.count = 0};
    rotor_hash expected;
    (void)rotor_bench_hash_all(bench, &expected, LEAVES, ROTOR_BENCH_STORED_ARITY, bench->cpus);
    for (size_t round = 0; round < rotor_bench_rounds(bench, 3, 7); round++) {
        for (unsigned i = 0; i < count; i++) {
            rotor_bench_span plain = rotor_bench_raw_sequential(bench, LEAVES);
            rotor_bench_add(&raw, (double)LEAVES * 1e9 / plain.wall_ns);
            all[i].batch = kinds[i].batch;
            all[i].manual = kinds[i].manual;
            all[i].first_flush = kinds[i].first_flush;
            measure_round(bench, &all[i], plain, &expected);
        }
    }
    report(bench, all, count, &raw);
    rotor_bench_folder_remove();
}
