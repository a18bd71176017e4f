/* Whole reads and writes on top of the file layer, and its failures in words. Must not know what the files hold. */
#include "os/file.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- failures */

/* strerror() may share its text between threads. Of the two forms of strerror_r(), GNU's may ignore the buffer. */
static const char *text_of(int number, char *buffer, size_t bytes) {
#ifdef __GLIBC__
    return strerror_r(number, buffer, bytes);
#else
    return strerror_r(number, buffer, bytes) == 0 ? buffer : "unknown error";
#endif
}

#define SHOWN_BYTES 400
/* Of a directory's path. */
#define SHOWN_PATH_BYTES 240

/* "DIRECTORY/NAME", or "DIRECTORY" without a name. Of a long path the end is shown, or a message would have no room for
 * what went wrong. */
static const char *place_of(const char *path, const char *name, char shown[SHOWN_BYTES]) {
    const size_t most = SHOWN_PATH_BYTES;
    size_t length = strlen(path);
    bool has_name = name != NULL && *name != '\0';
    (void)snprintf(shown, SHOWN_BYTES, "%s%s%s%.*s", length > most ? "..." : "",
                   length > most ? path + (length - most) : path, has_name ? "/" : "", 80, has_name ? name : "");
    return shown;
}

/* What the reader of a message can do about it, where that does not follow from the system's words. */
static const char *advice(const char *call, int number) {
    switch (number) {
    case ENOSPC:
        /* Whoever makes a file may meet a file system with space enough, but none for a file more. */
        return strcmp(call, "open") == 0 || strcmp(call, "mkdir") == 0
                   ? ": make room on its file system, for one more file at least ('df -i' counts inodes)"
                   : ": make room on its file system";
    case EDQUOT:
        return ": make room on its file system, or have the quota raised";
    case EACCES:
    case EPERM:
        return ": its permissions, or those of a directory above it, do not allow that to this user";
    case EROFS:
        return ": trees there can only be read";
    case ENOENT:
        return strcmp(call, "mkdir") == 0 ? ": make the directory above it first" : "";
    default:
        return "";
    }
}

static rotor_status fail_as(rotor_status status, const char *path, const char *name, const char *call,
                            int negative_errno, rotor_error *error) {
    char shown[SHOWN_BYTES];
    char text[128];
    if (*path == '\0') {
        return rotor_fail(error, status, -negative_errno, "%s of a directory whose name is empty: name one", call);
    }
    return rotor_fail(error, status, -negative_errno, "%s of %s: %s%s", call, place_of(path, name, shown),
                      text_of(-negative_errno, text, sizeof text), advice(call, -negative_errno));
}

rotor_status rotor_file_fail(const rotor_directory *directory, const char *name, const char *call, int negative_errno,
                             rotor_error *error) {
    return fail_as(ROTOR_IO, directory->path, name, call, negative_errno, error);
}

/* ---------------------------------------------------------------- directories */

/* The directory `path`; with `above`, the one of the name `name` in it, whose path is then for messages only. */
static rotor_status open_directory(rotor_directory *directory, const rotor_os *os, const char *path, uint32_t file_mode,
                                   const rotor_directory *above, const char *name, rotor_error *error) {
    directory->os = os;
    directory->handle = -1;
    directory->file_mode = file_mode;
    atomic_init(&directory->syncs, 0);
    atomic_init(&directory->sync_failed, false);
    atomic_init(&directory->written_bytes, 0);
    directory->path = strdup(path);
    if (directory->path == NULL) {
        return rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory for the name of a directory");
    }
    int handle;
    do {
        handle = above != NULL ? os->open_subdirectory(os->context, above->handle, name)
                               : os->open_directory(os->context, path);
    } while (handle == -EINTR);
    if (handle < 0) {
        free(directory->path);
        directory->path = NULL;
        return fail_as(handle == -ENOENT ? ROTOR_NOT_FOUND : ROTOR_IO, path, NULL, "open", handle, error);
    }
    directory->handle = handle;
    return ROTOR_OK;
}

rotor_status rotor_directory_open(rotor_directory *directory, const rotor_os *os, const char *path, uint32_t file_mode,
                                  rotor_error *error) {
    return open_directory(directory, os, path, file_mode, NULL, NULL, error);
}

rotor_status rotor_directory_open_in(rotor_directory *directory, const rotor_directory *above, const char *name,
                                     const char *path, rotor_error *error) {
    return open_directory(directory, above->os, path, above->file_mode, above, name, error);
}

void rotor_directory_close(rotor_directory *directory) {
    if (directory->handle >= 0) {
        (void)directory->os->close(directory->os->context, directory->handle);
        directory->handle = -1;
    }
    free(directory->path);
    directory->path = NULL;
}

static int note_content(void *context, const char *name) {
    bool *empty = context;
    *empty = *empty && (strcmp(name, "lock") == 0 || strcmp(name, "lost+found") == 0);
    return 0;
}

