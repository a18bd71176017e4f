/* The file layer of the system and what is no regular file, or is one that somebody else has a hold on. */
#include "store_support.h"

#include <signal.h>

/* A test that waits for a FIFO would wait for ever. */
#define MOST_SECONDS 60

static const rotor_os *os;
static void *const none = NULL; /* the context of the system's functions */
static char folder[FOLDER_PATH];
static int handle;

static int set_up(void **state) {
    (void)state;
    os = rotor_os_system();
    folder_make(folder);
    file_write(folder, "file", "abc", 3);
    handle = os->open_directory(none, folder);
    return handle >= 0 ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    (void)unlinkat(handle, "directory", AT_REMOVEDIR);
    (void)os->close(none, handle);
    folder_remove(folder);
    return 0;
}

static void expect_contents(int file) {
    char bytes[8] = {0};
    expect(file >= 0, "%s", strerror(-file));
    assert_int_equal(os->read(none, file, bytes, sizeof bytes, 0), 3);
    assert_string_equal(bytes, "abc");
    assert_int_equal(os->close(none, file), 0);
}

static void special_files_are_refused_at_once(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int refusal;
    } cases[] = {
        {"fifo", -ENXIO}, {"socket", -ENXIO}, {"to-device", -ENXIO}, {"directory", -EISDIR}, {"to-fifo", -ENXIO}};
    static const unsigned flags[] = {ROTOR_OS_READ, ROTOR_OS_WRITE, ROTOR_OS_WRITE | ROTOR_OS_CREATE,
                                     ROTOR_OS_WRITE | ROTOR_OS_CREATE | ROTOR_OS_TRUNCATE};
    assert_int_equal(mkfifoat(handle, "fifo", 0600), 0);
    assert_int_equal(mknodat(handle, "socket", S_IFSOCK | 0600, 0), 0);
    assert_int_equal(symlinkat("/dev/null", handle, "to-device"), 0);
    assert_int_equal(mkdirat(handle, "directory", 0700), 0);
    assert_int_equal(symlinkat("fifo", handle, "to-fifo"), 0);
    (void)alarm(MOST_SECONDS);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t k = 0; k < sizeof flags / sizeof flags[0]; k++) {
            int result = os->open(none, handle, cases[i].name, flags[k], 0600);
            expect(result == cases[i].refusal, "%s, flags %u: %d", cases[i].name, flags[k], result);
        }
    }
    (void)alarm(0);
    assert_int_equal(symlinkat("file", handle, "to-file"), 0);
    expect_contents(os->open(none, handle, "to-file", ROTOR_OS_WRITE, 0));
}

static volatile sig_atomic_t lease_holder = -1;

static void give_lease_back(int signal_number) {
    (void)signal_number;
    int before = errno;
    (void)fcntl(lease_holder, F_SETLEASE, F_UNLCK);
    errno = before;
}

/* As of a file that a file server has lent to somebody: an open has to wait until it is given back. */
static void a_leased_file_is_waited_for(void **state) {
    (void)state;
    if (test_under_tsan) {
        print_message("not tried: ThreadSanitizer holds the signal back until the open has returned\n");
        return;
    }
    struct sigaction before;
    struct sigaction action = {.sa_handler = give_lease_back, .sa_flags = SA_RESTART};
    assert_int_equal(sigaction(SIGIO, &action, &before), 0);
    lease_holder = os->open(none, handle, "file", ROTOR_OS_READ, 0);
    assert_true(lease_holder >= 0);
    if (fcntl(lease_holder, F_SETLEASE, F_RDLCK) != 0) {
        print_message("not tried: no lease is to be had here (%s)\n", strerror(errno));
    } else {
        int file;
        do {
            file = os->open(none, handle, "file", ROTOR_OS_WRITE, 0);
        } while (file == -EINTR);
        expect_contents(file);
    }
    assert_int_equal(os->close(none, lease_holder), 0);
    assert_int_equal(sigaction(SIGIO, &before, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(special_files_are_refused_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_leased_file_is_waited_for, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
