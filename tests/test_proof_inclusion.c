/* Inclusion proofs against the model: every leaf of every small size, every bit and count changed, wide arities, and
 * the claims that a verifier must not fall for. */
#include "grown_tree.h"

#define SEED 11

static void expect_proof(grown *g, rotor_inclusion_proof *proof, uint64_t size, uint64_t index) {
    rotor_snapshot past;
    expect_ok(rotor_snapshot_at(&g->snapshot, &past, size), "size %" PRIu64, size);
    expect_ok(rotor_inclusion_prove(&past, proof, index), "size %" PRIu64 " index %" PRIu64, size, index);
    rotor_inclusion_proof wanted;
    model_inclusion(&g->model, &wanted, size, index);
    expect(model_inclusion_equal(proof, &wanted), "arity %u size %" PRIu64 " index %" PRIu64, g->model.arity, size,
           index);
    size_t count = 0;
    expect_ok(rotor_inclusion_sibling_count(&count, g->model.arity, size, index), "size %" PRIu64, size);
    expect(count == wanted.sibling_count, "size %" PRIu64 " index %" PRIu64, size, index);
    expect_ok(rotor_inclusion_verify(proof, &wanted.head, &wanted.leaf), "size %" PRIu64 " index %" PRIu64, size,
              index);
    expect_ok(rotor_inclusion_verify(proof, &wanted.head, NULL), "size %" PRIu64 " index %" PRIu64, size, index);
    expect_ok(rotor_inclusion_verify_self(proof), "size %" PRIu64 " index %" PRIu64, size, index);
    model_inclusion_free(&wanted);
}

static void every_leaf_of_every_size(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 5, 8, 16};
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    for (size_t a = 0; a < sizeof arities / sizeof *arities; a++) {
        grown g;
        grow(&g, SEED, arities[a], 48);
        for (uint64_t size = 1; size <= 48; size++) {
            for (uint64_t index = 0; index < size; index++) {
                expect_proof(&g, &proof, size, index);
            }
        }
        drop(&g);
    }
    rotor_inclusion_proof_free(&proof);
}

/* As above, but from snapshots of a tree that is only that large. */
static void every_size_while_growing(void **state) {
    (void)state;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    for (uint32_t arity = 2; arity <= 5; arity++) {
        grown g;
        grow(&g, SEED, arity, 1);
        for (uint64_t size = 1; size <= 70; size++) {
            for (uint64_t index = 0; index < size; index++) {
                expect_proof(&g, &proof, size, index);
            }
            rotor_hash leaf = test_random_leaf(SEED, size);
            model_tree_append(&g.model, &leaf);
            expect_ok(rotor_insert(g.tree, NULL, NULL, &leaf), "size %" PRIu64, size);
            expect_ok(rotor_snapshot_take(g.tree, &g.snapshot), "size %" PRIu64, size);
        }
        drop(&g);
    }
    rotor_inclusion_proof_free(&proof);
}

static void wide_arities(void **state) {
    (void)state;
    static const uint32_t arities[] = {31, 32, 33, 64, 100, 128, 254, 255};
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    for (size_t a = 0; a < sizeof arities / sizeof *arities; a++) {
        uint64_t n = arities[a];
        uint64_t most = n * n + 2 * n + 3;
        const uint64_t sizes[] = {1,         2,         n - 1, n,         n + 1,     2 * n - 1,     2 * n,
                                  2 * n + 1, n * n - 1, n * n, n * n + 1, n * n + n, n * n + n + 1, most};
        grown g;
        grow(&g, SEED, arities[a], most);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            uint64_t size = sizes[s];
            const uint64_t indexes[] = {0, 1, n - 1, n, size / 2, size - 2, size - 1};
            for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
                if (indexes[i] < size) {
                    expect_proof(&g, &proof, size, indexes[i]);
                }
            }
        }
        drop(&g);
    }
    rotor_inclusion_proof_free(&proof);
}

/* ---------------------------------------------------------------- changed proofs */

