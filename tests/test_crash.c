/* Crashes of durable trees on a simulated file system, by the rules of docs/durability.md: short workloads that die at
 * each of their calls in turn, recoveries that die at each of theirs, long workloads by seed, syncs that fail, and the
 * proof that the harness would notice a sync that is missing. First the simulation itself is tested. What fails prints
 * the words with which tests/torture repeats it. */
#include "crash_harness.h"

/* ---------------------------------------------------------------- the simulation itself */

#define HERE "/sim/here"
#define SETTLED                                                                                                        \
    1000 /* bytes of 0x11, synced, of which 400..899 are then overwritten and up to 3000 appended by 0x22              \
          */

typedef struct bench {
    sim *s;
    int directory;
} bench;

static bench bench_open(void) {
    bench b = {.s = sim_create(7)};
    const rotor_os *os = &b.s->os;
    expect(os->make_directory(b.s, HERE, 0755) == 0, "make_directory");
    expect(os->sync_parent(b.s, HERE) == 0, "sync_parent");
    b.directory = os->open_directory(b.s, HERE);
    expect(b.directory >= 0, "open_directory");
    return b;
}

static int bench_file(const bench *b, const char *name) {
    int file = b->s->os.open(b->s, b->directory, name, ROTOR_OS_WRITE | ROTOR_OS_CREATE, 0644);
    expect(file >= 0, "open of %s: %d", name, file);
    return file;
}

static void put(const bench *b, int file, uint8_t value, size_t count, uint64_t offset) {
    uint8_t bytes[4096];
    memset(bytes, value, sizeof bytes);
    expect(b->s->os.write(b->s, file, bytes, count, offset) == (int64_t)count, "write");
}

static void make_synced(const bench *b, const char *name, uint8_t value, size_t count) {
    int file = bench_file(b, name);
    put(b, file, value, count, 0);
    expect(b->s->os.sync(b->s, file) == 0 && b->s->os.sync_directory(b->s, b->directory) == 0, "sync");
    expect(b->s->os.close(b->s, file) == 0, "close");
}

/* The first byte of a file of that name, 0 of an empty one, -1 when there is none. */
static int first_byte(sim *s, const char *name) {
    const sim_file *file = sim_file_named(s, HERE, name);
    return file == NULL ? -1 : file->live.size == 0 ? 0 : file->live.data[0];
}

static void sim_loses_what_was_not_synced(void **state) {
    (void)state;
    bench b = bench_open();
    make_synced(&b, "a", 1, 100);
    int file = bench_file(&b, "a");
    put(&b, file, 2, 50, 0);
    put(&b, file, 2, 50, 100);
    sim *kept = sim_copy(b.s);
    sim *last = sim_copy(b.s);
    sim *rest = sim_copy(b.s);
    sim_lose_power(b.s, SIM_ALL_DROPPED, 1);
    sim_lose_power(kept, SIM_ALL_KEPT, 1);
    sim_lose_power(last, SIM_ONLY_LAST_KEPT, 1);
    sim_lose_power(rest, SIM_ONLY_FIRST_DROPPED, 1);
    assert_int_equal(sim_file_named(b.s, HERE, "a")->live.size, 100);
    assert_int_equal(first_byte(b.s, "a"), 1);
    assert_int_equal(sim_file_named(kept, HERE, "a")->live.size, 150);
    assert_int_equal(first_byte(kept, "a"), 2);
    assert_int_equal(sim_file_named(last, HERE, "a")->live.size, 150);
    assert_int_equal(first_byte(last, "a"), 1);
    assert_int_equal(sim_file_named(rest, HERE, "a")->live.size, 150);
    assert_int_equal(first_byte(rest, "a"), 1);
    sim_destroy(b.s);
    sim_destroy(kept);
    sim_destroy(last);
    sim_destroy(rest);
}

