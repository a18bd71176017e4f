/* What replay makes of a log that is damaged, cut, torn, or in the middle of being written. A model that knows which
 * frame was synced when says for each what has to come out. */
#include "log_scene.h"

/* ---------------------------------------------------------------- damage, by the model */

static void expect_bad_frame(scene *s, uint64_t bad, const char *what, uint64_t which) {
    if (was_durable(s, bad)) {
        expect_status(replay(s), ROTOR_DAMAGED, "%s %" PRIu64, what, which);
        char words[64];
        (void)snprintf(words, sizeof words, "frame %" PRIu64 " at byte %" PRIu64, s->superblock.log_sequence + bad,
                       s->frames[bad].begin);
        expect(strstr(s->error.message, words) != NULL, "%s %" PRIu64 ": '%s'", what, which, s->error.message);
        return;
    }
    memory_file *file = segment_file(s, s->frames[bad].segment);
    uint64_t end = nonzero_end(file);
    uint64_t torn = end > s->frames[bad].begin ? end - s->frames[bad].begin : 0;
    expect_replay(s, bad, torn, what, which);
}

static void every_flip(bool frames_behind, uint64_t log_end) {
    scene s;
    small_log(&s, frames_behind);
    s.superblock.log_end = log_end;
    uint64_t stride = scene_stride();
    for (uint64_t segment = 3; segment <= 4; segment++) {
        memory_file *file = segment_file(&s, segment);
        uint64_t used = 64;
        for (uint64_t i = 0; i < s.count; i++) {
            used = s.frames[i].segment == segment ? s.frames[i].end : used;
        }
        for (uint64_t byte = 0; byte < used + 70; byte += stride) {
            uint8_t mask = (uint8_t)(byte % 9 == 8 ? 0xffu : 1u << (byte % 9));
            file->bytes[byte] ^= mask;
            uint64_t bad = 0;
            while (bad < s.count && (s.frames[bad].segment != segment || s.frames[bad].end <= byte)) {
                bad++;
            }
            if (byte < 64) {
                expect_status(replay(&s), ROTOR_DAMAGED, "byte %" PRIu64 " of segment %" PRIu64, byte, segment);
            } else if (bad < s.count) {
                expect_bad_frame(&s, bad, "flipped byte", byte);
            } else {
                expect_replay(&s, s.count, segment == 3 ? 0 : byte + 1 - used, "flipped byte behind", byte);
            }
            file->bytes[byte] ^= mask;
        }
    }
    memory_file *leaves = find_file(&s.fs, SCENE_LEVEL0);
    assert_non_null(leaves);
    for (uint64_t byte = 0; byte < leaves->size; byte += stride) {
        uint64_t bad = 0;
        leaves->bytes[byte] ^= (uint8_t)(1u << (byte % 8));
        while (bad < s.count && (s.frames[bad].kind != ROTOR_FRAME_EXTENT || byte / 32 < s.frames[bad].first ||
                                 byte / 32 >= s.frames[bad].first + s.frames[bad].count)) {
            bad++;
        }
        if (bad < s.count) {
            expect_bad_frame(&s, bad, "flipped byte of level 0", byte);
        } else {
            expect_replay(&s, s.count, 0, "flipped byte of level 0 that no frame names", byte);
        }
        leaves->bytes[byte] ^= (uint8_t)(1u << (byte % 8));
    }
    expect_replay(&s, s.count, 0, "untouched", 0);
    scene_end(&s);
}

static void every_flipped_byte_is_told_or_behind_the_last_sync(void **state) {
    (void)state;
    every_flip(true, 0);
    every_flip(false, 0);
    every_flip(true, 41 + 11); /* all frames but the last are known to be durable */
    every_flip(false, 41 + 5);
}

/* Segments of which nothing is left from some byte on: as zeros, since a file that is shorter than a segment can be is
 * damaged whatever it holds. */