/* Flips each of `bits` bits at `field` in turn; `proof` must then be refused. */
static void expect_flips_refused(const rotor_inclusion_proof *proof, const rotor_tree_head *trusted,
                                 const rotor_hash *leaf, void *field, size_t bits, const char *name) {
    uint8_t *bytes = field;
    for (size_t bit = 0; bit < bits; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        expect(rotor_inclusion_verify(proof, trusted, leaf) != ROTOR_OK, "%s bit %zu, size %" PRIu64 " index %" PRIu64,
               name, bit, trusted->size, proof->index);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    expect_ok(rotor_inclusion_verify(proof, trusted, leaf), "%s was not put back", name);
}

static void expect_changes_refused(rotor_inclusion_proof *proof) {
    const rotor_tree_head trusted = proof->head;
    const rotor_hash leaf = proof->leaf;
    expect_flips_refused(proof, &trusted, &leaf, proof->head.root.bytes, 256, "root");
    expect_flips_refused(proof, &trusted, &leaf, proof->leaf.bytes, 256, "leaf");
    expect_flips_refused(proof, &trusted, NULL, proof->leaf.bytes, 256, "leaf");
    expect_flips_refused(proof, &trusted, &leaf, &proof->head.size, 64, "size");
    expect_flips_refused(proof, &trusted, &leaf, &proof->head.arity, 32, "arity");
    expect_flips_refused(proof, &trusted, &leaf, &proof->head.hash_profile, 32, "hash profile");
    expect_flips_refused(proof, &trusted, &leaf, &proof->index, 64, "index");
    expect_flips_refused(proof, &trusted, &leaf, &proof->sibling_count, 8 * sizeof proof->sibling_count, "count");
    for (size_t i = 0; i < proof->sibling_count; i++) {
        expect_flips_refused(proof, &trusted, &leaf, proof->siblings[i].bytes, 256, "sibling");
    }
    for (size_t i = 0; i < proof->sibling_count; i++) {
        rotor_hash *sibling = &proof->siblings[i];
        for (size_t k = 0; k < i; k++) {
            rotor_hash kept = *sibling;
            *sibling = proof->siblings[k];
            proof->siblings[k] = kept;
            expect(rotor_inclusion_verify(proof, &trusted, &leaf) == ROTOR_INVALID_PROOF, "swapped %zu %zu", i, k);
            proof->siblings[k] = *sibling;
            *sibling = kept;
        }
        proof->leaf = *sibling;
        *sibling = leaf;
        expect(rotor_inclusion_verify(proof, &trusted, NULL) == ROTOR_INVALID_PROOF, "leaf swapped with %zu", i);
        *sibling = proof->leaf;
        proof->leaf = leaf;
    }
    for (uint64_t index = 0; index < trusted.size + 40; index++) {
        uint64_t honest = proof->index;
        proof->index = index;
        expect(index == honest || rotor_inclusion_verify(proof, &trusted, &leaf) == ROTOR_INVALID_PROOF,
               "size %" PRIu64 ": index %" PRIu64 " taken for %" PRIu64, trusted.size, honest, index);
        proof->index = honest;
    }
}

static void every_change_is_refused(void **state) {
    (void)state;
    for (uint32_t arity = 2; arity <= 5; arity++) {
        grown g;
        grow(&g, SEED, arity, 18);
        for (uint64_t size = 1; size <= 18; size++) {
            for (uint64_t index = 0; index < size; index++) {
                /* Exactly as much memory as there are siblings, so that reading more of them shows. */
                rotor_inclusion_proof proof;
                model_inclusion(&g.model, &proof, size, index);
                rotor_hash *exact = test_alloc(proof.sibling_count, sizeof *exact);
                if (proof.sibling_count != 0) {
                    memcpy(exact, proof.siblings, proof.sibling_count * sizeof *exact);
                }
                free(proof.siblings);
                proof.siblings = exact;
                expect_changes_refused(&proof);
                model_inclusion_free(&proof);
            }
        }
        drop(&g);
    }
}

/* The proof of leaf 4 of 5 has no sibling at level 0; a verifier that believes the proof's own counts takes it for a
 * proof of leaf 5, 6 or 7 of 8, whose trees have the same depth. */
static void lifted_leaf_is_bound_to_index_and_size(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 4, 8);
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_snapshot five;
    expect_ok(rotor_snapshot_at(&g.snapshot, &five, 5), "five");
    expect_ok(rotor_inclusion_prove(&five, &proof, 4), "leaf 4 of 5");
    rotor_tree_head trusted = proof.head;
    expect_ok(rotor_inclusion_verify(&proof, &trusted, NULL), "honest");
    for (uint64_t size = 1; size <= 20; size++) {
        for (uint64_t index = 0; index <= 20; index++) {
            if (size == 5 && index == 4) {
                continue;
            }
            proof.head.size = size;
            proof.index = index;
            expect_status(rotor_inclusion_verify(&proof, &trusted, NULL), ROTOR_INVALID_PROOF,
                          "size %" PRIu64 " index %" PRIu64, size, index);
            /* Without a trusted size there are two other trees, of another depth, in which this is a proof. */
            bool other_tree = (size == 2 && index == 1) || (size == 17 && index == 16);
            expect_status(rotor_inclusion_verify_self(&proof), other_tree ? ROTOR_OK : ROTOR_INVALID_PROOF,
                          "size %" PRIu64 " index %" PRIu64, size, index);
        }
    }
    rotor_inclusion_proof_free(&proof);
    drop(&g);
}

