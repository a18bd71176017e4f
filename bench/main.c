/* rotortree-bench: measures the library on this machine, in memory and on disk. Reads the arguments, prints the header,
 * runs the suites, prints the bounds. The exit status says whether results were right, never how long they took. */
#include "base/cpu.h"
#include "bench.h"
#include "folder.h"
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

typedef struct suite {
    const char *name;
    const char *purpose;
    void (*run)(rotor_bench *bench);
} suite;

static const suite suites[] = {
    {"context", "memory copies and page faults of the machine", rotor_bench_context},
    {"kernel", "hash kernels on cached data, chained compressions", rotor_bench_kernel},
    {"official", "the official BLAKE3 program in turn with the kernel", rotor_bench_official},
    {"build", "insert_many of 1M and 10M leaves against one node at a time", rotor_bench_build},
    {"batches", "insert_many in batches of 1 to 10M leaves, a root each", rotor_bench_batches},
    {"ledger-batches", "what the time of batches with a root each is made of", rotor_bench_ledger_batches},
    {"insert", "single inserts with and without root, 1k to 10M leaves", rotor_bench_insert},
    {"ledger-insert", "what the time of single inserts is made of", rotor_bench_ledger_insert},
    {"snapshot", "snapshots of 1k to 10M leaves", rotor_bench_snapshot},
    {"proofs", "proofs made, verified and moved, also at past sizes", rotor_bench_proofs},
    {"truncate", "truncation, and inserts after it", rotor_bench_truncate},
    {"memory", "memory of a tree over 32 bytes a node", rotor_bench_memory},
    {"storage-bulk", "durable trees: batches of 10M leaves and a flush, beside plain writes", rotor_bench_storage_bulk},
    {"storage-insert", "durable trees: single inserts that wait for no disk", rotor_bench_storage_insert},
    {"storage-durable", "durable trees: inserts that wait, beside plain writes", rotor_bench_storage_durable},
    {"ledger-storage", "what the time of durable inserts is made of", rotor_bench_ledger_storage},
    {"storage-open", "durable trees: opening, proofs from mapped pages", rotor_bench_storage_open},
    {"storage-growth", "durable trees: checkpoints, memory and rate against size", rotor_bench_storage_growth},
    {"storage-load", "durable trees: sustained load with checkpoints, as the tree grows", rotor_bench_storage_load},
    {"mixed", "a writer beside readers, in memory and on disk", rotor_bench_mixed},
    {"latency", "histograms of single calls", rotor_bench_latency},
};

#define SUITES (sizeof suites / sizeof suites[0])

static void usage(FILE *to) {
    fprintf(to, "usage: rotortree-bench [--json] [--quick | --full] [--cpu-clock] [--dir PATH] [--filter NAME]\n\n"
                "  --json         one JSON object a line instead of tables\n"
                "  --quick        less than two minutes; the default\n"
                "  --full         more rounds and trees of 100M leaves on disk, some a quarter of an hour\n"
                "  --cpu-clock    processor time instead of wall time where one thread works:\n"
                "                 for a machine that is busy with other things\n"
                "  --dir PATH     where durable trees are put, in a temporary folder; default: here\n"
                "  --filter NAME  only the suites whose name contains NAME\n\nsuites:\n");
    for (size_t i = 0; i < SUITES; i++) {
        fprintf(to, "  %-16s %s\n", suites[i].name, suites[i].purpose);
    }
}

/* ---------------------------------------------------------------- the header */

static void first_line(char *out, size_t capacity, const char *path) {
    snprintf(out, capacity, "unknown");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return;
    }
    if (fgets(out, (int)capacity, file) != NULL) {
        out[strcspn(out, "\n")] = '\0';
    }
    fclose(file);
}

static void cpu_name(char *out, size_t capacity) {
    snprintf(out, capacity, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (file == NULL) {
        return;
    }
    char line[512];
    while (fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(out, capacity, "%s", colon + 2);
            break;
        }
    }
    fclose(file);
}

static void commit_name(char *out, size_t capacity) {
    /* The program lies in a build folder of its own checkout. */
    char folder[4096];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    char *argv[] = {"git", "-C", folder, "describe", "--always", "--dirty", NULL};
    if (!rotor_bench_run_process(out, capacity, argv, NULL) || out[0] == '\0') {
        snprintf(out, capacity, "unknown");
    }
    out[strcspn(out, "\n")] = '\0';
}

static const char *compiler_name(void) {
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "unknown";
#endif
}

/* As the system tells it of the first processor: libc asks the processor itself, which in a virtual machine may count
 * the third level of the whole host. */
static void cache_sizes(char *out, size_t capacity) {
    size_t length = 0;
    snprintf(out, capacity, "unknown");
    for (unsigned i = 0; i < 8 && length < capacity; i++) {
        char path[96];
        char level[16];
        char type[16];
        char size[16];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/level", i);
        first_line(level, sizeof level, path);
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/type", i);
        first_line(type, sizeof type, path);
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/size", i);
        first_line(size, sizeof size, path);
        if (strcmp(type, "Data") == 0 || strcmp(type, "Unified") == 0) {
            length += (size_t)snprintf(out + length, capacity - length, "%sL%s%s %s", length == 0 ? "" : ", ", level,
                                       type[0] == 'D' ? "d" : "", size);
        }
    }
}

