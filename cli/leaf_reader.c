/* Leaves from a file or standard input, see leaf_reader.h.
 *
 * Reads with read() into memory that is used again and again rather than through a mapping: a mapped page costs a fault
 * (some 0.5 us, 25 ns for each line on it), and a file that is cut while it is read would end the process. */
#include "leaf_reader.h"

#include "hex.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Stays in the second-level cache between the kernel's copy and the decoding. */
#define BUFFER_BYTES ((size_t)256 * 1024)
/* Digits, CR, LF. */
#define LONGEST_LINE (HASH_DIGITS + 2)

/* Bytes between the present position and the end of a regular file; 0 for all else. */
static uint64_t bytes_ahead(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return 0;
    }
    off_t position = lseek(fd, 0, SEEK_CUR);
    return position < 0 || position >= status.st_size ? 0 : (uint64_t)(status.st_size - position);
}

bool rotor_cli_reader_open(leaf_reader *reader, const char *path, leaf_format format) {
    memset(reader, 0, sizeof *reader);
    reader->format = format;
    if (strcmp(path, "-") == 0) {
        reader->name = "standard input";
        reader->fd = STDIN_FILENO;
    } else {
        reader->name = path;
        reader->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (reader->fd < 0) {
            snprintf(reader->message, sizeof reader->message, "%s", strerror(errno));
            return false;
        }
        reader->owns_fd = true;
    }
    if (format == LEAF_HEX) {
        reader->buffer = malloc(BUFFER_BYTES);
        if (reader->buffer == NULL) {
            snprintf(reader->message, sizeof reader->message, "out of memory");
            rotor_cli_reader_close(reader);
            return false;
        }
    }
    reader->total_bytes = bytes_ahead(reader->fd);
    return true;
}

void rotor_cli_reader_close(leaf_reader *reader) {
    if (reader->owns_fd) {
        close(reader->fd);
        reader->owns_fd = false;
    }
    free(reader->buffer);
    reader->buffer = NULL;
}

/* Whether a read would find something, be it the end or an error. */
static bool has_more(const leaf_reader *reader) {
    struct pollfd waiting = {.fd = reader->fd, .events = POLLIN};
    return poll(&waiting, 1, 0) != 0;
}

/* One read of up to `most` bytes; sets at_end when there are none. */
static bool read_some(leaf_reader *reader, void *into, size_t most, size_t *got) {
    ssize_t bytes;
    do {
        bytes = read(reader->fd, into, most);
    } while (bytes < 0 && errno == EINTR);
    *got = bytes < 0 ? 0 : (size_t)bytes;
    if (bytes < 0) {
        snprintf(reader->message, sizeof reader->message, "%s", strerror(errno));
        return false;
    }
    reader->at_end = bytes == 0;
    reader->read_bytes += *got;
    return true;
}

/* Says what is wrong with the line that starts at reader->start, of which `length` bytes are there: the whole line, or
 * more than a line may have. Returns false. */
static bool bad_line(leaf_reader *reader, size_t length) {
    const char *text = reader->buffer + reader->start;
    size_t digits = rotor_cli_hex_span(text, length);
    if (digits > HASH_DIGITS) {
        digits = HASH_DIGITS;
    }
    unsigned char c = digits < length ? (unsigned char)text[digits] : '\n';
    bool ends = c == '\n' || (c == '\r' && (digits + 1 == length || text[digits + 1] == '\n'));
    char where[40];
    snprintf(where, sizeof where, "line %" PRIu64, reader->line + 1);
    char what[24];
    if (c > ' ' && c <= '~') {
        snprintf(what, sizeof what, "'%c'", c);
    } else {
        snprintf(what, sizeof what, "byte 0x%02x", c);
    }
    if (ends && digits == 0) {
        snprintf(reader->message, sizeof reader->message, "%s: is blank where 64 hexadecimal digits belong", where);
    } else if (ends && digits < HASH_DIGITS) {
        snprintf(reader->message, sizeof reader->message, "%s: has %zu hexadecimal digits where 64 belong", where,
                 digits);
    } else if (digits < HASH_DIGITS) {
        snprintf(reader->message, sizeof reader->message, "%s: column %zu: %s is not a hexadecimal digit%s", where,
                 digits + 1, what, c < '\t' || c > '~' ? " (raw records are read with --format raw)" : "");
    } else {
        snprintf(reader->message, sizeof reader->message, "%s: column %zu: %s after the 64 hexadecimal digits", where,
                 HASH_DIGITS + 1, what);
    }
    return false;
}

