/* rotortree, the command line tool: finds the sub-command and runs it. Knows nothing of what they do. */
#include "command.h"
#include "report.h"
#include "rotortree.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_command commands[] = {
    {"build", "Build the tree of a file of hashes in memory, print its root", rotor_cli_build},
    {"init", "Make an empty tree in a directory", rotor_cli_init},
    {"insert", "Append hashes to a tree directory, durably", rotor_cli_insert},
    {"root", "Print the root of a tree, present or past", rotor_cli_root},
    {"prove", "Prove that a leaf is in the tree", rotor_cli_prove},
    {"consistency", "Prove that the tree has only been appended to", rotor_cli_consistency},
    {"verify", "Check either proof against a trusted root and size", rotor_cli_verify},
    {"truncate", "Cut a tree directory back to its first leaves", rotor_cli_truncate},
    {"checkpoint", "Write what is in a tree directory's log to its level files", rotor_cli_checkpoint},
    {"stat", "Show the state of a tree directory", rotor_cli_stat},
    {"check", "Recompute a tree directory from its leaves", rotor_cli_check},
    {"repair", "Rewrite damaged inner nodes from the leaves", rotor_cli_repair},
    {"backup", "Copy a tree directory", rotor_cli_backup},
    {"import", "Take over a directory of the Rust crate rotortree", rotor_cli_import},
    {"export", "Write a directory for the Rust crate rotortree", rotor_cli_export},
};

static const cli_command *find_command(const char *name) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_version(FILE *stream, struct argp_state *state) {
    (void)state;
    fprintf(stream, "rotortree %s\n", rotor_version());
}

static void print_commands(FILE *stream) {
    fputs("Usage: rotortree COMMAND [OPTION...] ...\n"
          "Append-only n-ary Merkle trees of 32-byte hashes: build, keep, prove, verify.\n\n",
          stream);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        fprintf(stream, "  %-14s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\n"
          "  --help         Print this list; 'rotortree COMMAND --help' explains a command\n"
          "  --version      Print the version\n\n"
          "Exit status: 0 done, valid or whole, 1 not valid or damaged, 2 could not be run.\n",
          stream);
}

static int run_command(const cli_command *command, int argc, char **argv) {
    /* argp takes the name for its messages from argv[0]. */
    char name[64];
    snprintf(name, sizeof name, "rotortree %s", command->name);
    argv[0] = name;
    rotor_cli_report_command(command->name);
    return command->run(argc, argv);
}

int main(int argc, char **argv) {
    argp_program_version_hook = print_version;
    rotor_cli_report_start();
    const char *first = argc > 1 ? argv[1] : NULL;
    if (first == NULL) {
        print_commands(stderr);
        return EXIT_NOT_RUN;
    }
    if (strcmp(first, "--help") == 0 || strcmp(first, "-?") == 0 || (strcmp(first, "help") == 0 && argc == 2)) {
        print_commands(stdout);
        return EXIT_YES;
    }
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
        print_version(stdout, NULL);
        return EXIT_YES;
    }
    if (strcmp(first, "help") == 0) {
        const cli_command *command = find_command(argv[2]);
        if (command != NULL) {
            char option[] = "--help";
            char *arguments[] = {NULL, option, NULL};
            return run_command(command, 2, arguments);
        }
        first = argv[2];
    }
    const cli_command *command = find_command(first);
    if (command == NULL) {
        rotor_cli_error("there is no command '%s'\nTry 'rotortree --help' for the list of commands.", first);
        return EXIT_NOT_RUN;
    }
    return run_command(command, argc - 1, argv + 1);
}
