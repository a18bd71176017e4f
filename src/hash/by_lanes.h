/* Any number of groups by a function that hashes up to `lanes` at once. */
#ifndef ROTOR_HASH_BY_LANES_H
#define ROTOR_HASH_BY_LANES_H

#include "hash/lone.h"

#include <stddef.h>
#include <stdint.h>

/* Hashes 1..lanes groups at the same cost, however many they are. */
typedef void rotor_lanes_fn(uint8_t *out, const uint8_t *children, unsigned width, unsigned groups);

static inline void rotor_hash_by_lanes(rotor_lanes_fn *hash, unsigned lanes, uint8_t *out, const uint8_t *children,
                                       size_t groups, unsigned width) {
    const size_t stride = 32 * (size_t)width * lanes;
    for (; groups >= lanes; groups -= lanes) {
        hash(out, children, width, lanes);
        out += 32 * (size_t)lanes;
        children += stride;
    }
    if (groups == 1) {
        rotor_lone_node(out, children, width);
    } else if (groups > 1) {
        hash(out, children, width, (unsigned)groups);
    }
}

#endif
