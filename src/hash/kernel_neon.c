/* The NEON kernel: four groups at once. */
#include "hash/kernels.h"

#if ROTOR_HASH_NEON

#include "hash/by_lanes.h"
#include "hash/lone.h"

#include <arm_neon.h>

#define LANES 4
#define LANES_TARGET

typedef uint32x4_t vec;

#define VEC_INLINE static inline __attribute__((always_inline))

VEC_INLINE vec vec_add(vec a, vec b) {
    return vaddq_u32(a, b);
}

VEC_INLINE vec vec_xor(vec a, vec b) {
    return veorq_u32(a, b);
}

VEC_INLINE vec vec_rotate16(vec a) {
    return vreinterpretq_u32_u16(vrev32q_u16(vreinterpretq_u16_u32(a)));
}

VEC_INLINE vec vec_rotate12(vec a) {
    return vsriq_n_u32(vshlq_n_u32(a, 20), a, 12);
}

VEC_INLINE vec vec_rotate8(vec a) {
    return vsriq_n_u32(vshlq_n_u32(a, 24), a, 8);
}

VEC_INLINE vec vec_rotate7(vec a) {
    return vsriq_n_u32(vshlq_n_u32(a, 25), a, 7);
}

VEC_INLINE vec vec_splat(uint32_t word) {
    return vdupq_n_u32(word);
}

/* As bytes: a load of words would promise an alignment that there is not. */
VEC_INLINE vec vec_load(const void *bytes) {
    return vreinterpretq_u32_u8(vld1q_u8(bytes));
}

VEC_INLINE vec vec_patch(vec v, uint32_t word) {
    return vbslq_u32(vdupq_n_u32(0xffff0000u), v, vdupq_n_u32(word));
}

/* r0..r3 become the columns of the 4 x 4 words that they were the rows of. */
VEC_INLINE void transpose4(vec *r0, vec *r1, vec *r2, vec *r3) {
    uint32x4x2_t pairs01 = vtrnq_u32(*r0, *r1);
    uint32x4x2_t pairs23 = vtrnq_u32(*r2, *r3);
    *r0 = vcombine_u32(vget_low_u32(pairs01.val[0]), vget_low_u32(pairs23.val[0]));
    *r1 = vcombine_u32(vget_low_u32(pairs01.val[1]), vget_low_u32(pairs23.val[1]));
    *r2 = vcombine_u32(vget_high_u32(pairs01.val[0]), vget_high_u32(pairs23.val[0]));
    *r3 = vcombine_u32(vget_high_u32(pairs01.val[1]), vget_high_u32(pairs23.val[1]));
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
        vst1q_u8(out + 32 * j, vreinterpretq_u8_u32(cv[j]));
        vst1q_u8(out + 32 * j + 16, vreinterpretq_u8_u32(cv[4 + j]));
    }
}

#include "hash/lanes.h"

static void hash_groups(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    rotor_hash_by_lanes(lanes_hash, LANES, out, children, groups, width);
}

const rotor_hasher rotor_blake3_neon = {
    .profile = ROTOR_HASH_BLAKE3,
    .name = "blake3",
    .kernel = "neon",
    .lanes = LANES,
    .hash_node = rotor_lone_node,
    .prepare_steps = rotor_lone_prepare,
    .hash_path = rotor_lone_path,
    .hash_groups = hash_groups,
};

#endif
