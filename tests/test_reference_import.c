/* Importing directories of the Rust crate: those that it wrote, trees of all shapes, checkpoints that it did not
 * finish, and what an import that fails leaves behind. Must not know how damage is told. */
#include "reference_scene.h"

#include <jansson.h>
#include <limits.h>

/* ---------------------------------------------------------------- the directories that the crate wrote */

/* That these are the crate's files, byte by byte. */
static void expect_crates_files(const golden_directory *golden, memory_directory *directory, const char *what) {
    const char *name;
    json_t *facts;
    size_t count = 0;
    json_object_foreach(json_object_get(golden->facts, "files"), name, facts) {
        uint8_t wanted[32];
        uint8_t got[32];
        const memory_file *file = memory_find(directory, name);
        expect(file != NULL, "%s has no %s", what, name);
        expect(test_parse_hex(wanted, 32, json_string_value(json_object_get(facts, "blake3"))), "%s", name);
        expect(file->count == (size_t)json_integer_value(json_object_get(facts, "bytes")), "%s of %s has %zu bytes",
               name, what, file->count);
        rotor_blake3_hash(got, file->bytes, file->count);
        expect(memcmp(wanted, got, 32) == 0, "%s of %s is not what the crate wrote", name, what);
        count++;
    }
    expect(count > 0, "no files of %s are known", what);
    for (int i = 0; i < MEMORY_FILES; i++) {
        count -= directory->files[i].name[0] != '\0' ? 1 : 0;
    }
    expect(count == 0, "%s has files that the crate did not write", what);
}

/* The inserts that the crate was given: some single leaves and batches, without a checkpoint. */
static void make_wal_only(memory_directory *directory, const rotor_hash *leaves) {
    uint64_t sequence = 0;
    uint64_t at = 0;
    write_wal_header(directory, 4, 20);
    memory_file *header = memory_find(directory, "wal");
    size_t bytes = header->count + 1000 * 56 + 7 * (36 + 32000) + 4 * (36 + 32 * 23000);
    uint8_t *wal = test_alloc(bytes, 1);
    size_t end = header->count;
    memcpy(wal, header->bytes, end);
    static const struct {
        uint64_t times;
        size_t count; /* 0: a single leaf */
    } inserts[] = {{3, 0}, {7, 1000}, {997, 0}, {4, 23000}};
    for (size_t i = 0; i < sizeof inserts / sizeof inserts[0]; i++) {
        for (uint64_t k = 0; k < inserts[i].times; k++, sequence++) {
            memory_directory one = {0};
            if (inserts[i].count == 0) {
                write_single(&one, sequence, leaves + at);
                at++;
            } else {
                write_batch(&one, sequence, 1, leaves + at, inserts[i].count);
                at += inserts[i].count;
            }
            const memory_file *file = memory_find(&one, "wal");
            expect(file->count <= bytes - end, "the log is longer than planned");
            memcpy(wal + end, file->bytes, file->count);
            end += file->count;
            memory_clear(&one);
        }
    }
    expect(end == bytes && at == 100000, "the log is not as planned");
    (void)memory_put(directory, "wal", wal, bytes);
    free(wal);
}

/* The same, checkpointed, and some more inserts. */
static void make_checkpoint_delta(memory_directory *directory, const rotor_hash *leaves) {
    test_levels levels;
    test_levels_build(&levels, 4, leaves, 100000, fastest());
    write_checkpoint(directory, &levels, 20, 1010);
    test_levels_free(&levels);
    write_wal_header(directory, 4, 20);
    for (uint64_t i = 0; i < 5; i++) {
        write_single(directory, 1011 + i, leaves + 100000 + i);
    }
    write_batch(directory, 1016, 1, leaves + 100005, 2340);
    write_single(directory, 1017, leaves + 102345);
}

static int set_up(void **state) {
    return load_goldens(state) == 0 ? make_folder(state) : -1;
}

static int tear_down(void **state) {
    (void)unload_goldens(state);
    return remove_folder(state);
}

