/* The state of a simulated file system: for all files and names a live copy and the disk's copy, with the changes
 * between them that no sync has covered, and what a failure of power makes of those changes. Each is kept, lost, done
 * to some of its 512-byte sectors, or leaves something else where it was being written; bytes outside of such changes
 * are never harmed. Knows nothing of calls (sim_files.h), nor of what the files hold. */
#ifndef ROTOR_TESTS_SIM_DISK_H
#define ROTOR_TESTS_SIM_DISK_H

#include "os/os.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIM_SECTOR 512
#define SIM_NAME 48
#define SIM_DIRECTORIES 4
#define SIM_HANDLES 160
#define SIM_FIRST_HANDLE 100 /* so that a handle is never mistaken for one of the system's */

/* A growing array of bytes; what is behind `size` is zero, so that a file that grows shows zeros. */
typedef struct sim_bytes {
    uint8_t *data;
    uint64_t size;
    uint64_t capacity;
} sim_bytes;

/* Something done to a file's contents that no sync has covered. */
typedef struct sim_effect {
    uint64_t order;
    bool cuts; /* to `offset` bytes; else a write */
    uint64_t offset;
    sim_bytes bytes;
} sim_effect;

typedef struct sim_file {
    char name[SIM_NAME]; /* under which it was created */
    sim_bytes live;
    sim_bytes disk;
    sim_effect *effects;
    size_t effect_count;
    size_t effect_capacity;
    int memory; /* a file of the system's with the live contents, once it has been mapped, or -1 */
    int locked_by;
} sim_file;

typedef struct sim_entry {
    char name[SIM_NAME];
    uint32_t file;
} sim_entry;

typedef struct sim_names {
    sim_entry *entries;
    size_t count;
    size_t capacity;
} sim_names;

typedef enum sim_change_kind { SIM_ADD, SIM_REMOVE, SIM_RENAME } sim_change_kind;

typedef struct sim_change {
    uint64_t order;
    sim_change_kind kind;
    char name[SIM_NAME];
    char to[SIM_NAME];
    uint32_t file;
} sim_change;

typedef struct sim_directory {
    char path[64];
    bool live_there;
    bool disk_there;
    uint64_t there_order;
    sim_names live;
    sim_names disk;
    sim_change *changes;
    size_t change_count;
    size_t change_capacity;
} sim_directory;

typedef struct sim_handle {
    bool open;
    bool is_directory;
    bool writes;
    uint32_t index; /* of the file or directory */
    char name[SIM_NAME];
} sim_handle;

/* A class of syncs that report success and do nothing. */
typedef enum sim_left_out {
    SIM_NOTHING_LEFT_OUT,
    SIM_LEAVE_OUT_LOG,
    SIM_LEAVE_OUT_LEVELS,
    SIM_LEAVE_OUT_SUPERBLOCK,
    SIM_LEAVE_OUT_DIRECTORY,
    SIM_LEAVE_OUT_PARENT,
} sim_left_out;

/* What becomes of changes that no sync covered. */
typedef enum sim_fate {
    SIM_ALL_KEPT,
    SIM_ALL_DROPPED,
    SIM_ONLY_LAST_KEPT,
    SIM_ONLY_FIRST_DROPPED,
    SIM_BY_SEED,
} sim_fate;

typedef struct sim {
    rotor_os os;
    sim_directory directories[SIM_DIRECTORIES];
    uint32_t directory_count;
    sim_file *files;
    uint32_t file_count;
    uint32_t file_capacity;
    sim_handle handles[SIM_HANDLES];
    uint64_t orders;    /* changes so far */
    uint64_t calls;     /* that have a number, so far */
    uint64_t crash_at;  /* the call at which the process dies; 0: none */
    uint64_t fail_sync; /* the call that, if it is a sync of a file, fails and leaves to chance what it wrote */
    uint64_t full_at;   /* the call that, if it is a write, finds no space behind a part of what it was to write */
    uint64_t failures;  /* of these two kinds, so far */
    bool dead;
    bool shares_blocks; /* clone() works */
    bool falls_short;   /* reads and writes are now and then interrupted or shorter than asked for */
    sim_left_out left_out;
    uint64_t random; /* state of the generator */
    uint64_t weight[4];
} sim;

/* ---------------------------------------------------------------- small things */

