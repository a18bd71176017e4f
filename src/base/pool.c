/* The worker pool: one job at a time, its tasks handed out by an atomic counter. Must not know what a task does.
 *
 * A worker that has finished a job looks for the next one for some microseconds before it sleeps: batches tend to
 * follow each other, and a sleeping thread takes longer to wake than a batch of 10,000 leaves takes to hash. */
#include "base/pool.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define SPIN_NS 30000

struct rotor_pool {
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* to workers: a new job, or the end */
    pthread_cond_t done; /* to the caller: the last worker has left the job */
    pthread_t *workers;
    uint32_t worker_count;

    rotor_pool_task *task;
    void *context;
    uint64_t tasks;
    _Atomic uint64_t next; /* first task that nobody has taken */

    _Atomic uint64_t job;    /* number of the present job; odd while one is open to workers */
    _Atomic uint32_t inside; /* workers that are in the present job */
    uint32_t sleepers;       /* workers that wait on `wake`; under the mutex */
    _Atomic bool ending;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work(rotor_pool *pool) {
    for (;;) {
        uint64_t task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (task >= pool->tasks) {
            return;
        }
        pool->task(pool->context, task);
    }
}

static void leave(rotor_pool *pool) {
    if (atomic_fetch_sub(&pool->inside, 1) == 1 && (atomic_load(&pool->job) & 1) == 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_signal(&pool->done);
        pthread_mutex_unlock(&pool->mutex);
    }
}

static bool is_open_and_new(uint64_t job, uint64_t seen) {
    return (job & 1) != 0 && job != seen;
}

/* Enters the open job, if there is one other than `seen`; the job cannot be replaced while a worker is inside. */
static bool try_enter(rotor_pool *pool, uint64_t *seen) {
    uint64_t job = atomic_load_explicit(&pool->job, memory_order_acquire);
    if (!is_open_and_new(job, *seen)) {
        return false;
    }
    atomic_fetch_add(&pool->inside, 1);
    /* The job may have closed between the look and the step: the caller closes it first and counts those inside second.
     */
    if (atomic_load(&pool->job) != job) {
        leave(pool);
        return false;
    }
    *seen = job;
    return true;
}

/* Looks for a job for a while, then sleeps until there is one; false when the pool ends. */
static bool await_job(rotor_pool *pool, uint64_t *seen) {
    for (;;) {
        uint64_t spin_until = rotor_now_ns() + SPIN_NS;
        do {
            for (int i = 0; i < 64; i++) {
                if (try_enter(pool, seen)) {
                    return true;
                }
                relax();
            }
        } while (!atomic_load_explicit(&pool->ending, memory_order_relaxed) && rotor_now_ns() < spin_until);

        pthread_mutex_lock(&pool->mutex);
        while (!atomic_load(&pool->ending) && !is_open_and_new(atomic_load(&pool->job), *seen)) {
            pool->sleepers++;
            pthread_cond_wait(&pool->wake, &pool->mutex);
            pool->sleepers--;
        }
        pthread_mutex_unlock(&pool->mutex);
        if (atomic_load(&pool->ending)) {
            return false;
        }
    }
}

static void *worker_main(void *argument) {
    rotor_pool *pool = argument;
    uint64_t seen = 0;
    while (await_job(pool, &seen)) {
        work(pool);
        leave(pool);
    }
    return NULL;
}

static void start_workers(rotor_pool *pool, uint32_t threads) {
    while (pool->worker_count + 1 < threads &&
           rotor_thread_start(&pool->workers[pool->worker_count], worker_main, pool)) {
        pool->worker_count++;
    }
}

rotor_pool *rotor_pool_create(uint32_t threads) {
    rotor_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    pool->workers = calloc(threads, sizeof *pool->workers);
    if (pool->workers == NULL) {
        goto no_workers;
    }
    if (pthread_mutex_init(&pool->mutex, NULL) != 0) {
        goto no_mutex;
    }
    if (pthread_cond_init(&pool->wake, NULL) != 0) {
        goto no_wake;
    }
    if (pthread_cond_init(&pool->done, NULL) != 0) {
        goto no_done;
    }
    start_workers(pool, threads);
    return pool;

no_done:
    pthread_cond_destroy(&pool->wake);
no_wake:
    pthread_mutex_destroy(&pool->mutex);
no_mutex:
    free(pool->workers);
no_workers:
    free(pool);
    return NULL;
}

void rotor_pool_destroy(rotor_pool *pool) {
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->ending, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (uint32_t i = 0; i < pool->worker_count; i++) {
        (void)pthread_join(pool->workers[i], NULL);
    }
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->workers);
    free(pool);
}

void rotor_pool_run(rotor_pool *pool, rotor_pool_task *task, void *context, uint64_t tasks) {
    pool->task = task;
    pool->context = context;
    pool->tasks = tasks;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_fetch_add(&pool->job, 1); /* opens the job */

    pthread_mutex_lock(&pool->mutex);
    if (pool->sleepers > 0) {
        pthread_cond_broadcast(&pool->wake);
    }
    pthread_mutex_unlock(&pool->mutex);

    work(pool);

    atomic_fetch_add(&pool->job, 1); /* closes it: nobody enters any more */
    uint64_t spin_until = rotor_now_ns() + SPIN_NS;
    while (atomic_load(&pool->inside) != 0 && rotor_now_ns() < spin_until) {
        relax();
    }
    if (atomic_load(&pool->inside) != 0) {
        /* A caller that is cancelled while it waits would leave with locks held, and tasks would go on without it. */
        int cancellable;
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
        pthread_mutex_lock(&pool->mutex);
        while (atomic_load(&pool->inside) != 0) {
            pthread_cond_wait(&pool->done, &pool->mutex);
        }
        pthread_mutex_unlock(&pool->mutex);
        (void)pthread_setcancelstate(cancellable, NULL);
    }
}
