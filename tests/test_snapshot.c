/* Snapshots: that they stay what they were while the tree grows, that they are stale from the moment in which the tree
 * is cut below them and for ever, and never otherwise; proofs and past snapshots that come from them included. */
#include "support.h"

#define MAX_DEPTH 24

/* Every call that reads through a snapshot says that it is stale. */
static void expect_stale(const rotor_snapshot *snapshot, const char *what) {
    rotor_tree_head head;
    rotor_hash node;
    rotor_snapshot past;
    uint64_t length;
    rotor_inclusion_proof inclusion = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof consistency = ROTOR_CONSISTENCY_PROOF_INIT;
    uint64_t size = snapshot->size;
    assert_true(size > 0);
    expect_status(rotor_snapshot_check(snapshot), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    expect_status(rotor_snapshot_head(snapshot, &head), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    for (uint32_t l = 0; l <= snapshot->depth; l++) {
        expect_status(rotor_snapshot_level_length(snapshot, &length, l), ROTOR_STALE, "%s: size %" PRIu64, what, size);
        expect_status(rotor_snapshot_nodes(snapshot, &node, 1, l, 0), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    }
    expect_status(rotor_snapshot_nodes(snapshot, &node, 1, 0, size - 1), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    expect_status(rotor_snapshot_at(snapshot, &past, size), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    expect_status(rotor_snapshot_at(snapshot, &past, (size + 1) / 2), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    expect_status(rotor_inclusion_prove(snapshot, &inclusion, 0), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    expect_status(rotor_inclusion_prove(snapshot, &inclusion, size - 1), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    expect_status(rotor_consistency_prove(snapshot, &consistency, 1), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    expect_status(rotor_consistency_prove(snapshot, &consistency, size), ROTOR_STALE, "%s: size %" PRIu64, what, size);
    rotor_inclusion_proof_free(&inclusion);
    rotor_consistency_proof_free(&consistency);
}

static void expect_snapshot_of(const rotor_snapshot *snapshot, uint32_t arity, const rotor_hash *leaves, uint64_t size,
                               const char *what) {
    test_levels levels;
    test_levels_build(&levels, arity, leaves, size, NULL);
    test_expect_snapshot(snapshot, &levels, what);
    test_levels_free(&levels);
}

/* ---------------------------------------------------------------- growth */

static void survive_later_inserts_unchanged(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 7, 16, 33, 255};
    enum { SNAPSHOTS = 200 };
    uint64_t size = 500 + test_scaled(4500);
    rotor_hash *leaves = test_random_leaves(100, size);
    rotor_snapshot *snapshots = test_alloc(SNAPSHOTS, sizeof *snapshots);
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        test_random random = {test_seed(101 + a)};
        rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
        size_t taken = 0;
        for (uint64_t now = 0; now < size;) {
            uint64_t count = 1 + test_below(&random, now < 150 ? 3 : size / 20);
            count = count < size - now ? count : size - now;
            rotor_hash root;
            expect_ok(rotor_insert_many(tree, test_below(&random, 2) != 0 ? &root : NULL, NULL, leaves + now, count),
                      "insert");
            now += count;
            if (taken < SNAPSHOTS) {
                expect_ok(rotor_snapshot_take(tree, &snapshots[taken]), "snapshot at %" PRIu64, now);
                expect(snapshots[taken].size == now, "size %" PRIu64, now);
                taken++;
            }
        }
        for (size_t s = 0; s < taken; s++) {
            expect_snapshot_of(&snapshots[s], arities[a], leaves, snapshots[s].size, "after more inserts");
        }
        rotor_close(tree, NULL);
    }
    free(snapshots);
    free(leaves);
}

static void a_snapshot_of_the_empty_tree(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(110, 100);
    rotor_tree *tree = test_create(4, MAX_DEPTH);
    rotor_snapshot empty;
    rotor_snapshot past;
    rotor_hash node;
    rotor_inclusion_proof inclusion = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof consistency = ROTOR_CONSISTENCY_PROOF_INIT;
    expect_ok(rotor_snapshot_take(tree, &empty), "take");
    for (int round = 0; round < 3; round++) {
        test_levels levels;
        test_levels_build(&levels, 4, leaves, 0, NULL);
        test_expect_snapshot(&empty, &levels, "empty");
        test_levels_free(&levels);
        assert_int_equal(empty.depth, 0);
        expect_status(rotor_snapshot_nodes(&empty, &node, 1, 0, 0), ROTOR_OUT_OF_RANGE, "nodes");
        expect_ok(rotor_snapshot_at(&empty, &past, 0), "the past of nothing");
        assert_int_equal(past.size, 0);
        expect_status(rotor_snapshot_at(&empty, &past, 1), ROTOR_OUT_OF_RANGE, "more than nothing");
        rotor_status status = rotor_inclusion_prove(&empty, &inclusion, 0);
        expect(status == ROTOR_EMPTY_TREE || status == ROTOR_OUT_OF_RANGE, "%s", rotor_status_name(status));
        status = rotor_consistency_prove(&empty, &consistency, 0);
        expect(status == ROTOR_EMPTY_TREE || status == ROTOR_OUT_OF_RANGE, "%s", rotor_status_name(status));
        /* No truncation can be below it. */
        if (round == 0) {
            expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 100), "insert");
        } else {
            expect_ok(rotor_truncate(tree, NULL, 0), "truncate");
        }
    }
    rotor_inclusion_proof_free(&inclusion);
    rotor_consistency_proof_free(&consistency);
    rotor_close(tree, NULL);
    free(leaves);
}

/* ---------------------------------------------------------------- truncation */

static void stale_when_cut_and_only_then(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 8, 255};
    enum { SIZE = 70 };
    rotor_hash *leaves = test_random_leaves(120, SIZE);
    rotor_hash *others = test_random_leaves(121, 2 * SIZE);
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        for (uint64_t cut = 0; cut <= SIZE; cut += 1 + cut / 9) {
            rotor_snapshot snapshots[SIZE + 1];
            rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
            for (uint64_t size = 0; size <= SIZE; size++) {
                expect_ok(rotor_snapshot_take(tree, &snapshots[size]), "take");
                if (size < SIZE) {
                    expect_ok(rotor_insert(tree, NULL, NULL, &leaves[size]), "insert");
                }
            }
            expect_ok(rotor_truncate(tree, NULL, cut), "cut at %" PRIu64, cut);
            /* Right after the cut; grown, but not as far; grown past; grown past, with the same leaves as before. */
            for (int stage = 0; stage < 4; stage++) {
                if (stage == 1 && cut < SIZE) {
                    expect_ok(rotor_insert_many(tree, NULL, NULL, others, (SIZE - cut + 1) / 2), "grow");
                } else if (stage == 2) {
                    expect_ok(rotor_insert_many(tree, NULL, NULL, others + SIZE, SIZE), "grow");
                } else if (stage == 3) {
                    expect_ok(rotor_truncate(tree, NULL, cut), "cut again at %" PRIu64, cut);
                    if (cut < SIZE) {
                        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + cut, SIZE - cut), "grow");
                    }
                }
                for (uint64_t size = 0; size <= SIZE; size++) {
                    if (size > cut) {
                        expect_stale(&snapshots[size], "cut");
                    } else {
                        expect_snapshot_of(&snapshots[size], arities[a], leaves, size, "not cut");
                    }
                }
            }
            rotor_close(tree, NULL);
        }
    }
    free(leaves);
    free(others);
}

static void the_past_of_a_snapshot_lives_as_long_as_its_own_leaves(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(130, 1000);
    rotor_tree *tree = test_create(3, MAX_DEPTH);
    rotor_snapshot snapshot;
    rotor_snapshot past;
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 1000), "insert");
    expect_ok(rotor_snapshot_take(tree, &snapshot), "take");
    expect_ok(rotor_snapshot_at(&snapshot, &past, 500), "past");
    expect_ok(rotor_truncate(tree, NULL, 600), "truncate");
    expect_stale(&snapshot, "cut");
    expect_snapshot_of(&past, 3, leaves, 500, "not cut");
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 900), "insert others");
    expect_stale(&snapshot, "cut");
    expect_snapshot_of(&past, 3, leaves, 500, "not cut");
    rotor_snapshot older;
    expect_ok(rotor_snapshot_at(&past, &older, 400), "the past of a past");
    expect_ok(rotor_truncate(tree, NULL, 450), "truncate");
    expect_stale(&past, "cut");
    expect_snapshot_of(&older, 3, leaves, 400, "not cut");
    /* Taken after the cuts, of sizes above them. */
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + 450, 550), "insert");
    expect_ok(rotor_snapshot_take(tree, &snapshot), "take");
    expect_ok(rotor_snapshot_at(&snapshot, &past, 777), "past");
    expect_snapshot_of(&past, 3, leaves, 777, "after cuts");
    rotor_close(tree, NULL);
    free(leaves);
}

