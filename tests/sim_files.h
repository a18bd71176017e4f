/* A file system in the process's memory that can lose power: the file layer of src/os/os.h on top of sim_disk.h. What
 * calls do changes the live copy at once; the disk's copy learns of it only by the sync that covers it:
 *     - a file's bytes and length by sync() of that file, which says nothing of its name;
 *     - names in a directory by sync_directory(); a directory's own name by sync_parent().
 * Every call that changes or syncs something has a number. At a chosen one the process dies: that call and all later
 * ones return -EIO. Then sim_lose_power() or sim_kill(). Knows nothing of what the files hold but the beginnings of
 * their names, by which a kind of sync can be left out. One thread at a time. */
#ifndef ROTOR_TESTS_SIM_FILES_H
#define ROTOR_TESTS_SIM_FILES_H

#include "sim_disk.h"

#include <errno.h>
#include <sys/mman.h>

/* ---------------------------------------------------------------- numbered calls */

/* Whether the call may go on. At the call that dies it does, so that it is one of those that may or may not have
 * reached the disk, but it is to report sim_result(). */
static inline bool sim_begin(sim *s) {
    if (s->dead) {
        return false;
    }
    s->calls++;
    s->dead = s->calls == s->crash_at;
    return true;
}

static inline int sim_result(const sim *s, int result) {
    return s->dead ? -EIO : result;
}

static inline sim_handle *sim_handle_of(sim *s, int handle, bool is_directory) {
    int index = handle - SIM_FIRST_HANDLE;
    if (index < 0 || index >= SIM_HANDLES || !s->handles[index].open ||
        s->handles[index].is_directory != is_directory) {
        return NULL;
    }
    return &s->handles[index];
}

static inline int sim_new_handle(sim *s, bool is_directory, uint32_t index, bool writes, const char *name) {
    for (int i = 0; i < SIM_HANDLES; i++) {
        if (!s->handles[i].open) {
            s->handles[i] = (sim_handle){.open = true, .is_directory = is_directory, .writes = writes, .index = index};
            sim_set_name(s->handles[i].name, name);
            return i + SIM_FIRST_HANDLE;
        }
    }
    return -EMFILE;
}

static inline uint32_t sim_open_handles(const sim *s) {
    uint32_t open = 0;
    for (int i = 0; i < SIM_HANDLES; i++) {
        open += s->handles[i].open;
    }
    return open;
}

/* ---------------------------------------------------------------- directories */

static inline int sim_make_directory(void *context, const char *path, uint32_t mode) {
    sim *s = context;
    (void)mode;
    if (!sim_begin(s)) {
        return -EIO;
    }
    sim_directory *directory = sim_directory_at(s, path);
    if (directory != NULL && directory->live_there) {
        return sim_result(s, -EEXIST);
    }
    if (directory == NULL) {
        if (s->directory_count == SIM_DIRECTORIES || strlen(path) >= sizeof directory->path) {
            return sim_result(s, -ENOSPC);
        }
        directory = &s->directories[s->directory_count++];
        memset(directory, 0, sizeof *directory);
        (void)snprintf(directory->path, sizeof directory->path, "%s", path);
    }
    directory->live_there = true;
    directory->there_order = ++s->orders;
    return sim_result(s, 0);
}

static inline int sim_remove_directory(void *context, const char *path) {
    sim *s = context;
    if (!sim_begin(s)) {
        return -EIO;
    }
    sim_directory *directory = sim_directory_at(s, path);
    if (directory == NULL || !directory->live_there) {
        return sim_result(s, -ENOENT);
    }
    if (directory->live.count != 0) {
        return sim_result(s, -ENOTEMPTY);
    }
    directory->live_there = false;
    directory->there_order = ++s->orders;
    return sim_result(s, 0);
}

static inline int sim_open_directory(void *context, const char *path) {
    sim *s = context;
    const sim_directory *directory = sim_directory_at(s, path);
    if (s->dead) {
        return -EIO;
    }
    if (directory == NULL || !directory->live_there) {
        return -ENOENT;
    }
    return sim_new_handle(s, true, (uint32_t)(directory - s->directories), false, path);
}

