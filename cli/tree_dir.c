/* Tree directories, see tree_dir.h. */
#include "tree_dir.h"

#include "command.h"
#include "report.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void rotor_cli_tree_options(rotor_options *options, const command_line *line, rotor_open_mode mode) {
    rotor_options_init(options, line->arity, line->max_depth);
    options->mode = (uint32_t)mode;
    options->threads = line->threads;
    options->kernel = line->kernel;
    /* What is printed is handed on, far from the tree: nobody there could tell damage from a forgery. */
    options->verify_proofs = 1;
}

bool rotor_cli_tree_is_directory(const char *path) {
    struct stat status;
    bool other = stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
    if (other) {
        rotor_cli_error("%s: is no directory, and a tree is kept in one", path);
    }
    return !other;
}

/* Whether an import to the directory was ended before the tree was there. */
static bool holds_unfinished_import(const char *path) {
    char inside[PATH_MAX];
    int length = snprintf(inside, sizeof inside, "%s/import.unfinished/superblock.unfinished", path);
    return length > 0 && (size_t)length < sizeof inside && access(inside, F_OK) == 0;
}

bool rotor_cli_tree_open(rotor_tree **tree, const char *path, const rotor_options *options) {
    rotor_error error;
    if (!rotor_cli_tree_is_directory(path)) {
        return false;
    }
    rotor_status result = rotor_open(tree, path, options, &error);
    if (result == ROTOR_OK) {
        return true;
    }
    if ((result == ROTOR_NOT_FOUND || result == ROTOR_DAMAGED) && holds_unfinished_import(path)) {
        rotor_cli_error("%s holds no tree but an unfinished import; 'rotortree import' starts it over", path);
    } else if (result == ROTOR_DAMAGED) {
        rotor_cli_error("%s; see 'rotortree check %s'", error.message, path);
    } else {
        rotor_cli_error("%s%s", error.message, result == ROTOR_NOT_FOUND ? "; 'rotortree init' makes one" : "");
    }
    return false;
}

bool rotor_cli_tree_open_as(rotor_tree **tree, const char *path, const command_line *line, rotor_open_mode mode) {
    rotor_options options;
    rotor_cli_tree_options(&options, line, mode);
    return rotor_cli_tree_open(tree, path, &options);
}

int rotor_cli_tree_close(rotor_tree *tree, const char *path, int code) {
    rotor_error error;
    if (rotor_close(tree, &error) != ROTOR_OK && code == EXIT_YES) {
        rotor_cli_error("%s: cannot be closed: %s", path, error.message);
        return EXIT_NOT_RUN;
    }
    return code;
}

const char *rotor_cli_tree_failure(rotor_tree *tree, rotor_status status, rotor_error *detail) {
    if (status == ROTOR_FAILED && rotor_failure(tree, detail) == ROTOR_FAILED) {
        return detail->message;
    }
    return rotor_status_message(status);
}

int rotor_cli_tree_damaged(const char *path, const char *format, ...) {
    char what[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    rotor_cli_error("%s: damaged: %s is not what was stored; 'rotortree check %s' finds the place", path, what, path);
    return EXIT_NOT_RUN;
}

int rotor_cli_tree_error(rotor_tree *tree, const char *path, const char *what, rotor_status status) {
    rotor_error detail;
    rotor_cli_error("%s: %s: %s", path, what, rotor_cli_tree_failure(tree, status, &detail));
    return EXIT_NOT_RUN;
}
