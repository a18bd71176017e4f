/* Proofs as JSON text: exact text, round trips, hostile text, failing allocations. Uses the public headers only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "rotortree_json.h"

#define ZEROS "00000000000000000000000000000000000000000000000000000000000000"
#define LEAF_0 "00" ZEROS
#define LEAF_1 "01" ZEROS
/* Of the tree of leaves 0 and 1; the same for every arity. */
#define ROOT_2 "db1ab5611f97d5804195932a68e1ddff746fd979b4463ec2a0c5eb8ac04fbb5c"

static const char inclusion_of_two[] =
    "{\"type\":\"rotortree-inclusion-proof\",\"version\":1,\"hash\":\"blake3\",\"arity\":4,\"size\":2,\"index\":1,"
    "\"leaf\":\"" LEAF_1 "\",\"root\":\"" ROOT_2 "\",\"siblings\":[\"" LEAF_0 "\"]}";

/* From one leaf to two: the old leaf is the shared node, the second leaf is new. */
static const char consistency_of_two[] =
    "{\"type\":\"rotortree-consistency-proof\",\"version\":1,\"hash\":\"blake3\",\"arity\":4,\"old_size\":1,"
    "\"new_size\":2,\"old_root\":\"" LEAF_0 "\",\"new_root\":\"" ROOT_2 "\",\"hashes\":[\"" LEAF_0 "\",\"" LEAF_1
    "\"]}";

/* Leaf i of all trees here: i as 64 bits, little-endian, then zeros. */
static rotor_tree *tree_of(uint32_t arity, size_t size) {
    rotor_options options;
    rotor_tree *tree = NULL;
    rotor_options_init(&options, arity, 32);
    options.threads = 1;
    assert_int_equal(rotor_open(&tree, NULL, &options, NULL), ROTOR_OK);
    rotor_hash *leaves = calloc(size, sizeof *leaves);
    assert_non_null(leaves);
    for (size_t i = 0; i < size; i++) {
        for (size_t k = 0; k < 8; k++) {
            leaves[i].bytes[k] = (uint8_t)((uint64_t)i >> (8 * k));
        }
    }
    assert_int_equal(rotor_insert_many(tree, NULL, NULL, leaves, size), ROTOR_OK);
    free(leaves);
    return tree;
}

static void assert_same_head(const rotor_tree_head *a, const rotor_tree_head *b) {
    assert_memory_equal(&a->root, &b->root, sizeof a->root);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->arity, b->arity);
    assert_int_equal(a->hash_profile, b->hash_profile);
}

static void assert_same_inclusion(const rotor_inclusion_proof *a, const rotor_inclusion_proof *b) {
    assert_same_head(&a->head, &b->head);
    assert_int_equal(a->index, b->index);
    assert_memory_equal(&a->leaf, &b->leaf, sizeof a->leaf);
    assert_int_equal(a->sibling_count, b->sibling_count);
    if (a->sibling_count > 0) {
        assert_memory_equal(a->siblings, b->siblings, a->sibling_count * sizeof *a->siblings);
    }
}

static void assert_same_consistency(const rotor_consistency_proof *a, const rotor_consistency_proof *b) {
    assert_same_head(&a->old_head, &b->old_head);
    assert_same_head(&a->new_head, &b->new_head);
    assert_int_equal(a->hash_count, b->hash_count);
    if (a->hash_count > 0) {
        assert_memory_equal(a->hashes, b->hashes, a->hash_count * sizeof *a->hashes);
    }
}

static void exact_text(void **state) {
    (void)state;
    rotor_tree *tree = tree_of(4, 2);
    rotor_snapshot snapshot;
    rotor_inclusion_proof inclusion = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof consistency = ROTOR_CONSISTENCY_PROOF_INIT;
    char *text = NULL;
    assert_int_equal(rotor_snapshot_take(tree, &snapshot), ROTOR_OK);
    assert_int_equal(rotor_inclusion_prove(&snapshot, &inclusion, 1), ROTOR_OK);
    assert_int_equal(rotor_json_encode_inclusion(&inclusion, &text), ROTOR_OK);
    assert_string_equal(text, inclusion_of_two);
    rotor_json_free(text);
    assert_int_equal(rotor_consistency_prove(&snapshot, &consistency, 1), ROTOR_OK);
    assert_int_equal(rotor_json_encode_consistency(&consistency, &text), ROTOR_OK);
    assert_string_equal(text, consistency_of_two);
    rotor_json_free(text);
    rotor_json_free(NULL);
    rotor_inclusion_proof_free(&inclusion);
    rotor_consistency_proof_free(&consistency);
    rotor_close(tree, NULL);
}

