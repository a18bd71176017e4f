/* Verifying what was committed when a tree is opened. Must not change anything, nor know the log. */
#include "store/verify.h"

#include "base/error.h"
#include "hash/hash.h"
#include "store/check.h"
#include "tree/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What to do about nodes that are not what they were. */
#define NODE_ADVICE                                                                                                    \
    "rotor_check() ('rotortree check') says what is damaged, rotor_repair() ('rotortree repair') mends all but leaves"

/* Whether the nodes on the path from a leaf to the root are the hashes of their children. */
static rotor_status verify_path(rotor_store *store, const rotor_snapshot *snapshot, uint64_t index,
                                rotor_error *error) {
    rotor_radix radix = store->tree->radix;
    uint64_t length = snapshot->size;
    for (uint32_t level = 0; level < snapshot->depth; level++) {
        rotor_group group = rotor_shape_group(radix, length, index);
        rotor_hash children[ROTOR_MAX_ARITY];
        rotor_hash expected;
        rotor_hash stored;
        rotor_view_copy(snapshot, children, group.width, level, group.start);
        if (group.width == 1) {
            expected = children[0];
        } else {
            store->tree->hasher->hash_node(expected.bytes, children[0].bytes, group.width);
        }
        index = rotor_radix_div(radix, index);
        length = rotor_radix_ceil(radix, length);
        rotor_view_copy(snapshot, &stored, 1, level + 1, index);
        if (memcmp(&stored, &expected, sizeof stored) != 0) {
            char name[40];
            rotor_level_file_name(name, level + 1, index >> store->superblock.shard_bits);
            return rotor_fail(error, ROTOR_DAMAGED, 0,
                              "%.200s: node %llu of level %u (%s) is not the hash of its children: " NODE_ADVICE,
                              store->directory.path, (unsigned long long)index, level + 1, name);
        }
    }
    return ROTOR_OK;
}

/* That the edge gives the committed root, and with `paths` also where to the first and the last leaf it does not. */
static rotor_status verify_edge(rotor_store *store, bool paths, rotor_error *error) {
    rotor_snapshot snapshot;
    rotor_status status = rotor_snapshot_take(store->tree, &snapshot);
    if (status != ROTOR_OK || snapshot.size == 0) {
        return status;
    }
    if (paths) {
        status = verify_path(store, &snapshot, 0, error);
    }
    if (paths && status == ROTOR_OK) {
        status = verify_path(store, &snapshot, snapshot.size - 1, error);
    }
    if (status == ROTOR_OK && memcmp(&snapshot.edge[snapshot.depth], &store->superblock.root, ROTOR_HASH_BYTES) != 0) {
        status = rotor_fail(
            error, ROTOR_DAMAGED, 0,
            "%.200s: the level files do not lead to the root that was committed with %llu leaves: " NODE_ADVICE,
            store->directory.path, (unsigned long long)snapshot.size);
    }
    return status;
}

/* Mappings are made for proofs, which read a group here and a group there. Read from end to end like that, 427 MB that
 * were not in memory took 3.0 s, and with read-ahead 0.3 s. */
static void expect_order(rotor_store *store, bool in_order) {
    for (uint32_t level = 0; level < store->mapped_below && store->tree->levels[level] != NULL; level++) {
        rotor_level_expect_order(store->tree->levels[level], in_order);
    }
}

static rotor_status verify_all(rotor_store *store, rotor_error *error) {
    rotor_snapshot snapshot;
    rotor_hash root;
    rotor_check_report *report = calloc(1, sizeof *report);
    if (report == NULL) {
        return rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory to verify %s", store->directory.path);
    }
    rotor_status status = rotor_snapshot_take(store->tree, &snapshot);
    if (status == ROTOR_OK && snapshot.size > 0) {
        expect_order(store, true);
        status = rotor_check_nodes(&snapshot, snapshot.size, report, &root, NULL, NULL, NULL, NULL);
        expect_order(store, false);
        if (status != ROTOR_OK) {
            status =
                rotor_fail(error, status, 0, "verifying %s: %s", store->directory.path, rotor_status_message(status));
        } else if (report->bad_nodes > 0) {
            uint32_t level = 1;
            while (report->levels[level].bad == 0) {
                level++;
            }
            status = rotor_fail(error, ROTOR_DAMAGED, 0,
                                "%.200s: %llu inner nodes are not the hashes of their children, the first of level %u "
                                "is number %llu: " NODE_ADVICE,
                                store->directory.path, (unsigned long long)report->bad_nodes, level,
                                (unsigned long long)report->levels[level].first_bad);
        } else if (memcmp(&root, &store->superblock.root, sizeof root) != 0) {
            status = rotor_fail(error, ROTOR_DAMAGED, 0,
                                "%.200s: the leaves do not lead to the root that was committed with %llu of them: "
                                "rotor_check() ('rotortree check') says which, to be restored from a backup",
                                store->directory.path, (unsigned long long)snapshot.size);
        }
    }
    free(report);
    return status;
}

/* Whatever is written follows from the edge: over a bad one it would be a tree that nobody has made, and would look
 * right. So only reading, and a repair, which goes by the leaves, may do without. */
rotor_status rotor_store_verify(rotor_store *store, bool for_repair, rotor_error *error) {
    switch (store->options.verify_at_open) {
    case ROTOR_VERIFY_FULL:
        return verify_all(store, error);
    case ROTOR_VERIFY_EDGE:
        return verify_edge(store, true, error);
    default:
        return store->read_only || for_repair ? ROTOR_OK : verify_edge(store, false, error);
    }
}
