/* Opening durable trees of ten million leaves: from a log alone, and from a checkpoint with little or much verified;
 * then proofs of random leaves from pages that are mapped from the files.
 *
 * "Cold" is what the system lets us make of it: the files' pages are dropped from its cache, while the disk, or the
 * host of a virtual machine, may still have them. */
#include "bench.h"
#include "counters.h"
#include "ledger.h"
#include "limits.h"
#include "reference.h"
#include "stored.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LEAVES ROTOR_BENCH_LEAVES_MAX
#define SPACE ((uint64_t)2 << 30)

/* Flushes of at least 4,096 leaves leave the leaves in the level files and only their checksums in the log. */
#define LARGE_FLUSH 10000u
#define SMALL_FLUSH 4000u

/* ---------------------------------------------------------------- making the trees */

static void make_log(const rotor_bench *bench, const char *name, size_t flushed) {
    rotor_options options = rotor_bench_stored_options(true);
    rotor_tree *tree = rotor_bench_stored_open(name, &options);
    for (uint64_t size = flushed; size <= LEAVES; size += flushed) {
        rotor_bench_stored_grow(bench, tree, size, flushed, NULL);
        rotor_bench_stored_expect_ok(tree, rotor_flush(tree), "flush");
    }
    rotor_bench_stored_close(tree);
}

static void make_checkpoint(const rotor_bench *bench, const char *name) {
    rotor_options options = rotor_bench_stored_options(true);
    rotor_tree *tree = rotor_bench_stored_open(name, &options);
    rotor_bench_stored_grow(bench, tree, LEAVES, LARGE_FLUSH, NULL);
    rotor_bench_stored_expect_ok(tree, rotor_checkpoint(tree), "checkpoint");
    rotor_bench_stored_close(tree);
}

/* ---------------------------------------------------------------- opening */

typedef struct open_way {
    const char *measure;
    const char *name; /* of the tree */
    const char *how;
    uint32_t mode;
    uint32_t verify;
    bool cold;
    size_t quick;
    size_t full;
    double bound_ms;       /* 0: none */
    const char *reference; /* NULL: none */
} open_way;

static bool recovers(const open_way *way) {
    return strcmp(way->measure, "open_from_log") == 0;
}

/* Pages of 4 KiB that the nodes of all levels fill. */
#define NODE_PAGES                                                                                                     \
    ((double)LEAVES * ROTOR_BENCH_STORED_ARITY / (ROTOR_BENCH_STORED_ARITY - 1) * ROTOR_HASH_BYTES / 4096)

/* What opening cannot be faster than: the best of a few, each alone. */
typedef struct open_limits {
    double read_ms; /* the bytes of the files, from the page cache or the disk */
    double checksum_ms;
    double hash_ms; /* by all threads */
    double hash_cpu_ms;
    double touch_ms; /* memory for all nodes */
    double map_ms;   /* opening and mapping the files */
} open_limits;

static open_limits measure_limits(const rotor_bench *bench, const char *name, bool cold) {
    rotor_bench_samples samples[6];
    rotor_hash root;
    memset(samples, 0, sizeof samples);
    for (unsigned i = 0; i < (cold ? 1 : 3); i++) {
        if (cold) {
            rotor_bench_folder_cool(name);
        }
        rotor_bench_add(&samples[0], rotor_bench_folder_read_ns(name) / 1e6);
        rotor_bench_add(&samples[1], rotor_bench_checksum_ns(bench, LEAVES) / 1e6);
        rotor_bench_span hash = rotor_bench_hash_all_span(bench, &root, LEAVES, ROTOR_BENCH_STORED_ARITY, bench->cpus);
        rotor_bench_add(&samples[2], rotor_bench_span_ns(hash, bench->cpus) / 1e6);
        rotor_bench_add(&samples[5], hash.cpu_ns / 1e6);
        rotor_bench_add(&samples[3], rotor_bench_touch_ns(true) * NODE_PAGES / 1e6);
        rotor_bench_add(&samples[4], rotor_bench_folder_map_ns(name) / 1e6);
    }
    return (open_limits){rotor_bench_min(&samples[0]), rotor_bench_min(&samples[1]), rotor_bench_min(&samples[2]),
                         rotor_bench_min(&samples[5]), rotor_bench_min(&samples[3]), rotor_bench_min(&samples[4])};
}

