/* The log: its bytes, appending and replay, and that neither failing calls nor the loss of power lose what was synced.
 */
#include "log_scene.h"

#include "base/bytes.h"
#include "base/crc32c.h"

/* ---------------------------------------------------------------- bytes */

static void frame_headers_are_the_format(void **state) {
    (void)state;
    uint8_t id[ROTOR_TREE_ID_BYTES];
    uint8_t bytes[64];
    uint8_t wanted[64] = "RTLF";
    uint8_t checked[76];
    rotor_frame read = {.kind = 0};
    for (unsigned i = 0; i < sizeof id; i++) {
        id[i] = (uint8_t)(200 + i);
    }
    rotor_frame frame = {.kind = ROTOR_FRAME_LEAVES,
                         .sequence = UINT64_C(0x0807060504030201),
                         .durable = UINT64_C(0x1817161514131211),
                         .first = UINT64_C(0x0017262524232221),
                         .count = 0x7fff,
                         .segment = UINT64_C(0x4847464544434241),
                         .leaves_crc = UINT32_C(0x54535251)};
    rotor_frame_encode(&frame, id, bytes);
    wanted[4] = 1;
    for (unsigned i = 0; i < 8; i++) {
        wanted[8 + i] = (uint8_t)(0x01 + i);
        wanted[16 + i] = (uint8_t)(0x11 + i);
        wanted[24 + i] = (uint8_t)(i == 7 ? 0 : i == 6 ? 0x17 : 0x21 + i);
        wanted[40 + i] = (uint8_t)(0x41 + i);
    }
    wanted[32] = 0xff;
    wanted[33] = 0x7f;
    for (unsigned i = 0; i < 4; i++) {
        wanted[56 + i] = (uint8_t)(0x51 + i);
    }
    memcpy(checked, id, 16);
    memcpy(checked + 16, wanted, 60);
    rotor_put_u32(wanted + 60, rotor_crc32c_portable(0, checked, sizeof checked));
    assert_memory_equal(bytes, wanted, sizeof bytes);
    assert_true(rotor_frame_decode(&read, id, frame.segment, bytes));
    assert_true(read.kind == frame.kind && read.sequence == frame.sequence && read.durable == frame.durable &&
                read.first == frame.first && read.count == frame.count && read.segment == frame.segment &&
                read.leaves_crc == frame.leaves_crc);
    assert_false(rotor_frame_decode(&read, id, frame.segment + 1, bytes));
    for (unsigned bit = 0; bit < 512; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        expect(!rotor_frame_decode(&read, id, frame.segment, bytes), "bit %u", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (unsigned bit = 0; bit < 128; bit++) {
        id[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        expect(!rotor_frame_decode(&read, id, frame.segment, bytes), "bit %u of the tree id", bit);
        id[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

static void frame_headers_have_bounds(void **state) {
    (void)state;
    static const uint8_t id[ROTOR_TREE_ID_BYTES] = {1};
    const uint64_t most = UINT64_C(1) << 58;
    const struct {
        rotor_frame frame;
        bool valid;
    } cases[] = {
        {{.kind = 0, .count = 1}, false},
        {{.kind = 1, .count = 0}, false},
        {{.kind = 1, .count = 1}, true},
        {{.kind = 1, .count = 32768}, true},
        {{.kind = 1, .count = 32769}, false},
        {{.kind = 1, .count = 1, .first = most}, false},
        {{.kind = 1, .count = 1, .first = most - 1}, true},
        {{.kind = 1, .count = 2, .first = UINT64_MAX}, false},
        {{.kind = 2, .count = 0}, false},
        {{.kind = 2, .count = 32768, .leaves_crc = 7}, true},
        {{.kind = 2, .count = UINT64_MAX, .first = 1}, false},
        {{.kind = 3, .first = most}, true},
        {{.kind = 3, .first = most + 1}, false},
        {{.kind = 3, .count = 1}, false},
        {{.kind = 3, .leaves_crc = 1}, false},
        {{.kind = 4, .first = 9}, true},
        {{.kind = 4, .count = 9}, false},
        {{.kind = 5, .count = 1}, false},
        {{.kind = UINT32_MAX}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[64];
        rotor_frame frame = cases[i].frame;
        rotor_frame read;
        rotor_frame_encode(&frame, id, bytes);
        expect(rotor_frame_decode(&read, id, 0, bytes) == cases[i].valid, "case %zu", i);
        /* Reserved bytes, with a checksum that is right. */
        uint8_t checked[76] = {1};
        bytes[48 + i % 8] = 1;
        memcpy(checked + 16, bytes, 60);
        rotor_put_u32(bytes + 60, rotor_crc32c(0, checked, sizeof checked));
        expect(!rotor_frame_decode(&read, id, 0, bytes), "case %zu with a reserved byte", i);
    }
}

static void segment_headers_are_the_format(void **state) {
    (void)state;
    rotor_segment_header header = {.segment = 0x0102, .sequence = 0x0304, .size = 0x0506};
    rotor_segment_header read;
    uint8_t bytes[64];
    uint8_t wanted[64] = {'R', 'O', 'T', 'O', 'R', 'L', 'O', 'G', 1, [32] = 2, 1, [40] = 4, 3, [48] = 6, 5};
    memset(header.tree_id, 0x99, sizeof header.tree_id);
    memset(wanted + 16, 0x99, 16);
    rotor_put_u32(wanted + 60, rotor_crc32c_portable(0, wanted, 60));
    rotor_segment_header_encode(&header, bytes);
    assert_memory_equal(bytes, wanted, sizeof bytes);
    assert_true(rotor_segment_header_decode(&read, header.tree_id, 0x0102, bytes));
    assert_memory_equal(&read, &header, sizeof read);
    assert_false(rotor_segment_header_decode(&read, header.tree_id, 0x0103, bytes));
    for (unsigned bit = 0; bit < 512; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        expect(!rotor_segment_header_decode(&read, header.tree_id, 0x0102, bytes), "bit %u", bit);
        bool fixed = bit < 480;
        if (fixed) { /* what the checksum does not catch: wrong fields */
            uint8_t again[64];
            memcpy(again, bytes, 60);
            rotor_put_u32(again + 60, rotor_crc32c(0, again, 60));
            unsigned byte = bit / 8;
            bool free_field = byte >= 40 && byte < 56 && bit != 48 * 8 + 58 && bit < 48 * 8 + 58;
            expect(rotor_segment_header_decode(&read, header.tree_id, 0x0102, again) == free_field, "field bit %u",
                   bit);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

static void names_are_sixteen_digits(void **state) {
    (void)state;
    char name[40];
    uint64_t number = 0;
    rotor_log_name(name, 1);
    assert_string_equal(name, "log-0000000000000001");
    assert_true(rotor_log_parse(name, &number) && number == 1);
    rotor_log_name(name, UINT64_C(9999999999999999));
    assert_true(rotor_log_parse(name, &number) && number == UINT64_C(9999999999999999));
    rotor_log_name(name, UINT64_MAX);
    assert_string_equal(name, "log-18446744073709551615");
    static const char *const others[] = {"",
                                         "log-",
                                         "log-1",
                                         "log-0000000000000000",
                                         "log-000000000000001",
                                         "log-00000000000000001",
                                         "log-000000000000000a",
                                         "log-+000000000000001",
                                         "log- 000000000000001",
                                         "Log-0000000000000001",
                                         "log-0000000000000001.new"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        number = 77;
        expect(!rotor_log_parse(others[i], &number) && number == 77, "'%s'", others[i]);
    }
}

/* ---------------------------------------------------------------- there and back */

static void what_is_appended_is_replayed(void **state) {
    (void)state;
    static const uint64_t counts[] = {1, 4095, 32767, 32768, 32769, 70000, 2};
    scene s;
    scene_begin(&s);
    s.fs.reads_in_pieces = true;
    expect_replay(&s, 0, 0, "an empty log", 0);
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        expect_ok(add_leaves(&s, counts[i], false), "%s", s.error.message);
        if (i < 3) {
            expect_ok(add_leaves(&s, counts[i] / 10 + 1, true), "%s", s.error.message);
        }
        if (i % 2 == 0) {
            expect_ok(sync_log(&s), "%s", s.error.message);
        }
        if (i % 3 == 1) {
            expect_ok(add_cut(&s, s.log.size - counts[i] / 2), "%s", s.error.message);
        }
        if (i % 3 == 2) {
            expect_ok(rotate(&s), "%s", s.error.message);
            expect_replay(&s, s.count, 0, "after a rotation", i);
        }
        expect(s.log.capacity <= ((size_t)1 << 20) + 64, "a buffer of %zu bytes", s.log.capacity);
    }
    expect_ok(sync_log(&s), "%s", s.error.message);
    expect_replay(&s, s.count, 0, "all", 0);
    expect(s.replayed == s.count, "%" PRIu64 " frames", s.replayed);
    expect(s.placed > s.count, "%" PRIu64 " frames at their places", s.placed);
    uint64_t bytes = s.position.end;
    for (uint64_t i = 0; i < s.count; i++) {
        bytes += s.frames[i].kind == ROTOR_FRAME_END ? s.frames[i].end : 0;
    }
    expect(s.position.log_bytes == bytes, "%" PRIu64 " bytes, not %" PRIu64, s.position.log_bytes, bytes);
    scene_end(&s);
}

static void a_large_extent_comes_back(void **state) {
    (void)state;
    scene s;
    scene_begin(&s);
    s.superblock.shard_bits = 16;
    s.level_files.shard_bits = 16;
    expect_ok(add_leaves(&s, 100, false), "%s", s.error.message);
    expect_ok(add_leaves(&s, 70000, true), "%s", s.error.message);
    expect_ok(sync_log(&s), "%s", s.error.message);
    assert_int_equal(s.count, 4);
    expect_replay(&s, 4, 0, "extents over two shards", 0);
    scene_end(&s);
}

/* The leaves of extents must be synced before their frames are written: who adds frames is told in time. */
static void a_full_buffer_is_announced(void **state) {
    (void)state;
    scene s;
    scene_begin(&s);
    uint64_t announced = 0;
    uint8_t leaf[32] = {1};
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t writes = s.fs.writes;
        bool full = rotor_log_is_full(&s.log);
        expect_ok(rotor_log_extent(&s.log, leaf, 1, &s.error), "%s", s.error.message);
        expect((s.fs.writes != writes) == full, "frame %u: %s", i, full ? "nothing written" : "written unannounced");
        announced += full;
    }
    expect(announced > 1, "%" PRIu64 " times full", announced);
    scene_end(&s);
}

static void calls_are_few(void **state) {
    (void)state;
    scene s;
    scene_begin(&s);
    expect_ok(add_leaves(&s, 1, false), "%s", s.error.message);
    uint64_t calls = s.fs.calls;
    expect_ok(sync_log(&s), "%s", s.error.message);
    expect(s.fs.calls == calls + 2, "%" PRIu64 " calls for a small commit", s.fs.calls - calls);
    calls = s.fs.calls;
    expect_ok(sync_log(&s), "%s", s.error.message);
    expect(s.fs.calls == calls, "%" PRIu64 " calls for nothing", s.fs.calls - calls);
    for (unsigned i = 0; i < 15; i++) {
        expect_ok(add_leaves(&s, 130, false), "%s", s.error.message);
    }
    calls = s.fs.calls;
    uint64_t syncs = s.fs.syncs;
    expect_ok(sync_log(&s), "%s", s.error.message);
    expect(s.fs.syncs == syncs + 1 && s.fs.calls > calls, "%" PRIu64 " syncs", s.fs.syncs - syncs);
    memory_file *file = segment_file(&s, 3);
    expect(s.log.ahead == file->size && s.log.ahead > s.log.end && file->size % 65536 == 0, "%zu bytes", file->size);
    /* Small commits, until the steps are as large as they get. */
    while (s.log.end < 3u << 20) {
        uint64_t first = s.log.size;
        uint8_t leaves[1000 * 32];
        fill_leaves(leaves, first, 1000, 3);
        uint64_t before = s.log.ahead;
        expect_ok(rotor_log_leaves(&s.log, leaves, 1000, &s.error), "%s", s.error.message);
        expect_ok(rotor_log_sync(&s.log, &s.error), "%s", s.error.message);
        expect(s.log.ahead == file->size && s.log.ahead > s.log.end, "%zu bytes", file->size);
        expect(s.log.ahead <= before + (1u << 20) + (64u << 10), "a step of %" PRIu64, s.log.ahead - before);
    }
    /* A large one is not followed by zeros. */
    uint8_t *many = test_alloc(40000, 32);
    s.log.end = s.log.synced = s.log.ahead; /* as if the frames had just filled the file */
    expect_ok(rotor_log_leaves(&s.log, many, 40000, &s.error), "%s", s.error.message);
    expect_ok(rotor_log_sync(&s.log, &s.error), "%s", s.error.message);
    expect(s.log.ahead == s.log.end && file->size == s.log.end, "%zu bytes", file->size);
    free(many);
    expect_status(rotor_log_truncate(&s.log, s.log.size + 1, &s.error), ROTOR_MISUSE, "a cut upwards");
    scene_end(&s);
}

static void a_reader_may_stop(void **state) {
    (void)state;
    scene s;
    small_log(&s, true);
    s.stop_after = 2;
    expect_status(replay(&s), ROTOR_CAPACITY_EXCEEDED, "a reader that stops");
    assert_int_equal(s.replayed, 2);
    assert_int_equal(s.position.sequence, UINT64_C(0x7777777777777777));
    scene_end(&s);
}

/* ---------------------------------------------------------------- calls that fail */

static void a_lost_level_file_is_not_an_io_error(void **state) {
    (void)state;
    scene s;
    scene_begin(&s);
    expect_ok(add_leaves(&s, 2, true), "%s", s.error.message);
    expect_ok(sync_log(&s), "%s", s.error.message);
    expect_ok(add_leaves(&s, 5, true), "%s", s.error.message);
    expect_ok(add_leaves(&s, 1, false), "%s", s.error.message);
    expect_ok(sync_log(&s), "%s", s.error.message);
    s.fs.unreadable = SCENE_LEVEL0;
    expect_status(replay(&s), ROTOR_IO, "level 0 cannot be read");
    s.fs.unreadable = "log-0000000000000003";
    expect_status(replay(&s), ROTOR_IO, "the log cannot be read");
    s.fs.unreadable = NULL;
    find_file(&s.fs, SCENE_LEVEL0)->size = 6 * 32 + 31;
    expect_replay(&s, 1, s.frames[2].end - s.frames[1].begin, "a short level file", 0);
    remove_file(&s.fs, SCENE_LEVEL0);
    expect_status(replay(&s), ROTOR_DAMAGED, "a level file that is missing although its frame was durable");
    scene_end(&s);
}

static void replay_reports_every_call_that_fails(void **state) {
    (void)state;
    scene s;
    small_log(&s, true);
    for (uint64_t nth = 1;; nth++) {
        expect(nth < 1000, "replay never succeeds");
        s.fs.fail_at = s.fs.calls + nth;
        rotor_status status = replay(&s);
        if (s.fs.calls < s.fs.fail_at) {
            expect_ok(status, "%s", s.error.message);
            expect(nth > 8, "replay made %" PRIu64 " calls only", nth);
            break;
        }
        expect_status(status, ROTOR_IO, "call %" PRIu64, nth);
        expect(s.error.os_errno == EIO && strstr(s.error.message, "somewhere/tree") != NULL, "'%s'", s.error.message);
    }
    scene_end(&s);
}

/* Some work, random but for the seed, until it is done or a call fails. */
static rotor_status work(scene *s, test_random *random, unsigned steps) {
    rotor_status status = ROTOR_OK;
    for (unsigned i = 0; i < steps && status == ROTOR_OK; i++) {
        switch (test_below(random, 8)) {
        case 0:
            status = rotate(s);
            break;
        case 1:
            status = add_cut(s, s->log.size - test_below(random, s->log.size < 3 ? s->log.size + 1 : 3));
            break;
        case 2:
        case 3:
            status = sync_log(s);
            break;
        case 4:
            status = add_leaves(s, 1 + test_below(random, 500), false);
            break;
        default:
            status = add_leaves(s, 1 + test_below(random, 6), false);
            break;
        }
    }
    return status;
}

/* What may be there: at least what was synced, at most what was appended. */
static void expect_recovered(scene *s, uint64_t which) {
    uint64_t accepted = s->count;
    expect_ok(replay(s), "%" PRIu64 ": %s", which, s->error.message);
    uint64_t frames = s->position.sequence - s->superblock.log_sequence;
    expect(frames >= s->synced && frames <= accepted,
           "%" PRIu64 ": %" PRIu64 " frames, %" PRIu64 " synced, %" PRIu64 " appended", which, frames, s->synced,
           accepted);
    expect_replay(s, frames, s->position.torn_bytes, "recovered", which);
}

static void failing_calls_lose_nothing_synced(void **state) {
    (void)state;
    uint64_t stride = scene_stride();
    for (uint64_t nth = 1;; nth += stride) {
        test_random random = {.state = 5};
        scene s;
        scene_begin(&s);
        s.fs.fail_with = nth % 2 == 0 ? -EIO : -ENOSPC;
        s.fs.fail_at = s.fs.calls + nth;
        rotor_status status = work(&s, &random, 80);
        bool failed = s.fs.calls >= s.fs.fail_at;
        expect_status(status, failed ? ROTOR_IO : ROTOR_OK, "call %" PRIu64 ": %s", nth, s.error.message);
        s.fs.fail_at = 0;
        expect_recovered(&s, nth);
        lose_power(&s.fs, &random);
        expect_recovered(&s, nth);
        go_on(&s);
        expect_ok(continue_log(&s), "%s", s.error.message);
        expect_ok(work(&s, &random, 10), "%s", s.error.message);
        expect_ok(sync_log(&s), "%s", s.error.message);
        expect_replay(&s, s.count, 0, "gone on", nth);
        scene_end(&s);
        if (!failed) {
            expect(nth > 50, "%" PRIu64 " calls only", nth);
            break;
        }
    }
}

/* ---------------------------------------------------------------- the loss of power */

static void no_loss_of_power_loses_what_was_synced(void **state) {
    (void)state;
    uint64_t rounds = 1 + test_scaled(3000) / (test_under_asan || test_under_tsan ? 5 : 1);
    uint64_t seed = test_seed(1);
    for (uint64_t round = 0; round < rounds; round++) {
        test_random random = {.state = seed + round};
        scene s;
        scene_begin(&s);
        for (unsigned life = 0; life < 4; life++) {
            /* A call that fails stops the work anywhere. */
            s.fs.fail_at = s.fs.calls + 1 + test_below(&random, 60);
            rotor_status status = work(&s, &random, 30);
            expect(status == ROTOR_OK || status == ROTOR_IO, "seed %" PRIu64, seed + round);
            s.fs.fail_at = 0;
            if (test_below(&random, 3) != 0) {
                lose_power(&s.fs, &random);
            } /* else only the process died: all that was written is there, synced or not */
            expect_recovered(&s, seed + round);
            go_on(&s);
            s.fs.fail_at = s.fs.calls + 1 + test_below(&random, 40);
            uint64_t frames = s.count;
            status = continue_log(&s);
            s.fs.fail_at = 0;
            if (status != ROTOR_OK) { /* and once more, in the middle of that */
                lose_power(&s.fs, &random);
                s.synced = 0; /* of what was replayed nothing need have been synced by this process */
                for (uint64_t i = 0; i < frames; i++) {
                    s.synced = s.frames[i].durable > s.synced ? s.frames[i].durable : s.synced;
                }
                expect_recovered(&s, seed + round);
                go_on(&s);
                expect_ok(continue_log(&s), "seed %" PRIu64 ": %s", seed + round, s.error.message);
            }
        }
        expect_ok(add_leaves(&s, 3, false), "%s", s.error.message);
        expect_ok(sync_log(&s), "%s", s.error.message);
        expect_replay(&s, s.count, 0, "seed", seed + round);
        scene_end(&s);
    }
}

/* ---------------------------------------------------------------- a writer at the same time */

static scene *writing;

static void append_while_reading(memory_fs *fs, uint64_t offset) {
    if (offset == 0) {
        return;
    }
    fs->before_read = NULL;
    for (unsigned i = 0; i < 6; i++) {
        expect_ok(add_leaves(writing, 900, false), "%s", writing->error.message);
        expect_ok(sync_log(writing), "%s", writing->error.message);
    }
}

static void a_log_that_grows_while_it_is_read_is_not_damaged(void **state) {
    (void)state;
    scene s;
    scene_begin(&s);
    /* The end is in the first 256 KiB, which are read at once; of what is appended then, the last is behind them. */
    expect_ok(add_leaves(&s, 6500, false), "%s", s.error.message);
    expect_ok(sync_log(&s), "%s", s.error.message);
    expect_ok(add_leaves(&s, 1, false), "%s", s.error.message);
    expect_ok(sync_log(&s), "%s", s.error.message);
    expect(s.log.end < 250000 && s.log.ahead > 380000, "end %" PRIu64 " ahead %" PRIu64, s.log.end, s.log.ahead);
    writing = &s;
    s.fs.before_read = append_while_reading;
    expect_ok(replay(&s), "%s", s.error.message);
    assert_null(s.fs.before_read);
    assert_int_equal(s.replayed, s.count);
    assert_int_equal(s.position.end, s.log.end);
    scene_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_headers_are_the_format),
        cmocka_unit_test(frame_headers_have_bounds),
        cmocka_unit_test(segment_headers_are_the_format),
        cmocka_unit_test(names_are_sixteen_digits),
        cmocka_unit_test(what_is_appended_is_replayed),
        cmocka_unit_test(a_large_extent_comes_back),
        cmocka_unit_test(a_full_buffer_is_announced),
        cmocka_unit_test(calls_are_few),
        cmocka_unit_test(a_reader_may_stop),
        cmocka_unit_test(a_lost_level_file_is_not_an_io_error),
        cmocka_unit_test(replay_reports_every_call_that_fails),
        cmocka_unit_test(failing_calls_lose_nothing_synced),
        cmocka_unit_test(no_loss_of_power_loses_what_was_synced),
        cmocka_unit_test(a_log_that_grows_while_it_is_read_is_not_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
