/* Encodings of proofs: what is written is read back, and nothing else is read. */
#include "support.h"

#include "model_tree.h"

#define SEED 15
#define MAX_DEPTH 7

/* The two encodings behind one pair of functions, so that each test runs over both. */
typedef struct coding {
    const char *name;
    rotor_status (*encode_inclusion)(const rotor_inclusion_proof *proof, uint8_t *out, size_t capacity, size_t *bytes);
    rotor_status (*decode_inclusion)(rotor_inclusion_proof *proof, const uint8_t *in, size_t bytes, uint32_t arity);
    rotor_status (*encode_consistency)(const rotor_consistency_proof *proof, uint8_t *out, size_t capacity,
                                       size_t *bytes);
    rotor_status (*decode_consistency)(rotor_consistency_proof *proof, const uint8_t *in, size_t bytes, uint32_t arity);
} coding;

static rotor_status decode_inclusion(rotor_inclusion_proof *proof, const uint8_t *in, size_t bytes, uint32_t arity) {
    (void)arity;
    return rotor_inclusion_decode(proof, in, bytes);
}

static rotor_status decode_consistency(rotor_consistency_proof *proof, const uint8_t *in, size_t bytes,
                                       uint32_t arity) {
    (void)arity;
    return rotor_consistency_decode(proof, in, bytes);
}

static rotor_status encode_inclusion_ref(const rotor_inclusion_proof *proof, uint8_t *out, size_t capacity,
                                         size_t *bytes) {
    return rotor_inclusion_encode_reference(proof, out, capacity, bytes, MAX_DEPTH);
}

static rotor_status decode_inclusion_ref(rotor_inclusion_proof *proof, const uint8_t *in, size_t bytes,
                                         uint32_t arity) {
    return rotor_inclusion_decode_reference(proof, in, bytes, arity, MAX_DEPTH);
}

static rotor_status encode_consistency_ref(const rotor_consistency_proof *proof, uint8_t *out, size_t capacity,
                                           size_t *bytes) {
    return rotor_consistency_encode_reference(proof, out, capacity, bytes, MAX_DEPTH);
}

static rotor_status decode_consistency_ref(rotor_consistency_proof *proof, const uint8_t *in, size_t bytes,
                                           uint32_t arity) {
    return rotor_consistency_decode_reference(proof, in, bytes, arity, MAX_DEPTH);
}

static const coding codings[] = {
    {"compact", rotor_inclusion_encode, decode_inclusion, rotor_consistency_encode, decode_consistency},
    {"reference", encode_inclusion_ref, decode_inclusion_ref, encode_consistency_ref, decode_consistency_ref},
};

#define CODINGS (sizeof codings / sizeof *codings)

static void grow(model_tree *model, uint32_t arity, uint64_t size) {
    model_tree_init(model, arity);
    for (uint64_t i = 0; i < size; i++) {
        rotor_hash leaf = test_random_leaf(SEED, i);
        model_tree_append(model, &leaf);
    }
}

/* The encoding in memory of exactly its length. */
static uint8_t *encoded_inclusion(const coding *c, const rotor_inclusion_proof *proof, size_t *bytes) {
    uint8_t sentinel = 0xa5;
    *bytes = 0;
    expect_status(c->encode_inclusion(proof, NULL, 1, bytes), ROTOR_MISUSE, "%s", c->name);
    expect(*bytes == 0, "%s", c->name);
    expect_status(c->encode_inclusion(proof, NULL, 0, bytes), ROTOR_BUFFER_TOO_SMALL, "%s", c->name);
    size_t needed = *bytes;
    uint8_t *out = test_alloc(needed, 1);
    memset(out, sentinel, needed);
    expect_status(c->encode_inclusion(proof, out, needed - 1, bytes), ROTOR_BUFFER_TOO_SMALL, "%s", c->name);
    expect(*bytes == needed, "%s", c->name);
    for (size_t i = 0; i < needed; i++) {
        expect(out[i] == sentinel, "%s wrote byte %zu into a buffer that is too small", c->name, i);
    }
    expect_ok(c->encode_inclusion(proof, out, needed, bytes), "%s", c->name);
    expect(*bytes == needed, "%s", c->name);
    return out;
}

