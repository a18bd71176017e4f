/* Opening: what each mode makes of what it finds, each error by its cause, reading beside a writer, and how much is
 * verified. */
#include "store_support.h"

#include <sys/wait.h>

static rotor_status try_open(store_scene *s, rotor_error *error) {
    s->tree = NULL;
    memset(error, 0, sizeof *error);
    rotor_status status = store_try_open(s, error);
    if (status == ROTOR_OK) {
        return status;
    }
    expect(s->tree == NULL, "a failed open stored a handle");
    expect(error->status == status && error->message[0] != '\0', "%s: \"%s\"", rotor_status_name(status),
           error->message);
    return status;
}

static void expect_refused(store_scene *s, rotor_status wanted, const char *says) {
    rotor_error error;
    rotor_status status = try_open(s, &error);
    if (status == ROTOR_OK) {
        store_close(s);
    }
    expect_status(status, wanted, "%s", error.message);
    expect(strstr(error.message, says) != NULL, "\"%s\" does not say \"%s\"", error.message, says);
}

/* A closed tree of some leaves. */
static void begin_with_tree(store_scene *s, uint64_t seed, uint32_t arity, uint64_t checkpointed, uint64_t logged) {
    store_begin(s, seed, arity);
    store_open(s);
    store_insert(s, checkpointed);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
    store_insert(s, logged);
    store_close(s);
}

/* ---------------------------------------------------------------- modes */

static void modes_where_there_is_no_tree(void **state) {
    (void)state;
    for (int folder = 0; folder < 2; folder++) {
        store_scene s;
        store_begin(&s, 1, 3);
        for (uint32_t mode = 0; mode <= ROTOR_OPEN_READ_ONLY; mode++) {
            s.options.mode = mode;
            if (folder == 1) {
                assert_int_equal(mkdir(s.path, 0755), 0);
            }
            if (mode == ROTOR_OPEN_EXISTING || mode == ROTOR_OPEN_READ_ONLY) {
                expect_refused(&s, ROTOR_NOT_FOUND, s.path);
                expect((access(s.path, F_OK) == 0) == (folder == 1), "mode %u made a folder", mode);
                expect(mode != ROTOR_OPEN_READ_ONLY || !file_exists(s.path, "lock"), "a reader wrote");
            } else {
                store_open(&s);
                store_expect_root(&s, s.tree, "new");
                assert_int_equal(rotor_arity(s.tree), 3);
                assert_int_equal(rotor_max_depth(s.tree), 32);
                store_insert(&s, 10);
                store_close(&s);
                s.options.mode = ROTOR_OPEN_OR_CREATE;
                store_open(&s);
                store_expect_whole(&s, s.tree, "opened");
                store_close(&s);
                model_tree_cut(&s.model, 0);
            }
            folder_remove(s.path);
        }
        /* A new tree needs an arity and a depth. */
        s.options.mode = ROTOR_OPEN_OR_CREATE;
        s.options.arity = 0;
        expect_refused(&s, ROTOR_NOT_FOUND, "");
        s.options.arity = 3;
        s.options.max_depth = 0;
        expect_refused(&s, ROTOR_NOT_FOUND, "");
        store_end(&s);
    }
}

static void modes_where_there_is_a_tree(void **state) {
    (void)state;
    store_scene s;
    begin_with_tree(&s, 2, 4, 30, 12);
    s.options.mode = ROTOR_CREATE_NEW;
    expect_refused(&s, ROTOR_EXISTS, s.path);
    for (uint32_t stored = 0; stored < 2; stored++) {
        for (uint32_t mode = 0; mode <= ROTOR_OPEN_READ_ONLY; mode++) {
            if (mode != ROTOR_CREATE_NEW) {
                s.options.mode = mode;
                s.options.arity = stored == 1 ? 0 : 4;
                s.options.max_depth = stored == 1 ? 0 : 32;
                store_open(&s);
                store_expect_whole(&s, s.tree, "opened");
                assert_int_equal(rotor_arity(s.tree), 4);
                assert_int_equal(rotor_max_depth(s.tree), 32);
                store_close(&s);
            }
        }
    }
    store_end(&s);
}

