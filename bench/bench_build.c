/* Building a tree by one large batch, in turn with the kernel's own peak and with one node at a time. */
#include "baseline.h"
#include "bench.h"
#include "ledger.h"
#include "limits.h"
#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_THREAD_COUNTS 3
#define BASELINE_LEAVES 262144u

/* One way to build, and what was measured. */
typedef struct variant {
    unsigned threads;
    bool fresh;
    const char *limit;
    rotor_bench_samples rate;
    rotor_bench_samples fraction; /* of the peak of as many kernels side by side, taken just before and after */
    rotor_bench_samples of_limit;
    rotor_bench_samples streaming; /* times as fast as one node at a time in the same round */
    rotor_bench_samples node;
    rotor_bench_samples scaling; /* times as fast as one thread in the same round, by wall time */
    rotor_bench_samples wall;
    rotor_bench_samples cpu_per_leaf; /* ns of all threads */
} variant;

typedef struct build_run {
    const rotor_bench *bench;
    unsigned n;
    uint64_t leaves;
    double nodes;
    rotor_hash root;
    uint64_t baseline_leaves;
    variant variants[2 * MAX_THREAD_COUNTS];
    size_t variant_count;
    rotor_bench_baseline baseline;
    rotor_bench_samples streaming_rate;
    rotor_bench_samples node_rate;
} build_run;

/* What the machine can do in a round: ns for one block, and for one leaf copied. */
typedef struct pace {
    double block_ns;
    double copy_ns;
} pace;

static size_t thread_counts(const rotor_bench *bench, unsigned counts[MAX_THREAD_COUNTS]) {
    size_t count = 0;
    counts[count++] = 1;
    if (bench->cpus >= 2) {
        counts[count++] = 2;
    }
    if (bench->cpus > 2) {
        counts[count++] = bench->cpus;
    }
    return count;
}

/* Memory that this process gave up some seconds ago may have gone back to the host of a virtual machine, where getting
 * it again costs ten times a page fault. Touching and freeing as much just before keeps that out of "fresh". */
static void warm_free_memory(const build_run *run) {
    size_t bytes = (size_t)run->nodes * sizeof(rotor_hash);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return;
    }
    madvise(memory, bytes, MADV_HUGEPAGE);
    for (size_t at = 0; at < bytes; at += 4096) {
        ((volatile uint8_t *)memory)[at] = 1;
    }
    munmap(memory, bytes);
}

/* From creating the tree to its root, which is the fresh way; then from emptying it to its root again, in the memory
 * that is there now. Every round has a tree of its own: in a virtual machine some of the memory may be backed by small
 * pages of the host and be several times as slow, and one such tree should not decide a whole run. */
typedef struct build_spans {
    rotor_bench_span fresh;
    rotor_bench_span touched;
} build_spans;

static build_spans build(const build_run *run, unsigned threads) {
    const rotor_bench *bench = run->bench;
    rotor_hash root;
    build_spans spans;
    warm_free_memory(run);
    rotor_bench_span start = rotor_bench_start();
    rotor_tree *tree = rotor_bench_tree(run->n, threads);
    rotor_bench_load(tree, &root, bench->leaves, (size_t)run->leaves);
    spans.fresh = rotor_bench_stop(start);
    rotor_bench_expect_equal(&root, &run->root, "root of insert_many");
    rotor_bench_expect_ok(rotor_truncate(tree, NULL, 0), "truncate");
    start = rotor_bench_start();
    rotor_bench_load(tree, &root, bench->leaves, (size_t)run->leaves);
    spans.touched = rotor_bench_stop(start);
    rotor_bench_expect_equal(&root, &run->root, "root of insert_many");
    rotor_close(tree, NULL);
    return spans;
}

/* One node at a time in one round, ns a leaf: the two ways that a tree is compared with. */
typedef struct baseline_ns {
    double streaming;
    double node;
} baseline_ns;

static void add_sample(const build_run *run, variant *way, rotor_bench_span span, const pace *now,
                       const baseline_ns *base) {
    double ns = rotor_bench_span_ns(span, way->threads) / (double)run->leaves;
    double kernel = now->block_ns * rotor_bench_blocks_per_leaf(run->n);
    double least = fmax(kernel, now->copy_ns);
    way->limit = now->copy_ns > kernel ? ROTOR_BENCH_BANDWIDTH : ROTOR_BENCH_KERNEL;
    rotor_bench_add(&way->rate, 1e9 / ns);
    rotor_bench_add(&way->fraction, kernel / ns);
    rotor_bench_add(&way->of_limit, least / ns);
    rotor_bench_add(&way->streaming, base->streaming / ns);
    rotor_bench_add(&way->node, base->node / ns);
    rotor_bench_add(&way->cpu_per_leaf, span.cpu_ns / (double)run->leaves);
    rotor_bench_add(&way->wall, span.wall_ns);
    for (size_t i = 0; i < run->variant_count; i++) {
        const variant *single = &run->variants[i];
        if (single->threads == 1 && single->fresh == way->fresh) {
            rotor_bench_add(&way->scaling, single->wall.values[single->wall.count - 1] / span.wall_ns);
        }
    }
}

