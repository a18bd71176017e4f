/* Loading a directory into a store. Internal to src/store. */
#ifndef ROTOR_STORE_OPEN_H
#define ROTOR_STORE_OPEN_H

#include "hash/hash.h"
#include "store/store.h"

/* Fills a store that has its options and nothing else: opens, or creates, the directory, and loads the tree. On failure
 * the store holds what it held by then; the caller frees it. */
rotor_status rotor_store_load(rotor_store *store, const char *path, const rotor_hasher *hasher,
                              const rotor_store_setup *setup, rotor_error *error);

#endif
