/* Writing a snapshot as a directory of the crate's. The files go in an order in which the last one, checkpoint.meta,
 * makes the others count, so that a crash leaves a directory without it and not a tree with less in it. Must not know
 * how trees are stored here. */
#include "reference/reference.h"

#include "base/error.h"
#include "os/file.h"
#include "reference/frames.h"
#include "reference/recompute.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_NODES ((size_t)1 << 15)
#define DIRECTORY_MODE 0755
#define FILE_MODE 0644

/* The crate's own name for it; it overlooks one that is left. */
static const char new_meta[] = ROTOR_REFERENCE_META ".tmp";

typedef struct export_work {
    const rotor_os *os;
    const rotor_snapshot *snapshot;
    const char *destination;
    char *path; /* room for the destination and a name */
    rotor_directory directory;
    rotor_reference_meta meta;
    uint32_t levels;
    uint64_t length[ROTOR_MAX_DEPTH];
    uint8_t *nodes; /* room for PIECE_NODES, and for all tails */
    rotor_progress *progress;
    void *context;
    bool began;       /* something in the destination is this export's */
    uint64_t checked; /* leaves */
    uint64_t done;    /* leaves written */
} export_work;

_Static_assert(PIECE_NODES >= (size_t)ROTOR_MAX_DEPTH * ROTOR_REFERENCE_CHUNK_NODES, "tails are made in one piece");

/* Each leaf is read twice, so each time counts half. */
static rotor_status tell_progress(const export_work *exporter, rotor_error *error) {
    uint64_t done = (exporter->checked + exporter->done) / 2;
    if (exporter->progress == NULL || exporter->progress(exporter->context, done, exporter->meta.leaves) == 0) {
        return ROTOR_OK;
    }
    return rotor_fail(error, ROTOR_TIMED_OUT, 0, "the export was ended by the caller after %" PRIu64 " leaves",
                      exporter->done);
}

static int tell_checked(void *context, uint64_t done, uint64_t total) {
    export_work *exporter = context;
    (void)total;
    exporter->checked = done;
    return tell_progress(exporter, NULL) != ROTOR_OK;
}

/* The path of a name in the destination; "" is the destination itself. Valid until the next call. */
static const char *path_of(export_work *exporter, const char *name) {
    (void)snprintf(exporter->path, strlen(exporter->destination) + 42, "%s%s%s", exporter->destination,
                   *name != '\0' ? "/" : "", name);
    return exporter->path;
}

/* ---------------------------------------------------------------- files and directories */

static rotor_status fail_call(const export_work *exporter, const char *call, const char *name, int result,
                              rotor_error *error) {
    return rotor_file_fail(&exporter->directory, name, call, result, error);
}

static rotor_status make_directory(export_work *exporter, const char *name, rotor_error *error) {
    int result = exporter->os->make_directory(exporter->os->context, path_of(exporter, name), DIRECTORY_MODE);
    exporter->began = exporter->began || result == 0;
    return result == 0 ? ROTOR_OK : fail_call(exporter, "mkdir", name, result, error);
}

/* Makes the entries of a directory durable. */
static rotor_status sync_directory(export_work *exporter, const char *name, rotor_error *error) {
    rotor_directory directory;
    rotor_status status = rotor_directory_open(&directory, exporter->os, path_of(exporter, name), FILE_MODE, error);
    if (status == ROTOR_OK) {
        status = rotor_directory_sync(&directory, error);
        rotor_directory_close(&directory);
    }
    return status;
}

static rotor_status create_file(export_work *exporter, rotor_file *file, const char *name, rotor_error *error) {
    rotor_status status =
        rotor_file_open(file, &exporter->directory, name, ROTOR_OS_WRITE | ROTOR_OS_CREATE | ROTOR_OS_NEW, error);
    exporter->began = exporter->began || status == ROTOR_OK;
    return status;
}

static rotor_status write_file(export_work *exporter, const char *name, const uint8_t *bytes, size_t count,
                               rotor_error *error) {
    rotor_file file;
    rotor_status status = create_file(exporter, &file, name, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_file_write(&file, bytes, count, 0, error);
    if (status == ROTOR_OK) {
        status = rotor_file_sync(&file, error);
    }
    rotor_file_close(&file);
    return status;
}

/* ---------------------------------------------------------------- nodes */

static rotor_status read_nodes(const export_work *exporter, uint8_t *nodes, size_t count, uint32_t level,
                               uint64_t first, rotor_error *error) {
    rotor_status status = rotor_snapshot_nodes(exporter->snapshot, (rotor_hash *)nodes, count, level, first);
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, 0, "nodes of level %" PRIu32 " could not be read: %s", level,
                          rotor_status_message(status));
    }
    return ROTOR_OK;
}