static uint8_t *encoded_consistency(const coding *c, const rotor_consistency_proof *proof, size_t *bytes) {
    uint8_t sentinel = 0xa5;
    *bytes = 0;
    expect_status(c->encode_consistency(proof, NULL, 1, bytes), ROTOR_MISUSE, "%s", c->name);
    expect(*bytes == 0, "%s", c->name);
    expect_status(c->encode_consistency(proof, NULL, 0, bytes), ROTOR_BUFFER_TOO_SMALL, "%s", c->name);
    size_t needed = *bytes;
    uint8_t *out = test_alloc(needed, 1);
    memset(out, sentinel, needed);
    expect_status(c->encode_consistency(proof, out, needed - 1, bytes), ROTOR_BUFFER_TOO_SMALL, "%s", c->name);
    expect(*bytes == needed, "%s", c->name);
    for (size_t i = 0; i < needed; i++) {
        expect(out[i] == sentinel, "%s wrote byte %zu into a buffer that is too small", c->name, i);
    }
    expect_ok(c->encode_consistency(proof, out, needed, bytes), "%s", c->name);
    expect(*bytes == needed, "%s", c->name);
    return out;
}

static void inclusion_there_and_back(void **state) {
    (void)state;
    rotor_inclusion_proof read = ROTOR_INCLUSION_PROOF_INIT;
    for (size_t k = 0; k < CODINGS; k++) {
        const coding *c = &codings[k];
        for (uint32_t arity = 2; arity <= 5; arity++) {
            model_tree model;
            grow(&model, arity, 40);
            for (uint64_t size = 1; size <= 40; size++) {
                for (uint64_t index = 0; index < size; index++) {
                    rotor_inclusion_proof proof;
                    size_t bytes;
                    model_inclusion(&model, &proof, size, index);
                    uint8_t *encoded = encoded_inclusion(c, &proof, &bytes);
                    expect_ok(c->decode_inclusion(&read, encoded, bytes, arity), "%s", c->name);
                    expect(model_inclusion_equal(&read, &proof), "%s, size %" PRIu64 " index %" PRIu64, c->name, size,
                           index);
                    free(encoded);
                    model_inclusion_free(&proof);
                }
            }
            model_tree_free(&model);
        }
    }
    rotor_inclusion_proof_free(&read);
}

static void consistency_there_and_back(void **state) {
    (void)state;
    rotor_consistency_proof read = ROTOR_CONSISTENCY_PROOF_INIT;
    for (size_t k = 0; k < CODINGS; k++) {
        const coding *c = &codings[k];
        for (uint32_t arity = 2; arity <= 5; arity++) {
            model_tree model;
            grow(&model, arity, 30);
            for (uint64_t new_size = 1; new_size <= 30; new_size++) {
                for (uint64_t old_size = 1; old_size <= new_size; old_size++) {
                    rotor_consistency_proof proof;
                    size_t bytes;
                    model_consistency(&model, &proof, old_size, new_size);
                    uint8_t *encoded = encoded_consistency(c, &proof, &bytes);
                    expect_ok(c->decode_consistency(&read, encoded, bytes, arity), "%s", c->name);
                    expect(model_consistency_equal(&read, &proof), "%s, %" PRIu64 " to %" PRIu64, c->name, old_size,
                           new_size);
                    free(encoded);
                    model_consistency_free(&proof);
                }
            }
            model_tree_free(&model);
        }
    }
    rotor_consistency_proof_free(&read);
}

