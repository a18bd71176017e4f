/* From a file of leaves to a tree in memory, with a progress bar and the times taken. */
#ifndef ROTOR_CLI_LOAD_H
#define ROTOR_CLI_LOAD_H

#include "arguments.h"
#include "rotortree.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct loaded_tree {
    rotor_tree *tree;
    rotor_snapshot snapshot; /* of all leaves */
    uint32_t threads;        /* that the tree may use, resolved */
    double hash_seconds;     /* in the library */
    double total_seconds;    /* from opening the file to the root, with reading and decoding */
} loaded_tree;

/* Builds the tree of the leaves in `path`, "-" for standard input. False with the error printed; else the caller must
 * rotor_close(loaded->tree, NULL). */
bool rotor_cli_load(loaded_tree *loaded, const char *path, const command_line *line);

#endif
