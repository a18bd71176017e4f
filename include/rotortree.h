/* rotortree.h - an append-only, n-ary Lean Incremental Merkle Tree.
 *
 * This header is the manual. It declares everything an embedder needs and says, for each call, what it does, in which
 * units, who owns what, which threads may call it, and how it fails.
 *
 * THE TREE
 *   A tree of arity N (2..255) holds 32-byte hashes, its leaves, in the order in which they were appended. Leaves are
 * stored as given: any 32 bytes are a leaf, the all-zero ones included. Level 0 is the leaves; node i of level l+1
 * stands for the nodes N*i .. N*i+N-1 of level l, as many of them as exist:
 *     - two or more children: BLAKE3(0x01 || child count as one byte || child 0 || child 1 || ...);
 *     - exactly one child: the child itself, lifted without hashing.
 *   The root is the only node of the top level, whose number is the depth = ceil(log_N size). The root of one leaf is
 * that leaf. The empty tree is a valid tree that has no root. docs/hashing.md works an example through, byte by byte.
 *
 * IN MEMORY AND ON DISK
 *   rotor_open() with a path gives a durable tree, kept in a directory; without one, a tree in memory. All calls are
 * the same for both. A leaf of a durable tree is, one after the other,
 *     - accepted: in memory, visible to readers; when the insert returns;
 *     - durable: written and synced; when its token says so, by rotor_wait(), by a flush, or on its own within the
 * flush interval. A durable leaf survives any crash of the process, the system or the power;
 *     - checkpointed: in the level files, from which a later open takes it without hashing.
 *   After a crash the tree is what it was at some moment not before the last durable one. After a failed write or sync
 * the tree refuses all further changes (ROTOR_FAILED; rotor_failure() says what failed) until it is opened anew, since
 * nobody knows what the system still has; reading goes on. docs/durability.md numbers the guarantees, docs/format.md
 * gives the bytes.
 *
 * WHAT IS TRUSTED
 *   A root alone does not say how many leaves it stands for. What a verifier must hold is a *tree head*: arity, hash
 * profile, size and root together (rotor_tree_head). All verifiers here derive the shape of every group from it and
 * reject anything else.
 *
 * THREADS
 *   Every function may be called from any thread at any time, unless its comment says otherwise; only rotor_close()
 * must be the last call on a tree. Calls that change a tree are serialised inside the library. A handle of a durable
 * tree is of use only to the process that opened it: after a fork(), the child may neither use nor close it, and holds
 * the lock until it executes a program or ends. Reading through a snapshot takes no lock, blocks nobody and is blocked
 * by nobody. A snapshot or proof object itself is plain memory of the caller: do not write it from two threads at once.
 * The library keeps no state outside of trees but what it found the processor to be, installs no signal handlers,
 * prints nothing and never ends the process. (The system may: under a limit of file sizes, RLIMIT_FSIZE, it answers a
 * write beyond it with SIGXFSZ. Ignore that signal to have ROTOR_FAILED instead.)
 *
 * ERRORS
 *   Whatever can fail returns a rotor_status. A call that returns anything but ROTOR_OK has changed nothing, neither
 * the tree nor, unless its comment says otherwise, its outputs. A null pointer where none is allowed is ROTOR_MISUSE.
 *
 * ARGUMENT ORDER
 *   Handle, outputs, inputs; the length of an array directly follows it.
 */
#ifndef ROTORTREE_H
#define ROTORTREE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(ROTOR_BUILD_SHARED) && defined(__GNUC__)
#define ROTOR_API __attribute__((visibility("default")))
#else
#define ROTOR_API
#endif

#if defined(__GNUC__)
#define ROTOR_MUST_USE __attribute__((warn_unused_result))
#else
#define ROTOR_MUST_USE
#endif

#define ROTOR_VERSION_MAJOR 0
#define ROTOR_VERSION_MINOR 1
#define ROTOR_VERSION_PATCH 0

/* The version of the library that is linked, "0.1.0"; a static string. */
ROTOR_API const char *rotor_version(void);

/* ---------------------------------------------------------------- values */

#define ROTOR_HASH_BYTES 32
#define ROTOR_MIN_ARITY 2
#define ROTOR_MAX_ARITY 255
#define ROTOR_MIN_DEPTH 1
#define ROTOR_MAX_DEPTH 64

/* A hash: a leaf, an inner node or a root. Has no alignment, so that an array of them is the plain bytes one after the
 * other. */
typedef struct rotor_hash {
    uint8_t bytes[ROTOR_HASH_BYTES];
} rotor_hash;

/* The rule by which nodes are hashed; its number is stored wherever a tree or proof is encoded. */
typedef enum rotor_hash_profile_id {
    ROTOR_HASH_BLAKE3 = 1, /* BLAKE3(0x01 || child count || children), as above */
} rotor_hash_profile_id;

