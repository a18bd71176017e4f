/* What an operation cannot beat; see limits.h. */
#include "limits.h"

#include "base/crc32c.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)
#define COPY_BYTES ((size_t)32 << 20) /* for each thread: more than the caches hold */
#define HEAD 64                       /* readable bytes before a level: kernels look at two of them */
#define TOUCH_BYTES ((size_t)64 << 20)

void rotor_bench_limit(rotor_bench_row *row, const char *limit, double fraction) {
    rotor_bench_text(row, "limit", limit);
    rotor_bench_number(row, "limit_fraction", fraction);
}

/* ---------------------------------------------------------------- threads */

/* Runs work(jobs + i * size) on `threads` threads, the caller's included. */
static void run_threads(void *(*work)(void *), void *jobs, size_t size, unsigned threads) {
    pthread_t *ids = rotor_bench_allocate(threads * sizeof *ids);
    for (unsigned i = 1; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, work, (uint8_t *)jobs + i * size) != 0) {
            fprintf(stderr, "rotortree-bench: cannot start %u threads\n", threads);
            exit(1);
        }
    }
    work(jobs);
    for (unsigned i = 1; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    free(ids);
}

uint8_t *rotor_bench_touched(size_t bytes) {
    bytes = (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    uint8_t *memory = aligned_alloc(HUGE_BYTES, bytes);
    if (memory == NULL) {
        fprintf(stderr, "rotortree-bench: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    madvise(memory, bytes, MADV_HUGEPAGE); /* as levels have */
    memset(memory, 1, bytes);
    return memory;
}

/* ---------------------------------------------------------------- copies */

#if defined(__x86_64__)
#include <emmintrin.h>
bool rotor_bench_copy_streamed(uint8_t *target, const uint8_t *source, size_t bytes) {
    for (size_t at = 0; at < bytes; at += 16) {
        __m128i word = _mm_loadu_si128((const __m128i *)(const void *)(source + at));
        _mm_stream_si128((__m128i *)(void *)(target + at), word);
    }
    _mm_sfence();
    return true;
}
#else
bool rotor_bench_copy_streamed(uint8_t *target, const uint8_t *source, size_t bytes) {
    memcpy(target, source, bytes);
    return false;
}
#endif

typedef struct copy_job {
    uint8_t *target;
    const uint8_t *source;
} copy_job;

static void *copy_part(void *argument) {
    const copy_job *job = argument;
    rotor_bench_copy_streamed(job->target, job->source, COPY_BYTES);
    return NULL;
}

double rotor_bench_copy_ns(const rotor_bench *bench, unsigned threads) {
    size_t parts = ROTOR_BENCH_LEAVES_MAX * sizeof(rotor_hash) / COPY_BYTES;
    copy_job *jobs = rotor_bench_allocate(threads * sizeof *jobs);
    uint8_t *target = rotor_bench_touched(threads * COPY_BYTES);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (copy_job){target + i * COPY_BYTES, bench->leaves->bytes + i % parts * COPY_BYTES};
    }
    rotor_bench_span start = rotor_bench_start();
    run_threads(copy_part, jobs, sizeof *jobs, threads);
    double ns = rotor_bench_span_ns(rotor_bench_stop(start), threads);
    free(target);
    free(jobs);
    return ns * sizeof(rotor_hash) / ((double)threads * COPY_BYTES);
}

double rotor_bench_cached_copy_ns(size_t bytes) {
    enum { copies = 4096 };
    uint8_t *memory = rotor_bench_allocate(2 * bytes);
    memset(memory, 1, 2 * bytes);
    uint64_t begin = rotor_bench_now_ns();
    for (unsigned i = 0; i < copies; i++) {
        memcpy(memory + bytes, memory, bytes);
        __asm__ volatile("" : : "r"(memory) : "memory"); /* or one copy would do for all */
    }
    double ns = (double)(rotor_bench_now_ns() - begin) / copies;
    free(memory);
    return ns;
}

double rotor_bench_checksum_ns(const rotor_bench *bench, uint64_t count) {
    uint64_t begin = rotor_bench_now_ns();
    volatile uint32_t crc = rotor_crc32c(0, bench->leaves, (size_t)count * sizeof(rotor_hash));
    (void)crc;
    return (double)(rotor_bench_now_ns() - begin);
}

/* ---------------------------------------------------------------- switches */

#define SWITCHES 2000u

/* Two threads that take turns. */
typedef struct table {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    unsigned turn; /* of thread 0 when even */
} table;

static void play(table *all, unsigned side) {
    pthread_mutex_lock(&all->lock);
    while (all->turn < SWITCHES) {
        if (all->turn % 2 == side) {
            all->turn++;
            pthread_cond_signal(&all->turned);
        } else {
            pthread_cond_wait(&all->turned, &all->lock);
        }
    }
    pthread_cond_signal(&all->turned);
    pthread_mutex_unlock(&all->lock);
}

static void *play_second(void *argument) {
    play(argument, 1);
    return NULL;
}

double rotor_bench_touch_ns(bool huge) {
    uint8_t *memory = mmap(NULL, TOUCH_BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return (double)NAN;
    }
    uint8_t *aligned = memory + (HUGE_BYTES - (uintptr_t)memory % HUGE_BYTES) % HUGE_BYTES;
    madvise(memory, TOUCH_BYTES + HUGE_BYTES, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    uint64_t begin = rotor_bench_now_ns();
    for (size_t at = 0; at < TOUCH_BYTES; at += 4096) {
        ((volatile uint8_t *)aligned)[at] = 1;
    }
    size_t pages = TOUCH_BYTES / 4096;
    double ns = (double)(rotor_bench_now_ns() - begin) / (double)pages;
    munmap(memory, TOUCH_BYTES + HUGE_BYTES);
    return ns;
}

double rotor_bench_switch_ns(void) {
    table all = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    cpu_set_t before;
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET((unsigned)sched_getcpu(), &here);
    bool pinned = sched_getaffinity(0, sizeof before, &before) == 0 && sched_setaffinity(0, sizeof here, &here) == 0;
    pthread_t second;
    if (pthread_create(&second, NULL, play_second, &all) != 0) {
        fprintf(stderr, "rotortree-bench: cannot start a thread\n");
        exit(1);
    }
    uint64_t begin = rotor_bench_wall_ns();
    play(&all, 0);
    double ns = (double)(rotor_bench_wall_ns() - begin) / SWITCHES;
    pthread_join(second, NULL);
    if (pinned) {
        (void)sched_setaffinity(0, sizeof before, &before);
    }
    return ns;
}

/* ---------------------------------------------------------------- nodes in plain arrays */

rotor_bench_flat rotor_bench_flat_new(uint64_t leaves, unsigned n) {
    /* Every level in whole groups. */
    size_t nodes = (size_t)(leaves + leaves / (n - 1)) + 64 * (size_t)n;
    return (rotor_bench_flat){rotor_bench_touched(nodes * ROTOR_HASH_BYTES), leaves, n};
}

void rotor_bench_flat_free(rotor_bench_flat *flat) {
    free(flat->nodes);
    flat->nodes = NULL;
}

double rotor_bench_flat_ns(const rotor_bench_flat *flat, const uint64_t *indexes, size_t count) {
    uint8_t proof[64 * 16 * ROTOR_HASH_BYTES];
    size_t group = (size_t)flat->n * ROTOR_HASH_BYTES;
    uint64_t begin = rotor_bench_now_ns();
    for (size_t i = 0; i < count; i++) {
        const uint8_t *level = flat->nodes;
        uint8_t *out = proof;
        uint64_t index = indexes[i];
        for (uint64_t length = flat->leaves; length > 1;) {
            index /= flat->n;
            length = (length + flat->n - 1) / flat->n;
            memcpy(out, level + index * group, group);
            out += group;
            level += length * group;
        }
        __asm__ volatile("" : : "r"(proof) : "memory");
    }
    return (double)(rotor_bench_now_ns() - begin) / (double)count;
}

/* ---------------------------------------------------------------- whole trees by the kernel */

/* A thread's part: whole groups at every level that it works on. */
typedef struct hash_job {
    const rotor_hasher *hasher;
    unsigned n;
    const uint8_t *leaves;
    uint64_t count;
    unsigned levels; /* to go up */
    uint8_t *nodes;  /* of the levels above the leaves, HEAD bytes before each */
    const uint8_t *top;
    uint64_t top_count;
} hash_job;

/* The last group may have fewer children; one child alone is lifted. */
static uint64_t hash_level(const hash_job *job, uint8_t *out, const uint8_t *children, uint64_t count) {
    uint64_t groups = count / job->n;
    unsigned rest = (unsigned)(count % job->n);
    if (groups > 0) {
        job->hasher->hash_groups(out, children, (size_t)groups, job->n);
    }
    const uint8_t *last = children + groups * job->n * ROTOR_HASH_BYTES;
    if (rest == 1) {
        memcpy(out + groups * ROTOR_HASH_BYTES, last, ROTOR_HASH_BYTES);
    } else if (rest > 1) {
        job->hasher->hash_node(out + groups * ROTOR_HASH_BYTES, last, rest);
    }
    return groups + (rest > 0);
}

static void *hash_part(void *argument) {
    hash_job *job = argument;
    uint8_t *next = job->nodes;
    job->top = job->leaves;
    job->top_count = job->count;
    for (unsigned level = 0; level < job->levels && job->top_count > 0; level++) {
        uint64_t parents = hash_level(job, next, job->top, job->top_count);
        job->top = next;
        job->top_count = parents;
        next += parents * ROTOR_HASH_BYTES + HEAD;
    }
    return NULL;
}

static unsigned levels_above(uint64_t count, unsigned n) {
    unsigned levels = 0;
    for (; count > 1; count = (count + n - 1) / n) {
        levels++;
    }
    return levels;
}

/* What a level of `count` nodes has above it, at most, with room for what each level adds. */
static size_t room_above(uint64_t count, unsigned n) {
    return (size_t)(count / (n - 1) + 64) * ROTOR_HASH_BYTES + 64 * (size_t)(HEAD + ROTOR_HASH_BYTES);
}

rotor_bench_span rotor_bench_hash_all_span(const rotor_bench *bench, rotor_hash *root, uint64_t count, unsigned n,
                                           unsigned threads) {
    /* Parts are whole subtrees as high as leaves at least 16 of them to every thread. */
    uint64_t subtree = 1;
    unsigned levels = 0;
    while (subtree * n * threads * 16 <= count) {
        subtree *= n;
        levels++;
    }
    uint64_t subtrees = (count + subtree - 1) / subtree;
    uint64_t part = (subtrees + threads - 1) / threads * subtree;
    hash_job *jobs = rotor_bench_allocate(threads * sizeof *jobs);
    size_t tops = (size_t)subtrees * ROTOR_HASH_BYTES + HEAD;
    uint8_t *memory = rotor_bench_touched(threads * room_above(part, n) + tops + room_above(subtrees, n) + HEAD);
    uint8_t *next = memory + HEAD;
    for (unsigned i = 0; i < threads; i++) {
        uint64_t first = part * i < count ? part * i : count;
        uint64_t mine = count - first < part ? count - first : part;
        jobs[i] = (hash_job){bench->hasher, n, bench->leaves[first].bytes, mine, levels, next, NULL, 0};
        next += room_above(part, n);
    }
    rotor_bench_span start = rotor_bench_start();
    run_threads(hash_part, jobs, sizeof *jobs, threads);
    hash_job top = {bench->hasher, n, next, 0, levels_above(subtrees, n), next + tops, NULL, 0};
    for (unsigned i = 0; i < threads; i++) {
        memcpy(next + top.count * ROTOR_HASH_BYTES, jobs[i].top, (size_t)jobs[i].top_count * ROTOR_HASH_BYTES);
        top.count += jobs[i].top_count;
    }
    hash_part(&top);
    rotor_bench_span span = rotor_bench_stop(start);
    memcpy(root->bytes, top.top, ROTOR_HASH_BYTES);
    free(memory);
    free(jobs);
    return span;
}

double rotor_bench_hash_all(const rotor_bench *bench, rotor_hash *root, uint64_t count, unsigned n, unsigned threads) {
    return rotor_bench_span_ns(rotor_bench_hash_all_span(bench, root, count, n, threads), threads);
}

/* ---------------------------------------------------------------- compressions */

/* Of a group of which nothing but the last child is new: its leading blocks have been hashed before. */
static unsigned last_child_blocks(unsigned width) {
    return rotor_bench_blocks(width) - (2 + 32 * (width - 1)) / 64;
}

uint64_t rotor_bench_chain(unsigned n, uint64_t from, uint64_t to, bool alone) {
    uint64_t total = 0;
    uint64_t last = to - 1;
    uint64_t before = from - 1; /* the last node of the level before this growth */
    bool complete = true;
    while (last > 0) {
        unsigned width = (unsigned)(last % n) + 1;
        complete = complete && width == n;
        if (width > 1 && (alone || !complete)) {
            total += last != before ? rotor_bench_blocks(width) : last_child_blocks(width);
        }
        last /= n;
        before /= n;
    }
    return total;
}

uint64_t rotor_bench_past_compressions(unsigned n, uint64_t size) {
    uint64_t total = 0;
    bool complete = true;
    for (uint64_t last = size - 1; last > 0; last /= n) {
        unsigned width = (unsigned)(last % n) + 1;
        complete = complete && width == n;
        total += width > 1 && !complete ? rotor_bench_blocks(width) : 0;
    }
    return total;
}

uint64_t rotor_bench_verify_compressions(unsigned n, uint64_t size, uint64_t index) {
    uint64_t total = 0;
    for (uint64_t length = size; length > 1; length = (length + n - 1) / n) {
        uint64_t rest = length - index / n * n;
        unsigned width = rest < n ? (unsigned)rest : n;
        total += width > 1 ? rotor_bench_blocks(width) : 0;
        index /= n;
    }
    return total;
}

uint64_t rotor_bench_old_root_compressions(unsigned n, uint64_t old_size) {
    return old_size > 0 ? rotor_bench_verify_compressions(n, old_size, old_size - 1) : 0;
}

uint64_t rotor_bench_new_root_compressions(unsigned n, uint64_t old_size, uint64_t new_size) {
    uint64_t total = 0;
    uint64_t boundary = old_size - 1; /* the last node of the old tree, which both have until the new has more */
    bool parted = false;
    for (uint64_t length = new_size; length > 1; length = (length + n - 1) / n) {
        uint64_t rest = length - boundary / n * n;
        unsigned width = rest < n ? (unsigned)rest : n;
        parted = parted || boundary % n + 1 < width;
        total += parted && width > 1 ? rotor_bench_blocks(width) : 0;
        boundary /= n;
    }
    return total;
}

uint64_t rotor_bench_nodes_hashed(unsigned n, uint64_t from, uint64_t to) {
    uint64_t total = 0;
    uint64_t full_from = from;
    uint64_t full_to = to;
    for (uint64_t length = to; length > 1; length = (length + n - 1) / n) {
        full_from /= n;
        full_to /= n;
        uint64_t parents = (length + n - 1) / n;
        bool finished = full_to == parents;
        total += full_to - full_from + (!finished && length - (parents - 1) * n > 1);
    }
    return total;
}
