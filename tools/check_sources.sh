#!/bin/sh
# House rules that no compiler knows, over every source file of the project at ROOT (here by default):
#   - it begins with a comment that states its purpose;
#   - no tabs, no white space at a line's end, no carriage returns, nothing but ASCII, no notes of what is left to do;
#   - at most 800 lines a file (generated assembly is not read by people and is exempt);
#   - functions up to about 70 lines: longer ones are named, above 100 lines they fail. A state machine may need some
#     lines more than a screen, and cutting it at a line count would not make it plainer.
#   check_sources.sh --self-test proves that each rule can fail.
set -eu
export LC_ALL=C

max_file_lines=800
note_function_lines=70
max_function_lines=100

check_c() {
    awk -v file="$1" -v max_file="$max_file_lines" -v note="$note_function_lines" -v max_function="$max_function_lines" '
        function complain(line, what) { printf "%s:%d: %s\n", file, line, what; bad = 1 }
        function measure(lines) {
            if (lines > max_function)
                complain(start, "a function of " lines " lines")
            else if (lines > note)
                printf "%s:%d: note: a function of %d lines\n", file, start, lines
        }
        NR == 1 && !/^\/\* .../ { complain(1, "does not begin with a comment that states its purpose") }
        /\t/ { complain(NR, "a tab") }
        # A definition starts at the left margin and, after at most a few lines, ends with the opening brace; its body
        # ends with a brace at the left margin. The formatter sees to that.
        !inside && /^[A-Za-z_]/ && !/^(typedef|struct [a-z_0-9]* \{|enum|union|extern "C")/ { start = NR; head = "" }
        !inside && start { head = head $0 }
        !inside && start && /;[ ]*(\/\*.*)?$/ { start = 0 }
        !inside && start && /\{$/ { if (head ~ /\(/ && head !~ /=/) inside = 1; else start = 0 }
        inside && /^\}/ { measure(NR - start + 1); inside = 0; start = 0 }
        END {
            if (NR > max_file)
                complain(NR, "a file of " NR " lines")
            if (inside)
                complain(start, "the end of this function was not found")
            exit bad
        }' "$1"
}

# Lines that no file may have, whatever its language.
check_text() {
    awk -v file="$1" '
        function complain(what) { printf "%s:%d: %s\n", file, NR, what; bad = 1 }
        /\r/ { complain("a carriage return") }
        /[ \t]$/ { complain("white space at the end of the line") }
        /[^\001-\177]/ { complain("a character outside ASCII") }
        /(^|[^A-Za-z])(TO[D]O|FIX[M]E|XX[X])([^A-Za-z]|$)/ { complain("a note of what is left to do") }
        END { exit bad }' "$1"
}

# Scripts, build files and assembly: a comment on the first line, or on the one behind the interpreter's.
check_purpose() {
    awk -v file="$1" '
        NR == 1 && /^#!/ { next }
        /^# .../ || /^\/\* .../ || /^"""/ || /^\/\/ .../ { good = 1 }
        { exit }
        END { if (!good) print file ":1: does not begin with a comment that states its purpose"; exit !good }' "$1"
}

sources() {
    find . \( -name .git -o -path './build*' -o -path ./.cache -o -path ./tests/data -o -path ./fuzz/corpus \) -prune -o \
        -type f \( -name '*.[chS]' -o -name '*.cpp' -o -name '*.sh' -o -name '*.py' -o -name '*.cmake' -o \
        -name CMakeLists.txt -o -path ./dev -o -path ./.ci/run \) -print | sort
}

check() {
    cd "$1"
    bad=0
    count=0
    for file in $(sources); do
        count=$((count + 1))
        file=${file#./}
        check_text "$file" || bad=1
        case $file in
        *.[ch]) check_c "$file" || bad=1 ;;
        *) check_purpose "$file" || bad=1 ;;
        esac
    done
    [ "$count" -gt 0 ] || {
        echo "no source file was found in $1"
        bad=1
    }
    return "$bad"
}

self_test() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/rotortree-sources.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    wrong=0
    # expect good|bad WHAT FILE: what the checks say of FILE, which was just written.
    expect() {
        if (check "$work") >/dev/null; then verdict=good; else verdict=bad; fi
        [ "$verdict" = "$1" ] || {
            echo "self-test: $2 was called $verdict"
            wrong=1
        }
        rm "$work/$3"
    }
    function_of() {
        printf '/* A purpose. */\nstatic int f(int a,\n             int b) {\n'
        awk -v n="$1" 'BEGIN { for (i = 3; i < n; i++) print "    a += b;" }'
        printf '}\n'
    }
    function_of 100 >"$work/a.c" && expect good "a function of 100 lines" a.c
    function_of 101 >"$work/a.c" && expect bad "a function of 101 lines" a.c
    function_of 71 >"$work/a.c"
    case $(check "$work") in
    *"note: a function of 71 lines"*) ;;
    *) echo "self-test: a function of 71 lines was not noted" && wrong=1 ;;
    esac
    awk 'BEGIN { print "/* A purpose. */"; for (i = 1; i < 801; i++) print "int x;" }' >"$work/a.c"
    expect bad "a file of 801 lines" a.c
    printf 'int x;\n' >"$work/a.c" && expect bad "a C file without purpose" a.c
    printf '#!/bin/sh\nset -e\n' >"$work/a.sh" && expect bad "a script without purpose" a.sh
    printf '#!/bin/sh\n# A purpose.\n' >"$work/a.sh" && expect good "a script with purpose" a.sh
    printf '/* A purpose. */\n\tint x;\n' >"$work/a.c" && expect bad "a tab" a.c
    printf '/* A purpose. */\nint x; \n' >"$work/a.c" && expect bad "a trailing blank" a.c
    printf '/* A purpose. */\r\n' >"$work/a.c" && expect bad "a carriage return" a.c
    printf '/* A purpose. \303\244 */\n' >"$work/a.c" && expect bad "a character outside ASCII" a.c
    printf '/* A purpose. */\n/* TO%s: more */\n' DO >"$work/a.c" && expect bad "a note of what is left to do" a.c
    return "$wrong"
}

case ${1:-.} in
--self-test) self_test ;;
*) check "${1:-.}" ;;
esac
