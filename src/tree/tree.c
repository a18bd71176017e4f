/* Creating, growing and cutting a tree. Must not know the environment or the layout of public arguments. */
#include "tree/tree.h"

#include "base/vm.h"
#include "tree/build.h"
#include "tree/edge.h"
#include "tree/nodes.h"
#include "tree/view.h"

#include <stdlib.h>

/* Leaves that are taken before their parents are hashed: 16 MiB, which are in the last-level cache still. */
#define TAKEN_LEAVES ((uint64_t)512 << 10)
/* Bytes ahead of a single leaf at which memory is asked for. */
#define LEAF_AHEAD 1024

/* a * b, at most ROTOR_SHAPE_MAX_SIZE. */
static uint64_t multiply_bounded(uint64_t a, uint64_t b) {
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product) || product > ROTOR_SHAPE_MAX_SIZE) {
        return ROTOR_SHAPE_MAX_SIZE;
    }
    return product;
}

rotor_status rotor_tree_create(rotor_tree **tree, const rotor_options *options, const rotor_hasher *hasher) {
    rotor_tree *created = calloc(1, sizeof *created);
    if (created == NULL) {
        return ROTOR_OUT_OF_MEMORY;
    }
    if (pthread_mutex_init(&created->writer, NULL) != 0) {
        free(created);
        return ROTOR_OUT_OF_MEMORY;
    }
    if (pthread_mutex_init(&created->turn, NULL) != 0) {
        pthread_mutex_destroy(&created->writer);
        free(created);
        return ROTOR_OUT_OF_MEMORY;
    }
    created->hasher = hasher;
    created->verify_proofs = options->verify_proofs != 0;
    created->radix = rotor_radix_of(options->arity);
    created->max_depth = options->max_depth;
    created->threads = options->threads;
    created->depth_limit = 1;
    for (uint32_t level = 0; level < options->max_depth; level++) {
        created->depth_limit = multiply_bounded(created->depth_limit, options->arity);
    }
    created->max_leaves = options->max_leaves != 0 ? options->max_leaves : ROTOR_SHAPE_MAX_SIZE;
    created->reservation_bytes = rotor_vm_reservation_limit();
    if (created->max_leaves < created->reservation_bytes / ROTOR_HASH_BYTES) {
        created->reservation_bytes = (size_t)created->max_leaves * ROTOR_HASH_BYTES;
    }
    created->block = rotor_block_shape_for(created->radix, hasher->lanes);
    created->parallel_threshold = options->parallel_threshold;
    created->task_nodes = options->task_nodes;
    *tree = created;
    return ROTOR_OK;
}

void rotor_tree_destroy(rotor_tree *tree) {
    rotor_pool_destroy(tree->pool);
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level++) {
        rotor_level_destroy(tree->levels[level]);
    }
    pthread_mutex_destroy(&tree->turn);
    pthread_mutex_destroy(&tree->writer);
    free(tree);
}

/* Whether a tree may have `count` more leaves than `base`. */
static rotor_status check_growth(const rotor_tree *tree, uint64_t base, uint64_t count) {
    uint64_t size;
    if (__builtin_add_overflow(base, count, &size) || size > ROTOR_SHAPE_MAX_SIZE) {
        return tree->depth_limit < ROTOR_SHAPE_MAX_SIZE ? ROTOR_MAX_DEPTH_EXCEEDED : ROTOR_CAPACITY_EXCEEDED;
    }
    if (size > tree->depth_limit) {
        return ROTOR_MAX_DEPTH_EXCEEDED;
    }
    return size > tree->max_leaves ? ROTOR_CAPACITY_EXCEEDED : ROTOR_OK;
}

/* Commits memory for every complete node of a tree of `size` leaves, so that nothing can fail once nodes are being
 * written. */
static rotor_status make_room(rotor_tree *tree, uint64_t size) {
    if (size <= tree->room) {
        return ROTOR_OK;
    }
    size_t reservation = tree->reservation_bytes;
    uint64_t room = ROTOR_SHAPE_MAX_SIZE;
    uint64_t leaves_per_node = 1;
    for (uint32_t level = 0; level <= tree->max_depth; level++) {
        uint64_t nodes = size / leaves_per_node;
        if (nodes > 0) {
            if (tree->levels[level] == NULL && (tree->levels[level] = rotor_level_create(tree->radix.n)) == NULL) {
                return ROTOR_OUT_OF_MEMORY;
            }
            rotor_status status = rotor_level_commit(tree->levels[level], nodes, reservation);
            if (status != ROTOR_OK) {
                return status;
            }
            nodes = rotor_level_committed(tree->levels[level]);
        }
        /* A level with memory for n complete nodes carries all sizes at which node n is not complete yet. */
        uint64_t carried = multiply_bounded(nodes + 1, leaves_per_node) - 1;
        room = carried < room ? carried : room;
        if (nodes == 0) {
            break;
        }
        leaves_per_node = multiply_bounded(leaves_per_node, tree->radix.n);
        reservation /= tree->radix.n;
    }
    tree->room = room;
    return ROTOR_OK;
}