/* ---------------------------------------------------------------- many truncations */

typedef struct watched {
    rotor_snapshot snapshot;
    bool cut;
    uint64_t truncations; /* of the tree, when it was taken */
    rotor_hash root;      /* by the oracle */
    rotor_hash first;     /* leaf at the middle, and the last */
    rotor_hash last;
} watched;

typedef uint64_t next_cut(test_random *random, uint64_t round, uint64_t size);

static uint64_t growing(test_random *random, uint64_t round, uint64_t size) {
    (void)random;
    return 2 * round < size ? 2 * round : size;
}
static uint64_t falling(test_random *random, uint64_t round, uint64_t size) {
    (void)random;
    uint64_t at = 690 - 2 * (round % 300);
    return at < size ? at : size;
}
static uint64_t anywhere(test_random *random, uint64_t round, uint64_t size) {
    (void)round;
    return test_below(random, size + 1);
}
static uint64_t near_the_end(test_random *random, uint64_t round, uint64_t size) {
    (void)round;
    uint64_t back = test_below(random, 4);
    return back < size ? size - back : 0;
}
static uint64_t the_same(test_random *random, uint64_t round, uint64_t size) {
    (void)random;
    (void)round;
    return size < 100 ? size : 100;
}
static uint64_t saw(test_random *random, uint64_t round, uint64_t size) {
    (void)random;
    uint64_t at = round % 40 * 17;
    return at < size ? at : size;
}

