/* Durable trees on a file system that dies (sim_files.h), judged by a model of their history (crash_model.h).
 *
 * A case is a workload drawn from a seed, the number of the call at which the process dies, and a variation: what is
 * then lost, and whether the recovery dies as well, once or several times. Everything follows from these numbers, so
 * that a case can be repeated.
 *
 * Knows the library by its public calls, and by rotor_store_open() for small files on a file layer of its own. Ends
 * nothing and prints only what a case is asked to tell: a violation is a text. */
#ifndef ROTOR_TESTS_CRASH_HARNESS_H
#define ROTOR_TESTS_CRASH_HARNESS_H

#include "crash_model.h"
#include "sim_files.h"
#include "support.h"

#include "store/store.h"

#define CRASH_PATH "/sim/tree"
#define CRASH_TOKENS 8

/* ---------------------------------------------------------------- a case */

typedef struct crash_case {
    uint64_t seed;
    uint64_t crash;     /* the call at which the process dies; 0: at none */
    uint32_t variation; /* what becomes of it then */
    uint64_t again;     /* the call of the first recovery at which that dies; 0: as the variation says */
    uint32_t steps;     /* of the workload; 0: by the seed */
    bool sync_fails;    /* instead of dying at the call, it fails if it is a sync, ... */
    bool disk_fills;    /* ... or for want of space if it is a write */
    bool large;         /* trees whose levels are mapped from files */
    sim_left_out left_out;
    bool tell; /* prints what happens */
} crash_case;

typedef struct crash_config {
    uint32_t arity;
    uint32_t steps;
    uint64_t most_leaves;
    uint32_t shard_bits;
    uint64_t segment_bytes;
    uint64_t extent_leaves;
} crash_config;

typedef struct crash_token {
    rotor_token token;
    uint64_t epoch;
    uint64_t size;
    bool pending;
} crash_token;

typedef struct crash_run {
    crash_case plan;
    crash_config config;
    sim *files;
    crash_history history;
    rotor_tree *tree;
    test_random random;
    bool may_fail;     /* the process with the failing call still runs */
    bool doubts_opens; /* what an open calls durable does not count */
    bool created;      /* an open has succeeded, so that the tree must be there from now on */
    uint64_t leaf_numbers;
    uint64_t lost;        /* leaves that had been accepted and are not there after the last crash that took any */
    rotor_hash *previous; /* what the tree held before the last truncation, to be inserted again */
    uint64_t previous_count;
    bool inserts_previous;
    crash_token tokens[CRASH_TOKENS];
    uint64_t crashes;
    uint64_t calls;       /* of the workload up to the crash */
    uint64_t first_calls; /* of the open that creates the tree */
    bool recovery_died;   /* the first attempt at it */
    bool violated;
    char violation[900];
} crash_run;

__attribute__((format(printf, 2, 3))) static inline bool crash_violate(crash_run *run, const char *format, ...) {
    if (!run->violated) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(run->violation, sizeof run->violation, format, arguments);
        va_end(arguments);
        run->violated = true;
    }
    return false;
}

__attribute__((format(printf, 2, 3))) static inline void crash_tell(const crash_run *run, const char *format, ...) {
    if (run->plan.tell) {
        va_list arguments;
        va_start(arguments, format);
        printf("  [call %3" PRIu64 "] ", run->files->calls);
        (void)vprintf(format, arguments);
        printf("\n");
        va_end(arguments);
    }
}

static inline uint64_t crash_pick(crash_run *run, const uint64_t *values, size_t count) {
    return values[test_below(&run->random, count)];
}

