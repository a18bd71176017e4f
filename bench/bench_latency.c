/* How long single calls take, each with its time on the clock, which adds some 30 ns: in memory, waited for on a disk,
 * and while a checkpoint runs. */
#include "bench.h"
#include "histogram.h"
#include "stored.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARITY ROTOR_BENCH_STORED_ARITY
#define LEAVES 1000000u
#define MOST_CALLERS 64
#define SPACE ((uint64_t)2 << 30)

static size_t calls(const rotor_bench *bench) {
    return rotor_bench_rounds(bench, 200000, 2000000);
}

static const rotor_hash *leaf_of(const rotor_bench *bench, uint64_t index) {
    return bench->leaves + index % ROTOR_BENCH_LEAVES_MAX;
}

/* ---------------------------------------------------------------- in memory */

static void measure_inserts(const rotor_bench *bench, bool with_root) {
    static rotor_bench_histogram histogram;
    memset(&histogram, 0, sizeof histogram);
    rotor_tree *tree = rotor_bench_tree(ARITY, 1);
    rotor_hash root;
    rotor_bench_load(tree, &root, bench->leaves, LEAVES);
    for (size_t i = 0; i < calls(bench); i++) {
        const rotor_hash *leaf = leaf_of(bench, LEAVES + i);
        uint64_t begin = rotor_bench_wall_ns();
        rotor_status status = rotor_insert(tree, with_root ? &root : NULL, NULL, leaf);
        rotor_bench_count(&histogram, rotor_bench_wall_ns() - begin);
        rotor_bench_expect_ok(status, "insert");
    }
    rotor_close(tree, NULL);
    rotor_bench_print_histogram(bench->output, &histogram, with_root ? "insert_with_root" : "insert_without_root",
                                ARITY, LEAVES, 1);
}

static void measure_reads(const rotor_bench *bench, bool proofs) {
    static rotor_bench_histogram histogram;
    memset(&histogram, 0, sizeof histogram);
    rotor_tree *tree = rotor_bench_tree(ARITY, 1);
    rotor_hash root;
    rotor_bench_load(tree, &root, bench->leaves, LEAVES);
    rotor_snapshot snapshot;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_bench_expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot_take");
    uint64_t random = 71;
    for (size_t i = 0; i < calls(bench); i++) {
        uint64_t index = rotor_bench_random(&random) % LEAVES;
        uint64_t begin = rotor_bench_wall_ns();
        rotor_status status =
            proofs ? rotor_inclusion_prove(&snapshot, &proof, index) : rotor_snapshot_take(tree, &snapshot);
        rotor_bench_count(&histogram, rotor_bench_wall_ns() - begin);
        rotor_bench_expect_ok(status, "read");
    }
    rotor_inclusion_proof_free(&proof);
    rotor_close(tree, NULL);
    rotor_bench_print_histogram(bench->output, &histogram, proofs ? "proof_make" : "snapshot_take", ARITY, LEAVES, 1);
}

/* ---------------------------------------------------------------- waiting for a disk */

typedef struct caller {
    rotor_tree *tree;
    const rotor_bench *bench;
    const atomic_bool *ends;
    uint64_t first; /* of its leaves */
    rotor_bench_histogram histogram;
} caller;

static void *insert_until_told(void *argument) {
    caller *me = argument;
    for (uint64_t i = 0; !atomic_load_explicit(me->ends, memory_order_relaxed); i++) {
        uint64_t begin = rotor_bench_wall_ns();
        rotor_status status = rotor_insert_durable(me->tree, NULL, leaf_of(me->bench, me->first + i), 1);
        rotor_bench_count(&me->histogram, rotor_bench_wall_ns() - begin);
        rotor_bench_stored_expect_ok(me->tree, status, "insert_durable");
    }
    return NULL;
}

