/* Directories of the Rust crate with every kind of damage: an import refuses it by name, cuts a torn end of the log, or
 * heals what follows from the leaves. Must not know how a whole directory is imported to disk. */
#include "reference_scene.h"

#include <jansson.h>

/* ---------------------------------------------------------------- flipped bits */

/* One tree for what follows: 150 checkpointed leaves of arity 4 and maximum depth 5, a log of 3 single leaves, a batch
 * of 3 and a last single leaf. Frames 0..9 made the checkpoint. */
#define SMALL_DEPTH 5
#define SMALL_CHECKPOINTED 150
#define SMALL_SIZE 157
#define SMALL_LAST_FRAME (24 + 3 * 56 + 36 + 96)

static void make_small(memory_directory *directory, const rotor_hash *leaves) {
    test_levels levels;
    test_levels_build(&levels, 4, leaves, SMALL_CHECKPOINTED, NULL);
    write_checkpoint(directory, &levels, SMALL_DEPTH, 9);
    test_levels_free(&levels);
    write_wal_header(directory, 4, SMALL_DEPTH);
    for (uint64_t i = 0; i < 3; i++) {
        write_single(directory, 10 + i, leaves + 150 + i);
    }
    write_batch(directory, 13, 0, leaves + 153, 3);
    expect(memory_find(directory, "wal")->count == SMALL_LAST_FRAME, "the small log is not as planned");
    write_single(directory, 14, leaves + 156);
}

/* What a flipped bit of the small log must lead to. The last frame may look unfinished: by its checksum, or by a length
 * that does not fit any more. A length that became shorter leaves bytes behind it that no crash explains. */
static void expect_flipped_log(const outcome *got, size_t at, const memory_file *wal, const rotor_hash *leaves) {
    char what[64];
    (void)snprintf(what, sizeof what, "bit flipped in byte %zu of the log", at);
    bool shorter = at < SMALL_LAST_FRAME + 4 && at >= SMALL_LAST_FRAME && get32(wal->bytes + SMALL_LAST_FRAME) < 48;
    if (at < SMALL_LAST_FRAME || shorter) {
        expect_refused(got, ROTOR_DAMAGED, "memory/wal", what);
    } else {
        expect_imported(got, 4, leaves, SMALL_SIZE - 1, 0, 56, what);
    }
}

/* Which node a byte of the small tails or of a shard belongs to; false for room that no node is in. */
static bool node_of_byte(const test_levels *levels, uint32_t max_depth, const char *name, size_t at, uint32_t *level,
                         uint64_t *index) {
    if (strcmp(name, "data/tails.bin") == 0) {
        *level = (uint32_t)(at / CHUNK_BYTES);
        if (*level >= stored_levels(levels, max_depth)) {
            return false;
        }
        *index = levels->length[*level] / CHUNK * CHUNK + at % CHUNK_BYTES / 32;
        return *index < levels->length[*level];
    }
    static const char prefix[] = "data/level_";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return false;
    }
    const char *digits = name + sizeof prefix - 1;
    char *end;
    *level = (uint32_t)strtoul(digits, &end, 10);
    *index = at / 32;
    return end != digits && *end == '/';
}

/* Nothing but the root vouches for shards and tails: a leaf is refused, an inner node counted and healed, room without
 * a node is not looked at. */
static void expect_flipped_node(const outcome *got, const test_levels *levels, uint32_t max_depth, const char *name,
                                size_t at, const char *what) {
    uint32_t level;
    uint64_t index;
    if (!node_of_byte(levels, max_depth, name, at, &level, &index)) {
        expect(got->status == ROTOR_OK && got->report.stale_nodes == 0, "%s: %s: %s", what,
               rotor_status_name(got->status), got->error.message);
    } else if (level == 0) {
        char group[64];
        uint64_t first = index / levels->arity * levels->arity;
        expect_refused(got, ROTOR_DAMAGED, name, what);
        uint64_t rest = levels->length[0] - first;
        (void)snprintf(group, sizeof group, "leaves %" PRIu64 " to %" PRIu64 ";", first,
                       first + (rest < levels->arity ? rest : levels->arity) - 1);
        expect(strstr(got->error.message, group) != NULL, "%s: \"%s\" does not name leaves %s", what,
               got->error.message, group);
    } else {
        expect(got->status == ROTOR_OK, "%s: %s", what, got->error.message);
        expect(got->report.stale_nodes == 1 && got->report.first_stale_level == level &&
                   got->report.first_stale_index == index,
               "%s: %" PRIu64 " stale nodes, first (%u, %" PRIu64 ")", what, got->report.stale_nodes,
               got->report.first_stale_level, got->report.first_stale_index);
    }
}

