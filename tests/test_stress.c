/* Readers and writers at once; made for ThreadSanitizer. Every proof that a reader gets is verified against the
 * snapshot that it came from, so an answer mixed from before and after a truncation is a bad proof. Runs are bounded by
 * counts of work, never by time: ROTOR_STRESS_ROUNDS sets how often each reader must have looked. */
#include "support.h"

#include "tree/tree.h"
#include "tree/view.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#ifdef ROTOR_CANARY_NO_LOCK
#include "canary/no_lock.h"
#endif

#define MAX_DEPTH 24
#define READERS 3
#define WRITERS 4
#define HELD 6
#define STRETCH 4080

typedef struct arena {
    rotor_tree *tree;
    uint32_t arity;
    bool indexed;   /* the leaf at index i says that it is number i */
    uint64_t quota; /* of looks, for each reader */
    _Atomic uint32_t satisfied;
    _Atomic bool stop;
    pthread_mutex_t mutex;
    bool failed;
    char failure[300];
    _Atomic uint64_t inclusions;
    _Atomic uint64_t consistencies;
    _Atomic uint64_t pasts;
    _Atomic uint64_t groups;
    _Atomic uint64_t stretches;
    _Atomic uint64_t stale;
    _Atomic uint64_t overtaken; /* became stale between the first and the last word that was read */
} arena;

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

/* Reading may fail for one reason only. */
static bool answered(arena *a, rotor_status status, const char *call) {
    if (status == ROTOR_OK) {
        return true;
    }
    if (status == ROTOR_STALE) {
        atomic_fetch_add_explicit(&a->stale, 1, memory_order_relaxed);
    } else {
        report(a, "%s: %s", call, rotor_status_name(status));
    }
    return false;
}

static rotor_hash numbered_leaf(uint64_t index, uint64_t serial) {
    rotor_hash leaf = test_random_leaf(serial, index);
    test_store_u64(leaf.bytes, index);
    test_store_u64(leaf.bytes + 8, serial);
    return leaf;
}

/* What the snapshot itself says that its head is, without asking whether it is stale. */
static rotor_tree_head head_of(const rotor_snapshot *snapshot, uint32_t arity) {
    rotor_tree_head head = {snapshot->edge[snapshot->depth], snapshot->size, arity, ROTOR_HASH_BLAKE3};
    return head;
}

/* ---------------------------------------------------------------- what a reader verifies */

static bool inclusion_is_right(const rotor_snapshot *snapshot, uint32_t arity, const rotor_inclusion_proof *proof,
                               uint64_t index, bool indexed) {
    rotor_tree_head head = head_of(snapshot, arity);
    return proof->index == index && (!indexed || test_load_u64(proof->leaf.bytes) == index) &&
           rotor_inclusion_verify(proof, &head, NULL) == ROTOR_OK;
}

static void read_inclusion(arena *a, const rotor_snapshot *snapshot, rotor_inclusion_proof *proof, uint64_t index,
                           _Atomic uint64_t *counter) {
    bool valid_before = rotor_snapshot_check(snapshot) == ROTOR_OK;
    if (!answered(a, rotor_inclusion_prove(snapshot, proof, index), "rotor_inclusion_prove")) {
        a->overtaken += valid_before;
        return;
    }
    if (inclusion_is_right(snapshot, a->arity, proof, index, a->indexed)) {
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
    } else {
        report(a, "a bad proof of leaf %" PRIu64 " of %" PRIu64, index, snapshot->size);
    }
}

static void read_consistency(arena *a, const rotor_snapshot *snapshot, rotor_consistency_proof *proof,
                             uint64_t old_size) {
    rotor_snapshot old;
    if (!answered(a, rotor_snapshot_at(snapshot, &old, old_size), "rotor_snapshot_at") ||
        !answered(a, rotor_consistency_prove(snapshot, proof, old_size), "rotor_consistency_prove")) {
        return;
    }
    rotor_tree_head old_head = head_of(&old, a->arity);
    rotor_tree_head head = head_of(snapshot, a->arity);
    if (rotor_consistency_verify(proof, &old_head, &head) == ROTOR_OK) {
        atomic_fetch_add_explicit(&a->consistencies, 1, memory_order_relaxed);
    } else {
        report(a, "a bad consistency proof from %" PRIu64 " to %" PRIu64, old_size, snapshot->size);
    }
}