static inline uint64_t sim_next(sim *s) {
    uint64_t z = (s->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline bool sim_coin(sim *s) {
    return (sim_next(s) >> 40 & 1) != 0;
}

static inline void *sim_grow(void *memory, size_t bytes) {
    void *grown = realloc(memory, bytes != 0 ? bytes : 1);
    if (grown == NULL) {
        fprintf(stderr, "the simulated file system ran out of memory\n");
        exit(EXIT_FAILURE);
    }
    return grown;
}

static inline void sim_resize(sim_bytes *bytes, uint64_t size) {
    if (size > bytes->capacity) {
        uint64_t capacity = bytes->capacity != 0 ? bytes->capacity : 512;
        while (capacity < size) {
            capacity *= 2;
        }
        bytes->data = sim_grow(bytes->data, (size_t)capacity);
        memset(bytes->data + bytes->capacity, 0, (size_t)(capacity - bytes->capacity));
        bytes->capacity = capacity;
    }
    if (size < bytes->size) {
        memset(bytes->data + size, 0, (size_t)(bytes->size - size));
    }
    bytes->size = size;
}

static inline void sim_put(sim_bytes *bytes, uint64_t offset, const void *source, uint64_t count) {
    if (offset + count > bytes->size) {
        sim_resize(bytes, offset + count);
    }
    if (count != 0) {
        memcpy(bytes->data + offset, source, (size_t)count);
    }
}

static inline sim_bytes sim_bytes_copy(const sim_bytes *bytes) {
    sim_bytes copy = {NULL, 0, 0};
    sim_put(&copy, 0, bytes->data, bytes->size);
    return copy;
}

static inline void sim_bytes_free(sim_bytes *bytes) {
    free(bytes->data);
    *bytes = (sim_bytes){NULL, 0, 0};
}

static inline void sim_set_name(char to[SIM_NAME], const char *name) {
    (void)snprintf(to, SIM_NAME, "%s", name);
}

/* ---------------------------------------------------------------- names */

static inline sim_entry *sim_find(const sim_names *names, const char *name) {
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->entries[i].name, name) == 0) {
            return &names->entries[i];
        }
    }
    return NULL;
}

static inline void sim_names_remove(sim_names *names, const char *name) {
    sim_entry *entry = sim_find(names, name);
    if (entry != NULL) {
        *entry = names->entries[--names->count];
    }
}

static inline void sim_names_put(sim_names *names, const char *name, uint32_t file) {
    sim_names_remove(names, name);
    if (names->count == names->capacity) {
        names->capacity = names->capacity != 0 ? 2 * names->capacity : 16;
        names->entries = sim_grow(names->entries, names->capacity * sizeof *names->entries);
    }
    sim_set_name(names->entries[names->count].name, name);
    names->entries[names->count++].file = file;
}

static inline void sim_names_copy(sim_names *to, const sim_names *from) {
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        sim_names_put(to, from->entries[i].name, from->entries[i].file);
    }
}

static inline void sim_names_apply(sim_names *names, const sim_change *change) {
    const sim_entry *there = sim_find(names, change->name);
    switch (change->kind) {
    case SIM_ADD:
        sim_names_put(names, change->name, change->file);
        break;
    case SIM_REMOVE:
        if (there != NULL && there->file == change->file) {
            sim_names_remove(names, change->name);
        }
        break;
    case SIM_RENAME:
        if (there != NULL && there->file == change->file) {
            sim_names_remove(names, change->name);
        }
        sim_names_put(names, change->to, change->file);
        break;
    }
}

static inline void sim_change_names(sim *s, sim_directory *directory, sim_change_kind kind, const char *name,
                                    const char *to, uint32_t file) {
    if (directory->change_count == directory->change_capacity) {
        directory->change_capacity = directory->change_capacity != 0 ? 2 * directory->change_capacity : 16;
        directory->changes = sim_grow(directory->changes, directory->change_capacity * sizeof *directory->changes);
    }
    sim_change *change = &directory->changes[directory->change_count++];
    *change = (sim_change){.order = ++s->orders, .kind = kind, .file = file};
    sim_set_name(change->name, name);
    sim_set_name(change->to, to);
    sim_names_apply(&directory->live, change);
}

static inline uint64_t sim_links(const sim *s, uint32_t file) {
    uint64_t links = 0;
    for (uint32_t d = 0; d < s->directory_count; d++) {
        for (size_t i = 0; i < s->directories[d].live.count; i++) {
            links += s->directories[d].live.entries[i].file == file;
        }
    }
    return links;
}

/* ---------------------------------------------------------------- losing power */

static inline void sim_forget_effects(sim_file *file) {
    for (size_t i = 0; i < file->effect_count; i++) {
        sim_bytes_free(&file->effects[i].bytes);
    }
    file->effect_count = 0;
}

typedef enum sim_outcome { SIM_KEPT, SIM_DROPPED, SIM_TORN, SIM_GARBAGE } sim_outcome;