static void round_trips(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 16, 255};
    static const size_t sizes[] = {1, 2, 5, 64, 65, 300, 1000};
    rotor_inclusion_proof copy = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof grown_copy = ROTOR_CONSISTENCY_PROOF_INIT;
    for (size_t a = 0; a < sizeof arities / sizeof arities[0]; a++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            rotor_tree *tree = tree_of(arities[a], sizes[s]);
            rotor_snapshot snapshot;
            rotor_tree_head head;
            assert_int_equal(rotor_snapshot_take(tree, &snapshot), ROTOR_OK);
            assert_int_equal(rotor_snapshot_head(&snapshot, &head), ROTOR_OK);
            for (size_t i = 0; i < sizes[s]; i += 1 + sizes[s] / 7) {
                rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
                rotor_consistency_proof grown = ROTOR_CONSISTENCY_PROOF_INIT;
                char *text = NULL;
                rotor_error error = {0};
                assert_int_equal(rotor_inclusion_prove(&snapshot, &proof, i), ROTOR_OK);
                assert_int_equal(rotor_json_encode_inclusion(&proof, &text), ROTOR_OK);
                assert_int_equal(rotor_json_decode_inclusion(&copy, text, strlen(text), &error), ROTOR_OK);
                assert_same_inclusion(&proof, &copy);
                assert_int_equal(rotor_inclusion_verify(&copy, &head, NULL), ROTOR_OK);
                rotor_json_free(text);

                assert_int_equal(rotor_consistency_prove(&snapshot, &grown, i + 1), ROTOR_OK);
                assert_int_equal(rotor_json_encode_consistency(&grown, &text), ROTOR_OK);
                assert_int_equal(rotor_json_decode_consistency(&grown_copy, text, strlen(text), &error), ROTOR_OK);
                assert_same_consistency(&grown, &grown_copy);
                assert_int_equal(rotor_consistency_verify(&grown_copy, &grown.old_head, &head), ROTOR_OK);
                rotor_json_free(text);
                rotor_inclusion_proof_free(&proof);
                rotor_consistency_proof_free(&grown);
            }
            rotor_close(tree, NULL);
        }
    }
    rotor_inclusion_proof_free(&copy);
    rotor_consistency_proof_free(&grown_copy);
}

/* Doubles would round all of these. */
static void large_numbers_are_exact(void **state) {
    (void)state;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_inclusion_proof copy = ROTOR_INCLUSION_PROOF_INIT;
    proof.head.arity = 2;
    proof.head.hash_profile = ROTOR_HASH_BLAKE3;
    proof.head.size = (UINT64_C(1) << 57) + 1234567;
    proof.index = (UINT64_C(1) << 56) + 3;
    assert_int_equal(
        rotor_inclusion_sibling_count(&proof.sibling_count, proof.head.arity, proof.head.size, proof.index), ROTOR_OK);
    assert_in_range(proof.sibling_count, 57, 58);
    proof.siblings = calloc(proof.sibling_count, sizeof *proof.siblings);
    assert_non_null(proof.siblings);
    char *text = NULL;
    assert_int_equal(rotor_json_encode_inclusion(&proof, &text), ROTOR_OK);
    assert_non_null(strstr(text, "\"size\":144115188077090439,\"index\":72057594037927939,"));
    assert_int_equal(rotor_json_decode_inclusion(&copy, text, strlen(text), NULL), ROTOR_OK);
    assert_same_inclusion(&proof, &copy);
    rotor_json_free(text);
    free(proof.siblings);
    rotor_inclusion_proof_free(&copy);
}

static void kinds(void **state) {
    (void)state;
    rotor_json_kind kind = 0;
    rotor_error error = {0};
    assert_int_equal(rotor_json_kind_of(&kind, inclusion_of_two, strlen(inclusion_of_two), &error), ROTOR_OK);
    assert_int_equal(kind, ROTOR_JSON_INCLUSION_PROOF);
    assert_int_equal(rotor_json_kind_of(&kind, consistency_of_two, strlen(consistency_of_two), &error), ROTOR_OK);
    assert_int_equal(kind, ROTOR_JSON_CONSISTENCY_PROOF);
    assert_int_equal(rotor_json_kind_of(&kind, "{\"type\":\"x\"}", 12, &error), ROTOR_MALFORMED);
    assert_non_null(strstr(error.message, "\"type\""));
    assert_int_equal(rotor_json_kind_of(&kind, "{\"type\":7}", 10, &error), ROTOR_MALFORMED);
    assert_int_equal(rotor_json_kind_of(&kind, "{}", 2, NULL), ROTOR_MALFORMED);
}

