/* One mutex that is never locked, in a program that ThreadSanitizer must catch; linked with --wrap for each of these.
 */
#ifndef ROTOR_TESTS_CANARY_NO_LOCK_H
#define ROTOR_TESTS_CANARY_NO_LOCK_H

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t *_Atomic left_out;

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

/* Relaxed, or it would order what the mutex no longer does. */
static int is_left_out(const pthread_mutex_t *mutex) {
    return atomic_load_explicit(&left_out, memory_order_relaxed) == mutex;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex) {
    return is_left_out(mutex) ? 0 : __real_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex) {
    return is_left_out(mutex) ? 0 : __real_pthread_mutex_trylock(mutex);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex) {
    return is_left_out(mutex) ? 0 : __real_pthread_mutex_unlock(mutex);
}

static void leave_out(pthread_mutex_t *mutex) {
    atomic_store_explicit(&left_out, mutex, memory_order_relaxed);
}

#endif
