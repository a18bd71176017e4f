/* Checking trees on disk that hold leaves in the log, with one byte damaged somewhere in their level files: the report
 * names what is damaged and nothing else. What is right is known from the leaves that were inserted. Opened as the tool
 * opens them: read-only and unverified, so that the log is replayed over whatever the level files hold. */
#include "store_support.h"

#include "store/level_files.h"

#define SHARD_NODES 128

static const uint32_t arities[] = {2, 3, 4, 16};
#define ARITIES (sizeof arities / sizeof arities[0])

/* A byte of a complete node of the committed tree. */
typedef struct damage {
    uint32_t level;
    uint64_t index;
    uint64_t choice;
} damage;

/* What a report has to say. */
typedef struct verdict {
    uint64_t size;
    uint64_t committed; /* 0: there is no root for what is left of it */
    uint64_t stored;    /* leaves whose complete nodes are in level files and have a meaning */
} verdict;

/* The last node of its level, which the edge of the committed size is made of, half of the time. */
static damage draw_damage(test_random *random, uint32_t arity, uint64_t stored) {
    uint64_t nodes[ROTOR_MAX_DEPTH + 1];
    uint32_t levels = 0;
    for (uint64_t count = stored; count > 0; count /= arity) {
        nodes[levels++] = count;
    }
    damage drawn = {.level = (uint32_t)test_below(random, levels), .choice = test_next(random)};
    uint64_t count = nodes[drawn.level];
    drawn.index = test_below(random, 2) == 0 ? count - 1 : test_below(random, count);
    return drawn;
}

static void apply(const store_scene *s, const damage *at) {
    char name[40];
    image whole;
    rotor_level_file_name(name, at->level, at->index / SHARD_NODES);
    image_read(&whole, s->path);
    const image_file *file = image_find(&whole, name);
    expect(file != NULL, "%s", name);
    size_t offset = (size_t)(at->index % SHARD_NODES * ROTOR_HASH_BYTES + at->choice % ROTOR_HASH_BYTES);
    uint8_t byte = (uint8_t)(file->bytes[offset] ^ (1u << (at->choice / 32 % 8)));
    file_patch(s->path, name, &byte, 1, offset);
    image_free(&whole);
}

static rotor_check_report check_once(const store_scene *s, bool verify_proofs, rotor_status wanted, const char *what) {
    rotor_check_report report;
    rotor_options options = s->options;
    options.verify_proofs = verify_proofs;
    rotor_tree *tree = NULL;
    rotor_error error = {0};
    options.mode = ROTOR_OPEN_READ_ONLY;
    options.verify_at_open = ROTOR_VERIFY_NONE;
    rotor_status status = store_open_at(&tree, s->path, &options, &s->setup, &error);
    expect_ok(status, "%s: %s", what, error.message);
    memset(&report, 0xab, sizeof report);
    expect_status(rotor_check(tree, &report, NULL, NULL), wanted, "%s", what);
    expect_ok(rotor_close(tree, NULL), "%s", what);
    return report;
}

/* Which verifies proofs and past roots before it prints them; the report must not depend on that. */
static rotor_check_report check_as_the_tool(const store_scene *s, rotor_status wanted, const char *what) {
    rotor_check_report plain = check_once(s, false, wanted, what);
    rotor_check_report report = check_once(s, true, wanted, what);
    expect(report.bad_nodes == plain.bad_nodes && report.root_matches == plain.root_matches &&
               memcmp(report.levels, plain.levels, sizeof plain.levels) == 0,
           "%s: other nodes where proofs are verified", what);
    expect(report.bad_leaves == plain.bad_leaves && report.bad_ranges == plain.bad_ranges &&
               memcmp(report.ranges, plain.ranges, plain.bad_ranges * sizeof plain.ranges[0]) == 0,
           "%s: other leaves where proofs are verified", what);
    return report;
}

static void expect_levels(const rotor_check_report *report, const damage *at, uint32_t arity, uint64_t stored,
                          const char *what) {
    uint64_t nodes = stored;
    uint64_t index = at->index;
    uint64_t all = 0;
    for (uint32_t level = 0; level <= ROTOR_MAX_DEPTH; level++, nodes /= arity) {
        /* A bad leaf makes every complete node above it another than what follows from the leaves. */
        bool bad = at->level == 0 ? level > 0 && index < nodes : level == at->level;
        expect(report->levels[level].bad == bad, "%s: level %u: %" PRIu64 " bad", what, level,
               report->levels[level].bad);
        expect(!bad || report->levels[level].first_bad == index, "%s: level %u: first bad is %" PRIu64, what, level,
               report->levels[level].first_bad);
        all += bad;
        index /= at->level == 0 ? arity : 1;
    }
    expect(report->bad_nodes == all, "%s: %" PRIu64 " bad nodes, not %" PRIu64, what, report->bad_nodes, all);
}

