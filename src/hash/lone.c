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
#include "hash/pair.h"
#include "hash/words.h"

#include <string.h>

#define BLOCK_BYTES ROTOR_BLAKE3_BLOCK_BYTES
/* Steps that are prepared together at most, for which there is room on the stack. A batch of a thousand leaves at arity
 * 16 renews three or four. */
#define PAIRED_STEPS 8
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

/* The blocks of a node of one chunk, or the first of them, where they lie: the first and the last, which are not blocks
 * of the children's bytes, in copies. */
typedef struct laid_out {
    uint8_t first[BLOCK_BYTES];
    uint8_t last[BLOCK_BYTES];
    const uint8_t *blocks[ROTOR_BLAKE3_CHUNK_BLOCKS];
    rotor_lone_run run;
} laid_out;

/* The first `full` blocks, at least one, of a node of `width` children. */
static inline void lay_out_leading(laid_out *node, const uint8_t *children, unsigned full, unsigned width) {
    const uint8_t prefix[ROTOR_NODE_PREFIX_BYTES] = {ROTOR_NODE_TAG, (uint8_t)width};
    shift_in(node->first, prefix, children, sizeof node->first);
    node->blocks[0] = node->first;
    for (unsigned i = 1; i < full; i++) {
        node->blocks[i] = children + BLOCK_BYTES * i - ROTOR_NODE_PREFIX_BYTES;
    }
    node->run = (rotor_lone_run){.cv = iv_bytes,
                                 .blocks = node->blocks,
                                 .count = full,
                                 .first_flags = ROTOR_BLAKE3_CHUNK_START,
                                 .last_flags = 0,
                                 .last_bytes = BLOCK_BYTES};
}

/* A node of 2..ROTOR_NODE_CHUNK_WIDTH children. */
static inline void lay_out_node(laid_out *node, const uint8_t *children, unsigned width) {
    unsigned full = width / 2;
    lay_out_leading(node, children, full, width);
    const uint8_t *rest = children + BLOCK_BYTES * (size_t)full;
    memset(node->last, 0, sizeof node->last);
    if ((width & 1) != 0) {
        memcpy(node->last, rest - ROTOR_NODE_PREFIX_BYTES, 34);
    } else {
        memcpy(node->last, rest - ROTOR_NODE_PREFIX_BYTES, 2);
    }
    node->blocks[full] = node->last;
    node->run.count = full + 1;
    node->run.last_flags = LAST_FLAGS;
    node->run.last_bytes = (width & 1) != 0 ? 34 : 2;
}

static inline void hash_node(rotor_lone_fn *lone, rotor_blake3_compress_fn *compress, uint8_t out[32],
                             const uint8_t *children, unsigned width) {
    if (width > ROTOR_NODE_CHUNK_WIDTH) {
        hash_wide(compress, out, children, 32 * (size_t)width, NULL, 0, width);
        return;
    }
    laid_out node;
    lay_out_node(&node, children, width);
    lone(out, &node.run);
}

/* How many blocks of a node of `width` children lie wholly before the last child. What follows is one short block when
 * the width is odd. When it is even there is a full block that begins with another child, and a short one. */
static inline unsigned leading_blocks(unsigned width) {
    return width > ROTOR_NODE_CHUNK_WIDTH ? 0 : (width - 1) / 2;
}

