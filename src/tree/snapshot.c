/* Reading a tree at one size. Must not take the writer's lock, except to have pending leaves hashed, nor know proofs.
 */
#include "tree/nodes.h"
#include "tree/tree.h"
#include "tree/view.h"

#include <string.h>

rotor_radix rotor_view_radix(const rotor_snapshot *snapshot) {
    return snapshot->tree->radix;
}

const rotor_hasher *rotor_view_hasher(const rotor_snapshot *snapshot) {
    return snapshot->tree->hasher;
}

/* Index of the last node of a level, 0..depth. */
static uint64_t last_index(const rotor_snapshot *snapshot, uint32_t level) {
    rotor_radix radix = snapshot->tree->radix;
    uint64_t index = snapshot->size - 1;
    if (radix.shift != 0) {
        uint32_t bits = radix.shift * level;
        return bits < 64 ? index >> bits : 0;
    }
    for (; level > 0; level--) {
        index /= radix.n;
    }
    return index;
}

void rotor_view_copy(const rotor_snapshot *snapshot, rotor_hash *nodes, uint64_t count, uint32_t level,
                     uint64_t first) {
    if (count > 0 && first + count - 1 == last_index(snapshot, level)) {
        count--;
        nodes[count] = snapshot->edge[level];
    }
    while (count > 0) {
        uint64_t run;
        const uint8_t *source = rotor_level_run(snapshot->tree->levels[level], first, count, &run);
        rotor_nodes_load(nodes, source, run);
        first += run;
        nodes += run;
        count -= run;
    }
}

const uint8_t *rotor_view_locate(const rotor_snapshot *snapshot, uint32_t level, const rotor_group *group) {
    const size_t line = 64;
    const size_t most = 16 * line; /* processors see by then where this leads */
    const uint8_t *source = rotor_level_at(snapshot->tree->levels[level], group->start);
    size_t bytes = (size_t)group->width * ROTOR_HASH_BYTES;
    for (size_t offset = 0; offset < bytes && offset < most; offset += line) {
        __builtin_prefetch(source + offset);
    }
    return source;
}

void rotor_view_ask_for_path(const rotor_snapshot *snapshot, uint64_t size, uint64_t index) {
    rotor_radix radix = snapshot->tree->radix;
    uint32_t level = 0;
    for (uint64_t length = size; length > 1; length = rotor_radix_ceil(radix, length)) {
        rotor_group group = rotor_shape_group(radix, length, index);
        if (group.width > 1) {
            (void)rotor_view_locate(snapshot, level, &group);
        }
        index = rotor_radix_div(radix, index);
        level++;
    }
}

void rotor_view_siblings(const rotor_snapshot *snapshot, rotor_hash *siblings, const uint8_t *source, uint32_t level,
                         uint64_t length, const rotor_group *group) {
    uint32_t others = group->width - 1;
    /* The last node of the level is the snapshot's own. */
    if (others > 0 && group->start + group->width == length && group->position != others) {
        others--;
        siblings[others] = snapshot->edge[level];
    }
    /* Without a branch on the position, which no predictor can guess. */
    for (uint32_t i = 0; i < others; i++) {
        uint32_t member = i + (i >= group->position ? 1 : 0);
        rotor_nodes_load(siblings + i, source + (size_t)member * ROTOR_HASH_BYTES, 1);
    }
}

static void read_published(const rotor_tree *tree, rotor_snapshot *snapshot) {
    snapshot->tree = tree;
    snapshot->reserved = 0;
    rotor_published_read(&tree->published, snapshot);
}

rotor_status rotor_snapshot_take(rotor_tree *tree, rotor_snapshot *snapshot) {
    if (tree == NULL || snapshot == NULL) {
        return ROTOR_MISUSE;
    }
    uint64_t accepted = atomic_load_explicit(&tree->accepted, memory_order_acquire);
    read_published(tree, snapshot);
    if (snapshot->size < accepted) {
        rotor_tree_publish_accepted(tree);
        read_published(tree, snapshot);
    }
    return ROTOR_OK;
}

rotor_status rotor_snapshot_take_latest(const rotor_tree *tree, rotor_snapshot *snapshot) {
    if (tree == NULL || snapshot == NULL) {
        return ROTOR_MISUSE;
    }
    read_published(tree, snapshot);
    return ROTOR_OK;
}

