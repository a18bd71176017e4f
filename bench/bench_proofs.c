/* Proofs at N = 4 and a million leaves: made, verified one by one and many at once, moved, and consistency proofs, at
 * random indexes and sizes. Verifying is compared with a chain of compressions taken in turn. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

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
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_snapshot past;
        run->old_sizes[i] = 1 + rotor_bench_random(&run->random) % LEAVES;
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
    rotor_close(run->tree, NULL);
}

/* ---------------------------------------------------------------- what is timed: ns for one */

/* Indexes never used before: the lowest levels come from memory. */
static double prove_ns(proofs_run *run) {
    uint64_t indexes[SAMPLE];
    for (unsigned i = 0; i < SAMPLE; i++) {
        indexes[i] = rotor_bench_random(&run->random) % LEAVES;
    }
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < SAMPLE; i++) {
        rotor_bench_expect_ok(rotor_inclusion_prove(&run->snapshot, &run->scratch, indexes[i]), "prove");
    }
    return (double)(rotor_bench_now_ns() - begin) / SAMPLE;
}

/* The same few indexes again and again: all nodes come from the caches. */
static double prove_cached_ns(proofs_run *run) {
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < SAMPLE; i++) {
        rotor_bench_expect_ok(rotor_inclusion_prove(&run->snapshot, &run->scratch, run->indexes[i % 64]), "prove");
    }
    return (double)(rotor_bench_now_ns() - begin) / SAMPLE;
}

static double verify_ns(proofs_run *run) {
    unsigned first = (unsigned)rotor_bench_random(&run->random) % (PROOFS / SAMPLE) * SAMPLE;
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = first; i < first + SAMPLE; i++) {
        rotor_bench_expect_ok(rotor_inclusion_verify(&run->proofs[i], &run->head, &run->leaves[i]), "verify");
    }
    return (double)(rotor_bench_now_ns() - begin) / SAMPLE;
}

static double verify_many_ns(proofs_run *run, size_t batch) {
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
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_bench_expect_ok(rotor_inclusion_update(&run->scratch, &run->old_proofs[i], &run->consistency[i]),
                              "update");
    }
    return (double)(rotor_bench_now_ns() - begin) / MOVES;
}

static double consistency_prove_ns(proofs_run *run) {
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_bench_expect_ok(rotor_consistency_prove(&run->snapshot, &run->consistency[i], run->old_sizes[i]),
                              "consistency_prove");
    }
    return (double)(rotor_bench_now_ns() - begin) / MOVES;
}

static double consistency_verify_ns(proofs_run *run) {
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < MOVES; i++) {
        rotor_bench_expect_ok(rotor_consistency_verify(&run->consistency[i], &run->old_heads[i], &run->head),
                              "consistency_verify");
    }
    return (double)(rotor_bench_now_ns() - begin) / MOVES;
}

/* ---------------------------------------------------------------- */

enum { PROVE, PROVE_CACHED, VERIFY, VERIFY_64, VERIFY_1024, UPDATE, CONSISTENCY_PROVE, CONSISTENCY_VERIFY, STEPS };

typedef struct step {
    const char *measure;
    double (*ns)(proofs_run *run);
    double batch; /* 0: does not apply */
    const char *indexes;
} step;

static const step steps[STEPS] = {
    [PROVE] = {"proof_make", prove_ns, 0, "random"},
    [PROVE_CACHED] = {"proof_make", prove_cached_ns, 0, "64, cached"},
    [VERIFY] = {"proof_verify", verify_ns, 0, NULL},
    [VERIFY_64] = {"proof_verify_many", verify_64_ns, 64, NULL},
    [VERIFY_1024] = {"proof_verify_many", verify_1024_ns, PROOFS, NULL},
    [UPDATE] = {"proof_update", update_ns, 0, NULL},
    [CONSISTENCY_PROVE] = {"consistency_make", consistency_prove_ns, 0, NULL},
    [CONSISTENCY_VERIFY] = {"consistency_verify", consistency_verify_ns, 0, NULL},
};

static void report(rotor_bench *bench, const rotor_bench_samples ns[STEPS], const rotor_bench_samples lone[STEPS],
                   const rotor_bench_samples *lone_ns) {
    for (unsigned s = 0; s < STEPS; s++) {
        rotor_bench_row row = rotor_bench_row_of(steps[s].measure, ARITY, LEAVES, 1);
        rotor_bench_number(&row, "lone_compressions", rotor_bench_median(&lone[s]));
        rotor_bench_number(&row, "at_best", rotor_bench_min(&ns[s]) / rotor_bench_min(lone_ns));
        if (steps[s].batch > 0) {
            rotor_bench_number(&row, "batch", steps[s].batch);
        }
        if (steps[s].indexes != NULL) {
            rotor_bench_text(&row, "indexes", steps[s].indexes);
        }
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &ns[s]);
    }
    rotor_bench_samples gain = {.count = 0};
    for (size_t i = 0; i < ns[VERIFY].count; i++) {
        rotor_bench_add(&gain, ns[VERIFY].values[i] / ns[VERIFY_1024].values[i]);
    }
    rotor_bench_row row = rotor_bench_row_of("proof_verify_many_gain", ARITY, LEAVES, 1);
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_RATIO, &gain);
    rotor_bench_bound(bench->output, "proof make, N=4, 1M leaves, random indexes", rotor_bench_median(&ns[PROVE]),
                      false, 250, "ns");
    rotor_bench_bound(bench->output, "proof make, N=4, 1M leaves, nodes cached", rotor_bench_median(&ns[PROVE_CACHED]),
                      false, 250, "ns");
    rotor_bench_bound(bench->output, "proof verify, N=4, 1M leaves (30 and 10 %)", rotor_bench_median(&lone[VERIFY]),
                      false, CHAIN * 1.1, "compressions");
    rotor_bench_bound(bench->output, "verifying 1,024 proofs at once over one by one", rotor_bench_median(&gain), true,
                      4, "x");
}

void rotor_bench_proofs(rotor_bench *bench) {
    rotor_bench_section(bench->output, "proofs, N = 4, a million leaves, random indexes and old sizes");
    proofs_run *run = rotor_bench_allocate(sizeof *run);
    run->bench = bench;
    prepare(run);
    rotor_bench_samples *ns = calloc(2 * STEPS, sizeof *ns);
    rotor_bench_samples *lone = ns + STEPS;
    if (ns == NULL) {
        fprintf(stderr, "rotortree-bench: no memory\n");
        exit(1);
    }
    rotor_bench_samples chain = {.count = 0};
    for (size_t round = 0; round < rotor_bench_rounds(bench, 31, 61); round++) {
        for (unsigned s = 0; s < STEPS; s++) {
            double lone_ns = rotor_bench_lone_ns(bench->hasher);
            double step_ns = steps[s].ns(run);
            lone_ns = (lone_ns + rotor_bench_lone_ns(bench->hasher)) / 2;
            rotor_bench_add(&chain, lone_ns);
            rotor_bench_add(&ns[s], step_ns);
            rotor_bench_add(&lone[s], step_ns / lone_ns);
        }
    }
    report(bench, ns, lone, &chain);
    free(ns);
    finish(run);
    free(run);
}
