/* Level files of which a backup shares a shard: a shard with a second name is never written but replaced by a copy, and
 * all who write it go over to the copy. */
#include "level_files_scene.h"

#include <pthread.h>
#include <sched.h>

/* ---------------------------------------------------------------- shards with two names */

static void a_linked_shard_is_left_alone(void **state) {
    (void)state;
    rotor_hash *nodes = test_random_leaves(19, 300);
    rotor_hash *other = test_random_leaves(20, 300);
    for (unsigned variant = 0; variant < 8; variant++) {
        bool clone = (variant & 1) != 0;
        bool stays_open = (variant & 2) != 0;
        bool synced = (variant & 4) != 0;
        setup *s = set_up();
        s->counted.cannot_clone = !clone;
        write_nodes(s, 2, 0, 300, nodes);
        if (synced) {
            expect_ok(rotor_level_files_sync(&s->files, NULL), "before the backup");
        }
        if (!stays_open) {
            rotor_level_files_close(&s->files);
        } else {
            write_nodes(s, 2, 100, 1, nodes + 100);
        }
        link_to(s, "level-02-00000000", "backup-0");
        link_to(s, "level-02-00000001", "backup-1");
        forget_counts(s);
        write_nodes(s, 2, 120, 20, other + 120);
        expect_ok(rotor_level_files_sync(&s->files, NULL), "variant %u", variant);
        assert_int_equal(s->counted.clones, clone ? 2 : 0);
        expect(s->counted.directory_syncs == 1, "variant %u: the new names are not synced", variant);
        expect(s->counted.syncs == 4, "variant %u: %u syncs", variant, s->counted.syncs);
        expect_bytes(s, "backup-0", nodes, 128 * 32);
        expect_bytes(s, "backup-1", nodes + 128, 128 * 32);
        expect_nodes(s, 2, 0, 120, nodes);
        expect_nodes(s, 2, 120, 20, other + 120);
        expect_nodes(s, 2, 140, 160, nodes + 140);
        assert_int_equal(length_of(s, "level-02-00000000"), 4096);
        assert_int_equal(links_of(s, "level-02-00000000"), 1);
        assert_int_equal(links_of(s, "level-02-00000001"), 1);
        assert_int_equal(links_of(s, "backup-0"), 1);
        assert_int_equal(count_files(s), 5);
        forget_counts(s);
        write_nodes(s, 2, 130, 2, nodes + 130);
        expect_ok(rotor_level_files_sync(&s->files, NULL), "variant %u", variant);
        expect_syncs(s, 1, 0, "a shard that is private already");
        tear_down(s);
    }
    free(nodes);
    free(other);
}

/* More than one piece, and an odd end. */
static void a_large_shard_is_copied_whole(void **state) {
    (void)state;
    enum { NODES = 3 * 32768 + 5 };
    setup *s = set_up();
    s->counted.cannot_clone = true;
    rotor_hash *nodes = test_random_leaves(21, NODES);
    rotor_level_files_init(&s->files, &s->directory, 20);
    write_nodes(s, 0, 0, NODES, nodes);
    set_length(s, "level-00-00000000", NODES * 32 + 7);
    link_to(s, "level-00-00000000", "backup");
    nodes[NODES - 1].bytes[0] ^= 1;
    write_nodes(s, 0, NODES - 1, 1, nodes + NODES - 1);
    assert_int_equal(length_of(s, "level-00-00000000"), NODES * 32 + 7);
    set_length(s, "level-00-00000000", NODES * 32);
    expect_bytes(s, "level-00-00000000", nodes, (size_t)NODES * 32);
    nodes[NODES - 1].bytes[0] ^= 1;
    set_length(s, "backup", NODES * 32);
    expect_bytes(s, "backup", nodes, (size_t)NODES * 32);
    free(nodes);
    tear_down(s);
}

/* A second object has the shard open when the first replaces it. */
static void a_replaced_shard_is_left_by_the_others(void **state) {
    (void)state;
    rotor_hash *nodes = test_random_leaves(22, 300);
    rotor_hash *other = test_random_leaves(23, 300);
    rotor_shard_guard guard;
    expect_ok(rotor_shard_guard_init(&guard, NULL), "a lock");
    setup *s = set_up();
    rotor_level_files second;
    rotor_level_files_init(&second, &s->directory, BITS);
    rotor_level_files_share(&s->files, &guard);
    rotor_level_files_share(&second, &guard);
    write_nodes(s, 0, 0, 100, nodes);
    expect_ok(rotor_level_files_write(&second, 0, 100, 28, nodes[100].bytes, NULL), "the second object");
    expect_ok(rotor_level_files_write(&second, 1, 0, 28, nodes->bytes, NULL), "the second object");
    expect_ok(rotor_level_files_sync(&s->files, NULL), "the first object");
    link_to(s, "level-00-00000000", "backup");
    write_nodes(s, 0, 0, 1, other);
    /* The second has written nothing since, but what it wrote before is now under a name that is not synced. */
    forget_counts(s);
    expect_ok(rotor_level_files_sync(&second, NULL), "the second object");
    expect_syncs(s, 2, 1, "the second object, whose shard was replaced");
    expect_ok(rotor_level_files_write(&second, 0, 127, 1, other[127].bytes, NULL), "the second object");
    expect_bytes(s, "backup", nodes, 128 * 32);
    expect_nodes(s, 0, 0, 1, other);
    expect_nodes(s, 0, 1, 126, nodes + 1);
    expect_nodes(s, 0, 127, 1, other + 127);
    /* And the other way round. */
    link_to(s, "level-00-00000000", "backup-2");
    expect_ok(rotor_level_files_write(&second, 0, 126, 1, other[126].bytes, NULL), "the second object");
    write_nodes(s, 0, 2, 1, other + 2);
    expect_nodes(s, 0, 126, 2, other + 126);
    expect_nodes(s, 0, 2, 1, other + 2);
    expect_bytes(s, "backup", nodes, 128 * 32);
    rotor_level_files_close(&second);
    rotor_shard_guard_destroy(&guard);
    tear_down(s);
    free(nodes);
    free(other);
}

