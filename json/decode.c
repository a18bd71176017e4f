/* JSON text to proofs. Parses with jansson, whose integers are exact to 64 bits; the proof itself is stored by the
 * library's own decoder, so that this file knows nothing of how the library allocates. */
#include "rotortree_json.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NESTING 2 /* an object that holds one array */
#define HASH_DIGITS ((size_t)(2 * ROTOR_HASH_BYTES))

static const char inclusion_type[] = "rotortree-inclusion-proof";
static const char consistency_type[] = "rotortree-consistency-proof";

/* Fields that every proof has come first. */
static const char *const inclusion_fields[] = {"type",  "version", "hash", "arity",    "size",
                                               "index", "leaf",    "root", "siblings", NULL};
static const char *const consistency_fields[] = {"type",     "version",  "hash",     "arity",  "old_size",
                                                 "new_size", "old_root", "new_root", "hashes", NULL};

/* Stores the message with everything but printable ASCII replaced: parts of it may have come from the text, and it may
 * go to a terminal. */
__attribute__((format(printf, 3, 4))) static rotor_status fail(rotor_error *error, rotor_status status,
                                                               const char *format, ...) {
    if (error == NULL) {
        return status;
    }
    error->status = status;
    error->os_errno = 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    for (char *c = error->message; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            *c = '?';
        }
    }
    return status;
}

static rotor_status out_of_memory(rotor_error *error) {
    return fail(error, ROTOR_OUT_OF_MEMORY, "%s", rotor_status_message(ROTOR_OUT_OF_MEMORY));
}

/* Refuses deep nesting before the parser, which recurses, sees it. */
static rotor_status check_nesting(const char *text, size_t bytes, rotor_error *error) {
    size_t line = 1;
    size_t line_start = 0;
    unsigned nesting = 0;
    bool in_string = false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (c == '\n') {
            line++;
            line_start = i + 1;
        } else if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++nesting > MAX_NESTING) {
                return fail(error, ROTOR_MALFORMED, "line %zu, column %zu: nested too deeply for a proof", line,
                            i - line_start + 1);
            }
        } else if ((c == '}' || c == ']') && nesting > 0) {
            nesting--;
        }
    }
    return ROTOR_OK;
}

static rotor_status parse(json_t **object, const char *text, size_t bytes, rotor_error *error) {
    if (text == NULL) {
        return fail(error, ROTOR_MISUSE, "no text was passed");
    }
    if (bytes > ROTOR_JSON_MAX_BYTES) {
        return fail(error, ROTOR_MALFORMED, "%zu bytes are more than any proof takes (limit %zu)", bytes,
                    ROTOR_JSON_MAX_BYTES);
    }
    rotor_status status = check_nesting(text, bytes, error);
    if (status != ROTOR_OK) {
        return status;
    }
    json_error_t reason = {0};
    json_t *value = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &reason);
    if (value == NULL) {
        /* jansson describes every mistake in a text; most of its failed allocations it does not. */
        if (json_error_code(&reason) == json_error_out_of_memory || reason.text[0] == '\0') {
            return out_of_memory(error);
        }
        return fail(error, ROTOR_MALFORMED, "line %d, column %d: %s", reason.line, reason.column, reason.text);
    }
    if (!json_is_object(value)) {
        json_decref(value);
        return fail(error, ROTOR_MALFORMED, "line 1: a proof is a JSON object");
    }
    *object = value;
    return ROTOR_OK;
}

