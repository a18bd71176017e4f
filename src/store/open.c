/* Opening a directory: finding or making a tree in it, taking over what is committed, and replaying the log. Must not
 * start threads nor know public defaults. */
#include "store/open.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/vm.h"
#include "hash/hash.h"
#include "store/birth.h"
#include "store/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_NAME "lock"
#define DEFAULT_SHARD_BITS 23

/* ---- what is in the directory */

typedef struct inventory {
    bool superblock;
    bool lock;
    bool first_segment; /* alone it may be what is left of an unfinished creation */
    bool parts;         /* other files of a tree */
    bool foreign;
    char foreign_name[64];
} inventory;

static int take_inventory(void *context, const char *name) {
    inventory *found = context;
    uint64_t segment;
    uint64_t shard;
    uint32_t level;
    if (strcmp(name, ROTOR_SUPERBLOCK_NAME) == 0) {
        found->superblock = true;
    } else if (rotor_log_parse(name, &segment)) {
        found->first_segment = found->first_segment || segment == 1;
        found->parts = found->parts || segment != 1;
    } else if (rotor_level_file_parse(name, &level, &shard) || strcmp(name, ROTOR_LOG_SPARE_NAME) == 0) {
        found->parts = true;
    } else if (strcmp(name, LOCK_NAME) == 0) {
        found->lock = true;
    } else if (strcmp(name, ROTOR_NEW_SUPERBLOCK_NAME) != 0 && strcmp(name, "lost+found") != 0 && !found->foreign) {
        found->foreign = true;
        size_t length = strnlen(name, sizeof found->foreign_name - 1);
        memcpy(found->foreign_name, name, length);
        found->foreign_name[length] = '\0';
    }
    return 0;
}

static rotor_status list(rotor_directory *directory, inventory *found, rotor_error *error) {
    memset(found, 0, sizeof *found);
    const rotor_os *os = directory->os;
    int result = os->list(os->context, directory->handle, take_inventory, found);
    return result < 0 ? rotor_file_fail(directory, "", "readdir", result, error) : ROTOR_OK;
}

/* Whether the first segment of a log without a superblock holds a frame, which nobody writes before there is one. */
static rotor_status holds_frames(rotor_directory *directory, bool *holds, rotor_error *error) {
    char name[40];
    uint8_t bytes[2 * ROTOR_LOG_HEADER_BYTES];
    size_t got = 0;
    rotor_file file = ROTOR_FILE_CLOSED;
    rotor_log_name(name, 1);
    rotor_status status = rotor_file_open(&file, directory, name, ROTOR_OS_READ, error);
    if (status == ROTOR_OK) {
        status = rotor_file_read_some(&file, bytes, sizeof bytes, 0, &got, error);
        rotor_file_close(&file);
    }
    rotor_segment_header header;
    rotor_frame frame;
    *holds = status == ROTOR_OK && got == sizeof bytes && rotor_segment_header_decode(&header, bytes + 16, 1, bytes) &&
             rotor_frame_decode(&frame, header.tree_id, 1, bytes + ROTOR_LOG_HEADER_BYTES);
    return status == ROTOR_NOT_FOUND ? ROTOR_OK : status;
}

/* ---- creating */

static rotor_status check_complete(const rotor_options *options, const char *path, rotor_error *error) {
    if (options->arity == 0 || options->max_depth == 0) {
        return rotor_fail(error, ROTOR_NOT_FOUND, 0,
                          "%s holds no tree, and a new one needs an arity and a maximum depth", path);
    }
    return ROTOR_OK;
}

static rotor_status create(rotor_store *store, const rotor_store_setup *setup, rotor_error *error) {
    const rotor_options *options = &store->options;
    store->superblock = (rotor_superblock){
        .arity = options->arity,
        .max_depth = options->max_depth,
        .hash_profile = options->hash_profile,
        .shard_bits = setup->shard_bits != 0 ? setup->shard_bits : DEFAULT_SHARD_BITS,
    };
    return rotor_birth(&store->directory, &store->superblock, error);
}

