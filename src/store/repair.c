/* Making the inner nodes of a stored tree anew from its leaves. Must not touch a leaf, the log or the superblock.
 *
 * What is rewritten is what the committed root stands for, and only once the leaves have been found to lead to that
 * root: a root that does not follow says that a leaf is bad, and then every node above it is evidence. So the leaves
 * are hashed twice, first to see whether they are right and then to write; a third time when the result is opened. */
#include "store/repair.h"

#include "base/error.h"
#include "store/check.h"
#include "store/store.h"

#include <string.h>

typedef struct rewriting {
    rotor_level_files files;
    rotor_error *error;
    rotor_progress *progress;
    void *progress_context;
} rewriting;

static rotor_status rewrite(void *context, uint32_t level, uint64_t first, uint64_t count, const rotor_hash *nodes) {
    rewriting *these = context;
    return rotor_level_files_write(&these->files, level, first, count, nodes->bytes, these->error);
}

/* Half of the bad nodes rewritten would be neither the old state nor the new, so this is not to be stopped. */
static int tell_progress(void *context, uint64_t done, uint64_t total) {
    const rewriting *these = context;
    (void)these->progress(these->progress_context, done, total);
    return 0;
}

/* Writes every bad node of the committed state. */
static rotor_status rewrite_bad_nodes(rotor_store *store, const rotor_snapshot *snapshot, rotor_progress *progress,
                                      void *context, rotor_error *error) {
    rewriting these = {.error = error, .progress = progress, .progress_context = context};
    rotor_check_report found;
    rotor_hash root;
    rotor_level_files_init(&these.files, &store->directory, store->superblock.shard_bits);
    rotor_status status = rotor_check_nodes(snapshot, store->superblock.size, &found, &root, rewrite, &these,
                                            progress != NULL ? tell_progress : NULL, &these);
    if (status == ROTOR_OK) {
        status = rotor_level_files_sync(&these.files, error);
    }
    rotor_level_files_close(&these.files);
    return status;
}

/* Judges the committed state, and rewrites its bad nodes if they are all that is wrong. */
static rotor_status repair_committed(rotor_store *store, rotor_check_report *report, rotor_progress *progress,
                                     void *context, rotor_error *error) {
    const rotor_superblock *committed = &store->superblock;
    rotor_snapshot snapshot;
    rotor_hash root;
    rotor_status status = rotor_snapshot_take(store->tree, &snapshot);
    if (status == ROTOR_OK) {
        status = rotor_check_nodes(&snapshot, committed->size, report, &root, NULL, NULL, progress, context);
    }
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, 0, "checking %s: %s", store->directory.path, rotor_status_message(status));
    }
    report->checkpointed = committed->size;
    report->root_matches = committed->size == 0 || memcmp(&root, &committed->root, sizeof root) == 0;
    if (!report->root_matches) {
        status = rotor_check_find_bad_leaves(&snapshot, committed->size, &committed->root, 0, report);
        if (status != ROTOR_OK) {
            return rotor_fail(error, status, 0, "checking %s: %s", store->directory.path, rotor_status_message(status));
        }
        return rotor_fail(
            error, ROTOR_DAMAGED, 0,
            "%s: %llu leaves from %llu on are among those that do not lead to the committed root; nothing "
            "has been changed: restore them from a backup",
            store->directory.path, (unsigned long long)report->ranges[0].count,
            (unsigned long long)report->ranges[0].first);
    }
    if (report->bad_nodes > 0) {
        status = rewrite_bad_nodes(store, &snapshot, progress, context, error);
        report->repaired = status == ROTOR_OK;
    }
    return status;
}

static rotor_status open_and_repair(const char *path, const rotor_options *options, const rotor_hasher *hasher,
                                    const rotor_os *os, rotor_check_report *report, rotor_progress *progress,
                                    void *context, rotor_error *error) {
    const rotor_store_setup setup = {.os = os, .for_repair = true};
    rotor_tree *tree = NULL;
    rotor_status status = rotor_store_open(&tree, path, options, hasher, &setup, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = repair_committed(tree->store, report, progress, context, error);
    rotor_status closed = rotor_store_close(tree->store, status == ROTOR_OK ? error : NULL);
    rotor_tree_destroy(tree);
    return status == ROTOR_OK ? closed : status;
}

rotor_status rotor_store_repair(const char *path, const rotor_options *options, const rotor_hasher *hasher,
                                const rotor_os *os, rotor_check_report *report, rotor_progress *progress, void *context,
                                rotor_error *error) {
    rotor_options own = *options;
    own.arity = 0;
    own.max_depth = 0;
    own.mode = ROTOR_OPEN_EXISTING;
    own.verify_at_open = ROTOR_VERIFY_NONE;
    own.flush_interval_ms = ROTOR_MANUAL;
    own.checkpoint_leaves = 0;
    own.checkpoint_bytes = 0;
    own.checkpoint_on_close = 0;
    memset(report, 0, sizeof *report);
    rotor_status status = open_and_repair(path, &own, hasher, os, report, progress, context, error);
    if (status != ROTOR_OK || !report->repaired) {
        return status;
    }
    /* Pages that were mapped before may show the old nodes still; what the files hold shows when they are opened. */
    const rotor_store_setup setup = {.os = os};
    rotor_tree *tree = NULL;
    own.mode = ROTOR_OPEN_READ_ONLY;
    own.verify_at_open = ROTOR_VERIFY_FULL;
    status = rotor_store_open(&tree, path, &own, hasher, &setup, error);
    if (status == ROTOR_OK) {
        status = rotor_store_close(tree->store, error);
        rotor_tree_destroy(tree);
    }
    return status;
}
