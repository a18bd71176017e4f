/* The file layer of the system: each function is one system call and its errno. Must not know what the files hold, nor
 * what an error means to whom. */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "level files are larger than 32 bits can say");

static int result_of(int result) {
    return result < 0 ? -errno : result;
}

/* ---------------------------------------------------------------- directories */

static int make_directory(void *context, const char *path, uint32_t mode) {
    (void)context;
    return result_of(mkdir(path, (mode_t)mode));
}

static int remove_directory(void *context, const char *path) {
    (void)context;
    return result_of(rmdir(path));
}

/* Moves a handle out of the place of standard input, output or error: in a process that has closed these, what others
 * print would go to our files. */
static int above_standard(int handle) {
    if (handle < 0 || handle > STDERR_FILENO) {
        return handle;
    }
    int moved = result_of(fcntl(handle, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    (void)close(handle);
    return moved;
}

static int open_directory(void *context, const char *path) {
    (void)context;
    return above_standard(result_of(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
}

static int open_subdirectory(void *context, int directory, const char *name) {
    (void)context;
    return above_standard(result_of(openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
}

/* EINVAL and ENOTSUP say that the file system has no such call for directories (some network and FUSE file systems):
 * nothing was attempted, so nothing was lost, and no other call would do more. To fail would only mean that no tree can
 * be kept there. A sync that was attempted and failed gives EIO, ENOSPC, EDQUOT or EROFS. */
static int sync_directory(void *context, int directory) {
    (void)context;
    if (fsync(directory) == 0 || errno == EINVAL || errno == ENOTSUP) {
        return 0;
    }
    return -errno;
}

/* ".." is looked up in the directory itself: whatever the path ends with (a slash, ".", "..", a symbolic link), that is
 * where its entry is. */
static int sync_parent(void *context, const char *path) {
    int directory;
    do {
        directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    } while (directory < 0 && errno == EINTR);
    if (directory < 0) {
        return -errno;
    }
    int parent;
    do {
        parent = result_of(openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    } while (parent == -EINTR);
    (void)close(directory);
    if (parent < 0) {
        return parent;
    }
    int result = sync_directory(context, parent);
    (void)close(parent);
    return result;
}

/* Opened anew, since a duplicate of the handle would share its position with listings by other threads. */
static int list(void *context, int directory, rotor_os_name *name, void *name_context) {
    (void)context;
    int handle;
    do {
        handle = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (handle < 0 && errno == EINTR);
    if (handle < 0) {
        return -errno;
    }
    DIR *names = fdopendir(handle);
    if (names == NULL) {
        int result = -errno;
        (void)close(handle);
        return result;
    }
    int result = 0;
    while (result == 0) {
        errno = 0;
        const struct dirent *entry = readdir(names);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = name(name_context, entry->d_name);
        }
    }
    (void)closedir(names);
    return result;
}

/* ---------------------------------------------------------------- files */

/* A FIFO makes an open wait for its other end, a terminal may become the process's own. O_NONBLOCK means nothing to a
 * regular file but where somebody, mostly a file server, holds a lease on it: there the open has to wait until the
 * lease is given back, as ever. */
static int open_at_once(int directory, const char *name, int flags, mode_t mode) {
    struct stat found;
    int file;
    do {
        file = result_of(openat(directory, name, flags | O_NONBLOCK, mode));
    } while (file == -EINTR); /* here, as an open may take more than one */
    bool leased = file == -EWOULDBLOCK && fstatat(directory, name, &found, 0) == 0 && S_ISREG(found.st_mode);
    return leased ? result_of(openat(directory, name, flags, mode)) : file;
}

static int refuse_special(int file) {
    struct stat found;
    if (file < 0) {
        return file;
    }
    int refusal = -ENXIO;
    if (fstat(file, &found) != 0) {
        refusal = -errno;
    } else if (S_ISREG(found.st_mode)) {
        return file;
    } else if (S_ISDIR(found.st_mode)) {
        refusal = -EISDIR;
    }
    (void)close(file);
    return refusal;
}

/* What is made here is a regular file, so that nothing can fail after a file has been made. What is there already may
 * be anything; a symbolic link that leads nowhere is, too, and what it leads to is made. */
static int open_or_make(int directory, const char *name, int flags, mode_t mode) {
    int file = open_at_once(directory, name, flags | O_CREAT | O_EXCL, mode);
    if (file != -EEXIST) {
        return file;
    }
    file = open_at_once(directory, name, flags, mode);
    file = file == -ENOENT ? open_at_once(directory, name, flags | O_CREAT, mode) : file;
    return refuse_special(file);
}

static int open_file(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    (void)context;
    int system_flags = O_CLOEXEC | O_NOCTTY;
    system_flags |= (flags & ROTOR_OS_WRITE) != 0 ? O_RDWR : O_RDONLY;
    system_flags |= (flags & ROTOR_OS_TRUNCATE) != 0 ? O_TRUNC : 0;
    if ((flags & ROTOR_OS_NEW) != 0) {
        return above_standard(open_at_once(directory, name, system_flags | O_CREAT | O_EXCL, (mode_t)mode));
    }
    return above_standard((flags & ROTOR_OS_CREATE) != 0
                              ? open_or_make(directory, name, system_flags, (mode_t)mode)
                              : refuse_special(open_at_once(directory, name, system_flags, (mode_t)mode)));
}

static int close_file(void *context, int file) {
    (void)context;
    return result_of(close(file));
}

static int64_t read_file(void *context, int file, void *bytes, size_t count, uint64_t offset) {
    (void)context;
    ssize_t got = pread(file, bytes, count, (off_t)offset);
    return got < 0 ? -errno : got;
}

static int64_t write_file(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    (void)context;
    ssize_t put = pwrite(file, bytes, count, (off_t)offset);
    return put < 0 ? -errno : put;
}

static int sync_file(void *context, int file) {
    (void)context;
    return result_of(fdatasync(file));
}

#ifdef SYNC_FILE_RANGE_WRITE
static void start_sync_of_file(void *context, int file) {
    (void)context;
    (void)sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
}
#endif

static int truncate_file(void *context, int file, uint64_t bytes) {
    (void)context;
    return result_of(ftruncate(file, (off_t)bytes));
}

/* FUSE and network file systems remember for a while what they have said of a file. Under bindfs a file that had just
 * been linked had one name for another second, and was written to. (Filters of system calls that are older than statx()
 * forbid it.) */
static int status_of_file(void *context, int file, rotor_os_status *status) {
    (void)context;
    struct statx found;
    if (statx(file, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE | STATX_NLINK, &found) == 0) {
        *status = (rotor_os_status){.bytes = found.stx_size, .links = found.stx_nlink};
        return 0;
    }
    struct stat remembered;
    if ((errno != ENOSYS && errno != EPERM) || fstat(file, &remembered) != 0) {
        return -errno;
    }
    *status = (rotor_os_status){.bytes = (uint64_t)remembered.st_size, .links = remembered.st_nlink};
    return 0;
}

static int unlink_file(void *context, int directory, const char *name) {
    (void)context;
    return result_of(unlinkat(directory, name, 0));
}

static int rename_file(void *context, int directory, const char *from, const char *to) {
    (void)context;
    return result_of(renameat(directory, from, directory, to));
}

static int link_file(void *context, int from_directory, const char *from, int to_directory, const char *to) {
    (void)context;
    return result_of(linkat(from_directory, from, to_directory, to, 0));
}

static int clone_file(void *context, int to, int from) {
    (void)context;
    return result_of(ioctl(to, FICLONE, (long)from));
}

/* The lock belongs to what open() made, not to the process, so that a second open in this process meets it, too. */
static int lock_file(void *context, int file) {
    (void)context;
    return result_of(flock(file, LOCK_EX | LOCK_NB));
}

/* ---------------------------------------------------------------- memory */

/* The file is mapped elsewhere and moved from there: the system gives up the pages at `address` before it asks the file
 * system, and where that refuses, as one that has just lost its disk does, readers would meet a hole. What is moved it
 * does not ask for again, and readers that touch the pages meanwhile wait. (ThreadSanitizer takes mmap() for a write to
 * all of it, too; this it does not see.) */
static int map(void *context, int file, void *address, size_t bytes, uint64_t offset) {
    (void)context;
    void *mapped = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file, (off_t)offset);
    if (mapped == MAP_FAILED) {
        return -errno;
    }
    /* Proofs read a group here and a group there: with a disk's usual read-ahead, which may be megabytes, a cold proof
     * read up to 28 MiB, and 24 KiB without. */
    (void)madvise(mapped, bytes, MADV_RANDOM);
    if (mremap(mapped, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, address) == MAP_FAILED) {
        int result = -errno;
        (void)munmap(mapped, bytes);
        return result;
    }
    return 0;
}

static int map_shared(void *context, int file, const void **address, size_t bytes) {
    (void)context;
    void *mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        return -errno;
    }
    *address = mapped;
    return 0;
}

static void unmap(void *context, const void *address, size_t bytes) {
    (void)context;
    (void)munmap((void *)(uintptr_t)address, bytes);
}

/* ---------------------------------------------------------------- randomness */

static int random_bytes(void *context, void *bytes, size_t count) {
    (void)context;
    uint8_t *next = bytes;
    while (count > 0) {
        ssize_t got = getrandom(next, count, 0);
        if (got >= 0) {
            next += got;
            count -= (size_t)got;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

const rotor_os *rotor_os_system(void) {
    static const rotor_os system_calls = {
        .context = NULL,
        .make_directory = make_directory,
        .remove_directory = remove_directory,
        .open_directory = open_directory,
        .open_subdirectory = open_subdirectory,
        .sync_directory = sync_directory,
        .sync_parent = sync_parent,
        .list = list,
        .open = open_file,
        .close = close_file,
        .read = read_file,
        .write = write_file,
        .sync = sync_file,
#ifdef SYNC_FILE_RANGE_WRITE
        .start_sync = start_sync_of_file,
#endif
        .truncate = truncate_file,
        .status = status_of_file,
        .unlink = unlink_file,
        .rename = rename_file,
        .link = link_file,
        .clone = clone_file,
        .lock = lock_file,
        .map = map,
        .map_shared = map_shared,
        .unmap = unmap,
        .random = random_bytes,
    };
    return &system_calls;
}
