/* The memory of one level: an array of complete nodes that grows without ever moving. Knows addresses, no hashes and no
 * sizes of trees.
 *
 * The array is a few extents, each one piece of memory. The first are heap blocks that double in size, so that a
 * process may hold a great many small trees; then comes a reservation of address space, committed in steps; when it is
 * used up more follow, at least as large as all before if they can be had. Every extent holds a multiple of `arity`
 * nodes, so that a group of siblings never straddles two. Memory is given back only when the level is destroyed.
 *
 * Whole pages of nodes that a file holds too can be exchanged for pages of that file, at the same addresses. For that,
 * the address of a node in a reservation and its place in a file of the whole level agree modulo a page.
 */
#ifndef ROTOR_TREE_LEVEL_H
#define ROTOR_TREE_LEVEL_H

#include "rotortree.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROTOR_LEVEL_EXTENTS 28

typedef struct rotor_extent {
    uint8_t *base;     /* aligned to 32 bytes; ROTOR_HASH_HEADROOM bytes before it may be read */
    uint64_t first;    /* index of the node at base */
    uint64_t capacity; /* nodes that the extent can ever hold */
    /* The writer's: */
    bool is_heap; /* a heap block, else a reservation */
    void *memory; /* what to free */
    size_t mapped_bytes;
    size_t skew;            /* bytes from the page boundary before base, the origin, to base; 0 of a heap block */
    size_t committed_bytes; /* from the origin on; readable, and writable but for filed_bytes */
    size_t huge_bytes;      /* from the origin on; huge pages were asked for */
    size_t populated_bytes; /* from the origin on; touched ahead of use, but for pages that are to be huge */
    size_t filed_bytes;     /* from the origin on; pages of files, read-only; a first page shared with the extent before
                             * is never one of them */
} rotor_extent;

typedef struct rotor_level {
    uint32_t arity;
    _Atomic uint32_t extent_count; /* an extent is whole before it is counted */
    rotor_extent extents[ROTOR_LEVEL_EXTENTS];
} rotor_level;

/* A level without memory. NULL when out of memory. */
rotor_level *rotor_level_create(uint32_t arity);
void rotor_level_destroy(rotor_level *level);

/* Makes room for the nodes 0..nodes-1; `reservation_bytes` is the address space to reserve, if it can be had, once the
 * level outgrows heap blocks. On failure the level holds what it held. The writer only. */
rotor_status rotor_level_commit(rotor_level *level, uint64_t nodes, size_t reservation_bytes);

/* The same for a level without memory, whose first nodes a file holds: as many of them as fill whole pages get
 * addresses only, if that is worth while, and are not readable before rotor_level_map(). */
rotor_status rotor_level_commit_filed(rotor_level *level, uint64_t nodes, size_t reservation_bytes);

/* Maps bytes offset .. offset+bytes-1 of the level, whole pages, to `address`. */
typedef rotor_status rotor_level_mapper(void *context, void *address, size_t bytes, uint64_t offset);

/* Exchanges all pages that hold only nodes below `nodes`, and have not been exchanged yet, for pages of a file with the
 * same contents. Heap blocks stay. The writer only. */
rotor_status rotor_level_map(rotor_level *level, uint64_t nodes, rotor_level_mapper *map, void *context);

/* Makes the nodes from `first` on writable again: their pages keep their contents and become private copies when they
 * are written to. When it fails nothing has changed. The writer only. */
rotor_status rotor_level_reclaim(rotor_level *level, uint64_t first);

/* Says whether pages of files will be read one after the other, as rotor_vm_expect_order(). The writer only. */
void rotor_level_expect_order(const rotor_level *level, bool in_order);

/* Bytes of nodes in pages of files. */
uint64_t rotor_level_filed_bytes(const rotor_level *level);

/* Touches the memory of the nodes first..nodes-1, committed before. The writer only. */
rotor_status rotor_level_populate(rotor_level *level, uint64_t first, uint64_t nodes);

/* Nodes that have memory. */
uint64_t rotor_level_committed(const rotor_level *level);

/* Bytes of memory that hold the nodes 0..used-1 or were populated, in whole pages; without those of files. */
uint64_t rotor_level_touched_bytes(const rotor_level *level, uint64_t used);

static inline const rotor_extent *rotor_level_extent(const rotor_level *level, uint64_t index) {
    uint32_t e = atomic_load_explicit(&level->extent_count, memory_order_acquire) - 1;
    while (level->extents[e].first > index) {
        e--;
    }
    return &level->extents[e];
}

/* The address of a node that has memory. */
static inline uint8_t *rotor_level_at(const rotor_level *level, uint64_t index) {
    const rotor_extent *extent = rotor_level_extent(level, index);
    return extent->base + (index - extent->first) * ROTOR_HASH_BYTES;
}

/* The same, with the number of nodes, at most `count`, that follow there in one piece. */
static inline uint8_t *rotor_level_run(const rotor_level *level, uint64_t index, uint64_t count, uint64_t *run) {
    const rotor_extent *extent = rotor_level_extent(level, index);
    uint64_t rest = extent->first + extent->capacity - index;
    *run = rest < count ? rest : count;
    return extent->base + (index - extent->first) * ROTOR_HASH_BYTES;
}

#endif
