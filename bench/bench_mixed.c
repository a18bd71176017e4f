/* One writer, batches of a thousand leaves with a root each, and readers that take snapshots and make proofs, in memory
 * and on disk: what each of them is left with beside the others. */
#include "bench.h"
#include "counters.h"
#include "ledger.h"
#include "limits.h"
#include "stored.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARITY ROTOR_BENCH_STORED_ARITY
#define BASE_LEAVES 1000000u
#define BATCH 1000u
#define MOST_READERS 8
#define PROOFS_PER_SNAPSHOT 16u
#define VERIFY_EVERY 64u /* one proof of so many is verified */
#define SPACE ((uint64_t)4 << 30)

/* ---------------------------------------------------------------- who runs */

typedef struct stage {
    rotor_tree *tree;
    const rotor_bench *bench;
    atomic_bool ends;
} stage;

typedef struct reader {
    stage *on;
    uint64_t random;
    uint64_t proofs;
    double ns; /* one proof */
} reader;

static void *read_until_told(void *argument) {
    reader *me = argument;
    rotor_snapshot snapshot;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    uint64_t begin = rotor_bench_wall_ns();
    while (!atomic_load_explicit(&me->on->ends, memory_order_relaxed)) {
        rotor_bench_expect_ok(rotor_snapshot_take(me->on->tree, &snapshot), "snapshot_take");
        for (unsigned i = 0; i < PROOFS_PER_SNAPSHOT; i++, me->proofs++) {
            uint64_t index = rotor_bench_random(&me->random) % snapshot.size;
            rotor_bench_expect_ok(rotor_inclusion_prove(&snapshot, &proof, index), "prove");
            if (me->proofs % VERIFY_EVERY == 0) {
                rotor_tree_head head;
                rotor_bench_expect_ok(rotor_snapshot_head(&snapshot, &head), "snapshot_head");
                rotor_bench_expect_ok(rotor_inclusion_verify(&proof, &head, NULL), "verify");
            }
        }
    }
    me->ns = (double)(rotor_bench_wall_ns() - begin) / (double)me->proofs;
    rotor_inclusion_proof_free(&proof);
    return NULL;
}

/* What the writer did in a stretch of time. */
typedef struct writing {
    double rate;      /* leaves a second */
    double wall_ns;   /* a batch */
    double thread_ns; /* a batch: the processor time of its thread */
    double busy;      /* of the processors, by the whole process */
} writing;

/* Until so much time has passed. A durable tree's leaves are on the disk when the time ends. */
static writing write_for(stage *on, uint64_t ms) {
    uint64_t begin = rotor_bench_wall_ns();
    uint64_t thread = rotor_bench_thread_ns();
    rotor_bench_usage usage = rotor_bench_usage_now();
    uint64_t before = rotor_size(on->tree);
    rotor_hash root;
    uint64_t now;
    do {
        rotor_bench_stored_grow(on->bench, on->tree, rotor_size(on->tree) + BATCH, BATCH, &root);
        now = rotor_bench_wall_ns();
    } while (now - begin < ms * 1000000);
    rotor_bench_stored_expect_ok(on->tree, rotor_flush(on->tree), "flush");
    usage = rotor_bench_usage_since(&usage);
    double leaves = (double)(rotor_size(on->tree) - before);
    double wall_ns = (double)(rotor_bench_wall_ns() - begin);
    double thread_ns = (double)(rotor_bench_thread_ns() - thread);
    return (writing){.rate = leaves * 1e9 / wall_ns,
                     .wall_ns = wall_ns * BATCH / leaves,
                     .thread_ns = thread_ns * BATCH / leaves,
                     .busy = (usage.user_ns + usage.system_ns) / wall_ns / on->bench->cpus};
}

/* With so many readers, and with or without the writer; returns what the writer did, and ns of a proof by the mean
 * reader. */
static writing run_stage(stage *on, double *proof_ns, unsigned readers, bool writes, uint64_t ms) {
    reader all[MOST_READERS];
    pthread_t ids[MOST_READERS];
    atomic_store(&on->ends, false);
    for (unsigned i = 0; i < readers; i++) {
        all[i] = (reader){on, 101 + i, 0, 0};
        if (pthread_create(&ids[i], NULL, read_until_told, &all[i]) != 0) {
            fprintf(stderr, "rotortree-bench: cannot start %u threads\n", readers);
            exit(1);
        }
    }
    writing written = {0, 0, 0, 0};
    if (writes) {
        written = write_for(on, ms);
    } else {
        struct timespec pause = {0, (long)ms * 1000000};
        nanosleep(&pause, NULL);
    }
    atomic_store(&on->ends, true);
    *proof_ns = 0;
    for (unsigned i = 0; i < readers; i++) {
        pthread_join(ids[i], NULL);
        *proof_ns += all[i].ns / readers;
    }
    return written;
}

/* ---------------------------------------------------------------- what is measured */

typedef struct mixed_way {
    unsigned readers;
    rotor_bench_samples rate;
    rotor_bench_samples of_alone;
    rotor_bench_samples proof_ns;
    rotor_bench_samples proof_of_alone;
    rotor_bench_ledger *ledger;
} mixed_way;

