/* Blocked building. Must not know about edges, snapshots or locks.
 *
 * New nodes of one level are cut into blocks of about a thousand, aligned so that no parent within the lowest few
 * levels has children in two blocks. A block is carried up through these levels while it is warm: the leaves are read
 * once, from the caller, and every parent is hashed from the first-level cache. Only the tops of the blocks, a few
 * hundredths of the nodes, are then taken as the new nodes of a higher level and treated alike. Blocks are independent,
 * so threads share them freely. */
#include "tree/build.h"

#include "tree/nodes.h"

#include <assert.h>

/* Nodes of a block: small enough that its parents stay in the first-level cache; 256 to 64K differ by less than 3 %. */
#define BLOCK_NODES 1024
/* Tasks for each thread, at least, where there are blocks enough. */
#define FAIR_TASKS 2
/* Leaves of a batch from which on they are streamed past the caches. Smaller batches are faster without. */
#define STREAM_LEAVES 512
/* Vectors of groups that a batch without a root fills if it is built at once: a fifth faster at 8 lanes, arity 16 and
 * 1,000 leaves than to let it wait and read it again, while half a vector more is hashed. */
#define AT_ONCE_VECTORS 4
/* Bytes of children with which a streamed batch begins: at least one group of the largest arity. */
#define FIRST_BYTES ((size_t)8 << 10)
/* Bytes of leaves behind them that are asked for meanwhile: kernels that copy ask for what is so much further on. */
#define ASKED_BYTES ((size_t)4 << 10)
#define LINE_BYTES ((size_t)64)

rotor_block_shape rotor_block_shape_for(rotor_radix radix, uint32_t lanes) {
    /* The top level of a block should fill the vector unit: a level of fewer groups than lanes costs as much as a full
     * one. */
    uint64_t least_top = lanes < 8 ? 8 : lanes;
    rotor_block_shape shape = {.nodes = radix.n, .levels = 1};
    while (shape.nodes * radix.n * least_top <= BLOCK_NODES) {
        shape.nodes *= radix.n;
        shape.levels++;
    }
    uint64_t tops = BLOCK_NODES / shape.nodes / least_top * least_top;
    shape.nodes *= tops > least_top ? tops : least_top;
    shape.at_once = AT_ONCE_VECTORS * (uint64_t)radix.n * lanes;
    shape.at_once = shape.at_once > STREAM_LEAVES ? shape.at_once : STREAM_LEAVES;
    shape.at_once = shape.at_once < shape.nodes ? shape.at_once : shape.nodes;
    return shape;
}

void rotor_build_store(rotor_tree *tree, uint32_t level, uint64_t first, const rotor_hash *nodes, uint64_t count) {
    while (count > 0) {
        uint64_t run;
        uint8_t *target = rotor_level_run(tree->levels[level], first, count, &run);
        rotor_nodes_store(target, nodes->bytes, run);
        first += run;
        nodes += run;
        count -= run;
    }
}

/* New nodes first..last-1 of one level. */
typedef struct growth {
    rotor_tree *tree;
    uint32_t level;
    uint64_t first;
    uint64_t last;
    const rotor_hash *source; /* the nodes in the caller's memory, or NULL when they are stored */
    bool stream;
    uint64_t task_blocks;
} growth;

/* Stores new nodes first..last-1 past the caches. */
static void stream_nodes(const growth *grown, uint64_t first, uint64_t last) {
    const rotor_hash *source = grown->source + (first - grown->first);
    while (first < last) {
        uint64_t run;
        uint8_t *target = rotor_level_run(grown->tree->levels[grown->level], first, last - first, &run);
        rotor_nodes_stream(target, source->bytes, run);
        first += run;
        source += run;
    }
}

/* Has the first of `count` leaves fetched into the caches. Left to the kernel that hashes them, they would be waited
 * for: 3 % of a batch of 1,000 at arity 16. */
static void ask_for(const rotor_hash *leaves, uint64_t count) {
    uint64_t bytes = count * ROTOR_HASH_BYTES;
    bytes = bytes < ASKED_BYTES ? bytes : ASKED_BYTES;
    for (uint64_t at = 0; at < bytes; at += LINE_BYTES) {
        __builtin_prefetch(leaves->bytes + at);
    }
}

/* The children of the groups group.. , as many of `most` groups as lie in one piece. Children are taken from the
 * caller's memory where two bytes before them may be read, as vector kernels do; the first group of a batch is not such
 * a place. */
static const uint8_t *children_of(const growth *grown, uint32_t level, uint64_t group, uint64_t most,
                                  uint64_t *groups) {
    uint32_t arity = grown->tree->radix.n;
    uint64_t child = group * arity;
    if (level == grown->level && grown->source != NULL) {
        if (child > grown->first) {
            *groups = most;
            return grown->source[child - grown->first].bytes;
        }
        most = most < grown->tree->hasher->lanes ? most : grown->tree->hasher->lanes;
    }
    uint64_t run;
    const uint8_t *children = rotor_level_run(grown->tree->levels[level], child, most * arity, &run);
    *groups = run / arity;
    return children;
}

