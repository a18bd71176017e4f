/* Finding the leaves that do not lead to a trusted root. Must not know files, nor why the root is trusted.
 *
 * A group of stored nodes that hashes to a node which is right is right itself; so one walks from the root down, and
 * where a group of leaves does not hash to the node above it, one of its leaves is bad. Inner nodes may be bad, too: a
 * group that does not fit is tried again with some of its members replaced by what follows from the leaves below them.
 * A member that then is right because it follows from its leaves needs no further walk.
 *
 * Where no choice of members fits, nothing below is certain any more. Members that agree with their leaves are then
 * taken to be right, as two errors do not cancel each other by chance, and the others are searched as if what is stored
 * were right.
 *
 * Depth first, so that the memory is a few groups for each level. */
#include "store/check.h"

#include "tree/nodes.h"
#include "tree/tree.h"
#include "tree/view.h"

#include <stdlib.h>
#include <string.h>

/* Groups hashed at a time: a vector of the widest kernels. */
#define CHUNK_GROUPS 16
/* Members of a group that are tried both ways: 2^10 hashes at most. */
#define MOST_DOUBTFUL 10

/* Buffers for one level's nodes; all but the last two are in use only while one of them is searched. */
typedef struct shelf {
    rotor_hash *children;    /* CHUNK_GROUPS groups of the level below, as stored */
    rotor_hash *from_leaves; /* one of these groups as it follows from the leaves */
    rotor_hash *below;       /* one group of the level below, on the way from the leaves up */
    /* The complete members of the level's unfinished node, as stored and as they follow from the leaves, with room for
     * the unfinished member. */
    rotor_hash *members;
    rotor_hash *members_from_leaves;
} shelf;

typedef struct search {
    const rotor_tree *tree;
    rotor_radix radix;
    uint64_t size;
    uint64_t proven;
    rotor_check_report *report;
    uint64_t range_end; /* of the last range entered */
    uint32_t depth;
    uint64_t complete[ROTOR_MAX_DEPTH + 1];    /* nodes of each level */
    uint64_t span[ROTOR_MAX_DEPTH + 1];        /* leaves of such a node; 0 where there is none */
    rotor_snapshot stored;                     /* at `size`: unfinished nodes by what is stored */
    rotor_hash leaf_edge[ROTOR_MAX_DEPTH + 1]; /* unfinished nodes by what follows from the leaves */
    rotor_hash *memory;
    rotor_hash *trial; /* one group */
    shelf shelves[ROTOR_MAX_DEPTH + 1];
} search;

static bool same(const rotor_hash *a, const rotor_hash *b) {
    return memcmp(a->bytes, b->bytes, ROTOR_HASH_BYTES) == 0;
}

/* ---------------------------------------------------------------- the report */

/* Ranges come in rising order. */
static void enter_range(search *s, uint64_t first, uint64_t end) {
    rotor_check_report *report = s->report;
    first = first > s->proven ? first : s->proven;
    if (first >= end) {
        return;
    }
    report->bad_leaves += end - first;
    if (report->bad_ranges == 0 || first != s->range_end) {
        report->bad_ranges++;
        if (report->bad_ranges <= ROTOR_REPORT_RANGES) {
            report->ranges[report->bad_ranges - 1].first = first;
        }
    }
    if (report->bad_ranges <= ROTOR_REPORT_RANGES) {
        report->ranges[report->bad_ranges - 1].count = end - report->ranges[report->bad_ranges - 1].first;
    }
    s->range_end = end;
}

/* ---------------------------------------------------------------- nodes as stored, and as they follow from leaves */

static void load(const search *s, rotor_hash *nodes, uint32_t level, uint64_t first, uint64_t count) {
    while (count > 0) {
        uint64_t run;
        const uint8_t *source = rotor_level_run(s->tree->levels[level], first, count, &run);
        rotor_nodes_load(nodes, source, run);
        first += run;
        nodes += run;
        count -= run;
    }
}

static void hash_group(const search *s, rotor_hash *node, const rotor_hash *members, uint32_t width) {
    if (width == 1) {
        *node = members[0];
    } else {
        s->tree->hasher->hash_node(node->bytes, members[0].bytes, width);
    }
}