static void sim_syncs_bytes_and_names_apart(void **state) {
    (void)state;
    bench b = bench_open();
    int file = bench_file(&b, "a");
    put(&b, file, 1, 100, 0);
    assert_int_equal(b.s->os.sync(b.s, file), 0);
    int other = bench_file(&b, "b");
    sim *nameless = sim_copy(b.s);
    sim_lose_power(nameless, SIM_ALL_DROPPED, 1);
    assert_int_equal(first_byte(nameless, "a"), -1);
    assert_int_equal(b.s->os.sync_directory(b.s, b.directory), 0);
    put(&b, other, 2, 100, 0);
    sim_lose_power(b.s, SIM_ALL_DROPPED, 1);
    assert_int_equal(first_byte(b.s, "a"), 1);
    assert_int_equal(first_byte(b.s, "b"), 0);
    sim_destroy(nameless);
    sim_destroy(b.s);
}

static void sim_forgets_a_directory(void **state) {
    (void)state;
    sim *s = sim_create(1);
    assert_int_equal(s->os.make_directory(s, HERE, 0755), 0);
    int directory = s->os.open_directory(s, HERE);
    assert_true(s->os.open(s, directory, "a", ROTOR_OS_WRITE | ROTOR_OS_CREATE, 0644) >= 0);
    assert_int_equal(s->os.sync_directory(s, directory), 0);
    sim *synced = sim_copy(s);
    assert_int_equal(synced->os.sync_parent(synced, HERE), 0);
    sim_lose_power(s, SIM_ALL_DROPPED, 1);
    sim_lose_power(synced, SIM_ALL_DROPPED, 1);
    assert_int_equal(s->os.open_directory(s, HERE), -ENOENT);
    assert_true(synced->os.open_directory(synced, HERE) >= 0);
    assert_int_equal(first_byte(synced, "a"), 0);
    sim_destroy(s);
    sim_destroy(synced);
}

/* What one failure of power did to the two unsynced writes. */
typedef struct damage {
    bool lost;  /* all sectors old, or the length too */
    bool kept;  /* all sectors new */
    bool torn;  /* some of them new, the others old or zeros */
    bool noise; /* something else */
    bool zeros_behind_the_end;
} damage;

static damage judge_bytes(const sim_file *file, uint64_t seed) {
    damage found = {.lost = true, .kept = true};
    const uint8_t *data = file->live.data;
    uint64_t size = file->live.size;
    expect(size >= SETTLED && size <= 3000, "seed %" PRIu64 ": %" PRIu64 " bytes", seed, size);
    found.kept = size == 3000;
    found.zeros_behind_the_end = size > SETTLED;
    for (uint64_t i = 0; i < size; i++) {
        if (i < 400 || (i >= 900 && i < SETTLED)) {
            expect(data[i] == 0x11, "seed %" PRIu64 ": byte %" PRIu64 " was synced and is 0x%x", seed, i, data[i]);
            continue;
        }
        uint8_t old = i < SETTLED ? 0x11 : 0;
        found.zeros_behind_the_end = found.zeros_behind_the_end && (i < SETTLED || data[i] == 0);
        found.lost = found.lost && data[i] == old;
        found.kept = found.kept && data[i] == 0x22;
        found.torn = found.torn || data[i] == 0x22;
        found.noise = found.noise || (data[i] != old && data[i] != 0x22);
    }
    found.torn = found.torn && !found.kept && !found.noise;
    /* A sector is written as a whole: what is left of its write is all new or not at all. */
    for (uint64_t sector = 0; sector + SIM_SECTOR <= size && !found.noise; sector += SIM_SECTOR) {
        uint64_t news = 0;
        uint64_t written = 0;
        for (uint64_t i = sector; i < sector + SIM_SECTOR; i++) {
            bool is_written = (sector < 900 && i >= 400 && i < 900) || (sector >= 1024 && i >= SETTLED);
            written += is_written;
            news += is_written && data[i] == 0x22;
        }
        expect(news == 0 || news == written, "seed %" PRIu64 ": sector %" PRIu64 " is torn inside", seed, sector);
    }
    return found;
}

