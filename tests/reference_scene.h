/* What the tests of the Rust crate's directories share: a writer of such directories, built from the description in
 * src/reference/frames.h and not from the export; imports of them from memory and from disk; the directories that the
 * crate itself wrote. Knows the crate's files; nothing of how an import or an export goes about its work. */
#ifndef ROTOR_TESTS_REFERENCE_SCENE_H
#define ROTOR_TESTS_REFERENCE_SCENE_H

#include "scratch.h"
#include "support.h"

#include "base/crc32c.h"
#include "reference/reference.h"
#include "reference_memory.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 128
#define CHUNK_BYTES 4096

/* ---------------------------------------------------------------- the crate's writer */

static inline void put32(uint8_t *out, uint32_t value) {
    for (unsigned i = 0; i < 4; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline uint32_t get32(const uint8_t *in) {
    return (uint32_t)(test_load_u64((const uint8_t[8]){in[0], in[1], in[2], in[3]}));
}

static inline void frame(uint8_t *out, uint32_t payload) {
    put32(out, payload);
    put32(out + 4 + payload, rotor_crc32c_portable(0, out, (size_t)payload + 4));
}

static inline void identity(uint8_t *out, const char *kind, uint32_t arity, uint32_t max_depth) {
    put32(out + 4, 0);
    memcpy(out + 8, kind, 4);
    put32(out + 12, arity);
    put32(out + 16, max_depth);
}

static inline void write_wal_header(memory_directory *directory, uint32_t arity, uint32_t max_depth) {
    uint8_t bytes[24];
    identity(bytes, "ROTR", arity, max_depth);
    frame(bytes, 16);
    (void)memory_put(directory, "wal", bytes, sizeof bytes);
}

static inline void write_single(memory_directory *directory, uint64_t sequence, const rotor_hash *leaf) {
    uint8_t bytes[56] = {0};
    test_store_u64(bytes + 8, sequence);
    memcpy(bytes + 20, leaf->bytes, 32);
    frame(bytes, 48);
    memory_append(directory, "wal", bytes, sizeof bytes);
}

static inline void write_batch(memory_directory *directory, uint64_t sequence, uint32_t borrowed,
                               const rotor_hash *leaves, size_t count) {
    size_t payload = 28 + 32 * count;
    uint8_t *bytes = test_alloc(payload + 8, 1);
    test_store_u64(bytes + 8, sequence);
    put32(bytes + 16, 1);
    put32(bytes + 20, borrowed);
    test_store_u64(bytes + 24, count);
    memcpy(bytes + 32, leaves, 32 * count);
    frame(bytes, (uint32_t)payload);
    memory_append(directory, "wal", bytes, payload + 8);
    free(bytes);
}

static inline void write_header(memory_directory *directory, uint32_t arity, uint32_t max_depth) {
    uint8_t bytes[28];
    identity(bytes, "RTRD", arity, max_depth);
    put32(bytes + 20, 128);
    frame(bytes, 20);
    (void)memory_put(directory, "data/header.bin", bytes, sizeof bytes);
}

static inline void write_meta(memory_directory *directory, uint32_t arity, uint32_t max_depth, uint64_t last_sequence,
                              uint64_t leaves, uint32_t depth, const rotor_hash *root) {
    uint8_t bytes[76];
    identity(bytes, "RTMD", arity, max_depth);
    test_store_u64(bytes + 20, last_sequence);
    test_store_u64(bytes + 28, leaves);
    put32(bytes + 36, depth);
    memcpy(bytes + 40, root->bytes, 32);
    frame(bytes, 68);
    (void)memory_put(directory, "data/checkpoint.meta", bytes, sizeof bytes);
}

static inline uint32_t stored_levels(const test_levels *levels, uint32_t max_depth) {
    return levels->depth < max_depth ? levels->depth + 1 : max_depth;
}

static inline void shard_name(char name[MEMORY_NAME_BYTES], uint32_t level) {
    (void)snprintf(name, MEMORY_NAME_BYTES, "data/level_%u/shard_0000.dat", level);
}

/* Everything of a checkpoint but checkpoint.meta. */
static inline void write_nodes(memory_directory *directory, const test_levels *levels, uint32_t max_depth) {
    uint8_t *tails = test_alloc(max_depth, CHUNK_BYTES);
    write_header(directory, levels->arity, max_depth);
    for (uint32_t level = 0; level < stored_levels(levels, max_depth); level++) {
        char name[MEMORY_NAME_BYTES];
        uint64_t full = levels->length[level] / CHUNK * CHUNK;
        const rotor_hash *nodes = levels->node[level];
        shard_name(name, level);
        if (full > 0) {
            (void)memory_put(directory, name, nodes, full * 32);
        }
        memcpy(tails + (size_t)level * CHUNK_BYTES, nodes + full, (levels->length[level] - full) * 32);
    }
    (void)memory_put(directory, "data/tails.bin", tails, (size_t)max_depth * CHUNK_BYTES);
    free(tails);
}

static inline void write_checkpoint(memory_directory *directory, const test_levels *levels, uint32_t max_depth,
                                    uint64_t last_sequence) {
    write_nodes(directory, levels, max_depth);
    write_meta(directory, levels->arity, max_depth, last_sequence, levels->length[0], levels->depth,
               test_levels_root(levels));
}

/* ---------------------------------------------------------------- importing into memory */

typedef struct outcome {
    rotor_status status;
    rotor_import_report report;
    rotor_error error;
    uint64_t size;
    rotor_hash root;
} outcome;

static inline outcome import_from(memory_directory *directory, rotor_tree **kept) {
    outcome result = {.status = ROTOR_OK};
    rotor_os os = memory_os(directory);
    rotor_reference_source source;
    result.status = rotor_reference_source_open(&source, &os, "memory", &result.error);
    if (result.status == ROTOR_OK) {
        rotor_options options;
        rotor_options_init(&options, source.shape.arity, source.shape.max_depth);
        options.threads = 1;
        rotor_tree *tree = test_create_with(&options);
        result.status = rotor_reference_load(&source, tree, &result.report, NULL, NULL, &result.error);
        rotor_reference_source_close(&source);
        if (result.status == ROTOR_OK) {
            result.size = rotor_size(tree);
            if (result.size != 0) {
                expect_ok(rotor_root(tree, &result.root), "root of the import");
            }
            expect(result.report.leaves == result.size, "the report has %" PRIu64 " leaves", result.report.leaves);
        }
        if (kept != NULL && result.status == ROTOR_OK) {
            *kept = tree;
        } else {
            expect_ok(rotor_close(tree, NULL), "close");
        }
    }
    expect(directory->open_files == 0, "%d files were left open", directory->open_files);
    expect(directory->changed == 0, "the source was opened for writing");
    if (result.status != ROTOR_OK) {
        expect(result.error.status == result.status && result.error.message[0] != '\0', "no words for %s",
               rotor_status_name(result.status));
        expect(result.report.leaves == 0, "a report of a failed import");
    }
    return result;
}

static inline outcome import(memory_directory *directory) {
    return import_from(directory, NULL);
}

static inline void expect_imported(const outcome *got, uint32_t arity, const rotor_hash *leaves, uint64_t size,
                                   uint64_t stale, uint64_t torn, const char *what) {
    expect(got->status == ROTOR_OK, "%s: %s: %s", what, rotor_status_name(got->status), got->error.message);
    expect(got->size == size, "%s: %" PRIu64 " leaves, not %" PRIu64, what, got->size, size);
    expect(got->report.arity == arity, "%s: arity %u", what, got->report.arity);
    expect(got->report.stale_nodes == stale, "%s: %" PRIu64 " stale nodes, not %" PRIu64, what, got->report.stale_nodes,
           stale);
    expect(got->report.torn_bytes == torn, "%s: %" PRIu64 " torn bytes, not %" PRIu64, what, got->report.torn_bytes,
           torn);
    if (size > 0) {
        rotor_hash root = test_root_of(arity, leaves, size, NULL);
        expect(test_same_hash(&got->root, &root), "%s: another root", what);
    }
}

/* Refused, by a message that names the file. */
static inline void expect_refused(const outcome *got, rotor_status status, const char *file, const char *what) {
    expect(got->status == status, "%s: %s (%s), not %s", what, rotor_status_name(got->status), got->error.message,
           rotor_status_name(status));
    expect(strstr(got->error.message, file) != NULL, "%s: \"%s\" does not name %s", what, got->error.message, file);
}

/* ---------------------------------------------------------------- files on disk */

static char folder[256]; /* of this run */

static inline int make_folder(void **state) {
    (void)state;
    const char *temporary = getenv("TMPDIR");
    scratch_make(folder, sizeof folder, temporary != NULL ? temporary : "/tmp");
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *walk) {
    (void)facts;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void remove_path(const char *path) {
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int remove_folder(void **state) {
    (void)state;
    remove_path(folder);
    return 0;
}

typedef char path_text[512];

static inline void path_in(path_text path, const char *parent, const char *name) {
    int length = snprintf(path, sizeof(path_text), "%s/%s", parent, name);
    expect(length > 0 && (size_t)length < sizeof(path_text), "the path of %s is too long", name);
}

static inline bool path_exists(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0;
}

static inline uint8_t *read_file(const char *path, size_t *count) {
    struct stat facts;
    expect(stat(path, &facts) == 0, "%s", path);
    *count = (size_t)facts.st_size;
    uint8_t *bytes = test_alloc(*count + 1, 1);
    FILE *file = fopen(path, "rb");
    expect(file != NULL && fread(bytes, 1, *count, file) == *count, "%s cannot be read", path);
    (void)fclose(file);
    return bytes;
}

static inline void read_below(memory_directory *directory, const char *path, const char *prefix) {
    DIR *stream = opendir(path);
    size_t names = 0;
    expect(stream != NULL, "%s cannot be opened", path);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        path_text below;
        char name[MEMORY_NAME_BYTES];
        struct stat facts;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        names++;
        path_in(below, path, entry->d_name);
        int length = snprintf(name, sizeof name, "%s%s%s", prefix, *prefix != '\0' ? "/" : "", entry->d_name);
        expect(length > 0 && (size_t)length < sizeof name && stat(below, &facts) == 0, "%s", below);
        if (S_ISDIR(facts.st_mode)) {
            read_below(directory, below, name);
        } else {
            size_t count;
            uint8_t *bytes = read_file(below, &count);
            (void)memory_put(directory, name, bytes, count);
            free(bytes);
        }
    }
    (void)closedir(stream);
    expect(names > 0, "%s is empty", path);
}

static inline void read_directory(memory_directory *directory, const char *path) {
    memory_clear(directory);
    read_below(directory, path, "");
}

static inline void write_directory(const memory_directory *directory, const char *path) {
    expect(mkdir(path, 0755) == 0, "%s", path);
    for (int i = 0; i < MEMORY_FILES; i++) {
        const memory_file *file = &directory->files[i];
        if (file->name[0] == '\0') {
            continue;
        }
        path_text whole;
        path_in(whole, path, file->name);
        for (char *slash = strchr(whole + strlen(path) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            (void)mkdir(whole, 0755);
            *slash = '/';
        }
        FILE *stream = fopen(whole, "wb");
        expect(stream != NULL && fwrite(file->bytes, 1, file->count, stream) == file->count && fclose(stream) == 0,
               "%s cannot be written", whole);
    }
}

static inline size_t names_in(const char *path) {
    size_t count = 0;
    DIR *stream = opendir(path);
    expect(stream != NULL, "%s", path);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 ? 1 : 0;
    }
    (void)closedir(stream);
    return count;
}

/* Imports a directory on disk through the public function, durable, and closes it. */
static inline void import_on_disk(const char *source, const char *path, rotor_import_report *report) {
    rotor_error error = {0};
    rotor_status status = rotor_import_reference(source, path, NULL, report, NULL, NULL, &error);
    expect(status == ROTOR_OK, "import of %s: %s: %s", source, rotor_status_name(status), error.message);
    expect(error.status == ROTOR_OK && error.message[0] == '\0', "words about an import that succeeded");
}

static inline rotor_tree *open_on_disk(const char *path) {
    rotor_tree *tree = NULL;
    rotor_options options;
    rotor_error error = {0};
    rotor_options_init(&options, 0, 0);
    options.mode = ROTOR_OPEN_EXISTING;
    options.verify_at_open = ROTOR_VERIFY_FULL;
    rotor_status status = rotor_open(&tree, path, &options, &error);
    expect(status == ROTOR_OK, "%s: %s", path, error.message);
    return tree;
}

/* ---------------------------------------------------------------- progress */

static inline int stop_at_half(void *context, uint64_t done, uint64_t total) {
    uint64_t *calls = context;
    ++*calls;
    return done >= total / 2 ? 1 : 0;
}

static inline int never_stop(void *context, uint64_t done, uint64_t total) {
    uint64_t *last = context;
    expect(done >= *last && done <= total, "%" PRIu64 " after %" PRIu64 " of %" PRIu64, done, *last, total);
    *last = done;
    return 0;
}

/* ---------------------------------------------------------------- exports */

/* Whether progress was told of before all was done. */
static inline int note_middle(void *context, uint64_t done, uint64_t total) {
    bool *middle = context;
    *middle = *middle || (done > 0 && done < total);
    return 0;
}

/* Exports a size of a tree and reads the files. */
static inline void export_size(rotor_tree *tree, uint64_t size, memory_directory *directory) {
    path_text path;
    rotor_snapshot snapshot;
    rotor_error error = {0};
    path_in(path, folder, "exported");
    expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
    expect_ok(rotor_snapshot_at(&snapshot, &snapshot, size), "size %" PRIu64, size);
    bool middle = false;
    rotor_status status = rotor_export_reference(&snapshot, path, note_middle, &middle, &error);
    expect(middle || size < 50000, "no progress was told of");
    expect(status == ROTOR_OK, "export: %s: %s", rotor_status_name(status), error.message);
    read_directory(directory, path);
    remove_path(path);
}

/* The files of an export are the crate's but for the number in checkpoint.meta, the log, and `stale_file`, in which
 * bytes stale_at.. of one node differ. */
static inline void expect_export_equals(memory_directory *directory, memory_directory *crates, uint64_t size,
                                        const char *stale_file, size_t stale_at) {
    for (int i = 0; i < MEMORY_FILES; i++) {
        const memory_file *theirs = &crates->files[i];
        if (theirs->name[0] == '\0') {
            continue;
        }
        const memory_file *ours = memory_find(directory, theirs->name);
        expect(ours != NULL, "the export has no %s", theirs->name);
        size_t compared = theirs->count;
        uint8_t *expected = test_alloc(compared, 1);
        memcpy(expected, theirs->bytes, compared);
        if (strcmp(theirs->name, "data/checkpoint.meta") == 0) {
            test_store_u64(expected + 20, size - 1);
            frame(expected, 68);
        } else if (strcmp(theirs->name, "wal") == 0) {
            compared = 24;
        } else if (stale_file != NULL && strcmp(theirs->name, stale_file) == 0) {
            expect(memcmp(expected + stale_at, ours->bytes + stale_at, 32) != 0, "the stale node was exported");
            memcpy(expected + stale_at, ours->bytes + stale_at, 32);
        }
        expect(ours->count == compared && memcmp(ours->bytes, expected, compared) == 0, "%s differs", theirs->name);
        free(expected);
    }
    for (int i = 0; i < MEMORY_FILES; i++) {
        const char *name = directory->files[i].name;
        expect(name[0] == '\0' || memory_find(crates, name) != NULL, "the crate has no %s", name);
    }
}

/* ---------------------------------------------------------------- trees of all shapes */

static inline const rotor_hasher *fastest(void) {
    const rotor_hasher *hasher = NULL;
    expect_ok(rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, NULL), "hasher");
    return hasher;
}

/* A root at the maximum depth is not stored; the others are, incomplete last nodes included. */
static const struct shape {
    uint32_t arity;
    uint32_t max_depth;
    uint64_t size;
} tree_shapes[] = {{2, 1, 1},      {2, 1, 2},      {2, 7, 127},   {2, 7, 128},   {2, 8, 129},   {2, 32, 129},
                   {2, 10, 1000},  {3, 5, 243},    {3, 6, 244},   {3, 12, 382},  {3, 12, 384},  {3, 12, 385},
                   {4, 5, 509},    {4, 5, 512},    {4, 5, 1024},  {4, 20, 2047}, {4, 64, 3000}, {5, 6, 640},
                   {8, 4, 4096},   {16, 3, 4095},  {31, 3, 4000}, {128, 2, 129}, {255, 2, 255}, {255, 2, 256},
                   {255, 2, 4097}, {255, 3, 66000}};

/* ---------------------------------------------------------------- the directories that the crate wrote */

typedef struct golden_directory {
    json_t *facts;
    uint32_t arity;
    uint32_t max_depth;
    uint32_t depth;
    uint64_t size;
    rotor_hash root;
} golden_directory;

static json_t *golden_json;
static rotor_hash *golden_leaves;

static inline int load_goldens(void **state) {
    (void)state;
    golden_json = test_load_json("reference/directories.json");
    golden_leaves = test_golden_leaves(102346);
    return 0;
}

static inline int unload_goldens(void **state) {
    (void)state;
    json_decref(golden_json);
    free(golden_leaves);
    return 0;
}

static inline golden_directory golden_of(const char *name) {
    golden_directory golden = {.facts = json_object_get(golden_json, name)};
    expect(golden.facts != NULL, "no facts about %s", name);
    golden.arity = (uint32_t)json_integer_value(json_object_get(golden.facts, "n"));
    golden.max_depth = (uint32_t)json_integer_value(json_object_get(golden.facts, "max_depth"));
    golden.depth = (uint32_t)json_integer_value(json_object_get(golden.facts, "depth"));
    golden.size = (uint64_t)json_integer_value(json_object_get(golden.facts, "size"));
    const char *root = json_string_value(json_object_get(golden.facts, "root"));
    expect(test_parse_hex(golden.root.bytes, 32, root), "root of %s", name);
    return golden;
}

static inline void read_stale_node(memory_directory *directory) {
    read_directory(directory, ROTOR_TEST_DATA "/reference/stale_node");
}

#endif
