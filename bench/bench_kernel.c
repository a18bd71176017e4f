/* Kernels on their own: what the processor can hash from its first-level cache, one compression in a chain, and the
 * rate of the official hasher beside it. Knows no trees. */
#include "bench.h"
#include "process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hash/blake3.h"

/* ---------------------------------------------------------------- kernels */

static void check_kernel(const rotor_hasher *hasher, unsigned n) {
    enum { groups = 37 };
    uint8_t *input = rotor_bench_allocate(64 + 32 * (size_t)n * groups);
    uint8_t *output = rotor_bench_allocate(32 * groups);
    rotor_bench_fill(input, 64 + 32 * (size_t)n * groups, 99);
    hasher->hash_groups(output, input + 64, groups, n);
    for (unsigned i = 0; i < groups; i++) {
        uint8_t message[2 + 32 * ROTOR_MAX_ARITY] = {0x01, (uint8_t)n};
        memcpy(message + 2, input + 64 + 32 * (size_t)n * i, 32 * (size_t)n);
        rotor_hash expected;
        rotor_hash got;
        rotor_blake3_hash(expected.bytes, message, 2 + 32 * (size_t)n);
        memcpy(&got, output + 32 * (size_t)i, sizeof got);
        rotor_bench_expect_equal(&got, &expected, hasher->kernel);
    }
    free(input);
    free(output);
}

#define MAX_KERNELS 16

/* All kernels in turn. */
static void measure_peaks(rotor_bench *bench, unsigned n) {
    rotor_bench_samples ns[MAX_KERNELS];
    memset(ns, 0, sizeof ns);
    for (size_t round = 0; round < rotor_bench_rounds(bench, 9, 31); round++) {
        const rotor_hasher *hasher;
        for (size_t k = 0; k < MAX_KERNELS && (hasher = rotor_hasher_nth(ROTOR_HASH_BLAKE3, k)) != NULL; k++) {
            if (round == 0) {
                check_kernel(hasher, n);
            }
            rotor_bench_add(&ns[k], rotor_bench_peak_ns(hasher, n, 1));
        }
    }
    for (size_t k = 0; k < MAX_KERNELS && ns[k].count > 0; k++) {
        double blocks_per_s = 1e9 / rotor_bench_median(&ns[k]);
        rotor_bench_row row = rotor_bench_row_of("kernel_block", n, 0, 1);
        rotor_bench_text(&row, "kernel", rotor_hasher_nth(ROTOR_HASH_BLAKE3, k)->kernel);
        rotor_bench_number(&row, "blocks_per_s", blocks_per_s);
        rotor_bench_number(&row, "leaves_per_s", blocks_per_s / rotor_bench_blocks_per_leaf(n));
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &ns[k]);
    }
}

static double chain_ns(const rotor_hasher *hasher, unsigned width) {
    enum { nodes = 400 };
    uint8_t children[32 * 16];
    uint8_t node[32];
    rotor_bench_fill(children, sizeof children, 3);
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < nodes; i++) {
        hasher->hash_node(node, children, width);
        memcpy(children, node, sizeof node);
    }
    return (double)(rotor_bench_now_ns() - begin) / (nodes * rotor_bench_blocks(width));
}

static double portable_chain_ns(void) {
    enum { compressions = 2000 };
    uint32_t cv[8] = ROTOR_BLAKE3_IV;
    uint8_t block[64];
    rotor_bench_fill(block, sizeof block, 5);
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < compressions; i++) {
        rotor_blake3_compress_portable(cv, block, sizeof block, 0, 0);
    }
    uint64_t end = rotor_bench_now_ns();
    volatile uint32_t sink = cv[0];
    (void)sink;
    return (double)(end - begin) / compressions;
}

