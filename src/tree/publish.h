/* What the writer shows to readers: the present state, and which snapshots a truncation has cut. Knows no levels and no
 * hashing.
 *
 * Both are published by the same scheme: two slots and a generation. The writer fills the slot that is not current,
 * then moves the generation on; a reader copies the current slot and takes the copy if the generation has not moved. No
 * thread ever waits for another: a writer that is stopped in the middle stops nobody, and a reader repeats only when a
 * writer has finished in the meantime. (A plain sequence lock has one slot, and its readers wait while it is being
 * written.) */
#ifndef ROTOR_TREE_PUBLISH_H
#define ROTOR_TREE_PUBLISH_H

#include "rotortree.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ROTOR_CUTS 64

typedef struct rotor_state_slot {
    _Atomic uint64_t size;
    _Atomic uint64_t epoch;
    _Atomic uint64_t depth;
    _Atomic uint64_t edge[ROTOR_MAX_DEPTH + 1][4];
} rotor_state_slot;

/* Truncations that matter, oldest first: epochs and sizes both rise, since a cut makes all earlier cuts at its size or
 * above irrelevant. */
typedef struct rotor_cuts_slot {
    _Atomic uint64_t count;
    struct {
        _Atomic uint64_t epoch; /* snapshots of an earlier epoch ... */
        _Atomic uint64_t size;  /* ... with more leaves than this are stale */
    } cuts[ROTOR_CUTS];
} rotor_cuts_slot;

typedef struct rotor_published {
    _Atomic uint64_t state_generation;
    _Atomic uint64_t epoch; /* of the last cut */
    _Atomic uint64_t cuts_generation;
    rotor_state_slot states[2];
    rotor_cuts_slot cuts[2];
} rotor_published;

/* Shows a state of `size` leaves with edge[0..depth] (ignored when size is 0), reached by `epoch` truncations. The
 * writer only. */
void rotor_publish_state(rotor_published *published, uint64_t epoch, uint64_t size, uint32_t depth,
                         const rotor_hash *edge);

/* Tells readers that the leaves from `size` on are gone, by truncation number `epoch`. To follow the smaller state of
 * that epoch, so that nobody is handed a snapshot that is stale already, and to precede whatever overwrites a node at
 * or above `size`; a streaming store may do that only after another lock or fence, as a release fence does not hold it
 * back. The writer only. */
void rotor_publish_cut(rotor_published *published, uint64_t epoch, uint64_t size);

/* Fills size, epoch, depth and edge of a snapshot. Lock-free. */
void rotor_published_read(const rotor_published *published, rotor_snapshot *snapshot);

/* Whether a state of `size` leaves seen at `epoch` has been cut since. Orders itself after all node loads before it.
 * Lock-free. */
bool rotor_published_is_cut(const rotor_published *published, uint64_t epoch, uint64_t size);

#endif