/* Decides by what is in the directory whether a tree is to be made there. Of what others are making there just now, it
 * can be sure only when the lock is held. */
static rotor_status judge_place(rotor_store *store, bool locked, bool *absent, rotor_error *error) {
    const char *path = store->directory.path;
    inventory found;
    bool frames = false;
    rotor_status status = list(&store->directory, &found, error);
    if (status == ROTOR_OK && !found.superblock && found.first_segment) {
        status = holds_frames(&store->directory, &frames, error);
    }
    if (status == ROTOR_OK && !found.superblock && (found.parts || frames)) {
        /* A tree that was made since the listing began: its first frame is younger than its superblock. */
        status = list(&store->directory, &found, error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    *absent = !found.superblock;
    if (found.superblock) {
        return store->options.mode != ROTOR_CREATE_NEW
                   ? ROTOR_OK
                   : rotor_fail(error, ROTOR_EXISTS, 0, "%s holds a tree already", path);
    }
    if (found.parts || frames) {
        if (!locked && !store->read_only && found.lock) {
            return ROTOR_OK; /* perhaps a backup that is being made: the lock tells */
        }
        /* Who only reads does not ask for the lock. */
        return rotor_fail(
            error, ROTOR_DAMAGED, 0,
            "%.200s holds files of a tree but no 'superblock': %sremove it and copy anew if it is a backup "
            "that was not finished; else put the file back, or restore a backup",
            path, store->read_only && found.lock ? "wait if somebody is copying there; " : "");
    }
    if (store->options.mode == ROTOR_OPEN_EXISTING || store->read_only) {
        return rotor_fail(error, ROTOR_NOT_FOUND, 0, "%s holds no tree", path);
    }
    if (found.foreign) {
        return rotor_fail(error, ROTOR_EXISTS, 0, "%s is no tree and not empty (it holds '%s'): name a new directory",
                          path, found.foreign_name);
    }
    return check_complete(&store->options, path, error);
}

static bool may_create(const rotor_options *options) {
    return options->mode != ROTOR_OPEN_EXISTING && options->mode != ROTOR_OPEN_READ_ONLY && options->arity != 0 &&
           options->max_depth != 0;
}

/* Makes the directory itself where that is allowed. */
static rotor_status make_directory(const rotor_os *os, const char *path, const rotor_options *options,
                                   rotor_error *error) {
    if (!may_create(options)) {
        return ROTOR_OK;
    }
    uint32_t mode = options->file_mode | (options->file_mode & 0444u) >> 2; /* whoever may read may search */
    int result = os->make_directory(os->context, path, mode);
    if (result < 0 && result != -EEXIST) {
        rotor_directory nowhere = {.os = os, .handle = -1, .path = (char *)(uintptr_t)path};
        return rotor_file_fail(&nowhere, "", "mkdir", result, error);
    }
    return ROTOR_OK;
}

/* What has just been made or found to be there, and then is not, is a link that leads nowhere. */
static rotor_status open_directory(rotor_store *store, const rotor_os *os, const char *path, rotor_error *error) {
    rotor_status status = rotor_directory_open(&store->directory, os, path, store->options.file_mode, error);
    if (status == ROTOR_NOT_FOUND && may_create(&store->options)) {
        return rotor_fail(error, ROTOR_IO, ENOENT,
                          "%.300s is a symbolic link to a directory that is not there: make that, or remove the link",
                          path);
    }
    return status;
}

/* ---- taking over what is committed */

static rotor_status check_identity(const rotor_store *store, rotor_error *error) {
    const rotor_superblock *stored = &store->superblock;
    const rotor_options *options = &store->options;
    const char *path = store->directory.path;
    if (options->arity != 0 && options->arity != stored->arity) {
        return rotor_fail(error, ROTOR_MISMATCH, 0, "%s holds a tree of arity %u, not %u", path, stored->arity,
                          options->arity);
    }
    if (options->max_depth != 0 && options->max_depth != stored->max_depth) {
        return rotor_fail(error, ROTOR_MISMATCH, 0, "%s holds a tree of maximum depth %u, not %u", path,
                          stored->max_depth, options->max_depth);
    }
    if (options->hash_profile != stored->hash_profile) {
        return rotor_fail(error, ROTOR_MISMATCH, 0, "%s holds a tree of hash profile %u, not %u", path,
                          stored->hash_profile, options->hash_profile);
    }
    return ROTOR_OK;
}

static rotor_status check_size(const rotor_store *store, uint64_t size, rotor_error *error) {
    uint64_t most = store->options.max_leaves;
    if (most == 0 || size <= most) {
        return ROTOR_OK;
    }
    return rotor_fail(
        error, ROTOR_CAPACITY_EXCEEDED, 0,
        "%.300s holds at least %llu leaves, more than the %llu of max_leaves: open it with a larger limit",
        store->directory.path, (unsigned long long)size, (unsigned long long)most);
}

/* Gives a shard its length, with zeros for what is lost: not under the name that it may have in a backup. */
static rotor_status extend_shard(rotor_store *store, uint32_t level, uint64_t shard, uint64_t bytes,
                                 rotor_error *error) {
    char name[40];
    rotor_file file = ROTOR_FILE_CLOSED;
    rotor_level_file_name(name, level, shard);
    rotor_status status = rotor_level_files_make_private(&store->checkpoint_files, level, shard, error);
    if (status == ROTOR_OK) {
        status = rotor_file_open(&file, &store->directory, name, ROTOR_OS_WRITE, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_file_truncate(&file, bytes, error);
    }
    rotor_file_close(&file);
    return status;
}

/* For repair: gives files of inner levels that are missing or short their length. */
static rotor_status extend_inner_files(rotor_store *store, rotor_error *error) {
    uint64_t shard_nodes = (uint64_t)1 << store->superblock.shard_bits;
    uint64_t nodes = store->superblock.size / store->superblock.arity;
    rotor_status status = ROTOR_OK;
    for (uint32_t level = 1; status == ROTOR_OK && nodes > 0; level++, nodes /= store->superblock.arity) {
        for (uint64_t shard = 0; status == ROTOR_OK && shard * shard_nodes < nodes; shard++) {
            uint64_t here = nodes - shard * shard_nodes;
            uint64_t bytes = (here < shard_nodes ? here : shard_nodes) * ROTOR_HASH_BYTES;
            char name[40];
            rotor_file file = ROTOR_FILE_CLOSED;
            rotor_os_status found = {0};
            rotor_level_file_name(name, level, shard);
            status = rotor_file_open(&file, &store->directory, name, ROTOR_OS_WRITE | ROTOR_OS_CREATE, error);
            if (status == ROTOR_OK) {
                status = rotor_file_status(&file, &found, error);
            }
            rotor_file_close(&file);
            if (status == ROTOR_OK && found.bytes < bytes) {
                status = extend_shard(store, level, shard, bytes, error);
            }
        }
    }
    return status == ROTOR_OK ? rotor_level_files_sync(&store->checkpoint_files, error) : status;
}

static rotor_status check_lengths(rotor_store *store, rotor_error *error) {
    uint64_t nodes = store->superblock.size;
    rotor_status status = ROTOR_OK;
    for (uint32_t level = 0; status == ROTOR_OK && nodes > 0; level++) {
        status = rotor_level_files_check_lengths(&store->directory, store->superblock.shard_bits, level, nodes, error);
        nodes /= store->superblock.arity;
    }
    return status;
}

/* Reads the nodes that are not pages of files. */
static rotor_status read_nodes(rotor_store *store, uint32_t level, uint64_t nodes, rotor_error *error) {
    rotor_level *memory = store->tree->levels[level];
    uint64_t first = rotor_level_filed_bytes(memory) / ROTOR_HASH_BYTES;
    rotor_status status = ROTOR_OK;
    while (status == ROTOR_OK && first < nodes) {
        uint64_t run;
        uint8_t *target = rotor_level_run(memory, first, nodes - first, &run);
        status =
            rotor_level_files_read(&store->directory, store->superblock.shard_bits, level, first, run, target, error);
        first += run;
    }
    return status;
}

static rotor_status load_committed(rotor_store *store, rotor_error *error) {
    uint64_t size = store->superblock.size;
    rotor_status status = rotor_tree_prepare(store->tree, size, store->mapped_below);
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, ENOMEM, "no memory for the tree in %s", store->directory.path);
    }
    status = rotor_store_map_committed(store, false, error);
    for (uint32_t level = 0; status == ROTOR_OK && level <= store->superblock.max_depth && size > 0; level++) {
        status = read_nodes(store, level, size, error);
        size /= store->superblock.arity;
    }
    if (status == ROTOR_OK) {
        rotor_tree_adopt(store->tree, store->superblock.size);
    }
    return status;
}

/* ---- replaying the log */

typedef struct replay {
    rotor_store *store;
    bool barrier; /* the last truncation that set it */
    uint64_t barrier_frame_segment;
} replay;

static uint8_t *place_leaves(void *context, uint64_t first, uint64_t count) {
    return rotor_tree_place(((replay *)context)->store->tree, first, count);
}

static rotor_pool *share_reading(void *context) {
    return rotor_tree_pool(((replay *)context)->store->tree);
}

static rotor_status replay_leaves(void *context, uint64_t first, const uint8_t *leaves, uint64_t count,
                                  bool in_level_files, rotor_error *error) {
    rotor_store *store = ((replay *)context)->store;
    rotor_status status = check_size(store, first + count, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (leaves == NULL) {
        rotor_tree_take(store->tree, count);
    } else {
        status = rotor_tree_append(store->tree, NULL, NULL, (const rotor_hash *)(const void *)leaves, count);
    }
    if (status == ROTOR_OK && in_level_files && !rotor_extents_add(&store->extents, first, first + count)) {
        status = ROTOR_OUT_OF_MEMORY;
    }
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, 0, "%s: leaf %llu of the log: %s", store->directory.path,
                          (unsigned long long)first, rotor_status_message(status));
    }
    store->recovered_leaves += count;
    return ROTOR_OK;
}

