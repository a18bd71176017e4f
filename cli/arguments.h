/* What the sub-commands' command lines have in common: numbers, hashes, and the options of those that build a tree. */
#ifndef ROTOR_CLI_ARGUMENTS_H
#define ROTOR_CLI_ARGUMENTS_H

#include "leaf_reader.h"
#include "rotortree.h"

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#define DEFAULT_ARITY 4
#define DEFAULT_MAX_DEPTH 32
#define DEFAULT_BATCH 65536

typedef struct tree_options {
    uint32_t arity;
    uint32_t max_depth;
    uint32_t threads; /* 0: one for each processor */
    size_t batch;     /* leaves that are inserted at a time */
    leaf_format format;
    const char *kernel; /* NULL: the library chooses */
    bool json;
} tree_options;

/* A child parser for the options that fill a tree_options, its input. */
extern const struct argp rotor_cli_tree_arguments;

/* Prints the message and how to get help, ends the process with EXIT_NOT_RUN. */
__attribute__((format(printf, 2, 3), noreturn)) void rotor_cli_usage_error(const struct argp_state *state,
                                                                           const char *format, ...);

/* A decimal number from `least` to `most`, or a hash of 64 digits; anything else is a usage error that names `what`. */
uint64_t rotor_cli_number(const struct argp_state *state, const char *what, const char *text, uint64_t least,
                          uint64_t most);
void rotor_cli_hash(const struct argp_state *state, rotor_hash *hash, const char *what, const char *text);

/* argp_parse() without a way to fail. */
void rotor_cli_parse(const struct argp *parser, int argc, char **argv, void *input);

#endif
