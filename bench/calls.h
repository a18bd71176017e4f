/* What a tree asks of its hash kernel: the calls of a stretch of work, recorded as the tree makes them, and made again
 * by themselves on data in the first-level cache. So the time of hashing is measured with the very groups that a tree
 * hashes, however it cuts them; what is left of the tree's own time is not hashing.
 *
 * Looks into trees, but knows nothing of how they build. One recording at a time, of one tree with one thread. */
#ifndef ROTOR_BENCH_CALLS_H
#define ROTOR_BENCH_CALLS_H

#include "bench.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rotor_bench_call rotor_bench_call;

typedef struct rotor_bench_calls {
    const rotor_hasher *hasher;
    rotor_bench_call *calls;
    size_t count;
    size_t capacity;
    uint64_t nodes;  /* hashed, all in all */
    uint64_t blocks; /* of the groups that were hashed many at a time */
    uint64_t groups;
    uint64_t lanes;                    /* that these groups took, those without a group included */
    uint64_t chains;                   /* nodes that were hashed one by one, each waited for by its parent */
    uint8_t prepared[ROTOR_MAX_DEPTH]; /* widths of the steps that were prepared before */
    uint8_t *target; /* where leaves go that are stored on the way: more than the caches hold, and touched */
} rotor_bench_calls;

/* A tree in memory whose calls can be recorded. */
rotor_tree *rotor_bench_recorded_tree(const rotor_bench *bench, unsigned n);
/* A tree in memory, of one thread, for which hashing takes no time: its calls return at once, and its nodes have no
 * value. */
rotor_tree *rotor_bench_idle_tree(const rotor_bench *bench, unsigned n);

rotor_bench_calls rotor_bench_calls_new(const rotor_bench *bench);
void rotor_bench_calls_free(rotor_bench_calls *calls);
/* Between these the calls of recorded trees are noted. */
void rotor_bench_calls_begin(rotor_bench_calls *calls);
void rotor_bench_calls_end(void);

/* Ends the program unless that many nodes were hashed: each once, and none that has not been recorded. */
void rotor_bench_calls_expect(const rotor_bench_calls *calls, uint64_t nodes);

/* Which calls are made again. */
enum {
    ROTOR_BENCH_VECTORS = 1, /* many nodes at a time */
    ROTOR_BENCH_STORES = 2,  /* of these, calls that store leaves on the way do so; else they only hash */
    ROTOR_BENCH_CHAINS = 4,  /* one node, each with the one before among its children */
};

/* Processor time for these calls, in the order in which the tree made them; what other programs take is not in it. */
double rotor_bench_calls_ns(const rotor_bench_calls *calls, unsigned which);

#endif
