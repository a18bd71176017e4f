/* The bytes of the superblock, how its two slots are judged, and the order in which they are written. Must not know
 * what the levels and the log hold. */
#include "store/superblock.h"

#include "base/bytes.h"
#include "base/error.h"
#include "hash/blake3.h"
#include "tree/shape.h"

#include <inttypes.h>
#include <string.h>

#define FORMAT_VERSION 1
#define SLOTS 2
/* Looks at a file that somebody writes meanwhile. One is enough but for a reader who is stopped for the whole of a sync
 * in the middle of each. */
#define MOST_LOOKS 16

enum offset {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_ARITY = 12,
    AT_MAX_DEPTH = 16,
    AT_HASH_PROFILE = 20,
    AT_SHARD_BITS = 24,
    AT_RESERVED = 28,
    AT_TREE_ID = 32,
    AT_GENERATION = 48,
    AT_CUTS = ROTOR_SUPERBLOCK_CUTS_OFFSET,
    AT_SIZE = 64,
    AT_ROOT = 72,
    AT_LOG_SEGMENT = 104,
    AT_LOG_SEQUENCE = 112,
    AT_LOG_END = 120,
    AT_REST = 128,
    AT_CHECKSUM = 4064,
};

static const uint8_t magic[8] = {'R', 'O', 'T', 'O', 'R', 'T', 'R', 'E'};

/* ---------------------------------------------------------------- one slot */

void rotor_superblock_encode(const rotor_superblock *superblock, uint8_t slot[ROTOR_SUPERBLOCK_SLOT_BYTES]) {
    memset(slot, 0, ROTOR_SUPERBLOCK_SLOT_BYTES);
    memcpy(slot + AT_MAGIC, magic, sizeof magic);
    rotor_put_u32(slot + AT_VERSION, FORMAT_VERSION);
    rotor_put_u32(slot + AT_ARITY, superblock->arity);
    rotor_put_u32(slot + AT_MAX_DEPTH, superblock->max_depth);
    rotor_put_u32(slot + AT_HASH_PROFILE, superblock->hash_profile);
    rotor_put_u32(slot + AT_SHARD_BITS, superblock->shard_bits);
    memcpy(slot + AT_TREE_ID, superblock->tree_id, ROTOR_TREE_ID_BYTES);
    rotor_put_u64(slot + AT_GENERATION, superblock->generation);
    rotor_put_u64(slot + AT_CUTS, superblock->cuts);
    rotor_put_u64(slot + AT_SIZE, superblock->size);
    memcpy(slot + AT_ROOT, superblock->root.bytes, ROTOR_HASH_BYTES);
    rotor_put_u64(slot + AT_LOG_SEGMENT, superblock->log_segment);
    rotor_put_u64(slot + AT_LOG_SEQUENCE, superblock->log_sequence);
    rotor_put_u64(slot + AT_LOG_END, superblock->log_end);
    rotor_blake3_hash(slot + AT_CHECKSUM, slot, AT_CHECKSUM);
}

