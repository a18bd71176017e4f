#!/bin/sh
# Every check that needs no run of the product, one line of result each, all of them even when one fails.
# Expects to be called by ./dev lint, which sees to the tools. CLANG_FORMAT names another clang-format; JOBS as there.
set -eu
cd "$(dirname "$0")/.."

jobs=${JOBS:-1}
# Layout differs between versions of the formatter: this is the one that .clang-format is written for.
formatter_version=14
work=$(mktemp -d "${TMPDIR:-/tmp}/rotortree-lint.XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
skipped=0

# check NAME COMMAND...: runs it; its output is shown only when it fails.
check() {
    name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        printf 'ok      %s\n' "$name"
        grep ': note: ' "$work/output" | grep -v '^/' | sed 's/^/        /' || true
        passed=$((passed + 1))
    else
        printf 'FAILED  %s\n' "$name"
        sed 's/^/        /' "$work/output"
        failed=$((failed + 1))
    fi
}

skip() {
    printf 'skipped %s: %s\n' "$1" "$2"
    skipped=$((skipped + 1))
}

has() {
    command -v "$1" >/dev/null 2>&1
}

c_files() {
    find include src json cli tests fuzz bench examples -name '*.[ch]' 2>/dev/null | sort
}

shell_files() {
    find tools tests -name '*.sh' | sort
    echo dev
}

format() {
    c_files | xargs "$formatter" --dry-run -Werror
}

# preset NAME: configures and builds everything, past the first error; shows what the compilers say.
preset() {
    cmake --preset "$1" >"$work/configure" 2>&1 || {
        cat "$work/configure"
        return 1
    }
    cmake --build "build-$1" -j "$jobs" -- -k >"$work/build" 2>&1 || {
        grep -v '^\[ *[0-9]*%\]' "$work/build"
        return 1
    }
}

# Only sources that are part of the build have a compile command. Each finding is one line here; the paths that lead to
# it are in the log.
tidy() {
    log=build-lint-clang/clang-tidy.log
    sed -n 's/^ *"file": "\(.*\.c\)".*/\1/p' build-lint-clang/compile_commands.json | sort -u |
        xargs -P "$jobs" -n 1 clang-tidy -p build-lint-clang --quiet 2>/dev/null >"$log" || {
        grep -E '(error|warning): ' "$log" | sort -u
        echo "more in $log"
        return 1
    }
}

cpp_check() {
    set --
    for folder in src json cli; do
        [ ! -d "$folder" ] || set -- "$@" "$folder"
    done
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppress=missingIncludeSystem -D_GNU_SOURCE -D__GNUC__=12 -D__x86_64__ -D__linux__ -Iinclude -Isrc -j "$jobs" "$@"
}

# The C block of README.md, held against the program that the tests build and run.
readme_example() {
    awk '/^[`][`][`]/ { inside = $0 == "\140\140\140c"; next } inside' README.md | diff - examples/quickstart.c
}

headers() {
    for header in include/*.h; do
        for standard in c99 c11 c17; do
            cc -std=$standard -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c "$header" || return 1
        done
        if has c++; then
            c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ "$header" || return 1
        fi
    done
}

shells() {
    shell_files | xargs shellcheck && shellcheck .ci/run && for script in $(shell_files); do sh -n "$script" || return 1; done
}

# Reading a script is all that is checked; what it does is a matter of tests.
pythons() {
    find tools -name '*.py' | sort | while read -r script; do
        python3 -B -W error -c 'import pathlib, sys; compile(pathlib.Path(sys.argv[1]).read_text(), sys.argv[1], "exec")' \
            "$script" || return 1
    done
}

if formatter=$(command -v "${CLANG_FORMAT:-clang-format-$formatter_version}" || command -v clang-format) &&
    "$formatter" --version | grep -q "version $formatter_version\."; then
    check "format (clang-format $formatter_version)" format
else
    skip format "needs clang-format $formatter_version, another version lays out differently"
fi
check "sources: purpose, length, characters" sh tools/check_sources.sh
check "sources: the check itself" sh tools/check_sources.sh --self-test
check "layers" sh tools/check_layers.sh
check "layers: the check itself" sh tools/check_layers.sh --self-test
check "public headers alone, C and C++" headers
check "shell scripts (shellcheck, sh -n)" shells
if has python3; then
    check "python scripts (syntax)" pythons
else
    skip "python scripts" "no python3"
fi
check "the example in README.md is examples/quickstart.c" readme_example
for generator in tools/gen_*.py; do
    if has python3; then
        check "generated assembly is up to date: $generator" python3 "$generator" --check
    else
        skip "generated assembly: $generator" "no python3"
    fi
done
if [ -d docs/man ]; then
    if has mandoc; then
        check "man pages (mandoc)" mandoc -T lint -W warning docs/man/*.[13]
    else
        skip "man pages" "no mandoc"
    fi
fi
check "gcc without warnings" preset lint-gcc
check "clang without warnings" preset lint-clang
check "clang-tidy" tidy
if has cppcheck; then
    check "cppcheck" cpp_check
else
    skip cppcheck "not installed"
fi

printf '%s\n' "lint: $passed checks passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
