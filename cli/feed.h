/* From an input of leaves into a tree, batch by batch, with a progress bar. Knows nothing of where the tree lives. */
#ifndef ROTOR_CLI_FEED_H
#define ROTOR_CLI_FEED_H

#include "leaf_reader.h"
#include "rotortree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum feed_end {
    FEED_DONE,        /* the input has ended */
    FEED_INTERRUPTED, /* by a signal; nothing has been printed */
    FEED_BAD_INPUT,   /* the leaves before that place are inserted */
    FEED_REFUSED,     /* by the tree */
} feed_end;

typedef struct feed_result {
    feed_end end;
    uint64_t inserted;
    double insert_seconds; /* in the library */
} feed_result;

/* Inserts what the reader delivers, up to `batch` leaves at a time, while the next ones are read on another thread if
 * `ahead` is set. Bad input and refused leaves are printed as errors. */
void rotor_cli_feed(feed_result *result, rotor_tree *tree, leaf_reader *reader, size_t batch, bool ahead);

#endif
