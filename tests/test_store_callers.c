/* Callers that meet: many who wait for the same flushes, and who writes for them; with them, and with a checkpoint,
 * those who want the log for something else; and disks that are slow or fail meanwhile. */
#include "store_support.h"

#include <pthread.h>
#include <time.h>

typedef struct inserter {
    rotor_tree *tree;
    uint64_t seed;
    uint64_t rounds;
    uint64_t done;
    const _Atomic bool *stops; /* or NULL */
    rotor_status status;
} inserter;

static _Thread_local bool is_caller;

static void *insert_durably(void *argument) {
    inserter *me = argument;
    is_caller = true;
    while (me->done < me->rounds && me->status == ROTOR_OK && (me->stops == NULL || !atomic_load(me->stops))) {
        rotor_hash leaf = test_random_leaf(me->seed, me->done);
        me->status = rotor_insert_durable(me->tree, NULL, &leaf, 1);
        me->done += me->status == ROTOR_OK ? 1 : 0;
    }
    return NULL;
}

/* Whether callers step back before they sleep, and have the background thread write for them, depends on how many there
 * are and how long that takes; here every one does, or none. */
static void choose_patience(store_scene *s, bool steps_back) {
    s->tree->store->many_waiters = steps_back ? 1 : UINT32_MAX;
    s->tree->store->short_flight_ns = UINT64_MAX;
}

#define MOST_CALLERS 12
#define ONE_HOUR_MS 3600000

/* A number of threads that insert side by side. */
typedef struct crew {
    inserter inserters[MOST_CALLERS];
    pthread_t threads[MOST_CALLERS];
    size_t count;
} crew;

static void crew_begin(crew *all, const store_scene *s, size_t count, uint64_t rounds, const _Atomic bool *stops) {
    all->count = count;
    for (size_t i = 0; i < count; i++) {
        all->inserters[i] = (inserter){.tree = s->tree, .seed = i, .rounds = rounds, .stops = stops};
        assert_int_equal(pthread_create(&all->threads[i], NULL, insert_durably, &all->inserters[i]), 0);
    }
}

/* Returns how many leaves they were told to be durable. */
static uint64_t crew_end(crew *all, rotor_status wanted) {
    uint64_t done = 0;
    for (size_t i = 0; i < all->count; i++) {
        assert_int_equal(pthread_join(all->threads[i], NULL), 0);
        expect_status(all->inserters[i].status, wanted, "thread %zu", i);
        done += all->inserters[i].done;
    }
    return done;
}

static void many_who_wait(void **state) {
    (void)state;
    enum { CALLERS = 4 };
    for (int steps_back = 0; steps_back < 2; steps_back++) {
        store_scene s;
        crew callers;
        uint64_t rounds = test_scaled(300);
        store_begin(&s, 5, 4);
        s.options.checkpoint_leaves = 100;
        s.options.flush_interval_ms = 2;
        store_open(&s);
        choose_patience(&s, steps_back != 0);
        crew_begin(&callers, &s, CALLERS, rounds, NULL);
        assert_int_equal(crew_end(&callers, ROTOR_OK), CALLERS * rounds);
        rotor_hash root;
        rotor_hash again;
        expect_ok(rotor_root(s.tree, &root), "root");
        store_expect_durable(&s, CALLERS * rounds, "all of them");
        store_close(&s);
        s.options.verify_at_open = ROTOR_VERIFY_FULL;
        store_open(&s);
        expect_ok(rotor_root(s.tree, &again), "root");
        expect(test_same_hash(&root, &again), "another root");
        store_end(&s);
    }
}

/* Syncs that take a while, so that callers meet, until one of them fails. */
typedef struct slow_disk {
    rotor_os layer;
    _Atomic uint64_t syncs_left;
    _Atomic uint64_t background_syncs; /* by a thread that is no caller */
} slow_disk;

static int sync_slowly(void *context, int file) {
    slow_disk *disk = context;
    const struct timespec pause = {.tv_nsec = 200 * 1000};
    (void)nanosleep(&pause, NULL);
    atomic_fetch_add(&disk->background_syncs, is_caller ? 0 : 1);
    const rotor_os *below = rotor_os_system();
    return atomic_fetch_sub(&disk->syncs_left, 1) == 1 ? -EIO : below->sync(below->context, file);
}

static void disk_begin(slow_disk *disk, store_scene *s) {
    disk->layer = *rotor_os_system(); /* whose functions take no context */
    disk->layer.context = disk;
    disk->layer.sync = sync_slowly;
    atomic_store(&disk->syncs_left, UINT64_MAX);
    atomic_store(&disk->background_syncs, 0);
    s->setup.os = &disk->layer;
    s->options.flush_interval_ms = ROTOR_MANUAL;
}

