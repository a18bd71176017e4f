/* Signals taken by a thread of their own, see interrupt.h: what is called there is not limited to what a signal handler
 * may do, so that it can wake a thread that waits for input. */
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static atomic_int received;
static sigset_t watched;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void (*wake_up)(void *);
static void *wake_context;

static void *take_signals(void *unused) {
    (void)unused;
    for (;;) {
        int number = 0;
        if (sigwait(&watched, &number) != 0) {
            continue;
        }
        if (atomic_load(&received) != 0) {
            _exit(EXIT_INTERRUPTED + number);
        }
        pthread_mutex_lock(&mutex);
        atomic_store(&received, number);
        if (wake_up != NULL) {
            wake_up(wake_context);
        }
        pthread_mutex_unlock(&mutex);
    }
}

/* A signal that is ignored, as of a job in the background of a script, must stay so: blocked and waited for it would
 * arrive after all. */
static void watch_unless_ignored(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
        sigaddset(&watched, number);
    }
}

void rotor_cli_interrupt_start(void) {
    pthread_t thread;
    sigemptyset(&watched);
    watch_unless_ignored(SIGINT);
    watch_unless_ignored(SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &watched, NULL) != 0) {
        return;
    }
    if (pthread_create(&thread, NULL, take_signals, NULL) != 0) {
        pthread_sigmask(SIG_UNBLOCK, &watched, NULL);
        return;
    }
    pthread_detach(thread);
}

int rotor_cli_interrupted(void) {
    return atomic_load(&received);
}

const char *rotor_cli_interrupt_name(int number) {
    return number == SIGINT ? "SIGINT" : "SIGTERM";
}

void rotor_cli_interrupt_wake(void (*wake)(void *context), void *context) {
    pthread_mutex_lock(&mutex);
    wake_up = wake;
    wake_context = context;
    if (wake != NULL && atomic_load(&received) != 0) {
        wake(context);
    }
    pthread_mutex_unlock(&mutex);
}