static inline void crash_configure(crash_run *run) {
    static const uint64_t arities[] = {2, 3, 4, 8, 16};
    static const uint64_t shards[] = {7, 7, 7, 8, 23};
    static const uint64_t segments[] = {512, 4096, 4096, 16384, 0};
    static const uint64_t extents[] = {8, 8, 40, 200, 0};
    run->config = (crash_config){
        .arity = (uint32_t)crash_pick(run, arities, 5),
        .shard_bits = (uint32_t)crash_pick(run, shards, 5),
        .segment_bytes = crash_pick(run, segments, 5),
        .extent_leaves = crash_pick(run, extents, 5),
        .steps = run->plan.steps != 0 ? run->plan.steps : 10 + (uint32_t)test_below(&run->random, 40),
        .most_leaves = 300 + test_below(&run->random, 600),
    };
    run->files->falls_short = test_below(&run->random, 8) == 0;
    run->files->shares_blocks = test_below(&run->random, 2) == 0;
    if (run->plan.large) {
        run->config.most_leaves = 40000;
        run->config.shard_bits = test_below(&run->random, 2) == 0 ? 12 : 23;
        run->config.extent_leaves = test_below(&run->random, 2) == 0 ? 0 : 200;
        run->config.segment_bytes = test_below(&run->random, 2) == 0 ? 0 : 65536;
    }
}

/* ---------------------------------------------------------------- opening, reading, closing */

static inline rotor_status crash_open(crash_run *run, rotor_tree **tree, rotor_open_mode mode, rotor_error *error) {
    static const uint64_t pins[] = {ROTOR_MAX_DEPTH + 1, ROTOR_MAX_DEPTH + 1, 0, 1, 2};
    rotor_options options;
    const rotor_hasher *hasher = NULL;
    bool stored = run->created && test_below(&run->random, 2) == 0;
    rotor_options_init(&options, stored ? 0 : run->config.arity, stored ? 0 : 60);
    options.threads = 1;
    options.parallel_threshold = 1024;
    options.task_nodes = 8192;
    options.mode = (uint32_t)mode;
    options.verify_at_open = ROTOR_VERIFY_FULL;
    options.flush_interval_ms = ROTOR_MANUAL;
    options.checkpoint_leaves = 0;
    options.checkpoint_bytes = 0;
    options.checkpoint_on_close = (uint32_t)test_below(&run->random, 2);
    options.pin_above_level = (uint32_t)crash_pick(run, pins, 5);
    rotor_store_setup setup = {
        .os = &run->files->os,
        .shard_bits = run->config.shard_bits,
        .segment_bytes = run->config.segment_bytes,
        .extent_leaves = run->config.extent_leaves,
    };
    rotor_status status = rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, NULL);
    return status == ROTOR_OK ? rotor_store_open(tree, CRASH_PATH, &options, hasher, &setup, error) : status;
}

/* All leaves, in memory of the caller. */
static inline rotor_hash *crash_read(crash_run *run, rotor_tree *tree, uint64_t *size) {
    rotor_snapshot snapshot;
    rotor_status status = rotor_snapshot_take(tree, &snapshot);
    if (status != ROTOR_OK) {
        (void)crash_violate(run, "rotor_snapshot_take: %s", rotor_status_name(status));
        return NULL;
    }
    rotor_hash *leaves = test_alloc(snapshot.size + 1, sizeof *leaves);
    status = snapshot.size != 0 ? rotor_snapshot_nodes(&snapshot, leaves, snapshot.size, 0, 0) : ROTOR_OK;
    if (status != ROTOR_OK) {
        (void)crash_violate(run, "rotor_snapshot_nodes: %s", rotor_status_name(status));
        free(leaves);
        return NULL;
    }
    *size = snapshot.size;
    return leaves;
}

/* Finds out which moment the tree shows. */
static inline bool crash_identify(crash_run *run, rotor_tree *tree, const char *what, int64_t *epoch, uint64_t *size) {
    const crash_history *history = &run->history;
    rotor_hash *leaves = crash_read(run, tree, size);
    if (leaves == NULL) {
        return false;
    }
    *epoch = crash_find(history, leaves, *size);
    if (*epoch < 0) {
        const crash_epoch *now = crash_now(history);
        uint64_t same = 0;
        while (same < *size && same < now->size && test_same_hash(&leaves[same], &now->leaves[same])) {
            same++;
        }
        (void)crash_violate(run,
                            "%s shows %" PRIu64 " leaves, which no moment had from the durable one (%" PRIu64
                            " leaves in epoch %" PRIu64 ") to the last (%" PRIu64 " leaves in epoch %" PRIu64
                            ", begun at %" PRIu64 "); as many as %" PRIu64 " are those of the last",
                            what, *size, history->durable_size, history->base, now->size,
                            history->base + history->count - 1, now->cut, same);
    }
    free(leaves);
    return *epoch >= 0;
}

