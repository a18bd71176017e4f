/* The log of a stored tree (docs/format.md): encoding of frames, appending to segments, and reading them back. Knows no
 * tree: it takes leaves from memory and hands them out again. One thread at a time. */
#ifndef ROTOR_STORE_LOG_H
#define ROTOR_STORE_LOG_H

#include "base/pool.h"
#include "os/file.h"
#include "rotortree.h"
#include "store/superblock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ROTOR_LOG_HEADER_BYTES 64                  /* of a segment, and of a frame */
#define ROTOR_LOG_LEAST_BYTES ((uint64_t)64 << 10) /* of a segment; zeros as far as there are no frames */
#define ROTOR_LOG_UNIT 32                          /* frames are multiples of this */
#define ROTOR_LOG_MOST_LEAVES 32768
/* A used segment of the least size, to become the next one. What it holds means nothing. */
#define ROTOR_LOG_SPARE_NAME "log.spare"

typedef enum rotor_frame_kind {
    ROTOR_FRAME_LEAVES = 1,
    ROTOR_FRAME_EXTENT = 2,
    ROTOR_FRAME_TRUNCATE = 3,
    ROTOR_FRAME_END = 4,
} rotor_frame_kind;

typedef struct rotor_frame {
    uint32_t kind;
    uint64_t sequence;
    uint64_t durable;
    uint64_t first;
    uint64_t count;
    uint64_t segment;
    uint32_t leaves_crc;
} rotor_frame;

typedef struct rotor_segment_header {
    uint8_t tree_id[ROTOR_TREE_ID_BYTES];
    uint64_t segment;
    uint64_t sequence;
    uint64_t size;
} rotor_segment_header;

void rotor_frame_encode(const rotor_frame *frame, const uint8_t tree_id[ROTOR_TREE_ID_BYTES],
                        uint8_t bytes[ROTOR_LOG_HEADER_BYTES]);
/* False unless magic, checksum, kind, reserved bytes, segment and the bounds of `first` and `count` are right. */
bool rotor_frame_decode(rotor_frame *frame, const uint8_t tree_id[ROTOR_TREE_ID_BYTES], uint64_t segment,
                        const uint8_t bytes[ROTOR_LOG_HEADER_BYTES]);
void rotor_segment_header_encode(const rotor_segment_header *header, uint8_t bytes[ROTOR_LOG_HEADER_BYTES]);
bool rotor_segment_header_decode(rotor_segment_header *header, const uint8_t tree_id[ROTOR_TREE_ID_BYTES],
                                 uint64_t segment, const uint8_t bytes[ROTOR_LOG_HEADER_BYTES]);

/* "log-" and sixteen decimal digits. */
void rotor_log_name(char name[40], uint64_t segment);
bool rotor_log_parse(const char *name, uint64_t *segment);

/* ---- appending */

/* A new one is zeros but for its directory, tree id, sequence, size, and a `file` that is closed. Once a call that
 * appends, syncs or rotates has failed, for whatever reason, rotor_log_close() is the only call that may follow: nobody
 * knows what the segment holds behind the frames that had been synced. */
typedef struct rotor_log {
    rotor_directory *directory;
    uint8_t tree_id[ROTOR_TREE_ID_BYTES];
    rotor_file file;    /* the segment that is written */
    uint64_t segment;   /* its number */
    uint64_t sequence;  /* of the next frame */
    uint64_t durable;   /* frames before this sequence number have been synced */
    uint64_t end;       /* byte behind the last frame */
    uint64_t synced;    /* byte behind the last frame that has been synced */
    uint64_t ahead;     /* bytes of the file, zeros behind the last frame included */
    uint64_t size;      /* leaves of the tree behind the last frame */
    _Atomic bool spare; /* there is a file of that name */
    uint8_t *buffer;    /* frames that have not been written yet */
    size_t buffered;
    size_t capacity;
} rotor_log;

/* Writes, syncs and enters into the directory a new segment without frames, and makes it the one that `log` appends to.
 * A file of that name, the remains of an unfinished rotation, is overwritten. */
rotor_status rotor_log_create_segment(rotor_log *log, uint64_t segment, rotor_error *error);

/* Syncs segments first..last. What was read may not have reached the disk yet, if the last process was killed and not
 * the system. Level files that extents name are the caller's to sync. */
