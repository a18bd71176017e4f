/* A durable tree under load until it is large, with checkpoints of its own accord and a cap on what it keeps in memory:
 * the rate, the process's memory and what is written, as the tree grows. */
#include "bench.h"
#include "effort.h"
#include "ledger.h"
#include "limits.h"
#include "stored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 10000u
#define POINTS 24u
#define SYNC_LEAVES 1000000u /* for the disk's own rate */
#define LEDGER "a leaf in the last quarter of a sustained load"

typedef struct load {
    const rotor_bench *bench;
    rotor_tree *tree;
    uint64_t size;             /* at the end */
    uint64_t checkpoint_bytes; /* in memory when a checkpoint is due */
    double own_before;         /* bytes of the process that are no page of a file */
    double most_own;
    uint64_t checkpointed; /* size, when last looked */
    uint64_t due_since;    /* when the next checkpoint became due; 0: it is not */
    double checkpoint_ms;  /* the last that ended since the last point; 0: none did */
    rotor_bench_samples rates;
    rotor_bench_samples processor_ns; /* of all threads, a leaf, by points as the rates */
    rotor_bench_samples disk_busy;    /* part of the time */
} load;

/* A checkpoint counts from the batch with which it is due to the one after which it has ended. */
static void watch_checkpoints(load *run) {
    rotor_statistics now = rotor_bench_stored_statistics(run->tree);
    if (now.checkpointed_size != run->checkpointed) {
        run->checkpointed = now.checkpointed_size;
        run->checkpoint_ms = run->due_since != 0 ? rotor_bench_ms_since(run->due_since) : 0;
        run->due_since = 0;
    }
    uint64_t nodes = (now.size - now.checkpointed_size) * ROTOR_BENCH_STORED_ARITY / (ROTOR_BENCH_STORED_ARITY - 1);
    if (run->due_since == 0 && nodes * ROTOR_HASH_BYTES >= run->checkpoint_bytes) {
        run->due_since = rotor_bench_wall_ns();
    }
}

static void report_point(load *run, double rate) {
    rotor_statistics now = rotor_bench_stored_statistics(run->tree);
    double own = rotor_bench_anonymous_bytes() - run->own_before;
    run->most_own = own > run->most_own ? own : run->most_own;
    rotor_bench_samples samples = {.count = 0};
    rotor_bench_add(&samples, rate);
    rotor_bench_add(&run->rates, rate);
    rotor_bench_row row = rotor_bench_row_of("growth_point", ROTOR_BENCH_STORED_ARITY, now.size, run->bench->cpus);
    rotor_bench_number(&row, "resident_bytes", rotor_bench_process_bytes("VmRSS:"));
    rotor_bench_number(&row, "anonymous_bytes", own);
    rotor_bench_number(&row, "written_bytes_per_leaf", (double)now.written_bytes / (double)now.size);
    if (run->checkpoint_ms > 0) {
        rotor_bench_number(&row, "checkpoint_ms", run->checkpoint_ms);
        run->checkpoint_ms = 0;
    }
    rotor_bench_print(run->bench->output, &row, ROTOR_BENCH_LEAVES_PER_S, &samples);
}

/* Returns ns of all of it; looking at the process between the points is not counted. */
static double grow(load *run) {
    uint64_t step = run->size / POINTS / BATCH * BATCH;
    double total = 0;
    for (uint64_t at = step; at <= run->size; at += step) {
        rotor_bench_effort begin = rotor_bench_effort_now();
        rotor_hash root;
        while (rotor_size(run->tree) < at) {
            rotor_bench_stored_grow(run->bench, run->tree, rotor_size(run->tree) + BATCH, BATCH, &root);
            watch_checkpoints(run);
        }
        rotor_bench_effort took = rotor_bench_effort_since(&begin);
        double ns = took.wall_ns;
        rotor_bench_add(&run->processor_ns, took.processor_ns / (double)step);
        rotor_bench_add(&run->disk_busy, took.disk_ns / ns);
        total += ns;
        report_point(run, (double)step * 1e9 / ns);
    }
    return total;
}

/* Of the first or the last quarter of all points as a whole: checkpoints make the rate of single points swing. */
static double quarter_rate(const rotor_bench_samples *rates, bool last) {
    size_t quarter = rates->count / 4;
    double time = 0;
    for (size_t i = 0; i < quarter; i++) {
        time += 1 / rates->values[last ? rates->count - 1 - i : i];
    }
    return (double)quarter / time;
}

