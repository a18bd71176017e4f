/* A durable tree used by everybody at once; made for ThreadSanitizer. Writers insert and wait, others cut, checkpoint,
 * back up, read and ask, while the tree flushes and checkpoints by itself. Every accepted call left a token, epoch and
 * size, which say where its leaves are: afterwards these are put in order, must fit together without gaps, and give the
 * leaves that the tree, each backup, and a copy of the directory as a crash would leave it, must hold. Runs are bounded
 * by counts of work, never by time: ROTOR_STRESS_ROUNDS sets how many inserts each writer makes. */
#include "store_support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#ifdef ROTOR_CANARY_NO_LOCK
#include "canary/no_lock.h"
#endif

#define ARITY 4
#define WRITERS 4
#define READERS 2
#define MOST_BATCH 700
#define MOST_BACKUPS 4

/* An accepted change: `count` leaves that end at `size`, or with count 0 a truncation to it. */
typedef struct event {
    uint64_t epoch;
    uint64_t size;
    uint64_t count;
    uint64_t writer;
    uint64_t number; /* of the first leaf, of this writer in this life */
    bool durable;    /* acknowledged */
} event;

typedef struct ledger {
    event *events;
    size_t count;
    size_t capacity;
} ledger;

/* What a directory was found to hold, and between which moments that was. */
typedef struct sighting {
    rotor_hash *leaves;
    uint64_t size;
    uint64_t least_epoch;
    uint64_t most_epoch;
    bool explained;
} sighting;

typedef struct arena {
    store_scene *scene;
    rotor_tree *tree;
    uint64_t life;
    uint64_t rounds; /* of each writer */
    bool truncates;
    uint64_t first_epoch;
    _Atomic uint32_t writing; /* writers that are not done */
    _Atomic bool stop;
    pthread_mutex_t mutex;
    bool failed;
    char failure[300];
    _Atomic uint64_t proofs;
    _Atomic uint64_t stale;
    _Atomic uint64_t timed_out;
    _Atomic uint64_t checkpoints;
    sighting backups[MOST_BACKUPS];
    size_t backup_count;
} arena;

typedef struct worker {
    arena *arena;
    uint64_t number;
    test_random random;
    ledger ledger;
} worker;

/* cmocka's expectations end a test by a jump, which no other thread can take. */
__attribute__((format(printf, 2, 3))) static void report(arena *a, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&a->mutex);
    if (!a->failed) {
        a->failed = true;
        (void)vsnprintf(a->failure, sizeof a->failure, format, arguments);
    }
    pthread_mutex_unlock(&a->mutex);
    va_end(arguments);
    atomic_store(&a->stop, true);
}

static bool went_well(arena *a, rotor_status status, const char *call) {
    if (status != ROTOR_OK) {
        rotor_error error = {.message = ""};
        bool tree_failed = rotor_failure(a->tree, &error) != ROTOR_OK;
        report(a, "%s: %s: %.200s", call, rotor_status_name(status), tree_failed ? error.message : "");
    }
    return status == ROTOR_OK;
}

static event *add_event(ledger *l, const rotor_token *token, uint64_t count, uint64_t writer, uint64_t number) {
    if (l->count == l->capacity) {
        l->capacity = l->capacity != 0 ? 2 * l->capacity : 256;
        l->events = realloc(l->events, l->capacity * sizeof *l->events);
        if (l->events == NULL) {
            abort();
        }
    }
    l->events[l->count] =
        (event){.epoch = token->epoch, .size = token->size, .count = count, .writer = writer, .number = number};
    return &l->events[l->count++];
}

static rotor_hash leaf_of(uint64_t life, uint64_t writer, uint64_t number) {
    rotor_hash leaf = test_random_leaf(life * 100 + writer, number);
    test_store_u64(leaf.bytes, number);
    test_store_u64(leaf.bytes + 8, writer);
    test_store_u64(leaf.bytes + 16, life);
    return leaf;
}

/* ---------------------------------------------------------------- who changes the tree */

static uint64_t batch_size(test_random *random) {
    switch (test_below(random, 8)) {
    case 0:
        return 1 + test_below(random, MOST_BATCH);
    case 1:
    case 2:
        return 1 + test_below(random, 40);
    default:
        return 1;
    }
}

