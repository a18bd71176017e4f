/* Writes to a durable tree until the ground is taken from under it, and judges what is found afterwards. Each thing
 * that was promised goes to a history, which must be kept on another file system:
 *     v BASE AT    version number N (the Nth such line, from 0): as version BASE up to leaf AT, then leaves of its own
 *     d N SIZE     this size of version N is durable
 * A version begins with each truncation (the line comes before the call) and with each opening.
 *
 *     power_writer check TREE HISTORY    0: the tree is whole and at a moment not before the last durable one
 *     power_writer write TREE HISTORY    the same, then writes until it cannot: 3, with the reason */
#include "rotortree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARITY 4
#define MAX_DEPTH 20
#define MOST_VERSIONS 65536
#define MOST_LEAVES 400000
#define STOPPED 3

typedef struct version {
    uint32_t base;
    uint64_t at;
} version;

typedef struct history {
    int file;
    uint32_t count;
    uint32_t durable_version;
    uint64_t durable_size;
    version versions[MOST_VERSIONS];
} history;

static history past; /* large */
static rotor_hash leaves[MOST_LEAVES];
static rotor_hash wanted[MOST_LEAVES];

/* ---------------------------------------------------------------- the history */

static void append_line(history *h, const char *line) {
    size_t length = strlen(line);
    if (write(h->file, line, length) != (ssize_t)length) {
        (void)fprintf(stderr, "writing the history: %s\n", strerror(errno));
        exit(EXIT_FAILURE);
    }
}

static uint32_t add_version(history *h, uint32_t base, uint64_t at) {
    char line[64];
    if (h->count == MOST_VERSIONS) {
        (void)fprintf(stderr, "too many versions\n");
        exit(EXIT_FAILURE);
    }
    (void)snprintf(line, sizeof line, "v %" PRIu32 " %" PRIu64 "\n", base, at);
    append_line(h, line);
    h->versions[h->count] = (version){.base = base, .at = at};
    return h->count++;
}

static void add_durable(history *h, uint32_t number, uint64_t size) {
    char line[64];
    (void)snprintf(line, sizeof line, "d %" PRIu32 " %" PRIu64 "\n", number, size);
    append_line(h, line);
    h->durable_version = number;
    h->durable_size = size;
}