static void the_parent_must_exist(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 3, 2);
    (void)snprintf(s.path, sizeof s.path, "%s/no/tree", s.folder);
    expect_refused(&s, ROTOR_IO, s.path);
    s.options.mode = ROTOR_OPEN_READ_ONLY;
    expect_refused(&s, ROTOR_NOT_FOUND, s.path);
    /* A file in the place of the directory. */
    (void)snprintf(s.path, sizeof s.path, "%s/tree", s.folder);
    file_write(s.folder, "tree", "x", 1);
    for (uint32_t mode = 0; mode <= ROTOR_OPEN_READ_ONLY; mode++) {
        rotor_error error;
        s.options.mode = mode;
        expect(try_open(&s, &error) != ROTOR_OK, "a file was opened as a tree");
        expect(strstr(error.message, s.path) != NULL, "%s", error.message);
    }
    file_unlink(s.folder, "tree");
    store_end(&s);
}

static void contradicting_options(void **state) {
    (void)state;
    store_scene s;
    begin_with_tree(&s, 4, 4, 30, 2);
    const rotor_options right = s.options;
    for (uint32_t mode = 0; mode <= ROTOR_OPEN_READ_ONLY; mode++) {
        if (mode == ROTOR_CREATE_NEW) {
            continue;
        }
        s.options = right;
        s.options.mode = mode;
        s.options.arity = 5;
        expect_refused(&s, ROTOR_MISMATCH, "arity 4, not 5");
        s.options.arity = 4;
        s.options.max_depth = 31;
        expect_refused(&s, ROTOR_MISMATCH, "depth 32, not 31");
    }
    s.options = right;
    store_open(&s);
    store_expect_whole(&s, s.tree, "afterwards");
    store_end(&s);
}

static void options_out_of_range(void **state) {
    (void)state;
    store_scene s;
    rotor_tree *tree = NULL;
    rotor_error error = {0};
    store_begin(&s, 5, 4);
    s.setup = (rotor_store_setup){0};
    const rotor_options right = s.options;
    rotor_options options;
    const struct {
        uint32_t *member;
        uint32_t value;
        const char *says;
    } cases[] = {
        {&options.arity, 1, "arity"},
        {&options.arity, 256, "arity"},
        {&options.max_depth, 65, "max_depth"},
        {&options.threads, 1025, "threads"},
        {&options.mode, 4, "mode"},
        {&options.verify_at_open, 3, "verify_at_open"},
        {&options.flush_interval_ms, 0, "flush_interval_ms"},
        {&options.file_mode, 01000, "file_mode"},
        {&options.file_mode, 0400, "file_mode"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        options = right;
        *cases[i].member = cases[i].value;
        expect_status(rotor_open(&tree, s.path, &options, &error), ROTOR_MISUSE, "%s %u", cases[i].says,
                      cases[i].value);
        expect(strstr(error.message, cases[i].says) != NULL, "%s: %s", cases[i].says, error.message);
        expect(access(s.path, F_OK) != 0, "%s: a folder was made", cases[i].says);
    }
    rotor_options profile = right;
    profile.hash_profile = 9;
    expect_status(rotor_open(&tree, s.path, &profile, &error), ROTOR_UNSUPPORTED, "profile");
    expect_status(rotor_open(NULL, s.path, &right, &error), ROTOR_MISUSE, "no handle");
    expect_status(rotor_open(&tree, s.path, NULL, &error), ROTOR_MISUSE, "no options");
    store_end(&s);
}

static void permissions_of_new_files(void **state) {
    (void)state;
    static const uint32_t modes[] = {0644, 0600, 0640, 0666};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        store_scene s;
        image whole;
        struct stat facts;
        mode_t before = umask(0);
        store_begin(&s, 6, 4);
        s.options.file_mode = modes[i];
        store_open(&s);
        store_insert(&s, 200);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        store_close(&s);
        (void)umask(before);
        image_read(&whole, s.path);
        expect(whole.count > 4, "%zu files", whole.count);
        for (size_t f = 0; f < whole.count; f++) {
            char full[700];
            (void)snprintf(full, sizeof full, "%s/%s", s.path, whole.files[f].name);
            assert_int_equal(stat(full, &facts), 0);
            expect((facts.st_mode & 0777) == modes[i], "%s has 0%o, not 0%o", full, facts.st_mode & 0777, modes[i]);
        }
        assert_int_equal(stat(s.path, &facts), 0);
        expect((facts.st_mode & 0777) == (modes[i] | (modes[i] & 0444) >> 2), "0%o", facts.st_mode & 0777);
        image_free(&whole);
        store_end(&s);
    }
}

