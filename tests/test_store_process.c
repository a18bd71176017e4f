/* What stores do to the process they run in: the mappings, file handles and threads they take and give back, files that
 * never stand in for standard input, output or error, and a log that stays bounded while truncations undo what is
 * appended. */
#include "store_support.h"

#include <sys/wait.h>

/* ---------------------------------------------------------------- counting */

static uint64_t lines_of(const char *path) {
    FILE *file = fopen(path, "re");
    uint64_t lines = 0;
    if (file == NULL) {
        return 0;
    }
    for (int c = getc(file); c != EOF; c = getc(file)) {
        lines += c == '\n';
    }
    (void)fclose(file);
    return lines;
}

/* 0 where there is no such directory. */
static uint64_t entries_of(const char *path) {
    DIR *directory = opendir(path);
    uint64_t entries = 0;
    if (directory == NULL) {
        return 0;
    }
    while (readdir(directory) != NULL) {
        entries++;
    }
    (void)closedir(directory);
    return entries;
}

/* A thread that has been joined may be listed for a moment still. */
static uint64_t threads_when_at_most(uint64_t wanted, int tries) {
    uint64_t threads = entries_of("/proc/self/task");
    for (int i = 0; i < tries && threads > wanted; i++) {
        (void)usleep(500);
        threads = entries_of("/proc/self/task");
    }
    return threads;
}

/* With the files' sizes and the threads of everyday use. */
static void begin_plain(store_scene *s, uint64_t seed, uint32_t arity) {
    store_begin(s, seed, arity);
    s->setup = (rotor_store_setup){0};
}

/* ---------------------------------------------------------------- mappings */

/* A process may have 65,530 mappings; a long life of small checkpoints must not use them up. */
static void many_checkpoints_take_few_mappings(void **state) {
    (void)state;
    uint64_t before = lines_of("/proc/self/maps");
    if (before == 0) {
        skip();
    }
    store_scene s;
    rotor_snapshot snapshot;
    rotor_tree_head head;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    uint64_t checkpoints = test_scaled(400);
    rotor_hash *leaves = test_random_leaves(41, (size_t)checkpoints * 1000);
    begin_plain(&s, 41, 2);
    store_open(&s);
    before = lines_of("/proc/self/maps");
    uint64_t most = before;
    for (uint64_t i = 0; i < checkpoints; i++) {
        expect_ok(rotor_insert_many(s.tree, NULL, NULL, leaves + 1000 * i, 1000), "insert");
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        if (i % 16 == 15 || i + 1 == checkpoints) {
            uint64_t now = lines_of("/proc/self/maps");
            most = now > most ? now : most;
        }
    }
    expect(most < before + 150, "%" PRIu64 " checkpoints: %" PRIu64 " mappings, %" PRIu64 " before", checkpoints, most,
           before);
    uint64_t count = checkpoints * 1000;
    expect(store_statistics(&s).mapped_bytes >= count * sizeof(rotor_hash) / 2, "nothing to speak of is mapped");

    expect_ok(rotor_snapshot_take(s.tree, &snapshot), "snapshot");
    expect_ok(rotor_head(s.tree, &head), "head");
    rotor_hash root = test_root_of(2, leaves, count, test_portable());
    expect(head.size == count && test_same_hash(&head.root, &root), "another root");
    for (uint64_t leaf = 0; leaf < count; leaf += leaf % 997 + 500) {
        expect_ok(rotor_inclusion_prove(&snapshot, &proof, leaf), "leaf %" PRIu64, leaf);
        expect_ok(rotor_inclusion_verify(&proof, &head, &leaves[leaf]), "leaf %" PRIu64, leaf);
    }
    rotor_inclusion_proof_free(&proof);
    free(leaves);
    store_end(&s);
}

/* ---------------------------------------------------------------- standard input, output and error */

