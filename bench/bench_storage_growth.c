/* What must not depend on how large a durable tree is: the time of a checkpoint after 10,000 more leaves, the process's
 * own memory, and the rate of inserts with checkpoints in the background. */
#include "bench.h"
#include "effort.h"
#include "ledger.h"
#include "limits.h"
#include "reference.h"
#include "stored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 10000u
#define SIZES 3
#define MEGABYTES_ALLOWED 200

static const uint64_t sizes[SIZES] = {1000000, 10000000, 100000000};
static const char *const names[SIZES] = {"1M", "10M", "100M"};

static unsigned measured_sizes(const rotor_bench *bench) {
    return bench->full ? SIZES : SIZES - 1;
}

/* ---------------------------------------------------------------- memory */

static void report_memory(const rotor_bench *bench, unsigned s, const char *when, double bytes,
                          const rotor_statistics *statistics) {
    rotor_bench_samples grown = {.count = 0};
    rotor_bench_add(&grown, bytes);
    rotor_bench_row row = rotor_bench_row_of("memory_beyond_page_cache", ROTOR_BENCH_STORED_ARITY, sizes[s], 0);
    rotor_bench_text(&row, "when", when);
    rotor_bench_number(&row, "mapped_bytes", (double)statistics->mapped_bytes);
    rotor_bench_number(&row, "memory_bytes", (double)statistics->memory_bytes);
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_BYTES, &grown);
    if (sizes[s] >= ROTOR_BENCH_LEAVES_MAX) {
        char what[96];
        snprintf(what, sizeof what, "memory beyond the page cache, N=4, %s leaves, %s", names[s], when);
        rotor_bench_bound(bench->output, what, bytes / 1e6, false, MEGABYTES_ALLOWED, "MB");
    }
}

/* Touches every leaf's page, so that whatever a reader brings into memory is there. */
static void read_everything(rotor_tree *tree) {
    rotor_snapshot snapshot;
    rotor_hash leaf;
    rotor_bench_stored_expect_ok(tree, rotor_snapshot_take(tree, &snapshot), "snapshot");
    for (uint64_t i = 0; i < snapshot.size; i += 4096 / ROTOR_HASH_BYTES) {
        rotor_bench_stored_expect_ok(tree, rotor_snapshot_nodes(&snapshot, &leaf, 1, 0, i), "read");
    }
}

/* Makes the tree, checkpointed; the anonymous memory of the process tells what it takes, less what it had before. */
static void make_tree(const rotor_bench *bench, unsigned s) {
    double before = rotor_bench_anonymous_bytes();
    rotor_options options = rotor_bench_stored_options(false);
    rotor_tree *tree = rotor_bench_stored_open(names[s], &options);
    rotor_bench_stored_grow(bench, tree, sizes[s], BATCH, NULL);
    rotor_bench_stored_expect_ok(tree, rotor_checkpoint(tree), "checkpoint");
    read_everything(tree);
    rotor_statistics statistics = rotor_bench_stored_statistics(tree);
    report_memory(bench, s, "built and checkpointed", rotor_bench_anonymous_bytes() - before, &statistics);
    rotor_bench_stored_close(tree);

    before = rotor_bench_anonymous_bytes();
    tree = rotor_bench_stored_open(names[s], &options);
    read_everything(tree);
    statistics = rotor_bench_stored_statistics(tree);
    report_memory(bench, s, "opened", rotor_bench_anonymous_bytes() - before, &statistics);
    rotor_bench_stored_close(tree);
}

/* ---------------------------------------------------------------- checkpoints */

typedef struct checkpoint_cost {
    rotor_tree *tree;
    rotor_bench_samples ms[2]; /* [1]: what was new had been flushed before */
    rotor_bench_samples syncs;
    rotor_bench_samples of_syncs; /* of as many plain syncs, one after the other */
    rotor_bench_samples written_bytes;
} checkpoint_cost;

static void checkpoint_once(const rotor_bench *bench, checkpoint_cost *cost, bool flushed, double sync_ms) {
    rotor_tree *tree = cost->tree;
    rotor_bench_stored_grow(bench, tree, rotor_size(tree) + BATCH, BATCH, NULL);
    if (flushed) {
        rotor_bench_stored_expect_ok(tree, rotor_flush(tree), "flush");
    }
    rotor_statistics before = rotor_bench_stored_statistics(tree);
    uint64_t begin = rotor_bench_wall_ns();
    rotor_bench_stored_expect_ok(tree, rotor_checkpoint(tree), "checkpoint");
    rotor_bench_add(&cost->ms[flushed], rotor_bench_ms_since(begin));
    rotor_statistics after = rotor_bench_stored_statistics(tree);
    if (after.checkpointed_size != after.size) {
        fprintf(stderr, "rotortree-bench: wrong result: size after a checkpoint\n");
        exit(1);
    }
    if (!flushed) {
        double ms = cost->ms[0].values[cost->ms[0].count - 1];
        rotor_bench_add(&cost->of_syncs, (double)(after.syncs - before.syncs) * sync_ms / ms);
        rotor_bench_add(&cost->syncs, (double)(after.syncs - before.syncs));
        rotor_bench_add(&cost->written_bytes, (double)(after.written_bytes - before.written_bytes));
    }
}

