/* What the time of a single insert is made of: with its root, the compressions that wait for each other, the calls
 * around them, and the tree without hashing; without a root, hashing many at a time, and in fresh memory the first
 * touch. */
#include "bench.h"
#include "calls.h"
#include "counters.h"
#include "ledger.h"
#include "limits.h"

#include <stdlib.h>

#define BASE_LEAVES 1000000u
/* As the suite of single inserts has them, whose bounds name these ledgers. */
#define INSERTS_WITH_ROOT 4096u
#define INSERTS_WITHOUT 20000u
#define FRESH_LEAVES 200000u
#define ROOT_EVERY 1000u

/* Single inserts from `base` leaves on, with a root each or one after some. */
typedef struct inserting {
    const rotor_bench *bench;
    unsigned n;
    uint64_t base;
    unsigned inserts;
    unsigned root_every;
} inserting;

static void insert(const inserting *what, rotor_tree *tree) {
    rotor_hash root;
    const rotor_hash *next = what->bench->leaves + what->base;
    for (unsigned i = 1; i <= what->inserts; i++, next++) {
        rotor_bench_expect_ok(rotor_insert(tree, what->root_every == 1 ? &root : NULL, NULL, next), "insert");
        if (what->root_every != 1 && i % what->root_every == 0) {
            rotor_bench_expect_ok(rotor_root(tree, &root), "root");
        }
    }
}

static void go_back(const inserting *what, rotor_tree *tree) {
    rotor_hash root;
    rotor_bench_expect_ok(rotor_truncate(tree, NULL, what->base), "truncate");
    if (what->base > 0) {
        rotor_bench_expect_ok(rotor_root(tree, &root), "root");
    }
}

/* ns an insert, by wall and by processor; and its page faults. */
typedef struct insert_times {
    double wall;
    double cpu;
    double faults;
} insert_times;

static insert_times time_inserts(const inserting *what, rotor_tree *tree) {
    rotor_bench_usage usage = rotor_bench_usage_now();
    uint64_t wall = rotor_bench_now_ns();
    uint64_t cpu = rotor_bench_thread_ns();
    insert(what, tree);
    double inserts = what->inserts;
    insert_times times = {(double)(rotor_bench_now_ns() - wall) / inserts,
                          (double)(rotor_bench_thread_ns() - cpu) / inserts, 0};
    times.faults = rotor_bench_usage_since(&usage).minor_faults / inserts;
    return times;
}

/* Into memory that the tree has used before. */
static insert_times into_touched(const inserting *what, rotor_tree *tree) {
    go_back(what, tree);
    return time_inserts(what, tree);
}

static insert_times into_fresh(const inserting *what) {
    rotor_tree *tree = rotor_bench_tree(what->n, 1);
    insert_times times = time_inserts(what, tree);
    rotor_close(tree, NULL);
    return times;
}

static rotor_bench_calls record(const inserting *what) {
    rotor_tree *tree = rotor_bench_recorded_tree(what->bench, what->n);
    rotor_bench_calls calls = rotor_bench_calls_new(what->bench);
    uint64_t nodes = 0;
    if (what->base > 0) {
        rotor_bench_load(tree, NULL, what->bench->leaves, (size_t)what->base + what->inserts);
    }
    go_back(what, tree);
    rotor_bench_calls_begin(&calls);
    insert(what, tree);
    rotor_bench_calls_end();
    for (uint64_t at = what->base; at < what->base + what->inserts; at += what->root_every) {
        nodes += rotor_bench_nodes_hashed(what->n, at, at + what->root_every);
    }
    rotor_bench_calls_expect(&calls, nodes);
    rotor_close(tree, NULL);
    return calls;
}

/* Compressions of an insert that wait for each other. */
static double chained(const inserting *what) {
    uint64_t total = 0;
    for (uint64_t at = what->base; at < what->base + what->inserts; at += what->root_every) {
        total += at == 0 ? 0 : rotor_bench_chain(what->n, at, at + what->root_every, what->root_every == 1);
    }
    return (double)total / what->inserts;
}

