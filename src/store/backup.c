/* Hot backup: the committed part of the level files, and a log and superblock of its own. Must not know the tree in
 * memory: what is committed stays as it is while the store is frozen. */
#include "store/backup.h"

#include "base/error.h"
#include "store/birth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_NAME "lock"
#define COPY_BYTES ((size_t)1 << 20)

typedef struct backup {
    rotor_store *store;
    rotor_directory target;
    rotor_file lock;             /* the target's */
    bool made;                   /* the target was not there before */
    bool owned;                  /* what is in it is this backup's */
    rotor_superblock superblock; /* as committed */
    uint8_t *buffer;             /* COPY_BYTES */
    uint64_t total_bytes;
    uint64_t done_bytes;
    rotor_progress *progress;
    void *progress_context;
} backup;

static uint64_t committed_bytes(const rotor_superblock *superblock) {
    uint64_t bytes = 0;
    for (uint64_t nodes = superblock->size; nodes > 0; nodes /= superblock->arity) {
        bytes += nodes * ROTOR_HASH_BYTES;
    }
    return bytes;
}

static rotor_status report(backup *copy, uint64_t bytes, rotor_error *error) {
    copy->done_bytes += bytes;
    if (copy->progress == NULL) {
        return ROTOR_OK;
    }
    uint64_t size = copy->superblock.size;
    uint64_t leaves = (uint64_t)((double)size * ((double)copy->done_bytes / (double)copy->total_bytes));
    if (copy->progress(copy->progress_context, leaves < size ? leaves : size, size) == 0) {
        return ROTOR_OK;
    }
    return rotor_fail(error, ROTOR_TIMED_OUT, 0, "the backup to %s was ended by its caller", copy->target.path);
}

/* Copies the first `bytes` bytes and syncs them. */
static rotor_status copy_bytes(backup *copy, const rotor_file *to, const rotor_file *from, uint64_t bytes,
                               rotor_error *error) {
    const rotor_os *os = copy->target.os;
    rotor_status status = ROTOR_OK;
    if (os->clone(os->context, to->handle, from->handle) == 0) {
        /* What is behind, after a truncation for instance, would keep its blocks for as long as the copy is there. */
        status = rotor_file_truncate(to, bytes, error);
        if (status == ROTOR_OK) {
            status = report(copy, bytes, error);
        }
    } else {
        for (uint64_t offset = 0; status == ROTOR_OK && offset < bytes;) {
            size_t piece = bytes - offset < COPY_BYTES ? (size_t)(bytes - offset) : COPY_BYTES;
            status = rotor_file_read(from, copy->buffer, piece, offset, error);
            if (status == ROTOR_OK) {
                status = rotor_file_write(to, copy->buffer, piece, offset, error);
            }
            if (status == ROTOR_OK) {
                status = report(copy, piece, error);
            }
            offset += piece;
        }
    }
    return status == ROTOR_OK ? rotor_file_sync(to, error) : status;
}

static rotor_status copy_shard(backup *copy, uint32_t level, uint64_t shard, uint64_t bytes, bool full,
                               rotor_error *error) {
    rotor_directory *source = &copy->store->directory;
    rotor_status status = ROTOR_OK;
    if (full) {
        /* It is never written to again under either name (docs/durability.md, R13). */
        bool linked;
        status =
            rotor_level_files_link(&linked, source, &copy->target, copy->superblock.shard_bits, level, shard, error);
        if (status != ROTOR_OK || linked) {
            return status == ROTOR_OK ? report(copy, bytes, error) : status;
        }
    }
    char name[40];
    rotor_level_file_name(name, level, shard);
    rotor_file from = ROTOR_FILE_CLOSED;
    rotor_file to = ROTOR_FILE_CLOSED;
    status = rotor_file_open(&from, source, name, ROTOR_OS_READ, error);
    if (status == ROTOR_OK) {
        status = rotor_file_open(&to, &copy->target, name, ROTOR_OS_WRITE | ROTOR_OS_CREATE | ROTOR_OS_NEW, error);
    }
    if (status == ROTOR_OK) {
        status = copy_bytes(copy, &to, &from, bytes, error);
    }
    rotor_file_close(&to);
    rotor_file_close(&from);
    return status;
}

