/* Publication of states and cuts in two slots each. Must not know how nodes are stored or hashed. */
#include "tree/publish.h"

#include "tree/nodes.h"

#include <string.h>

static uint64_t load(const _Atomic uint64_t *word) {
    return atomic_load_explicit(word, ROTOR_ORDER_LOAD);
}

static void store(_Atomic uint64_t *word, uint64_t value) {
    atomic_store_explicit(word, value, ROTOR_ORDER_STORE);
}

void rotor_publish_state(rotor_published *published, uint64_t epoch, uint64_t size, uint32_t depth,
                         const rotor_hash *edge) {
    uint64_t generation = atomic_load_explicit(&published->state_generation, memory_order_relaxed) + 1;
    rotor_state_slot *slot = &published->states[generation & 1];
    /* Whoever sees a word of what follows must also see that the generation has left this slot. */
    rotor_fence_release();
    store(&slot->size, size);
    store(&slot->epoch, epoch);
    store(&slot->depth, depth);
    if (size > 0) {
        for (uint32_t level = 0; level <= depth; level++) {
            /* Word by word on both sides: a node collected in an array is read back as vectors, which processors
             * cannot forward from stores of words. */
            for (unsigned i = 0; i < 4; i++) {
                uint64_t word;
                memcpy(&word, edge[level].bytes + 8 * i, sizeof word);
                store(&slot->edge[level][i], word);
            }
        }
    }
    atomic_store_explicit(&published->state_generation, generation, memory_order_release);
}

void rotor_published_read(const rotor_published *published, rotor_snapshot *snapshot) {
    uint64_t generation;
    uint64_t after = atomic_load_explicit(&published->state_generation, memory_order_acquire);
    do {
        generation = after;
        const rotor_state_slot *slot = &published->states[generation & 1];
        snapshot->size = load(&slot->size);
        snapshot->epoch = load(&slot->epoch);
        uint64_t depth = load(&slot->depth);
        depth = depth <= ROTOR_MAX_DEPTH ? depth : ROTOR_MAX_DEPTH;
        snapshot->depth = (uint32_t)depth;
        if (snapshot->size > 0) {
            for (uint64_t level = 0; level <= depth; level++) {
                for (unsigned i = 0; i < 4; i++) {
                    uint64_t word = load(&slot->edge[level][i]);
                    memcpy(snapshot->edge[level].bytes + 8 * i, &word, sizeof word);
                }
            }
        }
        rotor_fence_acquire();
        after = atomic_load_explicit(&published->state_generation, memory_order_acquire);
    } while (after != generation);
}

void rotor_publish_cut(rotor_published *published, uint64_t epoch, uint64_t size) {
    uint64_t generation = atomic_load_explicit(&published->cuts_generation, memory_order_relaxed) + 1;
    const rotor_cuts_slot *old = &published->cuts[(generation + 1) & 1];
    rotor_cuts_slot *slot = &published->cuts[generation & 1];
    uint64_t count = load(&old->count);
    while (count > 0 && load(&old->cuts[count - 1].size) >= size) {
        count--;
    }
    rotor_fence_release();
    if (count == ROTOR_CUTS) {
        /* Two oldest become one that is at least as strict as both: some very old snapshots are called stale too early.
         */
        store(&slot->cuts[0].epoch, load(&old->cuts[1].epoch));
        store(&slot->cuts[0].size, load(&old->cuts[0].size));
        for (uint64_t i = 1; i < count - 1; i++) {
            store(&slot->cuts[i].epoch, load(&old->cuts[i + 1].epoch));
            store(&slot->cuts[i].size, load(&old->cuts[i + 1].size));
        }
        count--;
    } else {
        for (uint64_t i = 0; i < count; i++) {
            store(&slot->cuts[i].epoch, load(&old->cuts[i].epoch));
            store(&slot->cuts[i].size, load(&old->cuts[i].size));
        }
    }
    store(&slot->cuts[count].epoch, epoch);
    store(&slot->cuts[count].size, size);
    store(&slot->count, count + 1);
    atomic_store_explicit(&published->cuts_generation, generation, memory_order_release);
    atomic_store_explicit(&published->epoch, epoch, memory_order_release);
    /* Whoever copies a node that is written after this must see the new epoch. */
    rotor_fence_release();
}

bool rotor_published_is_cut(const rotor_published *published, uint64_t epoch, uint64_t size) {
    rotor_fence_acquire();
    if (atomic_load_explicit(&published->epoch, memory_order_acquire) == epoch) {
        return false;
    }
    uint64_t after = atomic_load_explicit(&published->cuts_generation, memory_order_acquire);
    for (;;) {
        uint64_t generation = after;
        const rotor_cuts_slot *slot = &published->cuts[generation & 1];
        uint64_t count = load(&slot->count);
        bool cut = false;
        for (uint64_t i = 0; i < count && i < ROTOR_CUTS; i++) {
            if (load(&slot->cuts[i].epoch) > epoch) {
                cut = load(&slot->cuts[i].size) < size;
                break;
            }
        }
        rotor_fence_acquire();
        after = atomic_load_explicit(&published->cuts_generation, memory_order_acquire);
        if (after == generation) {
            return cut;
        }
    }
}
