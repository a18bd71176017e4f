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
#define MOST_MERGED_BITS 15

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
    uint64_t first = count > 0 ? end_of(&level->extents[count - 1]) : 0;
    size_t held_bytes = (size_t)first * ROTOR_HASH_BYTES;
    size_t skew = held_bytes % page;
    /* Never so little that a level which grows leaf by leaf uses up its extents. */
    size_t least_bytes = larger((size_t)least * ROTOR_HASH_BYTES, held_bytes / 8);
    least_bytes = round_up(round_up(least_bytes, unit), page);
    size_t bytes = round_up(larger(larger(reservation_bytes, least_bytes), LEAST_RESERVATION), page);
    uint8_t *memory = NULL;
    size_t lead;
    for (;;) {
        /* One page before the nodes can be read, as headroom; where huge pages matter the nodes begin on the boundary
         * of one. */
        lead = bytes >= 4 * ROTOR_VM_HUGE_BYTES ? ROTOR_VM_HUGE_BYTES : page;
        memory = rotor_vm_reserve(lead + page + bytes);
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
        rotor_vm_release(memory, lead + page + bytes);
        return ROTOR_OUT_OF_MEMORY;
    }
    level->extents[count] = (rotor_extent){.base = memory + lead + skew,
                                           .first = first,
                                           .capacity = bytes / unit * level->arity,
                                           .memory = memory,
                                           .mapped_bytes = lead + page + bytes,
                                           .skew = skew};
    atomic_store_explicit(&level->extent_count, count + 1, memory_order_release);
    return ROTOR_OK;
}

static uint8_t *origin_of(const rotor_extent *extent) {
    return extent->base - extent->skew;
}

/* Bytes from the origin to the end of the extent's first `nodes` nodes. */
static size_t span_of(const rotor_extent *extent, uint64_t nodes) {
    return extent->skew + (size_t)nodes * ROTOR_HASH_BYTES;
}

