/* Level files: names, places, lengths, what is synced and when, and that a shard with a second name is never written,
 * whatever call fails. On real files, through a file layer that counts and fails. */
#include "support.h"

#include "os/file.h"
#include "store/level_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#define BITS 7
#define SHARD_NODES 128
#define MOST_NODES 1024

/* ---------------------------------------------------------------- the system's files, counted */

typedef struct counted {
    const rotor_os *system;
    bool cannot_clone;
    _Atomic unsigned calls; /* that can be made to fail */
    unsigned fails;         /* this one, from 1; 0: none */
    _Atomic unsigned syncs;
    _Atomic unsigned directory_syncs;
    _Atomic unsigned clones;
    _Atomic int open_handles;
} counted;

static bool fails(counted *c) {
    return atomic_fetch_add(&c->calls, 1) + 1 == c->fails;
}

static int counted_open_directory(void *context, const char *path) {
    counted *c = context;
    return c->system->open_directory(c->system->context, path);
}

static int counted_sync_directory(void *context, int directory) {
    counted *c = context;
    atomic_fetch_add(&c->directory_syncs, 1);
    return fails(c) ? -EIO : c->system->sync_directory(c->system->context, directory);
}

static int counted_open(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    counted *c = context;
    int result = fails(c) ? -EMFILE : c->system->open(c->system->context, directory, name, flags, mode);
    if (result >= 0) {
        atomic_fetch_add(&c->open_handles, 1);
    }
    return result;
}

static int counted_close(void *context, int file) {
    counted *c = context;
    atomic_fetch_sub(&c->open_handles, 1);
    return c->system->close(c->system->context, file);
}

static int64_t counted_read(void *context, int file, void *bytes, size_t count, uint64_t offset) {
    counted *c = context;
    return fails(c) ? -EIO : c->system->read(c->system->context, file, bytes, count, offset);
}

/* The failing write leaves half of its bytes behind. */
static int64_t counted_write(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    counted *c = context;
    if (fails(c)) {
        (void)c->system->write(c->system->context, file, bytes, count / 2, offset);
        return -ENOSPC;
    }
    return c->system->write(c->system->context, file, bytes, count, offset);
}

static int counted_sync(void *context, int file) {
    counted *c = context;
    atomic_fetch_add(&c->syncs, 1);
    return fails(c) ? -EIO : c->system->sync(c->system->context, file);
}

static int counted_status(void *context, int file, rotor_os_status *status) {
    counted *c = context;
    return fails(c) ? -EIO : c->system->status(c->system->context, file, status);
}

static int counted_unlink(void *context, int directory, const char *name) {
    counted *c = context;
    return fails(c) ? -EACCES : c->system->unlink(c->system->context, directory, name);
}

static int counted_rename(void *context, int directory, const char *from, const char *to) {
    counted *c = context;
    return fails(c) ? -ENOSPC : c->system->rename(c->system->context, directory, from, to);
}

/* Not every file system can; where it cannot, a clone that works is played, so that both ways are tested everywhere. */
static int counted_clone(void *context, int to, int from) {
    counted *c = context;
    uint8_t bytes[4096];
    if (c->cannot_clone || fails(c)) {
        return -EOPNOTSUPP;
    }
    atomic_fetch_add(&c->clones, 1);
    uint64_t at = 0;
    for (;;) {
        int64_t got = c->system->read(c->system->context, from, bytes, sizeof bytes, at);
        if (got <= 0) {
            return (int)got;
        }
        if (c->system->write(c->system->context, to, bytes, (size_t)got, at) != got) {
            return -EIO;
        }
        at += (uint64_t)got;
    }
}

typedef struct setup {
    char path[64];
    counted counted;
    rotor_os os;
    rotor_directory directory;
    rotor_level_files files;
} setup;

static setup *set_up(void) {
    setup *s = test_alloc(1, sizeof *s);
    (void)snprintf(s->path, sizeof s->path, "/tmp/rotor-level-files-XXXXXX");
    assert_non_null(mkdtemp(s->path));
    s->counted.system = rotor_os_system();
    s->os = (rotor_os){.context = &s->counted,
                       .open_directory = counted_open_directory,
                       .sync_directory = counted_sync_directory,
                       .open = counted_open,
                       .close = counted_close,
                       .read = counted_read,
                       .write = counted_write,
                       .sync = counted_sync,
                       .status = counted_status,
                       .unlink = counted_unlink,
                       .rename = counted_rename,
                       .clone = counted_clone};
    expect_ok(rotor_directory_open(&s->directory, &s->os, s->path, 0600, NULL), "%s", s->path);
    rotor_level_files_init(&s->files, &s->directory, BITS);
    return s;
}