static void watch(rotor_tree *tree, watched *w, const rotor_hash *leaves, uint64_t size, uint64_t truncations) {
    expect_ok(rotor_snapshot_take(tree, &w->snapshot), "take");
    expect(w->snapshot.size == size, "size %" PRIu64 ", not %" PRIu64, w->snapshot.size, size);
    w->cut = false;
    w->truncations = truncations;
    if (size > 0) {
        w->root = test_root_of(rotor_arity(tree), leaves, size, NULL);
        w->first = leaves[size / 2];
        w->last = leaves[size - 1];
    }
}

/* Truncations to growing sizes that a snapshot outlives for certain, by its promise. */
#define OUTLIVED 60

/* Counts what is called stale although it was not cut; that is allowed only after more truncations than that. */
static uint64_t judge(const watched *w, uint64_t truncations, uint64_t seed) {
    rotor_status status = rotor_snapshot_check(&w->snapshot);
    uint64_t size = w->snapshot.size;
    if (w->cut) {
        expect_status(status, ROTOR_STALE, "seed %" PRIu64 ": size %" PRIu64 " was cut", seed, size);
        return 0;
    }
    if (status == ROTOR_STALE) {
        expect(truncations - w->truncations > OUTLIVED,
               "seed %" PRIu64 ": size %" PRIu64 " stale after %" PRIu64 " truncations", seed, size,
               truncations - w->truncations);
        return 1;
    }
    expect_ok(status, "seed %" PRIu64, seed);
    if (size > 0) {
        rotor_tree_head head;
        rotor_hash leaf;
        expect_ok(rotor_snapshot_head(&w->snapshot, &head), "seed %" PRIu64, seed);
        expect(test_same_hash(&head.root, &w->root), "seed %" PRIu64 " size %" PRIu64, seed, size);
        expect_ok(rotor_snapshot_nodes(&w->snapshot, &leaf, 1, 0, size / 2), "seed %" PRIu64, seed);
        expect(test_same_hash(&leaf, &w->first), "seed %" PRIu64 " size %" PRIu64, seed, size);
        expect_ok(rotor_snapshot_nodes(&w->snapshot, &leaf, 1, 0, size - 1), "seed %" PRIu64, seed);
        expect(test_same_hash(&leaf, &w->last), "seed %" PRIu64 " size %" PRIu64, seed, size);
    }
    return 0;
}

/* One snapshot a round is watched to the end, through `rounds` truncations; every leaf ever inserted is another.
 * Returns how many were cut. */
