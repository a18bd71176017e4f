/* Little-endian integers in bytes of any alignment. */
#ifndef ROTOR_BASE_BYTES_H
#define ROTOR_BASE_BYTES_H

#include <stdint.h>

static inline void rotor_put_u32(uint8_t *bytes, uint32_t value) {
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline void rotor_put_u64(uint8_t *bytes, uint64_t value) {
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline uint32_t rotor_get_u32(const uint8_t *bytes) {
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        value |= (uint32_t)bytes[i] << (8 * i);
    }
    return value;
}

static inline uint64_t rotor_get_u64(const uint8_t *bytes) {
    return rotor_get_u32(bytes) | (uint64_t)rotor_get_u32(bytes + 4) << 32;
}

#endif
