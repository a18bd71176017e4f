/* What makes a tree durable: the files beside it, the order in which they are written (docs/durability.md), and the two
 * threads that do so. Works on a rotor_tree through its inner functions; knows no proofs and no public arguments.
 *
 * Locks, in the order in which they may be taken: `checkpoint_turn`, `mutex`, the tree's `writer`. Inserts take only
 * the last, so they never wait for a disk.
 *
 * The phases that read the tree's memory or move the log hold a flag, not a mutex: `flushing` (one thread writes and
 * syncs the log, or has it handed over and is about to) and `copying` (the checkpoint reads nodes that a truncation
 * could replace, or maps them). A truncation waits until `copying` is not held; then `truncating` keeps both from being
 * taken, and it waits until `flushing` is not held either.
 */
#ifndef ROTOR_STORE_STORE_H
#define ROTOR_STORE_STORE_H

#include "base/gate.h"
#include "base/pause.h"
#include "base/thread.h"
#include "os/file.h"
#include "rotortree.h"
#include "store/level_files.h"
#include "store/log.h"
#include "store/superblock.h"
#include "tree/tree.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Leaves that the log names and level 0 holds already, above the committed size; ascending, merged. */
typedef struct rotor_extents {
    struct {
        uint64_t first;
        uint64_t end;
    } * ranges;
    size_t count;
    size_t capacity;
} rotor_extents;

/* Negative, 0 or positive as the moment a is before, at or after b. */
static inline int rotor_token_order(const rotor_token *a, const rotor_token *b) {
    if (a->epoch != b->epoch) {
        return a->epoch < b->epoch ? -1 : 1;
    }
    return a->size < b->size ? -1 : a->size > b->size;
}