static void a_directory_that_may_not_be_written(void **state) {
    (void)state;
    store_scene s;
    if (geteuid() == 0) {
        print_message("  left out: whoever is root may write everywhere\n");
        skip();
    }
    begin_with_tree(&s, 7, 4, 30, 2);
    assert_int_equal(chmod(s.path, 0555), 0);
    s.options.mode = ROTOR_OPEN_READ_ONLY;
    store_open(&s);
    store_expect_whole(&s, s.tree, "read-only");
    store_close(&s);
    assert_int_equal(chmod(s.path, 0755), 0);
    store_end(&s);
}

/* ---------------------------------------------------------------- one writer */

static void locked_in_the_same_process(void **state) {
    (void)state;
    store_scene s;
    begin_with_tree(&s, 8, 3, 40, 5);
    store_open(&s);
    store_scene second = s;
    for (uint32_t mode = 0; mode <= ROTOR_OPEN_EXISTING; mode++) {
        second.options.mode = mode;
        expect_refused(&second, ROTOR_LOCKED, s.path);
    }
    store_insert(&s, 5);
    store_close(&s);
    store_open(&s);
    store_expect_whole(&s, s.tree, "afterwards");
    store_end(&s);
}

static void locked_by_another_process(void **state) {
    (void)state;
    if (test_under_tsan) {
        skip(); /* no threads after a fork */
    }
    store_scene s;
    begin_with_tree(&s, 9, 3, 40, 5);
    int ready[2];
    int done[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    char byte = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rotor_tree *tree = NULL;
        rotor_status status = store_open_at(&tree, s.path, &s.options, &s.setup, NULL);
        bool told = write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 1;
        _exit(status == ROTOR_OK && told ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    expect_refused(&s, ROTOR_LOCKED, s.path);
    s.options.mode = ROTOR_OPEN_READ_ONLY;
    store_open(&s);
    store_expect_whole(&s, s.tree, "beside another process");
    store_close(&s);
    s.options.mode = ROTOR_OPEN_EXISTING;
    assert_int_equal(write(done[1], &byte, 1), 1);
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    store_open(&s); /* a process that has ended, without closing, holds nothing */
    store_expect_whole(&s, s.tree, "afterwards");
    store_end(&s);
    for (int i = 0; i < 2; i++) {
        (void)close(ready[i]);
        (void)close(done[i]);
    }
}

/* ---------------------------------------------------------------- directories that are no whole trees */

static void other_files_and_no_tree(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 10, 4);
    assert_int_equal(mkdir(s.path, 0755), 0);
    file_write(s.path, "holiday.jpg", "x", 1);
    s.options.mode = ROTOR_OPEN_OR_CREATE;
    expect_refused(&s, ROTOR_EXISTS, "holiday.jpg");
    s.options.mode = ROTOR_CREATE_NEW;
    expect_refused(&s, ROTOR_EXISTS, "holiday.jpg");
    s.options.mode = ROTOR_OPEN_EXISTING;
    expect_refused(&s, ROTOR_NOT_FOUND, s.path);
    s.options.mode = ROTOR_OPEN_READ_ONLY;
    expect_refused(&s, ROTOR_NOT_FOUND, s.path);
    expect(file_exists(s.path, "holiday.jpg") && !file_exists(s.path, "superblock"), "something was changed");
    file_unlink(s.path, "holiday.jpg");
    store_end(&s);
}

/* Every way in which a crash can leave a creation: with the first segment missing, empty, torn, full of zeros or
 * whole, and the superblock under its first name or not there. */
static void an_unfinished_creation_is_started_over(void **state) {
    (void)state;
    store_scene s;
    image whole;
    store_begin(&s, 11, 4);
    store_open(&s);
    store_close(&s);
    image_read(&whole, s.path);
    image_file *log = image_find(&whole, "log-0000000000000001");
    image_file *superblock = image_find(&whole, "superblock");
    assert_true(log != NULL && superblock != NULL);
    uint8_t zeros[200] = {0};
    static const size_t lengths[] = {0, 1, 63, 64, 65, 4096, 65536};
    for (size_t i = 0; i <= sizeof lengths / sizeof lengths[0]; i++) {
        for (int named = 0; named < 3; named++) {
            folder_clear(s.path);
            if (i < sizeof lengths / sizeof lengths[0]) {
                expect(lengths[i] <= log->count, "a segment of %zu bytes", log->count);
                file_write(s.path, log->name, log->bytes, lengths[i]);
            } else {
                file_write(s.path, log->name, zeros, sizeof zeros); /* a header that was never written */
            }
            if (named > 0) {
                file_write(s.path, "superblock.new", superblock->bytes, named == 1 ? superblock->count : 4000);
            }
            s.options.mode = ROTOR_OPEN_EXISTING;
            expect_refused(&s, ROTOR_NOT_FOUND, s.path);
            s.options.mode = ROTOR_OPEN_READ_ONLY;
            expect_refused(&s, ROTOR_NOT_FOUND, s.path);
            s.options.mode = i % 2 == 0 ? ROTOR_OPEN_OR_CREATE : ROTOR_CREATE_NEW;
            store_open(&s);
            store_expect_root(&s, s.tree, "started over");
            store_insert(&s, 9);
            store_close(&s);
            s.options.mode = ROTOR_OPEN_EXISTING;
            store_open(&s);
            store_expect_whole(&s, s.tree, "opened");
            store_close(&s);
            expect(!file_exists(s.path, "superblock.new"), "left behind");
            model_tree_cut(&s.model, 0);
        }
    }
    image_free(&whole);
    store_end(&s);
}

static void a_tree_without_its_superblock_is_damaged(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        store_scene s;
        image before;
        image after;
        begin_with_tree(&s, 12, 4, kind == 0 ? 0 : 30, kind == 1 ? 0 : 8); /* a log, level files, both */
        file_unlink(s.path, "superblock");
        image_read(&before, s.path);
        for (uint32_t mode = 0; mode <= ROTOR_OPEN_READ_ONLY; mode++) {
            s.options.mode = mode;
            expect_refused(&s, ROTOR_DAMAGED, "superblock");
        }
        image_read(&after, s.path);
        expect(image_equal(&before, &after, ""), "a damaged directory was changed");
        image_free(&before);
        image_free(&after);
        store_end(&s);
    }
}

