/* What the time of a batch with its root is made of, in touched memory: the tree's own kernel calls, by themselves and
 * in their order; the tree without hashing; the same batch from a source that stays in the caches. */
#include "bench.h"
#include "calls.h"
#include "counters.h"
#include "ledger.h"
#include "limits.h"
#include "tree/tree.h"

#include <stdlib.h>
#include <string.h>

#define BASE_LEAVES 1000000u
#define SIZES 4
#define MOST_LEAVES 1000000u

/* As the suite of batches has them, whose bounds name these ledgers. */
typedef struct batch_size {
    size_t leaves;
    size_t batches;
} batch_size;

static const batch_size sizes[SIZES] = {{1000, 150}, {10000, 30}, {65536, 6}, {1000000, 1}};

typedef struct batch_trees {
    const rotor_bench *bench;
    unsigned n;
    unsigned threads;
    rotor_tree *real;
    rotor_tree *alone; /* of one thread; may be `real` */
    rotor_tree *idle;  /* the same, does not hash */
    rotor_bench_counters counters;
} batch_trees;

/* ns a batch; `cpu` of all threads. */
typedef struct batch_times {
    double wall;
    double cpu;
} batch_times;

/* Each batch from where the last ended in a large array, or again and again the same. */
static batch_times fill(const batch_trees *trees, rotor_tree *tree, const batch_size *size, bool cold) {
    rotor_hash root;
    rotor_bench_expect_ok(rotor_truncate(tree, NULL, BASE_LEAVES), "truncate");
    rotor_bench_expect_ok(rotor_root(tree, &root), "root");
    const rotor_hash *next = trees->bench->leaves + (cold ? BASE_LEAVES : 1);
    rotor_bench_span start = rotor_bench_start();
    for (size_t i = 0; i < size->batches; i++) {
        rotor_bench_load(tree, &root, next, size->leaves);
        next += cold ? size->leaves : 0;
    }
    rotor_bench_span span = rotor_bench_stop(start);
    double batches = (double)size->batches;
    return (batch_times){rotor_bench_span_ns(span, trees->threads) / batches, span.cpu_ns / batches};
}

/* The calls of all batches of a sample. */
static void record(rotor_bench_calls *calls, const rotor_bench *bench, rotor_tree *tree, const batch_size *size) {
    uint64_t nodes = 0;
    uint64_t at = BASE_LEAVES;
    rotor_hash root;
    rotor_bench_expect_ok(rotor_truncate(tree, NULL, at), "truncate");
    rotor_bench_expect_ok(rotor_root(tree, &root), "root");
    rotor_bench_calls_begin(calls);
    for (size_t i = 0; i < size->batches; i++, at += size->leaves) {
        rotor_bench_load(tree, &root, bench->leaves + at, size->leaves);
        nodes += rotor_bench_nodes_hashed(rotor_arity(tree), at, at + size->leaves);
    }
    rotor_bench_calls_end();
    rotor_bench_calls_expect(calls, nodes);
}

/* What hashing alone takes, processor time of a batch by one thread. */
typedef struct hashing {
    double peak; /* the blocks of whole vectors at the kernel's peak */
    double vectors;
    double stored; /* the same while leaves are stored */
    double chain;
    double all; /* in the order in which the tree makes the calls */
} hashing;

static hashing hash_again(const batch_trees *trees, const rotor_bench_calls *calls, const batch_size *size) {
    double batches = (double)size->batches;
    const rotor_hasher *hasher = trees->bench->hasher;
    double block_ns = rotor_bench_peak_cpu_ns(hasher, trees->n);
    hashing now;
    now.vectors = rotor_bench_calls_ns(calls, ROTOR_BENCH_VECTORS) / batches;
    now.stored = rotor_bench_calls_ns(calls, ROTOR_BENCH_VECTORS | ROTOR_BENCH_STORES) / batches;
    now.chain = rotor_bench_calls_ns(calls, ROTOR_BENCH_CHAINS) / batches;
    now.all = rotor_bench_calls_ns(calls, ROTOR_BENCH_VECTORS | ROTOR_BENCH_STORES | ROTOR_BENCH_CHAINS) / batches;
    block_ns = (block_ns + rotor_bench_peak_cpu_ns(hasher, trees->n)) / 2;
    now.peak = (double)calls->blocks * block_ns / batches;
    return now;
}

