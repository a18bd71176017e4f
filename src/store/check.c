/* Recomputing a tree from its leaves and comparing it with what is stored. Must not know where nodes are stored nor
 * what is done about bad ones.
 *
 * The leaves are cut into blocks of some ten thousand. A block is carried up through a few levels in two buffers that
 * stay in the second-level cache, each level being hashed from the recomputed one below and compared with the stored
 * one; only the tops of the blocks are kept, and are then treated as the leaves of the next pass. Blocks are
 * independent, so threads share them.
 *
 * A truncation may overwrite nodes while they are read here (tree/nodes.h), so whatever was read is judged only when
 * the snapshot is found valid afterwards. */
#include "store/check.h"

#include "base/pool.h"
#include "base/vm.h"
#include "tree/nodes.h"
#include "tree/tree.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Parents of a block's leaves: 128 KiB. */
#define BLOCK_PARENTS 4096
/* Tops that a block has at least, so that its last hashes do not waste too much of a vector. */
#define LEAST_TOPS 4
/* Children that are copied and hashed at a time, if that many make a vector. */
#define CHUNK_CHILDREN 512
/* Stored nodes that are compared at a time. */
#define COMPARED_NODES 128
/* Blocks whose pages are asked for ahead of the one that is being checked: some megabytes. */
#define BLOCKS_AHEAD 8
/* Blocks for each thread between two calls of the caller's progress function. */
#define ROUND_BLOCKS 16

/* Kernels read a little before the first child; a cache line keeps the rest aligned. */
#define LEAD_NODES 2
_Static_assert(LEAD_NODES *ROTOR_HASH_BYTES >= ROTOR_HASH_HEADROOM, "room before the first child");

typedef struct workspace {
    rotor_hash *memory;
    rotor_hash *children;
    rotor_hash *parents[2];
} workspace;

typedef struct checking {
    const rotor_snapshot *snapshot;
    const rotor_tree *tree;
    uint32_t arity;
    uint64_t size;
    rotor_check_report *report; /* under `mutex` while blocks are being checked */
    rotor_check_bad_nodes *bad;
    void *bad_context;
    rotor_block_shape block;
    uint64_t chunk_groups;
    rotor_hash *loose; /* for each level, its complete nodes whose parent is not: `arity` places */

    workspace *workspaces;
    uint32_t workers;
    rotor_pool *pool; /* NULL: the caller alone */

    pthread_mutex_t mutex;
    rotor_status status; /* the first failure; under `mutex` */
    _Atomic bool stopped;

    /* The present pass: */
    uint32_t level;           /* whose nodes are taken as they are */
    uint64_t nodes;           /* of that level */
    const rotor_hash *source; /* the same, recomputed; NULL: the stored leaves */
    rotor_hash *tops;         /* the nodes that it is to leave behind */
    _Atomic uint64_t next;    /* block */
    uint64_t end;
} checking;

static rotor_block_shape block_shape(uint32_t arity, uint64_t size, uint32_t threads) {
    rotor_block_shape shape = {.nodes = arity, .levels = 1};
    uint64_t tops = BLOCK_PARENTS;
    while (tops / arity >= LEAST_TOPS) {
        tops /= arity;
        shape.nodes *= arity;
        shape.levels++;
    }
    while (tops > LEAST_TOPS && size / (tops * shape.nodes) < 4 * (uint64_t)threads) {
        tops /= 2;
    }
    shape.nodes *= tops;
    return shape;
}

/* ---------------------------------------------------------------- memory */

static rotor_hash *allocate_nodes(uint64_t count) {
    return count < SIZE_MAX / sizeof(rotor_hash) ? malloc((size_t)count * sizeof(rotor_hash)) : NULL;
}

static bool add_workspace(checking *c) {
    workspace *space = &c->workspaces[c->workers];
    uint64_t children = c->chunk_groups * c->arity;
    uint64_t parents = (c->size < c->block.nodes ? c->size : c->block.nodes) / c->arity;
    space->memory = allocate_nodes(3 * LEAD_NODES + children + parents + parents / c->arity);
    if (space->memory == NULL) {
        return false;
    }
    memset(space->memory, 0, LEAD_NODES * sizeof(rotor_hash));
    space->children = space->memory + LEAD_NODES;
    space->parents[0] = space->children + children + LEAD_NODES;
    space->parents[1] = space->parents[0] + parents + LEAD_NODES;
    memset(space->parents[0] - LEAD_NODES, 0, LEAD_NODES * sizeof(rotor_hash));
    memset(space->parents[1] - LEAD_NODES, 0, LEAD_NODES * sizeof(rotor_hash));
    c->workers++;
    return true;
}

