/* CRC-32C: published values, and the fast and the portable one against each other and against the definition. */
#include "support.h"

#include "base/cpu.h"
#include "base/crc32c.h"

/* One bit at a time, as the polynomial defines it. */
static uint32_t crc_by_definition(uint32_t crc, const uint8_t *bytes, size_t count) {
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

static uint8_t *random_bytes(size_t count) {
    test_random random = {test_seed(0xc3c3)};
    uint8_t *bytes = test_alloc(count + 8, 1);
    for (size_t i = 0; i < count; i += 8) {
        test_store_u64(bytes + i, test_next(&random));
    }
    return bytes;
}

static void expect_crc(const void *bytes, size_t count, uint32_t wanted) {
    expect(rotor_crc32c(0, bytes, count) == wanted, "%zu bytes", count);
    expect(rotor_crc32c_portable(0, bytes, count) == wanted, "%zu bytes", count);
    expect(crc_by_definition(0, bytes, count) == wanted, "%zu bytes", count);
}

/* The check value of the catalogues of checksums, and RFC 3720, appendix B.4. */
static void published(void **state) {
    (void)state;
    expect_crc("123456789", 9, 0xe3069283u);
    uint8_t bytes[48] = {0};
    expect_crc(bytes, 32, 0x8a9136aau);
    memset(bytes, 0xff, 32);
    expect_crc(bytes, 32, 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)i;
    }
    expect_crc(bytes, 32, 0x46dd794eu);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)(31 - i);
    }
    expect_crc(bytes, 32, 0x113fdb5cu);
    static const uint8_t scsi_read[48] = {
        0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, 0x28, [40] = 0x02};
    expect_crc(scsi_read, 48, 0xd9963a56u);
    expect_crc("", 0, 0);
    expect(rotor_crc32c(0x12345678u, "", 0) == 0x12345678u, "nothing appended");
    expect(rotor_crc32c_portable(0x12345678u, "", 0) == 0x12345678u, "nothing appended");
}

/* Each bit of the value begun with and of the bytes has its own row in some table. */
static void every_length(void **state) {
    (void)state;
    const size_t most = 2000;
    uint8_t *bytes = random_bytes(most);
    test_random random = {test_seed(0x77)};
    for (size_t count = 0; count <= most; count++) {
        uint32_t begun = (uint32_t)test_next(&random);
        uint32_t wanted = crc_by_definition(begun, bytes, count);
        expect(rotor_crc32c_portable(begun, bytes, count) == wanted, "%zu bytes", count);
        expect(rotor_crc32c(begun, bytes, count) == wanted, "%zu bytes", count);
    }
    free(bytes);
}

/* Every copy is an allocation of its own that ends with the last byte, so that a read behind it is noticed by those who
 * watch. */
static void every_alignment(void **state) {
    (void)state;
    static const size_t counts[] = {1,   7,   8,   9,    63,   64,   96,   383,  384,
                                    385, 767, 769, 3071, 3072, 3073, 3455, 3456, 9300};
    uint8_t *bytes = random_bytes(10000);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (size_t shift = 0; shift < 16; shift++) {
            size_t count = counts[c];
            uint8_t *copy = test_alloc(shift + count, 1);
            memcpy(copy + shift, bytes, count);
            uint32_t wanted = crc_by_definition(0, bytes, count);
            expect(rotor_crc32c(0, copy + shift, count) == wanted, "%zu bytes, shifted %zu", count, shift);
            expect(rotor_crc32c_portable(0, copy + shift, count) == wanted, "%zu bytes, shifted %zu", count, shift);
            free(copy);
        }
    }
    free(bytes);
}

static void split_anywhere(void **state) {
    (void)state;
    const size_t count = 3600;
    uint8_t *bytes = random_bytes(count);
    uint32_t wanted = crc_by_definition(0, bytes, count);
    for (size_t split = 0; split <= count; split++) {
        uint32_t fast = rotor_crc32c(rotor_crc32c(0, bytes, split), bytes + split, count - split);
        expect(fast == wanted, "split at %zu", split);
        uint32_t portable = rotor_crc32c_portable(rotor_crc32c_portable(0, bytes, split), bytes + split, count - split);
        expect(portable == wanted, "split at %zu", split);
    }
    free(bytes);
}

static void large(void **state) {
    (void)state;
    const size_t most = (size_t)(4096 + test_scaled(4 << 20));
    uint8_t *bytes = random_bytes(most);
    for (size_t count = 4096; count <= most; count = count * 3 + 5) {
        expect(rotor_crc32c(1, bytes + 1, count - 1) == rotor_crc32c_portable(1, bytes + 1, count - 1), "%zu bytes",
               count);
    }
    uint32_t before = rotor_crc32c(0, bytes, most);
    expect(before == rotor_crc32c_portable(0, bytes, most), "%zu bytes", most);
    bytes[most / 2] ^= 4;
    expect(rotor_crc32c(0, bytes, most) != before, "a flipped bit");
    free(bytes);
}

/* Without this, comparing the two would compare one with itself on the machines where it matters. */
static void instruction_is_found(void **state) {
    (void)state;
#if defined(__x86_64__)
    expect(((rotor_cpu_features() & ROTOR_CPU_SSE42) != 0) == (__builtin_cpu_supports("sse4.2") != 0),
           "the compiler's own look at the processor differs");
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published),      cmocka_unit_test(every_length), cmocka_unit_test(every_alignment),
        cmocka_unit_test(split_anywhere), cmocka_unit_test(large),        cmocka_unit_test(instruction_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