static bool is_shared(const batch_trees *trees, const batch_size *size) {
    return trees->threads > 1 && size->leaves / trees->n >= trees->real->parallel_threshold;
}

/* The times of one round, but for the hashing: as it is, and by one thread alone. */
typedef struct fills {
    batch_times whole;
    batch_times cold;
    batch_times warm; /* from a source that stays in the caches */
    batch_times idle;
} fills;

/* Of a batch that is shared, the work of one thread alone in equal parts, what more it takes all of them, and the time
 * in which some have none. */
static void add_parts(rotor_bench_ledger *ledger, const hashing *hash, const fills *times, unsigned threads) {
    double part = 1.0 / threads;
    rotor_bench_ledger_part(ledger, "hashing at the kernel's peak", hash->peak * part);
    rotor_bench_ledger_part(ledger, "lanes without a group, short calls", (hash->vectors - hash->peak) * part);
    rotor_bench_ledger_part(ledger, "storing leaves while hashing", (hash->stored - hash->vectors) * part);
    rotor_bench_ledger_part(ledger, "the chain to the root", hash->chain * part);
    rotor_bench_ledger_part(ledger, "changing between kernels", (hash->all - hash->stored - hash->chain) * part);
    rotor_bench_ledger_part(ledger, "the tree without hashing", times->idle.cpu * part);
    rotor_bench_ledger_part(ledger, "a source that is not in the caches", (times->cold.cpu - times->warm.cpu) * part);
    if (threads > 1) {
        rotor_bench_ledger_part(ledger, "sharing it among threads", (times->whole.cpu - times->cold.cpu) * part);
    }
    rotor_bench_ledger_part(ledger, threads > 1 ? ROTOR_BENCH_IDLE : ROTOR_BENCH_TAKEN,
                            times->whole.wall - times->whole.cpu * part);
}

static void add_facts(const batch_trees *trees, rotor_bench_ledger *ledger, const rotor_bench_calls *calls,
                      const batch_size *size, const rotor_bench_usage *usage, const double counts[ROTOR_BENCH_EVENTS]) {
    double batches = (double)size->batches;
    rotor_bench_ledger_fact(ledger, "threads_at_work", is_shared(trees, size) ? trees->threads : 1);
    rotor_bench_ledger_fact(ledger, "empty_lanes_fraction",
                            calls->lanes == 0 ? 0 : (double)(calls->lanes - calls->groups) / (double)calls->lanes);
    rotor_bench_ledger_fact(ledger, "chained_calls", (double)calls->chains / batches);
    rotor_bench_ledger_fact(ledger, "page_faults", usage->minor_faults / batches);
    for (unsigned i = 0; trees->threads == 1 && i < ROTOR_BENCH_EVENTS; i++) {
        rotor_bench_ledger_fact(ledger, rotor_bench_event_names[i], counts[i] / batches);
    }
}

/* The same batches behind a tree that has never been larger. */
static void add_fresh(const batch_trees *trees, rotor_bench_ledger *ledger, const batch_size *size) {
    rotor_tree *tree = rotor_bench_tree(trees->n, trees->threads);
    rotor_bench_load(tree, NULL, trees->bench->leaves, BASE_LEAVES);
    rotor_bench_usage start = rotor_bench_usage_now();
    batch_times fresh = fill(trees, tree, size, true);
    rotor_bench_usage usage = rotor_bench_usage_since(&start);
    rotor_close(tree, NULL);
    rotor_bench_ledger_fact(ledger, "fresh_memory_ns", fresh.wall);
    rotor_bench_ledger_fact(ledger, "fresh_page_faults", usage.minor_faults / (double)size->batches);
}

