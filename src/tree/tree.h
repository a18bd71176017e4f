/* The tree in memory: what it is made of, and the operations that change it. Pure memory, deterministic; knows no
 * files, no proofs and no environment.
 *
 * The writer's fields are protected by `writer`. Readers use `published`, `accepted`, the constants, and, for nodes
 * that a snapshot covers, the levels: what they reach there was written before the state that they read was published.
 *
 *   accepted   leaves stored
 *   folded     leaves whose complete ancestors are stored as well; the leaves from there on wait for a root to be asked
 * for rooted     leaves that edge[] and the published state stand for
 *
 *   rooted <= accepted, folded <= accepted
 *
 * A tree that is kept on disk has a store (src/store), which this layer does not know: it has a pointer to carry, a
 * status with which to refuse changes, and a call to make at the next append. */
#ifndef ROTOR_TREE_TREE_H
#define ROTOR_TREE_TREE_H

#include "base/pool.h"
#include "hash/hash.h"
#include "rotortree.h"
#include "tree/level.h"
#include "tree/publish.h"
#include "tree/shape.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* The unit of building: `nodes` siblings-aligned nodes of one level and all that becomes complete in the `levels`
 * levels above them. */
typedef struct rotor_block_shape {
    uint64_t nodes;
    uint64_t at_once; /* leaves of a batch without a root from which on their parents do not wait for a whole block */
    uint32_t levels;
} rotor_block_shape;

struct rotor_tree {
    /* Constant. */
    const rotor_hasher *hasher;
    rotor_radix radix;
    uint32_t max_depth;
    uint32_t threads;
    uint64_t depth_limit; /* leaves that max_depth allows */
    uint64_t max_leaves;
    rotor_block_shape block;
    size_t reservation_bytes; /* address space to ask for at level 0; less above */
    bool verify_proofs;
    struct rotor_store *store; /* what keeps the tree on disk; NULL in memory */
    /* Of a tree that is read while another process may write it: where that process counts its truncations, as
     * little-endian bytes, and the count that this tree was read under. NULL otherwise. */
    const _Atomic uint64_t *watched[2];
    uint64_t watched_value;

    _Atomic uint64_t accepted;
    rotor_published published;

    /* The writer's. */
    pthread_mutex_t writer;
    rotor_status refusal;            /* of every change; ROTOR_OK */
    void (*appended)(void *context); /* called once, at the end of the next append, and then forgotten; or NULL */
    void *appended_context;
    pthread_mutex_t turn;     /* held by a reader that waits for the writer's lock: writers queue behind it */
    _Atomic uint32_t waiting; /* readers that want or hold `turn` */
    rotor_level *levels[ROTOR_MAX_DEPTH + 1]; /* complete nodes; created from level 0 up as they get any */
    uint64_t size;                            /* = accepted */
    uint64_t folded;
    uint64_t rooted;
    /* A run: leaves that can be appended one by one without a root and without looking at anything else. Bound to
     * their indices, so that a run that is out of date can be too long, but never leads to another leaf's place. */
    uint64_t run_first;
    uint64_t run_count; /* 0: there is none */
    uint8_t *run_base;  /* the place of leaf run_first */
    uint64_t room;      /* leaves that fit in committed memory */
    uint64_t epoch;     /* truncations so far */
    uint64_t high_size; /* largest size so far */
    uint32_t depth;     /* at `rooted` */
    rotor_hash edge[ROTOR_MAX_DEPTH + 1];
    rotor_path_step edge_steps[ROTOR_MAX_DEPTH]; /* from each level's last node to the next level's */
    uint64_t edge_step_nodes[ROTOR_MAX_DEPTH];   /* index of the node that the step leads to */
    uint64_t parallel_threshold;
    uint64_t task_nodes;
    rotor_pool *pool; /* NULL until a batch needs it */
    bool pool_failed; /* no threads were to be had; batches stay on the caller's */
};

/* `options` has been checked and its defaults are filled in. */
rotor_status rotor_tree_create(rotor_tree **tree, const rotor_options *options, const rotor_hasher *hasher);
void rotor_tree_destroy(rotor_tree *tree);

/* As the public functions of similar names; they take the writer's lock. */
rotor_status rotor_tree_append(rotor_tree *tree, rotor_hash *root, rotor_token *token, const rotor_hash *leaves,
                               uint64_t count);
/* `prove`: ROTOR_DAMAGED, and nothing done, unless the nodes that the new root is made of lead to the present one. They
 * may be in files, and what is made of them is taken for the truth from then on. */
rotor_status rotor_tree_truncate(rotor_tree *tree, rotor_token *token, uint64_t size, bool prove);
rotor_status rotor_tree_reserve(rotor_tree *tree, uint64_t leaves);
void rotor_tree_set_parallel(rotor_tree *tree, uint64_t parallel_threshold, uint64_t task_nodes);
uint64_t rotor_tree_memory_bytes(rotor_tree *tree);

/* Whether the tree has gone through this moment. Lock-free. */
bool rotor_tree_has_been_at(const rotor_tree *tree, const rotor_token *moment);

/* Whether the process that writes the files of this tree has truncated it since: it says so before it overwrites
 * anything. To follow an acquire fence. */
bool rotor_tree_is_cut_elsewhere(const rotor_tree *tree);

/* Refuses all changes from now on. */
void rotor_tree_refuse(rotor_tree *tree, rotor_status refusal);

/* Has `appended` called at the end of the next append, under the writer's lock, unless there are more than `size`
 * leaves already or somebody has that lock: then returns false and forgets it. */
bool rotor_tree_notify(rotor_tree *tree, uint64_t size, void (*appended)(void *context), void *context);

/* Gives an empty tree memory for `size` leaves and the complete nodes above them. Levels below `filed_levels` leave
 * room for pages of files, as rotor_level_commit_filed(). The caller then fills all complete nodes in and ends with
 * rotor_tree_adopt(), which computes the edge and shows the tree. No other thread may know the tree yet. */
rotor_status rotor_tree_prepare(rotor_tree *tree, uint64_t size, uint32_t filed_levels);
void rotor_tree_adopt(rotor_tree *tree, uint64_t size);

/* Memory in one piece for the leaves first..first+count-1, which the tree does not have yet; NULL when it may not have
 * them or there is none. Whatever is put there has no meaning before rotor_tree_take() has accepted `count` leaves from
 * where the tree ends, which were put to their places; their parents are hashed many at a time. No other thread may
 * know the tree yet. */
uint8_t *rotor_tree_place(rotor_tree *tree, uint64_t first, uint64_t count);
void rotor_tree_take(rotor_tree *tree, uint64_t count);

/* The threads that build the tree, started if need be; NULL when the caller's is the only one. The writer only. */
rotor_pool *rotor_tree_pool(rotor_tree *tree);

/* rotor_level_map() under the writer's lock. */
rotor_status rotor_tree_map(rotor_tree *tree, uint32_t level, uint64_t nodes, rotor_level_mapper *map, void *context);

/* Bytes of nodes in pages of files. */
uint64_t rotor_tree_filed_bytes(rotor_tree *tree);

/* Brings the published state up to the accepted leaves. */
void rotor_tree_publish_accepted(rotor_tree *tree);

#endif
