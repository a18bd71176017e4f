/* Durable trees for the suites, and the disk without them; see stored.h. */
#include "stored.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RAW_BYTES 96
#define SEQUENTIAL_STEP ((size_t)1 << 20)
#define ALL_BYTES ((uint64_t)ROTOR_BENCH_LEAVES_MAX * sizeof(rotor_hash))
#define LOOK_NS 200000 /* between two looks at whether there is more to write */

/* ---------------------------------------------------------------- trees */

rotor_options rotor_bench_stored_options(bool manual) {
    rotor_options options;
    rotor_options_init(&options, ROTOR_BENCH_STORED_ARITY, ROTOR_MAX_DEPTH);
    if (manual) {
        options.flush_interval_ms = ROTOR_MANUAL;
        options.checkpoint_leaves = 0;
        options.checkpoint_bytes = 0;
        options.checkpoint_on_close = 0;
    }
    return options;
}

static void give_up(const char *what, const rotor_error *error) {
    fprintf(stderr, "rotortree-bench: %s: %s\n", what, error->message);
    exit(1);
}

rotor_tree *rotor_bench_stored_open(const char *name, const rotor_options *options) {
    rotor_bench_path path = rotor_bench_folder_path(name);
    rotor_tree *tree = NULL;
    rotor_error error;
    if (rotor_open(&tree, path.text, options, &error) != ROTOR_OK) {
        give_up("open", &error);
    }
    return tree;
}

void rotor_bench_stored_close(rotor_tree *tree) {
    rotor_error error;
    if (rotor_close(tree, &error) != ROTOR_OK) {
        give_up("close", &error);
    }
}

void rotor_bench_stored_expect_ok(rotor_tree *tree, rotor_status status, const char *what) {
    rotor_error error;
    if (status == ROTOR_FAILED && rotor_failure(tree, &error) != ROTOR_OK) {
        give_up(what, &error);
    }
    rotor_bench_expect_ok(status, what);
}

rotor_statistics rotor_bench_stored_statistics(rotor_tree *tree) {
    rotor_statistics statistics;
    rotor_bench_stored_expect_ok(tree, rotor_stat(tree, &statistics), "stat");
    return statistics;
}

/* Repeated leaves begin elsewhere each time, so that no group of a large tree is the same as another. */
static size_t source_of(uint64_t index, size_t batch) {
    if (index + batch <= ROTOR_BENCH_LEAVES_MAX) {
        return (size_t)index;
    }
    return (size_t)((index + 7919 * (index / ROTOR_BENCH_LEAVES_MAX)) % (ROTOR_BENCH_LEAVES_MAX - batch));
}

void rotor_bench_stored_grow(const rotor_bench *bench, rotor_tree *tree, uint64_t size, size_t batch,
                             rotor_hash *root) {
    for (uint64_t at = rotor_size(tree); at < size; at += batch) {
        const rotor_hash *leaves = bench->leaves + source_of(at, batch);
        rotor_bench_stored_expect_ok(tree, rotor_insert_many(tree, root, NULL, leaves, batch), "insert_many");
    }
}

rotor_hash rotor_bench_stored_expected_root(const rotor_bench *bench, uint64_t size) {
    rotor_tree *tree = rotor_bench_tree(ROTOR_BENCH_STORED_ARITY, 0);
    rotor_hash root;
    rotor_bench_load(tree, &root, bench->leaves, (size_t)size);
    rotor_close(tree, NULL);
    return root;
}

double rotor_bench_ms_since(uint64_t begin) {
    return (double)(rotor_bench_wall_ns() - begin) / 1e6;
}

/* ---------------------------------------------------------------- the disk without us */

