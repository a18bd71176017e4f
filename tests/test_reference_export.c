/* Exports as directories of the Rust crate: every file is what the crate's writer makes of the same leaves, and nothing
 * is left of an export that fails. Must not know how damage is told. */
#include "reference_scene.h"

/* Every file of an export is, byte for byte, what the crate's writer makes of the same leaves, and there is no other:
 * the expected bytes come from this file's writer. */
static void exports_of_all_shapes_are_what_the_crate_writes(void **state) {
    (void)state;
    path_text path;
    path_in(path, folder, "all_shapes");
    for (size_t i = 0; i < sizeof tree_shapes / sizeof tree_shapes[0]; i++) {
        const struct shape *shape = &tree_shapes[i];
        if (test_scaled(100) < 100 && shape->size > 5000) {
            continue;
        }
        memory_directory expected = {0};
        memory_directory got = {0};
        rotor_import_report report;
        rotor_hash *leaves = test_random_leaves(61 + i, shape->size);
        rotor_tree *tree = test_create(shape->arity, shape->max_depth);
        test_levels levels;
        test_levels_build(&levels, shape->arity, leaves, shape->size, fastest());
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, shape->size), "insert");
        export_size(tree, shape->size, &got);
        expect_ok(rotor_close(tree, NULL), "close");
        write_checkpoint(&expected, &levels, shape->max_depth, shape->size - 1);
        write_wal_header(&expected, shape->arity, shape->max_depth);
        expect_export_equals(&got, &expected, shape->size, NULL, 0);
        /* And back again. */
        path_text source;
        path_in(source, folder, "exported");
        write_directory(&got, source);
        import_on_disk(source, path, &report);
        expect(report.leaves == shape->size && report.checkpointed == shape->size && report.stale_nodes == 0,
               "arity %u size %" PRIu64, shape->arity, shape->size);
        tree = open_on_disk(path);
        test_expect_tree(tree, &levels, "exported and imported");
        expect_ok(rotor_close(tree, NULL), "close");
        remove_path(source);
        remove_path(path);
        test_levels_free(&levels);
        memory_clear(&expected);
        memory_clear(&got);
        free(leaves);
    }
}

static void empty_trees_go_both_ways(void **state) {
    (void)state;
    memory_directory directory = {0};
    rotor_tree *tree = test_create(7, 9);
    export_size(tree, 0, &directory);
    expect_ok(rotor_close(tree, NULL), "close");
    const memory_file *wal = memory_find(&directory, "wal");
    expect(wal != NULL && wal->count == 24, "the log of an empty tree");
    for (int i = 0; i < MEMORY_FILES; i++) {
        expect(directory.files[i].name[0] == '\0' || &directory.files[i] == wal, "%s", directory.files[i].name);
    }
    outcome got = import_from(&directory, &tree);
    expect_imported(&got, 7, NULL, 0, 0, 0, "an empty tree");
    expect(rotor_arity(tree) == 7 && rotor_max_depth(tree) == 9, "another shape");
    expect_ok(rotor_close(tree, NULL), "close");
    path_text source;
    path_text path;
    rotor_import_report report;
    path_in(source, folder, "empty");
    path_in(path, folder, "from_empty");
    write_directory(&directory, source);
    import_on_disk(source, path, &report);
    tree = open_on_disk(path);
    expect(rotor_size(tree) == 0 && rotor_arity(tree) == 7, "size %" PRIu64, rotor_size(tree));
    expect_ok(rotor_close(tree, NULL), "close");
    remove_path(source);
    remove_path(path);
    memory_clear(&directory);
}

/* While files are written. */
static int stop_near_the_end(void *context, uint64_t done, uint64_t total) {
    uint64_t *calls = context;
    ++*calls;
    return done > total / 2 ? 1 : 0;
}