/* A changed encoding either is none or does not prove what was asked. */
static void every_bit_of_inclusion(void **state) {
    (void)state;
    rotor_inclusion_proof read = ROTOR_INCLUSION_PROOF_INIT;
    for (size_t k = 0; k < CODINGS; k++) {
        const coding *c = &codings[k];
        for (uint32_t arity = 2; arity <= 5; arity++) {
            model_tree model;
            grow(&model, arity, 11);
            for (uint64_t index = 0; index < 11; index++) {
                rotor_inclusion_proof proof;
                size_t bytes;
                model_inclusion(&model, &proof, 11, index);
                uint8_t *encoded = encoded_inclusion(c, &proof, &bytes);
                for (size_t bit = 0; bit < 8 * bytes; bit++) {
                    encoded[bit / 8] ^= (uint8_t)(1u << (bit % 8));
                    rotor_status status = c->decode_inclusion(&read, encoded, bytes, arity);
                    expect(status == ROTOR_OK || status == ROTOR_MALFORMED || status == ROTOR_UNSUPPORTED, "%s bit %zu",
                           c->name, bit);
                    expect(status != ROTOR_OK || read.index != index ||
                               rotor_inclusion_verify(&read, &proof.head, &proof.leaf) != ROTOR_OK,
                           "%s, arity %u index %" PRIu64 ": bit %zu can be flipped", c->name, arity, index, bit);
                    encoded[bit / 8] ^= (uint8_t)(1u << (bit % 8));
                }
                free(encoded);
                model_inclusion_free(&proof);
            }
            model_tree_free(&model);
        }
    }
    rotor_inclusion_proof_free(&read);
}

static void every_bit_of_consistency(void **state) {
    (void)state;
    rotor_consistency_proof read = ROTOR_CONSISTENCY_PROOF_INIT;
    for (size_t k = 0; k < CODINGS; k++) {
        const coding *c = &codings[k];
        for (uint32_t arity = 2; arity <= 5; arity++) {
            model_tree model;
            grow(&model, arity, 11);
            for (uint64_t old_size = 1; old_size <= 11; old_size++) {
                rotor_consistency_proof proof;
                size_t bytes;
                model_consistency(&model, &proof, old_size, 11);
                uint8_t *encoded = encoded_consistency(c, &proof, &bytes);
                for (size_t bit = 0; bit < 8 * bytes; bit++) {
                    encoded[bit / 8] ^= (uint8_t)(1u << (bit % 8));
                    rotor_status status = c->decode_consistency(&read, encoded, bytes, arity);
                    expect(status == ROTOR_OK || status == ROTOR_MALFORMED || status == ROTOR_UNSUPPORTED, "%s bit %zu",
                           c->name, bit);
                    expect(status != ROTOR_OK ||
                               rotor_consistency_verify(&read, &proof.old_head, &proof.new_head) != ROTOR_OK,
                           "%s, arity %u, %" PRIu64 " to 11: bit %zu can be flipped", c->name, arity, old_size, bit);
                    encoded[bit / 8] ^= (uint8_t)(1u << (bit % 8));
                }
                free(encoded);
                model_consistency_free(&proof);
            }
            model_tree_free(&model);
        }
    }
    rotor_consistency_proof_free(&read);
}

/* Any other length is refused, and leaves the proof as it was. Each piece lies in memory of its own length, so that
 * reading past its end shows. */
static void every_other_length(void **state) {
    (void)state;
    model_tree model;
    grow(&model, 4, 21);
    rotor_inclusion_proof proof;
    rotor_consistency_proof growth;
    model_inclusion(&model, &proof, 21, 9);
    model_consistency(&model, &growth, 7, 21);
    for (size_t k = 0; k < CODINGS; k++) {
        const coding *c = &codings[k];
        for (unsigned kind = 0; kind < 2; kind++) {
            rotor_inclusion_proof read = ROTOR_INCLUSION_PROOF_INIT;
            rotor_consistency_proof growth_read = ROTOR_CONSISTENCY_PROOF_INIT;
            size_t bytes;
            uint8_t *encoded =
                kind == 0 ? encoded_inclusion(c, &proof, &bytes) : encoded_consistency(c, &growth, &bytes);
            for (size_t length = 0; length <= bytes + 70; length++) {
                if (length == bytes) {
                    continue;
                }
                uint8_t *piece = test_alloc(length, 1);
                memcpy(piece, encoded, length < bytes ? length : bytes);
                expect_status(kind == 0 ? c->decode_inclusion(&read, piece, length, 4)
                                        : c->decode_consistency(&growth_read, piece, length, 4),
                              ROTOR_MALFORMED, "%s: %zu of %zu bytes", c->name, length, bytes);
                free(piece);
            }
            expect(read.siblings == NULL && read.head.size == 0 && growth_read.hashes == NULL &&
                       growth_read.new_head.size == 0,
                   "%s: a failed call wrote", c->name);
            /* One kind of proof is not the other. */
            if (k == 0) {
                expect_status(kind == 0 ? c->decode_consistency(&growth_read, encoded, bytes, 4)
                                        : c->decode_inclusion(&read, encoded, bytes, 4),
                              ROTOR_MALFORMED, "the other kind");
            }
            free(encoded);
        }
    }
    model_inclusion_free(&proof);
    model_consistency_free(&growth);
    model_tree_free(&model);
}