static void expect_report(const rotor_check_report *report, const damage *at, uint32_t arity, const verdict *of,
                          const char *what) {
    assert_int_equal(report->size, of->size);
    assert_int_equal(report->checkpointed, of->committed);
    expect_levels(report, at, arity, of->stored, what);
    uint64_t first = at->index / arity * arity;
    uint64_t end = first + arity < of->stored ? first + arity : of->stored;
    bool leaf = at->level == 0;
    expect(report->root_matches == !leaf, "%s: root_matches %u", what, report->root_matches);
    expect(report->bad_ranges == leaf && report->bad_leaves == (leaf ? end - first : 0),
           "%s: %u ranges, %" PRIu64 " leaves from %" PRIu64, what, report->bad_ranges, report->bad_leaves,
           report->ranges[0].first);
    expect(!leaf || (report->ranges[0].first == first && report->ranges[0].count == end - first),
           "%s: leaves %" PRIu64 "+%" PRIu64, what, report->ranges[0].first, report->ranges[0].count);
}

/* Leaves that are committed, others by single flushes and by extents in the log only. */
static verdict make_tree(store_scene *s, test_random *random, uint32_t arity) {
    verdict of = {.committed = 1 + test_below(random, arity == 16 ? 700 : 300)};
    store_begin(s, test_next(random), arity);
    store_open(s);
    store_insert(s, of.committed);
    expect_ok(rotor_checkpoint(s->tree), "arity %u", arity);
    for (uint64_t batches = test_below(random, 4); batches > 0; batches--) {
        store_insert(s, 1 + test_below(random, test_below(random, 2) == 0 ? 7 : 200));
        expect_ok(rotor_flush(s->tree), "flush");
    }
    of.size = s->model.count;
    of.stored = of.committed;
    return of;
}

static void one_bad_byte_is_named_and_nothing_else(void **state) {
    (void)state;
    uint64_t seed = test_seed(41);
    test_random random = {seed};
    uint64_t rounds = test_scaled(1500) + 20;
    for (uint64_t round = 0; round < rounds; round++) {
        uint32_t arity = arities[round % ARITIES];
        store_scene s;
        char what[160];
        verdict of = make_tree(&s, &random, arity);
        store_close(&s);
        (void)snprintf(what, sizeof what, "seed %" PRIu64 " round %" PRIu64 ": arity %u, %" PRIu64 " of %" PRIu64, seed,
                       round, arity, of.committed, of.size);
        rotor_check_report report = check_as_the_tool(&s, ROTOR_OK, what);
        assert_int_equal(report.bad_nodes + report.bad_leaves, 0);
        assert_int_equal(report.root_matches, 1);
        damage at = draw_damage(&random, arity, of.committed);
        apply(&s, &at);
        (void)snprintf(what + strlen(what), sizeof what - strlen(what), " node (%u, %" PRIu64 ")", at.level, at.index);
        report = check_as_the_tool(&s, ROTOR_DAMAGED, what);
        expect_report(&report, &at, arity, &of, what);
        store_end(&s);
    }
}

/* Whether a complete node that was stored, and that has a meaning after the cut, is above this one. */
static bool has_parent(const damage *at, uint32_t arity, uint64_t stored) {
    uint64_t index = at->index;
    uint64_t nodes = stored;
    for (uint32_t level = 0; level <= at->level; level++) {
        nodes /= arity;
    }
    return index / arity < nodes;
}

/* After a truncation below the committed size, and until the next commit, there is no root for what is left. Then only
 * stored nodes can vouch for leaves. */
static void damage_below_a_cut_is_named(void **state) {
    (void)state;
    uint64_t seed = test_seed(43);
    test_random random = {seed};
    uint64_t rounds = test_scaled(800) + 20;
    for (uint64_t round = 0; round < rounds; round++) {
        uint32_t arity = arities[round % ARITIES];
        store_scene s;
        char what[160];
        verdict of = make_tree(&s, &random, arity);
        of.stored = 1 + test_below(&random, of.committed);
        of.committed = of.stored < of.committed ? 0 : of.committed;
        store_truncate(&s, of.stored);
        store_insert(&s, test_below(&random, 3) * test_below(&random, 200));
        of.size = s.model.count;
        store_close(&s);
        (void)snprintf(what, sizeof what, "seed %" PRIu64 " round %" PRIu64 ": arity %u, %" PRIu64 " of %" PRIu64, seed,
                       round, arity, of.stored, of.size);
        rotor_check_report report = check_as_the_tool(&s, ROTOR_OK, what);
        assert_int_equal(report.root_matches, 1);
        damage at = draw_damage(&random, arity, of.stored);
        (void)snprintf(what + strlen(what), sizeof what - strlen(what), " node (%u, %" PRIu64 ")", at.level, at.index);
        /* A node of level 2 or higher that is bad does not fit its children, which fit their leaves. */
        bool vouched = has_parent(&at, arity, of.stored) || at.level > 1;
        apply(&s, &at);
        if (of.committed > 0 || vouched) {
            report = check_as_the_tool(&s, ROTOR_DAMAGED, what);
            expect_report(&report, &at, arity, &of, what);
        } else if (at.level == 1) {
            report = check_as_the_tool(&s, ROTOR_DAMAGED, what);
            expect_levels(&report, &at, arity, of.stored, what);
            expect(report.bad_ranges == 1 && report.ranges[0].first == at.index * arity && report.bad_leaves == arity,
                   "%s: leaves that the node is alone with", what);
        }
        store_end(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_byte_is_named_and_nothing_else),
        cmocka_unit_test(damage_below_a_cut_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