static void measure_durable(const rotor_bench *bench, rotor_tree *tree, unsigned callers) {
    caller *all = rotor_bench_allocate(callers * sizeof *all);
    memset(all, 0, callers * sizeof *all);
    pthread_t ids[MOST_CALLERS];
    atomic_bool ends = false;
    for (unsigned i = 0; i < callers; i++) {
        all[i] = (caller){.tree = tree, .bench = bench, .ends = &ends};
        all[i].first = i * (ROTOR_BENCH_LEAVES_MAX / MOST_CALLERS);
        if (pthread_create(&ids[i], NULL, insert_until_told, &all[i]) != 0) {
            fprintf(stderr, "rotortree-bench: cannot start %u threads\n", callers);
            exit(1);
        }
    }
    struct timespec pause = {bench->full ? 4 : 0, 500000000};
    nanosleep(&pause, NULL);
    atomic_store(&ends, true);
    for (unsigned i = 0; i < callers; i++) {
        pthread_join(ids[i], NULL);
        if (i > 0) {
            rotor_bench_merge(&all[0].histogram, &all[i].histogram);
        }
    }
    rotor_bench_print_histogram(bench->output, &all[0].histogram, "durable_insert", ARITY, rotor_size(tree), callers);
    free(all);
}

/* ---------------------------------------------------------------- while a checkpoint runs */

/* Inserts, each with its root, from the moment at which a checkpoint of a million leaves has been asked for until it
 * has ended. */
static void measure_during_checkpoint(const rotor_bench *bench) {
    static rotor_bench_histogram histogram;
    memset(&histogram, 0, sizeof histogram);
    rotor_options options = rotor_bench_stored_options(false);
    options.checkpoint_bytes = 0;
    rotor_tree *tree = rotor_bench_stored_open("checkpointed", &options);
    rotor_hash root;
    for (size_t round = 0; round < rotor_bench_rounds(bench, 5, 20); round++) {
        uint64_t due = rotor_size(tree) / 1000 * 1000 + LEAVES;
        rotor_bench_stored_expect_ok(tree, rotor_truncate(tree, NULL, rotor_size(tree) / 1000 * 1000), "truncate");
        rotor_bench_stored_grow(bench, tree, due, 1000, &root);
        rotor_bench_stored_expect_ok(tree, rotor_flush(tree), "flush");
        rotor_bench_stored_expect_ok(tree, rotor_checkpoint_start(tree), "checkpoint_start");
        for (uint64_t i = 0; rotor_bench_stored_statistics(tree).checkpointed_size < due; i++) {
            uint64_t begin = rotor_bench_wall_ns();
            rotor_status status = rotor_insert(tree, &root, NULL, leaf_of(bench, due + i));
            rotor_bench_count(&histogram, rotor_bench_wall_ns() - begin);
            rotor_bench_stored_expect_ok(tree, status, "insert");
        }
    }
    uint64_t size = rotor_size(tree);
    rotor_bench_stored_close(tree);
    rotor_bench_print_histogram(bench->output, &histogram, "insert_during_checkpoint", ARITY, size, 1);
}

void rotor_bench_latency(rotor_bench *bench) {
    rotor_bench_section(bench->output, "times of single calls in memory, N = 4");
    measure_inserts(bench, true);
    measure_inserts(bench, false);
    measure_reads(bench, true);
    measure_reads(bench, false);
    if (!rotor_bench_folder_make(bench, "latency", SPACE)) {
        return;
    }
    rotor_bench_section(bench->output, "times of single calls on disk: waited for until durable (thr: callers), and "
                                       "not waited for while a checkpoint runs");
    rotor_options options = rotor_bench_stored_options(false);
    rotor_tree *tree = rotor_bench_stored_open("tree", &options);
    measure_durable(bench, tree, 1);
    measure_durable(bench, tree, MOST_CALLERS);
    rotor_bench_stored_close(tree);
    measure_during_checkpoint(bench);
    rotor_bench_folder_remove();
}