/* ---------------------------------------------------------------- reading only */

/* No call may wait for what only a writer does. */
static void expect_no_changes(rotor_tree *tree) {
    (void)alarm(60);
    rotor_hash leaf = test_random_leaf(1, 1);
    rotor_hash root;
    rotor_token token = {0, 0};
    uint64_t size = rotor_size(tree);
    expect_status(rotor_insert(tree, NULL, NULL, &leaf), ROTOR_READ_ONLY, "insert");
    expect_status(rotor_insert(tree, &root, &token, &leaf), ROTOR_READ_ONLY, "insert");
    expect_status(rotor_insert_many(tree, NULL, NULL, &leaf, 1), ROTOR_READ_ONLY, "insert_many");
    expect_status(rotor_insert_durable(tree, NULL, &leaf, 1), ROTOR_READ_ONLY, "insert_durable");
    expect_status(rotor_truncate(tree, NULL, 0), ROTOR_READ_ONLY, "truncate");
    expect_status(rotor_truncate(tree, NULL, size), ROTOR_READ_ONLY, "truncate");
    expect_status(rotor_flush(tree), ROTOR_READ_ONLY, "flush");
    expect_status(rotor_checkpoint(tree), ROTOR_READ_ONLY, "checkpoint");
    expect_status(rotor_checkpoint_start(tree), ROTOR_READ_ONLY, "checkpoint_start");
    expect_status(rotor_checkpoint_wait(tree, 0), ROTOR_READ_ONLY, "checkpoint_wait");
    expect_ok(rotor_failure(tree, NULL), "failure");
    assert_int_equal(rotor_size(tree), size);
    (void)alarm(0);
}

