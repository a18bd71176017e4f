/* A checkpoint at every size: whatever node is the last one of its level, page, shard or memory block when the tree is
 * checkpointed, the tree goes on from there as if it had not been. What went to the files is read back with full
 * verification, and every root and proof is compared with the model's. */
#include "store_support.h"

#ifdef ROTOR_CANARY_LOST_NODE
/* In place of the function: a checkpoint that leaves out the last of several inner nodes must be caught. */
rotor_status __real_rotor_level_files_write(rotor_level_files *files, uint32_t level, uint64_t first, uint64_t count,
                                            const uint8_t *nodes, rotor_error *error);
rotor_status __wrap_rotor_level_files_write(rotor_level_files *files, uint32_t level, uint64_t first, uint64_t count,
                                            const uint8_t *nodes, rotor_error *error);
rotor_status __wrap_rotor_level_files_write(rotor_level_files *files, uint32_t level, uint64_t first, uint64_t count,
                                            const uint8_t *nodes, rotor_error *error) {
    count -= level > 0 && count > 1 ? 1 : 0;
    return __real_rotor_level_files_write(files, level, first, count, nodes, error);
}
#endif

static const uint32_t arities[] = {2, 3, 4, 8, 16};
#define ARITIES (sizeof arities / sizeof arities[0])

/* A tree on disk that follows a model which has all leaves from the beginning. */
typedef struct walk {
    store_scene scene;
    uint64_t size;
} walk;

static void begin(walk *w, uint32_t arity, uint64_t most) {
    store_begin(&w->scene, arity, arity);
    for (uint64_t i = 0; i < most; i++) {
        rotor_hash leaf = test_random_leaf(w->scene.seed, i);
        model_tree_append(&w->scene.model, &leaf);
    }
    w->size = 0;
    w->scene.options.verify_at_open = ROTOR_VERIFY_FULL;
    store_open(&w->scene);
}

static void grow_to(walk *w, uint64_t size) {
    expect_ok(rotor_insert_many(w->scene.tree, NULL, NULL, w->scene.model.leaves + w->size, (size_t)(size - w->size)),
              "%" PRIu64 " to %" PRIu64, w->size, size);
    w->size = size;
}

static void checkpoint(walk *w) {
    expect_ok(rotor_checkpoint(w->scene.tree), "arity %u size %" PRIu64, w->scene.model.arity, w->size);
    rotor_statistics statistics = store_statistics(&w->scene);
    expect(statistics.checkpointed_size == w->size, "arity %u: %" PRIu64 " leaves checkpointed, not %" PRIu64,
           w->scene.model.arity, statistics.checkpointed_size, w->size);
}

static void reopen(walk *w) {
    store_close(&w->scene);
    store_open(&w->scene);
}

static void expect_proofs(walk *w, uint64_t count, const char *what) {
    char where[100];
    (void)snprintf(where, sizeof where, "%s, arity %u size %" PRIu64, what, w->scene.model.arity, w->size);
    uint64_t all = w->scene.model.count;
    w->scene.model.count = w->size;
    store_expect_root(&w->scene, w->scene.tree, where);
    store_expect_proofs(&w->scene, w->scene.tree, count, where);
    w->scene.model.count = all;
}

static void expect_root(walk *w, const char *what) {
    rotor_tree_head head;
    expect_ok(rotor_head(w->scene.tree, &head), "%s size %" PRIu64, what, w->size);
    rotor_tree_head wanted = model_tree_head(&w->scene.model, w->size);
    expect(model_heads_equal(&head, &wanted), "%s, arity %u: root at %" PRIu64, what, w->scene.model.arity, w->size);
}

/* Every node of the present tree, by an oracle that is fast enough for large trees. */
static void expect_nodes(walk *w, const char *what) {
    test_levels levels;
    test_levels_build(&levels, w->scene.model.arity, w->scene.model.leaves, w->size, test_portable());
    rotor_snapshot snapshot;
    expect_ok(rotor_snapshot_take(w->scene.tree, &snapshot), "%s", what);
    test_expect_snapshot(&snapshot, &levels, what);
    test_levels_free(&levels);
}

static void end(walk *w) {
    store_end(&w->scene);
}

/* Grows by `step` from checkpoint to checkpoint. */
static void walk_by(uint32_t arity, uint64_t step, uint64_t most) {
    walk w;
    begin(&w, arity, most + 1);
    for (uint64_t size = step; size <= most; size += step) {
        grow_to(&w, size);
        checkpoint(&w);
        expect_root(&w, "checkpointed");
        reopen(&w);
        expect_proofs(&w, 6, "opened");
    }
    grow_to(&w, most + 1);
    reopen(&w);
    expect_proofs(&w, most, "at the end");
    end(&w);
}

