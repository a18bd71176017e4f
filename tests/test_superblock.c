/* The superblock: its bytes as docs/format.md has them, what is refused, which slot counts, and that a commit leaves
 * the old or the new contents whatever fails and whatever of its writes reaches the disk. */
#include "support.h"

#include "hash/blake3.h"
#include "os/file.h"
#include "store/superblock.h"
#include "tree/shape.h"

#include <errno.h>

#define SLOT ROTOR_SUPERBLOCK_SLOT_BYTES
#define SECTOR 512
#define CHECKSUM_AT 4064

/* ---------------------------------------------------------------- a disk that holds one file */

enum call { READ, WRITE, SYNC, STATUS };

typedef struct disk {
    uint8_t bytes[2 * SLOT];   /* as the process sees them */
    uint8_t durable[2 * SLOT]; /* as a power failure leaves them */
    uint64_t length;
    unsigned calls;
    unsigned fails; /* this call and all later ones, from 1; 0: none */
    size_t torn;    /* bytes that the failing write leaves behind */
    enum call trace[64];
    uint64_t offsets[64];
    const uint8_t *next; /* what the file holds from the second read on */
} disk;

static bool enter(disk *d, enum call call, uint64_t offset) {
    if (d->calls < 64) {
        d->trace[d->calls] = call;
        d->offsets[d->calls] = offset;
    }
    d->calls++;
    return d->fails == 0 || d->calls < d->fails;
}

static int disk_open_directory(void *context, const char *path) {
    (void)context;
    (void)path;
    return 3;
}

static int disk_open(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    (void)context;
    (void)directory;
    (void)name;
    (void)flags;
    (void)mode;
    return 4;
}

static int disk_close(void *context, int file) {
    (void)context;
    (void)file;
    return 0;
}

static int64_t disk_read(void *context, int file, void *bytes, size_t count, uint64_t offset) {
    disk *d = context;
    (void)file;
    if (!enter(d, READ, offset)) {
        return -EIO;
    }
    if (offset >= d->length) {
        return 0;
    }
    count = count < d->length - offset ? count : (size_t)(d->length - offset);
    memcpy(bytes, d->bytes + offset, count);
    if (d->next != NULL) {
        memcpy(d->bytes, d->next, sizeof d->bytes);
    }
    return (int64_t)count;
}

static int64_t disk_write(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    disk *d = context;
    (void)file;
    assert_true(offset <= sizeof d->bytes && count <= sizeof d->bytes - offset);
    bool works = enter(d, WRITE, offset);
    size_t done = works ? count : d->torn;
    memcpy(d->bytes + offset, bytes, done);
    if (offset + done > d->length) {
        d->length = offset + done;
    }
    return works ? (int64_t)count : -EIO;
}

static int disk_sync(void *context, int file) {
    disk *d = context;
    (void)file;
    if (!enter(d, SYNC, 0)) {
        return -EIO;
    }
    memcpy(d->durable, d->bytes, sizeof d->durable);
    return 0;
}

static int disk_status(void *context, int file, rotor_os_status *status) {
    disk *d = context;
    (void)file;
    *status = (rotor_os_status){.bytes = d->length, .links = 1};
    return enter(d, STATUS, 0) ? 0 : -EIO;
}

typedef struct setup {
    disk disk;
    rotor_os os;
    rotor_directory directory;
    rotor_file file;
} setup;

static setup *set_up(void) {
    setup *s = test_alloc(1, sizeof *s);
    s->os = (rotor_os){.context = &s->disk,
                       .open_directory = disk_open_directory,
                       .open = disk_open,
                       .close = disk_close,
                       .read = disk_read,
                       .write = disk_write,
                       .sync = disk_sync,
                       .status = disk_status};
    s->disk.length = sizeof s->disk.bytes;
    expect_ok(rotor_directory_open(&s->directory, &s->os, "/trees/a", 0600, NULL), "a directory in memory");
    expect_ok(rotor_file_open(&s->file, &s->directory, ROTOR_SUPERBLOCK_NAME, ROTOR_OS_WRITE, NULL),
              "a file in memory");
    return s;
}