static void misuse(void **state) {
    (void)state;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof grown = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_json_kind kind;
    char *text = NULL;
    assert_int_equal(rotor_json_encode_inclusion(NULL, &text), ROTOR_MISUSE);
    assert_int_equal(rotor_json_encode_inclusion(&proof, NULL), ROTOR_MISUSE);
    assert_int_equal(rotor_json_encode_consistency(NULL, &text), ROTOR_MISUSE);
    assert_int_equal(rotor_json_encode_consistency(&grown, NULL), ROTOR_MISUSE);
    assert_int_equal(rotor_json_decode_inclusion(NULL, "{}", 2, NULL), ROTOR_MISUSE);
    assert_int_equal(rotor_json_decode_inclusion(&proof, NULL, 0, NULL), ROTOR_MISUSE);
    assert_int_equal(rotor_json_decode_consistency(NULL, "{}", 2, NULL), ROTOR_MISUSE);
    assert_int_equal(rotor_json_decode_consistency(&grown, NULL, 0, NULL), ROTOR_MISUSE);
    assert_int_equal(rotor_json_kind_of(NULL, "{}", 2, NULL), ROTOR_MISUSE);
    assert_int_equal(rotor_json_kind_of(&kind, NULL, 0, NULL), ROTOR_MISUSE);
    assert_null(text);
}

static void encoders_refuse_wrong_counts(void **state) {
    (void)state;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof grown = ROTOR_CONSISTENCY_PROOF_INIT;
    char *text = NULL;
    assert_int_equal(rotor_json_decode_inclusion(&proof, inclusion_of_two, strlen(inclusion_of_two), NULL), ROTOR_OK);
    proof.sibling_count = 0;
    assert_int_equal(rotor_json_encode_inclusion(&proof, &text), ROTOR_INVALID_PROOF);
    proof.sibling_count = 1;
    proof.index = 2;
    assert_int_equal(rotor_json_encode_inclusion(&proof, &text), ROTOR_INVALID_PROOF);
    proof.index = 1;
    proof.head.arity = 1;
    assert_int_equal(rotor_json_encode_inclusion(&proof, &text), ROTOR_INVALID_PROOF);
    proof.head.arity = 4;
    proof.head.hash_profile = 77;
    assert_int_equal(rotor_json_encode_inclusion(&proof, &text), ROTOR_UNSUPPORTED);
    rotor_inclusion_proof_free(&proof);

    assert_int_equal(rotor_json_decode_consistency(&grown, consistency_of_two, strlen(consistency_of_two), NULL),
                     ROTOR_OK);
    grown.hash_count = 1;
    assert_int_equal(rotor_json_encode_consistency(&grown, &text), ROTOR_INVALID_PROOF);
    grown.hash_count = 2;
    grown.old_head.arity = 2;
    assert_int_equal(rotor_json_encode_consistency(&grown, &text), ROTOR_INVALID_PROOF);
    grown.old_head.arity = 4;
    grown.old_head.size = 3;
    assert_int_equal(rotor_json_encode_consistency(&grown, &text), ROTOR_INVALID_PROOF);
    grown.old_head.size = 1;
    grown.new_head.hash_profile = 0;
    assert_int_equal(rotor_json_encode_consistency(&grown, &text), ROTOR_UNSUPPORTED);
    rotor_consistency_proof_free(&grown);
    assert_null(text);
}

