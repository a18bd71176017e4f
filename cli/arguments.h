/* What the sub-commands' command lines have in common: numbers, hashes, operands, and the options that more than one
 * takes. Each group of options is a child parser; all children of a command fill the same command_line. */
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
#define MOST_OPERANDS 3

typedef struct command_line {
    /* Set by the command before parsing: the names of its operands, and how many of them must be given. */
    const char *operand_names[MOST_OPERANDS];
    size_t required;

    const struct argp_child *children;   /* of the command's parser */
    const char *operands[MOST_OPERANDS]; /* NULL: not given */
    uint32_t arity;                      /* 0: not given */
    uint32_t max_depth;                  /* 0: not given */
    leaf_format format;
    size_t batch; /* most leaves that are inserted at a time */
    bool has_format;
    bool has_batch;
    uint32_t threads;   /* 0: one for each processor */
    const char *kernel; /* NULL: the library chooses */
    uint64_t at;
    bool has_at;
    bool json;
} command_line;

/* The child parsers. Their input is a command_line. */
extern const struct argp rotor_cli_operand_arguments; /* everything that is no option */
extern const struct argp rotor_cli_shape_arguments;   /* --arity, --max-depth */
extern const struct argp rotor_cli_input_arguments;   /* --format, --batch */
extern const struct argp rotor_cli_hashing_arguments; /* --threads, --kernel */
extern const struct argp rotor_cli_at_arguments;      /* --at */
extern const struct argp rotor_cli_json_arguments;    /* --json */

/* For a command's ARGP_KEY_INIT: hands `line` to all children. */
void rotor_cli_start_line(const struct argp_state *state, command_line *line);

/* The parser of a command that has no options of its own: its input is the command_line. */
error_t rotor_cli_plain_parser(int key, char *text, struct argp_state *state);

/* Prints the message and how to get help, ends the process with EXIT_NOT_RUN. */
__attribute__((format(printf, 2, 3), noreturn)) void rotor_cli_usage_error(const struct argp_state *state,
                                                                           const char *format, ...);

/* A decimal number from `least` to `most`, or a hash of 64 digits; anything else is a usage error that names `what`. */
uint64_t rotor_cli_number(const struct argp_state *state, const char *what, const char *text, uint64_t least,
                          uint64_t most);
void rotor_cli_hash(const struct argp_state *state, rotor_hash *hash, const char *what, const char *text);

/* argp_parse() without a way to fail. */
void rotor_cli_parse(const struct argp *parser, int argc, char **argv, void *input);

/* The same for a parser whose children are those above: `line`, which may be `input` itself or a part of it, gets its
 * defaults first. */
void rotor_cli_parse_line(const struct argp *parser, int argc, char **argv, void *input, command_line *line);

#endif
