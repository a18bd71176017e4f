/* Processor features by CPUID and XGETBV, and the number of processors. Must not know what they are used for. */
#include "base/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#if defined(__x86_64__)

#include <cpuid.h>

/* XCR0 bits: the register states that the operating system saves and restores. */
#define XCR0_YMM 0x06u /* xmm and the upper halves of ymm */
#define XCR0_ZMM 0xe0u /* mask registers, upper halves of zmm0-15, zmm16-31 */

/* As bytes of the instruction: the intrinsic would need the whole file compiled for XSAVE. */
static uint32_t read_xcr0(void) {
    uint32_t low;
    uint32_t high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static uint32_t detect(void) {
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return 0;
    }
    uint32_t features = (c & bit_SSE4_1) != 0 ? (uint32_t)ROTOR_CPU_SSE41 : 0;
    features |= (c & bit_SSE4_2) != 0 ? (uint32_t)ROTOR_CPU_SSE42 : 0;
    /* OSXSAVE must be known before XGETBV may be executed at all. */
    if ((c & bit_OSXSAVE) == 0 || (c & bit_AVX) == 0) {
        return features;
    }
    uint32_t xcr0 = read_xcr0();
    if ((xcr0 & XCR0_YMM) != XCR0_YMM || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return features;
    }
    features |= (b & bit_AVX2) != 0 ? (uint32_t)ROTOR_CPU_AVX2 : 0;
    if ((xcr0 & XCR0_ZMM) == XCR0_ZMM) {
        features |= (b & bit_AVX512F) != 0 ? (uint32_t)ROTOR_CPU_AVX512F : 0;
        features |= (b & bit_AVX512VL) != 0 ? (uint32_t)ROTOR_CPU_AVX512VL : 0;
        features |= (b & bit_AVX512BW) != 0 ? (uint32_t)ROTOR_CPU_AVX512BW : 0;
    }
    return features;
}

#elif defined(__aarch64__) && defined(__ARM_NEON)

/* Advanced SIMD is part of the base architecture that the compiler was told to target. */
static uint32_t detect(void) {
    return ROTOR_CPU_NEON;
}

#else

static uint32_t detect(void) {
    return 0;
}

#endif

/* The answer never changes, but CPUID costs some 12 us in a virtual machine, where it leaves the guest, and verifiers
 * ask for each proof. So it is kept; threads that ask at the same time store the same value. */
uint32_t rotor_cpu_features(void) {
    static _Atomic uint32_t kept;
    const uint32_t known = UINT32_C(1) << 31;
    uint32_t features = atomic_load_explicit(&kept, memory_order_relaxed);
    if (features == 0) {
        features = detect() | known;
        atomic_store_explicit(&kept, features, memory_order_relaxed);
    }
    return features & ~known;
}

/* The affinity mask, not the machine: a container or taskset may leave the process fewer processors. */
uint32_t rotor_cpu_count(void) {
    /* cpu_set_t holds 1024 processors; the call fails on a kernel with more, hence the larger array. */
    cpu_set_t sets[16];
    CPU_ZERO_S(sizeof sets, sets);
    if (sched_getaffinity(0, sizeof sets, sets) == 0) {
        int count = CPU_COUNT_S(sizeof sets, sets);
        if (count > 0) {
            return (uint32_t)count;
        }
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}
