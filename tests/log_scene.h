/* What the tests of the log share: a file system in memory that keeps what was synced beside what was not, so that a
 * loss of power can be played, and a log together with what is known of it: which frame was written when, and synced
 * when. */
#ifndef ROTOR_TESTS_LOG_SCENE_H
#define ROTOR_TESTS_LOG_SCENE_H

#include "support.h"

#include "store/level_files.h"
#include "store/log.h"

#include <errno.h>

#define SCENE_SHARD_BITS 7
#define SCENE_LEVEL0 "level-00-00000000"

/* ---------------------------------------------------------------- a file system in memory */

#define MEMORY_FILES 300
#define PENDING_MOST 512

typedef struct pending {
    bool truncates;
    uint64_t offset;
    size_t count;
    uint8_t *bytes;
} pending;

typedef struct memory_file {
    int handle;
    char name[40];
    bool entered; /* into the directory, durably */
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    uint8_t *stable;
    size_t stable_size;
    pending pending[PENDING_MOST];
    size_t pending_count;
} memory_file;

typedef struct memory_fs {
    memory_file *files[MEMORY_FILES];
    size_t count;
    int last_handle;
    uint64_t calls; /* of any kind */
    uint64_t writes;
    uint64_t syncs;
    uint64_t fail_at; /* the call with this number fails; 0: none does */
    int fail_with;
    const char *unreadable; /* name of a file whose reads fail */
    bool reads_in_pieces;
    void (*before_read)(struct memory_fs *fs, uint64_t offset);
} memory_fs;

static inline memory_file *find_file(memory_fs *fs, const char *name) {
    for (size_t i = 0; i < fs->count; i++) {
        if (strcmp(fs->files[i]->name, name) == 0) {
            return fs->files[i];
        }
    }
    return NULL;
}

static inline bool fails(memory_fs *fs) {
    return ++fs->calls == fs->fail_at;
}

static inline void forget_pending(memory_file *file) {
    for (size_t i = 0; i < file->pending_count; i++) {
        free(file->pending[i].bytes);
    }
    file->pending_count = 0;
}

static inline void *copy_of(const void *bytes, size_t count) {
    return memcpy(test_alloc(count, 1), bytes, count);
}

static inline pending *add_pending(memory_file *file) {
    expect(file->pending_count < PENDING_MOST, "too many writes without a sync for this test");
    return &file->pending[file->pending_count++];
}

static inline void put_bytes(uint8_t **bytes, size_t *size, size_t *capacity, const void *from, size_t count,
                             uint64_t offset) {
    size_t end = (size_t)offset + count;
    if (end > *capacity) {
        size_t larger = end * 2;
        uint8_t *grown = test_alloc(larger, 1);
        memcpy(grown, *bytes, *size);
        free(*bytes);
        *bytes = grown;
        *capacity = larger;
    }
    if (offset > *size) {
        memset(*bytes + *size, 0, (size_t)offset - *size);
    }
    memcpy(*bytes + offset, from, count);
    *size = end > *size ? end : *size;
}

static inline int fs_open(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    memory_fs *fs = context;
    (void)directory;
    (void)mode;
    if (fails(fs)) {
        return fs->fail_with;
    }
    memory_file *file = find_file(fs, name);
    if (file == NULL && (flags & ROTOR_OS_CREATE) == 0) {
        return -ENOENT;
    }
    if (file == NULL) {
        expect(fs->count < MEMORY_FILES, "too many files for this test");
        file = test_alloc(1, sizeof *file);
        file->bytes = test_alloc(1, 1);
        file->stable = test_alloc(1, 1);
        (void)snprintf(file->name, sizeof file->name, "%s", name);
        file->handle = ++fs->last_handle;
        fs->files[fs->count++] = file;
    }
    if ((flags & ROTOR_OS_TRUNCATE) != 0 && file->size != 0) {
        file->size = 0;
        *add_pending(file) = (pending){.truncates = true};
    }
    return file->handle;
}

