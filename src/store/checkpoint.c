/* From durable to checkpointed: complete nodes into the level files, the superblock that names them, and the exchange
 * of memory for pages of the files. Must not know how frames look. */
#include "base/error.h"
#include "base/vm.h"
#include "store/store.h"

#include <errno.h>
#include <string.h>

/* Nodes written, or mapped while inserts wait, between two looks at whether a truncation waits. */
#define COPY_NODES ((uint64_t)32 << 10)
#define MAP_NODES ((uint64_t)256 << 10)
/* A checkpoint gives way to truncations so many times; then they wait for it. It begins anew each time, and would never
 * end where they come more often than it takes. */
#define MOST_INTERRUPTIONS 3
/* Between two tries of a checkpoint for which there was no memory. */
#define RETRY_MS 100

/* What is committed next. */
typedef struct commit_target {
    uint64_t size;
    uint64_t segment;
    uint64_t sequence;
    uint64_t log_bytes; /* before that segment */
    bool cut;           /* less than what is committed, or than what level 0 holds */
} commit_target;

static bool is_interrupted(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    bool interrupted = store->cuts_waiting > 0 || atomic_load(&store->failed);
    pthread_mutex_unlock(&store->mutex);
    return interrupted;
}

static bool gives_up(rotor_store *store) {
    return (store->interruptions < MOST_INTERRUPTIONS || atomic_load(&store->failed)) && is_interrupted(store);
}

/* ---- writing */

static rotor_status write_nodes(rotor_store *store, uint32_t level, uint64_t first, uint64_t end, rotor_error *error) {
    rotor_status status = ROTOR_OK;
    while (status == ROTOR_OK && first < end) {
        uint64_t most = end - first < COPY_NODES ? end - first : COPY_NODES;
        uint64_t run;
        const uint8_t *nodes = rotor_level_run(store->tree->levels[level], first, most, &run);
        status = rotor_level_files_write(&store->checkpoint_files, level, first, run, nodes, error);
        first += run;
        if (status == ROTOR_OK && gives_up(store)) {
            status = ROTOR_STALE;
        }
    }
    return status;
}

/* The leaves first..end-1 but for those that level 0 holds by extents: these are durable, and a write over them, even
 * of the same bytes, could tear them. */
static rotor_status write_leaves(rotor_store *store, uint64_t first, uint64_t end, rotor_error *error) {
    rotor_status status = ROTOR_OK;
    while (status == ROTOR_OK && first < end) {
        uint64_t gap_end = end;
        uint64_t next = end;
        pthread_mutex_lock(&store->mutex);
        for (size_t i = 0; i < store->extents.count; i++) {
            if (store->extents.ranges[i].end > first && store->extents.ranges[i].first < end) {
                gap_end = store->extents.ranges[i].first > first ? store->extents.ranges[i].first : first;
                next = store->extents.ranges[i].end;
                break;
            }
        }
        pthread_mutex_unlock(&store->mutex);
        status = write_nodes(store, 0, first, gap_end, error);
        first = next;
    }
    return status;
}

