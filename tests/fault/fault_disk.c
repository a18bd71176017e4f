/* A disk that is full, and one that fails to sync: from then on nothing is acknowledged, nobody hangs, reading goes on,
 * and when the tree is opened again, all that was acknowledged is there and what follows stays. */
#include "store_support.h"

#include "failing_calls.h"

#include <signal.h>
#include <sys/resource.h>

#ifdef ROTOR_CANARY_GOES_ON
/* In place of the function: a tree that goes on after a failure must be caught. */
void __wrap_rotor_tree_refuse(rotor_tree *tree, rotor_status refusal);
void __wrap_rotor_tree_refuse(rotor_tree *tree, rotor_status refusal) {
    (void)tree;
    (void)refusal;
}
#endif

#define ARITY 4
#define WATCHDOG_SECONDS 90

typedef struct scene {
    char folder[FOLDER_PATH];
    char path[FOLDER_PATH + 40];
    char copy_path[FOLDER_PATH + 40];
    rotor_options options;
} scene;

static void expired(int number) {
    (void)number;
    static const char text[] = "fault_disk: a test hangs\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
        _exit(2);
    }
    scratch_remove();
    _exit(1);
}

static void begin(scene *s, uint32_t flush_interval_ms) {
    folder_make(s->folder);
    (void)snprintf(s->path, sizeof s->path, "%s/tree", s->folder);
    (void)snprintf(s->copy_path, sizeof s->copy_path, "%s/copy", s->folder);
    rotor_options_init(&s->options, ARITY, 12);
    s->options.threads = 1;
    s->options.flush_interval_ms = flush_interval_ms;
    s->options.checkpoint_bytes = 0;
    (void)alarm(WATCHDOG_SECONDS);
}

static void end(scene *s) {
    (void)alarm(0);
    folder_remove(s->path);
    folder_remove(s->copy_path);
    expect(rmdir(s->folder) == 0, "%s: %s", s->folder, strerror(errno));
}

static rotor_tree *open_plainly(scene *s) {
    rotor_tree *tree = NULL;
    rotor_error error = {0};
    rotor_status status = rotor_open(&tree, s->path, &s->options, &error);
    expect_ok(status, "%s", error.message);
    return tree;
}

static void insert_durably(rotor_tree *tree, uint64_t first, uint64_t count, rotor_status wanted) {
    for (uint64_t i = first; i < first + count; i++) {
        rotor_hash leaf = test_golden_leaf(i);
        expect_status(rotor_insert_durable(tree, NULL, &leaf, 1), wanted, "leaf %" PRIu64, i);
    }
}

static void expect_size_and_root(rotor_tree *tree, uint64_t size) {
    rotor_hash root;
    rotor_hash *leaves = test_golden_leaves(size);
    rotor_hash wanted = test_root_of(ARITY, leaves, size, NULL);
    free(leaves);
    expect(rotor_size(tree) == size, "%" PRIu64 " leaves, not %" PRIu64, rotor_size(tree), size);
    expect_ok(rotor_root(tree, &root), "root");
    expect(test_same_hash(&root, &wanted), "root of %" PRIu64, size);
}

/* ---------------------------------------------------------------- a full disk */

/* A part of a record is on the disk when space runs out: the system writes up to the limit, then refuses. Space comes
 * back: the tree takes nothing more until it is opened again, and then what is acknowledged stays, also over the next
 * opening. */
