/* Nodes of a level at their places in files of 2^shard_bits nodes: which shard, which byte, what must be synced, and
 * that no file is written which has another name. Must not know which nodes are committed. */
#include "store/level_files.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_BYTES ((uint64_t)ROTOR_HASH_BYTES)
#define NAME_PREFIX "level-"
#define COPY_PIECE_BYTES ((size_t)1 << 20)
/* Replacing a shard leaves it with one name, unless somebody links it again at once. */
#define MOST_REPLACEMENTS 3
/* Bytes written at once from which on the disk begins with them. */
#define START_BYTES ((size_t)1 << 20)
/* 2^58 leaves in the smallest shards. */
#define SHARDS_END (UINT64_C(1) << 51)

/* ---------------------------------------------------------------- names */

void rotor_level_file_name(char name[40], uint32_t level, uint64_t shard) {
    (void)snprintf(name, 40, NAME_PREFIX "%02" PRIu32 "-%08" PRIu64, level, shard);
}

/* Up to `limit` digits; their number is returned. */
static size_t parse_digits(const char *text, size_t limit, uint64_t *value) {
    size_t digits = 0;
    *value = 0;
    while (digits < limit && text[digits] >= '0' && text[digits] <= '9') {
        *value = *value * 10 + (uint64_t)(text[digits] - '0');
        digits++;
    }
    return digits;
}

bool rotor_level_file_parse(const char *name, uint32_t *level, uint64_t *shard) {
    uint64_t level_number;
    uint64_t shard_number;
    const char *at = name;
    if (strncmp(at, NAME_PREFIX, strlen(NAME_PREFIX)) != 0) {
        return false;
    }
    at += strlen(NAME_PREFIX);
    if (parse_digits(at, 2, &level_number) != 2 || at[2] != '-' || level_number > ROTOR_MAX_DEPTH) {
        return false;
    }
    at += 3;
    size_t digits = parse_digits(at, 16, &shard_number);
    bool padded = digits == 8 || (digits > 8 && at[0] != '0');
    if (!padded || at[digits] != '\0' || shard_number >= SHARDS_END) {
        return false;
    }
    *level = (uint32_t)level_number;
    *shard = shard_number;
    return true;
}

/* ---------------------------------------------------------------- places */

/* The part of a range of nodes that is in the shard of the first of them. */
typedef struct part {
    uint64_t shard;
    uint64_t within; /* nodes of the shard before the part */
    uint64_t count;
} part;

static part first_part(uint32_t shard_bits, uint64_t first, uint64_t count) {
    uint64_t shard_nodes = UINT64_C(1) << shard_bits;
    part result = {.shard = first >> shard_bits, .within = first & (shard_nodes - 1), .count = count};
    if (result.count > shard_nodes - result.within) {
        result.count = shard_nodes - result.within;
    }
    return result;
}

/* ---------------------------------------------------------------- sharing a directory */

rotor_status rotor_shard_guard_init(rotor_shard_guard *guard, rotor_error *error) {
    guard->replaced = 0;
    int failed = pthread_rwlock_init(&guard->lock, NULL);
    return failed == 0 ? ROTOR_OK
                       : rotor_fail(error, ROTOR_OUT_OF_MEMORY, failed, "pthread_rwlock_init: %s", strerror(failed));
}

void rotor_shard_guard_destroy(rotor_shard_guard *guard) {
    (void)pthread_rwlock_destroy(&guard->lock);
}

void rotor_level_files_share(rotor_level_files *files, rotor_shard_guard *guard) {
    files->guard = guard;
    files->replaced_seen = 0;
}

static rotor_status lock(const rotor_level_files *files, bool alone, rotor_error *error) {
    if (files->guard == NULL) {
        return ROTOR_OK;
    }
    int failed = alone ? pthread_rwlock_wrlock(&files->guard->lock) : pthread_rwlock_rdlock(&files->guard->lock);
    return failed == 0 ? ROTOR_OK
                       : rotor_fail(error, ROTOR_OUT_OF_MEMORY, failed,
                                    "the lock of the level files of %.300s: error %d", files->directory->path, failed);
}

static void unlock(const rotor_level_files *files) {
    if (files->guard != NULL) {
        (void)pthread_rwlock_unlock(&files->guard->lock);
    }
}

/* ---------------------------------------------------------------- shards that are written */

