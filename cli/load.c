/* From a file of leaves to a tree in memory, see load.h. */
#include "load.h"

#include "progress.h"
#include "read_ahead.h"
#include "report.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint32_t usable_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) {
        return (uint32_t)CPU_COUNT(&set);
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

static bool create_tree(loaded_tree *loaded, const tree_options *options) {
    rotor_options settings;
    rotor_error error;
    rotor_options_init(&settings, options->arity, options->max_depth);
    loaded->threads = options->threads != 0 ? options->threads : usable_processors();
    settings.threads = loaded->threads;
    settings.kernel = options->kernel;
    if (rotor_create(&loaded->tree, &settings, &error) != ROTOR_OK) {
        rotor_cli_error("%s", error.message);
        return false;
    }
    return true;
}

/* Inserts all that is read. Asks for the root with every batch, so that the parents are hashed while the leaves are in
 * the cache. */
static bool insert_all(loaded_tree *loaded, read_ahead *input, progress *bar) {
    const leaf_reader *reader = input->reader;
    for (;;) {
        const leaf_batch *batch = rotor_cli_ahead_next(input);
        if (!batch->good) {
            rotor_cli_progress_end(bar);
            rotor_cli_error("%s: %s", reader->name, reader->message);
            return false;
        }
        if (batch->count == 0) {
            return true;
        }
        rotor_hash root;
        double start = rotor_cli_seconds();
        rotor_status status = rotor_insert_many(loaded->tree, &root, batch->leaves, batch->count);
        loaded->hash_seconds += rotor_cli_seconds() - start;
        uint64_t size = rotor_size(loaded->tree);
        if (status != ROTOR_OK) {
            rotor_cli_progress_end(bar);
            rotor_cli_error("%s: cannot add leaves %" PRIu64 " to %" PRIu64 ": %s", reader->name, size,
                            size + batch->count - 1, rotor_status_message(status));
            return false;
        }
        rotor_cli_progress_update(bar, size, batch->read_bytes);
    }
}

static bool build(loaded_tree *loaded, leaf_reader *reader, const tree_options *options) {
    if (!create_tree(loaded, options)) {
        return false;
    }
    read_ahead input;
    bool done = false;
    if (!rotor_cli_ahead_start(&input, reader, options->batch, loaded->threads > 1)) {
        rotor_cli_error("out of memory for batches of %zu leaves", options->batch);
    } else {
        progress bar;
        rotor_cli_progress_start(&bar, reader->total_bytes);
        done = insert_all(loaded, &input, &bar);
        rotor_cli_progress_end(&bar);
        rotor_cli_ahead_end(&input);
    }
    if (done && rotor_snapshot_take(loaded->tree, &loaded->snapshot) != ROTOR_OK) {
        rotor_cli_error("%s: the root cannot be computed", reader->name);
        done = false;
    }
    if (!done) {
        rotor_close(loaded->tree);
        loaded->tree = NULL;
    }
    return done;
}

bool rotor_cli_load(loaded_tree *loaded, const char *path, const tree_options *options) {
    memset(loaded, 0, sizeof *loaded);
    double start = rotor_cli_seconds();
    leaf_reader reader;
    if (!rotor_cli_reader_open(&reader, path, options->format)) {
        rotor_cli_error("%s: %s", reader.name, reader.message);
        return false;
    }
    bool done = build(loaded, &reader, options);
    loaded->total_seconds = rotor_cli_seconds() - start;
    rotor_cli_reader_close(&reader);
    return done;
}

bool rotor_cli_find_leaf(const rotor_snapshot *snapshot, uint64_t *index, const rotor_hash *leaf) {
    rotor_hash leaves[1024];
    size_t most = sizeof leaves / sizeof leaves[0];
    for (uint64_t first = 0; first < snapshot->size; first += most) {
        uint64_t left = snapshot->size - first;
        size_t count = left < most ? (size_t)left : most;
        rotor_status status = rotor_snapshot_nodes(snapshot, leaves, count, 0, first);
        if (status != ROTOR_OK) {
            rotor_cli_error("%s", rotor_status_message(status));
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            if (memcmp(&leaves[i], leaf, sizeof *leaf) == 0) {
                *index = first + i;
                return true;
            }
        }
    }
    *index = snapshot->size;
    return true;
}