/* In a process of its own, without those of the three handles that `closed` names by bits. Returns an exit status. */
static int live_without_standard_files(const store_scene *s, unsigned closed, const rotor_hash *leaves, size_t count) {
    rotor_tree *tree = NULL;
    for (int handle = 0; handle < 3; handle++) {
        if ((closed >> handle & 1) != 0) {
            (void)close(handle);
        }
    }
    if (rotor_open(&tree, s->path, &s->options, NULL) != ROTOR_OK) {
        return 2;
    }
    for (size_t round = 0; round < 4; round++) {
        if (rotor_insert_many(tree, NULL, NULL, leaves + round * (count / 4), count / 4) != ROTOR_OK) {
            return 3;
        }
        /* Into a file where there is a handle of that number, or nowhere. */
        for (int line = 0; (closed & 6) == 6 && line < 200; line++) {
            (void)fprintf(stderr, "%d lines that somebody else wrote, long enough to fill a page or two\n", line);
            (void)fprintf(stdout, "%d lines that somebody else wrote, long enough to fill a page or two\n", line);
        }
        for (int line = 0; (closed & 4) == 4 && line < 200; line++) {
            (void)fprintf(stderr, "%d lines of an error\n", line);
        }
        (void)fflush(stdout);
        if ((round % 2 == 0 ? rotor_checkpoint(tree) : rotor_flush(tree)) != ROTOR_OK) {
            return 4;
        }
    }
    if (rotor_close(tree, NULL) != ROTOR_OK) {
        return 5;
    }
    for (int handle = 0; handle < 3; handle++) {
        if ((closed >> handle & 1) != 0 && fcntl(handle, F_GETFD) >= 0) {
            return 6;
        }
    }
    return 0;
}

static void what_others_print_never_goes_to_files_of_a_tree(void **state) {
    (void)state;
    if (test_under_tsan) {
        skip(); /* no threads after a fork */
    }
    enum { COUNT = 4000 };
    rotor_hash *leaves = test_random_leaves(42, COUNT);
    rotor_hash wanted = test_root_of(3, leaves, COUNT, test_portable());
    for (unsigned closed = 1; closed < 8; closed++) {
        store_scene s;
        rotor_hash root;
        int result = -1;
        begin_plain(&s, 42, 3);
        (void)fflush(NULL); /* what is buffered would be printed twice */
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            _exit(live_without_standard_files(&s, closed, leaves, COUNT));
        }
        assert_int_equal(waitpid(child, &result, 0), child);
        expect(result == 0, "closed %u: the child ended with %d", closed, result);
        s.options.verify_at_open = ROTOR_VERIFY_FULL;
        store_open(&s);
        expect(store_statistics(&s).damaged_slots == 0, "closed %u: a slot of the superblock is damaged", closed);
        assert_int_equal(rotor_size(s.tree), COUNT);
        expect_ok(rotor_root(s.tree, &root), "root");
        expect(test_same_hash(&root, &wanted), "closed %u: another root", closed);
        store_end(&s);
    }
    free(leaves);
}

/* ---------------------------------------------------------------- the log */

#define CYCLE_LEAVES 1000
#define CYCLE_BYTES (CYCLE_LEAVES * 32 + 2 * 64)
#define EMPTY_LOG 64 /* a segment without frames */

/* Leaves that do not stay. */
static void append_and_undo(store_scene *s, const rotor_hash *leaves) {
    uint64_t size = rotor_size(s->tree);
    expect_ok(rotor_insert_many(s->tree, NULL, NULL, leaves, CYCLE_LEAVES), "insert");
    expect_ok(rotor_flush(s->tree), "flush");
    expect_ok(rotor_truncate(s->tree, NULL, size), "truncate");
}

static void the_log_is_bounded_though_nothing_stays(void **state) {
    (void)state;
    enum { POLICY = 256 * 1024 }; /* the least size of a log that makes a checkpoint due */
    store_scene s;
    rotor_hash *leaves = test_random_leaves(44, CYCLE_LEAVES);
    uint64_t cycles = 20 + test_scaled(300);
    uint64_t most = 0;
    begin_plain(&s, 43, 4);
    s.options.checkpoint_bytes = POLICY;
    store_open(&s);
    store_insert(&s, 100);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    uint64_t generation = store_statistics(&s).generation;
    for (uint64_t i = 0; i < cycles; i++) {
        append_and_undo(&s, leaves);
        expect_ok(rotor_checkpoint_wait(s.tree, ROTOR_FOREVER), "wait");
        uint64_t now = store_statistics(&s).log_bytes;
        most = now > most ? now : most;
        expect(now < POLICY + 2 * CYCLE_BYTES, "cycle %" PRIu64 ": %" PRIu64 " bytes of log", i, now);
    }
    expect(most > POLICY / 2, "at most %" PRIu64 " bytes: a checkpoint at every turn", most);
    expect(store_statistics(&s).generation > generation, "no checkpoint");
    expect(store_statistics(&s).written_bytes > cycles * CYCLE_LEAVES * 32, "nothing was written");
    store_expect_whole(&s, s.tree, "undone");
    store_close(&s);
    store_open(&s);
    expect(store_statistics(&s).log_bytes < POLICY + 3 * CYCLE_BYTES, "the log of a tree that was opened");
    store_expect_whole(&s, s.tree, "opened");
    free(leaves);
    store_end(&s);
}

