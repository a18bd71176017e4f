/* The ways in which stores of this kind have been seen to fail their users, one test each: silent loss, silent damage,
 * logs that cannot be opened, logs that are cut where they should not be, old files beside new ones, and failures that
 * are forgotten. */
#include "store_support.h"

#include "base/bytes.h"
#include "store/log.h"

static rotor_status reopen(store_scene *s, rotor_error *error) {
    memset(error, 0, sizeof *error);
    s->tree = NULL;
    return store_try_open(s, error);
}

static void expect_refused(store_scene *s, const char *names, const char *what) {
    rotor_error error;
    rotor_status status = reopen(s, &error);
    uint64_t size = 0;
    if (status == ROTOR_OK) {
        size = rotor_size(s->tree);
        store_close(s);
    }
    expect_status(status, ROTOR_DAMAGED, "%s: opened with %" PRIu64 " leaves", what, size);
    expect(strstr(error.message, names) != NULL, "%s: \"%s\" does not name %s", what, error.message, names);
}

static void expect_as_it_was(store_scene *s, const char *what) {
    rotor_error error;
    rotor_status status = reopen(s, &error);
    expect_ok(status, "%s: %s", what, error.message);
    store_expect_root(s, s->tree, what);
    store_close(s);
}

/* Damage to what says how much there is must not leave the log's few leaves as the whole tree. */
static void damage_never_leaves_only_the_log(void **state) {
    (void)state;
    store_scene s;
    image whole;
    store_begin(&s, 4, 4);
    store_open(&s);
    store_insert(&s, 2000);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    for (int i = 0; i < 10; i++) {
        store_insert(&s, 1);
        expect_ok(rotor_flush(s.tree), "flush");
    }
    store_close(&s);
    image_read(&whole, s.path);
    const image_file *superblock = image_find(&whole, "superblock");
    for (size_t i = 0; i < 4096; i += i < 130 || i >= 4060 ? 1 : 97) {
        uint8_t first = superblock->bytes[i] ^ 4;
        uint8_t second = superblock->bytes[4096 + i] ^ 4;
        file_patch(s.path, "superblock", &first, 1, i);
        expect_as_it_was(&s, "one slot of the superblock");
        image_write(&whole, s.path);
        file_patch(s.path, "superblock", &first, 1, i);
        file_patch(s.path, "superblock", &second, 1, 4096 + i);
        expect_refused(&s, "superblock", "both slots");
        image_write(&whole, s.path);
    }
    for (size_t f = 0; f < whole.count; f++) {
        const char *name = whole.files[f].name;
        if (strncmp(name, "level-", 6) == 0 || strncmp(name, "log-", 4) == 0) {
            file_unlink(s.path, name);
            expect_refused(&s, name, "a file is missing");
            file_write(s.path, name, "", 0);
            expect_refused(&s, name, "a file is empty");
            image_write(&whole, s.path);
        }
    }
    image_free(&whole);
    store_end(&s);
}

/* A bit of an inner node: the root stays right whatever is inserted later, no wrong proof leaves the process when they
 * are verified, and a check names the node. */
