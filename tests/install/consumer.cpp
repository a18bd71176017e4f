// A stranger's C++ program: the installed header compiles and links as C++, its initialisers included.
#include <rotortree.h>

#include <cstdio>

int main() {
    rotor_options options;
    rotor_tree *tree = nullptr;
    rotor_inclusion_proof inclusion = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof consistency = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_hash leaf = {{7}};
    rotor_hash root;

    rotor_options_init(&options, 2, 8);
    if (rotor_open(&tree, NULL, &options, nullptr) != ROTOR_OK || rotor_insert(tree, &root, NULL, &leaf) != ROTOR_OK)
        return 1;
    for (uint8_t byte : root.bytes)
        std::printf("%02x", byte);
    std::printf(" %s\n", rotor_version());
    rotor_inclusion_proof_free(&inclusion);
    rotor_consistency_proof_free(&consistency);
    rotor_close(tree, NULL);
    return 0;
}
