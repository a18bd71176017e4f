/* The whole life of a durable tree when the system refuses: each allocation, mapping, thread and call on a file in
 * turn, once and from then on. Afterwards the tree must open, whole, at a moment that it went through and that is not
 * before the last one that was acknowledged. */
#include "store_support.h"

#include "canary/failures_ignored.h"
#include "failing_calls.h"

#include <malloc.h>
#include <signal.h>

#define ARITY 4
#define MOST_LEAVES 16384
#define MOST_RANGES 12
#define MOST_MOMENTS 160
#define WATCHDOG_SECONDS 90

/* ---------------------------------------------------------------- what a tree may hold */

/* Which version the leaves are of: from each index on, until the next. A truncation begins a new version. */
typedef struct layout {
    size_t count;
    struct {
        uint64_t from;
        uint64_t version;
    } ranges[MOST_RANGES];
} layout;

/* A step of the history: the tree went through all sizes of the range, or was cut to one. */
typedef struct moment {
    uint64_t least;
    uint64_t most;
    layout layout;
} moment;

static uint64_t version_of(const layout *l, uint64_t index) {
    size_t i = l->count;
    while (i > 0 && l->ranges[i - 1].from > index) {
        i--;
    }
    return i > 0 ? l->ranges[i - 1].version : 0;
}

static rotor_hash leaf_of(const layout *l, uint64_t index) {
    rotor_hash leaf = test_golden_leaf(index);
    test_store_u64(leaf.bytes + 16, version_of(l, index));
    return leaf;
}

static void cut_layout(layout *l, uint64_t size, uint64_t version) {
    while (l->count > 0 && l->ranges[l->count - 1].from >= size) {
        l->count--;
    }
    expect(l->count < MOST_RANGES, "too many versions for the test");
    l->ranges[l->count].from = size;
    l->ranges[l->count].version = version;
    l->count++;
}

static bool holds(const layout *l, const rotor_hash *leaves, uint64_t size) {
    for (uint64_t i = 0; i < size; i++) {
        rotor_hash wanted = leaf_of(l, i);
        if (!test_same_hash(&wanted, &leaves[i])) {
            return false;
        }
    }
    return true;
}

/* Most runs end at one of a few states. Sizes and version numbers tell them apart. */
static rotor_hash root_of(const layout *l, uint64_t size) {
    static struct {
        uint64_t size;
        layout layout;
        rotor_hash root;
    } known[512];
    static size_t known_count;
    layout key;
    memset(&key, 0, sizeof key);
    for (size_t i = 0; i < l->count && l->ranges[i].from < size; i++) {
        key.ranges[key.count++] = l->ranges[i];
    }
    for (size_t i = 0; i < known_count; i++) {
        if (known[i].size == size && memcmp(&known[i].layout, &key, sizeof key) == 0) {
            return known[i].root;
        }
    }
    rotor_hash *leaves = test_alloc(size, sizeof *leaves);
    for (uint64_t i = 0; i < size; i++) {
        leaves[i] = leaf_of(l, i);
    }
    rotor_hash root = test_root_of(ARITY, leaves, size, test_portable());
    free(leaves);
    size_t place = known_count < 512 ? known_count++ : 511;
    known[place].size = size;
    known[place].layout = key;
    known[place].root = root;
    return root;
}

/* ---------------------------------------------------------------- the scenario */

typedef struct scenario {
    char folder[FOLDER_PATH];
    char path[FOLDER_PATH + 40];
    char copy_path[FOLDER_PATH + 40];
    rotor_options options;
    rotor_store_setup setup;
    rotor_tree *tree;
    bool background;       /* threads of the tree make calls at any time: faults stay armed */
    bool may_fail;         /* false: what hinders is to be overcome */
    bool exists;           /* an open has succeeded */
    bool failed;           /* the tree has said that it takes no more */
    rotor_error failure;   /* as it said first */
    bool copied;           /* a backup has succeeded, */
    size_t copy_moment;    /* of this moment */
    bool linked;           /* ... and shares a file */
    uint64_t mapped_bytes; /* most seen */
    uint64_t size;
    uint64_t version;
    size_t now;     /* the last moment */
    size_t durable; /* the last that was acknowledged */
    moment moments[MOST_MOMENTS];
    rotor_hash leaves[MOST_LEAVES];
} scenario;

