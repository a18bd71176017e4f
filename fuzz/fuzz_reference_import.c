/* Directories of the Rust crate with any contents. The input is a byte of flags and then files: which one (u8), how
 * many bytes of it follow (u16), and its length in units of 32 bytes, zeros behind what follows (u16). With flag 1 the
 * checksums of all frames are made right first, so that what lies behind them is reached. What is imported must be
 * what the report says and lead to the root that was committed. */
#include "demand.h"

#include "../tests/reference_memory.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "reference/reference.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"wal",
                                    "data/header.bin",
                                    "data/checkpoint.meta",
                                    "data/tails.bin",
                                    "data/level_0/shard_0000.dat",
                                    "data/level_1/shard_0000.dat",
                                    "data/level_2/shard_0000.dat",
                                    "data/level_3/shard_0000.dat"};

static void read_files(memory_directory *directory, const uint8_t *data, size_t size) {
    while (size >= 5) {
        const char *name = names[data[0] % (sizeof names / sizeof names[0])];
        size_t given = (size_t)(data[1] | data[2] << 8);
        size_t whole = (size_t)(data[3] | data[4] << 8) * 32;
        data += 5;
        size -= 5;
        given = given < size ? given : size;
        memory_file *file = memory_put(directory, name, NULL, given > whole ? given : whole);
        memcpy(file->bytes, data, given);
        data += given;
        size -= given;
    }
}

static void sum_frames(memory_file *file) {
    size_t at = 0;
    while (file != NULL && file->count - at >= 8) {
        size_t checked = (size_t)rotor_get_u32(file->bytes + at) + 4;
        if (checked > file->count - at - 4) {
            return;
        }
        rotor_put_u32(file->bytes + at + checked, rotor_crc32c(0, file->bytes + at, checked));
        at += checked + 4;
    }
}

static void check_tree(rotor_tree *tree, const rotor_reference_source *source, const rotor_import_report *report) {
    rotor_snapshot snapshot;
    rotor_tree_head head;
    demand(rotor_size(tree) == report->leaves && report->checkpointed <= report->leaves);
    demand(report->arity == source->shape.arity && source->checkpointed == (report->checkpointed != 0));
    demand(rotor_snapshot_take(tree, &snapshot) == ROTOR_OK);
    if (source->checkpointed) {
        demand(report->checkpointed == source->meta.leaves);
        demand(rotor_snapshot_at(&snapshot, &snapshot, report->checkpointed) == ROTOR_OK);
        demand(rotor_snapshot_head(&snapshot, &head) == ROTOR_OK);
        demand(memcmp(head.root.bytes, source->meta.root.bytes, ROTOR_HASH_BYTES) == 0);
    } else {
        demand(report->stale_nodes == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) {
        return 0;
    }
    memory_directory *directory = calloc(1, sizeof *directory);
    demand(directory != NULL);
    read_files(directory, data + 1, size - 1);
    if ((data[0] & 1) != 0) {
        for (size_t i = 0; i < 3; i++) {
            sum_frames(memory_find(directory, names[i]));
        }
    }
    rotor_os os = memory_os(directory);
    rotor_reference_source source;
    rotor_error error = {.status = ROTOR_OK};
    rotor_status status = rotor_reference_source_open(&source, &os, "memory", &error);
    if (status == ROTOR_OK) {
        rotor_tree *tree = NULL;
        rotor_options options;
        rotor_import_report report;
        rotor_options_init(&options, source.shape.arity, source.shape.max_depth);
        options.threads = 1;
        demand(rotor_open(&tree, NULL, &options, NULL) == ROTOR_OK);
        status = rotor_reference_load(&source, tree, &report, NULL, NULL, &error);
        if (status == ROTOR_OK) {
            check_tree(tree, &source, &report);
        }
        demand(rotor_close(tree, NULL) == ROTOR_OK);
        rotor_reference_source_close(&source);
    }
    demand(status == ROTOR_OK ||
           (error.status == status && memchr(error.message, '\0', sizeof error.message) != error.message));
    demand(status == ROTOR_OK || status == ROTOR_DAMAGED || status == ROTOR_UNSUPPORTED || status == ROTOR_NOT_FOUND);
    demand(directory->open_files == 0 && directory->changed == 0);
    memory_clear(directory);
    free(directory);
    return 0;
}
