/* Folders for tests to write to, which are gone when the process is, however it ends: at its end, by a failed
 * assertion, by a signal that can be caught, by the report of a sanitizer. Whoever makes one may remove it before.
 * Knows nothing of what is in them. */
#ifndef ROTOR_TESTS_SCRATCH_H
#define ROTOR_TESTS_SCRATCH_H

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __has_include
#if __has_include(<sanitizer/common_interface_defs.h>)
#include <sanitizer/common_interface_defs.h>
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SCRATCH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SCRATCH_SANITIZED 1
#endif
#endif

#define SCRATCH_BASES 2
#define SCRATCH_ROOT 256

/* All folders of a process lie in one, so that nobody has to know which of them are still there. */
static struct {
    char root[SCRATCH_ROOT];
    size_t base_length;
} scratch[SCRATCH_BASES];
static pid_t scratch_owner; /* not its children, which have inherited what is here */

/* By another program: this one may be inside of malloc(), and may have made its own calls on files fail. */
static inline void scratch_remove_tree(char *path) {
    static char rm[] = "rm";
    static char force[] = "-rf";
    char *arguments[] = {rm, force, path, NULL};
    char *environment[] = {NULL};
    pid_t child;
    /* glibc's takes neither locks nor memory that the process may hold. */
    // NOLINTNEXTLINE(bugprone-signal-handler)
    if (posix_spawnp(&child, rm, NULL, NULL, arguments, environment) == 0) {
        (void)waitpid(child, NULL, 0);
    }
}

/* Calls only what a signal handler may call. */
static inline void scratch_remove(void) {
    for (size_t i = 0; i < SCRATCH_BASES && scratch_owner == getpid(); i++) {
        if (scratch[i].root[0] != '\0' && rmdir(scratch[i].root) != 0 && access(scratch[i].root, F_OK) == 0) {
            scratch_remove_tree(scratch[i].root);
        }
    }
}

static inline void scratch_end_by_signal(int number) {
    scratch_remove();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static inline void scratch_begin(void) {
    static const int signals[] = {SIGABRT, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};
    if (scratch_owner != 0) {
        return;
    }
    scratch_owner = getpid();
    (void)atexit(scratch_remove);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        (void)signal(signals[i], scratch_end_by_signal);
    }
#ifdef SCRATCH_SANITIZED
    __sanitizer_set_death_callback(scratch_remove);
#endif
}

/* Makes a folder below `base`; NULL: where TMPDIR says, or not on a disk where that can be helped. */
static inline void scratch_make(char *path, size_t path_size, const char *base) {
    size_t i = 0;
    if (base == NULL) {
        base = getenv("TMPDIR");
        if (base == NULL || *base == '\0' || strlen(base) > 200) {
            base = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
        }
    }
    scratch_begin();
    size_t length = strlen(base);
    while (i < SCRATCH_BASES && scratch[i].root[0] != '\0' &&
           (scratch[i].base_length != length || memcmp(scratch[i].root, base, length) != 0)) {
        i++;
    }
    if (i < SCRATCH_BASES && scratch[i].root[0] == '\0') {
        scratch[i].base_length = length;
        (void)snprintf(scratch[i].root, SCRATCH_ROOT, "%s/rotor-tests-XXXXXX", base);
        if (mkdtemp(scratch[i].root) == NULL) {
            scratch[i].root[0] = '\0';
        }
    }
    int written = i < SCRATCH_BASES ? snprintf(path, path_size, "%s/XXXXXX", scratch[i].root) : -1;
    if (written < 0 || (size_t)written >= path_size || mkdtemp(path) == NULL) {
        (void)fprintf(stderr, "no temporary folder in %s: %s\n", base, strerror(errno));
        exit(EXIT_FAILURE);
    }
}

#endif