static void a_damaged_inner_node(void **state) {
    (void)state;
    store_scene s;
    rotor_error error;
    store_begin(&s, 5, 4);
    s.options.verify_proofs = 1;
    store_open(&s);
    store_insert(&s, 5000);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    store_close(&s);
    image whole;
    image_read(&whole, s.path);
    /* In the middle of levels 1 to 4. */
    static const struct {
        const char *file;
        uint32_t level;
        uint64_t node;
    } cases[] = {{"level-01-00000004", 1, 600},
                 {"level-02-00000001", 2, 150},
                 {"level-03-00000000", 3, 40},
                 {"level-04-00000000", 4, 9}};
    for (size_t i = 0; i < 4; i++) {
        size_t at = (size_t)(cases[i].node % 128) * 32 + 7;
        uint8_t byte = image_find(&whole, cases[i].file)->bytes[at] ^ 0x20;
        file_patch(s.path, cases[i].file, &byte, 1, at);
        s.options.verify_at_open = ROTOR_VERIFY_FULL;
        expect_refused(&s, "level", "full verification");
        s.options.verify_at_open = ROTOR_VERIFY_EDGE;
        rotor_status status = reopen(&s, &error);
        expect_ok(status, "%s", error.message);
        store_expect_root(&s, s.tree, "damaged");
        rotor_check_report report;
        expect_status(rotor_check(s.tree, &report, NULL, NULL), ROTOR_DAMAGED, "check");
        assert_int_equal(report.bad_nodes, 1);
        assert_int_equal(report.levels[cases[i].level].bad, 1);
        assert_int_equal(report.levels[cases[i].level].first_bad, cases[i].node);
        rotor_snapshot snapshot;
        rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
        uint64_t refused = 0;
        expect_ok(rotor_snapshot_take(s.tree, &snapshot), "snapshot");
        rotor_tree_head head = model_tree_head(&s.model, 5000);
        for (uint64_t leaf = 0; leaf < 5000; leaf++) {
            status = rotor_inclusion_prove(&snapshot, &proof, leaf);
            refused += status == ROTOR_DAMAGED;
            expect(status == ROTOR_DAMAGED ||
                       (status == ROTOR_OK && rotor_inclusion_verify(&proof, &head, &s.model.leaves[leaf]) == ROTOR_OK),
                   "leaf %" PRIu64 ": %s", leaf, rotor_status_name(status));
        }
        expect(refused > 0 && refused < 5000, "%" PRIu64 " proofs were refused", refused);
        rotor_inclusion_proof_free(&proof);
        uint64_t drawn = s.drawn;
        store_insert(&s, 700);
        store_expect_root(&s, s.tree, "grown");
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        store_close(&s);
        expect_as_it_was(&s, "grown");
        model_tree_cut(&s.model, 5000);
        s.drawn = drawn;
        image_write(&whole, s.path);
    }
    image_free(&whole);
    store_end(&s);
}

/* What a crash leaves of a segment that was about to be entered. */
static void the_next_segment_is_torn(void **state) {
    (void)state;
    store_scene s;
    image whole;
    store_begin(&s, 7, 3);
    s.setup.segment_bytes = 65536;
    store_open(&s);
    store_insert(&s, 60);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    store_insert(&s, 5);
    store_close(&s);
    image_read(&whole, s.path);
    const image_file *log = image_find(&whole, "log-0000000000000002");
    expect(log != NULL && image_find(&whole, "log-0000000000000003") == NULL, "segments");
    uint8_t bytes[4096];
    for (int kind = 0; kind < 4; kind++) {
        for (size_t count = 0; count <= sizeof bytes; count = count < 70 ? count + 1 : count * 3) {
            memset(bytes, kind == 1 ? 0xff : 0, sizeof bytes);
            if (kind >= 2) {
                memcpy(bytes, log->bytes, kind == 2 ? 40 : 64); /* half a header; that of another segment */
            }
            file_write(s.path, "log-0000000000000003", bytes, count);
            expect_as_it_was(&s, "a torn segment behind the last");
            /* It is used after all, as if it had not been there. */
            s.setup.segment_bytes = 128;
            store_open(&s);
            uint64_t present = s.model.count;
            for (int i = 0; i < 4; i++) {
                store_insert(&s, 5);
                expect_ok(rotor_flush(s.tree), "flush");
            }
            store_close(&s);
            expect_as_it_was(&s, "written over");
            s.setup.segment_bytes = 65536;
            model_tree_cut(&s.model, present);
            image_write(&whole, s.path);
        }
    }
    image_free(&whole);
    store_end(&s);
}

/* A file that was extended but not written, or whose blocks never were. */
static void zeros_at_the_end_of_the_log(void **state) {
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        store_scene s;
        image whole;
        store_begin(&s, 8, 3);
        store_open(&s);
        for (int i = 0; i < 9; i++) {
            store_insert(&s, 5);
            expect_ok(rotor_flush(s.tree), "flush");
        }
        uint64_t end = store_statistics(&s).log_bytes;
        image_read(&whole, s.path);
        store_close(&s);
        if (closed == 1) {
            image_free(&whole);
            image_read(&whole, s.path);
        }
        const image_file *log = image_find(&whole, "log-0000000000000001");
        uint8_t *bytes = test_alloc(log->count + 300000, 1);
        memcpy(bytes, log->bytes, log->count);
        for (size_t more = 0; more < 300000; more = more < 200 ? more + 1 : 3 * more) {
            image_write(&whole, s.path);
            file_write(s.path, log->name, bytes, (size_t)end + 65536 + more);
            expect_as_it_was(&s, "zeros behind the log");
        }
        free(bytes);
        image_free(&whole);
        store_end(&s);
    }
}

