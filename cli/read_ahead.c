/* Reading ahead, see read_ahead.h: two batches, one being filled and one being used. */
#include "read_ahead.h"

#include <stdlib.h>
#include <string.h>

static void fill(read_ahead *ahead, leaf_batch *batch) {
    batch->good = rotor_cli_reader_next(ahead->reader, batch->leaves, ahead->capacity, &batch->count);
    batch->read_bytes = ahead->reader->read_bytes;
}

static void *read_batches(void *argument) {
    read_ahead *ahead = argument;
    int state;
    bool more = true;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_mutex_lock(&ahead->mutex);
    for (unsigned i = 0; more; i++) {
        leaf_batch *batch = &ahead->batches[i % 2];
        while (batch->full && !ahead->stopping) {
            pthread_cond_wait(&ahead->changed, &ahead->mutex);
        }
        if (ahead->stopping) {
            break;
        }
        pthread_mutex_unlock(&ahead->mutex);
        /* Only here, where no lock is held: a read from a pipe may never return. */
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
        fill(ahead, batch);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        more = batch->good && batch->count > 0;
        pthread_mutex_lock(&ahead->mutex);
        batch->full = true;
        pthread_cond_broadcast(&ahead->changed);
    }
    pthread_mutex_unlock(&ahead->mutex);
    return NULL;
}

static bool start_thread(read_ahead *ahead) {
    if (pthread_mutex_init(&ahead->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_cond_init(&ahead->changed, NULL) != 0) {
        pthread_mutex_destroy(&ahead->mutex);
        return false;
    }
    if (pthread_create(&ahead->thread, NULL, read_batches, ahead) != 0) {
        pthread_cond_destroy(&ahead->changed);
        pthread_mutex_destroy(&ahead->mutex);
        return false;
    }
    return true;
}

bool rotor_cli_ahead_start(read_ahead *ahead, leaf_reader *reader, size_t capacity, bool threaded) {
    memset(ahead, 0, sizeof *ahead);
    ahead->reader = reader;
    ahead->capacity = capacity;
    for (size_t i = 0; i < (threaded ? 2 : 1); i++) {
        ahead->batches[i].leaves = malloc(capacity * sizeof(rotor_hash));
        if (ahead->batches[i].leaves == NULL) {
            free(ahead->batches[0].leaves);
            return false;
        }
    }
    ahead->threaded = threaded && start_thread(ahead);
    return true;
}

const leaf_batch *rotor_cli_ahead_next(read_ahead *ahead) {
    if (!ahead->threaded) {
        fill(ahead, &ahead->batches[0]);
        return &ahead->batches[0];
    }
    leaf_batch *next = &ahead->batches[ahead->taken % 2];
    pthread_mutex_lock(&ahead->mutex);
    if (ahead->taken > 0) {
        ahead->batches[(ahead->taken - 1) % 2].full = false;
        pthread_cond_broadcast(&ahead->changed);
    }
    while (!next->full && !ahead->stopping) {
        pthread_cond_wait(&ahead->changed, &ahead->mutex);
    }
    bool stopped = ahead->stopping;
    pthread_mutex_unlock(&ahead->mutex);
    ahead->taken++;
    return stopped ? NULL : next;
}

void rotor_cli_ahead_stop(read_ahead *ahead) {
    if (ahead->threaded) {
        pthread_mutex_lock(&ahead->mutex);
        ahead->stopping = true;
        pthread_cond_broadcast(&ahead->changed);
        pthread_mutex_unlock(&ahead->mutex);
    }
}

void rotor_cli_ahead_end(read_ahead *ahead) {
    rotor_cli_ahead_stop(ahead);
    if (ahead->threaded) {
        pthread_cancel(ahead->thread);
        pthread_join(ahead->thread, NULL);
        pthread_cond_destroy(&ahead->changed);
        pthread_mutex_destroy(&ahead->mutex);
    }
    free(ahead->batches[0].leaves);
    free(ahead->batches[1].leaves);
}
