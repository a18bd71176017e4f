/* The public functions that concern durability. A tree in memory has nothing to wait for. */
#include "base/error.h"
#include "store/backup.h"
#include "store/store.h"
#include "tree/tree.h"

rotor_status rotor_wait(rotor_tree *tree, const rotor_token *token, uint64_t timeout_ms) {
    if (tree == NULL || token == NULL || !rotor_tree_has_been_at(tree, token)) {
        return ROTOR_MISUSE;
    }
    return tree->store != NULL ? rotor_store_wait(tree->store, token, timeout_ms) : ROTOR_OK;
}

rotor_status rotor_token_status(rotor_tree *tree, const rotor_token *token) {
    if (tree == NULL || token == NULL || !rotor_tree_has_been_at(tree, token)) {
        return ROTOR_MISUSE;
    }
    return tree->store != NULL ? rotor_store_token_status(tree->store, token) : ROTOR_OK;
}

rotor_status rotor_flush(rotor_tree *tree) {
    if (tree == NULL) {
        return ROTOR_MISUSE;
    }
    return tree->store != NULL ? rotor_store_flush(tree->store) : ROTOR_OK;
}

rotor_status rotor_checkpoint(rotor_tree *tree) {
    if (tree == NULL) {
        return ROTOR_MISUSE;
    }
    return tree->store != NULL ? rotor_store_checkpoint(tree->store) : ROTOR_OK;
}

rotor_status rotor_checkpoint_start(rotor_tree *tree) {
    if (tree == NULL) {
        return ROTOR_MISUSE;
    }
    return tree->store != NULL ? rotor_store_checkpoint_start(tree->store) : ROTOR_OK;
}

rotor_status rotor_checkpoint_wait(rotor_tree *tree, uint64_t timeout_ms) {
    if (tree == NULL) {
        return ROTOR_MISUSE;
    }
    return tree->store != NULL ? rotor_store_checkpoint_wait(tree->store, timeout_ms) : ROTOR_OK;
}

rotor_status rotor_failure(rotor_tree *tree, rotor_error *error) {
    if (tree == NULL) {
        return ROTOR_MISUSE;
    }
    return tree->store != NULL ? rotor_store_failure(tree->store, error) : ROTOR_OK;
}

rotor_status rotor_stat(rotor_tree *tree, rotor_statistics *statistics) {
    if (tree == NULL || statistics == NULL) {
        return ROTOR_MISUSE;
    }
    *statistics = (rotor_statistics){.size = rotor_size(tree), .memory_bytes = rotor_tree_memory_bytes(tree)};
    statistics->depth = rotor_shape_depth(tree->radix, statistics->size);
    if (tree->store != NULL) {
        rotor_store_statistics(tree->store, statistics);
    }
    return ROTOR_OK;
}

rotor_status rotor_backup(rotor_tree *tree, const char *destination, rotor_progress *progress, void *context,
                          rotor_error *error) {
    if (tree == NULL || destination == NULL) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "rotor_backup was passed a null pointer");
    }
    if (tree->store == NULL) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "a tree in memory has no files to back up");
    }
    return rotor_store_backup(tree->store, destination, progress, context, error);
}
