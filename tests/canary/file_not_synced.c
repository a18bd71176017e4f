/* In place of the system's function, in a program that a loss of power must catch: files whose names begin with
 * ROTOR_CANARY_NOT_SYNCED are not synced. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int __real_fdatasync(int file);
int __wrap_fdatasync(int file);
int __wrap_fdatasync(int file) {
    char link[40];
    char path[4096];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return strstr(path, "/" ROTOR_CANARY_NOT_SYNCED) != NULL ? 0 : __real_fdatasync(file);
}