static inline sim_outcome sim_outcome_of(sim *s, sim_fate fate, uint64_t order, uint64_t first, uint64_t last) {
    switch (fate) {
    case SIM_ALL_KEPT:
        return SIM_KEPT;
    case SIM_ALL_DROPPED:
        return SIM_DROPPED;
    case SIM_ONLY_LAST_KEPT:
        return order == last ? SIM_KEPT : SIM_DROPPED;
    case SIM_ONLY_FIRST_DROPPED:
        return order == first ? SIM_DROPPED : SIM_KEPT;
    case SIM_BY_SEED:
        break;
    }
    uint64_t at = sim_next(s) % (s->weight[0] + s->weight[1] + s->weight[2] + s->weight[3]);
    for (int outcome = SIM_KEPT; outcome < SIM_GARBAGE; outcome++) {
        if (at < s->weight[outcome]) {
            return (sim_outcome)outcome;
        }
        at -= s->weight[outcome];
    }
    return SIM_GARBAGE;
}

static inline void sim_draw_weights(sim *s) {
    static const uint8_t weights[][4] = {{5, 5, 5, 5},  {1, 0, 0, 0},   {12, 1, 1, 1}, {1, 12, 1, 1}, {1, 1, 12, 1},
                                         {1, 1, 1, 12}, {10, 10, 0, 0}, {0, 0, 1, 0},  {0, 0, 0, 1}};
    const uint8_t *drawn = weights[sim_next(s) % (sizeof weights / sizeof weights[0])];
    for (int i = 0; i < 4; i++) {
        s->weight[i] = drawn[i];
    }
}

/* What stands in sectors that were being written: zeros, noise, or what another file (also one that was deleted) had or
 * has at the same place. */
static inline void sim_fill_garbage(sim *s, sim_file *file, uint64_t offset, uint64_t count) {
    sim_bytes fill = {NULL, 0, 0};
    sim_resize(&fill, count);
    switch (sim_next(s) % 3) {
    case 0:
        break;
    case 1:
        for (uint64_t i = 0; i < count; i++) {
            fill.data[i] = (uint8_t)(sim_next(s) >> 32);
        }
        break;
    default: {
        const sim_file *other = &s->files[sim_next(s) % s->file_count];
        const sim_bytes *source = sim_coin(s) ? &other->live : &other->disk;
        uint64_t there = offset < source->size ? source->size - offset : 0;
        if (there != 0) {
            memcpy(fill.data, source->data + offset, (size_t)(there < count ? there : count));
        }
        break;
    }
    }
    sim_put(&file->disk, offset, fill.data, count);
    sim_bytes_free(&fill);
}

/* A write of which each sector may have reached the disk on its own. */
static inline void sim_settle_sectors(sim *s, sim_file *file, const sim_effect *effect, bool garbage) {
    uint64_t end = effect->offset + effect->bytes.size;
    for (uint64_t at = effect->offset; at < end;) {
        uint64_t next = (at / SIM_SECTOR + 1) * SIM_SECTOR;
        next = next < end ? next : end;
        if (sim_coin(s)) {
            sim_put(&file->disk, at, effect->bytes.data + (at - effect->offset), next - at);
        } else if (garbage) {
            sim_fill_garbage(s, file, at, next - at);
        }
        at = next;
    }
}

/* Decides over everything that was done to a file since its last sync. */
static inline void sim_settle_file(sim *s, sim_file *file, sim_fate fate, uint64_t first, uint64_t last) {
    for (size_t i = 0; i < file->effect_count; i++) {
        const sim_effect *effect = &file->effects[i];
        uint64_t end = effect->offset + effect->bytes.size;
        sim_outcome outcome = sim_outcome_of(s, fate, effect->order, first, last);
        if (effect->cuts) {
            if (outcome == SIM_KEPT || (outcome != SIM_DROPPED && sim_coin(s))) {
                sim_resize(&file->disk, effect->offset);
            }
            continue;
        }
        switch (outcome) {
        case SIM_KEPT:
            sim_put(&file->disk, effect->offset, effect->bytes.data, effect->bytes.size);
            break;
        case SIM_DROPPED:
            break;
        case SIM_TORN:
        case SIM_GARBAGE:
            sim_settle_sectors(s, file, effect, outcome == SIM_GARBAGE);
            break;
        }
        /* The new length may be there without the data. */
        if (fate == SIM_BY_SEED && end > file->disk.size && sim_coin(s)) {
            sim_resize(&file->disk, end);
        }
    }
    sim_forget_effects(file);
}

