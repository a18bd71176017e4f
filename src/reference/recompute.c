/* See recompute.h. A small tree in memory hashes the nodes of one level, a block at a time, and so gives those of the
 * levels above it that a block has to itself; the highest of these are the next round's leaves. */
#include "reference/recompute.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_NODES ((size_t)1 << 15) /* at most */

typedef struct recomputation {
    const rotor_snapshot *snapshot;
    rotor_tree *tree; /* of one block */
    uint64_t arity;
    uint32_t levels; /* above a block's own that it has to itself */
    size_t block;    /* nodes: whole ones of the highest of these levels */
    rotor_hash *nodes;
    rotor_hash *expected;
} recomputation;

static rotor_status fail_reading(rotor_status status, rotor_error *error) {
    return rotor_fail(error, status, 0, "the tree could not be recomputed: %s", rotor_status_message(status));
}

static rotor_status fail_node(const recomputation *work, uint32_t level, uint64_t index, rotor_error *error) {
    uint64_t size = work->snapshot->size;
    uint64_t width = 1;
    for (uint32_t i = 0; i < level; i++) {
        width = width <= size / work->arity ? width * work->arity : size;
    }
    uint64_t first = index * width;
    uint64_t end = size - first < width ? size : first + width;
    return rotor_fail(error, ROTOR_DAMAGED, 0,
                      "the tree is damaged: leaves %" PRIu64 " to %" PRIu64 " do not lead to node %" PRIu64
                      " of level %" PRIu32 " as it is stored",
                      first, end - 1, index, level);
}

/* Compares the nodes that `made` has `up` levels above its leaves with the snapshot's. */
static rotor_status compare(const recomputation *work, const rotor_snapshot *made, uint32_t up, size_t count,
                            uint32_t level, uint64_t first, rotor_error *error) {
    rotor_status status = ROTOR_OK;
    if (up <= made->depth) {
        status = rotor_snapshot_nodes(made, work->expected, count, up, 0);
    } else {
        work->expected[0] = made->edge[made->depth]; /* lifted */
    }
    if (status == ROTOR_OK) {
        status = rotor_snapshot_nodes(work->snapshot, work->nodes, count, level, first);
    }
    if (status != ROTOR_OK) {
        return fail_reading(status, error);
    }
    for (size_t i = 0; i < count; i++) {
        if (memcmp(work->expected[i].bytes, work->nodes[i].bytes, ROTOR_HASH_BYTES) != 0) {
            return fail_node(work, level, first + i, error);
        }
    }
    return ROTOR_OK;
}

/* Takes `count` nodes of a level from `first` on for leaves, and compares what is above them. */
static rotor_status recompute_block(const recomputation *work, uint32_t level, uint64_t first, size_t count,
                                    rotor_error *error) {
    rotor_snapshot made;
    rotor_status status = rotor_snapshot_nodes(work->snapshot, work->nodes, count, level, first);
    if (status == ROTOR_OK) {
        status = rotor_truncate(work->tree, NULL, 0);
    }
    if (status == ROTOR_OK) {
        status = rotor_insert_many(work->tree, NULL, NULL, work->nodes, count);
    }
    if (status == ROTOR_OK) {
        status = rotor_snapshot_take(work->tree, &made);
    }
    if (status != ROTOR_OK) {
        return fail_reading(status, error);
    }
    for (uint32_t up = 1; status == ROTOR_OK && up <= work->levels && level + up <= work->snapshot->depth; up++) {
        count = (count + (size_t)work->arity - 1) / (size_t)work->arity;
        first /= work->arity;
        status = compare(work, &made, up, count, level + up, first, error);
    }
    return status;
}

static rotor_status recompute_levels(const recomputation *work, rotor_progress *progress, void *context,
                                     rotor_error *error) {
    uint64_t size = work->snapshot->size;
    for (uint32_t level = 0; level < work->snapshot->depth; level += work->levels) {
        uint64_t length;
        rotor_status status = rotor_snapshot_level_length(work->snapshot, &length, level);
        if (status != ROTOR_OK) {
            return fail_reading(status, error);
        }
        for (uint64_t first = 0; first < length; first += work->block) {
            size_t count = length - first < work->block ? (size_t)(length - first) : work->block;
            if (progress != NULL && progress(context, level == 0 ? first : size, size) != 0) {
                return rotor_fail(error, ROTOR_TIMED_OUT, 0, "recomputing the tree was ended by the caller");
            }
            status = recompute_block(work, level, first, count, error);
            if (status != ROTOR_OK) {
                return status;
            }
        }
    }
    return ROTOR_OK;
}

/* The last nodes of a past size are stored nowhere: they are computed from leaves, and agree with these however bad
 * they are. */
static rotor_status compare_with_present(const rotor_snapshot *snapshot, rotor_error *error) {
    rotor_snapshot present;
    rotor_tree_head then;
    rotor_tree_head now;
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_status status = rotor_snapshot_take_latest(snapshot->tree, &present);
    if (status == ROTOR_OK) {
        status = rotor_snapshot_head(snapshot, &then);
    }
    if (status == ROTOR_OK) {
        status = rotor_snapshot_head(&present, &now);
    }
    if (status == ROTOR_OK) {
        status = rotor_consistency_prove(&present, &proof, snapshot->size);
    }
    if (status == ROTOR_OK) {
        status = rotor_consistency_verify(&proof, &then, &now);
    }
    rotor_consistency_proof_free(&proof);
    if (status == ROTOR_INVALID_PROOF || status == ROTOR_DAMAGED) {
        return rotor_fail(error, ROTOR_DAMAGED, 0,
                          "the tree is damaged: its root at %" PRIu64 " leaves does not lead to that at %" PRIu64
                          " leaves",
                          snapshot->size, present.size);
    }
    return status == ROTOR_OK ? ROTOR_OK : fail_reading(status, error);
}

static rotor_status make_tree(recomputation *work, rotor_error *error) {
    rotor_options options;
    rotor_options_init(&options, rotor_arity(work->snapshot->tree), ROTOR_MAX_DEPTH);
    options.kernel = rotor_kernel(work->snapshot->tree);
    options.threads = 1;
    return rotor_open(&work->tree, NULL, &options, error);
}

rotor_status rotor_reference_recompute(const rotor_snapshot *snapshot, rotor_progress *progress, void *context,
                                       rotor_error *error) {
    if (snapshot->size == 0) {
        return ROTOR_OK;
    }
    recomputation work = {.snapshot = snapshot,
                          .arity = rotor_arity(snapshot->tree),
                          .nodes = malloc(BLOCK_NODES * sizeof(rotor_hash)),
                          .expected = malloc(BLOCK_NODES * sizeof(rotor_hash))};
    size_t width = 1;
    while (width * work.arity <= BLOCK_NODES) {
        width *= (size_t)work.arity;
        work.levels++;
    }
    work.block = BLOCK_NODES / width * width;
    rotor_status status = ROTOR_OK;
    if (work.nodes == NULL || work.expected == NULL) {
        status = rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory to recompute a tree");
    }
    if (status == ROTOR_OK) {
        status = make_tree(&work, error);
    }
    if (status == ROTOR_OK) {
        status = recompute_levels(&work, progress, context, error);
    }
    if (status == ROTOR_OK) {
        status = compare_with_present(snapshot, error);
    }
    (void)rotor_close(work.tree, NULL);
    free(work.expected);
    free(work.nodes);
    return status;
}