/* Nothing in the middle of the log can be taken out, doubled, exchanged, emptied or made another length. */
static void the_middle_of_the_log(void **state) {
    (void)state;
    enum { FRAMES = 12, FRAME_BYTES = 64 + 5 * 32 };
    for (int closed = 0; closed < 2; closed++) {
        store_scene s;
        image whole;
        store_begin(&s, 9, 3);
        store_open(&s);
        for (int i = 0; i < FRAMES; i++) {
            store_insert(&s, 5);
            expect_ok(rotor_flush(s.tree), "flush");
        }
        image_read(&whole, s.path);
        store_close(&s);
        if (closed == 1) {
            image_free(&whole);
            image_read(&whole, s.path);
        }
        const image_file *log = image_find(&whole, "log-0000000000000001");
        uint8_t *changed = test_alloc(log->count, 1);
        for (size_t f = 0; f + 2 < FRAMES; f++) {
            size_t at = 64 + f * FRAME_BYTES;
            size_t behind = log->count - at - FRAME_BYTES;
            for (int kind = 0; kind < 9; kind++) {
                if (kind == 4 && closed == 0 && at / 512 * 512 + 512 > 64 + (FRAMES - 1) * FRAME_BYTES) {
                    continue; /* with the last flush, all that says that this had been durable is lost */
                }
                memcpy(changed, log->bytes, log->count);
                if (kind == 0) { /* taken out */
                    memmove(changed + at, changed + at + FRAME_BYTES, behind);
                } else if (kind == 1) { /* doubled */
                    memmove(changed + at + FRAME_BYTES, changed + at, behind);
                } else if (kind == 2) { /* exchanged with the next */
                    memcpy(changed + at, log->bytes + at + FRAME_BYTES, FRAME_BYTES);
                    memcpy(changed + at + FRAME_BYTES, log->bytes + at, FRAME_BYTES);
                } else if (kind == 3) { /* a hole */
                    memset(changed + at, 0, FRAME_BYTES);
                } else if (kind == 4) { /* a sector that was lost */
                    memset(changed + at / 512 * 512, 0, at < 512 ? 64 + FRAME_BYTES : 512);
                } else if (kind < 8) { /* more leaves, none, very many */
                    rotor_put_u64(changed + at + 32, kind == 5 ? 6 : kind == 6 ? 0 : UINT64_MAX / 32);
                } else { /* a gap in the sequence, with a checksum that is right */
                    rotor_segment_header header = {0};
                    rotor_frame frame;
                    memcpy(header.tree_id, log->bytes + 16, sizeof header.tree_id);
                    assert_true(rotor_frame_decode(&frame, header.tree_id, 1, changed + at));
                    frame.sequence++;
                    rotor_frame_encode(&frame, header.tree_id, changed + at);
                }
                char what[80];
                (void)snprintf(what, sizeof what, "frame %zu, kind %d", f, kind);
                image_write(&whole, s.path);
                file_write(s.path, log->name, changed, log->count);
                expect_refused(&s, log->name, what);
                image after;
                image_read(&after, s.path);
                expect(memcmp(image_find(&after, log->name)->bytes, changed, log->count) == 0, "%s: was cut", what);
                image_free(&after);
            }
        }
        free(changed);
        image_free(&whole);
        store_end(&s);
    }
}

/* ---------------------------------------------------------------- two moments mixed */

#define MOMENTS 64

typedef struct history {
    rotor_tree_head heads[MOMENTS]; /* at rest */
    size_t count;
} history;

static void remember(history *all, store_scene *s) {
    all->heads[all->count++] = model_tree_head(&s->model, s->model.count);
}

