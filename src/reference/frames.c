/* Encoding and decoding of the crate's fixed payloads. Must not know files. */
#include "reference/frames.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- frames with an identity */

/* What the three of them begin with: length, version, name of the file's kind, arity, maximum depth. */
#define IDENTITY_BYTES 20

static void put_identity(uint8_t *frame, uint32_t frame_bytes, const char kind[4], rotor_reference_shape shape) {
    rotor_put_u32(frame, frame_bytes - ROTOR_REFERENCE_FRAME_BYTES);
    rotor_put_u32(frame + 4, 0);
    memcpy(frame + 8, kind, 4);
    rotor_put_u32(frame + 12, shape.arity);
    rotor_put_u32(frame + 16, shape.max_depth);
}

static void put_checksum(uint8_t *frame, uint32_t frame_bytes) {
    rotor_put_u32(frame + frame_bytes - 4, rotor_crc32c(0, frame, frame_bytes - 4));
}

static rotor_status get_identity(rotor_reference_shape *shape, const uint8_t *frame, uint32_t frame_bytes,
                                 const char kind[4]) {
    if (rotor_get_u32(frame) != frame_bytes - ROTOR_REFERENCE_FRAME_BYTES ||
        rotor_get_u32(frame + frame_bytes - 4) != rotor_crc32c(0, frame, frame_bytes - 4) ||
        memcmp(frame + 8, kind, 4) != 0) {
        return ROTOR_MALFORMED;
    }
    shape->arity = rotor_get_u32(frame + 12);
    shape->max_depth = rotor_get_u32(frame + 16);
    return rotor_get_u32(frame + 4) == 0 ? ROTOR_OK : ROTOR_UNSUPPORTED;
}

void rotor_reference_wal_header_encode(uint8_t bytes[ROTOR_REFERENCE_WAL_HEADER_BYTES], rotor_reference_shape shape) {
    put_identity(bytes, ROTOR_REFERENCE_WAL_HEADER_BYTES, "ROTR", shape);
    put_checksum(bytes, ROTOR_REFERENCE_WAL_HEADER_BYTES);
}

rotor_status rotor_reference_wal_header_decode(rotor_reference_shape *shape,
                                               const uint8_t bytes[ROTOR_REFERENCE_WAL_HEADER_BYTES]) {
    return get_identity(shape, bytes, ROTOR_REFERENCE_WAL_HEADER_BYTES, "ROTR");
}

void rotor_reference_header_encode(uint8_t bytes[ROTOR_REFERENCE_HEADER_BYTES], rotor_reference_shape shape) {
    put_identity(bytes, ROTOR_REFERENCE_HEADER_BYTES, "RTRD", shape);
    rotor_put_u32(bytes + IDENTITY_BYTES, ROTOR_REFERENCE_CHUNK_NODES);
    put_checksum(bytes, ROTOR_REFERENCE_HEADER_BYTES);
}

rotor_status rotor_reference_header_decode(rotor_reference_shape *shape,
                                           const uint8_t bytes[ROTOR_REFERENCE_HEADER_BYTES]) {
    rotor_status status = get_identity(shape, bytes, ROTOR_REFERENCE_HEADER_BYTES, "RTRD");
    if (status == ROTOR_OK && rotor_get_u32(bytes + IDENTITY_BYTES) != ROTOR_REFERENCE_CHUNK_NODES) {
        status = ROTOR_UNSUPPORTED;
    }
    return status;
}

void rotor_reference_meta_encode(uint8_t bytes[ROTOR_REFERENCE_META_BYTES], const rotor_reference_meta *meta) {
    put_identity(bytes, ROTOR_REFERENCE_META_BYTES, "RTMD", meta->shape);
    rotor_put_u64(bytes + 20, meta->last_sequence);
    rotor_put_u64(bytes + 28, meta->leaves);
    rotor_put_u32(bytes + 36, meta->depth);
    memcpy(bytes + 40, meta->root.bytes, ROTOR_HASH_BYTES);
    put_checksum(bytes, ROTOR_REFERENCE_META_BYTES);
}