static bool wait_for(worker *w, const rotor_token *token) {
    arena *a = w->arena;
    uint64_t limit = test_below(&w->random, 3);
    rotor_status status = rotor_wait(a->tree, token, limit == 0 ? ROTOR_FOREVER : limit - 1);
    if (limit != 0 && status == ROTOR_TIMED_OUT) {
        atomic_fetch_add(&a->timed_out, 1);
        return false;
    }
    if (!went_well(a, status, "rotor_wait")) {
        return false;
    }
    if (rotor_token_status(a->tree, token) != ROTOR_OK) {
        report(a, "what has been waited for is not durable");
    }
    return true;
}

static void *write_leaves(void *argument) {
    worker *w = argument;
    arena *a = w->arena;
    uint64_t number = 0;
    rotor_hash *batch = test_alloc(MOST_BATCH, sizeof *batch);
    for (uint64_t round = 0; round < a->rounds && !atomic_load(&a->stop); round++) {
        uint64_t count = batch_size(&w->random);
        for (uint64_t i = 0; i < count; i++) {
            batch[i] = leaf_of(a->life, w->number, number + i);
        }
        rotor_token token;
        rotor_hash root;
        rotor_hash *output = test_below(&w->random, 2) == 0 ? &root : NULL;
        rotor_status status = count == 1 ? rotor_insert(a->tree, output, &token, batch)
                                         : rotor_insert_many(a->tree, output, &token, batch, count);
        if (!went_well(a, status, "insert")) {
            break;
        }
        event *made = add_event(&w->ledger, &token, count, w->number, number);
        number += count;
        if (test_below(&w->random, 3) == 0) {
            made->durable = wait_for(w, &token);
        }
    }
    free(batch);
    atomic_fetch_sub(&a->writing, 1);
    return NULL;
}

/* The form that has no token: where its leaves are follows from what the others leave free. */
static void *write_durably(void *argument) {
    worker *w = argument;
    arena *a = w->arena;
    uint64_t number = 0;
    rotor_hash *batch = test_alloc(MOST_BATCH, sizeof *batch);
    for (uint64_t round = 0; round < a->rounds && !atomic_load(&a->stop); round++) {
        uint64_t count = batch_size(&w->random);
        for (uint64_t i = 0; i < count; i++) {
            batch[i] = leaf_of(a->life, w->number, number + i);
        }
        rotor_hash root;
        if (!went_well(a, rotor_insert_durable(a->tree, &root, batch, count), "rotor_insert_durable")) {
            break;
        }
        number += count;
    }
    const rotor_token unknown = {0, 0};
    add_event(&w->ledger, &unknown, number, w->number, 0)->durable = true;
    free(batch);
    atomic_fetch_sub(&a->writing, 1);
    return NULL;
}