static inline memory_file *file_of(memory_fs *fs, int handle) {
    for (size_t i = 0; i < fs->count; i++) {
        if (fs->files[i]->handle == handle) {
            return fs->files[i];
        }
    }
    fail_msg("no file has the handle %d", handle);
    return NULL;
}

static inline int fs_close(void *context, int handle) {
    (void)context;
    (void)handle;
    return 0;
}

static inline int64_t fs_read(void *context, int handle, void *bytes, size_t count, uint64_t offset) {
    memory_fs *fs = context;
    memory_file *file = file_of(fs, handle);
    if (fails(fs)) {
        return fs->fail_with;
    }
    if (fs->unreadable != NULL && strcmp(file->name, fs->unreadable) == 0) {
        return -EIO;
    }
    if (fs->before_read != NULL) {
        fs->before_read(fs, offset);
    }
    size_t rest = offset < file->size ? file->size - (size_t)offset : 0;
    count = count < rest ? count : rest;
    count = fs->reads_in_pieces && count > 1000 ? count / 2 : count;
    memcpy(bytes, file->bytes + (rest != 0 ? offset : 0), count);
    return (int64_t)count;
}

static inline int64_t fs_write(void *context, int handle, const void *bytes, size_t count, uint64_t offset) {
    memory_fs *fs = context;
    memory_file *file = file_of(fs, handle);
    fs->writes++;
    bool failing = fails(fs);
    count = failing ? count / 2 : count; /* a failed write may have written a part */
    if (count != 0) {
        put_bytes(&file->bytes, &file->size, &file->capacity, bytes, count, offset);
        *add_pending(file) = (pending){.offset = offset, .count = count, .bytes = copy_of(bytes, count)};
    }
    return failing ? fs->fail_with : (int64_t)count;
}

static inline int fs_sync(void *context, int handle) {
    memory_fs *fs = context;
    memory_file *file = file_of(fs, handle);
    fs->syncs++;
    if (fails(fs)) {
        return fs->fail_with;
    }
    free(file->stable);
    file->stable = copy_of(file->bytes, file->size);
    file->stable_size = file->size;
    forget_pending(file);
    return 0;
}

static inline int fs_sync_directory(void *context, int directory) {
    memory_fs *fs = context;
    (void)directory;
    fs->syncs++;
    if (fails(fs)) {
        return fs->fail_with;
    }
    for (size_t i = 0; i < fs->count; i++) {
        fs->files[i]->entered = true;
    }
    return 0;
}

static inline int fs_status(void *context, int handle, rotor_os_status *status) {
    memory_fs *fs = context;
    if (fails(fs)) {
        return fs->fail_with;
    }
    *status = (rotor_os_status){.bytes = file_of(fs, handle)->size, .links = 1};
    return 0;
}

static inline void free_file(memory_file *file) {
    forget_pending(file);
    free(file->bytes);
    free(file->stable);
    free(file);
}

static inline void remove_file(memory_fs *fs, const char *name) {
    for (size_t i = 0; i < fs->count; i++) {
        if (strcmp(fs->files[i]->name, name) == 0) {
            free_file(fs->files[i]);
            fs->files[i] = fs->files[--fs->count];
            return;
        }
    }
}

static inline void apply_pending(test_random *random, uint8_t **bytes, size_t *size, size_t *capacity,
                                 const pending *write) {
    if (write->truncates) {
        *size = test_below(random, 2) == 0 ? 0 : *size;
        return;
    }
    switch (test_below(random, 4)) {
    case 0:
        put_bytes(bytes, size, capacity, write->bytes, write->count, write->offset);
        break;
    case 1: /* some sectors */
        for (size_t done = 0; done < write->count;) {
            size_t part = 512 - (size_t)((write->offset + done) % 512);
            part = part < write->count - done ? part : write->count - done;
            if (test_below(random, 2) == 0) {
                put_bytes(bytes, size, capacity, write->bytes + done, part, write->offset + done);
            }
            done += part;
        }
        break;
    case 2: { /* nothing but the new length */
        size_t end = (size_t)write->offset + write->count;
        if (end > *size) {
            put_bytes(bytes, size, capacity, "", 1, end - 1);
        }
        break;
    }
    default:
        break;
    }
}

