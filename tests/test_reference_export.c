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
    expect(mkdir(path, 0755) == 0, "mkdir");
    expect_status(rotor_export_reference(&snapshot, path, NULL, NULL, &error), ROTOR_EXISTS, "%s", error.message);
    expect(names_in(path) == 0 && rmdir(path) == 0, "something was made");
    expect_ok(rotor_export_reference(&snapshot, path, never_stop, &last, &error), "%s", error.message);
    expect(last == 2000, "%" PRIu64 " leaves were told of", last);
    remove_path(path);
    expect_ok(rotor_truncate(tree, NULL, 1999), "truncate");
    expect_status(rotor_export_reference(&snapshot, path, NULL, NULL, &error), ROTOR_STALE, "%s", error.message);
    expect(!path_exists(path), "something was left of it");
    expect_ok(rotor_close(tree, NULL), "close");
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_of_all_shapes_are_what_the_crate_writes),
        cmocka_unit_test(empty_trees_go_both_ways),
        cmocka_unit_test(a_failed_export_leaves_nothing),
    };
    return cmocka_run_group_tests_name("reference export", tests, make_folder, remove_folder);
}
