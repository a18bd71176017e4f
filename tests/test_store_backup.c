/* Hot backups: what is copied while the tree goes on, which files both trees share, that neither ever writes to what
 * the other one has, and that a backup that does not come about leaves nothing. */
#include "store_support.h"

#include "os/os.h"

#include <pthread.h>
#include <stdatomic.h>

#define COPY_PATH (FOLDER_PATH + 60)

static void copy_path(char path[COPY_PATH], const store_scene *s, const char *name) {
    (void)snprintf(path, COPY_PATH, "%s/%s", s->folder, name);
}

static void back_up(store_scene *s, const char *to) {
    rotor_error error = {0};
    rotor_status status = rotor_backup(s->tree, to, NULL, NULL, &error);
    expect_ok(status, "backup to %s: %s", to, error.message);
}

static rotor_tree *open_copy(const store_scene *s, const char *path, uint32_t mode) {
    rotor_tree *tree = NULL;
    rotor_error error = {0};
    rotor_options options = s->options;
    options.mode = mode;
    options.verify_at_open = ROTOR_VERIFY_FULL;
    rotor_status status = store_open_at(&tree, path, &options, &s->setup, &error);
    expect_ok(status, "%s: %s", path, error.message);
    return tree;
}

static void close_copy(rotor_tree *tree) {
    rotor_error error = {0};
    rotor_status status = rotor_close(tree, &error);
    expect_ok(status, "%s", error.message);
}

/* The copy holds what the model holds. */
static void expect_copy(const store_scene *s, const char *path, const char *what) {
    rotor_tree *tree = open_copy(s, path, ROTOR_OPEN_READ_ONLY);
    store_expect_root(s, tree, what);
    store_expect_proofs(s, tree, 12, what);
    close_copy(tree);
}

static bool is_there(const char *path) {
    return access(path, F_OK) == 0;
}

/* ---------------------------------------------------------------- what a copy holds */

static void equals_the_tree(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 1, 3, 4, 127, 128, 129, 511, 512, 513, 1300};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        store_scene s;
        char first[COPY_PATH];
        char second[COPY_PATH];
        store_begin(&s, 11 + i, 4);
        store_open(&s);
        (void)store_insert(&s, sizes[i]);
        copy_path(first, &s, "first");
        copy_path(second, &s, "second");
        back_up(&s, first);
        expect_copy(&s, first, "a copy");

        /* A copy is a tree like any other: it is copied, too, and grows. */
        rotor_tree *original = s.tree;
        s.tree = open_copy(&s, first, ROTOR_OPEN_EXISTING);
        back_up(&s, second);
        expect_copy(&s, second, "a copy of a copy");
        (void)store_insert(&s, 300);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        store_expect_whole(&s, s.tree, "a copy that has grown");
        store_close(&s);
        expect_copy(&s, first, "a copy that has grown");
        expect(rotor_size(original) == sizes[i], "the original has grown, too");
        close_copy(original);
        folder_remove(first);
        folder_remove(second);
        store_end(&s);
    }
}

/* Two trees of one origin are two trees: their logs cannot be taken for each other's. */
static void has_an_identity_of_its_own(void **state) {
    (void)state;
    store_scene s;
    char path[COPY_PATH];
    store_begin(&s, 21, 3);
    store_open(&s);
    (void)store_insert(&s, 200);
    copy_path(path, &s, "copy");
    back_up(&s, path);
    rotor_tree *copy = open_copy(&s, path, ROTOR_OPEN_EXISTING);
    expect(memcmp(copy->store->superblock.tree_id, s.tree->store->superblock.tree_id,
                  sizeof copy->store->superblock.tree_id) != 0,
           "both trees have the same identity");
    close_copy(copy);
    folder_remove(path);
    store_end(&s);
}

static uint64_t links_of(const char *folder, const char *name, uint64_t *inode) {
    char path[COPY_PATH + 80];
    struct stat facts;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    expect(stat(path, &facts) == 0, "%s: %s", path, strerror(errno));
    *inode = facts.st_ino;
    return facts.st_nlink;
}

