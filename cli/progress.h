/* A bar on standard error for work that takes a while. Shows nothing where standard error is no terminal, and nothing
 * during the first half second. Knows nothing of what is done. */
#ifndef ROTOR_CLI_PROGRESS_H
#define ROTOR_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    bool enabled;
    bool shown;
    double started; /* seconds */
    double next;    /* when the bar is drawn again */
    uint64_t total; /* of the work, in any unit; 0: not known */
} progress;

/* Seconds on a clock that only runs forward. */
double rotor_cli_seconds(void);

/* Without a total (0) there is a count and a rate, but no time left. */
void rotor_cli_progress_start(progress *bar, uint64_t total);
/* `done` is in the unit of the total. */
void rotor_cli_progress_update(progress *bar, uint64_t leaves, uint64_t done);
/* Removes the bar; to be called before anything else is printed. */
void rotor_cli_progress_end(progress *bar);

#endif
