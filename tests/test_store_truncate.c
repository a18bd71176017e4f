/* Truncation of a tree on disk, below and above what the log and the level files hold, with flushes, checkpoints,
 * growth, ends and crashes in between; snapshots that outlive checkpoints and mappings; and which levels are mapped. */
#include "store_support.h"

#include "tree/tree.h"

#include <pthread.h>

/* ---------------------------------------------------------------- every combination */

#define COMMITTED 300
#define EXTENT_END 340
#define LOGGED 352
#define ACCEPTED 360

static void do_nothing_flush_or_checkpoint(store_scene *s, uint64_t what) {
    if (what == 1) {
        expect_ok(rotor_flush(s->tree), "flush");
    } else if (what == 2) {
        expect_ok(rotor_checkpoint(s->tree), "checkpoint");
    }
}

/* Ends by closing, by closing with a checkpoint, or by a crash: a copy is opened of what the tree had at that moment.
 */
static void end_and_reopen(store_scene *s, uint64_t how, const char *what) {
    char copy[sizeof s->path + 10];
    (void)snprintf(copy, sizeof copy, "%s.copy", s->path);
    if (how == 2) {
        expect_ok(rotor_flush(s->tree), "%s", what);
        folder_copy(copy, s->path);
        store_close(s);
        folder_copy(s->path, copy);
        folder_remove(copy);
    } else {
        if (how == 1) {
            expect_ok(rotor_checkpoint(s->tree), "%s", what);
        }
        store_close(s);
    }
    store_open(s);
    store_expect_whole(s, s->tree, what);
}

static void combine(uint64_t choice) {
    static const uint64_t targets[] = {0,         1,   127,        128, 129,    200, 299,
                                       COMMITTED, 310, EXTENT_END, 345, LOGGED, 356, ACCEPTED};
    static const uint64_t growths[] = {0, 3, 60, 400};
    char what[120];
    uint64_t digits[7];
    const uint64_t bases[7] = {sizeof targets / sizeof targets[0], 3, 4, 3, 3, 3, 3};
    uint64_t rest = choice;
    for (size_t i = 0; i < 7; i++) {
        digits[i] = rest % bases[i];
        rest /= bases[i];
    }
    uint64_t target = targets[digits[0]];
    uint64_t growth = growths[digits[2]];
    (void)snprintf(what, sizeof what,
                   "cut to %" PRIu64 ", then %" PRIu64 ", grown by %" PRIu64 ", then %" PRIu64 ", cut again %" PRIu64
                   ", then %" PRIu64 ", end %" PRIu64,
                   target, digits[1], growth, digits[3], digits[4], digits[5], digits[6]);
    store_scene s;
    store_begin(&s, 1 + choice, 2 + (uint32_t)(choice % 4));
    s.options.verify_at_open = ROTOR_VERIFY_FULL;
    store_open(&s);
    store_insert(&s, COMMITTED);
    expect_ok(rotor_checkpoint(s.tree), "%s", what);
    store_insert(&s, EXTENT_END - COMMITTED);
    expect_ok(rotor_flush(s.tree), "%s", what);
    store_insert(&s, 7);
    expect_ok(rotor_flush(s.tree), "%s", what);
    store_insert(&s, 5);
    expect_ok(rotor_flush(s.tree), "%s", what);
    store_insert(&s, ACCEPTED - LOGGED);
    store_truncate(&s, target);
    do_nothing_flush_or_checkpoint(&s, digits[1]);
    store_insert(&s, growth);
    do_nothing_flush_or_checkpoint(&s, digits[3]);
    uint64_t present = s.model.count;
    if (digits[4] > 0) {
        store_truncate(&s, digits[4] == 1 ? present / 3 : present - present / 50);
        store_insert(&s, 11);
        do_nothing_flush_or_checkpoint(&s, digits[5]);
    }
    store_expect_root(&s, s.tree, what);
    end_and_reopen(&s, digits[6], what);
    store_insert(&s, 50);
    expect_ok(rotor_checkpoint(s.tree), "%s", what);
    store_close(&s);
    store_open(&s);
    store_expect_root(&s, s.tree, what);
    store_end(&s);
}

