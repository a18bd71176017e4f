/* The used segment of the log that becomes the next one: that it does, that nothing is written over which somebody may
 * still want, and that a reader who meets the exchange notices. */
#include "store_support.h"

#include "store/log.h"

#include <pthread.h>
#include <semaphore.h>

static struct stat facts_of(const store_scene *s, const char *name) {
    char path[FOLDER_PATH + 150];
    struct stat facts;
    (void)snprintf(path, sizeof path, "%s/%s", s->path, name);
    expect(stat(path, &facts) == 0, "%s: %s", path, strerror(errno));
    return facts;
}

static void scene_begin(store_scene *s, uint64_t seed) {
    store_begin(s, seed, 4);
    s->options.flush_interval_ms = ROTOR_MANUAL;
    s->options.checkpoint_leaves = 0;
    s->options.checkpoint_bytes = 0;
    s->options.checkpoint_on_close = 0;
    s->setup.segment_bytes = 0;
}

/* Grows the log's segment by `count` leaves of one flush each, and commits. */
static void grow_and_commit(store_scene *s, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        store_insert(s, 1);
        expect_ok(rotor_flush(s->tree), "flush");
    }
    expect_ok(rotor_checkpoint(s->tree), "checkpoint");
}

static void used_segments_come_back(void **state) {
    (void)state;
    store_scene s;
    scene_begin(&s, 1);
    store_open(&s);
    grow_and_commit(&s, 3);
    struct stat spare = facts_of(&s, ROTOR_LOG_SPARE_NAME);
    assert_int_equal(spare.st_size, ROTOR_LOG_LEAST_BYTES);
    grow_and_commit(&s, 2);
    char name[40];
    rotor_log_name(name, s.tree->store->log.segment);
    assert_int_equal(facts_of(&s, name).st_ino, spare.st_ino);
    /* It is kept across a close, and what it holds is never taken for frames. */
    spare = facts_of(&s, ROTOR_LOG_SPARE_NAME);
    store_close(&s);
    s.options.verify_at_open = ROTOR_VERIFY_FULL;
    store_open(&s);
    store_expect_whole(&s, s.tree, "with a spare");
    assert_int_equal(store_statistics(&s).torn_bytes, 0);
    grow_and_commit(&s, 7);
    rotor_log_name(name, s.tree->store->log.segment);
    assert_int_equal(facts_of(&s, name).st_ino, spare.st_ino);
    store_insert(&s, 5);
    store_close(&s);
    store_open(&s);
    store_expect_whole(&s, s.tree, "from a segment that was used before");
    store_end(&s);
}

/* More than the least space is not kept. */
static void long_segments_are_removed(void **state) {
    (void)state;
    store_scene s;
    scene_begin(&s, 2);
    s.setup.extent_leaves = 1000000;
    store_open(&s);
    store_insert(&s, 3000);
    expect_ok(rotor_flush(s.tree), "flush");
    char name[40];
    rotor_log_name(name, s.tree->store->log.segment);
    expect(facts_of(&s, name).st_size > (off_t)ROTOR_LOG_LEAST_BYTES, "too short for the test");
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    expect(!file_exists(s.path, name) && !file_exists(s.path, ROTOR_LOG_SPARE_NAME), "a long segment was kept");
    store_end(&s);
}

/* Somebody's second name of the spare, or a file that is no spare, is left as it is. */
static void what_others_have_is_not_written_over(void **state) {
    (void)state;
    store_scene s;
    scene_begin(&s, 3);
    store_open(&s);
    grow_and_commit(&s, 3);
    char from[FOLDER_PATH + 150];
    char to[FOLDER_PATH + 150];
    (void)snprintf(from, sizeof from, "%s/%s", s.path, ROTOR_LOG_SPARE_NAME);
    (void)snprintf(to, sizeof to, "%s/kept", s.path);
    expect(link(from, to) == 0, "link: %s", strerror(errno));
    image before;
    image after;
    image_read(&before, s.path);
    grow_and_commit(&s, 3);
    image_read(&after, s.path);
    const image_file *kept = image_find(&before, "kept");
    const image_file *now = image_find(&after, "kept");
    expect(now->count == kept->count && memcmp(now->bytes, kept->bytes, kept->count) == 0, "it was written over");
    image_free(&before);
    image_free(&after);
    expect(facts_of(&s, ROTOR_LOG_SPARE_NAME).st_ino != facts_of(&s, "kept").st_ino, "it stayed the spare");
    file_write(s.path, ROTOR_LOG_SPARE_NAME, "x", 1);
    grow_and_commit(&s, 3);
    expect(unlink(from) == 0, "unlink: %s", strerror(errno));
    grow_and_commit(&s, 3);
    expect(unlink(to) == 0, "unlink: %s", strerror(errno));
    store_close(&s);
    s.options.verify_at_open = ROTOR_VERIFY_FULL;
    store_open(&s);
    store_expect_whole(&s, s.tree, "without the spare");
    store_end(&s);
}

/* A file layer that reads the log in small pieces, and lets the writer commit twice between the first and the second.
 */
typedef struct meddler {
    rotor_os layer;
    store_scene *writer;
    unsigned pieces;
} meddler;

