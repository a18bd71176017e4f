/* From accepted to checkpointed: tokens and those who wait for them, flushes, the reasons for which checkpoints begin,
 * what the statistics say, and batches of any size. */
#include "store_support.h"

static void expect_token(const store_scene *s, rotor_token token, rotor_status wanted, const char *what) {
    expect_status(rotor_token_status(s->tree, &token), wanted, "%s: token %" PRIu64 "/%" PRIu64, what, token.epoch,
                  token.size);
}

/* ---------------------------------------------------------------- tokens */

static void tokens_of_a_manual_tree(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 1, 3);
    store_open(&s);
    rotor_token nothing = {0, 0};
    expect_token(&s, nothing, ROTOR_OK, "before anything");
    rotor_token first = store_insert(&s, 5);
    rotor_token second = store_insert(&s, 20);
    expect_token(&s, first, ROTOR_PENDING, "accepted");
    expect_token(&s, second, ROTOR_PENDING, "accepted");
    store_expect_durable(&s, 0, "accepted");
    expect_ok(rotor_wait(s.tree, &first, ROTOR_FOREVER), "wait");
    expect_token(&s, first, ROTOR_OK, "waited for");
    expect_token(&s, second, ROTOR_OK, "written with the first");
    store_expect_durable(&s, 25, "waited for");
    rotor_token third = store_insert(&s, 1);
    expect_ok(rotor_wait(s.tree, &third, 0), "nobody else would write");
    store_expect_durable(&s, 26, "waited for");
    rotor_token fourth = store_insert(&s, 1);
    expect_ok(rotor_flush(s.tree), "flush");
    expect_token(&s, fourth, ROTOR_OK, "flushed");
    uint64_t syncs = store_statistics(&s).syncs;
    expect_ok(rotor_flush(s.tree), "nothing to flush");
    expect_ok(rotor_wait(s.tree, &first, ROTOR_FOREVER), "long durable");
    assert_int_equal(store_statistics(&s).syncs, syncs);
    store_end(&s);
}

static void tokens_of_the_future(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 2, 3);
    store_open(&s);
    rotor_token now = store_insert(&s, 5);
    const rotor_token future[] = {{now.epoch, now.size + 1}, {now.epoch + 1, 0}, {UINT64_MAX, UINT64_MAX}};
    for (size_t i = 0; i < 3; i++) {
        expect_status(rotor_wait(s.tree, &future[i], ROTOR_FOREVER), ROTOR_MISUSE, "future %zu", i);
        expect_status(rotor_token_status(s.tree, &future[i]), ROTOR_MISUSE, "future %zu", i);
    }
    expect_status(rotor_wait(NULL, &now, 0), ROTOR_MISUSE, "no tree");
    expect_status(rotor_wait(s.tree, NULL, 0), ROTOR_MISUSE, "no token");
    expect_status(rotor_token_status(NULL, &now), ROTOR_MISUSE, "no tree");
    expect_status(rotor_token_status(s.tree, NULL), ROTOR_MISUSE, "no token");
    store_end(&s);
}

static void tokens_across_truncations(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 3, 3);
    store_open(&s);
    rotor_token logged = store_insert(&s, 50);
    expect_ok(rotor_flush(s.tree), "flush");
    rotor_token lost = store_insert(&s, 30);
    rotor_token cut = store_truncate(&s, 40);
    expect_token(&s, logged, ROTOR_OK, "durable before");
    expect_token(&s, lost, ROTOR_PENDING, "cut before it was durable");
    expect_token(&s, cut, ROTOR_PENDING, "the truncation");
    rotor_token regrown = store_insert(&s, 60);
    expect_token(&s, regrown, ROTOR_PENDING, "regrown");
    store_expect_durable(&s, 50, "nothing was flushed");
    expect_ok(rotor_wait(s.tree, &lost, ROTOR_FOREVER), "its truncation is durable then");
    expect_token(&s, lost, ROTOR_OK, "cut");
    expect_token(&s, cut, ROTOR_OK, "the truncation");
    expect_token(&s, regrown, ROTOR_OK, "regrown");
    store_expect_durable(&s, 100, "regrown");
    /* Leaves that never reached the log need no frame to be cut. */
    (void)store_insert(&s, 10);
    cut = store_truncate(&s, 100);
    expect_token(&s, cut, ROTOR_PENDING, "cut to what is durable");
    expect_ok(rotor_wait(s.tree, &cut, ROTOR_FOREVER), "wait");
    store_expect_durable(&s, 100, "cut to what is durable");
    /* To the present size: nothing happens. */
    rotor_token same = store_truncate(&s, 100);
    expect_token(&s, same, ROTOR_OK, "cut to the present size");
    expect_status(rotor_truncate(s.tree, NULL, 101), ROTOR_OUT_OF_RANGE, "above the size");
    /* Twice in one flush, the second one lower. */
    (void)store_insert(&s, 50);
    expect_ok(rotor_flush(s.tree), "flush");
    (void)store_truncate(&s, 120);
    (void)store_insert(&s, 5);
    cut = store_truncate(&s, 60);
    (void)store_insert(&s, 70);
    (void)store_truncate(&s, 99);
    (void)store_insert(&s, 3);
    expect_ok(rotor_wait(s.tree, &cut, ROTOR_FOREVER), "wait");
    store_expect_durable(&s, 102, "cut twice");
    store_close(&s);
    store_open(&s);
    store_expect_whole(&s, s.tree, "cut twice");
    store_end(&s);
}

