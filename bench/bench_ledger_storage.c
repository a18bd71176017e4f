/* What the time of durable inserts is made of: of many callers, each waiting for its own, where the processors spend
 * it; of a bulk load, the same in memory, what the disk adds while leaves come, and the flush at the end. */
#include "bench.h"
#include "counters.h"
#include "crew.h"
#include "disk_times.h"
#include "ledger.h"
#include "limits.h"
#include "stored.h"

#include <math.h>
#include <stdlib.h>

#define LEAVES ROTOR_BENCH_LEAVES_MAX
#define BATCH 10000u
#define SPACE ((uint64_t)2 << 30)

/* ---------------------------------------------------------------- callers */

/* The processors' time as if each had done its part of it, and the time in which some had nothing to do. */
static void callers_round(const rotor_bench *bench, rotor_tree *tree, rotor_bench_disk_times *times,
                          rotor_bench_ledger *ledger) {
    double switch_ns = rotor_bench_switch_ns();
    rotor_bench_disk_times_reset(times);
    rotor_bench_usage start = rotor_bench_usage_now();
    rotor_bench_crew_result result =
        rotor_bench_crew(bench, tree, ROTOR_BENCH_MOST_CALLERS, false, bench->full ? 600 : 250);
    rotor_bench_usage usage = rotor_bench_usage_since(&start);
    switch_ns = (switch_ns + rotor_bench_switch_ns()) / 2;
    double share = 1 / (result.inserts * bench->cpus);
    double busy = (usage.user_ns + usage.system_ns) * share;
    double whole = result.ns / result.inserts;
    rotor_bench_ledger_whole(ledger, whole);
    rotor_bench_ledger_part(ledger, "the system's work: switching threads, writing", usage.system_ns * share);
    rotor_bench_ledger_part(ledger, "the callers' own work", usage.user_ns * share);
    rotor_bench_ledger_part(ledger, ROTOR_BENCH_IDLE, whole - busy);
    rotor_bench_ledger_fact(ledger, "syncs_per_s", times->syncs * 1e9 / result.ns);
    rotor_bench_ledger_fact(ledger, "inserts_per_sync", result.inserts / times->syncs);
    rotor_bench_ledger_fact(ledger, "sync_under_way_fraction", rotor_bench_disk_sync_ns(times) / result.ns);
    rotor_bench_ledger_fact(ledger, "write_under_way_fraction", rotor_bench_disk_write_ns(times) / result.ns);
    rotor_bench_ledger_fact(ledger, "waits_per_insert", usage.waits / result.inserts);
    rotor_bench_ledger_fact(ledger, "preemptions_per_insert", usage.preemptions / result.inserts);
    rotor_bench_ledger_fact(ledger, "switch_ns", switch_ns);
    rotor_bench_ledger_fact(ledger, "user_ns", usage.user_ns / result.inserts);
    rotor_bench_ledger_fact(ledger, "system_ns", usage.system_ns / result.inserts);
    rotor_bench_ledger_fact(ledger, "processors_busy_fraction", busy / whole);
}

static void measure_callers(const rotor_bench *bench) {
    static rotor_bench_disk_times times;
    rotor_bench_disk_times_init(&times);
    rotor_options options = rotor_bench_stored_options(false);
    rotor_tree *tree = rotor_bench_disk_timed_open("callers", &options, &times);
    rotor_bench_ledger *ledger = rotor_bench_ledger_new(ROTOR_BENCH_CALLERS_LEDGER, "insert", ROTOR_BENCH_STORED_ARITY,
                                                        0, ROTOR_BENCH_MOST_CALLERS);
    for (size_t round = 0; round < rotor_bench_rounds(bench, 3, 11); round++) {
        callers_round(bench, tree, &times, ledger);
    }
    rotor_bench_stored_close(tree);
    rotor_bench_folder_clear("callers");
    rotor_bench_ledger_print(bench->output, ledger);
    free(ledger);
}

/* ---------------------------------------------------------------- bulk */

static double memory_ns(const rotor_bench *bench) {
    rotor_tree *tree = rotor_bench_tree(ROTOR_BENCH_STORED_ARITY, 0);
    rotor_hash root;
    uint64_t begin = rotor_bench_wall_ns();
    rotor_bench_stored_grow(bench, tree, LEAVES, BATCH, &root);
    double ns = (double)(rotor_bench_wall_ns() - begin);
    rotor_close(tree, NULL);
    return ns;
}