/* Loses power: of what was not synced, any part may be there. */
static inline void lose_power(memory_fs *fs, test_random *random) {
    for (size_t i = 0; i < fs->count;) {
        memory_file *file = fs->files[i];
        if (!file->entered && test_below(random, 2) == 0) {
            remove_file(fs, file->name);
            continue;
        }
        size_t size = file->stable_size;
        size_t capacity = size;
        uint8_t *bytes = copy_of(file->stable, size);
        for (size_t p = 0; p < file->pending_count; p++) {
            apply_pending(random, &bytes, &size, &capacity, &file->pending[p]);
        }
        forget_pending(file);
        free(file->bytes);
        free(file->stable);
        file->bytes = bytes;
        file->size = size;
        file->capacity = capacity;
        file->stable = copy_of(bytes, size);
        file->stable_size = size;
        file->entered = true;
        i++;
    }
}

/* ---------------------------------------------------------------- a log and what is known of it */

#define MOST_FRAMES 400

typedef struct known_frame {
    uint32_t kind;
    uint64_t first;
    uint64_t count;
    uint64_t durable; /* as the test counts it */
    uint64_t segment;
    uint64_t begin; /* in the segment */
    uint64_t end;
} known_frame;

typedef struct scene {
    memory_fs fs;
    rotor_os os;
    rotor_directory directory;
    rotor_superblock superblock;
    rotor_log log;
    rotor_level_files level_files;
    rotor_error error;
    known_frame frames[MOST_FRAMES]; /* number i has sequence superblock.log_sequence + i */
    uint64_t count;
    uint64_t synced; /* frames before this number are durable */
    /* What replay handed out. */
    uint64_t replayed;
    rotor_log_position position;
    uint64_t stop_after;
    uint8_t *places; /* for PLACES leaves; or NULL */
    uint64_t placed; /* frames whose leaves were put there */
} scene;

#define PLACES 70000

/* Of many cases that are alike, every how-manyth is run: replay takes more than a MiB at once, which sanitizers make
 * dear. */
static inline uint64_t scene_stride(void) {
    return test_under_valgrind() ? 37 : test_under_asan || test_under_tsan ? 13 : 1;
}

/* Leaf `index` of the `cuts`-th life of a tree: what stands at an index depends on how often it was cut before. */
static inline void fill_leaves(uint8_t *leaves, uint64_t first, uint64_t count, uint64_t life) {
    for (uint64_t i = 0; i < count; i++) {
        memset(leaves + 32 * i, 0x5a, 32);
        test_store_u64(leaves + 32 * i, first + i);
        test_store_u64(leaves + 32 * i + 16, life);
    }
}

static inline void scene_begin(scene *s) {
    memset(s, 0, sizeof *s);
    s->fs.fail_with = -EIO;
    s->os = (rotor_os){.context = &s->fs,
                       .open = fs_open,
                       .close = fs_close,
                       .read = fs_read,
                       .write = fs_write,
                       .sync = fs_sync,
                       .sync_directory = fs_sync_directory,
                       .status = fs_status};
    s->directory = (rotor_directory){.os = &s->os, .handle = 1, .file_mode = 0644};
    s->directory.path = copy_of("somewhere/tree", sizeof "somewhere/tree");
    s->superblock =
        (rotor_superblock){.arity = 2, .shard_bits = SCENE_SHARD_BITS, .log_segment = 3, .log_sequence = 41};
    memset(s->superblock.tree_id, 0xc3, ROTOR_TREE_ID_BYTES);
    s->log = (rotor_log){.directory = &s->directory, .file = ROTOR_FILE_CLOSED, .sequence = 41};
    memcpy(s->log.tree_id, s->superblock.tree_id, ROTOR_TREE_ID_BYTES);
    rotor_level_files_init(&s->level_files, &s->directory, SCENE_SHARD_BITS);
    expect_ok(rotor_log_create_segment(&s->log, 3, &s->error), "%s", s->error.message);
}