static scenario life; /* large */

#define ARMED(s, status, call)                                                                                         \
    do {                                                                                                               \
        atomic_store(&fault.armed, true);                                                                              \
        (status) = (call);                                                                                             \
        atomic_store(&fault.armed, (s)->background);                                                                   \
    } while (0)

static const layout *layout_now(const scenario *s) {
    return &s->moments[s->now].layout;
}

static void add_moment(scenario *s, uint64_t least, uint64_t most, const layout *l) {
    expect(s->now + 1 < MOST_MOMENTS, "too many moments for the test");
    layout copied = *l;
    s->now++;
    s->moments[s->now].least = least;
    s->moments[s->now].most = most;
    s->moments[s->now].layout = copied;
    s->size = most;
}

static void acknowledge(scenario *s, size_t until) {
    s->durable = until > s->durable ? until : s->durable;
}

/* The detail of a failure is worth something when it says which call on which file. */
static void expect_detail(const scenario *s, const rotor_error *error, const char *what) {
    static const char *const calls[] = {"open",   "mkdir",     "rmdir",     "pread",     "pwrite",
                                        "fsync",  "fdatasync", "ftruncate", "statx",     "unlink",
                                        "rename", "flock",     "readdir",   "getrandom", "mmap"};
    bool named = false;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        named = named || strncmp(error->message, calls[i], strlen(calls[i])) == 0;
    }
    if ((fault.kinds & FILES) != 0) {
        expect(error->os_errno == fault.file_errno, "call %" PRIu64 ": %s: errno %d in \"%s\"", fault.fail_at, what,
               error->os_errno, error->message);
        expect(named && strstr(error->message, s->folder) != NULL, "call %" PRIu64 ": %s: \"%s\"", fault.fail_at, what,
               error->message);
    }
    expect(error->message[0] != '\0', "call %" PRIu64 ": %s: no detail", fault.fail_at, what);
}

/* Looks whether the tree has failed, which it does once and for all. */
static void look_for_failure(scenario *s, const char *what) {
    rotor_error error = {0};
    rotor_status status = rotor_failure(s->tree, &error);
    if (status == ROTOR_OK) {
        expect(!s->failed, "call %" PRIu64 ": %s: the failure is forgotten", fault.fail_at, what);
        return;
    }
    expect_status(status, ROTOR_FAILED, "call %" PRIu64 ": %s", fault.fail_at, what);
    expect(atomic_load(&fault.failed) > 0 && s->may_fail, "call %" PRIu64 ": %s: failed: %s", fault.fail_at, what,
           error.message);
    if (!s->failed) {
        expect_detail(s, &error, what);
        s->failed = true;
        s->failure = error;
    }
    expect(strcmp(error.message, s->failure.message) == 0, "call %" PRIu64 ": %s: not the first failure: %s",
           fault.fail_at, what, error.message);
}

/* Judges the status of a call that writes: success, or an honest failure. `error` may be NULL. */
static bool went_well(scenario *s, rotor_status status, bool failed_before, const rotor_error *error,
                      const char *what) {
    if (s->tree != NULL) {
        look_for_failure(s, what);
    }
    if (status == ROTOR_OK) {
        expect(!failed_before || s->background, "call %" PRIu64 ": %s succeeded after a failure", fault.fail_at, what);
        return true;
    }
    expect(atomic_load(&fault.failed) > 0, "%s: %s although nothing was refused", what, rotor_status_name(status));
    expect(s->may_fail, "call %" PRIu64 ": %s: %s: %s", fault.fail_at, what, rotor_status_name(status),
           error != NULL ? error->message : s->failure.message);
    expect(status == ROTOR_FAILED || (status == ROTOR_IO && error != NULL) ||
               (status == ROTOR_OUT_OF_MEMORY && (fault.kinds & EVERYTHING) != 0),
           "call %" PRIu64 ": %s: %s", fault.fail_at, what, rotor_status_name(status));
    if (s->tree != NULL && status == ROTOR_FAILED) {
        expect(s->failed, "call %" PRIu64 ": %s: failed, but rotor_failure() does not know", fault.fail_at, what);
    }
    /* A backup may fail for want of a directory before it looks at the tree. */
    expect(!failed_before || status == ROTOR_FAILED || error != NULL, "call %" PRIu64 ": %s after a failure: %s",
           fault.fail_at, what, rotor_status_name(status));
    if (error != NULL) {
        expect_status(error->status, status, "call %" PRIu64 ": %s: \"%s\"", fault.fail_at, what, error->message);
        expect_detail(s, error, what);
    }
    return false;
}

