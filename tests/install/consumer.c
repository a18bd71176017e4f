/* A stranger's C program: builds a small tree with the installed header and library, proves a leaf and prints the
 * root. Knows nothing of our source tree. */
#include <rotortree.h>

#include <stdio.h>

int main(void) {
    rotor_options options;
    rotor_tree *tree = NULL;
    rotor_hash leaves[5] = {{{1}}, {{2}}, {{3}}, {{4}}, {{5}}};
    rotor_snapshot snapshot;
    rotor_tree_head head;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    int i;

    rotor_options_init(&options, 4, 8);
    if (rotor_open(&tree, NULL, &options, NULL) != ROTOR_OK ||
        rotor_insert_many(tree, NULL, NULL, leaves, 5) != ROTOR_OK ||
        rotor_snapshot_take(tree, &snapshot) != ROTOR_OK || rotor_snapshot_head(&snapshot, &head) != ROTOR_OK ||
        rotor_inclusion_prove(&snapshot, &proof, 3) != ROTOR_OK ||
        rotor_inclusion_verify(&proof, &head, &leaves[3]) != ROTOR_OK ||
        rotor_inclusion_verify(&proof, &head, &leaves[2]) != ROTOR_INVALID_PROOF) {
        fputs("the installed library does not do what its header says\n", stderr);
        return 1;
    }
    for (i = 0; i < ROTOR_HASH_BYTES; i++)
        printf("%02x", head.root.bytes[i]);
    printf(" %s\n", rotor_version());
    rotor_inclusion_proof_free(&proof);
    rotor_close(tree, NULL);
    return 0;
}