static inline void scene_end(scene *s) {
    rotor_log_close(&s->log);
    rotor_level_files_close(&s->level_files);
    while (s->fs.count > 0) {
        remove_file(&s->fs, s->fs.files[0]->name);
    }
    free(s->directory.path);
}

static inline void know(scene *s, uint32_t kind, uint64_t first, uint64_t count, uint64_t segment, uint64_t end) {
    expect(s->count < MOST_FRAMES, "too many frames for this test");
    uint64_t bytes = 64 + (kind == ROTOR_FRAME_LEAVES ? 32 * count : 0);
    s->frames[s->count++] = (known_frame){kind, first, count, s->synced, segment, end - bytes, end};
}

static inline rotor_status add_leaves(scene *s, uint64_t count, bool extent) {
    uint8_t *leaves = test_alloc((size_t)count, 32);
    uint64_t first = s->log.size;
    uint64_t begin = s->log.end;
    uint64_t segment = s->log.segment;
    fill_leaves(leaves, first, count, segment);
    rotor_status status = ROTOR_OK;
    if (extent) {
        status = rotor_level_files_write(&s->level_files, 0, first, count, leaves, &s->error);
        if (status == ROTOR_OK) {
            status = rotor_level_files_sync(&s->level_files, &s->error);
        }
    }
    if (status == ROTOR_OK) {
        status = extent ? rotor_log_extent(&s->log, leaves, count, &s->error)
                        : rotor_log_leaves(&s->log, leaves, count, &s->error);
    }
    free(leaves);
    for (uint64_t done = 0; done < count && status == ROTOR_OK;) {
        uint64_t part = count - done < ROTOR_LOG_MOST_LEAVES ? count - done : ROTOR_LOG_MOST_LEAVES;
        begin += 64 + (extent ? 0 : 32 * part);
        know(s, extent ? ROTOR_FRAME_EXTENT : ROTOR_FRAME_LEAVES, first + done, part, segment, begin);
        done += part;
    }
    return status;
}

static inline rotor_status add_cut(scene *s, uint64_t size) {
    rotor_status status = rotor_log_truncate(&s->log, size, &s->error);
    if (status == ROTOR_OK) {
        know(s, ROTOR_FRAME_TRUNCATE, size, 0, s->log.segment, s->log.end);
    }
    return status;
}

static inline rotor_status sync_log(scene *s) {
    rotor_status status = rotor_log_sync(&s->log, &s->error);
    s->synced = status == ROTOR_OK ? s->count : s->synced;
    return status;
}

static inline rotor_status rotate(scene *s) {
    uint64_t segment = s->log.segment;
    uint64_t end = s->log.end + 64;
    rotor_status status = rotor_log_rotate(&s->log, &s->error);
    know(s, ROTOR_FRAME_END, s->log.size, 0, segment, end); /* it may be there, even if the call failed */
    if (status == ROTOR_OK) {
        s->synced = s->count;
    }
    return status;
}

static inline rotor_status on_leaves(void *context, uint64_t first, const uint8_t *leaves, uint64_t count,
                                     bool in_level_files, rotor_error *error) {
    scene *s = context;
    while (s->frames[s->replayed].kind == ROTOR_FRAME_END && s->replayed < s->count) {
        s->replayed++;
    }
    expect(s->replayed < s->count, "a frame that nobody wrote");
    const known_frame *frame = &s->frames[s->replayed++];
    expect(frame->kind == (in_level_files ? ROTOR_FRAME_EXTENT : ROTOR_FRAME_LEAVES), "frame %" PRIu64, s->replayed);
    expect(first == frame->first && count == frame->count, "frame %" PRIu64, s->replayed);
    if (leaves == NULL) {
        expect(s->places != NULL && first + count <= PLACES, "frame %" PRIu64 " has no place", s->replayed);
        leaves = s->places + 32 * first;
        s->placed++;
    } else {
        expect((uintptr_t)leaves % 64 == 0, "leaves at %p", (const void *)leaves);
        volatile uint8_t before = leaves[-1] ^ leaves[-ROTOR_HASH_HEADROOM];
        (void)before;
    }
    uint8_t *wanted = test_alloc((size_t)count, 32);
    fill_leaves(wanted, first, count, frame->segment);
    expect(memcmp(wanted, leaves, (size_t)count * 32) == 0, "leaves of frame %" PRIu64, s->replayed);
    free(wanted);
    return s->stop_after != 0 && s->replayed >= s->stop_after
               ? (*error = (rotor_error){.status = ROTOR_CAPACITY_EXCEEDED}, ROTOR_CAPACITY_EXCEEDED)
               : ROTOR_OK;
}

