/* What the tests of the level files share: a folder with shards of 128 nodes in the system's files, under a file layer
 * that counts calls and lets a chosen one fail, and ways to look at the files past that layer. */
#ifndef ROTOR_TESTS_LEVEL_FILES_SCENE_H
#define ROTOR_TESTS_LEVEL_FILES_SCENE_H

#include "scratch.h"
#include "support.h"

#include "os/file.h"
#include "store/level_files.h"

#include <errno.h>
#include <fcntl.h>
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

static inline bool fails(counted *c) {
    return atomic_fetch_add(&c->calls, 1) + 1 == c->fails;
}

static inline int counted_open_directory(void *context, const char *path) {
    counted *c = context;
    return c->system->open_directory(c->system->context, path);
}

static inline int counted_sync_directory(void *context, int directory) {
    counted *c = context;
    atomic_fetch_add(&c->directory_syncs, 1);
    return fails(c) ? -EIO : c->system->sync_directory(c->system->context, directory);
}

static inline int counted_open(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    counted *c = context;
    int result = fails(c) ? -EMFILE : c->system->open(c->system->context, directory, name, flags, mode);
    if (result >= 0) {
        atomic_fetch_add(&c->open_handles, 1);
    }
    return result;
}

static inline int counted_close(void *context, int file) {
    counted *c = context;
    atomic_fetch_sub(&c->open_handles, 1);
    return c->system->close(c->system->context, file);
}

static inline int64_t counted_read(void *context, int file, void *bytes, size_t count, uint64_t offset) {
    counted *c = context;
    return fails(c) ? -EIO : c->system->read(c->system->context, file, bytes, count, offset);
}

/* The failing write leaves half of its bytes behind. */
static inline int64_t counted_write(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    counted *c = context;
    if (fails(c)) {
        (void)c->system->write(c->system->context, file, bytes, count / 2, offset);
        return -ENOSPC;
    }
    return c->system->write(c->system->context, file, bytes, count, offset);
}

static inline int counted_sync(void *context, int file) {
    counted *c = context;
    atomic_fetch_add(&c->syncs, 1);
    return fails(c) ? -EIO : c->system->sync(c->system->context, file);
}

static inline int counted_truncate(void *context, int file, uint64_t bytes) {
    counted *c = context;
    return fails(c) ? -EIO : c->system->truncate(c->system->context, file, bytes);
}

static inline int counted_status(void *context, int file, rotor_os_status *status) {
    counted *c = context;
    return fails(c) ? -EIO : c->system->status(c->system->context, file, status);
}

static inline int counted_unlink(void *context, int directory, const char *name) {
    counted *c = context;
    return fails(c) ? -EACCES : c->system->unlink(c->system->context, directory, name);
}

static inline int counted_rename(void *context, int directory, const char *from, const char *to) {
    counted *c = context;
    return fails(c) ? -ENOSPC : c->system->rename(c->system->context, directory, from, to);
}

/* Not every file system can; where it cannot, a clone that works is played, so that both ways are tested everywhere. */
static inline int counted_clone(void *context, int to, int from) {
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

static inline setup *set_up(void) {
    setup *s = test_alloc(1, sizeof *s);
    scratch_make(s->path, sizeof s->path, "/tmp");
    s->counted.system = rotor_os_system();
    s->os = (rotor_os){.context = &s->counted,
                       .open_directory = counted_open_directory,
                       .sync_directory = counted_sync_directory,
                       .open = counted_open,
                       .close = counted_close,
                       .read = counted_read,
                       .write = counted_write,
                       .sync = counted_sync,
                       .truncate = counted_truncate,
                       .status = counted_status,
                       .unlink = counted_unlink,
                       .rename = counted_rename,
                       .clone = counted_clone};
    expect_ok(rotor_directory_open(&s->directory, &s->os, s->path, 0600, NULL), "%s", s->path);
    rotor_level_files_init(&s->files, &s->directory, BITS);
    return s;
}

static inline int remove_name(void *context, const char *name) {
    setup *s = context;
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", s->path, name);
    return remove(path);
}

static inline int count_name(void *context, const char *name) {
    (void)name;
    ++*(unsigned *)context;
    return 0;
}

static inline unsigned count_files(setup *s) {
    unsigned count = 0;
    assert_int_equal(s->counted.system->list(s->counted.system->context, s->directory.handle, count_name, &count), 0);
    return count;
}

static inline void tear_down(setup *s) {
    rotor_level_files_close(&s->files);
    expect(atomic_load(&s->counted.open_handles) == 0, "%d files are still open",
           atomic_load(&s->counted.open_handles));
    assert_int_equal(s->counted.system->list(s->counted.system->context, s->directory.handle, remove_name, s), 0);
    s->counted.open_handles++;
    rotor_directory_close(&s->directory);
    assert_int_equal(rmdir(s->path), 0);
    free(s);
}

static inline void forget_counts(setup *s) {
    s->counted.calls = 0;
    s->counted.syncs = 0;
    s->counted.directory_syncs = 0;
    s->counted.clones = 0;
}

/* ---------------------------------------------------------------- by hand, past the file layer */

static inline void path_of(const setup *s, char path[128], const char *name) {
    (void)snprintf(path, 128, "%s/%s", s->path, name);
}

static inline int64_t length_of(const setup *s, const char *name) {
    char path[128];
    struct stat facts;
    path_of(s, path, name);
    return stat(path, &facts) == 0 ? (int64_t)facts.st_size : -1;
}

static inline uint64_t links_of(const setup *s, const char *name) {
    char path[128];
    struct stat facts;
    path_of(s, path, name);
    return stat(path, &facts) == 0 ? (uint64_t)facts.st_nlink : 0;
}

static inline void link_to(const setup *s, const char *from, const char *to) {
    char from_path[128];
    char to_path[128];
    path_of(s, from_path, from);
    path_of(s, to_path, to);
    assert_int_equal(link(from_path, to_path), 0);
}

static inline void set_length(const setup *s, const char *name, int64_t bytes) {
    char path[128];
    path_of(s, path, name);
    assert_int_equal(truncate(path, (off_t)bytes), 0);
}

static inline void expect_bytes(const setup *s, const char *name, const void *bytes, size_t count) {
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

static inline void write_nodes(setup *s, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes) {
    rotor_error error = {0};
    expect_ok(rotor_level_files_write(&s->files, level, first, count, nodes->bytes, &error),
              "%" PRIu64 " nodes from %" PRIu64 ": %s", count, first, error.message);
}

static inline void expect_nodes(setup *s, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes) {
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

static inline void expect_message(const rotor_error *error, const char *part) {
    expect(strstr(error->message, part) != NULL, "'%s' does not say '%s'", error->message, part);
}

static inline void expect_syncs(setup *s, unsigned files, unsigned directories, const char *what) {
    expect(s->counted.syncs == files && s->counted.directory_syncs == directories,
           "%s: %u files and %u times the directory, not %u and %u", what, s->counted.syncs, s->counted.directory_syncs,
           files, directories);
    forget_counts(s);
}

#endif
