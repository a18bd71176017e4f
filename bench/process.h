/* Running another program: for the official hasher's rate and for the commit in the header. */
#ifndef ROTOR_BENCH_PROCESS_H
#define ROTOR_BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/* Runs argv[0], found on PATH, and waits for it; its output goes to `out` as a string, cut to capacity-1 bytes.
 * Returns whether it ran and exited with 0. `ns`, how long it took, may be NULL. */
bool rotor_bench_run_process(char *out, size_t capacity, char *const argv[], double *ns);

#endif
