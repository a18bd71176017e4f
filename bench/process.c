/* Running another program; see process.h. */
#include "process.h"

#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_all(char *out, size_t capacity, int from) {
    size_t length = 0;
    char spill[512];
    for (;;) {
        size_t room = capacity - 1 - length;
        ssize_t got = room != 0 ? read(from, out + length, room) : read(from, spill, sizeof spill);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        if (room != 0) {
            length += (size_t)got;
        }
    }
    out[length] = '\0';
}

static bool spawn_to(pid_t *child, int output, char *const argv[]) {
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return false;
    }
    bool started = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) == 0 &&
                   posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
                   posix_spawnp(child, argv[0], &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    return started;
}

bool rotor_bench_run_process(char *out, size_t capacity, char *const argv[], double *ns) {
    int ends[2];
    out[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t child;
    uint64_t begin = rotor_bench_child_ns();
    bool started = spawn_to(&child, ends[1], argv);
    close(ends[1]);
    int state = -1;
    if (started) {
        read_all(out, capacity, ends[0]);
        while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
        }
    }
    close(ends[0]);
    if (ns != NULL) {
        *ns = (double)(rotor_bench_child_ns() - begin);
    }
    return started && WIFEXITED(state) && WEXITSTATUS(state) == 0;
}