/* What one that reads sees is what was accepted. */
static void expect_readable(scenario *s, const char *after) {
    expect(rotor_size(s->tree) == s->size, "call %" PRIu64 ", after %s: size %" PRIu64 ", not %" PRIu64, fault.fail_at,
           after, rotor_size(s->tree), s->size);
    if (s->background) {
        return; /* the oracle calls what would be refused */
    }
    rotor_hash root;
    rotor_status status = rotor_root(s->tree, &root);
    if (s->size == 0) {
        expect_status(status, ROTOR_EMPTY_TREE, "after %s", after);
        return;
    }
    expect_ok(status, "call %" PRIu64 ", after %s", fault.fail_at, after);
    rotor_hash wanted = root_of(layout_now(s), s->size);
    expect(test_same_hash(&root, &wanted), "call %" PRIu64 ", after %s: root of %" PRIu64, fault.fail_at, after,
           s->size);
}

static bool try_open(scenario *s, uint32_t mode, uint32_t verify, rotor_tree **tree) {
    for (int attempt = 0; attempt < 2; attempt++) {
        rotor_error error = {0};
        rotor_status status;
        rotor_options options = s->options;
        options.mode = mode;
        options.verify_at_open = verify;
        if (mode != ROTOR_OPEN_OR_CREATE) {
            options.arity = 0;
            options.max_depth = 0;
        }
        ARMED(s, status, store_open_at(tree, s->path, &options, &s->setup, &error));
        if (went_well(s, status, false, &error, "open")) {
            return true;
        }
        *tree = NULL;
        if (fault.persistent) {
            return false;
        }
    }
    fail_msg("call %" PRIu64 " failed once, open failed twice", fault.fail_at);
    return false;
}

static void step_open(scenario *s, uint32_t mode, uint32_t verify) {
    rotor_tree *tree = NULL;
    if (try_open(s, mode, verify, &tree)) {
        s->tree = tree;
        s->exists = true;
        s->failed = false;
    }
}

typedef enum manner { LAZILY, ROOTED, DURABLY } manner;

/* The token is of the last moment. */
static rotor_token step_insert(scenario *s, uint64_t count, manner how, const char *what) {
    rotor_token token = {0, 0};
    for (int attempt = 0; s->tree != NULL && attempt < 2; attempt++) {
        bool failed = s->failed;
        rotor_hash root = {{0}};
        rotor_hash *output = how == LAZILY ? NULL : &root;
        rotor_status status;
        for (uint64_t i = 0; i < count; i++) {
            s->leaves[i] = leaf_of(layout_now(s), s->size + i);
        }
        if (how == DURABLY) {
            ARMED(s, status, rotor_insert_durable(s->tree, output, s->leaves, count));
        } else if (count == 1) {
            ARMED(s, status, rotor_insert(s->tree, output, &token, s->leaves));
        } else {
            ARMED(s, status, rotor_insert_many(s->tree, output, &token, s->leaves, count));
        }
        bool well = went_well(s, status, failed, NULL, what);
        bool accepted = well || (how == DURABLY && rotor_size(s->tree) == s->size + count);
        if (accepted) {
            add_moment(s, s->size, s->size + count, layout_now(s));
        }
        if (well && how == DURABLY) {
            acknowledge(s, s->now);
        }
        expect_readable(s, what);
        if (well && output != NULL && !s->background) {
            rotor_hash wanted = root_of(layout_now(s), s->size);
            expect(test_same_hash(&root, &wanted), "call %" PRIu64 ": %s: returned root", fault.fail_at, what);
        }
        if (well || accepted || status == ROTOR_FAILED || fault.persistent) {
            return token;
        }
    }
    if (s->tree != NULL) {
        fail_msg("call %" PRIu64 " failed once, %s failed twice", fault.fail_at, what);
    }
    return token;
}

