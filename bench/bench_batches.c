/* Inserts in batches of 1 to 10 million leaves, each batch with its root, in touched memory: beside one node at a time,
 * the kernel's peak and what bounds them. */
#include "baseline.h"
#include "bench.h"
#include "ledger.h"
#include "limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE_LEAVES 1000000u
#define BASELINE_LEAVES 262144u /* in the caches, so that one at a time is at its best */
#define BATCH_SIZES 8

/* Batches from here on are long enough to be compared with one at a time, and to be shared with other threads: a
 * batch that makes fewer than 1,024 parents stays on one. */
#define LARGE_BATCH 1000u
#define SHARED_BATCH 65536u

typedef struct batch_size {
    size_t leaves;
    size_t batches; /* in one sample */
    size_t base;    /* leaves that are there before */
} batch_size;

static const batch_size sizes[BATCH_SIZES] = {
    {1, 2000, BASE_LEAVES},   {10, 1000, BASE_LEAVES},  {100, 500, BASE_LEAVES},   {1000, 300, BASE_LEAVES},
    {10000, 60, BASE_LEAVES}, {65536, 12, BASE_LEAVES}, {1000000, 4, BASE_LEAVES}, {ROTOR_BENCH_LEAVES_MAX, 1, 0},
};

typedef struct batch_cell {
    rotor_hash root;
    double chain; /* compressions in one sample that wait for each other */
    rotor_bench_samples rate;
    rotor_bench_samples of_peak;
    rotor_bench_samples over_baseline;
    rotor_bench_samples of_limit;
    const char *limit;
} batch_cell;

typedef struct batch_run {
    const rotor_bench *bench;
    unsigned n;
    unsigned threads;
    rotor_tree *tree;
    rotor_bench_baseline baseline;
    batch_cell cells[BATCH_SIZES];
} batch_run;

/* ---------------------------------------------------------------- measuring */

static double fill_ns(const batch_run *run, const batch_size *size, rotor_hash *root) {
    rotor_bench_expect_ok(rotor_truncate(run->tree, NULL, size->base), "truncate");
    if (size->base > 0) {
        rotor_bench_expect_ok(rotor_root(run->tree, root), "root");
    }
    const rotor_hash *next = run->bench->leaves + size->base;
    rotor_bench_span start = rotor_bench_start();
    for (size_t i = 0; i < size->batches; i++) {
        rotor_bench_load(run->tree, root, next, size->leaves);
        next += size->leaves;
    }
    return rotor_bench_span_ns(rotor_bench_stop(start), run->threads);
}

/* What the machine can do, just before a cell or just after. */
typedef struct pace {
    double block_ns; /* by all threads */
    double copy_ns;  /* of a leaf, by all threads; taken once a round */
    double lone_ns;
} pace;

static pace take_pace(const batch_run *run, double copy_ns) {
    const rotor_hasher *hasher = run->bench->hasher;
    pace now = {rotor_bench_peak_ns(hasher, run->n, run->threads), copy_ns, rotor_bench_lone_ns(hasher)};
    return now;
}

/* The leaves of batches are hashed at the kernel's peak, or stored as fast as memory takes them; then each root is a
 * chain. A batch of one leaf is the chain alone. */
static void measure_cell(const batch_run *run, batch_cell *cell, const batch_size *size, double baseline_rate,
                         double copy_ns) {
    rotor_hash root;
    pace before = take_pace(run, copy_ns);
    double ns = fill_ns(run, size, &root);
    pace after = take_pace(run, copy_ns);
    rotor_bench_expect_equal(&root, &cell->root, "root after batches");
    double leaves = (double)(size->leaves * size->batches);
    double kernel = leaves * rotor_bench_blocks_per_leaf(run->n) * (before.block_ns + after.block_ns) / 2;
    double memory = leaves * copy_ns;
    double chain = cell->chain * (before.lone_ns + after.lone_ns) / 2;
    double bulk = size->leaves == 1 ? 0 : fmax(kernel, memory);
    rotor_bench_add(&cell->rate, leaves * 1e9 / ns);
    rotor_bench_add(&cell->of_peak, kernel / ns);
    rotor_bench_add(&cell->over_baseline, leaves * 1e9 / ns / baseline_rate);
    rotor_bench_add(&cell->of_limit, (bulk + chain) / ns);
    cell->limit = chain > bulk ? ROTOR_BENCH_CHAIN : memory > kernel ? ROTOR_BENCH_BANDWIDTH : ROTOR_BENCH_KERNEL;
}

static double baseline_rate(const batch_run *run) {
    rotor_hash root;
    rotor_bench_span start = rotor_bench_start();
    rotor_bench_baseline_streaming(&run->baseline, &root, run->bench->leaves, BASELINE_LEAVES, run->n);
    return BASELINE_LEAVES * 1e9 / rotor_bench_span_ns(rotor_bench_stop(start), 1);
}