static bool read_history(history *h, const char *path) {
    h->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    FILE *lines = fopen(path, "re");
    char line[64];
    if (h->file < 0 || lines == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    while (fgets(line, sizeof line, lines) != NULL) {
        char *rest = NULL;
        uint32_t number = (uint32_t)strtoul(line + 1, &rest, 10);
        uint64_t size = strtoull(rest, NULL, 10);
        if (line[0] == 'v' && h->count < MOST_VERSIONS) {
            h->versions[h->count++] = (version){.base = number, .at = size};
        } else if (line[0] == 'd' && number < h->count) {
            h->durable_version = number;
            h->durable_size = size;
        } else {
            (void)fprintf(stderr, "%s: not a history\n", path);
            (void)fclose(lines);
            return false;
        }
    }
    (void)fclose(lines);
    return true;
}

/* The first `size` leaves of a version. */
static void fill_leaves(const history *h, rotor_hash *into, uint32_t number, uint64_t first, uint64_t end) {
    memset(into, 0, (size_t)(end - first) * sizeof *into);
    while (end > first) {
        const version *of = &h->versions[number];
        uint64_t from = of->at > first ? of->at : first;
        for (uint64_t i = from; i < end; i++) {
            memcpy(into[i - first].bytes, &i, sizeof i);
            memcpy(into[i - first].bytes + 8, &number, sizeof number);
        }
        end = from < end ? from : end;
        number = of->base;
    }
}

/* ---------------------------------------------------------------- judging */

static bool same_root(rotor_tree *tree, uint64_t size) {
    rotor_options options;
    rotor_tree *model = NULL;
    rotor_hash root;
    rotor_hash found;
    rotor_options_init(&options, ARITY, MAX_DEPTH);
    if (rotor_open(&model, NULL, &options, NULL) != ROTOR_OK) {
        return false;
    }
    bool same = rotor_insert_many(model, &root, NULL, wanted, (size_t)size) == ROTOR_OK &&
                rotor_root(tree, &found) == ROTOR_OK && memcmp(&root, &found, sizeof root) == 0;
    (void)rotor_close(model, NULL);
    return same;
}

/* Finds which version the tree is of; it may not be older than what was durable. */
static bool judge(const history *h, rotor_tree *tree, uint32_t *number) {
    uint64_t size = rotor_size(tree);
    rotor_snapshot snapshot;
    if (size > MOST_LEAVES || rotor_snapshot_take(tree, &snapshot) != ROTOR_OK ||
        (size > 0 && rotor_snapshot_nodes(&snapshot, leaves, (size_t)size, 0, 0) != ROTOR_OK)) {
        (void)fprintf(stderr, "the %" PRIu64 " leaves cannot be read\n", size);
        return false;
    }
    if (h->count == 0) {
        *number = 0;
        return size == 0;
    }
    for (uint32_t candidate = h->count; candidate-- > h->durable_version;) {
        uint64_t least = candidate == h->durable_version ? h->durable_size : h->versions[candidate].at;
        fill_leaves(h, wanted, candidate, 0, size);
        if (size >= least && memcmp(leaves, wanted, (size_t)size * sizeof *leaves) == 0) {
            *number = candidate;
            if (size > 0 && !same_root(tree, size)) {
                (void)fprintf(stderr, "the root of %" PRIu64 " leaves is wrong\n", size);
                return false;
            }
            return true;
        }
    }
    (void)fprintf(stderr,
                  "%" PRIu64 " leaves were found, which is no moment since version %" PRIu32 ", size %" PRIu64 "\n",
                  size, h->durable_version, h->durable_size);
    return false;
}

static rotor_tree *open_tree(const char *path, uint32_t mode) {
    rotor_options options;
    rotor_error error;
    rotor_tree *tree = NULL;
    rotor_options_init(&options, ARITY, MAX_DEPTH);
    options.mode = mode;
    options.verify_at_open = ROTOR_VERIFY_FULL;
    options.checkpoint_leaves = 20000;
    if (rotor_open(&tree, path, &options, &error) != ROTOR_OK) {
        (void)fprintf(stderr, "opening: %s\n", error.message);
        return NULL;
    }
    return tree;
}

static int check(const char *path, history *h) {
    uint32_t number;
    rotor_check_report report;
    rotor_tree *tree = open_tree(path, ROTOR_OPEN_EXISTING);
    if (tree == NULL) {
        return EXIT_FAILURE;
    }
    bool good = judge(h, tree, &number) && rotor_check(tree, &report, NULL, NULL) == ROTOR_OK;
    rotor_statistics statistics;
    if (good && rotor_stat(tree, &statistics) == ROTOR_OK) {
        (void)printf("%" PRIu64 " leaves (version %" PRIu32 "; durable were %" PRIu64 " of version %" PRIu32
                     "), %" PRIu64 " from the log, %" PRIu64 " torn bytes, %" PRIu32 " damaged slots\n",
                     statistics.size, number, h->durable_size, h->durable_version, statistics.recovered_leaves,
                     statistics.torn_bytes, statistics.damaged_slots);
    }
    return rotor_close(tree, NULL) == ROTOR_OK && good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---------------------------------------------------------------- writing */

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

typedef struct writer {
    rotor_tree *tree;
    history *history;
    uint32_t version;
    uint64_t random;
} writer;

static rotor_status insert(writer *w, uint64_t count, bool durable) {
    uint64_t size = rotor_size(w->tree);
    fill_leaves(w->history, leaves, w->version, size, size + count);
    if (!durable) {
        return rotor_insert_many(w->tree, NULL, NULL, leaves, (size_t)count);
    }
    rotor_status status = rotor_insert_durable(w->tree, NULL, leaves, (size_t)count);
    if (status == ROTOR_OK) {
        add_durable(w->history, w->version, size + count);
    }
    return status;
}

static rotor_status cut(writer *w, uint64_t size, bool durable) {
    rotor_token token;
    w->version = add_version(w->history, w->version, size);
    rotor_status status = rotor_truncate(w->tree, &token, size);
    if (status == ROTOR_OK && durable) {
        status = rotor_wait(w->tree, &token, ROTOR_FOREVER);
        if (status == ROTOR_OK) {
            add_durable(w->history, w->version, size);
        }
    }
    return status;
}

static rotor_status one_step(writer *w) {
    uint64_t size = rotor_size(w->tree);
    uint64_t choice = next(&w->random) % 100;
    if (size > MOST_LEAVES / 2) {
        return cut(w, next(&w->random) % size, false);
    }
    if (choice < 50) {
        return insert(w, 1 + next(&w->random) % 60, true);
    }
    if (choice < 70) {
        return insert(w, 1 + next(&w->random) % 2000, false);
    }
    if (choice < 85) {
        return insert(w, 4096 + next(&w->random) % 8192, choice < 78);
    }
    if (choice < 97) {
        return size > 0 ? cut(w, size - next(&w->random) % (size < 9000 ? size : 9000), choice < 91) : ROTOR_OK;
    }
    rotor_status status = rotor_checkpoint(w->tree);
    if (status == ROTOR_OK) {
        add_durable(w->history, w->version, size);
    }
    return status;
}

static int write_on(const char *path, history *h) {
    uint32_t number;
    writer w = {.tree = open_tree(path, ROTOR_OPEN_OR_CREATE), .history = h};
    if (w.tree == NULL || !judge(h, w.tree, &number)) {
        return EXIT_FAILURE;
    }
    /* What an open has found is durable. */
    w.version = add_version(h, number, rotor_size(w.tree));
    add_durable(h, w.version, rotor_size(w.tree));
    w.random = (uint64_t)h->count * UINT64_C(0x9e3779b97f4a7c15) + 1;
    rotor_status status;
    uint64_t steps = 0;
    do {
        status = one_step(&w);
        steps++;
    } while (status == ROTOR_OK);
    rotor_error error = {.message = ""};
    rotor_status failure = rotor_failure(w.tree, &error);
    (void)printf("%s after %" PRIu64 " steps: %s\n", rotor_status_name(status), steps, error.message);
    (void)rotor_close(w.tree, NULL);
    return status == ROTOR_FAILED && failure == ROTOR_FAILED ? STOPPED : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    if (argc == 4 && read_history(&past, argv[3])) {
        if (strcmp(argv[1], "check") == 0) {
            return check(argv[2], &past);
        }
        if (strcmp(argv[1], "write") == 0) {
            return write_on(argv[2], &past);
        }
    }
    (void)fprintf(stderr, "usage: power_writer check|write TREE HISTORY\n");
    return EXIT_FAILURE;
}
