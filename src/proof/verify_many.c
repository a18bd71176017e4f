/* Checking many inclusion proofs of one tree at full vector width. Must not know of encodings.
 *
 * A batch of proofs climbs level by level. At each level there are two kinds of group: full ones, and the last one of
 * the level, which may be narrower; a path that has come into the last group of a level stays in the last groups above.
 * Full groups are laid out from the low end of the scratch memory, narrow ones from its high end downwards, so that
 * each kind lies in one piece and is hashed by one call. */
#include "proof/proof.h"

#include <stdlib.h>

/* Paths that climb together: enough to fill the vectors even where the batch splits into full and narrow groups, few
 * enough that their groups stay in the first-level cache or, for wide arities, in the second. */
#define BATCH_BYTES (32u * 1024)
#define BATCH_MOST 256u
#define BATCH_LEAST 16u

typedef struct level_shape {
    uint64_t first_leaf; /* of the level's last group */
    uint32_t last_width; /* of that group */
    size_t siblings;     /* of a path in the last group, from this level to the root */
} level_shape;

typedef struct path {
    const rotor_inclusion_proof *proof;
    rotor_status *result;
    uint64_t index;  /* of the path's node at the present level */
    size_t used;     /* siblings */
    uint32_t narrow; /* level from which on it runs in the last groups */
    uint32_t slot;   /* where its node is */
} path;

typedef struct climb {
    const rotor_hasher *hasher;
    const rotor_tree_head *head;
    rotor_radix radix;
    uint32_t depth;
    uint32_t capacity; /* paths */
    void *memory;
    uint8_t *groups;      /* capacity * arity nodes, readable ROTOR_HASH_HEADROOM before */
    rotor_hash *nodes[2]; /* capacity each: of the level below and of the level above, in turn */
    path *paths;
    level_shape levels[ROTOR_PROOF_MAX_LEVELS];
} climb;

static void shape_levels(climb *c) {
    uint64_t length = c->head->size;
    uint64_t span = 1; /* leaves below a full node of the level; at most the size, as the level lies below the root */
    for (c->depth = 0; length > 1; c->depth++) {
        level_shape *level = &c->levels[c->depth];
        rotor_group last = rotor_shape_group(c->radix, length, length - 1);
        level->first_leaf = last.start * span;
        level->last_width = last.width;
        length = rotor_radix_ceil(c->radix, length);
        if (length > 1) {
            span *= c->radix.n;
        }
    }
    size_t siblings = 0;
    for (uint32_t l = c->depth; l-- > 0;) {
        siblings += c->levels[l].last_width - 1;
        c->levels[l].siblings = siblings;
    }
}

static bool climb_init(climb *c, const rotor_hasher *hasher, const rotor_tree_head *head, size_t count) {
    c->hasher = hasher;
    c->head = head;
    c->radix = rotor_radix_of(head->arity);
    shape_levels(c);
    uint32_t capacity = BATCH_BYTES / (head->arity * ROTOR_HASH_BYTES);
    capacity = capacity > BATCH_MOST ? BATCH_MOST : capacity < BATCH_LEAST ? BATCH_LEAST : capacity;
    c->capacity = count < capacity ? (uint32_t)count : capacity;

    size_t headroom = ROTOR_HASH_BYTES; /* keeps what follows as aligned as malloc's memory */
    size_t group_bytes = (size_t)c->capacity * head->arity * ROTOR_HASH_BYTES;
    size_t node_bytes = (size_t)c->capacity * ROTOR_HASH_BYTES;
    c->memory = malloc(headroom + group_bytes + 2 * node_bytes + c->capacity * sizeof *c->paths);
    if (c->memory == NULL) {
        return false;
    }
    memset(c->memory, 0, headroom);
    c->groups = (uint8_t *)c->memory + headroom;
    c->nodes[0] = (rotor_hash *)(void *)(c->groups + group_bytes);
    c->nodes[1] = c->nodes[0] + c->capacity;
    c->paths = (path *)(void *)(c->nodes[1] + c->capacity);
    return true;
}

/* Puts the proof on the way unless its shape alone is wrong. */
static bool admit(const climb *c, path *p, const rotor_inclusion_proof *proof) {
    if (!rotor_proof_heads_equal(&proof->head, c->head) || proof->index >= c->head->size ||
        (proof->siblings == NULL && proof->sibling_count != 0)) {
        return false;
    }
    p->proof = proof;
    p->index = proof->index;
    p->used = 0;
    p->narrow = 0;
    size_t siblings = 0;
    while (p->narrow < c->depth && proof->index < c->levels[p->narrow].first_leaf) {
        p->narrow++;
        siblings += c->radix.n - 1;
    }
    siblings += p->narrow < c->depth ? c->levels[p->narrow].siblings : 0;
    return siblings == proof->sibling_count;
}

