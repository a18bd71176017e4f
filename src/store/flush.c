/* From accepted to durable: writing what the tree has accepted to the log, once for all who wait. Must not know the
 * superblock's bytes nor how a checkpoint works. */
#include "base/error.h"
#include "store/store.h"

#include <stdlib.h>

/* ---- extents */

bool rotor_extents_add(rotor_extents *extents, uint64_t first, uint64_t end) {
    if (extents->count > 0 && extents->ranges[extents->count - 1].end == first) {
        extents->ranges[extents->count - 1].end = end;
        return true;
    }
    if (extents->count == extents->capacity) {
        size_t capacity = extents->capacity > 0 ? 2 * extents->capacity : 16;
        void *ranges = realloc(extents->ranges, capacity * sizeof *extents->ranges);
        if (ranges == NULL) {
            return false;
        }
        extents->ranges = ranges;
        extents->capacity = capacity;
    }
    extents->ranges[extents->count].first = first;
    extents->ranges[extents->count].end = end;
    extents->count++;
    return true;
}

void rotor_extents_cut(rotor_extents *extents, uint64_t end) {
    while (extents->count > 0 && extents->ranges[extents->count - 1].first >= end) {
        extents->count--;
    }
    if (extents->count > 0 && extents->ranges[extents->count - 1].end > end) {
        extents->ranges[extents->count - 1].end = end;
    }
}

void rotor_extents_drop(rotor_extents *extents, uint64_t first) {
    size_t kept = 0;
    for (size_t i = 0; i < extents->count; i++) {
        if (extents->ranges[i].end > first) {
            extents->ranges[kept] = extents->ranges[i];
            if (extents->ranges[kept].first < first) {
                extents->ranges[kept].first = first;
            }
            kept++;
        }
    }
    extents->count = kept;
}

bool rotor_store_needs_barrier(const rotor_store *store, uint64_t size) {
    if (store->barrier) {
        return size < store->barrier_size;
    }
    uint64_t held = atomic_load_explicit(&store->committed, memory_order_relaxed);
    if (store->extents.count > 0 && store->extents.ranges[store->extents.count - 1].end > held) {
        held = store->extents.ranges[store->extents.count - 1].end;
    }
    return size < held;
}

/* ---- writing */

void rotor_store_begin_flush(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    while (store->flushing || store->truncating > 0) {
        (void)rotor_condition_wait(&store->changed, &store->mutex, UINT64_MAX);
    }
    store->flushing = true;
    pthread_mutex_unlock(&store->mutex);
}

void rotor_store_end_flush(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    store->flushing = false;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->mutex);
}

rotor_status rotor_store_rotate(rotor_store *store, rotor_error *error) {
    uint64_t before = store->log.end + ROTOR_LOG_HEADER_BYTES; /* with the end frame */
    rotor_status status = rotor_log_rotate(&store->log, error);
    if (status == ROTOR_OK) {
        pthread_mutex_lock(&store->mutex);
        store->log_bytes += before;
        store->segment_end = store->log.end;
        pthread_mutex_unlock(&store->mutex);
    }
    return status;
}

/* Tells the log of the truncation that waits for it. */
static rotor_status write_cut(rotor_store *store, rotor_error *error) {
    rotor_status status = rotor_log_truncate(&store->log, store->cut_size, error);
    if (status != ROTOR_OK) {
        return status;
    }
    bool barrier = rotor_store_needs_barrier(store, store->cut_size);
    if (barrier) {
        /* The commit that lowers the committed size needs a segment that begins at it. */
        status = rotor_store_rotate(store, error);
        if (status != ROTOR_OK) {
            return status;
        }
        /* Files that get another name meanwhile must be opened anew to be noticed. */
        rotor_level_files_close(&store->leaf_files);
    }
    pthread_mutex_lock(&store->mutex);
    rotor_extents_cut(&store->extents, store->cut_size);
    if (barrier) {
        store->barrier = true;
        store->barrier_size = store->cut_size;
        store->barrier_segment = store->log.segment;
        store->barrier_sequence = store->log.sequence;
        store->barrier_log_bytes = store->log_bytes;
    }
    store->cut_pending = false;
    pthread_mutex_unlock(&store->mutex);
    return ROTOR_OK;
}

