/* The hash contract: what the tree and the proofs need from a hash function, as a table of functions.
 *
 * A profile says how a node is made from its children. It knows nothing of levels, sizes or trees. Another profile
 * (SHA-256, Keccak, ...) is another table; no caller changes.
 *
 * All functions are pure, take any alignment, and may be called from any thread. `width` is the number of children,
 * 2..255 where nothing else is said; children lie one after the other, 32 bytes each. `out` may not overlap an input.
 */
#ifndef ROTOR_HASH_HASH_H
#define ROTOR_HASH_HASH_H

#include "rotortree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* hash_groups() may read (and ignores) this many bytes before `children`: vector kernels load message words that
 * straddle a group's start. It never reads a byte behind the last child. */
#define ROTOR_HASH_HEADROOM 2

/* A node of a path, of which everything but its last child is known: what a hasher could do about it beforehand. All
 * but `width` and `leading` belong to the profile. A node of one child is that child. The layout is known to assembly.
 */
typedef struct rotor_path_step {
    uint32_t state[16];     /* BLAKE3: before the block in which the last child begins, or before its first diagonals */
    uint32_t words[8];      /* what precedes that child in this block, as far as it is whole words */
    uint32_t before;        /* the two bytes right before the child */
    uint32_t width;         /* children in all, 1..255; 0: not prepared */
    uint32_t blocks;        /* BLAKE3: how many depend on the last child, and how */
    const uint8_t *leading; /* the children before the last; not read if there are none */
} rotor_path_step;

typedef struct rotor_hasher {
    uint32_t profile;   /* rotor_hash_profile_id */
    const char *name;   /* of the profile, "blake3" */
    const char *kernel; /* "portable", "sse41", "avx2", "avx512", "neon"; "avx2-c", "avx512-c": without assembly */
    uint32_t lanes;     /* groups that hash_groups() hashes at once: counts that are multiples of it are cheapest, and a
                         * rest of one costs as much as hash_node(), a rest of two no more than twice that */

    /* One node. */
    void (*hash_node)(uint8_t out[32], const uint8_t *children, unsigned width);

    /* Prepares steps of which `width`, 1..255, and `leading` are set: the width-1 children before the last. These have
     * to stay there and unchanged for as long as a step is used. Several at once may be cheaper than one by one. */
    void (*prepare_steps)(rotor_path_step *const *steps, size_t count);

    /* Hashes from a node to one above it: path[i+1] becomes the node of steps[i] with the last child path[i]. */
    void (*hash_path)(rotor_hash *path, const rotor_path_step *steps, size_t count);

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