static void a_reader_writes_nothing(void **state) {
    (void)state;
    static const uint64_t bytes[] = {0, 64, 256 << 20};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        store_scene s;
        image before;
        image after;
        begin_with_tree(&s, 13, 3, 200, 50);
        file_unlink(s.path, "lock");
        file_write(s.path, "superblock.new", "x", 1);
        image_read(&before, s.path);
        s.options.mode = ROTOR_OPEN_READ_ONLY;
        s.options.checkpoint_bytes = bytes[i];
        s.options.checkpoint_on_close = 1;
        s.options.flush_interval_ms = 1;
        store_open(&s);
        store_expect_whole(&s, s.tree, "read-only");
        store_expect_proofs(&s, s.tree, 100, "read-only");
        expect_no_changes(s.tree);
        rotor_statistics statistics = store_statistics(&s);
        assert_int_equal(statistics.syncs, 0);
        assert_int_equal(statistics.written_bytes, 0);
        assert_int_equal(statistics.durable_size, 250);
        assert_int_equal(statistics.checkpointed_size, 200);
        assert_int_equal(statistics.recovered_leaves, 50);
        store_close(&s);
        image_read(&after, s.path);
        expect(image_equal(&before, &after, ""), "a reader wrote");
        image_free(&before);
        image_free(&after);
        store_end(&s);
    }
}

/* A second handle, for reading, on what the scene's tree has made durable. */
static rotor_tree *open_reader(const store_scene *s) {
    rotor_options options = s->options;
    rotor_tree *tree = NULL;
    rotor_error error = {0};
    options.mode = ROTOR_OPEN_READ_ONLY;
    rotor_status status = store_open_at(&tree, s->path, &options, &s->setup, &error);
    expect_ok(status, "%s", error.message);
    return tree;
}

/* The model is asked for an earlier size than it has. */
static void expect_reader(store_scene *s, rotor_tree *reader, uint64_t size, const char *what) {
    uint64_t present = s->model.count;
    s->model.count = size;
    store_expect_whole(s, reader, what);
    store_expect_proofs(s, reader, 50, what);
    s->model.count = present;
}

static void reading_beside_a_writer(void **state) {
    (void)state;
    enum { READERS = 4 };
    store_scene s;
    rotor_tree *readers[READERS];
    uint64_t sizes[READERS];
    store_begin(&s, 14, 3);
    store_open(&s);
    for (size_t i = 0; i < READERS; i++) {
        store_insert(&s, 150 + i);
        if (i == 1) {
            expect_ok(rotor_checkpoint(s.tree), "checkpoint");
            store_insert(&s, 20);
        }
        expect_ok(rotor_flush(s.tree), "flush");
        sizes[i] = s.model.count;
        store_insert(&s, 7); /* accepted, not durable */
        readers[i] = open_reader(&s);
        expect_reader(&s, readers[i], sizes[i], "a new reader");
    }
    /* Appending and checkpointing leaves readers as they were. */
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    for (size_t i = 0; i < READERS; i++) {
        expect_reader(&s, readers[i], sizes[i], "an old reader");
        expect_no_changes(readers[i]);
    }
    store_expect_whole(&s, s.tree, "the writer");
    for (size_t i = 0; i < READERS; i++) {
        expect_ok(rotor_close(readers[i], NULL), "a reader");
    }
    store_end(&s);
}