static rotor_status write_levels(rotor_store *store, uint64_t size, rotor_error *error) {
    rotor_radix radix = store->tree->radix;
    uint64_t first = store->superblock.size < size ? store->superblock.size : size;
    uint64_t end = size;
    rotor_status status = write_leaves(store, first, end, error);
    for (uint32_t level = 1; status == ROTOR_OK && end >= radix.n; level++) {
        first = rotor_radix_div(radix, first);
        end = rotor_radix_div(radix, end);
        status = write_nodes(store, level, first, end, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_level_files_sync(&store->checkpoint_files, error);
    }
    return status;
}

/* ---- mapping */

/* Maps whole pages of a level, shard by shard. */
typedef struct mapper {
    rotor_store *store;
    uint32_t level;
    rotor_error *error;
} mapper;

static rotor_status map_pages(void *context, void *address, size_t bytes, uint64_t offset) {
    const mapper *to = context;
    uint64_t shard_bytes = (uint64_t)ROTOR_HASH_BYTES << to->store->superblock.shard_bits;
    uint8_t *target = address;
    while (bytes > 0) {
        uint64_t shard = offset / shard_bytes;
        uint64_t within = offset % shard_bytes;
        size_t piece = shard_bytes - within < bytes ? (size_t)(shard_bytes - within) : bytes;
        rotor_file file = ROTOR_FILE_CLOSED;
        rotor_status status = rotor_level_files_open_shard(&file, &to->store->directory, to->level, shard,
                                                           (within + piece) / ROTOR_HASH_BYTES, to->error);
        if (status != ROTOR_OK) {
            return status;
        }
        const rotor_os *os = to->store->directory.os;
        int result = os->map(os->context, file.handle, target, piece, within);
        if (result < 0) {
            status = rotor_file_fail(&to->store->directory, file.name, "mmap", result, to->error);
        }
        rotor_file_close(&file);
        if (status != ROTOR_OK) {
            return status;
        }
        target += piece;
        offset += piece;
        bytes -= piece;
    }
    return ROTOR_OK;
}

/* What was in memory is at hand right after a checkpoint, and a first read need not wait for a fault. (What an open
 * maps is read when it is wanted.) */
static void make_present(const rotor_level *level, uint64_t first, uint64_t end) {
    size_t page = rotor_vm_page_bytes();
    while (first < end) {
        uint64_t run;
        uint8_t *nodes = rotor_level_run(level, first, end - first, &run);
        size_t skew = (uintptr_t)nodes % page;
        rotor_vm_populate_read(nodes - skew, (skew + (size_t)run * ROTOR_HASH_BYTES) / page * page);
        first += run;
    }
}

rotor_status rotor_store_map_committed(rotor_store *store, bool fresh, rotor_error *error) {
    uint64_t step = fresh ? MAP_NODES : UINT64_MAX;
    uint64_t nodes = store->superblock.size;
    rotor_status status = ROTOR_OK;
    for (uint32_t level = 0; level < store->mapped_below && nodes > 0; level++) {
        mapper to = {.store = store, .level = level, .error = error};
        uint64_t before = rotor_level_filed_bytes(store->tree->levels[level]) / ROTOR_HASH_BYTES;
        uint64_t mapped = before;
        while (status == ROTOR_OK && mapped < nodes) {
            mapped = nodes - mapped < step ? nodes : mapped + step;
            status = rotor_tree_map(store->tree, level, mapped, map_pages, &to);
            if (status == ROTOR_OK && is_interrupted(store)) {
                return ROTOR_OK; /* the next checkpoint goes on */
            }
        }
        if (status == ROTOR_OK && fresh) {
            make_present(store->tree->levels[level], before, mapped);
        }
        nodes = rotor_radix_div(store->tree->radix, nodes);
    }
    return status;
}

/* ---- committing */

static rotor_status root_at(rotor_store *store, uint64_t size, rotor_hash *root) {
    memset(root, 0, sizeof *root);
    rotor_snapshot snapshot;
    rotor_status status = rotor_snapshot_take(store->tree, &snapshot); /* hashes what waits for its parents */
    if (status == ROTOR_OK) {
        status = rotor_snapshot_at(&snapshot, &snapshot, size);
    }
    if (status == ROTOR_OK && size > 0) {
        *root = snapshot.edge[snapshot.depth];
    }
    return status;
}

static rotor_status remove_segments(rotor_store *store, rotor_error *error) {
    rotor_status status = ROTOR_OK;
    while (status == ROTOR_OK && store->oldest_segment < store->superblock.log_segment) {
        status = rotor_log_retire_segment(&store->log, store->oldest_segment, error);
        store->oldest_segment++;
    }
    return status;
}

static rotor_status commit(rotor_store *store, const commit_target *next, rotor_error *error) {
    rotor_superblock superblock = store->superblock;
    rotor_status status = root_at(store, next->size, &superblock.root);
    if (status == ROTOR_OK) {
        status = write_levels(store, next->size, error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    superblock.size = next->size;
    superblock.cuts += next->cut ? 1 : 0;
    superblock.log_segment = next->segment;
    superblock.log_sequence = next->sequence;
    superblock.log_end = next->sequence;
    status = rotor_superblock_commit(&superblock, &store->superblock_file, error);
    if (status != ROTOR_OK) {
        return status;
    }
    pthread_mutex_lock(&store->mutex);
    store->superblock = superblock;
    rotor_extents_drop(&store->extents, next->size);
    if (next->cut) {
        store->barrier = false;
    }
    store->log_bytes_committed = next->log_bytes;
    rotor_store_count_log(store);
    atomic_store_explicit(&store->committed, next->size, memory_order_release);
    atomic_store_explicit(&store->generation, superblock.generation, memory_order_relaxed);
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->mutex);
    if (next->cut) {
        /* Files that have got another name since they were opened must be noticed. */
        rotor_level_files_close(&store->checkpoint_files);
    }
    return remove_segments(store, error);
}

/* Lets truncations that wait go first. False when there was none. Under the store's mutex. */
static bool await_cuts(rotor_store *store) {
    bool waited = false;
    while (store->cuts_waiting > 0) {
        (void)rotor_condition_wait(&store->changed, &store->mutex, UINT64_MAX);
        waited = true;
    }
    return waited;
}

/* Flushes, and makes the log begin a segment at what is then durable, unless there is nothing to commit. */
static rotor_status begin_copying(rotor_store *store, commit_target *next, bool *nothing) {
    pthread_mutex_lock(&store->mutex);
    do {
        rotor_store_await_flush(store);
    } while (await_cuts(store));
    store->flushing = true;
    store->copying = true;
    pthread_mutex_unlock(&store->mutex);

    uint64_t size = atomic_load_explicit(&store->tree->accepted, memory_order_acquire);
    bool log_is_empty =
        store->log.segment == store->superblock.log_segment && store->log.sequence == store->superblock.log_sequence;
    *nothing = size == store->superblock.size && store->logged == size && !store->cut_pending && !store->barrier &&
               !store->distrust && log_is_empty;
    rotor_status status = rotor_store_write_pending(store, !*nothing);
    *next = (commit_target){.size = store->logged,
                            .segment = store->log.segment,
                            .sequence = store->log.sequence,
                            .log_bytes = store->log_bytes};
    rotor_store_end_flush(store);
    return status;
}

static void end_copying(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    store->copying = false;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->mutex);
}

/* One try; ROTOR_STALE when a truncation came in between. */
static rotor_status checkpoint_once(rotor_store *store, rotor_error *error) {
    commit_target next;
    bool nothing = false;
    rotor_status status = begin_copying(store, &next, &nothing);
    if (status == ROTOR_OK && store->barrier) {
        commit_target lower = {.size = store->barrier_size,
                               .segment = store->barrier_segment,
                               .sequence = store->barrier_sequence,
                               .log_bytes = store->barrier_log_bytes,
                               .cut = true};
        status = commit(store, &lower, error);
        nothing = next.size == lower.size && next.segment == lower.segment;
    }
    if (status == ROTOR_OK && !nothing) {
        status = commit(store, &next, error);
    }
    if (status == ROTOR_OK && !nothing) {
        /* What cannot be mapped stays in memory until the next checkpoint: nothing that was written is at risk. */
        (void)rotor_store_map_committed(store, true, NULL);
    }
    uint64_t committed = atomic_load_explicit(&store->committed, memory_order_relaxed);
    atomic_store_explicit(&store->released, committed, memory_order_relaxed);
    end_copying(store);
    return status;
}

static rotor_status checkpoint(rotor_store *store) {
    rotor_error error = {.status = ROTOR_OK};
    rotor_status status;
    store->interruptions = 0;
    do {
        status = checkpoint_once(store, &error);
        if (status == ROTOR_STALE && atomic_load(&store->failed)) {
            status = ROTOR_FAILED;
        }
        store->interruptions += status == ROTOR_STALE ? 1 : 0;
    } while (status == ROTOR_STALE);
    if (status == ROTOR_OUT_OF_MEMORY || status == ROTOR_OK || status == ROTOR_FAILED) {
        return status; /* nothing was lost for want of memory: the next checkpoint does it */
    }
    if (error.status == ROTOR_OK) {
        (void)rotor_fail(&error, status, 0, "checkpoint of %s: %s", store->directory.path,
                         rotor_status_message(status));
    }
    rotor_store_fail(store, &error);
    return ROTOR_FAILED;
}

rotor_status rotor_store_checkpoint(rotor_store *store) {
    if (store->read_only) {
        return ROTOR_READ_ONLY;
    }
    pthread_mutex_lock(&store->checkpoint_turn);
    rotor_status status = checkpoint(store);
    pthread_mutex_unlock(&store->checkpoint_turn);
    return status;
}

rotor_status rotor_store_freeze(rotor_store *store, rotor_superblock *superblock, rotor_error *error) {
    pthread_mutex_lock(&store->checkpoint_turn);
    rotor_status status = checkpoint(store);
    if (status != ROTOR_OK) {
        pthread_mutex_unlock(&store->checkpoint_turn);
        rotor_error failure = {.status = status};
        (void)rotor_store_failure(store, &failure);
        return rotor_fail(error, status, failure.os_errno, "%s",
                          status == ROTOR_FAILED ? failure.message : rotor_status_message(status));
    }
    *superblock = store->superblock;
    return ROTOR_OK;
}

void rotor_store_thaw(rotor_store *store) {
    pthread_mutex_unlock(&store->checkpoint_turn);
}

/* ---- in the background */

static uint64_t leaves_beyond(const rotor_store *store, const _Atomic uint64_t *count) {
    uint64_t size = atomic_load_explicit(&store->tree->accepted, memory_order_relaxed);
    uint64_t below = atomic_load_explicit(count, memory_order_relaxed);
    return size > below ? size - below : 0;
}

/* Whether inserts have to wait: what is committed takes memory until its files are mapped over it. */
static bool holds_too_much(const rotor_store *store) {
    return leaves_beyond(store, &store->released) >= store->most_leaves;
}

void rotor_store_appended(rotor_store *store) {
    if (store->read_only || (leaves_beyond(store, &store->committed) < store->due_leaves &&
                             atomic_load_explicit(&store->log_pending, memory_order_relaxed) < store->due_log_bytes)) {
        return;
    }
    uint64_t done = atomic_load(&store->checkpoints_done);
    /* One request at a time is enough. */
    if (atomic_compare_exchange_strong(&store->checkpoints_wanted, &done, done + 1)) {
        rotor_bell_ring(&store->checkpointer_bell);
    }
}

rotor_status rotor_store_before_append(rotor_store *store) {
    if (store->read_only || !holds_too_much(store)) {
        return ROTOR_OK; /* the tree itself refuses what may not be */
    }
    rotor_status status = ROTOR_OK;
    uint64_t done = atomic_load(&store->checkpoints_done);
    rotor_store_appended(store);
    pthread_mutex_lock(&store->mutex);
    while (status == ROTOR_OK && holds_too_much(store) && !atomic_load(&store->failed)) {
        if (atomic_load(&store->checkpoints_done) != done) {
            /* One has ended and has not helped. */
            done = atomic_load(&store->checkpoints_done);
            status = store->checkpoint_status;
        }
        if (status == ROTOR_OK) {
            (void)rotor_condition_wait(&store->changed, &store->mutex, rotor_deadline_ns(100));
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

rotor_status rotor_store_checkpoint_start(rotor_store *store) {
    if (store->read_only) {
        return ROTOR_READ_ONLY;
    }
    if (atomic_load(&store->failed)) {
        return ROTOR_FAILED;
    }
    pthread_mutex_lock(&store->mutex);
    if (!store->checkpointer_runs) {
        store->checkpointer_runs = rotor_thread_start(&store->checkpointer, rotor_store_checkpointer, store);
    }
    bool runs = store->checkpointer_runs;
    pthread_mutex_unlock(&store->mutex);
    if (!runs) {
        return ROTOR_OUT_OF_MEMORY;
    }
    atomic_fetch_add(&store->checkpoints_wanted, 1);
    rotor_bell_ring(&store->checkpointer_bell);
    return ROTOR_OK;
}

rotor_status rotor_store_checkpoint_wait(rotor_store *store, uint64_t timeout_ms) {
    if (store->read_only) {
        return ROTOR_READ_ONLY;
    }
    uint64_t wanted = atomic_load(&store->checkpoints_wanted);
    uint64_t deadline = timeout_ms == ROTOR_FOREVER ? UINT64_MAX : rotor_deadline_ns(timeout_ms);
    rotor_status status = ROTOR_OK;
    pthread_mutex_lock(&store->mutex);
    while (status == ROTOR_OK && atomic_load(&store->checkpoints_done) < wanted) {
        if (atomic_load(&store->failed)) {
            status = ROTOR_FAILED;
        } else if (!rotor_condition_wait(&store->changed, &store->mutex, deadline) &&
                   atomic_load(&store->checkpoints_done) < wanted) {
            status = ROTOR_TIMED_OUT;
        }
    }
    if (status == ROTOR_OK && wanted > 0) {
        status = store->checkpoint_status;
    }
    /* Also when the failure came before a checkpoint was asked for, and so none was begun. */
    if (status == ROTOR_OK && atomic_load(&store->failed)) {
        status = ROTOR_FAILED;
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

void *rotor_store_checkpointer(void *argument) {
    rotor_store *store = argument;
    for (;;) {
        if (atomic_load(&store->checkpoints_wanted) == atomic_load(&store->checkpoints_done)) {
            (void)rotor_bell_wait(&store->checkpointer_bell, UINT64_MAX);
        }
        if (atomic_load(&store->ending) || atomic_load(&store->failed)) {
            return NULL;
        }
        uint64_t wanted = atomic_load(&store->checkpoints_wanted);
        rotor_status status = rotor_store_checkpoint(store);
        if (status == ROTOR_OUT_OF_MEMORY && !atomic_load(&store->ending)) {
            (void)rotor_bell_wait(&store->checkpointer_bell, rotor_deadline_ns(RETRY_MS));
        }
        pthread_mutex_lock(&store->mutex);
        store->checkpoint_status = status;
        atomic_store(&store->checkpoints_done, wanted);
        pthread_cond_broadcast(&store->changed);
        pthread_mutex_unlock(&store->mutex);
        rotor_store_appended(store); /* due again meanwhile */
    }
}
