/* The system's file layer and whole transfers when system calls fail, are interrupted or fall short: each in turn, once
 * and from then on. */
#include "scratch.h"
#include "support.h"

#include "failing_calls.h"

#include "os/file.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#ifdef ROTOR_CANARY_SYNC_IGNORED
/* In place of the function: a file layer that ignores that a sync has failed must be caught. */
const rotor_os *__real_rotor_os_system(void);
const rotor_os *__wrap_rotor_os_system(void);

static int sync_somehow(void *context, int file) {
    (void)__real_rotor_os_system()->sync(context, file);
    return 0;
}

const rotor_os *__wrap_rotor_os_system(void) {
    static rotor_os layer;
    layer = *__real_rotor_os_system();
    layer.sync = sync_somehow;
    return &layer;
}
#endif

static char folder[256];
static int folder_handle;

static int set_up(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    scratch_make(folder, sizeof folder, base != NULL && strlen(base) < 200 ? base : "/tmp");
    folder_handle = rotor_os_system()->open_directory(NULL, folder);
    return folder_handle >= 0 ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    static const char *const names[] = {"data", "moved", "linked"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)unlinkat(folder_handle, names[i], 0);
    }
    (void)unlinkat(folder_handle, "d", AT_REMOVEDIR);
    return close(folder_handle) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static size_t open_handles(void) {
    size_t count = 0;
    for (int handle = 0; handle < 256; handle++) {
        count += fcntl(handle, F_GETFD) != -1;
    }
    return count;
}

/* ---------------------------------------------------------------- each function of the file layer */

/* Runs `call` with its first system call failing, then with its second and so on, until there are no more, and again
 * with all that follow failing, too. Then the errno must come back, and no handle stay open; at least `most` of the
 * failures must have been noticed. (Those of a close() after the work is done need not be.) `undo` makes the next call
 * possible; it may look at `result`. */
#define EVERY_FAILURE(most, call, undo)                                                                                \
    for (unsigned persistent = 0; persistent < 2; persistent++) {                                                      \
        uint64_t noticed = 0;                                                                                          \
        uint64_t refused = 1;                                                                                          \
        for (uint64_t fail_at = 1; refused != 0; fail_at++) {                                                          \
            size_t handles = open_handles();                                                                           \
            prepare_files(fail_at, persistent != 0, FILE_CALL_FAILS, EDQUOT);                                          \
            atomic_store(&fault.armed, true);                                                                          \
            int64_t result = (call);                                                                                   \
            atomic_store(&fault.armed, false);                                                                         \
            refused = atomic_load(&fault.failed);                                                                      \
            undo;                                                                                                      \
            noticed += result == -EDQUOT;                                                                              \
            expect(result == -EDQUOT || result >= 0, "call %" PRIu64 ": %" PRId64, fail_at, result);                   \
            expect(refused != 0 || result >= 0, "%" PRId64 " without a failure", result);                              \
            expect(open_handles() == handles, "call %" PRIu64 ": handles", fail_at);                                   \
        }                                                                                                              \
        expect(noticed >= (most), "%" PRIu64 " failures noticed", noticed);                                            \
    }

static void close_result(int64_t handle) {
    if (handle >= 0) {
        (void)close((int)handle);
    }
}

static int no_name(void *context, const char *name) {
    (void)context;
    (void)name;
    return 0;
}

static void directories(void **state) {
    (void)state;
    const rotor_os *os = rotor_os_system();
    char path[300];
    (void)snprintf(path, sizeof path, "%s/d", folder);
    EVERY_FAILURE(1, os->make_directory(NULL, path, 0700), (void)rmdir(path));
    assert_int_equal(os->make_directory(NULL, path, 0700), 0);
    EVERY_FAILURE(1, os->remove_directory(NULL, path), (void)os->make_directory(NULL, path, 0700));
    EVERY_FAILURE(3, os->sync_parent(NULL, path), (void)0);
    EVERY_FAILURE(1, os->open_directory(NULL, path), close_result(result));
    EVERY_FAILURE(1, os->sync_directory(NULL, folder_handle), (void)0);
    EVERY_FAILURE(3, os->list(NULL, folder_handle, no_name, NULL), (void)0);
}