/* variants[i] in touched memory and variants[i + 1] in fresh memory, of as many threads. */
static void build_pair(build_run *run, size_t i, const baseline_ns *base) {
    const rotor_bench *bench = run->bench;
    unsigned threads = run->variants[i].threads;
    pace now;
    now.copy_ns = rotor_bench_copy_ns(bench, threads);
    now.block_ns = rotor_bench_peak_ns(bench->hasher, run->n, threads);
    build_spans spans = build(run, threads);
    now.block_ns = (now.block_ns + rotor_bench_peak_ns(bench->hasher, run->n, threads)) / 2;
    add_sample(run, &run->variants[i], spans.touched, &now, base);
    add_sample(run, &run->variants[i + 1], spans.fresh, &now, base);
}

static void build_round(build_run *run) {
    const rotor_bench *bench = run->bench;
    baseline_ns base;
    rotor_hash roots[2];
    rotor_bench_span start = rotor_bench_start();
    rotor_bench_baseline_streaming(&run->baseline, &roots[0], bench->leaves, run->baseline_leaves, run->n);
    base.streaming = rotor_bench_span_ns(rotor_bench_stop(start), 1) / (double)run->baseline_leaves;
    start = rotor_bench_start();
    rotor_bench_baseline_node(&run->baseline, &roots[1], bench->leaves, run->baseline_leaves, run->n, bench->hasher);
    base.node = rotor_bench_span_ns(rotor_bench_stop(start), 1) / (double)run->baseline_leaves;
    rotor_bench_expect_equal(&roots[0], &roots[1], "root of one node at a time");
    if (run->baseline_leaves == run->leaves) {
        rotor_bench_expect_equal(&roots[0], &run->root, "root of one node at a time");
    }
    rotor_bench_add(&run->streaming_rate, 1e9 / base.streaming);
    rotor_bench_add(&run->node_rate, 1e9 / base.node);
    for (size_t i = 0; i < run->variant_count; i += 2) {
        build_pair(run, i, &base);
    }
}

/* ---------------------------------------------------------------- reports */

static void report_bounds(const build_run *run, const variant *way) {
    static const double speedups[ROTOR_BENCH_ARITIES] = {8, 6, 6, 6};
    rotor_bench_output *output = run->bench->output;
    char what[96];
    char ledger[ROTOR_BENCH_LEDGER_NAME];
    rotor_bench_batch_ledger(ledger, run->n, 1000000, way->threads);
    double fraction = rotor_bench_median(&way->fraction);
    if (way->threads == 1) {
        snprintf(what, sizeof what, "build from %s memory over kernel peak, N=%u, 1 thread",
                 way->fresh ? "fresh" : "touched", run->n);
        rotor_bench_bound(output, what, fraction, true, way->fresh ? 0.60 : 0.85, "of peak");
    }
    if (way->fresh) {
        return;
    }
    for (unsigned a = 0; way->threads == 1 && a < ROTOR_BENCH_ARITIES; a++) {
        if (rotor_bench_arities[a] == run->n) {
            snprintf(what, sizeof what, "build over one node at a time (streaming), N=%u, 1 thread", run->n);
            rotor_bench_bound(output, what, rotor_bench_median(&way->streaming), true, speedups[a], "x");
        }
    }
    if (way->threads <= 2) {
        snprintf(what, sizeof what, "build N=%u, %u thread%s", run->n, way->threads, way->threads == 1 ? "" : "s");
        rotor_bench_against(output, what, rotor_bench_median(&way->rate) / 1e6);
    }
    if (way->threads == 2) {
        snprintf(what, sizeof what, "build with two threads over one, N=%u", run->n);
        rotor_bench_bound(output, what, rotor_bench_median(&way->scaling), true, 1.7, "x");
        rotor_bench_explain(output, ledger);
    }
    if (way->threads == run->bench->cpus && run->n == 16) {
        snprintf(what, sizeof what, "build with all threads, N=16 (the reference on 14 cores: 190)");
        rotor_bench_bound(output, what, rotor_bench_median(&way->rate) / 1e6, true, 190, "M leaves/s");
        rotor_bench_explain(output, ledger);
    }
}