static inline bool crash_check_proofs(crash_run *run, const rotor_snapshot *snapshot, const test_levels *levels) {
    uint64_t size = snapshot->size;
    uint32_t arity = run->config.arity;
    rotor_tree_head head = {*test_levels_root(levels), size, arity, ROTOR_HASH_BLAKE3};
    rotor_inclusion_proof inclusion = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof consistency = ROTOR_CONSISTENCY_PROOF_INIT;
    uint64_t indices[3] = {0, size - 1, test_below(&run->random, size)};
    for (int i = 0; i < 3; i++) {
        rotor_status status = rotor_inclusion_prove(snapshot, &inclusion, indices[i]);
        if (status == ROTOR_OK) {
            status = rotor_inclusion_verify(&inclusion, &head, &levels->node[0][indices[i]]);
        }
        if (status != ROTOR_OK) {
            (void)crash_violate(run, "the proof of leaf %" PRIu64 " of %" PRIu64 ": %s", indices[i], size,
                                rotor_status_name(status));
        }
    }
    uint64_t old_size = 1 + test_below(&run->random, size);
    rotor_tree_head old = {test_root_of(arity, levels->node[0], old_size, run->plan.large ? test_portable() : NULL),
                           old_size, arity, ROTOR_HASH_BLAKE3};
    rotor_status status = rotor_consistency_prove(snapshot, &consistency, old_size);
    if (status == ROTOR_OK) {
        status = rotor_consistency_verify(&consistency, &old, &head);
    }
    if (status != ROTOR_OK) {
        (void)crash_violate(run, "the consistency of %" PRIu64 " and %" PRIu64 " leaves: %s", old_size, size,
                            rotor_status_name(status));
    }
    rotor_inclusion_proof_free(&inclusion);
    rotor_consistency_proof_free(&consistency);
    return !run->violated;
}

/* Every node and the root are what the present leaves of the model make, and proofs verify against the model. */
static inline bool crash_check_nodes(crash_run *run, rotor_tree *tree, const char *what) {
    const crash_epoch *now = crash_now(&run->history);
    rotor_snapshot snapshot;
    rotor_status status = rotor_snapshot_take(tree, &snapshot);
    if (status != ROTOR_OK || snapshot.size != now->size) {
        return crash_violate(run, "%s: a snapshot of %" PRIu64 " leaves, not %" PRIu64 ": %s", what, snapshot.size,
                             now->size, rotor_status_name(status));
    }
    if (now->size == 0) {
        return true;
    }
    test_levels levels;
    test_levels_build(&levels, run->config.arity, now->leaves, now->size, run->plan.large ? test_portable() : NULL);
    for (uint32_t l = 0; l <= levels.depth && !run->violated; l++) {
        rotor_hash *nodes = test_alloc(levels.length[l], sizeof *nodes);
        status = rotor_snapshot_nodes(&snapshot, nodes, levels.length[l], l, 0);
        if (status != ROTOR_OK || memcmp(nodes, levels.node[l], levels.length[l] * sizeof *nodes) != 0) {
            (void)crash_violate(run, "%s: of %" PRIu64 " leaves, level %u is not what the leaves make: %s", what,
                                now->size, l, rotor_status_name(status));
        }
        free(nodes);
    }
    if (!run->violated && !test_same_hash(&snapshot.edge[snapshot.depth], test_levels_root(&levels))) {
        (void)crash_violate(run, "%s: another root of %" PRIu64 " leaves", what, now->size);
    }
    if (!run->violated) {
        (void)crash_check_proofs(run, &snapshot, &levels);
    }
    test_levels_free(&levels);
    return !run->violated;
}

/* What the library says on its own to be durable: directly after an open no truncation can be meant. */
static inline void crash_believe_open(crash_run *run, rotor_tree *tree) {
    rotor_statistics statistics;
    if (!run->doubts_opens && rotor_stat(tree, &statistics) == ROTOR_OK &&
        statistics.durable_size == crash_now(&run->history)->size) {
        crash_all_durable(&run->history);
    }
}

