/* A fixed pool of threads that share the tasks of one job. Knows nothing of what a task does. */
#ifndef ROTOR_BASE_POOL_H
#define ROTOR_BASE_POOL_H

#include "rotortree.h"

#include <stdint.h>

typedef struct rotor_pool rotor_pool;

/* Runs task number `task`, 0..tasks-1, on whichever thread takes it. */
typedef void rotor_pool_task(void *context, uint64_t task);

/* A pool in which `threads` threads work, the caller of rotor_pool_run() being one of them: starts threads-1. When
 * fewer can be started the pool is made of those. NULL when out of memory. */
rotor_pool *rotor_pool_create(uint32_t threads);

/* Ends and joins the threads. NULL is allowed. */
void rotor_pool_destroy(rotor_pool *pool);

/* Runs all tasks of a job and returns when the last has ended; what the tasks wrote is then visible to the caller. One
 * caller at a time. */
void rotor_pool_run(rotor_pool *pool, rotor_pool_task *task, void *context, uint64_t tasks);

#endif