/* An inner node with the upper part of an honest path: neither with the counts of level 0 left out, nor as the leaf of
 * a smaller tree with the same root. */
static void inner_node_is_not_a_leaf(void **state) {
    (void)state;
    for (uint32_t arity = 2; arity <= 5; arity++) {
        uint64_t size = (uint64_t)arity * arity * arity;
        grown g;
        grow(&g, SEED, arity, size);
        rotor_inclusion_proof proof;
        model_inclusion(&g.model, &proof, size, size - 1);
        const rotor_tree_head trusted = proof.head;
        rotor_inclusion_proof forged = proof;
        forged.leaf = model_tree_node(&g.model, 1, size / arity - 1, size);
        forged.siblings = proof.siblings + (arity - 1);
        forged.sibling_count = proof.sibling_count - (arity - 1);
        for (uint64_t claimed = 1; claimed <= size + arity; claimed++) {
            for (uint64_t index = 0; index < claimed; index++) {
                forged.index = index;
                forged.head.size = size;
                expect_status(rotor_inclusion_verify(&forged, &trusted, NULL), ROTOR_INVALID_PROOF, "index %" PRIu64,
                              index);
                forged.head.size = claimed;
                expect_status(rotor_inclusion_verify(&forged, &trusted, NULL), ROTOR_INVALID_PROOF,
                              "index %" PRIu64 " of %" PRIu64, index, claimed);
            }
        }
        /* The same root does stand for a smaller tree whose leaves are those inner nodes: the reason why a root is
         * trusted together with a size, and what verify_self() cannot know. */
        forged.head.size = size / arity;
        forged.index = size / arity - 1;
        expect_ok(rotor_inclusion_verify_self(&forged), "arity %u", arity);
        model_inclusion_free(&proof);
        drop(&g);
    }
}

static void siblings_too_many_or_too_few(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 4, 40);
    for (uint64_t index = 0; index < 40; index++) {
        rotor_inclusion_proof proof;
        model_inclusion(&g.model, &proof, 40, index);
        const rotor_tree_head trusted = proof.head;
        size_t honest = proof.sibling_count;
        rotor_hash *longer = test_alloc(honest + 8, sizeof *longer);
        memcpy(longer, proof.siblings, honest * sizeof *longer);
        free(proof.siblings);
        proof.siblings = longer;
        for (size_t count = 0; count <= honest + 8; count++) {
            proof.sibling_count = count;
            expect((rotor_inclusion_verify(&proof, &trusted, NULL) == ROTOR_OK) == (count == honest), "count %zu",
                   count);
        }
        /* Memory that ends where the siblings do: a count that is too small is noticed before more is read. */
        for (size_t count = 0; count < honest; count++) {
            proof.siblings = test_alloc(count, sizeof *proof.siblings);
            memcpy(proof.siblings, longer, count * sizeof *longer);
            proof.sibling_count = count;
            expect_status(rotor_inclusion_verify(&proof, &trusted, NULL), ROTOR_INVALID_PROOF, "count %zu", count);
            free(proof.siblings);
        }
        proof.siblings = longer;
        /* One left out, the rest moved up. */
        for (size_t gap = 0; gap < honest; gap++) {
            rotor_hash kept = longer[gap];
            memmove(longer + gap, longer + gap + 1, (honest - gap - 1) * sizeof *longer);
            proof.sibling_count = honest - 1;
            expect_status(rotor_inclusion_verify(&proof, &trusted, NULL), ROTOR_INVALID_PROOF, "gap %zu", gap);
            memmove(longer + gap + 1, longer + gap, (honest - gap - 1) * sizeof *longer);
            longer[gap] = kept;
        }
        proof.sibling_count = honest;
        proof.siblings = NULL;
        expect_status(rotor_inclusion_verify(&proof, &trusted, NULL), ROTOR_INVALID_PROOF, "no siblings at all");
        proof.siblings = longer;
        expect_ok(rotor_inclusion_verify(&proof, &trusted, NULL), "put back");
        model_inclusion_free(&proof);
    }
    drop(&g);
}

