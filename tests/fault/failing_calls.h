/* Calls of the system and the allocator that can be made to fail. Included once by each program of this folder, which
 * is linked with --wrap for each of them; nothing fails unless `fault.armed` is set. */
#ifndef ROTOR_TESTS_FAULT_FAILING_CALLS_H
#define ROTOR_TESTS_FAULT_FAILING_CALLS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef enum callee {
    MEMORY = 1 << 0,
    MAPPING = 1 << 1,
    ADVICE = 1 << 2,
    THREAD = 1 << 3,
    LOCK = 1 << 4,
    CONFIGURATION = 1 << 5,
    EVERYTHING = (1 << 6) - 1, /* that has to do with memory and threads */
    FILES = 1 << 6,
} callee;

/* What becomes of a call on files. */
typedef enum file_fault {
    FILE_CALL_FAILS, /* with file_errno; close() closes all the same, as the system's does */
    /* With EINTR, before anything is done; the call behind it goes through, so that in a persistent run every other
     * call is interrupted. Only calls that are to be repeated then are counted: open, pread, pwrite, ftruncate,
     * getrandom. */
    FILE_CALL_INTERRUPTED,
    /* Half of the bytes are transferred. Only pread, pwrite and getrandom of two bytes or more are counted. */
    FILE_CALL_SHORT,
} file_fault;

static struct {
    _Atomic bool armed;
    unsigned kinds;   /* bits of callee */
    uint64_t fail_at; /* the first call, from 1, that fails; 0 for none */
    bool persistent;  /* all after it fail as well */
    int advice_errno; /* of a refused madvise */
    int file_errno;   /* of a refused call on files */
    file_fault file_fault;
    bool links_remembered;  /* how many names a file has is a stale 1, but for those who want to know it anew */
    _Atomic uint64_t calls; /* so far, while armed */
    _Atomic uint64_t failed;
} fault;

static bool refuse(callee kind) {
    if (!atomic_load(&fault.armed) || (fault.kinds & kind) == 0) {
        return false;
    }
    uint64_t call = atomic_fetch_add(&fault.calls, 1) + 1;
    bool fails = fault.fail_at != 0 && (call == fault.fail_at || (fault.persistent && call > fault.fail_at));
    if (kind == FILES && fault.file_fault == FILE_CALL_INTERRUPTED && (call - fault.fail_at) % 2 != 0) {
        fails = false;
    }
    if (fails) {
        atomic_fetch_add(&fault.failed, 1);
        errno = kind == FILES ? fault.file_errno : ENOMEM;
    }
    return fails;
}

/* A call that is not repeated when it is interrupted. */
static bool refuse_file_call(void) {
    return fault.file_fault == FILE_CALL_FAILS && refuse(FILES);
}

/* A call that is repeated. */
static bool refuse_repeated_file_call(void) {
    return fault.file_fault != FILE_CALL_SHORT && refuse(FILES);
}