static void full_shards_are_shared(void **state) {
    (void)state;
    store_scene s;
    char path[COPY_PATH];
    store_begin(&s, 31, 4);
    store_open(&s);
    (void)store_insert(&s, 1000);
    copy_path(path, &s, "copy");
    back_up(&s, path);
    uint64_t nodes = 1000;
    size_t shared = 0;
    for (uint32_t level = 0; nodes > 0; level++, nodes /= 4) {
        for (uint64_t shard = 0; shard * 128 < nodes; shard++) {
            char name[40];
            uint64_t inode;
            uint64_t copied_inode;
            bool full = (shard + 1) * 128 <= nodes;
            rotor_level_file_name(name, level, shard);
            expect(links_of(s.path, name, &inode) == (full ? 2 : 1), "%s in the tree", name);
            expect(links_of(path, name, &copied_inode) == (full ? 2 : 1), "%s in the copy", name);
            expect((inode == copied_inode) == full, "%s", name);
            shared += full;
        }
    }
    expect(shared == 8, "%zu shards are shared", shared);
    folder_remove(path);
    store_end(&s);
}

/* Where no link can lead, the bytes are copied. */
static void to_another_file_system(void **state) {
    (void)state;
    store_scene s;
    char folder[FOLDER_PATH];
    char path[COPY_PATH];
    store_begin(&s, 41, 4);
    store_open(&s);
    (void)store_insert(&s, 1000);
    scratch_make(folder, sizeof folder, "/tmp");
    (void)snprintf(path, sizeof path, "%s/copy", folder);
    back_up(&s, path);
    expect_copy(&s, path, "a copy elsewhere");
    folder_remove(path);
    folder_remove(folder);
    store_end(&s);
}

/* ---------------------------------------------------------------- one of the two is rewritten */

static void rewrite(store_scene *s, uint64_t size, uint64_t count) {
    (void)store_truncate(s, size);
    (void)store_insert(s, count);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
    (void)store_truncate(s, size / 2);
    (void)store_insert(s, count / 3);
    expect_ok(rotor_flush(s->tree), "flush");
    (void)store_insert(s, count);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
    store_expect_whole(s, s->tree, "rewritten");
}

static void the_original_is_rewritten(void **state) {
    (void)state;
    static const uint64_t cuts[] = {0, 1, 127, 128, 300, 512, 999};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        store_scene s;
        char path[COPY_PATH];
        image before;
        image after;
        rotor_hash root;
        store_begin(&s, 51 + i, 4);
        store_open(&s);
        (void)store_insert(&s, 1000);
        copy_path(path, &s, "copy");
        back_up(&s, path);
        expect_ok(rotor_root(s.tree, &root), "root");
        image_read(&before, path);
        rewrite(&s, cuts[i], 1100);
        store_close(&s);
        store_open(&s);
        store_expect_whole(&s, s.tree, "rewritten and opened again");
        image_read(&after, path);
        expect(image_equal(&before, &after, ""), "cut to %" PRIu64 ": the copy has changed", cuts[i]);
        rotor_tree *copy = open_copy(&s, path, ROTOR_OPEN_EXISTING);
        rotor_hash copied;
        expect_ok(rotor_root(copy, &copied), "root");
        expect(rotor_size(copy) == 1000 && test_same_hash(&root, &copied), "cut to %" PRIu64, cuts[i]);
        close_copy(copy);
        image_free(&before);
        image_free(&after);
        folder_remove(path);
        store_end(&s);
    }
}

static void the_copy_is_rewritten(void **state) {
    (void)state;
    static const uint64_t cuts[] = {0, 1, 127, 128, 300, 512, 999};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        store_scene s;
        store_scene other; /* the copy, with a model of its own */
        char path[COPY_PATH];
        image before;
        image after;
        store_begin(&s, 61 + i, 4);
        store_open(&s);
        (void)store_insert(&s, 1000);
        copy_path(path, &s, "copy");
        back_up(&s, path);
        rotor_hash root;
        expect_ok(rotor_root(s.tree, &root), "root");
        image_read(&before, s.path);

        /* While the original is open, and maps what both have. */
        other = s;
        other.tree = open_copy(&s, path, ROTOR_OPEN_EXISTING);
        model_tree_init(&other.model, 4);
        for (uint64_t leaf = 0; leaf < 1000; leaf++) {
            model_tree_append(&other.model, &s.model.leaves[leaf]);
        }
        rewrite(&other, cuts[i], 1100);
        store_close(&other);
        expect_copy(&other, path, "a rewritten copy");
        model_tree_free(&other.model);

        image_read(&after, s.path);
        expect(image_equal(&before, &after, ""), "cut to %" PRIu64 ": the original has changed", cuts[i]);
        rotor_check_report report;
        expect_ok(rotor_check(s.tree, &report, NULL, NULL), "check");
        store_expect_whole(&s, s.tree, "the original");
        store_close(&s);
        store_open(&s);
        store_expect_whole(&s, s.tree, "the original, opened again");
        image_free(&before);
        image_free(&after);
        folder_remove(path);
        store_end(&s);
    }
}