static inline rotor_status on_truncate(void *context, uint64_t size, uint64_t segment, uint64_t sequence,
                                       rotor_error *error) {
    scene *s = context;
    (void)error;
    while (s->frames[s->replayed].kind == ROTOR_FRAME_END && s->replayed < s->count) {
        s->replayed++;
    }
    expect(s->replayed < s->count, "a frame that nobody wrote");
    const known_frame *frame = &s->frames[s->replayed];
    expect(frame->kind == ROTOR_FRAME_TRUNCATE && frame->first == size && frame->segment == segment &&
               sequence == s->superblock.log_sequence + s->replayed,
           "frame %" PRIu64, s->replayed);
    s->replayed++;
    return ROTOR_OK;
}

/* Some frames have none: in a tree, those that begin in one piece of memory and end in another. */
static inline uint8_t *place(void *context, uint64_t first, uint64_t count) {
    const scene *s = context;
    bool has_place = first % 5 != 4 && first <= PLACES && count <= PLACES - first;
    return has_place ? s->places + 32 * first : NULL;
}

static inline rotor_status replay_once(scene *s) {
    rotor_log_reader reader = {
        .context = s, .place = s->places != NULL ? place : NULL, .leaves = on_leaves, .truncate = on_truncate};
    s->replayed = 0;
    memset(&s->position, 0x77, sizeof s->position);
    memset(&s->error, 0x77, sizeof s->error);
    rotor_status status = rotor_log_replay(&s->position, &s->directory, &s->superblock, &reader, &s->error);
    if (status == ROTOR_DAMAGED) {
        expect(strstr(s->error.message, "somewhere/tree/log-00000000000000") != NULL &&
                   (strstr(s->error.message, " byte ") != NULL || strstr(s->error.message, "is missing") != NULL),
               "'%s'", s->error.message);
    }
    return status;
}

/* Frame by frame; and where no call is to fail, also with leaves put to their places ahead of their turn, which must
 * not make a difference. */
static inline rotor_status replay(scene *s) {
    bool twice = s->fs.fail_at == 0 && s->fs.before_read == NULL;
    rotor_status status = replay_once(s);
    if (twice) {
        rotor_log_position position = s->position;
        rotor_error error = s->error;
        uint64_t replayed = s->replayed;
        s->places = test_alloc(PLACES, 32);
        expect(replay_once(s) == status, "with places: %s", s->error.message);
        expect(s->replayed == replayed || status == ROTOR_IO, "with places %" PRIu64 " frames, without %" PRIu64,
               s->replayed, replayed);
        expect(memcmp(&s->position, &position, sizeof position) == 0, "another position");
        expect(status != ROTOR_DAMAGED || strcmp(s->error.message, error.message) == 0, "'%s'", s->error.message);
        free(s->places);
        s->places = NULL;
    }
    return status;
}

/* Replay succeeds with the first `frames` frames and with `torn` bytes behind them. */
static inline void expect_replay(scene *s, uint64_t frames, uint64_t torn, const char *what, uint64_t which) {
    expect_ok(replay(s), "%s %" PRIu64 ": %s", what, which, s->error.message);
    uint64_t size = s->superblock.size;
    uint64_t segment = s->superblock.log_segment;
    uint64_t end = 64;
    for (uint64_t i = 0; i < frames; i++) {
        const known_frame *frame = &s->frames[i];
        size = frame->first + frame->count;
        segment = frame->kind == ROTOR_FRAME_END ? frame->segment + 1 : frame->segment;
        end = frame->kind == ROTOR_FRAME_END ? 64 : frame->end;
    }
    expect(s->position.sequence == s->superblock.log_sequence + frames,
           "%s %" PRIu64 ": frame %" PRIu64 ", not %" PRIu64, what, which, s->position.sequence,
           s->superblock.log_sequence + frames);
    expect(s->position.size == size && s->position.segment == segment && s->position.end == end,
           "%s %" PRIu64 ": size %" PRIu64 " segment %" PRIu64 " end %" PRIu64, what, which, s->position.size,
           s->position.segment, s->position.end);
    expect(s->position.torn_bytes == torn, "%s %" PRIu64 ": %" PRIu64 " torn bytes, not %" PRIu64, what, which,
           s->position.torn_bytes, torn);
    expect(s->replayed <= frames, "%s %" PRIu64, what, which);
}