/* Hashes the stored groups below `count` nodes, CHUNK_GROUPS at most, of a level. */
static void hash_stored_groups(const search *s, rotor_hash *nodes, uint32_t level, uint64_t first, uint64_t count) {
    rotor_hash *children = s->shelves[level].children;
    load(s, children, level - 1, first * s->radix.n, count * s->radix.n);
    s->tree->hasher->hash_groups(nodes->bytes, children->bytes, (size_t)count, s->radix.n);
}

/* Computes complete nodes from their leaves. */
static void climb(const search *s, rotor_hash *nodes, uint32_t level, uint64_t first, uint64_t count) {
    if (level == 0) {
        load(s, nodes, 0, first, count);
    } else if (level == 1) {
        for (uint64_t i = 0; i < count; i += CHUNK_GROUPS) {
            hash_stored_groups(s, nodes + i, 1, first + i, count - i < CHUNK_GROUPS ? count - i : CHUNK_GROUPS);
        }
    } else {
        rotor_hash *below = s->shelves[level].below;
        for (uint64_t i = 0; i < count; i++) {
            climb(s, below, level - 1, (first + i) * s->radix.n, s->radix.n);
            hash_group(s, &nodes[i], below, s->radix.n);
        }
    }
}

/* Members of the unfinished node of a level that are complete. */
static uint32_t complete_members(const search *s, uint32_t level) {
    return rotor_radix_mod(s->radix, s->complete[level - 1]);
}

static bool has_unfinished(const search *s, uint32_t level) {
    return s->span[level] == 0 || s->complete[level] * s->span[level] < s->size;
}

/* Fills in the members of all unfinished nodes: hashes all leaves. */
static void take_edge(search *s) {
    for (uint32_t level = 1; level <= s->depth; level++) {
        if (has_unfinished(s, level)) {
            const shelf *own = &s->shelves[level];
            uint32_t width = complete_members(s, level);
            uint64_t first = s->complete[level] * s->radix.n;
            load(s, own->members, level - 1, first, width);
            climb(s, own->members_from_leaves, level - 1, first, width);
            if (has_unfinished(s, level - 1)) {
                own->members[width] = s->stored.edge[level - 1];
                own->members_from_leaves[width] = s->leaf_edge[level - 1];
                width++;
            }
            hash_group(s, &s->leaf_edge[level], own->members_from_leaves, width);
        }
    }
}

/* ---------------------------------------------------------------- the walk */

/* Looks for a choice between `stored` and `other` for each member with which the group hashes to `node`. On success
 * stored[] is that choice. */
static bool find_members(const search *s, const rotor_hash *node, rotor_hash *stored, const rotor_hash *other,
                         uint32_t width) {
    uint32_t doubtful[MOST_DOUBTFUL];
    uint32_t count = 0;
    for (uint32_t i = 0; i < width; i++) {
        if (!same(&stored[i], &other[i])) {
            if (count == MOST_DOUBTFUL) {
                return false;
            }
            doubtful[count++] = i;
        }
    }
    for (uint32_t choice = 0; choice < UINT32_C(1) << count; choice++) {
        rotor_hash hash;
        memcpy(s->trial, stored, width * sizeof *stored);
        for (uint32_t k = 0; k < count; k++) {
            if ((choice >> k & 1) != 0) {
                s->trial[doubtful[k]] = other[doubtful[k]];
            }
        }
        hash_group(s, &hash, s->trial, width);
        if (same(&hash, node)) {
            memcpy(stored, s->trial, width * sizeof *stored);
            return true;
        }
    }
    return false;
}

static void walk(search *s, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes, bool right);

/* The stored `members` of a complete node of level 2 or higher do not hash to it. */
static void mend(search *s, uint32_t level, uint64_t index, const rotor_hash *node, rotor_hash *members, bool right) {
    rotor_hash *from_leaves = s->shelves[level].from_leaves;
    uint64_t first = index * s->radix.n;
    climb(s, from_leaves, level - 1, first, s->radix.n);
    bool found = find_members(s, node, members, from_leaves, s->radix.n);
    uint64_t bad_before = s->report->bad_leaves;
    for (uint32_t i = 0; i < s->radix.n; i++) {
        if (!same(&members[i], &from_leaves[i])) {
            walk(s, level - 1, first + i, 1, &members[i], found && right);
        }
    }
    if (!found && right && s->report->bad_leaves == bad_before) {
        enter_range(s, index * s->span[level], (index + 1) * s->span[level]);
    }
}