rotor_status rotor_directory_make_or_take_empty(const rotor_os *os, const char *path, uint32_t mode, bool *made,
                                                rotor_error *error) {
    int result = os->make_directory(os->context, path, mode);
    *made = result == 0;
    if (result == 0) {
        return ROTOR_OK;
    }
    if (result != -EEXIST) {
        return fail_as(ROTOR_IO, path, NULL, "mkdir", result, error);
    }
    bool empty = true;
    int handle;
    do {
        handle = os->open_directory(os->context, path);
    } while (handle == -EINTR);
    if (handle < 0 && handle != -ENOTDIR) {
        return fail_as(ROTOR_IO, path, NULL, "open", handle, error);
    }
    result = handle < 0 ? 0 : os->list(os->context, handle, note_content, &empty);
    if (handle >= 0) {
        (void)os->close(os->context, handle);
    }
    if (result < 0) {
        return fail_as(ROTOR_IO, path, NULL, "readdir", result, error);
    }
    if (handle < 0 || !empty) {
        char shown[SHOWN_BYTES];
        return rotor_fail(error, ROTOR_EXISTS, EEXIST, "%s is there already: name a new or an empty directory",
                          place_of(path, NULL, shown));
    }
    return ROTOR_OK;
}

rotor_status rotor_directory_sync(rotor_directory *directory, rotor_error *error) {
    atomic_fetch_add_explicit(&directory->syncs, 1, memory_order_relaxed);
    int result = directory->os->sync_directory(directory->os->context, directory->handle);
    if (result == 0) {
        return ROTOR_OK;
    }
    atomic_store(&directory->sync_failed, true);
    return rotor_file_fail(directory, NULL, "fsync", result, error);
}

#define MOST_LOCK_TRIES 100

rotor_status rotor_directory_lock(rotor_file *file, rotor_directory *directory, const char *name, bool is_new,
                                  rotor_error *error) {
    const rotor_os *os = directory->os;
    const unsigned create = ROTOR_OS_WRITE | ROTOR_OS_CREATE;
    /* Somebody may remove it when it has been opened, and the next one make another. */
    for (int tries = 0; tries < MOST_LOCK_TRIES; tries++) {
        rotor_os_status found = {0};
        rotor_error words;
        rotor_status status = rotor_file_open(file, directory, name, create | ROTOR_OS_NEW, &words);
        bool made = status == ROTOR_OK;
        if (status == ROTOR_EXISTS) {
            status = rotor_file_open(file, directory, name, create, &words);
        }
        if (status != ROTOR_OK) {
            if (error != NULL) {
                *error = words;
            }
            return status;
        }
        int result = os->lock(os->context, file->handle);
        if (result == 0) {
            status = rotor_file_status(file, &found, error);
        } else if (result == -EWOULDBLOCK) {
            status = rotor_fail(error, ROTOR_LOCKED, EWOULDBLOCK,
                                "%.200s is open for writing in another process, or by another handle of this one: wait "
                                "until that has closed it; reading needs no lock",
                                directory->path);
        } else {
            status = rotor_file_fail(directory, name, "flock", result, error);
        }
        if (status == ROTOR_OK && found.links != 0) {
            return ROTOR_OK;
        }
        if (status != ROTOR_OK && status != ROTOR_LOCKED && made && is_new) {
            (void)rotor_file_remove(directory, name, NULL);
        }
        rotor_file_close(file);
        if (status != ROTOR_OK) {
            return status;
        }
    }
    return rotor_fail(error, ROTOR_IO, 0, "%.200s/%.40s has no name, or is removed again and again", directory->path,
                      name);
}

rotor_status rotor_file_remove(rotor_directory *directory, const char *name, rotor_error *error) {
    int result = directory->os->unlink(directory->os->context, directory->handle, name);
    return result == 0 || result == -ENOENT ? ROTOR_OK : rotor_file_fail(directory, name, "unlink", result, error);
}

rotor_status rotor_file_rename(rotor_directory *directory, const char *from, const char *to, rotor_error *error) {
    int result = directory->os->rename(directory->os->context, directory->handle, from, to);
    if (result == 0) {
        return ROTOR_OK;
    }
    char call[64];
    (void)snprintf(call, sizeof call, "rename to %s", to);
    return rotor_file_fail(directory, from, call, result, error);
}

/* ---------------------------------------------------------------- files */

