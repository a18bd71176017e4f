/* See place.h. The tree is made in a directory inside its own and its files are moved when it is whole, the superblock
 * last. A directory beside it and one rename would not do for a destination that is another file system's root, the
 * working directory or a symbolic link. Must not know the crate's files, nor trees that are open. */
#include "reference/place.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK "lock"
#define SUPERBLOCK "superblock"
#define STAGING "import.unfinished"
/* The name of the superblock there, until the end. As long as it is there, the files in the directory itself are this
 * tree's. */
#define HIDDEN_SUPERBLOCK "superblock.unfinished"
#define HIDDEN STAGING "/" HIDDEN_SUPERBLOCK
#define LONGEST_PART 39

static bool begins_with(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_part(const char *name) {
    return strlen(name) <= LONGEST_PART && (begins_with(name, "level-") || begins_with(name, "log-"));
}

/* What the making of a tree leaves in the inner directory, and nobody else. */
static bool is_staged(const char *name) {
    return is_part(name) || strcmp(name, LOCK) == 0 || strcmp(name, SUPERBLOCK) == 0 ||
           strcmp(name, SUPERBLOCK ".new") == 0 || strcmp(name, HIDDEN_SUPERBLOCK) == 0 ||
           strcmp(name, "log.spare") == 0;
}

/* ---------------------------------------------------------------- removing and moving */

typedef struct name_walk {
    rotor_reference_place *place;
    rotor_directory *directory; /* that is walked through */
    uint64_t changed;
    rotor_status status;
    rotor_error *error;
} name_walk;

/* Calls `each` with all names of a directory until it has nothing to do: a listing may leave out names when others are
 * removed meanwhile. */
static rotor_status walk(rotor_reference_place *place, rotor_directory *directory, rotor_os_name *each,
                         rotor_error *error) {
    const rotor_os *os = directory->os;
    name_walk names = {.place = place, .directory = directory, .status = ROTOR_OK, .error = error};
    int result = 0;
    do {
        names.changed = 0;
        result = os->list(os->context, directory->handle, each, &names);
    } while (result == 0 && names.changed > 0 && names.status == ROTOR_OK);
    if (names.status != ROTOR_OK) {
        return names.status;
    }
    return result == 0 ? ROTOR_OK : rotor_file_fail(directory, NULL, "readdir", result, error);
}

static int remove_part(void *context, const char *name) {
    name_walk *names = context;
    if (is_part(name)) {
        names->status = rotor_file_remove(&names->place->directory, name, names->error);
        names->changed++;
    }
    return names->status != ROTOR_OK;
}

static int remove_staged(void *context, const char *name) {
    name_walk *names = context;
    if (is_staged(name) && strcmp(name, HIDDEN_SUPERBLOCK) != 0) {
        names->status = rotor_file_remove(names->directory, name, names->error);
        names->changed++;
    }
    return names->status != ROTOR_OK;
}

static int move_part(void *context, const char *name) {
    name_walk *names = context;
    if (is_part(name)) {
        char staged[sizeof STAGING + 1 + LONGEST_PART];
        (void)snprintf(staged, sizeof staged, "%s/%s", STAGING, name);
        names->status = rotor_file_rename(&names->place->directory, staged, name, names->error);
        names->changed++;
    }
    return names->status != ROTOR_OK;
}

/* What is not there needs no words. */
static rotor_status unless_absent(rotor_status status, const rotor_error *words, rotor_error *error) {
    if (status == ROTOR_OK || status == ROTOR_NOT_FOUND) {
        return ROTOR_OK;
    }
    if (error != NULL) {
        *error = *words;
    }
    return status;
}

/* Whether an import has got so far that files in the directory itself may be its own. */
static rotor_status is_hidden(rotor_reference_place *place, bool *hidden, rotor_error *error) {
    rotor_file file;
    rotor_error words;
    rotor_status status = rotor_file_open(&file, &place->directory, HIDDEN, ROTOR_OS_READ, &words);
    rotor_file_close(&file);
    *hidden = status == ROTOR_OK;
    return unless_absent(status, &words, error);
}

static rotor_status remove_staging(rotor_reference_place *place, rotor_directory *staging, rotor_error *error) {
    const rotor_os *os = place->directory.os;
    rotor_status status = walk(place, staging, remove_staged, error);
    if (status == ROTOR_OK) {
        status = rotor_file_remove(staging, HIDDEN_SUPERBLOCK, error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    int result = os->remove_directory(os->context, place->staging);
    return result == 0 ? ROTOR_OK : rotor_file_fail(&place->directory, STAGING, "rmdir", result, error);
}

/* The hidden superblock goes last: as long as it is there, the next import knows what it may remove. */
static rotor_status remove_unfinished(rotor_reference_place *place, rotor_error *error) {
    rotor_directory staging;
    rotor_error words;
    bool hidden;
    rotor_status status = is_hidden(place, &hidden, error);
    if (status == ROTOR_OK && hidden) {
        status = walk(place, &place->directory, remove_part, error);
    }
    if (status != ROTOR_OK) {
        return status;
    }
    status = rotor_directory_open_in(&staging, &place->directory, STAGING, place->staging, &words);
    if (status != ROTOR_OK) {
        return unless_absent(status, &words, error);
    }
    status = remove_staging(place, &staging, error);
    rotor_directory_close(&staging);
    return status;
}

/* ---------------------------------------------------------------- taking a directory */

typedef struct inventory {
    bool superblock;
    char part[64];  /* of a file that may be of an unfinished import, or "" */
    char other[64]; /* of something else, or "" */
} inventory;

static int take_inventory(void *context, const char *name) {
    inventory *found = context;
    if (strcmp(name, SUPERBLOCK) == 0) {
        found->superblock = true;
    } else if (is_part(name)) {
        (void)snprintf(found->part, sizeof found->part, "%s", name);
    } else if (strcmp(name, LOCK) != 0 && strcmp(name, STAGING) != 0 && strcmp(name, "lost+found") != 0) {
        (void)snprintf(found->other, sizeof found->other, "%s", name);
    }
    return 0;
}

static int find_other(void *context, const char *name) {
    inventory *found = context;
    if (!is_staged(name)) {
        (void)snprintf(found->other, sizeof found->other, STAGING "/%.40s", name);
    }
    return 0;
}

/* Looks for what no import has left in the inner directory. */
static rotor_status inspect_staging(const rotor_reference_place *place, inventory *found, rotor_error *error) {
    rotor_directory staging;
    rotor_error words;
    rotor_status status = rotor_directory_open_in(&staging, &place->directory, STAGING, place->staging, &words);
    if (status == ROTOR_IO && (words.os_errno == ENOTDIR || words.os_errno == ELOOP)) {
        (void)snprintf(found->other, sizeof found->other, "%s", STAGING);
        return ROTOR_OK;
    }
    if (status != ROTOR_OK) {
        return unless_absent(status, &words, error);
    }
    int result = staging.os->list(staging.os->context, staging.handle, find_other, found);
    status = result == 0 ? ROTOR_OK : rotor_file_fail(&staging, NULL, "readdir", result, error);
    rotor_directory_close(&staging);
    return status;
}

/* Refuses a directory that holds anything but the remains of an import. */
static rotor_status judge(rotor_reference_place *place, rotor_error *error) {
    const rotor_directory *directory = &place->directory;
    inventory found = {.superblock = false};
    bool hidden = true;
    int result = directory->os->list(directory->os->context, directory->handle, take_inventory, &found);
    if (result != 0) {
        return rotor_file_fail(directory, NULL, "readdir", result, error);
    }
    if (found.superblock) {
        return rotor_fail(error, ROTOR_EXISTS, 0, "%.300s holds a tree already", directory->path);
    }
    rotor_status status = inspect_staging(place, &found, error);
    if (status == ROTOR_OK && found.part[0] != '\0' && found.other[0] == '\0') {
        status = is_hidden(place, &hidden, error);
    }
    if (status == ROTOR_OK && (found.other[0] != '\0' || !hidden)) {
        status = rotor_fail(error, ROTOR_EXISTS, 0, "%.300s is not empty (it holds '%s'): name a new directory",
                            directory->path, found.other[0] != '\0' ? found.other : found.part);
    }
    return status;
}

static rotor_status make_directory(rotor_reference_place *place, const rotor_os *os, const char *path,
                                   uint32_t file_mode, rotor_error *error) {
    uint32_t mode = file_mode | 0700u | (file_mode & 0444u) >> 2; /* whoever may read may search */
    int result = os->make_directory(os->context, path, mode);
    if (result != 0 && result != -EEXIST) {
        rotor_directory nowhere = {.os = os, .handle = -1, .path = (char *)(uintptr_t)path};
        return rotor_file_fail(&nowhere, NULL, "mkdir", result, error);
    }
    place->made = result == 0;
    return ROTOR_OK;
}

rotor_status rotor_reference_place_take(rotor_reference_place *place, const rotor_os *os, const char *path,
                                        uint32_t file_mode, rotor_error *error) {
    size_t room = strlen(path) + sizeof STAGING + 1;
    *place = (rotor_reference_place){.directory = {.os = os, .handle = -1}, .lock = ROTOR_FILE_CLOSED};
    place->staging = malloc(room);
    if (place->staging == NULL) {
        return rotor_fail(error, ROTOR_OUT_OF_MEMORY, ENOMEM, "no memory for the name of a directory");
    }
    (void)snprintf(place->staging, room, "%s/%s", path, STAGING);
    rotor_status status = make_directory(place, os, path, file_mode, error);
    if (status == ROTOR_OK) {
        status = rotor_directory_open(&place->directory, os, path, file_mode, error);
        if (status != ROTOR_OK && place->made) {
            (void)os->remove_directory(os->context, path);
            place->made = false;
        }
    }
    /* Before the lock, whose file would be left where no tree can be, and again under it. */
    if (status == ROTOR_OK) {
        status = judge(place, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_directory_lock(&place->lock, &place->directory, LOCK, true, error);
    }
    if (status == ROTOR_OK) {
        status = judge(place, error);
        if (status != ROTOR_OK && status != ROTOR_EXISTS) {
            (void)rotor_file_remove(&place->directory, LOCK, NULL);
        }
    }
    place->owned = status == ROTOR_OK;
    return status == ROTOR_OK ? remove_unfinished(place, error) : status;
}

/* ---------------------------------------------------------------- from hidden to open */

static rotor_status sync_staging(rotor_reference_place *place, rotor_error *error) {
    rotor_directory staging;
    rotor_status status = rotor_directory_open(&staging, place->directory.os, place->staging, 0, error);
    if (status == ROTOR_OK) {
        status = rotor_directory_sync(&staging, error);
    }
    rotor_directory_close(&staging);
    return status;
}

/* The tree goes on with the file that it has open, whatever its name. */
rotor_status rotor_reference_place_hide(rotor_reference_place *place, rotor_error *error) {
    rotor_status status = rotor_file_rename(&place->directory, STAGING "/" SUPERBLOCK, HIDDEN, error);
    return status == ROTOR_OK ? sync_staging(place, error) : status;
}

rotor_status rotor_reference_place_settle(rotor_reference_place *place, rotor_error *error) {
    rotor_directory *directory = &place->directory;
    rotor_directory staging;
    int result = directory->os->sync_parent(directory->os->context, directory->path);
    if (result != 0) {
        return rotor_file_fail(directory, "..", "fsync", result, error);
    }
    rotor_status status = rotor_directory_open(&staging, directory->os, place->staging, 0, error);
    if (status == ROTOR_OK) {
        status = walk(place, &staging, move_part, error);
    }
    rotor_directory_close(&staging);
    if (status == ROTOR_OK) {
        status = rotor_directory_sync(directory, error);
    }
    if (status == ROTOR_OK) {
        status = rotor_file_rename(directory, HIDDEN, SUPERBLOCK, error);
    }
    return status == ROTOR_OK ? rotor_directory_sync(directory, error) : status;
}

void rotor_reference_place_leave(rotor_reference_place *place, bool settled) {
    const rotor_os *os = place->directory.os;
    if (place->owned && !settled) {
        (void)os->rename(os->context, place->directory.handle, SUPERBLOCK, HIDDEN);
    }
    if (place->owned && remove_unfinished(place, NULL) == ROTOR_OK && !settled) {
        (void)os->unlink(os->context, place->directory.handle, LOCK);
    }
    rotor_file_close(&place->lock);
    if (place->made && !settled) {
        (void)os->remove_directory(os->context, place->directory.path);
    }
    rotor_directory_close(&place->directory);
    free(place->staging);
}
