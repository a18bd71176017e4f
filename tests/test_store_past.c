/* A damaged node below the edge is read again when a tree turns to one of its past sizes: by a snapshot, whose root and
 * proofs would be others, and by a truncation, which would make the other root the truth. Every node of a small tree is
 * damaged in turn. */
#include "store_support.h"

#define COMMITTED 150
#define ACCEPTED 170
#define CUT 77

static const uint32_t arities[] = {2, 3, 4, 16};
#define ARITIES (sizeof arities / sizeof arities[0])

typedef struct tally {
    uint64_t opened; /* trees with a damaged node that the edge does not need */
    uint64_t refused;
    uint64_t right;
} tally;

static void begin(store_scene *s, uint32_t arity) {
    store_begin(s, 40 + arity, arity);
    s->options.max_depth = 16;
    s->setup.extent_leaves = 1u << 20; /* what is not committed is in the log */
    store_open(s);
    store_insert(s, COMMITTED);
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
}

static bool is_level_file(const image_file *file) {
    return strncmp(file->name, "level-", 6) == 0;
}

/* Calls `try` with one byte of each node of the level files changed. */
static void damage_each_node(store_scene *s, tally *t, void (*try)(store_scene *s, tally *t, const char *what)) {
    image whole;
    test_random random = {test_seed(41)};
    image_read(&whole, s->path);
    for (size_t f = 0; f < whole.count; f++) {
        image_file *file = &whole.files[f];
        for (size_t node = 0; is_level_file(file) && node < file->count / ROTOR_HASH_BYTES;
             node += 1 + (test_scaled(8) < 8 ? test_below(&random, 16) : 0)) {
            size_t offset = node * ROTOR_HASH_BYTES + test_below(&random, ROTOR_HASH_BYTES);
            uint8_t bit = (uint8_t)(1u << test_below(&random, 8));
            char what[120];
            (void)snprintf(what, sizeof what, "arity %u, node %zu of %s damaged", s->options.arity, node, file->name);
            file->bytes[offset] ^= bit;
            image_write(&whole, s->path);
            try(s, t, what);
            file->bytes[offset] ^= bit;
        }
    }
    image_write(&whole, s->path);
    image_free(&whole);
}

/* False when the edge needs the damaged node, so that it was noticed. */
static bool open_beside_damage(store_scene *s, tally *t, const char *what) {
    rotor_error error = {0};
    rotor_status status = store_try_open(s, &error);
    if (status == ROTOR_OK) {
        t->opened++;
        store_expect_root(s, s->tree, what);
        return true;
    }
    s->tree = NULL;
    expect_status(status, ROTOR_DAMAGED, "%s: %s", what, error.message);
    expect(strstr(error.message, s->path) != NULL, "%s: %s", what, error.message);
    return false;
}

static void expect_head(const store_scene *s, const rotor_tree_head *head, uint64_t size, const char *what) {
    model_tree *model = (model_tree *)(uintptr_t)&s->model;
    rotor_tree_head wanted = model_tree_head(model, size);
    expect(model_heads_equal(head, &wanted), "%s: another root of %" PRIu64 " leaves", what, size);
}

/* Damage has been met in all the ways that there are. */
static void end_after(store_scene *s, const tally *t) {
    expect(t->opened > 0 && t->refused > 0 && t->right > 0,
           "arity %u: %" PRIu64 " opened, %" PRIu64 " refused, %" PRIu64 " right", s->options.arity, t->opened,
           t->refused, t->right);
    store_end(s);
}

/* ---------------------------------------------------------------- snapshots */

static void turn_to_every_size(store_scene *s, tally *t, const char *what) {
    rotor_snapshot snapshot;
    rotor_snapshot past;
    rotor_tree_head head;
    if (!open_beside_damage(s, t, what)) {
        return;
    }
    expect_ok(rotor_snapshot_take(s->tree, &snapshot), "%s", what);
    for (uint64_t size = 1; size < COMMITTED; size++) {
        rotor_status status = rotor_snapshot_at(&snapshot, &past, size);
        if (status == ROTOR_OK) {
            t->right++;
            expect_ok(rotor_snapshot_head(&past, &head), "%s", what);
            expect_head(s, &head, size, what);
        } else {
            t->refused++;
            expect_status(status, ROTOR_DAMAGED, "%s: %" PRIu64 " leaves", what, size);
        }
    }
    store_close(s);
}

