/* Holds one kernel against the portable BLAKE3 over nodes of every kind. Shared by the cmocka program and by the
 * self-checking program for other processors; prints the first mismatch and returns false. */
#ifndef KERNEL_COMPARE_H
#define KERNEL_COMPARE_H

#include "hash/blake3.h"
#include "hash/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COMPARE_MAX_WIDTH 255
#define COMPARE_MAX_GROUPS 70
#define COMPARE_CANARY 0xa5
#define COMPARE_MARGIN 128 /* bytes of canary, and room for a misalignment, on either side */
#define COMPARE_OUT_BYTES (32 * COMPARE_MAX_GROUPS)
#define COMPARE_IN_BYTES (32 * COMPARE_MAX_WIDTH * COMPARE_MAX_GROUPS)

static const unsigned compare_widths[] = {2,  3,  4,  5,  6,  7,  8,  9,  10, 11,  12,  13,  14,  15,  16,
                                          17, 18, 19, 20, 21, 22, 23, 24, 25, 26,  27,  28,  29,  30,  31,
                                          32, 33, 47, 48, 63, 64, 65, 96, 97, 127, 128, 129, 200, 254, 255};
#define COMPARE_WIDTHS (sizeof compare_widths / sizeof compare_widths[0])

/* xorshift64*: the same bytes on every machine. */
static inline uint64_t compare_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline void compare_fill(uint8_t *bytes, size_t count, uint64_t seed) {
    uint64_t state = seed * 2 + 1;
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(compare_random(&state) >> 32);
    }
}

/* What a node must be: its message written out and hashed by the portable code, with none of the node code. */
static inline void compare_expected(uint8_t *out, const uint8_t *children, size_t groups, unsigned width) {
    uint8_t message[2 + 32 * COMPARE_MAX_WIDTH];
    for (size_t i = 0; i < groups; i++) {
        message[0] = 0x01;
        message[1] = (uint8_t)width;
        memcpy(message + 2, children + 32 * (size_t)width * i, 32 * (size_t)width);
        rotor_blake3_hash(out + 32 * i, message, 2 + 32 * (size_t)width);
    }
}

static inline bool compare_report(const rotor_hasher *hasher, const char *what, unsigned width, size_t groups,
                                  unsigned in_offset, unsigned out_offset) {
    fprintf(stderr, "kernel %s: %s: width %u, %zu groups, input at %u, output at %u mod 64\n", hasher->kernel, what,
            width, groups, in_offset, out_offset);
    return false;
}

static inline bool compare_all_are(const uint8_t *bytes, size_t count, uint8_t value) {
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != value) {
            return false;
        }
    }
    return true;
}

/* Buffers of one comparison. `in` and `out` are 64-byte aligned. */
typedef struct compare_buffers {
    uint8_t *data; /* random children */
    uint8_t *in;   /* where they are copied to */
    uint8_t *out;
    uint8_t expected[COMPARE_OUT_BYTES];
} compare_buffers;

static inline bool compare_open(compare_buffers *buffers) {
    buffers->data = malloc(COMPARE_IN_BYTES);
    buffers->in = aligned_alloc(64, COMPARE_IN_BYTES + 2 * COMPARE_MARGIN);
    buffers->out = aligned_alloc(64, COMPARE_OUT_BYTES + 2 * COMPARE_MARGIN);
    if (buffers->data == NULL || buffers->in == NULL || buffers->out == NULL) {
        fprintf(stderr, "out of memory\n");
        return false;
    }
    compare_fill(buffers->data, COMPARE_IN_BYTES, 1);
    memset(buffers->in, 0x3c, COMPARE_IN_BYTES + 2 * COMPARE_MARGIN);
    return true;
}

static inline void compare_close(compare_buffers *buffers) {
    free(buffers->data);
    free(buffers->in);
    free(buffers->out);
}

