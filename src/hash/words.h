/* Little-endian words at any alignment. */
#ifndef ROTOR_HASH_WORDS_H
#define ROTOR_HASH_WORDS_H

#include <stdint.h>
#include <string.h>

static inline uint32_t rotor_load32(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static inline void rotor_store32(uint8_t *bytes, uint32_t word) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    memcpy(bytes, &word, sizeof word);
}

static inline uint64_t rotor_load64(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void rotor_store64(uint8_t *bytes, uint64_t word) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(bytes, &word, sizeof word);
}

static inline void rotor_store_cv(uint8_t out[32], const uint32_t cv[8]) {
    for (unsigned i = 0; i < 8; i++) {
        rotor_store32(out + 4 * i, cv[i]);
    }
}

#endif
