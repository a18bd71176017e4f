/* Leaves inserted one by one into trees of a thousand to ten million: with the root of each, a chain of compressions;
 * and without, a root read now and then. */
#include "bench.h"
#include "ledger.h"
#include "limits.h"
#include "reference.h"

#include <stdio.h>
#include <string.h>

#define INSERTS_WITH_ROOT 4096u /* in one sample: whole turns of the lower levels of every arity measured */
#define INSERTS_WITHOUT 20000u
#define ROOT_EVERY 1000u /* inserts without a root, then one root */
#define FRESH_LEAVES 1000000u
#define USUAL_LEAVES 1000000u /* the size for which there are bounds */

/* Compressions that one insert waits for, on average. */
static double needed_compressions(unsigned n, uint64_t base, unsigned inserts, unsigned root_every) {
    uint64_t total = 0;
    for (uint64_t at = base; at < base + inserts; at += root_every) {
        total += rotor_bench_chain(n, at, at + root_every, root_every == 1);
    }
    return (double)total / inserts;
}

static void explain(const rotor_bench *bench, unsigned n, const char *root) {
    char ledger[ROTOR_BENCH_LEDGER_NAME];
    rotor_bench_insert_ledger(ledger, n, root);
    rotor_bench_explain(bench->output, ledger);
}

/* ---------------------------------------------------------------- with root */

static double with_root_ns(const rotor_bench *bench, rotor_tree *tree, uint64_t base, rotor_hash *root) {
    rotor_bench_expect_ok(rotor_truncate(tree, NULL, base), "truncate");
    rotor_bench_expect_ok(rotor_root(tree, root), "root");
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < INSERTS_WITH_ROOT; i++) {
        rotor_bench_expect_ok(rotor_insert(tree, root, NULL, bench->leaves + base + i), "insert");
    }
    return (double)(rotor_bench_now_ns() - begin) / INSERTS_WITH_ROOT;
}

static void measure_with_root(rotor_bench *bench, unsigned n, uint64_t base, double bound) {
    rotor_tree *tree = rotor_bench_tree(n, 1);
    rotor_hash expected;
    (void)rotor_bench_hash_all(bench, &expected, base + INSERTS_WITH_ROOT, n, bench->cpus);
    rotor_bench_load(tree, NULL, bench->leaves, (size_t)base + INSERTS_WITH_ROOT);
    rotor_bench_samples ns = {.count = 0};
    rotor_bench_samples lone = {.count = 0};
    rotor_bench_samples ratio = {.count = 0};
    for (size_t round = 0; round < rotor_bench_rounds(bench, 15, 61); round++) {
        rotor_hash root;
        double lone_ns = rotor_bench_lone_ns(bench->hasher);
        double insert_ns = with_root_ns(bench, tree, base, &root);
        lone_ns = (lone_ns + rotor_bench_lone_ns(bench->hasher)) / 2;
        rotor_bench_expect_equal(&root, &expected, "root after single inserts");
        rotor_bench_add(&ns, insert_ns);
        rotor_bench_add(&lone, lone_ns);
        rotor_bench_add(&ratio, insert_ns / lone_ns);
    }
    rotor_close(tree, NULL);
    double needed = needed_compressions(n, base, INSERTS_WITH_ROOT, 1);
    rotor_bench_row row = rotor_bench_row_of("insert_with_root", n, base, 1);
    rotor_bench_number(&row, "lone_compressions", rotor_bench_median(&ratio));
    rotor_bench_number(&row, "at_best", rotor_bench_min(&ns) / rotor_bench_min(&lone));
    rotor_bench_number(&row, "needed_compressions", needed);
    rotor_bench_number(&row, "lone_ns", rotor_bench_median(&lone));
    rotor_bench_limit(&row, ROTOR_BENCH_CHAIN, needed / rotor_bench_median(&ratio));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &ns);
    if (base == USUAL_LEAVES && bound > 0) {
        char what[96];
        snprintf(what, sizeof what, "insert with root, N=%u, 1M leaves (%.4g and 10 %%)", n, bound);
        rotor_bench_bound(bench->output, what, rotor_bench_median(&ratio), false, bound * 1.1, "compressions");
        explain(bench, n, "with its root");
    }
    if (base == USUAL_LEAVES && n == 4) {
        rotor_bench_against(bench->output, "insert with root", rotor_bench_median(&ns));
    }
}

/* ---------------------------------------------------------------- without */

