/* The level files of a stored tree: arrays of nodes, cut into shards. Knows names, offsets and syncs; nothing of what
 * the nodes are nor of which of them are committed. One of these objects belongs to one thread at a time; several may
 * work on the same directory as long as they write different nodes and share a guard. */
#ifndef ROTOR_STORE_LEVEL_FILES_H
#define ROTOR_STORE_LEVEL_FILES_H

#include "os/file.h"
#include "rotortree.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Shared by all objects that write in one directory at the same time. Replacing a shard by a copy (see write) makes
 * what the others have open a file without a name in this directory; the guard lets nobody write meanwhile, and tells
 * the others afterwards. */
typedef struct rotor_shard_guard {
    pthread_rwlock_t lock; /* shared while nodes are written, exclusive while a shard is replaced */
    uint64_t replaced;     /* shards so far; under `lock` */
} rotor_shard_guard;

typedef struct rotor_level_files {
    rotor_directory *directory;
    uint32_t shard_bits;
    bool names_unsynced; /* a shard was opened since the last sync, perhaps created: the directory must be synced */
    rotor_shard_guard *guard; /* NULL: this object alone writes */
    uint64_t replaced_seen;
    struct {
        rotor_file file; /* the shard written last */
        uint64_t shard;
        bool dirty;
    } levels[ROTOR_MAX_DEPTH + 1];
} rotor_level_files;

rotor_status rotor_shard_guard_init(rotor_shard_guard *guard, rotor_error *error);
void rotor_shard_guard_destroy(rotor_shard_guard *guard);

/* "level-LL-SSSSSSSS". */
void rotor_level_file_name(char name[40], uint32_t level, uint64_t shard);
/* Whether `name` is such a name, exactly as rotor_level_file_name() writes it, of a level and a shard that a tree can
 * have, and of which. */
bool rotor_level_file_parse(const char *name, uint32_t *level, uint64_t *shard);

void rotor_level_files_init(rotor_level_files *files, rotor_directory *directory, uint32_t shard_bits);
/* To be called after init() when several objects write in the directory at the same time, before the first of them
 * writes. The guard must outlive them. */
void rotor_level_files_share(rotor_level_files *files, rotor_shard_guard *guard);
/* Closes what is open, without a sync. */
void rotor_level_files_close(rotor_level_files *files);

/* Writes nodes first..first+count-1 of a level from memory, into as many shards as they belong to; creates those that
 * are missing. A shard that has or had several names (a backup shares it) is first replaced by a copy of its own, so
 * that the backup stays as it is, and what whoever opened it by either name maps: one status call a shard and write,
 * since a file may be linked while it is open. Synced only by rotor_level_files_sync() (a shard that is left for the
 * next one is synced then and there). Nothing may be written after a failure. */
rotor_status rotor_level_files_write(rotor_level_files *files, uint32_t level, uint64_t first, uint64_t count,
                                     const uint8_t *nodes, rotor_error *error);

/* Replaces a shard that is shared as write() does, without writing to it; makes it, empty, if it is missing. */
rotor_status rotor_level_files_make_private(rotor_level_files *files, uint32_t level, uint64_t shard,
                                            rotor_error *error);

/* Makes everything written through this object durable: files, and the directory when a shard was opened or replaced
 * since the last sync. That it was there is not enough: another object or an ended process may have created it and not
 * synced the directory. */
rotor_status rotor_level_files_sync(rotor_level_files *files, rotor_error *error);

/* Reads nodes. ROTOR_DAMAGED when a file is missing or ends before. */
rotor_status rotor_level_files_read(rotor_directory *directory, uint32_t shard_bits, uint32_t level, uint64_t first,
                                    uint64_t count, uint8_t *nodes, rotor_error *error);

/* Opens a shard for reading. ROTOR_DAMAGED when it is missing or holds fewer than `nodes` nodes in all; `file` is then
 * left as it was. */
rotor_status rotor_level_files_open_shard(rotor_file *file, rotor_directory *directory, uint32_t level, uint64_t shard,
                                          uint64_t nodes, rotor_error *error);

/* Whether the files hold the first `nodes` nodes of a level, judged by their lengths: ROTOR_DAMAGED names the first
 * that does not. */
rotor_status rotor_level_files_check_lengths(rotor_directory *directory, uint32_t shard_bits, uint32_t level,
                                             uint64_t nodes, rotor_error *error);

/* Syncs the shards that hold nodes first..first+count-1, written by whomever, and the directory. ROTOR_DAMAGED when
 * one is missing or ends before. */
rotor_status rotor_level_files_sync_range(rotor_directory *directory, uint32_t shard_bits, uint32_t level,
                                          uint64_t first, uint64_t count, rotor_error *error);

/* Gives a full shard the same name in another directory, whose names nobody reads yet, and marks it, durably, as one
 * that nobody may write to any more: by its length, of one or two bytes more. Where the file system does not allow
 * that, it is not linked and may be copied. */
rotor_status rotor_level_files_link(bool *linked, rotor_directory *from, rotor_directory *to, uint32_t shard_bits,
                                    uint32_t level, uint64_t shard, rotor_error *error);

#endif
