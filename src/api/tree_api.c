/* The public functions on trees: argument checks, defaults and the environment, then inward. */
#include "base/cpu.h"
#include "base/error.h"
#include "store/store.h"
#include "tree/tree.h"

#include <errno.h>
#include <stdlib.h>

#define DEFAULT_PARALLEL_THRESHOLD 1024
#define DEFAULT_TASK_NODES 8192
#define MOST_THREADS 1024
#define DEFAULT_FLUSH_INTERVAL_MS 10
#define DEFAULT_CHECKPOINT_BYTES ((uint64_t)256 << 20)
#define DEFAULT_FILE_MODE 0644

#define TEXT(x) TEXT_OF(x)
#define TEXT_OF(x) #x

const char *rotor_version(void) {
    return TEXT(ROTOR_VERSION_MAJOR) "." TEXT(ROTOR_VERSION_MINOR) "." TEXT(ROTOR_VERSION_PATCH);
}

void rotor_options_init(rotor_options *options, uint32_t arity, uint32_t max_depth) {
    if (options != NULL) {
        *options = (rotor_options){.arity = arity,
                                   .max_depth = max_depth,
                                   .hash_profile = ROTOR_HASH_BLAKE3,
                                   .verify_at_open = ROTOR_VERIFY_EDGE,
                                   .flush_interval_ms = DEFAULT_FLUSH_INTERVAL_MS,
                                   .checkpoint_bytes = DEFAULT_CHECKPOINT_BYTES,
                                   .checkpoint_on_close = 1,
                                   .pin_above_level = ROTOR_MAX_DEPTH + 1,
                                   .file_mode = DEFAULT_FILE_MODE};
    }
}

/* `stored`: the tree may be there already, and 0 then means what it has. */
static rotor_status check_options(const rotor_options *options, bool stored, rotor_error *error) {
    if ((options->arity < ROTOR_MIN_ARITY && !(stored && options->arity == 0)) || options->arity > ROTOR_MAX_ARITY) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "arity is %u, must be %d to %d", options->arity, ROTOR_MIN_ARITY,
                          ROTOR_MAX_ARITY);
    }
    if ((options->max_depth < ROTOR_MIN_DEPTH && !(stored && options->max_depth == 0)) ||
        options->max_depth > ROTOR_MAX_DEPTH) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "max_depth is %u, must be %d to %d", options->max_depth,
                          ROTOR_MIN_DEPTH, ROTOR_MAX_DEPTH);
    }
    if (options->threads > MOST_THREADS) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "threads is %u, must be at most %d", options->threads, MOST_THREADS);
    }
    if (!stored) {
        return ROTOR_OK;
    }
    if (options->mode > ROTOR_OPEN_READ_ONLY) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "mode is %u, which is not a rotor_open_mode", options->mode);
    }
    if (options->verify_at_open > ROTOR_VERIFY_FULL) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "verify_at_open is %u, which is not a rotor_verify",
                          options->verify_at_open);
    }
    if (options->flush_interval_ms == 0) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "flush_interval_ms is 0, must be at least 1, or ROTOR_MANUAL");
    }
    if ((options->file_mode & ~0777u) != 0 || (options->file_mode & 0600u) != 0600u) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "file_mode is 0%o, must be 0600 to 0777, with both bits of 0600",
                          options->file_mode);
    }
    return ROTOR_OK;
}

/* The threshold of the environment, or the built-in one where the variable is not set. */
static rotor_status default_threshold(uint64_t *threshold, rotor_error *error) {
    const char *name = "ROTORTREE_PARALLEL_THRESHOLD";
    const char *text = getenv(name);
    *threshold = DEFAULT_PARALLEL_THRESHOLD;
    if (text == NULL) {
        return ROTOR_OK;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value == 0) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "environment variable %s is \"%.60s\", must be a number from 1 up",
                          name, text);
    }
    *threshold = value;
    return ROTOR_OK;
}

