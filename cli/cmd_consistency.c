/* rotortree consistency: a proof that a tree has grown by appending only, as JSON. */
#include "arguments.h"
#include "command.h"
#include "report.h"
#include "rotortree_json.h"
#include "source.h"
#include "tree_dir.h"

#include <inttypes.h>

typedef struct consistency_arguments {
    command_line line;
    uint64_t old_size;
    uint64_t new_size; /* 0: all leaves */
} consistency_arguments;

static error_t parse(int key, __attribute__((unused)) char *text, struct argp_state *state) {
    consistency_arguments *arguments = state->input;
    const char *const *operands = arguments->line.operands;
    switch (key) {
    case ARGP_KEY_INIT:
        rotor_cli_start_line(state, &arguments->line);
        return 0;
    case ARGP_KEY_END:
        arguments->old_size = rotor_cli_number(state, "OLD", operands[1], 1, UINT64_MAX);
        arguments->new_size = operands[2] == NULL ? 0 : rotor_cli_number(state, "NEW", operands[2], 1, UINT64_MAX);
        if (arguments->new_size != 0 && arguments->new_size < arguments->old_size) {
            rotor_cli_usage_error(state, "NEW (%" PRIu64 ") is smaller than OLD (%" PRIu64 ")", arguments->new_size,
                                  arguments->old_size);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int print_proof(tree_source *source, const consistency_arguments *arguments) {
    uint64_t present = source->snapshot.size;
    if (arguments->old_size > present) {
        rotor_cli_error("%s: size %" PRIu64 " is out of range: the tree has %" PRIu64 " leaves", source->path,
                        arguments->old_size, present);
        return EXIT_NOT_RUN;
    }
    if (arguments->new_size != 0 && !rotor_cli_source_turn(source, "size", arguments->new_size)) {
        return EXIT_NOT_RUN;
    }
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    char *text = NULL;
    rotor_status status = rotor_consistency_prove(&source->snapshot, &proof, arguments->old_size);
    if (status == ROTOR_OK) {
        status = rotor_json_encode_consistency(&proof, &text);
    }
    rotor_consistency_proof_free(&proof);
    if (status == ROTOR_DAMAGED) {
        return rotor_cli_tree_damaged(source->path,
                                      "a node that the proof from %" PRIu64 " to %" PRIu64 " leaves needs",
                                      arguments->old_size, source->snapshot.size);
    }
    return rotor_cli_print_proof(source->path, status, text);
}

int rotor_cli_consistency(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&rotor_cli_operand_arguments, 0, NULL, 0}, {&rotor_cli_shape_arguments, 0, NULL, 0},
        {&rotor_cli_input_arguments, 0, NULL, 0},   {&rotor_cli_hashing_arguments, 0, NULL, 0},
        {&rotor_cli_json_arguments, 0, NULL, 0},    {0}};
    static const struct argp parser = {
        .parser = parse,
        .args_doc = "DIR OLD [NEW]\nFILE OLD [NEW]",
        .doc = "Print the proof that the first NEW leaves (default: all) of the tree in DIR, or of that of the hashes "
               "in FILE ('-' for standard input), have grown out of its first OLD leaves by appending only, as one "
               "JSON object.\v"
               "Check the proof with 'rotortree verify'.\n\n"
               "Exit status: 0 done, 2 could not be run.",
        .children = children,
    };
    consistency_arguments arguments = {
        .line = {.operand_names = {SOURCE_NAME, "OLD, the earlier size,", "NEW"}, .required = 2}};
    rotor_cli_parse_line(&parser, argc, argv, &arguments, &arguments.line);
    tree_source source;
    if (!rotor_cli_source_open(&source, &arguments.line)) {
        return EXIT_NOT_RUN;
    }
    int code = print_proof(&source, &arguments);
    rotor_cli_source_close(&source);
    return code;
}
