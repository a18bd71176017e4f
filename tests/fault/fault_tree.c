/* The tree when the system refuses: every allocation, mapping and thread of a long scenario fails once, then stays
 * refused from there on; and processes whose address space is small. Linked with --wrap for each function that can be
 * made to fail. */
#include "support.h"

#include "failing_calls.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef ROTOR_CANARY_STAYS_REFUSED
#include "tree/level.h"

/* In place of the function: a tree that does not recover from a refusal must be caught. */
rotor_status __real_rotor_level_commit(rotor_level *level, uint64_t nodes, size_t reservation_bytes);
rotor_status __wrap_rotor_level_commit(rotor_level *level, uint64_t nodes, size_t reservation_bytes);
rotor_status __wrap_rotor_level_commit(rotor_level *level, uint64_t nodes, size_t reservation_bytes) {
    static rotor_status status = ROTOR_OK;
    status = status == ROTOR_OK ? __real_rotor_level_commit(level, nodes, reservation_bytes) : status;
    return status;
}
#endif

/* ---------------------------------------------------------------- the scenario */

#define ARITY 4
#define MOST_LEAVES 120000

typedef struct scenario {
    rotor_tree *tree;
    rotor_hash *leaves; /* what the tree must hold */
    uint64_t size;
    unsigned version; /* of the leaves: they are others after a truncation */
    bool may_fail;    /* false where what is refused is documented to cost speed only */
    uint64_t failures;
} scenario;

static uint64_t large_batch(void) {
    return test_under_valgrind() || test_under_tsan ? 6000 : 20000;
}

static rotor_hash leaf_of_version(unsigned version, uint64_t i) {
    rotor_hash leaf = test_golden_leaf(i);
    leaf.bytes[20] = (uint8_t)version;
    return leaf;
}

/* The roots that one run after the other asks for are the same few. Size and three leaves tell them apart, as leaves
 * change with the version only. */
static const rotor_hash *expected_root(const scenario *s) {
    static struct {
        uint64_t size;
        rotor_hash first;
        rotor_hash last;
        rotor_hash middle;
        rotor_hash root;
    } known[256];
    static size_t known_count;
    const rotor_hash *first = &s->leaves[0];
    const rotor_hash *last = &s->leaves[s->size - 1];
    const rotor_hash *middle = &s->leaves[s->size / 2];
    for (size_t i = 0; i < known_count; i++) {
        if (known[i].size == s->size && test_same_hash(&known[i].first, first) &&
            test_same_hash(&known[i].last, last) && test_same_hash(&known[i].middle, middle)) {
            return &known[i].root;
        }
    }
    size_t place = known_count < 256 ? known_count++ : 255;
    known[place].size = s->size;
    known[place].first = *first;
    known[place].last = *last;
    known[place].middle = *middle;
    known[place].root = test_root_of(ARITY, s->leaves, s->size, test_portable());
    return &known[place].root;
}

static void expect_unharmed(scenario *s, const char *after) {
    expect(rotor_size(s->tree) == s->size, "call %" PRIu64 ", after %s: size %" PRIu64 ", not %" PRIu64, fault.fail_at,
           after, rotor_size(s->tree), s->size);
    rotor_hash root;
    rotor_status status = rotor_root(s->tree, &root);
    if (s->size == 0) {
        expect_status(status, ROTOR_EMPTY_TREE, "after %s", after);
    } else {
        expect_ok(status, "call %" PRIu64 ", after %s", fault.fail_at, after);
        expect(test_same_hash(&root, expected_root(s)), "call %" PRIu64 ", after %s: root of %" PRIu64, fault.fail_at,
               after, s->size);
    }
}

/* Runs one call of the library with faults armed. */
#define ARMED(status, call)                                                                                            \
    do {                                                                                                               \
        atomic_store(&fault.armed, true);                                                                              \
        (status) = (call);                                                                                             \
        atomic_store(&fault.armed, false);                                                                             \
    } while (0)

/* Judges a status: success, or an honest failure, which is counted. */
static bool went_well(scenario *s, rotor_status status, const char *what) {
    if (status == ROTOR_OK) {
        return true;
    }
    expect_status(status, ROTOR_OUT_OF_MEMORY, "call %" PRIu64 " refused: %s", fault.fail_at, what);
    expect(s->may_fail, "%s failed although only speed was refused", what);
    expect(atomic_load(&fault.failed) > 0, "%s failed although nothing was refused", what);
    s->failures++;
    return false;
}

