/* Starting threads, and waiting with a deadline. Must not know what is waited for. */
#include "base/thread.h"

#include <signal.h>
#include <time.h>

bool rotor_thread_start(pthread_t *thread, void *(*main)(void *argument), void *argument) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    bool masked = pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    bool started = pthread_create(thread, NULL, main, argument) == 0;
    if (masked) {
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return started;
}

bool rotor_condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    bool made =
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 && pthread_cond_init(condition, &attributes) == 0;
    (void)pthread_condattr_destroy(&attributes);
    return made;
}

uint64_t rotor_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t rotor_deadline_ns(uint64_t milliseconds) {
    uint64_t now = rotor_now_ns();
    return milliseconds < (UINT64_MAX - now) / 1000000u ? now + milliseconds * 1000000u : UINT64_MAX;
}

bool rotor_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t deadline_ns) {
    if (deadline_ns == UINT64_MAX) {
        (void)pthread_cond_wait(condition, mutex);
        return true;
    }
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                                .tv_nsec = (long)(deadline_ns % 1000000000u)};
    return pthread_cond_timedwait(condition, mutex, &deadline) == 0;
}

bool rotor_bell_init(rotor_bell *bell) {
    bell->ringing = false;
    if (pthread_mutex_init(&bell->mutex, NULL) != 0) {
        return false;
    }
    if (!rotor_condition_init(&bell->rung)) {
        pthread_mutex_destroy(&bell->mutex);
        return false;
    }
    return true;
}

void rotor_bell_destroy(rotor_bell *bell) {
    pthread_cond_destroy(&bell->rung);
    pthread_mutex_destroy(&bell->mutex);
}

void rotor_bell_ring(rotor_bell *bell) {
    pthread_mutex_lock(&bell->mutex);
    bell->ringing = true;
    pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->mutex);
}

bool rotor_bell_wait(rotor_bell *bell, uint64_t deadline_ns) {
    pthread_mutex_lock(&bell->mutex);
    bool in_time = true;
    while (!bell->ringing && in_time) {
        in_time = rotor_condition_wait(&bell->rung, &bell->mutex, deadline_ns);
    }
    bool rang = bell->ringing;
    bell->ringing = false;
    pthread_mutex_unlock(&bell->mutex);
    return rang;
}
