/* The public functions on trees: argument checks, defaults and the environment, then inward. */
#include "base/cpu.h"
#include "base/error.h"
#include "tree/tree.h"

#include <errno.h>
#include <stdlib.h>

#define DEFAULT_PARALLEL_THRESHOLD 1024
#define DEFAULT_TASK_NODES 8192
#define MOST_THREADS 1024

#define TEXT(x) TEXT_OF(x)
#define TEXT_OF(x) #x

const char *rotor_version(void) {
    return TEXT(ROTOR_VERSION_MAJOR) "." TEXT(ROTOR_VERSION_MINOR) "." TEXT(ROTOR_VERSION_PATCH);
}

void rotor_options_init(rotor_options *options, uint32_t arity, uint32_t max_depth) {
    if (options != NULL) {
        *options = (rotor_options){.arity = arity, .max_depth = max_depth, .hash_profile = ROTOR_HASH_BLAKE3};
    }
}

static rotor_status check_options(const rotor_options *options, rotor_error *error) {
    if (options->arity < ROTOR_MIN_ARITY || options->arity > ROTOR_MAX_ARITY) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "arity is %u, must be %d to %d", options->arity, ROTOR_MIN_ARITY,
                          ROTOR_MAX_ARITY);
    }
    if (options->max_depth < ROTOR_MIN_DEPTH || options->max_depth > ROTOR_MAX_DEPTH) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "max_depth is %u, must be %d to %d", options->max_depth,
                          ROTOR_MIN_DEPTH, ROTOR_MAX_DEPTH);
    }
    if (options->threads > MOST_THREADS) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "threads is %u, must be at most %d", options->threads, MOST_THREADS);
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

rotor_status rotor_create(rotor_tree **tree, const rotor_options *options, rotor_error *error) {
    if (tree == NULL || options == NULL) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "rotor_create was passed a null pointer");
    }
    rotor_options filled = *options;
    const rotor_hasher *hasher = NULL;
    rotor_status status = check_options(options, error);
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
    status = rotor_tree_create(tree, &filled, hasher);
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, ENOMEM, "no memory for a tree");
    }
    return ROTOR_OK;
}

void rotor_close(rotor_tree *tree) {
    if (tree != NULL) {
        rotor_tree_destroy(tree);
    }
}

rotor_status rotor_insert(rotor_tree *tree, rotor_hash *root, const rotor_hash *leaf) {
    if (tree == NULL || leaf == NULL) {
        return ROTOR_MISUSE;
    }
    return rotor_tree_append(tree, root, leaf, 1);
}

rotor_status rotor_insert_many(rotor_tree *tree, rotor_hash *root, const rotor_hash *leaves, size_t count) {
    if (tree == NULL || (leaves == NULL && count > 0)) {
        return ROTOR_MISUSE;
    }
    if (count == 0) {
        return ROTOR_EMPTY_BATCH;
    }
    return rotor_tree_append(tree, root, leaves, count);
}

rotor_status rotor_truncate(rotor_tree *tree, uint64_t size) {
    return tree != NULL ? rotor_tree_truncate(tree, size) : ROTOR_MISUSE;
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
    } while (status == ROTOR_STALE);
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
    } while (status == ROTOR_STALE);
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
    } while (status == ROTOR_STALE);
    return status;
}