static void sim_tears_writes_by_sectors(void **state) {
    (void)state;
    uint64_t lost = 0;
    uint64_t kept = 0;
    uint64_t torn = 0;
    uint64_t noise = 0;
    uint64_t zeros = 0;
    for (uint64_t seed = 0; seed < 500; seed++) {
        bench b = bench_open();
        make_synced(&b, "a", 0x11, SETTLED);
        int file = bench_file(&b, "a");
        put(&b, file, 0x22, 500, 400);
        put(&b, file, 0x22, 2000, SETTLED);
        sim_lose_power(b.s, SIM_BY_SEED, seed);
        damage found = judge_bytes(sim_file_named(b.s, HERE, "a"), seed);
        lost += found.lost;
        kept += found.kept;
        torn += found.torn;
        noise += found.noise;
        zeros += found.zeros_behind_the_end;
        sim_destroy(b.s);
    }
    expect(lost > 20 && kept > 20 && torn > 20 && noise > 20 && zeros > 20,
           "of 500: %" PRIu64 " lost, %" PRIu64 " kept, %" PRIu64 " torn, %" PRIu64 " with noise, %" PRIu64
           " longer by zeros",
           lost, kept, torn, noise, zeros);
}

static void sim_renames_whole_or_not(void **state) {
    (void)state;
    uint64_t renamed = 0;
    uint64_t not = 0;
    uint64_t removed = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        bench b = bench_open();
        make_synced(&b, "a", 1, 10);
        make_synced(&b, "b", 2, 10);
        make_synced(&b, "c", 3, 10);
        assert_int_equal(b.s->os.rename(b.s, b.directory, "a", "b"), 0);
        assert_int_equal(b.s->os.unlink(b.s, b.directory, "c"), 0);
        assert_int_equal(first_byte(b.s, "a"), -1);
        assert_int_equal(first_byte(b.s, "b"), 1);
        assert_int_equal(first_byte(b.s, "c"), -1);
        sim_lose_power(b.s, SIM_BY_SEED, seed);
        bool before = first_byte(b.s, "a") == 1 && first_byte(b.s, "b") == 2;
        bool after = first_byte(b.s, "a") == -1 && first_byte(b.s, "b") == 1;
        expect(before || after, "seed %" PRIu64 ": a half of a rename", seed);
        renamed += after;
        not += before;
        removed += first_byte(b.s, "c") == -1;
        sim_destroy(b.s);
    }
    expect(renamed > 10 && not > 10 && removed > 10 && removed < 90, "%" PRIu64 " renamed, %" PRIu64 " removed",
           renamed, removed);
}

static void sim_links_and_locks(void **state) {
    (void)state;
    bench b = bench_open();
    rotor_os_status status;
    make_synced(&b, "a", 1, 10);
    assert_int_equal(b.s->os.link(b.s, b.directory, "a", b.directory, "b"), 0);
    int first = bench_file(&b, "a");
    int second = bench_file(&b, "b");
    assert_int_equal(b.s->os.status(b.s, first, &status), 0);
    assert_int_equal(status.links, 2);
    put(&b, second, 9, 10, 0);
    assert_int_equal(first_byte(b.s, "a"), 9);
    assert_int_equal(b.s->os.lock(b.s, first), 0);
    assert_int_equal(b.s->os.lock(b.s, second), -EWOULDBLOCK);
    assert_int_equal(b.s->os.close(b.s, first), 0);
    assert_int_equal(b.s->os.lock(b.s, second), 0);
    assert_int_equal(b.s->os.open(b.s, b.directory, "a", ROTOR_OS_WRITE | ROTOR_OS_CREATE | ROTOR_OS_NEW, 0644),
                     -EEXIST);
    assert_int_equal(b.s->os.open(b.s, b.directory, "x", ROTOR_OS_READ, 0), -ENOENT);
    assert_int_equal(b.s->os.clone(b.s, second, second), -EOPNOTSUPP);
    sim_destroy(b.s);
}

