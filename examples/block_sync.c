/* The nullifiers of a chain's blocks in a durable tree: blocks come in, the chain is reorganised, the program ends and
 * starts again, and a nullifier is proven as of an old block.
 *
 *     cc block_sync.c $(pkg-config --cflags --libs rotortree) -o block_sync
 *     ./block_sync               # in a directory that is removed afterwards
 *     ./block_sync /data/my.tree # in a new directory, which stays
 *
 * Flushing is manual, so that nothing becomes durable between the ends of blocks. The tree does not know blocks: the
 * program remembers at which size each ended. (A real node keeps that beside its blocks.) */
#include "example.h"
#include <inttypes.h>

enum {
    ARITY = 4,
    MAX_DEPTH = 32,
    HEIGHTS = 16,
    OLD_TIP = 9,
    FORK = 5, /* the last block that both branches share */
    NEW_TIP = 11,
    TRANSACTIONS = 20, /* a block */
    MOST_NULLIFIERS = 8,
};

/* The heads after each block of the chain that is followed, heights 1..tip. */
struct chain {
    uint32_t tip;
    rotor_tree_head at[HEIGHTS + 1];
};

/* Every branch has blocks of its own, with transactions of different sizes. */
static size_t make_transaction(rotor_hash nullifiers[MOST_NULLIFIERS], char branch, uint32_t height, uint32_t number) {
    size_t count = 1 + (height + number + (unsigned char)branch) % MOST_NULLIFIERS;
    for (size_t i = 0; i < count; i++) {
        nullifiers[i] = made_up_leaf((uint64_t)branch << 32 | height, number * MOST_NULLIFIERS + i);
    }
    return count;
}

/* Inserts the next block and remembers its head. Its transactions are hashed together, when the head is asked for. */
static void insert_block(rotor_tree *tree, rotor_token *end, struct chain *chain, char branch) {
    require(chain->tip < HEIGHTS, "the chain is longer than this example remembers");
    uint32_t height = chain->tip + 1;
    for (uint32_t i = 0; i < TRANSACTIONS; i++) {
        rotor_hash nullifiers[MOST_NULLIFIERS];
        size_t count = make_transaction(nullifiers, branch, height, i);
        must(rotor_insert_many(tree, NULL, end, nullifiers, count), "insert");
    }
    must(rotor_head(tree, &chain->at[height]), "head");
    chain->tip = height;
}

/* Leaves the blocks above `fork` and follows the other branch. The old branch is what a crash leaves behind until the
 * wait at the end, which makes the cut and all new blocks durable with one flush. */
static void reorganise(rotor_tree *tree, struct chain *chain, uint32_t fork, char branch, uint32_t tip) {
    rotor_token end;
    must(rotor_truncate(tree, &end, chain->at[fork].size), "cut back to the fork");
    chain->tip = fork;
    while (chain->tip < tip) {
        insert_block(tree, &end, chain, branch);
    }
    require(rotor_token_status(tree, &end) == ROTOR_PENDING, "durable before anybody asked for it");
    must(rotor_wait(tree, &end, ROTOR_FOREVER), "wait for the other branch");
}

static void require_head(rotor_tree *tree, const rotor_tree_head *expected, const char *which) {
    rotor_tree_head head;
    must(rotor_head(tree, &head), "head");
    require(head.size == expected->size && same_hash(&head.root, &expected->root),
            "%s has %" PRIu64 " leaves where %" PRIu64 " were expected, or another root", which, head.size,
            expected->size);
}