/* As many workspaces as there is memory for, one for each thread at most, and a pool for more than one. */
static rotor_status start_workers(checking *c, uint32_t threads) {
    uint64_t blocks = (c->size - 1) / c->block.nodes + 1;
    uint32_t wanted = blocks < threads ? (uint32_t)blocks : threads;
    c->workspaces = calloc(wanted, sizeof *c->workspaces);
    if (c->workspaces == NULL) {
        return ROTOR_OUT_OF_MEMORY;
    }
    while (c->workers < wanted && add_workspace(c)) {
    }
    if (c->workers > 1) {
        c->pool = rotor_pool_create(c->workers);
    }
    return c->workers > 0 ? ROTOR_OK : ROTOR_OUT_OF_MEMORY;
}

static void stop_workers(checking *c) {
    rotor_pool_destroy(c->pool);
    for (uint32_t i = 0; i < c->workers; i++) {
        free(c->workspaces[i].memory);
    }
    free(c->workspaces);
}

/* ---------------------------------------------------------------- one block, on any thread */

static void stop_with(checking *c, rotor_status status) {
    pthread_mutex_lock(&c->mutex);
    if (c->status == ROTOR_OK) {
        c->status = status;
    }
    pthread_mutex_unlock(&c->mutex);
    atomic_store_explicit(&c->stopped, true, memory_order_relaxed);
}

static void report_bad_run(checking *c, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes) {
    rotor_status status = rotor_snapshot_check(c->snapshot);
    if (status == ROTOR_OK) {
        pthread_mutex_lock(&c->mutex);
        rotor_check_report *report = c->report;
        if (report->levels[level].bad == 0 || first < report->levels[level].first_bad) {
            report->levels[level].first_bad = first;
        }
        report->levels[level].bad += count;
        report->bad_nodes += count;
        if (c->bad != NULL && c->status == ROTOR_OK) {
            status = c->bad(c->bad_context, level, first, count, nodes);
        }
        pthread_mutex_unlock(&c->mutex);
    }
    if (status != ROTOR_OK) {
        stop_with(c, status);
    }
}

static void find_bad_runs(checking *c, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes,
                          const rotor_hash *stored) {
    uint64_t i = 0;
    while (i < count) {
        uint64_t start = i;
        while (i < count && memcmp(&nodes[i], &stored[i], sizeof *nodes) != 0) {
            i++;
        }
        if (i > start) {
            report_bad_run(c, level, first + start, i - start, nodes + start);
        }
        i++;
    }
}

/* Compares the recomputed nodes first..first+count-1 with the stored ones. */
static void compare_nodes(checking *c, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes) {
    rotor_hash stored[COMPARED_NODES];
    while (count > 0) {
        uint64_t run;
        const uint8_t *source =
            rotor_level_run(c->tree->levels[level], first, count < COMPARED_NODES ? count : COMPARED_NODES, &run);
        rotor_nodes_load(stored, source, run);
        if (memcmp(stored, nodes, (size_t)run * sizeof *nodes) != 0) {
            find_bad_runs(c, level, first, run, nodes, stored);
        }
        first += run;
        nodes += run;
        count -= run;
    }
}

#ifdef ROTOR_TSAN
#define LEAVES_ARE_COPIED true
#else
#define LEAVES_ARE_COPIED false
#endif

/* Hashes the parents first..first+count-1 of stored leaves, where they are. What a kernel makes of leaves that are
 * overwritten meanwhile is thrown away with everything else that was found; only ThreadSanitizer, which cannot know
 * that, is shown a copy. (A copy for everybody took 5 % of a check.) */
static void hash_stored_leaves(const checking *c, const workspace *space, rotor_hash *parents, uint64_t first,
                               uint64_t count) {
    while (count > 0) {
        uint64_t most = !LEAVES_ARE_COPIED || count < c->chunk_groups ? count : c->chunk_groups;
        uint64_t run;
        const uint8_t *leaves = rotor_level_run(c->tree->levels[0], first * c->arity, most * c->arity, &run);
        uint64_t groups = run / c->arity;
        if (LEAVES_ARE_COPIED) {
            rotor_nodes_load(space->children, leaves, groups * c->arity);
            leaves = space->children->bytes;
        }
        c->tree->hasher->hash_groups(parents->bytes, leaves, (size_t)groups, c->arity);
        first += groups;
        parents += groups;
        count -= groups;
    }
}

