/* rotortree build: the tree of a file of leaves, its root, and how fast that was. */
#include "arguments.h"
#include "command.h"
#include "hex.h"
#include "load.h"
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct build_arguments {
    tree_options tree;
    const char *file;
} build_arguments;

static error_t parse(int key, char *text, struct argp_state *state) {
    build_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->tree;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) {
            rotor_cli_usage_error(state, "one FILE at a time, '%.100s' is too many", text);
        }
        arguments->file = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments->file == NULL) {
            rotor_cli_usage_error(state, "FILE is missing ('-' for standard input)");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static double rate(uint64_t leaves, double seconds) {
    return seconds > 0 ? (double)leaves / seconds : 0;
}

static int print_json(const loaded_tree *loaded, const tree_options *options) {
    const rotor_snapshot *tree = &loaded->snapshot;
    char root[HASH_DIGITS + 1];
    rotor_cli_hex_encode(root, &tree->edge[tree->depth]);
    /* "s?" turns a null pointer into JSON's null: the empty tree has no root. */
    return rotor_cli_print_json(json_pack(
        "{s:I, s:i, s:s?, s:s, s:i, s:i, s:s, s:i, s:f, s:f, s:f, s:f}", "size", (json_int_t)tree->size, "depth",
        (int)tree->depth, "root", tree->size > 0 ? root : NULL, "hash", "blake3", "arity", (int)options->arity,
        "max_depth", (int)options->max_depth, "kernel", rotor_kernel(loaded->tree), "threads", (int)loaded->threads,
        "hash_seconds", loaded->hash_seconds, "total_seconds", loaded->total_seconds, "hash_leaves_per_s",
        rate(tree->size, loaded->hash_seconds), "total_leaves_per_s", rate(tree->size, loaded->total_seconds)));
}

static void print_text(const loaded_tree *loaded, const tree_options *options) {
    const rotor_snapshot *tree = &loaded->snapshot;
    char root[HASH_DIGITS + 1];
    rotor_cli_hex_encode(root, &tree->edge[tree->depth]);
    printf("size     %" PRIu64 "\n", tree->size);
    printf("depth    %" PRIu32 "\n", tree->depth);
    printf("root     %s\n", tree->size > 0 ? root : "none: empty tree");
    printf("arity    %" PRIu32 "\n", options->arity);
    printf("kernel   %s\n", rotor_kernel(loaded->tree));
    printf("threads  %" PRIu32 "\n", loaded->threads);
    if (tree->size > 0) {
        printf("hashing  %.2fM leaves/s, %.4f s\n", rate(tree->size, loaded->hash_seconds) * 1e-6,
               loaded->hash_seconds);
        printf("in all   %.2fM leaves/s, %.4f s with reading\n", rate(tree->size, loaded->total_seconds) * 1e-6,
               loaded->total_seconds);
    }
}

int rotor_cli_build(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_tree_arguments, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse,
        .args_doc = "FILE",
        .doc = "Build the Merkle tree of the hashes in FILE ('-' for standard input) and print its size, depth and "
               "root, and how fast it was built.\v"
               "Each line of FILE is one leaf, 64 hexadecimal digits of either case; lines end in LF or CR LF. "
               "With --format raw, each 32 bytes are one leaf. An empty input is the empty tree, which has no "
               "root.\n\n"
               "Exit status: 0 done, 2 FILE could not be read or holds something else than hashes.",
        .children = children,
    };
    build_arguments arguments = {.file = NULL};
    rotor_cli_parse(&parser, argc, argv, &arguments);
    loaded_tree loaded;
    if (!rotor_cli_load(&loaded, arguments.file, &arguments.tree)) {
        return EXIT_NOT_RUN;
    }
    int code = EXIT_YES;
    if (arguments.tree.json) {
        code = print_json(&loaded, &arguments.tree);
    } else {
        print_text(&loaded, &arguments.tree);
    }
    rotor_close(loaded.tree);
    return code;
}
