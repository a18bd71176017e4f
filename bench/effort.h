/* What a stretch of work took of the process and of the disk. Knows no trees. */
#ifndef ROTOR_BENCH_EFFORT_H
#define ROTOR_BENCH_EFFORT_H

typedef struct rotor_bench_effort {
    double wall_ns;
    double processor_ns; /* of all threads, in user mode and in the system */
    double disk_ns;      /* in which the disk under the benchmark's folder had work; NaN where nobody says */
} rotor_bench_effort;

/* So far. */
rotor_bench_effort rotor_bench_effort_now(void);
rotor_bench_effort rotor_bench_effort_since(const rotor_bench_effort *start);

#endif
