/* How the result of a check or a repair is shown. */
#ifndef ROTOR_CLI_CHECK_REPORT_H
#define ROTOR_CLI_CHECK_REPORT_H

#include "rotortree.h"

#include <stdbool.h>

/* Prints what was found in the tree in `path`, as text or JSON. `why` is a sentence on what is wrong, or NULL where the
 * report says all there is. Returns the exit code: EXIT_YES for a tree that is whole or has been made so. */
int rotor_cli_show_check(const rotor_check_report *report, const char *path, rotor_status status, const char *why,
                         bool json);

#endif