bool rotor_tree_is_cut_elsewhere(const rotor_tree *tree) {
    for (int slot = 0; slot < 2; slot++) {
        if (tree->watched[slot] != NULL &&
            atomic_load_explicit(tree->watched[slot], memory_order_acquire) != tree->watched_value) {
            return true;
        }
    }
    return false;
}

rotor_status rotor_snapshot_check(const rotor_snapshot *snapshot) {
    if (snapshot == NULL || snapshot->tree == NULL) {
        return ROTOR_MISUSE;
    }
    bool cut = rotor_published_is_cut(&snapshot->tree->published, snapshot->epoch, snapshot->size);
    return cut || rotor_tree_is_cut_elsewhere(snapshot->tree) ? ROTOR_STALE : ROTOR_OK;
}

rotor_status rotor_snapshot_head(const rotor_snapshot *snapshot, rotor_tree_head *head) {
    if (head == NULL) {
        return ROTOR_MISUSE;
    }
    rotor_status status = rotor_snapshot_check(snapshot);
    if (status != ROTOR_OK) {
        return status;
    }
    if (snapshot->size == 0) {
        return ROTOR_EMPTY_TREE;
    }
    head->root = snapshot->edge[snapshot->depth];
    head->size = snapshot->size;
    head->arity = snapshot->tree->radix.n;
    head->hash_profile = snapshot->tree->hasher->profile;
    return ROTOR_OK;
}

rotor_status rotor_snapshot_level_length(const rotor_snapshot *snapshot, uint64_t *length, uint32_t level) {
    if (length == NULL) {
        return ROTOR_MISUSE;
    }
    rotor_status status = rotor_snapshot_check(snapshot);
    if (status != ROTOR_OK) {
        return status;
    }
    if (snapshot->size == 0 || level > snapshot->depth) {
        return ROTOR_OUT_OF_RANGE;
    }
    *length = last_index(snapshot, level) + 1;
    return ROTOR_OK;
}

rotor_status rotor_snapshot_nodes(const rotor_snapshot *snapshot, rotor_hash *nodes, size_t count, uint32_t level,
                                  uint64_t first) {
    if (nodes == NULL) {
        return ROTOR_MISUSE;
    }
    uint64_t length;
    rotor_status status = rotor_snapshot_level_length(snapshot, &length, level);
    if (status != ROTOR_OK) {
        return status;
    }
    if (first > length || count > length - first) {
        return ROTOR_OUT_OF_RANGE;
    }
    rotor_view_copy(snapshot, nodes, count, level, first);
    return rotor_snapshot_check(snapshot);
}

/* Computes edge and depth of a smaller size from nodes that are complete at that size; the chain is that of
 * rotor_edge_update(). */
static void compute_past_edge(const rotor_snapshot *snapshot, rotor_snapshot *past) {
    rotor_radix radix = snapshot->tree->radix;
    rotor_hash children[ROTOR_MAX_ARITY];
    uint64_t length = past->size;
    uint32_t level = 0;
    bool complete = true;
    rotor_view_ask_for_path(snapshot, length, length - 1);
    rotor_view_copy(snapshot, &past->edge[0], 1, 0, length - 1);
    for (; length > 1; level++) {
        uint64_t parent = rotor_radix_div(radix, length - 1);
        uint32_t width = (uint32_t)(length - parent * radix.n);
        complete = complete && width == radix.n;
        if (complete) {
            rotor_view_copy(snapshot, &past->edge[level + 1], 1, level + 1, parent);
        } else if (width == 1) {
            past->edge[level + 1] = past->edge[level];
        } else {
            rotor_view_copy(snapshot, children, width - 1, level, parent * radix.n);
            children[width - 1] = past->edge[level];
            snapshot->tree->hasher->hash_node(past->edge[level + 1].bytes, children[0].bytes, width);
        }
        length = parent + 1;
    }
    past->depth = level;
}

static bool is_stored(const rotor_snapshot *snapshot, const rotor_hash *node, uint32_t level, uint64_t index) {
    rotor_hash stored;
    rotor_nodes_load(&stored, rotor_level_at(snapshot->tree->levels[level], index), 1);
    return memcmp(&stored, node, sizeof stored) == 0;
}

