/* Address space and pages by mmap, mprotect and madvise. Must not know what is stored in them. */
#include "base/vm.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

_Static_assert(sizeof(size_t) == 8, "trees reserve address space by the gigabyte: 64-bit processors only");

size_t rotor_vm_page_bytes(void) {
    long bytes = sysconf(_SC_PAGESIZE);
    return bytes > 0 ? (size_t)bytes : 4096;
}

void *rotor_vm_reserve(size_t bytes) {
    if (bytes > SIZE_MAX - ROTOR_VM_HUGE_BYTES) {
        return NULL;
    }
    /* One huge page more than asked for, so that the start can be aligned; the rest is given back. */
    size_t mapped = bytes + ROTOR_VM_HUGE_BYTES;
    uint8_t *start = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        return NULL;
    }
    size_t before = (size_t)(-(uintptr_t)start & (ROTOR_VM_HUGE_BYTES - 1));
    size_t behind = mapped - before - bytes;
    if (before > 0) {
        (void)munmap(start, before);
    }
    if (behind > 0) {
        (void)munmap(start + before + bytes, behind);
    }
    return start + before;
}

rotor_status rotor_vm_commit(void *start, size_t bytes) {
    return mprotect(start, bytes, PROT_READ | PROT_WRITE) == 0 ? ROTOR_OK : ROTOR_OUT_OF_MEMORY;
}

void rotor_vm_advise_huge(void *start, size_t bytes) {
    (void)madvise(start, bytes, MADV_HUGEPAGE);
}

rotor_status rotor_vm_populate(void *start, size_t bytes) {
    int result;
    do {
        result = madvise(start, bytes, MADV_POPULATE_WRITE);
    } while (result != 0 && (errno == EINTR || errno == EAGAIN));
    if (result == 0) {
        return ROTOR_OK;
    }
    if (errno == ENOMEM || errno == EFAULT) {
        return ROTOR_OUT_OF_MEMORY;
    }
    /* A kernel without this advice: writing back one byte of each page touches it. */
    size_t page = rotor_vm_page_bytes();
    for (size_t offset = 0; offset < bytes; offset += page) {
        (void)atomic_fetch_or_explicit((_Atomic uint8_t *)start + offset, 0, memory_order_relaxed);
    }
    return ROTOR_OK;
}

void rotor_vm_populate_read(void *start, size_t bytes) {
    (void)madvise(start, bytes, MADV_POPULATE_READ);
}

void rotor_vm_will_need(const void *start, size_t bytes) {
    uintptr_t skew = (uintptr_t)start % rotor_vm_page_bytes();
    (void)madvise((void *)((uintptr_t)start - skew), bytes + skew, MADV_WILLNEED);
}

void rotor_vm_expect_order(void *start, size_t bytes, bool in_order) {
    (void)madvise(start, bytes, in_order ? MADV_NORMAL : MADV_RANDOM);
}

void rotor_vm_release(void *start, size_t bytes) {
    (void)munmap(start, bytes);
}

size_t rotor_vm_reservation_limit(void) {
    const size_t most = (size_t)64 << 30;
    struct rlimit limit;
    /* Under a limited address space the tree is one user among others: it starts with a small share and grows by need.
     */
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur / 32 < most) {
        return (size_t)(limit.rlim_cur / 32);
    }
    return most;
}
