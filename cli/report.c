/* Errors and the end of standard output, see report.h. */
#include "report.h"

#include "command.h"
#include "rotortree_json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *command_name;

void rotor_cli_error(const char *format, ...) {
    int saved = errno;
    flockfile(stderr);
    if (command_name != NULL) {
        fprintf(stderr, "rotortree: %s: ", command_name);
    } else {
        fputs("rotortree: ", stderr);
    }
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
    errno = saved;
}

/* Runs at exit, so that help texts, which argp prints and then ends the process, are covered as well. */
static void close_output(void) {
    bool failed = ferror(stdout) != 0;
    int reason = 0;
    if (fflush(stdout) != 0) {
        failed = true;
        reason = errno;
    }
    /* A standard output that was closed from the start is no loss as long as nothing was written to it. */
    if (fclose(stdout) != 0 && !failed && errno != EBADF) {
        failed = true;
        reason = errno;
    }
    if (failed) {
        rotor_cli_error("standard output: %s", reason != 0 ? strerror(reason) : "cannot be written");
        _exit(EXIT_NOT_RUN);
    }
}

void rotor_cli_report_start(void) {
    if (atexit(close_output) != 0) {
        rotor_cli_error("out of memory");
        _exit(EXIT_NOT_RUN);
    }
}

void rotor_cli_report_command(const char *name) {
    command_name = name;
}

int rotor_cli_print_json(json_t *object) {
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    if (text == NULL) {
        rotor_cli_error("out of memory");
        return EXIT_NOT_RUN;
    }
    puts(text);
    free(text);
    return EXIT_YES;
}

int rotor_cli_print_json_both(json_t *object, json_t *more) {
    if (object != NULL && (more == NULL || json_object_update(object, more) != 0)) {
        json_decref(object);
        object = NULL;
    }
    json_decref(more);
    return rotor_cli_print_json(object);
}

int rotor_cli_print_proof(const char *file, rotor_status status, char *text) {
    if (status != ROTOR_OK) {
        rotor_cli_error("%s: %s", file, rotor_status_message(status));
        return EXIT_NOT_RUN;
    }
    puts(text);
    rotor_json_free(text);
    return EXIT_YES;
}
