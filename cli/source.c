/* What the reading commands read, see source.h. */
#include "source.h"

#include "load.h"
#include "report.h"
#include "tree_dir.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static bool is_directory(const char *path) {
    struct stat status;
    return strcmp(path, "-") != 0 && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool open_directory(tree_source *source, const command_line *line) {
    if (line->has_format || line->has_batch) {
        rotor_cli_error("%s: is a directory; %s is for files of leaves only", source->path,
                        line->has_format ? "--format" : "--batch");
        return false;
    }
    if (!rotor_cli_tree_open_as(&source->tree, source->path, line, ROTOR_OPEN_READ_ONLY)) {
        return false;
    }
    rotor_status status = rotor_snapshot_take(source->tree, &source->snapshot);
    if (status != ROTOR_OK) {
        rotor_cli_tree_error(source->tree, source->path, "cannot be read", status);
        rotor_close(source->tree, NULL);
        return false;
    }
    return true;
}

static bool open_file(tree_source *source, const command_line *line) {
    loaded_tree loaded;
    if (!rotor_cli_load(&loaded, source->path, line)) {
        return false;
    }
    source->tree = loaded.tree;
    source->snapshot = loaded.snapshot;
    return true;
}

bool rotor_cli_source_open(tree_source *source, const command_line *line) {
    source->path = line->operands[0];
    source->stored = is_directory(source->path);
    if (!(source->stored ? open_directory(source, line) : open_file(source, line))) {
        return false;
    }
    if (line->has_at && !rotor_cli_source_turn(source, "--at", line->at)) {
        rotor_cli_source_close(source);
        return false;
    }
    return true;
}

void rotor_cli_source_close(tree_source *source) {
    /* Nothing was written that could be lost. */
    rotor_close(source->tree, NULL);
}

bool rotor_cli_source_turn(tree_source *source, const char *what, uint64_t size) {
    if (size > source->snapshot.size) {
        rotor_cli_error("%s: %s %" PRIu64 " is out of range: the tree has %" PRIu64 " leaves", source->path, what, size,
                        source->snapshot.size);
        return false;
    }
    rotor_status status = rotor_snapshot_at(&source->snapshot, &source->snapshot, size);
    if (status == ROTOR_DAMAGED) {
        rotor_cli_tree_damaged(source->path, "a node that the root at %" PRIu64 " leaves needs", size);
        return false;
    }
    if (status != ROTOR_OK) {
        rotor_cli_tree_error(source->tree, source->path, "cannot be read", status);
        return false;
    }
    return true;
}

bool rotor_cli_source_find(const tree_source *source, uint64_t *index, const rotor_hash *leaf) {
    const rotor_snapshot *snapshot = &source->snapshot;
    rotor_hash leaves[1024];
    size_t most = sizeof leaves / sizeof leaves[0];
    for (uint64_t first = 0; first < snapshot->size; first += most) {
        uint64_t left = snapshot->size - first;
        size_t count = left < most ? (size_t)left : most;
        rotor_status status = rotor_snapshot_nodes(snapshot, leaves, count, 0, first);
        if (status != ROTOR_OK) {
            rotor_cli_tree_error(source->tree, source->path, "cannot be read", status);
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

bool rotor_cli_source_has_bad_leaves(const tree_source *source) {
    rotor_check_report report;
    return source->stored && rotor_check(source->tree, &report, NULL, NULL) == ROTOR_DAMAGED && report.bad_leaves > 0;
}