static void expect_golden_tree(rotor_tree *tree, const golden_directory *golden) {
    rotor_hash root;
    rotor_statistics statistics;
    expect_ok(rotor_root(tree, &root), "root");
    expect(rotor_size(tree) == golden->size && rotor_depth(tree) == golden->depth, "size %" PRIu64 " depth %u",
           rotor_size(tree), rotor_depth(tree));
    expect(test_same_hash(&root, &golden->root), "another root than the crate's");
    expect(rotor_arity(tree) == golden->arity && rotor_max_depth(tree) == golden->max_depth, "arity %u max depth %u",
           rotor_arity(tree), rotor_max_depth(tree));
    expect_ok(rotor_stat(tree, &statistics), "statistics");
    expect(statistics.checkpointed_size == golden->size && statistics.recovered_leaves == 0,
           "%" PRIu64 " of the leaves are checkpointed", statistics.checkpointed_size);
    rotor_snapshot snapshot;
    rotor_hash *leaves = test_alloc(golden->size, sizeof *leaves);
    expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
    expect_ok(rotor_snapshot_nodes(&snapshot, leaves, golden->size, 0, 0), "leaves");
    expect(memcmp(leaves, golden_leaves, golden->size * sizeof *leaves) == 0, "other leaves");
    free(leaves);
}

static void the_crates_log_alone_is_imported(void **state) {
    (void)state;
    memory_directory directory = {0};
    path_text source;
    path_text path;
    rotor_import_report report;
    golden_directory golden = golden_of("wal_only");
    make_wal_only(&directory, golden_leaves);
    expect_crates_files(&golden, &directory, "wal_only");
    path_in(source, folder, "wal_only");
    path_in(path, folder, "from_wal_only");
    write_directory(&directory, source);
    import_on_disk(source, path, &report);
    expect(report.leaves == 100000 && report.checkpointed == 0 && report.stale_nodes == 0 && report.torn_bytes == 0 &&
               report.arity == 4,
           "%" PRIu64 " leaves", report.leaves);
    rotor_tree *tree = open_on_disk(path);
    expect_golden_tree(tree, &golden);
    expect_ok(rotor_close(tree, NULL), "close");
    memory_directory after = {0};
    read_directory(&after, source);
    expect_crates_files(&golden, &after, "the source, once read,");
    memory_clear(&after);
    memory_clear(&directory);
    remove_path(source);
    remove_path(path);
}

static void the_crates_checkpoint_and_log_are_imported_and_exported(void **state) {
    (void)state;
    memory_directory directory = {0};
    memory_directory exported = {0};
    path_text source;
    path_text path;
    rotor_import_report report;
    golden_directory golden = golden_of("checkpoint_delta");
    make_checkpoint_delta(&directory, golden_leaves);
    expect_crates_files(&golden, &directory, "checkpoint_delta");
    path_in(source, folder, "checkpoint_delta");
    path_in(path, folder, "from_checkpoint_delta");
    write_directory(&directory, source);
    import_on_disk(source, path, &report);
    expect(report.leaves == 102346 && report.checkpointed == 100000 && report.stale_nodes == 0 &&
               report.torn_bytes == 0 && report.arity == 4,
           "%" PRIu64 " leaves, %" PRIu64 " stale nodes", report.leaves, report.stale_nodes);
    rotor_tree *tree = open_on_disk(path);
    expect_golden_tree(tree, &golden);
    export_size(tree, 100000, &exported);
    expect_export_equals(&exported, &directory, 100000, NULL, 0);
    expect_ok(rotor_close(tree, NULL), "close");
    memory_clear(&directory);
    memory_clear(&exported);
    remove_path(source);
    remove_path(path);
}