/* Whether frames behind number `bad`, which is not valid, show that it had been durable. */
static inline bool was_durable(const scene *s, uint64_t bad) {
    if (s->superblock.log_end > s->superblock.log_sequence + bad) {
        return true;
    }
    for (uint64_t i = bad + 1; i < s->count; i++) {
        if (s->frames[i].segment != s->frames[bad].segment || s->frames[i].durable > bad) {
            return true;
        }
    }
    return false;
}

static inline memory_file *segment_file(scene *s, uint64_t segment) {
    char name[40];
    rotor_log_name(name, segment);
    memory_file *file = find_file(&s->fs, name);
    expect(file != NULL, "%s", name);
    return file;
}

static inline uint64_t nonzero_end(const memory_file *file) {
    uint64_t end = file->size;
    while (end > 0 && file->bytes[end - 1] == 0) {
        end--;
    }
    return end;
}

/* A log of two segments: commits of one and of several frames of all kinds. `frames_behind` says whether the second
 * segment has any. */
static inline void small_log(scene *s, bool frames_behind) {
    scene_begin(s);
    expect_ok(add_leaves(s, 1, false), "%s", s->error.message);
    expect_ok(sync_log(s), "%s", s->error.message);
    expect_ok(add_leaves(s, 3, false), "%s", s->error.message);
    expect_ok(add_leaves(s, 2, true), "%s", s->error.message);
    expect_ok(add_cut(s, 5), "%s", s->error.message);
    expect_ok(add_leaves(s, 2, false), "%s", s->error.message);
    expect_ok(sync_log(s), "%s", s->error.message);
    expect_ok(add_leaves(s, 5, true), "%s", s->error.message);
    expect_ok(sync_log(s), "%s", s->error.message);
    expect_ok(add_leaves(s, 1, false), "%s", s->error.message);
    expect_ok(add_leaves(s, 1, false), "%s", s->error.message);
    expect_ok(rotate(s), "%s", s->error.message);
    if (frames_behind) {
        expect_ok(add_leaves(s, 2, false), "%s", s->error.message);
        expect_ok(sync_log(s), "%s", s->error.message);
        expect_ok(add_cut(s, 13), "%s", s->error.message);
        expect_ok(add_leaves(s, 4, false), "%s", s->error.message);
        expect_ok(sync_log(s), "%s", s->error.message);
    }
}

/* As an open after a crash does: the log goes on behind what was replayed. */
static inline void go_on(scene *s) {
    expect_ok(replay(s), "%s", s->error.message);
    rotor_log_close(&s->log);
    s->log = (rotor_log){.directory = &s->directory,
                         .file = ROTOR_FILE_CLOSED,
                         .sequence = s->position.sequence,
                         .size = s->position.size};
    memcpy(s->log.tree_id, s->superblock.tree_id, ROTOR_TREE_ID_BYTES);
    s->count = s->position.sequence - s->superblock.log_sequence;
    s->synced = s->count;
}

static inline rotor_status continue_log(scene *s) {
    rotor_status status =
        rotor_log_sync_segments(&s->directory, s->superblock.log_segment, s->position.segment, &s->error);
    if (status == ROTOR_OK) {
        status = rotor_log_continue_segment(&s->log, s->position.segment, s->position.end, &s->error);
    }
    return status != ROTOR_OK || s->position.torn_bytes == 0 ? status : rotate(s);
}

#endif