/* Nobody hangs, and what was said to be durable is there. */
static void fail_a_sync(bool steps_back, uint64_t syncs, uint32_t flush_interval_ms, uint64_t checkpoint_leaves) {
    store_scene s;
    slow_disk disk;
    crew callers;
    store_begin(&s, 15, 4);
    disk_begin(&disk, &s);
    s.options.flush_interval_ms = flush_interval_ms;
    s.options.checkpoint_leaves = checkpoint_leaves;
    store_open(&s);
    choose_patience(&s, steps_back);
    atomic_store(&disk.syncs_left, syncs);
    crew_begin(&callers, &s, MOST_CALLERS, UINT64_MAX, NULL);
    uint64_t done = crew_end(&callers, ROTOR_FAILED);
    expect(done > 0 || syncs < 3, "the first syncs succeed");
    expect_status(rotor_close(s.tree, NULL), ROTOR_FAILED, "close");
    s.setup.os = NULL;
    s.options.verify_at_open = ROTOR_VERIFY_FULL;
    store_open(&s);
    uint64_t size = rotor_size(s.tree);
    expect(size >= done && size <= done + MOST_CALLERS,
           "%" PRIu64 " leaves, of which %" PRIu64 " were said to be durable", size, done);
    store_end(&s);
}

static void many_who_wait_when_a_sync_fails(void **state) {
    (void)state;
    fail_a_sync(false, 40, ROTOR_MANUAL, 0);
    fail_a_sync(true, 40, ROTOR_MANUAL, 0);
    /* Written by the background thread, also while it is told to, and beside checkpoints that fail in its stead. */
    for (uint64_t syncs = 1; syncs <= 40; syncs++) {
        fail_a_sync(true, syncs, ONE_HOUR_MS, syncs % 2 == 0 ? 20 : 0);
    }
}

typedef struct bystander {
    rotor_tree *tree;
    const _Atomic bool *stops;
    rotor_status status;
    _Atomic uint64_t rounds;
} bystander;

static void *wait_with_time_limit(void *argument) {
    bystander *me = argument;
    while (!atomic_load(me->stops) && me->status == ROTOR_OK) {
        const rotor_hash leaf = {{3}};
        rotor_token token;
        me->status = rotor_insert(me->tree, NULL, &token, &leaf);
        me->status = me->status == ROTOR_OK ? rotor_wait(me->tree, &token, ONE_HOUR_MS) : me->status;
        atomic_fetch_add(&me->rounds, 1);
    }
    return NULL;
}

static void *flush_and_checkpoint(void *argument) {
    bystander *me = argument;
    while (!atomic_load(me->stops) && me->status == ROTOR_OK) {
        me->status = atomic_load(&me->rounds) % 2 == 0 ? rotor_flush(me->tree) : rotor_checkpoint(me->tree);
        atomic_fetch_add(&me->rounds, 1);
    }
    return NULL;
}

static void *truncate_to_what_is_there(void *argument) {
    bystander *me = argument;
    while (!atomic_load(me->stops) && me->status == ROTOR_OK) {
        me->status = rotor_truncate(me->tree, NULL, rotor_size(me->tree));
        atomic_fetch_add(&me->rounds, 1);
        (void)usleep(300);
    }
    return NULL;
}

static void bystander_begin(bystander *one, pthread_t *thread, const store_scene *s, const _Atomic bool *stops,
                            void *(*body)(void *)) {
    *one = (bystander){.tree = s->tree, .stops = stops};
    assert_int_equal(pthread_create(thread, NULL, body, one), 0);
}

/* A caller that finds many others does not go on to write for them: the background thread does, though its interval is
 * an hour. */
static void many_for_whom_the_background_thread_writes(void **state) {
    (void)state;
    store_scene s;
    slow_disk disk;
    crew callers;
    uint64_t rounds = test_scaled(100);
    store_begin(&s, 18, 4);
    disk_begin(&disk, &s);
    s.options.flush_interval_ms = ONE_HOUR_MS;
    store_open(&s);
    choose_patience(&s, true);
    atomic_store(&disk.background_syncs, 0);
    uint64_t left = atomic_load(&disk.syncs_left);
    crew_begin(&callers, &s, MOST_CALLERS, rounds, NULL);
    assert_int_equal(crew_end(&callers, ROTOR_OK), MOST_CALLERS * rounds);
    uint64_t syncs = left - atomic_load(&disk.syncs_left);
    expect(atomic_load(&disk.background_syncs) > syncs / 2, "%" PRIu64 " of %" PRIu64 " syncs by the background thread",
           atomic_load(&disk.background_syncs), syncs);
    store_expect_durable(&s, MOST_CALLERS * rounds, "all of them");
    expect_ok(rotor_close(s.tree, NULL), "close");
    s.tree = NULL;
    store_end(&s);
}