/* buffers->expected must hold the nodes. */
static inline bool compare_case(const rotor_hasher *hasher, compare_buffers *buffers, unsigned width, size_t groups,
                                unsigned in_offset, unsigned out_offset) {
    uint8_t *in = buffers->in + 64 + in_offset;
    uint8_t *out = buffers->out + 64 + out_offset;
    memcpy(in, buffers->data, 32 * (size_t)width * groups);
    memset(buffers->out, COMPARE_CANARY, COMPARE_OUT_BYTES + 2 * COMPARE_MARGIN);
    hasher->hash_groups(out, in, groups, width);
    if (memcmp(out, buffers->expected, 32 * groups) != 0) {
        return compare_report(hasher, "wrong nodes", width, groups, in_offset, out_offset);
    }
    uint8_t *end = out + 32 * groups;
    uint8_t *limit = buffers->out + COMPARE_OUT_BYTES + 2 * COMPARE_MARGIN;
    if (!compare_all_are(buffers->out, (size_t)(out - buffers->out), COMPARE_CANARY) ||
        !compare_all_are(end, (size_t)(limit - end), COMPARE_CANARY)) {
        return compare_report(hasher, "wrote beside the output", width, groups, in_offset, out_offset);
    }
    return true;
}

/* Every width with 0..40 groups, and single nodes; alignments vary along. */
static inline bool compare_groups(const rotor_hasher *hasher, compare_buffers *buffers, size_t *cases) {
    for (size_t w = 0; w < COMPARE_WIDTHS; w++) {
        unsigned width = compare_widths[w];
        compare_expected(buffers->expected, buffers->data, COMPARE_MAX_GROUPS, width);
        for (size_t groups = 0; groups <= COMPARE_MAX_GROUPS; groups++) {
            if (!compare_case(hasher, buffers, width, groups, (unsigned)(7 * groups % 64), (unsigned)(groups % 64))) {
                return false;
            }
            *cases += 1;
        }
        for (size_t i = 0; i < COMPARE_MAX_GROUPS; i++) {
            uint8_t node[32];
            hasher->hash_node(node, buffers->data + 32 * (size_t)width * i, width);
            if (memcmp(node, buffers->expected + 32 * i, 32) != 0) {
                return compare_report(hasher, "wrong single node", width, 1, 0, 0);
            }
            *cases += 1;
        }
    }
    return true;
}

static inline bool compare_alignments(const rotor_hasher *hasher, compare_buffers *buffers, size_t *cases) {
    static const unsigned widths[] = {2, 3, 4, 5, 8, 13, 16, 31, 32, 33, 64, 65};
    static const size_t groups[] = {1, 2, 4, 5, 8, 11, 16, 19};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        compare_expected(buffers->expected, buffers->data, COMPARE_MAX_GROUPS, widths[w]);
        for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
            for (unsigned offset = 0; offset < 64; offset++) {
                unsigned out_offset = (offset * 37 + 5) % 64;
                if (!compare_case(hasher, buffers, widths[w], groups[g], offset, out_offset)) {
                    return false;
                }
                *cases += 1;
            }
        }
    }
    return true;
}

/* A mapping whose first and last page cannot be touched. */
typedef struct compare_fence {
    uint8_t *base;
    size_t page;
    size_t bytes; /* between the two */
} compare_fence;

static inline bool compare_fence_open(compare_fence *fence, size_t bytes) {
    fence->page = (size_t)sysconf(_SC_PAGESIZE);
    fence->bytes = (bytes + fence->page - 1) / fence->page * fence->page;
    void *base = mmap(NULL, fence->bytes + 2 * fence->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        perror("mmap");
        return false;
    }
    fence->base = base;
    if (mprotect(fence->base + fence->page, fence->bytes, PROT_READ | PROT_WRITE) != 0) {
        perror("mprotect");
        return false;
    }
    return true;
}