/* A group of siblings and the node above it. */
static void read_group(arena *a, const rotor_snapshot *snapshot, test_random *random) {
    rotor_hash children[ROTOR_MAX_ARITY];
    rotor_hash parent;
    uint64_t length = 0;
    if (snapshot->depth == 0) {
        return;
    }
    uint32_t level = (uint32_t)test_below(random, snapshot->depth);
    if (!answered(a, rotor_snapshot_level_length(snapshot, &length, level), "rotor_snapshot_level_length")) {
        return;
    }
    uint64_t index = test_below(random, 2) != 0 ? length - 1 : test_below(random, length);
    uint64_t first = index / a->arity * a->arity;
    uint64_t width = length - first < a->arity ? length - first : a->arity;
    if (!answered(a, rotor_snapshot_nodes(snapshot, children, width, level, first), "rotor_snapshot_nodes") ||
        !answered(a, rotor_snapshot_nodes(snapshot, &parent, 1, level + 1, first / a->arity), "rotor_snapshot_nodes")) {
        return;
    }
    rotor_hash expected = model_hash(children, width);
    if (test_same_hash(&parent, &expected)) {
        atomic_fetch_add_explicit(&a->groups, 1, memory_order_relaxed);
    } else {
        report(a, "node (%u, %" PRIu64 ") of %" PRIu64 " leaves is not the hash of its children", level + 1,
               first / a->arity, snapshot->size);
    }
}

typedef struct reader {
    arena *arena;
    test_random random;
    rotor_hash *stretch; /* STRETCH nodes, one before them that kernels may read, and their parents */
    rotor_snapshot held[HELD];
    rotor_inclusion_proof inclusion;
    rotor_consistency_proof consistency;
} reader;

/* Near the end, where truncations cut, or anywhere. */
static uint64_t some_index(test_random *random, uint64_t size) {
    uint64_t back = test_below(random, test_below(random, 2) != 0 ? size : size < 60 ? size : 60);
    return size - 1 - back;
}

/* Thousands of leaves in one call: long enough that a truncation often comes in the middle. */
static void read_stretch(reader *r, const rotor_snapshot *snapshot) {
    arena *a = r->arena;
    uint64_t groups = STRETCH / a->arity;
    uint64_t complete = snapshot->size / a->arity;
    if (complete == 0) {
        return;
    }
    groups = groups < complete ? groups : complete;
    uint64_t first = complete - groups;
    rotor_hash *leaves = r->stretch + 1;
    rotor_hash *parents = leaves + STRETCH;
    rotor_hash *expected = parents + STRETCH;
    bool valid_before = rotor_snapshot_check(snapshot) == ROTOR_OK;
    if (!answered(a, rotor_snapshot_nodes(snapshot, leaves, groups * a->arity, 0, first * a->arity), "leaves")) {
        a->overtaken += valid_before;
        return;
    }
    if (!answered(a, rotor_snapshot_nodes(snapshot, parents, groups, 1, first), "parents")) {
        return;
    }
    rotor_view_hasher(snapshot)->hash_groups(expected[0].bytes, leaves[0].bytes, groups, a->arity);
    if (memcmp(parents, expected, groups * sizeof *parents) != 0) {
        report(a, "leaves from %" PRIu64 " of %" PRIu64 " do not hash to their parents", first * a->arity,
               snapshot->size);
    }
    for (uint64_t i = 0; a->indexed && i < groups * a->arity; i++) {
        if (test_load_u64(leaves[i].bytes) != first * a->arity + i) {
            report(a, "leaf %" PRIu64 " of %" PRIu64 " is another", first * a->arity + i, snapshot->size);
        }
    }
    atomic_fetch_add_explicit(&a->stretches, 1, memory_order_relaxed);
}

static void look_through(reader *r, const rotor_snapshot *snapshot) {
    arena *a = r->arena;
    if (snapshot->size == 0) {
        return;
    }
    rotor_snapshot past;
    switch (test_below(&r->random, 5)) {
    case 0:
        read_inclusion(a, snapshot, &r->inclusion, some_index(&r->random, snapshot->size), &a->inclusions);
        break;
    case 1:
        read_consistency(a, snapshot, &r->consistency, 1 + some_index(&r->random, snapshot->size));
        break;
    case 2:
        if (answered(a, rotor_snapshot_at(snapshot, &past, 1 + some_index(&r->random, snapshot->size)), "at")) {
            read_inclusion(a, &past, &r->inclusion, some_index(&r->random, past.size), &a->pasts);
        }
        break;
    case 3:
        read_group(a, snapshot, &r->random);
        break;
    default:
        read_stretch(r, snapshot);
    }
}

