/* rotortree insert: appends leaves to the tree in a directory, durably. */
#include "arguments.h"
#include "command.h"
#include "describe.h"
#include "feed.h"
#include "interrupt.h"
#include "progress.h"
#include "report.h"
#include "tree_dir.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_FLUSH_INTERVAL = 0x200 };

typedef struct insert_arguments {
    command_line line;
    uint32_t flush_interval_ms;
} insert_arguments;

/* What there is to tell once the tree is closed. */
typedef struct insertion {
    const char *path;
    feed_result fed;
    tree_description tree;
    uint64_t durable;
    double seconds; /* from the first leaf until all was durable */
} insertion;

static error_t parse(int key, char *text, struct argp_state *state) {
    insert_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        rotor_cli_start_line(state, &arguments->line);
        return 0;
    case KEY_FLUSH_INTERVAL:
        arguments->flush_interval_ms =
            strcmp(text, "manual") == 0
                ? ROTOR_MANUAL
                : (uint32_t)rotor_cli_number(state, "--flush-interval-ms", text, 1, ROTOR_MANUAL - 1);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Makes what was inserted durable and notes the tree as it is then. Returns the exit code, with errors printed. */
static int finish(insertion *run, rotor_tree *tree, double start) {
    int code = run->fed.end == FEED_DONE ? EXIT_YES : EXIT_NOT_RUN;
    rotor_status status = rotor_flush(tree);
    run->seconds = rotor_cli_seconds() - start;
    if (status != ROTOR_OK && run->fed.end != FEED_REFUSED) {
        code = rotor_cli_tree_error(tree, run->path, "cannot make the leaves durable", status);
    }
    rotor_statistics statistics;
    rotor_snapshot snapshot;
    status = rotor_stat(tree, &statistics);
    if (status == ROTOR_OK) {
        run->durable = statistics.durable_size;
        status = rotor_snapshot_take(tree, &snapshot);
    }
    if (status != ROTOR_OK) {
        return rotor_cli_tree_error(tree, run->path, "cannot be read", status);
    }
    rotor_cli_describe(&run->tree, &snapshot);
    return code;
}

/* The sentence for all that ended otherwise than it should. */
static void tell_state(const insertion *run, int signal_number) {
    char durable[64] = "all durable";
    if (run->durable != run->tree.size) {
        snprintf(durable, sizeof durable, "%" PRIu64 " of them durable", run->durable);
    }
    rotor_cli_error("%s%s: %" PRIu64 " leaves were inserted; the tree has %" PRIu64 ", %s",
                    signal_number != 0 ? "interrupted by " : "",
                    signal_number != 0 ? rotor_cli_interrupt_name(signal_number) : run->path, run->fed.inserted,
                    run->tree.size, durable);
}

static int show(const insertion *run, bool json) {
    double rate = run->seconds > 0 ? (double)run->fed.inserted / run->seconds : 0;
    if (json) {
        return rotor_cli_print_json_both(rotor_cli_description_json(&run->tree),
                                         json_pack("{s:I, s:I, s:f, s:f}", "inserted", (json_int_t)run->fed.inserted,
                                                   "durable", (json_int_t)run->durable, "seconds", run->seconds,
                                                   "leaves_per_s", rate));
    }
    rotor_cli_print_description(&run->tree);
    rotor_cli_print_line("inserted", "%" PRIu64, run->fed.inserted);
    rotor_cli_print_line("durable", "%" PRIu64, run->durable);
    rotor_cli_print_line("rate", "%.2fM leaves/s, %.4f s with reading, until durable", rate * 1e-6, run->seconds);
    return EXIT_YES;
}

static int insert(const insert_arguments *arguments, rotor_tree *tree, leaf_reader *reader) {
    const command_line *line = &arguments->line;
    insertion run = {.path = line->operands[0]};
    double start = rotor_cli_seconds();
    rotor_cli_interrupt_start();
    rotor_cli_feed(&run.fed, tree, reader, line->batch, true);
    int signal_number = run.fed.end == FEED_INTERRUPTED ? rotor_cli_interrupted() : 0;
    int code = finish(&run, tree, start);
    rotor_cli_reader_close(reader);
    code = rotor_cli_tree_close(tree, run.path, code);
    if (code == EXIT_YES) {
        return show(&run, line->json);
    }
    tell_state(&run, signal_number);
    bool stopped_cleanly = signal_number != 0 && run.durable == run.tree.size;
    return stopped_cleanly ? EXIT_INTERRUPTED + signal_number : EXIT_NOT_RUN;
}

int rotor_cli_insert(int argc, char **argv) {
    static const struct argp_child children[] = {{&rotor_cli_operand_arguments, 0, NULL, 0},
                                                 {&rotor_cli_input_arguments, 0, NULL, 0},
                                                 {&rotor_cli_hashing_arguments, 0, NULL, 0},
                                                 {&rotor_cli_json_arguments, 0, NULL, 0},
                                                 {0}};
    static const struct argp_option options[] = {
        {"flush-interval-ms", KEY_FLUSH_INTERVAL, "MS|manual", 0,
         "Leaves become durable on their own within about this time (default 10); manual: at the end only", 2},
        {0},
    };
    static const struct argp parser = {
        .options = options,
        .parser = parse,
        .args_doc = "DIR [FILE]",
        .doc = "Append the hashes in FILE (standard input without it, or for '-') to the tree in DIR, in their order. "
               "When this ends with 0, all of them are durable.\v"
               "FILE is read as by 'rotortree build'. Where it holds something else, the leaves before that place are "
               "inserted, and the error says how many the tree has then.\n\n"
               "Ctrl-C and SIGTERM finish the batch at hand, make all that was inserted durable and say how many "
               "leaves that are; a second one ends the process at once, and what was durable stays.\n\n"
               "Exit status: 0 done, 2 not everything could be inserted, 130 and 143 after Ctrl-C and SIGTERM.",
        .children = children,
    };
    insert_arguments arguments = {.line = {.operand_names = {"DIR", "FILE"}, .required = 1}};
    rotor_cli_parse_line(&parser, argc, argv, &arguments, &arguments.line);
    const command_line *line = &arguments.line;
    rotor_options settings;
    rotor_tree *tree;
    rotor_cli_tree_options(&settings, line, ROTOR_OPEN_EXISTING);
    if (arguments.flush_interval_ms != 0) {
        settings.flush_interval_ms = arguments.flush_interval_ms;
    }
    if (!rotor_cli_tree_open(&tree, line->operands[0], &settings)) {
        return EXIT_NOT_RUN;
    }
    leaf_reader reader;
    if (!rotor_cli_reader_open(&reader, line->operands[1] != NULL ? line->operands[1] : "-", line->format)) {
        rotor_cli_error("%s: %s", reader.name, reader.message);
        return rotor_cli_tree_close(tree, line->operands[0], EXIT_NOT_RUN);
    }
    return insert(&arguments, tree, &reader);
}
