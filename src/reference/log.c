/* Scanning and reading the crate's log in bounded memory, whatever a frame's length. Must not know trees. */
#include "reference/log.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "reference/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- the window */

/* Frames may take 128 MiB each; this is what is in memory of them at a time, and less where the file has less. */
#define WINDOW_BYTES ((size_t)1 << 20)

typedef struct log_window {
    const rotor_reference_log *log;
    uint8_t *bytes;
    size_t room;
    uint64_t start;
    size_t count;
} log_window;

static rotor_status window_open(log_window *window, const rotor_reference_log *log, rotor_error *error) {
    window->log = log;
    window->start = 0;
    window->count = 0;
    window->room = log->bytes < WINDOW_BYTES ? (size_t)log->bytes : WINDOW_BYTES;
    window->bytes = malloc(window->room != 0 ? window->room : 1);
    if (window->bytes == NULL) {
        return rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory to read a log");
    }
    return ROTOR_OK;
}

/* At most WINDOW_BYTES bytes that the file has; valid until the next call. */
static rotor_status window_get(log_window *window, const uint8_t **bytes, uint64_t offset, size_t count,
                               rotor_error *error) {
    if (offset < window->start || offset - window->start > window->count ||
        count > window->count - (size_t)(offset - window->start)) {
        uint64_t rest = window->log->bytes - offset;
        size_t wanted = rest < window->room ? (size_t)rest : window->room;
        window->count = 0;
        rotor_status status = rotor_file_read(window->log->file, window->bytes, wanted, offset, error);
        if (status != ROTOR_OK) {
            return status;
        }
        window->start = offset;
        window->count = wanted;
    }
    *bytes = window->bytes + (offset - window->start);
    return ROTOR_OK;
}

/* ---------------------------------------------------------------- one frame */

typedef enum frame_kind {
    FRAME_WHOLE,
    FRAME_CUT,    /* does not fit in the file, or claims more bytes than any frame has */
    FRAME_BROKEN, /* fits; the checksum is wrong */
} frame_kind;

typedef struct log_frame {
    uint64_t offset;
    uint64_t bytes; /* of all of it; not of a FRAME_CUT */
    frame_kind kind;
} log_frame;

/* The checksum of `count` bytes. */
static rotor_status sum(log_window *window, uint32_t *crc, uint64_t offset, uint64_t count, rotor_error *error) {
    for (uint64_t done = 0; done < count;) {
        const uint8_t *bytes;
        size_t piece = count - done < WINDOW_BYTES ? (size_t)(count - done) : WINDOW_BYTES;
        rotor_status status = window_get(window, &bytes, offset + done, piece, error);
        if (status != ROTOR_OK) {
            return status;
        }
        *crc = rotor_crc32c(*crc, bytes, piece);
        done += piece;
    }
    return ROTOR_OK;
}

static rotor_status read_u32(log_window *window, uint32_t *value, uint64_t offset, rotor_error *error) {
    const uint8_t *bytes;
    rotor_status status = window_get(window, &bytes, offset, 4, error);
    if (status == ROTOR_OK) {
        *value = rotor_get_u32(bytes);
    }
    return status;
}

/* What stands at `offset`, which is below the end of the file. */
static rotor_status examine(log_window *window, log_frame *frame, uint64_t offset, rotor_error *error) {
    uint64_t rest = window->log->bytes - offset;
    *frame = (log_frame){offset, 0, FRAME_CUT};
    if (rest < ROTOR_REFERENCE_FRAME_BYTES) {
        return ROTOR_OK;
    }
    uint32_t payload = 0;
    rotor_status status = read_u32(window, &payload, offset, error);
    if (status != ROTOR_OK || payload > ROTOR_REFERENCE_MOST_PAYLOAD || payload > rest - ROTOR_REFERENCE_FRAME_BYTES) {
        return status;
    }
    uint32_t crc = 0;
    uint32_t stored = 0;
    frame->bytes = (uint64_t)payload + ROTOR_REFERENCE_FRAME_BYTES;
    status = sum(window, &crc, offset, (uint64_t)payload + 4, error);
    if (status == ROTOR_OK) {
        status = read_u32(window, &stored, offset + payload + 4, error);
    }
    frame->kind = crc == stored ? FRAME_WHOLE : FRAME_BROKEN;
    return status;
}

/* ---------------------------------------------------------------- the end of the log */

static rotor_status skip_zeros(log_window *window, uint64_t *offset, rotor_error *error) {
    while (*offset < window->log->bytes) {
        const uint8_t *bytes;
        uint64_t rest = window->log->bytes - *offset;
        size_t count = rest < WINDOW_BYTES ? (size_t)rest : WINDOW_BYTES;
        rotor_status status = window_get(window, &bytes, *offset, count, error);
        if (status != ROTOR_OK) {
            return status;
        }
        for (size_t i = 0; i < count; i++) {
            if (bytes[i] != 0) {
                *offset += i;
                return ROTOR_OK;
            }
        }
        *offset += count;
    }
    return ROTOR_OK;
}