static bool all_zero(const uint8_t *bytes, size_t count) {
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

/* Whether a tree of this arity and depth can have so many leaves. */
static bool size_fits(uint64_t size, uint32_t arity, uint32_t max_depth) {
    if (size > ROTOR_SHAPE_MAX_SIZE) {
        return false;
    }
    uint64_t capacity = 1;
    for (uint32_t level = 0; level < max_depth && capacity < size; level++) {
        capacity *= arity; /* below 2^58 * 255 */
    }
    return size <= capacity;
}

/* What is wrong with the fields, or NULL. Which hash profiles there are is for others to know. */
static const char *bad_field(const rotor_superblock *superblock) {
    if (superblock->arity < ROTOR_MIN_ARITY || superblock->arity > ROTOR_MAX_ARITY) {
        return "the arity is out of range";
    }
    if (superblock->max_depth < ROTOR_MIN_DEPTH || superblock->max_depth > ROTOR_MAX_DEPTH) {
        return "the maximum depth is out of range";
    }
    if (superblock->hash_profile == 0) {
        return "there is no hash profile";
    }
    if (superblock->shard_bits < ROTOR_MIN_SHARD_BITS || superblock->shard_bits > ROTOR_MAX_SHARD_BITS) {
        return "the shard bits are out of range";
    }
    if (superblock->generation == 0) {
        return "the generation is 0";
    }
    if (!size_fits(superblock->size, superblock->arity, superblock->max_depth)) {
        return "the size is more than a tree of this arity and depth can hold";
    }
    if (superblock->size == 0 && !all_zero(superblock->root.bytes, ROTOR_HASH_BYTES)) {
        return "the empty tree has a root";
    }
    if (superblock->log_segment == 0) {
        return "the log segment is 0";
    }
    if (superblock->log_end < superblock->log_sequence) {
        return "the log ends before it begins";
    }
    return NULL;
}

/* *reason is a static string when the result is not ROTOR_OK. */
static rotor_status judge(rotor_superblock *superblock, const uint8_t *slot, const char **reason) {
    uint8_t checksum[32];
    if (memcmp(slot + AT_MAGIC, magic, sizeof magic) != 0) {
        *reason = all_zero(slot, ROTOR_SUPERBLOCK_SLOT_BYTES) ? "all bytes are zero" : "it does not begin as a slot";
        return ROTOR_MALFORMED;
    }
    rotor_blake3_hash(checksum, slot, AT_CHECKSUM);
    if (memcmp(slot + AT_CHECKSUM, checksum, sizeof checksum) != 0) {
        *reason = "the checksum does not match";
        return ROTOR_MALFORMED;
    }
    if (rotor_get_u32(slot + AT_VERSION) != FORMAT_VERSION) {
        *reason = "the format version is another";
        return ROTOR_UNSUPPORTED;
    }
    if (rotor_get_u32(slot + AT_RESERVED) != 0 || !all_zero(slot + AT_REST, AT_CHECKSUM - AT_REST)) {
        *reason = "reserved bytes are not zero";
        return ROTOR_MALFORMED;
    }
    rotor_superblock decoded = {
        .arity = rotor_get_u32(slot + AT_ARITY),
        .max_depth = rotor_get_u32(slot + AT_MAX_DEPTH),
        .hash_profile = rotor_get_u32(slot + AT_HASH_PROFILE),
        .shard_bits = rotor_get_u32(slot + AT_SHARD_BITS),
        .generation = rotor_get_u64(slot + AT_GENERATION),
        .cuts = rotor_get_u64(slot + AT_CUTS),
        .size = rotor_get_u64(slot + AT_SIZE),
        .log_segment = rotor_get_u64(slot + AT_LOG_SEGMENT),
        .log_sequence = rotor_get_u64(slot + AT_LOG_SEQUENCE),
        .log_end = rotor_get_u64(slot + AT_LOG_END),
    };
    memcpy(decoded.tree_id, slot + AT_TREE_ID, ROTOR_TREE_ID_BYTES);
    memcpy(decoded.root.bytes, slot + AT_ROOT, ROTOR_HASH_BYTES);
    *reason = bad_field(&decoded);
    if (*reason != NULL) {
        return ROTOR_MALFORMED;
    }
    *superblock = decoded;
    return ROTOR_OK;
}

rotor_status rotor_superblock_decode(rotor_superblock *superblock, const uint8_t slot[ROTOR_SUPERBLOCK_SLOT_BYTES]) {
    const char *reason;
    return judge(superblock, slot, &reason);
}

/* ---------------------------------------------------------------- both slots */

static bool same_tree(const rotor_superblock *a, const rotor_superblock *b) {
    return a->arity == b->arity && a->max_depth == b->max_depth && a->hash_profile == b->hash_profile &&
           a->shard_bits == b->shard_bits && memcmp(a->tree_id, b->tree_id, ROTOR_TREE_ID_BYTES) == 0;
}

/* A slot that is valid in itself may still be in the wrong place. */
static rotor_status judge_in_place(rotor_superblock *superblock, const uint8_t *bytes, unsigned slot,
                                   const char **reason) {
    rotor_superblock decoded;
    rotor_status status = judge(&decoded, bytes + slot * (size_t)ROTOR_SUPERBLOCK_SLOT_BYTES, reason);
    if (status != ROTOR_OK) {
        return status;
    }
    if (decoded.generation % SLOTS != slot) {
        *reason = "its generation belongs into the other slot";
        return ROTOR_MALFORMED;
    }
    *superblock = decoded;
    return ROTOR_OK;
}

static rotor_status choose(rotor_superblock *superblock, uint32_t *damaged_slots, const uint8_t *bytes,
                           const rotor_file *file, rotor_error *error) {
    rotor_superblock slots[SLOTS];
    rotor_status statuses[SLOTS];
    const char *reasons[SLOTS] = {NULL, NULL};
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        statuses[slot] = judge_in_place(&slots[slot], bytes, slot, &reasons[slot]);
    }
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (statuses[slot] == ROTOR_UNSUPPORTED) {
            return rotor_fail(error, ROTOR_UNSUPPORTED, 0,
                              "%.300s/%s: slot %u has format version %" PRIu32
                              ", this library reads version %d: use the version of the library that wrote it",
                              file->directory->path, file->name, slot,
                              rotor_get_u32(bytes + slot * (size_t)ROTOR_SUPERBLOCK_SLOT_BYTES + AT_VERSION),
                              FORMAT_VERSION);
        }
    }
    bool valid[SLOTS] = {statuses[0] == ROTOR_OK, statuses[1] == ROTOR_OK};
    if (!valid[0] && !valid[1]) {
        return rotor_fail(error, ROTOR_DAMAGED, 0, "%.300s/%s: neither slot is valid: in slot 0 %s, in slot 1 %s",
                          file->directory->path, file->name, reasons[0], reasons[1]);
    }
    if (valid[0] && valid[1] && !same_tree(&slots[0], &slots[1])) {
        return rotor_fail(
            error, ROTOR_DAMAGED, 0,
            "%.300s/%s: slot 0 and slot 1 are both valid, but of different trees: one comes from elsewhere",
            file->directory->path, file->name);
    }
    unsigned newer = valid[1] && (!valid[0] || slots[1].generation > slots[0].generation);
    *superblock = slots[newer];
    *damaged_slots = valid[0] && valid[1] ? 0 : 1;
    return ROTOR_OK;
}

