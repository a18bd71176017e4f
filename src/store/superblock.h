/* The superblock: the one commit point of a stored tree (docs/format.md). Knows its bytes and its two slots; nothing of
 * logs and levels. */
#ifndef ROTOR_STORE_SUPERBLOCK_H
#define ROTOR_STORE_SUPERBLOCK_H

#include "os/file.h"
#include "rotortree.h"

#include <stdbool.h>
#include <stdint.h>

#define ROTOR_SUPERBLOCK_NAME "superblock"
#define ROTOR_SUPERBLOCK_SLOT_BYTES 4096
#define ROTOR_SUPERBLOCK_BYTES (2 * ROTOR_SUPERBLOCK_SLOT_BYTES)
#define ROTOR_SUPERBLOCK_CUTS_OFFSET 56 /* of the field in a slot */
#define ROTOR_TREE_ID_BYTES 16
#define ROTOR_MIN_SHARD_BITS 7
#define ROTOR_MAX_SHARD_BITS 40

typedef struct rotor_superblock {
    uint32_t arity;
    uint32_t max_depth;
    uint32_t hash_profile;
    uint32_t shard_bits;
    uint8_t tree_id[ROTOR_TREE_ID_BYTES];
    uint64_t generation;
    uint64_t cuts;
    uint64_t size;
    rotor_hash root;
    uint64_t log_segment;
    uint64_t log_sequence;
    uint64_t log_end;
} rotor_superblock;

void rotor_superblock_encode(const rotor_superblock *superblock, uint8_t slot[ROTOR_SUPERBLOCK_SLOT_BYTES]);

/* ROTOR_MALFORMED for anything that encode() would not have written; ROTOR_UNSUPPORTED for another format version (with
 * a valid checksum). */
rotor_status rotor_superblock_decode(rotor_superblock *superblock, const uint8_t slot[ROTOR_SUPERBLOCK_SLOT_BYTES]);

/* Reads both slots from an open file and takes the newer valid one; *damaged_slots counts those that are not valid.
 * ROTOR_DAMAGED when neither is, or the file has not two slots; ROTOR_UNSUPPORTED; ROTOR_IO. */
rotor_status rotor_superblock_read(rotor_superblock *superblock, uint32_t *damaged_slots, const rotor_file *file,
                                   rotor_error *error);

/* Commits: raises superblock->generation by one and writes and syncs the slot, then the same for the other slot. When
 * it fails, the old or the new contents are what the next read finds. */
rotor_status rotor_superblock_commit(rotor_superblock *superblock, const rotor_file *file, rotor_error *error);

#endif
