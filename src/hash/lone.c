/* One node on one lane: lays the node's message out in blocks and runs them through a lone compression. Must not know
 * of lanes.
 *
 * Along a path each node's input is the output of the node below, so what counts is the time from one to the other.
 * Words of fresh children are loaded as they were stored and shifted by the prefix in registers: a load that straddles
 * two stores would wait until both have reached the cache. */
#include "hash/lone.h"

#include "hash/blake3.h"
#include "hash/kernels.h"
#include "hash/node.h"
#include "hash/words.h"

#include <string.h>

#define BLOCK_BYTES ROTOR_BLAKE3_BLOCK_BYTES
#define LAST_FLAGS (ROTOR_BLAKE3_CHUNK_END | ROTOR_BLAKE3_ROOT)

/* ROTOR_BLAKE3_IV as bytes. */
static const uint8_t iv_bytes[32] = {0x67, 0xe6, 0x09, 0x6a, 0x85, 0xae, 0x67, 0xbb, 0x72, 0xf3, 0x6e,
                                     0x3c, 0x3a, 0xf5, 0x4f, 0xa5, 0x7f, 0x52, 0x0e, 0x51, 0x8c, 0x68,
                                     0x05, 0x9b, 0xab, 0xd9, 0x83, 0x1f, 0x19, 0xcd, 0xe0, 0x5b};

void rotor_lone_portable(uint8_t out[32], const rotor_lone_run *run) {
    uint32_t cv[8];
    for (unsigned i = 0; i < 8; i++) {
        cv[i] = rotor_load32(run->cv + 4 * i);
    }
    uint32_t flags = run->first_flags;
    for (uint32_t i = 0; i + 1 < run->count; i++) {
        rotor_blake3_compress_portable(cv, run->blocks[i], BLOCK_BYTES, run->counter, flags);
        flags = 0;
    }
    rotor_blake3_compress_portable(cv, run->blocks[run->count - 1], run->last_bytes, run->counter,
                                   flags | run->last_flags);
    rotor_store_cv(out, cv);
}

/* Writes `bytes` bytes, a multiple of 8, of `before` (two bytes) followed by `source`. */
static inline void shift_in(uint8_t *target, const uint8_t before[ROTOR_NODE_PREFIX_BYTES], const uint8_t *source,
                            unsigned bytes) {
    uint64_t carried = (uint64_t)before[0] | (uint64_t)before[1] << 8;
    for (unsigned i = 0; i < bytes; i += 8) {
        uint64_t word = rotor_load64(source + i);
        rotor_store64(target + i, word << 16 | carried);
        carried = word >> 48;
    }
}

/* Nodes of several chunks, in two pieces. */
static void hash_wide(rotor_blake3_compress_fn *compress, uint8_t out[32], const uint8_t *leading, size_t leading_bytes,
                      const uint8_t *last, size_t last_bytes, unsigned width) {
    const uint8_t prefix[ROTOR_NODE_PREFIX_BYTES] = {ROTOR_NODE_TAG, (uint8_t)width};
    rotor_blake3 state;
    rotor_blake3_init(&state, compress);
    rotor_blake3_update(&state, prefix, sizeof prefix);
    rotor_blake3_update(&state, leading, leading_bytes);
    rotor_blake3_update(&state, last, last_bytes);
    rotor_blake3_final(&state, out);
}

static inline void hash_node(rotor_lone_fn *lone, rotor_blake3_compress_fn *compress, uint8_t out[32],
                             const uint8_t *children, unsigned width) {
    if (width > ROTOR_NODE_CHUNK_WIDTH) {
        hash_wide(compress, out, children, 32 * (size_t)width, NULL, 0, width);
        return;
    }
    const uint8_t prefix[ROTOR_NODE_PREFIX_BYTES] = {ROTOR_NODE_TAG, (uint8_t)width};
    uint8_t first[BLOCK_BYTES];
    uint8_t last[BLOCK_BYTES] = {0};
    const uint8_t *blocks[ROTOR_BLAKE3_CHUNK_BLOCKS];
    unsigned full = width / 2;
    shift_in(first, prefix, children, sizeof first);
    blocks[0] = first;
    for (unsigned i = 1; i < full; i++) {
        blocks[i] = children + BLOCK_BYTES * i - ROTOR_NODE_PREFIX_BYTES;
    }
    const uint8_t *rest = children + BLOCK_BYTES * (size_t)full;
    if ((width & 1) != 0) {
        memcpy(last, rest - ROTOR_NODE_PREFIX_BYTES, 34);
    } else {
        memcpy(last, rest - ROTOR_NODE_PREFIX_BYTES, 2);
    }
    blocks[full] = last;
    const rotor_lone_run run = {.cv = iv_bytes,
                                .blocks = blocks,
                                .count = full + 1,
                                .first_flags = ROTOR_BLAKE3_CHUNK_START,
                                .last_flags = LAST_FLAGS,
                                .last_bytes = (width & 1) != 0 ? 34 : 2};
    lone(out, &run);
}

