/* What opening a directory refuses and in which words: things that are no files, never by waiting for them; edges that
 * are not what was committed, before they are built upon; more leaves than are wanted; places where no tree can be. */
#include "store_support.h"

#include "store/log.h"

/* A test that waits for a FIFO would wait for ever. */
#define MOST_SECONDS 60

static rotor_status reopen(store_scene *s, rotor_open_mode mode, rotor_error *error) {
    memset(error, 0, sizeof *error);
    s->tree = NULL;
    s->options.mode = (uint32_t)mode;
    return store_try_open(s, error);
}

static void expect_words(const rotor_error *error, const char *words, const char *what) {
    expect(strstr(error->message, words) != NULL, "%s: \"%s\" does not say \"%s\"", what, error->message, words);
    expect(strchr(error->message, '\n') == NULL, "%s: \"%s\" is more than a line", what, error->message);
}

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

/* ---------------------------------------------------------------- the edge */

typedef struct damaged_node {
    uint32_t level;
    uint64_t index;
    bool is_on_edge; /* no complete node stands above it, so the next roots are computed from it */
} damaged_node;

static uint64_t leaves_of(uint32_t arity, uint32_t level) {
    uint64_t leaves = 1;
    for (uint32_t i = 0; i < level; i++) {
        leaves *= arity;
    }
    return leaves;
}

/* Opens a tree of which one node is another. `in_log` leaves of the model are in the log, the others committed. */
static void expect_judged(store_scene *s, const damaged_node *node, uint64_t in_log) {
    rotor_error error;
    rotor_check_report report;
    image damaged;
    image after;
    char what[80];
    (void)snprintf(what, sizeof what, "%" PRIu64 " leaves, node %" PRIu64 " of level %" PRIu32, s->model.count,
                   node->index, node->level);
    image_read(&damaged, s->path);
    s->options.verify_at_open = ROTOR_VERIFY_NONE;
    rotor_status status = reopen(s, ROTOR_OPEN_EXISTING, &error);
    expect_status(status, node->is_on_edge ? ROTOR_DAMAGED : ROTOR_OK, "%s: %s", what, error.message);
    if (status == ROTOR_OK) {
        store_expect_root(s, s->tree, what);
        store_close(s);
    } else {
        expect_words(&error, "do not lead to the root that was committed", what);
        expect_words(&error, "rotortree check", what);
        image_read(&after, s->path);
        expect(image_equal(&damaged, &after, ""), "%s: something was changed", what);
        image_free(&after);
    }
    /* To look at, it can be opened in any case, and inner nodes can be mended. */
    status = reopen(s, ROTOR_OPEN_READ_ONLY, &error);
    expect_ok(status, "%s: %s", what, error.message);
    expect_status(rotor_check(s->tree, &report, NULL, NULL), ROTOR_DAMAGED, "%s", what);
    store_close(s);
    image_write(&damaged, s->path);
    image_free(&damaged);
    s->options.verify_at_open = ROTOR_VERIFY_FULL;
    status = rotor_repair(s->path, &report, NULL, NULL, &error);
    if (node->level > 0) {
        expect_ok(status, "%s: %s", what, error.message);
        expect_ok(reopen(s, ROTOR_OPEN_EXISTING, &error), "%s: %s", what, error.message);
        expect(s->model.count - in_log == store_statistics(s).checkpointed_size, "%s", what);
        store_expect_root(s, s->tree, what);
        store_close(s);
    } else {
        expect_status(status, ROTOR_DAMAGED, "%s", what);
    }
}

