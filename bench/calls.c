/* Kernel calls recorded and made again; see calls.h. */
#include "calls.h"

#include "limits.h"
#include "tree/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Input, output and what the chain needs stay in the first-level cache, as those of rotor_bench_peak_ns() do. */
#define INPUT_BYTES 16384
#define HEAD 64
#define TARGET_BYTES ((size_t)32 << 20)
#define WIDEST 255

typedef enum call_kind {
    CALL_GROUPS,
    CALL_GROUPS_STORED,
    CALL_EDGE,      /* the blocks before the last child are known */
    CALL_EDGE_ANEW, /* they are not */
    CALL_NODE,
} call_kind;

struct rotor_bench_call {
    uint32_t groups;
    uint8_t kind;
    uint8_t width;
};

/* Kernels have no context: whose calls are noted now, and the kernel behind all recorded trees. */
static rotor_bench_calls *recording;
static const rotor_hasher *real;

/* ---------------------------------------------------------------- recording */

static void note(call_kind kind, size_t groups, unsigned width) {
    rotor_bench_calls *calls = recording;
    if (calls == NULL) {
        return;
    }
    if (calls->count == calls->capacity) {
        calls->capacity = calls->capacity == 0 ? 4096 : 2 * calls->capacity;
        calls->calls = realloc(calls->calls, calls->capacity * sizeof *calls->calls);
        if (calls->calls == NULL) {
            fprintf(stderr, "rotortree-bench: no memory for %zu calls\n", calls->capacity);
            exit(1);
        }
    }
    calls->calls[calls->count++] = (rotor_bench_call){(uint32_t)groups, (uint8_t)kind, (uint8_t)width};
    calls->nodes += groups;
    if (kind == CALL_GROUPS || kind == CALL_GROUPS_STORED) {
        size_t lanes = calls->hasher->lanes;
        calls->groups += groups;
        calls->blocks += groups * rotor_bench_blocks(width);
        calls->lanes += (groups + lanes - 1) / lanes * lanes;
    } else {
        calls->chains++;
    }
}

static void noted_node(uint8_t out[32], const uint8_t *children, unsigned width) {
    note(CALL_NODE, 1, width);
    real->hash_node(out, children, width);
}

static void noted_edge(uint8_t out[32], rotor_edge_cache *cache, const uint8_t *leading, const uint8_t *last,
                       unsigned width) {
    note(cache->width == width ? CALL_EDGE : CALL_EDGE_ANEW, 1, width);
    real->hash_edge(out, cache, leading, last, width);
}

static void noted_groups(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    note(CALL_GROUPS, groups, width);
    real->hash_groups(out, children, groups, width);
}

static void noted_stored(uint8_t *out, uint8_t *copy, const uint8_t *children, size_t groups, unsigned width) {
    note(CALL_GROUPS_STORED, groups, width);
    real->hash_and_copy(out, copy, children, groups, width);
}

/* ---------------------------------------------------------------- no hashing at all */

/* The first byte of what a kernel would store is, so that the memory is asked for. */

static void idle_node(uint8_t out[32], const uint8_t *children, unsigned width) {
    out[0] = 0;
    (void)children;
    (void)width;
}

static void idle_edge(uint8_t out[32], rotor_edge_cache *cache, const uint8_t *leading, const uint8_t *last,
                      unsigned width) {
    out[0] = 0;
    (void)leading;
    (void)last;
    cache->width = width;
}

static void idle_groups(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    out[0] = 0;
    (void)children;
    (void)groups;
    (void)width;
}

static void idle_stored(uint8_t *out, uint8_t *copy, const uint8_t *children, size_t groups, unsigned width) {
    out[0] = 0;
    copy[0] = 0;
    (void)children;
    (void)groups;
    (void)width;
}

/* ---------------------------------------------------------------- trees */

rotor_tree *rotor_bench_recorded_tree(const rotor_bench *bench, unsigned n) {
    static rotor_hasher noted;
    real = bench->hasher;
    noted = *real;
    noted.hash_node = noted_node;
    noted.hash_edge = noted_edge;
    noted.hash_groups = noted_groups;
    noted.hash_and_copy = real->hash_and_copy != NULL ? noted_stored : NULL;
    rotor_tree *tree = rotor_bench_tree(n, 1);
    tree->hasher = &noted;
    return tree;
}