/* Recovery reads, checksums and hashes everything, into memory that is fresh from the system: work for the processors,
 * which share it. Cold, the disk may take longer than all of that. */
static const char *recovery_limit(double *ms, const open_limits *limits, unsigned cpus, bool cold) {
    double alone_ms = limits->checksum_ms + limits->touch_ms + (cold ? 0 : limits->read_ms);
    *ms = limits->hash_ms + alone_ms / cpus;
    if (cold && limits->read_ms > *ms) {
        *ms = limits->read_ms;
        return ROTOR_BENCH_DISK;
    }
    return "processors";
}

/* Full verification only hashes, and what verifies little maps files. From cold pages it also reads a few, which nobody
 * counts. Returns the fraction reached. */
static double add_limit(rotor_bench_row *row, const open_way *way, const open_limits *limits, unsigned cpus,
                        double ms) {
    double least = limits->map_ms;
    const char *name = "system calls";
    if (recovers(way)) {
        name = recovery_limit(&least, limits, cpus, way->cold);
        rotor_bench_number(row, "read_ms", limits->read_ms);
        rotor_bench_number(row, "checksum_ms", limits->checksum_ms);
        rotor_bench_number(row, "hash_ms", limits->hash_ms);
        rotor_bench_number(row, "touch_ms", limits->touch_ms);
    } else if (way->verify == ROTOR_VERIFY_FULL) {
        least = limits->hash_ms;
        name = "hashing with all threads";
    } else if (way->cold) {
        return (double)NAN;
    }
    rotor_bench_limit(row, name, least / ms);
    return least / ms;
}

/* Of what takes long enough to be told apart. */
static bool has_ledger(const open_way *way) {
    return !way->cold && (way->verify == ROTOR_VERIFY_FULL || recovers(way));
}

/* The processors' time as if each had done its part of it, and the time in which some had nothing to do. */
static void add_to_ledger(rotor_bench_ledger *ledger, const rotor_bench *bench, const open_way *way,
                          const open_limits *limits, rotor_bench_span span, const rotor_bench_usage *usage) {
    double part = 1e6 / bench->cpus;
    rotor_bench_ledger_whole(ledger, span.wall_ns);
    rotor_bench_ledger_part(ledger, "hashing with all threads", limits->hash_cpu_ms * part);
    if (recovers(way)) {
        rotor_bench_ledger_part(ledger, "checksums of the leaves", limits->checksum_ms * part);
        rotor_bench_ledger_part(ledger, "memory touched for the first time", limits->touch_ms * part);
        rotor_bench_ledger_part(ledger, "reading from the page cache", limits->read_ms * part);
    } else {
        double fault_ns = rotor_bench_folder_fault_ns(way->name);
        rotor_bench_ledger_part(ledger, "mapped pages touched for the first time",
                                usage->minor_faults * fault_ns / bench->cpus);
        rotor_bench_ledger_fact(ledger, "fault_ns", fault_ns);
    }
    rotor_bench_ledger_part(ledger, ROTOR_BENCH_IDLE, span.wall_ns - span.cpu_ns / bench->cpus);
    rotor_bench_ledger_fact(ledger, "page_faults", usage->minor_faults);
    rotor_bench_ledger_fact(ledger, "user_ms", usage->user_ns / 1e6);
    rotor_bench_ledger_fact(ledger, "system_ms", usage->system_ns / 1e6);
    rotor_bench_ledger_fact(ledger, "processors_busy_fraction", span.cpu_ns / (span.wall_ns * bench->cpus));
}

static void report_bounds(const rotor_bench *bench, const open_way *way, double ms, double fraction) {
    char what[96];
    char ledger[ROTOR_BENCH_LEDGER_NAME];
    rotor_bench_open_ledger(ledger, way->measure, way->how);
    if (way->bound_ms > 0) {
        snprintf(what, sizeof what, "%s, %s, N=4, 10M leaves", way->measure, way->how);
        rotor_bench_bound(bench->output, what, ms, false, way->bound_ms, "ms");
        rotor_bench_explain(bench->output, ledger);
    }
    if (has_ledger(way)) {
        snprintf(what, sizeof what, "%s, %s: of its limit", way->measure, way->how);
        rotor_bench_bound(bench->output, what, fraction, true, 0.85, "of limit");
        rotor_bench_explain(bench->output, ledger);
    }
    if (way->reference != NULL) {
        rotor_bench_against(bench->output, way->reference, ms);
    }
}

