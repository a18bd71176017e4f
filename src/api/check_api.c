/* The public functions that check and repair. */
#include "base/cpu.h"
#include "base/error.h"
#include "store/check.h"
#include "store/repair.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#define REPAIR_PARALLEL_THRESHOLD 1024
#define REPAIR_TASK_NODES 8192

/* What of the present tree was committed, with its root; size 0: nothing, or nothing that the tree still has. */
typedef struct commitment {
    uint64_t size;
    rotor_hash root;
} commitment;

/* Takes a snapshot and what is committed at the same moment. */
static rotor_status take_present(rotor_tree *tree, rotor_snapshot *snapshot, commitment *committed) {
    committed->size = 0;
    rotor_store *store = tree->store;
    if (store == NULL) {
        return rotor_snapshot_take(tree, snapshot);
    }
    pthread_mutex_lock(&store->mutex); /* commits and truncations hold it while they change this */
    rotor_status status = rotor_snapshot_take(tree, snapshot);
    uint64_t size = store->superblock.size;
    bool cut = (store->cut_pending && store->cut_size < size) || (store->barrier && store->barrier_size < size);
    if (!cut && size <= snapshot->size) {
        committed->size = size;
        committed->root = store->superblock.root;
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

static bool is_root(const rotor_hash *root, const rotor_hash *expected) {
    return memcmp(root->bytes, expected->bytes, ROTOR_HASH_BYTES) == 0;
}

/* Sets report->root_matches; `root` is that of all leaves of the snapshot, recomputed. */
static rotor_status compare_committed(const rotor_snapshot *snapshot, const commitment *committed,
                                      const rotor_hash *root, rotor_check_report *report, rotor_progress *progress,
                                      void *context) {
    rotor_status status = ROTOR_OK;
    rotor_hash found = *root;
    if (committed->size < snapshot->size && report->bad_nodes == 0) {
        /* All complete nodes have just been found to be right, and an older root follows from them. */
        rotor_snapshot past;
        status = rotor_snapshot_at(snapshot, &past, committed->size);
        if (status == ROTOR_OK) {
            found = past.edge[past.depth];
        }
    } else if (committed->size < snapshot->size) {
        rotor_check_report again = {.size = 0};
        status = rotor_check_nodes(snapshot, committed->size, &again, &found, NULL, NULL, progress, context);
    }
    report->root_matches = is_root(&found, &committed->root);
    return status;
}

static rotor_status check(const rotor_snapshot *snapshot, const commitment *committed, rotor_check_report *report,
                          rotor_progress *progress, void *context) {
    rotor_hash root;
    rotor_status status = rotor_check_nodes(snapshot, snapshot->size, report, &root, NULL, NULL, progress, context);
    if (status != ROTOR_OK) {
        return status;
    }
    const rotor_hash *present = &snapshot->edge[snapshot->depth];
    bool present_matches = snapshot->size == 0 || is_root(&root, present);
    report->checkpointed = committed->size;
    report->root_matches = present_matches;
    if (committed->size > 0) {
        status = compare_committed(snapshot, committed, &root, report, progress, context);
    }
    if (status == ROTOR_OK && committed->size > 0 && !report->root_matches) {
        status = rotor_check_find_bad_leaves(snapshot, committed->size, &committed->root, 0, report);
    } else if (status == ROTOR_OK && !present_matches && committed->size < snapshot->size) {
        /* The present root is as good as the memory that it was computed in; the committed leaves are right. */
        status = rotor_check_find_bad_leaves(snapshot, snapshot->size, present, committed->size, report);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    return report->bad_nodes == 0 && report->root_matches && present_matches ? ROTOR_OK : ROTOR_DAMAGED;
}

rotor_status rotor_check(rotor_tree *tree, rotor_check_report *report, rotor_progress *progress, void *context) {
    if (tree == NULL || report == NULL) {
        return ROTOR_MISUSE;
    }
    rotor_snapshot snapshot;
    commitment committed;
    rotor_check_report found = {.size = 0};
    rotor_status status = take_present(tree, &snapshot, &committed);
    if (status == ROTOR_OK) {
        status = check(&snapshot, &committed, &found, progress, context);
    }
    if (status == ROTOR_OK || status == ROTOR_DAMAGED) {
        *report = found;
    }
    return status;
}

rotor_status rotor_repair(const char *path, rotor_check_report *report, rotor_progress *progress, void *context,
                          rotor_error *error) {
    if (path == NULL || report == NULL) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "rotor_repair was passed a null pointer");
    }
    rotor_options options;
    rotor_options_init(&options, 0, 0);
    options.threads = rotor_cpu_count();
    options.parallel_threshold = REPAIR_PARALLEL_THRESHOLD;
    options.task_nodes = REPAIR_TASK_NODES;
    const rotor_hasher *hasher = NULL;
    const char *kernel = getenv("ROTORTREE_KERNEL");
    rotor_status status = rotor_hasher_find(&hasher, options.hash_profile, kernel);
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, 0,
                          "environment variable ROTORTREE_KERNEL names \"%.60s\", which is not a kernel that this "
                          "processor can run",
                          kernel != NULL ? kernel : "");
    }
    rotor_check_report found = {.size = 0};
    status = rotor_store_repair(path, &options, hasher, NULL, &found, progress, context, error);
    if (status == ROTOR_OK || status == ROTOR_DAMAGED) {
        *report = found;
    }
    return status;
}
