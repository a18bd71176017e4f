/* Level files: names, places, lengths, what is synced and when, and that nothing is lost whatever call fails. */
#include "level_files_scene.h"

/* ---------------------------------------------------------------- names */

static void names_are_parsed_back(void **state) {
    (void)state;
    static const uint64_t shards[] = {0, 1, 9, 12345678, 99999999, 100000000, 12345678901, (UINT64_C(1) << 51) - 1};
    char name[40];
    uint32_t level;
    uint64_t shard;
    rotor_level_file_name(name, 3, 42);
    assert_string_equal(name, "level-03-00000042");
    rotor_level_file_name(name, 64, 123456789);
    assert_string_equal(name, "level-64-123456789");
    rotor_level_file_name(name, UINT32_MAX, UINT64_MAX);
    assert_string_equal(name, "level-4294967295-18446744073709551615");
    for (uint32_t l = 0; l <= ROTOR_MAX_DEPTH; l++) {
        for (size_t i = 0; i < sizeof shards / sizeof shards[0]; i++) {
            rotor_level_file_name(name, l, shards[i]);
            expect(rotor_level_file_parse(name, &level, &shard), "%s", name);
            expect(level == l && shard == shards[i], "%s is taken for %u, %" PRIu64, name, level, shard);
        }
    }
}

static void other_names_are_not_parsed(void **state) {
    (void)state;
    static const char *const names[] = {
        "",
        "level",
        "level-",
        "level-0",
        "level-00",
        "level-00-",
        "level-00-0",
        "level-00-0000000",
        "level-00-000000000",
        "level-00-0000000000000001",
        "level-00-00000000 ",
        " level-00-00000000",
        "level-00-00000000.new",
        "level-0-00000000",
        "level-000-00000000",
        "level-65-00000000",
        "level-99-00000000",
        "level--1-00000000",
        "level-+1-00000000",
        "level- 1-00000000",
        "level-00--0000001",
        "level-00-+0000001",
        "level-00- 0000001",
        "level-00-0000000a",
        "level-00-0x000001",
        "level-00_00000000",
        "Level-00-00000000",
        "level-00-2251799813685248",
        "level-00-9999999999999999",
        "level-00-10000000000000000",
        "level-00-18446744073709551616",
        "level-00-99999999999999999999999999",
        "log-0000000000000001",
        "superblock",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint32_t level = 77;
        uint64_t shard = 78;
        expect(!rotor_level_file_parse(names[i], &level, &shard), "'%s'", names[i]);
        assert_true(level == 77 && shard == 78);
    }
}

/* ---------------------------------------------------------------- writing and reading */

static void ranges_around_shard_borders(void **state) {
    (void)state;
    static const uint64_t firsts[] = {0, 1, 126, 127, 128, 129, 255, 256, 257, 384, 600};
    static const uint64_t counts[] = {1, 2, 126, 127, 128, 129, 130, 255, 256, 257, 385};
    rotor_hash *nodes = test_random_leaves(11, MOST_NODES);
    unsigned step = test_scaled(100) == 100 ? 1 : 5;
    for (unsigned i = 0; i < 121; i += step) {
        uint64_t first = firsts[i / 11];
        uint64_t end = first + counts[i % 11];
        setup *s = set_up();
        write_nodes(s, 5, first, 0, nodes);
        assert_int_equal(count_files(s), 0);
        write_nodes(s, 5, first, end - first, nodes + first);
        expect_nodes(s, 5, first, end - first, nodes + first);
        assert_int_equal(count_files(s), (end - 1) / SHARD_NODES - first / SHARD_NODES + 1);
        for (uint64_t shard = first / SHARD_NODES; shard <= (end - 1) / SHARD_NODES; shard++) {
            char name[40];
            rotor_level_file_name(name, 5, shard);
            uint64_t wanted = end - shard * SHARD_NODES < SHARD_NODES ? end - shard * SHARD_NODES : SHARD_NODES;
            expect(length_of(s, name) == (int64_t)(32 * wanted), "%s: %" PRIi64 " bytes", name, length_of(s, name));
        }
        /* The rest, then the same nodes again with other contents: neighbours stay. */
        write_nodes(s, 5, 0, first, nodes);
        write_nodes(s, 5, end, MOST_NODES - end, nodes + end);
        expect_nodes(s, 5, 0, MOST_NODES, nodes);
        rotor_hash *other = test_random_leaves(12, MOST_NODES);
        write_nodes(s, 5, first, end - first, other);
        expect_nodes(s, 5, first, end - first, other);
        expect_nodes(s, 5, 0, first, nodes);
        expect_nodes(s, 5, end, MOST_NODES - end, nodes + end);
        free(other);
        tear_down(s);
    }
    free(nodes);
}