static void random_bytes(void **state) {
    (void)state;
    test_random random = {test_seed(SEED)};
    rotor_inclusion_proof read = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof growth_read = ROTOR_CONSISTENCY_PROOF_INIT;
    uint8_t noise[1024];
    for (unsigned round = 0; round < 20000; round++) {
        size_t bytes = (size_t)test_below(&random, sizeof noise);
        for (size_t i = 0; i < sizeof noise; i += 8) {
            test_store_u64(noise + i, test_next(&random));
        }
        /* A good start gets further. */
        const uint8_t start[24] = {(uint8_t)(1 + round % 2), 1, 1, (uint8_t)(2 + round % 3)};
        memcpy(noise, start, 8);
        noise[8] %= 32;
        noise[16] = (uint8_t)(noise[16] % 32 + 1);
        memset(noise + 9, 0, 7);
        memset(noise + 17, 0, 7);
        bytes = round % 5 != 0 ? 88 + bytes / 32 * 32 : bytes;
        if (rotor_inclusion_decode(&read, noise, bytes < sizeof noise ? bytes : sizeof noise) == ROTOR_OK) {
            expect(rotor_inclusion_verify_self(&read) == ROTOR_INVALID_PROOF, "noise is a proof, round %u", round);
        }
        if (rotor_consistency_decode(&growth_read, noise, bytes < sizeof noise ? bytes : sizeof noise) == ROTOR_OK) {
            expect(rotor_consistency_verify_self(&growth_read) == ROTOR_INVALID_PROOF, "noise is a proof, round %u",
                   round);
        }
    }
    rotor_inclusion_proof_free(&read);
    rotor_consistency_proof_free(&growth_read);
}