static void the_crates_stale_node_is_counted_and_healed(void **state) {
    (void)state;
    memory_directory directory = {0};
    memory_directory exported = {0};
    path_text path;
    rotor_import_report report;
    golden_directory golden = golden_of("stale_node");
    read_stale_node(&directory);
    expect_crates_files(&golden, &directory, "stale_node");
    path_in(path, folder, "from_stale_node");
    import_on_disk(ROTOR_TEST_DATA "/reference/stale_node", path, &report);
    expect(report.leaves == 10000 && report.checkpointed == 10000 && report.torn_bytes == 0, "%" PRIu64 " leaves",
           report.leaves);
    expect(report.stale_nodes == 1 && report.first_stale_level == 1 && report.first_stale_index == 127,
           "%" PRIu64 " stale nodes, first (%u, %" PRIu64 ")", report.stale_nodes, report.first_stale_level,
           report.first_stale_index);
    rotor_tree *tree = open_on_disk(path);
    expect_golden_tree(tree, &golden);
    /* In the crate, proofs of these leaves do not lead to the root. */
    for (uint64_t index = 496; index < 512; index++) {
        rotor_snapshot snapshot;
        rotor_tree_head head;
        rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
        expect_ok(rotor_snapshot_head(&snapshot, &head), "head");
        expect_ok(rotor_inclusion_prove(&snapshot, &proof, index), "proof of leaf %" PRIu64, index);
        expect_ok(rotor_inclusion_verify(&proof, &head, &golden_leaves[index]), "leaf %" PRIu64, index);
        rotor_inclusion_proof_free(&proof);
    }
    export_size(tree, 10000, &exported);
    expect_export_equals(&exported, &directory, 10000, "data/level_1/shard_0000.dat", (size_t)127 * 32);
    expect_ok(rotor_close(tree, NULL), "close");
    memory_clear(&directory);
    memory_clear(&exported);
    remove_path(path);
}

/* ---------------------------------------------------------------- where leaves and nodes are found */

/* Records are read in pieces; these are longer than any piece. */
static void long_records_are_read_in_pieces(void **state) {
    (void)state;
    memory_directory directory = {0};
    const size_t many = 100000;
    write_wal_header(&directory, 8, 20);
    write_single(&directory, 0, golden_leaves);
    write_batch(&directory, 1, 1, golden_leaves + 1, many);
    write_single(&directory, 2, golden_leaves + 1 + many);
    memory_file *wal = memory_find(&directory, "wal");
    rotor_hash root = test_root_of(8, golden_leaves, many + 2, fastest());
    outcome got = import(&directory);
    expect(got.status == ROTOR_OK && got.size == many + 2 && test_same_hash(&got.root, &root), "%s: %" PRIu64 " leaves",
           got.error.message, got.size);
    wal->bytes[24 + 56 + 32 + 32 * 70000] ^= 1;
    got = import(&directory);
    expect_refused(&got, ROTOR_DAMAGED, "the record at byte 80 ", "a flipped bit in a long record");
    wal->bytes[24 + 56 + 32 + 32 * 70000] ^= 1;
    (void)memory_put(&directory, "wal", wal->bytes, wal->count - 56 - 1000);
    got = import(&directory);
    expect_imported(&got, 8, golden_leaves, 1, 0, 36 + 32 * many - 1000, "a long record that was cut");
    memory_clear(&directory);
}

/* Killed in a checkpoint, the crate leaves what it had written of it with the checkpoint.meta of the one before, and
 * the whole log. It cannot open such a directory any more. */
static void a_checkpoint_that_was_interrupted_is_read_as_the_one_before(void **state) {
    (void)state;
    static const struct {
        uint32_t arity;
        uint64_t before;
        uint64_t after;
    } cases[] = {{4, 150, 157}, {4, 150, 300}, {4, 150, 256}, {4, 127, 129}, {4, 128, 300}, {4, 255, 256},
                 {2, 100, 700}, {3, 382, 384}, {4, 1, 2},     {4, 1, 600},   {5, 130, 131}, {255, 300, 900}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memory_directory directory = {0};
        uint32_t arity = cases[i].arity;
        rotor_hash *leaves = test_random_leaves(39 + i, cases[i].after);
        test_levels before;
        test_levels after;
        test_levels_build(&before, arity, leaves, cases[i].before, NULL);
        test_levels_build(&after, arity, leaves, cases[i].after, NULL);
        write_checkpoint(&directory, &before, 12, 3);
        write_wal_header(&directory, arity, 12);
        write_batch(&directory, 4, 1, leaves + cases[i].before, cases[i].after - cases[i].before);
        write_nodes(&directory, &after, 12);
        outcome got = import(&directory);
        expect(got.status == ROTOR_OK && got.size == cases[i].after, "from %" PRIu64 " to %" PRIu64 ": %s",
               cases[i].before, cases[i].after, got.error.message);
        expect(test_same_hash(&got.root, test_levels_root(&after)), "from %" PRIu64 " to %" PRIu64 ": another root",
               cases[i].before, cases[i].after);
        expect(got.report.checkpointed == cases[i].before, "%" PRIu64 " checkpointed", got.report.checkpointed);
        test_levels_free(&before);
        test_levels_free(&after);
        memory_clear(&directory);
        free(leaves);
    }
}

