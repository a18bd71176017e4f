/* A light client that keeps one inclusion proof current without the tree. Two processes and a pipe: a full node appends
 * blocks of leaves; the client holds a trusted head and the proof of one leaf, received once. With every block come the
 * new head and a consistency proof of a few hundred bytes. From that alone the client checks that the new tree only
 * appended to the one it trusted, and moves its own proof to it. Once the node lies, with the head of a tree in which
 * an old leaf was exchanged; the client refuses and stays where it was.
 *
 *     cc light_client.c $(pkg-config --cflags --libs rotortree) -o light_client && ./light_client */
#include "example.h"
#include <errno.h>
#include <inttypes.h>
#include <sys/wait.h>

enum {
    ARITY = 4,
    MAX_DEPTH = 32,
    BLOCKS = 12,
    MOST_LEAVES_A_BLOCK = 500,
    MY_LEAF = 42,
    EXCHANGED_LEAF = 7, /* in the tree that the node lies about */
    LYING_BLOCK = 6,
    LENGTH_BYTES = 4,
    HEAD_BYTES = 8 + 4 + 4 + ROTOR_HASH_BYTES,
    MOST_MESSAGE_BYTES = 16384, /* more than any proof of arity 4 and depth 32 */
};

/* ---------------------------------------------------------------- messages: a length of four bytes, then the bytes */

static void put_number(uint8_t *bytes, size_t count, uint64_t number) {
    while (count-- > 0) {
        bytes[count] = (uint8_t)number;
        number >>= 8;
    }
}

