/* rotortree truncate: cuts the tree in a directory back to its first leaves. */
#include "arguments.h"
#include "command.h"
#include "describe.h"
#include "report.h"
#include "tree_dir.h"

#include <inttypes.h>

typedef struct truncate_arguments {
    command_line line;
    uint64_t size;
} truncate_arguments;

static error_t parse(int key, __attribute__((unused)) char *text, struct argp_state *state) {
    truncate_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        rotor_cli_start_line(state, &arguments->line);
        return 0;
    case ARGP_KEY_END:
        arguments->size = rotor_cli_number(state, "SIZE", arguments->line.operands[1], 0, UINT64_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int truncate_tree(rotor_tree *tree, const char *path, uint64_t size, tree_description *after) {
    if (size > rotor_size(tree)) {
        rotor_cli_error("%s: SIZE %" PRIu64 " is out of range: the tree has %" PRIu64 " leaves", path, size,
                        rotor_size(tree));
        return EXIT_NOT_RUN;
    }
    rotor_token token;
    rotor_snapshot snapshot;
    rotor_status status = rotor_truncate(tree, &token, size);
    if (status == ROTOR_OK) {
        status = rotor_wait(tree, &token, ROTOR_FOREVER);
    }
    if (status == ROTOR_OK) {
        status = rotor_snapshot_take(tree, &snapshot);
    }
    if (status == ROTOR_DAMAGED) {
        return rotor_cli_tree_damaged(path, "a node that the root at %" PRIu64 " leaves needs", size);
    }
    if (status != ROTOR_OK) {
        return rotor_cli_tree_error(tree, path, "cannot be truncated", status);
    }
    rotor_cli_describe(after, &snapshot);
    return EXIT_YES;
}

int rotor_cli_truncate(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&rotor_cli_operand_arguments, 0, NULL, 0}, {&rotor_cli_json_arguments, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse,
        .args_doc = "DIR SIZE",
        .doc = "Cut the tree in DIR back to its first SIZE leaves, as if the others had never been inserted, and print "
               "what it is then. This cannot be undone.\v"
               "Exit status: 0 done and durable, 2 could not be run.",
        .children = children,
    };
    truncate_arguments arguments = {.line = {.operand_names = {"DIR", "SIZE"}, .required = 2}};
    rotor_cli_parse_line(&parser, argc, argv, &arguments, &arguments.line);
    const char *path = arguments.line.operands[0];
    rotor_tree *tree;
    if (!rotor_cli_tree_open_as(&tree, path, &arguments.line, ROTOR_OPEN_EXISTING)) {
        return EXIT_NOT_RUN;
    }
    tree_description after = {.size = 0};
    uint64_t before = rotor_size(tree);
    int code = truncate_tree(tree, path, arguments.size, &after);
    code = rotor_cli_tree_close(tree, path, code);
    if (code != EXIT_YES) {
        return code;
    }
    if (arguments.line.json) {
        return rotor_cli_print_json_both(rotor_cli_description_json(&after),
                                         json_pack("{s:I}", "removed", (json_int_t)(before - after.size)));
    }
    rotor_cli_print_description(&after);
    rotor_cli_print_line("removed", "%" PRIu64, before - after.size);
    return EXIT_YES;
}