static void a_checkpoint_by_hand_empties_the_log(void **state) {
    (void)state;
    store_scene s;
    rotor_hash *leaves = test_random_leaves(45, CYCLE_LEAVES);
    begin_plain(&s, 46, 4);
    store_open(&s);
    store_insert(&s, 100);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    for (uint64_t cycles = 1; cycles <= 3; cycles++) {
        for (uint64_t i = 0; i < cycles; i++) {
            append_and_undo(&s, leaves);
        }
        expect(store_statistics(&s).log_bytes > cycles * CYCLE_LEAVES * 32, "the log holds what was undone");
        if (cycles == 2) {
            store_close(&s);
            store_open(&s);
            expect(store_statistics(&s).log_bytes > CYCLE_LEAVES * 32, "the log holds what was undone when opened");
        }
        uint64_t generation = store_statistics(&s).generation;
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        rotor_statistics now = store_statistics(&s);
        expect(now.log_bytes == EMPTY_LOG, "%" PRIu64 " bytes of log", now.log_bytes);
        expect(now.generation > generation && now.checkpointed_size == 100, "no commit");
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        expect(store_statistics(&s).generation == now.generation, "a commit of nothing");
        store_expect_whole(&s, s.tree, "undone");
    }
    free(leaves);
    store_end(&s);
}

/* ---------------------------------------------------------------- handles and threads */

/* A life with everything that may open a file or start a thread: two background threads, a batch for several threads,
 * checkpoints, a truncation, a reader beside the writer, opens that are refused. */
static void full_life(store_scene *s, uint64_t round) {
    rotor_tree *other = NULL;
    rotor_options options = s->options;
    s->options.threads = 3;
    s->options.parallel_threshold = 64;
    s->options.flush_interval_ms = 1;
    s->options.checkpoint_leaves = 3000;
    store_open(s);
    store_insert(s, 200 + round);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
    if (round % 3 == 0) {
        store_truncate(s, s->model.count / 2);
        expect_ok(rotor_flush(s->tree), "flush");
    }
    expect_status(rotor_open(&other, s->path, &s->options, NULL), ROTOR_LOCKED, "twice");
    options.mode = ROTOR_OPEN_READ_ONLY;
    expect_ok(rotor_open(&other, s->path, &options, NULL), "read-only");
    expect_ok(rotor_close(other, NULL), "close of a reader");
    options.mode = ROTOR_OPEN_READ_ONLY;
    options.arity = 7;
    expect_status(rotor_open(&other, s->path, &options, NULL), ROTOR_MISMATCH, "of another arity");
    store_expect_root(s, s->tree, "full life");
    store_close(s);
}

static void opening_and_closing_keeps_no_handles(void **state) {
    (void)state;
    store_scene s;
    begin_plain(&s, 47, 5);
    rotor_options options = s.options;
    full_life(&s, 0); /* what the C library opens once and keeps */
    uint64_t before = entries_of("/proc/self/fd");
    if (before == 0) {
        store_end(&s);
        skip();
    }
    uint64_t rounds = 3 + test_scaled(47);
    for (uint64_t round = 1; round <= rounds; round++) {
        s.options = options;
        full_life(&s, round);
        uint64_t now = entries_of("/proc/self/fd");
        expect(now == before, "round %" PRIu64 ": %" PRIu64 " handles, %" PRIu64 " before", round, now, before);
    }
    store_end(&s);
}

static void opening_and_closing_keeps_no_threads(void **state) {
    (void)state;
    store_scene s;
    begin_plain(&s, 48, 5);
    rotor_options options = s.options;
    full_life(&s, 0); /* a sanitizer starts a thread of its own with the first */
    uint64_t before = threads_when_at_most(3, 1000);
    if (before == 0) {
        store_end(&s);
        skip();
    }
    for (uint64_t round = 1; round <= 5; round++) {
        s.options = options;
        full_life(&s, round);
        uint64_t now = threads_when_at_most(before, 20000);
        expect(now <= before, "round %" PRIu64 ": %" PRIu64 " threads, %" PRIu64 " before", round, now, before);
        /* That the counting would show a thread. */
        s.options.flush_interval_ms = 1;
        store_open(&s);
        expect(entries_of("/proc/self/task") > before, "a thread that flushes is not listed");
        store_close(&s);
    }
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_checkpoints_take_few_mappings),
        cmocka_unit_test(what_others_print_never_goes_to_files_of_a_tree),
        cmocka_unit_test(the_log_is_bounded_though_nothing_stays),
        cmocka_unit_test(a_checkpoint_by_hand_empties_the_log),
        cmocka_unit_test(opening_and_closing_keeps_no_handles),
        cmocka_unit_test(opening_and_closing_keeps_no_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
