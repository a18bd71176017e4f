/* A hostile directory: names and lengths of files that claim to hold nodes. Names that are accepted are canonical, what
 * is missing is found, nothing is read from where it does not belong, and what is written is read back.
 *
 * Input: shard bits, level, links of every file, one spare byte; number of nodes, first node, count (8 bytes each);
 * then files: length of the name, the name, the length of the file in 8 bytes, of which the highest bit makes it a
 * directory. */
#include "demand.h"

#include "base/bytes.h"
#include "os/file.h"
#include "rotortree.h"
#include "store/level_files.h"
#include "store/superblock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FILES 24
#define MOST_COUNT 700
#define HEAD 28

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---------------------------------------------------------------- the directory, in memory */

/* Bytes are a function of the file's seed and their offset, but for a window that was written. */
typedef struct memory_file {
    char name[256];
    uint64_t length;
    uint64_t links;
    bool is_directory;
    uint8_t seed;
    uint64_t written_at;
    uint64_t written_bytes;
    uint8_t written[32 * MOST_COUNT];
} memory_file;

typedef struct memory {
    size_t count;
    memory_file files[MOST_FILES];
    uint8_t links;
} memory;

static uint8_t byte_at(const memory_file *file, uint64_t offset) {
    if (offset >= file->written_at && offset - file->written_at < file->written_bytes) {
        return file->written[offset - file->written_at];
    }
    return (uint8_t)(file->seed + offset * 31 + (offset >> 8));
}

static memory_file *find(memory *directory, const char *name) {
    for (size_t i = 0; i < directory->count; i++) {
        if (strcmp(directory->files[i].name, name) == 0) {
            return &directory->files[i];
        }
    }
    return NULL;
}

static memory_file *add(memory *directory, const char *name, size_t name_bytes) {
    if (directory->count == MOST_FILES) {
        return NULL;
    }
    memory_file *file = &directory->files[directory->count];
    memset(file, 0, sizeof *file);
    memcpy(file->name, name, name_bytes);
    file->seed = (uint8_t)directory->count++;
    file->links = 1;
    return file;
}

static int memory_open_directory(void *context, const char *path) {
    (void)context;
    (void)path;
    return 1000;
}

static int memory_sync(void *context, int file) {
    (void)context;
    (void)file;
    return 0;
}

static int memory_open(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    memory *all = context;
    (void)mode;
    demand(directory == 1000);
    memory_file *file = find(all, name);
    if (file == NULL) {
        if ((flags & ROTOR_OS_CREATE) == 0) {
            return -ENOENT;
        }
        file = add(all, name, strlen(name));
        if (file == NULL) {
            return -ENOSPC;
        }
    }
    if (file->is_directory) {
        return -EISDIR;
    }
    if ((flags & ROTOR_OS_TRUNCATE) != 0) {
        file->length = 0;
    }
    return (int)(file - all->files);
}

static int memory_close(void *context, int file) {
    (void)context;
    (void)file;
    return 0;
}

static int64_t memory_read(void *context, int handle, void *bytes, size_t count, uint64_t offset) {
    const memory_file *file = &((memory *)context)->files[handle];
    if (offset >= file->length) {
        return 0;
    }
    count = count < file->length - offset ? count : (size_t)(file->length - offset);
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)bytes)[i] = byte_at(file, offset + i);
    }
    return (int64_t)count;
}

static int64_t memory_write(void *context, int handle, const void *bytes, size_t count, uint64_t offset) {
    memory_file *file = &((memory *)context)->files[handle];
    demand(count <= sizeof file->written && file->links == 1);
    memcpy(file->written, bytes, count);
    file->written_at = offset;
    file->written_bytes = count;
    if (file->length < offset + count) {
        file->length = offset + count;
    }
    return (int64_t)count;
}

static int memory_status(void *context, int handle, rotor_os_status *status) {
    const memory_file *file = &((memory *)context)->files[handle];
    *status = (rotor_os_status){.bytes = file->length, .links = file->links};
    return 0;
}

static int memory_truncate(void *context, int handle, uint64_t bytes) {
    ((memory *)context)->files[handle].length = bytes;
    return 0;
}

static int memory_clone(void *context, int to, int from) {
    memory *all = context;
    demand(all->files[to].length == 0 && all->files[to].links == 1);
    all->files[to].length = all->files[from].length;
    all->files[to].seed = all->files[from].seed;
    return 0;
}

static int memory_unlink(void *context, int directory, const char *name) {
    memory_file *file = find(context, name);
    (void)directory;
    if (file == NULL) {
        return -ENOENT;
    }
    file->name[0] = '\0';
    return 0;
}

static int memory_rename(void *context, int directory, const char *from, const char *to) {
    memory_file *file = find(context, from);
    memory_file *replaced = find(context, to);
    (void)directory;
    demand(file != NULL);
    if (replaced != NULL) {
        replaced->name[0] = '\0';
        replaced->links--;
    }
    memset(file->name, 0, sizeof file->name);
    memcpy(file->name, to, strlen(to));
    return 0;
}

/* ---------------------------------------------------------------- what is expected */

static const memory_file *shard_of(const memory *directory, uint32_t level, uint64_t shard) {
    for (size_t i = 0; i < directory->count; i++) {
        uint32_t its_level;
        uint64_t its_shard;
        if (rotor_level_file_parse(directory->files[i].name, &its_level, &its_shard) && its_level == level &&
            its_shard == shard) {
            return &directory->files[i];
        }
    }
    return NULL;
}