/* ---------------------------------------------------------------- while inserts go on */

typedef struct inserter {
    rotor_tree *tree;
    uint64_t seed;
    uint64_t most;
    _Atomic bool stop;
    rotor_status status;
} inserter;

static void *insert_on(void *argument) {
    inserter *w = argument;
    test_random random = {w->seed};
    rotor_hash batch[400];
    for (uint64_t done = 0; w->status == ROTOR_OK && !atomic_load(&w->stop) && done < w->most;) {
        uint64_t count = 1 + test_below(&random, test_below(&random, 3) == 0 ? 400 : 10);
        for (uint64_t i = 0; i < count; i++) {
            batch[i] = test_random_leaf(w->seed, done + i);
        }
        rotor_hash root;
        bool durable = test_below(&random, 4) == 0;
        w->status = durable ? rotor_insert_durable(w->tree, &root, batch, count)
                            : rotor_insert_many(w->tree, NULL, NULL, batch, count);
        done += count;
    }
    return NULL;
}

static void while_inserts_go_on(void **state) {
    (void)state;
    uint64_t copies = 2 + test_scaled(10);
    store_scene s;
    store_begin(&s, 71, 4);
    s.options.flush_interval_ms = 1;
    s.options.checkpoint_leaves = 700;
    s.setup.segment_bytes = 65536;
    store_open(&s);
    inserter w = {.tree = s.tree, .seed = s.seed, .most = 60000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, insert_on, &w), 0);
    for (uint64_t k = 0; k < copies; k++) {
        char name[32];
        char path[COPY_PATH];
        (void)snprintf(name, sizeof name, "copy-%" PRIu64, k);
        copy_path(path, &s, name);
        uint64_t least = rotor_size(s.tree);
        back_up(&s, path);
        uint64_t most = rotor_size(s.tree);
        rotor_tree *copy = open_copy(&s, path, ROTOR_OPEN_READ_ONLY);
        uint64_t size = rotor_size(copy);
        expect(size >= least && size <= most, "%" PRIu64 " leaves, from %" PRIu64 " to %" PRIu64, size, least, most);
        if (size > 0) {
            rotor_hash *leaves = test_random_leaves(s.seed, size);
            rotor_hash wanted = test_root_of(4, leaves, size, test_portable());
            rotor_hash root;
            expect_ok(rotor_root(copy, &root), "root");
            expect(test_same_hash(&root, &wanted), "another root of %" PRIu64 " leaves", size);
            free(leaves);
        }
        close_copy(copy);
        folder_remove(path);
    }
    atomic_store(&w.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect_ok(w.status, "an insert beside a backup");
    store_end(&s);
}

/* ---------------------------------------------------------------- backups that do not come about */

