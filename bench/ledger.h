/* A ledger: one time that was measured, and the parts of it that were measured too. What the parts do not add up to is
 * a part of its own, by name. A bound that is missed can name the ledger that tells what stands in the way.
 *
 * Knows nothing of what is measured. */
#ifndef ROTOR_BENCH_LEDGER_H
#define ROTOR_BENCH_LEDGER_H

#include "measure.h"

#include <stddef.h>
#include <stdint.h>

#define ROTOR_BENCH_MAX_PARTS 14
#define ROTOR_BENCH_LEDGER_NAME 96

/* What is left of the wall time when the process had its processor time; of several threads, and of one. */
#define ROTOR_BENCH_IDLE "processors without work from it"
#define ROTOR_BENCH_TAKEN "the processor taken by others"

/* One sample a round. */
typedef struct rotor_bench_part {
    const char *name;
    rotor_bench_samples values;
} rotor_bench_part;

typedef struct rotor_bench_ledger {
    char name[ROTOR_BENCH_LEDGER_NAME];
    const char *per; /* "batch", "insert": what the times are of */
    unsigned n;
    uint64_t leaves;
    unsigned threads;
    rotor_bench_samples whole; /* ns */
    rotor_bench_part parts[ROTOR_BENCH_MAX_PARTS];
    size_t part_count;
    rotor_bench_part facts[ROTOR_BENCH_MAX_PARTS]; /* counts and shares that are no part of the time */
    size_t fact_count;
} rotor_bench_ledger;

/* To be freed. Ends the program where there is no memory. */
rotor_bench_ledger *rotor_bench_ledger_new(const char *name, const char *per, unsigned n, uint64_t leaves,
                                           unsigned threads);

void rotor_bench_ledger_whole(rotor_bench_ledger *ledger, double ns);
/* A difference of two times below zero is noise: it counts as nothing. */
void rotor_bench_ledger_part(rotor_bench_ledger *ledger, const char *name, double ns);
/* NaN is left out. */
void rotor_bench_ledger_fact(rotor_bench_ledger *ledger, const char *name, double value);

/* Medians: the whole with the facts, each part, and the rest. */
void rotor_bench_ledger_print(const rotor_bench_output *output, const rotor_bench_ledger *ledger);

/* The ledgers that bounds name. */
void rotor_bench_batch_ledger(char name[ROTOR_BENCH_LEDGER_NAME], unsigned n, size_t batch, unsigned threads);
void rotor_bench_insert_ledger(char name[ROTOR_BENCH_LEDGER_NAME], unsigned n, const char *root);
void rotor_bench_bulk_ledger(char name[ROTOR_BENCH_LEDGER_NAME], const char *policy);
void rotor_bench_open_ledger(char name[ROTOR_BENCH_LEDGER_NAME], const char *measure, const char *how);
#define ROTOR_BENCH_CALLERS_LEDGER "durable insert, 64 callers"

#endif
