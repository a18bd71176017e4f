/* Replay of log segments of any bytes: it never crashes, hands out only leaves that have the checksum of a frame that
 * is in the input, in an unbroken order, and says the same when asked twice.
 *
 * An input is: the number of segments, the log end of the superblock, shard bits, and flags, a byte each; the lengths
 * of three segments, 16 bits each; the segments; and level 0, which is the rest. Flags: 1, the checksums of headers are
 * made right first; 2, segments are as short as they are. Without 2 zeros follow up to the least length of a segment,
 * since shorter ones are refused before anything else is looked at. */
#include "demand.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "rotortree.h"
#include "store/level_files.h"
#include "store/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEGMENTS_MOST 3

typedef struct served_file {
    uint8_t *bytes;
    size_t size;
} served_file;

typedef struct served {
    served_file segments[SEGMENTS_MOST]; /* numbers 1, 2, ... */
    unsigned count;
    served_file level0;
    uint32_t shard_bits;
    uint8_t tree_id[ROTOR_TREE_ID_BYTES];
} served;

typedef struct received {
    const served *input;
    uint64_t size;
    uint64_t frames;
    uint32_t digest;
    uint8_t *places; /* for PLACES leaves; or NULL */
} received;

#define PLACES 1024u

/* ---- the files */

/* Handles: the number of a segment, or 1000 and the number of a shard of level 0. */
#define LEVEL0_HANDLE 1000

static int open_file(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    const served *files = context;
    uint64_t number;
    uint32_t level;
    (void)directory;
    (void)mode;
    demand(flags == ROTOR_OS_READ);
    if (rotor_log_parse(name, &number)) {
        return number >= 1 && number <= files->count ? (int)number : -ENOENT;
    }
    demand(rotor_level_file_parse(name, &level, &number) && level == 0);
    bool exists = number < 1000 && number << files->shard_bits < (files->level0.size + 31) / 32;
    return exists ? LEVEL0_HANDLE + (int)number : -ENOENT;
}

static served_file file_of(const served *files, int handle) {
    if (handle < LEVEL0_HANDLE) {
        return files->segments[handle - 1];
    }
    size_t shard_bytes = (size_t)32 << files->shard_bits;
    size_t start = (size_t)(handle - LEVEL0_HANDLE) * shard_bytes;
    size_t rest = files->level0.size - start;
    return (served_file){files->level0.bytes + start, rest < shard_bytes ? rest : shard_bytes};
}

static int close_file(void *context, int handle) {
    (void)context;
    (void)handle;
    return 0;
}

static int64_t read_file(void *context, int handle, void *bytes, size_t count, uint64_t offset) {
    served_file file = file_of(context, handle);
    if (offset >= file.size || count == 0) {
        return 0;
    }
    size_t rest = file.size - (size_t)offset;
    count = count < rest ? count : rest;
    memcpy(bytes, file.bytes + offset, count);
    return (int64_t)count;
}

static int status_of_file(void *context, int handle, rotor_os_status *status) {
    *status = (rotor_os_status){.bytes = file_of(context, handle).size, .links = 1};
    return 0;
}

/* ---- what comes out */

/* Whether some segment has a frame that says so. */
static bool is_told(const served *input, uint32_t kind, uint64_t first, uint64_t count, uint32_t crc) {
    for (unsigned i = 0; i < input->count; i++) {
        const served_file *file = &input->segments[i];
        for (size_t at = ROTOR_LOG_HEADER_BYTES; at + ROTOR_LOG_HEADER_BYTES <= file->size; at += ROTOR_LOG_UNIT) {
            rotor_frame frame;
            if (rotor_frame_decode(&frame, input->tree_id, i + 1, file->bytes + at) && frame.kind == kind &&
                frame.first == first && frame.count == count && frame.leaves_crc == crc) {
                return true;
            }
        }
    }
    return false;
}

static rotor_status take_leaves(void *context, uint64_t first, const uint8_t *leaves, uint64_t count,
                                bool in_level_files, rotor_error *error) {
    received *taken = context;
    (void)error;
    if (leaves == NULL) {
        demand(taken->places != NULL && first + count <= PLACES);
        leaves = taken->places + ROTOR_HASH_BYTES * first;
    } else {
        demand((uintptr_t)leaves % 64 == 0);
    }
    demand(count >= 1 && count <= ROTOR_LOG_MOST_LEAVES && first == taken->size);
    uint32_t crc = rotor_crc32c_portable(0, leaves, (size_t)count * ROTOR_HASH_BYTES);
    demand(is_told(taken->input, in_level_files ? ROTOR_FRAME_EXTENT : ROTOR_FRAME_LEAVES, first, count, crc));
    taken->size += count;
    taken->frames++;
    taken->digest = rotor_crc32c(taken->digest, &crc, sizeof crc);
    return ROTOR_OK;
}

static uint8_t *place_leaves(void *context, uint64_t first, uint64_t count) {
    const received *taken = context;
    return first <= PLACES && count <= PLACES - first ? taken->places + ROTOR_HASH_BYTES * first : NULL;
}

static rotor_status take_cut(void *context, uint64_t size, uint64_t segment, uint64_t sequence, rotor_error *error) {
    received *taken = context;
    (void)error;
    demand(size <= taken->size && segment >= 1 && segment <= taken->input->count && sequence > taken->frames);
    demand(is_told(taken->input, ROTOR_FRAME_TRUNCATE, size, 0, 0));
    taken->size = size;
    taken->frames++;
    return ROTOR_OK;
}

