/* The tools that the suites share; see bench.h. */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const unsigned rotor_bench_arities[ROTOR_BENCH_ARITIES] = {2, 4, 8, 16};

size_t rotor_bench_rounds(const rotor_bench *bench, size_t quick, size_t full) {
    return bench->full ? full : quick;
}

/* ---------------------------------------------------------------- checks */

void rotor_bench_expect_ok(rotor_status status, const char *what) {
    if (status != ROTOR_OK) {
        fprintf(stderr, "rotortree-bench: %s: %s\n", what, rotor_status_message(status));
        exit(1);
    }
}

void rotor_bench_expect_equal(const rotor_hash *a, const rotor_hash *b, const char *what) {
    if (memcmp(a, b, sizeof *a) != 0) {
        fprintf(stderr, "rotortree-bench: wrong result: %s\n", what);
        exit(1);
    }
}

void *rotor_bench_allocate(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (memory == NULL) {
        fprintf(stderr, "rotortree-bench: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return memory;
}

/* ---------------------------------------------------------------- input */

uint64_t rotor_bench_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

void rotor_bench_fill(void *bytes, size_t count, uint64_t seed) {
    uint8_t *at = bytes;
    uint64_t state = seed | 1;
    for (size_t i = 0; i < count; i += sizeof(uint64_t)) {
        uint64_t word = rotor_bench_random(&state);
        memcpy(at + i, &word, count - i < sizeof word ? count - i : sizeof word);
    }
}

/* ---------------------------------------------------------------- trees */

rotor_tree *rotor_bench_tree(unsigned n, unsigned threads) {
    rotor_options options;
    rotor_options_init(&options, n, ROTOR_MAX_DEPTH);
    options.threads = threads;
    rotor_tree *tree = NULL;
    rotor_error error;
    if (rotor_open(&tree, NULL, &options, &error) != ROTOR_OK) {
        fprintf(stderr, "rotortree-bench: cannot create a tree: %s\n", error.message);
        exit(1);
    }
    return tree;
}

void rotor_bench_load(rotor_tree *tree, rotor_hash *root, const rotor_hash *leaves, size_t count) {
    rotor_bench_expect_ok(rotor_insert_many(tree, root, NULL, leaves, count), "insert_many");
}

uint64_t rotor_bench_count_nodes(rotor_tree *tree) {
    uint64_t nodes = 0;
    for (uint32_t level = 0; level <= rotor_depth(tree); level++) {
        uint64_t length;
        rotor_bench_expect_ok(rotor_level_length(tree, &length, level), "level_length");
        nodes += length;
    }
    return nodes;
}

/* The last line of a file that begins with `key`, a number of KiB. */
static double kib_of(const char *path, const char *key) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    char line[256];
    double kib = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kib = strtod(line + strlen(key), NULL);
        }
    }
    fclose(file);
    return kib;
}

double rotor_bench_process_bytes(const char *key) {
    return kib_of("/proc/self/status", key) * 1024;
}

double rotor_bench_anonymous_bytes(void) {
    /* Counted page by page, where the kernel has it; "status" may be some hundred KiB off. */
    double kib = kib_of("/proc/self/smaps_rollup", "Anonymous:");
    return kib > 0 ? kib * 1024 : rotor_bench_process_bytes("RssAnon:");
}

/* ---------------------------------------------------------------- hashing */

unsigned rotor_bench_blocks(unsigned width) {
    return (2 + 32 * width + 63) / 64;
}

double rotor_bench_blocks_per_leaf(unsigned n) {
    return (double)rotor_bench_blocks(n) / (n - 1);
}

#define PEAK_INPUT_BYTES 16384
#define PEAK_NS 3000000u

typedef struct peak_job {
    const rotor_hasher *hasher;
    unsigned n;
    pthread_barrier_t *start; /* NULL: alone */
    uint64_t (*now_ns)(void);
    double ns_per_block;
} peak_job;

/* Input and output together, 17 to 24 KiB, fit in any first-level cache. */
static void *peak_thread(void *argument) {
    peak_job *job = argument;
    const rotor_hasher *hasher = job->hasher;
    size_t groups = PEAK_INPUT_BYTES / (32 * (size_t)job->n);
    uint8_t *input = rotor_bench_allocate(64 + PEAK_INPUT_BYTES);
    uint8_t *output = rotor_bench_allocate(32 * groups);
    rotor_bench_fill(input, 64 + PEAK_INPUT_BYTES, job->n);
    hasher->hash_groups(output, input + 64, groups, job->n);
    if (job->start != NULL) {
        pthread_barrier_wait(job->start);
    }
    uint64_t begin = job->now_ns();
    uint64_t now;
    uint64_t passes = 0;
    do {
        for (unsigned i = 0; i < 16; i++) {
            hasher->hash_groups(output, input + 64, groups, job->n);
        }
        passes += 16;
        now = job->now_ns();
    } while (now - begin < PEAK_NS);
    double blocks = (double)passes * (double)groups * rotor_bench_blocks(job->n);
    job->ns_per_block = (double)(now - begin) / blocks;
    free(input);
    free(output);
    return NULL;
}

double rotor_bench_peak_ns(const rotor_hasher *hasher, unsigned n, unsigned threads) {
    if (threads <= 1) {
        peak_job job = {hasher, n, NULL, rotor_bench_now_ns, 0};
        peak_thread(&job);
        return job.ns_per_block;
    }
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, threads);
    peak_job *jobs = rotor_bench_allocate(threads * sizeof *jobs);
    pthread_t *ids = rotor_bench_allocate(threads * sizeof *ids);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (peak_job){hasher, n, &start, rotor_bench_wall_ns, 0};
        if (i > 0 && pthread_create(&ids[i], NULL, peak_thread, &jobs[i]) != 0) {
            fprintf(stderr, "rotortree-bench: cannot start %u threads\n", threads);
            exit(1);
        }
    }
    peak_thread(&jobs[0]);
    double rate = 1 / jobs[0].ns_per_block;
    for (unsigned i = 1; i < threads; i++) {
        pthread_join(ids[i], NULL);
        rate += 1 / jobs[i].ns_per_block;
    }
    pthread_barrier_destroy(&start);
    free(jobs);
    free(ids);
    return 1 / rate;
}

double rotor_bench_peak_cpu_ns(const rotor_hasher *hasher, unsigned n) {
    peak_job job = {hasher, n, NULL, rotor_bench_thread_ns, 0};
    peak_thread(&job);
    return job.ns_per_block;
}

double rotor_bench_lone_ns(const rotor_hasher *hasher) {
    enum { width = 16, nodes = 200 };
    uint8_t children[32 * width];
    uint8_t node[32];
    rotor_bench_fill(children, sizeof children, 7);
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < nodes; i++) {
        hasher->hash_node(node, children, width);
        memcpy(children, node, sizeof node);
    }
    return (double)(rotor_bench_now_ns() - begin) / (nodes * rotor_bench_blocks(width));
}
