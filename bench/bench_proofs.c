/* Proofs at N = 4 and a million leaves: made, also at past sizes, verified one by one and many at once, moved, and
 * consistency proofs, at random indexes and sizes. What hashes is compared with a chain of compressions taken in turn,
 * what only collects nodes with the same from plain arrays. */
#include "bench.h"
#include "ledger.h"
#include "limits.h"
#include "proof/proof.h"
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARITY 4u
#define LEAVES 1000000u
#define PROOFS 1024u
#define MOVES 256u
#define SAMPLE 256u /* proofs made or verified in one sample: short, so that most samples run undisturbed */
#define CHAIN 30    /* compressions that verifying one proof waits for: ten levels of three blocks */

typedef struct proofs_run {
    const rotor_bench *bench;
    rotor_tree *tree;
    rotor_snapshot snapshot;
    rotor_tree_head head;
    uint64_t indexes[PROOFS];
    rotor_hash leaves[PROOFS]; /* those that a verifier asks about, at hand */
    uint64_t old_sizes[MOVES];
    rotor_inclusion_proof proofs[PROOFS];
    rotor_inclusion_proof old_proofs[MOVES];
    rotor_tree_head old_heads[MOVES];
    rotor_consistency_proof consistency[MOVES];
    rotor_inclusion_proof scratch;
    uint64_t random;
    rotor_status results[PROOFS];
    rotor_consistency_proof scratch_consistency;
    rotor_bench_flat flat;
    double needed; /* compressions for one, of what was timed last */
} proofs_run;

static void prepare(proofs_run *run) {
    rotor_hash root;
    run->tree = rotor_bench_tree(ARITY, 0);
    rotor_bench_load(run->tree, &root, run->bench->leaves, LEAVES);
    rotor_bench_expect_ok(rotor_snapshot_take(run->tree, &run->snapshot), "snapshot_take");
    rotor_bench_expect_ok(rotor_snapshot_head(&run->snapshot, &run->head), "snapshot_head");
    run->random = 21;
    for (unsigned i = 0; i < PROOFS; i++) {
        run->proofs[i] = (rotor_inclusion_proof)ROTOR_INCLUSION_PROOF_INIT;
        run->indexes[i] = rotor_bench_random(&run->random) % LEAVES;
        run->leaves[i] = run->bench->leaves[run->indexes[i]];
        rotor_bench_expect_ok(rotor_inclusion_prove(&run->snapshot, &run->proofs[i], run->indexes[i]), "prove");
    }
    run->scratch = (rotor_inclusion_proof)ROTOR_INCLUSION_PROOF_INIT;
    run->scratch_consistency = (rotor_consistency_proof)ROTOR_CONSISTENCY_PROOF_INIT;
    run->flat = rotor_bench_flat_new(LEAVES, ARITY);
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_snapshot past;
        run->old_sizes[i] = 1 + rotor_bench_random(&run->random) % (LEAVES - 1);
        run->old_proofs[i] = (rotor_inclusion_proof)ROTOR_INCLUSION_PROOF_INIT;
        run->consistency[i] = (rotor_consistency_proof)ROTOR_CONSISTENCY_PROOF_INIT;
        rotor_bench_expect_ok(rotor_snapshot_at(&run->snapshot, &past, run->old_sizes[i]), "snapshot_at");
        rotor_bench_expect_ok(rotor_snapshot_head(&past, &run->old_heads[i]), "snapshot_head");
        uint64_t index = rotor_bench_random(&run->random) % run->old_sizes[i];
        rotor_bench_expect_ok(rotor_inclusion_prove(&past, &run->old_proofs[i], index), "prove");
        rotor_bench_expect_ok(rotor_consistency_prove(&run->snapshot, &run->consistency[i], run->old_sizes[i]),
                              "consistency_prove");
    }
}

static void finish(proofs_run *run) {
    for (unsigned i = 0; i < PROOFS; i++) {
        rotor_inclusion_proof_free(&run->proofs[i]);
    }
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_inclusion_proof_free(&run->old_proofs[i]);
        rotor_consistency_proof_free(&run->consistency[i]);
    }
    rotor_inclusion_proof_free(&run->scratch);
    rotor_consistency_proof_free(&run->scratch_consistency);
    rotor_bench_flat_free(&run->flat);
    rotor_close(run->tree, NULL);
}