/* Single nodes have no headroom. */
static inline bool compare_fenced_node(const rotor_hasher *hasher, const compare_buffers *buffers,
                                       const compare_fence *in, const compare_fence *other, unsigned width,
                                       bool at_end) {
    const size_t bytes = 32 * (size_t)width;
    uint8_t node[32];
    uint8_t *children = in->base + in->page + (at_end ? in->bytes - bytes : 0);
    memcpy(children, buffers->data, bytes);
    hasher->hash_node(node, children, width);
    if (memcmp(node, buffers->expected, 32) != 0) {
        return compare_report(hasher, "wrong single node at a page's end", width, 1, 0, 0);
    }
    uint8_t *leading = in->base + in->page + (at_end ? in->bytes - (bytes - 32) : 0);
    uint8_t *first = other->base + other->page;
    uint8_t *end = first + other->bytes;
    rotor_hash *path = (void *)(at_end ? end - 2 * sizeof *path : first);
    rotor_path_step *step = (void *)(at_end ? first : end - sizeof *step);
    memcpy(leading, buffers->data, bytes - 32);
    for (size_t count = 1; count <= 3; count++) {
        rotor_path_step others[2];
        rotor_path_step *const steps[] = {step, &others[0], &others[1]};
        for (size_t i = 0; i < count; i++) {
            steps[i]->width = width;
            steps[i]->leading = leading;
        }
        hasher->prepare_steps(steps, count);
        for (size_t i = 0; i < count; i++) {
            memcpy(path, buffers->data + bytes - 32, 32);
            memset(&path[1], COMPARE_CANARY, sizeof path[1]);
            hasher->hash_path(path, steps[i], 1);
            if (memcmp(&path[1], buffers->expected, 32) != 0) {
                return compare_report(hasher, "wrong path at a page's end", width, count, 0, 0);
            }
        }
    }
    return true;
}

/* Input and output that end, and start (but for the headroom), where memory does: what reads or writes beyond dies. */
static inline bool compare_fenced_groups(const rotor_hasher *hasher, compare_buffers *buffers, const compare_fence *in,
                                         const compare_fence *out, size_t *cases) {
    for (size_t w = 0; w < COMPARE_WIDTHS; w++) {
        unsigned width = compare_widths[w];
        compare_expected(buffers->expected, buffers->data, COMPARE_MAX_GROUPS, width);
        for (unsigned at_end = 0; at_end < 2; at_end++) {
            for (size_t groups = 1; groups <= 33; groups++) {
                size_t bytes = 32 * (size_t)width * groups;
                uint8_t *children = in->base + in->page + (at_end ? in->bytes - bytes : ROTOR_HASH_HEADROOM);
                uint8_t *nodes = out->base + out->page + (at_end ? out->bytes - 32 * groups : 0);
                memcpy(children, buffers->data, bytes);
                hasher->hash_groups(nodes, children, groups, width);
                if (memcmp(nodes, buffers->expected, 32 * groups) != 0) {
                    return compare_report(hasher, "wrong nodes at a page's end", width, groups, 0, 0);
                }
                *cases += 1;
            }
            if (!compare_fenced_node(hasher, buffers, in, out, width, at_end)) {
                return false;
            }
            *cases += 2;
        }
    }
    return true;
}

static inline bool compare_fences(const rotor_hasher *hasher, compare_buffers *buffers, size_t *cases) {
    compare_fence in;
    compare_fence out;
    if (!compare_fence_open(&in, COMPARE_IN_BYTES) || !compare_fence_open(&out, COMPARE_OUT_BYTES)) {
        return false;
    }
    bool equal = compare_fenced_groups(hasher, buffers, &in, &out, cases);
    munmap(in.base, in.bytes + 2 * in.page);
    munmap(out.base, out.bytes + 2 * out.page);
    return equal;
}