static inline void crash_close(crash_run *run) {
    rotor_error error = {0};
    rotor_tree *tree = run->tree;
    run->tree = NULL;
    if (tree == NULL) {
        return;
    }
    rotor_status status = rotor_close(tree, &error);
    bool may_fail = run->files->dead || run->may_fail;
    if (status == ROTOR_OK) {
        crash_all_durable(&run->history);
    } else if (!may_fail) {
        (void)crash_violate(run, "rotor_close: %s: %s", rotor_status_name(status), error.message);
    }
    crash_tell(run, "close: %s", rotor_status_name(status));
    if (sim_open_handles(run->files) != 0) {
        (void)crash_violate(run, "%u files are still open behind rotor_close", sim_open_handles(run->files));
    }
}

/* Opens the tree, which may die meanwhile. Whatever it shows must be a moment that may be there. */
static inline bool crash_reopen(crash_run *run, const char *what) {
    rotor_error error = {0};
    int64_t epoch = -1;
    uint64_t size = 0;
    memset(run->tokens, 0, sizeof run->tokens);
    rotor_open_mode mode = run->created ? ROTOR_OPEN_EXISTING : ROTOR_OPEN_OR_CREATE;
    rotor_status status = crash_open(run, &run->tree, mode, &error);
    crash_tell(run, "%s: %s %s", what, rotor_status_name(status), status == ROTOR_OK ? "" : error.message);
    if (status != ROTOR_OK) {
        run->tree = NULL;
        if (sim_open_handles(run->files) != 0) {
            return crash_violate(run, "%u files are still open behind a failed open", sim_open_handles(run->files));
        }
        return run->files->dead || run->may_fail ||
               crash_violate(run, "%s: %s: %s", what, rotor_status_name(status), error.message);
    }
    run->created = true;
    if (!crash_identify(run, run->tree, what, &epoch, &size)) {
        return false;
    }
    run->lost = crash_now(&run->history)->size > size ? crash_now(&run->history)->size - size : run->lost;
    crash_return_to(&run->history, (size_t)epoch, size);
    crash_believe_open(run, run->tree);
    crash_tell(run, "shows %" PRIu64 " leaves; durable: %" PRIu64 " of epoch %" PRIu64, size, run->history.durable_size,
               run->history.base);
    return crash_check_nodes(run, run->tree, what);
}

/* A reader finds such a moment too, and changes nothing. */
static inline bool crash_look(crash_run *run) {
    rotor_error error = {0};
    rotor_tree *tree = NULL;
    int64_t epoch;
    uint64_t size;
    uint64_t calls = run->files->calls;
    rotor_status status = crash_open(run, &tree, ROTOR_OPEN_READ_ONLY, &error);
    crash_tell(run, "read-only: %s %s", rotor_status_name(status), status == ROTOR_OK ? "" : error.message);
    if (status == ROTOR_NOT_FOUND && !run->created) {
        return true;
    }
    if (status != ROTOR_OK) {
        return crash_violate(run, "a reader's open: %s: %s", rotor_status_name(status), error.message);
    }
    bool fine = crash_identify(run, tree, "a reader's open", &epoch, &size);
    status = rotor_close(tree, &error);
    if (status != ROTOR_OK) {
        return crash_violate(run, "a reader's rotor_close: %s: %s", rotor_status_name(status), error.message);
    }
    if (run->files->calls != calls) {
        return crash_violate(run, "a reader has changed or synced something");
    }
    return fine;
}

/* ---------------------------------------------------------------- the workload */

/* A call of the library that writes may fail once the process has died, and for no other reason. */
static inline bool crash_done(crash_run *run, rotor_status status, const char *call) {
    if (status == ROTOR_OK) {
        return true;
    }
    if (!run->files->dead && !run->may_fail) {
        rotor_error error = {0};
        if (rotor_failure(run->tree, &error) == ROTOR_OK) {
            (void)snprintf(error.message, sizeof error.message, "without a failed write");
        }
        (void)crash_violate(run, "%s: %s: %s", call, rotor_status_name(status), error.message);
    }
    crash_tell(run, "%s failed: %s", call, rotor_status_name(status));
    return false;
}

