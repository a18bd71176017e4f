/* BLAKE3 of any input in portable C: the compression function and the tree of chunks above it. Must not know any vector
 * instruction: it is the truth that the kernels are held against. */
#include "hash/blake3.h"

#include "hash/words.h"

#include <string.h>

/* ---------------------------------------------------------------- compression */

static inline uint32_t rotate_right(uint32_t word, unsigned bits) {
    return word >> bits | word << (32 - bits);
}

#define G(a, b, c, d, x, y)                                                                                            \
    do {                                                                                                               \
        v[a] += v[b] + m[x];                                                                                           \
        v[d] = rotate_right(v[d] ^ v[a], 16);                                                                          \
        v[c] += v[d];                                                                                                  \
        v[b] = rotate_right(v[b] ^ v[c], 12);                                                                          \
        v[a] += v[b] + m[y];                                                                                           \
        v[d] = rotate_right(v[d] ^ v[a], 8);                                                                           \
        v[c] += v[d];                                                                                                  \
        v[b] = rotate_right(v[b] ^ v[c], 7);                                                                           \
    } while (0)

#define COLUMNS(m0, m1, m2, m3, m4, m5, m6, m7)                                                                        \
    do {                                                                                                               \
        G(0, 4, 8, 12, m0, m1);                                                                                        \
        G(1, 5, 9, 13, m2, m3);                                                                                        \
        G(2, 6, 10, 14, m4, m5);                                                                                       \
        G(3, 7, 11, 15, m6, m7);                                                                                       \
    } while (0)

#define DIAGONALS(m8, m9, m10, m11, m12, m13, m14, m15)                                                                \
    do {                                                                                                               \
        G(0, 5, 10, 15, m8, m9);                                                                                       \
        G(1, 6, 11, 12, m10, m11);                                                                                     \
        G(2, 7, 8, 13, m12, m13);                                                                                      \
        G(3, 4, 9, 14, m14, m15);                                                                                      \
    } while (0)

/* The sixteen numbers are the message words in the order of this round. */
#define ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15)                                    \
    do {                                                                                                               \
        COLUMNS(m0, m1, m2, m3, m4, m5, m6, m7);                                                                       \
        DIAGONALS(m8, m9, m10, m11, m12, m13, m14, m15);                                                               \
    } while (0)

static inline void start(uint32_t v[16], const uint32_t cv[8], uint32_t block_bytes, uint64_t counter, uint32_t flags) {
    static const uint32_t iv[8] = ROTOR_BLAKE3_IV;
    memcpy(v, cv, 8 * sizeof *v);
    memcpy(v + 8, iv, 4 * sizeof *v);
    v[12] = (uint32_t)counter;
    v[13] = (uint32_t)(counter >> 32);
    v[14] = block_bytes;
    v[15] = flags;
}

static inline void columns(uint32_t v[16], const uint32_t m[8]) {
    COLUMNS(0, 1, 2, 3, 4, 5, 6, 7);
}

static inline void finish(uint32_t v[16], const uint32_t m[16]) {
    DIAGONALS(8, 9, 10, 11, 12, 13, 14, 15);
    /* Each line is the one before it under the permutation 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8. */
    ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);
    ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);
    ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);
    ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);
    ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);
    ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);
    for (unsigned i = 0; i < 8; i++) {
        v[i] ^= v[i + 8];
    }
}

void rotor_blake3_start(uint32_t state[16], const uint32_t cv[8], uint32_t block_bytes, uint64_t counter,
                        uint32_t flags) {
    start(state, cv, block_bytes, counter, flags);
}

void rotor_blake3_columns(uint32_t state[16], const uint32_t first_half[8]) {
    columns(state, first_half);
}

void rotor_blake3_finish(uint32_t state[16], const uint32_t block[16]) {
    finish(state, block);
}

void rotor_blake3_compress_portable(uint32_t cv[8], const uint8_t block[64], uint32_t block_bytes, uint64_t counter,
                                    uint32_t flags) {
    uint32_t m[16];
    for (unsigned i = 0; i < 16; i++) {
        m[i] = rotor_load32(block + 4 * i);
    }
    uint32_t v[16];
    start(v, cv, block_bytes, counter, flags);
    columns(v, m);
    finish(v, m);
    memcpy(cv, v, 8 * sizeof *v);
}

/* ---------------------------------------------------------------- chunks and the tree above them */