typedef enum rotor_status {
    ROTOR_OK = 0,
    ROTOR_MISUSE = 1,        /* an argument that no caller should pass: a null pointer, an arity out of range, ... */
    ROTOR_OUT_OF_MEMORY = 2, /* memory or address space could not be had */
    ROTOR_EMPTY_BATCH = 3,   /* an insert of no leaves */
    ROTOR_EMPTY_TREE = 4,    /* the empty tree has no root, no head and no proofs */
    ROTOR_MAX_DEPTH_EXCEEDED = 5, /* the leaves would need a level above the tree's maximum depth */
    ROTOR_CAPACITY_EXCEEDED = 6,  /* the leaves would exceed the tree's max_leaves, or what 64-bit addresses can hold */
    ROTOR_OUT_OF_RANGE = 7,       /* an index, level or size that the tree or snapshot does not have */
    ROTOR_STALE = 8,              /* the tree was truncated below the size of this snapshot */
    ROTOR_INVALID_PROOF = 9,      /* well-formed, but does not prove what it says */
    ROTOR_MALFORMED = 10,         /* bytes that are not an encoding of the expected thing */
    ROTOR_BUFFER_TOO_SMALL = 11,  /* the output buffer is too small; the length needed was stored */
    ROTOR_UNSUPPORTED = 12,       /* a hash profile, kernel or file format that this build or processor does not have */
    ROTOR_IO = 13,                /* a system call on a file failed; the detail names it, the file and errno */
    ROTOR_DAMAGED = 14,           /* stored bytes are not what was stored; the detail names file and place */
    ROTOR_LOCKED = 15,            /* the directory is open for writing elsewhere, here or in another process */
    ROTOR_MISMATCH = 16,          /* an option contradicts what the directory holds */
    ROTOR_NOT_FOUND = 17,         /* no tree is stored there */
    ROTOR_EXISTS = 18,            /* something is there already */
    ROTOR_READ_ONLY = 19,         /* the tree was opened for reading */
    ROTOR_FAILED = 20,            /* an earlier write failed, and the tree takes no more: rotor_failure() */
    ROTOR_PENDING = 21,           /* not durable yet */
    ROTOR_TIMED_OUT = 22,         /* not done in the time given; nothing is lost, ask again */
} rotor_status;

/* "ROTOR_OK" and so on; "unknown status" for any other number. A static string. */
ROTOR_API const char *rotor_status_name(rotor_status status);
/* One sentence in English, without a full stop, for people. A static string. */
ROTOR_API const char *rotor_status_message(rotor_status status);

/* The detail of a failure, in memory of the caller. Calls that take one accept NULL; they fill it only when they fail.
 */
typedef struct rotor_error {
    rotor_status status;
    int os_errno;      /* errno of the failed system call, or 0 */
    char message[496]; /* one sentence that names what was wrong and where; always terminated */
} rotor_error;

/* What a verifier trusts. */
typedef struct rotor_tree_head {
    rotor_hash root;
    uint64_t size;         /* leaves, at least 1 */
    uint32_t arity;        /* ROTOR_MIN_ARITY..ROTOR_MAX_ARITY */
    uint32_t hash_profile; /* a rotor_hash_profile_id */
} rotor_tree_head;

/* ---------------------------------------------------------------- trees */

typedef struct rotor_tree rotor_tree;

/* What rotor_open() makes of a path. */
typedef enum rotor_open_mode {
    ROTOR_OPEN_OR_CREATE = 0, /* open the tree that is there, else create one */
    ROTOR_OPEN_EXISTING = 1,  /* ROTOR_NOT_FOUND when there is none */
    ROTOR_CREATE_NEW = 2,     /* ROTOR_EXISTS when there is one */
    /* Open the tree that is there for reading: as of a moment not before the last durable one, without a lock, without
     * writing anything, also while another process writes to it. Before that process overwrites anything that this
     * handle reads, after a truncation of what had been checkpointed, reads return ROTOR_STALE: open it again. (That is
     * at its next checkpoint; until then, and after a truncation that concerns the log only, this handle goes on to
     * show its own moment.) */
    ROTOR_OPEN_READ_ONLY = 3,
} rotor_open_mode;

/* How much of what was checkpointed is verified when a directory is opened. Whatever is in the log is always verified,
 * and before a tree is written to, always that the nodes from which its next root is computed give the committed root.
 */
typedef enum rotor_verify {
    ROTOR_VERIFY_NONE = 0, /* the lengths of the files; opened read-only, nothing else: roots and proofs may be wrong */
    ROTOR_VERIFY_EDGE = 1, /* also the paths from the first and the last leaf to the committed root: microseconds */
    ROTOR_VERIFY_FULL = 2, /* also every node, as rotor_check() does: hashes the whole tree */
} rotor_verify;

#define ROTOR_MANUAL UINT32_MAX

