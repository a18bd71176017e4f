/* rotortree backup: copies the tree in a directory to a new one. */
#include "arguments.h"
#include "command.h"
#include "describe.h"
#include "tree_dir.h"
#include "work.h"

int rotor_cli_backup(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&rotor_cli_operand_arguments, 0, NULL, 0}, {&rotor_cli_json_arguments, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "DIR DEST",
        .doc = "Copy the tree in DIR to the new or empty directory DEST, durably, and print what was copied. Files are "
               "copied as they are, damage included: see that 'rotortree check DEST' finds none.\v"
               "Files that never change again are shared between the two by links where the file system allows it. "
               "DIR must not be open for writing elsewhere: a program that writes to it makes copies with "
               "rotor_backup() meanwhile.\n\n"
               "Exit status: 0 done, 2 could not be run, 130 and 143 after Ctrl-C and SIGTERM (then no copy is left).",
        .children = children,
    };
    command_line line = {.operand_names = {"DIR", "DEST"}, .required = 2};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    const char *path = line.operands[0];
    rotor_tree *tree;
    if (!rotor_cli_tree_open_as(&tree, path, &line, ROTOR_OPEN_EXISTING)) {
        return EXIT_NOT_RUN;
    }
    rotor_error error;
    rotor_snapshot snapshot;
    tree_description copied;
    long_work work;
    rotor_cli_work_start(&work);
    rotor_status status = rotor_backup(tree, line.operands[1], rotor_cli_work_step, &work, &error);
    rotor_cli_work_end(&work);
    int code = EXIT_YES;
    if (status != ROTOR_OK) {
        code = rotor_cli_work_failed(path, status, &error);
    } else if ((status = rotor_snapshot_take(tree, &snapshot)) != ROTOR_OK) {
        code = rotor_cli_tree_error(tree, path, "cannot be read", status);
    } else {
        rotor_cli_describe(&copied, &snapshot);
        code = rotor_cli_show_description(&copied, line.json);
    }
    return rotor_cli_tree_close(tree, path, code);
}