static void files(void **state) {
    (void)state;
    const rotor_os *os = rotor_os_system();
    const unsigned create = ROTOR_OS_WRITE | ROTOR_OS_CREATE;
    char bytes[8] = {0};
    rotor_os_status status;
    EVERY_FAILURE(1, os->open(NULL, folder_handle, "data", create, 0600), close_result(result));
    int file = os->open(NULL, folder_handle, "data", create, 0600);
    assert_true(file >= 0);
    EVERY_FAILURE(1, os->write(NULL, file, bytes, 8, 0), (void)0);
    EVERY_FAILURE(1, os->read(NULL, file, bytes, 8, 0), (void)0);
    EVERY_FAILURE(1, os->sync(NULL, file), (void)0);
    EVERY_FAILURE(1, os->truncate(NULL, file, 8), (void)0);
    EVERY_FAILURE(1, os->status(NULL, file, &status), (void)0);
    EVERY_FAILURE(1, os->lock(NULL, file), (void)0);
    EVERY_FAILURE(1, os->link(NULL, folder_handle, "data", folder_handle, "linked"),
                  (void)unlinkat(folder_handle, "linked", 0));
    EVERY_FAILURE(1, os->rename(NULL, folder_handle, "data", "moved"),
                  (void)os->rename(NULL, folder_handle, "moved", "data"));
    EVERY_FAILURE(1, os->unlink(NULL, folder_handle, "data"), {
        (void)close(file);
        file = os->open(NULL, folder_handle, "data", create, 0600);
    });
    EVERY_FAILURE(1, os->random(NULL, bytes, 8), (void)0);

    /* Whether the file system can share blocks is its affair. */
    prepare_files(1, false, FILE_CALL_FAILS, EDQUOT);
    atomic_store(&fault.armed, true);
    int cloned = os->clone(NULL, file, folder_handle);
    atomic_store(&fault.armed, false);
    assert_int_equal(cloned, -EDQUOT);

    /* Closed is closed, whatever close() says. */
    size_t handles = open_handles();
    prepare_files(1, false, FILE_CALL_FAILS, EIO);
    atomic_store(&fault.armed, true);
    int closed = os->close(NULL, file);
    atomic_store(&fault.armed, false);
    assert_int_equal(closed, -EIO);
    assert_int_equal(open_handles(), handles - 1);
}

/* Whichever of its system calls fails, and if the file system refuses what it has granted before, the pages stay as
 * they were. */
static void maps(void **state) {
    (void)state;
    const rotor_os *os = rotor_os_system();
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int file = os->open(NULL, folder_handle, "data", ROTOR_OS_WRITE | ROTOR_OS_CREATE, 0600);
    assert_true(file >= 0);
    assert_int_equal(os->truncate(NULL, file, page), 0);
    uint8_t *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    memory[0] = 7;
    const uint64_t calls = 2;
    for (uint64_t fail_at = 1; fail_at <= calls + 1; fail_at++) {
        prepare(MAPPING, fail_at, false, ENOMEM);
        atomic_store(&fault.armed, true);
        int result = os->map(NULL, file, memory, page, 0);
        atomic_store(&fault.armed, false);
        assert_int_equal(result, fail_at <= calls ? -ENOMEM : 0);
        assert_int_equal(memory[0], fail_at <= calls ? 7 : 0);
    }
    const void *address = memory;
    prepare(MAPPING, 1, false, ENOMEM);
    atomic_store(&fault.armed, true);
    int result = os->map_shared(NULL, file, &address, page);
    atomic_store(&fault.armed, false);
    assert_int_equal(result, -ENOMEM);
    assert_ptr_equal(address, memory);
    os->unmap(NULL, memory, page);
    assert_int_equal(os->close(NULL, file), 0);
}

/* A file system that remembers what it has said of a file is asked anew: whether a shard may be written to depends on
 * how many names it has. */
static void names_are_counted_anew(void **state) {
    (void)state;
    const rotor_os *os = rotor_os_system();
    int file = os->open(NULL, folder_handle, "linked", ROTOR_OS_WRITE | ROTOR_OS_CREATE, 0600);
    assert_true(file >= 0);
    assert_int_equal(os->link(NULL, folder_handle, "linked", folder_handle, "again"), 0);
    rotor_os_status status = {0};
    fault.links_remembered = true;
    int result = os->status(NULL, file, &status);
    fault.links_remembered = false;
    assert_int_equal(result, 0);
    assert_int_equal(status.links, 2);
    /* Where the call for that is forbidden, there is the older one. */
    static const int forbidden[] = {EPERM, ENOSYS};
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        status = (rotor_os_status){0};
        prepare_files(1, false, FILE_CALL_FAILS, forbidden[i]);
        atomic_store(&fault.armed, true);
        result = os->status(NULL, file, &status);
        atomic_store(&fault.armed, false);
        assert_int_equal(result, 0);
        assert_int_equal(status.links, 2);
        assert_int_equal(atomic_load(&fault.failed), 1);
    }
    assert_int_equal(os->close(NULL, file), 0);
    assert_int_equal(os->unlink(NULL, folder_handle, "linked"), 0);
    assert_int_equal(os->unlink(NULL, folder_handle, "again"), 0);
}