/* Complete nodes of level 1 or higher, one group at most. `right`: they are known to lead to the root; else they are
 * what is stored. */
static void walk(search *s, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes, bool right) {
    uint32_t arity = s->radix.n;
    for (uint64_t done = 0; done < count; done += CHUNK_GROUPS) {
        rotor_hash hashes[CHUNK_GROUPS];
        uint64_t chunk = count - done < CHUNK_GROUPS ? count - done : CHUNK_GROUPS;
        hash_stored_groups(s, hashes, level, first + done, chunk);
        for (uint64_t i = 0; i < chunk; i++) {
            uint64_t index = first + done + i;
            rotor_hash *members = s->shelves[level].children + i * arity;
            if ((index + 1) * s->span[level] <= s->proven) {
                continue;
            }
            if (!same(&hashes[i], &nodes[done + i])) {
                if (level == 1) {
                    enter_range(s, index * arity, (index + 1) * arity);
                } else {
                    mend(s, level, index, &nodes[done + i], members, right);
                }
            } else if (level > 1) {
                walk(s, level - 1, index * arity, arity, members, right);
            }
        }
    }
}

/* ---------------------------------------------------------------- the unfinished nodes */

/* The complete members of the unfinished node of a level, as far as they are not known to follow from their leaves. */
static void walk_members(search *s, uint32_t level, bool right) {
    const shelf *own = &s->shelves[level];
    uint32_t complete = complete_members(s, level);
    for (uint32_t i = 0; i < complete; i++) {
        if (!same(&own->members[i], &own->members_from_leaves[i])) {
            walk(s, level - 1, s->complete[level] * s->radix.n + i, 1, &own->members[i], right);
        }
    }
}

/* Whether the unfinished nodes lead to the root with the members of which bit k of `choice` says that the k-th doubtful
 * one follows from the leaves. */
static bool edge_leads_to(const search *s, const rotor_hash *root, uint32_t choice) {
    rotor_hash node = {{0}};
    for (uint32_t level = 1; level <= s->depth; level++) {
        if (!has_unfinished(s, level)) {
            continue;
        }
        const shelf *own = &s->shelves[level];
        uint32_t width = complete_members(s, level);
        for (uint32_t i = 0; i < width; i++) {
            s->trial[i] = own->members[i];
            if (!same(&own->members[i], &own->members_from_leaves[i])) {
                s->trial[i] = (choice & 1) != 0 ? own->members_from_leaves[i] : own->members[i];
                choice >>= 1;
            }
        }
        if (has_unfinished(s, level - 1)) {
            s->trial[width++] = node;
        }
        hash_group(s, &node, s->trial, width);
    }
    return same(&node, root);
}

/* Replaces the members that such a choice replaces. */
static void choose_members(search *s, uint32_t choice) {
    for (uint32_t level = 1; level <= s->depth; level++) {
        const shelf *own = &s->shelves[level];
        uint32_t width = has_unfinished(s, level) ? complete_members(s, level) : 0;
        for (uint32_t i = 0; i < width; i++) {
            if (!same(&own->members[i], &own->members_from_leaves[i])) {
                own->members[i] = (choice & 1) != 0 ? own->members_from_leaves[i] : own->members[i];
                choice >>= 1;
            }
        }
    }
}

/* Looks for a choice of all members of unfinished nodes with which they lead to the root. */
static bool find_edge(search *s, const rotor_hash *root) {
    uint32_t doubtful = 0;
    for (uint32_t level = 1; level <= s->depth; level++) {
        const shelf *own = &s->shelves[level];
        uint32_t width = has_unfinished(s, level) ? complete_members(s, level) : 0;
        for (uint32_t i = 0; i < width; i++) {
            doubtful += !same(&own->members[i], &own->members_from_leaves[i]);
        }
    }
    if (doubtful > MOST_DOUBTFUL) {
        return false;
    }
    for (uint32_t choice = 0; choice < UINT32_C(1) << doubtful; choice++) {
        if (edge_leads_to(s, root, choice)) {
            choose_members(s, choice);
            return true;
        }
    }
    return false;
}

/* The unfinished node of a level and those below, without a choice that fits as a whole. `node` is right; NULL: nobody
 * knows it. The snapshot's own unfinished nodes may be from before anything was damaged. */
