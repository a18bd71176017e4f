/* A place to wait at, without a lock to take on the way out: when sixty threads wait for the same moment, most of what
 * a condition variable costs is that each takes the mutex again. Knows nothing of what is waited for. */
#ifndef ROTOR_BASE_GATE_H
#define ROTOR_BASE_GATE_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct rotor_gate {
    _Atomic uint32_t openings;
    _Atomic uint32_t sleepers; /* who wait, or are about to: while there are none, nobody is woken */
} rotor_gate;

/* To be taken while what is waited for cannot happen, usually under the lock that whoever opens the gate holds. */
static inline uint32_t rotor_gate_ticket(const rotor_gate *gate) {
    return atomic_load_explicit(&gate->openings, memory_order_relaxed);
}

/* Waits until the gate has been opened since the ticket was taken. May return without that: look again. */
void rotor_gate_wait(rotor_gate *gate, uint32_t ticket);

/* Opens the gate: whoever has a ticket and does not wait yet will not. Those who wait already are woken by the second
 * call, all of them or one, which may follow when the lock is given back: waking many takes long. */
static inline void rotor_gate_open(rotor_gate *gate) {
    atomic_fetch_add(&gate->openings, 1);
}
void rotor_gate_wake(rotor_gate *gate);
void rotor_gate_wake_one(rotor_gate *gate);

#endif
