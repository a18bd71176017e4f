/* What the suites of durable trees share: opening and filling trees in the folder, and what the disk does without us.
 *
 * Times of anything that may wait for a disk are wall times. */
#ifndef ROTOR_BENCH_STORED_H
#define ROTOR_BENCH_STORED_H

#include "bench.h"
#include "folder.h"

#include <stddef.h>
#include <stdint.h>

#define ROTOR_BENCH_STORED_ARITY 4u

/* The defaults; `manual`: nothing is flushed or checkpointed unless asked for, not even on close. */
rotor_options rotor_bench_stored_options(bool manual);
/* The tree in the folder's directory `name`. Ends the program on failure, as do those below. */
rotor_tree *rotor_bench_stored_open(const char *name, const rotor_options *options);
void rotor_bench_stored_close(rotor_tree *tree);
void rotor_bench_stored_expect_ok(rotor_tree *tree, rotor_status status, const char *what);
rotor_statistics rotor_bench_stored_statistics(rotor_tree *tree);

/* Grows a tree to `size` leaves in batches; `batch` divides ROTOR_BENCH_LEAVES_MAX and what is to be added. A tree of
 * up to ROTOR_BENCH_LEAVES_MAX leaves holds bench->leaves from the first on; a larger one repeats them, in other
 * groups. `root`, if not NULL, is asked for with every batch. */
void rotor_bench_stored_grow(const rotor_bench *bench, rotor_tree *tree, uint64_t size, size_t batch, rotor_hash *root);

/* The root of the first `size` of bench->leaves, by a tree in memory. */
rotor_hash rotor_bench_stored_expected_root(const rotor_bench *bench, uint64_t size);

/* Milliseconds since a moment of rotor_bench_wall_ns(). */
double rotor_bench_ms_since(uint64_t begin);

/* ---------------------------------------------------------------- the disk without us */

/* The time to write `count` leaves to a new file, one after the other, the disk beginning at once, and sync it. */
rotor_bench_span rotor_bench_raw_sequential(const rotor_bench *bench, uint64_t count);

/* The time to grow a tree in memory to ROTOR_BENCH_LEAVES_MAX leaves while another thread writes them to a new file as
 * they come, the disk beginning at once, and syncs it at the end. `bytes` are written in all, beside the leaves some of
 * them again. */
rotor_bench_span rotor_bench_raw_beside(const rotor_bench *bench, size_t batch, uint64_t bytes);

/* A file to which 96 bytes, the frame of one leaf, are written and synced again and again. */
typedef struct rotor_bench_raw {
    int file;
    uint64_t end;
    uint64_t zeros; /* bytes written ahead of `end`; 0: every write appends */
} rotor_bench_raw;

rotor_bench_raw rotor_bench_raw_open(const char *name, uint64_t zeros);
void rotor_bench_raw_close(rotor_bench_raw *raw);
/* Writes and syncs per second, over so many milliseconds. Once the zeros are used up it goes on from the start, whose
 * blocks are written just as well. */
double rotor_bench_raw_rate(rotor_bench_raw *raw, uint64_t ms);

#endif
