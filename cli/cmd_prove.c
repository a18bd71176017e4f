/* rotortree prove: an inclusion proof of one leaf, as JSON. */
#include "arguments.h"
#include "command.h"
#include "hex.h"
#include "load.h"
#include "report.h"
#include "rotortree_json.h"

#include <inttypes.h>
#include <stdio.h>

enum { KEY_AT = 0x200, KEY_LEAF };

typedef struct prove_arguments {
    tree_options tree;
    const char *file;
    bool has_index;
    uint64_t index;
    bool has_leaf;
    rotor_hash leaf;
    bool has_at;
    uint64_t at;
} prove_arguments;

static error_t parse(int key, char *text, struct argp_state *state) {
    prove_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->tree;
        return 0;
    case KEY_AT:
        arguments->at = rotor_cli_number(state, "--at", text, 1, UINT64_MAX);
        arguments->has_at = true;
        return 0;
    case KEY_LEAF:
        rotor_cli_hash(state, &arguments->leaf, "--leaf", text);
        arguments->has_leaf = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            arguments->file = text;
        } else if (state->arg_num == 1) {
            arguments->index = rotor_cli_number(state, "INDEX", text, 0, UINT64_MAX);
            arguments->has_index = true;
        } else {
            rotor_cli_usage_error(state, "'%.100s' is too many", text);
        }
        return 0;
    case ARGP_KEY_END:
        if (arguments->file == NULL) {
            rotor_cli_usage_error(state, "FILE is missing ('-' for standard input)");
        }
        if (arguments->has_index == arguments->has_leaf) {
            rotor_cli_usage_error(state, "say which leaf: either INDEX or --leaf");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Turns the snapshot to the size that was asked for and finds the leaf's number there. */
static int locate(rotor_snapshot *snapshot, prove_arguments *arguments) {
    if (arguments->has_at) {
        if (arguments->at > snapshot->size) {
            rotor_cli_error("%s: --at %" PRIu64 " is out of range: the tree has %" PRIu64 " leaves", arguments->file,
                            arguments->at, snapshot->size);
            return EXIT_NOT_RUN;
        }
        rotor_status status = rotor_snapshot_at(snapshot, snapshot, arguments->at);
        if (status != ROTOR_OK) {
            rotor_cli_error("%s: %s", arguments->file, rotor_status_message(status));
            return EXIT_NOT_RUN;
        }
    }
    if (arguments->has_leaf) {
        if (!rotor_cli_find_leaf(snapshot, &arguments->index, &arguments->leaf)) {
            return EXIT_NOT_RUN;
        }
        if (arguments->index == snapshot->size) {
            char leaf[HASH_DIGITS + 1];
            rotor_cli_hex_encode(leaf, &arguments->leaf);
            rotor_cli_error("%s: no leaf of %" PRIu64 " is %s", arguments->file, snapshot->size, leaf);
            return EXIT_NO;
        }
    }
    if (arguments->index >= snapshot->size) {
        rotor_cli_error("%s: index %" PRIu64 " is out of range: the tree has %" PRIu64 " leaves, numbered from 0",
                        arguments->file, arguments->index, snapshot->size);
        return EXIT_NOT_RUN;
    }
    return EXIT_YES;
}

static int print_proof(const rotor_snapshot *snapshot, const prove_arguments *arguments) {
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    char *text = NULL;
    rotor_status status = rotor_inclusion_prove(snapshot, &proof, arguments->index);
    if (status == ROTOR_OK) {
        status = rotor_json_encode_inclusion(&proof, &text);
    }
    rotor_inclusion_proof_free(&proof);
    return rotor_cli_print_proof(arguments->file, status, text);
}

int rotor_cli_prove(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_tree_arguments, 0, NULL, 0}, {0}};
    static const struct argp_option options[] = {
        {"at", KEY_AT, "SIZE", 0, "Prove in the tree of the first SIZE leaves only", 0},
        {"leaf", KEY_LEAF, "HEX", 0, "Prove the first leaf that is HEX, instead of the one at INDEX", 0},
        {0},
    };
    static const struct argp parser = {
        .options = options,
        .parser = parse,
        .args_doc = "FILE INDEX\nFILE --leaf=HEX",
        .doc = "Build the tree of FILE ('-' for standard input) and print the proof that leaf INDEX, counted from 0, "
               "is in it, as one JSON object.\v"
               "Check the proof with 'rotortree verify'.\n\n"
               "Exit status: 0 done, 1 no leaf is HEX, 2 could not be run.",
        .children = children,
    };
    prove_arguments arguments = {.file = NULL};
    rotor_cli_parse(&parser, argc, argv, &arguments);
    loaded_tree loaded;
    if (!rotor_cli_load(&loaded, arguments.file, &arguments.tree)) {
        return EXIT_NOT_RUN;
    }
    int code = locate(&loaded.snapshot, &arguments);
    if (code == EXIT_YES) {
        code = print_proof(&loaded.snapshot, &arguments);
    }
    rotor_close(loaded.tree);
    return code;
}