#ifdef ROTOR_TSAN
/* Vector kernels load two bytes before a group and ignore them. Where a block begins within a level that is being built
 * these belong to the last node of another task's block, which may be written at that moment: harmless to the
 * processor, a race to ThreadSanitizer. It is given a copy with two bytes of its own, and nodes are stored by
 * rotor_nodes_store() alone. */
#define KERNELS_MAY_STORE false
#define COPY_BYTES ((size_t)32 << 10)
#define CHUNK_GROUPS 64
static uint64_t hash_into_level(rotor_tree *tree, uint32_t level, uint64_t group, uint64_t groups,
                                const uint8_t *children) {
    rotor_hash parents[CHUNK_GROUPS];
    uint8_t copy[COPY_BYTES] = {0};
    uint32_t arity = tree->radix.n;
    uint64_t most = (COPY_BYTES - ROTOR_HASH_HEADROOM) / (arity * ROTOR_HASH_BYTES);
    most = most < CHUNK_GROUPS ? most : CHUNK_GROUPS;
    groups = groups < most ? groups : most;
    memcpy(copy + ROTOR_HASH_HEADROOM, children, (size_t)groups * arity * ROTOR_HASH_BYTES);
    tree->hasher->hash_groups(parents[0].bytes, copy + ROTOR_HASH_HEADROOM, (size_t)groups, arity);
    rotor_build_store(tree, level, group, parents, groups);
    return groups;
}
#else
#define KERNELS_MAY_STORE true
/* Hashes the nodes group .. of a level, as many of `groups` as lie in one piece; returns how many. */
static uint64_t hash_into_level(rotor_tree *tree, uint32_t level, uint64_t group, uint64_t groups,
                                const uint8_t *children) {
    uint64_t run;
    uint8_t *nodes = rotor_level_run(tree->levels[level], group, groups, &run);
    tree->hasher->hash_groups(nodes, children, (size_t)run, tree->radix.n);
    return run;
}
#endif

/* Hashes and stores the node `group` of level + 1 and as many of the following, `most` in all at most, as lie in one
 * piece; returns how many. */
static uint64_t hash_some(const growth *grown, uint32_t level, uint64_t group, uint64_t most) {
    uint64_t groups;
    const uint8_t *children = children_of(grown, level, group, most, &groups);
    return hash_into_level(grown->tree, level + 1, group, groups, children);
}

/* Stores the leaves of the groups group .. and hashes their parents in one pass by a kernel that does both, as many of
 * `most` groups as lie in one piece; returns how many, 0 where that cannot be done. */
static uint64_t hash_and_copy_some(const growth *grown, uint64_t group, uint64_t most) {
    rotor_tree *tree = grown->tree;
    uint32_t arity = tree->radix.n;
    uint64_t child = group * arity;
    if (!KERNELS_MAY_STORE || arity > tree->hasher->copied_width || child <= grown->first) {
        return 0;
    }
    uint64_t leaves;
    uint64_t run;
    uint8_t *copy = rotor_level_run(tree->levels[grown->level], child, most * arity, &leaves);
    uint8_t *nodes = rotor_level_run(tree->levels[grown->level + 1], group, leaves / arity, &run);
    tree->hasher->hash_and_copy(nodes, copy, grown->source[child - grown->first].bytes, (size_t)run, arity);
    return run;
}

/* The first groups of a batch: with leaves that the tree had before, or with nothing readable before them. They are
 * hashed from a copy, since what has just been streamed would have to be read back from memory. Returns how many. */
static uint64_t build_first_groups(const growth *grown, uint64_t first, uint64_t last, uint64_t group, uint64_t most) {
    rotor_tree *tree = grown->tree;
    uint8_t copy[ROTOR_HASH_BYTES + FIRST_BYTES];
    uint8_t *children = copy + ROTOR_HASH_BYTES;
    uint64_t arity = tree->radix.n;
    uint64_t fit = FIRST_BYTES / (arity * ROTOR_HASH_BYTES);
    uint64_t lanes = tree->hasher->lanes;
    uint64_t rest = (most - 1) % lanes + 1; /* so that what follows fills the lanes, if the copy holds so many */
    most = rest < fit ? rest : fit;
    uint64_t old = first - group * arity;
    uint64_t count = most * arity - old;
    memset(copy, 0, ROTOR_HASH_BYTES); /* the headroom */
    if (old > 0) {
        memcpy(children, rotor_level_at(tree->levels[grown->level], group * arity), old * ROTOR_HASH_BYTES);
    }
    const rotor_hash *source = grown->source + (first - grown->first);
    memcpy(children + old * ROTOR_HASH_BYTES, source, count * ROTOR_HASH_BYTES);
    stream_nodes(grown, first, first + count);
    ask_for(source + count, last - first - count);
    return hash_into_level(tree, grown->level + 1, group, most, children);
}

/* Stores the leaves first..last-1 of a large batch and hashes their parents. A kernel that cannot do both at once is
 * given one vector of groups after the other: while one is hashed the stores of the one before drain. Storing the whole
 * block first was 7 % slower at arity 8, 13 % at 16. */
