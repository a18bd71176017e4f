/* Imports and exports in which calls on files or the allocator fail, each in its turn, once or from then on, which is
 * what the end of a process comes to: a tree is there with all its leaves or not at all, and the next attempt succeeds.
 * Must not know in which order an import goes about its work. */
#include "reference_scene.h"

#include "failing_calls.h"

#define LEAVES 600
#define ARITY 3

static rotor_hash *leaves;
static rotor_hash root;
static path_text source;
static path_text place;
static path_text staging;

static int set_up(void **state) {
    /* Hundreds of imports, whose syncs a disk would make take minutes. */
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0) {
        (void)setenv("TMPDIR", "/dev/shm", 1);
    }
    if (make_folder(state) != 0) {
        return -1;
    }
    memory_directory directory = {0};
    test_levels levels;
    leaves = test_random_leaves(91, LEAVES);
    test_levels_build(&levels, ARITY, leaves, LEAVES - 20, NULL);
    write_checkpoint(&directory, &levels, 20, 3);
    write_wal_header(&directory, ARITY, 20);
    write_batch(&directory, 4, 1, leaves + LEAVES - 20, 20);
    test_levels_free(&levels);
    root = test_root_of(ARITY, leaves, LEAVES, test_portable());
    path_in(source, folder, "source");
    path_in(place, folder, "place");
    path_in(staging, place, "import.unfinished");
    write_directory(&directory, source);
    memory_clear(&directory);
    return 0;
}

static int tear_down(void **state) {
    free(leaves);
    return remove_folder(state);
}

static size_t open_handles(void) {
    return names_in("/proc/self/fd");
}

/* Without background calls, so that calls have numbers. */
static rotor_status import_now(rotor_error *error) {
    rotor_import_report report;
    rotor_options options;
    rotor_options_init(&options, 0, 0);
    options.flush_interval_ms = ROTOR_MANUAL;
    options.checkpoint_bytes = 0;
    options.threads = 1;
    return rotor_import_reference(source, place, &options, &report, NULL, NULL, error);
}

/* Leaves of the tree in `path`, 0 when there is none that can be opened. */
static uint64_t leaves_at(const char *path) {
    rotor_tree *tree = NULL;
    rotor_options options;
    rotor_hash found = {{0}};
    rotor_options_init(&options, 0, 0);
    options.mode = ROTOR_OPEN_READ_ONLY;
    options.verify_at_open = ROTOR_VERIFY_FULL;
    if (rotor_open(&tree, path, &options, NULL) != ROTOR_OK) {
        return 0;
    }
    uint64_t size = rotor_size(tree);
    expect(size == 0 || rotor_root(tree, &found) == ROTOR_OK, "root");
    expect(size == 0 || test_same_hash(&found, &root), "call %" PRIu64 ": %" PRIu64 " leaves can be read in %s",
           fault.fail_at, size, path);
    expect_ok(rotor_close(tree, NULL), "close");
    return size;
}

/* What there is after an import that ended with `status`, with what the next one makes of it. */
static void expect_all_or_nothing(rotor_status status, bool was_there, const rotor_error *words) {
    uint64_t size = leaves_at(place);
    expect(status != ROTOR_OK || size == LEAVES, "call %" PRIu64 ": %" PRIu64 " leaves", fault.fail_at, size);
    expect(leaves_at(staging) == 0, "call %" PRIu64 ": leaves can be read in %s", fault.fail_at, staging);
    if (status != ROTOR_OK) {
        expect(words->status == status && words->message[0] != '\0', "call %" PRIu64 ": \"%s\"", fault.fail_at,
               words->message);
    }
    if (status != ROTOR_OK && !fault.persistent) {
        expect(path_exists(place) == was_there && (!was_there || names_in(place) == 0),
               "call %" PRIu64 ": something was left: %s", fault.fail_at, words->message);
    }
    if (size == LEAVES) {
        return;
    }
    rotor_error error = {0};
    rotor_status next = import_now(&error);
    expect_ok(next, "call %" PRIu64 ", persistent %d: the next import: %s", fault.fail_at, fault.persistent,
              error.message);
    expect(leaves_at(place) == LEAVES && !path_exists(staging), "call %" PRIu64 ": the next import", fault.fail_at);
}

