/* What the Rust crate `rotortree` 0.15 took for the same work, for orientation. */
#ifndef ROTOR_BENCH_REFERENCE_H
#define ROTOR_BENCH_REFERENCE_H

#include "measure.h"

/* Notes the bound "no worse than the reference" for a figure of the table, by its name there, in the table's unit. */
void rotor_bench_against(rotor_bench_output *output, const char *name, double value);

#endif