/* How many bytes of a transfer are to be tried; 0: it fails. (A transfer of no bytes cannot fail.) */
static size_t transfer_bytes(size_t count) {
    if (fault.file_fault == FILE_CALL_SHORT) {
        return count >= 2 && refuse(FILES) ? count / 2 : count;
    }
    return count > 0 && refuse(FILES) ? 0 : count;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
char *__real_strdup(const char *text);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__real_mremap(void *address, size_t bytes, size_t new_bytes, int flags, ...);
int __real_mprotect(void *address, size_t bytes, int protection);
int __real_madvise(void *address, size_t bytes, int advice);
long __real_sysconf(int name);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __real_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __real_open(const char *path, int flags, ...);
int __real_openat(int directory, const char *name, int flags, ...);
int __real_close(int file);
ssize_t __real_pread(int file, void *bytes, size_t count, off_t offset);
ssize_t __real_pwrite(int file, const void *bytes, size_t count, off_t offset);
int __real_fsync(int file);
int __real_fdatasync(int file);
int __real_ftruncate(int file, off_t bytes);
int __real_fstat(int file, struct stat *found);
int __real_statx(int directory, const char *name, int flags, unsigned mask, struct statx *found);
int __real_unlinkat(int directory, const char *name, int flags);
int __real_renameat(int from_directory, const char *from, int to_directory, const char *to);
int __real_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags);
int __real_flock(int file, int operation);
int __real_ioctl(int file, unsigned long request, ...);
DIR *__real_fdopendir(int directory);
struct dirent *__real_readdir(DIR *names);
ssize_t __real_getrandom(void *bytes, size_t count, unsigned flags);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__wrap_strdup(const char *text);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mremap(void *address, size_t bytes, size_t new_bytes, int flags, ...);
int __wrap_mprotect(void *address, size_t bytes, int protection);
int __wrap_madvise(void *address, size_t bytes, int advice);
long __wrap_sysconf(int name);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int directory, const char *name, int flags, ...);
int __wrap_close(int file);
ssize_t __wrap_pread(int file, void *bytes, size_t count, off_t offset);
ssize_t __wrap_pwrite(int file, const void *bytes, size_t count, off_t offset);
int __wrap_fsync(int file);
int __wrap_fdatasync(int file);
int __wrap_ftruncate(int file, off_t bytes);
int __wrap_fstat(int file, struct stat *found);
int __wrap_statx(int directory, const char *name, int flags, unsigned mask, struct statx *found);
int __wrap_unlinkat(int directory, const char *name, int flags);
int __wrap_renameat(int from_directory, const char *from, int to_directory, const char *to);
int __wrap_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags);
int __wrap_flock(int file, int operation);
int __wrap_ioctl(int file, unsigned long request, ...);
DIR *__wrap_fdopendir(int directory);
struct dirent *__wrap_readdir(DIR *names);
ssize_t __wrap_getrandom(void *bytes, size_t count, unsigned flags);

void *__wrap_malloc(size_t bytes) {
    return refuse(MEMORY) ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
    return refuse(MEMORY) ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes) {
    return refuse(MEMORY) ? NULL : __real_realloc(memory, bytes);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes) {
    return refuse(MEMORY) ? ENOMEM : __real_posix_memalign(memory, alignment, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
    return refuse(MEMORY) ? NULL : __real_aligned_alloc(alignment, bytes);
}

char *__wrap_strdup(const char *text) {
    return refuse(MEMORY) ? NULL : __real_strdup(text);
}

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    if (refuse(MAPPING)) {
        /* What a file system refuses has cost the pages that were there. */
        if ((flags & MAP_FIXED) != 0) {
            (void)munmap(address, bytes);
            errno = ENOMEM;
        }
        return MAP_FAILED;
    }
    return __real_mmap(address, bytes, protection, flags, file, offset);
}

/* With a new address, as the library calls it. */
void *__wrap_mremap(void *address, size_t bytes, size_t new_bytes, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    void *to = va_arg(rest, void *);
    va_end(rest);
    return refuse(MAPPING) ? MAP_FAILED : __real_mremap(address, bytes, new_bytes, flags, to);
}

int __wrap_mprotect(void *address, size_t bytes, int protection) {
    return refuse(MAPPING) ? -1 : __real_mprotect(address, bytes, protection);
}

int __wrap_madvise(void *address, size_t bytes, int advice) {
    if (refuse(ADVICE)) {
        errno = fault.advice_errno;
        return -1;
    }
    return __real_madvise(address, bytes, advice);
}

long __wrap_sysconf(int name) {
    return refuse(CONFIGURATION) ? -1 : __real_sysconf(name);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    return refuse(THREAD) ? EAGAIN : __real_pthread_create(thread, attributes, start, argument);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes) {
    return refuse(LOCK) ? ENOMEM : __real_pthread_mutex_init(mutex, attributes);
}

int __wrap_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes) {
    return refuse(LOCK) ? ENOMEM : __real_pthread_cond_init(condition, attributes);
}

int __wrap_mkdir(const char *path, mode_t mode) {
    return refuse_file_call() ? -1 : __real_mkdir(path, mode);
}

int __wrap_rmdir(const char *path) {
    return refuse_file_call() ? -1 : __real_rmdir(path);
}

