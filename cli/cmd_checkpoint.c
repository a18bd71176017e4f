/* rotortree checkpoint: moves what is in the log of a tree directory into its level files. */
#include "arguments.h"
#include "command.h"
#include "statistics.h"
#include "tree_dir.h"

int rotor_cli_checkpoint(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_operand_arguments, 0, NULL, 0},
                                                 {&rotor_cli_hashing_arguments, 0, NULL, 0},
                                                 {&rotor_cli_json_arguments, 0, NULL, 0},
                                                 {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "DIR",
        .doc = "Write what stands only in the log of the tree in DIR to its level files, from which it is opened "
               "without hashing, and print the state as 'rotortree stat' does.\v"
               "'rotortree insert' does the same when it ends; this is for a tree whose last writer did not.\n\n"
               "Exit status: 0 done, 2 could not be run.",
        .children = children,
    };
    command_line line = {.operand_names = {"DIR"}, .required = 1};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    const char *path = line.operands[0];
    rotor_tree *tree;
    if (!rotor_cli_tree_open_as(&tree, path, &line, ROTOR_OPEN_EXISTING)) {
        return EXIT_NOT_RUN;
    }
    rotor_status status = rotor_checkpoint(tree);
    int code = status == ROTOR_OK ? rotor_cli_show_statistics(tree, path, line.json)
                                  : rotor_cli_tree_error(tree, path, "cannot be checkpointed", status);
    return rotor_cli_tree_close(tree, path, code);
}
