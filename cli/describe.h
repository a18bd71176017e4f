/* How a tree is shown: its size, depth, root and shape, as lines of text or as members of a JSON object. */
#ifndef ROTOR_CLI_DESCRIBE_H
#define ROTOR_CLI_DESCRIBE_H

#include "rotortree.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct tree_description {
    uint64_t size;
    uint32_t depth;
    uint32_t arity;
    uint32_t max_depth;
    rotor_hash root; /* without meaning when size is 0 */
} tree_description;

/* Copies what is shown, so that it can be shown after the tree was closed. */
void rotor_cli_describe(tree_description *description, const rotor_snapshot *snapshot);

/* Prints the lines "size", "depth", "root", "arity". */
void rotor_cli_print_description(const tree_description *description);

/* Prints one line of that form. */
__attribute__((format(printf, 2, 3))) void rotor_cli_print_line(const char *name, const char *format, ...);

/* An object with the members size, depth, root (null for the empty tree), hash, arity and max_depth; NULL when there is
 * not enough memory. */
json_t *rotor_cli_description_json(const tree_description *description);

/* Prints the description alone, as text or JSON. Returns the exit code. */
int rotor_cli_show_description(const tree_description *description, bool json);

#endif