/* ---------------------------------------------------------------- what is timed: ns for one */

static void random_indexes(proofs_run *run, uint64_t *indexes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        indexes[i] = rotor_bench_random(&run->random) % LEAVES;
    }
}

static double prove_these_ns(proofs_run *run, const uint64_t *indexes) {
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < SAMPLE; i++) {
        rotor_bench_expect_ok(rotor_inclusion_prove(&run->snapshot, &run->scratch, indexes[i]), "prove");
    }
    return (double)(rotor_bench_now_ns() - begin) / SAMPLE;
}

/* Indexes never used before: the lowest levels come from memory. */
static double prove_ns(proofs_run *run) {
    uint64_t indexes[SAMPLE];
    random_indexes(run, indexes, SAMPLE);
    return prove_these_ns(run, indexes);
}

/* The same few indexes again and again: all nodes come from the caches. */
static double prove_cached_ns(proofs_run *run) {
    uint64_t indexes[SAMPLE];
    for (unsigned i = 0; i < SAMPLE; i++) {
        indexes[i] = run->indexes[i % 64];
    }
    return prove_these_ns(run, indexes);
}

static double collect_ns(proofs_run *run) {
    uint64_t indexes[SAMPLE];
    random_indexes(run, indexes, SAMPLE);
    return rotor_bench_flat_ns(&run->flat, indexes, SAMPLE);
}

static double collect_cached_ns(proofs_run *run) {
    uint64_t indexes[SAMPLE];
    for (unsigned i = 0; i < SAMPLE; i++) {
        indexes[i] = run->indexes[i % 64];
    }
    return rotor_bench_flat_ns(&run->flat, indexes, SAMPLE);
}

/* Of a leaf at a size at which the tree once was; none was used before. */
static double prove_past_ns(proofs_run *run) {
    uint64_t sizes[SAMPLE];
    uint64_t indexes[SAMPLE];
    rotor_snapshot past;
    random_indexes(run, sizes, SAMPLE);
    run->needed = 0;
    for (unsigned i = 0; i < SAMPLE; i++) {
        sizes[i]++;
        indexes[i] = rotor_bench_random(&run->random) % sizes[i];
        run->needed += (double)rotor_bench_past_compressions(ARITY, sizes[i]) / SAMPLE;
    }
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < SAMPLE; i++) {
        rotor_bench_expect_ok(rotor_snapshot_at(&run->snapshot, &past, sizes[i]), "snapshot_at");
        rotor_bench_expect_ok(rotor_inclusion_prove(&past, &run->scratch, indexes[i]), "prove");
    }
    double ns = (double)(rotor_bench_now_ns() - begin) / SAMPLE;
    rotor_bench_expect_ok(rotor_inclusion_verify_self(&run->scratch), "proof at a past size");
    return ns;
}

static double verify_ns(proofs_run *run) {
    unsigned first = (unsigned)rotor_bench_random(&run->random) % (PROOFS / SAMPLE) * SAMPLE;
    run->needed = 0;
    for (unsigned i = first; i < first + SAMPLE; i++) {
        run->needed += (double)rotor_bench_verify_compressions(ARITY, LEAVES, run->indexes[i]) / SAMPLE;
    }
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = first; i < first + SAMPLE; i++) {
        rotor_bench_expect_ok(rotor_inclusion_verify(&run->proofs[i], &run->head, &run->leaves[i]), "verify");
    }
    return (double)(rotor_bench_now_ns() - begin) / SAMPLE;
}

static double verify_many_ns(proofs_run *run, size_t batch) {
    run->needed = 0;
    for (unsigned i = 0; i < PROOFS; i++) {
        run->needed += (double)rotor_bench_verify_compressions(ARITY, LEAVES, run->indexes[i]) / PROOFS;
    }
    uint64_t begin = rotor_bench_now_ns();
    for (size_t i = 0; i < PROOFS; i += batch) {
        rotor_bench_expect_ok(rotor_inclusion_verify_many(run->results, run->proofs + i, batch, &run->head),
                              "verify_many");
    }
    return (double)(rotor_bench_now_ns() - begin) / PROOFS;
}

static double verify_64_ns(proofs_run *run) {
    return verify_many_ns(run, 64);
}

