/* Leaves inserted one by one, each waited for until it is on the disk, by one caller and by many that share syncs. In
 * turn with a plain file that takes the same 96 bytes and the same sync: into blocks written before, as the log does,
 * and appended. */
#include "bench.h"
#include "crew.h"
#include "ledger.h"
#include "limits.h"
#include "reference.h"
#include "stored.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_CALLERS ROTOR_BENCH_MOST_CALLERS
#define RAW_ZEROS ((uint64_t)8 << 20)
#define SPACE ((uint64_t)1 << 30)

typedef struct durable_way {
    unsigned callers;
    bool with_root;
    bool by_sync; /* the limit: else by switching threads */
    rotor_bench_samples per_s;
    rotor_bench_samples of_raw;
    rotor_bench_samples of_one; /* one caller without root */
    rotor_bench_samples per_sync;
    rotor_bench_samples of_limit;
} durable_way;

/* At best every sync makes one leaf of each caller durable, and every leaf costs one switch from a thread that waits to
 * another. */
static void add_sample(const rotor_bench *bench, durable_way *way, const rotor_bench_crew_result *result,
                       double raw_per_s, double one_per_s) {
    double by_sync = way->callers * raw_per_s;
    double by_switch = way->callers == 1 ? HUGE_VAL : bench->cpus * 1e9 / rotor_bench_switch_ns();
    way->by_sync = by_sync < by_switch;
    rotor_bench_add(&way->per_s, result->per_s);
    rotor_bench_add(&way->of_raw, result->per_s / raw_per_s);
    rotor_bench_add(&way->of_one, result->per_s / one_per_s);
    rotor_bench_add(&way->per_sync, result->inserts_per_sync);
    rotor_bench_add(&way->of_limit, result->per_s / fmin(by_sync, by_switch));
}

static void report_way(const rotor_bench *bench, const durable_way *way) {
    rotor_bench_row row = rotor_bench_row_of("durable_insert", ROTOR_BENCH_STORED_ARITY, 0, way->callers);
    double per_s = rotor_bench_median(&way->per_s);
    rotor_bench_text(&row, "root", way->with_root ? "each" : "none");
    rotor_bench_number(&row, "caller_waits_us", (double)way->callers * 1e6 / per_s);
    rotor_bench_number(&row, "of_plain", rotor_bench_median(&way->of_raw));
    rotor_bench_number(&row, "of_one_caller", rotor_bench_median(&way->of_one));
    rotor_bench_number(&row, "inserts_per_sync", rotor_bench_median(&way->per_sync));
    rotor_bench_limit(&row, way->by_sync ? ROTOR_BENCH_SYNC : "thread switches", rotor_bench_median(&way->of_limit));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_PER_S, &way->per_s);
    if (!way->with_root && (way->callers == 1 || way->callers == 8)) {
        const char *name = way->callers == 1 ? "durable insert, 1 caller" : "durable insert, 8 callers";
        rotor_bench_against(bench->output, name, per_s);
    }
    if (way->callers == 1 && !way->with_root) {
        rotor_bench_bound(bench->output, "durable insert by one caller over the same plain write and sync",
                          rotor_bench_median(&way->of_raw), true, 0.9, "x");
    } else if (way->callers == MOST_CALLERS && !way->with_root) {
        rotor_bench_bound(bench->output, "durable insert by 64 callers over one", rotor_bench_median(&way->of_one),
                          true, 20, "x");
        rotor_bench_explain(bench->output, ROTOR_BENCH_CALLERS_LEDGER);
    }
}

static void report_raw(const rotor_bench *bench, const char *where, const rotor_bench_samples *per_s) {
    rotor_bench_row row = rotor_bench_row_of("plain_96_bytes_and_sync", 0, 0, 1);
    rotor_bench_text(&row, "where", where);
    rotor_bench_number(&row, "us", 1e6 / rotor_bench_median(per_s));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_PER_S, per_s);
}

void rotor_bench_storage_durable(rotor_bench *bench) {
    enum { ways = 9 };
    static const struct {
        unsigned callers;
        bool with_root;
    } kinds[ways] = {
        {1, false}, {2, false},          {4, false}, {8, false}, {16, false}, {32, false}, {MOST_CALLERS, false},
        {1, true},  {MOST_CALLERS, true}};
    if (!rotor_bench_folder_make(bench, "storage-durable", SPACE)) {
        return;
    }
    rotor_bench_section(bench->output, "single inserts, each waited for until it is durable; thr: callers");
    static durable_way all[ways];
    memset(all, 0, sizeof all);
    rotor_bench_samples written = {.count = 0};
    rotor_bench_samples appended = {.count = 0};
    uint64_t ms = bench->full ? 300 : 100;
    rotor_options options = rotor_bench_stored_options(false);
    rotor_tree *tree = rotor_bench_stored_open("tree", &options);
    rotor_bench_raw into = rotor_bench_raw_open("into", RAW_ZEROS);
    rotor_bench_raw behind = rotor_bench_raw_open("behind", 0);
    for (size_t round = 0; round < rotor_bench_rounds(bench, 3, 11); round++) {
        double raw = rotor_bench_raw_rate(&into, ms);
        double one = 0;
        for (unsigned i = 0; i < ways; i++) {
            rotor_bench_crew_result result = rotor_bench_crew(bench, tree, kinds[i].callers, kinds[i].with_root, ms);
            double raw_after = rotor_bench_raw_rate(&into, ms);
            one = i == 0 ? result.per_s : one;
            all[i].callers = kinds[i].callers;
            all[i].with_root = kinds[i].with_root;
            add_sample(bench, &all[i], &result, (raw + raw_after) / 2, one);
            if (i == 0) {
                rotor_bench_add(&written, raw);
            }
            raw = raw_after;
        }
        rotor_bench_add(&appended, rotor_bench_raw_rate(&behind, ms));
    }
    rotor_bench_raw_close(&into);
    rotor_bench_raw_close(&behind);
    rotor_bench_stored_close(tree);
    report_raw(bench, "blocks written before", &written);
    report_raw(bench, "appended", &appended);
    for (unsigned i = 0; i < ways; i++) {
        report_way(bench, &all[i]);
    }
    rotor_bench_folder_remove();
}
