/* Shards that two trees have had in common: whoever opened one by either name may map it for as long as it runs, so it
 * is never written again, also when only one name is left. What the mark does that says so, where it comes from and
 * where it ends. */
#include "store_support.h"

/* Of four pages, so that a truncation within a shard leaves whole pages of it mapped. */
#define SHARD_BITS 9
#define SHARD_NODES 512u
#define SHARD_BYTES (SHARD_NODES * 32u)
/* Nine full shards of leaves, and two of their parents. */
#define SIZE 5000
/* Within the last page of the fourth shard of leaves, and of the first one of their parents. */
#define CUT 2000
/* So few more that the page which was cut does not get full: a checkpoint that has pages to map maps those before them
 * anew, too, and thereby lets go of the file that they were in. */
#define FEW 40

typedef struct shard {
    uint64_t inode;
    uint64_t links;
    uint64_t bytes;
} shard;

static shard shard_of(const store_scene *s, uint32_t level, uint64_t index) {
    char name[40];
    char path[FOLDER_PATH + 120];
    struct stat facts;
    rotor_level_file_name(name, level, index);
    (void)snprintf(path, sizeof path, "%s/%s", s->path, name);
    expect(stat(path, &facts) == 0, "%s: %s", path, strerror(errno));
    return (shard){.inode = facts.st_ino, .links = facts.st_nlink, .bytes = (uint64_t)facts.st_size};
}

static void begin(store_scene *s, uint64_t seed) {
    store_begin(s, seed, 4);
    s->setup.shard_bits = SHARD_BITS;
    store_open(s);
    (void)store_insert(s, SIZE);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
    store_close(s);
    store_open(s); /* which maps what is in full pages */
    expect(store_statistics(s).mapped_bytes > SHARD_BYTES, "nothing is mapped");
}

/* Another tree in the same folder that holds the same, not opened, which will grow by other leaves. */
static void branch(store_scene *copy, const store_scene *s, const char *name) {
    *copy = *s;
    copy->tree = NULL;
    copy->seed = s->seed + 1;
    copy->drawn = 0;
    (void)snprintf(copy->path, sizeof copy->path, "%s/%s", s->folder, name);
    model_tree_init(&copy->model, s->model.arity);
    for (uint64_t i = 0; i < s->model.count; i++) {
        model_tree_append(&copy->model, &s->model.leaves[i]);
    }
}

static void back_up(store_scene *copy, const store_scene *s, const char *name) {
    rotor_error error = {0};
    branch(copy, s, name);
    rotor_status status = rotor_backup(s->tree, copy->path, NULL, NULL, &error);
    expect_ok(status, "backup to %s: %s", copy->path, error.message);
}

static void rewrite(store_scene *s, uint64_t size, uint64_t count) {
    (void)store_truncate(s, size);
    (void)store_insert(s, count);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
}

static void rewrite_from(store_scene *s, uint64_t size) {
    rewrite(s, size, SIZE - size);
}

static void expect_past_roots(const store_scene *s, rotor_tree *tree, const char *what) {
    static const uint64_t sizes[] = {1, 129, 512, 1537, 1999, 2000, 2001, 4097, 5000};
    model_tree *model = (model_tree *)(uintptr_t)&s->model; /* it keeps what it has computed */
    rotor_snapshot snapshot;
    expect_ok(rotor_snapshot_take(tree, &snapshot), "%s", what);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && sizes[i] <= s->model.count; i++) {
        rotor_snapshot past;
        rotor_tree_head wanted = model_tree_head(model, sizes[i]);
        expect_ok(rotor_snapshot_at(&snapshot, &past, sizes[i]), "%s: at %" PRIu64, what, sizes[i]);
        expect(test_same_hash(&past.edge[past.depth], &wanted.root), "%s: another root of %" PRIu64 " leaves", what,
               sizes[i]);
    }
}

/* Every leaf, every node, and what is made of them. */
static void expect_right(const store_scene *s, rotor_tree *tree, const char *what) {
    rotor_check_report report;
    store_expect_root(s, tree, what);
    store_expect_whole(s, tree, what);
    store_expect_proofs(s, tree, 12, what);
    expect_past_roots(s, tree, what);
    rotor_status status = rotor_check(tree, &report, NULL, NULL);
    expect(status == ROTOR_OK && report.bad_nodes == 0, "%s: %s, %" PRIu64 " bad nodes", what,
           rotor_status_name(status), report.bad_nodes);
}

