/* Pauses: how long they are, and that they are forgotten. */
#include "support.h"

#include "base/pause.h"

static void expect_pause(const rotor_pause *pause, uint64_t begin, uint64_t length) {
    expect(rotor_pause_holds(pause, begin), "begun at %llu", (unsigned long long)begin);
    expect(rotor_pause_holds(pause, begin + length - 1), "shorter than %llu", (unsigned long long)length);
    expect(!rotor_pause_holds(pause, begin + length), "longer than %llu", (unsigned long long)length);
}

static void none_at_first(void **state) {
    (void)state;
    rotor_pause pause = {.end_ns = 0};
    expect(!rotor_pause_holds(&pause, 0), "at the beginning of time");
    expect(!rotor_pause_holds(&pause, 1), "a little later");
}

static void doubles_up_to_the_most(void **state) {
    (void)state;
    rotor_pause pause = {.end_ns = 0};
    uint64_t now = 1000 * (uint64_t)ROTOR_PAUSE_MOST_NS;
    uint64_t length = ROTOR_PAUSE_LEAST_NS;
    for (unsigned i = 0; i < 20; i++) {
        rotor_pause_begin(&pause, now);
        expect_pause(&pause, now, length);
        now += length + ROTOR_PAUSE_MOST_NS; /* late, but not too late */
        length = 2 * length < ROTOR_PAUSE_MOST_NS ? 2 * length : ROTOR_PAUSE_MOST_NS;
    }
    expect(length == ROTOR_PAUSE_MOST_NS, "the most was never reached");
}

static void is_forgotten(void **state) {
    (void)state;
    rotor_pause pause = {.end_ns = 0};
    uint64_t now = 1000 * (uint64_t)ROTOR_PAUSE_MOST_NS;
    rotor_pause_begin(&pause, now);
    now += ROTOR_PAUSE_LEAST_NS;
    rotor_pause_begin(&pause, now);
    expect_pause(&pause, now, 2 * ROTOR_PAUSE_LEAST_NS);
    now += 2 * ROTOR_PAUSE_LEAST_NS + ROTOR_PAUSE_MOST_NS + 1;
    rotor_pause_begin(&pause, now);
    expect_pause(&pause, now, ROTOR_PAUSE_LEAST_NS);
}

/* Sixty callers that were kept waiting by the same thing do not make sixty pauses of it. */
static void one_at_a_time(void **state) {
    (void)state;
    rotor_pause pause = {.end_ns = 0};
    uint64_t now = 1000 * (uint64_t)ROTOR_PAUSE_MOST_NS;
    for (unsigned i = 0; i < 60; i++) {
        rotor_pause_begin(&pause, now + i);
    }
    expect_pause(&pause, now, ROTOR_PAUSE_LEAST_NS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_at_first),
        cmocka_unit_test(doubles_up_to_the_most),
        cmocka_unit_test(is_forgotten),
        cmocka_unit_test(one_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