static void tear_down(setup *s) {
    rotor_file_close(&s->file);
    rotor_directory_close(&s->directory);
    free(s);
}

/* ---------------------------------------------------------------- contents */

static rotor_superblock example(uint64_t generation) {
    rotor_superblock superblock = {
        .arity = 4,
        .max_depth = 20,
        .hash_profile = ROTOR_HASH_BLAKE3,
        .shard_bits = 23,
        .generation = generation,
        .cuts = 5,
        .size = UINT64_C(0x0102030405),
        .log_segment = 17,
        .log_sequence = 900,
        .log_end = UINT64_C(0xfedcba9876543210),
    };
    for (unsigned i = 0; i < ROTOR_TREE_ID_BYTES; i++) {
        superblock.tree_id[i] = (uint8_t)(0xa0 + i);
    }
    superblock.root = test_random_leaf(7, 7);
    return superblock;
}

static bool same(const rotor_superblock *a, const rotor_superblock *b) {
    return a->arity == b->arity && a->max_depth == b->max_depth && a->hash_profile == b->hash_profile &&
           a->shard_bits == b->shard_bits && memcmp(a->tree_id, b->tree_id, sizeof a->tree_id) == 0 &&
           a->generation == b->generation && a->cuts == b->cuts && a->size == b->size &&
           test_same_hash(&a->root, &b->root) && a->log_segment == b->log_segment &&
           a->log_sequence == b->log_sequence && a->log_end == b->log_end;
}

static bool same_but_generation(const rotor_superblock *a, const rotor_superblock *b) {
    rotor_superblock copy = *a;
    copy.generation = b->generation;
    return same(&copy, b);
}

static void seal(uint8_t *slot) {
    rotor_blake3_hash(slot + CHECKSUM_AT, slot, CHECKSUM_AT);
}

static void put(disk *d, const rotor_superblock *superblock, unsigned slot) {
    rotor_superblock_encode(superblock, d->bytes + slot * (size_t)SLOT);
    memcpy(d->durable, d->bytes, sizeof d->durable);
}

static void put_both(disk *d, const rotor_superblock *superblock) {
    rotor_superblock before = *superblock;
    before.generation--;
    put(d, superblock, superblock->generation % 2);
    put(d, &before, before.generation % 2);
}

static void expect_message(const rotor_error *error, const char *part) {
    expect(strstr(error->message, part) != NULL, "'%s' does not say '%s'", error->message, part);
}

static void refused(setup *s, rotor_status wanted, const char *part, const char *other_part) {
    rotor_error error = {0};
    rotor_superblock found;
    memset(&found, 0x5a, sizeof found);
    rotor_superblock before = found;
    uint32_t damaged = 77;
    expect_status(rotor_superblock_read(&found, &damaged, &s->file, &error), wanted, "%s", part);
    assert_int_equal(error.status, wanted);
    expect_message(&error, "/trees/a/superblock");
    expect_message(&error, part);
    expect_message(&error, other_part);
    assert_memory_equal(&found, &before, sizeof found);
    assert_int_equal(damaged, 77);
    expect_status(rotor_superblock_read(&found, &damaged, &s->file, NULL), wanted, "%s", part);
}

static void found(setup *s, const rotor_superblock *wanted, uint32_t wanted_damaged, const char *what) {
    rotor_error error;
    memset(&error, 0x5a, sizeof error);
    rotor_error before = error;
    rotor_superblock superblock;
    uint32_t damaged = 77;
    expect_ok(rotor_superblock_read(&superblock, &damaged, &s->file, &error), "%s", what);
    expect(same(&superblock, wanted), "%s: generation %" PRIu64, what, superblock.generation);
    expect(damaged == wanted_damaged, "%s: %u slots are damaged", what, damaged);
    assert_memory_equal(&error, &before, sizeof error);
}

/* ---------------------------------------------------------------- one slot */

