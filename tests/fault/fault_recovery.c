/* Recoveries that get over a refusal of memory: what they have read is whole, and stays so under what comes after. */
#include "store_support.h"

#include "failing_calls.h"

#ifdef ROTOR_CANARY_LEFT_OUT
/* In place of the function: a recovery that does without the leaves that found no place must be caught. */
rotor_status __real_rotor_tree_append(rotor_tree *tree, rotor_hash *root, rotor_token *token, const rotor_hash *leaves,
                                      uint64_t count);
rotor_status __wrap_rotor_tree_append(rotor_tree *tree, rotor_hash *root, rotor_token *token, const rotor_hash *leaves,
                                      uint64_t count);
rotor_status __wrap_rotor_tree_append(rotor_tree *tree, rotor_hash *root, rotor_token *token, const rotor_hash *leaves,
                                      uint64_t count) {
    bool recovers = atomic_load(&fault.armed);
    return recovers ? ROTOR_OK : __real_rotor_tree_append(tree, root, token, leaves, count);
}
#endif

#define ARITY 4

/* Small trees whose log has a frame for each leaf: one that finds no place, for want of memory, is appended amid others
 * that find theirs. What is then inserted must not touch what was recovered. */
static void memory_is_refused_to_recoveries(void **state) {
    (void)state;
    enum { LEAVES = 150, MORE = 3 };
    store_scene s;
    store_begin(&s, 21, ARITY);
    store_open(&s);
    for (uint64_t i = 0; i < LEAVES; i++) {
        (void)store_insert(&s, 1);
        expect_ok(rotor_flush(s.tree), "flush");
    }
    store_close(&s);
    uint64_t opened = 0;
    bool refused = true;
    for (uint64_t fail_at = 1; refused; fail_at++) {
        rotor_error error = {0};
        prepare_files(fail_at, false, FILE_CALL_FAILS, EIO);
        fault.kinds = MEMORY | MAPPING | ADVICE;
        atomic_store(&fault.armed, true);
        rotor_status status = store_try_open(&s, &error);
        atomic_store(&fault.armed, false);
        refused = atomic_load(&fault.failed) != 0;
        expect(status == ROTOR_OK || (refused && status == ROTOR_OUT_OF_MEMORY), "call %" PRIu64 ": %s: %s", fail_at,
               rotor_status_name(status), error.message);
        if (status != ROTOR_OK) {
            continue;
        }
        opened += refused;
        for (uint64_t i = 0; i < MORE; i++) {
            rotor_hash leaf = test_golden_leaf(i);
            expect_ok(rotor_insert(s.tree, NULL, NULL, &leaf), "call %" PRIu64, fail_at);
        }
        for (uint64_t i = 0; i < LEAVES + MORE; i++) {
            rotor_hash stored;
            rotor_hash wanted = i < LEAVES ? s.model.leaves[i] : test_golden_leaf(i - LEAVES);
            expect_ok(rotor_node(s.tree, &stored, 0, i), "call %" PRIu64, fail_at);
            expect(test_same_hash(&stored, &wanted), "call %" PRIu64 ": leaf %" PRIu64, fail_at, i);
        }
        expect_ok(rotor_truncate(s.tree, NULL, LEAVES), "truncate");
        store_close(&s);
    }
    expect(opened > 0, "no refusal was got over");
    s.tree = NULL;
    store_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_refused_to_recoveries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