/* The calls on the present tree, each an answer of one moment. */
static void look_at_present(reader *r) {
    arena *a = r->arena;
    rotor_hash hash;
    rotor_tree_head head;
    uint64_t length;
    rotor_status status = ROTOR_OK;
    switch (test_below(&r->random, 6)) {
    case 0:
        status = rotor_root(a->tree, &hash);
        break;
    case 1:
        status = rotor_head(a->tree, &head);
        break;
    case 2:
        status = rotor_node(a->tree, &hash, 0, 0);
        break;
    case 3:
        status = rotor_level_length(a->tree, &length, 0);
        break;
    case 4:
        (void)rotor_memory_bytes(a->tree);
        break;
    default:
        (void)rotor_size(a->tree);
        (void)rotor_depth(a->tree);
    }
    if (status != ROTOR_OK && status != ROTOR_EMPTY_TREE && status != ROTOR_OUT_OF_RANGE) {
        report(a, "a look at the present tree: %s", rotor_status_name(status));
    }
}

static void *read_all_along(void *argument) {
    reader *r = argument;
    arena *a = r->arena;
    bool satisfied = false;
    uint64_t looks = 0;
    while (!atomic_load(&a->stop)) {
        rotor_snapshot snapshot;
        rotor_status status = test_below(&r->random, 3) == 0 ? rotor_snapshot_take_latest(a->tree, &snapshot)
                                                             : rotor_snapshot_take(a->tree, &snapshot);
        if (status != ROTOR_OK) {
            report(a, "taking a snapshot: %s", rotor_status_name(status));
            break;
        }
        for (int i = 0; i < 3; i++) {
            look_through(r, &snapshot);
            /* One that is stale stays so; it has had its use then. */
            rotor_snapshot *held = &r->held[test_below(&r->random, HELD)];
            bool was_stale = rotor_snapshot_check(held) == ROTOR_STALE;
            look_through(r, held);
            if (was_stale && rotor_snapshot_check(held) != ROTOR_STALE) {
                report(a, "a stale snapshot of %" PRIu64 " leaves came to life", held->size);
            }
            if (was_stale || test_below(&r->random, 50) == 0) {
                *held = snapshot;
            }
        }
        look_at_present(r);
        looks += 6;
        if (!satisfied && looks >= a->quota) {
            satisfied = true;
            atomic_fetch_add(&a->satisfied, 1);
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- one that inserts and truncates */

typedef struct writer {
    arena *arena;
    test_random random;
    rotor_hash *leaves; /* what the tree must hold */
    uint64_t size;
    uint64_t limit;
    uint64_t serial;
} writer;

static void grow(writer *w, uint64_t count) {
    rotor_hash root;
    count = count < w->limit - w->size ? count : w->limit - w->size;
    if (count == 0) {
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        w->leaves[w->size + i] = numbered_leaf(w->size + i, w->serial);
    }
    w->serial++;
    rotor_hash *output = test_below(&w->random, 2) != 0 ? &root : NULL;
    rotor_status status = count == 1 ? rotor_insert(w->arena->tree, output, NULL, &w->leaves[w->size])
                                     : rotor_insert_many(w->arena->tree, output, NULL, w->leaves + w->size, count);
    if (status != ROTOR_OK) {
        report(w->arena, "inserting: %s", rotor_status_name(status));
    }
    w->size += count;
}

static void cut(writer *w) {
    uint64_t size;
    switch (test_below(&w->random, 20)) {
    case 0:
        size = 0;
        break;
    case 1:
    case 2:
    case 3:
        size = test_below(&w->random, w->size + 1);
        break;
    default:
        size = w->size - test_below(&w->random, w->size < 60 ? w->size + 1 : 60);
    }
    rotor_status status = rotor_truncate(w->arena->tree, NULL, size);
    if (status != ROTOR_OK) {
        report(w->arena, "truncating: %s", rotor_status_name(status));
    }
    w->size = size;
}

static void write_until_readers_are_satisfied(writer *w) {
    arena *a = w->arena;
    uint64_t steps = 0;
    while (!atomic_load(&a->stop) && (steps < a->quota / 10 || atomic_load(&a->satisfied) < READERS)) {
        uint64_t kind = test_below(&w->random, 40);
        if (kind < 12) {
            grow(w, 1);
        } else if (kind < 25) {
            grow(w, 1 + test_below(&w->random, 90));
        } else if (kind == 25) {
            grow(w, w->limit / 4);
        } else if (kind == 26) {
            (void)!rotor_set_parallel(a->tree, 1 + test_below(&w->random, 500), test_below(&w->random, 3000));
        } else {
            cut(w);
        }
        /* On few processors the readers need their turns between truncations. */
        if (steps++ % 16 == 0) {
            (void)sched_yield();
        }
    }
    atomic_store(&a->stop, true);
}

static void init_arena(arena *a, uint32_t arity, uint64_t quota) {
    rotor_options options;
    rotor_options_init(&options, arity, MAX_DEPTH);
    options.threads = 3;
    options.parallel_threshold = 100;
    options.task_nodes = 500;
    memset(a, 0, sizeof *a);
    a->tree = test_create_with(&options);
    a->arity = arity;
    a->quota = test_env_number("ROTOR_STRESS_ROUNDS", quota);
    assert_int_equal(pthread_mutex_init(&a->mutex, NULL), 0);
#ifdef ROTOR_CANARY_NO_LOCK
    leave_out(&a->tree->writer);
#endif
}

static void end_arena(arena *a) {
    rotor_close(a->tree, NULL);
    assert_int_equal(pthread_mutex_destroy(&a->mutex), 0);
    if (a->failed) {
        fail_msg("arity %u: %s", a->arity, a->failure);
    }
}

static void start_readers(arena *a, reader *readers, pthread_t *threads, uint64_t seed) {
    for (size_t i = 0; i < READERS; i++) {
        memset(&readers[i], 0, sizeof readers[i]);
        readers[i].arena = a;
        readers[i].random.state = seed + i;
        readers[i].stretch = test_alloc(1 + 3 * STRETCH, sizeof *readers[i].stretch);
        for (size_t h = 0; h < HELD; h++) {
            expect_ok(rotor_snapshot_take(a->tree, &readers[i].held[h]), "held");
        }
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_along, &readers[i]), 0);
    }
}

static void join_readers(reader *readers, const pthread_t *threads) {
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        free(readers[i].stretch);
        rotor_inclusion_proof_free(&readers[i].inclusion);
        rotor_consistency_proof_free(&readers[i].consistency);
    }
}

