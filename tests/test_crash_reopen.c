/* Crashes that come in pairs: what one process left in the system's memory, because it was killed or a sync failed, is
 * relied upon by the next, which then loses power. And crashes inside of one flush of several frames, which may leave
 * any of them. */
#include "sim_files.h"
#include "store_support.h"

#include "store/log.h"

#define HERE "/tree"
#define MOST_LEAVES 256
#define MOST_CALLS 100 /* more than any single operation here makes */

/* ---------------------------------------------------------------- lives of a tree on a simulated disk */

typedef struct life {
    sim *s;
    rotor_tree *tree;
    rotor_options options;
    rotor_store_setup setup;
    rotor_hash leaves[MOST_LEAVES]; /* as the last call left them, whether it succeeded or not */
    uint64_t count;
    uint64_t acknowledged; /* the first so many of them */
    uint64_t drawn;        /* no leaf comes twice */
    char what[160];        /* is being tried */
} life;

static rotor_status life_open(life *l, rotor_error *error) {
    l->tree = NULL;
    return store_open_at(&l->tree, HERE, &l->options, &l->setup, error);
}

static void life_insert(life *l, uint64_t count) {
    rotor_hash *fresh = l->leaves + l->count;
    expect(l->count + count <= MOST_LEAVES, "too many leaves for the test");
    for (uint64_t i = 0; i < count; i++) {
        fresh[i] = test_random_leaf(21, l->drawn++);
    }
    l->count += count;
    expect_ok(rotor_insert_many(l->tree, NULL, NULL, fresh, (size_t)count), "%s: insert", l->what);
}

static void life_insert_durably(life *l, uint64_t count) {
    life_insert(l, count);
    expect_ok(rotor_flush(l->tree), "%s: flush", l->what);
    l->acknowledged = l->count;
}

/* Without another call to the disk. */
static void life_end_process(life *l) {
    l->s->dead = true;
    if (l->tree != NULL) {
        (void)rotor_close(l->tree, NULL);
        l->tree = NULL;
    }
}

static void life_kill(life *l) {
    life_end_process(l);
    sim_kill(l->s);
}

static void life_lose_power(life *l, uint64_t seed) {
    life_end_process(l);
    sim_lose_power(l->s, seed % 4 == 0 ? SIM_ALL_DROPPED : SIM_BY_SEED, seed);
}

/* The tree opens and holds what was acknowledged, and of what was not only what was appended. From here on that is what
 * counts: an open makes durable what it shows. */
static void life_expect(life *l) {
    uint64_t size = rotor_size(l->tree);
    expect(size >= l->acknowledged, "%s: %" PRIu64 " leaves of %" PRIu64 " acknowledged", l->what, size,
           l->acknowledged);
    expect(size <= l->count, "%s: %" PRIu64 " leaves of %" PRIu64, l->what, size, l->count);
    test_expect_leaves(l->tree, l->leaves, size, l->what);
    l->count = size;
    l->acknowledged = size;
}

static void life_must_open(life *l) {
    rotor_error error = {0};
    expect_ok(life_open(l, &error), "%s: %s", l->what, error.message);
}

static void life_recover(life *l) {
    life_must_open(l);
    life_expect(l);
}

/* Ten committed leaves and ten in the log. */
static void life_begin(life *l, uint64_t extent_leaves) {
    memset(l, 0, sizeof *l);
    l->s = sim_create(1);
    rotor_options_init(&l->options, 2, 40);
    l->options.flush_interval_ms = ROTOR_MANUAL;
    l->options.checkpoint_bytes = 0;
    l->options.checkpoint_on_close = 0;
    l->options.verify_at_open = ROTOR_VERIFY_FULL;
    l->setup = (rotor_store_setup){.os = &l->s->os, .shard_bits = 7, .extent_leaves = extent_leaves};
    life_must_open(l);
    life_insert_durably(l, 10);
    expect_ok(rotor_checkpoint(l->tree), "checkpoint");
    life_insert_durably(l, 10);
}

static void life_end(life *l) {
    life_end_process(l);
    sim_destroy(l->s);
}

/* The runs of a test: the numbers of two calls and a seed, of which one in `every` is made, fewer where every
 * instruction is slow. An operation that has ended before its call ends the numbers of that call. */