static inline int sim_sync_directory(void *context, int handle) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, handle, true);
    if (of == NULL) {
        return -EBADF;
    }
    if (!sim_begin(s) || s->dead) {
        return -EIO;
    }
    sim_directory *directory = &s->directories[of->index];
    if (s->left_out != SIM_LEAVE_OUT_DIRECTORY) {
        sim_names_copy(&directory->disk, &directory->live);
        directory->change_count = 0;
    }
    return 0;
}

static inline int sim_sync_parent(void *context, const char *path) {
    sim *s = context;
    sim_directory *directory = sim_directory_at(s, path);
    if (!sim_begin(s) || s->dead) {
        return -EIO;
    }
    if (directory == NULL || !directory->live_there) {
        return -ENOENT;
    }
    if (s->left_out != SIM_LEAVE_OUT_PARENT) {
        directory->disk_there = true;
    }
    return 0;
}

/* In an order of its own. */
static inline int sim_list(void *context, int handle, rotor_os_name *name, void *name_context) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, handle, true);
    if (s->dead) {
        return -EIO;
    }
    if (of == NULL) {
        return -EBADF;
    }
    sim_names names = {NULL, 0, 0};
    sim_names_copy(&names, &s->directories[of->index].live);
    size_t first = names.count != 0 ? (size_t)(sim_next(s) % names.count) : 0;
    int result = 0;
    for (size_t i = 0; i < names.count && result == 0; i++) {
        result = name(name_context, names.entries[(first + i) % names.count].name);
    }
    free(names.entries);
    return result;
}

/* ---------------------------------------------------------------- files */

static inline uint32_t sim_new_file(sim *s, const char *name) {
    if (s->file_count == s->file_capacity) {
        s->file_capacity = s->file_capacity != 0 ? 2 * s->file_capacity : 16;
        s->files = sim_grow(s->files, s->file_capacity * sizeof *s->files);
    }
    s->files[s->file_count] = (sim_file){.memory = -1, .locked_by = -1};
    sim_set_name(s->files[s->file_count].name, name);
    return s->file_count++;
}

static inline sim_effect *sim_add_effect(sim *s, sim_file *file) {
    if (file->effect_count == file->effect_capacity) {
        file->effect_capacity = file->effect_capacity != 0 ? 2 * file->effect_capacity : 8;
        file->effects = sim_grow(file->effects, file->effect_capacity * sizeof *file->effects);
    }
    sim_effect *effect = &file->effects[file->effect_count++];
    *effect = (sim_effect){.order = ++s->orders};
    return effect;
}

static inline void sim_cut_file(sim *s, sim_file *file, uint64_t bytes) {
    sim_effect *effect = sim_add_effect(s, file);
    effect->cuts = true;
    effect->offset = bytes;
    sim_resize(&file->live, bytes);
    if (file->memory >= 0 && ftruncate(file->memory, (off_t)bytes) != 0) {
        perror("ftruncate of a memfd");
        exit(EXIT_FAILURE);
    }
}

static inline void sim_mirror(const sim_file *file, const void *bytes, size_t count, uint64_t offset) {
    if (count != 0 && pwrite(file->memory, bytes, count, (off_t)offset) != (ssize_t)count) {
        perror("pwrite to a memfd");
        exit(EXIT_FAILURE);
    }
}

static inline void sim_write_file(sim *s, sim_file *file, const void *bytes, size_t count, uint64_t offset) {
    sim_effect *effect = sim_add_effect(s, file);
    effect->offset = offset;
    sim_put(&effect->bytes, 0, bytes, count);
    sim_put(&file->live, offset, bytes, count);
    if (file->memory >= 0) {
        sim_mirror(file, bytes, count, offset);
    }
}

static inline int sim_open(void *context, int directory, const char *name, unsigned flags, uint32_t mode) {
    sim *s = context;
    (void)mode;
    const sim_handle *of = sim_handle_of(s, directory, true);
    if (s->dead) {
        return -EIO;
    }
    if (of == NULL) {
        return -EBADF;
    }
    if (strlen(name) >= SIM_NAME) {
        return -ENAMETOOLONG;
    }
    sim_directory *in = &s->directories[of->index];
    const sim_entry *there = sim_find(&in->live, name);
    if (there == NULL && (flags & ROTOR_OS_CREATE) == 0) {
        return -ENOENT;
    }
    if (there != NULL && (flags & ROTOR_OS_NEW) != 0) {
        return -EEXIST;
    }
    if (there == NULL && !in->live_there) {
        return -ENOENT;
    }
    bool cuts = there != NULL && (flags & ROTOR_OS_TRUNCATE) != 0;
    uint32_t file = there != NULL ? there->file : 0;
    if ((there == NULL || cuts) && !sim_begin(s)) {
        return -EIO;
    }
    if (there == NULL) {
        file = sim_new_file(s, name);
        sim_change_names(s, in, SIM_ADD, name, "", file);
    } else if (cuts) {
        sim_cut_file(s, &s->files[file], 0);
    }
    return s->dead ? -EIO : sim_new_handle(s, false, file, (flags & ROTOR_OS_WRITE) != 0, name);
}