rotor_status rotor_log_sync_segments(rotor_directory *directory, uint64_t first, uint64_t last, rotor_error *error);

/* Goes on with a segment that was read to its end: its next frame is to be at byte `end`, behind which there are only
 * zeros, or else rotor_log_rotate() must be the next call. What was read counts as durable: who knows less lowers
 * `durable` afterwards. */
rotor_status rotor_log_continue_segment(rotor_log *log, uint64_t segment, uint64_t end, rotor_error *error);

/* Adds frames to the buffer, writing it out when it is full. The leaves of an extent are only checksummed; they must be
 * in the level files, and synced there before the frame is written out: by the next rotor_log_sync() or
 * rotor_log_rotate(), or earlier when rotor_log_is_full() says so. ROTOR_OUT_OF_MEMORY, ROTOR_IO; truncate also
 * ROTOR_MISUSE, when `size` is above the present one. */
rotor_status rotor_log_leaves(rotor_log *log, const uint8_t *leaves, uint64_t count, rotor_error *error);
rotor_status rotor_log_extent(rotor_log *log, const uint8_t *leaves, uint64_t count, rotor_error *error);
/* Whether the next frame without leaves writes out those before it. */
bool rotor_log_is_full(const rotor_log *log);
rotor_status rotor_log_truncate(rotor_log *log, uint64_t size, rotor_error *error);

/* Writes what is buffered and syncs the segment: every frame so far is durable. No system call when there is nothing
 * new.
 */
rotor_status rotor_log_sync(rotor_log *log, rotor_error *error);

/* Creates the next segment, ends this one with an `end` frame, syncs it and goes on in the next. Everything before is
 * durable then. The `end` frame takes a sequence number. */
rotor_status rotor_log_rotate(rotor_log *log, rotor_error *error);

/* Removes a segment that no commit names any more, or keeps it as the spare if there is none. May be called while
 * another thread appends. */
rotor_status rotor_log_retire_segment(rotor_log *log, uint64_t segment, rotor_error *error);

/* Frees the buffer and closes the file, without writing anything. */
void rotor_log_close(rotor_log *log);

/* ---- reading */

/* What replay hands out, in the order of the log; anything but ROTOR_OK ends it and is its result. */
typedef struct rotor_log_reader {
    void *context;
    /* Memory in one piece in which the leaves first..first+count-1 may be put before it is known whether they count;
     * NULL when there is none, for whatever reason. May be NULL. */
    uint8_t *(*place)(void *context, uint64_t first, uint64_t count);
    /* `leaves` is NULL when they are at their place, else 64-byte aligned with ROTOR_HASH_HEADROOM readable bytes
     * before it. */
    rotor_status (*leaves)(void *context, uint64_t first, const uint8_t *leaves, uint64_t count, bool in_level_files,
                           rotor_error *error);
    /* The frame's own segment and sequence number. */
    rotor_status (*truncate)(void *context, uint64_t size, uint64_t segment, uint64_t sequence, rotor_error *error);
    /* The threads that share the reading of many leaves to their places; NULL: this one alone. May be NULL. */
    rotor_pool *(*pool)(void *context);
} rotor_log_reader;

typedef struct rotor_log_position {
    uint64_t segment;         /* the last one read */
    uint64_t sequence;        /* of the frame that would be next */
    uint64_t end;             /* byte of the segment where it would be */
    uint64_t size;            /* leaves behind the last frame */
    uint64_t proven_sequence; /* frames before it have been durable, as a later flush or the superblock says */
    uint64_t torn_bytes;      /* from `end` to the last byte behind it that is not zero; 0: only zeros */
    uint64_t log_bytes;       /* of all segments read, up to `end` */
} rotor_log_position;

/* Replays the log of a tree, from the first frame of the segment that the superblock names. Its own
 * memory is bounded by one frame; places are asked for some MiB ahead of what counts. Extents are read from the
 * level files. Another process may append meanwhile: the result is then some moment between. Errors: ROTOR_DAMAGED with
 * file and offset, ROTOR_IO, ROTOR_OUT_OF_MEMORY, and what `reader` returned; `reader` may have been handed frames
 * before, and `position` is then as it was. */
rotor_status rotor_log_replay(rotor_log_position *position, rotor_directory *directory,
                              const rotor_superblock *superblock, const rotor_log_reader *reader, rotor_error *error);

#endif
