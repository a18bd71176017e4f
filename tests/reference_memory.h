/* A directory of files in memory, and the file layer that lets the import read it. Knows nothing of what is in the
 * files. */
#ifndef ROTOR_TESTS_REFERENCE_MEMORY_H
#define ROTOR_TESTS_REFERENCE_MEMORY_H

#include "os/os.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_FILES 40
#define MEMORY_NAME_BYTES 64

typedef struct memory_file {
    char name[MEMORY_NAME_BYTES]; /* "" when there is none */
    uint8_t *bytes;
    size_t count;
} memory_file;

typedef struct memory_directory {
    memory_file files[MEMORY_FILES];
    int open_files;   /* handles that have not been closed */
    uint64_t changed; /* calls that would have changed something */
    uint64_t read_bytes;
} memory_directory;

static inline memory_file *memory_find(memory_directory *directory, const char *name) {
    for (int i = 0; i < MEMORY_FILES; i++) {
        if (directory->files[i].name[0] != '\0' && strcmp(directory->files[i].name, name) == 0) {
            return &directory->files[i];
        }
    }
    return NULL;
}

static inline void memory_remove(memory_directory *directory, const char *name) {
    memory_file *file = memory_find(directory, name);
    if (file != NULL) {
        free(file->bytes);
        memset(file, 0, sizeof *file);
    }
}

/* Creates or replaces a file of `count` bytes; zeros where `bytes` is NULL. In memory of exactly its length. */
static inline memory_file *memory_put(memory_directory *directory, const char *name, const void *bytes, size_t count) {
    uint8_t *copy = calloc(count != 0 ? count : 1, 1);
    if (copy == NULL || strlen(name) >= MEMORY_NAME_BYTES) {
        abort();
    }
    if (bytes != NULL && count != 0) {
        memcpy(copy, bytes, count);
    }
    memory_remove(directory, name);
    for (int i = 0; i < MEMORY_FILES; i++) {
        memory_file *file = &directory->files[i];
        if (file->name[0] == '\0') {
            memcpy(file->name, name, strlen(name) + 1);
            file->bytes = copy;
            file->count = count;
            return file;
        }
    }
    abort();
}

static inline void memory_append(memory_directory *directory, const char *name, const void *bytes, size_t count) {
    memory_file *file = memory_find(directory, name);
    size_t old = file != NULL ? file->count : 0;
    uint8_t *joined = calloc(old + count + 1, 1);
    if (joined == NULL) {
        abort();
    }
    if (old != 0) {
        memcpy(joined, file->bytes, old);
    }
    if (count != 0) {
        memcpy(joined + old, bytes, count);
    }
    (void)memory_put(directory, name, joined, old + count);
    free(joined);
}

static inline void memory_clear(memory_directory *directory) {
    for (int i = 0; i < MEMORY_FILES; i++) {
        free(directory->files[i].bytes);
    }
    memset(directory, 0, sizeof *directory);
}

static inline void memory_copy(memory_directory *to, const memory_directory *from) {
    memory_clear(to);
    for (int i = 0; i < MEMORY_FILES; i++) {
        if (from->files[i].name[0] != '\0') {
            (void)memory_put(to, from->files[i].name, from->files[i].bytes, from->files[i].count);
        }
    }
}

/* ---------------------------------------------------------------- the file layer, as far as an import goes */

#define MEMORY_DIRECTORY_HANDLE 1000

static inline int memory_os_open_directory(void *context, const char *path) {
    memory_directory *directory = context;
    if (strcmp(path, "memory") != 0) {
        return -ENOENT;
    }
    directory->open_files++;
    return MEMORY_DIRECTORY_HANDLE;
}

static inline int memory_os_open(void *context, int handle, const char *name, unsigned flags, uint32_t mode) {
    memory_directory *directory = context;
    (void)mode;
    if (handle != MEMORY_DIRECTORY_HANDLE) {
        return -EBADF;
    }
    if (flags != ROTOR_OS_READ) {
        directory->changed++;
        return -EROFS;
    }
    memory_file *file = memory_find(directory, name);
    if (file == NULL) {
        return -ENOENT;
    }
    directory->open_files++;
    return (int)(file - directory->files);
}

static inline int memory_os_close(void *context, int file) {
    memory_directory *directory = context;
    (void)file;
    directory->open_files--;
    return 0;
}

static inline int64_t memory_os_read(void *context, int handle, void *bytes, size_t count, uint64_t offset) {
    memory_directory *directory = context;
    const memory_file *file = &directory->files[handle];
    if (offset >= file->count) {
        return 0;
    }
    size_t rest = file->count - (size_t)offset;
    size_t got = count < rest ? count : rest;
    memcpy(bytes, file->bytes + offset, got);
    directory->read_bytes += got;
    return (int64_t)got;
}

static inline int memory_os_status(void *context, int handle, rotor_os_status *status) {
    const memory_directory *directory = context;
    *status = (rotor_os_status){.bytes = directory->files[handle].count, .links = 1};
    return 0;
}

static inline int memory_os_lock(void *context, int file) {
    (void)context;
    (void)file;
    return 0;
}

/* Only what reading takes: a call of anything else ends the program. The directory's path is "memory". */
static inline rotor_os memory_os(memory_directory *directory) {
    return (rotor_os){.context = directory,
                      .open_directory = memory_os_open_directory,
                      .open = memory_os_open,
                      .close = memory_os_close,
                      .read = memory_os_read,
                      .status = memory_os_status,
                      .lock = memory_os_lock};
}

#endif
