/* Callers that insert leaf by leaf into one durable tree, each waiting until its own is on the disk. */
#ifndef ROTOR_BENCH_CREW_H
#define ROTOR_BENCH_CREW_H

#include "bench.h"

#include <stdbool.h>
#include <stdint.h>

#define ROTOR_BENCH_MOST_CALLERS 64

typedef struct rotor_bench_crew_result {
    double per_s;
    double inserts_per_sync;
    double inserts;
    double ns; /* wall */
} rotor_bench_crew_result;

/* So many callers for that long, each with leaves of its own. Ends the program where not all of them end up durable. */
rotor_bench_crew_result rotor_bench_crew(const rotor_bench *bench, rotor_tree *tree, unsigned callers, bool with_root,
                                         uint64_t ms);

#endif
