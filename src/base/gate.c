/* Waiting by futex(2). Must not know what is waited for. */
#include "base/gate.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "a futex is 32 bits");

/* Whoever opens the gate changes `openings` first and looks at `sleepers` second, whoever waits does it the other way
 * round (the system compares `openings` under a lock of its own): one of the two sees the other. */
void rotor_gate_wait(rotor_gate *gate, uint32_t ticket) {
    atomic_fetch_add(&gate->sleepers, 1);
    if (atomic_load(&gate->openings) == ticket) {
        (void)syscall(SYS_futex, &gate->openings, FUTEX_WAIT_PRIVATE, ticket, NULL, NULL, 0);
    }
    atomic_fetch_sub(&gate->sleepers, 1);
}

static void wake(rotor_gate *gate, int most) {
    if (atomic_load(&gate->sleepers) != 0) {
        (void)syscall(SYS_futex, &gate->openings, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
    }
}

void rotor_gate_wake(rotor_gate *gate) {
    wake(gate, INT_MAX);
}

void rotor_gate_wake_one(rotor_gate *gate) {
    wake(gate, 1);
}