/* Leaves can be made to look like beginnings of long frames; this bounds what summing them all would cost. */
#define MOST_SUMS_OF_ALL 16

typedef struct frame_search {
    uint64_t from;  /* where to look */
    uint64_t least; /* sequence numbers that a frame there may have */
    uint64_t most;
    bool found;
    bool gave_up;
    uint64_t offset; /* of the frame found */
    uint64_t sequence;
} frame_search;

/* Looks for a whole insert at any later place. */
static rotor_status find_later(log_window *window, frame_search *search, rotor_error *error) {
    uint64_t bytes = window->log->bytes;
    uint64_t budget = MOST_SUMS_OF_ALL * (bytes - search->from) + WINDOW_BYTES;
    search->found = false;
    search->gave_up = false;
    for (uint64_t offset = search->from; bytes - offset >= ROTOR_REFERENCE_LEAST_INSERT_BYTES; offset++) {
        const uint8_t *head;
        rotor_reference_insert insert;
        rotor_status status = window_get(window, &head, offset, ROTOR_REFERENCE_INSERT_HEAD_BYTES, error);
        if (status != ROTOR_OK) {
            return status;
        }
        if (rotor_reference_insert_decode(&insert, head) != ROTOR_OK || insert.sequence < search->least ||
            insert.sequence > search->most) {
            continue;
        }
        log_frame frame;
        status = examine(window, &frame, offset, error);
        if (status != ROTOR_OK) {
            return status;
        }
        search->gave_up = frame.kind == FRAME_BROKEN && frame.bytes > budget;
        if (frame.kind == FRAME_WHOLE || search->gave_up) {
            search->found = frame.kind == FRAME_WHOLE;
            search->offset = offset;
            search->sequence = insert.sequence;
            return ROTOR_OK;
        }
        budget -= frame.bytes;
    }
    return ROTOR_OK;
}

#define ADVICE "restore the file from a copy"

static rotor_status fail(const rotor_reference_log *log, rotor_error *error, const char *what, uint64_t offset) {
    return rotor_reference_fail(log->file->directory, log->file->name, error, ROTOR_DAMAGED,
                                "the record at byte %" PRIu64 " %s; " ADVICE, offset, what);
}

static rotor_status fail_before_later(const rotor_reference_log *log, rotor_error *error, const log_frame *broken,
                                      const frame_search *later, bool is_next) {
    const rotor_directory *directory = log->file->directory;
    if (is_next) {
        return rotor_reference_fail(directory, log->file->name, error, ROTOR_DAMAGED,
                                    "no record at byte %" PRIu64 ", but the next one at byte %" PRIu64
                                    " (sequence %" PRIu64 "): nothing is lost if the bytes between are removed",
                                    broken->offset, later->offset, later->sequence);
    }
    return rotor_reference_fail(directory, log->file->name, error, ROTOR_DAMAGED,
                                "the record at byte %" PRIu64 " is broken, and whole ones follow from byte %" PRIu64
                                " on (sequence %" PRIu64 "); " ADVICE,
                                broken->offset, later->offset, later->sequence);
}

/* `broken` is the first place without a whole frame. Returns ROTOR_OK when a crash while the last frame was written
 * explains all that stands there. */