static inline void crash_remember(crash_run *run, const rotor_token *token) {
    crash_token *slot = &run->tokens[test_below(&run->random, CRASH_TOKENS)];
    *slot = (crash_token){.token = *token,
                          .epoch = run->history.base + run->history.count - 1,
                          .size = crash_now(&run->history)->size,
                          .pending = true};
}

static inline rotor_hash crash_leaf(crash_run *run, uint64_t index) {
    if (run->inserts_previous && index < run->previous_count) {
        return run->previous[index];
    }
    uint64_t number = ++run->leaf_numbers;
    return number % 23 == 0 ? (rotor_hash){{0}} : test_random_leaf(run->plan.seed, number);
}

static inline uint64_t crash_batch(crash_run *run) {
    static const uint64_t counts[] = {2,   3,   4,   7,   8,   9,   16,  17,  39,  40,  41,  63,  64,  65, 100,
                                      124, 125, 126, 127, 128, 129, 130, 199, 200, 201, 255, 256, 257, 300};
    static const uint64_t large[] = {1, 100, 4095, 4096, 4097, 8192, 10000, 12345, 16384, 32767, 32768, 32769};
    if (run->plan.large && test_below(&run->random, 2) == 0) {
        return crash_pick(run, large, sizeof large / sizeof large[0]);
    }
    /* Or up to a border of pages, shards and groups. */
    uint64_t rest = 128 - crash_now(&run->history)->size % 128;
    return test_below(&run->random, 4) == 0 ? rest : crash_pick(run, counts, sizeof counts / sizeof counts[0]);
}

static inline void crash_insert(crash_run *run, uint64_t count, bool durable) {
    rotor_hash root;
    rotor_token token = {0, 0};
    rotor_status status;
    uint64_t size = crash_now(&run->history)->size;
    rotor_hash *wants_root = test_below(&run->random, 3) == 0 ? &root : NULL;
    rotor_hash *leaves = test_alloc(count, sizeof *leaves);
    for (uint64_t i = 0; i < count; i++) {
        leaves[i] = crash_leaf(run, size + i);
    }
    crash_tell(run, "insert %" PRIu64 " from %" PRIu64 "%s", count, size, durable ? ", durable" : "");
    if (durable) {
        status = rotor_insert_durable(run->tree, wants_root, leaves, count);
        /* Accepted, also when it could not be made durable. */
        crash_append(&run->history, leaves, count);
        if (crash_done(run, status, "rotor_insert_durable")) {
            crash_all_durable(&run->history);
        }
    } else {
        status = count == 1 ? rotor_insert(run->tree, wants_root, &token, leaves)
                            : rotor_insert_many(run->tree, wants_root, &token, leaves, count);
        if (crash_done(run, status, "rotor_insert")) {
            crash_append(&run->history, leaves, count);
            crash_remember(run, &token);
        }
    }
    free(leaves);
}

static inline void crash_truncate(crash_run *run) {
    rotor_statistics statistics = {0};
    rotor_token token = {0, 0};
    const crash_epoch *now = crash_now(&run->history);
    if (rotor_stat(run->tree, &statistics) != ROTOR_OK) {
        (void)crash_violate(run, "rotor_stat fails");
    }
    uint64_t committed = statistics.checkpointed_size;
    uint64_t sizes[] = {now->size,
                        now->size - (now->size != 0),
                        now->size - now->size % run->config.arity,
                        committed,
                        committed - (committed != 0),
                        committed != 0 ? test_below(&run->random, committed) : 0,
                        committed + (now->size > committed ? test_below(&run->random, now->size - committed) : 0),
                        statistics.durable_size,
                        test_below(&run->random, now->size + 1),
                        test_below(&run->random, 8) == 0 ? 0 : now->size / 2};
    uint64_t size = crash_pick(run, sizes, sizeof sizes / sizeof sizes[0]);
    size = size < now->size ? size : now->size;
    crash_tell(run, "truncate to %" PRIu64 " (committed %" PRIu64 ")", size, committed);
    run->previous = sim_grow(run->previous, now->size * sizeof *run->previous);
    if (now->size != 0) {
        memcpy(run->previous, now->leaves, now->size * sizeof *run->previous);
    }
    run->previous_count = now->size;
    run->inserts_previous = test_below(&run->random, 2) == 0;
    rotor_status status = rotor_truncate(run->tree, &token, size);
    /* If it fails half-way, both sizes are possible. */
    crash_cut(&run->history, size);
    if (crash_done(run, status, "rotor_truncate")) {
        crash_remember(run, &token);
    }
}