static void report_checkpoints(const rotor_bench *bench, const checkpoint_cost *costs, unsigned count,
                               const rotor_bench_samples *ratio) {
    char what[96];
    for (unsigned s = 0; s < count; s++) {
        for (unsigned flushed = 0; flushed < 2; flushed++) {
            rotor_bench_row row =
                rotor_bench_row_of("checkpoint_after_10000", ROTOR_BENCH_STORED_ARITY, sizes[s], bench->cpus);
            rotor_bench_text(&row, "flushed_before", flushed ? "yes" : "no");
            if (!flushed) {
                rotor_bench_number(&row, "syncs", rotor_bench_median(&costs[s].syncs));
                rotor_bench_number(&row, "written_bytes", rotor_bench_median(&costs[s].written_bytes));
                rotor_bench_limit(&row, ROTOR_BENCH_SYNC, rotor_bench_median(&costs[s].of_syncs));
            }
            rotor_bench_print(bench->output, &row, ROTOR_BENCH_MS, &costs[s].ms[flushed]);
        }
        snprintf(what, sizeof what, "checkpoint after 10,000 more leaves, N=4, %s leaves", names[s]);
        rotor_bench_bound(bench->output, what, rotor_bench_median(&costs[s].ms[0]), false, 5, "ms");
    }
    rotor_bench_against(bench->output, "checkpoint after 10,000 more leaves", rotor_bench_median(&costs[1].ms[0]));
    /* Equal times differ by some noise, so equal is up to a tenth more. */
    snprintf(what, sizeof what, "the same at %s leaves over at 1M", names[count - 1]);
    rotor_bench_bound(bench->output, what, rotor_bench_median(ratio), false, 1.1, "x");
}

static void measure_checkpoints(const rotor_bench *bench) {
    unsigned count = measured_sizes(bench);
    static checkpoint_cost costs[SIZES];
    memset(costs, 0, sizeof costs);
    rotor_options options = rotor_bench_stored_options(true);
    for (unsigned s = 0; s < count; s++) {
        costs[s].tree = rotor_bench_stored_open(names[s], &options);
    }
    rotor_bench_samples ratio = {.count = 0};
    rotor_bench_raw raw = rotor_bench_raw_open("raw", (uint64_t)1 << 20);
    for (size_t round = 0; round < rotor_bench_rounds(bench, 15, 63); round++) {
        double sync_ms = 1e3 / rotor_bench_raw_rate(&raw, 5);
        for (unsigned turn = 0; turn < count; turn++) {
            checkpoint_cost *cost = &costs[(round + turn) % count]; /* each goes first as often as the others */
            checkpoint_once(bench, cost, false, sync_ms);
            checkpoint_once(bench, cost, true, sync_ms);
        }
        rotor_bench_add(&ratio, costs[count - 1].ms[0].values[round] / costs[0].ms[0].values[round]);
    }
    rotor_bench_raw_close(&raw);
    for (unsigned s = 0; s < count; s++) {
        rotor_bench_stored_close(costs[s].tree);
    }
    report_checkpoints(bench, costs, count, &ratio);
}

/* ---------------------------------------------------------------- the rate */

#define WINDOW 1000000u /* leaves in one sample */
#define CHECKPOINT_LEAVES 250000u
#define SMALL_ROUNDS 4 /* after which the small tree is made anew: it must stay small */

/* Checkpoints in the background are begun four times, and all of them ended. */
static rotor_bench_effort grow_by_window(const rotor_bench *bench, rotor_tree *tree) {
    rotor_hash root;
    rotor_bench_effort begin = rotor_bench_effort_now();
    rotor_bench_stored_grow(bench, tree, rotor_size(tree) + WINDOW, BATCH, &root);
    rotor_bench_stored_expect_ok(tree, rotor_flush(tree), "flush");
    rotor_bench_stored_expect_ok(tree, rotor_checkpoint_wait(tree, ROTOR_FOREVER), "checkpoint_wait");
    return rotor_bench_effort_since(&begin);
}

/* A leaf of the large tree: what the small one takes as well, and what comes on top. */
static void add_to_ledger(rotor_bench_ledger *ledger, const rotor_bench *bench, const rotor_bench_effort *small,
                          const rotor_bench_effort *large) {
    double part = 1.0 / WINDOW;
    double small_work = small->processor_ns / bench->cpus;
    double large_work = large->processor_ns / bench->cpus;
    double waiting = small->wall_ns - small_work;
    rotor_bench_ledger_whole(ledger, large->wall_ns * part);
    rotor_bench_ledger_part(ledger, "work of the processors at 1M, shared by all", small_work * part);
    rotor_bench_ledger_part(ledger, "without work at 1M", waiting * part);
    rotor_bench_ledger_part(ledger, "more work at this size", (large_work - small_work) * part);
    rotor_bench_ledger_part(ledger, "longer without work at this size", (large->wall_ns - large_work - waiting) * part);
    rotor_bench_ledger_fact(ledger, "disk_busy_fraction", large->disk_ns / large->wall_ns);
    rotor_bench_ledger_fact(ledger, "disk_busy_at_1M_fraction", small->disk_ns / small->wall_ns);
}

