/* Taking over a tree of the crate's: its leaves into a new tree, checked against the root that it had committed, and
 * its inner nodes compared with what follows from the leaves. Must not know the bytes of its files. */
#include "reference/reference.h"

#include "base/error.h"
#include "reference/place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Nodes in memory at a time, of each of the two sides. */
#define PIECE_NODES ((size_t)1 << 15)

typedef struct loading {
    rotor_reference_source *source;
    rotor_tree *tree;
    rotor_import_report report;
    rotor_progress *progress;
    void *context;
    uint64_t done;
    uint64_t total;
    rotor_hash *theirs;
    rotor_hash *ours;
} loading;

static rotor_status tell_progress(const loading *load, rotor_error *error) {
    if (load->progress == NULL || load->progress(load->context, load->done, load->total) == 0) {
        return ROTOR_OK;
    }
    return rotor_fail(error, ROTOR_TIMED_OUT, 0, "the import was ended by the caller after %" PRIu64 " leaves",
                      load->done);
}

/* Of a tree that refuses, the reason is wanted and not the refusal. */
static rotor_status fail_in_tree(rotor_tree *tree, const char *what, rotor_status status, rotor_error *error) {
    rotor_error reason = {.status = ROTOR_OK};
    if (status == ROTOR_FAILED && rotor_failure(tree, &reason) == ROTOR_FAILED && reason.status != ROTOR_OK) {
        status = reason.status != ROTOR_FAILED ? reason.status : status;
        return rotor_fail(error, status, reason.os_errno, "%s: %.400s", what, reason.message);
    }
    return rotor_fail(error, status, 0, "%s: %s", what, rotor_status_message(status));
}

/* ---------------------------------------------------------------- leaves */

