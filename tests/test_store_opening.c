/* ---------------------------------------------------------------- what is no file */

enum special { FIFO, SOCKET, DEVICE, DIRECTORY, SPECIALS };

static void put_special(const store_scene *s, const char *name, enum special kind) {
    char path[FOLDER_PATH + 150];
    (void)snprintf(path, sizeof path, "%s/%s", s->path, name);
    expect(unlink(path) == 0 || errno == ENOENT, "%s: %s", path, strerror(errno));
    int failed = kind == FIFO     ? mkfifo(path, 0600)
                 : kind == SOCKET ? mknod(path, S_IFSOCK | 0600, 0)
                 : kind == DEVICE ? symlink("/dev/null", path)
                                  : mkdir(path, 0700);
    expect(failed == 0, "%s: %s", path, strerror(errno));
}

static void take_special(const store_scene *s, const char *name) {
    char path[FOLDER_PATH + 150];
    (void)snprintf(path, sizeof path, "%s/%s", s->path, name);
    expect(unlink(path) == 0 || rmdir(path) == 0, "%s: %s", path, strerror(errno));
}

/* A tree of 600 leaves that are checkpointed, 19 in the log, and between these 200 in level files that the log names.
 */
static void make_tree(store_scene *s, uint64_t seed) {
    store_begin(s, seed, 4);
    store_open(s);
    store_insert(s, 600);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
    for (int i = 0; i < 20; i++) {
        store_insert(s, i == 10 ? 200 : 1);
        expect_ok(rotor_flush(s->tree), "flush");
    }
    store_close(s);
}

static bool is_lock(const char *name) {
    return strcmp(name, "lock") == 0;
}

static bool is_committed(const char *name) {
    bool of_leaves = strncmp(name, "level-00-", 9) == 0;
    return strncmp(name, "log-", 4) != 0 && (!of_leaves || strcmp(name, "level-00-00000004") <= 0);
}

/* Each file of a tree, in each way to open it: a named error, at once, and nothing is changed. */
static void something_else_has_the_name_of_a_file(void **state) {
    (void)state;
    store_scene s;
    image whole;
    rotor_error error;
    rotor_check_report report;
    make_tree(&s, 31);
    image_read(&whole, s.path);
    expect(image_find(&whole, "level-03-00000000") != NULL && image_find(&whole, "log-0000000000000003") == NULL,
           "the tree is another");
    (void)alarm(MOST_SECONDS);
    for (size_t f = 0; f < whole.count; f++) {
        const image_file *file = &whole.files[f];
        if (strcmp(file->name, ROTOR_LOG_SPARE_NAME) == 0) {
            continue; /* opened by the checkpoint that uses it: see below */
        }
        for (int kind = 0; kind < SPECIALS; kind++) {
            char words[160];
            (void)snprintf(words, sizeof words, "/%s is a %s where a file belongs", file->name,
                           kind == DIRECTORY ? "directory" : "FIFO, a socket or a device");
            put_special(&s, file->name, (enum special)kind);
            rotor_status status = reopen(&s, ROTOR_OPEN_OR_CREATE, &error);
            expect_status(status, ROTOR_DAMAGED, "%s, kind %d: %s", file->name, kind, error.message);
            expect_words(&error, words, "for writing");
            expect(error.os_errno == (kind == DIRECTORY ? EISDIR : ENXIO), "%s: errno %d", words, error.os_errno);
            status = reopen(&s, ROTOR_OPEN_READ_ONLY, &error);
            if (is_lock(file->name)) {
                expect_ok(status, "%s: readers need no lock", error.message);
                store_close(&s);
            } else {
                expect_status(status, ROTOR_DAMAGED, "%s, kind %d: %s", file->name, kind, error.message);
                expect_words(&error, words, "for reading");
            }
            /* A repair looks at what is committed only: neither the log, nor leaves that it names. */
            if (is_committed(file->name)) {
                status = rotor_repair(s.path, &report, NULL, NULL, &error);
                expect_status(status, ROTOR_DAMAGED, "%s, kind %d: %s", file->name, kind, error.message);
                expect_words(&error, words, "repair");
            }
            take_special(&s, file->name);
            image after;
            image_read(&after, s.path);
            expect(image_equal(&after, &whole, file->name), "%s, kind %d: something was changed", file->name, kind);
            image_free(&after);
            file_write(s.path, file->name, file->bytes, file->count);
        }
    }
    (void)alarm(0);
    expect_ok(reopen(&s, ROTOR_OPEN_EXISTING, &error), "%s", error.message);
    store_expect_root(&s, s.tree, "restored");
    image_free(&whole);
    store_end(&s);
}