static void disk_full_within_a_record(void **state) {
    (void)state;
    scene whole;
    scene *s = &whole;
    begin(s, ROTOR_MANUAL);
    rotor_tree *tree = open_plainly(s);
    insert_durably(tree, 0, 10, ROTOR_OK);

    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    rotor_statistics statistics;
    expect_ok(rotor_stat(tree, &statistics), "statistics");
    struct rlimit tight = {.rlim_cur = statistics.log_bytes + 1000, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    rotor_hash leaves[125];
    for (uint64_t i = 0; i < 125; i++) {
        leaves[i] = test_golden_leaf(10 + i);
    }
    rotor_status status = rotor_insert_durable(tree, NULL, leaves, 125);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    expect_status(status, ROTOR_FAILED, "a disk without space");
    rotor_error error = {0};
    expect_status(rotor_failure(tree, &error), ROTOR_FAILED, "failure");
    expect(error.os_errno == EFBIG && strstr(error.message, "pwrite") != NULL, "\"%s\"", error.message);

    insert_durably(tree, 135, 90, ROTOR_FAILED);
    expect_status(rotor_flush(tree), ROTOR_FAILED, "flush");
    expect_status(rotor_checkpoint(tree), ROTOR_FAILED, "checkpoint");
    expect_size_and_root(tree, 135);
    expect_status(rotor_close(tree, NULL), ROTOR_FAILED, "close");

    tree = open_plainly(s);
    uint64_t size = rotor_size(tree);
    expect(size >= 10 && size < 135, "%" PRIu64 " leaves", size);
    expect_ok(rotor_stat(tree, &statistics), "statistics");
    expect(statistics.torn_bytes > 0, "no half record was left, which this test is about");
    insert_durably(tree, size, 90, ROTOR_OK);
    s->options.checkpoint_on_close = 0;
    expect_ok(rotor_close(tree, &error), "%s", error.message);
    tree = open_plainly(s);
    expect_size_and_root(tree, size + 90);
    expect_ok(rotor_close(tree, &error), "%s", error.message);
    end(s);
}

/* The same inside a checkpoint, at each of its writes. */
static void disk_full_in_a_checkpoint(void **state) {
    (void)state;
    scene whole;
    scene *s = &whole;
    uint64_t refused = 1;
    uint64_t fail_at = 1;
    for (; refused != 0; fail_at++) {
        begin(s, ROTOR_MANUAL);
        rotor_error error = {0};
        rotor_tree *tree = open_plainly(s);
        insert_durably(tree, 0, 40, ROTOR_OK);
        rotor_hash leaf = test_golden_leaf(40);
        expect_ok(rotor_insert(tree, NULL, NULL, &leaf), "insert");
        prepare_files(fail_at, true, FILE_CALL_FAILS, ENOSPC);
        atomic_store(&fault.armed, true);
        rotor_status status = rotor_checkpoint(tree);
        atomic_store(&fault.armed, false);
        refused = atomic_load(&fault.failed);
        bool failed = rotor_failure(tree, &error) != ROTOR_OK;
        expect_status(status, failed ? ROTOR_FAILED : ROTOR_OK, "call %" PRIu64, fail_at);
        insert_durably(tree, 41, 90, failed ? ROTOR_FAILED : ROTOR_OK);
        expect_status(rotor_flush(tree), failed ? ROTOR_FAILED : ROTOR_OK, "call %" PRIu64, fail_at);
        (void)rotor_close(tree, NULL);
        tree = open_plainly(s);
        uint64_t size = rotor_size(tree);
        expect(failed ? size == 40 || size == 41 : size == 131, "call %" PRIu64 ": %" PRIu64 " leaves", fail_at, size);
        insert_durably(tree, size, 5, ROTOR_OK);
        expect_ok(rotor_close(tree, &error), "call %" PRIu64 ": %s", fail_at, error.message);
        tree = open_plainly(s);
        expect_size_and_root(tree, size + 5);
        expect_ok(rotor_close(tree, &error), "%s", error.message);
        end(s);
    }
    expect(fail_at > 10, "a checkpoint made %" PRIu64 " calls on files only", fail_at);
}

/* A flush in the background fails: who waits is told, however long he would have waited. */
static void disk_full_in_the_background(void **state) {
    (void)state;
    scene whole;
    scene *s = &whole;
    begin(s, 1);
    rotor_error error = {0};
    rotor_tree *tree = open_plainly(s);
    insert_durably(tree, 0, 10, ROTOR_OK);
    rotor_token token;
    rotor_hash leaf = test_golden_leaf(10);
    prepare_files(1, true, FILE_CALL_FAILS, ENOSPC);
    atomic_store(&fault.armed, true);
    expect_ok(rotor_insert(tree, NULL, &token, &leaf), "insert");
    expect_status(rotor_wait(tree, &token, 1000000), ROTOR_FAILED, "timed wait");
    expect_status(rotor_wait(tree, &token, ROTOR_FOREVER), ROTOR_FAILED, "wait");
    expect_status(rotor_token_status(tree, &token), ROTOR_FAILED, "token");
    atomic_store(&fault.armed, false);
    expect_status(rotor_wait(tree, &token, ROTOR_FOREVER), ROTOR_FAILED, "wait when space is back");
    expect_status(rotor_failure(tree, &error), ROTOR_FAILED, "failure");
    expect(error.os_errno == ENOSPC && strstr(error.message, s->path) != NULL, "\"%s\"", error.message);
    insert_durably(tree, 11, 1, ROTOR_FAILED);
    expect_size_and_root(tree, 11);
    expect_status(rotor_close(tree, &error), ROTOR_FAILED, "close");
    tree = open_plainly(s);
    uint64_t size = rotor_size(tree);
    expect(size == 10 || size == 11, "%" PRIu64 " leaves", size);
    insert_durably(tree, size, 20, ROTOR_OK);
    expect_ok(rotor_close(tree, &error), "%s", error.message);
    tree = open_plainly(s);
    expect_size_and_root(tree, size + 20);
    expect_ok(rotor_close(tree, &error), "%s", error.message);
    end(s);
}

/* ---------------------------------------------------------------- a failed sync */

/* One sync fails, no other call ever does: nothing is acknowledged any more, since the pages may be gone. */
static void a_failed_sync_stays(void **state) {
    (void)state;
    scene whole;
    scene *s = &whole;
    uint64_t syncs = 0;
    uint64_t refused = 1;
    for (uint64_t fail_at = 1; refused != 0; fail_at++) {
        begin(s, ROTOR_MANUAL);
        rotor_error error = {0};
        rotor_tree *tree = open_plainly(s);
        insert_durably(tree, 0, 10, ROTOR_OK);
        rotor_token token;
        rotor_hash leaf = test_golden_leaf(10);
        expect_ok(rotor_insert(tree, NULL, &token, &leaf), "insert");
        prepare_files(fail_at, false, FILE_CALL_FAILS, fail_at % 2 == 0 ? EIO : EINTR);
        atomic_store(&fault.armed, true);
        rotor_status status = rotor_flush(tree);
        atomic_store(&fault.armed, false);
        refused = atomic_load(&fault.failed);
        bool interrupted_write = status == ROTOR_OK && refused != 0;
        if (refused != 0 && !interrupted_write) {
            expect_status(status, ROTOR_FAILED, "call %" PRIu64, fail_at);
            expect_status(rotor_failure(tree, &error), ROTOR_FAILED, "call %" PRIu64, fail_at);
            syncs += strstr(error.message, "sync of") != NULL;
            for (int again = 0; again < 3; again++) {
                expect_status(rotor_flush(tree), ROTOR_FAILED, "flush");
                expect_status(rotor_wait(tree, &token, ROTOR_FOREVER), ROTOR_FAILED, "wait");
                expect_status(rotor_wait(tree, &token, 1), ROTOR_FAILED, "timed wait");
                expect_status(rotor_token_status(tree, &token), ROTOR_FAILED, "token");
                expect_status(rotor_insert(tree, NULL, NULL, &leaf), ROTOR_FAILED, "insert");
                expect_status(rotor_truncate(tree, NULL, 1), ROTOR_FAILED, "truncate");
                expect_status(rotor_checkpoint(tree), ROTOR_FAILED, "checkpoint");
                expect_status(rotor_checkpoint_start(tree), ROTOR_FAILED, "checkpoint");
                expect_status(rotor_backup(tree, s->copy_path, NULL, NULL, NULL), ROTOR_FAILED, "backup");
                expect(access(s->copy_path, F_OK) != 0, "a failed backup is there");
            }
            expect_size_and_root(tree, 11);
            expect_status(rotor_close(tree, &error), ROTOR_FAILED, "close");
        } else {
            expect_ok(rotor_close(tree, &error), "%s", error.message);
        }
        tree = open_plainly(s);
        uint64_t size = rotor_size(tree);
        expect(size == 10 || size == 11, "%" PRIu64 " leaves", size);
        expect_size_and_root(tree, size);
        expect_ok(rotor_close(tree, &error), "%s", error.message);
        end(s);
    }
    expect(syncs > 0, "no sync was refused");
}

int main(void) {
    (void)signal(SIGALRM, expired);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_full_within_a_record),
        cmocka_unit_test(disk_full_in_a_checkpoint),
        cmocka_unit_test(disk_full_in_the_background),
        cmocka_unit_test(a_failed_sync_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