/* Commits an extent so that its first `nodes` nodes have memory. */
static rotor_status commit_extent(rotor_extent *extent, uint64_t nodes) {
    size_t page = rotor_vm_page_bytes();
    size_t need = span_of(extent, nodes);
    uint8_t *origin = origin_of(extent);
    size_t old = extent->committed_bytes;
    if (need <= old) { /* always so for a heap block */
        return ROTOR_OK;
    }
    size_t most = round_up(span_of(extent, extent->capacity), page);
    size_t step = need >= HUGE_FROM ? ROTOR_VM_HUGE_BYTES : larger(need / 32, LEAST_STEP);
    size_t bytes = smaller(round_up(need, round_up(step, page)), most);
    if (rotor_vm_commit(origin + old, bytes - old) != ROTOR_OK) {
        return ROTOR_OUT_OF_MEMORY;
    }
    /* Pages of a batch that fills them whole are huge at once; the rest is touched in one call, as one fault after the
     * other costs five times as much. */
    size_t huge = round_down(bytes >= HUGE_FROM ? bytes : need, ROTOR_VM_HUGE_BYTES);
    if (huge > extent->huge_bytes) {
        rotor_vm_advise_huge(origin + extent->huge_bytes, huge - extent->huge_bytes);
        extent->huge_bytes = huge;
    }
    size_t from = larger(old, huge);
    if (from < bytes) {
        if (rotor_vm_populate(origin + from, bytes - from) != ROTOR_OK) {
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
        if (start >= end) {
            continue;
        }
        size_t from = larger(round_down(span_of(extent, start - extent->first), page), extent->filed_bytes);
        size_t to = round_up(span_of(extent, end - extent->first), page);
        if (from < to) {
            rotor_status status = rotor_vm_populate(origin_of(extent) + from, to - from);
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
        const rotor_extent *extent = &level->extents[e];
        size_t bytes = extent->committed_bytes > extent->skew ? extent->committed_bytes - extent->skew : 0;
        uint64_t here = bytes / ROTOR_HASH_BYTES;
        nodes += here < extent->capacity ? here : extent->capacity;
    }
    return nodes;
}

uint64_t rotor_level_touched_bytes(const rotor_level *level, uint64_t used) {
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    uint64_t bytes = 0;
    for (uint32_t e = 0; e < count; e++) {
        const rotor_extent *extent = &level->extents[e];
        uint64_t here = used <= extent->first ? 0 : used - extent->first;
        size_t span = here == 0 ? 0 : span_of(extent, here < extent->capacity ? here : extent->capacity);
        size_t page = span <= extent->huge_bytes ? ROTOR_VM_HUGE_BYTES : rotor_vm_page_bytes();
        size_t touched = larger(round_up(span, page), extent->populated_bytes);
        bytes += touched > extent->filed_bytes ? touched - extent->filed_bytes : 0;
    }
    return bytes;
}

rotor_status rotor_level_commit_filed(rotor_level *level, uint64_t nodes, size_t reservation_bytes) {
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    if (count == 0 && nodes > MOST_HEAP_NODES) {
        rotor_status status = add_reserved_extent(
            level, nodes, larger(smaller(reservation_bytes, FIRST_RESERVATION), 2 * (size_t)nodes * ROTOR_HASH_BYTES));
        if (status != ROTOR_OK) {
            return status;
        }
        /* Not to be advised: the pages come from files. */
        rotor_extent *extent = &level->extents[0];
        extent->committed_bytes = round_down(span_of(extent, nodes), rotor_vm_page_bytes());
        extent->huge_bytes = round_down(extent->committed_bytes, ROTOR_VM_HUGE_BYTES);
    }
    return rotor_level_commit(level, nodes, reservation_bytes);
}

/* Where to begin in order to map pages up to `to` when those up to `from` are mapped: at a multiple of the largest
 * power of two that lies between, 128 MiB at most. A mapping of its own for every few pages would use up those that a
 * process may have; so a level has one for each bit of its number of pages, and each page is mapped anew a few times
 * only. */
static size_t mapping_start(size_t from, size_t to) {
    unsigned bits = 64 - (unsigned)__builtin_clzll((unsigned long long)(from ^ to));
    bits = bits < MOST_MERGED_BITS ? bits : MOST_MERGED_BITS;
    return from >> bits << bits;
}

rotor_status rotor_level_map(rotor_level *level, uint64_t nodes, rotor_level_mapper *map, void *context) {
    size_t page = rotor_vm_page_bytes();
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    for (uint32_t e = 0; e < count && level->extents[e].first < nodes; e++) {
        rotor_extent *extent = &level->extents[e];
        if (extent->is_heap) {
            continue;
        }
        uint64_t here = nodes - extent->first;
        here = here < extent->capacity ? here : extent->capacity;
        size_t from = extent->filed_bytes;
        if (from == 0 && extent->skew > 0) {
            from = page; /* the first page holds nodes of the extent before */
        }
        size_t to = round_down(span_of(extent, here), page);
        if (from < to) {
            from = larger(mapping_start(from / page, to / page) * page, extent->skew > 0 ? page : 0);
            uint64_t offset = extent->first * ROTOR_HASH_BYTES - extent->skew + from;
            rotor_status status = map(context, origin_of(extent) + from, to - from, offset);
            if (status != ROTOR_OK) {
                /* Some of it may have been mapped: it is made writable again, now, or by rotor_level_reclaim(). */
                if (rotor_vm_commit(origin_of(extent) + from, to - from) != ROTOR_OK) {
                    extent->filed_bytes = to;
                }
                return status;
            }
            extent->filed_bytes = to;
        }
    }
    return ROTOR_OK;
}

rotor_status rotor_level_reclaim(rotor_level *level, uint64_t first) {
    size_t page = rotor_vm_page_bytes();
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    for (uint32_t e = count; e > 0 && end_of(&level->extents[e - 1]) > first; e--) {
        rotor_extent *extent = &level->extents[e - 1];
        uint64_t kept = first > extent->first ? first - extent->first : 0;
        size_t from = round_down(span_of(extent, kept), page);
        if (from < extent->filed_bytes) {
            /* A writable page too many does no harm, so what succeeds before a failure need not be undone. */
            if (rotor_vm_commit(origin_of(extent) + from, extent->filed_bytes - from) != ROTOR_OK) {
                return ROTOR_OUT_OF_MEMORY;
            }
            extent->filed_bytes = from;
        }
    }
    return ROTOR_OK;
}

void rotor_level_expect_order(const rotor_level *level, bool in_order) {
    size_t page = rotor_vm_page_bytes();
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_relaxed);
    for (uint32_t e = 0; e < count; e++) {
        const rotor_extent *extent = &level->extents[e];
        size_t from = extent->skew > 0 ? page : 0; /* of a first page that is shared with the extent before */
        if (from < extent->filed_bytes) {
            rotor_vm_expect_order(origin_of(extent) + from, extent->filed_bytes - from, in_order);
        }
    }
}

uint64_t rotor_level_filed_bytes(const rotor_level *level) {
    uint32_t count = atomic_load_explicit(&level->extent_count, memory_order_acquire);
    uint64_t bytes = 0;
    for (uint32_t e = 0; e < count; e++) {
        bytes += level->extents[e].filed_bytes;
    }
    return bytes;
}
