/* What the longer examples share and what is not about trees: ending with a message, made-up leaves, a directory that
 * goes away at the end, a clock. */
#ifndef ROTORTREE_EXAMPLE_H
#define ROTORTREE_EXAMPLE_H

#include <dirent.h>
#include <fcntl.h>
#include <rotortree.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Ends the program when something is not as it should be. */
__attribute__((format(printf, 2, 3))) static inline void require(bool holds, const char *format, ...) {
    if (!holds) {
        va_list arguments;
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        exit(1);
    }
}

static inline void must(rotor_status status, const char *what) {
    require(status == ROTOR_OK, "%s: %s (%s)", what, rotor_status_message(status), rotor_status_name(status));
}

static inline rotor_tree *must_open(const char *path, const rotor_options *options) {
    rotor_tree *tree = NULL;
    rotor_error error;
    require(rotor_open(&tree, path, options, &error) == ROTOR_OK, "open: %s", error.message);
    return tree;
}

static inline void must_close(rotor_tree *tree) {
    rotor_error error;
    require(rotor_close(tree, &error) == ROTOR_OK, "close: %s", error.message);
}

/* Made-up leaves stand for hashes of something: the same (series, index) gives the same 32 bytes. */
static inline rotor_hash made_up_leaf(uint64_t series, uint64_t index) {
    rotor_hash leaf;
    uint64_t state = series * 0x9e3779b97f4a7c15u ^ index * 0xd1b54a32d192ed03u;
    for (size_t at = 0; at < sizeof leaf.bytes; at += sizeof state) {
        state ^= state >> 31;
        state = state * 0xbf58476d1ce4e5b9u + 0x94d049bb133111ebu;
        memcpy(leaf.bytes + at, &state, sizeof state);
    }
    return leaf;
}

static inline bool same_hash(const rotor_hash *a, const rotor_hash *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static char scratch_directory[4096];

static inline void remove_scratch_directory(void) {
    DIR *directory = opendir(scratch_directory);
    if (directory != NULL) {
        const struct dirent *entry = NULL;
        while ((entry = readdir(directory)) != NULL) {
            if (entry->d_name[0] != '.') {
                unlinkat(dirfd(directory), entry->d_name, 0);
            }
        }
        closedir(directory);
    }
    if (rmdir(scratch_directory) != 0) {
        perror(scratch_directory);
    }
}

/* A new, empty directory that is removed with its files when the program exits. */
static inline const char *make_scratch_directory(void) {
    const char *parent = getenv("TMPDIR");
    int length = snprintf(scratch_directory, sizeof scratch_directory, "%s/rotortree-example-XXXXXX",
                          parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    require(length > 0 && (size_t)length < sizeof scratch_directory, "TMPDIR is too long");
    require(mkdtemp(scratch_directory) != NULL, "no directory could be made at %s", scratch_directory);
    require(atexit(remove_scratch_directory) == 0, "atexit failed");
    return scratch_directory;
}

static inline double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
