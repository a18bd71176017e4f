/* CRC-32C by the processor's instruction, three chains at a time, or by tables. Must not know what it covers.
 *
 * The checksum of some bytes is linear in them and in the value that it starts from, over the field of two elements. So
 * every table here is spanned by the rows for single bits, which alone are written out: appending n zero bytes to bit b
 * of a checksum gives x^(31 - b + 8n) modulo the polynomial, reflected. */
#include "base/crc32c.h"

#include "base/cpu.h"

#include <string.h>

/* The exclusive ors of all subsets of the arguments, in the order of the numbers whose bits choose them. */
#define SPAN_1(x, a) (x), (x) ^ (a)
#define SPAN_2(x, a, b) SPAN_1(x, a), SPAN_1((x) ^ (b), a)
#define SPAN_3(x, a, b, c) SPAN_2(x, a, b), SPAN_2((x) ^ (c), a, b)
#define SPAN_4(x, a, b, c, d) SPAN_3(x, a, b, c), SPAN_3((x) ^ (d), a, b, c)
#define SPAN_5(x, a, b, c, d, e) SPAN_4(x, a, b, c, d), SPAN_4((x) ^ (e), a, b, c, d)
#define SPAN_6(x, a, b, c, d, e, f) SPAN_5(x, a, b, c, d, e), SPAN_5((x) ^ (f), a, b, c, d, e)
#define SPAN_7(x, a, b, c, d, e, f, g) SPAN_6(x, a, b, c, d, e, f), SPAN_6((x) ^ (g), a, b, c, d, e, f)
#define NIBBLE_TABLE(a, b, c, d)                                                                                       \
    { SPAN_4(0u, a, b, c, d) }
#define BYTE_TABLE(a, b, c, d, e, f, g, h)                                                                             \
    { SPAN_7(0u, a, b, c, d, e, f, g), SPAN_7(h, a, b, c, d, e, f, g) }

/* ---------------------------------------------------------------- by tables */

/* after[k][byte]: a byte and k zero bytes behind it. */
static const uint32_t after[8][256] = {
    BYTE_TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u),
    BYTE_TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, 0xff17c604u, 0xfbc3faf9u),
    BYTE_TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, 0xc76580d9u, 0x8b277743u),
    BYTE_TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, 0xaba65fe7u, 0x52a0c93fu),
    BYTE_TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu, 0x6ea2d55cu),
    BYTE_TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, 0x0e045bebu, 0x1c08b7d6u),
    BYTE_TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au, 0xf56e0ef4u),
    BYTE_TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, 0x1a00cb32u, 0x34019664u),
};

uint32_t rotor_crc32c_portable(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *next = bytes;
    crc = ~crc;
    for (; count >= 8; count -= 8, next += 8) {
        crc = after[7][(crc ^ next[0]) & 255] ^ after[6][(crc >> 8 ^ next[1]) & 255] ^
              after[5][(crc >> 16 ^ next[2]) & 255] ^ after[4][crc >> 24 ^ next[3]] ^ after[3][next[4]] ^
              after[2][next[5]] ^ after[1][next[6]] ^ after[0][next[7]];
    }
    for (; count > 0; count--, next++) {
        crc = crc >> 8 ^ after[0][(crc ^ *next) & 255];
    }
    return ~crc;
}

/* ---------------------------------------------------------------- by the instruction */

#if defined(__x86_64__)

#include <nmmintrin.h>

#define INSTRUCTION_TARGET __attribute__((target("sse4.2")))

INSTRUCTION_TARGET static inline uint32_t crc_of_8(uint32_t crc, uint64_t word) {
    return (uint32_t)_mm_crc32_u64(crc, word);
}

INSTRUCTION_TARGET static inline uint32_t crc_of_1(uint32_t crc, uint8_t byte) {
    return _mm_crc32_u8(crc, byte);
}

static int has_instruction(void) {
    return (rotor_cpu_features() & ROTOR_CPU_SSE42) != 0;
}

#elif defined(__ARM_FEATURE_CRC32)

#include <arm_acle.h>

#define INSTRUCTION_TARGET

static inline uint32_t crc_of_8(uint32_t crc, uint64_t word) {
    return __crc32cd(crc, word);
}

static inline uint32_t crc_of_1(uint32_t crc, uint8_t byte) {
    return __crc32cb(crc, byte);
}

static int has_instruction(void) {
    return 1;
}

#endif

#ifdef INSTRUCTION_TARGET

/* The instruction has three cycles of latency and a throughput of one a cycle, so three chains over neighbouring blocks
 * run in the time of one, and then the first two are moved behind the bytes of the next. Long blocks hide the cost of
 * that; short ones serve what is left, and small records. */