static rotor_status write_shard(export_work *exporter, uint32_t level, uint64_t number, uint64_t count,
                                rotor_error *error) {
    char name[40];
    rotor_file file;
    rotor_reference_shard_name(name, level, number);
    rotor_status status = create_file(exporter, &file, name, error);
    for (uint64_t done = 0; status == ROTOR_OK && done < count;) {
        size_t piece = count - done < PIECE_NODES ? (size_t)(count - done) : PIECE_NODES;
        status = tell_progress(exporter, error);
        if (status == ROTOR_OK) {
            status =
                read_nodes(exporter, exporter->nodes, piece, level, number * ROTOR_REFERENCE_SHARD_NODES + done, error);
        }
        if (status == ROTOR_OK) {
            status = rotor_file_write(&file, exporter->nodes, piece * ROTOR_HASH_BYTES, done * ROTOR_HASH_BYTES, error);
        }
        done += piece;
        exporter->done += level == 0 ? piece : 0;
    }
    if (status == ROTOR_OK) {
        status = rotor_file_sync(&file, error);
    }
    rotor_file_close(&file);
    return status;
}

static uint64_t nodes_in_shards(const export_work *exporter, uint32_t level) {
    return exporter->length[level] / ROTOR_REFERENCE_CHUNK_NODES * ROTOR_REFERENCE_CHUNK_NODES;
}

static rotor_status write_level(export_work *exporter, uint32_t level, rotor_error *error) {
    char name[40];
    uint64_t rest = nodes_in_shards(exporter, level);
    if (rest == 0) {
        return ROTOR_OK;
    }
    rotor_reference_level_name(name, level);
    rotor_status status = make_directory(exporter, name, error);
    for (uint64_t number = 0; status == ROTOR_OK && rest > 0; number++) {
        uint64_t count = rest < ROTOR_REFERENCE_SHARD_NODES ? rest : ROTOR_REFERENCE_SHARD_NODES;
        status = write_shard(exporter, level, number, count, error);
        rest -= count;
    }
    return status == ROTOR_OK ? sync_directory(exporter, name, error) : status;
}

static rotor_status write_tails(export_work *exporter, rotor_error *error) {
    size_t bytes = (size_t)exporter->meta.shape.max_depth * ROTOR_REFERENCE_CHUNK_BYTES;
    memset(exporter->nodes, 0, bytes);
    for (uint32_t level = 0; level < exporter->levels; level++) {
        uint64_t first = nodes_in_shards(exporter, level);
        size_t count = (size_t)(exporter->length[level] - first);
        uint8_t *block = exporter->nodes + (size_t)level * ROTOR_REFERENCE_CHUNK_BYTES;
        rotor_status status = count > 0 ? read_nodes(exporter, block, count, level, first, error) : ROTOR_OK;
        if (status != ROTOR_OK) {
            return status;
        }
    }
    return write_file(exporter, ROTOR_REFERENCE_TAILS, exporter->nodes, bytes, error);
}

/* ---------------------------------------------------------------- the whole */

static rotor_status write_data(export_work *exporter, rotor_error *error) {
    uint8_t header[ROTOR_REFERENCE_HEADER_BYTES];
    rotor_reference_header_encode(header, exporter->meta.shape);
    rotor_status status = make_directory(exporter, "data", error);
    if (status == ROTOR_OK) {
        status = write_file(exporter, ROTOR_REFERENCE_HEADER, header, sizeof header, error);
    }
    for (uint32_t level = 0; status == ROTOR_OK && level < exporter->levels; level++) {
        status = write_level(exporter, level, error);
    }
    exporter->done = exporter->meta.leaves;
    if (status == ROTOR_OK) {
        status = write_tails(exporter, error);
    }
    return status == ROTOR_OK ? sync_directory(exporter, "data", error) : status;
}

static rotor_status commit(export_work *exporter, rotor_error *error) {
    uint8_t bytes[ROTOR_REFERENCE_META_BYTES];
    rotor_reference_meta_encode(bytes, &exporter->meta);
    rotor_status status = write_file(exporter, new_meta, bytes, sizeof bytes, error);
    if (status == ROTOR_OK) {
        status = rotor_file_rename(&exporter->directory, new_meta, ROTOR_REFERENCE_META, error);
    }
    return status == ROTOR_OK ? sync_directory(exporter, "data", error) : status;
}

