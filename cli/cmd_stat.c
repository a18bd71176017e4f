/* rotortree stat: the state of a tree directory. */
#include "arguments.h"
#include "command.h"
#include "statistics.h"
#include "tree_dir.h"

int rotor_cli_stat(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&rotor_cli_operand_arguments, 0, NULL, 0}, {&rotor_cli_json_arguments, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "DIR",
        .doc = "Print what the tree in DIR is and how it is stored, without changing anything.\v"
               "DIR may be open for writing elsewhere; what is durable there is shown. \"checkpointed\" is the number "
               "of leaves in the level files; \"from the log\" those that an opening takes from the log; \"torn "
               "bytes\" what a crash has left unfinished there, which the next writer removes; \"bad slots\" the "
               "unreadable ones of the superblock's two, of which one is harmless.\n\n"
               "Exit status: 0 done, 2 could not be run.",
        .children = children,
    };
    command_line line = {.operand_names = {"DIR"}, .required = 1};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    rotor_tree *tree;
    if (!rotor_cli_tree_open_as(&tree, line.operands[0], &line, ROTOR_OPEN_READ_ONLY)) {
        return EXIT_NOT_RUN;
    }
    int code = rotor_cli_show_statistics(tree, line.operands[0], line.json);
    return rotor_cli_tree_close(tree, line.operands[0], code);
}