/* Some files of an old copy, the others of a newer one: an error, or a moment that was. */
static void mix(store_scene *s, const history *all, image *old, image *new) {
    image names = {.count = 0};
    image_copy(&names, new);
    for (size_t f = 0; f < old->count; f++) {
        if (image_find(new, old->files[f].name) == NULL) {
            names.files[names.count] = old->files[f];
            names.files[names.count++].bytes = test_alloc(1, 1);
        }
    }
    uint64_t all_mixtures = UINT64_C(1) << names.count;
    uint64_t step = 1 + all_mixtures / (test_scaled(1500) + 1);
    uint64_t refused = 0;
    step += step % 2 == 0;
    for (uint64_t choice = 0; choice < all_mixtures; choice += step) {
        image mixture = {.count = 0};
        for (size_t f = 0; f < names.count; f++) {
            const image_file *file = image_find((choice >> f & 1) != 0 ? old : new, names.files[f].name);
            if (file != NULL) {
                mixture.files[mixture.count++] = *file;
            }
        }
        image_write(&mixture, s->path);
        rotor_error error;
        rotor_status status = reopen(s, &error);
        if (status != ROTOR_OK) {
            expect_status(status, ROTOR_DAMAGED, "mixture %" PRIu64 ": %s", choice, error.message);
            refused++;
            continue;
        }
        rotor_tree_head head;
        bool found = false;
        expect_ok(rotor_head(s->tree, &head), "mixture %" PRIu64, choice);
        for (size_t i = 0; i < all->count; i++) {
            found = found || model_heads_equal(&head, &all->heads[i]);
        }
        expect(found, "mixture %" PRIu64 ": a tree of %" PRIu64 " leaves that never was", choice, head.size);
        store_close(s);
    }
    expect(refused > 0 && refused < all_mixtures, "%" PRIu64 " mixtures were refused", refused);
    image_free(&names);
}

static void old_files_beside_new_ones(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        store_scene s;
        history all = {.count = 0};
        image old;
        image new;
        store_begin(&s, 10, 4);
        store_open(&s);
        store_insert(&s, 130);
        expect_ok(rotor_checkpoint(s.tree), "checkpoint");
        store_insert(&s, 5);
        store_close(&s);
        remember(&all, &s);
        image_read(&old, s.path);
        store_open(&s);
        if (kind == 1) {
            store_truncate(&s, 60);
            expect_ok(rotor_flush(s.tree), "flush");
            remember(&all, &s);
        }
        for (int i = 0; i < 12; i++) {
            store_insert(&s, i == 5 ? 90 : 7);
            expect_ok(rotor_flush(s.tree), "flush");
            remember(&all, &s);
        }
        if (kind != 2) {
            expect_ok(rotor_checkpoint(s.tree), "checkpoint");
            store_insert(&s, 3);
        }
        store_close(&s);
        remember(&all, &s);
        image_read(&new, s.path);
        mix(&s, &all, &old, &new);
        image_free(&old);
        image_free(&new);
        store_end(&s);
    }
}

/* ---------------------------------------------------------------- failures that are not forgotten */

static struct {
    rotor_os os;
    bool syncs_fail;
    bool writes_fail;
    uint64_t most; /* bytes that a failing write still takes */
    int error;     /* instead of EIO for a sync and ENOSPC for a write; or 0 */
} failing;

static int failure_or(int usual) {
    return -(failing.error != 0 ? failing.error : usual);
}

static int failing_sync(void *context, int file) {
    return failing.syncs_fail ? failure_or(EIO) : rotor_os_system()->sync(context, file);
}

static int64_t failing_write(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    if (failing.writes_fail && failing.most == 0) {
        return failure_or(ENOSPC);
    }
    if (failing.writes_fail && count > failing.most) {
        count = (size_t)failing.most;
        failing.most = 0;
    }
    return rotor_os_system()->write(context, file, bytes, count, offset);
}

static void begin_failing(store_scene *s, uint64_t seed) {
    failing.os = *rotor_os_system();
    failing.os.sync = failing_sync;
    failing.os.write = failing_write;
    failing.syncs_fail = false;
    failing.writes_fail = false;
    failing.error = 0;
    store_begin(s, seed, 3);
    s->setup.os = &failing.os;
    store_open(s);
    store_insert(s, 100);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
    store_insert(s, 5);
    expect_ok(rotor_flush(s->tree), "flush");
}

