/* In place of functions of the log, in programs that make calls fail and must notice that nobody cares. */
#ifndef ROTOR_TESTS_CANARY_FAILURES_IGNORED_H
#define ROTOR_TESTS_CANARY_FAILURES_IGNORED_H

#include "store/log.h"

/* A flush goes on after a failed write or sync. */
#ifdef ROTOR_CANARY_WRITE_IGNORED
#define CANARY_TEST "file_calls_fail"
rotor_status __real_rotor_log_sync(rotor_log *log, rotor_error *error);
rotor_status __wrap_rotor_log_sync(rotor_log *log, rotor_error *error);
rotor_status __wrap_rotor_log_sync(rotor_log *log, rotor_error *error) {
    (void)__real_rotor_log_sync(log, error);
    return ROTOR_OK;
}
#endif

/* Leaves that the log has no memory for are left out of it. */
#ifdef ROTOR_CANARY_REFUSAL_IGNORED
#define CANARY_TEST "memory_is_refused"
rotor_status __real_rotor_log_leaves(rotor_log *log, const uint8_t *leaves, uint64_t count, rotor_error *error);
rotor_status __wrap_rotor_log_leaves(rotor_log *log, const uint8_t *leaves, uint64_t count, rotor_error *error);
rotor_status __wrap_rotor_log_leaves(rotor_log *log, const uint8_t *leaves, uint64_t count, rotor_error *error) {
    (void)__real_rotor_log_leaves(log, leaves, count, error);
    return ROTOR_OK;
}
#endif

#endif