static void every_length(bool frames_behind, uint64_t log_end) {
    scene s;
    small_log(&s, frames_behind);
    s.superblock.log_end = log_end;
    for (uint64_t segment = 3; segment <= 4; segment++) {
        memory_file *file = segment_file(&s, segment);
        size_t whole = file->size;
        uint8_t *untouched = copy_of(file->bytes, whole);
        uint64_t used = 64;
        for (uint64_t i = 0; i < s.count; i++) {
            used = s.frames[i].segment == segment ? s.frames[i].end : used;
        }
        for (uint64_t length = 0; length < used + 70; length += scene_stride()) {
            file->size = (size_t)length;
            expect_status(replay(&s), ROTOR_DAMAGED, "%" PRIu64 " bytes of segment %" PRIu64, length, segment);
            file->size = whole;
            memset(file->bytes + length, 0, whole - length);
            uint64_t bad = 0;
            while (bad < s.count && (s.frames[bad].segment != segment || s.frames[bad].end <= length)) {
                bad++;
            }
            /* What is cut off shows nothing any more: only the next segment and the superblock do. */
            uint64_t count = s.count;
            uint64_t sequence = s.superblock.log_sequence + bad;
            s.count = segment == 4 || !frames_behind ? bad : count;
            if (length < 64) {
                s.count = count;
                expect_status(replay(&s), ROTOR_DAMAGED, "length %" PRIu64 " of segment %" PRIu64, length, segment);
            } else if (bad == count) {
                expect_replay(&s, bad, 0, "length", length);
            } else if (s.count > bad || s.superblock.log_end > sequence) {
                expect_status(replay(&s), ROTOR_DAMAGED, "length %" PRIu64 " of segment %" PRIu64, length, segment);
            } else {
                uint64_t end = nonzero_end(file);
                uint64_t begin = s.frames[bad].begin;
                expect_replay(&s, bad, end > begin ? end - begin : 0, "length", length);
            }
            s.count = count;
            memcpy(file->bytes, untouched, whole);
        }
        free(untouched);
    }
    scene_end(&s);
}

static void every_length_is_told_or_behind_the_last_sync(void **state) {
    (void)state;
    every_length(true, 0);
    every_length(false, 0);
    every_length(true, 41 + 11);
    every_length(false, 41 + 9);
}

static void zero_tails_of_every_length_are_the_same_log(void **state) {
    (void)state;
    scene s;
    small_log(&s, true);
    memory_file *file = segment_file(&s, 4);
    uint8_t *longer = calloc(1, ROTOR_LOG_LEAST_BYTES + 300);
    assert_non_null(longer);
    memcpy(longer, file->bytes, file->size);
    free(file->bytes);
    file->bytes = longer;
    file->capacity = ROTOR_LOG_LEAST_BYTES + 300;
    for (size_t size = ROTOR_LOG_LEAST_BYTES; size <= file->capacity; size++) {
        file->size = size;
        expect_replay(&s, s.count, 0, "a length of", size);
    }
    file->size = ROTOR_LOG_LEAST_BYTES - 1;
    expect_status(replay(&s), ROTOR_DAMAGED, "shorter than any");
    scene_end(&s);
}

static void log_end_above_the_frames_is_damage(void **state) {
    (void)state;
    scene s;
    small_log(&s, true);
    for (uint64_t end = 0; end <= 41 + s.count; end++) {
        s.superblock.log_end = end;
        expect_replay(&s, s.count, 0, "log end", end);
    }
    s.superblock.log_end = 41 + s.count + 1;
    expect_status(replay(&s), ROTOR_DAMAGED, "log end");
    assert_non_null(strstr(s.error.message, "were durable"));
    scene_end(&s);
}

