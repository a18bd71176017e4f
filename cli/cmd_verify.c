/* rotortree verify: checks a proof against what the user trusts. Takes nothing that is trusted from the proof itself:
 * root, size and arity come from the command line. The library alone decides; this file only explains. */
#include "arguments.h"
#include "command.h"
#include "hex.h"
#include "report.h"
#include "rotortree_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_ROOT = 0x100, KEY_SIZE, KEY_LEAF, KEY_INDEX, KEY_OLD_ROOT, KEY_OLD_SIZE, KEY_JSON };

typedef struct verify_arguments {
    const char *file;
    rotor_tree_head head;
    rotor_tree_head old_head;
    rotor_hash leaf;
    uint64_t index;
    bool has_root;
    bool has_old_root;
    bool has_leaf;
    bool has_index;
    bool json;
} verify_arguments;

/* One sentence on why a proof was refused. */
typedef struct reason {
    char text[240];
} reason;

static void check_complete(const struct argp_state *state, const verify_arguments *arguments) {
    if (arguments->file == NULL) {
        rotor_cli_usage_error(state, "PROOF is missing ('-' for standard input)");
    }
    if (!arguments->has_root || arguments->head.size == 0) {
        rotor_cli_usage_error(state, "--root and --size are needed: a root without its size proves nothing");
    }
    if (arguments->has_old_root != (arguments->old_head.size != 0)) {
        rotor_cli_usage_error(state, "--old-root and --old-size belong together");
    }
    if (arguments->has_old_root && (arguments->has_leaf || arguments->has_index)) {
        rotor_cli_usage_error(state, "--leaf and --index belong to inclusion proofs, --old-root to consistency proofs");
    }
}