static rotor_status replay_truncate(void *context, uint64_t size, uint64_t segment, uint64_t sequence,
                                    rotor_error *error) {
    replay *log = context;
    rotor_store *store = log->store;
    if (rotor_store_needs_barrier(store, size)) {
        /* The segment behind this frame begins at this size: an end frame follows, or is written below. */
        store->barrier = true;
        store->barrier_size = size;
        store->barrier_segment = segment + 1;
        store->barrier_sequence = sequence + 2;
        log->barrier = true;
        log->barrier_frame_segment = segment;
    }
    rotor_extents_cut(&store->extents, size);
    /* Who opens a tree without verifying it, to check it, wants to see it as it is. */
    bool prove = !store->read_only || store->options.verify_at_open != ROTOR_VERIFY_NONE;
    rotor_status status = rotor_tree_truncate(store->tree, NULL, size, prove);
    return status == ROTOR_OK
               ? status
               : rotor_fail(error, status, 0, "%s: truncation to %llu leaves in the log: %s", store->directory.path,
                            (unsigned long long)size, rotor_status_message(status));
}

static bool same_contents(const rotor_superblock *a, const rotor_superblock *b) {
    uint8_t encoded[2][ROTOR_SUPERBLOCK_SLOT_BYTES];
    rotor_superblock plain[2] = {*a, *b};
    for (int i = 0; i < 2; i++) {
        plain[i].generation = 0;
        rotor_superblock_encode(&plain[i], encoded[i]);
    }
    return memcmp(encoded[0], encoded[1], sizeof encoded[0]) == 0;
}