static void a_failed_export_leaves_nothing(void **state) {
    (void)state;
    path_text path;
    path_text missing;
    rotor_error error;
    rotor_snapshot snapshot;
    uint64_t calls = 0;
    uint64_t last = 0;
    rotor_hash *leaves = test_random_leaves(42, 2000);
    rotor_tree *tree = test_create(4, 10);
    path_in(path, folder, "destination");
    path_in(missing, path, "in_nothing");
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 2000), "insert");
    expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
    expect_status(rotor_export_reference(&snapshot, path, stop_at_half, &calls, &error), ROTOR_TIMED_OUT, "%s",
                  error.message);
    expect(calls > 1 && !path_exists(path), "something was left of it");
    expect_status(rotor_export_reference(&snapshot, missing, NULL, NULL, &error), ROTOR_IO, "%s", error.message);
    expect(error.os_errno == ENOENT, "errno %d", error.os_errno);
    calls = 0;
    expect_status(rotor_export_reference(&snapshot, path, stop_near_the_end, &calls, &error), ROTOR_TIMED_OUT, "%s",
                  error.message);
    expect(calls > 2 && !path_exists(path), "something was left of it");
    /* In a directory that was there, and empty. */
    calls = 0;
    expect(mkdir(path, 0755) == 0, "mkdir");
    expect_status(rotor_export_reference(&snapshot, path, stop_near_the_end, &calls, &error), ROTOR_TIMED_OUT, "%s",
                  error.message);
    expect(path_exists(path) && names_in(path) == 0, "something was left of it");
    expect_ok(rotor_export_reference(&snapshot, path, never_stop, &last, &error), "%s", error.message);
    expect(last == 2000, "%" PRIu64 " leaves were told of", last);
    /* What is there is left alone. */
    memory_directory before = {0};
    memory_directory after = {0};
    read_directory(&before, path);
    expect_status(rotor_export_reference(&snapshot, path, NULL, NULL, &error), ROTOR_EXISTS, "%s", error.message);
    expect(strstr(error.message, path) != NULL, "\"%s\"", error.message);
    read_directory(&after, path);
    expect_export_equals(&after, &before, 2000, NULL, 0);
    memory_clear(&before);
    memory_clear(&after);
    remove_path(path);
    expect_ok(rotor_truncate(tree, NULL, 1999), "truncate");
    expect_status(rotor_export_reference(&snapshot, path, NULL, NULL, &error), ROTOR_STALE, "%s", error.message);
    expect(!path_exists(path), "something was left of it");
    expect_ok(rotor_close(tree, NULL), "close");
    free(leaves);
}

/* ---------------------------------------------------------------- damage */

static void flip_node(const char *tree, uint32_t level, uint64_t index, long byte) {
    path_text path;
    char name[40];
    (void)snprintf(name, sizeof name, "level-%02u-00000000", level);
    path_in(path, tree, name);
    FILE *file = fopen(path, "r+b");
    long at = (long)index * ROTOR_HASH_BYTES + byte;
    expect(file != NULL && fseek(file, at, SEEK_SET) == 0, "%s", path);
    int old = fgetc(file);
    expect(old != EOF && fseek(file, at, SEEK_SET) == 0 && fputc(old ^ 16, file) != EOF && fclose(file) == 0, "%s",
           path);
}

/* Exports a size of the stored tree with one node that is not what was stored. */
static rotor_status export_damaged(const char *tree_path, uint64_t size, uint32_t level, uint64_t index,
                                   rotor_error *error) {
    path_text path;
    rotor_tree *tree = NULL;
    rotor_options options;
    rotor_snapshot snapshot;
    path_in(path, folder, "destination");
    rotor_options_init(&options, 0, 0);
    options.mode = ROTOR_OPEN_READ_ONLY;
    options.verify_at_open = ROTOR_VERIFY_NONE;
    flip_node(tree_path, level, index, (long)(index % ROTOR_HASH_BYTES));
    expect_ok(rotor_open(&tree, tree_path, &options, error), "%s", error->message);
    expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
    expect_ok(rotor_snapshot_at(&snapshot, &snapshot, size), "size %" PRIu64, size);
    rotor_status status = rotor_export_reference(&snapshot, path, NULL, NULL, error);
    expect(path_exists(path) == (status == ROTOR_OK), "%s: what there is", rotor_status_name(status));
    remove_path(path);
    expect_ok(rotor_close(tree, NULL), "close");
    flip_node(tree_path, level, index, (long)(index % ROTOR_HASH_BYTES));
    return status;
}

