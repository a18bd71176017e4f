/* The AVX-512 kernels: thirty-two or sixteen groups at once by the assembly, where the build has it, and sixteen by C
 * intrinsics, which serve wide nodes, builds without the assembly, and the tests as a second opinion. */
#include "hash/kernels.h"

#if ROTOR_HASH_X86

#include "hash/by_lanes.h"
#include "hash/lone.h"

#include <immintrin.h>

#define LANES 16
#define LANES_TARGET __attribute__((target("avx512f,avx512vl,avx512bw")))

typedef __m512i vec;

#define VEC_INLINE static inline __attribute__((always_inline)) LANES_TARGET

VEC_INLINE vec vec_add(vec a, vec b) {
    return _mm512_add_epi32(a, b);
}

VEC_INLINE vec vec_xor(vec a, vec b) {
    return _mm512_xor_si512(a, b);
}

VEC_INLINE vec vec_rotate16(vec a) {
    return _mm512_ror_epi32(a, 16);
}

VEC_INLINE vec vec_rotate12(vec a) {
    return _mm512_ror_epi32(a, 12);
}

VEC_INLINE vec vec_rotate8(vec a) {
    return _mm512_ror_epi32(a, 8);
}

VEC_INLINE vec vec_rotate7(vec a) {
    return _mm512_ror_epi32(a, 7);
}

VEC_INLINE vec vec_splat(uint32_t word) {
    return _mm512_set1_epi32((int)word);
}

VEC_INLINE vec vec_load(const void *bytes) {
    return _mm512_loadu_si512(bytes);
}

VEC_INLINE vec vec_patch(vec v, uint32_t word) {
    return _mm512_mask_blend_epi16(0x55555555u, v, vec_splat(word));
}

/* In each 128-bit quarter on its own: r[0..3] become the columns of the 4 x 4 words that they were the rows of. */
VEC_INLINE void transpose_quarters(vec r[4]) {
    vec low01 = _mm512_unpacklo_epi32(r[0], r[1]);
    vec high01 = _mm512_unpackhi_epi32(r[0], r[1]);
    vec low23 = _mm512_unpacklo_epi32(r[2], r[3]);
    vec high23 = _mm512_unpackhi_epi32(r[2], r[3]);
    r[0] = _mm512_unpacklo_epi64(low01, low23);
    r[1] = _mm512_unpackhi_epi64(low01, low23);
    r[2] = _mm512_unpacklo_epi64(high01, high23);
    r[3] = _mm512_unpackhi_epi64(high01, high23);
}

/* r[0..15] become the columns of the 16 x 16 words that they were the rows of. */
VEC_INLINE void transpose16(vec r[16]) {
    for (unsigned i = 0; i < 16; i += 4) {
        transpose_quarters(&r[i]);
    }
    /* Quarter q of r[4 * i + k] now holds word 4 * q + k of rows 4 * i to 4 * i + 3. */
    vec m[16];
    for (unsigned k = 0; k < 4; k++) {
        vec even01 = _mm512_shuffle_i32x4(r[k], r[4 + k], 0x88);
        vec odd01 = _mm512_shuffle_i32x4(r[k], r[4 + k], 0xdd);
        vec even23 = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0x88);
        vec odd23 = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0xdd);
        m[k] = _mm512_shuffle_i32x4(even01, even23, 0x88);
        m[4 + k] = _mm512_shuffle_i32x4(odd01, odd23, 0x88);
        m[8 + k] = _mm512_shuffle_i32x4(even01, even23, 0xdd);
        m[12 + k] = _mm512_shuffle_i32x4(odd01, odd23, 0xdd);
    }
    for (unsigned i = 0; i < 16; i++) {
        r[i] = m[i];
    }
}

VEC_INLINE void lanes_load(vec m[16], const uint8_t *const lane[LANES], size_t offset) {
    for (unsigned j = 0; j < LANES; j++) {
        m[j] = vec_load(lane[j] + offset);
    }
    transpose16(m);
}

/* Words 8 to 15 come out zero, which the caller does not count on. */
VEC_INLINE void lanes_load_half(vec m[16], const uint8_t *const lane[LANES], size_t offset) {
    for (unsigned j = 0; j < LANES; j++) {
        m[j] = _mm512_zextsi256_si512(_mm256_loadu_si256((const void *)(lane[j] + offset)));
    }
    transpose16(m);
}

VEC_INLINE void lanes_store(uint8_t *out, vec cv[8]) {
    const vec low_index = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const vec high_index = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    transpose_quarters(&cv[0]);
    transpose_quarters(&cv[4]);
    /* Quarter q of cv[k] and of cv[4 + k] are the two halves of lane 4 * q + k. */
    for (unsigned k = 0; k < 4; k++) {
        vec low = _mm512_permutex2var_epi64(cv[k], low_index, cv[4 + k]);
        vec high = _mm512_permutex2var_epi64(cv[k], high_index, cv[4 + k]);
        _mm256_storeu_si256((void *)(out + 32 * k), _mm512_castsi512_si256(low));
        _mm256_storeu_si256((void *)(out + 32 * (4 + k)), _mm512_extracti64x4_epi64(low, 1));
        _mm256_storeu_si256((void *)(out + 32 * (8 + k)), _mm512_castsi512_si256(high));
        _mm256_storeu_si256((void *)(out + 32 * (12 + k)), _mm512_extracti64x4_epi64(high, 1));
    }
}

#include "hash/lanes.h"

static void hash_groups_c(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    rotor_hash_by_lanes(lanes_hash, LANES, out, children, groups, width);
}

const rotor_hasher rotor_blake3_avx512_c = {
    .profile = ROTOR_HASH_BLAKE3,
    .name = "blake3",
    .kernel = "avx512-c",
    .lanes = LANES,
    .hash_node = rotor_lone_node,
    .prepare_steps = rotor_lone_prepare,
    .hash_path = rotor_lone_path,
    .hash_groups = hash_groups_c,
};

#if ROTOR_HASH_ASM

/* Two vectors side by side take 1.4 times as long as one, on Zen 5; 16 groups or fewer fit one. */
static void hash_groups(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    if (width > ROTOR_BLAKE3_ASM_WIDTH_MAX) {
        hash_groups_c(out, children, groups, width);
        return;
    }
    while (groups > LANES) {
        unsigned wide = groups < ROTOR_BLAKE3_AVX512_WIDE_LANES ? (unsigned)groups : ROTOR_BLAKE3_AVX512_WIDE_LANES;
        rotor_blake3_avx512_groups32(out, children, width, wide);
        out += 32 * (size_t)wide;
        children += 32 * (size_t)width * wide;
        groups -= wide;
    }
    rotor_hash_by_lanes(rotor_blake3_avx512_groups16, LANES, out, children, groups, width);
}

const rotor_hasher rotor_blake3_avx512 = {
    .profile = ROTOR_HASH_BLAKE3,
    .name = "blake3",
    .kernel = "avx512",
    .lanes = ROTOR_BLAKE3_AVX512_WIDE_LANES,
    .hash_node = rotor_lone_node,
    .prepare_steps = rotor_lone_prepare,
    .hash_path = rotor_lone_path,
    .hash_groups = hash_groups,
};

#endif

#endif