static void print_header(const rotor_bench *bench) {
    char cpu[256];
    char os[512];
    char commit[128];
    char huge_pages[64];
    char caches[128];
    char file_system[64];
    struct utsname name;
    cpu_name(cpu, sizeof cpu);
    commit_name(commit, sizeof commit);
    first_line(huge_pages, sizeof huge_pages, "/sys/kernel/mm/transparent_hugepage/enabled");
    cache_sizes(caches, sizeof caches);
    rotor_bench_file_system(file_system, sizeof file_system, bench->dir);
    snprintf(os, sizeof os, "unknown");
    if (uname(&name) == 0) {
        snprintf(os, sizeof os, "%s %s %s", name.sysname, name.release, name.machine);
    }
    rotor_bench_field fields[] = {
        {"cpu", cpu, 0, NULL, 0},
        {"cpus", NULL, (double)bench->cpus, NULL, 0},
        {"kernel", bench->hasher->kernel, 0, NULL, 0},
        {"lanes", NULL, (double)bench->hasher->lanes, NULL, 0},
        {"os", os, 0, NULL, 0},
        {"huge_pages", huge_pages, 0, NULL, 0},
        {"caches", caches, 0, NULL, 0},
        {"compiler", compiler_name(), 0, NULL, 0},
        {"version", rotor_version(), 0, NULL, 0},
        {"commit", commit, 0, NULL, 0},
        {"clock", rotor_bench_cpu_clock() ? "processor time where one thread works, else wall" : "wall", 0, NULL, 0},
        {"dir", bench->dir, 0, NULL, 0},
        {"file_system", file_system, 0, NULL, 0},
        {"mode", bench->full ? "full" : "quick", 0, NULL, 0},
    };
    rotor_bench_header(bench->output, fields, sizeof fields / sizeof fields[0]);
}

/* ---------------------------------------------------------------- */

/* The kernel is asked of a tree, so that what chooses it for trees chooses it here. */
static const rotor_hasher *default_hasher(void) {
    rotor_tree *tree = rotor_bench_tree(2, 1);
    const rotor_hasher *hasher = NULL;
    rotor_bench_expect_ok(rotor_hasher_find(&hasher, ROTOR_HASH_BLAKE3, rotor_kernel(tree)), "kernel");
    rotor_close(tree, NULL);
    return hasher;
}

typedef struct arguments {
    bool json;
    bool full;
    bool help;
    bool cpu_clock;
    const char *filter;
    const char *dir;
} arguments;

static bool parse(arguments *args, int argc, char **argv) {
    memset(args, 0, sizeof *args);
    args->dir = ".";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            args->json = true;
        } else if (strcmp(argv[i], "--quick") == 0) {
            args->full = false;
        } else if (strcmp(argv[i], "--full") == 0) {
            args->full = true;
        } else if (strcmp(argv[i], "--cpu-clock") == 0) {
            args->cpu_clock = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            args->help = true;
        } else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc) {
            args->dir = argv[++i];
        } else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc) {
            args->filter = argv[++i];
        } else {
            fprintf(stderr, "rotortree-bench: unknown argument '%s'\n\n", argv[i]);
            return false;
        }
    }
    bool known = args->filter == NULL;
    for (size_t i = 0; !known && i < SUITES; i++) {
        known = strstr(suites[i].name, args->filter) != NULL;
    }
    if (!known) {
        fprintf(stderr, "rotortree-bench: no suite's name contains '%s'\n\n", args->filter);
    }
    return known;
}

int main(int argc, char **argv) {
    arguments args;
    if (!parse(&args, argc, argv)) {
        usage(stderr);
        return 2;
    }
    if (args.help) {
        usage(stdout);
        return 0;
    }
    if (args.cpu_clock) {
        rotor_bench_use_cpu_clock();
    }
    rotor_bench bench = {
        .output = rotor_bench_output_new(args.json), .full = args.full, .cpus = rotor_cpu_count(), .dir = args.dir};
    if (bench.output == NULL) {
        fprintf(stderr, "rotortree-bench: no memory\n");
        return 1;
    }
    bench.hasher = default_hasher();
    print_header(&bench);
    /* Kernels look at two bytes before their input. */
    size_t bytes = (ROTOR_BENCH_LEAVES_MAX + ROTOR_BENCH_LEAVES_MORE) * sizeof(rotor_hash);
    uint8_t *memory = rotor_bench_allocate(64 + bytes);
    memset(memory, 0, 64);
    bench.leaves = (rotor_hash *)(void *)(memory + 64);
    rotor_bench_fill(bench.leaves, bytes, 1);
    for (size_t i = 0; i < SUITES; i++) {
        if (args.filter == NULL || strstr(suites[i].name, args.filter) != NULL) {
            suites[i].run(&bench);
        }
    }
    rotor_bench_bounds(bench.output);
    free(memory);
    rotor_bench_output_free(bench.output);
    return 0;
}