static void levels_are_apart(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(13, MOST_NODES);
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level += 16) {
        write_nodes(s, level, 0, 200 + level, nodes + level);
    }
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level += 16) {
        expect_nodes(s, level, 0, 200 + level, nodes + level);
    }
    write_nodes(s, 1, UINT64_C(1) << 57, 1, nodes);
    expect_nodes(s, 1, UINT64_C(1) << 57, 1, nodes);
    assert_int_equal(length_of(s, "level-01-1125899906842624"), 32);
    free(nodes);
    tear_down(s);
}

/* ---------------------------------------------------------------- syncs */

static void what_was_written_is_synced_once(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(14, MOST_NODES);
    expect_ok(rotor_level_files_sync(&s->files, NULL), "nothing");
    expect_syncs(s, 0, 0, "nothing");
    write_nodes(s, 0, 0, 10, nodes);
    write_nodes(s, 1, 0, 10, nodes);
    write_nodes(s, 64, 0, 10, nodes);
    expect_syncs(s, 0, 0, "before the sync");
    expect_ok(rotor_level_files_sync(&s->files, NULL), "three levels");
    expect_syncs(s, 3, 1, "three new files");
    expect_ok(rotor_level_files_sync(&s->files, NULL), "nothing new");
    expect_syncs(s, 0, 0, "nothing new");
    write_nodes(s, 1, 10, 10, nodes);
    expect_ok(rotor_level_files_sync(&s->files, NULL), "more of level 1");
    expect_syncs(s, 1, 0, "more in a file that was there");
    write_nodes(s, 1, 20, 3 * SHARD_NODES, nodes);
    expect_syncs(s, 3, 0, "a shard that is left is synced");
    expect_ok(rotor_level_files_sync(&s->files, NULL), "the last shard");
    expect_syncs(s, 1, 1, "the last shard, and the names");
    /* Another object cannot know whether what it finds is in the directory for good. */
    rotor_level_files_close(&s->files);
    rotor_level_files_init(&s->files, &s->directory, BITS);
    write_nodes(s, 0, 0, 10, nodes);
    expect_ok(rotor_level_files_sync(&s->files, NULL), "a file that was there");
    expect_syncs(s, 1, 1, "a file that somebody else created");
    free(nodes);
    tear_down(s);
}

static void a_range_is_synced_with_the_directory(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(15, MOST_NODES);
    rotor_error error = {0};
    write_nodes(s, 0, 0, 500, nodes);
    forget_counts(s);
    expect_ok(rotor_level_files_sync_range(&s->directory, BITS, 0, 10, 0, &error), "nothing");
    expect_syncs(s, 0, 0, "nothing");
    expect_ok(rotor_level_files_sync_range(&s->directory, BITS, 0, 127, 1, &error), "the end of a shard");
    expect_syncs(s, 1, 1, "the end of a shard");
    expect_ok(rotor_level_files_sync_range(&s->directory, BITS, 0, 127, 2, &error), "over a border");
    expect_syncs(s, 2, 1, "over a border");
    expect_ok(rotor_level_files_sync_range(&s->directory, BITS, 0, 0, 500, &error), "all");
    expect_syncs(s, 4, 1, "all");
    expect_status(rotor_level_files_sync_range(&s->directory, BITS, 0, 400, 101, &error), ROTOR_DAMAGED, "too short");
    expect_message(&error, "level-00-00000003");
    expect_status(rotor_level_files_sync_range(&s->directory, BITS, 1, 0, 1, &error), ROTOR_DAMAGED, "missing");
    expect_message(&error, "level-01-00000000");
    free(nodes);
    tear_down(s);
}

/* ---------------------------------------------------------------- what is missing */

