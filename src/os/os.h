/* The file layer: every system call on files that the library makes, as a table of functions, so that a test can put a
 * file system of its own in its place: one that crashes, fails or lies. Knows nothing of what the files hold.
 *
 * Each function makes one attempt, as the system call of its name does, and returns its result or a negative errno.
 * Names are relative to a directory handle, so that a tree stays whole when the process changes its working directory.
 * All may be called from any thread. */
#ifndef ROTOR_OS_OS_H
#define ROTOR_OS_OS_H

#include <stddef.h>
#include <stdint.h>

enum rotor_os_open {
    ROTOR_OS_READ = 0,
    ROTOR_OS_WRITE = 1 << 0,    /* reading and writing */
    ROTOR_OS_CREATE = 1 << 1,   /* unless it is there */
    ROTOR_OS_NEW = 1 << 2,      /* with CREATE: -EEXIST when it is there */
    ROTOR_OS_TRUNCATE = 1 << 3, /* to no bytes */
};

typedef struct rotor_os_status {
    uint64_t bytes;
    uint64_t links; /* names of the file */
} rotor_os_status;

/* Called with each name of a directory but "." and ".."; anything but 0 ends the listing and is its result. */
typedef int rotor_os_name(void *context, const char *name);

typedef struct rotor_os {
    void *context; /* passed to every function */

    /* Directories. `path` may be any path, absolute or not; `mode` is that of mkdir(2). */
    int (*make_directory)(void *context, const char *path, uint32_t mode);
    int (*remove_directory)(void *context, const char *path);
    int (*open_directory)(void *context, const char *path);
    /* One in another; -ENOTDIR for a symbolic link. */
    int (*open_subdirectory)(void *context, int directory, const char *name);
    /* Makes the directory's entries durable. 0, too, where the file system has no such call for directories. */
    int (*sync_directory)(void *context, int directory);
    /* The same for the entry of the directory `path`, which must be there, in its parent. */
    int (*sync_parent)(void *context, const char *path);
    int (*list)(void *context, int directory, rotor_os_name *name, void *name_context);

    /* Files. `flags` are of rotor_os_open, `mode` is that of open(2). Regular files only, and without waiting for
     * anybody's other end: -EISDIR for a directory, -ENXIO for a FIFO, a socket or a device. */
    int (*open)(void *context, int directory, const char *name, unsigned flags, uint32_t mode);
    int (*close)(void *context, int file); /* directories, too */
    int64_t (*read)(void *context, int file, void *bytes, size_t count, uint64_t offset);
    int64_t (*write)(void *context, int file, const void *bytes, size_t count, uint64_t offset);
    int (*sync)(void *context, int file); /* data, and what it takes to read it back: fdatasync */
    /* Begins to write what a sync of the file would have to, without waiting; NULL where that cannot be. */
    void (*start_sync)(void *context, int file);
    int (*truncate)(void *context, int file, uint64_t bytes);
    /* As it is now, not as the file system may have kept it in mind. */
    int (*status)(void *context, int file, rotor_os_status *status);
    int (*unlink)(void *context, int directory, const char *name);
    int (*rename)(void *context, int directory, const char *from, const char *to);
    int (*link)(void *context, int from_directory, const char *from, int to_directory, const char *to);
    /* Makes `to`, an empty file, share the blocks of `from`; -EOPNOTSUPP, -EXDEV, ... where that cannot be. */
    int (*clone)(void *context, int to, int from);
    /* An advisory lock of the whole file for this handle, exclusive, without waiting; -EWOULDBLOCK when it is taken.
     * Ends with close(). */
    int (*lock)(void *context, int file);

    /* Replaces the pages at `address`, which are mapped already, by those of the file: readable only, private. Address,
     * length and offset are multiples of a page. A file system that refuses is asked before the pages are given up. */
    int (*map)(void *context, int file, void *address, size_t bytes, uint64_t offset);
    /* Maps the first `bytes` of a file anywhere, for reading, shared, so that what other processes write shows. */
    int (*map_shared)(void *context, int file, const void **address, size_t bytes);
    void (*unmap)(void *context, const void *address, size_t bytes);

    /* All `count` bytes, for this one makes as many attempts as it takes; 0 or a negative errno. */
    int (*random)(void *context, void *bytes, size_t count);
} rotor_os;

/* The system's own. A static table. */
const rotor_os *rotor_os_system(void);

#endif