/* Exactly the fields listed, no others: the parser has refused repeated ones. */
static rotor_status check_fields(json_t *object, const char *const *fields, rotor_error *error) {
    for (size_t i = 0; fields[i] != NULL; i++) {
        if (json_object_get(object, fields[i]) == NULL) {
            return fail(error, ROTOR_MALFORMED, "field \"%s\" is missing", fields[i]);
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        size_t i = 0;
        while (fields[i] != NULL && strcmp(fields[i], key) != 0) {
            i++;
        }
        if (fields[i] == NULL) {
            return fail(error, ROTOR_MALFORMED, "field \"%.60s\" is not known", key);
        }
    }
    return ROTOR_OK;
}

static rotor_status get_number(uint64_t *number, json_t *object, const char *field, uint64_t least, uint64_t most,
                               rotor_error *error) {
    json_t *value = json_object_get(object, field);
    if (!json_is_integer(value)) {
        return fail(error, ROTOR_MALFORMED, "field \"%s\" is not a whole number", field);
    }
    json_int_t integer = json_integer_value(value);
    if (integer < 0 || (uint64_t)integer < least || (uint64_t)integer > most) {
        return fail(error, ROTOR_MALFORMED, "field \"%s\" is %" JSON_INTEGER_FORMAT ", out of range", field, integer);
    }
    *number = (uint64_t)integer;
    return ROTOR_OK;
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static rotor_status read_hash(rotor_hash *hash, const json_t *value, const char *name, rotor_error *error) {
    if (!json_is_string(value)) {
        return fail(error, ROTOR_MALFORMED, "%s is not a string", name);
    }
    const char *digits = json_string_value(value);
    size_t length = json_string_length(value);
    if (length != HASH_DIGITS) {
        return fail(error, ROTOR_MALFORMED, "%s has %zu characters where 64 hexadecimal digits belong", name, length);
    }
    for (size_t i = 0; i < HASH_DIGITS; i += 2) {
        int high = digit_value(digits[i]);
        int low = digit_value(digits[i + 1]);
        if (high < 0 || low < 0) {
            return fail(error, ROTOR_MALFORMED, "%s: character %zu is not a hexadecimal digit", name,
                        high < 0 ? i + 1 : i + 2);
        }
        hash->bytes[i / 2] = (uint8_t)(high * 16 + low);
    }
    return ROTOR_OK;
}

static rotor_status get_hash(rotor_hash *hash, json_t *object, const char *field, rotor_error *error) {
    char name[40];
    snprintf(name, sizeof name, "field \"%s\"", field);
    return read_hash(hash, json_object_get(object, field), name, error);
}

/* Reads an array of exactly `count` hashes into new memory; NULL for none. */
static rotor_status get_hashes(rotor_hash **hashes, json_t *object, const char *field, size_t count,
                               rotor_error *error) {
    json_t *array = json_object_get(object, field);
    if (!json_is_array(array)) {
        return fail(error, ROTOR_MALFORMED, "field \"%s\" is not an array", field);
    }
    if (json_array_size(array) != count) {
        return fail(error, ROTOR_MALFORMED, "field \"%s\" holds %zu hashes; a proof for these sizes holds %zu", field,
                    json_array_size(array), count);
    }
    *hashes = NULL;
    if (count == 0) {
        return ROTOR_OK;
    }
    rotor_hash *copy = malloc(count * sizeof *copy);
    if (copy == NULL) {
        return out_of_memory(error);
    }
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "field \"%s\", entry %zu", field, i);
        rotor_status status = read_hash(&copy[i], json_array_get(array, i), name, error);
        if (status != ROTOR_OK) {
            free(copy);
            return status;
        }
    }
    *hashes = copy;
    return ROTOR_OK;
}

static rotor_status get_kind(rotor_json_kind *kind, json_t *object, rotor_error *error) {
    const char *type = json_string_value(json_object_get(object, "type"));
    if (type == NULL) {
        return fail(error, ROTOR_MALFORMED, "field \"type\" is missing or not a string");
    }
    if (strcmp(type, inclusion_type) == 0) {
        *kind = ROTOR_JSON_INCLUSION_PROOF;
    } else if (strcmp(type, consistency_type) == 0) {
        *kind = ROTOR_JSON_CONSISTENCY_PROOF;
    } else {
        return fail(error, ROTOR_MALFORMED, "field \"type\" is \"%.60s\", which is not a proof", type);
    }
    return ROTOR_OK;
}