typedef struct rotor_store {
    rotor_tree *tree;
    rotor_directory directory;
    rotor_file lock_file;
    rotor_file superblock_file;
    rotor_options options; /* filled in */
    bool read_only;
    bool distrust; /* a writer before has failed: what the system shows need not be on disk */

    /* Read-only: the writer's superblock, to see whether it has truncated. */
    const void *watched;

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* anything below, but for those who wait for a flight */
    _Atomic bool flushing;  /* changed under `mutex` only */
    bool copying;
    bool flusher_leads;       /* the background thread would go on for a caller that holds `flushing`, ... */
    _Atomic bool handed_over; /* ... and is to: changed under `mutex` only */
    uint32_t cuts_waiting;    /* truncations that wait for `copying` */
    uint32_t truncating;      /* those that keep the others from beginning: they wait for `flushing` or are under way */
    /* Flushes are numbered; those who wait for one wait apart from those who wait for the next: with one condition for
     * all, half of 64 callers were woken for nothing each time. */
    uint64_t flight;                /* the present one, or the last */
    rotor_token flight_moment;      /* what it makes durable */
    rotor_gate flights[2];          /* the end of an even one, of an odd one; opened under `mutex` */
    _Atomic uint64_t timed_waiters; /* for whom the background thread flushes at once */
    uint32_t claims;                /* who wait to hold `flushing`, but for callers and the background thread */
    uint32_t interruptions;         /* of the present checkpoint, by truncations; whoever holds `checkpoint_turn` */

    /* Callers that wait as long as it takes; their difference is how many wait now. */
    _Atomic uint64_t arrivals;
    _Atomic uint64_t departures;
    uint32_t many_waiters;      /* at which they step back before they sleep, ... */
    _Atomic int32_t credit;     /* (of how much use that has been) */
    uint64_t short_flight_ns;   /* ... if flights take no longer than this, ... */
    _Atomic uint64_t flight_ns; /* ... as far as the last ones tell, ... */
    rotor_pause useless;        /* ... but not now, as it was of no use, ... */
    rotor_pause busy;           /* ... or as others had the processors for long: then leaders do not either */
    /* Whoever holds `flushing`. */
    uint64_t boarded;        /* arrivals when the last flight took off */
    uint64_t crowd;          /* who waited when it landed */
    uint32_t modesty;        /* how often a leader halves that before it waits for as many */
    uint32_t modest_flights; /* until that is lowered by one; and how many they were at first */
    uint32_t last_modest_flights;
    uint32_t mapped_below; /* levels below are mapped; whoever holds `checkpoint_turn` */

    /* Under `mutex`; written by whoever holds `flushing`. */
    uint64_t logged;               /* leaves in the log or the level files */
    rotor_token durable;           /* the last durable moment */
    _Atomic uint64_t durable_size; /* the same for who holds no lock: set before the epoch, read after it */
    _Atomic uint64_t durable_epoch;
    rotor_status checkpoint_status; /* of the last one in the background */
    bool cut_pending;               /* the log has yet to be told of ... */
    uint64_t cut_size;              /* ... a truncation to this size, the smallest since the last flush */
    rotor_extents extents;
    uint64_t log_bytes;           /* in finished segments, found or written */
    uint64_t log_bytes_committed; /* of them, in segments that a commit has made superfluous */
    uint64_t segment_end;         /* bytes of the present segment */
    /* A truncation below what the level files hold. They must not be written above it until the superblock says so. */
    bool barrier;
    uint64_t barrier_size;    /* committed next; leaves below it have not changed since */
    uint64_t barrier_segment; /* begins at that size */
    uint64_t barrier_sequence;
    uint64_t barrier_log_bytes; /* of the log before that segment */

    rotor_shard_guard shard_guard; /* between leaf_files and checkpoint_files */

    /* Whoever holds `flushing`. */
    rotor_log log;
    rotor_level_files leaf_files; /* for extents */
    uint64_t segment_bytes;
    uint64_t extent_leaves;
    uint64_t oldest_segment; /* that may still be there; whoever holds `checkpoint_turn` */

    /* Whoever holds `checkpoint_turn`. */
    pthread_mutex_t checkpoint_turn;
    rotor_superblock superblock; /* as committed */
    rotor_level_files checkpoint_files;

    _Atomic uint64_t committed; /* leaves */
    _Atomic uint64_t released;  /* the same after their memory was exchanged for the files, as far as that could be */
    _Atomic uint64_t generation;
    uint64_t due_leaves;                 /* uncommitted leaves that make a checkpoint due; UINT64_MAX for never */
    uint64_t due_log_bytes;              /* bytes of the log that do; UINT64_MAX for never */
    _Atomic uint64_t log_pending;        /* bytes of the log that an open would replay */
    uint64_t most_leaves;                /* leaves that are not released at which inserts wait */
    _Atomic uint64_t checkpoints_wanted; /* requests so far, and those that have been answered */
    _Atomic uint64_t checkpoints_done;

    bool flusher_runs;
    bool checkpointer_runs;
    rotor_error failure; /* under `mutex`; constant once `failed` is set */
    _Atomic bool failed;
    _Atomic bool ending;

    pthread_t flusher;
    pthread_t checkpointer;
    rotor_bell flusher_bell;
    rotor_bell checkpointer_bell;

    uint64_t recovered_leaves;
    uint64_t torn_bytes;
    uint32_t damaged_slots;
} rotor_store;

/* How a directory is opened beyond the public options; zero but for tests. */
typedef struct rotor_store_setup {
    const rotor_os *os;     /* NULL: the system's */
    uint32_t shard_bits;    /* of a new tree; 0: the default, 23 */
    uint64_t segment_bytes; /* the log goes on in a new segment from here on; 0: the default, 64 MiB */
    uint64_t extent_leaves; /* a flush of at least so many goes to the level files; 0: the default, 4,096 */
    bool for_repair;        /* files of inner levels may be missing or short: they are extended by zeros */
} rotor_store_setup;

/* Opens or creates the tree in `path`. `options` have been checked but for the arity and the depth, and their other
 * defaults filled in. On success (*tree)->store is set. */
rotor_status rotor_store_open(rotor_tree **tree, const char *path, const rotor_options *options,
                              const rotor_hasher *hasher, const rotor_store_setup *setup, rotor_error *error);

/* Flushes, checkpoints if the options say so, frees the store (not the tree). Returns the first failure. */
rotor_status rotor_store_close(rotor_store *store, rotor_error *error);