static void tokens_of_a_tree_in_memory(void **state) {
    (void)state;
    rotor_tree *tree = test_create(3, 20);
    rotor_hash leaf = test_random_leaf(1, 1);
    rotor_token token = {7, 7};
    rotor_statistics statistics;
    expect_ok(rotor_insert(tree, NULL, &token, &leaf), "insert");
    expect_ok(rotor_token_status(tree, &token), "status");
    expect_ok(rotor_wait(tree, &token, 0), "wait");
    expect_ok(rotor_wait(tree, &token, ROTOR_FOREVER), "wait");
    expect_ok(rotor_insert_durable(tree, NULL, &leaf, 1), "insert_durable");
    expect_ok(rotor_truncate(tree, &token, 1), "truncate");
    expect_ok(rotor_token_status(tree, &token), "status");
    expect_ok(rotor_flush(tree), "flush");
    expect_ok(rotor_checkpoint(tree), "checkpoint");
    expect_ok(rotor_checkpoint_start(tree), "checkpoint_start");
    expect_ok(rotor_checkpoint_wait(tree, 0), "checkpoint_wait");
    expect_ok(rotor_failure(tree, NULL), "failure");
    expect_ok(rotor_stat(tree, &statistics), "stat");
    assert_int_equal(statistics.size, 1);
    assert_int_equal(statistics.durable_size, 0);
    assert_int_equal(statistics.checkpointed_size + statistics.generation + statistics.log_bytes, 0);
    assert_int_equal(statistics.level_bytes + statistics.mapped_bytes + statistics.syncs, 0);
    token.size++;
    expect_status(rotor_wait(tree, &token, 0), ROTOR_MISUSE, "the future");
    expect_ok(rotor_close(tree, NULL), "close");
}

/* With an interval of an hour nothing becomes durable on its own while the test runs; with a millisecond, it does. */
static void waiting_with_an_interval(void **state) {
    (void)state;
    for (int soon = 0; soon < 2; soon++) {
        store_scene s;
        store_begin(&s, 4, 3);
        s.options.flush_interval_ms = soon == 1 ? 1 : 3600 * 1000;
        store_open(&s);
        rotor_token token = store_insert(&s, 10);
        if (soon == 1) {
            while (rotor_token_status(s.tree, &token) == ROTOR_PENDING) {
                (void)usleep(200);
            }
            expect_token(&s, token, ROTOR_OK, "on its own");
            token = store_truncate(&s, 4);
            while (rotor_token_status(s.tree, &token) == ROTOR_PENDING) {
                (void)usleep(200);
            }
            store_expect_durable(&s, 4, "a truncation on its own");
            token = store_insert(&s, 10);
        } else {
            expect_token(&s, token, ROTOR_PENDING, "not within an hour");
        }
        /* Somebody waits: the background thread does not. */
        rotor_status status = rotor_wait(s.tree, &token, 0);
        expect(status == ROTOR_OK || status == ROTOR_TIMED_OUT, "%s", rotor_status_name(status));
        token = store_insert(&s, 1);
        expect_ok(rotor_wait(s.tree, &token, 600 * 1000), "with a limit");
        token = store_insert(&s, 1);
        expect_ok(rotor_wait(s.tree, &token, ROTOR_FOREVER), "without a limit");
        store_expect_durable(&s, s.model.count, "waited for");
        store_insert(&s, 3);
        store_close(&s);
        store_open(&s);
        store_expect_whole(&s, s.tree, "closing flushes");
        store_end(&s);
    }
}

