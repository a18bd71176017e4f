/* Bytes of encodings: little-endian integers, and hashes one after the other. Must not know what they mean. */
#ifndef ROTOR_PROOF_WIRE_H
#define ROTOR_PROOF_WIRE_H

#include "base/bytes.h"
#include "rotortree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* memcpy() that allows a null pointer with a count of 0. */
static inline void rotor_wire_put_hashes(uint8_t *out, const rotor_hash *hashes, size_t count) {
    if (count != 0) {
        memcpy(out, hashes, count * ROTOR_HASH_BYTES);
    }
}

static inline void rotor_wire_get_hashes(rotor_hash *hashes, const uint8_t *in, size_t count) {
    if (count != 0) {
        memcpy(hashes, in, count * ROTOR_HASH_BYTES);
    }
}

static inline bool rotor_wire_all_zero(const uint8_t *bytes, size_t count) {
    uint8_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        seen |= bytes[i];
    }
    return seen == 0;
}

/* The common end of argument checks of an encoder: stores the length needed, and says whether it fits. No buffer has no
 * capacity. */
static inline rotor_status rotor_wire_room(const uint8_t *out, size_t capacity, size_t *bytes, size_t needed) {
    if (out == NULL && capacity != 0) {
        return ROTOR_MISUSE;
    }
    *bytes = needed;
    return capacity < needed ? ROTOR_BUFFER_TOO_SMALL : ROTOR_OK;
}

#endif