static void readers_are_told_of_truncations(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 15, 3);
    store_open(&s);
    store_insert(&s, 300);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    rotor_tree *reader = open_reader(&s);
    rotor_snapshot before;
    expect_ok(rotor_snapshot_take(reader, &before), "snapshot");
    store_expect_proofs(&s, reader, 20, "before");
    store_truncate(&s, 100);
    store_insert(&s, 300);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    (void)alarm(60); /* no call may wait for a tree that does not come back */
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof grown = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_snapshot after;
    rotor_tree_head head;
    rotor_hash hash;
    uint64_t length = 0;
    rotor_check_report report;
    expect_status(rotor_snapshot_check(&before), ROTOR_STALE, "an old snapshot");
    expect_status(rotor_snapshot_head(&before, &head), ROTOR_STALE, "an old snapshot");
    expect_status(rotor_inclusion_prove(&before, &proof, 5), ROTOR_STALE, "an old snapshot");
    expect_status(rotor_consistency_prove(&before, &grown, 5), ROTOR_STALE, "an old snapshot");
    rotor_status taken = rotor_snapshot_take(reader, &after);
    expect(taken == ROTOR_STALE || rotor_snapshot_check(&after) == ROTOR_STALE, "a new snapshot");
    expect_status(rotor_snapshot_at(&before, &after, 50), ROTOR_STALE, "an older size");
    expect_status(rotor_root(reader, &hash), ROTOR_STALE, "the root");
    expect_status(rotor_head(reader, &head), ROTOR_STALE, "the head");
    expect_status(rotor_node(reader, &hash, 0, 0), ROTOR_STALE, "a node");
    expect_status(rotor_level_length(reader, &length, 0), ROTOR_STALE, "a level");
    expect_status(rotor_check(reader, &report, NULL, NULL), ROTOR_STALE, "a check");
    (void)alarm(0);
    expect_ok(rotor_close(reader, NULL), "a reader");
    reader = open_reader(&s);
    store_expect_whole(&s, reader, "opened again");
    store_expect_proofs(&s, reader, 20, "opened again");
    expect_ok(rotor_close(reader, NULL), "a reader");
    rotor_inclusion_proof_free(&proof);
    rotor_consistency_proof_free(&grown);
    store_end(&s);
}

/* ---------------------------------------------------------------- verification */

static rotor_status open_verified(store_scene *s, uint32_t level, rotor_error *error) {
    s->options.verify_at_open = level;
    rotor_status status = try_open(s, error);
    if (status == ROTOR_OK) {
        store_close(s);
    }
    return status;
}

/* A node in the middle is noticed by full verification only, one on the paths to the first and the last leaf by the
 * default, one from which the next root would be computed before anything is written, a short file by all. */
static void three_levels_of_verification(void **state) {
    (void)state;
    store_scene s;
    image whole;
    rotor_error error;
    begin_with_tree(&s, 16, 4, 400, 3);
    image_read(&whole, s.path);
    static const struct {
        const char *file;
        size_t byte;
        rotor_status none, edge, full;
    } cases[] = {
        {"level-00-00000001", 32 * 40, ROTOR_OK, ROTOR_OK, ROTOR_DAMAGED}, /* leaf 168 */
        {"level-01-00000000", 32 * 42, ROTOR_OK, ROTOR_OK, ROTOR_DAMAGED}, /* node 42 */
        {"level-02-00000000", 32 * 9, ROTOR_OK, ROTOR_OK, ROTOR_DAMAGED},  /* node 9 */
        {"level-00-00000000", 0, ROTOR_OK, ROTOR_DAMAGED, ROTOR_DAMAGED},  /* the first leaf */
        {"level-01-00000000", 32 * 3, ROTOR_OK, ROTOR_DAMAGED, ROTOR_DAMAGED},
        {"level-00-00000003", 32 * 15, ROTOR_OK, ROTOR_DAMAGED, ROTOR_DAMAGED},     /* the last leaf */
        {"level-03-00000000", 32 * 5, ROTOR_DAMAGED, ROTOR_DAMAGED, ROTOR_DAMAGED}, /* the last of its level */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const image_file *file = image_find(&whole, cases[i].file);
        assert_true(file != NULL && file->count > cases[i].byte);
        uint8_t byte = file->bytes[cases[i].byte] ^ 0x10;
        file_patch(s.path, file->name, &byte, 1, cases[i].byte);
        for (uint32_t mode = ROTOR_OPEN_EXISTING; mode <= ROTOR_OPEN_READ_ONLY; mode += 2) {
            s.options.mode = mode;
            expect_status(open_verified(&s, ROTOR_VERIFY_EDGE, &error), cases[i].edge, "case %zu: %s", i,
                          error.message);
            expect_status(open_verified(&s, ROTOR_VERIFY_FULL, &error), cases[i].full, "case %zu: %s", i,
                          error.message);
            expect_status(open_verified(&s, ROTOR_VERIFY_NONE, &error),
                          mode == ROTOR_OPEN_READ_ONLY ? ROTOR_OK : cases[i].none, "case %zu: %s", i, error.message);
        }
        image_write(&whole, s.path);
    }
    const image_file *file = image_find(&whole, "level-01-00000000");
    file_write(s.path, file->name, file->bytes, 32 * 99);
    for (uint32_t level = 0; level <= ROTOR_VERIFY_FULL; level++) {
        expect_status(open_verified(&s, level, &error), ROTOR_DAMAGED, "level %u", level);
        expect(strstr(error.message, file->name) != NULL, "%s", error.message);
    }
    image_write(&whole, s.path);
    for (uint32_t level = 0; level <= ROTOR_VERIFY_FULL; level++) {
        expect_ok(open_verified(&s, level, &error), "level %u: %s", level, error.message);
    }
    image_free(&whole);
    store_end(&s);
}