static void readers_against_a_writer_that_truncates(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 4, 7, 33};
    for (size_t i = 0; i < sizeof arities / sizeof arities[0]; i++) {
        arena a;
        reader readers[READERS];
        pthread_t threads[READERS];
        init_arena(&a, arities[i], test_scaled(20000));
        a.indexed = true;
        writer w = {.arena = &a, .random = {test_seed(400 + i)}, .limit = 12000};
        w.leaves = test_alloc(w.limit, sizeof *w.leaves);
        start_readers(&a, readers, threads, test_seed(410 + 10 * i));
        write_until_readers_are_satisfied(&w);
        join_readers(readers, threads);
        if (!a.failed) {
            test_expect_leaves(a.tree, w.leaves, w.size, "after the stress");
            print_message("arity %u: %" PRIu64 " inclusion, %" PRIu64 " consistency, %" PRIu64 " past, %" PRIu64
                          " groups, %" PRIu64 " stretches; %" PRIu64 " stale, %" PRIu64 " of them in the act\n",
                          a.arity, a.inclusions, a.consistencies, a.pasts, a.groups, a.stretches, a.stale, a.overtaken);
            assert_true(a.inclusions > 0 && a.consistencies > 0 && a.pasts > 0 && a.groups > 0 && a.stretches > 0);
            assert_true(a.stale > 0);
        }
        free(w.leaves);
        end_arena(&a);
    }
}

/* ---------------------------------------------------------------- several that insert */

typedef struct inserted {
    uint32_t writer;
    uint64_t first; /* number among the leaves of that writer */
    uint64_t count;
    bool with_root;
    rotor_hash root;
} inserted;

typedef struct inserter {
    arena *arena;
    test_random random;
    uint32_t number;
    uint64_t leaves;
    inserted *calls;
    size_t call_count;
} inserter;

static rotor_hash leaf_of_writer(uint32_t number, uint64_t i) {
    rotor_hash leaf = test_random_leaf(number, i);
    test_store_u64(leaf.bytes, number);
    test_store_u64(leaf.bytes + 8, i);
    return leaf;
}