static void bulk_round(const rotor_bench *bench, const rotor_options *options, rotor_bench_disk_times *times,
                       rotor_bench_ledger *ledger) {
    double leaves = (double)LEAVES;
    double in_memory = memory_ns(bench);
    rotor_bench_path folder = rotor_bench_folder_path(".");
    rotor_tree *tree = rotor_bench_disk_timed_open("bulk", options, times);
    rotor_hash root;
    rotor_bench_disk_times_reset(times);
    double busy_ms = rotor_bench_disk_busy_ms(folder.text);
    rotor_bench_usage start = rotor_bench_usage_now();
    double begin = (double)rotor_bench_wall_ns();
    rotor_bench_stored_grow(bench, tree, LEAVES, BATCH, &root);
    double grown = (double)rotor_bench_wall_ns();
    rotor_bench_stored_expect_ok(tree, rotor_flush(tree), "flush");
    double whole = (double)rotor_bench_wall_ns() - begin;
    rotor_bench_usage usage = rotor_bench_usage_since(&start);
    busy_ms = rotor_bench_disk_busy_ms(folder.text) - busy_ms;
    double inserting = grown - begin;
    double written = times->written_bytes;
    double silent = times->first_ns != 0 ? times->first_ns - begin : NAN;
    double writing = rotor_bench_disk_write_ns(times);
    double syncing = rotor_bench_disk_sync_ns(times);
    rotor_bench_stored_close(tree);
    rotor_bench_folder_clear("bulk");
    rotor_bench_ledger_whole(ledger, whole / leaves);
    rotor_bench_ledger_part(ledger, "the same inserts in memory", fmin(in_memory, inserting) / leaves);
    rotor_bench_ledger_part(ledger, "inserts slowed by writing beside them", (inserting - in_memory) / leaves);
    rotor_bench_ledger_part(ledger, "the flush after the last insert", (whole - inserting) / leaves);
    rotor_bench_ledger_fact(ledger, "before_the_first_write_fraction", silent / whole);
    rotor_bench_ledger_fact(ledger, "write_under_way_fraction", writing / whole);
    rotor_bench_ledger_fact(ledger, "sync_under_way_fraction", syncing / whole);
    rotor_bench_ledger_fact(ledger, "disk_busy_fraction", busy_ms * 1e6 / whole);
    rotor_bench_ledger_fact(ledger, "last_flush_ms", (whole - inserting) / 1e6);
    rotor_bench_ledger_fact(ledger, "user_ns", usage.user_ns / leaves);
    rotor_bench_ledger_fact(ledger, "system_ns", usage.system_ns / leaves);
    rotor_bench_ledger_fact(ledger, "processors_busy_fraction",
                            (usage.user_ns + usage.system_ns) / (whole * bench->cpus));
    rotor_bench_ledger_fact(ledger, "page_faults", usage.minor_faults / leaves);
    rotor_bench_ledger_fact(ledger, "written_bytes_per_leaf", written / leaves);
}

static void measure_bulk(const rotor_bench *bench, bool manual) {
    static rotor_bench_disk_times times;
    rotor_bench_disk_times_init(&times);
    rotor_options options = rotor_bench_stored_options(manual);
    char name[ROTOR_BENCH_LEDGER_NAME];
    rotor_bench_bulk_ledger(name, manual ? "manual" : "default");
    rotor_bench_ledger *ledger = rotor_bench_ledger_new(name, "leaf", ROTOR_BENCH_STORED_ARITY, LEAVES, bench->cpus);
    for (size_t round = 0; round < rotor_bench_rounds(bench, 3, 7); round++) {
        bulk_round(bench, &options, &times, ledger);
    }
    rotor_bench_ledger_print(bench->output, ledger);
    free(ledger);
}

void rotor_bench_ledger_storage(rotor_bench *bench) {
    if (!rotor_bench_folder_make(bench, "ledger-storage", SPACE)) {
        return;
    }
    rotor_bench_section(bench->output, "what durable inserts are made of, ns an insert or a leaf");
    measure_callers(bench);
    measure_bulk(bench, false);
    measure_bulk(bench, true);
    rotor_bench_folder_remove();
}