/* What the files of the store promise to each other is kept by these; src/store/flush.c, flights.c and checkpoint.c. */

/* Callers that wait as long as it takes. Departures first: whoever is seen to leave has been seen to come. */
static inline uint64_t rotor_store_count_waiters(const rotor_store *store) {
    uint64_t departures = atomic_load_explicit(&store->departures, memory_order_acquire);
    return atomic_load_explicit(&store->arrivals, memory_order_relaxed) - departures;
}

/* Waits until `flushing` can be taken. Under `mutex`. */
void rotor_store_await_flush(rotor_store *store);
/* Takes and gives back the flag `flushing`. */
void rotor_store_begin_flush(rotor_store *store);
void rotor_store_end_flush(rotor_store *store);
/* Writes and syncs what has been accepted, while the caller holds `flushing`; then, with `rotate`, the log begins a
 * segment. On failure the store has failed. */
rotor_status rotor_store_write_pending(rotor_store *store, bool rotate);
/* Sums up log_pending. Under `mutex`. */
void rotor_store_count_log(rotor_store *store);
/* Shows a moment as durable. Under `mutex`. */
void rotor_store_set_durable(rotor_store *store, rotor_token moment);
/* Wakes everybody who waits for the log. Under `mutex`. */
void rotor_store_wake_all(rotor_store *store);
/* Writes what the log has buffered, ends its segment and syncs it, while the caller holds `flushing`. */
rotor_status rotor_store_rotate(rotor_store *store, rotor_error *error);
/* Adds leaves that are in the level files, above all others. False when out of memory. */
bool rotor_extents_add(rotor_extents *extents, uint64_t first, uint64_t end);
void rotor_extents_cut(rotor_extents *extents, uint64_t end);    /* forgets what is at or above */
void rotor_extents_drop(rotor_extents *extents, uint64_t first); /* forgets what is below */
/* Whether the level files hold anything at or above `size` that is not behind a barrier already. */
bool rotor_store_needs_barrier(const rotor_store *store, uint64_t size);
/* Maps what is committed and belongs below `mapped_below`. `fresh`: the tree is in use, so in small steps, as inserts
 * wait while one is done; and what is mapped has just been written. */
rotor_status rotor_store_map_committed(rotor_store *store, bool fresh, rotor_error *error);
/* The bodies of the two threads. */
void *rotor_store_flusher(void *store);
void *rotor_store_checkpointer(void *store);

/* As the public functions. */
rotor_status rotor_store_wait(rotor_store *store, const rotor_token *token, uint64_t timeout_ms);
rotor_status rotor_store_token_status(rotor_store *store, const rotor_token *token);
rotor_status rotor_store_flush(rotor_store *store);
rotor_status rotor_store_truncate(rotor_store *store, rotor_token *token, uint64_t size);
rotor_status rotor_store_checkpoint(rotor_store *store);
rotor_status rotor_store_checkpoint_start(rotor_store *store);
rotor_status rotor_store_checkpoint_wait(rotor_store *store, uint64_t timeout_ms);
rotor_status rotor_store_failure(rotor_store *store, rotor_error *error);
void rotor_store_statistics(rotor_store *store, rotor_statistics *statistics);

/* After leaves were accepted: asks for a checkpoint when one is due. Before: waits while far too much is not
 * checkpointed; ROTOR_OUT_OF_MEMORY when a checkpoint failed for that. Cheap when there is nothing to do. */
void rotor_store_appended(rotor_store *store);
rotor_status rotor_store_before_append(rotor_store *store);

/* Checkpoints and then keeps the committed files as they are (no further commit, hence no write to any committed node)
 * until thaw(). `superblock` is what is committed. For copies. */
rotor_status rotor_store_freeze(rotor_store *store, rotor_superblock *superblock, rotor_error *error);
void rotor_store_thaw(rotor_store *store);

/* Makes all further writes fail with ROTOR_FAILED and this detail. The first call counts. */
void rotor_store_fail(rotor_store *store, const rotor_error *error);

#endif
