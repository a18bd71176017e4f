/* The shape of a tree: pure arithmetic on (radix, size, level, index). Knows no hashes and no memory.
 *
 * Sizes are at most ROTOR_SHAPE_MAX_SIZE leaves, so that 32 bytes times any index, and an index plus an arity, fit in
 * 64 bits. */
#ifndef ROTOR_TREE_SHAPE_H
#define ROTOR_TREE_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#define ROTOR_SHAPE_MAX_SIZE (UINT64_C(1) << 58)

/* An arity prepared for division: most trees have a power of two, where a shift saves some 20 cycles per level. */
typedef struct rotor_radix {
    uint32_t n;
    uint32_t shift; /* log2 n, or 0 when n is not a power of two */
} rotor_radix;

static inline rotor_radix rotor_radix_of(uint32_t n) {
    rotor_radix radix = {n, 0};
    if ((n & (n - 1)) == 0) {
        radix.shift = (uint32_t)__builtin_ctz(n);
    }
    return radix;
}

/* x / n */
static inline uint64_t rotor_radix_div(rotor_radix radix, uint64_t x) {
    return radix.shift != 0 ? x >> radix.shift : x / radix.n;
}

/* x mod n */
static inline uint32_t rotor_radix_mod(rotor_radix radix, uint64_t x) {
    return (uint32_t)(x - rotor_radix_div(radix, x) * radix.n);
}

/* ceil(x / n): from the length of one level to that of the next. */
static inline uint64_t rotor_radix_ceil(rotor_radix radix, uint64_t x) {
    return rotor_radix_div(radix, x + radix.n - 1);
}

/* ceil(log_n size): the level of the root; 0 for sizes 0 and 1. */
static inline uint32_t rotor_shape_depth(rotor_radix radix, uint64_t size) {
    uint32_t depth = 0;
    while (size > 1) {
        size = rotor_radix_ceil(radix, size);
        depth++;
    }
    return depth;
}

/* The group of siblings that holds one node, at a level of `length` nodes. */
typedef struct rotor_group {
    uint64_t start;    /* index of the first member */
    uint32_t width;    /* members, 1..n */
    uint32_t position; /* of the node in the group, 0..width-1 */
} rotor_group;

static inline rotor_group rotor_shape_group(rotor_radix radix, uint64_t length, uint64_t index) {
    uint32_t position = rotor_radix_mod(radix, index);
    uint64_t start = index - position;
    uint64_t rest = length - start;
    rotor_group group = {start, rest < radix.n ? (uint32_t)rest : radix.n, position};
    return group;
}

#endif