/* docs/proofs.md, byte by byte. */
static void compact_bytes(void **state) {
    (void)state;
    model_tree model;
    grow(&model, 4, 6);
    rotor_inclusion_proof proof;
    rotor_consistency_proof growth;
    uint8_t out[512];
    size_t bytes;
    model_inclusion(&model, &proof, 6, 4);
    expect_ok(rotor_inclusion_encode(&proof, out, sizeof out, &bytes), "encode");
    const uint8_t start[24] = {1, 1, 1, 4, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
    expect(bytes == 88 + 2 * 32, "%zu bytes", bytes);
    assert_memory_equal(out, start, 24);
    assert_memory_equal(out + 24, proof.head.root.bytes, 32);
    assert_memory_equal(out + 56, proof.leaf.bytes, 32);
    assert_memory_equal(out + 88, test_random_leaf(SEED, 5).bytes, 32);
    const rotor_hash first_four = model_tree_node(&model, 1, 0, 6);
    assert_memory_equal(out + 120, first_four.bytes, 32);

    model_consistency(&model, &growth, 5, 6);
    expect_ok(rotor_consistency_encode(&growth, out, sizeof out, &bytes), "encode");
    const uint8_t growth_start[24] = {2, 1, 1, 4, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
    expect(bytes == 88 + 3 * 32, "%zu bytes", bytes);
    assert_memory_equal(out, growth_start, 24);
    assert_memory_equal(out + 24, growth.old_head.root.bytes, 32);
    assert_memory_equal(out + 56, growth.new_head.root.bytes, 32);
    assert_memory_equal(out + 88, test_random_leaf(SEED, 4).bytes, 32);
    assert_memory_equal(out + 120, test_random_leaf(SEED, 5).bytes, 32);
    assert_memory_equal(out + 152, first_four.bytes, 32);
    model_inclusion_free(&proof);
    model_consistency_free(&growth);
    model_tree_free(&model);
}

static void later_versions_and_profiles(void **state) {
    (void)state;
    model_tree model;
    grow(&model, 4, 6);
    rotor_inclusion_proof proof;
    rotor_inclusion_proof read = ROTOR_INCLUSION_PROOF_INIT;
    size_t bytes;
    model_inclusion(&model, &proof, 6, 4);
    uint8_t *encoded = encoded_inclusion(&codings[0], &proof, &bytes);
    encoded[1] = 2;
    expect_status(rotor_inclusion_decode(&read, encoded, bytes), ROTOR_UNSUPPORTED, "version 2");
    encoded[1] = 1;
    encoded[2] = 99;
    expect_status(rotor_inclusion_decode(&read, encoded, bytes), ROTOR_UNSUPPORTED, "hash profile 99");
    encoded[2] = 1;
    encoded[7] = 1;
    expect_status(rotor_inclusion_decode(&read, encoded, bytes), ROTOR_MALFORMED, "reserved byte");
    encoded[7] = 0;
    expect_ok(rotor_inclusion_decode(&read, encoded, bytes), "put back");
    rotor_inclusion_proof_free(&read);
    free(encoded);
    model_inclusion_free(&proof);
    model_tree_free(&model);
}

static void encoders_refuse_what_has_no_encoding(void **state) {
    (void)state;
    model_tree model;
    grow(&model, 4, 21);
    rotor_inclusion_proof proof;
    rotor_consistency_proof growth;
    uint8_t out[4096];
    size_t bytes = 77;
    model_inclusion(&model, &proof, 21, 9);
    model_consistency(&model, &growth, 7, 21);
    const rotor_inclusion_proof honest = proof;
    const rotor_consistency_proof honest_growth = growth;
    for (size_t k = 0; k < CODINGS; k++) {
        const coding *c = &codings[k];
        expect_status(c->encode_inclusion(NULL, out, sizeof out, &bytes), ROTOR_MISUSE, "%s", c->name);
        expect_status(c->encode_inclusion(&proof, out, sizeof out, NULL), ROTOR_MISUSE, "%s", c->name);
        expect_status(c->encode_consistency(NULL, out, sizeof out, &bytes), ROTOR_MISUSE, "%s", c->name);
        expect_status(c->encode_consistency(&growth, out, sizeof out, NULL), ROTOR_MISUSE, "%s", c->name);
        expect_status(c->decode_inclusion(NULL, out, sizeof out, 4), ROTOR_MISUSE, "%s", c->name);
        expect_status(c->decode_inclusion(&proof, NULL, 5, 4), ROTOR_MISUSE, "%s", c->name);
        expect_status(c->decode_inclusion(&proof, NULL, 0, 4), ROTOR_MALFORMED, "%s", c->name);
        expect_status(c->decode_consistency(NULL, out, sizeof out, 4), ROTOR_MISUSE, "%s", c->name);
        expect_status(c->decode_consistency(&growth, NULL, 5, 4), ROTOR_MISUSE, "%s", c->name);
        expect_status(c->decode_consistency(&growth, NULL, 0, 4), ROTOR_MALFORMED, "%s", c->name);
        proof.sibling_count--;
        expect_status(c->encode_inclusion(&proof, out, sizeof out, &bytes), ROTOR_INVALID_PROOF, "%s", c->name);
        proof = honest;
        proof.index = 21;
        expect_status(c->encode_inclusion(&proof, out, sizeof out, &bytes), ROTOR_INVALID_PROOF, "%s", c->name);
        proof = honest;
        proof.head.arity = 256;
        expect_status(c->encode_inclusion(&proof, out, sizeof out, &bytes), ROTOR_INVALID_PROOF, "%s", c->name);
        proof = honest;
        proof.head.hash_profile = 99;
        expect_status(c->encode_inclusion(&proof, out, sizeof out, &bytes), ROTOR_UNSUPPORTED, "%s", c->name);
        proof.head.hash_profile = 257;
        expect_status(c->encode_inclusion(&proof, out, sizeof out, &bytes), ROTOR_UNSUPPORTED, "%s", c->name);
        proof = honest;
        growth.hash_count++;
        expect_status(c->encode_consistency(&growth, out, sizeof out, &bytes), ROTOR_INVALID_PROOF, "%s", c->name);
        growth = honest_growth;
        growth.old_head.arity = 5;
        expect_status(c->encode_consistency(&growth, out, sizeof out, &bytes), ROTOR_INVALID_PROOF, "%s", c->name);
        growth = honest_growth;
        growth.old_head.size = 0;
        expect_status(c->encode_consistency(&growth, out, sizeof out, &bytes), ROTOR_INVALID_PROOF, "%s", c->name);
        growth = honest_growth;
    }
    expect(bytes == 77, "a refusal wrote the length");
    model_inclusion_free(&proof);
    model_consistency_free(&growth);
    model_tree_free(&model);
}

static void the_caller_tells_the_shape_of_the_reference(void **state) {
    (void)state;
    model_tree model;
    grow(&model, 4, 21);
    rotor_inclusion_proof proof;
    rotor_consistency_proof growth;
    uint8_t out[4096];
    size_t bytes = 0;
    model_inclusion(&model, &proof, 21, 9);
    model_consistency(&model, &growth, 7, 21);
    rotor_inclusion_proof read = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof growth_read = ROTOR_CONSISTENCY_PROOF_INIT;
    expect_status(rotor_inclusion_encode_reference(&proof, out, sizeof out, &bytes, 2), ROTOR_MAX_DEPTH_EXCEEDED, "2");
    expect_status(rotor_inclusion_encode_reference(&proof, out, sizeof out, &bytes, 0), ROTOR_MISUSE, "depth 0");
    expect_status(rotor_inclusion_encode_reference(&proof, out, sizeof out, &bytes, 65), ROTOR_MISUSE, "depth 65");
    expect_status(rotor_consistency_encode_reference(&growth, out, sizeof out, &bytes, 2), ROTOR_MAX_DEPTH_EXCEEDED,
                  "2");
    expect_status(rotor_consistency_encode_reference(&growth, out, sizeof out, &bytes, 65), ROTOR_MISUSE, "depth 65");
    expect_ok(rotor_inclusion_encode_reference(&proof, out, sizeof out, &bytes, 3), "depth 3");
    expect(bytes == 88 + 3 * 130, "%zu bytes", bytes);
    expect_ok(rotor_inclusion_decode_reference(&read, out, bytes, 4, 3), "depth 3");
    expect_status(rotor_inclusion_decode_reference(&read, out, bytes, 1, 3), ROTOR_MISUSE, "arity 1");
    expect_status(rotor_inclusion_decode_reference(&read, out, bytes, 256, 3), ROTOR_MISUSE, "arity 256");
    expect_status(rotor_inclusion_decode_reference(&read, out, bytes, 4, 0), ROTOR_MISUSE, "depth 0");
    expect_status(rotor_inclusion_decode_reference(&read, out, bytes, 4, 4), ROTOR_MALFORMED, "depth 4");
    expect_status(rotor_inclusion_decode_reference(&read, out, bytes, 3, 4), ROTOR_MALFORMED, "arity 3");
    expect_status(rotor_consistency_decode_reference(&growth_read, out, bytes, 1, 3), ROTOR_MISUSE, "arity 1");
    expect_status(rotor_consistency_decode_reference(&growth_read, out, bytes, 4, 65), ROTOR_MISUSE, "depth 65");
    /* 65 leaves need one level more than the bytes, which end with their memory, have. */
    uint8_t *short_by_one = test_alloc(bytes, 1);
    test_store_u64(short_by_one + 64, 64);
    test_store_u64(short_by_one + 72, 65);
    test_store_u64(short_by_one + 80, 4);
    expect_status(rotor_inclusion_decode_reference(&read, short_by_one, bytes, 4, 3), ROTOR_MALFORMED, "size 65");
    free(short_by_one);
    rotor_inclusion_proof_free(&read);
    rotor_consistency_proof_free(&growth_read);
    model_inclusion_free(&proof);
    model_consistency_free(&growth);
    model_tree_free(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusion_there_and_back),
        cmocka_unit_test(consistency_there_and_back),
        cmocka_unit_test(every_bit_of_inclusion),
        cmocka_unit_test(every_bit_of_consistency),
        cmocka_unit_test(every_other_length),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(compact_bytes),
        cmocka_unit_test(later_versions_and_profiles),
        cmocka_unit_test(encoders_refuse_what_has_no_encoding),
        cmocka_unit_test(the_caller_tells_the_shape_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
