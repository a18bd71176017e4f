/* How the state of a tree directory is shown: what `stat` and `checkpoint` print. */
#ifndef ROTOR_CLI_STATISTICS_H
#define ROTOR_CLI_STATISTICS_H

#include "rotortree.h"

#include <stdbool.h>

/* Prints the description of an open tree and its statistics, as text or JSON. Returns the exit code, with errors
 * printed. */
int rotor_cli_show_statistics(rotor_tree *tree, const char *path, bool json);

#endif
