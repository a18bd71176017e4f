/* Which kernel serves: constant tables, walked anew at each call, so that there is no state to initialise or to share.
 * Must not know how any kernel works. */
#include "hash/hash.h"

#include "base/cpu.h"
#include "hash/kernels.h"

#include <string.h>

typedef struct kernel_entry {
    const rotor_hasher *hasher;
    uint32_t needs; /* bits of rotor_cpu_feature, all of them */
} kernel_entry;

#define NEEDS_AVX512 (ROTOR_CPU_AVX512F | ROTOR_CPU_AVX512VL | ROTOR_CPU_AVX512BW)

/* From slow to fast: the last one whose needs are met is the default. */
static const kernel_entry blake3_kernels[] = {
    {&rotor_blake3_portable, 0},
#if ROTOR_HASH_X86
    {&rotor_blake3_sse41, ROTOR_CPU_SSE41},
    {&rotor_blake3_avx2_c, ROTOR_CPU_AVX2},
#endif
#if ROTOR_HASH_ASM
    {&rotor_blake3_avx2, ROTOR_CPU_AVX2},
#endif
#if ROTOR_HASH_X86
    {&rotor_blake3_avx512_c, NEEDS_AVX512},
#endif
#if ROTOR_HASH_ASM
    {&rotor_blake3_avx512, NEEDS_AVX512},
#endif
#if ROTOR_HASH_NEON
    {&rotor_blake3_neon, ROTOR_CPU_NEON},
#endif
};

#define KERNEL_COUNT (sizeof blake3_kernels / sizeof blake3_kernels[0])

rotor_status rotor_hasher_find_for(const rotor_hasher **hasher, uint32_t profile, const char *kernel,
                                   uint32_t features) {
    if (hasher == NULL) {
        return ROTOR_MISUSE;
    }
    if (profile != ROTOR_HASH_BLAKE3) {
        return ROTOR_UNSUPPORTED;
    }
    for (size_t i = KERNEL_COUNT; i-- > 0;) {
        const kernel_entry *entry = &blake3_kernels[i];
        if ((entry->needs & ~features) != 0) {
            continue;
        }
        if (kernel == NULL || strcmp(kernel, entry->hasher->kernel) == 0) {
            *hasher = entry->hasher;
            return ROTOR_OK;
        }
    }
    return ROTOR_UNSUPPORTED;
}

rotor_status rotor_hasher_find(const rotor_hasher **hasher, uint32_t profile, const char *kernel) {
    return rotor_hasher_find_for(hasher, profile, kernel, rotor_cpu_features());
}

const rotor_hasher *rotor_hasher_nth(uint32_t profile, size_t i) {
    uint32_t features = rotor_cpu_features();
    if (profile != ROTOR_HASH_BLAKE3) {
        return NULL;
    }
    for (size_t k = 0; k < KERNEL_COUNT; k++) {
        if ((blake3_kernels[k].needs & ~features) == 0 && i-- == 0) {
            return blake3_kernels[k].hasher;
        }
    }
    return NULL;
}
