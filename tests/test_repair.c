/* Checking and repairing trees on disk: inner nodes that are damaged, missing or cut off come back byte for byte, bad
 * leaves are named and nothing is touched, and what the log holds stays. */
#include "store_support.h"

#include "store/level_files.h"

#define SHARD_NODES 128
#define COMMITTED 2500
#define LOGGED 41

static const uint32_t arities[] = {2, 3, 4, 8, 16};
#define ARITIES (sizeof arities / sizeof arities[0])

/* A closed tree: most of it committed, a little in the log only. */
static void make_tree(store_scene *s, uint32_t arity, uint64_t committed, uint64_t logged) {
    store_begin(s, 3, arity);
    store_open(s);
    store_insert(s, committed);
    expect_ok(rotor_checkpoint(s->tree), "arity %u", arity);
    store_insert(s, logged);
    store_close(s);
}

static void flip_stored(const store_scene *s, const image *whole, uint32_t level, uint64_t index, uint64_t choice) {
    char name[40];
    rotor_level_file_name(name, level, index / SHARD_NODES);
    const image_file *file = image_find((image *)(uintptr_t)whole, name);
    expect(file != NULL, "%s", name);
    size_t offset = (size_t)(index % SHARD_NODES * ROTOR_HASH_BYTES + choice % ROTOR_HASH_BYTES);
    uint8_t byte = (uint8_t)(file->bytes[offset] ^ (1u << (choice / 32 % 8)));
    file_patch(s->path, name, &byte, 1, offset);
}

static void expect_unchanged(const store_scene *s, image *whole, const char *what) {
    image now;
    image_read(&now, s->path);
    expect(image_equal(whole, &now, ""), "%s: files differ", what);
    image_free(&now);
}

/* The tree opens with everything verified and holds what it should. */
static void expect_sound(store_scene *s, const char *what) {
    s->options.verify_at_open = ROTOR_VERIFY_FULL;
    store_open(s);
    store_expect_root(s, s->tree, what);
    rotor_check_report report;
    expect_ok(rotor_check(s->tree, &report, NULL, NULL), "%s", what);
    store_close(s);
}

static rotor_check_report repair(const store_scene *s, const char *what) {
    rotor_check_report report;
    rotor_error error = {0};
    rotor_status status = rotor_repair(s->path, &report, NULL, NULL, &error);
    expect(status == ROTOR_OK, "%s: %s: %s", what, rotor_status_name(status), error.message);
    assert_int_equal(report.size, COMMITTED);
    assert_int_equal(report.checkpointed, COMMITTED);
    assert_int_equal(report.root_matches, 1);
    assert_int_equal(report.bad_leaves, 0);
    assert_int_equal(report.bad_ranges, 0);
    return report;
}

static void a_sound_tree_is_left_alone(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        store_scene s;
        image whole;
        make_tree(&s, arities[a], COMMITTED, LOGGED);
        image_read(&whole, s.path);
        rotor_check_report report = repair(&s, "sound");
        assert_int_equal(report.repaired, 0);
        assert_int_equal(report.bad_nodes, 0);
        expect_unchanged(&s, &whole, "sound");
        expect_sound(&s, "sound");
        image_free(&whole);
        store_end(&s);
    }
    store_scene s;
    store_begin(&s, 1, 4);
    store_open(&s);
    store_close(&s);
    rotor_check_report report;
    expect_ok(rotor_repair(s.path, &report, NULL, NULL, NULL), "empty");
    assert_int_equal(report.size, 0);
    assert_int_equal(report.root_matches, 1);
    assert_int_equal(report.repaired, 0);
    store_end(&s);
}