/* What is refused after a failure, and what is not. `durable` is a token from before it. */
static void expect_failed(store_scene *s, const rotor_token *lost, const rotor_token *durable, int cause) {
    rotor_hash leaf = test_random_leaf(1, 1);
    rotor_error error = {0};
    expect_status(rotor_insert(s->tree, NULL, NULL, &leaf), ROTOR_FAILED, "insert");
    expect_status(rotor_insert_durable(s->tree, NULL, &leaf, 1), ROTOR_FAILED, "insert_durable");
    expect_status(rotor_truncate(s->tree, NULL, 3), ROTOR_FAILED, "truncate");
    expect_status(rotor_flush(s->tree), ROTOR_FAILED, "flush");
    expect_status(rotor_checkpoint(s->tree), ROTOR_FAILED, "checkpoint");
    expect_status(rotor_checkpoint_start(s->tree), ROTOR_FAILED, "checkpoint_start");
    expect_status(rotor_checkpoint_wait(s->tree, 0), ROTOR_FAILED, "checkpoint_wait");
    expect_status(rotor_checkpoint_wait(s->tree, ROTOR_FOREVER), ROTOR_FAILED, "checkpoint_wait");
    expect_status(rotor_wait(s->tree, lost, ROTOR_FOREVER), ROTOR_FAILED, "wait");
    expect_status(rotor_wait(s->tree, lost, 0), ROTOR_FAILED, "wait");
    expect_status(rotor_token_status(s->tree, lost), ROTOR_FAILED, "token");
    expect_ok(rotor_token_status(s->tree, durable), "an older token");
    expect_ok(rotor_wait(s->tree, durable, 0), "an older token");
    expect_status(rotor_failure(s->tree, &error), ROTOR_FAILED, "failure");
    expect(error.os_errno == cause && strstr(error.message, s->path) != NULL, "%d: %s", error.os_errno, error.message);
    store_expect_root(s, s->tree, "reading goes on");
    store_expect_proofs(s, s->tree, 20, "reading goes on");
}

/* More than none says that the next open must not believe what the system shows (docs/durability.md, R11). */
static uint64_t lock_bytes(const store_scene *s) {
    char path[FOLDER_PATH + 60];
    struct stat facts;
    (void)snprintf(path, sizeof path, "%s/lock", s->path);
    expect(stat(path, &facts) == 0, "%s: %s", path, strerror(errno));
    return (uint64_t)facts.st_size;
}

/* Closes, which must report the failure, and finds again what had been durable, or the moment that was lost. */
static void close_failed(store_scene *s, uint64_t durable, int cause) {
    rotor_error error = {0};
    uint64_t accepted = s->model.count;
    rotor_tree *tree = s->tree;
    s->tree = NULL;
    expect_status(rotor_close(tree, &error), ROTOR_FAILED, "close");
    expect(error.status == ROTOR_FAILED && error.os_errno == cause && error.message[0] != '\0', "%d: %s",
           error.os_errno, error.message);
    failing.syncs_fail = false;
    failing.writes_fail = false;
    store_open(s);
    expect(lock_bytes(s) == 0, "what was in doubt is not any more");
    uint64_t found = rotor_size(s->tree);
    expect(found >= durable && found <= accepted, "%" PRIu64 " leaves", found);
    model_tree_cut(&s->model, found);
    store_expect_whole(s, s->tree, "opened");
    store_insert(s, 20);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
    s->options.verify_at_open = ROTOR_VERIFY_FULL;
    store_close(s);
    store_open(s);
    store_expect_whole(s, s->tree, "opened again");
    store_end(s);
}

static void a_failed_flush_is_not_forgotten(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        store_scene s;
        begin_failing(&s, 11);
        rotor_token durable = {0, 105};
        rotor_token lost = store_insert(&s, kind % 2 == 0 ? 3 : 40);
        failing.syncs_fail = kind < 2;
        failing.writes_fail = kind >= 2;
        failing.most = 50; /* half a frame's header is written, then the disk is full */
        int cause = kind < 2 ? EIO : ENOSPC;
        expect_status(rotor_flush(s.tree), ROTOR_FAILED, "flush");
        failing.syncs_fail = false; /* space has returned */
        failing.writes_fail = false;
        expect_failed(&s, &lost, &durable, cause);
        close_failed(&s, 105, cause);
    }
}