/* A step serves for one last child after the other. */
static inline bool compare_steps(const rotor_hasher *hasher, const compare_buffers *buffers, size_t *cases) {
    for (unsigned width = 2; width <= COMPARE_MAX_WIDTH; width++) {
        uint8_t children[32 * COMPARE_MAX_WIDTH + 1];
        memcpy(children + 1, buffers->data + 32 * (size_t)width, 32 * (size_t)width);
        uint8_t *last = children + 1 + 32 * (size_t)(width - 1);
        rotor_path_step step = {.width = width, .leading = children + 1};
        rotor_path_step *const steps[] = {&step};
        hasher->prepare_steps(steps, 1);
        if (step.width != width) {
            return compare_report(hasher, "step without its width", width, 1, 1, 0);
        }
        for (unsigned turn = 0; turn < 4; turn++) {
            rotor_hash path[2];
            uint8_t expected[32];
            memcpy(last, buffers->data + 32 * (size_t)turn + 3, 32);
            memcpy(&path[0], last, 32);
            compare_expected(expected, children + 1, 1, width);
            hasher->hash_path(path, &step, 1);
            if (memcmp(&path[1], expected, 32) != 0) {
                return compare_report(hasher, "wrong node after a step", width, turn, 1, 0);
            }
            *cases += 1;
        }
    }
    return true;
}

#define COMPARE_MAX_STEPS 24

/* A path of `count` steps of the given widths: every node on it, and nothing beyond it. */
static inline bool compare_path(const rotor_hasher *hasher, const compare_buffers *buffers, const unsigned *widths,
                                size_t count) {
    rotor_path_step steps[COMPARE_MAX_STEPS];
    rotor_path_step *addresses[COMPARE_MAX_STEPS] = {NULL};
    rotor_hash path[COMPARE_MAX_STEPS + 2];
    memset(steps, COMPARE_CANARY, sizeof steps);
    memset(path, COMPARE_CANARY, sizeof path);
    memcpy(&path[0], buffers->data + 7, 32);
    for (size_t i = 0; i < count; i++) {
        steps[i].width = widths[i];
        steps[i].leading = buffers->data + 40 * i;
        addresses[i] = &steps[i];
    }
    hasher->prepare_steps(addresses, count);
    hasher->hash_path(path, steps, count);
    rotor_hash node;
    memcpy(&node, buffers->data + 7, sizeof node);
    for (size_t i = 0; i < count; i++) {
        uint8_t children[32 * COMPARE_MAX_WIDTH];
        memcpy(children, buffers->data + 40 * i, 32 * (size_t)(widths[i] - 1));
        memcpy(children + 32 * (size_t)(widths[i] - 1), &node, sizeof node);
        if (widths[i] > 1) {
            compare_expected(node.bytes, children, 1, widths[i]);
        }
        if (memcmp(&path[i + 1], &node, sizeof node) != 0) {
            return compare_report(hasher, "wrong node on a path", widths[i], i, 0, 0);
        }
    }
    if (!compare_all_are(path[count + 1].bytes, sizeof path[0], COMPARE_CANARY)) {
        return compare_report(hasher, "wrote beyond a path", 0, count, 0, 0);
    }
    return true;
}

/* Each width after each of its kind, and long paths of all kinds. */
static inline bool compare_paths(const rotor_hasher *hasher, const compare_buffers *buffers, size_t *cases) {
    for (unsigned first = 1; first <= 34; first++) {
        for (unsigned second = 1; second <= 34; second++) {
            const unsigned widths[] = {first, second, first};
            for (size_t count = 0; count <= 3; count++) {
                if (!compare_path(hasher, buffers, widths, count)) {
                    return false;
                }
                *cases += 1;
            }
        }
    }
    uint64_t random = 11;
    for (unsigned turn = 0; turn < 200; turn++) {
        unsigned widths[COMPARE_MAX_STEPS];
        for (size_t i = 0; i < COMPARE_MAX_STEPS; i++) {
            widths[i] = 1 + (unsigned)(compare_random(&random) % (turn % 2 == 0 ? 5 : COMPARE_MAX_WIDTH));
        }
        if (!compare_path(hasher, buffers, widths, COMPARE_MAX_STEPS)) {
            return false;
        }
        *cases += 1;
    }
    return true;
}