static void *truncate_now_and_then(void *argument) {
    worker *w = argument;
    arena *a = w->arena;
    uint64_t cuts = 0;
    uint64_t epoch = a->first_epoch;
    while ((atomic_load(&a->writing) > 0 || cuts < 3) && !atomic_load(&a->stop)) {
        for (uint64_t pause = 40 + test_below(&w->random, 200); pause > 0; pause--) {
            sched_yield();
        }
        uint64_t size = rotor_size(a->tree);
        uint64_t most = test_below(&w->random, 4) == 0 ? 3000 : 50;
        uint64_t back = test_below(&w->random, most < size ? most : size + 1);
        rotor_token token;
        rotor_status status = rotor_truncate(a->tree, &token, size - back);
        if (status == ROTOR_OUT_OF_RANGE) {
            continue; /* nobody else cuts, but nothing says so */
        }
        if (!went_well(a, status, "rotor_truncate")) {
            break;
        }
        if (token.epoch == epoch) {
            continue; /* there was nothing to cut */
        }
        epoch = token.epoch;
        cuts++;
        event *made = add_event(&w->ledger, &token, 0, w->number, 0);
        if (test_below(&w->random, 2) == 0) {
            made->durable = wait_for(w, &token);
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- who keeps it */

static void *checkpoint_now_and_then(void *argument) {
    worker *w = argument;
    arena *a = w->arena;
    for (uint64_t done = 0; (atomic_load(&a->writing) > 0 || done < 3) && !atomic_load(&a->stop); done++) {
        if (test_below(&w->random, 2) == 0) {
            (void)went_well(a, rotor_checkpoint(a->tree), "rotor_checkpoint");
        } else if (went_well(a, rotor_checkpoint_start(a->tree), "rotor_checkpoint_start")) {
            rotor_status status = rotor_checkpoint_wait(a->tree, test_below(&w->random, 20));
            (void)(status == ROTOR_TIMED_OUT || went_well(a, status, "rotor_checkpoint_wait"));
        }
        atomic_fetch_add(&a->checkpoints, 1);
        for (uint64_t pause = test_below(&w->random, 300); pause > 0; pause--) {
            sched_yield();
        }
    }
    return NULL;
}

static bool look_at(arena *a, const char *path, sighting *seen) {
    rotor_tree *copy = NULL;
    rotor_error error = {.message = ""};
    rotor_options options = a->scene->options;
    const rotor_hasher *hasher = test_portable();
    options.mode = ROTOR_OPEN_EXISTING;
    options.verify_at_open = ROTOR_VERIFY_FULL;
    options.threads = 1;
    rotor_status status = rotor_store_open(&copy, path, &options, hasher, &a->scene->setup, &error);
    if (status != ROTOR_OK) {
        report(a, "%s: %.200s", rotor_status_name(status), error.message);
        return false;
    }
    rotor_snapshot snapshot;
    rotor_hash root = {{0}};
    seen->size = rotor_size(copy);
    seen->leaves = test_alloc(seen->size, sizeof *seen->leaves);
    status = rotor_snapshot_take(copy, &snapshot);
    if (status == ROTOR_OK && seen->size > 0) {
        status = rotor_snapshot_nodes(&snapshot, seen->leaves, seen->size, 0, 0);
        root = snapshot.edge[snapshot.depth];
    }
    if (status == ROTOR_OK && seen->size > 0) {
        rotor_hash wanted = test_root_of(ARITY, seen->leaves, seen->size, hasher);
        status = test_same_hash(&root, &wanted) ? ROTOR_OK : ROTOR_DAMAGED;
    }
    rotor_status closed = rotor_close(copy, &error);
    if (status != ROTOR_OK || closed != ROTOR_OK) {
        report(a, "%s, then %s: a copy of %" PRIu64 " leaves: %.150s", rotor_status_name(status),
               rotor_status_name(closed), seen->size, error.message);
    }
    return status == ROTOR_OK && closed == ROTOR_OK;
}

static void *back_up_now_and_then(void *argument) {
    worker *w = argument;
    arena *a = w->arena;
    for (size_t i = 0; i < MOST_BACKUPS && !atomic_load(&a->stop); i++) {
        sighting *seen = &a->backups[i];
        rotor_error error = {.message = ""};
        rotor_snapshot snapshot;
        char path[FOLDER_PATH + 60];
        (void)snprintf(path, sizeof path, "%s/backup", a->scene->folder);
        (void)went_well(a, rotor_snapshot_take_latest(a->tree, &snapshot), "snapshot");
        seen->least_epoch = snapshot.epoch;
        rotor_status status = rotor_backup(a->tree, path, NULL, NULL, &error);
        if (status != ROTOR_OK) {
            report(a, "rotor_backup: %s: %.200s", rotor_status_name(status), error.message);
            break;
        }
        (void)went_well(a, rotor_snapshot_take_latest(a->tree, &snapshot), "snapshot");
        seen->most_epoch = snapshot.epoch;
        bool good = look_at(a, path, seen);
        folder_remove(path);
        if (!good) {
            break;
        }
        a->backup_count = i + 1;
        for (uint64_t pause = 200 + test_below(&w->random, 2000); pause > 0; pause--) {
            sched_yield();
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- who only looks */

static bool answered(arena *a, rotor_status status, const char *call) {
    if (status == ROTOR_STALE) {
        atomic_fetch_add_explicit(&a->stale, 1, memory_order_relaxed);
        return false;
    }
    return went_well(a, status, call);
}

static void *read_proofs(void *argument) {
    worker *w = argument;
    arena *a = w->arena;
    rotor_inclusion_proof inclusion = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof consistency = ROTOR_CONSISTENCY_PROOF_INIT;
    for (uint64_t looks = 0; (atomic_load(&a->writing) > 0 || looks < 20) && !atomic_load(&a->stop); looks++) {
        rotor_snapshot now;
        rotor_snapshot past;
        if (!answered(a, rotor_snapshot_take(a->tree, &now), "rotor_snapshot_take") || now.size == 0) {
            continue;
        }
        rotor_tree_head head = {now.edge[now.depth], now.size, ARITY, ROTOR_HASH_BLAKE3};
        uint64_t back = test_below(&w->random, test_below(&w->random, 2) == 0 ? 40 : now.size);
        uint64_t index = now.size - 1 - (back < now.size ? back : 0);
        if (!answered(a, rotor_inclusion_prove(&now, &inclusion, index), "rotor_inclusion_prove")) {
            continue;
        }
        if (rotor_inclusion_verify(&inclusion, &head, NULL) != ROTOR_OK || inclusion.index != index ||
            test_load_u64(inclusion.leaf.bytes + 8) >= WRITERS) {
            report(a, "a bad proof of leaf %" PRIu64 " of %" PRIu64, index, now.size);
        }
        if (!answered(a, rotor_snapshot_at(&now, &past, index + 1), "rotor_snapshot_at") ||
            !answered(a, rotor_consistency_prove(&now, &consistency, index + 1), "rotor_consistency_prove")) {
            continue;
        }
        rotor_tree_head old = {past.edge[past.depth], past.size, ARITY, ROTOR_HASH_BLAKE3};
        if (rotor_consistency_verify(&consistency, &old, &head) != ROTOR_OK) {
            report(a, "a bad consistency proof from %" PRIu64 " to %" PRIu64, index + 1, now.size);
        }
        atomic_fetch_add_explicit(&a->proofs, 1, memory_order_relaxed);
    }
    rotor_inclusion_proof_free(&inclusion);
    rotor_consistency_proof_free(&consistency);
    return NULL;
}

static void *poll_statistics(void *argument) {
    worker *w = argument;
    arena *a = w->arena;
    rotor_statistics before = {0};
    while (atomic_load(&a->writing) > 0 && !atomic_load(&a->stop)) {
        rotor_statistics now;
        if (!went_well(a, rotor_stat(a->tree, &now), "rotor_stat") ||
            !went_well(a, rotor_failure(a->tree, NULL), "rotor_failure")) {
            break;
        }
        if (now.generation < before.generation || now.syncs < before.syncs ||
            now.written_bytes < before.written_bytes) {
            report(a, "a counter went back");
        }
        if (!a->truncates && (now.durable_size < before.durable_size || now.checkpointed_size > now.durable_size ||
                              now.checkpointed_size < before.checkpointed_size)) {
            report(a, "%" PRIu64 " durable, %" PRIu64 " checkpointed; before, %" PRIu64 " and %" PRIu64,
                   now.durable_size, now.checkpointed_size, before.durable_size, before.checkpointed_size);
        }
        before = now;
        sched_yield();
    }
    return NULL;
}

/* ---------------------------------------------------------------- the history that the tokens tell */

static int event_order(const void *first, const void *second) {
    const event *a = first;
    const event *b = second;
    if (a->epoch != b->epoch) {
        return a->epoch < b->epoch ? -1 : 1;
    }
    if ((a->count == 0) != (b->count == 0)) {
        return a->count == 0 ? -1 : 1; /* a truncation begins an epoch */
    }
    return a->size < b->size ? -1 : a->size > b->size;
}

typedef struct story {
    rotor_hash *leaves;
    uint64_t size;
    uint64_t capacity;
} story;

static void extend(story *s, uint64_t size) {
    if (size > s->capacity) {
        s->capacity = 2 * size;
        s->leaves = realloc(s->leaves, s->capacity * sizeof *s->leaves);
        assert_non_null(s->leaves);
    }
    s->size = size;
}

/* At the end of an epoch the story holds every state of it, as its beginnings. */
static void explain(story *s, uint64_t epoch, uint64_t least, sighting *seen, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bool then = epoch >= seen[i].least_epoch && epoch <= seen[i].most_epoch;
        bool fits = seen[i].size >= least && seen[i].size <= s->size;
        seen[i].explained =
            seen[i].explained ||
            (then && fits && memcmp(seen[i].leaves, s->leaves, seen[i].size * sizeof *seen[i].leaves) == 0);
    }
}

/* Replays all events upon what was there before. Without gaps, each is where the one before ends. */
static void replay(story *s, const arena *a, const ledger *all, sighting *seen, size_t seen_count) {
    uint64_t epoch = a->first_epoch;
    uint64_t least = s->size;
    for (size_t i = 0; i < all->count; i++) {
        const event *e = &all->events[i];
        if (e->epoch != epoch) {
            explain(s, epoch, least, seen, seen_count);
            expect(e->count == 0 && e->size <= s->size, "epoch %" PRIu64 " does not begin with a truncation", e->epoch);
            epoch = e->epoch;
            least = e->size;
        }
        if (e->count == 0) {
            s->size = e->size;
            continue;
        }
        uint64_t first = s->size;
        expect(e->size - e->count == first, "writer %" PRIu64 " inserted at %" PRIu64 ", not at %" PRIu64, e->writer,
               e->size - e->count, first);
        extend(s, e->size);
        for (uint64_t k = 0; k < e->count; k++) {
            s->leaves[first + k] = leaf_of(a->life, e->writer, e->number + k);
        }
    }
    explain(s, epoch, least, seen, seen_count);
}

/* Without truncations: each writer's leaves in their order, every one of them once. */
static void expect_orders(const arena *a, const rotor_hash *leaves, uint64_t first, uint64_t size,
                          const worker *writers) {
    uint64_t next[WRITERS] = {0};
    for (uint64_t i = first; i < size; i++) {
        uint64_t writer = test_load_u64(leaves[i].bytes + 8);
        expect(writer < WRITERS, "leaf %" PRIu64, i);
        rotor_hash wanted = leaf_of(a->life, writer, next[writer]++);
        expect(test_same_hash(&leaves[i], &wanted), "leaf %" PRIu64 " of writer %" PRIu64, i, writer);
    }
    for (size_t w = 0; w < WRITERS; w++) {
        const ledger *l = &writers[w].ledger;
        uint64_t made = 0;
        for (size_t i = 0; i < l->count; i++) {
            made += l->events[i].count;
        }
        expect(next[w] == made, "writer %zu: %" PRIu64 " leaves of %" PRIu64, w, next[w], made);
    }
}

/* ---------------------------------------------------------------- a life */

#define OTHERS 6

static void run_threads(arena *a, worker writers[WRITERS], worker others[OTHERS]) {
    static void *(*const bodies[OTHERS])(void *) = {
        read_proofs, read_proofs, poll_statistics, checkpoint_now_and_then, back_up_now_and_then, truncate_now_and_then,
    };
    pthread_t threads[WRITERS + OTHERS];
    size_t count = OTHERS - (a->truncates ? 0 : 1);
    atomic_store(&a->writing, WRITERS);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (worker){.arena = a, .number = i, .random = {a->scene->seed + i + 10 * a->life}};
        /* Whoever has no token cannot tell where a truncation met its leaves. */
        bool durably = !a->truncates && i % 2 == 1;
        assert_int_equal(pthread_create(&threads[i], NULL, durably ? write_durably : write_leaves, &writers[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        others[i] = (worker){.arena = a, .number = i, .random = {a->scene->seed * 3 + i + 10 * a->life}};
        assert_int_equal(pthread_create(&threads[WRITERS + i], NULL, bodies[i], &others[i]), 0);
    }
    for (size_t i = 0; i < WRITERS + count; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    expect(!a->failed, "seed %" PRIu64 ", life %" PRIu64 ": %s", a->scene->seed, a->life, a->failure);
}

/* The directory as it is while the tree is open, which is what the crash of the process would leave. */
static void look_at_crash(arena *a, sighting *seen, uint64_t epoch) {
    char path[FOLDER_PATH + 60];
    (void)snprintf(path, sizeof path, "%s/crashed", a->scene->folder);
    folder_copy(path, a->scene->path);
    expect(look_at(a, path, seen), "%s", a->failure);
    seen->least_epoch = 0;
    seen->most_epoch = epoch;
    folder_remove(path);
}

/* All that the workers wrote down, and the last moment of it that was durable. */
static ledger gather(const worker writers[WRITERS], const worker others[OTHERS], rotor_token *durable) {
    ledger all = {.events = NULL};
    *durable = (rotor_token){.epoch = 0, .size = 0};
    for (size_t w = 0; w < WRITERS + OTHERS; w++) {
        const ledger *from = w < WRITERS ? &writers[w].ledger : &others[w - WRITERS].ledger;
        for (size_t i = 0; i < from->count; i++) {
            const event *e = &from->events[i];
            const rotor_token token = {e->epoch, e->size};
            *add_event(&all, &token, e->count, e->writer, e->number) = *e;
            if (e->durable && rotor_token_order(&token, durable) > 0) {
                *durable = token;
            }
        }
    }
    return all;
}

static void live(store_scene *scene, story *told, uint64_t number, bool truncates) {
    arena a = {.scene = scene, .life = number, .truncates = truncates, .mutex = PTHREAD_MUTEX_INITIALIZER};
    a.rounds = test_env_number("ROTOR_STRESS_ROUNDS", test_scaled(400));
    worker writers[WRITERS];
    worker others[OTHERS] = {{.arena = NULL}};
    uint64_t before = told->size;
    rotor_snapshot end;
    store_open(scene);
    if (number == 1) {
        scene->tree->store->many_waiters = 2; /* callers step back before they sleep */
    }
    a.tree = scene->tree;
    expect(rotor_size(a.tree) == before, "%" PRIu64 " leaves, not %" PRIu64, rotor_size(a.tree), before);
    expect_ok(rotor_snapshot_take(a.tree, &end), "snapshot");
    a.first_epoch = end.epoch;
#ifdef ROTOR_CANARY_NO_LOCK
    leave_out(&a.tree->writer);
#endif
    run_threads(&a, writers, others);
    expect_ok(rotor_snapshot_take(a.tree, &end), "snapshot");
    expect(!truncates || end.epoch > a.first_epoch, "nothing was cut");

    sighting crash = {.leaves = NULL};
    look_at_crash(&a, &crash, end.epoch);
    rotor_token durable;
    ledger all = gather(writers, others, &durable);
    crash.least_epoch = durable.epoch;
    rotor_hash *leaves = test_alloc(end.size, sizeof *leaves);
    expect_ok(rotor_snapshot_nodes(&end, leaves, end.size, 0, 0), "leaves");
    if (truncates) {
        qsort(all.events, all.count, sizeof *all.events, event_order);
        replay(told, &a, &all, a.backups, a.backup_count);
        expect(told->size == end.size && memcmp(told->leaves, leaves, end.size * sizeof *leaves) == 0,
               "seed %" PRIu64 ": %" PRIu64 " leaves, not the %" PRIu64 " that were inserted", scene->seed, end.size,
               told->size);
        /* Within the durable epoch not less than was durable. */
        expect(crash.size >= durable.size || end.epoch > durable.epoch, "%" PRIu64 " leaves of %" PRIu64 " durable",
               crash.size, durable.size);
        told->size = before;
        replay(told, &a, &all, &crash, 1);
    } else {
        extend(told, end.size);
        memcpy(told->leaves + before, leaves + before, (end.size - before) * sizeof *leaves);
        expect_orders(&a, told->leaves, before, end.size, writers);
        expect(memcmp(told->leaves, leaves, end.size * sizeof *leaves) == 0, "leaves of an earlier life have changed");
        explain(told, a.first_epoch, before, a.backups, a.backup_count);
        expect(crash.size >= durable.size, "%" PRIu64 " leaves of %" PRIu64 " durable", crash.size, durable.size);
        explain(told, a.first_epoch, before, &crash, 1);
    }
    expect(crash.explained, "seed %" PRIu64 ": a crash would have left %" PRIu64 " leaves that never were so",
           scene->seed, crash.size);
    for (size_t i = 0; i < a.backup_count; i++) {
        expect(a.backups[i].explained, "seed %" PRIu64 ": backup %zu of %" PRIu64 " leaves was never so", scene->seed,
               i, a.backups[i].size);
        free(a.backups[i].leaves);
    }
    expect(a.backup_count == MOST_BACKUPS && atomic_load(&a.proofs) > 0 && atomic_load(&a.checkpoints) >= 3,
           "too little has happened");
    free(crash.leaves);
    free(leaves);
    free(all.events);
    for (size_t w = 0; w < WRITERS + OTHERS; w++) {
        free(w < WRITERS ? writers[w].ledger.events : others[w - WRITERS].ledger.events);
    }
    pthread_mutex_destroy(&a.mutex);
    store_close(scene);
}

static void expect_told(store_scene *scene, const story *told) {
    rotor_hash *leaves = test_alloc(told->size, sizeof *leaves);
    rotor_snapshot snapshot;
    rotor_options options = scene->options;
    scene->options.verify_at_open = ROTOR_VERIFY_FULL;
    store_open(scene);
    scene->options = options;
    expect_ok(rotor_snapshot_take(scene->tree, &snapshot), "snapshot");
    expect(snapshot.size == told->size, "%" PRIu64 " leaves, not %" PRIu64, snapshot.size, told->size);
    expect_ok(rotor_snapshot_nodes(&snapshot, leaves, told->size, 0, 0), "leaves");
    assert_memory_equal(leaves, told->leaves, told->size * sizeof *leaves);
    rotor_hash wanted = test_root_of(ARITY, leaves, told->size, test_portable());
    expect(test_same_hash(&snapshot.edge[snapshot.depth], &wanted), "root");
    free(leaves);
    store_close(scene);
}

static void run_lives(uint64_t seed, bool truncates, void (*choose)(store_scene *scene, uint64_t life)) {
    store_scene scene;
    story told = {.leaves = NULL};
    store_begin(&scene, seed, ARITY);
    scene.options.threads = 2;
    scene.options.parallel_threshold = 64;
    scene.options.task_nodes = 64;
    scene.setup =
        (rotor_store_setup){.os = rotor_os_system(), .shard_bits = 14, .extent_leaves = 512, .segment_bytes = 1 << 19};
    extend(&told, 1);
    told.size = 0;
    for (uint64_t life = 0; life < 3; life++) {
        choose(&scene, life);
        live(&scene, &told, life, truncates);
        expect_told(&scene, &told);
    }
    free(told.leaves);
    store_end(&scene);
}

/* The tree does everything by itself. */
static void by_itself(store_scene *scene, uint64_t life) {
    scene->options.flush_interval_ms = life == 2 ? 10 : 1;
    scene->options.checkpoint_leaves = 2000 + 1500 * life;
    scene->options.checkpoint_on_close = life == 1;
    scene->options.pin_above_level = life == 1 ? 2 : ROTOR_MAX_DEPTH + 1;
}

/* Whoever waits writes. Inserts are held up by checkpoints that are due. */
static void by_hand(store_scene *scene, uint64_t life) {
    scene->options.flush_interval_ms = ROTOR_MANUAL;
    scene->options.checkpoint_leaves = 0;
    scene->options.checkpoint_bytes = life == 1 ? 0 : (uint64_t)128 << 10;
    scene->options.checkpoint_on_close = life == 0;
}

static void growing(void **state) {
    (void)state;
    run_lives(301, false, by_itself);
}

static void growing_by_hand(void **state) {
    (void)state;
    run_lives(302, false, by_hand);
}

static void growing_and_cut(void **state) {
    (void)state;
    run_lives(303, true, by_itself);
}

static void growing_and_cut_by_hand(void **state) {
    (void)state;
    run_lives(304, true, by_hand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growing),
        cmocka_unit_test(growing_by_hand),
        cmocka_unit_test(growing_and_cut),
        cmocka_unit_test(growing_and_cut_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
