/* Clock, statistics and output; see measure.h. */
#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MAX_BOUNDS 256

typedef struct bound {
    char what[96];
    double value;
    bool at_least;
    double bound;
    const char *unit;
    char ledger[96]; /* empty: none */
} bound;

struct rotor_bench_output {
    bool json;
    size_t bound_count;
    bound bounds[MAX_BOUNDS];
};

/* Set once, before anything is measured. */
static clockid_t lone_clock = CLOCK_MONOTONIC;

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t rotor_bench_now_ns(void) {
    return clock_ns(lone_clock);
}

uint64_t rotor_bench_wall_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t rotor_bench_thread_ns(void) {
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void rotor_bench_use_cpu_clock(void) {
    lone_clock = CLOCK_THREAD_CPUTIME_ID;
}

bool rotor_bench_cpu_clock(void) {
    return lone_clock == CLOCK_THREAD_CPUTIME_ID;
}

static uint64_t timeval_ns(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

uint64_t rotor_bench_child_ns(void) {
    struct rusage usage;
    if (!rotor_bench_cpu_clock() || getrusage(RUSAGE_CHILDREN, &usage) != 0) {
        return rotor_bench_wall_ns();
    }
    return timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
}

rotor_bench_span rotor_bench_start(void) {
    rotor_bench_span start = {(double)clock_ns(CLOCK_MONOTONIC), (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
    return start;
}

rotor_bench_span rotor_bench_stop(rotor_bench_span start) {
    rotor_bench_span now = rotor_bench_start();
    rotor_bench_span span = {now.wall_ns - start.wall_ns, now.cpu_ns - start.cpu_ns};
    return span;
}

double rotor_bench_span_ns(rotor_bench_span span, unsigned threads) {
    return threads == 1 && rotor_bench_cpu_clock() ? span.cpu_ns : span.wall_ns;
}

/* ---------------------------------------------------------------- samples */

void rotor_bench_add(rotor_bench_samples *samples, double value) {
    if (samples->count < ROTOR_BENCH_MAX_SAMPLES) {
        samples->values[samples->count++] = value;
    }
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const rotor_bench_samples *samples, double part) {
    if (samples->count == 0) {
        return (double)NAN;
    }
    double sorted[ROTOR_BENCH_MAX_SAMPLES];
    memcpy(sorted, samples->values, samples->count * sizeof(double));
    qsort(sorted, samples->count, sizeof(double), compare_doubles);
    double position = part * (double)(samples->count - 1);
    size_t below = (size_t)position;
    size_t above = below + 1 < samples->count ? below + 1 : below;
    double weight = position - (double)below;
    return sorted[below] * (1 - weight) + sorted[above] * weight;
}

double rotor_bench_min(const rotor_bench_samples *samples) {
    return quantile(samples, 0);
}

double rotor_bench_median(const rotor_bench_samples *samples) {
    return quantile(samples, 0.5);
}

double rotor_bench_max(const rotor_bench_samples *samples) {
    return quantile(samples, 1);
}

/* ---------------------------------------------------------------- rows */

rotor_bench_row rotor_bench_row_of(const char *measure, unsigned n, uint64_t leaves, unsigned threads) {
    rotor_bench_row row = {.measure = measure, .n = n, .leaves = leaves, .threads = threads};
    return row;
}

static rotor_bench_field *next_field(rotor_bench_row *row, const char *key) {
    if (row->field_count == ROTOR_BENCH_MAX_FIELDS) {
        return NULL;
    }
    rotor_bench_field *field = &row->fields[row->field_count++];
    field->key = key;
    return field;
}

void rotor_bench_text(rotor_bench_row *row, const char *key, const char *text) {
    rotor_bench_field *field = next_field(row, key);
    if (field != NULL) {
        field->text = text;
    }
}

void rotor_bench_number(rotor_bench_row *row, const char *key, double number) {
    rotor_bench_field *field = next_field(row, key);
    if (field != NULL) {
        field->number = number;
    }
}

void rotor_bench_list(rotor_bench_row *row, const char *key, const double *list, size_t list_count) {
    rotor_bench_field *field = next_field(row, key);
    if (field != NULL) {
        field->list = list;
        field->list_count = list_count;
    }
}

/* ---------------------------------------------------------------- JSON */

static void json_string(const char *text) {
    putchar('"');
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void json_number(double number) {
    if (!isfinite(number)) {
        printf("null"); /* JSON has no word for it */
    } else if (fabs(number) >= 1000 || number == floor(number)) {
        printf("%.0f", number);
    } else {
        printf("%.4f", number);
    }
}

static void json_field(const char *key, double number) {
    printf(",\"%s\":", key);
    json_number(number);
}

static void json_list(const char *key, const double *list, size_t count) {
    printf(",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        printf("%s", i == 0 ? "" : ",");
        json_number(list[i]);
    }
    printf("]");
}

static void json_fields(const rotor_bench_field *fields, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const rotor_bench_field *field = &fields[i];
        if (field->text != NULL) {
            printf(",\"%s\":", field->key);
            json_string(field->text);
        } else if (field->list != NULL) {
            json_list(field->key, field->list, field->list_count);
        } else {
            json_field(field->key, field->number);
        }
    }
}

/* ---------------------------------------------------------------- output */

rotor_bench_output *rotor_bench_output_new(bool json) {
    rotor_bench_output *output = calloc(1, sizeof *output);
    if (output != NULL) {
        output->json = json;
    }
    return output;
}

void rotor_bench_output_free(rotor_bench_output *output) {
    free(output);
}

void rotor_bench_header(const rotor_bench_output *output, const rotor_bench_field *fields, size_t count) {
    if (output->json) {
        printf("{\"measure\":\"header\"");
        json_fields(fields, count);
        printf("}\n");
    } else {
        for (size_t i = 0; i < count; i++) {
            if (fields[i].text != NULL) {
                printf("%-12s %s\n", fields[i].key, fields[i].text);
            } else {
                printf("%-12s %.10g\n", fields[i].key, fields[i].number);
            }
        }
    }
    fflush(stdout);
}

void rotor_bench_section(const rotor_bench_output *output, const char *title) {
    if (!output->json) {
        printf("\n%s\n  %-28s %3s %9s %3s %10s %10s %10s %s\n", title, "measure", "N", "leaves", "thr", "median", "min",
               "max", "unit");
        fflush(stdout);
    }
}

static const char *unit_key(rotor_bench_unit unit) {
    static const char *const keys[] = {"ns", "leaves_per_s", "bytes_per_s", "ratio", "ms", "per_s", "bytes"};
    return keys[unit];
}

static const char *unit_label(rotor_bench_unit unit) {
    static const char *const labels[] = {"ns", "M leaves/s", "GB/s", "x", "ms", "/s", "MB"};
    return labels[unit];
}

static double unit_scale(rotor_bench_unit unit) {
    static const double scales[] = {1, 1e6, 1e9, 1, 1, 1, 1e6};
    return scales[unit];
}

static void json_what(const rotor_bench_row *row) {
    printf("{\"measure\":");
    json_string(row->measure);
    if (row->n != 0) {
        printf(",\"n\":%u", row->n);
    }
    if (row->leaves != 0) {
        printf(",\"leaves\":%llu", (unsigned long long)row->leaves);
    }
    if (row->threads != 0) {
        printf(",\"threads\":%u", row->threads);
    }
}

static void print_json(const rotor_bench_row *row, rotor_bench_unit unit, const rotor_bench_samples *samples) {
    const char *key = unit_key(unit);
    json_what(row);
    json_field(key, rotor_bench_median(samples));
    printf(",\"%s_min\":", key);
    json_number(rotor_bench_min(samples));
    printf(",\"%s_max\":", key);
    json_number(rotor_bench_max(samples));
    printf(",\"samples\":%zu", samples->count);
    json_fields(row->fields, row->field_count);
    printf("}\n");
}

static void print_count(uint64_t value, int width) {
    if (value == 0) {
        printf(" %*s", width, "");
    } else {
        printf(" %*llu", width, (unsigned long long)value);
    }
}

static void table_what(const rotor_bench_row *row) {
    printf("  %-28s", row->measure);
    print_count(row->n, 3);
    print_count(row->leaves, 9);
    print_count(row->threads, 3);
}

static void table_field(const rotor_bench_field *field) {
    if (field->text != NULL) {
        printf(" %s=%s", field->key, field->text);
    } else if (field->list == NULL) {
        bool whole = fabs(field->number) < 1e15 && field->number == floor(field->number);
        printf(whole ? " %s=%.0f" : " %s=%.4g", field->key, field->number);
    }
}

/* The limit and how much of it was reached read as one: "83 % of kernel peak". */
static void table_fields(const rotor_bench_row *row) {
    const rotor_bench_field *limit = NULL;
    for (size_t i = 0; i < row->field_count; i++) {
        const rotor_bench_field *field = &row->fields[i];
        if (strcmp(field->key, "limit") == 0) {
            limit = field;
        } else if (limit != NULL && strcmp(field->key, "limit_fraction") == 0) {
            printf(" | %.0f %% of %s", field->number * 100, limit->text);
        } else {
            table_field(field);
        }
    }
    printf("\n");
}

static void print_table(const rotor_bench_row *row, rotor_bench_unit unit, const rotor_bench_samples *samples) {
    double scale = unit_scale(unit);
    table_what(row);
    double median = rotor_bench_median(samples) / scale;
    int digits = unit == ROTOR_BENCH_RATIO || fabs(median) < 10 ? 3 : 1;
    printf(" %10.*f %10.*f %10.*f %-10s", digits, median, digits, rotor_bench_min(samples) / scale, digits,
           rotor_bench_max(samples) / scale, unit_label(unit));
    table_fields(row);
}

void rotor_bench_print_fields(const rotor_bench_output *output, const rotor_bench_row *row) {
    if (output->json) {
        json_what(row);
        json_fields(row->fields, row->field_count);
        printf("}\n");
    } else {
        table_what(row);
        table_fields(row);
    }
    fflush(stdout);
}

void rotor_bench_print(const rotor_bench_output *output, const rotor_bench_row *row, rotor_bench_unit unit,
                       const rotor_bench_samples *samples) {
    if (output->json) {
        print_json(row, unit, samples);
    } else {
        print_table(row, unit, samples);
    }
    fflush(stdout);
}

void rotor_bench_skip(const rotor_bench_output *output, const char *measure, const char *reason) {
    if (output->json) {
        printf("{\"measure\":");
        json_string(measure);
        printf(",\"skipped\":");
        json_string(reason);
        printf("}\n");
    } else {
        printf("  %-28s skipped: %s\n", measure, reason);
    }
    fflush(stdout);
}

/* ---------------------------------------------------------------- bounds */

void rotor_bench_bound(rotor_bench_output *output, const char *what, double value, bool at_least, double limit,
                       const char *unit) {
    if (output->bound_count == MAX_BOUNDS) {
        return;
    }
    bound *entry = &output->bounds[output->bound_count++];
    snprintf(entry->what, sizeof entry->what, "%s", what);
    entry->value = value;
    entry->at_least = at_least;
    entry->bound = limit;
    entry->unit = unit;
    entry->ledger[0] = '\0';
}

void rotor_bench_explain(rotor_bench_output *output, const char *ledger) {
    if (output->bound_count > 0) {
        bound *entry = &output->bounds[output->bound_count - 1];
        snprintf(entry->ledger, sizeof entry->ledger, "%s", ledger);
    }
}

static const char *bound_verdict(const bound *entry) {
    if (!isfinite(entry->value)) {
        return "not measured";
    }
    bool reached = entry->at_least ? entry->value >= entry->bound : entry->value <= entry->bound;
    return reached ? "reached" : "MISSED";
}

static void print_bound_json(const bound *entry) {
    printf("{\"measure\":\"bound\",\"what\":");
    json_string(entry->what);
    json_field("value", entry->value);
    printf(",\"relation\":\"%s\"", entry->at_least ? ">=" : "<=");
    json_field("bound", entry->bound);
    printf(",\"unit\":");
    json_string(entry->unit);
    printf(",\"verdict\":");
    json_string(bound_verdict(entry));
    if (entry->ledger[0] != '\0') {
        printf(",\"ledger\":");
        json_string(entry->ledger);
    }
    printf("}\n");
}

void rotor_bench_bounds(const rotor_bench_output *output) {
    if (!output->json && output->bound_count != 0) {
        printf("\nbounds (medians of this run)\n");
    }
    for (size_t i = 0; i < output->bound_count; i++) {
        const bound *entry = &output->bounds[i];
        if (output->json) {
            print_bound_json(entry);
        } else {
            printf("  %-72s %9.3f  %s %7.4g %-13s %s\n", entry->what, entry->value,
                   entry->at_least ? ">=" : "<=", entry->bound, entry->unit, bound_verdict(entry));
        }
    }
    fflush(stdout);
}