static void segments_that_are_missing_or_of_another_log_are_damage(void **state) {
    (void)state;
    for (unsigned which = 0; which < 7; which++) {
        scene s;
        small_log(&s, true);
        memory_file *first = segment_file(&s, 3);
        memory_file *second = segment_file(&s, 4);
        rotor_segment_header header = {.segment = 4, .sequence = s.superblock.log_sequence + s.count - 3, .size = 14};
        memcpy(header.tree_id, s.superblock.tree_id, sizeof header.tree_id);
        switch (which) {
        case 0:
            remove_file(&s.fs, first->name);
            break;
        case 1:
            remove_file(&s.fs, second->name);
            break;
        case 2:
            s.superblock.log_sequence++;
            break;
        case 3:
            s.superblock.size++;
            break;
        case 4:
            s.superblock.tree_id[5] ^= 1;
            break;
        case 5: /* swapped */
            second->name[19] = '3';
            first->name[19] = '4';
            break;
        default:
            header.sequence++;
            rotor_segment_header_encode(&header, second->bytes);
            break;
        }
        s.replayed = 0;
        expect_status(replay(&s), ROTOR_DAMAGED, "case %u", which);
        scene_end(&s);
    }
}

/* ---------------------------------------------------------------- the end of a log */

static void a_torn_commit_is_cut_and_a_durable_one_is_not(void **state) {
    (void)state;
    for (unsigned later = 0; later < 2; later++) {
        scene s;
        scene_begin(&s);
        expect_ok(add_leaves(&s, 2, false), "%s", s.error.message);
        expect_ok(sync_log(&s), "%s", s.error.message);
        expect_ok(add_leaves(&s, 2, false), "%s", s.error.message);
        expect_ok(add_leaves(&s, 2, false), "%s", s.error.message);
        expect_ok(sync_log(&s), "%s", s.error.message);
        if (later != 0) {
            expect_ok(add_leaves(&s, 1, false), "%s", s.error.message);
            expect_ok(sync_log(&s), "%s", s.error.message);
        }
        segment_file(&s, 3)->bytes[s.frames[1].begin + 100] ^= 1;
        if (later == 0) {
            expect_replay(&s, 1, s.frames[2].end - s.frames[1].begin, "a torn commit", 0);
        } else {
            expect_status(replay(&s), ROTOR_DAMAGED, "a durable commit");
            expect(strstr(s.error.message, "log-0000000000000003: frame 42 at byte 192 is damaged") != NULL &&
                       strstr(s.error.message, "although frame 44") != NULL,
                   "'%s'", s.error.message);
        }
        scene_end(&s);
    }
}

static void an_empty_segment_must_begin_where_the_log_is(void **state) {
    (void)state;
    for (unsigned which = 0; which < 5; which++) {
        scene s;
        scene_begin(&s);
        expect_ok(add_leaves(&s, 7, false), "%s", s.error.message);
        expect_ok(rotate(&s), "%s", s.error.message);
        rotor_segment_header header = {.segment = 4, .sequence = 43, .size = 7};
        memcpy(header.tree_id, s.superblock.tree_id, sizeof header.tree_id);
        header.sequence += which == 1;
        header.size += which == 2;
        rotor_segment_header_encode(&header, segment_file(&s, 4)->bytes);
        if (which == 0) {
            expect_replay(&s, 2, 0, "as it was", which);
        }
        if (which >= 3) { /* the superblock names it */
            s.superblock.log_segment = 4;
            s.superblock.log_sequence = which == 3 ? 43 : 42;
            s.superblock.size = which == 3 ? 6 : 7;
        }
        if (which != 0) {
            expect_status(replay(&s), ROTOR_DAMAGED, "case %u", which);
            expect(strstr(s.error.message, "log-0000000000000004 begins with frame") != NULL, "'%s'", s.error.message);
        }
        scene_end(&s);
    }
}

static void a_single_witness_is_found_at_any_step(void **state) {
    (void)state;
    for (uint64_t leaves = 1; leaves <= 5; leaves++) {
        scene s;
        scene_begin(&s);
        expect_ok(add_leaves(&s, leaves, false), "%s", s.error.message);
        expect_ok(sync_log(&s), "%s", s.error.message);
        expect_ok(add_leaves(&s, 1, false), "%s", s.error.message);
        expect_ok(sync_log(&s), "%s", s.error.message);
        segment_file(&s, 3)->bytes[s.frames[0].begin] ^= 1;
        expect_status(replay(&s), ROTOR_DAMAGED, "%" PRIu64 " leaves", leaves);
        expect(strstr(s.error.message, "frame 41 at byte 64 is damaged") != NULL, "'%s'", s.error.message);
        scene_end(&s);
    }
}

