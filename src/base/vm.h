/* Address space and pages: reserve, commit, touch. Knows nothing of what is stored there.
 *
 * Address space is cheap, pages are not: a reservation costs no memory, and first touch costs more than hashing does (a
 * 4 KiB fault takes 0.5 to 2.6 us, a 2 MiB one some 0.1 us per 4 KiB). */
#ifndef ROTOR_BASE_VM_H
#define ROTOR_BASE_VM_H

#include "rotortree.h"

#include <stdbool.h>
#include <stddef.h>

#define ROTOR_VM_HUGE_BYTES ((size_t)2 << 20)

size_t rotor_vm_page_bytes(void);

/* Reserves address space, aligned to huge pages, that may not be touched yet. NULL when it cannot be had. */
void *rotor_vm_reserve(size_t bytes);

/* Makes whole pages of a reservation readable and writable, zero-filled on first touch. */
rotor_status rotor_vm_commit(void *start, size_t bytes);

/* Asks for huge pages; the kernel may decline, which costs speed only. */
void rotor_vm_advise_huge(void *start, size_t bytes);

/* Touches committed pages ahead of their use; returns ROTOR_OUT_OF_MEMORY when the kernel has none. Contents are kept.
 */
rotor_status rotor_vm_populate(void *start, size_t bytes);

/* Makes pages of files that are in the system's memory present, so that a first read takes no fault. Costs speed only
 * when it fails. */
void rotor_vm_populate_read(void *start, size_t bytes);

/* Has pages of files read in the background. Costs speed only when it fails. `start` need not be at a page's boundary.
 */
void rotor_vm_will_need(const void *start, size_t bytes);

/* Says in which order pages of files will be read: one after the other, so that a cold one brings those behind it with
 * it, or here and there (what a mapping is made with). Costs speed only when it fails. Whole pages. */
void rotor_vm_expect_order(void *start, size_t bytes, bool in_order);

void rotor_vm_release(void *start, size_t bytes);

/* The most address space that one reservation should ask for here: little where the process is limited. */
size_t rotor_vm_reservation_limit(void);

#endif