typedef struct pairs {
    uint64_t first;
    uint64_t second;
    uint64_t seed;
    uint64_t seeds;
    uint64_t every;
    uint64_t numbered;
    uint64_t made;
    bool first_passed;
    bool second_passed;
} pairs;

static pairs pairs_of(uint64_t every, uint64_t seeds) {
    every *= test_scaled(100) < 100 ? 11 : 1;
    return (pairs){.first = 1, .second = 1, .seeds = seeds, .every = every};
}

static bool pairs_next(pairs *p) {
    do {
        if (p->numbered > 0 && ++p->seed == p->seeds) {
            p->seed = 0;
            p->second++;
        }
        if (p->second_passed || p->second == MOST_CALLS) {
            p->second_passed = false;
            p->seed = 0;
            p->second = 1;
            p->first++;
        }
    } while (p->numbered++ % p->every != 0);
    p->made++;
    return p->first < MOST_CALLS && !p->first_passed;
}

static void life_try(life *l, const pairs *p, uint64_t extent_leaves, const char *what) {
    life_begin(l, extent_leaves);
    (void)snprintf(l->what, sizeof l->what, "%s: calls %" PRIu64 " and %" PRIu64 ", seed %" PRIu64, what, p->first,
                   p->second, p->seed);
}

/* Whether it ended before it came to that call from here, at which it dies. */
static bool life_checkpoint_dying(life *l, uint64_t call) {
    l->s->crash_at = l->s->calls + call;
    return rotor_checkpoint(l->tree) == ROTOR_OK;
}

/* The last crash of a run, and that the tree can be lived on in. */
static void life_judge(life *l, const pairs *p) {
    life_lose_power(l, p->seed * 77 + p->first * 1000 + p->second);
    life_recover(l);
    life_insert_durably(l, 3);
    expect_ok(rotor_checkpoint(l->tree), "%s: checkpoint", l->what);
    life_kill(l);
    life_recover(l);
    life_end(l);
}

/* ---------------------------------------------------------------- pairs of crashes */

/* What the killed process had not synced is shown by the system, and the sync by which the open would make it durable
 * fails: the next open must not take it for durable. */
static void killed_in_a_flush_and_a_sync_fails_while_opening(void **state) {
    (void)state;
    for (uint64_t extents = 0; extents < 2; extents++) {
        uint64_t failed = 0;
        for (pairs p = pairs_of(1, 8); pairs_next(&p);) {
            life l;
            rotor_error error = {0};
            life_try(&l, &p, extents == 1 ? 4 : 0, extents == 1 ? "with extents" : "without extents");
            l.s->crash_at = l.s->calls + p.first;
            life_insert(&l, 5);
            p.first_passed = rotor_flush(l.tree) == ROTOR_OK;
            life_kill(&l);
            l.s->fail_sync = p.second;
            l.s->random = p.seed;
            rotor_status status = life_open(&l, &error);
            p.second_passed = l.s->calls < p.second;
            l.s->fail_sync = 0;
            if (status == ROTOR_OK) {
                life_end(&l); /* no sync has that number */
                continue;
            }
            expect_status(status, ROTOR_IO, "%s: %s", l.what, error.message);
            failed++;
            life_recover(&l);
            life_insert_durably(&l, 5);
            if (p.seed % 3 != 0) {
                expect(!life_checkpoint_dying(&l, 1 + p.seed), "%s: a checkpoint of few calls", l.what);
            }
            life_judge(&l, &p);
        }
        expect(failed > 0, "no sync failed");
    }
}

/* Closing says in the superblock where the log ends; when that fails, both slots may be in the system's memory only. */
static void a_sync_fails_while_closing_and_power_is_lost_while_opening(void **state) {
    (void)state;
    uint64_t failed = 0;
    for (pairs p = pairs_of(1, 16); pairs_next(&p);) {
        life l;
        rotor_error error = {0};
        life_try(&l, &p, 0, "closing and opening");
        uint64_t sync = l.s->calls + p.first;
        l.s->fail_sync = sync;
        l.s->random = p.seed;
        rotor_status status = rotor_close(l.tree, &error);
        l.tree = NULL;
        p.first_passed = l.s->calls < sync;
        l.s->fail_sync = 0;
        if (status == ROTOR_OK) {
            p.second_passed = true; /* no sync has that number */
            life_end(&l);
            continue;
        }
        failed++;
        l.s->crash_at = l.s->calls + p.second;
        p.second_passed = life_open(&l, &error) == ROTOR_OK;
        life_judge(&l, &p);
    }
    expect(failed > 0, "no sync failed");
}