static rotor_status write_slot(rotor_store *store, rotor_error *error) {
    uint8_t slot[ROTOR_SUPERBLOCK_SLOT_BYTES];
    rotor_superblock_encode(&store->superblock, slot);
    uint64_t offset = store->superblock.generation % 2 * ROTOR_SUPERBLOCK_SLOT_BYTES;
    rotor_status status = rotor_file_write(&store->superblock_file, slot, sizeof slot, offset, error);
    return status == ROTOR_OK ? rotor_file_sync(&store->superblock_file, error) : status;
}

/* Makes both slots alike again and durable, when a commit was interrupted between them. */
static rotor_status settle_superblock(rotor_store *store, rotor_error *error) {
    uint8_t bytes[ROTOR_SUPERBLOCK_BYTES];
    rotor_superblock slots[2];
    rotor_status status = rotor_file_read(&store->superblock_file, bytes, sizeof bytes, 0, error);
    if (status != ROTOR_OK) {
        return status;
    }
    bool both = rotor_superblock_decode(&slots[0], bytes) == ROTOR_OK &&
                rotor_superblock_decode(&slots[1], bytes + ROTOR_SUPERBLOCK_SLOT_BYTES) == ROTOR_OK;
    /* A slot may be in the system's memory only, and the next commit would have both in flight. After a failed sync a
     * mere sync would not write it: with the other one beside it, it may be written again; alone, it may not. */
    status = both && store->distrust ? write_slot(store, error) : rotor_file_sync(&store->superblock_file, error);
    if (status == ROTOR_OK && (!both || store->distrust || !same_contents(&slots[0], &slots[1]))) {
        store->superblock.generation++;
        status = write_slot(store, error);
        atomic_store(&store->generation, store->superblock.generation);
    }
    return status;
}