/* Prepares a step, given the chaining value after the leading blocks. */
static inline void start_step(rotor_path_step *step, const uint8_t leading_cv[32]) {
    unsigned width = step->width;
    if (width == 1 || width > ROTOR_NODE_CHUNK_WIDTH) {
        step->blocks = width == 1 ? ROTOR_PATH_NONE : ROTOR_PATH_CHUNKS;
        return;
    }
    const uint8_t prefix[ROTOR_NODE_PREFIX_BYTES] = {ROTOR_NODE_TAG, (uint8_t)width};
    unsigned whole = leading_blocks(width);
    const uint8_t *rest = step->leading + BLOCK_BYTES * (size_t)whole;
    const uint8_t *before = whole > 0 ? rest - ROTOR_NODE_PREFIX_BYTES : prefix;
    uint32_t cv[8];
    for (unsigned i = 0; i < 8; i++) {
        cv[i] = rotor_load32(leading_cv + 4 * i);
    }
    if ((width & 1) != 0) {
        step->blocks = ROTOR_PATH_ONE;
        rotor_blake3_start(step->state, cv, 34, 0, LAST_FLAGS);
    } else {
        step->blocks = ROTOR_PATH_TWO;
        rotor_blake3_start(step->state, cv, BLOCK_BYTES, 0, whole > 0 ? 0 : (uint32_t)ROTOR_BLAKE3_CHUNK_START);
        uint8_t half[32];
        shift_in(half, before, rest, sizeof half);
        for (unsigned i = 0; i < 8; i++) {
            step->words[i] = rotor_load32(half + 4 * i);
        }
        rotor_blake3_columns(step->state, step->words);
        before = rest + 30;
    }
    step->before = (uint32_t)before[0] | (uint32_t)before[1] << 8;
}

static inline void prepare_step(rotor_lone_fn *lone, rotor_path_step *step) {
    unsigned blocks = leading_blocks(step->width);
    if (blocks == 0) {
        start_step(step, iv_bytes);
        return;
    }
    laid_out node;
    uint8_t cv[32];
    lay_out_leading(&node, step->leading, blocks, step->width);
    lone(cv, &node.run);
    start_step(step, cv);
}

static void hash_wide_step(rotor_blake3_compress_fn *compress, rotor_hash *path, const rotor_path_step *step) {
    hash_wide(compress, path[1].bytes, step->leading, 32 * (size_t)(step->width - 1), path[0].bytes, 32, step->width);
}

/* Hashes a node of one chunk on from where prepare_steps() left it. */
static void finish_step(uint8_t out[32], const rotor_path_step *step, const uint8_t last[32]) {
    const uint8_t before[ROTOR_NODE_PREFIX_BYTES] = {(uint8_t)step->before, (uint8_t)(step->before >> 8)};
    const bool two = step->blocks == ROTOR_PATH_TWO;
    const unsigned known = two ? 8 : 0; /* words of the block that precede the child's */
    uint8_t tail[BLOCK_BYTES] = {last[30], last[31]};
    uint8_t shifted[32];
    uint32_t block[16] = {0};
    uint32_t state[16];
    shift_in(shifted, before, last, sizeof shifted);
    memcpy(block, step->words, known * sizeof *block);
    for (unsigned i = 0; i < 8; i++) {
        block[known + i] = rotor_load32(shifted + 4 * i);
    }
    memcpy(state, step->state, sizeof state);
    if (two) {
        rotor_blake3_finish(state, block);
        rotor_blake3_compress_portable(state, tail, 2, 0, LAST_FLAGS);
    } else {
        block[8] = rotor_load32(tail);
        rotor_blake3_columns(state, block);
        rotor_blake3_finish(state, block);
    }
    rotor_store_cv(out, state);
}

void rotor_lone_path_portable(rotor_hash *path, const rotor_path_step *steps, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (steps[i].blocks == ROTOR_PATH_NONE) {
            path[i + 1] = path[i];
        } else if (steps[i].blocks == ROTOR_PATH_CHUNKS) {
            hash_wide_step(rotor_blake3_compress_portable, path + i, &steps[i]);
        } else {
            finish_step(path[i + 1].bytes, &steps[i], path[i].bytes);
        }
    }
}

void rotor_lone_node_portable(uint8_t out[32], const uint8_t *children, unsigned width) {
    hash_node(rotor_lone_portable, rotor_blake3_compress_portable, out, children, width);
}