static void every_flipped_bit_is_refused_torn_or_healed(void **state) {
    (void)state;
    memory_directory directory = {0};
    rotor_hash *leaves = test_random_leaves(31, SMALL_SIZE);
    rotor_hash root = test_root_of(4, leaves, SMALL_SIZE, NULL);
    test_levels levels;
    test_levels_build(&levels, 4, leaves, SMALL_CHECKPOINTED, NULL);
    make_small(&directory, leaves);
    outcome whole = import(&directory);
    expect_imported(&whole, 4, leaves, SMALL_SIZE, 0, 0, "the small directory");
    /* Where every instruction is slow, one bit of every byte of the files with checksums, and fewer nodes. */
    size_t node_step = test_scaled(100) == 100 ? 5 : 101;
    unsigned bit_step = test_scaled(100) == 100 ? 1 : 8;
    for (int i = 0; i < MEMORY_FILES; i++) {
        memory_file *file = &directory.files[i];
        bool has_nodes = strstr(file->name, "shard") != NULL || strstr(file->name, "tails") != NULL;
        for (size_t at = 0; file->name[0] != '\0' && at < file->count; at += has_nodes ? node_step : 1) {
            for (unsigned bit = (unsigned)(at % (has_nodes ? 8 : bit_step)); bit < 8; bit += has_nodes ? 8 : bit_step) {
                char what[128];
                (void)snprintf(what, sizeof what, "bit %u of byte %zu of %s", bit, at, file->name);
                file->bytes[at] = (uint8_t)(file->bytes[at] ^ 1u << bit);
                outcome got = import(&directory);
                if (strcmp(file->name, "wal") == 0) {
                    expect_flipped_log(&got, at, file, leaves);
                } else if (has_nodes) {
                    expect_flipped_node(&got, &levels, SMALL_DEPTH, file->name, at, what);
                    expect(got.status != ROTOR_OK || (got.size == SMALL_SIZE && test_same_hash(&got.root, &root)),
                           "%s: another tree", what);
                } else {
                    expect_refused(&got, ROTOR_DAMAGED, file->name, what);
                }
                file->bytes[at] = (uint8_t)(file->bytes[at] ^ 1u << bit);
            }
        }
    }
    test_levels_free(&levels);
    memory_clear(&directory);
    free(leaves);
}

static void flipped_bits_of_the_crates_files_are_refused_or_healed(void **state) {
    (void)state;
    memory_directory directory = {0};
    golden_directory golden = golden_of("stale_node");
    uint64_t seed = test_seed(32);
    test_random random = {seed};
    test_levels levels;
    read_stale_node(&directory);
    test_levels_build(&levels, 4, golden_leaves, 10000, fastest());
    for (int i = 0; i < MEMORY_FILES; i++) {
        memory_file *file = &directory.files[i];
        bool has_nodes = strstr(file->name, "shard") != NULL || strstr(file->name, "tails") != NULL;
        uint64_t rounds = has_nodes ? test_scaled(60) : file->count;
        for (uint64_t k = 0; file->name[0] != '\0' && k < rounds; k++) {
            size_t at = has_nodes ? (size_t)test_below(&random, file->count) : (size_t)k;
            uint32_t level;
            uint64_t index;
            uint8_t before = file->bytes[at];
            file->bytes[at] = (uint8_t)(before ^ 1u << test_below(&random, 8));
            outcome got = import(&directory);
            if (!has_nodes || (node_of_byte(&levels, 20, file->name, at, &level, &index) && level == 0)) {
                expect_refused(&got, ROTOR_DAMAGED, file->name, "a flipped bit");
            } else {
                bool is_node = node_of_byte(&levels, 20, file->name, at, &level, &index);
                bool is_stale_one = is_node && level == 1 && index == 127;
                expect(got.status == ROTOR_OK && test_same_hash(&got.root, &golden.root),
                       "seed %" PRIu64 ": byte %zu of %s: %s", seed, at, file->name, got.error.message);
                expect(got.report.stale_nodes == (is_node && !is_stale_one ? 2u : 1u),
                       "seed %" PRIu64 ": byte %zu of %s: %" PRIu64 " stale nodes", seed, at, file->name,
                       got.report.stale_nodes);
            }
            file->bytes[at] = before;
        }
    }
    test_levels_free(&levels);
    memory_clear(&directory);
}