static void leftovers_of_a_torn_commit_never_come_back(void **state) {
    (void)state;
    scene s;
    scene_begin(&s);
    expect_ok(add_leaves(&s, 1, false), "%s", s.error.message);
    expect_ok(sync_log(&s), "%s", s.error.message);
    for (unsigned i = 0; i < 6; i++) {
        expect_ok(add_leaves(&s, 1, false), "%s", s.error.message);
    }
    expect_ok(sync_log(&s), "%s", s.error.message);
    /* Frame 1 is lost; those behind it are whole, and would be next in sequence again. */
    memset(segment_file(&s, 3)->bytes + s.frames[1].begin, 0, 96);
    go_on(&s);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.position.torn_bytes, 6 * 96);
    expect_ok(continue_log(&s), "%s", s.error.message);
    assert_int_equal(s.log.segment, 4);
    expect_replay(&s, 2, 0, "an empty segment", 0);
    for (unsigned i = 0; i < 3; i++) {
        expect_ok(add_leaves(&s, 2, false), "%s", s.error.message);
        expect_ok(sync_log(&s), "%s", s.error.message);
        expect_replay(&s, s.count, 0, "gone on", i);
    }
    /* The frame that ends the torn segment matters as soon as there are others behind it. */
    segment_file(&s, 3)->bytes[s.frames[1].begin] ^= 1;
    expect_status(replay(&s), ROTOR_DAMAGED, "the end frame");
    scene_end(&s);
}

static void remains_of_a_rotation(void **state) {
    (void)state;
    for (unsigned which = 0; which < 6; which++) {
        scene s;
        small_log(&s, which == 4);
        memory_file *first = segment_file(&s, 3);
        memory_file *second = segment_file(&s, 4);
        uint64_t last = s.count - 1;
        while (s.frames[last].kind != ROTOR_FRAME_END) {
            last--;
        }
        if (which < 5) {
            memset(first->bytes + s.frames[last].begin, 0, 64); /* the end frame was not written */
        }
        second->size = which == 1 ? 0 : which == 2 ? 40 : second->size;
        if (which == 3) {
            put_bytes(&second->bytes, &second->size, &second->capacity, "remains", 7, 100000);
        }
        if (which >= 3) {
            second->bytes[10] ^= 1;
        }
        if (which < 4) {
            expect_replay(&s, last, 0, "remains", which);
            go_on(&s);
            expect_ok(continue_log(&s), "%s", s.error.message);
            expect_ok(add_leaves(&s, 1, false), "%s", s.error.message);
            expect_ok(rotate(&s), "%s", s.error.message);
            expect_replay(&s, s.count, 0, "an empty segment after remains", which);
            expect(second->size == s.log.ahead, "%zu bytes, not %" PRIu64, second->size, s.log.ahead);
            expect_ok(add_leaves(&s, 1, false), "%s", s.error.message);
            expect_ok(sync_log(&s), "%s", s.error.message);
            expect_replay(&s, s.count, 0, "gone on after remains", which);
        } else {
            /* There are frames behind, or a durable end frame names the segment. */
            expect_status(replay(&s), ROTOR_DAMAGED, "case %u", which);
        }
        scene_end(&s);
    }
}

static rotor_status take_forged(void *context, uint64_t first, const uint8_t *leaves, uint64_t count,
                                bool in_level_files, rotor_error *error) {
    uint8_t *taken = context;
    (void)error;
    expect(!in_level_files && first + count <= 43, "%" PRIu64 " leaves at %" PRIu64, count, first);
    memcpy(taken + 32 * first, leaves, (size_t)count * 32);
    return ROTOR_OK;
}

