/* What the library may not do to the process that embeds it: use up address space or mappings, run the process's signal
 * handlers on threads of its own, keep a thread beyond its tree. */
#include "support.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static uint64_t address_space_bytes(void) {
    char line[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    (void)fclose(file);
    return strtoull(line, NULL, 10) * 4096;
}

static size_t mappings(void) {
    FILE *file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    size_t lines = 0;
    for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
        lines += c == '\n';
    }
    (void)fclose(file);
    return lines;
}

/* A process has 128 TiB: room for thousands of trees that have outgrown the heap. */
static void a_tree_of_middling_size_leaves_address_space(void **state) {
    (void)state;
    enum { TREES = 16, LEAVES = 20000 };
    rotor_hash *leaves = test_random_leaves(1, LEAVES);
    rotor_tree *trees[TREES];
    uint64_t before = address_space_bytes();
    for (unsigned i = 0; i < TREES; i++) {
        trees[i] = test_create(2 + i % 4, 32);
        expect_ok(rotor_insert_many(trees[i], NULL, NULL, leaves, LEAVES), "tree %u", i);
    }
    uint64_t each = (address_space_bytes() - before) / TREES;
    assert_in_range(each, 1, UINT64_C(4) << 30);
    for (unsigned i = 0; i < TREES; i++) {
        rotor_close(trees[i], NULL);
    }
    assert_true(address_space_bytes() < before + (UINT64_C(1) << 30));
    free(leaves);
}

/* Linux allows a process 65,530 mappings; small trees take none of their own. */
static void many_small_trees(void **state) {
    (void)state;
    enum { LEAVES = 100 };
    size_t count = (size_t)test_scaled(4000);
    rotor_hash *leaves = test_random_leaves(2, LEAVES);
    rotor_tree **trees = test_alloc(count, sizeof(rotor_tree *));
    size_t before = mappings();
    rotor_hash first = {{0}};
    for (size_t i = 0; i < count; i++) {
        rotor_hash root;
        trees[i] = test_create(4, 32);
        expect_ok(rotor_insert_many(trees[i], &root, NULL, leaves, LEAVES), "tree %zu", i);
        first = i == 0 ? root : first;
        assert_memory_equal(&root, &first, sizeof root);
    }
    size_t after = mappings();
    print_message("%zu trees: %zu mappings before, %zu after\n", count, before, after);
    assert_true(after < before + count / 4);
    for (size_t i = 0; i < count; i++) {
        rotor_close(trees[i], NULL);
    }
    free(trees);
    free(leaves);
}

/* Calls `look` with the number of each thread of the process but this one; returns how many there are. */
static size_t other_threads(void (*look)(const char *task)) {
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    char own[32];
    snprintf(own, sizeof own, "%d", (int)getpid());
    size_t count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, own) != 0) {
            count++;
            if (look != NULL) {
                look(entry->d_name);
            }
        }
    }
    (void)closedir(folder);
    return count;
}

static size_t blocking;

static void count_if_it_blocks_signals(const char *task) {
    char path[64];
    char line[256];
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "SigBlk:", 7) == 0) {
            uint64_t blocked = strtoull(line + 7, NULL, 16);
            uint64_t wanted = UINT64_C(1) << (SIGINT - 1) | UINT64_C(1) << (SIGTERM - 1) |
                              UINT64_C(1) << (SIGALRM - 1) | UINT64_C(1) << (SIGUSR1 - 1) |
                              UINT64_C(1) << (SIGCHLD - 1);
            blocking += (blocked & wanted) == wanted;
        }
    }
    (void)fclose(file);
}

static void worker_threads_take_no_signals_and_end_with_the_tree(void **state) {
    (void)state;
    enum { LEAVES = 50000, THREADS = 4 };
    rotor_hash *leaves = test_random_leaves(3, LEAVES);
    size_t before = other_threads(NULL); /* a sanitizer may have one */
    rotor_options options;
    rotor_options_init(&options, 4, 32);
    options.threads = THREADS;
    options.parallel_threshold = 1;
    rotor_tree *tree = test_create_with(&options);
    sigset_t mask_before;
    sigset_t mask_after;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask_before), 0);
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, LEAVES), "a batch for all threads");
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask_after), 0);
    for (int signal_number = 1; signal_number < NSIG; signal_number++) {
        assert_int_equal(sigismember(&mask_before, signal_number), sigismember(&mask_after, signal_number));
    }
    blocking = 0;
    assert_int_equal(other_threads(count_if_it_blocks_signals), before + THREADS - 1);
    assert_true(blocking >= THREADS - 1);
    rotor_close(tree, NULL);
    assert_int_equal(other_threads(NULL), before);
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_of_middling_size_leaves_address_space),
        cmocka_unit_test(many_small_trees),
        cmocka_unit_test(worker_threads_take_no_signals_and_end_with_the_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