/* The tree of which the large one must not be much slower. */
static rotor_tree *make_small_again(const rotor_bench *bench, rotor_tree *small, const rotor_options *options) {
    rotor_bench_stored_close(small);
    rotor_bench_folder_clear(names[0]);
    small = rotor_bench_stored_open(names[0], options);
    rotor_bench_stored_grow(bench, small, sizes[0], BATCH, NULL);
    rotor_bench_stored_expect_ok(small, rotor_checkpoint(small), "checkpoint");
    return small;
}

static void measure_rate(const rotor_bench *bench) {
    unsigned last = measured_sizes(bench) - 1;
    rotor_options options = rotor_bench_stored_options(false);
    options.checkpoint_leaves = CHECKPOINT_LEAVES;
    rotor_tree *small = rotor_bench_stored_open(names[0], &options);
    rotor_tree *large = rotor_bench_stored_open(names[last], &options);
    rotor_bench_samples rates[2];
    rotor_bench_samples of_raw[2]; /* of plain writes of 32 bytes a node */
    rotor_bench_samples ratio = {.count = 0};
    memset(rates, 0, sizeof rates);
    memset(of_raw, 0, sizeof of_raw);
    char name[ROTOR_BENCH_LEDGER_NAME];
    snprintf(name, sizeof name, "a leaf of a tree of %s, with checkpoints", names[last]);
    rotor_bench_ledger *ledger =
        rotor_bench_ledger_new(name, "leaf", ROTOR_BENCH_STORED_ARITY, sizes[last], bench->cpus);
    for (size_t round = 0; round < rotor_bench_rounds(bench, 16, 64); round++) {
        if (round % SMALL_ROUNDS == 0) {
            small = make_small_again(bench, small, &options);
        }
        double raw_rate = WINDOW * 1e9 * (ROTOR_BENCH_STORED_ARITY - 1) / ROTOR_BENCH_STORED_ARITY /
                          rotor_bench_raw_sequential(bench, WINDOW).wall_ns;
        /* Each of the two goes first as often as the other. Whoever comes right after the plain write gets the memory
         * that this gave back; the next one's may have to come from the host of a virtual machine, which takes longer
         * than all else. */
        rotor_bench_effort took[2];
        for (unsigned turn = 0; turn < 2; turn++) {
            bool is_large = (round + turn) % 2 != 0;
            took[is_large] = grow_by_window(bench, is_large ? large : small);
        }
        double small_rate = WINDOW * 1e9 / took[0].wall_ns;
        double large_rate = WINDOW * 1e9 / took[1].wall_ns;
        add_to_ledger(ledger, bench, &took[0], &took[1]);
        rotor_bench_add(&rates[0], small_rate);
        rotor_bench_add(&rates[1], large_rate);
        rotor_bench_add(&of_raw[0], small_rate / raw_rate);
        rotor_bench_add(&of_raw[1], large_rate / raw_rate);
        rotor_bench_add(&ratio, large_rate / small_rate);
    }
    rotor_bench_stored_close(small);
    rotor_bench_stored_close(large);
    for (unsigned i = 0; i < 2; i++) {
        rotor_bench_row row = rotor_bench_row_of("insert_rate_with_checkpoints", ROTOR_BENCH_STORED_ARITY,
                                                 sizes[i == 0 ? 0 : last], bench->cpus);
        rotor_bench_number(&row, "batch", BATCH);
        rotor_bench_number(&row, "checkpoint_leaves", CHECKPOINT_LEAVES);
        if (i == 1) {
            rotor_bench_number(&row, "over_1M", rotor_bench_median(&ratio));
        }
        rotor_bench_limit(&row, ROTOR_BENCH_DISK, rotor_bench_median(&of_raw[i]));
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_LEAVES_PER_S, &rates[i]);
    }
    char what[96];
    snprintf(what, sizeof what, "insert rate with checkpoints at %s leaves over at 1M, N=4", names[last]);
    rotor_bench_bound(bench->output, what, rotor_bench_median(&ratio), true, 0.9, "x");
    rotor_bench_explain(bench->output, name);
    rotor_bench_ledger_print(bench->output, ledger);
    free(ledger);
}

void rotor_bench_storage_growth(rotor_bench *bench) {
    uint64_t space = (uint64_t)(bench->full ? 8 : 2) << 30;
    if (!rotor_bench_folder_make(bench, "storage-growth", space)) {
        return;
    }
    rotor_bench_section(bench->output, "durable trees of many sizes: own memory with all leaves read, checkpoints, "
                                       "inserts with checkpoints in turn");
    for (unsigned s = 0; s < measured_sizes(bench); s++) {
        make_tree(bench, s);
    }
    measure_checkpoints(bench);
    measure_rate(bench);
    rotor_bench_folder_remove();
}