rotor_status rotor_reference_meta_decode(rotor_reference_meta *meta, const uint8_t bytes[ROTOR_REFERENCE_META_BYTES]) {
    rotor_status status = get_identity(&meta->shape, bytes, ROTOR_REFERENCE_META_BYTES, "RTMD");
    if (status == ROTOR_OK) {
        meta->last_sequence = rotor_get_u64(bytes + 20);
        meta->leaves = rotor_get_u64(bytes + 28);
        meta->depth = rotor_get_u32(bytes + 36);
        memcpy(meta->root.bytes, bytes + 40, ROTOR_HASH_BYTES);
    }
    return status;
}

/* ---------------------------------------------------------------- inserts */

enum { INSERT_OF_ONE = 0, INSERT_OF_MANY = 1 };
enum { ONE_LEAF_OFFSET = 20, MANY_LEAVES_OFFSET = 32 }; /* from the frame's beginning */

rotor_status rotor_reference_insert_decode(rotor_reference_insert *insert,
                                           const uint8_t head[ROTOR_REFERENCE_INSERT_HEAD_BYTES]) {
    uint64_t checked_bytes = (uint64_t)rotor_get_u32(head) + 4;
    if (rotor_get_u32(head + 4) != 0) {
        return ROTOR_UNSUPPORTED;
    }
    insert->sequence = rotor_get_u64(head + 8);
    uint32_t kind = rotor_get_u32(head + 16);
    if (kind == INSERT_OF_ONE) {
        insert->leaves = 1;
        insert->leaves_offset = ONE_LEAF_OFFSET;
        return checked_bytes == ONE_LEAF_OFFSET + ROTOR_HASH_BYTES ? ROTOR_OK : ROTOR_MALFORMED;
    }
    /* Whether the crate owned the leaves when it wrote them: of no meaning to a reader. */
    uint32_t ownership = rotor_get_u32(head + 20);
    insert->leaves = rotor_get_u64(head + 24);
    insert->leaves_offset = MANY_LEAVES_OFFSET;
    if (kind != INSERT_OF_MANY || ownership > 1 || insert->leaves == 0 || checked_bytes < MANY_LEAVES_OFFSET) {
        return ROTOR_MALFORMED;
    }
    uint64_t leaf_bytes = checked_bytes - MANY_LEAVES_OFFSET;
    bool fits = leaf_bytes % ROTOR_HASH_BYTES == 0 && leaf_bytes / ROTOR_HASH_BYTES == insert->leaves;
    return fits ? ROTOR_OK : ROTOR_MALFORMED;
}

/* ---------------------------------------------------------------- where nodes lie */

uint32_t rotor_reference_depth(uint32_t arity, uint64_t leaves) {
    uint32_t depth = 0;
    for (uint64_t length = leaves; length > 1; length = (length - 1) / arity + 1) {
        depth++;
    }
    return depth;
}

uint32_t rotor_reference_levels(rotor_reference_shape shape, uint64_t leaves, uint64_t length[ROTOR_MAX_DEPTH]) {
    uint32_t depth = rotor_reference_depth(shape.arity, leaves);
    uint32_t levels = depth < shape.max_depth ? depth + 1 : shape.max_depth;
    length[0] = leaves;
    for (uint32_t level = 1; level < levels; level++) {
        length[level] = (length[level - 1] - 1) / shape.arity + 1;
    }
    return levels;
}

void rotor_reference_level_name(char name[40], uint32_t level) {
    (void)snprintf(name, 40, "data/level_%" PRIu32, level);
}

void rotor_reference_shard_name(char name[40], uint32_t level, uint64_t shard) {
    (void)snprintf(name, 40, "data/level_%" PRIu32 "/shard_%04" PRIu64 ".dat", level % 1000, shard % 100000000);
}
