/* The general BLAKE3 against the published vectors and an independent program, its streaming form, and the processor
 * inquiry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "hash/blake3.h"
#include "kernel_compare.h"
#include "scratch.h"

#include <jansson.h>
#include <sched.h>

static void to_hex(char hex[65], const uint8_t hash[32]) {
    for (unsigned i = 0; i < 32; i++) {
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
}

static void published_vectors(void **state) {
    (void)state;
    json_error_t error;
    json_t *root = json_load_file(ROTOR_TEST_DATA "/blake3_vectors.json", 0, &error);
    if (root == NULL) {
        fail_msg("%s: line %d: %s", ROTOR_TEST_DATA "/blake3_vectors.json", error.line, error.text);
    }
    const json_t *cases = json_object_get(root, "cases");
    assert_true(json_array_size(cases) >= 35);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *entry = json_array_get(cases, i);
        size_t bytes = (size_t)json_integer_value(json_object_get(entry, "input_len"));
        const char *expected = json_string_value(json_object_get(entry, "hash"));
        assert_non_null(expected);
        uint8_t *input = malloc(bytes + 1);
        assert_non_null(input);
        for (size_t k = 0; k < bytes; k++) {
            input[k] = (uint8_t)(k % 251);
        }
        uint8_t hash[32];
        char hex[65];
        rotor_blake3_hash(hash, input, bytes);
        to_hex(hex, hash);
        free(input);
        assert_string_equal(hex, expected);
    }
    json_decref(root);
}

/* Whatever the pieces, the hash is that of the whole; asking in between disturbs nothing. */
static void pieces_equal_the_whole(void **state) {
    (void)state;
    static const size_t lengths[] = {0,    1,    63,   64,   65,   127,  128,  1023, 1024,  1025,
                                     2047, 2048, 2049, 3072, 4096, 4097, 8191, 8192, 16385, 40000};
    static uint8_t input[40000];
    compare_fill(input, sizeof input, 11);
    uint64_t random = 12345;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t whole[32];
        rotor_blake3_hash(whole, input, lengths[i]);
        static const size_t steps[] = {1, 3, 63, 64, 65, 1000, 1024, 1025, 0};
        for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
            rotor_blake3 hash;
            uint8_t pieces[32];
            rotor_blake3_init(&hash, NULL);
            for (size_t done = 0; done < lengths[i];) {
                size_t step = steps[s] != 0 ? steps[s] : (size_t)(compare_random(&random) >> 32) % 3000;
                step = step < lengths[i] - done ? step : lengths[i] - done;
                rotor_blake3_update(&hash, input + done, step);
                done += step;
                if (done % 1024 < 32) {
                    uint8_t prefix[32];
                    uint8_t expected[32];
                    rotor_blake3_final(&hash, prefix);
                    rotor_blake3_hash(expected, input, done);
                    assert_memory_equal(prefix, expected, 32);
                }
            }
            rotor_blake3_final(&hash, pieces);
            assert_memory_equal(pieces, whole, 32);
        }
    }
}

#define B3SUM_FILES 60

/* Files of random lengths, all hashed by one run of the program. */
static void agrees_with_b3sum(void **state) {
    (void)state;
    if (system("command -v b3sum >/dev/null 2>&1") != 0) {
        print_message("skipped: the program b3sum is not installed\n");
        skip();
    }
    char directory[64];
    scratch_make(directory, sizeof directory, "/tmp");
    static uint8_t input[300000];
    char expected[B3SUM_FILES][65];
    char path[sizeof directory + 16];
    uint64_t random = 77;
    compare_fill(input, sizeof input, 13);
    for (unsigned i = 0; i < B3SUM_FILES; i++) {
        size_t bytes = (size_t)(compare_random(&random) >> 32) % (i < 30 ? 5000 : sizeof input);
        uint8_t hash[32];
        rotor_blake3_hash(hash, input, bytes);
        to_hex(expected[i], hash);
        snprintf(path, sizeof path, "%s/%03u", directory, i);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(input, 1, bytes, file), bytes);
        assert_int_equal(fclose(file), 0);
    }
    char command[128];
    snprintf(command, sizeof command, "b3sum --no-names %s/*", directory);
    FILE *sums = popen(command, "r");
    assert_non_null(sums);
    unsigned equal = 0;
    char line[128];
    for (unsigned i = 0; i < B3SUM_FILES && fgets(line, sizeof line, sums) != NULL; i++) {
        line[strcspn(line, "\n")] = '\0';
        equal += strcmp(line, expected[i]) == 0;
    }
    int status = pclose(sums);
    for (unsigned i = 0; i < B3SUM_FILES; i++) {
        snprintf(path, sizeof path, "%s/%03u", directory, i);
        (void)unlink(path);
    }
    (void)rmdir(directory);
    assert_int_equal(status, 0);
    assert_int_equal(equal, B3SUM_FILES);
}

/* A node hashed by the table is the general hash of its message, written out here by hand. */
static void node_is_the_hash_of_its_message(void **state) {
    (void)state;
    const rotor_hasher *hasher = NULL;
    assert_int_equal(rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, NULL), ROTOR_OK);
    uint8_t children[64] = {0};
    children[32] = 1;
    uint8_t node[32];
    char hex[65];
    hasher->hash_node(node, children, 2);
    to_hex(hex, node);
    /* The root of the two leaves 0 and 1 as the reference computes it. */
    assert_string_equal(hex, "db1ab5611f97d5804195932a68e1ddff746fd979b4463ec2a0c5eb8ac04fbb5c");
}

static void processor_is_described(void **state) {
    (void)state;
    assert_int_equal(rotor_cpu_features(), rotor_cpu_features());
    cpu_set_t before;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(rotor_cpu_count(), CPU_COUNT(&before));
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    uint32_t count = rotor_cpu_count();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),      cmocka_unit_test(pieces_equal_the_whole),
        cmocka_unit_test(agrees_with_b3sum),      cmocka_unit_test(node_is_the_hash_of_its_message),
        cmocka_unit_test(processor_is_described),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
