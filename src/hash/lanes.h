/* Many sibling groups at once, one a vector lane: the part of a kernel that does not depend on the instruction set.
 *
 * A kernel's file defines the vector below, then includes this template once, which defines
 *
 *     static void lanes_hash(uint8_t *out, const uint8_t *children, unsigned width, unsigned groups)
 *
 * for 1..LANES groups of any width. All groups have the same width, so blocks, chunks, flags and the short last block
 * fall together in all lanes and nothing diverges. It expects
 *
 *     LANES, LANES_TARGET    lanes of a vector; the function attribute that allows its instructions
 *     vec                    the vector type
 *     vec_add, vec_xor, vec_rotate16, vec_rotate12, vec_rotate8, vec_rotate7, vec_splat(word), vec_load(words)
 *     vec_patch(v, word)     the upper halves of v's words, over the lower half of `word`
 *     lanes_load(m, lane, offset)       m[k] = word k of the 64 bytes at lane[j] + offset, for every lane j
 *     lanes_load_half(m, lane, offset)  likewise m[0..7] of 32 bytes
 *     lanes_store(out, cv)              the 32 bytes of every lane, one lane after the other
 *
 * It must not know which kernel it is part of, nor when it is chosen. */
#include "hash/blake3.h"
#include "hash/node.h"
#include "hash/words.h"

#include <string.h>

#define LANES_INLINE static inline __attribute__((always_inline)) LANES_TARGET

/* What is the same for all lanes of one call. */
typedef struct lanes_shape {
    const uint8_t *lane[LANES]; /* two bytes before the lane's first child: where its message would start */
    unsigned width;
    unsigned last_block; /* of the message; all others are full */
    unsigned last_bytes; /* of the last block: 2 or 34 */
} lanes_shape;

/* One G at a time. Four interleaved in the source would suit the processor, but gcc 12 then keeps more values alive
 * than there are registers and takes 10 % longer with AVX2; out-of-order execution finds the parallelism as well.
 */
#define LANES_G(a, b, c, d, x, y)                                                                                      \
    do {                                                                                                               \
        v[a] = vec_add(vec_add(v[a], m[x]), v[b]);                                                                     \
        v[d] = vec_rotate16(vec_xor(v[d], v[a]));                                                                      \
        v[c] = vec_add(v[c], v[d]);                                                                                    \
        v[b] = vec_rotate12(vec_xor(v[b], v[c]));                                                                      \
        v[a] = vec_add(vec_add(v[a], m[y]), v[b]);                                                                     \
        v[d] = vec_rotate8(vec_xor(v[d], v[a]));                                                                       \
        v[c] = vec_add(v[c], v[d]);                                                                                    \
        v[b] = vec_rotate7(vec_xor(v[b], v[c]));                                                                       \
    } while (0)

#define LANES_ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15)                              \
    do {                                                                                                               \
        LANES_G(0, 4, 8, 12, m0, m1);                                                                                  \
        LANES_G(1, 5, 9, 13, m2, m3);                                                                                  \
        LANES_G(2, 6, 10, 14, m4, m5);                                                                                 \
        LANES_G(3, 7, 11, 15, m6, m7);                                                                                 \
        LANES_G(0, 5, 10, 15, m8, m9);                                                                                 \
        LANES_G(1, 6, 11, 12, m10, m11);                                                                               \
        LANES_G(2, 7, 8, 13, m12, m13);                                                                                \
        LANES_G(3, 4, 9, 14, m14, m15);                                                                                \
    } while (0)

LANES_INLINE void lanes_compress(vec cv[8], const vec m[16], uint32_t block_bytes, uint32_t counter, uint32_t flags) {
    static const uint32_t iv[8] = ROTOR_BLAKE3_IV;
    vec v[16];
    for (unsigned i = 0; i < 8; i++) {
        v[i] = cv[i];
    }
    for (unsigned i = 0; i < 4; i++) {
        v[8 + i] = vec_splat(iv[i]);
    }
    v[12] = vec_splat(counter);
    v[13] = vec_splat(0);
    v[14] = vec_splat(block_bytes);
    v[15] = vec_splat(flags);
    LANES_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    LANES_ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);
    LANES_ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);
    LANES_ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);
    LANES_ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);
    LANES_ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);
    LANES_ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);
    for (unsigned i = 0; i < 8; i++) {
        cv[i] = vec_xor(v[i], v[i + 8]);
    }
}

/* The last block: for odd widths the last child's first 30 bytes behind two of the one before, always its last two
 * bytes, and zeros. Its words are put together from loads that end with the last child. */