/* Files that only later calls open: the spare, the next segment of the log, level files that are new. */
static void something_else_has_the_name_of_a_later_file(void **state) {
    (void)state;
    static const char *const names[] = {ROTOR_LOG_SPARE_NAME, "log-0000000000000003", "level-00-00000010"};
    (void)alarm(MOST_SECONDS);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        store_scene s;
        rotor_error error;
        make_tree(&s, 32);
        rotor_status status = reopen(&s, ROTOR_OPEN_EXISTING, &error);
        expect_ok(status, "%s", error.message);
        store_insert(&s, 600); /* straight into the level files */
        if (file_exists(s.path, ROTOR_LOG_SPARE_NAME) && i == 1) {
            file_unlink(s.path, ROTOR_LOG_SPARE_NAME); /* it would just take the name */
        }
        put_special(&s, names[i], FIFO);
        status = rotor_flush(s.tree);
        for (int more = 0; more < 2 && status == ROTOR_OK; more++) {
            status = rotor_checkpoint(s.tree);
        }
        if (status == ROTOR_OK && strcmp(names[i], ROTOR_LOG_SPARE_NAME) == 0) {
            store_insert(&s, 1);
            status = rotor_checkpoint(s.tree);
        }
        expect_status(status, ROTOR_FAILED, "%s", names[i]);
        expect_status(rotor_failure(s.tree, &error), ROTOR_FAILED, "%s", names[i]);
        expect_words(&error, names[i], "a later file");
        expect_words(&error, "is a FIFO, a socket or a device where a file belongs", names[i]);
        expect_status(rotor_close(s.tree, NULL), ROTOR_FAILED, "%s", names[i]);
        take_special(&s, names[i]);
        status = reopen(&s, ROTOR_OPEN_EXISTING, &error);
        expect_ok(status, "%s: %s", names[i], error.message);
        store_end(&s);
    }
    (void)alarm(0);
}

/* ---------------------------------------------------------------- more leaves than are wanted */

static void more_leaves_than_max_leaves(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        store_scene s;
        rotor_error error;
        image whole;
        image after;
        store_begin(&s, 50, 4);
        store_open(&s);
        store_insert(&s, 100);
        if (kind != 1) { /* in the log, in level files or in both; or some have been cut again */
            expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        }
        if (kind >= 2) {
            store_insert(&s, 50);
            expect_ok(rotor_flush(s.tree), "flush");
        }
        if (kind == 3) {
            store_truncate(&s, 90);
            expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        }
        store_close(&s);
        image_read(&whole, s.path);
        uint64_t size = s.model.count;
        for (unsigned mode = 0; mode < 2; mode++) {
            rotor_open_mode how = mode == 0 ? ROTOR_OPEN_EXISTING : ROTOR_OPEN_READ_ONLY;
            s.options.max_leaves = size - 1;
            rotor_status status = reopen(&s, how, &error);
            expect_status(status, ROTOR_CAPACITY_EXCEEDED, "kind %d: %s", kind, error.message);
            char words[80];
            (void)snprintf(words, sizeof words,
                           "holds at least %" PRIu64 " leaves, more than the %" PRIu64 " of max_leaves", size,
                           size - 1);
            expect_words(&error, words, "too many");
            image_read(&after, s.path);
            expect(image_equal(&whole, &after, ""), "kind %d: something was changed", kind);
            image_free(&after);
        }
        s.options.max_leaves = size;
        expect_ok(reopen(&s, ROTOR_OPEN_EXISTING, &error), "kind %d: %s", kind, error.message);
        store_expect_root(&s, s.tree, "just enough");
        rotor_hash leaf = test_random_leaf(1, 1);
        expect_status(rotor_insert(s.tree, NULL, NULL, &leaf), ROTOR_CAPACITY_EXCEEDED, "kind %d", kind);
        image_free(&whole);
        store_end(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(something_else_has_the_name_of_a_file),
        cmocka_unit_test(something_else_has_the_name_of_a_later_file),
        cmocka_unit_test(more_leaves_than_max_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
