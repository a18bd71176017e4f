/* Consistency proofs, and inclusion proofs moved by them, against the model: every pair of small sizes and every
 * member, every bit and count changed, wide arities. */
#include "grown_tree.h"

#define SEED 12

/* Makes the proof in `proof` and compares it with the model's. */
static void expect_proof(grown *g, rotor_consistency_proof *proof, uint64_t old_size, uint64_t new_size) {
    rotor_snapshot past;
    expect_ok(rotor_snapshot_at(&g->snapshot, &past, new_size), "size %" PRIu64, new_size);
    expect_ok(rotor_consistency_prove(&past, proof, old_size), "%" PRIu64 " to %" PRIu64, old_size, new_size);
    rotor_consistency_proof wanted;
    model_consistency(&g->model, &wanted, old_size, new_size);
    expect(model_consistency_equal(proof, &wanted), "arity %u, %" PRIu64 " to %" PRIu64, g->model.arity, old_size,
           new_size);
    size_t count = 0;
    expect_ok(rotor_consistency_hash_count(&count, g->model.arity, old_size, new_size), "%" PRIu64 " to %" PRIu64,
              old_size, new_size);
    expect(count == wanted.hash_count, "%" PRIu64 " to %" PRIu64, old_size, new_size);
    expect_ok(rotor_consistency_verify(proof, &wanted.old_head, &wanted.new_head), "arity %u, %" PRIu64 " to %" PRIu64,
              g->model.arity, old_size, new_size);
    expect_ok(rotor_consistency_verify_self(proof), "%" PRIu64 " to %" PRIu64, old_size, new_size);
    rotor_consistency_proof from = ROTOR_CONSISTENCY_PROOF_INIT;
    expect_ok(rotor_consistency_prove_from(&past, &from, &wanted.old_head), "from %" PRIu64 " to %" PRIu64, old_size,
              new_size);
    expect(model_consistency_equal(&from, &wanted), "from a head, arity %u, %" PRIu64 " to %" PRIu64, g->model.arity,
           old_size, new_size);
    rotor_consistency_proof_free(&from);
    model_consistency_free(&wanted);
}

/* Moves the proof of `index` both into another object and in place. */
static void expect_moved(grown *g, const rotor_consistency_proof *consistency, rotor_inclusion_proof *moved,
                         uint64_t index) {
    uint64_t old_size = consistency->old_head.size;
    uint64_t new_size = consistency->new_head.size;
    rotor_inclusion_proof before;
    rotor_inclusion_proof after;
    model_inclusion(&g->model, &before, old_size, index);
    model_inclusion(&g->model, &after, new_size, index);
    expect_ok(rotor_inclusion_update(moved, &before, consistency), "%" PRIu64 ": %" PRIu64 " to %" PRIu64, index,
              old_size, new_size);
    expect(model_inclusion_equal(moved, &after), "arity %u, %" PRIu64 ": %" PRIu64 " to %" PRIu64, g->model.arity,
           index, old_size, new_size);
    rotor_inclusion_proof in_place = ROTOR_INCLUSION_PROOF_INIT;
    rotor_snapshot past;
    expect_ok(rotor_snapshot_at(&g->snapshot, &past, old_size), "size %" PRIu64, old_size);
    expect_ok(rotor_inclusion_prove(&past, &in_place, index), "index %" PRIu64, index);
    expect_ok(rotor_inclusion_update(&in_place, &in_place, consistency), "%" PRIu64 ": %" PRIu64 " to %" PRIu64, index,
              old_size, new_size);
    expect(model_inclusion_equal(&in_place, &after), "in place, arity %u, %" PRIu64 ": %" PRIu64 " to %" PRIu64,
           g->model.arity, index, old_size, new_size);
    rotor_inclusion_proof_free(&in_place);
    model_inclusion_free(&before);
    model_inclusion_free(&after);
}

