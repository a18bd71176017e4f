/* Long work inside the library, see work.h. */
#include "work.h"

#include "command.h"
#include "interrupt.h"
#include "report.h"

void rotor_cli_work_start(long_work *work) {
    rotor_cli_interrupt_start();
    rotor_cli_progress_start(&work->bar, 0);
}

int rotor_cli_work_step(void *context, uint64_t done, uint64_t total) {
    long_work *work = context;
    work->bar.total = total;
    rotor_cli_progress_update(&work->bar, done, done);
    return rotor_cli_interrupted() != 0;
}

void rotor_cli_work_end(long_work *work) {
    rotor_cli_progress_end(&work->bar);
}

int rotor_cli_work_failed(const char *path, rotor_status status, const rotor_error *detail) {
    int signal_number = rotor_cli_interrupted();
    if (status == ROTOR_TIMED_OUT && signal_number != 0) {
        rotor_cli_error("%s: interrupted by %s", path, rotor_cli_interrupt_name(signal_number));
        return EXIT_INTERRUPTED + signal_number;
    }
    if (detail != NULL) {
        rotor_cli_error("%s", detail->message);
    } else {
        rotor_cli_error("%s: %s", path, rotor_status_message(status));
    }
    return EXIT_NOT_RUN;
}