/* The commit that the killed process did not finish and the next commit must never be in flight together. */
static void killed_in_a_checkpoint_and_power_is_lost_in_the_next(void **state) {
    (void)state;
    pairs p = pairs_of(7, 6);
    while (pairs_next(&p)) {
        life l;
        life_try(&l, &p, p.seed % 2 == 0 ? 0 : 4, "two checkpoints");
        p.first_passed = life_checkpoint_dying(&l, p.first);
        life_kill(&l);
        life_recover(&l);
        life_insert_durably(&l, 5);
        p.second_passed = life_checkpoint_dying(&l, p.second);
        life_judge(&l, &p);
    }
    expect(p.made > 10, "%" PRIu64 " runs", p.made);
}

/* Opens that distrust what they see die one after another, before one of them has committed it: each must know what the
 * one before had not proven. */
static void doubting_opens_die_in_a_row(void **state) {
    (void)state;
    uint64_t failed = 0;
    for (pairs p = pairs_of(1, 12); pairs_next(&p);) {
        life l;
        rotor_error error = {0};
        life_try(&l, &p, 4, "three opens");
        life_insert(&l, 5);
        l.s->fail_sync = l.s->calls + 1 + p.seed % 4;
        l.s->random = p.seed;
        bool fails = rotor_flush(l.tree) == ROTOR_FAILED;
        life_end_process(&l);
        sim_revive(l.s);
        if (!fails) {
            life_end(&l);
            continue;
        }
        failed++;
        l.s->crash_at = p.first;
        p.first_passed = life_open(&l, &error) == ROTOR_OK;
        life_kill(&l);
        l.s->crash_at = p.second;
        p.second_passed = life_open(&l, &error) == ROTOR_OK;
        life_judge(&l, &p);
    }
    expect(failed > 0, "no sync failed");
}

/* A process that was killed has given the superblock its name, as an import does at its end, and has not synced the
 * directory. The next one writes nothing there for as long as it only appends. */
static void a_name_that_was_not_synced_is_relied_upon(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 16; seed++) {
        life l;
        (void)snprintf(l.what, sizeof l.what, "a name");
        life_begin(&l, 0);
        for (int i = 0; i < 3; i++) {
            life_insert_durably(&l, 1);
            expect_ok(rotor_checkpoint(l.tree), "checkpoint");
        }
        expect_ok(rotor_close(l.tree, NULL), "close");
        l.tree = NULL;
        const rotor_os *os = &l.s->os;
        int directory = os->open_directory(os->context, HERE);
        assert_int_equal(os->rename(os->context, directory, "superblock", "superblock.unfinished"), 0);
        assert_int_equal(os->sync_directory(os->context, directory), 0);
        assert_int_equal(os->rename(os->context, directory, "superblock.unfinished", "superblock"), 0);
        os->close(os->context, directory);
        life_kill(&l);
        life_recover(&l);
        life_insert_durably(&l, 5);
        life_lose_power(&l, seed);
        life_recover(&l);
        life_end(&l);
    }
}

/* ---------------------------------------------------------------- shards with two names */

#define SHARD_BITS 7
#define SHARD_BYTES (32u << SHARD_BITS)

/* The mark of a shard that two directories share, which the first backup could not make durable, as it was killed or
 * the sync failed: the second one sees it, and must not take it for durable. */
