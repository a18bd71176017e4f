/* Counts of the processor and the system; see counters.h. */
#include "counters.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

const char *const rotor_bench_event_names[ROTOR_BENCH_EVENTS] = {"cycles", "instructions", "branch_misses"};

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static int open_event(uint32_t type, uint64_t config) {
    struct perf_event_attr event;
    memset(&event, 0, sizeof event);
    event.size = sizeof event;
    event.type = type;
    event.config = config;
    event.disabled = 1;
    event.exclude_kernel = 1;
    event.exclude_hv = 1;
    event.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    return (int)syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

rotor_bench_counters rotor_bench_counters_open(void) {
    return (rotor_bench_counters){{open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES),
                                   open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS),
                                   open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES)}};
}

void rotor_bench_counters_start(const rotor_bench_counters *counters) {
    for (unsigned i = 0; i < ROTOR_BENCH_EVENTS; i++) {
        if (counters->files[i] >= 0) {
            (void)ioctl(counters->files[i], PERF_EVENT_IOC_RESET, 0);
            (void)ioctl(counters->files[i], PERF_EVENT_IOC_ENABLE, 0);
        }
    }
}

/* An event that had to share its counter with others was counted for a part of the time only. */
static double read_event(int file) {
    uint64_t values[3]; /* count, time enabled, time counted; the times are those since the event was opened */
    if (file < 0 || ioctl(file, PERF_EVENT_IOC_DISABLE, 0) != 0 ||
        read(file, values, sizeof values) != (ssize_t)sizeof values || values[2] == 0 || values[2] != values[1]) {
        return (double)NAN;
    }
    return (double)values[0];
}
#else
rotor_bench_counters rotor_bench_counters_open(void) {
    rotor_bench_counters none;
    memset(&none, 0xff, sizeof none);
    return none;
}

void rotor_bench_counters_start(const rotor_bench_counters *counters) {
    (void)counters;
}

static double read_event(int file) {
    (void)file;
    return (double)NAN;
}
#endif

void rotor_bench_counters_stop(const rotor_bench_counters *counters, double counts[ROTOR_BENCH_EVENTS]) {
    for (unsigned i = 0; i < ROTOR_BENCH_EVENTS; i++) {
        counts[i] = read_event(counters->files[i]);
    }
}

void rotor_bench_counters_close(rotor_bench_counters *counters) {
    for (unsigned i = 0; i < ROTOR_BENCH_EVENTS; i++) {
        if (counters->files[i] >= 0) {
            (void)close(counters->files[i]);
            counters->files[i] = -1;
        }
    }
}

/* ---------------------------------------------------------------- the system's */

static double timeval_ns(struct timeval time) {
    return (double)time.tv_sec * 1e9 + (double)time.tv_usec * 1e3;
}

rotor_bench_usage rotor_bench_usage_now(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        double none = (double)NAN;
        return (rotor_bench_usage){none, none, none, none, none, none};
    }
    return (rotor_bench_usage){timeval_ns(usage.ru_utime), timeval_ns(usage.ru_stime), (double)usage.ru_minflt,
                               (double)usage.ru_majflt,    (double)usage.ru_nvcsw,     (double)usage.ru_nivcsw};
}

rotor_bench_usage rotor_bench_usage_since(const rotor_bench_usage *start) {
    rotor_bench_usage now = rotor_bench_usage_now();
    return (rotor_bench_usage){now.user_ns - start->user_ns,
                               now.system_ns - start->system_ns,
                               now.minor_faults - start->minor_faults,
                               now.major_faults - start->major_faults,
                               now.waits - start->waits,
                               now.preemptions - start->preemptions};
}
