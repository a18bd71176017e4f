/* Reads that a change of the tree interrupts in the very middle, without a second thread: the memory that a call writes
 * its answer to lies half on a forbidden page, and the tree is changed in the handler of the fault; or the tree is
 * changed by the hash function that a call uses. What a race shows once in many runs happens here in every run. */
#include "support.h"

#include "tree/tree.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_DEPTH 24
#define SIZE 600
#define CUT 40
#define SPARE 2000

typedef enum change {
    NO_CHANGE,
    GROWTH,             /* nothing that was there changes */
    CUT_ABOVE,          /* grown and cut back, not below the size that is being read */
    CUT_BELOW,          /* cut, and left so */
    CUT_AND_GROWN,      /* cut, and grown past the old size with other leaves */
    CUT_AND_GROWN_SAME, /* cut, and grown with the leaves that were there */
    CHANGES
} change;

static const char *const change_names[CHANGES] = {
    "no change", "growth", "a cut above", "a cut below", "a cut and other leaves", "a cut and the same leaves"};

static bool is_cut(change kind) {
    return kind >= CUT_BELOW;
}

/* What happens in the middle; expectations cannot be checked there, only counted. */
static struct {
    rotor_tree *tree;
    const rotor_hash *leaves; /* SIZE that the tree holds, SPARE others */
    change kind;
    int happened;
    int failed;
} intrusion;

static void intrude(void) {
    rotor_tree *tree = intrusion.tree;
    const rotor_hash *others = intrusion.leaves + SIZE;
    rotor_hash root;
    intrusion.happened++;
    switch (intrusion.kind) {
    case GROWTH:
        /* Twice with a root: the published state is written twice, over the one that is being read. */
        intrusion.failed += rotor_insert_many(tree, &root, NULL, others, 300) != ROTOR_OK;
        intrusion.failed += rotor_insert(tree, &root, NULL, &others[300]) != ROTOR_OK;
        intrusion.failed += rotor_insert(tree, &root, NULL, &others[301]) != ROTOR_OK;
        break;
    case CUT_ABOVE:
        intrusion.failed += rotor_insert_many(tree, &root, NULL, others, 100) != ROTOR_OK;
        intrusion.failed += rotor_truncate(tree, NULL, SIZE + 50) != ROTOR_OK;
        intrusion.failed += rotor_insert_many(tree, &root, NULL, others + 500, 100) != ROTOR_OK;
        intrusion.failed += rotor_truncate(tree, NULL, SIZE) != ROTOR_OK;
        intrusion.failed += rotor_insert_many(tree, &root, NULL, others + 300, 10) != ROTOR_OK;
        break;
    case CUT_BELOW:
        intrusion.failed += rotor_truncate(tree, NULL, CUT) != ROTOR_OK;
        break;
    case CUT_AND_GROWN:
        intrusion.failed += rotor_truncate(tree, NULL, CUT) != ROTOR_OK;
        intrusion.failed += rotor_insert_many(tree, &root, NULL, others, SIZE) != ROTOR_OK;
        intrusion.failed += rotor_insert(tree, &root, NULL, &others[SIZE]) != ROTOR_OK;
        break;
    case CUT_AND_GROWN_SAME:
        intrusion.failed += rotor_truncate(tree, NULL, CUT) != ROTOR_OK;
        intrusion.failed += rotor_insert_many(tree, &root, NULL, intrusion.leaves + CUT, SIZE - CUT) != ROTOR_OK;
        break;
    default:
        break;
    }
}

/* ---------------------------------------------------------------- memory with a trap in it */

static struct {
    uint8_t *start;
    uint8_t *trap; /* from here on forbidden, until the first touch */
    size_t bytes;
    size_t trap_bytes;
    struct sigaction before;
} trapped;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    uint8_t *address = info->si_addr;
    if (address < trapped.trap || address >= trapped.trap + trapped.trap_bytes ||
        mprotect(trapped.trap, trapped.trap_bytes, PROT_READ | PROT_WRITE) != 0) {
        (void)sigaction(SIGSEGV, &trapped.before, NULL);
        return;
    }
    intrude();
}

