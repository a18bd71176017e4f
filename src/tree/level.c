/* Extents of a level: reserve, commit, touch. Must not know what a node is made of. */
#include "tree/level.h"

#include "base/vm.h"

#include <stdlib.h>
#include <string.h>

/* Heap blocks double from the first number of nodes up to a level of the second; beyond, address space is reserved. */
#define FIRST_HEAP_NODES 128
#define MOST_HEAP_NODES 4096
#define LEAST_RESERVATION ((size_t)1 << 20)
/* The first reservation of a level: 2,000 trees of 64 GiB each would be all the address space that a process has. */
#define FIRST_RESERVATION ((size_t)1 << 30)
#define LEAST_STEP ((size_t)64 << 10)
/* From here on a level is committed in huge pages, although the last of them is not full yet: up to 2 MiB more than it
 * needs, and a first touch that is several times cheaper (a million leaves one by one into fresh memory, arity 4: 71 ns
 * a leaf without, 39 ns with). */
#define HUGE_FROM ((size_t)4 << 20)

static size_t round_up(size_t bytes, size_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

static size_t round_down(size_t bytes, size_t unit) {
    return bytes / unit * unit;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

rotor_level *rotor_level_create(uint32_t arity) {
    rotor_level *level = calloc(1, sizeof *level);
    if (level != NULL) {
        level->arity = arity;
    }
    return level;
}

void rotor_level_destroy(rotor_level *level) {
    if (level == NULL) {
        return;
    }
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    for (uint32_t e = 0; e < count; e++) {
        if (level->extents[e].is_heap) {
            free(level->extents[e].memory);
        } else {
            rotor_vm_release(level->extents[e].memory, level->extents[e].mapped_bytes);
        }
    }
    free(level);
}

static uint64_t end_of(const rotor_extent *extent) {
    return extent->first + extent->capacity;
}

static rotor_status add_heap_extent(rotor_level *level, uint64_t first, uint64_t nodes) {
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    const size_t lead = 64; /* headroom and alignment */
    nodes = nodes < level->arity ? level->arity : nodes / level->arity * level->arity;
    size_t bytes = round_up((size_t)nodes * ROTOR_HASH_BYTES, 64);
    uint8_t *memory = aligned_alloc(64, lead + bytes);
    if (memory == NULL) {
        return ROTOR_OUT_OF_MEMORY;
    }
    memset(memory, 0, lead + bytes); /* touched, as what is committed in small pages always is */
    level->extents[count] = (rotor_extent){.base = memory + lead,
                                           .first = first,
                                           .capacity = nodes,
                                           .is_heap = true,
                                           .memory = memory,
                                           .mapped_bytes = lead + bytes,
                                           .committed_bytes = bytes,
                                           .populated_bytes = bytes};
    atomic_store_explicit(&level->extent_count, count + 1, memory_order_release);
    return ROTOR_OK;
}

/* Adds an extent of at least `least` nodes, of `reservation_bytes` if they can be had. */
static rotor_status add_reserved_extent(rotor_level *level, uint64_t least, size_t reservation_bytes) {
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    if (count == ROTOR_LEVEL_EXTENTS || least > (SIZE_MAX >> 8) / ROTOR_HASH_BYTES) {
        return ROTOR_OUT_OF_MEMORY;
    }
    size_t page = rotor_vm_page_bytes();
    size_t unit = (size_t)level->arity * ROTOR_HASH_BYTES;
    /* Never so little that a level which grows leaf by leaf uses up its extents. */
    size_t held_bytes = (size_t)end_of(&level->extents[count - 1]) * ROTOR_HASH_BYTES;
    size_t least_bytes = larger((size_t)least * ROTOR_HASH_BYTES, held_bytes / 8);
    least_bytes = round_up(round_up(least_bytes, unit), page);
    size_t bytes = round_up(larger(larger(reservation_bytes, least_bytes), LEAST_RESERVATION), page);
    uint8_t *memory = NULL;
    size_t lead;
    for (;;) {
        /* One page before the nodes can be read, as headroom; where huge pages matter the nodes begin on the boundary
         * of one. */
        lead = bytes >= 4 * ROTOR_VM_HUGE_BYTES ? ROTOR_VM_HUGE_BYTES : page;
        memory = rotor_vm_reserve(lead + bytes);
        if (memory != NULL || bytes == least_bytes) {
            break;
        }
        /* Scarce address space is left to the rest of the process: far less is taken than would just fit. */
        bytes = larger(round_up(bytes / 16, page), least_bytes);
    }
    if (memory == NULL) {
        return ROTOR_OUT_OF_MEMORY;
    }
    if (rotor_vm_commit(memory + lead - page, page) != ROTOR_OK) {
        rotor_vm_release(memory, lead + bytes);
        return ROTOR_OUT_OF_MEMORY;
    }
    level->extents[count] = (rotor_extent){.base = memory + lead,
                                           .first = end_of(&level->extents[count - 1]),
                                           .capacity = bytes / unit * level->arity,
                                           .memory = memory,
                                           .mapped_bytes = lead + bytes};
    atomic_store_explicit(&level->extent_count, count + 1, memory_order_release);
    return ROTOR_OK;
}

/* Commits an extent so that its first `nodes` nodes have memory. */
static rotor_status commit_extent(rotor_extent *extent, uint64_t nodes) {
    size_t page = rotor_vm_page_bytes();
    size_t need = (size_t)nodes * ROTOR_HASH_BYTES;
    size_t old = extent->committed_bytes;
    if (need <= old) { /* always so for a heap block */
        return ROTOR_OK;
    }
    size_t most = round_up((size_t)extent->capacity * ROTOR_HASH_BYTES, page);
    size_t step = need >= HUGE_FROM ? ROTOR_VM_HUGE_BYTES : larger(need / 32, LEAST_STEP);
    size_t bytes = smaller(round_up(need, round_up(step, page)), most);
    if (rotor_vm_commit(extent->base + old, bytes - old) != ROTOR_OK) {
        return ROTOR_OUT_OF_MEMORY;
    }
    /* Pages of a batch that fills them whole are huge at once; the rest is touched in one call, as one fault after the
     * other costs five times as much. */
    size_t huge = round_down(bytes >= HUGE_FROM ? bytes : need, ROTOR_VM_HUGE_BYTES);
    if (huge > extent->huge_bytes) {
        rotor_vm_advise_huge(extent->base + extent->huge_bytes, huge - extent->huge_bytes);
        extent->huge_bytes = huge;
    }
    size_t from = larger(old, huge);
    if (from < bytes) {
        if (rotor_vm_populate(extent->base + from, bytes - from) != ROTOR_OK) {
            return ROTOR_OUT_OF_MEMORY; /* committed_bytes is unchanged: the next try starts over */
        }
        extent->populated_bytes = bytes;
    }
    extent->committed_bytes = bytes;
    return ROTOR_OK;
}

/* Adds the extent that the level should have next on its way to `nodes` nodes. */
static rotor_status add_extent(rotor_level *level, uint64_t nodes, size_t reservation_bytes) {
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    if (count == 0) {
        return add_heap_extent(level, 0, FIRST_HEAP_NODES);
    }
    const rotor_extent *last = &level->extents[count - 1];
    uint64_t held = end_of(last);
    if (last->is_heap && nodes <= MOST_HEAP_NODES) {
        return add_heap_extent(level, held, held);
    }
    size_t wanted = last->is_heap ? smaller(reservation_bytes, FIRST_RESERVATION)
                                  : larger(reservation_bytes, (size_t)held * ROTOR_HASH_BYTES);
    return add_reserved_extent(level, nodes - held, wanted);
}

rotor_status rotor_level_commit(rotor_level *level, uint64_t nodes, size_t reservation_bytes) {
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    while (count == 0 || end_of(&level->extents[count - 1]) < nodes) {
        rotor_status status = add_extent(level, nodes, reservation_bytes);
        if (status != ROTOR_OK) {
            return status;
        }
        count++;
    }
    for (uint32_t e = 0; e < count && level->extents[e].first < nodes; e++) {
        rotor_extent *extent = &level->extents[e];
        uint64_t here = nodes - extent->first;
        rotor_status status = commit_extent(extent, here < extent->capacity ? here : extent->capacity);
        if (status != ROTOR_OK) {
            return status;
        }
    }
    return ROTOR_OK;
}

rotor_status rotor_level_populate(rotor_level *level, uint64_t first, uint64_t nodes) {
    size_t page = rotor_vm_page_bytes();
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    for (uint32_t e = 0; e < count && level->extents[e].first < nodes; e++) {
        rotor_extent *extent = &level->extents[e];
        if (extent->is_heap) {
            continue;
        }
        uint64_t end = nodes < end_of(extent) ? nodes : end_of(extent);
        uint64_t start = first > extent->first ? first : extent->first;
        size_t from = round_down((size_t)(start - extent->first) * ROTOR_HASH_BYTES, page);
        size_t to = round_up((size_t)(end - extent->first) * ROTOR_HASH_BYTES, page);
        if (start < end && from < to) {
            rotor_status status = rotor_vm_populate(extent->base + from, to - from);
            if (status != ROTOR_OK) {
                return status;
            }
            extent->populated_bytes = larger(extent->populated_bytes, to);
        }
    }
    return ROTOR_OK;
}

uint64_t rotor_level_committed(const rotor_level *level) {
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    uint64_t nodes = 0;
    for (uint32_t e = 0; e < count; e++) {
        uint64_t here = level->extents[e].committed_bytes / ROTOR_HASH_BYTES;
        nodes += here < level->extents[e].capacity ? here : level->extents[e].capacity;
    }
    return nodes;
}

uint64_t rotor_level_touched_bytes(const rotor_level *level, uint64_t used) {
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    uint64_t bytes = 0;
    for (uint32_t e = 0; e < count; e++) {
        const rotor_extent *extent = &level->extents[e];
        uint64_t here = used <= extent->first ? 0 : used - extent->first;
        here = (here < extent->capacity ? here : extent->capacity) * ROTOR_HASH_BYTES;
        size_t page = here <= extent->huge_bytes ? ROTOR_VM_HUGE_BYTES : rotor_vm_page_bytes();
        bytes += larger(round_up((size_t)here, page), extent->populated_bytes);
    }
    return bytes;
}