static inline void crash_wait(crash_run *run) {
    crash_token *slot = &run->tokens[test_below(&run->random, CRASH_TOKENS)];
    if (slot->pending) {
        crash_tell(run, "wait for %" PRIu64 " of epoch %" PRIu64, slot->size, slot->epoch);
        if (crash_done(run, rotor_wait(run->tree, &slot->token, ROTOR_FOREVER), "rotor_wait")) {
            crash_durable(&run->history, slot->epoch, slot->size);
            slot->pending = false;
        }
    }
}

/* Whatever the library says to be durable is taken by its word. */
static inline void crash_ask_tokens(crash_run *run) {
    for (int i = 0; i < CRASH_TOKENS; i++) {
        crash_token *slot = &run->tokens[i];
        if (slot->pending && rotor_token_status(run->tree, &slot->token) == ROTOR_OK) {
            crash_durable(&run->history, slot->epoch, slot->size);
            slot->pending = false;
        }
    }
}

static inline void crash_step(crash_run *run) {
    uint64_t size = crash_now(&run->history)->size;
    uint64_t draw = test_below(&run->random, 100);
    if (size > run->config.most_leaves && draw < 50) {
        draw = draw < 25 ? 90 : 20;
    }
    if (draw < 25) {
        crash_insert(run, 1, false);
    } else if (draw < 50) {
        crash_insert(run, crash_batch(run), false);
    } else if (draw < 55) {
        crash_insert(run, test_below(&run->random, 2) == 0 ? 1 : crash_batch(run), true);
    } else if (draw < 63) {
        crash_wait(run);
    } else if (draw < 71) {
        crash_tell(run, "flush");
        if (crash_done(run, rotor_flush(run->tree), "rotor_flush")) {
            crash_all_durable(&run->history);
        }
    } else if (draw < 83) {
        crash_tell(run, "checkpoint");
        if (crash_done(run, rotor_checkpoint(run->tree), "rotor_checkpoint")) {
            crash_all_durable(&run->history);
        }
    } else if (draw < 96) {
        crash_truncate(run);
    } else {
        crash_close(run);
        if (!run->files->dead && !run->violated) {
            (void)crash_reopen(run, "a second open");
        }
    }
    if (run->tree != NULL) {
        crash_ask_tokens(run);
    }
}

static inline bool crash_goes_on(const crash_run *run) {
    return !run->violated && !run->files->dead && run->tree != NULL &&
           !(run->may_fail && rotor_failure(run->tree, NULL) != ROTOR_OK);
}

static inline void crash_work(crash_run *run, uint32_t steps) {
    for (uint32_t i = 0; i < steps && crash_goes_on(run); i++) {
        crash_step(run);
    }
}

/* ---------------------------------------------------------------- dying and coming back */

/* The process ends here, if it has not already; what runs of it frees its memory but reaches no file. */
static inline void crash_end_process(crash_run *run) {
    crash_tell(run, "dies");
    run->files->dead = true;
    crash_close(run);
}

static inline void crash_lose_power(crash_run *run, sim_fate fate) {
    static const char *const names[] = {"all kept", "all dropped", "only the last kept", "only the first dropped",
                                        "by seed"};
    crash_tell(run, "power fails: %s", names[fate]);
    sim_lose_power(run->files, fate, test_next(&run->random));
    run->crashes++;
}

static inline void crash_kill(crash_run *run) {
    crash_tell(run, "killed");
    sim_kill(run->files);
    run->crashes++;
}

static inline void crash_any_failure(crash_run *run) {
    uint64_t draw = test_below(&run->random, 16);
    if (draw < 4) {
        crash_kill(run);
    } else {
        crash_lose_power(run, draw < 8 ? (sim_fate)(draw - 4) : SIM_BY_SEED);
    }
}

