/* The SSE4.1 kernel: four groups at once. */
#include "hash/kernels.h"

#if ROTOR_HASH_X86

#include "hash/by_lanes.h"
#include "hash/lone.h"

#include <immintrin.h>

#define LANES 4
#define LANES_TARGET __attribute__((target("sse4.1")))

typedef __m128i vec;

#define VEC_INLINE static inline __attribute__((always_inline)) LANES_TARGET

VEC_INLINE vec vec_add(vec a, vec b) {
    return _mm_add_epi32(a, b);
}

VEC_INLINE vec vec_xor(vec a, vec b) {
    return _mm_xor_si128(a, b);
}

VEC_INLINE vec vec_rotate16(vec a) {
    return _mm_shuffle_epi8(a, _mm_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
}

VEC_INLINE vec vec_rotate12(vec a) {
    return _mm_or_si128(_mm_srli_epi32(a, 12), _mm_slli_epi32(a, 20));
}

VEC_INLINE vec vec_rotate8(vec a) {
    return _mm_shuffle_epi8(a, _mm_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12));
}

VEC_INLINE vec vec_rotate7(vec a) {
    return _mm_or_si128(_mm_srli_epi32(a, 7), _mm_slli_epi32(a, 25));
}

VEC_INLINE vec vec_splat(uint32_t word) {
    return _mm_set1_epi32((int)word);
}

VEC_INLINE vec vec_load(const void *bytes) {
    return _mm_loadu_si128(bytes);
}

VEC_INLINE vec vec_patch(vec v, uint32_t word) {
    return _mm_blend_epi16(v, vec_splat(word), 0x55);
}

/* r0..r3 become the columns of the 4 x 4 words that they were the rows of. */
VEC_INLINE void transpose4(vec *r0, vec *r1, vec *r2, vec *r3) {
    vec low01 = _mm_unpacklo_epi32(*r0, *r1);
    vec high01 = _mm_unpackhi_epi32(*r0, *r1);
    vec low23 = _mm_unpacklo_epi32(*r2, *r3);
    vec high23 = _mm_unpackhi_epi32(*r2, *r3);
    *r0 = _mm_unpacklo_epi64(low01, low23);
    *r1 = _mm_unpackhi_epi64(low01, low23);
    *r2 = _mm_unpacklo_epi64(high01, high23);
    *r3 = _mm_unpackhi_epi64(high01, high23);
}

VEC_INLINE void lanes_load_half(vec m[8], const uint8_t *const lane[LANES], size_t offset) {
    for (unsigned part = 0; part < 8; part += 4) {
        for (unsigned j = 0; j < LANES; j++) {
            m[part + j] = vec_load(lane[j] + offset + 4 * part);
        }
        transpose4(&m[part], &m[part + 1], &m[part + 2], &m[part + 3]);
    }
}

VEC_INLINE void lanes_load(vec m[16], const uint8_t *const lane[LANES], size_t offset) {
    lanes_load_half(m, lane, offset);
    lanes_load_half(m + 8, lane, offset + 32);
}

VEC_INLINE void lanes_store(uint8_t *out, vec cv[8]) {
    transpose4(&cv[0], &cv[1], &cv[2], &cv[3]);
    transpose4(&cv[4], &cv[5], &cv[6], &cv[7]);
    for (unsigned j = 0; j < LANES; j++) {
        _mm_storeu_si128((void *)(out + 32 * j), cv[j]);
        _mm_storeu_si128((void *)(out + 32 * j + 16), cv[4 + j]);
    }
}

#include "hash/lanes.h"

static void hash_groups(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    rotor_hash_by_lanes(lanes_hash, LANES, out, children, groups, width);
}

const rotor_hasher rotor_blake3_sse41 = {
    .profile = ROTOR_HASH_BLAKE3,
    .name = "blake3",
    .kernel = "sse41",
    .lanes = LANES,
    .hash_node = rotor_lone_node,
    .prepare_steps = rotor_lone_prepare,
    .hash_path = rotor_lone_path,
    .hash_groups = hash_groups,
};

#endif
