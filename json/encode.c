/* Proofs to JSON text. Writes the text itself, so that the only thing that can fail is one allocation, made with
 * malloc() whatever allocator the process has given to jansson. */
#include "rotortree_json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A hash as a quoted string with the comma that may follow it. */
#define HASH_TEXT_BYTES ((size_t)(2 * ROTOR_HASH_BYTES + 3))
/* More than all names, punctuation, numbers and single hashes of either object take together. */
#define FRAME_BYTES ((size_t)1024)

/* A cursor into an allocation that is known to be large enough. */
typedef struct writer {
    char *text;
    size_t length;
} writer;

static void put(writer *out, const char *text) {
    size_t bytes = strlen(text);
    memcpy(out->text + out->length, text, bytes + 1);
    out->length += bytes;
}

static void put_number(writer *out, const char *name, uint64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    put(out, ",\"");
    put(out, name);
    put(out, "\":");
    put(out, digits);
}

static void put_hash(writer *out, const rotor_hash *hash) {
    static const char digits[] = "0123456789abcdef";
    char text[2 * ROTOR_HASH_BYTES + 3];
    text[0] = '"';
    for (size_t i = 0; i < ROTOR_HASH_BYTES; i++) {
        text[1 + 2 * i] = digits[hash->bytes[i] >> 4];
        text[2 + 2 * i] = digits[hash->bytes[i] & 15];
    }
    text[2 * ROTOR_HASH_BYTES + 1] = '"';
    text[2 * ROTOR_HASH_BYTES + 2] = '\0';
    put(out, text);
}

static void put_named_hash(writer *out, const char *name, const rotor_hash *hash) {
    put(out, ",\"");
    put(out, name);
    put(out, "\":");
    put_hash(out, hash);
}

static void put_hashes(writer *out, const char *name, const rotor_hash *hashes, size_t count) {
    put(out, ",\"");
    put(out, name);
    put(out, "\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            put(out, ",");
        }
        put_hash(out, &hashes[i]);
    }
    put(out, "]}");
}

/* `count` has been compared with the one that the sizes demand, so the product below cannot overflow. */
static bool start(writer *out, size_t count) {
    out->length = 0;
    out->text = malloc(FRAME_BYTES + count * HASH_TEXT_BYTES);
    return out->text != NULL;
}

rotor_status rotor_json_encode_inclusion(const rotor_inclusion_proof *proof, char **text) {
    if (proof == NULL || text == NULL) {
        return ROTOR_MISUSE;
    }
    if (proof->head.hash_profile != ROTOR_HASH_BLAKE3) {
        return ROTOR_UNSUPPORTED;
    }
    size_t count = 0;
    if (rotor_inclusion_sibling_count(&count, proof->head.arity, proof->head.size, proof->index) != ROTOR_OK ||
        count != proof->sibling_count || (count > 0 && proof->siblings == NULL)) {
        return ROTOR_INVALID_PROOF;
    }
    writer out;
    if (!start(&out, count)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    put(&out, "{\"type\":\"rotortree-inclusion-proof\",\"version\":1,\"hash\":\"blake3\"");
    put_number(&out, "arity", proof->head.arity);
    put_number(&out, "size", proof->head.size);
    put_number(&out, "index", proof->index);
    put_named_hash(&out, "leaf", &proof->leaf);
    put_named_hash(&out, "root", &proof->head.root);
    put_hashes(&out, "siblings", proof->siblings, count);
    *text = out.text;
    return ROTOR_OK;
}

rotor_status rotor_json_encode_consistency(const rotor_consistency_proof *proof, char **text) {
    if (proof == NULL || text == NULL) {
        return ROTOR_MISUSE;
    }
    const rotor_tree_head *old_head = &proof->old_head;
    const rotor_tree_head *new_head = &proof->new_head;
    if (old_head->hash_profile != ROTOR_HASH_BLAKE3 || new_head->hash_profile != ROTOR_HASH_BLAKE3) {
        return ROTOR_UNSUPPORTED;
    }
    size_t count = 0;
    if (old_head->arity != new_head->arity ||
        rotor_consistency_hash_count(&count, new_head->arity, old_head->size, new_head->size) != ROTOR_OK ||
        count != proof->hash_count || (count > 0 && proof->hashes == NULL)) {
        return ROTOR_INVALID_PROOF;
    }
    writer out;
    if (!start(&out, count)) {
        return ROTOR_OUT_OF_MEMORY;
    }
    put(&out, "{\"type\":\"rotortree-consistency-proof\",\"version\":1,\"hash\":\"blake3\"");
    put_number(&out, "arity", new_head->arity);
    put_number(&out, "old_size", old_head->size);
    put_number(&out, "new_size", new_head->size);
    put_named_hash(&out, "old_root", &old_head->root);
    put_named_hash(&out, "new_root", &new_head->root);
    put_hashes(&out, "hashes", proof->hashes, count);
    *text = out.text;
    return ROTOR_OK;
}

void rotor_json_free(char *text) {
    free(text);
}