static inline void sim_settle_names(sim *s, sim_directory *directory, sim_fate fate, uint64_t first, uint64_t last) {
    for (size_t i = 0; i < directory->change_count; i++) {
        sim_outcome outcome = sim_outcome_of(s, fate, directory->changes[i].order, first, last);
        /* A name is there or not; nothing of it can be torn. */
        if (outcome == SIM_KEPT || (outcome != SIM_DROPPED && sim_coin(s))) {
            sim_names_apply(&directory->disk, &directory->changes[i]);
        }
    }
    directory->change_count = 0;
    if (directory->live_there != directory->disk_there) {
        sim_outcome outcome = sim_outcome_of(s, fate, directory->there_order, first, last);
        if (outcome == SIM_KEPT || (outcome != SIM_DROPPED && sim_coin(s))) {
            directory->disk_there = directory->live_there;
        }
    }
    if (!directory->disk_there) {
        directory->disk.count = 0;
    }
}

/* The first and the last change that no sync has covered; how many there are is returned. */
static inline uint64_t sim_unsynced(const sim *s, uint64_t *first, uint64_t *last) {
    uint64_t count = 0;
    *first = UINT64_MAX;
    *last = 0;
    for (uint32_t f = 0; f < s->file_count; f++) {
        for (size_t i = 0; i < s->files[f].effect_count; i++) {
            uint64_t order = s->files[f].effects[i].order;
            *first = order < *first ? order : *first;
            *last = order > *last ? order : *last;
            count++;
        }
    }
    for (uint32_t d = 0; d < s->directory_count; d++) {
        const sim_directory *directory = &s->directories[d];
        for (size_t i = 0; i < directory->change_count; i++) {
            uint64_t order = directory->changes[i].order;
            *first = order < *first ? order : *first;
            *last = order > *last ? order : *last;
            count++;
        }
        if (directory->live_there != directory->disk_there) {
            *first = directory->there_order < *first ? directory->there_order : *first;
            *last = directory->there_order > *last ? directory->there_order : *last;
            count++;
        }
    }
    return count;
}

static inline void sim_revive(sim *s) {
    memset(s->handles, 0, sizeof s->handles);
    for (uint32_t f = 0; f < s->file_count; f++) {
        s->files[f].locked_by = -1;
    }
    s->dead = false;
    s->crash_at = 0;
    s->fail_sync = 0;
    s->full_at = 0;
    s->calls = 0;
}

/* What no name leads to any more keeps its place only. */
static inline void sim_drop_nameless(sim *s) {
    for (uint32_t f = 0; f < s->file_count; f++) {
        if (sim_links(s, f) == 0) {
            sim_bytes_free(&s->files[f].live);
            sim_bytes_free(&s->files[f].disk);
        }
    }
}

/* The process died; the system lives on. */
static inline void sim_kill(sim *s) {
    sim_revive(s);
}

/* The power fails and comes back: the live copy becomes what the disk has. */
static inline void sim_lose_power(sim *s, sim_fate fate, uint64_t seed) {
    uint64_t first;
    uint64_t last;
    (void)sim_unsynced(s, &first, &last);
    s->random = seed;
    sim_draw_weights(s);
    for (uint32_t f = 0; f < s->file_count; f++) {
        sim_settle_file(s, &s->files[f], fate, first, last);
    }
    for (uint32_t f = 0; f < s->file_count; f++) {
        sim_file *file = &s->files[f];
        sim_bytes_free(&file->live);
        file->live = sim_bytes_copy(&file->disk);
        if (file->memory >= 0) {
            (void)close(file->memory);
            file->memory = -1;
        }
    }
    for (uint32_t d = 0; d < s->directory_count; d++) {
        sim_directory *directory = &s->directories[d];
        sim_settle_names(s, directory, fate, first, last);
        directory->live_there = directory->disk_there;
        sim_names_copy(&directory->live, &directory->disk);
    }
    sim_drop_nameless(s);
    sim_revive(s);
}

static inline sim_directory *sim_directory_at(sim *s, const char *path) {
    for (uint32_t d = 0; d < s->directory_count; d++) {
        if (strcmp(s->directories[d].path, path) == 0) {
            return &s->directories[d];
        }
    }
    return NULL;
}

/* The file of a name, or NULL. */
static inline sim_file *sim_file_named(sim *s, const char *path, const char *name) {
    const sim_directory *directory = sim_directory_at(s, path);
    const sim_entry *there = directory != NULL ? sim_find(&directory->live, name) : NULL;
    return there != NULL ? &s->files[there->file] : NULL;
}

#endif
