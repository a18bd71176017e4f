/* How the state of a tree directory is shown, see statistics.h. */
#include "statistics.h"

#include "command.h"
#include "describe.h"
#include "report.h"
#include "tree_dir.h"

#include <inttypes.h>

int rotor_cli_show_statistics(rotor_tree *tree, const char *path, bool json) {
    rotor_snapshot snapshot;
    rotor_statistics statistics;
    rotor_status status = rotor_snapshot_take(tree, &snapshot);
    if (status == ROTOR_OK) {
        status = rotor_stat(tree, &statistics);
    }
    if (status != ROTOR_OK) {
        return rotor_cli_tree_error(tree, path, "cannot be read", status);
    }
    tree_description description;
    rotor_cli_describe(&description, &snapshot);
    const struct {
        const char *label;
        const char *member;
        uint64_t value;
    } rows[] = {
        {"max depth", NULL, description.max_depth},
        {"durable", "durable", statistics.durable_size},
        {"checkpointed", "checkpointed", statistics.checkpointed_size},
        {"generation", "generation", statistics.generation},
        {"level bytes", "level_bytes", statistics.level_bytes},
        {"log bytes", "log_bytes", statistics.log_bytes},
        {"from the log", "recovered_leaves", statistics.recovered_leaves},
        {"torn bytes", "torn_bytes", statistics.torn_bytes},
        {"bad slots", "damaged_slots", statistics.damaged_slots},
    };
    json_t *members = json ? json_object() : NULL;
    if (!json) {
        rotor_cli_print_description(&description);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!json) {
            rotor_cli_print_line(rows[i].label, "%" PRIu64, rows[i].value);
        } else if (members != NULL && rows[i].member != NULL &&
                   json_object_set_new(members, rows[i].member, json_integer((json_int_t)rows[i].value)) != 0) {
            json_decref(members);
            members = NULL;
        }
    }
    return json ? rotor_cli_print_json_both(rotor_cli_description_json(&description), members) : EXIT_YES;
}