static void prepare_cell(const batch_run *run, batch_cell *cell, const batch_size *size) {
    uint64_t at = size->base;
    for (size_t i = 0; i < size->batches; i++, at += size->leaves) {
        cell->chain += (double)rotor_bench_chain(run->n, at, at + size->leaves, size->leaves == 1);
    }
    (void)rotor_bench_hash_all(run->bench, &cell->root, at, run->n, run->bench->cpus);
}

/* ---------------------------------------------------------------- reports */

static void report_cells(const batch_run *run) {
    for (unsigned i = 0; i < BATCH_SIZES; i++) {
        const batch_cell *cell = &run->cells[i];
        rotor_bench_row row = rotor_bench_row_of("insert_many_batches", run->n, sizes[i].base, run->threads);
        if (sizes[i].base == 0) {
            rotor_bench_number(&row, "leaves", 0);
        }
        rotor_bench_number(&row, "batch", (double)sizes[i].leaves);
        rotor_bench_number(&row, "ns_per_batch", (double)sizes[i].leaves * 1e9 / rotor_bench_median(&cell->rate));
        rotor_bench_number(&row, "over_one_at_a_time", rotor_bench_median(&cell->over_baseline));
        rotor_bench_number(&row, "peak_fraction", rotor_bench_median(&cell->of_peak));
        rotor_bench_limit(&row, cell->limit, rotor_bench_median(&cell->of_limit));
        rotor_bench_print(run->bench->output, &row, ROTOR_BENCH_LEAVES_PER_S, &cell->rate);
    }
}

/* One line for all batch sizes from `least` on: the worst of them, by name. */
static void report_bound(const batch_run *run, size_t least, bool of_limit, double bound) {
    double worst = HUGE_VAL;
    size_t batch = 0;
    for (unsigned i = 0; i < BATCH_SIZES; i++) {
        const batch_cell *cell = &run->cells[i];
        double value = rotor_bench_median(of_limit ? &cell->of_limit : &cell->over_baseline);
        if (sizes[i].leaves >= least && value < worst) {
            worst = value;
            batch = sizes[i].leaves;
        }
    }
    char what[96];
    snprintf(what, sizeof what, "batches of %zu and more %s, N=%u, %u thread%s (worst: %zu)", least,
             of_limit ? "of their limit" : "over one at a time", run->n, run->threads, run->threads == 1 ? "" : "s",
             batch);
    rotor_bench_bound(run->bench->output, what, worst, true, bound, of_limit ? "of limit" : "x");
    char ledger[ROTOR_BENCH_LEDGER_NAME];
    rotor_bench_batch_ledger(ledger, run->n, batch, run->threads);
    rotor_bench_explain(run->bench->output, ledger);
}

/* ---------------------------------------------------------------- */

static void measure(const rotor_bench *bench, unsigned n, unsigned threads) {
    batch_run *run = rotor_bench_allocate(sizeof *run);
    memset(run, 0, sizeof *run);
    run->bench = bench;
    run->n = n;
    run->threads = threads;
    run->baseline = rotor_bench_baseline_new(BASELINE_LEAVES, n);
    run->tree = rotor_bench_tree(n, threads);
    rotor_bench_load(run->tree, NULL, bench->leaves, ROTOR_BENCH_LEAVES_MAX); /* touches the memory */
    for (unsigned i = 0; i < BATCH_SIZES; i++) {
        prepare_cell(run, &run->cells[i], &sizes[i]);
    }
    for (size_t round = 0; round < rotor_bench_rounds(bench, 3, 15); round++) {
        double rate = baseline_rate(run);
        double copy_ns = rotor_bench_copy_ns(bench, threads);
        for (unsigned i = 0; i < BATCH_SIZES; i++) {
            measure_cell(run, &run->cells[i], &sizes[i], rate, copy_ns);
        }
    }
    rotor_close(run->tree, NULL);
    rotor_bench_baseline_free(&run->baseline);
    report_cells(run);
    report_bound(run, LARGE_BATCH, false, 6);
    report_bound(run, threads == 1 ? LARGE_BATCH : SHARED_BATCH, true, 0.85);
    free(run);
}

void rotor_bench_batches(rotor_bench *bench) {
    rotor_bench_section(bench->output, "batches with a root each, touched memory; over_one_at_a_time: over one node at "
                                       "a time in the same round");
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        unsigned threads = 1;
        for (; threads < bench->cpus; threads = bench->full ? 2 * threads : bench->cpus) {
            measure(bench, rotor_bench_arities[a], threads);
        }
        measure(bench, rotor_bench_arities[a], bench->cpus);
    }
}
