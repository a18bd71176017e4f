/* What a durable tree asks of the disk, timed call by call, and how busy the system says the disk is. */
#ifndef ROTOR_BENCH_DISK_TIMES_H
#define ROTOR_BENCH_DISK_TIMES_H

#include "os/os.h"
#include "rotortree.h"

#include <pthread.h>
#include <stdint.h>

/* Since the times were reset. A tree writes and syncs by several threads: each time is that in which at least one call
 * of its kind is under way. */
typedef struct rotor_bench_disk_times {
    rotor_os os;
    pthread_mutex_t lock;
    unsigned under_way[3]; /* syncs, writes, either */
    double began[3];
    double total_ns[3];
    double syncs;
    double written_bytes;
    double first_ns; /* wall clock when the first write began; 0: none yet */
} rotor_bench_disk_times;

void rotor_bench_disk_times_init(rotor_bench_disk_times *times);
void rotor_bench_disk_times_reset(rotor_bench_disk_times *times);
double rotor_bench_disk_sync_ns(const rotor_bench_disk_times *times);
double rotor_bench_disk_write_ns(const rotor_bench_disk_times *times);
double rotor_bench_disk_any_ns(const rotor_bench_disk_times *times);

/* As rotor_bench_stored_open(), of a tree whose calls are timed; `times` lives as long as the tree. */
rotor_tree *rotor_bench_disk_timed_open(const char *name, const rotor_options *options, rotor_bench_disk_times *times);

/* Milliseconds for which the disk under this path has had work since the system started; NaN where nobody says. */
double rotor_bench_disk_busy_ms(const char *path);

#endif