static void step_insert(scenario *s, uint64_t count, bool with_root, const char *what) {
    rotor_hash untouched;
    memset(&untouched, 0x3c, sizeof untouched);
    for (uint64_t i = 0; i < count; i++) {
        s->leaves[s->size + i] = leaf_of_version(s->version, s->size + i);
    }
    for (int attempt = 0; attempt < 2; attempt++) {
        rotor_hash root = untouched;
        rotor_hash *output = with_root ? &root : NULL;
        rotor_status status;
        if (count == 1) {
            ARMED(status, rotor_insert(s->tree, output, NULL, &s->leaves[s->size]));
        } else {
            ARMED(status, rotor_insert_many(s->tree, output, NULL, s->leaves + s->size, count));
        }
        if (went_well(s, status, what)) {
            s->size += count;
            if (with_root) {
                expect(test_same_hash(&root, expected_root(s)), "call %" PRIu64 ": %s: returned root", fault.fail_at,
                       what);
            }
            return;
        }
        assert_memory_equal(&root, &untouched, sizeof root);
        expect_unharmed(s, what);
        if (fault.persistent) {
            return;
        }
    }
    fail_msg("call %" PRIu64 " failed once, %s failed twice", fault.fail_at, what);
}

static void step_reserve(scenario *s, uint64_t leaves) {
    for (int attempt = 0; attempt < 2; attempt++) {
        rotor_status status;
        ARMED(status, rotor_reserve(s->tree, leaves));
        bool well = went_well(s, status, "reserve");
        expect_unharmed(s, "reserve");
        if (well) {
            /* What was reserved cannot run out: a batch that fits needs nothing of the system but its threads. */
            if (leaves > s->size + 300) {
                uint64_t failures = s->failures;
                step_insert(s, 300, false, "insert into what was reserved");
                expect(s->failures == failures, "call %" PRIu64 ": an insert into what was reserved failed",
                       fault.fail_at);
            }
            return;
        }
        if (fault.persistent) {
            return;
        }
    }
    fail_msg("call %" PRIu64 " failed once, reserve failed twice", fault.fail_at);
}

static void step_truncate(scenario *s, uint64_t size) {
    rotor_status status;
    if (size >= s->size) {
        return;
    }
    ARMED(status, rotor_truncate(s->tree, NULL, size));
    /* Cutting needs no memory; there is nothing in the manual that it may fail for. */
    expect_ok(status, "call %" PRIu64 ": truncate", fault.fail_at);
    s->size = size;
    s->version++;
    expect_unharmed(s, "truncate");
}

/* Proofs of a present and a past size, made, verified, moved, encoded and decoded. */
static void step_proofs(scenario *s) {
    rotor_snapshot now;
    rotor_snapshot past;
    rotor_tree_head head;
    rotor_tree_head past_head;
    rotor_status status;
    if (s->size < 10) {
        return;
    }
    ARMED(status, rotor_snapshot_take(s->tree, &now));
    expect_ok(status, "snapshot");
    ARMED(status, rotor_snapshot_at(&now, &past, s->size / 2));
    expect_ok(status, "past");
    expect_ok(rotor_snapshot_head(&now, &head), "head");
    expect_ok(rotor_snapshot_head(&past, &past_head), "head");

    rotor_inclusion_proof inclusion = ROTOR_INCLUSION_PROOF_INIT;
    rotor_inclusion_proof moved = ROTOR_INCLUSION_PROOF_INIT;
    rotor_inclusion_proof decoded = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof consistency = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_consistency_proof decoded_consistency = ROTOR_CONSISTENCY_PROOF_INIT;
    static uint8_t bytes[16384];
    size_t length = 0;
    rotor_status result = ROTOR_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        ARMED(status, rotor_inclusion_prove(&past, &inclusion, s->size / 3));
        if (went_well(s, status, "prove inclusion")) {
            ARMED(status, rotor_inclusion_verify(&inclusion, &past_head, &s->leaves[s->size / 3]));
            expect_ok(status, "call %" PRIu64 ": verify inclusion", fault.fail_at);
            ARMED(status, rotor_inclusion_verify_many(&result, &inclusion, 1, &past_head));
            if (went_well(s, status, "verify many")) {
                expect_ok(result, "call %" PRIu64 ": verify many", fault.fail_at);
            }
            ARMED(status, rotor_inclusion_encode(&inclusion, bytes, sizeof bytes, &length));
            expect_ok(status, "call %" PRIu64 ": encode", fault.fail_at);
            ARMED(status, rotor_inclusion_decode(&decoded, bytes, length));
            if (went_well(s, status, "decode inclusion")) {
                expect_ok(rotor_inclusion_verify(&decoded, &past_head, &s->leaves[s->size / 3]), "decoded");
            }
        }
        ARMED(status, rotor_consistency_prove(&now, &consistency, past.size));
        if (went_well(s, status, "prove consistency")) {
            ARMED(status, rotor_consistency_verify(&consistency, &past_head, &head));
            expect_ok(status, "call %" PRIu64 ": verify consistency", fault.fail_at);
            ARMED(status, rotor_consistency_encode(&consistency, bytes, sizeof bytes, &length));
            expect_ok(status, "call %" PRIu64 ": encode", fault.fail_at);
            ARMED(status, rotor_consistency_decode(&decoded_consistency, bytes, length));
            if (went_well(s, status, "decode consistency")) {
                expect_ok(rotor_consistency_verify(&decoded_consistency, &past_head, &head), "decoded");
            }
            if (inclusion.sibling_count != 0) {
                ARMED(status, rotor_inclusion_update(&moved, &inclusion, &consistency));
                if (went_well(s, status, "move a proof")) {
                    expect_ok(rotor_inclusion_verify(&moved, &head, &s->leaves[s->size / 3]), "moved");
                }
            }
        }
    }
    rotor_inclusion_proof_free(&inclusion);
    rotor_inclusion_proof_free(&moved);
    rotor_inclusion_proof_free(&decoded);
    rotor_consistency_proof_free(&consistency);
    rotor_consistency_proof_free(&decoded_consistency);
    expect_unharmed(s, "proofs");
}