#define LONG_BLOCK 1024
#define SHORT_BLOCK 128

/* The checksum's nibble k, moved over a block of zeros. */
static const uint32_t over_long[8][16] = {
    NIBBLE_TABLE(0xfe314258u, 0xf98ef241u, 0xf6f19273u, 0xe80f5217u),
    NIBBLE_TABLE(0xd5f2d2dfu, 0xae09d34fu, 0x59ffd06fu, 0xb3ffa0deu),
    NIBBLE_TABLE(0x6213374du, 0xc4266e9au, 0x8da0abc5u, 0x1ead217bu),
    NIBBLE_TABLE(0x3d5a42f6u, 0x7ab485ecu, 0xf5690bd8u, 0xef3e6141u),
    NIBBLE_TABLE(0xdb90b473u, 0xb2cd1e17u, 0x60764adfu, 0xc0ec95beu),
    NIBBLE_TABLE(0x84355d8du, 0x0d86cdebu, 0x1b0d9bd6u, 0x361b37acu),
    NIBBLE_TABLE(0x6c366f58u, 0xd86cdeb0u, 0xb535cb91u, 0x6f87e1d3u),
    NIBBLE_TABLE(0xdf0fc3a6u, 0xbbf3f1bdu, 0x720b958bu, 0xe4172b16u),
};
static const uint32_t over_short[8][16] = {
    NIBBLE_TABLE(0x6992cea2u, 0xd3259d44u, 0xa3a74c79u, 0x42a2ee03u),
    NIBBLE_TABLE(0x8545dc06u, 0x0f67cefdu, 0x1ecf9dfau, 0x3d9f3bf4u),
    NIBBLE_TABLE(0x7b3e77e8u, 0xf67cefd0u, 0xe915a951u, 0xd7c72453u),
    NIBBLE_TABLE(0xaa623e57u, 0x51280a5fu, 0xa25014beu, 0x414c5f8du),
    NIBBLE_TABLE(0x8298bf1au, 0x00dd08c5u, 0x01ba118au, 0x03742314u),
    NIBBLE_TABLE(0x06e84628u, 0x0dd08c50u, 0x1ba118a0u, 0x37423140u),
    NIBBLE_TABLE(0x6e846280u, 0xdd08c500u, 0xbffdfcf1u, 0x7a178f13u),
    NIBBLE_TABLE(0xf42f1e26u, 0xedb24abdu, 0xde88e38bu, 0xb8fdb1e7u),
};

static inline uint32_t move_over(const uint32_t table[8][16], uint32_t crc) {
    uint32_t moved = 0;
    for (unsigned k = 0; k < 8; k++) {
        moved ^= table[k][crc >> (4 * k) & 15];
    }
    return moved;
}

static inline uint64_t load_u64(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

INSTRUCTION_TARGET static inline uint32_t crc_of_three_blocks(uint32_t crc, const uint8_t *bytes, size_t block,
                                                              const uint32_t table[8][16]) {
    uint32_t second = 0;
    uint32_t third = 0;
    for (size_t i = 0; i < block; i += 8) {
        crc = crc_of_8(crc, load_u64(bytes + i));
        second = crc_of_8(second, load_u64(bytes + block + i));
        third = crc_of_8(third, load_u64(bytes + 2 * block + i));
    }
    return move_over(table, move_over(table, crc) ^ second) ^ third;
}

INSTRUCTION_TARGET static uint32_t by_instruction(uint32_t crc, const uint8_t *next, size_t count) {
    crc = ~crc;
    for (; count >= (size_t)3 * LONG_BLOCK; count -= (size_t)3 * LONG_BLOCK, next += 3 * LONG_BLOCK) {
        crc = crc_of_three_blocks(crc, next, LONG_BLOCK, over_long);
    }
    for (; count >= (size_t)3 * SHORT_BLOCK; count -= (size_t)3 * SHORT_BLOCK, next += 3 * SHORT_BLOCK) {
        crc = crc_of_three_blocks(crc, next, SHORT_BLOCK, over_short);
    }
    for (; count >= 8; count -= 8, next += 8) {
        crc = crc_of_8(crc, load_u64(next));
    }
    for (; count > 0; count--, next++) {
        crc = crc_of_1(crc, *next);
    }
    return ~crc;
}

uint32_t rotor_crc32c(uint32_t crc, const void *bytes, size_t count) {
    return has_instruction() ? by_instruction(crc, bytes, count) : rotor_crc32c_portable(crc, bytes, count);
}

#else

uint32_t rotor_crc32c(uint32_t crc, const void *bytes, size_t count) {
    return rotor_crc32c_portable(crc, bytes, count);
}

#endif