static void every_size_follows_every_other(void **state) {
    (void)state;
    for (size_t a = 0; a < ARITIES; a++) {
        walk_by(arities[a], 1, test_scaled(530));
    }
}

static void odd_steps(void **state) {
    (void)state;
    static const uint64_t steps[] = {3, 7, 33, 127, 129, 131};
    for (size_t a = 0; a < ARITIES; a++) {
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            uint64_t most = 100 * steps[i] < 2100 ? 100 * steps[i] : 2100;
            most = test_scaled(most);
            walk_by(arities[a], steps[i], most < 2 * steps[i] ? 2 * steps[i] : most);
        }
    }
}

/* From one checkpoint straight to a much larger size, with another in between or not. */
static void jump(uint32_t arity, uint64_t from, uint64_t to, bool live) {
    walk w;
    begin(&w, arity, to + 1);
    grow_to(&w, from);
    checkpoint(&w);
    if (!live) {
        reopen(&w);
    }
    grow_to(&w, to);
    checkpoint(&w);
    expect_root(&w, "after the jump");
    expect_nodes(&w, "after the jump");
    reopen(&w);
    expect_nodes(&w, "after the jump, opened");
    grow_to(&w, to + 1);
    expect_proofs(&w, 10, "one more");
    end(&w);
}

static void jumps_from_around_every_border(void **state) {
    (void)state;
    static const uint64_t in_page = 128;
    for (size_t a = 0; a < ARITIES; a++) {
        uint64_t n = arities[a];
        /* Where a group, a page and shard of leaves, of parents, and of their parents ends. */
        const uint64_t borders[] = {n, n * n, n * n * n, in_page, 2 * in_page, 3 * in_page, in_page * n, 4 * in_page};
        for (size_t i = 0; i < sizeof borders / sizeof borders[0]; i++) {
            for (uint64_t around = 0; around <= test_scaled(6) && borders[i] <= 2048; around++) {
                uint64_t from = borders[i] + around > 3 ? borders[i] + around - 3 : 1;
                jump(arities[a], from, 2 * from + 3 * n + 1, around % 2 == 0);
            }
        }
    }
}

/* The two that broke an implementation in which a page was final although its last node was not. */
static void an_unfinished_last_node_of_a_page_is_not_final(void **state) {
    (void)state;
    jump(4, 509, 10000, true);
    jump(4, 509, 10000, false);
    for (uint64_t from = 381; from <= 385; from++) {
        walk w;
        begin(&w, 3, 500);
        const uint64_t sizes[] = {from, from + 2, from + 3};
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            grow_to(&w, sizes[i]);
            checkpoint(&w);
            expect_proofs(&w, 500, "checkpointed");
        }
        reopen(&w);
        expect_proofs(&w, 500, "opened");
        end(&w);
    }
}

/* Large enough that whole pages of several levels are exchanged for pages of the files while the tree lives. */
static void mapped_levels_at_every_size(uint32_t arity, uint64_t from, uint64_t sizes, uint64_t step) {
    walk w;
    begin(&w, arity, from + sizes * step + 1);
    grow_to(&w, from);
    checkpoint(&w);
    expect_nodes(&w, "mapped");
    uint64_t mapped = store_statistics(&w.scene).mapped_bytes;
    expect(mapped >= (from - from % 128 - 4096) * 32, "arity %u: %" PRIu64 " bytes are mapped", arity, mapped);
    for (uint64_t i = 1; i <= sizes; i++) {
        grow_to(&w, from + i * step);
        checkpoint(&w);
        expect_root(&w, "mapped");
        if (i % 40 == 0 || i == sizes) {
            expect_nodes(&w, "mapped");
        }
    }
    reopen(&w);
    expect_nodes(&w, "mapped, opened");
    expect_proofs(&w, 10, "mapped, opened");
    end(&w);
}

static void mapped_levels(void **state) {
    (void)state;
    uint64_t sizes = test_scaled(140);
    mapped_levels_at_every_size(2, 16384 - 70, sizes, 1);
    mapped_levels_at_every_size(3, 3 * 4096 - 70, sizes, 1);
    mapped_levels_at_every_size(4, 4 * 4096 - 70, sizes, 1);
    mapped_levels_at_every_size(8, 8 * 4096 - 70, sizes, 1);
    mapped_levels_at_every_size(3, 12000, sizes, 43);
    mapped_levels_at_every_size(16, 20000, sizes, 131);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_follows_every_other),
        cmocka_unit_test(odd_steps),
        cmocka_unit_test(jumps_from_around_every_border),
        cmocka_unit_test(an_unfinished_last_node_of_a_page_is_not_final),
        cmocka_unit_test(mapped_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
