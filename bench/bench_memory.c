/* Memory: what a tree of ten million leaves takes, and what the machine's memory can do, for judging other figures. */
#include "bench.h"
#include "limits.h"
#include "reference.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---------------------------------------------------------------- the tree's memory */

/* Lets the peak of resident memory start again from what is resident now. */
static bool reset_peak(void) {
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool reset = write(fd, "5", 1) == 1;
    close(fd);
    return reset;
}

static void measure_tree(rotor_bench *bench, unsigned n) {
    uint64_t leaves = ROTOR_BENCH_LEAVES_MAX;
    bool peak_is_ours = reset_peak();
    double before = rotor_bench_process_bytes("VmRSS:");
    rotor_tree *tree = rotor_bench_tree(n, 0);
    rotor_hash root;
    rotor_bench_load(tree, &root, bench->leaves, (size_t)leaves);
    double grown = rotor_bench_process_bytes(peak_is_ours ? "VmHWM:" : "VmRSS:") - before;
    double node_bytes = (double)rotor_bench_count_nodes(tree) * ROTOR_HASH_BYTES;
    rotor_bench_samples reported = {.count = 0};
    rotor_bench_samples resident = {.count = 0};
    rotor_bench_add(&reported, (double)rotor_memory_bytes(tree) / node_bytes);
    rotor_bench_add(&resident, grown / node_bytes);
    rotor_close(tree, NULL);
    const char *bases[] = {"rotor_memory_bytes", peak_is_ours ? "peak resident memory" : "resident memory"};
    const rotor_bench_samples *ratios[] = {&reported, &resident};
    for (unsigned i = 0; i < 2; i++) {
        rotor_bench_row row = rotor_bench_row_of("memory_over_nodes", n, leaves, bench->cpus);
        rotor_bench_text(&row, "of", bases[i]);
        rotor_bench_number(&row, "bytes_per_leaf", rotor_bench_median(ratios[i]) * node_bytes / (double)leaves);
        rotor_bench_limit(&row, "32 bytes a node", 1 / rotor_bench_median(ratios[i]));
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_RATIO, ratios[i]);
        if (n == 4 && i == 1) {
            rotor_bench_against(bench->output, "memory at N=4, 10M leaves",
                                rotor_bench_median(ratios[i]) * node_bytes / (double)leaves);
        }
        char what[96];
        snprintf(what, sizeof what, "%s over 32 bytes a node, N=%u, 10M leaves", bases[i], n);
        rotor_bench_bound(bench->output, what, rotor_bench_median(ratios[i]), false, 1.05, "x");
    }
}

void rotor_bench_memory(rotor_bench *bench) {
    rotor_bench_section(bench->output, "memory of a tree of ten million leaves over 32 bytes times its nodes");
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        measure_tree(bench, rotor_bench_arities[a]);
    }
}

/* ---------------------------------------------------------------- the machine */

#define COPY_BYTES ((size_t)256 << 20)
#define HUGE_BYTES ((size_t)2 << 20)

static double copy_rate(uint8_t *target, const rotor_hash *source, bool streamed) {
    uint64_t begin = rotor_bench_now_ns();
    if (streamed) {
        (void)rotor_bench_copy_streamed(target, source->bytes, COPY_BYTES);
    } else {
        memcpy(target, source, COPY_BYTES);
    }
    return (double)COPY_BYTES * 1e9 / (double)(rotor_bench_now_ns() - begin);
}

void rotor_bench_context(rotor_bench *bench) {
    rotor_bench_section(bench->output, "the machine");
    size_t rounds = rotor_bench_rounds(bench, 5, 15);
    rotor_bench_samples copy = {.count = 0};
    rotor_bench_samples streamed = {.count = 0};
    rotor_bench_samples small = {.count = 0};
    rotor_bench_samples huge = {.count = 0};
    uint8_t *target = aligned_alloc(HUGE_BYTES, COPY_BYTES);
    if (target == NULL) {
        rotor_bench_skip(bench->output, "memcpy_touched", "no memory");
        return;
    }
    madvise(target, COPY_BYTES, MADV_HUGEPAGE); /* as levels have */
    memset(target, 1, COPY_BYTES);
    rotor_bench_touch_ns(true); /* brings memory back that a host had taken */
    for (size_t round = 0; round < rounds; round++) {
        rotor_bench_add(&copy, copy_rate(target, bench->leaves, false));
        rotor_bench_add(&streamed, copy_rate(target, bench->leaves, true));
        rotor_bench_add(&small, rotor_bench_touch_ns(false));
        rotor_bench_add(&huge, rotor_bench_touch_ns(true));
    }
    bool streams = rotor_bench_copy_streamed(target, bench->leaves->bytes, ROTOR_HASH_BYTES);
    free(target);
    rotor_bench_row row = rotor_bench_row_of("memcpy_touched", 0, 0, 1);
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_BYTES_PER_S, &copy);
    if (streams) {
        row = rotor_bench_row_of("copy_streamed_touched", 0, 0, 1);
        rotor_bench_number(&row, "leaves_per_s", rotor_bench_median(&streamed) / ROTOR_HASH_BYTES);
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_BYTES_PER_S, &streamed);
    }
    row = rotor_bench_row_of("first_touch_of_4_KiB", 0, 0, 1);
    rotor_bench_text(&row, "pages", "small");
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &small);
    row = rotor_bench_row_of("first_touch_of_4_KiB", 0, 0, 1);
    rotor_bench_text(&row, "pages", "huge where the kernel gives them");
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &huge);
}