typedef struct rotor_options {
    uint32_t arity;        /* children per node, ROTOR_MIN_ARITY..ROTOR_MAX_ARITY. 0: that of the stored tree */
    uint32_t max_depth;    /* highest level that may exist, ROTOR_MIN_DEPTH..ROTOR_MAX_DEPTH. 0: as stored */
    uint32_t hash_profile; /* a rotor_hash_profile_id */
    /* Threads that hash a large batch, the caller's own included, at most 1,024. 0: one for each processor that this
     * process may use. The threads are started by the first batch that needs them; if fewer can be started, the batch
     * is hashed by those. */
    uint32_t threads;
    /* A batch that makes fewer parents than this at one level stays on the caller's thread. 0: the environment variable
     * ROTORTREE_PARALLEL_THRESHOLD where it is set, else 1024. 256 serves batches better that follow each other without
     * a pause (10,000 leaves at arity 16, two threads: 1.6 times as fast), and others worse: workers that sleep take
     * longer to wake than such a batch takes. */
    uint64_t parallel_threshold;
    /* Nodes that a thread takes from the batch at a time. 0: a default fit for most machines. Rounded up to whole
     * blocks. */
    uint64_t task_nodes;
    /* Most leaves that the tree may hold; a stored tree that holds more, or has held more since its last checkpoint, is
     * not opened. 0: as many as its depth and the address space allow. */
    uint64_t max_leaves;
    /* Name of the hashing kernel ("portable", "sse41", "avx2", "avx512", "neon"; "avx2-c" and "avx512-c", the same two
     * in C). NULL: the environment variable ROTORTREE_KERNEL where it is set, else the fastest that processor and
     * operating system support. */
    const char *kernel;
    /* Every proof, and every root of a past size, is verified before it is returned, at the price of verifying it:
     * ROTOR_DAMAGED instead of a proof made of damaged nodes. Default off. */
    uint32_t verify_proofs;

    /* What follows concerns durable trees only. */
    uint32_t mode;              /* a rotor_open_mode */
    uint32_t verify_at_open;    /* a rotor_verify; default ROTOR_VERIFY_EDGE */
    uint32_t flush_interval_ms; /* leaves become durable on their own within about this time, at least 1; default 10.
                                 * ROTOR_MANUAL: by rotor_flush(), rotor_wait() and rotor_close() only */
    /* A checkpoint begins in the background when this many leaves have been accepted since the last; 0, the default:
     * not for that reason. */
    uint64_t checkpoint_leaves;
    /* ... when the nodes that no checkpoint has written take this many bytes; default 256 MiB, 0: not for that reason.
     * An insert that would let them grow to four times as many waits for the checkpoint. */
    uint64_t checkpoint_bytes;
    uint32_t checkpoint_on_close; /* default 1 */
    /* After a checkpoint, the levels below this one are mapped from their files, so that the system may drop their
     * pages when memory is short; those from it up stay in the process's own memory. Default ROTOR_MAX_DEPTH + 1: all
     * are mapped. 0: none is. */
    uint32_t pin_above_level;
    uint32_t file_mode; /* permissions of new files, before the umask; default 0644. The directory's follow from it */
} rotor_options;

/* Fills `options`, if not NULL, with the defaults for a tree of this arity and maximum depth; 0 and 0 for a stored tree
 * whatever it is. */
ROTOR_API void rotor_options_init(rotor_options *options, uint32_t arity, uint32_t max_depth);

/* Opens the tree kept in the directory `path`, which is created where the mode allows it (its parent must exist), or,
 * with `path` NULL, an empty tree in memory. Stores its handle, which the caller must rotor_close(). `error`, if not
 * NULL, is filled on failure.
 * Opening takes what was checkpointed as it is (see rotor_verify) and replays the log, whose torn end, if a crash left
 * one, is cut. One handle at a time may be open for writing. A durable tree has a thread for flushing (unless that is
 * manual) and one for checkpoints (when they are due on their own); they block all signals.
 * Errors: ROTOR_MISUSE (an option out of range, or an environment variable that is not a number: the message names it),
 * ROTOR_UNSUPPORTED (hash profile, kernel or file format), ROTOR_OUT_OF_MEMORY; with a path also ROTOR_NOT_FOUND,
 * ROTOR_EXISTS (or: the directory holds other files and no tree), ROTOR_LOCKED, ROTOR_CAPACITY_EXCEEDED (what is stored
 * exceeds max_leaves), ROTOR_MISMATCH (arity, maximum depth or profile differ from the stored), ROTOR_DAMAGED
 * (nothing has been changed), ROTOR_IO. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_open(rotor_tree **tree, const char *path, const rotor_options *options,
                                                 rotor_error *error);

/* Makes a durable tree's leaves durable, checkpoints it if that was asked for, and frees the tree and its memory,
 * whatever the result. No other call on the tree, or on a snapshot of it, may be running or follow. NULL is allowed.
 * Errors (with `error`, if not NULL, filled): the first failure of the flush, the checkpoint or an earlier write; what
 * was durable before stays so. A tree in memory returns ROTOR_OK. */
ROTOR_API rotor_status rotor_close(rotor_tree *tree, rotor_error *error);

/* A moment in the history of a tree, for asking whether that moment is durable. A plain value; belongs to the handle
 * that filled it. Treat the members as private. */
typedef struct rotor_token {
    uint64_t epoch;
    uint64_t size;
} rotor_token;