static rotor_status sync_log(rotor_store *store, const rotor_log_position *position, rotor_error *error) {
    rotor_status status =
        rotor_log_sync_segments(&store->directory, store->superblock.log_segment, position->segment, error);
    for (size_t i = 0; status == ROTOR_OK && i < store->extents.count; i++) {
        uint64_t first = store->extents.ranges[i].first;
        status = rotor_level_files_sync_range(&store->directory, store->superblock.shard_bits, 0, first,
                                              store->extents.ranges[i].end - first, error);
    }
    return status;
}

/* Makes what was read durable: after the crash of a process it may have been in the system's memory only, and what is
 * written from now on relies on it. What the superblock says has been durable needs no sync, but its own name may: an
 * import that was killed has given it that last. */
static rotor_status sync_what_was_read(rotor_store *store, const rotor_log_position *position, rotor_error *error) {
    rotor_status status = settle_superblock(store, error);
    if (status == ROTOR_OK && position->sequence > store->superblock.log_end) {
        status = sync_log(store, position, error);
    }
    return status == ROTOR_OK ? rotor_directory_sync(&store->directory, error) : status;
}

/* Goes on behind what was read. */
static rotor_status resume_log(rotor_store *store, const replay *log, const rotor_log_position *position,
                               rotor_error *error) {
    rotor_status status = sync_what_was_read(store, position, error);
    if (status != ROTOR_OK) {
        return status;
    }
    store->log.sequence = position->sequence;
    store->log.size = position->size;
    status = rotor_log_continue_segment(&store->log, position->segment, position->end, error);
    if (status != ROTOR_OK) {
        return status;
    }
    if (store->distrust) {
        /* Frames that are written now must not call something durable that may be lost when the power fails. */
        store->log.durable = position->proven_sequence;
    }
    /* Remains of an unfinished write could be taken for frames some day: they are left behind an end frame. */
    if (position->torn_bytes > 0 || (log->barrier && log->barrier_frame_segment == position->segment)) {
        status = rotor_store_rotate(store, error);
    }
    return status;
}

/* Finds the number of the last segment. */
static int find_last_segment(void *context, const char *name) {
    uint64_t *last = context;
    uint64_t segment;
    if (rotor_log_parse(name, &segment) && segment > *last) {
        *last = segment;
    }
    return 0;
}

static rotor_status pass_leaves(void *context, uint64_t first, const uint8_t *leaves, uint64_t count,
                                bool in_level_files, rotor_error *error) {
    (void)context;
    (void)first;
    (void)leaves;
    (void)count;
    (void)in_level_files;
    (void)error;
    return ROTOR_OK;
}