/* Every node of some trees, one after the other. */
static void a_bad_edge_is_not_built_upon(void **state) {
    (void)state;
    static const struct {
        uint32_t arity;
        uint64_t committed;
        uint64_t in_log;
    } trees[] = {{4, 87, 0}, {4, 64, 5}, {2, 31, 0}, {3, 27, 0}, {16, 87, 16}, {255, 100, 3}};
    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
        store_scene s;
        image whole;
        store_begin(&s, 40 + i, trees[i].arity);
        s.setup.extent_leaves = 1000;
        store_open(&s);
        store_insert(&s, trees[i].committed);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        store_insert(&s, trees[i].in_log);
        store_close(&s);
        image_read(&whole, s.path);
        for (uint32_t level = 0; leaves_of(trees[i].arity, level) <= trees[i].committed; level++) {
            char name[40];
            rotor_level_file_name(name, level, 0);
            for (uint64_t n = 0; n < trees[i].committed / leaves_of(trees[i].arity, level); n++) {
                uint64_t above = leaves_of(trees[i].arity, level + 1);
                damaged_node node = {
                    .level = level,
                    .index = n,
                    .is_on_edge = (n / trees[i].arity + 1) * above > trees[i].committed,
                };
                size_t at = (size_t)n * ROTOR_HASH_BYTES + 31;
                uint8_t byte = image_find(&whole, name)->bytes[at] ^ 0x80;
                file_patch(s.path, name, &byte, 1, at);
                expect_judged(&s, &node, trees[i].in_log);
                image_write(&whole, s.path);
            }
        }
        image_free(&whole);
        store_end(&s);
    }
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

/* ---------------------------------------------------------------- words */

static void expect_said(store_scene *s, rotor_open_mode mode, rotor_status wanted, const char *words) {
    rotor_error error;
    rotor_status status = reopen(s, mode, &error);
    if (status == ROTOR_OK) {
        store_close(s);
    }
    expect_status(status, wanted, "%s: %s", words, error.message);
    expect_words(&error, words, "opening");
}

/* Each message says what to do. */
static void messages_say_what_to_do(void **state) {
    (void)state;
    store_scene s;
    image whole;
    make_tree(&s, 60);
    image_read(&whole, s.path);
    file_unlink(s.path, "level-02-00000000");
    expect_said(&s, ROTOR_OPEN_EXISTING, ROTOR_DAMAGED,
                "level-02-00000000: found no such file, needed 1184 bytes: "
                "rotor_repair() ('rotortree repair') makes it anew");
    file_write(s.path, "level-02-00000000", "x", 1);
    expect_said(&s, ROTOR_OPEN_READ_ONLY, ROTOR_DAMAGED, "found 1 bytes, needed 1184 bytes: rotor_repair()");
    image_write(&whole, s.path);
    file_unlink(s.path, "level-00-00000001");
    expect_said(&s, ROTOR_OPEN_EXISTING, ROTOR_DAMAGED, "restore them from a backup");
    image_write(&whole, s.path);
    const uint8_t noise[32] = {1, 2, 3};
    file_patch(s.path, "level-04-00000000", noise, sizeof noise, 0);
    expect_said(&s, ROTOR_OPEN_EXISTING, ROTOR_DAMAGED, "rotor_check() ('rotortree check') says what is damaged");
    s.options.verify_at_open = ROTOR_VERIFY_FULL;
    expect_said(&s, ROTOR_OPEN_READ_ONLY, ROTOR_DAMAGED, "rotor_repair() ('rotortree repair') mends all but leaves");
    image_write(&whole, s.path);
    file_unlink(s.path, "superblock");
    expect_said(&s, ROTOR_OPEN_READ_ONLY, ROTOR_DAMAGED, "wait if somebody is copying there; remove it and copy anew");
    expect_said(&s, ROTOR_OPEN_OR_CREATE, ROTOR_DAMAGED, "copy anew if it is a backup that was not finished");
    image_write(&whole, s.path);

    rotor_tree *writer = NULL;
    store_open(&s);
    writer = s.tree;
    expect_said(&s, ROTOR_OPEN_EXISTING, ROTOR_LOCKED, "in another process, or by another handle of this one");
    s.tree = writer;
    store_close(&s);

    char path[sizeof s.path];
    memcpy(path, s.path, sizeof path);
    (void)snprintf(s.path, sizeof s.path, "%s/nowhere/tree", s.folder);
    expect_said(&s, ROTOR_OPEN_OR_CREATE, ROTOR_IO, "No such file or directory: make the directory above it first");
    (void)snprintf(s.path, sizeof s.path, "%s/link", s.folder);
    assert_int_equal(symlink("nowhere", s.path), 0);
    expect_said(&s, ROTOR_CREATE_NEW, ROTOR_IO, "/link is a symbolic link to a directory that is not there");
    expect_said(&s, ROTOR_OPEN_OR_CREATE, ROTOR_IO, "make that, or remove the link");
    assert_int_equal(unlink(s.path), 0);
    s.path[0] = '\0';
    expect_said(&s, ROTOR_CREATE_NEW, ROTOR_IO, "whose name is empty");
    expect_said(&s, ROTOR_OPEN_EXISTING, ROTOR_NOT_FOUND, "whose name is empty");
    memcpy(s.path, path, sizeof path);
    image_free(&whole);
    store_end(&s);
}