static void every_length_is_judged(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(16, MOST_NODES);
    rotor_hash got[300];
    write_nodes(s, 0, 0, 300, nodes);
    rotor_level_files_close(&s->files);
    int64_t step = test_scaled(100) == 100 ? 1 : 61;
    for (uint64_t shard = 0; shard < 3; shard++) {
        char name[40];
        rotor_level_file_name(name, 0, shard);
        int64_t whole = length_of(s, name);
        for (int64_t length = whole - 1; length >= 0; length -= step) {
            char found[96];
            rotor_error error = {0};
            set_length(s, name, length);
            uint64_t left = shard * SHARD_NODES + (uint64_t)length / 32;
            expect_status(rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, &error), ROTOR_DAMAGED,
                          "%s of %" PRIi64 " bytes", name, length);
            expect_message(&error, name);
            (void)snprintf(found, sizeof found, "found %" PRIi64 " bytes, needed %" PRIi64 " bytes", length, whole);
            expect_message(&error, found);
            expect_ok(rotor_level_files_check_lengths(&s->directory, BITS, 0, left, &error), "%s: %s", name,
                      error.message);
            expect_status(rotor_level_files_check_lengths(&s->directory, BITS, 0, left + 1, NULL), ROTOR_DAMAGED,
                          "%s of %" PRIi64 " bytes", name, length);
            expect_status(rotor_level_files_read(&s->directory, BITS, 0, left, 1, got->bytes, &error), ROTOR_DAMAGED,
                          "%s of %" PRIi64 " bytes", name, length);
            expect_message(&error, name);
            expect_status(rotor_level_files_read(&s->directory, BITS, 0, 0, 300, got->bytes, NULL), ROTOR_DAMAGED,
                          "%s of %" PRIi64 " bytes", name, length);
        }
        set_length(s, name, whole + 1);
        expect_ok(rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, NULL), "%s: longer", name);
    }
    free(nodes);
    tear_down(s);
}

static void a_missing_shard_is_named(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(17, MOST_NODES);
    rotor_hash got[300];
    rotor_error error = {0};
    rotor_file file = ROTOR_FILE_CLOSED;
    write_nodes(s, 0, 0, 300, nodes);
    rotor_level_files_close(&s->files);
    expect_ok(rotor_level_files_open_shard(&file, &s->directory, 0, 1, 128, &error), "%s", error.message);
    rotor_file_close(&file);
    assert_int_equal(remove_name(s, "level-00-00000001"), 0);
    expect_status(rotor_level_files_open_shard(&file, &s->directory, 0, 1, 0, &error), ROTOR_DAMAGED, "it is missing");
    assert_int_equal(file.handle, -1);
    expect_ok(rotor_level_files_check_lengths(&s->directory, BITS, 0, 0, &error), "none");
    expect_ok(rotor_level_files_check_lengths(&s->directory, BITS, 0, 128, &error), "those before");
    expect_ok(rotor_level_files_read(&s->directory, BITS, 0, 256, 44, got->bytes, &error), "those behind");
    assert_memory_equal(got, nodes + 256, 44 * sizeof *got);
    for (unsigned i = 0; i < 3; i++) {
        rotor_status status = i == 0   ? rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, &error)
                              : i == 1 ? rotor_level_files_read(&s->directory, BITS, 0, 0, 300, got->bytes, &error)
                                       : rotor_level_files_sync_range(&s->directory, BITS, 0, 0, 300, &error);
        expect_status(status, ROTOR_DAMAGED, "call %u", i);
        expect_message(&error, "level-00-00000001");
        expect_message(&error, "found no such file, needed 4096 bytes");
        memset(&error, 0, sizeof error);
    }
    char path[128];
    path_of(s, path, "level-00-00000001");
    assert_int_equal(mkdir(path, 0700), 0);
    expect_status(rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, &error), ROTOR_DAMAGED, "a directory");
    expect_message(&error, "level-00-00000001 is a directory where a file belongs");
    expect_status(rotor_level_files_write(&s->files, 0, 128, 1, nodes->bytes, &error), ROTOR_DAMAGED, "a directory");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_status(rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, &error), ROTOR_DAMAGED, "a FIFO");
    expect_message(&error, "level-00-00000001 is a FIFO, a socket or a device where a file belongs");
    expect_status(rotor_level_files_write(&s->files, 0, 128, 1, nodes->bytes, &error), ROTOR_DAMAGED, "a FIFO");
    /* So many shards that only the first missing one can be looked for. */
    expect_status(rotor_level_files_check_lengths(&s->directory, BITS, 9, UINT64_C(1) << 58, &error), ROTOR_DAMAGED,
                  "nothing there");
    free(nodes);
    tear_down(s);
}

static void a_shard_removed_while_open_is_noticed(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_hash *nodes = test_random_leaves(18, 4);
    rotor_error error = {0};
    write_nodes(s, 0, 0, 2, nodes);
    assert_int_equal(remove_name(s, "level-00-00000000"), 0);
    expect_status(rotor_level_files_write(&s->files, 0, 2, 2, nodes->bytes, &error), ROTOR_DAMAGED, "it was removed");
    expect_message(&error, "level-00-00000000");
    free(nodes);
    tear_down(s);
}

/* ---------------------------------------------------------------- every call fails once */

