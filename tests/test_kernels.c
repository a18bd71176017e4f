/* Every kernel against the portable BLAKE3, over every subset of the processor features that choose between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "kernel_compare.h"

static const uint32_t avx512_bits = ROTOR_CPU_AVX512F | ROTOR_CPU_AVX512VL | ROTOR_CPU_AVX512BW;

/* What each kernel may not do without; written down here a second time on purpose. */
static uint32_t needs_of(const char *kernel) {
    static const struct {
        const char *kernel;
        uint32_t needs;
    } table[] = {
        {"portable", 0},
        {"sse41", ROTOR_CPU_SSE41},
        {"avx2-c", ROTOR_CPU_AVX2},
        {"avx2", ROTOR_CPU_AVX2},
        {"avx512-c", ROTOR_CPU_AVX512F | ROTOR_CPU_AVX512VL | ROTOR_CPU_AVX512BW},
        {"avx512", ROTOR_CPU_AVX512F | ROTOR_CPU_AVX512VL | ROTOR_CPU_AVX512BW},
        {"neon", ROTOR_CPU_NEON},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].kernel, kernel) == 0) {
            return table[i].needs;
        }
    }
    fail_msg("a kernel that the test does not know: %s", kernel);
    return 0;
}

static bool build_has(const char *kernel) {
    const rotor_hasher *hasher;
    return rotor_hasher_find_for(&hasher, ROTOR_HASH_BLAKE3, kernel, UINT32_MAX) == ROTOR_OK;
}

/* A kernel that several tests come to is compared by the first. */
static void compare_once(const rotor_hasher *hasher) {
    static const rotor_hasher *compared[16];
    static size_t count;
    for (size_t i = 0; i < count; i++) {
        if (compared[i] == hasher) {
            return;
        }
    }
    size_t cases = 0;
    assert_true(compare_kernel(hasher, &cases));
    assert_true(cases > 10000);
    print_message("kernel %s: %zu cases, all equal\n", hasher->kernel, cases);
    assert_true(count < sizeof compared / sizeof compared[0]);
    compared[count++] = hasher;
}

/* Walks all subsets of all features, and compares the default kernel of each that this processor has. */
static void every_subset_of_features(void **state) {
    (void)state;
    const uint32_t present = rotor_cpu_features();
    for (uint32_t features = 0; features < 64; features++) {
        const rotor_hasher *hasher = NULL;
        assert_int_equal(rotor_hasher_find_for(&hasher, ROTOR_HASH_BLAKE3, NULL, features), ROTOR_OK);
        assert_int_equal(needs_of(hasher->kernel) & ~features, 0);
        if ((features & ~present) == 0) {
            compare_once(hasher);
        }
    }
}

/* Those that are never the default too. */
static void every_kernel_of_this_processor(void **state) {
    (void)state;
    size_t count = 0;
    for (; rotor_hasher_nth(ROTOR_HASH_BLAKE3, count) != NULL; count++) {
        const rotor_hasher *hasher = rotor_hasher_nth(ROTOR_HASH_BLAKE3, count);
        assert_int_equal(needs_of(hasher->kernel) & ~rotor_cpu_features(), 0);
        compare_once(hasher);
    }
    assert_true(count >= 1);
    assert_string_equal(rotor_hasher_nth(ROTOR_HASH_BLAKE3, 0)->kernel, "portable");
    assert_null(rotor_hasher_nth(ROTOR_HASH_BLAKE3, count + 1));
    assert_null(rotor_hasher_nth(ROTOR_HASH_BLAKE3, SIZE_MAX));
    assert_null(rotor_hasher_nth(ROTOR_HASH_BLAKE3 + 1, 0));
}

/* A named kernel is found with exactly its features, and with no subset that lacks one. */
static void named_kernels_need_their_features(void **state) {
    (void)state;
    static const char *const names[] = {"portable", "sse41", "avx2-c", "avx2", "avx512-c", "avx512", "neon"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!build_has(names[i])) {
            continue;
        }
        uint32_t needs = needs_of(names[i]);
        for (uint32_t features = 0; features < 64; features++) {
            const rotor_hasher *hasher = NULL;
            rotor_status status = rotor_hasher_find_for(&hasher, ROTOR_HASH_BLAKE3, names[i], features);
            if ((needs & ~features) == 0) {
                assert_int_equal(status, ROTOR_OK);
                assert_string_equal(hasher->kernel, names[i]);
                assert_string_equal(hasher->name, "blake3");
                assert_int_equal(hasher->profile, ROTOR_HASH_BLAKE3);
            } else {
                assert_int_equal(status, ROTOR_UNSUPPORTED);
                assert_null(hasher);
            }
        }
    }
}

