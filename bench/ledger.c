/* A time and its parts; see ledger.h. */
#include "ledger.h"

#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REST "not explained"

rotor_bench_ledger *rotor_bench_ledger_new(const char *name, const char *per, unsigned n, uint64_t leaves,
                                           unsigned threads) {
    rotor_bench_ledger *ledger = rotor_bench_allocate(sizeof *ledger);
    memset(ledger, 0, sizeof *ledger);
    snprintf(ledger->name, sizeof ledger->name, "%s", name);
    ledger->per = per;
    ledger->n = n;
    ledger->leaves = leaves;
    ledger->threads = threads;
    return ledger;
}

static void add(rotor_bench_part *parts, size_t *count, const char *name, double value) {
    size_t i = 0;
    while (i < *count && strcmp(parts[i].name, name) != 0) {
        i++;
    }
    if (i == ROTOR_BENCH_MAX_PARTS) {
        fprintf(stderr, "rotortree-bench: a ledger of more than %d parts\n", ROTOR_BENCH_MAX_PARTS);
        exit(1);
    }
    *count = i == *count ? i + 1 : *count;
    parts[i].name = name;
    rotor_bench_add(&parts[i].values, value);
}

void rotor_bench_ledger_whole(rotor_bench_ledger *ledger, double ns) {
    rotor_bench_add(&ledger->whole, ns);
}

void rotor_bench_ledger_part(rotor_bench_ledger *ledger, const char *name, double ns) {
    add(ledger->parts, &ledger->part_count, name, fmax(ns, 0));
}

void rotor_bench_ledger_fact(rotor_bench_ledger *ledger, const char *name, double value) {
    if (isfinite(value)) {
        add(ledger->facts, &ledger->fact_count, name, value);
    }
}

static rotor_bench_row row_of(const rotor_bench_ledger *ledger, const char *part) {
    rotor_bench_row row = rotor_bench_row_of("ledger", ledger->n, ledger->leaves, ledger->threads);
    rotor_bench_text(&row, "of", ledger->name);
    rotor_bench_text(&row, "per", ledger->per);
    rotor_bench_text(&row, "part", part);
    return row;
}

void rotor_bench_ledger_print(const rotor_bench_output *output, const rotor_bench_ledger *ledger) {
    rotor_bench_samples rest = {.count = 0};
    double explained = 0;
    rotor_bench_row row = row_of(ledger, "whole");
    for (size_t i = 0; i < ledger->fact_count; i++) {
        rotor_bench_number(&row, ledger->facts[i].name, rotor_bench_median(&ledger->facts[i].values));
    }
    rotor_bench_print(output, &row, ROTOR_BENCH_NS, &ledger->whole);
    for (size_t i = 0; i < ledger->part_count; i++) {
        row = row_of(ledger, ledger->parts[i].name);
        rotor_bench_print(output, &row, ROTOR_BENCH_NS, &ledger->parts[i].values);
        explained += rotor_bench_median(&ledger->parts[i].values);
    }
    row = row_of(ledger, REST);
    rotor_bench_add(&rest, rotor_bench_median(&ledger->whole) - explained);
    rotor_bench_print(output, &row, ROTOR_BENCH_NS, &rest);
}

/* ---------------------------------------------------------------- names */

void rotor_bench_batch_ledger(char name[ROTOR_BENCH_LEDGER_NAME], unsigned n, size_t batch, unsigned threads) {
    snprintf(name, ROTOR_BENCH_LEDGER_NAME, "batches of %zu with a root each, N=%u, %u thread%s", batch, n, threads,
             threads == 1 ? "" : "s");
}

void rotor_bench_insert_ledger(char name[ROTOR_BENCH_LEDGER_NAME], unsigned n, const char *root) {
    snprintf(name, ROTOR_BENCH_LEDGER_NAME, "single insert %s, N=%u", root, n);
}

void rotor_bench_bulk_ledger(char name[ROTOR_BENCH_LEDGER_NAME], const char *policy) {
    snprintf(name, ROTOR_BENCH_LEDGER_NAME, "batches of 10,000 and a flush, durable tree, %s policy", policy);
}

void rotor_bench_open_ledger(char name[ROTOR_BENCH_LEDGER_NAME], const char *measure, const char *how) {
    snprintf(name, ROTOR_BENCH_LEDGER_NAME, "%s, %s, N=4", measure, how);
}