static void map_trap(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    trapped.bytes = 64 * page;
    trapped.start = mmap(NULL, trapped.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(trapped.start != MAP_FAILED);
    trapped.trap = trapped.start + page;
    trapped.trap_bytes = trapped.bytes - page;
}

static void unmap_trap(void) {
    assert_int_equal(munmap(trapped.start, trapped.bytes), 0);
}

static void set_trap(rotor_tree *tree, const rotor_hash *leaves, change kind) {
    intrusion.tree = tree;
    intrusion.leaves = leaves;
    intrusion.kind = kind;
    intrusion.happened = 0;
    intrusion.failed = 0;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    assert_int_equal(sigemptyset(&action.sa_mask), 0);
    assert_int_equal(sigaction(SIGSEGV, &action, &trapped.before), 0);
    assert_int_equal(mprotect(trapped.trap, trapped.trap_bytes, PROT_NONE), 0);
}

/* The trap must have been sprung, or the test has tested nothing. */
static void clear_trap(const char *what) {
    assert_int_equal(mprotect(trapped.trap, trapped.trap_bytes, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(sigaction(SIGSEGV, &trapped.before, NULL), 0);
    expect(intrusion.happened == 1 && intrusion.failed == 0, "%s, %s: %d interruptions, %d failures", what,
           change_names[intrusion.kind], intrusion.happened, intrusion.failed);
}

/* A tree of the first SIZE leaves that needs no memory to grow by SPARE, so that nothing is allocated in the handler.
 */
static rotor_tree *new_tree(uint32_t arity, const rotor_hash *leaves) {
    rotor_options options;
    rotor_options_init(&options, arity, MAX_DEPTH);
    options.threads = 1;
    rotor_tree *tree = test_create_with(&options);
    rotor_hash root;
    expect_ok(rotor_reserve(tree, SIZE + SPARE), "reserve");
    expect_ok(rotor_insert_many(tree, &root, NULL, leaves, SIZE), "insert");
    return tree;
}

/* A handler that runs the library is more than ThreadSanitizer allows; it would have nothing to find here either. */
static bool leave_out(void) {
    return test_under_tsan;
}

/* ---------------------------------------------------------------- reads */

static void nodes(void **state) {
    (void)state;
    if (leave_out()) {
        skip();
    }
    static const uint32_t arities[] = {2, 3, 4};
    rotor_hash *leaves = test_random_leaves(700, SIZE + SPARE);
    map_trap();
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        test_levels levels;
        test_levels_build(&levels, arities[a], leaves, SIZE, NULL);
        for (uint32_t level = 0; level < 2; level++) {
            for (unsigned kind = 0; kind < CHANGES; kind++) {
                rotor_tree *tree = new_tree(arities[a], leaves);
                rotor_snapshot snapshot;
                expect_ok(rotor_snapshot_take(tree, &snapshot), "take");
                /* Up to the last node, the one that the snapshot itself holds; ten of them before the trap. */
                uint64_t first = levels.length[level] - 100;
                rotor_hash *output = (rotor_hash *)(void *)(trapped.trap - 10 * sizeof *output);
                set_trap(tree, leaves, (change)kind);
                rotor_status status = rotor_snapshot_nodes(&snapshot, output, 100, level, first);
                clear_trap("nodes");
                expect_status(status, is_cut((change)kind) ? ROTOR_STALE : ROTOR_OK, "%s", change_names[kind]);
                if (status == ROTOR_OK) {
                    expect(memcmp(output, levels.node[level] + first, 100 * sizeof *output) == 0,
                           "%s: arity %u level %u", change_names[kind], arities[a], level);
                }
                rotor_close(tree, NULL);
            }
        }
        test_levels_free(&levels);
    }
    unmap_trap();
    free(leaves);
}

static void inclusion_proofs(void **state) {
    (void)state;
    if (leave_out()) {
        skip();
    }
    static const uint32_t arities[] = {2, 4, 100, 255};
    rotor_hash *leaves = test_random_leaves(701, SIZE + SPARE);
    map_trap();
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        rotor_hash old_root = test_root_of(arities[a], leaves, SIZE, NULL);
        for (uint64_t index = CUT + 20; index < SIZE; index += 119) {
            for (unsigned kind = 0; kind < CHANGES; kind++) {
                rotor_tree *tree = new_tree(arities[a], leaves);
                rotor_snapshot snapshot;
                rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
                expect_ok(rotor_snapshot_take(tree, &snapshot), "take");
                /* Memory that is large enough is filled again, not replaced. */
                proof.siblings = (rotor_hash *)(void *)(trapped.trap - sizeof(rotor_hash));
                proof.sibling_capacity = trapped.trap_bytes / sizeof(rotor_hash);
                set_trap(tree, leaves, (change)kind);
                rotor_status status = rotor_inclusion_prove(&snapshot, &proof, index);
                clear_trap("inclusion");
                expect_status(status, is_cut((change)kind) ? ROTOR_STALE : ROTOR_OK, "%s", change_names[kind]);
                rotor_tree_head head = {old_root, SIZE, arities[a], ROTOR_HASH_BLAKE3};
                if (status == ROTOR_OK) {
                    expect_ok(rotor_inclusion_verify(&proof, &head, &leaves[index]), "%s", change_names[kind]);
                } else {
                    expect(rotor_inclusion_verify_self(&proof) != ROTOR_OK, "%s: a proof all the same",
                           change_names[kind]);
                }
                rotor_close(tree, NULL);
            }
        }
    }
    unmap_trap();
    free(leaves);
}

static void consistency_proofs(void **state) {
    (void)state;
    if (leave_out()) {
        skip();
    }
    static const uint32_t arities[] = {2, 4, 100, 255};
    rotor_hash *leaves = test_random_leaves(702, SIZE + SPARE);
    map_trap();
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        rotor_hash new_root = test_root_of(arities[a], leaves, SIZE, NULL);
        for (uint64_t old_size = CUT + 20; old_size < SIZE; old_size += 119) {
            rotor_hash old_root = test_root_of(arities[a], leaves, old_size, NULL);
            for (unsigned kind = 0; kind < CHANGES; kind++) {
                rotor_tree *tree = new_tree(arities[a], leaves);
                rotor_snapshot snapshot;
                rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
                expect_ok(rotor_snapshot_take(tree, &snapshot), "take");
                proof.hashes = (rotor_hash *)(void *)(trapped.trap - sizeof(rotor_hash));
                proof.hash_capacity = trapped.trap_bytes / sizeof(rotor_hash);
                set_trap(tree, leaves, (change)kind);
                rotor_status status = rotor_consistency_prove(&snapshot, &proof, old_size);
                clear_trap("consistency");
                expect_status(status, is_cut((change)kind) ? ROTOR_STALE : ROTOR_OK, "%s", change_names[kind]);
                rotor_tree_head old_head = {old_root, old_size, arities[a], ROTOR_HASH_BLAKE3};
                rotor_tree_head new_head = {new_root, SIZE, arities[a], ROTOR_HASH_BLAKE3};
                if (status == ROTOR_OK) {
                    expect_ok(rotor_consistency_verify(&proof, &old_head, &new_head), "%s", change_names[kind]);
                } else {
                    expect(rotor_consistency_verify_self(&proof) != ROTOR_OK, "%s: a proof all the same",
                           change_names[kind]);
                }
                rotor_close(tree, NULL);
            }
        }
    }
    unmap_trap();
    free(leaves);
}