static void walk_unfinished(search *s, uint32_t level, const rotor_hash *node) {
    const shelf *own = &s->shelves[level];
    uint32_t complete = complete_members(s, level);
    bool unfinished = has_unfinished(s, level - 1);
    uint32_t width = complete + (unfinished ? 1 : 0);
    bool found = node != NULL && find_members(s, node, own->members, own->members_from_leaves, width);
    if (!found && node != NULL && width == 1 && level > 1) {
        own->members[0] = *node; /* lifted: it is known what it should be */
        found = true;
    }
    if (level == 1) {
        if (!found) {
            enter_range(s, s->complete[1] * s->radix.n, s->size);
        }
        return;
    }
    walk_members(s, level, found);
    if (unfinished && !found) {
        walk_unfinished(s, level - 1, NULL);
    } else if (unfinished && !same(&own->members[complete], &own->members_from_leaves[complete])) {
        walk_unfinished(s, level - 1, &own->members[complete]);
    }
}

/* ---------------------------------------------------------------- beginning and end */

static bool allocate_shelves(search *s) {
    uint64_t n = s->radix.n;
    uint64_t chunk = CHUNK_GROUPS * n;
    uint64_t lead = 2; /* kernels read a little before the first child */
    uint64_t each = lead + chunk + 4 * n;
    s->memory = calloc((size_t)(each * s->depth + n), sizeof *s->memory);
    if (s->memory == NULL) {
        return false;
    }
    rotor_hash *next = s->memory;
    for (uint32_t level = 1; level <= s->depth; level++, next += each) {
        shelf *own = &s->shelves[level];
        own->children = next + lead;
        own->from_leaves = own->children + chunk;
        own->below = own->from_leaves + n;
        own->members = own->below + n;
        own->members_from_leaves = own->members + n;
    }
    s->trial = next;
    return true;
}

/* Without a root: a complete node that fits what is stored below it is taken to be right, as two errors do not agree by
 * chance. Above one that does not fit there is nothing to ask, unless it is on level 2 or higher and follows from its
 * children once they follow from their leaves: then it is bad itself. */
static void search_unrooted(search *s) {
    rotor_hash top;
    if (!has_unfinished(s, s->depth)) {
        load(s, &top, s->depth, 0, 1);
        walk(s, s->depth, 0, 1, &top, false);
        return;
    }
    take_edge(s);
    for (uint32_t level = s->depth; level > 0 && has_unfinished(s, level); level--) {
        walk_members(s, level, false);
    }
}

static void search_tree(search *s, const rotor_hash *root) {
    if (s->depth == 0) {
        return;
    }
    if (root == NULL) {
        search_unrooted(s);
        return;
    }
    if (!has_unfinished(s, s->depth)) {
        walk(s, s->depth, 0, 1, root, true);
        return;
    }
    take_edge(s);
    if (!find_edge(s, root)) {
        walk_unfinished(s, s->depth, root);
        return;
    }
    for (uint32_t level = s->depth; level > 0 && has_unfinished(s, level); level--) {
        walk_members(s, level, true);
    }
}

rotor_status rotor_check_find_bad_leaves(const rotor_snapshot *snapshot, uint64_t size, const rotor_hash *root,
                                         uint64_t proven, rotor_check_report *report) {
    report->bad_leaves = 0;
    report->bad_ranges = 0;
    search *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return ROTOR_OUT_OF_MEMORY;
    }
    s->tree = snapshot->tree;
    s->radix = snapshot->tree->radix;
    s->size = size;
    s->proven = proven;
    s->report = report;
    rotor_status status = rotor_view_past(snapshot, &s->stored, size);
    if (status == ROTOR_OK && size > 0) {
        s->depth = s->stored.depth;
        uint64_t span = 1;
        for (uint32_t level = 0; level <= s->depth; level++) {
            s->complete[level] = size / span;
            s->span[level] = span;
            if (size / span < s->radix.n) {
                break;
            }
            span *= s->radix.n;
        }
        if (s->depth > 0 && !allocate_shelves(s)) {
            status = ROTOR_OUT_OF_MEMORY;
        } else {
            search_tree(s, root);
            if (report->bad_leaves == 0 && root != NULL) {
                enter_range(s, 0, size);
            }
            status = rotor_snapshot_check(snapshot);
        }
    }
    free(s->memory);
    free(s);
    return status;
}
