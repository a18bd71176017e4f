/* The life of a store: opening it with its threads, failing, being asked, closing. Must not know formats. */
#include "store/store.h"

#include "base/cpu.h"
#include "base/error.h"
#include "store/open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SEGMENT_BYTES ((uint64_t)64 << 20)
/* From here on a flush costs less by writing 32 bytes a leaf with two syncs than 64 with one. */
#define DEFAULT_EXTENT_LEAVES 4096
/* Inserts wait when this many times what makes a checkpoint due has come together. */
#define MOST_DUE 4
/* So many waiting callers a processor keep it busy while one of them syncs: they step back before they sleep. */
#define MANY_WAITERS 12
/* Flights that take longer are slept through: stepping back would only keep the processors busy. */
#define SHORT_FLIGHT_NS 250000
/* How often opening read-only starts over because the writer has committed meanwhile. */
#define MOST_TRIES 64

static bool init_locks(rotor_store *store) {
    if (pthread_mutex_init(&store->mutex, NULL) != 0) {
        return false;
    }
    if (!rotor_condition_init(&store->changed)) {
        goto no_condition;
    }
    if (pthread_mutex_init(&store->checkpoint_turn, NULL) != 0) {
        goto no_turn;
    }
    if (rotor_shard_guard_init(&store->shard_guard, NULL) != ROTOR_OK) {
        goto no_guard;
    }
    if (!rotor_bell_init(&store->flusher_bell)) {
        goto no_flusher_bell;
    }
    if (!rotor_bell_init(&store->checkpointer_bell)) {
        goto no_checkpointer_bell;
    }
    return true;

no_checkpointer_bell:
    rotor_bell_destroy(&store->flusher_bell);
no_flusher_bell:
    rotor_shard_guard_destroy(&store->shard_guard);
no_guard:
    pthread_mutex_destroy(&store->checkpoint_turn);
no_turn:
    pthread_cond_destroy(&store->changed);
no_condition:
    pthread_mutex_destroy(&store->mutex);
    return false;
}

static rotor_store *create(const rotor_options *options, const rotor_store_setup *setup) {
    rotor_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return NULL;
    }
    if (!init_locks(store)) {
        free(store);
        return NULL;
    }
    store->options = *options;
    store->read_only = options->mode == ROTOR_OPEN_READ_ONLY;
    store->directory.handle = -1;
    store->lock_file = ROTOR_FILE_CLOSED;
    store->superblock_file = ROTOR_FILE_CLOSED;
    store->log.file = ROTOR_FILE_CLOSED;
    rotor_level_files_init(&store->leaf_files, &store->directory, ROTOR_MIN_SHARD_BITS);
    rotor_level_files_init(&store->checkpoint_files, &store->directory, ROTOR_MIN_SHARD_BITS);
    store->segment_bytes = setup->segment_bytes != 0 ? setup->segment_bytes : DEFAULT_SEGMENT_BYTES;
    store->many_waiters = MANY_WAITERS * rotor_cpu_count();
    store->short_flight_ns = SHORT_FLIGHT_NS;
    store->extent_leaves = setup->extent_leaves != 0 ? setup->extent_leaves : DEFAULT_EXTENT_LEAVES;
    return store;
}