static int remove_name(void *context, const char *name) {
    setup *s = context;
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", s->path, name);
    return remove(path);
}

static int count_name(void *context, const char *name) {
    (void)name;
    ++*(unsigned *)context;
    return 0;
}

static unsigned count_files(setup *s) {
    unsigned count = 0;
    assert_int_equal(s->counted.system->list(s->counted.system->context, s->directory.handle, count_name, &count), 0);
    return count;
}

static void tear_down(setup *s) {
    rotor_level_files_close(&s->files);
    expect(atomic_load(&s->counted.open_handles) == 0, "%d files are still open",
           atomic_load(&s->counted.open_handles));
    assert_int_equal(s->counted.system->list(s->counted.system->context, s->directory.handle, remove_name, s), 0);
    s->counted.open_handles++;
    rotor_directory_close(&s->directory);
    assert_int_equal(rmdir(s->path), 0);
    free(s);
}

static void forget_counts(setup *s) {
    s->counted.calls = 0;
    s->counted.syncs = 0;
    s->counted.directory_syncs = 0;
    s->counted.clones = 0;
}

/* ---------------------------------------------------------------- by hand, past the file layer */

static void path_of(const setup *s, char path[128], const char *name) {
    (void)snprintf(path, 128, "%s/%s", s->path, name);
}

static int64_t length_of(const setup *s, const char *name) {
    char path[128];
    struct stat facts;
    path_of(s, path, name);
    return stat(path, &facts) == 0 ? (int64_t)facts.st_size : -1;
}

static uint64_t links_of(const setup *s, const char *name) {
    char path[128];
    struct stat facts;
    path_of(s, path, name);
    return stat(path, &facts) == 0 ? (uint64_t)facts.st_nlink : 0;
}

static void link_to(const setup *s, const char *from, const char *to) {
    char from_path[128];
    char to_path[128];
    path_of(s, from_path, from);
    path_of(s, to_path, to);
    assert_int_equal(link(from_path, to_path), 0);
}

static void set_length(const setup *s, const char *name, int64_t bytes) {
    char path[128];
    path_of(s, path, name);
    assert_int_equal(truncate(path, (off_t)bytes), 0);
}