static double verify_1024_ns(proofs_run *run) {
    return verify_many_ns(run, PROOFS);
}

static double update_ns(proofs_run *run) {
    run->needed = 0;
    for (unsigned i = 0; i < MOVES; i++) {
        uint64_t size = run->old_sizes[i];
        uint64_t all = rotor_bench_verify_compressions(ARITY, size, run->old_proofs[i].index) +
                       rotor_bench_old_root_compressions(ARITY, size) +
                       rotor_bench_new_root_compressions(ARITY, size, LEAVES);
        run->needed += (double)all / MOVES;
    }
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_bench_expect_ok(rotor_inclusion_update(&run->scratch, &run->old_proofs[i], &run->consistency[i]),
                              "update");
    }
    return (double)(rotor_bench_now_ns() - begin) / MOVES;
}

/* ---------------------------------------------------------------- consistency proofs */

static double consistency_prove_these_ns(proofs_run *run, const uint64_t *old_sizes) {
    run->needed = 0;
    for (unsigned i = 0; i < MOVES; i++) {
        run->needed += (double)rotor_bench_old_root_compressions(ARITY, old_sizes[i]) / MOVES;
    }
    rotor_consistency_proof *proof = &run->scratch_consistency;
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_bench_expect_ok(rotor_consistency_prove(&run->snapshot, proof, old_sizes[i]), "consistency_prove");
    }
    double ns = (double)(rotor_bench_now_ns() - begin) / MOVES;
    rotor_bench_expect_ok(rotor_consistency_verify_self(proof), "consistency proof");
    return ns;
}

/* Old sizes never used before, */
static double consistency_prove_ns(proofs_run *run) {
    uint64_t old_sizes[MOVES];
    random_indexes(run, old_sizes, MOVES);
    for (unsigned i = 0; i < MOVES; i++) {
        old_sizes[i]++;
    }
    return consistency_prove_these_ns(run, old_sizes);
}

/* the same few again and again, */
static double consistency_prove_cached_ns(proofs_run *run) {
    return consistency_prove_these_ns(run, run->old_sizes);
}

/* and up to a thousand leaves below the new size, as for a client that asks often. */
static double consistency_prove_close_ns(proofs_run *run) {
    uint64_t old_sizes[MOVES];
    for (unsigned i = 0; i < MOVES; i++) {
        old_sizes[i] = LEAVES - 1 - rotor_bench_random(&run->random) % 1000;
    }
    return consistency_prove_these_ns(run, old_sizes);
}

/* The groups of such a proof are those of an inclusion proof of the old tree's last leaf. */
static double collect_boundaries_ns(proofs_run *run) {
    uint64_t indexes[MOVES];
    for (unsigned i = 0; i < MOVES; i++) {
        indexes[i] = run->old_sizes[i] - 1;
    }
    return rotor_bench_flat_ns(&run->flat, indexes, MOVES);
}

/* From the head that a client has, which spares the old root. */
static double consistency_prove_from_ns(proofs_run *run) {
    rotor_consistency_proof *proof = &run->scratch_consistency;
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_bench_expect_ok(rotor_consistency_prove_from(&run->snapshot, proof, &run->old_heads[i]), "prove_from");
    }
    double ns = (double)(rotor_bench_now_ns() - begin) / MOVES;
    rotor_bench_expect_ok(rotor_consistency_verify(proof, &run->old_heads[MOVES - 1], &run->head), "prove_from");
    return ns;
}

static double consistency_verify_ns(proofs_run *run) {
    run->needed = 0;
    for (unsigned i = 0; i < MOVES; i++) {
        uint64_t all = rotor_bench_old_root_compressions(ARITY, run->old_sizes[i]) +
                       rotor_bench_new_root_compressions(ARITY, run->old_sizes[i], LEAVES);
        run->needed += (double)all / MOVES;
    }
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_bench_expect_ok(rotor_consistency_verify(&run->consistency[i], &run->old_heads[i], &run->head),
                              "consistency_verify");
    }
    return (double)(rotor_bench_now_ns() - begin) / MOVES;
}

/* ---------------------------------------------------------------- */

