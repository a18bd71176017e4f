/* How a directory becomes a tree. Must not know trees in memory. */
#include "store/birth.h"

#include "store/log.h"

#include <string.h>

static rotor_status write_superblock(rotor_directory *directory, rotor_superblock *superblock, rotor_error *error) {
    rotor_file file = ROTOR_FILE_CLOSED;
    rotor_status status = rotor_file_open(&file, directory, ROTOR_NEW_SUPERBLOCK_NAME,
                                          ROTOR_OS_WRITE | ROTOR_OS_CREATE | ROTOR_OS_TRUNCATE, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_superblock_commit(superblock, &file, error);
    rotor_file_close(&file);
    if (status == ROTOR_OK) {
        status = rotor_file_rename(directory, ROTOR_NEW_SUPERBLOCK_NAME, ROTOR_SUPERBLOCK_NAME, error);
    }
    return status == ROTOR_OK ? rotor_directory_sync(directory, error) : status;
}

rotor_status rotor_birth(rotor_directory *directory, rotor_superblock *superblock, rotor_error *error) {
    const rotor_os *os = directory->os;
    int result = os->sync_parent(os->context, directory->path);
    if (result < 0) {
        atomic_store(&directory->sync_failed, true);
        return rotor_file_fail(directory, "..", "fsync", result, error);
    }
    atomic_fetch_add_explicit(&directory->syncs, 1, memory_order_relaxed);
    result = os->random(os->context, superblock->tree_id, sizeof superblock->tree_id);
    if (result < 0) {
        return rotor_file_fail(directory, ROTOR_SUPERBLOCK_NAME, "getrandom for", result, error);
    }
    superblock->log_segment = 1;
    superblock->log_sequence = 1;
    superblock->log_end = 1;
    rotor_log log = {
        .directory = directory, .file = ROTOR_FILE_CLOSED, .sequence = 1, .durable = 1, .size = superblock->size};
    memcpy(log.tree_id, superblock->tree_id, sizeof log.tree_id);
    rotor_status status = rotor_log_create_segment(&log, 1, error);
    rotor_log_close(&log);
    return status == ROTOR_OK ? write_superblock(directory, superblock, error) : status;
}