/* ---------------------------------------------------------------- the end of the log */

/* Leaves of the small directory when its log has whole frames up to `bytes`, and where the last of them ends. */
static uint64_t small_size_at(size_t bytes, size_t *end) {
    static const struct {
        size_t end;
        uint64_t leaves;
    } frames[] = {{24 + 56, 1}, {24 + 112, 2}, {24 + 168, 3}, {SMALL_LAST_FRAME, 6}, {SMALL_LAST_FRAME + 56, 7}};
    uint64_t size = SMALL_CHECKPOINTED;
    *end = 24;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0] && frames[i].end <= bytes; i++) {
        size = SMALL_CHECKPOINTED + frames[i].leaves;
        *end = frames[i].end;
    }
    return size;
}

/* Where every instruction is slow, the lengths around the end of each frame and some of those between. */
static bool cuts_at(size_t count) {
    size_t stride = test_under_valgrind() ? 37 : test_under_asan || test_under_tsan ? 13 : 1;
    size_t end;
    (void)small_size_at(count + 1, &end);
    return count % stride == 0 || (count + 1 >= end && count <= end + 1);
}

static void a_log_cut_anywhere_is_torn_there(void **state) {
    (void)state;
    memory_directory directory = {0};
    memory_directory cut = {0};
    rotor_hash *leaves = test_random_leaves(33, SMALL_SIZE);
    make_small(&directory, leaves);
    const memory_file *wal = memory_find(&directory, "wal");
    uint8_t *padded = test_alloc(wal->count + 100, 1);
    memory_copy(&cut, &directory);
    for (size_t count = 0; count <= wal->count; count++) {
        char what[64];
        size_t end;
        if (!cuts_at(count)) {
            continue;
        }
        uint64_t size = small_size_at(count, &end);
        (void)snprintf(what, sizeof what, "the log cut to %zu bytes", count);
        (void)memory_put(&cut, "wal", wal->bytes, count);
        outcome got = import(&cut);
        if (count < 24) {
            expect_refused(&got, ROTOR_DAMAGED, "memory/wal", what);
        } else {
            expect_imported(&got, 4, leaves, size, 0, count - end, what);
        }
        /* The file was extended, and its last blocks were never written. */
        (void)snprintf(what, sizeof what, "the log with zeros from byte %zu on", count);
        memset(padded, 0, wal->count + 100);
        memcpy(padded, wal->bytes, count);
        size_t same = count;
        while (same < wal->count && padded[same] == wal->bytes[same]) {
            same++;
        }
        size = small_size_at(same, &end);
        for (size_t more = 0; more <= 100; more += 100 - more < 20 ? 1 : 20) {
            (void)memory_put(&cut, "wal", padded, wal->count + more);
            got = import(&cut);
            if (same < 24) {
                expect_refused(&got, ROTOR_DAMAGED, "memory/wal", what);
            } else {
                expect_imported(&got, 4, leaves, size, 0, wal->count + more - end, what);
            }
        }
    }
    /* Remains of another kind: a length above any frame's, and one beyond the end of the file. */
    for (unsigned kind = 0; kind < 2; kind++) {
        memset(padded, 0xff, 100);
        put32(padded, kind == 0 ? (128u << 20) + 1 : 1000);
        memory_copy(&cut, &directory);
        memory_append(&cut, "wal", padded, 100);
        outcome got = import(&cut);
        expect_imported(&got, 4, leaves, SMALL_SIZE, 0, 100, "remains at the end of the log");
    }
    free(padded);
    free(leaves);
    memory_clear(&cut);
    memory_clear(&directory);
}

static void a_record_above_the_crates_limit_ends_the_log(void **state) {
    (void)state;
    if (test_scaled(100) < 100) {
        skip(); /* 128 MiB, byte by byte */
    }
    memory_directory directory = {0};
    size_t leaves = ((size_t)128 << 20) / 32;
    memory_file *wal = memory_put(&directory, "wal", NULL, 24 + 36 + 32 * leaves);
    identity(wal->bytes, "ROTR", 2, 40);
    frame(wal->bytes, 16);
    put32(wal->bytes + 24 + 16, 1);
    test_store_u64(wal->bytes + 24 + 24, leaves);
    put32(wal->bytes + 24, (uint32_t)(28 + 32 * leaves));
    put32(wal->bytes + wal->count - 4, rotor_crc32c(0, wal->bytes + 24, wal->count - 28));
    outcome got = import(&directory);
    expect_imported(&got, 2, NULL, 0, 0, wal->count - 24, "a record above the limit");
    memory_clear(&directory);
}