/* Keeps those of the nodes first..first+count-1 that lie behind the last complete group of their level. */
static void keep_loose(const checking *c, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes) {
    uint64_t from = rotor_radix_div(c->tree->radix, c->report->levels[level].nodes) * c->arity;
    uint64_t start = from > first ? from : first;
    if (start < first + count) {
        memcpy(c->loose + (size_t)level * c->arity + (start - from), nodes + (start - first),
               (size_t)(first + count - start) * sizeof *nodes);
    }
}

static void keep_loose_leaves(const checking *c, uint64_t first, uint64_t last) {
    rotor_hash leaves[ROTOR_MAX_ARITY];
    uint64_t from = rotor_radix_div(c->tree->radix, c->size) * c->arity;
    if (from >= first && from < last) {
        /* One group, hence in one extent. */
        rotor_nodes_load(leaves, rotor_level_at(c->tree->levels[0], from), last - from);
        keep_loose(c, 0, from, last - from, leaves);
    }
}

/* Has the pages of a block of stored leaves, and of what is above them, read in the background where they are mapped
 * from files: without read-ahead, as they are in a tree that is in use. */
static void announce(const checking *c, uint64_t block) {
    uint64_t blocks = (c->nodes - 1) / c->block.nodes + 1;
    if (c->tree->store == NULL || c->source != NULL || block >= blocks) {
        return;
    }
    uint64_t first = block * c->block.nodes;
    uint64_t last = c->nodes - first < c->block.nodes ? c->nodes : first + c->block.nodes;
    for (uint32_t level = 0; level <= c->block.levels && first < last; level++) {
        uint64_t run;
        const uint8_t *nodes = rotor_level_run(c->tree->levels[level], first, last - first, &run);
        rotor_vm_will_need(nodes, (size_t)run * ROTOR_HASH_BYTES);
        first = rotor_radix_div(c->tree->radix, first);
        last = rotor_radix_div(c->tree->radix, last);
    }
}

static void check_block(checking *c, const workspace *space, uint64_t block) {
    rotor_radix radix = c->tree->radix;
    uint64_t first = block * c->block.nodes;
    uint64_t last = c->nodes - first < c->block.nodes ? c->nodes : first + c->block.nodes;
    const rotor_hash *children = c->source != NULL ? c->source + first : NULL;
    announce(c, block + BLOCKS_AHEAD);
    if (children == NULL) {
        keep_loose_leaves(c, first, last);
    }
    for (uint32_t i = 0; i < c->block.levels; i++) {
        first = rotor_radix_div(radix, first);
        last = rotor_radix_div(radix, last);
        if (first == last) {
            break;
        }
        rotor_hash *parents = i + 1 == c->block.levels ? c->tops + first : space->parents[i & 1];
        if (children == NULL) {
            hash_stored_leaves(c, space, parents, first, last - first);
        } else {
            c->tree->hasher->hash_groups(parents->bytes, children->bytes, (size_t)(last - first), radix.n);
        }
        compare_nodes(c, c->level + i + 1, first, last - first, parents);
        keep_loose(c, c->level + i + 1, first, last - first, parents);
        children = parents;
    }
    rotor_status status = rotor_snapshot_check(c->snapshot);
    if (status != ROTOR_OK) {
        stop_with(c, status);
    }
}

static void check_blocks(void *context, uint64_t worker) {
    checking *c = context;
    while (!atomic_load_explicit(&c->stopped, memory_order_relaxed)) {
        uint64_t block = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
        if (block >= c->end) {
            return;
        }
        check_block(c, &c->workspaces[worker], block);
    }
}

/* ---------------------------------------------------------------- all of it, on the caller's thread */

/* Checks the blocks first..end-1 of a pass. */
static rotor_status run_blocks(checking *c, uint64_t first, uint64_t end) {
    atomic_store_explicit(&c->next, first, memory_order_relaxed);
    c->end = end;
    if (c->pool != NULL && end - first > 1) {
        rotor_pool_run(c->pool, check_blocks, c, c->workers);
    } else {
        check_blocks(c, 0);
    }
    return c->status;
}

static rotor_status run_pass(checking *c, rotor_progress *progress, void *context) {
    uint64_t blocks = (c->nodes - 1) / c->block.nodes + 1;
    uint64_t round = progress != NULL ? (uint64_t)ROUND_BLOCKS * c->workers : blocks;
    rotor_status status = ROTOR_OK;
    for (uint64_t block = 0; block < BLOCKS_AHEAD; block++) {
        announce(c, block);
    }
    for (uint64_t first = 0; first < blocks && status == ROTOR_OK; first += round) {
        uint64_t end = blocks - first < round ? blocks : first + round;
        status = run_blocks(c, first, end);
        if (status == ROTOR_OK && progress != NULL) {
            uint64_t done = end == blocks ? c->nodes : end * c->block.nodes;
            status = progress(context, done, c->nodes) == 0 ? ROTOR_OK : ROTOR_TIMED_OUT;
        }
    }
    return status;
}