static void sim_maps_what_is_written_later(void **state) {
    (void)state;
    bench b = bench_open();
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int file = bench_file(&b, "a");
    for (size_t at = 0; at < page; at += 1024) {
        put(&b, file, 1, 1024, at);
    }
    const void *shared = NULL;
    uint8_t *pages = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(b.s->os.map(b.s, file, pages, page, 0), 0);
    assert_int_equal(b.s->os.map_shared(b.s, file, &shared, 10), 0);
    assert_int_equal(pages[page - 1], 1);
    put(&b, file, 2, 10, 0);
    assert_int_equal(pages[0], 2);
    assert_int_equal(*(const uint8_t *)shared, 2);
    b.s->os.unmap(b.s, shared, 10);
    (void)munmap(pages, page);
    sim_destroy(b.s);
}

static void sim_dies_and_stays_dead(void **state) {
    (void)state;
    uint8_t byte = 0;
    bench b = bench_open();
    make_synced(&b, "a", 1, 10);
    int file = bench_file(&b, "a");
    b.s->crash_at = b.s->calls + 2;
    put(&b, file, 2, 1, 0);
    assert_int_equal(b.s->os.write(b.s, file, "\3", 1, 0), -EIO); /* this one may reach the disk */
    assert_int_equal(b.s->os.write(b.s, file, "\4", 1, 0), -EIO);
    assert_int_equal(b.s->os.sync(b.s, file), -EIO);
    assert_int_equal(b.s->os.unlink(b.s, b.directory, "a"), -EIO);
    assert_int_equal(b.s->os.read(b.s, file, &byte, 1, 0), -EIO);
    sim_kill(b.s);
    assert_int_equal(first_byte(b.s, "a"), 3);
    assert_int_equal(b.s->os.write(b.s, file, "\5", 1, 0), -EBADF); /* handles do not outlive the process */
    sim_lose_power(b.s, SIM_ALL_DROPPED, 1);
    assert_int_equal(first_byte(b.s, "a"), 1);
    sim_destroy(b.s);
}

static void sim_leaves_syncs_out_and_fails_them(void **state) {
    (void)state;
    bench b = bench_open();
    make_synced(&b, "log-1", 1, 10);
    make_synced(&b, "level-1", 1, 10);
    b.s->left_out = SIM_LEAVE_OUT_LOG;
    make_synced(&b, "log-1", 2, 10);
    make_synced(&b, "level-1", 2, 10);
    sim_lose_power(b.s, SIM_ALL_DROPPED, 1);
    assert_int_equal(first_byte(b.s, "log-1"), 1);
    assert_int_equal(first_byte(b.s, "level-1"), 2);
    b.s->left_out = SIM_NOTHING_LEFT_OUT;
    /* A sync that fails: the live copy stays, the disk has it or not, and the next sync has nothing to do. */
    uint64_t lost = 0;
    for (uint64_t seed = 0; seed < 64; seed++) {
        sim *s = sim_copy(b.s);
        s->random = seed;
        int directory = s->os.open_directory(s, HERE);
        int file = s->os.open(s, directory, "log-1", ROTOR_OS_WRITE, 0);
        assert_int_equal(s->os.write(s, file, "\7", 1, 0), 1);
        s->fail_sync = s->calls + 1;
        assert_int_equal(s->os.sync(s, file), -EIO);
        assert_int_equal(s->os.sync(s, file), 0);
        assert_int_equal(first_byte(s, "log-1"), 7);
        sim_lose_power(s, SIM_ALL_KEPT, 1);
        lost += first_byte(s, "log-1") != 7;
        sim_destroy(s);
    }
    expect(lost > 5 && lost < 60, "%" PRIu64 " of 64", lost);
    sim_destroy(b.s);
}

/* ---------------------------------------------------------------- crashes */

#define SHORT_CRASHES 5000
#define RECOVERY_CRASHES 5000
#define LONG_CRASHES 4000
#define LARGE_CRASHES 150
#define SYNC_CRASHES 2000
#define FAILED_RECOVERY_CRASHES 6000

