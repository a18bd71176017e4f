/* The public functions that check and repair. */
#include "base/cpu.h"
#include "base/error.h"
#include "store/check.h"
#include "store/repair.h"
#include "store/store.h"
#include "tree/view.h"

#include <stdlib.h>
#include <string.h>

#define REPAIR_PARALLEL_THRESHOLD 1024
#define REPAIR_TASK_NODES 8192

/* What of the present tree is in level files, and what is known of it: their nodes are as they were stored, or damaged,
 * while the nodes that are in memory only have been computed, from these among others. */
typedef struct commitment {
    uint64_t stored; /* leaves whose complete nodes are in level files; 0: none, as of a tree in memory */
    uint64_t size; /* the same, if there is a root for it; 0: nothing, or not all of what it stands for is there yet */
    rotor_hash root;
} commitment;

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Takes a snapshot and what is committed at the same moment. */
static rotor_status take_present(rotor_tree *tree, rotor_snapshot *snapshot, commitment *committed) {
    memset(committed, 0, sizeof *committed);
    rotor_store *store = tree->store;
    if (store == NULL) {
        return rotor_snapshot_take(tree, snapshot);
    }
    pthread_mutex_lock(&store->mutex); /* commits and truncations hold it while they change this */
    rotor_status status = rotor_snapshot_take(tree, snapshot);
    uint64_t stored = smaller(store->superblock.size, snapshot->size);
    stored = store->cut_pending ? smaller(store->cut_size, stored) : stored;
    stored = store->barrier ? smaller(store->barrier_size, stored) : stored;
    committed->stored = stored;
    if (stored == store->superblock.size) {
        committed->size = stored;
        committed->root = store->superblock.root;
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

static bool is_root(const rotor_hash *root, const rotor_hash *expected) {
    return memcmp(root->bytes, expected->bytes, ROTOR_HASH_BYTES) == 0;
}

/* Recomputes what is in level files by itself. */
static rotor_status check_stored(const rotor_snapshot *snapshot, const commitment *committed, rotor_check_report *found,
                                 rotor_hash *root, rotor_progress *progress, void *context) {
    if (found->bad_nodes > 0) {
        return rotor_check_nodes(snapshot, committed->stored, found, root, NULL, NULL, progress, context);
    }
    /* All complete nodes have just been found to be right, and an older root follows from them. */
    rotor_snapshot past;
    rotor_status status = rotor_view_past(snapshot, &past, committed->stored);
    if (status == ROTOR_OK && committed->stored > 0) {
        *root = past.edge[past.depth];
    }
    return status;
}

/* Enters what is bad of the nodes in level files in the place of what is bad of all. */
static void report_stored(rotor_check_report *report, const rotor_check_report *stored) {
    report->bad_nodes = stored->bad_nodes;
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level++) {
        report->levels[level].bad = stored->levels[level].bad;
        report->levels[level].first_bad = stored->levels[level].first_bad;
    }
}

/* What is stored is judged first, by the committed root. Only if nothing of it is bad can what has been computed from
 * it say anything: a replay of the log over a bad node hands the damage on to nodes and to a root that nobody stored,
 * and that accuse leaves which are right. */
static rotor_status check(const rotor_snapshot *snapshot, const commitment *committed, rotor_check_report *report,
                          rotor_progress *progress, void *context) {
    rotor_hash root;
    rotor_status status = rotor_check_nodes(snapshot, snapshot->size, report, &root, NULL, NULL, progress, context);
    if (status != ROTOR_OK) {
        return status;
    }
    rotor_check_report stored = *report;
    rotor_hash stored_root = root;
    if (committed->stored < snapshot->size) {
        status = check_stored(snapshot, committed, &stored, &stored_root, progress, context);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    const rotor_hash *present = &snapshot->edge[snapshot->depth];
    bool matches = committed->size == 0 || is_root(&stored_root, &committed->root);
    bool stored_is_bad = committed->stored > 0 && (stored.bad_nodes > 0 || !matches);
    bool present_matches = stored_is_bad || snapshot->size == 0 || is_root(&root, present);
    report->checkpointed = committed->size;
    report->root_matches = committed->size > 0 ? matches : present_matches;
    if (stored_is_bad) {
        report_stored(report, &stored);
    }
    if (!matches) {
        status = rotor_check_find_bad_leaves(snapshot, committed->size, &committed->root, 0, report);
    } else if (stored_is_bad && committed->size == 0) {
        status = rotor_check_find_bad_leaves(snapshot, committed->stored, NULL, 0, report);
        report->root_matches = status == ROTOR_OK && report->bad_leaves == 0;
    } else if (!present_matches) {
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