static bool holds(const memory *directory, uint32_t bits, uint32_t level, uint64_t first, uint64_t count) {
    uint64_t end = first + count;
    for (uint64_t shard = first >> bits; count != 0 && shard <= (end - 1) >> bits; shard++) {
        const memory_file *file = shard_of(directory, level, shard);
        uint64_t before = shard << bits;
        uint64_t needed = end - before < UINT64_C(1) << bits ? end - before : UINT64_C(1) << bits;
        if (file == NULL || file->is_directory || file->length / 32 < needed) {
            return false;
        }
    }
    return true;
}

static void demand_words(const rotor_error *error, rotor_status status) {
    demand(error->status == status && memchr(error->message, '\0', sizeof error->message) != NULL);
    demand(strstr(error->message, "level-") != NULL);
}

static void demand_canonical_names(const memory *directory) {
    for (size_t i = 0; i < directory->count; i++) {
        uint32_t level;
        uint64_t shard;
        char name[40];
        if (rotor_level_file_parse(directory->files[i].name, &level, &shard)) {
            rotor_level_file_name(name, level, shard);
            demand(level <= ROTOR_MAX_DEPTH && strcmp(name, directory->files[i].name) == 0);
        }
    }
}

static void read_and_compare(memory *all, rotor_directory *directory, uint32_t bits, uint32_t level, uint64_t first,
                             uint64_t count) {
    uint8_t *nodes = malloc(32 * count + 1);
    rotor_error error;
    demand(nodes != NULL);
    rotor_status status = rotor_level_files_read(directory, bits, level, first, count, nodes, &error);
    demand(status == (holds(all, bits, level, first, count) ? ROTOR_OK : ROTOR_DAMAGED));
    demand(rotor_level_files_sync_range(directory, bits, level, first, count, NULL) == status);
    if (status != ROTOR_OK) {
        demand_words(&error, status);
    }
    for (uint64_t i = 0; status == ROTOR_OK && i < 32 * count; i++) {
        uint64_t node = first + i / 32;
        uint64_t within = node & ((UINT64_C(1) << bits) - 1);
        demand(nodes[i] == byte_at(shard_of(all, level, node >> bits), 32 * within + i % 32));
    }
    free(nodes);
}

static void write_and_compare(rotor_directory *directory, uint32_t bits, uint32_t level, uint64_t first,
                              uint64_t count) {
    uint8_t *nodes = malloc(64 * count + 1);
    rotor_error error;
    rotor_level_files files;
    demand(nodes != NULL);
    memset(nodes, 0xa5, 32 * count);
    rotor_level_files_init(&files, directory, bits);
    rotor_status status = rotor_level_files_write(&files, level, first, count, nodes, &error);
    demand(status == ROTOR_OK || status == ROTOR_IO || status == ROTOR_DAMAGED);
    if (status == ROTOR_OK) {
        demand(rotor_level_files_sync(&files, &error) == ROTOR_OK);
        demand(rotor_level_files_read(directory, bits, level, first, count, nodes + 32 * count, &error) == ROTOR_OK);
        demand(memcmp(nodes, nodes + 32 * count, 32 * count) == 0);
    } else {
        demand_words(&error, status);
    }
    rotor_level_files_close(&files);
    free(nodes);
}

static void add_files(memory *all, const uint8_t *data, size_t size) {
    while (size >= 1 && size - 1 >= data[0] + (size_t)8) {
        char name[256] = {0};
        size_t name_bytes = data[0];
        memcpy(name, data + 1, name_bytes);
        uint64_t length = rotor_get_u64(data + 1 + name_bytes);
        data += 9 + name_bytes;
        size -= 9 + name_bytes;
        name_bytes = strlen(name);
        if (name_bytes == 0 || find(all, name) != NULL) {
            continue;
        }
        memory_file *file = add(all, name, name_bytes);
        if (file == NULL) {
            return;
        }
        file->is_directory = length >> 63 != 0;
        file->length = length & (UINT64_MAX >> 2);
        file->links = all->links;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEAD) {
        return 0;
    }
    const uint64_t most_nodes = UINT64_C(1) << 58;
    uint32_t bits = ROTOR_MIN_SHARD_BITS + data[0] % (ROTOR_MAX_SHARD_BITS - ROTOR_MIN_SHARD_BITS + 1u);
    uint32_t level = data[1] % (ROTOR_MAX_DEPTH + 1u);
    uint64_t nodes = rotor_get_u64(data + 4) % (most_nodes + 1);
    uint64_t first = rotor_get_u64(data + 12) % most_nodes;
    uint64_t count = rotor_get_u64(data + 20) % MOST_COUNT;
    count = count < most_nodes - first ? count : most_nodes - first;
    memory *all = calloc(1, sizeof *all);
    demand(all != NULL);
    all->links = data[2] % 4;
    add_files(all, data + HEAD, size - HEAD);
    demand_canonical_names(all);

    rotor_os os = {.context = all,
                   .open_directory = memory_open_directory,
                   .sync_directory = memory_sync,
                   .open = memory_open,
                   .close = memory_close,
                   .read = memory_read,
                   .write = memory_write,
                   .sync = memory_sync,
                   .truncate = memory_truncate,
                   .status = memory_status,
                   .unlink = memory_unlink,
                   .rename = memory_rename,
                   .clone = memory_clone};
    rotor_directory directory;
    rotor_error error;
    demand(rotor_directory_open(&directory, &os, "tree", 0600, NULL) == ROTOR_OK);
    rotor_status status = rotor_level_files_check_lengths(&directory, bits, level, nodes, &error);
    demand(status == (holds(all, bits, level, 0, nodes) ? ROTOR_OK : ROTOR_DAMAGED));
    if (status != ROTOR_OK) {
        demand_words(&error, status);
    }
    read_and_compare(all, &directory, bits, level, first, count);
    write_and_compare(&directory, bits, level, first, count);
    rotor_directory_close(&directory);
    free(all);
    return 0;
}
