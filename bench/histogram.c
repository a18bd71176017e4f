/* Times of single calls; see histogram.h.
 *
 * Below 8 ns a bucket is one nanosecond; above, bucket i of an octave that begins at 2^k ends at 2^k * (1 + (i+1)/8).
 */
#include "histogram.h"

#include <stddef.h>

static unsigned bucket_of(uint64_t ns) {
    if (ns < ROTOR_BENCH_STEPS) {
        return (unsigned)ns;
    }
    unsigned octave = 63 - (unsigned)__builtin_clzll(ns); /* at least 3 */
    unsigned step = (unsigned)(ns >> (octave - 3)) & (ROTOR_BENCH_STEPS - 1);
    unsigned bucket = ROTOR_BENCH_STEPS * (octave - 2) + step;
    return bucket < ROTOR_BENCH_BUCKETS ? bucket : ROTOR_BENCH_BUCKETS - 1;
}

/* The first time that is too long for the bucket. */
static double end_of(unsigned bucket) {
    if (bucket < ROTOR_BENCH_STEPS) {
        return bucket + 1;
    }
    unsigned octave = bucket / ROTOR_BENCH_STEPS + 2;
    unsigned step = bucket % ROTOR_BENCH_STEPS;
    return (double)((uint64_t)(ROTOR_BENCH_STEPS + step + 1) << (octave - 3));
}

void rotor_bench_count(rotor_bench_histogram *histogram, uint64_t ns) {
    histogram->counts[bucket_of(ns)]++;
    histogram->total++;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
}

void rotor_bench_merge(rotor_bench_histogram *into, const rotor_bench_histogram *from) {
    for (unsigned i = 0; i < ROTOR_BENCH_BUCKETS; i++) {
        into->counts[i] += from->counts[i];
    }
    into->total += from->total;
    if (from->max_ns > into->max_ns) {
        into->max_ns = from->max_ns;
    }
}

double rotor_bench_percentile(const rotor_bench_histogram *histogram, double part) {
    double wanted = part * (double)histogram->total;
    uint64_t below = 0;
    for (unsigned i = 0; i < ROTOR_BENCH_BUCKETS; i++) {
        below += histogram->counts[i];
        if (below > 0 && (double)below >= wanted) {
            double end = end_of(i);
            return end < (double)histogram->max_ns ? end : (double)histogram->max_ns;
        }
    }
    return (double)histogram->max_ns;
}

void rotor_bench_print_histogram(const rotor_bench_output *output, const rotor_bench_histogram *histogram,
                                 const char *of, unsigned n, uint64_t leaves, unsigned callers) {
    double bounds[ROTOR_BENCH_BUCKETS];
    double counts[ROTOR_BENCH_BUCKETS];
    size_t used = 0;
    uint64_t seen = 0;
    for (unsigned i = 0; i < ROTOR_BENCH_BUCKETS && seen < histogram->total; i++) {
        seen += histogram->counts[i];
        if (seen > 0) {
            bounds[used] = end_of(i);
            counts[used++] = (double)histogram->counts[i];
        }
    }
    rotor_bench_row row = rotor_bench_row_of("latency", n, leaves, callers);
    rotor_bench_text(&row, "of", of);
    rotor_bench_number(&row, "calls", (double)histogram->total);
    rotor_bench_number(&row, "p50_ns", rotor_bench_percentile(histogram, 0.5));
    rotor_bench_number(&row, "p90_ns", rotor_bench_percentile(histogram, 0.9));
    rotor_bench_number(&row, "p99_ns", rotor_bench_percentile(histogram, 0.99));
    rotor_bench_number(&row, "p999_ns", rotor_bench_percentile(histogram, 0.999));
    rotor_bench_number(&row, "max_ns", (double)histogram->max_ns);
    rotor_bench_list(&row, "bounds_ns", bounds, used);
    rotor_bench_list(&row, "counts", counts, used);
    rotor_bench_print_fields(output, &row);
}
