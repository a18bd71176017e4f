/* BLAKE3 of any input, in its plain mode with 32 bytes of output: the oracle that every faster kernel is compared with,
 * and the way by which messages of more than one chunk are hashed on one lane. Knows nothing of trees and nodes.
 *
 * The function is specified in "BLAKE3: one function, fast everywhere" (O'Connor, Aumasson, Neves, Wilcox-O'Hearn);
 * names follow that paper. */
#ifndef ROTOR_HASH_BLAKE3_H
#define ROTOR_HASH_BLAKE3_H

#include <stddef.h>
#include <stdint.h>

#define ROTOR_BLAKE3_BLOCK_BYTES 64
#define ROTOR_BLAKE3_CHUNK_BYTES 1024
#define ROTOR_BLAKE3_CHUNK_BLOCKS 16
/* Chaining values on the stack of a 2^64-byte message. */
#define ROTOR_BLAKE3_MAX_STACK 54

enum rotor_blake3_flag {
    ROTOR_BLAKE3_CHUNK_START = 1u << 0,
    ROTOR_BLAKE3_CHUNK_END = 1u << 1,
    ROTOR_BLAKE3_PARENT = 1u << 2,
    ROTOR_BLAKE3_ROOT = 1u << 3,
};

/* The initial value, as an initialiser: the first words of the fractional parts of the square roots of the primes. */
#define ROTOR_BLAKE3_IV                                                                                                \
    { 0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u }

/* One compression: replaces the chaining value by that after `block`, of which the first block_bytes count and the rest
 * are zero. `flags` are bits of rotor_blake3_flag. */
typedef void rotor_blake3_compress_fn(uint32_t cv[8], const uint8_t block[64], uint32_t block_bytes, uint64_t counter,
                                      uint32_t flags);

rotor_blake3_compress_fn rotor_blake3_compress_portable;

/* The same in three parts: the state before the first round, ... */
void rotor_blake3_start(uint32_t state[16], const uint32_t cv[8], uint32_t block_bytes, uint64_t counter,
                        uint32_t flags);
/* ... the columns of that round, which take the first half of the block alone, ... */
void rotor_blake3_columns(uint32_t state[16], const uint32_t first_half[8]);
/* ... and the rest, which leaves the next chaining value in the first half of the state. */
void rotor_blake3_finish(uint32_t state[16], const uint32_t block[16]);

/* A message on its way in. Plain memory, nothing to free. */
typedef struct rotor_blake3 {
    rotor_blake3_compress_fn *compress;
    uint64_t chunk;                                /* number of the chunk that is being filled */
    uint32_t cv[8];                                /* of that chunk, after `blocks` blocks */
    uint32_t blocks;                               /* of that chunk that have been compressed */
    uint32_t buffered;                             /* bytes in `buffer`; a full block stays until more input comes */
    uint8_t buffer[ROTOR_BLAKE3_BLOCK_BYTES];      /* the bytes after those blocks */
    uint32_t depth;                                /* chaining values on the stack */
    uint32_t stack[ROTOR_BLAKE3_MAX_STACK + 1][8]; /* of complete subtrees, largest first */
} rotor_blake3;

/* Starts a message. `compress` NULL: the portable one. */
void rotor_blake3_init(rotor_blake3 *state, rotor_blake3_compress_fn *compress);
void rotor_blake3_update(rotor_blake3 *state, const void *input, size_t bytes);
/* The hash of what has come so far; more may follow. */
void rotor_blake3_final(const rotor_blake3 *state, uint8_t out[32]);

/* All in one call, by the portable compression. */
void rotor_blake3_hash(uint8_t out[32], const void *input, size_t bytes);

#endif