static void expect_bytes(const setup *s, const char *name, const void *bytes, size_t count) {
    char path[128];
    path_of(s, path, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    expect(file >= 0, "%s cannot be opened", path);
    uint8_t *got = test_alloc(count + 1, 1);
    ssize_t length = pread(file, got, count + 1, 0);
    assert_int_equal(close(file), 0);
    expect(length == (ssize_t)count, "%s has %zd bytes, not %zu", path, length, count);
    expect(memcmp(got, bytes, count) == 0, "%s has other bytes", path);
    free(got);
}

static void write_nodes(setup *s, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes) {
    rotor_error error = {0};
    expect_ok(rotor_level_files_write(&s->files, level, first, count, nodes->bytes, &error),
              "%" PRIu64 " nodes from %" PRIu64 ": %s", count, first, error.message);
}

static void expect_nodes(setup *s, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes) {
    rotor_hash *got = test_alloc(count, sizeof *got);
    rotor_error error = {0};
    expect_ok(rotor_level_files_read(&s->directory, BITS, level, first, count, got->bytes, &error),
              "%" PRIu64 " nodes from %" PRIu64 ": %s", count, first, error.message);
    for (uint64_t i = 0; i < count; i++) {
        expect(test_same_hash(&got[i], &nodes[i]), "%" PRIu64 " nodes from %" PRIu64 ": node %" PRIu64, count, first,
               i);
    }
    free(got);
}

static void expect_message(const rotor_error *error, const char *part) {
    expect(strstr(error->message, part) != NULL, "'%s' does not say '%s'", error->message, part);
}

/* ---------------------------------------------------------------- names */

static void names_are_parsed_back(void **state) {
    (void)state;
    static const uint64_t shards[] = {0, 1, 9, 12345678, 99999999, 100000000, 12345678901, (UINT64_C(1) << 51) - 1};
    char name[40];
    uint32_t level;
    uint64_t shard;
    rotor_level_file_name(name, 3, 42);
    assert_string_equal(name, "level-03-00000042");
    rotor_level_file_name(name, 64, 123456789);
    assert_string_equal(name, "level-64-123456789");
    rotor_level_file_name(name, UINT32_MAX, UINT64_MAX);
    assert_string_equal(name, "level-4294967295-18446744073709551615");
    for (uint32_t l = 0; l <= ROTOR_MAX_DEPTH; l++) {
        for (size_t i = 0; i < sizeof shards / sizeof shards[0]; i++) {
            rotor_level_file_name(name, l, shards[i]);
            expect(rotor_level_file_parse(name, &level, &shard), "%s", name);
            expect(level == l && shard == shards[i], "%s is taken for %u, %" PRIu64, name, level, shard);
        }
    }
}

static void other_names_are_not_parsed(void **state) {
    (void)state;
    static const char *const names[] = {
        "",
        "level",
        "level-",
        "level-0",
        "level-00",
        "level-00-",
        "level-00-0",
        "level-00-0000000",
        "level-00-000000000",
        "level-00-0000000000000001",
        "level-00-00000000 ",
        " level-00-00000000",
        "level-00-00000000.new",
        "level-0-00000000",
        "level-000-00000000",
        "level-65-00000000",
        "level-99-00000000",
        "level--1-00000000",
        "level-+1-00000000",
        "level- 1-00000000",
        "level-00--0000001",
        "level-00-+0000001",
        "level-00- 0000001",
        "level-00-0000000a",
        "level-00-0x000001",
        "level-00_00000000",
        "Level-00-00000000",
        "level-00-2251799813685248",
        "level-00-9999999999999999",
        "level-00-10000000000000000",
        "level-00-18446744073709551616",
        "level-00-99999999999999999999999999",
        "log-0000000000000001",
        "superblock",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint32_t level = 77;
        uint64_t shard = 78;
        expect(!rotor_level_file_parse(names[i], &level, &shard), "'%s'", names[i]);
        assert_true(level == 77 && shard == 78);
    }
}

/* ---------------------------------------------------------------- writing and reading */

static void ranges_around_shard_borders(void **state) {
    (void)state;
    static const uint64_t firsts[] = {0, 1, 126, 127, 128, 129, 255, 256, 257, 384, 600};
    static const uint64_t counts[] = {1, 2, 126, 127, 128, 129, 130, 255, 256, 257, 385};
    rotor_hash *nodes = test_random_leaves(11, MOST_NODES);
    unsigned step = test_scaled(100) == 100 ? 1 : 5;
    for (unsigned i = 0; i < 121; i += step) {
        uint64_t first = firsts[i / 11];
        uint64_t end = first + counts[i % 11];
        setup *s = set_up();
        write_nodes(s, 5, first, 0, nodes);
        assert_int_equal(count_files(s), 0);
        write_nodes(s, 5, first, end - first, nodes + first);
        expect_nodes(s, 5, first, end - first, nodes + first);
        assert_int_equal(count_files(s), (end - 1) / SHARD_NODES - first / SHARD_NODES + 1);
        for (uint64_t shard = first / SHARD_NODES; shard <= (end - 1) / SHARD_NODES; shard++) {
            char name[40];
            rotor_level_file_name(name, 5, shard);
            uint64_t wanted = end - shard * SHARD_NODES < SHARD_NODES ? end - shard * SHARD_NODES : SHARD_NODES;
            expect(length_of(s, name) == (int64_t)(32 * wanted), "%s: %" PRIi64 " bytes", name, length_of(s, name));
        }
        /* The rest, then the same nodes again with other contents: neighbours stay. */
        write_nodes(s, 5, 0, first, nodes);
        write_nodes(s, 5, end, MOST_NODES - end, nodes + end);
        expect_nodes(s, 5, 0, MOST_NODES, nodes);
        rotor_hash *other = test_random_leaves(12, MOST_NODES);
        write_nodes(s, 5, first, end - first, other);
        expect_nodes(s, 5, first, end - first, other);
        expect_nodes(s, 5, 0, first, nodes);
        expect_nodes(s, 5, end, MOST_NODES - end, nodes + end);
        free(other);
        tear_down(s);
    }
    free(nodes);
}

static void levels_are_apart(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(13, MOST_NODES);
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level += 16) {
        write_nodes(s, level, 0, 200 + level, nodes + level);
    }
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level += 16) {
        expect_nodes(s, level, 0, 200 + level, nodes + level);
    }
    write_nodes(s, 1, UINT64_C(1) << 57, 1, nodes);
    expect_nodes(s, 1, UINT64_C(1) << 57, 1, nodes);
    assert_int_equal(length_of(s, "level-01-1125899906842624"), 32);
    free(nodes);
    tear_down(s);
}

/* ---------------------------------------------------------------- syncs */

