/* Tree directories: opening and closing them, and what is said when that or a call on them fails. */
#ifndef ROTOR_CLI_TREE_DIR_H
#define ROTOR_CLI_TREE_DIR_H

#include "arguments.h"
#include "rotortree.h"

#include <stdbool.h>

/* The library's defaults, with what the command line says on shape, threads and kernel, and with all proofs verified.
 */
void rotor_cli_tree_options(rotor_options *options, const command_line *line, rotor_open_mode mode);

/* False with the error printed when `path` is there and no directory. */
bool rotor_cli_tree_is_directory(const char *path);

/* Opens the tree in `path`. False with the error printed. */
bool rotor_cli_tree_open(rotor_tree **tree, const char *path, const rotor_options *options);

/* Both in one. */
bool rotor_cli_tree_open_as(rotor_tree **tree, const char *path, const command_line *line, rotor_open_mode mode);

/* Closes the tree, and prints the error if not all that was inserted became durable, unless `code` says that something
 * has failed already. Returns `code`, or EXIT_NOT_RUN in its place. */
int rotor_cli_tree_close(rotor_tree *tree, const char *path, int code);

/* The sentence for the status of a call on the tree: of the write that failed first where that is the reason, then kept
 * in `detail`. */
const char *rotor_cli_tree_failure(rotor_tree *tree, rotor_status status, rotor_error *detail);

/* Prints that sentence, with what could not be done to the tree in `path`. Returns EXIT_NOT_RUN. */
int rotor_cli_tree_error(rotor_tree *tree, const char *path, const char *what, rotor_status status);

/* Prints that a part of the tree in `path`, which `format` names, is not what was stored, and what finds out more.
 * Returns EXIT_NOT_RUN. */
__attribute__((format(printf, 2, 3))) int rotor_cli_tree_damaged(const char *path, const char *format, ...);

#endif