static void a_failed_checkpoint_is_not_forgotten(void **state) {
    (void)state;
    for (uint64_t most = 0; most < 400; most += 32) {
        store_scene s;
        begin_failing(&s, 12);
        rotor_token durable = {0, 105};
        rotor_token lost = store_insert(&s, 3);
        failing.writes_fail = true;
        failing.most = most;
        expect_status(rotor_checkpoint(s.tree), ROTOR_FAILED, "checkpoint");
        failing.writes_fail = false;
        if (rotor_token_status(s.tree, &lost) == ROTOR_FAILED) {
            expect_failed(&s, &lost, &durable, ENOSPC);
        }
        close_failed(&s, 105, ENOSPC);
    }
}

static void closing_reports_its_own_failure(void **state) {
    (void)state;
    for (uint32_t kind = 0; kind < 4; kind++) {
        store_scene s;
        begin_failing(&s, 13);
        s.options.checkpoint_on_close = kind % 2;
        store_close(&s);
        store_open(&s);
        store_insert(&s, 8 + kind);
        failing.syncs_fail = kind < 2;
        failing.writes_fail = kind >= 2;
        failing.most = 0;
        close_failed(&s, 105, kind < 2 ? EIO : ENOSPC);
    }
}

typedef struct way_to_fail {
    bool of_a_sync;
    int error;
    uint64_t marks;
} way_to_fail;

enum doubtful_call { SMALL_FLUSH, LARGE_FLUSH, CHECKPOINT, DOUBTFUL_CALLS };

static void fail_and_look(const way_to_fail *way, enum doubtful_call call) {
    store_scene s;
    uint64_t durable = 105;
    begin_failing(&s, 15);
    (void)store_insert(&s, call == LARGE_FLUSH ? 40 : 3);
    if (call == CHECKPOINT) {
        expect_ok(rotor_flush(s.tree), "flush");
        durable = s.model.count;
    }
    failing.error = way->error;
    failing.syncs_fail = way->of_a_sync;
    failing.writes_fail = !way->of_a_sync;
    failing.most = 40;
    rotor_status status = call == CHECKPOINT ? rotor_checkpoint(s.tree) : rotor_flush(s.tree);
    expect_status(status, ROTOR_FAILED, "call %d", call);
    expect(lock_bytes(&s) == way->marks, "call %d: %s of %s: %" PRIu64 " bytes of mark", call, strerror(way->error),
           way->of_a_sync ? "a sync" : "a write", lock_bytes(&s));
    close_failed(&s, durable, way->error);
}

/* A sync that failed, for whatever reason, leaves doubt about what had been written. A write for which there was no
 * space does not: what it did not take is nowhere, and everything else is as it was. */
static void only_what_leaves_doubt_marks_the_lock_file(void **state) {
    (void)state;
    static const way_to_fail ways[] = {
        {false, ENOSPC, 0}, {false, EDQUOT, 0}, {false, EFBIG, 0}, {false, EIO, 1},
        {true, EIO, 1},     {true, ENOSPC, 1},  {true, EDQUOT, 1},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (int call = 0; call < DOUBTFUL_CALLS; call++) {
            fail_and_look(&ways[i], (enum doubtful_call)call);
        }
    }
}

/* Two threads write. One finds no space, and by the time the other's sync fails the tree has failed already. */
static void a_sync_that_fails_behind_a_full_disk_marks_as_well(void **state) {
    (void)state;
    store_scene s;
    rotor_error error = {0};
    begin_failing(&s, 16);
    (void)store_insert(&s, 3);
    failing.writes_fail = true;
    failing.most = 40;
    expect_status(rotor_flush(s.tree), ROTOR_FAILED, "flush");
    assert_int_equal(lock_bytes(&s), 0);
    rotor_store *store = s.tree->store;
    failing.syncs_fail = true;
    rotor_status status = rotor_file_sync(&store->superblock_file, &error);
    expect_status(status, ROTOR_IO, "%s", error.message);
    rotor_store_fail(store, &error);
    assert_int_equal(lock_bytes(&s), 1);
    close_failed(&s, 105, ENOSPC);
}