enum {
    PROVE,
    PROVE_CACHED,
    PROVE_PAST,
    VERIFY,
    VERIFY_64,
    VERIFY_1024,
    UPDATE,
    CONSISTENCY_PROVE,
    CONSISTENCY_CACHED,
    CONSISTENCY_CLOSE,
    CONSISTENCY_FROM,
    CONSISTENCY_VERIFY,
    STEPS
};

typedef struct step {
    const char *measure;
    double (*ns)(proofs_run *run);
    double (*least_ns)(proofs_run *run); /* NULL: by the compressions needed */
    const char *limit;
    double batch; /* 0: does not apply */
    const char *indexes;
} step;

static const step steps[STEPS] = {
    [PROVE] = {"proof_make", prove_ns, collect_ns, ROTOR_BENCH_LATENCY, 0, "random"},
    [PROVE_CACHED] = {"proof_make", prove_cached_ns, collect_cached_ns, ROTOR_BENCH_CACHED, 0, "64, cached"},
    [PROVE_PAST] = {"proof_make_past", prove_past_ns, NULL, ROTOR_BENCH_CHAIN, 0, "random, at random sizes"},
    [VERIFY] = {"proof_verify", verify_ns, NULL, ROTOR_BENCH_CHAIN, 0, NULL},
    [VERIFY_64] = {"proof_verify_many", verify_64_ns, NULL, ROTOR_BENCH_KERNEL, 64, NULL},
    [VERIFY_1024] = {"proof_verify_many", verify_1024_ns, NULL, ROTOR_BENCH_KERNEL, PROOFS, NULL},
    [UPDATE] = {"proof_update", update_ns, NULL, ROTOR_BENCH_CHAIN, 0, NULL},
    [CONSISTENCY_PROVE] = {"consistency_make", consistency_prove_ns, NULL, ROTOR_BENCH_CHAIN, 0, "random old sizes"},
    [CONSISTENCY_CACHED] = {"consistency_make", consistency_prove_cached_ns, NULL, ROTOR_BENCH_CHAIN, 0,
                            "256 old sizes, cached"},
    [CONSISTENCY_CLOSE] = {"consistency_make", consistency_prove_close_ns, NULL, ROTOR_BENCH_CHAIN, 0,
                           "old sizes up to 1,000 below"},
    [CONSISTENCY_FROM] = {"consistency_make_from", consistency_prove_from_ns, collect_boundaries_ns, ROTOR_BENCH_CACHED,
                          0, "256 old heads, cached"},
    [CONSISTENCY_VERIFY] = {"consistency_verify", consistency_verify_ns, NULL, ROTOR_BENCH_CHAIN, 0, NULL},
};

typedef struct step_result {
    rotor_bench_samples ns;
    rotor_bench_samples lone;  /* in compressions */
    rotor_bench_samples least; /* ns */
    rotor_bench_samples of_limit;
    double needed;
} step_result;

static void measure_step(proofs_run *run, const step *kind, step_result *result, rotor_bench_samples *chain) {
    const rotor_hasher *hasher = run->bench->hasher;
    double lone_ns = rotor_bench_lone_ns(hasher);
    double ns = kind->ns(run);
    lone_ns = (lone_ns + rotor_bench_lone_ns(hasher)) / 2;
    double least = run->needed * lone_ns;
    if (kind->least_ns != NULL) {
        least = kind->least_ns(run);
    } else if (strcmp(kind->limit, ROTOR_BENCH_KERNEL) == 0) {
        least = run->needed * rotor_bench_peak_ns(hasher, ARITY, 1);
    }
    rotor_bench_add(chain, lone_ns);
    rotor_bench_add(&result->ns, ns);
    rotor_bench_add(&result->lone, ns / lone_ns);
    rotor_bench_add(&result->least, least);
    rotor_bench_add(&result->of_limit, least / ns);
    result->needed = kind->least_ns == NULL ? run->needed : 0;
}

static void report_row(const rotor_bench *bench, const step *kind, const step_result *result,
                       const rotor_bench_samples *chain) {
    rotor_bench_row row = rotor_bench_row_of(kind->measure, ARITY, LEAVES, 1);
    rotor_bench_number(&row, "lone_compressions", rotor_bench_median(&result->lone));
    rotor_bench_number(&row, "at_best", rotor_bench_min(&result->ns) / rotor_bench_min(chain));
    if (kind->batch > 0) {
        rotor_bench_number(&row, "batch", kind->batch);
    }
    if (kind->indexes != NULL) {
        rotor_bench_text(&row, "indexes", kind->indexes);
    }
    if (result->needed > 0) {
        rotor_bench_number(&row, "needed_compressions", result->needed);
    }
    rotor_bench_limit(&row, kind->limit, rotor_bench_median(&result->of_limit));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &result->ns);
}

