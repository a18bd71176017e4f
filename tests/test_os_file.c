/* The file layer of the system in a folder of its own, and whole transfers and their messages on top of a file layer
 * that interrupts, falls short and fails by a script. */
#include "scratch.h"
#include "support.h"

#include "os/file.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- a folder for each test */

typedef struct folder {
    char path[256];
    int handle;
    size_t handles; /* of the process, to see that none is left open */
} folder;

static const rotor_os *os;
static void *const none = NULL; /* the context of the system's functions */

static size_t open_handles(void) {
    size_t count = 0;
    for (int handle = 0; handle < 256; handle++) {
        count += fcntl(handle, F_GETFD) != -1;
    }
    return count;
}

static int set_up(void **state) {
    folder *f = test_alloc(1, sizeof *f);
    const char *base = getenv("TMPDIR");
    scratch_make(f->path, sizeof f->path, base != NULL && strlen(base) < 200 ? base : "/tmp");
    os = rotor_os_system();
    *state = f;
    f->handle = os->open_directory(os->context, f->path);
    f->handles = open_handles();
    return f->handle >= 0 ? 0 : -1;
}

static int remove_name(void *context, const char *name) {
    folder *f = context;
    return unlinkat(f->handle, name, 0) == 0 || unlinkat(f->handle, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

static int tear_down(void **state) {
    folder *f = *state;
    bool good = open_handles() == f->handles;
    good = os->list(none, f->handle, remove_name, f) == 0 && good;
    good = close(f->handle) == 0 && good;
    good = rmdir(f->path) == 0 && good;
    free(f);
    return good ? 0 : -1;
}

static const char *path_in(const folder *f, const char *name) {
    static char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", f->path, name);
    return path;
}

static int create(const folder *f, const char *name, const char *contents) {
    int file = os->open(none, f->handle, name, ROTOR_OS_WRITE | ROTOR_OS_CREATE | ROTOR_OS_NEW, 0600);
    assert_true(file >= 0);
    assert_int_equal(os->write(none, file, contents, strlen(contents), 0), strlen(contents));
    return file;
}

static void expect_contents(int file, const char *contents) {
    char found[256] = {0};
    assert_int_equal(os->read(none, file, found, sizeof found, 0), strlen(contents));
    assert_string_equal(found, contents);
}

/* ---------------------------------------------------------------- the system's: directories */

static void directories(void **state) {
    folder *f = *state;
    assert_int_equal(os->make_directory(none, path_in(f, "d"), 0700), 0);
    assert_int_equal(os->make_directory(none, path_in(f, "d"), 0700), -EEXIST);
    assert_int_equal(os->make_directory(none, path_in(f, "no/d"), 0700), -ENOENT);
    struct stat found;
    assert_int_equal(stat(path_in(f, "d"), &found), 0);
    assert_int_equal(found.st_mode & 07777, 0700);

    int handle = os->open_directory(none, path_in(f, "d"));
    assert_true(handle >= 0);
    assert_int_equal(fcntl(handle, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    rotor_os_status status = {0};
    assert_int_equal(os->status(none, handle, &status), 0);
    assert_int_equal(os->sync_directory(none, handle), 0);

    /* Names are relative to the handle, whatever the path of the directory is by now. */
    int file = os->open(none, handle, "x", ROTOR_OS_WRITE | ROTOR_OS_CREATE, 0600);
    assert_true(file >= 0);
    assert_int_equal(os->close(none, file), 0);
    assert_int_equal(os->remove_directory(none, path_in(f, "d")), -ENOTEMPTY);
    assert_int_equal(os->rename(none, f->handle, "d", "e"), 0);
    assert_int_equal(os->unlink(none, handle, "x"), 0);
    assert_int_equal(os->close(none, handle), 0);
    assert_int_equal(os->remove_directory(none, path_in(f, "e")), 0);
    assert_int_equal(os->remove_directory(none, path_in(f, "e")), -ENOENT);

    assert_int_equal(os->open_directory(none, path_in(f, "e")), -ENOENT);
    assert_int_equal(os->close(none, create(f, "file", "")), 0);
    assert_int_equal(os->open_directory(none, path_in(f, "file")), -ENOTDIR);
}

static void parents(void **state) {
    folder *f = *state;
    assert_int_equal(os->make_directory(none, path_in(f, "d"), 0700), 0);
    assert_int_equal(symlinkat("d", f->handle, "to-d"), 0);
    static const char *const ends[] = {"d", "d/", "d//", "d/.", "d/./", "d/..", "d/../d", "to-d", "."};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        expect(os->sync_parent(none, path_in(f, ends[i])) == 0, "%s", ends[i]);
    }
    assert_int_equal(os->sync_parent(none, "/"), 0);
    assert_int_equal(os->sync_parent(none, "."), 0);
    assert_int_equal(os->sync_parent(none, path_in(f, "no")), -ENOENT);
    assert_int_equal(os->sync_parent(none, ""), -ENOENT);
    assert_int_equal(os->close(none, create(f, "file", "")), 0);
    assert_int_equal(os->sync_parent(none, path_in(f, "file")), -ENOTDIR);

    /* It is the parent that is opened: it must be readable, the directory itself need not be. The superuser, who may
     * read everything, becomes another for a moment. */
    bool root = geteuid() == 0;
    assert_int_equal(chmod(path_in(f, "d"), 0311), 0);
    assert_int_equal(chmod(f->path, 0755), 0);
    if ((root && seteuid(65534) != 0) || faccessat(AT_FDCWD, f->path, R_OK | X_OK, AT_EACCESS) != 0) {
        print_message("not tried as an ordinary user\n");
    } else {
        assert_int_equal(os->sync_parent(none, path_in(f, "d")), 0);
        assert_true(!root || seteuid(0) == 0);
        assert_int_equal(chmod(f->path, 0311), 0);
        assert_true(!root || seteuid(65534) == 0);
        assert_int_equal(os->sync_parent(none, path_in(f, "d")), -EACCES);
    }
    assert_true(!root || seteuid(0) == 0);
    assert_int_equal(chmod(f->path, 0700), 0);
}

#define LISTED 300

typedef struct listing {
    int handle;
    size_t names;
    unsigned seen[LISTED];
    size_t stop_at; /* the name, from 1, at which the listing is ended; 0: at none */
} listing;

static int note_name(void *context, const char *name) {
    listing *l = context;
    l->names++;
    if (strncmp(name, "name-", 5) != 0) {
        return -EPROTO;
    }
    char *end;
    unsigned long number = strtoul(name + 5, &end, 10);
    if (end == name + 5 || *end != '\0' || number >= LISTED) {
        return -EPROTO;
    }
    l->seen[number]++;
    return l->names == l->stop_at ? 77 : 0;
}

static void *list_often(void *argument) {
    listing *l = argument;
    for (unsigned round = 0; round < 20; round++) {
        if (os->list(none, l->handle, note_name, l) != 0) {
            l->names = 0;
            break;
        }
    }
    return NULL;
}

static void lists(void **state) {
    folder *f = *state;
    listing empty = {0};
    assert_int_equal(os->list(none, f->handle, note_name, &empty), 0);
    assert_int_equal(empty.names, 0);
    for (unsigned i = 0; i < LISTED; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "name-%u", i);
        assert_int_equal(os->close(none, create(f, name, "")), 0);
    }
    listing stopped = {.stop_at = 5};
    assert_int_equal(os->list(none, f->handle, note_name, &stopped), 77);
    assert_int_equal(stopped.names, 5);

    /* Listings of the same handle at the same time do not take names from one another. */
    listing threads[2] = {{.handle = f->handle}, {.handle = f->handle}};
    pthread_t ids[2];
    for (unsigned t = 0; t < 2; t++) {
        assert_int_equal(pthread_create(&ids[t], NULL, list_often, &threads[t]), 0);
    }
    for (unsigned t = 0; t < 2; t++) {
        assert_int_equal(pthread_join(ids[t], NULL), 0);
        assert_int_equal(threads[t].names, 20 * LISTED);
        for (unsigned i = 0; i < LISTED; i++) {
            assert_int_equal(threads[t].seen[i], 20);
        }
    }
}

/* ---------------------------------------------------------------- the system's: files */

static void opening(void **state) {
    folder *f = *state;
    assert_int_equal(os->open(none, f->handle, "a", ROTOR_OS_READ, 0600), -ENOENT);
    assert_int_equal(os->open(none, f->handle, "a", ROTOR_OS_WRITE, 0600), -ENOENT);
    mode_t mask = umask(022);
    int file = os->open(none, f->handle, "a", ROTOR_OS_WRITE | ROTOR_OS_CREATE | ROTOR_OS_NEW, 0666);
    (void)umask(mask);
    assert_true(file >= 0);
    assert_int_equal(fcntl(file, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    struct stat found;
    assert_int_equal(stat(path_in(f, "a"), &found), 0);
    assert_int_equal(found.st_mode & 07777, 0644);
    assert_int_equal(os->write(none, file, "abc", 3, 0), 3);
    assert_int_equal(os->close(none, file), 0);
    assert_int_equal(os->open(none, f->handle, "a", ROTOR_OS_WRITE | ROTOR_OS_CREATE | ROTOR_OS_NEW, 0600), -EEXIST);

    file = os->open(none, f->handle, "a", ROTOR_OS_WRITE | ROTOR_OS_CREATE, 0600);
    expect_contents(file, "abc");
    assert_int_equal(os->write(none, file, "d", 1, 3), 1);
    assert_int_equal(os->close(none, file), 0);
    file = os->open(none, f->handle, "a", ROTOR_OS_READ, 0);
    expect_contents(file, "abcd");
    assert_int_equal(os->write(none, file, "e", 1, 4), -EBADF);
    assert_int_equal(os->close(none, file), 0);
    file = os->open(none, f->handle, "a", ROTOR_OS_WRITE | ROTOR_OS_TRUNCATE, 0600);
    expect_contents(file, "");
    assert_int_equal(os->close(none, file), 0);
}

static void contents(void **state) {
    folder *f = *state;
    int file = create(f, "a", "0123456789");
    char bytes[16] = {0};
    assert_int_equal(os->read(none, file, bytes, 4, 3), 4);
    assert_string_equal(bytes, "3456");
    assert_int_equal(os->read(none, file, bytes, 16, 8), 2);
    assert_int_equal(os->read(none, file, bytes, 16, 10), 0);
    assert_int_equal(os->read(none, file, bytes, 16, UINT64_C(1) << 63), -EINVAL);
    assert_int_equal(os->write(none, file, "xy", 2, 12), 2);
    assert_int_equal(os->read(none, file, bytes, 16, 0), 14);
    assert_memory_equal(bytes, "0123456789\0\0xy", 14);
    assert_int_equal(os->sync(none, file), 0);

    rotor_os_status status = {0};
    assert_int_equal(os->status(none, file, &status), 0);
    assert_int_equal(status.bytes, 14);
    assert_int_equal(status.links, 1);
    assert_int_equal(os->truncate(none, file, 3), 0);
    expect_contents(file, "012");
    const uint64_t large = UINT64_C(5) << 30;
    assert_int_equal(os->truncate(none, file, large), 0);
    assert_int_equal(os->write(none, file, "end", 3, large - 3), 3);
    assert_int_equal(os->status(none, file, &status), 0);
    assert_true(status.bytes == large);
    assert_int_equal(os->read(none, file, bytes, 16, large - 3), 3);
    assert_memory_equal(bytes, "end", 3);
    assert_int_equal(os->truncate(none, file, 0), 0);
    assert_int_equal(os->close(none, file), 0);
}

static void names(void **state) {
    folder *f = *state;
    int file = create(f, "a", "of a");
    assert_int_equal(os->close(none, create(f, "b", "of b")), 0);
    assert_int_equal(os->make_directory(none, path_in(f, "d"), 0700), 0);
    int directory = os->open_directory(none, path_in(f, "d"));
    assert_true(directory >= 0);

    assert_int_equal(os->link(none, f->handle, "a", directory, "a"), 0);
    assert_int_equal(os->link(none, f->handle, "a", directory, "a"), -EEXIST);
    assert_int_equal(os->link(none, f->handle, "no", directory, "b"), -ENOENT);
    rotor_os_status status = {0};
    assert_int_equal(os->status(none, file, &status), 0);
    assert_int_equal(status.links, 2);
    assert_int_equal(os->unlink(none, directory, "a"), 0);
    assert_int_equal(os->unlink(none, directory, "a"), -ENOENT);
    assert_int_equal(os->status(none, file, &status), 0);
    assert_int_equal(status.links, 1);

    assert_int_equal(os->rename(none, f->handle, "a", "b"), 0);
    assert_int_equal(os->rename(none, f->handle, "a", "b"), -ENOENT);
    int renamed = os->open(none, f->handle, "b", ROTOR_OS_READ, 0);
    expect_contents(renamed, "of a");
    assert_int_equal(os->close(none, renamed), 0);
    assert_int_equal(os->unlink(none, f->handle, "b"), 0);
    assert_int_equal(os->status(none, file, &status), 0);
    assert_int_equal(status.links, 0);
    assert_int_equal(os->unlink(none, f->handle, "d"), -EISDIR);
    assert_int_equal(os->close(none, directory), 0);
    assert_int_equal(os->close(none, file), 0);
}

static void clones(void **state) {
    folder *f = *state;
    int from = create(f, "from", "shared");
    int to = create(f, "to", "");
    int result = os->clone(none, to, from);
    if (result == 0) {
        expect_contents(to, "shared");
        assert_int_equal(os->write(none, from, "S", 1, 0), 1);
        expect_contents(to, "shared");
    } else {
        expect(result == -EOPNOTSUPP || result == -EXDEV || result == -EINVAL || result == -ENOTTY || result == -ENOSYS,
               "%d", result);
        expect_contents(to, "");
    }
    assert_int_equal(os->clone(none, to, -1), -EBADF);
    assert_int_equal(os->close(none, from), 0);
    assert_int_equal(os->close(none, to), 0);
}

static void locks(void **state) {
    folder *f = *state;
    int first = create(f, "lock", "");
    int second = os->open(none, f->handle, "lock", ROTOR_OS_WRITE, 0);
    assert_int_equal(os->lock(none, first), 0);
    assert_int_equal(os->lock(none, first), 0);
    assert_int_equal(os->lock(none, second), -EWOULDBLOCK);
    assert_int_equal(os->close(none, first), 0);
    assert_int_equal(os->lock(none, second), 0);
    assert_int_equal(os->close(none, second), 0);
}

/* ---------------------------------------------------------------- the system's: memory and the rest */

/* Mappings of a file of the folder that have these permissions ("r--p"), as the system lists them. */
static size_t mappings(const folder *f, const char *name, const char *permissions) {
    FILE *list = fopen("/proc/self/maps", "r");
    assert_non_null(list);
    char line[1024];
    size_t count = 0;
    while (fgets(line, sizeof line, list) != NULL) {
        count += strstr(line, path_in(f, name)) != NULL && strstr(line, permissions) != NULL;
    }
    assert_int_equal(fclose(list), 0);
    return count;
}

static void maps(void **state) {
    folder *f = *state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *bytes = test_alloc(3, page);
    for (size_t i = 0; i < 3 * page; i++) {
        bytes[i] = (uint8_t)(1 + i / 7 % 255);
    }
    int file = create(f, "a", "");
    assert_int_equal(os->write(none, file, bytes, 3 * page, 0), 3 * page);
    uint8_t *memory = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    memset(memory, 0xee, 4 * page);

    /* What fails leaves the pages alone. */
    assert_int_equal(os->map(none, f->handle, memory, page, 0), -ENODEV);
    assert_int_equal(os->map(none, file, memory, page, 1), -EINVAL);
    assert_int_equal(os->map(none, -1, memory, page, 0), -EBADF);
    memory[0] = 0xee;
    for (size_t i = 0; i < 4 * page; i++) {
        assert_int_equal(memory[i], 0xee);
    }

    /* Pages 1 and 2 of the memory show pages 1 and 2 of the file, those around them are as before. */
    assert_int_equal(os->map(none, file, memory + page, 2 * page, page), 0);
    assert_memory_equal(memory + page, bytes + page, 2 * page);
    memory[0] = 1;
    memory[4 * page - 1] = 2;
    for (size_t i = 1; i < page; i++) {
        assert_int_equal(memory[i], 0xee);
        assert_int_equal(memory[3 * page + i - 1], 0xee);
    }
    assert_int_equal(mappings(f, "a", "r--p"), 1);
    assert_int_equal(mappings(f, "a", ""), 1);
    /* Mapping outlives the handle. */
    assert_int_equal(os->close(none, file), 0);
    assert_memory_equal(memory + page, bytes + page, 2 * page);
    os->unmap(none, memory, 4 * page);
    free(bytes);
}

static void shared_maps(void **state) {
    folder *f = *state;
    int file = create(f, "a", "before");
    int reader = os->open(none, f->handle, "a", ROTOR_OS_READ, 0);
    const void *address = NULL;
    assert_int_equal(os->map_shared(none, reader, &address, 6), 0);
    assert_int_equal(os->close(none, reader), 0);
    assert_int_equal(mappings(f, "a", "r--s"), 1);
    char seen[6];
    memcpy(seen, address, 6);
    assert_memory_equal(seen, "before", 6);
    assert_int_equal(os->write(none, file, "behind", 6, 0), 6);
    memcpy(seen, address, 6);
    assert_memory_equal(seen, "behind", 6);
    os->unmap(none, address, 6);
    assert_int_equal(mappings(f, "a", ""), 0);
    address = seen;
    assert_int_equal(os->map_shared(none, f->handle, &address, 6), -ENODEV);
    assert_ptr_equal(address, seen);
    assert_int_equal(os->close(none, file), 0);
}

static void randomness(void **state) {
    (void)state;
    /* More than the system hands out at once when a signal is near. */
    uint8_t bytes[2][1024] = {{0}};
    assert_int_equal(os->random(none, bytes[0], 1000), 0);
    assert_int_equal(os->random(none, bytes[1], 1000), 0);
    assert_memory_not_equal(bytes[0], bytes[1], 1000);
    uint8_t zeros[1024] = {0};
    assert_memory_not_equal(bytes[0] + 900, zeros, 100);
    assert_memory_equal(bytes[0] + 1000, zeros, 24);
    assert_int_equal(os->random(none, bytes[0], 0), 0);
}

/* ---------------------------------------------------------------- a file layer with a script */

enum call { OPEN_DIRECTORY, SYNC_DIRECTORY, OPEN, READ, WRITE, SYNC, TRUNCATE, STATUS, UNLINK, RENAME, CALLS };

/* What the next call of a kind does instead of what the system would: below 0 it fails with this errno; else, of a
 * transfer, so many bytes at most are moved. */
typedef struct step {
    enum call call;
    int64_t result;
} step;

typedef struct script {
    rotor_os os;
    const step *steps; /* in the order in which they are to happen */
    size_t count;
    size_t next;
    unsigned calls[CALLS];
} script;

static bool scripted(void *context, enum call call, int64_t *result) {
    script *s = context;
    s->calls[call]++;
    if (s->next == s->count || s->steps[s->next].call != call) {
        return false;
    }
    *result = s->steps[s->next++].result;
    return true;
}

#define SCRIPTED(function, call, parameters, arguments)                                                                \
    static int scripted_##function parameters {                                                                        \
        int64_t result;                                                                                                \
        return scripted(context, call, &result) ? (int)result : os->function arguments;                                \
    }

SCRIPTED(open_directory, OPEN_DIRECTORY, (void *context, const char *path), (none, path))
SCRIPTED(sync_directory, SYNC_DIRECTORY, (void *context, int directory), (none, directory))
SCRIPTED(open, OPEN, (void *context, int directory, const char *name, unsigned flags, uint32_t mode),
         (none, directory, name, flags, mode))
SCRIPTED(sync, SYNC, (void *context, int file), (none, file))
SCRIPTED(truncate, TRUNCATE, (void *context, int file, uint64_t bytes), (none, file, bytes))
SCRIPTED(status, STATUS, (void *context, int file, rotor_os_status *status), (none, file, status))
SCRIPTED(unlink, UNLINK, (void *context, int directory, const char *name), (none, directory, name))
SCRIPTED(rename, RENAME, (void *context, int directory, const char *from, const char *to), (none, directory, from, to))

static int64_t scripted_read(void *context, int file, void *bytes, size_t count, uint64_t offset) {
    int64_t result;
    if (scripted(context, READ, &result)) {
        if (result <= 0) {
            return result;
        }
        count = (size_t)result;
    }
    return os->read(none, file, bytes, count, offset);
}

static int64_t scripted_write(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    int64_t result;
    if (scripted(context, WRITE, &result)) {
        if (result <= 0) {
            return result;
        }
        count = (size_t)result;
    }
    return os->write(none, file, bytes, count, offset);
}

static void script_init(script *s) {
    memset(s, 0, sizeof *s);
    s->os = *os;
    s->os.context = s;
    s->os.open_directory = scripted_open_directory;
    s->os.sync_directory = scripted_sync_directory;
    s->os.open = scripted_open;
    s->os.read = scripted_read;
    s->os.write = scripted_write;
    s->os.sync = scripted_sync;
    s->os.truncate = scripted_truncate;
    s->os.status = scripted_status;
    s->os.unlink = scripted_unlink;
    s->os.rename = scripted_rename;
}

#define PLAY(s, ...)                                                                                                   \
    do {                                                                                                               \
        static const step play_steps[] = {__VA_ARGS__};                                                                \
        (s)->steps = play_steps;                                                                                       \
        (s)->count = sizeof play_steps / sizeof play_steps[0];                                                         \
        (s)->next = 0;                                                                                                 \
        memset((s)->calls, 0, sizeof(s)->calls);                                                                       \
    } while (0)

/* Every step was taken, and `call` was made so many times. */
static void expect_played(const script *s, enum call call, unsigned times) {
    expect(s->next == s->count, "%zu of %zu steps", s->next, s->count);
    expect(s->calls[call] == times, "%u calls, not %u", s->calls[call], times);
}

/* A directory on top of a script, with one file. */
typedef struct stage {
    script script;
    rotor_directory directory;
    rotor_file file;
    rotor_error error;
} stage;

static void stage_open(stage *t, const folder *f) {
    script_init(&t->script);
    expect_ok(rotor_directory_open(&t->directory, &t->script.os, f->path, 0640, NULL), "%s", f->path);
    expect_ok(rotor_file_open(&t->file, &t->directory, "data", ROTOR_OS_WRITE | ROTOR_OS_CREATE, NULL), "%s", f->path);
    memset(&t->error, 0, sizeof t->error);
}

static void stage_close(stage *t) {
    rotor_file_close(&t->file);
    assert_int_equal(t->file.handle, -1);
    rotor_file_close(&t->file);
    rotor_directory_close(&t->directory);
    rotor_directory_close(&t->directory);
}

/* `text` is what the message is to be, "%s" in it standing for the folder. */
static void expect_error(rotor_error *error, rotor_status status, int os_errno, const folder *f, const char *text) {
    char wanted[600];
    const char *place = strstr(text, "%s");
    assert_non_null(place);
    (void)snprintf(wanted, sizeof wanted, "%.*s%s%s", (int)(place - text), text, f->path, place + 2);
    assert_string_equal(error->message, wanted);
    assert_int_equal(error->status, status);
    assert_int_equal(error->os_errno, os_errno);
    memset(error, 0, sizeof *error);
}

/* ---------------------------------------------------------------- whole transfers */

#define MAKE_ROOM ": make room on its file system"
#define PERMIT ": its permissions, or those of a directory above it, do not allow that to this user"

static void whole_writes(void **state) {
    folder *f = *state;
    stage t;
    stage_open(&t, f);
    uint64_t before = atomic_load(&t.directory.written_bytes);
    assert_int_equal(before, 0);
    PLAY(&t.script, {WRITE, -EINTR}, {WRITE, 1}, {WRITE, 3}, {WRITE, -EINTR}, {WRITE, -EINTR});
    expect_ok(rotor_file_write(&t.file, "0123456789", 10, 5, &t.error), "interrupted");
    expect_played(&t.script, WRITE, 6);
    assert_int_equal(atomic_load(&t.directory.written_bytes), 10);
    char bytes[16] = {0};
    assert_int_equal(os->read(none, t.file.handle, bytes, 16, 0), 15);
    assert_memory_equal(bytes, "\0\0\0\0\0000123456789", 15);

    /* The message names the attempt that failed, and what had been written counts. */
    PLAY(&t.script, {WRITE, 4}, {WRITE, -ENOSPC});
    expect_status(rotor_file_write(&t.file, "abcdefghij", 10, 20, &t.error), ROTOR_IO, "no space");
    expect_error(&t.error, ROTOR_IO, ENOSPC, f,
                 "pwrite of 6 bytes at 24 of %s/data: No space left on device" MAKE_ROOM);
    expect_played(&t.script, WRITE, 2);
    assert_int_equal(atomic_load(&t.directory.written_bytes), 14);

    /* A write of nothing ends it: were it repeated, the third step would be played. */
    PLAY(&t.script, {WRITE, 2}, {WRITE, 0}, {WRITE, -EDOM});
    expect_status(rotor_file_write(&t.file, "abcdefghij", 10, 0, &t.error), ROTOR_IO, "nothing written");
    expect_error(&t.error, ROTOR_IO, ENOSPC, f, "pwrite of 8 bytes at 2 of %s/data: No space left on device" MAKE_ROOM);
    assert_int_equal(t.script.calls[WRITE], 2);

    PLAY(&t.script, {WRITE, -EIO});
    expect_ok(rotor_file_write(&t.file, "", 0, 0, &t.error), "no bytes");
    assert_int_equal(t.script.calls[WRITE], 0);
    expect_status(rotor_file_write(&t.file, "x", 1, 0, NULL), ROTOR_IO, "without a detail");
    stage_close(&t);
}

static void whole_reads(void **state) {
    folder *f = *state;
    stage t;
    stage_open(&t, f);
    expect_ok(rotor_file_write(&t.file, "0123456789", 10, 0, NULL), "ten bytes");
    char bytes[16] = {0};
    PLAY(&t.script, {READ, 1}, {READ, -EINTR}, {READ, 3});
    expect_ok(rotor_file_read(&t.file, bytes, 8, 1, &t.error), "interrupted");
    assert_string_equal(bytes, "12345678");
    expect_played(&t.script, READ, 4);

    PLAY(&t.script, {READ, 4}, {READ, -EIO});
    expect_status(rotor_file_read(&t.file, bytes, 8, 0, &t.error), ROTOR_IO, "failed");
    expect_error(&t.error, ROTOR_IO, EIO, f, "pread of 4 bytes at 4 of %s/data: Input/output error");

    PLAY(&t.script, {READ, 1});
    expect_status(rotor_file_read(&t.file, bytes, 8, 7, &t.error), ROTOR_DAMAGED, "too short");
    expect_error(&t.error, ROTOR_DAMAGED, 0, f, "%s/data ends before byte 10; 8 bytes were wanted at 7");
    expect_status(rotor_file_read(&t.file, bytes, 1, 400, &t.error), ROTOR_DAMAGED, "too short");
    expect_error(&t.error, ROTOR_DAMAGED, 0, f, "%s/data ends before byte 400; 1 bytes were wanted at 400");
    expect_ok(rotor_file_read(&t.file, bytes, 0, 400, &t.error), "no bytes");

    size_t got = 99;
    memset(bytes, 0, sizeof bytes);
    PLAY(&t.script, {READ, 2}, {READ, -EINTR});
    expect_ok(rotor_file_read_some(&t.file, bytes, 16, 6, &got, &t.error), "as much as there is");
    assert_int_equal(got, 4);
    assert_string_equal(bytes, "6789");
    expect_played(&t.script, READ, 4);
    expect_ok(rotor_file_read_some(&t.file, bytes, 3, 0, &got, &t.error), "a part");
    assert_int_equal(got, 3);
    expect_ok(rotor_file_read_some(&t.file, bytes, 3, 10, &got, &t.error), "at the end");
    assert_int_equal(got, 0);
    PLAY(&t.script, {READ, -EBADF});
    expect_status(rotor_file_read_some(&t.file, bytes, 3, 0, &got, &t.error), ROTOR_IO, "failed");
    expect_error(&t.error, ROTOR_IO, EBADF, f, "pread of 3 bytes at 0 of %s/data: Bad file descriptor");
    stage_close(&t);
}

/* A failed sync is not repeated, not even an interrupted one. */
static void syncs(void **state) {
    folder *f = *state;
    stage t;
    stage_open(&t, f);
    assert_int_equal(atomic_load(&t.directory.syncs), 0);
    expect_ok(rotor_file_sync(&t.file, &t.error), "a file");
    expect_ok(rotor_directory_sync(&t.directory, &t.error), "the directory");
    assert_int_equal(atomic_load(&t.directory.syncs), 2);
    PLAY(&t.script, {SYNC, -EIO});
    expect_status(rotor_file_sync(&t.file, &t.error), ROTOR_IO, "failed");
    expect_error(&t.error, ROTOR_IO, EIO, f, "fdatasync of %s/data: Input/output error");
    expect_played(&t.script, SYNC, 1);
    PLAY(&t.script, {SYNC, -EINTR});
    expect_status(rotor_file_sync(&t.file, &t.error), ROTOR_IO, "interrupted");
    expect_error(&t.error, ROTOR_IO, EINTR, f, "fdatasync of %s/data: Interrupted system call");
    expect_played(&t.script, SYNC, 1);
    PLAY(&t.script, {SYNC_DIRECTORY, -EINTR});
    expect_status(rotor_directory_sync(&t.directory, &t.error), ROTOR_IO, "interrupted");
    expect_error(&t.error, ROTOR_IO, EINTR, f, "fsync of %s: Interrupted system call");
    expect_played(&t.script, SYNC_DIRECTORY, 1);
    assert_int_equal(atomic_load(&t.directory.syncs), 5);
    stage_close(&t);
}

/* ---------------------------------------------------------------- directories, names and messages */

static void opening_files(void **state) {
    folder *f = *state;
    stage t;
    stage_open(&t, f);
    struct stat found;
    assert_int_equal(stat(path_in(f, "data"), &found), 0);
    assert_int_equal(found.st_mode & 07777 & ~0640u, 0);
    assert_int_equal(found.st_mode & 0600, 0600);

    rotor_file file = {.handle = 77};
    PLAY(&t.script, {OPEN, -EINTR});
    expect_status(rotor_file_open(&file, &t.directory, "no", ROTOR_OS_WRITE, &t.error), ROTOR_NOT_FOUND, "missing");
    expect_played(&t.script, OPEN, 2);
    expect_error(&t.error, ROTOR_NOT_FOUND, ENOENT, f, "open of %s/no: No such file or directory");
    assert_int_equal(file.handle, -1);
    expect_status(rotor_file_open(&file, &t.directory, "data", ROTOR_OS_CREATE | ROTOR_OS_NEW, &t.error), ROTOR_EXISTS,
                  "there");
    expect_error(&t.error, ROTOR_EXISTS, EEXIST, f, "open of %s/data: File exists");
    PLAY(&t.script, {OPEN, -EMFILE}, {OPEN, -ENOENT});
    expect_status(rotor_file_open(&file, &t.directory, "data", ROTOR_OS_READ, &t.error), ROTOR_IO, "too many");
    expect_error(&t.error, ROTOR_IO, EMFILE, f, "open of %s/data: Too many open files");
    /* A file that is to be created is not what is missing. */
    expect_status(rotor_file_open(&file, &t.directory, "x", ROTOR_OS_CREATE, &t.error), ROTOR_IO, "no directory");
    expect_error(&t.error, ROTOR_IO, ENOENT, f, "open of %s/x: No such file or directory");
    PLAY(&t.script, {OPEN, -ENOSPC});
    expect_status(rotor_file_open(&file, &t.directory, "x", ROTOR_OS_CREATE, &t.error), ROTOR_IO, "no inode");
    assert_non_null(strstr(t.error.message, MAKE_ROOM ", for one more file at least ('df -i' counts inodes)"));

    const char *most = "a-name-as-long-as-a-file-may-have-it-39";
    assert_int_equal(strlen(most), sizeof file.name - 1);
    expect_ok(rotor_file_open(&file, &t.directory, most, ROTOR_OS_CREATE, &t.error), "39 characters");
    assert_string_equal(file.name, most);
    rotor_file_close(&file);
    expect_status(
        rotor_file_open(&file, &t.directory, "a-name-that-is-longer-than-files-have-it", ROTOR_OS_CREATE, &t.error),
        ROTOR_IO, "40 characters");
    expect_error(&t.error, ROTOR_IO, ENAMETOOLONG, f,
                 "open of %s/a-name-that-is-longer-than-files-have-it: File name too long");
    rotor_file_close(&file);
    stage_close(&t);
}

static void other_calls(void **state) {
    folder *f = *state;
    stage t;
    stage_open(&t, f);
    PLAY(&t.script, {TRUNCATE, -EINTR}, {TRUNCATE, -EINTR});
    expect_ok(rotor_file_truncate(&t.file, 100, &t.error), "interrupted");
    expect_played(&t.script, TRUNCATE, 3);
    rotor_os_status status = {0};
    expect_ok(rotor_file_status(&t.file, &status, &t.error), "a file");
    assert_int_equal(status.bytes, 100);
    PLAY(&t.script, {TRUNCATE, -EFBIG}, {STATUS, -ESTALE}, {UNLINK, -EACCES}, {RENAME, -EROFS});
    expect_status(rotor_file_truncate(&t.file, 7, &t.error), ROTOR_IO, "failed");
    expect_error(&t.error, ROTOR_IO, EFBIG, f, "ftruncate to 7 bytes of %s/data: File too large");
    expect_status(rotor_file_status(&t.file, &status, &t.error), ROTOR_IO, "failed");
    expect_error(&t.error, ROTOR_IO, ESTALE, f, "statx of %s/data: Stale file handle");
    expect_status(rotor_file_remove(&t.directory, "data", &t.error), ROTOR_IO, "failed");
    expect_error(&t.error, ROTOR_IO, EACCES, f, "unlink of %s/data: Permission denied" PERMIT);
    expect_status(rotor_file_rename(&t.directory, "data", "moved", &t.error), ROTOR_IO, "failed");
    expect_error(&t.error, ROTOR_IO, EROFS, f,
                 "rename to moved of %s/data: Read-only file system: trees there can only be read");
    expect_played(&t.script, RENAME, 1);

    expect_ok(rotor_file_rename(&t.directory, "data", "moved", &t.error), "renamed");
    expect_status(rotor_file_rename(&t.directory, "data", "moved", NULL), ROTOR_IO, "renamed already");
    expect_ok(rotor_file_remove(&t.directory, "data", &t.error), "there is no such file");
    assert_int_equal(access(path_in(f, "moved"), F_OK), 0);
    expect_ok(rotor_file_remove(&t.directory, "moved", &t.error), "there is one");
    assert_int_equal(access(path_in(f, "moved"), F_OK), -1);
    stage_close(&t);
}

static void opening_directories(void **state) {
    folder *f = *state;
    script s;
    script_init(&s);
    rotor_directory directory;
    rotor_error error = {0};
    PLAY(&s, {OPEN_DIRECTORY, -EINTR});
    expect_status(rotor_directory_open(&directory, &s.os, path_in(f, "no"), 0644, &error), ROTOR_NOT_FOUND, "missing");
    expect_played(&s, OPEN_DIRECTORY, 2);
    expect_error(&error, ROTOR_NOT_FOUND, ENOENT, f, "open of %s/no: No such file or directory");
    assert_int_equal(directory.handle, -1);
    assert_null(directory.path);
    rotor_directory_close(&directory);
    assert_int_equal(os->close(none, create(f, "file", "")), 0);
    expect_status(rotor_directory_open(&directory, &s.os, path_in(f, "file"), 0644, &error), ROTOR_IO, "a file");
    expect_error(&error, ROTOR_IO, ENOTDIR, f, "open of %s/file: Not a directory");
    PLAY(&s, {OPEN_DIRECTORY, -EACCES});
    expect_status(rotor_directory_open(&directory, &s.os, f->path, 0644, NULL), ROTOR_IO, "refused");

    expect_ok(rotor_directory_open(&directory, &s.os, f->path, 0644, &error), "%s", f->path);
    assert_string_equal(directory.path, f->path);
    expect_status(rotor_file_fail(&directory, "superblock", "a call", -EIO, &error), ROTOR_IO, "with a name");
    expect_error(&error, ROTOR_IO, EIO, f, "a call of %s/superblock: Input/output error");
    expect_status(rotor_file_fail(&directory, NULL, "a call", -EIO, &error), ROTOR_IO, "without a name");
    expect_error(&error, ROTOR_IO, EIO, f, "a call of %s: Input/output error");
    rotor_directory_close(&directory);
    assert_int_equal(directory.handle, -1);

    /* Of a path that would fill the message, the end is shown, and what was wrong. */
    char path[4000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    memcpy(path + sizeof path - 5, "/end", 4);
    expect_status(rotor_directory_open(&directory, &s.os, path, 0644, &error), ROTOR_IO, "a long path");
    assert_int_equal(error.os_errno, ENAMETOOLONG);
    assert_non_null(strstr(error.message, "open of ...ppp"));
    assert_non_null(strstr(error.message, "ppp/end: File name too long"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(directories),
        TEST(parents),
        TEST(lists),
        TEST(opening),
        TEST(contents),
        TEST(names),
        TEST(clones),
        TEST(locks),
        TEST(maps),
        TEST(shared_maps),
        TEST(randomness),
        TEST(whole_writes),
        TEST(whole_reads),
        TEST(syncs),
        TEST(opening_files),
        TEST(other_calls),
        TEST(opening_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