/* A snapshot must be of one size, before the change or after it, whatever was published while it was being copied. */
static void taking_a_snapshot(void **state) {
    (void)state;
    if (leave_out()) {
        skip();
    }
    rotor_hash *leaves = test_random_leaves(703, SIZE + SPARE);
    map_trap();
    for (int latest = 0; latest < 2; latest++) {
        for (size_t split = 1; split <= 8; split++) {
            for (unsigned kind = 0; kind < CHANGES; kind++) {
                rotor_tree *tree = new_tree(2, leaves);
                size_t before = offsetof(rotor_snapshot, edge) + split * sizeof(rotor_hash);
                rotor_snapshot *output = (rotor_snapshot *)(void *)(trapped.trap - before);
                set_trap(tree, leaves, (change)kind);
                rotor_status status =
                    latest ? rotor_snapshot_take_latest(tree, output) : rotor_snapshot_take(tree, output);
                clear_trap("snapshot");
                expect_ok(status, "%s", change_names[kind]);
                rotor_snapshot snapshot = *output;
                expect_ok(rotor_snapshot_check(&snapshot), "%s", change_names[kind]);
                rotor_hash *held = test_alloc(snapshot.size, sizeof *held);
                expect_ok(rotor_snapshot_nodes(&snapshot, held, snapshot.size, 0, 0), "%s", change_names[kind]);
                test_levels levels;
                test_levels_build(&levels, 2, held, snapshot.size, NULL);
                test_expect_snapshot(&snapshot, &levels, change_names[kind]);
                test_levels_free(&levels);
                free(held);
                rotor_close(tree, NULL);
            }
        }
    }
    unmap_trap();
    free(leaves);
}

