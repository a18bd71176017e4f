/* Proofs of trees up to the largest size, 2^58 leaves. Such trees are made of equal leaves, so that every complete node
 * of a level is the same hash and any node can be computed; counts are compared with arithmetic in 128 bits. */
#include "support.h"

#include "tree/shape.h"

#define SEED 14
#define LEVELS 60

__extension__ typedef unsigned __int128 wide;

static wide power(uint32_t arity, uint32_t level) {
    wide result = 1;
    for (uint32_t i = 0; i < level; i++) {
        result *= arity;
    }
    return result;
}

static uint64_t level_length(uint32_t arity, uint64_t size, uint32_t level) {
    wide span = power(arity, level);
    return (uint64_t)((size + span - 1) / span);
}

/* A tree of `size` equal leaves: per level its complete nodes and its last one. */
typedef struct even_tree {
    uint32_t arity;
    uint32_t depth;
    uint64_t size;
    rotor_hash complete[LEVELS];
    rotor_hash last[LEVELS];
} even_tree;

static rotor_hash hash_children(const rotor_hash *children, uint64_t count) {
    rotor_hash node;
    if (count == 1) {
        return children[0];
    }
    test_portable()->hash_node(node.bytes, children[0].bytes, (unsigned)count);
    return node;
}

static even_tree even_tree_of(uint32_t arity, uint64_t size) {
    even_tree tree = {.arity = arity, .size = size};
    rotor_hash children[ROTOR_MAX_ARITY];
    tree.complete[0] = test_random_leaf(SEED, 0);
    tree.last[0] = tree.complete[0];
    for (uint32_t level = 0; level_length(arity, size, level) > 1; level++) {
        uint64_t count = (level_length(arity, size, level) - 1) % arity + 1;
        for (uint32_t i = 0; i < arity; i++) {
            children[i] = tree.complete[level];
        }
        tree.complete[level + 1] = hash_children(children, arity);
        children[count - 1] = tree.last[level];
        tree.last[level + 1] = hash_children(children, count);
        tree.depth = level + 1;
    }
    return tree;
}

static rotor_hash even_tree_node(const even_tree *tree, uint32_t level, uint64_t index) {
    return index + 1 == level_length(tree->arity, tree->size, level) ? tree->last[level] : tree->complete[level];
}

static rotor_tree_head even_tree_head(const even_tree *tree) {
    rotor_tree_head head = {tree->last[tree->depth], tree->size, tree->arity, ROTOR_HASH_BLAKE3};
    return head;
}

static rotor_hash hashes_a[LEVELS * ROTOR_MAX_ARITY];
static rotor_hash hashes_b[LEVELS * ROTOR_MAX_ARITY];

static rotor_inclusion_proof inclusion_of(const even_tree *tree, uint64_t index, rotor_hash *memory) {
    size_t count = 0;
    for (uint32_t level = 0; level < tree->depth; level++) {
        uint64_t own = (uint64_t)(index / power(tree->arity, level));
        uint64_t start = own / tree->arity * tree->arity;
        for (uint64_t i = start; i < start + tree->arity && i < level_length(tree->arity, tree->size, level); i++) {
            if (i != own) {
                memory[count++] = even_tree_node(tree, level, i);
            }
        }
    }
    rotor_inclusion_proof proof = {even_tree_head(tree), index, tree->complete[0], memory, count, 0};
    return proof;
}

static rotor_consistency_proof consistency_of(const even_tree *old_tree, const even_tree *new_tree,
                                              rotor_hash *memory) {
    uint32_t arity = new_tree->arity;
    size_t count = 0;
    for (uint32_t level = 0; level < new_tree->depth && old_tree->size != new_tree->size; level++) {
        uint64_t boundary = level_length(arity, old_tree->size, level) - 1;
        uint64_t start = boundary / arity * arity;
        for (uint64_t i = start; i < start + arity && i < level_length(arity, new_tree->size, level); i++) {
            if (i != boundary || level == 0) {
                memory[count++] = even_tree_node(new_tree, level, i);
            }
        }
    }
    rotor_consistency_proof proof = {even_tree_head(old_tree), even_tree_head(new_tree), memory, count, 0};
    return proof;
}

