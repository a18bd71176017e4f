/* Whether the nodes of a snapshot follow from its leaves. Knows trees by the public functions; nothing of the crate's
 * files. */
#ifndef ROTOR_REFERENCE_RECOMPUTE_H
#define ROTOR_REFERENCE_RECOMPUTE_H

#include "rotortree.h"

/* Recomputes all inner nodes from the leaves, some thousand at a time, and compares them and the root with those that
 * the snapshot gives; then, of a past size, that it leads to the present root. ROTOR_DAMAGED names the first place
 * where they differ. Other errors: ROTOR_STALE, ROTOR_OUT_OF_MEMORY, ROTOR_TIMED_OUT (by `progress`, which is told of
 * leaves and may be NULL). */
rotor_status rotor_reference_recompute(const rotor_snapshot *snapshot, rotor_progress *progress, void *context,
                                       rotor_error *error);

#endif
