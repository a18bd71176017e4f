/* The way in which nodes enter and leave memory that readers share. Besides, kernels store what they hash straight to a
 * level (build.c), and a check hashes leaves where they are (check.c), both for the reasons below and not under
 * ThreadSanitizer.
 *
 * A complete node is written once, before the size that makes it visible is published, so readers need no care, with
 * one exception: after a truncation the writer overwrites nodes that a reader of a stale snapshot may be copying. Such
 * a reader throws its copy away when it finds, after the copy, that the tree was truncated (publish.h). So it does not
 * matter what it copied, nor whether the copy was torn, only that the order "copy, then look" holds: loads are volatile
 * or relaxed atomics, followed by an acquire fence; stores are plain vector stores. Under ThreadSanitizer, which knows
 * no fences and no such reasoning, both are word by word atomic with acquire and release order. */
#ifndef ROTOR_TREE_NODES_H
#define ROTOR_TREE_NODES_H

#include "base/tsan.h"
#include "rotortree.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#ifdef ROTOR_TSAN
#define ROTOR_ORDER_LOAD memory_order_acquire
#define ROTOR_ORDER_STORE memory_order_release
static inline void rotor_fence_acquire(void) {
}
static inline void rotor_fence_release(void) {
}
#else
#define ROTOR_ORDER_LOAD memory_order_relaxed
#define ROTOR_ORDER_STORE memory_order_relaxed
static inline void rotor_fence_acquire(void) {
    atomic_thread_fence(memory_order_acquire);
}
static inline void rotor_fence_release(void) {
    atomic_thread_fence(memory_order_release);
}
#endif

/* `source` is 32-byte aligned level memory; rotor_fence_acquire() must follow before the copy is judged. Two vector
 * loads a node where there are vectors: four loads of words, which a compiler may not join, made a proof three times as
 * dear. */
static inline void rotor_nodes_load(rotor_hash *nodes, const uint8_t *source, uint64_t count) {
#if defined(__x86_64__) && !defined(ROTOR_TSAN)
    for (uint64_t i = 0; i < count; i++) {
        const volatile __m128i *from = (const volatile __m128i *)(const volatile void *)(source + 32 * i);
        __m128i low = from[0];
        __m128i high = from[1];
        _mm_storeu_si128((__m128i *)(void *)nodes[i].bytes, low);
        _mm_storeu_si128((__m128i *)(void *)(nodes[i].bytes + 16), high);
    }
#else
    const _Atomic uint64_t *words = (const _Atomic uint64_t *)(const void *)source;
    for (uint64_t i = 0; i < 4 * count; i++) {
        uint64_t word = atomic_load_explicit(&words[i], ROTOR_ORDER_LOAD);
        memcpy((uint8_t *)nodes + 8 * i, &word, sizeof word);
    }
#endif
}

/* `target` is 32-byte aligned level memory that no valid snapshot covers. */
static inline void rotor_nodes_store(uint8_t *target, const uint8_t *nodes, uint64_t count) {
#ifdef ROTOR_TSAN
    _Atomic uint64_t *words = (_Atomic uint64_t *)(void *)target;
    for (uint64_t i = 0; i < 4 * count; i++) {
        uint64_t word;
        memcpy(&word, nodes + 8 * i, sizeof word);
        atomic_store_explicit(&words[i], word, ROTOR_ORDER_STORE);
    }
#else
    memcpy(target, nodes, (size_t)count * ROTOR_HASH_BYTES);
#endif
}

/* The same for a batch that will not be read soon: past the caches, so that the lines need not be read first. A copy of
 * large batches ran at 527M leaves/s so, against 284M with plain stores. rotor_nodes_stream_end() must follow before
 * the nodes are published. */
static inline void rotor_nodes_stream(uint8_t *target, const uint8_t *nodes, uint64_t count) {
#if defined(__x86_64__) && !defined(ROTOR_TSAN)
    for (uint64_t i = 0; i < count; i++) {
        __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(nodes + 32 * i));
        __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(nodes + 32 * i + 16));
        _mm_stream_si128((__m128i *)(void *)(target + 32 * i), low);
        _mm_stream_si128((__m128i *)(void *)(target + 32 * i + 16), high);
    }
#else
    rotor_nodes_store(target, nodes, count);
#endif
}

/* Streaming stores are not ordered by a release store; this orders them. */
static inline void rotor_nodes_stream_end(void) {
#if defined(__x86_64__) && !defined(ROTOR_TSAN)
    _mm_sfence();
#endif
}

#endif