/* The failure of a variation; true when the recovery is to be undisturbed. */
static inline bool crash_first_failure(crash_run *run) {
    switch (run->plan.variation) {
    case 0:
    case 1:
    case 2:
    case 3:
        crash_lose_power(run, (sim_fate)run->plan.variation);
        return true;
    case 4:
    case 5:
        crash_kill(run);
        return run->plan.variation == 4;
    default:
        crash_lose_power(run, SIM_BY_SEED);
        return run->plan.variation % 2 == 0;
    }
}

/* Opens until it succeeds, dying at some of the first attempts. */
static inline bool crash_recover(crash_run *run, bool undisturbed) {
    for (int attempt = 0; attempt < 4; attempt++) {
        bool last = attempt == 3 || (undisturbed && run->plan.again == 0);
        if (last || test_below(&run->random, 4) == 0) {
            if (!crash_look(run)) {
                return false;
            }
        }
        uint64_t at = attempt == 0 && run->plan.again != 0 ? run->plan.again : 1 + test_below(&run->random, 24);
        run->files->crash_at = last ? 0 : run->files->calls + at;
        if (!crash_reopen(run, "recovery")) {
            return false;
        }
        run->files->crash_at = 0;
        if (!run->files->dead && run->tree != NULL) {
            return true;
        }
        run->recovery_died = run->recovery_died || attempt == 0;
        crash_end_process(run);
        if (run->violated) {
            return false;
        }
        crash_any_failure(run);
    }
    return crash_violate(run, "no attempt to recover has ended");
}

/* What was acknowledged before the power fails right after a recovery, without another write, must have been on disk.
 */
static inline bool crash_right_after_recovery(crash_run *run) {
    crash_end_process(run);
    crash_lose_power(run, test_below(&run->random, 2) == 0 ? SIM_ALL_DROPPED : SIM_BY_SEED);
    return !run->violated && crash_recover(run, true);
}

/* The recovered tree takes more leaves, keeps them, and shows them when it is opened again. */
static inline bool crash_live_on(crash_run *run) {
    /* As many as were lost, or up to a border of pages: frames then end where those of the lost leaves did. */
    uint64_t rest = 128 - crash_now(&run->history)->size % 128;
    uint64_t counts[] = {1 + test_below(&run->random, 20), rest, run->lost != 0 ? run->lost : rest,
                         run->lost != 0 && run->lost < rest ? run->lost : rest};
    crash_insert(run, crash_pick(run, counts, 4), false);
    if (crash_goes_on(run) && test_below(&run->random, 3) == 0) {
        crash_insert(run, crash_batch(run), false);
    }
    if (crash_goes_on(run) && test_below(&run->random, 3) == 0) {
        crash_truncate(run);
    }
    if (crash_goes_on(run) && crash_done(run, rotor_flush(run->tree), "rotor_flush")) {
        crash_all_durable(&run->history);
    }
    if (crash_goes_on(run) && test_below(&run->random, 3) == 0) {
        if (crash_done(run, rotor_checkpoint(run->tree), "rotor_checkpoint")) {
            crash_all_durable(&run->history);
        }
    }
    if (crash_goes_on(run)) {
        (void)crash_check_nodes(run, run->tree, "the recovered tree with more leaves");
    }
    crash_close(run);
    if (!run->violated) {
        (void)crash_reopen(run, "the open behind a recovery");
    }
    crash_close(run);
    return !run->violated;
}

/* ---------------------------------------------------------------- cases */

/* Whether a call fails, and the process does not die of it. */
static inline bool crash_ends_in_good_order(const crash_case *plan) {
    return plan->sync_fails || plan->disk_fills;
}