static rotor_status find_hasher(const rotor_hasher **hasher, const rotor_options *options, rotor_error *error) {
    const char *kernel = options->kernel;
    const char *origin = "option kernel";
    if (kernel == NULL) {
        kernel = getenv("ROTORTREE_KERNEL");
        origin = "environment variable ROTORTREE_KERNEL";
    }
    rotor_status status = rotor_hasher_find(hasher, options->hash_profile, NULL);
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, 0, "hash profile %u is not one of this build", options->hash_profile);
    }
    if (kernel == NULL) {
        return ROTOR_OK;
    }
    status = rotor_hasher_find(hasher, options->hash_profile, kernel);
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, 0, "%s names \"%.60s\", which is not a kernel that this processor can run",
                          origin, kernel);
    }
    return ROTOR_OK;
}

rotor_status rotor_open(rotor_tree **tree, const char *path, const rotor_options *options, rotor_error *error) {
    if (tree == NULL || options == NULL) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "rotor_open was passed a null pointer");
    }
    rotor_options filled = *options;
    const rotor_hasher *hasher = NULL;
    rotor_status status = check_options(options, path != NULL, error);
    if (status == ROTOR_OK && filled.parallel_threshold == 0) {
        status = default_threshold(&filled.parallel_threshold, error);
    }
    if (status == ROTOR_OK) {
        status = find_hasher(&hasher, options, error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    if (filled.threads == 0) {
        filled.threads = rotor_cpu_count();
    }
    if (filled.task_nodes == 0) {
        filled.task_nodes = DEFAULT_TASK_NODES;
    }
    if (path != NULL) {
        return rotor_store_open(tree, path, &filled, hasher, NULL, error);
    }
    status = rotor_tree_create(tree, &filled, hasher);
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, ENOMEM, "no memory for a tree");
    }
    return ROTOR_OK;
}

rotor_status rotor_close(rotor_tree *tree, rotor_error *error) {
    if (tree == NULL) {
        return ROTOR_OK;
    }
    rotor_status status = tree->store != NULL ? rotor_store_close(tree->store, error) : ROTOR_OK;
    rotor_tree_destroy(tree);
    return status;
}

/* The common way in for leaves. A tree in memory has no store to ask. */
static rotor_status append(rotor_tree *tree, rotor_hash *root, rotor_token *token, const rotor_hash *leaves,
                           uint64_t count) {
    if (tree->store == NULL) {
        return rotor_tree_append(tree, root, token, leaves, count);
    }
    rotor_status status = rotor_store_before_append(tree->store);
    if (status == ROTOR_OK) {
        status = rotor_tree_append(tree, root, token, leaves, count);
    }
    if (status == ROTOR_OK) {
        rotor_store_appended(tree->store);
    }
    return status;
}

rotor_status rotor_insert(rotor_tree *tree, rotor_hash *root, rotor_token *token, const rotor_hash *leaf) {
    if (tree == NULL || leaf == NULL) {
        return ROTOR_MISUSE;
    }
    return append(tree, root, token, leaf, 1);
}

rotor_status rotor_insert_many(rotor_tree *tree, rotor_hash *root, rotor_token *token, const rotor_hash *leaves,
                               size_t count) {
    if (tree == NULL || (leaves == NULL && count > 0)) {
        return ROTOR_MISUSE;
    }
    if (count == 0) {
        return ROTOR_EMPTY_BATCH;
    }
    return append(tree, root, token, leaves, count);
}

rotor_status rotor_insert_durable(rotor_tree *tree, rotor_hash *root, const rotor_hash *leaves, size_t count) {
    rotor_token token;
    rotor_hash new_root;
    rotor_status status = rotor_insert_many(tree, root != NULL ? &new_root : NULL, &token, leaves, count);
    if (status == ROTOR_OK) {
        status = rotor_wait(tree, &token, ROTOR_FOREVER);
    }
    if (status == ROTOR_OK && root != NULL) {
        *root = new_root;
    }
    return status;
}

