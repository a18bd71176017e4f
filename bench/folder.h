/* A temporary folder on a real file system, for the trees that the suites keep on disk. It is removed when the program
 * ends, also by a wrong result; not when it is killed. One at a time. */
#ifndef ROTOR_BENCH_FOLDER_H
#define ROTOR_BENCH_FOLDER_H

#include "bench.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rotor_bench_path {
    char text[4352];
} rotor_bench_path;

/* Type of the file system that `dir` is on, as the system names it. */
void rotor_bench_file_system(char *out, size_t capacity, const char *dir);

/* Makes the folder in bench->dir. Where that is no place to measure a disk (it is in memory, or has less than `bytes`
 * free, or cannot be written to) prints that `suite` is skipped, and why, and returns false. */
bool rotor_bench_folder_make(const rotor_bench *bench, const char *suite, uint64_t bytes);
/* With all that is in it. */
void rotor_bench_folder_remove(void);

/* The path of a name in the folder; and removing what has that name. */
rotor_bench_path rotor_bench_folder_path(const char *name);
void rotor_bench_folder_clear(const char *name);

/* What the files in the folder's directory `name` cost without a tree, ns: opening and mapping each of them and letting
 * go again; reading all their bytes, as far as the page cache has them; one page at a random place of a large one,
 * after rotor_bench_folder_cool(): the median of some. */
double rotor_bench_folder_map_ns(const char *name);
double rotor_bench_folder_read_ns(const char *name);
double rotor_bench_folder_page_ns(const char *name);
/* The first touch of such a page in a mapping of its file, while it is in the cache. */
double rotor_bench_folder_fault_ns(const char *name);

/* Takes the files in the folder's directory `name` out of the page cache, as far as the system does so: what is mapped
 * by a process stays. */
void rotor_bench_folder_cool(const char *name);

#endif
