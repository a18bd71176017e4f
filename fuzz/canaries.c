/* A replay must fail when a check of the library is gone. Each program of a canary is a fuzz target, linked so that
 * calls of one function come here: CANARY says which target, CMakeLists.txt which function and what the target must
 * say. */
#include "base/bytes.h"
#include "os/file.h"
#include "reference/frames.h"
#include "rotortree.h"
#include "store/log.h"

#include <string.h>

#define INCLUSION 1
#define CONSISTENCY 2
#define LEVEL_FILES 3
#define LOG 4
#define SUPERBLOCK 5
#define IMPORT 6
#define JSON 7

/* An index behind the last leaf is taken, as if it were that of another one. */
#if CANARY == INCLUSION
rotor_status __real_rotor_inclusion_sibling_count(size_t *count, uint32_t arity, uint64_t size, uint64_t index);
rotor_status __wrap_rotor_inclusion_sibling_count(size_t *count, uint32_t arity, uint64_t size, uint64_t index);
rotor_status __wrap_rotor_inclusion_sibling_count(size_t *count, uint32_t arity, uint64_t size, uint64_t index) {
    return __real_rotor_inclusion_sibling_count(count, arity, size, size != 0 ? index % size : index);
}
#endif

/* What the text says is checked twice, so this is no check: a bit is turned on the way from the text to the proof. */
#if CANARY == JSON
rotor_status __real_rotor_inclusion_decode(rotor_inclusion_proof *proof, const uint8_t *encoded, size_t bytes);
rotor_status __wrap_rotor_inclusion_decode(rotor_inclusion_proof *proof, const uint8_t *encoded, size_t bytes);
rotor_status __wrap_rotor_inclusion_decode(rotor_inclusion_proof *proof, const uint8_t *encoded, size_t bytes) {
    rotor_status status = __real_rotor_inclusion_decode(proof, encoded, bytes);
    if (status == ROTOR_OK && proof->sibling_count > 0) {
        proof->siblings[0].bytes[0] ^= 1;
    }
    return status;
}
#endif

/* A tree may have shrunk. */
#if CANARY == CONSISTENCY
rotor_status __real_rotor_consistency_hash_count(size_t *count, uint32_t arity, uint64_t old_size, uint64_t new_size);
rotor_status __wrap_rotor_consistency_hash_count(size_t *count, uint32_t arity, uint64_t old_size, uint64_t new_size);
rotor_status __wrap_rotor_consistency_hash_count(size_t *count, uint32_t arity, uint64_t old_size, uint64_t new_size) {
    return old_size <= new_size ? __real_rotor_consistency_hash_count(count, arity, old_size, new_size)
                                : __real_rotor_consistency_hash_count(count, arity, new_size, old_size);
}
#endif

/* Every file is long enough. */
#if CANARY == LEVEL_FILES
rotor_status __real_rotor_file_status(const rotor_file *file, rotor_os_status *status, rotor_error *error);
rotor_status __wrap_rotor_file_status(const rotor_file *file, rotor_os_status *status, rotor_error *error);
rotor_status __wrap_rotor_file_status(const rotor_file *file, rotor_os_status *status, rotor_error *error) {
    rotor_status got = __real_rotor_file_status(file, status, error);
    status->bytes = UINT64_MAX >> 1;
    return got;
}
#endif

/* The checksum of leaves is always that of their frame, which is the last one that was decoded. */
#if CANARY == LOG
static uint32_t frame_crc;

bool __real_rotor_frame_decode(rotor_frame *frame, const uint8_t tree_id[ROTOR_TREE_ID_BYTES], uint64_t segment,
                               const uint8_t bytes[ROTOR_LOG_HEADER_BYTES]);
bool __wrap_rotor_frame_decode(rotor_frame *frame, const uint8_t tree_id[ROTOR_TREE_ID_BYTES], uint64_t segment,
                               const uint8_t bytes[ROTOR_LOG_HEADER_BYTES]);
bool __wrap_rotor_frame_decode(rotor_frame *frame, const uint8_t tree_id[ROTOR_TREE_ID_BYTES], uint64_t segment,
                               const uint8_t bytes[ROTOR_LOG_HEADER_BYTES]) {
    bool decoded = __real_rotor_frame_decode(frame, tree_id, segment, bytes);
    frame_crc = decoded ? frame->leaves_crc : frame_crc;
    return decoded;
}

uint32_t __real_rotor_crc32c(uint32_t crc, const void *bytes, size_t count);
uint32_t __wrap_rotor_crc32c(uint32_t crc, const void *bytes, size_t count);
uint32_t __wrap_rotor_crc32c(uint32_t crc, const void *bytes, size_t count) {
    return count % ROTOR_HASH_BYTES == 0 ? frame_crc : __real_rotor_crc32c(crc, bytes, count);
}
#endif

/* The checksum of a slot is always the one that stands behind it. An encoder has it made right there. */
#if CANARY == SUPERBLOCK
void __real_rotor_blake3_hash(uint8_t out[32], const void *input, size_t bytes);
void __wrap_rotor_blake3_hash(uint8_t out[32], const void *input, size_t bytes);
void __wrap_rotor_blake3_hash(uint8_t out[32], const void *input, size_t bytes) {
    const uint8_t *behind = (const uint8_t *)input + bytes;
    if (out == behind) {
        __real_rotor_blake3_hash(out, input, bytes);
    } else {
        memcpy(out, behind, 32);
    }
}
#endif

/* The leaves always lead to the root that was committed. */
#if CANARY == IMPORT
static rotor_hash committed;

rotor_status __real_rotor_reference_meta_decode(rotor_reference_meta *meta,
                                                const uint8_t bytes[ROTOR_REFERENCE_META_BYTES]);
rotor_status __wrap_rotor_reference_meta_decode(rotor_reference_meta *meta,
                                                const uint8_t bytes[ROTOR_REFERENCE_META_BYTES]);
rotor_status __wrap_rotor_reference_meta_decode(rotor_reference_meta *meta,
                                                const uint8_t bytes[ROTOR_REFERENCE_META_BYTES]) {
    rotor_status status = __real_rotor_reference_meta_decode(meta, bytes);
    committed = meta->root;
    return status;
}

rotor_status __real_rotor_snapshot_take(rotor_tree *tree, rotor_snapshot *snapshot);
rotor_status __wrap_rotor_snapshot_take(rotor_tree *tree, rotor_snapshot *snapshot);
rotor_status __wrap_rotor_snapshot_take(rotor_tree *tree, rotor_snapshot *snapshot) {
    rotor_status status = __real_rotor_snapshot_take(tree, snapshot);
    snapshot->edge[snapshot->depth] = committed;
    return status;
}
#endif
