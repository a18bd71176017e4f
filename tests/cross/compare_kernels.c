/* Compares every kernel that this processor runs with the portable code, with nothing but the C library: for processors
 * that have no test framework at hand. Arguments name kernels that must be among them. Exits 0 when all agree. */
#include "../kernel_compare.h"

static bool compare_present(size_t *kernels) {
    for (const rotor_hasher *hasher; (hasher = rotor_hasher_nth(ROTOR_HASH_BLAKE3, *kernels)) != NULL; *kernels += 1) {
        size_t cases = 0;
        bool equal = compare_kernel(hasher, &cases);
        printf("kernel %s: %zu cases, %s\n", hasher->kernel, cases, equal ? "all equal" : "MISMATCH");
        if (!equal) {
            return false;
        }
    }
    return *kernels > 0;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const rotor_hasher *hasher;
        if (rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, argv[i]) != ROTOR_OK) {
            fprintf(stderr, "no kernel %s here\n", argv[i]);
            return 1;
        }
    }
    size_t kernels = 0;
    bool equal = compare_present(&kernels);
    printf("%zu kernels compared\n", kernels);
    return equal ? 0 : 1;
}