static void refusals(void **state) {
    (void)state;
    store_scene s;
    char path[COPY_PATH];
    char inside[COPY_PATH + 20];
    rotor_error error = {0};
    store_begin(&s, 81, 4);
    store_open(&s);
    (void)store_insert(&s, 100);
    copy_path(path, &s, "copy");

    expect_status(rotor_backup(NULL, path, NULL, NULL, &error), ROTOR_MISUSE, "no tree");
    expect_status(rotor_backup(s.tree, NULL, NULL, NULL, &error), ROTOR_MISUSE, "no destination");
    rotor_tree *memory = test_create(4, 10);
    expect_status(rotor_backup(memory, path, NULL, NULL, &error), ROTOR_MISUSE, "a tree in memory");
    expect(error.status == ROTOR_MISUSE && strstr(error.message, "memory") != NULL, "\"%s\"", error.message);
    expect_ok(rotor_close(memory, NULL), "close");

    /* What is there is left alone. */
    assert_int_equal(mkdir(path, 0755), 0);
    file_write(path, "precious", "1", 1);
    expect_status(rotor_backup(s.tree, path, NULL, NULL, &error), ROTOR_EXISTS, "a directory");
    expect(error.status == ROTOR_EXISTS && strstr(error.message, path) != NULL, "\"%s\"", error.message);
    expect(file_exists(path, "precious"), "what was there is gone");
    (void)snprintf(inside, sizeof inside, "%s/precious", path);
    expect_status(rotor_backup(s.tree, inside, NULL, NULL, &error), ROTOR_EXISTS, "a file");
    folder_clear(path);
    expect_status(rotor_backup(s.tree, s.path, NULL, NULL, &error), ROTOR_EXISTS, "the tree itself");
    folder_remove(path);

    (void)snprintf(inside, sizeof inside, "%s/no/copy", s.folder);
    expect_status(rotor_backup(s.tree, inside, NULL, NULL, &error), ROTOR_IO, "no parent");
    expect(error.os_errno == ENOENT && strstr(error.message, inside) != NULL, "\"%s\"", error.message);

    expect_ok(rotor_flush(s.tree), "flush");
    rotor_tree *reader = open_copy(&s, s.path, ROTOR_OPEN_READ_ONLY);
    expect_status(rotor_backup(reader, path, NULL, NULL, &error), ROTOR_READ_ONLY, "a reader");
    expect(error.status == ROTOR_READ_ONLY && !is_there(path), "\"%s\"", error.message);
    close_copy(reader);
    expect_ok(rotor_failure(s.tree, &error), "refusals are no failures");
    back_up(&s, path);
    expect_copy(&s, path, "after refusals");
    folder_remove(path);
    store_end(&s);
}

typedef struct watcher {
    uint64_t calls;
    uint64_t end_at; /* 0: never */
    uint64_t last;
    uint64_t total;
    bool wrong;
} watcher;

static int watch(void *context, uint64_t done, uint64_t total) {
    watcher *w = context;
    w->wrong = w->wrong || done < w->last || done > total;
    w->last = done;
    w->total = total;
    return ++w->calls == w->end_at;
}

static void ended_by_progress(void **state) {
    (void)state;
    store_scene s;
    char path[COPY_PATH];
    store_begin(&s, 91, 4);
    store_open(&s);
    (void)store_insert(&s, 1000);
    copy_path(path, &s, "copy");
    rotor_status status = ROTOR_TIMED_OUT;
    uint64_t end_at = 1;
    for (; status != ROTOR_OK; end_at++) {
        watcher w = {.end_at = end_at};
        rotor_error error = {0};
        status = rotor_backup(s.tree, path, watch, &w, &error);
        expect(!w.wrong && w.total == 1000, "%" PRIu64 " of %" PRIu64, w.last, w.total);
        if (status == ROTOR_OK) {
            expect(w.calls == end_at - 1 && w.last == 1000, "%" PRIu64 " of %" PRIu64, w.last, w.total);
        } else {
            expect_status(status, ROTOR_TIMED_OUT, "%s", error.message);
            expect_status(error.status, ROTOR_TIMED_OUT, "%s", error.message);
            expect(w.calls == end_at && !is_there(path), "ended at call %" PRIu64, end_at);
            /* What was linked has one name again. */
            uint64_t inode;
            expect(links_of(s.path, "level-00-00000000", &inode) == 1, "ended at call %" PRIu64, end_at);
        }
    }
    expect(end_at > 10, "%" PRIu64 " reports only", end_at);
    expect_copy(&s, path, "after many that were ended");
    (void)store_insert(&s, 10);
    folder_remove(path);
    store_end(&s);
}

/* An empty directory will do, and is there again when nothing came of it. One that somebody has locked is left alone.
 */