/* The first, the last and some other node of each shard of each inner level, one at a time. */
static void damage_in_every_shard_is_repaired(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        store_scene s;
        image whole;
        make_tree(&s, arities[a], COMMITTED, LOGGED);
        image_read(&whole, s.path);
        uint64_t nodes = COMMITTED / arities[a];
        for (uint32_t level = 1; nodes > 0; level++, nodes /= arities[a]) {
            for (uint64_t first = 0; first < nodes; first += SHARD_NODES) {
                uint64_t last = nodes - first < SHARD_NODES ? nodes - 1 : first + SHARD_NODES - 1;
                const uint64_t hit[] = {first, last, first + (last - first) / 3};
                for (size_t i = 0; i < 3; i++) {
                    flip_stored(&s, &whole, level, hit[i], hit[i] + i);
                    rotor_check_report report = repair(&s, "one node");
                    assert_int_equal(report.repaired, 1);
                    assert_int_equal(report.bad_nodes, 1);
                    assert_int_equal(report.levels[level].bad, 1);
                    assert_int_equal(report.levels[level].first_bad, hit[i]);
                    expect_unchanged(&s, &whole, "one node");
                }
            }
        }
        expect_sound(&s, "one node at a time");
        image_free(&whole);
        store_end(&s);
    }
}

static bool is_inner(const image_file *file, uint32_t *level, uint64_t *shard) {
    return rotor_level_file_parse(file->name, level, shard) && *level > 0;
}

/* What can happen to a file as a whole. False when it would stay as it is. */
static bool lose(const store_scene *s, const image_file *file, unsigned how) {
    const size_t kept[] = {0, 0, 1, ROTOR_HASH_BYTES, file->count / 2, file->count - 1};
    if (how == 0) {
        file_unlink(s->path, file->name);
    } else if (kept[how] < file->count) {
        file_write(s->path, file->name, file->bytes, kept[how]);
    }
    return kept[how] < file->count;
}

static void lost_files_are_made_anew(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        store_scene s;
        image whole;
        make_tree(&s, arities[a], COMMITTED, LOGGED);
        image_read(&whole, s.path);
        for (size_t f = 0; f <= whole.count; f++) {
            uint32_t level;
            uint64_t shard;
            for (unsigned how = 0; how < 6; how++) {
                bool any = false;
                for (size_t i = 0; i < whole.count; i++) {
                    /* The last round: all of them. */
                    if ((i == f || f == whole.count) && is_inner(&whole.files[i], &level, &shard)) {
                        any = lose(&s, &whole.files[i], how) || any;
                    }
                }
                if (any) {
                    rotor_tree *tree = NULL;
                    expect_status(store_open_at(&tree, s.path, &s.options, NULL, NULL), ROTOR_DAMAGED, "%s lost",
                                  f < whole.count ? whole.files[f].name : "all");
                    rotor_check_report report = repair(&s, "lost");
                    assert_int_equal(report.repaired, 1);
                    assert_true(report.bad_nodes > 0);
                    expect_unchanged(&s, &whole, "lost");
                }
            }
        }
        expect_sound(&s, "lost");
        image_free(&whole);
        store_end(&s);
    }
}

static void much_damage_is_repaired_at_once(void **state) {
    (void)state;
    uint64_t seed = test_seed(41);
    test_random random = {seed};
    for (uint64_t round = 0; round < test_scaled(60); round++) {
        store_scene s;
        image whole;
        make_tree(&s, arities[round % ARITIES], COMMITTED, LOGGED);
        image_read(&whole, s.path);
        uint64_t damaged = 0;
        for (size_t i = 0; i < whole.count; i++) {
            uint32_t level;
            uint64_t shard;
            if (!is_inner(&whole.files[i], &level, &shard) || test_below(&random, 3) == 0) {
                continue;
            }
            uint8_t noise[700];
            size_t count = 1 + (size_t)test_below(&random, sizeof noise);
            count = count < whole.files[i].count ? count : whole.files[i].count;
            for (size_t k = 0; k < count; k++) {
                noise[k] = (uint8_t)test_next(&random);
            }
            size_t offset = (size_t)test_below(&random, whole.files[i].count - count + 1);
            file_patch(s.path, whole.files[i].name, noise, count, offset);
            damaged += memcmp(noise, whole.files[i].bytes + offset, count) != 0;
        }
        rotor_check_report report = repair(&s, "much");
        expect((report.repaired == 1) == (damaged > 0) && report.bad_nodes >= damaged, "seed %" PRIu64, seed);
        expect_unchanged(&s, &whole, "much");
        expect_sound(&s, "much");
        image_free(&whole);
        store_end(&s);
    }
}