static rotor_status pass_truncation(void *context, uint64_t size, uint64_t segment, uint64_t sequence,
                                    rotor_error *error) {
    (void)context;
    (void)size;
    (void)segment;
    (void)sequence;
    (void)error;
    return ROTOR_OK;
}

/* Whether the log has gone on since it was read: nobody begins a segment before the log leads to the one before it. */
static rotor_status has_gone_on(rotor_store *store, const rotor_log_position *position, bool *on, rotor_error *error) {
    const rotor_log_reader reader = {.leaves = pass_leaves, .truncate = pass_truncation};
    rotor_log_position now;
    rotor_status status = rotor_log_replay(&now, &store->directory, &store->superblock, &reader, error);
    *on = status == ROTOR_OK && now.sequence > position->sequence;
    return status;
}

/* An unfinished rotation leaves one segment behind the log's end (docs/durability.md, R5). One further on says that
 * those between are missing, unless another process writes them while this one reads. */
static rotor_status check_last_segment(rotor_store *store, const rotor_log_position *position, rotor_error *error) {
    const rotor_os *os = store->directory.os;
    uint64_t last = 0;
    int result = os->list(os->context, store->directory.handle, find_last_segment, &last);
    if (result < 0) {
        return rotor_file_fail(&store->directory, "", "readdir", result, error);
    }
    bool gap = last > position->segment + 1;
    if (gap && store->read_only) {
        bool on = false;
        rotor_status status = has_gone_on(store, position, &on, error);
        if (status != ROTOR_OK) {
            return status;
        }
        gap = !on;
    }
    if (gap) {
        char name[40];
        rotor_log_name(name, last);
        return rotor_fail(error, ROTOR_DAMAGED, 0,
                          "%s/%s cannot follow the segment in which the log ends, number %llu: a part of the log is "
                          "missing",
                          store->directory.path, name, (unsigned long long)position->segment);
    }
    return ROTOR_OK;
}

static rotor_status replay_log(rotor_store *store, rotor_error *error) {
    replay log = {.store = store};
    rotor_log_reader reader = {.context = &log,
                               .place = place_leaves,
                               .leaves = replay_leaves,
                               .truncate = replay_truncate,
                               .pool = share_reading};
    rotor_log_position position;
    rotor_status status = rotor_log_replay(&position, &store->directory, &store->superblock, &reader, error);
    if (status != ROTOR_OK) {
        return status;
    }
    store->torn_bytes = position.torn_bytes;
    store->log_bytes = position.log_bytes > position.end ? position.log_bytes - position.end : 0;
    store->segment_end = position.end;
    rotor_store_count_log(store);
    store->oldest_segment = store->superblock.log_segment;
    status = check_last_segment(store, &position, error);
    if (status == ROTOR_OK && !store->read_only) {
        status = resume_log(store, &log, &position, error);
    }
    store->logged = store->tree->size;
    rotor_store_set_durable(store, (rotor_token){.epoch = store->tree->epoch, .size = store->tree->size});
    return status;
}

/* ---- leftovers */

typedef struct leftovers {
    rotor_store *store;
    rotor_status status;
    rotor_error *error;
} leftovers;

static int remove_leftover(void *context, const char *name) {
    leftovers *these = context;
    uint64_t segment;
    size_t length = strlen(name);
    bool ours = strncmp(name, "level-", 6) == 0 || strncmp(name, ROTOR_SUPERBLOCK_NAME, 10) == 0;
    bool unfinished = ours && length > 4 && strcmp(name + length - 4, ".new") == 0;
    bool outdated = rotor_log_parse(name, &segment) &&
                    (segment < these->store->superblock.log_segment || segment > these->store->log.segment);
    if (strcmp(name, ROTOR_LOG_SPARE_NAME) == 0) {
        atomic_store(&these->store->log.spare, true);
    }
    if (unfinished || outdated) {
        these->status = rotor_file_remove(&these->store->directory, name, these->error);
    }
    return these->status != ROTOR_OK;
}

