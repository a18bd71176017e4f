/* Nodes on one lane: a chain of compressions, each waiting for the one before, in one node or along a path. Every
 * kernel uses it where there is only one node. Knows nothing of lanes. */
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

/* rotor_path_step.blocks */
enum rotor_path_blocks {
    ROTOR_PATH_NONE,  /* the last child is the node */
    ROTOR_PATH_ONE,   /* of 34 bytes */
    ROTOR_PATH_TWO,   /* one of 64 bytes, whose first columns are done, and one of 2 */
    ROTOR_PATH_CHUNKS /* a node of several chunks: nothing is prepared */
};

/* As hash_path() of rotor_hasher for at least one step, but stops before a node of several chunks. Returns how many
 * steps are left. */
size_t rotor_blake3_path_x86(rotor_hash *path, const rotor_path_step *steps, size_t count);

/* hash_node, prepare_steps and hash_path of rotor_hasher by the portable compression, ... */
void rotor_lone_node_portable(uint8_t out[32], const uint8_t *children, unsigned width);
void rotor_lone_prepare_portable(rotor_path_step *const *steps, size_t count);
void rotor_lone_path_portable(rotor_hash *path, const rotor_path_step *steps, size_t count);
/* ... and by the fastest that this build has. */
void rotor_lone_node(uint8_t out[32], const uint8_t *children, unsigned width);
void rotor_lone_prepare(rotor_path_step *const *steps, size_t count);
void rotor_lone_path(rotor_hash *path, const rotor_path_step *steps, size_t count);

#endif