static double mean_of(const rotor_bench_samples *samples, size_t first, size_t count) {
    double sum = 0;
    for (size_t i = first; i < first + count; i++) {
        sum += samples->values[i];
    }
    return sum / (double)count;
}

static void print_ledger(const load *run) {
    size_t quarter = run->rates.count / 4;
    size_t last = run->rates.count - quarter;
    double whole = 1e9 / quarter_rate(&run->rates, true);
    double busy = mean_of(&run->processor_ns, last, quarter) / run->bench->cpus;
    rotor_bench_ledger *ledger =
        rotor_bench_ledger_new(LEDGER, "leaf", ROTOR_BENCH_STORED_ARITY, run->size, run->bench->cpus);
    rotor_bench_ledger_whole(ledger, whole);
    rotor_bench_ledger_part(ledger, "work of the processors, shared by all", busy);
    rotor_bench_ledger_part(ledger, ROTOR_BENCH_IDLE, whole - busy);
    rotor_bench_ledger_fact(ledger, "disk_busy_fraction", mean_of(&run->disk_busy, last, quarter));
    rotor_bench_ledger_fact(ledger, "first_quarter_ns", 1e9 / quarter_rate(&run->rates, false));
    rotor_bench_ledger_fact(ledger, "first_quarter_work_ns",
                            mean_of(&run->processor_ns, 0, quarter) / run->bench->cpus);
    rotor_bench_ledger_fact(ledger, "first_quarter_disk_busy_fraction", mean_of(&run->disk_busy, 0, quarter));
    rotor_bench_ledger_print(run->bench->output, ledger);
    free(ledger);
}

static void report(const load *run, double ns, double raw_leaf_ns) {
    rotor_bench_output *output = run->bench->output;
    rotor_statistics end = rotor_bench_stored_statistics(run->tree);
    double written = (double)end.written_bytes / (double)end.size;
    double flat = quarter_rate(&run->rates, true) / quarter_rate(&run->rates, false);
    rotor_bench_samples rate = {.count = 0};
    rotor_bench_add(&rate, (double)end.size * 1e9 / ns);
    rotor_bench_row row = rotor_bench_row_of("sustained_load", ROTOR_BENCH_STORED_ARITY, end.size, run->bench->cpus);
    rotor_bench_number(&row, "batch", BATCH);
    rotor_bench_number(&row, "checkpoint_bytes", (double)run->checkpoint_bytes);
    rotor_bench_number(&row, "written_bytes_per_leaf", written);
    rotor_bench_number(&row, "most_anonymous_bytes", run->most_own);
    rotor_bench_number(&row, "last_quarter_over_first", flat);
    rotor_bench_limit(&row, ROTOR_BENCH_DISK, raw_leaf_ns * written / ROTOR_HASH_BYTES / (ns / (double)end.size));
    rotor_bench_print(output, &row, ROTOR_BENCH_LEAVES_PER_S, &rate);
    print_ledger(run);
    rotor_bench_bound(output, "sustained load: rate of the last quarter over the first", flat, true, 0.9, "x");
    rotor_bench_explain(output, LEDGER);
    /* Inserts wait at four times as many; a batch, and what the process itself needs, come on top. */
    rotor_bench_bound(output, "sustained load: most own memory over checkpoint_bytes",
                      run->most_own / (double)run->checkpoint_bytes, false, 5, "x");
}

void rotor_bench_storage_load(rotor_bench *bench) {
    uint64_t size = bench->full ? 100000000 : 24000000;
    if (!rotor_bench_folder_make(bench, "storage-load", size * 64)) {
        return;
    }
    rotor_bench_section(bench->output, "load: batches of 10,000 with a root each, checkpoints in the background, the "
                                       "memory capped");
    static load run;
    memset(&run, 0, sizeof run);
    run.bench = bench;
    run.size = size;
    run.checkpoint_bytes = (uint64_t)(bench->full ? 128 : 32) << 20;
    run.own_before = rotor_bench_anonymous_bytes();
    rotor_options options = rotor_bench_stored_options(false);
    options.checkpoint_bytes = run.checkpoint_bytes;
    run.tree = rotor_bench_stored_open("tree", &options);
    double ns = grow(&run);
    rotor_bench_stored_expect_ok(run.tree, rotor_checkpoint_wait(run.tree, ROTOR_FOREVER), "checkpoint_wait");
    report(&run, ns, rotor_bench_raw_sequential(bench, SYNC_LEAVES).wall_ns / SYNC_LEAVES);
    rotor_bench_stored_close(run.tree);
    rotor_bench_folder_remove();
}