#define BYSTANDER_ROUNDS 6

/* It lets everybody else have the log who wants it, while the callers go on. */
static void others_beside_many_callers(void **state) {
    (void)state;
    static void *(*const bodies[])(void *) = {wait_with_time_limit, flush_and_checkpoint, truncate_to_what_is_there};
    store_scene s;
    slow_disk disk;
    crew callers;
    _Atomic bool stops = false;
    store_begin(&s, 22, 4);
    disk_begin(&disk, &s);
    s.options.flush_interval_ms = ONE_HOUR_MS;
    store_open(&s);
    choose_patience(&s, true);
    crew_begin(&callers, &s, MOST_CALLERS, UINT64_MAX, &stops);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        bystander one;
        pthread_t thread;
        _Atomic bool leaves = false;
        bystander_begin(&one, &thread, &s, &leaves, bodies[i]);
        for (unsigned waits = 0; atomic_load(&one.rounds) < BYSTANDER_ROUNDS; waits++) {
            expect(waits < 60 * 1000, "bystander %zu had its turn %" PRIu64 " times in a minute", i,
                   atomic_load(&one.rounds));
            (void)usleep(1000);
        }
        atomic_store(&leaves, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        expect_ok(one.status, "bystander %zu", i);
    }
    atomic_store(&stops, true);
    (void)crew_end(&callers, ROTOR_OK);
    expect_ok(rotor_close(s.tree, NULL), "close");
    s.tree = NULL;
    store_end(&s);
}

static uint64_t flights_so_far(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    uint64_t flights = store->flight;
    pthread_mutex_unlock(&store->mutex);
    return flights;
}

/* A flush for somebody who waits with a time limit, and none for one who has yet to see that it is over. */
static void flushes_for_who_waits_with_a_limit(void **state) {
    (void)state;
    store_scene s;
    uint64_t waits = test_scaled(300);
    store_begin(&s, 23, 4);
    s.options.flush_interval_ms = ONE_HOUR_MS;
    store_open(&s);
    uint64_t before = flights_so_far(s.tree->store);
    for (uint64_t i = 0; i < waits; i++) {
        rotor_token token = store_insert_without_root(&s, "one");
        expect_ok(rotor_wait(s.tree, &token, ONE_HOUR_MS), "wait");
    }
    uint64_t flights = flights_so_far(s.tree->store) - before;
    expect(flights <= 2 * waits, "%" PRIu64 " flushes for %" PRIu64 " waits", flights, waits);
    expect_ok(rotor_close(s.tree, NULL), "close");
    s.tree = NULL;
    store_end(&s);
}

/* The log is handed over to a background thread that ends because the tree has failed meanwhile: it gives it back. */
static void what_is_handed_over_to_a_thread_that_ends(void **state) {
    (void)state;
    store_scene s;
    store_begin(&s, 20, 4);
    s.options.flush_interval_ms = ROTOR_MANUAL;
    store_open(&s);
    rotor_store *store = s.tree->store;
    rotor_store_begin_flush(store);
    pthread_mutex_lock(&store->mutex);
    atomic_store(&store->handed_over, true);
    pthread_mutex_unlock(&store->mutex);
    const rotor_error error = {.status = ROTOR_FAILED};
    rotor_store_fail(store, &error);
    (void)rotor_store_flusher(store);
    assert_false(store->flusher_leads);
    assert_false(atomic_load(&store->handed_over));
    assert_false(atomic_load(&store->flushing));
    expect_status(rotor_close(s.tree, NULL), ROTOR_FAILED, "close");
    s.tree = NULL;
    store_end(&s);
}

static void single_leaves_after_a_failure(void **state) {
    (void)state;
    store_scene s;
    slow_disk disk;
    store_begin(&s, 17, 4);
    disk_begin(&disk, &s);
    store_open(&s);
    (void)store_insert_without_root(&s, "one");
    (void)store_insert_without_root(&s, "another");
    atomic_store(&disk.syncs_left, 1);
    expect_status(rotor_flush(s.tree), ROTOR_FAILED, "flush");
    const rotor_hash leaf = {{2}};
    expect_status(rotor_insert(s.tree, NULL, NULL, &leaf), ROTOR_FAILED, "after the failure");
    assert_int_equal(rotor_size(s.tree), 2);
    expect_status(rotor_close(s.tree, NULL), ROTOR_FAILED, "close");
    s.tree = NULL;
    store_end(&s);
}