/* The line at reader->start, which may be the last one and short of LONGEST_LINE. */
static bool slow_line(leaf_reader *reader, rotor_hash *leaf) {
    const char *text = reader->buffer + reader->start;
    size_t rest = reader->end - reader->start;
    size_t checked = rest < LONGEST_LINE ? rest : LONGEST_LINE;
    const char *feed = memchr(text, '\n', checked);
    size_t length = feed != NULL ? (size_t)(feed - text) + 1 : checked;
    bool whole = feed != NULL ? length == HASH_DIGITS + 1 || (length == LONGEST_LINE && text[HASH_DIGITS] == '\r')
                              : rest == HASH_DIGITS;
    if (!whole || !rotor_cli_hex_decode(leaf, text)) {
        return bad_line(reader, length);
    }
    reader->start += length;
    return true;
}

/* Decodes the lines that lie in the buffer, stops at the first that may go on behind its end. */
static bool decode_lines(leaf_reader *reader, rotor_hash *leaves, size_t capacity, size_t *count) {
    while (*count < capacity && reader->start < reader->end) {
        const char *text = reader->buffer + reader->start;
        size_t rest = reader->end - reader->start;
        if (rest >= LONGEST_LINE && text[HASH_DIGITS] == '\n' && rotor_cli_hex_decode(&leaves[*count], text)) {
            reader->start += HASH_DIGITS + 1;
        } else if (rest < LONGEST_LINE && !reader->at_end && memchr(text, '\n', rest) == NULL) {
            return true;
        } else if (!slow_line(reader, &leaves[*count])) {
            return false;
        }
        *count += 1;
        reader->line++;
    }
    return true;
}

static bool next_lines(leaf_reader *reader, rotor_hash *leaves, size_t capacity, size_t *count) {
    for (;;) {
        if (!decode_lines(reader, leaves, capacity, count)) {
            return false;
        }
        if (*count == capacity || reader->at_end || (*count > 0 && !has_more(reader))) {
            return true;
        }
        size_t rest = reader->end - reader->start;
        memmove(reader->buffer, reader->buffer + reader->start, rest);
        reader->start = 0;
        reader->end = rest;
        size_t got = 0;
        if (!read_some(reader, reader->buffer + rest, BUFFER_BYTES - rest, &got)) {
            return false;
        }
        reader->end += got;
    }
}

static bool next_records(leaf_reader *reader, rotor_hash *leaves, size_t capacity, size_t *count) {
    size_t bytes = 0;
    size_t most = capacity * ROTOR_HASH_BYTES;
    bool good = true;
    while (good && bytes < most && !reader->at_end) {
        if (bytes > 0 && bytes % ROTOR_HASH_BYTES == 0 && !has_more(reader)) {
            break;
        }
        size_t got = 0;
        good = read_some(reader, (char *)leaves + bytes, most - bytes, &got);
        bytes += got;
    }
    *count = bytes / ROTOR_HASH_BYTES;
    reader->line += *count;
    size_t rest = bytes % ROTOR_HASH_BYTES;
    if (good && rest != 0) {
        snprintf(reader->message, sizeof reader->message,
                 "offset %" PRIu64 ": the input ends %zu byte%s into a record of 32", reader->line * ROTOR_HASH_BYTES,
                 rest, rest == 1 ? "" : "s");
        good = false;
    }
    return good;
}

bool rotor_cli_reader_next(leaf_reader *reader, rotor_hash *leaves, size_t capacity, size_t *count) {
    *count = 0;
    return reader->format == LEAF_HEX ? next_lines(reader, leaves, capacity, count)
                                      : next_records(reader, leaves, capacity, count);
}
