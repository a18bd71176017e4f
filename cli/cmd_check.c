/* rotortree check: recomputes a stored tree from its leaves. */
#include "arguments.h"
#include "check_report.h"
#include "command.h"
#include "report.h"
#include "tree_dir.h"
#include "work.h"

static int check(rotor_tree *tree, const char *path, bool json) {
    rotor_check_report report;
    long_work work;
    rotor_cli_work_start(&work);
    rotor_status status = rotor_check(tree, &report, rotor_cli_work_step, &work);
    rotor_cli_work_end(&work);
    if (status != ROTOR_OK && status != ROTOR_DAMAGED) {
        return rotor_cli_work_failed(path, status, NULL);
    }
    return rotor_cli_show_check(&report, path, status, NULL, json);
}

int rotor_cli_check(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_operand_arguments, 0, NULL, 0},
                                                 {&rotor_cli_hashing_arguments, 0, NULL, 0},
                                                 {&rotor_cli_json_arguments, 0, NULL, 0},
                                                 {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "DIR",
        .doc = "Recompute every node of the tree in DIR from its leaves, compare it with what is stored, and the root "
               "with the committed one. Changes nothing.\v"
               "DIR may be open for writing elsewhere; what is durable there is checked.\n\n"
               "Exit status: 0 the tree is whole, 1 it is damaged, 2 it could not be checked.",
        .children = children,
    };
    command_line line = {.operand_names = {"DIR"}, .required = 1};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    const char *path = line.operands[0];
    rotor_options options;
    rotor_cli_tree_options(&options, &line, ROTOR_OPEN_READ_ONLY);
    /* What is wrong with the nodes is for the check to say, in full. */
    options.verify_at_open = ROTOR_VERIFY_NONE;
    rotor_tree *tree;
    rotor_error error;
    if (!rotor_cli_tree_is_directory(path)) {
        return EXIT_NOT_RUN;
    }
    rotor_status status = rotor_open(&tree, path, &options, &error);
    if (status == ROTOR_DAMAGED) {
        rotor_check_report unread = {.size = 0};
        return rotor_cli_show_check(&unread, path, status, error.message, line.json);
    }
    if (status != ROTOR_OK) {
        rotor_cli_error("%s", error.message);
        return EXIT_NOT_RUN;
    }
    int code = check(tree, path, line.json);
    return rotor_cli_tree_close(tree, path, code);
}
