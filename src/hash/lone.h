/* One node on one lane: a chain of compressions, each waiting for the one before. Every kernel uses it where there is
 * only one node. Knows nothing of lanes. */
#ifndef ROTOR_HASH_LONE_H
#define ROTOR_HASH_LONE_H

#include "hash/hash.h"

/* Consecutive blocks of one chunk of a message. The assembly knows this layout. */
typedef struct rotor_lone_run {
    const uint8_t *cv;            /* chaining value before the first block, 8 little-endian words */
    const uint8_t *const *blocks; /* the address of each, 64 bytes, the last one filled up with zeros */
    uint64_t counter;             /* number of the chunk */
    uint32_t count;               /* at least 1 */
    uint32_t first_flags;         /* of the first block alone, rotor_blake3_flag */
    uint32_t last_flags;          /* of the last block alone */
    uint32_t last_bytes;          /* of the last block */
} rotor_lone_run;

/* Writes the chaining value after the last block, as 8 little-endian words; `out` may be run->cv. */
typedef void rotor_lone_fn(uint8_t out[32], const rotor_lone_run *run);

/* By the portable compression. */
rotor_lone_fn rotor_lone_portable;
/* x86-64 in general registers, where the build has assembly. */
rotor_lone_fn rotor_blake3_lone_x86;

/* hash_node and hash_edge of rotor_hasher by the portable compression, ... */
void rotor_lone_node_portable(uint8_t out[32], const uint8_t *children, unsigned width);
void rotor_lone_edge_portable(uint8_t out[32], rotor_edge_cache *cache, const uint8_t *leading, const uint8_t *last,
                              unsigned width);
/* ... and by the fastest that this build has. */
void rotor_lone_node(uint8_t out[32], const uint8_t *children, unsigned width);
void rotor_lone_edge(uint8_t out[32], rotor_edge_cache *cache, const uint8_t *leading, const uint8_t *last,
                     unsigned width);

#endif