static void leaves_that_look_like_frames_are_leaves(void **state) {
    (void)state;
    scene s;
    scene_begin(&s);
    uint8_t leaves[43 * 32];
    uint8_t taken[43 * 32] = {0};
    rotor_frame forged = {.kind = ROTOR_FRAME_TRUNCATE, .durable = 1000, .segment = 3};
    fill_leaves(leaves, 0, 43, 3);
    for (unsigned i = 0; i < 20; i++) {
        forged.sequence = 41 + i;
        rotor_frame_encode(&forged, s.superblock.tree_id, leaves + 64 * i);
    }
    expect_ok(rotor_log_leaves(&s.log, leaves, 40, &s.error), "%s", s.error.message);
    expect_ok(rotor_log_sync(&s.log, &s.error), "%s", s.error.message);
    expect_ok(rotor_log_leaves(&s.log, leaves + 40 * 32, 3, &s.error), "%s", s.error.message);
    expect_ok(rotor_log_sync(&s.log, &s.error), "%s", s.error.message);
    rotor_log_reader reader = {.context = taken, .leaves = take_forged, .truncate = NULL};
    expect_ok(rotor_log_replay(&s.position, &s.directory, &s.superblock, &reader, &s.error), "%s", s.error.message);
    assert_memory_equal(taken, leaves, sizeof leaves);
    assert_int_equal(s.position.sequence, 43);
    assert_int_equal(s.position.torn_bytes, 0);
    scene_end(&s);
}

/* A frame whose header is right and which still does not follow from what is before it. */
static void frames_that_do_not_go_on_are_not_valid(void **state) {
    (void)state;
    const rotor_frame wrong[] = {
        {.kind = ROTOR_FRAME_END, .sequence = 43, .first = 3},
        {.kind = ROTOR_FRAME_END, .sequence = 43, .first = 5},
        {.kind = ROTOR_FRAME_TRUNCATE, .sequence = 43, .first = 5},
        {.kind = ROTOR_FRAME_TRUNCATE, .sequence = 42, .first = 1},
        {.kind = ROTOR_FRAME_TRUNCATE, .sequence = 44, .first = 1},
        {.kind = ROTOR_FRAME_EXTENT, .sequence = 43, .first = 3, .count = 1},
        {.kind = ROTOR_FRAME_EXTENT, .sequence = 43, .first = 4, .count = 1}, /* of no file */
        {.kind = ROTOR_FRAME_LEAVES, .sequence = 43, .first = 4, .count = 1}, /* with zeros for leaves */
        {.kind = ROTOR_FRAME_LEAVES, .sequence = 43, .first = 4, .count = 32768},
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        scene s;
        scene_begin(&s);
        expect_ok(add_leaves(&s, 2, false), "%s", s.error.message);
        expect_ok(add_leaves(&s, 2, false), "%s", s.error.message);
        expect_ok(sync_log(&s), "%s", s.error.message);
        rotor_frame frame = wrong[i];
        frame.segment = 3;
        uint8_t *place = segment_file(&s, 3)->bytes + s.log.end;
        rotor_frame_encode(&frame, s.superblock.tree_id, place);
        expect_replay(&s, 2, 64, "wrong frame", i);
        frame.durable = 44; /* one more than this one says it is */
        rotor_frame_encode(&frame, s.superblock.tree_id, place);
        expect_status(replay(&s), ROTOR_DAMAGED, "wrong frame %u that knows more to be durable", i);
        scene_end(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_byte_is_told_or_behind_the_last_sync),
        cmocka_unit_test(every_length_is_told_or_behind_the_last_sync),
        cmocka_unit_test(zero_tails_of_every_length_are_the_same_log),
        cmocka_unit_test(log_end_above_the_frames_is_damage),
        cmocka_unit_test(segments_that_are_missing_or_of_another_log_are_damage),
        cmocka_unit_test(a_torn_commit_is_cut_and_a_durable_one_is_not),
        cmocka_unit_test(an_empty_segment_must_begin_where_the_log_is),
        cmocka_unit_test(a_single_witness_is_found_at_any_step),
        cmocka_unit_test(leftovers_of_a_torn_commit_never_come_back),
        cmocka_unit_test(remains_of_a_rotation),
        cmocka_unit_test(leaves_that_look_like_frames_are_leaves),
        cmocka_unit_test(frames_that_do_not_go_on_are_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