static void every_pair_and_every_member(void **state) {
    (void)state;
    static const uint32_t arities[] = {2, 3, 4, 5, 8, 16};
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_inclusion_proof moved = ROTOR_INCLUSION_PROOF_INIT;
    for (size_t a = 0; a < sizeof arities / sizeof *arities; a++) {
        grown g;
        grow(&g, SEED, arities[a], 36);
        for (uint64_t new_size = 1; new_size <= 36; new_size++) {
            for (uint64_t old_size = 1; old_size <= new_size; old_size++) {
                expect_proof(&g, &proof, old_size, new_size);
                for (uint64_t index = 0; index < old_size; index++) {
                    expect_moved(&g, &proof, &moved, index);
                }
            }
        }
        drop(&g);
    }
    rotor_inclusion_proof_free(&moved);
    rotor_consistency_proof_free(&proof);
}

static void wide_arities(void **state) {
    (void)state;
    static const uint32_t arities[] = {31, 32, 64, 255};
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_inclusion_proof moved = ROTOR_INCLUSION_PROOF_INIT;
    for (size_t a = 0; a < sizeof arities / sizeof *arities; a++) {
        uint64_t n = arities[a];
        const uint64_t sizes[] = {1, n - 1, n, n + 1, 2 * n, n * n - 1, n * n, n * n + 1, n * n + n + 7};
        const size_t count = sizeof sizes / sizeof *sizes;
        grown g;
        grow(&g, SEED, arities[a], sizes[count - 1]);
        for (size_t from = 0; from < count; from++) {
            for (size_t to = from; to < count; to++) {
                expect_proof(&g, &proof, sizes[from], sizes[to]);
                expect_moved(&g, &proof, &moved, 0);
                expect_moved(&g, &proof, &moved, sizes[from] / 2);
                expect_moved(&g, &proof, &moved, sizes[from] - 1);
            }
        }
        drop(&g);
    }
    rotor_inclusion_proof_free(&moved);
    rotor_consistency_proof_free(&proof);
}

/* From tree to tree by one hop or by many: the same proof. */
static void proofs_follow_a_growing_tree(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 4, 400);
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof step = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_snapshot past;
    expect_ok(rotor_snapshot_at(&g.snapshot, &past, 3), "3");
    expect_ok(rotor_inclusion_prove(&past, &proof, 2), "leaf 2");
    for (uint64_t size = 3; size < 400; size += 1 + size / 16) {
        uint64_t next = size + 1 + size / 16 < 400 ? size + 1 + size / 16 : 400;
        expect_proof(&g, &step, size, next);
        expect_ok(rotor_inclusion_update(&proof, &proof, &step), "%" PRIu64 " to %" PRIu64, size, next);
    }
    rotor_inclusion_proof wanted;
    model_inclusion(&g.model, &wanted, 400, 2);
    expect(model_inclusion_equal(&proof, &wanted), "after many hops");
    model_inclusion_free(&wanted);
    rotor_consistency_proof_free(&step);
    rotor_inclusion_proof_free(&proof);
    drop(&g);
}

/* ---------------------------------------------------------------- changed proofs */