static bool step_create(scenario *s) {
    rotor_options options;
    rotor_options_init(&options, ARITY, 20);
    options.threads = 3;
    options.parallel_threshold = 50;
    options.task_nodes = 1000;
    for (int attempt = 0; attempt < 2; attempt++) {
        rotor_error error = {0};
        rotor_status status;
        ARMED(status, rotor_open(&s->tree, NULL, &options, &error));
        if (went_well(s, status, "create")) {
            return true;
        }
        assert_null(s->tree);
        assert_int_equal(error.status, ROTOR_OUT_OF_MEMORY);
        assert_true(strlen(error.message) > 5);
        if (fault.persistent) {
            return false;
        }
    }
    fail_msg("call %" PRIu64 " failed once, create failed twice", fault.fail_at);
    return false;
}

static void expect_every_node(scenario *s) {
    test_levels levels;
    test_levels_build(&levels, ARITY, s->leaves, s->size, test_portable());
    test_expect_tree(s->tree, &levels, "at the end of a scenario");
    test_levels_free(&levels);
}

/* Returns whether a call was refused. */
static bool play(rotor_hash *leaves, bool may_fail) {
    scenario s = {.leaves = leaves, .may_fail = may_fail};
    uint64_t large = large_batch();
    if (step_create(&s)) {
        for (int i = 0; i < 5; i++) {
            step_insert(&s, 1, true, "insert with root");
        }
        for (int i = 0; i < 3; i++) {
            step_insert(&s, 1, false, "insert without root");
        }
        step_insert(&s, 150, false, "small batch");
        step_proofs(&s);
        step_insert(&s, 1100, true, "middling batch");
        step_insert(&s, large, true, "large batch");
        step_reserve(&s, s.size + large);
        step_insert(&s, large, false, "large batch without root");
        step_insert(&s, large / 3, true, "another batch");
        step_proofs(&s);
        step_truncate(&s, 1000);
        step_insert(&s, 77, false, "batch after a cut");
        step_insert(&s, large / 2, true, "large batch after a cut");
        step_proofs(&s);

        /* The system relents: all is as if nothing had happened. */
        bool refused = atomic_load(&fault.failed) > 0;
        fault.fail_at = 0;
        step_insert(&s, 1, true, "insert afterwards");
        step_insert(&s, 2000, false, "batch afterwards");
        step_insert(&s, large / 4, true, "large batch afterwards");
        expect_every_node(&s);
        rotor_close(s.tree, NULL);
        return refused;
    }
    return true;
}

static size_t thread_count(void) {
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (tasks != NULL) {
        (void)closedir(tasks);
    }
    return count;
}

/* Pages of address space of this process. */
static uint64_t address_pages(void) {
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        char line[128];
        if (fgets(line, sizeof line, file) != NULL) {
            pages = strtoull(line, NULL, 10);
        }
        (void)fclose(file);
    }
    return pages;
}

/* Each call in turn, until the scenario ends before the next one comes; where every instruction is slow, some of them.
 */
