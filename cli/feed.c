/* From an input of leaves into a tree, see feed.h. */
#include "feed.h"

#include "interrupt.h"
#include "progress.h"
#include "read_ahead.h"
#include "report.h"
#include "tree_dir.h"

#include <inttypes.h>
#include <string.h>

/* Asks for the root with every batch, so that the parents are hashed while the leaves are in the cache. */
static bool insert_batch(feed_result *result, rotor_tree *tree, const leaf_batch *batch, progress *bar,
                         const char *name) {
    rotor_hash root;
    double start = rotor_cli_seconds();
    rotor_status status = rotor_insert_many(tree, &root, NULL, batch->leaves, batch->count);
    result->insert_seconds += rotor_cli_seconds() - start;
    if (status != ROTOR_OK) {
        rotor_error detail;
        uint64_t size = rotor_size(tree);
        rotor_cli_progress_end(bar);
        rotor_cli_error("%s: cannot add leaves %" PRIu64 " to %" PRIu64 ": %s", name, size, size + batch->count - 1,
                        rotor_cli_tree_failure(tree, status, &detail));
        return false;
    }
    result->inserted += batch->count;
    rotor_cli_progress_update(bar, result->inserted, batch->read_bytes);
    return true;
}

static feed_end insert_all(feed_result *result, rotor_tree *tree, read_ahead *input, progress *bar) {
    const leaf_reader *reader = input->reader;
    while (rotor_cli_interrupted() == 0) {
        const leaf_batch *batch = rotor_cli_ahead_next(input);
        if (batch == NULL) {
            break;
        }
        if (batch->count > 0 && !insert_batch(result, tree, batch, bar, reader->name)) {
            return FEED_REFUSED;
        }
        if (!batch->good) {
            rotor_cli_progress_end(bar);
            rotor_cli_error("%s: %s", reader->name, reader->message);
            return FEED_BAD_INPUT;
        }
        if (batch->count == 0) {
            return FEED_DONE;
        }
    }
    return FEED_INTERRUPTED;
}

static void stop_input(void *input) {
    rotor_cli_ahead_stop(input);
}

void rotor_cli_feed(feed_result *result, rotor_tree *tree, leaf_reader *reader, size_t batch, bool ahead) {
    memset(result, 0, sizeof *result);
    read_ahead input;
    if (!rotor_cli_ahead_start(&input, reader, batch, ahead)) {
        rotor_cli_error("out of memory for batches of %zu leaves", batch);
        result->end = FEED_REFUSED;
        return;
    }
    progress bar;
    rotor_cli_progress_start(&bar, reader->total_bytes);
    rotor_cli_interrupt_wake(stop_input, &input);
    result->end = insert_all(result, tree, &input, &bar);
    rotor_cli_interrupt_wake(NULL, NULL);
    rotor_cli_progress_end(&bar);
    rotor_cli_ahead_end(&input);
}
