/* How long a pause is. Must not read the clock itself. */
#include "base/pause.h"

void rotor_pause_begin(rotor_pause *pause, uint64_t now_ns) {
    if (rotor_pause_holds(pause, now_ns)) {
        return;
    }
    uint64_t last = atomic_load_explicit(&pause->length_ns, memory_order_relaxed);
    uint64_t since = now_ns - atomic_load_explicit(&pause->end_ns, memory_order_relaxed);
    uint64_t length = since <= ROTOR_PAUSE_MOST_NS ? 2 * last : 0;
    if (length < ROTOR_PAUSE_LEAST_NS) {
        length = ROTOR_PAUSE_LEAST_NS;
    } else if (length > ROTOR_PAUSE_MOST_NS) {
        length = ROTOR_PAUSE_MOST_NS;
    }
    /* Two threads that come here at once begin pauses that differ by less than the time between them. */
    atomic_store_explicit(&pause->length_ns, length, memory_order_relaxed);
    atomic_store_explicit(&pause->end_ns, now_ns + length, memory_order_relaxed);
}
