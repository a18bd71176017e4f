/* A time in which something is not done that was in vain, longer each time that it soon is so again. One bad moment
 * costs little that way, and what stays bad is hardly tried any more. Knows nothing of what is not done. */
#ifndef ROTOR_BASE_PAUSE_H
#define ROTOR_BASE_PAUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ROTOR_PAUSE_LEAST_NS 1000000u
#define ROTOR_PAUSE_MOST_NS 50000000u

/* All zeros: none so far. Any thread may look at it and begin one. */
typedef struct rotor_pause {
    _Atomic uint64_t end_ns;
    _Atomic uint64_t length_ns;
} rotor_pause;

/* Times are those of rotor_now_ns(). */
static inline bool rotor_pause_holds(const rotor_pause *pause, uint64_t now_ns) {
    return now_ns < atomic_load_explicit(&pause->end_ns, memory_order_relaxed);
}

/* Begins the shortest one, or one twice as long as the last if that ended no longer ago than the longest takes. Does
 * nothing while one holds: of many threads that find the same one begins it. */
void rotor_pause_begin(rotor_pause *pause, uint64_t now_ns);

#endif
