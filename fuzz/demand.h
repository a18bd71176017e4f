/* What a fuzz target asserts: it ends the process, assertions or not, and says what did not hold. */
#ifndef ROTOR_FUZZ_DEMAND_H
#define ROTOR_FUZZ_DEMAND_H

#include <stdio.h>
#include <stdlib.h>

static inline void demand_holds(int condition, const char *text, const char *file, int line) {
    if (!condition) {
        (void)fprintf(stderr, "%s:%d: demanded: %s\n", file, line, text);
        abort();
    }
}

#define demand(condition) demand_holds((condition) ? 1 : 0, #condition, __FILE__, __LINE__)

#endif