/* ---------------------------------------------------------------- what the system refuses */

static struct {
    rotor_os os;
    int error;
} refusing;

static int64_t refuse_write(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    (void)context;
    (void)file;
    (void)bytes;
    (void)count;
    (void)offset;
    return refusing.error;
}

static void what_the_system_refuses(void **state) {
    (void)state;
    static const struct {
        int number;
        const char *words;
    } cases[] = {
        {ENOSPC, "No space left on device: make room on its file system"},
        {EDQUOT, "or have the quota raised"},
        {EACCES,
         "Permission denied: its permissions, or those of a directory above it, do not allow that to this user"},
        {EPERM, "do not allow that to this user"},
        {EROFS, "Read-only file system: trees there can only be read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        store_scene s;
        rotor_error error;
        refusing.os = *rotor_os_system();
        store_begin(&s, 70, 4);
        s.setup.os = &refusing.os;
        store_open(&s);
        store_insert(&s, 5);
        refusing.os.write = refuse_write;
        refusing.error = -cases[i].number;
        expect_status(rotor_flush(s.tree), ROTOR_FAILED, "%s", cases[i].words);
        expect_status(rotor_failure(s.tree, &error), ROTOR_FAILED, "%s", cases[i].words);
        expect(error.os_errno == cases[i].number, "%d", error.os_errno);
        expect_words(&error, cases[i].words, "a write");
        expect_words(&error, s.path, "a write");
        expect_status(rotor_close(s.tree, NULL), ROTOR_FAILED, "%s", cases[i].words);
        s.tree = NULL;
        store_end(&s);
    }
}

/* ---------------------------------------------------------------- what is made meanwhile */

static struct {
    rotor_os os;
    const store_scene *scene;
    rotor_tree *tree;
    bool done;
} meanwhile;

/* Behind the back of who lists the directory, somebody makes a tree there and fills it. */
static int list_and_make(void *context, int directory, rotor_os_name *name, void *name_context) {
    int result = rotor_os_system()->list(context, directory, name, name_context);
    if (!meanwhile.done) {
        meanwhile.done = true;
        rotor_options options;
        rotor_error error = {0};
        rotor_options_init(&options, 4, meanwhile.scene->options.max_depth);
        options.flush_interval_ms = ROTOR_MANUAL;
        rotor_hash leaves[5] = {{{1}}};
        expect_status(rotor_open(&meanwhile.tree, meanwhile.scene->path, &options, &error), ROTOR_OK, "%s",
                      error.message);
        expect_ok(rotor_insert_durable(meanwhile.tree, NULL, leaves, 5), "insert");
    }
    return result;
}

/* The first look at a directory is without a lock. A tree of which it saw the log's beginning but no superblock yet is
 * not damaged. */
static void a_tree_that_is_just_being_made(void **state) {
    (void)state;
    static const rotor_open_mode modes[] = {ROTOR_OPEN_OR_CREATE, ROTOR_CREATE_NEW, ROTOR_OPEN_EXISTING,
                                            ROTOR_OPEN_READ_ONLY};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        store_scene s;
        rotor_error error;
        store_begin(&s, 71, 4);
        store_open(&s);
        store_close(&s);
        take_special(&s, "superblock"); /* a segment without frames is what the beginning of a creation leaves */
        meanwhile.os = *rotor_os_system();
        meanwhile.os.list = list_and_make;
        meanwhile.scene = &s;
        meanwhile.done = false;
        s.setup.os = &meanwhile.os;
        rotor_status wanted = modes[i] == ROTOR_CREATE_NEW       ? ROTOR_EXISTS
                              : modes[i] == ROTOR_OPEN_READ_ONLY ? ROTOR_OK
                                                                 : ROTOR_LOCKED;
        expect_status(reopen(&s, modes[i], &error), wanted, "mode %d: %s", modes[i], error.message);
        expect(wanted != ROTOR_OK || rotor_size(s.tree) == 5, "%" PRIu64 " leaves", rotor_size(s.tree));
        expect_ok(rotor_close(s.tree, NULL), "close");
        s.tree = NULL;
        expect_ok(rotor_close(meanwhile.tree, NULL), "close");
        store_end(&s);
    }
}