static void into_an_empty_directory(void **state) {
    (void)state;
    store_scene s;
    char path[COPY_PATH];
    rotor_error error = {0};
    store_begin(&s, 86, 4);
    store_open(&s);
    (void)store_insert(&s, 700);
    copy_path(path, &s, "copy");
    assert_int_equal(mkdir(path, 0755), 0);
    watcher w = {.end_at = 2};
    expect_status(rotor_backup(s.tree, path, watch, &w, &error), ROTOR_TIMED_OUT, "%s", error.message);
    expect(is_there(path) && !file_exists(path, "lock") && !file_exists(path, "level-00-00000000"), "what is left");
    file_write(path, "lock", "", 0);
    const rotor_os *os = rotor_os_system();
    int directory = os->open_directory(os->context, path);
    int lock = os->open(os->context, directory, "lock", ROTOR_OS_WRITE, 0);
    expect(directory >= 0 && lock >= 0 && os->lock(os->context, lock) == 0, "lock");
    expect_status(rotor_backup(s.tree, path, NULL, NULL, &error), ROTOR_LOCKED, "%s", error.message);
    expect(file_exists(path, "lock") && !file_exists(path, "level-00-00000000"), "what is another's was touched");
    (void)os->close(os->context, lock);
    (void)os->close(os->context, directory);
    back_up(&s, path);
    expect_copy(&s, path, "in a directory that was there");
    expect_status(rotor_backup(s.tree, path, NULL, NULL, &error), ROTOR_EXISTS, "a second time");
    expect_copy(&s, path, "after a second attempt");
    folder_remove(path);
    store_end(&s);
}

/* The system's file layer, whose Nth call that makes or writes something fails. */
static struct {
    rotor_os os;
    uint64_t fail_at; /* 0: none */
    uint64_t calls;
    bool links; /* whether links are possible at all */
} failing;

static bool fails_now(void) {
    return failing.fail_at != 0 && ++failing.calls == failing.fail_at;
}

static int failing_open(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    return fails_now() ? -EMFILE : rotor_os_system()->open(context, directory, name, flags, mode);
}

static int64_t failing_write(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    return fails_now() ? -ENOSPC : rotor_os_system()->write(context, file, bytes, count, offset);
}

static int64_t failing_read(void *context, int file, void *bytes, size_t count, uint64_t offset) {
    return fails_now() ? -EIO : rotor_os_system()->read(context, file, bytes, count, offset);
}

static int failing_sync(void *context, int file) {
    return fails_now() ? -EIO : rotor_os_system()->sync(context, file);
}

static int failing_sync_directory(void *context, int directory) {
    return fails_now() ? -EIO : rotor_os_system()->sync_directory(context, directory);
}

static int failing_sync_parent(void *context, const char *path) {
    return fails_now() ? -EIO : rotor_os_system()->sync_parent(context, path);
}

static int failing_rename(void *context, int directory, const char *from, const char *to) {
    return fails_now() ? -EIO : rotor_os_system()->rename(context, directory, from, to);
}

static int failing_random(void *context, void *bytes, size_t count) {
    return fails_now() ? -EIO : rotor_os_system()->random(context, bytes, count);
}

static int failing_link(void *context, int from_directory, const char *from, int to_directory, const char *to) {
    return failing.links ? rotor_os_system()->link(context, from_directory, from, to_directory, to) : -EPERM;
}

