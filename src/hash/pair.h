/* Two chains of compressions at once: for chains that do not wait for each other, each twice as fast as alone. */
#ifndef ROTOR_HASH_PAIR_H
#define ROTOR_HASH_PAIR_H

#include "hash/lone.h"

/* As rotor_lone_fn for `count` runs; out[i] gets the chaining value of runs[i]. The processor has to have AVX2. */
void rotor_blake3_pairs_avx2(uint8_t (*out)[32], const rotor_lone_run *runs, size_t count);

/* prepare_steps() of rotor_hasher, the steps two at a time. */
void rotor_pair_prepare_avx2(rotor_path_step *const *steps, size_t count);

/* Two nodes of up to ROTOR_NODE_CHUNK_WIDTH children, the second's children right behind the first's, as hash_groups()
 * of rotor_hasher would. */
void rotor_pair_nodes_avx2(uint8_t out[64], const uint8_t *children, unsigned width);

#endif