/* A disk on which every write of a checkpoint meets a truncation, or what would be endless. */
typedef struct busy_disk {
    rotor_os layer;
    rotor_store *_Atomic store; /* once it is open */
    _Atomic uint64_t writes;    /* beside a truncation */
} busy_disk;

#define ENDLESS_WRITES 1000

static bool copies_alone(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    bool alone = store->copying && store->cuts_waiting == 0;
    pthread_mutex_unlock(&store->mutex);
    return alone;
}

static int64_t write_beside_truncations(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    busy_disk *disk = context;
    rotor_store *store = atomic_load(&disk->store);
    if (store != NULL && atomic_fetch_add(&disk->writes, 1) < ENDLESS_WRITES) {
        while (copies_alone(store)) {
            (void)usleep(20);
        }
    }
    const rotor_os *below = rotor_os_system();
    return below->write(below->context, file, bytes, count, offset);
}

/* A truncation interrupts a checkpoint, which begins anew; but not for ever. */
static void checkpoints_beside_truncations(void **state) {
    (void)state;
    store_scene s;
    busy_disk disk = {.layer = *rotor_os_system()};
    disk.layer.context = &disk;
    disk.layer.write = write_beside_truncations;
    atomic_store(&disk.store, NULL);
    store_begin(&s, 19, 4);
    s.setup.os = &disk.layer;
    s.options.flush_interval_ms = ROTOR_MANUAL;
    store_open(&s);
    store_insert(&s, 500);
    atomic_store(&disk.store, s.tree->store);
    bystander truncator;
    pthread_t thread;
    _Atomic bool stops = false;
    bystander_begin(&truncator, &thread, &s, &stops, truncate_to_what_is_there);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    expect(atomic_load(&disk.writes) < ENDLESS_WRITES, "truncations keep a checkpoint from ending");
    atomic_store(&stops, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect_ok(truncator.status, "truncations");
    assert_int_equal(store_statistics(&s).checkpointed_size, 500);
    atomic_store(&disk.store, NULL);
    store_close(&s);
    s.setup.os = NULL;
    store_open(&s);
    store_expect_whole(&s, s.tree, "opened");
    store_end(&s);
}

#define MOST_FILES 1024
#define HALF_A_MINUTE_MS 30000
#define MOST_LOOKS 60000 /* a millisecond apart */

/* A disk on which level files that a checkpoint syncs take until they are let go. */
typedef struct stuck_disk {
    rotor_os layer;
    _Atomic bool is_level[MOST_FILES]; /* by what it was opened as last */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stuck; /* under `mutex`, as is the other one */
    bool let_go;
} stuck_disk;

static _Thread_local bool is_checkpointer;

static int open_and_note(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    stuck_disk *disk = context;
    const rotor_os *below = rotor_os_system();
    int file = below->open(below->context, directory, name, flags, mode);
    if (file >= 0 && file < MOST_FILES) {
        atomic_store(&disk->is_level[file], strncmp(name, "level-", 6) == 0);
    }
    return file;
}

static int sync_when_let_go(void *context, int file) {
    stuck_disk *disk = context;
    if (is_checkpointer && file < MOST_FILES && atomic_load(&disk->is_level[file])) {
        pthread_mutex_lock(&disk->mutex);
        disk->stuck = true;
        while (!disk->let_go) {
            pthread_cond_wait(&disk->changed, &disk->mutex);
        }
        pthread_mutex_unlock(&disk->mutex);
    }
    const rotor_os *below = rotor_os_system();
    return below->sync(below->context, file);
}

static void stuck_disk_begin(stuck_disk *disk, store_scene *s) {
    memset(disk, 0, sizeof *disk);
    disk->layer = *rotor_os_system(); /* whose functions take no context */
    disk->layer.context = disk;
    disk->layer.open = open_and_note;
    disk->layer.sync = sync_when_let_go;
    assert_int_equal(pthread_mutex_init(&disk->mutex, NULL), 0);
    assert_int_equal(pthread_cond_init(&disk->changed, NULL), 0);
    s->setup.os = &disk->layer;
}

static void let_go(stuck_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    disk->let_go = true;
    pthread_cond_broadcast(&disk->changed);
    pthread_mutex_unlock(&disk->mutex);
}

static void stuck_disk_end(stuck_disk *disk) {
    (void)pthread_cond_destroy(&disk->changed);
    (void)pthread_mutex_destroy(&disk->mutex);
}

static bool is_stuck(stuck_disk *disk, rotor_store *store) {
    (void)store;
    pthread_mutex_lock(&disk->mutex);
    bool stuck = disk->stuck && !disk->let_go;
    pthread_mutex_unlock(&disk->mutex);
    return stuck;
}

static bool a_cut_waits(stuck_disk *disk, rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    bool waits = store->copying && store->cuts_waiting == 1;
    pthread_mutex_unlock(&store->mutex);
    return waits && is_stuck(disk, store);
}

static bool comes_true(bool (*what)(stuck_disk *, rotor_store *), stuck_disk *disk, rotor_store *store) {
    for (unsigned looks = 0; looks < MOST_LOOKS; looks++) {
        if (what(disk, store)) {
            return true;
        }
        (void)usleep(1000);
    }
    return false;
}

static void *checkpoint_once(void *argument) {
    bystander *me = argument;
    is_checkpointer = true;
    me->status = rotor_checkpoint(me->tree);
    return NULL;
}

static void *truncate_to_900(void *argument) {
    bystander *me = argument;
    me->status = rotor_truncate(me->tree, NULL, 900);
    return NULL;
}

/* Small batches, which the log takes, and large ones, which level files take. The first status that is another. */
static rotor_status insert_and_wait(store_scene *s) {
    rotor_status status = ROTOR_OK;
    for (unsigned i = 0; status == ROTOR_OK && i < 20; i++) {
        rotor_token token = store_insert(s, i % 2 == 0 ? 1 : 40);
        status = rotor_wait(s->tree, &token, HALF_A_MINUTE_MS);
    }
    return status;
}

/* A truncation waits for the checkpoint, however long that takes; those who insert wait for neither. */
static void inserts_beside_a_truncation_that_waits(void **state) {
    (void)state;
    store_scene s;
    stuck_disk disk;
    bystander checkpointer;
    bystander truncator;
    pthread_t threads[2];
    store_begin(&s, 24, 4);
    stuck_disk_begin(&disk, &s);
    s.options.flush_interval_ms = ONE_HOUR_MS; /* without a thread in the background, waits would have no limit */
    store_open(&s);
    rotor_store *store = s.tree->store;
    (void)store_insert(&s, 1000);
    expect_ok(rotor_flush(s.tree), "flush"); /* so that a checkpoint has only level files to write */
    bystander_begin(&checkpointer, &threads[0], &s, NULL, checkpoint_once);
    bool stuck = comes_true(is_stuck, &disk, store);
    bystander_begin(&truncator, &threads[1], &s, NULL, truncate_to_900);
    bool waits = stuck && comes_true(a_cut_waits, &disk, store);
    rotor_status inserted = insert_and_wait(&s);
    bool still_waits = a_cut_waits(&disk, store);
    uint64_t durable = store_statistics(&s).durable_size;
    /* First, so that nobody is left behind where one of these is not as it should be. */
    let_go(&disk);
    assert_int_equal(pthread_join(threads[0], NULL), 0);
    assert_int_equal(pthread_join(threads[1], NULL), 0);
    expect(stuck, "no level file was synced");
    expect(waits, "the truncation did not wait");
    expect_ok(inserted, "inserts");
    expect(still_waits, "what was to be waited for was over");
    expect(durable == s.model.count, "%" PRIu64 " of %" PRIu64 " were durable", durable, s.model.count);
    expect_ok(checkpointer.status, "checkpoint");
    expect_ok(truncator.status, "truncation");

    model_tree_cut(&s.model, 900); /* with all that was inserted while it waited */
    store_expect_whole(&s, s.tree, "cut");
    expect_ok(insert_and_wait(&s), "afterwards");
    store_expect_durable(&s, s.model.count, "afterwards");
    store_close(&s);
    stuck_disk_end(&disk);
    s.setup.os = NULL;
    s.options.verify_at_open = ROTOR_VERIFY_FULL;
    store_open(&s);
    store_expect_whole(&s, s.tree, "opened");
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_who_wait),
        cmocka_unit_test(many_who_wait_when_a_sync_fails),
        cmocka_unit_test(many_for_whom_the_background_thread_writes),
        cmocka_unit_test(others_beside_many_callers),
        cmocka_unit_test(flushes_for_who_waits_with_a_limit),
        cmocka_unit_test(what_is_handed_over_to_a_thread_that_ends),
        cmocka_unit_test(single_leaves_after_a_failure),
        cmocka_unit_test(checkpoints_beside_truncations),
        cmocka_unit_test(inserts_beside_a_truncation_that_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