/* The table hands on what the system says of handles that are none. */
static void bad_handles(void **state) {
    (void)state;
    const rotor_os *os = rotor_os_system();
    char byte = 0;
    rotor_os_status status;
    assert_int_equal(os->close(NULL, -1), -EBADF);
    assert_int_equal(os->read(NULL, -1, &byte, 1, 0), -EBADF);
    assert_int_equal(os->write(NULL, -1, &byte, 1, 0), -EBADF);
    assert_int_equal(os->sync(NULL, -1), -EBADF);
    assert_int_equal(os->sync_directory(NULL, -1), -EBADF);
    assert_int_equal(os->truncate(NULL, -1, 0), -EBADF);
    assert_int_equal(os->status(NULL, -1, &status), -EBADF);
    assert_int_equal(os->lock(NULL, -1), -EBADF);
    assert_int_equal(os->list(NULL, -1, no_name, NULL), -EBADF);
    assert_int_equal(os->open(NULL, -1, "a", ROTOR_OS_READ, 0), -EBADF);
    assert_int_equal(os->unlink(NULL, -1, "a"), -EBADF);
    assert_int_equal(os->rename(NULL, -1, "a", "b"), -EBADF);
    assert_int_equal(os->link(NULL, -1, "a", -1, "b"), -EBADF);
    assert_int_equal(os->clone(NULL, -1, -1), -EBADF);
}

/* A sync of a directory that the file system does not have succeeds; one that it has and that fails does not. */
static void syncs_of_directories(void **state) {
    (void)state;
    static const struct {
        int system_errno;
        int result;
    } cases[] = {{EINVAL, 0}, {ENOTSUP, 0}, {EIO, -EIO}, {ENOSPC, -ENOSPC}, {EROFS, -EROFS}, {EINTR, -EINTR}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prepare_files(1, false, FILE_CALL_FAILS, cases[i].system_errno);
        atomic_store(&fault.armed, true);
        int result = rotor_os_system()->sync_directory(NULL, folder_handle);
        atomic_store(&fault.armed, false);
        assert_int_equal(atomic_load(&fault.failed), 1);
        assert_int_equal(result, cases[i].result);
    }
}

/* ---------------------------------------------------------------- what hinders is overcome */

/* Interruptions and short transfers, of one call or of all, are not seen through file.h. */
static void hindrances(void **state) {
    (void)state;
    static const file_fault hindrances[] = {FILE_CALL_INTERRUPTED, FILE_CALL_SHORT};
    uint8_t wanted[1000];
    for (size_t i = 0; i < sizeof wanted; i++) {
        wanted[i] = (uint8_t)(i * 7);
    }
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned persistent = 0; persistent < 2; persistent++) {
            uint64_t refused = 1;
            uint64_t most = 0;
            for (uint64_t fail_at = 1; refused != 0; fail_at++) {
                uint8_t found[1000] = {0};
                uint8_t random[64] = {0};
                rotor_directory directory;
                rotor_file file;
                prepare_files(fail_at, persistent != 0, hindrances[h], 0);
                atomic_store(&fault.armed, true);
                expect_ok(rotor_directory_open(&directory, rotor_os_system(), folder, 0600, NULL), "open");
                expect_ok(rotor_file_open(&file, &directory, "data", ROTOR_OS_WRITE | ROTOR_OS_CREATE, NULL), "open");
                expect_ok(rotor_file_truncate(&file, 0, NULL), "truncate");
                expect_ok(rotor_file_write(&file, wanted, sizeof wanted, 3, NULL), "write");
                expect_ok(rotor_file_read(&file, found, sizeof found, 3, NULL), "read");
                assert_int_equal(directory.os->random(NULL, random, sizeof random), 0);
                rotor_file_close(&file);
                atomic_store(&fault.armed, false);
                assert_int_equal(atomic_load(&directory.written_bytes), sizeof wanted);
                rotor_directory_close(&directory);
                assert_memory_equal(found, wanted, sizeof wanted);
                refused = atomic_load(&fault.failed);
                most = refused > most ? refused : most;
            }
            /* Two calls open, one truncates, and three transfer, each of those at least ten times when all are short.
             */
            assert_true(most >= (persistent == 0 ? 1u : h == 0 ? 6u : 24u));
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(directories),          TEST(files),      TEST(maps), TEST(names_are_counted_anew), TEST(bad_handles),
        TEST(syncs_of_directories), TEST(hindrances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
