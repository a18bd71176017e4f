/* Load many leaves into a durable tree and watch, as CSV on standard output, how fast they are accepted and become
 * durable, what a proof costs meanwhile, and where the nodes are: in memory, or mapped from files.
 *
 *     cc -O2 bulk_load.c $(pkg-config --cflags --libs rotortree) -o bulk_load
 *     ./bulk_load                           # 200,000 leaves in a directory that is removed afterwards
 *     ./bulk_load /data/my.tree 100000000   # so many leaves into a new tree, which stays
 *
 * Ten rows for ten parts of the load; an eleventh for all of it, after its last checkpoint, when the proofs are the
 * first to touch the pages just mapped. The columns:
 *     size               leaves in the tree
 *     inserts_per_s      leaves accepted per second, their parents hashed (rotor_insert_many)
 *     durable_per_s      the same with the flush that makes them durable
 *     proof_ns           median time of one inclusion proof of a random leaf, through a snapshot
 *     checkpointed_size  leaves whose nodes are in the level files; a checkpoint runs beside the next part's inserts
 *     memory_bytes       nodes in the process's own memory
 *     mapped_bytes       nodes mapped from files, which the system can drop when memory is short */
#include "example.h"
#include <errno.h>
#include <inttypes.h>

enum { ARITY = 4, MAX_DEPTH = 32, PARTS = 10, MOST_LEAVES_A_BATCH = 100000, PROOFS = 101 };

/* Time spent on a stretch of the load, without making up its leaves. */
struct stretch {
    uint64_t leaves;
    double inserting;
    double flushing;
};

static struct stretch load(rotor_tree *tree, uint64_t end) {
    static rotor_hash batch[MOST_LEAVES_A_BATCH];
    struct stretch stretch = {0};
    for (uint64_t size = rotor_size(tree); size < end; size = rotor_size(tree)) {
        size_t count = end - size < MOST_LEAVES_A_BATCH ? (size_t)(end - size) : MOST_LEAVES_A_BATCH;
        for (size_t i = 0; i < count; i++) {
            batch[i] = made_up_leaf(1, size + i);
        }
        rotor_hash root;
        double start = seconds_now();
        must(rotor_insert_many(tree, &root, NULL, batch, count), "insert");
        stretch.inserting += seconds_now() - start;
        stretch.leaves += count;
    }
    double start = seconds_now();
    must(rotor_flush(tree), "flush");
    stretch.flushing = seconds_now() - start;
    return stretch;
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_proof_ns(rotor_tree *tree) {
    rotor_snapshot snapshot;
    rotor_tree_head head;
    must(rotor_snapshot_take(tree, &snapshot), "snapshot");
    must(rotor_snapshot_head(&snapshot, &head), "head");
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    double times[PROOFS];
    for (uint64_t i = 0; i < PROOFS; i++) {
        rotor_hash random = made_up_leaf(2, i);
        uint64_t index;
        memcpy(&index, random.bytes, sizeof index);
        index %= snapshot.size;
        double start = seconds_now();
        must(rotor_inclusion_prove(&snapshot, &proof, index), "prove");
        times[i] = 1e9 * (seconds_now() - start);
        rotor_hash leaf = made_up_leaf(1, index);
        must(rotor_inclusion_verify(&proof, &head, &leaf), "verify");
    }
    rotor_inclusion_proof_free(&proof);
    qsort(times, PROOFS, sizeof times[0], compare_doubles);
    return times[PROOFS / 2];
}

static void print_row(rotor_tree *tree, const struct stretch *stretch) {
    rotor_statistics now;
    must(rotor_stat(tree, &now), "statistics");
    require(now.durable_size == now.size, "flushed, and yet only %" PRIu64 " of %" PRIu64 " leaves are durable",
            now.durable_size, now.size);
    double leaves = (double)stretch->leaves;
    printf("%" PRIu64 ",%.0f,%.0f,%.0f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", now.size, leaves / stretch->inserting,
           leaves / (stretch->inserting + stretch->flushing), median_proof_ns(tree), now.checkpointed_size,
           now.memory_bytes, now.mapped_bytes);
    require(fflush(stdout) == 0, "standard output: %s", strerror(errno));
}

static uint64_t load_in_parts(rotor_tree *tree, uint64_t leaves, rotor_hash *root) {
    struct stretch all = {0};
    puts("size,inserts_per_s,durable_per_s,proof_ns,checkpointed_size,memory_bytes,mapped_bytes");
    for (uint64_t part = 1; part <= PARTS; part++) {
        uint64_t end = part < PARTS ? leaves / PARTS * part : leaves;
        struct stretch stretch = load(tree, end);
        print_row(tree, &stretch);
        must(rotor_checkpoint_start(tree), "start of a checkpoint");
        all.leaves += stretch.leaves, all.inserting += stretch.inserting, all.flushing += stretch.flushing;
    }
    must(rotor_checkpoint_wait(tree, ROTOR_FOREVER), "checkpoint");
    print_row(tree, &all);
    must(rotor_root(tree, root), "root");
    return all.leaves;
}

int main(int argument_count, char **arguments) {
    uint64_t leaves = 200000;
    if (argument_count > 2) {
        char *end = NULL;
        errno = 0;
        leaves = strtoull(arguments[2], &end, 10);
        require(errno == 0 && *end == '\0' && arguments[2][0] != '-' && leaves >= PARTS,
                "%s: not a number of leaves, at least %d", arguments[2], PARTS);
    }
    require(argument_count <= 3, "usage: bulk_load [DIRECTORY [LEAVES]]");
    const char *path = argument_count > 1 ? arguments[1] : make_scratch_directory();

    rotor_options options;
    rotor_options_init(&options, ARITY, MAX_DEPTH);
    options.mode = ROTOR_CREATE_NEW;
    rotor_tree *tree = must_open(path, &options);
    rotor_hash root, stored_root;
    uint64_t loaded = load_in_parts(tree, leaves, &root);
    must_close(tree);

    rotor_options_init(&options, 0, 0);
    options.mode = ROTOR_OPEN_READ_ONLY;
    tree = must_open(path, &options);
    must(rotor_root(tree, &stored_root), "root of the stored tree");
    require(rotor_size(tree) == leaves && loaded == leaves, "%" PRIu64 " leaves are stored", rotor_size(tree));
    require(same_hash(&root, &stored_root), "the stored tree has another root");
    must_close(tree);
    return 0;
}
