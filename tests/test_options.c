/* The options of a tree and the environment variables behind them: ranges, defaults, what is refused and in which
 * words, and that threads, threshold and kernel do what they say. */
#include "support.h"

#include <dirent.h>
#include <time.h>

#define THRESHOLD_VARIABLE "ROTORTREE_PARALLEL_THRESHOLD"
#define KERNEL_VARIABLE "ROTORTREE_KERNEL"

static int forget_environment(void **state) {
    (void)state;
    return unsetenv(THRESHOLD_VARIABLE) == 0 && unsetenv(KERNEL_VARIABLE) == 0 ? 0 : -1;
}

static void refused(const rotor_options *options, rotor_status wanted, const char *names) {
    rotor_tree *const marker = (rotor_tree *)(uintptr_t)64;
    rotor_tree *tree = marker;
    rotor_error error;
    memset(&error, 0x5a, sizeof error);
    expect_status(rotor_open(&tree, NULL, options, &error), wanted, "expected: %s", names);
    assert_ptr_equal(tree, marker);
    assert_int_equal(error.status, wanted);
    size_t length = strnlen(error.message, sizeof error.message);
    assert_true(length > 5 && length < sizeof error.message);
    expect(strstr(error.message, names) != NULL, "'%s' does not name %s", error.message, names);
    /* Without an error to fill. */
    expect_status(rotor_open(&tree, NULL, options, NULL), wanted, "%s", names);
    assert_ptr_equal(tree, marker);
}

static void created(const rotor_options *options, const char *what) {
    rotor_tree *tree = NULL;
    rotor_error error;
    memset(&error, 0x5a, sizeof error);
    rotor_error before = error;
    rotor_status status = rotor_open(&tree, NULL, options, &error);
    if (status != ROTOR_OK) {
        error.message[sizeof error.message - 1] = '\0';
        fail_msg("%s: %s: %s", what, rotor_status_name(status), error.message);
    }
    assert_memory_equal(&error, &before, sizeof error);
    rotor_hash leaf = test_golden_leaf(7);
    rotor_hash root;
    expect_ok(rotor_insert(tree, &root, NULL, &leaf), "%s", what);
    assert_memory_equal(&root, &leaf, sizeof root);
    assert_int_equal(rotor_arity(tree), options->arity);
    assert_int_equal(rotor_max_depth(tree), options->max_depth);
    rotor_close(tree, NULL);
}

/* ---------------------------------------------------------------- ranges */

static void arity_depth_and_profile_have_ranges(void **state) {
    (void)state;
    rotor_options options;
    for (uint32_t arity = ROTOR_MIN_ARITY; arity <= ROTOR_MAX_ARITY; arity++) {
        rotor_options_init(&options, arity, 1 + arity % ROTOR_MAX_DEPTH);
        created(&options, "an arity in range");
    }
    for (uint32_t depth = ROTOR_MIN_DEPTH; depth <= ROTOR_MAX_DEPTH; depth++) {
        rotor_options_init(&options, 2, depth);
        created(&options, "a depth in range");
        rotor_options_init(&options, 255, depth);
        created(&options, "a depth in range");
    }
    static const uint32_t arities[] = {0, 1, 256, 257, 511, 65536 + 4, UINT32_MAX};
    for (size_t i = 0; i < sizeof arities / sizeof arities[0]; i++) {
        rotor_options_init(&options, arities[i], 20);
        refused(&options, ROTOR_MISUSE, "arity");
    }
    static const uint32_t depths[] = {0, 65, 66, 256 + 20, UINT32_MAX};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        rotor_options_init(&options, 4, depths[i]);
        refused(&options, ROTOR_MISUSE, "depth");
    }
    static const uint32_t profiles[] = {0, 2, 3, 256 + ROTOR_HASH_BLAKE3, UINT32_MAX};
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        rotor_options_init(&options, 4, 20);
        assert_int_equal(options.hash_profile, ROTOR_HASH_BLAKE3);
        options.hash_profile = profiles[i];
        refused(&options, ROTOR_UNSUPPORTED, "profile");
    }
}

