/* rotortree export: writes a tree in the form of the Rust crate rotortree. */
#include "arguments.h"
#include "command.h"
#include "describe.h"
#include "report.h"
#include "source.h"
#include "work.h"

int rotor_cli_export(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_operand_arguments, 0, NULL, 0},
                                                 {&rotor_cli_at_arguments, 0, NULL, 0},
                                                 {&rotor_cli_shape_arguments, 0, NULL, 0},
                                                 {&rotor_cli_input_arguments, 0, NULL, 0},
                                                 {&rotor_cli_hashing_arguments, 0, NULL, 0},
                                                 {&rotor_cli_json_arguments, 0, NULL, 0},
                                                 {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "DIR DEST\nFILE DEST",
        .doc = "Write the tree in DIR, or that of the hashes in FILE ('-' for standard input), to the new or empty "
               "directory DEST as the Rust crate 'rotortree' 0.15 keeps it, and print what was written. Every node is "
               "recomputed from the leaves before: a damaged tree is not exported.\v"
               "Exit status: 0 done, 2 could not be run, 130 and 143 after Ctrl-C and SIGTERM.",
        .children = children,
    };
    command_line line = {.operand_names = {SOURCE_NAME, "DEST"}, .required = 2};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    tree_source source;
    if (!rotor_cli_source_open(&source, &line)) {
        return EXIT_NOT_RUN;
    }
    rotor_error error;
    long_work work;
    rotor_cli_work_start(&work);
    rotor_status status =
        rotor_export_reference(&source.snapshot, line.operands[1], rotor_cli_work_step, &work, &error);
    rotor_cli_work_end(&work);
    tree_description written;
    rotor_cli_describe(&written, &source.snapshot);
    rotor_cli_source_close(&source);
    if (status == ROTOR_DAMAGED) {
        rotor_cli_error("%s: %s; see 'rotortree check %s'", source.path, error.message, source.path);
        return EXIT_NOT_RUN;
    }
    return status == ROTOR_OK ? rotor_cli_show_description(&written, line.json)
                              : rotor_cli_work_failed(source.path, status, &error);
}