/* Appends one leaf.
 * With `root`, the new root is computed and stored: a chain of at most `depth` hashes. With NULL the leaf is only
 * appended; its parents are hashed later, many at once at full vector width, when a root, head, snapshot or proof needs
 * them: the cheap way to insert leaves one by one. `token`, if not NULL, is filled; waiting on it makes the leaf
 * durable. Errors: ROTOR_MAX_DEPTH_EXCEEDED, ROTOR_CAPACITY_EXCEEDED, ROTOR_OUT_OF_MEMORY, ROTOR_FAILED,
 * ROTOR_READ_ONLY. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_insert(rotor_tree *tree, rotor_hash *root, rotor_token *token,
                                                   const rotor_hash *leaf);

/* Appends `count` leaves in order, all or none; `leaves` is read during the call only. `root` and `token` as for
 * rotor_insert(). The same leaves give the same root however they are split into calls. Large batches are hashed by
 * several threads (rotor_options.threads). After a crash the tree may hold the first part of a batch that was not
 * durable. Errors: ROTOR_EMPTY_BATCH (count is 0), ROTOR_MAX_DEPTH_EXCEEDED, ROTOR_CAPACITY_EXCEEDED,
 * ROTOR_OUT_OF_MEMORY, ROTOR_FAILED, ROTOR_READ_ONLY. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_insert_many(rotor_tree *tree, rotor_hash *root, rotor_token *token,
                                                        const rotor_hash *leaves, size_t count);

/* rotor_insert_many() and rotor_wait() in one. Calls from many threads share their syncs. With ROTOR_FAILED the leaves
 * may have been accepted; whether they are durable shows when the tree is opened again. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_insert_durable(rotor_tree *tree, rotor_hash *root, const rotor_hash *leaves,
                                                           size_t count);

/* Cuts the tree back to its first `size` leaves; 0 empties it. Afterwards the tree is as if the others had never been
 * inserted, and reads through a snapshot larger than `size` return ROTOR_STALE; snapshots of at most `size` leaves stay
 * valid. Memory is kept for later inserts. Of a durable tree, the cut is durable when `token`, if not NULL, says so;
 * its level files keep their length, also when the cut has been checkpointed, and are written over as the tree grows
 * again: rotor_backup() to a new directory makes a copy without what was cut. The nodes that its new root is made of,
 * which may be in files, are first shown to lead to the present root, as from then on they are the truth. Errors:
 * ROTOR_OUT_OF_RANGE (size is larger than the tree), ROTOR_DAMAGED (those nodes do not lead there: rotor_check() tells
 * more; nothing has changed), ROTOR_OUT_OF_MEMORY, ROTOR_FAILED, ROTOR_READ_ONLY. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_truncate(rotor_tree *tree, rotor_token *token, uint64_t size);

#define ROTOR_FOREVER UINT64_MAX

/* Waits until the moment of the token is durable: everything that had been inserted or cut then, and all before, is on
 * disk, or has since been cut by a truncation that is. The first to wait writes and syncs for all who wait. With a time
 * limit (not ROTOR_FOREVER) the background thread does so, and the call returns ROTOR_TIMED_OUT when the limit is
 * reached; with ROTOR_MANUAL there is none, and the call does it itself, however long that takes. Of a tree in memory
 * every moment counts as durable. Errors: ROTOR_FAILED (see rotor_failure()), ROTOR_MISUSE (a token of the future). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_wait(rotor_tree *tree, const rotor_token *token, uint64_t timeout_ms);

/* ROTOR_OK when durable, ROTOR_PENDING when not yet, or the errors of rotor_wait(). Never waits for a disk. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_token_status(rotor_tree *tree, const rotor_token *token);

/* Makes all that has been accepted durable. Errors: ROTOR_FAILED, ROTOR_READ_ONLY. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_flush(rotor_tree *tree);

/* Writes all complete nodes that are not there yet to the level files and commits them, on the caller's thread, while
 * inserts and reads go on; the cost depends on what is new, not on the size of the tree. Does nothing to a tree in
 * memory. Errors: ROTOR_FAILED, ROTOR_READ_ONLY, ROTOR_OUT_OF_MEMORY. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_checkpoint(rotor_tree *tree);

/* Asks for the same in the background and returns at once. Errors: as rotor_checkpoint(). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_checkpoint_start(rotor_tree *tree);

/* Waits until every checkpoint that was asked for or due before has ended. Errors: as rotor_checkpoint(), of which
 * ROTOR_FAILED also when it was something else that has failed; ROTOR_TIMED_OUT. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_checkpoint_wait(rotor_tree *tree, uint64_t timeout_ms);

/* ROTOR_OK, or ROTOR_FAILED with `error`, if not NULL, filled with the write or sync that failed first. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_failure(rotor_tree *tree, rotor_error *error);

typedef struct rotor_statistics {
    uint64_t size;              /* leaves accepted */
    uint64_t durable_size;      /* leaves of the last durable moment; in memory, 0 as the following */
    uint64_t checkpointed_size; /* leaves of the last checkpoint */
    uint64_t generation;        /* slots of the superblock written since the tree was created: two a commit */
    uint64_t log_bytes;         /* of the log that an open would replay */
    uint64_t level_bytes;       /* of the level files, as far as they are committed */
    uint64_t mapped_bytes;      /* of nodes that are mapped from files */
    uint64_t memory_bytes;      /* of nodes in the process's own memory: rotor_memory_bytes() */
    uint64_t syncs;             /* fdatasync and fsync calls since the tree was opened */
    uint64_t written_bytes;     /* handed to the system since the tree was opened */
    uint64_t recovered_leaves;  /* taken from the log when the tree was opened */
    uint64_t torn_bytes;        /* of an unfinished write at the end of the log, cut when the tree was opened */
    uint32_t depth;
    uint32_t damaged_slots; /* of the superblock's two slots, those that could not be read at open; 1 is harmless */
} rotor_statistics;

ROTOR_API ROTOR_MUST_USE rotor_status rotor_stat(rotor_tree *tree, rotor_statistics *statistics);

/* Commits and touches the memory that a tree of `leaves` leaves takes, so that inserts up to that size wait for no page
 * fault and cannot run out of memory. Errors: ROTOR_MAX_DEPTH_EXCEEDED, ROTOR_CAPACITY_EXCEEDED, ROTOR_OUT_OF_MEMORY.
 */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_reserve(rotor_tree *tree, uint64_t leaves);