static rotor_token step_truncate(scenario *s, uint64_t size, const char *what) {
    rotor_token token = {0, 0};
    for (int attempt = 0; s->tree != NULL && size < s->size && attempt < 2; attempt++) {
        bool failed = s->failed;
        rotor_status status;
        ARMED(s, status, rotor_truncate(s->tree, &token, size));
        bool well = went_well(s, status, failed, NULL, what);
        if (well) {
            layout cut = *layout_now(s);
            cut_layout(&cut, size, ++s->version);
            add_moment(s, size, size, &cut);
        }
        expect_readable(s, what);
        if (well || status == ROTOR_FAILED || fault.persistent) {
            return token;
        }
    }
    return token;
}

/* Waits for the moment of the token, which is number `at`. */
static void step_wait(scenario *s, const rotor_token *token, size_t at, uint64_t timeout_ms, const char *what) {
    if (s->tree == NULL || token->epoch + token->size == 0) {
        return;
    }
    rotor_status status;
    rotor_status now = rotor_token_status(s->tree, token);
    bool failed = s->failed && now != ROTOR_OK;
    expect(now == ROTOR_OK || now == ROTOR_PENDING || now == ROTOR_FAILED, "%s: %s", what, rotor_status_name(now));
    ARMED(s, status, rotor_wait(s->tree, token, timeout_ms));
    if (status == ROTOR_TIMED_OUT && s->background) {
        return;
    }
    if (now == ROTOR_OK) {
        expect_ok(status, "call %" PRIu64 ": %s: what was durable is not", fault.fail_at, what);
    }
    if (status == ROTOR_OK || went_well(s, status, failed, NULL, what)) {
        acknowledge(s, at);
    }
    look_for_failure(s, what);
    expect_readable(s, what);
}

static void step_flush(scenario *s) {
    if (s->tree != NULL) {
        bool failed = s->failed;
        rotor_status status;
        ARMED(s, status, rotor_flush(s->tree));
        if (went_well(s, status, failed, NULL, "flush")) {
            acknowledge(s, s->now);
        }
        expect_readable(s, "flush");
    }
}

static void step_checkpoint(scenario *s, bool in_background, const char *what) {
    for (int attempt = 0; s->tree != NULL && attempt < 2; attempt++) {
        bool failed = s->failed;
        rotor_status status;
        if (in_background) {
            ARMED(s, status, rotor_checkpoint_start(s->tree));
            if (status == ROTOR_OK) {
                ARMED(s, status, rotor_checkpoint_wait(s->tree, ROTOR_FOREVER));
            }
        } else {
            ARMED(s, status, rotor_checkpoint(s->tree));
        }
        bool well = went_well(s, status, failed, NULL, what);
        expect_readable(s, what);
        if (well && !in_background) {
            rotor_statistics statistics;
            expect_ok(rotor_stat(s->tree, &statistics), "statistics");
            expect(statistics.checkpointed_size == s->size || s->background, "%s: %" PRIu64 " committed of %" PRIu64,
                   what, statistics.checkpointed_size, s->size);
            s->mapped_bytes = statistics.mapped_bytes > s->mapped_bytes ? statistics.mapped_bytes : s->mapped_bytes;
            acknowledge(s, s->now);
        }
        if (well || status == ROTOR_FAILED || fault.persistent) {
            return;
        }
    }
}

