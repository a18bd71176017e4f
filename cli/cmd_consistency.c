/* rotortree consistency: a proof that a tree has grown by appending only, as JSON. */
#include "arguments.h"
#include "command.h"
#include "load.h"
#include "report.h"
#include "rotortree_json.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct consistency_arguments {
    tree_options tree;
    const char *file;
    uint64_t old_size; /* 0: not given */
    uint64_t new_size; /* 0: all leaves */
} consistency_arguments;

static error_t parse(int key, char *text, struct argp_state *state) {
    consistency_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->tree;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            arguments->file = text;
        } else if (state->arg_num == 1) {
            arguments->old_size = rotor_cli_number(state, "OLD", text, 1, UINT64_MAX);
        } else if (state->arg_num == 2) {
            arguments->new_size = rotor_cli_number(state, "NEW", text, 1, UINT64_MAX);
        } else {
            rotor_cli_usage_error(state, "'%.100s' is too many", text);
        }
        return 0;
    case ARGP_KEY_END:
        if (arguments->file == NULL) {
            rotor_cli_usage_error(state, "FILE is missing ('-' for standard input)");
        }
        if (arguments->old_size == 0) {
            rotor_cli_usage_error(state, "OLD, the earlier size, is missing");
        }
        if (arguments->new_size != 0 && arguments->new_size < arguments->old_size) {
            rotor_cli_usage_error(state, "NEW (%" PRIu64 ") is smaller than OLD (%" PRIu64 ")", arguments->new_size,
                                  arguments->old_size);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int print_proof(const rotor_snapshot *present, const consistency_arguments *arguments) {
    uint64_t new_size = arguments->new_size != 0 ? arguments->new_size : present->size;
    uint64_t largest = new_size > arguments->old_size ? new_size : arguments->old_size;
    if (largest > present->size) {
        rotor_cli_error("%s: size %" PRIu64 " is out of range: the tree has %" PRIu64 " leaves", arguments->file,
                        largest, present->size);
        return EXIT_NOT_RUN;
    }
    rotor_snapshot snapshot;
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    char *text = NULL;
    rotor_status status = rotor_snapshot_at(present, &snapshot, new_size);
    if (status == ROTOR_OK) {
        status = rotor_consistency_prove(&snapshot, &proof, arguments->old_size);
    }
    if (status == ROTOR_OK) {
        status = rotor_json_encode_consistency(&proof, &text);
    }
    rotor_consistency_proof_free(&proof);
    return rotor_cli_print_proof(arguments->file, status, text);
}

int rotor_cli_consistency(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_tree_arguments, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse,
        .args_doc = "FILE OLD [NEW]",
        .doc = "Build the tree of FILE ('-' for standard input) and print the proof that its first NEW leaves "
               "(default: all) have grown out of its first OLD leaves by appending only, as one JSON object.\v"
               "Check the proof with 'rotortree verify'.\n\n"
               "Exit status: 0 done, 2 could not be run.",
        .children = children,
    };
    consistency_arguments arguments = {.file = NULL};
    rotor_cli_parse(&parser, argc, argv, &arguments);
    loaded_tree loaded;
    if (!rotor_cli_load(&loaded, arguments.file, &arguments.tree)) {
        return EXIT_NOT_RUN;
    }
    int code = print_proof(&loaded.snapshot, &arguments);
    rotor_close(loaded.tree);
    return code;
}
