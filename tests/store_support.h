/* What the tests of durable trees share: a folder of their own, directories as values (read, written, compared), and a
 * tree on disk beside a model of what it must hold. Knows how a store is opened with small files; nothing of formats.
 */
#ifndef ROTOR_TESTS_STORE_SUPPORT_H
#define ROTOR_TESTS_STORE_SUPPORT_H

#include "scratch.h"
#include "support.h"

#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- folders */

#define FOLDER_PATH 400

/* Not on a disk where that can be helped: nothing here depends on what a sync does, and a disk takes most of the time.
 */
static inline void folder_make(char path[FOLDER_PATH]) {
    scratch_make(path, FOLDER_PATH, NULL);
}

/* Removes all files of a directory that are no directories. */
static inline void folder_clear(const char *path) {
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        (void)unlinkat(dirfd(directory), entry->d_name, 0);
    }
    (void)closedir(directory);
}

static inline void folder_remove(const char *path) {
    folder_clear(path);
    (void)rmdir(path);
}

/* ---------------------------------------------------------------- directories as values */

#define IMAGE_FILES 64

typedef struct image_file {
    char name[64];
    uint8_t *bytes;
    size_t count;
} image_file;

typedef struct image {
    size_t count;
    image_file files[IMAGE_FILES]; /* by name */
} image;

static inline void image_free(image *whole) {
    for (size_t i = 0; i < whole->count; i++) {
        free(whole->files[i].bytes);
    }
    whole->count = 0;
}

static inline image_file *image_find(image *whole, const char *name) {
    for (size_t i = 0; i < whole->count; i++) {
        if (strcmp(whole->files[i].name, name) == 0) {
            return &whole->files[i];
        }
    }
    return NULL;
}

static inline bool file_read_at(int folder, image_file *file) {
    struct stat facts;
    int handle = openat(folder, file->name, O_RDONLY | O_CLOEXEC);
    if (handle < 0 || fstat(handle, &facts) != 0) {
        return false;
    }
    file->count = (size_t)facts.st_size;
    file->bytes = test_alloc(file->count, 1);
    bool whole = pread(handle, file->bytes, file->count, 0) == (ssize_t)file->count;
    (void)close(handle);
    return whole;
}

static inline int image_order(const void *a, const void *b) {
    return strcmp(((const image_file *)a)->name, ((const image_file *)b)->name);
}

static inline void image_read(image *whole, const char *path) {
    whole->count = 0;
    DIR *directory = opendir(path);
    expect(directory != NULL, "%s: %s", path, strerror(errno));
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        expect(whole->count < IMAGE_FILES, "%s has too many files for the test", path);
        image_file *file = &whole->files[whole->count++];
        (void)snprintf(file->name, sizeof file->name, "%.63s", entry->d_name);
        expect(file_read_at(dirfd(directory), file), "%s/%s", path, file->name);
    }
    (void)closedir(directory);
    qsort(whole->files, whole->count, sizeof whole->files[0], image_order);
}

static inline void file_write(const char *path, const char *name, const void *bytes, size_t count) {
    char full[FOLDER_PATH + 150];
    (void)snprintf(full, sizeof full, "%s/%s", path, name);
    int handle = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    expect(handle >= 0, "%s: %s", full, strerror(errno));
    expect(write(handle, bytes, count) == (ssize_t)count, "%s: %s", full, strerror(errno));
    (void)close(handle);
}

/* Changes bytes of a file that is there. */
static inline void file_patch(const char *path, const char *name, const void *bytes, size_t count, size_t offset) {
    char full[FOLDER_PATH + 150];
    (void)snprintf(full, sizeof full, "%s/%s", path, name);
    int handle = open(full, O_WRONLY | O_CLOEXEC);
    expect(handle >= 0, "%s: %s", full, strerror(errno));
    expect(pwrite(handle, bytes, count, (off_t)offset) == (ssize_t)count, "%s: %s", full, strerror(errno));
    (void)close(handle);
}

static inline bool file_exists(const char *path, const char *name) {
    char full[FOLDER_PATH + 150];
    (void)snprintf(full, sizeof full, "%s/%s", path, name);
    return access(full, F_OK) == 0;
}

static inline void file_unlink(const char *path, const char *name) {
    char full[FOLDER_PATH + 150];
    (void)snprintf(full, sizeof full, "%s/%s", path, name);
    expect(unlink(full) == 0, "%s: %s", full, strerror(errno));
}

/* Makes the directory hold exactly these files. */
static inline void image_write(const image *whole, const char *path) {
    expect(mkdir(path, 0755) == 0 || errno == EEXIST, "%s: %s", path, strerror(errno));
    folder_clear(path);
    for (size_t i = 0; i < whole->count; i++) {
        file_write(path, whole->files[i].name, whole->files[i].bytes, whole->files[i].count);
    }
}