static void a_mark_is_as_durable_as_the_name(void **state) {
    (void)state;
    static const char *const paths[] = {"/sim/tree", "/sim/first", "/sim/second"};
    for (uint64_t run = 0; run < 32; run++) {
        sim *s = sim_create(run);
        rotor_directory directories[3];
        rotor_level_files files;
        uint8_t nodes[SHARD_BYTES] = {7};
        bool linked = false;
        bool killed = run % 2 == 0;
        assert_int_equal(s->os.make_directory(s, "/sim", 0755), 0);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(s->os.make_directory(s, paths[i], 0755), 0);
            assert_int_equal(s->os.sync_parent(s, paths[i]), 0);
            expect_ok(rotor_directory_open(&directories[i], &s->os, paths[i], 0644, NULL), "%s", paths[i]);
        }
        rotor_level_files_init(&files, &directories[0], SHARD_BITS);
        expect_ok(rotor_level_files_write(&files, 0, 0, 1u << SHARD_BITS, nodes, NULL), "write");
        expect_ok(rotor_level_files_sync(&files, NULL), "sync");
        rotor_level_files_close(&files);

        uint64_t *fails = killed ? &s->crash_at : &s->fail_sync;
        *fails = s->calls + 3; /* behind the link and the mark */
        rotor_status status = rotor_level_files_link(&linked, &directories[0], &directories[1], SHARD_BITS, 0, 0, NULL);
        expect_status(status, ROTOR_IO, "the first backup, run %" PRIu64, run);
        if (killed) {
            sim_kill(s);
        }
        s->fail_sync = 0;
        for (int i = 0; i < 3; i++) {
            rotor_directory_close(&directories[i]);
            expect_ok(rotor_directory_open(&directories[i], &s->os, paths[i], 0644, NULL), "%s", paths[i]);
        }
        status = rotor_level_files_link(&linked, &directories[0], &directories[2], SHARD_BITS, 0, 0, NULL);
        expect_ok(status, "the second backup, run %" PRIu64, run);
        assert_true(linked);
        expect_ok(rotor_directory_sync(&directories[2], NULL), "sync");
        for (int i = 0; i < 3; i++) {
            rotor_directory_close(&directories[i]);
        }
        sim_lose_power(s, run % 4 < 2 ? SIM_ALL_DROPPED : SIM_BY_SEED, run);
        const sim_file *shared = sim_file_named(s, paths[2], "level-00-00000000");
        expect(shared != NULL && shared->live.size > SHARD_BYTES, "run %" PRIu64 ": no mark is left", run);
        sim_destroy(s);
    }
}

/* ---------------------------------------------------------------- truncations below what the level files hold */

/* Forty committed leaves and twelve that an extent names; a truncation to `cut` and other leaves, by a flush or a
 * checkpoint that dies; other leaves again. Returns whether nothing died. */
static bool cut_and_die(life *l, uint64_t cut, bool by_checkpoint, uint64_t call) {
    life_insert_durably(l, 20);
    expect_ok(rotor_checkpoint(l->tree), "checkpoint");
    life_insert_durably(l, 12);
    l->s->crash_at = l->s->calls + call;
    rotor_hash before[MOST_LEAVES]; /* the size tells which of the two trees was recovered */
    uint64_t size = l->count;
    memcpy(before, l->leaves, sizeof before);
    expect_ok(rotor_truncate(l->tree, NULL, cut), "truncate");
    l->count = cut;
    life_insert(l, cut < 40 ? 11 : 5);
    bool finished = (by_checkpoint ? rotor_checkpoint(l->tree) : rotor_flush(l->tree)) == ROTOR_OK;
    l->acknowledged = finished ? l->count : cut;
    if (call % 3 == 0) {
        life_lose_power(l, call);
    } else {
        life_kill(l);
    }
    life_must_open(l);
    if (!finished && rotor_size(l->tree) == size) {
        memcpy(l->leaves, before, sizeof before);
        l->count = size;
        l->acknowledged = size;
    }
    life_expect(l);
    return finished;
}

static void killed_in_a_truncation_and_power_is_lost_in_a_checkpoint(void **state) {
    (void)state;
    static const uint64_t cuts[] = {0, 17, 39, 40, 45};
    for (size_t kind = 0; kind < 10; kind++) {
        bool by_checkpoint = kind % 2 == 1;
        char what[60];
        pairs p = pairs_of(by_checkpoint ? 23 : 7, 6);
        (void)snprintf(what, sizeof what, "cut to %" PRIu64 ", %s", cuts[kind / 2],
                       by_checkpoint ? "checkpoint" : "flush");
        while (pairs_next(&p)) {
            life l;
            life_try(&l, &p, 4, what);
            p.first_passed = cut_and_die(&l, cuts[kind / 2], by_checkpoint, p.first);
            life_insert_durably(&l, 9);
            p.second_passed = life_checkpoint_dying(&l, p.second);
            life_judge(&l, &p);
        }
    }
}

/* ---------------------------------------------------------------- flushes of several frames */