/* ---------------------------------------------------------------- the past, interrupted in its hashing */

static const rotor_hasher *real_hasher;

static void hash_node_and_intrude(uint8_t out[32], const uint8_t *children, unsigned width) {
    real_hasher->hash_node(out, children, width);
    if (intrusion.happened == 0) {
        intrude();
    }
}

static void the_past(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 16};
    rotor_hash *leaves = test_random_leaves(704, SIZE + SPARE);
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        for (uint64_t size = CUT + 1; size < SIZE; size += 7) {
            for (unsigned kind = 0; kind < CHANGES; kind++) {
                rotor_tree *tree = new_tree(arities[a], leaves);
                rotor_snapshot snapshot;
                rotor_snapshot past;
                memset(&past, 0x5a, sizeof past);
                rotor_snapshot untouched = past;
                expect_ok(rotor_snapshot_take(tree, &snapshot), "take");
                real_hasher = tree->hasher;
                rotor_hasher hooked = *real_hasher;
                hooked.hash_node = hash_node_and_intrude;
                tree->hasher = &hooked;
                intrusion.tree = tree;
                intrusion.leaves = leaves;
                intrusion.kind = (change)kind;
                intrusion.happened = 0;
                intrusion.failed = 0;
                rotor_status status = rotor_snapshot_at(&snapshot, &past, size);
                tree->hasher = real_hasher;
                assert_int_equal(intrusion.failed, 0);
                bool stale = intrusion.happened != 0 && is_cut((change)kind);
                expect_status(status, stale ? ROTOR_STALE : ROTOR_OK, "%s, past %" PRIu64, change_names[kind], size);
                if (stale) {
                    assert_memory_equal(&past, &untouched, sizeof past);
                } else {
                    test_levels levels;
                    test_levels_build(&levels, arities[a], leaves, size, NULL);
                    test_expect_snapshot(&past, &levels, change_names[kind]);
                    test_levels_free(&levels);
                }
                /* Most sizes have an unfinished group that has to be hashed. */
                expect(intrusion.happened == 1 || size % arities[a] <= 1, "past %" PRIu64 " hashed nothing", size);
                rotor_close(tree, NULL);
            }
        }
    }
    free(leaves);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes),
        cmocka_unit_test(inclusion_proofs),
        cmocka_unit_test(consistency_proofs),
        cmocka_unit_test(taking_a_snapshot),
        cmocka_unit_test(the_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