LANES_INLINE void lanes_load_last(vec m[16], const lanes_shape *shape) {
    size_t offset = 64 * (size_t)shape->last_block;
    unsigned words = 0;
    if (shape->last_bytes > 32) {
        lanes_load_half(m, shape->lane, offset);
        offset += 32;
        words = 8;
    }
    uint32_t last[LANES];
    for (unsigned j = 0; j < LANES; j++) {
        const uint8_t *bytes = shape->lane[j] + offset;
        last[j] = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
    }
    m[words++] = vec_load(last);
    for (; words < 16; words++) {
        m[words] = vec_splat(0);
    }
}

/* The chaining values of one chunk of all lanes' messages. */
static LANES_TARGET void lanes_chunk(vec cv[8], const lanes_shape *shape, unsigned chunk, uint32_t end_flags) {
    static const uint32_t iv[8] = ROTOR_BLAKE3_IV;
    for (unsigned i = 0; i < 8; i++) {
        cv[i] = vec_splat(iv[i]);
    }
    unsigned block = chunk * ROTOR_BLAKE3_CHUNK_BLOCKS;
    unsigned end = block + ROTOR_BLAKE3_CHUNK_BLOCKS - 1;
    end = end < shape->last_block ? end : shape->last_block;
    uint32_t flags = ROTOR_BLAKE3_CHUNK_START;
    for (;; block++) {
        vec m[16];
        uint32_t bytes = ROTOR_BLAKE3_BLOCK_BYTES;
        if (block < shape->last_block) {
            lanes_load(m, shape->lane, 64 * (size_t)block);
        } else {
            lanes_load_last(m, shape);
            bytes = shape->last_bytes;
        }
        if (block == 0) {
            m[0] = vec_patch(m[0], ROTOR_NODE_TAG | (uint32_t)shape->width << 8);
        }
        if (block == end) {
            lanes_compress(cv, m, bytes, chunk, flags | ROTOR_BLAKE3_CHUNK_END | end_flags);
            return;
        }
        lanes_compress(cv, m, bytes, chunk, flags);
        flags = 0;
    }
}

/* Replaces `right` by the chaining values of the parents. */
static LANES_TARGET void lanes_join(const vec left[8], vec right[8], uint32_t flags) {
    static const uint32_t iv[8] = ROTOR_BLAKE3_IV;
    vec m[16];
    for (unsigned i = 0; i < 8; i++) {
        m[i] = left[i];
        m[8 + i] = right[i];
        right[i] = vec_splat(iv[i]);
    }
    lanes_compress(right, m, ROTOR_BLAKE3_BLOCK_BYTES, 0, ROTOR_BLAKE3_PARENT | flags);
}

/* Messages of 2..8 chunks; the same tree of chunks in every lane. */
static LANES_TARGET void lanes_chunks(vec cv[8], const lanes_shape *shape, unsigned last_chunk) {
    vec stack[3][8];
    unsigned depth = 0;
    for (unsigned chunk = 0; chunk < last_chunk; chunk++) {
        lanes_chunk(cv, shape, chunk, 0);
        for (unsigned rest = chunk + 1; (rest & 1) == 0; rest >>= 1) {
            lanes_join(stack[--depth], cv, 0);
        }
        for (unsigned i = 0; i < 8; i++) {
            stack[depth][i] = cv[i];
        }
        depth++;
    }
    lanes_chunk(cv, shape, last_chunk, 0);
    while (depth > 0) {
        depth--;
        lanes_join(stack[depth], cv, depth == 0 ? (uint32_t)ROTOR_BLAKE3_ROOT : 0);
    }
}

/* Idle lanes repeat the last group: they read nothing that is not the caller's. */
static LANES_TARGET void lanes_hash(uint8_t *out, const uint8_t *children, unsigned width, unsigned groups) {
    lanes_shape shape;
    for (unsigned j = 0; j < LANES; j++) {
        unsigned group = j < groups ? j : groups - 1;
        shape.lane[j] = children + 32 * (size_t)width * group - ROTOR_NODE_PREFIX_BYTES;
    }
    shape.width = width;
    shape.last_block = width / 2;
    shape.last_bytes = ROTOR_NODE_PREFIX_BYTES + 32 * (width & 1);
    unsigned last_chunk = shape.last_block / ROTOR_BLAKE3_CHUNK_BLOCKS;
    vec cv[8];
    if (last_chunk == 0) {
        lanes_chunk(cv, &shape, 0, ROTOR_BLAKE3_ROOT);
    } else {
        lanes_chunks(cv, &shape, last_chunk);
    }
    if (groups == LANES) {
        lanes_store(out, cv);
    } else {
        uint8_t all[32 * LANES];
        lanes_store(all, cv);
        memcpy(out, all, 32 * (size_t)groups);
    }
}
