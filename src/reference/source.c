/* Opening a directory of the crate's and reading the nodes in it. Must not know trees. */
#include "reference/source.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- failures */

rotor_status rotor_reference_fail(const rotor_directory *directory, const char *name, rotor_error *error,
                                  rotor_status status, const char *format, ...) {
    /* Of a long path the end is shown, or there would be no room for what was wrong. */
    const size_t most_path = 160;
    char words[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    size_t length = strlen(directory->path);
    bool is_long = length > most_path;
    return rotor_fail(error, status, 0, "%s%s/%s: %s", is_long ? "..." : "",
                      is_long ? directory->path + (length - most_path) : directory->path, name, words);
}

static rotor_status fail_damaged(const rotor_reference_source *source, const char *name, rotor_error *error,
                                 const char *what) {
    return rotor_reference_fail(&source->directory, name, error, ROTOR_DAMAGED, "%s; restore it from a copy", what);
}

/* ---------------------------------------------------------------- files */

/* *found is false, without an error, when there is no such file. */
static rotor_status open_if_there(rotor_reference_source *source, rotor_file *file, bool *found, const char *name,
                                  rotor_error *error) {
    rotor_error failure;
    rotor_status status = rotor_file_open(file, &source->directory, name, ROTOR_OS_READ, &failure);
    *found = status == ROTOR_OK;
    if (status == ROTOR_OK || status == ROTOR_NOT_FOUND) {
        return ROTOR_OK;
    }
    if (error != NULL) {
        *error = failure;
    }
    return status;
}

/* Reads a file of exactly `count` bytes. A file of any other length gives *exact = false. */
static rotor_status read_whole(rotor_reference_source *source, bool *found, bool *exact, const char *name,
                               uint8_t *bytes, size_t count, rotor_error *error) {
    rotor_file file;
    size_t got = 0;
    uint8_t more;
    size_t got_more = 0;
    *exact = false;
    rotor_status status = open_if_there(source, &file, found, name, error);
    if (status != ROTOR_OK || !*found) {
        return status;
    }
    status = rotor_file_read_some(&file, bytes, count, 0, &got, error);
    if (status == ROTOR_OK && got == count) {
        status = rotor_file_read_some(&file, &more, 1, count, &got_more, error);
    }
    rotor_file_close(&file);
    *exact = got == count && got_more == 0;
    return status;
}

/* Turns what a decoder of an identifying frame said into words. */
static rotor_status judge_frame(const rotor_reference_source *source, const char *name, rotor_status decoded,
                                rotor_error *error) {
    if (decoded == ROTOR_UNSUPPORTED) {
        return rotor_reference_fail(&source->directory, name, error, decoded, "its version is not known here");
    }
    return decoded == ROTOR_OK ? ROTOR_OK
                               : fail_damaged(source, name, error, "its contents do not have the right checksum");
}

static rotor_status check_same_shape(const rotor_reference_source *source, const char *name,
                                     rotor_reference_shape shape, rotor_error *error) {
    if (shape.arity == source->shape.arity && shape.max_depth == source->shape.max_depth) {
        return ROTOR_OK;
    }
    return rotor_reference_fail(&source->directory, name, error, ROTOR_DAMAGED,
                                "is of a tree of arity %" PRIu32 " and maximum depth %" PRIu32 ", the log of %" PRIu32
                                " and %" PRIu32 "; restore the directory from one copy",
                                shape.arity, shape.max_depth, source->shape.arity, source->shape.max_depth);
}

/* ---------------------------------------------------------------- the checkpoint */

static rotor_status read_header(rotor_reference_source *source, rotor_error *error) {
    uint8_t bytes[ROTOR_REFERENCE_HEADER_BYTES];
    rotor_reference_shape shape = {0, 0};
    bool found;
    bool exact;
    rotor_status status = read_whole(source, &found, &exact, ROTOR_REFERENCE_HEADER, bytes, sizeof bytes, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (!found) {
        return fail_damaged(source, ROTOR_REFERENCE_HEADER, error, "is missing");
    }
    status = judge_frame(source, ROTOR_REFERENCE_HEADER,
                         exact ? rotor_reference_header_decode(&shape, bytes) : ROTOR_MALFORMED, error);
    return status == ROTOR_OK ? check_same_shape(source, ROTOR_REFERENCE_HEADER, shape, error) : status;
}

static rotor_status read_meta(rotor_reference_source *source, rotor_error *error) {
    uint8_t bytes[ROTOR_REFERENCE_META_BYTES];
    rotor_reference_meta *meta = &source->meta;
    bool exact;
    rotor_status status =
        read_whole(source, &source->checkpointed, &exact, ROTOR_REFERENCE_META, bytes, sizeof bytes, error);
    if (status != ROTOR_OK || !source->checkpointed) {
        return status;
    }
    status = judge_frame(source, ROTOR_REFERENCE_META,
                         exact ? rotor_reference_meta_decode(meta, bytes) : ROTOR_MALFORMED, error);
    if (status == ROTOR_OK) {
        status = check_same_shape(source, ROTOR_REFERENCE_META, meta->shape, error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    if (meta->leaves == 0 || meta->depth > meta->shape.max_depth ||
        meta->depth != rotor_reference_depth(meta->shape.arity, meta->leaves)) {
        return fail_damaged(source, ROTOR_REFERENCE_META, error, "its depth does not follow from its leaves");
    }
    source->levels = rotor_reference_levels(source->shape, meta->leaves, source->length);
    return ROTOR_OK;
}

static uint64_t nodes_in_shards(const rotor_reference_source *source, uint32_t level) {
    return source->length[level] / ROTOR_REFERENCE_CHUNK_NODES * ROTOR_REFERENCE_CHUNK_NODES;
}

/* Opens the shard unless it is the one that is open. */
static rotor_status open_shard(rotor_reference_source *source, bool *found, uint32_t level, uint64_t number,
                               rotor_error *error) {
    *found = source->shard.handle >= 0 && source->shard_level == level && source->shard_number == number;
    if (*found) {
        return ROTOR_OK;
    }
    char name[40];
    rotor_file_close(&source->shard);
    rotor_reference_shard_name(name, level, number);
    rotor_status status = open_if_there(source, &source->shard, found, name, error);
    source->shard_level = level;
    source->shard_number = number;
    return status;
}

/* That the shards of a level are there and long enough. They may be longer: a later checkpoint, or one that a crash
 * interrupted, has appended to them. */
static rotor_status check_shards(rotor_reference_source *source, uint32_t level, rotor_error *error) {
    uint64_t nodes = nodes_in_shards(source, level);
    const char *advice = level == 0 ? "restore it from a copy"
                                    : "restore it from a copy, or make it that long with any contents: inner nodes "
                                      "are computed anew";
    for (uint64_t number = 0; nodes > 0; number++) {
        uint64_t here = nodes < ROTOR_REFERENCE_SHARD_NODES ? nodes : ROTOR_REFERENCE_SHARD_NODES;
        rotor_os_status facts = {0};
        char name[40];
        bool found;
        rotor_status status = open_shard(source, &found, level, number, error);
        if (status == ROTOR_OK && found) {
            status = rotor_file_status(&source->shard, &facts, error);
        }
        if (status != ROTOR_OK) {
            return status;
        }
        if (!found || facts.bytes < here * ROTOR_HASH_BYTES) {
            rotor_reference_shard_name(name, level, number);
            return rotor_reference_fail(&source->directory, name, error, ROTOR_DAMAGED,
                                        "has %" PRIu64 " bytes, not the %" PRIu64 " of the checkpoint; %s", facts.bytes,
                                        here * ROTOR_HASH_BYTES, advice);
        }
        nodes -= here;
    }
    return ROTOR_OK;
}

static rotor_status open_tails(rotor_reference_source *source, rotor_error *error) {
    rotor_os_status facts;
    bool found;
    uint64_t expected = (uint64_t)source->shape.max_depth * ROTOR_REFERENCE_CHUNK_BYTES;
    rotor_status status = open_if_there(source, &source->tails, &found, ROTOR_REFERENCE_TAILS, error);
    if (status == ROTOR_OK && !found) {
        return fail_damaged(source, ROTOR_REFERENCE_TAILS, error, "is missing");
    }
    if (status == ROTOR_OK) {
        status = rotor_file_status(&source->tails, &facts, error);
    }
    if (status == ROTOR_OK && facts.bytes != expected) {
        return rotor_reference_fail(&source->directory, ROTOR_REFERENCE_TAILS, error, ROTOR_DAMAGED,
                                    "has %" PRIu64 " bytes, not %" PRIu64 "; restore it from a copy", facts.bytes,
                                    expected);
    }
    return status;
}

static rotor_status open_checkpoint(rotor_reference_source *source, rotor_error *error) {
    rotor_status status = read_header(source, error);
    if (status == ROTOR_OK) {
        status = open_tails(source, error);
    }
    for (uint32_t level = 0; status == ROTOR_OK && level < source->levels; level++) {
        status = check_shards(source, level, error);
    }
    return status;
}

/* ---------------------------------------------------------------- opening */

/* Whether there is anything of a checkpoint. `file` is closed again. */
static rotor_status any_there(rotor_reference_source *source, bool *any, rotor_error *error) {
    static const char *const names[] = {ROTOR_REFERENCE_META, ROTOR_REFERENCE_TAILS, "data/level_0/shard_0000.dat"};
    *any = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !*any; i++) {
        rotor_file file;
        rotor_status status = open_if_there(source, &file, any, names[i], error);
        if (status != ROTOR_OK) {
            return status;
        }
        rotor_file_close(&file);
    }
    return ROTOR_OK;
}

static rotor_status open_log(rotor_reference_source *source, rotor_error *error) {
    bool found;
    bool any;
    rotor_status status = open_if_there(source, &source->wal, &found, ROTOR_REFERENCE_WAL, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (!found) {
        status = any_there(source, &any, error);
        if (status != ROTOR_OK) {
            return status;
        }
        return any ? fail_damaged(source, ROTOR_REFERENCE_WAL, error, "is missing")
                   : rotor_reference_fail(&source->directory, ROTOR_REFERENCE_WAL, error, ROTOR_NOT_FOUND,
                                          "there is no such file, and no data beside it");
    }
    /* The crate locks this file as long as it has the tree open. Where files cannot be locked, it cannot either. */
    const rotor_os *os = source->directory.os;
    if (os->lock(os->context, source->wal.handle) == -EWOULDBLOCK) {
        return rotor_reference_fail(&source->directory, ROTOR_REFERENCE_WAL, error, ROTOR_LOCKED,
                                    "the tree is open in another process; close it there first");
    }
    status = rotor_reference_log_open(&source->log, &source->wal, error);
    source->shape = source->log.shape;
    return status;
}

static rotor_status check_shape(const rotor_reference_source *source, rotor_error *error) {
    uint32_t arity = source->shape.arity;
    uint32_t max_depth = source->shape.max_depth;
    if (arity >= ROTOR_MIN_ARITY && arity <= ROTOR_MAX_ARITY && max_depth >= ROTOR_MIN_DEPTH &&
        max_depth <= ROTOR_MAX_DEPTH) {
        return ROTOR_OK;
    }
    return rotor_reference_fail(&source->directory, ROTOR_REFERENCE_WAL, error, ROTOR_UNSUPPORTED,
                                "is of a tree of arity %" PRIu32 " and maximum depth %" PRIu32
                                ", outside of what this library can hold",
                                arity, max_depth);
}

/* That the leaves of checkpoint and log together are no more than the tree can hold: the crate would not have taken
 * them. */
static rotor_status check_total(const rotor_reference_source *source, rotor_error *error) {
    uint64_t leaves = source->checkpointed ? source->meta.leaves : 0;
    if (source->log.leaves <= UINT64_MAX - leaves &&
        rotor_reference_depth(source->shape.arity, leaves + source->log.leaves) <= source->shape.max_depth) {
        return ROTOR_OK;
    }
    return fail_damaged(source, ROTOR_REFERENCE_WAL, error, "holds more leaves than the tree has room for");
}

static rotor_status open_all(rotor_reference_source *source, rotor_error *error) {
    rotor_status status = open_log(source, error);
    if (status == ROTOR_OK) {
        status = check_shape(source, error);
    }
    if (status == ROTOR_OK) {
        status = read_meta(source, error);
    }
    if (status == ROTOR_OK && source->checkpointed) {
        status = open_checkpoint(source, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_reference_log_scan(&source->log, source->checkpointed, source->meta.last_sequence, error);
    }
    if (status == ROTOR_OK) {
        status = check_total(source, error);
    }
    if (status == ROTOR_OK && !source->checkpointed && source->log.leaves == 0) {
        /* A crash in the first checkpoint leaves such files, too, but then the log still has everything. */
        bool any;
        status = any_there(source, &any, error);
        if (status == ROTOR_OK && any) {
            status = fail_damaged(source, ROTOR_REFERENCE_META, error,
                                  "is missing, and the log does not have the leaves that were checkpointed");
        }
    }
    return status;
}

rotor_status rotor_reference_source_open(rotor_reference_source *source, const rotor_os *os, const char *path,
                                         rotor_error *error) {
    memset(source, 0, sizeof *source);
    source->wal = ROTOR_FILE_CLOSED;
    source->tails = ROTOR_FILE_CLOSED;
    source->shard = ROTOR_FILE_CLOSED;
    rotor_status status = rotor_directory_open(&source->directory, os, path, 0, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = open_all(source, error);
    if (status != ROTOR_OK) {
        rotor_reference_source_close(source);
    }
    return status;
}

void rotor_reference_source_close(rotor_reference_source *source) {
    rotor_file_close(&source->shard);
    rotor_file_close(&source->tails);
    rotor_file_close(&source->wal);
    rotor_directory_close(&source->directory);
}

/* ---------------------------------------------------------------- nodes */

rotor_status rotor_reference_source_shard_goes_on(rotor_reference_source *source, bool *goes_on, uint32_t level,
                                                  rotor_error *error) {
    uint64_t end = nodes_in_shards(source, level);
    rotor_os_status facts = {0};
    bool found;
    *goes_on = false;
    rotor_status status = open_shard(source, &found, level, end / ROTOR_REFERENCE_SHARD_NODES, error);
    if (status == ROTOR_OK && found) {
        status = rotor_file_status(&source->shard, &facts, error);
    }
    *goes_on = status == ROTOR_OK &&
               facts.bytes / ROTOR_HASH_BYTES >= end % ROTOR_REFERENCE_SHARD_NODES + ROTOR_REFERENCE_CHUNK_NODES;
    return status;
}

/* Nodes that lie in one shard. */
static rotor_status read_from_shard(rotor_reference_source *source, rotor_hash *nodes, uint64_t count, uint32_t level,
                                    uint64_t first, rotor_error *error) {
    bool found;
    uint64_t number = first / ROTOR_REFERENCE_SHARD_NODES;
    rotor_status status = open_shard(source, &found, level, number, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (!found) {
        char name[40];
        rotor_reference_shard_name(name, level, number);
        return fail_damaged(source, name, error, "has gone while it was being read");
    }
    return rotor_file_read(&source->shard, nodes, (size_t)count * ROTOR_HASH_BYTES,
                           first % ROTOR_REFERENCE_SHARD_NODES * ROTOR_HASH_BYTES, error);
}

rotor_status rotor_reference_source_nodes(rotor_reference_source *source, rotor_hash *nodes, size_t count,
                                          uint32_t level, uint64_t first, rotor_error *error) {
    rotor_status status = ROTOR_OK;
    uint64_t tail = nodes_in_shards(source, level);
    bool tail_in_shard = false;
    if (source->newer_tails && first + count > tail) {
        status = rotor_reference_source_shard_goes_on(source, &tail_in_shard, level, error);
    }
    while (status == ROTOR_OK && count > 0) {
        uint64_t piece = count;
        if (first < tail || tail_in_shard) {
            uint64_t room = ROTOR_REFERENCE_SHARD_NODES - first % ROTOR_REFERENCE_SHARD_NODES;
            uint64_t rest = first < tail ? tail - first : piece;
            piece = piece < rest ? piece : rest;
            piece = piece < room ? piece : room;
            status = read_from_shard(source, nodes, piece, level, first, error);
        } else {
            uint64_t offset = (uint64_t)level * ROTOR_REFERENCE_CHUNK_BYTES + (first - tail) * ROTOR_HASH_BYTES;
            status = rotor_file_read(&source->tails, nodes, (size_t)piece * ROTOR_HASH_BYTES, offset, error);
        }
        nodes += piece;
        first += piece;
        count -= (size_t)piece;
    }
    return status;
}
