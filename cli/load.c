/* From a file of leaves to a tree in memory, see load.h. */
#include "load.h"

#include "feed.h"
#include "progress.h"
#include "report.h"

#include <sched.h>
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

static bool create_tree(loaded_tree *loaded, const command_line *line) {
    rotor_options options;
    rotor_error error;
    rotor_options_init(&options, line->arity != 0 ? line->arity : DEFAULT_ARITY,
                       line->max_depth != 0 ? line->max_depth : DEFAULT_MAX_DEPTH);
    loaded->threads = line->threads != 0 ? line->threads : usable_processors();
    options.threads = loaded->threads;
    options.kernel = line->kernel;
    if (rotor_open(&loaded->tree, NULL, &options, &error) != ROTOR_OK) {
        rotor_cli_error("%s", error.message);
        return false;
    }
    return true;
}

static bool build(loaded_tree *loaded, leaf_reader *reader, const command_line *line) {
    if (!create_tree(loaded, line)) {
        return false;
    }
    feed_result fed;
    rotor_cli_feed(&fed, loaded->tree, reader, line->batch, loaded->threads > 1);
    loaded->hash_seconds = fed.insert_seconds;
    bool done = fed.end == FEED_DONE;
    if (done && rotor_snapshot_take(loaded->tree, &loaded->snapshot) != ROTOR_OK) {
        rotor_cli_error("%s: the root cannot be computed", reader->name);
        done = false;
    }
    if (!done) {
        rotor_close(loaded->tree, NULL);
        loaded->tree = NULL;
    }
    return done;
}

bool rotor_cli_load(loaded_tree *loaded, const char *path, const command_line *line) {
    memset(loaded, 0, sizeof *loaded);
    double start = rotor_cli_seconds();
    leaf_reader reader;
    if (!rotor_cli_reader_open(&reader, path, line->format)) {
        rotor_cli_error("%s: %s", reader.name, reader.message);
        return false;
    }
    bool done = build(loaded, &reader, line);
    loaded->total_seconds = rotor_cli_seconds() - start;
    rotor_cli_reader_close(&reader);
    return done;
}
