/* Calls of the system and the allocator that can be made to fail. Included once by each program of this folder, which
 * is linked with --wrap for each of them; nothing fails unless `fault.armed` is set. */
#ifndef ROTOR_TESTS_FAULT_FAILING_CALLS_H
#define ROTOR_TESTS_FAULT_FAILING_CALLS_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>

typedef enum callee {
    MEMORY = 1 << 0,
    MAPPING = 1 << 1,
    ADVICE = 1 << 2,
    THREAD = 1 << 3,
    LOCK = 1 << 4,
    CONFIGURATION = 1 << 5,
    EVERYTHING = (1 << 6) - 1,
} callee;

static struct {
    _Atomic bool armed;
    unsigned kinds;         /* bits of callee */
    uint64_t fail_at;       /* the first call, from 1, that fails; 0 for none */
    bool persistent;        /* all after it fail as well */
    int advice_errno;       /* of a refused madvise */
    _Atomic uint64_t calls; /* so far, while armed */
    _Atomic uint64_t failed;
} fault;

static bool refuse(callee kind) {
    if (!atomic_load(&fault.armed) || (fault.kinds & kind) == 0) {
        return false;
    }
    uint64_t call = atomic_fetch_add(&fault.calls, 1) + 1;
    bool fails = fault.fail_at != 0 && (call == fault.fail_at || (fault.persistent && call > fault.fail_at));
    if (fails) {
        atomic_fetch_add(&fault.failed, 1);
        errno = ENOMEM;
    }
    return fails;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
char *__real_strdup(const char *text);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
int __real_mprotect(void *address, size_t bytes, int protection);
int __real_madvise(void *address, size_t bytes, int advice);
long __real_sysconf(int name);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __real_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__wrap_strdup(const char *text);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
int __wrap_mprotect(void *address, size_t bytes, int protection);
int __wrap_madvise(void *address, size_t bytes, int advice);
long __wrap_sysconf(int name);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);

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
    return refuse(MAPPING) ? MAP_FAILED : __real_mmap(address, bytes, protection, flags, file, offset);
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

/* The next armed run: which call of which kinds fails, and whether all after it do as well. */
static void prepare(unsigned kinds, uint64_t fail_at, bool persistent, int advice_errno) {
    fault.kinds = kinds;
    fault.fail_at = fail_at;
    fault.persistent = persistent;
    fault.advice_errno = advice_errno;
    atomic_store(&fault.calls, 0);
    atomic_store(&fault.failed, 0);
}

#endif