static void fail_each_call(bool persistent) {
    rotor_hash *leaves = test_alloc(MOST_LEAVES, sizeof *leaves);
    uint64_t step = test_under_valgrind() || test_under_tsan ? 9 : 1;
    uint64_t refused_runs = 0;
    uint64_t pages_at_first = 0;
    for (uint64_t fail_at = 1;; fail_at += step) {
        prepare(EVERYTHING, fail_at, persistent, ENOMEM);
        if (!play(leaves, true)) {
            break;
        }
        refused_runs++;
        if (fail_at <= 20) {
            pages_at_first = address_pages();
        }
    }
    uint64_t pages = address_pages();
    print_message("%" PRIu64 " runs with a refusal\n", refused_runs);
    assert_true(refused_runs > 10);
    if (!test_under_asan && !test_under_tsan && !test_under_valgrind()) {
        expect(pages < pages_at_first + (16 << 20) / 4096,
               "address space grew by %" PRIu64 " pages in %" PRIu64 " runs", pages - pages_at_first, refused_runs);
        assert_int_equal(thread_count(), 1);
    }
    free(leaves);
}

static void each_call_fails_once(void **state) {
    (void)state;
    fail_each_call(false);
}

static void each_call_fails_and_all_after_it(void **state) {
    (void)state;
    fail_each_call(true);
}

/* What costs speed only: threads, advice to the kernel, what the system says of itself. */
static void refusals_that_cost_speed_only(void **state) {
    (void)state;
    rotor_hash *leaves = test_alloc(MOST_LEAVES, sizeof *leaves);
    static const struct {
        unsigned kinds;
        int advice_errno;
    } refusals[] = {{THREAD, 0},      {ADVICE, EINVAL},          {CONFIGURATION, 0},
                    {ADVICE, ENOSYS}, {ADVICE | THREAD, EINVAL}, {ADVICE | THREAD | CONFIGURATION, EINVAL}};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        for (uint64_t fail_at = 1; fail_at <= 3; fail_at++) {
            prepare(refusals[i].kinds, fail_at, true, refusals[i].advice_errno);
            bool refused = play(leaves, false);
            expect(refused || fail_at > 1 || refusals[i].kinds == CONFIGURATION, "refusal %zu was never asked for", i);
        }
    }
    free(leaves);
}

/* ---------------------------------------------------------------- little address space */

typedef struct filled {
    rotor_status status; /* of the batch that did not fit */
    uint64_t size;
    rotor_hash root;
    uint32_t sound; /* checks in the child that held, all of CHECKS */
} filled;

#define CHECKS 8

/* Fills a tree until it is refused; everything that must hold then is counted. Runs in a process of its own. */
static filled fill_until_refused(uint32_t arity, uint32_t threads, size_t batch) {
    filled result = {.status = ROTOR_MISUSE};
    static rotor_hash leaves[20000];
    rotor_options options;
    rotor_tree *tree = NULL;
    rotor_options_init(&options, arity, 40);
    options.threads = threads;
    rotor_status status = rotor_open(&tree, NULL, &options, NULL);
    if (status != ROTOR_OK) {
        result.status = status;
        return result;
    }
    uint64_t size = 0;
    do {
        for (size_t i = 0; i < batch; i++) {
            leaves[i] = test_golden_leaf(size + i);
        }
        status = rotor_insert_many(tree, NULL, NULL, leaves, batch);
        size += status == ROTOR_OK ? batch : 0;
    } while (status == ROTOR_OK);
    result.status = status;
    result.size = rotor_size(tree);
    result.sound += result.size == size;
    result.sound += rotor_root(tree, &result.root) == ROTOR_OK;
    rotor_snapshot snapshot;
    rotor_hash last;
    rotor_hash expected = test_golden_leaf(size - 1);
    result.sound += rotor_snapshot_take(tree, &snapshot) == ROTOR_OK;
    result.sound +=
        rotor_snapshot_nodes(&snapshot, &last, 1, 0, size - 1) == ROTOR_OK && test_same_hash(&last, &expected);
    result.sound += rotor_snapshot_at(&snapshot, &snapshot, size / 2) == ROTOR_OK;
    rotor_snapshot past = snapshot;
    /* There is room again once leaves are cut off. */
    result.sound += rotor_truncate(tree, NULL, size / 2) == ROTOR_OK;
    rotor_hash root;
    for (size_t i = 0; i < batch; i++) {
        leaves[i] = test_golden_leaf(size / 2 + i);
    }
    result.sound += rotor_root(tree, &root) == ROTOR_OK && test_same_hash(&root, &past.edge[past.depth]);
    result.sound += rotor_insert_many(tree, &root, NULL, leaves, batch) == ROTOR_OK;
    rotor_close(tree, NULL);
    return result;
}

