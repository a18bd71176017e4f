/* The crate's log, as it is read for an import. Knows frames and one open file; no trees. */
#ifndef ROTOR_REFERENCE_LOG_H
#define ROTOR_REFERENCE_LOG_H

#include "os/file.h"
#include "reference/frames.h"
#include "rotortree.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct rotor_reference_log {
    const rotor_file *file;
    rotor_reference_shape shape;
    uint64_t bytes;  /* of the file */
    uint64_t begin;  /* of the first frame behind the checkpoint */
    uint64_t end;    /* of the last whole frame; what follows is torn */
    uint64_t frames; /* whole ones, with those that the checkpoint covers */
    uint64_t leaves; /* behind the checkpoint */
} rotor_reference_log;

/* Reads the header. `file` must stay open. */
rotor_status rotor_reference_log_open(rotor_reference_log *log, const rotor_file *file, rotor_error *error);

/* Verifies every frame up to the end of the log and fills in the rest. Frames up to `last_sequence` count as
 * checkpointed, where there is a checkpoint.
 * The last frame may be unfinished: when it does not fit in the file, is longer than any frame may be, or ends the file
 * (zeros behind it aside) with a wrong checksum. All else is ROTOR_DAMAGED: anything that a whole frame follows, and a
 * gap in the sequence numbers, also between the checkpoint and the first frame. */
rotor_status rotor_reference_log_scan(rotor_reference_log *log, bool checkpointed, uint64_t last_sequence,
                                      rotor_error *error);

/* Called with leaves in order; anything but ROTOR_OK ends the reading. */
typedef rotor_status rotor_reference_leaves(void *context, const rotor_hash *leaves, size_t count, rotor_error *error);

/* Hands on the leaves behind the checkpoint, as they were verified by the scan: leaves of a frame that has changed
 * since may be handed on, but then the result is ROTOR_DAMAGED. */
rotor_status rotor_reference_log_read(const rotor_reference_log *log, rotor_reference_leaves *leaves, void *context,
                                      rotor_error *error);

#endif
