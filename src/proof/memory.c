/* The array of hashes that a proof owns. Must not know which proof. */
#include "proof/proof.h"

#include <stdlib.h>

bool rotor_proof_reserve(rotor_hash **hashes, size_t *capacity, size_t count, const rotor_hash *kept, size_t keep) {
    rotor_hash *room = *hashes;
    if (*capacity < count) {
        room = count <= SIZE_MAX / sizeof *room ? malloc(count * sizeof *room) : NULL;
        if (room == NULL) {
            return false;
        }
    }
    if (keep != 0 && kept != room) {
        memmove(room, kept, keep * sizeof *room);
    }
    if (room != *hashes) {
        rotor_proof_release(*hashes, *capacity);
        *hashes = room;
        *capacity = count;
    }
    return true;
}

/* A capacity of 0 says that the array belongs to somebody else. */
void rotor_proof_release(rotor_hash *hashes, size_t capacity) {
    if (capacity != 0) {
        free(hashes);
    }
}
