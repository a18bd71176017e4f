/* Endless crashes: draws one case after another (tests/crash_harness.h), and ends with the words that repeat the first
 * one that goes wrong. Knows no case of its own. */
#include "crash_harness.h"

#include <time.h>

#define CRASHES_PER_WORKLOAD 6
#define VARIATIONS_PER_CRASH 4
#define VARIATIONS 64
#define MOST_AGAIN 50 /* calls of most recoveries */

typedef struct torture {
    crash_case plan;
    uint64_t minutes;
    bool one_case;
    uint64_t crashes;
    uint64_t workloads;
    uint64_t calls;
} torture;

static int usage(FILE *out, int status) {
    fprintf(
        out,
        "usage: torture [--seed N] [--minutes M]\n"
        "       torture --seed N --crash K [--variation V] [--again A] [--steps S] [--large]\n"
        "               [--sync-fails | --disk-fills]\n"
        "               [--leave-out N]\n"
        "Lets durable trees die and come back on a simulated file system, for M minutes (1) of seeds from N\n"
        "(of the clock) on. With --crash it repeats one case and tells what happens: a workload of S steps dies at\n"
        "its call number K, and its recovery at call number A. --leave-out makes one kind of sync do nothing:\n"
        "1 log, 2 level files, 3 superblock, 4 directory, 5 parent directory.\n"
        "Exit status: 0 when nothing went wrong, 1 when something did, 2 for wrong arguments.\n");
    return status;
}

static bool judge(torture *t, crash_run *run, bool fine) {
    char words[200];
    t->crashes += run->crashes;
    if (!fine) {
        printf("VIOLATION: %s\nrepeat it with: torture %s\n", run->violation, crash_words(run, words));
    }
    return fine;
}

static int repeat(torture *t) {
    crash_run run;
    crash_start(&run, &t->plan);
    bool fine = judge(t, &run, crash_variation(&run, t->plan.variation, t->plan.again));
    crash_end(&run);
    printf("%s\n", fine ? "nothing went wrong" : "the tree is wrong");
    return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* One workload, that dies at some of its calls. */
static bool torture_seed(torture *t, uint64_t seed) {
    test_random random = {seed};
    crash_run run;
    crash_case plan = t->plan;
    plan.seed = seed;
    plan.crash = 0;
    plan.large = plan.large || test_below(&random, 200) == 0;
    crash_start(&run, &plan);
    uint64_t calls = run.calls;
    bool fine = judge(t, &run, !run.violated);
    crash_end(&run);
    for (int i = 0; i < CRASHES_PER_WORKLOAD && fine; i++) {
        plan.crash = 1 + test_below(&random, calls + 1);
        if (!crash_ends_in_good_order(&t->plan)) {
            uint64_t way = test_below(&random, 4);
            plan.sync_fails = way == 0;
            plan.disk_fills = way == 1;
        }
        crash_start(&run, &plan);
        for (int v = 0; v < VARIATIONS_PER_CRASH && fine; v++) {
            crash_run copy = crash_copy(&run);
            uint64_t again = test_below(&random, 2) == 0 ? 0 : 1 + test_below(&random, MOST_AGAIN);
            fine = judge(t, &copy, crash_variation(&copy, (uint32_t)test_below(&random, VARIATIONS), again));
            crash_end(&copy);
        }
        crash_end(&run);
    }
    t->workloads++;
    t->calls += calls;
    return fine;
}

static int torture_on(torture *t) {
    time_t begin = time(NULL);
    time_t told = begin;
    uint64_t seed = t->plan.seed;
    for (;; seed++) {
        if (!torture_seed(t, seed)) {
            return EXIT_FAILURE;
        }
        time_t now = time(NULL);
        bool ends = (uint64_t)(now - begin) >= t->minutes * 60;
        if (ends || now - told >= 10) {
            printf("%" PRIu64 " crashes of %" PRIu64 " workloads (%" PRIu64 " calls), seeds %" PRIu64 " to %" PRIu64
                   ", %ld s\n",
                   t->crashes, t->workloads, t->calls, t->plan.seed, seed, (long)(now - begin));
            (void)fflush(stdout);
            told = now;
        }
        if (ends) {
            return EXIT_SUCCESS;
        }
    }
}

static bool number(const char *text, uint64_t *value) {
    char *end = NULL;
    errno = 0;
    *value = text != NULL ? strtoull(text, &end, 10) : 0;
    return text != NULL && *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

int main(int argc, char **argv) {
    torture t = {.minutes = 1, .plan = {.seed = (uint64_t)time(NULL)}};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        uint64_t value = 0;
        if (strcmp(word, "--help") == 0) {
            return usage(stdout, EXIT_SUCCESS);
        }
        if (strcmp(word, "--large") == 0) {
            t.plan.large = true;
            continue;
        }
        if (strcmp(word, "--sync-fails") == 0) {
            t.plan.sync_fails = true;
            continue;
        }
        if (strcmp(word, "--disk-fills") == 0) {
            t.plan.disk_fills = true;
            continue;
        }
        if (!number(argv[i + 1], &value)) {
            return usage(stderr, 2);
        }
        i++;
        if (strcmp(word, "--seed") == 0) {
            t.plan.seed = value;
        } else if (strcmp(word, "--minutes") == 0) {
            t.minutes = value;
        } else if (strcmp(word, "--crash") == 0) {
            t.plan.crash = value;
            t.one_case = true;
        } else if (strcmp(word, "--variation") == 0) {
            t.plan.variation = (uint32_t)value;
        } else if (strcmp(word, "--again") == 0) {
            t.plan.again = value;
        } else if (strcmp(word, "--steps") == 0) {
            t.plan.steps = (uint32_t)value;
        } else if (strcmp(word, "--leave-out") == 0 && value <= SIM_LEAVE_OUT_PARENT) {
            t.plan.left_out = (sim_left_out)value;
        } else {
            return usage(stderr, 2);
        }
    }
    t.plan.tell = t.one_case;
    return t.one_case ? repeat(&t) : torture_on(&t);
}
