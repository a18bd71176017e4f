/* Reading the log back: which frames count, where the log ends, and when what stands there is damage rather than the
 * remains of an interrupted write (docs/format.md, "Reading"). Must not know what becomes of the leaves. Trusts no byte
 * that no checksum covers. */
#include "store/log.h"

#include "base/crc32c.h"
#include "base/error.h"
#include "hash/hash.h"
#include "store/level_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Small frames and zeros are read through a window that grows while it is used up from end to end: behind large
 * frames, whose leaves do not pass through it, it is small. */
#define WINDOW_BYTES ((size_t)256 << 10)
#define LEAST_WINDOW_BYTES ((size_t)4 << 10)
#define ALIGNMENT ((size_t)64)
/* Frames that are read at a time, and bytes of their leaves: little enough to be hashed before it has left the
 * last-level cache, and enough work for threads to share, who wait for each other at its end (2 MiB took 8 % longer,
 * 8 MiB 2 %). */
#define MOST_AHEAD 256
#define MOST_AHEAD_BYTES ((size_t)16 << 20)
/* Leaves that are read straight to their place, and pieces in which they are, so that they are in the second-level
 * cache when their checksum is computed. */
#define LEAST_DIRECT_BYTES ((size_t)16 << 10)
#define PIECE_BYTES ((size_t)128 << 10)
/* From here on threads are worth waking. */
#define LEAST_SHARED_BYTES ((size_t)256 << 10)
#define LEAVES_BYTES ((size_t)ROTOR_LOG_MOST_LEAVES * ROTOR_HASH_BYTES)

_Static_assert(ROTOR_HASH_HEADROOM <= ALIGNMENT, "the bytes before the leaves are the headroom");

/* A segment that is open, and the part of it that was read last. */
typedef struct segment {
    rotor_file file;
    uint64_t number;
    uint64_t bytes;  /* of the file */
    uint64_t start;  /* of the window in the file */
    size_t held;     /* bytes in the window */
    size_t reach;    /* bytes that the window takes next */
    uint8_t *window; /* WINDOW_BYTES; shared by the segments that one replay has open */
} segment;

/* A frame of leaves that was met ahead of its turn, and whose leaves have a place. */
typedef struct placed_frame {
    rotor_frame frame;
    uint64_t offset; /* of its leaves in the segment */
    uint8_t *place;
    bool is_read; /* its leaves are at their place and have its checksum */
} placed_frame;

typedef struct replay {
    rotor_directory *directory;
    const rotor_superblock *superblock;
    const rotor_log_reader *reader;
    segment segment;
    rotor_log_position at;
    uint64_t earlier_bytes; /* of the segments before */
    uint64_t durable;       /* the highest that a frame has told */
    uint8_t *leaves;        /* of one frame that has no place */
    const char *wrong;      /* with what stands at the first place without a valid frame */
    placed_frame *ahead;    /* MOST_AHEAD; frames from `at` on */
    size_t ahead_count;
    size_t unread; /* bytes of their leaves that have not been read yet */
} replay;

/* What a search for frames found. */
typedef struct sighting {
    bool seen;
    uint64_t sequence;
    uint64_t at;          /* its byte */
    uint64_t nonzero_end; /* behind the last byte that is not zero; only when the search went to the end */
} sighting;

/* ---- bytes of a segment */