static inline int sim_close(void *context, int handle) {
    sim *s = context;
    sim_handle *of = sim_handle_of(s, handle, false);
    if (of != NULL && s->files[of->index].locked_by == handle) {
        s->files[of->index].locked_by = -1;
    }
    if (of == NULL) {
        of = sim_handle_of(s, handle, true);
    }
    if (of == NULL) {
        return -EBADF;
    }
    of->open = false;
    return 0;
}

/* How much of a transfer one call does. */
static inline int64_t sim_short(sim *s, size_t count) {
    if (s->falls_short && count > 1) {
        switch (sim_next(s) % 8) {
        case 0:
            return -EINTR;
        case 1:
            return (int64_t)(1 + sim_next(s) % (count - 1));
        default:
            break;
        }
    }
    return (int64_t)count;
}

static inline int64_t sim_read(void *context, int handle, void *bytes, size_t count, uint64_t offset) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, handle, false);
    if (s->dead) {
        return -EIO;
    }
    if (of == NULL) {
        return -EBADF;
    }
    const sim_bytes *live = &s->files[of->index].live;
    uint64_t there = offset < live->size ? live->size - offset : 0;
    int64_t some = sim_short(s, there < count ? (size_t)there : count);
    if (some > 0) {
        memcpy(bytes, live->data + offset, (size_t)some);
    }
    return some;
}

static inline int64_t sim_write(void *context, int handle, const void *bytes, size_t count, uint64_t offset) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, handle, false);
    if (of == NULL || !of->writes) {
        return -EBADF;
    }
    if (!sim_begin(s)) {
        return -EIO;
    }
    bool full = s->calls == s->full_at;
    int64_t some = s->dead ? (int64_t)count : full ? (int64_t)(sim_next(s) % (count + 1)) : sim_short(s, count);
    if (some > 0) {
        sim_write_file(s, &s->files[of->index], bytes, (size_t)some, offset);
    }
    s->failures += full;
    return s->dead ? -EIO : full ? -ENOSPC : some;
}

static inline bool sim_leaves_out(const sim *s, const char *name) {
    switch (s->left_out) {
    case SIM_LEAVE_OUT_LOG:
        return strncmp(name, "log-", 4) == 0;
    case SIM_LEAVE_OUT_LEVELS:
        return strncmp(name, "level-", 6) == 0;
    case SIM_LEAVE_OUT_SUPERBLOCK:
        return strncmp(name, "superblock", 10) == 0;
    default:
        return false;
    }
}

static inline int sim_sync(void *context, int handle) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, handle, false);
    if (of == NULL) {
        return -EBADF;
    }
    if (!sim_begin(s) || s->dead) {
        return -EIO;
    }
    sim_file *file = &s->files[of->index];
    if (s->calls == s->fail_sync) {
        s->failures++;
        sim_draw_weights(s);
        sim_settle_file(s, file, SIM_BY_SEED, 0, 0);
        return -EIO;
    }
    if (!sim_leaves_out(s, of->name)) {
        sim_settle_file(s, file, SIM_ALL_KEPT, 0, 0);
    }
    return 0;
}

static inline int sim_truncate(void *context, int handle, uint64_t bytes) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, handle, false);
    if (of == NULL || !of->writes) {
        return -EBADF;
    }
    if (!sim_begin(s)) {
        return -EIO;
    }
    sim_cut_file(s, &s->files[of->index], bytes);
    return sim_result(s, 0);
}

