/* What the suites share: settings, input, checks, and the small tools that more than one of them measures with.
 *
 * A suite is one file bench_*.c with one entry point below. Ratios are always taken between two figures measured in
 * turn in the same round, and the median of those ratios is reported: a machine whose speed drifts slows both. */
#ifndef ROTOR_BENCH_BENCH_H
#define ROTOR_BENCH_BENCH_H

#include "hash/hash.h"
#include "measure.h"
#include "rotortree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROTOR_BENCH_LEAVES_MAX UINT64_C(10000000)
#define ROTOR_BENCH_LEAVES_MORE UINT64_C(65536) /* behind them, for growing a tree of that size */
#define ROTOR_BENCH_ARITIES 4

typedef struct rotor_bench {
    rotor_bench_output *output;
    bool full;
    unsigned cpus;
    const rotor_hasher *hasher; /* of the kernel that trees use by default here */
    rotor_hash *leaves;         /* ROTOR_BENCH_LEAVES_MAX and MORE of them, random */
    const char *dir;            /* where durable trees are put, in a folder of their own */
} rotor_bench;

extern const unsigned rotor_bench_arities[ROTOR_BENCH_ARITIES];

/* One of two counts, by how long the run may take. */
size_t rotor_bench_rounds(const rotor_bench *bench, size_t quick, size_t full);

/* ---------------------------------------------------------------- checks: a wrong result ends the program */

void rotor_bench_expect_ok(rotor_status status, const char *what);
void rotor_bench_expect_equal(const rotor_hash *a, const rotor_hash *b, const char *what);
/* malloc that ends the program where there is no memory. */
void *rotor_bench_allocate(size_t bytes);

/* ---------------------------------------------------------------- input */

/* xorshift64*; the state must not be 0. */
uint64_t rotor_bench_random(uint64_t *state);
void rotor_bench_fill(void *bytes, size_t count, uint64_t seed);

/* ---------------------------------------------------------------- trees */

/* `threads` as in rotor_options. Ends the program on failure. */
rotor_tree *rotor_bench_tree(unsigned n, unsigned threads); /* in memory */
void rotor_bench_load(rotor_tree *tree, rotor_hash *root, const rotor_hash *leaves, size_t count);

/* Nodes of all levels. */
uint64_t rotor_bench_count_nodes(rotor_tree *tree);

/* A value of /proc/self/status in bytes, 0 where there is none. */
double rotor_bench_process_bytes(const char *key);
/* The process's memory that is no page of a file. */
double rotor_bench_anonymous_bytes(void);

/* ---------------------------------------------------------------- hashing */

/* BLAKE3 blocks in a node of `width` children that is one chunk. */
unsigned rotor_bench_blocks(unsigned width);
/* Blocks hashed for one leaf of a large tree: a node stands for N-1 leaves. */
double rotor_bench_blocks_per_leaf(unsigned n);
/* ns for one block, all threads together, of full nodes whose input stays in the first-level cache; some milliseconds.
 */
double rotor_bench_peak_ns(const rotor_hasher *hasher, unsigned n, unsigned threads);
/* The same of one thread in processor time, of which other programs take nothing. */
double rotor_bench_peak_cpu_ns(const rotor_hasher *hasher, unsigned n);
/* ns for one compression that waits for the one before it: nodes of 16 children, 9 blocks each, every node the first
 * child of the next. */
double rotor_bench_lone_ns(const rotor_hasher *hasher);

/* ---------------------------------------------------------------- the suites */

void rotor_bench_context(rotor_bench *bench);
void rotor_bench_kernel(rotor_bench *bench);
void rotor_bench_official(rotor_bench *bench);
void rotor_bench_build(rotor_bench *bench);
void rotor_bench_batches(rotor_bench *bench);
void rotor_bench_ledger_batches(rotor_bench *bench);
void rotor_bench_insert(rotor_bench *bench);
void rotor_bench_ledger_insert(rotor_bench *bench);
void rotor_bench_snapshot(rotor_bench *bench);
void rotor_bench_proofs(rotor_bench *bench);
void rotor_bench_truncate(rotor_bench *bench);
void rotor_bench_memory(rotor_bench *bench);
void rotor_bench_storage_bulk(rotor_bench *bench);
void rotor_bench_storage_insert(rotor_bench *bench);
void rotor_bench_storage_durable(rotor_bench *bench);
void rotor_bench_ledger_storage(rotor_bench *bench);
void rotor_bench_storage_open(rotor_bench *bench);
void rotor_bench_storage_growth(rotor_bench *bench);
void rotor_bench_storage_load(rotor_bench *bench);
void rotor_bench_mixed(rotor_bench *bench);
void rotor_bench_latency(rotor_bench *bench);

#endif