static uint64_t size_like(test_random *random, uint32_t arity, unsigned kind) {
    uint64_t most = ROTOR_SHAPE_MAX_SIZE;
    if (kind == 0) {
        return most - test_below(random, 1000);
    }
    if (kind == 1) {
        return 1 + test_below(random, most);
    }
    uint32_t level = 0;
    while (power(arity, level + 1) < most - 3) {
        level++;
    }
    level = kind == 2 ? level : (uint32_t)test_below(random, level + 1);
    uint64_t size = (uint64_t)power(arity, level) + test_below(random, 4);
    return size > 2 ? size - 2 : 1;
}

static uint64_t index_like(test_random *random, uint64_t size, unsigned kind) {
    return kind == 0   ? size - 1
           : kind == 1 ? size - 1 - test_below(random, size < 9 ? size : 9)
           : kind == 2 ? 0
                       : test_below(random, size);
}

static void inclusion(void **state) {
    (void)state;
    test_random random = {test_seed(SEED)};
    for (uint32_t arity = 2; arity <= ROTOR_MAX_ARITY; arity += arity < 20 ? 1 : 47) {
        for (unsigned round = 0; round < 32; round++) {
            even_tree tree = even_tree_of(arity, size_like(&random, arity, round % 4));
            uint64_t index = index_like(&random, tree.size, round / 4 % 4);
            rotor_inclusion_proof proof = inclusion_of(&tree, index, hashes_a);
            size_t count = 0;
            expect_ok(rotor_inclusion_sibling_count(&count, arity, tree.size, index), "arity %u", arity);
            expect(count == proof.sibling_count, "arity %u size %" PRIu64 " index %" PRIu64, arity, tree.size, index);
            const rotor_tree_head head = proof.head;
            rotor_status result;
            expect_ok(rotor_inclusion_verify(&proof, &head, NULL), "arity %u size %" PRIu64 " index %" PRIu64, arity,
                      tree.size, index);
            expect_ok(rotor_inclusion_verify_many(&result, &proof, 1, &head),
                      "arity %u size %" PRIu64 " index %" PRIu64, arity, tree.size, index);
            if (count != 0) {
                proof.siblings[count - 1].bytes[0] ^= 1;
                expect(rotor_inclusion_verify(&proof, &head, NULL) == ROTOR_INVALID_PROOF &&
                           rotor_inclusion_verify_many(&result, &proof, 1, &head) == ROTOR_INVALID_PROOF,
                       "arity %u size %" PRIu64 " index %" PRIu64, arity, tree.size, index);
            }
            proof.head.size = head.size + 1;
            expect_status(rotor_inclusion_verify(&proof, &head, NULL), ROTOR_INVALID_PROOF, "another size");
        }
    }
}

static void consistency_and_update(void **state) {
    (void)state;
    test_random random = {test_seed(SEED + 1)};
    rotor_inclusion_proof moved = ROTOR_INCLUSION_PROOF_INIT;
    for (uint32_t arity = 2; arity <= ROTOR_MAX_ARITY; arity += arity < 20 ? 1 : 47) {
        for (unsigned round = 0; round < 64; round++) {
            uint64_t one = size_like(&random, arity, round % 4);
            uint64_t other = size_like(&random, arity, round / 4 % 4);
            even_tree old_tree = even_tree_of(arity, one < other ? one : other);
            even_tree new_tree = even_tree_of(arity, one < other ? other : one);
            rotor_consistency_proof proof = consistency_of(&old_tree, &new_tree, hashes_a);
            const rotor_tree_head old_head = proof.old_head;
            const rotor_tree_head new_head = proof.new_head;
            size_t count = 0;
            expect_ok(rotor_consistency_hash_count(&count, arity, old_tree.size, new_tree.size), "arity %u", arity);
            expect(count == proof.hash_count, "arity %u, %" PRIu64 " to %" PRIu64, arity, old_tree.size, new_tree.size);
            expect_ok(rotor_consistency_verify(&proof, &old_head, &new_head), "arity %u, %" PRIu64 " to %" PRIu64,
                      arity, old_tree.size, new_tree.size);
            uint64_t index = index_like(&random, old_tree.size, round / 16 % 4);
            rotor_inclusion_proof before = inclusion_of(&old_tree, index, hashes_b);
            expect_ok(rotor_inclusion_update(&moved, &before, &proof), "%" PRIu64 " of %" PRIu64 " to %" PRIu64, index,
                      old_tree.size, new_tree.size);
            rotor_inclusion_proof after = inclusion_of(&new_tree, index, hashes_b);
            expect(moved.sibling_count == after.sibling_count && moved.index == index, "index %" PRIu64, index);
            expect(after.sibling_count == 0 ||
                       memcmp(moved.siblings, after.siblings, after.sibling_count * sizeof *after.siblings) == 0,
                   "arity %u, %" PRIu64 " of %" PRIu64 " to %" PRIu64, arity, index, old_tree.size, new_tree.size);
            expect_ok(rotor_inclusion_verify(&moved, &new_head, NULL), "moved");
        }
    }
    rotor_inclusion_proof_free(&moved);
}