typedef struct tally {
    uint64_t workloads;
    uint64_t deaths; /* of a workload, each with several variations */
    uint64_t crashes;
    char wrong[1200]; /* the first case that went wrong; nothing is tried behind it */
} tally;

static bool goes_on(const tally *t) {
    return t->wrong[0] == '\0';
}

/* The same, within so many crashes; fewer where every instruction is slow. */
static bool goes_on_for(const tally *t, uint64_t crashes) {
    return goes_on(t) && t->crashes < test_scaled(crashes);
}

static void note(tally *t, const crash_run *run, bool fine) {
    char words[200];
    t->crashes += run->crashes;
    if (!fine && goes_on(t)) {
        (void)snprintf(t->wrong, sizeof t->wrong, "%s\nrepeat it with: torture %s", run->violation,
                       crash_words(run, words));
    }
}

static void finish(const char *what, const tally *t) {
    print_message("%s: %" PRIu64 " crashes (%" PRIu64 " workloads that died at %" PRIu64 " calls)\n", what, t->crashes,
                  t->workloads, t->deaths);
    expect(goes_on(t), "%s", t->wrong);
}

/* How many numbered calls the workload makes when it is left alone. */
static uint64_t count_calls(const crash_case *plan, uint64_t *first_calls, tally *t) {
    crash_case alone = *plan;
    crash_run run;
    alone.crash = 0;
    alone.sync_fails = false;
    alone.disk_fills = false;
    crash_start(&run, &alone);
    note(t, &run, !run.violated);
    uint64_t calls = run.calls;
    *first_calls = run.first_calls;
    crash_end(&run);
    t->workloads++;
    return calls;
}

/* One death, once for each variation. */
static void die_at(const crash_case *plan, uint32_t first_variation, uint32_t variations, tally *t) {
    crash_run run;
    crash_start(&run, plan);
    for (uint32_t v = 0; v < variations && goes_on(t); v++) {
        crash_run copy = crash_copy(&run);
        note(t, &copy, crash_variation(&copy, first_variation + v, 0));
        crash_end(&copy);
    }
    crash_end(&run);
    t->deaths++;
}

/* The same, with a recovery that dies at each of its calls in turn. */
static void die_again_at_every_call(const crash_case *plan, uint32_t variation, tally *t) {
    crash_run run;
    crash_start(&run, plan);
    bool died = !crash_ends_in_good_order(plan) || run.files->failures > 0; /* else there is nothing to recover from */
    for (uint64_t again = 1; died && goes_on(t); again++) {
        crash_run copy = crash_copy(&run);
        note(t, &copy, crash_variation(&copy, variation, again));
        died = copy.recovery_died;
        crash_end(&copy);
    }
    crash_end(&run);
    t->deaths++;
}

/* Every call of short workloads. The calls that create the tree are the same in all of them. */
static void short_workloads_die_at_every_call(void **state) {
    (void)state;
    tally t = {.workloads = 0};
    for (uint64_t w = 0; goes_on_for(&t, SHORT_CRASHES); w++) {
        crash_case plan = {.seed = test_seed(1000) + w, .steps = 3 + (uint32_t)(w % 4)};
        uint64_t first = 0;
        uint64_t calls = count_calls(&plan, &first, &t);
        for (plan.crash = w == 0 ? 1 : first + 1; plan.crash <= calls + 1 && goes_on_for(&t, SHORT_CRASHES);
             plan.crash++) {
            die_at(&plan, 0, 10, &t);
        }
    }
    finish("short workloads", &t);
}