static void the_bytes_are_those_of_the_format(void **state) {
    (void)state;
    rotor_superblock superblock = example(UINT64_C(0x1122334455667788));
    uint8_t wanted[SLOT] = {'R', 'O', 'T', 'O', 'R', 'T', 'R', 'E', 1, 0, 0, 0, 4,
                            0,   0,   0,   20,  0,   0,   0,   1,   0, 0, 0, 23};
    uint8_t slot[SLOT];
    for (unsigned i = 0; i < 16; i++) {
        wanted[32 + i] = (uint8_t)(0xa0 + i);
    }
    test_store_u64(wanted + 48, UINT64_C(0x1122334455667788));
    test_store_u64(wanted + 56, 5);
    test_store_u64(wanted + 64, UINT64_C(0x0102030405));
    memcpy(wanted + 72, superblock.root.bytes, 32);
    test_store_u64(wanted + 104, 17);
    test_store_u64(wanted + 112, 900);
    test_store_u64(wanted + 120, UINT64_C(0xfedcba9876543210));
    seal(wanted);
    memset(slot, 0x5a, sizeof slot);
    rotor_superblock_encode(&superblock, slot);
    assert_memory_equal(slot, wanted, sizeof slot);
    assert_int_equal(test_load_u64(slot + ROTOR_SUPERBLOCK_CUTS_OFFSET), 5);
}

static void what_is_encoded_is_decoded(void **state) {
    (void)state;
    uint64_t seed = test_seed(20260101);
    test_random random = {seed};
    uint8_t slot[SLOT];
    uint8_t again[SLOT];
    for (uint64_t i = 0; i < test_scaled(3000); i++) {
        rotor_superblock superblock = {
            .arity = (uint32_t)(2 + test_below(&random, 254)),
            .max_depth = (uint32_t)(1 + test_below(&random, 64)),
            .hash_profile = (uint32_t)(1 + test_below(&random, UINT32_MAX)),
            .shard_bits = (uint32_t)(7 + test_below(&random, 34)),
            .generation = 1 + test_below(&random, UINT64_MAX),
            .cuts = test_next(&random),
            .size = test_below(&random, 3),
            .log_segment = 1 + test_below(&random, UINT64_MAX),
            .log_sequence = test_next(&random) >> 1,
        };
        superblock.log_end = superblock.log_sequence + (test_next(&random) >> 1);
        if (superblock.size != 0) {
            superblock.root = test_random_leaf(seed, i);
        }
        rotor_superblock decoded;
        rotor_superblock_encode(&superblock, slot);
        expect_ok(rotor_superblock_decode(&decoded, slot), "seed %" PRIu64 " number %" PRIu64, seed, i);
        expect(same(&superblock, &decoded), "seed %" PRIu64 " number %" PRIu64, seed, i);
        rotor_superblock_encode(&decoded, again);
        assert_memory_equal(slot, again, sizeof slot);
    }
}

static void bound(const rotor_superblock *superblock, bool allowed, const char *what) {
    uint8_t slot[SLOT];
    rotor_superblock decoded;
    memset(&decoded, 0x5a, sizeof decoded);
    rotor_superblock before = decoded;
    rotor_superblock_encode(superblock, slot);
    expect_status(rotor_superblock_decode(&decoded, slot), allowed ? ROTOR_OK : ROTOR_MALFORMED, "%s", what);
    expect(allowed ? same(&decoded, superblock) : memcmp(&decoded, &before, sizeof before) == 0, "%s", what);
}