/* Whether two directories are equal byte for byte, but for files of the name `except`. */
static inline bool image_equal(image *a, image *b, const char *except) {
    size_t compared = 0;
    for (size_t i = 0; i < a->count; i++) {
        const image_file *other = image_find(b, a->files[i].name);
        if (strcmp(a->files[i].name, except) == 0) {
            continue;
        }
        if (other == NULL || other->count != a->files[i].count ||
            memcmp(other->bytes, a->files[i].bytes, other->count) != 0) {
            return false;
        }
        compared++;
    }
    return compared == b->count - (image_find(b, except) != NULL ? 1 : 0);
}

static inline void image_copy(image *copy, const image *whole) {
    copy->count = whole->count;
    for (size_t i = 0; i < whole->count; i++) {
        copy->files[i] = whole->files[i];
        copy->files[i].bytes = test_alloc(whole->files[i].count, 1);
        memcpy(copy->files[i].bytes, whole->files[i].bytes, whole->files[i].count);
    }
}

static inline void folder_copy(const char *to, const char *from) {
    image whole;
    image_read(&whole, from);
    image_write(&whole, to);
    image_free(&whole);
}

/* ---------------------------------------------------------------- models that are cut */

/* The model as if the leaves from `size` on had never been appended. */
static inline void model_tree_cut(model_tree *model, uint64_t size) {
    for (size_t i = 0; i < MODEL_VIEWS; i++) {
        if (model->views[i].size > size) {
            model_view_free(&model->views[i]);
        }
    }
    model->count = size;
}

/* ---------------------------------------------------------------- a tree on disk and its model */

typedef struct store_scene {
    char folder[FOLDER_PATH];    /* of the test */
    char path[FOLDER_PATH + 40]; /* of the tree, in it */
    rotor_options options;
    rotor_store_setup setup; /* all zeros: as rotor_open() does */
    rotor_tree *tree;
    model_tree model;
    uint64_t seed;
    uint64_t drawn; /* leaves so far; none comes twice */
} store_scene;

/* Nothing happens but what the test calls for; shards of one page, extents from 8 leaves on, segments of a page. */
static inline void store_begin(store_scene *s, uint64_t seed, uint32_t arity) {
    memset(s, 0, sizeof *s);
    folder_make(s->folder);
    (void)snprintf(s->path, sizeof s->path, "%s/tree", s->folder);
    rotor_options_init(&s->options, arity, 32);
    s->options.threads = 1;
    s->options.flush_interval_ms = ROTOR_MANUAL;
    s->options.checkpoint_bytes = 0;
    s->options.checkpoint_on_close = 0;
    s->setup = (rotor_store_setup){.shard_bits = 7, .extent_leaves = 8, .segment_bytes = 4096};
    s->seed = test_seed(seed);
    model_tree_init(&s->model, arity);
}

/* Opens any directory by options that are filled in here. */
static inline rotor_status store_open_at(rotor_tree **tree, const char *path, const rotor_options *options,
                                         const rotor_store_setup *setup, rotor_error *error) {
    rotor_options filled = *options;
    const rotor_hasher *hasher = NULL;
    filled.threads = filled.threads != 0 ? filled.threads : 1;
    filled.parallel_threshold = filled.parallel_threshold != 0 ? filled.parallel_threshold : 1024;
    filled.task_nodes = filled.task_nodes != 0 ? filled.task_nodes : 8192;
    expect_ok(rotor_hasher_find(&hasher, options->hash_profile, getenv("ROTORTREE_KERNEL")), "kernel");
    return rotor_store_open(tree, path, &filled, hasher, setup, error);
}

static inline rotor_status store_try_open(store_scene *s, rotor_error *error) {
    bool plain = s->setup.shard_bits == 0 && s->setup.extent_leaves == 0 && s->setup.segment_bytes == 0;
    return plain ? rotor_open(&s->tree, s->path, &s->options, error)
                 : store_open_at(&s->tree, s->path, &s->options, &s->setup, error);
}

static inline void store_open(store_scene *s) {
    rotor_error error = {0};
    rotor_status status = store_try_open(s, &error);
    if (status != ROTOR_OK) {
        s->tree = NULL;
        fail_msg("open: %s: %s", rotor_status_name(status), error.message);
    }
}

static inline void store_close(store_scene *s) {
    rotor_error error = {0};
    rotor_tree *tree = s->tree;
    s->tree = NULL;
    rotor_status status = rotor_close(tree, &error);
    if (status != ROTOR_OK) {
        fail_msg("close: %s: %s", rotor_status_name(status), error.message);
    }
}

static inline void store_end(store_scene *s) {
    if (s->tree != NULL) {
        store_close(s);
    }
    model_tree_free(&s->model);
    folder_remove(s->path);
    folder_remove(s->folder);
}