static rotor_status judge_end(log_window *window, const log_frame *broken, frame_search *later, bool next_known,
                              rotor_error *error) {
    later->from = broken->offset + 1;
    rotor_status status = find_later(window, later, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (later->found) {
        return fail_before_later(window->log, error, broken, later, next_known && later->sequence == later->least);
    }
    if (later->gave_up) {
        return fail(window->log, error, "is broken, and more that looks like a record follows than can be looked at",
                    broken->offset);
    }
    if (broken->kind == FRAME_CUT) {
        return ROTOR_OK;
    }
    uint64_t offset = broken->offset + broken->bytes;
    status = skip_zeros(window, &offset, error);
    if (status == ROTOR_OK && offset < window->log->bytes) {
        return fail(window->log, error, "has a wrong checksum and is not the last", broken->offset);
    }
    return status;
}

/* ---------------------------------------------------------------- scanning */

rotor_status rotor_reference_log_open(rotor_reference_log *log, const rotor_file *file, rotor_error *error) {
    uint8_t header[ROTOR_REFERENCE_WAL_HEADER_BYTES];
    rotor_os_status facts;
    size_t got = 0;
    *log = (rotor_reference_log){.file = file};
    rotor_status status = rotor_file_status(file, &facts, error);
    if (status == ROTOR_OK) {
        log->bytes = facts.bytes;
        status = rotor_file_read_some(file, header, sizeof header, 0, &got, error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    status = got == sizeof header ? rotor_reference_wal_header_decode(&log->shape, header) : ROTOR_MALFORMED;
    if (status == ROTOR_UNSUPPORTED) {
        return rotor_reference_fail(file->directory, file->name, error, status, "its version is not known here");
    }
    if (status != ROTOR_OK) {
        return rotor_reference_fail(file->directory, file->name, error, ROTOR_DAMAGED,
                                    "its header of 24 bytes is not whole; " ADVICE
                                    ". If there is no more than that, nothing had been stored yet");
    }
    log->begin = sizeof header;
    log->end = sizeof header;
    return ROTOR_OK;
}

/* Where a scan has come to. */
typedef struct log_scan {
    bool checkpointed;
    uint64_t last_sequence;
    bool next_known; /* `next` is the only number that the next frame may have */
    uint64_t next;
} log_scan;

static rotor_status fail_gap(const rotor_reference_log *log, rotor_error *error, const log_scan *scan,
                             uint64_t sequence) {
    const char *advice =
        scan->next_known && log->frames != 0 ? ADVICE : "restore log and data from one copy of the directory";
    return rotor_reference_fail(log->file->directory, log->file->name, error, ROTOR_DAMAGED,
                                "the record at byte %" PRIu64 " has sequence %" PRIu64 " where %s%" PRIu64
                                " must follow: leaves between are missing; %s",
                                log->end, sequence, scan->next_known ? "" : "at most ", scan->next, advice);
}

/* Takes one whole frame into account. */
static rotor_status accept(log_window *window, rotor_reference_log *log, log_scan *scan, const log_frame *frame,
                           rotor_error *error) {
    const uint8_t *head;
    rotor_reference_insert insert;
    if (frame->bytes < ROTOR_REFERENCE_LEAST_INSERT_BYTES) {
        return fail(log, error, "is whole but not one of an insert", frame->offset);
    }
    rotor_status status = window_get(window, &head, frame->offset, ROTOR_REFERENCE_INSERT_HEAD_BYTES, error);
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_reference_insert_decode(&insert, head);
    if (status == ROTOR_UNSUPPORTED) {
        return rotor_reference_fail(log->file->directory, log->file->name, error, status,
                                    "the version of the record at byte %" PRIu64 " is not known here", frame->offset);
    }
    if (status != ROTOR_OK) {
        return fail(log, error, "is whole but not one of an insert", frame->offset);
    }
    if (scan->next_known ? insert.sequence != scan->next : insert.sequence > scan->next) {
        return fail_gap(log, error, scan, insert.sequence);
    }
    if (insert.sequence == UINT64_MAX) {
        return fail(log, error, "has the highest of all sequence numbers", frame->offset);
    }
    scan->next = insert.sequence + 1;
    scan->next_known = true;
    log->frames++;
    log->end = frame->offset + frame->bytes;
    if (scan->checkpointed && insert.sequence <= scan->last_sequence) {
        log->begin = log->end;
    } else {
        log->leaves += insert.leaves; /* of as many bytes as the file has, so there is room for the sum */
    }
    return ROTOR_OK;
}

static rotor_status scan_frames(log_window *window, rotor_reference_log *log, log_scan *scan, rotor_error *error) {
    while (log->end < log->bytes) {
        log_frame frame;
        rotor_status status = examine(window, &frame, log->end, error);
        if (status != ROTOR_OK) {
            return status;
        }
        if (frame.kind != FRAME_WHOLE) {
            uint64_t most_frames = (log->bytes - log->end) / ROTOR_REFERENCE_LEAST_INSERT_BYTES;
            frame_search later = {.least = scan->next_known ? scan->next : 0,
                                  .most =
                                      scan->next <= UINT64_MAX - most_frames ? scan->next + most_frames : UINT64_MAX};
            return judge_end(window, &frame, &later, scan->next_known, error);
        }
        status = accept(window, log, scan, &frame, error);
        if (status != ROTOR_OK) {
            return status;
        }
    }
    return ROTOR_OK;
}

rotor_status rotor_reference_log_scan(rotor_reference_log *log, bool checkpointed, uint64_t last_sequence,
                                      rotor_error *error) {
    log_window window;
    rotor_status status = window_open(&window, log, error);
    if (status != ROTOR_OK) {
        return status;
    }
    /* Without a checkpoint the first frame is the tree's first. With one, the log may begin with frames that the
     * checkpoint covers. A checkpoint under the highest number of all leaves none for a frame behind it. */
    log_scan scan = {.checkpointed = checkpointed,
                     .last_sequence = last_sequence,
                     .next_known = !checkpointed,
                     .next = !checkpointed                ? 0
                             : last_sequence < UINT64_MAX ? last_sequence + 1
                                                          : UINT64_MAX};
    log->begin = ROTOR_REFERENCE_WAL_HEADER_BYTES;
    log->end = ROTOR_REFERENCE_WAL_HEADER_BYTES;
    log->frames = 0;
    log->leaves = 0;
    status = scan_frames(&window, log, &scan, error);
    free(window.bytes);
    return status;
}

/* ---------------------------------------------------------------- reading */

/* Leaves handed on at a time, so that inserts one by one arrive as batches; fewer where the file has no room for as
 * many. */
#define MOST_LEAVES ((size_t)1 << 15)

typedef struct leaf_output {
    rotor_hash *leaves;
    size_t room;
    size_t count;
    rotor_reference_leaves *call;
    void *context;
} leaf_output;

static rotor_status hand_on(leaf_output *output, rotor_error *error) {
    size_t count = output->count;
    output->count = 0;
    return count > 0 ? output->call(output->context, output->leaves, count, error) : ROTOR_OK;
}

static rotor_status take_leaves(leaf_output *output, const uint8_t *bytes, size_t count, rotor_error *error) {
    while (count > 0) {
        size_t room = output->room - output->count;
        size_t piece = count < room ? count : room;
        memcpy(output->leaves + output->count, bytes, piece * ROTOR_HASH_BYTES);
        output->count += piece;
        bytes += piece * ROTOR_HASH_BYTES;
        count -= piece;
        if (output->count == output->room) {
            rotor_status status = hand_on(output, error);
            if (status != ROTOR_OK) {
                return status;
            }
        }
    }
    return ROTOR_OK;
}

static rotor_status fail_changed(const rotor_reference_log *log, rotor_error *error, uint64_t offset) {
    return rotor_reference_fail(log->file->directory, log->file->name, error, ROTOR_DAMAGED,
                                "the record at byte %" PRIu64 " has changed while it was being read", offset);
}

/* Hands on the leaves of one frame and sums it up once more on the way. */
static rotor_status read_frame(log_window *window, uint64_t *offset, leaf_output *output, rotor_error *error) {
    const rotor_reference_log *log = window->log;
    const uint8_t *bytes;
    rotor_reference_insert insert;
    uint64_t begin = *offset;
    if (log->end - begin < ROTOR_REFERENCE_LEAST_INSERT_BYTES) {
        return fail_changed(log, error, begin);
    }
    rotor_status status = window_get(window, &bytes, begin, ROTOR_REFERENCE_INSERT_HEAD_BYTES, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (rotor_reference_insert_decode(&insert, bytes) != ROTOR_OK ||
        insert.leaves > (log->end - begin) / ROTOR_HASH_BYTES) {
        return fail_changed(log, error, begin);
    }
    uint32_t crc = rotor_crc32c(0, bytes, insert.leaves_offset);
    uint64_t place = begin + insert.leaves_offset;
    for (uint64_t rest = insert.leaves; rest > 0;) {
        size_t piece = rest < WINDOW_BYTES / ROTOR_HASH_BYTES ? (size_t)rest : WINDOW_BYTES / ROTOR_HASH_BYTES;
        status = window_get(window, &bytes, place, piece * ROTOR_HASH_BYTES, error);
        if (status != ROTOR_OK) {
            return status;
        }
        crc = rotor_crc32c(crc, bytes, piece * ROTOR_HASH_BYTES);
        status = take_leaves(output, bytes, piece, error);
        if (status != ROTOR_OK) {
            return status;
        }
        place += piece * ROTOR_HASH_BYTES;
        rest -= piece;
    }
    uint32_t stored = 0;
    if (log->end - place < 4) {
        return fail_changed(log, error, begin);
    }
    status = read_u32(window, &stored, place, error);
    *offset = place + 4;
    return status == ROTOR_OK && stored != crc ? fail_changed(log, error, begin) : status;
}

rotor_status rotor_reference_log_read(const rotor_reference_log *log, rotor_reference_leaves *leaves, void *context,
                                      rotor_error *error) {
    log_window window;
    uint64_t most = log->bytes / ROTOR_HASH_BYTES + 1;
    leaf_output output = {.room = most < MOST_LEAVES ? (size_t)most : MOST_LEAVES, .call = leaves, .context = context};
    output.leaves = malloc(output.room * sizeof *output.leaves);
    if (output.leaves == NULL) {
        return rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory to read a log");
    }
    rotor_status status = window_open(&window, log, error);
    if (status == ROTOR_OK) {
        uint64_t offset = log->begin;
        while (status == ROTOR_OK && offset < log->end) {
            status = read_frame(&window, &offset, &output, error);
        }
        if (status == ROTOR_OK) {
            status = hand_on(&output, error);
        }
        free(window.bytes);
    }
    free(output.leaves);
    return status;
}