/* Fills the cache with the chaining value after the `kept` blocks that lie wholly before the last child. */
static inline void fill_cache(rotor_lone_fn *lone, rotor_edge_cache *cache, const uint8_t *leading, unsigned kept,
                              unsigned width) {
    const uint8_t prefix[ROTOR_NODE_PREFIX_BYTES] = {ROTOR_NODE_TAG, (uint8_t)width};
    uint8_t first[BLOCK_BYTES];
    const uint8_t *blocks[ROTOR_BLAKE3_CHUNK_BLOCKS];
    shift_in(first, prefix, leading, sizeof first);
    blocks[0] = first;
    for (unsigned i = 1; i < kept; i++) {
        blocks[i] = leading + BLOCK_BYTES * i - ROTOR_NODE_PREFIX_BYTES;
    }
    const rotor_lone_run run = {.cv = iv_bytes,
                                .blocks = blocks,
                                .count = kept,
                                .first_flags = ROTOR_BLAKE3_CHUNK_START,
                                .last_flags = 0,
                                .last_bytes = BLOCK_BYTES};
    lone((uint8_t *)cache->state, &run);
    cache->width = width;
}

/* (width-1)/2 blocks lie wholly before the last child. What follows is one short block when the width is odd, and a
 * full and a short one when it is even. */
static inline void hash_edge(rotor_lone_fn *lone, rotor_blake3_compress_fn *compress, uint8_t out[32],
                             rotor_edge_cache *cache, const uint8_t *leading, const uint8_t *last, unsigned width) {
    if (width > ROTOR_NODE_CHUNK_WIDTH) {
        hash_wide(compress, out, leading, 32 * (size_t)(width - 1), last, 32, width);
        return;
    }
    const uint8_t prefix[ROTOR_NODE_PREFIX_BYTES] = {ROTOR_NODE_TAG, (uint8_t)width};
    unsigned kept = (width - 1) / 2;
    if (kept > 0 && cache->width != width) {
        fill_cache(lone, cache, leading, kept, width);
    }
    const uint8_t *before = kept > 0 ? leading + BLOCK_BYTES * kept - ROTOR_NODE_PREFIX_BYTES : prefix;
    uint8_t first[BLOCK_BYTES];
    uint8_t tail[BLOCK_BYTES] = {0};
    const uint8_t *blocks[2] = {first, tail};
    rotor_lone_run run = {.cv = kept > 0 ? (const uint8_t *)cache->state : iv_bytes,
                          .blocks = blocks,
                          .count = 2,
                          .first_flags = kept > 0 ? 0 : (uint32_t)ROTOR_BLAKE3_CHUNK_START,
                          .last_flags = LAST_FLAGS,
                          .last_bytes = 2};
    if ((width & 1) == 0) {
        shift_in(first, before, leading + BLOCK_BYTES * (size_t)kept, 32);
        shift_in(first + 32, leading + BLOCK_BYTES * (size_t)kept + 30, last, 32);
        rotor_store64(tail, rotor_load64(last + 24) >> 48);
    } else {
        shift_in(tail, before, last, 32);
        rotor_store64(tail + 32, rotor_load64(last + 24) >> 48);
        blocks[0] = tail;
        run.count = 1;
        run.last_bytes = 34;
    }
    lone(out, &run);
}

void rotor_lone_node_portable(uint8_t out[32], const uint8_t *children, unsigned width) {
    hash_node(rotor_lone_portable, rotor_blake3_compress_portable, out, children, width);
}

void rotor_lone_edge_portable(uint8_t out[32], rotor_edge_cache *cache, const uint8_t *leading, const uint8_t *last,
                              unsigned width) {
    hash_edge(rotor_lone_portable, rotor_blake3_compress_portable, out, cache, leading, last, width);
}

#if ROTOR_HASH_ASM
#define FASTEST rotor_blake3_lone_x86
#define FASTEST_COMPRESS compress_x86

_Static_assert(offsetof(rotor_lone_run, cv) == 0 && offsetof(rotor_lone_run, blocks) == 8 &&
                   offsetof(rotor_lone_run, counter) == 16 && offsetof(rotor_lone_run, count) == 24 &&
                   offsetof(rotor_lone_run, first_flags) == 28 && offsetof(rotor_lone_run, last_flags) == 32 &&
                   offsetof(rotor_lone_run, last_bytes) == 36,
               "the assembly reads these offsets");

/* On this processor words in memory are little-endian bytes. */
static void compress_x86(uint32_t cv[8], const uint8_t block[64], uint32_t block_bytes, uint64_t counter,
                         uint32_t flags) {
    const rotor_lone_run run = {.cv = (const uint8_t *)cv,
                                .blocks = &block,
                                .counter = counter,
                                .count = 1,
                                .first_flags = flags,
                                .last_flags = 0,
                                .last_bytes = block_bytes};
    rotor_blake3_lone_x86((uint8_t *)cv, &run);
}
#else
#define FASTEST rotor_lone_portable
#define FASTEST_COMPRESS rotor_blake3_compress_portable
#endif

void rotor_lone_node(uint8_t out[32], const uint8_t *children, unsigned width) {
    hash_node(FASTEST, FASTEST_COMPRESS, out, children, width);
}

void rotor_lone_edge(uint8_t out[32], rotor_edge_cache *cache, const uint8_t *leading, const uint8_t *last,
                     unsigned width) {
    hash_edge(FASTEST, FASTEST_COMPRESS, out, cache, leading, last, width);
}