/* Until the root is known. */
static void measure_open(const rotor_bench *bench, const open_way *way, const rotor_hash *expected) {
    rotor_options options = rotor_bench_stored_options(true);
    options.mode = way->mode;
    options.verify_at_open = way->verify;
    char name[ROTOR_BENCH_LEDGER_NAME];
    rotor_bench_open_ledger(name, way->measure, way->how);
    rotor_bench_ledger *ledger = rotor_bench_ledger_new(name, "opening", ROTOR_BENCH_STORED_ARITY, LEAVES, bench->cpus);
    open_limits limits = measure_limits(bench, way->name, way->cold);
    rotor_bench_samples ms = {.count = 0};
    rotor_bench_samples cpu_ms = {.count = 0};
    double recovered = 0;
    for (size_t round = 0; round < rotor_bench_rounds(bench, way->quick, way->full); round++) {
        if (way->cold) {
            rotor_bench_folder_cool(way->name);
        }
        rotor_hash root;
        rotor_bench_usage usage = rotor_bench_usage_now();
        rotor_bench_span start = rotor_bench_start();
        rotor_tree *tree = rotor_bench_stored_open(way->name, &options);
        rotor_bench_stored_expect_ok(tree, rotor_root(tree, &root), "root");
        rotor_bench_span span = rotor_bench_stop(start);
        usage = rotor_bench_usage_since(&usage);
        rotor_bench_add(&ms, span.wall_ns / 1e6);
        rotor_bench_add(&cpu_ms, span.cpu_ns / 1e6);
        rotor_bench_expect_equal(&root, expected, "root of a tree that was opened");
        recovered = (double)rotor_bench_stored_statistics(tree).recovered_leaves;
        rotor_bench_stored_close(tree);
        if (has_ledger(way)) {
            add_to_ledger(ledger, bench, way, &limits, span, &usage);
        }
    }
    rotor_bench_row row = rotor_bench_row_of(way->measure, ROTOR_BENCH_STORED_ARITY, LEAVES, bench->cpus);
    rotor_bench_text(&row, "how", way->how);
    rotor_bench_text(&row, "pages", way->cold ? "cold" : "warm");
    rotor_bench_number(&row, "leaves_from_log", recovered);
    rotor_bench_number(&row, "cpu_ms", rotor_bench_median(&cpu_ms)); /* of all threads */
    double fraction = add_limit(&row, way, &limits, bench->cpus, rotor_bench_median(&ms));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_MS, &ms);
    if (has_ledger(way)) {
        rotor_bench_ledger_print(bench->output, ledger);
    }
    free(ledger);
    report_bounds(bench, way, rotor_bench_median(&ms), fraction);
}

/* What rotor_check() takes of an open tree: the same work as verifying in full. */
static void measure_check(const rotor_bench *bench) {
    rotor_options options = rotor_bench_stored_options(true);
    rotor_tree *tree = rotor_bench_stored_open("tree", &options);
    rotor_bench_samples ms = {.count = 0};
    rotor_bench_samples of_limit = {.count = 0};
    rotor_check_report found;
    rotor_hash root;
    for (size_t round = 0; round < rotor_bench_rounds(bench, 5, 15); round++) {
        double hash_ns = rotor_bench_hash_all(bench, &root, LEAVES, ROTOR_BENCH_STORED_ARITY, bench->cpus);
        uint64_t begin = rotor_bench_wall_ns();
        rotor_bench_stored_expect_ok(tree, rotor_check(tree, &found, NULL, NULL), "check");
        double now = rotor_bench_ms_since(begin);
        rotor_bench_add(&ms, now);
        rotor_bench_add(&of_limit, hash_ns / 1e6 / now);
    }
    rotor_bench_stored_close(tree);
    rotor_bench_row row = rotor_bench_row_of("check", ROTOR_BENCH_STORED_ARITY, LEAVES, bench->cpus);
    rotor_bench_limit(&row, "hashing with all threads", rotor_bench_median(&of_limit));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_MS, &ms);
}

