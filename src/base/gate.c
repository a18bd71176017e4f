/* Waiting by futex(2). Must not know what is waited for. */
#include "base/gate.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "a futex is 32 bits");

void rotor_gate_wait(rotor_gate *gate, uint32_t ticket) {
    if (atomic_load_explicit(&gate->openings, memory_order_acquire) == ticket) {
        (void)syscall(SYS_futex, &gate->openings, FUTEX_WAIT_PRIVATE, ticket, NULL, NULL, 0);
    }
}

void rotor_gate_wake(rotor_gate *gate) {
    (void)syscall(SYS_futex, &gate->openings, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void rotor_gate_wake_one(rotor_gate *gate) {
    (void)syscall(SYS_futex, &gate->openings, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
