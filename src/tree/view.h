/* Reading through a snapshot without validating each read: what proofs are made of. */
#ifndef ROTOR_TREE_VIEW_H
#define ROTOR_TREE_VIEW_H

#include "hash/hash.h"
#include "rotortree.h"
#include "tree/shape.h"

#include <stdbool.h>

/* The tree's arity and hash functions; constant for the life of the tree. */
rotor_radix rotor_view_radix(const rotor_snapshot *snapshot);
const rotor_hasher *rotor_view_hasher(const rotor_snapshot *snapshot);

/* Copies nodes first..first+count-1 of a level, all of which the snapshot must have. What was copied is meaningless
 * unless rotor_snapshot_check() returns ROTOR_OK *after* the copy: ask once, after the last read. */
void rotor_view_copy(const rotor_snapshot *snapshot, rotor_hash *nodes, uint64_t count, uint32_t level, uint64_t first);

/* Where the members of a group of two or more lie, whose memory is asked for ahead of the copy. */
const uint8_t *rotor_view_locate(const rotor_snapshot *snapshot, uint32_t level, const rotor_group *group);

/* The same for all groups on the way from leaf `index` to the root of a tree of `size` leaves, at most the snapshot's,
 * so that the memory of all levels is waited for at once, not one level after the other. */
void rotor_view_ask_for_path(const rotor_snapshot *snapshot, uint64_t size, uint64_t index);

/* Copies the members of a group but the one at its position, in order, under the same condition. `source` is what
 * rotor_view_locate() returned; `length` is that of the level at the snapshot's size. */
void rotor_view_siblings(const rotor_snapshot *snapshot, rotor_hash *siblings, const uint8_t *source, uint32_t level,
                         uint64_t length, const rotor_group *group);

/* Fills in edge and depth of `past`, of a smaller size and not empty, from nodes that the snapshot has, and hashes
 * their way to the snapshot's root: true when they lead to it, so that the edge is right, whatever happened to the
 * memory or the files that hold them. At most two hashes a level. `as_stored`: false as well when a complete node of
 * the edge is right here, but is not what is stored. The result is meaningless unless rotor_snapshot_check() returns
 * ROTOR_OK after it. */
bool rotor_view_prove_past(const rotor_snapshot *snapshot, rotor_snapshot *past, bool as_stored);

/* As rotor_snapshot_at(), but never shown to lead to the snapshot's root: for who looks for what is damaged. */
rotor_status rotor_view_past(const rotor_snapshot *snapshot, rotor_snapshot *past, uint64_t size);

#endif