/* Whoever waits for the background thread is told, too. */
static void a_failed_flush_in_the_background(void **state) {
    (void)state;
    store_scene s;
    begin_failing(&s, 14);
    store_close(&s);
    s.options.flush_interval_ms = 1;
    store_open(&s);
    rotor_token durable = {0, 105};
    failing.syncs_fail = true;
    rotor_token lost = store_insert(&s, 5);
    expect_status(rotor_wait(s.tree, &lost, 600 * 1000), ROTOR_FAILED, "wait");
    failing.syncs_fail = false;
    expect_failed(&s, &lost, &durable, EIO);
    close_failed(&s, 105, EIO);
}

/* ---------------------------------------------------------------- a log that several threads read */

#define SHARED_FRAMES 12u
#define SHARED_FRAME_LEAVES 3000u
#define SHARED_EXTENT_LEAVES 9000u

static void flip_a_byte(const store_scene *s, const image *whole, const char *name, size_t at) {
    uint8_t byte = image_find((image *)(uintptr_t)whole, name)->bytes[at] ^ 16;
    file_patch(s->path, name, &byte, 1, at);
}

/* Leaves of later frames are at their places, and right, when a frame before them turns out to be damaged. */
static void a_log_that_threads_read(void **state) {
    (void)state;
    store_scene s;
    image whole;
    store_begin(&s, 11, 4);
    s.options.threads = 4;
    s.setup = (rotor_store_setup){.shard_bits = 14, .extent_leaves = 4000, .segment_bytes = (uint64_t)8 << 20};
    store_open(&s);
    for (unsigned i = 0; i < SHARED_FRAMES + 3; i++) {
        store_insert(&s, i < SHARED_FRAMES ? SHARED_FRAME_LEAVES : SHARED_EXTENT_LEAVES);
        expect_ok(rotor_flush(s.tree), "flush");
    }
    for (unsigned i = 0; i < 10; i++) {
        store_insert(&s, 7);
        expect_ok(rotor_flush(s.tree), "flush");
    }
    store_close(&s);
    expect_as_it_was(&s, "all of it");
    image_read(&whole, s.path);
    const size_t frame_bytes = ROTOR_LOG_HEADER_BYTES + (size_t)SHARED_FRAME_LEAVES * ROTOR_HASH_BYTES;
    for (unsigned i = 0; i < SHARED_FRAMES; i++) {
        image_write(&whole, s.path);
        flip_a_byte(&s, &whole, "log-0000000000000001", ROTOR_LOG_HEADER_BYTES + i * frame_bytes + 1000 + 7777 * i);
        expect_refused(&s, "log-0000000000000001", "a leaf in the log");
    }
    for (unsigned i = 0; i < 3; i++) {
        uint64_t leaf = SHARED_FRAMES * SHARED_FRAME_LEAVES + i * SHARED_EXTENT_LEAVES + 4321;
        char name[40];
        rotor_level_file_name(name, 0, leaf >> s.setup.shard_bits);
        image_write(&whole, s.path);
        flip_a_byte(&s, &whole, name, (size_t)(leaf % (1u << s.setup.shard_bits)) * ROTOR_HASH_BYTES);
        expect_refused(&s, "log-0000000000000001", "a leaf in the level files");
    }
    image_write(&whole, s.path);
    expect_as_it_was(&s, "restored");
    image_free(&whole);
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_never_leaves_only_the_log),
        cmocka_unit_test(a_damaged_inner_node),
        cmocka_unit_test(the_next_segment_is_torn),
        cmocka_unit_test(zeros_at_the_end_of_the_log),
        cmocka_unit_test(the_middle_of_the_log),
        cmocka_unit_test(a_log_that_threads_read),
        cmocka_unit_test(old_files_beside_new_ones),
        cmocka_unit_test(a_failed_flush_is_not_forgotten),
        cmocka_unit_test(a_failed_checkpoint_is_not_forgotten),
        cmocka_unit_test(closing_reports_its_own_failure),
        cmocka_unit_test(only_what_leaves_doubt_marks_the_lock_file),
        cmocka_unit_test(a_sync_that_fails_behind_a_full_disk_marks_as_well),
        cmocka_unit_test(a_failed_flush_in_the_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