/* Appends new leaves to the tree and to the model. */
static inline rotor_token store_insert(store_scene *s, uint64_t count) {
    rotor_token token = {0, 0};
    if (count == 0) {
        return token;
    }
    rotor_hash *leaves = test_alloc((size_t)count, sizeof *leaves);
    for (uint64_t i = 0; i < count; i++) {
        leaves[i] = test_random_leaf(s->seed, s->drawn++);
        model_tree_append(&s->model, &leaves[i]);
    }
    expect_ok(rotor_insert_many(s->tree, NULL, &token, leaves, (size_t)count), "seed %" PRIu64, s->seed);
    free(leaves);
    return token;
}

static inline rotor_token store_truncate(store_scene *s, uint64_t size) {
    rotor_token token = {0, 0};
    expect_ok(rotor_truncate(s->tree, &token, size), "to %" PRIu64, size);
    model_tree_cut(&s->model, size);
    return token;
}

static inline rotor_statistics store_statistics(const store_scene *s) {
    rotor_statistics statistics;
    expect_ok(rotor_stat(s->tree, &statistics), "statistics");
    return statistics;
}

/* Size and root. */
static inline void store_expect_root(const store_scene *s, rotor_tree *tree, const char *what) {
    model_tree *model = (model_tree *)(uintptr_t)&s->model; /* it keeps what it has computed */
    uint64_t size = model->count;
    rotor_tree_head head;
    expect(rotor_size(tree) == size, "%s: size %" PRIu64 ", not %" PRIu64, what, rotor_size(tree), size);
    if (size == 0) {
        expect_status(rotor_head(tree, &head), ROTOR_EMPTY_TREE, "%s", what);
        return;
    }
    expect_ok(rotor_head(tree, &head), "%s", what);
    rotor_tree_head wanted = model_tree_head(model, size);
    expect(model_heads_equal(&head, &wanted), "%s: size %" PRIu64 ": another root", what, size);
}

/* Proofs of about `count` leaves and from about as many older sizes, each equal to the model's. */
static inline void store_expect_proofs(const store_scene *s, rotor_tree *tree, uint64_t count, const char *what) {
    model_tree *model = (model_tree *)(uintptr_t)&s->model;
    uint64_t size = model->count;
    uint64_t step = size > count ? size / count : 1;
    rotor_snapshot snapshot;
    rotor_inclusion_proof got = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof grown = ROTOR_CONSISTENCY_PROOF_INIT;
    expect_ok(rotor_snapshot_take(tree, &snapshot), "%s", what);
    for (uint64_t i = 0; i < size; i += step) {
        uint64_t index = size - 1 - i; /* the last leaves are where levels end */
        rotor_inclusion_proof wanted;
        model_inclusion(model, &wanted, size, index);
        expect_ok(rotor_inclusion_prove(&snapshot, &got, index), "%s: leaf %" PRIu64, what, index);
        expect(model_inclusion_equal(&got, &wanted), "%s: proof of leaf %" PRIu64 " of %" PRIu64, what, index, size);
        model_inclusion_free(&wanted);
        expect_ok(rotor_consistency_prove(&snapshot, &grown, index + 1), "%s: from %" PRIu64, what, index + 1);
        rotor_tree_head head = model_tree_head(model, size);
        rotor_tree_head old = model_tree_head(model, index + 1);
        expect_ok(rotor_consistency_verify(&grown, &old, &head), "%s: from %" PRIu64 " to %" PRIu64, what, index + 1,
                  size);
    }
    rotor_inclusion_proof_free(&got);
    rotor_consistency_proof_free(&grown);
}

/* Every node. */
static inline void store_expect_whole(const store_scene *s, rotor_tree *tree, const char *what) {
    test_expect_leaves(tree, s->model.leaves, s->model.count, what);
}

/* What a later open would find, by one that changes nothing. */
static inline void store_expect_durable(const store_scene *s, uint64_t size, const char *what) {
    rotor_options options = s->options;
    rotor_tree *tree = NULL;
    rotor_error error = {0};
    options.mode = ROTOR_OPEN_READ_ONLY;
    rotor_status status = store_open_at(&tree, s->path, &options, &s->setup, &error);
    expect_ok(status, "%s: %s", what, error.message);
    expect(rotor_size(tree) == size, "%s: %" PRIu64 " leaves are stored, not %" PRIu64, what, rotor_size(tree), size);
    if (size == s->model.count) {
        store_expect_root(s, tree, what);
    }
    expect_ok(rotor_close(tree, NULL), "%s", what);
}

static inline rotor_token store_insert_without_root(const store_scene *s, const char *what) {
    const rotor_hash leaf = {{1}};
    rotor_token token;
    expect_ok(rotor_insert(s->tree, NULL, &token, &leaf), "%s", what);
    return token;
}

#endif