static void null_pointers(void **state) {
    (void)state;
    rotor_options options;
    rotor_options_init(NULL, 4, 20);
    rotor_options_init(&options, 4, 20);
    rotor_tree *tree = NULL;
    rotor_error error;
    expect_status(rotor_open(NULL, NULL, &options, &error), ROTOR_MISUSE, "no output");
    assert_int_equal(error.status, ROTOR_MISUSE);
    expect_status(rotor_open(&tree, NULL, NULL, &error), ROTOR_MISUSE, "no options");
    assert_int_equal(error.status, ROTOR_MISUSE);
    expect_status(rotor_open(NULL, NULL, &options, NULL), ROTOR_MISUSE, "no output");
    expect_status(rotor_open(&tree, NULL, NULL, NULL), ROTOR_MISUSE, "no options");
    assert_null(tree);
    expect_ok(rotor_open(&tree, NULL, &options, NULL), "no error is needed");
    rotor_close(tree, NULL);
}

static void extreme_numbers_are_allowed(void **state) {
    (void)state;
    rotor_options options;
    rotor_options_init(&options, 4, 20);
    options.parallel_threshold = UINT64_MAX;
    options.task_nodes = UINT64_MAX;
    options.max_leaves = UINT64_MAX;
    created(&options, "the largest numbers");
    rotor_options_init(&options, 255, ROTOR_MAX_DEPTH);
    options.parallel_threshold = 1;
    options.task_nodes = 1;
    options.max_leaves = 1;
    created(&options, "the smallest numbers");
}

/* ---------------------------------------------------------------- environment */

static void a_threshold_in_the_environment(void **state) {
    (void)state;
    rotor_options options;
    rotor_options_init(&options, 4, 20);
    static const char *const valid[] = {"1", "2", "1024", "1000000", "4294967296", "18446744073709551615"};
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        assert_int_equal(setenv(THRESHOLD_VARIABLE, valid[i], 1), 0);
        created(&options, valid[i]);
    }
    static const char *const garbage[] = {"",
                                          " ",
                                          "many",
                                          "-1",
                                          "-0",
                                          "12abc",
                                          "12 3",
                                          "1.5",
                                          "1e3",
                                          "0x10",
                                          "99999999999999999999999999",
                                          "18446744073709551616",
                                          "--5",
                                          "\xff\xfe",
                                          "1024,",
                                          "%s%s%s%n"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        assert_int_equal(setenv(THRESHOLD_VARIABLE, garbage[i], 1), 0);
        refused(&options, ROTOR_MISUSE, THRESHOLD_VARIABLE);
        /* The variable stands behind an option that is not given; one that is given needs no variable. */
        options.parallel_threshold = 5;
        created(&options, "a threshold in the options");
        options.parallel_threshold = 0;
    }
    /* Long garbage does not fit in the message, which ends all the same. */
    char *longer = test_alloc(5001, 1);
    memset(longer, 'x', 5000);
    assert_int_equal(setenv(THRESHOLD_VARIABLE, longer, 1), 0);
    refused(&options, ROTOR_MISUSE, THRESHOLD_VARIABLE);
    free(longer);
}

static void a_kernel_by_name(void **state) {
    (void)state;
    rotor_options options;
    const rotor_hasher *hasher;
    size_t kernels = 0;
    for (; (hasher = rotor_hasher_nth(ROTOR_HASH_BLAKE3, kernels)) != NULL; kernels++) {
        rotor_options_init(&options, 4, 20);
        options.kernel = hasher->kernel;
        rotor_tree *tree = test_create_with(&options);
        assert_string_equal(rotor_kernel(tree), hasher->kernel);
        rotor_close(tree, NULL);
        options.kernel = NULL;
        assert_int_equal(setenv(KERNEL_VARIABLE, hasher->kernel, 1), 0);
        tree = test_create_with(&options);
        assert_string_equal(rotor_kernel(tree), hasher->kernel);
        rotor_close(tree, NULL);
        /* The option goes before the variable. */
        options.kernel = "portable";
        tree = test_create_with(&options);
        assert_string_equal(rotor_kernel(tree), "portable");
        rotor_close(tree, NULL);
    }
    assert_true(kernels >= 1);
    assert_int_equal(unsetenv(KERNEL_VARIABLE), 0);
    rotor_options_init(&options, 4, 20);
    assert_null(options.kernel);
    rotor_tree *tree = test_create_with(&options);
    const rotor_hasher *best = NULL;
    expect_ok(rotor_hasher_find(&best, ROTOR_HASH_BLAKE3, NULL), "the best kernel");
    assert_string_equal(rotor_kernel(tree), best->kernel);
    rotor_close(tree, NULL);
}