/* Killed in its first checkpoint, it leaves files without any checkpoint.meta; the log has everything. */
static void a_first_checkpoint_that_was_interrupted_is_not_one(void **state) {
    (void)state;
    memory_directory directory = {0};
    rotor_hash *leaves = test_random_leaves(40, 300);
    test_levels levels;
    test_levels_build(&levels, 4, leaves, 300, NULL);
    write_nodes(&directory, &levels, 8);
    write_wal_header(&directory, 4, 8);
    write_batch(&directory, 0, 1, leaves, 300);
    outcome got = import(&directory);
    expect_imported(&got, 4, leaves, 300, 0, 0, "an unfinished first checkpoint");
    expect(got.report.checkpointed == 0, "%" PRIu64 " checkpointed", got.report.checkpointed);
    test_levels_free(&levels);
    memory_clear(&directory);
    free(leaves);
}

static void nodes_are_found_across_shards(void **state) {
    (void)state;
    memory_directory directory = {0};
    rotor_hash nodes[400];
    const uint64_t shard = UINT64_C(65536) * CHUNK;
    rotor_hash *expected = test_random_leaves(43, 400);
    rotor_os os = memory_os(&directory);
    rotor_reference_source source = {.wal = ROTOR_FILE_CLOSED, .shard = ROTOR_FILE_CLOSED, .levels = 1};
    source.length[0] = shard + 200;
    memory_file *first = memory_put(&directory, "data/level_0/shard_0000.dat", NULL, shard * 32);
    memcpy(first->bytes + (shard - 100) * 32, expected, 100 * 32);
    (void)memory_put(&directory, "data/level_0/shard_0001.dat", expected + 100, CHUNK_BYTES);
    (void)memory_put(&directory, "data/tails.bin", expected + 228, CHUNK_BYTES);
    expect_ok(rotor_directory_open(&source.directory, &os, "memory", 0, NULL), "open");
    expect_ok(rotor_file_open(&source.tails, &source.directory, "data/tails.bin", ROTOR_OS_READ, NULL), "open");
    expect_ok(rotor_reference_source_nodes(&source, nodes, 300, 0, shard - 100, NULL), "nodes");
    expect(memcmp(nodes, expected, 300 * sizeof *nodes) == 0, "other nodes");
    rotor_reference_source_close(&source);
    memory_clear(&directory);
    free(expected);
}

static void all_shapes_are_imported(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof tree_shapes / sizeof tree_shapes[0]; i++) {
        const struct shape *shape = &tree_shapes[i];
        if (test_scaled(100) < 100 && shape->size > 5000) {
            continue;
        }
        memory_directory directory = {0};
        rotor_tree *tree = NULL;
        rotor_hash *leaves = test_random_leaves(41 + i, shape->size);
        test_levels levels;
        test_levels_build(&levels, shape->arity, leaves, shape->size, fastest());
        write_checkpoint(&directory, &levels, shape->max_depth, 17);
        write_wal_header(&directory, shape->arity, shape->max_depth);
        outcome got = import_from(&directory, &tree);
        expect(got.status == ROTOR_OK && got.report.stale_nodes == 0 && got.size == shape->size,
               "arity %u size %" PRIu64 ": %s, %" PRIu64 " stale nodes", shape->arity, shape->size, got.error.message,
               got.report.stale_nodes);
        test_expect_tree(tree, &levels, "imported");
        expect_ok(rotor_close(tree, NULL), "close");
        test_levels_free(&levels);
        memory_clear(&directory);
        free(leaves);
    }
}

/* ---------------------------------------------------------------- what is left behind, and what is refused */