static double without_root_ns(const rotor_bench *bench, rotor_tree *tree, unsigned inserts, rotor_hash *root) {
    const rotor_hash *next = bench->leaves + rotor_size(tree);
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < inserts;) {
        for (unsigned j = 0; j < ROOT_EVERY; j++, i++) {
            rotor_bench_expect_ok(rotor_insert(tree, NULL, NULL, next + i), "insert");
        }
        rotor_bench_expect_ok(rotor_root(tree, root), "root");
    }
    return (double)(rotor_bench_now_ns() - begin) / inserts;
}

static void report_without_root(const rotor_bench *bench, unsigned n, uint64_t base, const char *memory,
                                const rotor_bench_samples *ns, const rotor_bench_samples *fraction) {
    rotor_bench_row row = rotor_bench_row_of("insert_without_root", n, base, 1);
    if (base == 0) {
        rotor_bench_number(&row, "leaves", 0);
    }
    rotor_bench_text(&row, "memory", memory);
    rotor_bench_number(&row, "root_every", ROOT_EVERY);
    rotor_bench_limit(&row, ROTOR_BENCH_KERNEL, rotor_bench_median(fraction));
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, ns);
    if (base == USUAL_LEAVES || base == 0) {
        char what[96];
        snprintf(what, sizeof what, "insert without root, root each 1,000, N=%u, %s memory", n, memory);
        rotor_bench_bound(bench->output, what, rotor_bench_median(ns), false, 60, "ns");
        explain(bench, n, base == 0 ? "without root, fresh memory" : "without root, touched memory");
    }
}

/* base 0: from an empty tree on, in memory never touched. */
static void measure_without_root(rotor_bench *bench, unsigned n, uint64_t base) {
    unsigned inserts = base == 0 ? FRESH_LEAVES : INSERTS_WITHOUT;
    rotor_tree *tree = rotor_bench_tree(n, 1);
    rotor_hash expected;
    rotor_hash root;
    (void)rotor_bench_hash_all(bench, &expected, base + inserts, n, bench->cpus);
    if (base != 0) {
        rotor_bench_load(tree, NULL, bench->leaves, (size_t)base + inserts);
    }
    double needed = needed_compressions(n, base, inserts, ROOT_EVERY);
    rotor_bench_samples ns = {.count = 0};
    rotor_bench_samples fraction = {.count = 0};
    size_t rounds = base == 0 ? rotor_bench_rounds(bench, 5, 21) : rotor_bench_rounds(bench, 15, 41);
    for (size_t round = 0; round < rounds; round++) {
        if (base == 0) {
            rotor_close(tree, NULL);
            tree = rotor_bench_tree(n, 1);
        } else {
            rotor_bench_expect_ok(rotor_truncate(tree, NULL, base), "truncate");
        }
        double least = rotor_bench_peak_ns(bench->hasher, n, 1) * rotor_bench_blocks_per_leaf(n) +
                       needed * rotor_bench_lone_ns(bench->hasher);
        double insert_ns = without_root_ns(bench, tree, inserts, &root);
        rotor_bench_expect_equal(&root, &expected, "root after inserts without root");
        rotor_bench_add(&ns, insert_ns);
        rotor_bench_add(&fraction, least / insert_ns);
    }
    rotor_close(tree, NULL);
    report_without_root(bench, n, base, base == 0 ? "fresh" : "touched", &ns, &fraction);
}

/* ---------------------------------------------------------------- */

void rotor_bench_insert(rotor_bench *bench) {
    static const double bounds[ROTOR_BENCH_ARITIES] = {0, 17, 12.5, 12.5};
    static const uint64_t bases[] = {1000, 10000, 100000, USUAL_LEAVES, ROTOR_BENCH_LEAVES_MAX};
    enum { count = sizeof bases / sizeof bases[0] };
    rotor_bench_section(bench->output, "single inserts, with the root of each and without, into trees of many sizes");
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        unsigned n = rotor_bench_arities[a];
        for (unsigned b = 0; b < count; b++) {
            if (bench->full || n == 4 || bases[b] == USUAL_LEAVES) {
                measure_with_root(bench, n, bases[b], bounds[a]);
            }
        }
    }
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        unsigned n = rotor_bench_arities[a];
        for (unsigned b = 0; b < count; b++) {
            if (bench->full || n == 4 || bases[b] == USUAL_LEAVES) {
                measure_without_root(bench, n, bases[b]);
            }
        }
        measure_without_root(bench, n, 0);
    }
}