static void every_call_in_turn(unsigned kinds, bool persistent, bool was_there) {
    uint64_t refused = 1;
    uint64_t failures = 0;
    uint64_t step = test_under_valgrind() || test_under_tsan || test_under_asan ? 7 : 1;
    for (uint64_t fail_at = 1; refused != 0; fail_at += step) {
        size_t handles = open_handles();
        rotor_error error = {0};
        rotor_status status;
        expect(!was_there || mkdir(place, 0755) == 0, "mkdir");
        prepare_files(fail_at, persistent, FILE_CALL_FAILS, EIO);
        fault.kinds = kinds;
        atomic_store(&fault.armed, true);
        status = import_now(&error);
        atomic_store(&fault.armed, false);
        refused = atomic_load(&fault.failed);
        expect(status == ROTOR_OK || refused != 0, "%s although nothing was refused", rotor_status_name(status));
        failures += status != ROTOR_OK ? 1 : 0;
        expect_all_or_nothing(status, was_there, &error);
        expect(open_handles() == handles, "call %" PRIu64 ": handles were left open", fail_at);
        remove_path(place);
    }
    expect(failures >= 30 / step, "%" PRIu64 " failures only", failures);
}

static void file_calls_fail_once(void **state) {
    (void)state;
    every_call_in_turn(FILES, false, false);
    every_call_in_turn(FILES, false, true);
}

static void file_calls_fail_from_then_on(void **state) {
    (void)state;
    every_call_in_turn(FILES, true, false);
    every_call_in_turn(FILES, true, true);
}

static void memory_is_refused(void **state) {
    (void)state;
    every_call_in_turn(MEMORY, false, false);
}

/* Exports, of which a file that is not whole must not be taken for one: what is left of one that failed is nothing. */
static void exports_leave_all_or_nothing(void **state) {
    (void)state;
    rotor_snapshot snapshot;
    rotor_tree *tree = test_create(ARITY, 20);
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, LEAVES), "insert");
    expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
    for (int was_there = 0; was_there < 2; was_there++) {
        for (unsigned kind = 0; kind < 2; kind++) {
            uint64_t refused = 1;
            for (uint64_t fail_at = 1; refused != 0; fail_at++) {
                rotor_error error = {0};
                expect(was_there == 0 || mkdir(place, 0755) == 0, "mkdir");
                prepare_files(fail_at, false, FILE_CALL_FAILS, ENOSPC);
                fault.kinds = kind == 0 ? (unsigned)FILES : (unsigned)MEMORY;
                atomic_store(&fault.armed, true);
                rotor_status status = rotor_export_reference(&snapshot, place, NULL, NULL, &error);
                atomic_store(&fault.armed, false);
                refused = atomic_load(&fault.failed);
                expect(status == ROTOR_OK || refused != 0, "%s", rotor_status_name(status));
                expect(status == ROTOR_OK || path_exists(place) == (was_there != 0), "call %" PRIu64 ": %s", fail_at,
                       error.message);
                expect(status == ROTOR_OK || was_there == 0 || names_in(place) == 0, "call %" PRIu64 ": %s", fail_at,
                       error.message);
                remove_path(place);
            }
        }
    }
    expect_ok(rotor_close(tree, NULL), "close");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_calls_fail_once),
        cmocka_unit_test(file_calls_fail_from_then_on),
        cmocka_unit_test(memory_is_refused),
        cmocka_unit_test(exports_leave_all_or_nothing),
    };
    return cmocka_run_group_tests_name("faults of imports", tests, set_up, tear_down);
}
