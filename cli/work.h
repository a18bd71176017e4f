/* Long work inside the library: a progress bar for it, its end by Ctrl-C, and what is said when it fails. Knows nothing
 * of what is done. */
#ifndef ROTOR_CLI_WORK_H
#define ROTOR_CLI_WORK_H

#include "progress.h"
#include "rotortree.h"

typedef struct long_work {
    progress bar;
} long_work;

/* Starts the bar and turns Ctrl-C into a question; at most once in a process. */
void rotor_cli_work_start(long_work *work);

/* A rotor_progress; the context is the long_work. */
int rotor_cli_work_step(void *context, uint64_t done, uint64_t total);

/* Removes the bar; to be called before anything is printed. */
void rotor_cli_work_end(long_work *work);

/* Says why work on `path` has failed, and returns the exit code: that of an interruption if there was one. `detail` is
 * NULL where the call gives none. */
int rotor_cli_work_failed(const char *path, rotor_status status, const rotor_error *detail);

#endif