static void expect_syncs(setup *s, unsigned files, unsigned directories, const char *what) {
    expect(s->counted.syncs == files && s->counted.directory_syncs == directories,
           "%s: %u files and %u times the directory, not %u and %u", what, s->counted.syncs, s->counted.directory_syncs,
           files, directories);
    forget_counts(s);
}

static void what_was_written_is_synced_once(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(14, MOST_NODES);
    expect_ok(rotor_level_files_sync(&s->files, NULL), "nothing");
    expect_syncs(s, 0, 0, "nothing");
    write_nodes(s, 0, 0, 10, nodes);
    write_nodes(s, 1, 0, 10, nodes);
    write_nodes(s, 64, 0, 10, nodes);
    expect_syncs(s, 0, 0, "before the sync");
    expect_ok(rotor_level_files_sync(&s->files, NULL), "three levels");
    expect_syncs(s, 3, 1, "three new files");
    expect_ok(rotor_level_files_sync(&s->files, NULL), "nothing new");
    expect_syncs(s, 0, 0, "nothing new");
    write_nodes(s, 1, 10, 10, nodes);
    expect_ok(rotor_level_files_sync(&s->files, NULL), "more of level 1");
    expect_syncs(s, 1, 0, "more in a file that was there");
    write_nodes(s, 1, 20, 3 * SHARD_NODES, nodes);
    expect_syncs(s, 3, 0, "a shard that is left is synced");
    expect_ok(rotor_level_files_sync(&s->files, NULL), "the last shard");
    expect_syncs(s, 1, 1, "the last shard, and the names");
    /* Another object cannot know whether what it finds is in the directory for good. */
    rotor_level_files_close(&s->files);
    rotor_level_files_init(&s->files, &s->directory, BITS);
    write_nodes(s, 0, 0, 10, nodes);
    expect_ok(rotor_level_files_sync(&s->files, NULL), "a file that was there");
    expect_syncs(s, 1, 1, "a file that somebody else created");
    free(nodes);
    tear_down(s);
}

static void a_range_is_synced_with_the_directory(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(15, MOST_NODES);
    rotor_error error = {0};
    write_nodes(s, 0, 0, 500, nodes);
    forget_counts(s);
    expect_ok(rotor_level_files_sync_range(&s->directory, BITS, 0, 10, 0, &error), "nothing");
    expect_syncs(s, 0, 0, "nothing");
    expect_ok(rotor_level_files_sync_range(&s->directory, BITS, 0, 127, 1, &error), "the end of a shard");
    expect_syncs(s, 1, 1, "the end of a shard");
    expect_ok(rotor_level_files_sync_range(&s->directory, BITS, 0, 127, 2, &error), "over a border");
    expect_syncs(s, 2, 1, "over a border");
    expect_ok(rotor_level_files_sync_range(&s->directory, BITS, 0, 0, 500, &error), "all");
    expect_syncs(s, 4, 1, "all");
    expect_status(rotor_level_files_sync_range(&s->directory, BITS, 0, 400, 101, &error), ROTOR_DAMAGED, "too short");
    expect_message(&error, "level-00-00000003");
    expect_status(rotor_level_files_sync_range(&s->directory, BITS, 1, 0, 1, &error), ROTOR_DAMAGED, "missing");
    expect_message(&error, "level-01-00000000");
    free(nodes);
    tear_down(s);
}

/* ---------------------------------------------------------------- what is missing */

static void every_length_is_judged(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(16, MOST_NODES);
    rotor_hash got[300];
    write_nodes(s, 0, 0, 300, nodes);
    rotor_level_files_close(&s->files);
    int64_t step = test_scaled(100) == 100 ? 1 : 61;
    for (uint64_t shard = 0; shard < 3; shard++) {
        char name[40];
        rotor_level_file_name(name, 0, shard);
        int64_t whole = length_of(s, name);
        for (int64_t length = whole - 1; length >= 0; length -= step) {
            char found[96];
            rotor_error error = {0};
            set_length(s, name, length);
            uint64_t left = shard * SHARD_NODES + (uint64_t)length / 32;
            expect_status(rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, &error), ROTOR_DAMAGED,
                          "%s of %" PRIi64 " bytes", name, length);
            expect_message(&error, name);
            (void)snprintf(found, sizeof found, "found %" PRIi64 " bytes, needed %" PRIi64 " bytes", length, whole);
            expect_message(&error, found);
            expect_ok(rotor_level_files_check_lengths(&s->directory, BITS, 0, left, &error), "%s: %s", name,
                      error.message);
            expect_status(rotor_level_files_check_lengths(&s->directory, BITS, 0, left + 1, NULL), ROTOR_DAMAGED,
                          "%s of %" PRIi64 " bytes", name, length);
            expect_status(rotor_level_files_read(&s->directory, BITS, 0, left, 1, got->bytes, &error), ROTOR_DAMAGED,
                          "%s of %" PRIi64 " bytes", name, length);
            expect_message(&error, name);
            expect_status(rotor_level_files_read(&s->directory, BITS, 0, 0, 300, got->bytes, NULL), ROTOR_DAMAGED,
                          "%s of %" PRIi64 " bytes", name, length);
        }
        set_length(s, name, whole + 1);
        expect_ok(rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, NULL), "%s: longer", name);
    }
    free(nodes);
    tear_down(s);
}