/* ROTOR_NOT_FOUND when there is none. */
static rotor_status open_segment(segment *opened, rotor_directory *directory, uint64_t number, uint8_t *window,
                                 rotor_error *error) {
    char name[40];
    rotor_os_status facts = {.bytes = 0};
    rotor_log_name(name, number);
    *opened = (segment){.file = ROTOR_FILE_CLOSED, .number = number};
    opened->window = window;
    rotor_status status = rotor_file_open(&opened->file, directory, name, ROTOR_OS_READ, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_file_status(&opened->file, &facts, error);
    if (status != ROTOR_OK) {
        rotor_file_close(&opened->file);
        return status;
    }
    opened->bytes = facts.bytes;
    return ROTOR_OK;
}

static bool is_within(const segment *from, uint64_t offset, uint64_t count) {
    return offset <= from->bytes && count <= from->bytes - offset;
}

static rotor_status fill_window(segment *from, uint64_t offset, rotor_error *error) {
    bool goes_on = from->held > 0 && offset == from->start + from->held;
    from->reach = goes_on ? from->reach * 2 : LEAST_WINDOW_BYTES;
    from->reach = from->reach < WINDOW_BYTES ? from->reach : WINDOW_BYTES;
    uint64_t rest = from->bytes - offset;
    size_t count = rest < from->reach ? (size_t)rest : from->reach;
    from->held = 0;
    rotor_status status = rotor_file_read(&from->file, from->window, count, offset, error);
    if (status == ROTOR_OK) {
        from->start = offset;
        from->held = count;
    }
    return status;
}

/* Copies bytes that are within the file, through the window unless they are many. */
static rotor_status read_bytes(segment *from, uint8_t *bytes, size_t count, uint64_t offset, rotor_error *error) {
    while (count > 0) {
        if (offset >= from->start && offset < from->start + from->held) {
            size_t skip = (size_t)(offset - from->start);
            size_t part = from->held - skip < count ? from->held - skip : count;
            memcpy(bytes, from->window + skip, part);
            bytes += part;
            offset += part;
            count -= part;
            continue;
        }
        if (count >= WINDOW_BYTES) {
            return rotor_file_read(&from->file, bytes, count, offset, error);
        }
        rotor_status status = fill_window(from, offset, error);
        if (status != ROTOR_OK) {
            return status;
        }
    }
    return ROTOR_OK;
}

/* At most a header's worth of bytes, most of which are zeros where this matters. */
static size_t last_nonzero_end(const uint8_t *bytes, size_t count) {
    static const uint8_t zeros[ROTOR_LOG_HEADER_BYTES];
    if (memcmp(bytes, zeros, count) == 0) {
        return 0;
    }
    while (count > 0 && bytes[count - 1] == 0) {
        count--;
    }
    return count;
}

/* Looks from `offset` to the end of the segment for the header of a frame that says that at least `durable` frames had
 * been synced; the first one ends the search. */
static rotor_status search(segment *in, const uint8_t *tree_id, uint64_t offset, uint64_t durable, sighting *found,
                           rotor_error *error) {
    *found = (sighting){.nonzero_end = offset};
    uint8_t bytes[ROTOR_LOG_HEADER_BYTES];
    while (offset < in->bytes) {
        uint64_t rest = in->bytes - offset;
        size_t count = rest < sizeof bytes ? (size_t)rest : sizeof bytes;
        rotor_frame frame;
        rotor_status status = read_bytes(in, bytes, count, offset, error);
        if (status != ROTOR_OK) {
            return status;
        }
        size_t used = last_nonzero_end(bytes, count);
        found->nonzero_end = used != 0 ? offset + used : found->nonzero_end;
        if (used != 0 && count == sizeof bytes && rotor_frame_decode(&frame, tree_id, in->number, bytes) &&
            frame.durable >= durable) {
            found->seen = true;
            found->sequence = frame.sequence;
            found->at = offset;
            return ROTOR_OK;
        }
        offset += ROTOR_LOG_UNIT;
    }
    return ROTOR_OK;
}

/* ---- segments */

/* The end of a path, so that a message has room for what it is about. */
static const char *shown_path(const rotor_directory *directory) {
    const size_t most = 160;
    size_t length = strlen(directory->path);
    return length <= most ? directory->path : directory->path + (length - most);
}

static rotor_status fail_segment(const replay *r, uint64_t number, rotor_error *error, const char *what,
                                 const char *because) {
    char name[40];
    rotor_log_name(name, number);
    return rotor_fail(error, ROTOR_DAMAGED, 0, "%s/%s %s (%s)", shown_path(r->directory), name, what, because);
}

/* Opens the segment in which the frame r->at.sequence is to be the first, after r->at.size leaves. */
static rotor_status enter_segment(replay *r, uint64_t number, const char *named_by, rotor_error *error) {
    uint8_t bytes[ROTOR_LOG_HEADER_BYTES];
    rotor_segment_header header;
    rotor_error detail;
    rotor_file_close(&r->segment.file);
    rotor_status status = open_segment(&r->segment, r->directory, number, r->segment.window, &detail);
    if (status == ROTOR_NOT_FOUND) {
        return fail_segment(r, number, error, "is missing", named_by);
    }
    if (status != ROTOR_OK) {
        if (error != NULL) {
            *error = detail;
        }
        return status;
    }
    if (!is_within(&r->segment, 0, ROTOR_LOG_LEAST_BYTES)) {
        return fail_segment(r, number, error, "is damaged: it ends before byte 65536, as no segment does", named_by);
    }
    status = read_bytes(&r->segment, bytes, sizeof bytes, 0, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (!rotor_segment_header_decode(&header, r->superblock->tree_id, number, bytes)) {
        return fail_segment(r, number, error, "is damaged: its header at byte 0 is not valid for this tree", named_by);
    }
    if (header.sequence != r->at.sequence || header.size != r->at.size) {
        return rotor_fail(error, ROTOR_DAMAGED, 0,
                          "%s/%s begins with frame %" PRIu64 " after %" PRIu64
                          " leaves (header at byte 0), but frame %" PRIu64 " after %" PRIu64
                          " leaves was to be next (%s)",
                          shown_path(r->directory), r->segment.file.name, header.sequence, header.size, r->at.sequence,
                          r->at.size, named_by);
    }
    r->at.segment = number;
    r->at.end = ROTOR_LOG_HEADER_BYTES;
    return ROTOR_OK;
}

/* ---- frames */

/* Reads the leaves of a frame; r->wrong says why when they are not what they were. */
static rotor_status read_leaves(replay *r, const rotor_frame *frame, rotor_error *error) {
    size_t bytes = (size_t)frame->count * ROTOR_HASH_BYTES;
    if (frame->kind == ROTOR_FRAME_EXTENT) {
        rotor_error detail;
        rotor_status status = rotor_level_files_read(r->directory, r->superblock->shard_bits, 0, frame->first,
                                                     frame->count, r->leaves, &detail);
        /* With an errno it says that something else has the name of a file: no crash does that. */
        if ((status == ROTOR_DAMAGED && detail.os_errno == 0) || status == ROTOR_NOT_FOUND) {
            r->wrong = "the level-0 files do not hold its leaves";
            return ROTOR_OK;
        }
        if (status != ROTOR_OK) {
            if (error != NULL) {
                *error = detail;
            }
            return status;
        }
        if (rotor_crc32c(0, r->leaves, bytes) != frame->leaves_crc) {
            r->wrong = "its leaves in the level-0 files do not have its checksum";
        }
        return ROTOR_OK;
    }
    uint64_t offset = r->at.end + ROTOR_LOG_HEADER_BYTES;
    if (!is_within(&r->segment, offset, bytes)) {
        r->wrong = "the file ends within its leaves";
        return ROTOR_OK;
    }
    rotor_status status = read_bytes(&r->segment, r->leaves, bytes, offset, error);
    if (status == ROTOR_OK && rotor_crc32c(0, r->leaves, bytes) != frame->leaves_crc) {
        r->wrong = "its leaves do not have its checksum";
    }
    return status;
}

static bool has_leaves(const rotor_frame *frame) {
    return frame->kind == ROTOR_FRAME_LEAVES || frame->kind == ROTOR_FRAME_EXTENT;
}

/* Bytes of the segment from a frame's header to the next one's. */
static uint64_t bytes_of(const rotor_frame *frame) {
    return ROTOR_LOG_HEADER_BYTES + (frame->kind == ROTOR_FRAME_LEAVES ? frame->count * ROTOR_HASH_BYTES : 0);
}

/* Reads the header of the frame that is to be at `at`. r->wrong is NULL when it is valid there. */
static rotor_status read_header(replay *r, const rotor_log_position *at, rotor_frame *frame, rotor_error *error) {
    uint8_t bytes[ROTOR_LOG_HEADER_BYTES];
    r->wrong = NULL;
    if (!is_within(&r->segment, at->end, sizeof bytes)) {
        r->wrong = "the file ends there";
        return ROTOR_OK;
    }
    rotor_status status = read_bytes(&r->segment, bytes, sizeof bytes, at->end, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (!rotor_frame_decode(frame, r->superblock->tree_id, r->segment.number, bytes)) {
        r->wrong = last_nonzero_end(bytes, sizeof bytes) == 0 ? "there are zeros" : "its header is not valid";
    } else if (frame->sequence != at->sequence) {
        r->wrong = "another frame stands there";
    } else if (frame->kind == ROTOR_FRAME_TRUNCATE ? frame->first > at->size : frame->first != at->size) {
        r->wrong = "it does not go on from the size before it";
    }
    return ROTOR_OK;
}

/* Reads the frame at the present place with its leaves. r->wrong is NULL when it is valid. */
static rotor_status read_frame(replay *r, rotor_frame *frame, rotor_error *error) {
    rotor_status status = read_header(r, &r->at, frame, error);
    return status == ROTOR_OK && r->wrong == NULL && has_leaves(frame) ? read_leaves(r, frame, error) : status;
}

static void move_behind(rotor_log_position *at, const rotor_frame *frame) {
    at->sequence++;
    at->size = frame->first + frame->count;
    at->end += bytes_of(frame);
}

/* Hands out a valid frame and moves behind it. `leaves` is NULL when they are at their place. */
static rotor_status accept_frame(replay *r, const rotor_frame *frame, const uint8_t *leaves, rotor_error *error) {
    const rotor_log_reader *reader = r->reader;
    rotor_status status = ROTOR_OK;
    if (frame->kind == ROTOR_FRAME_TRUNCATE) {
        status = reader->truncate(reader->context, frame->first, frame->segment, frame->sequence, error);
    } else if (has_leaves(frame)) {
        status = reader->leaves(reader->context, frame->first, leaves, frame->count, frame->kind == ROTOR_FRAME_EXTENT,
                                error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    if (frame->durable > r->durable) {
        r->durable = frame->durable;
    }
    move_behind(&r->at, frame);
    if (frame->kind == ROTOR_FRAME_END) {
        r->earlier_bytes += r->at.end;
        status = enter_segment(r, r->segment.number + 1, "named by the end of the segment before", error);
    }
    return status;
}

/* ---- many frames at a time
 *
 * Frames whose leaves have a place are read ahead of their turn, by as many threads as there are, and count when all
 * before them do. What is wrong with one that does not is found by those who read it in its turn. */

static bool read_placed_leaves(const replay *r, const placed_frame *placed) {
    const rotor_frame *frame = &placed->frame;
    size_t bytes = (size_t)frame->count * ROTOR_HASH_BYTES;
    uint32_t crc = 0;
    if (frame->kind == ROTOR_FRAME_EXTENT) {
        return rotor_level_files_read(r->directory, r->superblock->shard_bits, 0, frame->first, frame->count,
                                      placed->place, NULL) == ROTOR_OK &&
               rotor_crc32c(0, placed->place, bytes) == frame->leaves_crc;
    }
    for (size_t done = 0; done < bytes; done += PIECE_BYTES) {
        size_t count = bytes - done < PIECE_BYTES ? bytes - done : PIECE_BYTES;
        if (rotor_file_read(&r->segment.file, placed->place + done, count, placed->offset + done, NULL) != ROTOR_OK) {
            return false;
        }
        crc = rotor_crc32c(crc, placed->place + done, count);
    }
    return crc == frame->leaves_crc;
}

static void read_placed_frame(void *context, uint64_t task) {
    const replay *r = context;
    placed_frame *placed = &r->ahead[task];
    placed->is_read = placed->is_read || read_placed_leaves(r, placed);
}

/* Enters the frame at `at` if its leaves have a place. */
static rotor_status place_frame(replay *r, rotor_log_position *at, bool *is_placed, rotor_error *error) {
    placed_frame *placed = &r->ahead[r->ahead_count];
    rotor_frame *frame = &placed->frame;
    *is_placed = false;
    rotor_status status = read_header(r, at, frame, error);
    if (status != ROTOR_OK || r->wrong != NULL || !has_leaves(frame) ||
        !is_within(&r->segment, at->end, bytes_of(frame))) {
        return status;
    }
    size_t bytes = (size_t)frame->count * ROTOR_HASH_BYTES;
    placed->offset = at->end + ROTOR_LOG_HEADER_BYTES;
    placed->place = r->reader->place(r->reader->context, frame->first, frame->count);
    if (placed->place == NULL) {
        return ROTOR_OK;
    }
    placed->is_read = frame->kind == ROTOR_FRAME_LEAVES && bytes < LEAST_DIRECT_BYTES;
    if (placed->is_read) {
        status = read_bytes(&r->segment, placed->place, bytes, placed->offset, error);
        if (status != ROTOR_OK || rotor_crc32c(0, placed->place, bytes) != frame->leaves_crc) {
            return status;
        }
    } else {
        r->unread += bytes;
    }
    *is_placed = true;
    r->ahead_count++;
    move_behind(at, frame);
    return ROTOR_OK;
}

/* `all` when there were some, and all of them counted. */
static rotor_status follow_placed_frames(replay *r, bool *all, rotor_error *error) {
    rotor_log_position at = r->at;
    bool is_placed = r->reader->place != NULL;
    r->ahead_count = 0;
    r->unread = 0;
    while (is_placed && r->ahead_count < MOST_AHEAD && r->unread < MOST_AHEAD_BYTES) {
        rotor_status status = place_frame(r, &at, &is_placed, error);
        if (status != ROTOR_OK) {
            return status;
        }
    }
    bool is_much = r->reader->pool != NULL && r->unread >= LEAST_SHARED_BYTES;
    rotor_pool *pool = is_much ? r->reader->pool(r->reader->context) : NULL;
    if (pool != NULL) {
        rotor_pool_run(pool, read_placed_frame, r, r->ahead_count);
    }
    for (size_t i = 0; pool == NULL && i < r->ahead_count; i++) {
        read_placed_frame(r, i);
    }
    size_t counted = 0;
    while (counted < r->ahead_count && r->ahead[counted].is_read) {
        rotor_status status = accept_frame(r, &r->ahead[counted].frame, NULL, error);
        if (status != ROTOR_OK) {
            return status;
        }
        counted++;
    }
    *all = counted > 0 && counted == r->ahead_count;
    return ROTOR_OK;
}

/* Goes on up to the first place without a valid frame. */
static rotor_status follow_frames(replay *r, rotor_error *error) {
    for (;;) {
        bool all = true;
        rotor_status status = ROTOR_OK;
        while (status == ROTOR_OK && all) {
            status = follow_placed_frames(r, &all, error);
        }
        rotor_frame frame;
        if (status == ROTOR_OK) {
            status = read_frame(r, &frame, error);
        }
        if (status != ROTOR_OK || r->wrong != NULL) {
            return status;
        }
        status = accept_frame(r, &frame, r->leaves, error);
        if (status != ROTOR_OK) {
            return status;
        }
    }
}

/* ---- the end */

/* Whether the segment behind the one that ends here holds frames. */
static rotor_status search_next_segment(replay *r, sighting *found, rotor_error *error) {
    segment next;
    rotor_error detail;
    *found = (sighting){.seen = false};
    r->segment.held = 0; /* the window is shared */
    rotor_status status = open_segment(&next, r->directory, r->segment.number + 1, r->segment.window, &detail);
    if (status == ROTOR_NOT_FOUND) {
        return ROTOR_OK;
    }
    if (status != ROTOR_OK) {
        if (error != NULL) {
            *error = detail;
        }
        return status;
    }
    status = search(&next, r->superblock->tree_id, ROTOR_LOG_HEADER_BYTES, 0, found, error);
    rotor_file_close(&next.file);
    return status;
}

/* Decides whether the place where no valid frame stands is the end of the log. */
static rotor_status judge_end(replay *r, rotor_error *error) {
    uint64_t s = r->at.sequence;
    const char *path = shown_path(r->directory);
    const char *name = r->segment.file.name;
    sighting found;
    if (r->superblock->log_end > s) {
        return rotor_fail(error, ROTOR_DAMAGED, 0,
                          "%s/%s: the log ends at frame %" PRIu64 " at byte %" PRIu64
                          " (%s), but the superblock says that the frames up to %" PRIu64 " were durable",
                          path, name, s, r->at.end, r->wrong, r->superblock->log_end - 1);
    }
    rotor_status status = search(&r->segment, r->superblock->tree_id, r->at.end, s + 1, &found, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (found.seen) {
        return rotor_fail(error, ROTOR_DAMAGED, 0,
                          "%s/%s: frame %" PRIu64 " at byte %" PRIu64 " is damaged (%s), although frame %" PRIu64
                          " at byte %" PRIu64 " shows that it had been durable",
                          path, name, s, r->at.end, r->wrong, found.sequence, found.at);
    }
    r->at.torn_bytes = found.nonzero_end - r->at.end;
    r->at.log_bytes = r->earlier_bytes + r->at.end;
    status = search_next_segment(r, &found, error);
    if (status == ROTOR_OK && found.seen) {
        return rotor_fail(error, ROTOR_DAMAGED, 0,
                          "%s/%s: frame %" PRIu64 " at byte %" PRIu64 " is damaged (%s), although frame %" PRIu64
                          " at byte %" PRIu64 " of the next segment shows that it had been durable",
                          path, name, s, r->at.end, r->wrong, found.sequence, found.at);
    }
    return status;
}

/* Forgets what was read, so that the same place is read anew. */
static rotor_status refresh(replay *r, rotor_error *error) {
    rotor_os_status facts = {.bytes = 0};
    rotor_status status = rotor_file_status(&r->segment.file, &facts, error);
    r->segment.held = 0;
    r->segment.bytes = facts.bytes;
    return status;
}

/* What looks like damage may be the work of a process that appends meanwhile: a frame that was not there yet, and by
 * the time the rest was read, another that knows it to be durable. So the place is read once more. */
static rotor_status follow_to_the_end(replay *r, rotor_error *error) {
    bool again = false;
    for (;;) {
        rotor_error detail;
        uint64_t before = r->at.sequence;
        rotor_status status = follow_frames(r, error);
        if (status != ROTOR_OK) {
            return status;
        }
        again = again && r->at.sequence == before;
        status = judge_end(r, &detail);
        if (status == ROTOR_OK) {
            return status;
        }
        if (status != ROTOR_DAMAGED || again) {
            if (error != NULL) {
                *error = detail;
            }
            return status;
        }
        again = true;
        status = refresh(r, error);
        if (status != ROTOR_OK) {
            return status;
        }
    }
}

/* What has been read since the log's last segment was entered is what it holds only if it has not become another one
 * meanwhile: a process that writes may have committed, and taken the file for its next segment. */
static rotor_status look_again(replay *r, rotor_error *error) {
    uint8_t bytes[ROTOR_LOG_HEADER_BYTES];
    rotor_segment_header header;
    rotor_status status = rotor_file_read(&r->segment.file, bytes, sizeof bytes, 0, error);
    if (status == ROTOR_OK && !rotor_segment_header_decode(&header, r->superblock->tree_id, r->segment.number, bytes)) {
        status = rotor_fail(error, ROTOR_DAMAGED, 0, "%s/%s: its header was changed while it was read",
                            shown_path(r->directory), r->segment.file.name);
    }
    return status;
}

rotor_status rotor_log_replay(rotor_log_position *position, rotor_directory *directory,
                              const rotor_superblock *superblock, const rotor_log_reader *reader, rotor_error *error) {
    uint8_t *memory = aligned_alloc(ALIGNMENT, ALIGNMENT + LEAVES_BYTES + WINDOW_BYTES);
    placed_frame *ahead = malloc(MOST_AHEAD * sizeof *ahead);
    if (memory == NULL || ahead == NULL) {
        free(memory);
        free(ahead);
        return rotor_fail(error, ROTOR_OUT_OF_MEMORY, 0, "no memory to read the log of %s", directory->path);
    }
    memset(memory, 0, ALIGNMENT);
    replay r = {
        .directory = directory,
        .superblock = superblock,
        .reader = reader,
        .segment = {.file = ROTOR_FILE_CLOSED, .window = memory + ALIGNMENT + LEAVES_BYTES},
        .at = {.sequence = superblock->log_sequence, .size = superblock->size},
        .leaves = memory + ALIGNMENT,
        .ahead = ahead,
    };
    rotor_status status = enter_segment(&r, superblock->log_segment, "named by the superblock", error);
    if (status == ROTOR_OK) {
        status = follow_to_the_end(&r, error);
    }
    if (status == ROTOR_OK) {
        status = look_again(&r, error);
    }
    rotor_file_close(&r.segment.file);
    free(memory);
    free(ahead);
    if (status == ROTOR_OK) {
        r.at.proven_sequence = r.durable > superblock->log_end ? r.durable : superblock->log_end;
        *position = r.at;
    }
    return status;
}