static rotor_status remove_leftovers(rotor_store *store, rotor_error *error) {
    leftovers these = {.store = store, .status = ROTOR_OK, .error = error};
    const rotor_os *os = store->directory.os;
    int result = os->list(os->context, store->directory.handle, remove_leftover, &these);
    if (these.status != ROTOR_OK) {
        return these.status;
    }
    return result < 0 ? rotor_file_fail(&store->directory, "", "readdir", result, error) : ROTOR_OK;
}

/* ---- after a failure */

/* After a failed sync the system may show bytes that the disk does not have, and a sync that succeeds does not bring
 * them there, as they count as written. So everything above the committed size is written anew and committed, but for
 * what a frame says to be in the level files: that had been synced before (docs/durability.md, R2, R11). */
static rotor_status regain_trust(rotor_store *store, rotor_error *error) {
    rotor_status status = rotor_store_checkpoint(store);
    if (status == ROTOR_FAILED) {
        rotor_error failure;
        (void)rotor_store_failure(store, &failure);
        return rotor_fail(error, ROTOR_IO, failure.os_errno, "%s", failure.message);
    }
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, 0, "committing what was recovered of %s: %s", store->directory.path,
                          rotor_status_message(status));
    }
    store->distrust = false;
    return rotor_file_truncate(&store->lock_file, 0, error);
}

/* ---- all of it */

static rotor_status lock(rotor_store *store, rotor_error *error) {
    rotor_status status = rotor_directory_lock(&store->lock_file, &store->directory, LOCK_NAME, false, error);
    if (status != ROTOR_OK) {
        return status;
    }
    rotor_os_status found;
    status = rotor_file_status(&store->lock_file, &found, error);
    store->distrust = status == ROTOR_OK && found.bytes > 0;
    return status;
}

static rotor_status open_superblock(rotor_store *store, rotor_error *error) {
    unsigned flags = store->read_only ? ROTOR_OS_READ : ROTOR_OS_WRITE;
    rotor_status status =
        rotor_file_open(&store->superblock_file, &store->directory, ROTOR_SUPERBLOCK_NAME, flags, error);
    if (status == ROTOR_OK) {
        status = rotor_superblock_read(&store->superblock, &store->damaged_slots, &store->superblock_file, error);
    }
    return status == ROTOR_OK ? check_identity(store, error) : status;
}

/* Reading without a lock: a writer tells by its superblock when it is about to overwrite what this handle maps. */
static rotor_status watch_writer(rotor_store *store, rotor_error *error) {
    const rotor_os *os = store->directory.os;
    int result = os->map_shared(os->context, store->superblock_file.handle, &store->watched, ROTOR_SUPERBLOCK_BYTES);
    if (result < 0) {
        store->watched = NULL;
        return rotor_file_fail(&store->directory, ROTOR_SUPERBLOCK_NAME, "mmap", result, error);
    }
    uint8_t counted[sizeof(uint64_t)];
    rotor_put_u64(counted, store->superblock.cuts);
    memcpy(&store->tree->watched_value, counted, sizeof counted);
    bool watches = false;
    for (uint64_t slot = 0; slot < 2; slot++) {
        rotor_superblock found;
        const uint8_t *bytes = (const uint8_t *)store->watched + slot * ROTOR_SUPERBLOCK_SLOT_BYTES;
        if (rotor_superblock_decode(&found, bytes) == ROTOR_OK) {
            if (found.cuts != store->superblock.cuts && found.generation < store->superblock.generation) {
                continue; /* an interrupted commit; a writer renews both slots before it overwrites anything */
            }
            if (found.cuts != store->superblock.cuts) {
                return rotor_fail(error, ROTOR_STALE, 0, "%s is being truncated by another process",
                                  store->directory.path);
            }
            store->tree->watched[slot] = (const _Atomic uint64_t *)(const void *)(bytes + ROTOR_SUPERBLOCK_CUTS_OFFSET);
            watches = true;
        }
    }
    return watches
               ? ROTOR_OK
               : rotor_fail(error, ROTOR_STALE, 0, "%s is being committed by another process", store->directory.path);
}

