/* The kernels of the BLAKE3 profile, each a table in a file of its own, for dispatch alone to choose from. */
#ifndef ROTOR_HASH_KERNELS_H
#define ROTOR_HASH_KERNELS_H

#include "hash/blake3_asm.h"
#include "hash/hash.h"

#if defined(__x86_64__)
#define ROTOR_HASH_X86 1
#else
#define ROTOR_HASH_X86 0
#endif

#if defined(__aarch64__) && defined(__ARM_NEON) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ROTOR_HASH_NEON 1
#else
#define ROTOR_HASH_NEON 0
#endif

/* MemorySanitizer does not see what assembly writes and would take every node for uninitialised. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define ROTOR_HASH_ASM 0
#endif
#endif
/* The assembly takes 64-bit pointers for granted. */
#if !defined(ROTOR_HASH_ASM) && defined(__ILP32__)
#define ROTOR_HASH_ASM 0
#endif
#ifndef ROTOR_HASH_ASM
#define ROTOR_HASH_ASM ROTOR_BLAKE3_HAVE_ASM
#endif

extern const rotor_hasher rotor_blake3_portable;
#if ROTOR_HASH_X86
extern const rotor_hasher rotor_blake3_sse41;
extern const rotor_hasher rotor_blake3_avx2_c;
extern const rotor_hasher rotor_blake3_avx512_c;
#endif
#if ROTOR_HASH_ASM
extern const rotor_hasher rotor_blake3_avx2;
extern const rotor_hasher rotor_blake3_avx512;
#endif
#if ROTOR_HASH_NEON
extern const rotor_hasher rotor_blake3_neon;
#endif

#endif