void rotor_level_files_init(rotor_level_files *files, rotor_directory *directory, uint32_t shard_bits) {
    memset(files, 0, sizeof *files);
    files->directory = directory;
    files->shard_bits = shard_bits;
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level++) {
        files->levels[level].file = ROTOR_FILE_CLOSED;
    }
}

static bool is_open(const rotor_level_files *files, uint32_t level) {
    return files->levels[level].file.handle >= 0;
}

static void close_level(rotor_level_files *files, uint32_t level) {
    if (is_open(files, level)) {
        rotor_file_close(&files->levels[level].file);
    }
    files->levels[level].file = ROTOR_FILE_CLOSED;
    files->levels[level].dirty = false;
}

void rotor_level_files_close(rotor_level_files *files) {
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level++) {
        close_level(files, level);
    }
}

static rotor_status sync_level(rotor_level_files *files, uint32_t level, rotor_error *error) {
    if (!files->levels[level].dirty) {
        return ROTOR_OK;
    }
    rotor_status status = rotor_file_sync(&files->levels[level].file, error);
    if (status == ROTOR_OK) {
        files->levels[level].dirty = false;
    }
    return status;
}

static rotor_status leave_level(rotor_level_files *files, uint32_t level, rotor_error *error) {
    rotor_status status = sync_level(files, level, error);
    if (status == ROTOR_OK) {
        close_level(files, level);
    }
    return status;
}

/* Another object may have replaced a shard that is open here: what is open then has lost its name. What was written to
 * it is in the replacement, which is synced, but its name need not be. */
static rotor_status leave_replaced(rotor_level_files *files, rotor_error *error) {
    if (files->guard == NULL || files->guard->replaced == files->replaced_seen) {
        return ROTOR_OK;
    }
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level++) {
        rotor_status status = leave_level(files, level, error);
        if (status != ROTOR_OK) {
            return status;
        }
    }
    files->replaced_seen = files->guard->replaced;
    files->names_unsynced = true;
    return ROTOR_OK;
}

/* A file that is there may have been created a moment ago by another object, or by a process that ended before it
 * synced the directory: every name that is opened counts as new. */
static rotor_status enter_shard(rotor_level_files *files, uint32_t level, uint64_t shard, rotor_error *error) {
    if (is_open(files, level) && files->levels[level].shard == shard) {
        return ROTOR_OK;
    }
    rotor_status status = leave_level(files, level, error);
    if (status != ROTOR_OK) {
        return status;
    }
    char name[40];
    rotor_level_file_name(name, level, shard);
    status =
        rotor_file_open(&files->levels[level].file, files->directory, name, ROTOR_OS_WRITE | ROTOR_OS_CREATE, error);
    if (status != ROTOR_OK) {
        files->levels[level].file = ROTOR_FILE_CLOSED;
        return status;
    }
    files->levels[level].shard = shard;
    files->names_unsynced = true;
    return ROTOR_OK;
}

/* Opens the shard if need be, and tells what it is now: also while it is open somebody may give it another name. */
static rotor_status enter_and_look(rotor_level_files *files, uint32_t level, uint64_t shard, rotor_os_status *facts,
                                   rotor_error *error) {
    rotor_status status = leave_replaced(files, error);
    if (status == ROTOR_OK) {
        status = enter_shard(files, level, shard, error);
    }
    const rotor_file *file = &files->levels[level].file;
    if (status == ROTOR_OK) {
        status = rotor_file_status(file, facts, error);
    }
    if (status == ROTOR_OK && facts->links == 0) {
        return rotor_fail(error, ROTOR_DAMAGED, 0, "%.300s/%s: was removed while it was open for writing",
                          file->directory->path, file->name);
    }
    return status;
}

/* ---------------------------------------------------------------- replacing a shared shard */