static void a_missing_shard_is_named(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(17, MOST_NODES);
    rotor_hash got[300];
    rotor_error error = {0};
    rotor_file file = ROTOR_FILE_CLOSED;
    write_nodes(s, 0, 0, 300, nodes);
    rotor_level_files_close(&s->files);
    expect_ok(rotor_level_files_open_shard(&file, &s->directory, 0, 1, 128, &error), "%s", error.message);
    rotor_file_close(&file);
    assert_int_equal(remove_name(s, "level-00-00000001"), 0);
    expect_status(rotor_level_files_open_shard(&file, &s->directory, 0, 1, 0, &error), ROTOR_DAMAGED, "it is missing");
    assert_int_equal(file.handle, -1);
    expect_ok(rotor_level_files_check_lengths(&s->directory, BITS, 0, 0, &error), "none");
    expect_ok(rotor_level_files_check_lengths(&s->directory, BITS, 0, 128, &error), "those before");
    expect_ok(rotor_level_files_read(&s->directory, BITS, 0, 256, 44, got->bytes, &error), "those behind");
    assert_memory_equal(got, nodes + 256, 44 * sizeof *got);
    for (unsigned i = 0; i < 3; i++) {
        rotor_status status = i == 0   ? rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, &error)
                              : i == 1 ? rotor_level_files_read(&s->directory, BITS, 0, 0, 300, got->bytes, &error)
                                       : rotor_level_files_sync_range(&s->directory, BITS, 0, 0, 300, &error);
        expect_status(status, ROTOR_DAMAGED, "call %u", i);
        expect_message(&error, "level-00-00000001");
        expect_message(&error, "found no such file, needed 4096 bytes");
        memset(&error, 0, sizeof error);
    }
    char path[128];
    path_of(s, path, "level-00-00000001");
    assert_int_equal(mkdir(path, 0700), 0);
    expect_status(rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, &error), ROTOR_DAMAGED, "a directory");
    expect_message(&error, "found a directory");
    expect_status(rotor_level_files_write(&s->files, 0, 128, 1, nodes->bytes, &error), ROTOR_IO, "a directory");
    /* So many shards that only the first missing one can be looked for. */
    expect_status(rotor_level_files_check_lengths(&s->directory, BITS, 9, UINT64_C(1) << 58, &error), ROTOR_DAMAGED,
                  "nothing there");
    free(nodes);
    tear_down(s);
}

static void a_shard_removed_while_open_is_noticed(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(18, 4);
    rotor_error error = {0};
    write_nodes(s, 0, 0, 2, nodes);
    assert_int_equal(remove_name(s, "level-00-00000000"), 0);
    expect_status(rotor_level_files_write(&s->files, 0, 2, 2, nodes->bytes, &error), ROTOR_DAMAGED, "it was removed");
    expect_message(&error, "level-00-00000000");
    free(nodes);
    tear_down(s);
}

/* ---------------------------------------------------------------- shards with two names */