void rotor_lone_prepare_portable(rotor_path_step *const *steps, size_t count) {
    for (size_t i = 0; i < count; i++) {
        prepare_step(rotor_lone_portable, steps[i]);
    }
}

#if ROTOR_HASH_ASM
#define FASTEST rotor_blake3_lone_x86
#define FASTEST_COMPRESS compress_x86

_Static_assert(offsetof(rotor_lone_run, cv) == 0 && offsetof(rotor_lone_run, blocks) == 8 &&
                   offsetof(rotor_lone_run, counter) == 16 && offsetof(rotor_lone_run, count) == 24 &&
                   offsetof(rotor_lone_run, first_flags) == 28 && offsetof(rotor_lone_run, last_flags) == 32 &&
                   offsetof(rotor_lone_run, last_bytes) == 36,
               "the assembly reads these offsets");
_Static_assert(offsetof(rotor_path_step, state) == 0 && offsetof(rotor_path_step, words) == 64 &&
                   offsetof(rotor_path_step, before) == 96 && offsetof(rotor_path_step, blocks) == 104 &&
                   sizeof(rotor_path_step) == 120,
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

void rotor_lone_path(rotor_hash *path, const rotor_path_step *steps, size_t count) {
    size_t left = count;
    while (left > 0) {
        left = rotor_blake3_path_x86(path + (count - left), steps + (count - left), left);
        if (left > 0) {
            hash_wide_step(compress_x86, path + (count - left), &steps[count - left]);
            left--;
        }
    }
}
#else
#define FASTEST rotor_lone_portable
#define FASTEST_COMPRESS rotor_blake3_compress_portable

void rotor_lone_path(rotor_hash *path, const rotor_path_step *steps, size_t count) {
    rotor_lone_path_portable(path, steps, count);
}
#endif

void rotor_lone_node(uint8_t out[32], const uint8_t *children, unsigned width) {
    hash_node(FASTEST, FASTEST_COMPRESS, out, children, width);
}

void rotor_lone_prepare(rotor_path_step *const *steps, size_t count) {
    for (size_t i = 0; i < count; i++) {
        prepare_step(FASTEST, steps[i]);
    }
}

#if ROTOR_HASH_ASM
void rotor_pair_nodes_avx2(uint8_t out[64], const uint8_t *children, unsigned width) {
    laid_out nodes[2];
    uint8_t hashes[2][32];
    lay_out_node(&nodes[0], children, width);
    lay_out_node(&nodes[1], children + 32 * (size_t)width, width);
    const rotor_lone_run runs[2] = {nodes[0].run, nodes[1].run};
    rotor_blake3_pairs_avx2(hashes, runs, 2);
    memcpy(out, hashes, sizeof hashes);
}

/* Prepares up to PAIRED_STEPS steps. */
static void prepare_together(rotor_path_step *const *steps, size_t count) {
    laid_out nodes[PAIRED_STEPS];
    rotor_lone_run runs[PAIRED_STEPS];
    rotor_path_step *leading[PAIRED_STEPS];
    uint8_t cv[PAIRED_STEPS][32];
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned blocks = leading_blocks(steps[i]->width);
        if (blocks == 0) {
            start_step(steps[i], iv_bytes);
            continue;
        }
        lay_out_leading(&nodes[run], steps[i]->leading, blocks, steps[i]->width);
        runs[run] = nodes[run].run;
        leading[run++] = steps[i];
    }
    if (run > 0) {
        rotor_blake3_pairs_avx2(cv, runs, run);
    }
    for (size_t i = 0; i < run; i++) {
        start_step(leading[i], cv[i]);
    }
}

void rotor_pair_prepare_avx2(rotor_path_step *const *steps, size_t count) {
    if (count == 1) {
        rotor_lone_prepare(steps, count);
        return;
    }
    for (size_t done = 0; done < count; done += PAIRED_STEPS) {
        prepare_together(steps + done, count - done < PAIRED_STEPS ? count - done : PAIRED_STEPS);
    }
}
#endif