static void reopen_whole(store_scene *s, const char *what) {
    store_close(s);
    s->options.verify_at_open = ROTOR_VERIFY_FULL;
    store_open(s);
    expect_right(s, s->tree, what);
}

/* ---------------------------------------------------------------- who still maps a shard that has one name again */

/* One of the two replaces a shard in the middle of which it was cut, and goes on to map what is before the cut. The
 * other one has the only name then, and writes other leaves under it. */
static void a_shard_of_which_the_other_tree_has_lost_the_name(void **state) {
    (void)state;
    for (int copy_first = 0; copy_first < 2; copy_first++) {
        store_scene s;
        store_scene copy;
        begin(&s, 11);
        back_up(&copy, &s, "copy");
        store_scene *first = copy_first != 0 ? &copy : &s;
        store_scene *second = copy_first != 0 ? &s : &copy;
        if (copy_first != 0) {
            store_close(&s);
            store_open(&copy);
        }
        rewrite(first, CUT, FEW);
        shard kept[] = {shard_of(second, 0, 3), shard_of(second, 1, 0)};
        expect(kept[0].links == 1 && kept[1].links == 1, "the shards that were cut are still shared");
        expect(shard_of(first, 0, 3).inode != kept[0].inode, "the shard was written in place");
        expect_right(first, first->tree, "which replaced shards");

        store_open(second);
        rewrite_from(second, 0);
        expect_right(second, second->tree, "which wrote other leaves");
        expect_right(first, first->tree, "which the other one may not write to");
        expect(shard_of(second, 0, 3).inode != kept[0].inode && shard_of(second, 1, 0).inode != kept[1].inode,
               "a shard with one name was written in place");

        reopen_whole(first, "which replaced shards, opened again");
        reopen_whole(second, "which wrote other leaves, opened again");
        store_end(&copy);
        store_end(&s);
    }
}

/* As docs/durability.md has it for who wants space back: the backup takes the place of the directory. */
static void a_shard_of_a_directory_that_the_backup_replaced(void **state) {
    (void)state;
    static const uint64_t cuts[] = {0, 100, CUT};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        store_scene s;
        store_scene copy;
        rotor_tree *reader = NULL;
        rotor_error error = {0};
        begin(&s, 21);
        rotor_options options = s.options;
        options.mode = ROTOR_OPEN_READ_ONLY;
        rotor_status status = store_open_at(&reader, s.path, &options, &s.setup, &error);
        expect_ok(status, "%s", error.message);
        back_up(&copy, &s, "copy");
        store_close(&s);
        folder_remove(s.path);
        expect(rename(copy.path, s.path) == 0, "rename: %s", strerror(errno));
        (void)snprintf(copy.path, sizeof copy.path, "%s", s.path);

        expect(shard_of(&copy, 0, 0).links == 1, "the shard has another name");
        store_open(&copy);
        rewrite_from(&copy, cuts[i]);
        expect_right(&copy, copy.tree, "which took the place");
        expect_right(&s, reader, "a reader of the directory that is gone");
        expect_ok(rotor_close(reader, NULL), "close");
        reopen_whole(&copy, "which took the place, opened again");
        store_end(&copy);
        store_end(&s);
    }
}

/* ---------------------------------------------------------------- the mark */