static void every_combination(void **state) {
    (void)state;
    const uint64_t all = 14 * 3 * 4 * 3 * 3 * 3 * 3;
    uint64_t step = all / (test_scaled(1700) + 1);
    step += 1 - step % 2;
    step += step % 3 == 0 ? 2 : 0;
    step += step % 7 == 0 ? 2 : 0;
    for (uint64_t choice = test_seed(0) % step; choice < all; choice += step) {
        combine(choice);
    }
}

/* Back and forth at random, far beyond what the combinations do. */
static void long_histories(void **state) {
    (void)state;
    uint64_t seed = test_seed(99);
    for (uint64_t history = 0; history < test_scaled(12); history++) {
        store_scene s;
        test_random random = {seed + history};
        store_begin(&s, seed + history, 2 + (uint32_t)(history % 5));
        s.options.verify_at_open = ROTOR_VERIFY_FULL;
        store_open(&s);
        for (int step = 0; step < 120; step++) {
            uint64_t choice = test_below(&random, 10);
            if (choice < 4) {
                store_insert(&s, 1 + test_below(&random, choice == 0 ? 300 : 12));
            } else if (choice < 6) {
                store_truncate(&s, test_below(&random, s.model.count + 1));
            } else if (choice < 9) {
                do_nothing_flush_or_checkpoint(&s, choice < 8 ? 1 : 2);
            } else {
                end_and_reopen(&s, test_below(&random, 3), "history");
            }
        }
        end_and_reopen(&s, 0, "history");
        store_end(&s);
    }
}

/* ---------------------------------------------------------------- snapshots */

static test_levels levels_of(const store_scene *s) {
    test_levels levels;
    test_levels_build(&levels, s->model.arity, s->model.leaves, s->model.count, test_portable());
    return levels;
}

static void snapshots_outlive_checkpoints(void **state) {
    (void)state;
    for (int small_files = 0; small_files < 2; small_files++) {
        store_scene s;
        store_begin(&s, 7, 3);
        if (small_files == 0) {
            s.setup = (rotor_store_setup){0};
        }
        store_open(&s);
        store_insert(&s, 15000);
        rotor_snapshot early;
        rotor_snapshot past;
        expect_ok(rotor_snapshot_take(s.tree, &early), "snapshot");
        expect_ok(rotor_snapshot_at(&early, &past, 9000), "past");
        test_levels of_early = levels_of(&s);
        const uint8_t *address = rotor_level_at(s.tree->levels[0], 5000);
        for (int i = 0; i < 4; i++) {
            expect_ok(rotor_checkpoint(s.tree), "checkpoint");
            expect(store_statistics(&s).mapped_bytes > 0, "nothing is mapped");
            test_expect_snapshot(&early, &of_early, "an early snapshot");
            store_insert(&s, 2000);
        }
        expect(address == rotor_level_at(s.tree->levels[0], 5000), "a node has moved");
        /* Cut into what is mapped: the pages become memory again. */
        uint64_t mapped = store_statistics(&s).mapped_bytes;
        store_truncate(&s, 12000);
        expect(store_statistics(&s).mapped_bytes < mapped, "still mapped");
        expect_status(rotor_snapshot_check(&early), ROTOR_STALE, "a larger snapshot");
        expect_ok(rotor_snapshot_check(&past), "a smaller snapshot");
        model_tree_cut(&s.model, 9000);
        test_levels of_past = levels_of(&s);
        s.model.count = 12000;
        test_expect_snapshot(&past, &of_past, "a smaller snapshot");
        store_insert(&s, 8000);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        expect_status(rotor_snapshot_check(&early), ROTOR_STALE, "grown past it again");
        test_expect_snapshot(&past, &of_past, "a smaller snapshot");
        test_levels of_now = levels_of(&s);
        rotor_snapshot now;
        expect_ok(rotor_snapshot_take(s.tree, &now), "snapshot");
        test_expect_snapshot(&now, &of_now, "the present");
        s.options.verify_at_open = ROTOR_VERIFY_FULL;
        store_close(&s);
        store_open(&s);
        expect_ok(rotor_snapshot_take(s.tree, &now), "snapshot");
        test_expect_snapshot(&now, &of_now, "opened");
        test_levels_free(&of_early);
        test_levels_free(&of_past);
        test_levels_free(&of_now);
        store_end(&s);
    }
}