rotor_status rotor_superblock_read(rotor_superblock *superblock, uint32_t *damaged_slots, const rotor_file *file,
                                   rotor_error *error) {
    uint8_t bytes[ROTOR_SUPERBLOCK_BYTES];
    uint8_t before[ROTOR_SUPERBLOCK_BYTES];
    rotor_os_status facts;
    rotor_status status = rotor_file_status(file, &facts, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (facts.bytes != ROTOR_SUPERBLOCK_BYTES) {
        return rotor_fail(error, ROTOR_DAMAGED, 0, "%.300s/%s: a file of %" PRIu64 " bytes, not a file of %d bytes",
                          file->directory->path, file->name, facts.bytes, ROTOR_SUPERBLOCK_BYTES);
    }
    status = rotor_file_read(file, bytes, sizeof bytes, 0, error);
    if (status != ROTOR_OK) {
        return status;
    }
    /* A reader in another process may meet both slots half-written, each by another commit. That is no damage as long
     * as the next look finds other bytes. */
    rotor_error damage;
    status = choose(superblock, damaged_slots, bytes, file, &damage);
    for (unsigned look = 1; status == ROTOR_DAMAGED && look < MOST_LOOKS; look++) {
        memcpy(before, bytes, sizeof bytes);
        status = rotor_file_read(file, bytes, sizeof bytes, 0, error);
        if (status != ROTOR_OK) {
            return status;
        }
        status = choose(superblock, damaged_slots, bytes, file, &damage);
        if (memcmp(before, bytes, sizeof bytes) == 0) {
            break;
        }
    }
    if (status != ROTOR_OK && error != NULL) {
        *error = damage;
    }
    return status;
}

static rotor_status write_slot(rotor_superblock *superblock, const rotor_file *file, rotor_error *error) {
    uint8_t slot[ROTOR_SUPERBLOCK_SLOT_BYTES];
    superblock->generation++;
    rotor_superblock_encode(superblock, slot);
    uint64_t offset = superblock->generation % SLOTS * ROTOR_SUPERBLOCK_SLOT_BYTES;
    rotor_status status = rotor_file_write(file, slot, sizeof slot, offset, error);
    return status == ROTOR_OK ? rotor_file_sync(file, error) : status;
}

rotor_status rotor_superblock_commit(rotor_superblock *superblock, const rotor_file *file, rotor_error *error) {
    if (superblock->generation > UINT64_MAX - SLOTS) {
        return rotor_fail(error, ROTOR_DAMAGED, 0, "%.300s/%s: generation %" PRIu64 " has no successor",
                          file->directory->path, file->name, superblock->generation);
    }
    rotor_status status = write_slot(superblock, file, error);
    return status == ROTOR_OK ? write_slot(superblock, file, error) : status;
}