static rotor_status copy_levels(backup *copy, rotor_error *error) {
    uint64_t shard_nodes = (uint64_t)1 << copy->superblock.shard_bits;
    uint64_t nodes = copy->superblock.size;
    rotor_status status = ROTOR_OK;
    for (uint32_t level = 0; status == ROTOR_OK && nodes > 0; level++, nodes /= copy->superblock.arity) {
        for (uint64_t shard = 0; status == ROTOR_OK && shard * shard_nodes < nodes; shard++) {
            uint64_t rest = nodes - shard * shard_nodes;
            bool full = rest >= shard_nodes;
            status = copy_shard(copy, level, shard, (full ? shard_nodes : rest) * ROTOR_HASH_BYTES, full, error);
        }
    }
    return status;
}

/* All but the lock, which keeps others out until the rest is gone. */
static int remove_name(void *context, const char *name) {
    if (strcmp(name, LOCK_NAME) != 0) {
        (void)rotor_file_remove(context, name, NULL);
    }
    return 0;
}

/* Takes back what was made; what cannot be removed stays, without a superblock. */
static void remove_files(backup *copy) {
    const rotor_os *os = copy->target.os;
    if (copy->owned) {
        (void)rotor_file_remove(&copy->target, ROTOR_SUPERBLOCK_NAME, NULL);
        (void)os->list(os->context, copy->target.handle, remove_name, &copy->target);
        (void)rotor_file_remove(&copy->target, LOCK_NAME, NULL);
    }
}

/* The lock of the tree that is to be there keeps others from making one meanwhile, and from finding the directory
 * empty. */
static rotor_status lock_target(backup *copy, uint32_t mode, const char *destination, rotor_error *error) {
    const rotor_os *os = copy->target.os;
    bool made_again;
    rotor_status status = rotor_directory_lock(&copy->lock, &copy->target, LOCK_NAME, true, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_directory_make_or_take_empty(os, destination, mode, &made_again, error);
    if (status != ROTOR_OK && status != ROTOR_EXISTS) {
        (void)rotor_file_remove(&copy->target, LOCK_NAME, NULL);
    }
    return status;
}

static rotor_status make_target(backup *copy, const char *destination, rotor_error *error) {
    const rotor_options *options = &copy->store->options;
    const rotor_os *os = copy->store->directory.os;
    uint32_t mode = options->file_mode | (options->file_mode & 0444u) >> 2; /* whoever may read may search */
    copy->target.os = os;
    rotor_status status = rotor_directory_make_or_take_empty(os, destination, mode, &copy->made, error);
    if (status == ROTOR_OK) {
        status = rotor_directory_open(&copy->target, os, destination, options->file_mode, error);
    }
    if (status == ROTOR_OK) {
        status = lock_target(copy, mode, destination, error);
        copy->owned = status == ROTOR_OK;
    }
    return status;
}

static rotor_status copy_frozen(backup *copy, rotor_error *error) {
    copy->total_bytes = committed_bytes(&copy->superblock);
    rotor_status status = copy_levels(copy, error);
    if (status == ROTOR_OK) {
        status = rotor_directory_sync(&copy->target, error);
    }
    if (status == ROTOR_OK) {
        rotor_superblock superblock = copy->superblock;
        superblock.generation = 0;
        superblock.cuts = 0;
        status = rotor_birth(&copy->target, &superblock, error);
    }
    return status;
}

rotor_status rotor_store_backup(rotor_store *store, const char *destination, rotor_progress *progress, void *context,
                                rotor_error *error) {
    if (store->read_only) {
        return rotor_fail(error, ROTOR_READ_ONLY, 0, "%s was opened for reading: a backup has to checkpoint it first",
                          store->directory.path);
    }
    backup copy = {.store = store,
                   .progress = progress,
                   .progress_context = context,
                   .target = {.handle = -1},
                   .lock = ROTOR_FILE_CLOSED};
    copy.buffer = malloc(COPY_BYTES);
    if (copy.buffer == NULL) {
        return rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory for a backup");
    }
    rotor_status status = make_target(&copy, destination, error);
    if (status == ROTOR_OK) {
        status = rotor_store_freeze(store, &copy.superblock, error);
        if (status == ROTOR_OK) {
            status = copy_frozen(&copy, error);
            rotor_store_thaw(store);
        }
    }
    if (status != ROTOR_OK) {
        remove_files(&copy);
    }
    rotor_file_close(&copy.lock);
    rotor_directory_close(&copy.target);
    if (status != ROTOR_OK && copy.made) {
        /* Last: some file systems keep the name of a file that is removed while it is open. */
        (void)store->directory.os->remove_directory(store->directory.os->context, destination);
    }
    free(copy.buffer);
    return status;
}
