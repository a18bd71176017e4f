/* The bytes of the Rust crate `rotortree` 0.15. Integers are little-endian. Knows no files.
 *
 * A frame is u32 payload bytes | payload | u32 CRC-32C of all before it. In a payload, an enumeration is a u32 counted
 * from 0, an array its items, a vector a u64 count and its items. The payload of
 *
 *   wal, first    u32 0 | "ROTR" | u32 arity | u32 maximum depth
 *   wal, others   u32 0 | u64 sequence | u32 0 | leaf, or
 *                 u32 0 | u64 sequence | u32 1 | u32 0 or 1 | u64 count | leaves
 *   data/header.bin       u32 0 | "RTRD" | u32 arity | u32 maximum depth | u32 128
 *   data/checkpoint.meta  u32 0 | "RTMD" | u32 arity | u32 maximum depth | u64 last sequence that it covers |
 *                         u64 leaves | u32 depth | root
 *
 * Nodes lie in chunks of 128. The full chunks of level k are in data/level_k/shard_SSSS.dat, 65,536 chunks a file;
 * the nodes behind the last full chunk in block k of data/tails.bin, which has a block of a chunk's size for each level
 * below the maximum depth. Unlike level files of ours they include the last node of a level when it is incomplete. A
 * level at the maximum depth is not stored: it is the root. */
#ifndef ROTOR_REFERENCE_FRAMES_H
#define ROTOR_REFERENCE_FRAMES_H

#include "rotortree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROTOR_REFERENCE_WAL "wal"
#define ROTOR_REFERENCE_HEADER "data/header.bin"
#define ROTOR_REFERENCE_META "data/checkpoint.meta"
#define ROTOR_REFERENCE_TAILS "data/tails.bin"

#define ROTOR_REFERENCE_FRAME_BYTES 8 /* of a frame beside its payload */
#define ROTOR_REFERENCE_MOST_PAYLOAD (UINT32_C(128) << 20)
#define ROTOR_REFERENCE_WAL_HEADER_BYTES 24
#define ROTOR_REFERENCE_HEADER_BYTES 28
#define ROTOR_REFERENCE_META_BYTES 76

#define ROTOR_REFERENCE_CHUNK_NODES 128
#define ROTOR_REFERENCE_CHUNK_BYTES (ROTOR_REFERENCE_CHUNK_NODES * ROTOR_HASH_BYTES)
#define ROTOR_REFERENCE_SHARD_NODES (UINT64_C(65536) * ROTOR_REFERENCE_CHUNK_NODES)

/* Both are parts of a type in the crate, so any number may stand there. */
typedef struct rotor_reference_shape {
    uint32_t arity;
    uint32_t max_depth;
} rotor_reference_shape;

typedef struct rotor_reference_meta {
    rotor_reference_shape shape;
    uint64_t last_sequence; /* frames of the log up to this one are in the checkpoint */
    uint64_t leaves;
    uint32_t depth;
    rotor_hash root;
} rotor_reference_meta;

void rotor_reference_wal_header_encode(uint8_t bytes[ROTOR_REFERENCE_WAL_HEADER_BYTES], rotor_reference_shape shape);
void rotor_reference_header_encode(uint8_t bytes[ROTOR_REFERENCE_HEADER_BYTES], rotor_reference_shape shape);
void rotor_reference_meta_encode(uint8_t bytes[ROTOR_REFERENCE_META_BYTES], const rotor_reference_meta *meta);

/* ROTOR_MALFORMED: not such a frame, or a wrong checksum. ROTOR_UNSUPPORTED: another version of it, or another size of
 * chunks, with the right checksum. */
rotor_status rotor_reference_wal_header_decode(rotor_reference_shape *shape,
                                               const uint8_t bytes[ROTOR_REFERENCE_WAL_HEADER_BYTES]);
rotor_status rotor_reference_header_decode(rotor_reference_shape *shape,
                                           const uint8_t bytes[ROTOR_REFERENCE_HEADER_BYTES]);
rotor_status rotor_reference_meta_decode(rotor_reference_meta *meta, const uint8_t bytes[ROTOR_REFERENCE_META_BYTES]);

/* How the frame of an insert begins: its length and what stands before its leaves (of a single leaf, the last 12 of
 * these bytes are the leaf's already). */
#define ROTOR_REFERENCE_INSERT_HEAD_BYTES 32
#define ROTOR_REFERENCE_LEAST_INSERT_BYTES 56 /* of the whole frame, with one leaf */

typedef struct rotor_reference_insert {
    uint64_t sequence;
    uint64_t leaves;        /* 1 and more */
    uint32_t leaves_offset; /* of the first, from the frame's beginning */
} rotor_reference_insert;

/* ROTOR_MALFORMED or ROTOR_UNSUPPORTED, as above; the checksum is not looked at. */
rotor_status rotor_reference_insert_decode(rotor_reference_insert *insert,
                                           const uint8_t head[ROTOR_REFERENCE_INSERT_HEAD_BYTES]);

/* ceil(log_arity leaves). */
uint32_t rotor_reference_depth(uint32_t arity, uint64_t leaves);

/* Number of levels that are stored of a tree of `leaves` leaves (at least 1), and how many nodes each of them has. */
uint32_t rotor_reference_levels(rotor_reference_shape shape, uint64_t leaves, uint64_t length[ROTOR_MAX_DEPTH]);

/* "data/level_K", "data/level_K/shard_SSSS.dat". */
void rotor_reference_level_name(char name[40], uint32_t level);
void rotor_reference_shard_name(char name[40], uint32_t level, uint64_t shard);

#endif
