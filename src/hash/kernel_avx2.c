/* The AVX2 kernels: eight groups at once, by the assembly where the build has it, and by C intrinsics, which serve wide
 * nodes, builds without the assembly, and the tests as a second opinion. */
#include "hash/kernels.h"

#if ROTOR_HASH_X86

#include "hash/by_lanes.h"
#include "hash/lone.h"
#include "hash/pair.h"

#include <immintrin.h>
#include <string.h>

#define LANES 8
#define LANES_TARGET __attribute__((target("avx2")))

typedef __m256i vec;

#define VEC_INLINE static inline __attribute__((always_inline)) LANES_TARGET

VEC_INLINE vec vec_add(vec a, vec b) {
    return _mm256_add_epi32(a, b);
}

VEC_INLINE vec vec_xor(vec a, vec b) {
    return _mm256_xor_si256(a, b);
}

VEC_INLINE vec vec_rotate16(vec a) {
    return _mm256_shuffle_epi8(a, _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, //
                                                   2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
}

VEC_INLINE vec vec_rotate12(vec a) {
    return _mm256_or_si256(_mm256_srli_epi32(a, 12), _mm256_slli_epi32(a, 20));
}

VEC_INLINE vec vec_rotate8(vec a) {
    return _mm256_shuffle_epi8(a, _mm256_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, //
                                                   1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12));
}

VEC_INLINE vec vec_rotate7(vec a) {
    return _mm256_or_si256(_mm256_srli_epi32(a, 7), _mm256_slli_epi32(a, 25));
}

VEC_INLINE vec vec_splat(uint32_t word) {
    return _mm256_set1_epi32((int)word);
}

VEC_INLINE vec vec_load(const void *bytes) {
    return _mm256_loadu_si256(bytes);
}

VEC_INLINE vec vec_patch(vec v, uint32_t word) {
    return _mm256_blend_epi16(v, vec_splat(word), 0x55);
}

/* r[0..7] become the columns of the 8 x 8 words that they were the rows of. */
VEC_INLINE void transpose8(vec r[8]) {
    vec half[8];
    for (unsigned i = 0; i < 8; i += 4) {
        vec low01 = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        vec high01 = _mm256_unpackhi_epi32(r[i], r[i + 1]);
        vec low23 = _mm256_unpacklo_epi32(r[i + 2], r[i + 3]);
        vec high23 = _mm256_unpackhi_epi32(r[i + 2], r[i + 3]);
        half[i] = _mm256_unpacklo_epi64(low01, low23);
        half[i + 1] = _mm256_unpackhi_epi64(low01, low23);
        half[i + 2] = _mm256_unpacklo_epi64(high01, high23);
        half[i + 3] = _mm256_unpackhi_epi64(high01, high23);
    }
    for (unsigned i = 0; i < 4; i++) {
        r[i] = _mm256_permute2x128_si256(half[i], half[i + 4], 0x20);
        r[i + 4] = _mm256_permute2x128_si256(half[i], half[i + 4], 0x31);
    }
}

VEC_INLINE void lanes_load_half(vec m[8], const uint8_t *const lane[LANES], size_t offset) {
    for (unsigned j = 0; j < LANES; j++) {
        m[j] = vec_load(lane[j] + offset);
    }
    transpose8(m);
}

VEC_INLINE void lanes_load(vec m[16], const uint8_t *const lane[LANES], size_t offset) {
    lanes_load_half(m, lane, offset);
    lanes_load_half(m + 8, lane, offset + 32);
}

VEC_INLINE void lanes_store(uint8_t *out, vec cv[8]) {
    transpose8(cv);
    for (unsigned j = 0; j < LANES; j++) {
        _mm256_storeu_si256((void *)(out + 32 * j), cv[j]);
    }
}

#include "hash/lanes.h"

static void hash_groups_c(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    rotor_hash_by_lanes(lanes_hash, LANES, out, children, groups, width);
}

const rotor_hasher rotor_blake3_avx2_c = {
    .profile = ROTOR_HASH_BLAKE3,
    .name = "blake3",
    .kernel = "avx2-c",
    .lanes = LANES,
    .hash_node = rotor_lone_node,
    .prepare_steps = rotor_lone_prepare,
    .hash_path = rotor_lone_path,
    .hash_groups = hash_groups_c,
};

#if ROTOR_HASH_ASM

static void hash_groups(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    if (width > ROTOR_BLAKE3_ASM_WIDTH_MAX) {
        hash_groups_c(out, children, groups, width);
        return;
    }
    size_t rest = groups % LANES;
    size_t whole = groups - rest;
    if (whole > 0) {
        rotor_blake3_avx2_groups8(out, children, width, whole, NULL);
    }
    out += 32 * whole;
    children += 32 * width * whole;
    if (rest == 1) {
        rotor_lone_node(out, children, width);
    } else if (rest == 2) {
        rotor_pair_nodes_avx2(out, children, width);
    } else if (rest > 2) {
        rotor_blake3_avx2_groups8(out, children, width, rest, NULL);
    }
}

static void hash_and_copy(uint8_t *out, uint8_t *copy, const uint8_t *children, size_t groups, unsigned width) {
    size_t whole = groups - groups % LANES;
    size_t done = 32 * width * whole;
    if (whole > 0) {
        rotor_blake3_avx2_groups8(out, children, width, whole, copy);
    }
    /* Idle lanes would repeat the last group's stores, and streaming over what has just been streamed is slow. */
    if (whole < groups) {
        hash_groups(out + 32 * whole, children + done, groups - whole, width);
        memcpy(copy + done, children + done, 32 * width * (groups - whole));
    }
}

const rotor_hasher rotor_blake3_avx2 = {
    .profile = ROTOR_HASH_BLAKE3,
    .name = "blake3",
    .kernel = "avx2",
    .lanes = LANES,
    .hash_node = rotor_lone_node,
    .prepare_steps = rotor_pair_prepare_avx2,
    .hash_path = rotor_lone_path,
    .hash_groups = hash_groups,
    .copied_width = ROTOR_BLAKE3_ASM_WIDTH_MAX,
    .hash_and_copy = hash_and_copy,
};

#endif

#endif