static void report_reference(rotor_bench_output *output, const step_result *results) {
    rotor_bench_against(output, "proof make", rotor_bench_median(&results[PROVE].ns));
    rotor_bench_against(output, "proof verify", rotor_bench_median(&results[VERIFY].ns));
    rotor_bench_against(output, "proof update", rotor_bench_median(&results[UPDATE].ns));
    rotor_bench_against(output, "consistency make, the old root given",
                        rotor_bench_median(&results[CONSISTENCY_FROM].ns));
    rotor_bench_against(output, "consistency verify", rotor_bench_median(&results[CONSISTENCY_VERIFY].ns));
}

#define PROVE_LEDGER "proof of a random leaf, N=4"

/* A proof from cached nodes, and how much longer it takes to read such nodes when they come from memory. */
static void print_ledger(const rotor_bench *bench, const step_result *results) {
    rotor_bench_ledger *ledger = rotor_bench_ledger_new(PROVE_LEDGER, "proof", ARITY, LEAVES, 1);
    for (size_t i = 0; i < results[PROVE].ns.count; i++) {
        double cached = results[PROVE_CACHED].ns.values[i];
        double fetching = results[PROVE].least.values[i] - results[PROVE_CACHED].least.values[i];
        rotor_bench_ledger_whole(ledger, results[PROVE].ns.values[i]);
        rotor_bench_ledger_part(ledger, "the same with all nodes in the caches", cached);
        rotor_bench_ledger_part(ledger, "fetching such nodes from memory, by itself", fetching);
    }
    rotor_bench_ledger_print(bench->output, ledger);
    free(ledger);
}

static void report(rotor_bench *bench, const step_result *results, const rotor_bench_samples *chain) {
    for (unsigned s = 0; s < STEPS; s++) {
        report_row(bench, &steps[s], &results[s], chain);
    }
    rotor_bench_samples gain = {.count = 0};
    for (size_t i = 0; i < results[VERIFY].ns.count; i++) {
        rotor_bench_add(&gain, results[VERIFY].ns.values[i] / results[VERIFY_1024].ns.values[i]);
    }
    rotor_bench_row row = rotor_bench_row_of("proof_verify_many_gain", ARITY, LEAVES, 1);
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_RATIO, &gain);
    print_ledger(bench, results);
    rotor_bench_bound(bench->output, "proof make, N=4, 1M leaves, random indexes",
                      rotor_bench_median(&results[PROVE].ns), false, 250, "ns");
    rotor_bench_explain(bench->output, PROVE_LEDGER);
    rotor_bench_bound(bench->output, "proof make, N=4, 1M leaves, nodes cached",
                      rotor_bench_median(&results[PROVE_CACHED].ns), false, 250, "ns");
    rotor_bench_bound(bench->output, "proof verify, N=4, 1M leaves (30 and 10 %)",
                      rotor_bench_median(&results[VERIFY].lone), false, CHAIN * 1.1, "compressions");
    rotor_bench_bound(bench->output, "verifying 1,024 proofs at once over one by one", rotor_bench_median(&gain), true,
                      4, "x");
    report_reference(bench->output, results);
}

void rotor_bench_proofs(rotor_bench *bench) {
    rotor_bench_section(bench->output, "proofs, N = 4, a million leaves, random indexes and old sizes");
    proofs_run *run = rotor_bench_allocate(sizeof *run);
    run->bench = bench;
    prepare(run);
    step_result *results = calloc(STEPS, sizeof *results);
    if (results == NULL) {
        fprintf(stderr, "rotortree-bench: no memory\n");
        exit(1);
    }
    rotor_bench_samples chain = {.count = 0};
    for (size_t round = 0; round < rotor_bench_rounds(bench, 31, 61); round++) {
        for (unsigned s = 0; s < STEPS; s++) {
            measure_step(run, &steps[s], &results[s], &chain);
        }
    }
    report(bench, results, &chain);
    free(results);
    finish(run);
    free(run);
}
