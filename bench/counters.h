/* What the processor and the system count while a stretch of work runs: events in user mode, where counting them is
 * allowed, and page faults and thread switches. Knows no trees.
 *
 * Containers and virtual machines often forbid the first; those counts are then NaN, and nothing is said. */
#ifndef ROTOR_BENCH_COUNTERS_H
#define ROTOR_BENCH_COUNTERS_H

#include <stdint.h>

#define ROTOR_BENCH_EVENTS 3

extern const char *const rotor_bench_event_names[ROTOR_BENCH_EVENTS];

typedef struct rotor_bench_counters {
    int files[ROTOR_BENCH_EVENTS]; /* -1: not allowed here */
} rotor_bench_counters;

/* Of the calling thread. */
rotor_bench_counters rotor_bench_counters_open(void);
void rotor_bench_counters_close(rotor_bench_counters *counters);
void rotor_bench_counters_start(const rotor_bench_counters *counters);
/* Counts since the start, in the order of the names. */
void rotor_bench_counters_stop(const rotor_bench_counters *counters, double counts[ROTOR_BENCH_EVENTS]);

/* Of all threads of the process, since its start. */
typedef struct rotor_bench_usage {
    double user_ns;
    double system_ns;
    double minor_faults;
    double major_faults;
    double waits;       /* a thread gave its processor up */
    double preemptions; /* a thread lost its processor */
} rotor_bench_usage;

rotor_bench_usage rotor_bench_usage_now(void);
rotor_bench_usage rotor_bench_usage_since(const rotor_bench_usage *start);

#endif
