/* rotortree build: the tree of a file of leaves, its root, and how fast that was. */
#include "arguments.h"
#include "command.h"
#include "describe.h"
#include "load.h"
#include "report.h"

#include <inttypes.h>

static double rate(uint64_t leaves, double seconds) {
    return seconds > 0 ? (double)leaves / seconds : 0;
}

static int print_json(const loaded_tree *loaded, const tree_description *tree) {
    return rotor_cli_print_json_both(rotor_cli_description_json(tree),
                                     json_pack("{s:s, s:i, s:f, s:f, s:f, s:f}", "kernel", rotor_kernel(loaded->tree),
                                               "threads", (int)loaded->threads, "hash_seconds", loaded->hash_seconds,
                                               "total_seconds", loaded->total_seconds, "hash_leaves_per_s",
                                               rate(tree->size, loaded->hash_seconds), "total_leaves_per_s",
                                               rate(tree->size, loaded->total_seconds)));
}

static void print_text(const loaded_tree *loaded, const tree_description *tree) {
    rotor_cli_print_description(tree);
    rotor_cli_print_line("kernel", "%s", rotor_kernel(loaded->tree));
    rotor_cli_print_line("threads", "%" PRIu32, loaded->threads);
    if (tree->size > 0) {
        rotor_cli_print_line("hashing", "%.2fM leaves/s, %.4f s", rate(tree->size, loaded->hash_seconds) * 1e-6,
                             loaded->hash_seconds);
        rotor_cli_print_line("in all", "%.2fM leaves/s, %.4f s with reading",
                             rate(tree->size, loaded->total_seconds) * 1e-6, loaded->total_seconds);
    }
}

int rotor_cli_build(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&rotor_cli_operand_arguments, 0, NULL, 0}, {&rotor_cli_shape_arguments, 0, NULL, 0},
        {&rotor_cli_input_arguments, 0, NULL, 0},   {&rotor_cli_hashing_arguments, 0, NULL, 0},
        {&rotor_cli_json_arguments, 0, NULL, 0},    {0}};
    static const struct argp parser = {
        .parser = rotor_cli_plain_parser,
        .args_doc = "FILE",
        .doc = "Build the Merkle tree of the hashes in FILE ('-' for standard input) in memory and print its size, "
               "depth and root, and how fast it was built.\v"
               "Each line of FILE is one leaf, 64 hexadecimal digits of either case; lines end in LF or CR LF. "
               "With --format raw, each 32 bytes are one leaf. An empty input is the empty tree, which has no "
               "root. With --threads 1, the input is not read ahead by another thread either.\n\n"
               "Exit status: 0 done, 2 FILE could not be read or holds something else than hashes.",
        .children = children,
    };
    command_line line = {.operand_names = {"FILE"}, .required = 1};
    rotor_cli_parse_line(&parser, argc, argv, &line, &line);
    loaded_tree loaded;
    if (!rotor_cli_load(&loaded, line.operands[0], &line)) {
        return EXIT_NOT_RUN;
    }
    tree_description tree;
    rotor_cli_describe(&tree, &loaded.snapshot);
    int code = EXIT_YES;
    if (line.json) {
        code = print_json(&loaded, &tree);
    } else {
        print_text(&loaded, &tree);
    }
    rotor_close(loaded.tree, NULL);
    return code;
}
