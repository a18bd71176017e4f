/* A superblock file: whatever is accepted is canonical and within bounds, the right slot is taken, and a commit on top
 * of it is read back.
 *
 * Input: one byte of flags; the first 128 bytes of slot 0 and of slot 1; then patches of four bytes, an offset (two
 * bytes), what to exclusive-or, and a spare one. The rest of the file is zeros. Flags 1 and 2: slot 0, slot 1 get a
 * right checksum after the patches; 4: the file is as many bytes short as there are patches. */
#include "demand.h"

#include "base/bytes.h"
#include "hash/blake3.h"
#include "os/file.h"
#include "rotortree.h"
#include "store/superblock.h"
#include "tree/shape.h"

#include <stdlib.h>
#include <string.h>

#define SLOT ROTOR_SUPERBLOCK_SLOT_BYTES
#define HEAD 128
#define CHECKSUM_AT 4064

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---------------------------------------------------------------- the file, in memory */

typedef struct memory_file {
    uint8_t bytes[2 * SLOT];
    uint64_t length;
} memory_file;

static int memory_open_directory(void *context, const char *path) {
    (void)context;
    (void)path;
    return 3;
}

static int memory_open(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    (void)context;
    (void)directory;
    (void)name;
    (void)flags;
    (void)mode;
    return 4;
}

static int memory_close(void *context, int file) {
    (void)context;
    (void)file;
    return 0;
}

static int64_t memory_read(void *context, int file, void *bytes, size_t count, uint64_t offset) {
    const memory_file *memory = context;
    (void)file;
    if (offset >= memory->length) {
        return 0;
    }
    count = count < memory->length - offset ? count : (size_t)(memory->length - offset);
    memcpy(bytes, memory->bytes + offset, count);
    return (int64_t)count;
}

static int64_t memory_write(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    memory_file *memory = context;
    (void)file;
    demand(offset <= sizeof memory->bytes && count <= sizeof memory->bytes - offset);
    memcpy(memory->bytes + offset, bytes, count);
    return (int64_t)count;
}

static int memory_sync(void *context, int file) {
    (void)context;
    (void)file;
    return 0;
}

static int memory_status(void *context, int file, rotor_os_status *status) {
    const memory_file *memory = context;
    (void)file;
    *status = (rotor_os_status){.bytes = memory->length, .links = 1};
    return 0;
}

/* ---------------------------------------------------------------- what is expected */

static void demand_in_bounds(const rotor_superblock *superblock) {
    demand(superblock->arity >= ROTOR_MIN_ARITY && superblock->arity <= ROTOR_MAX_ARITY);
    demand(superblock->max_depth >= ROTOR_MIN_DEPTH && superblock->max_depth <= ROTOR_MAX_DEPTH);
    demand(superblock->hash_profile != 0 && superblock->generation != 0 && superblock->log_segment != 0);
    demand(superblock->shard_bits >= ROTOR_MIN_SHARD_BITS && superblock->shard_bits <= ROTOR_MAX_SHARD_BITS);
    demand(superblock->log_end >= superblock->log_sequence);
    demand(superblock->size <= ROTOR_SHAPE_MAX_SIZE);
    demand(rotor_shape_depth(rotor_radix_of(superblock->arity), superblock->size) <= superblock->max_depth);
    static const rotor_hash zeros;
    demand(superblock->size != 0 || memcmp(&superblock->root, &zeros, sizeof zeros) == 0);
}

static rotor_status decode_slot(rotor_superblock *superblock, const uint8_t *bytes, unsigned slot) {
    uint8_t again[SLOT];
    rotor_status status = rotor_superblock_decode(superblock, bytes);
    demand(status == ROTOR_OK || status == ROTOR_MALFORMED || status == ROTOR_UNSUPPORTED);
    if (status != ROTOR_OK) {
        return status;
    }
    rotor_superblock_encode(superblock, again);
    demand(memcmp(again, bytes, sizeof again) == 0);
    demand_in_bounds(superblock);
    return superblock->generation % 2 == slot ? ROTOR_OK : ROTOR_MALFORMED;
}

static void demand_words(const rotor_error *error, rotor_status status) {
    demand(error->status == status && memchr(error->message, '\0', sizeof error->message) != NULL);
    for (const char *c = error->message; *c != '\0'; c++) {
        demand(*c >= ' ' && *c <= '~');
    }
    demand(strstr(error->message, ROTOR_SUPERBLOCK_NAME) != NULL);
}