/* Changes how later batches are spread over threads; the arguments as in rotor_options, 0 for their defaults. Errors:
 * ROTOR_MISUSE (the default threshold was asked for, and the environment variable is not a number). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_set_parallel(rotor_tree *tree, uint64_t parallel_threshold,
                                                         uint64_t task_nodes);

ROTOR_API uint32_t rotor_arity(const rotor_tree *tree);
ROTOR_API uint32_t rotor_max_depth(const rotor_tree *tree);
/* Name of the hashing kernel that the tree uses; a static string. */
ROTOR_API const char *rotor_kernel(const rotor_tree *tree);
/* Leaves accepted so far. Never waits. */
ROTOR_API uint64_t rotor_size(const rotor_tree *tree);
/* ceil(log_arity size); 0 for an empty tree and for one leaf. Never waits. */
ROTOR_API uint32_t rotor_depth(const rotor_tree *tree);
/* Bytes of memory that hold nodes, as far as the library has touched them; what the process maps beyond that is address
 * space only. */
ROTOR_API uint64_t rotor_memory_bytes(rotor_tree *tree);

/* The present root; the present head (root, size and arity that belong together); one node; the number of nodes of a
 * level. Each looks at the present tree: to read several values that belong together, take a snapshot. They wait as
 * rotor_snapshot_take() does. Errors: ROTOR_EMPTY_TREE (root and head), ROTOR_OUT_OF_RANGE (no such level or index),
 * ROTOR_STALE (opened read-only, and the writer has truncated the tree since). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_root(rotor_tree *tree, rotor_hash *root);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_head(rotor_tree *tree, rotor_tree_head *head);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_node(rotor_tree *tree, rotor_hash *node, uint32_t level, uint64_t index);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_level_length(rotor_tree *tree, uint64_t *length, uint32_t level);

/* ---------------------------------------------------------------- snapshots */

/* The tree at one size, for reading. A plain value of the caller: copy it freely, nothing needs to be freed. It stays
 * valid, unchanged, while the tree grows, and until the tree is closed; once the tree has been truncated below `size`
 * every read through it returns ROTOR_STALE, even after the tree has grown past that size again. (A snapshot that has
 * outlived more than 60 truncations to growing sizes may be called stale although it was not cut; it is never called
 * valid although it was.) Treat all members as read-only. */
typedef struct rotor_snapshot {
    const rotor_tree *tree;
    uint64_t size;                        /* leaves */
    uint64_t epoch;                       /* truncations before this snapshot */
    uint32_t depth;                       /* level of the root */
    uint32_t reserved;                    /* 0 */
    rotor_hash edge[ROTOR_MAX_DEPTH + 1]; /* the last node of each level, 0..depth; edge[depth] is the root */
} rotor_snapshot;

/* Takes a snapshot of the present tree. O(depth), whatever the size. Lock-free, except when leaves were inserted
 * without asking for a root and none has been asked for since: then the caller first hashes their parents, in turn with
 * the writers; and while a truncation is being published, whose end it may wait for. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_snapshot_take(rotor_tree *tree, rotor_snapshot *snapshot);

/* Takes a snapshot of the tree as it was when a root was last computed, by whatever call: always lock-free, may lack
 * leaves that were inserted without asking for a root. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_snapshot_take_latest(const rotor_tree *tree, rotor_snapshot *snapshot);

/* Turns to the tree as it was at `size` leaves, at most those of `snapshot`; 0 gives the empty tree. Costs at most
 * `depth` hashes, keeps nothing. `past` may be `snapshot`. With rotor_options.verify_proofs it costs up to twice as
 * many hashes more, which show that the nodes that the past root is made of lead to the root of `snapshot`. Errors:
 * ROTOR_OUT_OF_RANGE, ROTOR_STALE, ROTOR_DAMAGED (they do not; `past` is unchanged). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_snapshot_at(const rotor_snapshot *snapshot, rotor_snapshot *past,
                                                        uint64_t size);

/* ROTOR_OK or ROTOR_STALE. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_snapshot_check(const rotor_snapshot *snapshot);

/* Errors: ROTOR_EMPTY_TREE, ROTOR_STALE. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_snapshot_head(const rotor_snapshot *snapshot, rotor_tree_head *head);

/* Nodes of level `level`: ceil(size / arity^level) for levels 0..depth. Errors: ROTOR_OUT_OF_RANGE (a level above the
 * depth, or an empty tree), ROTOR_STALE. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_snapshot_level_length(const rotor_snapshot *snapshot, uint64_t *length,
                                                                  uint32_t level);

/* Copies the nodes first .. first+count-1 of a level; level 0 holds the leaves. When it fails, `nodes` may have been
 * written to. Errors: ROTOR_OUT_OF_RANGE, ROTOR_STALE. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_snapshot_nodes(const rotor_snapshot *snapshot, rotor_hash *nodes,
                                                           size_t count, uint32_t level, uint64_t first);

/* ---------------------------------------------------------------- inclusion proofs */

/* Proves that `leaf` is leaf number `index` of the tree with this head. Set it to ROTOR_INCLUSION_PROOF_INIT before its
 * first use; the library (re)allocates `siblings` as it fills the proof, a proof that is filled again reuses the
 * memory, and rotor_inclusion_proof_free() releases it. A proof built by hand may point `siblings` at memory of its own
 * for the calls that take a const proof. */
typedef struct rotor_inclusion_proof {
    rotor_tree_head head;
    uint64_t index;
    rotor_hash leaf;
    rotor_hash *siblings;    /* for each level from 0 up: the other nodes of the group, in order */
    size_t sibling_count;    /* follows from (arity, size, index): rotor_inclusion_sibling_count() */
    size_t sibling_capacity; /* of the allocation; 0 when `siblings` is not the library's */
} rotor_inclusion_proof;

