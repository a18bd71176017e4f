/* Copying a stored tree while it is in use. */
#ifndef ROTOR_STORE_BACKUP_H
#define ROTOR_STORE_BACKUP_H

#include "store/store.h"

/* As rotor_backup(). */
rotor_status rotor_store_backup(rotor_store *store, const char *destination, rotor_progress *progress, void *context,
                                rotor_error *error);

#endif