static void a_failed_import_leaves_nothing(void **state) {
    (void)state;
    memory_directory directory = {0};
    path_text source;
    path_text path;
    rotor_import_report report = {.leaves = 77};
    rotor_error error;
    uint64_t calls = 0;
    read_stale_node(&directory);
    path_in(source, folder, "source");
    path_in(path, folder, "destination");
    write_directory(&directory, source);
    /* Ended by the caller. */
    expect_status(rotor_import_reference(source, path, NULL, &report, stop_at_half, &calls, &error), ROTOR_TIMED_OUT,
                  "%s", error.message);
    expect(calls > 0 && !path_exists(path) && report.leaves == 77, "something was left of it");
    /* In a directory that was there, and empty. */
    expect(mkdir(path, 0755) == 0, "mkdir");
    expect_status(rotor_import_reference(source, path, NULL, &report, stop_at_half, &calls, &error), ROTOR_TIMED_OUT,
                  "%s", error.message);
    expect(path_exists(path) && names_in(path) == 0, "%zu names were left", names_in(path));
    expect(rmdir(path) == 0, "rmdir");
    /* A damaged leaf, which shows only when all have been inserted. */
    memory_find(&directory, "data/level_0/shard_0000.dat")->bytes[32 * 5000] ^= 1;
    remove_path(source);
    write_directory(&directory, source);
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_DAMAGED, "%s",
                  error.message);
    expect(strstr(error.message, "leaves 5000 to 5003;") != NULL, "\"%s\"", error.message);
    expect(!path_exists(path), "something was left of it");
    /* A limit of the options. */
    remove_path(source);
    read_stale_node(&directory);
    write_directory(&directory, source);
    rotor_options options;
    rotor_options_init(&options, 0, 0);
    options.max_leaves = 9999;
    expect_status(rotor_import_reference(source, path, &options, &report, NULL, NULL, &error), ROTOR_CAPACITY_EXCEEDED,
                  "%s", error.message);
    expect(!path_exists(path), "something was left of it");
    /* What does not fail ends with all told. */
    options.max_leaves = 10000;
    options.checkpoint_on_close = 0;
    options.flush_interval_ms = ROTOR_MANUAL;
    uint64_t last = 0;
    expect_ok(rotor_import_reference(source, path, &options, &report, never_stop, &last, &error), "%s", error.message);
    expect(last == 10000 && report.leaves == 10000, "%" PRIu64 " leaves were told of", last);
    /* A tree that is there stays as it is. */
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_EXISTS, "%s",
                  error.message);
    rotor_tree *tree = open_on_disk(path);
    rotor_statistics statistics;
    expect_ok(rotor_stat(tree, &statistics), "statistics");
    expect(statistics.size == 10000 && statistics.checkpointed_size == 10000,
           "size %" PRIu64 ", %" PRIu64 " checkpointed", statistics.size, statistics.checkpointed_size);
    expect_ok(rotor_close(tree, NULL), "close");
    remove_path(path);
    remove_path(source);
    memory_clear(&directory);
}

/* A path that the system takes, and what is made inside of it for the time of the import just not. */
static void a_path_that_is_too_long_to_work_in(void **state) {
    (void)state;
    memory_directory directory = {0};
    path_text source;
    path_text path;
    char longer[PATH_MAX];
    rotor_import_report report;
    rotor_error error;
    write_wal_header(&directory, 4, 10);
    path_in(source, folder, "source");
    path_in(path, folder, "destination");
    write_directory(&directory, source);
    size_t begin = strlen(folder);
    size_t name = strlen(path) - begin;
    memset(longer, '/', sizeof longer);
    for (size_t i = 0; i < begin; i++) {
        longer[i] = folder[i];
    }
    memcpy(longer + sizeof longer - 1 - name, path + begin, name + 1);
    expect_status(rotor_import_reference(source, longer, NULL, &report, NULL, NULL, &error), ROTOR_IO, "%s",
                  error.message);
    expect(error.os_errno == ENAMETOOLONG, "\"%s\"", error.message);
    expect(!path_exists(path), "something was left of it");
    remove_path(source);
    memory_clear(&directory);
}