static void measure_opens(const rotor_bench *bench) {
    static const open_way ways[] = {
        {"open_from_log", "frames", "leaves in the log", 0, ROTOR_VERIFY_EDGE, false, 3, 9, 400, "open from log"},
        {"open_from_log", "frames", "leaves in the log", 0, ROTOR_VERIFY_EDGE, true, 1, 5, 0, NULL},
        {"open_from_log", "extents", "leaves in the level files", 0, ROTOR_VERIFY_EDGE, false, 3, 9, 400, NULL},
        {"open_from_log", "extents", "leaves in the level files", 0, ROTOR_VERIFY_EDGE, true, 1, 5, 0, NULL},
        {"open_from_checkpoint", "tree", "verify none", 0, ROTOR_VERIFY_NONE, false, 15, 41, 0,
         "open from checkpoint, unverified"},
        {"open_from_checkpoint", "tree", "verify edge", 0, ROTOR_VERIFY_EDGE, false, 15, 41, 5, NULL},
        {"open_from_checkpoint", "tree", "verify edge", 0, ROTOR_VERIFY_EDGE, true, 5, 21, 0, NULL},
        {"open_from_checkpoint", "tree", "verify full", 0, ROTOR_VERIFY_FULL, false, 5, 15, 300,
         "open from checkpoint, verified in full"},
        {"open_from_checkpoint", "tree", "read-only, verify edge", ROTOR_OPEN_READ_ONLY, ROTOR_VERIFY_EDGE, false, 15,
         41, 0, NULL},
    };
    rotor_hash expected;
    (void)rotor_bench_hash_all(bench, &expected, LEAVES, ROTOR_BENCH_STORED_ARITY, bench->cpus);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        measure_open(bench, &ways[i], &expected);
    }
    measure_check(bench);
}

/* ---------------------------------------------------------------- proofs */

#define WARM_PROOFS 20000u /* in one sample; of as many leaves, the same in each */
#define FIRST_PROOFS 16u   /* after one opening; each its own sample */
#define FIRST_ROUNDS 4u
#define UNMAPPED_LEVELS 5 /* below those whose nodes fit in a few pages */

static rotor_tree *open_mapped(rotor_snapshot *snapshot) {
    rotor_options options = rotor_bench_stored_options(true);
    options.verify_at_open = ROTOR_VERIFY_NONE;
    rotor_tree *tree = rotor_bench_stored_open("tree", &options);
    rotor_bench_stored_expect_ok(tree, rotor_snapshot_take(tree, snapshot), "snapshot");
    return tree;
}

static void prove(rotor_tree *tree, const rotor_snapshot *snapshot, rotor_inclusion_proof *proof, uint64_t random) {
    rotor_bench_stored_expect_ok(tree, rotor_inclusion_prove(snapshot, proof, random % LEAVES), "prove");
}

static double warm_proof_ns(rotor_tree *tree, const rotor_snapshot *snapshot, rotor_inclusion_proof *proof) {
    uint64_t random = 12345;
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < WARM_PROOFS; i++) {
        prove(tree, snapshot, proof, rotor_bench_random(&random));
    }
    double ns = (double)(rotor_bench_now_ns() - begin) / WARM_PROOFS;
    rotor_bench_expect_ok(rotor_inclusion_verify_self(proof), "proof from mapped pages");
    return ns;
}

/* In turn with the same proofs from a tree in memory, whose pages are larger. */
static void measure_warm_proofs(const rotor_bench *bench) {
    rotor_snapshot snapshots[2];
    rotor_tree *trees[2] = {rotor_bench_tree(ROTOR_BENCH_STORED_ARITY, 0), open_mapped(&snapshots[1])};
    rotor_bench_load(trees[0], NULL, bench->leaves, LEAVES);
    rotor_bench_expect_ok(rotor_snapshot_take(trees[0], &snapshots[0]), "snapshot");
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_bench_samples ns = {.count = 0};
    rotor_bench_samples over_memory = {.count = 0};
    for (size_t round = 0; round < rotor_bench_rounds(bench, 9, 31) + 1; round++) {
        double memory = warm_proof_ns(trees[0], &snapshots[0], &proof);
        double mapped = warm_proof_ns(trees[1], &snapshots[1], &proof);
        if (round > 0) { /* the first maps the pages */
            rotor_bench_add(&ns, mapped);
            rotor_bench_add(&over_memory, mapped / memory);
        }
    }
    rotor_inclusion_proof_free(&proof);
    rotor_close(trees[0], NULL);
    rotor_bench_stored_close(trees[1]);
    rotor_bench_row row = rotor_bench_row_of("proof_from_files", ROTOR_BENCH_STORED_ARITY, LEAVES, 1);
    rotor_bench_text(&row, "pages", "warm");
    rotor_bench_number(&row, "over_memory", rotor_bench_median(&over_memory));
    rotor_bench_limit(&row, "the same from memory", 1 / rotor_bench_median(&over_memory));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &ns);
    rotor_bench_against(bench->output, "proof from files, warm", rotor_bench_median(&ns));
}