/* A chain is as long as its latency: whatever a kernel's lanes, this is what a proof or an insert waits for. */
static void measure_lone(rotor_bench *bench) {
    static const unsigned widths[] = {2, 3, 4, 8, 16};
    size_t rounds = rotor_bench_rounds(bench, 15, 61);
    for (size_t k = 0;; k++) {
        const rotor_hasher *hasher = rotor_hasher_nth(ROTOR_HASH_BLAKE3, k);
        if (hasher == NULL) {
            break;
        }
        for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
            rotor_bench_samples ns = {.count = 0};
            for (size_t round = 0; round < rounds; round++) {
                rotor_bench_add(&ns, chain_ns(hasher, widths[w]));
            }
            rotor_bench_row row = rotor_bench_row_of("lone_compression", widths[w], 0, 1);
            rotor_bench_text(&row, "kernel", hasher->kernel);
            rotor_bench_text(&row, "through", "hash_node");
            rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &ns);
        }
    }
    rotor_bench_samples ns = {.count = 0};
    for (size_t round = 0; round < rounds; round++) {
        rotor_bench_add(&ns, portable_chain_ns());
    }
    rotor_bench_row row = rotor_bench_row_of("lone_compression", 0, 0, 1);
    rotor_bench_text(&row, "kernel", "portable");
    rotor_bench_text(&row, "through", "compress");
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &ns);
}

void rotor_bench_kernel(rotor_bench *bench) {
    rotor_bench_section(bench->output, "kernels, data in the first-level cache, one thread (ns per block; a chained "
                                       "compression)");
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        measure_peaks(bench, rotor_bench_arities[a]);
    }
    measure_lone(bench);
}

/* ---------------------------------------------------------------- the official hasher */

/* b3sum hashes a file as chunks of 16 blocks and one parent compression for each chunk but one: 17 compressions for
 * every 1,024 bytes. Its bulk rate is counted in those compressions, parents included, which is the most favourable
 * count for it. From its time we take what an empty file takes (starting the process) and, for the strict figure, also
 * what reading the same file in the same pieces takes. It reads (--no-mmap) because mapping was the slower way. */
#define OFFICIAL_READ_BYTES 65536
#define OFFICIAL_COMPRESSIONS_PER_KIB 17

typedef struct official {
    int full_fd; /* a file in memory: always cached, nothing to remove */
    int empty_fd;
    size_t bytes;
    char full_path[32];
    char empty_path[32];
    char expected[65];
} official;

static int memory_file(const char *name) {
    return memfd_create(name, 0);
}

static bool official_open(official *file, const rotor_bench *bench, size_t bytes) {
    file->bytes = bytes;
    file->full_fd = memory_file("rotortree-bench-data");
    file->empty_fd = memory_file("rotortree-bench-empty");
    if (file->full_fd < 0 || file->empty_fd < 0) {
        return false;
    }
    const uint8_t *source = (const uint8_t *)bench->leaves;
    for (size_t done = 0; done < bytes;) {
        ssize_t wrote = write(file->full_fd, source + done, bytes - done);
        if (wrote <= 0) {
            return false;
        }
        done += (size_t)wrote;
    }
    /* The file's own view of /proc: the child inherits both descriptors. */
    snprintf(file->full_path, sizeof file->full_path, "/proc/self/fd/%d", file->full_fd);
    snprintf(file->empty_path, sizeof file->empty_path, "/proc/self/fd/%d", file->empty_fd);
    rotor_hash hash;
    rotor_blake3_hash(hash.bytes, source, bytes);
    for (unsigned i = 0; i < ROTOR_HASH_BYTES; i++) {
        snprintf(file->expected + 2 * (size_t)i, 3, "%02x", hash.bytes[i]);
    }
    return true;
}

static void official_close(official *file) {
    if (file->full_fd >= 0) {
        close(file->full_fd);
    }
    if (file->empty_fd >= 0) {
        close(file->empty_fd);
    }
}

static bool b3sum_ns(double *ns, char hash[65], char *path) {
    char *argv[] = {"b3sum", "--num-threads", "1", "--no-mmap", "--no-names", path, NULL};
    char out[128];
    if (!rotor_bench_run_process(out, sizeof out, argv, ns)) {
        return false;
    }
    snprintf(hash, 65, "%.64s", out);
    return true;
}