static struct {
    rotor_os os;
    unsigned removals; /* still to come */
} removing;

static int lock_what_is_gone(void *context, int file) {
    const store_scene *s = meanwhile.scene;
    if (removing.removals > 0) {
        char path[FOLDER_PATH + 60];
        removing.removals--;
        (void)snprintf(path, sizeof path, "%s/lock", s->path);
        expect(unlink(path) == 0, "%s: %s", path, strerror(errno));
    }
    return rotor_os_system()->lock(context, file);
}

/* A backup that fails removes its files, while another process is about to lock one of them. A lock on a file without a
 * name keeps nobody out. */
static void a_lock_that_is_removed_meanwhile(void **state) {
    (void)state;
    for (unsigned removals = 1; removals <= 3; removals++) {
        store_scene s;
        rotor_tree *second = NULL;
        rotor_error error;
        store_begin(&s, 72, 4);
        removing.os = *rotor_os_system();
        removing.os.lock = lock_what_is_gone;
        removing.removals = removals;
        meanwhile.scene = &s;
        s.setup.os = &removing.os;
        store_open(&s);
        assert_int_equal(removing.removals, 0);
        rotor_status status = store_open_at(&second, s.path, &s.options, NULL, &error);
        expect_status(status, ROTOR_LOCKED, "a second writer");
        (void)store_insert(&s, 5);
        store_close(&s);
        store_open(&s);
        store_expect_whole(&s, s.tree, "opened again");
        store_end(&s);
    }
}

static int no_names(void *context, int file, rotor_os_status *status) {
    int result = rotor_os_system()->status(context, file, status);
    status->links = 0;
    return result;
}

/* On a file system that counts no names it cannot be known what a lock is worth. */
static void a_lock_without_a_name(void **state) {
    (void)state;
    store_scene s;
    rotor_error error;
    store_begin(&s, 73, 4);
    removing.os = *rotor_os_system();
    removing.os.status = no_names;
    s.setup.os = &removing.os;
    rotor_status status = store_try_open(&s, &error);
    expect_status(status, ROTOR_IO, "%s", error.message);
    expect(strstr(error.message, "/lock has no name") != NULL, "\"%s\"", error.message);
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(something_else_has_the_name_of_a_file),
        cmocka_unit_test(something_else_has_the_name_of_a_later_file),
        cmocka_unit_test(a_bad_edge_is_not_built_upon),
        cmocka_unit_test(more_leaves_than_max_leaves),
        cmocka_unit_test(messages_say_what_to_do),
        cmocka_unit_test(what_the_system_refuses),
        cmocka_unit_test(a_tree_that_is_just_being_made),
        cmocka_unit_test(a_lock_that_is_removed_meanwhile),
        cmocka_unit_test(a_lock_without_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
