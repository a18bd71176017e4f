/* The last steps in the making of a stored tree: the log's first segment, then the superblock. Internal to src/store.
 */
#ifndef ROTOR_STORE_BIRTH_H
#define ROTOR_STORE_BIRTH_H

#include "store/superblock.h"

#define ROTOR_NEW_SUPERBLOCK_NAME ROTOR_SUPERBLOCK_NAME ".new"

/* Makes a tree of what is in the directory: gives it an id of its own and an empty log that begins at
 * superblock->size, and commits the superblock, which must be filled in otherwise and whose root the level files lead
 * to. Everything else in the directory must be durable. */
rotor_status rotor_birth(rotor_directory *directory, rotor_superblock *superblock, rotor_error *error);

#endif
