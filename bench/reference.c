/* The reference's figures; see reference.h.
 *
 * Measured with the Rust crate `rotortree` 0.15 on a virtual machine with two Zen 3 cores (AVX2, no AVX-512) and a
 * virtual disk with ext4: on any other machine they are for orientation only. Trees have N = 4 and a million leaves in
 * memory, ten million on disk, unless a name says otherwise. */
#include "reference.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct figure {
    const char *name;
    double value;
    bool more_is_better;
    const char *unit;
} figure;

static const figure figures[] = {
    {"build N=2, 1 thread", 2.7, true, "M leaves/s"},
    {"build N=4, 1 thread", 7.0, true, "M leaves/s"},
    {"build N=8, 1 thread", 10.5, true, "M leaves/s"},
    {"build N=16, 1 thread", 11.3, true, "M leaves/s"},
    {"build N=2, 2 threads", 5.3, true, "M leaves/s"},
    {"build N=4, 2 threads", 12.7, true, "M leaves/s"},
    {"build N=8, 2 threads", 13.7, true, "M leaves/s"},
    {"build N=16, 2 threads", 17.1, true, "M leaves/s"},
    {"insert with root", 2544, false, "ns"},
    {"snapshot", 20000, false, "ns"},
    {"proof make", 1168, false, "ns"},
    {"proof verify", 3917, false, "ns"},
    {"proof update", 11849, false, "ns"},
    /* It is given the old root, which is computed here. */
    {"consistency make, the old root given", 793, false, "ns"},
    {"consistency verify", 6992, false, "ns"},
    {"memory at N=4, 10M leaves", 43.6, false, "bytes/leaf"},
    {"durable batches of 10,000", 3.7, true, "M leaves/s"},
    {"durable insert, 1 caller", 6000, true, "/s"},
    {"durable insert, 8 callers", 5800, true, "/s"},
    {"stored insert that does not wait", 17000, false, "ns"},
    {"open from log", 1500, false, "ms"},
    {"checkpoint of 10M leaves", 1400, false, "ms"},
    {"checkpoint after 10,000 more leaves", 16, false, "ms"},
    {"open from checkpoint, unverified", 1.2, false, "ms"},
    {"open from checkpoint, verified in full", 1300, false, "ms"},
    /* Called cold, but less than one read of a page takes: the pages were in the system's cache. */
    {"proof from files, not mapped yet", 27000, false, "ns"},
    {"proof from files, warm", 1400, false, "ns"},
};

void rotor_bench_against(rotor_bench_output *output, const char *name, double value) {
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        if (strcmp(figures[i].name, name) == 0) {
            char what[96];
            snprintf(what, sizeof what, "the reference's %s", name);
            rotor_bench_bound(output, what, value, figures[i].more_is_better, figures[i].value, figures[i].unit);
            return;
        }
    }
    fprintf(stderr, "rotortree-bench: no reference figure is called '%s'\n", name);
    exit(1);
}