rotor_tree *rotor_bench_idle_tree(const rotor_bench *bench, unsigned n) {
    static rotor_hasher idle;
    idle = *bench->hasher;
    idle.hash_node = idle_node;
    idle.hash_edge = idle_edge;
    idle.hash_groups = idle_groups;
    idle.hash_and_copy = bench->hasher->hash_and_copy != NULL ? idle_stored : NULL;
    rotor_tree *tree = rotor_bench_tree(n, 1);
    tree->hasher = &idle;
    return tree;
}

rotor_bench_calls rotor_bench_calls_new(const rotor_bench *bench) {
    return (rotor_bench_calls){.hasher = bench->hasher, .target = rotor_bench_touched(TARGET_BYTES)};
}

void rotor_bench_calls_free(rotor_bench_calls *calls) {
    free(calls->calls);
    free(calls->target);
    calls->calls = NULL;
    calls->target = NULL;
}

void rotor_bench_calls_begin(rotor_bench_calls *calls) {
    recording = calls;
}

void rotor_bench_calls_end(void) {
    recording = NULL;
}

void rotor_bench_calls_expect(const rotor_bench_calls *calls, uint64_t nodes) {
    if (calls->nodes != nodes) {
        fprintf(stderr,
                "rotortree-bench: wrong result: kernel calls of a tree were recorded for %llu nodes; its shape has "
                "%llu\n",
                (unsigned long long)calls->nodes, (unsigned long long)nodes);
        exit(1);
    }
}

/* ---------------------------------------------------------------- made again */

typedef struct stage {
    const rotor_hasher *hasher;
    bool stores;
    uint8_t *input;
    uint8_t *output;
    uint8_t *target;
    size_t stored;
    uint8_t last[ROTOR_HASH_BYTES]; /* of the chain */
    rotor_edge_cache cache;
} stage;

/* In pieces that stay in the cache, each of whole vectors. */
static void make_groups(stage *on, const rotor_bench_call *call) {
    size_t most = INPUT_BYTES / ROTOR_HASH_BYTES / call->width;
    most = most > on->hasher->lanes ? most / on->hasher->lanes * on->hasher->lanes : on->hasher->lanes;
    for (size_t done = 0; done < call->groups; done += most) {
        size_t groups = call->groups - done < most ? call->groups - done : most;
        size_t bytes = groups * call->width * ROTOR_HASH_BYTES;
        if (!on->stores || call->kind != CALL_GROUPS_STORED) {
            on->hasher->hash_groups(on->output, on->input + HEAD, groups, call->width);
            continue;
        }
        on->stored = on->stored + bytes <= TARGET_BYTES ? on->stored : 0;
        on->hasher->hash_and_copy(on->output, on->target + on->stored, on->input + HEAD, groups, call->width);
        on->stored += bytes;
    }
}

static void make_chain(stage *on, const rotor_bench_call *call) {
    if (call->kind == CALL_NODE) {
        memcpy(on->input + HEAD, on->last, sizeof on->last);
        on->hasher->hash_node(on->last, on->input + HEAD, call->width);
        return;
    }
    uint8_t out[ROTOR_HASH_BYTES];
    on->cache.width = call->kind == CALL_EDGE ? call->width : 0;
    on->hasher->hash_edge(out, &on->cache, on->input + HEAD, on->last, call->width);
    memcpy(on->last, out, sizeof out);
}

static bool is_vector(const rotor_bench_call *call) {
    return call->kind == CALL_GROUPS || call->kind == CALL_GROUPS_STORED;
}

double rotor_bench_calls_ns(const rotor_bench_calls *calls, unsigned which) {
    stage on = {.hasher = calls->hasher, .stores = (which & ROTOR_BENCH_STORES) != 0};
    /* Eight lanes of the widest node are more than INPUT_BYTES. */
    size_t bytes = HEAD + (size_t)calls->hasher->lanes * WIDEST * ROTOR_HASH_BYTES + INPUT_BYTES;
    on.input = rotor_bench_allocate(bytes);
    on.output = rotor_bench_allocate(INPUT_BYTES);
    on.target = calls->target;
    rotor_bench_fill(on.input, bytes, 3);
    uint64_t begin = rotor_bench_thread_ns();
    for (size_t i = 0; i < calls->count; i++) {
        const rotor_bench_call *call = &calls->calls[i];
        if (is_vector(call)) {
            if ((which & ROTOR_BENCH_VECTORS) != 0) {
                make_groups(&on, call);
            }
        } else if ((which & ROTOR_BENCH_CHAINS) != 0) {
            make_chain(&on, call);
        }
    }
    double ns = (double)(rotor_bench_thread_ns() - begin);
    free(on.input);
    free(on.output);
    return ns;
}