/* The background thread that has gone idle is told of the next leaf, also amid leaves that nobody wants a root of. */
static void single_leaves_become_durable_on_their_own(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 16, 4);
    s.options.flush_interval_ms = 1;
    store_open(&s);
    for (unsigned turn = 0; turn < 40; turn++) {
        (void)store_insert_without_root(&s, "one");
        rotor_token token = store_insert_without_root(&s, "another");
        for (unsigned waits = 0; rotor_token_status(s.tree, &token) == ROTOR_PENDING; waits++) {
            expect(waits < 600 * 1000, "turn %u: nobody was told", turn);
            (void)usleep(200);
        }
        expect_token(&s, token, ROTOR_OK, "on its own");
        (void)usleep(turn * 100); /* to find the thread on its way to sleep, and asleep */
    }
    expect_ok(rotor_close(s.tree, NULL), "close");
    s.tree = NULL;
    store_end(&s);
}

static void inserting_durably(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 6, 5);
    store_open(&s);
    rotor_hash root;
    for (uint64_t count = 1; count <= 60; count++) {
        rotor_hash *leaves = test_random_leaves(count, (size_t)count);
        for (uint64_t i = 0; i < count; i++) {
            model_tree_append(&s.model, &leaves[i]);
        }
        expect_ok(rotor_insert_durable(s.tree, count % 2 == 0 ? &root : NULL, leaves, (size_t)count), "insert");
        rotor_hash wanted = model_tree_root(&s.model, s.model.count);
        expect(count % 2 != 0 || test_same_hash(&root, &wanted), "root after %" PRIu64, s.model.count);
        expect(store_statistics(&s).durable_size == s.model.count, "%" PRIu64 " are durable",
               store_statistics(&s).durable_size);
        if (count % 9 == 0) {
            store_expect_durable(&s, s.model.count, "durable");
        }
        free(leaves);
    }
    expect_status(rotor_insert_durable(s.tree, &root, s.model.leaves, 0), ROTOR_EMPTY_BATCH, "no leaves");
    expect_status(rotor_insert_durable(s.tree, &root, NULL, 1), ROTOR_MISUSE, "no leaves");
    expect_status(rotor_insert_durable(NULL, &root, s.model.leaves, 1), ROTOR_MISUSE, "no tree");
    store_end(&s);
}

/* ---------------------------------------------------------------- checkpoints */

static void expect_checkpointed(store_scene *s, uint64_t size, const char *what) {
    uint64_t found = store_statistics(s).checkpointed_size;
    expect(found == size, "%s: %" PRIu64 " leaves are checkpointed, not %" PRIu64, what, found, size);
}

static void checkpoints_by_hand_and_on_close(void **state) {
    (void)state;
    for (uint32_t on_close = 0; on_close < 2; on_close++) {
        store_scene s;
        store_begin(&s, 7, 3);
        s.options.checkpoint_on_close = on_close;
        store_open(&s);
        store_insert(&s, 1000);
        expect_ok(rotor_flush(s.tree), "flush");
        expect_checkpointed(&s, 0, "nobody asked");
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        expect_checkpointed(&s, 1000, "asked");
        uint64_t generation = store_statistics(&s).generation;
        expect_ok(rotor_checkpoint(s.tree), "nothing new");
        expect(store_statistics(&s).generation == generation, "a commit of nothing");
        store_insert(&s, 77);
        store_close(&s);
        store_open(&s);
        expect_checkpointed(&s, on_close == 1 ? 1077 : 1000, "opened");
        assert_int_equal(store_statistics(&s).recovered_leaves, on_close == 1 ? 0 : 77);
        store_expect_whole(&s, s.tree, "opened");
        store_end(&s);
    }
}

/* A system that takes its time to exchange memory for pages of files. */
typedef struct slow_mapper {
    rotor_os layer;
    rotor_store *_Atomic store; /* once it is open */
    _Atomic uint64_t maps;
    _Atomic uint64_t most_held; /* leaves in memory at the end of such a time */
} slow_mapper;

static int map_slowly(void *context, int file, void *address, size_t bytes, uint64_t offset) {
    slow_mapper *mapper = context;
    rotor_store *store = atomic_load(&mapper->store);
    if (store != NULL) {
        (void)usleep(2000);
        uint64_t held = atomic_load(&store->tree->accepted) - atomic_load(&store->released);
        if (held > atomic_load(&mapper->most_held)) {
            atomic_store(&mapper->most_held, held);
        }
        atomic_fetch_add(&mapper->maps, 1);
    }
    const rotor_os *below = rotor_os_system();
    return below->map(below->context, file, address, bytes, offset);
}