static rotor_status grow(setup *s, const rotor_hash *nodes, rotor_error *error) {
    rotor_status status = rotor_level_files_write(&s->files, 0, 200, 200, nodes[200].bytes, error);
    if (status == ROTOR_OK) {
        status = rotor_level_files_write(&s->files, 1, 50, 50, nodes[50].bytes, error);
    }
    return status == ROTOR_OK ? rotor_level_files_sync(&s->files, error) : status;
}

static void whatever_fails_loses_nothing(void **state) {
    (void)state;
    rotor_hash *nodes = test_random_leaves(25, 400);
    for (unsigned clone = 0; clone < 2; clone++) {
        bool clean = false;
        unsigned failing = 1;
        for (; !clean; failing++) {
            setup *s = set_up();
            s->counted.cannot_clone = clone == 0;
            write_nodes(s, 0, 0, 200, nodes);
            write_nodes(s, 1, 0, 50, nodes);
            expect_ok(rotor_level_files_sync(&s->files, NULL), "the old contents");
            link_to(s, "level-00-00000001", "backup");
            forget_counts(s);
            s->counted.fails = failing;
            rotor_error error = {0};
            rotor_status status = grow(s, nodes, &error);
            clean = s->counted.calls < failing;
            s->counted.fails = 0;
            /* A clone that fails is no failure: the file is copied. */
            bool copied = clone == 1 && status == ROTOR_OK && s->counted.clones == 0;
            expect((status == ROTOR_OK) == (clean || copied), "call %u: %s: %s", failing, rotor_status_name(status),
                   error.message);
            if (status != ROTOR_OK) {
                assert_int_equal(error.status, status);
                expect(status == ROTOR_IO && error.os_errno != 0, "call %u: %s", failing, error.message);
                expect_message(&error, s->path);
            }
            expect_bytes(s, "backup", nodes + 128, 72 * 32);
            expect_nodes(s, 0, 0, 200, nodes);
            expect_nodes(s, 1, 0, 50, nodes);
            /* As after opening the tree anew, but for the remains of a copy, which must not matter. */
            rotor_level_files_close(&s->files);
            rotor_level_files_init(&s->files, &s->directory, BITS);
            expect_ok(grow(s, nodes, &error), "after call %u failed: %s", failing, error.message);
            expect_bytes(s, "backup", nodes + 128, 72 * 32);
            expect_nodes(s, 0, 0, 400, nodes);
            expect_nodes(s, 1, 0, 100, nodes);
            tear_down(s);
        }
        assert_true(failing > 15);
    }
    free(nodes);
}

static void reading_fails_without_damage(void **state) {
    (void)state;
    rotor_hash *nodes = test_random_leaves(26, 300);
    rotor_hash got[300];
    setup *s = set_up();
    write_nodes(s, 0, 0, 300, nodes);
    expect_ok(rotor_level_files_sync(&s->files, NULL), "the contents");
    for (unsigned what = 0; what < 3; what++) {
        for (unsigned failing = 1;; failing++) {
            rotor_error error = {0};
            int open_before = s->counted.open_handles;
            forget_counts(s);
            s->counted.fails = failing;
            rotor_status status = what == 0 ? rotor_level_files_check_lengths(&s->directory, BITS, 0, 300, &error)
                                  : what == 1
                                      ? rotor_level_files_read(&s->directory, BITS, 0, 0, 300, got->bytes, &error)
                                      : rotor_level_files_sync_range(&s->directory, BITS, 0, 0, 300, &error);
            bool clean = s->counted.calls < failing;
            s->counted.fails = 0;
            expect_status(status, clean ? ROTOR_OK : ROTOR_IO, "call %u of %u: %s", failing, what, error.message);
            assert_int_equal(s->counted.open_handles, open_before);
            if (clean) {
                assert_true(failing > 6);
                break;
            }
        }
    }
    assert_memory_equal(got, nodes, sizeof got);
    free(nodes);
    tear_down(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_parsed_back),
        cmocka_unit_test(other_names_are_not_parsed),
        cmocka_unit_test(ranges_around_shard_borders),
        cmocka_unit_test(levels_are_apart),
        cmocka_unit_test(what_was_written_is_synced_once),
        cmocka_unit_test(a_range_is_synced_with_the_directory),
        cmocka_unit_test(every_length_is_judged),
        cmocka_unit_test(a_missing_shard_is_named),
        cmocka_unit_test(a_shard_removed_while_open_is_noticed),
        cmocka_unit_test(whatever_fails_loses_nothing),
        cmocka_unit_test(reading_fails_without_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
