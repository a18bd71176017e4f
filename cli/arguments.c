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

enum { KEY_KERNEL = 0x100, KEY_JSON };

static const struct argp_option tree_option_table[] = {
    {"arity", 'a', "N", 0, "Children per node, 2 to 255 (default 4)", 1},
    {"max-depth", 'd', "D", 0, "Highest level that the tree may have, 1 to 64 (default 32)", 1},
    {"format", 'f', "hex|raw", 0, "Lines of 64 hexadecimal digits (default), or raw records of 32 bytes", 1},
    {"threads", 't', "T", 0,
     "Threads that hash, at most 1024 (default 0: one for each processor); with 1, the input is not read ahead by "
     "another one either",
     2},
    {"batch", 'b', "B", 0, "Leaves inserted at a time (default 65536)", 2},
    {"kernel", KEY_KERNEL, "NAME", 0,
     "Hashing kernel: portable, sse41, avx2, avx512 or neon (default: the fastest of this machine)", 2},
    {"json", KEY_JSON, NULL, 0, "Print one JSON object (proofs are JSON in any case)", 3},
    {0},
};

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

static error_t parse_tree_option(int key, char *text, struct argp_state *state) {
    tree_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        *options = (tree_options){
            .arity = DEFAULT_ARITY, .max_depth = DEFAULT_MAX_DEPTH, .batch = DEFAULT_BATCH, .format = LEAF_HEX};
        return 0;
    case 'a':
        options->arity = (uint32_t)rotor_cli_number(state, "--arity", text, ROTOR_MIN_ARITY, ROTOR_MAX_ARITY);
        return 0;
    case 'd':
        options->max_depth = (uint32_t)rotor_cli_number(state, "--max-depth", text, ROTOR_MIN_DEPTH, ROTOR_MAX_DEPTH);
        return 0;
    case 'f':
        if (strcmp(text, "hex") != 0 && strcmp(text, "raw") != 0) {
            rotor_cli_usage_error(state, "--format: '%.100s' is neither hex nor raw", text);
        }
        options->format = text[0] == 'h' ? LEAF_HEX : LEAF_RAW;
        return 0;
    case 't':
        options->threads = (uint32_t)rotor_cli_number(state, "--threads", text, 0, MOST_THREADS);
        return 0;
    case 'b':
        options->batch = (size_t)rotor_cli_number(state, "--batch", text, 1, MOST_BATCH);
        return 0;
    case KEY_KERNEL:
        options->kernel = text;
        return 0;
    case KEY_JSON:
        options->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp rotor_cli_tree_arguments = {.options = tree_option_table, .parser = parse_tree_option};

void rotor_cli_parse(const struct argp *parser, int argc, char **argv, void *input) {
    argp_err_exit_status = EXIT_NOT_RUN;
    error_t error = argp_parse(parser, argc, argv, 0, NULL, input);
    if (error != 0) {
        rotor_cli_error("%s", strerror(error));
        exit(EXIT_NOT_RUN);
    }
}