#define ROTOR_INCLUSION_PROOF_INIT                                                                                     \
    { {{{0}}, 0, 0, 0}, 0, {{0}}, NULL, 0, 0 }

ROTOR_API void rotor_inclusion_proof_free(rotor_inclusion_proof *proof);

/* Number of siblings that a proof for (arity, size, index) holds. Errors: ROTOR_MISUSE (arity), ROTOR_OUT_OF_RANGE
 * (index >= size, or a size above 2^58, which no tree can have). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_sibling_count(size_t *count, uint32_t arity, uint64_t size,
                                                                    uint64_t index);

/* Makes the proof of leaf `index` at the size of the snapshot. With ROTOR_STALE or ROTOR_DAMAGED, `proof` is left
 * without contents: of size 0, which no verifier accepts. Errors: ROTOR_OUT_OF_RANGE (of the empty tree, any index),
 * ROTOR_STALE, ROTOR_DAMAGED (with rotor_options.verify_proofs), ROTOR_OUT_OF_MEMORY. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_prove(const rotor_snapshot *snapshot,
                                                            rotor_inclusion_proof *proof, uint64_t index);

/* Checks a proof against what the verifier trusts: the head, and the leaf that it asked about. `leaf` may be NULL for a
 * verifier that learns the leaf from the proof. The index is proof->index: compare it where it matters. Errors:
 * ROTOR_INVALID_PROOF (including a head other than the trusted one, and a head that no tree has), ROTOR_UNSUPPORTED
 * (hash profile). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_verify(const rotor_inclusion_proof *proof,
                                                             const rotor_tree_head *trusted, const rotor_hash *leaf);

/* Checks that a proof agrees with itself: that leaf, index and siblings lead to the head inside the proof. Worth
 * nothing unless that head is trusted for another reason. Errors as rotor_inclusion_verify(). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_verify_self(const rotor_inclusion_proof *proof);

/* Checks `count` proofs, many at once at full vector width: several times cheaper per proof than one by one. results[i]
 * is what rotor_inclusion_verify(&proofs[i], trusted, NULL) would return. Returns ROTOR_OK when every proof is valid,
 * ROTOR_INVALID_PROOF when some are not; with ROTOR_OUT_OF_MEMORY or ROTOR_MISUSE, results are not written. count 0 is
 * ROTOR_OK. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_verify_many(rotor_status *results,
                                                                  const rotor_inclusion_proof *proofs, size_t count,
                                                                  const rotor_tree_head *trusted);

/* ---------------------------------------------------------------- consistency proofs */

/* Proves that the tree with the new head has grown out of the tree with the old head by appending only. Memory as for
 * inclusion proofs. */
typedef struct rotor_consistency_proof {
    rotor_tree_head old_head;
    rotor_tree_head new_head;
    rotor_hash *hashes; /* for each level from 0 up: the shared nodes of the old boundary's group, then the new ones */
    size_t hash_count;  /* follows from (arity, old size, new size): rotor_consistency_hash_count() */
    size_t hash_capacity;
} rotor_consistency_proof;

#define ROTOR_CONSISTENCY_PROOF_INIT                                                                                   \
    { {{{0}}, 0, 0, 0}, {{{0}}, 0, 0, 0}, NULL, 0, 0 }

ROTOR_API void rotor_consistency_proof_free(rotor_consistency_proof *proof);

/* Number of hashes that a proof for (arity, old_size, new_size) holds. Errors: ROTOR_MISUSE (arity), ROTOR_OUT_OF_RANGE
 * (unless 1 <= old_size <= new_size <= 2^58). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_consistency_hash_count(size_t *count, uint32_t arity, uint64_t old_size,
                                                                   uint64_t new_size);

/* Makes the proof from size `old_size` to that of the snapshot. The old root is computed on the way, by at most as many
 * hashes as the tree has levels. With ROTOR_STALE or ROTOR_DAMAGED, `proof` is left without contents, as above.
 * Errors: ROTOR_OUT_OF_RANGE (old_size is 0 or larger than the snapshot), ROTOR_STALE, ROTOR_DAMAGED (with
 * rotor_options.verify_proofs), ROTOR_OUT_OF_MEMORY. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_consistency_prove(const rotor_snapshot *snapshot,
                                                              rotor_consistency_proof *proof, uint64_t old_size);

/* The same from a head that the caller has, such as the one that a client says it trusts: the old root need not be
 * computed, which makes it several times cheaper. A proof from a root that the tree never had convinces no verifier; it
 * is found out here only where rotor_options.verify_proofs is set or the sizes are equal (ROTOR_INVALID_PROOF, and
 * `proof` is left without contents). `old_head` may be &proof->old_head. Other errors: as above, ROTOR_MISMATCH (the
 * head is of another arity or hash profile). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_consistency_prove_from(const rotor_snapshot *snapshot,
                                                                   rotor_consistency_proof *proof,
                                                                   const rotor_tree_head *old_head);

/* Checks a proof against the head that the verifier trusted so far and the head that it is offered; on success the new
 * head is as trustworthy as "grown from the old one" can make it. Of that head the proof binds the root; the same root
 * may be that of another size, whose groups on the way have the same shape. So the size is as good as whoever offers
 * the head: compare and pass on whole heads, never roots alone. Errors as rotor_inclusion_verify(). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_consistency_verify(const rotor_consistency_proof *proof,
                                                               const rotor_tree_head *old_trusted,
                                                               const rotor_tree_head *new_head);

/* Checks that a proof agrees with itself, without anything that is trusted. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_consistency_verify_self(const rotor_consistency_proof *proof);

/* Moves an inclusion proof to the new head of a consistency proof, without the tree: `moved` proves the same leaf at
 * the new size. Both proofs are verified on the way, and the old heads must agree; that the new head is
 * the one that was offered is for rotor_consistency_verify() to say, before. `moved` may be `proof`, which is
 * then replaced. Errors: ROTOR_INVALID_PROOF, ROTOR_UNSUPPORTED, ROTOR_OUT_OF_MEMORY. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_update(rotor_inclusion_proof *moved,
                                                             const rotor_inclusion_proof *proof,
                                                             const rotor_consistency_proof *consistency);

/* ---------------------------------------------------------------- keeping a stored tree whole */