/* Writes leaves straight into the level files and only their range and checksum into the log: 32 bytes a leaf instead
 * of 64. */
static rotor_status write_extent(rotor_store *store, uint64_t first, uint64_t count, const uint8_t *leaves,
                                 rotor_error *error) {
    rotor_status status = rotor_level_files_write(&store->leaf_files, 0, first, count, leaves, error);
    if (status == ROTOR_OK) {
        status = rotor_log_extent(&store->log, leaves, count, error);
    }
    return status;
}

static rotor_status write_leaves(rotor_store *store, uint64_t size, rotor_error *error) {
    uint64_t first = store->logged;
    bool extent = size - first >= store->extent_leaves && !store->barrier;
    if (extent) {
        pthread_mutex_lock(&store->mutex);
        extent = rotor_extents_add(&store->extents, first, size);
        pthread_mutex_unlock(&store->mutex);
    }
    rotor_status status = ROTOR_OK;
    while (status == ROTOR_OK && first < size) {
        uint64_t most = size - first < ROTOR_LOG_MOST_LEAVES ? size - first : ROTOR_LOG_MOST_LEAVES;
        uint64_t run;
        const uint8_t *leaves = rotor_level_run(store->tree->levels[0], first, most, &run);
        status =
            extent ? write_extent(store, first, run, leaves, error) : rotor_log_leaves(&store->log, leaves, run, error);
        first += run;
    }
    if (status == ROTOR_OK && extent) {
        status = rotor_level_files_sync(&store->leaf_files, error);
    }
    return status;
}