static void expect_flips_refused(const rotor_consistency_proof *proof, const rotor_tree_head *old_trusted,
                                 const rotor_tree_head *new_head, void *field, size_t bits, const char *name) {
    uint8_t *bytes = field;
    for (size_t bit = 0; bit < bits; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        expect(rotor_consistency_verify(proof, old_trusted, new_head) != ROTOR_OK,
               "%s bit %zu, %" PRIu64 " to %" PRIu64, name, bit, old_trusted->size, new_head->size);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    expect_ok(rotor_consistency_verify(proof, old_trusted, new_head), "%s was not put back", name);
}

/* In addition, a changed proof neither agrees with itself nor moves anything, unless what changed is a size: two trees
 * of one shape along the boundary differ in nothing that a proof without trusted heads could show. */
static void expect_head_flips_refused(rotor_consistency_proof *proof, rotor_tree_head *head) {
    const rotor_tree_head old_trusted = proof->old_head;
    const rotor_tree_head new_head = proof->new_head;
    expect_flips_refused(proof, &old_trusted, &new_head, head->root.bytes, 256, "root");
    expect_flips_refused(proof, &old_trusted, &new_head, &head->size, 64, "size");
    expect_flips_refused(proof, &old_trusted, &new_head, &head->arity, 32, "arity");
    expect_flips_refused(proof, &old_trusted, &new_head, &head->hash_profile, 32, "hash profile");
    for (size_t bit = 0; bit < 256; bit++) {
        head->root.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        expect(rotor_consistency_verify_self(proof) == ROTOR_INVALID_PROOF, "root bit %zu", bit);
        head->root.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

static void expect_changes_refused(rotor_consistency_proof *proof) {
    const rotor_tree_head old_trusted = proof->old_head;
    const rotor_tree_head new_head = proof->new_head;
    expect_head_flips_refused(proof, &proof->old_head);
    expect_head_flips_refused(proof, &proof->new_head);
    expect_flips_refused(proof, &old_trusted, &new_head, &proof->hash_count, 8 * sizeof proof->hash_count, "count");
    for (size_t i = 0; i < proof->hash_count; i++) {
        expect_flips_refused(proof, &old_trusted, &new_head, proof->hashes[i].bytes, 256, "hash");
        for (size_t k = 0; k < i; k++) {
            rotor_hash kept = proof->hashes[i];
            proof->hashes[i] = proof->hashes[k];
            proof->hashes[k] = kept;
            expect_status(rotor_consistency_verify(proof, &old_trusted, &new_head), ROTOR_INVALID_PROOF,
                          "swapped %zu %zu", i, k);
            proof->hashes[k] = proof->hashes[i];
            proof->hashes[i] = kept;
        }
    }
    /* Every other pair of sizes, in the proof alone and in proof and verifier alike but with the honest roots. */
    for (uint64_t old_size = 0; old_size < 20; old_size++) {
        for (uint64_t new_size = 0; new_size < 20; new_size++) {
            proof->old_head.size = old_size;
            proof->new_head.size = new_size;
            bool honest = old_size == old_trusted.size && new_size == new_head.size;
            expect((rotor_consistency_verify(proof, &old_trusted, &new_head) == ROTOR_OK) == honest,
                   "%" PRIu64 " to %" PRIu64 " taken for %" PRIu64 " to %" PRIu64, old_trusted.size, new_head.size,
                   old_size, new_size);
        }
    }
    proof->old_head = old_trusted;
    proof->new_head = new_head;
}

static void every_change_is_refused(void **state) {
    (void)state;
    for (uint32_t arity = 2; arity <= 5; arity++) {
        grown g;
        grow(&g, SEED, arity, 11);
        for (uint64_t new_size = 1; new_size <= 11; new_size++) {
            for (uint64_t old_size = 1; old_size <= new_size; old_size++) {
                /* Exactly as much memory as there are hashes, so that reading more of them shows. */
                rotor_consistency_proof proof;
                model_consistency(&g.model, &proof, old_size, new_size);
                rotor_hash *exact = test_alloc(proof.hash_count, sizeof *exact);
                if (proof.hash_count != 0) {
                    memcpy(exact, proof.hashes, proof.hash_count * sizeof *exact);
                }
                free(proof.hashes);
                proof.hashes = exact;
                expect_changes_refused(&proof);
                model_consistency_free(&proof);
            }
        }
        drop(&g);
    }
}

/* A tree that was changed in the middle before it grew: no proof leads from the old head to its head. */
static void rewritten_history_has_no_proof(void **state) {
    (void)state;
    for (uint32_t arity = 2; arity <= 5; arity++) {
        grown honest;
        grow(&honest, SEED, arity, 30);
        for (uint64_t changed = 0; changed < 20; changed++) {
            rotor_hash *leaves = test_random_leaves(SEED, 30);
            leaves[changed].bytes[31] ^= 1;
            grown other;
            grow(&other, SEED, arity, 1);
            expect_ok(rotor_truncate(other.tree, NULL, 0), "empty");
            expect_ok(rotor_insert_many(other.tree, NULL, NULL, leaves, 30), "insert");
            expect_ok(rotor_snapshot_take(other.tree, &other.snapshot), "snapshot");
            rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
            expect_ok(rotor_consistency_prove(&other.snapshot, &proof, 20), "its own history is consistent");
            expect_ok(rotor_consistency_verify_self(&proof), "its own history is consistent");
            rotor_tree_head trusted = model_tree_head(&honest.model, 20);
            rotor_tree_head offered = proof.new_head;
            expect_status(rotor_consistency_verify(&proof, &trusted, &offered), ROTOR_INVALID_PROOF, "as made");
            proof.old_head = trusted;
            expect_status(rotor_consistency_verify(&proof, &trusted, &offered), ROTOR_INVALID_PROOF, "head put in");
            rotor_consistency_proof_free(&proof);
            free(leaves);
            drop(&other);
        }
        drop(&honest);
    }
}

/* ---------------------------------------------------------------- the calls themselves */

static void equal_sizes_need_equal_roots(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 4, 9);
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    expect_proof(&g, &proof, 9, 9);
    expect(proof.hash_count == 0, "equal sizes need no hashes");
    proof.new_head.root.bytes[0] ^= 1;
    rotor_tree_head other = proof.new_head;
    expect_status(rotor_consistency_verify_self(&proof), ROTOR_INVALID_PROOF, "other root");
    expect_status(rotor_consistency_verify(&proof, &proof.old_head, &other), ROTOR_INVALID_PROOF, "other root");
    rotor_consistency_proof_free(&proof);
    drop(&g);
}

static void wrong_arguments(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 4, 10);
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    size_t count = 77;
    expect_status(rotor_consistency_prove(NULL, &proof, 1), ROTOR_MISUSE, "no snapshot");
    expect_status(rotor_consistency_prove(&g.snapshot, NULL, 1), ROTOR_MISUSE, "no proof");
    expect_status(rotor_consistency_prove(&g.snapshot, &proof, 0), ROTOR_OUT_OF_RANGE, "from the empty tree");
    expect_status(rotor_consistency_prove(&g.snapshot, &proof, 11), ROTOR_OUT_OF_RANGE, "from a larger tree");
    expect_status(rotor_consistency_prove(&g.snapshot, &proof, UINT64_MAX), ROTOR_OUT_OF_RANGE, "largest size");
    expect(proof.hashes == NULL && proof.hash_capacity == 0, "a failed call left memory");
    expect_status(rotor_consistency_hash_count(NULL, 4, 1, 2), ROTOR_MISUSE, "no output");
    expect_status(rotor_consistency_hash_count(&count, 1, 1, 2), ROTOR_MISUSE, "arity 1");
    expect_status(rotor_consistency_hash_count(&count, 256, 1, 2), ROTOR_MISUSE, "arity 256");
    expect_status(rotor_consistency_hash_count(&count, 4, 0, 2), ROTOR_OUT_OF_RANGE, "0 to 2");
    expect_status(rotor_consistency_hash_count(&count, 4, 3, 2), ROTOR_OUT_OF_RANGE, "3 to 2");
    expect_status(rotor_consistency_hash_count(&count, 4, 3, (UINT64_C(1) << 58) + 1), ROTOR_OUT_OF_RANGE, "size");
    expect(count == 77, "a failed call wrote its output");

    expect_ok(rotor_consistency_prove(&g.snapshot, &proof, 3), "proof");
    const rotor_tree_head old_head = proof.old_head;
    const rotor_tree_head new_head = proof.new_head;
    expect_status(rotor_consistency_verify(NULL, &old_head, &new_head), ROTOR_MISUSE, "no proof");
    expect_status(rotor_consistency_verify(&proof, NULL, &new_head), ROTOR_MISUSE, "no old head");
    expect_status(rotor_consistency_verify(&proof, &old_head, NULL), ROTOR_MISUSE, "no new head");
    expect_status(rotor_consistency_verify(&proof, &new_head, &old_head), ROTOR_INVALID_PROOF, "heads exchanged");
    expect_status(rotor_consistency_verify_self(NULL), ROTOR_MISUSE, "no proof");
    rotor_hash *hashes = proof.hashes;
    proof.hashes = NULL;
    expect_status(rotor_consistency_verify_self(&proof), ROTOR_INVALID_PROOF, "no hashes at all");
    proof.hashes = hashes;
    proof.old_head.arity = 5;
    expect_status(rotor_consistency_verify_self(&proof), ROTOR_INVALID_PROOF, "trees of two arities");
    proof.old_head = old_head;
    proof.old_head.hash_profile = 99;
    expect_status(rotor_consistency_verify_self(&proof), ROTOR_INVALID_PROOF, "trees of two hash profiles");
    proof.old_head.hash_profile = proof.new_head.hash_profile = 99;
    expect_status(rotor_consistency_verify_self(&proof), ROTOR_UNSUPPORTED, "hash profile 99");
    proof.old_head = old_head;
    proof.new_head = new_head;
    rotor_consistency_proof_free(&proof);
    rotor_consistency_proof_free(&proof);
    rotor_consistency_proof_free(NULL);
    drop(&g);
}

/* A head that the tree never had: named where that costs nothing or was asked for, else of no use to anybody. */
static void heads_that_are_given(void **state) {
    (void)state;
    for (int verify = 0; verify < 2; verify++) {
        rotor_hash *leaves = test_random_leaves(SEED, 30);
        rotor_options options;
        rotor_options_init(&options, 3, ROTOR_MAX_DEPTH);
        options.verify_proofs = (uint32_t)verify;
        rotor_tree *tree = NULL;
        expect_ok(rotor_open(&tree, NULL, &options, NULL), "open");
        expect_ok(rotor_insert_many(tree, NULL, NULL, leaves, 30), "insert");
        rotor_snapshot snapshot;
        expect_ok(rotor_snapshot_take(tree, &snapshot), "snapshot");
        rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
        expect_ok(rotor_consistency_prove(&snapshot, &proof, 11), "proof");
        const rotor_tree_head honest = proof.old_head;
        expect_ok(rotor_consistency_prove_from(&snapshot, &proof, &proof.old_head), "the proof's own head");
        expect_ok(rotor_consistency_verify(&proof, &honest, &proof.new_head), "the proof's own head");

        rotor_tree_head lie = honest;
        lie.root.bytes[5] ^= 4;
        rotor_status status = rotor_consistency_prove_from(&snapshot, &proof, &lie);
        expect_status(status, verify ? ROTOR_INVALID_PROOF : ROTOR_OK, "another root");
        if (verify) {
            expect(proof.hash_count == 0 && proof.old_head.size == 0, "a refused proof has contents");
        } else {
            expect(test_same_hash(&proof.old_head.root, &lie.root), "the head that was given");
            expect_status(rotor_consistency_verify_self(&proof), ROTOR_INVALID_PROOF, "from a root that never was");
        }
        lie = honest;
        lie.size = 30;
        expect_status(rotor_consistency_prove_from(&snapshot, &proof, &lie), ROTOR_INVALID_PROOF, "equal sizes");
        expect_status(rotor_consistency_verify_self(&proof), ROTOR_INVALID_PROOF, "a refused proof");
        lie.size = 31;
        expect_status(rotor_consistency_prove_from(&snapshot, &proof, &lie), ROTOR_OUT_OF_RANGE, "a larger size");
        lie.size = 0;
        expect_status(rotor_consistency_prove_from(&snapshot, &proof, &lie), ROTOR_OUT_OF_RANGE, "size 0");
        lie = honest;
        lie.arity = 4;
        expect_status(rotor_consistency_prove_from(&snapshot, &proof, &lie), ROTOR_MISMATCH, "another arity");
        lie = honest;
        lie.hash_profile = 2;
        expect_status(rotor_consistency_prove_from(&snapshot, &proof, &lie), ROTOR_MISMATCH, "another profile");
        expect_status(rotor_consistency_prove_from(NULL, &proof, &honest), ROTOR_MISUSE, "no snapshot");
        expect_status(rotor_consistency_prove_from(&snapshot, NULL, &honest), ROTOR_MISUSE, "no proof");
        expect_status(rotor_consistency_prove_from(&snapshot, &proof, NULL), ROTOR_MISUSE, "no head");
        expect_ok(rotor_truncate(tree, NULL, 29), "truncate");
        expect_status(rotor_consistency_prove_from(&snapshot, &proof, &honest), ROTOR_STALE, "a stale snapshot");
        rotor_consistency_proof_free(&proof);
        rotor_close(tree, NULL);
        free(leaves);
    }
}

static void stale_snapshots_make_no_proofs(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 3, 30);
    rotor_consistency_proof proof = ROTOR_CONSISTENCY_PROOF_INIT;
    expect_ok(rotor_consistency_prove(&g.snapshot, &proof, 5), "before");
    expect_ok(rotor_truncate(g.tree, NULL, 29), "truncate");
    expect_status(rotor_consistency_prove(&g.snapshot, &proof, 5), ROTOR_STALE, "a stale snapshot");
    expect_status(rotor_consistency_verify_self(&proof), ROTOR_INVALID_PROOF, "a failed call left a proof");
    expect_status(rotor_consistency_prove(&g.snapshot, &proof, 30), ROTOR_STALE,
                  "no hashes to copy, stale all the same");
    rotor_consistency_proof_free(&proof);
    drop(&g);
}