static void accept_size(rotor_tree *tree, uint64_t size) {
    tree->size = size;
    tree->high_size = size > tree->high_size ? size : tree->high_size;
    atomic_store_explicit(&tree->accepted, size, memory_order_release);
}

/* Stores the complete nodes above the leaves that have only been appended. */
static void fold(rotor_tree *tree) {
    if (tree->folded < tree->size) {
        rotor_build(tree, tree->folded, tree->size, NULL);
        tree->folded = tree->size;
    }
}

static void publish(rotor_tree *tree, bool built) {
    if (tree->size > 0) {
        rotor_edge_update(tree, built);
    } else {
        tree->depth = 0;
        tree->rooted = 0;
    }
    rotor_publish_state(&tree->published, tree->epoch, tree->size, tree->depth, tree->edge);
}

/* A store waits for its line, and all later stores wait for it: lines are asked for some leaves ahead. */
static void store_one(uint8_t *target, const rotor_hash *leaf) {
    __builtin_prefetch(target + LEAF_AHEAD, 1);
    rotor_nodes_store(target, leaf->bytes, 1);
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* What an insert without root has to look at changes once in a block of leaves. These looks are loads that depend on
 * each other, and none begins before the lock is taken: done once for a block, they cost an insert 11 cycles less on a
 * Zen 3, of 150 at arity 2 and 87 at 16. */
static void begin_run(rotor_tree *tree) {
    uint64_t end = tree->folded + tree->block.nodes - 1; /* the leaf after it completes a block */
    end = smaller(smaller(end, tree->room), smaller(tree->depth_limit, tree->max_leaves));
    if (tree->size < end) {
        tree->run_first = tree->size;
        tree->run_base = rotor_level_run(tree->levels[0], tree->size, end - tree->size, &tree->run_count);
    }
}

/* To be called where inserts are to be looked at again, or a run might be too long. */
static void end_run(rotor_tree *tree) {
    tree->run_count = 0;
}

static bool is_in_run(const rotor_tree *tree) {
    return tree->size - tree->run_first < tree->run_count;
}

static void append_to_run(rotor_tree *tree, const rotor_hash *leaf) {
    store_one(tree->run_base + (tree->size - tree->run_first) * ROTOR_HASH_BYTES, leaf);
    accept_size(tree, tree->size + 1);
}

/* Appends without a root. The parents of few leaves wait until a block of leaves has come together, so that they are
 * hashed at full vector width; for a batch that fills some vectors it takes longer to read its leaves a second time. */
static void append_lazily(rotor_tree *tree, const rotor_hash *leaves, uint64_t count) {
    if (count < tree->block.at_once) {
        rotor_build_store(tree, 0, tree->size, leaves, count);
        accept_size(tree, tree->size + count);
        if (tree->size - tree->folded >= tree->block.nodes) {
            fold(tree);
        }
        return;
    }
    fold(tree);
    rotor_build(tree, tree->size, tree->size + count, leaves);
    tree->folded = tree->size + count;
    accept_size(tree, tree->size + count);
}

static void append_rooted(rotor_tree *tree, const rotor_hash *leaves, uint64_t count) {
    bool single = count == 1 && tree->folded == tree->size;
    if (single) {
        store_one(rotor_level_at(tree->levels[0], tree->size), leaves);
    } else {
        fold(tree);
        rotor_build(tree, tree->size, tree->size + count, leaves);
    }
    tree->size += count;
    tree->folded = tree->size;
    publish(tree, !single);
    accept_size(tree, tree->size);
}

/* Mutexes are not fair: a writer that inserts in a loop takes its lock again before a reader that waits for it is
 * awake. Beside batches of 20,000 leaves such a reader waited for up to 300 ms, against 4 ms with the queue. */
static void lock_as_writer(rotor_tree *tree) {
    if (atomic_load_explicit(&tree->waiting, memory_order_relaxed) != 0) {
        pthread_mutex_lock(&tree->turn);
        pthread_mutex_unlock(&tree->turn);
    }
    pthread_mutex_lock(&tree->writer);
}

static void fill_token(const rotor_tree *tree, rotor_token *token) {
    if (token != NULL) {
        *token = (rotor_token){.epoch = tree->epoch, .size = tree->size};
    }
}

static rotor_status append(rotor_tree *tree, rotor_hash *root, const rotor_hash *leaves, uint64_t count) {
    end_run(tree);
    rotor_status status = tree->refusal;
    if (status == ROTOR_OK) {
        status = check_growth(tree, tree->size, count);
    }
    if (status == ROTOR_OK) {
        status = make_room(tree, tree->size + count);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    if (root == NULL) {
        append_lazily(tree, leaves, count);
    } else {
        append_rooted(tree, leaves, count);
        *root = tree->edge[tree->depth];
    }
    if (tree->appended != NULL) {
        void (*appended)(void *context) = tree->appended;
        tree->appended = NULL;
        appended(tree->appended_context);
    }
    if (root == NULL && count == 1) {
        begin_run(tree);
    }
    return ROTOR_OK;
}

rotor_status rotor_tree_append(rotor_tree *tree, rotor_hash *root, rotor_token *token, const rotor_hash *leaves,
                               uint64_t count) {
    lock_as_writer(tree);
    rotor_status status = ROTOR_OK;
    if (count == 1 && root == NULL && is_in_run(tree)) {
        append_to_run(tree, leaves);
    } else {
        status = append(tree, root, leaves, count);
    }
    if (status == ROTOR_OK) {
        fill_token(tree, token);
    }
    pthread_mutex_unlock(&tree->writer);
    return status;
}

void rotor_tree_publish_accepted(rotor_tree *tree) {
    atomic_fetch_add_explicit(&tree->waiting, 1, memory_order_relaxed);
    pthread_mutex_lock(&tree->turn);
    pthread_mutex_lock(&tree->writer);
    pthread_mutex_unlock(&tree->turn);
    atomic_fetch_sub_explicit(&tree->waiting, 1, memory_order_relaxed);
    if (tree->rooted < tree->size) {
        fold(tree);
        publish(tree, true);
    }
    pthread_mutex_unlock(&tree->writer);
}

/* Makes the memory above the first `size` leaves, which may be pages of files, writable. */
static rotor_status reclaim(rotor_tree *tree, uint64_t size) {
    uint64_t nodes = size;
    for (uint32_t level = 0; level <= tree->max_depth && tree->levels[level] != NULL; level++) {
        rotor_status status = rotor_level_reclaim(tree->levels[level], nodes);
        if (status != ROTOR_OK) {
            return status;
        }
        nodes = rotor_radix_div(tree->radix, nodes);
    }
    return ROTOR_OK;
}

/* Whether the nodes that the edge of a smaller size is made of lead to the present root, as they are stored. */
static bool is_sound_below(rotor_tree *tree, uint64_t size) {
    if (tree->rooted < tree->size) {
        fold(tree);
        publish(tree, true);
    }
    rotor_snapshot present = {.tree = tree, .reserved = 0};
    rotor_snapshot past = {.tree = tree, .size = size, .reserved = 0};
    rotor_published_read(&tree->published, &present);
    return size == 0 || rotor_view_prove_past(&present, &past, true);
}

rotor_status rotor_tree_truncate(rotor_tree *tree, rotor_token *token, uint64_t size, bool prove) {
    lock_as_writer(tree);
    end_run(tree);
    rotor_status status = tree->refusal;
    if (status == ROTOR_OK && size > tree->size) {
        status = ROTOR_OUT_OF_RANGE;
    }
    if (status == ROTOR_OK && size < tree->size && prove && !is_sound_below(tree, size)) {
        status = ROTOR_DAMAGED;
    }
    if (status == ROTOR_OK && size < tree->size) {
        status = reclaim(tree, size);
    }
    if (status == ROTOR_OK && size < tree->size) {
        if (tree->folded < size) {
            rotor_build(tree, tree->folded, size, NULL);
        }
        tree->folded = size;
        tree->size = size;
        rotor_edge_forget(tree);
        tree->epoch++;
        publish(tree, true);
        rotor_publish_cut(&tree->published, tree->epoch, size);
        accept_size(tree, size);
    }
    if (status == ROTOR_OK) {
        fill_token(tree, token);
    }
    pthread_mutex_unlock(&tree->writer);
    return status;
}

bool rotor_tree_has_been_at(const rotor_tree *tree, const rotor_token *moment) {
    /* In this order: a truncation shows its epoch before its size, and within an epoch sizes only grow. */
    uint64_t size = atomic_load_explicit(&tree->accepted, memory_order_acquire);
    uint64_t epoch = atomic_load_explicit(&tree->published.epoch, memory_order_acquire);
    return moment->epoch < epoch || (moment->epoch == epoch && moment->size <= size);
}

void rotor_tree_refuse(rotor_tree *tree, rotor_status refusal) {
    pthread_mutex_lock(&tree->writer);
    tree->refusal = refusal;
    end_run(tree);
    pthread_mutex_unlock(&tree->writer);
}

bool rotor_tree_notify(rotor_tree *tree, uint64_t size, void (*appended)(void *context), void *context) {
    if (pthread_mutex_trylock(&tree->writer) != 0) {
        return false;
    }
    bool waits = tree->size <= size;
    tree->appended = waits ? appended : NULL;
    tree->appended_context = context;
    end_run(tree);
    pthread_mutex_unlock(&tree->writer);
    return waits;
}

rotor_status rotor_tree_prepare(rotor_tree *tree, uint64_t size, uint32_t filed_levels) {
    size_t reservation = tree->reservation_bytes;
    uint64_t nodes = size;
    for (uint32_t level = 0; level <= tree->max_depth && nodes > 0; level++) {
        tree->levels[level] = rotor_level_create(tree->radix.n);
        if (tree->levels[level] == NULL) {
            return ROTOR_OUT_OF_MEMORY;
        }
        rotor_status status = level < filed_levels ? rotor_level_commit_filed(tree->levels[level], nodes, reservation)
                                                   : rotor_level_commit(tree->levels[level], nodes, reservation);
        if (status != ROTOR_OK) {
            return status;
        }
        nodes = rotor_radix_div(tree->radix, nodes);
        reservation /= tree->radix.n;
    }
    return ROTOR_OK;
}

void rotor_tree_adopt(rotor_tree *tree, uint64_t size) {
    end_run(tree);
    tree->size = size;
    tree->folded = size;
    publish(tree, true);
    accept_size(tree, size);
}

uint8_t *rotor_tree_place(rotor_tree *tree, uint64_t first, uint64_t count) {
    if (first < tree->size || check_growth(tree, first, count) != ROTOR_OK ||
        make_room(tree, first + count) != ROTOR_OK) {
        return NULL;
    }
    uint64_t run;
    uint8_t *place = rotor_level_run(tree->levels[0], first, count, &run);
    return run == count ? place : NULL;
}

void rotor_tree_take(rotor_tree *tree, uint64_t count) {
    end_run(tree);
    accept_size(tree, tree->size + count);
    if (tree->size - tree->folded >= TAKEN_LEAVES) {
        fold(tree);
    }
}

rotor_pool *rotor_tree_pool(rotor_tree *tree) {
    if (tree->pool == NULL && tree->threads > 1 && !tree->pool_failed) {
        tree->pool = rotor_pool_create(tree->threads);
        tree->pool_failed = tree->pool == NULL;
    }
    return tree->pool;
}

rotor_status rotor_tree_map(rotor_tree *tree, uint32_t level, uint64_t nodes, rotor_level_mapper *map, void *context) {
    pthread_mutex_lock(&tree->writer);
    rotor_status status = rotor_level_map(tree->levels[level], nodes, map, context);
    pthread_mutex_unlock(&tree->writer);
    return status;
}

uint64_t rotor_tree_filed_bytes(rotor_tree *tree) {
    pthread_mutex_lock(&tree->writer);
    uint64_t bytes = 0;
    for (uint32_t level = 0; level <= tree->max_depth && tree->levels[level] != NULL; level++) {
        bytes += rotor_level_filed_bytes(tree->levels[level]);
    }
    pthread_mutex_unlock(&tree->writer);
    return bytes;
}

rotor_status rotor_tree_reserve(rotor_tree *tree, uint64_t leaves) {
    pthread_mutex_lock(&tree->writer);
    rotor_status status = check_growth(tree, 0, leaves);
    if (status == ROTOR_OK) {
        status = make_room(tree, leaves);
    }
    uint64_t used = tree->folded; /* not the size: parents of later leaves have not been written yet */
    for (uint32_t level = 0; status == ROTOR_OK && leaves > 0 && level <= tree->max_depth; level++) {
        status = rotor_level_populate(tree->levels[level], used, leaves);
        used = rotor_radix_div(tree->radix, used);
        leaves = rotor_radix_div(tree->radix, leaves);
    }
    pthread_mutex_unlock(&tree->writer);
    return status;
}

void rotor_tree_set_parallel(rotor_tree *tree, uint64_t parallel_threshold, uint64_t task_nodes) {
    pthread_mutex_lock(&tree->writer);
    tree->parallel_threshold = parallel_threshold;
    tree->task_nodes = task_nodes;
    pthread_mutex_unlock(&tree->writer);
}

uint64_t rotor_tree_memory_bytes(rotor_tree *tree) {
    pthread_mutex_lock(&tree->writer);
    uint64_t bytes = 0;
    uint64_t used = tree->high_size;
    for (uint32_t level = 0; level <= tree->max_depth && tree->levels[level] != NULL; level++) {
        bytes += rotor_level_touched_bytes(tree->levels[level], used);
        used = rotor_radix_div(tree->radix, used);
    }
    pthread_mutex_unlock(&tree->writer);
    return bytes;
}