static rotor_status copy_contents(const rotor_file *to, const rotor_file *from, uint64_t bytes, rotor_error *error) {
    const rotor_os *os = from->directory->os;
    /* Whatever keeps the file system from sharing blocks, reading and writing still works or says why not. */
    if (os->clone(os->context, to->handle, from->handle) == 0) {
        return rotor_file_truncate(to, bytes, error);
    }
    size_t piece_bytes = bytes < COPY_PIECE_BYTES ? (size_t)bytes : COPY_PIECE_BYTES;
    uint8_t *piece = malloc(piece_bytes != 0 ? piece_bytes : 1);
    if (piece == NULL) {
        return rotor_fail(error, ROTOR_OUT_OF_MEMORY, 0, "%.300s/%s: no memory for copying it", from->directory->path,
                          from->name);
    }
    rotor_status status = ROTOR_OK;
    for (uint64_t at = 0; status == ROTOR_OK && at < bytes; at += piece_bytes) {
        size_t count = bytes - at < piece_bytes ? (size_t)(bytes - at) : piece_bytes;
        status = rotor_file_read(from, piece, count, at, error);
        if (status == ROTOR_OK) {
            status = rotor_file_write(to, piece, count, at, error);
        }
    }
    free(piece);
    return status;
}

static rotor_status replace_by_copy(rotor_directory *directory, const rotor_file *from, uint64_t bytes,
                                    rotor_error *error) {
    char name[sizeof from->name + 4];
    (void)snprintf(name, sizeof name, "%s.new", from->name);
    rotor_file to = ROTOR_FILE_CLOSED;
    /* Remains of an earlier attempt are not written over: they may have another name, too. */
    rotor_status status = rotor_file_remove(directory, name, error);
    if (status == ROTOR_OK) {
        status = rotor_file_open(&to, directory, name, ROTOR_OS_WRITE | ROTOR_OS_CREATE | ROTOR_OS_NEW, error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    status = copy_contents(&to, from, bytes, error);
    if (status == ROTOR_OK) {
        status = rotor_file_sync(&to, error);
    }
    rotor_file_close(&to);
    if (status == ROTOR_OK) {
        status = rotor_file_rename(directory, name, from->name, error);
    }
    if (status != ROTOR_OK) {
        /* What stays is removed by the next open; the failure that counts is the first one. */
        (void)rotor_file_remove(directory, name, NULL);
    }
    return status;
}

static uint64_t full_bytes(uint32_t shard_bits) {
    return NODE_BYTES << shard_bits;
}

/* A byte or two behind its end mark a shard that has, or once had, another name: whoever opened it by that may still
 * map it when the name is gone. */
static bool is_marked(uint32_t shard_bits, uint64_t bytes) {
    return bytes > full_bytes(shard_bits);
}

static bool is_shared(const rotor_level_files *files, const rotor_os_status *facts) {
    return facts->links > 1 || is_marked(files->shard_bits, facts->bytes);
}

rotor_status rotor_level_files_make_private(rotor_level_files *files, uint32_t level, uint64_t shard,
                                            rotor_error *error) {
    rotor_status status = lock(files, true, error);
    if (status != ROTOR_OK) {
        return status;
    }
    const rotor_file *file = &files->levels[level].file;
    rotor_os_status facts = {0};
    status = enter_and_look(files, level, shard, &facts, error);
    if (status == ROTOR_OK && is_shared(files, &facts)) {
        uint64_t full = full_bytes(files->shard_bits);
        status = replace_by_copy(files->directory, file, facts.bytes < full ? facts.bytes : full, error);
        if (status == ROTOR_OK) {
            /* What this object wrote is in the copy, which is synced. */
            close_level(files, level);
            files->names_unsynced = true;
            if (files->guard != NULL) {
                files->replaced_seen = ++files->guard->replaced;
            }
        }
    }
    unlock(files);
    return status;
}

/* ---------------------------------------------------------------- writing */

/* Lets the disk begin with many nodes at once, instead of when they are synced: 320 MB in pieces of 1 MiB, written and
 * synced, took 227 ms without that, and 157 ms with it. */
static void start_sync(const rotor_level_files *files, uint32_t level, uint64_t count) {
    const rotor_os *os = files->directory->os;
    if (count * NODE_BYTES >= START_BYTES && os->start_sync != NULL) {
        os->start_sync(os->context, files->levels[level].file.handle);
    }
}

static rotor_status write_part(rotor_level_files *files, uint32_t level, const part *where, const uint8_t *nodes,
                               rotor_error *error) {
    for (unsigned replacements = 0; replacements <= MOST_REPLACEMENTS; replacements++) {
        rotor_os_status facts = {0};
        rotor_status status = lock(files, false, error);
        if (status != ROTOR_OK) {
            return status;
        }
        status = enter_and_look(files, level, where->shard, &facts, error);
        bool shared = status == ROTOR_OK && is_shared(files, &facts);
        if (status == ROTOR_OK && !shared) {
            files->levels[level].dirty = true;
            status = rotor_file_write(&files->levels[level].file, nodes, (size_t)(where->count * NODE_BYTES),
                                      where->within * NODE_BYTES, error);
        }
        unlock(files);
        if (!shared) {
            if (status == ROTOR_OK) {
                start_sync(files, level, where->count); /* it may wait for the disk's queue: not under the lock */
            }
            return status;
        }
        status = rotor_level_files_make_private(files, level, where->shard, error);
        if (status != ROTOR_OK) {
            return status;
        }
    }
    char name[40];
    rotor_level_file_name(name, level, where->shard);
    return rotor_fail(error, ROTOR_IO, 0,
                      "%.300s/%s: is shared with a backup, and again after it was replaced by a copy %d times",
                      files->directory->path, name, MOST_REPLACEMENTS + 1);
}

rotor_status rotor_level_files_write(rotor_level_files *files, uint32_t level, uint64_t first, uint64_t count,
                                     const uint8_t *nodes, rotor_error *error) {
    while (count != 0) {
        part where = first_part(files->shard_bits, first, count);
        rotor_status status = write_part(files, level, &where, nodes, error);
        if (status != ROTOR_OK) {
            return status;
        }
        first += where.count;
        count -= where.count;
        nodes += where.count * NODE_BYTES;
    }
    return ROTOR_OK;
}

/* Lets the disk begin on all files before the first is waited for: ten files of 4 KiB took 1.75 ms so, against 2.9 ms
 * one after the other. */
static void start_syncs(const rotor_level_files *files) {
    const rotor_os *os = files->directory->os;
    for (uint32_t level = 0; os->start_sync != NULL && level <= ROTOR_MAX_DEPTH; level++) {
        if (files->levels[level].dirty) {
            os->start_sync(os->context, files->levels[level].file.handle);
        }
    }
}

rotor_status rotor_level_files_sync(rotor_level_files *files, rotor_error *error) {
    rotor_status status = lock(files, false, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = leave_replaced(files, error);
    unlock(files);
    if (status == ROTOR_OK) {
        start_syncs(files);
    }
    for (uint32_t level = 0; status == ROTOR_OK && level <= ROTOR_MAX_DEPTH; level++) {
        status = sync_level(files, level, error);
    }
    if (status == ROTOR_OK && files->names_unsynced) {
        status = rotor_directory_sync(files->directory, error);
        if (status == ROTOR_OK) {
            files->names_unsynced = false;
        }
    }
    return status;
}

/* ---------------------------------------------------------------- reading */

rotor_status rotor_level_files_open_shard(rotor_file *file, rotor_directory *directory, uint32_t level, uint64_t shard,
                                          uint64_t nodes, rotor_error *error) {
    char name[40];
    rotor_os_status facts;
    uint64_t needed = nodes * NODE_BYTES;
    const char *advice = level == 0 ? "its leaves are nowhere else: restore them from a backup"
                                    : "rotor_repair() ('rotortree repair') makes it anew from the leaves";
    rotor_level_file_name(name, level, shard);
    rotor_file opened = ROTOR_FILE_CLOSED;
    rotor_status status = rotor_file_open(&opened, directory, name, ROTOR_OS_READ, error);
    if (status == ROTOR_NOT_FOUND) {
        return rotor_fail(error, ROTOR_DAMAGED, 0, "%.240s/%s: found no such file, needed %" PRIu64 " bytes: %s",
                          directory->path, name, needed, advice);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_file_status(&opened, &facts, error);
    if (status == ROTOR_OK && facts.bytes < needed) {
        status = rotor_fail(error, ROTOR_DAMAGED, 0, "%.240s/%s: found %" PRIu64 " bytes, needed %" PRIu64 " bytes: %s",
                            directory->path, name, facts.bytes, needed, advice);
    }
    if (status != ROTOR_OK) {
        rotor_file_close(&opened);
        return status;
    }
    *file = opened;
    return ROTOR_OK;
}

rotor_status rotor_level_files_read(rotor_directory *directory, uint32_t shard_bits, uint32_t level, uint64_t first,
                                    uint64_t count, uint8_t *nodes, rotor_error *error) {
    while (count != 0) {
        part where = first_part(shard_bits, first, count);
        rotor_file file;
        rotor_status status =
            rotor_level_files_open_shard(&file, directory, level, where.shard, where.within + where.count, error);
        if (status != ROTOR_OK) {
            return status;
        }
        status = rotor_file_read(&file, nodes, (size_t)(where.count * NODE_BYTES), where.within * NODE_BYTES, error);
        rotor_file_close(&file);
        if (status != ROTOR_OK) {
            return status;
        }
        first += where.count;
        count -= where.count;
        nodes += where.count * NODE_BYTES;
    }
    return ROTOR_OK;
}

/* Opens each shard of a range, which must reach to the end of its part, and syncs it if that is asked for. */
static rotor_status visit_shards(rotor_directory *directory, uint32_t shard_bits, uint32_t level, uint64_t first,
                                 uint64_t count, bool sync, rotor_error *error) {
    while (count != 0) {
        part where = first_part(shard_bits, first, count);
        rotor_file file;
        rotor_status status =
            rotor_level_files_open_shard(&file, directory, level, where.shard, where.within + where.count, error);
        if (status != ROTOR_OK) {
            return status;
        }
        if (sync) {
            status = rotor_file_sync(&file, error);
        }
        rotor_file_close(&file);
        if (status != ROTOR_OK) {
            return status;
        }
        first += where.count;
        count -= where.count;
    }
    return ROTOR_OK;
}

rotor_status rotor_level_files_check_lengths(rotor_directory *directory, uint32_t shard_bits, uint32_t level,
                                             uint64_t nodes, rotor_error *error) {
    return visit_shards(directory, shard_bits, level, 0, nodes, false, error);
}

rotor_status rotor_level_files_sync_range(rotor_directory *directory, uint32_t shard_bits, uint32_t level,
                                          uint64_t first, uint64_t count, rotor_error *error) {
    if (count == 0) {
        return ROTOR_OK;
    }
    rotor_status status = visit_shards(directory, shard_bits, level, first, count, true, error);
    return status == ROTOR_OK ? rotor_directory_sync(directory, error) : status;
}

/* ---------------------------------------------------------------- sharing a shard with another directory */

/* Durably: on some file systems the other name would outlive a loss of power without it. A mark that is there already
 * need not be on the disk, and a sync after one that failed would not bring it there: so it changes each time. */
static rotor_status mark_as_shared(rotor_directory *directory, const char *name, uint32_t shard_bits,
                                   rotor_error *error) {
    rotor_file file = ROTOR_FILE_CLOSED;
    rotor_os_status facts = {0};
    rotor_status status = rotor_file_open(&file, directory, name, ROTOR_OS_WRITE, error);
    if (status == ROTOR_OK) {
        status = rotor_file_status(&file, &facts, error);
    }
    if (status == ROTOR_OK && facts.bytes < full_bytes(shard_bits)) {
        status = rotor_fail(error, ROTOR_DAMAGED, 0, "%.240s/%s: found %" PRIu64 " bytes, needed %" PRIu64 " bytes",
                            directory->path, name, facts.bytes, full_bytes(shard_bits));
    }
    if (status == ROTOR_OK) {
        uint64_t mark = facts.bytes == full_bytes(shard_bits) + 1 ? 2 : 1;
        status = rotor_file_truncate(&file, full_bytes(shard_bits) + mark, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_file_sync(&file, error);
    }
    rotor_file_close(&file);
    return status;
}

rotor_status rotor_level_files_link(bool *linked, rotor_directory *from, rotor_directory *to, uint32_t shard_bits,
                                    uint32_t level, uint64_t shard, rotor_error *error) {
    char name[40];
    rotor_error reason = {.status = ROTOR_OK};
    const rotor_os *os = from->os;
    rotor_level_file_name(name, level, shard);
    *linked = os->link(os->context, from->handle, name, to->handle, name) == 0;
    if (!*linked) {
        return ROTOR_OK;
    }
    rotor_status status = mark_as_shared(from, name, shard_bits, &reason);
    if (status == ROTOR_OK) {
        return ROTOR_OK;
    }
    *linked = false;
    rotor_status removed = rotor_file_remove(to, name, error);
    bool refused = reason.os_errno == EACCES || reason.os_errno == EPERM || reason.os_errno == EFBIG;
    if (removed != ROTOR_OK || refused) {
        return removed;
    }
    if (error != NULL) {
        *error = reason;
    }
    return status;
}