static void a_kernel_that_is_not_there(void **state) {
    (void)state;
    rotor_options options;
    static const char *const unknown[] = {"",          " ",       "AVX2", "avx2 ", "avx",
                                          "portable2", "portabl", "0",    "sparc", "%s%n"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        rotor_options_init(&options, 4, 20);
        options.kernel = unknown[i];
        refused(&options, ROTOR_UNSUPPORTED, unknown[i]);
        options.kernel = NULL;
        assert_int_equal(setenv(KERNEL_VARIABLE, unknown[i], 1), 0);
        refused(&options, ROTOR_UNSUPPORTED, KERNEL_VARIABLE);
        options.kernel = "portable";
        created(&options, "a kernel in the options");
    }
#if defined(__x86_64__)
    options.kernel = "neon";
#else
    options.kernel = "avx2";
#endif
    refused(&options, ROTOR_UNSUPPORTED, options.kernel);
}

/* The variables are read when a tree is created, not later. */
static void the_environment_matters_at_creation_only(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(300, 5000);
    assert_int_equal(setenv(THRESHOLD_VARIABLE, "7", 1), 0);
    assert_int_equal(setenv(KERNEL_VARIABLE, "portable", 1), 0);
    rotor_tree *tree = test_create(4, 20);
    assert_int_equal(setenv(THRESHOLD_VARIABLE, "garbage", 1), 0);
    assert_int_equal(setenv(KERNEL_VARIABLE, "garbage", 1), 0);
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 5000), "insert");
    test_expect_leaves(tree, leaves, 5000, "variables changed");
    assert_string_equal(rotor_kernel(tree), "portable");
    expect_ok(rotor_set_parallel(tree, 11, 0), "a threshold in the call needs no variable");
    rotor_close(tree, NULL);
    free(leaves);
}

/* ---------------------------------------------------------------- threads */

static size_t thread_count(void) {
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL) {
        return 0;
    }
    struct dirent *entry;
    while ((entry = readdir(tasks)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(tasks);
    return count;
}

/* A thread that was joined may be listed for an instant more. */
static bool thread_count_falls_to(size_t wanted) {
    const struct timespec pause = {0, 1000000};
    for (int i = 0; i < 10000 && thread_count() > wanted; i++) {
        (void)nanosleep(&pause, NULL);
    }
    return thread_count() == wanted;
}

/* Threads that a tree has started after a batch of `count` leaves. */
static size_t threads_started(const rotor_options *options, const rotor_hash *leaves, size_t count) {
    size_t before = thread_count();
    rotor_tree *tree = test_create_with(options);
    assert_int_equal(thread_count(), before);
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, count), "insert");
    rotor_hash root;
    expect_ok(rotor_root(tree, &root), "root");
    rotor_hash expected = test_root_of(options->arity, leaves, count, test_portable());
    expect(test_same_hash(&root, &expected), "%u threads", options->threads);
    size_t started = thread_count() - before;
    rotor_close(tree, NULL);
    expect(thread_count_falls_to(before), "threads are left after the tree was closed");
    return started;
}

static void threads_start_when_a_batch_needs_them(void **state) {
    (void)state;
    /* A sanitizer may start a thread of its own with the first one of the program. */
    enum { LEAVES = 200000 };
    if (thread_count() == 0 || test_under_tsan || test_under_asan || test_under_valgrind()) {
        skip();
    }
    rotor_hash *leaves = test_random_leaves(301, LEAVES);
    rotor_options options;
    rotor_options_init(&options, 4, 20);
    for (uint32_t threads = 1; threads <= 5; threads++) {
        options.threads = threads;
        size_t started = threads_started(&options, leaves, LEAVES);
        expect(started == threads - 1, "%u threads asked for, %zu started", threads, started);
    }
    options.threads = 3;
    assert_int_equal(threads_started(&options, leaves, 1), 0);
    assert_int_equal(threads_started(&options, leaves, 100), 0);
    /* LEAVES / 4 parents at the first level. */
    options.parallel_threshold = LEAVES / 4 + 1;
    assert_int_equal(threads_started(&options, leaves, LEAVES), 0);
    options.parallel_threshold = LEAVES / 4;
    assert_int_equal(threads_started(&options, leaves, LEAVES), 2);
    options.parallel_threshold = UINT64_MAX;
    assert_int_equal(threads_started(&options, leaves, LEAVES), 0);
    options.parallel_threshold = 0;
    assert_int_equal(setenv(THRESHOLD_VARIABLE, "50001", 1), 0);
    assert_int_equal(threads_started(&options, leaves, LEAVES), 0);
    assert_int_equal(setenv(THRESHOLD_VARIABLE, "50000", 1), 0);
    assert_int_equal(threads_started(&options, leaves, LEAVES), 2);
    /* The default threshold is 1024 parents. */
    assert_int_equal(unsetenv(THRESHOLD_VARIABLE), 0);
    assert_int_equal(threads_started(&options, leaves, 4 * 1023), 0);
    free(leaves);
}