static void measure_round(const batch_trees *trees, rotor_bench_ledger *ledger, const rotor_bench_calls *calls,
                          const batch_size *size) {
    double counts[ROTOR_BENCH_EVENTS];
    rotor_bench_usage start = rotor_bench_usage_now();
    rotor_bench_counters_start(&trees->counters);
    fills times;
    times.whole = fill(trees, trees->real, size, true);
    rotor_bench_counters_stop(&trees->counters, counts);
    rotor_bench_usage usage = rotor_bench_usage_since(&start);
    bool shared = is_shared(trees, size);
    times.cold = shared ? fill(trees, trees->alone, size, true) : times.whole;
    times.warm = fill(trees, trees->alone, size, false);
    times.idle = fill(trees, trees->idle, size, false);
    hashing hash = hash_again(trees, calls, size);
    rotor_bench_ledger_whole(ledger, times.whole.wall);
    add_parts(ledger, &hash, &times, shared ? trees->threads : 1);
    add_facts(trees, ledger, calls, size, &usage, counts);
}

static void measure_size(const batch_trees *trees, rotor_tree *recorded, const batch_size *size) {
    char name[ROTOR_BENCH_LEDGER_NAME];
    rotor_bench_batch_ledger(name, trees->n, size->leaves, trees->threads);
    rotor_bench_ledger *ledger = rotor_bench_ledger_new(name, "batch", trees->n, BASE_LEAVES, trees->threads);
    rotor_bench_calls calls = rotor_bench_calls_new(trees->bench);
    record(&calls, trees->bench, recorded, size);
    for (size_t round = 0; round < rotor_bench_rounds(trees->bench, 3, 15); round++) {
        measure_round(trees, ledger, &calls, size);
    }
    add_fresh(trees, ledger, size);
    rotor_bench_ledger_print(trees->bench->output, ledger);
    rotor_bench_calls_free(&calls);
    free(ledger);
}

static void measure(const rotor_bench *bench, unsigned n, unsigned threads) {
    rotor_tree *recorded = rotor_bench_recorded_tree(bench, n);
    batch_trees trees = {.bench = bench, .n = n, .threads = threads, .counters = rotor_bench_counters_open()};
    trees.real = rotor_bench_tree(n, threads);
    trees.alone = threads > 1 ? rotor_bench_tree(n, 1) : trees.real;
    trees.idle = rotor_bench_idle_tree(bench, n);
    rotor_bench_load(recorded, NULL, bench->leaves, BASE_LEAVES + MOST_LEAVES);
    rotor_bench_load(trees.real, NULL, bench->leaves, BASE_LEAVES + MOST_LEAVES);
    rotor_bench_load(trees.idle, NULL, bench->leaves, BASE_LEAVES + MOST_LEAVES);
    if (trees.alone != trees.real) {
        rotor_bench_load(trees.alone, NULL, bench->leaves, BASE_LEAVES + MOST_LEAVES);
    }
    for (unsigned i = 0; i < SIZES; i++) {
        if (bench->full || sizes[i].batches > 1 || is_shared(&trees, &sizes[i])) {
            measure_size(&trees, recorded, &sizes[i]);
        }
    }
    if (trees.alone != trees.real) {
        rotor_close(trees.alone, NULL);
    }
    rotor_close(recorded, NULL);
    rotor_close(trees.real, NULL);
    rotor_close(trees.idle, NULL);
    rotor_bench_counters_close(&trees.counters);
}

void rotor_bench_ledger_batches(rotor_bench *bench) {
    rotor_bench_section(bench->output, "what batches with a root each are made of, ns a batch");
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        measure(bench, rotor_bench_arities[a], 1);
        if (bench->cpus > 1) {
            measure(bench, rotor_bench_arities[a], bench->cpus);
        }
    }
}
