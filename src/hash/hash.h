/* The hash contract: what the tree and the proofs need from a hash function, as a table of functions.
 *
 * A profile says how a node is made from its children. It knows nothing of levels, sizes or trees. Another profile
 * (SHA-256, Keccak, ...) is another table; no caller changes.
 *
 * All functions are pure, take any alignment, and may be called from any thread. `width` is the number of
 * children, 2..255; children lie one after the other, 32 bytes each. `out` may not overlap an input. */
#ifndef ROTOR_HASH_HASH_H
#define ROTOR_HASH_HASH_H

#include "rotortree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* hash_groups() may read (and ignores) this many bytes before `children`: vector kernels load message words that
 * straddle a group's start. It never reads a byte behind the last child. */
#define ROTOR_HASH_HEADROOM 2

/* What can be kept between two hashes of a node whose last child alone has changed. Zero-initialise, or set `width` to
 * 0, whenever any other child has changed; a cache of another width is refilled. The rest belongs to the profile.
 * BLAKE3 keeps the chaining value before the block in which the last child starts: nothing for a width of 2, where both
 * blocks depend on it, nor above 31. */
typedef struct rotor_edge_cache {
    uint32_t width;
    uint32_t state[8];
} rotor_edge_cache;

typedef struct rotor_hasher {
    uint32_t profile;   /* rotor_hash_profile_id */
    const char *name;   /* of the profile, "blake3" */
    const char *kernel; /* "portable", "sse41", "avx2", "avx512", "neon"; "avx2-c", "avx512-c": without assembly */
    uint32_t lanes;     /* groups that hash_groups() hashes at once: counts that are multiples of it are cheapest, and a
                         * rest of one costs as much as hash_node() */

    /* One node. */
    void (*hash_node)(uint8_t out[32], const uint8_t *children, unsigned width);

    /* One node whose last child is held apart from the width-1 others; uses and refreshes `cache`. */
    void (*hash_edge)(uint8_t out[32], rotor_edge_cache *cache, const uint8_t *leading, const uint8_t *last,
                      unsigned width);

    /* `groups` nodes of `width` children each; group i's children start at children + 32*width*i and its node goes to
     * out + 32*i. */
    void (*hash_groups)(uint8_t *out, const uint8_t *children, size_t groups, unsigned width);

    /* The same for nodes of up to `copied_width` children, and copies these to `copy`, which is 32-byte aligned, past
     * the caches: its stores drain while the groups are hashed, and are ordered by a store fence only. NULL and 0: this
     * kernel does not. */
    uint32_t copied_width;
    void (*hash_and_copy)(uint8_t *out, uint8_t *copy, const uint8_t *children, size_t groups, unsigned width);
} rotor_hasher;

/* The table for a profile and a kernel: `kernel` NULL means the best that processor and operating system support. Costs
 * a few nanoseconds, so that verifiers may ask each time. Returns ROTOR_OK, ROTOR_UNSUPPORTED (no such profile or
 * kernel here) or ROTOR_MISUSE; *hasher points to static memory. */
rotor_status rotor_hasher_find(const rotor_hasher **hasher, uint32_t profile, const char *kernel);

/* The same for an explicit set of processor features (bits of rotor_cpu_feature, base/cpu.h), so that tests can walk
 * all subsets. */
rotor_status rotor_hasher_find_for(const rotor_hasher **hasher, uint32_t profile, const char *kernel,
                                   uint32_t features);

/* The i-th kernel's table of a profile that this processor can run, NULL past the last: from the portable one, number
 * 0, to the default one. */
const rotor_hasher *rotor_hasher_nth(uint32_t profile, size_t i);

#endif
