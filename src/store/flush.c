/* From accepted to durable: writing what the tree has accepted to the log, once for all who wait. Must not know the
 * superblock's bytes nor how a checkpoint works. */
#include "base/error.h"
#include "store/store.h"

#include <stdlib.h>

/* A flight that took longer than the last ones lengthens what is held to be usual by one part in so many of that: it
 * may be the only one, as it wrote zeros ahead. */
#define FLIGHT_WEIGHT 16

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

void rotor_store_wake_all(rotor_store *store) {
    pthread_cond_broadcast(&store->changed);
    for (int parity = 0; parity < 2; parity++) {
        rotor_gate_open(&store->flights[parity]);
        rotor_gate_wake(&store->flights[parity]);
    }
}

void rotor_store_count_log(rotor_store *store) {
    uint64_t bytes = store->log_bytes - store->log_bytes_committed + store->segment_end;
    atomic_store_explicit(&store->log_pending, bytes, memory_order_relaxed);
}

void rotor_store_set_durable(rotor_store *store, rotor_token moment) {
    store->durable = moment;
    atomic_store_explicit(&store->durable_size, moment.size, memory_order_release);
    atomic_store_explicit(&store->durable_epoch, moment.epoch, memory_order_release);
}

void rotor_store_await_flush(rotor_store *store) {
    store->claims++;
    while (store->flushing || store->truncating > 0) {
        (void)rotor_condition_wait(&store->changed, &store->mutex, UINT64_MAX);
    }
    store->claims--;
}

void rotor_store_begin_flush(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    rotor_store_await_flush(store);
    store->flushing = true;
    pthread_mutex_unlock(&store->mutex);
}

void rotor_store_end_flush(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    store->flushing = false;
    pthread_cond_broadcast(&store->changed);
    rotor_gate *present = &store->flights[store->flight & 1];
    rotor_gate *next = &store->flights[(store->flight + 1) & 1];
    rotor_gate_open(present);
    rotor_gate_open(next);
    pthread_mutex_unlock(&store->mutex);
    /* One of those who are not durable yet leads the next flight, and is woken first: its sync leaves the processors to
     * the others. */
    rotor_gate_wake_one(next);
    rotor_gate_wake(present);
}