static rotor_status insert(loading *load, const rotor_hash *leaves, size_t count, rotor_error *error) {
    rotor_status status = tell_progress(load, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_insert_many(load->tree, NULL, NULL, leaves, count);
    if (status != ROTOR_OK) {
        return fail_in_tree(load->tree, "the leaves could not be inserted", status, error);
    }
    load->done += count;
    return ROTOR_OK;
}

static rotor_status insert_from_log(void *context, const rotor_hash *leaves, size_t count, rotor_error *error) {
    return insert(context, leaves, count, error);
}

static rotor_status insert_from_data(loading *load, rotor_error *error) {
    uint64_t leaves = load->source->meta.leaves;
    while (load->done < leaves) {
        uint64_t rest = leaves - load->done;
        size_t count = rest < PIECE_NODES ? (size_t)rest : PIECE_NODES;
        rotor_status status = rotor_reference_source_nodes(load->source, load->theirs, count, 0, load->done, error);
        if (status == ROTOR_OK) {
            status = insert(load, load->theirs, count, error);
        }
        if (status != ROTOR_OK) {
            return status;
        }
    }
    return ROTOR_OK;
}

/* ---------------------------------------------------------------- inner nodes */

/* Compares the stored nodes of one level with the snapshot's and counts those that differ. */
static rotor_status compare_level(loading *load, const rotor_snapshot *snapshot, uint32_t level, uint64_t *stale,
                                  uint64_t *first_stale, rotor_error *error) {
    uint64_t length = load->source->length[level];
    *stale = 0;
    for (uint64_t first = 0; first < length;) {
        size_t count = length - first < PIECE_NODES ? (size_t)(length - first) : PIECE_NODES;
        rotor_status status = tell_progress(load, error);
        if (status == ROTOR_OK) {
            status = rotor_reference_source_nodes(load->source, load->theirs, count, level, first, error);
        }
        if (status != ROTOR_OK) {
            return status;
        }
        status = rotor_snapshot_nodes(snapshot, load->ours, count, level, first);
        if (status != ROTOR_OK) {
            return fail_in_tree(load->tree, "the new tree could not be read", status, error);
        }
        for (size_t i = 0; i < count; i++) {
            if (memcmp(load->ours[i].bytes, load->theirs[i].bytes, ROTOR_HASH_BYTES) != 0) {
                *first_stale = *stale == 0 ? first + i : *first_stale;
                ++*stale;
            }
        }
        first += count;
    }
    return ROTOR_OK;
}

static rotor_status count_stale_nodes(loading *load, const rotor_snapshot *snapshot, rotor_error *error) {
    rotor_import_report *report = &load->report;
    for (uint32_t level = 1; level < load->source->levels; level++) {
        uint64_t stale;
        uint64_t first = 0;
        rotor_status status = compare_level(load, snapshot, level, &stale, &first, error);
        if (status != ROTOR_OK) {
            return status;
        }
        if (report->stale_nodes == 0 && stale != 0) {
            report->first_stale_level = level;
            report->first_stale_index = first;
        }
        report->stale_nodes += stale;
    }
    return ROTOR_OK;
}

/* ---------------------------------------------------------------- the committed root */

static rotor_status compare_root(loading *load, rotor_snapshot *snapshot, bool *same, rotor_error *error) {
    rotor_status status = rotor_snapshot_take(load->tree, snapshot);
    if (status != ROTOR_OK) {
        return fail_in_tree(load->tree, "the new tree could not be read", status, error);
    }
    *same = snapshot->size == load->source->meta.leaves &&
            memcmp(snapshot->edge[snapshot->depth].bytes, load->source->meta.root.bytes, ROTOR_HASH_BYTES) == 0;
    return ROTOR_OK;
}

/* What a crash in a later checkpoint of the crate's needs: the leaves behind the last full chunk once more, from the
 * shard, where they have come to lie. */
static rotor_status retry_with_newer_tails(loading *load, rotor_snapshot *snapshot, bool *same, rotor_error *error) {
    bool goes_on;
    uint64_t leaves = load->source->meta.leaves;
    uint64_t kept = leaves - leaves % ROTOR_REFERENCE_CHUNK_NODES;
    rotor_status status = rotor_reference_source_shard_goes_on(load->source, &goes_on, 0, error);
    if (status != ROTOR_OK || !goes_on || kept == leaves) {
        return status;
    }
    status = rotor_truncate(load->tree, NULL, kept);
    if (status != ROTOR_OK) {
        return fail_in_tree(load->tree, "the new tree could not be cut", status, error);
    }
    load->done = kept;
    load->source->newer_tails = true;
    status = insert_from_data(load, error);
    return status == ROTOR_OK ? compare_root(load, snapshot, same, error) : status;
}

/* Index of the first of `count` children whose stored value is not ours; `count` when all are right. */
static rotor_status find_bad_child(loading *load, const rotor_snapshot *snapshot, uint64_t *bad, uint32_t level,
                                   uint64_t first, uint64_t count, rotor_error *error) {
    rotor_status status = rotor_reference_source_nodes(load->source, load->theirs, (size_t)count, level, first, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_snapshot_nodes(snapshot, load->ours, (size_t)count, level, first);
    if (status != ROTOR_OK) {
        return fail_in_tree(load->tree, "the new tree could not be read", status, error);
    }
    for (*bad = 0; *bad < count; ++*bad) {
        if (memcmp(load->ours[*bad].bytes, load->theirs[*bad].bytes, ROTOR_HASH_BYTES) != 0) {
            break;
        }
    }
    return ROTOR_OK;
}

/* The leaves do not lead to the root. Walks down from it along stored nodes that are not ours either: what is below the
 * last of them holds the damage. (A node that is merely stale is not met, since those above it are right.) */
static rotor_status fail_root(loading *load, const rotor_snapshot *snapshot, rotor_error *error) {
    const uint64_t *length = load->source->length;
    uint64_t arity = load->source->shape.arity;
    uint64_t leaves = load->source->meta.leaves;
    uint64_t index = 0;
    uint64_t width = 1; /* leaves below a node of the level */
    uint32_t level = load->source->meta.depth;
    for (uint32_t below = level; below > 1; below--) {
        uint64_t first = index * arity;
        uint64_t rest = length[below - 1] - first;
        uint64_t count = rest < arity ? rest : arity;
        uint64_t bad = 0;
        rotor_status status = find_bad_child(load, snapshot, &bad, below - 1, first, count, error);
        if (status != ROTOR_OK) {
            return status;
        }
        if (bad == count) {
            break;
        }
        index = first + bad;
        level = below - 1;
    }
    for (uint32_t i = 0; i < level; i++) {
        width = width <= leaves / arity ? width * arity : leaves;
    }
    uint64_t first = index * width;
    uint64_t end = leaves - first < width ? leaves : first + width;
    char name[40];
    bool in_tails = first >= leaves - leaves % ROTOR_REFERENCE_CHUNK_NODES;
    rotor_reference_shard_name(name, 0, first / ROTOR_REFERENCE_SHARD_NODES);
    return rotor_reference_fail(&load->source->directory, in_tails ? ROTOR_REFERENCE_TAILS : name, error, ROTOR_DAMAGED,
                                "the leaves do not lead to the root of checkpoint.meta; what is wrong is among leaves "
                                "%" PRIu64 " to %" PRIu64 "; restore data from one copy of the directory",
                                first, end - 1);
}

static rotor_status load_checkpoint(loading *load, rotor_error *error) {
    rotor_snapshot snapshot;
    bool same = false;
    rotor_status status = insert_from_data(load, error);
    if (status == ROTOR_OK) {
        status = compare_root(load, &snapshot, &same, error);
    }
    if (status == ROTOR_OK && !same) {
        status = retry_with_newer_tails(load, &snapshot, &same, error);
    }
    if (status == ROTOR_OK && !same) {
        status = fail_root(load, &snapshot, error);
    }
    return status == ROTOR_OK ? count_stale_nodes(load, &snapshot, error) : status;
}

/* ---------------------------------------------------------------- the whole */

rotor_status rotor_reference_load(rotor_reference_source *source, rotor_tree *tree, rotor_import_report *report,
                                  rotor_progress *progress, void *context, rotor_error *error) {
    uint64_t checkpointed = source->checkpointed ? source->meta.leaves : 0;
    /* No level has more nodes than there are leaves. */
    size_t room = checkpointed < PIECE_NODES ? (size_t)checkpointed + 1 : PIECE_NODES;
    loading load = {.source = source,
                    .tree = tree,
                    .progress = progress,
                    .context = context,
                    .total = checkpointed + source->log.leaves,
                    .theirs = malloc(room * sizeof(rotor_hash)),
                    .ours = malloc(room * sizeof(rotor_hash))};
    rotor_status status = ROTOR_OK;
    load.report.arity = source->shape.arity;
    load.report.leaves = load.total;
    load.report.checkpointed = checkpointed;
    load.report.torn_bytes = source->log.bytes - source->log.end;
    if (load.theirs == NULL || load.ours == NULL) {
        status = rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory to read a tree");
    }
    if (status == ROTOR_OK && source->checkpointed) {
        status = load_checkpoint(&load, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_reference_log_read(&source->log, insert_from_log, &load, error);
    }
    if (status == ROTOR_OK) {
        status = tell_progress(&load, error);
    }
    free(load.theirs);
    free(load.ours);
    if (status == ROTOR_OK) {
        *report = load.report;
    }
    return status;
}

/* ---------------------------------------------------------------- the destination */

/* Makes the tree where nobody sees it, fills, checkpoints and closes it, and lets it appear. */
static rotor_status make(rotor_reference_source *source, rotor_reference_place *place, const rotor_options *options,
                         rotor_import_report *report, rotor_progress *progress, void *context, rotor_error *error) {
    rotor_tree *tree = NULL;
    rotor_status status = rotor_open(&tree, place->staging, options, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_reference_place_hide(place, error);
    if (status == ROTOR_OK) {
        status = rotor_reference_load(source, tree, report, progress, context, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_checkpoint(tree);
        if (status == ROTOR_OK) {
            status = rotor_flush(tree);
        }
        if (status != ROTOR_OK) {
            status = fail_in_tree(tree, "the new tree could not be stored", status, error);
        }
    }
    rotor_status closed = rotor_close(tree, status == ROTOR_OK ? error : NULL);
    status = status == ROTOR_OK ? closed : status;
    return status == ROTOR_OK ? rotor_reference_place_settle(place, error) : status;
}

rotor_status rotor_reference_import(const rotor_os *os, const char *source_path, const char *path,
                                    const rotor_options *options, rotor_import_report *report, rotor_progress *progress,
                                    void *context, rotor_error *error) {
    rotor_reference_source source;
    rotor_status status = rotor_reference_source_open(&source, os, source_path, error);
    if (status != ROTOR_OK) {
        return status;
    }
    rotor_options filled;
    rotor_options_init(&filled, source.shape.arity, source.shape.max_depth);
    if (options != NULL) {
        filled = *options;
        filled.arity = source.shape.arity;
        filled.max_depth = source.shape.max_depth;
    }
    filled.mode = ROTOR_CREATE_NEW;
    rotor_import_report found;
    rotor_reference_place place;
    status = rotor_reference_place_take(&place, rotor_os_system(), path, filled.file_mode, error);
    if (status == ROTOR_OK) {
        status = make(&source, &place, &filled, &found, progress, context, error);
    }
    rotor_reference_place_leave(&place, status == ROTOR_OK);
    rotor_reference_source_close(&source);
    if (status == ROTOR_OK) {
        *report = found;
    }
    return status;
}