/* Inserts wait for the memory that a checkpoint is about to release as for that which it has yet to write. */
static void inserts_wait_for_memory(void **state) {
    (void)state;
    enum { BATCH = 100, CHECKPOINT_BYTES = 64 << 10 };
    store_scene s;
    slow_mapper mapper = {.layer = *rotor_os_system()};
    mapper.layer.context = &mapper;
    mapper.layer.map = map_slowly;
    atomic_store(&mapper.store, NULL);
    store_begin(&s, 21, 4);
    s.setup.os = &mapper.layer;
    s.options.checkpoint_bytes = CHECKPOINT_BYTES;
    store_open(&s);
    atomic_store(&mapper.store, s.tree->store);
    uint64_t most = s.tree->store->most_leaves;
    for (unsigned i = 0; i < 250; i++) {
        rotor_hash *leaves = test_random_leaves(i, BATCH);
        expect_ok(rotor_insert_many(s.tree, NULL, NULL, leaves, BATCH), "batch %u", i);
        free(leaves);
    }
    expect_ok(rotor_close(s.tree, NULL), "close");
    s.tree = NULL;
    expect(atomic_load(&mapper.maps) > 0, "nothing was mapped");
    expect(atomic_load(&mapper.most_held) < most + BATCH,
           "%" PRIu64 " leaves in memory, where inserts wait at %" PRIu64, atomic_load(&mapper.most_held), most);
    s.setup.os = NULL;
    store_end(&s);
}

static void checkpoints_in_the_background(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 8, 3);
    store_open(&s);
    expect_ok(rotor_checkpoint_wait(s.tree, 0), "none was asked for");
    for (uint64_t i = 1; i <= 20; i++) {
        store_insert(&s, 31 * i);
        expect_ok(rotor_checkpoint_start(s.tree), "start");
        uint64_t present = s.model.count;
        store_insert(&s, 3);
        rotor_status status = rotor_checkpoint_wait(s.tree, i % 2 == 0 ? 0 : 600 * 1000);
        expect(status == ROTOR_OK || (status == ROTOR_TIMED_OUT && i % 2 == 0), "%s", rotor_status_name(status));
        expect_ok(rotor_checkpoint_wait(s.tree, ROTOR_FOREVER), "wait");
        expect(store_statistics(&s).checkpointed_size >= present, "not checkpointed");
    }
    store_expect_whole(&s, s.tree, "checkpointed");
    expect_status(rotor_checkpoint_start(NULL), ROTOR_MISUSE, "no tree");
    expect_status(rotor_checkpoint_wait(NULL, 0), ROTOR_MISUSE, "no tree");
    expect_status(rotor_checkpoint(NULL), ROTOR_MISUSE, "no tree");
    store_end(&s);
}

static void checkpoints_when_they_are_due(void **state) {
    (void)state;
    for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
        store_scene s;
        store_begin(&s, 9, 4);
        /* 300 leaves of arity 4 have about 100 nodes above them. */
        s.options.checkpoint_leaves = by_bytes == 1 ? 0 : 300;
        s.options.checkpoint_bytes = by_bytes == 1 ? 400 * 32 : 0;
        store_open(&s);
        store_insert(&s, 290);
        expect_ok(rotor_flush(s.tree), "flush");
        expect_checkpointed(&s, 0, "not due");
        store_insert(&s, 20);
        while (store_statistics(&s).checkpointed_size == 0) {
            (void)usleep(200);
        }
        expect_checkpointed(&s, 310, "due");
        for (int i = 0; i < 100; i++) {
            store_insert(&s, 50);
            uint64_t behind = s.model.count - store_statistics(&s).checkpointed_size;
            expect(by_bytes == 0 || behind <= 4 * 302 + 50, "%" PRIu64 " leaves are not checkpointed", behind);
        }
        while (s.model.count - store_statistics(&s).checkpointed_size > 302) {
            (void)usleep(200);
        }
        store_expect_whole(&s, s.tree, "checkpointed");
        store_close(&s);
        store_open(&s);
        store_expect_whole(&s, s.tree, "opened");
        store_end(&s);
    }
}

/* ---------------------------------------------------------------- statistics */