static void step_backup(scenario *s) {
    for (int attempt = 0; s->tree != NULL && attempt < 2; attempt++) {
        bool failed = s->failed;
        rotor_error error = {0};
        rotor_status status;
        ARMED(s, status, rotor_backup(s->tree, s->copy_path, NULL, NULL, &error));
        bool well = went_well(s, status, failed, &error, "backup");
        expect_readable(s, "backup");
        if (well) {
            s->copied = true;
            s->copy_moment = s->now;
            acknowledge(s, s->now);
            return;
        }
        expect(fault.persistent || access(s->copy_path, F_OK) != 0, "call %" PRIu64 ": a backup that failed is there",
               fault.fail_at);
        if (fault.persistent || status == ROTOR_FAILED) {
            return;
        }
    }
    if (s->tree != NULL) {
        fail_msg("call %" PRIu64 " failed once, backup failed twice", fault.fail_at);
    }
}

/* Reading goes on whatever happened to writing. */
static void step_proof(scenario *s) {
    if (s->tree == NULL || s->size < 2) {
        return;
    }
    rotor_snapshot snapshot;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_tree_head head;
    rotor_status status;
    expect_ok(rotor_snapshot_take(s->tree, &snapshot), "call %" PRIu64, fault.fail_at);
    expect_ok(rotor_snapshot_head(&snapshot, &head), "call %" PRIu64, fault.fail_at);
    uint64_t index = s->size / 2;
    rotor_hash leaf = leaf_of(layout_now(s), index);
    ARMED(s, status, rotor_inclusion_prove(&snapshot, &proof, index));
    if (status == ROTOR_OUT_OF_MEMORY && (fault.kinds & MEMORY) != 0 && atomic_load(&fault.failed) > 0) {
        status = ROTOR_OK;
    } else if (status == ROTOR_OK) {
        status = rotor_inclusion_verify(&proof, &head, &leaf);
    }
    expect_ok(status, "call %" PRIu64 ": proof", fault.fail_at);
    rotor_inclusion_proof_free(&proof);
}

static void step_close(scenario *s) {
    if (s->tree != NULL) {
        bool failed = s->failed;
        rotor_error error = {0};
        rotor_tree *tree = s->tree;
        rotor_status status;
        look_for_failure(s, "close");
        s->tree = NULL;
        ARMED(s, status, rotor_close(tree, &error));
        if (went_well(s, status, failed, &error, "close")) {
            acknowledge(s, s->now);
        }
        s->failed = false;
    }
}

/* What is stored, beside the writer or without one. */
static void step_read_only(scenario *s) {
    rotor_tree *reader = NULL;
    rotor_tree *writer = s->tree;
    s->tree = NULL; /* failures of the reader are not the writer's */
    if (s->exists && try_open(s, ROTOR_OPEN_READ_ONLY, ROTOR_VERIFY_EDGE, &reader)) {
        rotor_hash leaf = {{1}};
        rotor_error error = {0};
        expect_status(rotor_insert(reader, NULL, NULL, &leaf), ROTOR_READ_ONLY, "a reader");
        expect_status(rotor_truncate(reader, NULL, 0), ROTOR_READ_ONLY, "a reader");
        rotor_status status;
        ARMED(s, status, rotor_close(reader, &error));
        expect_ok(status, "call %" PRIu64 ": closing a reader: %s", fault.fail_at, error.message);
    }
    s->tree = writer;
}

/* After a life: what the failed one before it has lost is forgotten. */
static void step_reopen(scenario *s) {
    if (s->exists) {
        step_open(s, ROTOR_OPEN_EXISTING, ROTOR_VERIFY_FULL);
    }
    if (s->tree == NULL) {
        return;
    }
    uint64_t size = rotor_size(s->tree);
    rotor_hash *leaves = s->leaves;
    rotor_snapshot snapshot;
    expect_ok(rotor_snapshot_take(s->tree, &snapshot), "reopened");
    if (size > 0) {
        expect_ok(rotor_snapshot_nodes(&snapshot, leaves, size, 0, 0), "reopened");
    }
    size_t at = s->now;
    while (at > s->durable && !(size >= s->moments[at].least && size <= s->moments[at].most &&
                                holds(&s->moments[at].layout, leaves, size))) {
        at--;
    }
    const moment *found = &s->moments[at];
    bool right = at > s->durable || found->most == size;
    expect(right && holds(&found->layout, leaves, size), "call %" PRIu64 ": reopened at %" PRIu64, fault.fail_at, size);
    add_moment(s, size, size, &found->layout);
    acknowledge(s, s->now);
    expect_readable(s, "open");
}