/* What was set at creation can be changed later, both ways. */
static void the_threshold_can_be_changed(void **state) {
    (void)state;
    enum { LEAVES = 100000 };
    if (thread_count() == 0 || test_under_tsan || test_under_asan || test_under_valgrind()) {
        skip();
    }
    rotor_hash *leaves = test_random_leaves(302, 2 * LEAVES);
    rotor_options options;
    rotor_options_init(&options, 4, 20);
    options.threads = 4;
    options.parallel_threshold = UINT64_MAX;
    size_t before = thread_count();
    rotor_tree *tree = test_create_with(&options);
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, LEAVES), "insert");
    assert_int_equal(thread_count(), before);
    expect_ok(rotor_set_parallel(tree, 1, 0), "change");
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + LEAVES, LEAVES), "insert");
    rotor_hash root;
    expect_ok(rotor_root(tree, &root), "root");
    assert_int_equal(thread_count(), before + 3);
    rotor_hash expected = test_root_of(4, leaves, 2 * LEAVES, test_portable());
    expect(test_same_hash(&root, &expected), "after a change");
    rotor_close(tree, NULL);
    expect(thread_count_falls_to(before), "threads are left after the tree was closed");
    free(leaves);
}

/* Numbers at the ends of their ranges, in a batch that many threads share. */
static void extreme_numbers_in_a_large_batch(void **state) {
    (void)state;
    static const uint64_t numbers[] = {1, 2, UINT64_MAX / 2, UINT64_MAX - 1023, UINT64_MAX - 1, UINT64_MAX};
    uint64_t count = 3000 + test_scaled(50000);
    rotor_hash *leaves = test_random_leaves(304, 2 * count);
    rotor_hash expected = test_root_of(3, leaves, 2 * count, test_portable());
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        rotor_options options;
        rotor_options_init(&options, 3, 30);
        options.threads = 3;
        options.parallel_threshold = 1;
        options.task_nodes = numbers[i];
        rotor_tree *tree = test_create_with(&options);
        rotor_hash root;
        expect_ok(rotor_insert_many(tree, &root, NULL, leaves, count), "tasks of %" PRIu64, numbers[i]);
        expect_ok(rotor_set_parallel(tree, 2, numbers[i]), "tasks of %" PRIu64, numbers[i]);
        expect_ok(rotor_insert_many(tree, &root, NULL, leaves + count, count), "tasks of %" PRIu64, numbers[i]);
        expect(test_same_hash(&root, &expected), "tasks of %" PRIu64, numbers[i]);
        rotor_close(tree, NULL);
    }
    free(leaves);
}

static void many_more_threads_than_processors(void **state) {
    (void)state;
    uint64_t count = test_scaled(50000);
    rotor_hash *leaves = test_random_leaves(303, count);
    rotor_options options;
    rotor_options_init(&options, 2, 30);
    options.threads = 64;
    options.parallel_threshold = 1;
    options.task_nodes = 1;
    rotor_tree *tree = test_create_with(&options);
    rotor_hash root;
    expect_ok(rotor_insert_many(tree, &root, NULL, leaves, count), "insert");
    rotor_hash expected = test_root_of(2, leaves, count, test_portable());
    expect(test_same_hash(&root, &expected), "64 threads");
    rotor_close(tree, NULL);
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arity_depth_and_profile_have_ranges, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(null_pointers, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(extreme_numbers_are_allowed, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(a_threshold_in_the_environment, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(a_kernel_by_name, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(a_kernel_that_is_not_there, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(the_environment_matters_at_creation_only, forget_environment,
                                        forget_environment),
        cmocka_unit_test_setup_teardown(threads_start_when_a_batch_needs_them, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(the_threshold_can_be_changed, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(extreme_numbers_in_a_large_batch, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(many_more_threads_than_processors, forget_environment, forget_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