/* Called now and then during long work, from the thread that made the call, with `done` of `total` leaves. A result
 * other than 0 ends the work with ROTOR_TIMED_OUT. */
typedef int rotor_progress(void *context, uint64_t done, uint64_t total);

#define ROTOR_REPORT_RANGES 16

/* What rotor_check() and rotor_repair() found. */
typedef struct rotor_check_report {
    uint64_t size;         /* leaves that were looked at */
    uint64_t checkpointed; /* those of them that the committed root stands for */
    uint32_t depth;
    uint32_t root_matches; /* 1: the leaves lead to the committed root */
    uint64_t bad_nodes;    /* inner nodes that do not follow from their leaves, all levels together */
    uint64_t bad_leaves;   /* leaves in ranges that do not lead to a node above them that is right */
    uint32_t bad_ranges;   /* such ranges; the first of them follow */
    uint32_t repaired;     /* 1: the bad inner nodes have been rewritten */
    struct {
        uint64_t first;
        uint64_t count;
    } ranges[ROTOR_REPORT_RANGES];
    struct {
        uint64_t nodes; /* complete nodes of the level */
        uint64_t bad;
        uint64_t first_bad; /* index; meaningless when bad is 0 */
    } levels[ROTOR_MAX_DEPTH + 1];
} rotor_check_report;

/* Recomputes every inner node from the leaves, on all threads of the tree, and compares it with what is stored, and the
 * root with the committed one. Needs no lock and changes nothing. Returns ROTOR_OK with the report filled when all is
 * well; ROTOR_DAMAGED, also with the report filled, when not. `progress` may be NULL. A tree that rotor_open() calls
 * damaged can often be opened for this with ROTOR_OPEN_READ_ONLY and ROTOR_VERIFY_NONE. When something is bad,
 * `progress` may count a second time; the search for bad leaves after that is told of by nobody and cannot be ended.
 *
 * Of a stored tree, leaves that are checkpointed are judged by the committed root, those in the log were by its
 * checksums when it was read. When checkpointed nodes or leaves are bad, only these are reported: nodes that are in
 * memory only, and the present root, have been computed from them. After a truncation below the committed size, and
 * until the next checkpoint, there is no root for what is left (`checkpointed` is 0): then stored nodes vouch for the
 * leaves below them. A group of leaves that does not hash to a stored node above which none is left is called bad,
 * although it may be the node; and the last leaves before the cut, as far as they do not fill a group, cannot be
 * judged.
 *
 * Errors: ROTOR_STALE (truncated meanwhile), ROTOR_OUT_OF_MEMORY, ROTOR_TIMED_OUT (by `progress`). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_check(rotor_tree *tree, rotor_check_report *report,
                                                  rotor_progress *progress, void *context);

/* Rewrites the inner nodes of a stored tree from its leaves, provided that the leaves lead to the committed root.
 * Leaves that do not are named in the report and never touched: ROTOR_DAMAGED, and no stored node has been changed.
 * Missing or short files of inner levels are made anew (with ROTOR_DAMAGED: of zeros, for want of anything better). The
 * log is not looked at before, but its damage is reported after a repair. `progress` counts anew when nodes are
 * rewritten, and cannot end that part. Opens the directory itself: no other handle may be open for writing. Returns
 * ROTOR_OK also when there was nothing to repair. Errors: as rotor_open() and rotor_check(). */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_repair(const char *path, rotor_check_report *report,
                                                   rotor_progress *progress, void *context, rotor_error *error);

/* Copies the tree, as it is now, to the directory `destination`, which must not exist yet or be empty, while inserts
 * and reads go on. The tree is checkpointed first, which takes room on its own file system. (No checkpoint can be made
 * meanwhile: inserts wait if four times rotor_options.checkpoint_bytes come together. `progress` may not call functions
 * that change the tree.) What the system can share between files of one file system is shared: files of a level that
 * are full are linked, which is safe, since neither tree ever writes to a file that has or had two names. The copy is
 * complete and durable when the call returns, and no tree before. Files are copied as they are, damage included:
 * rotor_check() of the copy says whether it is whole. When it fails, what had been copied is removed. Errors:
 * ROTOR_EXISTS (something is in `destination`), ROTOR_LOCKED (somebody else is making a tree there), ROTOR_IO,
 * ROTOR_FAILED, ROTOR_READ_ONLY, ROTOR_OUT_OF_MEMORY, ROTOR_MISUSE (a tree in memory), ROTOR_TIMED_OUT (by `progress`).
 */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_backup(rotor_tree *tree, const char *destination, rotor_progress *progress,
                                                   void *context, rotor_error *error);