static void live(scenario *s) {
    step_open(s, ROTOR_OPEN_OR_CREATE, ROTOR_VERIFY_EDGE);
    rotor_token first = {0, 0};
    size_t first_at = 0;
    for (int i = 0; i < 8; i++) {
        rotor_token token = step_insert(s, 1, i % 2 == 0 ? LAZILY : ROOTED, "insert");
        if (i == 4) {
            first = token;
            first_at = s->now;
        }
    }
    step_wait(s, &first, first_at, ROTOR_FOREVER, "wait");
    rotor_token batch = step_insert(s, 300, LAZILY, "a batch for the log");
    step_wait(s, &batch, s->now, 5, "timed wait");
    (void)step_insert(s, 50, DURABLY, "a durable batch");
    (void)step_insert(s, 4300, ROOTED, "a batch for the level files");
    step_flush(s);
    (void)step_insert(s, 70, LAZILY, "a batch behind it");
    step_checkpoint(s, false, "checkpoint");
    step_read_only(s);
    step_proof(s);

    (void)step_insert(s, 200, LAZILY, "a batch after a checkpoint");
    step_flush(s);
    rotor_token cut = step_truncate(s, s->size > 100 ? s->size - 100 : 0, "truncation above what is committed");
    step_wait(s, &cut, s->now, ROTOR_FOREVER, "wait for a truncation");
    (void)step_truncate(s, 2000, "truncation below what is committed");
    (void)step_insert(s, 3, LAZILY, "a batch after a truncation");
    step_flush(s);
    (void)step_insert(s, 4200, LAZILY, "growing again");
    step_flush(s);
    step_checkpoint(s, true, "checkpoint in the background");
    (void)step_truncate(s, 3001, "another truncation");
    (void)step_insert(s, 10, DURABLY, "a durable batch after it");
    step_checkpoint(s, false, "checkpoint after a truncation");
    (void)step_insert(s, 11, ROOTED, "a batch for the backup");
    step_backup(s);
    (void)step_truncate(s, 1500, "truncation of what the backup has");
    (void)step_insert(s, 700, LAZILY, "writing where the backup shares");
    step_checkpoint(s, false, "checkpoint beside the backup");
    (void)step_insert(s, 9, LAZILY, "the last batch");
    step_proof(s);
    step_close(s);

    step_reopen(s);
    (void)step_insert(s, 20, LAZILY, "a batch for the log that stays");
    step_close(s);
    step_read_only(s);
}

/* ---------------------------------------------------------------- what must be there afterwards */

/* The tree at `path` is whole and at a moment from number `least` to number `most`. Its number. */
static size_t expect_moment(scenario *s, const char *path, size_t least, size_t most, const char *what) {
    rotor_error error = {0};
    rotor_tree *tree = NULL;
    rotor_options options = s->options;
    rotor_check_report report;
    options.mode = s->exists ? ROTOR_OPEN_EXISTING : ROTOR_OPEN_OR_CREATE;
    options.verify_at_open = ROTOR_VERIFY_FULL;
    rotor_status status = store_open_at(&tree, path, &options, &s->setup, &error);
    expect_ok(status, "call %" PRIu64 ": %s: %s", fault.fail_at, what, error.message);
    uint64_t size = rotor_size(tree);
    rotor_snapshot snapshot;
    expect(size <= MOST_LEAVES, "%s: %" PRIu64 " leaves", what, size);
    expect_ok(rotor_snapshot_take(tree, &snapshot), "%s", what);
    size_t at = most;
    if (size > 0) {
        expect_ok(rotor_snapshot_nodes(&snapshot, s->leaves, size, 0, 0), "%s", what);
    }
    for (;; at--) {
        const moment *candidate = &s->moments[at];
        bool fits = size == candidate->most || (at > least && size >= candidate->least && size < candidate->most);
        if (fits && holds(&candidate->layout, s->leaves, size)) {
            break;
        }
        expect(at > least,
               "call %" PRIu64 ": %s: %" PRIu64 " leaves, which is no moment from number %zu (%" PRIu64
               " leaves) to number %zu (%" PRIu64 ")",
               fault.fail_at, what, size, least, s->moments[least].most, most, s->moments[most].most);
    }
    if (size > 0) {
        rotor_hash root;
        rotor_hash wanted = root_of(&s->moments[at].layout, size);
        expect_ok(rotor_root(tree, &root), "%s", what);
        expect(test_same_hash(&root, &wanted), "call %" PRIu64 ": %s: root of %" PRIu64, fault.fail_at, what, size);
    }
    expect_ok(rotor_check(tree, &report, NULL, NULL), "call %" PRIu64 ": %s", fault.fail_at, what);
    rotor_hash leaf = leaf_of(&s->moments[at].layout, size);
    expect_ok(rotor_insert_durable(tree, NULL, &leaf, 1), "call %" PRIu64 ": %s", fault.fail_at, what);
    expect_ok(rotor_close(tree, &error), "call %" PRIu64 ": %s: %s", fault.fail_at, what, error.message);
    return at;
}

