/* What the processor has and the operating system lets us use. Knows nothing of what it is used for. */
#ifndef ROTOR_BASE_CPU_H
#define ROTOR_BASE_CPU_H

#include <stdint.h>

enum rotor_cpu_feature {
    ROTOR_CPU_SSE41 = 1u << 0,
    ROTOR_CPU_AVX2 = 1u << 1,    /* and the operating system saves the upper halves of the ymm registers */
    ROTOR_CPU_AVX512F = 1u << 2, /* and the operating system saves the zmm and mask registers; likewise below */
    ROTOR_CPU_AVX512VL = 1u << 3,
    ROTOR_CPU_AVX512BW = 1u << 4,
    ROTOR_CPU_NEON = 1u << 5,
    ROTOR_CPU_SSE42 = 1u << 6,
};

/* Bits of rotor_cpu_feature. */
uint32_t rotor_cpu_features(void);

/* Processors that this process may run on, at least 1. */
uint32_t rotor_cpu_count(void);

#endif
