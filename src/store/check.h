/* Recomputing a tree from its leaves. Knows levels in memory (mapped or not); no files. */
#ifndef ROTOR_STORE_CHECK_H
#define ROTOR_STORE_CHECK_H

#include "rotortree.h"

/* Called with nodes first..first+count-1 of a level (1 and up) that are not what is stored: `nodes` is what they should
 * be. One call at a time, from any thread of the check's. */
typedef rotor_status rotor_check_bad_nodes(void *context, uint32_t level, uint64_t first, uint64_t count,
                                           const rotor_hash *nodes);

/* Recomputes all complete nodes of the first `size` leaves of `snapshot`, in blocks on as many threads as the tree has,
 * compares them with what is stored, and computes the root of `size` leaves from the recomputed nodes; fills the report
 * but for `checkpointed`, `root_matches` and `repaired`, and the root. `bad` and `progress` may be NULL. Returns
 * ROTOR_OK also when nodes are bad; ROTOR_STALE, ROTOR_OUT_OF_MEMORY, ROTOR_TIMED_OUT (by progress), ROTOR_OUT_OF_RANGE
 * (the snapshot is smaller), or what `bad` returned. Memory: some nodes for each thread, and one for each thousand or
 * so of leaves. */
rotor_status rotor_check_nodes(const rotor_snapshot *snapshot, uint64_t size, rotor_check_report *report,
                               rotor_hash *root, rotor_check_bad_nodes *bad, void *bad_context,
                               rotor_progress *progress, void *context);

/* For `size` leaves that do not lead to `root`, which is trusted: walks the stored nodes from the root down, accepts
 * every group that hashes to the node above it, and enters the ranges of leaves that could not be reached, but for the
 * first `proven` leaves, which are known to be right, into the report. Where a stored node is bad as well, the one that
 * follows from the leaves is tried in its place, so that only leaves are blamed that nothing can vouch for. At least
 * one range is found. Without a root (NULL) the highest stored nodes are trusted as far as they fit what is stored
 * below them: then there need not be a range, and a group of leaves that does not hash to such a node is blamed
 * although it may be the node that is bad. ROTOR_STALE, ROTOR_OUT_OF_MEMORY. */
rotor_status rotor_check_find_bad_leaves(const rotor_snapshot *snapshot, uint64_t size, const rotor_hash *root,
                                         uint64_t proven, rotor_check_report *report);

#endif
