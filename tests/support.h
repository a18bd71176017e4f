/* What the tests of the tree share: expectations that say where they were, leaves from a seed, an independent oracle
 * for every node of a tree, and the size of a run. Knows the public header and, for the oracle, the hash functions;
 * nothing of how the tree stores its nodes. */
#ifndef ROTOR_TESTS_SUPPORT_H
#define ROTOR_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hash/hash.h"
#include "model_tree.h"
#include "rotortree.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define TEST_UNDER_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define TEST_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_UNDER_TSAN 1
#elif __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define TEST_UNDER_ASAN 1
#endif
#endif

#ifdef TEST_UNDER_TSAN
static const bool test_under_tsan = true;
#else
static const bool test_under_tsan = false;
#endif
#ifdef TEST_UNDER_ASAN
static const bool test_under_asan = true;
#else
static const bool test_under_asan = false;
#endif

/* ---------------------------------------------------------------- expectations */

#define expect(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            print_error("%s:%d: %s: ", __FILE__, __LINE__, #condition);                                                \
            fail_msg(__VA_ARGS__);                                                                                     \
        }                                                                                                              \
    } while (0)

#define expect_status(got, wanted, ...)                                                                                \
    do {                                                                                                               \
        rotor_status expect_got = (got);                                                                               \
        rotor_status expect_wanted = (wanted);                                                                         \
        if (expect_got != expect_wanted) {                                                                             \
            print_error("%s:%d: %s gave %s, not %s: ", __FILE__, __LINE__, #got, rotor_status_name(expect_got),        \
                        rotor_status_name(expect_wanted));                                                             \
            fail_msg(__VA_ARGS__);                                                                                     \
        }                                                                                                              \
    } while (0)

#define expect_ok(got, ...) expect_status(got, ROTOR_OK, __VA_ARGS__)

static inline bool test_same_hash(const rotor_hash *a, const rotor_hash *b) {
    return memcmp(a->bytes, b->bytes, ROTOR_HASH_BYTES) == 0;
}

