/* rotortree repair: rewrites the inner nodes of a stored tree from its leaves. */
#include "arguments.h"
#include "check_report.h"
#include "command.h"
#include "tree_dir.h"
#include "work.h"

#include <string.h>

/* The repair looks at what is checkpointed only: whether the log leads on from there shows when the tree is opened. */
static rotor_status open_whole(const char *path, const command_line *line, rotor_error *error) {
    rotor_options options;
    rotor_tree *tree;
    rotor_cli_tree_options(&options, line, ROTOR_OPEN_READ_ONLY);
    rotor_status status = rotor_open(&tree, path, &options, error);
    return status == ROTOR_OK ? rotor_close(tree, error) : status;
}

int rotor_cli_repair(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&rotor_cli_operand_arguments, 0, NULL, 0}, {&rotor_cli_json_arguments, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "DIR",
        .doc = "Rewrite the inner nodes of the tree in DIR that are not the hash of their children, provided that the "
               "leaves lead to the committed root. Leaves and the log are never touched: damage there is named.\v"
               "Exit status: 0 the tree is whole now, 1 its leaves or its log are damaged, 2 could not be run.",
        .children = children,
    };
    command_line line = {.operand_names = {"DIR"}, .required = 1};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    const char *path = line.operands[0];
    if (!rotor_cli_tree_is_directory(path)) {
        return EXIT_NOT_RUN;
    }
    rotor_check_report report;
    rotor_error error;
    long_work work;
    memset(&report, 0, sizeof report);
    rotor_cli_work_start(&work);
    rotor_status status = rotor_repair(path, &report, rotor_cli_work_step, &work, &error);
    rotor_cli_work_end(&work);
    if (status == ROTOR_OK) {
        status = open_whole(path, &line, &error);
    }
    if (status != ROTOR_OK && status != ROTOR_DAMAGED) {
        return rotor_cli_work_failed(path, status, &error);
    }
    return rotor_cli_show_check(&report, path, status, status != ROTOR_OK ? error.message : NULL, line.json);
}