static void a_log_that_lacks_leaves_is_refused(void **state) {
    (void)state;
    memory_directory directory = {0};
    rotor_hash *leaves = test_random_leaves(34, 40);
    outcome got;
    /* A gap between two frames. */
    write_wal_header(&directory, 2, 8);
    write_single(&directory, 0, leaves);
    write_single(&directory, 2, leaves + 1);
    got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "memory/wal", "a sequence gap");
    /* The same number twice. */
    write_wal_header(&directory, 2, 8);
    write_single(&directory, 0, leaves);
    write_single(&directory, 0, leaves + 1);
    got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "memory/wal", "a repeated sequence number");
    /* Without a checkpoint, a log that does not begin at the beginning. */
    write_wal_header(&directory, 2, 8);
    write_single(&directory, 1, leaves);
    got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "memory/wal", "a log without its first record");
    /* With one that is older than the log. */
    test_levels levels;
    test_levels_build(&levels, 2, leaves, 20, NULL);
    write_checkpoint(&directory, &levels, 8, 4);
    write_wal_header(&directory, 2, 8);
    write_single(&directory, 6, leaves + 20);
    got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "memory/wal", "an old checkpoint with a new log");
    /* Frames that the checkpoint covers are passed over, those behind it are not. */
    write_wal_header(&directory, 2, 8);
    write_single(&directory, 3, leaves + 2);
    write_single(&directory, 4, leaves + 3);
    write_single(&directory, 5, leaves + 20);
    write_single(&directory, 6, leaves + 21);
    got = import(&directory);
    expect_imported(&got, 2, leaves, 22, 0, 0, "a log that begins before the checkpoint");
    expect(got.report.checkpointed == 20, "%" PRIu64 " checkpointed", got.report.checkpointed);
    /* ... also when the log ends before the checkpoint does. */
    write_wal_header(&directory, 2, 8);
    write_single(&directory, 3, leaves + 2);
    got = import(&directory);
    expect_imported(&got, 2, leaves, 20, 0, 0, "a log older than the checkpoint");
    test_levels_free(&levels);
    memory_clear(&directory);
    free(leaves);
}

/* The crate goes on behind a half record that it failed to cut off when the disk was full. Nothing is lost, but leaves
 * could be chosen so that the remains of a batch look like this, so a person has to decide. */
static void a_whole_record_behind_a_broken_one_is_refused_with_advice(void **state) {
    (void)state;
    memory_directory directory = {0};
    rotor_hash *leaves = test_random_leaves(35, 8);
    write_wal_header(&directory, 2, 8);
    write_single(&directory, 0, leaves);
    memory_directory other = {0};
    write_batch(&other, 1, 1, leaves + 1, 4);
    memory_append(&directory, "wal", memory_find(&other, "wal")->bytes, 77);
    write_batch(&directory, 1, 1, leaves + 1, 4);
    write_single(&directory, 2, leaves + 5);
    outcome got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "memory/wal", "a half record before whole ones");
    expect(strstr(got.error.message, "byte 80") != NULL && strstr(got.error.message, "byte 157") != NULL &&
               strstr(got.error.message, "nothing is lost") != NULL,
           "\"%s\" does not say what to remove", got.error.message);
    memory_clear(&other);
    memory_clear(&directory);
    free(leaves);
}

/* Leaves that look like beginnings of long records must not make the search for later ones take forever. */
static void leaves_that_look_like_records_end_the_search(void **state) {
    (void)state;
    memory_directory directory = {0};
    size_t count = (size_t)test_scaled(65536);
    rotor_hash *leaves = test_alloc(count, sizeof *leaves);
    for (size_t i = 0; i + 1 < count; i++) {
        size_t claimed = count - i - 2;
        put32(leaves[i].bytes, (uint32_t)(28 + 32 * claimed));
        test_store_u64(leaves[i].bytes + 8, 1);
        put32(leaves[i].bytes + 16, 1);
        test_store_u64(leaves[i].bytes + 24, claimed);
    }
    write_wal_header(&directory, 2, 20);
    write_batch(&directory, 0, 1, leaves, count);
    memory_file *wal = memory_find(&directory, "wal");
    put32(wal->bytes + 24, get32(wal->bytes + 24) + 1);
    outcome got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "memory/wal", "leaves that look like records");
    expect(directory.read_bytes < 100 * wal->count, "%" PRIu64 " bytes were read of a log of %zu", directory.read_bytes,
           wal->count);
    memory_clear(&directory);
    free(leaves);
}