#define SEGMENT 2 /* a checkpoint has begun it */
#define SEGMENT_NAME "log-0000000000000002"

/* As if the process had died here. */
static image crash_here(store_scene *s) {
    image whole;
    image_read(&whole, s->path);
    store_close(s);
    image_write(&whole, s->path);
    return whole;
}

/* The frame at `at`, and that another one of the same flush follows. */
static rotor_frame first_of_two(const image_file *log, size_t at, size_t *bytes) {
    rotor_frame first = {0};
    rotor_frame second = {0};
    expect(rotor_frame_decode(&first, log->bytes + 16, SEGMENT, log->bytes + at), "no frame");
    size_t leaves = first.kind == ROTOR_FRAME_LEAVES ? (size_t)first.count * sizeof(rotor_hash) : 0;
    *bytes = ROTOR_LOG_HEADER_BYTES + leaves;
    expect(rotor_frame_decode(&second, log->bytes + 16, SEGMENT, log->bytes + at + *bytes), "no second frame");
    expect(second.sequence == first.sequence + 1 && second.durable <= first.sequence, "not of one flush");
    return first;
}

/* Has two frames written by one flush and spoils the first; returns what it was. The model is as before the flush. */
static rotor_frame tear_a_flush(store_scene *s, bool cuts, bool by_a_bit) {
    rotor_hash before[40];
    size_t bytes = 0;
    size_t at = (size_t)store_statistics(s).log_bytes;
    expect(s->model.count == 40, "the model");
    memcpy(before, s->model.leaves, sizeof before);
    if (cuts) {
        store_truncate(s, 30);
    }
    store_insert(s, cuts ? 10 : ROTOR_LOG_MOST_LEAVES + 7);
    expect_ok(rotor_flush(s->tree), "flush");
    image whole = crash_here(s);
    image_file *log = image_find(&whole, SEGMENT_NAME);
    rotor_frame frame = first_of_two(log, at, &bytes);
    log->bytes[at + bytes - 1] ^= 1;
    if (!by_a_bit) {
        memset(log->bytes + at, 0, bytes);
    }
    image_write(&whole, s->path);
    model_tree_cut(&s->model, 0);
    for (size_t i = 0; i < 40; i++) {
        model_tree_append(&s->model, &before[i]);
    }
    image_free(&whole);
    return frame;
}

/* The write of the first frame was lost and that of the second was not. What then takes the first one's place, a frame
 * of the same length and sequence number, must not lead to the second. */
static void a_later_frame_of_a_torn_flush_never_comes_back(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        bool cuts = kind % 2 == 0;
        store_scene s;
        store_begin(&s, 31, 3);
        s.setup.extent_leaves = UINT64_C(1) << 40;
        s.setup.segment_bytes = UINT64_C(1) << 30;
        store_open(&s);
        store_insert(&s, 20);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        store_insert(&s, 20);
        expect_ok(rotor_flush(s.tree), "flush");
        rotor_frame lost = tear_a_flush(&s, cuts, kind / 2 == 1);
        store_open(&s);
        expect(store_statistics(&s).torn_bytes > 0, "kind %d: the second frame is there", kind);
        store_expect_root(&s, s.tree, "torn");
        (void)(cuts ? store_truncate(&s, lost.first) : store_insert(&s, lost.count));
        for (int later = 0; later < 2; later++) {
            expect_ok(rotor_flush(s.tree), "flush");
            image whole = crash_here(&s);
            image_free(&whole);
            store_open(&s);
            store_expect_root(&s, s.tree, later == 0 ? "in the place of the lost frame" : "behind it");
            store_insert(&s, 10);
        }
        store_end(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_in_a_flush_and_a_sync_fails_while_opening),
        cmocka_unit_test(a_sync_fails_while_closing_and_power_is_lost_while_opening),
        cmocka_unit_test(killed_in_a_checkpoint_and_power_is_lost_in_the_next),
        cmocka_unit_test(doubting_opens_die_in_a_row),
        cmocka_unit_test(a_name_that_was_not_synced_is_relied_upon),
        cmocka_unit_test(a_mark_is_as_durable_as_the_name),
        cmocka_unit_test(killed_in_a_truncation_and_power_is_lost_in_a_checkpoint),
        cmocka_unit_test(a_later_frame_of_a_torn_flush_never_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