static rotor_status replay(const served *input, uint64_t log_end, rotor_log_position *position, received *taken,
                           uint8_t *places) {
    served files = *input;
    rotor_os os = {
        .context = &files, .open = open_file, .close = close_file, .read = read_file, .status = status_of_file};
    char path[] = "tree";
    rotor_directory directory = {.os = &os, .handle = 1, .path = path};
    rotor_superblock superblock = {
        .arity = 2, .shard_bits = input->shard_bits, .log_segment = 1, .log_sequence = 1, .log_end = log_end};
    memcpy(superblock.tree_id, input->tree_id, sizeof superblock.tree_id);
    rotor_log_reader reader = {
        .context = taken, .place = places != NULL ? place_leaves : NULL, .leaves = take_leaves, .truncate = take_cut};
    rotor_error error = {.status = ROTOR_OK};
    *taken = (received){.input = input};
    taken->places = places;
    rotor_status status = rotor_log_replay(position, &directory, &superblock, &reader, &error);
    if (status != ROTOR_OK) {
        demand(status == ROTOR_DAMAGED && error.status == status && strstr(error.message, "tree/log-") != NULL);
        return status;
    }
    demand(position->segment >= 1 && position->segment <= input->count);
    const served_file *last = &input->segments[position->segment - 1];
    demand(position->end >= ROTOR_LOG_HEADER_BYTES && position->end % ROTOR_LOG_UNIT == 0);
    demand(position->end <= last->size && position->torn_bytes <= last->size - position->end);
    for (uint64_t at = position->end + position->torn_bytes; at < last->size; at++) {
        demand(last->bytes[at] == 0);
    }
    demand(position->torn_bytes == 0 || last->bytes[position->end + position->torn_bytes - 1] != 0);
    demand(position->size == taken->size && position->sequence >= log_end);
    /* One `end` frame led from each segment to the next. */
    demand(position->sequence == 1 + taken->frames + (position->segment - 1));
    return status;
}

/* ---- the input */

/* Without this a fuzzer would have to find the checksums of what it changes. */
static void right_headers(const served *input) {
    for (unsigned i = 0; i < input->count; i++) {
        uint8_t *bytes = input->segments[i].bytes;
        size_t size = input->segments[i].size;
        if (size >= ROTOR_LOG_HEADER_BYTES) {
            rotor_put_u32(bytes + 60, rotor_crc32c(0, bytes, 60));
        }
        for (size_t at = ROTOR_LOG_HEADER_BYTES; at + ROTOR_LOG_HEADER_BYTES <= size; at += ROTOR_LOG_UNIT) {
            if (memcmp(bytes + at, "RTLF", 4) == 0) {
                uint32_t crc = rotor_crc32c(0, input->tree_id, sizeof input->tree_id);
                rotor_put_u32(bytes + at + 60, rotor_crc32c(crc, bytes + at, 60));
            }
        }
    }
}

/* Of at least `least` bytes. */
static served_file take_file(const uint8_t **data, size_t *size, size_t bytes, size_t least) {
    bytes = bytes < *size ? bytes : *size;
    served_file file = {NULL, bytes < least ? least : bytes};
    file.bytes = calloc(file.size != 0 ? file.size : 1, 1);
    demand(file.bytes != NULL);
    memcpy(file.bytes, *data, bytes);
    *data += bytes;
    *size -= bytes;
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    served input = {.count = 0};
    if (size < 4 + 2 * SEGMENTS_MOST) {
        return 0;
    }
    const uint8_t *options = data;
    data += 4 + 2 * SEGMENTS_MOST;
    size -= 4 + 2 * SEGMENTS_MOST;
    memset(input.tree_id, 0xc3, sizeof input.tree_id);
    input.count = options[0] % (SEGMENTS_MOST + 1u);
    input.shard_bits = ROTOR_MIN_SHARD_BITS + options[2] % 4u;
    for (unsigned i = 0; i < input.count; i++) {
        input.segments[i] = take_file(&data, &size, options[4 + 2 * i] | (size_t)options[5 + 2 * i] << 8,
                                      (options[3] & 2) != 0 ? 0 : ROTOR_LOG_LEAST_BYTES);
    }
    input.level0 = take_file(&data, &size, size, 0);
    if (options[3] % 2 != 0) {
        right_headers(&input);
    }
    rotor_log_position position = {.segment = 0};
    rotor_log_position again = {.segment = 0};
    received taken;
    received taken_again;
    rotor_status status = replay(&input, options[1], &position, &taken, NULL);
    /* With leaves put to their places ahead of their turn nothing else may come out. */
    uint8_t *places = malloc((size_t)PLACES * ROTOR_HASH_BYTES);
    demand(places != NULL);
    demand(replay(&input, options[1], &again, &taken_again, places) == status);
    free(places);
    demand(taken.frames == taken_again.frames && taken.digest == taken_again.digest);
    demand(memcmp(&position, &again, sizeof position) == 0);
    for (unsigned i = 0; i < input.count; i++) {
        free(input.segments[i].bytes);
    }
    free(input.level0.bytes);
    return 0;
}