static uint64_t truncate_often(next_cut *next, uint64_t seed, uint64_t rounds) {
    enum { MOST = 1000, FIRST = 700 };
    test_random random = {seed};
    rotor_hash *leaves = test_alloc(MOST, sizeof *leaves);
    watched *all = test_alloc(rounds, sizeof *all);
    rotor_tree *tree = test_create(4, MAX_DEPTH);
    uint64_t size = 0;
    uint64_t fresh = 0;
    uint64_t truncations = 0;
    uint64_t too_early = 0;
    uint64_t cut_count = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t count = round == 0 ? FIRST : 1 + test_below(&random, 20);
        count = count < MOST - size ? count : MOST - size;
        for (uint64_t i = 0; i < count; i++) {
            leaves[size + i] = test_random_leaf(seed, fresh++);
        }
        if (count > 0) {
            expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + size, count), "seed %" PRIu64, seed);
            size += count;
        }
        watch(tree, &all[round], leaves, size, truncations);
        uint64_t to = next(&random, round, size);
        expect_ok(rotor_truncate(tree, NULL, to), "seed %" PRIu64 ": to %" PRIu64, seed, to);
        truncations++;
        size = to;
        for (uint64_t w = 0; w <= round; w++) {
            all[w].cut = all[w].cut || all[w].snapshot.size > size;
        }
        for (uint64_t w = round % 7; w <= round; w += 7) {
            too_early += judge(&all[w], truncations, seed);
        }
    }
    for (uint64_t w = 0; w < rounds; w++) {
        too_early += judge(&all[w], truncations, seed);
        cut_count += all[w].cut;
    }
    if (rounds <= OUTLIVED) {
        assert_int_equal(too_early, 0);
    }
    if (size < MOST) {
        test_expect_leaves(tree, leaves, size, "after many truncations");
    }
    rotor_close(tree, NULL);
    free(all);
    free(leaves);
    return cut_count;
}

static void never_valid_when_cut_however_many_truncations(void **state) {
    (void)state;
    static next_cut *const kinds[] = {growing, falling, anywhere, near_the_end, the_same, saw};
    uint64_t survived = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        uint64_t rounds = 300 + test_scaled(500);
        expect(truncate_often(kinds[k], test_seed(140 + k), OUTLIVED) > 0, "kind %zu cut nothing", k);
        uint64_t cut = truncate_often(kinds[k], test_seed(150 + k), rounds);
        expect(cut > 0, "kind %zu cut nothing", k);
        survived += rounds - cut;
    }
    assert_true(survived > 0);
}

/* The promise at its very edge. */
static void growing_truncations_cut_nothing_below(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(160, 2000);
    rotor_tree *tree = test_create(2, MAX_DEPTH);
    rotor_snapshot kept[OUTLIVED];
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 1000), "insert");
    for (uint64_t round = 0; round < OUTLIVED; round++) {
        /* Of 100 + 3 * round leaves, which no later truncation cuts. */
        rotor_snapshot now;
        expect_ok(rotor_snapshot_take(tree, &now), "take");
        expect_ok(rotor_snapshot_at(&now, &kept[round], 100 + 3 * round), "past");
        expect_ok(rotor_truncate(tree, NULL, 101 + 3 * round), "truncate");
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves + 101 + 3 * round, 1000 - 101 - 3 * round), "insert");
    }
    for (uint64_t round = 0; round < OUTLIVED; round++) {
        expect_ok(rotor_snapshot_check(&kept[round]), "taken before truncation %" PRIu64, round);
        expect_snapshot_of(&kept[round], 2, leaves, 100 + 3 * round, "not cut");
    }
    rotor_close(tree, NULL);
    free(leaves);
}

/* Truncations that cut nothing cost no snapshot its life, however many there are. */
static void truncation_to_the_present_size_cuts_nothing(void **state) {
    (void)state;
    rotor_hash *leaves = test_random_leaves(161, 3000);
    rotor_tree *tree = test_create(5, MAX_DEPTH);
    rotor_snapshot snapshot;
    expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 100), "insert");
    expect_ok(rotor_snapshot_take(tree, &snapshot), "take");
    for (uint64_t i = 0; i < 500; i++) {
        expect_ok(rotor_truncate(tree, NULL, 100 + i), "truncate");
        expect_ok(rotor_snapshot_check(&snapshot), "truncation %" PRIu64, i);
        expect_ok(rotor_insert(tree, NULL, NULL, &leaves[100 + i]), "insert");
    }
    expect_snapshot_of(&snapshot, 5, leaves, 100, "not cut");
    rotor_close(tree, NULL);
    free(leaves);
}

/* ---------------------------------------------------------------- the latest published state */