static void sources_that_are_none_and_misuse_are_refused(void **state) {
    (void)state;
    path_text source;
    path_text path;
    rotor_import_report report;
    rotor_error error;
    rotor_snapshot snapshot;
    path_in(source, folder, "nothing");
    path_in(path, folder, "destination");
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_NOT_FOUND, "%s",
                  error.message);
    expect(mkdir(source, 0755) == 0, "mkdir");
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_NOT_FOUND, "%s",
                  error.message);
    expect(rmdir(source) == 0 && !path_exists(path), "something was made");
    expect_status(rotor_import_reference(NULL, path, NULL, &report, NULL, NULL, NULL), ROTOR_MISUSE, "source");
    expect_status(rotor_import_reference(source, NULL, NULL, &report, NULL, NULL, NULL), ROTOR_MISUSE, "path");
    expect_status(rotor_import_reference(source, path, NULL, NULL, NULL, NULL, NULL), ROTOR_MISUSE, "report");
    rotor_tree *tree = test_create(4, 10);
    expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
    expect_status(rotor_export_reference(NULL, path, NULL, NULL, NULL), ROTOR_MISUSE, "snapshot");
    expect_status(rotor_export_reference(&snapshot, NULL, NULL, NULL, NULL), ROTOR_MISUSE, "destination");
    expect_ok(rotor_close(tree, NULL), "close");
}

/* The crate holds a lock on its log as long as it has the tree open. */
static void a_tree_that_is_open_elsewhere_is_refused(void **state) {
    (void)state;
    path_text source;
    path_text wal;
    path_text path;
    rotor_import_report report;
    rotor_error error;
    memory_directory directory = {0};
    write_wal_header(&directory, 4, 10);
    path_in(source, folder, "locked");
    path_in(path, folder, "destination");
    write_directory(&directory, source);
    path_in(wal, source, "wal");
    const rotor_os *os = rotor_os_system();
    int parent = os->open_directory(os->context, source);
    int file = os->open(os->context, parent, "wal", ROTOR_OS_WRITE, 0);
    expect(parent >= 0 && file >= 0 && os->lock(os->context, file) == 0, "the log cannot be locked");
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_LOCKED, "%s",
                  error.message);
    expect(!path_exists(path), "something was made");
    (void)os->close(os->context, file);
    (void)os->close(os->context, parent);
    import_on_disk(source, path, &report);
    remove_path(path);
    remove_path(source);
    memory_clear(&directory);
}

static void make_file(const char *parent, const char *name) {
    path_text path;
    path_in(path, parent, name);
    FILE *file = fopen(path, "wx");
    expect(file != NULL && fclose(file) == 0, "%s", path);
}

/* Only what an import has left may be removed: files without a superblock may be all that is left of a tree. */
static void destinations_that_are_not_free_are_left_alone(void **state) {
    (void)state;
    path_text source;
    path_text path;
    path_text staging;
    rotor_import_report report;
    rotor_error error;
    memory_directory directory = {0};
    write_wal_header(&directory, 4, 10);
    path_in(source, folder, "source");
    path_in(path, folder, "destination");
    path_in(staging, path, "import.unfinished");
    write_directory(&directory, source);
    expect(mkdir(path, 0755) == 0 && mkdir(staging, 0755) == 0, "mkdir");
    make_file(staging, "superblock");
    make_file(path, "level-00-00000000");
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_EXISTS, "%s",
                  error.message);
    expect(strstr(error.message, path) != NULL && names_in(path) == 2 && names_in(staging) == 1, "\"%s\"",
           error.message);
    /* With the mark of an unfinished import it is that import's, but for what is no file of a tree. */
    make_file(staging, "superblock.unfinished");
    make_file(path, "precious");
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_EXISTS, "%s",
                  error.message);
    expect(strstr(error.message, "'precious'") != NULL && names_in(path) == 3, "\"%s\"", error.message);
    path_text precious;
    path_in(precious, path, "precious");
    expect(remove(precious) == 0, "remove");
    /* Somebody else is at it. */
    make_file(path, "lock");
    const rotor_os *os = rotor_os_system();
    int handle = os->open_directory(os->context, path);
    int lock = os->open(os->context, handle, "lock", ROTOR_OS_WRITE, 0);
    expect(handle >= 0 && lock >= 0 && os->lock(os->context, lock) == 0, "lock");
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_LOCKED, "%s",
                  error.message);
    expect(names_in(path) == 3 && names_in(staging) == 2, "what is another's was touched");
    (void)os->close(os->context, lock);
    (void)os->close(os->context, handle);
    import_on_disk(source, path, &report);
    expect(!path_exists(staging), "something was left");
    rotor_tree *tree = open_on_disk(path);
    expect(rotor_size(tree) == 0 && rotor_arity(tree) == 4, "size %" PRIu64, rotor_size(tree));
    expect_ok(rotor_close(tree, NULL), "close");
    remove_path(path);
    remove_path(source);
    memory_clear(&directory);
}