static inline void crash_start(crash_run *run, const crash_case *plan) {
    memset(run, 0, sizeof *run);
    run->plan = *plan;
    run->random.state = plan->seed * UINT64_C(0xd1342543de82ef95) + 1;
    run->files = sim_create(test_next(&run->random));
    run->files->left_out = plan->left_out == SIM_LEAVE_OUT_PARENT ? plan->left_out : SIM_NOTHING_LEFT_OUT;
    crash_configure(run);
    crash_cut(&run->history, 0);
    run->may_fail = crash_ends_in_good_order(plan);
    if (plan->sync_fails) {
        run->files->fail_sync = plan->crash;
    } else if (plan->disk_fills) {
        run->files->full_at = plan->crash;
    } else {
        run->files->crash_at = plan->crash;
    }
    if (plan->tell) {
        printf("arity %u, shards of 2^%u, segments of %" PRIu64 " bytes, extents from %" PRIu64
               " leaves, %u steps%s%s\n",
               run->config.arity, run->config.shard_bits, run->config.segment_bytes, run->config.extent_leaves,
               run->config.steps, run->files->falls_short ? ", short transfers" : "", plan->large ? ", large" : "");
    }
    bool open = crash_reopen(run, "the first open");
    run->first_calls = run->files->calls;
    /* From here on: without syncs no tree would even come into being, which would be noticed for that alone. */
    run->files->left_out = plan->left_out;
    if (open) {
        crash_work(run, run->config.steps);
    }
    run->calls = run->files->calls;
    if (!run->violated) {
        if (crash_ends_in_good_order(plan)) {
            /* The process ends in good order, and another one opens the tree on the same system. */
            crash_close(run);
            sim_revive(run->files);
        } else {
            crash_end_process(run);
        }
    }
}

static inline void crash_end(crash_run *run) {
    if (run->tree != NULL) {
        rotor_error error;
        run->files->dead = true;
        (void)rotor_close(run->tree, &error);
    }
    sim_destroy(run->files);
    crash_history_free(&run->history);
    free(run->previous);
    memset(run, 0, sizeof *run);
}

/* The same dead process, for another variation. */
static inline crash_run crash_copy(const crash_run *run) {
    crash_run copy = *run;
    copy.files = sim_copy(run->files);
    copy.history = crash_history_copy(&run->history);
    copy.previous = NULL;
    copy.previous_count = 0;
    copy.inserts_previous = false;
    copy.crashes = 0;
    return copy;
}

/* From the death of the process on. False: run->violation says what is wrong. */
static inline bool crash_variation(crash_run *run, uint32_t variation, uint64_t again) {
    run->plan.variation = variation;
    run->plan.again = again;
    run->random.state = (run->plan.seed * UINT64_C(0x2545f4914f6cdd1d) + run->plan.crash) * 1009 + variation;
    if (run->violated) {
        return false;
    }
    if (crash_ends_in_good_order(&run->plan)) {
        run->may_fail = false;
        /* What had been durable before the call failed must stay so; of what the next open says, too, by odd numbers.
         */
        run->doubts_opens = variation % 2 == 0;
        if (!crash_recover(run, true)) {
            return false;
        }
        crash_end_process(run);
        run->doubts_opens = false;
        crash_lose_power(run, variation % 4 < 2 ? SIM_BY_SEED : SIM_ALL_DROPPED);
        return !run->violated && crash_recover(run, true) && crash_live_on(run);
    }
    bool undisturbed = crash_first_failure(run);
    if (!crash_recover(run, undisturbed)) {
        return false;
    }
    if (variation == 4 && !crash_right_after_recovery(run)) {
        return false;
    }
    uint64_t lives = variation < 5 ? 0 : test_below(&run->random, 3);
    for (uint64_t life = 0; life < lives; life++) {
        run->files->crash_at = run->files->calls + 1 + test_below(&run->random, 60);
        crash_work(run, 12);
        if (run->violated) {
            return false;
        }
        crash_end_process(run);
        crash_any_failure(run);
        if (run->violated || !crash_recover(run, test_below(&run->random, 2) == 0)) {
            return false;
        }
    }
    return crash_live_on(run);
}

/* "--seed 1 --crash 2 ...", the words that make the tool of tests/torture repeat the case. */
static inline const char *crash_words(const crash_run *run, char text[200]) {
    const crash_case *plan = &run->plan;
    (void)snprintf(text, 200,
                   "--seed %" PRIu64 " --crash %" PRIu64 " --variation %u --again %" PRIu64 " --steps %u%s%s%s",
                   plan->seed, plan->crash, plan->variation, plan->again, plan->steps, plan->large ? " --large" : "",
                   plan->sync_fails ? " --sync-fails" : "", plan->disk_fills ? " --disk-fills" : "");
    return text;
}

#endif