static void take_latest_shows_a_state_that_was(void **state) {
    (void)state;
    test_random random = {test_seed(170)};
    uint64_t limit = 200 + test_scaled(3000);
    rotor_hash *leaves = test_alloc(limit, sizeof *leaves);
    rotor_tree *tree = test_create(3, MAX_DEPTH);
    uint64_t size = 0;
    uint64_t known = 0; /* the size at which a root was last asked for, or to which the tree was cut since */
    uint64_t fresh = 0;
    for (unsigned round = 0; round < 1500; round++) {
        rotor_hash root;
        uint64_t kind = test_below(&random, 6);
        if (kind <= 2 && size < limit) {
            uint64_t room = limit - size < 60 ? limit - size : 60;
            uint64_t count = 1 + test_below(&random, room);
            for (uint64_t i = 0; i < count; i++) {
                leaves[size + i] = test_random_leaf(170, fresh++);
            }
            bool with_root = kind == 2;
            expect_ok(rotor_insert_many(tree, with_root ? &root : NULL, NULL, leaves + size, count), "insert");
            size += count;
            known = with_root ? size : known;
        } else if (kind == 3) {
            size = test_below(&random, 8) == 0 ? test_below(&random, size + 1) : size - (size > 9 ? round % 10 : 0);
            expect_ok(rotor_truncate(tree, NULL, size), "truncate");
            known = known < size ? known : size;
        } else if (kind == 4 && size > 0) {
            expect_ok(rotor_root(tree, &root), "root");
            known = size;
        }
        rotor_snapshot snapshot;
        expect_ok(rotor_snapshot_take_latest(tree, &snapshot), "latest");
        expect(snapshot.size >= known && snapshot.size <= size,
               "round %u: latest %" PRIu64 " of %" PRIu64 ", root at %" PRIu64, round, snapshot.size, size, known);
        if (kind == 5) {
            expect_snapshot_of(&snapshot, 3, leaves, snapshot.size, "latest");
            rotor_snapshot present;
            expect_ok(rotor_snapshot_take(tree, &present), "present");
            expect(present.size == size, "present");
            known = size;
            rotor_snapshot again;
            expect_ok(rotor_snapshot_take_latest(tree, &again), "latest");
            expect(again.size == size, "round %u: latest %" PRIu64 " after a snapshot of %" PRIu64, round, again.size,
                   size);
        } else {
            expect_ok(rotor_snapshot_check(&snapshot), "latest is never stale at once");
        }
    }
    rotor_close(tree, NULL);
    free(leaves);
}

/* ---------------------------------------------------------------- parts of levels */

static void any_part_of_any_level(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 5, 16, 255};
    uint64_t size = 1000 + test_scaled(20000);
    rotor_hash *leaves = test_random_leaves(180, size);
    rotor_hash *nodes = test_alloc(size + 2, sizeof *nodes);
    test_random random = {test_seed(180)};
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        test_levels levels;
        test_levels_build(&levels, arities[a], leaves, size, NULL);
        rotor_tree *tree = test_create(arities[a], MAX_DEPTH);
        rotor_snapshot snapshot;
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, size), "insert");
        expect_ok(rotor_snapshot_take(tree, &snapshot), "take");
        for (unsigned i = 0; i < 600; i++) {
            uint32_t level = (uint32_t)test_below(&random, levels.depth + 1);
            uint64_t first = test_below(&random, levels.length[level]);
            uint64_t count = 1 + test_below(&random, levels.length[level] - first);
            rotor_hash guard = test_random_leaf(181, i);
            nodes[0] = guard;
            nodes[count + 1] = guard;
            expect_ok(rotor_snapshot_nodes(&snapshot, nodes + 1, count, level, first), "level %u", level);
            expect(memcmp(nodes + 1, levels.node[level] + first, count * sizeof *nodes) == 0,
                   "arity %u: %" PRIu64 " nodes from (%u, %" PRIu64 ")", arities[a], count, level, first);
            expect(test_same_hash(&nodes[0], &guard) && test_same_hash(&nodes[count + 1], &guard), "written outside");
        }
        rotor_close(tree, NULL);
        test_levels_free(&levels);
    }
    free(nodes);
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survive_later_inserts_unchanged),
        cmocka_unit_test(a_snapshot_of_the_empty_tree),
        cmocka_unit_test(stale_when_cut_and_only_then),
        cmocka_unit_test(the_past_of_a_snapshot_lives_as_long_as_its_own_leaves),
        cmocka_unit_test(never_valid_when_cut_however_many_truncations),
        cmocka_unit_test(growing_truncations_cut_nothing_below),
        cmocka_unit_test(truncation_to_the_present_size_cuts_nothing),
        cmocka_unit_test(take_latest_shows_a_state_that_was),
        cmocka_unit_test(any_part_of_any_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