static int64_t read_late(void *context, int file, void *bytes, size_t count, uint64_t offset) {
    meddler *m = context;
    char link_name[64];
    char path[FOLDER_PATH] = "";
    (void)snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link_name, path, sizeof path - 1);
    if (length > 0 && strstr(path, "/log-") != NULL) {
        count = count < 96 ? count : 96;
        if (m->pieces++ == 1) {
            grow_and_commit(m->writer, 2);
            grow_and_commit(m->writer, 2);
            store_insert(m->writer, 1);
            expect_ok(rotor_flush(m->writer->tree), "flush");
        }
    }
    const rotor_os *below = rotor_os_system();
    return below->read(below->context, file, bytes, count, offset);
}

static void a_reader_notices_the_exchange(void **state) {
    (void)state;
    store_scene s;
    meddler m = {.layer = *rotor_os_system(), .writer = &s};
    scene_begin(&s, 4);
    store_open(&s);
    store_insert(&s, 3);
    expect_ok(rotor_flush(s.tree), "flush");
    m.layer.context = &m; /* which the system's functions do not look at */
    m.layer.read = read_late;
    rotor_store_setup setup = s.setup;
    setup.os = &m.layer;
    rotor_options options = s.options;
    options.mode = ROTOR_OPEN_READ_ONLY;
    rotor_tree *reader = NULL;
    rotor_error error = {.message = ""};
    expect_ok(store_open_at(&reader, s.path, &options, &setup, &error), "%s", error.message);
    expect(m.pieces > 1, "the log was not read");
    store_expect_whole(&s, reader, "read beside two commits");
    expect_ok(rotor_close(reader, NULL), "close");
    store_end(&s);
}

/* ---- a rotation that takes the spare while a checkpoint retires segments */

typedef struct meeting {
    rotor_os layer;
    store_scene *scene;
    pthread_t flusher;
    sem_t filling; /* the rotation syncs what was the spare */
    sem_t retired; /* the checkpoint is through with its segments, or has been waited for long enough */
    bool armed;
    bool met;
    rotor_status status;
} meeting;

/* More than a segment, so that the log is rotated. */
static void *flush_much(void *argument) {
    meeting *m = argument;
    for (int i = 0; i < 4 && m->status == ROTOR_OK; i++) {
        store_insert(m->scene, 1000);
        m->status = rotor_flush(m->scene->tree);
    }
    return NULL;
}

/* The first segment that is removed while there is a spare: from here on both are on their way. */
static int unlink_late(void *context, int directory, const char *name) {
    meeting *m = context;
    if (m->armed && !m->met && strncmp(name, "log-", 4) == 0) {
        m->met = pthread_create(&m->flusher, NULL, flush_much, m) == 0;
        while (m->met && sem_wait(&m->filling) != 0) {
        }
    }
    const rotor_os *below = rotor_os_system();
    return below->unlink(below->context, directory, name);
}

static int sync_late(void *context, int file) {
    meeting *m = context;
    char link[64];
    char path[FOLDER_PATH + 150] = "";
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (m->armed && readlink(link, path, sizeof path - 1) > 0 && strstr(path, ROTOR_LOG_SPARE_NAME) != NULL) {
        struct timespec deadline;
        (void)clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += 1; /* the checkpoint may have to wait for this flush */
        (void)sem_post(&m->filling);
        (void)sem_timedwait(&m->retired, &deadline);
    }
    const rotor_os *below = rotor_os_system();
    return below->sync(below->context, file);
}

static void the_name_belongs_to_the_rotation(void **state) {
    (void)state;
    store_scene s;
    meeting m = {.layer = *rotor_os_system(), .scene = &s};
    if (access("/proc/self/fd", R_OK) != 0) {
        skip(); /* no way to tell which file is synced */
    }
    assert_int_equal(sem_init(&m.filling, 0, 0), 0);
    assert_int_equal(sem_init(&m.retired, 0, 0), 0);
    m.layer.context = &m; /* which the system's functions do not look at */
    m.layer.unlink = unlink_late;
    m.layer.sync = sync_late;
    scene_begin(&s, 5);
    s.setup = (rotor_store_setup){
        .os = &m.layer, .shard_bits = 14, .extent_leaves = 100000, .segment_bytes = ROTOR_LOG_LEAST_BYTES};
    store_open(&s);
    store_insert(&s, 500);
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    for (uint64_t i = 1; i <= 4; i++) { /* each a barrier, hence a short segment */
        store_truncate(&s, 500 - 10 * i);
        expect_ok(rotor_flush(s.tree), "flush");
    }
    store_insert(&s, 3);
    m.armed = true;
    expect_ok(rotor_checkpoint(s.tree), "checkpoint");
    (void)sem_post(&m.retired);
    expect(m.met, "no segment was removed");
    expect(pthread_join(m.flusher, NULL) == 0, "join");
    expect_ok(m.status, "flush");
    m.armed = false;
    store_close(&s);
    s.setup.os = NULL;
    store_open(&s);
    expect(rotor_size(s.tree) == 4463, "%" PRIu64 " leaves", rotor_size(s.tree));
    store_expect_whole(&s, s.tree, "after a rotation beside a checkpoint");
    store_end(&s);
    (void)sem_destroy(&m.filling);
    (void)sem_destroy(&m.retired);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(used_segments_come_back),
        cmocka_unit_test(long_segments_are_removed),
        cmocka_unit_test(what_others_have_is_not_written_over),
        cmocka_unit_test(a_reader_notices_the_exchange),
        cmocka_unit_test(the_name_belongs_to_the_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
