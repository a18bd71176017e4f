/* A folder for trees on disk; see folder.h. */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define READ_BYTES ((size_t)1 << 20)

/* Empty when there is none. */
static char folder[4096];

/* ---------------------------------------------------------------- the file system */

/* The type in a line of /proc/self/mountinfo, "ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAG...] - TYPE ...", if
 * it is the line of this device. */
static bool type_of_line(char *out, size_t capacity, char *line, dev_t device) {
    char *rest = NULL;
    (void)strtok_r(line, " ", &rest);
    (void)strtok_r(NULL, " ", &rest);
    const char *number = strtok_r(NULL, " ", &rest);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%u:%u", major(device), minor(device));
    if (number == NULL || strcmp(number, wanted) != 0) {
        return false;
    }
    for (const char *word = number; word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (strcmp(word, "-") == 0) {
            const char *type = strtok_r(NULL, " \n", &rest);
            snprintf(out, capacity, "%s", type != NULL ? type : "unknown");
            return true;
        }
    }
    return false;
}

void rotor_bench_file_system(char *out, size_t capacity, const char *dir) {
    struct stat facts;
    struct statfs kind;
    snprintf(out, capacity, "unknown");
    if (stat(dir, &facts) != 0 || statfs(dir, &kind) != 0) {
        return;
    }
    snprintf(out, capacity, "type 0x%lx", (unsigned long)kind.f_type);
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    if (mounts == NULL) {
        return;
    }
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, mounts) > 0 && !type_of_line(out, capacity, line, facts.st_dev)) {
    }
    free(line);
    fclose(mounts);
}

/* NULL: a place to measure a disk. */
static const char *why_not(const char *dir, uint64_t bytes) {
    struct statfs kind;
    struct statvfs space;
    if (statfs(dir, &kind) != 0 || statvfs(dir, &space) != 0) {
        return strerror(errno);
    }
    if (kind.f_type == TMPFS_MAGIC || kind.f_type == RAMFS_MAGIC) {
        return "the folder is in memory; name one on a disk with --dir";
    }
    if ((uint64_t)space.f_bavail * space.f_frsize < bytes) {
        return "too little space is free there; name another folder with --dir";
    }
    return NULL;
}

/* ---------------------------------------------------------------- the folder */

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *where) {
    (void)facts;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_all(const char *path) {
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        fprintf(stderr, "rotortree-bench: cannot remove %s: %s\n", path, strerror(errno));
    }
}

void rotor_bench_folder_remove(void) {
    if (folder[0] != '\0') {
        remove_all(folder);
        folder[0] = '\0';
    }
}

bool rotor_bench_folder_make(const rotor_bench *bench, const char *suite, uint64_t bytes) {
    static bool removed_at_exit;
    const char *reason = why_not(bench->dir, bytes);
    if (reason == NULL) {
        if (!removed_at_exit) {
            removed_at_exit = atexit(rotor_bench_folder_remove) == 0;
        }
        int length = snprintf(folder, sizeof folder, "%s/rotortree-bench-XXXXXX", bench->dir);
        if (length < 0 || (size_t)length >= sizeof folder) {
            reason = strerror(ENAMETOOLONG);
        } else if (mkdtemp(folder) == NULL) {
            reason = strerror(errno);
        }
    }
    if (reason != NULL) {
        folder[0] = '\0';
        rotor_bench_skip(bench->output, suite, reason);
    }
    return reason == NULL;
}

rotor_bench_path rotor_bench_folder_path(const char *name) {
    rotor_bench_path path;
    snprintf(path.text, sizeof path.text, "%s/%s", folder, name);
    return path;
}

void rotor_bench_folder_clear(const char *name) {
    rotor_bench_path path = rotor_bench_folder_path(name);
    remove_all(path.text);
}

/* ---------------------------------------------------------------- its files */

/* Calls `visit` with each file of the folder's directory `name`, open for reading. */
static void visit_files(const char *name, void (*visit)(int file, void *context), void *context) {
    rotor_bench_path path = rotor_bench_folder_path(name);
    DIR *directory = opendir(path.text);
    if (directory == NULL) {
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        int file = entry->d_name[0] != '.' ? openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC) : -1;
        if (file >= 0) {
            visit(file, context);
            close(file);
        }
    }
    closedir(directory);
}

static void cool_file(int file, void *context) {
    (void)context;
    /* Only what the disk has already can leave the cache. */
    if (fdatasync(file) == 0) {
        (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    }
}

void rotor_bench_folder_cool(const char *name) {
    visit_files(name, cool_file, NULL);
}

static void map_file(int file, void *context) {
    (void)context;
    struct stat facts;
    if (fstat(file, &facts) == 0 && facts.st_size > 0) {
        void *memory = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (memory != MAP_FAILED) {
            munmap(memory, (size_t)facts.st_size);
        }
    }
}

double rotor_bench_folder_map_ns(const char *name) {
    uint64_t begin = rotor_bench_wall_ns();
    visit_files(name, map_file, NULL);
    return (double)(rotor_bench_wall_ns() - begin);
}

static void read_file(int file, void *context) {
    while (read(file, context, READ_BYTES) > 0) {
    }
}

double rotor_bench_folder_read_ns(const char *name) {
    void *buffer = rotor_bench_allocate(READ_BYTES);
    uint64_t begin = rotor_bench_wall_ns();
    visit_files(name, read_file, buffer);
    double ns = (double)(rotor_bench_wall_ns() - begin);
    free(buffer);
    return ns;
}

typedef struct page_reads {
    rotor_bench_samples ns;
    uint64_t random;
} page_reads;

enum { reads = 8, page = 4096, large = 64 << 20 };

static void fault_pages(int file, void *context) {
    page_reads *all = context;
    struct stat facts;
    if (fstat(file, &facts) != 0 || facts.st_size < large) {
        return;
    }
    size_t bytes = (size_t)facts.st_size;
    volatile const uint8_t *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file, 0);
    if (memory == MAP_FAILED) {
        return;
    }
    for (unsigned i = 0; i < reads; i++) {
        uint64_t at = rotor_bench_random(&all->random) % bytes;
        uint64_t begin = rotor_bench_wall_ns();
        (void)memory[at];
        rotor_bench_add(&all->ns, (double)(rotor_bench_wall_ns() - begin));
    }
    munmap((void *)(uintptr_t)memory, bytes);
}

static void read_pages(int file, void *context) {
    page_reads *all = context;
    uint8_t buffer[page];
    struct stat facts;
    if (fstat(file, &facts) != 0 || facts.st_size < large) {
        return;
    }
    (void)posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
    for (unsigned i = 0; i < reads; i++) {
        uint64_t at = rotor_bench_random(&all->random) % ((uint64_t)facts.st_size / page) * page;
        uint64_t begin = rotor_bench_wall_ns();
        if (pread(file, buffer, page, (off_t)at) == page) {
            rotor_bench_add(&all->ns, (double)(rotor_bench_wall_ns() - begin));
        }
    }
}

double rotor_bench_folder_page_ns(const char *name) {
    page_reads all = {.random = 77};
    visit_files(name, read_pages, &all);
    return rotor_bench_median(&all.ns);
}

double rotor_bench_folder_fault_ns(const char *name) {
    page_reads all = {.random = 78};
    visit_files(name, fault_pages, &all);
    return rotor_bench_median(&all.ns);
}
