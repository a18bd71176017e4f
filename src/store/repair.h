/* Making the inner nodes of a stored tree anew from its leaves. */
#ifndef ROTOR_STORE_REPAIR_H
#define ROTOR_STORE_REPAIR_H

#include "hash/hash.h"
#include "os/os.h"
#include "rotortree.h"

/* As rotor_repair(). `options` are filled in as for rotor_store_open(); those that concern opening and writing are
 * replaced. `os` NULL: the system's. */
rotor_status rotor_store_repair(const char *path, const rotor_options *options, const rotor_hasher *hasher,
                                const rotor_os *os, rotor_check_report *report, rotor_progress *progress, void *context,
                                rotor_error *error);

#endif
