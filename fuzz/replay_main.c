/* Runs a fuzz target over files and folders (their files, not those of folders below), without a fuzzer: corpora serve
 * as tests on every compiler. Fails when it found no file at all. */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LARGEST_INPUT (1u << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of exactly its length, so that a sanitizer sees reads past the end. */
static int replay_file(const char *path, size_t bytes) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = bytes <= LARGEST_INPUT ? malloc(bytes != 0 ? bytes : 1) : NULL;
    int failed = file == NULL || data == NULL || fread(data, 1, bytes, file) != bytes;
    if (failed) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
    } else {
        (void)LLVMFuzzerTestOneInput(data, bytes);
    }
    free(data);
    if (file != NULL) {
        (void)fclose(file);
    }
    return failed ? -1 : 1;
}

static int replay_folder(const char *path);

/* The number of files replayed, or -1. */
static int replay(const char *path, int within_folder) {
    struct stat facts;
    if (stat(path, &facts) != 0) {
        (void)fprintf(stderr, "%s: does not exist\n", path);
        return -1;
    }
    if (S_ISDIR(facts.st_mode)) {
        return within_folder ? 0 : replay_folder(path);
    }
    return replay_file(path, (size_t)facts.st_size);
}

static int replay_folder(const char *path) {
    char name[4096];
    int count = 0;
    DIR *folder = opendir(path);
    if (folder == NULL) {
        (void)fprintf(stderr, "%s: cannot be opened\n", path);
        return -1;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        int replayed = length > 0 && (size_t)length < sizeof name ? replay(name, 1) : -1;
        if (replayed < 0) {
            (void)closedir(folder);
            return -1;
        }
        count += replayed;
    }
    (void)closedir(folder);
    return count;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 1; i < argc; i++) {
        int replayed = replay(argv[i], 0);
        if (replayed < 0) {
            return 1;
        }
        count += replayed;
    }
    (void)printf("%d inputs replayed\n", count);
    return count > 0 ? 0 : 1;
}