static void a_linked_shard_is_left_alone(void **state) {
    (void)state;
    rotor_hash *nodes = test_random_leaves(19, 300);
    rotor_hash *other = test_random_leaves(20, 300);
    for (unsigned variant = 0; variant < 8; variant++) {
        bool clone = (variant & 1) != 0;
        bool stays_open = (variant & 2) != 0;
        bool synced = (variant & 4) != 0;
        setup *s = set_up();
        s->counted.cannot_clone = !clone;
        write_nodes(s, 2, 0, 300, nodes);
        if (synced) {
            expect_ok(rotor_level_files_sync(&s->files, NULL), "before the backup");
        }
        if (!stays_open) {
            rotor_level_files_close(&s->files);
        } else {
            write_nodes(s, 2, 100, 1, nodes + 100);
        }
        link_to(s, "level-02-00000000", "backup-0");
        link_to(s, "level-02-00000001", "backup-1");
        forget_counts(s);
        write_nodes(s, 2, 120, 20, other + 120);
        expect_ok(rotor_level_files_sync(&s->files, NULL), "variant %u", variant);
        assert_int_equal(s->counted.clones, clone ? 2 : 0);
        expect(s->counted.directory_syncs == 1, "variant %u: the new names are not synced", variant);
        expect(s->counted.syncs == 4, "variant %u: %u syncs", variant, s->counted.syncs);
        expect_bytes(s, "backup-0", nodes, 128 * 32);
        expect_bytes(s, "backup-1", nodes + 128, 128 * 32);
        expect_nodes(s, 2, 0, 120, nodes);
        expect_nodes(s, 2, 120, 20, other + 120);
        expect_nodes(s, 2, 140, 160, nodes + 140);
        assert_int_equal(length_of(s, "level-02-00000000"), 4096);
        assert_int_equal(links_of(s, "level-02-00000000"), 1);
        assert_int_equal(links_of(s, "level-02-00000001"), 1);
        assert_int_equal(links_of(s, "backup-0"), 1);
        assert_int_equal(count_files(s), 5);
        forget_counts(s);
        write_nodes(s, 2, 130, 2, nodes + 130);
        expect_ok(rotor_level_files_sync(&s->files, NULL), "variant %u", variant);
        expect_syncs(s, 1, 0, "a shard that is private already");
        tear_down(s);
    }
    free(nodes);
    free(other);
}

/* More than one piece, and an odd end. */
static void a_large_shard_is_copied_whole(void **state) {
    (void)state;
    enum { NODES = 3 * 32768 + 5 };
    setup *s = set_up();
    s->counted.cannot_clone = true;
    rotor_hash *nodes = test_random_leaves(21, NODES);
    rotor_level_files_init(&s->files, &s->directory, 20);
    write_nodes(s, 0, 0, NODES, nodes);
    set_length(s, "level-00-00000000", NODES * 32 + 7);
    link_to(s, "level-00-00000000", "backup");
    nodes[NODES - 1].bytes[0] ^= 1;
    write_nodes(s, 0, NODES - 1, 1, nodes + NODES - 1);
    assert_int_equal(length_of(s, "level-00-00000000"), NODES * 32 + 7);
    set_length(s, "level-00-00000000", NODES * 32);
    expect_bytes(s, "level-00-00000000", nodes, (size_t)NODES * 32);
    nodes[NODES - 1].bytes[0] ^= 1;
    set_length(s, "backup", NODES * 32);
    expect_bytes(s, "backup", nodes, (size_t)NODES * 32);
    free(nodes);
    tear_down(s);
}

/* A second object has the shard open when the first replaces it. */
static void a_replaced_shard_is_left_by_the_others(void **state) {
    (void)state;
    rotor_hash *nodes = test_random_leaves(22, 300);
    rotor_hash *other = test_random_leaves(23, 300);
    rotor_shard_guard guard;
    expect_ok(rotor_shard_guard_init(&guard, NULL), "a lock");
    setup *s = set_up();
    rotor_level_files second;
    rotor_level_files_init(&second, &s->directory, BITS);
    rotor_level_files_share(&s->files, &guard);
    rotor_level_files_share(&second, &guard);
    write_nodes(s, 0, 0, 100, nodes);
    expect_ok(rotor_level_files_write(&second, 0, 100, 28, nodes[100].bytes, NULL), "the second object");
    expect_ok(rotor_level_files_write(&second, 1, 0, 28, nodes->bytes, NULL), "the second object");
    expect_ok(rotor_level_files_sync(&s->files, NULL), "the first object");
    link_to(s, "level-00-00000000", "backup");
    write_nodes(s, 0, 0, 1, other);
    /* The second has written nothing since, but what it wrote before is now under a name that is not synced. */
    forget_counts(s);
    expect_ok(rotor_level_files_sync(&second, NULL), "the second object");
    expect_syncs(s, 2, 1, "the second object, whose shard was replaced");
    expect_ok(rotor_level_files_write(&second, 0, 127, 1, other[127].bytes, NULL), "the second object");
    expect_bytes(s, "backup", nodes, 128 * 32);
    expect_nodes(s, 0, 0, 1, other);
    expect_nodes(s, 0, 1, 126, nodes + 1);
    expect_nodes(s, 0, 127, 1, other + 127);
    /* And the other way round. */
    link_to(s, "level-00-00000000", "backup-2");
    expect_ok(rotor_level_files_write(&second, 0, 126, 1, other[126].bytes, NULL), "the second object");
    write_nodes(s, 0, 2, 1, other + 2);
    expect_nodes(s, 0, 126, 2, other + 126);
    expect_nodes(s, 0, 2, 1, other + 2);
    expect_bytes(s, "backup", nodes, 128 * 32);
    rotor_level_files_close(&second);
    rotor_shard_guard_destroy(&guard);
    tear_down(s);
    free(nodes);
    free(other);
}