static void *insert_all(void *argument) {
    enum { MOST = 700 };
    inserter *w = argument;
    rotor_hash *batch = calloc(MOST, sizeof *batch);
    for (uint64_t done = 0; batch != NULL && done < w->leaves;) {
        uint64_t count = test_below(&w->random, 3) != 0 ? 1 : 1 + test_below(&w->random, MOST);
        count = count < w->leaves - done ? count : w->leaves - done;
        for (uint64_t i = 0; i < count; i++) {
            batch[i] = leaf_of_writer(w->number, done + i);
        }
        inserted *call = &w->calls[w->call_count++];
        *call = (inserted){.writer = w->number, .first = done, .count = count};
        call->with_root = test_below(&w->random, 3) == 0;
        rotor_hash *root = call->with_root ? &call->root : NULL;
        rotor_status status = count == 1 ? rotor_insert(w->arena->tree, root, NULL, batch)
                                         : rotor_insert_many(w->arena->tree, root, NULL, batch, count);
        if (status != ROTOR_OK) {
            report(w->arena, "writer %u: %s", w->number, rotor_status_name(status));
            break;
        }
        done += count;
    }
    free(batch);
    return NULL;
}

/* Every call's leaves lie together, in order, and a root that it returned is that of the tree that ended with them. */
static void expect_call(const rotor_snapshot *end, const rotor_hash *order, const uint64_t *place,
                        const inserted *call) {
    uint64_t first = place[call->first];
    for (uint64_t i = 0; i < call->count; i++) {
        rotor_hash leaf = leaf_of_writer(call->writer, call->first + i);
        expect(first + i < end->size && test_same_hash(&order[first + i], &leaf),
               "leaf %" PRIu64 " of writer %u does not follow the others of its call", call->first + i, call->writer);
    }
    if (call->with_root) {
        rotor_snapshot then;
        rotor_tree_head head;
        expect_ok(rotor_snapshot_at(end, &then, first + call->count), "writer %u", call->writer);
        expect_ok(rotor_snapshot_head(&then, &head), "writer %u", call->writer);
        expect(test_same_hash(&head.root, &call->root), "writer %u: the root of %" PRIu64 " leaves", call->writer,
               first + call->count);
    }
}

static void expect_every_leaf_once(arena *a, const inserter *writers, uint64_t each) {
    uint64_t total = WRITERS * each;
    assert_int_equal(rotor_size(a->tree), total);
    rotor_hash *order = test_alloc(total, sizeof *order);
    rotor_snapshot end;
    expect_ok(rotor_snapshot_take(a->tree, &end), "the end");
    assert_int_equal(end.size, total);
    expect_ok(rotor_snapshot_nodes(&end, order, total, 0, 0), "all leaves");
    uint64_t *places = test_alloc(total, sizeof *places);
    uint64_t next[WRITERS] = {0};
    for (uint64_t i = 0; i < total; i++) {
        uint64_t number = test_load_u64(order[i].bytes);
        expect(number < WRITERS, "leaf %" PRIu64 " is nobody's", i);
        rotor_hash leaf = leaf_of_writer((uint32_t)number, next[number]);
        expect(test_same_hash(&order[i], &leaf), "leaf %" PRIu64 " is not the next of writer %" PRIu64, i, number);
        places[number * each + next[number]++] = i;
    }
    for (uint32_t k = 0; k < WRITERS; k++) {
        expect(next[k] == each, "writer %u: %" PRIu64 " leaves", k, next[k]);
        for (size_t c = 0; c < writers[k].call_count; c++) {
            expect_call(&end, order, places + k * each, &writers[k].calls[c]);
        }
    }
    test_levels levels;
    test_levels_build(&levels, a->arity, order, total, test_portable());
    test_expect_snapshot(&end, &levels, "the final order");
    test_levels_free(&levels);
    free(places);
    free(order);
}