/* Every call of the recoveries of a few of them, after a loss of power (all kept, all lost, by seed) and a kill. */
static void recoveries_die_at_every_call(void **state) {
    (void)state;
    static const uint32_t variations[] = {0, 1, 4, 6, 8};
    tally t = {.workloads = 0};
    for (uint64_t w = 0; goes_on_for(&t, RECOVERY_CRASHES); w++) {
        crash_case plan = {.seed = test_seed(2000) + w, .steps = 4};
        uint64_t first = 0;
        uint64_t calls = count_calls(&plan, &first, &t);
        /* The first one dies while the tree is created, after which recoveries are long: at every fourth call. */
        plan.crash = w == 0 ? 1 : first + 1;
        for (uint64_t last = w == 0 ? first : calls + 1; plan.crash <= last && goes_on_for(&t, RECOVERY_CRASHES);
             plan.crash += w == 0 ? 4 : 1) {
            for (size_t v = 0; v < sizeof variations / sizeof variations[0]; v++) {
                die_again_at_every_call(&plan, variations[v], &t);
            }
        }
    }
    finish("recoveries", &t);
}

static void die_by_seed(uint64_t seed, uint64_t crashes, uint64_t deaths, bool large, tally *t) {
    test_random random = {seed};
    for (uint64_t w = 0; goes_on_for(t, crashes); w++) {
        crash_case plan = {.seed = seed + w, .large = large};
        uint64_t first = 0;
        uint64_t calls = count_calls(&plan, &first, t);
        for (uint64_t d = 0; d < deaths && goes_on(t); d++) {
            plan.crash = 1 + test_below(&random, calls + 1);
            die_at(&plan, (uint32_t)test_below(&random, 60), 4, t);
        }
    }
}

static void long_workloads_die_by_seed(void **state) {
    (void)state;
    tally t = {.workloads = 0};
    die_by_seed(test_seed(3000), LONG_CRASHES, 6, false, &t);
    finish("long workloads", &t);
}

/* Trees whose levels are mapped from files, and batches of more leaves than a frame holds. */
static void large_trees_die_by_seed(void **state) {
    (void)state;
    tally t = {.workloads = 0};
    die_by_seed(test_seed(4000), LARGE_CRASHES, 3, true, &t);
    finish("large trees", &t);
}

static void fail_syncs(uint32_t first_variation, const char *what) {
    tally t = {.workloads = 0};
    for (uint64_t w = 0; goes_on_for(&t, SYNC_CRASHES); w++) {
        crash_case plan = {.seed = test_seed(5000) + w, .steps = 6, .sync_fails = true};
        uint64_t first = 0;
        uint64_t calls = count_calls(&plan, &first, &t);
        for (plan.crash = w == 0 ? 1 : first + 1; plan.crash <= calls && goes_on_for(&t, SYNC_CRASHES); plan.crash++) {
            die_at(&plan, first_variation, 1, &t);
            die_at(&plan, first_variation + 2, 1, &t);
        }
    }
    finish(what, &t);
}

/* A sync that fails makes the system forget that it has something to write, while it goes on showing it. What had been
 * durable before survives the next open and a loss of power. */
static void failed_syncs_lose_nothing_older(void **state) {
    (void)state;
    fail_syncs(0, "failed syncs");
}

/* And so does what the next open, on the same system, calls durable. */
static void failed_syncs_are_not_believed(void **state) {
    (void)state;
    fail_syncs(1, "failed syncs and what opens say then");
}

static void recoveries_die(crash_case plan, uint64_t seed, const char *what) {
    tally t = {.workloads = 0};
    for (uint64_t w = 0; goes_on_for(&t, FAILED_RECOVERY_CRASHES); w++) {
        plan.seed = seed + w;
        plan.crash = 0;
        uint64_t first = 0;
        uint64_t calls = count_calls(&plan, &first, &t);
        for (plan.crash = first + 1; plan.crash <= calls && goes_on_for(&t, FAILED_RECOVERY_CRASHES); plan.crash++) {
            die_again_at_every_call(&plan, (uint32_t)(plan.crash % 4), &t);
        }
    }
    finish(what, &t);
}

/* The first open behind a failed sync dies as well. What had been acknowledged before is neither written over by it nor
 * called damaged afterwards. */
static void recoveries_from_failed_syncs_die_at_every_call(void **state) {
    (void)state;
    recoveries_die((crash_case){.steps = 16, .sync_fails = true}, test_seed(5500), "recoveries from failed syncs");
}