static void bad_leaves_are_named_and_nothing_is_touched(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        uint32_t arity = arities[a];
        for (unsigned both = 0; both <= 1; both++) {
            store_scene s;
            image whole;
            image damaged;
            make_tree(&s, arity, COMMITTED / arity * arity, LOGGED);
            image_read(&whole, s.path);
            uint64_t size = COMMITTED / arity * arity;
            for (uint64_t leaf = 5; leaf < size; leaf += 307) {
                uint64_t group = leaf / arity * arity;
                flip_stored(&s, &whole, 0, leaf, leaf);
                if (both) {
                    flip_stored(&s, &whole, 1, (leaf / arity + 9) % (size / arity), leaf);
                    flip_stored(&s, &whole, 2, (leaf / arity / arity + 3) % (size / arity / arity), leaf);
                }
                image_read(&damaged, s.path);
                rotor_check_report report;
                rotor_error error = {0};
                expect_status(rotor_repair(s.path, &report, NULL, NULL, &error), ROTOR_DAMAGED, "leaf %" PRIu64, leaf);
                assert_int_equal(error.status, ROTOR_DAMAGED);
                assert_non_null(strstr(error.message, s.path));
                assert_int_equal(report.root_matches, 0);
                assert_int_equal(report.repaired, 0);
                assert_int_equal(report.checkpointed, size);
                expect(report.bad_ranges == 1 && report.ranges[0].first == group && report.ranges[0].count == arity &&
                           report.bad_leaves == arity,
                       "arity %u leaf %" PRIu64 " both %u: %u ranges, first %" PRIu64 "+%" PRIu64, arity, leaf, both,
                       report.bad_ranges, report.ranges[0].first, report.ranges[0].count);
                expect_unchanged(&s, &damaged, "bad leaf");

                rotor_check_report again;
                rotor_tree *tree = NULL;
                rotor_options options = s.options;
                options.verify_at_open = ROTOR_VERIFY_NONE;
                options.mode = ROTOR_OPEN_READ_ONLY;
                expect_ok(store_open_at(&tree, s.path, &options, NULL, NULL), "to look");
                expect_status(rotor_check(tree, &again, NULL, NULL), ROTOR_DAMAGED, "leaf %" PRIu64, leaf);
                assert_int_equal(again.root_matches, 0);
                assert_int_equal(again.size, size + LOGGED);
                assert_int_equal(again.checkpointed, size);
                assert_int_equal(again.bad_ranges, 1);
                assert_int_equal(again.ranges[0].first, group);
                expect_ok(rotor_close(tree, NULL), "close");
                image_write(&whole, s.path);
                image_free(&damaged);
            }
            expect_sound(&s, "put back");
            image_free(&whole);
            store_end(&s);
        }
    }
}

static int stop_at_once(void *context, uint64_t done, uint64_t total) {
    (void)done;
    (void)total;
    ++*(int *)context;
    return 1;
}

static int count_calls(void *context, uint64_t done, uint64_t total) {
    (void)done;
    (void)total;
    ++*(int *)context;
    return 0;
}

static void repair_can_be_refused_and_stopped(void **state) {
    (void)state;
    store_scene s;
    image whole;
    image damaged;
    rotor_check_report report;
    rotor_error error = {0};
    int calls = 0;
    make_tree(&s, 4, COMMITTED, LOGGED);
    image_read(&whole, s.path);
    flip_stored(&s, &whole, 1, 17, 3);
    image_read(&damaged, s.path);
    expect_status(rotor_repair(NULL, &report, NULL, NULL, &error), ROTOR_MISUSE, "no path");
    expect_status(rotor_repair(s.path, NULL, NULL, NULL, &error), ROTOR_MISUSE, "no report");
    expect_status(rotor_repair("/nowhere/at/all", &report, NULL, NULL, &error), ROTOR_NOT_FOUND, "no directory");
    memset(&report, 0xab, sizeof report);
    expect_status(rotor_repair(s.path, &report, stop_at_once, &calls, &error), ROTOR_TIMED_OUT, "stopped");
    assert_int_equal(calls, 1);
    assert_int_equal(error.status, ROTOR_TIMED_OUT);
    assert_int_equal(report.size, UINT64_C(0xabababababababab));
    expect_unchanged(&s, &damaged, "stopped");

    s.options.verify_at_open = ROTOR_VERIFY_NONE;
    store_open(&s);
    expect_status(rotor_repair(s.path, &report, NULL, NULL, &error), ROTOR_LOCKED, "open elsewhere");
    store_close(&s);
    calls = 0;
    expect_ok(rotor_repair(s.path, &report, count_calls, &calls, &error), "%s", error.message);
    assert_true(calls > 1);
    assert_int_equal(report.repaired, 1);
    expect_sound(&s, "at last");
    image_free(&damaged);
    image_free(&whole);
    store_end(&s);
}