rotor_status rotor_store_rotate(rotor_store *store, rotor_error *error) {
    uint64_t before = store->log.end + ROTOR_LOG_HEADER_BYTES; /* with the end frame */
    rotor_status status = rotor_log_rotate(&store->log, error);
    if (status == ROTOR_OK) {
        pthread_mutex_lock(&store->mutex);
        store->log_bytes += before;
        store->segment_end = store->log.end;
        rotor_store_count_log(store);
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
 * of 64. No frame is written before the leaves that it names are synced: whoever finds it, on the disk or in the
 * system's memory, need not doubt them (docs/durability.md, R2). */
static rotor_status write_extent(rotor_store *store, uint64_t first, uint64_t count, const uint8_t *leaves,
                                 rotor_error *error) {
    rotor_status status = rotor_level_files_write(&store->leaf_files, 0, first, count, leaves, error);
    if (status == ROTOR_OK && rotor_log_is_full(&store->log)) {
        status = rotor_level_files_sync(&store->leaf_files, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_log_extent(&store->log, leaves, count, error);
    }
    return status;
}

static rotor_status write_leaves(rotor_store *store, uint64_t size, rotor_error *error) {
    uint64_t first = store->logged;
    bool extent = size - first >= store->extent_leaves;
    if (extent) {
        pthread_mutex_lock(&store->mutex);
        extent = !store->barrier && rotor_extents_add(&store->extents, first, size);
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

static rotor_status write_all(rotor_store *store, uint64_t size, bool rotate, rotor_error *error) {
    rotor_status status = ROTOR_OK;
    if (store->cut_pending) {
        status = write_cut(store, error);
    }
    if (status == ROTOR_OK) {
        status = write_leaves(store, size, error);
    }
    if (status == ROTOR_OK && !rotate) {
        status = rotor_log_sync(&store->log, error);
    }
    /* One sync for the frames and the end of their segment. A segment without frames is as good as the next one. */
    bool fresh = store->log.end == ROTOR_LOG_HEADER_BYTES && store->log.buffered == 0;
    if (status == ROTOR_OK && !fresh && (rotate || store->log.end >= store->segment_bytes)) {
        status = rotor_store_rotate(store, error);
    }
    return status;
}

static void note_flight(rotor_store *store, uint64_t ns) {
    uint64_t usual = atomic_load_explicit(&store->flight_ns, memory_order_relaxed);
    usual = ns < usual ? ns : usual + (ns - usual) / FLIGHT_WEIGHT;
    atomic_store_explicit(&store->flight_ns, usual, memory_order_relaxed);
}

rotor_status rotor_store_write_pending(rotor_store *store, bool rotate) {
    if (atomic_load_explicit(&store->failed, memory_order_acquire)) {
        return ROTOR_FAILED;
    }
    /* First: whoever is counted as aboard has inserted before, and is. */
    store->boarded = atomic_load_explicit(&store->arrivals, memory_order_acquire);
    /* No truncation runs meanwhile, so the epoch stands still and the size only grows. */
    rotor_token moment = {
        .epoch = atomic_load_explicit(&store->tree->published.epoch, memory_order_acquire),
        .size = atomic_load_explicit(&store->tree->accepted, memory_order_acquire),
    };
    pthread_mutex_lock(&store->mutex);
    store->flight++;
    store->flight_moment = moment;
    pthread_mutex_unlock(&store->mutex);
    rotor_error error = {.status = ROTOR_OK};
    bool tells_how_long = store->cut_pending || store->logged < moment.size; /* others are over at once */
    uint64_t begin = rotor_now_ns();
    rotor_status status = write_all(store, moment.size, rotate, &error);
    if (tells_how_long) {
        note_flight(store, rotor_now_ns() - begin);
    }
    store->crowd = rotor_store_count_waiters(store);
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
    rotor_store_set_durable(store, moment);
    store->segment_end = store->log.end;
    rotor_store_count_log(store);
    pthread_mutex_unlock(&store->mutex);
    return ROTOR_OK;
}

/* ---- flushing and truncating */

rotor_status rotor_store_flush(rotor_store *store) {
    if (store->read_only) {
        return ROTOR_READ_ONLY;
    }
    rotor_store_begin_flush(store);
    rotor_status status = rotor_store_write_pending(store, false);
    rotor_store_end_flush(store);
    return status;
}

rotor_status rotor_store_truncate(rotor_store *store, rotor_token *token, uint64_t size) {
    pthread_mutex_lock(&store->mutex);
    /* A checkpoint may take long; leaves become durable meanwhile. */
    store->cuts_waiting++;
    while (store->copying) {
        (void)rotor_condition_wait(&store->changed, &store->mutex, UINT64_MAX);
    }
    store->cuts_waiting--;
    store->truncating++; /* from here on no checkpoint can begin either */
    while (store->flushing) {
        (void)rotor_condition_wait(&store->changed, &store->mutex, UINT64_MAX);
    }
    rotor_status status = rotor_tree_truncate(store->tree, token, size, true);
    if (status == ROTOR_OK && size < store->logged) {
        store->cut_pending = true;
        store->cut_size = size; /* below an earlier one, at which `logged` stands since */
        store->logged = size;
    }
    store->truncating--;
    rotor_store_wake_all(store);
    pthread_mutex_unlock(&store->mutex);
    if (status == ROTOR_OK && store->flusher_runs) {
        rotor_bell_ring(&store->flusher_bell);
    }
    rotor_store_appended(store); /* a log of truncations grows as well */
    return status;
}