static rotor_status create_tree(rotor_store *store, const rotor_hasher *hasher, rotor_error *error) {
    store->options.arity = store->superblock.arity;
    store->options.max_depth = store->superblock.max_depth;
    rotor_status status = rotor_tree_create(&store->tree, &store->options, hasher);
    if (status != ROTOR_OK) {
        return rotor_fail(error, status, ENOMEM, "no memory for the tree in %s", store->directory.path);
    }
    store->log = (rotor_log){.directory = &store->directory, .file = ROTOR_FILE_CLOSED};
    memcpy(store->log.tree_id, store->superblock.tree_id, sizeof store->log.tree_id);
    rotor_level_files_init(&store->leaf_files, &store->directory, store->superblock.shard_bits);
    rotor_level_files_init(&store->checkpoint_files, &store->directory, store->superblock.shard_bits);
    rotor_level_files_share(&store->leaf_files, &store->shard_guard);
    rotor_level_files_share(&store->checkpoint_files, &store->shard_guard);
    atomic_store(&store->committed, store->superblock.size);
    atomic_store(&store->released, store->superblock.size);
    atomic_store(&store->generation, store->superblock.generation);
    uint64_t shard_bytes = (uint64_t)ROTOR_HASH_BYTES << store->superblock.shard_bits;
    store->mapped_below = shard_bytes % rotor_vm_page_bytes() == 0 ? store->options.pin_above_level : 0;
    return ROTOR_OK;
}

static rotor_status load(rotor_store *store, const rotor_hasher *hasher, const rotor_store_setup *setup,
                         rotor_error *error) {
    rotor_status status = create_tree(store, hasher, error);
    if (status == ROTOR_OK && store->read_only) {
        status = watch_writer(store, error);
    }
    if (status == ROTOR_OK) {
        status = check_size(store, store->superblock.size, error);
    }
    if (status == ROTOR_OK && setup->for_repair) {
        status = extend_inner_files(store, error);
    }
    if (status == ROTOR_OK) {
        status = check_lengths(store, error);
    }
    if (status == ROTOR_OK) {
        status = load_committed(store, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_store_verify(store, setup->for_repair, error);
    }
    if (setup->for_repair) {
        /* What is to be repaired is what was committed, whatever the log made of it; nothing else may be written. */
        store->read_only = true;
        return status;
    }
    if (status == ROTOR_OK) {
        status = replay_log(store, error);
    }
    if (status == ROTOR_OK && !store->read_only) {
        status = remove_leftovers(store, error);
    }
    if (status == ROTOR_OK && store->distrust) {
        status = regain_trust(store, error);
    }
    if (status == ROTOR_OK && store->read_only) {
        rotor_snapshot snapshot;
        status = rotor_snapshot_take(store->tree, &snapshot);
        if (status == ROTOR_OK && rotor_snapshot_check(&snapshot) == ROTOR_STALE) {
            status =
                rotor_fail(error, ROTOR_STALE, 0, "%s is being truncated by another process", store->directory.path);
        }
    }
    return status;
}

rotor_status rotor_store_load(rotor_store *store, const char *path, const rotor_hasher *hasher,
                              const rotor_store_setup *setup, rotor_error *error) {
    const rotor_os *os = setup->os != NULL ? setup->os : rotor_os_system();
    rotor_status status = make_directory(os, path, &store->options, error);
    if (status == ROTOR_OK) {
        status = open_directory(store, os, path, error);
    }
    /* Before the lock, whose file would be left where no tree can be, and again under it. */
    bool absent = false;
    if (status == ROTOR_OK) {
        status = judge_place(store, false, &absent, error);
    }
    if (status == ROTOR_OK && !store->read_only) {
        status = lock(store, error);
        if (status == ROTOR_OK) {
            status = judge_place(store, true, &absent, error);
        }
    }
    if (status == ROTOR_OK && absent) {
        status = create(store, setup, error);
    }
    if (status == ROTOR_OK) {
        status = open_superblock(store, error);
    }
    return status == ROTOR_OK ? load(store, hasher, setup, error) : status;
}
