/* rotortree prove: an inclusion proof of one leaf, as JSON. */
#include "arguments.h"
#include "command.h"
#include "hex.h"
#include "report.h"
#include "rotortree_json.h"
#include "source.h"
#include "tree_dir.h"

#include <inttypes.h>

enum { KEY_LEAF = 0x200 };

typedef struct prove_arguments {
    command_line line;
    bool has_leaf;
    rotor_hash leaf;
    uint64_t index; /* without meaning with a leaf */
} prove_arguments;

static error_t parse(int key, char *text, struct argp_state *state) {
    prove_arguments *arguments = state->input;
    const char *index = arguments->line.operands[1];
    switch (key) {
    case ARGP_KEY_INIT:
        rotor_cli_start_line(state, &arguments->line);
        return 0;
    case KEY_LEAF:
        rotor_cli_hash(state, &arguments->leaf, "--leaf", text);
        arguments->has_leaf = true;
        return 0;
    case ARGP_KEY_END:
        if ((index != NULL) == arguments->has_leaf) {
            rotor_cli_usage_error(state, "say which leaf: either INDEX or --leaf");
        }
        if (index != NULL) {
            arguments->index = rotor_cli_number(state, "INDEX", index, 0, UINT64_MAX);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Finds the leaf's number. */
static int locate(const tree_source *source, prove_arguments *arguments) {
    uint64_t size = source->snapshot.size;
    if (arguments->has_leaf) {
        if (!rotor_cli_source_find(source, &arguments->index, &arguments->leaf)) {
            return EXIT_NOT_RUN;
        }
        if (arguments->index == size) {
            char leaf[HASH_DIGITS + 1];
            rotor_cli_hex_encode(leaf, &arguments->leaf);
            if (rotor_cli_source_has_bad_leaves(source)) {
                return rotor_cli_tree_damaged(source->path, "a leaf that may have been %s", leaf);
            }
            rotor_cli_error("%s: no leaf of %" PRIu64 " is %s", source->path, size, leaf);
            return EXIT_NO;
        }
    }
    if (arguments->index >= size) {
        rotor_cli_error("%s: index %" PRIu64 " is out of range: the tree has %" PRIu64 " leaves, numbered from 0",
                        source->path, arguments->index, size);
        return EXIT_NOT_RUN;
    }
    return EXIT_YES;
}

static int print_proof(const tree_source *source, uint64_t index) {
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    char *text = NULL;
    rotor_status status = rotor_inclusion_prove(&source->snapshot, &proof, index);
    if (status == ROTOR_OK) {
        status = rotor_json_encode_inclusion(&proof, &text);
    }
    rotor_inclusion_proof_free(&proof);
    if (status == ROTOR_DAMAGED) {
        return rotor_cli_tree_damaged(source->path, "leaf %" PRIu64 ", or a node that its proof needs,", index);
    }
    return rotor_cli_print_proof(source->path, status, text);
}

int rotor_cli_prove(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_operand_arguments, 0, NULL, 0},
                                                 {&rotor_cli_at_arguments, 0, NULL, 0},
                                                 {&rotor_cli_shape_arguments, 0, NULL, 0},
                                                 {&rotor_cli_input_arguments, 0, NULL, 0},
                                                 {&rotor_cli_hashing_arguments, 0, NULL, 0},
                                                 {&rotor_cli_json_arguments, 0, NULL, 0},
                                                 {0}};
    static const struct argp_option options[] = {
        {"leaf", KEY_LEAF, "HEX", 0, "Prove the first leaf that is HEX, instead of the one at INDEX", 1},
        {0},
    };
    static const struct argp parser = {
        .options = options,
        .parser = parse,
        .args_doc = "DIR INDEX\nDIR --leaf=HEX\nFILE INDEX\nFILE --leaf=HEX",
        .doc = "Print the proof that leaf INDEX, counted from 0, is in the tree in DIR, or in that of the hashes in "
               "FILE ('-' for standard input), as one JSON object.\v"
               "Check the proof with 'rotortree verify'.\n\n"
               "Exit status: 0 done, 1 no leaf is HEX, 2 could not be run.",
        .children = children,
    };
    prove_arguments arguments = {.line = {.operand_names = {SOURCE_NAME, "INDEX"}, .required = 1}};
    rotor_cli_parse_line(&parser, argc, argv, &arguments, &arguments.line);
    tree_source source;
    if (!rotor_cli_source_open(&source, &arguments.line)) {
        return EXIT_NOT_RUN;
    }
    int code = locate(&source, &arguments);
    if (code == EXIT_YES) {
        code = print_proof(&source, arguments.index);
    }
    rotor_cli_source_close(&source);
    return code;
}
