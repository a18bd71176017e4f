/* Callers that wait for their own durable inserts; see crew.h. */
#include "crew.h"

#include "stored.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct crew {
    rotor_tree *tree;
    const rotor_hash *leaves;
    bool with_root;
    pthread_barrier_t start;
    atomic_bool ends;
    _Atomic uint64_t inserts;
    _Atomic uint32_t hired;
} crew;

static void *insert_until_told(void *argument) {
    crew *all = argument;
    /* Each its own leaves, far from those of the others. */
    uint64_t at = (uint64_t)atomic_fetch_add(&all->hired, 1) * (ROTOR_BENCH_LEAVES_MAX / ROTOR_BENCH_MOST_CALLERS);
    uint64_t inserts = 0;
    rotor_hash root;
    pthread_barrier_wait(&all->start);
    while (!atomic_load_explicit(&all->ends, memory_order_relaxed)) {
        const rotor_hash *leaf = all->leaves + (at + inserts) % ROTOR_BENCH_LEAVES_MAX;
        rotor_status status = rotor_insert_durable(all->tree, all->with_root ? &root : NULL, leaf, 1);
        rotor_bench_stored_expect_ok(all->tree, status, "insert_durable");
        inserts++;
    }
    atomic_fetch_add(&all->inserts, inserts);
    return NULL;
}

rotor_bench_crew_result rotor_bench_crew(const rotor_bench *bench, rotor_tree *tree, unsigned callers, bool with_root,
                                         uint64_t ms) {
    crew all = {.tree = tree, .leaves = bench->leaves, .with_root = with_root};
    pthread_t ids[ROTOR_BENCH_MOST_CALLERS];
    pthread_barrier_init(&all.start, NULL, callers + 1);
    uint64_t size = rotor_size(tree);
    uint64_t syncs = rotor_bench_stored_statistics(tree).syncs;
    for (unsigned i = 0; i < callers; i++) {
        if (pthread_create(&ids[i], NULL, insert_until_told, &all) != 0) {
            fprintf(stderr, "rotortree-bench: cannot start %u threads\n", callers);
            exit(1);
        }
    }
    pthread_barrier_wait(&all.start);
    uint64_t begin = rotor_bench_wall_ns();
    struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
    atomic_store(&all.ends, true);
    for (unsigned i = 0; i < callers; i++) {
        pthread_join(ids[i], NULL);
    }
    double ns = (double)(rotor_bench_wall_ns() - begin);
    pthread_barrier_destroy(&all.start);
    double inserts = (double)atomic_load(&all.inserts);
    rotor_statistics after = rotor_bench_stored_statistics(tree);
    if (after.size != size + atomic_load(&all.inserts) || after.durable_size != after.size) {
        fprintf(stderr, "rotortree-bench: wrong result: leaves after durable inserts\n");
        exit(1);
    }
    return (rotor_bench_crew_result){inserts * 1e9 / ns, inserts / (double)(after.syncs - syncs), inserts, ns};
}
