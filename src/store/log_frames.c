/* The bytes of the log: names of segments, their headers, and the headers of frames (docs/format.md). Knows no files.
 */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/log.h"
#include "tree/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_VERSION 1
#define CHECKED_BYTES 60 /* of either header, before its checksum */
#define NAME_PREFIX "log-"
#define NAME_DIGITS 16

static const uint8_t segment_magic[8] = {'R', 'O', 'T', 'O', 'R', 'L', 'O', 'G'};
static const uint8_t frame_magic[4] = {'R', 'T', 'L', 'F'};

static uint32_t frame_checksum(const uint8_t tree_id[ROTOR_TREE_ID_BYTES], const uint8_t *bytes) {
    return rotor_crc32c(rotor_crc32c(0, tree_id, ROTOR_TREE_ID_BYTES), bytes, CHECKED_BYTES);
}

static bool has_leaves(uint32_t kind) {
    return kind == ROTOR_FRAME_LEAVES || kind == ROTOR_FRAME_EXTENT;
}

void rotor_frame_encode(const rotor_frame *frame, const uint8_t tree_id[ROTOR_TREE_ID_BYTES],
                        uint8_t bytes[ROTOR_LOG_HEADER_BYTES]) {
    memset(bytes, 0, ROTOR_LOG_HEADER_BYTES);
    memcpy(bytes, frame_magic, sizeof frame_magic);
    rotor_put_u32(bytes + 4, frame->kind);
    rotor_put_u64(bytes + 8, frame->sequence);
    rotor_put_u64(bytes + 16, frame->durable);
    rotor_put_u64(bytes + 24, frame->first);
    rotor_put_u64(bytes + 32, frame->count);
    rotor_put_u64(bytes + 40, frame->segment);
    rotor_put_u32(bytes + 56, frame->leaves_crc);
    rotor_put_u32(bytes + CHECKED_BYTES, frame_checksum(tree_id, bytes));
}

/* Together with the size before the frame these bounds keep every size within what a tree can have. */
static bool frame_is_in_bounds(const rotor_frame *frame) {
    if (frame->first > ROTOR_SHAPE_MAX_SIZE) {
        return false;
    }
    if (has_leaves(frame->kind)) {
        return frame->count >= 1 && frame->count <= ROTOR_LOG_MOST_LEAVES &&
               frame->count <= ROTOR_SHAPE_MAX_SIZE - frame->first;
    }
    return (frame->kind == ROTOR_FRAME_TRUNCATE || frame->kind == ROTOR_FRAME_END) && frame->count == 0 &&
           frame->leaves_crc == 0;
}

bool rotor_frame_decode(rotor_frame *frame, const uint8_t tree_id[ROTOR_TREE_ID_BYTES], uint64_t segment,
                        const uint8_t bytes[ROTOR_LOG_HEADER_BYTES]) {
    if (memcmp(bytes, frame_magic, sizeof frame_magic) != 0 ||
        rotor_get_u32(bytes + CHECKED_BYTES) != frame_checksum(tree_id, bytes)) {
        return false;
    }
    rotor_frame decoded = {
        .kind = rotor_get_u32(bytes + 4),
        .sequence = rotor_get_u64(bytes + 8),
        .durable = rotor_get_u64(bytes + 16),
        .first = rotor_get_u64(bytes + 24),
        .count = rotor_get_u64(bytes + 32),
        .segment = rotor_get_u64(bytes + 40),
        .leaves_crc = rotor_get_u32(bytes + 56),
    };
    if (decoded.segment != segment || rotor_get_u64(bytes + 48) != 0 || !frame_is_in_bounds(&decoded)) {
        return false;
    }
    *frame = decoded;
    return true;
}

void rotor_segment_header_encode(const rotor_segment_header *header, uint8_t bytes[ROTOR_LOG_HEADER_BYTES]) {
    memset(bytes, 0, ROTOR_LOG_HEADER_BYTES);
    memcpy(bytes, segment_magic, sizeof segment_magic);
    rotor_put_u32(bytes + 8, FORMAT_VERSION);
    memcpy(bytes + 16, header->tree_id, ROTOR_TREE_ID_BYTES);
    rotor_put_u64(bytes + 32, header->segment);
    rotor_put_u64(bytes + 40, header->sequence);
    rotor_put_u64(bytes + 48, header->size);
    rotor_put_u32(bytes + CHECKED_BYTES, rotor_crc32c(0, bytes, CHECKED_BYTES));
}

bool rotor_segment_header_decode(rotor_segment_header *header, const uint8_t tree_id[ROTOR_TREE_ID_BYTES],
                                 uint64_t segment, const uint8_t bytes[ROTOR_LOG_HEADER_BYTES]) {
    if (memcmp(bytes, segment_magic, sizeof segment_magic) != 0 ||
        rotor_get_u32(bytes + CHECKED_BYTES) != rotor_crc32c(0, bytes, CHECKED_BYTES) ||
        rotor_get_u32(bytes + 8) != FORMAT_VERSION || rotor_get_u32(bytes + 12) != 0 ||
        memcmp(bytes + 16, tree_id, ROTOR_TREE_ID_BYTES) != 0 || rotor_get_u64(bytes + 32) != segment ||
        rotor_get_u64(bytes + 48) > ROTOR_SHAPE_MAX_SIZE || rotor_get_u32(bytes + 56) != 0) {
        return false;
    }
    memcpy(header->tree_id, tree_id, ROTOR_TREE_ID_BYTES);
    header->segment = segment;
    header->sequence = rotor_get_u64(bytes + 40);
    header->size = rotor_get_u64(bytes + 48);
    return true;
}

void rotor_log_name(char name[40], uint64_t segment) {
    (void)snprintf(name, 40, NAME_PREFIX "%0*" PRIu64, NAME_DIGITS, segment);
}

bool rotor_log_parse(const char *name, uint64_t *segment) {
    size_t prefix = sizeof NAME_PREFIX - 1;
    if (strlen(name) != prefix + NAME_DIGITS || memcmp(name, NAME_PREFIX, prefix) != 0) {
        return false;
    }
    uint64_t number = 0;
    for (const char *digit = name + prefix; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') {
            return false;
        }
        number = 10 * number + (uint64_t)(*digit - '0');
    }
    if (number == 0) {
        return false;
    }
    *segment = number;
    return true;
}