static void failures_leave_nothing(void **state) {
    (void)state;
    failing.os = *rotor_os_system();
    failing.os.open = failing_open;
    failing.os.write = failing_write;
    failing.os.read = failing_read;
    failing.os.sync = failing_sync;
    failing.os.sync_directory = failing_sync_directory;
    failing.os.sync_parent = failing_sync_parent;
    failing.os.rename = failing_rename;
    failing.os.random = failing_random;
    failing.os.link = failing_link;
    for (unsigned links = 0; links < 2; links++) {
        store_scene s;
        char path[COPY_PATH];
        uint64_t fail_at = 1;
        failing.links = links != 0;
        failing.fail_at = 0;
        store_begin(&s, 101 + links, 4);
        s.setup.os = &failing.os;
        store_open(&s);
        (void)store_insert(&s, 600);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        copy_path(path, &s, "copy");
        rotor_status status = ROTOR_IO;
        for (; status != ROTOR_OK; fail_at++) {
            rotor_error error = {0};
            failing.calls = 0;
            failing.fail_at = fail_at;
            status = rotor_backup(s.tree, path, NULL, NULL, &error);
            failing.fail_at = 0;
            if (status == ROTOR_OK) {
                expect(failing.calls < fail_at, "call %" PRIu64 " failed without a word", fail_at);
                break;
            }
            expect_status(status, ROTOR_IO, "call %" PRIu64 ": %s", fail_at, error.message);
            expect(error.os_errno != 0 && strstr(error.message, s.folder) != NULL, "\"%s\"", error.message);
            expect(!is_there(path), "call %" PRIu64 ": a failed backup is there", fail_at);
            /* The tree itself had nothing to write. */
            expect_ok(rotor_failure(s.tree, &error), "call %" PRIu64 ": %s", fail_at, error.message);
        }
        expect(fail_at > (links != 0 ? 15 : 25), "a backup made %" PRIu64 " calls only", fail_at);
        expect_copy(&s, path, "after many failures");
        (void)store_insert(&s, 30);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        store_expect_root(&s, s.tree, "after many failures");
        folder_remove(path);
        store_end(&s);
    }
}

/* A tree that has failed is not copied: what it holds in memory is not what it has stored. */
static void of_a_failed_tree(void **state) {
    (void)state;
    store_scene s;
    char path[COPY_PATH];
    rotor_error error = {0};
    failing.os = *rotor_os_system();
    failing.os.sync = failing_sync;
    failing.fail_at = 0;
    store_begin(&s, 111, 4);
    s.setup.os = &failing.os;
    store_open(&s);
    rotor_token token = store_insert(&s, 100);
    failing.calls = 0;
    failing.fail_at = 1;
    expect_status(rotor_wait(s.tree, &token, ROTOR_FOREVER), ROTOR_FAILED, "wait");
    failing.fail_at = 0;
    copy_path(path, &s, "copy");
    expect_status(rotor_backup(s.tree, path, NULL, NULL, &error), ROTOR_FAILED, "backup");
    expect(error.os_errno == EIO && strstr(error.message, "fdatasync") != NULL && !is_there(path), "\"%s\"",
           error.message);
    expect_status(rotor_close(s.tree, NULL), ROTOR_FAILED, "close");
    s.tree = NULL;
    store_end(&s);
}

/* A copy that is not finished looks like a damaged tree to those who do not ask for the lock. */
static int open_the_copy(void *context, uint64_t done, uint64_t total) {
    const char *path = context;
    rotor_options options;
    rotor_options_init(&options, 4, 20);
    for (uint32_t mode = ROTOR_OPEN_OR_CREATE; mode <= ROTOR_CREATE_NEW; mode++) {
        rotor_tree *tree = NULL;
        rotor_error error = {0};
        options.mode = mode;
        expect_status(rotor_open(&tree, path, &options, &error), ROTOR_LOCKED,
                      "mode %u at %" PRIu64 " of %" PRIu64 ": %s", mode, done, total, error.message);
    }
    return 0;
}

static void nobody_else_opens_the_copy(void **state) {
    (void)state;
    store_scene s;
    char path[COPY_PATH];
    rotor_error error = {0};
    store_begin(&s, 93, 4);
    store_open(&s);
    (void)store_insert(&s, 1000);
    copy_path(path, &s, "copy");
    expect_status(rotor_backup(s.tree, path, open_the_copy, path, &error), ROTOR_OK, "%s", error.message);
    expect_copy(&s, path, "with somebody at the door");
    folder_remove(path);
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_tree),
        cmocka_unit_test(has_an_identity_of_its_own),
        cmocka_unit_test(full_shards_are_shared),
        cmocka_unit_test(to_another_file_system),
        cmocka_unit_test(the_original_is_rewritten),
        cmocka_unit_test(the_copy_is_rewritten),
        cmocka_unit_test(while_inserts_go_on),
        cmocka_unit_test(refusals),
        cmocka_unit_test(ended_by_progress),
        cmocka_unit_test(failures_leave_nothing),
        cmocka_unit_test(of_a_failed_tree),
        cmocka_unit_test(into_an_empty_directory),
        cmocka_unit_test(nobody_else_opens_the_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