/* The deepest proofs in both encodings. */
static void encodings(void **state) {
    (void)state;
    static uint8_t bytes[1u << 20];
    static const uint32_t arities[] = {2, 3, 4, 16, 255};
    for (size_t a = 0; a < sizeof arities / sizeof *arities; a++) {
        uint32_t arity = arities[a];
        even_tree old_tree = even_tree_of(arity, ROTOR_SHAPE_MAX_SIZE - 1);
        even_tree new_tree = even_tree_of(arity, ROTOR_SHAPE_MAX_SIZE);
        rotor_inclusion_proof proof = inclusion_of(&new_tree, ROTOR_SHAPE_MAX_SIZE / 3, hashes_a);
        rotor_consistency_proof growth = consistency_of(&old_tree, &new_tree, hashes_b);
        const rotor_tree_head old_head = growth.old_head;
        const rotor_tree_head new_head = growth.new_head;
        rotor_inclusion_proof read = ROTOR_INCLUSION_PROOF_INIT;
        rotor_consistency_proof growth_read = ROTOR_CONSISTENCY_PROOF_INIT;
        size_t length = 0;
        expect_ok(rotor_inclusion_encode(&proof, bytes, sizeof bytes, &length), "arity %u", arity);
        expect_ok(rotor_inclusion_decode(&read, bytes, length), "arity %u", arity);
        expect_ok(rotor_inclusion_verify(&read, &new_head, &proof.leaf), "arity %u", arity);
        expect_ok(rotor_inclusion_encode_reference(&proof, bytes, sizeof bytes, &length, ROTOR_MAX_DEPTH), "%u", arity);
        expect_ok(rotor_inclusion_decode_reference(&read, bytes, length, arity, ROTOR_MAX_DEPTH), "%u", arity);
        expect_ok(rotor_inclusion_verify(&read, &new_head, &proof.leaf), "arity %u", arity);
        expect_ok(rotor_consistency_encode(&growth, bytes, sizeof bytes, &length), "arity %u", arity);
        expect_ok(rotor_consistency_decode(&growth_read, bytes, length), "arity %u", arity);
        expect_ok(rotor_consistency_verify(&growth_read, &old_head, &new_head), "arity %u", arity);
        expect_ok(rotor_consistency_encode_reference(&growth, bytes, sizeof bytes, &length, new_tree.depth), "%u",
                  arity);
        expect_ok(rotor_consistency_decode_reference(&growth_read, bytes, length, arity, new_tree.depth), "%u", arity);
        expect_ok(rotor_consistency_verify(&growth_read, &old_head, &new_head), "arity %u", arity);
        expect_status(rotor_consistency_encode_reference(&growth, bytes, sizeof bytes, &length, new_tree.depth - 1),
                      ROTOR_MAX_DEPTH_EXCEEDED, "arity %u", arity);
        rotor_inclusion_proof_free(&read);
        rotor_consistency_proof_free(&growth_read);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusion),
        cmocka_unit_test(consistency_and_update),
        cmocka_unit_test(encodings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