/* The mode is there only when a file may be created. */
int __wrap_open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return refuse_repeated_file_call() ? -1 : __real_open(path, flags, mode);
}

int __wrap_openat(int directory, const char *name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return refuse_repeated_file_call() ? -1 : __real_openat(directory, name, flags, mode);
}

int __wrap_close(int file) {
    bool fails = refuse_file_call();
    int result = __real_close(file);
    if (fails) {
        errno = fault.file_errno;
    }
    return fails ? -1 : result;
}

ssize_t __wrap_pread(int file, void *bytes, size_t count, off_t offset) {
    size_t granted = transfer_bytes(count);
    return granted == 0 && count > 0 ? -1 : __real_pread(file, bytes, granted, offset);
}

ssize_t __wrap_pwrite(int file, const void *bytes, size_t count, off_t offset) {
    size_t granted = transfer_bytes(count);
    return granted == 0 && count > 0 ? -1 : __real_pwrite(file, bytes, granted, offset);
}

int __wrap_fsync(int file) {
    return refuse_file_call() ? -1 : __real_fsync(file);
}

int __wrap_fdatasync(int file) {
    return refuse_file_call() ? -1 : __real_fdatasync(file);
}

int __wrap_ftruncate(int file, off_t bytes) {
    return refuse_repeated_file_call() ? -1 : __real_ftruncate(file, bytes);
}

int __wrap_fstat(int file, struct stat *found) {
    int result = refuse_file_call() ? -1 : __real_fstat(file, found);
    if (result == 0 && fault.links_remembered) {
        found->st_nlink = 1;
    }
    return result;
}

int __wrap_statx(int directory, const char *name, int flags, unsigned mask, struct statx *found) {
    int result = refuse_file_call() ? -1 : __real_statx(directory, name, flags, mask, found);
    if (result == 0 && fault.links_remembered && (flags & AT_STATX_FORCE_SYNC) == 0) {
        found->stx_nlink = 1;
    }
    return result;
}

int __wrap_unlinkat(int directory, const char *name, int flags) {
    return refuse_file_call() ? -1 : __real_unlinkat(directory, name, flags);
}

int __wrap_renameat(int from_directory, const char *from, int to_directory, const char *to) {
    return refuse_file_call() ? -1 : __real_renameat(from_directory, from, to_directory, to);
}

int __wrap_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    return refuse_file_call() ? -1 : __real_linkat(from_directory, from, to_directory, to, flags);
}

int __wrap_flock(int file, int operation) {
    return refuse_file_call() ? -1 : __real_flock(file, operation);
}

int __wrap_ioctl(int file, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return refuse_file_call() ? -1 : __real_ioctl(file, request, argument);
}

DIR *__wrap_fdopendir(int directory) {
    return refuse_file_call() ? NULL : __real_fdopendir(directory);
}

struct dirent *__wrap_readdir(DIR *names) {
    return refuse_file_call() ? NULL : __real_readdir(names);
}

ssize_t __wrap_getrandom(void *bytes, size_t count, unsigned flags) {
    size_t granted = transfer_bytes(count);
    return granted == 0 && count > 0 ? -1 : __real_getrandom(bytes, granted, flags);
}

/* The next armed run: which call of which kinds fails, and whether all after it do as well. */
static void prepare(unsigned kinds, uint64_t fail_at, bool persistent, int advice_errno) {
    fault.kinds = kinds;
    fault.fail_at = fail_at;
    fault.persistent = persistent;
    fault.advice_errno = advice_errno;
    fault.file_errno = EIO;
    fault.file_fault = FILE_CALL_FAILS;
    atomic_store(&fault.calls, 0);
    atomic_store(&fault.failed, 0);
}

/* The same for calls on files. */
static inline void prepare_files(uint64_t fail_at, bool persistent, file_fault what, int file_errno) {
    prepare(FILES, fail_at, persistent, ENOMEM);
    fault.file_fault = what;
    fault.file_errno = what == FILE_CALL_INTERRUPTED ? EINTR : file_errno;
}

#endif