rotor_status rotor_file_open(rotor_file *file, rotor_directory *directory, const char *name, unsigned flags,
                             rotor_error *error) {
    *file = ROTOR_FILE_CLOSED;
    size_t length = strlen(name);
    if (length >= sizeof file->name) {
        return rotor_file_fail(directory, name, "open", -ENAMETOOLONG, error);
    }
    const rotor_os *os = directory->os;
    int handle;
    do {
        handle = os->open(os->context, directory->handle, name, flags, directory->file_mode);
    } while (handle == -EINTR);
    if (handle == -EISDIR || handle == -ENXIO) {
        char shown[SHOWN_BYTES];
        return rotor_fail(error, ROTOR_DAMAGED, -handle, "%s is %s where a file belongs: move it away",
                          place_of(directory->path, name, shown),
                          handle == -EISDIR ? "a directory" : "a FIFO, a socket or a device");
    }
    if (handle < 0) {
        rotor_status status = ROTOR_IO;
        if (handle == -ENOENT && (flags & ROTOR_OS_CREATE) == 0) {
            status = ROTOR_NOT_FOUND;
        } else if (handle == -EEXIST && (flags & ROTOR_OS_NEW) != 0) {
            status = ROTOR_EXISTS;
        }
        return fail_as(status, directory->path, name, "open", handle, error);
    }
    file->directory = directory;
    file->handle = handle;
    memcpy(file->name, name, length + 1);
    return ROTOR_OK;
}

/* What matters was synced before, so a failure to close has nothing to add. */
void rotor_file_close(rotor_file *file) {
    if (file->handle >= 0) {
        const rotor_os *os = file->directory->os;
        (void)os->close(os->context, file->handle);
    }
    *file = ROTOR_FILE_CLOSED;
}

static rotor_status fail_transfer(const rotor_file *file, const char *call, size_t count, uint64_t offset,
                                  int64_t negative_errno, rotor_error *error) {
    char words[96];
    (void)snprintf(words, sizeof words, "%s of %zu bytes at %" PRIu64, call, count, offset);
    return rotor_file_fail(file->directory, file->name, words, (int)negative_errno, error);
}

rotor_status rotor_file_read_some(const rotor_file *file, void *bytes, size_t count, uint64_t offset, size_t *got,
                                  rotor_error *error) {
    const rotor_os *os = file->directory->os;
    size_t done = 0;
    *got = 0;
    while (done < count) {
        int64_t result =
            os->read(os->context, file->handle, (uint8_t *)bytes + done, count - done, offset + (uint64_t)done);
        if (result == 0) {
            break;
        }
        if (result > 0) {
            done += (size_t)result;
        } else if (result != -EINTR) {
            return fail_transfer(file, "pread", count - done, offset + (uint64_t)done, result, error);
        }
    }
    *got = done;
    return ROTOR_OK;
}

rotor_status rotor_file_read(const rotor_file *file, void *bytes, size_t count, uint64_t offset, rotor_error *error) {
    size_t got;
    rotor_status status = rotor_file_read_some(file, bytes, count, offset, &got, error);
    if (status != ROTOR_OK || got == count) {
        return status;
    }
    char shown[SHOWN_BYTES];
    return rotor_fail(error, ROTOR_DAMAGED, 0, "%s ends before byte %" PRIu64 "; %zu bytes were wanted at %" PRIu64,
                      place_of(file->directory->path, file->name, shown), offset + (uint64_t)got, count, offset);
}

rotor_status rotor_file_write(const rotor_file *file, const void *bytes, size_t count, uint64_t offset,
                              rotor_error *error) {
    const rotor_os *os = file->directory->os;
    size_t done = 0;
    while (done < count) {
        int64_t result =
            os->write(os->context, file->handle, (const uint8_t *)bytes + done, count - done, offset + (uint64_t)done);
        if (result > 0) {
            done += (size_t)result;
            atomic_fetch_add_explicit(&file->directory->written_bytes, (uint64_t)result, memory_order_relaxed);
        } else if (result != -EINTR) {
            /* Of a regular file a write of nothing can only mean that there is no room; to repeat it might never end.
             */
            return fail_transfer(file, "pwrite", count - done, offset + (uint64_t)done, result == 0 ? -ENOSPC : result,
                                 error);
        }
    }
    return ROTOR_OK;
}

/* An interrupted sync counts as a failed one: what it left undone is not known. */
rotor_status rotor_file_sync(const rotor_file *file, rotor_error *error) {
    const rotor_os *os = file->directory->os;
    atomic_fetch_add_explicit(&file->directory->syncs, 1, memory_order_relaxed);
    int result = os->sync(os->context, file->handle);
    if (result == 0) {
        return ROTOR_OK;
    }
    atomic_store(&file->directory->sync_failed, true);
    return rotor_file_fail(file->directory, file->name, "fdatasync", result, error);
}

rotor_status rotor_file_truncate(const rotor_file *file, uint64_t bytes, rotor_error *error) {
    const rotor_os *os = file->directory->os;
    int result;
    do {
        result = os->truncate(os->context, file->handle, bytes);
    } while (result == -EINTR);
    if (result == 0) {
        return ROTOR_OK;
    }
    char call[64];
    (void)snprintf(call, sizeof call, "ftruncate to %" PRIu64 " bytes", bytes);
    return rotor_file_fail(file->directory, file->name, call, result, error);
}

rotor_status rotor_file_status(const rotor_file *file, rotor_os_status *status, rotor_error *error) {
    const rotor_os *os = file->directory->os;
    int result = os->status(os->context, file->handle, status);
    return result == 0 ? ROTOR_OK : rotor_file_fail(file->directory, file->name, "statx", result, error);
}
