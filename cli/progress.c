/* A bar on standard error, see progress.h. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FIRST_AFTER 0.5
#define EVERY 0.1
#define WIDEST_BAR 40
/* Left free for the text and the bar's brackets, so that the bar keeps its width. */
#define TEXT_COLUMNS 50

double rotor_cli_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void rotor_cli_progress_start(progress *bar, uint64_t total) {
    const char *terminal = getenv("TERM");
    memset(bar, 0, sizeof *bar);
    bar->enabled = isatty(STDERR_FILENO) == 1 && terminal != NULL && strcmp(terminal, "dumb") != 0;
    bar->total = total;
    bar->started = rotor_cli_seconds();
    bar->next = bar->started + FIRST_AFTER;
}

static int columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void draw_bar(int width, double part) {
    int filled = (int)(part * width);
    fputc('[', stderr);
    for (int i = 0; i < width; i++) {
        fputc(i < filled ? '#' : '.', stderr);
    }
    fputs("] ", stderr);
}

void rotor_cli_progress_update(progress *bar, uint64_t leaves, uint64_t done) {
    if (!bar->enabled) {
        return;
    }
    double now = rotor_cli_seconds();
    if (now < bar->next) {
        return;
    }
    bar->next = now + EVERY;
    bar->shown = true;
    double elapsed = now - bar->started;
    char text[120];
    int length =
        snprintf(text, sizeof text, "%.1fM leaves, %.1fM/s", (double)leaves * 1e-6, (double)leaves / elapsed * 1e-6);
    fputs("\r\033[K", stderr);
    if (bar->total > 0 && done > 0) {
        double part = done >= bar->total ? 1.0 : (double)done / (double)bar->total;
        unsigned long left = (unsigned long)(elapsed / part * (1.0 - part) + 0.5);
        snprintf(text + length, sizeof text - (size_t)length, ", %.0f %%, %lu:%02lu left", part * 100, left / 60,
                 left % 60);
        int room = columns() - TEXT_COLUMNS;
        if (room >= 4) {
            draw_bar(room < WIDEST_BAR ? room : WIDEST_BAR, part);
        }
    }
    /* A line that wraps could not be removed again. */
    fprintf(stderr, "%.*s", columns() - 1, text);
    fflush(stderr);
}

void rotor_cli_progress_end(progress *bar) {
    if (bar->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        bar->shown = false;
    }
}
