/* What every measurement needs: the clock, samples and their statistics, rows of output, bounds.
 *
 * Knows nothing of trees or hashes. A row is printed once, as a line of a table or as one JSON object; both come from
 * the same fields, so that neither can say less than the other. */
#ifndef ROTOR_BENCH_MEASURE_H
#define ROTOR_BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For what runs on the calling thread alone: wall time, or after rotor_bench_use_cpu_clock() the processor time of that
 * thread, which other programs on a busy machine do not lengthen (much). */
uint64_t rotor_bench_now_ns(void);
void rotor_bench_use_cpu_clock(void);
bool rotor_bench_cpu_clock(void);
/* For what several threads do. */
uint64_t rotor_bench_wall_ns(void);
/* The processor time of the calling thread, whatever the clock. */
uint64_t rotor_bench_thread_ns(void);
/* For a child that has been waited for: wall time, or the processor time of all children so far. */
uint64_t rotor_bench_child_ns(void);

/* Both clocks of a longer stretch of work: wall time, and the processor time of all threads of this process. */
typedef struct rotor_bench_span {
    double wall_ns;
    double cpu_ns;
} rotor_bench_span;

rotor_bench_span rotor_bench_start(void);
rotor_bench_span rotor_bench_stop(rotor_bench_span start);
/* The one to report for work of this many threads. */
double rotor_bench_span_ns(rotor_bench_span span, unsigned threads);

/* ---------------------------------------------------------------- samples */

#define ROTOR_BENCH_MAX_SAMPLES 64

typedef struct rotor_bench_samples {
    double values[ROTOR_BENCH_MAX_SAMPLES];
    size_t count;
} rotor_bench_samples;

/* Samples beyond ROTOR_BENCH_MAX_SAMPLES are dropped. */
void rotor_bench_add(rotor_bench_samples *samples, double value);
/* NaN when there is no sample. */
double rotor_bench_min(const rotor_bench_samples *samples);
double rotor_bench_median(const rotor_bench_samples *samples);
double rotor_bench_max(const rotor_bench_samples *samples);

/* ---------------------------------------------------------------- rows */

typedef enum rotor_bench_unit {
    ROTOR_BENCH_NS,
    ROTOR_BENCH_LEAVES_PER_S,
    ROTOR_BENCH_BYTES_PER_S,
    ROTOR_BENCH_RATIO, /* of two figures taken in turn: one ratio per round */
    ROTOR_BENCH_MS,
    ROTOR_BENCH_PER_S, /* of things that take long, each for itself */
    ROTOR_BENCH_BYTES,
} rotor_bench_unit;

#define ROTOR_BENCH_MAX_FIELDS 20

typedef struct rotor_bench_field {
    const char *key;
    const char *text; /* NULL: a number, or a list */
    double number;
    const double *list; /* NULL: a number; in JSON only */
    size_t list_count;
} rotor_bench_field;

/* One result. n, leaves and threads that are 0 do not apply and are left out. All strings are borrowed. */
typedef struct rotor_bench_row {
    const char *measure;
    unsigned n;
    uint64_t leaves;
    unsigned threads;
    rotor_bench_field fields[ROTOR_BENCH_MAX_FIELDS];
    size_t field_count;
} rotor_bench_row;

rotor_bench_row rotor_bench_row_of(const char *measure, unsigned n, uint64_t leaves, unsigned threads);
void rotor_bench_text(rotor_bench_row *row, const char *key, const char *text);
void rotor_bench_number(rotor_bench_row *row, const char *key, double number);
void rotor_bench_list(rotor_bench_row *row, const char *key, const double *list, size_t list_count);

/* ---------------------------------------------------------------- output */

typedef struct rotor_bench_output rotor_bench_output;

rotor_bench_output *rotor_bench_output_new(bool json);
void rotor_bench_output_free(rotor_bench_output *output);

/* The first line: names and values of what was measured on. */
void rotor_bench_header(const rotor_bench_output *output, const rotor_bench_field *fields, size_t count);
/* A heading of the table; nothing in JSON. */
void rotor_bench_section(const rotor_bench_output *output, const char *title);
void rotor_bench_print(const rotor_bench_output *output, const rotor_bench_row *row, rotor_bench_unit unit,
                       const rotor_bench_samples *samples);
/* A row that is its fields alone. */
void rotor_bench_print_fields(const rotor_bench_output *output, const rotor_bench_row *row);
/* Says that something was not measured, and why. */
void rotor_bench_skip(const rotor_bench_output *output, const char *measure, const char *reason);

/* Notes a target and what was measured for it (NaN: nothing); `what` is copied. rotor_bench_bounds() prints all of
 * them. A target missed is a result, not an error. */
void rotor_bench_bound(rotor_bench_output *output, const char *what, double value, bool at_least, double bound,
                       const char *unit);
/* The ledger (ledger.h) that tells what stands in the way of the bound noted last; copied. */
void rotor_bench_explain(rotor_bench_output *output, const char *ledger);
void rotor_bench_bounds(const rotor_bench_output *output);

#endif