static size_t open_handles(void) {
    size_t count = 0;
    for (int handle = 0; handle < 256; handle++) {
        count += fcntl(handle, F_GETFD) != -1;
    }
    return count;
}

static void expired(int number) {
    (void)number;
    static const char text[] = "fault_store: a run hangs\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
        _exit(2);
    }
    scratch_remove();
    _exit(1);
}

static void begin_life(scenario *s, bool background) {
    s->background = background;
    s->may_fail = true;
    s->exists = false;
    s->failed = false;
    s->copied = false;
    s->linked = false;
    s->tree = NULL;
    s->size = 0;
    s->version = 0;
    s->now = 0;
    s->durable = 0;
    s->mapped_bytes = 0;
    memset(&s->moments[0], 0, sizeof s->moments[0]);
    folder_make(s->folder);
    (void)snprintf(s->path, sizeof s->path, "%s/tree", s->folder);
    (void)snprintf(s->copy_path, sizeof s->copy_path, "%s/copy", s->folder);
    rotor_options_init(&s->options, ARITY, 12);
    s->options.threads = 2;
    s->options.parallel_threshold = 64;
    s->options.task_nodes = 256;
    s->options.flush_interval_ms = background ? 1 : ROTOR_MANUAL;
    s->options.checkpoint_leaves = background ? 1000 : 0;
    s->options.checkpoint_bytes = background ? (uint64_t)64 << 10 : 0;
    s->setup = (rotor_store_setup){.shard_bits = 10, .segment_bytes = 16384};
    (void)alarm(WATCHDOG_SECONDS);
}

static void end_life(scenario *s) {
    (void)alarm(0);
    folder_remove(s->path);
    folder_remove(s->copy_path);
    expect(rmdir(s->folder) == 0, "%s: %s", s->folder, strerror(errno));
}

/* One life with the faults that have been prepared. */
static void run_life(scenario *s, bool background, bool may_fail) {
    size_t handles = open_handles();
    begin_life(s, background);
    s->may_fail = may_fail;
    atomic_store(&fault.armed, background);
    live(s);
    atomic_store(&fault.armed, false);
    (void)expect_moment(s, s->path, s->durable, s->now, "afterwards");
    if (s->copied) {
        if (background) {
            (void)expect_moment(s, s->copy_path, s->copy_moment, s->now, "the backup");
        } else {
            (void)expect_moment(s, s->copy_path, s->copy_moment, s->copy_moment, "the backup");
        }
    }
    expect(open_handles() == handles, "call %" PRIu64 ": %zu handles, %zu before", fault.fail_at, open_handles(),
           handles);
    end_life(s);
}

/* ---------------------------------------------------------------- every call in turn */

/* A life takes milliseconds, and there are thousands of calls: not each of them meets every kind of run where that
 * would take minutes. ROTOR_FAULT_STEP=1 lets nothing out. */
static uint64_t step_of_runs(uint64_t otherwise) {
    uint64_t times = test_under_valgrind() ? 61 : test_under_tsan ? 29 : test_under_asan ? 5 : 1;
    return test_env_number("ROTOR_FAULT_STEP", otherwise * times);
}