static void lay_out(path *p, uint8_t *group, uint32_t position, uint32_t width, const rotor_hash *node) {
    rotor_proof_spread(group, p->proof->siblings + p->used, width - 1, position);
    memcpy(group + ROTOR_HASH_BYTES * position, node->bytes, ROTOR_HASH_BYTES);
    p->used += width - 1;
}

/* Takes all paths one level up: their nodes are found in c->nodes[level & 1] and left in the other one. */
static void rise(climb *c, uint32_t count, uint32_t level) {
    const rotor_hash *below = c->nodes[level & 1];
    rotor_hash *above = c->nodes[(level & 1) ^ 1];
    uint32_t arity = c->radix.n;
    uint32_t last_width = c->levels[level].last_width;
    size_t last_bytes = (size_t)last_width * ROTOR_HASH_BYTES;
    uint8_t *narrow_end = c->groups + (size_t)c->capacity * arity * ROTOR_HASH_BYTES;
    uint32_t full = 0;
    uint32_t narrow = 0;
    for (uint32_t i = 0; i < count; i++) {
        path *p = &c->paths[i];
        const rotor_hash *node = &below[p->slot];
        uint64_t parent = rotor_radix_div(c->radix, p->index);
        uint32_t position = (uint32_t)(p->index - parent * arity);
        p->index = parent;
        if (level < p->narrow || last_width == arity) {
            lay_out(p, c->groups + (size_t)full * arity * ROTOR_HASH_BYTES, position, arity, node);
            p->slot = full++;
        } else {
            narrow++;
            if (last_width == 1) {
                above[c->capacity - narrow] = *node;
            } else {
                lay_out(p, narrow_end - narrow * last_bytes, position, last_width, node);
            }
            p->slot = c->capacity - narrow;
        }
    }
    if (full != 0) {
        c->hasher->hash_groups(above[0].bytes, c->groups, full, arity);
    }
    if (narrow != 0 && last_width > 1) {
        c->hasher->hash_groups(above[c->capacity - narrow].bytes, narrow_end - narrow * last_bytes, narrow, last_width);
    }
}

/* Returns whether all of the first `count` paths lead to the root. */
static bool run(climb *c, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        c->paths[i].slot = i;
        c->nodes[0][i] = c->paths[i].proof->leaf;
    }
    for (uint32_t level = 0; level < c->depth; level++) {
        rise(c, count, level);
    }
    bool all = true;
    for (uint32_t i = 0; i < count; i++) {
        const path *p = &c->paths[i];
        bool valid = rotor_proof_hashes_equal(&c->nodes[c->depth & 1][p->slot], &c->head->root);
        *p->result = valid ? ROTOR_OK : ROTOR_INVALID_PROOF;
        all = all && valid;
    }
    return all;
}

/* For a head that no proof can be valid against. */
static rotor_status refuse_all(rotor_status *results, const rotor_inclusion_proof *proofs, size_t count,
                               const rotor_tree_head *trusted) {
    for (size_t i = 0; i < count; i++) {
        results[i] = rotor_inclusion_verify(&proofs[i], trusted, NULL);
    }
    return ROTOR_INVALID_PROOF;
}

rotor_status rotor_inclusion_verify_many(rotor_status *results, const rotor_inclusion_proof *proofs, size_t count,
                                         const rotor_tree_head *trusted) {
    if (trusted == NULL || (count != 0 && (results == NULL || proofs == NULL))) {
        return ROTOR_MISUSE;
    }
    if (count == 0) {
        return ROTOR_OK;
    }
    const rotor_hasher *hasher;
    if (!rotor_proof_head_valid(trusted) || rotor_hasher_find(&hasher, trusted->hash_profile, NULL) != ROTOR_OK) {
        return refuse_all(results, proofs, count, trusted);
    }
    climb c;
    if (!climb_init(&c, hasher, trusted, count)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    bool all = true;
    uint32_t waiting = 0;
    for (size_t i = 0; i < count; i++) {
        if (!admit(&c, &c.paths[waiting], &proofs[i])) {
            results[i] = ROTOR_INVALID_PROOF;
            all = false;
            continue;
        }
        c.paths[waiting++].result = &results[i];
        if (waiting == c.capacity) {
            all = run(&c, waiting) && all;
            waiting = 0;
        }
    }
    all = run(&c, waiting) && all;
    free(c.memory);
    return all ? ROTOR_OK : ROTOR_INVALID_PROOF;
}