static rotor_status write_all(rotor_store *store, uint64_t size, rotor_error *error) {
    rotor_status status = ROTOR_OK;
    if (store->cut_pending) {
        status = write_cut(store, error);
    }
    if (status == ROTOR_OK) {
        status = write_leaves(store, size, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_log_sync(&store->log, error);
    }
    if (status == ROTOR_OK && store->log.end >= store->segment_bytes) {
        status = rotor_store_rotate(store, error);
    }
    return status;
}

rotor_status rotor_store_write_pending(rotor_store *store) {
    if (atomic_load_explicit(&store->failed, memory_order_acquire)) {
        return ROTOR_FAILED;
    }
    /* No truncation runs meanwhile, so the epoch stands still and the size only grows. */
    rotor_token moment = {
        .epoch = atomic_load_explicit(&store->tree->published.epoch, memory_order_acquire),
        .size = atomic_load_explicit(&store->tree->accepted, memory_order_acquire),
    };
    rotor_error error = {.status = ROTOR_OK};
    rotor_status status = write_all(store, moment.size, &error);
    if (status != ROTOR_OK) {
        if (error.status == ROTOR_OK) {
            (void)rotor_fail(&error, status, 0, "writing the log of %s: %s", store->directory.path,
                             rotor_status_message(status));
        }
        rotor_store_fail(store, &error);
        return ROTOR_FAILED;
    }
    pthread_mutex_lock(&store->mutex);
    store->logged = moment.size;
    store->durable = moment;
    store->segment_end = store->log.end;
    pthread_mutex_unlock(&store->mutex);
    return ROTOR_OK;
}

/* ---- waiting */

rotor_status rotor_store_flush(rotor_store *store) {
    if (store->read_only) {
        return ROTOR_READ_ONLY;
    }
    rotor_store_begin_flush(store);
    rotor_status status = rotor_store_write_pending(store);
    rotor_store_end_flush(store);
    return status;
}

static bool is_durable(const rotor_store *store, const rotor_token *token) {
    return rotor_token_order(token, &store->durable) <= 0;
}

rotor_status rotor_store_token_status(rotor_store *store, const rotor_token *token) {
    if (store->read_only) {
        return ROTOR_OK;
    }
    pthread_mutex_lock(&store->mutex);
    rotor_status status = is_durable(store, token)      ? ROTOR_OK
                          : atomic_load(&store->failed) ? ROTOR_FAILED
                                                        : ROTOR_PENDING;
    pthread_mutex_unlock(&store->mutex);
    return status;
}

/* Writes for all who wait, or waits for whoever does. Under the mutex. */
static void lead_or_follow(rotor_store *store) {
    if (store->flushing || store->truncating > 0) {
        (void)rotor_condition_wait(&store->changed, &store->mutex, UINT64_MAX);
        return;
    }
    store->flushing = true;
    pthread_mutex_unlock(&store->mutex);
    (void)rotor_store_write_pending(store); /* the store remembers a failure */
    pthread_mutex_lock(&store->mutex);
    store->flushing = false;
    pthread_cond_broadcast(&store->changed);
}

rotor_status rotor_store_wait(rotor_store *store, const rotor_token *token, uint64_t timeout_ms) {
    if (store->read_only) {
        return ROTOR_OK;
    }
    bool leads = timeout_ms == ROTOR_FOREVER || !store->flusher_runs;
    uint64_t deadline = leads ? UINT64_MAX : rotor_deadline_ns(timeout_ms);
    rotor_status status = ROTOR_PENDING;
    pthread_mutex_lock(&store->mutex);
    bool waits = !leads && !is_durable(store, token);
    if (waits) {
        atomic_fetch_add(&store->timed_waiters, 1);
        rotor_bell_ring(&store->flusher_bell);
    }
    while (status == ROTOR_PENDING) {
        if (is_durable(store, token)) {
            status = ROTOR_OK;
        } else if (atomic_load(&store->failed)) {
            status = ROTOR_FAILED;
        } else if (leads) {
            lead_or_follow(store);
        } else if (!rotor_condition_wait(&store->changed, &store->mutex, deadline)) {
            status = is_durable(store, token) ? ROTOR_OK : ROTOR_TIMED_OUT;
        }
    }
    if (waits) {
        atomic_fetch_sub(&store->timed_waiters, 1);
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

rotor_status rotor_store_truncate(rotor_store *store, rotor_token *token, uint64_t size) {
    pthread_mutex_lock(&store->mutex);
    store->truncating++;
    while (store->flushing || store->copying) {
        (void)rotor_condition_wait(&store->changed, &store->mutex, UINT64_MAX);
    }
    rotor_status status = rotor_tree_truncate(store->tree, token, size);
    if (status == ROTOR_OK && size < store->logged) {
        store->cut_pending = true;
        store->cut_size = size; /* below an earlier one, at which `logged` stands since */
        store->logged = size;
    }
    store->truncating--;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->mutex);
    if (status == ROTOR_OK && store->flusher_runs) {
        rotor_bell_ring(&store->flusher_bell);
    }
    return status;
}

/* ---- the background thread */

static void ring_flusher(void *context) {
    rotor_store *store = context;
    rotor_bell_ring(&store->flusher_bell);
}

/* Whether there is nothing to write and the next append or truncation will ring. */
static bool is_idle(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    rotor_token durable = store->durable;
    bool idle = !store->cut_pending;
    pthread_mutex_unlock(&store->mutex);
    return idle && durable.epoch == atomic_load(&store->tree->published.epoch) &&
           rotor_tree_notify(store->tree, durable.size, ring_flusher, store);
}

void *rotor_store_flusher(void *argument) {
    rotor_store *store = argument;
    while (!atomic_load(&store->ending) && !atomic_load(&store->failed)) {
        if (is_idle(store)) {
            (void)rotor_bell_wait(&store->flusher_bell, UINT64_MAX);
        }
        uint64_t deadline = rotor_deadline_ns(store->options.flush_interval_ms);
        while (!atomic_load(&store->ending) && atomic_load(&store->timed_waiters) == 0 &&
               rotor_bell_wait(&store->flusher_bell, deadline)) {
            /* rung for something that can wait */
        }
        if (!atomic_load(&store->ending)) {
            (void)rotor_store_flush(store);
        }
    }
    return NULL;
}
