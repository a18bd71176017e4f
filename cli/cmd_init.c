/* rotortree init: makes an empty tree in a directory. */
#include "arguments.h"
#include "command.h"
#include "describe.h"
#include "report.h"
#include "tree_dir.h"

#include <inttypes.h>
#include <stdio.h>

int rotor_cli_init(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_operand_arguments, 0, NULL, 0},
                                                 {&rotor_cli_shape_arguments, 0, NULL, 0},
                                                 {&rotor_cli_json_arguments, 0, NULL, 0},
                                                 {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "DIR",
        .doc = "Make an empty tree in DIR, which must not exist yet or be an empty directory. Arity and maximum depth "
               "are fixed from then on.\v"
               "Exit status: 0 done, 2 could not be run.",
        .children = children,
    };
    command_line line = {.operand_names = {"DIR"}, .required = 1};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    if (line.arity == 0) {
        line.arity = DEFAULT_ARITY;
    }
    if (line.max_depth == 0) {
        line.max_depth = DEFAULT_MAX_DEPTH;
    }
    const char *path = line.operands[0];
    rotor_tree *tree;
    if (!rotor_cli_tree_open_as(&tree, path, &line, ROTOR_CREATE_NEW)) {
        return EXIT_NOT_RUN;
    }
    if (rotor_cli_tree_close(tree, path, EXIT_YES) != EXIT_YES) {
        return EXIT_NOT_RUN;
    }
    if (line.json) {
        tree_description empty = {.arity = line.arity, .max_depth = line.max_depth};
        return rotor_cli_print_json(rotor_cli_description_json(&empty));
    }
    printf("%s: made an empty tree of arity %" PRIu32 ", maximum depth %" PRIu32 "\n", path, line.arity,
           line.max_depth);
    return EXIT_YES;
}