/* ---------------------------------------------------------------- several threads */

typedef struct writer {
    rotor_level_files files;
    const rotor_hash *nodes;
    unsigned parity; /* writes the nodes of this one */
    uint64_t rounds;
    _Atomic uint64_t done;
    rotor_error error;
    rotor_status status;
} writer;

static void *write_steadily(void *context) {
    writer *w = context;
    for (uint64_t i = 0; i < w->rounds && w->status == ROTOR_OK; i++) {
        uint64_t node = 2 * (i % (SHARD_NODES / 2)) + w->parity;
        w->status = rotor_level_files_write(&w->files, 0, node, 1, w->nodes[i].bytes, &w->error);
        if (w->status == ROTOR_OK && i % 16 == 15) {
            w->status = rotor_level_files_sync(&w->files, &w->error);
        }
        atomic_fetch_add(&w->done, 1);
    }
    atomic_store(&w->done, UINT64_MAX);
    return NULL;
}

/* Two objects write every other node of one shard while it is linked again and again: nothing may get lost, and no
 * linked file may change. */
static void writers_and_links_meet(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_shard_guard guard;
    uint64_t rounds = test_scaled(2000);
    rotor_hash *nodes = test_random_leaves(24, rounds);
    rotor_hash zeros[SHARD_NODES] = {{{0}}};
    expect_ok(rotor_shard_guard_init(&guard, NULL), "a lock");
    write_nodes(s, 0, 0, SHARD_NODES, zeros);
    /* Before the first write, so that there is at least one link to meet. */
    link_to(s, "level-00-00000000", "backup");
    writer *writers = test_alloc(2, sizeof *writers);
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++) {
        writers[i].nodes = nodes;
        writers[i].parity = i;
        writers[i].rounds = rounds;
        rotor_level_files_init(&writers[i].files, &s->directory, BITS);
        rotor_level_files_share(&writers[i].files, &guard);
        assert_int_equal(pthread_create(&threads[i], NULL, write_steadily, &writers[i]), 0);
    }
    uint64_t seen[2] = {0, 0};
    uint64_t replacements = 0;
    uint8_t before[SHARD_NODES * 32];
    char path[128];
    path_of(s, path, "backup");
    while (seen[0] != UINT64_MAX && seen[1] != UINT64_MAX) {
        /* Until it is replaced: a write that had begun may still arrive in it. */
        while (links_of(s, "backup") > 1 && atomic_load(&writers[0].done) != UINT64_MAX &&
               atomic_load(&writers[1].done) != UINT64_MAX) {
            (void)sched_yield();
        }
        bool replaced = links_of(s, "backup") == 1;
        int file = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(file >= 0 && pread(file, before, sizeof before, 0) == (ssize_t)sizeof before);
        /* Both must have written since, so that none meets more than two links in one write. */
        for (unsigned i = 0; i < 2; i++) {
            uint64_t start = atomic_load(&writers[i].done);
            while (start != UINT64_MAX && atomic_load(&writers[i].done) < start + 2) {
                (void)sched_yield();
            }
            seen[i] = atomic_load(&writers[i].done);
        }
        if (replaced) {
            expect_bytes(s, "backup", before, sizeof before);
            replacements++;
        }
        assert_int_equal(close(file), 0);
        assert_int_equal(remove_name(s, "backup"), 0);
        if (seen[0] != UINT64_MAX && seen[1] != UINT64_MAX) {
            link_to(s, "level-00-00000000", "backup");
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        expect_ok(writers[i].status, "%s", writers[i].error.message);
        rotor_level_files_close(&writers[i].files);
    }
    assert_true(replacements > 0);
    for (uint64_t node = 0; node < SHARD_NODES; node++) {
        uint64_t last = UINT64_MAX;
        for (uint64_t i = node / 2; i < rounds; i += SHARD_NODES / 2) {
            last = i;
        }
        expect_nodes(s, 0, node, 1, last == UINT64_MAX ? zeros : nodes + last);
    }
    rotor_shard_guard_destroy(&guard);
    free(writers);
    free(nodes);
    tear_down(s);
}

/* ---------------------------------------------------------------- every call fails once */

