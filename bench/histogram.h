/* Times of single calls: how many took how long, in eight steps to the octave, and what the slow ones took. */
#ifndef ROTOR_BENCH_HISTOGRAM_H
#define ROTOR_BENCH_HISTOGRAM_H

#include "measure.h"

#include <stdint.h>

#define ROTOR_BENCH_STEPS 8                                    /* to an octave */
#define ROTOR_BENCH_BUCKETS (ROTOR_BENCH_STEPS * (40 - 3) + 1) /* up to 2^40 ns; the last takes what is above */

typedef struct rotor_bench_histogram {
    uint64_t counts[ROTOR_BENCH_BUCKETS];
    uint64_t total;
    uint64_t max_ns;
} rotor_bench_histogram;

void rotor_bench_count(rotor_bench_histogram *histogram, uint64_t ns);
void rotor_bench_merge(rotor_bench_histogram *into, const rotor_bench_histogram *from);
/* The upper end of the bucket below which that part of all times lies; the largest time at the end. */
double rotor_bench_percentile(const rotor_bench_histogram *histogram, double part);

/* The row "latency" of an operation. */
void rotor_bench_print_histogram(const rotor_bench_output *output, const rotor_bench_histogram *histogram,
                                 const char *of, unsigned n, uint64_t leaves, unsigned callers);

#endif
