/* Threads of the library's own, and the bell that wakes them. Knows nothing of what they do. */
#ifndef ROTOR_BASE_THREAD_H
#define ROTOR_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts a thread with all signals blocked, so that the embedder's handlers never run on a thread that it knows nothing
 * of. False when there is none to be had. */
bool rotor_thread_start(pthread_t *thread, void *(*main)(void *argument), void *argument);

/* A condition variable of CLOCK_MONOTONIC. False when it cannot be made. */
bool rotor_condition_init(pthread_cond_t *condition);

/* Nanoseconds of CLOCK_MONOTONIC; and the same as this many milliseconds from now, at most UINT64_MAX. */
uint64_t rotor_now_ns(void);
uint64_t rotor_deadline_ns(uint64_t milliseconds);

/* Waits on a condition of rotor_condition_init() until the deadline, UINT64_MAX for ever. False when it has passed. */
bool rotor_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t deadline_ns);

/* Remembers one ring until somebody waits for it. May be rung under any lock: it takes none but its own. */
typedef struct rotor_bell {
    pthread_mutex_t mutex;
    pthread_cond_t rung;
    bool ringing;
} rotor_bell;

bool rotor_bell_init(rotor_bell *bell);
void rotor_bell_destroy(rotor_bell *bell);
void rotor_bell_ring(rotor_bell *bell);
/* Waits for a ring, and takes it, until the deadline; false when that has passed without one. */
bool rotor_bell_wait(rotor_bell *bell, uint64_t deadline_ns);

#endif
