/* Cutting up to a thousand leaves off a tree, and the first insert, with its root, after that. */
#include "bench.h"
#include "limits.h"

#include <stdio.h>

#define LEAVES 1000000u
#define MOST_CUT 1000u
#define CUTS 64u /* in one sample; the leaves come back between them, untimed */

typedef struct cut_sample {
    double truncate_ns;
    double insert_ns;
    double truncate_needs; /* compressions */
    double insert_needs;
} cut_sample;

static cut_sample cut_and_insert(const rotor_bench *bench, rotor_tree *tree, rotor_hash *root, uint64_t *random) {
    cut_sample sum = {0, 0, 0, 0};
    unsigned n = rotor_arity(tree);
    for (unsigned i = 0; i < CUTS; i++) {
        uint64_t size = LEAVES - 1 - rotor_bench_random(random) % MOST_CUT;
        uint64_t begin = rotor_bench_now_ns();
        rotor_bench_expect_ok(rotor_truncate(tree, NULL, size), "truncate");
        uint64_t cut = rotor_bench_now_ns();
        rotor_bench_expect_ok(rotor_insert(tree, root, NULL, bench->leaves + size), "insert");
        uint64_t end = rotor_bench_now_ns();
        sum.truncate_ns += (double)(cut - begin) / CUTS;
        sum.insert_ns += (double)(end - cut) / CUTS;
        sum.truncate_needs += (double)rotor_bench_past_compressions(n, size) / CUTS;
        sum.insert_needs += (double)rotor_bench_chain(n, size, size + 1, true) / CUTS;
        if (size + 1 < LEAVES) {
            rotor_bench_load(tree, root, bench->leaves + size + 1, (size_t)(LEAVES - size - 1));
        }
    }
    return sum;
}

static void report(const rotor_bench *bench, unsigned n, const char *measure, const rotor_bench_samples *ns,
                   const rotor_bench_samples *of_limit) {
    rotor_bench_row row = rotor_bench_row_of(measure, n, LEAVES, 1);
    rotor_bench_number(&row, "most_cut", MOST_CUT);
    rotor_bench_limit(&row, ROTOR_BENCH_CHAIN, rotor_bench_median(of_limit));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, ns);
}

static void measure(const rotor_bench *bench, unsigned n) {
    rotor_tree *tree = rotor_bench_tree(n, 1);
    rotor_hash expected;
    rotor_hash root;
    (void)rotor_bench_hash_all(bench, &expected, LEAVES, n, bench->cpus);
    rotor_bench_load(tree, &root, bench->leaves, LEAVES);
    rotor_bench_samples truncate = {.count = 0};
    rotor_bench_samples insert = {.count = 0};
    rotor_bench_samples truncate_limit = {.count = 0};
    rotor_bench_samples insert_limit = {.count = 0};
    uint64_t random = 31;
    for (size_t round = 0; round < rotor_bench_rounds(bench, 15, 45); round++) {
        double lone_ns = rotor_bench_lone_ns(bench->hasher);
        cut_sample now = cut_and_insert(bench, tree, &root, &random);
        rotor_bench_expect_equal(&root, &expected, "root after truncations");
        rotor_bench_add(&truncate, now.truncate_ns);
        rotor_bench_add(&insert, now.insert_ns);
        rotor_bench_add(&truncate_limit, now.truncate_needs * lone_ns / now.truncate_ns);
        rotor_bench_add(&insert_limit, now.insert_needs * lone_ns / now.insert_ns);
    }
    rotor_close(tree, NULL);
    report(bench, n, "truncate", &truncate, &truncate_limit);
    report(bench, n, "insert_after_truncate", &insert, &insert_limit);
}

void rotor_bench_truncate(rotor_bench *bench) {
    rotor_bench_section(bench->output, "truncation by up to a thousand leaves, then one insert with its root; each "
                                       "with its time on the clock");
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        measure(bench, rotor_bench_arities[a]);
    }
}
