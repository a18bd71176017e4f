/* Timed calls to the disk; see disk_times.h. */
#include "disk_times.h"

#include "measure.h"
#include "store/store.h"
#include "stored.h"
#include "tree/tree.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if defined(__linux__)
#include <sys/sysmacros.h>
#endif

enum { SYNCS, WRITES, EITHER };

/* ---------------------------------------------------------------- the calls */

static void enter(rotor_bench_disk_times *times, int kind, double now) {
    if (times->under_way[kind]++ == 0) {
        times->began[kind] = now;
    }
}

static void leave(rotor_bench_disk_times *times, int kind, double now) {
    if (--times->under_way[kind] == 0) {
        times->total_ns[kind] += now - times->began[kind];
    }
}

static void begin(rotor_bench_disk_times *times, int kind) {
    pthread_mutex_lock(&times->lock);
    double now = (double)rotor_bench_wall_ns();
    enter(times, kind, now);
    enter(times, EITHER, now);
    if (kind == WRITES && times->first_ns == 0) {
        times->first_ns = now;
    }
    pthread_mutex_unlock(&times->lock);
}

static void end(rotor_bench_disk_times *times, int kind, double bytes) {
    pthread_mutex_lock(&times->lock);
    double now = (double)rotor_bench_wall_ns();
    leave(times, kind, now);
    leave(times, EITHER, now);
    times->syncs += kind == SYNCS;
    times->written_bytes += bytes;
    pthread_mutex_unlock(&times->lock);
}

static int timed_sync(void *context, int file) {
    const rotor_os *below = rotor_os_system();
    begin(context, SYNCS);
    int result = below->sync(below->context, file);
    end(context, SYNCS, 0);
    return result;
}

static int64_t timed_write(void *context, int file, const void *bytes, size_t count, uint64_t offset) {
    const rotor_os *below = rotor_os_system();
    begin(context, WRITES);
    int64_t result = below->write(below->context, file, bytes, count, offset);
    end(context, WRITES, result > 0 ? (double)result : 0);
    return result;
}

void rotor_bench_disk_times_init(rotor_bench_disk_times *times) {
    memset(times, 0, sizeof *times);
    times->os = *rotor_os_system();
    times->os.context = times; /* which the system's own functions do not look at */
    times->os.sync = timed_sync;
    times->os.write = timed_write;
    pthread_mutex_init(&times->lock, NULL);
}

void rotor_bench_disk_times_reset(rotor_bench_disk_times *times) {
    pthread_mutex_lock(&times->lock);
    double now = (double)rotor_bench_wall_ns();
    for (unsigned i = 0; i < 3; i++) {
        times->total_ns[i] = 0;
        times->began[i] = now;
    }
    times->syncs = 0;
    times->written_bytes = 0;
    times->first_ns = 0;
    pthread_mutex_unlock(&times->lock);
}

double rotor_bench_disk_sync_ns(const rotor_bench_disk_times *times) {
    return times->total_ns[SYNCS];
}

double rotor_bench_disk_write_ns(const rotor_bench_disk_times *times) {
    return times->total_ns[WRITES];
}

double rotor_bench_disk_any_ns(const rotor_bench_disk_times *times) {
    return times->total_ns[EITHER];
}

rotor_tree *rotor_bench_disk_timed_open(const char *name, const rotor_options *options, rotor_bench_disk_times *times) {
    /* What rotor_open() puts in the place of 0 is asked of a tree. */
    rotor_tree *model = rotor_bench_tree(options->arity, options->threads);
    rotor_options filled = *options;
    filled.threads = model->threads;
    filled.parallel_threshold = model->parallel_threshold;
    filled.task_nodes = model->task_nodes;
    rotor_store_setup setup = {.os = &times->os};
    rotor_bench_path path = rotor_bench_folder_path(name);
    rotor_tree *tree = NULL;
    rotor_error error;
    if (rotor_store_open(&tree, path.text, &filled, model->hasher, &setup, &error) != ROTOR_OK) {
        fprintf(stderr, "rotortree-bench: open: %s\n", error.message);
        exit(1);
    }
    rotor_close(model, NULL);
    return tree;
}

/* ---------------------------------------------------------------- the system's count */

#if defined(__linux__)
/* Major and minor number, name, four counts of reads, four of writes, requests under way, milliseconds with some. */
static bool busy_of(char *line, dev_t device, double *ms) {
    char *rest = NULL;
    unsigned long numbers[2] = {0, 0};
    unsigned at = 0;
    for (char *word = strtok_r(line, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest), at++) {
        if (at < 2) {
            numbers[at] = strtoul(word, NULL, 10);
        } else if (at == 12) {
            *ms = strtod(word, NULL);
            return makedev((unsigned)numbers[0], (unsigned)numbers[1]) == device;
        }
    }
    return false;
}

double rotor_bench_disk_busy_ms(const char *path) {
    struct stat status;
    FILE *file = stat(path, &status) == 0 ? fopen("/proc/diskstats", "r") : NULL;
    double busy = (double)NAN;
    if (file == NULL) {
        return busy;
    }
    char line[512];
    while (fgets(line, sizeof line, file) != NULL) {
        double ms;
        if (busy_of(line, status.st_dev, &ms)) {
            busy = ms;
        }
    }
    fclose(file);
    return busy;
}
#else
double rotor_bench_disk_busy_ms(const char *path) {
    (void)path;
    return (double)NAN;
}
#endif