/* The root of golden leaves, in little memory: one unfinished group per level. */
static rotor_hash streamed_root(uint32_t arity, uint64_t size) {
    rotor_hash *group = test_alloc((size_t)(ROTOR_MAX_DEPTH + 1) * arity, sizeof *group);
    uint32_t held[ROTOR_MAX_DEPTH + 1] = {0};
    const rotor_hasher *hasher = NULL;
    expect_ok(rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, NULL), "hasher");
    for (uint64_t i = 0; i < size; i++) {
        rotor_hash node = test_golden_leaf(i);
        uint32_t level = 0;
        for (;; level++) {
            rotor_hash *members = group + (size_t)level * arity;
            members[held[level]++] = node;
            if (held[level] < arity) {
                break;
            }
            hasher->hash_node(node.bytes, members[0].bytes, arity);
            held[level] = 0;
        }
    }
    rotor_hash node = {{0}};
    bool carried = false;
    uint32_t level = 0;
    for (uint64_t length = size;; length = (length + arity - 1) / arity, level++) {
        rotor_hash *members = group + (size_t)level * arity;
        uint32_t width = held[level];
        if (carried) {
            members[width++] = node;
        }
        if (length == 1) {
            node = members[0];
            break;
        }
        carried = width > 0;
        if (width == 1) {
            node = members[0];
        } else if (width > 1) {
            hasher->hash_node(node.bytes, members[0].bytes, width);
        }
    }
    free(group);
    return node;
}

static void little_address_space(void **state) {
    (void)state;
    if (test_under_asan || test_under_tsan || test_under_valgrind()) {
        skip(); /* they need terabytes themselves */
    }
    /* The streamed root is one of the oracle's. */
    for (uint64_t size = 1; size < 200; size++) {
        rotor_hash *leaves = test_golden_leaves(size);
        rotor_hash streamed = streamed_root(3, size);
        rotor_hash expected = test_root_of(3, leaves, size, NULL);
        expect(test_same_hash(&streamed, &expected), "streamed root of %" PRIu64, size);
        free(leaves);
    }
    static const struct {
        size_t mib;
        uint32_t arity;
        uint32_t threads;
        size_t batch;
    } cases[] = {{64, 4, 1, 1000},   {64, 2, 3, 777},   {64, 255, 1, 1},
                 {256, 2, 2, 20000}, {256, 16, 1, 333}, {512, 16, 2, 10000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        (void)fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct rlimit limit = {cases[i].mib << 20, cases[i].mib << 20};
            filled result = {.status = ROTOR_MISUSE};
            if (setrlimit(RLIMIT_AS, &limit) == 0) {
                result = fill_until_refused(cases[i].arity, cases[i].threads, cases[i].batch);
            }
            _exit(write(ends[1], &result, sizeof result) == (ssize_t)sizeof result ? 0 : 1);
        }
        filled result;
        (void)close(ends[1]);
        ssize_t got = read(ends[0], &result, sizeof result);
        (void)close(ends[0]);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        expect(WIFEXITED(status) && WEXITSTATUS(status) == 0 && got == (ssize_t)sizeof result,
               "%zu MiB, arity %u: the process ended with %#x", cases[i].mib, cases[i].arity, (unsigned)status);
        uint64_t most = ((uint64_t)cases[i].mib << 20) / ROTOR_HASH_BYTES;
        print_message("%zu MiB of address space, arity %u: %" PRIu64 " leaves, %" PRIu64 " %% of it\n", cases[i].mib,
                      cases[i].arity, result.size, 100 * result.size / most);
        expect_status(result.status, ROTOR_OUT_OF_MEMORY, "%zu MiB, arity %u", cases[i].mib, cases[i].arity);
        expect(result.sound == CHECKS, "%zu MiB, arity %u: %u of %d checks held", cases[i].mib, cases[i].arity,
               result.sound, CHECKS);
        expect(result.size > most / 8 && result.size < most, "%zu MiB, arity %u: %" PRIu64 " leaves", cases[i].mib,
               cases[i].arity, result.size);
        rotor_hash expected = streamed_root(cases[i].arity, result.size);
        expect(test_same_hash(&result.root, &expected), "%zu MiB, arity %u: root of %" PRIu64, cases[i].mib,
               cases[i].arity, result.size);
    }
}

int main(void) {
    /* Threads must not each reserve an arena, or leaks of address space could not be told from them. */
    (void)mallopt(M_ARENA_MAX, 1);
#ifdef ROTOR_CANARY_STAYS_REFUSED
    cmocka_set_test_filter("each_call_fails_once");
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_fails_once),
        cmocka_unit_test(each_call_fails_and_all_after_it),
        cmocka_unit_test(refusals_that_cost_speed_only),
        cmocka_unit_test(little_address_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