static void add_hashing(const inserting *what, rotor_bench_ledger *ledger, const rotor_bench_calls *calls) {
    const rotor_hasher *hasher = what->bench->hasher;
    double needed = chained(what);
    double lone_ns = (rotor_bench_lone_ns(hasher) + rotor_bench_lone_ns(hasher)) / 2;
    double chain = rotor_bench_calls_ns(calls, ROTOR_BENCH_CHAINS) / what->inserts;
    rotor_bench_ledger_part(ledger, "compressions that wait for each other", needed * lone_ns);
    rotor_bench_ledger_part(ledger, "the calls around them", chain - needed * lone_ns);
    rotor_bench_ledger_fact(ledger, "lone_compressions", needed);
    rotor_bench_ledger_fact(ledger, "lone_ns", lone_ns);
    rotor_bench_ledger_fact(ledger, "chained_calls", (double)calls->chains / what->inserts);
    if (calls->groups == 0) {
        return;
    }
    double peak = (double)calls->blocks * rotor_bench_peak_cpu_ns(hasher, what->n) / what->inserts;
    double vectors = rotor_bench_calls_ns(calls, ROTOR_BENCH_VECTORS) / what->inserts;
    rotor_bench_ledger_part(ledger, "hashing at the kernel's peak", peak);
    rotor_bench_ledger_part(ledger, "lanes without a group, short calls", vectors - peak);
}

static void measure_round(const inserting *what, rotor_bench_ledger *ledger, const rotor_bench_calls *calls,
                          rotor_tree *real, rotor_tree *idle, const rotor_bench_counters *counters) {
    double counts[ROTOR_BENCH_EVENTS];
    rotor_bench_counters_start(counters);
    insert_times touched = into_touched(what, real);
    rotor_bench_counters_stop(counters, counts);
    insert_times whole = what->base > 0 ? touched : into_fresh(what);
    insert_times without = into_touched(what, idle);
    rotor_bench_ledger_whole(ledger, whole.wall);
    add_hashing(what, ledger, calls);
    rotor_bench_ledger_part(ledger, "the tree without hashing", without.cpu);
    if (what->base == 0) {
        rotor_bench_ledger_part(ledger, "memory touched for the first time", whole.cpu - touched.cpu);
    }
    rotor_bench_ledger_part(ledger, ROTOR_BENCH_TAKEN, whole.wall - whole.cpu);
    rotor_bench_ledger_fact(ledger, "page_faults", whole.faults);
    for (unsigned i = 0; i < ROTOR_BENCH_EVENTS; i++) {
        rotor_bench_ledger_fact(ledger, rotor_bench_event_names[i], counts[i] / what->inserts);
    }
}

static void measure(const inserting *what, const char *root) {
    char name[ROTOR_BENCH_LEDGER_NAME];
    rotor_bench_insert_ledger(name, what->n, root);
    rotor_bench_ledger *ledger = rotor_bench_ledger_new(name, "insert", what->n, what->base, 1);
    rotor_bench_calls calls = record(what);
    rotor_tree *real = rotor_bench_tree(what->n, 1);
    rotor_tree *idle = rotor_bench_idle_tree(what->bench, what->n);
    rotor_bench_load(real, NULL, what->bench->leaves, (size_t)what->base + what->inserts);
    rotor_bench_load(idle, NULL, what->bench->leaves, (size_t)what->base + what->inserts);
    rotor_bench_counters counters = rotor_bench_counters_open();
    for (size_t round = 0; round < rotor_bench_rounds(what->bench, what->base == 0 ? 3 : 9, 21); round++) {
        measure_round(what, ledger, &calls, real, idle, &counters);
    }
    rotor_bench_ledger_print(what->bench->output, ledger);
    rotor_bench_counters_close(&counters);
    rotor_close(real, NULL);
    rotor_close(idle, NULL);
    rotor_bench_calls_free(&calls);
    free(ledger);
}

void rotor_bench_ledger_insert(rotor_bench *bench) {
    rotor_bench_section(bench->output, "what single inserts are made of, ns an insert");
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        unsigned n = rotor_bench_arities[a];
        const inserting with_root = {bench, n, BASE_LEAVES, INSERTS_WITH_ROOT, 1};
        const inserting touched = {bench, n, BASE_LEAVES, INSERTS_WITHOUT, ROOT_EVERY};
        const inserting fresh = {bench, n, 0, FRESH_LEAVES, ROOT_EVERY};
        measure(&with_root, "with its root");
        measure(&touched, "without root, touched memory");
        measure(&fresh, "without root, fresh memory");
    }
}
