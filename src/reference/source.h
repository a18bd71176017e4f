/* A directory of the crate's, open for an import. Knows the crate's files; no trees. */
#ifndef ROTOR_REFERENCE_SOURCE_H
#define ROTOR_REFERENCE_SOURCE_H

#include "os/file.h"
#include "reference/frames.h"
#include "reference/log.h"
#include "rotortree.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct rotor_reference_source {
    rotor_directory directory;
    rotor_file wal;
    rotor_file tails;
    rotor_file shard; /* the one read last */
    uint32_t shard_level;
    uint64_t shard_number;
    rotor_reference_shape shape;
    bool checkpointed;
    /* Of the checkpoint. */
    rotor_reference_meta meta;
    uint32_t levels;                  /* stored ones */
    uint64_t length[ROTOR_MAX_DEPTH]; /* of each, in nodes */
    /* A crash of the crate in a checkpoint leaves shards and tails of the new one with the old checkpoint.meta: nodes
     * that were in the tails are then at the end of the shards, where their chunk has become full. When set, such
     * chunks are read from there. */
    bool newer_tails;
    rotor_reference_log log;
} rotor_reference_source;

/* Opens the directory and checks everything but nodes: that all files are there, long enough and of one tree, and the
 * whole log. Holds the crate's own lock meanwhile. */
rotor_status rotor_reference_source_open(rotor_reference_source *source, const rotor_os *os, const char *path,
                                         rotor_error *error);
void rotor_reference_source_close(rotor_reference_source *source);

/* Reads nodes of the checkpoint, from shards and tails, as they are: nothing but the root vouches for them. */
rotor_status rotor_reference_source_nodes(rotor_reference_source *source, rotor_hash *nodes, size_t count,
                                          uint32_t level, uint64_t first, rotor_error *error);

/* Whether the shards of a level go on beyond the checkpoint where its tail begins. */
rotor_status rotor_reference_source_shard_goes_on(rotor_reference_source *source, bool *goes_on, uint32_t level,
                                                  rotor_error *error);

/* Fills `error` with "DIRECTORY/NAME: ..." and returns `status`. */
__attribute__((format(printf, 5, 6))) rotor_status rotor_reference_fail(const rotor_directory *directory,
                                                                        const char *name, rotor_error *error,
                                                                        rotor_status status, const char *format, ...);

#endif