static rotor_status grow(setup *s, const rotor_hash *nodes, rotor_error *error) {
    rotor_status status = rotor_level_files_write(&s->files, 0, 200, 200, nodes[200].bytes, error);
    if (status == ROTOR_OK) {
        status = rotor_level_files_write(&s->files, 1, 50, 50, nodes[50].bytes, error);
    }
    return status == ROTOR_OK ? rotor_level_files_sync(&s->files, error) : status;
}

static void whatever_fails_loses_nothing(void **state) {
    (void)state;
    rotor_hash *nodes = test_random_leaves(25, 400);
    for (unsigned clone = 0; clone < 2; clone++) {
        bool clean = false;
        unsigned failing = 1;
        for (; !clean; failing++) {
            setup *s = set_up();
            s->counted.cannot_clone = clone == 0;
            write_nodes(s, 0, 0, 200, nodes);
            write_nodes(s, 1, 0, 50, nodes);
            expect_ok(rotor_level_files_sync(&s->files, NULL), "the old contents");
            link_to(s, "level-00-00000001", "backup");
            forget_counts(s);
            s->counted.fails = failing;
            rotor_error error = {0};
            rotor_status status = grow(s, nodes, &error);
            clean = s->counted.calls < failing;
            s->counted.fails = 0;
            /* A clone that fails is no failure: the file is copied. */
            bool copied = clone == 1 && status == ROTOR_OK && s->counted.clones == 0;
            expect((status == ROTOR_OK) == (clean || copied), "call %u: %s: %s", failing, rotor_status_name(status),
                   error.message);
            if (status != ROTOR_OK) {
                assert_int_equal(error.status, status);
                expect(status == ROTOR_IO && error.os_errno != 0, "call %u: %s", failing, error.message);
                expect_message(&error, s->path);
            }
            expect_bytes(s, "backup", nodes + 128, 72 * 32);
            expect_nodes(s, 0, 0, 200, nodes);
            expect_nodes(s, 1, 0, 50, nodes);
            /* As after opening the tree anew, but for the remains of a copy, which must not matter. */
            rotor_level_files_close(&s->files);
            rotor_level_files_init(&s->files, &s->directory, BITS);
            expect_ok(grow(s, nodes, &error), "after call %u failed: %s", failing, error.message);
            expect_bytes(s, "backup", nodes + 128, 72 * 32);
            expect_nodes(s, 0, 0, 400, nodes);
            expect_nodes(s, 1, 0, 100, nodes);
            tear_down(s);
        }
        assert_true(failing > 15);
    }
    free(nodes);
}

static void reading_fails_without_damage(void **state) {
    (void)state;
    rotor_hash *nodes = test_random_leaves(26, 300);
    rotor_hash got[300];
    setup *s = set_up();
    write_nodes(s, 0, 0, 300, nodes);
    expect_ok(rotor_level_files_sync(&s->files, NULL), "the contents");
    for (unsigned what = 0; what < 3; what++) {
        for (unsigned failing = 1;; failing++) {
            rotor_error error = {0};
            int open_before = s->counted.open_handles;
            forget_counts(s);
            s->counted.fails = failing;
            rotor_status status = what == 0 ? rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, &error)
                                  : what == 1
                                      ? rotor_level_files_read(&s->directory, BITS, 0, 0, 300, got->bytes, &error)
                                      : rotor_level_files_sync_range(&s->directory, BITS, 0, 0, 300, &error);
            bool clean = s->counted.calls < failing;
            s->counted.fails = 0;
            expect_status(status, clean ? ROTOR_OK : ROTOR_IO, "call %u of %u: %s", failing, what, error.message);
            assert_int_equal(s->counted.open_handles, open_before);
            if (clean) {
                assert_true(failing > 6);
                break;
            }
        }
    }
    assert_memory_equal(got, nodes, sizeof got);
    free(nodes);
    tear_down(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_parsed_back),
        cmocka_unit_test(other_names_are_not_parsed),
        cmocka_unit_test(ranges_around_shard_borders),
        cmocka_unit_test(levels_are_apart),
        cmocka_unit_test(what_was_written_is_synced_once),
        cmocka_unit_test(a_range_is_synced_with_the_directory),
        cmocka_unit_test(every_length_is_judged),
        cmocka_unit_test(a_missing_shard_is_named),
        cmocka_unit_test(a_shard_removed_while_open_is_noticed),
        cmocka_unit_test(a_linked_shard_is_left_alone),
        cmocka_unit_test(a_large_shard_is_copied_whole),
        cmocka_unit_test(a_replaced_shard_is_left_by_the_others),
        cmocka_unit_test(writers_and_links_meet),
        cmocka_unit_test(whatever_fails_loses_nothing),
        cmocka_unit_test(reading_fails_without_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
