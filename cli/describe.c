/* How a tree is shown, see describe.h. */
#include "describe.h"

#include "command.h"
#include "hex.h"
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void rotor_cli_describe(tree_description *description, const rotor_snapshot *snapshot) {
    *description = (tree_description){.size = snapshot->size,
                                      .depth = snapshot->depth,
                                      .arity = rotor_arity(snapshot->tree),
                                      .max_depth = rotor_max_depth(snapshot->tree),
                                      .root = snapshot->edge[snapshot->depth]};
}

void rotor_cli_print_line(const char *name, const char *format, ...) {
    va_list arguments;
    printf("%-13s ", name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void rotor_cli_print_description(const tree_description *description) {
    char root[HASH_DIGITS + 1];
    rotor_cli_hex_encode(root, &description->root);
    rotor_cli_print_line("size", "%" PRIu64, description->size);
    rotor_cli_print_line("depth", "%" PRIu32, description->depth);
    rotor_cli_print_line("root", "%s", description->size > 0 ? root : "none: empty tree");
    rotor_cli_print_line("arity", "%" PRIu32, description->arity);
}

json_t *rotor_cli_description_json(const tree_description *description) {
    char root[HASH_DIGITS + 1];
    rotor_cli_hex_encode(root, &description->root);
    /* "s?" turns a null pointer into JSON's null: the empty tree has no root. */
    return json_pack("{s:I, s:i, s:s?, s:s, s:i, s:i}", "size", (json_int_t)description->size, "depth",
                     (int)description->depth, "root", description->size > 0 ? root : NULL, "hash", "blake3", "arity",
                     (int)description->arity, "max_depth", (int)description->max_depth);
}

int rotor_cli_show_description(const tree_description *description, bool json) {
    if (json) {
        return rotor_cli_print_json(rotor_cli_description_json(description));
    }
    rotor_cli_print_description(description);
    return EXIT_YES;
}
