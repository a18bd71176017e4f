/* What the reading commands read: a tree directory, opened beside whoever writes to it, or a file of leaves. */
#ifndef ROTOR_CLI_SOURCE_H
#define ROTOR_CLI_SOURCE_H

#include "arguments.h"
#include "rotortree.h"

#include <stdbool.h>

#define SOURCE_NAME "DIR or FILE" /* of the operand */

typedef struct tree_source {
    const char *path;
    rotor_tree *tree;
    bool stored; /* in a directory */
    rotor_snapshot snapshot;
} tree_source;

/* Opens the first operand and takes a snapshot of it, at the size that --at names if it was given. False with the error
 * printed; else the caller must rotor_cli_source_close(). */
bool rotor_cli_source_open(tree_source *source, const command_line *line);
void rotor_cli_source_close(tree_source *source);

/* Turns the source's snapshot to an earlier size, which `what` stands for in the error. False with that printed. */
bool rotor_cli_source_turn(tree_source *source, const char *what, uint64_t size);

/* Number of the first of the snapshot's leaves that equals `leaf`, its size when there is none. False with the error
 * printed. */
bool rotor_cli_source_find(const tree_source *source, uint64_t *index, const rotor_hash *leaf);

/* Whether leaves of the tree are not what was stored, so that a search may have missed one: recomputes the tree. */
bool rotor_cli_source_has_bad_leaves(const tree_source *source);

#endif