/* What both proofs begin with; also checks that no field is missing or unknown. */
static rotor_status get_frame(uint32_t *arity, json_t *object, rotor_json_kind wanted, rotor_error *error) {
    rotor_json_kind kind = wanted;
    rotor_status status = get_kind(&kind, object, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (kind != wanted) {
        return fail(error, ROTOR_MALFORMED, "field \"type\": this is %s proof, not %s proof",
                    kind == ROTOR_JSON_INCLUSION_PROOF ? "an inclusion" : "a consistency",
                    wanted == ROTOR_JSON_INCLUSION_PROOF ? "an inclusion" : "a consistency");
    }
    /* The version goes first: another one may have other fields. */
    uint64_t number = 0;
    status = get_number(&number, object, "version", 0, INT64_MAX, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (number != 1) {
        return fail(error, ROTOR_UNSUPPORTED, "field \"version\" is %llu; this build reads version 1",
                    (unsigned long long)number);
    }
    status = check_fields(object, wanted == ROTOR_JSON_INCLUSION_PROOF ? inclusion_fields : consistency_fields, error);
    if (status != ROTOR_OK) {
        return status;
    }
    const char *hash = json_string_value(json_object_get(object, "hash"));
    if (hash == NULL) {
        return fail(error, ROTOR_MALFORMED, "field \"hash\" is not a string");
    }
    if (strcmp(hash, "blake3") != 0) {
        return fail(error, ROTOR_UNSUPPORTED, "field \"hash\" is \"%.60s\"; this build knows \"blake3\"", hash);
    }
    status = get_number(&number, object, "arity", ROTOR_MIN_ARITY, ROTOR_MAX_ARITY, error);
    *arity = (uint32_t)number;
    return status;
}

/* The library refused what this file had already checked, or ran out of memory. */
static rotor_status refused(rotor_error *error, rotor_status status) {
    if (status == ROTOR_OUT_OF_MEMORY) {
        return out_of_memory(error);
    }
    return fail(error, status == ROTOR_UNSUPPORTED ? status : ROTOR_MALFORMED,
                "the sizes and counts do not make a proof: %s", rotor_status_message(status));
}

/* Hands a proof that lies in this file's memory to the library, which copies it into its own. */
static rotor_status store_inclusion(rotor_inclusion_proof *proof, const rotor_inclusion_proof *parsed,
                                    rotor_error *error) {
    size_t bytes = 0;
    rotor_status status = rotor_inclusion_encode(parsed, NULL, 0, &bytes);
    if (status != ROTOR_BUFFER_TOO_SMALL) {
        return refused(error, status);
    }
    uint8_t *encoded = malloc(bytes);
    if (encoded == NULL) {
        return out_of_memory(error);
    }
    status = rotor_inclusion_encode(parsed, encoded, bytes, &bytes);
    if (status == ROTOR_OK) {
        status = rotor_inclusion_decode(proof, encoded, bytes);
    }
    free(encoded);
    return status == ROTOR_OK ? ROTOR_OK : refused(error, status);
}

static rotor_status store_consistency(rotor_consistency_proof *proof, const rotor_consistency_proof *parsed,
                                      rotor_error *error) {
    size_t bytes = 0;
    rotor_status status = rotor_consistency_encode(parsed, NULL, 0, &bytes);
    if (status != ROTOR_BUFFER_TOO_SMALL) {
        return refused(error, status);
    }
    uint8_t *encoded = malloc(bytes);
    if (encoded == NULL) {
        return out_of_memory(error);
    }
    status = rotor_consistency_encode(parsed, encoded, bytes, &bytes);
    if (status == ROTOR_OK) {
        status = rotor_consistency_decode(proof, encoded, bytes);
    }
    free(encoded);
    return status == ROTOR_OK ? ROTOR_OK : refused(error, status);
}

static rotor_status read_inclusion(rotor_inclusion_proof *proof, json_t *object, rotor_error *error) {
    rotor_inclusion_proof parsed = ROTOR_INCLUSION_PROOF_INIT;
    parsed.head.hash_profile = ROTOR_HASH_BLAKE3;
    rotor_status status = get_frame(&parsed.head.arity, object, ROTOR_JSON_INCLUSION_PROOF, error);
    if (status == ROTOR_OK) {
        status = get_number(&parsed.head.size, object, "size", 1, INT64_MAX, error);
    }
    if (status == ROTOR_OK) {
        status = get_number(&parsed.index, object, "index", 0, parsed.head.size - 1, error);
    }
    if (status == ROTOR_OK) {
        status = get_hash(&parsed.leaf, object, "leaf", error);
    }
    if (status == ROTOR_OK) {
        status = get_hash(&parsed.head.root, object, "root", error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_inclusion_sibling_count(&parsed.sibling_count, parsed.head.arity, parsed.head.size, parsed.index);
    if (status != ROTOR_OK) {
        return refused(error, status);
    }
    status = get_hashes(&parsed.siblings, object, "siblings", parsed.sibling_count, error);
    if (status == ROTOR_OK) {
        status = store_inclusion(proof, &parsed, error);
        free(parsed.siblings);
    }
    return status;
}

static rotor_status read_consistency(rotor_consistency_proof *proof, json_t *object, rotor_error *error) {
    rotor_consistency_proof parsed = ROTOR_CONSISTENCY_PROOF_INIT;
    rotor_tree_head *old_head = &parsed.old_head;
    rotor_tree_head *new_head = &parsed.new_head;
    old_head->hash_profile = ROTOR_HASH_BLAKE3;
    new_head->hash_profile = ROTOR_HASH_BLAKE3;
    rotor_status status = get_frame(&new_head->arity, object, ROTOR_JSON_CONSISTENCY_PROOF, error);
    old_head->arity = new_head->arity;
    if (status == ROTOR_OK) {
        status = get_number(&new_head->size, object, "new_size", 1, INT64_MAX, error);
    }
    if (status == ROTOR_OK) {
        status = get_number(&old_head->size, object, "old_size", 1, new_head->size, error);
    }
    if (status == ROTOR_OK) {
        status = get_hash(&old_head->root, object, "old_root", error);
    }
    if (status == ROTOR_OK) {
        status = get_hash(&new_head->root, object, "new_root", error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_consistency_hash_count(&parsed.hash_count, new_head->arity, old_head->size, new_head->size);
    if (status != ROTOR_OK) {
        return refused(error, status);
    }
    status = get_hashes(&parsed.hashes, object, "hashes", parsed.hash_count, error);
    if (status == ROTOR_OK) {
        status = store_consistency(proof, &parsed, error);
        free(parsed.hashes);
    }
    return status;
}

rotor_status rotor_json_kind_of(rotor_json_kind *kind, const char *text, size_t bytes, rotor_error *error) {
    if (kind == NULL) {
        return fail(error, ROTOR_MISUSE, "no place for the kind was passed");
    }
    json_t *object = NULL;
    rotor_status status = parse(&object, text, bytes, error);
    if (status == ROTOR_OK) {
        status = get_kind(kind, object, error);
        json_decref(object);
    }
    return status;
}

rotor_status rotor_json_decode_inclusion(rotor_inclusion_proof *proof, const char *text, size_t bytes,
                                         rotor_error *error) {
    if (proof == NULL) {
        return fail(error, ROTOR_MISUSE, "no proof to fill was passed");
    }
    json_t *object = NULL;
    rotor_status status = parse(&object, text, bytes, error);
    if (status == ROTOR_OK) {
        status = read_inclusion(proof, object, error);
        json_decref(object);
    }
    return status;
}

rotor_status rotor_json_decode_consistency(rotor_consistency_proof *proof, const char *text, size_t bytes,
                                           rotor_error *error) {
    if (proof == NULL) {
        return fail(error, ROTOR_MISUSE, "no proof to fill was passed");
    }
    json_t *object = NULL;
    rotor_status status = parse(&object, text, bytes, error);
    if (status == ROTOR_OK) {
        status = read_consistency(proof, object, error);
        json_decref(object);
    }
    return status;
}