static const char *default_for(uint32_t features) {
    const rotor_hasher *hasher = NULL;
    assert_int_equal(rotor_hasher_find_for(&hasher, ROTOR_HASH_BLAKE3, NULL, features), ROTOR_OK);
    return hasher->kernel;
}

/* The assembly before the intrinsics, the wider before the narrower. */
static void defaults_are_the_fastest(void **state) {
    (void)state;
    assert_string_equal(default_for(0), "portable");
#if defined(__x86_64__)
    const uint32_t avx2_bits = ROTOR_CPU_SSE41 | ROTOR_CPU_AVX2;
    assert_string_equal(default_for(ROTOR_CPU_SSE41), "sse41");
    assert_string_equal(default_for(avx2_bits), build_has("avx2") ? "avx2" : "avx2-c");
    assert_string_equal(default_for(avx2_bits | avx512_bits), build_has("avx512") ? "avx512" : "avx512-c");
    assert_string_equal(default_for(avx2_bits | (avx512_bits & ~(uint32_t)ROTOR_CPU_AVX512BW)), default_for(avx2_bits));
#elif defined(__aarch64__)
    assert_string_equal(default_for(ROTOR_CPU_NEON), "neon");
#endif
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    const rotor_hasher *hasher = NULL;
    assert_int_equal(rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, "no such kernel"), ROTOR_UNSUPPORTED);
    assert_int_equal(rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, ""), ROTOR_UNSUPPORTED);
    assert_int_equal(rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, "AVX2"), ROTOR_UNSUPPORTED);
    assert_int_equal(rotor_hasher_find(&hasher, 0, NULL), ROTOR_UNSUPPORTED);
    assert_int_equal(rotor_hasher_find(&hasher, 99, "portable"), ROTOR_UNSUPPORTED);
    assert_null(hasher);
    assert_int_equal(rotor_hasher_find(NULL, ROTOR_HASH_BLAKE3, NULL), ROTOR_MISUSE);
    assert_int_equal(rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, "portable"), ROTOR_OK);
    assert_string_equal(hasher->kernel, "portable");
}

/* Shows that a step spares the leading children: their change goes unseen until it is prepared anew. */
static void steps_keep_leading_children(void **state) {
    (void)state;
    uint8_t children[32 * 31];
    compare_fill(children, sizeof children, 5);
    for (size_t i = 0; rotor_hasher_nth(ROTOR_HASH_BLAKE3, i) != NULL; i++) {
        const rotor_hasher *hasher = rotor_hasher_nth(ROTOR_HASH_BLAKE3, i);
        for (unsigned width = 2; width <= 31; width++) {
            rotor_path_step step = {.width = width, .leading = children};
            rotor_path_step *const steps[] = {&step};
            rotor_hash path[2];
            uint8_t before[32];
            memcpy(&path[0], children + 32 * (size_t)(width - 1), sizeof path[0]);
            hasher->prepare_steps(steps, 1);
            hasher->hash_path(path, &step, 1);
            memcpy(before, &path[1], sizeof before);
            children[1] ^= 0x40;
            hasher->hash_path(path, &step, 1);
            assert_memory_equal(before, &path[1], sizeof before);
            hasher->prepare_steps(steps, 1);
            hasher->hash_path(path, &step, 1);
            assert_memory_not_equal(before, &path[1], sizeof before);
            hasher->hash_node(before, children, width);
            assert_memory_equal(before, &path[1], sizeof before);
        }
    }
}

/* A kernel that this processor cannot run has not been compared with anything: that should not go unsaid. */
static void kernels_that_did_not_run(void **state) {
    (void)state;
    static const char *const names[] = {"sse41", "avx2-c", "avx2", "avx512-c", "avx512", "neon"};
    size_t missing = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const rotor_hasher *hasher;
        if (rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, names[i]) != ROTOR_OK) {
            print_message("kernel %s: not of this build or processor, not compared here\n", names[i]);
            missing++;
        }
    }
    size_t present = 0;
    while (rotor_hasher_nth(ROTOR_HASH_BLAKE3, present) != NULL) {
        present++;
    }
    /* With the portable one these are all kernels there are. */
    assert_int_equal(present + missing, 1 + sizeof names / sizeof names[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_subset_of_features),          cmocka_unit_test(every_kernel_of_this_processor),
        cmocka_unit_test(named_kernels_need_their_features), cmocka_unit_test(defaults_are_the_fastest),
        cmocka_unit_test(wrong_arguments_are_refused),       cmocka_unit_test(steps_keep_leading_children),
        cmocka_unit_test(kernels_that_did_not_run),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