/* Follows branch a, then b from the fork on, and begins a block that it never ends. */
static void follow_chain(const char *path, const rotor_options *options, struct chain *chain) {
    rotor_tree *tree = must_open(path, options);
    rotor_token end;
    while (chain->tip < OLD_TIP) {
        insert_block(tree, &end, chain, 'a');
        must(rotor_flush(tree), "flush at the end of a block");
    }
    printf("branch a: height %" PRIu32 ", %" PRIu64 " nullifiers\n", chain->tip, rotor_size(tree));

    rotor_snapshot abandoned;
    must(rotor_snapshot_take(tree, &abandoned), "snapshot");
    reorganise(tree, chain, FORK, 'b', NEW_TIP);
    require(rotor_snapshot_check(&abandoned) == ROTOR_STALE, "a snapshot of the abandoned branch can still be read");
    printf("branch b: height %" PRIu32 ", %" PRIu64 " nullifiers\n", chain->tip, rotor_size(tree));

    rotor_hash nullifiers[MOST_NULLIFIERS];
    size_t count = make_transaction(nullifiers, 'b', chain->tip + 1, 0);
    must(rotor_insert_many(tree, NULL, NULL, nullifiers, count), "insert");
    must_close(tree);
}

/* Opens the tree again. What is stored past the last whole block is cut off: it comes with the block, again. */
static rotor_tree *resume(const char *path, const rotor_options *options, const struct chain *chain) {
    rotor_tree *tree = must_open(path, options);
    uint64_t whole_blocks = chain->at[chain->tip].size;
    require(rotor_size(tree) > whole_blocks, "the begun block was not stored when the tree was closed");
    rotor_token cut;
    must(rotor_truncate(tree, &cut, whole_blocks), "cut off the begun block");
    must(rotor_wait(tree, &cut, ROTOR_FOREVER), "wait for the cut");
    require_head(tree, &chain->at[chain->tip], "the tree that was opened again");
    return tree;
}

/* The same blocks in memory, with no branch but the winning one, lead to the same heads. */
static void compare_with_winning_branch(const struct chain *chain, const rotor_options *options) {
    rotor_tree *tree = must_open(NULL, options);
    struct chain winning = {0};
    rotor_token end;
    while (winning.tip < NEW_TIP) {
        insert_block(tree, &end, &winning, winning.tip < FORK ? 'a' : 'b');
        require_head(tree, &chain->at[winning.tip], "the winning branch in memory");
    }
    must_close(tree);
}

/* Proves, to somebody who knows the head at `height`, that a nullifier was in the set then. */
static void prove_at(rotor_tree *tree, const struct chain *chain, uint32_t height) {
    rotor_snapshot snapshot;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_hash nullifiers[MOST_NULLIFIERS];
    make_transaction(nullifiers, 'a', height, 0); /* its first is the block's first */
    must(rotor_snapshot_take(tree, &snapshot), "snapshot");
    must(rotor_snapshot_at(&snapshot, &snapshot, chain->at[height].size), "turn to the old block");
    must(rotor_inclusion_prove(&snapshot, &proof, chain->at[height - 1].size), "prove");
    must(rotor_inclusion_verify(&proof, &chain->at[height], &nullifiers[0]), "verify");
    printf("nullifier %" PRIu64 " was in the set of height %" PRIu32 "\n", proof.index, height);
    rotor_inclusion_proof_free(&proof);
}

int main(int argument_count, char **arguments) {
    require(argument_count <= 2, "usage: block_sync [DIRECTORY]");
    const char *path = argument_count > 1 ? arguments[1] : make_scratch_directory();
    struct chain chain = {0};
    rotor_options options;
    rotor_options_init(&options, ARITY, MAX_DEPTH);
    options.flush_interval_ms = ROTOR_MANUAL;
    options.mode = ROTOR_CREATE_NEW;
    follow_chain(path, &options, &chain);

    options.mode = ROTOR_OPEN_EXISTING;
    rotor_tree *tree = resume(path, &options, &chain);
    compare_with_winning_branch(&chain, &options);
    prove_at(tree, &chain, 3);
    must_close(tree);

    tree = must_open(path, &options);
    require_head(tree, &chain.at[NEW_TIP], "the tree after another close");
    must_close(tree);
    printf("stored: height %d of the winning branch\n", NEW_TIP);
    return 0;
}
