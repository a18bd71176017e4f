/* The common part of the sub-commands' command lines, see arguments.h. */
#include "arguments.h"

#include "command.h"
#include "hex.h"
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest batch takes 32 GiB. */
#define MOST_BATCH ((uint64_t)1 << 30)
#define MOST_THREADS 1024

enum { KEY_KERNEL = 0x100, KEY_AT, KEY_JSON };

void rotor_cli_usage_error(const struct argp_state *state, const char *format, ...) {
    char message[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    rotor_cli_error("%s", message);
    fprintf(stderr, "Try '%s --help' for more information.\n", state->name);
    exit(EXIT_NOT_RUN);
}

/* Digits only: no sign, no blanks, nothing above 64 bits. */
static bool parse_number(uint64_t *number, const char *text) {
    uint64_t value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

uint64_t rotor_cli_number(const struct argp_state *state, const char *what, const char *text, uint64_t least,
                          uint64_t most) {
    uint64_t number = 0;
    if (!parse_number(&number, text) || number < least || number > most) {
        if (most >= INT64_MAX) {
            rotor_cli_usage_error(state, "%s: '%.100s' is not a whole number of at least %" PRIu64, what, text, least);
        }
        rotor_cli_usage_error(state, "%s: '%.100s' is not a whole number from %" PRIu64 " to %" PRIu64, what, text,
                              least, most);
    }
    return number;
}

void rotor_cli_hash(const struct argp_state *state, rotor_hash *hash, const char *what, const char *text) {
    size_t length = strlen(text);
    size_t digits = rotor_cli_hex_span(text, length);
    if (digits < length) {
        rotor_cli_usage_error(state, "%s: character %zu is not a hexadecimal digit", what, digits + 1);
    }
    if (length != HASH_DIGITS || !rotor_cli_hex_decode(hash, text)) {
        rotor_cli_usage_error(state, "%s: has %zu hexadecimal digits where 64 belong", what, length);
    }
}

static error_t parse_operand(int key, char *text, struct argp_state *state) {
    command_line *line = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num >= MOST_OPERANDS || line->operand_names[state->arg_num] == NULL) {
            rotor_cli_usage_error(state, "'%.100s' is too many", text);
        }
        line->operands[state->arg_num] = text;
        return 0;
    case ARGP_KEY_END:
        for (size_t i = 0; i < line->required; i++) {
            if (line->operands[i] == NULL) {
                rotor_cli_usage_error(state, "%s is missing", line->operand_names[i]);
            }
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *text, struct argp_state *state) {
    command_line *line = state->input;
    switch (key) {
    case 'a':
        line->arity = (uint32_t)rotor_cli_number(state, "--arity", text, ROTOR_MIN_ARITY, ROTOR_MAX_ARITY);
        return 0;
    case 'd':
        line->max_depth = (uint32_t)rotor_cli_number(state, "--max-depth", text, ROTOR_MIN_DEPTH, ROTOR_MAX_DEPTH);
        return 0;
    case 'f':
        if (strcmp(text, "hex") != 0 && strcmp(text, "raw") != 0) {
            rotor_cli_usage_error(state, "--format: '%.100s' is neither hex nor raw", text);
        }
        line->format = text[0] == 'h' ? LEAF_HEX : LEAF_RAW;
        line->has_format = true;
        return 0;
    case 'b':
        line->batch = (size_t)rotor_cli_number(state, "--batch", text, 1, MOST_BATCH);
        line->has_batch = true;
        return 0;
    case 't':
        line->threads = (uint32_t)rotor_cli_number(state, "--threads", text, 0, MOST_THREADS);
        return 0;
    case KEY_KERNEL:
        line->kernel = text;
        return 0;
    case KEY_AT:
        line->at = rotor_cli_number(state, "--at", text, 0, UINT64_MAX);
        line->has_at = true;
        return 0;
    case KEY_JSON:
        line->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option shape_options[] = {
    {"arity", 'a', "N", 0, "Children per node, 2 to 255 (default 4; of a tree directory: as it was made)", 1},
    {"max-depth", 'd', "D", 0,
     "Highest level that the tree may have, 1 to 64 (default 32; of a tree directory: as it was made)", 1},
    {0},
};

static const struct argp_option input_options[] = {
    {"format", 'f', "hex|raw", 0, "Lines of 64 hexadecimal digits (default), or raw records of 32 bytes", 2},
    {"batch", 'b', "B", 0, "Leaves inserted at a time, at most (default 65536)", 2},
    {0},
};

static const struct argp_option hashing_options[] = {
    {"threads", 't', "T", 0, "Threads that hash, at most 1024 (default 0: one for each processor)", 3},
    {"kernel", KEY_KERNEL, "NAME", 0,
     "Hashing kernel: portable, sse41, avx2, avx512 or neon (default: the fastest of this machine)", 3},
    {0},
};

static const struct argp_option at_options[] = {
    {"at", KEY_AT, "SIZE", 0, "Look at the tree as it was when it had SIZE leaves", 1},
    {0},
};

static const struct argp_option json_options[] = {
    {"json", KEY_JSON, NULL, 0, "Print one JSON object (proofs are JSON in any case)", 4},
    {0},
};

const struct argp rotor_cli_operand_arguments = {.parser = parse_operand};
const struct argp rotor_cli_shape_arguments = {.options = shape_options, .parser = parse_option};
const struct argp rotor_cli_input_arguments = {.options = input_options, .parser = parse_option};
const struct argp rotor_cli_hashing_arguments = {.options = hashing_options, .parser = parse_option};
const struct argp rotor_cli_at_arguments = {.options = at_options, .parser = parse_option};
const struct argp rotor_cli_json_arguments = {.options = json_options, .parser = parse_option};

void rotor_cli_start_line(const struct argp_state *state, command_line *line) {
    for (size_t i = 0; line->children[i].argp != NULL; i++) {
        state->child_inputs[i] = line;
    }
}

error_t rotor_cli_plain_parser(int key, __attribute__((unused)) char *text, struct argp_state *state) {
    if (key == ARGP_KEY_INIT) {
        rotor_cli_start_line(state, state->input);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

void rotor_cli_parse(const struct argp *parser, int argc, char **argv, void *input) {
    argp_err_exit_status = EXIT_NOT_RUN;
    error_t error = argp_parse(parser, argc, argv, 0, NULL, input);
    if (error != 0) {
        rotor_cli_error("%s", strerror(error));
        exit(EXIT_NOT_RUN);
    }
}

void rotor_cli_parse_line(const struct argp *parser, int argc, char **argv, void *input, command_line *line) {
    line->children = parser->children;
    line->format = LEAF_HEX;
    line->batch = DEFAULT_BATCH;
    rotor_cli_parse(parser, argc, argv, input);
}