static inline int sim_status(void *context, int handle, rotor_os_status *status) {
    sim *s = context;
    if (s->dead) {
        return -EIO;
    }
    const sim_handle *of = sim_handle_of(s, handle, false);
    if (of != NULL) {
        *status = (rotor_os_status){.bytes = s->files[of->index].live.size, .links = sim_links(s, of->index)};
        return 0;
    }
    if (sim_handle_of(s, handle, true) == NULL) {
        return -EBADF;
    }
    *status = (rotor_os_status){.links = 2};
    return 0;
}

static inline int sim_unlink(void *context, int directory, const char *name) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, directory, true);
    if (of == NULL) {
        return -EBADF;
    }
    if (!sim_begin(s)) {
        return -EIO;
    }
    const sim_entry *there = sim_find(&s->directories[of->index].live, name);
    if (there == NULL) {
        return sim_result(s, -ENOENT);
    }
    sim_change_names(s, &s->directories[of->index], SIM_REMOVE, name, "", there->file);
    return sim_result(s, 0);
}

static inline int sim_rename(void *context, int directory, const char *from, const char *to) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, directory, true);
    if (of == NULL) {
        return -EBADF;
    }
    if (!sim_begin(s)) {
        return -EIO;
    }
    const sim_entry *there = sim_find(&s->directories[of->index].live, from);
    if (there == NULL) {
        return sim_result(s, -ENOENT);
    }
    sim_change_names(s, &s->directories[of->index], SIM_RENAME, from, to, there->file);
    return sim_result(s, 0);
}

static inline int sim_link(void *context, int from_directory, const char *from, int to_directory, const char *to) {
    sim *s = context;
    const sim_handle *source = sim_handle_of(s, from_directory, true);
    const sim_handle *target = sim_handle_of(s, to_directory, true);
    if (source == NULL || target == NULL) {
        return -EBADF;
    }
    if (!sim_begin(s)) {
        return -EIO;
    }
    const sim_entry *there = sim_find(&s->directories[source->index].live, from);
    if (there == NULL) {
        return sim_result(s, -ENOENT);
    }
    if (sim_find(&s->directories[target->index].live, to) != NULL) {
        return sim_result(s, -EEXIST);
    }
    sim_change_names(s, &s->directories[target->index], SIM_ADD, to, "", there->file);
    return sim_result(s, 0);
}

static inline int sim_clone(void *context, int to, int from) {
    sim *s = context;
    const sim_handle *target = sim_handle_of(s, to, false);
    const sim_handle *source = sim_handle_of(s, from, false);
    if (target == NULL || source == NULL || !target->writes) {
        return -EBADF;
    }
    if (!s->shares_blocks) {
        return -EOPNOTSUPP;
    }
    if (!sim_begin(s)) {
        return -EIO;
    }
    sim_bytes copy = sim_bytes_copy(&s->files[source->index].live);
    sim_write_file(s, &s->files[target->index], copy.data, (size_t)copy.size, 0);
    sim_bytes_free(&copy);
    return sim_result(s, 0);
}

static inline int sim_lock(void *context, int handle) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, handle, false);
    if (s->dead) {
        return -EIO;
    }
    if (of == NULL) {
        return -EBADF;
    }
    sim_file *file = &s->files[of->index];
    if (file->locked_by >= 0 && file->locked_by != handle) {
        return -EWOULDBLOCK;
    }
    file->locked_by = handle;
    return 0;
}

/* ---------------------------------------------------------------- mappings: the system's own, of a copy in memory */

static inline int sim_memory_of(sim_file *file) {
    if (file->memory < 0) {
        file->memory = memfd_create("sim", MFD_CLOEXEC);
        if (file->memory < 0) {
            return -errno;
        }
        if (ftruncate(file->memory, (off_t)file->live.size) != 0) {
            return -errno;
        }
        sim_mirror(file, file->live.data, (size_t)file->live.size, 0);
    }
    return file->memory;
}

static inline int sim_map(void *context, int handle, void *address, size_t bytes, uint64_t offset) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, handle, false);
    if (s->dead) {
        return -EIO;
    }
    if (of == NULL) {
        return -EBADF;
    }
    int memory = sim_memory_of(&s->files[of->index]);
    if (memory < 0) {
        return memory;
    }
    void *at = mmap(address, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, memory, (off_t)offset);
    return at == MAP_FAILED ? -errno : 0;
}