static rotor_status write_all(export_work *exporter, rotor_error *error) {
    uint8_t wal[ROTOR_REFERENCE_WAL_HEADER_BYTES];
    rotor_reference_wal_header_encode(wal, exporter->meta.shape);
    bool is_empty = exporter->meta.leaves == 0; /* the crate never checkpoints an empty tree */
    rotor_status status = is_empty ? ROTOR_OK : write_data(exporter, error);
    if (status == ROTOR_OK) {
        status = write_file(exporter, ROTOR_REFERENCE_WAL, wal, sizeof wal, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_directory_sync(&exporter->directory, error);
    }
    if (status == ROTOR_OK) {
        int result = exporter->os->sync_parent(exporter->os->context, exporter->destination);
        status = result == 0 ? ROTOR_OK : fail_call(exporter, "fsync of the parent", NULL, result, error);
    }
    if (status == ROTOR_OK && !is_empty) {
        status = commit(exporter, error);
    }
    return status == ROTOR_OK ? tell_progress(exporter, error) : status;
}

/* All names that write_all() may have made, in a directory in which it has made the first of them. */
static void remove_all(export_work *exporter) {
    static const char *const names[] = {new_meta, ROTOR_REFERENCE_META, ROTOR_REFERENCE_TAILS, ROTOR_REFERENCE_HEADER,
                                        ROTOR_REFERENCE_WAL};
    const rotor_os *os = exporter->os;
    char name[40];
    for (uint32_t level = 0; level < exporter->levels; level++) {
        int result = 0;
        for (uint64_t number = 0; result == 0; number++) {
            rotor_reference_shard_name(name, level, number);
            result = os->unlink(os->context, exporter->directory.handle, name);
        }
        rotor_reference_level_name(name, level);
        (void)os->remove_directory(os->context, path_of(exporter, name));
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)os->unlink(os->context, exporter->directory.handle, names[i]);
    }
    (void)os->remove_directory(os->context, path_of(exporter, "data"));
}

static rotor_status export_to_directory(export_work *exporter, rotor_error *error) {
    const rotor_os *os = exporter->os;
    const char *destination = exporter->destination;
    bool made;
    rotor_status status = rotor_directory_make_or_take_empty(os, destination, DIRECTORY_MODE, &made, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_directory_open(&exporter->directory, os, destination, FILE_MODE, error);
    if (status == ROTOR_OK) {
        status = write_all(exporter, error);
        if (status != ROTOR_OK && exporter->began) {
            remove_all(exporter);
        }
        rotor_directory_close(&exporter->directory);
    }
    if (status != ROTOR_OK && made) {
        (void)os->remove_directory(os->context, destination);
    }
    return status;
}

static rotor_status describe(export_work *exporter, rotor_error *error) {
    const rotor_snapshot *snapshot = exporter->snapshot;
    rotor_tree_head head = {.hash_profile = ROTOR_HASH_BLAKE3};
    rotor_status status = rotor_snapshot_head(snapshot, &head);
    if (status != ROTOR_OK && status != ROTOR_EMPTY_TREE) {
        return rotor_fail(error, status, 0, "the snapshot could not be read: %s", rotor_status_message(status));
    }
    if (head.hash_profile != ROTOR_HASH_BLAKE3) {
        return rotor_fail(error, ROTOR_UNSUPPORTED, 0, "the crate does not know hash profile %" PRIu32,
                          head.hash_profile);
    }
    rotor_reference_meta *meta = &exporter->meta;
    meta->shape.arity = rotor_arity(snapshot->tree);
    meta->shape.max_depth = rotor_max_depth(snapshot->tree);
    meta->leaves = snapshot->size;
    if (meta->leaves > 0) {
        meta->depth = snapshot->depth;
        meta->root = head.root;
        /* The log is left empty and goes on from the next number. Had every leaf been an insert of its own, this would
         * be that of the last: no log of this tree's past has a higher one, so if such a log ever comes to lie beside
         * this checkpoint, none of its leaves is taken a second time. */
        meta->last_sequence = meta->leaves - 1;
        exporter->levels = rotor_reference_levels(meta->shape, meta->leaves, exporter->length);
    }
    return ROTOR_OK;
}

rotor_status rotor_reference_export(const rotor_os *os, const rotor_snapshot *snapshot, const char *destination,
                                    rotor_progress *progress, void *context, rotor_error *error) {
    export_work exporter = {.os = os,
                            .snapshot = snapshot,
                            .destination = destination,
                            .progress = progress,
                            .context = context,
                            .path = malloc(strlen(destination) + 42),
                            .nodes = malloc(PIECE_NODES * ROTOR_HASH_BYTES)};
    rotor_status status;
    if (exporter.path == NULL || exporter.nodes == NULL) {
        status = rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory to export a tree");
    } else {
        status = describe(&exporter, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_reference_recompute(snapshot, tell_checked, &exporter, error);
        exporter.checked = snapshot->size;
    }
    if (status == ROTOR_OK) {
        status = export_to_directory(&exporter, error);
    }
    free(exporter.nodes);
    free(exporter.path);
    return status;
}