typedef struct prover {
    const rotor_snapshot *snapshot;
    rotor_tree_head head;
    const rotor_hash *leaves;
    _Atomic bool ends;
    uint64_t wrong;
    uint64_t proofs;
} prover;

static void *prove_until_told(void *argument) {
    prover *me = argument;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    test_random random = {1};
    do {
        uint64_t index = test_below(&random, me->head.size);
        bool right = rotor_inclusion_prove(me->snapshot, &proof, index) == ROTOR_OK &&
                     rotor_inclusion_verify(&proof, &me->head, &me->leaves[index]) == ROTOR_OK;
        me->wrong += !right;
        me->proofs++;
    } while (!atomic_load(&me->ends));
    rotor_inclusion_proof_free(&proof);
    return NULL;
}

/* Pages are exchanged under a reader. */
static void proofs_while_levels_are_mapped(void **state) {
    (void)state;
    store_scene s;
    rotor_snapshot snapshot;
    pthread_t thread;
    store_begin(&s, 8, 4);
    s.setup = (rotor_store_setup){0};
    store_open(&s);
    store_insert(&s, 60000);
    expect_ok(rotor_snapshot_take(s.tree, &snapshot), "snapshot");
    rotor_hash *leaves = test_alloc(60000, sizeof *leaves);
    memcpy(leaves, s.model.leaves, 60000 * sizeof *leaves);
    prover reader = {.snapshot = &snapshot, .leaves = leaves};
    expect_ok(rotor_snapshot_head(&snapshot, &reader.head), "head");
    assert_int_equal(pthread_create(&thread, NULL, prove_until_told, &reader), 0);
    for (uint64_t i = 0; i < test_scaled(20); i++) {
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        store_insert(&s, 3000);
        store_truncate(&s, 60000 + 1000 * i);
        expect_ok(rotor_flush(s.tree), "flush");
    }
    atomic_store(&reader.ends, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect(reader.wrong == 0, "%" PRIu64 " of %" PRIu64 " proofs were wrong", reader.wrong, reader.proofs);
    free(leaves);
    store_end(&s);
}

/* ---------------------------------------------------------------- mapping */

static void levels_below_the_pinned_are_mapped(void **state) {
    (void)state;
    /* Of 100,000 leaves, arity 4: 25,000 and 6,250 nodes above them, then fewer than is worth while. */
    static const uint64_t nodes[] = {100000, 25000, 6250};
    static const uint32_t pins[] = {0, 1, 2, 3, 4, ROTOR_MAX_DEPTH + 1};
    store_scene s;
    store_begin(&s, 9, 4);
    s.setup = (rotor_store_setup){0};
    store_open(&s);
    store_insert(&s, 100000);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    store_close(&s);
    uint64_t before = UINT64_MAX;
    for (size_t i = 0; i < sizeof pins / sizeof pins[0]; i++) {
        for (uint32_t mode = ROTOR_OPEN_EXISTING; mode <= ROTOR_OPEN_READ_ONLY; mode += 2) {
            uint64_t wanted = 0;
            for (uint32_t level = 0; level < pins[i] && level < 3; level++) {
                wanted += nodes[level] * 32 / 4096 * 4096;
            }
            s.options.mode = mode;
            s.options.pin_above_level = pins[i];
            store_open(&s);
            rotor_statistics statistics = store_statistics(&s);
            expect(statistics.mapped_bytes == wanted, "pinned above %u: %" PRIu64 " bytes are mapped, not %" PRIu64,
                   pins[i], statistics.mapped_bytes, wanted);
            expect(statistics.memory_bytes <= before, "memory grows with what is mapped");
            before = statistics.memory_bytes;
            store_expect_root(&s, s.tree, "opened");
            store_close(&s);
        }
    }
    /* While it grows, too. */
    s.options.mode = ROTOR_OPEN_EXISTING;
    for (size_t i = 0; i < sizeof pins / sizeof pins[0]; i += 2) {
        s.options.pin_above_level = pins[i];
        store_open(&s);
        uint64_t mapped = store_statistics(&s).mapped_bytes;
        store_insert(&s, 20000);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        uint64_t more = store_statistics(&s).mapped_bytes - mapped;
        expect(pins[i] == 0 ? more == 0 : more >= 20000 * 32 - 4096, "%" PRIu64 " more bytes are mapped", more);
        store_expect_root(&s, s.tree, "grown");
        store_close(&s);
    }
    store_end(&s);
}

/* ---------------------------------------------------------------- space on disk */

/* A file system that shares blocks, or one that does not. */
static int clone_by_copy(void *context, int to, int from) {
    (void)context;
    struct stat facts;
    bool good = fstat(from, &facts) == 0;
    uint8_t *bytes = good ? test_alloc((size_t)facts.st_size, 1) : NULL;
    good = good && pread(from, bytes, (size_t)facts.st_size, 0) == facts.st_size &&
           pwrite(to, bytes, (size_t)facts.st_size, 0) == facts.st_size;
    free(bytes);
    return good ? 0 : -EIO;
}

static int clone_not(void *context, int to, int from) {
    (void)context;
    (void)to;
    (void)from;
    return -EOPNOTSUPP;
}

static uint64_t level_bytes_of(const char *path) {
    image whole;
    uint64_t bytes = 0;
    image_read(&whole, path);
    for (size_t i = 0; i < whole.count; i++) {
        /* Without the byte that marks a shared shard. */
        bytes += strncmp(whole.files[i].name, "level-", 6) == 0 ? whole.files[i].count / 32 * 32 : 0;
    }
    image_free(&whole);
    return bytes;
}

/* Level files stay as long as they are and are written over as the tree grows again; a backup holds what counts only.
 */
static void level_files_stay_and_a_backup_is_small(void **state) {
    (void)state;
    for (unsigned shares = 0; shares <= 1; shares++) {
        store_scene s;
        char copy[sizeof s.path + 10];
        rotor_error error = {0};
        rotor_os os = *rotor_os_system();
        os.clone = shares ? clone_by_copy : clone_not;
        store_begin(&s, 51, 4);
        (void)snprintf(copy, sizeof copy, "%s.copy", s.path);
        s.setup.os = &os;
        store_open(&s);
        store_insert(&s, 2000);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        uint64_t before = level_bytes_of(s.path);
        store_truncate(&s, 150);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        assert_int_equal(level_bytes_of(s.path), before);
        expect_ok(rotor_backup(s.tree, copy, NULL, NULL, &error), "%s", error.message);
        assert_int_equal(level_bytes_of(copy), 32 * (150 + 37 + 9 + 2));
        store_insert(&s, 1850);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        assert_int_equal(level_bytes_of(s.path), before);
        store_expect_root(&s, s.tree, "grown again");
        store_close(&s);
        folder_remove(copy);
        store_end(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination),
        cmocka_unit_test(long_histories),
        cmocka_unit_test(snapshots_outlive_checkpoints),
        cmocka_unit_test(proofs_while_levels_are_mapped),
        cmocka_unit_test(levels_below_the_pinned_are_mapped),
        cmocka_unit_test(level_files_stay_and_a_backup_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