static inline void *test_alloc(size_t count, size_t bytes) {
    void *memory = calloc(count != 0 ? count : 1, bytes);
    if (memory == NULL) {
        print_error("the test itself ran out of memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

/* ---------------------------------------------------------------- the size of a run */

/* Valgrind is recognised by what it preloads, so that its headers need not be installed. */
static inline bool test_under_valgrind(void) {
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

static inline uint64_t test_env_number(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 0) : otherwise;
}

/* `amount` of work, less of it where every instruction is slow. ROTOR_TEST_SCALE sets the percentage. */
static inline uint64_t test_scaled(uint64_t amount) {
    uint64_t percent = test_under_valgrind() ? 3 : test_under_tsan ? 10 : test_under_asan ? 30 : 100;
    uint64_t scaled = amount * test_env_number("ROTOR_TEST_SCALE", percent) / 100;
    return scaled != 0 ? scaled : 1;
}

/* ---------------------------------------------------------------- seeded randomness (splitmix64) */

typedef struct test_random {
    uint64_t state;
} test_random;

/* ROTOR_TEST_SEED replaces the seed; print it in the message of what fails. */
static inline uint64_t test_seed(uint64_t otherwise) {
    return test_env_number("ROTOR_TEST_SEED", otherwise);
}

static inline uint64_t test_next(test_random *random) {
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number below `limit`, which is not 0. */
static inline uint64_t test_below(test_random *random, uint64_t limit) {
    return test_next(random) % limit;
}

/* ---------------------------------------------------------------- leaves */

static inline void test_store_u64(uint8_t *out, uint64_t value) {
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline uint64_t test_load_u64(const uint8_t *in) {
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)in[i] << (8 * i);
    }
    return value;
}

/* Leaf i of the golden trees: i as u64, little-endian, then zeros. */
static inline rotor_hash test_golden_leaf(uint64_t i) {
    rotor_hash leaf = {{0}};
    test_store_u64(leaf.bytes, i);
    return leaf;
}

static inline rotor_hash *test_golden_leaves(size_t count) {
    rotor_hash *leaves = test_alloc(count, sizeof *leaves);
    for (size_t i = 0; i < count; i++) {
        leaves[i] = test_golden_leaf(i);
    }
    return leaves;
}

/* A leaf all of whose bytes depend on (seed, i). */
static inline rotor_hash test_random_leaf(uint64_t seed, uint64_t i) {
    test_random random = {seed * UINT64_C(0xff51afd7ed558ccd) + i * UINT64_C(0xc4ceb9fe1a85ec53)};
    rotor_hash leaf;
    for (unsigned k = 0; k < 4; k++) {
        test_store_u64(leaf.bytes + 8 * (size_t)k, test_next(&random));
    }
    return leaf;
}

static inline rotor_hash *test_random_leaves(uint64_t seed, size_t count) {
    rotor_hash *leaves = test_alloc(count, sizeof *leaves);
    for (size_t i = 0; i < count; i++) {
        leaves[i] = test_random_leaf(seed, i);
    }
    return leaves;
}

/* ---------------------------------------------------------------- trees */

static inline rotor_tree *test_create_with(const rotor_options *options) {
    rotor_tree *tree = NULL;
    rotor_error error = {0};
    rotor_status status = rotor_open(&tree, NULL, options, &error);
    if (status != ROTOR_OK) {
        fail_msg("rotor_open: %s: %s", rotor_status_name(status), error.message);
    }
    return tree;
}

static inline rotor_tree *test_create(uint32_t arity, uint32_t max_depth) {
    rotor_options options;
    rotor_options_init(&options, arity, max_depth);
    return test_create_with(&options);
}

/* ---------------------------------------------------------------- the oracle: every node, from the definition */

typedef struct test_levels {
    uint32_t arity;
    uint32_t depth;
    uint64_t length[ROTOR_MAX_DEPTH + 1];
    rotor_hash *node[ROTOR_MAX_DEPTH + 1];
} test_levels;

/* With `hasher`, whole groups are hashed by it, which large trees need; with NULL each node alone, as in
 * model_tree.h.
 * `leaves` is copied. */
static inline void test_levels_build(test_levels *levels, uint32_t arity, const rotor_hash *leaves, uint64_t size,
                                     const rotor_hasher *hasher) {
    memset(levels, 0, sizeof *levels);
    levels->arity = arity;
    /* One spare node in front of each level: vector kernels read a few bytes there. */
    rotor_hash *level = test_alloc(size + 1, sizeof *level);
    if (size != 0) {
        memcpy(level + 1, leaves, size * sizeof *level);
    }
    levels->node[0] = level + 1;
    levels->length[0] = size;
    while (levels->length[levels->depth] > 1) {
        uint32_t below = levels->depth++;
        uint64_t length = (levels->length[below] + arity - 1) / arity;
        rotor_hash *children = levels->node[below];
        rotor_hash *nodes = (rotor_hash *)test_alloc(length + 1, sizeof *nodes) + 1;
        uint64_t done = 0;
        if (hasher != NULL) {
            done = levels->length[below] / arity;
            hasher->hash_groups(nodes->bytes, children->bytes, done, arity);
        }
        for (; done < length; done++) {
            uint64_t rest = levels->length[below] - done * arity;
            nodes[done] = model_hash(children + done * arity, rest < arity ? rest : arity);
        }
        levels->node[levels->depth] = nodes;
        levels->length[levels->depth] = length;
    }
}

static inline void test_levels_free(test_levels *levels) {
    for (uint32_t l = 0; l <= levels->depth; l++) {
        if (levels->node[l] != NULL) {
            free(levels->node[l] - 1);
        }
    }
    memset(levels, 0, sizeof *levels);
}

static inline const rotor_hash *test_levels_root(const test_levels *levels) {
    return &levels->node[levels->depth][0];
}

/* The root alone. */
static inline rotor_hash test_root_of(uint32_t arity, const rotor_hash *leaves, uint64_t size,
                                      const rotor_hasher *hasher) {
    test_levels levels;
    test_levels_build(&levels, arity, leaves, size, hasher);
    rotor_hash root = *test_levels_root(&levels);
    test_levels_free(&levels);
    return root;
}

/* The portable kernel's table. */
static inline const rotor_hasher *test_portable(void) {
    const rotor_hasher *hasher = NULL;
    if (rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, "portable") != ROTOR_OK) {
        fail_msg("there is no portable kernel");
    }
    return hasher;
}

/* ---------------------------------------------------------------- comparing with the oracle */

/* Everything that can be read through a snapshot. */
static inline void test_expect_snapshot(const rotor_snapshot *snapshot, const test_levels *levels, const char *what) {
    uint64_t size = levels->length[0];
    uint32_t arity = levels->arity;
    expect(snapshot->size == size, "%s: arity %u: size %" PRIu64 ", not %" PRIu64, what, arity, snapshot->size, size);
    expect_ok(rotor_snapshot_check(snapshot), "%s: arity %u size %" PRIu64, what, arity, size);
    uint64_t length = 0;
    rotor_tree_head head;
    if (size == 0) {
        expect_status(rotor_snapshot_head(snapshot, &head), ROTOR_EMPTY_TREE, "%s", what);
        expect_status(rotor_snapshot_level_length(snapshot, &length, 0), ROTOR_OUT_OF_RANGE, "%s", what);
        return;
    }
    expect(snapshot->depth == levels->depth, "%s: arity %u size %" PRIu64 ": depth %u, not %u", what, arity, size,
           snapshot->depth, levels->depth);
    expect_ok(rotor_snapshot_head(snapshot, &head), "%s: arity %u size %" PRIu64, what, arity, size);
    expect(head.size == size && head.arity == arity && head.hash_profile == ROTOR_HASH_BLAKE3,
           "%s: head of size %" PRIu64, what, size);
    expect(test_same_hash(&head.root, test_levels_root(levels)), "%s: arity %u size %" PRIu64, what, arity, size);
    for (uint32_t l = 0; l <= levels->depth; l++) {
        expect_ok(rotor_snapshot_level_length(snapshot, &length, l), "%s: level %u", what, l);
        expect(length == levels->length[l], "%s: arity %u size %" PRIu64 " level %u: length %" PRIu64, what, arity,
               size, l, length);
        expect(test_same_hash(&snapshot->edge[l], &levels->node[l][length - 1]),
               "%s: arity %u size %" PRIu64 " level %u: edge", what, arity, size, l);
        rotor_hash *nodes = test_alloc(length, sizeof *nodes);
        expect_ok(rotor_snapshot_nodes(snapshot, nodes, length, l, 0), "%s: arity %u size %" PRIu64 " level %u", what,
                  arity, size, l);
        for (uint64_t i = 0; i < length; i++) {
            expect(test_same_hash(&nodes[i], &levels->node[l][i]),
                   "%s: arity %u size %" PRIu64 ": node (%u, %" PRIu64 ")", what, arity, size, l, i);
        }
        free(nodes);
    }
    expect_status(rotor_snapshot_level_length(snapshot, &length, levels->depth + 1), ROTOR_OUT_OF_RANGE, "%s", what);
}

/* Everything that can be read of the present tree, and through a snapshot of it. */
static inline void test_expect_tree(rotor_tree *tree, const test_levels *levels, const char *what) {
    uint64_t size = levels->length[0];
    uint32_t arity = levels->arity;
    rotor_hash root;
    expect(rotor_size(tree) == size, "%s: size %" PRIu64 ", not %" PRIu64, what, rotor_size(tree), size);
    expect(rotor_depth(tree) == levels->depth, "%s: size %" PRIu64 ": depth %u, not %u", what, size, rotor_depth(tree),
           levels->depth);
    if (size == 0) {
        expect_status(rotor_root(tree, &root), ROTOR_EMPTY_TREE, "%s", what);
    } else {
        expect_ok(rotor_root(tree, &root), "%s: arity %u size %" PRIu64, what, arity, size);
        expect(test_same_hash(&root, test_levels_root(levels)), "%s: arity %u size %" PRIu64 ": root", what, arity,
               size);
        for (uint32_t l = 0; l <= levels->depth; l++) {
            uint64_t length = 0;
            expect_ok(rotor_level_length(tree, &length, l), "%s", what);
            expect(length == levels->length[l], "%s: arity %u size %" PRIu64 " level %u", what, arity, size, l);
            rotor_hash node;
            for (uint64_t i = 0; i < length; i += length < 2000 ? 1 : length / 500) {
                expect_ok(rotor_node(tree, &node, l, i), "%s: node (%u, %" PRIu64 ")", what, l, i);
                expect(test_same_hash(&node, &levels->node[l][i]),
                       "%s: arity %u size %" PRIu64 ": node (%u, %" PRIu64 ")", what, arity, size, l, i);
            }
            expect_status(rotor_node(tree, &node, l, length), ROTOR_OUT_OF_RANGE, "%s: level %u", what, l);
        }
    }
    rotor_snapshot snapshot;
    expect_ok(rotor_snapshot_take(tree, &snapshot), "%s: size %" PRIu64, what, size);
    test_expect_snapshot(&snapshot, levels, what);
}

/* The tree holds exactly these leaves. */
static inline void test_expect_leaves(rotor_tree *tree, const rotor_hash *leaves, uint64_t size, const char *what) {
    test_levels levels;
    test_levels_build(&levels, rotor_arity(tree), leaves, size, NULL);
    test_expect_tree(tree, &levels, what);
    test_levels_free(&levels);
}

#ifdef ROTOR_TEST_DATA
/* ---------------------------------------------------------------- JSON test data */

#include <jansson.h>

static inline json_t *test_load_json(const char *name) {
    char path[1024];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%s/%s", ROTOR_TEST_DATA, name);
    json_t *json = json_load_file(path, 0, &error);
    if (json == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    return json;
}

static inline bool test_parse_hex(uint8_t *out, size_t bytes, const char *hex) {
    if (hex == NULL || strlen(hex) != 2 * bytes) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        char *end = NULL;
        out[i] = (uint8_t)strtoul(digits, &end, 16);
        if (end != digits + 2) {
            return false;
        }
    }
    return true;
}
#endif

#endif