static void store_tree(const char *path, uint32_t arity, uint64_t size) {
    rotor_tree *tree = NULL;
    rotor_options options;
    rotor_hash *leaves = test_random_leaves(77, size);
    rotor_options_init(&options, arity, 40);
    expect_ok(rotor_open(&tree, path, &options, NULL), "open");
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, size), "insert");
    expect_ok(rotor_close(tree, NULL), "close");
    free(leaves);
}

/* Every node of a tree of which each complete node has complete children, so that none can be bad unseen. */
static void damage_is_not_exported(void **state) {
    (void)state;
    const uint64_t size = 300;
    const uint64_t past = 270;
    path_text path;
    path_in(path, folder, "damaged");
    store_tree(path, 4, size);
    uint64_t width = 1;
    for (uint32_t level = 0; width <= size; level++, width *= 4) {
        for (uint64_t i = 0; i < size / width; i++) {
            rotor_error error = {0};
            expect_status(export_damaged(path, size, level, i, &error), ROTOR_DAMAGED, "node %" PRIu64 " of level %u",
                          i, level);
            /* The leaves below the node, or below the one above it. */
            const char *words = strstr(error.message, "leaves ");
            unsigned long first = words != NULL ? strtoul(words + 7, NULL, 10) : 0;
            const char *to = words != NULL ? strstr(words, " to ") : NULL;
            unsigned long last = to != NULL ? strtoul(to + 4, NULL, 10) : 0;
            expect(error.status == ROTOR_DAMAGED && to != NULL && first <= i * width && last >= i * width,
                   "node %" PRIu64 " of level %u: \"%s\"", i, level, error.message);
            /* Of an earlier size, what it has. */
            if ((i + 1) * width <= past) {
                expect_status(export_damaged(path, past, level, i, &error), ROTOR_DAMAGED,
                              "node %" PRIu64 " of level %u, of an earlier size", i, level);
            }
        }
    }
    expect_ok(export_damaged(path, 0, 0, 0, &(rotor_error){0}), "nothing of it");
    remove_path(path);
}

/* Trees that are recomputed in many blocks and several rounds. */
static void damage_in_large_trees_is_not_exported(void **state) {
    (void)state;
    static const struct {
        uint32_t arity;
        uint64_t size;
    } trees[] = {{2, 70000}, {3, 66666}, {255, 66000}};
    test_random random = {78};
    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
        path_text path;
        rotor_error error = {0};
        path_in(path, folder, "damaged");
        store_tree(path, trees[i].arity, trees[i].size);
        uint64_t nodes = trees[i].size;
        for (uint32_t level = 0; nodes > 0; level++, nodes /= trees[i].arity) {
            /* Leaves without a stored node above them have nothing to disagree with. */
            uint64_t most = level > 0 ? nodes : nodes / trees[i].arity * trees[i].arity;
            for (unsigned k = 0; k < 4; k++) {
                uint64_t index = k == 0 ? 0 : k == 1 ? most - 1 : test_below(&random, most);
                expect_status(export_damaged(path, trees[i].size, level, index, &error), ROTOR_DAMAGED,
                              "arity %u: node %" PRIu64 " of level %u", trees[i].arity, index, level);
            }
        }
        remove_path(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_of_all_shapes_are_what_the_crate_writes),
        cmocka_unit_test(empty_trees_go_both_ways),
        cmocka_unit_test(a_failed_export_leaves_nothing),
        cmocka_unit_test(damage_is_not_exported),
        cmocka_unit_test(damage_in_large_trees_is_not_exported),
    };
    return cmocka_run_group_tests_name("reference export", tests, make_folder, remove_folder);
}