/* It ends with the file that has it: what replaced the shard was never shared, and the next checkpoint writes to it. */
static void a_replacement_is_written_in_place(void **state) {
    (void)state;
    store_scene s;
    store_scene copy;
    begin(&s, 31);
    expect(shard_of(&s, 0, 3).bytes == SHARD_BYTES, "marked by nobody");
    shard before = shard_of(&s, 0, 3);
    rewrite_from(&s, CUT);
    expect(shard_of(&s, 0, 3).inode == before.inode, "a copy of what was never shared");

    back_up(&copy, &s, "copy");
    shard shared = shard_of(&copy, 0, 3);
    expect(shared.links == 2 && shared.bytes > SHARD_BYTES, "%" PRIu64 " links, %" PRIu64 " bytes", shared.links,
           shared.bytes);
    rewrite_from(&s, CUT);
    shard replaced = shard_of(&s, 0, 3);
    expect(replaced.inode != shared.inode && replaced.bytes == SHARD_BYTES, "%" PRIu64 " bytes", replaced.bytes);
    rewrite_from(&s, CUT + 1);
    rewrite_from(&s, CUT - 1);
    shard again = shard_of(&s, 0, 3);
    expect(again.inode == replaced.inode && again.bytes == SHARD_BYTES, "a second copy of %" PRIu64 " bytes",
           again.bytes);

    /* What only the copy has keeps its mark, until it is replaced there. */
    shared = shard_of(&copy, 0, 3);
    expect(shared.links == 1 && shared.bytes > SHARD_BYTES, "%" PRIu64 " links, %" PRIu64 " bytes", shared.links,
           shared.bytes);
    store_open(&copy);
    expect_right(&copy, copy.tree, "with marks");
    rewrite_from(&copy, CUT);
    shard own = shard_of(&copy, 0, 3);
    expect(own.inode != shared.inode && own.bytes == SHARD_BYTES, "%" PRIu64 " bytes", own.bytes);
    rewrite_from(&copy, CUT);
    expect(shard_of(&copy, 0, 3).inode == own.inode, "a second copy");

    reopen_whole(&s, "the original");
    reopen_whole(&copy, "the copy");
    store_end(&copy);
    store_end(&s);
}

/* A tree with marks is backed up like any other, by links. */
static void marked_shards_are_shared_again(void **state) {
    (void)state;
    store_scene s;
    store_scene copies[3];
    begin(&s, 41);
    back_up(&copies[0], &s, "first");
    back_up(&copies[1], &s, "second");
    store_open(&copies[1]);
    back_up(&copies[2], &copies[1], "third");
    for (int i = 0; i < 3; i++) {
        shard shared = shard_of(&copies[i], 0, 3);
        expect(shared.inode == shard_of(&s, 0, 3).inode && shared.links == 4 && shared.bytes > SHARD_BYTES,
               "copy %d: %" PRIu64 " links, %" PRIu64 " bytes", i, shared.links, shared.bytes);
        if (copies[i].tree == NULL) {
            store_open(&copies[i]);
        }
    }
    /* Each leaves the others what they have, down to the last one, which has it alone. */
    for (int i = 0; i < 3; i++) {
        rewrite(&copies[i], (uint64_t)i * CUT / 2, i < 2 ? SIZE : FEW); /* the last one maps on what is before */
        expect_right(&s, s.tree, "the original");
        for (int k = 0; k < 3; k++) {
            expect_right(&copies[k], copies[k].tree, "a copy");
        }
    }
    rewrite_from(&s, 100);
    for (int k = 0; k < 3; k++) {
        expect_right(&copies[k], copies[k].tree, "a copy");
        store_end(&copies[k]);
    }
    reopen_whole(&s, "the original");
    store_end(&s);
}

/* A file system on which one of the calls of linking and marking is refused. */
typedef enum refused_call { LINK, OPEN_TO_MARK, MARK, REFUSED_CALLS } refused_call;

static struct {
    rotor_os os;
    refused_call call;
    bool armed;
    uint64_t refusals;
} refusing;

static bool refuses(refused_call call) {
    bool refused = refusing.armed && refusing.call == call;
    refusing.refusals += refused;
    return refused;
}

static int refuse_links(void *context, int from, const char *name, int to, const char *new_name) {
    return refuses(LINK) ? -EXDEV : rotor_os_system()->link(context, from, name, to, new_name);
}

static int refuse_writers(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    bool to_mark = flags == ROTOR_OS_WRITE && strncmp(name, "level-", 6) == 0;
    return to_mark && refuses(OPEN_TO_MARK) ? -EACCES : rotor_os_system()->open(context, directory, name, flags, mode);
}

static int refuse_marks(void *context, int file, uint64_t bytes) {
    return bytes > SHARD_BYTES && refuses(MARK) ? -EPERM : rotor_os_system()->truncate(context, file, bytes);
}

static void begin_refusing(store_scene *s, uint64_t seed, refused_call call) {
    refusing.os = *rotor_os_system();
    refusing.os.link = refuse_links;
    refusing.os.open = refuse_writers;
    refusing.os.truncate = refuse_marks;
    refusing.call = call;
    refusing.armed = false;
    refusing.refusals = 0;
    begin(s, seed);
    store_close(s);
    s->setup.os = &refusing.os;
    store_open(s);
}