static void recoveries_from_a_full_disk_die_at_every_call(void **state) {
    (void)state;
    recoveries_die((crash_case){.steps = 16, .disk_fills = true}, test_seed(5700), "recoveries from a full disk");
}

/* ---------------------------------------------------------------- canaries */

#define MOST_CANARY_CRASHES 3000

/* With one kind of sync left out the harness must find a tree that is wrong. */
static void expect_noticed(sim_left_out left_out, const char *what) {
    tally t = {.workloads = 0};
    for (uint64_t w = 0; t.crashes < MOST_CANARY_CRASHES && goes_on(&t); w++) {
        crash_case plan = {.seed = 6000 + w, .steps = 12, .left_out = left_out, .crash = 25 + 7 * (w % 12)};
        die_at(&plan, 0, 4, &t);
    }
    expect(!goes_on(&t), "no sync of %s, and %" PRIu64 " crashes did no harm", what, t.crashes);
    print_message("without a sync of %s, after %" PRIu64 " crashes: %s --leave-out %d\n", what, t.crashes, t.wrong,
                  (int)left_out);
}

static void a_missing_sync_of_the_log_is_noticed(void **state) {
    (void)state;
    expect_noticed(SIM_LEAVE_OUT_LOG, "the log");
}

static void a_missing_sync_of_level_files_is_noticed(void **state) {
    (void)state;
    expect_noticed(SIM_LEAVE_OUT_LEVELS, "level files");
}

static void a_missing_sync_of_the_superblock_is_noticed(void **state) {
    (void)state;
    expect_noticed(SIM_LEAVE_OUT_SUPERBLOCK, "the superblock");
}

static void a_missing_sync_of_the_directory_is_noticed(void **state) {
    (void)state;
    expect_noticed(SIM_LEAVE_OUT_DIRECTORY, "the directory");
}

static void a_missing_sync_of_the_parent_is_noticed(void **state) {
    (void)state;
    expect_noticed(SIM_LEAVE_OUT_PARENT, "the parent directory");
}

int main(void) {
    const struct CMUnitTest simulation[] = {
        cmocka_unit_test(sim_loses_what_was_not_synced),
        cmocka_unit_test(sim_syncs_bytes_and_names_apart),
        cmocka_unit_test(sim_forgets_a_directory),
        cmocka_unit_test(sim_tears_writes_by_sectors),
        cmocka_unit_test(sim_renames_whole_or_not),
        cmocka_unit_test(sim_links_and_locks),
        cmocka_unit_test(sim_maps_what_is_written_later),
        cmocka_unit_test(sim_dies_and_stays_dead),
        cmocka_unit_test(sim_leaves_syncs_out_and_fails_them),
    };
    const struct CMUnitTest crashes[] = {
        cmocka_unit_test(short_workloads_die_at_every_call),
        cmocka_unit_test(recoveries_die_at_every_call),
        cmocka_unit_test(long_workloads_die_by_seed),
        cmocka_unit_test(large_trees_die_by_seed),
        cmocka_unit_test(failed_syncs_lose_nothing_older),
        cmocka_unit_test(failed_syncs_are_not_believed),
        cmocka_unit_test(recoveries_from_failed_syncs_die_at_every_call),
        cmocka_unit_test(recoveries_from_a_full_disk_die_at_every_call),
        cmocka_unit_test(a_missing_sync_of_the_log_is_noticed),
        cmocka_unit_test(a_missing_sync_of_level_files_is_noticed),
        cmocka_unit_test(a_missing_sync_of_the_superblock_is_noticed),
        cmocka_unit_test(a_missing_sync_of_the_directory_is_noticed),
        cmocka_unit_test(a_missing_sync_of_the_parent_is_noticed),
    };
    int failed = cmocka_run_group_tests_name("simulated files", simulation, NULL, NULL);
    return failed + cmocka_run_group_tests_name("crashes", crashes, NULL, NULL);
}
