/* One node at a time: what a tree costs without vector lanes across nodes, the way that the figures of the tree are
 * held against.
 *
 * Both ways below build the whole tree level by level in memory that was touched before, on one thread: copy the leaves
 * to level 0, then hash each group of N children that lie one after the other. They keep every level, do no bookkeeping
 * whatever, and their buffers have huge pages where those can be had, so that hashing is all that they can lose by. */
#ifndef ROTOR_BENCH_BASELINE_H
#define ROTOR_BENCH_BASELINE_H

#include "hash/hash.h"
#include "rotortree.h"

#include <stddef.h>
#include <stdint.h>

typedef struct rotor_bench_baseline {
    uint8_t *nodes; /* all levels, one after the other */
    size_t bytes;
} rotor_bench_baseline;

/* Memory, touched, for trees of up to `leaves` leaves and arity n. Ends the program where there is none. */
rotor_bench_baseline rotor_bench_baseline_new(uint64_t leaves, unsigned n);
void rotor_bench_baseline_free(rotor_bench_baseline *baseline);

/* Every node through the general streaming hasher, as libraries on top of a BLAKE3 package do: start, add tag and
 * child count, add the children, finish. The children are added in one call; adding them one by one costs more. */
void rotor_bench_baseline_streaming(const rotor_bench_baseline *baseline, rotor_hash *root, const rotor_hash *leaves,
                                    uint64_t count, unsigned n);

/* Every node through the kernel's hash_node: the best that one lane can do here. */
void rotor_bench_baseline_node(const rotor_bench_baseline *baseline, rotor_hash *root, const rotor_hash *leaves,
                               uint64_t count, unsigned n, const rotor_hasher *hasher);

#endif
