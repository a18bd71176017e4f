/* Roots and depths of the reference implementation: every entry of golden_roots.json, reached in every way of
 * inserting. Leaf i is the number i as u64, little-endian, then zeros. */
#include "support.h"

#define MAX_LEAVES 100000
#define MAX_DEPTH 32

typedef struct golden_root {
    uint32_t arity;
    uint64_t size;
    uint32_t depth;
    rotor_hash root;
} golden_root;

static golden_root *goldens;
static size_t golden_count;
static rotor_hash *leaves;

/* The largest trees are built again and again; where every instruction is slow the middling ones must do. */
static uint64_t affordable_size(void) {
    return test_under_valgrind() ? 1000 : test_under_tsan ? 10000 : MAX_LEAVES;
}

static int compare_goldens(const void *left, const void *right) {
    const golden_root *a = left;
    const golden_root *b = right;
    if (a->arity != b->arity) {
        return a->arity < b->arity ? -1 : 1;
    }
    return a->size < b->size ? -1 : a->size > b->size ? 1 : 0;
}

static int load(void **state) {
    (void)state;
    json_t *json = test_load_json("golden_roots.json");
    const char *arity;
    const char *size;
    json_t *sizes;
    json_t *entry;
    size_t count = 0;
    json_object_foreach(json, arity, sizes) {
        count += json_object_size(sizes);
    }
    goldens = test_alloc(count, sizeof *goldens);
    json_object_foreach(json, arity, sizes) {
        json_object_foreach(sizes, size, entry) {
            golden_root *golden = &goldens[golden_count++];
            golden->arity = (uint32_t)strtoul(arity, NULL, 10);
            golden->size = strtoull(size, NULL, 10);
            golden->depth = (uint32_t)json_integer_value(json_object_get(entry, "depth"));
            const char *hex = json_string_value(json_object_get(entry, "root"));
            expect(test_parse_hex(golden->root.bytes, ROTOR_HASH_BYTES, hex), "root of arity %s size %s", arity, size);
            expect(golden->size >= 1 && golden->size <= MAX_LEAVES, "size %s", size);
        }
    }
    json_decref(json);
    qsort(goldens, golden_count, sizeof *goldens, compare_goldens);
    leaves = test_golden_leaves(MAX_LEAVES);
    return 0;
}

static int unload(void **state) {
    (void)state;
    free(goldens);
    free(leaves);
    return 0;
}

static void expect_golden(rotor_tree *tree, const golden_root *golden, const char *how) {
    rotor_hash root;
    expect_ok(rotor_root(tree, &root), "%s: arity %u size %" PRIu64, how, golden->arity, golden->size);
    expect(test_same_hash(&root, &golden->root), "%s: root of arity %u size %" PRIu64, how, golden->arity,
           golden->size);
    expect(rotor_depth(tree) == golden->depth, "%s: arity %u size %" PRIu64 ": depth %u, not %u", how, golden->arity,
           golden->size, rotor_depth(tree), golden->depth);
}

static void the_file_has_what_is_tested(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 8};
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        size_t count = 0;
        uint64_t largest = 0;
        for (size_t i = 0; i < golden_count; i++) {
            if (goldens[i].arity == arities[a]) {
                count++;
                largest = goldens[i].size;
            }
        }
        expect(count == 30 && largest == MAX_LEAVES, "arity %u: %zu roots up to size %" PRIu64, arities[a], count,
               largest);
    }
    assert_int_equal(golden_count, 120);
}