static void report_baseline(const build_run *run, const rotor_bench_samples *rate, const char *way) {
    rotor_bench_row row = rotor_bench_row_of("one_at_a_time", run->n, run->baseline_leaves, 1);
    rotor_bench_text(&row, "way", way);
    rotor_bench_print(run->bench->output, &row, ROTOR_BENCH_LEAVES_PER_S, rate);
}

static void report(const build_run *run) {
    rotor_bench_output *output = run->bench->output;
    report_baseline(run, &run->streaming_rate, "streaming");
    report_baseline(run, &run->node_rate, "hash_node");
    for (size_t i = 0; i < run->variant_count; i++) {
        const variant *way = &run->variants[i];
        rotor_bench_row row = rotor_bench_row_of("insert_many", run->n, run->leaves, way->threads);
        rotor_bench_text(&row, "memory", way->fresh ? "fresh" : "touched");
        rotor_bench_number(&row, "peak_fraction", rotor_bench_median(&way->fraction));
        rotor_bench_number(&row, "cpu_ns_per_leaf", rotor_bench_median(&way->cpu_per_leaf));
        if (way->threads > 1) {
            rotor_bench_number(&row, "over_one_thread", rotor_bench_median(&way->scaling));
        }
        rotor_bench_limit(&row, way->limit, rotor_bench_median(&way->of_limit));
        rotor_bench_print(output, &row, ROTOR_BENCH_LEAVES_PER_S, &way->rate);
    }
    for (size_t i = 0; i < run->variant_count; i++) {
        const variant *way = &run->variants[i];
        rotor_bench_row row = rotor_bench_row_of("speedup_vs_one_at_a_time", run->n, run->leaves, way->threads);
        rotor_bench_text(&row, "memory", way->fresh ? "fresh" : "touched");
        rotor_bench_number(&row, "over_hash_node", rotor_bench_median(&way->node));
        rotor_bench_print(output, &row, ROTOR_BENCH_RATIO, &way->streaming);
        if (run->leaves == ROTOR_BENCH_LEAVES_MAX) {
            report_bounds(run, way);
        }
    }
}

/* ---------------------------------------------------------------- */

/* Live at once: whole levels, a tree, and the memory that is warmed for it. */
static bool memory_suffices(const build_run *run) {
    double sets = 3;
    double needed = sets * run->nodes * sizeof(rotor_hash);
    FILE *file = fopen("/proc/meminfo", "r");
    if (file == NULL) {
        return true;
    }
    char line[128];
    double available_kib = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "MemAvailable:", 13) == 0) {
            available_kib = strtod(line + 13, NULL);
        }
    }
    fclose(file);
    return available_kib == 0 || available_kib * 1024 > needed;
}

static void build_one(rotor_bench *bench, unsigned n, uint64_t leaves, size_t rounds) {
    build_run *run = rotor_bench_allocate(sizeof *run);
    memset(run, 0, sizeof *run);
    run->bench = bench;
    run->n = n;
    run->leaves = leaves;
    unsigned counts[MAX_THREAD_COUNTS];
    size_t count = thread_counts(bench, counts);
    run->nodes = (double)leaves * n / (n - 1);
    /* A rate of small groups that are hashed one after the other does not depend on how many there are. */
    run->baseline_leaves = bench->full ? leaves : BASELINE_LEAVES;
    run->baseline = rotor_bench_baseline_new(run->baseline_leaves, n);
    run->variant_count = 2 * count;
    if (memory_suffices(run)) {
        for (size_t i = 0; i < run->variant_count; i++) {
            variant *way = &run->variants[i];
            way->threads = counts[i / 2];
            way->fresh = i % 2 == 1;
        }
        (void)rotor_bench_hash_all(bench, &run->root, leaves, n, bench->cpus);
        for (size_t round = 0; round < rounds; round++) {
            build_round(run);
        }
        report(run);
    } else {
        rotor_bench_skip(bench->output, "insert_many", "not enough memory is available");
    }
    rotor_bench_baseline_free(&run->baseline);
    free(run);
}

void rotor_bench_build(rotor_bench *bench) {
    rotor_bench_section(bench->output, "building a tree by one insert_many, in turn with one node at a time; "
                                       "peak_fraction: of the kernel on cached data");
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        build_one(bench, rotor_bench_arities[a], 1000000, rotor_bench_rounds(bench, 5, 11));
        build_one(bench, rotor_bench_arities[a], ROTOR_BENCH_LEAVES_MAX, rotor_bench_rounds(bench, 3, 7));
    }
}
