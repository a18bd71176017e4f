/* Filling the caller's rotor_error. Knows nothing of what failed. */
#ifndef ROTOR_BASE_ERROR_H
#define ROTOR_BASE_ERROR_H

#include "rotortree.h"

/* Fills `error` (ignored when NULL) and returns `status`, so that a failing function can end in `return
 * rotor_fail(...)`. */
__attribute__((format(printf, 4, 5))) rotor_status rotor_fail(rotor_error *error, rotor_status status, int os_errno,
                                                              const char *format, ...);

#endif