/* The system's files, and a writer that goes on, by some segments, whenever a directory is listed. */
typedef struct busy_system {
    rotor_os os;
    store_scene *writer;
    unsigned lists;
} busy_system;

static int list_late(void *context, int directory, rotor_os_name *name, void *name_context) {
    busy_system *busy = context;
    busy->lists++;
    for (unsigned segment = 0; segment < 3; segment++) {
        store_insert(busy->writer, 200);
        expect_ok(rotor_flush(busy->writer->tree), "flush");
    }
    const rotor_os *system = rotor_os_system();
    return system->list(system->context, directory, name, name_context);
}

/* Segments behind the one in which a reader has found the log's end tell that some are missing, or that a writer has
 * made them meanwhile. */
static void a_log_that_grows_while_it_is_read_has_no_gap(void **state) {
    (void)state;
    store_scene s;
    rotor_error error = {0};
    store_begin(&s, 31, 4);
    s.setup.extent_leaves = UINT64_C(1) << 20;
    store_open(&s);
    busy_system busy = {.os = *rotor_os_system(), .writer = &s};
    assert_null(busy.os.context); /* the functions that are taken over do without */
    busy.os.context = &busy;
    busy.os.list = list_late;
    rotor_options options = s.options;
    rotor_store_setup setup = s.setup;
    rotor_tree *reader = NULL;
    options.mode = ROTOR_OPEN_READ_ONLY;
    setup.os = &busy.os;
    expect_ok(store_open_at(&reader, s.path, &options, &setup, &error), "%s", error.message);
    assert_true(busy.lists >= 2);
    assert_true(rotor_size(reader) < s.model.count);
    expect_ok(rotor_close(reader, NULL), "close");
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_where_there_is_no_tree),
        cmocka_unit_test(modes_where_there_is_a_tree),
        cmocka_unit_test(the_parent_must_exist),
        cmocka_unit_test(contradicting_options),
        cmocka_unit_test(options_out_of_range),
        cmocka_unit_test(permissions_of_new_files),
        cmocka_unit_test(a_directory_that_may_not_be_written),
        cmocka_unit_test(locked_in_the_same_process),
        cmocka_unit_test(locked_by_another_process),
        cmocka_unit_test(other_files_and_no_tree),
        cmocka_unit_test(an_unfinished_creation_is_started_over),
        cmocka_unit_test(a_tree_without_its_superblock_is_damaged),
        cmocka_unit_test(a_reader_writes_nothing),
        cmocka_unit_test(reading_beside_a_writer),
        cmocka_unit_test(readers_are_told_of_truncations),
        cmocka_unit_test(three_levels_of_verification),
        cmocka_unit_test(a_log_that_grows_while_it_is_read_has_no_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