static void whole_records_that_nobody_wrote_are_refused(void **state) {
    (void)state;
    memory_directory directory = {0};
    rotor_hash *leaves = test_random_leaves(36, 8);
    static const struct {
        size_t at;
        uint32_t value;
        rotor_status status;
    } changes[] = {{4, 1, ROTOR_UNSUPPORTED},
                   {16, 2, ROTOR_DAMAGED},
                   {20, 2, ROTOR_DAMAGED},
                   {24, 3, ROTOR_DAMAGED},
                   {24, 0, ROTOR_DAMAGED}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        write_wal_header(&directory, 2, 8);
        write_batch(&directory, 0, 1, leaves, 4);
        memory_file *wal = memory_find(&directory, "wal");
        put32(wal->bytes + 24 + changes[i].at, changes[i].value);
        frame(wal->bytes + 24, get32(wal->bytes + 24));
        outcome got = import(&directory);
        expect_refused(&got, changes[i].status, "memory/wal", "a record of an unknown kind");
    }
    /* Less than any insert, with a right checksum. */
    uint8_t bytes[24] = {0};
    frame(bytes, 16);
    write_wal_header(&directory, 2, 8);
    memory_append(&directory, "wal", bytes, sizeof bytes);
    write_single(&directory, 0, leaves);
    outcome got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "memory/wal", "a record that is too short");
    /* More leaves than maximum depth 2 has room for. */
    write_wal_header(&directory, 2, 2);
    write_batch(&directory, 0, 1, leaves, 5);
    got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "memory/wal", "too many leaves");
    memory_clear(&directory);
    free(leaves);
}

/* ---------------------------------------------------------------- the files of a checkpoint */

static void files_that_are_missing_or_short_are_named(void **state) {
    (void)state;
    static const char *const names[] = {"wal", "data/header.bin", "data/checkpoint.meta", "data/tails.bin",
                                        "data/level_0/shard_0000.dat"};
    memory_directory directory = {0};
    memory_directory changed = {0};
    rotor_hash *leaves = test_random_leaves(37, 700);
    test_levels levels;
    test_levels_build(&levels, 4, leaves, 700, NULL);
    write_checkpoint(&directory, &levels, 6, 0);
    write_wal_header(&directory, 4, 6);
    outcome got = import(&directory);
    expect_imported(&got, 4, leaves, 700, 0, 0, "all files");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        memory_copy(&changed, &directory);
        memory_remove(&changed, names[i]);
        got = import(&changed);
        expect_refused(&got, ROTOR_DAMAGED, names[i], "a missing file");
        const memory_file *file = memory_find(&directory, names[i]);
        (void)memory_put(&changed, names[i], file->bytes, file->count - 1);
        got = import(&changed);
        expect_refused(&got, ROTOR_DAMAGED, names[i], "a short file");
        expect(strstr(names[i], "shard") == NULL || strstr(got.error.message, "20479 bytes, not the 20480") != NULL,
               "\"%s\"", got.error.message);
        bool may_be_longer = strstr(names[i], "shard") != NULL || strcmp(names[i], "wal") == 0;
        (void)memory_put(&changed, names[i], file->bytes, file->count);
        memory_append(&changed, names[i], "", 1);
        got = import(&changed);
        if (may_be_longer) {
            expect_imported(&got, 4, leaves, 700, 0, i == 0 ? 1 : 0, names[i]);
        } else {
            expect_refused(&got, ROTOR_DAMAGED, names[i], "a long file");
        }
    }
    memory_copy(&changed, &directory);
    memory_remove(&changed, "data/level_1/shard_0000.dat");
    got = import(&changed);
    expect_refused(&got, ROTOR_DAMAGED, "data/level_1/shard_0000.dat", "a missing inner shard");
    /* As that message advises. */
    (void)memory_put(&changed, "data/level_1/shard_0000.dat", NULL, CHUNK_BYTES);
    got = import(&changed);
    expect_imported(&got, 4, leaves, 700, 128, 0, "an inner shard of zeros");
    /* The first of several stale nodes is told of, from the lowest level up. */
    memory_copy(&changed, &directory);
    memory_find(&changed, "data/level_1/shard_0000.dat")->bytes[32 * 99 + 1] ^= 1;
    memory_find(&changed, "data/level_1/shard_0000.dat")->bytes[32 * 101 + 1] ^= 1;
    memory_find(&changed, "data/tails.bin")->bytes[2 * CHUNK_BYTES + 32 * 7] ^= 1;
    got = import(&changed);
    expect_imported(&got, 4, leaves, 700, 3, 0, "three stale nodes");
    expect(got.report.first_stale_level == 1 && got.report.first_stale_index == 99, "first (%u, %" PRIu64 ")",
           got.report.first_stale_level, got.report.first_stale_index);
    test_levels_free(&levels);
    memory_clear(&changed);
    memory_clear(&directory);
    free(leaves);
}