/* Replaces the first `from` in `text`; to be freed. */
static char *with(const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    assert_non_null(at);
    size_t bytes = strlen(text) + strlen(to) + 1;
    char *changed = malloc(bytes);
    assert_non_null(changed);
    snprintf(changed, bytes, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return changed;
}

/* Decodes with the decoder of that kind; a refused text must leave the proof as it was. */
static rotor_status decode(bool inclusion, const char *text, size_t bytes, rotor_error *error) {
    rotor_status status;
    memset(error, 0, sizeof *error);
    if (inclusion) {
        rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
        status = rotor_json_decode_inclusion(&proof, text, bytes, error);
        assert_true(status == ROTOR_OK || (proof.siblings == NULL && proof.head.size == 0));
        rotor_inclusion_proof_free(&proof);
    } else {
        rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
        status = rotor_json_decode_consistency(&proof, text, bytes, error);
        assert_true(status == ROTOR_OK || (proof.hashes == NULL && proof.new_head.size == 0));
        rotor_consistency_proof_free(&proof);
    }
    return status;
}

static void refuses(bool inclusion, const char *text, rotor_status expected, const char *message) {
    rotor_error error;
    rotor_status status = decode(inclusion, text, strlen(text), &error);
    if (status != expected || error.status != expected || strstr(error.message, message) == NULL) {
        fail_msg("%.300s\n  gave %s \"%s\", not %s \"...%s...\"", text, rotor_status_name(status), error.message,
                 rotor_status_name(expected), message);
    }
}

static void refuses_change(bool inclusion, const char *from, const char *to, rotor_status expected,
                           const char *message) {
    char *text = with(inclusion ? inclusion_of_two : consistency_of_two, from, to);
    refuses(inclusion, text, expected, message);
    free(text);
}

static void refused_values(void **state) {
    (void)state;
    for (int inclusion = 0; inclusion < 2; inclusion++) {
        const char *array = inclusion ? "siblings" : "hashes";
        char from[80];
        snprintf(from, sizeof from, "\"%s\":[", array);
        refuses_change(inclusion, "\"version\":1", "\"version\":2", ROTOR_UNSUPPORTED, "\"version\" is 2");
        refuses_change(inclusion, "\"version\":1", "\"version\":1.0", ROTOR_MALFORMED, "\"version\"");
        refuses_change(inclusion, "\"blake3\"", "\"sha256\"", ROTOR_UNSUPPORTED, "\"sha256\"");
        refuses_change(inclusion, "\"blake3\"", "3", ROTOR_MALFORMED, "\"hash\"");
        refuses_change(inclusion, "\"arity\":4", "\"arity\":1", ROTOR_MALFORMED, "\"arity\" is 1,");
        refuses_change(inclusion, "\"arity\":4", "\"arity\":256", ROTOR_MALFORMED, "\"arity\" is 256,");
        refuses_change(inclusion, "\"arity\":4", "\"arity\":4294967300", ROTOR_MALFORMED, "\"arity\"");
        refuses_change(inclusion, "\"arity\":4", "\"arity\":-4", ROTOR_MALFORMED, "\"arity\" is -4");
        refuses_change(inclusion, "\"arity\":4", "\"arity\":\"4\"", ROTOR_MALFORMED, "\"arity\"");
        refuses_change(inclusion, "\"arity\":4", "\"arity\":true", ROTOR_MALFORMED, "\"arity\"");
        refuses_change(inclusion, "size\":2", "size\":0", ROTOR_MALFORMED, "size\" is 0");
        refuses_change(inclusion, "size\":2", "size\":2e0", ROTOR_MALFORMED, "size\"");
        refuses_change(inclusion, "size\":2", "size\":9223372036854775807", ROTOR_MALFORMED, "");
        refuses_change(inclusion, "size\":2", "size\":9223372036854775808", ROTOR_MALFORMED, "line 1, column");
        refuses_change(inclusion, "size\":2", "size\":18446744073709551618", ROTOR_MALFORMED, "line 1, column");
        refuses_change(inclusion, ROOT_2, "", ROTOR_MALFORMED, "root\" has 0 characters");
        refuses_change(inclusion, ROOT_2, ROOT_2 "0", ROTOR_MALFORMED, "root\" has 65 characters");
        refuses_change(inclusion, "db1a", "dg1a", ROTOR_MALFORMED, "root\": character 2 is not");
        refuses_change(inclusion, "db1a", "db1/", ROTOR_MALFORMED, "root\": character 4 is not");
        refuses_change(inclusion, "\"" ROOT_2 "\"", "null", ROTOR_MALFORMED, "root\" is not a string");
        refuses_change(inclusion, "\"]}", " \"]}", ROTOR_MALFORMED, inclusion ? "entry 0" : "entry 1");
        refuses_change(inclusion, "[\"" LEAF_0 "\"", "[5", ROTOR_MALFORMED, "entry 0 is not a string");
        refuses_change(inclusion, "]}", ",\"" LEAF_0 "\"]}", ROTOR_MALFORMED, array);
        refuses_change(inclusion, from, "\"x\":[", ROTOR_MALFORMED, array);
        refuses_change(inclusion, "[", "[{},", ROTOR_MALFORMED, "nested");
        refuses_change(inclusion, "]}", "],}", ROTOR_MALFORMED, "line 1, column");
        refuses_change(inclusion, "]}", "]} x", ROTOR_MALFORMED, "line 1, column");
        refuses_change(inclusion, "]}", "]", ROTOR_MALFORMED, "line 1, column");
        refuses_change(inclusion, "{", "{\n\"a\\u0000b\":1,", ROTOR_MALFORMED, "line 2, column");
        refuses_change(inclusion, "{", "{\"\x1b[31m\":1,", ROTOR_MALFORMED, "column");
        refuses_change(inclusion, "{", "{\"\\u001b[31m\":1,", ROTOR_MALFORMED, "\"?[31m\" is not known");
    }
    refuses_change(true, "\"index\":1", "\"index\":2", ROTOR_MALFORMED, "\"index\" is 2,");
    refuses_change(true, "\"index\":1", "\"index\":-1", ROTOR_MALFORMED, "\"index\" is -1,");
    refuses_change(true, "\"size\":2", "\"size\":3", ROTOR_MALFORMED,
                   "holds 1 hashes; a proof for these sizes holds 2");
    refuses_change(false, "\"old_size\":1", "\"old_size\":3", ROTOR_MALFORMED, "\"old_size\" is 3,");
    refuses_change(false, "\"old_size\":1", "\"old_size\":0", ROTOR_MALFORMED, "\"old_size\" is 0,");
    refuses(true, consistency_of_two, ROTOR_MALFORMED, "a consistency proof, not an inclusion proof");
    refuses(false, inclusion_of_two, ROTOR_MALFORMED, "an inclusion proof, not a consistency proof");
}

/* Each field in turn is left out, given twice, and joined by one that is not known. */
static void refused_fields(void **state) {
    (void)state;
    for (int inclusion = 0; inclusion < 2; inclusion++) {
        const char *text = inclusion ? inclusion_of_two : consistency_of_two;
        json_t *whole = json_loads(text, 0, NULL);
        assert_non_null(whole);
        assert_int_equal(json_object_size(whole), 9);
        const char *key;
        json_t *value;
        json_object_foreach(whole, key, value) {
            json_t *part = json_copy(whole);
            assert_int_equal(json_object_del(part, key), 0);
            char *without = json_dumps(part, 0);
            char message[60];
            snprintf(message, sizeof message, "\"%s\"", key);
            refuses(inclusion, without, ROTOR_MALFORMED, message);
            free(without);
            json_decref(part);

            char *digits = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
            char twice[400];
            snprintf(twice, sizeof twice, "{\"%s\":%s,", key, digits);
            char *repeated = with(text, "{", twice);
            refuses(inclusion, repeated, ROTOR_MALFORMED, "duplicate");
            free(repeated);
            free(digits);
        }
        json_decref(whole);
        refuses_change(inclusion, "{", "{\"comment\":\"hello\",", ROTOR_MALFORMED, "\"comment\" is not known");
        refuses_change(inclusion, "\"type\"", "\"Type\"", ROTOR_MALFORMED, "\"type\"");
    }
}

static void refused_texts(void **state) {
    (void)state;
    static const char *const texts[] = {"",  " ",     "{",  "}",    "[]",         "null",
                                        "5", "\"x\"", "{}", "[{}]", "{\"type\":", "\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        refuses(true, texts[i], ROTOR_MALFORMED, "");
        refuses(false, texts[i], ROTOR_MALFORMED, "");
    }
}

static void limits_of_length_and_nesting(void **state) {
    (void)state;
    rotor_error error;
    size_t bytes = ROTOR_JSON_MAX_BYTES + 1;
    char *text = malloc(bytes + 1);
    assert_non_null(text);
    memset(text, '[', bytes);
    assert_int_equal(decode(true, text, bytes, &error), ROTOR_MALFORMED);
    assert_non_null(strstr(error.message, "limit 1048576"));
    assert_int_equal(decode(true, text, bytes - 1, &error), ROTOR_MALFORMED);
    assert_non_null(strstr(error.message, "line 1, column 3: nested"));
    /* White space up to the limit is no error, and one byte more is. */
    snprintf(text, bytes + 1, "%*s", (int)bytes - 1, inclusion_of_two);
    assert_int_equal(decode(true, text, bytes - 1, &error), ROTOR_OK);
    snprintf(text, bytes + 1, "%*s", (int)bytes, inclusion_of_two);
    assert_int_equal(decode(true, text, bytes, &error), ROTOR_MALFORMED);
    /* Brackets inside a string do not count. */
    static const char quoted[] = "{\"type\":\"\\\"[[[[[[{{{{{\"}";
    refuses(true, quoted, ROTOR_MALFORMED, "which is not a proof");
    free(text);
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    for (int inclusion = 0; inclusion < 2; inclusion++) {
        const char *text = inclusion ? inclusion_of_two : consistency_of_two;
        for (size_t bytes = 0; bytes < strlen(text); bytes++) {
            /* A block of exactly this size, so that a sanitizer sees a read behind its end. */
            char *part = malloc(bytes > 0 ? bytes : 1);
            assert_non_null(part);
            memcpy(part, text, bytes);
            rotor_error error;
            assert_int_equal(decode(inclusion, part, bytes, &error), ROTOR_MALFORMED);
            assert_int_not_equal(error.message[0], '\0');
            free(part);
        }
    }
}

/* Any change of one bit gives a text that is refused, or a proof that is not valid, or, where only the case of a digit
 * has changed, the same proof. */
static void every_flipped_bit_is_noticed(void **state) {
    (void)state;
    size_t length = strlen(inclusion_of_two);
    rotor_inclusion_proof original = ROTOR_INCLUSION_PROOF_INIT;
    assert_int_equal(rotor_json_decode_inclusion(&original, inclusion_of_two, length, NULL), ROTOR_OK);
    assert_int_equal(rotor_inclusion_verify_self(&original), ROTOR_OK);
    size_t refused = 0;
    size_t invalid = 0;
    for (size_t bit = 0; bit < 8 * length; bit++) {
        char text[sizeof inclusion_of_two];
        memcpy(text, inclusion_of_two, sizeof text);
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
        rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
        if (rotor_json_decode_inclusion(&proof, text, length, NULL) != ROTOR_OK) {
            refused++;
        } else if (rotor_inclusion_verify(&proof, &original.head, &original.leaf) == ROTOR_INVALID_PROOF) {
            invalid++;
        } else {
            assert_same_inclusion(&proof, &original);
            assert_int_equal(bit % 8, 5); /* 'a' and 'A' */
        }
        rotor_inclusion_proof_free(&proof);
    }
    printf("%zu bits: %zu texts refused, %zu proofs not valid\n", 8 * length, refused, invalid);
    assert_true(refused > 0 && invalid > 0);
    rotor_inclusion_proof_free(&original);
}

static size_t allocations_left;

static void *failing_malloc(size_t bytes) {
    if (allocations_left == 0) {
        return NULL;
    }
    allocations_left--;
    return malloc(bytes);
}

/* jansson takes some of its failed allocations for a mistake in the text; what matters is that none is a proof. */
static void failing_parser_allocations(void **state) {
    (void)state;
    json_set_alloc_funcs(failing_malloc, free);
    for (int inclusion = 0; inclusion < 2; inclusion++) {
        const char *text = inclusion ? inclusion_of_two : consistency_of_two;
        rotor_status status = ROTOR_OUT_OF_MEMORY;
        size_t allowed = 0;
        size_t out_of_memory = 0;
        for (; status != ROTOR_OK; allowed++) {
            rotor_error error;
            allocations_left = allowed;
            status = decode(inclusion, text, strlen(text), &error);
            assert_true(status == ROTOR_OK || status == ROTOR_OUT_OF_MEMORY || status == ROTOR_MALFORMED);
            assert_int_equal(error.status, status);
            out_of_memory += status == ROTOR_OUT_OF_MEMORY;
        }
        assert_true(allowed > 10 && out_of_memory > allowed / 2);
    }
    json_set_alloc_funcs(malloc, free);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_text),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(large_numbers_are_exact),
        cmocka_unit_test(kinds),
        cmocka_unit_test(misuse),
        cmocka_unit_test(encoders_refuse_wrong_counts),
        cmocka_unit_test(refused_values),
        cmocka_unit_test(refused_fields),
        cmocka_unit_test(refused_texts),
        cmocka_unit_test(limits_of_length_and_nesting),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(failing_parser_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
