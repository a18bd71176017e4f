/* The directory that an import makes a tree of: it becomes one at once and with all leaves, or not at all. Knows the
 * names of docs/format.md; nothing of what the files hold, nor of the crate's. */
#ifndef ROTOR_REFERENCE_PLACE_H
#define ROTOR_REFERENCE_PLACE_H

#include "os/file.h"
#include "rotortree.h"

#include <stdbool.h>

typedef struct rotor_reference_place {
    rotor_directory directory;
    rotor_file lock; /* the tree's own: nobody else makes or opens one there meanwhile */
    char *staging;   /* path of the directory inside in which the tree is to be made */
    bool made;       /* the directory was not there before */
    bool owned;      /* what is in it may be removed */
} rotor_reference_place;

/* Makes the directory `path`, or takes one that holds nothing but what an import that was cut short has left, which is
 * removed. Whatever the result, rotor_reference_place_leave() must follow. Errors: ROTOR_EXISTS (a tree or other files
 * are there), ROTOR_LOCKED, ROTOR_IO, ROTOR_OUT_OF_MEMORY. */
rotor_status rotor_reference_place_take(rotor_reference_place *place, const rotor_os *os, const char *path,
                                        uint32_t file_mode, rotor_error *error);

/* To be called when the tree has been made in `staging`, and is empty: from then on nobody can open it there, whatever
 * becomes of this process. */
rotor_status rotor_reference_place_hide(rotor_reference_place *place, rotor_error *error);

/* To be called when the tree in `staging` has been filled and closed, with all of it durable: it appears in the
 * directory itself. */
rotor_status rotor_reference_place_settle(rotor_reference_place *place, rotor_error *error);

/* Unless `settled`, removes what has been made, as far as that can be. */
void rotor_reference_place_leave(rotor_reference_place *place, bool settled);

#endif
