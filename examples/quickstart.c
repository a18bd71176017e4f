/* Build a tree, prove that a leaf is in it, and verify the proof with nothing but the tree's head.
 *     cc quickstart.c $(pkg-config --cflags --libs rotortree) && ./a.out */
#include <rotortree.h>
#include <stdio.h>

int main(void) {
    rotor_hash leaves[1000] = {{{0}}};
    for (unsigned i = 0; i < 1000; i++) {
        leaves[i].bytes[0] = (uint8_t)i, leaves[i].bytes[1] = (uint8_t)(i >> 8); /* any 32 bytes are a leaf */
    }
    rotor_options options;
    rotor_options_init(&options, 4, 32); /* arity 4, at most 32 levels */
    rotor_tree *tree = NULL;
    rotor_snapshot snapshot;
    rotor_tree_head head; /* root, size and arity: what a verifier must trust */
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_status status = rotor_open(&tree, NULL, &options, NULL);
    status = status != ROTOR_OK ? status : rotor_insert_many(tree, NULL, NULL, leaves, 1000);
    status = status != ROTOR_OK ? status : rotor_snapshot_take(tree, &snapshot);
    status = status != ROTOR_OK ? status : rotor_snapshot_head(&snapshot, &head);
    status = status != ROTOR_OK ? status : rotor_inclusion_prove(&snapshot, &proof, 42);
    status = status != ROTOR_OK ? status : rotor_inclusion_verify(&proof, &head, &leaves[42]);
    printf("leaf 42 of 1000: %s\n", status == ROTOR_OK ? "proven" : rotor_status_message(status));
    rotor_inclusion_proof_free(&proof);
    rotor_close(tree, NULL);
    return status == ROTOR_OK ? 0 : 1;
}