static void demand_commit(rotor_superblock *superblock, const rotor_file *file) {
    uint64_t generation = superblock->generation;
    rotor_superblock again;
    uint32_t damaged = 7;
    rotor_error error;
    superblock->cuts++;
    rotor_status status = rotor_superblock_commit(superblock, file, &error);
    if (generation > UINT64_MAX - 2) {
        demand(status == ROTOR_DAMAGED && superblock->generation == generation);
        return;
    }
    demand(status == ROTOR_OK && superblock->generation == generation + 2);
    demand(rotor_superblock_read(&again, &damaged, file, &error) == ROTOR_OK && damaged == 0);
    demand(again.generation == superblock->generation && again.cuts == superblock->cuts);
    demand(again.size == superblock->size && memcmp(&again.root, &superblock->root, sizeof again.root) == 0);
}

static void read_and_judge(const memory_file *memory, const rotor_file *file) {
    rotor_superblock slots[2];
    rotor_superblock got;
    uint32_t damaged = 7;
    rotor_error error;
    rotor_status zero = decode_slot(&slots[0], memory->bytes, 0);
    rotor_status one = decode_slot(&slots[1], memory->bytes + SLOT, 1);
    rotor_status status = rotor_superblock_read(&got, &damaged, file, &error);
    demand(rotor_superblock_read(&got, &damaged, file, NULL) == status);
    bool whole = memory->length == sizeof memory->bytes;
    if (whole && (zero == ROTOR_UNSUPPORTED || one == ROTOR_UNSUPPORTED)) {
        demand(status == ROTOR_UNSUPPORTED);
    } else if (whole && zero == ROTOR_OK && one == ROTOR_OK) {
        /* The identity: arity to shard bits, and the id. */
        bool same = memcmp(memory->bytes + 12, memory->bytes + SLOT + 12, 16) == 0 &&
                    memcmp(memory->bytes + 32, memory->bytes + SLOT + 32, 16) == 0;
        demand(status == (same ? ROTOR_OK : ROTOR_DAMAGED));
        demand(!same || damaged == 0);
        demand(!same || (got.generation >= slots[0].generation && got.generation >= slots[1].generation));
    } else if (whole && (zero == ROTOR_OK || one == ROTOR_OK)) {
        demand(status == ROTOR_OK && damaged == 1);
        demand(got.generation == slots[zero == ROTOR_OK ? 0 : 1].generation);
    } else {
        demand(status == ROTOR_DAMAGED);
    }
    if (status != ROTOR_OK) {
        demand_words(&error, status);
        return;
    }
    demand_in_bounds(&got);
    demand_commit(&got, file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 + 2 * HEAD) {
        return 0;
    }
    memory_file memory = {.length = sizeof memory.bytes};
    unsigned flags = data[0];
    memcpy(memory.bytes, data + 1, HEAD);
    memcpy(memory.bytes + SLOT, data + 1 + HEAD, HEAD);
    size_t patches = (size - 1 - 2 * HEAD) / 4;
    for (size_t i = 0; i < patches; i++) {
        const uint8_t *patch = data + 1 + 2 * HEAD + 4 * i;
        memory.bytes[(patch[0] | (size_t)patch[1] << 8) % sizeof memory.bytes] ^= patch[2];
    }
    for (unsigned slot = 0; slot < 2; slot++) {
        if ((flags >> slot & 1) != 0) {
            uint8_t *bytes = memory.bytes + slot * (size_t)SLOT;
            rotor_blake3_hash(bytes + CHECKSUM_AT, bytes, CHECKSUM_AT);
        }
    }
    if ((flags & 4) != 0) {
        memory.length -= patches < memory.length ? patches : memory.length;
    }
    rotor_os os = {.context = &memory,
                   .open_directory = memory_open_directory,
                   .open = memory_open,
                   .close = memory_close,
                   .read = memory_read,
                   .write = memory_write,
                   .sync = memory_sync,
                   .status = memory_status};
    rotor_directory directory;
    rotor_file file;
    demand(rotor_directory_open(&directory, &os, "tree", 0600, NULL) == ROTOR_OK);
    demand(rotor_file_open(&file, &directory, ROTOR_SUPERBLOCK_NAME, ROTOR_OS_WRITE, NULL) == ROTOR_OK);
    read_and_judge(&memory, &file);
    rotor_file_close(&file);
    rotor_directory_close(&directory);
    return 0;
}