static uint64_t get_number(const uint8_t *bytes, size_t count) {
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

static void send_message(int out, const uint8_t *bytes, size_t length) {
    uint8_t message[LENGTH_BYTES + MOST_MESSAGE_BYTES];
    require(length <= MOST_MESSAGE_BYTES, "a message of %zu bytes", length);
    put_number(message, LENGTH_BYTES, length);
    memcpy(message + LENGTH_BYTES, bytes, length);
    for (size_t sent = 0; sent < LENGTH_BYTES + length;) {
        ssize_t now = write(out, message + sent, LENGTH_BYTES + length - sent);
        require(now >= 0 || errno == EINTR, "write: %s", strerror(errno));
        sent += now > 0 ? (size_t)now : 0;
    }
}

/* Returns the bytes read: fewer than asked for only at the end of the stream. */
static size_t read_fully(int in, uint8_t *bytes, size_t count) {
    size_t done = 0;
    for (ssize_t now = 1; done < count && now != 0; done += now > 0 ? (size_t)now : 0) {
        now = read(in, bytes + done, count - done);
        require(now >= 0 || errno == EINTR, "read: %s", strerror(errno));
    }
    return done;
}

/* Returns false at the end of the stream, if that is between two messages. */
static bool receive_message(int in, uint8_t bytes[MOST_MESSAGE_BYTES], size_t *length) {
    uint8_t prefix[LENGTH_BYTES] = {0};
    size_t got = read_fully(in, prefix, sizeof prefix);
    *length = (size_t)get_number(prefix, sizeof prefix);
    require(got == 0 || got == sizeof prefix, "the stream ends within a length");
    require(*length <= MOST_MESSAGE_BYTES, "a message of %zu bytes is announced", *length);
    require(read_fully(in, bytes, *length) == *length, "the stream ends within a message");
    return got != 0;
}

/* What a verifier must trust. (Real heads come signed, or from a chain's consensus.) */
static void send_head(int out, const rotor_tree_head *head) {
    uint8_t bytes[HEAD_BYTES];
    put_number(bytes, 8, head->size);
    put_number(bytes + 8, 4, head->arity);
    put_number(bytes + 12, 4, head->hash_profile);
    memcpy(bytes + 16, head->root.bytes, ROTOR_HASH_BYTES);
    send_message(out, bytes, sizeof bytes);
}

static bool receive_head(int in, rotor_tree_head *head) {
    uint8_t bytes[MOST_MESSAGE_BYTES];
    size_t length = 0;
    if (!receive_message(in, bytes, &length)) {
        return false;
    }
    require(length == HEAD_BYTES, "a head of %zu bytes", length);
    head->size = get_number(bytes, 8);
    head->arity = (uint32_t)get_number(bytes + 8, 4);
    head->hash_profile = (uint32_t)get_number(bytes + 12, 4);
    memcpy(head->root.bytes, bytes + 16, ROTOR_HASH_BYTES);
    return true;
}

/* ---------------------------------------------------------------- the full node */

static void append_block(rotor_tree *tree, unsigned block, bool exchange) {
    rotor_hash leaves[MOST_LEAVES_A_BLOCK];
    uint64_t first = rotor_size(tree);
    size_t count = MOST_LEAVES_A_BLOCK - 37 * block;
    for (size_t i = 0; i < count; i++) {
        leaves[i] = made_up_leaf(exchange && first + i == EXCHANGED_LEAF ? 2 : 1, first + i);
    }
    must(rotor_insert_many(tree, NULL, NULL, leaves, count), "insert");
}

/* Sends the head of `tree` and the proof that it has grown out of a tree with `old_head`. */
static void announce(int out, rotor_tree *tree, const rotor_tree_head *old_head) {
    rotor_snapshot snapshot;
    rotor_consistency_proof growth = ROTOR_CONSISTENCY_PROOF_INIT;
    must(rotor_snapshot_take(tree, &snapshot), "snapshot");
    must(rotor_consistency_prove_from(&snapshot, &growth, old_head), "prove growth");
    uint8_t bytes[MOST_MESSAGE_BYTES];
    size_t length = 0;
    must(rotor_consistency_encode(&growth, bytes, sizeof bytes, &length), "encode growth");
    send_head(out, &growth.new_head);
    send_message(out, bytes, length);
    rotor_consistency_proof_free(&growth);
}

static void run_node(int out) {
    rotor_options options;
    rotor_options_init(&options, ARITY, MAX_DEPTH);
    rotor_tree *tree = must_open(NULL, &options), *rewritten = must_open(NULL, &options);
    append_block(tree, 0, false);
    append_block(rewritten, 0, true);

    rotor_snapshot snapshot;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    must(rotor_snapshot_take(tree, &snapshot), "snapshot");
    must(rotor_inclusion_prove(&snapshot, &proof, MY_LEAF), "prove the client's leaf");
    uint8_t bytes[MOST_MESSAGE_BYTES];
    size_t length = 0;
    must(rotor_inclusion_encode(&proof, bytes, sizeof bytes, &length), "encode the client's proof");
    send_head(out, &proof.head);
    send_message(out, bytes, length);
    rotor_inclusion_proof_free(&proof);

    for (unsigned block = 1; block < BLOCKS; block++) {
        rotor_tree_head old_head;
        must(rotor_head(tree, &old_head), "head");
        append_block(tree, block, false);
        append_block(rewritten, block, true);
        if (block == LYING_BLOCK) {
            announce(out, rewritten, &old_head);
        }
        announce(out, tree, &old_head);
    }
    must_close(tree);
    must_close(rewritten);
}

/* ---------------------------------------------------------------- the light client */

/* Follows the tree to the head that is offered; unless that is proven, trusted head and proof stay as they are. */
static rotor_status follow(rotor_tree_head *trusted, rotor_inclusion_proof *mine, const rotor_tree_head *offered,
                           const uint8_t *encoded, size_t length) {
    rotor_consistency_proof growth = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_hash my_leaf = made_up_leaf(1, MY_LEAF);
    rotor_status status = rotor_consistency_decode(&growth, encoded, length);
    status = status != ROTOR_OK ? status : rotor_consistency_verify(&growth, trusted, offered);
    status = status != ROTOR_OK ? status : rotor_inclusion_update(mine, mine, &growth);
    if (status == ROTOR_OK) {
        *trusted = *offered;
        must(rotor_inclusion_verify(mine, trusted, &my_leaf), "the moved proof");
    }
    rotor_consistency_proof_free(&growth);
    return status;
}

static void run_client(int in) {
    rotor_tree_head trusted, offered;
    uint8_t bytes[MOST_MESSAGE_BYTES];
    size_t length = 0;
    rotor_hash my_leaf = made_up_leaf(1, MY_LEAF);
    rotor_inclusion_proof mine = ROTOR_INCLUSION_PROOF_INIT;
    require(receive_head(in, &trusted) && receive_message(in, bytes, &length), "the node said nothing");
    must(rotor_inclusion_decode(&mine, bytes, length), "decode my proof");
    must(rotor_inclusion_verify(&mine, &trusted, &my_leaf), "my proof");
    require(mine.index == MY_LEAF, "a proof of leaf %" PRIu64, mine.index);

    unsigned followed = 0, refused = 0;
    while (receive_head(in, &offered)) {
        require(receive_message(in, bytes, &length), "a head without a proof");
        rotor_status status = follow(&trusted, &mine, &offered, bytes, length);
        followed += status == ROTOR_OK;
        refused += status == ROTOR_INVALID_PROOF && offered.size > trusted.size;
        printf("size %5" PRIu64 ", %4zu bytes: %s\n", offered.size, length,
               status == ROTOR_OK ? "followed" : rotor_status_message(status));
    }
    require(followed == BLOCKS - 1 && refused == 1, "followed %u heads, refused %u", followed, refused);
    printf("leaf %d is in the tree of %" PRIu64 " leaves; one forged head was refused\n", MY_LEAF, mine.head.size);
    rotor_inclusion_proof_free(&mine);
}

int main(void) {
    int ends[2];
    require(pipe(ends) == 0, "pipe: %s", strerror(errno));
    pid_t node = fork();
    require(node >= 0, "fork: %s", strerror(errno));
    if (node == 0) {
        close(ends[0]);
        run_node(ends[1]);
        return 0;
    }
    close(ends[1]);
    run_client(ends[0]);
    int result = -1;
    require(waitpid(node, &result, 0) == node && result == 0, "the node failed");
    return 0;
}
