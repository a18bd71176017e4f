/* rotortree_json.h - proofs of rotortree.h as JSON text.
 *
 * A companion library of its own (link with -lrotortree_json -lrotortree), so that the core needs nothing but libc.
 *
 * An inclusion proof is one object with exactly these fields, in any order:
 *     {"type":"rotortree-inclusion-proof","version":1,"hash":"blake3","arity":4,"size":1000000,"index":5,
 *      "leaf":"<64 hex digits>","root":"<64 hex digits>","siblings":["<64 hex digits>", ...]}
 * and a consistency proof:
 *     {"type":"rotortree-consistency-proof","version":1,"hash":"blake3","arity":4,"old_size":900,"new_size":1000,
 *      "old_root":"<64 hex digits>","new_root":"<64 hex digits>","hashes":["<64 hex digits>", ...]}
 * Siblings and hashes stand in the order of rotor_inclusion_proof.siblings and rotor_consistency_proof.hashes. Sizes
 * and indices are exact integers: readers that keep numbers as doubles lose those above 2^53.
 *
 * Every function may be called from any thread. Text that comes from outside is treated as hostile: its length and
 * nesting are limited before it is parsed; unknown, missing and repeated fields, numbers with a fraction, and counts
 * that do not follow from the sizes are refused.
 */
#ifndef ROTORTREE_JSON_H
#define ROTORTREE_JSON_H

#include "rotortree.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Longest text that is decoded. The longest proof that exists is below 150 KB; the rest is room for white space. */
#define ROTOR_JSON_MAX_BYTES ((size_t)1 << 20)

typedef enum rotor_json_kind {
    ROTOR_JSON_INCLUSION_PROOF = 1,
    ROTOR_JSON_CONSISTENCY_PROOF = 2,
} rotor_json_kind;

/* Writes a proof as one line of JSON without a line feed. *text is terminated and becomes the caller's, who releases it
 * with rotor_json_free(). Errors: ROTOR_INVALID_PROOF (counts that do not follow from the sizes), ROTOR_UNSUPPORTED
 * (hash profile), ROTOR_OUT_OF_MEMORY. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_json_encode_inclusion(const rotor_inclusion_proof *proof, char **text);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_json_encode_consistency(const rotor_consistency_proof *proof, char **text);

/* Releases a text that an encoder has stored; free() does the same. NULL is allowed. */
ROTOR_API void rotor_json_free(char *text);

/* Tells which proof a text holds, by its "type" alone; the rest may still be refused by the decoder. Errors as for the
 * decoders. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_json_kind_of(rotor_json_kind *kind, const char *text, size_t bytes,
                                                         rotor_error *error);

/* Reads a proof from `bytes` bytes of text, which need no terminator. `proof` must have been initialised
 * (ROTOR_INCLUSION_PROOF_INIT, ROTOR_CONSISTENCY_PROOF_INIT) and is released as ever; a call that fails leaves it as it
 * was. The result is well-formed, not yet verified. `error`, if not NULL, names the field, or the line and column, that
 * was wrong; its message is printable ASCII whatever the text was. Errors: ROTOR_MALFORMED; ROTOR_UNSUPPORTED (a
 * version or hash that is not known here); ROTOR_OUT_OF_MEMORY, though jansson reports some of its own failed
 * allocations as mistakes in the text, which then is ROTOR_MALFORMED. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_json_decode_inclusion(rotor_inclusion_proof *proof, const char *text,
                                                                  size_t bytes, rotor_error *error);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_json_decode_consistency(rotor_consistency_proof *proof, const char *text,
                                                                    size_t bytes, rotor_error *error);

#ifdef __cplusplus
}
#endif

#endif /* ROTORTREE_JSON_H */