/* One call that hashes and copies: the nodes, the copy, and not a byte beside them. */
static inline bool compare_copy(const rotor_hasher *hasher, const compare_buffers *buffers, const compare_fence *target,
                                uint8_t *children, unsigned width, size_t groups, bool at_end) {
    const size_t bytes = 32 * (size_t)width * groups;
    uint8_t *base = target->base + target->page;
    uint8_t *copy = base + (at_end ? target->bytes - bytes : 0);
    uint8_t *out = buffers->out + 64;
    memcpy(children, buffers->data, bytes);
    memset(base, COMPARE_CANARY, target->bytes);
    memset(buffers->out, COMPARE_CANARY, COMPARE_OUT_BYTES + 2 * COMPARE_MARGIN);
    hasher->hash_and_copy(out, copy, children, groups, width);
    unsigned offset = (unsigned)((uintptr_t)children % 64);
    if (memcmp(out, buffers->expected, 32 * groups) != 0 || memcmp(copy, buffers->data, bytes) != 0) {
        return compare_report(hasher, "wrong nodes or copy", width, groups, offset, 0);
    }
    size_t before = (size_t)(copy - base);
    if (!compare_all_are(base, before, COMPARE_CANARY) ||
        !compare_all_are(copy + bytes, target->bytes - before - bytes, COMPARE_CANARY) ||
        !compare_all_are(buffers->out, 64, COMPARE_CANARY) ||
        !compare_all_are(out + 32 * groups, COMPARE_OUT_BYTES + 2 * COMPARE_MARGIN - 64 - 32 * groups,
                         COMPARE_CANARY)) {
        return compare_report(hasher, "wrote beside the nodes or the copy", width, groups, offset, 0);
    }
    return true;
}

/* Sources and copies that end, and start, where memory does, and sources of other alignments. */
static inline bool compare_copies(const rotor_hasher *hasher, compare_buffers *buffers, size_t *cases) {
    static const size_t counts[] = {1, 2, 7, 8, 9, 16, 24, 31, 33};
    const size_t most = 33 * 32 * COMPARE_MAX_WIDTH;
    compare_fence in;
    compare_fence target;
    if (hasher->hash_and_copy == NULL) {
        return hasher->copied_width == 0;
    }
    if (!compare_fence_open(&in, most + 64) || !compare_fence_open(&target, most)) {
        return false;
    }
    bool equal = true;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] * COMPARE_WIDTHS && equal; i++) {
        unsigned width = compare_widths[i % COMPARE_WIDTHS];
        size_t groups = counts[i / COMPARE_WIDTHS];
        if (width > hasher->copied_width) {
            continue;
        }
        uint8_t *end = in.base + in.page + in.bytes - 32 * (size_t)width * groups;
        compare_expected(buffers->expected, buffers->data, groups, width);
        equal = compare_copy(hasher, buffers, &target, in.base + in.page + ROTOR_HASH_HEADROOM, width, groups, false) &&
                compare_copy(hasher, buffers, &target, end, width, groups, true) &&
                compare_copy(hasher, buffers, &target, end - (7 * i + 1) % 64, width, groups, true);
        *cases += 3;
    }
    /* One set of lanes and a rest, at every alignment of the source. */
    for (size_t i = 0; i < 64 * 6 && equal; i++) {
        unsigned width = 2 + (unsigned)(i % 6);
        compare_expected(buffers->expected, buffers->data, 19, width);
        equal = compare_copy(hasher, buffers, &target, in.base + in.page + 64 + i / 6, width, 19, i % 2 == 0);
        *cases += 1;
    }
    munmap(in.base, in.bytes + 2 * in.page);
    munmap(target.base, target.bytes + 2 * target.page);
    return equal;
}

static inline bool compare_kernel(const rotor_hasher *hasher, size_t *cases) {
    compare_buffers *buffers = malloc(sizeof *buffers);
    if (buffers == NULL || !compare_open(buffers)) {
        return false;
    }
    bool equal = compare_groups(hasher, buffers, cases) && compare_alignments(hasher, buffers, cases) &&
                 compare_fences(hasher, buffers, cases) && compare_steps(hasher, buffers, cases) &&
                 compare_paths(hasher, buffers, cases) && compare_copies(hasher, buffers, cases);
    compare_close(buffers);
    free(buffers);
    return equal;
}

#endif