/* What an import found. */
typedef struct rotor_import_report {
    uint64_t leaves;            /* all */
    uint64_t checkpointed;      /* of them, from the source's data files; the rest is from its log */
    uint64_t stale_nodes;       /* inner nodes of the source that are not the hash of their children */
    uint32_t first_stale_level; /* of the first of them, */
    uint32_t arity;
    uint64_t first_stale_index; /* when there is one */
    uint64_t torn_bytes;        /* of an unfinished record at the end of the source's log, left out */
} rotor_import_report;

/* Reads a directory written by the Rust crate `rotortree` 0.15 and stores its leaves as a new tree in the directory
 * `path`, which must not exist yet or be empty, durable and checkpointed. Only leaves are taken; the root that the
 * source committed must follow from them, and inner nodes that do not are counted in the report and left behind. The
 * source is not changed; nobody may be writing to it. Arity and maximum depth are the source's; of `options`, which may
 * be NULL, the rest holds. (`progress` begins when the source's log has been looked through.) The tree can be opened
 * when it is complete, not before: it is made in a directory "import.unfinished" inside of `path` and moved out of it
 * at the end. When the import fails, what had been made is removed; what is left when the process or the system dies
 * meanwhile, the next import to `path` removes. Errors: ROTOR_DAMAGED, ROTOR_NOT_FOUND (no such directory, or nothing
 * of the crate's in it), ROTOR_UNSUPPORTED, ROTOR_LOCKED (the source or `path` is open in another process),
 * ROTOR_EXISTS (something is in `path`), ROTOR_CAPACITY_EXCEEDED (by options->max_leaves), ROTOR_IO,
 * ROTOR_OUT_OF_MEMORY, ROTOR_TIMED_OUT. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_import_reference(const char *source, const char *path,
                                                             const rotor_options *options, rotor_import_report *report,
                                                             rotor_progress *progress, void *context,
                                                             rotor_error *error);

/* Writes the tree at the size of the snapshot to the directory `destination`, which must not exist yet or be empty, in
 * the form in which that crate keeps it. Before, all inner nodes and the root are recomputed from the leaves on the
 * caller's thread, and a past root is followed to the present one: damage is not exported. When it fails, what had been
 * made is removed. Errors: ROTOR_DAMAGED (the detail names the leaves and the node that do not agree), ROTOR_EXISTS,
 * ROTOR_STALE, ROTOR_UNSUPPORTED (a hash profile that the crate does not have), ROTOR_IO, ROTOR_OUT_OF_MEMORY,
 * ROTOR_TIMED_OUT. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_export_reference(const rotor_snapshot *snapshot, const char *destination,
                                                             rotor_progress *progress, void *context,
                                                             rotor_error *error);

/* ---------------------------------------------------------------- encodings of proofs */

/* Encoders store the length in *bytes and write at most `capacity` bytes to `out`; with a capacity that is too small
 * nothing is written and ROTOR_BUFFER_TOO_SMALL is returned with the length needed in *bytes (out may be NULL when
 * capacity is 0). They refuse a proof whose counts do not follow from its sizes (ROTOR_INVALID_PROOF), an unknown hash
 * profile (ROTOR_UNSUPPORTED), and in the crate's encoding a tree deeper than `max_depth` (ROTOR_MAX_DEPTH_EXCEEDED).
 * Decoders treat bytes as hostile: they accept exactly the encodings that an encoder writes, and nothing longer; return
 * ROTOR_UNSUPPORTED for a version or hash profile that they do not know and ROTOR_MALFORMED for all else; and allocate
 * no more than the bytes they were given justify (ROTOR_OUT_OF_MEMORY). A decoded proof is well-formed, not yet
 * verified.
 *
 * Compact: docs/proofs.md gives the bytes. It holds only what a verifier cannot derive. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_encode(const rotor_inclusion_proof *proof, uint8_t *out,
                                                             size_t capacity, size_t *bytes);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_decode(rotor_inclusion_proof *proof, const uint8_t *encoded,
                                                             size_t bytes);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_consistency_encode(const rotor_consistency_proof *proof, uint8_t *out,
                                                               size_t capacity, size_t *bytes);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_consistency_decode(rotor_consistency_proof *proof, const uint8_t *encoded,
                                                               size_t bytes);

/* The bytes of the Rust crate `rotortree` 0.15, whose arity and maximum depth are part of the type and so not in the
 * bytes. */
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_encode_reference(const rotor_inclusion_proof *proof, uint8_t *out,
                                                                       size_t capacity, size_t *bytes,
                                                                       uint32_t max_depth);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_inclusion_decode_reference(rotor_inclusion_proof *proof,
                                                                       const uint8_t *encoded, size_t bytes,
                                                                       uint32_t arity, uint32_t max_depth);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_consistency_encode_reference(const rotor_consistency_proof *proof,
                                                                         uint8_t *out, size_t capacity, size_t *bytes,
                                                                         uint32_t max_depth);
ROTOR_API ROTOR_MUST_USE rotor_status rotor_consistency_decode_reference(rotor_consistency_proof *proof,
                                                                         const uint8_t *encoded, size_t bytes,
                                                                         uint32_t arity, uint32_t max_depth);

#ifdef __cplusplus
}
#endif

#endif /* ROTORTREE_H */