/* ---------------------------------------------------------------- the calls themselves */

static void wrong_arguments(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 4, 10);
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_snapshot empty;
    size_t count = 77;
    expect_ok(rotor_snapshot_at(&g.snapshot, &empty, 0), "empty");
    expect_status(rotor_inclusion_prove(NULL, &proof, 0), ROTOR_MISUSE, "no snapshot");
    expect_status(rotor_inclusion_prove(&g.snapshot, NULL, 0), ROTOR_MISUSE, "no proof");
    expect_status(rotor_inclusion_prove(&g.snapshot, &proof, 10), ROTOR_OUT_OF_RANGE, "index 10 of 10");
    expect_status(rotor_inclusion_prove(&g.snapshot, &proof, UINT64_MAX), ROTOR_OUT_OF_RANGE, "largest index");
    expect_status(rotor_inclusion_prove(&empty, &proof, 0), ROTOR_OUT_OF_RANGE, "empty tree");
    expect(proof.siblings == NULL && proof.sibling_capacity == 0, "a failed call left memory");
    expect_status(rotor_inclusion_sibling_count(NULL, 4, 10, 1), ROTOR_MISUSE, "no output");
    expect_status(rotor_inclusion_sibling_count(&count, 1, 10, 1), ROTOR_MISUSE, "arity 1");
    expect_status(rotor_inclusion_sibling_count(&count, 256, 10, 1), ROTOR_MISUSE, "arity 256");
    expect_status(rotor_inclusion_sibling_count(&count, 4, 10, 10), ROTOR_OUT_OF_RANGE, "index 10 of 10");
    expect_status(rotor_inclusion_sibling_count(&count, 4, 0, 0), ROTOR_OUT_OF_RANGE, "empty tree");
    expect_status(rotor_inclusion_sibling_count(&count, 4, (UINT64_C(1) << 58) + 1, 0), ROTOR_OUT_OF_RANGE, "size");
    expect(count == 77, "a failed call wrote its output");

    expect_ok(rotor_inclusion_prove(&g.snapshot, &proof, 3), "proof");
    const rotor_tree_head trusted = proof.head;
    expect_status(rotor_inclusion_verify(NULL, &trusted, NULL), ROTOR_MISUSE, "no proof");
    expect_status(rotor_inclusion_verify(&proof, NULL, NULL), ROTOR_MISUSE, "no head");
    expect_status(rotor_inclusion_verify_self(NULL), ROTOR_MISUSE, "no proof");
    /* Heads that no tree has, in proof and verifier alike. */
    const rotor_tree_head heads[] = {
        {trusted.root, 0, 4, ROTOR_HASH_BLAKE3},          {trusted.root, (UINT64_C(1) << 58) + 1, 4, ROTOR_HASH_BLAKE3},
        {trusted.root, UINT64_MAX, 4, ROTOR_HASH_BLAKE3}, {trusted.root, 10, 0, ROTOR_HASH_BLAKE3},
        {trusted.root, 10, 1, ROTOR_HASH_BLAKE3},         {trusted.root, 10, 256, ROTOR_HASH_BLAKE3},
        {trusted.root, 10, UINT32_MAX, ROTOR_HASH_BLAKE3}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        proof.head = heads[i];
        expect_status(rotor_inclusion_verify(&proof, &heads[i], NULL), ROTOR_INVALID_PROOF, "head %zu", i);
        expect_status(rotor_inclusion_verify_self(&proof), ROTOR_INVALID_PROOF, "head %zu", i);
    }
    proof.head = trusted;
    proof.head.hash_profile = 99;
    rotor_tree_head unknown = proof.head;
    expect_status(rotor_inclusion_verify(&proof, &unknown, NULL), ROTOR_UNSUPPORTED, "hash profile 99");
    expect_status(rotor_inclusion_verify(&proof, &trusted, NULL), ROTOR_INVALID_PROOF, "another hash profile");
    rotor_inclusion_proof_free(&proof);
    rotor_inclusion_proof_free(&proof);
    rotor_inclusion_proof_free(NULL);
    drop(&g);
}