static double read_ns(const official *file) {
    static uint8_t buffer[OFFICIAL_READ_BYTES];
    int fd = open(file->full_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    uint64_t begin = rotor_bench_now_ns();
    while (read(fd, buffer, sizeof buffer) > 0) {
    }
    double ns = (double)(rotor_bench_now_ns() - begin);
    close(fd);
    return ns;
}

typedef struct official_samples {
    rotor_bench_samples net;     /* ns per compression, start-up taken off */
    rotor_bench_samples compute; /* reading taken off too */
    rotor_bench_samples ours[ROTOR_BENCH_ARITIES];
    rotor_bench_samples ratio_net[ROTOR_BENCH_ARITIES];
    rotor_bench_samples ratio_compute[ROTOR_BENCH_ARITIES];
} official_samples;

static bool official_round(official_samples *samples, const official *file, const rotor_bench *bench) {
    char hash[65];
    double empty_ns;
    double full_ns;
    if (!b3sum_ns(&empty_ns, hash, (char *)(uintptr_t)file->empty_path) ||
        !b3sum_ns(&full_ns, hash, (char *)(uintptr_t)file->full_path)) {
        return false;
    }
    if (strcmp(hash, file->expected) != 0) {
        fprintf(stderr, "rotortree-bench: wrong result: b3sum and this library disagree\n");
        exit(1);
    }
    double compressions = (double)file->bytes / 1024 * OFFICIAL_COMPRESSIONS_PER_KIB;
    double net = (full_ns - empty_ns) / compressions;
    double compute = (full_ns - empty_ns - read_ns(file)) / compressions;
    rotor_bench_add(&samples->net, net);
    rotor_bench_add(&samples->compute, compute);
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        double ours = rotor_bench_peak_ns(bench->hasher, rotor_bench_arities[a], 1);
        rotor_bench_add(&samples->ours[a], ours);
        rotor_bench_add(&samples->ratio_net[a], net / ours);
        rotor_bench_add(&samples->ratio_compute[a], compute / ours);
    }
    return true;
}

static void official_report(rotor_bench *bench, const official_samples *samples, const official *file) {
    rotor_bench_row row = rotor_bench_row_of("official_compression", 0, 0, 1);
    rotor_bench_text(&row, "what", "b3sum, start-up taken off");
    rotor_bench_number(&row, "bytes_per_s",
                       1024.0 / OFFICIAL_COMPRESSIONS_PER_KIB / rotor_bench_median(&samples->net) * 1e9);
    rotor_bench_number(&row, "file_bytes", (double)file->bytes);
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &samples->net);
    row = rotor_bench_row_of("official_compression", 0, 0, 1);
    rotor_bench_text(&row, "what", "b3sum, start-up and reading taken off");
    rotor_bench_number(&row, "bytes_per_s",
                       1024.0 / OFFICIAL_COMPRESSIONS_PER_KIB / rotor_bench_median(&samples->compute) * 1e9);
    rotor_bench_print(bench->output, &row, ROTOR_BENCH_NS, &samples->compute);
    for (unsigned a = 0; a < ROTOR_BENCH_ARITIES; a++) {
        unsigned n = rotor_bench_arities[a];
        row = rotor_bench_row_of("kernel_over_official", n, 0, 1);
        rotor_bench_text(&row, "kernel", bench->hasher->kernel);
        rotor_bench_number(&row, "kernel_ns", rotor_bench_median(&samples->ours[a]));
        rotor_bench_number(&row, "reading_included", rotor_bench_median(&samples->ratio_net[a]));
        rotor_bench_print(bench->output, &row, ROTOR_BENCH_RATIO, &samples->ratio_compute[a]);
        char what[96];
        snprintf(what, sizeof what, "kernel over b3sum per compression, N=%u (aim 1.12)", n);
        rotor_bench_bound(bench->output, what, rotor_bench_median(&samples->ratio_net[a]), true, 1, "x");
    }
}

void rotor_bench_official(rotor_bench *bench) {
    rotor_bench_section(bench->output, "the official hasher, b3sum --num-threads 1, in turn with the kernel (ns per "
                                       "compression, parents counted)");
    official file;
    char version[64];
    char *argv[] = {"b3sum", "--version", NULL};
    if (!rotor_bench_run_process(version, sizeof version, argv, NULL)) {
        rotor_bench_skip(bench->output, "kernel_over_official", "b3sum is not installed");
        return;
    }
    size_t bytes = rotor_bench_rounds(bench, (size_t)128 << 20, (size_t)256 << 20);
    official_samples samples;
    memset(&samples, 0, sizeof samples);
    size_t rounds = rotor_bench_rounds(bench, 9, 25);
    bool ran = official_open(&file, bench, bytes);
    for (size_t round = 0; ran && round < rounds; round++) {
        ran = official_round(&samples, &file, bench);
    }
    official_close(&file);
    if (ran) {
        official_report(bench, &samples, &file);
    } else {
        rotor_bench_skip(bench->output, "kernel_over_official", "b3sum could not hash a file in memory");
    }
}