rotor_status rotor_truncate(rotor_tree *tree, rotor_token *token, uint64_t size) {
    if (tree == NULL) {
        return ROTOR_MISUSE;
    }
    return tree->store != NULL ? rotor_store_truncate(tree->store, token, size)
                               : rotor_tree_truncate(tree, token, size, false);
}

rotor_status rotor_reserve(rotor_tree *tree, uint64_t leaves) {
    return tree != NULL ? rotor_tree_reserve(tree, leaves) : ROTOR_MISUSE;
}

rotor_status rotor_set_parallel(rotor_tree *tree, uint64_t parallel_threshold, uint64_t task_nodes) {
    if (tree == NULL) {
        return ROTOR_MISUSE;
    }
    if (parallel_threshold == 0) {
        rotor_status status = default_threshold(&parallel_threshold, NULL);
        if (status != ROTOR_OK) {
            return status;
        }
    }
    rotor_tree_set_parallel(tree, parallel_threshold, task_nodes != 0 ? task_nodes : DEFAULT_TASK_NODES);
    return ROTOR_OK;
}

uint32_t rotor_arity(const rotor_tree *tree) {
    return tree != NULL ? tree->radix.n : 0;
}

uint32_t rotor_max_depth(const rotor_tree *tree) {
    return tree != NULL ? tree->max_depth : 0;
}

const char *rotor_kernel(const rotor_tree *tree) {
    return tree != NULL ? tree->hasher->kernel : "";
}

uint64_t rotor_size(const rotor_tree *tree) {
    return tree != NULL ? atomic_load_explicit(&tree->accepted, memory_order_acquire) : 0;
}

uint32_t rotor_depth(const rotor_tree *tree) {
    return tree != NULL ? rotor_shape_depth(tree->radix, rotor_size(tree)) : 0;
}

uint64_t rotor_memory_bytes(rotor_tree *tree) {
    return tree != NULL ? rotor_tree_memory_bytes(tree) : 0;
}

/* Whether another try may succeed. A tree that another process has truncated stays stale. */
static bool is_cut_meanwhile(const rotor_tree *tree, rotor_status status) {
    return status == ROTOR_STALE && !rotor_tree_is_cut_elsewhere(tree);
}

rotor_status rotor_head(rotor_tree *tree, rotor_tree_head *head) {
    if (tree == NULL || head == NULL) {
        return ROTOR_MISUSE;
    }
    rotor_snapshot snapshot;
    rotor_status status;
    do {
        status = rotor_snapshot_take(tree, &snapshot);
        if (status == ROTOR_OK) {
            status = rotor_snapshot_head(&snapshot, head);
        }
    } while (is_cut_meanwhile(tree, status));
    return status;
}

rotor_status rotor_root(rotor_tree *tree, rotor_hash *root) {
    if (root == NULL) {
        return ROTOR_MISUSE;
    }
    rotor_tree_head head;
    rotor_status status = rotor_head(tree, &head);
    if (status == ROTOR_OK) {
        *root = head.root;
    }
    return status;
}

rotor_status rotor_node(rotor_tree *tree, rotor_hash *node, uint32_t level, uint64_t index) {
    if (tree == NULL || node == NULL) {
        return ROTOR_MISUSE;
    }
    rotor_snapshot snapshot;
    rotor_hash copied;
    rotor_status status;
    do {
        status = rotor_snapshot_take(tree, &snapshot);
        if (status == ROTOR_OK) {
            status = rotor_snapshot_nodes(&snapshot, &copied, 1, level, index);
        }
    } while (is_cut_meanwhile(tree, status));
    if (status == ROTOR_OK) {
        *node = copied;
    }
    return status;
}

rotor_status rotor_level_length(rotor_tree *tree, uint64_t *length, uint32_t level) {
    if (tree == NULL || length == NULL) {
        return ROTOR_MISUSE;
    }
    rotor_snapshot snapshot;
    rotor_status status;
    do {
        status = rotor_snapshot_take(tree, &snapshot);
        if (status == ROTOR_OK) {
            status = rotor_snapshot_level_length(&snapshot, length, level);
        }
    } while (is_cut_meanwhile(tree, status));
    return status;
}