/* The entries of one arity are in ascending order, so that one growing tree passes them all. */
static void one_by_one_with_and_without_roots(void **state) {
    (void)state;
    for (int with_root = 0; with_root < 2; with_root++) {
        rotor_tree *tree = NULL;
        rotor_hash root;
        for (size_t g = 0; g < golden_count; g++) {
            const golden_root *golden = &goldens[g];
            if (golden->size > affordable_size()) {
                continue;
            }
            if (tree == NULL || rotor_arity(tree) != golden->arity) {
                rotor_close(tree, NULL);
                tree = test_create(golden->arity, MAX_DEPTH);
            }
            while (rotor_size(tree) < golden->size) {
                expect_ok(rotor_insert(tree, with_root ? &root : NULL, NULL, &leaves[rotor_size(tree)]),
                          "size %" PRIu64, rotor_size(tree));
            }
            if (with_root) {
                expect(test_same_hash(&root, &golden->root), "returned root of arity %u size %" PRIu64, golden->arity,
                       golden->size);
            }
            expect_golden(tree, golden, with_root ? "one by one with roots" : "one by one without roots");
        }
        rotor_close(tree, NULL);
    }
}

static void in_batches(void **state) {
    (void)state;
    static const size_t batches[] = {2, 3, 7, 64, 127, 128, 129, 1000, 4096, MAX_LEAVES};
    for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++) {
        for (size_t g = 0; g < golden_count; g++) {
            const golden_root *golden = &goldens[g];
            if (golden->size > affordable_size()) {
                continue;
            }
            rotor_tree *tree = test_create(golden->arity, MAX_DEPTH);
            rotor_hash root = {{0}};
            bool with_root = (g & 1) != 0;
            for (uint64_t size = 0; size < golden->size;) {
                uint64_t rest = golden->size - size;
                size_t count = rest < batches[b] ? (size_t)rest : batches[b];
                expect_ok(rotor_insert_many(tree, with_root ? &root : NULL, NULL, leaves + size, count), "batch %zu",
                          batches[b]);
                size += count;
            }
            if (with_root) {
                expect(test_same_hash(&root, &golden->root), "batches of %zu: returned root of arity %u size %" PRIu64,
                       batches[b], golden->arity, golden->size);
            }
            expect_golden(tree, golden, "in batches");
            rotor_close(tree, NULL);
        }
    }
}

static void as_the_past_of_a_larger_tree(void **state) {
    (void)state;
    rotor_tree *tree = NULL;
    for (size_t g = 0; g < golden_count; g++) {
        const golden_root *golden = &goldens[g];
        if (tree == NULL || rotor_arity(tree) != golden->arity) {
            rotor_close(tree, NULL);
            tree = test_create(golden->arity, MAX_DEPTH);
            expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, MAX_LEAVES), "arity %u", golden->arity);
        }
        rotor_snapshot snapshot;
        rotor_tree_head head;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "arity %u", golden->arity);
        expect_ok(rotor_snapshot_at(&snapshot, &snapshot, golden->size), "size %" PRIu64, golden->size);
        expect_ok(rotor_snapshot_head(&snapshot, &head), "size %" PRIu64, golden->size);
        expect(snapshot.depth == golden->depth && head.size == golden->size &&
                   test_same_hash(&head.root, &golden->root),
               "arity %u past size %" PRIu64, golden->arity, golden->size);
    }
    rotor_close(tree, NULL);
}

static void by_truncation_from_above(void **state) {
    (void)state;
    rotor_tree *tree = NULL;
    for (size_t g = golden_count; g-- > 0;) {
        const golden_root *golden = &goldens[g];
        if (tree == NULL || rotor_arity(tree) != golden->arity) {
            rotor_close(tree, NULL);
            tree = test_create(golden->arity, MAX_DEPTH);
            expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, MAX_LEAVES), "arity %u", golden->arity);
        }
        expect_ok(rotor_truncate(tree, NULL, golden->size), "size %" PRIu64, golden->size);
        expect_golden(tree, golden, "by truncation");
    }
    rotor_close(tree, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_has_what_is_tested),
        cmocka_unit_test(one_by_one_with_and_without_roots),
        cmocka_unit_test(in_batches),
        cmocka_unit_test(as_the_past_of_a_larger_tree),
        cmocka_unit_test(by_truncation_from_above),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
