/* How the tool speaks: errors on standard error, with the sub-command's name; results on standard output, whose write
 * errors are never lost. Knows nothing of trees. */
#ifndef ROTOR_CLI_REPORT_H
#define ROTOR_CLI_REPORT_H

#include <jansson.h>
#include <rotortree.h>

/* Sets the sub-command that errors are reported for, and arranges that the process ends with EXIT_NOT_RUN when
 * something written to standard output did not arrive. Call once, from main(). */
void rotor_cli_report_start(void);
void rotor_cli_report_command(const char *name);

/* Prints "rotortree: COMMAND: " and the message to standard error. */
__attribute__((format(printf, 1, 2))) void rotor_cli_error(const char *format, ...);

/* Prints the object as one line and releases it; NULL stands for one that could not be made. Returns 0, or
 * EXIT_NOT_RUN, then with the error printed. */
int rotor_cli_print_json(json_t *object);

/* The same for one object that is made of the members of two. */
int rotor_cli_print_json_both(json_t *object, json_t *more);

/* Prints the JSON text of a proof of the leaves in `file` and releases it, or, unless `status` is ROTOR_OK, why there
 * is none. Returns the exit code. */
int rotor_cli_print_proof(const char *file, rotor_status status, char *text);

#endif
