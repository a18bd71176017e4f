/* Reads the next batch of leaves while the caller works on the last one. Knows nothing of what is done with them. */
#ifndef ROTOR_CLI_READ_AHEAD_H
#define ROTOR_CLI_READ_AHEAD_H

#include "leaf_reader.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct leaf_batch {
    rotor_hash *leaves;
    size_t count;        /* 0 at the end of the input */
    bool good;           /* false: the reader's message says why there are no more than these */
    uint64_t read_bytes; /* of the input so far */
    bool full;           /* guarded by the mutex; the other members belong to one side at a time */
} leaf_batch;

typedef struct read_ahead {
    leaf_reader *reader;
    size_t capacity;
    leaf_batch batches[2];
    unsigned taken; /* batches that were handed out */
    bool threaded;
    bool stopping; /* guarded by the mutex */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} read_ahead;

/* Prepares for batches of up to `capacity` leaves. With `threaded` a thread reads ahead, if one can be started; the
 * reader is then its own until the end. False when there is not enough memory. */
bool rotor_cli_ahead_start(read_ahead *ahead, leaf_reader *reader, size_t capacity, bool threaded);

/* The next batch, valid until the next call. After one that is not good or empty there are no more. NULL once stopped.
 */
const leaf_batch *rotor_cli_ahead_next(read_ahead *ahead);

/* Makes this and every later rotor_cli_ahead_next() return NULL without waiting for input. From any thread. Without a
 * thread that reads ahead nobody can be kept from waiting, and this does nothing. */
void rotor_cli_ahead_stop(read_ahead *ahead);

/* Stops the thread, even if it waits for input that never comes, and releases the memory. */
void rotor_cli_ahead_end(read_ahead *ahead);

#endif