/* Pass after pass, each from the tops of the one before. */
static rotor_status run_passes(checking *c, rotor_progress *progress, void *context) {
    rotor_hash *source = NULL;
    rotor_status status = ROTOR_OK;
    c->nodes = c->size;
    while (status == ROTOR_OK && c->nodes > 0) {
        uint64_t tops = c->nodes;
        for (uint32_t i = 0; i < c->block.levels; i++) {
            tops = rotor_radix_div(c->tree->radix, tops);
        }
        rotor_hash *memory = allocate_nodes(LEAD_NODES + tops);
        if (memory == NULL) {
            status = ROTOR_OUT_OF_MEMORY;
            break;
        }
        memset(memory, 0, LEAD_NODES * sizeof *memory);
        c->source = source != NULL ? source + LEAD_NODES : NULL;
        c->tops = memory + LEAD_NODES;
        status = run_pass(c, source == NULL ? progress : NULL, context);
        free(source);
        source = memory;
        c->nodes = tops;
        c->level += c->block.levels;
    }
    free(source);
    return status;
}

/* The root, by the rule for unfinished groups: the complete nodes whose parent is not complete, and the unfinished node
 * behind them, one level after the other. */
static void compute_root(const checking *c, rotor_hash *root) {
    rotor_hash group[ROTOR_MAX_ARITY];
    rotor_hash unfinished = {{0}};
    bool is_unfinished = false;
    for (uint32_t level = 0;; level++) {
        uint64_t complete = c->report->levels[level].nodes;
        uint32_t width = rotor_radix_mod(c->tree->radix, complete);
        memcpy(group, c->loose + (size_t)level * c->arity, width * sizeof *group);
        if (is_unfinished) {
            group[width++] = unfinished;
        }
        if (width == 1) {
            unfinished = group[0];
        } else if (width > 1) {
            c->tree->hasher->hash_node(unfinished.bytes, group[0].bytes, width);
        }
        if (level == c->report->depth) {
            break;
        }
        is_unfinished = width > 0;
    }
    *root = unfinished;
}

static void describe_levels(rotor_check_report *report, rotor_radix radix, uint64_t size) {
    memset(report, 0, sizeof *report);
    report->size = size;
    report->depth = rotor_shape_depth(radix, size);
    for (uint32_t level = 0; level <= report->depth; level++) {
        report->levels[level].nodes = size;
        size = rotor_radix_div(radix, size);
    }
}

rotor_status rotor_check_nodes(const rotor_snapshot *snapshot, uint64_t size, rotor_check_report *report,
                               rotor_hash *root, rotor_check_bad_nodes *bad, void *bad_context,
                               rotor_progress *progress, void *context) {
    const rotor_tree *tree = snapshot->tree;
    if (size > snapshot->size) {
        return ROTOR_OUT_OF_RANGE;
    }
    describe_levels(report, tree->radix, size);
    memset(root, 0, sizeof *root);
    if (size == 0) {
        return rotor_snapshot_check(snapshot);
    }
    uint64_t chunk = CHUNK_CHILDREN / tree->radix.n;
    checking c = {.snapshot = snapshot,
                  .tree = tree,
                  .arity = tree->radix.n,
                  .size = size,
                  .report = report,
                  .bad = bad,
                  .bad_context = bad_context,
                  .block = block_shape(tree->radix.n, size, tree->threads),
                  .chunk_groups = chunk > tree->hasher->lanes ? chunk : tree->hasher->lanes,
                  .loose = calloc(((size_t)report->depth + 1) * tree->radix.n, sizeof(rotor_hash))};
    if (c.loose == NULL || pthread_mutex_init(&c.mutex, NULL) != 0) {
        free(c.loose);
        return ROTOR_OUT_OF_MEMORY;
    }
    rotor_status status = start_workers(&c, tree->threads);
    if (status == ROTOR_OK) {
        status = run_passes(&c, progress, context);
    }
    if (status == ROTOR_OK) {
        compute_root(&c, root);
    }
    stop_workers(&c);
    pthread_mutex_destroy(&c.mutex);
    free(c.loose);
    return status;
}
