/* A stranger's C program that uses the JSON companion: a proof of one leaf goes to text and back. Knows nothing of our
 * source tree. */
#include <rotortree_json.h>

#include <string.h>

int main(void) {
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_inclusion_proof decoded = ROTOR_INCLUSION_PROOF_INIT;
    char *text = NULL;
    int failed;

    proof.head.size = 1;
    proof.head.arity = 2;
    proof.head.hash_profile = ROTOR_HASH_BLAKE3;
    proof.leaf.bytes[0] = 9;
    proof.head.root = proof.leaf;
    failed = rotor_json_encode_inclusion(&proof, &text) != ROTOR_OK ||
             rotor_json_decode_inclusion(&decoded, text, strlen(text), NULL) != ROTOR_OK ||
             rotor_inclusion_verify(&decoded, &proof.head, &proof.leaf) != ROTOR_OK;
    rotor_json_free(text);
    rotor_inclusion_proof_free(&decoded);
    return failed;
}