static void build_streamed_level(const growth *grown, uint64_t first, uint64_t last) {
    const rotor_hash *source = grown->source;
    assert(source != NULL); /* what is stored already is not streamed */
    rotor_radix radix = grown->tree->radix;
    uint32_t lanes = grown->tree->hasher->lanes;
    uint64_t group = rotor_radix_div(radix, first);
    uint64_t end = rotor_radix_div(radix, last);
    if (group < end && group * radix.n <= grown->first) {
        group += build_first_groups(grown, first, last, group, end - group);
    }
    uint64_t stored = group * radix.n;
    while (group < end) {
        uint64_t done = hash_and_copy_some(grown, group, end - group);
        if (done == 0) {
            done = end - group < lanes ? end - group : lanes;
            stream_nodes(grown, stored, (group + done) * radix.n);
            done = hash_some(grown, grown->level, group, done);
        }
        group += done;
        stored = group * radix.n;
    }
    /* Leaves without a parent are soon read: by the edge, and by the next batch. */
    first = first > stored ? first : stored;
    rotor_build_store(grown->tree, grown->level, first, source + (first - grown->first), last - first);
}

/* Carries new nodes of one block up through the levels of a block. */
static void build_block(const growth *grown, uint64_t first, uint64_t last) {
    rotor_tree *tree = grown->tree;
    uint32_t level = grown->level;
    uint32_t top = level + tree->block.levels;
    if (grown->stream) {
        build_streamed_level(grown, first, last);
        first = rotor_radix_div(tree->radix, first);
        last = rotor_radix_div(tree->radix, last);
        level++;
    } else if (grown->source != NULL) {
        rotor_build_store(tree, level, first, grown->source + (first - grown->first), last - first);
    }
    for (; level < top && first < last; level++) {
        uint64_t group = rotor_radix_div(tree->radix, first);
        uint64_t end = rotor_radix_div(tree->radix, last);
        first = group;
        last = end;
        while (group < end) {
            group += hash_some(grown, level, group, end - group);
        }
    }
}

/* Task `task` of a growth: its blocks, of which the first and last of all may be partial. */
static void build_task(void *context, uint64_t task) {
    const growth *grown = context;
    uint64_t nodes = grown->tree->block.nodes;
    uint64_t block = grown->first / nodes + task * grown->task_blocks;
    for (uint64_t i = 0; i < grown->task_blocks && block * nodes < grown->last; i++, block++) {
        uint64_t first = block * nodes > grown->first ? block * nodes : grown->first;
        uint64_t last = (block + 1) * nodes < grown->last ? (block + 1) * nodes : grown->last;
        build_block(grown, first, last);
    }
    if (grown->stream) {
        rotor_nodes_stream_end();
    }
}

/* Less than two blocks in one piece: each boundary of blocks that lies between costs half a vector of groups on every
 * level, 5 % of a batch of 1,500 leaves. */
static void build_small(const growth *grown) {
    build_block(grown, grown->first, grown->last);
    if (grown->stream) {
        rotor_nodes_stream_end();
    }
}

/* The pool if this many parents are worth it, else NULL. */
static rotor_pool *pool_for(rotor_tree *tree, uint64_t parents) {
    return parents < tree->parallel_threshold ? NULL : rotor_tree_pool(tree);
}

static void grow_level(growth *grown) {
    rotor_tree *tree = grown->tree;
    uint64_t nodes = tree->block.nodes;
    uint64_t blocks = (grown->last - 1) / nodes - grown->first / nodes + 1;
    uint64_t parents = rotor_radix_div(tree->radix, grown->last) - rotor_radix_div(tree->radix, grown->first);
    rotor_pool *pool = pool_for(tree, parents);
    if (pool == NULL && grown->last - grown->first < 2 * nodes) {
        build_small(grown);
        return;
    }
    if (pool == NULL) {
        grown->task_blocks = blocks;
        build_task(grown, 0);
        return;
    }
    /* Small enough for everybody to have some, so that nobody waits long for who has the last. */
    uint64_t most = (tree->task_nodes - 1) / nodes + 1;
    uint64_t fair = (blocks - 1) / (FAIR_TASKS * (uint64_t)tree->threads) + 1;
    grown->task_blocks = most < fair ? most : fair;
    rotor_pool_run(pool, build_task, grown, (blocks - 1) / grown->task_blocks + 1);
}

void rotor_build(rotor_tree *tree, uint64_t from, uint64_t to, const rotor_hash *leaves) {
    growth grown = {.tree = tree,
                    .level = 0,
                    .first = from,
                    .last = to,
                    .source = leaves,
                    .stream = leaves != NULL && to - from >= STREAM_LEAVES};
    while (grown.first < grown.last) {
        grow_level(&grown);
        for (uint32_t i = 0; i < tree->block.levels; i++) {
            grown.first = rotor_radix_div(tree->radix, grown.first);
            grown.last = rotor_radix_div(tree->radix, grown.last);
        }
        grown.level += tree->block.levels;
        grown.source = NULL;
        grown.stream = false;
    }
}
