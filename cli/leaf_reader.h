/* Leaves from a file or standard input: lines of 64 hexadecimal digits, or raw records of 32 bytes. Knows nothing of
 * trees, prints nothing. */
#ifndef ROTOR_CLI_LEAF_READER_H
#define ROTOR_CLI_LEAF_READER_H

#include "rotortree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum leaf_format {
    LEAF_HEX, /* lines end in LF or CR LF; the last one may lack its end */
    LEAF_RAW,
} leaf_format;

typedef struct leaf_reader {
    int fd;
    bool owns_fd;
    bool at_end;
    leaf_format format;
    const char *name;     /* for messages */
    uint64_t total_bytes; /* that are left to read from the start on; 0 when that is not known */
    uint64_t read_bytes;
    uint64_t line;     /* hex: lines delivered; raw: records delivered */
    char *buffer;      /* hex only */
    size_t start;      /* of what is not decoded yet */
    size_t end;        /* of what has been read */
    char message[160]; /* why the last call failed */
} leaf_reader;

/* Opens `path`, "-" for standard input. False with `message` set when that fails. */
bool rotor_cli_reader_open(leaf_reader *reader, const char *path, leaf_format format);

/* Stores up to `capacity` leaves, none only at the end: waits for the first, and for more only while the input has some
 * ready, so that leaves that trickle through a pipe are not kept back. False with `message` set when the input cannot
 * be read or is not made of leaves; the leaves before that place are stored and counted. */
bool rotor_cli_reader_next(leaf_reader *reader, rotor_hash *leaves, size_t capacity, size_t *count);

void rotor_cli_reader_close(leaf_reader *reader);

#endif
