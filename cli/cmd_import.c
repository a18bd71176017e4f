/* rotortree import: takes over a directory written by the Rust crate rotortree. */
#include "arguments.h"
#include "command.h"
#include "describe.h"
#include "report.h"
#include "tree_dir.h"
#include "work.h"

#include <inttypes.h>

static int show(const rotor_import_report *report, bool json) {
    bool stale = report->stale_nodes > 0;
    if (json) {
        json_t *object = json_pack("{s:I, s:i, s:I, s:I, s:I}", "leaves", (json_int_t)report->leaves, "arity",
                                   (int)report->arity, "checkpointed", (json_int_t)report->checkpointed, "torn_bytes",
                                   (json_int_t)report->torn_bytes, "stale_nodes", (json_int_t)report->stale_nodes);
        json_t *first = stale ? json_pack("{s:i, s:I}", "first_stale_level", (int)report->first_stale_level,
                                          "first_stale_index", (json_int_t)report->first_stale_index)
                              : json_object();
        return rotor_cli_print_json_both(object, first);
    }
    rotor_cli_print_line("leaves", "%" PRIu64, report->leaves);
    rotor_cli_print_line("arity", "%" PRIu32, report->arity);
    rotor_cli_print_line("checkpointed", "%" PRIu64 ", the rest from the log", report->checkpointed);
    rotor_cli_print_line("torn bytes", "%" PRIu64, report->torn_bytes);
    rotor_cli_print_line("stale nodes", "%" PRIu64, report->stale_nodes);
    if (stale) {
        rotor_cli_print_line("first of them", "level %" PRIu32 ", node %" PRIu64 " (left behind)",
                             report->first_stale_level, report->first_stale_index);
    }
    return EXIT_YES;
}

int rotor_cli_import(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_operand_arguments, 0, NULL, 0},
                                                 {&rotor_cli_hashing_arguments, 0, NULL, 0},
                                                 {&rotor_cli_json_arguments, 0, NULL, 0},
                                                 {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "SOURCE DIR",
        .doc = "Store the leaves of SOURCE, a directory written by the Rust crate 'rotortree' 0.15, as a new tree in "
               "DIR, which must not exist yet or be empty. The root that SOURCE has committed must follow from them. "
               "Nobody may be writing to SOURCE, which is not changed.\v"
               "The tree appears in DIR at the end, whole and durable. An import that was killed leaves no tree, and "
               "the next one to DIR starts over.\n\n"
               "Inner nodes of SOURCE that are not the hash of their children are counted and left behind: the tree in "
               "DIR is made from the leaves.\n\n"
               "Exit status: 0 done, 2 could not be run, 130 and 143 after Ctrl-C and SIGTERM.",
        .children = children,
    };
    command_line line = {.operand_names = {"SOURCE", "DIR"}, .required = 2};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    rotor_options options;
    rotor_error error;
    rotor_import_report report;
    long_work work;
    rotor_cli_tree_options(&options, &line, ROTOR_CREATE_NEW);
    rotor_cli_work_start(&work);
    rotor_status status = rotor_import_reference(line.operands[0], line.operands[1], &options, &report,
                                                 rotor_cli_work_step, &work, &error);
    rotor_cli_work_end(&work);
    if (status != ROTOR_OK) {
        return rotor_cli_work_failed(line.operands[0], status, &error);
    }
    return show(&report, line.json);
}