static void files_of_different_trees_are_refused(void **state) {
    (void)state;
    memory_directory directory = {0};
    rotor_hash *leaves = test_random_leaves(38, 60);
    test_levels levels;
    test_levels_build(&levels, 4, leaves, 60, NULL);
    const rotor_hash *root = test_levels_root(&levels);
    write_wal_header(&directory, 4, 6);
    write_checkpoint(&directory, &levels, 6, 0);
    write_header(&directory, 4, 7);
    outcome got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "header.bin", "another maximum depth");
    write_header(&directory, 2, 6);
    got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "header.bin", "another arity");
    write_header(&directory, 4, 6);
    static const struct {
        uint32_t arity;
        uint32_t max_depth;
        uint64_t leaves;
        uint32_t depth;
    } metas[] = {{2, 6, 60, 6}, {4, 5, 60, 3}, {4, 6, 60, 2}, {4, 6, 60, 4},
                 {4, 6, 0, 0},  {4, 6, 59, 3}, {4, 6, 61, 3}, {4, 6, UINT64_MAX, 32}};
    for (size_t i = 0; i < sizeof metas / sizeof metas[0]; i++) {
        write_meta(&directory, metas[i].arity, metas[i].max_depth, 0, metas[i].leaves, metas[i].depth, root);
        got = import(&directory);
        expect_refused(&got, ROTOR_DAMAGED, "data/", "a checkpoint.meta that does not fit");
    }
    /* Shapes that the crate's types allow and this library does not. */
    static const uint32_t shapes[][2] = {{1, 6}, {0, 6}, {256, 6}, {4, 0}, {4, 65}, {UINT32_MAX, UINT32_MAX}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        write_wal_header(&directory, shapes[i][0], shapes[i][1]);
        got = import(&directory);
        expect_refused(&got, ROTOR_UNSUPPORTED, "memory/wal", "an impossible shape");
    }
    /* Another version of the log, and chunks of another size, with the right checksums. */
    write_wal_header(&directory, 4, 6);
    memory_file *file = memory_find(&directory, "wal");
    put32(file->bytes + 4, 1);
    frame(file->bytes, 16);
    got = import(&directory);
    expect_refused(&got, ROTOR_UNSUPPORTED, "memory/wal", "another version");
    write_wal_header(&directory, 4, 6);
    write_checkpoint(&directory, &levels, 6, 0);
    file = memory_find(&directory, "data/header.bin");
    put32(file->bytes + 20, 256);
    frame(file->bytes, 20);
    got = import(&directory);
    expect_refused(&got, ROTOR_UNSUPPORTED, "header.bin", "chunks of 256");
    test_levels_free(&levels);
    memory_clear(&directory);
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_is_refused_torn_or_healed),
        cmocka_unit_test(flipped_bits_of_the_crates_files_are_refused_or_healed),
        cmocka_unit_test(a_log_cut_anywhere_is_torn_there),
        cmocka_unit_test(a_record_above_the_crates_limit_ends_the_log),
        cmocka_unit_test(a_log_that_lacks_leaves_is_refused),
        cmocka_unit_test(a_whole_record_behind_a_broken_one_is_refused_with_advice),
        cmocka_unit_test(leaves_that_look_like_records_end_the_search),
        cmocka_unit_test(whole_records_that_nobody_wrote_are_refused),
        cmocka_unit_test(files_that_are_missing_or_short_are_named),
        cmocka_unit_test(files_of_different_trees_are_refused),
    };
    return cmocka_run_group_tests_name("reference damage", tests, load_goldens, unload_goldens);
}
