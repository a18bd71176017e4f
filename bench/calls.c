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
    CALL_NODE,
    CALL_PREPARE, /* of step number `at` for a node of `width` children, with the `groups` - 1 that follow */
    CALL_PATH,    /* of `groups` steps from number `at` on */
} call_kind;

struct rotor_bench_call {
    uint32_t groups;
    uint8_t kind;
    uint8_t width;
    uint8_t at;
};

/* Kernels have no context: where calls are noted now, the tree that makes them, and its kernel. */
static rotor_bench_calls *recording;
static const rotor_tree *recorded;
static const rotor_hasher *real;

/* ---------------------------------------------------------------- recording */

static void note(rotor_bench_calls *calls, call_kind kind, size_t groups, unsigned width, size_t at) {
    if (calls->count == calls->capacity) {
        calls->capacity = calls->capacity == 0 ? 4096 : 2 * calls->capacity;
        calls->calls = realloc(calls->calls, calls->capacity * sizeof *calls->calls);
        if (calls->calls == NULL) {
            fprintf(stderr, "rotortree-bench: no memory for %zu calls\n", calls->capacity);
            exit(1);
        }
    }
    calls->calls[calls->count++] = (rotor_bench_call){(uint32_t)groups, (uint8_t)kind, (uint8_t)width, (uint8_t)at};
}

static void note_groups(call_kind kind, size_t groups, unsigned width) {
    rotor_bench_calls *calls = recording;
    if (calls == NULL) {
        return;
    }
    note(calls, kind, groups, width, 0);
    size_t lanes = calls->hasher->lanes;
    calls->nodes += groups;
    calls->groups += groups;
    calls->blocks += groups * rotor_bench_blocks(width);
    calls->lanes += (groups + lanes - 1) / lanes * lanes;
}

static void noted_node(uint8_t out[32], const uint8_t *children, unsigned width) {
    if (recording != NULL) {
        note(recording, CALL_NODE, 1, width, 0);
        recording->nodes++;
        recording->chains++;
    }
    real->hash_node(out, children, width);
}

static void noted_prepare(rotor_path_step *const *steps, size_t count) {
    for (size_t i = 0; i < count && recording != NULL; i++) {
        note(recording, CALL_PREPARE, count - i, steps[i]->width, (size_t)(steps[i] - recorded->edge_steps));
    }
    real->prepare_steps(steps, count);
}

static void noted_path(rotor_hash *path, const rotor_path_step *steps, size_t count) {
    if (recording != NULL) {
        note(recording, CALL_PATH, count, 0, (size_t)(steps - recorded->edge_steps));
        for (size_t i = 0; i < count; i++) {
            recording->nodes += steps[i].width > 1;
            recording->chains += steps[i].width > 1;
        }
    }
    real->hash_path(path, steps, count);
}

static void noted_groups(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    note_groups(CALL_GROUPS, groups, width);
    real->hash_groups(out, children, groups, width);
}

static void noted_stored(uint8_t *out, uint8_t *copy, const uint8_t *children, size_t groups, unsigned width) {
    note_groups(CALL_GROUPS_STORED, groups, width);
    real->hash_and_copy(out, copy, children, groups, width);
}

/* ---------------------------------------------------------------- no hashing at all */

/* The first byte of what a kernel would store is, so that the memory is asked for. */

static void idle_node(uint8_t out[32], const uint8_t *children, unsigned width) {
    out[0] = 0;
    (void)children;
    (void)width;
}

static void idle_prepare(rotor_path_step *const *steps, size_t count) {
    (void)steps;
    (void)count;
}

static void idle_path(rotor_hash *path, const rotor_path_step *steps, size_t count) {
    for (size_t i = 0; i < count; i++) {
        path[i + 1].bytes[0] = 0;
    }
    (void)steps;
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
    noted.prepare_steps = noted_prepare;
    noted.hash_path = noted_path;
    noted.hash_groups = noted_groups;
    noted.hash_and_copy = real->hash_and_copy != NULL ? noted_stored : NULL;
    rotor_tree *tree = rotor_bench_tree(n, 1);
    tree->hasher = &noted;
    recorded = tree;
    return tree;
}

rotor_tree *rotor_bench_idle_tree(const rotor_bench *bench, unsigned n) {
    static rotor_hasher idle;
    idle = *bench->hasher;
    idle.hash_node = idle_node;
    idle.prepare_steps = idle_prepare;
    idle.hash_path = idle_path;
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
    for (size_t i = 0; i < ROTOR_MAX_DEPTH; i++) {
        calls->prepared[i] = (uint8_t)recorded->edge_steps[i].width;
    }
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
    rotor_hash last; /* of the chain */
    rotor_hash path[ROTOR_MAX_DEPTH + 1];
    rotor_path_step steps[ROTOR_MAX_DEPTH];
    rotor_path_step *together[ROTOR_MAX_DEPTH]; /* those that are to be prepared by one call */
    size_t waiting;
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

/* The last of those that were prepared together has the others prepared as well. */
static void make_prepared(stage *on, size_t at, unsigned width, size_t left) {
    on->steps[at].width = width;
    on->steps[at].leading = on->input + HEAD;
    on->together[on->waiting++] = &on->steps[at];
    if (left == 1) {
        on->hasher->prepare_steps(on->together, on->waiting);
        on->waiting = 0;
    }
}

static void make_chain(stage *on, const rotor_bench_call *call) {
    if (call->kind == CALL_NODE) {
        memcpy(on->input + HEAD, &on->last, sizeof on->last);
        on->hasher->hash_node(on->last.bytes, on->input + HEAD, call->width);
    } else if (call->kind == CALL_PREPARE) {
        make_prepared(on, call->at, call->width, call->groups);
    } else {
        on->path[call->at] = on->last;
        on->hasher->hash_path(on->path + call->at, on->steps + call->at, call->groups);
        on->last = on->path[call->at + call->groups];
    }
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
    for (size_t i = 0; i < ROTOR_MAX_DEPTH; i++) {
        if (calls->prepared[i] > 0) {
            make_prepared(&on, i, calls->prepared[i], 1);
        }
    }
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
