/* Whole transfers on top of the file layer: a call that is interrupted or falls short goes on, and what fails is told
 * in words that name the call, the file and the place. Knows nothing of formats. */
#ifndef ROTOR_OS_FILE_H
#define ROTOR_OS_FILE_H

#include "os/os.h"
#include "rotortree.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A directory with what is counted on the way. The counters may be read at any time. */
typedef struct rotor_directory {
    const rotor_os *os;
    int handle;
    char *path; /* for messages; owned */
    uint32_t file_mode;
    _Atomic uint64_t syncs;
    _Atomic uint64_t written_bytes;
    _Atomic bool sync_failed; /* of the directory or a file in it: the system may show what it has given up to write */
} rotor_directory;

/* A file of a directory. `handle` is -1 when it is not open. */
typedef struct rotor_file {
    rotor_directory *directory;
    int handle;
    char name[40];
} rotor_file;

#define ROTOR_FILE_CLOSED ((rotor_file){.directory = NULL, .handle = -1, .name = ""})

/* All fill `error` (may be NULL) when they fail and then return ROTOR_IO, unless said otherwise. */

/* Opens a directory that is there: ROTOR_NOT_FOUND when it is not, ROTOR_OUT_OF_MEMORY. */
rotor_status rotor_directory_open(rotor_directory *directory, const rotor_os *os, const char *path, uint32_t file_mode,
                                  rotor_error *error);
/* The same for the one of that name in `above`, whose path is for messages only: os_errno ENOTDIR when it is something
 * else, such as a symbolic link. */
rotor_status rotor_directory_open_in(rotor_directory *directory, const rotor_directory *above, const char *name,
                                     const char *path, rotor_error *error);
void rotor_directory_close(rotor_directory *directory);
/* Makes the directory `path`, or takes one that is there and holds nothing (but the empty file that a tree's lock may
 * have left, and what the system puts into new file systems). Stores whether it was made. ROTOR_EXISTS when something
 * is there. */
rotor_status rotor_directory_make_or_take_empty(const rotor_os *os, const char *path, uint32_t mode, bool *made,
                                                rotor_error *error);
rotor_status rotor_directory_sync(rotor_directory *directory, rotor_error *error);
/* Opens the file `name`, which is made where there is none, and locks it, until it is closed: ROTOR_LOCKED when
 * somebody else has. With `is_new`, which says that nobody relies on the directory yet, a file that was made
 * and cannot be locked is removed again. `file` is closed after a failure. */
rotor_status rotor_directory_lock(rotor_file *file, rotor_directory *directory, const char *name, bool is_new,
                                  rotor_error *error);

/* ROTOR_NOT_FOUND when there is no such file (and NEW: ROTOR_EXISTS when there is one); ROTOR_DAMAGED, with an errno,
 * when something of that name is no regular file. */
rotor_status rotor_file_open(rotor_file *file, rotor_directory *directory, const char *name, unsigned flags,
                             rotor_error *error);
void rotor_file_close(rotor_file *file);

/* Exactly `count` bytes. A file that ends before is ROTOR_DAMAGED. */
rotor_status rotor_file_read(const rotor_file *file, void *bytes, size_t count, uint64_t offset, rotor_error *error);
/* As many of `count` bytes as the file has. */
rotor_status rotor_file_read_some(const rotor_file *file, void *bytes, size_t count, uint64_t offset, size_t *got,
                                  rotor_error *error);
rotor_status rotor_file_write(const rotor_file *file, const void *bytes, size_t count, uint64_t offset,
                              rotor_error *error);
/* A sync is never repeated after a failure: the system may have dropped what could not be written. */
rotor_status rotor_file_sync(const rotor_file *file, rotor_error *error);
rotor_status rotor_file_truncate(const rotor_file *file, uint64_t bytes, rotor_error *error);
rotor_status rotor_file_status(const rotor_file *file, rotor_os_status *status, rotor_error *error);
/* No error when there is no such file. */
rotor_status rotor_file_remove(rotor_directory *directory, const char *name, rotor_error *error);
rotor_status rotor_file_rename(rotor_directory *directory, const char *from, const char *to, rotor_error *error);

/* Fills `error` with "CALL of DIRECTORY/NAME: TEXT OF ERRNO", and where something can be done about it, with ": " and
 * what; `negative_errno` is what the file layer returned. */
rotor_status rotor_file_fail(const rotor_directory *directory, const char *name, const char *call, int negative_errno,
                             rotor_error *error);

#endif