static void several_writers_at_once(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 5, 8};
    uint64_t each = 200 + test_scaled(20000);
    for (size_t i = 0; i < sizeof arities / sizeof arities[0]; i++) {
        arena a;
        reader readers[READERS];
        pthread_t reader_threads[READERS];
        inserter writers[WRITERS];
        pthread_t writer_threads[WRITERS];
        init_arena(&a, arities[i], UINT64_MAX);
        start_readers(&a, readers, reader_threads, test_seed(500 + 10 * i));
        for (uint32_t k = 0; k < WRITERS; k++) {
            writers[k] = (inserter){.arena = &a, .random = {test_seed(600 + 10 * i + k)}, .number = k, .leaves = each};
            writers[k].calls = test_alloc(each, sizeof *writers[k].calls);
            assert_int_equal(pthread_create(&writer_threads[k], NULL, insert_all, &writers[k]), 0);
        }
        for (uint32_t k = 0; k < WRITERS; k++) {
            assert_int_equal(pthread_join(writer_threads[k], NULL), 0);
        }
        atomic_store(&a.stop, true);
        join_readers(readers, reader_threads);
        if (!a.failed) {
            expect_every_leaf_once(&a, writers, each);
            /* Nothing was truncated. */
            assert_int_equal(a.stale, 0);
        }
        for (uint32_t k = 0; k < WRITERS; k++) {
            free(writers[k].calls);
        }
        end_arena(&a);
    }
}

/* ---------------------------------------------------------------- the canary */

/* Makes an inclusion proof as the library does, but never asks whether the snapshot has become stale. */
static void prove_without_asking(const rotor_snapshot *snapshot, uint32_t arity, rotor_inclusion_proof *proof,
                                 rotor_hash *siblings, uint64_t index) {
    rotor_radix radix = rotor_view_radix(snapshot);
    uint64_t length = snapshot->size;
    uint64_t own = index;
    memset(proof, 0, sizeof *proof);
    proof->head = head_of(snapshot, arity);
    proof->index = index;
    proof->siblings = siblings;
    rotor_view_copy(snapshot, &proof->leaf, 1, 0, index);
    for (uint32_t level = 0; level < snapshot->depth; level++) {
        rotor_group group = rotor_shape_group(radix, length, own);
        for (uint32_t i = 0; i < group.width; i++) {
            if (i != group.position) {
                rotor_view_copy(snapshot, &siblings[proof->sibling_count++], 1, level, group.start + i);
            }
        }
        own = rotor_radix_div(radix, own);
        length = rotor_radix_ceil(radix, length);
    }
}

/* Were the library to leave out the look for truncations, the readers above would find bad proofs. */
static void a_mixed_answer_would_be_noticed(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 16};
    enum { SIZE = 600, CUT = 200 };
    rotor_hash *siblings = test_alloc((size_t)ROTOR_MAX_DEPTH * ROTOR_MAX_ARITY, sizeof *siblings);
    for (size_t i = 0; i < sizeof arities / sizeof arities[0]; i++) {
        rotor_tree *tree = test_create(arities[i], MAX_DEPTH);
        rotor_inclusion_proof proof;
        rotor_snapshot snapshot;
        for (uint64_t k = 0; k < SIZE; k++) {
            rotor_hash leaf = numbered_leaf(k, 1);
            expect_ok(rotor_insert(tree, NULL, NULL, &leaf), "insert");
        }
        expect_ok(rotor_snapshot_take(tree, &snapshot), "take");
        for (uint64_t k = 0; k < SIZE; k++) {
            prove_without_asking(&snapshot, arities[i], &proof, siblings, k);
            expect(inclusion_is_right(&snapshot, arities[i], &proof, k, true), "before the cut: leaf %" PRIu64, k);
        }
        expect_ok(rotor_truncate(tree, NULL, CUT), "truncate");
        for (uint64_t k = CUT; k < SIZE; k++) {
            rotor_hash leaf = numbered_leaf(k, 2);
            expect_ok(rotor_insert(tree, NULL, NULL, &leaf), "insert");
        }
        rotor_hash root;
        expect_ok(rotor_root(tree, &root), "root");
        uint64_t bad = 0;
        for (uint64_t k = 0; k < SIZE; k++) {
            prove_without_asking(&snapshot, arities[i], &proof, siblings, k);
            bad += !inclusion_is_right(&snapshot, arities[i], &proof, k, true);
        }
        expect(bad > SIZE / 2, "arity %u: only %" PRIu64 " mixed proofs were noticed", arities[i], bad);
        expect_status(rotor_snapshot_check(&snapshot), ROTOR_STALE, "the look that was left out");
        rotor_close(tree, NULL);
    }
    free(siblings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mixed_answer_would_be_noticed),
        cmocka_unit_test(readers_against_a_writer_that_truncates),
        cmocka_unit_test(several_writers_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
