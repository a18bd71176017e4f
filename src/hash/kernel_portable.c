/* The portable kernel: one node after the other in plain C. */
#include "hash/kernels.h"

#include "hash/lone.h"

static void hash_groups(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    for (size_t i = 0; i < groups; i++) {
        rotor_lone_node_portable(out + 32 * i, children + 32 * (size_t)width * i, width);
    }
}

const rotor_hasher rotor_blake3_portable = {
    .profile = ROTOR_HASH_BLAKE3,
    .name = "blake3",
    .kernel = "portable",
    .lanes = 1,
    .hash_node = rotor_lone_node_portable,
    .prepare_steps = rotor_lone_prepare_portable,
    .hash_path = rotor_lone_path_portable,
    .hash_groups = hash_groups,
};