static inline int sim_map_shared(void *context, int handle, const void **address, size_t bytes) {
    sim *s = context;
    const sim_handle *of = sim_handle_of(s, handle, false);
    if (s->dead) {
        return -EIO;
    }
    if (of == NULL) {
        return -EBADF;
    }
    int memory = sim_memory_of(&s->files[of->index]);
    if (memory < 0) {
        return memory;
    }
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, memory, 0);
    if (at == MAP_FAILED) {
        return -errno;
    }
    *address = at;
    return 0;
}

static inline void sim_unmap(void *context, const void *address, size_t bytes) {
    (void)context;
    /* The table says const because nobody may write there. */
    (void)munmap((void *)(uintptr_t)address, bytes);
}

static inline int sim_random(void *context, void *bytes, size_t count) {
    sim *s = context;
    if (s->dead) {
        return -EIO;
    }
    uint8_t *out = bytes;
    for (size_t i = 0; i < count; i++) {
        out[i] = (uint8_t)(sim_next(s) >> 32);
    }
    return 0;
}

/* ---------------------------------------------------------------- the whole */

static inline sim *sim_create(uint64_t seed) {
    sim *s = sim_grow(NULL, sizeof *s);
    memset(s, 0, sizeof *s);
    s->random = seed;
    s->os = (rotor_os){
        .context = s,
        .make_directory = sim_make_directory,
        .remove_directory = sim_remove_directory,
        .open_directory = sim_open_directory,
        .sync_directory = sim_sync_directory,
        .sync_parent = sim_sync_parent,
        .list = sim_list,
        .open = sim_open,
        .close = sim_close,
        .read = sim_read,
        .write = sim_write,
        .sync = sim_sync,
        .truncate = sim_truncate,
        .status = sim_status,
        .unlink = sim_unlink,
        .rename = sim_rename,
        .link = sim_link,
        .clone = sim_clone,
        .lock = sim_lock,
        .map = sim_map,
        .map_shared = sim_map_shared,
        .unmap = sim_unmap,
        .random = sim_random,
    };
    return s;
}

static inline void sim_destroy(sim *s) {
    for (uint32_t f = 0; f < s->file_count; f++) {
        sim_file *file = &s->files[f];
        sim_forget_effects(file);
        free(file->effects);
        sim_bytes_free(&file->live);
        sim_bytes_free(&file->disk);
        if (file->memory >= 0) {
            (void)close(file->memory);
        }
    }
    for (uint32_t d = 0; d < s->directory_count; d++) {
        free(s->directories[d].live.entries);
        free(s->directories[d].disk.entries);
        free(s->directories[d].changes);
    }
    free(s->files);
    free(s);
}

/* A copy with the same unsynced changes, without open handles. */
static inline sim *sim_copy(const sim *s) {
    sim *copy = sim_grow(NULL, sizeof *copy);
    *copy = *s;
    copy->os.context = copy;
    memset(copy->handles, 0, sizeof copy->handles);
    copy->files = sim_grow(NULL, s->file_capacity * sizeof *copy->files);
    for (uint32_t f = 0; f < s->file_count; f++) {
        const sim_file *from = &s->files[f];
        sim_file *file = &copy->files[f];
        *file = *from;
        file->memory = -1;
        file->locked_by = -1;
        file->live = sim_bytes_copy(&from->live);
        file->disk = sim_bytes_copy(&from->disk);
        file->effects = sim_grow(NULL, from->effect_capacity * sizeof *file->effects);
        for (size_t i = 0; i < from->effect_count; i++) {
            file->effects[i] = from->effects[i];
            file->effects[i].bytes = sim_bytes_copy(&from->effects[i].bytes);
        }
    }
    for (uint32_t d = 0; d < s->directory_count; d++) {
        const sim_directory *from = &s->directories[d];
        sim_directory *directory = &copy->directories[d];
        directory->live = (sim_names){NULL, 0, 0};
        directory->disk = (sim_names){NULL, 0, 0};
        sim_names_copy(&directory->live, &from->live);
        sim_names_copy(&directory->disk, &from->disk);
        directory->changes = sim_grow(NULL, from->change_capacity * sizeof *directory->changes);
        if (from->change_count != 0) {
            memcpy(directory->changes, from->changes, from->change_count * sizeof *from->changes);
        }
    }
    return copy;
}

#endif