/* Every node that the past edge is made of is on the way from its last leaf to its root, or left of that way in the
 * same group, so it is also an input of the hashes that lead from that leaf to the snapshot's root. */
bool rotor_view_prove_past(const rotor_snapshot *snapshot, rotor_snapshot *past, bool as_stored) {
    rotor_radix radix = snapshot->tree->radix;
    const rotor_hasher *hasher = snapshot->tree->hasher;
    rotor_hash members[ROTOR_MAX_ARITY];
    uint64_t index = past->size - 1; /* of the last node in the past, level by level */
    uint64_t length = snapshot->size;
    uint32_t level = 0;
    bool complete = true;
    bool sound = true;
    rotor_view_ask_for_path(snapshot, length, index);
    rotor_view_copy(snapshot, &past->edge[0], 1, 0, index);
    rotor_hash present = past->edge[0];
    past->depth = 0;
    for (; length > 1; level++) {
        uint64_t parent = rotor_radix_div(radix, index);
        uint64_t start = parent * radix.n;
        uint32_t width = length - start < radix.n ? (uint32_t)(length - start) : radix.n;
        uint32_t past_width = (uint32_t)(index + 1 - start);
        rotor_view_copy(snapshot, members, width, level, start);
        complete = complete && past_width == radix.n;
        if (index > 0 && !complete) {
            rotor_hash *above = &past->edge[level + 1];
            members[past_width - 1] = past->edge[level];
            if (past_width > 1) {
                hasher->hash_node(above->bytes, members[0].bytes, past_width);
            } else {
                *above = past->edge[level];
            }
        }
        members[past_width - 1] = present;
        if (width > 1) {
            hasher->hash_node(present.bytes, members[0].bytes, width);
        }
        if (index > 0 && complete) {
            past->edge[level + 1] = present;
            sound = sound && (!as_stored || is_stored(snapshot, &present, level + 1, parent));
        }
        past->depth += index > 0;
        index = parent;
        length = rotor_radix_ceil(radix, length);
    }
    return sound && memcmp(&present, &snapshot->edge[snapshot->depth], sizeof present) == 0;
}

static size_t used_edge_bytes(const rotor_snapshot *snapshot) {
    return snapshot->size > 0 ? ((size_t)snapshot->depth + 1) * sizeof(rotor_hash) : 0;
}

static rotor_status snapshot_at(const rotor_snapshot *snapshot, rotor_snapshot *past, uint64_t size, bool may_prove) {
    rotor_status status = rotor_snapshot_check(snapshot);
    if (status != ROTOR_OK) {
        return status;
    }
    if (size > snapshot->size) {
        return ROTOR_OUT_OF_RANGE;
    }
    rotor_snapshot computed;
    computed.tree = snapshot->tree;
    computed.size = size;
    computed.epoch = snapshot->epoch;
    computed.depth = 0;
    computed.reserved = 0;
    bool proven = true;
    if (size == snapshot->size) {
        computed.depth = snapshot->depth;
        memcpy(computed.edge, snapshot->edge, used_edge_bytes(snapshot));
    } else if (size > 0 && may_prove && snapshot->tree->verify_proofs) {
        proven = rotor_view_prove_past(snapshot, &computed, false);
    } else if (size > 0) {
        compute_past_edge(snapshot, &computed);
    }
    status = rotor_snapshot_check(snapshot);
    status = status == ROTOR_OK && !proven ? ROTOR_DAMAGED : status;
    if (status == ROTOR_OK) {
        memcpy(past, &computed, offsetof(rotor_snapshot, edge));
        memcpy(past->edge, computed.edge, used_edge_bytes(&computed));
    }
    return status;
}

rotor_status rotor_snapshot_at(const rotor_snapshot *snapshot, rotor_snapshot *past, uint64_t size) {
    return past != NULL ? snapshot_at(snapshot, past, size, true) : ROTOR_MISUSE;
}

rotor_status rotor_view_past(const rotor_snapshot *snapshot, rotor_snapshot *past, uint64_t size) {
    return snapshot_at(snapshot, past, size, false);
}