/* The inner directory as somebody else may have filled it: what no import has left there is not removed, nor what is
 * somewhere else. */
static void an_inner_directory_of_somebody_else(void **state) {
    (void)state;
    static const char *const others[] = {
        "notes.txt",
        "level-00-00000000.sync-conflict-20261127-025133-ABCDEFG", /* longer than a file of a tree has it */
        "log-0000000000000001-and-forty-characters-in-all",
    };
    path_text source;
    path_text path;
    path_text staging;
    path_text elsewhere;
    rotor_import_report report;
    rotor_error error;
    memory_directory directory = {0};
    write_wal_header(&directory, 4, 10);
    path_in(source, folder, "source");
    path_in(path, folder, "destination");
    path_in(staging, path, "import.unfinished");
    path_in(elsewhere, folder, "elsewhere");
    write_directory(&directory, source);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        expect(mkdir(path, 0755) == 0 && mkdir(staging, 0755) == 0, "mkdir");
        make_file(staging, "superblock.unfinished");
        make_file(staging, "level-00-00000000");
        make_file(staging, others[i]);
        expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_EXISTS, "%s",
                      error.message);
        expect(strstr(error.message, "'import.unfinished/") != NULL, "\"%s\"", error.message);
        expect(names_in(path) == 1 && names_in(staging) == 3, "%s: something was removed or made", others[i]);
        remove_path(path);
    }
    expect(mkdir(path, 0755) == 0 && mkdir(elsewhere, 0755) == 0 && symlink(elsewhere, staging) == 0, "symlink");
    make_file(elsewhere, "level-00-00000000");
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_EXISTS, "%s",
                  error.message);
    expect(strstr(error.message, "'import.unfinished'") != NULL, "\"%s\"", error.message);
    expect(names_in(path) == 1 && names_in(elsewhere) == 1, "what the link leads to was touched");
    expect(unlink(staging) == 0, "unlink");
    make_file(path, "import.unfinished");
    expect_status(rotor_import_reference(source, path, NULL, &report, NULL, NULL, &error), ROTOR_EXISTS, "%s",
                  error.message);
    expect(path_exists(staging), "a file was removed");
    remove_path(path);
    remove_path(elsewhere);
    remove_path(source);
    memory_clear(&directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_crates_log_alone_is_imported),
        cmocka_unit_test(the_crates_checkpoint_and_log_are_imported_and_exported),
        cmocka_unit_test(the_crates_stale_node_is_counted_and_healed),
        cmocka_unit_test(long_records_are_read_in_pieces),
        cmocka_unit_test(a_checkpoint_that_was_interrupted_is_read_as_the_one_before),
        cmocka_unit_test(a_first_checkpoint_that_was_interrupted_is_not_one),
        cmocka_unit_test(nodes_are_found_across_shards),
        cmocka_unit_test(all_shapes_are_imported),
        cmocka_unit_test(a_failed_import_leaves_nothing),
        cmocka_unit_test(a_path_that_is_too_long_to_work_in),
        cmocka_unit_test(sources_that_are_none_and_misuse_are_refused),
        cmocka_unit_test(a_tree_that_is_open_elsewhere_is_refused),
        cmocka_unit_test(destinations_that_are_not_free_are_left_alone),
        cmocka_unit_test(an_inner_directory_of_somebody_else),
    };
    return cmocka_run_group_tests_name("reference import", tests, set_up, tear_down);
}