/* A batch of the writer: what it takes alone, and how much longer beside readers. */
static void add_to_ledger(rotor_bench_ledger *ledger, const writing *alone, const writing *beside) {
    double waiting = alone->wall_ns - alone->thread_ns;
    rotor_bench_ledger_whole(ledger, beside->wall_ns);
    rotor_bench_ledger_part(ledger, "its work when alone", alone->thread_ns);
    rotor_bench_ledger_part(ledger, "waiting when alone", waiting);
    rotor_bench_ledger_part(ledger, "more work beside the readers", beside->thread_ns - alone->thread_ns);
    rotor_bench_ledger_part(ledger, "more waiting beside the readers", beside->wall_ns - beside->thread_ns - waiting);
    rotor_bench_ledger_fact(ledger, "processors_busy_fraction", beside->busy);
}

static void measure_round(const rotor_bench *bench, mixed_way *way, bool durable, uint64_t ms) {
    rotor_options options = rotor_bench_stored_options(false);
    options.checkpoint_on_close = 0;
    stage on = {.bench = bench};
    on.tree = durable ? rotor_bench_stored_open("tree", &options) : rotor_bench_tree(ARITY, 0);
    rotor_hash root;
    rotor_bench_stored_grow(bench, on.tree, BASE_LEAVES, 10000, &root);
    double proof_alone;
    double proof_ns;
    double none;
    (void)run_stage(&on, &proof_alone, 1, false, ms / 2);
    writing alone = run_stage(&on, &none, 0, true, ms);
    writing beside = run_stage(&on, &proof_ns, way->readers, true, ms);
    add_to_ledger(way->ledger, &alone, &beside);
    rotor_bench_add(&way->rate, beside.rate);
    rotor_bench_add(&way->of_alone, beside.rate / alone.rate);
    rotor_bench_add(&way->proof_ns, proof_ns);
    rotor_bench_add(&way->proof_of_alone, proof_alone / proof_ns);
    rotor_bench_stored_close(on.tree);
    if (durable) {
        rotor_bench_folder_clear("tree");
    }
}

/* What all of them together do, in units of one thread alone, over the processors that they can have: nobody's share is
 * anybody's fault, but the sum is. */
static double of_processors(const rotor_bench *bench, const mixed_way *way) {
    double done = rotor_bench_median(&way->of_alone) + way->readers * rotor_bench_median(&way->proof_of_alone);
    return done / fmin(bench->cpus, way->readers + 1);
}

static void report(const rotor_bench *bench, const mixed_way *way, bool durable) {
    const char *tree = durable ? "durable" : "memory";
    rotor_bench_row row = rotor_bench_row_of("mixed_writer", ARITY, BASE_LEAVES, 1 + way->readers);
    rotor_bench_text(&row, "tree", tree);
    rotor_bench_number(&row, "readers", way->readers);
    rotor_bench_number(&row, "batch", BATCH);
    rotor_bench_number(&row, "of_alone", rotor_bench_median(&way->of_alone));
    rotor_bench_limit(&row, "processors", of_processors(bench, way));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_LEAVES_PER_S, &way->rate);
    row = rotor_bench_row_of("mixed_reader", ARITY, BASE_LEAVES, 1 + way->readers);
    rotor_bench_text(&row, "tree", tree);
    rotor_bench_number(&row, "readers", way->readers);
    rotor_bench_number(&row, "proofs_per_s_each", 1e9 / rotor_bench_median(&way->proof_ns));
    rotor_bench_number(&row, "of_alone", rotor_bench_median(&way->proof_of_alone));
    rotor_bench_limit(&row, "processors", of_processors(bench, way));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &way->proof_ns);
    if (way->readers == 1 && bench->cpus > 1) {
        char what[96];
        snprintf(what, sizeof what, "writer beside one reader over alone, %s tree", tree);
        rotor_bench_bound(bench->output, what, rotor_bench_median(&way->of_alone), true, 0.9, "x");
        rotor_bench_explain(bench->output, way->ledger->name);
        rotor_bench_ledger_print(bench->output, way->ledger);
    }
}

static void measure(const rotor_bench *bench, bool durable) {
    static const unsigned readers[] = {1, 2, 4, MOST_READERS};
    for (size_t r = 0; r < sizeof readers / sizeof readers[0]; r++) {
        mixed_way *way = rotor_bench_allocate(sizeof *way);
        memset(way, 0, sizeof *way);
        way->readers = readers[r];
        char name[ROTOR_BENCH_LEDGER_NAME];
        snprintf(name, sizeof name, "writer beside %u reader%s, %s tree", way->readers, way->readers == 1 ? "" : "s",
                 durable ? "durable" : "memory");
        way->ledger = rotor_bench_ledger_new(name, "batch", ARITY, BASE_LEAVES, 1 + way->readers);
        for (size_t round = 0; round < rotor_bench_rounds(bench, 3, 9); round++) {
            measure_round(bench, way, durable, bench->full ? 300 : 80);
        }
        report(bench, way, durable);
        free(way->ledger);
        free(way);
    }
}

void rotor_bench_mixed(rotor_bench *bench) {
    rotor_bench_section(bench->output, "in memory: one writer, batches of 1,000 with a root each, beside readers that "
                                       "make proofs (one of 64 verified)");
    measure(bench, false);
    if (!rotor_bench_folder_make(bench, "mixed", SPACE)) {
        return;
    }
    rotor_bench_section(bench->output, "the same on disk, flushed in the background and at the end");
    measure(bench, true);
    rotor_bench_folder_remove();
}