static void snapshots_of_past_sizes(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        store_scene s;
        tally t = {0};
        begin(&s, arities[a]);
        store_close(&s);
        s.options.mode = ROTOR_OPEN_READ_ONLY;
        s.options.verify_proofs = 1;
        damage_each_node(&s, &t, turn_to_every_size);
        end_after(&s, &t);
    }
}

/* ---------------------------------------------------------------- truncation */

static void cut_beside_damage(store_scene *s, tally *t, const char *what) {
    image before;
    rotor_tree_head head;
    image_read(&before, s->path);
    for (uint64_t size = 1; size < COMMITTED; size += 1 + COMMITTED / 15) {
        uint64_t count = s->model.count;
        image_write(&before, s->path);
        if (!open_beside_damage(s, t, what)) {
            break;
        }
        rotor_status status = rotor_truncate(s->tree, NULL, size);
        t->refused += status != ROTOR_OK;
        t->right += status == ROTOR_OK;
        if (status != ROTOR_OK) {
            expect_status(status, ROTOR_DAMAGED, "%s: cut to %" PRIu64, what, size);
        }
        /* Nothing has changed, or all as it should. */
        s->model.count = status == ROTOR_OK ? size : count;
        expect_ok(rotor_head(s->tree, &head), "%s", what);
        expect_head(s, &head, s->model.count, what);
        expect_ok(rotor_checkpoint(s->tree), "%s", what);
        store_close(s);
        if (open_beside_damage(s, t, what)) {
            store_close(s);
        }
        s->model.count = count;
    }
    image_free(&before);
}

static void truncations(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        store_scene s;
        tally t = {0};
        begin(&s, arities[a]);
        store_close(&s);
        damage_each_node(&s, &t, cut_beside_damage);
        end_after(&s, &t);
    }
}

static void open_what_the_log_cuts(store_scene *s, tally *t, const char *what) {
    if (open_beside_damage(s, t, what)) {
        t->right++;
        store_close(s);
    } else {
        t->refused++;
    }
    /* To look at it is possible nevertheless. */
    rotor_options options = s->options;
    rotor_tree *tree = NULL;
    rotor_error error = {0};
    options.mode = ROTOR_OPEN_READ_ONLY;
    options.verify_at_open = ROTOR_VERIFY_NONE;
    rotor_status status = store_open_at(&tree, s->path, &options, &s->setup, &error);
    expect_ok(status, "%s: %s", what, error.message);
    expect_ok(rotor_close(tree, NULL), "%s", what);
    /* And to repair it. */
    rotor_check_report report;
    bool leaf = strstr(what, "level-00") != NULL;
    status = rotor_repair(s->path, &report, NULL, NULL, &error);
    expect_status(status, leaf ? ROTOR_DAMAGED : ROTOR_OK, "%s: %s", what, error.message);
    if (!leaf) {
        expect(open_beside_damage(s, t, what), "%s: repaired, but not sound", what);
        store_close(s);
    }
}

/* A truncation that is in the log and not committed is done again when the tree is opened. */
static void truncations_in_the_log(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        store_scene s;
        tally t = {0};
        begin(&s, arities[a]);
        store_insert(&s, ACCEPTED - COMMITTED);
        expect_ok(rotor_flush(s.tree), "flush");
        store_truncate(&s, CUT);
        store_insert(&s, 5);
        expect_ok(rotor_flush(s.tree), "flush");
        store_close(&s);
        damage_each_node(&s, &t, open_what_the_log_cuts);
        end_after(&s, &t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_of_past_sizes),
        cmocka_unit_test(truncations),
        cmocka_unit_test(truncations_in_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
