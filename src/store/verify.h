/* Verifying a tree that is being opened. Internal to src/store. */
#ifndef ROTOR_STORE_VERIFY_H
#define ROTOR_STORE_VERIFY_H

#include "store/store.h"

/* Verifies what load has taken over of the level files as the options say, and before writing at least that it leads to
 * the committed root. ROTOR_DAMAGED, with the place, when it does not. */
rotor_status rotor_store_verify(rotor_store *store, bool for_repair, rotor_error *error);

#endif