static void start_chunk(rotor_blake3 *state, uint64_t chunk) {
    static const uint32_t iv[8] = ROTOR_BLAKE3_IV;
    memcpy(state->cv, iv, sizeof iv);
    state->chunk = chunk;
    state->blocks = 0;
    state->buffered = 0;
}

void rotor_blake3_init(rotor_blake3 *state, rotor_blake3_compress_fn *compress) {
    state->compress = compress != NULL ? compress : rotor_blake3_compress_portable;
    state->depth = 0;
    memset(state->buffer, 0, sizeof state->buffer);
    start_chunk(state, 0);
}

/* Replaces `right` by the chaining value of the parent of `left` and `right`. */
static void join(rotor_blake3_compress_fn *compress, const uint32_t left[8], uint32_t right[8], uint32_t flags) {
    static const uint32_t iv[8] = ROTOR_BLAKE3_IV;
    uint8_t block[ROTOR_BLAKE3_BLOCK_BYTES];
    rotor_store_cv(block, left);
    rotor_store_cv(block + 32, right);
    memcpy(right, iv, sizeof iv);
    compress(right, block, sizeof block, 0, ROTOR_BLAKE3_PARENT | flags);
}

/* Compresses what is buffered as the last block of its chunk. */
static void end_chunk(const rotor_blake3 *state, uint32_t cv[8], uint32_t flags) {
    uint8_t block[ROTOR_BLAKE3_BLOCK_BYTES] = {0};
    memcpy(block, state->buffer, state->buffered);
    memcpy(cv, state->cv, sizeof state->cv);
    flags |= ROTOR_BLAKE3_CHUNK_END | (state->blocks == 0 ? (uint32_t)ROTOR_BLAKE3_CHUNK_START : 0);
    state->compress(cv, block, state->buffered, state->chunk, flags);
}

/* A complete chunk joins the subtrees to its left that have become complete with it: one for each trailing zero bit of
 * the number of chunks. */
static void push_chunk(rotor_blake3 *state) {
    uint32_t cv[8];
    end_chunk(state, cv, 0);
    uint64_t chunks = state->chunk + 1;
    for (uint64_t rest = chunks; (rest & 1) == 0; rest >>= 1) {
        state->depth--;
        join(state->compress, state->stack[state->depth], cv, 0);
    }
    memcpy(state->stack[state->depth], cv, sizeof cv);
    state->depth++;
    start_chunk(state, chunks);
}

/* The full block in the buffer turns out not to be the last of the message. */
static void flush_block(rotor_blake3 *state) {
    if (state->blocks == ROTOR_BLAKE3_CHUNK_BLOCKS - 1) {
        push_chunk(state);
        return;
    }
    uint32_t flags = state->blocks == 0 ? (uint32_t)ROTOR_BLAKE3_CHUNK_START : 0;
    state->compress(state->cv, state->buffer, ROTOR_BLAKE3_BLOCK_BYTES, state->chunk, flags);
    state->blocks++;
    state->buffered = 0;
}

void rotor_blake3_update(rotor_blake3 *state, const void *input, size_t bytes) {
    const uint8_t *next = input;
    while (bytes > 0) {
        if (state->buffered == ROTOR_BLAKE3_BLOCK_BYTES) {
            flush_block(state);
        }
        size_t room = ROTOR_BLAKE3_BLOCK_BYTES - state->buffered;
        size_t taken = bytes < room ? bytes : room;
        memcpy(state->buffer + state->buffered, next, taken);
        state->buffered += (uint32_t)taken;
        next += taken;
        bytes -= taken;
    }
}

void rotor_blake3_final(const rotor_blake3 *state, uint8_t out[32]) {
    uint32_t cv[8];
    uint32_t depth = state->depth;
    end_chunk(state, cv, depth == 0 ? (uint32_t)ROTOR_BLAKE3_ROOT : 0);
    while (depth > 0) {
        depth--;
        join(state->compress, state->stack[depth], cv, depth == 0 ? (uint32_t)ROTOR_BLAKE3_ROOT : 0);
    }
    rotor_store_cv(out, cv);
}

void rotor_blake3_hash(uint8_t out[32], const void *input, size_t bytes) {
    rotor_blake3 state;
    rotor_blake3_init(&state, NULL);
    rotor_blake3_update(&state, input, bytes);
    rotor_blake3_final(&state, out);
}