static double major_faults(void) {
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? (double)usage.ru_majflt : 0;
}

typedef struct first_proofs {
    rotor_bench_samples first; /* after opening */
    rotor_bench_samples later; /* the next few */
    double major_faults;       /* a proof */
} first_proofs;

/* Every proof of leaves whose pages were not mapped before; `cold`: nor in the system's cache. */
static void make_first_proofs(first_proofs *proofs, bool cold) {
    uint64_t random = cold ? 54321 : 12321;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    for (size_t round = 0; round < FIRST_ROUNDS; round++) {
        if (cold) {
            rotor_bench_folder_cool("tree"); /* pages that a process maps would stay, so nobody has the tree open */
        }
        rotor_snapshot snapshot;
        rotor_tree *tree = open_mapped(&snapshot);
        double faults_before = major_faults();
        for (unsigned i = 0; i < FIRST_PROOFS; i++) {
            uint64_t begin = rotor_bench_wall_ns();
            prove(tree, &snapshot, &proof, rotor_bench_random(&random));
            rotor_bench_add(i == 0 ? &proofs->first : &proofs->later, (double)(rotor_bench_wall_ns() - begin));
            rotor_bench_expect_ok(rotor_inclusion_verify_self(&proof), "proof from cold pages");
        }
        proofs->major_faults += (major_faults() - faults_before) / (FIRST_ROUNDS * FIRST_PROOFS);
        rotor_bench_stored_close(tree);
    }
    rotor_inclusion_proof_free(&proof);
}

static void report_first_proofs(const rotor_bench *bench, const first_proofs *proofs, const char *const names[2],
                                const char *limit, double least_ns) {
    const rotor_bench_samples *ns[] = {&proofs->first, &proofs->later};
    for (unsigned i = 0; i < 2; i++) {
        rotor_bench_row row = rotor_bench_row_of("proof_from_files", ROTOR_BENCH_STORED_ARITY, LEAVES, 1);
        rotor_bench_text(&row, "pages", names[i]);
        rotor_bench_number(&row, "major_faults_per_proof", proofs->major_faults);
        rotor_bench_limit(&row, limit, least_ns / rotor_bench_median(ns[i]));
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, ns[i]);
    }
}

static void measure_first_proofs(const rotor_bench *bench) {
    static const char *const mapped[] = {"in the cache, first proof after opening",
                                         "in the cache, the proofs after it"};
    static const char *const cold[] = {"cold, first proof after opening", "cold, the proofs after it"};
    first_proofs proofs = {.major_faults = 0};
    double fault_ns = rotor_bench_folder_fault_ns("tree");
    make_first_proofs(&proofs, false);
    /* A proof's groups lie in one page for each level, of which those from the sixth up are few and soon mapped. */
    report_first_proofs(bench, &proofs, mapped, "page faults", UNMAPPED_LEVELS * fault_ns);
    rotor_bench_against(bench->output, "proof from files, not mapped yet", rotor_bench_median(&proofs.later));
    proofs = (first_proofs){.major_faults = 0};
    rotor_bench_folder_cool("tree");
    double page_ns = rotor_bench_folder_page_ns("tree");
    make_first_proofs(&proofs, true);
    report_first_proofs(bench, &proofs, cold, "disk reads", proofs.major_faults * page_ns);
}

void rotor_bench_storage_open(rotor_bench *bench) {
    if (!rotor_bench_folder_make(bench, "storage-open", SPACE)) {
        return;
    }
    rotor_bench_section(bench->output, "opening a durable tree of ten million leaves, until its root is known; proofs "
                                       "of random leaves");
    make_log(bench, "frames", SMALL_FLUSH);
    make_log(bench, "extents", LARGE_FLUSH);
    make_checkpoint(bench, "tree");
    measure_opens(bench);
    measure_warm_proofs(bench);
    measure_first_proofs(bench);
    rotor_bench_folder_remove();
}