/* What cannot be moved leaves `moved` as it was. */
static void update_refuses(void **state) {
    (void)state;
    grown g;
    grow(&g, SEED, 4, 40);
    rotor_consistency_proof consistency = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_inclusion_proof proof;
    rotor_inclusion_proof moved = ROTOR_INCLUSION_PROOF_INIT;
    expect_proof(&g, &consistency, 17, 40);
    model_inclusion(&g.model, &proof, 17, 6);
    expect_status(rotor_inclusion_update(NULL, &proof, &consistency), ROTOR_MISUSE, "no output");
    expect_status(rotor_inclusion_update(&moved, NULL, &consistency), ROTOR_MISUSE, "no proof");
    expect_status(rotor_inclusion_update(&moved, &proof, NULL), ROTOR_MISUSE, "no consistency proof");
    for (size_t i = 0; i < proof.sibling_count; i++) {
        proof.siblings[i].bytes[3] ^= 8;
        expect_status(rotor_inclusion_update(&moved, &proof, &consistency), ROTOR_INVALID_PROOF, "sibling %zu", i);
        proof.siblings[i].bytes[3] ^= 8;
    }
    for (size_t i = 0; i < consistency.hash_count; i++) {
        consistency.hashes[i].bytes[3] ^= 8;
        expect_status(rotor_inclusion_update(&moved, &proof, &consistency), ROTOR_INVALID_PROOF, "hash %zu", i);
        consistency.hashes[i].bytes[3] ^= 8;
    }
    for (size_t less = 1; less <= consistency.hash_count; less++) {
        consistency.hash_count -= less;
        expect_status(rotor_inclusion_update(&moved, &proof, &consistency), ROTOR_INVALID_PROOF, "less by %zu", less);
        consistency.hash_count += less;
    }
    for (uint64_t index = 0; index < 60; index++) {
        proof.index = index;
        expect(index == 6 || rotor_inclusion_update(&moved, &proof, &consistency) == ROTOR_INVALID_PROOF,
               "index %" PRIu64, index);
    }
    proof.index = 6;
    rotor_inclusion_proof other;
    model_inclusion(&g.model, &other, 18, 6);
    expect_status(rotor_inclusion_update(&moved, &other, &consistency), ROTOR_INVALID_PROOF, "another old head");
    expect(moved.siblings == NULL && moved.sibling_count == 0 && moved.head.size == 0, "a failed call wrote");
    model_inclusion_free(&other);
    expect_ok(rotor_inclusion_update(&moved, &proof, &consistency), "put back");
    model_inclusion_free(&proof);
    rotor_inclusion_proof_free(&moved);
    rotor_consistency_proof_free(&consistency);
    drop(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_and_every_member),
        cmocka_unit_test(wide_arities),
        cmocka_unit_test(proofs_follow_a_growing_tree),
        cmocka_unit_test(every_change_is_refused),
        cmocka_unit_test(rewritten_history_has_no_proof),
        cmocka_unit_test(equal_sizes_need_equal_roots),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(heads_that_are_given),
        cmocka_unit_test(stale_snapshots_make_no_proofs),
        cmocka_unit_test(update_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