/* Frees everything but the tree, writing nothing. The lock goes last. */
static void release(rotor_store *store) {
    rotor_log_close(&store->log);
    rotor_level_files_close(&store->leaf_files);
    rotor_level_files_close(&store->checkpoint_files);
    if (store->watched != NULL) {
        const rotor_os *os = store->directory.os;
        os->unmap(os->context, store->watched, ROTOR_SUPERBLOCK_BYTES);
    }
    rotor_file_close(&store->superblock_file);
    rotor_file_close(&store->lock_file);
    rotor_directory_close(&store->directory);
    free(store->extents.ranges);
    rotor_bell_destroy(&store->checkpointer_bell);
    rotor_bell_destroy(&store->flusher_bell);
    rotor_shard_guard_destroy(&store->shard_guard);
    pthread_mutex_destroy(&store->checkpoint_turn);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

static void destroy(rotor_store *store) {
    if (store->tree != NULL) {
        rotor_tree_destroy(store->tree);
    }
    release(store);
}

/* When checkpoints are due on their own, in leaves. */
static void set_due(rotor_store *store) {
    const rotor_options *options = &store->options;
    uint64_t by_leaves = options->checkpoint_leaves != 0 ? options->checkpoint_leaves : UINT64_MAX;
    uint64_t by_bytes = UINT64_MAX;
    store->most_leaves = UINT64_MAX;
    if (options->checkpoint_bytes != 0) {
        /* A leaf brings 1 / (arity - 1) inner nodes. */
        uint64_t leaf_units = options->checkpoint_bytes / ROTOR_HASH_BYTES;
        by_bytes = leaf_units - leaf_units / options->arity + 1;
        store->most_leaves = by_bytes < UINT64_MAX / MOST_DUE ? MOST_DUE * by_bytes : UINT64_MAX;
    }
    /* Truncations fill the log without leaving leaves. */
    store->due_log_bytes = UINT64_MAX;
    if (options->checkpoint_bytes != 0) {
        uint64_t least = 4 * ROTOR_LOG_LEAST_BYTES;
        store->due_log_bytes = options->checkpoint_bytes > least ? options->checkpoint_bytes : least;
    }
    store->due_leaves = by_leaves < by_bytes ? by_leaves : by_bytes;
}

/* Reading without a lock, the writer may commit, remove segments and overwrite extents while they are read: what then
 * looks like damage is gone in the next try. */
static bool has_moved(const rotor_store *store, const char *path, const rotor_os *os) {
    rotor_directory directory = {.handle = -1};
    rotor_file file = ROTOR_FILE_CLOSED;
    rotor_superblock now = {.generation = 0};
    uint32_t damaged_slots;
    rotor_status status = rotor_directory_open(&directory, os, path, store->options.file_mode, NULL);
    if (status == ROTOR_OK) {
        status = rotor_file_open(&file, &directory, ROTOR_SUPERBLOCK_NAME, ROTOR_OS_READ, NULL);
    }
    if (status == ROTOR_OK) {
        status = rotor_superblock_read(&now, &damaged_slots, &file, NULL);
    }
    rotor_file_close(&file);
    rotor_directory_close(&directory);
    return status == ROTOR_OK && now.generation != store->superblock.generation;
}

static rotor_status start_threads(rotor_store *store, rotor_error *error) {
    const rotor_options *options = &store->options;
    if (store->read_only) {
        rotor_tree_refuse(store->tree, ROTOR_READ_ONLY);
        return ROTOR_OK;
    }
    bool wants_flusher = options->flush_interval_ms != ROTOR_MANUAL;
    store->flusher_runs = wants_flusher && rotor_thread_start(&store->flusher, rotor_store_flusher, store);
    bool started = store->flusher_runs == wants_flusher;
    if (started && store->due_leaves != UINT64_MAX) {
        store->checkpointer_runs = rotor_thread_start(&store->checkpointer, rotor_store_checkpointer, store);
        started = store->checkpointer_runs;
    }
    return started ? ROTOR_OK
                   : rotor_fail(error, ROTOR_OUT_OF_MEMORY, EAGAIN, "no thread could be started for the tree in %s",
                                store->directory.path);
}

static void end_threads(rotor_store *store) {
    atomic_store(&store->ending, true);
    if (store->flusher_runs) {
        rotor_bell_ring(&store->flusher_bell);
        (void)pthread_join(store->flusher, NULL);
        store->flusher_runs = false;
    }
    if (store->checkpointer_runs) {
        rotor_bell_ring(&store->checkpointer_bell);
        (void)pthread_join(store->checkpointer, NULL);
        store->checkpointer_runs = false;
    }
}

/* A write that was refused for want of space leaves what was written before as it is, and still to be synced. */
static bool leaves_no_doubt(rotor_store *store, int os_errno) {
    return !atomic_load(&store->directory.sync_failed) &&
           (os_errno == ENOSPC || os_errno == EDQUOT || os_errno == EFBIG);
}

/* For the next open (docs/durability.md, R11). That this takes no space and need not be durable is the point: it has to
 * outlive the process as long as the system's memory does. */
static void mark_distrust(rotor_store *store, const rotor_error *failure) {
    bool doubt = failure == NULL || !leaves_no_doubt(store, failure->os_errno);
    if (doubt && !store->read_only && store->lock_file.handle >= 0) {
        (void)rotor_file_truncate(&store->lock_file, 1, NULL);
    }
}

rotor_status rotor_store_open(rotor_tree **tree, const char *path, const rotor_options *options,
                              const rotor_hasher *hasher, const rotor_store_setup *setup, rotor_error *error) {
    const rotor_store_setup none = {0};
    setup = setup != NULL ? setup : &none;
    const rotor_os *os = setup->os != NULL ? setup->os : rotor_os_system();
    for (int tries = 1;; tries++) {
        rotor_store *store = create(options, setup);
        if (store == NULL) {
            return rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory to open %s", path);
        }
        rotor_status status = rotor_store_load(store, path, hasher, setup, error);
        if (status == ROTOR_OK) {
            set_due(store);
            store->tree->store = store;
            status = start_threads(store, error);
        }
        if (status == ROTOR_OK) {
            *tree = store->tree;
            return ROTOR_OK;
        }
        if (status == ROTOR_IO) {
            mark_distrust(store, error);
        }
        bool again = store->read_only && tries < MOST_TRIES && has_moved(store, path, os);
        end_threads(store);
        destroy(store);
        if (!again) {
            return status;
        }
    }
}

void rotor_store_fail(rotor_store *store, const rotor_error *error) {
    pthread_mutex_lock(&store->mutex);
    /* First, so that nobody who has been told of the failure can still change the tree. */
    rotor_tree_refuse(store->tree, ROTOR_FAILED);
    mark_distrust(store, error); /* later failures may give reason to, where the first did not */
    if (!atomic_load(&store->failed)) {
        store->failure = *error;
        store->failure.status = ROTOR_FAILED;
        atomic_store_explicit(&store->failed, true, memory_order_release);
    }
    rotor_store_wake_all(store);
    pthread_mutex_unlock(&store->mutex);
}

rotor_status rotor_store_failure(rotor_store *store, rotor_error *error) {
    pthread_mutex_lock(&store->mutex);
    rotor_status status = atomic_load(&store->failed) ? ROTOR_FAILED : ROTOR_OK;
    if (status != ROTOR_OK && error != NULL) {
        *error = store->failure;
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

void rotor_store_statistics(rotor_store *store, rotor_statistics *statistics) {
    pthread_mutex_lock(&store->mutex);
    statistics->durable_size = store->durable.size;
    statistics->checkpointed_size = store->superblock.size;
    statistics->generation = store->superblock.generation;
    pthread_mutex_unlock(&store->mutex);
    statistics->log_bytes = atomic_load(&store->log_pending);
    uint64_t nodes = statistics->checkpointed_size;
    while (nodes > 0) {
        statistics->level_bytes += nodes * ROTOR_HASH_BYTES;
        nodes /= store->options.arity;
    }
    statistics->mapped_bytes = rotor_tree_filed_bytes(store->tree);
    statistics->syncs = atomic_load(&store->directory.syncs);
    statistics->written_bytes = atomic_load(&store->directory.written_bytes);
    statistics->recovered_leaves = store->recovered_leaves;
    statistics->torn_bytes = store->torn_bytes;
    statistics->damaged_slots = store->damaged_slots;
}

/* Tells the next open how far the log must reach, so that it can tell a shortened log from a whole one. */
static rotor_status mark_end(rotor_store *store, rotor_error *error) {
    if (store->superblock.log_end == store->log.sequence) {
        return ROTOR_OK;
    }
    rotor_superblock superblock = store->superblock;
    superblock.log_end = store->log.sequence;
    return rotor_superblock_commit(&superblock, &store->superblock_file, error);
}

static rotor_status finish(rotor_store *store, rotor_error *error) {
    if (store->read_only) {
        return ROTOR_OK;
    }
    rotor_status status = rotor_store_flush(store);
    if (status == ROTOR_OK && store->options.checkpoint_on_close) {
        status = rotor_store_checkpoint(store);
    }
    if (status == ROTOR_OK) {
        status = mark_end(store, error);
        if (status != ROTOR_OK) {
            mark_distrust(store, error);
        }
        return status;
    }
    if (status != ROTOR_FAILED) {
        return rotor_fail(error, status, 0, "closing %s: %s", store->directory.path, rotor_status_message(status));
    }
    return rotor_store_failure(store, error);
}

rotor_status rotor_store_close(rotor_store *store, rotor_error *error) {
    end_threads(store);
    rotor_status status = finish(store, error);
    release(store);
    return status;
}
