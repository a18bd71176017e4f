/* The model of a durable tree's history: all moments that it went through, in epochs that each begin with a truncation,
 * from the last one that is known to be durable. What an open finds must be one of them; those after it then never
 * happened. Knows leaves only; no files and no library. */
#ifndef ROTOR_TESTS_CRASH_MODEL_H
#define ROTOR_TESTS_CRASH_MODEL_H

#include "sim_disk.h"

#include "rotortree.h"

typedef struct crash_epoch {
    rotor_hash *leaves;
    uint64_t cut; /* the size that it began with */
    uint64_t size;
    uint64_t capacity;
} crash_epoch;

typedef struct crash_history {
    crash_epoch *epochs;
    size_t count;
    size_t capacity;
    uint64_t base; /* number of the first epoch that is kept */
    /* The last moment known to be durable, in the first of the epochs. */
    uint64_t durable_size;
} crash_history;

static inline crash_epoch *crash_now(const crash_history *history) {
    return &history->epochs[history->count - 1];
}

static inline void crash_append(crash_history *history, const rotor_hash *leaves, uint64_t count) {
    crash_epoch *now = crash_now(history);
    if (now->size + count > now->capacity) {
        now->capacity = 2 * (now->size + count);
        now->leaves = sim_grow(now->leaves, now->capacity * sizeof *now->leaves);
    }
    if (count != 0) {
        memcpy(now->leaves + now->size, leaves, count * sizeof *leaves);
    }
    now->size += count;
}

static inline void crash_cut(crash_history *history, uint64_t size) {
    if (history->count == history->capacity) {
        history->capacity = history->capacity != 0 ? 2 * history->capacity : 8;
        history->epochs = sim_grow(history->epochs, history->capacity * sizeof *history->epochs);
    }
    history->epochs[history->count++] = (crash_epoch){.cut = size};
    if (history->count > 1) {
        crash_append(history, history->epochs[history->count - 2].leaves, size);
    }
}

static inline void crash_history_free(crash_history *history) {
    for (size_t e = 0; e < history->count; e++) {
        free(history->epochs[e].leaves);
    }
    free(history->epochs);
    *history = (crash_history){.epochs = NULL};
}

static inline crash_history crash_history_copy(const crash_history *history) {
    crash_history copy = *history;
    copy.capacity = history->count;
    copy.epochs = sim_grow(NULL, history->count * sizeof *copy.epochs);
    for (size_t e = 0; e < history->count; e++) {
        copy.epochs[e] = (crash_epoch){.cut = history->epochs[e].cut};
        copy.count = e + 1;
        crash_append(&copy, history->epochs[e].leaves, history->epochs[e].size);
    }
    return copy;
}

/* The library calls this moment durable. */
static inline void crash_durable(crash_history *history, uint64_t epoch, uint64_t size) {
    if (epoch < history->base || (epoch == history->base && size <= history->durable_size)) {
        return;
    }
    size_t gone = (size_t)(epoch - history->base);
    for (size_t e = 0; e < gone; e++) {
        free(history->epochs[e].leaves);
    }
    memmove(history->epochs, history->epochs + gone, (history->count - gone) * sizeof *history->epochs);
    history->count -= gone;
    history->base = epoch;
    history->durable_size = size;
}

static inline void crash_all_durable(crash_history *history) {
    crash_durable(history, history->base + history->count - 1, crash_now(history)->size);
}

/* Whether these leaves are what a moment from the durable one on had: the epoch of the last such moment, or -1. */
static inline int64_t crash_find(const crash_history *history, const rotor_hash *leaves, uint64_t size) {
    for (size_t e = history->count; e-- > 0;) {
        const crash_epoch *epoch = &history->epochs[e];
        uint64_t least = e == 0 ? history->durable_size : epoch->cut;
        if (size >= least && size <= epoch->size &&
            (size == 0 || memcmp(epoch->leaves, leaves, size * sizeof *leaves) == 0)) {
            return (int64_t)e;
        }
    }
    return -1;
}

/* What came after this moment is forgotten. */
static inline void crash_return_to(crash_history *history, size_t epoch, uint64_t size) {
    while (history->count > epoch + 1) {
        free(history->epochs[--history->count].leaves);
    }
    crash_now(history)->size = size;
}

#endif