/* Two names without a mark would be a promise that nobody keeps; a mark without another name costs a copy for nothing.
 */
static void what_cannot_be_linked_or_marked_is_copied(void **state) {
    (void)state;
    for (int call = LINK; call < REFUSED_CALLS; call++) {
        store_scene s;
        store_scene copy;
        begin_refusing(&s, 51, (refused_call)call);
        refusing.armed = true;
        back_up(&copy, &s, "copy");
        refusing.armed = false;
        uint64_t full = 0;
        uint64_t nodes = SIZE;
        for (uint32_t level = 0; nodes >= SHARD_NODES; level++, nodes /= 4) {
            for (uint64_t index = 0; (index + 1) * SHARD_NODES <= nodes; index++, full++) {
                shard from = shard_of(&s, level, index);
                shard to = shard_of(&copy, level, index);
                expect(from.links == 1 && to.links == 1 && from.inode != to.inode, "call %d: linked", call);
                expect(from.bytes == SHARD_BYTES && to.bytes == SHARD_BYTES, "call %d: marked", call);
            }
        }
        expect(full == 11 && refusing.refusals == full, "call %d: %" PRIu64 " refusals", call, refusing.refusals);
        expect_ok(rotor_failure(s.tree, NULL), "a refusal is no failure");
        rewrite_from(&s, 100);
        store_open(&copy);
        expect_right(&copy, copy.tree, "a copy without links");
        rewrite_from(&copy, CUT);
        reopen_whole(&s, "the original");
        reopen_whole(&copy, "a copy without links, rewritten");
        store_end(&copy);
        store_end(&s);
    }
}

/* To mark a shard must not give it back the length that it has lost. */
static void a_short_shard_is_not_made_longer(void **state) {
    (void)state;
    store_scene s;
    rotor_error error = {0};
    char path[FOLDER_PATH + 120];
    begin(&s, 61);
    (void)snprintf(path, sizeof path, "%s/level-00-00000002", s.path);
    expect(truncate(path, 100) == 0, "%s: %s", path, strerror(errno));
    (void)snprintf(path, sizeof path, "%s/copy", s.folder);
    rotor_status status = rotor_backup(s.tree, path, NULL, NULL, &error);
    expect_status(status, ROTOR_DAMAGED, "%s", error.message);
    expect(strstr(error.message, "level-00-00000002: found 100 bytes, needed 16384") != NULL, "%s", error.message);
    expect(access(path, F_OK) != 0, "a backup that failed is there");
    assert_int_equal(shard_of(&s, 0, 2).bytes, 100);
    store_end(&s);
}

/* Repair gives what is short its length again. The backup, which shares the loss, is not given zeros for it. */
static void a_short_shard_is_repaired_apart(void **state) {
    (void)state;
    store_scene s;
    store_scene copy;
    rotor_check_report report;
    rotor_error error = {0};
    char path[FOLDER_PATH + 120];
    begin(&s, 71);
    back_up(&copy, &s, "copy");
    store_close(&s);
    (void)snprintf(path, sizeof path, "%s/level-01-00000001", s.path);
    expect(truncate(path, 100) == 0, "%s: %s", path, strerror(errno));
    expect_status(store_try_open(&s, &error), ROTOR_DAMAGED, "a short shard");
    expect_ok(rotor_repair(s.path, &report, NULL, NULL, &error), "%s", error.message);
    expect(shard_of(&s, 1, 1).bytes == SHARD_BYTES, "%" PRIu64 " bytes", shard_of(&s, 1, 1).bytes);
    expect(shard_of(&copy, 1, 1).bytes == 100, "%" PRIu64 " bytes", shard_of(&copy, 1, 1).bytes);
    store_open(&s);
    expect_right(&s, s.tree, "repaired");
    expect_status(store_try_open(&copy, &error), ROTOR_DAMAGED, "the backup");
    store_end(&copy);
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shard_of_which_the_other_tree_has_lost_the_name),
        cmocka_unit_test(a_shard_of_a_directory_that_the_backup_replaced),
        cmocka_unit_test(a_replacement_is_written_in_place),
        cmocka_unit_test(marked_shards_are_shared_again),
        cmocka_unit_test(what_cannot_be_linked_or_marked_is_copied),
        cmocka_unit_test(a_short_shard_is_not_made_longer),
        cmocka_unit_test(a_short_shard_is_repaired_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