/* Address space that lives do not give back would pile up. */
static uint64_t mapped_kib(void) {
    char line[128];
    uint64_t kib = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "VmSize:", 7) == 0) {
            kib = strtoull(line + 7, NULL, 10);
        }
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return kib;
}

static void every_call_in_turn(unsigned kinds, file_fault what, bool may_fail, const char *name) {
    static const int numbers[] = {EIO, ENOSPC, EMFILE, EDQUOT};
    uint64_t early = 0;
    for (unsigned persistent = 0; persistent < 2; persistent++) {
        uint64_t refused = 1;
        uint64_t runs = 0;
        uint64_t fail_at = 1;
        for (; refused != 0; fail_at += step_of_runs(persistent != 0 ? 3 : 1)) {
            prepare_files(fail_at, persistent != 0, what, numbers[(fail_at + persistent) % 4]);
            fault.kinds = kinds;
            run_life(&life, false, may_fail);
            refused = atomic_load(&fault.failed);
            runs++;
            early = runs == 10 && persistent == 0 ? mapped_kib() : early;
        }
        print_message("%s, %s: %" PRIu64 " runs, %" PRIu64 " calls\n", name, persistent ? "persistent" : "once", runs,
                      atomic_load(&fault.calls));
        /* The last one met no fault, and shows what all of them go through. */
        expect(runs == 1 || (life.copied && life.mapped_bytes > 0), "the scenario does too little");
    }
    if (!test_under_asan && !test_under_tsan && !test_under_valgrind() && early != 0) {
        expect(mapped_kib() < early + ((uint64_t)1 << 20), "%" PRIu64 " KiB mapped, %" PRIu64 " early on", mapped_kib(),
               early);
    }
}

static void file_calls_fail(void **state) {
    (void)state;
    every_call_in_turn(FILES, FILE_CALL_FAILS, true, "calls on files fail");
}

static void file_calls_are_interrupted(void **state) {
    (void)state;
    every_call_in_turn(FILES, FILE_CALL_INTERRUPTED, false, "calls on files are interrupted");
}

static void transfers_are_short(void **state) {
    (void)state;
    every_call_in_turn(FILES, FILE_CALL_SHORT, false, "transfers are short");
}

static void memory_is_refused(void **state) {
    (void)state;
    every_call_in_turn(MEMORY | MAPPING | ADVICE, FILE_CALL_FAILS, true, "memory is refused");
}

static void threads_and_locks_are_refused(void **state) {
    (void)state;
    every_call_in_turn(THREAD | LOCK | CONFIGURATION, FILE_CALL_FAILS, true, "threads and locks are refused");
}

/* The calls of the background threads come in between at any place: what holds of every life is asserted, not which
 * call meets what. */
static void with_background_threads(void **state) {
    (void)state;
    static const unsigned kinds[] = {FILES, MEMORY | MAPPING};
    uint64_t step = step_of_runs(13);
    for (size_t k = 0; k < 2; k++) {
        for (unsigned persistent = 0; persistent < 2; persistent++) {
            uint64_t clean = 0;
            for (uint64_t fail_at = 1; clean < 2; fail_at += step) {
                prepare_files(fail_at, persistent != 0, FILE_CALL_FAILS, fail_at % 2 == 0 ? EIO : ENOSPC);
                fault.kinds = kinds[k];
                run_life(&life, true, true);
                clean += atomic_load(&fault.failed) == 0;
            }
        }
    }
}

int main(void) {
    /* Threads must not each reserve an arena, or leaks of address space could not be told from them. */
    (void)mallopt(M_ARENA_MAX, 1);
    (void)signal(SIGALRM, expired);
#ifdef CANARY_TEST
    cmocka_set_test_filter(CANARY_TEST);
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_calls_fail),
        cmocka_unit_test(file_calls_are_interrupted),
        cmocka_unit_test(transfers_are_short),
        cmocka_unit_test(memory_is_refused),
        cmocka_unit_test(threads_and_locks_are_refused),
        cmocka_unit_test(with_background_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