/* ---------------------------------------------------------------- several threads */

typedef struct writer {
    rotor_level_files files;
    const rotor_hash *nodes;
    unsigned parity; /* writes the nodes of this one */
    uint64_t rounds;
    _Atomic uint64_t done;
    rotor_error error;
    rotor_status status;
} writer;

static void *write_steadily(void *context) {
    writer *w = context;
    for (uint64_t i = 0; i < w->rounds && w->status == ROTOR_OK; i++) {
        uint64_t node = 2 * (i % (SHARD_NODES / 2)) + w->parity;
        w->status = rotor_level_files_write(&w->files, 0, node, 1, w->nodes[i].bytes, &w->error);
        if (w->status == ROTOR_OK && i % 16 == 15) {
            w->status = rotor_level_files_sync(&w->files, &w->error);
        }
        atomic_fetch_add(&w->done, 1);
    }
    atomic_store(&w->done, UINT64_MAX);
    return NULL;
}

/* Links the shard again and again while the writers are at it. The number of links that they have met. */
static uint64_t link_until_done(setup *s, writer writers[2]) {
    uint64_t seen[2] = {0, 0};
    uint64_t replacements = 0;
    uint8_t before[SHARD_NODES * 32];
    char path[128];
    path_of(s, path, "backup");
    while (seen[0] != UINT64_MAX && seen[1] != UINT64_MAX) {
        /* Until it is replaced: a write that had begun may still arrive in it. */
        while (links_of(s, "backup") > 1 && atomic_load(&writers[0].done) != UINT64_MAX &&
               atomic_load(&writers[1].done) != UINT64_MAX) {
            (void)sched_yield();
        }
        bool replaced = links_of(s, "backup") == 1;
        int file = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(file >= 0 && pread(file, before, sizeof before, 0) == (ssize_t)sizeof before);
        /* Both must have written since, so that none meets more than two links in one write. */
        for (unsigned i = 0; i < 2; i++) {
            uint64_t start = atomic_load(&writers[i].done);
            while (start != UINT64_MAX && atomic_load(&writers[i].done) < start + 2) {
                (void)sched_yield();
            }
            seen[i] = atomic_load(&writers[i].done);
        }
        if (replaced) {
            expect_bytes(s, "backup", before, sizeof before);
            replacements++;
        }
        assert_int_equal(close(file), 0);
        assert_int_equal(remove_name(s, "backup"), 0);
        if (seen[0] != UINT64_MAX && seen[1] != UINT64_MAX) {
            link_to(s, "level-00-00000000", "backup");
        }
    }
    return replacements;
}

/* Two objects write every other node of one shard while it is linked again and again: nothing may get lost, and no
 * linked file may change. */
static void writers_and_links_meet(void **state) {
    (void)state;
    setup *s = set_up();
    rotor_shard_guard guard;
    uint64_t rounds = test_scaled(2000);
    rotor_hash *nodes = test_random_leaves(24, rounds);
    rotor_hash zeros[SHARD_NODES] = {{{0}}};
    expect_ok(rotor_shard_guard_init(&guard, NULL), "a lock");
    write_nodes(s, 0, 0, SHARD_NODES, zeros);
    /* Before the first write, so that there is at least one link to meet. */
    link_to(s, "level-00-00000000", "backup");
    writer *writers = test_alloc(2, sizeof *writers);
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++) {
        writers[i].nodes = nodes;
        writers[i].parity = i;
        writers[i].rounds = rounds;
        rotor_level_files_init(&writers[i].files, &s->directory, BITS);
        rotor_level_files_share(&writers[i].files, &guard);
        assert_int_equal(pthread_create(&threads[i], NULL, write_steadily, &writers[i]), 0);
    }
    uint64_t replacements = link_until_done(s, writers);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        expect_ok(writers[i].status, "%s", writers[i].error.message);
        rotor_level_files_close(&writers[i].files);
    }
    assert_true(replacements > 0);
    for (uint64_t node = 0; node < SHARD_NODES; node++) {
        uint64_t last = UINT64_MAX;
        for (uint64_t i = node / 2; i < rounds; i += SHARD_NODES / 2) {
            last = i;
        }
        expect_nodes(s, 0, node, 1, last == UINT64_MAX ? zeros : nodes + last);
    }
    rotor_shard_guard_destroy(&guard);
    free(writers);
    free(nodes);
    tear_down(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linked_shard_is_left_alone),
        cmocka_unit_test(a_large_shard_is_copied_whole),
        cmocka_unit_test(a_replaced_shard_is_left_by_the_others),
        cmocka_unit_test(writers_and_links_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
