/* What an operation cannot beat on this machine: bandwidths of the parts that it uses, measured beside it, and counts
 * of the compressions that it needs. Knows no trees.
 *
 * A row names its limit, and `limit_fraction` says how much of it was reached: 1 is all of it. Where several resources
 * are needed one after the other, their times add up and the largest gives the name. */
#ifndef ROTOR_BENCH_LIMITS_H
#define ROTOR_BENCH_LIMITS_H

#include "bench.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROTOR_BENCH_KERNEL "kernel peak"
#define ROTOR_BENCH_CHAIN "chained compressions"
#define ROTOR_BENCH_BANDWIDTH "memory bandwidth"
#define ROTOR_BENCH_DISK "disk bandwidth"
#define ROTOR_BENCH_SYNC "sync latency"
#define ROTOR_BENCH_LATENCY "memory latency"
#define ROTOR_BENCH_CACHED "copy in the caches"

/* Adds the fields `limit` and `limit_fraction`. */
void rotor_bench_limit(rotor_bench_row *row, const char *limit, double fraction);

/* Memory for whole huge pages, touched, as levels have; to be freed. Ends the program where there is none. */
uint8_t *rotor_bench_touched(size_t bytes);

/* ---------------------------------------------------------------- time */

/* Copies by stores that pass the caches by, as leaves are stored, where there are such; says whether. */
bool rotor_bench_copy_streamed(uint8_t *target, const uint8_t *source, size_t bytes);

/* ns to copy one leaf to memory touched before, by stores that pass the caches by, all threads together. */
double rotor_bench_copy_ns(const rotor_bench *bench, unsigned threads);

/* ns for memcpy of a few bytes that stay in the first-level cache. */
double rotor_bench_cached_copy_ns(size_t bytes);

/* ns to checksum (CRC-32C) that many of bench->leaves on one thread, from memory. */
double rotor_bench_checksum_ns(const rotor_bench *bench, uint64_t count);

/* ns for 4 KiB of memory from the system touched for the first time; in huge pages where the kernel gives them. */
double rotor_bench_touch_ns(bool huge);

/* ns for one thread to wake another on the same processor and wait for it. */
double rotor_bench_switch_ns(void);

/* The nodes of a tree of this shape in plain arrays, one for each level: what collecting them costs without a tree.
 * Touched; the nodes are of no value. */
typedef struct rotor_bench_flat {
    uint8_t *nodes;
    uint64_t leaves;
    unsigned n; /* up to 16 */
} rotor_bench_flat;

rotor_bench_flat rotor_bench_flat_new(uint64_t leaves, unsigned n);
void rotor_bench_flat_free(rotor_bench_flat *flat);
/* ns a leaf to copy the groups on its way to the root, of each of these leaves. */
double rotor_bench_flat_ns(const rotor_bench_flat *flat, const uint64_t *indexes, size_t count);

/* ns for all levels of a tree of the first `count` of bench->leaves, each level one after the other through the kernel,
 * every thread with a part of its own; into memory touched before. The root is stored: whole levels hashed plainly are
 * also what the roots of trees are compared with. */
double rotor_bench_hash_all(const rotor_bench *bench, rotor_hash *root, uint64_t count, unsigned n, unsigned threads);
/* The same by both clocks. */
rotor_bench_span rotor_bench_hash_all_span(const rotor_bench *bench, rotor_hash *root, uint64_t count, unsigned n,
                                           unsigned threads);

/* ---------------------------------------------------------------- compressions */

/* Those that wait for each other when a tree grows from size `from`, whose root was asked for, to size `to` and its
 * root is asked for, nothing being hashed twice: of groups whose last child alone has changed only the blocks that hold
 * that child. `alone`: groups that become complete count too; in a batch they are hashed with others. */
uint64_t rotor_bench_chain(unsigned n, uint64_t from, uint64_t to, bool alone);

/* Nodes that are hashed when a tree grows from size `from`, whose root was asked for, to size `to` and its root is
 * asked for: those that become complete, and the unfinished ones on the way to the root that have two children or more.
 */
uint64_t rotor_bench_nodes_hashed(unsigned n, uint64_t from, uint64_t to);

/* The root of the first `size` leaves of a larger tree: complete nodes are there already. */
uint64_t rotor_bench_past_compressions(unsigned n, uint64_t size);
/* Verifying a proof of leaf `index`. */
uint64_t rotor_bench_verify_compressions(unsigned n, uint64_t size, uint64_t index);
/* The root of the old tree, and that of the new, from a consistency proof. */
uint64_t rotor_bench_old_root_compressions(unsigned n, uint64_t old_size);
uint64_t rotor_bench_new_root_compressions(unsigned n, uint64_t old_size, uint64_t new_size);

#endif