static void expect_call(bool succeeded, const char *what) {
    if (!succeeded) {
        fprintf(stderr, "rotortree-bench: plain %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static int create(const char *name) {
    rotor_bench_path path = rotor_bench_folder_path(name);
    int file = open(path.text, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    expect_call(file >= 0, "open");
    return file;
}

static void write_all(int file, const uint8_t *bytes, size_t count, uint64_t offset) {
    while (count > 0) {
        ssize_t written = pwrite(file, bytes, count, (off_t)offset);
        expect_call(written > 0 || (written < 0 && errno == EINTR), "pwrite");
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
            offset += (uint64_t)written;
        }
    }
}

/* A third faster than when the sync begins with all. */
static void start_sync(int file) {
#if defined(__linux__)
    (void)sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
    (void)file;
#endif
}

rotor_bench_span rotor_bench_raw_sequential(const rotor_bench *bench, uint64_t count) {
    const uint8_t *bytes = bench->leaves->bytes;
    size_t total = (size_t)count * sizeof(rotor_hash);
    int file = create("plain");
    rotor_bench_span start = rotor_bench_start();
    for (size_t at = 0; at < total; at += SEQUENTIAL_STEP) {
        write_all(file, bytes + at, total - at < SEQUENTIAL_STEP ? total - at : SEQUENTIAL_STEP, at);
        start_sync(file);
    }
    expect_call(fdatasync(file) == 0, "fdatasync");
    rotor_bench_span span = rotor_bench_stop(start);
    close(file);
    rotor_bench_folder_clear("plain");
    return span;
}

typedef struct beside {
    const uint8_t *leaves;
    int file;
    uint64_t bytes;
    _Atomic uint64_t inserted; /* leaves */
} beside;

static uint64_t writable(beside *all) {
    uint64_t inserted = atomic_load_explicit(&all->inserted, memory_order_acquire);
    return inserted == ROTOR_BENCH_LEAVES_MAX ? all->bytes : all->bytes / ROTOR_BENCH_LEAVES_MAX * inserted;
}

static void *write_beside(void *argument) {
    beside *all = argument;
    uint64_t at = 0;
    while (at < all->bytes) {
        uint64_t step = all->bytes - at < SEQUENTIAL_STEP ? all->bytes - at : SEQUENTIAL_STEP;
        uint64_t source = at % ALL_BYTES;
        step = ALL_BYTES - source < step ? ALL_BYTES - source : step;
        if (writable(all) - at < step) {
            (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        } else {
            write_all(all->file, all->leaves + source, (size_t)step, at);
            start_sync(all->file);
            at += step;
        }
    }
    expect_call(fdatasync(all->file) == 0, "fdatasync");
    return NULL;
}

rotor_bench_span rotor_bench_raw_beside(const rotor_bench *bench, size_t batch, uint64_t bytes) {
    rotor_tree *tree = rotor_bench_tree(ROTOR_BENCH_STORED_ARITY, 0);
    beside all = {.leaves = bench->leaves->bytes, .file = create("beside"), .bytes = bytes};
    rotor_hash root;
    pthread_t writer;
    rotor_bench_span start = rotor_bench_start();
    expect_call(pthread_create(&writer, NULL, write_beside, &all) == 0, "thread");
    for (uint64_t size = batch; size <= ROTOR_BENCH_LEAVES_MAX; size += batch) {
        rotor_bench_stored_grow(bench, tree, size, batch, &root);
        atomic_store_explicit(&all.inserted, size, memory_order_release);
    }
    (void)pthread_join(writer, NULL);
    rotor_bench_span span = rotor_bench_stop(start);
    close(all.file);
    rotor_bench_folder_clear("beside");
    rotor_close(tree, NULL);
    return span;
}

rotor_bench_raw rotor_bench_raw_open(const char *name, uint64_t zeros) {
    rotor_bench_raw raw = {create(name), 0, zeros};
    static const uint8_t nothing[65536];
    for (uint64_t at = 0; at < zeros; at += sizeof nothing) {
        write_all(raw.file, nothing, sizeof nothing, at);
    }
    expect_call(fsync(raw.file) == 0, "fsync");
    return raw;
}

void rotor_bench_raw_close(rotor_bench_raw *raw) {
    close(raw->file);
    raw->file = -1;
}

double rotor_bench_raw_rate(rotor_bench_raw *raw, uint64_t ms) {
    uint8_t frame[RAW_BYTES];
    rotor_bench_fill(frame, sizeof frame, raw->end + 1);
    uint64_t begin = rotor_bench_wall_ns();
    uint64_t now;
    uint64_t writes = 0;
    do {
        if (raw->zeros != 0 && raw->end + sizeof frame > raw->zeros) {
            raw->end = 0;
        }
        write_all(raw->file, frame, sizeof frame, raw->end);
        expect_call(fdatasync(raw->file) == 0, "fdatasync");
        raw->end += sizeof frame;
        writes++;
        now = rotor_bench_wall_ns();
    } while (now - begin < ms * 1000000);
    return (double)writes * 1e9 / (double)(now - begin);
}