static error_t parse(int key, char *text, struct argp_state *state) {
    verify_arguments *arguments = state->input;
    switch (key) {
    case 'a':
        arguments->head.arity = (uint32_t)rotor_cli_number(state, "--arity", text, ROTOR_MIN_ARITY, ROTOR_MAX_ARITY);
        arguments->old_head.arity = arguments->head.arity;
        return 0;
    case KEY_ROOT:
        rotor_cli_hash(state, &arguments->head.root, "--root", text);
        arguments->has_root = true;
        return 0;
    case KEY_SIZE:
        arguments->head.size = rotor_cli_number(state, "--size", text, 1, UINT64_MAX);
        return 0;
    case KEY_LEAF:
        rotor_cli_hash(state, &arguments->leaf, "--leaf", text);
        arguments->has_leaf = true;
        return 0;
    case KEY_INDEX:
        arguments->index = rotor_cli_number(state, "--index", text, 0, UINT64_MAX);
        arguments->has_index = true;
        return 0;
    case KEY_OLD_ROOT:
        rotor_cli_hash(state, &arguments->old_head.root, "--old-root", text);
        arguments->has_old_root = true;
        return 0;
    case KEY_OLD_SIZE:
        arguments->old_head.size = rotor_cli_number(state, "--old-size", text, 1, UINT64_MAX);
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) {
            rotor_cli_usage_error(state, "one PROOF at a time, '%.100s' is too many", text);
        }
        arguments->file = text;
        return 0;
    case ARGP_KEY_END:
        check_complete(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Reads the whole file; text[bytes] is not terminated. False with the error printed. */
static bool read_text(const char *path, char **text, size_t *bytes) {
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    FILE *file = standard ? stdin : fopen(path, "rbe");
    if (file == NULL) {
        rotor_cli_error("%s: %s", name, strerror(errno));
        return false;
    }
    /* One byte more than is allowed, so that a longer file is recognised as such by the decoder. */
    size_t most = ROTOR_JSON_MAX_BYTES + 1;
    *text = malloc(most);
    bool done = *text != NULL;
    if (!done) {
        rotor_cli_error("out of memory");
    } else {
        *bytes = fread(*text, 1, most, file);
        if (ferror(file)) {
            rotor_cli_error("%s: %s", name, strerror(errno));
            free(*text);
            done = false;
        }
    }
    if (!standard) {
        fclose(file);
    }
    return done;
}

/* Compares one head of the proof with the trusted one. */
static bool explain_head(reason *why, const char *which, const rotor_tree_head *head, const rotor_tree_head *trusted) {
    if (head->arity != trusted->arity) {
        snprintf(why->text, sizeof why->text,
                 "the proof is for arity %" PRIu32 ", the trusted arity is %" PRIu32 " (see --arity)", head->arity,
                 trusted->arity);
    } else if (head->size != trusted->size) {
        snprintf(why->text, sizeof why->text, "the proof is for %ssize %" PRIu64 ", the trusted %ssize is %" PRIu64,
                 which, head->size, which, trusted->size);
    } else if (memcmp(&head->root, &trusted->root, sizeof head->root) != 0) {
        char root[HASH_DIGITS + 1];
        rotor_cli_hex_encode(root, &head->root);
        snprintf(why->text, sizeof why->text, "the proof is for another %sroot, %s", which, root);
    } else {
        return false;
    }
    return true;
}

static void explain_inclusion(reason *why, const rotor_inclusion_proof *proof, const verify_arguments *trusted) {
    if (explain_head(why, "", &proof->head, &trusted->head)) {
        return;
    }
    if (trusted->has_index && proof->index != trusted->index) {
        snprintf(why->text, sizeof why->text, "the proof is for index %" PRIu64 ", not %" PRIu64, proof->index,
                 trusted->index);
    } else if (trusted->has_leaf && memcmp(&proof->leaf, &trusted->leaf, sizeof proof->leaf) != 0) {
        char leaf[HASH_DIGITS + 1];
        rotor_cli_hex_encode(leaf, &proof->leaf);
        snprintf(why->text, sizeof why->text, "the proof is for another leaf, %s", leaf);
    } else {
        snprintf(why->text, sizeof why->text, "the hashes in the proof do not lead to the root");
    }
}

static void explain_consistency(reason *why, const rotor_consistency_proof *proof, const verify_arguments *trusted) {
    if (!explain_head(why, "old ", &proof->old_head, &trusted->old_head) &&
        !explain_head(why, "new ", &proof->new_head, &trusted->head)) {
        snprintf(why->text, sizeof why->text, "the hashes in the proof do not lead to both roots");
    }
}

static int print_invalid(const verify_arguments *arguments, const reason *why) {
    if (arguments->json) {
        int code = rotor_cli_print_json(json_pack("{s:b, s:s}", "valid", 0, "reason", why->text));
        return code == EXIT_YES ? EXIT_NO : code;
    }
    printf("not valid: %s\n", why->text);
    return EXIT_NO;
}

static int print_inclusion(const verify_arguments *arguments, const rotor_inclusion_proof *proof) {
    char leaf[HASH_DIGITS + 1];
    char root[HASH_DIGITS + 1];
    rotor_cli_hex_encode(leaf, &proof->leaf);
    rotor_cli_hex_encode(root, &proof->head.root);
    if (arguments->json) {
        return rotor_cli_print_json(json_pack("{s:b, s:s, s:i, s:I, s:I, s:s, s:s}", "valid", 1, "proves", "inclusion",
                                              "arity", (int)proof->head.arity, "size", (json_int_t)proof->head.size,
                                              "index", (json_int_t)proof->index, "leaf", leaf, "root", root));
    }
    printf("valid: leaf %" PRIu64 " of the %" PRIu64 " under root %s is %s\n", proof->index, proof->head.size, root,
           leaf);
    return EXIT_YES;
}

static int print_consistency(const verify_arguments *arguments, const rotor_consistency_proof *proof) {
    char old_root[HASH_DIGITS + 1];
    char new_root[HASH_DIGITS + 1];
    rotor_cli_hex_encode(old_root, &proof->old_head.root);
    rotor_cli_hex_encode(new_root, &proof->new_head.root);
    if (arguments->json) {
        return rotor_cli_print_json(
            json_pack("{s:b, s:s, s:i, s:I, s:I, s:s, s:s}", "valid", 1, "proves", "consistency", "arity",
                      (int)proof->new_head.arity, "old_size", (json_int_t)proof->old_head.size, "new_size",
                      (json_int_t)proof->new_head.size, "old_root", old_root, "new_root", new_root));
    }
    printf("valid: the %" PRIu64 " leaves under root %s begin with the %" PRIu64 " under root %s, unchanged\n",
           proof->new_head.size, new_root, proof->old_head.size, old_root);
    return EXIT_YES;
}

static int could_not_verify(const verify_arguments *arguments, const char *message) {
    rotor_cli_error("%s: %s", strcmp(arguments->file, "-") == 0 ? "standard input" : arguments->file, message);
    return EXIT_NOT_RUN;
}

static int verify_inclusion(const verify_arguments *arguments, const char *text, size_t bytes) {
    if (arguments->has_old_root) {
        return could_not_verify(arguments, "is an inclusion proof, which has no old root");
    }
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_error error;
    int code;
    if (rotor_json_decode_inclusion(&proof, text, bytes, &error) != ROTOR_OK) {
        return could_not_verify(arguments, error.message);
    }
    rotor_status status =
        rotor_inclusion_verify(&proof, &arguments->head, arguments->has_leaf ? &arguments->leaf : NULL);
    if (status != ROTOR_OK && status != ROTOR_INVALID_PROOF) {
        code = could_not_verify(arguments, rotor_status_message(status));
    } else if (status != ROTOR_OK || (arguments->has_index && proof.index != arguments->index)) {
        reason why;
        explain_inclusion(&why, &proof, arguments);
        code = print_invalid(arguments, &why);
    } else {
        code = print_inclusion(arguments, &proof);
    }
    rotor_inclusion_proof_free(&proof);
    return code;
}

static int verify_consistency(const verify_arguments *arguments, const char *text, size_t bytes) {
    if (!arguments->has_old_root) {
        return could_not_verify(arguments, "is a consistency proof: --old-root and --old-size are needed");
    }
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_error error;
    int code;
    if (rotor_json_decode_consistency(&proof, text, bytes, &error) != ROTOR_OK) {
        return could_not_verify(arguments, error.message);
    }
    rotor_status status = rotor_consistency_verify(&proof, &arguments->old_head, &arguments->head);
    if (status != ROTOR_OK && status != ROTOR_INVALID_PROOF) {
        code = could_not_verify(arguments, rotor_status_message(status));
    } else if (status != ROTOR_OK) {
        reason why;
        explain_consistency(&why, &proof, arguments);
        code = print_invalid(arguments, &why);
    } else {
        code = print_consistency(arguments, &proof);
    }
    rotor_consistency_proof_free(&proof);
    return code;
}

int rotor_cli_verify(int argc, char **argv) {
    static const struct argp_option options[] = {
        {"root", KEY_ROOT, "HEX", 0, "Root that you trust", 1},
        {"size", KEY_SIZE, "N", 0, "Number of leaves under that root", 1},
        {"arity", 'a', "N", 0,
         "Arity of the tree that you trust, 2 to 255 (default 4); it is never taken from the proof", 1},
        {"leaf", KEY_LEAF, "HEX", 0, "Leaf that must be the proven one (default: any, it is printed)", 2},
        {"index", KEY_INDEX, "I", 0, "Place that it must be proven at (default: any, it is printed)", 2},
        {"old-root", KEY_OLD_ROOT, "HEX", 0, "Root that you trusted before, for a consistency proof", 3},
        {"old-size", KEY_OLD_SIZE, "N", 0, "Number of leaves under that earlier root", 3},
        {"json", KEY_JSON, NULL, 0, "Print one JSON object", 4},
        {0},
    };
    static const struct argp parser = {
        .options = options,
        .parser = parse,
        .args_doc = "PROOF --root=HEX --size=N\nPROOF --old-root=HEX --old-size=N --root=HEX --size=N",
        .doc = "Check the JSON proof in the file PROOF ('-' for standard input): that a leaf is in the tree with the "
               "trusted root, size and arity, or that this tree has grown out of an earlier one by appending only.\v"
               "Exit status: 0 the proof is valid, 1 it is not, 2 it could not be checked (usage, unreadable or "
               "malformed PROOF).",
    };
    verify_arguments arguments = {.head = {.arity = DEFAULT_ARITY, .hash_profile = ROTOR_HASH_BLAKE3},
                                  .old_head = {.arity = DEFAULT_ARITY, .hash_profile = ROTOR_HASH_BLAKE3}};
    rotor_cli_parse(&parser, argc, argv, &arguments);
    char *text = NULL;
    size_t bytes = 0;
    if (!read_text(arguments.file, &text, &bytes)) {
        return EXIT_NOT_RUN;
    }
    rotor_json_kind kind;
    rotor_error error;
    int code;
    if (rotor_json_kind_of(&kind, text, bytes, &error) != ROTOR_OK) {
        code = could_not_verify(&arguments, error.message);
    } else if (kind == ROTOR_JSON_INCLUSION_PROOF) {
        code = verify_inclusion(&arguments, text, bytes);
    } else {
        code = verify_consistency(&arguments, text, bytes);
    }
    free(text);
    return code;
}
