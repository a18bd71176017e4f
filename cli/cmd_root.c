/* rotortree root: the head of a tree, present or past. */
#include "arguments.h"
#include "command.h"
#include "describe.h"
#include "source.h"

int rotor_cli_root(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_operand_arguments, 0, NULL, 0},
                                                 {&rotor_cli_at_arguments, 0, NULL, 0},
                                                 {&rotor_cli_shape_arguments, 0, NULL, 0},
                                                 {&rotor_cli_input_arguments, 0, NULL, 0},
                                                 {&rotor_cli_hashing_arguments, 0, NULL, 0},
                                                 {&rotor_cli_json_arguments, 0, NULL, 0},
                                                 {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "DIR\nFILE",
        .doc = "Print size, depth, root and arity of the tree in DIR, or of that of the hashes in FILE ('-' for "
               "standard input): what a verifier must trust.\v"
               "DIR may be open for writing elsewhere; what is durable there is shown.\n\n"
               "Exit status: 0 done, 2 could not be run.",
        .children = children,
    };
    command_line line = {.operand_names = {SOURCE_NAME}, .required = 1};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    tree_source source;
    if (!rotor_cli_source_open(&source, &line)) {
        return EXIT_NOT_RUN;
    }
    tree_description tree;
    rotor_cli_describe(&tree, &source.snapshot);
    rotor_cli_source_close(&source);
    return rotor_cli_show_description(&tree, line.json);
}