#define BOUND(field, value, allowed)                                                                                   \
    do {                                                                                                               \
        rotor_superblock changed = example(3);                                                                         \
        changed.field = value;                                                                                         \
        bound(&changed, allowed, #field " = " #value);                                                                 \
    } while (0)

static void every_field_has_its_bounds(void **state) {
    (void)state;
    BOUND(arity, 0, false);
    BOUND(arity, 1, false);
    BOUND(arity, 5, true);
    BOUND(arity, 255, true);
    BOUND(arity, 256, false);
    BOUND(arity, UINT32_MAX, false);
    BOUND(max_depth, 0, false);
    BOUND(max_depth, 64, true);
    BOUND(max_depth, 65, false);
    BOUND(max_depth, UINT32_MAX, false);
    BOUND(hash_profile, 0, false);
    BOUND(hash_profile, 2, true);
    BOUND(shard_bits, 0, false);
    BOUND(shard_bits, 6, false);
    BOUND(shard_bits, 7, true);
    BOUND(shard_bits, 40, true);
    BOUND(shard_bits, 41, false);
    BOUND(shard_bits, UINT32_MAX, false);
    BOUND(generation, 0, false);
    BOUND(generation, 1, true);
    BOUND(generation, UINT64_MAX, true);
    BOUND(cuts, 0, true);
    BOUND(cuts, UINT64_MAX, true);
    BOUND(log_segment, 0, false);
    BOUND(log_segment, 1, true);
    BOUND(log_segment, UINT64_MAX, true);
    BOUND(log_end, 899, false);
    BOUND(log_end, 900, true);
    BOUND(log_end, 0, false);
    BOUND(log_sequence, 0, true);
    BOUND(log_sequence, UINT64_MAX, false);
    BOUND(size, 0, false); /* with a root */
    BOUND(root, (rotor_hash){{0}}, true);
}

static void the_size_fits_arity_and_depth(void **state) {
    (void)state;
    static const struct {
        uint32_t arity;
        uint32_t max_depth;
        uint64_t largest;
    } shapes[] = {
        {2, 1, 2},
        {2, 3, 8},
        {3, 4, 81},
        {255, 1, 255},
        {255, 2, 65025},
        {2, 57, UINT64_C(1) << 57},
        {2, 58, ROTOR_SHAPE_MAX_SIZE},
        {2, 64, ROTOR_SHAPE_MAX_SIZE},
        {4, 29, ROTOR_SHAPE_MAX_SIZE},
        {255, 7, UINT64_C(70110209207109375)},
        {255, 8, ROTOR_SHAPE_MAX_SIZE},
        {255, 64, ROTOR_SHAPE_MAX_SIZE},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        rotor_superblock superblock = example(2);
        superblock.arity = shapes[i].arity;
        superblock.max_depth = shapes[i].max_depth;
        superblock.size = shapes[i].largest;
        bound(&superblock, true, "the largest size");
        superblock.size++;
        bound(&superblock, false, "one more than the largest size");
        superblock.size = UINT64_MAX;
        bound(&superblock, false, "the largest number");
        superblock.size = 0;
        superblock.root = (rotor_hash){{0}};
        bound(&superblock, true, "the empty tree");
        superblock.size = 1;
        bound(&superblock, true, "one leaf of zeros");
        superblock.size = 0;
        superblock.root.bytes[31] = 1;
        bound(&superblock, false, "the empty tree with a root");
    }
}

static void reserved_bytes_are_zero(void **state) {
    (void)state;
    rotor_superblock superblock = example(2);
    rotor_superblock decoded;
    uint8_t slot[SLOT];
    rotor_superblock_encode(&superblock, slot);
    size_t step = test_scaled(100) == 100 ? 1 : 37;
    for (size_t at = 28; at < CHECKSUM_AT; at = at == 31 ? 128 : at >= 128 ? at + step : at + 1) {
        slot[at] = 0x80;
        seal(slot);
        expect_status(rotor_superblock_decode(&decoded, slot), ROTOR_MALFORMED, "byte %zu", at);
        slot[at] = 0;
    }
    slot[CHECKSUM_AT - 1] = 1;
    seal(slot);
    expect_status(rotor_superblock_decode(&decoded, slot), ROTOR_MALFORMED, "the last reserved byte");
}

static void magic_and_version_are_checked(void **state) {
    (void)state;
    rotor_superblock superblock = example(2);
    rotor_superblock decoded;
    uint8_t slot[SLOT];
    for (unsigned bit = 0; bit < 64; bit++) {
        rotor_superblock_encode(&superblock, slot);
        slot[bit / 8] ^= (uint8_t)(1u << bit % 8);
        seal(slot);
        expect_status(rotor_superblock_decode(&decoded, slot), ROTOR_MALFORMED, "bit %u of the magic", bit);
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        rotor_superblock_encode(&superblock, slot);
        slot[8 + bit / 8] ^= (uint8_t)(1u << bit % 8);
        expect_status(rotor_superblock_decode(&decoded, slot), ROTOR_MALFORMED, "bit %u of the version", bit);
        seal(slot);
        expect_status(rotor_superblock_decode(&decoded, slot), ROTOR_UNSUPPORTED, "bit %u of the version", bit);
    }
    memset(slot, 0, sizeof slot);
    expect_status(rotor_superblock_decode(&decoded, slot), ROTOR_MALFORMED, "zeros");
    seal(slot);
    expect_status(rotor_superblock_decode(&decoded, slot), ROTOR_MALFORMED, "zeros with their checksum");
}

static void every_flipped_bit_is_noticed(void **state) {
    (void)state;
    rotor_superblock superblock = example(2);
    rotor_superblock decoded;
    memset(&decoded, 0x5a, sizeof decoded);
    rotor_superblock before = decoded;
    uint8_t slot[SLOT];
    rotor_superblock_encode(&superblock, slot);
    unsigned step = test_scaled(100) == 100 ? 1 : 61;
    for (unsigned bit = 0; bit < 8 * SLOT; bit += step) {
        slot[bit / 8] ^= (uint8_t)(1u << bit % 8);
        expect_status(rotor_superblock_decode(&decoded, slot), ROTOR_MALFORMED, "bit %u", bit);
        assert_memory_equal(&decoded, &before, sizeof decoded);
        slot[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    expect_ok(rotor_superblock_decode(&decoded, slot), "nothing flipped");
}

/* ---------------------------------------------------------------- both slots */

static void the_newer_valid_slot_counts(void **state) {
    (void)state;
    for (uint64_t generation = 2; generation <= 3; generation++) {
        setup *s = set_up();
        rotor_superblock newer = example(generation);
        rotor_superblock older = example(generation - 1);
        older.size--;
        older.cuts--;
        put(&s->disk, &newer, generation % 2);
        put(&s->disk, &older, (generation - 1) % 2);
        found(s, &newer, 0, "both slots");
        s->disk.bytes[(generation - 1) % 2 * SLOT + 2000] ^= 1;
        found(s, &newer, 1, "the older slot is damaged");
        s->disk.bytes[generation % 2 * SLOT + 100] ^= 1;
        refused(s, ROTOR_DAMAGED, "in slot 0 the checksum", "in slot 1 the checksum");
        s->disk.bytes[(generation - 1) % 2 * SLOT + 2000] ^= 1;
        found(s, &older, 1, "the newer slot is damaged");
        memset(s->disk.bytes, 0, sizeof s->disk.bytes);
        refused(s, ROTOR_DAMAGED, "in slot 0 all bytes are zero", "in slot 1 all bytes are zero");
        memset(s->disk.bytes, 0xff, sizeof s->disk.bytes);
        refused(s, ROTOR_DAMAGED, "in slot 0 it does not begin", "in slot 1 it does not begin");
        put(&s->disk, &newer, 1 - generation % 2);
        refused(s, ROTOR_DAMAGED, "slot 0", "the other slot");
        put(&s->disk, &older, generation % 2);
        refused(s, ROTOR_DAMAGED, "in slot 0 its generation", "in slot 1 its generation");
        tear_down(s);
    }
}

static void slots_of_different_trees_are_damage(void **state) {
    (void)state;
    for (unsigned field = 0; field < 5; field++) {
        setup *s = set_up();
        rotor_superblock superblock = example(8);
        put_both(&s->disk, &superblock);
        found(s, &superblock, 0, "of one tree");
        superblock.generation++;
        switch (field) {
        case 0:
            superblock.tree_id[15] ^= 1;
            break;
        case 1:
            superblock.arity++;
            break;
        case 2:
            superblock.max_depth++;
            break;
        case 3:
            superblock.hash_profile++;
            break;
        default:
            superblock.shard_bits++;
            break;
        }
        put(&s->disk, &superblock, 1);
        refused(s, ROTOR_DAMAGED, "slot 0 and slot 1", "different trees");
        tear_down(s);
    }
}

static void another_version_is_not_damage(void **state) {
    (void)state;
    for (unsigned slot = 0; slot < 2; slot++) {
        setup *s = set_up();
        rotor_superblock superblock = example(8);
        put_both(&s->disk, &superblock);
        uint8_t *bytes = s->disk.bytes + slot * (size_t)SLOT;
        bytes[8] = 2;
        seal(bytes);
        refused(s, ROTOR_UNSUPPORTED, slot == 0 ? "slot 0" : "slot 1", "version 2");
        s->disk.bytes[(1 - slot) * (size_t)SLOT + 50] ^= 1;
        refused(s, ROTOR_UNSUPPORTED, slot == 0 ? "slot 0" : "slot 1", "version 2");
        tear_down(s);
    }
}

static void every_other_length_is_damage(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_superblock superblock = example(8);
    put_both(&s->disk, &superblock);
    for (uint64_t length = 0; length < 2 * SLOT; length += test_scaled(100) == 100 ? 1 : 97) {
        s->disk.length = length;
        char text[64];
        (void)snprintf(text, sizeof text, "a file of %" PRIu64 " bytes", length);
        refused(s, ROTOR_DAMAGED, text, "not a file of 8192 bytes");
    }
    s->disk.length = 2 * SLOT + 1;
    refused(s, ROTOR_DAMAGED, "a file of 8193 bytes", "not a file of 8192 bytes");
    s->disk.length = 2 * SLOT;
    found(s, &superblock, 0, "the right length");
    tear_down(s);
}

static void a_failed_call_is_no_damage(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_superblock superblock = example(8);
    put_both(&s->disk, &superblock);
    for (s->disk.fails = 1;; s->disk.fails++) {
        rotor_superblock got;
        uint32_t damaged;
        rotor_error error = {0};
        s->disk.calls = 0;
        rotor_status status = rotor_superblock_read(&got, &damaged, &s->file, &error);
        if (s->disk.calls < s->disk.fails) {
            expect_ok(status, "no call failed");
            break;
        }
        expect_status(status, ROTOR_IO, "call %u", s->disk.fails);
        assert_int_equal(error.os_errno, EIO);
    }
    assert_true(s->disk.fails >= 3);
    tear_down(s);
}

/* A reader may be so slow that it sees both slots while they are written. */
static void what_changes_meanwhile_is_read_again(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_superblock superblock = example(8);
    put_both(&s->disk, &superblock);
    uint8_t good[2 * SLOT];
    memcpy(good, s->disk.bytes, sizeof good);
    memset(s->disk.bytes + 100, 0, SECTOR);
    memset(s->disk.bytes + SLOT + 100, 0, SECTOR);
    s->disk.next = good;
    found(s, &superblock, 0, "whole at the second look");
    assert_int_equal(s->disk.calls, 3);
    tear_down(s);
}

/* ---------------------------------------------------------------- commits */

static void a_commit_writes_the_older_slot_first(void **state) {
    (void)state;
    for (uint64_t generation = 2; generation <= 3; generation++) {
        setup *s = set_up();
        rotor_superblock superblock = example(generation);
        put_both(&s->disk, &superblock);
        superblock.size += 100;
        expect_ok(rotor_superblock_commit(&superblock, &s->file, NULL), "a commit");
        static const enum call calls[] = {WRITE, SYNC, WRITE, SYNC};
        assert_int_equal(s->disk.calls, 4);
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(s->disk.trace[i], calls[i]);
        }
        assert_int_equal(s->disk.offsets[0], (generation + 1) % 2 * SLOT);
        assert_int_equal(s->disk.offsets[2], generation % 2 * SLOT);
        assert_int_equal(superblock.generation, generation + 2);
        found(s, &superblock, 0, "after a commit");
        for (unsigned slot = 0; slot < 2; slot++) {
            rotor_superblock decoded;
            expect_ok(rotor_superblock_decode(&decoded, s->disk.bytes + slot * (size_t)SLOT), "slot %u", slot);
            expect(same_but_generation(&decoded, &superblock), "slot %u holds something else", slot);
        }
        tear_down(s);
    }
}

static void a_new_file_is_begun_by_a_commit(void **state) {
    (void)state;
    setup *s = set_up();
    s->disk.length = 0;
    rotor_superblock superblock = example(0);
    superblock.size = 0;
    superblock.root = (rotor_hash){{0}};
    expect_ok(rotor_superblock_commit(&superblock, &s->file, NULL), "the first commit");
    assert_int_equal(superblock.generation, 2);
    found(s, &superblock, 0, "after the first commit");
    tear_down(s);
}

static void a_commit_heals_a_damaged_slot(void **state) {
    (void)state;
    for (unsigned slot = 0; slot < 2; slot++) {
        setup *s = set_up();
        rotor_superblock superblock = example(8);
        uint32_t damaged = 0;
        put_both(&s->disk, &superblock);
        s->disk.bytes[slot * (size_t)SLOT + 3000] ^= 4;
        expect_ok(rotor_superblock_read(&superblock, &damaged, &s->file, NULL), "slot %u is damaged", slot);
        assert_int_equal(damaged, 1);
        s->disk.calls = 0;
        expect_ok(rotor_superblock_commit(&superblock, &s->file, NULL), "slot %u was damaged", slot);
        assert_int_equal(s->disk.offsets[0], slot * (size_t)SLOT);
        found(s, &superblock, 0, "healed");
        tear_down(s);
    }
}

static void the_last_generation_is_refused(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_error error = {0};
    rotor_superblock superblock = example(UINT64_MAX - 1);
    expect_status(rotor_superblock_commit(&superblock, &s->file, &error), ROTOR_DAMAGED, "no two generations are left");
    assert_int_equal(superblock.generation, UINT64_MAX - 1);
    assert_int_equal(s->disk.calls, 0);
    superblock.generation = UINT64_MAX - 2;
    expect_ok(rotor_superblock_commit(&superblock, &s->file, &error), "two generations are left");
    assert_int_equal(superblock.generation, UINT64_MAX);
    tear_down(s);
}

/* What a power failure may leave: of each sector in which the file differs from what is durable, the old bytes, the new
 * ones or garbage. `choice` has a bit for each sector of the slot that was being written. */
static void lose_power(disk *d, unsigned choice, bool garbage) {
    unsigned bit = 0;
    for (size_t at = 0; at < sizeof d->bytes; at += SECTOR) {
        if (memcmp(d->bytes + at, d->durable + at, SECTOR) != 0) {
            if ((choice >> bit++ & 1) == 0) {
                memcpy(d->bytes + at, d->durable + at, SECTOR);
                if (garbage) {
                    memset(d->bytes + at, (int)(0x11 + choice), SECTOR);
                }
            }
        }
    }
    expect(bit <= 8, "%u sectors of two slots were not synced", bit);
    memcpy(d->durable, d->bytes, sizeof d->durable);
}

/* `remains`: what is written first is not a slot but garbage before, so that each of its sectors matters. */
static void crash_once(unsigned fails, size_t torn, unsigned choice, bool power, bool garbage, bool remains) {
    char what[120];
    (void)snprintf(what, sizeof what, "call %u fails, %zu bytes torn, %s%s, sectors %02x", fails, torn,
                   power ? "power lost" : "killed", garbage ? " with garbage" : "", choice);
    setup *s = set_up();
    rotor_superblock before = example(10);
    put_both(&s->disk, &before);
    if (remains) {
        memset(s->disk.bytes + SLOT, 0x99, SLOT);
        memset(s->disk.durable + SLOT, 0x99, SLOT);
    }
    rotor_superblock after = before;
    after.size += 1000;
    after.root = test_random_leaf(1, 2);
    after.log_segment++;
    rotor_superblock committed = after;
    s->disk.fails = fails;
    s->disk.torn = torn;
    rotor_error error = {0};
    rotor_status status = rotor_superblock_commit(&committed, &s->file, &error);
    expect_status(status, fails <= 4 ? ROTOR_IO : ROTOR_OK, "%s", what);
    if (power) {
        lose_power(&s->disk, choice, garbage);
    }
    s->disk.fails = 0;
    rotor_superblock got;
    uint32_t damaged = 0;
    expect_ok(rotor_superblock_read(&got, &damaged, &s->file, &error), "%s: %s", what, error.message);
    bool is_new = same_but_generation(&after, &got);
    expect(is_new || same_but_generation(&before, &got), "%s", what);
    expect(is_new || fails <= 2, "%s: what was synced is lost", what);
    expect(fails <= 4 || (is_new && damaged == 0), "%s: not committed", what);
    /* And it goes on from there. */
    got.size = 5;
    expect_ok(rotor_superblock_commit(&got, &s->file, &error), "%s", what);
    found(s, &got, 0, what);
    tear_down(s);
}

static void whatever_fails_leaves_old_or_new(void **state) {
    (void)state;
    static const size_t torn[] = {0, 1, 511, 512, 1024, 2048, 3584, 4064, 4095, 4096};
    unsigned step = test_scaled(100) == 100 ? 1 : 31;
    for (unsigned fails = 1; fails <= 5; fails++) {
        for (size_t i = 0; i < sizeof torn / sizeof torn[0]; i++) {
            crash_once(fails, torn[i], 0, false, false, i % 2 == 1);
            for (unsigned choice = 0; choice < 4; choice++) {
                crash_once(fails, torn[i], choice, true, false, false);
                crash_once(fails, torn[i], choice, true, true, false);
            }
        }
        for (unsigned choice = 0; choice < 256; choice += step) {
            crash_once(fails, SLOT, choice, true, false, true);
            crash_once(fails, SLOT, choice, true, true, true);
        }
    }
}

/* Each sector of either slot on its own: zeros, or the same of the other slot. */
static void a_torn_slot_is_not_taken(void **state) {
    (void)state;
    for (unsigned slot = 0; slot < 2; slot++) {
        for (size_t at = 0; at < SLOT; at += SECTOR) {
            setup *s = set_up();
            rotor_superblock newer = example(8);
            rotor_superblock older = example(7);
            older.size -= 9;
            put(&s->disk, &newer, 0);
            put(&s->disk, &older, 1);
            uint8_t *sector = s->disk.bytes + slot * (size_t)SLOT + at;
            const uint8_t *other = s->disk.bytes + (1 - slot) * (size_t)SLOT + at;
            bool differs = memcmp(sector, other, SECTOR) != 0;
            assert_int_equal(differs, at == 0 || at == SLOT - SECTOR);
            memcpy(sector, other, SECTOR);
            found(s, differs && slot == 0 ? &older : &newer, differs ? 1 : 0, "a sector of the other slot");
            memset(sector, 0x77, SECTOR);
            found(s, slot == 0 ? &older : &newer, 1, "a sector of garbage");
            tear_down(s);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(every_field_has_its_bounds),
        cmocka_unit_test(the_size_fits_arity_and_depth),
        cmocka_unit_test(reserved_bytes_are_zero),
        cmocka_unit_test(magic_and_version_are_checked),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(the_newer_valid_slot_counts),
        cmocka_unit_test(slots_of_different_trees_are_damage),
        cmocka_unit_test(another_version_is_not_damage),
        cmocka_unit_test(every_other_length_is_damage),
        cmocka_unit_test(a_failed_call_is_no_damage),
        cmocka_unit_test(what_changes_meanwhile_is_read_again),
        cmocka_unit_test(a_commit_writes_the_older_slot_first),
        cmocka_unit_test(a_new_file_is_begun_by_a_commit),
        cmocka_unit_test(a_commit_heals_a_damaged_slot),
        cmocka_unit_test(the_last_generation_is_refused),
        cmocka_unit_test(whatever_fails_leaves_old_or_new),
        cmocka_unit_test(a_torn_slot_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
