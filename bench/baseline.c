/* One node at a time; see baseline.h. */
#include "baseline.h"

#include "hash/blake3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)

static uint64_t all_nodes(uint64_t leaves, unsigned n) {
    uint64_t nodes = leaves;
    while (leaves > 1) {
        leaves = (leaves + n - 1) / n;
        nodes += leaves;
    }
    return nodes;
}

rotor_bench_baseline rotor_bench_baseline_new(uint64_t leaves, unsigned n) {
    size_t bytes = (size_t)all_nodes(leaves, n) * ROTOR_HASH_BYTES;
    bytes = (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    rotor_bench_baseline baseline = {aligned_alloc(HUGE_BYTES, bytes), bytes};
    if (baseline.nodes == NULL) {
        fprintf(stderr, "rotortree-bench: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    madvise(baseline.nodes, bytes, MADV_HUGEPAGE);
    memset(baseline.nodes, 0x5a, bytes);
    return baseline;
}

void rotor_bench_baseline_free(rotor_bench_baseline *baseline) {
    free(baseline->nodes);
    baseline->nodes = NULL;
}

static void hash_streaming(uint8_t *out, const uint8_t *children, unsigned width) {
    const uint8_t prefix[2] = {0x01, (uint8_t)width};
    rotor_blake3 state;
    rotor_blake3_init(&state, NULL);
    rotor_blake3_update(&state, prefix, sizeof prefix);
    rotor_blake3_update(&state, children, 32 * (size_t)width);
    rotor_blake3_final(&state, out);
}

/* hasher NULL: the streaming one. The test is one predicted branch a node. */
static void build(const rotor_bench_baseline *baseline, rotor_hash *root, const rotor_hash *leaves, uint64_t count,
                  unsigned n, const rotor_hasher *hasher) {
    uint8_t *level = baseline->nodes;
    memcpy(level, leaves, (size_t)count * ROTOR_HASH_BYTES);
    while (count > 1) {
        uint8_t *above = level + count * ROTOR_HASH_BYTES;
        uint64_t parents = (count + n - 1) / n;
        for (uint64_t i = 0; i < parents; i++) {
            const uint8_t *children = level + i * n * ROTOR_HASH_BYTES;
            unsigned width = count - i * n < n ? (unsigned)(count - i * n) : n;
            uint8_t *out = above + i * ROTOR_HASH_BYTES;
            if (width == 1) {
                memcpy(out, children, ROTOR_HASH_BYTES);
            } else if (hasher == NULL) {
                hash_streaming(out, children, width);
            } else {
                hasher->hash_node(out, children, width);
            }
        }
        level = above;
        count = parents;
    }
    memcpy(root->bytes, level, ROTOR_HASH_BYTES);
}

void rotor_bench_baseline_streaming(const rotor_bench_baseline *baseline, rotor_hash *root, const rotor_hash *leaves,
                                    uint64_t count, unsigned n) {
    build(baseline, root, leaves, count, n, NULL);
}

void rotor_bench_baseline_node(const rotor_bench_baseline *baseline, rotor_hash *root, const rotor_hash *leaves,
                               uint64_t count, unsigned n, const rotor_hasher *hasher) {
    build(baseline, root, leaves, count, n, hasher);
}