static void memory_is_reused(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 4, 1000);
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    expect_ok(rotor_inclusion_prove(&g.snapshot, &proof, 0), "first");
    const rotor_hash *memory = proof.siblings;
    for (uint64_t index = 0; index < 1000; index++) {
        expect_proof(&g, &proof, 1000 - index / 2, index / 2);
        expect(proof.siblings == memory, "index %" PRIu64 " took new memory", index);
    }
    rotor_inclusion_proof_free(&proof);
    expect(proof.siblings == NULL && proof.sibling_count == 0 && proof.sibling_capacity == 0, "not empty after free");

    /* Memory of the caller is neither written to nor freed. */
    rotor_hash own = test_random_leaf(SEED, 5);
    const rotor_hash before = own;
    proof.siblings = &own;
    proof.sibling_count = 1;
    expect_ok(rotor_inclusion_prove(&g.snapshot, &proof, 7), "over a proof built by hand");
    expect(proof.siblings != &own && test_same_hash(&own, &before), "the caller's memory was used");
    rotor_inclusion_proof_free(&proof);
    proof.siblings = &own;
    proof.sibling_count = 1;
    rotor_inclusion_proof_free(&proof);
    drop(&g);
}

static void stale_snapshots_make_no_proofs(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 3, 30);
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_snapshot at20;
    expect_ok(rotor_snapshot_at(&g.snapshot, &at20, 20), "at 20");
    expect_ok(rotor_inclusion_prove(&g.snapshot, &proof, 5), "before");
    const rotor_tree_head trusted = proof.head;
    expect_ok(rotor_truncate(g.tree, NULL, 20), "truncate");
    expect_status(rotor_inclusion_prove(&g.snapshot, &proof, 5), ROTOR_STALE, "leaf 5 of a stale snapshot");
    expect(rotor_inclusion_verify(&proof, &trusted, NULL) == ROTOR_INVALID_PROOF &&
               rotor_inclusion_verify_self(&proof) == ROTOR_INVALID_PROOF,
           "a failed call left a proof");
    expect(proof.head.size == 0, "a failed call left a size");
    expect_ok(rotor_inclusion_prove(&at20, &proof, 5), "the snapshot of 20 lives on");
    expect_ok(rotor_inclusion_verify_self(&proof), "and its proof holds");
    rotor_inclusion_proof_free(&proof);
    drop(&g);
}

/* Zero leaves, equal leaves and one-leaf trees are leaves and trees like all others. */
static void plain_leaves(void **state) {
    (void)state;
    const rotor_hash zero = {{0}};
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_tree *tree = test_create(4, 10);
    for (uint64_t size = 1; size <= 21; size++) {
        rotor_snapshot snapshot;
        rotor_tree_head head;
        expect_ok(rotor_insert(tree, NULL, NULL, &zero), "insert");
        expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
        expect_ok(rotor_snapshot_head(&snapshot, &head), "head");
        for (uint64_t index = 0; index < size; index++) {
            expect_ok(rotor_inclusion_prove(&snapshot, &proof, index), "prove");
            expect_ok(rotor_inclusion_verify(&proof, &head, &zero), "size %" PRIu64 " index %" PRIu64, size, index);
        }
    }
    rotor_inclusion_proof_free(&proof);
    rotor_close(tree, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_leaf_of_every_size),
        cmocka_unit_test(every_size_while_growing),
        cmocka_unit_test(wide_arities),
        cmocka_unit_test(every_change_is_refused),
        cmocka_unit_test(lifted_leaf_is_bound_to_index_and_size),
        cmocka_unit_test(inner_node_is_not_a_leaf),
        cmocka_unit_test(siblings_too_many_or_too_few),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(memory_is_reused),
        cmocka_unit_test(stale_snapshots_make_no_proofs),
        cmocka_unit_test(plain_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