static void what_the_statistics_say(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 10, 4);
    store_open(&s);
    rotor_statistics now = store_statistics(&s);
    assert_int_equal(now.size + now.durable_size + now.checkpointed_size + now.level_bytes, 0);
    assert_int_equal(now.damaged_slots, 0);
    uint64_t generation = now.generation;
    expect(generation > 0, "a new tree has been committed");
    store_insert(&s, 100);
    now = store_statistics(&s);
    assert_int_equal(now.size, 100);
    assert_int_equal(now.depth, 4);
    assert_int_equal(now.durable_size, 0);
    assert_int_equal(now.log_bytes, 64);
    assert_int_equal(now.memory_bytes, rotor_memory_bytes(s.tree));
    uint64_t syncs = now.syncs;
    uint64_t written = now.written_bytes;
    expect_ok(rotor_flush(s.tree), "flush");
    now = store_statistics(&s);
    assert_int_equal(now.durable_size, 100);
    expect(now.log_bytes > 64, "the log holds a frame");
    expect(now.syncs > syncs && now.written_bytes >= written + 3200, "a flush writes and syncs");
    store_insert(&s, 5);
    expect_ok(rotor_flush(s.tree), "flush");
    expect(store_statistics(&s).log_bytes == now.log_bytes + 64 + 5 * 32, "a frame of five");
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    now = store_statistics(&s);
    assert_int_equal(now.checkpointed_size, 105);
    assert_int_equal(now.level_bytes, 32 * (105 + 26 + 6 + 1));
    assert_int_equal(now.log_bytes, 64);
    expect(now.generation > generation, "a commit counts");
    store_insert(&s, 7);
    store_close(&s);

    store_open(&s);
    now = store_statistics(&s);
    assert_int_equal(now.recovered_leaves, 7);
    assert_int_equal(now.torn_bytes, 0);
    assert_int_equal(now.durable_size, 112);
    assert_int_equal(now.log_bytes, 64 + 64 + 7 * 32);
    assert_int_equal(now.level_bytes, 32 * (105 + 26 + 6 + 1));
    image whole;
    image_read(&whole, s.path);
    store_close(&s);

    /* One slot of the superblock, and the remains of an unfinished write. */
    const uint8_t junk[] = {1, 2, 3};
    image_write(&whole, s.path);
    file_patch(s.path, "superblock", junk, 3, 4096);
    file_patch(s.path, "log-0000000000000002", junk, 3, (size_t)now.log_bytes);
    store_open(&s);
    now = store_statistics(&s);
    assert_int_equal(now.damaged_slots, 1);
    assert_int_equal(now.torn_bytes, 3);
    store_expect_whole(&s, s.tree, "torn");
    expect_status(rotor_stat(NULL, &now), ROTOR_MISUSE, "no tree");
    expect_status(rotor_stat(s.tree, NULL), ROTOR_MISUSE, "no statistics");
    image_free(&whole);
    store_end(&s);
}

/* ---------------------------------------------------------------- batches */

/* One call with more leaves than fit in 2^22 of anything, twice: into level files, and, behind a truncation that makes
 * the level files wait, into the log. */
static void batches_of_any_size(void **state) {
    (void)state;
    uint64_t count = test_scaled(4194304 + 10);
    store_scene s;
    store_begin(&s, 11, 8);
    s.setup = (rotor_store_setup){0};
    store_open(&s);
    rotor_hash *leaves = test_random_leaves(3, (size_t)(count + 1));
    rotor_hash wanted = test_root_of(8, leaves, count, test_portable());
    rotor_hash with_one = test_root_of(8, leaves, count + 1, test_portable());
    rotor_hash root;
    for (int behind_cut = 0; behind_cut < 2; behind_cut++) {
        expect_ok(rotor_insert_durable(s.tree, &root, leaves, (size_t)count), "%" PRIu64 " leaves", count);
        expect(test_same_hash(&root, &wanted), "another root");
        expect_ok(rotor_insert_durable(s.tree, &root, leaves + count, 1), "one more");
        expect(test_same_hash(&root, &with_one), "another root");
        uint64_t log_bytes = store_statistics(&s).log_bytes;
        expect((log_bytes > count * 32) == (behind_cut == 1) || count < 4096 * 33, "%" PRIu64 " bytes of log",
               log_bytes);
        store_close(&s);
        store_open(&s);
        assert_int_equal(rotor_size(s.tree), count + 1);
        expect_ok(rotor_root(s.tree, &root), "root");
        expect(test_same_hash(&root, &with_one), "another root when opened");
        expect_ok(rotor_truncate(s.tree, NULL, 0), "truncate");
    }
    free(leaves);
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_of_a_manual_tree),
        cmocka_unit_test(tokens_of_the_future),
        cmocka_unit_test(tokens_across_truncations),
        cmocka_unit_test(tokens_of_a_tree_in_memory),
        cmocka_unit_test(waiting_with_an_interval),
        cmocka_unit_test(single_leaves_become_durable_on_their_own),
        cmocka_unit_test(inserting_durably),
        cmocka_unit_test(checkpoints_by_hand_and_on_close),
        cmocka_unit_test(inserts_wait_for_memory),
        cmocka_unit_test(checkpoints_in_the_background),
        cmocka_unit_test(checkpoints_when_they_are_due),
        cmocka_unit_test(what_the_statistics_say),
        cmocka_unit_test(batches_of_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