/* The committed root stands for leaves that the tree has no more, or whose places others have taken. */
static void a_cut_tree_is_not_compared_with_an_outdated_root(void **state) {
    (void)state;
    rotor_check_report report;
    store_scene s;
    make_tree(&s, 4, COMMITTED, LOGGED);
    store_open(&s);
    expect_ok(rotor_check(s.tree, &report, NULL, NULL), "whole");
    assert_int_equal(report.size, COMMITTED + LOGGED);
    assert_int_equal(report.checkpointed, COMMITTED);
    for (unsigned flushed = 0; flushed <= 1; flushed++) {
        uint64_t size = COMMITTED - 300 - 200 * (uint64_t)flushed;
        store_truncate(&s, size);
        expect_ok(rotor_check(s.tree, &report, NULL, NULL), "cut");
        assert_int_equal(report.size, size);
        assert_int_equal(report.checkpointed, 0);
        store_insert(&s, 1000);
        if (flushed) {
            expect_ok(rotor_flush(s.tree), "flush");
        }
        expect_ok(rotor_check(s.tree, &report, NULL, NULL), "grown again");
        assert_int_equal(report.size, size + 1000);
        assert_int_equal(report.checkpointed, 0);
        assert_int_equal(report.root_matches, 1);
        store_close(&s);
        s.options.mode = flushed ? ROTOR_OPEN_READ_ONLY : ROTOR_OPEN_EXISTING;
        store_open(&s);
        expect_ok(rotor_check(s.tree, &report, NULL, NULL), "opened again");
        assert_int_equal(report.size, size + 1000);
        assert_int_equal(report.checkpointed, 0);
    }
    store_close(&s);
    s.options.mode = ROTOR_OPEN_EXISTING;
    store_open(&s);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    expect_ok(rotor_check(s.tree, &report, NULL, NULL), "checkpointed");
    assert_int_equal(report.checkpointed, report.size);
    store_expect_root(&s, s.tree, "in the end");
    store_end(&s);
}

/* The log cuts away and replaces some of what is committed: the committed files are repaired as they are. */
static void a_cut_tree_is_repaired(void **state) {
    (void)state;
    store_scene s;
    image whole;
    make_tree(&s, 4, COMMITTED, LOGGED);
    store_open(&s);
    store_truncate(&s, 2000);
    store_insert(&s, 900);
    store_close(&s);
    image_read(&whole, s.path);
    flip_stored(&s, &whole, 1, 17, 3);
    flip_stored(&s, &whole, 1, 600, 3);
    flip_stored(&s, &whole, 2, 100, 3);
    rotor_check_report report = repair(&s, "cut");
    assert_int_equal(report.bad_nodes, 3);
    assert_int_equal(report.repaired, 1);
    expect_unchanged(&s, &whole, "cut");
    expect_sound(&s, "cut");
    image_free(&whole);
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_tree_is_left_alone),
        cmocka_unit_test(damage_in_every_shard_is_repaired),
        cmocka_unit_test(lost_files_are_made_anew),
        cmocka_unit_test(much_damage_is_repaired_at_once),
        cmocka_unit_test(bad_leaves_are_named_and_nothing_is_touched),
        cmocka_unit_test(repair_can_be_refused_and_stopped),
        cmocka_unit_test(a_cut_tree_is_repaired),
        cmocka_unit_test(a_cut_tree_is_not_compared_with_an_outdated_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
