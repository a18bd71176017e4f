/* Status codes in words, and the detail of a failure. Must not know which layer failed. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    const char *message;
} statuses[] = {
    [ROTOR_OK] = {"ROTOR_OK", "success"},
    [ROTOR_MISUSE] = {"ROTOR_MISUSE", "an argument that the call does not allow"},
    [ROTOR_OUT_OF_MEMORY] = {"ROTOR_OUT_OF_MEMORY", "out of memory or address space"},
    [ROTOR_EMPTY_BATCH] = {"ROTOR_EMPTY_BATCH", "an insert of no leaves"},
    [ROTOR_EMPTY_TREE] = {"ROTOR_EMPTY_TREE", "the empty tree has no root"},
    [ROTOR_MAX_DEPTH_EXCEEDED] = {"ROTOR_MAX_DEPTH_EXCEEDED", "the leaves would exceed the tree's maximum depth"},
    [ROTOR_CAPACITY_EXCEEDED] = {"ROTOR_CAPACITY_EXCEEDED", "the leaves would exceed the tree's capacity"},
    [ROTOR_OUT_OF_RANGE] = {"ROTOR_OUT_OF_RANGE", "no such index, level or size"},
    [ROTOR_STALE] = {"ROTOR_STALE", "the tree was truncated below the size of the snapshot"},
    [ROTOR_INVALID_PROOF] = {"ROTOR_INVALID_PROOF", "the proof does not prove what it says"},
    [ROTOR_MALFORMED] = {"ROTOR_MALFORMED", "the bytes are not a valid encoding"},
    [ROTOR_BUFFER_TOO_SMALL] = {"ROTOR_BUFFER_TOO_SMALL", "the output buffer is too small"},
    [ROTOR_UNSUPPORTED] = {"ROTOR_UNSUPPORTED", "hash profile, kernel or file format not available here"},
    [ROTOR_IO] = {"ROTOR_IO", "a system call on a file failed"},
    [ROTOR_DAMAGED] = {"ROTOR_DAMAGED", "stored bytes are not what was stored"},
    [ROTOR_LOCKED] = {"ROTOR_LOCKED", "the directory is open for writing elsewhere"},
    [ROTOR_MISMATCH] = {"ROTOR_MISMATCH", "an option contradicts what the directory holds"},
    [ROTOR_NOT_FOUND] = {"ROTOR_NOT_FOUND", "no tree is stored there"},
    [ROTOR_EXISTS] = {"ROTOR_EXISTS", "something is there already"},
    [ROTOR_READ_ONLY] = {"ROTOR_READ_ONLY", "the tree was opened for reading"},
    [ROTOR_FAILED] = {"ROTOR_FAILED", "an earlier write failed, and the tree takes no more until it is opened anew"},
    [ROTOR_PENDING] = {"ROTOR_PENDING", "not durable yet"},
    [ROTOR_TIMED_OUT] = {"ROTOR_TIMED_OUT", "not done in the time given; nothing is lost"},
};

static int is_known(rotor_status status) {
    return (size_t)status < sizeof statuses / sizeof statuses[0];
}

const char *rotor_status_name(rotor_status status) {
    return is_known(status) ? statuses[status].name : "unknown status";
}

const char *rotor_status_message(rotor_status status) {
    return is_known(status) ? statuses[status].message : "unknown status";
}

rotor_status rotor_fail(rotor_error *error, rotor_status status, int os_errno, const char *format, ...) {
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        error->os_errno = os_errno;
        (void)vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}
